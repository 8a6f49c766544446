//! Recordings with an oracle, and the counts of the others.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::slice;

use pinion_core::id::TextId;
use pinion_core::msg::{MarketBody, MarketKind, Side};
use pinion_core::settings::InstrumentOverride;
use pinion_core::units::{Nanos, Price, Qty};
use pinion_io::data::{DataOptions, open};
use pinion_io::wire::binance::{Decoder, DepthKind, Frame, PADDING};
use pinion_tests::shared;
use serde_json::Value;

use super::{OPTIONS, Read, read_all};

/// Sixteen decimals: the exact product of two decimals.
fn product_text(text: &str) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{fraction:0<16}");
    digits.parse().expect("digits")
}

#[test]
fn raw_recordings_equal_their_oracle() {
    for folder in [
        "data/binance-raw-20240808/usdm",
        "data/binance-raw-20240808/coinm",
        "data/binance-raw-20240808/spot",
        "data/nexousdt-raw-20240723",
    ] {
        let Some(folder) = shared(folder) else { return };
        let oracle = std::fs::read_to_string(folder.join("expect.json")).expect("readable");
        let oracle: Value = serde_json::from_str(&oracle).expect("JSON");
        let read = read_all(slice::from_ref(&folder), &OPTIONS).expect("reads");
        assert_eq!(read.rejected(), BTreeMap::new());
        assert_eq!((read.counts.gaps, read.counts.ignored), (0, 0));
        let mut frames = 0;
        for of_file in oracle.as_object().expect("files").values() {
            let symbol = of_file["symbol"].as_str().expect("a text");
            frames += of_file["frames"].as_u64().expect("a count");
            check_trades(&read, symbol, of_file);
            let quotes = read.of(symbol, MarketKind::Quote);
            let streams = of_file["streams"].as_object().expect("streams");
            let recorded: u64 = streams
                .iter()
                .filter(|(name, _)| name.ends_with("@bookTicker"))
                .filter_map(|(_, count)| count.as_u64())
                .sum();
            assert_eq!(quotes.len() as u64, recorded, "{symbol}");
            let last = &of_file["last_book_ticker"];
            let price =
                |key: &str| last[key].as_str().expect("a text").parse::<Price>().expect("a price");
            let qty = |key: &str| last[key].as_str().expect("a text").parse::<Qty>().ok();
            let expected = MarketBody::Quote {
                bid: price("b"),
                ask: price("a"),
                bid_qty: qty("B"),
                ask_qty: qty("A"),
            };
            assert_eq!(quotes.last().expect("quotes").body(), expected, "{symbol}");
            let tradable = !symbol.contains("USD_");
            let id = read.table.find(symbol).expect(symbol);
            assert_eq!(read.table.row(id).tradable, tradable, "{symbol}");
        }
        let read_frames = read.counts.total();
        assert_eq!(read_frames, frames);
        assert_eq!(read.events.len() as u64, frames);
    }
}

fn check_trades(read: &Read, symbol: &str, oracle: &Value) {
    let (mut count, mut buys, mut sells, mut qty_sum, mut notional) =
        (0u64, 0u64, 0u64, 0i128, 0i128);
    for message in read.of(symbol, MarketKind::Trade) {
        let MarketBody::Trade { price, qty, taker, .. } = message.body() else { unreachable!() };
        count += 1;
        match taker.expect("the venue says it") {
            Side::Buy => buys += 1,
            Side::Sell => sells += 1,
        }
        qty_sum += i128::from(qty.raw());
        notional += i128::from(price.raw()) * i128::from(qty.raw());
    }
    assert_eq!(oracle["trades"], count, "{symbol}");
    assert_eq!(oracle["trades_aggressor_buy"], buys, "{symbol}");
    assert_eq!(oracle["trades_aggressor_sell"], sells, "{symbol}");
    let text = |key: &str| product_text(oracle[key].as_str().expect("a text"));
    assert_eq!(text("trade_qty_sum"), qty_sum * 100_000_000, "{symbol}");
    assert_eq!(text("trade_notional_sum"), notional, "{symbol}");
}

