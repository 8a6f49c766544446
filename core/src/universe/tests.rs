use super::*;
use crate::id::TextId;
use crate::msg::PositionSide;
use crate::msg::scan::RankVerdict;
use crate::units::{Price, Qty};
use alloc::vec::Vec;

const MINUTE: i64 = 60 * Nanos::SECOND;
const HOUR: i64 = 60 * MINUTE;
/// A whole hour, so that minutes and hours begin with the tests.
const START: i64 = 480_000 * HOUR;

fn at(ns: i64) -> Nanos {
    Nanos::new(START + ns)
}

fn instrument(symbol: &str) -> Instrument {
    Instrument {
        symbol: TextId::new(symbol).expect("a symbol"),
        tick: Price::ONE,
        lot: Qty::ONE,
        min_notional: Money::ZERO,
        tradable: true,
        listed_ns: None,
    }
}

fn trade(tape: &mut Tape, ns: i64, price: i64, qty: i64) {
    tape.traded(at(ns), Price::from_whole(price), Qty::from_whole(qty));
}

fn rank(alignment: f64) -> Rank {
    Rank {
        number: 1,
        place: 0,
        instrument: InstrumentId::new(0),
        direction: PositionSide::Short,
        verdict: RankVerdict::Pass,
        latency: 3,
        efficiency: 2.0,
        alignment,
        noise_ppm: 200.0,
        ars: 1.0,
    }
}

#[test]
fn five_minutes_are_the_running_minute_and_four_before_and_unknown_until_watched() {
    let mut tape = Tape::default();
    assert_eq!(tape.notional_5m(at(0)), None, "nothing was ever traded");
    for minute in 0..6 {
        trade(&mut tape, minute * MINUTE, 10, 1 + minute);
    }
    assert_eq!(tape.notional_5m(at(5 * MINUTE - 1)), None, "not watched for long enough");
    // Minutes 1 to 5: 10 × (2 + 3 + 4 + 5 + 6).
    assert_eq!(tape.notional_5m(at(5 * MINUTE)), Some(Money::from_whole(200)));
    // Two minutes later without a trade: 10 × (4 + 5 + 6).
    assert_eq!(tape.notional_5m(at(7 * MINUTE)), Some(Money::from_whole(150)));
    assert_eq!(tape.notional_5m(at(50 * MINUTE)), Some(Money::ZERO), "watched, and nothing traded");
}

#[test]
fn the_move_of_five_minutes_is_from_the_last_price_before_them() {
    let mut tape = Tape::default();
    trade(&mut tape, 0, 100, 1);
    trade(&mut tape, 59 * Nanos::SECOND, 200, 1);
    trade(&mut tape, 5 * MINUTE, 190, 1);
    assert_eq!(tape.change_5m_percent(at(5 * MINUTE)), Some(-5.0));
    assert_eq!(tape.change_5m_percent(at(6 * MINUTE)), Some(-5.0), "200 stood until minute 5");
    assert_eq!(tape.change_5m_percent(at(10 * MINUTE)), Some(0.0));
}

#[test]
fn the_day_is_scaled_from_what_was_watched_and_old_hours_leave() {
    let mut tape = Tape::default();
    trade(&mut tape, 0, 100, 10);
    assert_eq!(tape.daily(at(HOUR - 1)), None, "less than an hour");
    // 1,000 in two hours are 12,000 a day.
    assert_eq!(tape.daily(at(2 * HOUR)), Some(Money::from_whole(12_000)));
    trade(&mut tape, 12 * HOUR, 100, 10);
    // 23 hours and a half are held: 2,000 of 23.5 hours.
    let expected = 2_000.0 * 24.0 / 23.5;
    let found = tape.daily(at(23 * HOUR + HOUR / 2)).expect("known").to_f64();
    assert!((found - expected).abs() < 1e-6, "{found}");
    // The first hour has left, the second trade stays.
    let found = tape.daily(at(24 * HOUR + HOUR / 2)).expect("known").to_f64();
    assert!((found - 1_000.0 * 24.0 / 23.5).abs() < 1e-6, "{found}");
    assert_eq!(tape.daily(at(40 * HOUR)), Some(Money::ZERO));
}

