//! What the venue remembers of an account for its answers: orders, fills, ledger rows.
//!
//! Folded from what really happened in the model ([`Truth`]); nothing is invented here but identities in the
//! venue's form. Wallet and positions are the model's own.

use std::collections::BTreeMap;

use pinion_core::id::{ClientId, InstrumentId};
use pinion_core::msg::venue::{RejectReason, VenueOrderState};
use pinion_core::msg::{PositionSide, Side};
use pinion_core::units::{Money, Nanos, Price, Qty};

use crate::paper::{Owner, Truth};

/// The venue's order ids count milliseconds from here in their upper bits.
const ID_EPOCH_MS: i64 = 1_288_834_974_657;
const ID_SHIFT: u32 = 22;

/// How an order came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Through this interface.
    Client(ClientId),
    /// Somebody else's on the same account, or the venue's own: done when it is told.
    Outside {
        /// The venue closed by force.
        forced: bool,
    },
}

/// One order of the account.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) id: u64,
    pub(super) origin: Origin,
    /// Lower case; empty when none was given.
    pub(super) client_text: String,
    pub(super) instrument: InstrumentId,
    pub(super) side: Side,
    /// `None` in one-way mode.
    pub(super) position_side: Option<PositionSide>,
    pub(super) is_market: bool,
    pub(super) tif: &'static str,
    pub(super) reduce_only: bool,
    pub(super) qty: Qty,
    pub(super) price: Option<Price>,
    pub(super) cum_qty: Qty,
    pub(super) cum_notional: Money,
    /// Positive is a cost.
    pub(super) fee: Money,
    pub(super) profit: Money,
    pub(super) state: VenueOrderState,
    pub(super) at: Nanos,
    pub(super) updated: Nanos,
    pub(super) leverage: i64,
    /// What it was before each change.
    pub(super) past: Vec<Past>,
}

/// An order as it was until a change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Past {
    until: Nanos,
    state: VenueOrderState,
    updated: Nanos,
    cum_qty: Qty,
    cum_notional: Money,
    fee: Money,
    profit: Money,
}

impl Order {
    /// Notes what it is, before a change at a moment.
    fn keep(&mut self, until: Nanos) {
        self.past.push(Past {
            until,
            state: self.state,
            updated: self.updated,
            cum_qty: self.cum_qty,
            cum_notional: self.cum_notional,
            fee: self.fee,
            profit: self.profit,
        });
    }

    /// What an old view shows of it; `None` when it is younger than the view.
    pub(super) fn as_of(&self, at: Nanos) -> Option<Self> {
        if self.at > at {
            return None;
        }
        let mut order = self.clone();
        if let Some(past) = self.past.iter().find(|past| past.until > at) {
            order.state = past.state;
            order.updated = past.updated;
            order.cum_qty = past.cum_qty;
            order.cum_notional = past.cum_notional;
            order.fee = past.fee;
            order.profit = past.profit;
        }
        Some(order)
    }

    pub(super) const fn is_open(&self) -> bool {
        matches!(self.state, VenueOrderState::New | VenueOrderState::PartiallyFilled)
    }
}

/// One fill.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fill {
    pub(super) number: u64,
    pub(super) order: u64,
    pub(super) at: Nanos,
    pub(super) instrument: InstrumentId,
    pub(super) side: Side,
    pub(super) position_side: PositionSide,
    pub(super) qty: Qty,
    pub(super) price: Price,
    pub(super) notional: Money,
    /// Positive is a cost.
    pub(super) fee: Money,
    pub(super) profit: Money,
    pub(super) is_maker: bool,
}

/// A row of the ledger.
#[derive(Clone, Copy, Debug)]
pub(super) struct Income {
    pub(super) at: Nanos,
    pub(super) instrument: Option<InstrumentId>,
    pub(super) kind: &'static str,
    /// Negative was paid.
    pub(super) amount: Money,
}

/// Why a change of wallet and positions is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Order,
    Funding,
    Transfer(Money),
}

/// What the account stream has to tell, in order.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// An order was accepted, filled by so much, or ended: its state right after.
    Order { order: Box<Order>, fill: Option<Fill> },
    /// Wallet or a position changed; the amount is that of the wallet.
    Account { cause: Cause, position: Option<(InstrumentId, PositionSide)>, amount: Money },
}

