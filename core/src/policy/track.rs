//! The track record: what closed trades say about the next size.
//!
//! Ten equal bins of signal strength, each with count, wins and net PnL; and the running streak of
//! losses. PnL comes from the slot's own closed trades, never from differences of capital.

use crate::settings::Settings;
use crate::units::Money;
use serde::{Deserialize, Serialize};

/// Bins of signal strength.
pub const BUCKETS: usize = 10;

/// Closed trades of one strength bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Closed trades.
    pub trades: u32,
    /// Of them with a positive net PnL.
    pub wins: u32,
    /// Sum of net PnL.
    pub net: Money,
}

/// Closed trades by strength, and the losing streak. Owner: the policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackRecord {
    buckets: [Bucket; BUCKETS],
    losses_in_a_row: u32,
}

/// The bin of a strength in `[0, 1]`.
#[must_use]
pub fn bucket_of(strength: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "clamped to 0..BUCKETS"
    )]
    let index = (strength.clamp(0.0, 1.0) * BUCKETS as f64) as usize;
    index.min(BUCKETS - 1)
}

impl TrackRecord {
    /// Books a closed trade.
    pub fn closed(&mut self, bucket: usize, net: Money) {
        let row = &mut self.buckets[bucket];
        row.trades += 1;
        row.net += net;
        if net.is_positive() {
            row.wins += 1;
            self.losses_in_a_row = 0;
        } else if net < Money::ZERO {
            self.losses_in_a_row += 1;
        }
    }

    /// Size factor of a bin: reduced once it has enough trades and a negative mean.
    #[must_use]
    pub fn bucket_factor(&self, bucket: usize, settings: &Settings) -> f64 {
        let row = &self.buckets[bucket];
        let counts = i64::from(row.trades) >= settings.policy_bucket_trades_min;
        if counts && row.net < Money::ZERO { settings.policy_bucket_multiplier } else { 1.0 }
    }

    /// Size factor of the streak: reduced from the configured number of losses until a win.
    #[must_use]
    pub fn streak_factor(&self, settings: &Settings) -> f64 {
        if i64::from(self.losses_in_a_row) >= settings.policy_streak_losses {
            settings.policy_streak_multiplier
        } else {
            1.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::float_cmp, reason = "factors are configured values, copied")]
    fn is(factor: f64, expected: f64) -> bool {
        factor == expected
    }

    #[test]
    fn strengths_fall_into_ten_equal_bins() {
        for (strength, bucket) in [(0.0, 0), (0.0999, 0), (0.1, 1), (0.95, 9), (1.0, 9), (7.0, 9)] {
            assert_eq!(bucket_of(strength), bucket, "{strength}");
        }
    }

    #[test]
    fn a_losing_bin_halves_the_size_only_after_enough_trades() {
        let settings = Settings::default();
        let mut track = TrackRecord::default();
        for _ in 0..19 {
            track.closed(3, Money::from_whole(-1));
        }
        assert!(is(track.bucket_factor(3, &settings), 1.0));
        track.closed(3, Money::from_whole(-1));
        assert!(is(track.bucket_factor(3, &settings), 0.5));
        assert!(is(track.bucket_factor(4, &settings), 1.0));
        track.closed(3, Money::from_whole(100));
        assert!(is(track.bucket_factor(3, &settings), 1.0));
    }

    #[test]
    fn a_streak_lasts_until_a_win_and_ignores_zero() {
        let settings = Settings::default();
        let mut track = TrackRecord::default();
        for _ in 0..3 {
            track.closed(0, Money::from_whole(-1));
        }
        assert!(is(track.streak_factor(&settings), 0.5));
        track.closed(0, Money::ZERO);
        assert!(is(track.streak_factor(&settings), 0.5));
        track.closed(0, Money::ONE);
        assert!(is(track.streak_factor(&settings), 1.0));
    }
}
