//! Maker exits: a short try at a better price, with a way out that nothing can close.
//!
//! A patient exit rests at its own side's price. The kernel keeps the promise: when the time of the order is
//! over it is called back and what is left goes by market, also after a restart. The router adds what
//! need not wait for that time: a refusal, or an end by the venue, sends the rest by market at once.

use serde::{Deserialize, Serialize};

use crate::broker::ExitPlan;
use crate::id::{ClientId, TradeId};
use crate::kernel::{Code, Intent, Slot, Verdict};
use crate::msg::record::{OrderStatus, RouterEvent};
use crate::msg::{Maybe, OrderKind, TimeInForce};
use crate::router::hooks::{Aim, Step, Terms, Wish};
use crate::router::{About, Router, Spoke, Turn};
use crate::units::{Nanos, Qty};

/// A maker exit that is being followed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct MakerExit {
    plan: ExitPlan,
    trade: TradeId,
    client: ClientId,
    /// The venue was seen to have it.
    told: bool,
    /// Fills that were told to the hooks.
    seen: Qty,
}

impl MakerExit {
    const fn step(&self, now: Nanos, slot: usize, reason: &'static str) -> Step {
        Step { now, aim: Aim::Exit, slot, trade: self.trade, filled: self.seen, reason }
    }
}

impl Router {
    /// Asks for a close. Urgent ones leave by market, over whatever works: a resting exit is called back
    /// first, and the market order leaves when the venue has told its end.
    pub(crate) fn exit(&mut self, index: usize, plan: ExitPlan, turn: &mut Turn<'_>) -> Verdict {
        let Some(slot) = turn.kernel.slots().get(index) else {
            return Verdict::refused(Code::UnresolvedSlot);
        };
        let (Some(trade), Some(instrument), Some(side)) =
            (slot.trade(), slot.instrument(), slot.side())
        else {
            return Verdict::refused(Code::NoOpenPosition);
        };
        if !slot.is_open() {
            // Nothing has filled yet: what is to be left is the entry.
            return if self.call_back_entry(index, plan.reason.as_str(), turn) {
                Verdict::OK
            } else {
                Verdict::refused(Code::NoOpenPosition)
            };
        }
        let about = About { trade: Some(trade), base: None, instrument };
        let rests = self.exits[index].filter(|exit| slot.exit_order() == Some(exit.client));
        // Something of this exit was refused or ended unfilled before: no second try at a better price.
        let is_second = is_left(slot) || slot.exit_rejects() > 0;
        if rests.is_some() && (!plan.is_urgent || slot.is_exit_pending()) {
            turn.record(RouterEvent::Suppress, &about, "an exit is under way");
            return Verdict::refused(Code::ExitWorking);
        }
        let wish = Wish {
            now: turn.now,
            aim: Aim::Exit,
            slot: index,
            instrument,
            side: side.exit_side(),
            qty: None,
            retry: 0,
        };
        let may_rest = !plan.is_urgent && !is_second;
        let planned =
            may_rest.then(|| Self::quoted(&wish, turn.settings.router_exit_ttl_ns, turn)).flatten();
        let terms = self.terms(&wish, turn, planned);
        // Whatever a hook thinks of it.
        let terms = if may_rest { terms } else { Terms::Market };
        let verdict = Self::close(index, plan, terms, turn);
        if !verdict.accepted {
            return verdict;
        }
        let reason = plan.reason.as_str();
        if let Some(exit) = rests {
            // The kernel has called it back.
            turn.record(RouterEvent::Cancel, &about, reason);
            let step = exit.step(turn.now, index, reason);
            self.tell(turn, |h, s| h.on_cancel(s), &step, "the hook on_cancel failed");
        }
        // The kernel has called a working entry back with it.
        self.call_back_entry(index, reason, turn);
        if let (Terms::Limit { ttl_ns, .. }, Some(client)) =
            (terms, turn.kernel.slot(index).exit_order())
        {
            let exit = MakerExit { plan, trade, client, told: false, seen: Qty::ZERO };
            self.follow_exit(index, exit);
            // The kernel acts at this moment; the wheel only sees to it that it is awake.
            self.timers.set(Spoke::Exit(index), turn.now.plus(ttl_ns));
        }
        verdict
    }

