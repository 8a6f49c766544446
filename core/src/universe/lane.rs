//! Lanes: by which kind of opportunity a candidate came. Caps and memory of the funnel count per lane.

use crate::msg::{PositionSide, Rank};
use crate::settings::Settings;
use crate::units::Rate;
use crate::universe::Listing;

crate::text_enum! {
    /// The kind of opportunity.
    pub enum Lane {
        /// The asset moves with the signal: what remains when no other rule holds.
        Momentum => "momentum",
        /// The asset has moved against the entry so far.
        MeanRevert => "mean_revert",
        /// The funding pays the entry.
        Carry => "carry",
        /// A burst of trading far above the day's.
        Liquidation => "liquidation",
        /// The operator named the asset.
        Watchlist => "watchlist",
    }
}

/// Five minutes in a day.
const SLICES: f64 = 288.0;

/// The first rule that holds; with the default settings that is always momentum.
///
/// 1. watchlist: the asset is on `universe.watchlist`;
/// 2. liquidation: five minutes traded `universe.liquidation_burst` times their share of the day;
/// 3. carry: the funding rate pays the entry at least `universe.carry_rate_min`;
/// 4. mean revert: the alignment is below `universe.revert_alignment_max`;
/// 5. momentum.
///
/// A rule whose figure is missing does not hold.
#[must_use]
pub fn lane(rank: &Rank, listing: &Listing, is_watched: bool, settings: &Settings) -> Lane {
    if is_watched {
        return Lane::Watchlist;
    }
    let burst = settings.universe_liquidation_burst;
    if burst > 0.0
        && let (Some(recent), Some(adv)) = (listing.notional_5m, listing.adv)
        && adv.is_positive()
        && recent.to_f64() >= burst * adv.to_f64() / SLICES
    {
        return Lane::Liquidation;
    }
    let least = settings.universe_carry_rate_min;
    if least > 0.0
        && let Some(rate) = listing.funding_rate
        && received(rate, rank.direction) >= least
    {
        return Lane::Carry;
    }
    if rank.alignment < settings.universe_revert_alignment_max {
        return Lane::MeanRevert;
    }
    Lane::Momentum
}

/// The part of its notional that a position receives per funding interval; negative when it pays.
#[must_use]
pub fn received(rate: Rate, side: PositionSide) -> f64 {
    match side {
        PositionSide::Short => rate.to_f64(),
        PositionSide::Long => -rate.to_f64(),
    }
}
