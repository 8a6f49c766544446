//! The funnel's filters, one function each: what triggers it, and by which numbers.
//!
//! A figure that is missing (`None`) triggers nothing: what is not known is not held against a candidate.

use crate::msg::funnel::{FunnelRefusal, Tier};
use crate::policy::memory::{Hour, Standing};
use crate::settings::{MarketMode, Posture, Settings};
use crate::units::{Money, Nanos};
use crate::universe::{Lane, Listing, Status};

/// Entries of an hour before shares of them mean something.
const ENTRIES_MIN: u32 = 12;
/// How much more of an hour's entries an asset may have when the candidate is of tier A.
const TIER_A_SHARE: f64 = 1.15;

/// Passed, or why not.
pub(super) type Passed = Result<(), FunnelRefusal>;

const fn refuse(when: bool, refusal: FunnelRefusal) -> Passed {
    if when { Err(refusal) } else { Ok(()) }
}

const fn seconds(count: i64) -> i64 {
    count.saturating_mul(Nanos::SECOND)
}

/// True when a known figure is below a floor.
fn below(figure: Option<Money>, floor: f64) -> bool {
    figure.is_some_and(|figure| figure.to_f64() < floor)
}

// Source.

/// On the exclusion list, and that entry holds.
pub(super) fn exclusion(listing: &Listing) -> Passed {
    refuse(matches!(listing.status, Status::Excluded), FunnelRefusal::ExcludedSymbol)
}

/// A lane with a bad record is admitted with `memory.lane_bad_probability`, with a severe one with
/// `memory.lane_severe_probability`. Neutral: `funnel.source_router = false`.
pub(super) fn lane_route(standing: Standing, drawn: f64, settings: &Settings) -> Passed {
    let chance = match standing {
        Standing::Good => return Ok(()),
        Standing::Bad => settings.memory_lane_bad_probability,
        Standing::Severe => settings.memory_lane_severe_probability,
    };
    refuse(settings.funnel_source_router && drawn >= chance, FunnelRefusal::LaneRouteProb)
}

/// The lane rests. Neutral: `funnel.lane_qos = false`.
pub(super) const fn lane_rest(rests: bool) -> Passed {
    refuse(rests, FunnelRefusal::LaneCooldown)
}

/// More attempts on the asset within 12 scans than `funnel.symbol_cycle_max`.
pub(super) fn symbol_cycle(attempts: u32, settings: &Settings) -> Passed {
    refuse(i64::from(attempts) >= settings.funnel_symbol_cycle_max, FunnelRefusal::SymbolCap)
}

/// Most candidates of a lane in a scan.
pub(super) const fn lane_cap(lane: Lane, settings: &Settings) -> i64 {
    match lane {
        Lane::Momentum => settings.funnel_lane_cap_momentum,
        Lane::MeanRevert => settings.funnel_lane_cap_mean_revert,
        Lane::Carry => settings.funnel_lane_cap_carry,
        Lane::Liquidation => settings.funnel_lane_cap_liquidation,
        Lane::Watchlist => settings.funnel_lane_cap_watchlist,
    }
}

/// What a candidate is kept by when there are too many: mostly its trading, then its depth, then its move.
/// A missing figure counts nothing.
pub(super) fn priority(listing: &Listing, depth: Option<Money>) -> f64 {
    let log = |figure: f64| libm::log(1.0 + figure.max(0.0));
    let money = |figure: Option<Money>| figure.map_or(0.0, |figure| log(figure.to_f64()));
    let change = listing.change_5m_percent.map_or(0.0, |change| log(libm::fabs(change)));
    0.62 * money(listing.notional_5m) + 0.30 * money(depth) + 0.08 * change
}

// Pre. Neutral: `funnel.prechecks = false`.

/// Listed for less than `universe.listing_age_min_s`.
pub(super) fn listing_age(listing: &Listing, settings: &Settings) -> Passed {
    let young = |age| age < seconds(settings.universe_listing_age_min_s);
    refuse(listing.age_ns.is_some_and(young), FunnelRefusal::ListingAge)
}

/// A candidate without a break for longer than `universe.signal_age_max_s`.
pub(super) const fn signal_age(passing_ns: i64, settings: &Settings) -> Passed {
    refuse(passing_ns > seconds(settings.universe_signal_age_max_s), FunnelRefusal::SignalAge)
}

/// Less at the touch than `funnel.depth_usd_min`.
pub(super) fn depth(depth: Option<Money>, settings: &Settings) -> Passed {
    refuse(below(depth, settings.funnel_depth_usd_min), FunnelRefusal::DepthLow)
}

