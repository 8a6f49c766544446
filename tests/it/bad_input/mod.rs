//! Bad input through the real command: the exit code, and a message with what, where and how to mend it.

mod arguments;
mod damaged;
mod nonsense;
mod outputs;

use std::path::Path;

use tempfile::TempDir;

use crate::runs::{Run, paper_in};

/// Ticks of one perpetual, a quote and a trade a second: 600 rows after the heading.
fn rows() -> Vec<String> {
    let mut rows = vec!["type,symbol,exchange_ts_ns,local_ts_ns,f1,f2,f3,f4".to_owned()];
    for second in 0..300u64 {
        let at = 1_723_161_600_000_000_000 + second * 1_000_000_000;
        let price = 60_000 + second % 7;
        rows.push(format!("Q,BTC-USD,{at},{},{price}.1,0.5,{price}.3,0.25", at + 400_000));
        let at = at + 500_000_000;
        rows.push(format!("T,BTC-USD,{at},{},{price}.3,0.001,B,1", at + 400_000));
    }
    rows
}

/// Depth updates of one spot pair as received, after a snapshot: lines from 1, two a second.
fn frames() -> Vec<String> {
    let start = 1_723_161_600_000_000u64;
    let mut frames = vec![format!(
        r#"{start} {{"lastUpdateId":1000,"bids":[["60000.1","1.5"],["59999.9","2"]],"asks":[["60000.3","1"],["60000.5","3"]]}}"#
    )];
    for number in 1..=200u64 {
        let (at, id) = (start + number * 500_000, 1_000 + number);
        let qty = 1 + number % 5;
        frames.push(format!(
            r#"{at} {{"stream":"btcusdt@depth@100ms","data":{{"e":"depthUpdate","E":{},"s":"BTCUSDT","U":{id},"u":{id},"b":[["60000.1","{qty}"]],"a":[]}}}}"#,
            at / 1_000
        ));
    }
    frames
}

fn write(folder: &TempDir, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, content).expect("written");
    path.to_str().expect("UTF-8").to_owned()
}

/// A run on one file of this content.
fn run_on(name: &str, content: impl AsRef<[u8]>) -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    let path = write(&folder, name, content);
    paper_in(folder, &["--data", &path])
}

fn joined(lines: &[String]) -> String {
    lines.join("\n") + "\n"
}

/// The run was refused with this exit code before anything was made, with all of these words.
#[track_caller]
fn refused(run: &Run, code: i32, words: &[&str]) {
    let told = run.stderr();
    assert_eq!(run.output.status.code(), Some(code), "{told}");
    for word in words {
        assert!(told.contains(word), "no {word:?} in: {told}");
    }
    assert!(!told.contains("panicked"), "{told}");
    assert_eq!(run.output.stdout, b"", "nothing but text for people");
    assert!(!run.dir.exists(), "nothing was begun: {}", run.dir.display());
}

/// Every line of a file is whole JSON, and their numbers have no hole.
#[track_caller]
fn whole_lines(path: &Path) {
    let text = std::fs::read_to_string(path).expect("readable");
    assert!(text.is_empty() || text.ends_with('\n'), "half a line in {}", path.display());
    for (at, line) in text.lines().enumerate() {
        let row: serde_json::Value = serde_json::from_str(line).expect("a whole line");
        if let Some(seq) = row.get("seq") {
            assert_eq!(*seq, at as u64 + 1);
        }
    }
}

#[test]
fn the_samples_are_good_as_long_as_nothing_is_done_to_them() {
    for (name, lines) in [("btc.csv", rows()), ("btcusdt.raw", frames())] {
        let run = run_on(name, joined(&lines)).ok();
        let summary = run.summary();
        assert!(summary["market_events"].as_u64() > Some(200), "{summary}");
        let rejected = summary["rejected"].as_object().expect("counts");
        assert!(rejected.values().all(|count| *count == 0), "{summary}");
        assert_eq!(summary["gaps"], 0);
        run.replays();
    }
}
