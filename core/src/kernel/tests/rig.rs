//! A kernel with two instruments, ready to trade, and short words for what happens to it.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use arrayvec::ArrayVec;

use crate::id::{ClientId, InstrumentId, TextId};
use crate::instrument::{Instrument, InstrumentTable};
use crate::kernel::stage::SlotStage;
use crate::kernel::{Code, Effects, Intent, Kernel, Slot, Verdict};
use crate::msg::record::{BlockReason, DecisionReason, ReconcileState};
use crate::msg::venue::{RejectReason, VenueOrderState};
use crate::msg::{
    ClientRef, Command, CommandMsg, Control, ControlMsg, Input, MarketBody, MarketMsg, Maybe,
    OrderKind, PositionSide, Record, TimeInForce, VenueEvent, VenueMsg,
};
use crate::settings::Settings;
use crate::units::{Money, Nanos, Price, Qty, Rate};

pub(super) const SECOND: i64 = Nanos::SECOND;

pub(super) fn btc() -> InstrumentId {
    InstrumentId::new(0)
}

pub(super) fn fet() -> InstrumentId {
    InstrumentId::new(1)
}

pub(super) fn qty(text: &str) -> Qty {
    Qty::parse(text.as_bytes()).expect("a quantity")
}

pub(super) fn price(text: &str) -> Price {
    Price::parse(text.as_bytes()).expect("a price")
}

pub(super) fn money(text: &str) -> Money {
    Money::parse(text.as_bytes()).expect("an amount")
}

pub(super) fn id(text: &str) -> TextId {
    TextId::new(text).expect("an identity")
}

/// The fields of an own fill that tests vary.
#[derive(Clone, Copy)]
pub(super) struct Fill<'a> {
    pub(super) client: Option<ClientId>,
    pub(super) venue: &'a str,
    pub(super) id: &'a str,
    pub(super) qty: &'a str,
    pub(super) price: &'a str,
    pub(super) fee: Option<&'a str>,
    pub(super) cum: Option<&'a str>,
    pub(super) is_maker: Option<bool>,
}

impl Default for Fill<'_> {
    fn default() -> Self {
        Self {
            client: None,
            venue: "",
            id: "",
            qty: "1",
            price: "1",
            fee: None,
            cum: None,
            is_maker: None,
        }
    }
}

