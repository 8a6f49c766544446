//! What the policy asks for: enter, exit, cancel, mark.
//!
//! A second exit while one works is refused, with one exception: a market exit over a working limit
//! exit. Then the limit order is cancelled, and the market order leaves when the venue has told the limit
//! order's end, for what is still wanted of it. So the two never close the same quantity twice.

use crate::id::{ClientId, InstrumentId, TradeId};
use crate::kernel::guard::code_of;
use crate::kernel::orders::Order;
use crate::kernel::slot::{OwedExit, PendingExit};
use crate::kernel::stage::SlotEvent;
use crate::kernel::{Code, Effects, Kernel, Verdict};
use crate::msg::record::{BlockReason, DecisionReason, OrderStatus};
use crate::msg::{OrderKind, OrderRole, PositionSide, Record, Side, TimeInForce};
use crate::settings::Settings;
use crate::units::{Nanos, Price, Qty, Rate};

/// An entry as asked for.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) slot: usize,
    pub(super) trade: Option<TradeId>,
    pub(super) instrument: InstrumentId,
    pub(super) side: PositionSide,
    pub(super) qty: Qty,
    pub(super) leverage: Rate,
    pub(super) kind: OrderKind,
    pub(super) tif: TimeInForce,
    pub(super) price: Option<Price>,
    pub(super) reference_price: Price,
    pub(super) legs: &'a [Rate],
}

/// An exit as asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exit {
    pub(super) qty: Option<Qty>,
    pub(super) all: bool,
    pub(super) kind: OrderKind,
    pub(super) tif: TimeInForce,
    pub(super) price: Option<Price>,
    pub(super) ttl_ns: Option<i64>,
    pub(super) reason: DecisionReason,
}

/// What distinguishes one order from another when it is made.
struct OrderSpec {
    slot: usize,
    role: OrderRole,
    kind: OrderKind,
    tif: TimeInForce,
    qty: Qty,
    price: Option<Price>,
    reason: &'static str,
}

impl Kernel {
    pub(super) fn enter(
        &mut self,
        now: Nanos,
        wish: &Entry<'_>,
        settings: &Settings,
        out: &mut Effects,
    ) -> Verdict {
        if wish.slot >= self.slots.len() {
            return Verdict::refused(Code::UnresolvedSlot);
        }
        if let Some(trade) = wish.trade
            && trade.seq() < self.next_trade
            && self.knows_trade(trade)
        {
            return Verdict::refused(Code::DuplicateEvent);
        }
        if let Err(reason) = self.check_entry(now, wish, settings) {
            out.record(Record::EntryBlocked { instrument: wish.instrument, reason });
            return Verdict::refused(code_of(reason));
        }
        let Some(client) = self.next_client(1, out) else {
            return Verdict::refused(Code::RateLimited);
        };
        let trade = wish.trade.unwrap_or_else(|| self.next_trade());
        self.next_trade = self.next_trade.max(trade.seq().saturating_add(1));
        let slot = &mut self.slots[wish.slot];
        slot.begin(trade, wish.instrument, wish.side);
        slot.requested = wish.qty;
        slot.leverage = Some(wish.leverage);
        slot.legs = wish.legs.iter().copied().collect();
        self.fire(wish.slot, SlotEvent::Enter, out);
        let spec = OrderSpec {
            slot: wish.slot,
            role: OrderRole::Entry,
            kind: wish.kind,
            tif: immediate_if_market(wish.kind, wish.tif),
            qty: wish.qty,
            price: wish.price,
            reason: "",
        };
        self.place(now, client, &spec, out);
        Verdict::OK
    }