/// Less traded in five minutes than `funnel.volume_5m_usd_min`, and while the correction of the edge is on,
/// than `edge.calibration_volume_usd_min`.
pub(super) fn volume(listing: &Listing, settings: &Settings) -> Passed {
    let mut floor = settings.funnel_volume_5m_usd_min;
    if settings.edge_calibration {
        floor = floor.max(settings.edge_calibration_volume_usd_min);
    }
    refuse(below(listing.notional_5m, floor), FunnelRefusal::VolumeLow)
}

/// Moved further in five minutes than `funnel.change_5m_percent_max`, either way.
pub(super) fn change(listing: &Listing, settings: &Settings) -> Passed {
    let far = |change: f64| libm::fabs(change) > settings.funnel_change_5m_percent_max;
    refuse(listing.change_5m_percent.is_some_and(far), FunnelRefusal::Change5m)
}

/// A candidate of the watchlist lane below one of `universe.watchlist_*_min`. Neutral: an empty watchlist.
pub(super) fn watchlist_floor(
    lane: Lane,
    listing: &Listing,
    depth: Option<Money>,
    score: f64,
    settings: &Settings,
) -> Passed {
    #[expect(clippy::cast_precision_loss, reason = "at most 98")]
    let low_score = score < settings.universe_watchlist_score_min as f64;
    let low = low_score
        || below(depth, settings.universe_watchlist_depth_usd_min)
        || below(listing.adv, settings.universe_watchlist_adv_usd_min)
        || below(listing.notional_5m, settings.universe_watchlist_volume_5m_usd_min);
    refuse(matches!(lane, Lane::Watchlist) && low, FunnelRefusal::WatchlistFloor)
}

// Thr.

/// Score below that of the market mode. Neutral: `funnel.market_mode = open`.
pub(super) fn score_min(score: f64, posture: Posture, settings: &Settings) -> Passed {
    let least = match (settings.funnel_market_mode, posture) {
        (MarketMode::Open, _) => return Ok(()),
        (MarketMode::Soft, _) | (MarketMode::Auto, Posture::Apex) => settings.funnel_score_soft,
        (MarketMode::Strict, _)
        | (MarketMode::Auto, Posture::Stalker | Posture::Turtle | Posture::Hibernate) => {
            settings.funnel_score_strict
        }
    };
    #[expect(clippy::cast_precision_loss, reason = "at most 95")]
    refuse(score < least as f64, FunnelRefusal::ScoreMin)
}

/// Planned less than `funnel.dedup_ttl_s` ago. Neutral: 0.
pub(super) fn dedup(since_planned_ns: Option<i64>, settings: &Settings) -> Passed {
    let recent = |since| since < seconds(settings.funnel_dedup_ttl_s);
    refuse(since_planned_ns.is_some_and(recent), FunnelRefusal::SignalDedup)
}

// Quarantine.

/// A loss in the asset less than `memory.cooldown_s` ago. Neutral: 0.
pub(super) fn cooldown(since_loss_ns: Option<i64>, settings: &Settings) -> Passed {
    let recent = |since| since < seconds(settings.memory_cooldown_s);
    refuse(since_loss_ns.is_some_and(recent), FunnelRefusal::SymbolCooldown)
}

/// A trade in the asset ended less than `memory.reentry_s` ago. Neutral: 0.
pub(super) fn reentry(since_close_ns: Option<i64>, settings: &Settings) -> Passed {
    let recent = |since| since < seconds(settings.memory_reentry_s);
    refuse(since_close_ns.is_some_and(recent), FunnelRefusal::SymbolReentry)
}

/// The part of the entries, this one included, that would be like it.
fn projected(like: u32, hour: &Hour) -> f64 {
    f64::from(like + 1) / f64::from(hour.entries + 1)
}

/// From 12 entries in an hour on: with this one, the asset would have more than `funnel.symbol_share_max`
/// of them, in tier A 1.15 times that.
pub(super) fn concentration(hour: &Hour, tier: Tier, settings: &Settings) -> Passed {
    let factor = if matches!(tier, Tier::A) { TIER_A_SHARE } else { 1.0 };
    let over = projected(hour.of_symbol, hour) > settings.funnel_symbol_share_max * factor;
    refuse(hour.entries >= ENTRIES_MIN && over, FunnelRefusal::SymbolConcentration)
}

/// The asset would have more of an hour's entries than `funnel.quality_symbol_cap`, and more than
/// `funnel.quality_share_max` of them.
pub(super) fn quality_cap(hour: &Hour, settings: &Settings) -> Passed {
    let many = i64::from(hour.of_symbol) >= settings.funnel_quality_symbol_cap;
    let over = projected(hour.of_symbol, hour) > settings.funnel_quality_share_max;
    refuse(many && over, FunnelRefusal::SymbolQualityCap)
}

