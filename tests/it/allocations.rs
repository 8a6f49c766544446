//! Tests of: allocations. After warm-up, nothing on the way of an event touches the heap: not a turn, not
//! the whole inline engine, not the readers of recorded data.

use std::path::PathBuf;
use std::sync::Arc;

use pinion_core::instrument::InstrumentTable;
use pinion_core::msg::{Input, MarketBody, MarketMsg, Record};
use pinion_core::settings::{Miss, Settings, Style};
use pinion_core::units::{Money, Nanos, Price, Qty, Rate};
use pinion_io::data::{self, DataOptions};
use pinion_io::runner::Ending;
use pinion_io::source::Source;
use pinion_io::synth::{self, SynthMarket};
use pinion_tests::alloc::{allocations, allocations_in};
use pinion_tests::desk::Desk;
use pinion_tests::pipeline::{Heard, Pipeline};
use pinion_tests::shared;

#[test]
fn a_planted_allocation_is_counted() {
    let mut kept = Vec::<u8>::new();
    assert_eq!(allocations_in(|| kept.reserve_exact(8)), 1);
    assert_eq!(allocations_in(|| kept.reserve_exact(64)), 1, "a block that grows");
    assert_eq!(allocations_in(|| drop(std::hint::black_box(vec![0u8; 8]))), 1, "a zeroed block");
    assert_eq!(allocations_in(|| kept.push(1)), 0);
    let before = allocations();
    std::thread::scope(|scope| {
        scope.spawn(|| drop(std::hint::black_box(Box::new(1))));
    });
    let spawning = allocations() - before;
    let before = allocations();
    std::thread::scope(|scope| {
        scope.spawn(|| (0..100).for_each(|n| drop(std::hint::black_box(Box::new(n)))));
    });
    assert_eq!(allocations() - before, spawning, "other threads count for themselves");
}

/// Every kind of market message, on instruments with and without a position.
fn market_events(desk: &mut Desk) {
    for instrument in [0, 3] {
        desk.quote(instrument);
        desk.trade(instrument);
        let hundred = Price::from_whole(100);
        desk.market(
            instrument,
            MarketBody::Mark {
                mark: Some(hundred),
                index: None,
                funding_rate: Some(Rate::from_raw(10_000)),
                next_funding_ns: None,
            },
        );
        let volume = Qty::ONE;
        let bar =
            MarketBody::Bar { open: hundred, high: hundred, low: hundred, close: hundred, volume };
        desk.market(instrument, bar);
    }
    desk.market(3, MarketBody::Gap);
    desk.turn(&Input::Tick);
}

#[test]
fn a_turn_allocates_nothing() {
    let mut desk = Desk::new();
    market_events(&mut desk);
    desk.enter();
    desk.leave();
    let flat = allocations_in(|| (0..100).for_each(|_| market_events(&mut desk)));
    assert_eq!(flat, 0, "market events without a position");
    let scans = allocations_in(|| (0..100).for_each(|_| desk.scan(false)));
    assert_eq!(scans, 0, "scans with ranks");
    let trips = allocations_in(|| {
        for _ in 0..100 {
            desk.enter();
            market_events(&mut desk);
            desk.scan(false);
            desk.leave();
        }
    });
    assert_eq!(trips, 0, "round trips, with market events and scans on the way");
    assert_eq!(desk.engine.kernel().totals().trades_closed, 101);
}

#[test]
fn a_quote_that_works_and_is_missed_allocates_nothing() {
    let mut desk = Desk::with(Settings {
        router_style: Style::Maker,
        router_entry_miss: Miss::Retry,
        router_entry_retries: i64::MAX,
        ..Settings::default()
    });
    desk.rest();
    let counted = allocations_in(|| {
        for _ in 0..100 {
            (0..10).for_each(|_| desk.quote(0));
            desk.miss();
        }
    });
    assert_eq!(counted, 0, "100 quotes called back and quoted again");
    assert_eq!(desk.engine.kernel().totals().orders, 101);
}

/// Allocations of a run after its first `warm` inputs, with the inputs and closed trades counted from there.
#[derive(Debug, Default)]
struct Measured {
    inputs: u64,
    trades: u64,
    allocations: u64,
}

