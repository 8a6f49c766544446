//! What the rules look at.

use pinion_core::settings::Settings;

use crate::measure::Fraction;
use crate::policy::{Bounds, Fails, Mode, Phase};
use crate::rules::churn::LockState;
use crate::telemetry::{Metrics, Telemetry};

/// One tick, as the rules see it.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// What was measured.
    pub telemetry: &'a Telemetry,
    /// What fails.
    pub fails: Fails,
    /// What the tick is about.
    pub phase: Phase,
    /// Losing, but stuck: relaxing is the way out.
    pub is_unlocked: bool,
    /// Mode in force.
    pub mode: Mode,
    /// Between these the rules move.
    pub bounds: Bounds,
    /// Settings before the tick.
    pub settings: &'a Settings,
    /// What the operator set.
    pub baseline: &'a Settings,
    /// The churn lock after this tick's look.
    pub lock: &'a LockState,
    /// As the original did.
    pub strict_seed: bool,
}

impl Context<'_> {
    /// The funnel and the books.
    #[must_use]
    pub const fn metrics(&self) -> &Metrics {
        &self.telemetry.metrics
    }

    /// Low throughput; unknown counts as no.
    #[must_use]
    pub fn is_low(&self) -> bool {
        self.metrics().low_throughput() == Some(true)
    }

    /// Nothing opened, or too little.
    #[must_use]
    pub fn is_starved(&self) -> Option<bool> {
        let none = self.metrics().opened.map(|opened| opened == 0);
        crate::measure::or(none, self.metrics().low_throughput())
    }

    /// Refusals for any of these reasons.
    #[must_use]
    pub fn hits(&self, reasons: &[&str]) -> u64 {
        self.metrics().hits(reasons)
    }

    /// Refusals at least this many, or this part of the selected, whichever is more.
    #[must_use]
    pub fn hits_at_least(&self, reasons: &[&str], least: u64, part: u64) -> Option<bool> {
        let floor = (self.metrics().selected? / part).max(least);
        Some(self.hits(reasons) >= floor)
    }

    /// Opened of selected.
    #[must_use]
    pub fn batch_rate_at_least(&self, least: f64) -> Option<bool> {
        match (self.metrics().selected?, self.metrics().batch_rate()) {
            (0, _) => Some(false),
            (_, rate) => rate.map(|rate: Fraction| rate.0 >= least),
        }
    }
}
