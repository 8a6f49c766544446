//! Layouts and speeds: where stages run changes nothing that they say.

use serde_json::{Value, json};

use super::{books, quarter_day};
use crate::runs::{Run, paper, text};

/// Lines of the session without what names the layout and the clock on the wall.
fn said(run: &Run) -> Vec<Value> {
    let mut rows = run.rows("session.jsonl");
    for row in &mut rows {
        let members = row.as_object_mut().expect("an object");
        if matches!(members["kind"].as_str(), Some("run_start" | "run_end")) {
            // The layout is a setting: its hash is in that of the settings and of the funnel's rows, and
            // in the run's name.
            for key in ["layout", "run_id", "run_tag", "config_hash", "output_hash", "wall"] {
                members.remove(key);
            }
        }
    }
    rows
}

#[test]
fn the_shared_layout_says_what_inline_says() {
    let inline = quarter_day("1");
    let shared = paper(&["--duration", "6h", "--seed", "1", "--layout", "shared"]).ok();
    assert_eq!(shared.rows("session.jsonl")[0]["layout"], "shared");
    for (one, other) in said(&inline).iter().zip(&said(&shared)) {
        assert_eq!(one, other);
    }
    assert_eq!(said(&inline).len(), said(&shared).len());
    for name in ["candidates.jsonl", "trade_decisions.jsonl"] {
        let tag = |run: &Run| text(&run.rows("session.jsonl")[0], "run_tag").to_owned();
        let funnel = |run: &Run| run.text(name).replace(&tag(run), "");
        assert!(funnel(&inline) == funnel(&shared), "{name} differs");
    }
    shared.replays();
}

#[test]
fn dedicated_falls_back_with_a_notice_or_is_refused_where_cores_lack() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let args = ["--duration", "10m", "--layout", "dedicated"];
    let run = paper(&args).ok();
    run.replays();
    let strict = paper(&[&args[..], &["--set", "engine.layout_fallback=false"]].concat());
    if cores > 3 {
        assert_eq!(run.rows("session.jsonl")[0]["layout"], "dedicated");
        strict.ok().replays();
        return;
    }
    assert_eq!(run.rows("session.jsonl")[0]["layout"], "shared");
    let lack = format!("this process has {cores}");
    assert!(run.stderr().contains(&lack) && run.stderr().contains("all stages run shared"));
    assert_eq!(strict.output.status.code(), Some(4));
    let told = strict.stderr();
    assert!(told.contains(&lack) && told.contains("engine.layout = \"shared\""), "{told}");
    assert!(!strict.dir.exists(), "nothing was begun");
}

#[test]
fn a_set_speed_comes_to_an_end_however_high_it_is() {
    for (speed, layout) in [("1000000", "shared"), ("5000", "inline"), ("1000000", "dedicated")] {
        let run = paper(&["--speed", speed, "--duration", "60s", "--layout", layout]).ok();
        let rows = run.rows("session.jsonl");
        assert_eq!(text(rows.last().expect("lines"), "reason"), "duration");
        books::check_paced(&run);
        // A busy machine makes thousands of scans late; time that runs on after the data makes millions.
        let scans = run.summary()["scans"].as_u64().expect("a count");
        assert!(scans < 1_000_000, "{scans} scans in a minute");
        run.replays();
    }
}

#[test]
fn a_faster_market_than_this_machine_keeps_its_books() {
    let run = paper(&["--speed", "100000", "--duration", "6h", "--layout", "shared"]).ok();
    books::check_paced(&run);
    run.replays();
}

#[test]
fn inline_at_a_set_speed_says_that_it_runs_shared() {
    let run = paper(&["--speed", "1000", "--duration", "10s"]).ok();
    assert!(run.stderr().contains("all stages run shared"), "{}", run.stderr());
    assert_eq!(run.rows("session.jsonl")[0]["layout"], json!("shared"));
}
