//! Which actions pass: keys that may be written, the phase, a live risk, and the number of a tick.
//!
//! Keys that belong together pass together or not at all.

use crate::policy::{Phase, PhaseReason};
use crate::rules::{Action, Blocked, Family, Rule};
use crate::traits::{Direction, barred, of_key};

/// Drops keys that are protected or that another writes.
#[must_use]
pub fn writable(actions: Vec<Action>) -> (Vec<Action>, Vec<Blocked>) {
    split(actions, |action| barred(action.key).map(str::to_owned))
}

/// Drops families that the phase does not let through. In the original, five rules that expand pass even
/// while tightening.
#[must_use]
pub fn of_phase(
    actions: Vec<Action>,
    phase: Phase,
    strict_seed: bool,
) -> (Vec<Action>, Vec<Blocked>) {
    split(actions, |action| {
        let passes = match (phase, action.family) {
            (_, Family::Force | Family::Neutral)
            | (Phase::Expand, Family::Expand)
            | (Phase::Tighten, Family::Tighten) => true,
            (Phase::Tighten, Family::Expand) => strict_seed && is_excepted(action),
            (Phase::Hold | Phase::Expand, Family::Tighten) | (Phase::Hold, Family::Expand) => false,
        };
        (!passes).then(|| format!("phase={}", phase.as_str()))
    })
}

fn is_excepted(action: &Action) -> bool {
    const WORDS: [&str; 5] = [
        "source_qos_cap_rebalance",
        "duplicate_choke",
        "quality_duplicate_choke",
        "feed_starvation",
        "route_floor_normalize",
    ];
    WORDS.iter().any(|word| action.reason.contains(word))
}

/// Drops what relaxes while a risk fail is active, unless relaxing is the way out.
#[must_use]
pub fn of_risk(
    actions: Vec<Action>,
    is_risky: bool,
    reason: PhaseReason,
) -> (Vec<Action>, Vec<Blocked>) {
    let is_shut = is_risky && reason != PhaseReason::RecoveryUnlock;
    split(actions, |action| {
        let relaxes = action.direction() == Direction::Relax && action.family != Family::Force;
        (is_shut && relaxes).then(|| "risk_active".to_owned())
    })
}

/// Keeps as many changes as a tick may make, the urgent first; a group that does not fit whole waits.
#[must_use]
pub fn of_budget(mut actions: Vec<Action>, budget: usize) -> (Vec<Action>, Vec<Blocked>) {
    actions.sort_by_key(priority);
    let mut kept: Vec<Action> = Vec::new();
    let mut blocked = Vec::new();
    while !actions.is_empty() {
        let first = actions.remove(0);
        let partner = of_key(first.key).partner;
        let second = actions.iter().position(|other| Some(other.key) == partner);
        let group: Vec<Action> =
            std::iter::once(first).chain(second.map(|place| actions.remove(place))).collect();
        // What must be is not counted out.
        let must = group.iter().any(|action| action.family == Family::Force);
        if must || kept.len() + group.len() <= budget {
            kept.extend(group);
        } else {
            blocked.extend(group.into_iter().map(|action| over(&action)));
        }
    }
    (kept, blocked)
}

/// As the original: the first of the sorted list, whatever belongs together.
#[must_use]
pub fn truncated(mut actions: Vec<Action>, budget: usize) -> (Vec<Action>, Vec<Blocked>) {
    actions.sort_by_key(priority);
    let rest = actions.split_off(budget.min(actions.len()));
    (actions, rest.iter().map(over).collect())
}

fn over(action: &Action) -> Blocked {
    Blocked {
        key: action.key.to_owned(),
        blocked_by: "action_budget".to_owned(),
        reason: action.reason.clone(),
    }
}

fn priority(action: &Action) -> u8 {
    match of_key(action.key).priority {
        4 if action.rule == Rule::RecoverTighten => 3,
        own => own,
    }
}