    fn close(index: usize, plan: ExitPlan, terms: Terms, turn: &mut Turn<'_>) -> Verdict {
        let (kind, tif, price, ttl_ns) = match terms {
            Terms::Market => (OrderKind::Market, TimeInForce::Ioc, Maybe::NONE, None),
            Terms::Limit { price, post_only, ttl_ns } => {
                let tif = if post_only { TimeInForce::PostOnly } else { TimeInForce::Gtc };
                (OrderKind::Limit, tif, Maybe::some(price), Some(ttl_ns))
            }
        };
        let intent = Intent::Exit {
            slot: index,
            qty: Maybe::NONE,
            all: plan.all,
            kind,
            tif,
            price,
            ttl_ns,
            reason: plan.reason,
        };
        turn.kernel.submit(turn.now, &intent, turn.settings, turn.out)
    }

    /// What became of the maker exit of a slot since the last turn.
    pub(super) fn attend_exit(&mut self, index: usize, turn: &mut Turn<'_>) {
        let Some(exit) = &mut self.exits[index] else { return };
        if self.timers.is_due(Spoke::Exit(index), turn.now) {
            // The kernel has seen to it in this turn.
            self.timers.clear(Spoke::Exit(index));
        }
        let Some(order) = turn.kernel.order(exit.client).copied() else {
            self.drop_exit(index);
            return;
        };
        if order.filled > exit.seen {
            exit.seen = order.filled;
            let step = exit.step(turn.now, index, "");
            self.tell(turn, |h, s| h.on_fill(s), &step, "the hook on_fill failed");
        }
        let Some(exit) = &mut self.exits[index] else { return };
        let about = About { trade: Some(exit.trade), base: None, instrument: order.instrument };
        if !order.over {
            let works = matches!(order.status, OrderStatus::Acked | OrderStatus::PartiallyFilled);
            if works && !exit.told {
                exit.told = true;
                let step = exit.step(turn.now, index, "");
                turn.record(RouterEvent::Working, &about, "");
                self.tell(turn, |h, s| h.on_working(s), &step, "the hook on_working failed");
            }
            return;
        }
        let exit = *exit;
        self.drop_exit(index);
        if order.filled == order.qty {
            if !exit.told {
                turn.record(RouterEvent::ImmediateFill, &about, "");
            }
            return;
        }
        let slot = turn.kernel.slot(index);
        if slot.trade() != Some(exit.trade) || !slot.is_open() {
            return;
        }
        let follows = slot.exit_order().is_some() || slot.is_exit_pending();
        let is_ours = is_left(slot) && !order.cancel_wanted;
        if !follows && !is_ours {
            return;
        }
        if is_ours {
            let reason = match order.status {
                OrderStatus::Rejected => "refused by the venue",
                OrderStatus::Submitted
                | OrderStatus::Acked
                | OrderStatus::Canceled
                | OrderStatus::Expired
                | OrderStatus::Filled
                | OrderStatus::PartiallyFilled
                | OrderStatus::Unknown => "ended by the venue",
            };
            turn.record(RouterEvent::ExitMarketFallback, &about, reason);
            // A refusal leaves the promise of the kernel, which goes on by itself.
            let _verdict = Self::close(index, exit.plan, Terms::Market, turn);
        }
        let step = exit.step(turn.now, index, exit.plan.reason.as_str());
        self.tell(turn, |h, s| h.on_escalate(s), &step, "the hook on_escalate failed");
    }
}

/// Something is left of an accepted exit and nothing is on its way that closes it. A promise of the kernel's
/// counts: it is kept when the exit's time is over, and what is known to be missed need not wait for that.
fn is_left(slot: &Slot) -> bool {
    let promised = slot.exit_due_ns().is_some() && slot.is_open();
    let is_idle = slot.exit_order().is_none() && !slot.is_exit_pending();
    slot.is_exit_owed() || (promised && is_idle)
}
