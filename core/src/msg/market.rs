//! Market messages: one change of one instrument.

use crate::id::InstrumentId;
use crate::msg::{Maybe, Side};
use crate::units::{Nanos, Price, Qty, Rate};

crate::text_enum! {
    /// What a market message says.
    pub enum MarketKind {
        /// Best bid and ask.
        Quote => "quote",
        /// A print.
        Trade => "trade",
        /// Mark price and funding.
        Mark => "mark",
        /// A finished bar.
        Bar => "bar",
        /// One level of the book changed (ingest to the paper venue only).
        Level => "level",
        /// The book was emptied, a snapshot follows (ingest to the paper venue only).
        Reset => "reset",
        /// Messages were lost: the book is unusable until the next snapshot.
        Gap => "gap",
    }
}

/// A market message. 64 bytes; owner: whoever holds the link end.
///
/// The five words mean what [`MarketMsg::body`] says; build one with the constructors.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub struct MarketMsg {
    /// The venue's time of the event, where it gave one.
    pub ts_exch_ns: Maybe<Nanos>,
    /// When our machine received it; exchange time where a recording has no other.
    pub ts_recv_ns: Nanos,
    words: [i64; 5],
    /// Sequence of the ingest stage; wraps.
    pub seq: u32,
    /// Which instrument.
    pub instrument: InstrumentId,
    kind: MarketKind,
    flags: u8,
}

const FLAG_BUY: u8 = 1;
const FLAG_SELL: u8 = 2;
const FLAG_LAST: u8 = 4;

/// A market message by content.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MarketBody {
    /// Best bid and ask; a quantity the source does not give is `None`.
    Quote {
        /// Best bid.
        bid: Price,
        /// Best ask.
        ask: Price,
        /// Quantity at the bid.
        bid_qty: Option<Qty>,
        /// Quantity at the ask.
        ask_qty: Option<Qty>,
    },
    /// A print.
    Trade {
        /// Price.
        price: Price,
        /// Quantity.
        qty: Qty,
        /// The aggressor's side, where the source says it.
        taker: Option<Side>,
        /// The venue's trade id; 0 when the source has none.
        trade_id: u64,
        /// Prints merged into this one under back-pressure, itself not counted.
        merged: u32,
    },
    /// Mark price and funding.
    Mark {
        /// Mark price; `None` where a recording has the funding alone.
        mark: Option<Price>,
        /// Index price.
        index: Option<Price>,
        /// Funding rate of the running interval; positive: longs pay.
        funding_rate: Option<Rate>,
        /// When the next funding is exchanged.
        next_funding_ns: Option<Nanos>,
    },
    /// A finished bar; its message time is the end of the bar.
    Bar {
        /// First price.
        open: Price,
        /// Highest price.
        high: Price,
        /// Lowest price.
        low: Price,
        /// Last price.
        close: Price,
        /// Volume in base units.
        volume: Qty,
    },
    /// One book level; quantity zero removes it.
    Level {
        /// `Buy` for a bid.
        side: Side,
        /// Price of the level.
        price: Price,
        /// New quantity at the level.
        qty: Qty,
        /// Last change of its update: the book is consistent after it.
        last: bool,
    },
    /// The book is empty; levels of a snapshot follow.
    Reset,
    /// Messages were lost.
    Gap,
}

impl MarketMsg {
    /// Words that a message is.
    pub(crate) const WORDS: usize = 8;

    /// The message as plain words: what a ring moves without knowing what it is. The last one is never -1.
    #[inline]
    pub(crate) fn words(&self) -> [i64; Self::WORDS] {
        let [a, b, c, d, e] = self.words;
        let packed = u64::from(self.seq)
            | (self.instrument.index() as u64) << 32
            | u64::from(self.kind.code()) << 48
            | u64::from(self.flags) << 56;
        let exch = self.ts_exch_ns.get().map_or(i64::MIN, Nanos::get);
        [exch, self.ts_recv_ns.get(), a, b, c, d, e, packed.cast_signed()]
    }

    /// The way back; `None` for words that are no message.
    #[inline]
    pub(crate) fn from_words(words: [i64; Self::WORDS]) -> Option<Self> {
        let [exch, recv, a, b, c, d, e, packed] = words;
        let [s0, s1, s2, s3, i0, i1, kind, flags] = packed.to_le_bytes();
        let instrument = usize::from(u16::from_le_bytes([i0, i1]));
        if instrument >= crate::instrument::INSTRUMENTS_MAX {
            return None;
        }
        Some(Self {
            ts_exch_ns: some(exch).map(Nanos::new).into(),
            ts_recv_ns: Nanos::new(recv),
            words: [a, b, c, d, e],
            seq: u32::from_le_bytes([s0, s1, s2, s3]),
            instrument: InstrumentId::new(instrument),
            kind: MarketKind::from_code(kind)?,
            flags,
        })
    }

    fn new(
        instrument: InstrumentId,
        ts_recv_ns: Nanos,
        ts_exch_ns: Option<Nanos>,
        kind: MarketKind,
        words: [i64; 5],
        flags: u8,
    ) -> Self {
        Self { ts_exch_ns: ts_exch_ns.into(), ts_recv_ns, words, seq: 0, instrument, kind, flags }
    }

