//! What the tuner is worth: the same runs without it and in each of its modes, as a Markdown table; and what
//! a tick costs on windows filled by a run.
//!
//! ```text
//! cargo build --release
//! cargo run --release -p pinion-tools --example tuner_table -- target/release/pinion ../shared/data OUT
//! cargo run --release -p pinion-tools --example tuner_table -- tick RUN_DIR
//! ```
//!
//! Every run is a folder in OUT and can be replayed; one that is there already is not run again. Recordings
//! that are not there are left out, and named.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example prints its figures")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use pinion_core::settings::Settings;
use pinion_tuner::decide;
use pinion_tuner::log::{About, ApplyState, recorded_input, row};
use pinion_tuner::policy::{Mode, TargetPolicy};
use pinion_tuner::reader::Reader;
use pinion_tuner::stage::rollback::keys_at_bound;
use pinion_tuner::state::State;
use pinion_tuner::tick::{self, Input};
use pinion_tuner::window::Windows;
use serde_json::Value;

/// Recordings: folder, and the options that they need.
const RECORDED: [(&str, &[&str]); 7] = [
    ("usdm-aggtrades-20260410", &[]),
    ("bars1m-perp16-202505", &[]),
    ("bars1m-spot48-202104", &[]),
    ("hyperliquid-4perps-20250904", &["--profile", "short"]),
    ("aster-3perps-20250924", &["--profile", "short"]),
    ("binance-raw-20240808/usdm", &["--profile", "very-short"]),
    ("barter-spot3-20250325", &["--profile", "very-short"]),
];
/// Seeds of the built-in market.
const SEEDS: u64 = 10;
const MODES: [&str; 5] = ["off", "conveyor", "fast", "calm", "sniper"];
/// Filters that the tuner's keys belong to; without them most of its changes mean nothing.
const FILTERS: [&str; 5] = [
    "funnel.market_mode=soft",
    "funnel.prechecks=true",
    "funnel.quality=true",
    "funnel.source_router=true",
    "memory.enabled=true",
];

type Fallible<T> = Result<T, Box<dyn Error>>;

fn main() -> Fallible<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.as_slice() {
        [verb, run] if verb == "tick" => tick_cost(Path::new(run)),
        [pinion, data, out] => table(Path::new(pinion), Path::new(data), Path::new(out)),
        _ => Err("expected PINION DATA OUT, or tick RUN_DIR".into()),
    }
}

/// Sums over the runs of one line of the table.
#[derive(Default)]
struct Line {
    runs: u64,
    trades: u64,
    net_pnl: f64,
    drawdown: f64,
    ticks: u64,
    at_bound: u64,
    changes: usize,
    rollbacks: u64,
}

fn table(pinion: &Path, data: &Path, out: &Path) -> Fallible<()> {
    println!(
        "| market | tuner | runs | trades | net PnL | worst drawdown | changes | rollbacks | ticks at a bound |"
    );
    println!("|---|---|---:|---:|---:|---:|---:|---:|---:|");
    let mut sets: Vec<(String, Vec<Vec<String>>)> = Vec::new();
    let seeds = (1..=SEEDS).map(|seed| vec!["--seed".to_owned(), seed.to_string()]);
    sets.push((format!("built-in, a day, {SEEDS} seeds"), seeds.collect()));
    for (name, options) in RECORDED {
        let path = data.join(name);
        if !path.exists() {
            eprintln!("{}: not there, left out", path.display());
            continue;
        }
        let mut args = vec!["--data".to_owned(), path.display().to_string()];
        args.extend(options.iter().map(|&option| option.to_owned()));
        sets.push((name.to_owned(), vec![args]));
    }
    for (index, (name, runs)) in sets.iter().enumerate() {
        for mode in MODES {
            let mut line = Line::default();
            for (number, args) in runs.iter().enumerate() {
                let dir = out.join(format!("{index}-{number}-{mode}"));
                if !dir.join("summary.json").is_file() {
                    run(pinion, args, mode, &dir)?;
                }
                line.add(&dir)?;
            }
            println!("{}", line.text(name, mode));
        }
    }
    Ok(())
}

