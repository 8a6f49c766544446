//! The orders of this run: identity, what was asked, what the venue told, what is booked.
//!
//! An order is *over* only when the venue has said so by its identity and the quantity it says was
//! filled is the quantity that is booked. Until then it blocks its slot. Orders that are over stay known
//! until [`ORDERS_MAX`] newer ones exist, so that what comes late finds its order.

use alloc::vec;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::engine::Damage;
use crate::id::{ClientId, InstrumentId, TextId, TradeId};
use crate::kernel::fills::Fills;
use crate::msg::record::OrderStatus;
use crate::msg::{Command, Maybe, OrderKind, OrderRole, PositionSide, Record, Side, TimeInForce};
use crate::units::{Money, Nanos, Price, Qty, Rate};

/// Orders that are remembered; a power of two.
pub const ORDERS_MAX: usize = 1024;

/// Fewest denials by the venue that prove anything about an order.
pub const NOT_FOUND_MIN: u32 = 3;

/// What speaks against an order that the venue denies, or whose end it tells without a total that can be;
/// gathered since the first such answer in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// First denial in a row; `None` while the venue does not deny it.
    pub since_ns: Option<Nanos>,
    /// Denials in a row.
    pub count: u32,
    /// Only what the venue is asked after this moment speaks against the order: the first denial after its
    /// views could lag (`guard.view_lag_ns`).
    pub ripe_ns: Option<Nanos>,
    /// A whole position snapshot asked after that showed exactly ours on its asset.
    pub by_positions: bool,
    /// A whole list of open orders asked after that did not have it.
    pub by_list: bool,
}

impl Denial {
    /// Counts another answer. True when from now on views count, for none that lags knows less: the caller
    /// moves the revision on, so that what was asked for before is no evidence.
    pub(super) fn again(&mut self, now: Nanos, view_lag_ns: i64) -> bool {
        let since = *self.since_ns.get_or_insert(now);
        self.count = self.count.saturating_add(1);
        let ripens = self.ripe_ns.is_none() && now.since(since) >= view_lag_ns;
        if ripens {
            self.ripe_ns = Some(now);
        }
        ripens
    }

    /// True while positions that count have not come, or do not agree.
    pub(super) const fn wants_positions(&self) -> bool {
        self.ripe_ns.is_some() && !self.by_positions
    }
}

/// One order of ours.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Order {
    /// Our identity.
    pub client: ClientId,
    /// The venue's, once learned.
    pub venue_id: TextId,
    /// Its round trip.
    pub trade: TradeId,
    /// Its slot.
    pub slot: u8,
    /// Asset.
    pub instrument: InstrumentId,
    /// Direction of the position.
    pub position_side: PositionSide,
    /// Entry or exit: what a fill of it is, whatever the slot's stage.
    pub role: OrderRole,
    /// Type.
    pub kind: OrderKind,
    /// Time in force.
    pub tif: TimeInForce,
    /// Quantity.
    pub qty: Qty,
    /// Limit price.
    pub price: Option<Price>,
    /// Middle of the market when it left, without a quote the last trade: what its fills are measured by.
    pub mid: Option<Price>,
    /// The venue's leverage that an entry asks for.
    pub leverage: Option<Rate>,
    /// Last state.
    pub status: OrderStatus,
    /// Booked quantity.
    pub filled: Qty,
    /// Booked notional.
    pub notional: Money,
    /// Greatest total that the venue told.
    pub told: Qty,
    /// The end that the venue told.
    pub ended: Option<OrderStatus>,
    /// Total at that end; `None` while not told.
    pub ended_at: Option<Qty>,
    /// Over: the end was told and everything told is booked.
    pub over: bool,
    /// Taken for over because the venue denies it; a late fill is then no contradiction.
    pub presumed: bool,
    /// Quantity booked from a query's answer whose own fills have not come yet.
    pub inferred: Qty,
    /// Total that the inference covered.
    pub inferred_up_to: Qty,
    /// Quantity booked from fills that told no total.
    pub without_total: Qty,
    /// Last applied fill; 0 for none. A chain through the memory of fills.
    pub last_fill: u64,
    /// It is to end: a cancel goes again until it does.
    pub cancel_wanted: bool,
    /// Cancels that the venue refused.
    pub cancel_refusals: u32,
    /// When a cancel left that has no answer yet.
    pub cancel_sent_ns: Option<Nanos>,
    /// When the next look-up is due; [`Nanos::MAX`] for none.
    pub query_at_ns: Nanos,
    /// Wait after the next look-up.
    pub query_wait_ns: i64,
    /// What the venue says against its existence.
    pub denial: Denial,
    /// It ended, and the venue keeps telling that without a total that can be: what else speaks for the end.
    pub end_doubt: Denial,
    /// The venue has said that it knows the order: whatever denies it later is an old view.
    pub known: bool,
    /// In the list of open orders under way.
    pub is_listed: bool,
    /// Restored from an earlier process, and the venue has not told it since.
    pub unconfirmed: bool,
    /// No order of ours: it stands for one by which the venue or somebody else closed our position.
    pub is_outside: bool,
}