/// From 12 entries in an hour on: fewer than `funnel.novelty_share_min` of them would be in new assets, and
/// this one is not new.
pub(super) fn novelty(hour: &Hour, is_new: bool, settings: &Settings) -> Passed {
    let share = f64::from(hour.of_new) / f64::from(hour.entries + 1);
    let few = hour.entries >= ENTRIES_MIN && share < settings.funnel_novelty_share_min;
    refuse(few && !is_new, FunnelRefusal::NoveltyShare)
}

/// From 12 entries in an hour on: the lane would have more than `funnel.lane_share_max` of them.
pub(super) fn lane_budget(hour: &Hour, settings: &Settings) -> Passed {
    let over = projected(hour.of_lane, hour) > settings.funnel_lane_share_max;
    let counts = settings.funnel_lane_budget && hour.entries >= ENTRIES_MIN;
    refuse(counts && over, FunnelRefusal::LaneBudget)
}

/// The same for the watchlist lane by `funnel.watchlist_share_max`.
pub(super) fn watchlist_share(lane: Lane, hour: &Hour, settings: &Settings) -> Passed {
    let over = projected(hour.of_lane, hour) > settings.funnel_watchlist_share_max;
    let counts = matches!(lane, Lane::Watchlist) && hour.entries >= ENTRIES_MIN;
    refuse(counts && over, FunnelRefusal::WatchlistShare)
}

/// A candidate of the watchlist lane beside fewer of other lanes than `funnel.non_watchlist_min`.
pub(super) fn non_watchlist(lane: Lane, others: usize, settings: &Settings) -> Passed {
    let few = i64::try_from(others).is_ok_and(|others| others < settings.funnel_non_watchlist_min);
    refuse(matches!(lane, Lane::Watchlist) && few, FunnelRefusal::NonWatchlistMin)
}

/// An asset with a bad record is admitted with `memory.symbol_bad_probability`, with a severe one with
/// `memory.symbol_severe_probability`. Neutral: `memory.enabled = false`.
pub(super) fn symbol_memory(standing: Standing, drawn: f64, settings: &Settings) -> Passed {
    let chance = match standing {
        Standing::Good => return Ok(()),
        Standing::Bad => settings.memory_symbol_bad_probability,
        Standing::Severe => settings.memory_symbol_severe_probability,
    };
    refuse(settings.memory_enabled && drawn >= chance, FunnelRefusal::SymbolMemoryProb)
}

// Exec.

/// A notional below `funnel.trade_usd_min`, in tier A `funnel.core_trade_usd_min`.
pub(super) fn trade_size(notional: Money, tier: Tier, settings: &Settings) -> Passed {
    let least = match tier {
        Tier::A => settings.funnel_core_trade_usd_min,
        Tier::B | Tier::C => settings.funnel_trade_usd_min,
    };
    refuse(notional.to_f64() < least, FunnelRefusal::MinTradeSize)
}

/// What the edge filters look at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expectation {
    /// Expected edge in percent of notional.
    pub percent: f64,
    /// The same in money.
    pub usd: f64,
    /// The same, corrected by what the lane earned.
    pub net_usd: f64,
    /// Record of the asset; good while that does not count.
    pub standing: Standing,
    /// Tier of the candidate.
    pub tier: Tier,
}

/// Expected edge not above zero; below `edge.percent_min` or `edge.rolling_percent_min`; below
/// `edge.usd_min` or `edge.rolling_usd_min`; corrected, below `edge.net_usd_min` (tier A may fall short of
/// it by `edge.probe_tolerance_usd`), and below `edge.calibration_usd_min` while the correction is on. The
/// first two floors are times 1.12 for an asset with a bad record, 1.28 with a severe one. Neutral:
/// `edge.gate = false`.
pub(super) fn edge(expectation: &Expectation, settings: &Settings) -> Passed {
    if !settings.edge_gate {
        return Ok(());
    }
    let Expectation { percent, usd, net_usd, standing, tier } = *expectation;
    let factor = standing.edge_factor();
    let least = settings.edge_percent_min.max(settings.edge_rolling_percent_min) * factor;
    let least_usd = settings.edge_usd_min.max(settings.edge_rolling_usd_min) * factor;
    let tolerance = if matches!(tier, Tier::A) { settings.edge_probe_tolerance_usd } else { 0.0 };
    let mut least_net = settings.edge_net_usd_min - tolerance;
    if settings.edge_calibration {
        least_net = least_net.max(settings.edge_calibration_usd_min);
    }
    refuse(percent <= 0.0, FunnelRefusal::NegativeEdge)?;
    refuse(percent < least, FunnelRefusal::EdgeLow)?;
    refuse(usd < least_usd, FunnelRefusal::EdgeUsdLow)?;
    refuse(net_usd < least_net, FunnelRefusal::EvNetLow)
}
