//! What a frame says, as values. Texts are borrowed from the frame; levels lie in the decoder.

use pinion_core::book::{DiffIds, Level};
use pinion_core::id::TextId;
use pinion_core::msg::Side;
use pinion_core::units::{Nanos, Price, Qty, Rate};

/// A decoded frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Frame<'a> {
    /// `bookTicker`.
    BookTicker(BookTicker<'a>),
    /// `trade`.
    Trade(Trade<'a>),
    /// `aggTrade`.
    AggTrade(Trade<'a>),
    /// `depthUpdate`, a partial book, or a REST snapshot; the levels are in
    /// [`Decoder::levels`](super::Decoder::levels).
    Depth(Depth<'a>),
    /// `markPriceUpdate`, one or a list; they are in [`Decoder::marks`](super::Decoder::marks).
    Marks,
    /// Known and not used: klines, tickers, liquidations, subscription acknowledgements.
    Ignored,
    /// JSON, but no frame of the market streams.
    Unknown,
}

/// Best bid and ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookTicker<'a> {
    /// As the venue spells it.
    pub symbol: &'a str,
    /// Update id of the order book: the number space of the depth ids.
    pub update_id: u64,
    /// Best bid.
    pub bid: Price,
    /// Quantity at the bid.
    pub bid_qty: Qty,
    /// Best ask.
    pub ask: Price,
    /// Quantity at the ask.
    pub ask_qty: Qty,
    /// When the venue sent it (`E`); spot gives none.
    pub sent_ns: Option<Nanos>,
    /// When the book changed (`T`).
    pub changed_ns: Option<Nanos>,
}

/// A print, or an aggregate of prints of one taker order at one price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade<'a> {
    /// As the venue spells it.
    pub symbol: &'a str,
    /// Trade id, or id of the aggregate.
    pub id: u64,
    /// Price.
    pub price: Price,
    /// Quantity.
    pub qty: Qty,
    /// The aggressor.
    pub taker: Side,
    /// False for a fill of the insurance fund or of an auto-deleveraging: no market trade.
    pub normal: bool,
    /// When it happened (`T`).
    pub traded_ns: Option<Nanos>,
}

/// What the levels of a depth frame mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DepthKind {
    /// Changes; zero removes a level.
    Diff,
    /// The full top of the book, to the stream's depth.
    Partial,
    /// A REST snapshot.
    Snapshot,
}

/// A depth frame without its levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth<'a> {
    /// What the levels mean.
    pub kind: DepthKind,
    /// As the venue spells it; `None` when the frame does not say (a REST snapshot without its url).
    pub symbol: Option<&'a str>,
    /// Update ids; of a snapshot all are its `lastUpdateId`.
    pub ids: DiffIds,
    /// When the book changed (`T`), else when it was sent (`E`).
    pub exchange_ns: Option<Nanos>,
}

/// Mark price and funding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// As the venue spells it; empty when it does not fit a [`TextId`].
    pub symbol: TextId,
    /// Mark price.
    pub mark: Price,
    /// Index price.
    pub index: Option<Price>,
    /// Funding rate of the running interval; delivery contracts have none.
    pub funding_rate: Option<Rate>,
    /// When the next funding is exchanged.
    pub next_funding_ns: Option<Nanos>,
    /// When the venue sent it.
    pub sent_ns: Option<Nanos>,
}

/// The levels of the last depth frame, in the order of the frame. Reused from frame to frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// Bids.
    pub bids: Vec<Level>,
    /// Asks.
    pub asks: Vec<Level>,
}

/// True for the symbol of an inverse contract (`BTCUSD_PERP`, `ETHUSD_240927`): it counts in contracts
/// of US dollars and pays in the base coin, so it may be read and not traded.
#[must_use]
pub fn is_inverse(symbol: &str) -> bool {
    symbol.split_once('_').is_some_and(|(pair, _)| pair.ends_with("USD"))
}
