//! Closes that no order of ours made: by the venue (liquidation, auto-deleveraging), or by somebody else
//! on the same account.
//!
//! A forced close is told by the venue as a fill and is booked as one. A close by somebody else is not told
//! as ours: it shows in position snapshots, and only when three in a row over `guard.outside_close_ns` show
//! less than we hold while no order of ours can be the reason. Both are booked as an exit under an order
//! line of their own, which stands for the order we did not send. Where somebody else holds the same side
//! the close may have been of his part; when our own exits turn out to have filled more than is left, that
//! is proved, and the booking is taken back as far as it was wrong.

use arrayvec::ArrayVec;
use serde::{Deserialize, Serialize};

use crate::id::{ClientId, InstrumentId, TextId};
use crate::kernel::book::FillIn;
use crate::kernel::fills::AppliedFill;
use crate::kernel::ledger::Entry;
use crate::kernel::orders::Order;
use crate::kernel::{Code, Effects, Kernel, Verdict};
use crate::msg::record::{DecisionReason, OrderStatus};
use crate::msg::venue::ForcedCause;
use crate::msg::{Maybe, OrderKind, OrderRole, PositionSide, TimeInForce};
use crate::units::{Money, Nanos, Price, Qty};

/// Fewest snapshots in a row that prove a close by somebody else.
const SNAPSHOTS_MIN: u32 = 3;

/// A forced close of a position that we did not hold when it was told.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct EarlyForced {
    instrument: Option<InstrumentId>,
    side: PositionSide,
    fill: FillIn,
    cause: ForcedCause,
    /// The entry that worked on that side: its fills may come later than this.
    entry: Option<ClientId>,
    told_ns: Nanos,
}

/// The last forced closes of positions that were not ours: none of them is news when it is told again, though
/// we hold that asset by then.
pub(super) type EarlyForcedCloses = ArrayVec<EarlyForced, 64>;

/// What speaks for a close by somebody else, since the last snapshot that agreed or our own last fill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Outside {
    /// Snapshots in a row that showed less than we hold, and the time of the first.
    snapshots: u32,
    since_ns: Nanos,
    /// Fills on the asset's exit side that belong to no order of ours.
    qty: Qty,
    notional: Money,
    /// Their fees as the venue signs them; `None` when one did not tell.
    fees: Option<Money>,
    last_fill: TextId,
}

impl Outside {
    /// Takes in a fill that nobody claims. One without a price, and a sum that does not fit, are as good as
    /// none.
    fn add(&mut self, fill: &FillIn) {
        let is_again = !fill.fill_id.is_empty() && fill.fill_id == self.last_fill;
        let is_told = fill.qty.is_positive() && fill.price.is_positive();
        let sums = fill.price.notional(fill.qty).and_then(|notional| {
            Some((self.qty.checked_add(fill.qty)?, self.notional.checked_add(notional)?))
        });
        let Some((qty, notional)) = sums.filter(|_| !is_again && is_told) else {
            return;
        };
        let before = if self.qty.is_zero() { Some(Money::ZERO) } else { self.fees };
        self.fees = before.zip(fill.fee).and_then(|(sum, fee)| sum.checked_add(fee));
        (self.qty, self.notional, self.last_fill) = (qty, notional, fill.fill_id);
    }

    /// Mean price and share of the fees of `qty`, where the fills cover it.
    fn price_of(&self, qty: Qty) -> Option<(Price, Option<Money>)> {
        if self.qty < qty {
            return None;
        }
        let price = self.notional.per(self.qty).filter(|price| price.is_positive())?;
        Some((price, self.fees.and_then(|fees| fees.share(qty, self.qty))))
    }
}