/// Each frame is also decoded with a blank in it, which the short way does not take: both must agree.
#[test]
fn every_recorded_frame_is_decoded_alike_by_both_ways() {
    for folder in ["usdm", "coinm", "spot"] {
        let Some(folder) = shared(&format!("data/binance-raw-20240808/{folder}")) else { return };
        let oracle = std::fs::read_to_string(folder.join("expect.json")).expect("readable");
        let oracle: Value = serde_json::from_str(&oracle).expect("JSON");
        for of_file in oracle.as_object().expect("files").values() {
            let file = folder.join(of_file["file"].as_str().expect("a name"));
            let changes = decode_both_ways(&file);
            assert_eq!(of_file["depth_level_changes"], changes, "{}", file.display());
        }
    }
}

/// Number of level changes in the depth frames.
fn decode_both_ways(file: &Path) -> u64 {
    let mut text = String::new();
    let packed = std::fs::File::open(file).expect("opens");
    zstd::Decoder::new(packed).expect("zstd").read_to_string(&mut text).expect("reads");
    let (mut short, mut general) = (Decoder::new(), Decoder::new());
    let mut changes = 0;
    for (number, line) in text.lines().enumerate() {
        let json = line.split_once(' ').expect("a stamp").1;
        let mut bytes = json.as_bytes().to_vec();
        bytes.resize(json.len() + PADDING, b'x');
        let frame = short.decode(&mut bytes, json.len()).expect("a frame");
        if let Frame::Depth(depth) = frame
            && depth.kind == DepthKind::Diff
        {
            changes += (short.levels().bids.len() + short.levels().asks.len()) as u64;
        }
        if number % 5 == 0 {
            let blank = format!("{{ {}", &json[1..]);
            let mut bytes = blank.as_bytes().to_vec();
            bytes.resize(blank.len() + PADDING, b'x');
            assert_eq!(general.decode(&mut bytes, blank.len()), Ok(frame));
            if matches!(frame, Frame::Depth(_)) {
                assert_eq!(general.levels(), short.levels());
            }
        }
    }
    changes
}

#[test]
fn tick_rows_are_what_the_raw_frames_decode_to() {
    for folder in ["data/binance-raw-20240808/usdm", "data/nexousdt-raw-20240723"] {
        let Some(folder) = shared(folder) else { return };
        let raw = read_all(slice::from_ref(&folder), &OPTIONS).expect("reads");
        let rows = read_all(&[folder.join("ticks.csv.zst")], &OPTIONS).expect("reads");
        assert!(
            raw.notices.iter().any(|notice| notice.contains("ticks.csv.zst: tick or book rows"))
        );
        let symbols =
            |read: &Read| read.table.iter().map(|(_, row)| row.symbol).collect::<Vec<_>>();
        assert_eq!(symbols(&raw), symbols(&rows));
        for symbol in symbols(&raw) {
            for kind in [MarketKind::Quote, MarketKind::Trade] {
                let (ours, given) = (raw.of(symbol.as_str(), kind), rows.of(symbol.as_str(), kind));
                assert_eq!(ours.len(), given.len(), "{symbol}");
                for (ours, given) in ours.iter().zip(&given) {
                    assert_eq!(ours, given, "{symbol}");
                }
            }
        }
        assert_eq!(rows.rejected(), BTreeMap::new());
    }
}

#[test]
fn steps_are_read_from_the_data() {
    let Some(folder) = shared("data/binance-raw-20240808/usdm") else { return };
    let overrides = [InstrumentOverride {
        symbol: TextId::new("ETHUSDT").expect("fits"),
        lot: Some(Qty::ONE),
        tradable: Some(false),
        ..InstrumentOverride::default()
    }];
    let set = open(&[folder], &DataOptions { overrides: &overrides, ..OPTIONS }).expect("opens");
    let steps: Vec<_> = set
        .instruments
        .iter()
        .map(|row| {
            format!("{} {} {} {} {}", row.symbol, row.tick, row.lot, row.min_notional, row.tradable)
        })
        .collect();
    assert_eq!(steps, ["BTCUSDT 0.1 0.001 5 true", "ETHUSDT 0.01 1 5 false"]);
    use MarketKind::{Level, Quote, Reset, Trade};
    assert_eq!(set.kinds, [Quote, Trade, Level, Reset]);
    let (first, last) = set.span.expect("events");
    assert_eq!(first.get(), 1_723_161_255_030_314_667);
    assert_eq!(last.get(), 1_723_161_599_881_488_984);
}

