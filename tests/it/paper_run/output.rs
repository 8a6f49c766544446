//! What the command prints, and where.

use serde_json::Value;

use crate::runs::{command, paper};

#[test]
fn json_is_the_summary_on_stdout_and_text_goes_to_stderr() {
    let run = paper(&["--duration", "10m", "--json"]).ok();
    let stdout = String::from_utf8(run.output.stdout.clone()).expect("UTF-8");
    assert_eq!(stdout, run.text("summary.json"));
    for word in ["market", "trades", "result", "capital"] {
        assert!(run.stderr().contains(word), "{}", run.stderr());
    }
    assert!(!run.stderr().contains('\u{1b}'), "no colour and no bar: {:?}", run.stderr());
}

#[test]
fn without_json_stdout_stays_empty() {
    let run = paper(&["--duration", "10m"]).ok();
    assert_eq!(run.output.stdout, b"");
}

#[test]
fn a_run_directory_holds_the_promised_files() {
    let run = paper(&["--duration", "10m"]).ok();
    let mut names: Vec<String> = std::fs::read_dir(&run.dir)
        .expect("a folder")
        .map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    let promised = [
        "candidates.jsonl",
        "inputs.journal",
        "latency-stage_egress.hgrm",
        "latency-stage_ingest.hgrm",
        "latency-stage_kernel.hgrm",
        "latency-stage_signal.hgrm",
        "latency-tick_to_order.hgrm",
        "latency-turn_inline.hgrm",
        "latency.hlog",
        "report.html",
        "session.jsonl",
        "snapshot.json",
        "summary.json",
        "trade_decisions.jsonl",
    ];
    assert_eq!(names, promised, "no temporary file among them");
    let report = run.text("report.html");
    assert!(report.starts_with("<!doctype html>") && report.trim_end().ends_with("</html>"));
    assert!(!report.contains("<script src") && !report.contains("http://"), "self-contained");
    assert!(run.text("latency.hlog").starts_with("#[Histogram log format version 1.3]"));
}

#[test]
fn a_replay_tells_its_result_as_json() {
    let run = paper(&["--duration", "10m"]).ok();
    let output = command(["replay", "--json", run.dir.to_str().expect("UTF-8")]);
    let result: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&result["equal"], &result["complete"]), (&Value::Bool(true), &Value::Bool(true)));
    assert_eq!(result["inputs"], run.summary()["journal_inputs"]);
    assert_eq!(result["difference"], Value::Null);
}
