//! How far a key may move in a tick, and how far from the operator's baseline at all.

use pinion_core::settings::{Domain, Key, Settings, Value};

use crate::number::{ONE, float, is_whole, of_value, range, raw, read, towards_zero};
use crate::policy::Phase;
use crate::rules::{Action, Blocked};
use crate::traits::DRIFT_FRACTION;

/// An action that asked for more than a tick may do.
#[derive(Clone, Debug, PartialEq)]
pub struct Capped {
    /// Dotted name.
    pub key: &'static str,
    /// Before the tick.
    pub from: Value,
    /// Asked for.
    pub requested: Value,
    /// Done.
    pub applied: Value,
}

/// Holds every action to its step cap, halved in hold; what is left of nothing goes away.
#[must_use]
pub fn cap(actions: Vec<Action>, phase: Phase, strict_seed: bool) -> (Vec<Action>, Vec<Capped>) {
    let mut capped = Vec::new();
    let mut kept = Vec::with_capacity(actions.len());
    for mut action in actions {
        if let Some(key) = Settings::key(action.key)
            && let (Some(from), Some(to)) = (of_value(&action.from), of_value(&action.to))
        {
            let applied = capped_to(key, from, to, phase, strict_seed);
            if applied != to {
                let requested = action.to.clone();
                action.to = value_of(key, applied);
                let (from, applied) = (action.from.clone(), action.to.clone());
                capped.push(Capped { key: action.key, from, requested, applied });
            }
        }
        if action.from != action.to {
            kept.push(action);
        }
    }
    (kept, capped)
}

/// The furthest that a tick may go from `from` towards `to`.
fn capped_to(key: &Key, from: i64, to: i64, phase: Phase, strict_seed: bool) -> i64 {
    if matches!(key.domain, Domain::Bool) || key.step <= 0.0 {
        return to;
    }
    let step = raw(key.step);
    let limit = if phase == Phase::Hold { step / 2 } else { step };
    let delta = to.saturating_sub(from);
    if delta.saturating_abs() <= limit {
        return to;
    }
    let signed = if delta < 0 { -limit } else { limit };
    if strict_seed {
        return rounded_as_text(key, from, signed);
    }
    from.saturating_add(towards_zero(key, signed))
}

/// The original writes whole numbers rounded half to even, and others with four decimals.
fn rounded_as_text(key: &Key, from: i64, delta: i64) -> i64 {
    let value = from.saturating_add(delta);
    if !is_whole(key) {
        // It adds floats, and a half is rounded by what their sum really is.
        return format!("{:.4}", float(from) + float(delta)).parse().map_or(value, raw);
    }
    let (whole, rest) = (value.div_euclid(ONE), value.rem_euclid(ONE));
    let up = rest > ONE / 2 || (rest == ONE / 2 && whole % 2 != 0);
    (whole + i64::from(up)) * ONE
}

/// The typed value of a number that the key can hold.
#[must_use]
pub fn value_of(key: &Key, raw: i64) -> Value {
    match key.domain {
        Domain::Int { .. } => Value::Int(raw / ONE),
        Domain::Bool => Value::Bool(raw != 0),
        Domain::Decimal { .. } => Value::Decimal(raw),
        Domain::Float { .. }
        | Domain::Choice(_)
        | Domain::Symbol
        | Domain::Symbols { .. }
        | Domain::Fractions
        | Domain::Cores => Value::Float(float(raw)),
    }
}

/// How far a key may be from its baseline: a quarter of its range, at least one step; switches are free.
#[must_use]
pub fn drift_bound(key: &Key) -> Option<i64> {
    if matches!(key.domain, Domain::Bool) {
        return None;
    }
    let (min, max) = range(key)?;
    let quarter = towards_zero(key, max.saturating_sub(min) / DRIFT_FRACTION);
    Some(quarter.max(raw(key.step)))
}

