//! The dead-man timer: the venue cancels everything when it has not heard of us for a while.
//!
//! Armed before the first order may rest, armed again every third of its period, turned off when nothing
//! rests any more, because it covers the whole account: a timer that goes off would take other traders'
//! orders with it. It counts as armed only while the venue has said so and its time has not come; a question
//! under way arms nothing.

use pinion_core::units::Nanos;

/// Shortest period the venue takes.
pub const PERIOD_MIN_S: u32 = 10;
/// Longest period the venue takes.
pub const PERIOD_MAX_S: u32 = 120;
/// The venue takes one such call a second.
const RETRY_NS: i64 = 1_100_000_000;

/// What must be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerCall {
    /// Arm it for so many seconds.
    Arm {
        /// Seconds.
        seconds: u32,
    },
    /// Turn it off.
    Close,
}

/// The call under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sent {
    call: TimerCall,
    at: Nanos,
}

/// The timer as far as it is known. Pure; time comes in.
#[derive(Clone, Debug)]
pub struct DeadMan {
    seconds: u32,
    /// When it goes off at the earliest; `None` when it is certainly off.
    trigger: Option<Nanos>,
    /// When the venue last confirmed it, counted from when the call left.
    armed_at: Option<Nanos>,
    sent: Option<Sent>,
    not_before: Nanos,
    failures: u64,
}

impl DeadMan {
    /// A timer with this period, kept within what the venue takes.
    #[must_use]
    pub fn new(seconds: u32) -> Self {
        Self {
            seconds: seconds.clamp(PERIOD_MIN_S, PERIOD_MAX_S),
            trigger: None,
            armed_at: None,
            sent: None,
            not_before: Nanos::ZERO,
            failures: 0,
        }
    }

    fn period_ns(&self) -> i64 {
        i64::from(self.seconds) * Nanos::SECOND
    }

    /// What must be sent now. `is_wanted` is true while an order of ours rests or is about to.
    pub fn poll(&mut self, now: Nanos, is_wanted: bool) -> Option<TimerCall> {
        if self.trigger.is_some_and(|trigger| now >= trigger) {
            // It went off: everything was cancelled, and it is off now.
            self.trigger = None;
            self.armed_at = None;
        }
        if self.sent.is_some() || now < self.not_before {
            return None;
        }
        let call = if is_wanted {
            let fresh = |armed: Nanos| now.since(armed) < self.period_ns() / 3;
            if self.trigger.is_some() && self.armed_at.is_some_and(fresh) {
                return None;
            }
            TimerCall::Arm { seconds: self.seconds }
        } else {
            self.trigger?;
            TimerCall::Close
        };
        self.sent = Some(Sent { call, at: now });
        Some(call)
    }

    /// The venue confirmed the call under way.
    pub fn on_done(&mut self, now: Nanos) {
        let Some(sent) = self.sent.take() else { return };
        self.not_before = sent.at.plus(RETRY_NS);
        match sent.call {
            TimerCall::Arm { .. } => {
                // It began to run no earlier than the call left.
                let trigger = sent.at.plus(self.period_ns());
                self.armed_at = Some(sent.at);
                self.trigger = Some(trigger).filter(|trigger| now < *trigger);
            }
            TimerCall::Close => {
                self.trigger = None;
                self.armed_at = None;
            }
        }
    }

    /// The call under way failed, or nobody knows: it may have begun to run, and does not count as armed.
    pub fn on_failed(&mut self, now: Nanos) {
        let Some(sent) = self.sent.take() else { return };
        self.failures += 1;
        self.not_before = now.max(sent.at.plus(RETRY_NS));
        if matches!(sent.call, TimerCall::Arm { .. }) && self.trigger.is_none() {
            // So that it is turned off again when nothing rests.
            self.trigger = Some(sent.at.plus(self.period_ns() + RETRY_NS));
        }
    }

    /// True while the venue would cancel our orders if we fell silent now: entries that rest need this.
    #[must_use]
    pub fn protects(&self, now: Nanos) -> bool {
        self.armed_at.is_some_and(|armed| now.since(armed) < self.period_ns())
    }

    /// Calls that failed.
    #[must_use]
    pub const fn failures(&self) -> u64 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: i64) -> Nanos {
        Nanos::new(1_000_000_000 + ms * 1_000_000)
    }

    const ARM: Option<TimerCall> = Some(TimerCall::Arm { seconds: 30 });

    #[test]
    fn it_is_armed_while_orders_rest_and_turned_off_after() {
        let mut timer = DeadMan::new(30);
        assert_eq!(timer.poll(at(0), false), None, "it is off");
        assert_eq!(timer.poll(at(0), true), ARM);
        assert!(!timer.protects(at(0)), "a question arms nothing");
        assert_eq!(timer.poll(at(5), true), None, "one at a time");
        timer.on_done(at(50));
        assert!(timer.protects(at(50)));
        assert_eq!(timer.poll(at(9_999), true), None);
        assert_eq!(timer.poll(at(10_000), true), ARM, "every third of its period");
        timer.on_done(at(10_050));
        assert_eq!(timer.poll(at(11_200), false), Some(TimerCall::Close));
        timer.on_done(at(11_250));
        assert!(!timer.protects(at(11_250)));
        assert_eq!(timer.poll(at(90_000), false), None);
    }

    #[test]
    fn it_protects_no_longer_than_the_venue_said() {
        let mut timer = DeadMan::new(30);
        assert_eq!(timer.poll(at(0), true), ARM);
        timer.on_done(at(20_000));
        assert!(timer.protects(at(29_999)) && !timer.protects(at(30_000)));
        assert_eq!(timer.poll(at(20_001), true), ARM);
        timer.on_failed(at(22_000));
        assert!(timer.protects(at(22_000)), "the earlier one still runs");
        assert_eq!(timer.poll(at(22_000), true), ARM, "again at once");
        timer.on_failed(at(22_100));
        assert_eq!(timer.poll(at(22_200), true), None, "once a second");
        assert_eq!(timer.poll(at(23_200), true), ARM);
        timer.on_done(at(60_000));
        assert!(!timer.protects(at(60_000)), "the answer came after its time");
        assert_eq!(timer.failures(), 2);
    }

    #[test]
    fn one_that_may_have_begun_is_turned_off() {
        let mut timer = DeadMan::new(30);
        assert_eq!(timer.poll(at(0), true), ARM);
        timer.on_failed(at(1_000));
        assert!(!timer.protects(at(1_000)));
        assert_eq!(timer.poll(at(2_000), false), Some(TimerCall::Close));
        timer.on_done(at(2_050));
        assert_eq!(timer.poll(at(4_000), false), None);
    }

    #[test]
    fn periods_are_kept_within_what_the_venue_takes() {
        assert_eq!(DeadMan::new(1).poll(at(0), true), Some(TimerCall::Arm { seconds: 10 }));
        assert_eq!(DeadMan::new(999).poll(at(0), true), Some(TimerCall::Arm { seconds: 120 }));
    }
}
