//! The built-in market: perpetuals that move like real ones, made from a seed.
//!
//! A paper run without data plays this. One common factor of changing strength drives all
//! perpetuals (`factor`), each with noise and shocks of its own (`path`); activity comes in
//! self-exciting bursts (`arrivals`) of quotes and trades on the tick and the lot (`touch`). Its
//! figures are held against recorded markets by the whole-engine tests. It knows nothing of any
//! strategy.
//!
//! Time advances in slices of a quarter of a second. The price of each perpetual moves once in a
//! slice, all at the same moment, and shows in whatever it sends next. The same settings give the
//! same events on every machine; nothing is allocated per event once the queue has grown to the
//! busiest slice. Cost: about 160 ns an event, a quarter of a second for a day of ten instruments.

mod arrivals;
mod asset;
mod factor;
mod listing;
mod path;
mod rng;
mod touch;

use pinion_core::instrument::{Instrument, InstrumentTable};
use pinion_core::msg::{MarketKind, MarketMsg};
use pinion_core::settings::Settings;
use pinion_core::units::Nanos;

use crate::source::{Source, SourceCounts, SourceFault};
use crate::synth::asset::Asset;
use crate::synth::factor::Factor;
use crate::synth::rng::Rng;

/// When the built-in market starts: 2026-01-05 00:00:00 UTC, a Monday.
pub const START: Nanos = Nanos::new(1_767_571_200 * Nanos::SECOND);

const SLICE_NS: i64 = 250_000_000;
const SLICE_S: f64 = SLICE_NS as f64 * 1e-9;
/// Slices between two steps of what changes slowly: a second.
const SLOW_SLICES: i64 = 4;
const SLOW_S: f64 = SLICE_S * SLOW_SLICES as f64;
/// Time between two mark prices of an instrument; whole slices.
const MARK_NS: i64 = 10_000_000_000;
/// Mark prices of all instruments come as one run, this far apart.
const MARK_GAP_NS: i64 = 20_000;
/// Room for the busiest slice of ten instruments.
const QUEUE_START: usize = 4_096;

/// Events in the order in which they were made.
type Queue = Vec<MarketMsg>;

/// The instruments that `settings` ask for (`synth.instruments`): ten named perpetuals, then made-up
/// ones from `S11USDT` on. The same for every seed.
#[must_use]
pub fn instruments(settings: &Settings) -> Vec<Instrument> {
    listing::listings(count(settings)).iter().map(|listing| listing.instrument).collect()
}

fn count(settings: &Settings) -> usize {
    usize::try_from(settings.synth_instruments).unwrap_or(0)
}

/// The built-in market as a source. Never faults.
#[derive(Debug)]
pub struct SynthMarket {
    factor: Factor,
    assets: Vec<Asset>,
    /// Pending events in time order; those before `at` are gone, those from `ready` on belong to
    /// slices that are not complete yet.
    queue: Queue,
    at: usize,
    ready: usize,
    slice: i64,
    end: Nanos,
    counts: SourceCounts,
}

impl SynthMarket {
    /// A market of the instruments of [`instruments`] that are in `table`, with the table's ticks and
    /// lots; `engine.seed` chooses what happens, `synth.duration_ns` how long.
    #[must_use]
    pub fn new(settings: &Settings, table: &InstrumentTable) -> Self {
        let seed = settings.engine_seed.cast_unsigned();
        let assets = listing::listings(count(settings))
            .iter()
            .zip(1..)
            .filter_map(|(listing, stream)| {
                let id = table.find(listing.instrument.symbol.as_str())?;
                let row = table.row(id);
                Some(Asset::new(id, listing, row.tick, row.lot, START, Rng::new(seed, stream)))
            })
            .collect();
        Self {
            factor: Factor::new(Rng::new(seed, 0)),
            assets,
            queue: Queue::with_capacity(QUEUE_START),
            at: 0,
            ready: 0,
            slice: 0,
            end: START.plus(settings.synth_duration_ns),
            counts: SourceCounts::default(),
        }
    }

    fn slice_start(&self) -> Nanos {
        START.plus(self.slice * SLICE_NS)
    }

    /// Makes slices until an event is ready; false at the end.
    fn fill(&mut self) -> bool {
        while self.at == self.ready {
            if self.slice_start() >= self.end {
                return false;
            }
            self.make_slice();
        }
        true
    }

    fn make_slice(&mut self) {
        self.queue.drain(..self.at);
        self.at = 0;
        let start = self.slice_start();
        let slow = self.slice % SLOW_SLICES == 0;
        let slice = self.factor.step(slow);
        let marks = start.since(START) % MARK_NS == 0;
        for (asset, nth) in self.assets.iter_mut().zip(1..) {
            asset.step(start.get(), slow, &slice, &mut self.queue);
            if marks {
                asset.mark(start.get() + nth * MARK_GAP_NS, &mut self.queue);
            }
        }
        self.slice += 1;
        // Quotes and trades of one instrument never share a moment: no two keys are equal.
        self.queue.sort_unstable_by_key(|msg| (msg.ts_recv_ns, msg.instrument, msg.kind()));
        let complete = self.slice_start().min(self.end);
        self.ready = self.queue.partition_point(|msg| msg.ts_recv_ns < complete);
    }
}

impl Source for SynthMarket {
    fn next_ts(&mut self) -> Result<Option<Nanos>, SourceFault> {
        Ok(self.fill().then(|| self.queue[self.at].ts_recv_ns))
    }

    fn next(&mut self, batch: &mut Vec<MarketMsg>) -> Result<(), SourceFault> {
        if self.fill() {
            let msg = self.queue[self.at];
            match msg.kind() {
                MarketKind::Quote => self.counts.quote += 1,
                MarketKind::Trade => self.counts.trade += 1,
                MarketKind::Mark => self.counts.mark += 1,
                // Never made here.
                MarketKind::Bar | MarketKind::Level | MarketKind::Reset | MarketKind::Gap => {}
            }
            batch.push(msg);
            self.at += 1;
        }
        Ok(())
    }

    fn counts(&self) -> SourceCounts {
        self.counts
    }

    fn progress(&self) -> f64 {
        let whole = self.end.since(START).max(1) as f64;
        (self.slice_start().since(START) as f64 / whole).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_does_not_grow_on_the_way() {
        let settings = Settings { synth_duration_ns: 6 * 3_600_000_000_000, ..Settings::default() };
        let table = InstrumentTable::new(instruments(&settings)).expect("a valid table");
        let mut market = SynthMarket::new(&settings, &table);
        let room = market.queue.capacity();
        let mut batch = Vec::with_capacity(1);
        while market.next_ts() != Ok(None) {
            batch.clear();
            market.next(&mut batch).expect("never faults");
        }
        assert!(market.counts().total() > 200_000);
        assert_eq!(market.queue.capacity(), room);
    }
}
