//! Deadlines of the router: a wheel with one spoke for each thing that can be due.
//!
//! A slot has at most one working entry and one working exit, so that the wheel is complete with two
//! spokes a slot: nothing is queued behind anything, and whoever waits long delays nobody else. Time is
//! that of the inputs.

use serde::{Deserialize, Serialize};

use crate::policy::SLOTS_MAX;
use crate::units::Nanos;

const SPOKES: usize = 2 * SLOTS_MAX;

/// What a deadline is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoke {
    /// The working entry of a slot, or the pause before its next quote.
    Entry(usize),
    /// The working maker exit of a slot.
    Exit(usize),
}

impl Spoke {
    const fn index(self) -> usize {
        match self {
            Self::Entry(slot) => slot,
            Self::Exit(slot) => SLOTS_MAX + slot,
        }
    }
}

/// The wheel. Setting, clearing and asking for one is an index; the earliest is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Timers {
    due: [Nanos; SPOKES],
    next: Nanos,
}

impl Timers {
    pub(super) const fn new() -> Self {
        Self { due: [Nanos::MAX; SPOKES], next: Nanos::MAX }
    }

    /// Sets or moves a deadline.
    pub(super) fn set(&mut self, spoke: Spoke, at: Nanos) {
        self.due[spoke.index()] = at;
        self.next = self.due.iter().copied().min().unwrap_or(Nanos::MAX);
    }

    /// Takes a deadline off.
    pub(super) fn clear(&mut self, spoke: Spoke) {
        if self.due[spoke.index()] != Nanos::MAX {
            self.set(spoke, Nanos::MAX);
        }
    }

    /// True when this deadline has come.
    pub(super) fn is_due(&self, spoke: Spoke, now: Nanos) -> bool {
        self.due[spoke.index()] <= now
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<Nanos> {
        (self.next != Nanos::MAX).then_some(self.next)
    }

    /// True when what was read back is the wheel of a router.
    pub(super) fn is_sound(&self) -> bool {
        self.due.iter().min() == Some(&self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_deadline_is_its_own() {
        let mut timers = Timers::new();
        let at = |s: i64| Nanos::new(s);
        assert_eq!(timers.next(), None);
        timers.set(Spoke::Entry(3), at(50));
        timers.set(Spoke::Exit(3), at(20));
        timers.set(Spoke::Entry(15), at(30));
        assert_eq!(timers.next(), Some(at(20)));
        // One that stays overdue keeps no other from being seen.
        assert!(timers.is_due(Spoke::Exit(3), at(40)) && timers.is_due(Spoke::Entry(15), at(40)));
        assert!(!timers.is_due(Spoke::Entry(3), at(40)));
        timers.clear(Spoke::Exit(3));
        assert_eq!(timers.next(), Some(at(30)));
        timers.set(Spoke::Entry(15), at(90));
        assert_eq!(timers.next(), Some(at(50)));
        timers.clear(Spoke::Entry(3));
        timers.clear(Spoke::Entry(15));
        assert_eq!(timers.next(), None);
        assert!(timers.is_sound());
    }
}
