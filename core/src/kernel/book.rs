//! Booking: a fill moves its order, its slot and the books in one step, once.

use crate::id::{ClientId, InstrumentId, TextId};
use crate::kernel::fee_model::FeeBasis;
use crate::kernel::fills::AppliedFill;
use crate::kernel::ledger::Entry;
use crate::kernel::orders::{Denial, Order, Route};
use crate::kernel::outside::Outside;
use crate::kernel::slot::OwedExit;
use crate::kernel::stage::{SlotEvent, SlotStage};
use crate::kernel::{Code, Effects, Kernel, Verdict};
use crate::msg::record::{DecisionReason, FeeSource, OrderStatus};
use crate::msg::{ClientRef, Maybe, OrderKind, OrderRole, Record, Side, TimeInForce, VenueMsg};
use crate::units::{Money, Nanos, Price, Qty};
use serde::{Deserialize, Serialize};

/// Fills that may wait for the acknowledgement that says whose they are: an order that walks a book has one for
/// each of its levels.
pub(super) const HELD_FILLS_MAX: usize = 256;

/// A fill as the venue told it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct FillIn {
    pub(super) venue_id: TextId,
    pub(super) fill_id: TextId,
    pub(super) qty: Qty,
    pub(super) price: Price,
    /// Signed as the venue signs it: negative is a cost.
    pub(super) fee: Option<Money>,
    pub(super) cum: Option<Qty>,
    pub(super) side: Option<Side>,
    pub(super) is_maker: Option<bool>,
    /// The venue's time of it, where told.
    pub(super) ts_exch_ns: Maybe<Nanos>,
}

impl FillIn {
    /// A fill of which nothing but quantity and price is known.
    pub(super) const fn bare(qty: Qty, price: Price) -> Self {
        Self {
            venue_id: TextId::EMPTY,
            fill_id: TextId::EMPTY,
            qty,
            price,
            fee: None,
            cum: None,
            side: None,
            is_maker: None,
            ts_exch_ns: Maybe::NONE,
        }
    }
}

/// A fill under a venue identity that no order of ours has yet.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct HeldFill {
    instrument: Option<InstrumentId>,
    fill: FillIn,
}

impl HeldFill {
    /// The asset it is of, where told.
    pub(super) const fn instrument(&self) -> Option<InstrumentId> {
        self.instrument
    }
}

/// What a fill says that is not booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    /// Nothing: it was applied before.
    Nothing,
    /// Its identity and fee; the quantity is booked from a look-up.
    Identity,
    /// This quantity.
    Quantity(Qty),
}

impl Kernel {
    pub(super) fn on_fill(
        &mut self,
        now: Nanos,
        message: &VenueMsg,
        fill: &FillIn,
        out: &mut Effects,
    ) -> Verdict {
        match self.orders.route(message.client, &fill.venue_id) {
            Route::Own(client) if self.is_elsewhere(client, message.instrument) => {
                self.heat(now, message.instrument);
                self.fault("a fill in another asset than its order", out);
                Verdict::refused(Code::Violation)
            }
            Route::Own(client) => self.apply_fill(now, client, fill, out),
            Route::Nobody => {
                #[cfg(feature = "planted")]
                if let Some(client) = self.mistaken_owner(message, fill) {
                    return self.apply_fill(now, client, fill, out);
                }
                if !planted!(D27UnclaimedFillCold) {
                    self.heat(now, message.instrument);
                }
                self.note_unclaimed(message.instrument, fill);
                self.hold(message, fill);
                Verdict::refused(Code::ForeignFill)
            }
            Route::Forgotten => {
                self.heat(now, message.instrument);
                self.fault("a fill of an order that is not remembered", out);
                Verdict::refused(Code::Violation)
            }
            Route::Conflict => {
                self.heat(now, message.instrument);
                self.fault("a fill names two orders", out);
                Verdict::refused(Code::Violation)
            }
        }
    }

    /// Keeps a fill nobody claims while an order of ours on that asset has no venue identity yet: the
    /// venue may not echo ours, and the fill may be faster than the acknowledgement.
    fn hold(&mut self, message: &VenueMsg, fill: &FillIn) {
        let nameless = |order: &Order| {
            order.venue_id.is_empty() && message.instrument.is_none_or(|id| id == order.instrument)
        };
        let may_be_ours = message.client == ClientRef::Absent
            && !fill.venue_id.is_empty()
            && self.live_orders().any(nameless);
        if !may_be_ours {
            return;
        }
        if self.held.len() == HELD_FILLS_MAX {
            // Its quantity is not lost: the order's total brings it.
            self.held.remove(0);
        }
        self.held.push(HeldFill { instrument: message.instrument, fill: *fill });
    }

