//! How quiet the core is while a bench runs: a short look at the gaps that a spinning thread sees.

use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};

use super::timer::{Timer, ticks};

/// Shortest gap that counts: below it is the counter's own step.
const GAP_NS_MIN: f64 = 200.0;
/// A gap is one that is so many times as long as the usual step.
const GAP_STEPS: f64 = 8.0;

pinion_core::text_enum! {
    /// What may be made of figures from this core at this time.
    pub enum Quiet {
        /// Less than 0.1 % of the time stolen: p50 and p99 are good.
        Quiet => "quiet",
        /// Less than 1 %: p50 is good, p99 mostly.
        Usable => "usable",
        /// More: only ratios within a round mean anything.
        Noisy => "noisy",
    }
}

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Hiccups {
    /// Gaps a second.
    pub gaps_per_s: f64,
    /// Share of the time in gaps, in percent.
    pub stolen_percent: f64,
    /// Longest gap.
    pub longest_ns: f64,
    /// What to make of it.
    #[serde(serialize_with = "text")]
    pub verdict: Quiet,
}

fn text<S: Serializer>(verdict: &Quiet, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(verdict.as_str())
}

impl Hiccups {
    fn of(gaps: u64, stolen_ns: f64, longest_ns: f64, passed_ns: f64) -> Self {
        let stolen_percent = 100.0 * stolen_ns / passed_ns.max(1.0);
        let verdict = if stolen_percent < 0.1 {
            Quiet::Quiet
        } else if stolen_percent < 1.0 {
            Quiet::Usable
        } else {
            Quiet::Noisy
        };
        let gaps_per_s = gaps as f64 * 1e9 / passed_ns.max(1.0);
        Self { gaps_per_s, stolen_percent, longest_ns, verdict }
    }

    /// The worse of two.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        if other.stolen_percent > self.stolen_percent { other } else { self }
    }
}

/// Spins for `length` on the core that it is called on.
#[must_use]
pub fn look(timer: &Timer, length: Duration) -> Hiccups {
    let threshold_ns = (GAP_STEPS * timer.pair_ns()).max(GAP_NS_MIN);
    let begun = Instant::now();
    let first = ticks();
    let (mut last, mut gaps, mut stolen_ns, mut longest_ns) = (first, 0, 0.0, 0.0f64);
    // The system's clock is looked at rarely: it would be a gap itself.
    while begun.elapsed() < length {
        last = ticks();
        for _ in 0..1_000 {
            let now = ticks();
            let gap_ns = timer.ns(now.saturating_sub(last) as f64);
            if gap_ns > threshold_ns {
                gaps += 1;
                stolen_ns += gap_ns;
                longest_ns = longest_ns.max(gap_ns);
            }
            last = now;
        }
    }
    Hiccups::of(gaps, stolen_ns, longest_ns, timer.ns(last.saturating_sub(first) as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_follows_the_stolen_share() {
        let verdict = |stolen_ns| Hiccups::of(1, stolen_ns, stolen_ns, 1e9).verdict;
        assert_eq!(verdict(0.9e6), Quiet::Quiet);
        assert_eq!(verdict(1.1e6), Quiet::Usable);
        assert_eq!(verdict(9.9e6), Quiet::Usable);
        assert_eq!(verdict(10.1e6), Quiet::Noisy);
        let (calm, wild) = (Hiccups::of(1, 1.0, 1.0, 1e9), Hiccups::of(2, 5e8, 3e8, 1e9));
        assert_eq!(calm.worse(wild), wild);
        assert_eq!(wild.worse(calm), wild);
        assert!((wild.gaps_per_s - 2.0).abs() < 1e-9);
    }
}
