//! The kernel stage on links that are too short.

use alloc::boxed::Box;
use alloc::sync::Arc;

use crossbeam_queue::ArrayQueue;

use super::rig::{Rig, asset, table};
use crate::broker::{Broker, EntryPlan};
use crate::engine::{Advise, Engine, Gauges, JournalFull, KernelLinks, KernelStage};
use crate::journal::{InputRx, input_ring};
use crate::link::{Rx, Tx, link};
use crate::msg::{
    ClientRef, Command, CommandMsg, MarketBody, MarketMsg, Maybe, PositionSide, ProbeKind,
    RecordMsg, ScanMsg, VenueEvent, VenueMsg,
};
use crate::policy::Decide;
use crate::settings::{Settings, Style};
use crate::stage::{Stage, Work};
use crate::topology::spec;
use crate::units::{Nanos, Qty, Rate};
use arrayvec::ArrayVec;
use serde::{Deserialize, Serialize};

struct Wired<P> {
    stage: KernelStage<P>,
    market: Tx<MarketMsg>,
    account: Tx<VenueMsg>,
    command: Rx<CommandMsg>,
    /// Held, so that the links stay open.
    _others: (Tx<ScanMsg>, Tx<VenueMsg>, InputRx),
    record_rx: Rx<RecordMsg>,
}

const NOW: Nanos = Nanos::new(1_000 * Nanos::SECOND);

fn wired<P: Decide>(engine: Engine<P>, commands: usize) -> Wired<P> {
    let (market, market_rx) = link(64);
    let (scan_tx, scan) = link(4);
    let (ack_tx, ack) = link(4);
    let (account, account_rx) = link(64);
    let (command_tx, command) = link(commands);
    let (record, record_rx) = link(spec("record").depth);
    let (input, input_rx) = input_ring(spec("input").depth);
    let links = KernelLinks {
        market: market_rx,
        scan,
        ack,
        account: account_rx,
        command: command_tx,
        record,
        input,
        control: Arc::new(ArrayQueue::new(1)),
        gauges: Arc::new(Gauges::default()),
    };
    Wired {
        stage: KernelStage::new(engine, links, JournalFull::Wait),
        market,
        account,
        command,
        _others: (scan_tx, ack_tx, input_rx),
        record_rx,
    }
}

fn quote() -> MarketMsg {
    let body = MarketBody::Quote {
        bid: "0.1999".parse().expect("a price"),
        ask: "0.2000".parse().expect("a price"),
        bid_qty: None,
        ask_qty: None,
    };
    MarketMsg::from_body(asset(), NOW, None, body)
}

fn end(event: VenueEvent) -> VenueMsg {
    VenueMsg {
        ts_exch_ns: Maybe::NONE,
        ts_recv_ns: NOW,
        client: ClientRef::Absent,
        instrument: None,
        event,
    }
}

#[test]
fn with_commands_waiting_a_poll_takes_nothing_and_loses_nothing() {
    let mut wired = wired(Rig::new(Settings::default()).engine, 1);
    wired.market.push(quote()).expect("room");
    assert_eq!(wired.stage.poll(NOW), Work::done(1), "its probe fills the link");
    let revision = 0;
    let orders = VenueEvent::OpenOrdersEnd { ok: true, rows: 0, revision };
    let positions = VenueEvent::PositionsEnd { ok: true, rows: 0, revision };
    wired.account.push(end(orders)).expect("room");
    wired.account.push(end(positions)).expect("room");
    assert_eq!(wired.stage.poll(NOW), Work::done(2), "two more wait");
    wired.market.push(quote()).expect("room");
    for _ in 0..3 {
        // Held back it is not: that would keep the reader of the link from its turn.
        assert_eq!(wired.stage.poll(NOW), Work::NONE);
        assert!(!wired.stage.drained());
    }
    let mut seen = alloc::vec::Vec::new();
    for taken in [3, 4] {
        let Some(message) = wired.command.pop() else { panic!("a command") };
        let Command::Probe { probe, .. } = message.command else { panic!("{message:?}") };
        seen.push(probe);
        assert_eq!(wired.stage.poll(NOW), Work::done(1));
        // The second time the last one leaves, and only then the quote is taken in.
        assert_eq!(wired.stage.engine().inputs(), taken);
    }
    seen.extend(wired.command.pop().and_then(|message| match message.command {
        Command::Probe { probe, .. } => Some(probe),
        Command::Place { .. } | Command::Cancel { .. } | Command::Query { .. } => None,
    }));
    assert_eq!(seen, [ProbeKind::OpenOrders, ProbeKind::Positions, ProbeKind::Balance]);
    assert_eq!(wired.stage.poll(NOW), Work::NONE);
}

#[test]
fn published_settings_come_into_force_with_the_next_poll_before_anything_else() {
    let mut wired = wired(Rig::new(Settings::default()).engine, 8);
    wired.market.push(quote()).expect("room");
    let next = Arc::new(Settings { engine_tick_ns: 7_000_000, ..Settings::default() });
    wired.stage.publish(1, Arc::new(Settings::default()));
    wired.stage.publish(2, Arc::clone(&next));
    assert!(!wired.stage.drained());
    assert_eq!(wired.stage.poll(NOW).count, 2, "the last one counts, then the quote");
    assert_eq!((wired.stage.engine().version(), wired.stage.engine().inputs()), (2, 2));
    assert!(Arc::ptr_eq(wired.stage.engine().settings(), &next));
    assert_eq!(wired.stage.next_deadline(), Some(NOW.plus(7_000_000)), "its tick too");
    wired.stage.publish(1, Arc::new(Settings::default()));
    let _work = wired.stage.poll(NOW);
    assert!(Arc::ptr_eq(wired.stage.engine().settings(), &next), "not newer");
}

