//! The universe: what is known of every instrument beyond its contract, measured from the market seen.
//!
//! Traded notional of five minutes and of a day, the move of five minutes, funding, and exclusions that
//! expire. What was not seen long enough is `None`, never zero. Owner: the policy; saved with the engine.
//! Cost: a store or two on a trade, nothing on a quote. Allocates once.

mod lane;
mod tape;

pub use lane::{Lane, lane, received};
pub use tape::Tape;

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::engine::Damage;
use crate::id::InstrumentId;
use crate::instrument::{Instrument, InstrumentTable};
use crate::kernel::Top;
use crate::msg::{MarketBody, MarketMsg, Maybe, Rank, Side};
use crate::settings::Settings;
use crate::signal::is_stablecoin;
use crate::units::{Money, Nanos, Rate};

crate::text_enum! {
    /// What kind of contract an instrument is, read from its canonical symbol.
    pub enum Family {
        /// Perpetual margined and settled in a stablecoin.
        Linear => "perp_linear",
        /// Perpetual margined in the coin itself (`BTCUSD_PERP`).
        Inverse => "perp_inverse",
        /// A stablecoin or currency against another.
        Stable => "stable",
        /// None of these.
        Other => "other",
    }
}

crate::text_enum! {
    /// Whether an instrument may be entered.
    pub enum Status {
        /// Yes.
        Trading => "trading",
        /// Read but not traded: halted, delisting, or barred by the operator.
        Restricted => "restricted",
        /// On the exclusion list, for as long as that entry holds.
        Excluded => "excluded",
    }
}

crate::text_enum! {
    /// Average daily notional, in quote currency.
    pub enum AdvBucket {
        /// Below a million.
        Micro => "micro",
        /// Below ten million.
        Small => "small",
        /// Below a hundred million.
        Mid => "mid",
        /// A hundred million and more.
        Large => "large",
    }
}

impl Family {
    /// The family of a canonical symbol.
    #[must_use]
    pub fn of(symbol: &str) -> Self {
        if is_stablecoin(symbol) {
            Self::Stable
        } else if symbol.ends_with("USD_PERP") {
            Self::Inverse
        } else if ["USDT", "USDC", "FDUSD", "BUSD"].iter().any(|quote| symbol.ends_with(quote)) {
            Self::Linear
        } else {
            Self::Other
        }
    }
}

impl AdvBucket {
    /// The bucket of a daily notional.
    #[must_use]
    pub fn of(adv: Money) -> Self {
        const MILLION: i64 = 1_000_000;
        if adv < Money::from_whole(MILLION) {
            Self::Micro
        } else if adv < Money::from_whole(10 * MILLION) {
            Self::Small
        } else if adv < Money::from_whole(100 * MILLION) {
            Self::Mid
        } else {
            Self::Large
        }
    }
}

/// One instrument as the universe knows it at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Listing {
    /// Kind of contract.
    pub family: Family,
    /// Whether it may be entered.
    pub status: Status,
    /// Time since the listing, nanoseconds; `None` where nobody says when it was.
    pub age_ns: Option<i64>,
    /// Notional traded in the last five minutes; `None` until they were watched.
    pub notional_5m: Option<Money>,
    /// Average daily notional; `None` until an hour was watched.
    pub adv: Option<Money>,
    /// Move of the last five minutes in percent; `None` until they were watched.
    pub change_5m_percent: Option<f64>,
    /// Funding rate of the running interval; positive: longs pay.
    pub funding_rate: Option<Rate>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Row {
    family: Family,
    tape: Tape,
    funding_rate: Maybe<Rate>,
    /// When it came onto the exclusion list; missing while it is not on it.
    excluded_ns: Maybe<Nanos>,
}

impl Row {
    fn new(instrument: &Instrument) -> Self {
        Self {
            family: Family::of(instrument.symbol.as_str()),
            tape: Tape::default(),
            funding_rate: Maybe::NONE,
            excluded_ns: Maybe::NONE,
        }
    }
}

/// Every instrument of a run. See the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Universe {
    rows: Vec<Row>,
    /// Some row has an exclusion: saves the look while there is none.
    excludes: bool,
}

impl Universe {
    /// For these instruments.
    #[must_use]
    pub fn new(table: &InstrumentTable) -> Self {
        Self { rows: table.iter().map(|(_, row)| Row::new(row)).collect(), excludes: false }
    }

