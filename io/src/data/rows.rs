//! Quote, trade and book rows: `Q,symbol,exchange_ts_ns,local_ts_ns,bid,bid_qty,ask,ask_qty`,
//! `T,…,price,qty,side,trade_id`, `L,…,side,price,qty,kind`.

use pinion_core::book::{DiffIds, Level};
use pinion_core::id::InstrumentId;
use pinion_core::msg::{MarketBody, MarketMsg, Side};
use pinion_core::units::{Nanos, Price, Qty};

use super::cells::{Bad, Cells};
use super::depth::{DepthState, DepthStatus, Sides, Stamp};
use super::lines::Lines;
use super::reader::{Order, Reader, Symbols};
use crate::source::{SourceCounts, SourceFault};

/// Columns of every row.
const COLUMNS: usize = 8;

/// One row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Row<'a> {
    pub(super) symbol: &'a [u8],
    pub(super) exchange: Option<Nanos>,
    /// Receive time, else exchange time.
    pub(super) at: Nanos,
    pub(super) kind: RowKind,
    /// The content, or the reason for which it makes no sense.
    pub(super) body: Result<RowBody, &'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowKind {
    Quote,
    Trade,
    /// A level of a full snapshot, or of a change.
    Level {
        snapshot: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum RowBody {
    Event(MarketBody),
    Level(Side, Level),
}

impl<'a> Row<'a> {
    /// Reads a row; only what cannot be read is an error.
    pub(super) fn parse(line: &'a [u8]) -> Result<Self, Bad> {
        let cells = Cells::split(line, COLUMNS)?;
        let exchange = cells.time(2, "exchange_ts_ns", 1)?;
        let local = cells.time(3, "local_ts_ns", 1)?;
        let Some(at) = local.or(exchange) else {
            return Err(Bad::fault(
                "a row without a time",
                "exchange_ts_ns or local_ts_ns in ns since 1970",
            ));
        };
        let (kind, body) = match cells.get(0) {
            b"Q" => (RowKind::Quote, quote(&cells).map(RowBody::Event)),
            b"T" => (RowKind::Trade, trade(&cells).map(RowBody::Event)),
            b"L" => {
                let snapshot = match cells.get(7) {
                    b"s" => true,
                    b"d" => false,
                    _ => {
                        return Err(cells.wrong(
                            7,
                            "kind",
                            "`s` for a snapshot or `d` for a change",
                        ));
                    }
                };
                (RowKind::Level { snapshot }, level(&cells))
            }
            _ => return Err(cells.wrong(0, "type", "Q, T or L")),
        };
        let body = match body {
            Ok(body) => Ok(body),
            Err(Bad::Reject(reason)) => Err(reason),
            Err(fault @ Bad::Fault { .. }) => return Err(fault),
        };
        Ok(Self { symbol: cells.get(1), exchange, at, kind, body })
    }
}

fn quote(cells: &Cells<'_>) -> Result<MarketBody, Bad> {
    // All four are read first: what cannot be read counts before what makes no sense.
    let (bid, bid_qty) = (cells.decimal(4, "bid"), cells.decimal(5, "bid_qty")?);
    let (ask, ask_qty) = (cells.decimal(6, "ask")?, cells.decimal(7, "ask_qty")?);
    let (Some(bid), Some(ask)) = (bid?, ask) else { return Err(Bad::Reject("bad_price")) };
    check_quote(bid, ask, bid_qty, ask_qty).map_err(Bad::Reject)?;
    Ok(MarketBody::Quote {
        bid: Price::from_raw(bid),
        ask: Price::from_raw(ask),
        bid_qty: bid_qty.map(Qty::from_raw),
        ask_qty: ask_qty.map(Qty::from_raw),
    })
}

/// The one rule of what a quote must be; raw units.
pub(super) fn check_quote(
    bid: i64,
    ask: i64,
    bid_qty: Option<i64>,
    ask_qty: Option<i64>,
) -> Result<(), &'static str> {
    if bid <= 0 || ask <= 0 {
        Err("bad_price")
    } else if bid > ask {
        Err("crossed_book")
    } else if bid_qty.is_some_and(i64::is_negative) || ask_qty.is_some_and(i64::is_negative) {
        Err("bad_qty")
    } else {
        Ok(())
    }
}

/// The one rule of what a trade must be; raw units.
pub(super) const fn check_trade(price: i64, qty: i64) -> Result<(), &'static str> {
    if price <= 0 {
        Err("bad_price")
    } else if qty <= 0 {
        Err("bad_qty")
    } else {
        Ok(())
    }
}

fn trade(cells: &Cells<'_>) -> Result<MarketBody, Bad> {
    let price = cells.decimal(4, "price")?.ok_or(Bad::Reject("bad_price"));
    let qty = cells.decimal(5, "qty")?.ok_or(Bad::Reject("bad_qty"));
    let taker = match cells.get(6) {
        b"B" => Some(Side::Buy),
        b"S" => Some(Side::Sell),
        b"" => None,
        _ => return Err(cells.wrong(6, "side", "B, S or nothing")),
    };
    let trade_id = cells.number(7, "trade_id")?.unwrap_or(0);
    let (price, qty) = (price?, qty?);
    check_trade(price, qty).map_err(Bad::Reject)?;
    let (price, qty) = (Price::from_raw(price), Qty::from_raw(qty));
    Ok(MarketBody::Trade { price, qty, taker, trade_id, merged: 0 })
}

