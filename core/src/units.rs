//! Fixed-point units: prices, quantities, money and rates as `i64` with eight decimals.
//!
//! Text goes to and from these types digit by digit, never through a float: `"NaN"`, `"inf"` and
//! `"1e400"` are malformed here, where `f64::parse` accepts them. Largest magnitude: 92,233,720,368.
//! A product is formed in `i128` and rounded once, half to even, by a method that says so.
//!
//! Cost: parsing 10 digits takes about 10 ns, printing about the same; nothing allocates.

use core::fmt;
use core::iter::Sum;
use core::ops::{Add, AddAssign, Neg, Sub, SubAssign};

use serde::{Deserialize, Serialize};

/// Raw units in one whole: eight decimals.
pub const SCALE: i64 = 100_000_000;
/// Decimals that [`SCALE`] stands for.
pub const DECIMALS: usize = 8;
/// Bytes that the longest decimal text needs: sign, 11 digits, point, 8 digits.
pub const DECIMAL_TEXT_MAX: usize = 21;

/// Why a text is not a decimal of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalFault {
    /// No bytes at all.
    Empty,
    /// Something other than `-`, digits and one point between digits.
    Malformed,
    /// A non-zero digit after the eighth decimal: rounding it would change the value.
    TooPrecise,
    /// Beyond ±92,233,720,368.54775807.
    TooLarge,
}

impl DecimalFault {
    /// What was expected, for a person.
    #[must_use]
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Empty => "a decimal number, got nothing",
            Self::Malformed => "a plain decimal like -12.5 (no exponent, no NaN or inf, no spaces)",
            Self::TooPrecise => "at most 8 decimals",
            Self::TooLarge => "a magnitude below 92,233,720,368",
        }
    }
}

impl fmt::Display for DecimalFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected())
    }
}

