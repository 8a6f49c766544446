//! The adaptive target: how many entries an hour are asked for, between a floor and a ceiling, never far
//! above what the market gives.

use crate::policy::TargetPolicy;

pinion_core::text_enum! {
    /// What a tick did to the target.
    pub enum Adjustment {
        /// Nothing.
        Hold => "hold",
        /// Raised it.
        StepUp => "step_up",
        /// Lowered it.
        StepDown => "step_down",
    }
}

/// What is remembered of the target between ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Target {
    /// Entries an hour; `None` before the first tick.
    pub stored: Option<f64>,
    /// Good ticks in a row.
    pub stable_ticks: u64,
    /// Bad ticks in a row.
    pub fail_ticks: u64,
}

/// Limits of the target at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Limits {
    requested: f64,
    floor: f64,
    cap: f64,
}

impl Limits {
    /// Without an observation the floor is the cap: nothing shows that the market gives more.
    fn of(policy: &TargetPolicy, observed: Option<f64>) -> Self {
        let requested = policy.target_trades_per_hour;
        let floor = requested.min(policy.adaptive_target_floor_trades_per_hour.max(1.0));
        let cap = observed.map_or(floor, |tph| {
            let headroom = tph * policy.adaptive_target_headroom_mult
                + policy.adaptive_target_headroom_add_trades_per_hour;
            requested.min(floor.max(headroom))
        });
        Self { requested, floor, cap }
    }
}

impl Target {
    /// What is stored. Nothing was asked for while it was zero, so that says nothing.
    fn known(&self) -> Option<f64> {
        self.stored.filter(|tph| *tph > 0.0)
    }

    /// Nothing is stored yet: the first value comes from what is observed.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.known().is_none()
    }

    /// The target that the phase is decided with.
    #[must_use]
    pub fn effective(&self, policy: &TargetPolicy, observed: Option<f64>) -> f64 {
        let requested = policy.target_trades_per_hour;
        if requested <= 0.0 {
            return 0.0;
        }
        if !policy.adaptive_target_enabled {
            return requested;
        }
        let Limits { floor, cap, .. } = Limits::of(policy, observed);
        match (self.known(), observed) {
            (Some(stored), Some(_)) => {
                let value = stored.clamp(floor, requested);
                if value > cap { floor.max(cap) } else { value }
            }
            // An unknown throughput caps nothing that was reached before.
            (Some(stored), None) => stored.clamp(floor, requested),
            (None, Some(tph)) => {
                let step = policy.adaptive_target_step_up_trades_per_hour;
                cap.min(floor.max(tph + step))
            }
            (None, None) => floor,
        }
    }

    /// What to remember after the phase was decided: `used` is what [`Target::effective`] gave. With
    /// `strict_seed` that first value is used once and forgotten, as the original did; else it is kept.
    #[must_use]
    pub fn after(
        &self,
        policy: &TargetPolicy,
        observed: Option<f64>,
        used: f64,
        is_stable: bool,
        is_failing: bool,
        strict_seed: bool,
    ) -> (Self, Adjustment) {
        let requested = policy.target_trades_per_hour;
        if requested <= 0.0 || !policy.adaptive_target_enabled {
            let next = Self { stored: Some(requested.max(0.0)), stable_ticks: 0, fail_ticks: 0 };
            return (next, Adjustment::Hold);
        }
        let Limits { floor, cap, .. } = Limits::of(policy, observed);
        let base = match self.known() {
            Some(stored) => stored,
            None if strict_seed => floor,
            None => used,
        };
        let value = base.clamp(floor, requested);
        let stable_ticks = if is_stable { self.stable_ticks.saturating_add(1) } else { 0 };
        let fail_ticks = if is_failing { self.fail_ticks.saturating_add(1) } else { 0 };
        let next = Self { stored: Some(value), stable_ticks, fail_ticks };
        if stable_ticks >= policy.adaptive_target_stable_ticks_for_step_up
            && value < cap
            && value < requested
        {
            let raised = cap.min(value + policy.adaptive_target_step_up_trades_per_hour);
            (Self { stored: Some(raised), stable_ticks: 0, ..next }, Adjustment::StepUp)
        } else if fail_ticks >= policy.adaptive_target_fail_ticks_for_step_down {
            let lowered = value - policy.adaptive_target_step_down_trades_per_hour;
            let lowered = floor.max(value.min(floor.max(cap)).min(lowered));
            (Self { stored: Some(lowered), fail_ticks: 0, ..next }, Adjustment::StepDown)
        } else {
            (next, Adjustment::Hold)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_golden_sequence_of_the_original() {
        let policy = TargetPolicy::default();
        let mut target = Target::default();
        for (used, after, adjustment) in [
            (9.5, 4.0, Adjustment::Hold),
            (4.0, 5.5, Adjustment::StepUp),
            (5.5, 5.5, Adjustment::Hold),
            (5.5, 7.0, Adjustment::StepUp),
        ] {
            let effective = target.effective(&policy, Some(8.0));
            assert!((effective - used).abs() < 1e-12, "{effective}");
            let (next, did) = target.after(&policy, Some(8.0), effective, true, false, true);
            assert_eq!((next.stored, did), (Some(after), adjustment));
            target = next;
        }
    }

    #[test]
    fn the_first_value_is_kept() {
        let policy = TargetPolicy::default();
        let target = Target::default();
        let used = target.effective(&policy, Some(8.0));
        let (next, _) = target.after(&policy, Some(8.0), used, true, false, false);
        assert_eq!(next.stored, Some(9.5));
    }

    #[test]
    fn two_bad_ticks_step_down_but_not_below_the_floor() {
        let policy = TargetPolicy::default();
        let mut target = Target { stored: Some(9.0), ..Target::default() };
        let mut seen = Vec::new();
        for _ in 0..6 {
            let (next, did) = target.after(&policy, Some(20.0), 0.0, false, true, false);
            seen.push((next.stored, did));
            target = next;
        }
        let (hold, down) = (Adjustment::Hold, Adjustment::StepDown);
        assert_eq!(
            seen,
            [
                (Some(9.0), hold),
                (Some(6.0), down),
                (Some(6.0), hold),
                (Some(4.0), down),
                (Some(4.0), hold),
                (Some(4.0), down)
            ]
        );
    }

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
    }

    #[test]
    fn what_the_market_gives_caps_the_target() {
        let policy = TargetPolicy::default();
        let target = Target { stored: Some(12.0), ..Target::default() };
        near(target.effective(&policy, Some(4.0)), 4.0 * 1.35 + 2.0);
        near(target.effective(&policy, Some(0.0)), 4.0);
        near(target.effective(&policy, None), 12.0);
        near(Target::default().effective(&policy, None), 4.0);
        let none = TargetPolicy { target_trades_per_hour: 0.0, ..policy };
        near(target.effective(&none, Some(8.0)), 0.0);
        let fixed = TargetPolicy { adaptive_target_enabled: false, ..policy };
        near(Target::default().effective(&fixed, Some(0.0)), 12.0);
        let idle = Target { stored: Some(0.0), ..target };
        near(idle.effective(&policy, Some(8.0)), 9.5);
    }
}