/// Holds every action within the drift bound around the baseline. Towards the baseline is always allowed.
#[must_use]
pub fn bound(actions: Vec<Action>, baseline: &Settings) -> (Vec<Action>, Vec<Blocked>) {
    let mut blocked = Vec::new();
    let mut kept = Vec::with_capacity(actions.len());
    for mut action in actions {
        if let Some(key) = Settings::key(action.key)
            && let Some(drift) = drift_bound(key)
            && let (Some(from), Some(to), Some(home)) =
                (of_value(&action.from), of_value(&action.to), read(key, baseline))
        {
            let (low, high) = (home.saturating_sub(drift), home.saturating_add(drift));
            let held = if to > from { to.min(high.max(from)) } else { to.max(low.min(from)) };
            if held != to {
                blocked.push(Blocked {
                    key: action.key.to_owned(),
                    blocked_by: "drift_bound".to_owned(),
                    reason: format!(
                        "{}; at most {} from the baseline {}",
                        action.reason,
                        value_of(key, drift).to_text(),
                        value_of(key, home).to_text()
                    ),
                });
                action.to = value_of(key, held);
            }
        }
        if action.from != action.to {
            kept.push(action);
        }
    }
    (kept, blocked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Family, Rule};

    fn action(key: &'static str, from: Value, to: Value) -> Action {
        let (rule, family) = (Rule::RelaxScoreMin, Family::Expand);
        Action { key, from, to, rule, family, reason: "why".to_owned() }
    }

    fn applied(key: &'static str, from: Value, to: Value, phase: Phase, strict: bool) -> String {
        let (kept, _) = cap(vec![action(key, from.clone(), to)], phase, strict);
        kept.first().map_or(from, |action| action.to.clone()).to_text()
    }

    #[test]
    fn golden_caps_of_the_original() {
        let (expand, hold) = (Phase::Expand, Phase::Hold);
        for (key, from, to, full, half) in [
            ("funnel.score_strict", Value::Int(60), Value::Int(50), "58", "59"),
            ("edge.usd_min", Value::Float(0.01), Value::Float(0.02), "0.0115", "0.0108"),
            ("funnel.lane_cap_momentum", Value::Int(140), Value::Int(300), "200", "170"),
            ("funnel.lane_cap_watchlist", Value::Int(50), Value::Int(10), "10", "20"),
            ("funnel.non_watchlist_min", Value::Int(1), Value::Int(3), "2", "2"),
            ("funnel.non_watchlist_min", Value::Int(2), Value::Int(4), "3", "2"),
        ] {
            assert_eq!(applied(key, from.clone(), to.clone(), expand, true), full, "{key}");
            assert_eq!(applied(key, from, to, hold, true), half, "{key} in hold");
        }
    }

    #[test]
    fn no_cap_is_rounded_past() {
        let usd = (Value::Float(0.01), Value::Float(0.02));
        assert_eq!(applied("edge.usd_min", usd.0, usd.1, Phase::Hold, false), "0.01075");
        let n = (Value::Int(1), Value::Int(3));
        assert_eq!(applied("funnel.non_watchlist_min", n.0, n.1, Phase::Hold, false), "1");
        let down = (Value::Int(60), Value::Int(50));
        assert_eq!(applied("funnel.score_strict", down.0, down.1, Phase::Tighten, false), "58");
    }

    #[test]
    fn what_is_capped_is_told_with_what_was_asked() {
        let asked = action("funnel.top_n", Value::Int(10), Value::Int(30));
        let (_, capped) = cap(vec![asked], Phase::Expand, false);
        assert_eq!(capped[0].requested, Value::Int(30));
        assert_eq!(capped[0].applied, Value::Int(16));
    }

    #[test]
    fn relaxing_ends_a_quarter_of_the_range_from_the_baseline() {
        let baseline = Settings::default();
        // 15 to 95, so 20 points below 78.
        let at = |from, to| {
            bound(vec![action("funnel.score_strict", Value::Int(from), Value::Int(to))], &baseline)
        };
        assert_eq!(at(60, 58).0[0].to, Value::Int(58));
        let (kept, blocked) = at(59, 57);
        assert_eq!(kept[0].to, Value::Int(58));
        assert_eq!(blocked[0].blocked_by, "drift_bound");
        assert!(at(58, 56).0.is_empty());
        assert_eq!(at(50, 52).0[0].to, Value::Int(52), "back home from outside");
        assert!(at(50, 49).0.is_empty());
    }
}