    /// Applies the held fills of an order whose venue identity was just learned.
    pub(super) fn claim_held(&mut self, now: Nanos, client: ClientId, out: &mut Effects) {
        let Some((venue_id, instrument)) =
            self.orders.get(client).map(|order| (order.venue_id, order.instrument))
        else {
            return;
        };
        let mut at = 0;
        while let Some(held) = self.held.get(at).copied() {
            let ours =
                held.fill.venue_id == venue_id && held.instrument.is_none_or(|id| id == instrument);
            if ours {
                self.held.remove(at);
                if planted!(X44MarkedBeforeBooked) {
                    continue;
                }
                let _verdict = self.apply_fill(now, client, &held.fill, out);
            } else {
                at += 1;
            }
        }
    }

    /// True when the venue names another asset than the order's.
    fn is_elsewhere(&self, client: ClientId, instrument: Option<InstrumentId>) -> bool {
        let ordered = self.orders.get(client).map(|order| order.instrument);
        matches!((ordered, instrument), (Some(ordered), Some(named)) if ordered != named)
    }

    fn apply_fill(
        &mut self,
        now: Nanos,
        client: ClientId,
        fill: &FillIn,
        out: &mut Effects,
    ) -> Verdict {
        self.learn(now, client, fill.venue_id, out);
        let Some(order) = self.orders.get(client).copied() else {
            return Verdict::refused(Code::UnresolvedSlot);
        };
        if !planted!(D27OwnFillCold) {
            self.heat(now, Some(order.instrument));
        }
        if fill.side.is_some_and(|side| side != order.side()) {
            self.fault("a fill on the wrong side of its order", out);
            return Verdict::refused(Code::Violation);
        }
        let known = self
            .fills
            .chain(order.last_fill)
            .find(|applied| is_same(applied, fill) && !planted!(X26NoFillMemory))
            .map(|applied| applied.number);
        if let Some(number) = known {
            if let Some(fee) = fill.fee {
                let _verdict = self.settle(number, fee, out);
            }
            return Verdict::refused(Code::DuplicateEvent);
        }
        if self.fills.have_forgotten(order.last_fill) {
            // Whether this is one of the forgotten, only a total can say.
            match fill.cum {
                Some(cum) if cum > order.filled => {}
                None if !order.over => {
                    self.look_up_now(now, client, out);
                    return Verdict::refused(Code::StaleStateReconciling);
                }
                Some(_) | None => return Verdict::refused(Code::DuplicateEvent),
            }
        }
        if !fill.qty.is_positive() && fill.cum.is_some_and(|cum| cum <= order.filled) {
            return Verdict::refused(Code::DuplicateEvent);
        }
        if !fill.qty.is_positive() || !fill.price.is_positive() {
            // Completed by a look-up, never by the order's own price.
            out.record(Record::Error { reason: "a fill without quantity or price" });
            self.look_up_now(now, client, out);
            return Verdict::refused(Code::Violation);
        }
        if let (Some(order), Some(cum)) = (self.orders.get_mut(client), fill.cum) {
            order.told = order.told.max(cum.min(order.qty));
        }
        match news(&order, fill) {
            News::Nothing => Verdict::refused(Code::DuplicateEvent),
            News::Identity => self.claim_inferred(now, client, fill, out),
            News::Quantity(qty) => {
                let verdict = self.book_fill(now, client, fill, qty, out);
                self.claim_forced(now, client, fill.ts_exch_ns, out);
                verdict
            }
        }
    }

    /// Books `qty` of a fill at its price.
    pub(super) fn book_fill(
        &mut self,
        now: Nanos,
        client: ClientId,
        fill: &FillIn,
        qty: Qty,
        out: &mut Effects,
    ) -> Verdict {
        let mut price = fill.price;
        if planted!(D02NominalPrice) {
            price = self.orders.get(client).and_then(|order| order.price).unwrap_or(price);
        }
        self.book_at(now, client, fill, qty, price.notional(qty), out)
    }

