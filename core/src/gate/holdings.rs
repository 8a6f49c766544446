//! What the gate itself knows of our orders and positions: only what it let out and what the venue said.

use alloc::vec;
use alloc::vec::Vec;

use arrayvec::ArrayVec;

use crate::id::{ClientId, InstrumentId, TextId};
use crate::msg::venue::{RejectReason, VenueOrderState};
use crate::msg::{ClientRef, MarketBody, MarketKind, MarketMsg, OrderRole, VenueEvent, VenueMsg};
use crate::units::{Money, Nanos, Price, Qty};

/// Most orders under way that the gate can follow.
const ORDERS_MAX: usize = 256;
/// Fills whose identity is remembered.
const FILLS_MAX: usize = 256;
/// A venue's views lag; one is believed about an instrument on which nothing of ours has happened for this
/// long.
pub(super) const SETTLED_NS: i64 = 30 * Nanos::SECOND;
/// An order is valued at the highest price of this long at least, of twice this long at most: a price that
/// breaks down must not make room for more.
const CEILING_NS: i64 = 300 * Nanos::SECOND;
/// An entry that nobody has ever seen is given up this long after the venue first denied it …
const DENIED_NS: i64 = 15 * Nanos::SECOND;
/// … if it did so this often.
const DENIALS_MIN: u32 = 3;

/// An order that was let out and has not told its end.
#[derive(Clone, Copy, Debug)]
struct Own {
    client: ClientId,
    venue_id: TextId,
    instrument: InstrumentId,
    role: OrderRole,
    qty: Qty,
    /// Greatest total told.
    told: Qty,
    /// Sum of its fills.
    summed: Qty,
    /// What is known to be filled: the greater of both.
    filled: Qty,
    denials: u32,
    denied_since: Option<Nanos>,
}

/// One instrument.
#[derive(Clone, Copy, Debug, Default)]
struct Holding {
    /// Filled by entries that are over, less what exits have filled. Long and short add up.
    position: Qty,
    /// Filled by exits although the entry that they close is still under way and counts whole.
    early: Qty,
    /// Highest price of this window and of the one before.
    high: Price,
    high_before: Price,
    window: Option<Nanos>,
    /// The last order or fill of ours.
    touched: Option<Nanos>,
    /// Rows of the snapshot that is coming in.
    gathered: Qty,
}

impl Holding {
    fn ceiling(&self) -> Option<Price> {
        Some(self.high.max(self.high_before)).filter(|price| price.is_positive())
    }
}

/// Orders under way and positions, per instrument. Allocates at construction only.
#[derive(Debug)]
pub(super) struct Holdings {
    rows: Vec<Holding>,
    orders: ArrayVec<Own, ORDERS_MAX>,
    fills: [TextId; FILLS_MAX],
    next_fill: usize,
    gathered_rows: u32,
}

impl Holdings {
    pub(super) fn new(instruments: usize) -> Self {
        Self {
            rows: vec![Holding::default(); instruments],
            orders: ArrayVec::new(),
            fills: [TextId::EMPTY; FILLS_MAX],
            next_fill: 0,
            gathered_rows: 0,
        }
    }

    pub(super) const fn instruments(&self) -> usize {
        self.rows.len()
    }

    /// Follows the price of an instrument.
    pub(super) fn saw(&mut self, message: &MarketMsg) {
        if matches!(message.kind(), MarketKind::Level | MarketKind::Reset | MarketKind::Gap) {
            return;
        }
        let price = match message.body() {
            MarketBody::Quote { bid, ask, .. } => Some(bid.max(ask)),
            MarketBody::Trade { price, .. } => Some(price),
            MarketBody::Bar { high, .. } => Some(high),
            MarketBody::Mark { mark, .. } => mark,
            MarketBody::Level { .. } | MarketBody::Reset | MarketBody::Gap => None,
        };
        let row = self.rows.get_mut(message.instrument.index());
        let (Some(price), Some(row)) = (price.filter(|price| price.is_positive()), row) else {
            return;
        };
        let now = message.ts_recv_ns;
        let begun = *row.window.get_or_insert(now);
        if now.since(begun) >= CEILING_NS {
            row.high_before = row.high;
            row.high = Price::ZERO;
            row.window = Some(now);
        }
        row.high = row.high.max(price);
    }

    /// True while an entry of ours is under way on an instrument.
    pub(super) fn has_entry(&self, instrument: InstrumentId) -> bool {
        self.entries(instrument).next().is_some()
    }

    /// True when no further order could be followed.
    pub(super) fn is_full(&self) -> bool {
        self.orders.is_full()
    }

    /// Position plus entries under way, these whole.
    pub(super) fn exposure(&self, instrument: InstrumentId) -> Option<Qty> {
        let position = self.rows.get(instrument.index())?.position;
        self.entries(instrument).try_fold(position, |sum, order| sum.checked_add(order.qty))
    }

