//! Regimes: what a stage thread spends its time on.
//!
//! Every nanosecond between start and end is charged to exactly one regime, so the four always sum to the
//! time elapsed. Owner: the thread itself. Cost: two additions a turn, with the turn's own clock reading.

pinion_core::text_enum! {
    /// What a stretch of time was.
    pub enum Regime {
        /// Nothing to do: the empty poll and the rest after it.
        Idle => "idle",
        /// Messages moved.
        Working => "working",
        /// There was something to do and a full link stopped it.
        Backpressured => "backpressured",
        /// Publishing counters, looking at the stop flag.
        Housekeeping => "housekeeping",
    }
}

/// Nanoseconds per regime, by [`Regime::code`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Regimes {
    ns: [u64; Regime::ALL.len()],
}

impl Regimes {
    /// Nanoseconds of one regime.
    #[must_use]
    pub const fn ns(&self, regime: Regime) -> u64 {
        self.ns[regime as usize]
    }

    /// Nanoseconds of all.
    #[must_use]
    pub fn total_ns(&self) -> u64 {
        self.ns.iter().sum()
    }
}

/// Charges time to regimes as it passes.
#[derive(Clone, Copy, Debug)]
pub struct RegimeMeter {
    charged_to_ns: u64,
    regimes: Regimes,
}

impl RegimeMeter {
    /// Starts at a stopwatch reading.
    #[must_use]
    pub const fn new(now_ns: u64) -> Self {
        Self { charged_to_ns: now_ns, regimes: Regimes { ns: [0; Regime::ALL.len()] } }
    }

    /// Charges everything since the last charge to `regime`. A reading that went back charges nothing.
    pub const fn charge(&mut self, regime: Regime, now_ns: u64) {
        let Some(passed_ns) = now_ns.checked_sub(self.charged_to_ns) else { return };
        self.regimes.ns[regime as usize] += passed_ns;
        self.charged_to_ns = now_ns;
    }

    /// What was charged so far.
    #[must_use]
    pub const fn regimes(&self) -> Regimes {
        self.regimes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_nanosecond_is_charged_once() {
        // A fake clock with uneven steps, one of them backwards.
        let start_ns = 1_000_003;
        let mut now_ns = start_ns;
        let mut highest_ns = start_ns;
        let mut meter = RegimeMeter::new(start_ns);
        let mut state = 7u64;
        for turn in 0..10_000u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            now_ns = if turn == 5_000 { now_ns - 17 } else { now_ns + (state >> 56) };
            highest_ns = highest_ns.max(now_ns);
            let regime = Regime::ALL[(state >> 33) as usize % Regime::ALL.len()];
            meter.charge(regime, now_ns);
        }
        let regimes = meter.regimes();
        assert_eq!(regimes.total_ns(), highest_ns - start_ns);
        assert!(Regime::ALL.iter().all(|regime| regimes.ns(*regime) > 0));
    }

    #[test]
    fn time_goes_to_the_regime_that_is_named() {
        let mut meter = RegimeMeter::new(10);
        meter.charge(Regime::Working, 15);
        meter.charge(Regime::Idle, 115);
        meter.charge(Regime::Working, 117);
        meter.charge(Regime::Housekeeping, 118);
        let regimes = meter.regimes();
        let ns = Regime::ALL.iter().map(|regime| regimes.ns(*regime)).collect::<Vec<_>>();
        assert_eq!(ns, [100, 7, 0, 1]);
    }
}
