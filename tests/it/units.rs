//! Decimals against slow references: every short text, the edges, and random long ones.

use pinion_core::units::{
    DECIMAL_TEXT_MAX, Money, Price, Qty, Rate, SCALE, mul_div_half_even, mul_half_even, parse_raw,
    print_raw,
};
use proptest::prelude::*;
use rust_decimal::{Decimal, RoundingStrategy};

const ALPHABET: [u8; 15] = *b"0123456789.-+e ";
const LONGEST: usize = 6;

/// What a text is worth in raw units, by the grammar `-?digits(.digits)?` and whole-number arithmetic.
fn reference(text: &str) -> Option<i64> {
    let (sign, unsigned) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = match unsigned.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (unsigned, "0"),
    };
    let digits = |part: &str| -> Option<i128> {
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten()
    };
    let (kept, lost) = fraction.split_at(fraction.len().min(8));
    let missing = u32::try_from(8 - kept.len()).expect("at most 8");
    if !lost.bytes().all(|byte| byte == b'0') {
        return None;
    }
    let raw = digits(whole)? * i128::from(SCALE) + digits(kept)? * 10_i128.pow(missing);
    // i64::MIN means "missing" elsewhere and is no decimal.
    i64::try_from(sign * raw).ok().filter(|raw| *raw != i64::MIN)
}

#[test]
fn every_short_text_is_read_as_the_reference_reads_it() {
    let mut texts = 0u64;
    let mut accepted = 0u64;
    let mut buffer = [ALPHABET[0]; LONGEST];
    for len in 0..=LONGEST {
        // An odometer over the alphabet, in place: 12 million texts without an allocation.
        let mut wheels = [0usize; LONGEST];
        buffer.fill(ALPHABET[0]);
        'texts: loop {
            let text = str::from_utf8(&buffer[..len]).expect("ASCII");
            let found = parse_raw(text.as_bytes()).ok();
            assert_eq!(found, reference(text), "{text:?}");
            texts += 1;
            accepted += u64::from(found.is_some());
            for at in 0..len {
                wheels[at] = (wheels[at] + 1) % ALPHABET.len();
                buffer[at] = ALPHABET[wheels[at]];
                if wheels[at] != 0 {
                    continue 'texts;
                }
            }
            break;
        }
    }
    assert_eq!(texts, (0..=6).map(|len| 15u64.pow(len)).sum::<u64>());
    // Unsigned texts of n characters: 10^n without a point, (n-2)·10^(n-1) with one inside.
    let unsigned = |n: u32| 10u64.pow(n) + u64::from(n.saturating_sub(2)) * 10u64.pow(n - 1);
    let expected: u64 = (1..=6).map(unsigned).sum::<u64>() + (1..=5).map(unsigned).sum::<u64>();
    assert_eq!(accepted, expected);
}

#[test]
fn the_edges_of_the_range_are_exact() {
    for magnitude in i128::from(i64::MAX) - 1_000..i128::from(i64::MAX) + 1_000 {
        for sign in ["", "-"] {
            let (whole, fraction) = (magnitude / i128::from(SCALE), magnitude % i128::from(SCALE));
            let text = format!("{sign}{whole}.{fraction:08}");
            assert_eq!(parse_raw(text.as_bytes()).ok(), reference(&text), "{text}");
            assert_eq!(reference(&text).is_some(), magnitude <= i128::from(i64::MAX), "{text}");
        }
    }
}

/// Whether `quotient` is `numerator / denominator` rounded half to even: nearer than half a unit, or
/// exactly half a unit away and even.
fn is_half_even(numerator: i128, denominator: i128, quotient: i128) -> bool {
    let twice_off = 2 * (numerator - quotient * denominator).unsigned_abs();
    match twice_off.cmp(&denominator.unsigned_abs()) {
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Equal => quotient % 2 == 0,
        std::cmp::Ordering::Greater => false,
    }
}

fn check_mul_div(a: i64, b: i64, c: i64) {
    let (numerator, denominator) = (i128::from(a) * i128::from(b), i128::from(c));
    match mul_div_half_even(a, b, c) {
        Some(result) => {
            assert!(
                is_half_even(numerator, denominator, result.into()),
                "{a} * {b} / {c}: {result}"
            );
        }
        None if c == 0 => {}
        None => {
            let floor = numerator.div_euclid(denominator);
            let rounded = [floor - 1, floor, floor + 1]
                .into_iter()
                .find(|quotient| is_half_even(numerator, denominator, *quotient));
            let rounded = rounded.expect("one of the neighbours is the rounded quotient");
            assert!(i64::try_from(rounded).is_err(), "{a} * {b} / {c} fits: {rounded}");
        }
    }
}

