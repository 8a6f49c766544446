//! Validation of a whole snapshot.

use alloc::string::String;
use alloc::vec::Vec;

use crate::settings::{Domain, KEYS, Settings, Value};
use crate::units::{DECIMAL_TEXT_MAX, print_raw};

/// What is wrong with one key, or with two together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// The key at fault.
    pub key: &'static str,
    /// The value it has.
    pub found: String,
    /// What was expected.
    pub expected: String,
}

/// Checks every range and every relation; an empty list means the snapshot may be used.
#[must_use]
pub fn check(settings: &Settings) -> Vec<Issue> {
    let mut issues: Vec<Issue> = KEYS
        .iter()
        .filter_map(|key| {
            let value = (key.get)(settings);
            let expected = outside(key.domain, &value)?;
            Some(Issue { key: key.name, found: value.to_text(), expected })
        })
        .collect();
    for relation in RELATIONS {
        if !(relation.holds)(settings) {
            issues.push(Issue {
                key: relation.key,
                found: value_text(settings, relation.key),
                expected: alloc::format!(
                    "{} (it is {})",
                    relation.expected,
                    value_text(settings, relation.other)
                ),
            });
        }
    }
    issues
}

struct Relation {
    key: &'static str,
    other: &'static str,
    expected: &'static str,
    holds: fn(&Settings) -> bool,
}

const RELATIONS: &[Relation] = &[
    Relation {
        key: "policy.leverage_min",
        other: "policy.leverage_max",
        expected: "at most policy.leverage_max",
        holds: |s| s.policy_leverage_min <= s.policy_leverage_max,
    },
    Relation {
        key: "policy.vel_div_extreme",
        other: "policy.vel_div_threshold",
        expected: "below policy.vel_div_threshold, the strength grows between the two",
        holds: |s| s.policy_vel_div_extreme < s.policy_vel_div_threshold,
    },
    Relation {
        key: "account.maker_rate",
        other: "account.taker_rate",
        expected: "at most account.taker_rate",
        holds: |s| s.account_maker_rate <= s.account_taker_rate,
    },
    Relation {
        key: "signal.vol_samples_min",
        other: "signal.vol_window",
        expected: "at most signal.vol_window",
        holds: |s| s.signal_vol_samples_min <= s.signal_vol_window,
    },
    Relation {
        key: "signal.stale_ns",
        other: "signal.scan_ns",
        expected: "at least signal.scan_ns, or every asset is stale at every scan",
        holds: |s| s.signal_stale_ns >= s.signal_scan_ns,
    },
];

fn value_text(settings: &Settings, name: &str) -> String {
    KEYS.iter()
        .find(|key| key.name == name)
        .map_or_else(String::new, |key| (key.get)(settings).to_text())
}

/// What the domain expects, when the value is outside of it.
#[must_use]
pub fn outside(domain: Domain, value: &Value) -> Option<String> {
    let inside = match (domain, value) {
        (Domain::Int { min, max }, Value::Int(value)) => (min..=max).contains(value),
        (Domain::Float { min, max }, Value::Float(value)) => (min..=max).contains(value),
        (Domain::Bool, Value::Bool(_)) | (Domain::Symbol, Value::Symbol(_)) => true,
        (Domain::Decimal { min, max }, Value::Decimal(raw)) => (min..=max).contains(raw),
        (Domain::Choice(texts), Value::Choice(text)) => texts.contains(text),
        (Domain::Symbols { max }, Value::Symbols(symbols)) => {
            symbols.len() <= max && all_different(symbols)
        }
        (Domain::Fractions, Value::Fractions(parts)) => {
            (1..=8).contains(&parts.len())
                && parts.iter().all(|part| *part > 0.0 && *part <= 1.0)
                && (parts.iter().sum::<f64>() - 1.0).abs() < 1e-9
        }
        (Domain::Cores, Value::Cores(cores)) => {
            cores.iter().all(|core| (0..1024).contains(core)) && all_different(cores)
        }
        _ => false,
    };
    (!inside).then(|| describe(domain))
}

fn all_different<T: PartialEq>(items: &[T]) -> bool {
    items.iter().enumerate().all(|(index, item)| !items[..index].contains(item))
}

/// The domain in words.
#[must_use]
pub fn describe(domain: Domain) -> String {
    match domain {
        Domain::Int { min, max } => alloc::format!("a whole number from {min} to {max}"),
        Domain::Float { min, max } => alloc::format!("a number from {min} to {max}"),
        Domain::Bool => String::from("true or false"),
        Domain::Decimal { min, max } => {
            let mut low = [0; DECIMAL_TEXT_MAX];
            let mut high = [0; DECIMAL_TEXT_MAX];
            alloc::format!(
                "a decimal from {} to {}",
                print_raw(min, &mut low),
                print_raw(max, &mut high)
            )
        }
        Domain::Choice(texts) => alloc::format!("one of {}", texts.join(", ")),
        Domain::Symbol => String::from("a symbol like BTCUSDT"),
        Domain::Symbols { max } => alloc::format!("a list of at most {max} different symbols"),
        Domain::Fractions => String::from("one to eight fractions above 0 that sum to 1"),
        Domain::Cores => String::from("a list of different core numbers"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_inside_their_own_ranges() {
        assert_eq!(check(&Settings::default()), []);
    }

    #[test]
    fn every_relation_can_fail_and_is_named() {
        let mut settings = Settings::default();
        settings.policy_leverage_min = settings.policy_leverage_max + 1.0;
        let issues = check(&settings);
        assert_eq!(issues.len(), 1, "{issues:?}");
        assert_eq!(issues[0].key, "policy.leverage_min");
    }

    #[test]
    fn nan_is_outside_every_range() {
        let settings = Settings { exit_tp_bps: f64::NAN, ..Settings::default() };
        assert_eq!(check(&settings).len(), 1);
    }
}