    /// Everything that can forbid this entry, in the order in which it is reported.
    fn check_entry(
        &self,
        now: Nanos,
        wish: &Entry<'_>,
        settings: &Settings,
    ) -> Result<(), BlockReason> {
        if wish.instrument.index() >= self.table.len() {
            return Err(BlockReason::NotTradable);
        }
        let row = self.table.row(wish.instrument);
        let price_ok = match (wish.kind, wish.price) {
            (OrderKind::Market, None) => true,
            (OrderKind::Limit, Some(price)) => {
                price.is_positive() && price.is_multiple_of(row.tick)
            }
            (OrderKind::Market, Some(_)) | (OrderKind::Limit, None) => false,
        };
        let usable = wish.qty.is_positive()
            && wish.qty.is_multiple_of(row.lot)
            && wish.leverage.is_positive()
            && wish.reference_price.is_positive()
            && price_ok
            && legs_are_whole(wish.legs);
        if !usable {
            return Err(BlockReason::InvalidIntent);
        }
        if !self.slots[wish.slot].is_free() {
            return Err(BlockReason::SlotBusy);
        }
        self.entry_guard(now, wish.instrument, settings)?;
        let price = wish.price.unwrap_or(wish.reference_price);
        match price.notional(wish.qty) {
            None => Err(BlockReason::InvalidIntent),
            Some(notional) if notional < row.min_notional => Err(BlockReason::MinNotional),
            Some(_) => Ok(()),
        }
    }

    pub(super) fn exit(
        &mut self,
        now: Nanos,
        index: usize,
        wish: &Exit,
        out: &mut Effects,
    ) -> Verdict {
        let Some(slot) = self.slots.get(index) else {
            return Verdict::refused(Code::UnresolvedSlot);
        };
        if !slot.is_open() {
            return Verdict::refused(Code::NoOpenPosition);
        }
        if planted!(D34ExitsFrozen) && self.is_frozen() {
            return Verdict::refused(Code::EntryFrozen);
        }
        if planted!(X21ExitsKilled) && self.is_killed() {
            return Verdict::refused(Code::Killed);
        }
        let row = self.table.row(slot.instrument);
        let qty = slot.exit_quantity(wish.qty, wish.all, row.lot);
        let side = slot.position.side.exit_side();
        let (kind, tif, price) = exit_terms(wish, side, row.tick);
        let (all, ttl_ns, reason) = (wish.all, wish.ttl_ns, wish.reason);
        let pending = PendingExit { qty, all, kind, tif, price, ttl_ns, reason };
        match slot.exit_order {
            None => self.send_exit(now, index, &pending, out),
            Some(_) if planted!(D35SecondExit) => self.send_exit(now, index, &pending, out),
            Some(working) => self.escalate(now, index, working, pending, out),
        }
    }

    /// A market exit over a working limit exit: cancel first, the rest follows its end.
    fn escalate(
        &mut self,
        now: Nanos,
        index: usize,
        working: ClientId,
        pending: PendingExit,
        out: &mut Effects,
    ) -> Verdict {
        let Some(order) = self.orders.get(working) else {
            return Verdict::refused(Code::UnresolvedSlot);
        };
        let unresolved = order.is_unresolved();
        let over_limit = order.kind == OrderKind::Limit && pending.kind == OrderKind::Market;
        if !over_limit || self.slots[index].pending_exit.is_some() {
            return Verdict::refused(if unresolved {
                Code::StaleStateReconciling
            } else {
                Code::ExitWorking
            });
        }
        if planted!(D30UrgentAtOnce) {
            let _sent = self.send_cancel(now, working, out);
            return self.send_exit(now, index, &pending, out);
        }
        self.slots[index].pending_exit = Some(pending);
        self.slots[index].close_reason = Some(pending.reason);
        // Not sent when a cancel is on its way already: its answer serves this exit too.
        let _sent = self.send_cancel(now, working, out);
        Verdict::OK
    }

