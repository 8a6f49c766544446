//! Equal runs give equal files, and a replay finds every byte that was changed.

use std::fs;
use std::path::Path;

use super::quarter_day;
use crate::runs::{LINE_FILES, Run, paper};

/// A file without what the clock on the wall said: the `wall` object of the last line, the last members of
/// the summary, the latency rows of the report.
fn without_wall(run: &Run, name: &str) -> Vec<u8> {
    let text = match name {
        "inputs.journal" => return fs::read(run.dir.join(name)).expect("readable"),
        _ => run.text(name),
    };
    let cut = |mark: &str| text.split_once(mark).expect(mark).0.to_owned();
    let kept = match name {
        "session.jsonl" => cut(",\"wall\":{"),
        "summary.json" => cut(",\n  \"wall_s\":"),
        "report.html" => {
            let begin = text.find("tick_to_order").or_else(|| text.find("<td>p50</td>"));
            let rows = |line: &&str| {
                !["p50", "p90", "p99", "p999", "max"]
                    .iter()
                    .any(|row| line.contains(&format!("<td>{row}</td>")))
            };
            assert!(begin.is_some(), "the report shows the latency");
            text.lines().filter(rows).collect::<Vec<_>>().join("\n")
        }
        _ => text,
    };
    kept.into_bytes()
}

const REPEATED: [&str; 7] = [
    "session.jsonl",
    "candidates.jsonl",
    "trade_decisions.jsonl",
    "inputs.journal",
    "snapshot.json",
    "summary.json",
    "report.html",
];

#[test]
fn equal_runs_give_equal_files_and_another_seed_others() {
    let (one, two, other) = (quarter_day("1"), quarter_day("1"), quarter_day("2"));
    for name in REPEATED {
        let (first, second) = (without_wall(&one, name), without_wall(&two, name));
        assert!(first == second, "{name} differs between equal runs");
        assert!(first != without_wall(&other, name), "{name} is the same with another seed");
    }
    assert_ne!(one.summary()["output_hash"], other.summary()["output_hash"]);
}

/// Runs the replay after a change to one file, then puts the file back.
#[track_caller]
fn after(run: &Run, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> (i32, String) {
    let path = run.dir.join(name);
    let whole = fs::read(&path).expect("readable");
    let mut changed = whole.clone();
    change(&mut changed);
    assert_ne!(changed, whole, "{name} was not changed");
    fs::write(&path, changed).expect("written");
    let result = run.replay();
    fs::write(&path, whole).expect("written");
    result
}

/// Where line `number` (from 1) begins and where the next one does.
fn line(content: &[u8], number: usize) -> (usize, usize) {
    let mut ends =
        content.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    let begin = if number == 1 { 0 } else { ends.nth(number - 2).expect("so many lines") };
    (begin, ends.next().expect("one more line"))
}

#[test]
fn a_changed_character_or_line_is_found_and_named() {
    let run = quarter_day("1");
    run.replays();
    for name in LINE_FILES {
        let lines = run.text(name).lines().count();
        for number in [1, 2, lines / 2, lines - 1] {
            let (code, told) = after(&run, name, |content| {
                let (begin, end) = line(content, number);
                // The last digit of the line.
                let at = content[begin..end].iter().rposition(u8::is_ascii_digit);
                content[begin + at.expect("a digit")] ^= 1;
            });
            assert_eq!(code, 1, "{told}");
            assert!(told.contains(&format!("{name}, line {number}, at input")), "{told}");
            assert!(told.contains("recorded: {") && told.contains("replayed: {"), "{told}");
        }
        let (code, told) = after(&run, name, |content| {
            let (begin, end) = line(content, lines / 2);
            content.drain(begin..end);
        });
        assert_eq!(code, 1, "{told}");
        assert!(told.contains(&format!("{name}, line {}, at input", lines / 2)), "{told}");
        let (code, told) = after(&run, name, |content| content.extend_from_slice(b"{}\n"));
        assert_eq!(code, 1, "{told}");
        assert!(told.contains(&format!("{name}, line {}", lines + 1)), "{told}");
        assert!(told.contains("replayed: (no such line)"), "{told}");
    }
    for name in ["snapshot.json", "summary.json"] {
        let (code, told) = after(&run, name, |content| {
            let at = content.iter().position(u8::is_ascii_digit).expect("a digit");
            content[at] ^= 1;
        });
        assert_eq!(code, 1, "{told}");
        assert!(told.contains(&format!("{name}, line ")), "{told}");
    }
    run.replays();
}

#[test]
fn a_flipped_bit_of_the_journal_is_found_and_its_place_named() {
    let run = quarter_day("2");
    let len = fs::metadata(run.dir.join("inputs.journal")).expect("there").len() as usize;
    // The magic, the header, some inputs, the trailer.
    for at in [0, 7, 8, 100, len / 3, len / 2, len - 20, len - 9] {
        let (code, told) = after(&run, "inputs.journal", |content| content[at] ^= 1);
        assert_eq!(code, 1, "byte {at}: {told}");
        assert!(told.contains("inputs.journal"), "byte {at}: {told}");
    }
    let (code, told) = after(&run, "inputs.journal", |content| content[len / 2] ^= 0x40);
    assert_eq!(code, 1);
    assert!(told.contains("inputs.journal, byte ") && told.contains("checksum"), "{told}");
}

#[test]
fn a_cut_journal_is_told_from_a_run_that_was_cut() {
    let run = quarter_day("2");
    let summary = fs::read(run.dir.join("summary.json")).expect("readable");
    for lost in [9, 1_000, 500_000] {
        let cut = |content: &mut Vec<u8>| content.truncate(content.len() - lost);
        // The run has a summary, so it ended: its journal must have an end too.
        let (code, told) = after(&run, "inputs.journal", cut);
        assert_eq!(code, 1, "{told}");
        assert!(
            told.contains("line ") && told.contains("the journal breaks off at byte "),
            "{told}"
        );
        // Without one the process was killed: what is there is compared.
        fs::remove_file(run.dir.join("summary.json")).expect("removed");
        let (code, told) = after(&run, "inputs.journal", cut);
        fs::write(run.dir.join("summary.json"), &summary).expect("written");
        assert_eq!(code, 0, "{told}");
        assert!(told.starts_with("equal: ") && told.contains("breaks off at byte "), "{told}");
    }
    run.replays();
}

#[test]
fn what_is_no_run_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let replay = |path: &Path| {
        let output = crate::runs::command(["replay", path.to_str().expect("UTF-8")]);
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    };
    let (code, told) = replay(&folder.path().join("absent"));
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("absent: no such run directory"), "{told}");
    let (code, told) = replay(folder.path());
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("no inputs.journal in it"), "{told}");
    let run = paper(&["--duration", "10m"]).ok();
    fs::remove_file(run.dir.join("candidates.jsonl")).expect("removed");
    let (code, told) = run.replay();
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("candidates.jsonl: cannot read"), "{told}");
}
