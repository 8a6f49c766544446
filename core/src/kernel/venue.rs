//! What the venue answers about our orders, in any order, any number of times.

use crate::id::{ClientId, TextId};
use crate::kernel::book::FillIn;
use crate::kernel::lookup::Answer;
use crate::kernel::orders::{Denial, Route};
use crate::kernel::stage::{SlotEvent, SlotStage};
use crate::kernel::{Code, Effects, Kernel, Verdict};
use crate::msg::record::OrderStatus;
use crate::msg::venue::RejectReason;
use crate::msg::{OrderKind, OrderRole, TimeInForce, VenueEvent, VenueMsg};
use crate::settings::Settings;
use crate::units::{Nanos, Qty};

impl Kernel {
    pub(super) fn on_venue(
        &mut self,
        now: Nanos,
        message: &VenueMsg,
        settings: &Settings,
        out: &mut Effects,
    ) -> Verdict {
        let none = TextId::EMPTY;
        match message.event {
            VenueEvent::Ack { venue_id } => match self.own(now, message, &venue_id, out) {
                Ok(client) => self.on_ack(now, client, venue_id, out),
                Err(verdict) => verdict,
            },
            VenueEvent::Reject { reason } => match self.own(now, message, &none, out) {
                Ok(client) => self.on_reject(now, client, reason, out),
                Err(verdict) => verdict,
            },
            VenueEvent::Ambiguous => match self.own(now, message, &none, out) {
                Ok(client) => self.on_ambiguous(now, client, out),
                Err(verdict) => verdict,
            },
            VenueEvent::Canceled { venue_id, cum_qty } => {
                match self.own(now, message, &venue_id, out) {
                    Ok(client) => {
                        let end = (OrderStatus::Canceled, cum_qty.get());
                        self.on_end(now, client, venue_id, end, out)
                    }
                    Err(verdict) => verdict,
                }
            }
            VenueEvent::Expired { venue_id, cum_qty } => {
                match self.own(now, message, &venue_id, out) {
                    Ok(client) => {
                        let end = (OrderStatus::Expired, cum_qty.get());
                        self.on_end(now, client, venue_id, end, out)
                    }
                    Err(verdict) => verdict,
                }
            }
            VenueEvent::CancelRejected { reason } => match self.own(now, message, &none, out) {
                Ok(client) => self.on_cancel_rejected(now, client, reason, out),
                Err(verdict) => verdict,
            },
            VenueEvent::OrderStatus { venue_id, state, cum_qty, avg_price } => {
                match self.own(now, message, &venue_id, out) {
                    Ok(client) => {
                        let answer = Answer {
                            venue_id,
                            state,
                            cum: cum_qty.get(),
                            avg_price: avg_price.get(),
                        };
                        self.on_status(now, client, &answer, out)
                    }
                    Err(verdict) => verdict,
                }
            }
            VenueEvent::OpenOrder { venue_id, cum_qty, .. } => {
                self.on_open_order(now, message, venue_id, cum_qty, out)
            }
            VenueEvent::OpenOrdersEnd { ok, rows, revision } => {
                self.on_open_orders_end(now, ok, rows, revision)
            }
            VenueEvent::Fill { venue_id, fill_id, qty, price, fee, cum_qty, side, is_maker } => {
                let fill = FillIn {
                    venue_id,
                    fill_id,
                    qty,
                    price,
                    fee: fee.get(),
                    cum: cum_qty.get(),
                    side,
                    is_maker,
                    ts_exch_ns: message.ts_exch_ns,
                };
                self.on_fill(now, message, &fill, out)
            }
            VenueEvent::Forced { side, fill_id, qty, price, fee, cause } => {
                let fill = FillIn {
                    fill_id,
                    fee: fee.get(),
                    is_maker: Some(false),
                    ts_exch_ns: message.ts_exch_ns,
                    ..FillIn::bare(qty, price)
                };
                self.on_forced(now, message.instrument, side, &fill, cause, out)
            }
            VenueEvent::FeeSettled { fill_id, fee } => {
                self.on_fee_settled(message, &fill_id, fee, out)
            }
            VenueEvent::Balance { .. }
            | VenueEvent::Funding { .. }
            | VenueEvent::Transfer { .. }
            | VenueEvent::Position { .. }
            | VenueEvent::PositionsEnd { .. } => self.on_account(now, message, settings, out),
        }
    }

