//! One account: the model behind it, its records, its settings, and what it may do.

use std::collections::BTreeMap;
use std::sync::Arc;

use pinion_core::id::{ClientId, InstrumentId, TextId, TradeId};
use pinion_core::instrument::InstrumentTable;
use pinion_core::msg::venue::VenueOrderState;
use pinion_core::msg::{
    Command, CommandMsg, MarketMsg, OrderKind, OrderRole, PositionSide, Side, TimeInForce,
};
use pinion_core::settings::Settings;
use pinion_core::units::{Money, Nanos, Price, Qty};

use crate::bingx::Signer;
use crate::bingx::words::MarginType;
use crate::paper::faults::{FaultPlan, FaultyVenue};
use crate::paper::{Truth, Venue as _};

use super::books::{Books, Change, Order, Origin};
use super::refusal::Refusal;

/// Highest leverage that can be set.
pub(super) const LEVERAGE_MAX: i64 = 125;

/// An order as it was asked for.
#[derive(Clone, Debug)]
pub(super) struct NewOrder {
    pub(super) instrument: InstrumentId,
    pub(super) side: Side,
    /// `None`: one-way mode.
    pub(super) position_side: Option<PositionSide>,
    pub(super) kind: OrderKind,
    pub(super) tif: TimeInForce,
    pub(super) tif_text: &'static str,
    pub(super) reduce_only: bool,
    pub(super) qty: Qty,
    pub(super) price: Option<Price>,
    /// Lower case; empty when none was given.
    pub(super) client_text: String,
}

/// An account. Owner: the exchange.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) key: String,
    pub(super) signer: Signer,
    pub(super) venue: FaultyVenue,
    pub(super) books: Books,
    pub(super) one_way: bool,
    /// The key has the right to take money away.
    pub(super) may_withdraw: bool,
    margin_types: BTreeMap<InstrumentId, MarginType>,
    /// Every order is cancelled then, unless the timer is set anew.
    pub(super) cancel_all_at: Option<Nanos>,
    orders: u32,
    /// What the account stream has not been told yet.
    pub(super) changes: Vec<Change>,
    truth: Vec<Truth>,
}

impl Desk {
    pub(super) fn new(
        key: String,
        signer: Signer,
        settings: &Settings,
        table: Arc<InstrumentTable>,
        plan: FaultPlan,
        seed: u64,
    ) -> Self {
        Self {
            key,
            signer,
            venue: FaultyVenue::new(settings, table, plan, seed),
            books: Books::default(),
            one_way: false,
            may_withdraw: false,
            margin_types: BTreeMap::new(),
            cancel_all_at: None,
            orders: 0,
            changes: Vec::new(),
            truth: Vec::new(),
        }
    }

    pub(super) fn on_market(&mut self, at: Nanos, msg: &MarketMsg) {
        self.venue.handle_market(at, msg);
        self.settle(at);
    }

    pub(super) fn on_time(&mut self, now: Nanos) {
        if self.cancel_all_at.is_some_and(|at| at <= now) {
            self.cancel_all_at = None;
            self.cancel_all(now, None);
        }
        self.venue.handle_time(now);
        self.settle(now);
    }

    /// Takes what happened in the model into the books.
    pub(super) fn settle(&mut self, now: Nanos) {
        // Nobody hears what the model says over its links: the truth is what is told.
        while self.venue.poll_reply(now).is_some() {}
        let truth = &mut self.truth;
        self.venue.take_truth(&mut |what| truth.push(what));
        let account = self.venue.venue().account();
        for what in self.truth.drain(..) {
            let leverage = |instrument, side| account.leverage(instrument, side);
            self.books.apply(&what, self.one_way, leverage, &mut self.changes);
        }
    }

