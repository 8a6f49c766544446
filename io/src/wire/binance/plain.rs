//! The short way: frames exactly as the venue writes them, read in one pass without a tape.
//!
//! Keys in any order, foreign keys skipped, no blanks, no escapes, no nesting beyond levels. On any
//! surprise the answer is `None` and the general reader decides; whatever this one reads, that one reads
//! the same (tested on every recorded frame).

use core::ops::Range;

use pinion_core::book::{DiffIds, Level};
use pinion_core::msg::Side;
use pinion_core::units::{Nanos, Price, Qty};

use super::frame::{BookTicker, Depth, DepthKind, Frame, Levels, Trade};
use crate::wire::digits::{quoted_decimal, whole_number};

const NS_PER_MS: u64 = 1_000_000;

/// A frame whose symbol still lies in its text: the text is lent on mutably when this reader gives up, so
/// nothing may borrow it before that is decided.
pub(super) struct Plain {
    /// Without its symbol.
    frame: Frame<'static>,
    symbol: Range<usize>,
}

impl Plain {
    /// The frame, borrowing its symbol from the text it was read from.
    pub(super) fn frame(self, text: &[u8]) -> Frame<'_> {
        let symbol = text.get(self.symbol).unwrap_or_default();
        // ASCII was checked on the way.
        let symbol = core::str::from_utf8(symbol).unwrap_or_default();
        match self.frame {
            Frame::BookTicker(ticker) => Frame::BookTicker(BookTicker { symbol, ..ticker }),
            Frame::Trade(trade) => Frame::Trade(Trade { symbol, ..trade }),
            Frame::AggTrade(trade) => Frame::AggTrade(Trade { symbol, ..trade }),
            Frame::Depth(depth) => Frame::Depth(Depth { symbol: Some(symbol), ..depth }),
            other @ (Frame::Marks | Frame::Ignored | Frame::Unknown) => other,
        }
    }
}

/// Reads `text[..len]`; what follows it up to the end of `text` is padding.
pub(super) fn read(text: &[u8], len: usize, levels: &mut Levels) -> Option<Plain> {
    let mut cursor = Cursor { text, at: 0 };
    let mut stream = None;
    if cursor.skip(b"{\"stream\":\"").is_some() {
        stream = Some(cursor.rest_of_text()?);
        cursor.skip(b",\"data\":")?;
    }
    let values = Values::read(&mut cursor, levels)?;
    if stream.is_some() {
        cursor.skip(b"}")?;
    }
    if cursor.at != len {
        return None;
    }
    Some(Plain { frame: values.frame(stream)?, symbol: values.symbol? })
}

struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    #[inline]
    fn skip(&mut self, expected: &[u8]) -> Option<()> {
        self.text.get(self.at..)?.starts_with(expected).then(|| self.at += expected.len())
    }

    /// A text after its opening quotation mark, without escapes or control characters.
    fn rest_of_text(&mut self) -> Option<&'a [u8]> {
        let from = self.at;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' | 0..0x20 | 0x80.. => return None,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        self.text.get(from..self.at - 1)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        self.skip(b"\"")?;
        self.rest_of_text()
    }

    fn number(&mut self) -> Option<u64> {
        let (number, length) = whole_number(self.text.get(self.at..)?)?;
        self.at += length;
        // A fraction or an exponent is not ours to read.
        matches!(self.peek()?, b',' | b'}').then_some(number)
    }

    fn decimal(&mut self) -> Option<i64> {
        self.skip(b"\"")?;
        self.rest_of_decimal()
    }

    /// A decimal after its opening quotation mark.
    #[inline]
    fn rest_of_decimal(&mut self) -> Option<i64> {
        let (raw, length) = quoted_decimal(self.text.get(self.at..)?)?;
        self.at += length + 1;
        Some(raw)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.peek()? {
            b't' => self.skip(b"true").map(|()| true),
            b'f' => self.skip(b"false").map(|()| false),
            _ => None,
        }
    }

    /// `[["price","qty"],…]`.
    fn levels(&mut self, out: &mut Vec<Level>) -> Option<()> {
        out.clear();
        if self.skip(b"[]").is_some() {
            return Some(());
        }
        self.skip(b"[")?;
        loop {
            self.skip(b"[\"")?;
            let price = Price::from_raw(self.rest_of_decimal()?);
            self.skip(b",\"")?;
            let qty = Qty::from_raw(self.rest_of_decimal()?);
            out.push(Level { price, qty });
            // One look decides whether the list goes on.
            match self.text.get(self.at..self.at + 2)? {
                b"]," => self.at += 2,
                b"]]" => {
                    self.at += 2;
                    return Some(());
                }
                _ => return None,
            }
        }
    }
}

/// The values of `a` and `b`, which mean three different things.
#[derive(Clone, Copy, Default)]
enum Slot {
    #[default]
    Absent,
    Decimal(i64),
    Number(u64),
    Levels,
}