impl Kernel {
    /// The venue closed a position of its own accord.
    pub(super) fn on_forced(
        &mut self,
        now: Nanos,
        instrument: Option<InstrumentId>,
        side: PositionSide,
        fill: &FillIn,
        cause: ForcedCause,
        out: &mut Effects,
    ) -> Verdict {
        self.heat(now, instrument);
        if planted!(F01ForcedNotBooked) {
            return Verdict::refused(Code::ForeignFill);
        }
        if let Some(number) = self.forced_before(instrument, fill) {
            if let Some(fee) = fill.fee {
                let _verdict = self.settle(number, fee, out);
            }
            return Verdict::refused(Code::DuplicateEvent);
        }
        let holder = self.slots.iter().position(|slot| {
            slot.is_open() && Some(slot.instrument) == instrument && slot.position.side == side
        });
        if self.is_early_forced(instrument, fill) {
            return Verdict::refused(Code::DuplicateEvent);
        }
        let is_old = |index: usize| self.is_before_adoption(index, fill);
        if holder.is_some_and(is_old) {
            return Verdict::refused(Code::DuplicateEvent);
        }
        let Some(index) = holder else {
            self.keep_forced(now, instrument, side, fill, cause);
            return Verdict::refused(Code::ForeignFill);
        };
        if !fill.qty.is_positive() || !fill.price.is_positive() {
            // What it was shows in the next position snapshots.
            self.wants_positions = true;
            self.fault("a forced close without quantity or price", out);
            return Verdict::refused(Code::Violation);
        }
        let reason = match cause {
            ForcedCause::Liquidation => DecisionReason::Liquidation,
            ForcedCause::Adl => DecisionReason::Adl,
        };
        let surplus = fill.qty > self.slots[index].position.size;
        let verdict = self.book_outside(now, index, fill, reason, out);
        if surplus {
            // Somebody else held the rest of it, or we held more than we know.
            self.wants_positions = true;
            self.fault("a forced close of more than we hold", out);
        }
        verdict
    }

    /// The number of a forced fill that was booked before.
    fn forced_before(&self, instrument: Option<InstrumentId>, fill: &FillIn) -> Option<u64> {
        let is_same = |known: &AppliedFill| {
            if fill.fill_id.is_empty() {
                known.looks_like(fill.qty, fill.price, fill.ts_exch_ns)
            } else {
                known.fill_id == fill.fill_id
            }
        };
        // Venues number the fills of different orders alike: only one that was no order's counts.
        let is_outside =
            |known: &AppliedFill| self.orders.get(known.order).is_none_or(|order| order.is_outside);
        let mut alike = self.fills.newest().filter(|known| {
            is_same(known) && Some(known.instrument) == instrument && is_outside(known)
        });
        alike.next().map(|known| known.number)
    }

    /// True when the venue closed this long before the position was taken over, which was what remained.
    fn is_before_adoption(&self, index: usize, fill: &FillIn) -> bool {
        let adopted = self.slots.get(index).and_then(|slot| slot.adopted_ns);
        let forced = fill.ts_exch_ns.get();
        // A view that lags may have shown it from before the close; clocks differ.
        let margin_ns = self.times.view_lag_ns.saturating_mul(2);
        adopted.zip(forced).is_some_and(|(adopted, forced)| forced.plus(margin_ns) < adopted)
    }

    /// True when this close was told before, of a position that was not ours then.
    fn is_early_forced(&self, instrument: Option<InstrumentId>, fill: &FillIn) -> bool {
        self.early_forced.iter().any(|known| {
            let is_same = if fill.fill_id.is_empty() {
                let key = |fill: &FillIn| (fill.qty, fill.price, fill.ts_exch_ns);
                fill.ts_exch_ns != Maybe::NONE && key(fill) == key(&known.fill)
            } else {
                fill.fill_id == known.fill.fill_id
            };
            is_same && known.instrument == instrument
        })
    }

    fn keep_forced(
        &mut self,
        now: Nanos,
        instrument: Option<InstrumentId>,
        side: PositionSide,
        fill: &FillIn,
        cause: ForcedCause,
    ) {
        let enters = |order: &&Order| {
            order.role == OrderRole::Entry
                && Some(order.instrument) == instrument
                && order.position_side == side
        };
        let entry = self.live_orders().find(enters).map(|order| order.client);
        if self.early_forced.is_full() {
            self.early_forced.remove(0);
        }
        let told_ns = now;
        self.early_forced.push(EarlyForced {
            instrument,
            side,
            fill: *fill,
            cause,
            entry,
            told_ns,
        });
    }

