//! Asking the venue for an order by identity, and what its answer proves.
//!
//! Absence proves nothing: only an answer about the order itself resolves it, and a denial only when the
//! order was never seen by anybody.

use crate::id::{ClientId, TextId};
use crate::kernel::orders::{
    NOT_FOUND_MIN, NOT_FOUND_PROOF_NS, QUERY_FIRST_NS, QUERY_MAX_NS, SILENCE_NS,
};
use crate::kernel::{Code, Effects, Kernel, Verdict};
use crate::msg::record::OrderStatus;
use crate::msg::venue::{RejectReason, VenueOrderState};
use crate::msg::{Maybe, OrderRole, TimeInForce};
use crate::units::{Nanos, Price, Qty};

/// An answer to a look-up by identity.
pub(super) struct Answer {
    pub(super) venue_id: TextId,
    pub(super) state: VenueOrderState,
    pub(super) cum: Option<Qty>,
    pub(super) avg_price: Option<Price>,
}

impl Kernel {
    pub(super) fn on_status(
        &mut self,
        now: Nanos,
        client: ClientId,
        answer: &Answer,
        out: &mut Effects,
    ) -> Verdict {
        self.learn(now, client, answer.venue_id, out);
        let Some(order) = self.orders.get_mut(client) else {
            return Verdict::refused(Code::UnresolvedSlot);
        };
        if order.over {
            return Verdict::refused(Code::DuplicateEvent);
        }
        if answer.state == VenueOrderState::NotFound {
            return self.on_denied(now, client, out);
        }
        order.denied_since_ns = None;
        order.denials = 0;
        let total = match (answer.state, answer.cum) {
            (_, Some(total)) => Some(total),
            (VenueOrderState::Filled, None) => Some(order.qty),
            (VenueOrderState::New | VenueOrderState::Rejected, None) => Some(Qty::ZERO),
            (
                VenueOrderState::PartiallyFilled
                | VenueOrderState::Canceled
                | VenueOrderState::Expired
                | VenueOrderState::NotFound,
                None,
            ) => None,
        };
        if total.is_some_and(|total| total > order.qty || total < Qty::ZERO) {
            self.fault("the venue tells more filled than was ordered", out);
            self.look_up_by(client, now.plus(QUERY_MAX_NS));
            return Verdict::refused(Code::Violation);
        }
        if let Some(total) = total {
            order.told = order.told.max(total);
            if total > order.filled {
                self.infer_fill(now, client, total, answer.avg_price, out);
            }
        }
        let is_over = self.orders.get(client).is_none_or(|order| order.over);
        if is_over {
            return Verdict::OK;
        }
        match answer.state {
            VenueOrderState::New | VenueOrderState::PartiallyFilled => {
                self.on_alive(now, client, out)
            }
            VenueOrderState::Filled => {
                let end = (OrderStatus::Filled, total);
                self.on_end(now, client, TextId::EMPTY, end, out)
            }
            VenueOrderState::Canceled => {
                let end = (OrderStatus::Canceled, total);
                self.on_end(now, client, TextId::EMPTY, end, out)
            }
            VenueOrderState::Expired => {
                let end = (OrderStatus::Expired, total);
                self.on_end(now, client, TextId::EMPTY, end, out)
            }
            VenueOrderState::Rejected if total == Some(Qty::ZERO) => {
                self.on_reject(now, client, RejectReason::Other, out)
            }
            VenueOrderState::Rejected => {
                let end = (OrderStatus::Rejected, total);
                self.on_end(now, client, TextId::EMPTY, end, out)
            }
            VenueOrderState::NotFound => Verdict::OK,
        }
    }

