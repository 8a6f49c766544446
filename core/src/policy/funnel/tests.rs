//! Each filter alone: what triggers it, by which number, and that a neutral setting or a missing figure
//! refuses nothing.

use super::filters::*;
use super::*;
use crate::msg::funnel::FunnelBlock;
use crate::policy::memory::Hour;
use crate::settings::MarketMode;
use crate::universe::{Family, Status};
use FunnelRefusal as R;

const BARE: Listing = Listing {
    family: Family::Linear,
    status: Status::Trading,
    age_ns: None,
    notional_5m: None,
    adv: None,
    change_5m_percent: None,
    funding_rate: None,
};

fn usd(whole: i64) -> Option<Money> {
    Some(Money::from_whole(whole))
}

fn settings() -> Settings {
    Settings::default()
}

const fn s(seconds: i64) -> i64 {
    seconds * Nanos::SECOND
}

#[test]
fn every_refusal_belongs_to_one_block_and_the_blocks_stand_in_order() {
    let blocks: Vec<FunnelBlock> = R::ALL.iter().map(|refusal| refusal.block()).collect();
    assert!(blocks.windows(2).all(|pair| pair[0] <= pair[1]), "{blocks:?}");
    for block in &FunnelBlock::ALL[1..] {
        assert!(blocks.contains(block), "{block:?}");
    }
    assert_eq!(FunnelReason::Filter(RankVerdict::Noise).block(), Some(FunnelBlock::Raw));
    assert_eq!(FunnelReason::None.block(), None);
}

#[test]
fn exclusion_looks_at_the_list() {
    assert_eq!(exclusion(&BARE), Ok(()));
    assert_eq!(exclusion(&Listing { status: Status::Excluded, ..BARE }), Err(R::ExcludedSymbol));
}

#[test]
fn a_lane_is_admitted_by_the_probability_of_its_record() {
    let on = Settings { funnel_source_router: true, ..settings() };
    assert_eq!(lane_route(Standing::Good, 0.99, &on), Ok(()));
    assert_eq!(lane_route(Standing::Bad, 0.549, &on), Ok(()));
    assert_eq!(lane_route(Standing::Bad, 0.55, &on), Err(R::LaneRouteProb));
    assert_eq!(lane_route(Standing::Severe, 0.349, &on), Ok(()));
    assert_eq!(lane_route(Standing::Severe, 0.35, &on), Err(R::LaneRouteProb));
    assert_eq!(lane_route(Standing::Severe, 0.99, &settings()), Ok(()), "off");
}

#[test]
fn attempts_are_capped() {
    let three = Settings { funnel_symbol_cycle_max: 3, ..settings() };
    assert_eq!(symbol_cycle(2, &three), Ok(()));
    assert_eq!(symbol_cycle(3, &three), Err(R::SymbolCap));
    assert_eq!(symbol_cycle(12, &settings()), Ok(()), "no cycle has more than twelve");
}

#[test]
fn priority_weighs_volume_then_depth_then_move() {
    let listing = Listing { notional_5m: usd(99), change_5m_percent: Some(-9.0), ..BARE };
    let expected = 0.62 * libm::log(100.0) + 0.30 * libm::log(1_000.0) + 0.08 * libm::log(10.0);
    assert!((priority(&listing, usd(999)) - expected).abs() < 1e-12);
    assert!(priority(&BARE, None).abs() < 1e-12, "missing figures count nothing");
}

#[test]
fn each_lane_has_its_own_cap() {
    let caps: Vec<i64> = Lane::ALL.iter().map(|lane| lane_cap(*lane, &settings())).collect();
    assert_eq!(caps, [140, 140, 120, 120, 50]);
}

