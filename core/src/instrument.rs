//! The run's instruments: fixed before trading starts, shared read-only by every stage.
//!
//! In a replay the table is read from the data itself (tick and lot are the finest decimals seen)
//! and corrected by the configuration; on a venue it comes from the venue's contract list.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::id::{InstrumentId, TextId};
use crate::units::{Money, Nanos, Price, Qty};

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
    /// When the venue listed it, UTC; `None` where nobody says.
    pub listed_ns: Option<Nanos>,
}

/// All instruments of a run; the position in the table is the [`InstrumentId`].
///
/// A new table is sorted by symbol. One that continues an earlier run keeps that run's order, because ids
/// in saved state are positions; so look-ups go through an index of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Instrument>", into = "Vec<Instrument>")]
pub struct InstrumentTable {
    rows: Vec<Instrument>,
    by_symbol: Vec<InstrumentId>,
}

impl TryFrom<Vec<Instrument>> for InstrumentTable {
    type Error = InstrumentFault;

    fn try_from(rows: Vec<Instrument>) -> Result<Self, InstrumentFault> {
        Self::in_order(rows)
    }
}

impl From<InstrumentTable> for Vec<Instrument> {
    fn from(table: InstrumentTable) -> Self {
        table.rows
    }
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
        rows.sort_by(|a, b| a.symbol.as_str().cmp(b.symbol.as_str()));
        Self::in_order(rows)
    }

    /// Numbers the rows as they stand: for a table that was numbered before.
    ///
    /// # Errors
    /// [`InstrumentFault`].
    pub fn in_order(rows: Vec<Instrument>) -> Result<Self, InstrumentFault> {
        if rows.len() > INSTRUMENTS_MAX {
            return Err(InstrumentFault::TooMany(rows.len()));
        }
        let symbol = |id: InstrumentId| rows[id.index()].symbol;
        let mut by_symbol: Vec<InstrumentId> = (0..rows.len()).map(InstrumentId::new).collect();
        by_symbol.sort_by(|a, b| symbol(*a).as_str().cmp(symbol(*b).as_str()));
        if let Some(pair) = by_symbol.windows(2).find(|pair| symbol(pair[0]) == symbol(pair[1])) {
            return Err(InstrumentFault::Duplicate(symbol(pair[0])));
        }
        let bad = |row: &&Instrument| {
            !row.tick.is_positive() || !row.lot.is_positive() || row.min_notional < Money::ZERO
        };
        if let Some(row) = rows.iter().find(bad) {
            return Err(InstrumentFault::BadStep(row.symbol));
        }
        Ok(Self { rows, by_symbol })
    }

    /// The table of a run that goes on from one with this table: its symbols first, in its order, with
    /// what the fresh list says of them now; then what is new, sorted. A symbol that the fresh list no
    /// longer has keeps its place and cannot be traded.
    ///
    /// # Errors
    /// [`InstrumentFault`], also when both together are too many.
    pub fn continued(&self, fresh: Vec<Instrument>) -> Result<Self, InstrumentFault> {
        let fresh = Self::new(fresh)?;
        let mut rows = self.rows.clone();
        for row in &mut rows {
            *row = match fresh.find_exact(&row.symbol) {
                Some(id) => *fresh.row(id),
                None => Instrument { tradable: false, ..*row },
            };
        }
        let new = fresh.rows.iter().filter(|row| self.find_exact(&row.symbol).is_none());
        rows.extend(new);
        Self::in_order(rows)
    }

    /// True when this table begins with the symbols of the other in their order: ids of the other mean
    /// the same here.
    #[must_use]
    pub fn continues(&self, other: &Self) -> bool {
        let mut rows = self.rows.iter();
        other.rows.iter().all(|row| rows.next().is_some_and(|mine| mine.symbol == row.symbol))
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
        self.find_exact(&canonical_symbol(spelling)?)
    }

    fn find_exact(&self, symbol: &TextId) -> Option<InstrumentId> {
        let at = self
            .by_symbol
            .binary_search_by(|id| self.rows[id.index()].symbol.as_str().cmp(symbol.as_str()));
        Some(self.by_symbol[at.ok()?])
    }

    /// Ids and rows in table order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (InstrumentId, &Instrument)> {
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

    fn row(symbol: &str) -> Instrument {
        Instrument {
            symbol: TextId::new(symbol).expect("a symbol"),
            tick: Price::ONE,
            lot: Qty::ONE,
            min_notional: Money::ZERO,
            tradable: true,
            listed_ns: None,
        }
    }

    #[test]
    fn a_continued_table_keeps_every_id_and_finds_every_symbol() {
        let first = InstrumentTable::new([row("FETUSDT"), row("BTCUSDT"), row("XRPUSDT")].into());
        let first = first.expect("a table");
        let finer = Instrument { tick: Price::from_raw(1), ..row("FETUSDT") };
        let next = first.continued([row("ADAUSDT"), finer, row("XRPUSDT"), row("ETHUSDT")].into());
        let next = next.expect("a table");
        let symbols: Vec<&str> = next.iter().map(|(_, row)| row.symbol.as_str()).collect();
        assert_eq!(symbols, ["BTCUSDT", "FETUSDT", "XRPUSDT", "ADAUSDT", "ETHUSDT"]);
        for (id, row) in next.iter() {
            assert_eq!(next.find(row.symbol.as_str()), Some(id));
        }
        assert_eq!(next.find("BNBUSDT"), None);
        let of = |symbol| next.row(next.find(symbol).expect("there"));
        assert!(!of("BTCUSDT").tradable, "it vanished");
        assert_eq!(of("FETUSDT").tick, Price::from_raw(1));
        assert!(next.continues(&first) && !first.continues(&next));
    }
}
