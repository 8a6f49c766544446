//! Direction confirmation: has the asset's own price moved against the entry in its last few ticks?
//!
//! Every asset keeps its own history, fed on every tick, selected or not: a history that is fed only
//! while the asset is selected would span minutes and mean nothing.

use alloc::vec;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::engine::Damage;
use crate::id::InstrumentId;
use crate::msg::{MarketBody, MarketMsg, PositionSide};
use crate::settings::Settings;

/// Prices kept per asset.
pub const HISTORY: usize = 64;
const ROW: usize = 32;

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Ticks {
    /// Twice the price, so that a mid needs no rounding. In rows, because serde derives no longer arrays.
    doubled: [[i64; ROW]; HISTORY / ROW],
    seen: u64,
    has_quotes: bool,
}

const EMPTY: Ticks = Ticks { doubled: [[0; ROW]; HISTORY / ROW], seen: 0, has_quotes: false };

/// What the recent ticks say about an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// Nothing against it.
    Confirmed,
    /// The price moved against it by more than the threshold.
    Contradicted,
    /// Too few ticks to say.
    Warmup,
}

/// Recent prices of every asset. Owner: the policy. Allocates once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TickHistory {
    assets: Vec<Ticks>,
}

impl TickHistory {
    /// For so many instruments.
    #[must_use]
    pub fn new(instruments: usize) -> Self {
        Self { assets: vec![EMPTY; instruments] }
    }

    /// Read back with so many instruments; makes room for `len`.
    pub(super) fn restored(&mut self, instruments: usize, len: usize) -> Result<(), Damage> {
        Damage::unless(
            self.assets.len() == instruments,
            "policy tick history",
            None,
            "one row per instrument",
        )?;
        self.assets.resize(len.max(instruments), EMPTY);
        Ok(())
    }

    /// Takes a tick: the mid of a quote; a trade or a bar's close only while the asset has no quotes.
    pub fn observe(&mut self, message: &MarketMsg) {
        let asset = &mut self.assets[message.instrument.index()];
        let doubled = match message.body() {
            MarketBody::Quote { bid, ask, .. } => {
                if !asset.has_quotes {
                    // Trades and mids do not mix.
                    asset.has_quotes = true;
                    asset.seen = 0;
                }
                bid.raw().saturating_add(ask.raw())
            }
            MarketBody::Trade { price, .. } | MarketBody::Bar { close: price, .. } => {
                if asset.has_quotes {
                    return;
                }
                price.raw().saturating_mul(2)
            }
            MarketBody::Gap => {
                asset.seen = 0;
                return;
            }
            MarketBody::Mark { .. } | MarketBody::Level { .. } | MarketBody::Reset => return,
        };
        asset.doubled.as_flattened_mut()[slot(asset.seen)] = doubled;
        asset.seen += 1;
    }

    /// Compares the price `policy.confirm_ticks` ticks ago with the newest.
    #[must_use]
    pub fn confirm(
        &self,
        instrument: InstrumentId,
        side: PositionSide,
        settings: &Settings,
    ) -> Confirmation {
        let Ok(back) = u64::try_from(settings.policy_confirm_ticks) else {
            return Confirmation::Warmup;
        };
        if back == 0 {
            return Confirmation::Confirmed;
        }
        let asset = &self.assets[instrument.index()];
        if asset.seen <= back {
            return Confirmation::Warmup;
        }
        let newest = asset.doubled.as_flattened()[slot(asset.seen - 1)];
        let before = asset.doubled.as_flattened()[slot(asset.seen - 1 - back)];
        if before <= 0 {
            return Confirmation::Warmup;
        }
        #[expect(clippy::cast_precision_loss, reason = "a ratio for a gate, not money")]
        let move_bps = (newest - before) as f64 / before as f64 * 10_000.0;
        let against = match side {
            PositionSide::Short => move_bps,
            PositionSide::Long => -move_bps,
        };
        if against > settings.policy_confirm_bps {
            Confirmation::Contradicted
        } else {
            Confirmation::Confirmed
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "below HISTORY")]
const fn slot(seen: u64) -> usize {
    (seen % HISTORY as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Nanos, Price, Qty};

    fn quote(mid: i64) -> MarketMsg {
        let price = |raw: i64| Price::from_raw(raw * 100_000);
        MarketMsg::from_body(
            InstrumentId::new(0),
            Nanos::ZERO,
            None,
            MarketBody::Quote {
                bid: price(mid - 1),
                ask: price(mid + 1),
                bid_qty: None,
                ask_qty: None,
            },
        )
    }

    fn after(mids: &[i64], side: PositionSide) -> Confirmation {
        let mut history = TickHistory::new(1);
        for mid in mids {
            history.observe(&quote(*mid));
        }
        history.confirm(InstrumentId::new(0), side, &Settings::default())
    }

    #[test]
    fn fewer_than_eight_prices_block() {
        assert_eq!(after(&[100_000; 7], PositionSide::Short), Confirmation::Warmup);
        assert_eq!(after(&[100_000; 8], PositionSide::Short), Confirmation::Confirmed);
    }

    #[test]
    fn a_rise_above_the_threshold_contradicts_a_short_and_not_a_long() {
        // 75 in 1,000,000 is exactly 0.75 bps: not above.
        let mut mids = [1_000_000; 8];
        mids[7] = 1_000_075;
        assert_eq!(after(&mids, PositionSide::Short), Confirmation::Confirmed);
        mids[7] = 1_000_076;
        assert_eq!(after(&mids, PositionSide::Short), Confirmation::Contradicted);
        assert_eq!(after(&mids, PositionSide::Long), Confirmation::Confirmed);
        mids[7] = 999_924;
        assert_eq!(after(&mids, PositionSide::Long), Confirmation::Contradicted);
    }

    #[test]
    fn only_the_last_seven_steps_count() {
        let mut mids = [1_000_000; 16];
        mids[0] = 900_000;
        assert_eq!(after(&mids, PositionSide::Short), Confirmation::Confirmed);
    }

    #[test]
    fn trades_are_ignored_once_quotes_are_seen() {
        let mut history = TickHistory::new(1);
        for _ in 0..8 {
            history.observe(&quote(1_000_000));
        }
        history.observe(&MarketMsg::from_body(
            InstrumentId::new(0),
            Nanos::ZERO,
            None,
            MarketBody::Trade {
                price: Price::from_whole(5_000),
                qty: Qty::ONE,
                taker: None,
                trade_id: 0,
                merged: 0,
            },
        ));
        let settings = Settings::default();
        let verdict = history.confirm(InstrumentId::new(0), PositionSide::Short, &settings);
        assert_eq!(verdict, Confirmation::Confirmed);
    }
}
