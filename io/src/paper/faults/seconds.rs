//! Faults that may come in any second: the stream, the account's other users, the venue's own pauses.

use pinion_core::id::InstrumentId;
use pinion_core::msg::PositionSide;
use pinion_core::msg::venue::ForcedCause;
use pinion_core::units::{Money, Nanos, Qty};

use super::FaultyVenue;
use super::dice::Draw;
use super::outbox::Silence;
use super::plan::{Fault, Span};
use crate::paper::account::Position;
use crate::paper::outside::Outside;

/// Somebody else's trade is worth about the wallet divided by this.
const FOREIGN_SHARE: i64 = 50;
/// A transfer is at most the wallet divided by this.
const TRANSFER_SHARE: i64 = 100;

impl FaultyVenue {
    /// One second went by.
    pub(super) fn second(&mut self, at: Nanos) {
        self.reconnect(at);
        for (fault, is_seen) in [(Fault::Outage, true), (Fault::HalfOpen, false)] {
            if self.is_carrying(at)
                && let Some(ns) = self.inner.roll_ns(fault, Span::Outage)
            {
                self.outbox.fall_silent(Silence { from: at, until: at.plus(ns), is_seen });
            }
        }
        if let Some(ns) = self.inner.roll_ns(Fault::Stall, Span::Stall) {
            let until = at.plus(ns);
            self.inner.stall(until);
            self.floor = self.floor.max(until);
        }
        if let Some(ns) = self.inner.roll_ns(Fault::Halt, Span::Halt) {
            self.inner.halted_until = self.inner.halted_until.max(at.plus(ns));
        }
        if let Some(mut draw) = self.inner.roll(Fault::Transfer) {
            let most = (self.inner.account.wallet.raw() / TRANSFER_SHARE).max(1);
            self.inner.move_money(at, Money::from_raw(draw.between(-most, most)));
        }
        if !self.inner.account.positions.is_empty() {
            self.second_of_positions(at);
        }
        self.second_of_others(at);
    }

    /// After an outage the stream begins with the balance as it is.
    fn reconnect(&mut self, at: Nanos) {
        if self.outbox.silence.is_some_and(|silence| silence.until <= at) && !self.greeted {
            self.greeted = true;
            self.inner.push_balance(at);
        }
        if self.outbox.silence.is_some_and(|silence| silence.until > at) {
            self.greeted = false;
        }
    }

    fn second_of_positions(&mut self, at: Nanos) {
        for (fault, cause) in
            [(Fault::Liquidation, ForcedCause::Liquidation), (Fault::Adl, ForcedCause::Adl)]
        {
            if !self.inner.account.positions.is_empty()
                && let Some(mut draw) = self.inner.roll(fault)
                && let Some(position) = self.any_position(&mut draw)
            {
                let half = draw.below(2) == 0;
                let part = if half { self.part_of(&mut draw, &position) } else { None };
                let trade = closing(&position, part.unwrap_or(position.qty));
                self.inner.close_by_force(at, trade, cause);
            }
        }
        if !self.inner.account.positions.is_empty()
            && let Some(mut draw) = self.inner.roll(Fault::HandClose)
            && let Some(position) = self.any_position(&mut draw)
        {
            self.inner.trade_foreign(at, closing(&position, position.qty), true);
        }
        if !self.inner.account.positions.is_empty()
            && let Some(mut draw) = self.inner.roll(Fault::Funding)
        {
            let count = self.inner.account.positions.len();
            let index = usize::try_from(draw.below(count as u64)).unwrap_or(0);
            let due = self.inner.account.positions[index].funding_due;
            self.inner.exchange_funding(at, index, None);
            self.inner.account.positions[index].funding_due = due;
        }
    }

