//! Settings that somebody means ill, or mistyped: whatever stands there is refused by name, or is a value that
//! the contract allows; nothing is half applied.

use pinion_core::settings::{KEYS, check};
use pinion_tools::config::problem::FileText;
use pinion_tools::config::stack;
use pinion_tuner::decide;
use pinion_tuner::tick::decide as tick;
use serde_json::Value;

/// Values that no key should take over unseen, as TOML.
const HOSTILE: [&str; 60] = [
    "nan",
    "inf",
    "-inf",
    "-nan",
    "1e400",
    "-1e400",
    "1e-400",
    "-1",
    "-0.0",
    "0",
    "1",
    "0.1",
    "1.5",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "99999999999999999999999999",
    "0.000000001",
    "123456789.123456789",
    "1_000",
    "0x7fffffffffffffff",
    "0b1",
    "0o17",
    "+5",
    "true",
    "false",
    "''",
    "' '",
    "'nan'",
    "'inf'",
    "'-1'",
    "'1e3'",
    "'1,5'",
    "'1.5.2'",
    "'0x10'",
    "'true'",
    "'TRUE'",
    "'yes'",
    "'null'",
    "'BTCUSDT'",
    "'btc-usdt'",
    "'../../etc/passwd'",
    "\"a\\u0000b\"",
    "\"line\\nbreak\"",
    "'ＢＴＣＵＳＤＴ'",
    "'🦀'",
    "'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'",
    "[]",
    "[1]",
    "[0.5, 0.5]",
    "[0.5, 0.6]",
    "[-1.0, 2.0]",
    "[nan]",
    "['A', 'A']",
    "['A', 1]",
    "[[1]]",
    "{}",
    "{a = 1}",
    "1979-05-27T07:32:00Z",
    "07:32:00",
];

#[test]
fn a_hostile_value_of_any_key_is_refused_by_name_or_lies_within_its_range() {
    let mut refused = 0;
    for key in KEYS {
        // Beside it a good value, which must not be applied alone.
        let good = if key.name == "exit.tp_bps" { "exit.sl_bps = 151" } else { "exit.tp_bps = 96" };
        for value in HOSTILE {
            let text = format!("{good}\n{} = {value}\n", key.name);
            let file = FileText { file: "hostile.toml".into(), text };
            match stack(None, Some(&file), [], &[]) {
                Ok(loaded) => {
                    let taken = (key.get)(&loaded.settings);
                    let outside = check::outside(key.domain, &taken);
                    assert_eq!(outside, None, "{} = {value}", key.name);
                    assert_eq!(check::check(&loaded.settings), [], "{} = {value}", key.name);
                }
                Err(problems) => {
                    refused += 1;
                    let text = problems.to_string();
                    // A file that is no TOML has no keys, only a place.
                    let is_named = problems.0.iter().all(|problem| problem.key.is_empty())
                        || text.contains(key.name);
                    assert!(is_named, "{} = {value}: {text}", key.name);
                    assert!(text.contains("hostile.toml:2:"), "{} = {value}: {text}", key.name);
                }
            }
        }
    }
    assert!(refused > KEYS.len() * 40, "{refused}");
}

#[test]
fn the_tuner_publishes_nothing_over_hostile_settings() {
    let text = |value: &str| Value::from(value.trim_matches('\''));
    for key in KEYS {
        for value in HOSTILE {
            let value = serde_json::from_str(value).unwrap_or_else(|_| text(value));
            let json = serde_json::json!({
                "settings": {key.name: value},
                "metrics": {"selected": 20, "opened": 0, "lines": 500, "scanned": 300,
                    "filter_fails": {"score_min": 9}},
            });
            match decide::input(&json, false) {
                Err(fault) => assert!(fault.contains(key.name), "{fault}"),
                Ok(input) => {
                    let decision = tick(&input);
                    let is_whole = check::check(&decision.staged).is_empty();
                    assert_eq!(decision.issues.is_empty(), is_whole, "{} {value}", key.name);
                    assert!(!decision.is_publishable() || is_whole, "{} {value}", key.name);
                }
            }
        }
    }
}
