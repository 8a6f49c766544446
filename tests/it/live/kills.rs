//! kill -9 of the real process, again and again, while it trades with a simulator that lives on.
//!
//! Killed are the start, the recovery, the trading, with orders and answers under way. After each some of
//! the kills the process stays dead until the venue's dead-man timer has gone off. At the end the run is
//! ended in order, and its files and the venue's books must agree.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pinion_tests::pinion;
use pinion_tests::trace::Dice;

use super::{PATIENCE, Sim, audit, until};
use crate::crash::{is_full, tell};

/// The venue's timer.
const DEAD_MAN_S: u64 = 10;
/// An order rests no longer than this while the process lives.
const TTL_MS: i64 = 1_500;

/// A configuration for a run that trades all the time, mostly with orders that rest.
pub(super) fn config(sim: &Sim, dir: &Path) -> PathBuf {
    let file = dir.join("pinion.toml");
    let text = format!(
        r#"
[engine]
mode = "demo"
layout = "shared"
[signal]
scan_ns = 2000000
warmup_scans = 0
vol_mode = "static"
vol_static = 0.0
assets_min = 3
[picker]
window = 200
assets_min = 1
alignment_min = 0.0
noise_ppm_max = 1000000.0
latency_max = 199
[policy]
sides = "both"
vel_div_threshold = 0.0
confirm_ticks = 0
[exit]
max_hold_scans = 200
[router]
style = "maker"
entry_ttl_ns = {ttl}
exit_ttl_ns = {ttl}
entry_miss = "market"
[guard]
hot_window_ns = 200000000
probe_interval_ns = 1000000000
view_lag_ns = 200000000
not_found_ns = 1500000000
[venue]
symbols = ["BTC-USDT", "ETH-USDT", "SOL-USDT"]
rest_url = "https{url}"
ws_url = "wss{url}/swap-market"
ca_file = "{ca}"
leverage = 20
dead_man_s = {DEAD_MAN_S}
reconnect_max_ms = 100
attempts_per_hour = 60000
flatten_at_end = true
"#,
        ttl = TTL_MS * 1_000_000,
        url = sim.url,
        ca = sim.ca.display(),
    );
    std::fs::write(&file, text).unwrap();
    file
}

/// A running `pinion run`.
pub(super) struct Process {
    child: Child,
    told: PathBuf,
}

impl Process {
    pub(super) fn start(sim: &Sim, config: &Path, out: &Path) -> Self {
        let told = config.with_file_name("told");
        let file = File::options().create(true).append(true).open(&told).unwrap();
        let child = pinion()
            .args(["run", "--config"])
            .arg(config)
            .arg("--out")
            .arg(out)
            .env("PINION_BINGX_KEY", &sim.key.0)
            .env("PINION_BINGX_SECRET", &sim.key.1)
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { child, told }
    }

    pub(super) fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until the venue has accepted more than so many orders.
    pub(super) fn trades(&mut self, sim: &Sim, more_than: u64) {
        until("it trades", || {
            assert!(!self.is_over(), "it ended by itself: {}", self.told());
            sim.accepted() > more_than
        });
    }

    /// What it and those before it told.
    pub(super) fn told(&self) -> String {
        std::fs::read_to_string(&self.told).unwrap()
    }

    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and the exit code.
    pub(super) fn end(&mut self) -> i32 {
        let id = i32::try_from(self.child.id()).unwrap();
        // SAFETY: it takes two numbers; the process is a child that was not waited for yet.
        assert_eq!(unsafe { libc::kill(id, libc::SIGTERM) }, 0);
        let started = Instant::now();
        while !self.is_over() {
            assert!(started.elapsed() < PATIENCE, "it does not end: {}", self.told());
            thread::sleep(Duration::from_millis(20));
        }
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// While nobody is there the venue cancels what rests, by its own clock, in time.
fn dead_man_goes_off(sim: &Sim, killed_ms: i64) {
    until("nothing rests", || sim.books()["openOrders"].as_array().unwrap().is_empty());
    let books = sim.books();
    let last = books["doneOrders"].as_array().unwrap().iter();
    let last = last.filter_map(|order| order["updateTime"].as_i64()).max().unwrap_or(0);
    // A call that left before the kill may have armed it a little after.
    let bound = killed_ms + i64::try_from(DEAD_MAN_S).unwrap() * 1_000 + 2_000;
    assert!(last <= bound, "an order rested {} ms past the bound", last - bound);
}

/// What a storm found.
#[derive(Debug, Default)]
struct Storm {
    kills: usize,
    /// Kills after the run had begun or gone on.
    again: usize,
    /// With an order at rest, and with a position.
    resting: usize,
    holding: usize,
    orders: usize,
    fills: usize,
    trades: usize,
    longest_rest_ms: i64,
}

impl Storm {
    /// One run, killed so many times, then ended in order.
    fn rage(&mut self, seed: u64, kills: usize) {
        let sim = Sim::process(&["--seed", &seed.to_string(), "--speed", "100"]);
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("run");
        let config = config(&sim, dir.path());
        let mut dice = Dice(seed);
        let mut process = Process::start(&sim, &config, &out);
        for kill in 0..kills {
            if dice.once_in(4) {
                // At the start, in the recovery, or soon after.
                thread::sleep(Duration::from_millis(dice.below(4_000)));
            } else {
                process.trades(&sim, sim.accepted());
                thread::sleep(Duration::from_millis(dice.below(400)));
            }
            assert!(!process.is_over(), "it ended by itself: {}", process.told());
            process.kill();
            let (killed_ms, books) = (now_ms(), sim.books());
            let has = |name: &str| usize::from(!books[name].as_array().unwrap().is_empty());
            self.resting += has("openOrders");
            self.holding += has("positions");
            if kill % 20 == 3 {
                dead_man_goes_off(&sim, killed_ms);
            }
            process = Process::start(&sim, &config, &out);
        }
        process.trades(&sim, sim.accepted() + 1);
        assert_eq!(process.end(), 0, "{}", process.told());
        let found = audit::agree(&out, &sim.books());
        let session = std::fs::read_to_string(out.join("session.jsonl")).unwrap();
        let replayed = pinion().arg("replay").arg(&out).output().unwrap();
        assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
        let told = process.told();
        assert!(!told.contains(&sim.key.0) && !told.contains(&sim.key.1), "a secret was told");
        self.kills += kills;
        self.again += session.matches(r#""kind":"run_continued""#).count();
        self.orders += found.orders;
        self.fills += found.fills;
        self.trades += found.trades;
        self.longest_rest_ms = self.longest_rest_ms.max(found.longest_rest_ms);
        tell(&format!("{self:?}"));
    }
}

#[test]
fn a_run_that_is_killed_again_and_again_agrees_with_the_venue_at_the_end() {
    // A journal grows with every life and is told again at each start: so several runs.
    let (runs, kills) = if is_full() { (10, 20) } else { (1, 5) };
    let mut storm = Storm::default();
    for seed in 0..runs {
        storm.rage(20_260_820 + seed, kills);
    }
    assert!(storm.again > 0, "{storm:?}");
    let bound = i64::try_from(DEAD_MAN_S).unwrap() * 1_000 + TTL_MS + 30_000;
    assert!(storm.longest_rest_ms <= bound, "{storm:?}");
}