    /// What a quantity is worth at most by what was seen, and at `limit`; `None` without any price, or when
    /// it cannot be told.
    pub(super) fn value(
        &self,
        instrument: InstrumentId,
        qty: Qty,
        limit: Option<Price>,
    ) -> Option<Money> {
        if qty.is_zero() {
            return Some(Money::ZERO);
        }
        let seen = self.rows.get(instrument.index())?.ceiling();
        seen.into_iter().chain(limit).max()?.notional(qty)
    }

    /// What everything but one instrument is worth; `None` as above.
    pub(super) fn value_of_others(&self, but: InstrumentId) -> Option<Money> {
        (0..self.rows.len())
            .map(InstrumentId::new)
            .filter(|id| *id != but)
            .try_fold(Money::ZERO, |sum, id| {
                sum.checked_add(self.value(id, self.exposure(id)?, None)?)
            })
    }

    /// An order leaves.
    pub(super) fn sent(
        &mut self,
        now: Nanos,
        client: ClientId,
        instrument: InstrumentId,
        role: OrderRole,
        qty: Qty,
    ) {
        let own = Own {
            client,
            venue_id: TextId::EMPTY,
            instrument,
            role,
            qty,
            told: Qty::ZERO,
            summed: Qty::ZERO,
            filled: Qty::ZERO,
            denials: 0,
            denied_since: None,
        };
        // An exit that cannot be followed leaves all the same; the position then looks too great.
        let _followed = self.orders.try_push(own);
        self.touch(now, instrument);
    }

    /// Gives up entries that the venue keeps denying and that nobody has ever seen.
    pub(super) fn forget_denied(&mut self, now: Nanos) {
        self.orders.retain(|order| {
            let long = order.denied_since.is_some_and(|since| now.since(since) >= DENIED_NS);
            !(long && order.denials >= DENIALS_MIN)
        });
    }

    /// Takes in what the venue says.
    pub(super) fn heard(&mut self, message: &VenueMsg) {
        let now = message.ts_recv_ns;
        let none = TextId::EMPTY;
        match message.event {
            VenueEvent::Ack { venue_id } => {
                if let Some(at) = self.find(message, &venue_id) {
                    self.seen(at, venue_id);
                }
            }
            // It is another order's identity at the venue: ours arrived before, and lives.
            VenueEvent::Reject { reason: RejectReason::DuplicateClientId } => {}
            VenueEvent::Reject { .. } => {
                if let Some(at) = self.find(message, &none) {
                    self.end(now, at);
                }
            }
            VenueEvent::Fill { venue_id, fill_id, qty, cum_qty, .. } => {
                let Some(at) = self.find(message, &venue_id) else { return };
                let is_new = !fill_id.is_empty() && self.is_new_fill(fill_id);
                let order = &mut self.orders[at];
                if is_new && let Some(sum) = order.summed.checked_add(qty.max(Qty::ZERO)) {
                    order.summed = sum;
                }
                self.seen(at, venue_id);
                self.told(now, at, cum_qty.get());
                if self.orders[at].filled == self.orders[at].qty {
                    self.end(now, at);
                }
            }
            VenueEvent::Canceled { venue_id, cum_qty }
            | VenueEvent::Expired { venue_id, cum_qty } => {
                let Some(at) = self.find(message, &venue_id) else { return };
                self.seen(at, venue_id);
                // An end without a total ends nothing: the whole order may have filled.
                if let Some(total) = cum_qty.get() {
                    self.told(now, at, Some(total));
                    self.end(now, at);
                }
            }
            VenueEvent::OrderStatus { venue_id, state, cum_qty, .. } => {
                if let Some(at) = self.find(message, &venue_id) {
                    self.status(now, at, venue_id, state, cum_qty.get());
                }
            }
            VenueEvent::Forced { fill_id, qty, .. } => {
                let is_new = fill_id.is_empty() || self.is_new_fill(fill_id);
                let row = message.instrument.and_then(|id| self.rows.get_mut(id.index()));
                if let Some(row) = row.filter(|_| is_new) {
                    row.position = less(row.position, qty);
                    row.touched = Some(now);
                }
            }
            VenueEvent::Position { qty, .. } => {
                self.gathered_rows = self.gathered_rows.saturating_add(1);
                let row = message.instrument.and_then(|id| self.rows.get_mut(id.index()));
                if let Some(row) = row {
                    row.gathered = row.gathered.checked_add(qty).unwrap_or(row.gathered);
                }
            }
            VenueEvent::PositionsEnd { ok, rows, .. } => {
                self.snapshot(now, ok && rows == self.gathered_rows);
            }
            VenueEvent::Ambiguous
            | VenueEvent::CancelRejected { .. }
            | VenueEvent::FeeSettled { .. }
            | VenueEvent::Balance { .. }
            | VenueEvent::Funding { .. }
            | VenueEvent::Transfer { .. }
            | VenueEvent::OpenOrder { .. }
            | VenueEvent::OpenOrdersEnd { .. } => {}
        }
    }