/// Parses `-?digits(.digits)?` into raw units.
///
/// # Errors
/// [`DecimalFault`]; nothing is rounded: zeros past the eighth decimal are dropped, any other digit
/// there is [`DecimalFault::TooPrecise`].
pub fn parse_raw(text: &[u8]) -> Result<i64, DecimalFault> {
    let (negative, digits) = match text {
        [] => return Err(DecimalFault::Empty),
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut value: u64 = 0;
    let mut whole_digits = 0usize;
    let mut index = 0usize;
    while let Some(digit) = digit_at(digits, index) {
        // 19 digits cannot overflow u64 arithmetic; anything longer is refused by the check below.
        value = value
            .checked_mul(10)
            .and_then(|v| v.checked_add(digit))
            .ok_or(DecimalFault::TooLarge)?;
        whole_digits += 1;
        index += 1;
    }
    if whole_digits == 0 {
        return Err(DecimalFault::Malformed);
    }
    let mut decimals = 0usize;
    let mut too_precise = false;
    if index < digits.len() {
        if digits[index] != b'.' || index + 1 == digits.len() {
            return Err(DecimalFault::Malformed);
        }
        index += 1;
        while let Some(digit) = digit_at(digits, index) {
            if decimals < DECIMALS {
                value = value
                    .checked_mul(10)
                    .and_then(|v| v.checked_add(digit))
                    .ok_or(DecimalFault::TooLarge)?;
                decimals += 1;
            } else if digit != 0 {
                too_precise = true;
            }
            index += 1;
        }
        if index < digits.len() {
            return Err(DecimalFault::Malformed);
        }
    }
    if too_precise {
        return Err(DecimalFault::TooPrecise);
    }
    let scaled =
        value.checked_mul(POWERS_OF_TEN[DECIMALS - decimals]).ok_or(DecimalFault::TooLarge)?;
    let raw = i64::try_from(scaled).map_err(|_| DecimalFault::TooLarge)?;
    Ok(if negative { -raw } else { raw })
}

fn digit_at(text: &[u8], index: usize) -> Option<u64> {
    let digit = text.get(index)?.wrapping_sub(b'0');
    (digit <= 9).then_some(u64::from(digit))
}

const POWERS_OF_TEN: [u64; DECIMALS + 1] =
    [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// Prints raw units as the shortest exact decimal (`-0.5`, `12`, `0`) and returns the used part.
pub fn print_raw(raw: i64, buffer: &mut [u8; DECIMAL_TEXT_MAX]) -> &str {
    let magnitude = raw.unsigned_abs();
    let mut whole = magnitude / SCALE.unsigned_abs();
    let mut fraction = magnitude % SCALE.unsigned_abs();
    let mut at = buffer.len();
    if fraction != 0 {
        let mut printed = DECIMALS;
        while fraction.is_multiple_of(10) {
            fraction /= 10;
            printed -= 1;
        }
        for _ in 0..printed {
            at -= 1;
            buffer[at] = ascii_digit(fraction % 10);
            fraction /= 10;
        }
        at -= 1;
        buffer[at] = b'.';
    }
    loop {
        at -= 1;
        buffer[at] = ascii_digit(whole % 10);
        whole /= 10;
        if whole == 0 {
            break;
        }
    }
    if raw < 0 {
        at -= 1;
        buffer[at] = b'-';
    }
    core::str::from_utf8(&buffer[at..]).unwrap_or("")
}

#[expect(clippy::cast_possible_truncation, reason = "the argument is below 10")]
const fn ascii_digit(digit: u64) -> u8 {
    b'0' + digit as u8
}

/// `a * b / SCALE`, rounded half to even; `None` when the result leaves `i64`. Cost: about 3 ns.
#[must_use]
pub fn mul_half_even(a: i64, b: i64) -> Option<i64> {
    const DIVISOR: u64 = SCALE.unsigned_abs();
    let product = i128::from(a) * i128::from(b);
    let magnitude = product.unsigned_abs();
    // By hand in two steps of 64 bits, for a division of 128 bits takes ten times as long. A product of 96
    // bits or more has no quotient that fits.
    let high = u64::try_from(magnitude >> 32).ok()?;
    let low = (high % DIVISOR) << 32 | u64::from(lowest(magnitude));
    let (upper, quotient, remainder) = (high / DIVISOR, low / DIVISOR, low % DIVISOR);
    if upper >> 32 != 0 {
        return None;
    }
    let quotient = upper << 32 | quotient;
    let away = remainder > DIVISOR / 2 || (remainder == DIVISOR / 2 && quotient % 2 == 1);
    let rounded = quotient.checked_add(u64::from(away))?;
    if product < 0 { 0i64.checked_sub_unsigned(rounded) } else { i64::try_from(rounded).ok() }
}

/// The 32 lowest bits.
#[expect(clippy::cast_possible_truncation, reason = "the rest is looked at beside it")]
const fn lowest(value: u128) -> u32 {
    value as u32
}

/// `a * b / c`, rounded half to even; `None` when `c` is zero or the result leaves `i64`.
#[must_use]
pub fn mul_div_half_even(a: i64, b: i64, c: i64) -> Option<i64> {
    div_half_even(i128::from(a) * i128::from(b), i128::from(c))
}

/// `numerator / denominator`, rounded half to even; `None` for a zero denominator or overflow.
#[must_use]
pub fn div_half_even(numerator: i128, denominator: i128) -> Option<i64> {
    if let (Ok(small), Ok(divisor)) = (i64::try_from(numerator), i64::try_from(denominator)) {
        // Most are, and the processor divides these itself.
        return div_small(small, divisor);
    }
    let quotient = numerator.checked_div(denominator)?;
    let remainder = (numerator - quotient * denominator).unsigned_abs();
    let half_cmp = remainder.cmp(&(denominator.unsigned_abs() - remainder));
    let away = match half_cmp {
        core::cmp::Ordering::Less => false,
        core::cmp::Ordering::Greater => true,
        core::cmp::Ordering::Equal => quotient % 2 != 0,
    };
    let step = if (numerator < 0) == (denominator < 0) { 1 } else { -1 };
    i64::try_from(if away { quotient + step } else { quotient }).ok()
}

/// [`div_half_even`] of what fits 64 bits.
fn div_small(numerator: i64, denominator: i64) -> Option<i64> {
    let quotient = numerator.checked_div(denominator)?;
    let remainder = (numerator - quotient * denominator).unsigned_abs();
    let rest = denominator.unsigned_abs() - remainder;
    let away = remainder > rest || (remainder == rest && quotient % 2 != 0);
    let step = if (numerator < 0) == (denominator < 0) { 1 } else { -1 };
    if away { quotient.checked_add(step) } else { Some(quotient) }
}

macro_rules! fixed_point {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[repr(transparent)]
        pub struct $name(i64);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);
            /// One whole.
            pub const ONE: Self = Self(SCALE);
            /// The largest value.
            pub const MAX: Self = Self(i64::MAX);

            /// From raw units (1e-8).
            #[must_use]
            pub const fn from_raw(raw: i64) -> Self {
                Self(raw)
            }

            /// From a whole number.
            ///
            /// # Panics
            /// Beyond ±92,233,720,368; meant for constants.
            #[must_use]
            pub const fn from_whole(whole: i64) -> Self {
                Self(whole * SCALE)
            }

            /// Raw units (1e-8).
            #[must_use]
            pub const fn raw(self) -> i64 {
                self.0
            }

            /// Parses a plain decimal.
            ///
            /// # Errors
            /// [`DecimalFault`].
            pub fn parse(text: &[u8]) -> Result<Self, DecimalFault> {
                parse_raw(text).map(Self)
            }

            /// Sum; `None` on overflow, where `+` would panic.
            #[must_use]
            pub fn checked_add(self, other: Self) -> Option<Self> {
                self.0.checked_add(other.0).map(Self)
            }

            /// Difference; `None` on overflow, where `-` would panic.
            #[must_use]
            pub fn checked_sub(self, other: Self) -> Option<Self> {
                self.0.checked_sub(other.0).map(Self)
            }

            /// Magnitude.
            #[must_use]
            pub const fn abs(self) -> Self {
                Self(self.0.abs())
            }

            /// True for zero.
            #[must_use]
            pub const fn is_zero(self) -> bool {
                self.0 == 0
            }

            /// True above zero.
            #[must_use]
            pub const fn is_positive(self) -> bool {
                self.0 > 0
            }

            /// The border to floats: for signals, sizing and reports, never for money.
            #[must_use]
            #[expect(clippy::cast_precision_loss, reason = "the one border to floats")]
            pub fn to_f64(self) -> f64 {
                self.0 as f64 / SCALE as f64
            }

            /// The border from floats, rounded half away from zero to eight decimals; `None` for
            /// NaN, infinities and magnitudes that do not fit.
            #[must_use]
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "bounds are checked first")]
            pub fn from_f64(value: f64) -> Option<Self> {
                let scaled = libm::round(value * SCALE as f64);
                (scaled.abs() < 9.2e18).then_some(Self(scaled as i64))
            }

            /// Largest multiple of `step` that is not above `self`; `self` for a zero step.
            #[must_use]
            pub const fn floor_to(self, step: Self) -> Self {
                if step.0 == 0 { self } else { Self(self.0 - self.0.rem_euclid(step.0)) }
            }

            /// Smallest multiple of `step` that is not below `self`; `self` for a zero step.
            #[must_use]
            pub const fn ceil_to(self, step: Self) -> Self {
                if step.0 == 0 { self } else { Self(self.0 + (-self.0).rem_euclid(step.0)) }
            }

            /// True when `self` is a multiple of `step` (any value for a zero step).
            #[must_use]
            pub const fn is_multiple_of(self, step: Self) -> bool {
                step.0 == 0 || self.0 % step.0 == 0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(print_raw(self.0, &mut [0; DECIMAL_TEXT_MAX]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(print_raw(self.0, &mut [0; DECIMAL_TEXT_MAX]))
            }
        }

        impl core::str::FromStr for $name {
            type Err = DecimalFault;
            fn from_str(text: &str) -> Result<Self, DecimalFault> {
                Self::parse(text.as_bytes())
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }
        }
        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0 - other.0)
            }
        }
        impl Neg for $name {
            type Output = Self;
            fn neg(self) -> Self {
                Self(-self.0)
            }
        }
        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                self.0 += other.0;
            }
        }
        impl SubAssign for $name {
            fn sub_assign(&mut self, other: Self) {
                self.0 -= other.0;
            }
        }
        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
                iter.fold(Self::ZERO, Add::add)
            }
        }
    };
}

