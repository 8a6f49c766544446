//! The phase: what the tuner is about in this tick.

use crate::policy::{Fails, TargetPolicy};
use crate::telemetry::Telemetry;

pinion_core::text_enum! {
    /// What the tuner is about.
    pub enum Phase {
        /// Bring the flow back.
        Expand => "expand",
        /// Leave it.
        Hold => "hold",
        /// Contain risk.
        Tighten => "tighten",
    }
}

pinion_core::text_enum! {
    /// Why it is so.
    pub enum PhaseReason {
        /// The operator said so.
        Forced => "forced",
        /// Losing, but stuck: nothing opens any more, so nothing can get better by tightening.
        RecoveryUnlock => "risk_fail_recovery_unlock",
        /// Orders fail, or losses are deep.
        PreRiskFail => "pre_risk_fail",
        /// Too few winners, too much lost.
        RiskFail => "risk_fail",
        /// One loss outweighs many winners.
        TailLossFail => "tail_loss_fail",
        /// Instruments refuse for their state.
        BlacklistFail => "blacklist_fail",
        /// Too few different assets.
        DiversityFail => "diversity_fail",
        /// Too little opens.
        FlowFail => "flow_fail",
        /// Good again, with a margin.
        Recovered => "hysteresis_recovered",
        /// Not good enough yet to leave the phase.
        Stays => "hysteresis_stay",
    }
}

/// What the phase is decided from, beside the window.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    /// The phase of the last tick.
    pub last: Phase,
    /// Bad ticks in a row so far.
    pub degrade_streak: u64,
    /// Set by the operator.
    pub forced: Option<Phase>,
}

/// Losing and stuck: no position, nothing opens, and tightening has been tried.
#[must_use]
pub fn recovery_unlock(
    telemetry: &Telemetry,
    policy: &TargetPolicy,
    fails: &Fails,
    before: &Before,
) -> bool {
    let metrics = &telemetry.metrics;
    let selected_min = (policy.min_selected_15m / 2).max(8);
    fails.risk == Some(true)
        && fails.blacklist != Some(true)
        && before.degrade_streak >= policy.rollback_degrade_streak
        && matches!(before.last, Phase::Tighten | Phase::Expand)
        // Unknown is not flat.
        && metrics.open_positions == Some(0)
        && metrics.opened == Some(0)
        && metrics.selected.is_some_and(|n| n >= selected_min)
}