#[test]
fn prechecks_refuse_what_is_known_to_be_bad_and_nothing_else() {
    let strict = Settings {
        universe_listing_age_min_s: 100,
        funnel_depth_usd_min: 500.0,
        funnel_change_5m_percent_max: 3.0,
        ..settings()
    };
    let age = |seconds| listing_age(&Listing { age_ns: Some(s(seconds)), ..BARE }, &strict);
    assert_eq!((age(99), age(100)), (Err(R::ListingAge), Ok(())));
    assert_eq!(signal_age(s(3_600), &strict), Ok(()));
    assert_eq!(signal_age(s(3_600) + 1, &strict), Err(R::SignalAge));
    assert_eq!(depth(usd(499), &strict), Err(R::DepthLow));
    assert_eq!(depth(usd(500), &strict), Ok(()));
    let traded =
        |whole, settings: &Settings| volume(&Listing { notional_5m: usd(whole), ..BARE }, settings);
    assert_eq!(traded(1_199, &strict), Err(R::VolumeLow));
    assert_eq!(traded(1_200, &strict), Ok(()));
    let low = Settings { funnel_volume_5m_usd_min: 5.0, ..settings() };
    assert_eq!(traded(19, &low), Ok(()));
    let calibrated = Settings { edge_calibration: true, ..low };
    assert_eq!(traded(19, &calibrated), Err(R::VolumeLow), "the correction asks for 20");
    let moved = |by| change(&Listing { change_5m_percent: Some(by), ..BARE }, &strict);
    assert_eq!((moved(3.0), moved(-3.1)), (Ok(()), Err(R::Change5m)));
    for unknown in [
        listing_age(&BARE, &strict),
        depth(None, &strict),
        volume(&BARE, &strict),
        change(&BARE, &strict),
    ] {
        assert_eq!(unknown, Ok(()));
    }
}

#[test]
fn the_watchlist_lane_has_floors_of_its_own() {
    let good = Listing { notional_5m: usd(500), adv: usd(500_000), ..BARE };
    let floor = |lane, listing: &Listing, depth, score| {
        watchlist_floor(lane, listing, depth, score, &settings())
    };
    assert_eq!(floor(Lane::Watchlist, &good, usd(200_000), 90.0), Ok(()));
    let thin = Listing { notional_5m: usd(499), ..good };
    let small = Listing { adv: usd(499_999), ..good };
    for refused in [
        floor(Lane::Watchlist, &good, usd(200_000), 89.9),
        floor(Lane::Watchlist, &good, usd(199_999), 90.0),
        floor(Lane::Watchlist, &thin, usd(200_000), 90.0),
        floor(Lane::Watchlist, &small, usd(200_000), 90.0),
    ] {
        assert_eq!(refused, Err(R::WatchlistFloor));
    }
    assert_eq!(floor(Lane::Momentum, &thin, usd(0), 0.0), Ok(()), "another lane");
    assert_eq!(floor(Lane::Watchlist, &BARE, None, 90.0), Ok(()), "nothing known against it");
}

#[test]
fn the_market_mode_picks_the_score() {
    let mode = |funnel_market_mode| Settings { funnel_market_mode, ..settings() };
    let at = |score, mode: &Settings, posture| score_min(score, posture, mode);
    let (apex, stalker) = (Posture::Apex, Posture::Stalker);
    assert_eq!(at(0.0, &mode(MarketMode::Open), stalker), Ok(()));
    assert_eq!(at(69.9, &mode(MarketMode::Soft), stalker), Err(R::ScoreMin));
    assert_eq!(at(70.0, &mode(MarketMode::Soft), stalker), Ok(()));
    assert_eq!(at(77.9, &mode(MarketMode::Strict), apex), Err(R::ScoreMin));
    assert_eq!(at(78.0, &mode(MarketMode::Strict), apex), Ok(()));
    assert_eq!(at(70.0, &mode(MarketMode::Auto), apex), Ok(()));
    assert_eq!(at(70.0, &mode(MarketMode::Auto), stalker), Err(R::ScoreMin));
}

