//! One trade slot: where its round trip stands and what it holds.
//!
//! [`transition`] is the state machine, [`position`] the money; this file is the data between them.

pub mod position;
pub mod transition;

use arrayvec::ArrayVec;
use serde::{Deserialize, Serialize};

use crate::id::{ClientId, InstrumentId, TradeId};
use crate::kernel::intent::LEGS_MAX;
use crate::kernel::outside::Outside;
use crate::kernel::stage::SlotStage;
use crate::kernel::times::Times;
use crate::msg::record::DecisionReason;
use crate::msg::{OrderKind, PositionSide, TimeInForce};
use crate::units::{Money, Nanos, Price, Qty, Rate};

use position::Position;

/// An exit that waits until the working one is proved to be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PendingExit {
    /// What is still wanted; shrinks with fills of the working order.
    pub(super) qty: Qty,
    /// Everything that remains then.
    pub(super) all: bool,
    pub(super) kind: OrderKind,
    pub(super) tif: TimeInForce,
    pub(super) price: Option<Price>,
    /// Life of a limit exit in nanoseconds; see [`OwedExit`].
    pub(super) ttl_ns: Option<i64>,
    pub(super) reason: DecisionReason,
}

/// What the kernel has promised to close: a limit exit with a life leaves it behind, and when its time
/// has come the kernel sends what is still owed by market, again and again, until nothing of it is left.
/// Nobody has to ask, and it is part of what a snapshot keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OwedExit {
    /// When the limit exit's time is over.
    pub(super) due_ns: Nanos,
    /// What is still owed; shrinks with every exit fill.
    pub(super) qty: Qty,
    /// Everything that remains then.
    pub(super) all: bool,
    pub(super) reason: DecisionReason,
}

/// A trade slot. Owner: the kernel; read by the policy.
///
/// What it says of its round trip stays readable after the end, until the next entry.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Slot {
    pub(super) stage: SlotStage,
    pub(super) trade: TradeId,
    pub(super) instrument: InstrumentId,
    pub(super) position: Position,
    pub(super) requested: Qty,
    pub(super) leverage: Option<Rate>,
    pub(super) legs: ArrayVec<Rate, LEGS_MAX>,
    pub(super) leg: u8,
    /// What our exits have closed of the current leg.
    pub(super) leg_closed: Qty,
    /// What is left of the last accepted exit; shrinks with every exit fill, whoever made it.
    pub(super) exit_left: Qty,
    pub(super) entry_order: Option<ClientId>,
    pub(super) exit_order: Option<ClientId>,
    pub(super) pending_exit: Option<PendingExit>,
    pub(super) owed_exit: Option<OwedExit>,
    pub(super) unrealized: Option<Money>,
    pub(super) exit_rejects: u32,
    pub(super) exit_retry_ns: Option<Nanos>,
    pub(super) close_reason: Option<DecisionReason>,
    /// Its dust was reported; once a round trip.
    pub(super) dust_told: bool,
    /// What speaks for a close by somebody else.
    pub(super) outside: Outside,
    /// When the position was taken over; `None` for one of our own.
    pub(super) adopted_ns: Option<Nanos>,
}

impl Slot {
    pub(super) fn new() -> Self {
        Self {
            stage: SlotStage::Idle,
            trade: TradeId::new(0),
            instrument: InstrumentId::new(0),
            position: Position::new(PositionSide::Short),
            requested: Qty::ZERO,
            leverage: None,
            legs: ArrayVec::new(),
            leg: 0,
            leg_closed: Qty::ZERO,
            exit_left: Qty::ZERO,
            entry_order: None,
            exit_order: None,
            pending_exit: None,
            owed_exit: None,
            unrealized: None,
            exit_rejects: 0,
            exit_retry_ns: None,
            close_reason: None,
            dust_told: false,
            outside: Outside::default(),
            adopted_ns: None,
        }
    }

    /// Forgets the round trip before and takes up this one, without a position yet. The stage stays: only
    /// an event moves it.
    pub(super) fn begin(&mut self, trade: TradeId, instrument: InstrumentId, side: PositionSide) {
        *self = Self {
            stage: self.stage,
            trade,
            instrument,
            position: Position::new(side),
            ..Self::new()
        };
    }

    /// Where the round trip stands.
    #[must_use]
    pub const fn stage(&self) -> SlotStage {
        self.stage
    }

    /// True when an entry may use it: never used, given back, or its round trip is written.
    #[must_use]
    pub const fn is_free(&self) -> bool {
        matches!(self.stage, SlotStage::Idle | SlotStage::TradeTerminalWritten)
    }

