//! What a perpetual shows: the best bid and ask, on the tick and never crossed, and trades against
//! them, on the lot.

use pinion_core::msg::{MarketBody, Side};
use pinion_core::units::{Price, Qty};

use crate::synth::listing::Listing;
use crate::synth::rng::Rng;

/// A spread is wide with this probability in calm times, and likelier the more vol there is.
const WIDE_CALM: f64 = 0.06;
const WIDE_MOST: f64 = 0.5;
/// Mean multiple by which a wide spread exceeds the calm one.
const WIDE_EXCESS: f64 = 2.5;
/// A quote stays while the price is within it or this many ticks beyond.
const STICKY_TICKS: f64 = 0.2;
/// Deviation of the logarithm of quantities at the touch and of trades.
const QTY_SIGMA: f64 = 1.0;
const TRADE_SIGMA: f64 = 1.5;
/// Median trade as a share of the median touch.
const TRADE_SHARE: f64 = 0.02;
/// Share of trades that go through the touch.
const THROUGH: f64 = 0.02;

/// Best bid and ask of one perpetual, and what is needed to make the next.
#[derive(Clone, Debug)]
pub(super) struct Touch {
    tick: i64,
    lot: i64,
    /// Ticks in the start price.
    start_ticks: f64,
    /// Calm spread in ticks of the start price; may be less than one.
    spread_ticks: f64,
    /// Median lots at the touch at the start price.
    touch_lots: f64,
    bid: i64,
    ask: i64,
    bid_lots: i64,
    ask_lots: i64,
    trade_id: u64,
}

impl Touch {
    /// `tick` and `lot` are those of the run's table, where the operator may have corrected them.
    pub(super) fn new(listing: &Listing, tick: Price, lot: Qty) -> Self {
        let start_ticks = listing.start_price / tick.to_f64();
        Self {
            tick: tick.raw(),
            lot: lot.raw(),
            start_ticks,
            spread_ticks: start_ticks * listing.spread_bps * 1e-4,
            touch_lots: listing.touch_notional / (listing.start_price * lot.to_f64()),
            bid: 0,
            ask: 0,
            bid_lots: 0,
            ask_lots: 0,
            trade_id: 0,
        }
    }

    /// A price over start price, in ticks.
    pub(super) fn ticks(&self, growth: f64) -> f64 {
        self.start_ticks * growth
    }

    /// Middle of the standing quote in ticks; `None` before the first.
    pub(super) fn mid(&self) -> Option<f64> {
        (self.ask > 0).then(|| (self.bid + self.ask) as f64 * 0.5)
    }

    /// Requotes around `price` (ticks). Quotes are wider the more `vol` there is.
    pub(super) fn quote(&mut self, price: f64, vol: f64, rng: &mut Rng) -> MarketBody {
        let mut spread = self.spread_ticks;
        if rng.chance((WIDE_CALM * vol).min(WIDE_MOST)) {
            spread += spread.max(0.4) * WIDE_EXCESS * rng.exponential();
        }
        let spread = nearest(spread);
        let inside =
            price > self.bid as f64 - STICKY_TICKS && price < self.ask as f64 + STICKY_TICKS;
        let stays = inside && self.ask - self.bid == spread;
        if !stays {
            self.bid = nearest(price - 0.5 * spread as f64);
            self.ask = self.bid + spread;
            self.bid_lots = self.draw_lots(1.0, QTY_SIGMA, rng);
            self.ask_lots = self.draw_lots(1.0, QTY_SIGMA, rng);
        } else if rng.bits() >> 63 == 0 {
            self.bid_lots = self.draw_lots(1.0, QTY_SIGMA, rng);
        } else {
            self.ask_lots = self.draw_lots(1.0, QTY_SIGMA, rng);
        }
        MarketBody::Quote {
            bid: Price::from_raw(self.bid * self.tick),
            ask: Price::from_raw(self.ask * self.tick),
            bid_qty: Some(Qty::from_raw(self.bid_lots * self.lot)),
            ask_qty: Some(Qty::from_raw(self.ask_lots * self.lot)),
        }
    }

    /// A trade of `taker` against the touch, or a little through it.
    pub(super) fn trade(&mut self, taker: Side, rng: &mut Rng) -> MarketBody {
        let (touch, shown, away) = match taker {
            Side::Buy => (self.ask, self.ask_lots, 1),
            Side::Sell => (self.bid, self.bid_lots, -1),
        };
        let mut lots = self.draw_lots(TRADE_SHARE, TRADE_SIGMA, rng);
        let mut price = touch;
        if rng.chance(THROUGH) {
            lots += shown;
            let beyond = 1.0 + (self.ask - self.bid) as f64 * rng.exponential();
            price = (touch + away * beyond as i64).max(1);
        } else {
            lots = lots.min(shown);
        }
        self.trade_id += 1;
        MarketBody::Trade {
            price: Price::from_raw(price * self.tick),
            qty: Qty::from_raw(lots * self.lot),
            taker: Some(taker),
            trade_id: self.trade_id,
            merged: 0,
        }
    }

    /// The tick nearest to `price` (ticks).
    pub(super) fn nearest(&self, price: f64) -> Price {
        Price::from_raw(nearest(price) * self.tick)
    }

    /// Lots around a share of the median touch, at least one; lognormal but for the far ends:
    /// `(1 + x/16)^16` stands for `e^x`.
    fn draw_lots(&self, share: f64, sigma: f64, rng: &mut Rng) -> i64 {
        let mut scale = 1.0 + sigma * rng.bell() * (1.0 / 16.0);
        for _ in 0..4 {
            scale *= scale;
        }
        nearest(self.touch_lots * share * scale)
    }
}

/// The nearest whole number, at least 1.
const fn nearest(value: f64) -> i64 {
    let whole = (value + 0.5) as i64;
    if whole < 1 { 1 } else { whole }
}
