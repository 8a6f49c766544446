//! Tests of: synth. The built-in market against its promises, and its figures against those of
//! recorded markets.

mod figures;
mod recorded;

use pinion_core::instrument::{Instrument, InstrumentTable};
use pinion_core::msg::{MarketBody, MarketMsg, Side};
use pinion_core::settings::Settings;
use pinion_core::units::{Nanos, Price, Qty};
use pinion_io::source::Source;
use pinion_io::synth::{START, SynthMarket, instruments};
use pinion_tests::shared;

use figures::{
    Tape, clustering, median, moments, quantile, share_below, shares, velocity_divergence,
};

const HOUR_NS: i64 = 3_600 * Nanos::SECOND;

fn settings(seed: i64, count: i64, duration_ns: i64) -> Settings {
    Settings {
        engine_seed: seed,
        synth_instruments: count,
        synth_duration_ns: duration_ns,
        ..Settings::default()
    }
}

fn table(settings: &Settings) -> InstrumentTable {
    InstrumentTable::new(instruments(settings)).expect("a valid table")
}

/// Every event of a market; each must be one message, announced by `next_ts`.
fn for_each(market: &mut SynthMarket, mut each: impl FnMut(&MarketMsg)) {
    let mut batch = Vec::with_capacity(1);
    while let Some(ts) = market.next_ts().expect("never faults") {
        batch.clear();
        market.next(&mut batch).expect("never faults");
        assert_eq!(batch.len(), 1, "one message an event");
        assert_eq!(batch[0].ts_recv_ns, ts);
        each(&batch[0]);
    }
}

fn events(settings: &Settings, most: usize) -> Vec<MarketMsg> {
    let mut market = SynthMarket::new(settings, &table(settings));
    let mut batch = Vec::new();
    while batch.len() < most && market.next_ts().expect("never faults").is_some() {
        market.next(&mut batch).expect("never faults");
    }
    batch
}

