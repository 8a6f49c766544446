//! How the lanes do over the last scans, and which of them rest.

use serde::{Deserialize, Serialize};

use super::LANES;
use crate::msg::Maybe;
use crate::settings::Settings;
use crate::units::Nanos;
use crate::universe::Lane;

/// Scans that a lane is judged by.
const CYCLE: usize = 12;
/// Rates below their floor that make a lane rest.
const FAILS_MIN: usize = 2;

/// What came of a lane's candidates in one scan.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Tally {
    seen: u16,
    passed: u16,
    sized: u16,
    above_zero: u16,
    entered: u16,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Record {
    scans: [Tally; CYCLE],
    /// Scans told so far, at most [`CYCLE`].
    count: u8,
    rests_until: Maybe<Nanos>,
}

/// The lanes' records. Nothing is kept while `funnel.lane_qos` is off.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(in crate::policy) struct Lanes {
    lanes: [Record; LANES],
    /// Place of the scan at hand.
    at: u8,
}

impl Lanes {
    /// A scan begins: what was told of the one before is judged.
    pub(super) fn begin(&mut self, now: Nanos, settings: &Settings) {
        for record in &mut self.lanes {
            if usize::from(record.count) >= CYCLE && record.fails(settings) >= FAILS_MIN {
                let until = now.plus(settings.funnel_lane_cooldown_s.saturating_mul(Nanos::SECOND));
                // Afterwards it begins with a clean record.
                *record = Record { rests_until: Maybe::some(until), ..Record::default() };
            }
        }
        self.at = (self.at + 1) % CYCLE as u8;
        for record in &mut self.lanes {
            record.scans[usize::from(self.at)] = Tally::default();
        }
    }

    /// True while the lane rests.
    pub(super) fn rests(&self, lane: Lane, now: Nanos) -> bool {
        self.lanes[usize::from(lane.code())].rests_until.get().is_some_and(|until| now < until)
    }

    /// A candidate came by the lane, and passed or not. Of a lane that rests it says nothing.
    pub(super) fn seen(&mut self, lane: Lane, passed: bool, now: Nanos) {
        if self.rests(lane, now) {
            return;
        }
        let at = usize::from(self.at);
        let record = &mut self.lanes[usize::from(lane.code())];
        let tally = &mut record.scans[at];
        if tally.seen == 0 {
            record.count = record.count.saturating_add(1);
        }
        tally.seen = tally.seen.saturating_add(1);
        tally.passed = tally.passed.saturating_add(u16::from(passed));
    }

    /// A candidate of the lane got a size, and an expected edge above zero or not.
    pub(in crate::policy) fn sized(&mut self, lane: Lane, is_above_zero: bool) {
        let tally = self.tally(lane);
        tally.sized = tally.sized.saturating_add(1);
        tally.above_zero = tally.above_zero.saturating_add(u16::from(is_above_zero));
    }

    /// An entry by the lane was sent.
    pub(in crate::policy) fn entered(&mut self, lane: Lane) {
        let tally = self.tally(lane);
        tally.entered = tally.entered.saturating_add(1);
    }

    /// True when what was read back is a record that this code can have made.
    pub(super) fn is_sound(&self) -> bool {
        usize::from(self.at) < CYCLE
    }

    fn tally(&mut self, lane: Lane) -> &mut Tally {
        &mut self.lanes[usize::from(lane.code())].scans[usize::from(self.at)]
    }
}

impl Record {
    /// Rates below their floor; one without a candidate to judge by is none.
    fn fails(&self, settings: &Settings) -> usize {
        let sum = |of: fn(&Tally) -> u16| self.scans.iter().map(|tally| u32::from(of(tally))).sum();
        let (seen, passed): (u32, u32) = (sum(|t| t.seen), sum(|t| t.passed));
        let (sized, above, entered) = (sum(|t| t.sized), sum(|t| t.above_zero), sum(|t| t.entered));
        [
            (passed, seen, settings.funnel_lane_pass_rate_min),
            (above, sized, settings.funnel_lane_ev_rate_min),
            (entered, passed, settings.funnel_lane_open_rate_min),
        ]
        .into_iter()
        .filter(|(part, whole, floor)| *whole > 0 && f64::from(*part) < floor * f64::from(*whole))
        .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scans(lanes: &mut Lanes, count: i64, deed: fn(&mut Lanes)) {
        for second in 0..count {
            lanes.begin(Nanos::new(second * Nanos::SECOND), &Settings::default());
            deed(lanes);
        }
    }

    fn judged(deed: fn(&mut Lanes), count: i64) -> Lanes {
        let mut lanes = Lanes::default();
        scans(&mut lanes, count, deed);
        lanes.begin(Nanos::new(count * Nanos::SECOND), &Settings::default());
        lanes
    }

    #[test]
    fn two_rates_below_their_floors_over_twelve_scans_make_a_lane_rest() {
        let poor: fn(&mut Lanes) = |lanes| {
            lanes.seen(Lane::Carry, true, Nanos::ZERO);
            lanes.sized(Lane::Carry, false);
        };
        assert!(
            !judged(poor, 11).rests(Lane::Carry, Nanos::new(11 * Nanos::SECOND)),
            "too few scans"
        );
        let lanes = judged(poor, 12);
        let until = Nanos::new(912 * Nanos::SECOND);
        assert!(lanes.rests(Lane::Carry, until.plus(-1)) && !lanes.rests(Lane::Carry, until));
        assert!(!lanes.rests(Lane::Momentum, until.plus(-1)), "each lane by itself");
        let one = judged(|lanes| lanes.seen(Lane::Carry, true, Nanos::ZERO), 12);
        assert!(!one.rests(Lane::Carry, Nanos::new(13 * Nanos::SECOND)), "one rate alone");
        let well = judged(
            |lanes| {
                lanes.seen(Lane::Carry, true, Nanos::ZERO);
                lanes.sized(Lane::Carry, true);
                lanes.entered(Lane::Carry);
            },
            12,
        );
        assert!(!well.rests(Lane::Carry, Nanos::new(13 * Nanos::SECOND)));
    }

    #[test]
    fn after_its_rest_a_lane_is_judged_anew() {
        let mut lanes = judged(
            |lanes| {
                lanes.seen(Lane::Carry, true, Nanos::ZERO);
                lanes.sized(Lane::Carry, false);
            },
            12,
        );
        let later = Nanos::new(2_000 * Nanos::SECOND);
        lanes.seen(Lane::Carry, true, Nanos::ZERO);
        lanes.sized(Lane::Carry, false);
        lanes.begin(later, &Settings::default());
        assert!(!lanes.rests(Lane::Carry, later));
        assert!(lanes.is_sound());
    }
}
