//! A run that is ended from outside: asked to, or killed.

use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use pinion_tests::pinion;
use serde_json::Value;
use tempfile::TempDir;

use super::books;
use crate::runs::{LINE_FILES, Run, text};

/// Starts a paced run and waits until its session log has lines.
fn start(speed: &str) -> (TempDir, Child) {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("run");
    let child = pinion()
        .args(["paper", "--speed", speed, "--out"])
        .arg(&dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let begun = Instant::now();
    let lines = || std::fs::read(dir.join("session.jsonl")).is_ok_and(|text| text.len() > 1_000);
    while !lines() {
        assert!(begun.elapsed() < Duration::from_secs(60), "no line was written");
        thread::sleep(Duration::from_millis(10));
    }
    (folder, child)
}

fn send(child: &Child, signal: libc::c_int) {
    let id = libc::pid_t::try_from(child.id()).expect("a process id");
    // SAFETY: a signal to a child that was not waited for yet: the number is still its own.
    let outcome = unsafe { libc::kill(id, signal) };
    assert_eq!(outcome, 0);
}

fn ended(folder: TempDir, child: Child) -> Run {
    Run::ended(folder, child.wait_with_output().expect("it ends"))
}

#[test]
fn an_interrupt_ends_the_run_in_order() {
    for (signal, speed) in [(libc::SIGINT, "1"), (libc::SIGTERM, "1000")] {
        let (folder, child) = start(speed);
        send(&child, signal);
        let run = ended(folder, child).ok();
        books::check_paced(&run);
        let rows = run.rows("session.jsonl");
        assert_eq!(text(rows.last().expect("lines"), "reason"), "signal");
        let stops = rows.iter().filter(|row| row["kind"] == "halt" && row["reason"] == "stop");
        assert_eq!(stops.count(), 1, "the engine was told");
        assert!(run.dir.join("report.html").exists());
        run.replays();
        let (_, told) = run.replay();
        assert!(!told.contains("cut off"), "{told}");
    }
}

#[test]
fn a_killed_run_leaves_whole_lines_and_replays_as_far_as_it_goes() {
    let (folder, mut child) = start("2000");
    thread::sleep(Duration::from_millis(300));
    child.kill().expect("killed");
    let run = ended(folder, child);
    assert_eq!(run.output.status.code(), None, "it was killed");
    assert!(!run.dir.join("summary.json").exists());
    for name in LINE_FILES {
        let content = run.text(name);
        // The last line may be half written: everything before it is whole.
        let whole = content.rfind('\n').map_or("", |at| &content[..at]);
        for line in whole.lines() {
            let row: Value = serde_json::from_str(line).expect("a whole line");
            assert!(row["ts_ns"].is_u64(), "{row}");
        }
    }
    let (code, told) = run.replay();
    assert_eq!(code, 0, "{told}");
    assert!(told.starts_with("equal: ") && told.contains("the run was cut off"), "{told}");
}