fn level(cells: &Cells<'_>) -> Result<RowBody, Bad> {
    let side = match cells.get(4) {
        b"B" => Side::Buy,
        b"A" => Side::Sell,
        _ => return Err(cells.wrong(4, "side", "B for a bid or A for an ask")),
    };
    let price = cells.price(5, "price")?;
    let qty = cells.decimal(6, "qty")?.ok_or(Bad::Reject("bad_qty"))?;
    Ok(RowBody::Level(side, Level { price: Price::from_raw(price), qty: Qty::from_raw(qty) }))
}

/// A row read ahead.
#[derive(Clone, Copy, Debug)]
struct Held {
    instrument: Option<InstrumentId>,
    exchange: Option<Nanos>,
    at: Nanos,
    kind: RowKind,
    body: Result<RowBody, &'static str>,
}

/// Reads a file of rows. Rows of one book update (same symbol, time and kind, one after another) are one
/// event.
#[derive(Debug)]
pub(super) struct RowReader {
    lines: Lines,
    symbols: Symbols,
    held: Option<Held>,
    /// Per instrument; `None` where the file has no book rows of it.
    depth: Vec<Option<DepthState>>,
    bids: Vec<Level>,
    asks: Vec<Level>,
}

impl RowReader {
    /// `derives` says of which instruments the book must give the quotes.
    pub(super) fn new(
        lines: Lines,
        symbols: Symbols,
        derives: impl Fn(InstrumentId) -> Option<bool>,
    ) -> Self {
        let depth = (0..symbols.count())
            .map(|index| derives(InstrumentId::new(index)).map(DepthState::new))
            .collect();
        Self { lines, symbols, held: None, depth, bids: Vec::new(), asks: Vec::new() }
    }

    /// Reads a row ahead unless there is one already.
    fn hold(&mut self) -> Result<Option<&Held>, SourceFault> {
        if self.held.is_none() && self.lines.peek()? {
            let row = Row::parse(self.lines.text()).map_err(|bad| fault_of(&self.lines, bad))?;
            self.held = Some(Held {
                instrument: self.symbols.find(row.symbol),
                exchange: row.exchange,
                at: row.at,
                kind: row.kind,
                body: row.body,
            });
            self.lines.advance();
        }
        Ok(self.held.as_ref())
    }

    /// Takes all rows of the book update that `first` begins.
    fn take_update(
        &mut self,
        first: Held,
        at: Nanos,
        order: Order,
        out: &mut Vec<MarketMsg>,
        counts: &mut SourceCounts,
    ) -> Result<(), SourceFault> {
        self.bids.clear();
        self.asks.clear();
        let mut nonsense = None;
        while let Some(row) = self.hold()?.copied() {
            let same =
                row.instrument == first.instrument && row.at == first.at && row.kind == first.kind;
            if !same {
                break;
            }
            match row.body {
                Ok(RowBody::Level(Side::Buy, level)) => self.bids.push(level),
                Ok(RowBody::Level(Side::Sell, level)) => self.asks.push(level),
                Ok(RowBody::Event(_)) => {}
                Err(reason) => nonsense = Some(reason),
            }
            self.held = None;
        }
        let Some(instrument) = first.instrument else {
            counts.reject("unknown_symbol");
            return Ok(());
        };
        let Some(Some(depth)) = self.depth.get_mut(instrument.index()) else { return Ok(()) };
        let stamp = Stamp { instrument, at, exchange: first.exchange };
        let sides = Sides { bids: &self.bids, asks: &self.asks };
        let id = depth.next_id();
        let too_late = (order == Order::TooLate).then_some("out_of_order");
        if let Some(reason) = too_late.or(nonsense) {
            depth.lose(stamp, reason, out, counts);
        } else if first.kind == (RowKind::Level { snapshot: true }) {
            depth.snapshot(stamp, id, sides, out, counts);
        } else {
            let ids = DiffIds { first: id, last: id, previous: None };
            depth.diff(stamp, ids, sides, out, counts);
        }
        Ok(())
    }
}

/// Turns a row's fault into a fault of the source; a reason to reject cannot come here.
pub(super) fn fault_of(lines: &Lines, bad: Bad) -> SourceFault {
    match bad {
        Bad::Fault { found, expected } => lines.fault(found, expected),
        Bad::Reject(reason) => lines.fault(reason, "a row that makes sense"),
    }
}

impl Reader for RowReader {
    fn peek(&mut self) -> Result<Option<Nanos>, SourceFault> {
        Ok(self.hold()?.map(|row| row.at))
    }

    fn take(
        &mut self,
        at: Nanos,
        order: Order,
        out: &mut Vec<MarketMsg>,
        counts: &mut SourceCounts,
    ) -> Result<(), SourceFault> {
        let Some(row) = self.hold()?.copied() else { return Ok(()) };
        if matches!(row.kind, RowKind::Level { .. }) {
            return self.take_update(row, at, order, out, counts);
        }
        self.held = None;
        if order == Order::TooLate {
            counts.reject("out_of_order");
            return Ok(());
        }
        match (row.instrument, row.body) {
            (None, _) => counts.reject("unknown_symbol"),
            (Some(_), Err(reason)) => counts.reject(reason),
            (Some(instrument), Ok(RowBody::Event(body))) => {
                match row.kind {
                    RowKind::Quote => counts.quote += 1,
                    RowKind::Trade | RowKind::Level { .. } => counts.trade += 1,
                }
                out.push(Stamp { instrument, at, exchange: row.exchange }.message(body));
            }
            (Some(_), Ok(RowBody::Level(..))) => {}
        }
        Ok(())
    }

    fn bytes(&self) -> (u64, u64, u64) {
        let (read, all) = self.lines.packed();
        (self.lines.bytes(), read, all)
    }

    fn depth(&self, instrument: InstrumentId) -> Option<DepthStatus> {
        self.depth.get(instrument.index())?.as_ref().map(DepthState::status)
    }
}
