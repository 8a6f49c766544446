//! Faults of the account stream: lost, twice, late, out of order, incomplete.

use pinion_core::id::TextId;
use pinion_core::msg::{ClientRef, Maybe, VenueEvent, VenueMsg};
use pinion_core::units::{Money, Nanos, Price, Qty};

use super::FaultyVenue;
use super::outbox::Way;
use super::plan::{Fault, Span};

impl FaultyVenue {
    /// One message of the account stream.
    pub(super) fn stream(&mut self, due: Nanos, natural: Nanos, mut msg: VenueMsg) {
        if self.inner.roll(Fault::Lose).is_some() {
            return;
        }
        self.misdate(&mut msg);
        if matches!(msg.event, VenueEvent::Fill { .. }) {
            self.spoil_fill(due, natural, &mut msg);
        }
        self.spoil_end(&mut msg);
        self.spoil_identity(&mut msg);
        let due = self.delayed(due);
        if let Some(ns) = self.inner.roll_ns(Fault::Duplicate, Span::Duplicate) {
            self.outbox.put(Way::Stream, due.plus(ns), natural, msg);
        }
        self.balance(Way::Stream, due, natural, msg);
    }

    /// When a message comes that others may overtake.
    fn delayed(&mut self, due: Nanos) -> Nanos {
        due.plus(self.inner.roll_ns(Fault::Reorder, Span::Reorder).unwrap_or(0))
    }

    /// A whole view that nobody asked for. Once anything went wrong its revision counts for nothing: it
    /// is comparable with the kernel's only while nothing is lost and nothing overtakes.
    pub(super) fn push_list(
        &mut self,
        due: Nanos,
        natural: Nanos,
        rows: &[VenueMsg],
        mut end: VenueMsg,
    ) {
        if self.inner.roll(Fault::Lose).is_some() {
            return;
        }
        self.misdate(&mut end);
        let due = self.delayed(due);
        let again = self.inner.roll_ns(Fault::Duplicate, Span::Duplicate);
        if !self.injected().is_empty()
            && let VenueEvent::PositionsEnd { revision, .. } = &mut end.event
        {
            *revision = u64::MAX;
        }
        for at in [Some(due), again.map(|ns| due.plus(ns))].into_iter().flatten() {
            for msg in rows.iter().chain([&end]) {
                self.outbox.put(Way::Stream, at, natural, *msg);
            }
        }
    }

    /// A balance with what comes around it; any other message as it is.
    pub(super) fn balance(&mut self, way: Way, due: Nanos, natural: Nanos, mut msg: VenueMsg) {
        if let VenueEvent::Balance { wallet, available, used, maint } = &mut msg.event {
            if self.inner.roll(Fault::ZeroBalance).is_some() {
                let event = balance_of(Maybe::some(Money::ZERO));
                self.outbox.put(way, due, natural, VenueMsg { event, ..msg });
            }
            if self.inner.roll(Fault::Placeholder).is_some() {
                let event = balance_of(Maybe::NONE);
                self.outbox.put(way, due, natural, VenueMsg { event, ..msg });
            }
            if let Some(mut draw) = self.inner.roll(Fault::MissingFields) {
                // At least one of the four is missing.
                let missing = draw.between(1, 15);
                for (bit, field) in [wallet, available, used, maint].into_iter().enumerate() {
                    if missing & (1 << bit) != 0 {
                        *field = Maybe::NONE;
                    }
                }
            }
        }
        self.outbox.put(way, due, natural, msg);
    }

    /// Leaves out parts of a fill, and tells its fee at another time.
    fn spoil_fill(&mut self, due: Nanos, natural: Nanos, msg: &mut VenueMsg) {
        let template = *msg;
        let VenueEvent::Fill { fill_id, fee, qty, price, cum_qty, .. } = &mut msg.event else {
            return;
        };
        let id = *fill_id;
        if let Some(amount) = fee.get() {
            let event = VenueEvent::FeeSettled { fill_id: id, fee: amount };
            let settled = VenueMsg { event, ..template };
            if let Some(ns) = self.inner.roll_ns(Fault::FeeLate, Span::Fee) {
                *fee = Maybe::NONE;
                self.outbox.put(Way::Stream, due.plus(ns), natural, settled);
            } else if self.inner.roll(Fault::FeeEarly).is_some() {
                *fee = Maybe::NONE;
                self.outbox.put(Way::Stream, due, natural, settled);
            } else if let Some(ns) = self.inner.roll_ns(Fault::FeeTwice, Span::Fee) {
                self.outbox.put(Way::Stream, due.plus(ns), natural, settled);
                self.outbox.put(Way::Stream, due.plus(2 * ns), natural, settled);
            } else if self.inner.roll(Fault::NoFillId).is_some() {
                *fill_id = TextId::EMPTY;
            }
        }
        if self.inner.roll(Fault::NoCum).is_some() {
            *cum_qty = Maybe::NONE;
        }
        if self.inner.roll(Fault::NoQty).is_some() {
            *qty = Qty::ZERO;
        } else if self.inner.roll(Fault::NoPrice).is_some() {
            *price = Price::ZERO;
        }
    }

    /// Leaves out how much of an order was filled when it ended.
    pub(super) fn spoil_end(&mut self, msg: &mut VenueMsg) {
        if let VenueEvent::Canceled { cum_qty, .. } | VenueEvent::Expired { cum_qty, .. } =
            &mut msg.event
            && self.inner.roll(Fault::NoTotal).is_some()
        {
            *cum_qty = Maybe::NONE;
        }
    }

    /// Leaves out whose order a message is about.
    fn spoil_identity(&mut self, msg: &mut VenueMsg) {
        let (VenueEvent::Fill { venue_id, .. } | VenueEvent::Expired { venue_id, .. }) =
            &mut msg.event
        else {
            return;
        };
        if self.inner.roll(Fault::NoIds).is_some() {
            *venue_id = TextId::EMPTY;
            msg.client = ClientRef::Absent;
        } else if matches!(msg.client, ClientRef::Own(_))
            && self.inner.roll(Fault::NoClientId).is_some()
        {
            msg.client = ClientRef::Absent;
        }
    }
}

const fn balance_of(amount: Maybe<Money>) -> VenueEvent {
    VenueEvent::Balance { wallet: amount, available: amount, used: amount, maint: amount }
}