    /// Books `qty` of a fill at this value; `None` is one that does not fit.
    pub(super) fn book_at(
        &mut self,
        now: Nanos,
        client: ClientId,
        fill: &FillIn,
        qty: Qty,
        notional: Option<Money>,
        out: &mut Effects,
    ) -> Verdict {
        self.take_back(client, out);
        let Some(order) = self.orders.get(client).copied() else {
            return Verdict::refused(Code::UnresolvedSlot);
        };
        #[cfg(feature = "planted")]
        let Some(order) = self.mistaken_order(order, qty) else {
            return Verdict::refused(Code::DuplicateEvent);
        };
        let index = usize::from(order.slot);
        let slot = &self.slots[index];
        let impossible = if qty > order.remaining() {
            Some("a fill beyond its order's quantity")
        } else if slot.trade != order.trade || slot.stage == SlotStage::TradeTerminalWritten {
            Some("a fill of a round trip that is over")
        } else if order.role == OrderRole::Exit
            && qty > slot.position.size
            && !self.give_back_outside(index, qty, out)
        {
            Some("an exit fill beyond the position")
        } else {
            None
        };
        if let Some(reason) = impossible {
            self.fault(reason, out);
            // Not at once: an answer that says the same again must not make a storm.
            self.look_up_by(client, now.plus(self.times.lookup_max_ns));
            return Verdict::refused(Code::Violation);
        }
        if order.over && !order.presumed {
            self.fault("a fill after the venue told its order's end", out);
        }
        let is_maker = certain_maker(&order, fill).unwrap_or(false);
        let basis = fee_basis(&order, fill, qty);
        let told_fee = fill.fee.or_else(|| {
            if fill.fill_id.is_empty() {
                None
            } else {
                self.fills.take_fee(order.instrument, &fill.fill_id)
            }
        });
        let told_fee = told_fee.filter(|fee| self.is_plausible(*fee, fill.price, fill.qty, out));
        let booked = notional.and_then(|notional| {
            let fee = self.commit(now, &order, notional, qty, told_fee, is_maker)?;
            Some((fee, notional))
        });
        let Some((fee, notional)) = booked else {
            self.fault("a sum of money left its range", out);
            return Verdict::refused(Code::Violation);
        };
        let fee_source = if told_fee.is_some() { FeeSource::Settled } else { FeeSource::Estimated };
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
            qty,
            told: fill.qty,
            notional,
            fee,
            settled: told_fee.is_some(),
            basis,
            inferred: false,
        });
        out.record(Record::Fill {
            client,
            trade: order.trade,
            venue_id: order.venue_id,
            fill_id: fill.fill_id,
            instrument: order.instrument,
            side: order.side(),
            role: order.role,
            is_maker,
            fee_source,
            qty,
            price: fill.price,
            fee,
        });
        if told_fee.is_some() {
            self.learn_fee(basis, fee, out);
        }
        if let (Some(order), None) = (self.orders.get_mut(client), fill.cum) {
            order.without_total += qty;
        }
        self.order_filled(now, client, number, out);
        self.slot_filled(now, client, order.over, out);
        Verdict::OK
    }

    /// Books position and ledger together, or neither: the fee booked, `None` on overflow.
    fn commit(
        &mut self,
        now: Nanos,
        order: &Order,
        notional: Money,
        qty: Qty,
        told_fee: Option<Money>,
        is_maker: bool,
    ) -> Option<Money> {
        let index = usize::from(order.slot);
        let fee = match told_fee {
            Some(fee) => Money::ZERO.checked_sub(fee)?,
            None => self.fee_model.predict(FeeBasis { notional, is_maker })?,
        };
        let mut position = self.slots[index].position;
        let mut ledger = self.ledger;
        let realized = match order.role {
            OrderRole::Entry => {
                position.enter(now, qty, notional).ok()?;
                Money::ZERO
            }
            OrderRole::Exit if planted!(D01LeverageInPnl) => {
                let result = position.exit(now, qty, notional).ok()?;
                self.slots[index].leverage.map_or(Some(result), |by| result.times(by))?
            }
            OrderRole::Exit => position.exit(now, qty, notional).ok()?,
        };
        position.fees = position.fees.checked_add(fee)?;
        let total = order.notional.checked_add(notional)?;
        ledger.book(Entry { realized, fees: fee, ..Entry::default() }).ok()?;
        ledger.count_fill();
        self.ledger = ledger;
        self.slots[index].position = position;
        self.facts.outlive_margin();
        if let Some(order) = self.orders.get_mut(order.client) {
            order.filled += qty;
            order.notional = total;
            order.told = order.told.max(order.filled);
            order.denial = Denial::default();
            order.end_doubt = Denial::default();
        }
        let slot = &mut self.slots[index];
        slot.outside = Outside::default();
        if order.role == OrderRole::Exit {
            slot.exit_rejects = 0;
            slot.exit_retry_ns = None;
            slot.exit_left -= slot.exit_left.min(qty);
            if !order.is_outside {
                slot.close_leg(qty, self.table.row(order.instrument).lot);
            }
            if let Some(pending) = &mut slot.pending_exit {
                pending.qty = pending.qty - pending.qty.min(qty);
            }
            slot.owed_exit = slot.owed_exit.and_then(|owed| {
                let qty = owed.qty.checked_sub(qty).filter(|left| left.is_positive());
                // What is to close everything also owes what still comes in.
                let qty = qty.or_else(|| owed.all.then_some(slot.position.size));
                qty.map(|qty| OwedExit { qty, ..owed })
            });
        }
        self.revision += 1;
        if self.recovery.is_on() {
            self.recovery.outlived(now);
            self.wake_by(now);
        }
        self.mark(order.instrument);
        Some(fee)
    }

    /// The order's own state after a fill.
    fn order_filled(&mut self, now: Nanos, client: ClientId, number: u64, out: &mut Effects) {
        let Some(order) = self.orders.get_mut(client) else { return };
        order.last_fill = number;
        let told_more = order.told > order.filled;
        if order.filled == order.qty {
            order.status = OrderStatus::Filled;
            order.ended = Some(OrderStatus::Filled);
            order.ended_at = Some(order.filled);
        } else if order.ended.is_none() {
            order.status = OrderStatus::PartiallyFilled;
        }
        let (status, over) = (order.status, order.over);
        out.record(order.record(status, ""));
        if over {
            return;
        }
        if told_more {
            // Fills may come out of order; when the missing one does not come, ask.
            self.look_up_by(client, now.plus(self.times.lookup_first_ns));
        }
    }

    /// The slot's stage after a fill, and the end of the round trip.
    fn slot_filled(&mut self, now: Nanos, client: ClientId, was_over: bool, out: &mut Effects) {
        let Some(order) = self.orders.get(client).copied() else { return };
        let index = usize::from(order.slot);
        let is_whole = order.filled == order.qty;
        let ends = order.is_settled() && !was_over;
        if ends {
            self.retire(client);
        }
        let is_over = ends || was_over;
        match order.role {
            // While an exit is under way, a late entry fill grows the size and the stage stays.
            OrderRole::Entry if self.slots[index].exit_order.is_some() => {}
            OrderRole::Entry if is_whole => {
                self.fire(index, SlotEvent::EntryFill, out);
                if self.slots[index].stage == SlotStage::PositionOpened {
                    self.fire(index, SlotEvent::Booked, out);
                }
            }
            OrderRole::Entry => {
                self.fire(index, SlotEvent::EntryPartialFill, out);
                if is_over {
                    self.fire(index, SlotEvent::EntryDone, out);
                }
            }
            OrderRole::Exit if !self.slots[index].is_open() => {}
            OrderRole::Exit if order.is_outside => {
                self.fire(index, SlotEvent::ClosedOutside, out);
                for client in self.slots[index].live() {
                    let _sent = self.send_cancel(now, client, out);
                }
            }
            OrderRole::Exit if is_whole && self.slots[index].exit_order.is_none() => {
                self.fire(index, SlotEvent::ExitLegFill, out);
            }
            OrderRole::Exit => {
                self.fire(index, SlotEvent::ExitPartialFill, out);
                if ends {
                    self.fire(index, SlotEvent::ExitDone, out);
                }
            }
        }
        out.record(self.account_record());
        if order.role == OrderRole::Exit && !self.slots[index].is_open() {
            self.flat(now, index, out);
        } else {
            self.plan_owed_exit(index);
            self.send_pending_exit(now, index, out);
            self.dust_below_lot(now, index, out);
        }
    }

    /// Nothing of the position remains: closes, or calls back what still works and waits for its end.
    fn flat(&mut self, now: Nanos, index: usize, out: &mut Effects) {
        self.close_if_done(index, out);
        let slot = &self.slots[index];
        let live = [slot.entry_order, slot.exit_order];
        if slot.is_free() {
            return;
        }
        self.fire(index, SlotEvent::ExitPending, out);
        for client in live.into_iter().flatten() {
            let _sent = self.send_cancel(now, client, out);
        }
    }

    /// Closes the round trip when nothing remains and no order of it is open.
    pub(super) fn close_if_done(&mut self, index: usize, out: &mut Effects) {
        let slot = &mut self.slots[index];
        if slot.is_free()
            || slot.is_open()
            || slot.position.entered.is_zero()
            || slot.entry_order.is_some()
            || slot.exit_order.is_some()
        {
            return;
        }
        slot.pending_exit = None;
        slot.owed_exit = None;
        slot.exit_retry_ns = None;
        let slot = &self.slots[index];
        let position = slot.position;
        let held_ns = match (position.opened_ns, position.last_exit_ns) {
            (Some(opened), Some(closed)) => Some(closed.since(opened)),
            (None, _) | (_, None) => None,
        };
        let prices = (position.entry_price(), position.exit_price(), position.net());
        let (Some(entry_price), Some(exit_price), Some(net_pnl)) = prices else {
            self.fault("the result of a round trip left its range", out);
            return;
        };
        let closed = Record::TradeClosed {
            trade: slot.trade,
            instrument: slot.instrument,
            side: position.side,
            qty: position.entered,
            entry_price,
            exit_price,
            gross_pnl: position.realized,
            fees: position.fees,
            funding: position.funding,
            net_pnl,
            // A position becomes flat by an exit, and an exit has a reason.
            close_reason: slot.close_reason.unwrap_or(DecisionReason::OperatorFlatten),
            held_ns,
        };
        if !self.fire(index, SlotEvent::ExitFlat, out) {
            return;
        }
        self.ledger.count_trade(net_pnl);
        out.record(closed);
        self.fire(index, SlotEvent::Booked, out);
        out.record(self.account_record());
        self.fire(index, SlotEvent::Written, out);
    }
}