    /// Quantity of a position; zero when there is none.
    pub(super) fn held(&self, instrument: InstrumentId, side: PositionSide) -> Qty {
        let mut positions = self.venue.venue().positions().iter();
        let found = positions.find(|p| (p.instrument, p.side) == (instrument, side));
        found.map_or(Qty::ZERO, |position| position.qty)
    }

    /// Places an order and answers with its record as it is afterwards.
    pub(super) fn place(&mut self, now: Nanos, asked: NewOrder) -> Result<&Order, Refusal> {
        if !asked.client_text.is_empty() && self.books.by_text(&asked.client_text).is_some() {
            return Err(Refusal::duplicate_client_id());
        }
        self.orders += 1;
        let client = ClientId::new(1, self.orders);
        let (position_side, reduce_only) = self.direction(&asked);
        let account = self.venue.venue().account();
        let order = Order {
            id: self.books.next_id(now),
            origin: Origin::Client(client),
            client_text: asked.client_text,
            instrument: asked.instrument,
            side: asked.side,
            position_side: asked.position_side,
            is_market: asked.kind == OrderKind::Market,
            tif: asked.tif_text,
            reduce_only: asked.reduce_only,
            qty: asked.qty,
            price: asked.price,
            cum_qty: Qty::ZERO,
            cum_notional: Money::ZERO,
            fee: Money::ZERO,
            profit: Money::ZERO,
            state: VenueOrderState::New,
            at: now,
            updated: now,
            leverage: account.leverage(asked.instrument, position_side),
            past: Vec::new(),
        };
        let id = order.id;
        self.books.expect(order);
        self.command(
            now,
            Command::Place {
                client,
                trade: TradeId::new(u64::from(self.orders)),
                instrument: asked.instrument,
                side: asked.side,
                position_side,
                role: if reduce_only { OrderRole::Exit } else { OrderRole::Entry },
                kind: asked.kind,
                tif: asked.tif,
                reduce_only,
                qty: asked.qty,
                price: asked.price.into(),
            },
        );
        if let Some(reason) = self.books.take_refusal(id) {
            return Err(Refusal::of_model(reason, now.get() / 1_000_000));
        }
        self.books.orders.get(&id).ok_or_else(Refusal::unknown_order)
    }

    /// The position that an order is of in the model, and whether it may only reduce it. In one-way mode an
    /// order may turn a position round; one that cannot do so is told to the model as what it is.
    fn direction(&self, asked: &NewOrder) -> (PositionSide, bool) {
        if let Some(side) = asked.position_side {
            return (side, asked.side == side.exit_side());
        }
        let (opened, closed) = match asked.side {
            Side::Buy => (PositionSide::Long, PositionSide::Short),
            Side::Sell => (PositionSide::Short, PositionSide::Long),
        };
        let held = self.held(asked.instrument, closed);
        let closes = held.is_positive() && asked.qty <= held && asked.tif == TimeInForce::Ioc;
        if asked.reduce_only || closes { (closed, true) } else { (opened, false) }
    }

    fn command(&mut self, now: Nanos, command: Command) {
        let msg = CommandMsg { ts_decide_ns: now, ts_recv_ns: now, command };
        self.venue.handle_command(now, &msg);
        self.venue.handle_time(now);
        self.settle(now);
    }

    /// Cancels an order; its record as it is afterwards.
    pub(super) fn cancel(&mut self, now: Nanos, id: u64) -> Result<&Order, Refusal> {
        let order = self.books.orders.get(&id).ok_or_else(Refusal::unknown_order)?;
        let Origin::Client(client) = order.origin else { return Err(Refusal::order_final()) };
        if !order.is_open() {
            return Err(Refusal::order_final());
        }
        let instrument = order.instrument;
        self.command(now, Command::Cancel { client, venue_id: TextId::EMPTY, instrument });
        let order = self.books.orders.get(&id).ok_or_else(Refusal::unknown_order)?;
        match order.state {
            VenueOrderState::Canceled => Ok(order),
            VenueOrderState::New | VenueOrderState::PartiallyFilled => Err(Refusal::in_progress()),
            VenueOrderState::Filled
            | VenueOrderState::Expired
            | VenueOrderState::Rejected
            | VenueOrderState::NotFound => Err(Refusal::order_final()),
        }
    }

