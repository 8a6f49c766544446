//! Checks of the tree itself: what the compiler and the linters do not see.
//!
//! A rule looks at one file and returns complaints. Every rule has a sample that it must catch, at the
//! bottom. Forbidden words are put together from pieces, so that this file does not hold them.

use std::fs;
use std::path::{Path, PathBuf};

use pinion_core::msg::{CommandMsg, ControlMsg, MarketMsg, RecordMsg, ScanMsg, VenueMsg};
use pinion_core::settings::{Apply, KEYS, Key, Settings};
use pinion_tools::config::env_name;
use toml::{Table, Value};

/// Folder of every member and the members it may depend on; dev-dependencies included.
const DIRECTIONS: [(&str, &[&str]); 7] = [
    ("core", &[]),
    ("io", &["core"]),
    ("tuner", &["core"]),
    // Below the command, which runs them.
    ("benches", &["core", "io", "tuner"]),
    ("tools", &["core", "io", "tuner", "benches"]),
    ("tests", &["core", "io", "tuner", "tools", "oracle", "benches"]),
    // Counts on its own what the engine counts: it may share nothing with it.
    ("tests/oracle", &[]),
];

/// rustfmt keeps code to 100; a line of a long literal may be longer.
const COLUMNS: usize = 115;
/// rustfmt leaves comments alone; a few columns more are not worth a rewrap.
const COLUMNS_COMMENT: usize = 115;
/// rustfmt does not break string literals.
const COLUMNS_STRING: usize = 200;
const LINES: usize = 800;

/// Words that must not stay in the code, in two pieces, and what to do instead.
const LEFTOVERS: [(&str, &str, &str); 6] = [
    ("dbg", "!(", "remove it"),
    ("todo", "!(", "write it"),
    ("unimplemented", "!(", "write it"),
    ("FIX", "ME", "fix it"),
    ("TO", "DO", "do it, or say in a sentence what is missing"),
    ("XX", "X", "say in a sentence what is meant"),
];

/// Starts of absolute paths of somebody's machine.
const MACHINE_PATHS: [(&str, &str); 4] =
    [("/ho", "me/"), ("/ro", "ot/"), ("/Us", "ers/"), ("/wo", "rk/")];

/// Hosts of package registries.
const REGISTRIES: [(&str, &str); 5] = [
    ("crates", ".io"),
    ("pypi", ".org"),
    ("pythonhosted", ".org"),
    ("npmjs", ".org"),
    ("proxy.golang", ".org"),
];

/// A text file of the tree.
struct File {
    /// From the root, with `/`.
    path: String,
    text: String,
}