impl Order {
    /// An order on its way out, of slot 0 and nothing else yet.
    pub(super) fn new(
        client: ClientId,
        role: OrderRole,
        kind: OrderKind,
        tif: TimeInForce,
        qty: Qty,
    ) -> Self {
        Self {
            client,
            venue_id: TextId::EMPTY,
            trade: TradeId::new(0),
            slot: 0,
            instrument: InstrumentId::new(0),
            position_side: PositionSide::Short,
            role,
            kind,
            tif,
            qty,
            price: None,
            mid: None,
            leverage: None,
            status: OrderStatus::Submitted,
            filled: Qty::ZERO,
            notional: Money::ZERO,
            told: Qty::ZERO,
            ended: None,
            ended_at: None,
            over: false,
            presumed: false,
            inferred: Qty::ZERO,
            inferred_up_to: Qty::ZERO,
            without_total: Qty::ZERO,
            last_fill: 0,
            cancel_wanted: false,
            cancel_refusals: 0,
            cancel_sent_ns: None,
            query_at_ns: Nanos::MAX,
            query_wait_ns: 0,
            denial: Denial::default(),
            end_doubt: Denial::default(),
            known: false,
            is_listed: false,
            unconfirmed: false,
            is_outside: false,
        }
    }

    /// Side.
    #[must_use]
    pub const fn side(&self) -> Side {
        match self.role {
            OrderRole::Entry => self.position_side.entry_side(),
            OrderRole::Exit => self.position_side.exit_side(),
        }
    }

    /// True for exits.
    #[must_use]
    pub const fn reduce_only(&self) -> bool {
        matches!(self.role, OrderRole::Exit)
    }

    /// What is not booked.
    #[must_use]
    pub fn remaining(&self) -> Qty {
        self.qty - self.filled
    }

    /// True while nobody knows what became of it: an ambiguous submission, an end whose total is not the
    /// booked quantity, or an order of an earlier process that the venue has not told since.
    #[must_use]
    pub const fn is_unresolved(&self) -> bool {
        !self.over
            && (self.unconfirmed
                || matches!(self.status, OrderStatus::Unknown)
                || self.ended.is_some())
    }

    /// True once the venue has shown in any way that it has the order, or had it.
    #[must_use]
    pub const fn was_seen(&self) -> bool {
        self.known
            || !self.venue_id.is_empty()
            || self.ended.is_some()
            || self.told.raw() > 0
            || self.filled.raw() > 0
    }

    /// True once the end told by the venue and the books agree.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        if planted!(X19TrimmedNeverEnds) && self.reduce_only() && self.filled.is_positive() {
            return self.filled == self.qty;
        }
        self.filled == self.qty
            || (self.ended.is_some() && self.ended_at.is_some_and(|total| self.filled >= total))
    }

    /// The command that places it.
    #[must_use]
    pub fn place(&self) -> Command {
        Command::Place {
            client: self.client,
            trade: self.trade,
            instrument: self.instrument,
            side: self.side(),
            position_side: self.position_side,
            role: self.role,
            kind: self.kind,
            tif: self.tif,
            reduce_only: self.reduce_only() && !planted!(L21ExitsIncrease),
            qty: self.qty,
            price: Maybe::from(self.price),
        }
    }

    /// The command that cancels it.
    #[must_use]
    pub const fn cancel(&self) -> Command {
        Command::Cancel {
            client: self.client,
            venue_id: self.venue_id,
            instrument: self.instrument,
        }
    }

    /// The command that looks it up.
    #[must_use]
    pub const fn query(&self) -> Command {
        Command::Query { client: self.client, venue_id: self.venue_id, instrument: self.instrument }
    }

    /// Its line.
    #[must_use]
    pub fn record(&self, status: OrderStatus, reason: &'static str) -> Record {
        Record::Order {
            client: self.client,
            trade: self.trade,
            venue_id: self.venue_id,
            instrument: self.instrument,
            side: self.side(),
            position_side: self.position_side,
            kind: self.kind,
            tif: self.tif,
            reduce_only: self.reduce_only(),
            qty: self.qty,
            price: Maybe::from(self.price),
            mid: Maybe::from(self.mid),
            leverage: Maybe::from(self.leverage),
            status,
            reason,
        }
    }
}

