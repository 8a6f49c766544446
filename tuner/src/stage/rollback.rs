//! Going back: to the last stable snapshot, or where there is none worth it, to what the operator set.

use pinion_core::settings::{Domain, Settings, Value};

use crate::number::{range, read};
use crate::rules::{Action, Family, Rule};
use crate::stage::hash::{Overrides, hash, overrides};
use crate::traits::tunable;

/// Keys at an end of their range, where the baseline is not, from which on a snapshot is saturated.
const SATURATED_KEYS: usize = 3;

pinion_core::text_enum! {
    /// What can be gone back to.
    pub enum Target {
        /// The last snapshot of settings that did well.
        Stable => "stable",
        /// What the operator set.
        Baseline => "baseline",
    }
}

/// Where a rollback goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// To what.
    pub target: Target,
    /// Hash of the target.
    pub target_hash: String,
}

/// Keys at an end of their range although the baseline is not there.
#[must_use]
pub fn keys_at_bound(settings: &Settings, baseline: &Settings) -> usize {
    tunable()
        .filter(|key| !matches!(key.domain, Domain::Bool))
        .filter(|key| {
            let Some((min, max)) = range(key) else { return false };
            let at_end = |settings| read(key, settings).is_some_and(|n| n == min || n == max);
            at_end(settings) && !at_end(baseline)
        })
        .count()
}

/// A snapshot that was driven to the ends of its ranges is no place to go back to.
#[must_use]
pub fn is_saturated(settings: &Settings, baseline: &Settings) -> bool {
    keys_at_bound(settings, baseline) >= SATURATED_KEYS
}

/// The settings with the overrides of a snapshot; what no longer parses or fits is left as it is.
#[must_use]
pub fn with_overrides(base: &Settings, snapshot: &Overrides) -> Settings {
    let mut settings = base.clone();
    for key in tunable() {
        if let Some(text) = snapshot.get(key.name)
            && let Ok(value) = Value::parse(key.domain, text)
            && pinion_core::settings::check::outside(key.domain, &value).is_none()
        {
            (key.set)(&mut settings, &value);
        }
    }
    settings
}

/// One action for each key that differs from the target, and the target; `None` when there is nothing to go
/// back to. The original knows the stable snapshot only, saturated or not.
#[must_use]
pub fn plan(
    settings: &Settings,
    baseline: &Settings,
    stable: &Overrides,
    strict_seed: bool,
) -> Option<(Vec<Action>, Way)> {
    let snapshot = with_overrides(settings, stable);
    let usable = !stable.is_empty() && (strict_seed || !is_saturated(&snapshot, baseline));
    let back = |to, target| differences(settings, to, target, Rule::AutoRollback);
    let to_stable = usable.then(|| back(&snapshot, Target::Stable)).flatten();
    if strict_seed { to_stable } else { to_stable.or_else(|| back(baseline, Target::Baseline)) }
}

/// The same for a target that the operator named; `None` when it is reached, or was never taken.
#[must_use]
pub fn asked(
    settings: &Settings,
    baseline: &Settings,
    stable: &Overrides,
    target: Target,
) -> Option<(Vec<Action>, Way)> {
    let to = match target {
        Target::Stable if stable.is_empty() => return None,
        Target::Stable => with_overrides(settings, stable),
        Target::Baseline => baseline.clone(),
    };
    differences(settings, &to, target, Rule::OperatorRollback)
}

fn differences(
    settings: &Settings,
    to: &Settings,
    target: Target,
    rule: Rule,
) -> Option<(Vec<Action>, Way)> {
    let actions: Vec<Action> = tunable()
        .filter_map(|key| {
            let (from, to) = ((key.get)(settings), (key.get)(to));
            (from != to).then(|| Action {
                key: key.name,
                from,
                to,
                rule,
                family: Family::Force,
                reason: format!("{}: to {}", rule.as_str(), target.as_str()),
            })
        })
        .collect();
    let way = Way { target, target_hash: hash(&overrides(to)) };
    (!actions.is_empty()).then_some((actions, way))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saturated_snapshot_is_passed_over_for_the_baseline() {
        let baseline = Settings::default();
        let saturated = Settings {
            funnel_top_n: 80,
            funnel_novelty_share_min: 0.9,
            funnel_cycle_topk: 600,
            ..Settings::default()
        };
        assert!(is_saturated(&saturated, &baseline));
        let now = Settings { funnel_top_n: 60, ..Settings::default() };
        let stable = overrides(&saturated);
        let (actions, way) = plan(&now, &baseline, &stable, false).expect("a way");
        assert_eq!((way.target, actions.len()), (Target::Baseline, 1));
        let (actions, way) = plan(&now, &baseline, &stable, true).expect("a way");
        assert_eq!((way.target, actions.len()), (Target::Stable, 3));
    }

    #[test]
    fn the_stable_snapshot_comes_first_and_the_baseline_when_it_is_reached() {
        let baseline = Settings::default();
        let good = Settings { funnel_top_n: 12, ..Settings::default() };
        let now = Settings { funnel_top_n: 40, ..Settings::default() };
        let stable = overrides(&good);
        assert_eq!(plan(&now, &baseline, &stable, false).expect("a way").1.target, Target::Stable);
        assert_eq!(
            plan(&good, &baseline, &stable, false).expect("a way").1.target,
            Target::Baseline
        );
        assert!(plan(&good, &baseline, &stable, true).is_none());
        assert!(plan(&baseline, &baseline, &Overrides::new(), false).is_none());
    }

    #[test]
    fn a_snapshot_that_no_longer_fits_changes_nothing_of_that_key() {
        let base = Settings::default();
        let bad = [
            ("funnel.top_n".to_owned(), "9999".to_owned()),
            ("funnel.score_soft".to_owned(), "soft".to_owned()),
            ("policy.leverage_max".to_owned(), "100".to_owned()),
        ];
        assert_eq!(with_overrides(&base, &bad.into_iter().collect()), base);
    }
}