    /// A fill of an entry came: what the venue closed by force after it, and told before it, was of it. Without
    /// the venue's times of both, what it told a moment ago.
    pub(super) fn claim_forced(
        &mut self,
        now: Nanos,
        entry: ClientId,
        filled_ns: Maybe<Nanos>,
        out: &mut Effects,
    ) {
        let Some(index) = self.orders.get(entry).map(|order| usize::from(order.slot)) else {
            return;
        };
        let mut at = 0;
        while let Some(early) = self.early_forced.get(at).copied() {
            let slot = &self.slots[index];
            let is_later = match (filled_ns.get(), early.fill.ts_exch_ns.get()) {
                (Some(filled), Some(forced)) => filled <= forced,
                (Some(_) | None, _) => now.since(early.told_ns) <= self.times.view_lag_ns,
            };
            let is_ours = early.entry == Some(entry)
                && is_later
                && slot.is_open()
                && Some(slot.instrument) == early.instrument
                && early.fill.qty <= slot.position.size;
            if is_ours {
                self.early_forced.remove(at);
                let EarlyForced { instrument, side, fill, cause, .. } = early;
                let _verdict = self.on_forced(now, instrument, side, &fill, cause, out);
            } else {
                at += 1;
            }
        }
    }

    /// A fill that belongs to no order of ours, of an asset that we hold.
    pub(super) fn note_unclaimed(&mut self, instrument: Option<InstrumentId>, fill: &FillIn) {
        for slot in &mut self.slots {
            let closes = slot.is_open()
                && Some(slot.instrument) == instrument
                && fill.side == Some(slot.position.side.exit_side());
            if closes {
                slot.outside.add(fill);
            }
        }
    }

    /// Looks at a whole current position snapshot for positions that are smaller than ours; true when one
    /// was booked as closed by somebody else.
    pub(super) fn close_outside(&mut self, now: Nanos, out: &mut Effects) -> bool {
        let mut booked = false;
        for index in 0..self.slots.len() {
            let Some(missing) = self.missing(index) else {
                self.slots[index].outside = Outside::default();
                continue;
            };
            if !self.is_quiet(now, index) {
                continue;
            }
            let outside = &mut self.slots[index].outside;
            if outside.snapshots == 0 {
                outside.since_ns = now;
            }
            outside.snapshots = outside.snapshots.saturating_add(1);
            let proved = outside.snapshots >= SNAPSHOTS_MIN
                && now.since(outside.since_ns) >= self.times.outside_close_ns;
            let Some((price, fee)) = self.outside_price(index, missing).filter(|_| proved) else {
                continue;
            };
            let taker = Some(false);
            let fill = FillIn { fee, is_maker: taker, ..FillIn::bare(missing, price) };
            let reason = DecisionReason::ExternalClose;
            if self.book_outside(now, index, &fill, reason, out).accepted {
                self.fault("a position was closed outside", out);
                booked = true;
            }
        }
        booked
    }

    /// What the last snapshot lacks of a slot's position.
    fn missing(&self, index: usize) -> Option<Qty> {
        let slot = self.slots.get(index).filter(|slot| slot.is_open())?;
        let [long, short] = self.held(slot.instrument);
        let shown = self.facts.shown(slot.instrument)?;
        if planted!(X47OnlyRowsCompared) && shown.long.is_zero() && shown.short.is_zero() {
            return None;
        }
        let (held, shown) = match slot.position.side {
            PositionSide::Long => (long, shown.long),
            PositionSide::Short => (short, shown.short),
        };
        let missing = held.checked_sub(shown).filter(|missing| missing.is_positive())?;
        Some(missing.min(slot.position.size))
    }

    /// No order of the slot can be the reason for what the venue shows: none lives, or the venue has
    /// denied it for long.
    fn is_quiet(&self, now: Nanos, index: usize) -> bool {
        self.slots[index]
            .live()
            .filter_map(|client| self.orders.get(client))
            .all(|order| self.is_gone(now, order))
    }

    /// Price and fee of a close by somebody else: those of the fills that nobody claimed, else the market.
    fn outside_price(&self, index: usize, qty: Qty) -> Option<(Price, Option<Money>)> {
        let slot = &self.slots[index];
        slot.outside.price_of(qty).or_else(|| {
            let top = self.markets.get(slot.instrument.index())?.top;
            let (price, _) = top.executable(slot.position.side.exit_side())?;
            Some((price, None))
        })
    }