    /// True while it holds a position.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.position.size.is_positive()
    }

    /// The round trip; `None` in `IDLE`.
    #[must_use]
    pub fn trade(&self) -> Option<TradeId> {
        (self.stage != SlotStage::Idle).then_some(self.trade)
    }

    /// The asset; `None` in `IDLE`.
    #[must_use]
    pub fn instrument(&self) -> Option<InstrumentId> {
        (self.stage != SlotStage::Idle).then_some(self.instrument)
    }

    /// Direction; `None` in `IDLE`.
    #[must_use]
    pub fn side(&self) -> Option<PositionSide> {
        (self.stage != SlotStage::Idle).then_some(self.position.side)
    }

    /// What remains of the position.
    #[must_use]
    pub const fn size(&self) -> Qty {
        self.position.size
    }

    /// Quantity of all entry fills: what the legs are parts of.
    #[must_use]
    pub const fn initial_size(&self) -> Qty {
        self.position.entered
    }

    /// Quantity that the entry asked for.
    #[must_use]
    pub const fn requested(&self) -> Qty {
        self.requested
    }

    /// VWAP of the entry fills; `None` before the first.
    #[must_use]
    pub fn entry_price(&self) -> Option<Price> {
        self.position.entry_price()
    }

    /// Entry notional of what remains.
    #[must_use]
    pub const fn entry_cost(&self) -> Money {
        self.position.cost
    }

    /// Everything about the money of the round trip.
    #[must_use]
    pub const fn position(&self) -> &Position {
        &self.position
    }

    /// Time of the first entry fill.
    #[must_use]
    pub const fn opened_ns(&self) -> Option<Nanos> {
        self.position.opened_ns
    }

    /// Gross result of what was closed.
    #[must_use]
    pub const fn realized(&self) -> Money {
        self.position.realized
    }

    /// Result of closing what remains at the executable price; `None` without a price, zero when flat.
    #[must_use]
    pub fn unrealized(&self) -> Option<Money> {
        if self.is_open() { self.unrealized } else { Some(Money::ZERO) }
    }

    /// Fees of the round trip; positive is a cost.
    #[must_use]
    pub const fn fees(&self) -> Money {
        self.position.fees
    }

    /// Funding of the round trip; positive was paid.
    #[must_use]
    pub const fn funding(&self) -> Money {
        self.position.funding
    }

    /// The venue's leverage setting of the entry; no result contains it. `None` for a position that somebody
    /// else opened.
    #[must_use]
    pub const fn leverage(&self) -> Option<Rate> {
        self.leverage
    }

    /// Leg that comes next or works, from 0.
    #[must_use]
    pub const fn leg(&self) -> u8 {
        self.leg
    }

    /// How many legs the exit has, at least one.
    #[must_use]
    pub fn legs(&self) -> usize {
        self.legs.len().max(1)
    }

    /// The entry order, while it is not proved to be over.
    #[must_use]
    pub const fn entry_order(&self) -> Option<ClientId> {
        self.entry_order
    }

    /// The exit order, while it is not proved to be over.
    #[must_use]
    pub const fn exit_order(&self) -> Option<ClientId> {
        self.exit_order
    }

    /// The orders that are not proved to be over.
    pub(super) fn live(&self) -> impl Iterator<Item = ClientId> + use<> {
        [self.entry_order, self.exit_order].into_iter().flatten()
    }

    /// True while an accepted exit waits for the working exit order to end.
    #[must_use]
    pub const fn is_exit_pending(&self) -> bool {
        self.pending_exit.is_some()
    }

    /// Earliest time at which the policy should ask for an exit again after a refused one. The kernel
    /// takes an earlier one all the same: exits are never held back.
    #[must_use]
    pub const fn exit_retry_at_ns(&self) -> Option<Nanos> {
        self.exit_retry_ns
    }

    /// True while something is left of an accepted exit and no order is there to close it: the venue
    /// refused the order, or it ended unfilled. What a limit exit with a life left over is not meant: the
    /// kernel closes that itself ([`Self::exit_due_ns`]), and nobody else may.
    #[must_use]
    pub const fn is_exit_owed(&self) -> bool {
        self.is_open()
            && self.owed_exit.is_none()
            && self.exit_left.is_positive()
            && self.exit_order.is_none()
            && self.pending_exit.is_none()
    }

    /// What is left of the last accepted exit, to be asked for again when it is owed.
    #[must_use]
    pub const fn exit_left(&self) -> Qty {
        self.exit_left
    }

    /// Exits that the venue refused since the last exit fill.
    #[must_use]
    pub const fn exit_rejects(&self) -> u32 {
        self.exit_rejects
    }

    /// Reason of the last accepted exit.
    #[must_use]
    pub const fn close_reason(&self) -> Option<DecisionReason> {
        self.close_reason
    }

    /// When the kernel closes by market what a limit exit leaves over; `None` without such a promise.
    #[must_use]
    pub fn exit_due_ns(&self) -> Option<Nanos> {
        self.owed_exit.map(|owed| owed.due_ns)
    }

    /// Remembers a refused exit and sets the time of the next try.
    pub(super) fn exit_refused(&mut self, now: Nanos, times: &Times) {
        let wait = times
            .exit_retry_first_ns
            .saturating_mul(1 << self.exit_rejects.min(16))
            .min(times.exit_retry_max_ns);
        self.exit_rejects = self.exit_rejects.saturating_add(1);
        self.exit_retry_ns = Some(now.plus(wait));
    }

    /// Quantity of an exit: never above the size, never zero while something remains, a multiple of the
    /// lot unless it is all. A wanted quantity that makes no sense means all.
    #[must_use]
    pub(super) fn exit_quantity(&self, wanted: Option<Qty>, all: bool, lot: Qty) -> Qty {
        let size = self.position.size;
        if planted!(D17ExitUnlimited | X18ExitFlips) {
            return wanted.filter(|qty| qty.is_positive()).unwrap_or(size);
        }
        let wanted = match wanted {
            _ if all || self.stage == SlotStage::Dust => size,
            Some(qty) if qty.is_positive() => qty.min(size),
            Some(_) => size,
            None => self.leg_quantity().min(size),
        };
        let mut qty = if wanted == size { size } else { wanted.floor_to(lot) };
        if qty.is_zero() {
            qty = lot.min(size);
        }
        if size - qty < lot { size } else { qty }
    }

    /// An exit of ours has closed this much. A leg of which less than a lot is left is used up, and the next
    /// one is the current one.
    pub(super) fn close_leg(&mut self, qty: Qty, lot: Qty) {
        self.leg_closed = self.leg_closed.checked_add(qty).unwrap_or(Qty::MAX);
        while let Some(whole) = self.leg_whole()
            && whole - whole.min(self.leg_closed) < lot
            && !planted!(D18LegStuck)
        {
            self.leg_closed -= whole.min(self.leg_closed);
            self.leg += 1;
        }
    }

    /// The current leg's part of what was entered; `None` for the last one, which is what remains.
    fn leg_whole(&self) -> Option<Qty> {
        let leg = usize::from(self.leg);
        let is_last = leg + 1 >= self.legs() && !planted!(X46LastLegByRatio);
        let part = self.legs.get(leg).filter(|_| !is_last)?;
        crate::units::mul_half_even(self.position.entered.raw(), part.raw()).map(Qty::from_raw)
    }

    /// What the current leg still has to close.
    fn leg_quantity(&self) -> Qty {
        let left = self.leg_whole().map(|whole| whole - whole.min(self.leg_closed));
        left.unwrap_or(self.position.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn slot(size: i64, legs: &[&str]) -> Slot {
        let mut slot = Slot::new();
        slot.legs = legs.iter().map(|leg| leg.parse().expect("rate")).collect();
        slot.position
            .enter(Nanos::ZERO, Qty::from_whole(size), Money::from_whole(size))
            .expect("fits");
        slot
    }

    #[test]
    fn an_exit_is_between_one_lot_and_the_size() {
        let slot = slot(10, &[]);
        let ask = |qty: &str| {
            let qty = Qty::parse(qty.as_bytes()).expect("qty");
            slot.exit_quantity(Some(qty), false, Qty::ONE)
        };
        for (wanted, gets) in
            [("-1", 10), ("0", 10), ("0.4", 1), ("3.7", 3), ("9.5", 9), ("10", 10), ("100", 10)]
        {
            assert_eq!(ask(wanted), Qty::from_whole(gets), "{wanted}");
        }
        assert_eq!(slot.exit_quantity(Some(Qty::ONE), true, Qty::ONE), Qty::from_whole(10));
        let mut odd = slot.clone();
        odd.position.size = Qty::parse(b"10.5").expect("qty");
        let all_but_dust = odd.exit_quantity(Some(Qty::from_whole(10)), false, Qty::ONE);
        assert_eq!(all_but_dust, odd.size(), "no dust below the lot stays");
        assert_eq!(slot.exit_quantity(None, false, Qty::ONE), Qty::from_whole(10));
    }

    #[test]
    fn legs_are_parts_of_what_was_entered_and_the_last_is_the_rest() {
        let mut slot = slot(10, &["0.3", "0.3", "0.4"]);
        let mut sold = Qty::ZERO;
        for (leg, gets) in [3, 3, 4].into_iter().enumerate() {
            slot.leg = u8::try_from(leg).expect("small");
            let qty = slot.exit_quantity(None, false, Qty::ONE);
            assert_eq!(qty, Qty::from_whole(gets));
            slot.position.exit(Nanos::ZERO, qty, Money::ZERO).expect("fits");
            sold += qty;
        }
        assert_eq!(sold, Qty::from_whole(10));
        assert_eq!(slot.size(), Qty::ZERO);
    }

    #[test]
    fn refused_exits_wait_longer_each_time_up_to_a_bound() {
        let mut slot = slot(1, &[]);
        let mut waits = std::vec::Vec::new();
        let times = Times::of(&Settings::default());
        for _ in 0..40 {
            slot.exit_refused(Nanos::ZERO, &times);
            waits.push(slot.exit_retry_at_ns().expect("set").get());
        }
        assert_eq!(waits[..3], [250_000_000, 500_000_000, 1_000_000_000]);
        assert!(waits.iter().all(|wait| (1..=5_000_000_000).contains(wait)));
    }
}