#[test]
fn times_since_plan_loss_and_trade_are_neutral_at_zero() {
    let timed = Settings {
        funnel_dedup_ttl_s: 10,
        memory_cooldown_s: 20,
        memory_reentry_s: 30,
        ..settings()
    };
    assert_eq!(dedup(Some(s(10) - 1), &timed), Err(R::SignalDedup));
    assert_eq!(dedup(Some(s(10)), &timed), Ok(()));
    assert_eq!(cooldown(Some(s(20) - 1), &timed), Err(R::SymbolCooldown));
    assert_eq!(cooldown(Some(s(20)), &timed), Ok(()));
    assert_eq!(reentry(Some(s(30) - 1), &timed), Err(R::SymbolReentry));
    assert_eq!(reentry(Some(s(30)), &timed), Ok(()));
    for since in [None, Some(0)] {
        assert_eq!(dedup(since, &settings()), Ok(()));
        assert_eq!(cooldown(since, &settings()), Ok(()));
        assert_eq!(reentry(since, &settings()), Ok(()));
    }
}

#[test]
fn shares_of_an_hour_count_from_twelve_entries_on() {
    let wide = Settings { funnel_symbol_share_max: 0.2, ..settings() };
    let of = |entries, of_symbol| Hour { entries, of_symbol, of_lane: 0, of_new: 0 };
    assert_eq!(concentration(&of(11, 11), Tier::C, &wide), Ok(()), "eleven are too few");
    // 3 of 15 are a fifth, 3 of 14 are more.
    assert_eq!(concentration(&of(14, 2), Tier::C, &wide), Ok(()));
    assert_eq!(concentration(&of(13, 2), Tier::C, &wide), Err(R::SymbolConcentration));
    assert_eq!(concentration(&of(13, 2), Tier::A, &wide), Ok(()), "up to 0.23 in tier A");
    assert_eq!(concentration(&of(12, 2), Tier::A, &wide), Err(R::SymbolConcentration));
}

#[test]
fn an_asset_may_have_its_count_whatever_the_share() {
    let of = |entries, of_symbol| Hour { entries, of_symbol, of_lane: 0, of_new: 0 };
    assert_eq!(quality_cap(&of(1, 1), &settings()), Ok(()), "two are free");
    assert_eq!(quality_cap(&of(2, 2), &settings()), Err(R::SymbolQualityCap));
    assert_eq!(quality_cap(&of(29, 2), &settings()), Ok(()), "3 of 30 are a tenth");
    assert_eq!(quality_cap(&of(28, 2), &settings()), Err(R::SymbolQualityCap));
}

#[test]
fn what_is_not_new_waits_while_too_little_is_new() {
    let of = |entries, of_new| Hour { entries, of_symbol: 0, of_lane: 0, of_new };
    assert_eq!(novelty(&of(11, 0), false, &settings()), Ok(()));
    // 6 of 20 are 0.3.
    assert_eq!(novelty(&of(19, 6), false, &settings()), Ok(()));
    assert_eq!(novelty(&of(20, 6), false, &settings()), Err(R::NoveltyShare));
    assert_eq!(novelty(&of(20, 0), true, &settings()), Ok(()), "it is new itself");
}

#[test]
fn lanes_and_the_watchlist_have_their_shares() {
    let of = |entries, of_lane| Hour { entries, of_symbol: 0, of_lane, of_new: 0 };
    assert_eq!(lane_budget(&of(11, 11), &settings()), Ok(()));
    assert_eq!(lane_budget(&of(13, 6), &settings()), Ok(()), "7 of 14");
    assert_eq!(lane_budget(&of(12, 6), &settings()), Err(R::LaneBudget));
    let off = Settings { funnel_lane_budget: false, ..settings() };
    assert_eq!(lane_budget(&of(12, 12), &off), Ok(()));
    let share = |lane, hour| watchlist_share(lane, &hour, &settings());
    assert_eq!(share(Lane::Watchlist, of(19, 5)), Ok(()), "6 of 20");
    assert_eq!(share(Lane::Watchlist, of(18, 5)), Err(R::WatchlistShare));
    assert_eq!(share(Lane::Carry, of(18, 18)), Ok(()));
    assert_eq!(non_watchlist(Lane::Watchlist, 0, &settings()), Err(R::NonWatchlistMin));
    assert_eq!(non_watchlist(Lane::Watchlist, 1, &settings()), Ok(()));
    assert_eq!(non_watchlist(Lane::Carry, 0, &settings()), Ok(()));
}

