//! Validation of a whole snapshot.

use alloc::string::String;
use alloc::vec::Vec;

use crate::settings::{Domain, KEYS, Miss, Settings, Style, Value};
use crate::units::{DECIMAL_TEXT_MAX, print_raw};

/// What is wrong with one key, or with two together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// The key at fault.
    pub key: &'static str,
    /// The key it contradicts, where two do not fit together.
    pub other: Option<&'static str>,
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
            Some(Issue { key: key.name, other: None, found: value.to_text(), expected })
        })
        .collect();
    for relation in RELATIONS {
        if !(relation.holds)(settings) {
            issues.push(Issue {
                key: relation.key,
                other: Some(relation.other),
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
        key: "policy.strategy_leverage_max",
        other: "policy.leverage_min",
        expected: "at least policy.leverage_min, or every entry is held below its own least leverage",
        holds: |s| s.policy_strategy_leverage_max >= s.policy_leverage_min,
    },
    Relation {
        key: "policy.stalker_leverage_max",
        other: "policy.leverage_min",
        expected: "at least policy.leverage_min, or every entry is held below its own least leverage",
        holds: |s| s.policy_stalker_leverage_max >= s.policy_leverage_min,
    },
    Relation {
        key: "policy.leverage_max",
        other: "policy.liquidation_hard",
        expected: "at most policy.liquidation_hard or policy.strategy_leverage_max, or no entry ever \
                   reaches it",
        holds: |s| {
            let most = s.policy_liquidation_hard.max(s.policy_strategy_leverage_max);
            s.policy_leverage_max <= most
        },
    },
    Relation {
        key: "picker.latency_max",
        other: "picker.window",
        expected: "below picker.window, or a move within the window is never too late",
        holds: |s| s.picker_latency_max < s.picker_window,
    },
    Relation {
        key: "router.entry_retries",
        other: "router.entry_miss",
        expected: "at least 1 with router.entry_miss = retry; without retries say skip or market",
        holds: |s| s.router_entry_miss != Miss::Retry || s.router_entry_retries > 0,
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
    Relation {
        key: "exit.retry_first_ns",
        other: "exit.retry_max_ns",
        expected: "at most exit.retry_max_ns",
        holds: |s| s.exit_retry_first_ns <= s.exit_retry_max_ns,
    },
    Relation {
        key: "guard.lookup_first_ns",
        other: "guard.lookup_max_ns",
        expected: "at most guard.lookup_max_ns",
        holds: |s| s.guard_lookup_first_ns <= s.guard_lookup_max_ns,
    },
    Relation {
        key: "guard.not_found_ns",
        other: "guard.lookup_first_ns",
        expected: "above guard.lookup_first_ns, or one denial is all the time there is",
        holds: |s| s.guard_not_found_ns > s.guard_lookup_first_ns,
    },
    Relation {
        key: "policy.liquidation_soft",
        other: "policy.liquidation_hard",
        expected: "at most policy.liquidation_hard",
        holds: |s| s.policy_liquidation_soft <= s.policy_liquidation_hard,
    },
    Relation {
        key: "funnel.score_soft",
        other: "funnel.score_strict",
        expected: "at most funnel.score_strict",
        holds: |s| s.funnel_score_soft <= s.funnel_score_strict,
    },
    Relation {
        key: "memory.lane_severe_probability",
        other: "memory.lane_bad_probability",
        expected: "at most memory.lane_bad_probability",
        holds: |s| s.memory_lane_severe_probability <= s.memory_lane_bad_probability,
    },
    Relation {
        key: "memory.symbol_severe_probability",
        other: "memory.symbol_bad_probability",
        expected: "at most memory.symbol_bad_probability",
        holds: |s| s.memory_symbol_severe_probability <= s.memory_symbol_bad_probability,
    },
    Relation {
        key: "router.replace_rate_per_min",
        other: "cap.orders_per_minute_max",
        expected: "at most cap.orders_per_minute_max while quotes follow the market (router.style = maker, \
                   router.tail_age_ms above 0), or replacements alone reach the cap and stop all entries",
        holds: |s| {
            s.router_style == Style::Taker
                || s.router_tail_age_ms == 0
                || s.router_replace_rate_per_min <= s.cap_orders_per_minute_max
        },
    },
    Relation {
        key: "cap.position_notional_max",
        other: "cap.total_notional_max",
        expected: "at most cap.total_notional_max",
        holds: |s| s.cap_position_notional_max <= s.cap_total_notional_max,
    },
    Relation {
        key: "cap.orders_per_second_max",
        other: "cap.orders_per_minute_max",
        expected: "at most cap.orders_per_minute_max",
        holds: |s| s.cap_orders_per_second_max <= s.cap_orders_per_minute_max,
    },
    Relation {
        key: "cap.orders_per_minute_max",
        other: "cap.orders_per_day_max",
        expected: "at most cap.orders_per_day_max",
        holds: |s| s.cap_orders_per_minute_max <= s.cap_orders_per_day_max,
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
    use crate::units::{Money, Rate};

    #[test]
    fn defaults_are_inside_their_own_ranges() {
        assert_eq!(check(&Settings::default()), []);
    }

    #[test]
    fn every_relation_can_fail_and_is_named() {
        type Break = fn(&mut Settings);
        let broken: [(&str, Break); 21] = [
            ("policy.leverage_min", |s| s.policy_leverage_max = s.policy_leverage_min - 0.1),
            ("policy.strategy_leverage_max", |s| s.policy_strategy_leverage_max = 0.4),
            ("policy.stalker_leverage_max", |s| s.policy_stalker_leverage_max = 0.4),
            ("policy.leverage_max", |s| s.policy_leverage_max = 9.5),
            ("picker.latency_max", |s| s.picker_latency_max = s.picker_window),
            ("router.entry_retries", |s| {
                (s.router_entry_miss, s.router_entry_retries) = (Miss::Retry, 0);
            }),
            ("policy.vel_div_extreme", |s| s.policy_vel_div_extreme = s.policy_vel_div_threshold),
            ("account.maker_rate", |s| s.account_taker_rate = Rate::from_raw(19_999)),
            ("signal.vol_samples_min", |s| s.signal_vol_window = s.signal_vol_samples_min - 1),
            ("signal.stale_ns", |s| s.signal_scan_ns = s.signal_stale_ns + 1),
            ("exit.retry_first_ns", |s| s.exit_retry_first_ns = s.exit_retry_max_ns + 1),
            ("guard.lookup_first_ns", |s| s.guard_lookup_max_ns = s.guard_lookup_first_ns - 1),
            ("guard.not_found_ns", |s| s.guard_not_found_ns = s.guard_lookup_first_ns),
            ("policy.liquidation_soft", |s| s.policy_liquidation_soft = 9.5),
            ("funnel.score_soft", |s| s.funnel_score_soft = 79),
            ("memory.lane_severe_probability", |s| s.memory_lane_severe_probability = 0.56),
            ("memory.symbol_severe_probability", |s| s.memory_symbol_severe_probability = 0.73),
            ("router.replace_rate_per_min", |s| {
                (s.router_style, s.router_tail_age_ms) = (Style::Maker, 400);
            }),
            ("cap.position_notional_max", |s| s.cap_total_notional_max = Money::ONE),
            ("cap.orders_per_second_max", |s| s.cap_orders_per_second_max = 101),
            ("cap.orders_per_minute_max", |s| s.cap_orders_per_day_max = 99),
        ];
        assert_eq!(broken.len(), RELATIONS.len(), "a case for every relation");
        for (key, breaks) in broken {
            let mut settings = Settings::default();
            breaks(&mut settings);
            let issues = check(&settings);
            assert_eq!(issues.len(), 1, "{issues:?}");
            assert_eq!(issues[0].key, key);
            let other = issues[0].other.expect("two keys");
            assert!(issues[0].expected.contains(&value_text(&settings, other)), "{issues:?}");
        }
    }

    #[test]
    fn lists_are_checked_item_by_item() {
        let symbol = |text: &str| crate::id::TextId::new(text).expect("fits");
        let symbols = Domain::Symbols { max: 2 };
        let pair = |a, b| Value::Symbols(alloc::vec![symbol(a), symbol(b)]);
        assert_eq!(outside(symbols, &pair("BTCUSDT", "ETHUSDT")), None);
        assert!(outside(symbols, &pair("BTCUSDT", "BTCUSDT")).is_some());
        for (parts, fits) in [
            (alloc::vec![1.0], true),
            (alloc::vec![0.1; 8], false),
            (alloc::vec![0.125; 8], true),
            (alloc::vec![0.5, 0.5, 0.0], false),
            (alloc::vec![f64::NAN], false),
            (Vec::new(), false),
        ] {
            let value = Value::Fractions(parts);
            assert_eq!(outside(Domain::Fractions, &value).is_none(), fits, "{value:?}");
        }
        assert!(outside(Domain::Cores, &Value::Cores(alloc::vec![0, 0])).is_some());
        assert!(outside(Domain::Cores, &Value::Cores(alloc::vec![-1])).is_some());
        assert_eq!(outside(Domain::Cores, &Value::Cores(Vec::new())), None);
    }

    #[test]
    fn a_value_of_another_type_is_outside() {
        assert!(outside(Domain::Bool, &Value::Int(1)).is_some());
    }

    #[test]
    fn nan_is_outside_every_range() {
        let settings = Settings { exit_tp_bps: f64::NAN, ..Settings::default() };
        assert_eq!(check(&settings).len(), 1);
    }
}