    /// The order of ours that a message other than a fill is about.
    fn own(
        &mut self,
        now: Nanos,
        message: &VenueMsg,
        venue_id: &TextId,
        out: &mut Effects,
    ) -> Result<ClientId, Verdict> {
        match self.orders.route(message.client, venue_id) {
            Route::Own(client) => Ok(client),
            // Somebody else's order, or one of an earlier run.
            Route::Nobody => Err(Verdict::refused(Code::UnresolvedSlot)),
            // Too old to matter: an order is forgotten only after it was over.
            Route::Forgotten => Err(Verdict::refused(Code::DuplicateEvent)),
            Route::Conflict => {
                self.heat(now, message.instrument);
                self.fault("an order has two venue identities", out);
                Err(Verdict::refused(Code::Violation))
            }
        }
    }

    /// Remembers the venue's identity of an order, and applies fills that waited for it.
    pub(super) fn learn(
        &mut self,
        now: Nanos,
        client: ClientId,
        venue_id: TextId,
        out: &mut Effects,
    ) {
        let Some(order) = self.orders.get(client) else { return };
        if venue_id.is_empty() || !order.venue_id.is_empty() {
            return;
        }
        self.orders.name(client, venue_id);
        self.claim_held(now, client, out);
    }

    fn on_ack(
        &mut self,
        now: Nanos,
        client: ClientId,
        venue_id: TextId,
        out: &mut Effects,
    ) -> Verdict {
        let Some(order) = self.orders.get_mut(client) else {
            return Verdict::refused(Code::UnresolvedSlot);
        };
        #[cfg(feature = "planted")]
        if planted!(X42LateAckRevives) && order.over {
            self.revive(client);
            return Verdict::OK;
        }
        if order.over && order.presumed {
            self.call_back(now, client, out);
        }
        let Some(order) = self.orders.get_mut(client) else {
            return Verdict::refused(Code::UnresolvedSlot);
        };
        order.unconfirmed = false;
        let is_news = order.venue_id.is_empty() && !venue_id.is_empty();
        let waits = matches!(order.status, OrderStatus::Submitted | OrderStatus::Unknown)
            && order.ended.is_none()
            && !order.over;
        if waits {
            // The record says which order at the venue it is.
            if is_news {
                self.orders.name(client, venue_id);
            }
            self.works(now, client, OrderStatus::Acked, out);
            self.claim_held(now, client, out);
            return Verdict::OK;
        }
        self.learn(now, client, venue_id, out);
        if is_news { Verdict::OK } else { Verdict::refused(Code::DuplicateEvent) }
    }

    /// The venue has the order and it works.
    pub(super) fn works(
        &mut self,
        now: Nanos,
        client: ClientId,
        status: OrderStatus,
        out: &mut Effects,
    ) {
        let Some(order) = self.orders.get_mut(client) else { return };
        order.status = status;
        order.query_wait_ns = self.times.lookup_first_ns;
        order.denial = Denial::default();
        // An immediate order has an end coming, and so has one whose cancel was refused, though the venue's
        // word that it works be older than the refusal; another resting one may rest.
        let is_waiting = order.tif == TimeInForce::Ioc
            || order.cancel_sent_ns.is_some()
            || order.cancel_refusals > 0;
        order.query_at_ns = if is_waiting { now.plus(self.times.silence_ns) } else { Nanos::MAX };
        let (at, role, slot) = (order.query_at_ns, order.role, usize::from(order.slot));
        out.record(order.record(status, ""));
        self.look_up_by(client, at);
        match role {
            // While an exit is under way, the slot's stage is about the exit.
            OrderRole::Entry if self.slots[slot].exit_order.is_some() => {}
            OrderRole::Entry => {
                self.fire(slot, SlotEvent::EntryAck, out);
            }
            OrderRole::Exit => {
                self.fire(slot, SlotEvent::ExitAck, out);
            }
        }
    }

    pub(super) fn on_reject(
        &mut self,
        now: Nanos,
        client: ClientId,
        reason: RejectReason,
        out: &mut Effects,
    ) -> Verdict {
        let Some(order) = self.orders.get(client) else {
            return Verdict::refused(Code::UnresolvedSlot);
        };
        if order.over {
            return Verdict::refused(Code::DuplicateEvent);
        }
        // The venue knows an order of this identity: ours arrived before.
        if reason == RejectReason::DuplicateClientId {
            if let Some(order) = self.orders.get_mut(client) {
                order.known = true;
            }
            return self.on_ambiguous(now, client, out);
        }
        if order.filled.is_positive() || order.told.is_positive() {
            self.fault("an order was refused after it filled", out);
            self.look_up_now(now, client, out);
            return Verdict::refused(Code::Violation);
        }
        // The venue says that there is nothing to reduce: what does it hold?
        let is_exit = order.role == OrderRole::Exit;
        self.wants_positions |= is_exit && reason == RejectReason::ReduceOnly;
        let too_small = is_exit
            && matches!(reason, RejectReason::MinNotional | RejectReason::LotSize)
            && order.qty == self.slots[usize::from(order.slot)].position.size;
        let slot = usize::from(order.slot);
        self.refuse(now, client, reason.as_str(), out);
        if too_small {
            self.dust(now, slot, out);
        }
        Verdict {
            accepted: true,
            code: match (reason, self.role_of(client)) {
                (RejectReason::RateLimited, _) => Code::RateLimited,
                (_, Some(OrderRole::Exit)) => Code::ExitOrderRejected,
                (_, Some(OrderRole::Entry) | None) => Code::OrderRejected,
            },
        }
    }

