use super::*;
use std::collections::VecDeque;

use pinion_core::id::InstrumentId;
use pinion_core::link::{Rx, link};
use pinion_core::msg::{MarketBody, Side};
use pinion_core::units::{Price, Qty};

/// Events given beforehand: a time and its messages, or a fault.
#[derive(Debug)]
struct Given(VecDeque<Result<(i64, Vec<MarketBody>), SourceFault>>);

impl Source for Given {
    fn next_ts(&mut self) -> Result<Option<Nanos>, SourceFault> {
        match self.0.front() {
            None => Ok(None),
            Some(Ok((at, _))) => Ok(Some(Nanos::new(*at))),
            Some(Err(fault)) => Err(fault.clone()),
        }
    }

    fn next(&mut self, batch: &mut Vec<MarketMsg>) -> Result<(), SourceFault> {
        let (at, bodies) = self.0.pop_front().expect("asked after the end")?;
        let id = InstrumentId::new(0);
        batch.extend(bodies.into_iter().map(|b| MarketMsg::from_body(id, Nanos::new(at), None, b)));
        Ok(())
    }

    fn counts(&self) -> SourceCounts {
        SourceCounts::default()
    }

    fn progress(&self) -> f64 {
        0.0
    }
}

fn trade(price: i64) -> MarketBody {
    MarketBody::Trade {
        price: Price::from_whole(price),
        qty: Qty::ONE,
        taker: None,
        trade_id: 0,
        merged: 0,
    }
}

fn level(price: i64, last: bool) -> MarketBody {
    MarketBody::Level { side: Side::Buy, price: Price::from_whole(price), qty: Qty::ONE, last }
}

struct Bench {
    stage: IngestStage<Given>,
    market: Rx<MarketMsg>,
    tap: Rx<MarketMsg>,
    feed: Rx<MarketMsg>,
}

type Event = Result<(i64, Vec<MarketBody>), SourceFault>;

fn bench(events: Vec<Event>, depth: usize, when_full: WhenFull) -> Bench {
    let (market_tx, market) = link(depth);
    let (tap_tx, tap) = link(64);
    let (feed_tx, feed) = link(64);
    let merging = |tx| MarketTx::new(tx, 1);
    let (market_tx, tap_tx) = (merging(market_tx), merging(tap_tx));
    let source = Given(events.into());
    let stage = IngestStage::new(source, market_tx, tap_tx, Some(feed_tx), when_full);
    Bench { stage, market, tap, feed }
}

fn kinds(rx: &mut Rx<MarketMsg>) -> Vec<MarketKind> {
    core::iter::from_fn(|| rx.pop()).map(|message| message.kind()).collect()
}

#[test]
fn each_message_goes_where_it_belongs() {
    use MarketKind::{Bar, Gap, Level, Mark, Quote, Reset, Trade};
    let quote =
        MarketBody::Quote { bid: Price::ONE, ask: Price::ONE, bid_qty: None, ask_qty: None };
    let mark =
        MarketBody::Mark { mark: None, index: None, funding_rate: None, next_funding_ns: None };
    let one = Price::ONE;
    let bar = MarketBody::Bar { open: one, high: one, low: one, close: one, volume: Qty::ZERO };
    let bodies =
        vec![MarketBody::Reset, level(1, true), quote, trade(1), mark, bar, MarketBody::Gap];
    let mut bench = bench(vec![Ok((5, bodies))], 64, WhenFull::Wait);
    assert_eq!(bench.stage.poll(Nanos::new(5)), Work::done(8));
    let to_all = [Quote, Trade, Mark, Bar, Gap];
    assert_eq!(kinds(&mut bench.market), to_all);
    assert_eq!(kinds(&mut bench.tap), to_all);
    assert_eq!(kinds(&mut bench.feed), [Reset, Level, Quote, Trade, Mark, Bar, Gap]);
    assert!(bench.stage.finished());
    assert_eq!(bench.stage.poll(Nanos::new(6)), Work::NONE);
}

