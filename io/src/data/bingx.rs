//! Raw frames of `BingX` with receive time: what `pinion capture` records.
//!
//! Quotes, trades and mark prices are read, as a live run reads them; books, bars and day figures are counted as
//! ignored.

use pinion_core::id::InstrumentId;
use pinion_core::msg::{MarketBody, MarketMsg};
use pinion_core::units::Nanos;

use super::depth::DepthStatus;
use super::lines::Lines;
use super::raw::split_stamp;
use super::reader::{Order, Reader, Symbols};
use super::rows::{check_quote, check_trade};
use crate::bingx::market::Body;
use crate::bingx::{Decoder, Frame};
use crate::source::{SourceCounts, SourceFault};

/// The frames of a file, one after the other.
#[derive(Debug, Default)]
pub(super) struct Frames(Decoder);

impl Frames {
    /// Calls `take` with the symbol and each message of the frame that begins at `json` of the current line.
    pub(super) fn each(
        &mut self,
        lines: &Lines,
        at: Nanos,
        json: usize,
        take: &mut dyn FnMut(&str, &MarketMsg),
    ) -> Result<(), SourceFault> {
        let frame = self.0.decode(&lines.text()[json..]).map_err(|fault| {
            lines.fault(fault.to_string(), "a market frame as the venue sends it")
        })?;
        if let Frame::Market(market) = frame
            && matches!(market.body, Body::BookTicker(_) | Body::Trades(_) | Body::Mark(_))
        {
            // The reader finds the instrument by its symbol.
            market.messages(InstrumentId::new(0), at, &mut |message| take(market.symbol, &message));
        }
        Ok(())
    }
}

/// Reads a file of them.
#[derive(Debug)]
pub(super) struct BingxReader {
    lines: Lines,
    frames: Frames,
    symbols: Symbols,
    held: Option<(Nanos, usize)>,
}

impl BingxReader {
    pub(super) fn new(lines: Lines, symbols: Symbols) -> Self {
        Self { lines, frames: Frames::default(), symbols, held: None }
    }
}

impl Reader for BingxReader {
    fn peek(&mut self) -> Result<Option<Nanos>, SourceFault> {
        if self.held.is_none() && self.lines.peek()? {
            let stamp = split_stamp(self.lines.text());
            self.held = Some(stamp.map_err(|expected| {
                self.lines.fault(format!("it begins with {}", self.lines.excerpt()), expected)
            })?);
        }
        Ok(self.held.map(|(at, _)| at))
    }

