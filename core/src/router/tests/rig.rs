//! A kernel and a router with one asset, ready to trade, and short words for what happens to them.

use alloc::sync::Arc;
use std::vec;
use std::vec::Vec;

use arrayvec::ArrayVec;

use crate::broker::{EntryPlan, ExitPlan};
use crate::id::{ClientId, InstrumentId, TextId, TradeId};
use crate::instrument::{Instrument, InstrumentTable};
use crate::kernel::{Effects, Kernel, Verdict};
use crate::msg::record::{DecisionReason, RouterEvent};
use crate::msg::venue::RejectReason;
use crate::msg::{
    ClientRef, Command, Control, ControlMsg, Input, MarketBody, MarketMsg, Maybe, OrderKind,
    PositionSide, Record, TimeInForce, VenueEvent, VenueMsg,
};
use crate::router::hooks::{Heard, HookFault, Hooks, Step, Terms, Wish};
use crate::router::{Router, Turn};
use crate::settings::{Exhaust, Miss, Settings, Style};
use crate::units::{Money, Nanos, Price, Qty, Rate};

pub(super) const SECOND: i64 = Nanos::SECOND;
pub(super) const MS: i64 = 1_000_000;

pub(super) fn price(text: &str) -> Price {
    text.parse().expect("a price")
}

pub(super) fn whole(qty: i64) -> Qty {
    Qty::from_whole(qty)
}

pub(super) fn asset() -> InstrumentId {
    InstrumentId::new(0)
}

/// Maker, with this miss policy.
pub(super) fn maker(miss: Miss, exhaust: Exhaust) -> Settings {
    Settings {
        router_style: Style::Maker,
        router_entry_miss: miss,
        router_retry_exhaust: exhaust,
        kernel_slots_max: 2,
        ..Settings::default()
    }
}

pub(super) fn retrying() -> Settings {
    maker(Miss::Retry, Exhaust::Skip)
}

pub(super) fn skipping() -> Settings {
    maker(Miss::Skip, Exhaust::Skip)
}

/// An order that left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Placed {
    pub(super) client: ClientId,
    pub(super) trade: TradeId,
    pub(super) kind: OrderKind,
    pub(super) tif: TimeInForce,
    pub(super) reduce_only: bool,
    pub(super) qty: Qty,
    pub(super) price: Option<Price>,
}

/// Hooks that remember what they heard and fail as they are told.
#[derive(Debug, Default)]
pub(super) struct Spy {
    pub(super) heard: Vec<&'static str>,
    pub(super) failing: Vec<&'static str>,
    pub(super) terms: Option<Terms>,
}

impl Spy {
    fn hear(&mut self, name: &'static str) -> Heard {
        self.heard.push(name);
        if self.failing.contains(&name) { Err(HookFault) } else { Ok(()) }
    }
}

impl Hooks for Spy {
    fn pre_plan(&mut self, _: &Wish) -> Heard {
        self.hear("pre_plan")
    }
    fn pre_submit(&mut self, _: &Wish, terms: Terms) -> Result<Terms, HookFault> {
        self.hear("pre_submit").map(|()| self.terms.unwrap_or(terms))
    }
    fn on_working(&mut self, _: &Step) -> Heard {
        self.hear("on_working")
    }
    fn on_fill(&mut self, _: &Step) -> Heard {
        self.hear("on_fill")
    }
    fn on_miss(&mut self, _: &Step) -> Heard {
        self.hear("on_miss")
    }
    fn on_escalate(&mut self, _: &Step) -> Heard {
        self.hear("on_escalate")
    }
    fn on_cancel(&mut self, _: &Step) -> Heard {
        self.hear("on_cancel")
    }
}

pub(super) struct Rig {
    pub(super) kernel: Kernel,
    pub(super) router: Router,
    pub(super) settings: Settings,
    pub(super) hooks: Spy,
    pub(super) now: Nanos,
    pub(super) records: Vec<Record>,
    pub(super) placed: Vec<Placed>,
    pub(super) canceled: Vec<ClientId>,
    out: Effects,
    fills: u64,
}

pub(super) fn table() -> Arc<InstrumentTable> {
    let row = |symbol: &str| Instrument {
        symbol: TextId::new(symbol).expect("fits"),
        tick: price("0.0001"),
        lot: Qty::ONE,
        min_notional: Money::from_whole(5),
        tradable: true,
        listed_ns: None,
    };
    Arc::new(InstrumentTable::new(vec![row("FETUSDT"), row("OPUSDT")]).expect("a table"))
}

