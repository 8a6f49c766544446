//! Events a second, beside the machine they were measured on.
//!
//! `cargo bench -p pinion-benches --bench replay` plays a day of the built-in market, and recorded data
//! where there is some beside the checkout: once through kernel and policy alone, from memory, and once
//! through the whole inline engine, reading and decoding included, files excluded. Each figure is the best
//! of five; wall time on a shared machine only ever errs to the slow side. Without `--bench` (as in
//! `cargo test`) it plays ten minutes of the built-in market once.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fs};

use pinion_core::engine::Engine;
use pinion_core::instrument::InstrumentTable;
use pinion_core::kernel::Effects;
use pinion_core::msg::{Input, MarketKind, MarketMsg};
use pinion_core::settings::Settings;
use pinion_core::units::{Money, Nanos};
use pinion_io::data::{self, DataOptions};
use pinion_io::source::Source;
use pinion_io::synth::{self, SynthMarket};
use pinion_tests::pipeline::Pipeline;
use pinion_tests::shared;

/// Recordings, when they are there.
const RECORDINGS: [&str; 2] =
    ["data/usdm-aggtrades-20260410/ticks.csv.zst", "data/binance-raw-20240808/usdm"];

type Error = Box<dyn core::error::Error>;

/// A market that can be opened again and again.
struct Market {
    name: String,
    path: Option<PathBuf>,
    settings: Arc<Settings>,
}

impl Market {
    fn built_in(duration_ns: i64) -> Self {
        let settings = Settings { synth_duration_ns: duration_ns, ..Settings::default() };
        Self { name: "built-in market".into(), path: None, settings: Arc::new(settings) }
    }

    fn open(&self) -> Result<(Box<dyn Source>, Arc<InstrumentTable>), Error> {
        let Some(path) = &self.path else {
            let table = Arc::new(
                InstrumentTable::new(synth::instruments(&self.settings))
                    .map_err(|fault| fault.to_string())?,
            );
            return Ok((Box::new(SynthMarket::new(&self.settings, &table)), table));
        };
        let options = DataOptions {
            backstep_ns_max: self.settings.data_backstep_ns_max,
            min_notional: Money::from_whole(5),
            overrides: &[],
        };
        let opened = data::open(std::slice::from_ref(path), &options);
        let mut set = opened.map_err(|fault| fault.to_string())?;
        let rows = std::mem::take(&mut set.instruments);
        let table = Arc::new(InstrumentTable::new(rows).map_err(|fault| fault.to_string())?);
        let source = set.into_source(&table).map_err(|fault| fault.to_string())?;
        Ok((Box::new(source), table))
    }

    /// Events and time of kernel and policy alone.
    fn kernel(&self) -> Result<(u64, Duration), Error> {
        let (mut source, table) = self.open()?;
        let (mut inputs, mut batch) = (Vec::new(), Vec::<MarketMsg>::new());
        while source.next_ts().map_err(|fault| fault.to_string())?.is_some() {
            batch.clear();
            source.next(&mut batch).map_err(|fault| fault.to_string())?;
            let detail = |kind| matches!(kind, MarketKind::Level | MarketKind::Reset);
            inputs.extend(batch.iter().filter(|m| !detail(m.kind())).copied().map(Input::Market));
        }
        let mut engine = Engine::new(Arc::clone(&self.settings), table, 1);
        let mut out = Effects::default();
        let started = Instant::now();
        for input in &inputs {
            engine.turn(Nanos::ZERO, input, &mut out);
        }
        let passed = started.elapsed();
        std::hint::black_box(engine.inputs());
        Ok((inputs.len() as u64, passed))
    }

    /// Events and time of the whole inline engine.
    fn engine(&self) -> Result<(u64, Duration), Error> {
        let (source, table) = self.open()?;
        let mut pipeline = Pipeline::new(&self.settings, table, source);
        let started = Instant::now();
        pipeline.run(&mut |_| {})?;
        let passed = started.elapsed();
        Ok((pipeline.stages.ingest.counts().total(), passed))
    }

    fn print(&self, runs: u32) -> Result<(), Error> {
        for (part, run) in
            [("kernel", Self::kernel as fn(&Self) -> _), ("whole engine", Self::engine)]
        {
            let mut best = 0.0f64;
            let mut events = 0;
            for _ in 0..runs {
                let (count, passed) = run(self)?;
                events = count;
                best = best.max(count as f64 / passed.as_secs_f64().max(1e-9));
            }
            println!("{:<44} {part:<13} {events:>10} events {best:>12.0} a second", self.name);
        }
        Ok(())
    }
}

/// What the figures depend on.
fn host() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?");
    let build = if cfg!(debug_assertions) { "with debug assertions" } else { "optimised" };
    format!("{model}, {cores} cores for this process, load {load}, {build}")
}

fn run() -> Result<(), Error> {
    println!("{}", host());
    if !env::args().any(|arg| arg == "--bench") {
        return Market::built_in(600 * Nanos::SECOND).print(1);
    }
    Market::built_in(86_400 * Nanos::SECOND).print(5)?;
    for name in RECORDINGS {
        if let Some(path) = shared(name) {
            let settings = Arc::new(Settings::default());
            Market { name: name.into(), path: Some(path), settings }.print(5)?;
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}
