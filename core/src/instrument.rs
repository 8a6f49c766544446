//! The run's instruments: fixed before trading starts, shared read-only by every stage.
//!
//! In a replay the table is read from the data itself (tick and lot are the finest decimals seen)
//! and corrected by the configuration; on a venue it comes from the venue's contract list.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::id::{InstrumentId, TextId};
use crate::units::{Money, Price, Qty};

/// Most instruments in one run.
pub const INSTRUMENTS_MAX: usize = 256;

/// What the venue says about one instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instrument {
    /// Canonical spelling: upper case, no separator (`FETUSDT`).
    pub symbol: TextId,
    /// Smallest price step.
    pub tick: Price,
    /// Smallest quantity step.
    pub lot: Qty,
    /// Least notional of an order that is not reduce-only.
    pub min_notional: Money,
    /// False for what may be read but not traded (inverse contracts, halted, excluded by the operator).
    pub tradable: bool,
}

/// All instruments of a run, sorted by symbol; the position in the table is the [`InstrumentId`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstrumentTable {
    rows: Vec<Instrument>,
}

/// Why a table cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstrumentFault {
    /// More than [`INSTRUMENTS_MAX`].
    TooMany(usize),
    /// The same symbol twice.
    Duplicate(TextId),
    /// Tick or lot is not positive, or the minimum notional is negative.
    BadStep(TextId),
}

impl core::fmt::Display for InstrumentFault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::TooMany(count) => {
                write!(f, "{count} instruments; at most {INSTRUMENTS_MAX} fit in one run")
            }
            Self::Duplicate(symbol) => write!(f, "instrument {symbol} appears twice"),
            Self::BadStep(symbol) => {
                write!(
                    f,
                    "instrument {symbol}: tick and lot must be above 0, min_notional not below"
                )
            }
        }
    }
}

impl InstrumentTable {
    /// Sorts the rows by symbol and numbers them.
    ///
    /// # Errors
    /// [`InstrumentFault`].
    pub fn new(mut rows: Vec<Instrument>) -> Result<Self, InstrumentFault> {
        if rows.len() > INSTRUMENTS_MAX {
            return Err(InstrumentFault::TooMany(rows.len()));
        }
        rows.sort_by(|a, b| a.symbol.as_str().cmp(b.symbol.as_str()));
        if let Some(pair) = rows.windows(2).find(|pair| pair[0].symbol == pair[1].symbol) {
            return Err(InstrumentFault::Duplicate(pair[0].symbol));
        }
        let bad = |row: &&Instrument| {
            !row.tick.is_positive() || !row.lot.is_positive() || row.min_notional < Money::ZERO
        };
        if let Some(row) = rows.iter().find(bad) {
            return Err(InstrumentFault::BadStep(row.symbol));
        }
        Ok(Self { rows })
    }

    /// How many instruments.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True without instruments.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The row of an instrument.
    ///
    /// # Panics
    /// When the id is of another table.
    #[must_use]
    pub fn row(&self, id: InstrumentId) -> &Instrument {
        &self.rows[id.index()]
    }

    /// The symbol of an instrument.
    ///
    /// # Panics
    /// When the id is of another table.
    #[must_use]
    pub fn symbol(&self, id: InstrumentId) -> &str {
        self.rows[id.index()].symbol.as_str()
    }

    /// Finds an instrument by any spelling (`FET-USDT`, `fetusdt`, `FET/USDT`).
    #[must_use]
    pub fn find(&self, spelling: &str) -> Option<InstrumentId> {
        let symbol = canonical_symbol(spelling)?;
        self.rows
            .binary_search_by(|row| row.symbol.as_str().cmp(symbol.as_str()))
            .ok()
            .map(InstrumentId::new)
    }

    /// Ids and rows in table order.
    pub fn iter(&self) -> impl Iterator<Item = (InstrumentId, &Instrument)> {
        self.rows.iter().enumerate().map(|(index, row)| (InstrumentId::new(index), row))
    }
}

/// Upper case, separators `-`, `/`, `:` and blanks dropped; an underscore stays, because
/// `BTCUSD_PERP` and `BTCUSD` differ. `None` when nothing remains or it does not fit a [`TextId`].
#[must_use]
pub fn canonical_symbol(spelling: &str) -> Option<TextId> {
    let mut buffer = [0u8; crate::id::TEXT_ID_MAX];
    let mut len = 0;
    for byte in spelling.bytes().filter(|b| !matches!(b, b'-' | b'/' | b':' | b' ')) {
        *buffer.get_mut(len)? = byte.to_ascii_uppercase();
        len += 1;
    }
    if len == 0 {
        return None;
    }
    TextId::new(core::str::from_utf8(&buffer[..len]).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_instrument_meet() {
        for spelling in ["FET-USDT", "FETUSDT", "fet/usdt", "FET:USDT"] {
            assert_eq!(canonical_symbol(spelling).expect("fits").as_str(), "FETUSDT");
        }
        assert_eq!(canonical_symbol("-"), None);
    }
}
