//! Numbers in wire texts, eight digits at a time.
//!
//! The readers here know only the plain shape that venues send and say `None` to everything else, which
//! the careful readers then judge: a sign, an exponent, a ninth decimal, a ninth digit before the point.

/// Bytes that [`quoted_decimal`] looks at: eight digits, a point, eight decimals, a quotation mark.
const LOOKED_AT: usize = 18;

const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Up to eight digits at the start of eight bytes: their values, zero where there is no digit, and how many.
#[inline]
fn digits(text: &[u8; 8]) -> (u64, u32) {
    let values = u64::from_le_bytes(*text) ^ each(b'0');
    // The high bit of each byte above 9; exact up to the first such byte, which is all that is used.
    let others = (values.wrapping_add(each(0x76)) | values) & each(0x80);
    let count = others.trailing_zeros() / 8;
    let kept = if count == 0 { 0 } else { values & (u64::MAX >> (64 - 8 * count)) };
    (kept, count)
}

/// The number of eight digit values, the first the most significant.
const fn eight(values: u64) -> u64 {
    let pairs = (values.wrapping_mul(10) + (values >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100) + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    (fours.wrapping_mul(10_000) + (fours >> 32)) & 0xffff_ffff
}

/// Where the first quotation mark stands in bytes 1 to 16; 17 without one, where it may still be.
#[inline]
const fn quotation_mark(text: &[u8; LOOKED_AT]) -> usize {
    const MARKS: u128 = u128::from_le_bytes([b'"'; 16]);
    const ONES: u128 = u128::from_le_bytes([1; 16]);
    const HIGH: u128 = u128::from_le_bytes([0x80; 16]);
    let (_, later) = text.split_at(1);
    let Some(later) = later.first_chunk::<16>() else { return LOOKED_AT - 1 };
    let zeroed = u128::from_le_bytes(*later) ^ MARKS;
    let found = zeroed.wrapping_sub(ONES) & !zeroed & HIGH;
    1 + (found.trailing_zeros() / 8) as usize
}

/// Reads a decimal that ends at a quotation mark: the raw units and its length without the mark. `text`
/// begins at the first digit; [`LOOKED_AT`] bytes must be there.
///
/// The eight digits after the point are the raw units' own, so nothing is scaled. The end is found on its
/// own, so that what follows need not wait for the digits. Cost: about 5 ns.
#[inline]
pub(crate) fn quoted_decimal(text: &[u8]) -> Option<(i64, usize)> {
    let text = text.first_chunk::<LOOKED_AT>()?;
    let end = quotation_mark(text);
    let (whole, before) = digits(text.first_chunk()?);
    if before == 0 || text.get(end) != Some(&b'"') {
        return None;
    }
    let at = before as usize;
    let whole = eight(whole << (64 - 8 * before)) * 100_000_000;
    if at == end {
        return Some((whole.cast_signed(), end));
    }
    let (fraction, after) = digits(text.get(at + 1..)?.first_chunk()?);
    let plain = text.get(at) == Some(&b'.') && after > 0 && at + 1 + after as usize == end;
    plain.then(|| ((whole + eight(fraction)).cast_signed(), end))
}

/// Reads a whole number of at most 19 digits without a leading zero: the number and its length.
pub(crate) fn whole_number(text: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0u64;
    let mut length = 0;
    while let Some(digit) = text.get(length).map(|byte| byte.wrapping_sub(b'0')).filter(|d| *d < 10)
    {
        // 19 digits stay below 10^19, which fits.
        if length == 19 {
            return None;
        }
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
        length += 1;
    }
    let leading_zero = length > 1 && text[0] == b'0';
    (length > 0 && !leading_zero).then_some((number, length))
}

/// The number that a text of 1 to 19 digits and nothing else is, leading zeros allowed.
pub(crate) fn all_digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 19 {
        return None;
    }
    let (eights, rest) = text.as_chunks::<8>();
    let mut number = 0u64;
    // 19 digits stay below 10^19, which fits.
    for eight_digits in eights {
        let (values, 8) = digits(eight_digits) else { return None };
        number = number.wrapping_mul(100_000_000).wrapping_add(eight(values));
    }
    for byte in rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    Some(number)
}

