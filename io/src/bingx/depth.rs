//! When may a change of `incrDepth` be applied, and how the book comes back after a gap.
//!
//! The stream sends a whole book first (`all`), then changes numbered without a hole. After a hole the book
//! is unusable until the next whole book, which a new subscription brings; the REST book carries no number,
//! so that no change could be tied to it. One request at a time, repeated with a growing wait.

use pinion_core::units::Nanos;

/// First wait for a whole book.
const WAIT_NS: i64 = 3 * Nanos::SECOND;
/// Longest wait.
const WAIT_MAX_NS: i64 = 60 * Nanos::SECOND;

/// What to do with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum DepthStep {
    /// Empty the book, then apply the levels.
    Reset,
    /// Apply the levels.
    Apply,
    /// Leave it out: it repeats what is known, or there is no whole book yet.
    Drop,
    /// Changes are missing before it: say `Gap`; the book is unusable from here.
    Gap,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A whole book was asked for; asked again at this time.
    Awaiting { again_at: Nanos, wait_ns: i64 },
    /// The book is whole up to this update.
    Live { last: u64 },
}

/// The chain of updates of one book. Pure; time comes in.
#[derive(Clone, Copy, Debug)]
pub struct DepthGuard {
    state: State,
    gaps: u64,
    asked: u64,
}

impl DepthGuard {
    /// A book whose subscription leaves at `now`.
    #[must_use]
    pub const fn new(now: Nanos) -> Self {
        Self {
            state: State::Awaiting { again_at: now.plus(WAIT_NS), wait_ns: WAIT_NS },
            gaps: 0,
            asked: 0,
        }
    }

    /// The socket was made anew and the subscription left at `now`.
    pub const fn restart(&mut self, now: Nanos) {
        self.state = State::Awaiting { again_at: now.plus(WAIT_NS), wait_ns: WAIT_NS };
    }

    /// Judges a frame: `all` for a whole book, else a change with its number.
    pub const fn on_frame(&mut self, now: Nanos, all: bool, update_id: u64) -> DepthStep {
        match self.state {
            State::Awaiting { .. } | State::Live { .. } if all => {
                self.state = State::Live { last: update_id };
                DepthStep::Reset
            }
            State::Awaiting { .. } => DepthStep::Drop,
            State::Live { last } if update_id <= last => DepthStep::Drop,
            State::Live { last } if update_id == last + 1 => {
                self.state = State::Live { last: update_id };
                DepthStep::Apply
            }
            State::Live { .. } => {
                self.gaps += 1;
                // Asked for at once: the next poll sends it.
                self.state = State::Awaiting { again_at: now, wait_ns: WAIT_NS };
                DepthStep::Gap
            }
        }
    }

    /// True when the subscription must now be ended and made again.
    #[must_use]
    pub fn wants_resync(&mut self, now: Nanos) -> bool {
        match self.state {
            State::Awaiting { again_at, wait_ns } if now >= again_at => {
                let next_ns = (2 * wait_ns).min(WAIT_MAX_NS);
                self.state = State::Awaiting { again_at: now.plus(wait_ns), wait_ns: next_ns };
                self.asked += 1;
                true
            }
            State::Awaiting { .. } | State::Live { .. } => false,
        }
    }

    /// True while prices may be read off the book.
    #[must_use]
    pub const fn is_usable(&self) -> bool {
        matches!(self.state, State::Live { .. })
    }

    /// Holes met.
    #[must_use]
    pub const fn gaps(&self) -> u64 {
        self.gaps
    }

    /// Times at which a new subscription was wanted.
    #[must_use]
    pub const fn asked(&self) -> u64 {
        self.asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn at(ms: i64) -> Nanos {
        Nanos::new(ms * 1_000_000)
    }

    #[test]
    fn a_gap_closes_the_book_until_it_comes_whole_and_is_asked_for_once() {
        let mut guard = DepthGuard::new(at(0));
        assert_eq!(guard.on_frame(at(1), false, 5), DepthStep::Drop, "nothing to apply it to");
        assert_eq!(guard.on_frame(at(1), true, 5), DepthStep::Reset);
        assert_eq!(guard.on_frame(at(2), false, 6), DepthStep::Apply);
        assert_eq!(guard.on_frame(at(2), false, 6), DepthStep::Drop, "told twice");
        assert_eq!(guard.on_frame(at(3), false, 8), DepthStep::Gap);
        assert!(!guard.is_usable());
        assert!(guard.wants_resync(at(3)));
        for ms in 4..3_000 {
            assert_eq!(guard.on_frame(at(ms), false, 5 + ms as u64), DepthStep::Drop);
            assert!(!guard.wants_resync(at(ms)), "one at a time");
        }
        assert!(guard.wants_resync(at(3_003)), "no answer");
        assert!(!guard.wants_resync(at(9_002)), "the wait grew");
        assert!(guard.wants_resync(at(9_003)));
        assert_eq!(guard.on_frame(at(9_100), true, 9_000), DepthStep::Reset);
        assert_eq!(guard.on_frame(at(9_101), false, 9_001), DepthStep::Apply);
        assert!(guard.is_usable() && !guard.wants_resync(at(1_000_000)));
        assert_eq!((guard.gaps(), guard.asked()), (1, 3));
    }

    proptest! {
        /// Whatever is lost or repeated, an applied change follows the one before it.
        #[test]
        fn only_unbroken_chains_are_applied(
            frames in proptest::collection::vec((0u64..4, prop::bool::weighted(0.1)), 1..200),
        ) {
            let mut guard = DepthGuard::new(at(0));
            let (mut id, mut known) = (100u64, None);
            for (ms, (step, all)) in frames.into_iter().enumerate() {
                id += step;
                match guard.on_frame(at(ms as i64), all, id) {
                    DepthStep::Reset => known = Some(id),
                    DepthStep::Apply => {
                        prop_assert_eq!(known, Some(id - 1));
                        known = Some(id);
                    }
                    DepthStep::Gap => known = None,
                    DepthStep::Drop => prop_assert!(known.is_none_or(|known| id <= known)),
                }
                prop_assert_eq!(guard.is_usable(), known.is_some());
            }
        }
    }
}
