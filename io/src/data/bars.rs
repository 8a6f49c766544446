//! Minute bars `ts_ms,symbol,open,high,low,close,volume[,…]` and funding rows
//! `ts_ms,symbol,funding_rate,mark_open`.

use pinion_core::id::InstrumentId;
use pinion_core::msg::{MarketBody, MarketMsg};
use pinion_core::units::{Nanos, Price, Qty, Rate};

use super::cells::{Bad, Cells};
use super::depth::{DepthStatus, Stamp};
use super::lines::Lines;
use super::reader::{Order, Reader, Symbols};
use super::rows::fault_of;
use crate::source::{SourceCounts, SourceFault};

const NS_PER_MS: i64 = 1_000_000;
/// Length of a bar. A bar is known at its end, and is stamped so: no look-ahead.
pub(super) const BAR_NS: i64 = 60_000_000_000;
const FUNDING_COLUMNS: usize = 4;

/// Which of the two a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// Bars of that many columns; those after the volume are not used.
    Bars {
        columns: usize,
    },
    Funding,
}

/// One row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TimedRow<'a> {
    pub(super) symbol: &'a [u8],
    pub(super) at: Nanos,
    /// Opening time of a bar; `None` for funding.
    pub(super) exchange: Option<Nanos>,
    pub(super) body: Result<MarketBody, &'static str>,
}

impl Table {
    /// Reads a row; only what cannot be read is an error.
    pub(super) fn parse(self, line: &[u8]) -> Result<TimedRow<'_>, Bad> {
        let columns = match self {
            Self::Bars { columns } => columns,
            Self::Funding => FUNDING_COLUMNS,
        };
        let cells = Cells::split(line, columns)?;
        let Some(stamped) = cells.time(0, "ts_ms", NS_PER_MS)? else {
            return Err(cells.wrong(0, "ts_ms", "a time in ms since 1970"));
        };
        let (at, exchange, body) = match self {
            Self::Bars { .. } => (stamped.plus(BAR_NS), Some(stamped), bar(&cells)),
            Self::Funding => (stamped, Some(stamped), funding(&cells, stamped)),
        };
        let body = match body {
            Ok(body) => Ok(body),
            Err(Bad::Reject(reason)) => Err(reason),
            Err(fault @ Bad::Fault { .. }) => return Err(fault),
        };
        Ok(TimedRow { symbol: cells.get(1), at, exchange, body })
    }
}

fn bar(cells: &Cells<'_>) -> Result<MarketBody, Bad> {
    let (open, high) = (cells.decimal(2, "open")?, cells.decimal(3, "high")?);
    let (low, close) = (cells.decimal(4, "low")?, cells.decimal(5, "close")?);
    let volume = cells.decimal(6, "volume")?;
    let (Some(open), Some(high), Some(low), Some(close)) = (open, high, low, close) else {
        return Err(Bad::Reject("bad_price"));
    };
    if low <= 0 || low > open.min(close) || high < open.max(close) {
        return Err(Bad::Reject("bad_price"));
    }
    let volume = volume.filter(|volume| *volume >= 0).ok_or(Bad::Reject("bad_qty"))?;
    Ok(MarketBody::Bar {
        open: Price::from_raw(open),
        high: Price::from_raw(high),
        low: Price::from_raw(low),
        close: Price::from_raw(close),
        volume: Qty::from_raw(volume),
    })
}

/// The rate exchanged at the row's own time, and the mark price where the row has it.
fn funding(cells: &Cells<'_>, at: Nanos) -> Result<MarketBody, Bad> {
    let rate = rate(cells)?;
    let mark = cells.decimal(3, "mark_open")?;
    if mark.is_some_and(|mark| mark <= 0) {
        return Err(Bad::Reject("bad_price"));
    }
    Ok(MarketBody::Mark {
        mark: mark.map(Price::from_raw),
        index: None,
        funding_rate: Some(Rate::from_raw(rate)),
        next_funding_ns: Some(at),
    })
}

/// Recordings write a rate of exactly zero as `0.`; nowhere else is a trailing point taken.
fn rate(cells: &Cells<'_>) -> Result<i64, Bad> {
    if cells.get(2) == b"0." {
        return Ok(0);
    }
    cells
        .decimal(2, "funding_rate")?
        .ok_or_else(|| cells.wrong(2, "funding_rate", "a fraction like 0.0001"))
}

/// Reads a file of bars or funding rows.
#[derive(Debug)]
pub(super) struct TableReader {
    lines: Lines,
    symbols: Symbols,
    table: Table,
    /// Rows outside of this span are passed over.
    within: Option<(Nanos, Nanos)>,
    held: Option<Held>,
}

/// A row read ahead.
#[derive(Clone, Copy, Debug)]
struct Held {
    instrument: Option<InstrumentId>,
    at: Nanos,
    exchange: Option<Nanos>,
    body: Result<MarketBody, &'static str>,
}

impl TableReader {
    pub(super) const fn new(
        lines: Lines,
        symbols: Symbols,
        table: Table,
        within: Option<(Nanos, Nanos)>,
    ) -> Self {
        Self { lines, symbols, table, within, held: None }
    }
}

impl Reader for TableReader {
    fn peek(&mut self) -> Result<Option<Nanos>, SourceFault> {
        while self.held.is_none() && self.lines.peek()? {
            let row = self.table.parse(self.lines.text());
            let row = row.map_err(|bad| fault_of(&self.lines, bad))?;
            let TimedRow { at, exchange, body, symbol } = row;
            if self.within.is_none_or(|(first, last)| first <= at && at <= last) {
                let instrument = self.symbols.find(symbol);
                self.held = Some(Held { instrument, at, exchange, body });
            }
            self.lines.advance();
        }
        Ok(self.held.map(|row| row.at))
    }

    fn take(
        &mut self,
        at: Nanos,
        order: Order,
        out: &mut Vec<MarketMsg>,
        counts: &mut SourceCounts,
    ) -> Result<(), SourceFault> {
        let Some(Held { instrument, exchange, body, .. }) = self.held.take() else {
            return Ok(());
        };
        match (order, instrument, body) {
            (Order::TooLate, _, _) => counts.reject("out_of_order"),
            (Order::Fine, None, _) => counts.reject("unknown_symbol"),
            (Order::Fine, Some(_), Err(reason)) => counts.reject(reason),
            (Order::Fine, Some(instrument), Ok(body)) => {
                match self.table {
                    Table::Bars { .. } => counts.bar += 1,
                    Table::Funding => counts.mark += 1,
                }
                out.push(Stamp { instrument, at, exchange }.message(body));
            }
        }
        Ok(())
    }

    fn bytes(&self) -> (u64, u64, u64) {
        let (read, all) = self.lines.packed();
        (self.lines.bytes(), read, all)
    }

    fn depth(&self, _instrument: InstrumentId) -> Option<DepthStatus> {
        None
    }
}