    /// Sends an exit of a slot that has a position and no exit order. A working entry is called back.
    pub(super) fn send_exit(
        &mut self,
        now: Nanos,
        index: usize,
        exit: &PendingExit,
        out: &mut Effects,
    ) -> Verdict {
        let Some(client) = self.next_client(2, out) else {
            return Verdict::refused(Code::RateLimited);
        };
        if !self.fire(index, SlotEvent::Exit, out) {
            return Verdict::refused(Code::Violation);
        }
        if let Some(entry) = self.slots[index].entry_order {
            let _sent = self.send_cancel(now, entry, out);
        }
        let slot = &mut self.slots[index];
        slot.close_reason = Some(exit.reason);
        slot.exit_left = exit.qty;
        if let (OrderKind::Limit, Some(ttl_ns)) = (exit.kind, exit.ttl_ns) {
            let due_ns = now.plus(ttl_ns.max(0));
            let PendingExit { qty, all, reason, .. } = *exit;
            slot.owed_exit = Some(OwedExit { due_ns, qty, all, reason });
        }
        // Also one of before, beside which this exit leaves.
        if let Some(owed) = slot.owed_exit {
            self.wake_by(owed.due_ns);
        }
        let spec = OrderSpec {
            slot: index,
            role: OrderRole::Exit,
            kind: exit.kind,
            tif: exit.tif,
            qty: exit.qty,
            price: exit.price,
            reason: exit.reason.as_str(),
        };
        self.place(now, client, &spec, out);
        self.fire(index, SlotEvent::ExitSent, out);
        Verdict::OK
    }

    /// Sends what waited for the exit order's end, once that is over and something remains.
    pub(super) fn send_pending_exit(&mut self, now: Nanos, index: usize, out: &mut Effects) {
        let slot = &mut self.slots[index];
        if slot.exit_order.is_some() {
            return;
        }
        let Some(mut exit) = slot.pending_exit.take() else { return };
        exit.qty = if exit.all { slot.position.size } else { exit.qty.min(slot.position.size) };
        if exit.qty.is_positive() && !self.send_exit(now, index, &exit, out).accepted {
            self.slots[index].exit_refused(now, &self.times);
            self.plan_owed_exit(index);
        }
    }

    pub(super) fn cancel(&mut self, now: Nanos, index: usize, out: &mut Effects) -> Verdict {
        let Some(slot) = self.slots.get(index) else {
            return Verdict::refused(Code::UnresolvedSlot);
        };
        if slot.live().next().is_none() {
            return Verdict::refused(Code::NoWorkingOrder);
        }
        let live = slot.live();
        let mut sent = false;
        for client in live {
            sent |= self.send_cancel(now, client, out);
        }
        if !sent {
            return Verdict::refused(Code::DuplicateEvent);
        }
        // Who calls back an exit before its time answers for it; after that the kernel does.
        let slot = &mut self.slots[index];
        slot.owed_exit = slot.owed_exit.filter(|owed| owed.due_ns <= now);
        Verdict::OK
    }

    /// Calls the slot's working entry back; its exit stays. False when there is none, or when a cancel is
    /// on its way already.
    pub(crate) fn cancel_entry(&mut self, now: Nanos, index: usize, out: &mut Effects) -> bool {
        let entry = self.slots.get(index).and_then(|slot| slot.entry_order);
        entry.is_some_and(|client| self.send_cancel(now, client, out))
    }

    /// Values a position at a price of the caller's; the next price of the asset takes over.
    pub(super) fn mark_slot(&mut self, index: usize, price: Price) -> Verdict {
        let Some(slot) = self.slots.get_mut(index) else {
            return Verdict::refused(Code::UnresolvedSlot);
        };
        if !slot.is_open() {
            return Verdict::refused(Code::NoOpenPosition);
        }
        let unrealized = slot.position.unrealized_at(price).filter(|_| price.is_positive());
        if unrealized.is_none() {
            return Verdict::refused(Code::InvalidIntent);
        }
        slot.unrealized = unrealized;
        self.follow();
        Verdict::OK
    }