/// True when a fill is one that was applied before. By its identity; where neither identity nor total is
/// told, by quantity, price and the venue's time within the order. Two real fills that are alike in all three
/// count as one then: the total that ends the order brings the other, while a fill booked twice would stay.
fn is_same(applied: &AppliedFill, fill: &FillIn) -> bool {
    if !fill.fill_id.is_empty() {
        return applied.fill_id == fill.fill_id;
    }
    fill.cum.is_none() && applied.looks_like(fill.qty, fill.price, fill.ts_exch_ns)
}

/// Whether a fill made or took, where that is certain: the venue says it, or the time in force leaves no
/// choice.
fn certain_maker(order: &Order, fill: &FillIn) -> Option<bool> {
    if planted!(L19MakerByType) {
        return Some(order.kind == OrderKind::Limit);
    }
    fill.is_maker.or(match order.tif {
        TimeInForce::PostOnly => Some(true),
        TimeInForce::Ioc => Some(false),
        TimeInForce::Gtc => None,
    })
}

/// What the fee of a fill is measured by. Of a fill that is booked in part the fee is that of the whole.
pub(super) fn fee_basis(order: &Order, fill: &FillIn, booked: Qty) -> Option<FeeBasis> {
    let notional = fill.price.notional(booked).filter(|_| booked == fill.qty)?;
    Some(FeeBasis { notional, is_maker: certain_maker(order, fill)? })
}

