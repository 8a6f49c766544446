//! Fees that become known after their fill.

use crate::id::TextId;
use crate::kernel::fee_model::FeeBasis;
use crate::kernel::ledger::Entry;
use crate::kernel::{Code, Effects, Kernel, Verdict};
use crate::msg::{ClientRef, Record, VenueMsg};
use crate::units::{Money, Price, Qty};

impl Kernel {
    pub(super) fn on_fee_settled(
        &mut self,
        message: &VenueMsg,
        fill_id: &TextId,
        fee: Money,
        out: &mut Effects,
    ) -> Verdict {
        if fill_id.is_empty() {
            return Verdict::refused(Code::ForeignFill);
        }
        let number = match message.client {
            ClientRef::Own(client) => self.orders.get(client).and_then(|order| {
                self.fills
                    .chain(order.last_fill)
                    .find(|fill| fill.fill_id == *fill_id)
                    .map(|fill| fill.number)
            }),
            ClientRef::Absent | ClientRef::Foreign => {
                self.fills.find(fill_id, message.instrument).map(|fill| fill.number)
            }
        };
        match number {
            Some(number) => self.settle(number, fee, out),
            None => {
                // Perhaps its fill is still on the way.
                self.fills.keep_fee(message.instrument, *fill_id, fee);
                Verdict::refused(Code::ForeignFill)
            }
        }
    }

    /// Replaces a predicted fee by the venue's (negative is a cost there), once. The difference goes to
    /// the books, and to the fill's own round trip while a slot still shows it.
    pub(super) fn settle(&mut self, number: u64, venue_fee: Money, out: &mut Effects) -> Verdict {
        let Some(fill) = self.fills.get_mut(number).copied() else {
            return Verdict::refused(Code::ForeignFill);
        };
        if fill.settled || (planted!(L18ZeroNeverSettles) && venue_fee.is_zero()) {
            return Verdict::refused(Code::DuplicateEvent);
        }
        if !self.is_plausible(venue_fee, fill.price, fill.told, out) {
            return Verdict::refused(Code::Violation);
        }
        // The fee of a close that was of more than our position is not ours alone.
        let is_outside = self.orders.get(fill.order).is_some_and(|order| order.is_outside);
        let venue_fee = match venue_fee.share(fill.qty, fill.told) {
            Some(ours) if is_outside => ours,
            Some(_) | None => venue_fee,
        };
        let index = usize::from(fill.slot);
        let mut ledger = self.ledger;
        let booked = Money::ZERO.checked_sub(venue_fee).and_then(|fee| {
            let booked = if planted!(D36FeeAdded) { Money::ZERO } else { fill.fee };
            let difference = fee.checked_sub(booked)?;
            ledger.book(Entry { fees: difference, ..Entry::default() }).ok()?;
            let trade_fees = self.slots[index].position.fees.checked_add(difference)?;
            Some((fee, trade_fees))
        });
        let Some((fee, trade_fees)) = booked else {
            self.fault("a sum of money left its range", out);
            return Verdict::refused(Code::Violation);
        };
        self.ledger = ledger;
        if self.slots[index].trade == fill.trade || planted!(L07LateFeeToPresent) {
            self.slots[index].position.fees = trade_fees;
        }
        if let Some(applied) = self.fills.get_mut(number) {
            applied.fee = fee;
            applied.settled = true;
        }
        out.record(Record::FeeSettled {
            client: fill.order,
            trade: fill.trade,
            fill_id: fill.fill_id,
            instrument: fill.instrument,
            estimated: fill.fee,
            fee,
        });
        self.learn_fee(fill.basis, fee, out);
        self.follow();
        out.record(self.account_record());
        Verdict::OK
    }

    /// True for a fee (or rebate) that is not above the value of its fill. One that is above cannot be: it is
    /// reported and not booked, and entries freeze until venue and books are shown to agree.
    pub(super) fn is_plausible(
        &mut self,
        fee: Money,
        price: Price,
        qty: Qty,
        out: &mut Effects,
    ) -> bool {
        let value = price.notional(qty).map(|value| value.raw().unsigned_abs());
        let plausible = value.is_some_and(|value| fee.raw().unsigned_abs() <= value);
        if !plausible {
            self.fault("a fee above the value of its fill", out);
        }
        plausible
    }

    /// Lets the fee model learn from a settled fee, and reports what it makes of it.
    pub(super) fn learn_fee(&mut self, basis: Option<FeeBasis>, fee: Money, out: &mut Effects) {
        if let Some(record) = basis.and_then(|basis| self.fee_model.teach(basis, fee)) {
            out.record(record);
        }
    }
}