#[test]
fn settings_that_need_a_flat_book_wait_and_keep_nobody_up() {
    let mut wired = wired(Rig::long().engine, 8);
    let legs = Settings { exit_legs: alloc::vec![0.5, 0.5], ..Settings::default() };
    wired.stage.publish(1, Arc::new(legs));
    let now = NOW.plus(60 * Nanos::SECOND);
    while wired.stage.poll(now) != Work::NONE {}
    assert_eq!(wired.stage.engine().version(), 0);
    assert!(wired.stage.drained(), "a run can end with them waiting");
    let hot = Settings { exit_tp_bps: 20.0, ..Settings::default() };
    wired.stage.publish(2, Arc::new(hot));
    let _work = wired.stage.poll(now);
    assert_eq!(wired.stage.engine().version(), 2, "the last one counts");
}

/// Publishes once, and counts what it hears.
#[derive(Debug, Default)]
struct Tuner {
    next: Option<(u32, Arc<Settings>)>,
    heard: Arc<core::sync::atomic::AtomicU64>,
}

impl Advise for Tuner {
    fn record(&mut self, _record: &RecordMsg) {
        self.heard.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
    }

    fn advise(&mut self, _now: Nanos) -> Option<(u32, Arc<Settings>)> {
        self.next.take()
    }
}

#[test]
fn a_tuner_hears_every_record_and_its_settings_come_first() {
    let mut wired = wired(Rig::new(Settings::default()).engine, 8);
    wired.market.push(quote()).expect("room");
    let next = Arc::new(Settings { engine_tick_ns: 7_000_000, ..Settings::default() });
    let tuner = Tuner { next: Some((2, Arc::clone(&next))), ..Tuner::default() };
    let heard = Arc::clone(&tuner.heard);
    wired.stage.seat(Box::new(tuner));
    assert_eq!(wired.stage.poll(NOW).count, 2, "the settings, then the quote");
    assert!(Arc::ptr_eq(wired.stage.engine().settings(), &next));
    let heard = heard.load(core::sync::atomic::Ordering::Relaxed);
    let mut recorded = 0;
    while wired.record_rx.pop().is_some() {
        recorded += 1;
    }
    assert!(heard > 0);
    assert_eq!(heard, recorded);
    assert!(wired.stage.unseat().is_some() && wired.stage.unseat().is_none());
}

/// A policy that enters whenever it can.
#[derive(Debug, Serialize, Deserialize)]
struct Eager;

impl Decide for Eager {
    fn after_turn(&mut self, broker: &mut Broker<'_>) {
        let Some(slot) = broker.free_slot().filter(|_| broker.entry_guard(asset()).is_ok()) else {
            return;
        };
        let verdict = broker.enter(&EntryPlan {
            slot,
            instrument: asset(),
            side: PositionSide::Long,
            qty: Qty::from_whole(1_000),
            leverage: Rate::ONE,
            reference_price: "0.2000".parse().expect("a price"),
            legs: ArrayVec::new(),
        });
        assert!(verdict.accepted);
    }
}

#[test]
fn the_stage_wakes_for_a_quote_whose_time_is_over() {
    let settings = Settings {
        router_style: Style::Maker,
        router_entry_ttl_ns: 300_000_000,
        ..Settings::default()
    };
    let engine = Engine::with_policy(Arc::new(settings), table(), 7, Eager);
    let mut wired = wired(engine, 64);
    wired.market.push(quote()).expect("room");
    let positions = VenueEvent::PositionsEnd { ok: true, rows: 0, revision: 0 };
    wired.account.push(end(positions)).expect("room");
    let wallet = Maybe::some(wired.stage.engine().kernel().ledger().capital());
    let none = Maybe::NONE;
    let balance = VenueEvent::Balance { wallet, available: wallet, used: none, maint: none };
    wired.account.push(end(balance)).expect("room");
    assert!(!wired.stage.poll(NOW).backpressured);
    let due = NOW.plus(300_000_000);
    assert_eq!(wired.stage.next_deadline(), Some(due), "before the next tick");
    let places = |wired: &mut Wired<Eager>| {
        core::iter::from_fn(|| wired.command.pop())
            .filter(|message| matches!(message.command, Command::Place { .. }))
            .count()
    };
    assert_eq!(places(&mut wired), 1);
    let called_back = |wired: &mut Wired<Eager>| {
        core::iter::from_fn(|| wired.command.pop())
            .any(|message| matches!(message.command, Command::Cancel { .. }))
    };
    assert_eq!(wired.stage.poll(due.plus(-1)), Work::NONE);
    assert_eq!(wired.stage.poll(due), Work::done(1));
    assert!(called_back(&mut wired));
    assert_eq!(wired.stage.poll(due), Work::NONE, "once");
    // The grid of the ticks stays where it was.
    assert_eq!(wired.stage.next_deadline(), Some(NOW.plus(Nanos::SECOND)));
}
