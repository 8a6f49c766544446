//! The perpetuals of the built-in market: ten named ones, and as many made-up ones as asked for.

use pinion_core::id::TextId;
use pinion_core::instrument::Instrument;
use pinion_core::units::{Money, Price, Qty, SCALE};

use crate::synth::rng::Rng;

/// One perpetual and how it trades.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    /// What the engine sees of it.
    pub(super) instrument: Instrument,
    /// Price at the start of the run, in quote currency.
    pub(super) start_price: f64,
    /// Deviation of a day's log return.
    pub(super) daily_vol: f64,
    /// Share of the market's coupling that it takes part in: 1 follows fully, 0 goes its own way.
    pub(super) coupling: f64,
    /// Spread in calm times, in basis points; at least one tick whatever it is.
    pub(super) spread_bps: f64,
    /// Bursts of activity a second in calm times.
    pub(super) burst_rate: f64,
    /// Median worth of what stands at the touch, in quote currency.
    pub(super) touch_notional: f64,
}

/// Raw steps and traits of a named perpetual: symbol, tick, lot, least notional (whole), price, daily
/// vol, coupling, spread bps, burst rate, touch notional. The steps are those of the large venues.
type Row = (&'static str, i64, i64, i64, f64, f64, f64, f64, f64, f64);

#[rustfmt::skip]
const NAMED: [Row; 10] = [
    ("BTCUSDT",  10_000_000,    100_000, 50, 92_400.0, 0.024, 1.00, 0.011, 0.240, 180_000.0),
    ("ETHUSDT",   1_000_000,    100_000, 20,  3_160.0, 0.034, 1.00, 0.030, 0.160, 120_000.0),
    ("SOLUSDT",   1_000_000,  1_000_000,  5,    137.5, 0.045, 0.98, 0.700, 0.100,  60_000.0),
    ("BNBUSDT",   1_000_000,  1_000_000,  5,    905.0, 0.030, 0.92, 0.120, 0.065,  40_000.0),
    ("XRPUSDT",      10_000, 10_000_000,  5,      2.1, 0.045, 0.96, 0.500, 0.080,  50_000.0),
    ("DOGEUSDT",      1_000,      SCALE,  5,    0.146, 0.055, 0.96, 0.700, 0.065,  35_000.0),
    ("ADAUSDT",      10_000,      SCALE,  5,    0.412, 0.050, 0.94, 2.000, 0.040,  45_000.0),
    ("AVAXUSDT",    100_000,      SCALE,  5,     14.1, 0.055, 0.93, 0.800, 0.040,  20_000.0),
    ("LINKUSDT",    100_000,  1_000_000,  5,    13.35, 0.052, 0.95, 0.800, 0.040,  25_000.0),
    ("SUIUSDT",      10_000, 10_000_000,  5,     1.78, 0.060, 0.94, 1.100, 0.050,  22_000.0),
];

/// The first `count` perpetuals. They depend on nothing else: a seed changes what happens, not where.
pub(super) fn listings(count: usize) -> Vec<Listing> {
    let named = NAMED.iter().map(named);
    named.chain((NAMED.len()..).map(made_up)).take(count).collect()
}

fn named(row: &Row) -> Listing {
    let &(symbol, tick, lot, least, price, vol, coupling, spread_bps, burst_rate, touch) = row;
    Listing {
        instrument: instrument(symbol, tick, lot, least),
        start_price: price,
        daily_vol: vol,
        coupling,
        spread_bps,
        burst_rate,
        touch_notional: touch,
    }
}

/// A thin alternative coin: a price between 0.002 and 100, a tick of 1 to 5 basis points of it, a lot
/// worth a few hundredths.
fn made_up(index: usize) -> Listing {
    let mut rng = Rng::new(0, index as u64);
    let decade = (rng.unit() * 5.0) as u32;
    let lead = 2.0 + 8.0 * rng.unit();
    let whole = SCALE / 1_000 * 10_i64.pow(decade);
    Listing {
        instrument: instrument(
            &format!("S{}USDT", index + 1),
            whole / 1_000,
            (SCALE / 10 * SCALE / (whole * 10)).max(1),
            5,
        ),
        start_price: whole as f64 / SCALE as f64 * lead,
        daily_vol: 0.04 + 0.03 * rng.unit(),
        coupling: 0.85 + 0.1 * rng.unit(),
        spread_bps: 1.0 + 3.0 * rng.unit(),
        burst_rate: 0.03 + 0.03 * rng.unit(),
        touch_notional: 5_000.0 + 15_000.0 * rng.unit(),
    }
}

fn instrument(symbol: &str, tick: i64, lot: i64, least: i64) -> Instrument {
    Instrument {
        symbol: TextId::new(symbol).unwrap_or(TextId::EMPTY),
        tick: Price::from_raw(tick),
        lot: Qty::from_raw(lot),
        min_notional: Money::from_whole(least),
        tradable: true,
        listed_ns: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pinion_core::instrument::InstrumentTable;

    #[test]
    fn sixty_four_perpetuals_have_names_of_their_own_and_sane_steps() {
        let all = listings(64);
        assert_eq!(all.len(), 64);
        assert_eq!(all[0].instrument.symbol.as_str(), "BTCUSDT");
        assert_eq!(all[10].instrument.symbol.as_str(), "S11USDT");
        assert_eq!(all[63].instrument.symbol.as_str(), "S64USDT");
        InstrumentTable::new(all.iter().map(|l| l.instrument).collect()).expect("a valid table");
        for listing in &all {
            let Instrument { symbol, tick, lot, .. } = listing.instrument;
            let tick_bps = tick.to_f64() / listing.start_price * 1e4;
            assert!((0.005..=5.0).contains(&tick_bps), "{symbol}: tick {tick_bps} bps");
            let lot_worth = lot.to_f64() * listing.start_price;
            assert!(lot_worth > 0.001 && lot_worth < 100.0, "{symbol}: lot worth {lot_worth}");
        }
    }

    #[test]
    fn asking_for_more_changes_nothing_of_the_first() {
        let (few, many) = (listings(12), listings(64));
        assert_eq!(format!("{few:?}"), format!("{:?}", &many[..12]));
    }
}