    /// Read back with so many instruments; makes room for those of the table.
    pub(crate) fn restored(
        &mut self,
        instruments: usize,
        table: &InstrumentTable,
    ) -> Result<(), Damage> {
        let rows = self.rows.len() == instruments;
        Damage::unless(rows, "universe", None, "one row per instrument")?;
        for (index, row) in self.rows.iter().enumerate() {
            Damage::unless(
                row.tape.is_sound(),
                "universe row",
                index,
                "sums that are not negative",
            )?;
        }
        let new = table.iter().skip(instruments).map(|(_, row)| Row::new(row));
        self.rows.reserve_exact(new.len());
        self.rows.extend(new);
        Ok(())
    }

    /// Takes a market message.
    pub fn observe(&mut self, now: Nanos, message: &MarketMsg) {
        let Some(row) = self.rows.get_mut(message.instrument.index()) else { return };
        match message.body() {
            MarketBody::Trade { price, qty, .. } => row.tape.traded(now, price, qty),
            MarketBody::Bar { close, volume, .. } => row.tape.traded(now, close, volume),
            MarketBody::Mark { funding_rate: Some(rate), .. } => {
                row.funding_rate = Maybe::some(rate);
            }
            MarketBody::Quote { .. }
            | MarketBody::Mark { .. }
            | MarketBody::Level { .. }
            | MarketBody::Reset
            | MarketBody::Gap => {}
        }
    }

    /// Takes over `universe.excluded`: a symbol that is new on it counts from `now`, one that has left it
    /// is free. Once per scan; nothing to do while the list is empty.
    pub fn refresh(&mut self, now: Nanos, table: &InstrumentTable, settings: &Settings) {
        if settings.universe_excluded.is_empty() && !self.excludes {
            return;
        }
        self.excludes = !settings.universe_excluded.is_empty();
        for ((_, instrument), row) in table.iter().zip(&mut self.rows) {
            if !settings.universe_excluded.contains(&instrument.symbol) {
                row.excluded_ns = Maybe::NONE;
            } else if row.excluded_ns == Maybe::NONE {
                row.excluded_ns = Maybe::some(now);
            }
        }
    }

    /// True while an exclusion of this instrument holds.
    #[must_use]
    pub fn is_excluded(&self, now: Nanos, id: InstrumentId, settings: &Settings) -> bool {
        let since = self.rows.get(id.index()).and_then(|row| row.excluded_ns.get());
        let ttl_ns = settings.universe_excluded_ttl_s.saturating_mul(Nanos::SECOND);
        since.is_some_and(|since| now.since(since) < ttl_ns)
    }

    /// What is known of an instrument now.
    #[must_use]
    pub fn listing(
        &self,
        now: Nanos,
        id: InstrumentId,
        instrument: &Instrument,
        settings: &Settings,
    ) -> Listing {
        let row = self.rows.get(id.index()).copied().unwrap_or_else(|| Row::new(instrument));
        let status = if !instrument.tradable {
            Status::Restricted
        } else if self.is_excluded(now, id, settings) {
            Status::Excluded
        } else {
            Status::Trading
        };
        Listing {
            family: row.family,
            status,
            age_ns: instrument.listed_ns.map(|listed| now.since(listed)),
            notional_5m: row.tape.notional_5m(now),
            adv: row.tape.daily(now),
            change_5m_percent: row.tape.change_5m_percent(now),
            funding_rate: row.funding_rate.get(),
        }
    }

    /// The lane of a ranked asset, by the rules of [`lane()`].
    #[must_use]
    pub fn lane_of(
        &self,
        rank: &Rank,
        listing: &Listing,
        row: &Instrument,
        settings: &Settings,
    ) -> Lane {
        lane(rank, listing, settings.universe_watchlist.contains(&row.symbol), settings)
    }
}

/// Notional shown at the touch that an order of `side` takes from; `None` without a quote or quantity.
#[must_use]
pub fn touch_notional(top: &Top, side: Side) -> Option<Money> {
    let (price, qty) = match side {
        Side::Buy => (top.ask, top.ask_qty),
        Side::Sell => (top.bid, top.bid_qty),
    };
    price.get()?.notional(qty.get()?)
}

#[cfg(test)]
mod tests;