#[test]
fn an_exclusion_expires_and_a_second_entry_counts_anew() {
    let table = InstrumentTable::new([instrument("BTCUSDT"), instrument("FETUSDT")].into());
    let table = table.expect("a table");
    let fet = table.find("FET-USDT").expect("any spelling finds it");
    let mut universe = Universe::new(&table);
    let mut settings =
        Settings { universe_excluded: [table.row(fet).symbol].into(), ..Settings::default() };
    let ttl = settings.universe_excluded_ttl_s * Nanos::SECOND;
    universe.refresh(at(0), &table, &settings);
    universe.refresh(at(ttl - 1), &table, &settings);
    assert!(universe.is_excluded(at(ttl - 1), fet, &settings));
    assert!(!universe.is_excluded(at(ttl), fet, &settings), "it holds for its time and no longer");
    assert!(!universe.is_excluded(at(1), table.find("BTCUSDT").expect("there"), &settings));
    universe.refresh(at(ttl), &table, &settings);
    assert!(!universe.is_excluded(at(ttl), fet, &settings), "still on the list, but expired");
    settings.universe_excluded = Vec::new();
    universe.refresh(at(2 * ttl), &table, &settings);
    settings.universe_excluded = [table.row(fet).symbol].into();
    universe.refresh(at(3 * ttl), &table, &settings);
    let listing = universe.listing(at(3 * ttl), fet, table.row(fet), &settings);
    assert_eq!(listing.status, Status::Excluded);
}

#[test]
fn families_and_buckets_follow_symbol_and_notional() {
    for (symbol, family) in [
        ("BTCUSDT", Family::Linear),
        ("BTCUSD_PERP", Family::Inverse),
        ("USDCUSDT", Family::Stable),
        ("BTCEUR", Family::Other),
    ] {
        assert_eq!(Family::of(symbol), family, "{symbol}");
    }
    for (millions, bucket) in [
        (0, AdvBucket::Micro),
        (1, AdvBucket::Small),
        (10, AdvBucket::Mid),
        (100, AdvBucket::Large),
    ] {
        assert_eq!(AdvBucket::of(Money::from_whole(millions * 1_000_000)), bucket);
    }
}

#[test]
fn a_lane_is_the_first_rule_that_holds_and_missing_figures_hold_none() {
    let bare = Listing {
        family: Family::Linear,
        status: Status::Trading,
        age_ns: None,
        notional_5m: None,
        adv: None,
        change_5m_percent: None,
        funding_rate: None,
    };
    let figures = Listing {
        notional_5m: Some(Money::from_whole(50)),
        adv: Some(Money::from_whole(2_880)),
        funding_rate: Some(Rate::from_raw(50_000)),
        ..bare
    };
    let neutral = Settings::default();
    assert_eq!(lane(&rank(0.0), &figures, false, &neutral), Lane::Momentum, "off by default");
    let on = Settings {
        universe_liquidation_burst: 5.0,
        universe_carry_rate_min: 0.000_5,
        universe_revert_alignment_max: 0.5,
        ..Settings::default()
    };
    assert_eq!(lane(&rank(0.4), &figures, true, &on), Lane::Watchlist);
    assert_eq!(lane(&rank(0.4), &figures, false, &on), Lane::Liquidation, "5 × 10 in 5 minutes");
    let calm = Listing { notional_5m: Some(Money::from_whole(49)), ..figures };
    assert_eq!(lane(&rank(0.4), &calm, false, &on), Lane::Carry, "a short receives 5 bps");
    let long = Rank { direction: PositionSide::Long, ..rank(0.4) };
    assert_eq!(lane(&long, &calm, false, &on), Lane::MeanRevert, "a long pays");
    assert_eq!(lane(&rank(0.5), &bare, false, &on), Lane::Momentum);
}

#[test]
fn trades_bars_and_funding_are_heard_and_a_quote_changes_nothing() {
    let row = Instrument { listed_ns: Some(at(0)), ..instrument("BTCUSDT") };
    let table = InstrumentTable::new([row].into()).expect("a table");
    let mut universe = Universe::new(&table);
    let id = InstrumentId::new(0);
    let mut hear = |ns: i64, body| {
        universe.observe(at(ns), &MarketMsg::from_body(id, at(ns), None, body));
    };
    let price = Price::from_whole(10);
    let volume = Qty::from_whole(3);
    hear(0, MarketBody::Trade { price, qty: Qty::ONE, taker: None, trade_id: 0, merged: 0 });
    let bar = MarketBody::Bar { open: price, high: price, low: price, close: price, volume };
    hear(5 * MINUTE, bar);
    hear(
        5 * MINUTE,
        MarketBody::Mark {
            mark: None,
            index: None,
            funding_rate: Some(Rate::from_raw(7)),
            next_funding_ns: None,
        },
    );
    hear(
        5 * MINUTE,
        MarketBody::Quote { bid: price, ask: price, bid_qty: Some(volume), ask_qty: Some(volume) },
    );
    let listing = universe.listing(at(5 * MINUTE), id, &row, &Settings::default());
    assert_eq!(listing.notional_5m, Some(Money::from_whole(30)), "the trade is six minutes old");
    assert_eq!(listing.funding_rate, Some(Rate::from_raw(7)));
    assert_eq!((listing.age_ns, listing.adv), (Some(5 * MINUTE), None));
}
