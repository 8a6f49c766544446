//! Powers of ten that a stream's numbers share: a tick of 0.1 is 10,000,000 raw units, but one step.
//!
//! Encoder and decoder learn the exponent from the stream itself: it starts at its largest and falls
//! when a number is not a multiple. The test and the division are one multiplication each: 10^k is
//! 2^k · 5^k, and 5^k has an inverse modulo 2^64.

/// Largest exponent: whole seconds in nanoseconds.
pub(super) const EXPONENT_MAX: u8 = 9;

const COUNT: usize = EXPONENT_MAX as usize + 1;

const POWER_OF_FIVE: [i64; COUNT] = powers(5);
const POWER_OF_TEN: [i64; COUNT] = powers(10);
const INVERSE_OF_FIVE: [i64; COUNT] = inverses();
const QUOTIENT_MAX: [i64; COUNT] = quotients();

const fn powers(base: i64) -> [i64; COUNT] {
    let mut table = [1; COUNT];
    let mut k = 1;
    while k < COUNT {
        table[k] = table[k - 1] * base;
        k += 1;
    }
    table
}

const fn inverses() -> [i64; COUNT] {
    let mut table = [1; COUNT];
    let mut k = 0;
    while k < COUNT {
        // Newton's iteration doubles the correct low bits each round: 3, 6, 12, 24, 48, 96.
        let odd = POWER_OF_FIVE[k];
        let mut inverse = odd;
        let mut round = 0;
        while round < 6 {
            inverse = inverse.wrapping_mul(2i64.wrapping_sub(odd.wrapping_mul(inverse)));
            round += 1;
        }
        table[k] = inverse;
        k += 1;
    }
    table
}

const fn quotients() -> [i64; COUNT] {
    let mut table = [i64::MAX; COUNT];
    let mut k = 0;
    while k < COUNT {
        table[k] = i64::MAX / POWER_OF_FIVE[k];
        k += 1;
    }
    table
}

/// True when `value` is a multiple of 10^`exponent`.
pub(super) fn is_multiple(value: i64, exponent: u8) -> bool {
    let k = usize::from(exponent);
    let low = (1i64 << exponent) - 1;
    // The product is the quotient exactly when it lies where quotients can lie (odd factors permute
    // the residues); `i64::MIN` over 10^0 is the one quotient outside, and its own case.
    let quotient = (value >> exponent).wrapping_mul(INVERSE_OF_FIVE[k]);
    value & low == 0 && (exponent == 0 || quotient.unsigned_abs() <= QUOTIENT_MAX[k].unsigned_abs())
}

/// `value` / 10^`exponent`, where [`is_multiple`] holds.
pub(super) fn divide(value: i64, exponent: u8) -> i64 {
    (value >> exponent).wrapping_mul(INVERSE_OF_FIVE[usize::from(exponent)])
}

/// Undoes [`divide`]; wraps on corrupt input.
pub(super) fn multiply(quotient: i64, exponent: u8) -> i64 {
    quotient.wrapping_mul(POWER_OF_TEN[usize::from(exponent)])
}

/// The largest exponent, at most `exponent`, that divides `value`.
pub(super) fn lower(mut exponent: u8, value: i64) -> u8 {
    while !is_multiple(value, exponent) {
        exponent -= 1;
    }
    exponent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiples_are_recognised_and_divided_exactly() {
        let values = [0, 1, -1, 10, -10, 99, 100, 12_300, i64::MAX, i64::MIN, i64::MIN + 1];
        for value in values.into_iter().chain((-3000..3000).map(|step| step * 12_500)) {
            for exponent in 0..=EXPONENT_MAX {
                let power = 10i64.pow(u32::from(exponent));
                assert_eq!(
                    is_multiple(value, exponent),
                    value % power == 0,
                    "{value} 1e{exponent}"
                );
                if value % power == 0 {
                    assert_eq!(divide(value, exponent), value / power);
                    assert_eq!(multiply(divide(value, exponent), exponent), value);
                }
            }
        }
    }

    #[test]
    fn the_exponent_falls_only_as_far_as_needed() {
        assert_eq!(lower(9, 0), 9);
        assert_eq!(lower(9, 1_500_000), 5);
        assert_eq!(lower(3, 1_500_000), 3);
        assert_eq!(lower(9, 7), 0);
    }
}
