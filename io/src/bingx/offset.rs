//! The venue's clock, as far as it can be known from here.
//!
//! Signed calls carry the venue's time. The distance between the clocks is measured by asking the venue for
//! its time: the answer was made somewhere between leaving and return, so the shortest trip tells most. It is
//! measured again every two minutes and at once after the venue refused a timestamp. Our side is the engine's
//! own time, which never jumps; what jumps on the wall moves nothing here.

use pinion_core::units::Nanos;

/// Between measurements.
const PERIOD_NS: i64 = 120 * Nanos::SECOND;
/// A question without an answer is given up after this long; longer trips are not believed either.
const TRIP_MAX_NS: i64 = 2 * Nanos::SECOND;
/// Trips that are compared; older ones are forgotten, because clocks drift.
const KEPT: usize = 5;

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sample {
    offset_ns: i64,
    trip_ns: i64,
}

/// Distance between the clocks. Pure; time comes in.
#[derive(Clone, Debug, Default)]
pub struct ClockOffset {
    samples: [Option<Sample>; KEPT],
    next: usize,
    asked: Option<Nanos>,
    due: Nanos,
}

impl ClockOffset {
    /// True when the venue must now be asked for its time. At most one question is under way.
    #[must_use]
    pub fn wants_question(&mut self, now: Nanos) -> bool {
        if self.asked.is_some_and(|asked| now.since(asked) < TRIP_MAX_NS) || now < self.due {
            return false;
        }
        self.asked = Some(now);
        true
    }

    /// The venue answered the question under way; a trip that took too long is not believed.
    pub fn on_answer(&mut self, recv_ns: Nanos, venue_ns: Nanos) {
        let Some(asked) = self.asked.take() else { return };
        let trip_ns = recv_ns.since(asked);
        if !(0..=TRIP_MAX_NS).contains(&trip_ns) {
            return;
        }
        let offset_ns = venue_ns.since(asked.plus(trip_ns / 2));
        if let Some(slot) = self.samples.get_mut(self.next) {
            *slot = Some(Sample { offset_ns, trip_ns });
        }
        self.next = (self.next + 1) % KEPT;
        self.due = recv_ns.plus(PERIOD_NS);
    }

    /// The question failed: asked again in a second.
    pub const fn on_failure(&mut self, now: Nanos) {
        self.asked = None;
        self.due = now.plus(Nanos::SECOND);
    }

    /// The venue refused a timestamp: what was measured is wrong.
    pub fn on_refused(&mut self, now: Nanos) {
        self.samples = [None; KEPT];
        self.due = now;
    }

    /// Venue time minus ours, by the shortest of the last trips; `None` before the first measurement and
    /// after a refusal.
    #[must_use]
    pub fn offset_ns(&self) -> Option<i64> {
        let best = self.samples.iter().flatten().min_by_key(|sample| sample.trip_ns)?;
        Some(best.offset_ns)
    }

    /// The venue's time in ms, for a timestamp.
    #[must_use]
    pub fn timestamp_ms(&self, now: Nanos) -> Option<u64> {
        u64::try_from(now.plus(self.offset_ns()?).get() / 1_000_000).ok()
    }

    /// A time of the venue in ms, on our clock; without a measurement the clocks are taken to agree.
    #[must_use]
    pub fn to_ours(&self, venue_ms: u64) -> Option<Nanos> {
        let venue_ns = i64::try_from(venue_ms).ok()?.checked_mul(1_000_000)?;
        venue_ns.checked_sub(self.offset_ns().unwrap_or(0)).map(Nanos::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: i64) -> Nanos {
        Nanos::new(ms * 1_000_000)
    }

    #[test]
    fn the_shortest_trip_decides_and_long_ones_are_not_believed() {
        let mut clock = ClockOffset::default();
        assert_eq!(clock.timestamp_ms(at(5)), None, "nothing is signed with a guess");
        for (asked, recv, venue) in
            [(0, 400, 10_200), (130_000, 130_020, 140_110), (260_000, 260_300, 1)]
        {
            assert!(clock.wants_question(at(asked)));
            assert!(!clock.wants_question(at(asked + 1)), "one at a time");
            clock.on_answer(at(recv), at(venue));
        }
        assert_eq!(clock.offset_ns(), Some(10_100 * 1_000_000));
        assert_eq!(clock.timestamp_ms(at(300_000)), Some(310_100));
        assert_eq!(clock.to_ours(310_100), Some(at(300_000)));
        assert!(clock.wants_question(at(400_000)));
        clock.on_answer(at(402_001), at(0));
        assert_eq!(clock.offset_ns(), Some(10_100 * 1_000_000), "two seconds are too long");
        clock.on_answer(at(402_002), at(0));
        assert_eq!(clock.offset_ns(), Some(10_100 * 1_000_000), "nobody asked");
    }

    #[test]
    fn a_refused_timestamp_asks_at_once_and_signs_nothing_until_then() {
        let mut clock = ClockOffset::default();
        assert!(clock.wants_question(at(0)));
        clock.on_answer(at(10), at(5));
        assert!(!clock.wants_question(at(100)));
        clock.on_refused(at(100));
        assert_eq!(clock.timestamp_ms(at(100)), None);
        assert!(clock.wants_question(at(100)));
        clock.on_failure(at(150));
        assert!(!clock.wants_question(at(151)) && clock.wants_question(at(1_150)));
        assert!(clock.wants_question(at(3_150)), "an answer that never came");
    }
}