#[test]
fn an_asset_is_admitted_by_the_probability_of_its_record() {
    let on = Settings { memory_enabled: true, ..settings() };
    assert_eq!(symbol_memory(Standing::Good, 0.99, &on), Ok(()));
    assert_eq!(symbol_memory(Standing::Bad, 0.719, &on), Ok(()));
    assert_eq!(symbol_memory(Standing::Bad, 0.72, &on), Err(R::SymbolMemoryProb));
    assert_eq!(symbol_memory(Standing::Severe, 0.419, &on), Ok(()));
    assert_eq!(symbol_memory(Standing::Severe, 0.42, &on), Err(R::SymbolMemoryProb));
    assert_eq!(symbol_memory(Standing::Severe, 0.99, &settings()), Ok(()), "off");
}

#[test]
fn an_entry_has_a_least_size_and_tier_a_a_larger_one() {
    let money = |text: &str| text.parse::<Money>().expect("money");
    assert_eq!(trade_size(money("0.24"), Tier::B, &settings()), Err(R::MinTradeSize));
    assert_eq!(trade_size(money("0.25"), Tier::C, &settings()), Ok(()));
    assert_eq!(trade_size(money("0.44"), Tier::A, &settings()), Err(R::MinTradeSize));
    assert_eq!(trade_size(money("0.45"), Tier::A, &settings()), Ok(()));
}

#[test]
fn the_edge_meets_its_floors_one_after_the_other() {
    let on = Settings {
        edge_gate: true,
        edge_percent_min: 1.0,
        edge_rolling_percent_min: 0.5,
        edge_usd_min: 0.01,
        edge_rolling_usd_min: 0.02,
        edge_net_usd_min: 0.005,
        edge_probe_tolerance_usd: 0.003,
        ..settings()
    };
    let good = Expectation {
        percent: 1.0,
        usd: 0.02,
        net_usd: 0.005,
        standing: Standing::Good,
        tier: Tier::B,
    };
    assert_eq!(edge(&good, &on), Ok(()));
    let refused = |expectation: Expectation| edge(&expectation, &on);
    assert_eq!(refused(Expectation { percent: 0.0, ..good }), Err(R::NegativeEdge));
    assert_eq!(refused(Expectation { percent: 0.99, ..good }), Err(R::EdgeLow));
    assert_eq!(refused(Expectation { usd: 0.019, ..good }), Err(R::EdgeUsdLow), "the higher floor");
    let net = Expectation { net_usd: 0.002, ..good };
    assert_eq!(refused(net), Err(R::EvNetLow));
    assert_eq!(refused(Expectation { tier: Tier::A, ..net }), Ok(()), "a probe");
    let bad = Expectation { standing: Standing::Bad, usd: 1.0, ..good };
    assert_eq!(refused(Expectation { percent: 1.11, ..bad }), Err(R::EdgeLow));
    assert_eq!(refused(Expectation { percent: 1.121, ..bad }), Ok(()));
    let severe = Expectation { standing: Standing::Severe, usd: 1.0, ..good };
    assert_eq!(refused(Expectation { percent: 1.27, ..severe }), Err(R::EdgeLow));
    assert_eq!(refused(Expectation { percent: 1.281, ..severe }), Ok(()));
    let calibrated = Settings { edge_calibration: true, ..on.clone() };
    assert_eq!(edge(&good, &calibrated), Err(R::EvNetLow), "the correction asks for 0.01");
    assert_eq!(edge(&Expectation { net_usd: 0.01, ..good }, &calibrated), Ok(()));
    let off = Settings { edge_gate: false, ..on };
    assert_eq!(edge(&Expectation { percent: -9.0, ..good }, &off), Ok(()));
}
