//! Fills that a look-up told before they came themselves: booked at the order's average, and put right when
//! they come.
//!
//! A venue's average is rounded, and says nothing of the single fills. What it makes of a quantity is booked
//! all the same, for the position is there; and the difference to the fill's own value is booked when that
//! comes. So the books are exact once every fill has come, whichever way it was told first.

use crate::id::ClientId;
use crate::kernel::book::{FillIn, fee_basis};
use crate::kernel::fills::AppliedFill;
use crate::kernel::ledger::Entry;
use crate::kernel::orders::Order;
use crate::kernel::{Code, Effects, Kernel, Verdict};
use crate::msg::{Maybe, OrderRole, PositionSide, Record};
use crate::units::{Money, Nanos, Price, Qty};

impl Kernel {
    /// Books what a look-up told beyond the fills that came, at the value that makes the average right. The
    /// average is rounded; what it is off is booked when the fills themselves come.
    pub(super) fn infer_fill(
        &mut self,
        now: Nanos,
        client: ClientId,
        total: Qty,
        avg_price: Option<Price>,
        out: &mut Effects,
    ) {
        let Some(order) = self.orders.get(client).copied() else { return };
        let missing = total - order.filled;
        let Some(avg) = avg_price.filter(|avg| avg.is_positive()) else {
            self.look_up_by(client, now.plus(self.times.lookup_first_ns));
            return;
        };
        let rest = avg.notional(total).and_then(|all| {
            let rest = all.checked_sub(order.notional)?;
            Some((rest.per(missing).filter(|price| price.is_positive())?, rest))
        });
        let (price, notional) = match rest {
            Some((price, rest)) => (price, Some(rest)),
            None => (avg, avg.notional(missing)),
        };
        let fill = FillIn { cum: Some(total), ..FillIn::bare(missing, price) };
        if !self.book_at(now, client, &fill, missing, notional, out).accepted {
            return;
        }
        let last = match self.orders.get_mut(client) {
            Some(order) => {
                order.inferred = order.inferred.checked_add(missing).unwrap_or(missing);
                order.inferred_up_to = total;
                order.last_fill
            }
            None => 0,
        };
        if let Some(applied) = self.fills.get_mut(last) {
            applied.inferred = true;
        }
        self.claim_forced(now, client, Maybe::NONE, out);
    }

    /// The venue's own fill of a quantity that was booked from a look-up: new are its identity, its fee, and
    /// by how much its value is off the average that was booked.
    pub(super) fn claim_inferred(
        &mut self,
        now: Nanos,
        client: ClientId,
        fill: &FillIn,
        out: &mut Effects,
    ) -> Verdict {
        let Some(order) = self.orders.get(client).copied() else {
            return Verdict::refused(Code::UnresolvedSlot);
        };
        let beyond = fill.qty - fill.qty.min(order.inferred);
        let told = order.told.checked_add(order.without_total).unwrap_or(Qty::MAX);
        let beyond = match (fill.fill_id.is_empty(), fill.cum) {
            (_, None) => beyond,
            (true, Some(_)) => Qty::ZERO,
            (false, Some(_)) => beyond.min(told - order.filled).max(Qty::ZERO),
        };
        if beyond.is_positive() {
            // A fill that told no total was taken for a part of this one: what that took is new. The fee of the
            // whole goes with the part that was inferred.
            let rest = FillIn { fee: Some(Money::ZERO), ..*fill };
            let verdict = self.book_fill(now, client, &rest, beyond, out);
            if !verdict.accepted {
                return verdict;
            }
        }
        let Some(order) = self.orders.get(client).copied() else {
            return Verdict::refused(Code::UnresolvedSlot);
        };
        let mut left = fill.qty - beyond;
        let mut predicted = Money::ZERO;
        let mut booked = Money::ZERO;
        let mut at = order.last_fill;
        while let Some(applied) = self.fills.get_mut(at) {
            at = applied.previous;
            if !applied.inferred || !left.is_positive() || !applied.qty.is_positive() {
                continue;
            }
            let part = left.min(applied.qty);
            // The whole takes the whole: amount × quantity ÷ quantity has no rounding.
            let of = |amount: Money| amount.share(part, applied.qty).unwrap_or(Money::ZERO);
            let (fee, notional) = (of(applied.fee), of(applied.notional));
            applied.qty -= part;
            applied.fee -= fee;
            applied.notional -= notional;
            left -= part;
            predicted = predicted.checked_add(fee).unwrap_or(predicted);
            booked = booked.checked_add(notional).unwrap_or(booked);
        }
        let claimed = fill.qty - beyond - left;
        let notional = self.reprice(&order, fill, claimed, booked, out);
        let number = self.fills.push(AppliedFill {
            number: 0,
            previous: order.last_fill,
            order: client,
            trade: order.trade,
            slot: order.slot,
            instrument: order.instrument,
            fill_id: fill.fill_id,
            price: fill.price,
            ts_exch_ns: fill.ts_exch_ns,
            qty: fill.qty,
            told: fill.qty,
            notional,
            fee: predicted,
            settled: false,
            basis: fee_basis(&order, fill, fill.qty),
            inferred: false,
        });
        if let Some(order) = self.orders.get_mut(client) {
            order.last_fill = number;
            order.inferred -= order.inferred.min(claimed);
            if fill.cum.is_none() {
                order.without_total += claimed;
            }
        }
        match fill.fee.or_else(|| self.fills.take_fee(order.instrument, &fill.fill_id)) {
            Some(fee) => self.settle(number, fee, out),
            None => Verdict::OK,
        }
    }

    /// Replaces the value at which a quantity was inferred by that of its own fill, in position and result; the
    /// value that is booked now.
    fn reprice(
        &mut self,
        order: &Order,
        fill: &FillIn,
        qty: Qty,
        inferred: Money,
        out: &mut Effects,
    ) -> Money {
        let Some(difference) =
            fill.price.notional(qty).and_then(|notional| notional.checked_sub(inferred))
        else {
            self.fault("a sum of money left its range", out);
            return inferred;
        };
        if difference.is_zero() {
            return inferred;
        }
        let index = usize::from(order.slot);
        let mut position = self.slots[index].position;
        let mut ledger = self.ledger;
        let shows = self.slots[index].trade == order.trade;
        let booked = if shows {
            position.reprice(order.role, difference)
        } else {
            // The round trip is over and forgotten: what it cost more or brought more is all result.
            let gains =
                (order.role == OrderRole::Exit) == (order.position_side == PositionSide::Long);
            if gains { Some(difference) } else { Money::ZERO.checked_sub(difference) }
        }
        .and_then(|realized| {
            ledger.book(Entry { realized, ..Entry::default() }).ok()?;
            order.notional.checked_add(difference)
        });
        let Some(total) = booked else {
            self.fault("a sum of money left its range", out);
            return inferred;
        };
        self.ledger = ledger;
        if shows {
            self.slots[index].position = position;
        }
        if let Some(order) = self.orders.get_mut(order.client) {
            order.notional = total;
        }
        self.mark(order.instrument);
        let notional = inferred + difference;
        out.record(Record::FillPriced {
            client: order.client,
            trade: order.trade,
            fill_id: fill.fill_id,
            instrument: order.instrument,
            qty,
            price: fill.price,
            estimated: inferred,
            notional,
        });
        out.record(self.account_record());
        notional
    }
}
