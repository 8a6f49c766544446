//! Settings as exact numbers, in units of 1e-8, so that steps add up and no cap is rounded past.

use pinion_core::settings::{Domain, Key, Settings, Value};

/// One, in raw units.
pub const ONE: i64 = 100_000_000;

/// Raw units of a float: the nearest; out of range saturates.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "`as` saturates, and ranges are checked later")]
pub fn raw(value: f64) -> i64 {
    (value * 1e8).round() as i64
}

/// The float of raw units.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "settings are far below 2^53 raw units")]
pub fn float(raw: i64) -> f64 {
    raw as f64 / 1e8
}

/// The value of a key as a number; a switch is 0 or 1; lists and texts are none.
#[must_use]
pub fn read(key: &Key, settings: &Settings) -> Option<i64> {
    of_value(&(key.get)(settings))
}

/// As [`read`], of a value.
#[must_use]
pub fn of_value(value: &Value) -> Option<i64> {
    match value {
        Value::Int(whole) => whole.checked_mul(ONE),
        Value::Float(value) => Some(raw(*value)),
        Value::Bool(on) => Some(if *on { ONE } else { 0 }),
        Value::Decimal(raw) => Some(*raw),
        Value::Choice(_)
        | Value::Symbol(_)
        | Value::Symbols(_)
        | Value::Fractions(_)
        | Value::Cores(_) => None,
    }
}

/// Writes a number; false where the key takes none. A whole number is the nearest, a half away from zero.
pub fn write(key: &Key, settings: &mut Settings, raw: i64) -> bool {
    let value = match key.domain {
        Domain::Int { .. } => Value::Int(whole(raw)),
        Domain::Float { .. } => Value::Float(float(raw)),
        Domain::Bool => Value::Bool(raw != 0),
        Domain::Decimal { .. } => Value::Decimal(raw),
        Domain::Choice(_)
        | Domain::Symbol
        | Domain::Symbols { .. }
        | Domain::Fractions
        | Domain::Cores => return false,
    };
    (key.set)(settings, &value)
}

/// Nearest whole number.
const fn whole(raw: i64) -> i64 {
    let half = if raw < 0 { -ONE / 2 } else { ONE / 2 };
    raw.saturating_add(half) / ONE
}

/// Least and greatest value of a key.
#[must_use]
pub fn range(key: &Key) -> Option<(i64, i64)> {
    match key.domain {
        Domain::Int { min, max } => Some((min.saturating_mul(ONE), max.saturating_mul(ONE))),
        Domain::Float { min, max } => Some((raw(min), raw(max))),
        Domain::Bool => Some((0, ONE)),
        Domain::Decimal { min, max } => Some((min, max)),
        Domain::Choice(_)
        | Domain::Symbol
        | Domain::Symbols { .. }
        | Domain::Fractions
        | Domain::Cores => None,
    }
}

/// A key that holds whole numbers only.
#[must_use]
pub const fn is_whole(key: &Key) -> bool {
    matches!(key.domain, Domain::Int { .. } | Domain::Bool)
}

/// The part of `raw` that a key can hold, never further from zero.
#[must_use]
pub const fn towards_zero(key: &Key, raw: i64) -> i64 {
    if is_whole(key) { raw / ONE * ONE } else { raw }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_tuner_with_numbers_reads_back_what_was_written() {
        for key in pinion_core::settings::KEYS {
            let mut settings = Settings::default();
            let Some((min, max)) = range(key) else { continue };
            if key.writer != pinion_core::settings::Writer::Tuner {
                continue;
            }
            for value in [min, max] {
                assert!(write(key, &mut settings, value), "{}", key.name);
                assert_eq!(read(key, &settings), Some(value), "{}", key.name);
            }
        }
    }

    #[test]
    fn steps_add_up_exactly() {
        let key = Settings::key("edge.percent_min").expect("a key");
        let mut settings = Settings { edge_percent_min: 0.35, ..Settings::default() };
        let now = read(key, &settings).expect("a number");
        assert!(write(key, &mut settings, now - raw(0.05)));
        assert_eq!((key.get)(&settings).to_text(), "0.3");
    }
}