/// Who a venue message belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// An order of ours.
    Own(ClientId),
    /// No order of ours.
    Nobody,
    /// An identity of this run that the table does not know (any more).
    Forgotten,
    /// Two identities that contradict each other.
    Conflict,
}

/// The order table. Direct-mapped by order sequence: a look-up by our identity is one index.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Orders {
    epoch: u32,
    next: u32,
    rows: Vec<Option<Order>>,
    /// Where to look for a venue's identity; follows from the rows.
    #[serde(skip)]
    names: Names,
}

impl Orders {
    /// Gives later orders the identities of this epoch. The sequence goes on, so that the orders that are
    /// remembered keep their rows and stay routable by the identity they left under.
    pub(super) fn resume_as(&mut self, epoch: u32) {
        if planted!(X02IdentitiesAgain) {
            (self.next, self.rows) = (1, vec![None; ORDERS_MAX]);
            self.names = Names::of(&self.rows);
            return;
        }
        self.epoch = epoch;
    }

    /// Allocates the table.
    pub(super) fn new(epoch: u32) -> Self {
        let rows = vec![None; ORDERS_MAX];
        Self { epoch, next: 1, names: Names::of(&rows), rows }
    }

    /// Read back: checks that it can be the table of an engine with so many slots and instruments.
    pub(super) fn restored(
        &mut self,
        slots: usize,
        instruments: usize,
        fills: &Fills,
    ) -> Result<(), Damage> {
        const PLACE: &str = "orders";
        Damage::unless(self.rows.len() == ORDERS_MAX, PLACE, None, "a table of its fixed size")?;
        Damage::unless(self.next > 0, PLACE, None, "a sequence that began with 1")?;
        for (index, order) in self.rows.iter().enumerate() {
            let Some(order) = order else { continue };
            let seq = order.client.seq();
            Damage::unless(
                (1..self.next).contains(&seq) && row_of(seq) == index,
                PLACE,
                index,
                "an order of that row, of the past",
            )?;
            Damage::unless(
                order.instrument.index() < instruments && usize::from(order.slot) < slots,
                PLACE,
                index,
                "an instrument and a slot that exist",
            )?;
            Damage::unless(
                (Qty::ZERO..=order.qty).contains(&order.filled) && order.qty.is_positive(),
                PLACE,
                index,
                "a booked quantity within what was ordered",
            )?;
            Damage::unless(
                fills.has_been(order.last_fill),
                PLACE,
                index,
                "a last fill of the past",
            )?;
        }
        self.names = Names::of(&self.rows);
        Ok(())
    }

    /// True when the identity was given out by this table.
    pub(super) const fn has_given(&self, client: ClientId) -> bool {
        client.seq() > 0 && client.seq() < self.next
    }

    /// The next identity whose row holds no order that is not over; `None` when there is none.
    pub(super) fn allocate(&mut self) -> Option<ClientId> {
        for _ in 0..ORDERS_MAX {
            let seq = self.next;
            self.next = seq.checked_add(1)?;
            if self.rows[row_of(seq)].as_ref().is_none_or(|order| order.over) {
                return Some(ClientId::new(self.epoch, seq));
            }
        }
        None
    }

    /// Takes in an order under an identity just allocated.
    pub(super) fn insert(&mut self, order: Order) {
        let row = row_of(order.client.seq());
        self.names.leave(&self.rows, row);
        self.rows[row] = Some(order);
        self.names.enter(&self.rows, row);
    }

    /// Remembers what the venue calls an order.
    pub(super) fn name(&mut self, client: ClientId, venue_id: TextId) {
        let row = row_of(client.seq());
        if self.get(client).is_none() {
            return;
        }
        self.names.leave(&self.rows, row);
        if let Some(order) = &mut self.rows[row] {
            order.venue_id = venue_id;
        }
        self.names.enter(&self.rows, row);
    }

