//! An engine with one instrument whose policy does nothing, and short words for what happens to it.

use alloc::sync::Arc;
use std::vec;
use std::vec::Vec;

use arrayvec::ArrayVec;
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::id::{ClientId, InstrumentId, TextId};
use crate::instrument::{Instrument, InstrumentTable};
use crate::kernel::{Effects, Intent, Verdict};
use crate::msg::record::{Action, DecisionReason};
use crate::msg::{
    ClientRef, Command, Control, ControlMsg, Input, MarketBody, MarketMsg, Maybe, OrderKind,
    OrderRole, PositionSide, ProbeKind, Record, TimeInForce, VenueEvent, VenueMsg,
};
use crate::policy::Decide;
use crate::settings::Settings;
use crate::units::{Money, Nanos, Price, Qty, Rate};

pub(super) const SECOND: i64 = Nanos::SECOND;

/// A policy that is not there.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Absent;

impl Decide for Absent {}

pub(super) struct Rig {
    pub(super) engine: Engine<Absent>,
    pub(super) now: Nanos,
    pub(super) out: Effects,
    pub(super) records: Vec<Record>,
    fills: u64,
}

pub(super) fn asset() -> InstrumentId {
    InstrumentId::new(0)
}

pub(super) fn table() -> Arc<InstrumentTable> {
    let rows = vec![Instrument {
        symbol: TextId::new("FETUSDT").expect("fits"),
        tick: "0.0001".parse().expect("a tick"),
        lot: Qty::ONE,
        min_notional: Money::from_whole(5),
        tradable: true,
        listed_ns: None,
    }];
    Arc::new(InstrumentTable::new(rows).expect("a table"))
}

fn entry() -> Intent {
    let half = Rate::from_raw(Rate::ONE.raw() / 2);
    Intent::Enter {
        slot: 0,
        trade: None,
        instrument: asset(),
        side: PositionSide::Long,
        qty: Qty::from_whole(1_000),
        leverage: Rate::ONE,
        kind: OrderKind::Market,
        tif: TimeInForce::Ioc,
        price: Maybe::NONE,
        reference_price: "0.2000".parse().expect("a price"),
        legs: ArrayVec::from_iter([half, half]),
    }
}

