//! Tests of: `pinion run`, `run --paper` and `capture` as processes, against the venue simulator over TLS.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by it as tests do")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use pinion_core::units::Nanos;
use pinion_io::net::{HttpEvent, HttpLink, Outgoing, Peer, Target, Trust, Tuning};
use pinion_tests::pinion;
use serde_json::Value;
use tempfile::TempDir;

use crate::runs::{Run, command, paper_in};

/// Far beyond anything that this machine takes; only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(120);

/// A policy that enters whenever it may and leaves soon.
const BUSY: &str = r#"
signal.scan_ns = 20000000
signal.warmup_scans = 0
signal.vol_mode = "static"
signal.vol_static = 0.0
picker.window = 50
picker.alignment_min = 0.0
picker.noise_ppm_max = 1000000.0
picker.latency_max = 49
policy.sides = "both"
policy.vel_div_threshold = 0.0
policy.confirm_ticks = 0
exit.max_hold_scans = 25
guard.hot_window_ns = 200000000
guard.probe_interval_ns = 1000000000
guard.view_lag_ns = 200000000
"#;

/// The simulator as a process, and the folder of everything that the test makes.
struct Venue {
    process: Child,
    place: Value,
    folder: TempDir,
}

impl Drop for Venue {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Venue {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut process = pinion()
            .args(["venue-sim", "--seed", "7", "--listen", "127.0.0.1:0", "--tls", "--ca-file"])
            .arg(folder.path().join("ca.pem"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { process, place: serde_json::from_str(&line).unwrap(), folder }
    }

    fn key(&self) -> (&str, &str) {
        let account = &self.place["accounts"][0];
        (account["key"].as_str().unwrap(), account["secret"].as_str().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A key file with these rights.
    fn key_file(&self, secret: &str, mode: u32) -> PathBuf {
        let path = self.path("key");
        fs::write(&path, format!("key = {}\nsecret = {secret}\n", self.key().0)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// A settings file: this venue, a busy policy.
    fn config(&self, more: &str) -> PathBuf {
        let path = self.path("pinion.toml");
        let text = |field: &str| self.place[field].as_str().unwrap();
        let venue = format!(
            "{BUSY}{more}\n[venue]\nsymbols = [\"BTC-USDT\", \"ETH-USDT\", \"SOL-USDT\", \"XRP-USDT\"]\n\
             rest_url = \"{}\"\nws_url = \"{}\"\nca_file = \"{}\"\nkey_file = \"{}\"\nleverage = 20\n\
             reconnect_max_ms = 100\nattempts_per_hour = 10000\n",
            text("rest"),
            text("ws"),
            self.path("ca.pem").display(),
            self.path("key").display(),
        );
        fs::write(&path, venue).unwrap();
        path
    }

    /// A call of the control endpoint.
    fn control(&self, method: &str, path: &str, query: &str) -> Value {
        let target = Target::parse(self.place["rest"].as_str().unwrap()).unwrap();
        let trust = Trust::new(Some(&self.path("ca.pem"))).unwrap();
        let peer = Arc::new(Peer::new(target, trust).unwrap());
        let mut link = HttpLink::new(peer, 5_000_000_000, Tuning::default());
        let started = Instant::now();
        let now = || Nanos::new(1 + i64::try_from(started.elapsed().as_nanos()).unwrap());
        let path = format!("/sim/{path}");
        let request = Outgoing { method, path: &path, query, header: None };
        while !link.send(now(), &request) {
            let _none = link.poll(now());
            assert!(started.elapsed() < PATIENCE, "the simulator does not answer");
            thread::sleep(Duration::from_micros(200));
        }
        loop {
            match link.poll(now()) {
                Some(HttpEvent::Answered) => {
                    return serde_json::from_slice(link.answer().unwrap().body).unwrap();
                }
                Some(HttpEvent::Lost(fault)) => unreachable!("{fault}"),
                None => thread::sleep(Duration::from_micros(200)),
            }
        }
    }

    /// Starts a verb whose output is in `run` and waits until it answers its operator.
    fn run(&self, args: &[&str]) -> Child {
        let mut child = spawn(args);
        let dir = self.path("run");
        until("it answers", || {
            assert!(child.try_wait().unwrap().is_none(), "it has ended");
            word(&dir, &["status"]).0 != 3 && dir.is_dir()
        });
        child
    }
}

fn spawn(args: &[&str]) -> Child {
    let mut command = pinion();
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

#[track_caller]
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A word to the engine: the exit code and the answer.
fn word(dir: &Path, args: &[&str]) -> (i32, Value) {
    let output = command(args.iter().copied().chain(["--json", "--run", dir.to_str().unwrap()]));
    let answer = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().unwrap(), answer)
}

fn end(mut child: Child) -> Output {
    let id = libc::pid_t::try_from(child.id()).unwrap();
    assert!(child.try_wait().unwrap().is_none(), "it has ended by itself");
    // SAFETY: a signal to a child that was not waited for yet: the number is still its own.
    let outcome = unsafe { libc::kill(id, libc::SIGTERM) };
    assert_eq!(outcome, 0);
    child.wait_with_output().unwrap()
}

fn manifest(dir: &Path) -> Value {
    let bytes = fs::read(dir.join("manifest.json")).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or(Value::Null)
}

#[test]
fn a_capture_is_whole_after_a_signal_and_after_a_kill_and_a_paper_run_on_it_replays() {
    let venue = Venue::start();
    let config = venue.config("");
    for is_killed in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("capture");
        let place = dir.to_str().unwrap();
        let mut child = spawn(&[
            "capture",
            "--venue",
            "bingx",
            "--config",
            config.to_str().unwrap(),
            "--out",
            place,
        ]);
        until("a first seal", || {
            assert!(child.try_wait().unwrap().is_none(), "it has ended");
            manifest(&dir)["frames"].as_u64() > Some(40)
        });
        if is_killed {
            child.kill().unwrap();
            child.wait().unwrap();
        } else {
            let _done = venue.control("POST", "cut", "");
            until("a gap", || manifest(&dir)["counts"]["gaps"].as_u64() > Some(0));
            let output = end(child);
            assert_eq!(output.status.code(), Some(0), "{output:?}");
        }
        let told = manifest(&dir);
        assert_eq!(told["instruments"].as_array().unwrap().len(), 4, "{told}");
        for kind in ["book_ticker", "trade", "mark_price"] {
            assert!(told["counts"][kind].as_u64() > Some(0), "{told}");
        }
        assert_eq!(told["ended_ns"].is_null(), is_killed, "{told}");
        let run = paper_in(folder, &["--data", place]).ok();
        let summary: Value = serde_json::from_str(&run.text("summary.json")).unwrap();
        let kinds = &summary["market_events_by_kind"];
        assert!(kinds["quote"].as_u64() > Some(0) && kinds["trade"].as_u64() > Some(0), "{kinds}");
        run.replays();
    }
}

#[test]
fn paper_on_live_data_needs_no_key_answers_its_operator_and_replays() {
    let venue = Venue::start();
    let config = venue.config("engine.mode = \"demo\"\ncontrol.sandbox = \"try\"");
    let dir = venue.path("run");
    let out = dir.to_str().unwrap();
    let child = venue.run(&["run", "--paper", "--config", config.to_str().unwrap(), "--out", out]);
    until("a round trip", || {
        let (_, answer) = word(&dir, &["status"]);
        answer["trades_closed"].as_u64() > Some(0)
    });
    let (code, answer) = word(&dir, &["flatten", "--wait", "60s"]);
    assert_eq!((code, &answer["flat"], &answer["mode"]), (0, &Value::Bool(true), &"paper".into()));
    let output = end(child);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let folder = tempfile::tempdir().unwrap();
    fs::rename(&dir, folder.path().join("run")).unwrap();
    let run = Run::ended(folder, output);
    let rows = run.rows("session.jsonl");
    assert_eq!((&rows[0]["kind"], &rows[0]["mode"]), (&"run_start".into(), &"paper".into()));
    run.replays();
    let accepted = venue.control("GET", "books", "account=0")["accepted"].as_u64();
    assert_eq!(accepted, Some(0), "nothing went to the venue");
}

/// Every byte that a live run makes, in files, on stdout and on stderr; what may hold the key is left out.
fn bytes_of(folder: &Path, output: &Output) -> Vec<(String, Vec<u8>)> {
    let mut found = vec![
        ("stdout".to_owned(), output.stdout.clone()),
        ("stderr".to_owned(), output.stderr.clone()),
    ];
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name != "key") {
                found.push((path.display().to_string(), fs::read(&path).unwrap_or_default()));
            }
        }
    }
    found
}

#[track_caller]
fn no_secret(venue: &Venue, output: &Output) {
    let (key, secret) = venue.key();
    // A beginning gives half of it away already.
    let canaries = [&key[..key.len().min(12)], &secret[..secret.len().min(12)], "signature="];
    for (place, bytes) in bytes_of(venue.folder.path(), output) {
        for canary in canaries {
            let found = bytes.windows(canary.len()).any(|part| part == canary.as_bytes());
            assert!(!found, "{place} holds a secret");
        }
    }
}

#[test]
fn a_live_run_locked_in_obeys_its_operator_and_gives_no_byte_of_its_key_away() {
    let venue = Venue::start();
    let _file = venue.key_file(venue.key().1, 0o600);
    let config = venue.config("engine.mode = \"demo\"\ncontrol.sandbox = \"try\"");
    let dir = venue.path("run");
    let out = dir.to_str().unwrap();
    let child = venue.run(&["run", "--config", config.to_str().unwrap(), "--out", out]);
    let accepted = || venue.control("GET", "books", "account=0")["accepted"].as_u64().unwrap();
    until("an order and its exit", || accepted() >= 2);
    let (code, answer) = word(&dir, &["flatten", "--wait", "60s"]);
    assert_eq!((code, &answer["flat"]), (0, &Value::Bool(true)), "{answer}");
    assert_eq!(word(&dir, &["status"]).0, 6);
    let at_rest = accepted();
    thread::sleep(Duration::from_secs(2));
    assert_eq!(accepted(), at_rest, "nothing leaves while halted and flat");
    assert_eq!(word(&dir, &["resume", "--wait", "60s"]).0, 0);
    until("trading goes on", || accepted() > at_rest);
    let _flat = word(&dir, &["flatten", "--wait", "60s"]);
    let (_, answer) = word(&dir, &["resume", "--wait", "60s"]);
    assert_eq!(answer["mode"], "demo", "{answer}");
    let output = end(child);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    no_secret(&venue, &output);
    let told = command(["replay", out]);
    assert_eq!(told.status.code(), Some(0), "{told:?}");
}

#[test]
fn keys_that_others_read_that_are_wrong_or_that_may_withdraw_are_refused_unquoted() {
    let venue = Venue::start();
    let config = venue.config("engine.mode = \"demo\"");
    let run = || {
        let out = venue.path("run");
        let args = ["run", "--config", config.to_str().unwrap(), "--out", out.to_str().unwrap()];
        let output = command(args);
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        assert!(!out.exists());
        no_secret(&venue, &output);
        String::from_utf8(output.stderr).unwrap()
    };
    let _file = venue.key_file(venue.key().1, 0o644);
    let told = run();
    assert!(told.contains("chmod 600"), "{told}");
    let wrong: String = venue.key().1.chars().rev().collect();
    let _file = venue.key_file(&wrong, 0o600);
    let told = run();
    assert!(told.contains("expected to be allowed"), "{told}");
    assert!(!told.contains(&wrong[..12]), "{told}");
    let _file = venue.key_file(venue.key().1, 0o600);
    let _done = venue.control("POST", "rights", "account=0&withdraw=true");
    let told = run();
    assert!(told.contains("the key may withdraw"), "{told}");
}
