//! Memory of applied fills: each is applied once, and its fee can be corrected later.
//!
//! Fills of one order form a chain from [`super::orders::Order::last_fill`], newest first: a duplicate
//! is looked for only among the fills of its own order.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use arrayvec::ArrayVec;

use crate::engine::Damage;
use crate::id::{ClientId, InstrumentId, TextId, TradeId};
use crate::kernel::fee_model::FeeBasis;
use crate::msg::Maybe;
use crate::units::{Money, Nanos, Price, Qty};

/// Fills that are remembered. Older ones are covered by the order's total.
pub(super) const FILLS_MAX: usize = 4096;
/// Settled fees that may wait for their fill.
pub(super) const EARLY_FEES_MAX: usize = 16;

/// A fill that was booked.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct AppliedFill {
    /// Its number, from 1; set by [`Fills::push`].
    pub(super) number: u64,
    /// The fill of the same order before it; 0 for none.
    pub(super) previous: u64,
    pub(super) order: ClientId,
    pub(super) trade: TradeId,
    pub(super) slot: u8,
    pub(super) instrument: InstrumentId,
    /// Empty when the venue gave none.
    pub(super) fill_id: TextId,
    pub(super) price: Price,
    /// The venue's time of it, where told.
    pub(super) ts_exch_ns: Maybe<Nanos>,
    pub(super) qty: Qty,
    /// The quantity as it was told, which may be more than what of it was booked.
    pub(super) told: Qty,
    /// Booked value: what position and result were moved by.
    pub(super) notional: Money,
    /// Booked fee; positive is a cost.
    pub(super) fee: Money,
    /// The fee is the venue's, not a prediction.
    pub(super) settled: bool,
    /// What its fee is measured by; `None` when it is not certain, and its fee then teaches nothing.
    pub(super) basis: Option<FeeBasis>,
    /// Booked from a query's answer; the venue's own fill has not come. Quantity, value and fee are those of
    /// which that holds.
    pub(super) inferred: bool,
}

impl AppliedFill {
    /// True when a fill without an identity could be this one: told with the same quantity, price and venue
    /// time. Without a time nothing is alike.
    pub(super) fn looks_like(&self, qty: Qty, price: Price, ts_exch_ns: Maybe<Nanos>) -> bool {
        ts_exch_ns != Maybe::NONE
            && (self.told, self.price, self.ts_exch_ns) == (qty, price, ts_exch_ns)
    }
}

/// A settled fee that came before its fill.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct EarlyFee {
    instrument: Option<InstrumentId>,
    fill_id: TextId,
    fee: Money,
}

/// The memory: a ring, allocated once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Fills {
    ring: Vec<AppliedFill>,
    next: u64,
    early: ArrayVec<EarlyFee, EARLY_FEES_MAX>,
}

impl Fills {
    pub(super) fn new() -> Self {
        Self { ring: Vec::with_capacity(FILLS_MAX), next: 1, early: ArrayVec::new() }
    }

    /// Read back: checks that it can be a memory of fills, and allocates the rest of it.
    pub(super) fn restored(&mut self, slots: usize, instruments: usize) -> Result<(), Damage> {
        const PLACE: &str = "fills";
        let numbers = u64::try_from(self.ring.len()).unwrap_or(u64::MAX);
        let held = self.next.saturating_sub(1).min(FILLS_MAX as u64);
        Damage::unless(
            self.next > 0 && numbers == held,
            PLACE,
            None,
            "as many fills as were numbered, up to the size of the memory",
        )?;
        for (index, fill) in self.ring.iter().enumerate() {
            let number = fill.number;
            Damage::unless(
                number > 0
                    && index_of(number) == index
                    && number < self.next
                    && self.next - number <= FILLS_MAX as u64,
                PLACE,
                index,
                "a fill of that place",
            )?;
            Damage::unless(fill.previous < number, PLACE, index, "a chain into the past")?;
            Damage::unless(
                fill.instrument.index() < instruments && usize::from(fill.slot) < slots,
                PLACE,
                index,
                "an instrument and a slot that exist",
            )?;
        }
        let known = |early: &EarlyFee| early.instrument.is_none_or(|id| id.index() < instruments);
        Damage::unless(
            self.early.iter().all(known),
            "fees that wait for their fill",
            None,
            "instruments that exist",
        )?;
        self.ring.reserve_exact(FILLS_MAX - self.ring.len());
        Ok(())
    }