#[test]
fn one_event_a_poll_and_none_before_its_time() {
    let events = vec![Ok((10, vec![trade(1)])), Ok((10, vec![trade(2)])), Ok((20, vec![]))];
    let mut bench = bench(events, 64, WhenFull::Wait);
    assert_eq!(bench.stage.next_deadline(), Some(Nanos::new(10)));
    assert_eq!(bench.stage.poll(Nanos::new(9)), Work::NONE);
    assert_eq!(bench.stage.poll(Nanos::new(15)), Work::done(2));
    assert_eq!(bench.market.len(), 1);
    assert_eq!(bench.stage.poll(Nanos::new(15)), Work::done(2));
    assert_eq!(bench.stage.poll(Nanos::new(15)), Work::NONE);
    assert_eq!(bench.stage.next_deadline(), Some(Nanos::new(20)));
    // A rejected event is work too: time has passed it.
    assert_eq!(bench.stage.poll(Nanos::new(20)), Work::done(1));
    assert_eq!((bench.stage.finished(), bench.stage.next_deadline()), (true, None));
    let seqs: Vec<u32> = core::iter::from_fn(|| bench.market.pop()).map(|m| m.seq).collect();
    assert_eq!(seqs, [0, 1]);
}

#[test]
fn a_recording_waits_for_room_and_loses_nothing() {
    let events = (1..=4).map(|at| Ok((at, vec![trade(at)]))).collect();
    let mut bench = bench(events, 1, WhenFull::Wait);
    let now = Nanos::new(9);
    assert!(!bench.stage.poll(now).backpressured);
    let stuck = Work { count: 1, commands: 0, backpressured: true };
    assert_eq!(bench.stage.poll(now), stuck);
    assert_eq!(bench.stage.poll(now), Work { count: 0, ..stuck });
    assert_eq!(bench.stage.next_deadline(), Some(Nanos::new(2)));
    let mut seen = Vec::new();
    while !(bench.stage.finished() && bench.market.is_empty()) {
        seen.extend(bench.market.pop().map(|message| message.ts_recv_ns.get()));
        assert_eq!(bench.stage.poll(now).commands, 0);
    }
    assert_eq!(seen, [1, 2, 3, 4]);
    assert_eq!(bench.stage.conflated(), 0);
}

#[test]
fn a_paced_replay_conflates_and_loses_no_quantity() {
    let events = (1..=4).map(|at| Ok((at, vec![trade(at)]))).collect();
    let mut bench = bench(events, 1, WhenFull::Conflate);
    for _ in 0..4 {
        assert!(!bench.stage.poll(Nanos::new(9)).backpressured);
    }
    assert_eq!(bench.stage.conflated(), 2);
    assert_eq!((bench.tap.len(), bench.feed.len()), (4, 4));
    assert!(!bench.stage.finished(), "a merged message still waits");
    assert!(bench.market.pop().is_some());
    assert_eq!(bench.stage.poll(Nanos::new(9)), Work::done(1));
    let merged = bench.market.pop().expect("the merged trade");
    assert!(matches!(merged.body(), MarketBody::Trade { merged: 2, .. }), "{merged:?}");
    assert!(bench.stage.finished());
}

#[test]
fn an_event_larger_than_budget_and_link_arrives_whole() {
    let mut bodies = vec![MarketBody::Reset];
    bodies.extend((1..=600).map(|price| level(price, price == 600)));
    let mut bench = bench(vec![Ok((1, bodies))], 4, WhenFull::Wait);
    let mut seen = 0;
    let mut last = None;
    for _ in 0..100 {
        let work = bench.stage.poll(Nanos::new(1));
        assert!(work.count as usize <= BUDGET + 1);
        while let Some(message) = bench.feed.pop() {
            seen += 1;
            last = Some(message.body());
        }
    }
    assert_eq!((seen, last), (601, Some(level(600, true))));
    assert!(bench.stage.finished());
}

#[test]
fn a_fault_ends_the_stage_after_what_came_before_it() {
    let fault = SourceFault {
        origin: "x".into(),
        line: Some(3),
        found: "half a line".into(),
        expected: "a whole one".into(),
    };
    let mut bench = bench(vec![Ok((1, vec![trade(1)])), Err(fault.clone())], 4, WhenFull::Wait);
    assert_eq!(bench.stage.fault(), None);
    assert_eq!(bench.stage.poll(Nanos::new(1)), Work::done(2));
    assert_eq!(bench.stage.fault(), Some(&fault));
    assert!(bench.stage.finished());
    assert_eq!(bench.market.len(), 1);
    assert_eq!(bench.stage.poll(Nanos::new(2)), Work::NONE);
    assert_eq!(bench.stage.last_ts(), Some(Nanos::new(1)));
}