/// The phase of this tick.
#[must_use]
pub fn decide(
    telemetry: &Telemetry,
    policy: &TargetPolicy,
    fails: &Fails,
    before: &Before,
) -> (Phase, PhaseReason) {
    if let Some(phase) = before.forced {
        return (phase, PhaseReason::Forced);
    }
    if recovery_unlock(telemetry, policy, fails, before) {
        return (Phase::Expand, PhaseReason::RecoveryUnlock);
    }
    for (fail, phase, reason) in [
        (fails.pre_risk, Phase::Tighten, PhaseReason::PreRiskFail),
        (fails.tail_loss, Phase::Tighten, PhaseReason::TailLossFail),
        (fails.risk, Phase::Tighten, PhaseReason::RiskFail),
        (fails.blacklist, Phase::Tighten, PhaseReason::BlacklistFail),
        (fails.diversity, Phase::Expand, PhaseReason::DiversityFail),
        (fails.flow, Phase::Expand, PhaseReason::FlowFail),
    ] {
        if fail == Some(true) {
            return (phase, reason);
        }
    }
    let open = telemetry
        .exec_health_15m
        .rate()
        .is_some_and(|rate| rate.0 >= policy.hold_hysteresis_open_rate);
    let fast = telemetry
        .metrics
        .observed_tph()
        .is_some_and(|tph| tph >= policy.hold_hysteresis_trades_per_hour);
    match before.last {
        Phase::Tighten if open && fast => (Phase::Hold, PhaseReason::Recovered),
        Phase::Expand if open => (Phase::Hold, PhaseReason::Recovered),
        Phase::Tighten | Phase::Expand | Phase::Hold => (before.last, PhaseReason::Stays),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Fraction, Percent};
    use crate::policy::fails::tests::{buys, healthy};
    use crate::telemetry::Blacklist;

    fn phase(last: Phase, streak: u64, change: impl Fn(&mut Telemetry)) -> (Phase, Fails) {
        with_target(12.0, last, streak, change)
    }

    fn with_target(
        target: f64,
        last: Phase,
        degrade_streak: u64,
        change: impl Fn(&mut Telemetry),
    ) -> (Phase, Fails) {
        let mut telemetry = healthy();
        change(&mut telemetry);
        let policy = TargetPolicy::default();
        let fails = Fails::of(&telemetry, &policy, target);
        let before = Before { last, degrade_streak, forced: None };
        (decide(&telemetry, &policy, &fails, &before).0, fails)
    }

    #[test]
    fn golden_phases() {
        use Phase::{Expand, Hold, Tighten};
        let rate = |value: f64| {
            move |t: &mut Telemetry| t.exec_health_15m.open_rate = Some(Fraction(value))
        };
        let slow = |t: &mut Telemetry| {
            rate(0.10)(t);
            buys(t, &[("A", 1)]);
        };
        assert_eq!(phase(Hold, 0, |_| {}).0, Hold);
        assert_eq!(with_target(4.0, Tighten, 0, slow).0, Tighten);
        assert_eq!(phase(Expand, 0, rate(0.05)).0, Expand);
        assert_eq!(phase(Expand, 0, rate(0.07)).0, Hold);
        assert_eq!(phase(Tighten, 0, rate(0.07)).0, Hold);
        assert_eq!(phase(Hold, 0, rate(0.039)).0, Expand);
        assert_eq!(
            phase(Hold, 0, |t| {
                t.metrics.selected = Some(15);
                t.metrics.opened = Some(0);
                rate(0.0)(t);
            })
            .0,
            Hold
        );
        assert_eq!(phase(Hold, 0, |t| t.exec_health_15m.route_fails = Some(7)).0, Tighten);
        assert_eq!(phase(Hold, 0, |t| t.exec_health_15m.route_fails = Some(6)).0, Hold);
        assert_eq!(phase(Hold, 0, |t| t.exec_health_15m.buy_fails = Some(2)).0, Tighten);
        let loss = |pct| {
            move |t: &mut Telemetry| {
                t.exec_health_15m.roundtrip_loss_median_pct = Some(Percent(pct));
            }
        };
        assert_eq!(phase(Hold, 0, loss(-1.2)).0, Tighten);
        assert_eq!(phase(Hold, 0, loss(-1.19)).0, Hold);
        assert_eq!(
            phase(Hold, 0, |t| {
                t.blacklist_15m = Blacklist {
                    added: Some(80),
                    unique: Some(60),
                    top2_share: Some(Fraction(19.0 / 80.0)),
                    share: Some(Fraction(0.1)),
                    unknown_share: Some(Fraction(0.0)),
                    honeypot_share: Some(Fraction(1.0)),
                    ..Blacklist::default()
                };
            })
            .0,
            Tighten
        );
        assert_eq!(phase(Hold, 0, |t| buys(t, &[("A", 4)])).0, Expand);
    }

    fn losing(t: &mut Telemetry) {
        t.exec_health_15m.closes = Some(6);
        t.exec_health_15m.winrate_closed = Some(Fraction(0.0));
    }

    #[test]
    fn losing_and_stuck_expands_once_tightening_was_tried() {
        let stuck = |open: Option<u64>, opened, selected| {
            move |t: &mut Telemetry| {
                losing(t);
                t.metrics.open_positions = open;
                t.metrics.opened = Some(opened);
                t.metrics.selected = Some(selected);
            }
        };
        let at = |last, streak, change: &dyn Fn(&mut Telemetry)| phase(last, streak, change).0;
        assert_eq!(at(Phase::Tighten, 3, &stuck(Some(0), 0, 8)), Phase::Expand);
        assert_eq!(at(Phase::Expand, 4, &stuck(Some(0), 0, 8)), Phase::Expand);
        for (last, streak, open, opened, selected) in [
            (Phase::Tighten, 2, Some(0), 0, 8),
            (Phase::Hold, 3, Some(0), 0, 8),
            (Phase::Tighten, 3, Some(1), 0, 8),
            (Phase::Tighten, 3, None, 0, 8),
            (Phase::Tighten, 3, Some(0), 1, 8),
            (Phase::Tighten, 3, Some(0), 0, 7),
        ] {
            let change = stuck(open, opened, selected);
            assert_eq!(at(last, streak, &change), Phase::Tighten, "{open:?} {opened} {selected}");
        }
    }

    #[test]
    fn risk_comes_before_diversity() {
        let (phase, fails) = phase(Phase::Hold, 0, |t| {
            losing(t);
            buys(t, &[("A", 4)]);
        });
        assert_eq!(phase, Phase::Tighten);
        assert_eq!((fails.risk, fails.diversity), (Some(true), Some(true)));
    }

    #[test]
    fn no_more_than_one_flip_while_the_open_rate_swings_around_the_floor() {
        let mut last = Phase::Hold;
        let mut flips = 0;
        for tick in 0..40 {
            let rate = if tick % 2 == 0 { 0.035 } else { 0.05 };
            let next = phase(last, 0, |t| t.exec_health_15m.open_rate = Some(Fraction(rate))).0;
            flips += u32::from(next != last);
            last = next;
        }
        assert_eq!((last, flips), (Phase::Expand, 1));
    }
}