    /// True for a number that was given out, and for none.
    pub(super) const fn has_been(&self, number: u64) -> bool {
        number < self.next
    }

    /// Remembers a fill and gives its number.
    pub(super) fn push(&mut self, mut fill: AppliedFill) -> u64 {
        fill.number = self.next;
        self.next += 1;
        if self.ring.len() < FILLS_MAX {
            self.ring.push(fill);
        } else {
            self.ring[index_of(fill.number)] = fill;
        }
        fill.number
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut AppliedFill> {
        if number == 0 {
            return None;
        }
        self.ring.get_mut(index_of(number)).filter(|fill| fill.number == number)
    }

    fn get(&self, number: u64) -> Option<&AppliedFill> {
        if number == 0 {
            return None;
        }
        self.ring.get(index_of(number)).filter(|fill| fill.number == number)
    }

    /// The fills of one order, newest first.
    pub(super) fn chain(&self, last: u64) -> impl Iterator<Item = &AppliedFill> {
        core::iter::successors(self.get(last), |fill| self.get(fill.previous))
    }

    /// True when fills of this chain are not remembered any more.
    pub(super) fn have_forgotten(&self, last: u64) -> bool {
        let oldest = self.chain(last).last().map_or(last, |fill| fill.previous);
        oldest != 0
    }

    /// Everything that is remembered, newest first.
    pub(super) fn newest(&self) -> impl Iterator<Item = &AppliedFill> {
        (1..self.next).rev().take(FILLS_MAX).filter_map(|number| self.get(number))
    }

    /// The fill of this identity, newest first over all orders (of one instrument, where given).
    pub(super) fn find(
        &self,
        fill_id: &TextId,
        instrument: Option<InstrumentId>,
    ) -> Option<&AppliedFill> {
        if fill_id.is_empty() {
            return None;
        }
        self.newest().find(|fill| {
            fill.fill_id == *fill_id && instrument.is_none_or(|id| id == fill.instrument)
        })
    }

    /// No fee of a fill until now is open any more: what was predicted stays.
    pub(super) fn settle_all(&mut self) {
        for fill in &mut self.ring {
            fill.settled = true;
        }
        self.early.clear();
    }

    /// Keeps a fee whose fill has not come; the oldest gives way.
    pub(super) fn keep_fee(
        &mut self,
        instrument: Option<InstrumentId>,
        fill_id: TextId,
        fee: Money,
    ) {
        if self.early.is_full() {
            self.early.remove(0);
        }
        self.early.push(EarlyFee { instrument, fill_id, fee });
    }

    /// Takes out a fee kept for this fill.
    pub(super) fn take_fee(&mut self, instrument: InstrumentId, fill_id: &TextId) -> Option<Money> {
        let at = self.early.iter().position(|early| {
            early.fill_id == *fill_id && early.instrument.is_none_or(|id| id == instrument)
        })?;
        Some(self.early.remove(at).fee)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "below FILLS_MAX")]
const fn index_of(number: u64) -> usize {
    ((number - 1) % FILLS_MAX as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(order: u32, previous: u64, id: u64) -> AppliedFill {
        AppliedFill {
            number: 0,
            previous,
            order: ClientId::new(1, order),
            trade: TradeId::new(1),
            slot: 0,
            instrument: InstrumentId::new(0),
            fill_id: TextId::from_number(id),
            price: Price::ONE,
            ts_exch_ns: Maybe::NONE,
            qty: Qty::ONE,
            told: Qty::ONE,
            notional: Money::ONE,
            fee: Money::ZERO,
            settled: false,
            basis: None,
            inferred: false,
        }
    }

    #[test]
    fn a_chain_holds_the_fills_of_one_order_and_ends_where_memory_does() {
        let mut fills = Fills::new();
        let a1 = fills.push(fill(1, 0, 11));
        let _ = fills.push(fill(2, 0, 21));
        let a2 = fills.push(fill(1, a1, 12));
        let ids: Vec<u64> = fills.chain(a2).map(|fill| fill.number).collect();
        assert_eq!(ids, [a2, a1]);
        for id in 0..FILLS_MAX as u64 {
            fills.push(fill(3, 0, 100 + id));
        }
        assert_eq!(fills.chain(a2).count(), 0);
        assert!(fills.find(&TextId::from_number(12), None).is_none());
        assert!(fills.find(&TextId::from_number(100), None).is_some());
    }
}
