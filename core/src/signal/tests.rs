//! Tests of the whole signal: from prices, from messages, and between links.

use super::*;
use crate::id::{InstrumentId, TextId};
use crate::instrument::Instrument;
use crate::link::{Rx, Tx, link};
use crate::msg::{MarketBody, MarketMsg};
use crate::stage::{Stage, Work};
use crate::units::{Money, Price, Qty};
use alloc::format;
use alloc::string::String;
use proptest::prelude::*;

const SECOND: i64 = Nanos::SECOND;
const MINUTE: i64 = 60 * SECOND;

fn table(assets: usize) -> Arc<InstrumentTable> {
    let row = |asset: usize| Instrument {
        symbol: TextId::new(&format!("A{asset:02}USDT")).unwrap(),
        tick: Price::from_raw(1),
        lot: Qty::from_raw(1),
        min_notional: Money::ZERO,
        tradable: true,
        listed_ns: None,
    };
    Arc::new(InstrumentTable::new((0..assets).map(row).collect()).unwrap())
}

/// A deterministic universe: prices of asset `asset` at scan `t`, with a common and an own part.
fn price(t: usize, asset: usize) -> f64 {
    let wave = |x: f64| libm::sin(x) + libm::sin(2.7 * x + 1.0);
    let common = wave(t as f64 * 0.7);
    let own = wave(t as f64 * (1.3 + 0.37 * asset as f64) + asset as f64);
    100.0 * libm::exp(0.001 * (common + own))
}

fn at(scan: usize) -> Nanos {
    Nanos::new(scan as i64 * 5 * SECOND)
}

/// Scans `scans` scans of prices and gives the readings of the shortest window.
fn run(assets: usize, scans: usize, price: impl Fn(usize, usize) -> Option<f64>) -> Vec<Regime> {
    let mut signal = Signal::new(&Settings::default(), table(assets), WindowSet::All);
    (0..scans)
        .map(|t| {
            let prices: Vec<Option<f64>> = (0..assets).map(|asset| price(t, asset)).collect();
            signal.scan(at(t), at(t), &prices).clone()
        })
        .collect()
}

#[test]
fn windows_fill_one_after_another() {
    let regimes = run(4, 760, |t, asset| Some(price(t, asset)));
    for (reading, length) in (0..).zip(WINDOWS) {
        let first = regimes.iter().position(|regime| regime.windows[reading].lambda.is_some());
        assert_eq!(first, Some(length), "W returns need W + 1 prices");
        let first = regimes.iter().position(|regime| regime.windows[reading].velocity.is_some());
        assert_eq!(first, Some(length + 1));
    }
    assert_eq!(regimes.iter().position(|regime| regime.vel_div.is_some()), Some(751));
    let last = regimes.last().unwrap();
    assert_eq!((last.number, last.priced, last.windows[0].active), (760, 4, 4));
    let difference = last.windows[0].velocity.unwrap() - last.windows[3].velocity.unwrap();
    assert!((last.vel_div.unwrap() - difference).abs() < 1e-18);
    assert_eq!(regimes.iter().position(|regime| regime.volatility.vol.is_some()), Some(VOL_WINDOW));
    assert_eq!(regimes.iter().position(|regime| regime.picker_warm), Some(50));
}

#[test]
fn copies_of_one_asset_move_as_one() {
    let regimes = run(5, 60, |t, asset| Some(price(t, 0) * (1.0 + asset as f64)));
    let lambda = regimes.last().unwrap().windows[0].lambda.unwrap();
    assert!((lambda - 1.0).abs() < 1e-9, "{lambda}");
}

#[test]
fn an_asset_that_stands_still_is_not_active() {
    let with = run(5, 120, |t, asset| Some(if asset == 2 { 1.0 } else { price(t, asset) }));
    let without = run(4, 120, |t, asset| Some(price(t, asset + usize::from(asset >= 2))));
    for (with, without) in with.iter().zip(&without) {
        assert_eq!(with.windows[0].active, without.windows[0].active);
        assert_eq!(with.windows[0].lambda, without.windows[0].lambda);
        assert_eq!(with.windows[0].velocity, without.windows[0].velocity);
    }
    assert_eq!((with[119].priced, with[119].windows[0].active), (5, 4));
}

