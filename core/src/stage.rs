//! The contract of a stage.
//!
//! A stage knows links, not threads: the same stage runs alone on a pinned core, fused with others on
//! one, or in virtual time. It never sleeps, locks or reads a clock; time is an argument.

use crate::units::Nanos;

/// What one poll did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Work {
    /// Messages taken in plus messages put out; 0 exactly when there was nothing to do.
    pub count: u32,
    /// Of them, orders toward the venue: what tick-to-order latency ends with.
    pub commands: u32,
    /// There was something to do, and a full link stopped it.
    pub backpressured: bool,
}

impl Work {
    /// Nothing to do.
    pub const NONE: Self = Self { count: 0, commands: 0, backpressured: false };

    /// `count` messages.
    pub const fn done(count: u32) -> Self {
        Self { count, commands: 0, backpressured: false }
    }

    /// Both together.
    pub const fn and(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            commands: self.commands + other.commands,
            backpressured: self.backpressured || other.backpressured,
        }
    }
}

/// One stage of the engine.
///
/// Rules, tested for every stage: without input `poll` returns [`Work::NONE`]; one poll handles at most
/// its budget of messages per link; nothing is allocated after warm-up.
///
/// A stage that waits for a link read outside the turn (at full speed the kernel for the journal's links)
/// makes sure of room for a whole budget before it begins, or does nothing and reports back-pressure. The
/// runner then polls it alone until it moves, so the speed of the journal cannot reorder its inputs.
pub trait Stage: Send {
    /// Name as in the topology table.
    fn name(&self) -> &'static str;

    /// Does at most one budget of work at time `now`, which never decreases.
    fn poll(&mut self, now: Nanos) -> Work;

    /// The earliest time at which this stage has something to do without new input.
    fn next_deadline(&self) -> Option<Nanos> {
        None
    }

    /// True when a poll at the time of the last one would find nothing: every link that it reads is empty
    /// now, and nothing else is due at that time. A runner in virtual time then spares that poll. `false` is
    /// always right, and costs it.
    fn drained(&self) -> bool {
        false
    }

    /// True once the stage will never produce work again.
    fn finished(&self) -> bool {
        false
    }
}