/// FNV-1a over all that an event says.
fn digest(events: &[MarketMsg]) -> u64 {
    let text = |msg: &MarketMsg| {
        format!("{:?} {:?} {:?} {:?}", msg.ts_recv_ns, msg.ts_exch_ns, msg.instrument, msg.body())
    };
    let bytes = events.iter().flat_map(|msg| text(msg).into_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[test]
fn a_seed_gives_the_same_events_everywhere() {
    let first = events(&settings(1, 10, 24 * HOUR_NS), 100_000);
    assert_eq!(first.len(), 100_000);
    let digest = digest(&first);
    assert_eq!(digest, 0xf8c8_271c_b78c_dc19, "the market of seed 1 changed: {digest:#x}");
}

#[test]
fn another_seed_gives_another_market() {
    let of = |seed| events(&settings(seed, 10, HOUR_NS), 2_000);
    assert_ne!(digest(&of(1)), digest(&of(2)));
    assert_eq!(digest(&of(2)), digest(&of(2)));
}

#[test]
fn an_instrument_does_not_depend_on_the_others() {
    let bitcoin = |count| {
        let settings = settings(4, count, HOUR_NS / 6);
        let id = table(&settings).find("BTCUSDT").expect("always there");
        let all = events(&settings, usize::MAX);
        all.iter().filter(|msg| msg.instrument == id).map(MarketMsg::body).collect::<Vec<_>>()
    };
    let alone = bitcoin(1);
    assert!(alone.len() > 200);
    assert_eq!(alone, bitcoin(3));
    assert_eq!(alone, bitcoin(64));
}

#[test]
fn every_event_keeps_the_promises() {
    let settings = settings(5, 64, HOUR_NS);
    let table = table(&settings);
    let mut market = SynthMarket::new(&settings, &table);
    let mut last = START;
    let mut quoted = vec![START; table.len()];
    let mut trade_ids = vec![0; table.len()];
    let (mut quotes, mut trades, mut marks, mut through) = (0, 0, 0, 0);
    let mut touch = vec![(Price::ZERO, Price::MAX); table.len()];
    for_each(&mut market, |msg| {
        let at = msg.instrument.index();
        let Instrument { tick, lot, symbol, .. } = *table.row(msg.instrument);
        let on_tick = |price: Price| price.is_positive() && price.is_multiple_of(tick);
        let on_lot = |qty: Qty| qty.is_positive() && qty.is_multiple_of(lot);
        let now = msg.ts_recv_ns;
        assert!(now >= last && now < START.plus(HOUR_NS), "{symbol}: {now:?} after {last:?}");
        assert!(msg.ts_exch_ns.get().is_some_and(|sent| sent < now));
        last = now;
        match msg.body() {
            MarketBody::Quote { bid, ask, bid_qty, ask_qty } => {
                assert!(bid < ask && on_tick(bid) && on_tick(ask), "{symbol}: {bid} {ask}");
                assert!(bid_qty.is_some_and(on_lot) && ask_qty.is_some_and(on_lot), "{symbol}");
                assert!(now.since(quoted[at]) < 2 * Nanos::SECOND, "{symbol}: a stale quote");
                quoted[at] = now;
                touch[at] = (bid, ask);
                quotes += 1;
            }
            MarketBody::Trade { price, qty, taker, trade_id, merged } => {
                assert!(on_tick(price) && on_lot(qty) && merged == 0, "{symbol}: {price} {qty}");
                assert_eq!(trade_id, trade_ids[at] + 1, "{symbol}");
                trade_ids[at] = trade_id;
                let (bid, ask) = touch[at];
                let beyond = match taker {
                    Some(Side::Buy) => price.raw() - ask.raw(),
                    Some(Side::Sell) => bid.raw() - price.raw(),
                    None => panic!("{symbol}: a trade without a taker"),
                };
                assert!(beyond >= 0, "{symbol}: a trade inside the spread");
                through += u32::from(beyond > 0);
                trades += 1;
            }
            MarketBody::Mark { mark, index, funding_rate, next_funding_ns } => {
                assert!(
                    mark.is_some_and(on_tick) && index.is_some_and(on_tick),
                    "{symbol}: {mark:?}"
                );
                let rate = funding_rate.expect("always there").to_f64();
                assert!(rate.abs() < 0.001, "{symbol}: funding {rate}");
                let next = next_funding_ns.expect("always there");
                assert!(next > now && next.get() % (8 * HOUR_NS) == 0, "{symbol}: {next:?}");
                marks += 1;
            }
            other => panic!("{symbol}: unexpected {other:?}"),
        }
    });
    let counts = market.counts();
    assert_eq!((counts.quote, counts.trade, counts.mark), (quotes, trades, marks));
    assert_eq!(counts.total(), quotes + trades + marks);
    assert_eq!(marks, 64 * 360, "one mark price per instrument each 10 s");
    assert!(trades > 10_000 && u64::from(through) > trades / 200, "{through} of {trades}");
    assert!(u64::from(through) < trades / 20, "{through} of {trades} go through the touch");
}

#[test]
fn the_end_is_the_end() {
    // Not a whole number of slices: nothing may come after.
    let duration = 3_333_333_333;
    let settings = settings(1, 10, duration);
    let mut market = SynthMarket::new(&settings, &table(&settings));
    assert!(market.progress() < 0.1);
    let mut seen = 0;
    for_each(&mut market, |msg| {
        assert!(msg.ts_recv_ns < START.plus(duration));
        seen += 1;
    });
    assert!(seen >= 30, "{seen}");
    assert!((market.progress() - 1.0).abs() < 1e-12);
    for _ in 0..2 {
        let mut batch = Vec::new();
        market.next(&mut batch).expect("never faults");
        assert!(batch.is_empty());
        assert_eq!(market.next_ts(), Ok(None));
    }
    assert_eq!(market.counts().total(), seen);
}

#[test]
fn the_table_decides_ticks_lots_and_who_trades() {
    let settings = settings(1, 10, HOUR_NS / 60);
    let mut rows = instruments(&settings);
    rows.retain(|row| row.symbol.as_str() != "ETHUSDT");
    rows[0].tick = Price::from_whole(5);
    rows[0].lot = Qty::from_raw(7);
    let table = InstrumentTable::new(rows).expect("a valid table");
    let bitcoin = table.find("BTCUSDT").expect("kept");
    let mut seen = [0; 9];
    for_each(&mut SynthMarket::new(&settings, &table), |msg| {
        seen[msg.instrument.index()] += 1;
        if let MarketBody::Quote { bid, ask, bid_qty, .. } = msg.body()
            && msg.instrument == bitcoin
        {
            assert!(bid.is_multiple_of(Price::from_whole(5)) && bid < ask);
            assert!(bid > Price::from_whole(80_000), "same price on a coarser tick: {bid}");
            assert!(bid_qty.expect("given").is_multiple_of(Qty::from_raw(7)));
        }
    });
    assert!(seen.iter().all(|count| *count > 20), "{seen:?}");
}

/// A figure of a market, what recordings say of it, and how near the built-in market must come.
struct Row {
    name: &'static str,
    /// As measured on the recordings named in `from`; checked against them where they are at hand.
    recorded: f64,
    from: &'static str,
    /// The generated figure may differ by this factor either way.
    within: f64,
    why: &'static str,
}

const BARS: &str = "16 perpetuals, 21 days";
const TRADES: &str = "10 perpetuals, a day";
const ALL: &str = "17 perpetuals, 3 venues";
const QUOTES: &str = "9 perpetuals, 3 venues";

const fn row(
    name: &'static str,
    recorded: f64,
    from: &'static str,
    within: f64,
    why: &'static str,
) -> Row {
    Row { name, recorded, from, within, why }
}

#[rustfmt::skip]
const ROWS: [Row; 17] = [
    row("return 5 s, deviation bps",    3.143, ALL,    1.6, "0.5 (BTC) to 12 (new coins)"),
    row("return 60 s, deviation bps",   10.8,  ALL,    1.6, "2 to 43 over the assets"),
    row("return 5 s, kurtosis",         15.9,  ALL,    2.0, "5 to 76: a fourth power is noisy"),
    row("return 60 s, kurtosis",        7.27,  ALL,    2.0, "3.5 to 48"),
    row("|return 60 s|, memory",        0.070, TRADES, 2.5, "0.01 to 0.25 over the assets"),
    row("share 240 min, lowest",        0.386, BARS,   1.6, "one day against 21"),
    row("share 240 min, median",        0.686, BARS,   1.4, "differs from day to day"),
    row("share 240 min, highest",       0.825, BARS,   1.4, "one day against 21"),
    row("vel_div below -0.02, % scans", 1.91,  BARS,   2.5, "scans of a minute; 5 s built-in"),
    row("vel_div below -0.05, % scans", 0.163, BARS,   4.0, "the same, and rare"),
    row("events a second",              13.0,  TRADES, 2.0, "chosen: 1 to 2 million a day"),
    row("busiest 1 % of seconds, x mean", 4.37, "4 recordings", 1.5, "3.6 to 4.9"),
    row("events in 10 ms, median",      1.0,   TRADES, 1.0, "of those with any"),
    row("events in 10 ms, 99th",        10.0,  TRADES, 1.6, "6 to 16 at such rates"),
    row("events in 10 ms, most",        158.0, TRADES, 2.0, "88 to 193 at such rates"),
    row("spread, median bps",           0.233, QUOTES, 4.0, "0.01 to 2.7: tick over price"),
    row("spread, 95th, x median",       2.0,   QUOTES, 1.5, "1 to 5 over the assets"),
];

/// The figures of [`ROWS`]. `tapes` starts with the whole day; `minutes` are one-minute returns,
/// `scans` the returns from scan to scan.
fn measure(tapes: &[Tape], minutes: &[Vec<f64>], scans: &[Vec<f64>]) -> [f64; ROWS.len()] {
    let long = || tapes.iter().filter(|tape| tape.seconds() > 1_800);
    let over = |step_s: usize, of: &dyn Fn(&[f64]) -> f64| {
        median(long().flat_map(|tape| tape.own_returns(step_s)).map(|returns| of(&returns)))
    };
    let day = &tapes[0];
    let mut windows = shares(minutes, 240, 5);
    let vel_div = velocity_divergence(scans, 50, 750);
    let (burst_p50, burst_p99, burst_most) = day.bursts();
    let spreads: Vec<(f64, f64)> = tapes.iter().flat_map(Tape::spreads).collect();
    [
        over(5, &|r| moments(r).0 * 1e4),
        over(60, &|r| moments(r).0 * 1e4),
        over(5, &|r| moments(r).1),
        over(60, &|r| moments(r).1),
        median(day.returns(60).iter().map(|r| clustering(r))),
        quantile(&mut windows, 0.0),
        quantile(&mut windows, 0.5),
        quantile(&mut windows, 1.0),
        100.0 * share_below(&vel_div, -0.02),
        100.0 * share_below(&vel_div, -0.05),
        day.rate().0,
        median(tapes.iter().map(|tape| tape.rate().1)),
        burst_p50,
        burst_p99,
        burst_most,
        median(spreads.iter().map(|spread| spread.0)),
        median(spreads.iter().map(|spread| spread.1)),
    ]
}

fn recordings() -> Option<[f64; ROWS.len()]> {
    let day = shared("data/usdm-aggtrades-20260410/ticks.csv.zst")?;
    let hyperliquid = shared("data/hyperliquid-4perps-20250904/ticks.csv.zst")?;
    let aster = shared("data/aster-3perps-20250924/ticks.csv.zst")?;
    let binance = shared("data/binance-raw-20240808/usdm/ticks.csv.zst")?;
    let bars = shared("data/bars1m-perp16-202505/bars1m.csv.zst")?;
    let tapes = [
        recorded::ticks(&day, false),
        recorded::ticks(&hyperliquid, true),
        recorded::ticks(&aster, true),
        recorded::ticks(&binance, true),
    ];
    let minutes = recorded::bar_returns(&bars);
    Some(measure(&tapes, &minutes, &minutes))
}

fn tape(settings: &Settings) -> Tape {
    let table = table(settings);
    let mut tape = Tape::default();
    table.iter().for_each(|(_, row)| {
        tape.asset(row.symbol.as_str());
    });
    for_each(&mut SynthMarket::new(settings, &table), |msg| {
        let ts_ns = msg.ts_recv_ns.get();
        tape.event(ts_ns);
        if let MarketBody::Quote { bid, ask, .. } = msg.body() {
            tape.quote(msg.instrument.index(), ts_ns, bid.to_f64(), ask.to_f64());
        }
    });
    tape
}

/// The table in the test's output (`--nocapture`) is what to look at after a change of the model.
#[test]
fn the_market_looks_like_recorded_ones() {
    let tape = tape(&settings(1, 10, 24 * HOUR_NS));
    let (minutes, scans) = (tape.returns(60), tape.returns(5));
    let made = measure(&[tape], &minutes, &scans);
    println!("{:32}{:>9}{:>9}  within  recorded from", "figure", "recorded", "built-in");
    for (Row { name, recorded, from, within, why }, made) in ROWS.iter().zip(made) {
        println!("{name:32}{recorded:9.3}{made:9.3}  {within:4.1} x  {from} ({why})");
    }
    for (Row { name, recorded, within, .. }, made) in ROWS.iter().zip(made) {
        let ratio = made / recorded;
        assert!(
            ratio <= *within && ratio >= 1.0 / within,
            "{name}: {made}, recorded {recorded}, may differ by a factor of {within}"
        );
    }
    let Some(measured) = recordings() else { return };
    for (Row { name, recorded, .. }, measured) in ROWS.iter().zip(measured) {
        let ratio = measured / recorded;
        assert!((ratio - 1.0).abs() < 0.01, "{name}: recordings {measured}, table {recorded}");
    }
}

/// What a seed may change, and what no seed may: every market has fat tails, memory and regimes.
#[test]
fn every_seed_makes_a_lively_market() {
    for seed in 2..=4 {
        let settings = settings(seed, 10, 24 * HOUR_NS);
        let tape = tape(&settings);
        let scans = tape.returns(5);
        for (asset, returns) in tape.assets.iter().zip(tape.returns(60)) {
            let (_, kurtosis) = moments(&returns);
            let memory = clustering(&returns);
            let name = &asset.name;
            assert!(kurtosis > 3.0 && memory > 0.02, "seed {seed} {name}: {kurtosis} {memory}");
        }
        let mut windows = shares(&scans, 50, 10);
        let (low, high) = (quantile(&mut windows, 0.01), quantile(&mut windows, 0.99));
        assert!(low < 0.3 && high > 0.7, "seed {seed}: shares from {low} to {high}");
        let vel_div = velocity_divergence(&scans, 50, 750);
        let (some, few) = (share_below(&vel_div, -0.02), share_below(&vel_div, -0.05));
        assert!((0.01..0.045).contains(&some), "seed {seed}: {some} of the scans below -0.02");
        assert!((0.001..0.01).contains(&few), "seed {seed}: {few} of the scans below -0.05");
        let events = tape.events();
        assert!((1_000_000..2_000_000).contains(&events), "seed {seed}: {events} events");
    }
}
