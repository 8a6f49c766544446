//! Tests of: a live run. The whole engine against the venue simulator, over TLS on this machine.
//!
//! The long forms (200 kills, 1,000 cuts, 10 s of bursts; half an hour):
//! `PINION_CRASH=full cargo test -p pinion-tests --test it live:: -- --nocapture --test-threads 1`.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by it as tests do")]

mod audit;
mod burst;
mod cuts;
mod faults;
mod kills;
mod restart;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pinion_core::settings::{Mode, Settings, Sides, VolMode};
use pinion_core::units::Nanos;
use pinion_io::bingx::live::{ApiKeys, Refusal, VenuePlan};
use pinion_io::bingx::words::{MarginType, PositionMode};
use pinion_io::net::{HttpEvent, HttpLink, Outgoing, Peer, Target, Trust, Tuning};
use pinion_io::run::{self, LiveOutcome, LivePlan, RunFault, Watch};
use pinion_io::venue_sim::{LISTEN_KEY_NS, SimPlan, VenueSim, WireFaults};
use pinion_tests::pinion;
use serde_json::Value;
use zeroize::Zeroizing;

/// Far beyond anything that this machine takes; only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(120);

/// The simulator, on a thread of its own or as a process; ends when dropped.
struct Sim {
    /// From `://` on.
    url: String,
    ca: PathBuf,
    key: (String, String),
    life: Life,
    _dir: tempfile::TempDir,
}

enum Life {
    Thread(Arc<AtomicBool>, Option<JoinHandle<()>>),
    Process(Child),
}

impl Sim {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ca = dir.path().join("ca.pem");
        let plan = SimPlan {
            listen: "127.0.0.1:0".parse().unwrap(),
            tls: true,
            ca_file: ca.clone(),
            settings: Arc::new(Settings::default()),
            data: Vec::new(),
            instruments: Vec::new(),
            seed: 1,
            speed: 1.0,
            account_count: 1,
            faults: WireFaults::none(1),
            listen_key_ns: LISTEN_KEY_NS,
            lock_ms: 1_000,
        };
        let mut sim = VenueSim::bind(&plan).unwrap();
        let url = format!("://{}", sim.address());
        let account = &sim.accounts()[0];
        let key = (account.key.clone(), account.secret.clone());
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let thread = thread::spawn(move || sim.run(&flag, &mut |_| {}).unwrap());
        Self { url, ca, key, life: Life::Thread(stop, Some(thread)), _dir: dir }
    }

    /// `pinion venue-sim` with these arguments besides.
    fn process(arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ca = dir.path().join("ca.pem");
        let mut process = pinion()
            .args(["venue-sim", "--tls", "--accounts", "1", "--rate-lock", "1s", "--ca-file"])
            .arg(&ca)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let place: Value = serde_json::from_str(&line).unwrap();
        let word = |name: &str| place["accounts"][0][name].as_str().unwrap().to_owned();
        let url = format!("://{}", place["listen"].as_str().unwrap());
        let key = (word("key"), word("secret"));
        Self { url, ca, key, life: Life::Process(process), _dir: dir }
    }

    fn peer(&self, scheme: &str, path: &str) -> Arc<Peer> {
        let target = Target::parse(&format!("{scheme}{}{path}", self.url)).unwrap();
        Arc::new(Peer::new(target, Trust::new(Some(&self.ca)).unwrap()).unwrap())
    }

    fn plan(&self) -> VenuePlan {
        let secret = |text: &str| Zeroizing::new(text.to_owned());
        VenuePlan {
            rest: self.peer("https", ""),
            ws: self.peer("wss", "/swap-market"),
            keys: ApiKeys::new(secret(&self.key.0), &secret(&self.key.1)).unwrap(),
            symbols: ["BTC-USDT", "ETH-USDT", "SOL-USDT", "XRP-USDT"].map(str::to_owned).to_vec(),
            position_mode: PositionMode::Hedge,
            margin_type: MarginType::Crossed,
            leverage: 20,
            recv_window_ms: Some(2_000),
            dead_man_s: 30,
            write_ahead: true,
            connections: 4,
            timeout_ns: 5_000_000_000,
            reconnect_max_ns: 100_000_000,
            attempts_per_hour: 10_000,
            tuning: Tuning::default(),
            seed: 1,
        }
    }

    /// A call of the control endpoint.
    fn control(&self, method: &str, path: &str, query: &str) -> Value {
        let mut link = HttpLink::new(self.peer("https", ""), 5_000_000_000, Tuning::default());
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
                    let answer = link.answer().unwrap();
                    assert_eq!(answer.status, 200, "{path}");
                    return serde_json::from_slice(answer.body).unwrap();
                }
                Some(HttpEvent::Lost(fault)) => unreachable!("{fault}"),
                None => thread::sleep(Duration::from_micros(200)),
            }
        }
    }

    fn books(&self) -> Value {
        self.control("GET", "books", "account=0")
    }

    fn accepted(&self) -> u64 {
        self.books()["accepted"].as_u64().unwrap()
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        match &mut self.life {
            Life::Thread(stop, thread) => {
                stop.store(true, Ordering::Release);
                if let Some(thread) = thread.take() {
                    drop(thread.join());
                }
            }
            Life::Process(process) => {
                drop(process.kill());
                drop(process.wait());
            }
        }
    }
}