fixed_point! {
    /// A price in quote currency per base unit.
    Price
}
fixed_point! {
    /// A quantity in base units (contracts where the venue counts contracts).
    Qty
}
fixed_point! {
    /// An amount of quote currency.
    Money
}
fixed_point! {
    /// A dimensionless fraction: fee rate, funding rate, share. `0.0005` is 5 basis points.
    Rate
}

impl Price {
    /// Price × quantity, rounded half to even; `None` on overflow.
    #[must_use]
    pub fn notional(self, qty: Qty) -> Option<Money> {
        mul_half_even(self.0, qty.0).map(Money)
    }

    /// Distance from `self` to `other` in basis points of `self`, rounded half to even; `None` when
    /// `self` is not positive.
    #[must_use]
    pub fn bps_to(self, other: Self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a ratio for signals, not money")]
        (self.0 > 0).then(|| (other.0 - self.0) as f64 / self.0 as f64 * 10_000.0)
    }
}

impl Money {
    /// Amount × rate, rounded half to even; `None` on overflow.
    #[must_use]
    pub fn times(self, rate: Rate) -> Option<Self> {
        mul_half_even(self.0, rate.0).map(Self)
    }

    /// Amount ÷ quantity as a price, rounded half to even; `None` for a zero quantity.
    #[must_use]
    pub fn per(self, qty: Qty) -> Option<Price> {
        mul_div_half_even(self.0, SCALE, qty.0).map(Price)
    }