    fn status(
        &mut self,
        now: Nanos,
        at: usize,
        venue_id: TextId,
        state: VenueOrderState,
        cum: Option<Qty>,
    ) {
        if state == VenueOrderState::NotFound {
            let order = &mut self.orders[at];
            if order.venue_id.is_empty() && order.filled.is_zero() {
                order.denials = order.denials.saturating_add(1);
                order.denied_since.get_or_insert(now);
            }
            return;
        }
        self.seen(at, venue_id);
        let whole = self.orders[at].qty;
        let (total, is_over) = match state {
            VenueOrderState::Filled => (cum.or(Some(whole)), true),
            VenueOrderState::Rejected => (cum.or(Some(Qty::ZERO)), true),
            VenueOrderState::Canceled | VenueOrderState::Expired => (cum, cum.is_some()),
            VenueOrderState::New | VenueOrderState::PartiallyFilled | VenueOrderState::NotFound => {
                (cum, false)
            }
        };
        self.told(now, at, total);
        if is_over || self.orders[at].filled == whole {
            self.end(now, at);
        }
    }

    /// A whole snapshot is believed where no order of ours is under way and all has been quiet for long.
    fn snapshot(&mut self, now: Nanos, is_whole: bool) {
        self.gathered_rows = 0;
        for (index, row) in self.rows.iter_mut().enumerate() {
            let shown = core::mem::take(&mut row.gathered);
            let quiet = row.touched.is_none_or(|at| now.since(at) >= SETTLED_NS);
            let busy = self.orders.iter().any(|order| order.instrument.index() == index);
            if is_whole && quiet && !busy {
                row.position = shown;
            }
        }
    }

    fn entries(&self, instrument: InstrumentId) -> impl Iterator<Item = &Own> {
        let is_entry = move |o: &&Own| o.role == OrderRole::Entry && o.instrument == instrument;
        self.orders.iter().filter(is_entry)
    }

    fn find(&self, message: &VenueMsg, venue_id: &TextId) -> Option<usize> {
        let by_venue = |order: &Own| !venue_id.is_empty() && order.venue_id == *venue_id;
        self.orders.iter().position(|order| match message.client {
            ClientRef::Own(client) => order.client == client,
            ClientRef::Absent => by_venue(order),
            ClientRef::Foreign => false,
        })
    }

    /// Somebody has seen the order.
    fn seen(&mut self, at: usize, venue_id: TextId) {
        let order = &mut self.orders[at];
        if order.venue_id.is_empty() {
            order.venue_id = venue_id;
        }
        order.denials = 0;
        order.denied_since = None;
    }

    /// What is filled of an order, by a total told or by its fills. Exits take effect at once, entries count
    /// whole until they are over.
    fn told(&mut self, now: Nanos, at: usize, total: Option<Qty>) {
        let order = &mut self.orders[at];
        order.told = order.told.max(total.unwrap_or(Qty::ZERO));
        let filled = order.told.max(order.summed).min(order.qty);
        let more = less(filled, order.filled);
        order.filled = order.filled.max(filled);
        let (role, instrument) = (order.role, order.instrument);
        let under_way = self
            .entries(instrument)
            .try_fold(Qty::ZERO, |sum, entry| sum.checked_add(entry.qty))
            .unwrap_or(Qty::MAX);
        if role == OrderRole::Exit
            && let Some(row) = self.rows.get_mut(instrument.index())
        {
            let surplus = less(more, row.position);
            row.position = less(row.position, more);
            row.early = row.early.checked_add(surplus).unwrap_or(under_way).min(under_way);
        }
        self.touch(now, instrument);
    }

    /// An order is over: what an entry filled is position from now on.
    fn end(&mut self, now: Nanos, at: usize) {
        let order = self.orders.swap_remove(at);
        if order.role == OrderRole::Entry
            && let Some(row) = self.rows.get_mut(order.instrument.index())
        {
            let held = less(order.filled, row.early);
            row.early = less(row.early, order.filled);
            row.position = row.position.checked_add(held).unwrap_or(Qty::MAX);
        }
        self.touch(now, order.instrument);
    }

    fn touch(&mut self, now: Nanos, instrument: InstrumentId) {
        if let Some(row) = self.rows.get_mut(instrument.index()) {
            row.touched = Some(now);
        }
    }

    /// True the first time; the oldest of many is forgotten.
    fn is_new_fill(&mut self, fill_id: TextId) -> bool {
        if self.fills.contains(&fill_id) {
            return false;
        }
        self.fills[self.next_fill] = fill_id;
        self.next_fill = (self.next_fill + 1) % FILLS_MAX;
        true
    }
}

/// `a` less `b`, at least nothing.
fn less(a: Qty, b: Qty) -> Qty {
    a.checked_sub(b).map_or(Qty::ZERO, |rest| rest.max(Qty::ZERO))
}
