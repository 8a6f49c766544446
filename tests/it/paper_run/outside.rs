//! Scans of an outside source in place of the built-in regime.

use std::fmt::Write as _;

use crate::runs::{Run, command, paper_in, text};

/// An hour of scans on the grid of five seconds: a signal at every 60th, a regime that turns in between, and
/// a posture without entries from scan 500 on.
fn payloads() -> String {
    let mut lines = String::new();
    for number in 1..=720 {
        let vel_div = if number % 60 == 0 { -0.045 } else { 0.03 };
        let posture = if number > 500 { "TURTLE" } else { "APEX" };
        let written = writeln!(
            lines,
            "{{\"scan_number\":{number},\"vel_div\":{vel_div},\"w50_velocity\":-0.01,\"w750_velocity\":0.01,\
             \"vol_ok\":true,\"posture\":\"{posture}\",\"acb_boost\":{{\"boost\":1.5}},\"esof\":0.5}}"
        );
        assert!(written.is_ok());
    }
    lines
}

fn run_with(scans: &str) -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("scans.jsonl");
    std::fs::write(&file, scans).expect("written");
    let file = file.to_str().expect("UTF-8").to_owned();
    paper_in(folder, &["--duration", "1h", "--scans", &file])
}

#[test]
fn payloads_decide_in_place_of_the_signal_and_the_run_replays() {
    let run = run_with(&payloads()).ok();
    let decisions = run.rows("session.jsonl");
    let decisions: Vec<_> =
        decisions.iter().filter(|row| text(row, "kind") == "decision").collect();
    let entered: Vec<_> = decisions.iter().filter(|row| text(row, "action") == "enter").collect();
    assert!(!entered.is_empty(), "nothing was entered");
    for row in entered {
        let scan = row["scan"].as_u64().expect("a number");
        assert!(scan.is_multiple_of(60) && scan <= 500, "{row}");
        assert_eq!(row["vel_div"], -0.045);
        assert_eq!((&row["sizing"]["regime"], &row["sizing"]["esof"]), (&1.5.into(), &0.5.into()));
    }
    let turtles = decisions.iter().filter(|row| text(row, "reason") == "posture").count();
    assert!(turtles > 100, "{turtles}");
    assert!(decisions.iter().any(|row| text(row, "reason") == "no_edge"));
    let dir = run.dir.to_str().expect("UTF-8");
    let replayed = command(["replay", dir]);
    assert_eq!(replayed.status.code(), Some(0), "{}", String::from_utf8_lossy(&replayed.stderr));
}

#[test]
fn what_the_file_says_is_part_of_the_run_and_a_bad_line_stops_it_first() {
    let names = [run_with(&payloads()), run_with("{\"vel_div\":0}\n")];
    let names = names.map(|run| text(&run.ok().rows("session.jsonl")[0], "run_id").to_owned());
    assert_ne!(names[0], names[1]);
    let run = run_with("{\"vel_div\":0}\n{\"vel_div\":true}\n");
    assert_eq!(run.output.status.code(), Some(1));
    assert!(run.stderr().contains("scans.jsonl, line 2: vel_div is true"), "{}", run.stderr());
    assert!(!run.dir.exists());
}