    fn role_of(&self, client: ClientId) -> Option<OrderRole> {
        self.orders.get(client).map(|order| order.role)
    }

    /// The order never worked: it is over, with nothing filled.
    pub(super) fn refuse(
        &mut self,
        now: Nanos,
        client: ClientId,
        reason: &'static str,
        out: &mut Effects,
    ) {
        let Some(order) = self.orders.get_mut(client) else { return };
        order.status = OrderStatus::Rejected;
        order.ended = Some(OrderStatus::Rejected);
        order.ended_at = Some(Qty::ZERO);
        let (role, slot) = (order.role, usize::from(order.slot));
        out.record(order.record(OrderStatus::Rejected, reason));
        self.retire(client);
        match role {
            OrderRole::Entry => {
                self.fire(slot, SlotEvent::EntryReject, out);
                if self.slots[slot].stage == SlotStage::OrderRejected {
                    self.fire(slot, SlotEvent::Written, out);
                }
            }
            OrderRole::Exit if self.slots[slot].is_open() => {
                self.fire(slot, SlotEvent::ExitReject, out);
                if self.slots[slot].stage == SlotStage::ExitRejected {
                    self.fire(slot, SlotEvent::ExitDone, out);
                }
                self.slots[slot].exit_refused(now, &self.times);
                self.plan_owed_exit(slot);
                self.send_pending_exit(now, slot, out);
            }
            // Something else closed the position before.
            OrderRole::Exit => self.close_if_done(slot, out),
        }
    }

    fn on_ambiguous(&mut self, now: Nanos, client: ClientId, out: &mut Effects) -> Verdict {
        let Some(order) = self.orders.get_mut(client) else {
            return Verdict::refused(Code::UnresolvedSlot);
        };
        if order.over {
            return Verdict::refused(Code::DuplicateEvent);
        }
        order.cancel_sent_ns = None;
        let instrument = order.instrument;
        #[cfg(feature = "planted")]
        if planted!(X01SentAgain) && order.status == OrderStatus::Submitted {
            self.send_again(client, out);
            return Verdict::OK;
        }
        if planted!(X03AmbiguousFailed) && order.status == OrderStatus::Submitted {
            self.refuse(now, client, "ambiguous", out);
            return Verdict::OK;
        }
        if order.status == OrderStatus::Submitted {
            order.status = OrderStatus::Unknown;
            out.record(order.record(OrderStatus::Unknown, "ambiguous"));
            self.doubt(client, out);
        }
        self.heat(now, Some(instrument));
        self.look_up_now(now, client, out);
        Verdict { accepted: true, code: Code::StaleStateReconciling }
    }

    /// The slot waits for the proof of what an order did, unless the other order leads it.
    fn doubt(&mut self, client: ClientId, out: &mut Effects) {
        let Some(order) = self.orders.get(client) else { return };
        let slot = usize::from(order.slot);
        if order.role == OrderRole::Exit || self.slots[slot].exit_order.is_none() {
            self.fire(slot, SlotEvent::OutcomeUnknown, out);
        }
    }

