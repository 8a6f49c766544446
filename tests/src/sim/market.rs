//! A market of our own making: walks, jumps, standstills, prices of a few ticks and near the largest.

use std::sync::Arc;

use pinion_core::id::{InstrumentId, TextId};
use pinion_core::instrument::{Instrument, InstrumentTable};
use pinion_core::msg::{MarketBody, MarketMsg, Side};
use pinion_core::units::{Money, Nanos, Price, Qty, Rate};

use super::dice::Dice;
use super::options::Options;

/// Where a run begins.
pub const START: Nanos = Nanos::new(1_750_000_000 * Nanos::SECOND);

/// One instrument's price path.
#[derive(Clone, Copy, Debug)]
struct Path {
    tick: i64,
    lot: i64,
    /// In ticks.
    mid: i64,
    low: i64,
    high: i64,
}

/// Makes market messages, each with its own number. Owner: the driver.
#[derive(Clone, Debug)]
pub struct Generator {
    seed: u64,
    paths: Vec<Path>,
    number: u32,
    step_ns: i64,
    moves: [i64; 3],
    trade_ppm: i64,
    mark_ppm: i64,
    gap_ppm: i64,
}

/// Scale of an instrument: tick, lot, where the price starts and may go, in ticks.
fn scale(options: &Options, dice: &mut Dice, index: usize) -> Path {
    let one = Price::ONE.raw();
    if options.near_max == 1 && index == 0 {
        // 5e10 at most; a lot is the smallest quantity there is.
        return Path {
            tick: one,
            lot: 1,
            mid: 40_000_000_000,
            low: 30_000_000_000,
            high: 50_000_000_000,
        };
    }
    if options.near_tick == 1 && index == 0 {
        return Path { tick: one / 10_000, lot: one, mid: 12, low: 3, high: 40 };
    }
    let tick = [one / 100, one / 1_000, one / 10][usize::try_from(dice.below(3)).unwrap_or(0)];
    let lot = [one / 1_000, one / 100, one / 10][usize::try_from(dice.below(3)).unwrap_or(0)];
    let mid = dice.between(5_000, 200_000);
    Path { tick, lot, mid, low: mid / 4 + 2, high: mid * 4 }
}

impl Generator {
    /// The market of this seed and the instruments it is for.
    ///
    /// # Panics
    /// Never: the rows are valid.
    #[must_use]
    pub fn new(seed: u64, options: &Options) -> (Self, Arc<InstrumentTable>) {
        let mut dice = Dice::new(seed, 2, 0);
        let count = usize::try_from(options.instruments).unwrap_or(1).clamp(1, 3);
        let paths: Vec<Path> = (0..count).map(|index| scale(options, &mut dice, index)).collect();
        let row = |(index, path): (usize, &Path)| Instrument {
            symbol: TextId::new(["AUSDT", "BUSDT", "CUSDT"][index]).unwrap_or(TextId::EMPTY),
            tick: Price::from_raw(path.tick),
            lot: Qty::from_raw(path.lot),
            min_notional: Money::from_whole(5),
            tradable: true,
            listed_ns: None,
        };
        let rows = paths.iter().enumerate().map(row).collect();
        let table = InstrumentTable::new(rows).expect("the rows are valid");
        let generator = Self {
            seed,
            paths,
            number: 0,
            step_ns: options.step_ns,
            moves: [options.walk, options.jump, options.constant],
            trade_ppm: options.trade_ppm,
            mark_ppm: options.mark_ppm,
            gap_ppm: options.gap_ppm,
        };
        (generator, Arc::new(table))
    }

    /// Time to the next message.
    pub fn pause(&self) -> i64 {
        let mut dice = Dice::new(self.seed, 3, u64::from(self.number));
        dice.between(1, self.step_ns.saturating_mul(2))
    }

    /// The best bid and ask of an instrument now.
    #[must_use]
    pub fn touch(&self, instrument: usize) -> (Price, Price) {
        let path = &self.paths[instrument];
        (Price::from_raw(path.mid * path.tick), Price::from_raw((path.mid + 1) * path.tick))
    }

    /// The next message, at `now`.
    pub fn next(&mut self, now: Nanos) -> MarketMsg {
        self.number += 1;
        let mut dice = Dice::new(self.seed, 4, u64::from(self.number));
        let index = usize::try_from(dice.below(self.paths.len() as u64)).unwrap_or(0);
        let moves = dice.weighted(&self.moves);
        let path = &mut self.paths[index];
        let by = match moves {
            0 => dice.between(-3, 3) * (path.mid / 20_000).max(1),
            1 if dice.chance(20_000) => dice.between(-path.mid / 12, path.mid / 12),
            1 => dice.between(-1, 1),
            _ => 0,
        };
        path.mid = (path.mid + by).clamp(path.low, path.high);
        let path = *path;
        let at = |ticks: i64| Price::from_raw((path.mid + ticks) * path.tick);
        let lots = |dice: &mut Dice| Qty::from_raw(dice.magnitude(1, 100_000) * path.lot);
        let (number, buys) = (u64::from(self.number), dice.chance(500_000));
        let body = if dice.chance(self.gap_ppm) {
            MarketBody::Gap
        } else if dice.chance(self.mark_ppm) {
            MarketBody::Mark {
                mark: Some(at(0)),
                index: None,
                funding_rate: Some(Rate::from_raw(dice.between(-100_000, 100_000))),
                next_funding_ns: dice
                    .chance(500_000)
                    .then(|| now.plus(dice.magnitude(1_000_000_000, 600_000_000_000))),
            }
        } else if dice.chance(self.trade_ppm) {
            MarketBody::Trade {
                price: if buys { at(1) } else { at(0) },
                qty: lots(&mut dice),
                taker: Some(if buys { Side::Buy } else { Side::Sell }),
                trade_id: number,
                merged: 0,
            }
        } else {
            let (bid_qty, ask_qty) = (lots(&mut dice), lots(&mut dice));
            MarketBody::Quote {
                bid: at(0),
                ask: at(1),
                bid_qty: Some(bid_qty),
                ask_qty: Some(ask_qty),
            }
        };
        let mut message = MarketMsg::from_body(InstrumentId::new(index), now, Some(now), body);
        message.seq = self.number;
        message
    }
}
