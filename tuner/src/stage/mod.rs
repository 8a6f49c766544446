//! From what the rules ask for to what is published: filters, caps, bounds, the whole checked at once, and
//! the ways back.

pub mod caps;
pub mod filter;
pub mod hash;
pub mod judge;
pub mod rollback;

use pinion_core::settings::{Settings, check};

use crate::rules::Action;

/// The settings with every action applied, and what is wrong with them as a whole. With any issue nothing
/// may be written.
#[must_use]
pub fn staged(base: &Settings, actions: &[Action]) -> (Settings, Vec<String>) {
    let mut settings = base.clone();
    let mut issues = Vec::new();
    for action in actions {
        let is_set = Settings::key(action.key).is_some_and(|key| {
            key.writer == pinion_core::settings::Writer::Tuner
                && !key.protected
                && (key.set)(&mut settings, &action.to)
        });
        if !is_set {
            issues.push(format!("{}: not a value that the tuner may set", action.key));
        }
    }
    issues.extend(
        check::check(&settings)
            .into_iter()
            .map(|issue| format!("{} = {}: expected {}", issue.key, issue.found, issue.expected)),
    );
    (settings, issues)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Family, Rule};
    use pinion_core::settings::{KEYS, Value, Writer};

    fn action(key: &'static str, to: Value) -> Action {
        Action {
            key,
            from: Value::Int(0),
            to,
            rule: Rule::RelaxScoreMin,
            family: Family::Expand,
            reason: String::new(),
        }
    }

    #[test]
    fn one_bad_value_spoils_the_whole() {
        let base = Settings::default();
        let good = action("funnel.top_n", Value::Int(14));
        assert_eq!(staged(&base, std::slice::from_ref(&good)).1, Vec::<String>::new());
        let soft = action("funnel.score_soft", Value::Int(80));
        let (_, issues) = staged(&base, &[good, soft]);
        assert_eq!(issues.len(), 1);
        assert!(issues[0].contains("funnel.score_strict"), "{issues:?}");
    }

    #[test]
    fn hostile_values_are_refused_for_every_key() {
        let base = Settings::default();
        let values = [
            Value::Float(f64::NAN),
            Value::Float(f64::INFINITY),
            Value::Float(-1e300),
            Value::Int(i64::MIN),
            Value::Int(i64::MAX),
            Value::Decimal(i64::MAX),
            Value::Decimal(i64::MIN),
            Value::Cores(vec![-1]),
            Value::Fractions(vec![f64::NAN]),
        ];
        for key in KEYS {
            for value in &values {
                let (settings, issues) = staged(&base, &[action(key.name, value.clone())]);
                let unchanged = (key.get)(&settings) == (key.get)(&base);
                assert!(!issues.is_empty() || unchanged, "{} {value:?}", key.name);
                if key.writer == Writer::Operator {
                    assert!(unchanged && !issues.is_empty(), "{}", key.name);
                }
            }
        }
    }
}
