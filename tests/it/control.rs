//! Tests of: the operator's words to a running engine, by the command itself.

use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use pinion_tests::pinion;
use serde_json::Value;
use tempfile::TempDir;

use crate::runs::{Run, command};

/// Far beyond anything that this machine takes; only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(120);

/// A paced paper run that answers its operator.
fn start(more: &[&str]) -> (TempDir, Child) {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("run");
    let mut child = pinion()
        .args(["paper", "--speed", "1", "--out"])
        .arg(&dir)
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let begun = Instant::now();
    // Before the directory is there, the code is that of a name that means nothing.
    while !matches!(word(&dir, &["status"]).0, 0 | 6) {
        assert!(child.try_wait().expect("a child").is_none(), "it has ended");
        assert!(begun.elapsed() < PATIENCE, "it never answers");
        thread::sleep(Duration::from_millis(20));
    }
    (folder, child)
}

/// A word with `--json`: the exit code and the answer.
fn word(dir: &Path, args: &[&str]) -> (i32, Value) {
    let dir = dir.to_str().expect("UTF-8");
    let output = command(args.iter().copied().chain(["--json", "--run", dir]));
    let answer = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().expect("it ends by itself"), answer)
}

#[track_caller]
fn done(dir: &Path, verb: &str) -> Value {
    let (code, answer) = word(dir, &[verb, "--wait", "60s"]);
    assert_eq!((code, &answer["settled"]), (0, &Value::Bool(true)), "{verb}: {answer}");
    answer
}

fn send(child: &Child, signal: libc::c_int) {
    let id = libc::pid_t::try_from(child.id()).expect("a process id");
    // SAFETY: a signal to a child that was not waited for yet: the number is still its own.
    let outcome = unsafe { libc::kill(id, signal) };
    assert_eq!(outcome, 0);
}

#[test]
fn every_word_does_what_it_says_and_is_an_input_that_replays() {
    let (folder, child) = start(&[]);
    let dir = folder.path().join("run");
    let (code, answer) = word(&dir, &["status"]);
    assert_eq!((code, &answer["state"]), (0, &Value::from("active")), "{answer}");
    assert_eq!(answer["mode"], "paper");
    assert_eq!(done(&dir, "reduce")["state"], "reducing");
    assert_eq!(word(&dir, &["status"]).0, 0, "reducing is no halt");
    assert_eq!(done(&dir, "resume")["state"], "active");
    assert_eq!(done(&dir, "halt")["kill_switch"], true);
    let (code, answer) = word(&dir, &["status"]);
    assert_eq!((code, &answer["state"]), (6, &Value::from("halted")), "{answer}");
    assert_eq!(done(&dir, "resume")["kill_switch"], false);
    assert_eq!(done(&dir, "flatten")["flat"], true);
    assert_eq!(done(&dir, "resume")["state"], "active");
    assert_eq!(done(&dir, "cancel-all")["working_orders"], 0);
    send(&child, libc::SIGTERM);
    let run = Run::ended(folder, child.wait_with_output().expect("it ends")).ok();
    let rows = run.rows("session.jsonl");
    let told: Vec<&str> = rows
        .iter()
        .filter(|row| row["kind"] == "halt" || row["kind"] == "resume")
        .filter_map(|row| row["reason"].as_str())
        .filter(|reason| ["reduce", "kill", "flatten", "resume"].contains(reason))
        .collect();
    assert_eq!(told, ["reduce", "resume", "kill", "resume", "flatten", "resume"]);
    run.replays();
    assert_eq!(word(&dir, &["status"]).0, 3, "it has ended");
    assert!(!dir.join("control.sock").exists());
}

#[test]
fn a_state_outlives_the_process() {
    for (verb, state) in [("reduce", "reducing"), ("halt", "halted"), ("flatten", "halted")] {
        let (folder, mut child) = start(&[]);
        let dir = folder.path().join("run");
        assert_eq!(done(&dir, verb)["state"], state);
        let rows = || std::fs::read_to_string(dir.join("session.jsonl")).unwrap_or_default();
        let begun = Instant::now();
        // Told by the journal thread, which writes the input before.
        while !rows().lines().any(|line| line.contains("\"kind\":\"halt\"")) {
            assert!(begun.elapsed() < PATIENCE, "never written");
            thread::sleep(Duration::from_millis(20));
        }
        child.kill().expect("killed");
        child.wait().expect("reaped");
        assert_eq!(word(&dir, &["status"]).0, 3, "a socket that nobody serves");
        let recovered = command(["recover", "--json", dir.to_str().expect("UTF-8")]);
        let found: Value = serde_json::from_slice(&recovered.stdout).expect("JSON");
        assert_eq!(found["state"], state, "{found}");
    }
}

#[test]
fn the_socket_can_lie_elsewhere_and_is_found_through_the_run() {
    let place = tempfile::tempdir().expect("a folder");
    let socket = place.path().join("pinion.sock");
    let set = format!("control.socket={}", socket.display());
    let (folder, child) = start(&["--set", &set]);
    let dir = folder.path().join("run");
    assert!(socket.exists());
    assert_eq!(done(&dir, "halt")["state"], "halted");
    send(&child, libc::SIGTERM);
    let _run = Run::ended(folder, child.wait_with_output().expect("it ends")).ok();
    assert!(!socket.exists());
}

#[test]
fn without_an_engine_the_code_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let code = |args: &[&str]| {
        let mut command = pinion();
        command.args(args).current_dir(folder.path());
        command.output().expect("it starts").status.code()
    };
    assert_eq!(code(&["status"]), Some(3));
    assert_eq!(code(&["halt", "--wait", "1s"]), Some(3));
    assert_eq!(code(&["status", "--run", "nowhere"]), Some(2));
    assert_eq!(code(&["halt", "--wait", "soon"]), Some(2));
}
