//! Faults inside the venue: what it does to orders, fills and requests. They are part of the truth.

use pinion_core::id::InstrumentId;
use pinion_core::msg::TimeInForce;
use pinion_core::msg::venue::RejectReason;
use pinion_core::units::{Money, Nanos, Qty};

use super::dice::Draw;
use super::plan::{Fault, Span};
use crate::paper::PaperVenue;
use crate::paper::market::Pricing;
use crate::paper::orders::Phase;
use crate::paper::place::Request;

/// One match as it is carried out.
pub(in crate::paper) struct Pieces {
    pub(in crate::paper) first: Qty,
    /// Zero when there is only one piece.
    pub(in crate::paper) second: Qty,
    /// The pieces are less than the match.
    pub(in crate::paper) cut: bool,
}

impl PaperVenue {
    /// The numbers of a fault when it happens here and now.
    pub(super) fn roll(&mut self, fault: Fault) -> Option<Draw> {
        self.dice.as_mut()?.roll(fault)
    }

    /// A duration of a fault that happens here and now.
    pub(super) fn roll_ns(&mut self, fault: Fault, span: Span) -> Option<i64> {
        let dice = self.dice.as_mut()?;
        dice.roll(fault).map(|mut draw| dice.span_ns(&mut draw, span))
    }

    /// Some of `qty`: at least one lot, at least one lot less. `None` when that is impossible.
    pub(super) fn some_of(
        &self,
        draw: &mut Draw,
        instrument: InstrumentId,
        qty: Qty,
    ) -> Option<Qty> {
        let lot = self.markets.get(instrument.index())?.lot.raw();
        let lots = qty.raw().checked_div(lot)?;
        (lots >= 2).then(|| Qty::from_raw(draw.between(1, lots - 1) * lot))
    }

    fn has_lots(&self, instrument: InstrumentId, qty: Qty) -> bool {
        let lot = self.markets.get(instrument.index()).map_or(0, |market| market.lot.raw());
        lot > 0 && qty.raw() >= 2 * lot
    }

    /// Cuts or splits a match.
    pub(in crate::paper) fn pieces(&mut self, instrument: InstrumentId, qty: Qty) -> Pieces {
        let whole = Pieces { first: qty, second: Qty::ZERO, cut: false };
        if !self.has_lots(instrument, qty) {
            return whole;
        }
        if let Some(mut draw) = self.roll(Fault::Partial) {
            let some = self.some_of(&mut draw, instrument, qty);
            return some.map_or(whole, |first| Pieces { first, second: Qty::ZERO, cut: true });
        }
        if let Some(mut draw) = self.roll(Fault::Split) {
            let some = self.some_of(&mut draw, instrument, qty);
            return some.map_or(whole, |first| Pieces { first, second: qty - first, cut: false });
        }
        whole
    }

    /// The fee that the venue charges where `fee` was due.
    pub(in crate::paper) fn faulty_fee(&mut self, fee: Money) -> Money {
        if self.roll(Fault::FeeZero).is_some() {
            Money::ZERO
        } else if self.roll(Fault::FeeNegative).is_some() {
            Money::from_raw(-fee.raw().saturating_abs())
        } else if self.roll(Fault::FeeOdd).is_some() {
            Money::from_raw(fee.raw().saturating_mul(3))
        } else {
            fee
        }
    }