pub(super) struct Rig {
    pub(super) kernel: Kernel,
    pub(super) settings: Settings,
    pub(super) out: Effects,
    pub(super) now: Nanos,
    /// Everything that came out so far, besides the last turn in `out`.
    pub(super) records: Vec<Record>,
    pub(super) commands: Vec<CommandMsg>,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with(Settings::default())
    }

    pub(super) fn with(settings: Settings) -> Self {
        let row = |symbol, tick, lot| Instrument {
            symbol: id(symbol),
            tick: price(tick),
            lot: qty(lot),
            min_notional: Money::from_whole(5),
            tradable: true,
            listed_ns: None,
        };
        let rows = vec![row("BTCUSDT", "0.1", "0.001"), row("FETUSDT", "0.0001", "1")];
        let table = Arc::new(InstrumentTable::new(rows).expect("a table"));
        Self {
            kernel: Kernel::new(&settings, table, 7),
            settings,
            out: Effects::default(),
            now: Nanos::new(100 * SECOND),
            records: Vec::new(),
            commands: Vec::new(),
        }
    }

    /// With a quote on both instruments, a balance, and a flat venue.
    pub(super) fn ready() -> Self {
        Self::with(Settings::default()).made_ready()
    }

    pub(super) fn made_ready(mut self) -> Self {
        self.quote(btc(), "60000", "60000.1");
        self.quote(fet(), "0.1878", "0.1879");
        self.wallet("25000");
        self.probe(&[]);
        self
    }

    pub(super) fn wait(&mut self, ns: i64) -> &mut Self {
        self.now = self.now.plus(ns);
        self
    }

    pub(super) fn input(&mut self, input: Input) -> Verdict {
        self.out.begin(self.now, self.now);
        let verdict = self.kernel.apply(self.now, &input, &self.settings, &mut self.out);
        self.keep();
        verdict
    }

    pub(super) fn submit(&mut self, intent: &Intent) -> Verdict {
        self.out.begin(self.now, self.now);
        let verdict = self.kernel.submit(self.now, intent, &self.settings, &mut self.out);
        self.keep();
        verdict
    }

    fn keep(&mut self) {
        assert_eq!(self.out.records_lost, 0, "a turn's records fit");
        self.records.extend(self.out.records.iter().map(|message| message.record));
        self.commands.extend(self.out.commands.iter().copied());
    }

    pub(super) fn market(&mut self, instrument: InstrumentId, body: MarketBody) -> Verdict {
        self.input(Input::Market(MarketMsg::from_body(instrument, self.now, None, body)))
    }

    pub(super) fn quote(&mut self, instrument: InstrumentId, bid: &str, ask: &str) {
        let body =
            MarketBody::Quote { bid: price(bid), ask: price(ask), bid_qty: None, ask_qty: None };
        assert_eq!(self.market(instrument, body), Verdict::OK);
    }

    pub(super) fn trade(&mut self, instrument: InstrumentId, at: &str) {
        let body = MarketBody::Trade {
            price: price(at),
            qty: Qty::ONE,
            taker: None,
            trade_id: 0,
            merged: 0,
        };
        assert_eq!(self.market(instrument, body), Verdict::OK);
    }

    pub(super) fn tick(&mut self) -> Verdict {
        self.input(Input::Tick)
    }

    pub(super) fn control(&mut self, control: Control) -> Verdict {
        self.input(Input::Control(ControlMsg { ts_recv_ns: self.now, control }))
    }

    /// A venue message about the account.
    pub(super) fn account(
        &mut self,
        instrument: Option<InstrumentId>,
        event: VenueEvent,
    ) -> Verdict {
        self.venue(ClientRef::Absent, instrument, event)
    }

    pub(super) fn venue(
        &mut self,
        client: ClientRef,
        instrument: Option<InstrumentId>,
        event: VenueEvent,
    ) -> Verdict {
        self.input(Input::Venue(VenueMsg {
            ts_exch_ns: Maybe::NONE,
            ts_recv_ns: self.now,
            client,
            instrument,
            event,
        }))
    }

    pub(super) fn wallet(&mut self, wallet: &str) {
        let event = VenueEvent::Balance {
            wallet: Maybe::some(money(wallet)),
            available: Maybe::NONE,
            used: Maybe::NONE,
            maint: Maybe::NONE,
        };
        assert_eq!(self.account(None, event), Verdict::OK);
    }

    /// A successful probe with these positions.
    pub(super) fn probe(&mut self, rows: &[(InstrumentId, PositionSide, &str)]) {
        for (instrument, side, size) in rows {
            let row =
                VenueEvent::Position { side: *side, qty: qty(size), entry_price: Maybe::NONE };
            assert_eq!(self.account(Some(*instrument), row), Verdict::OK);
        }
        let end = VenueEvent::PositionsEnd {
            ok: true,
            rows: u32::try_from(rows.len()).expect("few"),
            revision: self.kernel.revision(),
        };
        assert_eq!(self.account(None, end), Verdict::OK);
    }

    pub(super) fn slot(&self) -> &Slot {
        self.kernel.slot(0)
    }

    pub(super) fn stage(&self) -> SlotStage {
        self.slot().stage()
    }

    pub(super) fn enter_intent(side: PositionSide, size: &str) -> Intent {
        Intent::Enter {
            slot: 0,
            trade: None,
            instrument: fet(),
            side,
            qty: qty(size),
            leverage: Rate::from_whole(3),
            kind: OrderKind::Market,
            tif: TimeInForce::Ioc,
            price: Maybe::NONE,
            reference_price: price("0.1878"),
            legs: ArrayVec::new(),
        }
    }

    /// Changes an entry to a resting limit order.
    pub(super) fn resting(mut intent: Intent, at: &str) -> Intent {
        if let Intent::Enter { kind, tif, price: limit, .. } = &mut intent {
            *kind = OrderKind::Limit;
            *tif = TimeInForce::PostOnly;
            *limit = Maybe::some(price(at));
        }
        intent
    }

    pub(super) fn with_legs(mut intent: Intent, parts: &[&str]) -> Intent {
        if let Intent::Enter { legs, .. } = &mut intent {
            *legs = parts.iter().map(|part| part.parse().expect("a rate")).collect();
        }
        intent
    }

    pub(super) fn enter(&mut self, side: PositionSide, size: &str) -> ClientId {
        assert_eq!(self.submit(&Self::enter_intent(side, size)), Verdict::OK);
        self.slot().entry_order().expect("an entry order")
    }

    pub(super) fn exit_intent(size: Option<&str>) -> Intent {
        Intent::Exit {
            slot: 0,
            qty: size.map_or(Maybe::NONE, |size| Maybe::some(qty(size))),
            all: false,
            kind: OrderKind::Market,
            tif: TimeInForce::Ioc,
            price: Maybe::NONE,
            ttl_ns: None,
            reason: DecisionReason::TakeProfit,
        }
    }

    pub(super) fn resting_exit(at: &str) -> Intent {
        Intent::Exit {
            slot: 0,
            qty: Maybe::NONE,
            all: true,
            kind: OrderKind::Limit,
            tif: TimeInForce::PostOnly,
            price: Maybe::some(price(at)),
            ttl_ns: None,
            reason: DecisionReason::TakeProfit,
        }
    }

    pub(super) fn exit(&mut self, size: Option<&str>) -> ClientId {
        assert_eq!(self.submit(&Self::exit_intent(size)), Verdict::OK);
        self.slot().exit_order().expect("an exit order")
    }

    pub(super) fn ack(&mut self, client: ClientId, venue: &str) -> Verdict {
        self.own(client, VenueEvent::Ack { venue_id: id(venue) })
    }

    pub(super) fn own(&mut self, client: ClientId, event: VenueEvent) -> Verdict {
        self.venue(ClientRef::Own(client), Some(fet()), event)
    }

    pub(super) fn reject(&mut self, client: ClientId, reason: RejectReason) -> Verdict {
        self.own(client, VenueEvent::Reject { reason })
    }

    pub(super) fn canceled(&mut self, client: ClientId, total: Option<&str>) -> Verdict {
        let cum_qty = total.map_or(Maybe::NONE, |total| Maybe::some(qty(total)));
        self.own(client, VenueEvent::Canceled { venue_id: TextId::EMPTY, cum_qty })
    }

    pub(super) fn fill(&mut self, fill: Fill<'_>) -> Verdict {
        let event = VenueEvent::Fill {
            venue_id: id(fill.venue),
            fill_id: id(fill.id),
            qty: qty(fill.qty),
            price: price(fill.price),
            fee: fill.fee.map_or(Maybe::NONE, |fee| Maybe::some(money(fee))),
            cum_qty: fill.cum.map_or(Maybe::NONE, |cum| Maybe::some(qty(cum))),
            side: None,
            is_maker: fill.is_maker,
        };
        let ordered = fill.client.and_then(|client| self.kernel.order(client));
        let instrument = ordered.map_or_else(fet, |order| order.instrument);
        let client = fill.client.map_or(ClientRef::Absent, ClientRef::Own);
        self.venue(client, Some(instrument), event)
    }

    /// A whole own fill with a fee of zero.
    pub(super) fn filled(&mut self, client: ClientId, name: &str, size: &str, at: &str) {
        let fill = Fill {
            client: Some(client),
            id: name,
            qty: size,
            price: at,
            fee: Some("0"),
            ..Fill::default()
        };
        assert_eq!(self.fill(fill), Verdict::OK);
    }

    /// An open position, entered at once.
    pub(super) fn open(side: PositionSide, size: &str, at: &str) -> Self {
        let mut rig = Self::ready();
        let client = rig.enter(side, size);
        rig.filled(client, "E1", size, at);
        assert_eq!(rig.stage(), SlotStage::PositionOpen);
        rig
    }

    /// Queries of the last turn.
    pub(super) fn queries(&self) -> usize {
        let is_query = |command: &&CommandMsg| matches!(command.command, Command::Query { .. });
        self.out.commands.iter().filter(is_query).count()
    }

    pub(super) fn cancels(&self) -> usize {
        let is_cancel = |command: &&CommandMsg| matches!(command.command, Command::Cancel { .. });
        self.out.commands.iter().filter(is_cancel).count()
    }

    /// Quantity of the only order placed in the last turn.
    pub(super) fn placed(&self) -> Option<(ClientId, Qty, bool)> {
        let mut places = self.out.commands.iter().filter_map(|command| match command.command {
            Command::Place { client, qty, reduce_only, .. } => Some((client, qty, reduce_only)),
            Command::Cancel { .. } | Command::Query { .. } | Command::Probe { .. } => None,
        });
        let first = places.next();
        assert_eq!(places.next(), None, "one order a turn");
        first
    }

    pub(super) fn guard(&self) -> Result<(), BlockReason> {
        self.kernel.entry_guard(self.now, fet(), &self.settings)
    }

    pub(super) fn capital(&self) -> Money {
        self.kernel.ledger().capital()
    }

    pub(super) fn has_error(&self) -> bool {
        self.records.iter().any(|record| matches!(record, Record::Error { .. }))
    }

    /// Stages of the slot in the order in which they were recorded.
    pub(super) fn stages(&self) -> Vec<SlotStage> {
        self.records
            .iter()
            .filter_map(|record| match record {
                Record::Slot { to, .. } => Some(*to),
                _ => None,
            })
            .collect()
    }

    pub(super) fn reconcile(&self) -> ReconcileState {
        self.kernel.facts().reconcile()
    }
}

