//! Idle strategies: what a stage thread does after a poll that found nothing.
//!
//! Spinning buys the shortest reaction and costs a core; it belongs on a pinned core that nobody else
//! needs. Backing off is the default: on a machine with few cores it is the faster one as well, since
//! the threads that have work get to run.

use std::time::Duration;

use pinion_core::settings::Idle;

/// Empty polls of [`Idle::Backoff`] before it yields.
const SPINS: u32 = 200;
/// Empty polls that yield before it sleeps.
const YIELDS: u32 = 20;
/// First sleep, doubled each time.
const PARK_NS_MIN: u64 = 20_000;
/// Longest sleep; the system adds its timer slack, about 50 µs.
const PARK_NS_MAX: u64 = 1_000_000;

/// What to do after one empty poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing.
    None,
    /// One spin-loop hint: measured, exactly one an empty poll is best for the latency of a link; none
    /// or many are worse.
    Hint,
    /// Let others have the core.
    Yield,
    /// Sleep so many nanoseconds.
    Sleep(u64),
}

/// An idle strategy and how long it has been idle. Owner: one thread.
#[derive(Clone, Copy, Debug)]
pub struct Idler {
    strategy: Idle,
    empty_polls: u32,
    park_ns: u64,
}

impl Idler {
    /// Not idle yet.
    #[must_use]
    pub const fn new(strategy: Idle) -> Self {
        Self { strategy, empty_polls: 0, park_ns: PARK_NS_MIN }
    }

    /// There was work: start over.
    pub const fn reset(&mut self) {
        self.empty_polls = 0;
        self.park_ns = PARK_NS_MIN;
    }

    /// What to do after one more empty poll.
    pub fn rest(&mut self) -> Rest {
        match self.strategy {
            Idle::Spin => Rest::None,
            Idle::SpinPause => Rest::Hint,
            Idle::Yield => Rest::Yield,
            Idle::Backoff => {
                if self.empty_polls < SPINS + YIELDS {
                    self.empty_polls += 1;
                    return if self.empty_polls <= SPINS { Rest::Hint } else { Rest::Yield };
                }
                let park_ns = self.park_ns;
                self.park_ns = (park_ns * 2).min(PARK_NS_MAX);
                Rest::Sleep(park_ns)
            }
        }
    }

    /// Does what [`Idler::rest`] says.
    pub fn idle(&mut self) {
        match self.rest() {
            Rest::None => {}
            Rest::Hint => std::hint::spin_loop(),
            Rest::Yield => std::thread::yield_now(),
            Rest::Sleep(ns) => std::thread::sleep(Duration::from_nanos(ns)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rests(strategy: Idle, polls: usize) -> Vec<Rest> {
        let mut idler = Idler::new(strategy);
        (0..polls).map(|_| idler.rest()).collect()
    }

    #[test]
    fn plain_strategies_do_one_thing_each_time() {
        assert_eq!(rests(Idle::Spin, 3), [Rest::None; 3]);
        assert_eq!(rests(Idle::SpinPause, 3), [Rest::Hint; 3]);
        assert_eq!(rests(Idle::Yield, 3), [Rest::Yield; 3]);
    }

    #[test]
    fn backoff_spins_then_yields_then_sleeps_ever_longer_up_to_a_millisecond() {
        let (spins, yields) = (SPINS as usize, YIELDS as usize);
        let rests = rests(Idle::Backoff, spins + yields + 10);
        assert!(rests[..spins].iter().all(|rest| *rest == Rest::Hint));
        assert!(rests[spins..spins + yields].iter().all(|rest| *rest == Rest::Yield));
        let sleeps: Vec<u64> = rests[spins + yields..]
            .iter()
            .map(|rest| if let Rest::Sleep(ns) = rest { *ns } else { 0 })
            .collect();
        assert_eq!(sleeps[..3], [20_000, 40_000, 80_000]);
        assert_eq!(sleeps[6..], [1_000_000; 4]);
    }

    #[test]
    fn work_starts_the_backoff_over() {
        let mut idler = Idler::new(Idle::Backoff);
        for _ in 0..SPINS + YIELDS + 5 {
            idler.rest();
        }
        idler.reset();
        assert_eq!(idler.rest(), Rest::Hint);
        for _ in 1..SPINS + YIELDS {
            idler.rest();
        }
        assert_eq!(idler.rest(), Rest::Sleep(PARK_NS_MIN));
    }
}
