//! What can be read and makes no sense: counted by reason, never traded on, and the run goes on.

use serde_json::Value;

use super::{frames, joined, rows, run_on};
use crate::runs::{Run, count, text};

/// Runs on tick rows of which one was changed; that event alone is rejected, for this reason.
#[track_caller]
fn rejected(at: usize, from: &str, to: &str, reason: &str) -> Run {
    let mut lines = rows();
    let changed = lines[at].replacen(from, to, 1);
    assert_ne!(changed, lines[at], "{from} stands in {}", lines[at]);
    lines[at] = changed;
    let run = run_on("btc.csv", joined(&lines)).ok();
    let summary = run.summary();
    for (name, count) in summary["rejected"].as_object().expect("counts") {
        assert_eq!(*count, u64::from(name == reason), "{name} for {to}");
    }
    assert_eq!(summary["market_events"], 599, "the others are taken");
    assert!(run.stderr().contains(&format!("1 {reason}")), "{}", run.stderr());
    run.replays();
    run
}

#[test]
fn prices_that_cannot_be() {
    rejected(39, ",60005.1,", ",0,", "bad_price");
    rejected(39, ",60005.1,", ",-60005.1,", "bad_price");
    rejected(40, ",60005.3,", ",-0.1,", "bad_price");
    rejected(40, ",60005.3,", ",,", "bad_price");
    rejected(40, ",60005.3,", ",0.123456789,", "too_precise");
}

#[test]
fn quantities_that_cannot_be() {
    rejected(40, ",0.001,", ",-0.001,", "bad_qty");
    rejected(40, ",0.001,", ",0,", "bad_qty");
    rejected(39, ",0.5,", ",-0.5,", "bad_qty");
}

#[test]
fn a_crossed_book() {
    rejected(39, ",60005.1,", ",60005.4,", "crossed_book");
}

#[test]
fn time_that_runs_backwards() {
    // An hour: more than data.backstep_ns_max.
    rejected(40, "1723161619500400000", "1723158019500400000", "out_of_order");
    // Two seconds: taken at the present.
    let mut lines = rows();
    lines[40] = lines[40].replacen("1723161619500400000", "1723161617500400000", 1);
    let run = run_on("btc.csv", joined(&lines)).ok();
    assert_eq!(run.summary()["market_events"], 600);
    let stamps: Vec<u64> =
        run.rows("session.jsonl").iter().map(|row| count(row, "ts_ns")).collect();
    assert!(stamps.is_sorted());
    run.replays();
}

#[test]
fn a_break_in_the_update_ids_is_a_gap_until_the_next_snapshot() {
    let mut lines = frames();
    lines.drain(100..110);
    let run = run_on("btcusdt.raw", joined(&lines)).ok();
    assert_eq!(run.summary()["gaps"], 1);
    let rows = run.rows("session.jsonl");
    let gaps: Vec<&Value> = rows.iter().filter(|row| text(row, "kind") == "gap").collect();
    assert_eq!(gaps.len(), 1);
    assert_eq!(text(gaps[0], "stream"), "BTCUSDT");
    run.replays();
}
