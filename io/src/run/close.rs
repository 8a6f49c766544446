//! The orderly end of a run: entries stop, what works toward more risk is called back, and the venue has a
//! moment to answer.

use std::thread;
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use pinion_core::kernel::Slot;
use pinion_core::msg::{Control, ControlMsg};
use pinion_core::stage::Stage as _;
use pinion_core::units::Nanos;

use super::Stages;
use crate::runner::GRACE_NS;

/// How long one look at a full journal link waits.
const PAUSE: Duration = Duration::from_millis(1);
/// Looks at a full journal link that moved nothing; then the journal is taken for dead.
const PAUSES_MAX: u32 = 2_000;

/// Tells the kernel that the run ends at `now` and drives kernel and venue, without the market, until no
/// entry order works any more or [`GRACE_NS`] of stream time have passed. Virtual time: nothing waits but
/// for the journal.
pub(super) fn close<I>(stages: &mut Stages<I>, control: &ArrayQueue<ControlMsg>, mut now: Nanos) {
    let until = now.plus(GRACE_NS);
    let mut stop = Some(ControlMsg { ts_recv_ns: now, control: Control::Stop });
    let mut pauses = 0;
    loop {
        // A full queue is emptied by the poll.
        stop = stop.and_then(|message| control.push(message).err());
        let work = stages.kernel.poll(now).and(stages.egress.poll(now));
        if work.count > 0 {
            pauses = 0;
        } else if work.backpressured {
            pauses += 1;
            if pauses > PAUSES_MAX {
                return;
            }
            thread::park_timeout(PAUSE);
        } else if stop.is_none() {
            let works = |slot: &Slot| slot.entry_order().is_some();
            let deadlines = [stages.kernel.next_deadline(), stages.egress.next_deadline()];
            let next = deadlines.into_iter().flatten().filter(|at| *at > now).min();
            let Some(next) = next.filter(|at| *at <= until) else { return };
            if !stages.kernel.engine().kernel().slots().iter().any(works) {
                return;
            }
            now = next;
        }
    }
}
