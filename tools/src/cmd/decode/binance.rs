//! Frames of Binance's market streams.

use std::path::Path;

use pinion_io::wire::binance::{
    BookTicker, Decoder, Depth, DepthKind, Frame, Levels, Mark, PADDING, Trade,
};
use serde_json::{Value, json};

use super::{ms, taker};
use crate::Failure;

pinion_core::text_enum! {
    /// Kinds of Binance frames that can be decoded.
    enum Kind {
        /// Best bid and ask.
        BookTicker => "book_ticker",
        /// A print.
        Trade => "trade",
        /// An aggregate of prints.
        AggTrade => "agg_trade",
        /// Changes of the book.
        DepthDiff => "depth_diff",
        /// The top of the book.
        DepthPartial => "depth_partial",
        /// Mark price of one symbol.
        MarkPrice => "mark_price",
        /// Mark prices of every symbol.
        MarkPriceAll => "mark_price_all",
    }
}

/// Reads frames of one kind.
pub(super) struct Reader {
    decoder: Decoder,
    kind: Kind,
}

impl Reader {
    pub(super) fn new(kind: &str) -> Result<Self, Failure> {
        let name = kind.strip_prefix("ws_market.").unwrap_or(kind);
        let kind = Kind::from_text(name).ok_or_else(|| {
            let known = Kind::TEXTS.join(", ");
            Failure::usage(format!("--kind {kind}: expected one of {known}"))
        })?;
        Ok(Self { decoder: Decoder::new(), kind })
    }

    pub(super) fn decode(&mut self, file: &Path) -> Result<Value, Failure> {
        decode(&mut self.decoder, self.kind, file)
    }
}

fn decode(decoder: &mut Decoder, kind: Kind, file: &Path) -> Result<Value, Failure> {
    let path = file.display();
    let mut bytes = super::read(file)?;
    let len = bytes.len();
    bytes.resize(len + PADDING, 0);
    let frame = decoder
        .decode(&mut bytes, len)
        .map_err(|fault| Failure::error(format!("{path}: {fault}")))?;
    let value = match (kind, &frame) {
        (Kind::BookTicker, Frame::BookTicker(ticker)) => book_ticker(ticker),
        (Kind::Trade, Frame::Trade(trade)) => plain_trade(trade),
        (Kind::AggTrade, Frame::AggTrade(trade)) => agg_trade(trade),
        (Kind::DepthDiff | Kind::DepthPartial, Frame::Depth(frame))
            if frame.kind != DepthKind::Snapshot =>
        {
            depth(frame, decoder.levels())
        }
        (Kind::MarkPrice, Frame::Marks) if decoder.marks().len() == 1 => mark(&decoder.marks()[0]),
        (Kind::MarkPriceAll, Frame::Marks) => decoder.marks().iter().map(mark).collect(),
        (_, other) => {
            let (found, expected) = (name(other), kind.as_str());
            return Err(Failure::error(format!("{path}: found {found}; expected {expected}")));
        }
    };
    Ok(value)
}

const fn name(frame: &Frame<'_>) -> &'static str {
    match frame {
        Frame::BookTicker(_) => Kind::BookTicker.as_str(),
        Frame::Trade(_) => Kind::Trade.as_str(),
        Frame::AggTrade(_) => Kind::AggTrade.as_str(),
        Frame::Depth(Depth { kind: DepthKind::Diff, .. }) => Kind::DepthDiff.as_str(),
        Frame::Depth(Depth { kind: DepthKind::Partial, .. }) => Kind::DepthPartial.as_str(),
        Frame::Depth(Depth { kind: DepthKind::Snapshot, .. }) => "a REST depth snapshot",
        Frame::Marks => Kind::MarkPriceAll.as_str(),
        Frame::Ignored => "a kline, a ticker, a liquidation or an acknowledgement",
        Frame::Unknown => "no market frame of the venue",
    }
}

fn book_ticker(ticker: &BookTicker<'_>) -> Value {
    json!({
        "symbol": ticker.symbol,
        "bid": [ticker.bid.to_string(), ticker.bid_qty.to_string()],
        "ask": [ticker.ask.to_string(), ticker.ask_qty.to_string()],
        "seq": ticker.update_id,
        "event_time_ms": ms(ticker.sent_ns),
    })
}

/// A print that is no market trade has no price that counts.
fn plain_trade(trade: &Trade<'_>) -> Value {
    if !trade.normal {
        return json!({ "normal": false });
    }
    json!({
        "price": trade.price.to_string(),
        "qty": trade.qty.to_string(),
        "taker_side": taker(trade.taker),
        "normal": true,
    })
}

fn agg_trade(trade: &Trade<'_>) -> Value {
    json!({
        "symbol": trade.symbol,
        "price": trade.price.to_string(),
        "qty": trade.qty.to_string(),
        "taker_side": taker(trade.taker),
        "time_ms": ms(trade.traded_ns),
    })
}

fn depth(depth: &Depth<'_>, levels: &Levels) -> Value {
    json!({
        "U": depth.ids.first,
        "u": depth.ids.last,
        "pu": depth.ids.previous,
        "bids": levels.bids.len(),
        "asks": levels.asks.len(),
    })
}

fn mark(mark: &Mark) -> Value {
    json!({
        "symbol": mark.symbol.as_str(),
        "mark": mark.mark.to_string(),
        "index": mark.index.map(|index| index.to_string()),
        "funding": mark.funding_rate.map(|rate| rate.to_string()),
        "next_funding_ms": ms(mark.next_funding_ns),
    })
}