#[test]
fn small_quotients_and_edges_round_half_to_even() {
    let edges = [i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX, SCALE, -SCALE];
    let numbers: Vec<i64> = (-20..=20).chain(edges).collect();
    for &a in &numbers {
        for &b in &numbers {
            for &c in &numbers {
                check_mul_div(a, b, c);
            }
            assert_eq!(mul_half_even(a, b), mul_div_half_even(a, b, SCALE));
        }
    }
}

/// Raw units whose products a 96-bit decimal holds exactly.
fn exact() -> impl Strategy<Value = i64> {
    -(1_i64 << 46)..(1_i64 << 46)
}

fn decimal(raw: i64) -> Decimal {
    Decimal::from_i128_with_scale(raw.into(), 8)
}

fn rounded(exact: Decimal) -> i128 {
    let mut rounded = exact.round_dp_with_strategy(8, RoundingStrategy::MidpointNearestEven);
    rounded.rescale(8);
    rounded.mantissa()
}

proptest! {
    #[test]
    fn printing_and_parsing_are_inverse(raw in any::<i64>()) {
        let mut buffer = [0; DECIMAL_TEXT_MAX];
        let text = print_raw(raw, &mut buffer);
        // i64::MIN means "missing" elsewhere: it prints, and is no decimal.
        prop_assert_eq!(parse_raw(text.as_bytes()).ok(), Some(raw).filter(|raw| *raw != i64::MIN));
        prop_assert_eq!(text, decimal(raw).normalize().to_string());
    }

    #[test]
    fn printing_is_canonical(sign in "-?", zeros in "0{0,9}", whole in "[0-9]{1,10}",
                             fraction in "[0-9]{1,8}", tail in "0{0,9}") {
        let text = format!("{sign}{zeros}{whole}.{fraction}{tail}");
        let raw = parse_raw(text.as_bytes()).expect("a decimal in range");
        prop_assert_eq!(Some(raw), reference(&text));
        let mut buffer = [0; DECIMAL_TEXT_MAX];
        let printed = print_raw(raw, &mut buffer);
        let value: Decimal = format!("{sign}{whole}.{fraction}").parse().expect("a decimal");
        let value = if value.is_zero() { Decimal::ZERO } else { value.normalize() };
        prop_assert_eq!(printed, value.to_string());
    }

    #[test]
    fn long_texts_are_read_as_the_reference_reads_them(
        text in "[-+]?[0-9]{0,22}(\\.[0-9]{0,12}0{0,9})?[e ]?"
    ) {
        prop_assert_eq!(parse_raw(text.as_bytes()).ok(), reference(&text));
    }

    #[test]
    fn bytes_that_are_no_text_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
        let expected = str::from_utf8(&bytes).ok().and_then(reference);
        prop_assert_eq!(parse_raw(&bytes).ok(), expected);
    }

    #[test]
    fn quotients_round_half_to_even(a in any::<i64>(), b in any::<i64>(), c in any::<i64>(),
                                    small in -1_000_i64..1_000, tiny in -64_i64..64) {
        check_mul_div(a, b, c);
        check_mul_div(a, small, c);
        check_mul_div(a, small, tiny);
        check_mul_div(small, tiny, 2 * tiny);
    }

    #[test]
    fn products_agree_with_another_library(price in exact(), qty in exact(),
                                           rate in -SCALE..SCALE) {
        let notional = Price::from_raw(price).notional(Qty::from_raw(qty));
        let expected = i64::try_from(rounded(decimal(price) * decimal(qty))).ok();
        prop_assert_eq!(notional.map(Money::raw), expected);
        let fee = Money::from_raw(price).times(Rate::from_raw(rate)).map(Money::raw);
        prop_assert_eq!(fee, i64::try_from(rounded(decimal(price) * decimal(rate))).ok());
    }

    #[test]
    fn steps_bracket_the_value(raw in -(1_i64 << 62)..(1_i64 << 62), step in 1..SCALE) {
        let (price, step) = (Price::from_raw(raw), Price::from_raw(step));
        let (low, high) = (price.floor_to(step), price.ceil_to(step));
        prop_assert!(low <= price && price <= high);
        prop_assert!(low.is_multiple_of(step) && high.is_multiple_of(step));
        prop_assert!(high - low <= step);
        prop_assert_eq!(low == high, price.is_multiple_of(step));
    }

    // There and back are two roundings: 2^50 raw units (11 million whole) come back exactly.
    #[test]
    fn floats_give_back_what_their_mantissa_holds(raw in -(1_i64 << 50)..(1_i64 << 50)) {
        prop_assert_eq!(Qty::from_f64(Qty::from_raw(raw).to_f64()), Some(Qty::from_raw(raw)));
    }
}