    /// Refuses an order that is fine, or trims it.
    pub(in crate::paper) fn doctored(
        &mut self,
        request: &Request,
        checked: (Pricing, Qty),
    ) -> Result<(Pricing, Qty), RejectReason> {
        if self.dice.is_none() {
            return Ok(checked);
        }
        let excuses = [
            (true, Fault::RejectRate, RejectReason::RateLimited),
            (!request.reduces, Fault::RejectMinNotional, RejectReason::MinNotional),
            (!request.reduces, Fault::RejectMargin, RejectReason::Margin),
            (request.reduces, Fault::RejectReduceOnly, RejectReason::ReduceOnly),
            (request.limit.is_some(), Fault::RejectPriceBand, RejectReason::PriceBand),
            (
                request.tif == TimeInForce::PostOnly,
                Fault::RejectPostOnly,
                RejectReason::PostOnlyWouldTake,
            ),
        ];
        for (applies, fault, reason) in excuses {
            if applies && self.roll(fault).is_some() {
                return Err(reason);
            }
        }
        let (pricing, qty) = checked;
        let (Pricing::Walk(last) | Pricing::Prints(last) | Pricing::Bars(last)) = pricing;
        let least = self.table.row(request.instrument).min_notional;
        let notional = request.limit.unwrap_or(last).notional(qty);
        if request.reduces
            && notional.is_some_and(|notional| notional < least)
            && self.roll(Fault::RejectDust).is_some()
        {
            return Err(RejectReason::MinNotional);
        }
        if request.reduces
            && self.has_lots(request.instrument, qty)
            && let Some(mut draw) = self.roll(Fault::ReduceTrim)
        {
            let trimmed = self.some_of(&mut draw, request.instrument, qty);
            return Ok((pricing, trimmed.unwrap_or(qty)));
        }
        Ok(checked)
    }

    /// True when an order is taken for one that meets an order of the same account.
    pub(in crate::paper) fn meets_itself(&mut self) -> bool {
        self.roll(Fault::SelfTrade).is_some()
    }

    /// True when an immediate order that is filled in part ends as if it were filled whole.
    pub(in crate::paper) fn ends_short(&mut self, index: usize) -> bool {
        let part = self
            .orders
            .live
            .get(index)
            .is_some_and(|order| order.end.is_none() && order.cum_qty.is_positive());
        part && self.roll(Fault::FilledShort).is_some()
    }

    /// Lets an order fill as its cancel arrives; why the cancel is refused, when it is.
    pub(in crate::paper) fn race(&mut self, at: Nanos, index: usize) -> Option<RejectReason> {
        if self.roll(Fault::RejectRate).is_some() {
            return Some(RejectReason::RateLimited);
        }
        let order = *self.orders.live.get(index)?;
        let Phase::Resting(resting) = order.phase else { return None };
        let lot = self.markets.get(order.instrument.index())?.lot.raw();
        let lots = order.remaining().raw().checked_div(lot).filter(|lots| *lots > 0)?;
        let mut draw = self.roll(Fault::CancelRace)?;
        let qty = Qty::from_raw(draw.between(1, lots) * lot);
        self.fill(at, index, resting.limit, qty, !resting.takes);
        let ended = self.orders.live.get(index).is_some_and(|order| order.end.is_some());
        ended.then_some(RejectReason::UnknownOrder)
    }

    /// When a request arrives that would have arrived at `due`; never before an earlier one.
    pub(in crate::paper) fn held_back(&mut self, due: Nanos) -> Nanos {
        let extra = self.roll_ns(Fault::OrderJump, Span::Jump).unwrap_or(0);
        let last = self.arrivals.back().map_or(due, |arrival| arrival.due);
        due.plus(extra).max(self.stalled_until).max(last)
    }

    /// Nothing arrives before `until`.
    pub(super) fn stall(&mut self, until: Nanos) {
        self.stalled_until = self.stalled_until.max(until);
        for arrival in &mut self.arrivals {
            arrival.due = arrival.due.max(until);
        }
        self.wake = self.earliest().0;
    }

    /// Halts and stalls end; what waited for them arrives now.
    pub(super) fn resume(&mut self, now: Nanos) {
        (self.halted_until, self.stalled_until) = (now, now);
        let latest = self.order_line.latest().max(now);
        for arrival in &mut self.arrivals {
            arrival.due = arrival.due.min(latest);
        }
        self.wake = self.earliest().0;
    }
}
