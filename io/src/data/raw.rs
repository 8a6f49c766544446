//! Raw frames with receive time: `<receive time> <json>` a line.

use pinion_core::id::InstrumentId;
use pinion_core::msg::{MarketBody, MarketMsg};
use pinion_core::units::Nanos;

use super::depth::{DepthState, DepthStatus, Sides, Stamp};
use super::lines::Lines;
use super::reader::{Order, Reader, Symbols};
use super::rows::{check_quote, check_trade};
use crate::source::{SourceCounts, SourceFault};
use crate::wire::binance::{
    BookTicker, DecodeFault, Decoder, Depth, DepthKind, FaultKind, Frame, Levels, Mark, Trade,
};
use crate::wire::digits::whole_number;

/// Splits `<receive time> <json>`: the time, and where the JSON begins. The number of digits tells the
/// unit: 13 ms, 16 µs, 19 ns.
pub(super) fn split_stamp(line: &[u8]) -> Result<(Nanos, usize), &'static str> {
    const EXPECTED: &str =
        "a receive time of 13 (ms), 16 (us) or 19 (ns) digits, a space and a JSON frame";
    let Some((number, digits)) = whole_number(line) else { return Err(EXPECTED) };
    let unit_ns = match digits {
        13 => 1_000_000,
        16 => 1_000,
        19 => 1,
        _ => return Err(EXPECTED),
    };
    if line.get(digits) != Some(&b' ') {
        return Err(EXPECTED);
    }
    let ns = i64::try_from(number).ok().and_then(|number| number.checked_mul(unit_ns));
    ns.map(|ns| (Nanos::new(ns), digits + 1)).ok_or(EXPECTED)
}

/// What the scan found out about a file, as far as reading needs it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RawDepth {
    /// A change stream is recorded, so partial books of the symbol are not used.
    pub(super) has_diffs: bool,
    /// Nothing in the data set quotes this symbol: its book must.
    pub(super) derive_quotes: bool,
}

/// Reads a file of raw frames.
#[derive(Debug)]
pub(super) struct RawReader {
    lines: Lines,
    decoder: Decoder,
    applier: Applier,
    held: Option<(Nanos, usize)>,
}

/// Turns decoded frames into messages.
#[derive(Debug)]
struct Applier {
    symbols: Symbols,
    /// Of a REST snapshot that does not name one.
    own_symbol: Option<InstrumentId>,
    /// Per instrument; `None` where the file has no depth of it.
    depth: Vec<Option<(DepthState, RawDepth)>>,
}

impl RawReader {
    pub(super) fn new(
        lines: Lines,
        mut symbols: Symbols,
        own_symbol: Option<&str>,
        depth: impl Fn(InstrumentId) -> Option<RawDepth>,
    ) -> Self {
        let own_symbol = own_symbol.and_then(|symbol| symbols.find(symbol.as_bytes()));
        let depth = (0..symbols.count())
            .map(|index| {
                let has = depth(InstrumentId::new(index))?;
                Some((DepthState::new(has.derive_quotes), has))
            })
            .collect();
        let applier = Applier { symbols, own_symbol, depth };
        Self { lines, decoder: Decoder::new(), applier, held: None }
    }
}

impl Reader for RawReader {
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
        // A depth frame left out here breaks the chain of ids at the next one, which says so.
        if order == Order::TooLate {
            counts.reject("out_of_order");
            return Ok(());
        }
        let (text, len) = self.lines.padded(json);
        let applier = &mut self.applier;
        match self.decoder.decode(text, len) {
            Ok(Frame::BookTicker(ticker)) => applier.quote(at, &ticker, out, counts),
            Ok(Frame::Trade(trade) | Frame::AggTrade(trade)) => {
                applier.trade(at, &trade, out, counts);
            }
            Ok(Frame::Depth(depth)) => {
                let done = applier.depth(at, &depth, self.decoder.levels(), out, counts);
                return done.map_err(|NoSymbol| {
                    self.lines.fault(
                        "a depth snapshot that does not say its symbol",
                        "the symbol in the file name (like usdm_btcusdt.raw), or lines like \
                         {\"url\":\"…?symbol=BTCUSDT\",\"body\":{…}}",
                    )
                });
            }
            Ok(Frame::Marks) => applier.marks(at, self.decoder.marks(), out, counts),
            Ok(Frame::Ignored) => counts.ignored += 1,
            Ok(Frame::Unknown) => counts.reject("unknown_frame"),
            Err(DecodeFault { kind: FaultKind::TooPrecise, .. }) => counts.reject("too_precise"),
            Err(DecodeFault { kind: FaultKind::Unreadable, found, expected }) => {
                return Err(self.lines.fault(found, expected));
            }
        }
        Ok(())
    }

    fn bytes(&self) -> (u64, u64, u64) {
        let (read, all) = self.lines.packed();
        (self.lines.bytes(), read, all)
    }

    fn depth(&self, instrument: InstrumentId) -> Option<DepthStatus> {
        self.applier.depth.get(instrument.index())?.as_ref().map(|(state, _)| state.status())
    }
}

