//! Asking the venue for an order by identity, and what its answer proves.
//!
//! Absence proves nothing: only an answer about the order itself resolves it. That the venue denies an
//! order is taken for its end only when two more views of the venue agree, each asked for when the denials
//! had lasted longer than those views lag (`guard.view_lag_ns`): its positions and, where it sends such
//! lists at all, its open orders. An entry waits for `guard.not_found_ns` besides, which is longer than a
//! venue's receive window: what has not arrived by then never will, and what has arrived shows as an open
//! order or as a position. Should a fill of such an order come all the same, it is booked (see `book.rs`),
//! and should it work, it is called back (see `recover.rs`). In a recovery it is not waited for for ever: a
//! position that nobody here remembers may need its slot.
//!
//! An exit needs the same two views, for reduce-only protects nobody else who holds the same side; but it is
//! looked up without back-off and is not held back for ever: when the views do not come, or do not agree
//! because somebody else holds the asset too, `guard.not_found_ns` after the lag the denials alone decide.
//! Not so when the venue has once said that it knows the order.

use crate::id::{ClientId, TextId};
use crate::kernel::orders::{Denial, NOT_FOUND_MIN, Order};
use crate::kernel::{Code, Effects, Kernel, Verdict};
use crate::msg::record::OrderStatus;
use crate::msg::venue::{RejectReason, VenueOrderState};
use crate::msg::{Maybe, OrderRole, Record, TimeInForce};
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
            let works =
                matches!(answer.state, VenueOrderState::New | VenueOrderState::PartiallyFilled);
            if order.presumed && works {
                self.call_back(now, client, out);
            }
            return Verdict::refused(Code::DuplicateEvent);
        }
        if answer.state == VenueOrderState::NotFound {
            return self.on_denied(now, client, out);
        }
        order.denial = Denial::default();
        order.unconfirmed = false;
        let total = match (answer.state, answer.cum) {
            (VenueOrderState::Filled, Some(_)) if planted!(X34FilledTakenWhole) => Some(order.qty),
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
            self.look_up_by(client, now.plus(self.times.lookup_max_ns));
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
            self.look_up_by(client, now.plus(self.times.lookup_first_ns));
            return Verdict::refused(Code::StaleStateReconciling);
        }
        // A cancel that was refused or got lost on its way goes again.
        let is_lost =
            order.cancel_sent_ns.is_none_or(|sent| now.since(sent) >= self.times.silence_ns);
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
            self.look_up_by(client, now.plus(self.times.silence_ns));
        }
        if cancel_again {
            let _sent = self.send_cancel(now, client, out);
        }
        Verdict::OK
    }

    /// The venue does not know the order.
    fn on_denied(&mut self, now: Nanos, client: ClientId, out: &mut Effects) -> Verdict {
        let Some(order) = self.orders.get_mut(client) else {
            return Verdict::refused(Code::UnresolvedSlot);
        };
        if order.role == OrderRole::Exit {
            order.query_wait_ns = self.times.lookup_first_ns;
        }
        self.revision += u64::from(order.denial.again(now, self.times.view_lag_ns));
        let order = *order;
        let never_seen = !order.was_seen();
        let proved = match order.role {
            OrderRole::Entry => {
                self.is_gone(now, &order)
                    && (order.denial.by_positions || self.holds_up_recovery(now, &order))
            }
            OrderRole::Exit => self.is_exit_gone(now, &order),
        };
        if !proved && !planted!(X04DeniedOnce) {
            self.wants_positions |= order.denial.wants_positions();
            self.look_up_by(client, now.plus(order.query_wait_ns));
            return Verdict { accepted: true, code: Code::StaleStateReconciling };
        }
        self.presumed_ns = Maybe::some(now);
        self.heat(now, Some(order.instrument));
        if let Some(order) = self.orders.get_mut(client) {
            order.presumed = true;
        }
        if never_seen {
            self.refuse(now, client, "never_arrived", out);
        } else {
            self.end_denied(now, client, out);
        }
        Verdict::OK
    }

    /// True when the venue has denied the order for long, and does not list it among the open ones either.
    /// Whether its positions agree is another question.
    pub(super) fn is_gone(&self, now: Nanos, order: &Order) -> bool {
        let denial = &order.denial;
        denial.count >= NOT_FOUND_MIN
            && denial.since_ns.is_some_and(|at| now.since(at) >= self.times.not_found_ns)
            && (denial.by_list || !self.recovery.lists_come())
    }

    /// True when the positions cannot agree with a denied entry because a position waits for its slot: what
    /// the venue shows is taken over when the slot is free, whoever opened it.
    fn holds_up_recovery(&self, now: Nanos, order: &Order) -> bool {
        let lasts = |ripe: Nanos| now.since(ripe) >= self.times.not_found_ns;
        self.recovery.awaits_positions() && order.denial.ripe_ns.is_some_and(lasts)
    }

    /// True when an exit that the venue denies may be sent again.
    fn is_exit_gone(&self, now: Nanos, order: &Order) -> bool {
        let denial = &order.denial;
        let Some(ripe) = denial.ripe_ns.filter(|_| denial.count >= NOT_FOUND_MIN) else {
            return false;
        };
        let is_unlisted = denial.by_list || !self.recovery.lists_come();
        let is_overdue = !order.was_seen() && now.since(ripe) >= self.times.not_found_ns;
        (is_unlisted && denial.by_positions) || is_overdue
    }

    /// An order that the venue once knew and now denies is over at what is booked of it.
    pub(super) fn end_denied(&mut self, now: Nanos, client: ClientId, out: &mut Effects) {
        let Some(order) = self.orders.get_mut(client) else { return };
        order.status = OrderStatus::Expired;
        order.ended = Some(OrderStatus::Expired);
        order.ended_at = Some(order.filled);
        out.record(order.record(OrderStatus::Expired, "denied"));
        self.end(now, client, out);
    }

    /// The venue tells an order's end again, and again without a total that can be: none, or one below the
    /// fills that it told itself. It works no more, so it is over at what is booked when positions that were
    /// asked for later than views lag agree with that; nothing else ever would end it.
    pub(super) fn end_untold(
        &mut self,
        now: Nanos,
        client: ClientId,
        out: &mut Effects,
    ) -> Verdict {
        let Some(order) = self.orders.get_mut(client) else {
            return Verdict::refused(Code::UnresolvedSlot);
        };
        let booked = order.filled;
        let doubt = &mut order.end_doubt;
        self.revision += u64::from(doubt.again(now, self.times.view_lag_ns));
        let is_proved = doubt.by_positions && doubt.count >= NOT_FOUND_MIN && order.told <= booked;
        self.wants_positions |= doubt.wants_positions();
        if !is_proved {
            return Verdict::refused(Code::DuplicateEvent);
        }
        order.ended_at = Some(booked);
        out.record(Record::Error { reason: "an order's end was told without a total that can be" });
        self.end(now, client, out);
        Verdict::OK
    }

    /// A whole current position snapshot came: what it says about orders that the venue denies.
    pub(super) fn positions_against_denied(&mut self) {
        let slots = self.slots.len();
        for index in 0..slots {
            let instrument = self.slots[index].instrument;
            let [long, short] = self.held(instrument);
            let agrees = self
                .facts
                .shown(instrument)
                .is_some_and(|shown| shown.long == long && shown.short == short);
            for client in self.slots[index].live() {
                let Some(order) = self.orders.get_mut(client) else { continue };
                for doubt in [&mut order.denial, &mut order.end_doubt] {
                    doubt.by_positions = agrees && doubt.ripe_ns.is_some();
                }
            }
        }
    }

    /// A list of open orders is complete. When it is whole and current, whoever is still denied is not in it,
    /// for a row of the list would have ended the denial; and a resting order that it does not have may have
    /// ended without a word: that is no proof, so it is asked for.
    pub(super) fn list_against_live(&mut self, now: Nanos, is_evidence: bool) {
        for index in 0..self.slots.len() {
            for client in self.slots[index].live() {
                let Some(order) = self.orders.get_mut(client) else { continue };
                let is_listed = core::mem::take(&mut order.is_listed);
                if !is_evidence {
                    continue;
                }
                order.denial.by_list = order.denial.ripe_ns.is_some();
                let rests =
                    matches!(order.status, OrderStatus::Acked | OrderStatus::PartiallyFilled);
                if rests && !is_listed && order.ended.is_none() {
                    self.look_up_by(client, now.plus(self.times.lookup_first_ns));
                }
            }
        }
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
            order.query_wait_ns =
                order.query_wait_ns.saturating_mul(2).min(self.times.lookup_max_ns);
        }
        self.deadline = self.deadline.min(order.query_at_ns);
    }

    /// Something may be due at `at`: [`Kernel::look_up_due`] runs then.
    pub(super) fn wake_by(&mut self, at: Nanos) {
        self.deadline = self.deadline.min(at);
    }

    /// Does what is due: look-ups, and exits that are owed.
    pub(super) fn look_up_due(&mut self, now: Nanos, out: &mut Effects) {
        let mut next = Nanos::MAX;
        for index in 0..self.slots.len() {
            for client in self.slots[index].live() {
                let due = |kernel: &Self| kernel.orders.get(client).map(|order| order.query_at_ns);
                if due(self).is_some_and(|at| at <= now) {
                    self.look_up_now(now, client, out);
                }
                next = next.min(due(self).unwrap_or(Nanos::MAX));
            }
        }
        // What a look-up below plans must not get lost.
        self.deadline = next;
        self.recovery_due(now);
        for index in 0..self.slots.len() {
            self.owed_exit_due(now, index, out);
        }
    }
}