    /// An exit of ours filled more than the slot still holds by our books. Its fills are certain; that a close
    /// by the venue or by somebody else was of our position is not, where others hold the same side. So
    /// as much of such a close as is missing is taken back, newest first; true when the slot holds `qty`.
    pub(super) fn give_back_outside(&mut self, index: usize, qty: Qty, out: &mut Effects) -> bool {
        let mut gave = false;
        loop {
            let slot = &self.slots[index];
            let Some(wanted) = qty.checked_sub(slot.position.size).filter(|qty| qty.is_positive())
            else {
                break;
            };
            let is_outside = |fill: &&AppliedFill| {
                fill.trade == slot.trade
                    && fill.qty.is_positive()
                    && self.orders.get(fill.order).is_some_and(|order| order.is_outside)
            };
            let Some(fill) = self.fills.newest().find(is_outside).copied() else { break };
            if self.give_back(index, &fill, wanted.min(fill.qty)).is_none() {
                break;
            }
            gave = true;
        }
        if gave {
            self.fault("a close by somebody else was not of our position", out);
        }
        self.slots[index].position.size >= qty
    }

    /// Takes back `part` of a fill that was no order of ours: position, books and both memories together.
    fn give_back(&mut self, index: usize, fill: &AppliedFill, part: Qty) -> Option<()> {
        let left = fill.qty.checked_sub(part)?;
        let notional = fill.price.notional(fill.qty)?.checked_sub(fill.price.notional(left)?)?;
        let fee = fill.fee.share(part, fill.qty)?;
        let (mut position, mut ledger) = (self.slots[index].position, self.ledger);
        let realized = position.give_back(part, notional).ok()?;
        position.fees = position.fees.checked_sub(fee)?;
        let fees = Money::ZERO.checked_sub(fee)?;
        ledger.book(Entry { realized, fees, ..Entry::default() }).ok()?;
        let order = self.orders.get_mut(fill.order)?;
        order.filled = order.filled.checked_sub(part)?;
        order.notional = order.notional.checked_sub(notional)?;
        let applied = self.fills.get_mut(fill.number)?;
        (applied.qty, applied.fee) = (left, fill.fee.checked_sub(fee)?);
        applied.notional = fill.notional.checked_sub(notional)?;
        // What is told of its fee from now on is not ours alone.
        applied.settled = true;
        (self.slots[index].position, self.ledger) = (position, ledger);
        self.revision += 1;
        Some(())
    }

    /// Books an exit that no order of ours made, up to the size. What works of the slot is called back.
    fn book_outside(
        &mut self,
        now: Nanos,
        index: usize,
        fill: &FillIn,
        reason: DecisionReason,
        out: &mut Effects,
    ) -> Verdict {
        let Some(client) = self.orders.allocate() else {
            self.fault("no order identity left", out);
            return Verdict::refused(Code::RateLimited);
        };
        let slot = &mut self.slots[index];
        let qty = fill.qty.min(slot.position.size);
        slot.close_reason = Some(reason);
        #[expect(clippy::cast_possible_truncation, reason = "at most 16 slots")]
        let order = Order {
            slot: index as u8,
            trade: slot.trade,
            instrument: slot.instrument,
            position_side: slot.position.side,
            status: OrderStatus::Acked,
            is_outside: true,
            ..Order::new(client, OrderRole::Exit, OrderKind::Market, TimeInForce::Ioc, qty)
        };
        self.orders.insert(order);
        out.record(order.record(OrderStatus::Acked, reason.as_str()));
        // A fee for more than we held is not ours alone.
        let fee = match fill.fee {
            Some(fee) if qty < fill.qty => fee.share(qty, fill.qty),
            told => told,
        };
        let verdict = self.book_fill(now, client, &FillIn { fee, ..*fill }, qty, out);
        if !verdict.accepted {
            // The books did not take it; the order that stands for it is over all the same.
            self.retire(client);
        }
        verdict
    }
}