/// Quantity and cost of a position, to work out what a fill realised.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    qty: Qty,
    cost: Money,
}

/// One account's records.
#[derive(Clone, Debug, Default)]
pub(super) struct Books {
    /// By id, which is by time.
    pub(super) orders: BTreeMap<u64, Order>,
    by_client: BTreeMap<ClientId, u64>,
    by_text: BTreeMap<String, u64>,
    pub(super) fills: Vec<Fill>,
    pub(super) incomes: Vec<Income>,
    held: BTreeMap<(InstrumentId, PositionSide), Held>,
    /// Realised so far on the position that is open.
    pub(super) realized: BTreeMap<(InstrumentId, PositionSide), Money>,
    last_id: u64,
    refused: Option<RejectReason>,
}

impl Books {
    /// An id that is greater than every earlier one and tells its time.
    pub(super) fn next_id(&mut self, now: Nanos) -> u64 {
        let ms = (now.get() / 1_000_000 - ID_EPOCH_MS).max(1).cast_unsigned();
        self.last_id = (ms << ID_SHIFT).max(self.last_id + 1);
        self.last_id
    }

    /// Records an order that is on its way to the model.
    pub(super) fn expect(&mut self, order: Order) {
        if let Origin::Client(client) = order.origin {
            self.by_client.insert(client, order.id);
        }
        if !order.client_text.is_empty() {
            self.by_text.insert(order.client_text.clone(), order.id);
        }
        self.orders.insert(order.id, order);
    }

    /// Forgets an order that the model refused, and says why it did.
    pub(super) fn take_refusal(&mut self, id: u64) -> Option<RejectReason> {
        let reason = self.refused.take()?;
        if let Some(order) = self.orders.remove(&id) {
            self.by_text.remove(&order.client_text);
        }
        Some(reason)
    }

    pub(super) fn by_text(&self, text: &str) -> Option<u64> {
        self.by_text.get(text).copied()
    }

    pub(super) fn open(&self) -> impl Iterator<Item = &Order> {
        self.orders.values().filter(|order| order.is_open())
    }

    /// Takes in one thing that happened. `leverage` is that of a position.
    pub(super) fn apply(
        &mut self,
        truth: &Truth,
        one_way: bool,
        leverage: impl Fn(InstrumentId, PositionSide) -> i64,
        out: &mut Vec<Change>,
    ) {
        match *truth {
            Truth::Accepted { at, client, .. } => {
                self.update(client, out, |order| {
                    order.state = VenueOrderState::New;
                    order.updated = at;
                });
            }
            Truth::Refused { reason, .. } => self.refused = Some(reason),
            Truth::Ended { at, client, state, .. } => {
                let id = self.by_client.get(&client).copied();
                let told = |order: &Order| {
                    // A whole fill has spoken for itself.
                    state == VenueOrderState::Filled && order.cum_qty == order.qty
                };
                if id.and_then(|id| self.orders.get(&id)).is_some_and(told) {
                    return;
                }
                self.update(client, out, |order| {
                    order.keep(at);
                    order.state = state;
                    order.updated = at;
                });
            }
            Truth::Fill { .. } => self.fill(truth, one_way, leverage, out),
            Truth::Funding { at, instrument, amount, .. } => {
                self.income(at, Some(instrument), "FUNDING_FEE", amount);
                let cause = Cause::Funding;
                out.push(Change::Account { cause, position: None, amount });
            }
            Truth::Transfer { at, amount } => {
                self.income(at, None, "TRANSFER", amount);
                let cause = Cause::Transfer(amount);
                out.push(Change::Account { cause, position: None, amount });
            }
        }
    }

