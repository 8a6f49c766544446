//! The venue's times as text: `2025-09-23T14:33:21.990+0800`.

use pinion_core::units::Nanos;

use super::fault::{Fault, FaultKind};

const FIELD: &str = "filledTime";
const EXPECTED: &str = "a time like 2025-09-23T14:33:21.990+0800";

/// Reads a time with its offset from UTC. A time without an offset is refused: the venue writes local time
/// with a `Z` in another field, eight hours off.
///
/// # Errors
/// [`Fault`] for anything else.
pub(super) fn venue_time(text: &str) -> Result<Nanos, Fault> {
    parse(text).ok_or(Fault::new(FaultKind::Wrong, FIELD, EXPECTED, 0))
}

fn parse(text: &str) -> Option<Nanos> {
    let text = text.is_ascii().then_some(text)?;
    let (at, offset) = text.split_at_checked(text.len().checked_sub(5)?)?;
    let sign = match offset.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let offset_min = number(offset.get(1..3)?)? * 60 + number(offset.get(3..5)?)?;
    let (seconds, fraction) = at.split_once('.').unwrap_or((at, ""));
    let shape = seconds.len() == 19
        && [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')]
            .iter()
            .all(|(place, mark)| seconds.as_bytes().get(*place) == Some(mark));
    if !shape || fraction.len() > 9 {
        return None;
    }
    let part = |from: usize, to: usize| number(seconds.get(from..to)?);
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    let (hour, minute, second) = (part(11, 13)?, part(14, 16)?, part(17, 19)?);
    let valid = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !valid {
        return None;
    }
    let digits = u32::try_from(9 - fraction.len()).ok()?;
    let nanos =
        if fraction.is_empty() { 0 } else { number(fraction)? * 10i64.checked_pow(digits)? };
    let utc = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second
        - sign * offset_min * 60;
    utc.checked_mul(Nanos::SECOND)?.checked_add(nanos).map(Nanos::new)
}

fn number(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Days from 1970-01-01 in the Gregorian calendar, counted in years that start in March, where the leap day
/// comes last.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let march_month = (month + 9) % 12;
    let of_year = (153 * march_month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_lead_to_utc() {
        for (text, ms) in [
            ("2025-09-23T14:33:21.990+0800", 1_758_609_201_990),
            ("2026-07-28T10:00:00.000+0800", 1_785_204_000_000),
            ("1970-01-01T00:00:00+0000", 0),
            ("2000-02-29T11:59:59.001-0030", 951_827_399_001),
        ] {
            assert_eq!(venue_time(text), Ok(Nanos::new(ms * 1_000_000)), "{text}");
        }
    }

    #[test]
    fn what_has_no_offset_or_no_sense_is_refused() {
        for text in [
            "",
            "2023-12-16T20:58:36Z",
            "2023-12-16T20:58:36",
            "2023-13-16T20:58:36+0800",
            "2023-12-16 20:58:36+0800",
            "2023-12-16T24:58:36+0800",
            "2023-12-16T20:58:36.0000000001+0800",
            "2023-12-16T20:58:36.x+0800",
            "2023-12-16T20:58:36\u{e4}+0800",
            "+0800",
        ] {
            assert!(venue_time(text).is_err(), "{text}");
        }
    }
}