fn measured<S: Source>(mut pipeline: Pipeline<S>, warm: u64) -> Measured {
    let (mut seen, mut first) = (0, None);
    let mut measured = Measured::default();
    let report = pipeline.run(&mut |heard| match heard {
        Heard::Input => {
            seen += 1;
            measured.inputs = u64::saturating_sub(seen, warm);
        }
        Heard::Record(message) => {
            let counts = first.is_some() && matches!(message.record, Record::TradeClosed { .. });
            measured.trades += u64::from(counts);
        }
        Heard::Turn(_) if seen >= warm => {
            let first = *first.get_or_insert_with(allocations);
            measured.allocations = allocations() - first;
        }
        Heard::Turn(_) => {}
    });
    assert_eq!(report.map(|report| report.ending), Ok(Ending::Drained));
    measured
}

/// The built-in market, with everything the engine does in it.
#[test]
fn the_inline_engine_allocates_nothing_per_event() {
    for style in [Style::Taker, Style::Maker] {
        allocates_nothing_per_event(style);
    }
}

fn allocates_nothing_per_event(style: Style) {
    let settings = Settings {
        router_style: style,
        synth_duration_ns: 3 * 3_600 * Nanos::SECOND,
        signal_scan_ns: Nanos::SECOND,
        policy_vel_div_threshold: -0.001,
        exit_tp_bps: 10.0,
        ..Settings::default()
    };
    let settings = Arc::new(settings);
    let table = Arc::new(InstrumentTable::new(synth::instruments(&settings)).expect("a table"));
    let market = SynthMarket::new(&settings, &table);
    let measured = measured(Pipeline::new(&settings, table, market), 60_000);
    assert!(measured.inputs > 100_000, "{measured:?}");
    assert!(measured.trades > 3, "{measured:?}");
    assert_eq!(measured.allocations, 0, "{measured:?}");
}

/// A market that allocates once, late.
struct Leaky {
    market: SynthMarket,
    events: u32,
}

impl Source for Leaky {
    fn next_ts(&mut self) -> Result<Option<Nanos>, pinion_io::source::SourceFault> {
        self.market.next_ts()
    }

    fn next(&mut self, batch: &mut Vec<MarketMsg>) -> Result<(), pinion_io::source::SourceFault> {
        self.events += 1;
        if self.events == 8_000 {
            drop(std::hint::black_box(Box::new(self.events)));
        }
        self.market.next(batch)
    }

    fn counts(&self) -> pinion_io::source::SourceCounts {
        self.market.counts()
    }

    fn progress(&self) -> f64 {
        self.market.progress()
    }
}

#[test]
fn an_allocation_planted_in_a_stage_is_seen() {
    let settings = Settings { synth_duration_ns: 900 * Nanos::SECOND, ..Settings::default() };
    let settings = Arc::new(settings);
    let table = Arc::new(InstrumentTable::new(synth::instruments(&settings)).expect("a table"));
    let market = Leaky { market: SynthMarket::new(&settings, &table), events: 0 };
    let measured = measured(Pipeline::new(&settings, table, market), 4_000);
    assert_eq!(measured.allocations, 1, "{measured:?}");
}

fn recorded(path: PathBuf) -> (data::DataSource, Arc<InstrumentTable>) {
    let options = DataOptions {
        backstep_ns_max: 5 * Nanos::SECOND,
        min_notional: Money::from_whole(5),
        overrides: &[],
    };
    let mut set = data::open(&[path], &options).expect("opens");
    let table = InstrumentTable::new(std::mem::take(&mut set.instruments)).expect("a table");
    let source = set.into_source(&table).expect("opens again");
    (source, Arc::new(table))
}

/// Recordings: raw frames with depth, and rows of trades.
const RECORDINGS: [&str; 2] =
    ["data/binance-raw-20240808/usdm", "data/usdm-aggtrades-20260410/ticks.csv.zst"];

#[test]
fn readers_of_recorded_data_allocate_nothing_per_event() {
    for path in RECORDINGS {
        let Some(full) = shared(path) else { continue };
        let (mut source, _) = recorded(full);
        let mut batch = Vec::with_capacity(8_192);
        let mut read = |events: u32| {
            for _ in 0..events {
                assert!(source.next_ts().expect("readable").is_some(), "{path} is long enough");
                batch.clear();
                source.next(&mut batch).expect("readable");
            }
        };
        read(20_000);
        assert_eq!(allocations_in(|| read(60_000)), 0, "{path}");
    }
}

#[test]
fn the_inline_engine_on_recorded_data_allocates_nothing_per_event() {
    for path in RECORDINGS {
        let Some(full) = shared(path) else { continue };
        let (source, table) = recorded(full);
        let settings = Arc::new(Settings::default());
        let measured = measured(Pipeline::new(&settings, table, source), 60_000);
        assert!(measured.inputs > 60_000, "{path}: {measured:?}");
        assert_eq!(measured.allocations, 0, "{path}: {measured:?}");
    }
}
