//! When something happens: bursts that excite further bursts, and sizes with a heavy tail.

use arrayvec::ArrayVec;

use crate::synth::rng::Rng;
use crate::synth::{SLICE_NS, SLICE_S};

/// Every burst makes the next likelier for a while: rate added (a second), and for how long (s). Their
/// product, 0.55, is the number of bursts that one burst sets off; below 1 the market calms down again.
const EXCITE: f64 = 0.11;
const EXCITE_TAU_S: f64 = 5.0;
/// Most bursts of one slice, the answer to a shock not counted.
const BURSTS_MAX: usize = 8;
/// Tail exponent of burst sizes: more than n events with probability n^−1.6.
const SIZE_TAIL: f64 = 1.6;
/// From this jolt on (deviations of a calm slice) everybody answers at once.
const JOLT_LEAST: f64 = 4.0;
/// Mean time of that answer.
const ANSWER_NS: f64 = 1.5e6;

/// A group of events close together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Burst {
    /// Its first event is not before this.
    pub(super) at_ns: i64,
    /// Events in it, at least 1.
    pub(super) events: u32,
}

/// Arrival process of one perpetual.
#[derive(Clone, Debug)]
pub(super) struct Arrivals {
    /// Bursts a second in calm times.
    calm_rate: f64,
    excited: f64,
}

/// The bursts of one slice, in time order.
pub(super) type Bursts = ArrayVec<Burst, { BURSTS_MAX + 1 }>;

impl Arrivals {
    /// `calm_rate` in bursts a second.
    pub(super) fn new(calm_rate: f64) -> Self {
        Self { calm_rate, excited: 0.0 }
    }

    /// The bursts of the slice that starts at `start_ns`. `activity` scales the calm rate; a `jolt` is
    /// answered right after `moment_ns`, the harder the more.
    pub(super) fn draw(
        &mut self,
        start_ns: i64,
        moment_ns: i64,
        activity: f64,
        jolt: f64,
        rng: &mut Rng,
    ) -> Bursts {
        self.excited *= 1.0 - SLICE_S / EXCITE_TAU_S;
        let rate = self.calm_rate * activity + self.excited;
        // Rounded up or down at random, so that the mean is the rate.
        let count = ((rate * SLICE_S + rng.unit()) as usize).min(BURSTS_MAX);
        let mut bursts = Bursts::new();
        for _ in 0..count {
            let at_ns = start_ns + (rng.unit() * SLICE_NS as f64) as i64;
            bursts.push(Burst { at_ns, events: size(rng) });
        }
        if jolt >= JOLT_LEAST {
            let at_ns = moment_ns + (ANSWER_NS * rng.exponential()) as i64;
            let answer = (jolt * (0.25 + 0.5 * rng.unit())) as u32;
            bursts.push(Burst { at_ns, events: size(rng) + answer });
        }
        self.excited += EXCITE * bursts.len() as f64;
        bursts.sort_unstable_by_key(|burst| (burst.at_ns, burst.events));
        bursts
    }
}

/// At least 1, heavy-tailed, at most 80.
fn size(rng: &mut Rng) -> u32 {
    let left = 1.0 - rng.unit();
    // Two thirds are single events: no power needed for them.
    if left > SINGLE {
        return 1;
    }
    libm::pow(left, -1.0 / SIZE_TAIL).min(80.0) as u32
}

/// Probability of two events or more: 2^−1.6.
const SINGLE: f64 = 0.329_876_977_693_223_6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_come_in_order_inside_the_slice_and_a_jolt_is_answered() {
        let mut rng = Rng::new(3, 0);
        let mut arrivals = Arrivals::new(20.0);
        let mut largest = 0;
        for slice in 0..1_000 {
            let start = slice * SLICE_NS;
            let bursts = arrivals.draw(start, start + 1_000, 1.0, 0.0, &mut rng);
            assert!(bursts.len() <= BURSTS_MAX);
            assert!(bursts.is_sorted_by_key(|burst| burst.at_ns));
            assert!(bursts.iter().all(|b| (start..start + SLICE_NS).contains(&b.at_ns)));
            assert!(bursts.iter().all(|b| (1..=80).contains(&b.events)));
            largest = bursts.iter().map(|b| b.events).max().unwrap_or(0).max(largest);
        }
        assert!(largest > 30, "no tail: {largest}");
        let mut quiet = Arrivals::new(0.0);
        assert_eq!(quiet.draw(0, 1_000, 1.0, 0.0, &mut rng).len(), 0);
        let answer = quiet.draw(0, 1_000, 1.0, 40.0, &mut rng);
        assert_eq!(answer.len(), 1);
        assert!(answer[0].at_ns >= 1_000 && answer[0].events > 10);
    }

    #[test]
    fn bursts_excite_bursts_and_the_market_calms_down() {
        let mut rng = Rng::new(3, 0);
        let mut arrivals = Arrivals::new(0.0);
        arrivals.draw(0, 0, 0.0, 40.0, &mut rng);
        assert!(arrivals.excited > 0.1);
        for slice in 1..2_000 {
            arrivals.draw(slice * SLICE_NS, 0, 0.0, 0.0, &mut rng);
        }
        assert!(arrivals.excited < 0.001, "{}", arrivals.excited);
    }
}
