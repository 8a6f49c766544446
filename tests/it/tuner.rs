//! The tuner in whole runs: it publishes, the run replays, its log decides alike, the files tell the same.

use std::fs;

use pinion_core::units::Nanos;
use pinion_tuner::log::{Again, decide_again, recorded_input};
use pinion_tuner::reader::Reader;
use pinion_tuner::window::Windows;
use serde_json::Value;

use crate::runs::{Run, command, paper};

/// Six hours with score floors that starve the flow, and the tuner on.
fn tuned(mode: &str) -> Run {
    let args = ["--duration", "6h", "--seed", "1", "--tuner", mode];
    let filters = ["--set", "funnel.market_mode=strict", "--set", "edge.gate=true"];
    paper(&[&args[..], &filters[..]].concat()).ok()
}

fn rows(run: &Run) -> Vec<Value> {
    run.rows("runtime_tuner.jsonl")
}

fn code<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Option<i32> {
    command(args).status.code()
}

#[test]
fn a_tuned_run_replays_repeats_and_explains_itself() {
    let run = tuned("conveyor");
    let rows_of_run = rows(&run);
    assert!(rows_of_run.len() >= 170, "a tick every two minutes");
    for row in &rows_of_run {
        assert_eq!(decide_again(row), Again::Same);
    }
    let applied = |row: &&Value| row["apply_state"] == "written_hot_applied";
    let published = rows_of_run.iter().filter(applied).count();
    assert!(published > 0, "starved, and nothing done");
    let session = run.rows("session.jsonl");
    let told = session.iter().filter(|row| row["kind"] == "settings").count();
    assert_eq!(told, published, "the kernel's word on each version");
    let again = tuned("conveyor");
    assert_eq!(rows(&again), rows_of_run);
    run.replays();
    let path = run.dir.display().to_string();
    assert_eq!(code(["tuner", "replay", "--dir", &path, "--limit", "100000"]), Some(0));
}

#[test]
fn the_files_of_a_run_tell_what_the_engine_told() {
    let run = tuned("calm");
    let rows = rows(&run);
    let last = rows.last().expect("a row");
    let now = Nanos::new(last["ts_ns"].as_i64().expect("a time"));
    // Only what the tuner had heard by then.
    let cut = run.dir.join("cut");
    fs::create_dir(&cut).expect("a folder");
    for name in ["session.jsonl", "candidates.jsonl", "trade_decisions.jsonl"] {
        let text = fs::read_to_string(run.dir.join(name)).expect("a file");
        let heard = |line: &&str| {
            let row: Value = serde_json::from_str(line).expect("a line");
            row["ts_ns"].as_i64().is_some_and(|ts| ts < now.get()) && row["kind"] != "run_start"
        };
        let kept: String = text.lines().filter(heard).map(|line| format!("{line}\n")).collect();
        fs::write(cut.join(name), kept).expect("writable");
    }
    let (mut reader, mut windows) = (Reader::new(&cut), Windows::new());
    reader.feed(&mut windows).expect("readable");
    assert_eq!(reader.unreadable(), 0);
    let told = windows.telemetry(now, 12, &|asset| reader.symbol(asset));
    let mut told = serde_json::to_value(&told).expect("plain data");
    // The first line of a run is no record.
    let recorded = recorded_input(last);
    told["metrics"]["lines"] = recorded["metrics"]["lines"].clone();
    for block in ["metrics", "exec_health_15m", "exit_mix_60m", "churn_15m", "funnel_15m"] {
        assert_eq!(told[block], recorded[block], "{block}");
    }
}

#[test]
fn a_dry_sidecar_leaves_no_trace() {
    let run = tuned("sniper");
    let logs = run.dir.join("side");
    let (path, logs_text) = (run.dir.display().to_string(), logs.display().to_string());
    let args = ["tuner", "once", "--run", &path, "--profile-id", "p", "--logs", &logs_text];
    assert_eq!(code(args.iter().chain(&["--dry-run"])), Some(0));
    assert!(!logs.exists());
    assert_eq!(code(args), Some(0));
    assert!(logs.join("p").join("runtime_tuner.jsonl").is_file());
    for bad in ["../p", "/p", "p/q", ""] {
        assert_eq!(code(["tuner", "once", "--run", &path, "--profile-id", bad]), Some(2), "{bad}");
    }
}

