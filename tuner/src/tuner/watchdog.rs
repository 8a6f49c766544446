//! Looks whether the tuner still lives. Trading does not depend on it; the operator must know.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::tuner::Health;

/// Without a round for this long a tuner counts as silent.
const SILENCE: Duration = Duration::from_secs(10);

pinion_core::text_enum! {
    /// What is wrong with a tuner.
    pub enum Alarm {
        /// It ended before the run did: it panicked.
        Ended => "ended",
        /// It hangs, or has no core to run on.
        Silent => "silent",
    }
}

/// See the module. Owner: a cold thread that looks now and then.
#[derive(Debug, Default)]
pub struct Watchdog {
    rounds: u64,
    silent: Duration,
    is_told: bool,
}

impl Watchdog {
    /// Looks, `since` after the last look. Tells once.
    pub fn look(&mut self, health: &Health, since: Duration) -> Option<Alarm> {
        let rounds = health.rounds.load(Ordering::Relaxed);
        self.silent =
            if rounds == self.rounds { self.silent.saturating_add(since) } else { Duration::ZERO };
        self.rounds = rounds;
        let alarm = if health.is_over.load(Ordering::Acquire) {
            Alarm::Ended
        } else if self.silent >= SILENCE {
            Alarm::Silent
        } else {
            return None;
        };
        (!std::mem::replace(&mut self.is_told, true)).then_some(alarm)
    }
}
