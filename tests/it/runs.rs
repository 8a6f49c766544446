//! Runs of the real command, each in a folder of its own, and what they left.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use pinion_tests::pinion;
use serde_json::Value;
use tempfile::TempDir;

/// No run of these tests may take longer: a hang fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(120);

/// The line files of a run.
pub const LINE_FILES: [&str; 3] = ["session.jsonl", "candidates.jsonl", "trade_decisions.jsonl"];

/// Runs the command to its end.
pub fn command<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Output {
    let mut command = pinion();
    command.args(args);
    assert_cmd::Command::from_std(command).timeout(PATIENCE).output().expect("it starts")
}

/// A `pinion paper` that has ended.
#[derive(Debug)]
pub struct Run {
    /// What it printed, and its exit code.
    pub output: Output,
    /// Its run directory; absent when it never came to it.
    pub dir: PathBuf,
    folder: TempDir,
}

/// Runs `pinion paper --out <folder>/run` with `args`.
pub fn paper(args: &[&str]) -> Run {
    paper_in(tempfile::tempdir().expect("a folder"), args)
}

/// The same inside `folder`, which may already hold the data of the run.
pub fn paper_in(folder: TempDir, args: &[&str]) -> Run {
    let dir = folder.path().join("run");
    let out = ["paper", "--out", dir.to_str().expect("UTF-8")];
    let output = command(out.iter().chain(args));
    Run::ended(folder, output)
}

impl Run {
    /// A run that was started some other way, in `<folder>/run`.
    pub fn ended(folder: TempDir, output: Output) -> Self {
        Self { output, dir: folder.path().join("run"), folder }
    }

    /// The run, which must have ended well.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.output.status.code(), Some(0), "{}", self.stderr());
        self
    }

    /// The folder around the run directory.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Text for people.
    pub fn stderr(&self) -> String {
        String::from_utf8(self.output.stderr.clone()).expect("UTF-8")
    }

    /// A file as text.
    pub fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.join(name))
            .unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// A file of JSON lines, each of them whole.
    pub fn rows(&self, name: &str) -> Vec<Value> {
        let text = self.text(name);
        assert!(text.is_empty() || text.ends_with('\n'), "{name} ends in half a line");
        let row = |(at, line): (usize, &str)| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}:{}: {error}", at + 1))
        };
        text.lines().enumerate().map(row).collect()
    }

    /// `summary.json`.
    pub fn summary(&self) -> Value {
        serde_json::from_str(&self.text("summary.json")).expect("JSON")
    }

    /// `pinion replay` of it: exit code and stderr.
    pub fn replay(&self) -> (i32, String) {
        let output = command([OsStr::new("replay"), self.dir.as_os_str()]);
        let code = output.status.code().expect("an exit code");
        (code, String::from_utf8(output.stderr).expect("UTF-8"))
    }

    /// The replay of it, which must be equal.
    #[track_caller]
    pub fn replays(&self) {
        let (code, text) = self.replay();
        assert_eq!(code, 0, "{text}");
        assert!(text.starts_with("equal: "), "{text}");
    }
}

/// A member that is a text.
#[track_caller]
pub fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_else(|| panic!("{key} is no text in {row}"))
}

/// A member that is a whole number.
#[track_caller]
pub fn count(row: &Value, key: &str) -> u64 {
    row[key].as_u64().unwrap_or_else(|| panic!("{key} is no count in {row}"))
}

/// A member that is an exact decimal text, in hundred-millionths.
#[track_caller]
pub fn units(row: &Value, key: &str) -> i128 {
    decimal(text(row, key)).unwrap_or_else(|| panic!("{key} is no decimal in {row}"))
}

/// An exact decimal of at most eight places in hundred-millionths; `None` for any other spelling.
pub fn decimal(text: &str) -> Option<i128> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let spare = digits.contains('.') && (fraction.is_empty() || fraction.ends_with('0'));
    let zeros = whole.is_empty() || (whole.len() > 1 && whole.starts_with('0'));
    if !plain(whole) || !plain(fraction) || fraction.len() > 8 || spare || zeros || text == "-0" {
        return None;
    }
    let value: i128 = format!("{whole}{fraction:0<8}").parse().ok()?;
    Some(if negative { -value } else { value })
}

#[test]
fn decimals_are_read_exactly_and_in_one_spelling() {
    for (text, units) in
        [("0", 0), ("-1.5", -150_000_000), ("0.00000001", 1), ("25000", 2_500_000_000_000)]
    {
        assert_eq!(decimal(text), Some(units), "{text}");
    }
    for text in ["", "-", "-0", "1.", ".5", "1.50", "01", "1e5", "+1", "0.000000001", "NaN", "1,5"]
    {
        assert_eq!(decimal(text), None, "{text}");
    }
}