/// A snapshot belongs to nobody.
struct NoSymbol;

impl Applier {
    fn quote(
        &mut self,
        at: Nanos,
        ticker: &BookTicker<'_>,
        out: &mut Vec<MarketMsg>,
        counts: &mut SourceCounts,
    ) {
        let (bid_qty, ask_qty) = (ticker.bid_qty.raw(), ticker.ask_qty.raw());
        let check = check_quote(ticker.bid.raw(), ticker.ask.raw(), Some(bid_qty), Some(ask_qty));
        match (self.symbols.find(ticker.symbol.as_bytes()), check) {
            (None, _) => counts.reject("unknown_symbol"),
            (Some(_), Err(reason)) => counts.reject(reason),
            (Some(instrument), Ok(())) => {
                counts.quote += 1;
                let exchange = ticker.changed_ns.or(ticker.sent_ns);
                out.push(Stamp { instrument, at, exchange }.message(MarketBody::Quote {
                    bid: ticker.bid,
                    ask: ticker.ask,
                    bid_qty: Some(ticker.bid_qty),
                    ask_qty: Some(ticker.ask_qty),
                }));
            }
        }
    }

    fn trade(
        &mut self,
        at: Nanos,
        trade: &Trade<'_>,
        out: &mut Vec<MarketMsg>,
        counts: &mut SourceCounts,
    ) {
        let check = if trade.normal {
            check_trade(trade.price.raw(), trade.qty.raw())
        } else {
            Err("not_market_trade")
        };
        match (self.symbols.find(trade.symbol.as_bytes()), check) {
            (None, _) => counts.reject("unknown_symbol"),
            (Some(_), Err(reason)) => counts.reject(reason),
            (Some(instrument), Ok(())) => {
                counts.trade += 1;
                let exchange = trade.traded_ns;
                out.push(Stamp { instrument, at, exchange }.message(MarketBody::Trade {
                    price: trade.price,
                    qty: trade.qty,
                    taker: Some(trade.taker),
                    trade_id: trade.id,
                    merged: 0,
                }));
            }
        }
    }

    fn marks(
        &mut self,
        at: Nanos,
        marks: &[Mark],
        out: &mut Vec<MarketMsg>,
        counts: &mut SourceCounts,
    ) {
        for mark in marks {
            let Some(instrument) = self.symbols.find(mark.symbol.as_str().as_bytes()) else {
                counts.reject("unknown_symbol");
                continue;
            };
            if !mark.mark.is_positive() {
                counts.reject("bad_price");
                continue;
            }
            counts.mark += 1;
            out.push(Stamp { instrument, at, exchange: mark.sent_ns }.message(MarketBody::Mark {
                mark: Some(mark.mark),
                index: mark.index.filter(|index| index.is_positive()),
                funding_rate: mark.funding_rate,
                next_funding_ns: mark.next_funding_ns,
            }));
        }
    }

    fn depth(
        &mut self,
        at: Nanos,
        depth: &Depth<'_>,
        levels: &Levels,
        out: &mut Vec<MarketMsg>,
        counts: &mut SourceCounts,
    ) -> Result<(), NoSymbol> {
        let instrument = match depth.symbol {
            Some(symbol) => self.symbols.find(symbol.as_bytes()),
            None => Some(self.own_symbol.ok_or(NoSymbol)?),
        };
        let Some(instrument) = instrument else {
            counts.reject("unknown_symbol");
            return Ok(());
        };
        let Some(Some((state, has))) = self.depth.get_mut(instrument.index()) else {
            counts.reject("unknown_symbol");
            return Ok(());
        };
        let stamp = Stamp { instrument, at, exchange: depth.exchange_ns };
        let sides = Sides { bids: &levels.bids, asks: &levels.asks };
        match depth.kind {
            DepthKind::Diff => state.diff(stamp, depth.ids, sides, out, counts),
            DepthKind::Snapshot => state.snapshot(stamp, depth.ids.last, sides, out, counts),
            DepthKind::Partial if has.has_diffs => counts.ignored += 1,
            DepthKind::Partial => state.snapshot(stamp, depth.ids.last, sides, out, counts),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_digits_tells_the_unit() {
        for (line, ns, json) in [
            ("1723161255030314667 {}", 1_723_161_255_030_314_667, 20),
            ("1723161255030314 {}", 1_723_161_255_030_314_000, 17),
            ("1723161255030 {}", 1_723_161_255_030_000_000, 14),
        ] {
            assert_eq!(split_stamp(line.as_bytes()), Ok((Nanos::new(ns), json)));
        }
        for line in
            ["", "1 {}", "17231612550303 {}", "1723161255030314667{}", "9999999999999999999 {}"]
        {
            assert!(split_stamp(line.as_bytes()).is_err(), "{line}");
        }
    }
}