impl Rig {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            engine: Engine::with_policy(Arc::new(settings), table(), 7, Absent),
            now: Nanos::new(1_000 * SECOND),
            out: Effects::default(),
            records: Vec::new(),
            fills: 0,
        }
    }

    /// With every first probe answered: flat, a balance, a quote.
    pub(super) fn ready() -> Self {
        Self::ready_with(Settings::default())
    }

    pub(super) fn ready_with(settings: Settings) -> Self {
        let mut rig = Self::new(settings);
        rig.quote();
        rig.answer_round();
        rig
    }

    pub(super) fn turn(&mut self, input: &Input) {
        self.engine.turn(self.now, input, &mut self.out);
        assert_eq!(self.out.records_lost, 0);
        self.records.extend(self.out.records.iter().map(|message| message.record));
    }

    pub(super) fn wait(&mut self, ns: i64) {
        self.now = self.now.plus(ns);
    }

    /// Lets time pass and ticks.
    pub(super) fn tick_after(&mut self, ns: i64) {
        self.wait(ns);
        self.turn(&Input::Tick);
    }

    pub(super) fn quote(&mut self) {
        self.quote_at("0.1999", "0.2000");
    }

    pub(super) fn quote_at(&mut self, bid: &str, ask: &str) {
        let body = MarketBody::Quote {
            bid: bid.parse().expect("a price"),
            ask: ask.parse().expect("a price"),
            bid_qty: None,
            ask_qty: None,
        };
        self.turn(&Input::Market(MarketMsg::from_body(asset(), self.now, None, body)));
    }

    pub(super) fn control(&mut self, control: Control) {
        self.turn(&Input::Control(ControlMsg { ts_recv_ns: self.now, control }));
    }

    pub(super) fn venue(&mut self, client: ClientRef, event: VenueEvent) {
        let instrument = match client {
            ClientRef::Own(_) => Some(asset()),
            ClientRef::Absent | ClientRef::Foreign => None,
        };
        self.turn(&Input::Venue(VenueMsg {
            ts_exch_ns: Maybe::NONE,
            ts_recv_ns: self.now,
            client,
            instrument,
            event,
        }));
    }

    /// The probes that the last turn sent, with their revisions.
    pub(super) fn probes(&self) -> Vec<(ProbeKind, u64)> {
        let probe = |command: &Command| match *command {
            Command::Probe { probe, revision } => Some((probe, revision)),
            Command::Place { .. } | Command::Cancel { .. } | Command::Query { .. } => None,
        };
        self.out.commands.iter().filter_map(|message| probe(&message.command)).collect()
    }

    /// The kinds of the probes that the last turn sent.
    pub(super) fn asked(&self) -> Vec<ProbeKind> {
        self.probes().into_iter().map(|(probe, _)| probe).collect()
    }

    /// The venue answers a probe: nothing open, nothing held, the capital of the books.
    pub(super) fn answer(&mut self, probe: ProbeKind, revision: u64, ok: bool) {
        let wallet = Maybe::some(self.engine.kernel().ledger().capital());
        let event = match probe {
            ProbeKind::OpenOrders => VenueEvent::OpenOrdersEnd { ok, rows: 0, revision },
            ProbeKind::Positions => VenueEvent::PositionsEnd { ok, rows: 0, revision },
            ProbeKind::Balance => VenueEvent::Balance {
                wallet,
                available: wallet,
                used: Maybe::NONE,
                maint: Maybe::NONE,
            },
        };
        self.venue(ClientRef::Absent, event);
    }

    /// Answers what the last turn asked, and what that makes it ask, until it asks no more.
    pub(super) fn answer_round(&mut self) -> Vec<ProbeKind> {
        let mut kinds = Vec::new();
        while let [(probe, revision), ..] = self.probes()[..] {
            kinds.push(probe);
            self.wait(1_000_000);
            self.answer(probe, revision, true);
        }
        kinds
    }

    /// The order that the last turn placed: identity, role, quantity.
    pub(super) fn placed(&self) -> Option<(ClientId, OrderRole, Qty)> {
        self.out.commands.iter().find_map(|message| match message.command {
            Command::Place { client, role, qty, .. } => Some((client, role, qty)),
            Command::Cancel { .. } | Command::Query { .. } | Command::Probe { .. } => None,
        })
    }

    fn submit(&mut self, intent: &Intent) -> Verdict {
        self.out.begin(self.now, self.now);
        let Engine { kernel, settings, .. } = &mut self.engine;
        kernel.submit(self.now, intent, settings, &mut self.out)
    }

    /// An entry that the guards block; the turn's end hears of it.
    pub(super) fn block(&mut self) {
        let _verdict = self.submit(&entry());
        let Engine { prober, kernel, settings, .. } = &mut self.engine;
        prober.turn(self.now, &Input::Tick, kernel, settings, &mut self.out);
    }

    /// Asks for a long entry of a thousand, in two legs.
    pub(super) fn enter(&mut self) -> ClientId {
        assert_eq!(self.submit(&entry()), Verdict::OK);
        self.placed().expect("an entry").0
    }

    pub(super) fn exit(&mut self, kind: OrderKind, all: bool) -> ClientId {
        self.exit_with(kind, all, None)
    }

    /// A limit exit of everything with a life.
    pub(super) fn timed_exit(&mut self, ttl_ns: i64) -> ClientId {
        self.exit_with(OrderKind::Limit, true, Some(ttl_ns))
    }

    fn exit_with(&mut self, kind: OrderKind, all: bool, ttl_ns: Option<i64>) -> ClientId {
        let price: Price = "0.2100".parse().expect("a price");
        let intent = Intent::Exit {
            slot: 0,
            qty: Maybe::NONE,
            all,
            kind,
            tif: TimeInForce::Gtc,
            price: Maybe::from((kind == OrderKind::Limit).then_some(price)),
            ttl_ns,
            reason: DecisionReason::TakeProfit,
        };
        assert_eq!(self.submit(&intent), Verdict::OK);
        self.placed().expect("an exit").0
    }

    pub(super) fn fill(&mut self, client: ClientId, qty: Qty) {
        self.fills += 1;
        let event = VenueEvent::Fill {
            venue_id: TextId::from_number(u64::from(client.seq())),
            fill_id: TextId::from_number(self.fills),
            qty,
            price: "0.2000".parse().expect("a price"),
            fee: Maybe::some(Money::ZERO),
            cum_qty: Maybe::some(qty),
            side: None,
            is_maker: Some(false),
        };
        self.venue(ClientRef::Own(client), event);
    }

    /// A long position of a thousand.
    pub(super) fn long() -> Self {
        Self::long_with(Settings::default())
    }

    pub(super) fn long_with(settings: Settings) -> Self {
        let mut rig = Self::ready_with(settings);
        let client = rig.enter();
        rig.fill(client, Qty::from_whole(1_000));
        assert!(rig.engine.kernel().slot(0).is_open());
        rig
    }

    /// Reasons of the exits that were decided so far.
    pub(super) fn exits(&self) -> Vec<DecisionReason> {
        let exit = |record: &Record| match record {
            Record::Decision { action: Action::Exit, reason, .. } => Some(*reason),
            _ => None,
        };
        self.records.iter().filter_map(exit).collect()
    }
}
