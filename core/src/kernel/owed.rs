//! Exits that the kernel finishes by itself, and what is too small to be sold.
//!
//! A limit exit with a life ([`crate::kernel::Intent::Exit`]) is a promise: when its time is over, what it has
//! not closed leaves by market. The limit order is called back first, and the market order leaves when
//! the venue has told its end, so that the two never close the same quantity twice. A market order of
//! the promise that is refused or ends unfilled goes again after the slot's pause, without anybody asking,
//! and after a restart too: the promise is part of the slot.

use crate::kernel::slot::PendingExit;
use crate::kernel::stage::{SlotEvent, SlotStage};
use crate::kernel::{Effects, Kernel};
use crate::msg::record::RouterEvent;
use crate::msg::{OrderKind, Record, TimeInForce};
use crate::units::Nanos;

/// Pause of the exits of dust: it is told once, and asked again now and then.
const DUST_RETRY_NS: i64 = 60_000_000_000;

impl Kernel {
    /// Sends what a slot owes, when it is due and nothing is on its way.
    pub(super) fn owed_exit_due(&mut self, now: Nanos, index: usize, out: &mut Effects) {
        let slot = &self.slots[index];
        let Some(owed) = slot.owed_exit.filter(|_| slot.is_open()) else { return };
        if owed.due_ns > now || planted!(D29DeadlineNeverFires) {
            self.wake_by(owed.due_ns);
            return;
        }
        let lot = self.table.row(slot.instrument).lot;
        let exit = PendingExit {
            qty: slot.exit_quantity(Some(owed.qty), owed.all, lot),
            all: owed.all,
            kind: OrderKind::Market,
            tif: TimeInForce::Ioc,
            price: None,
            ttl_ns: None,
            reason: owed.reason,
        };
        let (trade, instrument) = (slot.trade, slot.instrument);
        let Some(working) = slot.exit_order else {
            if let Some(at) = slot.exit_retry_ns.filter(|at| *at > now) {
                self.wake_by(at);
            } else if !self.send_exit(now, index, &exit, out).accepted {
                self.slots[index].exit_refused(now, &self.times);
                self.plan_owed_exit(index);
            }
            return;
        };
        let rests = self.orders.get(working).is_some_and(|order| order.kind == OrderKind::Limit);
        if rests && slot.pending_exit.is_none() {
            out.record(Record::Router {
                event: RouterEvent::ExitMarketFallback,
                trade: Some(trade),
                base: None,
                instrument,
                reason: owed.reason.as_str(),
            });
            self.slots[index].pending_exit = Some(exit);
            // Not sent when a cancel is on its way already: its answer serves this exit too.
            let _sent = self.send_cancel(now, working, out);
        }
    }

    /// An exit order is over: what is still owed is due when its time and the pause are over.
    pub(super) fn plan_owed_exit(&mut self, index: usize) {
        let slot = &self.slots[index];
        if let (Some(owed), None) = (slot.owed_exit, slot.exit_order) {
            let at = slot.exit_retry_ns.map_or(owed.due_ns, |retry| retry.max(owed.due_ns));
            self.wake_by(at);
        }
    }

    /// What remains is below the lot, and no order of the slot works: nothing can sell it.
    pub(super) fn dust_below_lot(&mut self, now: Nanos, index: usize, out: &mut Effects) {
        let slot = &self.slots[index];
        if slot.is_open() && slot.position.size < self.table.row(slot.instrument).lot {
            self.dust(now, index, out);
        }
    }

    /// What remains cannot be sold now. The slot says so, once, and nothing of it loops: a promise to close it
    /// ends here, and the policy's next exit tries all of it again.
    pub(super) fn dust(&mut self, now: Nanos, index: usize, out: &mut Effects) {
        let slot = &mut self.slots[index];
        let rests = matches!(
            slot.stage,
            SlotStage::PositionOpen | SlotStage::PositionPartiallyClosed | SlotStage::ExitWorking
        );
        if !rests || !slot.is_open() || slot.live().next().is_some() {
            return;
        }
        slot.owed_exit = None;
        slot.pending_exit = None;
        slot.exit_retry_ns = Some(now.plus(DUST_RETRY_NS));
        let is_told = core::mem::replace(&mut slot.dust_told, true);
        self.fire(index, SlotEvent::TooSmall, out);
        if !is_told {
            out.record(Record::Error { reason: "dust: what remains is too small to be sold" });
        }
    }
}
