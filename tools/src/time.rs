//! Durations and moments as text.

use std::time::{SystemTime, UNIX_EPOCH};

use pinion_core::units::Nanos;
use pinion_io::utc::TimeText;

/// Reads `90s`, `15m`, `6h`, `2d` as nanoseconds.
///
/// # Errors
/// What was expected.
pub(crate) fn parse_duration_ns(text: &str) -> Result<i64, String> {
    let expected = || "expected a whole number above 0 and a unit: 90s, 15m, 6h, 2d".to_owned();
    let unit = text.chars().last().ok_or_else(expected)?;
    let seconds: i64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(expected()),
    };
    let count: i64 = text[..text.len() - 1].parse().map_err(|_| expected())?;
    if count <= 0 {
        return Err(expected());
    }
    count.checked_mul(seconds).and_then(|s| s.checked_mul(Nanos::SECOND)).ok_or_else(expected)
}

/// The present as `20261120T104500Z`, for the name of a run directory.
#[must_use]
pub(crate) fn utc_stamp() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(now.as_secs()).unwrap_or_default();
    utc_text(Nanos::new(seconds * Nanos::SECOND)).replace(['-', ':'], "").replace(' ', "T")
}

/// A moment as `2026-11-20 10:45:00Z`.
#[must_use]
pub(crate) fn utc_text(moment: Nanos) -> String {
    let mut text = TimeText::default();
    let (to_the_second, _) = text.of(moment).split_at("2026-11-20T10:45:00".len());
    format!("{}Z", to_the_second.replace('T', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse_duration_ns("90s"), Ok(90_000_000_000));
        assert_eq!(parse_duration_ns("2d"), Ok(172_800_000_000_000));
        for bad in ["", "s", "10", "-1s", "0s", "1.5h", "9999999999999d", "5µ"] {
            assert!(parse_duration_ns(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn moments_print_as_dates() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00Z"),
            (951_782_400, "2000-02-29 00:00:00Z"),
            (1_723_161_599, "2024-08-08 23:59:59Z"),
            (-1, "1969-12-31 23:59:59Z"),
        ] {
            assert_eq!(utc_text(Nanos::new(seconds * Nanos::SECOND)), text);
        }
    }
}
