//! Events a second through kernel and policy alone, and through the whole engine: one thread, virtual time, no
//! files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pinion_core::engine::Engine;
use pinion_core::instrument::InstrumentTable;
use pinion_core::kernel::Effects;
use pinion_core::msg::{Input, MarketKind, MarketMsg};
use pinion_core::settings::Settings;
use pinion_core::units::{Money, Nanos};
use pinion_io::data::{self, DataOptions};
use pinion_io::source::Source;
use pinion_io::synth::{self, SynthMarket};

use crate::harness::figure::p50;
use crate::harness::rounds::run;
use crate::harness::{BenchReport, Figure, Scale, Sheet, Subject, Timer};
use crate::pipeline::Pipeline;

/// Seconds of the built-in market that a round plays.
const SECONDS: usize = 7_200;
const KERNEL: &str = "kernel and policy";
const ENGINE: &str = "whole engine";
const RATE: &str = "events a second";

type Error = Box<dyn core::error::Error>;

/// Runs the bench on the built-in market.
#[must_use]
pub fn bench(scale: Scale, timer: &Timer) -> BenchReport {
    on(None, scale, timer)
}

/// The same on recorded data.
#[must_use]
pub fn on(data: Option<&Path>, scale: Scale, timer: &Timer) -> BenchReport {
    let mut report = BenchReport::new("replay");
    let market = Market::new(data, scale);
    let inputs = match market.inputs() {
        Ok(inputs) => inputs,
        Err(error) => {
            report.notes.push(format!("the market cannot be read: {error}"));
            return report;
        }
    };
    let mut subjects: Vec<Box<dyn Subject>> = vec![
        Box::new(KernelAlone { market: market.clone(), inputs }),
        Box::new(WholeEngine { market }),
    ];
    let measured = run(&mut subjects, scale.rounds, timer);
    for subject in [KERNEL, ENGINE] {
        if let Some(series) = measured.series(subject, RATE) {
            let name = format!("{subject}, {RATE}");
            report.figures.push(Figure::new(name, "1/s", series, None, p50));
        }
    }
    report.take(measured);
    // Rates are no latencies.
    report.series.clear();
    report
}

/// A market that can be opened again and again.
#[derive(Clone, Debug)]
struct Market {
    path: Option<PathBuf>,
    settings: Arc<Settings>,
}

impl Market {
    fn new(data: Option<&Path>, scale: Scale) -> Self {
        let seconds = i64::try_from(scale.of(SECONDS, 60)).unwrap_or(60);
        let synth_duration_ns = seconds * Nanos::SECOND;
        let settings = Settings { synth_duration_ns, ..Settings::default() };
        Self { path: data.map(Path::to_path_buf), settings: Arc::new(settings) }
    }

    fn open(&self) -> Result<(Box<dyn Source>, Arc<InstrumentTable>), Error> {
        let Some(path) = &self.path else {
            let rows = synth::instruments(&self.settings);
            let table = InstrumentTable::new(rows).map_err(|fault| fault.to_string())?;
            let table = Arc::new(table);
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

    /// What the kernel would see, in memory.
    fn inputs(&self) -> Result<Vec<Input>, Error> {
        let (mut source, _) = self.open()?;
        let (mut inputs, mut batch) = (Vec::new(), Vec::<MarketMsg>::new());
        while source.next_ts().map_err(|fault| fault.to_string())?.is_some() {
            batch.clear();
            source.next(&mut batch).map_err(|fault| fault.to_string())?;
            let detail = |kind| matches!(kind, MarketKind::Level | MarketKind::Reset);
            inputs.extend(batch.iter().filter(|m| !detail(m.kind())).copied().map(Input::Market));
        }
        Ok(inputs)
    }
}

struct KernelAlone {
    market: Market,
    inputs: Vec<Input>,
}

impl Subject for KernelAlone {
    fn name(&self) -> &'static str {
        KERNEL
    }

    fn metrics(&self) -> &'static [&'static str] {
        &[RATE]
    }

    fn round(&mut self, timer: &Timer, sheet: &mut Sheet) {
        let Ok((_, table)) = self.market.open() else { return };
        let mut engine = Engine::new(Arc::clone(&self.market.settings), table, 1);
        let mut out = Effects::default();
        let (passed, ()) = timer.time(|| {
            for input in &self.inputs {
                engine.turn(Nanos::ZERO, input, &mut out);
            }
        });
        note(sheet, timer, passed, engine.inputs());
        sheet.hash(engine.inputs() ^ out.records.len() as u64);
    }
}

struct WholeEngine {
    market: Market,
}

impl Subject for WholeEngine {
    fn name(&self) -> &'static str {
        ENGINE
    }

    fn metrics(&self) -> &'static [&'static str] {
        &[RATE]
    }

    fn round(&mut self, timer: &Timer, sheet: &mut Sheet) {
        let Ok((source, table)) = self.market.open() else { return };
        let mut pipeline = Pipeline::new(&self.market.settings, table, source);
        let (passed, ended) = timer.time(|| pipeline.run(&mut |_| {}));
        if ended.is_err() {
            return;
        }
        note(sheet, timer, passed, pipeline.stages.ingest.counts().total());
        let totals = pipeline.stages.kernel.engine().kernel().totals();
        let orders = u64::from(totals.orders);
        sheet.hash(orders.rotate_left(32) ^ totals.net_pnl.raw().cast_unsigned());
    }
}

fn note(sheet: &mut Sheet, timer: &Timer, ticks: u64, events: u64) {
    sheet.value(0, events as f64 * 1e9 / timer.ns(ticks as f64).max(1.0));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_of_a_small_market_have_a_rate_and_repeat() {
        let report = bench(Scale::SMALL, &Timer::calibrated());
        assert_eq!(report.figures.len(), 2, "{:?}", report.notes);
        assert!(report.figures.iter().all(|figure| figure.value > 0.0), "{:?}", report.figures);
        assert!(report.notes.is_empty(), "{:?}", report.notes);
        assert_eq!(report.hashes.len(), 2);
    }
}