/// A policy that enters whenever it may and leaves soon.
fn busy() -> Settings {
    Settings {
        engine_mode: Mode::Demo,
        signal_scan_ns: 20_000_000,
        signal_warmup_scans: 0,
        signal_vol_mode: VolMode::Static,
        signal_vol_static: 0.0,
        picker_window: 5,
        picker_alignment_min: 0.0,
        picker_noise_ppm_max: 1e6,
        picker_latency_max: 750,
        policy_sides: Sides::Both,
        policy_vel_div_threshold: 0.0,
        policy_confirm_ticks: 0,
        exit_max_hold_scans: 25,
        guard_hot_window_ns: 200_000_000,
        guard_probe_interval_ns: 1_000_000_000,
        guard_view_lag_ns: 200_000_000,
        ..Settings::default()
    }
}

/// Ends a run, also one whose test fails: it would go on beside every later test.
struct StopAtDrop(Arc<Watch>);

impl Drop for StopAtDrop {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Release);
    }
}

type Ran = (Result<LiveOutcome, RunFault>, Vec<String>);

/// Runs until `during` returns; what came of it, and what people were told.
fn run_live(sim: &Sim, out: &Path, during: impl FnOnce()) -> Ran {
    let plan = LivePlan {
        settings: Arc::new(busy()),
        instruments: Vec::new(),
        config_hash: "0".repeat(16),
        out: out.to_path_buf(),
        profile_id: "live".to_owned(),
        venue: sim.plan(),
        flatten_at_end: true,
    };
    let watch = Arc::new(Watch::default());
    let told = Arc::new(Mutex::new(Vec::new()));
    let (stop, lines) = (StopAtDrop(Arc::clone(&watch)), Arc::clone(&told));
    let running = thread::spawn(move || {
        run::live(&plan, &watch, None, &mut |text| lines.lock().unwrap().push(text.to_owned()))
    });
    during();
    drop(stop);
    let outcome = running.join().unwrap();
    let told = told.lock().unwrap().clone();
    (outcome, told)
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The books of the run are those of the venue, to the last digit, and no secret is in any file.
fn agree(sim: &Sim, out: &Path, outcome: &LiveOutcome, told: &[String]) {
    let books = sim.books();
    let summary: Value =
        serde_json::from_slice(&std::fs::read(out.join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary["ending_capital"], books["wallet"], "{books}");
    assert_eq!(books["positions"], Value::Array(Vec::new()), "flat at the venue");
    assert_eq!((outcome.open_slots, outcome.has_unresolved), (0, false));
    assert_eq!(summary["orders"], books["accepted"], "every order is ours, and sent once");
    let (key, secret) = (sim.key.0.as_bytes(), sim.key.1.as_bytes());
    let holds = |bytes: &[u8], word: &[u8]| bytes.windows(word.len()).any(|part| part == word);
    for entry in std::fs::read_dir(out).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        assert!(!holds(&bytes, key) && !holds(&bytes, secret), "{} holds a secret", path.display());
    }
    let told = told.join("\n");
    assert!(!told.contains(&sim.key.0) && !told.contains(&sim.key.1), "{told}");
}

#[test]
fn a_run_that_is_cut_off_and_loses_its_key_agrees_with_the_venue_at_the_end() {
    let sim = Sim::start();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let (outcome, told) = run_live(&sim, &out, || {
        until("two orders", || sim.accepted() >= 2);
        for round in 0..3 {
            let before = sim.accepted();
            // An entry and its exit, then cuts in a row: one of them meets orders under way.
            until("an order", || sim.accepted() > before);
            for query in ["account=0", "", "account=0"] {
                let _done = sim.control("POST", "cut", query);
            }
            if round == 1 {
                let _done = sim.control("POST", "expire", "account=0");
            }
        }
        let before = sim.accepted();
        until("trading goes on", || sim.accepted() > before + 1);
    });
    let outcome = outcome.unwrap();
    assert!(outcome.egress.account_losses > 0 && outcome.market_losses > 0, "{outcome:?}");
    assert!(!outcome.is_halted, "{told:?}");
    agree(&sim, &out, &outcome, &told);
}

#[test]
fn an_account_that_is_not_as_configured_is_refused_before_anything_is_written() {
    let sim = Sim::start();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let mut plan = sim.plan();
    plan.leverage = 7;
    let plan = LivePlan {
        settings: Arc::new(busy()),
        instruments: Vec::new(),
        config_hash: String::new(),
        out: out.clone(),
        profile_id: "live".to_owned(),
        venue: plan,
        flatten_at_end: false,
    };
    let fault = run::live(&plan, &Watch::default(), None, &mut |_| {}).unwrap_err();
    assert!(matches!(&fault, RunFault::Venue(Refusal::NotAsConfigured(_))), "{fault}");
    assert!(fault.to_string().contains("venue.leverage"), "{fault}");
    assert!(!out.exists());
}