#[test]
fn a_knob_out_of_its_range_is_refused_with_what_is_allowed() {
    let out = command(["paper", "--tuner", "fast", "--target", "min_open_rate_15m=2"]);
    assert_eq!(out.status.code(), Some(4));
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(text.contains("a number from 0 to 1"), "{text}");
}

#[test]
fn a_rollback_is_asked_for_by_a_file_and_only_where_there_is_something_to_go_back_to() {
    let run = tuned("sniper");
    let path = run.dir.display().to_string();
    let state = fs::read_to_string(run.dir.join("runtime_tuner_state.json")).expect("a state");
    let state: Value = serde_json::from_str(&state).expect("an object");
    let has_stable = state["stable_overrides"].as_object().is_some_and(|map| !map.is_empty());
    let asked = code(["tuner", "rollback", "--dir", &path]);
    assert_eq!(asked, Some(if has_stable { 0 } else { 2 }));
    assert_eq!(code(["tuner", "rollback", "--dir", &path, "--to", "baseline"]), Some(0));
    let wish = fs::read_to_string(run.dir.join("runtime_tuner_rollback")).expect("a wish");
    assert_eq!(wish.trim(), "baseline");
    for verb in ["status", "history"] {
        let out = command(["tuner", verb, "--dir", &path, "--limit", "3", "--json"]);
        assert_eq!(out.status.code(), Some(0), "{verb}");
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert_eq!(text.lines().count(), if verb == "history" { 3 } else { 1 }, "{text}");
    }
    assert_eq!(code(["tuner", "freeze", "--dir", &path]), Some(0));
    let out = command(["tuner", "status", "--dir", &path, "--json"]);
    assert!(String::from_utf8_lossy(&out.stdout).contains("\"frozen\":true"));
    assert_eq!(code(["tuner", "freeze", "--dir", &path, "--off"]), Some(0));
    assert!(!run.dir.join("runtime_tuner_freeze").exists());
}

#[test]
fn a_row_has_every_field_that_is_promised() {
    let run = tuned("fast");
    let rows = rows(&run);
    for name in [
        "ts",
        "profile_id",
        "mode",
        "policy_phase",
        "session",
        "window_minutes",
        "metrics",
        "actions",
        "blocked_actions",
        "delta_capped_actions",
        "rollback_triggered",
        "apply_state",
        "issues",
        "restarted",
        "restart_tail",
        "decision_trace",
        "decision_meta",
        "telemetry_v2",
        "autobuy_total",
        "unique_buy_symbols",
        "top_buy_symbol_share",
    ] {
        assert!(rows.iter().all(|row| row.get(name).is_some()), "{name}");
    }
    for name in ["rule_hits", "policy", "runtime_apply", "churn_lock", "warmup_guard"] {
        assert!(rows.iter().all(|row| row["decision_meta"].get(name).is_some()), "{name}");
    }
    for name in [
        "funnel_15m",
        "top_reasons_15m",
        "exec_health_15m",
        "exit_mix_60m",
        "blacklist_forensics_15m",
        "symbol_churn_15m",
        "config_hash_before",
        "config_hash_after",
        "config_diff",
        "run_tag",
        "commit_hash",
        "tuner_effective",
        "pending_runtime_diff_keys",
        "pending_restart_diff_keys",
        "pending_hot_apply_diff_keys",
        "policy_phase",
        "policy_snapshot",
    ] {
        assert!(rows.iter().all(|row| row["telemetry_v2"].get(name).is_some()), "{name}");
    }
    // A change comes into force before the next tick: its hash is the next one's start.
    for pair in rows.windows(2) {
        let (before, after) = (&pair[0]["telemetry_v2"], &pair[1]["telemetry_v2"]);
        assert_eq!(before["config_hash_after"], after["config_hash_before"]);
    }
    assert!(rows[0]["ts"].as_str().is_some_and(|ts| ts.ends_with('Z')));
    let lines = fs::read_to_string(run.dir.join("runtime_tuner_console.log")).expect("a mirror");
    assert_eq!(lines.lines().count(), rows.len());
}
