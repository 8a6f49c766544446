//! Limits on how fast and how much new risk is quoted. Exits know none of them.

use serde::{Deserialize, Serialize};

use crate::gate::Window;
use crate::settings::Settings;
use crate::units::{Nanos, Price, Qty, Rate, SCALE};

const MINUTE_NS: i64 = 60 * Nanos::SECOND;
const MS_NS: i64 = 1_000_000;

/// When entries left. Owner: the router.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Pace {
    last: Option<Nanos>,
    replaced: Window,
}

impl Pace {
    pub(super) const fn new() -> Self {
        Self { last: None, replaced: Window::new(MINUTE_NS, 0) }
    }

    /// The time before which no entry may leave; `None` when one may leave now.
    pub(super) fn wait(&self, now: Nanos, settings: &Settings) -> Option<Nanos> {
        let gap = settings.router_min_interval_ms.saturating_mul(MS_NS);
        self.last.map(|last| last.plus(gap)).filter(|at| *at > now)
    }

    /// True while the minute has room for another replacement.
    pub(super) fn may_replace(&mut self, now: Nanos, settings: &Settings) -> bool {
        let max = u32::try_from(settings.router_replace_rate_per_min).unwrap_or(u32::MAX);
        self.replaced.bound(max);
        self.replaced.has_room(now.get())
    }

    /// An entry left; a replacement after [`Pace::may_replace`] of the same turn.
    pub(super) fn sent(&mut self, now: Nanos, is_replacement: bool) {
        self.last = Some(now);
        if is_replacement {
            self.replaced.count();
        }
    }

    /// True when what was read back is the pace of a router.
    pub(super) fn is_sound(&self) -> bool {
        self.replaced.is_sound(MINUTE_NS)
    }
}

/// The quantity that `router.impact_cap_ratio` leaves of one: at most that share of the depth shown, floored
/// to the lot. Nothing is capped where the depth is not known, or the setting is 0.
pub(super) fn capped(qty: Qty, depth: Option<Qty>, lot: Qty, settings: &Settings) -> Qty {
    let ratio = settings.router_impact_cap_ratio;
    let Some(depth) = depth.filter(|_| ratio.is_positive()) else { return qty };
    let share = i128::from(depth.raw()) * i128::from(ratio.raw()) / i128::from(SCALE);
    match i64::try_from(share) {
        Ok(share) if share < qty.raw() => Qty::from_raw(share).floor_to(lot),
        Ok(_) | Err(_) => qty,
    }
}

/// True when a replacement at `to` is no further from `from` than `router.max_delta_ratio` allows.
pub(super) fn may_move(from: Price, to: Price, settings: &Settings) -> bool {
    let ratio: Rate = settings.router_max_delta_ratio;
    let moved = (i128::from(to.raw()) - i128::from(from.raw())).abs();
    moved * i128::from(SCALE) <= i128::from(from.raw()) * i128::from(ratio.raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_keep_their_interval() {
        let settings = Settings { router_min_interval_ms: 60, ..Settings::default() };
        let mut pace = Pace::new();
        let at = |ms: i64| Nanos::new(ms * MS_NS);
        assert_eq!(pace.wait(at(0), &settings), None);
        pace.sent(at(0), false);
        assert_eq!(pace.wait(at(59), &settings), Some(at(60)));
        assert_eq!(pace.wait(at(60), &settings), None);
        assert_eq!(pace.wait(at(0), &Settings::default()), None, "neutral");
    }

    #[test]
    fn only_replacements_use_up_their_minute() {
        let settings = Settings { router_replace_rate_per_min: 2, ..Settings::default() };
        let mut pace = Pace::new();
        let at = |s: i64| Nanos::new(s * Nanos::SECOND);
        pace.sent(at(0), false);
        for second in 1..3 {
            assert!(pace.may_replace(at(second), &settings));
            pace.sent(at(second), true);
        }
        assert!(!pace.may_replace(at(3), &settings));
        assert!(!pace.may_replace(at(60), &settings));
        assert!(pace.may_replace(at(70), &settings));
        assert!(pace.is_sound());
    }

    #[test]
    fn a_share_of_the_depth_caps_the_quantity() {
        let settings =
            Settings { router_impact_cap_ratio: Rate::from_raw(10_000_000), ..Settings::default() };
        let whole = Qty::from_whole;
        let cap = |qty, depth: Option<i64>, settings: &Settings| {
            capped(whole(qty), depth.map(whole), whole(2), settings)
        };
        assert_eq!(cap(100, Some(270), &settings), whole(26));
        assert_eq!(cap(100, Some(1_000), &settings), whole(100));
        assert_eq!(cap(100, Some(10), &settings), Qty::ZERO);
        assert_eq!(cap(100, None, &settings), whole(100), "what is not known caps nothing");
        assert_eq!(cap(100, Some(10), &Settings::default()), whole(100), "neutral");
    }

    #[test]
    fn a_replacement_stays_near_the_last_price() {
        let settings =
            Settings { router_max_delta_ratio: Rate::from_raw(10_000_000), ..Settings::default() };
        let may = |to| may_move(Price::from_raw(1_000), Price::from_raw(to), &settings);
        assert!(may(1_100) && may(900));
        assert!(!may(1_101) && !may(899));
    }
}
