//! A timer for short work: the time-stamp counter between fences, less the cost of reading it.

use std::time::{Duration, Instant};

/// How long the counter is compared with [`Instant`] when it is calibrated.
const CALIBRATION: Duration = Duration::from_millis(20);
/// Readings that the pair cost is the median of.
const PAIRS: usize = 1_001;

/// Ticks to nanoseconds, and what two readings in a row cost. `Copy`.
#[derive(Clone, Copy, Debug)]
pub struct Timer {
    ns_per_tick: f64,
    pair_ticks: u64,
}

impl Timer {
    /// Calibrates: about 20 ms.
    #[must_use]
    pub fn calibrated() -> Self {
        let (begun, from) = (Instant::now(), ticks());
        while begun.elapsed() < CALIBRATION {
            std::hint::spin_loop();
        }
        let (passed, to) = (begun.elapsed(), ticks());
        let ns_per_tick = passed.as_nanos() as f64 / to.saturating_sub(from).max(1) as f64;
        Self { ns_per_tick, pair_ticks: 0 }.recalibrated()
    }

    /// The same with the pair cost measured again: it changes with the frequency of the core.
    #[must_use]
    pub fn recalibrated(self) -> Self {
        let mut pairs = [0; PAIRS];
        for pair in &mut pairs {
            let from = ticks();
            *pair = ticks().saturating_sub(from);
        }
        pairs.sort_unstable();
        Self { pair_ticks: pairs[PAIRS / 2], ..self }
    }

    /// Ticks that `work` takes, the cost of the two readings taken off; never negative.
    #[inline]
    pub fn time<T>(&self, work: impl FnOnce() -> T) -> (u64, T) {
        let from = ticks();
        let result = work();
        let passed = ticks().saturating_sub(from);
        (passed.saturating_sub(self.pair_ticks), result)
    }

    /// Nanoseconds of so many ticks.
    #[must_use]
    pub fn ns(&self, ticks: f64) -> f64 {
        ticks * self.ns_per_tick
    }

    /// What two readings in a row cost, in ns: taken off every sample.
    #[must_use]
    pub fn pair_ns(&self) -> f64 {
        self.ns(self.pair_ticks as f64)
    }
}

/// The counter, after everything before it and before everything after it.
#[cfg(target_arch = "x86_64")]
#[inline]
#[must_use]
pub fn ticks() -> u64 {
    use core::arch::x86_64::{_mm_lfence, _rdtsc};
    #[expect(clippy::multiple_unsafe_ops_per_block, reason = "one fenced reading")]
    // SAFETY: neither instruction touches memory, and both exist on every x86_64.
    unsafe {
        _mm_lfence();
        let ticks = _rdtsc();
        _mm_lfence();
        ticks
    }
}

/// Nanoseconds of the system's clock, where there is no counter to read.
#[cfg(not(target_arch = "x86_64"))]
#[must_use]
pub fn ticks() -> u64 {
    use std::sync::OnceLock;
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    let origin = ORIGIN.get_or_init(Instant::now);
    u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_of_reading_is_taken_off_and_ticks_become_nanoseconds() {
        let timer = Timer::calibrated();
        let outer = Instant::now();
        let (passed, ()) = timer.time(|| std::thread::sleep(Duration::from_millis(5)));
        let outer_ns = outer.elapsed().as_nanos() as f64;
        let ns = timer.ns(passed as f64);
        // Bracketed from both sides, so that a pause of this thread cannot make it fail; the calibration is
        // good to far less than a tenth.
        assert!(ns > 5e6 * 0.9 && ns < outer_ns * 1.1, "{ns} of {outer_ns}");
        let nothing = Timer { pair_ticks: u64::MAX, ..timer };
        assert_eq!(nothing.time(|| ()).0, 0, "never negative");
    }
}