    /// The order of this identity.
    pub(super) fn get(&self, client: ClientId) -> Option<&Order> {
        self.rows[row_of(client.seq())].as_ref().filter(|order| order.client == client)
    }

    /// The order of this identity, to change it.
    pub(super) fn get_mut(&mut self, client: ClientId) -> Option<&mut Order> {
        self.rows[row_of(client.seq())].as_mut().filter(|order| order.client == client)
    }

    /// The order that the venue knows under this identity, newest first.
    pub(super) fn find_venue(&self, venue_id: &TextId) -> Option<ClientId> {
        let named = |order: &&Order| order.venue_id == *venue_id;
        self.names
            .rows(venue_id)
            .filter_map(|row| self.rows.get(row)?.as_ref())
            .filter(named)
            .map(|order| order.client)
            .max_by_key(|client| client.seq())
    }

    /// True when any remembered order belongs to this round trip.
    pub(super) fn knows_trade(&self, trade: TradeId) -> bool {
        self.rows.iter().flatten().any(|order| order.trade == trade)
    }

    /// Routes by venue identity first, then by our own; nothing else attributes a message. An identity
    /// that a row has is ours whatever its epoch; of those without a row only this epoch's were ours for
    /// sure, others may belong to an earlier process.
    pub(super) fn route(&self, client: crate::msg::ClientRef, venue_id: &TextId) -> Route {
        use crate::msg::ClientRef;
        let by_venue = self.find_venue(venue_id);
        let ours = match client {
            // An order of an earlier start is ours while it is remembered.
            ClientRef::Own(id) if id.epoch() == self.epoch || self.get(id).is_some() => Some(id),
            ClientRef::Own(_) | ClientRef::Foreign | ClientRef::Absent => None,
        };
        match (by_venue, ours) {
            (Some(venue), Some(own)) if venue != own => Route::Conflict,
            (Some(venue), _) => Route::Own(venue),
            (None, Some(own)) => match self.get(own) {
                None => Route::Forgotten,
                Some(order) if venue_id.is_empty() || order.venue_id.is_empty() => Route::Own(own),
                Some(_) => Route::Conflict,
            },
            (None, None) => Route::Nobody,
        }
    }
}

/// Rows by the venue's identity: a chain of rows for each of as many buckets as there are rows. Nothing
/// allocates after the table is made.
#[derive(Clone, Debug, Default)]
struct Names {
    /// First row of each bucket, counted from 1; 0 for none.
    heads: Vec<u16>,
    /// The row after each row, the same way.
    nexts: Vec<u16>,
}

impl Names {
    fn of(rows: &[Option<Order>]) -> Self {
        let mut names = Self { heads: vec![0; ORDERS_MAX], nexts: vec![0; ORDERS_MAX] };
        for row in 0..rows.len() {
            names.enter(rows, row);
        }
        names
    }

    /// Rows that may have this identity; none for the empty one.
    fn rows(&self, venue_id: &TextId) -> impl Iterator<Item = usize> {
        let step = |link: u16| usize::from(link).checked_sub(1);
        let first = if venue_id.is_empty() { None } else { step(self.heads[bucket_of(venue_id)]) };
        core::iter::successors(first, move |row| step(self.nexts[*row]))
    }

    /// A row has an identity from now on.
    fn enter(&mut self, rows: &[Option<Order>], row: usize) {
        let Some(bucket) = bucket_of_row(rows, row) else { return };
        self.nexts[row] = self.heads[bucket];
        self.heads[bucket] = link_to(row);
    }

    /// A row is about to lose its identity.
    fn leave(&mut self, rows: &[Option<Order>], row: usize) {
        let Some(bucket) = bucket_of_row(rows, row) else { return };
        let next = self.nexts[row];
        let mut at = &mut self.heads[bucket];
        while *at != link_to(row) {
            let Some(place) = usize::from(*at).checked_sub(1) else { return };
            at = &mut self.nexts[place];
        }
        *at = next;
    }
}

#[expect(clippy::cast_possible_truncation, reason = "at most ORDERS_MAX")]
const fn link_to(row: usize) -> u16 {
    row as u16 + 1
}