    fn take(
        &mut self,
        at: Nanos,
        order: Order,
        out: &mut Vec<MarketMsg>,
        counts: &mut SourceCounts,
    ) -> Result<(), SourceFault> {
        let Some((_, json)) = self.held.take() else { return Ok(()) };
        self.lines.advance();
        if order == Order::TooLate {
            counts.reject("out_of_order");
            return Ok(());
        }
        let Self { lines, frames, symbols, .. } = self;
        let mut seen = 0;
        frames.each(lines, at, json, &mut |symbol, message| {
            seen += 1;
            match (symbols.find(symbol.as_bytes()), sound(message)) {
                (None, _) => counts.reject("unknown_symbol"),
                (Some(_), Err(reason)) => counts.reject(reason),
                (Some(instrument), Ok(())) => {
                    match message.body() {
                        MarketBody::Quote { .. } => counts.quote += 1,
                        MarketBody::Trade { .. } => counts.trade += 1,
                        MarketBody::Mark { .. } => counts.mark += 1,
                        MarketBody::Bar { .. }
                        | MarketBody::Level { .. }
                        | MarketBody::Reset
                        | MarketBody::Gap => {}
                    }
                    let mut message = *message;
                    message.instrument = instrument;
                    out.push(message);
                }
            }
        })?;
        if seen == 0 {
            counts.ignored += 1;
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

/// The same rules as for every recording.
fn sound(message: &MarketMsg) -> Result<(), &'static str> {
    match message.body() {
        MarketBody::Quote { bid, ask, bid_qty, ask_qty } => check_quote(
            bid.raw(),
            ask.raw(),
            bid_qty.map(|qty| qty.raw()),
            ask_qty.map(|qty| qty.raw()),
        ),
        MarketBody::Trade { price, qty, .. } => check_trade(price.raw(), qty.raw()),
        MarketBody::Mark { mark, .. } => {
            if mark.is_some_and(|mark| mark.is_positive()) {
                Ok(())
            } else {
                Err("bad_price")
            }
        }
        MarketBody::Bar { .. } | MarketBody::Level { .. } | MarketBody::Reset | MarketBody::Gap => {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::data::{DataOptions, open};
    use crate::source::Source as _;
    use pinion_core::instrument::InstrumentTable;
    use pinion_core::msg::MarketBody;
    use pinion_core::units::Money;
    use std::fs;

    const LINES: &str = r#"1700000000000000000 {"code":0,"dataType":"BTC-USDT@bookTicker","data":{"e":"bookTicker","u":1,"E":1,"T":2,"s":"BTC-USDT","b":"100.5","B":"1","a":"100.6","A":"2"}}
1700000000100000000 {"code":0,"dataType":"BTC-USDT@trade","data":[{"q":"0.25","p":"100.6","T":30,"m":false,"s":"BTC-USDT"}]}
1700000000200000000 {"code":0,"dataType":"BTC-USDT@markPrice","data":{"e":"markPriceUpdate","E":1,"s":"BTC-USDT","p":"100.55"}}
1700000000300000000 {"code":0,"dataType":"BTC-USDT@bookTicker","data":{"e":"bookTicker","u":1,"E":1,"T":2,"s":"BTC-USDT","b":"100.7","B":"1","a":"100.6","A":"2"}}
1700000000400000000 {"code":0,"dataType":"BTC-USDT@ticker","data":{"e":"24hTicker","E":1,"s":"BTC-USDT"}}
"#;

    fn options() -> DataOptions<'static> {
        DataOptions { backstep_ns_max: 0, min_notional: Money::from_whole(5), overrides: &[] }
    }

    #[test]
    fn captured_frames_become_messages_and_nonsense_is_counted() {
        let dir = tempfile::tempdir().expect("temporary directory");
        // Two packed frames in one file, as a capture writes them.
        let (first, second) = LINES.split_at(LINES.find('\n').expect("lines") + 1);
        let pack = |text: &str| zstd::bulk::compress(text.as_bytes(), 1).expect("packs");
        let packed = [pack(first), pack(second)].concat();
        fs::write(dir.path().join("bingx-000001.raw.zst"), packed).expect("written");
        fs::write(dir.path().join(crate::capture::MANIFEST), "{}").expect("written");
        let set = open(&[dir.path().to_path_buf()], &options()).expect("opens");
        assert_eq!(set.instruments[0].symbol.as_str(), "BTCUSDT");
        assert_eq!(set.instruments[0].tick.to_string(), "0.1");
        let table = InstrumentTable::new(set.instruments.clone()).expect("a table");
        let mut source = set.into_source(&table).expect("again");
        let mut messages = Vec::new();
        while source.next_ts().expect("reads").is_some() {
            source.next(&mut messages).expect("reads");
        }
        let counts = source.counts();
        assert_eq!((counts.quote, counts.trade, counts.mark, counts.ignored), (1, 1, 1, 1));
        assert_eq!(messages.len(), 3);
        assert!(matches!(messages[1].body(), MarketBody::Trade { .. }));
    }

    #[test]
    fn a_line_that_is_no_frame_is_named() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("x.raw");
        fs::write(&path, LINES.replace("\"q\":\"0.25\"", "\"q\":")).expect("written");
        let fault = open(&[path], &options()).expect_err("broken").to_string();
        assert!(fault.contains("line 2"), "{fault}");
    }
}
