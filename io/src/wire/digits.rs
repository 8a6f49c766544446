//! Numbers in wire texts, read eight or sixteen digits at a time.
//!
//! The readers here know only the plain shape that venues send and say `None` to everything else, which
//! the careful readers then judge: a sign, an exponent, a ninth decimal, more than 16 digits.

use pinion_core::units::DECIMALS;

const POWERS_OF_TEN: [u64; DECIMALS + 1] =
    [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// A machine word of text bytes, first byte lowest.
macro_rules! decimal_in_word {
    ($name:ident, $word:ty, $bytes:literal, $digits:expr) => {
        /// Reads digits with at most one point up to a quotation mark within the word: the raw units and
        /// the text's length. No branch per digit.
        #[inline]
        fn $name(word: $word) -> Option<(i64, usize)> {
            const fn each(byte: u8) -> $word {
                <$word>::from_le_bytes([byte; $bytes])
            }
            // The high bit of each byte that equals `byte`; exact up to the first such byte, which is all
            // that is used.
            const fn matches(word: $word, byte: u8) -> $word {
                let zeroed = word ^ each(byte);
                zeroed.wrapping_sub(each(1)) & !zeroed & each(0x80)
            }
            const fn low(bytes: u32) -> $word {
                (1 << (8 * bytes)) - 1
            }
            let quote = matches(word, b'"');
            if quote == 0 {
                return None;
            }
            let end = quote.trailing_zeros() / 8;
            let point = matches(word & low(end), b'.');
            let (digits, count, decimals) = if point == 0 {
                (word, end, 0)
            } else {
                let at = point.trailing_zeros() / 8;
                let without = (word & low(at)) | ((word >> 8) & !low(at));
                (without, end - 1, end - 1 - at)
            };
            let bare_point = point != 0 && (decimals == 0 || decimals == count);
            if count == 0 || bare_point || decimals as usize > DECIMALS {
                return None;
            }
            let values = (digits ^ each(b'0')) & low(count);
            if (values.wrapping_add(each(0x76)) | values) & each(0x80) != 0 {
                return None;
            }
            // Right-aligned: what shifts in stands for leading zeros.
            let whole: u64 = $digits(values << (8 * ($bytes - count)));
            let raw = whole.checked_mul(POWERS_OF_TEN[DECIMALS - decimals as usize])?;
            Some((i64::try_from(raw).ok()?, end as usize))
        }
    };
}
decimal_in_word!(decimal_in_8, u64, 8, eight);
decimal_in_word!(decimal_in_16, u128, 16, sixteen);

/// The number of eight digit values, the first the most significant.
const fn eight(values: u64) -> u64 {
    let pairs = (values.wrapping_mul(10) + (values >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100) + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    (fours.wrapping_mul(10_000) + (fours >> 32)) & 0xffff_ffff
}

#[expect(clippy::cast_possible_truncation, reason = "the halves of the word")]
const fn sixteen(values: u128) -> u64 {
    eight(values as u64) * 100_000_000 + eight((values >> 64) as u64)
}

/// Reads a decimal that ends at a quotation mark: the raw units and the digits' length with the point.
/// `text` begins at the first digit; 16 bytes must be there.
///
/// Cost: 3 to 6 ns.
#[inline]
pub(crate) fn quoted_decimal(text: &[u8]) -> Option<(i64, usize)> {
    let chunk = text.first_chunk::<16>()?;
    let word = u128::from_le_bytes(*chunk);
    // Most quantities are short, and half a word is half the work.
    #[expect(clippy::cast_possible_truncation, reason = "the first eight bytes")]
    decimal_in_8(word as u64).or_else(|| decimal_in_16(word))
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
            "123456789.1234",
            "0.00000001",
            "9999999999999",
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
            "1234567890123456",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
        assert_eq!(quoted_decimal(b"1.5\""), None, "fewer than 16 bytes");
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
        fn what_is_read_is_what_the_careful_reader_reads(text in "[0-9.x-]{0,16}") {
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