impl Rig {
    pub(super) fn new(settings: Settings) -> Self {
        let mut rig = Self {
            kernel: Kernel::new(&settings, table(), 7),
            router: Router::new(),
            settings,
            hooks: Spy::default(),
            now: Nanos::new(1_000 * SECOND),
            records: Vec::new(),
            placed: Vec::new(),
            canceled: Vec::new(),
            out: Effects::default(),
            fills: 0,
        };
        rig.quote("0.2000", "0.2001");
        rig.account(VenueEvent::Balance {
            wallet: Maybe::some(rig.kernel.ledger().capital()),
            available: Maybe::some(rig.kernel.ledger().capital()),
            used: Maybe::NONE,
            maint: Maybe::NONE,
        });
        rig.positions(true);
        rig
    }

    fn keep(&mut self) {
        assert_eq!(self.out.records_lost, 0);
        self.records.extend(self.out.records.iter().map(|message| message.record));
        for message in &self.out.commands {
            match message.command {
                Command::Place { client, trade, kind, tif, reduce_only, qty, price, .. } => {
                    let price = price.get();
                    let order = Placed { client, trade, kind, tif, reduce_only, qty, price };
                    self.placed.push(order);
                }
                Command::Cancel { client, .. } => self.canceled.push(client),
                Command::Query { .. } | Command::Probe { .. } => {}
            }
        }
    }

    pub(super) fn input(&mut self, input: &Input) {
        self.out.begin(self.now, self.now);
        let _verdict = self.kernel.apply(self.now, input, &self.settings, &mut self.out);
        let mut turn = Turn {
            now: self.now,
            kernel: &mut self.kernel,
            settings: &self.settings,
            out: &mut self.out,
            hooks: &mut self.hooks,
        };
        self.router.turn(input, &mut turn);
        self.keep();
    }

