//! Draws without a die: a number that is a function of what it is drawn for.
//!
//! The same candidate in the same minute draws the same number in every run, so a replay decides alike and
//! a candidate that was drawn against stays refused until the minute is over.

use crate::msg::PositionSide;
use crate::units::Nanos;
use crate::universe::Lane;

const MINUTE_NS: i64 = 60 * Nanos::SECOND;

/// What a draw is for; the same symbol draws anew for each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// The record of the lane.
    Lane,
    /// The record of the asset.
    Symbol,
}

/// A number in `[0, 1)` for a candidate in the minute of `now`: hashed from purpose, symbol, lane, side and
/// minute.
#[must_use]
pub fn draw(purpose: Purpose, symbol: &str, lane: Lane, side: PositionSide, now: Nanos) -> f64 {
    let minute = now.get().div_euclid(MINUTE_NS).to_le_bytes();
    let head = [purpose as u8, lane.code(), side.code()];
    let bytes = symbol.bytes().chain(head).chain(minute);
    // FNV-1a, then the finaliser of SplitMix64: FNV alone leaves the high bits of short inputs alike.
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let hash = hash ^ (hash >> 31);
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a float whole")]
    let whole = (hash >> 11) as f64;
    whole / 9_007_199_254_740_992.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    fn at(minute: i64) -> Nanos {
        Nanos::new(minute * MINUTE_NS + 7)
    }

    #[test]
    fn a_draw_depends_on_everything_it_is_for_and_on_nothing_else() {
        let first = draw(Purpose::Lane, "FETUSDT", Lane::Carry, PositionSide::Short, at(5));
        let again = draw(Purpose::Lane, "FETUSDT", Lane::Carry, PositionSide::Short, at(5).plus(9));
        assert_eq!(first.to_bits(), again.to_bits());
        for other in [
            draw(Purpose::Symbol, "FETUSDT", Lane::Carry, PositionSide::Short, at(5)),
            draw(Purpose::Lane, "FETUSDC", Lane::Carry, PositionSide::Short, at(5)),
            draw(Purpose::Lane, "FETUSDT", Lane::Momentum, PositionSide::Short, at(5)),
            draw(Purpose::Lane, "FETUSDT", Lane::Carry, PositionSide::Long, at(5)),
            draw(Purpose::Lane, "FETUSDT", Lane::Carry, PositionSide::Short, at(6)),
        ] {
            assert_ne!(first.to_bits(), other.to_bits());
        }
    }

    #[test]
    fn draws_are_spread_evenly() {
        let mut tenths = [0; 10];
        for number in 0..10_000 {
            let symbol = format!("A{}USDT", number % 50);
            let side = PositionSide::Short;
            let drawn = draw(Purpose::Symbol, &symbol, Lane::Momentum, side, at(number / 50));
            assert!((0.0..1.0).contains(&drawn));
            tenths[(drawn * 10.0) as usize] += 1;
        }
        // 1,000 each with a standard deviation of 30.
        assert!(tenths.iter().all(|count| (850..1_150).contains(count)), "{tenths:?}");
    }
}
