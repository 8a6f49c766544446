//! Orders as the venue keeps them: the live ones in order of arrival, and what became of the last done ones.

use std::collections::VecDeque;

use pinion_core::id::{ClientId, InstrumentId, TextId};
use pinion_core::msg::venue::VenueOrderState;
use pinion_core::msg::{Maybe, PositionSide, Side, VenueEvent};
use pinion_core::units::{Money, Nanos, Price, Qty};

/// Most live orders at once; one more is refused.
pub(super) const LIVE_MAX: usize = 512;
/// Done orders that a query can still name.
const DONE_MAX: usize = 4096;
/// Numbers of the venue's order ids start above this: as long as real ones, beyond what floats hold.
pub(super) const VENUE_ID_BASE: u64 = 1_000_000_000_000_000_000;

/// How a live order gets its fills.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    /// In the book at its limit.
    Resting(Resting),
    /// Takes from the trades after its arrival.
    AwaitsPrints {
        /// Last price before arrival: no fill is better.
        base: Price,
        /// Prints that the venue dates before this are older than the order.
        arrival_exch: Nanos,
        /// What is not filled by then expires.
        until: Nanos,
    },
    /// Takes from the first bar after its arrival.
    AwaitsBar {
        /// Last close before arrival: no fill is better.
        base: Price,
        /// What is not filled by then expires.
        until: Nanos,
    },
}

/// Where a resting order stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resting {
    /// Its price.
    pub(super) limit: Price,
    /// Quantity ahead of it at its price; `None` when the data does not show it.
    pub(super) queue: Option<Qty>,
    /// Latest exchange time seen when it arrived: what is not dated later is older than the order.
    pub(super) arrival_exch: Nanos,
    /// Exchange time up to which `queue` already contains the prints.
    pub(super) queue_exch: Nanos,
    /// It crossed the last price when it arrived and there was no quote to take from: its fills take.
    pub(super) takes: bool,
    /// It took from the other side when it arrived; this is its rest.
    pub(super) took: bool,
    /// A whole bar has begun since it arrived.
    pub(super) saw_bar: bool,
}

/// One live order. Owner: the venue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) client: ClientId,
    pub(super) venue_id: u64,
    pub(super) instrument: InstrumentId,
    pub(super) side: Side,
    pub(super) position_side: PositionSide,
    /// Its side is the one that closes its position.
    pub(super) reduces: bool,
    /// The venue cut it to the position: its end is an expiry, never a whole fill.
    pub(super) trimmed: bool,
    /// Limit price; `None` for a market order.
    pub(super) limit: Option<Price>,
    /// Quantity that works, after a trim.
    pub(super) qty: Qty,
    pub(super) cum_qty: Qty,
    /// Sum of its fills' notionals.
    pub(super) cum_notional: Money,
    pub(super) phase: Phase,
    /// Set once it is done; it leaves the live list at the end of the same step.
    pub(super) end: Option<VenueOrderState>,
}

impl Order {
    pub(super) fn remaining(&self) -> Qty {
        self.qty - self.cum_qty
    }

    pub(super) fn state(&self) -> VenueOrderState {
        match self.end {
            Some(end) => end,
            None if self.cum_qty.is_positive() => VenueOrderState::PartiallyFilled,
            None => VenueOrderState::New,
        }
    }

    pub(super) fn text_id(&self) -> TextId {
        TextId::from_number(self.venue_id)
    }

    fn status(&self) -> Status {
        Status {
            client: self.client,
            instrument: self.instrument,
            venue_id: self.text_id(),
            state: self.state(),
            qty: self.qty,
            cum_qty: self.cum_qty,
            avg_price: self.cum_notional.per(self.cum_qty),
        }
    }
}

/// What a query answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Status {
    pub(super) client: ClientId,
    pub(super) instrument: InstrumentId,
    pub(super) venue_id: TextId,
    pub(super) state: VenueOrderState,
    /// Quantity that works or worked.
    pub(super) qty: Qty,
    pub(super) cum_qty: Qty,
    pub(super) avg_price: Option<Price>,
}

impl Status {
    pub(super) fn event(&self) -> VenueEvent {
        VenueEvent::OrderStatus {
            venue_id: self.venue_id,
            state: self.state,
            cum_qty: Maybe::some(self.cum_qty),
            avg_price: self.avg_price.into(),
        }
    }
}

/// All orders of the account. Nothing allocates after [`Orders::new`].
#[derive(Clone, Debug)]
pub(super) struct Orders {
    pub(super) live: Vec<Order>,
    done: VecDeque<Status>,
    highest: Option<ClientId>,
}

impl Orders {
    pub(super) fn new() -> Self {
        Self {
            live: Vec::with_capacity(LIVE_MAX),
            done: VecDeque::with_capacity(DONE_MAX),
            highest: None,
        }
    }

    /// Notes a client id; true when it was used before. A new highest id, the normal case, is not searched.
    pub(super) fn is_repeated(&mut self, client: ClientId) -> bool {
        if self.highest.is_none_or(|highest| client > highest) {
            self.highest = Some(client);
            return false;
        }
        self.find(client, TextId::EMPTY).is_some()
    }

    /// Position in the live list.
    pub(super) fn find_live(&self, client: ClientId, venue_id: TextId) -> Option<usize> {
        let same = |o: &Order| o.client == client || o.text_id() == venue_id;
        self.live.iter().position(same)
    }

    /// What is known of an order by either identity, live or among the last done ones.
    pub(super) fn find(&self, client: ClientId, venue_id: TextId) -> Option<Status> {
        if let Some(index) = self.find_live(client, venue_id) {
            return Some(self.live[index].status());
        }
        let same =
            |s: &&Status| s.client == client || (!venue_id.is_empty() && s.venue_id == venue_id);
        self.done.iter().rev().find(same).copied()
    }

    /// Remembers an order that was never live.
    pub(super) fn remember_refused(&mut self, client: ClientId, instrument: InstrumentId) {
        self.remember(Status {
            client,
            instrument,
            venue_id: TextId::EMPTY,
            state: VenueOrderState::Rejected,
            qty: Qty::ZERO,
            cum_qty: Qty::ZERO,
            avg_price: None,
        });
    }

    /// Moves a done order out of the live list and returns it; the others keep their order.
    pub(super) fn retire(&mut self, index: usize) -> Order {
        let order = self.live.remove(index);
        self.remember(order.status());
        order
    }

    fn remember(&mut self, status: Status) {
        if self.done.len() == DONE_MAX {
            self.done.pop_front();
        }
        self.done.push_back(status);
    }
}