fn split(
    actions: Vec<Action>,
    blocker: impl Fn(&Action) -> Option<String>,
) -> (Vec<Action>, Vec<Blocked>) {
    let (mut kept, mut blocked) = (Vec::new(), Vec::new());
    for action in actions {
        match blocker(&action) {
            None => kept.push(action),
            Some(blocked_by) => blocked.push(Blocked {
                key: action.key.to_owned(),
                blocked_by,
                reason: action.reason.clone(),
            }),
        }
    }
    (kept, blocked)
}

/// Drops actions whose partner was stopped in this tick.
#[must_use]
pub fn with_partners(actions: Vec<Action>, stopped: &[Blocked]) -> (Vec<Action>, Vec<Blocked>) {
    split(actions, |action| {
        let partner = of_key(action.key).partner?;
        let found = stopped.iter().find(|blocked| blocked.key == partner)?;
        (action.family != Family::Force).then(|| format!("{} of {partner}", found.blocked_by))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pinion_core::settings::Value;

    fn action(key: &'static str, family: Family, to: i64) -> Action {
        Action {
            key,
            from: Value::Int(50),
            to: Value::Int(to),
            rule: Rule::RelaxScoreMin,
            family,
            reason: "why".to_owned(),
        }
    }

    #[test]
    fn each_phase_lets_its_families_through() {
        use Family::{Expand, Force, Neutral, Tighten};
        for (phase, passing) in [
            (Phase::Expand, vec![Expand, Neutral, Force]),
            (Phase::Hold, vec![Neutral, Force]),
            (Phase::Tighten, vec![Neutral, Tighten, Force]),
        ] {
            let all = [Expand, Neutral, Tighten, Force];
            let actions = all.iter().map(|f| action("funnel.top_n", *f, 54)).collect();
            let (kept, blocked) = of_phase(actions, phase, false);
            let families: Vec<Family> = kept.iter().map(|a| a.family).collect();
            assert_eq!(families, passing, "{phase:?}");
            assert_eq!(blocked.len(), 4 - passing.len());
        }
        let mut choke = action("funnel.top_n", Expand, 54);
        choke.reason = "feed_starvation: few".to_owned();
        assert_eq!(of_phase(vec![choke.clone()], Phase::Tighten, true).0.len(), 1);
        assert_eq!(of_phase(vec![choke], Phase::Tighten, false).0.len(), 0);
    }

    #[test]
    fn nothing_relaxes_while_a_risk_is_live_but_the_way_out() {
        let both = || {
            vec![
                action("funnel.top_n", Family::Neutral, 54),
                action("funnel.top_n", Family::Neutral, 46),
            ]
        };
        let (kept, blocked) = of_risk(both(), true, PhaseReason::RiskFail);
        assert_eq!((kept.len(), kept[0].to.clone()), (1, Value::Int(46)));
        assert_eq!(blocked[0].blocked_by, "risk_active");
        assert_eq!(of_risk(both(), true, PhaseReason::RecoveryUnlock).0.len(), 2);
        assert_eq!(of_risk(both(), false, PhaseReason::FlowFail).0.len(), 2);
    }

    #[test]
    fn a_pair_is_not_split_by_the_budget() {
        let pair = || {
            vec![
                action("funnel.top_n", Family::Expand, 54),
                action("funnel.score_strict", Family::Expand, 48),
                action("funnel.score_soft", Family::Expand, 48),
            ]
        };
        let (kept, blocked) = of_budget(pair(), 2);
        let keys: Vec<&str> = kept.iter().map(|a| a.key).collect();
        assert_eq!(keys, ["funnel.top_n"]);
        assert_eq!(blocked.len(), 2);
        assert_eq!(truncated(pair(), 2).0.len(), 2);
    }

    #[test]
    fn a_stopped_partner_stops_the_other() {
        let (kept, blocked) = with_partners(
            vec![
                action("funnel.score_soft", Family::Expand, 48),
                action("funnel.top_n", Family::Expand, 54),
            ],
            &[over(&action("funnel.score_strict", Family::Expand, 48))],
        );
        assert_eq!((kept.len(), kept[0].key), (1, "funnel.top_n"));
        assert_eq!(blocked[0].blocked_by, "action_budget of funnel.score_strict");
    }
}
