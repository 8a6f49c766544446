//! What every bench shares: the timer, interleaved rounds, the look at the machine's noise, figures and reports.
//!
//! Rules: subjects that are compared run in the same rounds; ratios are taken within a round; the timer's own
//! cost is taken off; work below 50 ns is timed in groups; every figure says how often it was measured, between
//! which values, and how quiet the machine was. Absolute times belong to one machine and one hour.

pub mod figure;
pub mod host;
pub mod noise;
pub mod plot;
pub mod report;
pub mod rounds;
pub mod timer;

pub use figure::{Figure, Target, Verdict};
pub use host::Host;
pub use report::{BenchReport, Report};
pub use rounds::{Measured, Series, Sheet, Subject};
pub use timer::Timer;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Interleaved rounds.
    pub rounds: u32,
    /// Pieces of work of a round, relative to the canonical thousand.
    pub permille: u32,
    /// Runs of the soak's full length.
    pub full: bool,
}

impl Scale {
    /// What figures are made of: about half a minute in all.
    pub const CANONICAL: Self = Self { rounds: 7, permille: 1_000, full: false };
    /// Only shows that everything works: well under a second for each bench, unoptimised.
    pub const SMALL: Self = Self { rounds: 2, permille: 5, full: false };

    /// `canonical` pieces of work, scaled; at least `least`.
    #[must_use]
    pub fn of(self, canonical: usize, least: usize) -> usize {
        (canonical * self.permille as usize / 1_000).max(least)
    }
}
