//! How many orders have left lately.

use serde::{Deserialize, Serialize};

/// Parts of a window; one more than it needs is kept, so that the sum covers at least the window.
const PARTS: usize = 16;

/// Counts in a sliding window. Errs on the side of counting too long (by a fifteenth of the window at most),
/// so the bound holds in every window of its length, wherever it begins.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Window {
    part_ns: i64,
    counts: [u32; PARTS],
    /// Number of the newest part since the epoch.
    newest: i64,
    sum: u32,
    max: u32,
}

impl Window {
    /// At most `max` within `length_ns`.
    pub(crate) const fn new(length_ns: i64, max: u32) -> Self {
        let parts = PARTS as i64 - 1;
        let part_ns = (length_ns + parts - 1) / parts;
        Self { part_ns, counts: [0; PARTS], newest: i64::MIN, sum: 0, max }
    }

    /// Changes the bound; what was counted stays.
    pub(crate) const fn bound(&mut self, max: u32) {
        self.max = max;
    }

    /// True when what was read back is a window of this length.
    pub(crate) fn is_sound(&self, length_ns: i64) -> bool {
        let counted = self.counts.iter().try_fold(0u32, |sum, count| sum.checked_add(*count));
        self.part_ns == Self::new(length_ns, 0).part_ns && counted == Some(self.sum)
    }

    /// True when another one fits at `now`, which never decreases.
    pub(crate) fn has_room(&mut self, now_ns: i64) -> bool {
        self.advance(now_ns);
        self.sum < self.max
    }

    /// Counts one at the time of the last look.
    pub(crate) fn count(&mut self) {
        let place = self.place(self.newest);
        self.counts[place] = self.counts[place].saturating_add(1);
        self.sum = self.sum.saturating_add(1);
    }

    fn advance(&mut self, now_ns: i64) {
        let part = now_ns.div_euclid(self.part_ns);
        if part.saturating_sub(self.newest) >= PARTS as i64 {
            self.counts = [0; PARTS];
            self.sum = 0;
            self.newest = part;
        }
        while self.newest < part {
            self.newest += 1;
            let place = self.place(self.newest);
            self.sum -= self.counts[place];
            self.counts[place] = 0;
        }
    }

    const fn place(&self, part: i64) -> usize {
        part.rem_euclid(PARTS as i64).unsigned_abs() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    proptest! {
        /// Whatever the times, no window of the length holds more than the bound; and a burst after a
        /// whole quiet window always fits.
        #[test]
        fn no_window_holds_more_than_the_bound(
            steps in prop::collection::vec(0i64..400, 1..200),
            max in 1u32..6,
        ) {
            const LENGTH: i64 = 1_000;
            let mut window = Window::new(LENGTH, max);
            let mut passed: Vec<i64> = Vec::new();
            let mut now = -5_000;
            for step in steps {
                now += step;
                if window.has_room(now) {
                    window.count();
                    passed.push(now);
                } else {
                    let lately = passed.iter().filter(|at| now - **at < 2 * LENGTH).count();
                    prop_assert!(lately >= max as usize, "refused without need");
                }
                let within = passed.iter().filter(|at| now - **at < LENGTH).count();
                prop_assert!(within <= max as usize);
            }
        }
    }
}