/// A refusal with this code.
pub(super) fn no(code: Code) -> Verdict {
    Verdict::refused(code)
}

/// The venue's answer to a look-up.
pub(super) fn status(
    rig: &mut Rig,
    client: ClientId,
    state: VenueOrderState,
    cum: &str,
    avg: Option<&str>,
) -> Verdict {
    let cum_qty = if cum.is_empty() { Maybe::NONE } else { Maybe::some(qty(cum)) };
    let avg_price = avg.map_or(Maybe::NONE, |avg| Maybe::some(price(avg)));
    let venue_id = TextId::EMPTY;
    rig.own(client, VenueEvent::OrderStatus { venue_id, state, cum_qty, avg_price })
}

/// The venue denies an exit for as long as its views lag, and its positions show `held` still long.
pub(super) fn deny_exit(rig: &mut Rig, client: ClientId, held: &str) {
    status(rig, client, VenueOrderState::NotFound, "", None);
    rig.wait(5 * SECOND);
    status(rig, client, VenueOrderState::NotFound, "", None);
    rig.probe(&[(fet(), PositionSide::Long, held)]);
    assert_eq!(rig.slot().exit_order(), Some(client), "two denials are not enough");
    assert_eq!(status(rig, client, VenueOrderState::NotFound, "", None), Verdict::OK);
    assert_eq!(rig.slot().exit_order(), None, "presumed never to have arrived");
}

/// A resting limit entry.
pub(super) fn resting(rig: &mut Rig, size: &str) -> ClientId {
    let intent = Rig::resting(Rig::enter_intent(PositionSide::Long, size), "0.18");
    assert_eq!(rig.submit(&intent), Verdict::OK);
    rig.slot().entry_order().expect("entry")
}

/// Reasons of all errors so far.
pub(super) fn errors(rig: &Rig) -> Vec<&'static str> {
    rig.records
        .iter()
        .filter_map(|record| match record {
            Record::Error { reason } => Some(*reason),
            _ => None,
        })
        .collect()
}
