//! The L2 book of one instrument: price levels per side, and the rules that tie a stream of changes to a
//! snapshot.
//!
//! [`Book`] holds the levels, [`DepthSync`] decides from the update ids alone whether a change may be
//! applied. Both are pure; neither knows a venue's frames.

mod ladder;
mod sync;

pub use ladder::Level;
pub use sync::{DepthSync, DiffIds, Verdict};

use crate::msg::Side;
use crate::units::{Price, Qty};
use ladder::Ladder;

/// Levels per side that a book of a deep venue needs: the deepest recorded one has 5,018.
pub const LEVELS_MAX: usize = 8_192;

/// Price levels of both sides.
///
/// Owner: whoever consumes the level messages. Room for its levels is allocated once; when a side is
/// full, the level farthest from the touch makes room and is counted.
#[derive(Clone, Debug)]
pub struct Book {
    bids: Ladder,
    asks: Ladder,
}

impl Book {
    /// An empty book with room for `levels_max` levels a side (at least 1).
    #[must_use]
    pub fn new(levels_max: usize) -> Self {
        Self { bids: Ladder::new(levels_max), asks: Ladder::new(levels_max) }
    }

    /// Empties both sides.
    pub fn clear(&mut self) {
        self.bids.clear();
        self.asks.clear();
    }

    /// Sets the quantity at a price; zero removes the level. `side` is `Buy` for a bid.
    ///
    /// Cost: a binary search, and for a new or a removed level a move of the levels nearer to the touch.
    pub fn set(&mut self, side: Side, price: Price, qty: Qty) {
        match side {
            Side::Buy => self.bids.set(price.raw(), qty),
            // Negated, so that the best price is the largest key on both sides.
            Side::Sell => self.asks.set(-price.raw(), qty),
        }
    }

    /// The highest bid.
    #[must_use]
    pub fn best_bid(&self) -> Option<Level> {
        self.levels(Side::Buy).next()
    }

    /// The lowest ask.
    #[must_use]
    pub fn best_ask(&self) -> Option<Level> {
        self.levels(Side::Sell).next()
    }

    /// The levels of a side, best first. `side` is `Buy` for the bids.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = Level> {
        let (ladder, sign) = match side {
            Side::Buy => (&self.bids, 1),
            Side::Sell => (&self.asks, -1),
        };
        ladder.best_first().map(move |(key, qty)| Level { price: Price::from_raw(sign * key), qty })
    }

    /// How many levels a side has.
    #[must_use]
    pub const fn len(&self, side: Side) -> usize {
        match side {
            Side::Buy => self.bids.len(),
            Side::Sell => self.asks.len(),
        }
    }

    /// True without a level on either side.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bids.len() == 0 && self.asks.len() == 0
    }

    /// Quantity at a price; `None` when there is no such level.
    #[must_use]
    pub fn qty_at(&self, side: Side, price: Price) -> Option<Qty> {
        match side {
            Side::Buy => self.bids.get(price.raw()),
            Side::Sell => self.asks.get(-price.raw()),
        }
    }

    /// True when the best bid is above the best ask. Equal (locked) is not crossed.
    #[must_use]
    pub fn is_crossed(&self) -> bool {
        match (self.best_bid(), self.best_ask()) {
            (Some(bid), Some(ask)) => bid.price > ask.price,
            (None, _) | (_, None) => false,
        }
    }

    /// Levels that fell off a full side since the start.
    #[must_use]
    pub const fn overflowed(&self) -> u64 {
        self.bids.overflowed() + self.asks.overflowed()
    }
}

#[cfg(test)]
mod tests;
