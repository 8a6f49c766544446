//! Moments as text.

use std::time::{SystemTime, UNIX_EPOCH};

use pinion_core::units::Nanos;

/// The text of moments, remembering the last second: most records share it with the one before.
#[derive(Debug)]
pub struct TimeText {
    second: i64,
    /// `2024-08-08T00:00:00.000000000Z`.
    text: [u8; 30],
}

impl Default for TimeText {
    fn default() -> Self {
        let mut this = Self { second: 0, text: *b"0000-00-00T00:00:00.000000000Z" };
        this.set_second(0);
        this
    }
}

impl TimeText {
    /// RFC 3339 in UTC with nanoseconds, always 30 characters.
    pub fn of(&mut self, at: Nanos) -> &str {
        let second = at.get().div_euclid(Nanos::SECOND);
        if second != self.second {
            self.set_second(second);
        }
        put_digits(&mut self.text[20..29], at.get().rem_euclid(Nanos::SECOND));
        std::str::from_utf8(&self.text).unwrap_or("")
    }

    fn set_second(&mut self, second: i64) {
        self.second = second;
        let (days, of_day) = (second.div_euclid(86_400), second.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        for (range, value) in [
            (0..4, year),
            (5..7, month),
            (8..10, day),
            (11..13, of_day / 3_600),
            (14..16, of_day / 60 % 60),
            (17..19, of_day % 60),
        ] {
            put_digits(&mut self.text[range], value);
        }
    }
}

fn put_digits(target: &mut [u8], mut value: i64) {
    for slot in target.iter_mut().rev() {
        *slot = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
}

/// Year, month and day of a number of days since 1970-01-01 in the Gregorian calendar, counted in
/// years that start in March, where the leap day comes last.
const fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// The present in a form for file names: `20240808T000000Z`.
#[must_use]
pub fn file_stamp() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let nanos = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
    let mut time = TimeText::default();
    let text = time.of(Nanos::new(nanos));
    let second = text.split('.').next().unwrap_or_default();
    let digits: String = second.chars().filter(|c| !matches!(c, '-' | ':')).collect();
    format!("{digits}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_as_utc() {
        let mut time = TimeText::default();
        for (ns, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (1_723_075_200_123_456_789, "2024-08-08T00:00:00.123456789Z"),
            (951_825_599_000_000_001, "2000-02-29T11:59:59.000000001Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
            (i64::MAX, "2262-04-11T23:47:16.854775807Z"),
            (i64::MIN, "1677-09-21T00:12:43.145224192Z"),
        ] {
            assert_eq!(time.of(Nanos::new(ns)), text);
        }
    }
}