    fn second_of_others(&mut self, at: Nanos) {
        let (ours, others): (Vec<InstrumentId>, Vec<InstrumentId>) = self
            .table
            .iter()
            .filter(|(id, row)| row.tradable && self.inner.fair(*id).is_some())
            .map(|(id, _)| id)
            .partition(|id| self.is_ours(*id));
        for (fault, places) in [(Fault::ForeignSame, &ours), (Fault::ForeignOther, &others)] {
            if !places.is_empty()
                && let Some(mut draw) = self.inner.roll(fault)
            {
                let instrument = pick(&mut draw, places);
                let trade = self.foreign_trade(&mut draw, instrument);
                self.inner.trade_foreign(at, trade, false);
            }
        }
        let all: Vec<InstrumentId> = ours.into_iter().chain(others).collect();
        if !all.is_empty()
            && let Some(mut draw) = self.inner.roll(Fault::HandOpen)
        {
            let instrument = pick(&mut draw, &all);
            let side = any_side(&mut draw);
            let qty = self.foreign_qty(instrument);
            let trade = Outside { instrument, side, reduces: false, qty };
            self.inner.trade_foreign(at, trade, true);
        }
    }

    fn is_ours(&self, instrument: InstrumentId) -> bool {
        let held = self.inner.account.positions.iter();
        let working = self.inner.orders.live.iter();
        held.map(|p| p.instrument).chain(working.map(|o| o.instrument)).any(|i| i == instrument)
    }

    fn any_position(&self, draw: &mut Draw) -> Option<Position> {
        let positions = &self.inner.account.positions;
        let index = draw.below(positions.len().max(1) as u64);
        positions.get(usize::try_from(index).unwrap_or(0)).copied()
    }

    fn part_of(&self, draw: &mut Draw, position: &Position) -> Option<Qty> {
        self.inner.some_of(draw, position.instrument, position.qty)
    }

    /// Somebody else's trade: as large as what we have there or of a size of its own, mostly on our side. It
    /// reduces what others opened, never what is ours.
    fn foreign_trade(&self, draw: &mut Draw, instrument: InstrumentId) -> Outside {
        let held = self.inner.account.positions.iter().find(|p| p.instrument == instrument);
        let working = self.inner.orders.live.iter().find(|o| o.instrument == instrument);
        let side = held
            .map(|position| position.side)
            .or_else(|| working.map(|order| order.position_side))
            .filter(|_| draw.below(4) > 0)
            .unwrap_or_else(|| any_side(draw));
        let size = held.map(|position| position.own).or_else(|| working.map(|order| order.qty));
        let size = size.filter(|qty| qty.is_positive() && draw.below(2) == 0);
        let qty = size.unwrap_or_else(|| self.foreign_qty(instrument));
        let theirs = self
            .inner
            .account
            .positions
            .iter()
            .find(|p| p.instrument == instrument && p.side == side)
            .map_or(Qty::ZERO, |position| position.qty - position.own);
        let reduces = theirs.is_positive() && draw.below(2) == 0;
        Outside { instrument, side, reduces, qty: if reduces { qty.min(theirs) } else { qty } }
    }

    /// A quantity worth a small share of the wallet; one lot at least.
    fn foreign_qty(&self, instrument: InstrumentId) -> Qty {
        let lot = self.table.row(instrument).lot;
        let worth = Money::from_raw(self.inner.account.wallet.raw() / FOREIGN_SHARE);
        let one = self.inner.fair(instrument).and_then(|price| price.notional(lot));
        let lots = one.and_then(|one| worth.raw().checked_div(one.raw())).unwrap_or(1);
        Qty::from_raw(lot.raw().saturating_mul(lots.clamp(1, 1_000_000)))
    }
}

fn closing(position: &Position, qty: Qty) -> Outside {
    Outside { instrument: position.instrument, side: position.side, reduces: true, qty }
}

fn any_side(draw: &mut Draw) -> PositionSide {
    if draw.below(2) == 0 { PositionSide::Long } else { PositionSide::Short }
}

fn pick(draw: &mut Draw, places: &[InstrumentId]) -> InstrumentId {
    let index = usize::try_from(draw.below(places.len() as u64)).unwrap_or(0);
    places[index]
}