    /// Takes in a fill, of an order here or of somebody else's.
    fn fill(
        &mut self,
        truth: &Truth,
        one_way: bool,
        leverage: impl Fn(InstrumentId, PositionSide) -> i64,
        out: &mut Vec<Change>,
    ) {
        let Truth::Fill {
            at,
            number,
            owner,
            instrument,
            position_side,
            reduces,
            qty,
            price,
            notional,
            fee,
            is_maker,
        } = *truth
        else {
            return;
        };
        let side = if reduces { position_side.exit_side() } else { position_side.entry_side() };
        let profit = self.realize((instrument, position_side), reduces, qty, notional);
        let order = match owner {
            Owner::Ours(client) => self.by_client.get(&client).copied(),
            Owner::Foreign | Owner::Venue => {
                let order = Order {
                    id: self.next_id(at),
                    origin: Origin::Outside { forced: owner == Owner::Venue },
                    client_text: String::new(),
                    instrument,
                    side,
                    position_side: (!one_way).then_some(position_side),
                    is_market: true,
                    tif: "IOC",
                    reduce_only: reduces,
                    qty,
                    price: Some(price),
                    cum_qty: Qty::ZERO,
                    cum_notional: Money::ZERO,
                    fee: Money::ZERO,
                    profit: Money::ZERO,
                    state: VenueOrderState::New,
                    at,
                    updated: at,
                    leverage: leverage(instrument, position_side),
                    past: Vec::new(),
                };
                let id = order.id;
                self.expect(order);
                Some(id)
            }
        };
        let Some(order) = order.and_then(|id| self.orders.get_mut(&id)) else { return };
        order.keep(at);
        order.cum_qty = order.cum_qty.checked_add(qty).unwrap_or(order.cum_qty);
        order.cum_notional = sum(order.cum_notional, notional);
        order.fee = sum(order.fee, fee);
        order.profit = sum(order.profit, profit);
        order.updated = at;
        order.state = if order.cum_qty >= order.qty {
            VenueOrderState::Filled
        } else {
            VenueOrderState::PartiallyFilled
        };
        let fill = Fill {
            number,
            order: order.id,
            at,
            instrument,
            side,
            position_side,
            qty,
            price,
            notional,
            fee,
            profit,
            is_maker,
        };
        out.push(Change::Order { order: Box::new(order.clone()), fill: Some(fill) });
        self.fills.push(fill);
        if !profit.is_zero() {
            self.income(at, Some(instrument), "REALIZED_PNL", profit);
        }
        self.income(at, Some(instrument), "TRADING_FEE", -fee);
        out.push(Change::Account {
            cause: Cause::Order,
            position: Some((instrument, position_side)),
            amount: sum(profit, -fee),
        });
    }

    fn income(
        &mut self,
        at: Nanos,
        instrument: Option<InstrumentId>,
        kind: &'static str,
        amount: Money,
    ) {
        self.incomes.push(Income { at, instrument, kind, amount });
    }

    fn update(&mut self, client: ClientId, out: &mut Vec<Change>, change: impl Fn(&mut Order)) {
        let id = self.by_client.get(&client).copied();
        if let Some(order) = id.and_then(|id| self.orders.get_mut(&id)) {
            change(order);
            out.push(Change::Order { order: Box::new(order.clone()), fill: None });
        }
    }

    /// What a fill realises: by the same rule as the model's account, the closed share of the cost.
    fn realize(
        &mut self,
        key: (InstrumentId, PositionSide),
        reduces: bool,
        qty: Qty,
        notional: Money,
    ) -> Money {
        let held = self.held.entry(key).or_default();
        if !reduces {
            held.qty = held.qty.checked_add(qty).unwrap_or(held.qty);
            held.cost = sum(held.cost, notional);
            return Money::ZERO;
        }
        let released = held.cost.share(qty, held.qty).unwrap_or(held.cost);
        held.qty = (held.qty - qty).max(Qty::ZERO);
        held.cost = sum(held.cost, -released);
        let profit = match key.1 {
            PositionSide::Long => sum(notional, -released),
            PositionSide::Short => sum(released, -notional),
        };
        if held.qty.is_zero() {
            self.held.remove(&key);
            self.realized.remove(&key);
        } else {
            let so_far = self.realized.entry(key).or_insert(Money::ZERO);
            *so_far = sum(*so_far, profit);
        }
        profit
    }
}

/// Sums that saturate, as the model's.
pub(super) const fn sum(a: Money, b: Money) -> Money {
    Money::from_raw(a.raw().saturating_add(b.raw()))
}