    /// The venue told an order's end. It is over only when the total told is booked.
    pub(super) fn on_end(
        &mut self,
        now: Nanos,
        client: ClientId,
        venue_id: TextId,
        end: (OrderStatus, Option<Qty>),
        out: &mut Effects,
    ) -> Verdict {
        self.learn(now, client, venue_id, out);
        let Some(order) = self.orders.get_mut(client) else {
            return Verdict::refused(Code::UnresolvedSlot);
        };
        let (status, mut total) = end;
        if planted!(D31EndWithoutTotal) {
            total = total.or(Some(order.filled));
        }
        if planted!(X05CancelMeansUnfilled) && status == OrderStatus::Canceled {
            total = Some(order.filled);
        }
        if order.over {
            return Verdict::refused(Code::DuplicateEvent);
        }
        if total.is_some_and(|total| total > order.qty || total < Qty::ZERO) {
            self.fault("the venue tells more filled than was ordered", out);
            self.look_up_now(now, client, out);
            return Verdict::refused(Code::Violation);
        }
        // A total below what is booked comes from a view that lags; it ends the order, but does not
        // say at what.
        let total = total.filter(|total| *total >= order.filled && Some(*total) > order.ended_at);
        if order.ended.is_some() && total.is_none() {
            return self.end_untold(now, client, out);
        }
        let instrument = order.instrument;
        if order.ended.is_none() {
            order.status = status;
            order.ended = Some(status);
            out.record(order.record(status, ""));
        }
        order.ended_at = total.or(order.ended_at);
        order.told = order.told.max(total.unwrap_or(Qty::ZERO));
        order.cancel_sent_ns = None;
        let settled = order.is_settled();
        if settled {
            self.end(now, client, out);
            return Verdict::OK;
        }
        self.heat(now, Some(instrument));
        match total {
            // Its fills are on their way; ask when they do not come.
            Some(_) => self.look_up_by(client, now.plus(self.times.lookup_first_ns)),
            None => {
                self.doubt(client, out);
                self.look_up_now(now, client, out);
            }
        }
        Verdict { accepted: true, code: Code::StaleStateReconciling }
    }

    /// An order is over by an end other than its last fill: frees the slot, or hands it on.
    pub(super) fn end(&mut self, now: Nanos, client: ClientId, out: &mut Effects) {
        let Some(order) = self.orders.get(client) else { return };
        let (role, index) = (order.role, usize::from(order.slot));
        let in_vain = order.kind == OrderKind::Market && order.filled.is_zero();
        self.retire(client);
        let slot = &self.slots[index];
        let in_doubt = slot.stage == SlotStage::StaleStateReconciling;
        match role {
            OrderRole::Entry if slot.is_open() => {
                let leads = slot.exit_order.is_none();
                let event = if in_doubt { SlotEvent::ProvedOpen } else { SlotEvent::EntryDone };
                if leads {
                    self.fire(index, event, out);
                }
            }
            OrderRole::Entry if slot.position.entered.is_zero() => {
                let event = if in_doubt { SlotEvent::ProvedFlat } else { SlotEvent::EntryDone };
                self.fire(index, event, out);
            }
            OrderRole::Exit if slot.is_open() => {
                self.fire(index, SlotEvent::ExitDone, out);
                if in_vain && self.slots[index].owed_exit.is_some() {
                    self.slots[index].exit_refused(now, &self.times);
                }
                self.plan_owed_exit(index);
                self.send_pending_exit(now, index, out);
            }
            OrderRole::Entry | OrderRole::Exit => self.close_if_done(index, out),
        }
        self.dust_below_lot(now, index, out);
    }

    /// Marks an order as over and takes it off its slot.
    pub(super) fn retire(&mut self, client: ClientId) {
        let Some(order) = self.orders.get_mut(client) else { return };
        order.over = true;
        order.query_at_ns = Nanos::MAX;
        order.cancel_sent_ns = None;
        let slot = &mut self.slots[usize::from(order.slot)];
        for working in [&mut slot.entry_order, &mut slot.exit_order] {
            if *working == Some(client) {
                *working = None;
            }
        }
    }

    fn on_cancel_rejected(
        &mut self,
        now: Nanos,
        client: ClientId,
        reason: RejectReason,
        out: &mut Effects,
    ) -> Verdict {
        let Some(order) = self.orders.get_mut(client) else {
            return Verdict::refused(Code::UnresolvedSlot);
        };
        if order.over {
            return Verdict::refused(Code::DuplicateEvent);
        }
        order.cancel_sent_ns = None;
        let is_first = order.cancel_refusals == 0;
        order.cancel_refusals = order.cancel_refusals.saturating_add(1);
        let (status, instrument) = (order.status, order.instrument);
        out.record(order.record(status, reason.as_str()));
        // It may have filled: a possible fill is a reason to wait with entries, and to ask.
        if !planted!(D27PossibleFillCold) {
            self.heat(now, Some(instrument));
        }
        if planted!(X24CancelStorm) {
            let _sent = self.send_cancel(now, client, out);
        }
        if is_first {
            self.look_up_now(now, client, out);
        } else {
            self.look_up_by(client, now.plus(self.times.lookup_first_ns));
        }
        Verdict::refused(Code::CancelRejected)
    }
}