    /// From content.
    #[must_use]
    pub fn from_body(
        instrument: InstrumentId,
        ts_recv_ns: Nanos,
        ts_exch_ns: Option<Nanos>,
        body: MarketBody,
    ) -> Self {
        let make =
            |kind, words, flags| Self::new(instrument, ts_recv_ns, ts_exch_ns, kind, words, flags);
        match body {
            MarketBody::Quote { bid, ask, bid_qty, ask_qty } => make(
                MarketKind::Quote,
                [bid.raw(), ask.raw(), opt(bid_qty.map(Qty::raw)), opt(ask_qty.map(Qty::raw)), 0],
                0,
            ),
            MarketBody::Trade { price, qty, taker, trade_id, merged } => make(
                MarketKind::Trade,
                [price.raw(), qty.raw(), trade_id.cast_signed(), i64::from(merged), 0],
                taker.map_or(0, side_flag),
            ),
            MarketBody::Mark { mark, index, funding_rate, next_funding_ns } => make(
                MarketKind::Mark,
                [
                    opt(mark.map(Price::raw)),
                    opt(index.map(Price::raw)),
                    opt(funding_rate.map(Rate::raw)),
                    opt(next_funding_ns.map(Nanos::get)),
                    0,
                ],
                0,
            ),
            MarketBody::Bar { open, high, low, close, volume } => make(
                MarketKind::Bar,
                [open.raw(), high.raw(), low.raw(), close.raw(), volume.raw()],
                0,
            ),
            MarketBody::Level { side, price, qty, last } => make(
                MarketKind::Level,
                [price.raw(), qty.raw(), 0, 0, 0],
                side_flag(side) | if last { FLAG_LAST } else { 0 },
            ),
            MarketBody::Reset => make(MarketKind::Reset, [0; 5], 0),
            MarketBody::Gap => make(MarketKind::Gap, [0; 5], 0),
        }
    }

    /// What it says, without decoding the content.
    #[must_use]
    pub const fn kind(&self) -> MarketKind {
        self.kind
    }

    /// The content.
    #[must_use]
    pub fn body(&self) -> MarketBody {
        let [a, b, c, d, e] = self.words;
        match self.kind {
            MarketKind::Quote => MarketBody::Quote {
                bid: Price::from_raw(a),
                ask: Price::from_raw(b),
                bid_qty: some(c).map(Qty::from_raw),
                ask_qty: some(d).map(Qty::from_raw),
            },
            MarketKind::Trade => MarketBody::Trade {
                price: Price::from_raw(a),
                qty: Qty::from_raw(b),
                taker: side_of(self.flags),
                trade_id: c.cast_unsigned(),
                merged: u32::try_from(d).unwrap_or(u32::MAX),
            },
            MarketKind::Mark => MarketBody::Mark {
                mark: some(a).map(Price::from_raw),
                index: some(b).map(Price::from_raw),
                funding_rate: some(c).map(Rate::from_raw),
                next_funding_ns: some(d).map(Nanos::new),
            },
            MarketKind::Bar => MarketBody::Bar {
                open: Price::from_raw(a),
                high: Price::from_raw(b),
                low: Price::from_raw(c),
                close: Price::from_raw(d),
                volume: Qty::from_raw(e),
            },
            MarketKind::Level => MarketBody::Level {
                side: side_of(self.flags).unwrap_or(Side::Buy),
                price: Price::from_raw(a),
                qty: Qty::from_raw(b),
                last: self.flags & FLAG_LAST != 0,
            },
            MarketKind::Reset => MarketBody::Reset,
            MarketKind::Gap => MarketBody::Gap,
        }
    }
}

fn opt(raw: Option<i64>) -> i64 {
    raw.unwrap_or(i64::MIN)
}

fn some(raw: i64) -> Option<i64> {
    (raw != i64::MIN).then_some(raw)
}

const fn side_flag(side: Side) -> u8 {
    match side {
        Side::Buy => FLAG_BUY,
        Side::Sell => FLAG_SELL,
    }
}

const fn side_of(flags: u8) -> Option<Side> {
    if flags & FLAG_BUY != 0 {
        Some(Side::Buy)
    } else if flags & FLAG_SELL != 0 {
        Some(Side::Sell)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_survive_the_words() {
        let id = InstrumentId::new(3);
        let bodies = [
            MarketBody::Quote {
                bid: Price::from_whole(1),
                ask: Price::from_whole(2),
                bid_qty: None,
                ask_qty: Some(Qty::ZERO),
            },
            MarketBody::Trade {
                price: Price::from_whole(1),
                qty: Qty::ONE,
                taker: Some(Side::Sell),
                trade_id: u64::MAX,
                merged: 7,
            },
            MarketBody::Mark {
                mark: None,
                index: Some(Price::ONE),
                funding_rate: Some(Rate::ZERO),
                next_funding_ns: None,
            },
            MarketBody::Level { side: Side::Sell, price: Price::ONE, qty: Qty::ZERO, last: true },
            MarketBody::Gap,
        ];
        for body in bodies {
            let msg = MarketMsg::from_body(id, Nanos::new(5), None, body);
            assert_eq!(msg.body(), body);
            assert_eq!(msg.ts_exch_ns.get(), None);
            let late = MarketMsg { seq: u32::MAX, ts_exch_ns: Maybe::some(Nanos::new(-7)), ..msg };
            for msg in [msg, late] {
                assert_ne!(msg.words()[7], -1);
                assert_eq!(MarketMsg::from_words(msg.words()), Some(msg));
            }
        }
        assert_eq!(MarketMsg::from_words([-1; 8]), None);
    }
}