#[test]
fn other_recordings_are_read_whole() {
    let expect = |folder: &str, quotes: u64, trades: u64, rejected: &[(&'static str, u64)]| {
        let Some(path) = shared(&format!("data/{folder}")) else { return };
        let read = read_all(&[path], &OPTIONS).expect("reads");
        let left_out: u64 = rejected.iter().map(|(_, count)| count).sum();
        assert_eq!(read.counts.quote + read.counts.trade + left_out, quotes + trades, "{folder}");
        assert_eq!(read.rejected(), rejected.iter().copied().collect(), "{folder}");
    };
    expect("hyperliquid-4perps-20250904", 51_219, 20_524, &[]);
    expect("aster-3perps-20250924", 146_837, 176_650, &[]);
    expect("barter-spot3-20250325", 38_968, 11_032, &[]);
    expect("usdm-aggtrades-20260410", 0, 1_125_382, &[]);
    expect("standx-btcusd-20260106", 128_807, 73_849, &[]);
}

#[test]
fn locked_books_pass_and_missing_values_stay_missing() {
    let Some(folder) = shared("data/standx-btcusd-20260106") else { return };
    let read = read_all(&[folder.join("ticks.csv.zst")], &OPTIONS).expect("reads");
    let locked = read.messages().filter(
        |message| matches!(message.body(), MarketBody::Quote { bid, ask, .. } if bid == ask),
    );
    assert_eq!(locked.count(), 58_114);
    let trades = read.of("BTC-USD", MarketKind::Trade);
    assert!(
        trades.iter().all(|trade| matches!(
            trade.body(),
            MarketBody::Trade { taker: None, trade_id: 0, .. }
        ))
    );
    let Some(aster) = shared("data/aster-3perps-20250924") else { return };
    let read = read_all(&[aster], &OPTIONS).expect("reads");
    let quotes = read.of("BTCUSDT", MarketKind::Quote);
    assert_eq!(quotes.len(), 44_050);
    assert!(quotes.iter().all(|quote| matches!(
        quote.body(),
        MarketBody::Quote { bid_qty: None, ask_qty: None, .. }
    )));
}

#[test]
fn a_book_without_quote_rows_gives_the_quotes() {
    let Some(folder) = shared("data/hyperliquid-4perps-20250904") else { return };
    let derived = read_all(&[folder.join("book20.csv.zst")], &OPTIONS).expect("reads");
    assert_eq!(derived.counts.snapshot + derived.counts.depth, 15_108);
    assert_eq!(derived.counts.quote, 0, "none was recorded");
    for symbol in ["BTC", "ETH", "SOL", "WLFI"] {
        let quotes = derived.of(symbol, MarketKind::Quote);
        assert!(quotes.len() > 1_000, "{symbol}: {}", quotes.len());
        assert!(quotes.windows(2).all(|pair| pair[0].body() != pair[1].body()), "only changes");
    }
    let with_rows = read_all(&[folder], &OPTIONS).expect("reads");
    assert_eq!(with_rows.of("BTC", MarketKind::Quote).len() as u64, {
        let all =
            ["ETH", "SOL", "WLFI"].map(|symbol| with_rows.of(symbol, MarketKind::Quote).len());
        with_rows.counts.quote - all.iter().sum::<usize>() as u64
    });
}

#[test]
fn bars_come_at_their_end_and_funding_at_its_time() {
    let Some(folder) = shared("data/bars1m-perp16-202505") else { return };
    let read = read_all(&[folder], &OPTIONS).expect("reads");
    assert_eq!(read.counts.bar, 476_982);
    assert_eq!(read.table.len(), 16, "symbols with funding alone are not traded");
    // Of 5,476 rows; the others lie outside the 21 days of the bars.
    assert_eq!(read.counts.mark, 1_488);
    assert_eq!(read.rejected(), BTreeMap::new(), "not rejected: not read");
    assert_eq!(read.kinds, [MarketKind::Mark, MarketKind::Bar]);
    let bar = read.of("AVAXUSDT", MarketKind::Bar)[0];
    assert_eq!(bar.ts_exch_ns.get(), Some(Nanos::new(1_746_403_200_000_000_000)));
    assert_eq!(bar.ts_recv_ns, Nanos::new(1_746_403_260_000_000_000));
    let marks = read.of("BNBUSDT", MarketKind::Mark);
    let zero = marks.iter().find(|mark| mark.ts_recv_ns.get() == 1_746_432_000_000_000_000);
    assert!(matches!(
        zero.expect("the first row").body(),
        MarketBody::Mark { mark: Some(_), funding_rate: Some(rate), .. } if rate.is_zero()
    ));
    assert!(marks.iter().any(|mark| matches!(mark.body(), MarketBody::Mark { mark: None, .. })));
}