fn bucket_of_row(rows: &[Option<Order>], row: usize) -> Option<usize> {
    let order = rows.get(row)?.as_ref()?;
    (!order.venue_id.is_empty()).then(|| bucket_of(&order.venue_id))
}

/// Venues count their orders up, so that the last characters differ most.
fn bucket_of(venue_id: &TextId) -> usize {
    let [a, b, c] = venue_id.words();
    let mixed = (a ^ b.rotate_left(21) ^ c.rotate_left(42)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> (64 - ORDERS_MAX.ilog2())) as usize
}

const fn row_of(seq: u32) -> usize {
    seq as usize & (ORDERS_MAX - 1)
}

#[cfg(test)]
pub(super) fn sample(client: ClientId) -> Order {
    Order {
        trade: TradeId::new(1),
        ..Order::new(client, OrderRole::Entry, OrderKind::Market, TimeInForce::Ioc, Qty::ONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msg::ClientRef;

    fn place(orders: &mut Orders) -> ClientId {
        let client = orders.allocate().expect("room");
        orders.insert(sample(client));
        client
    }

    #[test]
    fn an_order_that_is_not_over_is_never_forgotten() {
        let mut orders = Orders::new(7);
        let resting = place(&mut orders);
        for _ in 0..3 * ORDERS_MAX {
            let client = place(&mut orders);
            orders.get_mut(client).expect("just placed").over = true;
        }
        assert!(orders.get(resting).is_some());
    }

    #[test]
    fn a_venue_identity_is_found_as_long_as_its_order_is_remembered_and_the_newest_wins() {
        let mut orders = Orders::new(7);
        let mut named = Vec::new();
        for number in 0..4 * ORDERS_MAX as u64 {
            let client = place(&mut orders);
            orders.get_mut(client).expect("just placed").over = true;
            // Some share a name, some have none, some get another one later.
            let name = TextId::from_number(number / 2);
            if number % 7 != 0 {
                orders.name(client, name);
                named.push((client, name));
            }
            if number % 11 == 0 && number % 7 != 0 {
                let other = TextId::from_number(1_000_000 + number);
                orders.name(client, other);
                *named.last_mut().expect("just pushed") = (client, other);
            }
            if number % 97 == 0 {
                let rebuilt = Names::of(&orders.rows);
                for (_, name) in named.iter().rev().take(2 * ORDERS_MAX) {
                    let newest = named
                        .iter()
                        .rev()
                        .find(|(client, other)| other == name && orders.get(*client).is_some());
                    let expected = newest.map(|(client, _)| *client);
                    assert_eq!(orders.find_venue(name), expected, "{name:?}");
                    let again = Orders { names: rebuilt.clone(), ..orders.clone() };
                    assert_eq!(again.find_venue(name), expected, "after it was read back");
                    if number % 970 != 0 {
                        break;
                    }
                }
            }
        }
        assert_eq!(orders.find_venue(&TextId::EMPTY), None);
    }

    #[test]
    fn the_venue_identity_comes_first_and_contradictions_are_seen() {
        let mut orders = Orders::new(7);
        let (a, b) = (place(&mut orders), place(&mut orders));
        let venue = TextId::from_number(9001);
        orders.name(a, venue);
        let other = TextId::from_number(9002);
        assert_eq!(orders.route(ClientRef::Absent, &venue), Route::Own(a));
        assert_eq!(orders.route(ClientRef::Foreign, &venue), Route::Own(a));
        assert_eq!(orders.route(ClientRef::Own(b), &venue), Route::Conflict);
        assert_eq!(orders.route(ClientRef::Own(b), &other), Route::Own(b));
        assert_eq!(orders.route(ClientRef::Own(a), &other), Route::Conflict);
        assert_eq!(orders.route(ClientRef::Absent, &other), Route::Nobody);
        assert_eq!(orders.route(ClientRef::Own(ClientId::new(7, 99)), &other), Route::Forgotten);
        let earlier_run = ClientRef::Own(ClientId::new(6, 1));
        assert_eq!(orders.route(earlier_run, &TextId::EMPTY), Route::Nobody);
        orders.resume_as(8);
        assert_eq!(orders.route(ClientRef::Own(b), &TextId::EMPTY), Route::Own(b), "it has a row");
        assert_eq!(orders.allocate(), Some(ClientId::new(8, 3)), "the sequence goes on");
        assert_eq!(orders.route(ClientRef::Own(ClientId::new(7, 99)), &other), Route::Nobody);
    }
}