fn run(pinion: &Path, args: &[String], mode: &str, dir: &Path) -> Fallible<()> {
    // What an interrupted run left.
    drop(fs::remove_dir_all(dir));
    let mut command = Command::new(pinion);
    command.args(["paper", "--tuner", mode, "--out"]).arg(dir).args(args);
    for filter in FILTERS {
        command.args(["--set", filter]);
    }
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

fn number(value: &Value) -> f64 {
    value.as_f64().or_else(|| value.as_str().and_then(|text| text.parse().ok())).unwrap_or(f64::NAN)
}

impl Line {
    fn add(&mut self, dir: &Path) -> Fallible<()> {
        let summary: Value = serde_json::from_str(&fs::read_to_string(dir.join("summary.json"))?)?;
        self.runs += 1;
        self.trades += summary["trades_closed"].as_u64().unwrap_or(0);
        self.net_pnl += number(&summary["net_pnl"]);
        self.drawdown = self.drawdown.max(number(&summary["max_drawdown"]));
        let Ok(log) = fs::read_to_string(dir.join(pinion_tuner::files::LOG)) else { return Ok(()) };
        for row in log.lines() {
            let row: Value = serde_json::from_str(row)?;
            let input = decide::input(&recorded_input(&row), false)?;
            self.ticks += 1;
            self.at_bound += u64::from(keys_at_bound(&input.settings, &input.baseline) > 0);
            if row["telemetry_v2"]["tuner_effective"] == true {
                self.changes += row["actions"].as_array().map_or(0, Vec::len);
                self.rollbacks += u64::from(row["rollback_triggered"] == true);
            }
        }
        Ok(())
    }

    fn text(&self, name: &str, mode: &str) -> String {
        let bound = match self.ticks {
            0 => "-".to_owned(),
            ticks => format!("{} %", 100 * self.at_bound / ticks),
        };
        let (changes, rollbacks) = match mode {
            "off" => ("-".to_owned(), "-".to_owned()),
            _ => (self.changes.to_string(), self.rollbacks.to_string()),
        };
        format!(
            "| {name} | {mode} | {} | {} | {:+.2} | {:.2} | {changes} | {rollbacks} | {bound} |",
            self.runs, self.trades, self.net_pnl, self.drawdown
        )
    }
}

/// What one tick costs, and what its windows hold, at the end of a run.
fn tick_cost(run: &Path) -> Fallible<()> {
    const TICKS: usize = 1_001;
    let (mut reader, mut windows) = (Reader::new(&PathBuf::from(run)), Windows::new());
    reader.feed(&mut windows)?;
    let now = windows.last();
    let mut micros: Vec<u128> = Vec::with_capacity(TICKS);
    for _ in 0..TICKS {
        let started = Instant::now();
        let telemetry = windows.telemetry(now, 15, &|asset| reader.symbol(asset));
        let input = Input {
            mode: Mode::Conveyor,
            now_s: now.get() / 1_000_000_000,
            session_age_s: windows.age_s(now),
            policy: TargetPolicy::default(),
            forced_phase: None,
            rollback_asked: None,
            settings: Settings::default(),
            baseline: Settings::default(),
            state: State::default(),
            telemetry,
            strict_seed: false,
            unread: Vec::new(),
        };
        let decision = tick::decide(&input);
        // What a tick leaves behind is part of it; writing it is the disk's time.
        let about = About {
            profile_id: "p",
            run_tag: "r",
            commit_hash: None,
            ts_ns: now.get(),
            ts: String::new(),
            window_minutes: 15,
            apply_state: ApplyState::Noop,
            pending: &[],
            version: None,
            records_missed: 0,
        };
        std::hint::black_box(row(&input, &decision, &about).to_string());
        micros.push(started.elapsed().as_micros());
    }
    micros.sort_unstable();
    println!(
        "a tick: median {} us, p99 {} us, longest {} us; windows: {} bytes",
        micros[TICKS / 2],
        micros[TICKS * 99 / 100],
        micros[TICKS - 1],
        windows.bytes()
    );
    Ok(())
}