#[derive(Default)]
struct Values<'a> {
    event: Option<&'a [u8]>,
    symbol: Option<Range<usize>>,
    sent: Option<u64>,
    time: Option<u64>,
    first: Option<u64>,
    last: Option<u64>,
    previous: Option<u64>,
    trade_id: Option<u64>,
    a: Slot,
    b: Slot,
    ask_qty: Option<i64>,
    bid_qty: Option<i64>,
    price: Option<i64>,
    qty: Option<i64>,
    maker: Option<bool>,
    trade_kind: Option<&'a [u8]>,
}

impl<'a> Values<'a> {
    fn read(cursor: &mut Cursor<'a>, levels: &mut Levels) -> Option<Self> {
        let mut values = Self::default();
        cursor.skip(b"{")?;
        loop {
            let key = cursor.text()?;
            cursor.skip(b":")?;
            match key {
                b"e" => values.event = Some(cursor.text()?),
                b"s" => {
                    let length = cursor.text()?.len();
                    values.symbol = Some(cursor.at - 1 - length..cursor.at - 1);
                }
                b"E" => values.sent = Some(cursor.number()?),
                b"T" => values.time = Some(cursor.number()?),
                b"U" => values.first = Some(cursor.number()?),
                b"u" => values.last = Some(cursor.number()?),
                b"pu" => values.previous = Some(cursor.number()?),
                b"t" => values.trade_id = Some(cursor.number()?),
                b"a" => values.a = Self::slot(cursor, &mut levels.asks)?,
                b"b" => values.b = Self::slot(cursor, &mut levels.bids)?,
                b"A" => values.ask_qty = Some(cursor.decimal()?),
                b"B" => values.bid_qty = Some(cursor.decimal()?),
                b"p" => values.price = Some(cursor.decimal()?),
                b"q" => values.qty = Some(cursor.decimal()?),
                b"m" => values.maker = Some(cursor.flag()?),
                b"X" => values.trade_kind = Some(cursor.text()?),
                // What these hold decides what a frame is; the general reader knows them all.
                b"data" | b"body" | b"result" | b"error" | b"id" | b"lastUpdateId" => return None,
                _ => match cursor.peek()? {
                    b'"' => drop(cursor.text()?),
                    b't' | b'f' => drop(cursor.flag()?),
                    _ => drop(cursor.number()?),
                },
            }
            match cursor.peek()? {
                b',' => cursor.at += 1,
                b'}' => {
                    cursor.at += 1;
                    return Some(values);
                }
                _ => return None,
            }
        }
    }

    fn slot(cursor: &mut Cursor<'a>, levels: &mut Vec<Level>) -> Option<Slot> {
        match cursor.peek()? {
            b'[' => cursor.levels(levels).map(|()| Slot::Levels),
            b'"' => cursor.decimal().map(Slot::Decimal),
            _ => cursor.number().map(Slot::Number),
        }
    }

    fn frame(&self, stream: Option<&[u8]>) -> Option<Frame<'static>> {
        match self.event {
            Some(b"depthUpdate") => self.depth(stream),
            Some(b"bookTicker") | None => self.book_ticker(),
            Some(b"trade") => self.trade(self.trade_id?).map(Frame::Trade),
            Some(b"aggTrade") => match self.a {
                Slot::Number(id) => self.trade(id).map(Frame::AggTrade),
                Slot::Absent | Slot::Decimal(_) | Slot::Levels => None,
            },
            Some(_) => None,
        }
    }

    fn depth(&self, stream: Option<&[u8]>) -> Option<Frame<'static>> {
        let (Slot::Levels, Slot::Levels) = (self.a, self.b) else { return None };
        let partial = stream.is_some_and(super::decode::is_partial);
        let changed = if self.time.is_some() { self.time } else { self.sent };
        Some(Frame::Depth(Depth {
            kind: if partial { DepthKind::Partial } else { DepthKind::Diff },
            symbol: None,
            ids: DiffIds { first: self.first?, last: self.last?, previous: self.previous },
            exchange_ns: time(changed)?,
        }))
    }

    fn book_ticker(&self) -> Option<Frame<'static>> {
        let (Slot::Decimal(ask), Slot::Decimal(bid)) = (self.a, self.b) else { return None };
        Some(Frame::BookTicker(BookTicker {
            symbol: "",
            update_id: self.last?,
            bid: Price::from_raw(bid),
            bid_qty: Qty::from_raw(self.bid_qty?),
            ask: Price::from_raw(ask),
            ask_qty: Qty::from_raw(self.ask_qty?),
            sent_ns: time(self.sent)?,
            changed_ns: time(self.time)?,
        }))
    }

    fn trade(&self, id: u64) -> Option<Trade<'static>> {
        Some(Trade {
            symbol: "",
            id,
            price: Price::from_raw(self.price?),
            qty: Qty::from_raw(self.qty?),
            taker: if self.maker? { Side::Sell } else { Side::Buy },
            normal: self.trade_kind.is_none_or(|kind| kind == b"MARKET"),
            traded_ns: time(self.time)?,
        })
    }
}

/// Milliseconds to a time; the outer `None` is one that does not fit.
fn time(ms: Option<u64>) -> Option<Option<Nanos>> {
    let Some(ms) = ms else { return Some(None) };
    i64::try_from(ms.checked_mul(NS_PER_MS)?).ok().map(|ns| Some(Nanos::new(ns)))
}