/// Calls `found` with the place of every comma, in order.
#[inline]
pub(crate) fn commas(text: &[u8], mut found: impl FnMut(usize)) {
    const LOW: u64 = each(0x7f);
    let (words, rest) = text.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let others = u64::from_le_bytes(*word) ^ each(b',');
        // The high bit of each byte that is 0 now; exact, no carry leaves a byte.
        let mut marks = !(((others & LOW) + LOW) | others | LOW);
        while marks != 0 {
            found(8 * number + (marks.trailing_zeros() / 8) as usize);
            marks &= marks - 1;
        }
    }
    let start = text.len() - rest.len();
    rest.iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b',')
        .for_each(|(at, _)| found(start + at));
}

#[cfg(test)]
mod tests {
    use super::*;
    use pinion_core::units::parse_raw;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<(i64, usize)> {
        let padded = format!("{text}\",\"next\":\"0123456789");
        quoted_decimal(padded.as_bytes())
    }

    #[test]
    fn plain_decimals_are_read_and_everything_else_is_left() {
        for text in [
            "0",
            "0.00000000",
            "61659.70",
            "1.486",
            "12345678.1234",
            "0.00000001",
            "99999999.99999999",
        ] {
            let raw = parse_raw(text.as_bytes()).ok();
            assert_eq!(read(text), raw.map(|raw| (raw, text.len())), "{text}");
        }
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "1.2.3",
            "1e5",
            "NaN",
            " 1",
            "1 ",
            "0.000000001",
            "12345678.123456789",
            "123456789",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
        assert_eq!(quoted_decimal(b"1.5\""), None, "fewer bytes than are looked at");
    }

    #[test]
    fn whole_numbers_stop_at_the_first_other_byte() {
        assert_eq!(whole_number(b"1723161256299,"), Some((1_723_161_256_299, 13)));
        assert_eq!(whole_number(b"0}"), Some((0, 1)));
        assert_eq!(whole_number(b"9999999999999999999"), Some((9_999_999_999_999_999_999, 19)));
        for text in ["", "x", "-1", "01", "10000000000000000000"] {
            assert_eq!(whole_number(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn texts_of_digits_are_numbers(text in "[0-9]{0,21}|[0-9:/x,]{0,12}") {
            let plain = text.len() <= 19 && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = plain.then(|| text.parse().ok()).flatten();
            prop_assert_eq!(all_digits(text.as_bytes()), number);
        }

        #[test]
        fn every_comma_is_found(text in proptest::collection::vec(
            prop_oneof![Just(b','), Just(b'-'), Just(0xac), Just(0u8), any::<u8>()], 0..40)) {
            let mut found = Vec::new();
            commas(&text, |at| found.push(at));
            let places = (0..text.len()).filter(|at| text[*at] == b',').collect::<Vec<_>>();
            prop_assert_eq!(found, places);
        }

        #[test]
        fn what_is_read_is_what_the_careful_reader_reads(text in "[0-9.x-]{0,18}|[0-9]{7,9}[.][0-9]{7,10}") {
            if let Some((raw, length)) = read(&text) {
                prop_assert_eq!(length, text.len());
                prop_assert_eq!(Ok(raw), parse_raw(text.as_bytes()));
            }
        }

        #[test]
        fn ordinary_prices_never_need_the_careful_reader(whole in 0u64..1_000_000, fraction in 0u64..100_000_000) {
            let text = format!("{whole}.{fraction:08}");
            prop_assert_eq!(read(&text), Some(((whole * 100_000_000 + fraction) as i64, text.len())));
        }
    }
}