    /// The venue says that the order works.
    fn on_alive(&mut self, now: Nanos, client: ClientId, out: &mut Effects) -> Verdict {
        let Some(order) = self.orders.get_mut(client) else {
            return Verdict::refused(Code::UnresolvedSlot);
        };
        if order.ended.is_some() {
            // A view from before the end; the total is still owed.
            self.look_up_by(client, now.plus(QUERY_FIRST_NS));
            return Verdict::refused(Code::StaleStateReconciling);
        }
        // A cancel that was refused or got lost on its way goes again.
        let is_lost = order.cancel_sent_ns.is_none_or(|sent| now.since(sent) >= SILENCE_NS);
        let cancel_again = order.cancel_wanted && is_lost;
        if cancel_again {
            order.cancel_sent_ns = None;
        }
        let status = order.status;
        if matches!(status, OrderStatus::Submitted | OrderStatus::Unknown) {
            let booked = order.filled.is_positive();
            let status = if booked { OrderStatus::PartiallyFilled } else { OrderStatus::Acked };
            self.works(now, client, status, out);
        } else if order.tif == TimeInForce::Ioc || order.told > order.filled {
            self.look_up_by(client, now.plus(SILENCE_NS));
        }
        if cancel_again {
            let _sent = self.send_cancel(now, client, out);
        }
        Verdict::OK
    }

    /// The venue does not know the order. An answer like that proves something only about an order that
    /// nobody has ever seen, and for an entry only when it is repeated for long.
    fn on_denied(&mut self, now: Nanos, client: ClientId, out: &mut Effects) -> Verdict {
        let Some(order) = self.orders.get_mut(client) else {
            return Verdict::refused(Code::UnresolvedSlot);
        };
        let since = *order.denied_since_ns.get_or_insert(now);
        order.denials = order.denials.saturating_add(1);
        let never_seen = order.venue_id.is_empty()
            && order.told.is_zero()
            && order.filled.is_zero()
            && order.ended.is_none();
        let proved = match order.role {
            OrderRole::Entry => {
                order.denials >= NOT_FOUND_MIN && now.since(since) >= NOT_FOUND_PROOF_NS
            }
            OrderRole::Exit => true,
        };
        if !never_seen || !proved {
            self.look_up_by(client, now.plus(QUERY_FIRST_NS));
            return Verdict { accepted: true, code: Code::StaleStateReconciling };
        }
        order.presumed = true;
        let instrument = order.instrument;
        self.presumed_ns = Maybe::some(now);
        self.heat(now, Some(instrument));
        self.refuse(now, client, "never_arrived", out);
        Verdict::OK
    }

    /// Plans a look-up at `at`, or leaves an earlier one.
    pub(super) fn look_up_by(&mut self, client: ClientId, at: Nanos) {
        if let Some(order) = self.orders.get_mut(client) {
            order.query_at_ns = order.query_at_ns.min(at);
            self.deadline = self.deadline.min(order.query_at_ns);
        }
    }

    /// Asks the venue for an order now; without an answer again later, more and more slowly.
    pub(super) fn look_up_now(&mut self, now: Nanos, client: ClientId, out: &mut Effects) {
        let Some(order) = self.orders.get_mut(client) else { return };
        if order.over {
            return;
        }
        order.query_at_ns = now;
        if out.command(order.query()) {
            order.query_at_ns = now.plus(order.query_wait_ns);
            order.query_wait_ns = (order.query_wait_ns * 2).min(QUERY_MAX_NS);
        }
        self.deadline = self.deadline.min(order.query_at_ns);
    }

    /// Sends the look-ups that are due.
    pub(super) fn look_up_due(&mut self, now: Nanos, out: &mut Effects) {
        let mut next = Nanos::MAX;
        for index in 0..self.slots.len() {
            let slot = &self.slots[index];
            for client in [slot.entry_order, slot.exit_order].into_iter().flatten() {
                let due = |kernel: &Self| kernel.orders.get(client).map(|order| order.query_at_ns);
                if due(self).is_some_and(|at| at <= now) {
                    self.look_up_now(now, client, out);
                }
                next = next.min(due(self).unwrap_or(Nanos::MAX));
            }
        }
        self.deadline = next;
    }
}