    /// Cancels every open order, of one instrument or of all; the ids of those that were cancelled.
    pub(super) fn cancel_all(&mut self, now: Nanos, of: Option<InstrumentId>) -> Vec<u64> {
        let wanted = |order: &&Order| of.is_none_or(|id| id == order.instrument);
        let ids: Vec<u64> = self.books.open().filter(wanted).map(|order| order.id).collect();
        ids.into_iter().filter(|id| self.cancel(now, *id).is_ok()).collect()
    }

    /// Closes a position at the market; the id of the closing order.
    pub(super) fn close(
        &mut self,
        now: Nanos,
        instrument: InstrumentId,
        side: PositionSide,
    ) -> Result<u64, Refusal> {
        let qty = self.held(instrument, side);
        let order = self.place(
            now,
            NewOrder {
                instrument,
                side: side.exit_side(),
                position_side: (!self.one_way).then_some(side),
                kind: OrderKind::Market,
                tif: TimeInForce::Ioc,
                tif_text: "IOC",
                reduce_only: true,
                qty,
                price: None,
                client_text: String::new(),
            },
        )?;
        Ok(order.id)
    }

    /// The order that a call names by either identity.
    pub(super) fn find(&self, id: Option<&str>, client_text: Option<&str>) -> Option<u64> {
        match (id, client_text) {
            (Some(id), _) => {
                let id = id.parse().ok()?;
                self.books.orders.contains_key(&id).then_some(id)
            }
            (None, Some(text)) => self.books.by_text(&text.to_ascii_lowercase()),
            (None, None) => None,
        }
    }

    /// True when the account, or one instrument of it, has neither a position nor an open order.
    pub(super) fn is_idle(&self, of: Option<InstrumentId>) -> bool {
        let is = |id: InstrumentId| of.is_none_or(|wanted| wanted == id);
        !self.books.open().any(|order| is(order.instrument))
            && !self.venue.venue().positions().iter().any(|position| is(position.instrument))
    }

    /// Switches between one-way and hedge mode.
    pub(super) fn set_one_way(&mut self, one_way: bool) -> Result<(), Refusal> {
        if one_way == self.one_way {
            return Ok(());
        }
        if !self.is_idle(None) {
            return Err(Refusal::new(
                104_103,
                "the position mode cannot be changed with open orders or positions",
            ));
        }
        self.venue.set_netting(one_way);
        self.one_way = one_way;
        Ok(())
    }

    pub(super) fn margin_type(&self, instrument: InstrumentId) -> MarginType {
        self.margin_types.get(&instrument).copied().unwrap_or(MarginType::Crossed)
    }

    pub(super) fn set_margin_type(
        &mut self,
        instrument: InstrumentId,
        to: MarginType,
    ) -> Result<(), Refusal> {
        if to != self.margin_type(instrument) && !self.is_idle(Some(instrument)) {
            return Err(Refusal::new(
                109_400,
                "the margin mode cannot be changed with open orders or positions",
            ));
        }
        self.margin_types.insert(instrument, to);
        Ok(())
    }

    pub(super) fn leverage(&self, instrument: InstrumentId, side: PositionSide) -> i64 {
        self.venue.venue().account().leverage(instrument, side)
    }

    /// Sets the leverage of one position, or of both (`None`).
    pub(super) fn set_leverage(
        &mut self,
        instrument: InstrumentId,
        side: Option<PositionSide>,
        leverage: i64,
    ) {
        for each in PositionSide::ALL.iter().filter(|each| side.is_none_or(|side| side == **each)) {
            self.venue.set_leverage(instrument, *each, leverage);
        }
    }
}
