//! The gap meter: a thread that does nothing but read the clock sees every moment in which it did not run.

use hdrhistogram::Histogram;

/// No gap below this is an interruption, ns: counters of virtual machines are read in steps of some 10 ns, so a
/// multiple of the usual gap alone would take every second reading for one.
pub const THRESHOLD_NS_MIN: u64 = 200;
/// An interruption is longer than so many usual gaps.
const THRESHOLD_FACTOR: u64 = 8;

/// The gaps of an undisturbed thread, ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usual {
    /// Smallest.
    pub min_ns: u64,
    /// Most frequent; of several the smallest.
    pub mode_ns: u64,
}

impl Usual {
    /// From a sample of gaps; zero for an empty one.
    #[must_use]
    pub fn of(gaps_ns: &[u64]) -> Self {
        let mut sorted = gaps_ns.to_vec();
        sorted.sort_unstable();
        let mut best = (0, sorted.first().copied().unwrap_or(0));
        for run in sorted.chunk_by(|a, b| a == b) {
            if run.len() > best.0 {
                best = (run.len(), run.first().copied().unwrap_or(0));
            }
        }
        Self { min_ns: sorted.first().copied().unwrap_or(0), mode_ns: best.1 }
    }

    /// From which gap on a thread was interrupted, ns.
    #[must_use]
    pub fn threshold_ns(&self) -> u64 {
        self.mode_ns.saturating_mul(THRESHOLD_FACTOR).max(THRESHOLD_NS_MIN)
    }
}

/// Counts the interruptions of one thread. Owner: that thread. No allocation after construction.
#[derive(Debug)]
pub struct Meter {
    threshold_ns: u64,
    first_ns: u64,
    last_ns: u64,
    over: [u64; 3],
    lost_ns: u64,
    gaps: Histogram<u64>,
}

/// The gaps that are counted apart: longer than 1, 10 and 100 µs.
pub const OVER_NS: [u64; 3] = [1_000, 10_000, 100_000];

impl Meter {
    /// Starts at a reading of the clock. A gap longer than `threshold_ns` is an interruption and goes into
    /// `gaps`, as the longest that it holds where it is longer.
    #[must_use]
    pub const fn new(threshold_ns: u64, start_ns: u64, gaps: Histogram<u64>) -> Self {
        Self { threshold_ns, first_ns: start_ns, last_ns: start_ns, over: [0; 3], lost_ns: 0, gaps }
    }

    /// The next reading of the clock, ns.
    #[inline]
    pub fn read(&mut self, now_ns: u64) {
        let gap_ns = now_ns.saturating_sub(self.last_ns);
        self.last_ns = now_ns;
        if gap_ns > self.threshold_ns {
            self.interruption(gap_ns);
        }
    }

    #[cold]
    fn interruption(&mut self, gap_ns: u64) {
        self.lost_ns = self.lost_ns.saturating_add(gap_ns);
        for (over, least_ns) in self.over.iter_mut().zip(OVER_NS) {
            *over += u64::from(gap_ns > least_ns);
        }
        self.gaps.saturating_record(gap_ns);
    }

    /// What was counted so far.
    #[must_use]
    pub fn finish(self) -> Gaps {
        Gaps {
            window_ns: self.last_ns.saturating_sub(self.first_ns),
            threshold_ns: self.threshold_ns,
            over: self.over,
            lost_ns: self.lost_ns,
            histogram: self.gaps,
        }
    }
}

/// The interruptions of one thread.
#[derive(Clone, Debug, PartialEq)]
pub struct Gaps {
    /// How long was looked, ns.
    pub window_ns: u64,
    /// From which gap on it counts, ns.
    pub threshold_ns: u64,
    /// How many were longer than each of [`OVER_NS`].
    pub over: [u64; 3],
    /// Sum of all interruptions, ns.
    pub lost_ns: u64,
    /// Every interruption by its length, ns.
    pub histogram: Histogram<u64>,
}

impl Gaps {
    /// Share of the time lost, in parts per million.
    #[must_use]
    pub fn lost_ppm(&self) -> u64 {
        let ppm = u128::from(self.lost_ns) * 1_000_000;
        ppm.checked_div(u128::from(self.window_ns))
            .map_or(0, |ppm| u64::try_from(ppm).unwrap_or(u64::MAX))
    }

    /// A count as thousandths a second.
    #[must_use]
    pub fn per_1000_s(&self, count: u64) -> u64 {
        let scaled = u128::from(count) * 1_000_000_000_000;
        scaled
            .checked_div(u128::from(self.window_ns))
            .map_or(0, |per| u64::try_from(per).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Histogram<u64> {
        Histogram::new_with_bounds(1, 60_000_000_000, 3).unwrap()
    }

    #[test]
    fn the_usual_gap_is_the_most_frequent_one() {
        let usual = Usual::of(&[30, 20, 20, 10, 20, 500_000]);
        assert_eq!(usual, Usual { min_ns: 10, mode_ns: 20 });
        assert_eq!(Usual::of(&[]), Usual { min_ns: 0, mode_ns: 0 });
        assert_eq!(Usual::of(&[7, 7, 3, 3]).mode_ns, 3);
    }

    #[test]
    fn a_coarse_clock_does_not_make_every_reading_an_interruption() {
        // Counters of virtual machines: readings 0 or 10 ns apart.
        assert_eq!(Usual { min_ns: 0, mode_ns: 0 }.threshold_ns(), THRESHOLD_NS_MIN);
        assert_eq!(Usual { min_ns: 10, mode_ns: 10 }.threshold_ns(), THRESHOLD_NS_MIN);
        assert_eq!(Usual { min_ns: 30, mode_ns: 40 }.threshold_ns(), 320);
    }

    #[test]
    fn gaps_are_counted_by_length_and_summed() {
        let mut meter = Meter::new(200, 1_000, empty());
        let mut now_ns = 1_000;
        for gap_ns in [20, 20, 200, 201, 20, 1_000, 1_001, 20, 10_001, 100_001, 20] {
            now_ns += gap_ns;
            meter.read(now_ns);
        }
        let gaps = meter.finish();
        assert_eq!(gaps.window_ns, now_ns - 1_000);
        assert_eq!(gaps.over, [3, 2, 1]);
        assert_eq!(gaps.lost_ns, 201 + 1_000 + 1_001 + 10_001 + 100_001);
        assert_eq!(gaps.histogram.len(), 5);
        assert!(gaps.histogram.max() >= 100_001);
    }

    #[test]
    fn a_clock_that_goes_back_is_no_gap() {
        let mut meter = Meter::new(200, 1_000, empty());
        meter.read(900);
        meter.read(950);
        let gaps = meter.finish();
        assert_eq!((gaps.histogram.len(), gaps.lost_ns, gaps.lost_ppm()), (0, 0, 0));
    }

    #[test]
    fn shares_and_rates_are_of_the_window() {
        let mut meter = Meter::new(200, 0, empty());
        (1..=1_999).for_each(|step| meter.read(step * 200));
        meter.read(1_999 * 200 + 100_200);
        let gaps = meter.finish();
        assert_eq!(gaps.window_ns, 500_000);
        assert_eq!(gaps.lost_ppm(), 200_400);
        assert_eq!(gaps.per_1000_s(gaps.over[2]), 2_000_000, "one in half a millisecond");
    }
}
