//! The guardian: exits that must happen whatever the policy does.
//!
//! On ticks it looks at every open slot. It leaves by market when the operator or the posture says so, when
//! the slot's asset has had no price for `exit.no_price_ns_max`, and when an exit that was accepted once
//! is owed: refused by the venue or ended unfilled, its pause over, and nobody has asked again. A policy
//! that does nothing, or never asks for an exit, cannot strand a position.

use serde::{Deserialize, Serialize};

use crate::id::InstrumentId;
use crate::kernel::orders::Order;
use crate::kernel::{Effects, Intent, Kernel, Slot};
use crate::msg::record::{Action, DecisionReason};
use crate::msg::venue::RejectReason;
use crate::msg::{
    ClientRef, Control, Input, Maybe, OrderKind, OrderRole, Record, Scan, ScanMsg, TimeInForce,
    VenueEvent,
};
use crate::policy::SLOTS_MAX;
use crate::settings::{Posture, Settings};
use crate::units::Nanos;

/// An owed exit is left to the policy for this long: it knows better at which price.
const OWED_NS: i64 = 250_000_000;

/// How much leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Everything.
    All,
    /// What is left of the exit that is owed.
    Owed,
}

/// What the guardian remembers. Owner: the engine; part of its saved state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Guardian {
    /// When the engine started, or was started again.
    since: Option<Nanos>,
    /// The last scan, for the line of a decision.
    scan: Option<Scan>,
    /// Since when an exit of the slot is owed.
    owed: [Option<Nanos>; SLOTS_MAX],
    /// The line that nothing is left since the kill is written.
    told_flat: bool,
}

impl Guardian {
    pub(super) const fn new() -> Self {
        Self { since: None, scan: None, owed: [None; SLOTS_MAX], told_flat: false }
    }

    /// After the policy's part of a turn.
    pub(super) fn turn(
        &mut self,
        now: Nanos,
        input: &Input,
        kernel: &mut Kernel,
        settings: &Settings,
        out: &mut Effects,
    ) {
        self.since.get_or_insert(now);
        match input {
            Input::Scan(ScanMsg::Scan(scan)) => self.scan = Some(*scan),
            Input::Tick => self.on_tick(now, kernel, settings, out),
            Input::Control(message) if message.control == Control::Recover => {
                // The prices of before are old for a reason that is not the market's.
                self.since = Some(now);
            }
            Input::Venue(message) => {
                if let (ClientRef::Own(client), VenueEvent::Reject { reason }) =
                    (message.client, message.event)
                    && is_our_gate(reason)
                    && kernel.order(client).is_some_and(|order| order.role == OrderRole::Exit)
                {
                    out.record(Record::Error { reason: "our own gate refused an exit" });
                }
            }
            Input::Market(_) | Input::Scan(_) | Input::Control(_) | Input::Settings { .. } => {}
        }
    }

    fn on_tick(&mut self, now: Nanos, kernel: &mut Kernel, settings: &Settings, out: &mut Effects) {
        self.tell_flat(kernel, out);
        let leave = kernel.is_flattening() || settings.policy_posture == Posture::Hibernate;
        for index in 0..kernel.slots().len().min(SLOTS_MAX) {
            let slot = kernel.slot(index);
            let owed = self.owes(now, index, slot);
            let Some(instrument) = slot.instrument().filter(|_| has_way_out(kernel, slot, now))
            else {
                continue;
            };
            let wish = if leave {
                Some((DecisionReason::OperatorFlatten, Part::All))
            } else if self.price_age_ns(kernel, now, index, instrument)
                > settings.exit_no_price_ns_max
            {
                Some((DecisionReason::NoPriceFlatten, Part::All))
            } else {
                owed.map(|reason| (reason, Part::Owed))
            };
            if let Some((reason, part)) = wish {
                self.leave(now, index, reason, part, kernel, settings, out);
            }
        }
    }

    /// Age of the newest price of any kind. A slot that never saw one counts from its opening; after a
    /// restart nothing counts that lies before it.
    fn price_age_ns(
        &self,
        kernel: &Kernel,
        now: Nanos,
        index: usize,
        instrument: InstrumentId,
    ) -> i64 {
        let priced = kernel.top(instrument).and_then(|top| {
            [top.quote_ns, top.last_ns, top.mark_ns].iter().filter_map(|at| at.get()).max()
        });
        let from = [priced, kernel.slot(index).opened_ns(), self.since].into_iter().flatten().max();
        from.map_or(0, |at| now.since(at))
    }

    /// The reason of an exit that is owed and that nobody has asked for again in time.
    fn owes(&mut self, now: Nanos, index: usize, slot: &Slot) -> Option<DecisionReason> {
        let since = &mut self.owed[index];
        if !slot.is_exit_owed() {
            *since = None;
            return None;
        }
        let waited = now.since(*since.get_or_insert(now)) >= OWED_NS;
        slot.close_reason().filter(|_| waited)
    }

    /// Asks the kernel to close; one decision line for each time.
    #[expect(clippy::too_many_arguments, reason = "the turn's context, passed through")]
    fn leave(
        &self,
        now: Nanos,
        slot: usize,
        reason: DecisionReason,
        part: Part,
        kernel: &mut Kernel,
        settings: &Settings,
        out: &mut Effects,
    ) {
        out.record(Record::Decision {
            scan: self.scan.map_or(0, |scan| scan.number),
            instrument: kernel.slot(slot).instrument(),
            action: Action::Exit,
            reason,
            vel_div: self.scan.and_then(|scan| scan.vel_div).into(),
            sizing: None,
        });
        let qty = match part {
            Part::All => None,
            Part::Owed => Some(kernel.slot(slot).exit_left()),
        };
        let intent = Intent::Exit {
            slot,
            qty: Maybe::from(qty),
            all: part == Part::All,
            kind: OrderKind::Market,
            tif: TimeInForce::Ioc,
            price: Maybe::NONE,
            ttl_ns: None,
            reason,
        };
        // A refusal leaves the position as it is; the next tick asks again.
        let _verdict = kernel.submit(now, &intent, settings, out);
    }

    /// After a kill, says once that nothing is left: no position, and no order that could still fill.
    fn tell_flat(&mut self, kernel: &Kernel, out: &mut Effects) {
        if !kernel.is_killed() {
            self.told_flat = false;
        } else if !self.told_flat && kernel.is_flat() {
            self.told_flat = true;
            out.record(Record::Halt { reason: "killed_flat" });
        }
    }
}

/// True when a market exit could leave: nothing that closes the slot is on its way, or only a limit order,
/// which the kernel then calls back; and a refused exit has had its pause.
fn has_way_out(kernel: &Kernel, slot: &Slot, now: Nanos) -> bool {
    let rests = |order: &Order| order.kind == OrderKind::Limit;
    slot.is_open()
        && !slot.is_exit_pending()
        && slot.exit_retry_at_ns().is_none_or(|at| now >= at)
        && slot.exit_order().is_none_or(|client| kernel.order(client).is_some_and(rests))
}

/// True for what no venue says.
const fn is_our_gate(reason: RejectReason) -> bool {
    matches!(reason, RejectReason::Killed | RejectReason::Cap | RejectReason::OrderRate)
}
