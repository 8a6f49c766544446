//! `pinion decode`: recorded frames in normalised form.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use pinion_core::msg::Side;
use pinion_core::units::Nanos;
use pinion_io::wire::binance::{
    BookTicker, Decoder, Depth, DepthKind, Frame, Levels, Mark, PADDING, Trade,
};
use serde_json::{Value, json};

use crate::Failure;

const NS_PER_MS: i64 = 1_000_000;
/// Largest file that is taken for one frame.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;

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

/// Arguments of `pinion decode`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whose frames: binance.
    #[arg(long)]
    venue: String,
    /// Kind of frame, like `ws_market.book_ticker`; the part before the point may be left out.
    #[arg(long)]
    kind: String,
    /// For symmetry with other verbs: the output is JSON in any case.
    #[arg(long)]
    json: bool,
    /// One frame a file, gzip or plain.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Prints one JSON line a file; those before a failure are printed.
///
/// # Errors
/// As [`each`], and when stdout is closed.
pub fn run(args: &Args) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    each(args, |line| {
        writeln!(out, "{line}").map_err(|error| Failure::error(format!("stdout: {error}")))
    })
}

/// Normalises the files in turn and hands each result to `take`.
///
/// # Errors
/// [`Failure`]: usage for an unknown venue or kind and for a file that does not exist, error for one that
/// is not such a frame; and what `take` says.
pub fn each(
    args: &Args,
    mut take: impl FnMut(Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if args.venue != "binance" {
        return Err(Failure::usage(format!("--venue {}: only binance is supported", args.venue)));
    }
    let name = args.kind.strip_prefix("ws_market.").unwrap_or(&args.kind);
    let kind = Kind::from_text(name).ok_or_else(|| {
        let known = Kind::TEXTS.join(", ");
        Failure::usage(format!("--kind {}: expected one of {known}", args.kind))
    })?;
    let mut decoder = Decoder::new();
    args.files.iter().try_for_each(|file| take(decode(&mut decoder, kind, file)?))
}

fn decode(decoder: &mut Decoder, kind: Kind, file: &Path) -> Result<Value, Failure> {
    let path = file.display();
    let mut bytes = read(file)?;
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

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let path = file.display();
    if !file.exists() {
        return Err(Failure::usage(format!("{path}: there is no such file")));
    }
    let fail = |error: std::io::Error| Failure::error(format!("{path}: {error}"));
    let packed = std::fs::read(file).map_err(fail)?;
    if !packed.starts_with(&[0x1f, 0x8b]) {
        return Ok(packed);
    }
    let mut plain = Vec::new();
    let unpacker = flate2::read::MultiGzDecoder::new(packed.as_slice());
    unpacker.take(FILE_BYTES_MAX + 1).read_to_end(&mut plain).map_err(fail)?;
    if plain.len() as u64 > FILE_BYTES_MAX {
        let found =
            format!("{path}: unpacks to more than {FILE_BYTES_MAX} bytes; expected one frame");
        return Err(Failure::error(found));
    }
    Ok(plain)
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

fn ms(time: Option<Nanos>) -> Option<i64> {
    time.map(|time| time.get() / NS_PER_MS)
}

const fn taker(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
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
