//! Decimals of the wire, digit by digit: plain or with an exponent, as text or as a JSON number.
//!
//! The venue's servers write small JSON numbers with an exponent (`1e-7`), which the core's strict reader
//! refuses; here the point is moved instead.

use pinion_core::units::{DECIMALS, DecimalFault, parse_raw};

/// Digits that are looked at: more cannot fit.
const DIGITS_MAX: usize = 40;

/// What happens to digits after the eighth decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    /// They are refused: the value is a quantity or a price that must come back to the venue as it came.
    Refuse,
    /// They are rounded half to even: the value is a quotient or a sum the venue computed.
    Round,
}

/// Reads a decimal into raw units (1e-8).
///
/// # Errors
/// [`DecimalFault`].
pub(super) fn decimal(text: &str, excess: Excess) -> Result<i64, DecimalFault> {
    match parse_raw(text.as_bytes()) {
        Ok(raw) => Ok(raw),
        Err(DecimalFault::TooPrecise) if excess == Excess::Round => moved(text, 0, excess),
        Err(DecimalFault::Malformed) => match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => {
                let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
                let exponent = exponent.parse::<i8>().map_err(|_| DecimalFault::Malformed)?;
                moved(mantissa, i32::from(exponent), excess)
            }
            None => Err(DecimalFault::Malformed),
        },
        Err(fault) => Err(fault),
    }
}

/// `mantissa` × 10^`exponent`.
fn moved(mantissa: &str, exponent: i32, excess: Excess) -> Result<i64, DecimalFault> {
    let (negative, digits) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = || whole.bytes().chain(fraction.bytes());
    let count = whole.len() + fraction.len();
    let plain = !whole.is_empty() && all().all(|byte| byte.is_ascii_digit());
    let pointed = !digits.contains('.') || !fraction.is_empty();
    if !plain || !pointed || count > DIGITS_MAX {
        return Err(DecimalFault::Malformed);
    }
    // Digits that stand before the eighth decimal, the others are excess.
    let decimals = i32::try_from(DECIMALS).unwrap_or(8);
    let kept = i32::try_from(whole.len()).unwrap_or(i32::MAX).saturating_add(exponent) + decimals;
    let mut raw: i64 = 0;
    let mut rest: u8 = 0;
    let mut beyond = false;
    for at in 0..kept.max(i32::try_from(count).unwrap_or(0)) {
        let digit = usize::try_from(at).ok().and_then(|at| all().nth(at)).unwrap_or(b'0') - b'0';
        if at < kept {
            raw = raw
                .checked_mul(10)
                .and_then(|raw| raw.checked_add(i64::from(digit)))
                .ok_or(DecimalFault::TooLarge)?;
        } else if at == kept {
            rest = digit;
        } else {
            beyond |= digit != 0;
        }
    }
    if excess == Excess::Refuse && (rest != 0 || beyond) {
        return Err(DecimalFault::TooPrecise);
    }
    let up = rest > 5 || (rest == 5 && (beyond || raw % 2 != 0));
    let raw = raw.checked_add(i64::from(up)).ok_or(DecimalFault::TooLarge)?;
    Ok(if negative { -raw } else { raw })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn exponents_move_the_point_and_excess_is_refused_or_rounded() {
        for (text, raw) in [
            ("1e-7", Ok(10)),
            ("9e-05", Ok(9_000)),
            ("1.5E+2", Ok(15_000_000_000)),
            ("-2.5e-3", Ok(-250_000)),
            ("0e10", Ok(0)),
            ("1e-9", Err(DecimalFault::TooPrecise)),
            ("1.000000001", Err(DecimalFault::TooPrecise)),
            ("1e20", Err(DecimalFault::TooLarge)),
            ("1e300", Err(DecimalFault::Malformed)),
            ("e5", Err(DecimalFault::Malformed)),
            ("1.e5", Err(DecimalFault::Malformed)),
            ("1e", Err(DecimalFault::Malformed)),
            ("NaN", Err(DecimalFault::Malformed)),
            ("1e5e5", Err(DecimalFault::Malformed)),
        ] {
            assert_eq!(decimal(text, Excess::Refuse), raw, "{text}");
        }
        for (text, raw) in [
            ("294.16914617776246", 29_416_914_618),
            ("0.000000005", 0),
            ("0.000000015", 2),
            ("-0.0000000251", -3),
            ("1e-9", 0),
        ] {
            assert_eq!(decimal(text, Excess::Round), Ok(raw), "{text}");
        }
        assert_eq!(decimal("1e-9", Excess::Round), Ok(0));
    }

    proptest! {
        #[test]
        fn an_exponent_changes_nothing_but_the_point(raw in -1_000_000_000i64..1_000_000_000) {
            let text = format!("{raw}e-8");
            prop_assert_eq!(decimal(&text, Excess::Refuse), Ok(raw));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-+0-9.eE]{0,45}") {
            let _judged = decimal(&text, Excess::Round);
            let _judged = decimal(&text, Excess::Refuse);
        }
    }
}