/// What of a fill is not booked. A fill with an identity is new when its identity is (duplicates are
/// sorted out before), up to the greatest total that was told: what goes beyond came before without its
/// identity, or is a total told as an increment. Fills that told no total stand beside it: they may be
/// later ones that were faster. Without an identity the total alone decides.
fn news(order: &Order, fill: &FillIn) -> News {
    if planted!(D13TotalAsIncrement) {
        return News::Quantity(fill.cum.unwrap_or(fill.qty));
    }
    if planted!(X11InferredTwice) && order.inferred.is_positive() {
        return News::Quantity(fill.qty);
    }
    if order.inferred.is_positive() {
        // Without a total it may be a part of what was inferred or a later one that was faster; only one that
        // is larger than all that was told is later for sure. When the two are mixed up, the sum is right as
        // soon as both have come.
        let covered = match fill.cum {
            Some(cum) => cum <= order.inferred_up_to,
            None => fill.qty <= order.inferred_up_to,
        };
        if covered {
            return News::Identity;
        }
    }
    if !fill.fill_id.is_empty() {
        let Some(cum) = fill.cum else { return News::Quantity(fill.qty) };
        let told = cum.max(order.told).checked_add(order.without_total).unwrap_or(Qty::MAX);
        let new = fill.qty.min(told - order.filled);
        return if new.is_positive() { News::Quantity(new) } else { News::Nothing };
    }
    match fill.cum {
        Some(cum) if cum <= order.filled => News::Nothing,
        Some(cum) => News::Quantity(fill.qty.min(cum - order.filled)),
        None => News::Quantity(fill.qty),
    }
}