    fn ask(&mut self, ask: impl FnOnce(&mut Router, &mut Turn<'_>) -> Verdict) -> Verdict {
        self.out.begin(self.now, self.now);
        let mut turn = Turn {
            now: self.now,
            kernel: &mut self.kernel,
            settings: &self.settings,
            out: &mut self.out,
            hooks: &mut self.hooks,
        };
        let verdict = ask(&mut self.router, &mut turn);
        self.keep();
        verdict
    }

    pub(super) fn enter_into(&mut self, slot: usize, instrument: usize) -> Verdict {
        let plan = EntryPlan {
            slot,
            instrument: InstrumentId::new(instrument),
            side: PositionSide::Long,
            qty: whole(1_000),
            leverage: Rate::ONE,
            reference_price: price("0.2001"),
            legs: ArrayVec::new(),
        };
        self.ask(|router, turn| router.enter(&plan, turn))
    }

    /// Asks for a long position of a thousand; the order that left.
    pub(super) fn enter(&mut self) -> Placed {
        assert_eq!(self.enter_into(0, 0), Verdict::OK);
        self.last()
    }

    pub(super) fn exit(&mut self, reason: DecisionReason, is_urgent: bool) -> Verdict {
        let plan = ExitPlan { reason, all: true, is_urgent };
        self.ask(|router, turn| router.exit(0, plan, turn))
    }

    /// A patient exit that was accepted; the order that left.
    pub(super) fn take_profit(&mut self) -> Placed {
        assert_eq!(self.exit(DecisionReason::TakeProfit, false), Verdict::OK);
        self.last()
    }

    /// The policy calls the slot's orders back, as its broker does it.
    pub(super) fn cancel(&mut self) {
        let _verdict = self.ask(|router, turn| {
            router.call_back_entry(0, "called back", turn);
            let intent = crate::kernel::Intent::Cancel { slot: 0 };
            turn.kernel.submit(turn.now, &intent, turn.settings, turn.out)
        });
    }

    pub(super) fn last(&self) -> Placed {
        *self.placed.last().expect("an order")
    }

    pub(super) fn wait(&mut self, ns: i64) {
        self.now = self.now.plus(ns);
    }

    pub(super) fn tick_after(&mut self, ns: i64) {
        self.wait(ns);
        self.input(&Input::Tick);
    }

    pub(super) fn quote(&mut self, bid: &str, ask: &str) {
        for instrument in [0, 1] {
            let body = MarketBody::Quote {
                bid: price(bid),
                ask: price(ask),
                bid_qty: Some(whole(500)),
                ask_qty: Some(whole(300)),
            };
            let id = InstrumentId::new(instrument);
            self.input(&Input::Market(MarketMsg::from_body(id, self.now, None, body)));
        }
    }

    pub(super) fn control(&mut self, control: Control) {
        self.input(&Input::Control(ControlMsg { ts_recv_ns: self.now, control }));
    }

    pub(super) fn venue(&mut self, client: ClientRef, event: VenueEvent) {
        self.input(&Input::Venue(VenueMsg {
            ts_exch_ns: Maybe::NONE,
            ts_recv_ns: self.now,
            client,
            instrument: Some(asset()),
            event,
        }));
    }

    pub(super) fn account(&mut self, event: VenueEvent) {
        self.venue(ClientRef::Absent, event);
    }

    /// The end of a position snapshot without rows.
    pub(super) fn positions(&mut self, ok: bool) {
        let revision = self.kernel.revision();
        self.account(VenueEvent::PositionsEnd { ok, rows: 0, revision });
    }

    pub(super) fn ack(&mut self, order: Placed) {
        let venue_id = TextId::from_number(u64::from(order.client.seq()));
        self.venue(ClientRef::Own(order.client), VenueEvent::Ack { venue_id });
    }

    pub(super) fn reject(&mut self, order: Placed, reason: RejectReason) {
        self.venue(ClientRef::Own(order.client), VenueEvent::Reject { reason });
    }

    /// The venue tells the order's end, with so much filled.
    pub(super) fn ended(&mut self, order: Placed, filled: i64) {
        let venue_id = TextId::from_number(u64::from(order.client.seq()));
        let cum_qty = Maybe::some(whole(filled));
        self.venue(ClientRef::Own(order.client), VenueEvent::Canceled { venue_id, cum_qty });
    }

    /// A fill of so much, which makes so much in all.
    pub(super) fn fill(&mut self, order: Placed, qty: i64, total: i64) {
        self.fill_by(ClientRef::Own(order.client), qty, total);
    }

    pub(super) fn fill_by(&mut self, client: ClientRef, qty: i64, total: i64) {
        self.fills += 1;
        let venue_id = match client {
            ClientRef::Own(client) => TextId::from_number(u64::from(client.seq())),
            ClientRef::Absent | ClientRef::Foreign => TextId::from_number(9_999),
        };
        let event = VenueEvent::Fill {
            venue_id,
            fill_id: TextId::from_number(self.fills),
            qty: whole(qty),
            price: price("0.2000"),
            fee: Maybe::some(Money::ZERO),
            cum_qty: Maybe::some(whole(total)),
            side: None,
            is_maker: Some(true),
        };
        self.venue(client, event);
    }

    /// A long position of a thousand, quoted and filled, its hot window over.
    pub(super) fn long(settings: Settings) -> Self {
        let mut rig = Self::new(settings);
        let entry = rig.enter();
        rig.ack(entry);
        rig.fill(entry, 1_000, 1_000);
        assert!(rig.kernel.slot(0).is_open());
        rig.wait(10 * SECOND);
        rig.quote("0.2000", "0.2001");
        rig.records.clear();
        rig.placed.clear();
        rig.hooks.heard.clear();
        rig
    }

    /// The router's lines so far.
    pub(super) fn lines(&self) -> Vec<(RouterEvent, &'static str)> {
        let line = |record: &Record| match record {
            Record::Router { event, reason, .. } => Some((*event, *reason)),
            _ => None,
        };
        self.records.iter().filter_map(line).collect()
    }

    pub(super) fn events(&self) -> Vec<RouterEvent> {
        self.lines().into_iter().map(|(event, _)| event).collect()
    }

    /// The reason of the last line.
    pub(super) fn reason(&self) -> &'static str {
        self.lines().last().expect("a line").1
    }

    /// Errors that were recorded so far.
    pub(super) fn errors(&self) -> Vec<&'static str> {
        let error = |record: &Record| match record {
            Record::Error { reason } => Some(*reason),
            _ => None,
        };
        self.records.iter().filter_map(error).collect()
    }
}
