//! Latency of one direction: lognormal draws, never overtaking.

use pinion_core::units::Nanos;

use super::rng::Rng;

/// No draw is longer than this: one hour.
const LATENCY_NS_MAX: f64 = 3_600e9;

/// One direction between us and the venue.
///
/// What is sent at the same moment travels together (one draw); what is sent later never arrives earlier.
#[derive(Clone, Debug)]
pub(super) struct DelayLine {
    median_ns: i64,
    sigma: f64,
    rng: Rng,
    last: Option<(Nanos, Nanos)>,
}

impl DelayLine {
    /// Median in nanoseconds, sigma of the logarithm; `stream` separates the directions.
    pub(super) fn new(median_ns: i64, sigma: f64, seed: u64, stream: u64) -> Self {
        Self { median_ns, sigma, rng: Rng::new(seed, stream), last: None }
    }

    /// When what is sent at `at` arrives. Cost: about 60 ns a draw, nothing for a shared one.
    pub(super) fn due(&mut self, at: Nanos) -> Nanos {
        let due = match self.last {
            Some((sent, due)) if sent == at => return due,
            Some((_, before)) => at.plus(self.draw()).max(before),
            None => at.plus(self.draw()),
        };
        self.last = Some((at, due));
        due
    }

    /// When what was sent last arrives; before every time when nothing was.
    pub(super) fn latest(&self) -> Nanos {
        self.last.map_or(Nanos::new(i64::MIN), |(_, due)| due)
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "a latency of at most an hour"
    )]
    fn draw(&mut self) -> i64 {
        let factor = libm::exp(self.sigma * self.rng.normal());
        libm::round(self.median_ns as f64 * factor).min(LATENCY_NS_MAX) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_sigma_the_median_is_the_latency() {
        let mut line = DelayLine::new(5_000_000, 0.0, 1, 0);
        assert_eq!(line.due(Nanos::new(10)), Nanos::new(5_000_010));
    }

    #[test]
    fn the_later_never_overtakes_and_the_simultaneous_travel_together() {
        let mut line = DelayLine::new(5_000_000, 1.5, 1, 0);
        let mut held_back = 0;
        let mut last = Nanos::ZERO;
        for step in 0..1_000 {
            let at = Nanos::new(step * 1_000);
            let due = line.due(at);
            assert!(due >= last && due >= at);
            held_back += u32::from(due == last);
            assert_eq!(line.due(at), due);
            last = due;
        }
        assert!(held_back > 100, "the draws must have wanted to overtake: {held_back}");
    }

    #[test]
    fn half_of_the_draws_are_below_the_median() {
        let mut line = DelayLine::new(1_000_000, 0.3, 3, 1);
        let below = (0..4_000).filter(|_| line.draw() < 1_000_000).count();
        assert!((1_900..2_100).contains(&below), "{below}");
    }
}