#[test]
fn too_few_active_assets_yield_nothing() {
    let regimes = run(2, 60, |t, asset| Some(price(t, asset)));
    assert!(regimes.iter().all(|regime| regime.windows[0].lambda.is_none()));
    assert_eq!(regimes[59].windows[0].active, 2);
}

#[test]
fn a_late_listing_breaks_the_velocity_once_per_window() {
    let listed = 900;
    let regimes = run(4, 1_800, |t, asset| (asset != 3 || t >= listed).then(|| price(t, asset)));
    for (reading, length) in (0..).zip(WINDOWS) {
        let joined = listed + length;
        let window = |t: usize| regimes[t].windows[reading];
        assert_eq!((window(joined - 1).active, window(joined).active), (3, 4));
        assert!(window(joined).lambda.is_some());
        assert!(window(joined - 1).velocity.is_some());
        assert_eq!(window(joined).velocity, None, "window {length}");
        assert!(window(joined + 1).velocity.is_some());
    }
}

#[test]
fn an_asset_that_leaves_comes_back_after_a_full_window() {
    let regimes =
        run(4, 400, |t, asset| (asset != 1 || !(200..210).contains(&t)).then(|| price(t, asset)));
    let active = |t: usize| regimes[t].windows[0].active;
    assert_eq!((active(199), active(200), active(260 - 1), active(260)), (4, 3, 3, 4));
    assert_eq!(regimes[200].priced, 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn the_order_of_assets_does_not_matter(
        order in Just([0usize, 1, 2, 3, 4, 5]).prop_shuffle(),
        hole in 0usize..6,
        scans in 60usize..200,
    ) {
        let there = |t: usize, asset: usize| {
            (asset != hole || t % 90 != 40).then(|| price(t, asset))
        };
        let straight = run(6, scans, there);
        let shuffled = run(6, scans, |t, asset| there(t, order[asset]));
        for (a, b) in straight.iter().zip(&shuffled) {
            for (a, b) in a.windows.iter().zip(&b.windows) {
                prop_assert_eq!(a.active, b.active);
                prop_assert_eq!(a.velocity.is_some(), b.velocity.is_some());
                match (a.lambda, b.lambda) {
                    (Some(a), Some(b)) => prop_assert!((a - b).abs() < 1e-12),
                    (a, b) => prop_assert_eq!(a, b),
                }
            }
        }
    }
}

fn message(asset: usize, time: i64, body: MarketBody) -> MarketMsg {
    MarketMsg::from_body(InstrumentId::new(asset), Nanos::new(time), None, body)
}

fn quote(asset: usize, time: i64, bid: i64, ask: i64) -> MarketMsg {
    let (bid, ask) = (Price::from_raw(bid), Price::from_raw(ask));
    message(asset, time, MarketBody::Quote { bid, ask, bid_qty: None, ask_qty: None })
}

fn trade(asset: usize, time: i64, price: i64) -> MarketMsg {
    let (price, qty) = (Price::from_raw(price), Qty::ONE);
    message(asset, time, MarketBody::Trade { price, qty, taker: None, trade_id: 0, merged: 0 })
}

fn bar(asset: usize, open_time: i64, close: i64) -> MarketMsg {
    let price = Price::from_raw(close);
    let body =
        MarketBody::Bar { open: price, high: price, low: price, close: price, volume: Qty::ONE };
    let end = Nanos::new(open_time + MINUTE);
    MarketMsg::from_body(InstrumentId::new(asset), end, Some(Nanos::new(open_time)), body)
}

/// The prices that the scanner would use now, through the number of priced assets and a probe return.
fn priced(scanner: &mut Scanner) -> (i64, u16) {
    let regime = scanner.scan();
    (regime.ts_ns.get(), regime.priced)
}

#[test]
fn the_grid_starts_at_the_first_sane_price_and_prices_go_stale() {
    let settings = Settings::default();
    let mut scanner = Scanner::new(&settings, table(2), WindowSet::All);
    assert_eq!(scanner.due(), None);
    scanner.absorb(&quote(0, 5, 101, 100));
    scanner.absorb(&quote(0, 6, 0, 100));
    scanner.absorb(&trade(0, 7, 0));
    scanner.absorb(&message(0, 8, MarketBody::Gap));
    assert_eq!(scanner.due(), None, "nothing sane came");
    scanner.absorb(&quote(0, 10, 100, 100));
    assert_eq!(scanner.due(), Some(Nanos::new(10)), "a locked quote is a price");
    scanner.absorb(&trade(1, 10, 50));
    for step in 0..=12 {
        assert_eq!(priced(&mut scanner), (10 + step * 5 * SECOND, 2), "usable for 60 s inclusive");
    }
    assert_eq!(priced(&mut scanner).1, 0);
}

#[test]
fn a_mid_beats_a_trade_until_it_is_stale() {
    let settings = Settings { signal_scan_ns: MINUTE, ..Settings::default() };
    let mut scanner = Scanner::new(&settings, table(1), WindowSet::All);
    let prices = |scanner: &mut Scanner| {
        scanner.scan();
        scanner.prices()[0]
    };
    scanner.absorb(&trade(0, 0, 300_000_000));
    assert_eq!(prices(&mut scanner), Some(3.0));
    scanner.absorb(&quote(0, 1, 100_000_000, 200_000_001));
    scanner.absorb(&trade(0, MINUTE, 400_000_000));
    assert_eq!(prices(&mut scanner), Some(1.500_000_005));
    scanner.absorb(&quote(0, MINUTE + 1, 300_000_000, 200_000_000));
    scanner.absorb(&trade(0, 2 * MINUTE, 500_000_000));
    assert_eq!(prices(&mut scanner), Some(5.0), "the crossed quote renewed nothing");
}

#[test]
fn bars_make_one_scan_per_bar_time_and_last_five_more() {
    let mut scanner = Scanner::new(&Settings::default(), table(3), WindowSet::All);
    scanner.absorb(&bar(0, 0, 100));
    scanner.absorb(&bar(1, 0, 200));
    assert_eq!(scanner.due(), Some(Nanos::new(MINUTE)));
    let regime = scanner.scan();
    assert_eq!((regime.ts_ns.get(), regime.label_ns.get(), regime.priced), (MINUTE, 0, 2));
    assert_eq!(scanner.due(), None, "no bars, no scan");
    scanner.absorb(&bar(2, 0, 300));
    assert_eq!(scanner.due(), None, "a late bar makes no second scan");
    scanner.absorb(&trade(1, MINUTE + 1, 999));
    for minute in 1..=5 {
        scanner.absorb(&bar(0, minute * MINUTE, 100));
        assert_eq!(priced(&mut scanner), ((minute + 1) * MINUTE, 3));
    }
    scanner.absorb(&bar(0, 6 * MINUTE, 100));
    assert_eq!(priced(&mut scanner), (7 * MINUTE, 1), "five bars later the others are stale");
    assert_eq!(scanner.prices()[0], Some(0.000_001));
}

struct Rig {
    tap: Tx<MarketMsg>,
    stage: SignalStage,
    scans: Rx<ScanMsg>,
}

fn rig(assets: usize, depth: usize) -> Rig {
    let (tap, stage_tap) = link(4096);
    let (stage_scans, scans) = link(depth);
    let settings = Settings { picker_window: 5, ..Settings::default() };
    let stage = SignalStage::new(&settings, table(assets), stage_tap, stage_scans);
    Rig { tap, stage, scans }
}

impl Rig {
    fn drain(&mut self) -> Vec<ScanMsg> {
        core::iter::from_fn(|| self.scans.pop()).collect()
    }

    /// Polls until there is nothing more to do, reading the scan link after every poll.
    fn settle(&mut self, now: Nanos) -> Vec<ScanMsg> {
        let mut all = Vec::new();
        while self.stage.poll(now) != Work::NONE {
            all.extend(self.drain());
        }
        all
    }
}

fn summary(messages: &[ScanMsg]) -> String {
    let mut out = String::new();
    for message in messages {
        match message {
            ScanMsg::Rank(row) => out.push_str(&format!("{}.{} ", row.number, row.place)),
            ScanMsg::Modifiers(_) => panic!("the scanner knows none"),
            ScanMsg::Scan(scan) => {
                out.push_str(&format!("[{} {} {}] ", scan.number, scan.ts_ns.get(), scan.ranked));
            }
        }
    }
    out
}

#[test]
fn without_input_a_poll_does_nothing() {
    let mut rig = rig(2, 16);
    assert_eq!(rig.stage.poll(Nanos::new(5)), Work::NONE);
    assert_eq!(rig.stage.next_deadline(), None);
    rig.tap.push(trade(0, 10, 100)).unwrap();
    assert_eq!(rig.stage.poll(Nanos::new(10)), Work::done(1));
    assert_eq!(rig.stage.poll(Nanos::new(10)), Work::NONE);
    assert_eq!(rig.stage.next_deadline(), Some(Nanos::new(11)));
    assert_eq!(rig.stage.poll(Nanos::new(11)), Work::done(1), "the first scan of the grid");
    assert_eq!(rig.stage.poll(Nanos::new(11)), Work::NONE);
    assert_eq!(rig.stage.next_deadline(), Some(Nanos::new(11 + 5 * SECOND)));
    assert_eq!(summary(&rig.drain()), "[1 10 0] ");
}

#[test]
fn a_jump_in_time_makes_every_scan_of_the_grid_in_order() {
    let mut rig = rig(1, 16);
    rig.tap.push(trade(0, 0, 100)).unwrap();
    rig.tap.push(trade(0, 12 * SECOND, 100)).unwrap();
    let first = rig.stage.poll(Nanos::new(20 * SECOND));
    assert_eq!(first, Work::done(2), "one message in, one scan out");
    let mut messages = rig.drain();
    messages.extend(rig.settle(Nanos::new(20 * SECOND)));
    assert_eq!(summary(&messages), "[1 0 0] [2 5000000000 0] [3 10000000000 0] [4 15000000000 0] ");
    assert_eq!(rig.stage.next_deadline(), Some(Nanos::new(20 * SECOND + 1)));
}

/// Two assets over eight scans, quiet or not, however often the link is read.
fn eight_scans(depth: usize, read_every: usize) -> (Vec<ScanMsg>, u64) {
    let mut rig = rig(2, depth);
    for second in 0..40 {
        let time = second * SECOND;
        let raw = 1_000_000 + (second * second * 7_919) % 1_000;
        rig.tap.push(trade(0, time, raw)).unwrap();
        rig.tap.push(trade(1, time, 2_000_000 - raw)).unwrap();
    }
    let mut messages = Vec::new();
    for poll in 0..400 {
        // The end of the stream: no grid scan lies beyond 35 s.
        let work = rig.stage.poll(Nanos::new(39 * SECOND));
        if rig.stage.is_waiting() {
            assert!(work.backpressured, "what waits is said");
            assert_eq!(rig.stage.next_deadline(), None);
        }
        if poll % read_every == 0 {
            messages.extend(rig.drain());
        }
    }
    (messages, rig.stage.held())
}

#[test]
fn a_full_scan_link_delays_but_loses_nothing() {
    let (free, held) = eight_scans(64, 1);
    assert_eq!(held, 0);
    let scans = free.iter().filter(|message| matches!(message, ScanMsg::Scan(_))).count();
    assert_eq!(
        (scans, free.len()),
        (8, 8 + 3 * 2),
        "from the sixth scan on both assets are ranked"
    );
    for depth in [1, 2, 3] {
        let (tight, held) = eight_scans(depth, 7);
        assert_eq!(tight, free, "depth {depth}");
        assert!(held > 0);
    }
}

#[test]
fn a_silence_longer_than_every_window_is_counted_and_not_scanned() {
    let settings = Settings::default();
    let mut scanner = Scanner::new(&settings, table(2), WindowSet::All);
    scanner.absorb(&trade(0, 0, 100));
    let mut made = 0u32;
    while scanner.due().is_some() {
        scanner.scan();
        made += 1;
        assert!(made < 2_000, "the grid never rests");
    }
    // Twelve scans until the price is stale, the one at 60 s included, and 751 empty ones.
    assert_eq!(made, 13 + 751);
    // A day later, one nanosecond after a point of the grid.
    let day = 86_400 * Nanos::SECOND;
    scanner.absorb(&trade(0, day + 1, 100));
    assert_eq!(scanner.due(), Some(Nanos::new(day + settings.signal_scan_ns)));
    let regime = scanner.scan();
    assert_eq!((regime.number, regime.priced), (17_282, 1));
}

/// A stage on the regime of an outside source, for two assets.
fn outside(said: Vec<OutsideScan>) -> Rig {
    let (tap, stage_tap) = link(4096);
    let (stage_scans, scans) = link(64);
    let settings = Settings { picker_window: 5, picker_assets_min: 1, ..Settings::default() };
    let stage = SignalStage::outside(&settings, table(2), said, stage_tap, stage_scans);
    Rig { tap, stage, scans }
}

#[test]
fn outside_scans_without_a_time_lie_on_the_grid_and_end_with_the_last() {
    let said = [3, 7].map(|number| OutsideScan { number, ..OutsideScan::default() });
    let mut rig = outside(said.into());
    assert_eq!(rig.stage.next_deadline(), None, "before the first price");
    rig.tap.push(trade(0, 10, 100)).unwrap();
    let messages = rig.settle(Nanos::new(60 * SECOND));
    let scans: Vec<(u32, i64)> = messages
        .iter()
        .filter_map(|message| match message {
            ScanMsg::Scan(scan) => Some((scan.number, scan.ts_ns.get())),
            ScanMsg::Rank(_) | ScanMsg::Modifiers(_) => None,
        })
        .collect();
    assert_eq!(scans, [(3, 10), (7, 10 + 5 * SECOND)]);
    assert!(rig.stage.drained() && rig.stage.next_deadline().is_none());
}

#[test]
fn after_a_restart_numbers_go_on_behind_the_last_scan() {
    let said = [3, 7].map(|number| OutsideScan {
        number,
        modifiers: Modifiers { number, ..Modifiers::default() },
        ..OutsideScan::default()
    });
    let mut rig = outside(said.into());
    rig.stage = rig.stage.behind(40);
    rig.tap.push(trade(0, 10, 100)).unwrap();
    let numbers = rig.settle(Nanos::new(60 * SECOND)).into_iter().map(|message| match message {
        ScanMsg::Scan(scan) => scan.number,
        ScanMsg::Rank(rank) => rank.number,
        ScanMsg::Modifiers(modifiers) => modifiers.number,
    });
    let mut numbers: Vec<u32> = numbers.collect();
    numbers.dedup();
    assert_eq!(numbers, [43, 47]);
}

#[test]
fn an_outside_scan_brings_its_regime_its_factors_and_the_prices_of_the_ranking() {
    let prices = |step: u32| alloc::vec![Some(f64::from(200 - step * step)), None];
    let modifiers = |number| Modifiers { number, boost: Some(1.5), ..Modifiers::default() };
    let said = |number: u32| OutsideScan {
        ts_ns: Some(Nanos::new(i64::from(number) * SECOND)),
        number,
        vel_div: Some(-0.04),
        velocity_50: Some(-0.03),
        velocity_750: Some(0.01),
        vol_ok: Some(true),
        prices: prices(number),
        modifiers: modifiers(number),
    };
    let mut rig = outside((1..=8).map(said).collect());
    rig.tap.push(trade(1, 1, 100)).unwrap();
    let messages = rig.settle(Nanos::new(60 * SECOND));
    let Some((ScanMsg::Scan(last), before)) = messages.split_last() else { panic!("a scan last") };
    assert_eq!((last.number, last.active, last.vel_div), (8, 1, Some(-0.04)));
    assert_eq!((last.velocity_50, last.velocity_750), (Some(-0.03), Some(0.01)));
    assert!(last.vol_ok && last.picker_warm);
    assert_eq!(before.last(), Some(&ScanMsg::Modifiers(modifiers(8))));
    let ranked = before.iter().rev().skip(1).take(usize::from(last.ranked));
    let ranks: Vec<_> = ranked
        .map(|message| match message {
            ScanMsg::Rank(rank) => (rank.number, rank.instrument.index()),
            ScanMsg::Scan(_) | ScanMsg::Modifiers(_) => panic!("rows before the factors"),
        })
        .collect();
    assert!(!ranks.is_empty() && ranks.iter().all(|rank| *rank == (8, 0)), "{ranks:?}");
}
