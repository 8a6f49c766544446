//! What the venue's views showed a little while ago: the slow databases behind its query endpoints.
//!
//! Built from the truth as it happens and kept for [`KEPT_NS`], the oldest view that a plan can ask for.

use std::collections::VecDeque;

use pinion_core::id::{ClientId, InstrumentId, TextId};
use pinion_core::msg::venue::VenueOrderState;
use pinion_core::msg::{Maybe, Side, VenueEvent};
use pinion_core::settings::Settings;
use pinion_core::units::{Money, Nanos, Qty};

use crate::paper::account::{Account, AccountFill, Position};
use crate::paper::orders::Status;
use crate::paper::truth::{Owner, Truth};

/// History is forgotten beyond this age: a minute.
const KEPT_NS: i64 = 60 * Nanos::SECOND;

/// One order through time.
#[derive(Clone, Debug)]
struct OrderLine {
    client: ClientId,
    instrument: InstrumentId,
    side: Side,
    venue_id: TextId,
    qty: Qty,
    accepted: Nanos,
    /// Total quantity and notional after each fill.
    fills: Vec<(Nanos, Qty, Money)>,
    ended: Option<(Nanos, VenueOrderState)>,
}

impl OrderLine {
    fn total_at(&self, when: Nanos) -> (Qty, Money) {
        let past = self.fills.iter().rev().find(|(at, _, _)| *at <= when);
        past.map_or((Qty::ZERO, Money::ZERO), |(_, qty, notional)| (*qty, *notional))
    }

    fn end_at(&self, when: Nanos) -> Option<VenueOrderState> {
        self.ended.filter(|(at, _)| *at <= when).map(|(_, state)| state)
    }

    fn status_at(&self, when: Nanos) -> VenueEvent {
        if self.accepted > when {
            return NOT_FOUND;
        }
        let (cum_qty, notional) = self.total_at(when);
        let state = match self.end_at(when) {
            Some(state) => state,
            None if cum_qty.is_positive() => VenueOrderState::PartiallyFilled,
            None => VenueOrderState::New,
        };
        VenueEvent::OrderStatus {
            venue_id: self.venue_id,
            state,
            cum_qty: Maybe::some(cum_qty),
            avg_price: notional.per(cum_qty).into(),
        }
    }
}

/// The answer to a look-up of an order that is not there.
pub(super) const NOT_FOUND: VenueEvent = VenueEvent::OrderStatus {
    venue_id: TextId::EMPTY,
    state: VenueOrderState::NotFound,
    cum_qty: Maybe::NONE,
    avg_price: Maybe::NONE,
};

/// One row of an old list: whose order (none for a position), where, and what it says.
pub(super) type Row = (Option<ClientId>, InstrumentId, VenueEvent);

/// The recent past. Owner: the faulty venue.
#[derive(Clone, Debug)]
pub(super) struct Views {
    orders: VecDeque<OrderLine>,
    /// Follows the fills only; its wallet means nothing.
    account: Account,
    positions: VecDeque<(Nanos, Vec<Position>)>,
    balances: VecDeque<(Nanos, VenueEvent)>,
}

impl Views {
    pub(super) fn new(settings: &Settings, instruments: usize) -> Self {
        Self {
            orders: VecDeque::new(),
            account: Account::new(settings, instruments),
            positions: VecDeque::new(),
            balances: VecDeque::new(),
        }
    }

    /// Follows what happened. `status` is how the venue knows an order that it accepted.
    pub(super) fn follow(&mut self, truth: &Truth, status: impl Fn(ClientId) -> Option<Status>) {
        match *truth {
            Truth::Accepted { at, client, instrument, side, qty, .. } => {
                let known = status(client);
                self.orders.push_back(OrderLine {
                    client,
                    instrument,
                    side,
                    venue_id: known.map_or(TextId::EMPTY, |status| status.venue_id),
                    qty: known.map_or(qty, |status| status.qty),
                    accepted: at,
                    fills: Vec::new(),
                    ended: None,
                });
            }
            Truth::Fill {
                at,
                owner,
                instrument,
                position_side,
                reduces,
                qty,
                notional,
                fee,
                ..
            } => {
                if let Owner::Ours(client) = owner
                    && let Some(line) = self.line_mut(client)
                {
                    let (cum_qty, cost) = line.total_at(at);
                    let cost = Money::from_raw(cost.raw().saturating_add(notional.raw()));
                    line.fills.push((at, cum_qty + qty, cost));
                }
                self.account.apply(&AccountFill {
                    instrument,
                    side: position_side,
                    reduces,
                    owner,
                    qty,
                    notional,
                    fee,
                    funding_due: Nanos::MAX,
                });
                self.positions.push_back((at, self.account.positions.clone()));
            }
            Truth::Ended { at, client, state, .. } => {
                if let Some(line) = self.line_mut(client) {
                    line.ended = Some((at, state));
                }
            }
            Truth::Refused { .. } | Truth::Funding { .. } | Truth::Transfer { .. } => {}
        }
    }

    /// Remembers a balance that the venue told.
    pub(super) fn follow_balance(&mut self, at: Nanos, balance: VenueEvent) {
        self.balances.push_back((at, balance));
    }

    /// Forgets what no view can show any more.
    pub(super) fn forget(&mut self, now: Nanos) {
        let first = now.plus(-KEPT_NS);
        self.orders.retain(|line| line.ended.is_none_or(|(at, _)| at >= first));
        while self.positions.get(1).is_some_and(|(at, _)| *at <= first) {
            self.positions.pop_front();
        }
        while self.balances.get(1).is_some_and(|(at, _)| *at <= first) {
            self.balances.pop_front();
        }
    }

    /// How an order of ours looked; `None` when it is not remembered.
    pub(super) fn order_at(&self, client: ClientId, when: Nanos) -> Option<VenueEvent> {
        self.line(client).map(|line| line.status_at(when))
    }

    /// Age of an order of ours; `None` when it is not remembered.
    pub(super) fn age_ns(&self, client: ClientId, now: Nanos) -> Option<i64> {
        self.line(client).map(|line| now.since(line.accepted))
    }

    /// The orders that were open.
    pub(super) fn open_orders_at(&self, when: Nanos) -> Vec<Row> {
        let open =
            self.orders.iter().filter(|line| line.accepted <= when && line.end_at(when).is_none());
        open.map(|line| {
            let event = VenueEvent::OpenOrder {
                venue_id: line.venue_id,
                side: line.side,
                qty: line.qty,
                cum_qty: line.total_at(when).0,
            };
            (Some(line.client), line.instrument, event)
        })
        .collect()
    }

    /// The positions that were open.
    pub(super) fn positions_at(&self, when: Nanos) -> Vec<Row> {
        let past = self.positions.iter().rev().find(|(at, _)| *at <= when);
        let rows = past.map_or(&[][..], |(_, rows)| rows);
        let row = |position: &Position| {
            let event = VenueEvent::Position {
                side: position.side,
                qty: position.qty,
                entry_price: position.entry_price().into(),
            };
            (None, position.instrument, event)
        };
        rows.iter().map(row).collect()
    }

    /// The balance as it was told last by then.
    pub(super) fn balance_at(&self, when: Nanos) -> Option<VenueEvent> {
        self.balances.iter().rev().find(|(at, _)| *at <= when).map(|(_, balance)| *balance)
    }

    fn line(&self, client: ClientId) -> Option<&OrderLine> {
        self.orders.iter().rev().find(|line| line.client == client)
    }

    fn line_mut(&mut self, client: ClientId) -> Option<&mut OrderLine> {
        self.orders.iter_mut().rev().find(|line| line.client == client)
    }
}