impl File {
    fn is(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }

    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    fn at(&self, line: usize, complaint: &str) -> String {
        format!("{}:{line}: {complaint}", self.path)
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect(path)
}

fn toml(path: &str) -> Table {
    read(path).parse().expect(path)
}

/// Every text file of the tree; what is built, run or fetched is no part of it.
fn tree() -> Vec<File> {
    let mut files = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).expect("a folder of the tree") {
            let entry = entry.expect("an entry of the tree");
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            let kind = entry.file_type().expect("a kind");
            if kind.is_dir() && !["target", "runs", ".git"].contains(&name.as_str()) {
                folders.push(path);
            } else if kind.is_file()
                && name != ".git"
                && let Ok(text) = fs::read_to_string(entry.path())
            {
                files.push(File { path, text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(files.len() > 50, "the tree was found");
    files
}

fn complaints(rule: impl Fn(&File) -> Vec<String>) -> Vec<String> {
    tree().iter().flat_map(rule).collect()
}

#[track_caller]
fn assert_tidy(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

// Manifests.

fn members() -> Vec<String> {
    let manifest = toml("Cargo.toml");
    let members = manifest["workspace"]["members"].as_array().expect("a list").iter();
    members.map(|member| member.as_str().expect("a folder").to_owned()).collect()
}

/// Names of everything a manifest depends on, with the entry.
fn dependencies(manifest: &Table) -> impl Iterator<Item = (&String, &Value)> {
    ["dependencies", "dev-dependencies", "build-dependencies"]
        .into_iter()
        .filter_map(|section| manifest.get(section)?.as_table())
        .flatten()
}

#[test]
fn members_share_lints_names_and_versions() {
    for member in members() {
        let manifest = toml(&format!("{member}/Cargo.toml"));
        assert_eq!(manifest["lints"]["workspace"].as_bool(), Some(true), "{member}");
        let name = format!("pinion-{}", member.rsplit('/').next().unwrap_or(&member));
        assert_eq!(manifest["package"]["name"].as_str(), Some(name.as_str()));
        for (name, entry) in dependencies(&manifest) {
            let shared = entry.get("workspace").and_then(Value::as_bool);
            assert_eq!(shared, Some(true), "{member}: the version of {name} stands in the root");
        }
    }
}

#[test]
fn dependencies_point_one_way() {
    let known: Vec<&str> = DIRECTIONS.iter().map(|(member, _)| *member).collect();
    assert_eq!(members(), known, "a new member needs a line in DIRECTIONS");
    for (member, allowed) in DIRECTIONS {
        let manifest = toml(&format!("{member}/Cargo.toml"));
        for (name, _) in dependencies(&manifest) {
            if let Some(other) = name.strip_prefix("pinion-") {
                assert!(allowed.contains(&other), "{member} must not depend on {other}");
            }
        }
    }
}

#[test]
fn the_oracle_depends_on_nothing_and_names_nothing_of_the_engine() {
    assert_eq!(dependencies(&toml("tests/oracle/Cargo.toml")).count(), 0);
    for file in tree().iter().filter(|file| file.path.starts_with("tests/oracle/src/")) {
        assert!(!file.text.contains("pinion_"), "{} names a crate of the engine", file.path);
        assert!(!file.text.contains("f64") && !file.text.contains("f32"), "{}", file.path);
    }
}

#[test]
fn the_core_has_neither_std_nor_unsafe() {
    let library = read("core/src/lib.rs");
    for attribute in ["#![no_std]", "#![forbid(unsafe_code)]"] {
        assert!(library.lines().any(|line| line == attribute), "core/src/lib.rs: {attribute}");
    }
    // `extern crate std` outside of tests would undo the first.
    let mut lines = library.lines().zip(library.lines().skip(1));
    assert!(lines.all(|(above, line)| line != "extern crate std;" || above == "#[cfg(test)]"));
}

#[test]
fn every_test_file_is_compiled() {
    let main = read("tests/it/main.rs");
    for entry in fs::read_dir(root().join("tests/it")).expect("a folder") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        let module = name.trim_end_matches(".rs");
        let declared = main.lines().any(|line| line == format!("mod {module};"));
        assert!(module == "main" || declared, "tests/it/main.rs lacks `mod {module};`");
    }
}

// Rust.

fn leftovers(file: &File) -> Vec<String> {
    if !file.is("rs") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (number, line) in file.lines() {
        for (first, second, instead) in LEFTOVERS {
            let word = format!("{first}{second}");
            if has_word(line, &word) {
                found.push(file.at(number, &format!("{word}: {instead}")));
            }
        }
    }
    found
}

/// True when the line holds the word and no letter, digit or underscore beside it.
fn has_word(line: &str, word: &str) -> bool {
    let in_word = |c: char| c == '_' || c.is_alphanumeric();
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(in_word)
            && (word.ends_with('(') || !line[at + word.len()..].starts_with(in_word))
    })
}

fn sizes(file: &File) -> Vec<String> {
    if !file.is("rs") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (number, line) in file.lines() {
        let trimmed = line.trim_start();
        let comment = trimmed.starts_with("//");
        // A row of a table in a comment cannot be wrapped.
        let row = trimmed.trim_start_matches(['/', '!', ' ']).starts_with('|');
        let most = match (comment, line.contains('"')) {
            (true, _) if row => usize::MAX,
            (true, _) => COLUMNS_COMMENT,
            (false, true) => COLUMNS_STRING,
            (false, false) => COLUMNS,
        };
        let columns = line.chars().count();
        if columns > most {
            found.push(file.at(number, &format!("{columns} columns, at most {most} here")));
        }
    }
    let lines = file.text.lines().count();
    if lines > LINES {
        found.push(file.at(lines, &format!("over {LINES} lines: find the seam and split it")));
    }
    found
}

// Documents.

/// Lines outside of fenced blocks.
fn prose(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    file.lines().filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

fn links(file: &File) -> Vec<String> {
    if !file.is("md") {
        return Vec::new();
    }
    let folder = root().join(&file.path);
    let folder = folder.parent().expect("a file has a folder");
    let mut found = Vec::new();
    for (number, line) in prose(file) {
        for after in line.split("](").skip(1) {
            let target = after.split([')', ' ']).next().unwrap_or_default();
            let path = target.split('#').next().unwrap_or_default();
            let elsewhere = target.contains("://") || target.starts_with("mailto:");
            if !elsewhere && !path.is_empty() && !folder.join(path).exists() {
                found.push(file.at(number, &format!("{target} is not in the tree")));
            }
        }
    }
    found
}

/// Settings that a document names, in backticks, after `--set`, or as a variable, must exist.
fn settings_named(file: &File) -> Vec<String> {
    if !file.is("md") {
        return Vec::new();
    }
    let section = |name: &str| KEYS.iter().any(|key| key.name.split('.').next() == Some(name));
    let mut found = Vec::new();
    for (number, line) in file.lines() {
        let spans = line.split('`').skip(1).step_by(2).filter(|span| {
            let mut parts = span.split('.');
            let (first, second) = (parts.next().unwrap_or_default(), parts.next());
            let plain = |c: char| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit();
            let extension = matches!(second, Some("rs" | "toml" | "md" | "json" | "jsonl"));
            section(first)
                && !extension
                && parts.next().is_none()
                && second.is_some_and(|name| !name.is_empty() && name.chars().all(plain))
        });
        let sets = line.split("--set ").skip(1).filter_map(|rest| rest.split('=').next());
        let sets = sets.filter(|name| name.contains('.') && !name.contains([' ', '`']));
        for name in spans.chain(sets).filter(|name| !name.starts_with("instrument.")) {
            if Settings::key(name).is_none() {
                found.push(file.at(number, &format!("{name} is no setting")));
            }
        }
        let variables = line.split(|c: char| c != '_' && !c.is_ascii_alphanumeric());
        for variable in variables.filter(|word| word.starts_with("PINION__")) {
            if !variable.starts_with("PINION__INSTRUMENT__")
                && KEYS.iter().all(|key| env_name(key.name) != variable)
            {
                found.push(file.at(number, &format!("{variable} is no setting")));
            }
        }
    }
    found
}

#[test]
fn the_table_of_keys_names_only_settings_that_exist() {
    let table =
        KEYS.iter().map(|key| key.doc.replace(key.name, "").replace(['(', ')', ',', ';', ':'], ""));
    for (doc, key) in table.zip(KEYS) {
        for word in doc.split_whitespace().map(|word| word.trim_end_matches('.')) {
            let dotted = word.contains('.') && word.starts_with(|c: char| c.is_ascii_lowercase());
            assert!(!dotted || Settings::key(word).is_some(), "{}: {word}", key.name);
        }
    }
}

/// Rooms whose stages keep the settings that they were made with.
const OF_THE_START: [&str; 3] = ["core/src/signal/", "core/src/gate/", "io/src/"];

fn field(key: &Key) -> String {
    key.name.replace('.', "_")
}

fn is_test(path: &str) -> bool {
    path.ends_with("tests.rs") || path.contains("/tests/")
}

/// A key that may change during a run must be read where the settings in force are: a room that keeps those
/// of the start would go on with the old value.
fn kept_from_the_start(file: &File) -> Vec<String> {
    if !OF_THE_START.iter().any(|room| file.path.starts_with(room)) || is_test(&file.path) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for key in KEYS.iter().filter(|key| key.apply != Apply::Restart) {
        for (number, _) in file.lines().filter(|(_, line)| has_word(line, &field(key))) {
            let complaint = format!("{} may change during a run, and is kept here", key.name);
            found.push(file.at(number, &complaint));
        }
    }
    found
}

#[test]
fn keys_that_change_during_a_run_are_read_where_they_change() {
    assert_tidy(&complaints(kept_from_the_start));
    let engine = |file: &File| {
        let path = file.path.as_str();
        let elsewhere = OF_THE_START.iter().any(|room| path.starts_with(room));
        path.starts_with("core/src/")
            && !path.starts_with("core/src/settings/")
            && !(elsewhere || is_test(path))
    };
    let files: Vec<File> = tree().into_iter().filter(engine).collect();
    for key in KEYS.iter().filter(|key| key.apply != Apply::Restart) {
        let is_read = |file: &File| file.lines().any(|(_, line)| has_word(line, &field(key)));
        assert!(files.iter().any(is_read), "{} changes nothing", key.name);
    }
}

// The machine it was written on.

fn workplace(file: &File) -> Vec<String> {
    if file.path == "Cargo.lock" {
        return Vec::new();
    }
    let checkout = root().canonicalize().expect("the checkout exists");
    let checkout = checkout.to_str().expect("text");
    let mut found = Vec::new();
    for (number, line) in file.lines() {
        let absolute = MACHINE_PATHS.iter().any(|(first, second)| {
            let start = format!("{first}{second}");
            line.match_indices(&start).any(|(at, _)| {
                // `a/home/b` is a path in some tree, not one of a machine.
                !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-~}*".contains(c))
            })
        });
        if absolute || line.contains(checkout) {
            found.push(file.at(number, "a path of one machine: say it relative to the checkout"));
        }
        for (first, second) in REGISTRIES {
            if line.contains(&format!("{first}{second}")) {
                found.push(file.at(number, "a package registry: name the package alone"));
            }
        }
        let texts = file.is("rs") || file.is("md");
        if texts && cites_number(line) {
            found.push(file.at(number, "cites an issue by number: say what it is about"));
        }
    }
    found
}

/// A number sign and digits in parentheses or after a word like issue or PR.
fn cites_number(line: &str) -> bool {
    line.match_indices('#').any(|(at, _)| {
        let rest = line[at + 1..].trim_start_matches(|c: char| c.is_ascii_digit());
        let digits = line.len() - at - 1 - rest.len();
        let before = line[..at].to_lowercase();
        let cited = ["(", "issue ", "issues ", "pr ", "pull ", "see ", "fixes ", "closes "]
            .iter()
            .any(|word| before.ends_with(word));
        digits > 0 && cited && !rest.starts_with(|c: char| c == '_' || c.is_alphanumeric())
    })
}

/// Left by a merge or an editor.
fn debris(file: &File) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in file.lines() {
        let marker = ["<".repeat(7), ">".repeat(7), "|".repeat(7)];
        if marker.iter().any(|marker| line.starts_with(marker.as_str())) {
            found.push(file.at(number, "a merge conflict"));
        }
        let written = file.is("rs") || file.is("md") || file.is("toml");
        if written && line.ends_with([' ', '\t', '\r']) {
            found.push(file.at(number, "ends with a blank"));
        }
    }
    found
}

#[test]
fn nothing_is_left_over() {
    assert_tidy(&complaints(leftovers));
}

#[test]
fn lines_and_files_are_not_too_long() {
    assert_tidy(&complaints(sizes));
}

#[test]
fn links_between_documents_resolve() {
    assert_tidy(&complaints(links));
}

#[test]
fn documents_name_only_settings_that_exist() {
    assert_tidy(&complaints(settings_named));
}

#[test]
fn nothing_tells_of_the_machine_it_was_written_on() {
    assert_tidy(&complaints(workplace));
}

#[test]
fn merges_and_editors_left_nothing() {
    assert_tidy(&complaints(debris));
}

#[test]
fn every_message_has_its_size() {
    fn row<M: Copy>(name: &'static str) -> (&'static str, usize, usize) {
        (name, size_of::<M>(), align_of::<M>())
    }
    let table = [
        row::<MarketMsg>("MarketMsg"),
        row::<VenueMsg>("VenueMsg"),
        row::<ScanMsg>("ScanMsg"),
        row::<ControlMsg>("ControlMsg"),
        row::<CommandMsg>("CommandMsg"),
        row::<RecordMsg>("RecordMsg"),
    ];
    let sizes = table.map(|(_, size, align)| (size, align));
    assert_eq!(sizes, [(64, 64), (128, 64), (128, 64), (64, 64), (64, 64), (128, 64)]);
    for file in tree().iter().filter(|file| file.path.starts_with("core/src/msg/")) {
        for line in file.text.lines() {
            let name = line.trim_start().strip_prefix("pub struct ").unwrap_or_default();
            let name = name.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            let known = table.iter().any(|(known, _, _)| *known == name);
            assert!(!name.ends_with("Msg") || known, "{name} is not in the table of sizes");
        }
    }
}

// Every rule catches what it is for, and lets pass what it is not for.

#[track_caller]
fn sample(rule: impl Fn(&File) -> Vec<String>, path: &str, caught: &[&str], passed: &[&str]) {
    for (texts, expected) in [(caught, 1), (passed, 0)] {
        for text in texts {
            let file = File { path: path.to_owned(), text: (*text).to_owned() };
            assert_eq!(rule(&file).len(), expected, "{text}");
        }
    }
}

#[test]
fn rules_for_rust_catch_their_samples() {
    let word = |index: usize| format!("{}{}", LEFTOVERS[index].0, LEFTOVERS[index].1);
    let (debug, note) = (format!("    {}x);", word(0)), format!("// {}: later", word(4)));
    sample(leftovers, "a.rs", &[&debug, &note], &["let dbg = 1;", "// METODO", "AUTODO_X"]);
    let letters = |count: usize| "x".repeat(count);
    let comment = |count: usize| format!("// {}", letters(count - 3));
    let text = |count: usize| format!("\"{}\"", letters(count - 2));
    sample(
        sizes,
        "a.rs",
        &[&letters(116), &comment(116), &text(201), &"\n".repeat(801)],
        &[&letters(115), &comment(115), &text(200), &"ä".repeat(115), "// | a |", ""],
    );
    let row = format!("/// | {} |", letters(300));
    sample(sizes, "a.rs", &[], &[&row, &"\n".repeat(800)]);
}

#[test]
fn rules_for_documents_catch_their_samples() {
    sample(
        links,
        "README.md",
        &["[a](no/such/file.md)", "see [a](README.md) and [b](gone.md#part)"],
        &["[a](README.md#part)", "[b](https://example.org/x)", "[c](#part)", "```\n[a](no)\n```"],
    );
    sample(
        settings_named,
        "README.md",
        &["`signal.scan_nss`", "--set exit.tp=5", "PINION__EXIT__TP=5"],
        &[
            "`signal.scan_ns` and `signal.rs`",
            "--set exit.tp_bps=5",
            "`--set KEY=VALUE`",
            "PINION__EXIT__TP_BPS=5",
            "`session.jsonl`",
        ],
    );
}

#[test]
fn the_rule_for_keys_catches_its_samples() {
    sample(
        kept_from_the_start,
        "core/src/gate/mod.rs",
        &["tp: settings.exit_tp_bps,", "let legs = settings.exit_legs.clone();"],
        &["max: settings.cap_orders_per_day_max,", "my_exit_tp_bps"],
    );
}

#[test]
fn rules_for_the_workplace_catch_their_samples() {
    let path = |index: usize| format!("{}{}", MACHINE_PATHS[index].0, MACHINE_PATHS[index].1);
    let host = format!("https://{}{}/x", REGISTRIES[0].0, REGISTRIES[0].1);
    let (home, work) = (format!("cd {}me", path(0)), format!("\"{}x\"", path(3)));
    let here = format!("in {}", root().canonicalize().expect("exists").display());
    let cited = format!("fixed (#{})", 12);
    sample(
        workplace,
        "a.rs",
        &[&home, &work, &host, &here, &cited],
        &["../shared/data", &format!("tree{}x", path(0)), "fill=\"#123456\"", "r#1", "(#12ab)"],
    );
    let conflict = format!("{} ours", "<".repeat(7));
    sample(debris, "a.md", &[&conflict, "text "], &["text", "| a | b |"]);
}