    /// Sends a cancel unless one is on its way or the order has ended; true when it left.
    pub(super) fn send_cancel(&mut self, now: Nanos, client: ClientId, out: &mut Effects) -> bool {
        let Some(order) = self.orders.get_mut(client) else { return false };
        if order.over || order.ended.is_some() || order.cancel_sent_ns.is_some() {
            return false;
        }
        let left = out.command(order.cancel());
        order.cancel_wanted = true;
        order.cancel_sent_ns = left.then_some(now);
        let is_entry = order.role == OrderRole::Entry;
        self.look_up_by(client, now.plus(self.times.silence_ns));
        if planted!(D08FreeAtCancel | X52NoCap) && is_entry {
            self.end(now, client, out);
        }
        left
    }

    /// The next order identity, when the turn still takes `commands` commands.
    fn next_client(&mut self, commands: usize, out: &mut Effects) -> Option<ClientId> {
        if out.commands.remaining_capacity() < commands {
            return None;
        }
        let client = self.orders.allocate();
        if client.is_none() {
            self.fault("no order identity left", out);
        }
        client
    }

    /// Makes an order known, records it, and only then lets it leave.
    fn place(&mut self, now: Nanos, client: ClientId, spec: &OrderSpec, out: &mut Effects) {
        let mid = self.top(self.slots[spec.slot].instrument).and_then(|top| top.middle());
        let slot = &mut self.slots[spec.slot];
        #[expect(clippy::cast_possible_truncation, reason = "at most 16 slots")]
        let order = Order {
            trade: slot.trade,
            slot: spec.slot as u8,
            instrument: slot.instrument,
            position_side: slot.position.side,
            price: spec.price,
            mid,
            leverage: slot.leverage.filter(|_| spec.role == OrderRole::Entry),
            query_wait_ns: self.times.lookup_first_ns,
            ..Order::new(client, spec.role, spec.kind, spec.tif, spec.qty)
        };
        match spec.role {
            OrderRole::Entry => slot.entry_order = Some(client),
            OrderRole::Exit => slot.exit_order = Some(client),
        }
        self.orders.insert(order);
        self.orders_placed = self.orders_placed.saturating_add(1);
        self.revision += 1;
        self.look_up_by(client, now.plus(self.times.silence_ns));
        out.record(order.record(OrderStatus::Submitted, spec.reason));
        // Room was checked before the slot moved.
        let _left = out.command(order.place());
    }

    fn knows_trade(&self, trade: TradeId) -> bool {
        self.orders.knows_trade(trade) || self.slots.iter().any(|slot| slot.trade == trade)
    }
}

/// Terms of an exit that can leave: a market order is immediate and has no price; a limit price is moved
/// to the next tick toward the market; without a usable one the exit leaves by market.
fn exit_terms(wish: &Exit, side: Side, tick: Price) -> (OrderKind, TimeInForce, Option<Price>) {
    let market = (OrderKind::Market, TimeInForce::Ioc, None);
    match (wish.kind, wish.price) {
        (OrderKind::Limit, Some(price)) if price.is_positive() => {
            let price = match side {
                // Rounding up is sure to fit only well below the largest price.
                Side::Buy if price.checked_add(tick).is_none() => return market,
                Side::Buy => price.ceil_to(tick),
                Side::Sell => price.floor_to(tick),
            };
            if price.is_positive() { (OrderKind::Limit, wish.tif, Some(price)) } else { market }
        }
        (OrderKind::Limit | OrderKind::Market, _) => market,
    }
}

const fn immediate_if_market(kind: OrderKind, tif: TimeInForce) -> TimeInForce {
    match kind {
        OrderKind::Market => TimeInForce::Ioc,
        OrderKind::Limit => tif,
    }
}

/// No legs, or positive parts that sum to one (up to the rounding of thirds).
fn legs_are_whole(legs: &[Rate]) -> bool {
    if legs.is_empty() {
        return true;
    }
    let sum = legs.iter().try_fold(Rate::ZERO, |sum, leg| {
        if leg.is_positive() { sum.checked_add(*leg) } else { None }
    });
    let slack = Rate::from_raw(1_000);
    sum.and_then(|sum| sum.checked_sub(Rate::ONE)).is_some_and(|off| off.abs() <= slack)
}