    /// The share `part / whole` of this amount, rounded half to even; `None` for a zero whole.
    #[must_use]
    pub fn share(self, part: Qty, whole: Qty) -> Option<Self> {
        mul_div_half_even(self.0, part.0, whole.0).map(Self)
    }
}

/// A moment in nanoseconds since the epoch (UTC), or of stream time in a replay.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[repr(transparent)]
pub struct Nanos(i64);

impl Nanos {
    /// The epoch.
    pub const ZERO: Self = Self(0);
    /// Later than any deadline.
    pub const MAX: Self = Self(i64::MAX);
    /// Nanoseconds in a second.
    pub const SECOND: i64 = 1_000_000_000;

    /// From nanoseconds since the epoch.
    #[must_use]
    pub const fn new(ns: i64) -> Self {
        Self(ns)
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Nanoseconds from `earlier` to `self`; negative when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// `self` moved by `ns` nanoseconds.
    #[must_use]
    pub const fn plus(self, ns: i64) -> Self {
        Self(self.0.saturating_add(ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_decimals_parse_exactly() {
        for (text, raw) in [
            ("0", 0),
            ("-0.5", -50_000_000),
            ("61659.70", 6_165_970_000_000),
            ("0.00000001", 1),
            ("58940.14924532", 5_894_014_924_532),
            ("1.2300000000000", 123_000_000),
            ("92233720368.54775807", i64::MAX),
        ] {
            assert_eq!(parse_raw(text.as_bytes()), Ok(raw), "{text}");
        }
    }

    #[test]
    fn what_is_no_plain_decimal_is_refused() {
        use DecimalFault::{Empty, Malformed, TooLarge, TooPrecise};
        for (text, fault) in [
            ("", Empty),
            ("-", Malformed),
            ("+1", Malformed),
            (".5", Malformed),
            ("5.", Malformed),
            ("1e5", Malformed),
            ("NaN", Malformed),
            ("inf", Malformed),
            ("1e400", Malformed),
            (" 1", Malformed),
            ("1 ", Malformed),
            ("1.2.3", Malformed),
            ("0.000000001", TooPrecise),
            ("92233720368.54775808", TooLarge),
            ("99999999999999999999999", TooLarge),
        ] {
            assert_eq!(parse_raw(text.as_bytes()), Err(fault), "{text:?}");
        }
    }

    #[test]
    fn printing_is_the_shortest_exact_text() {
        for (raw, text) in [
            (0, "0"),
            (-1, "-0.00000001"),
            (150_000_000, "1.5"),
            (i64::MAX, "92233720368.54775807"),
            (i64::MIN, "-92233720368.54775808"),
        ] {
            assert_eq!(print_raw(raw, &mut [0; DECIMAL_TEXT_MAX]), text);
        }
    }

    #[test]
    fn halves_round_to_even() {
        assert_eq!(div_half_even(5, 2), Some(2));
        assert_eq!(div_half_even(7, 2), Some(4));
        assert_eq!(div_half_even(-5, 2), Some(-2));
        assert_eq!(div_half_even(-7, 2), Some(-4));
        assert_eq!(div_half_even(7, -2), Some(-4));
        assert_eq!(div_half_even(1, 0), None);
        assert_eq!(div_half_even(i128::MIN, -1), None);
        assert_eq!(div_half_even(i128::MAX, 1), None);
    }

    proptest::proptest! {
        /// The short ways divide like the long one.
        #[test]
        fn products_are_divided_as_in_wide_arithmetic(
            (a_shift, b_shift, c_shift) in (0u32..63, 0u32..63, 0u32..63), a: i64, b: i64, c: i64,
        ) {
            let (a, b, c) = (a >> a_shift, b >> b_shift, c >> c_shift);
            let wide = |c: i64| -> Option<i64> {
                let (n, d) = (i128::from(a) * i128::from(b), i128::from(c));
                let floor = n.checked_div_euclid(d)?;
                let twice = 2 * n.rem_euclid(d);
                let up = match twice.cmp(&d.abs()) {
                    core::cmp::Ordering::Less => 0,
                    core::cmp::Ordering::Equal => floor.rem_euclid(2),
                    core::cmp::Ordering::Greater => 1,
                };
                i64::try_from(floor + if d > 0 { up } else { -up }).ok()
            };
            proptest::prop_assert_eq!(mul_half_even(a, b), wide(SCALE));
            proptest::prop_assert_eq!(mul_div_half_even(a, b, c), wide(c));
        }
    }

    #[test]
    fn products_at_the_edge_of_the_range_fit_or_do_not() {
        assert_eq!(mul_half_even(i64::MAX, SCALE), Some(i64::MAX));
        assert_eq!(mul_half_even(i64::MIN, SCALE), Some(i64::MIN));
        assert_eq!(mul_half_even(i64::MIN, -SCALE), None);
        assert_eq!(mul_half_even(i64::MAX, SCALE + 1), None);
        assert_eq!(mul_half_even(i64::MIN, i64::MIN), None);
        assert_eq!(mul_half_even(SCALE / 2, 1), Some(0));
        assert_eq!(mul_half_even(SCALE / 2, 3), Some(2));
        assert_eq!(mul_half_even(SCALE / 2, -3), Some(-2));
        assert_eq!(mul_half_even(SCALE / 2 + 1, -1), Some(-1));
    }

    #[test]
    fn steps_floor_and_ceil_toward_their_names() {
        let tick = Price::from_raw(10);
        assert_eq!(Price::from_raw(19).floor_to(tick).raw(), 10);
        assert_eq!(Price::from_raw(11).ceil_to(tick).raw(), 20);
        assert_eq!(Price::from_raw(-11).floor_to(tick).raw(), -20);
        assert_eq!(Price::from_raw(20).ceil_to(tick).raw(), 20);
    }

    #[test]
    fn floats_enter_only_where_they_fit() {
        assert_eq!(Price::from_f64(0.187_8).map(Price::raw), Some(18_780_000));
        // 1/512 is half a raw unit off: away from zero.
        assert_eq!(Price::from_f64(1.0 / 512.0).map(Price::raw), Some(195_313));
        assert_eq!(Price::from_f64(-1.0 / 512.0).map(Price::raw), Some(-195_313));
        for unfit in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 9.3e10, -9.3e10] {
            assert_eq!(Price::from_f64(unfit), None, "{unfit}");
        }
    }

    #[test]
    fn a_zero_step_or_whole_changes_nothing_or_is_refused() {
        let price = Price::from_raw(7);
        assert_eq!(price.floor_to(Price::ZERO), price);
        assert_eq!(price.ceil_to(Price::ZERO), price);
        assert!(price.is_multiple_of(Price::ZERO));
        assert_eq!(Money::ONE.per(Qty::ZERO), None);
        assert_eq!(Money::ONE.share(Qty::ONE, Qty::ZERO), None);
    }
}
