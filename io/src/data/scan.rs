//! The first pass over a file: which instruments, how fine their steps, what is said about them, from
//! when to when. The universe must be known before trading starts.

use pinion_core::id::TextId;
use pinion_core::instrument::{INSTRUMENTS_MAX, canonical_symbol};
use pinion_core::msg::MarketBody;
use pinion_core::units::{Nanos, SCALE};

use super::bars::Table;
use super::cells::Bad;
use super::format::Format;
use super::lines::Lines;
use super::raw::split_stamp;
use super::rows::{Row, RowBody, RowKind, fault_of};
use crate::source::SourceFault;
use crate::wire::binance::{Decoder, DepthKind, FaultKind, Frame};

/// Frames per symbol from which the steps of raw frames are read; every row of a CSV file is looked at.
const SAMPLED_MAX: u32 = 4_000;

/// What a file says about one symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SymbolScan {
    pub(super) symbol: TextId,
    /// Finest power of ten that every price is a multiple of, raw.
    pub(super) price_step: Option<i64>,
    pub(super) qty_step: Option<i64>,
    pub(super) quotes: u64,
    pub(super) trades: u64,
    /// Depth changes.
    pub(super) diffs: u64,
    /// Full books: snapshots of rows, partial books of a stream.
    pub(super) fulls: u64,
    pub(super) bars: u64,
    pub(super) marks: u64,
    sampled: u32,
}

impl SymbolScan {
    /// True when there is something to trade on; marks alone are not.
    pub(super) const fn has_market(&self) -> bool {
        self.quotes + self.trades + self.bars > 0 || self.has_depth()
    }

    pub(super) const fn has_depth(&self) -> bool {
        self.diffs + self.fulls > 0
    }

    fn price(&mut self, raw: i64) {
        refine(&mut self.price_step, raw);
    }

    fn qty(&mut self, raw: i64) {
        refine(&mut self.qty_step, raw);
    }

    fn body(&mut self, body: &MarketBody) {
        match *body {
            MarketBody::Quote { bid, ask, bid_qty, ask_qty } => {
                self.quotes += 1;
                self.price(bid.raw());
                self.price(ask.raw());
                for qty in [bid_qty, ask_qty].into_iter().flatten() {
                    self.qty(qty.raw());
                }
            }
            MarketBody::Trade { price, qty, .. } => {
                self.trades += 1;
                self.price(price.raw());
                self.qty(qty.raw());
            }
            MarketBody::Bar { open, high, low, close, volume } => {
                self.bars += 1;
                for price in [open, high, low, close] {
                    self.price(price.raw());
                }
                self.qty(volume.raw());
            }
            MarketBody::Mark { .. } => self.marks += 1,
            MarketBody::Level { .. } | MarketBody::Reset | MarketBody::Gap => {}
        }
    }
}

/// Makes `step` a divisor of `raw`: a power of ten from 1e-8 to one whole.
fn refine(step: &mut Option<i64>, raw: i64) {
    if raw <= 0 {
        return;
    }
    let mut finer = step.unwrap_or(SCALE);
    while raw % finer != 0 {
        finer /= 10;
    }
    *step = Some(finer);
}

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct FileScan {
    pub(super) symbols: Vec<SymbolScan>,
    pub(super) first: Option<Nanos>,
    pub(super) last: Option<Nanos>,
    /// Size after unpacking.
    pub(super) bytes: u64,
    /// Spellings met, sorted, and the position in `symbols`.
    spellings: Vec<(Box<[u8]>, usize)>,
    recent: usize,
}

impl FileScan {
    /// Reads the whole file once. `lines` stands after the header.
    pub(super) fn run(mut lines: Lines, format: Format) -> Result<Self, SourceFault> {
        let mut scan = Self::default();
        let mut decoder = Decoder::new();
        let mut frames = super::bingx::Frames::default();
        while lines.peek()? {
            match format {
                Format::Raw => scan.raw_line(&mut lines, &mut decoder)?,
                Format::Bingx => scan.bingx_line(&lines, &mut frames)?,
                Format::Rows => scan.row(&lines)?,
                Format::Bars { columns } => scan.timed(&lines, Table::Bars { columns })?,
                Format::Funding => scan.timed(&lines, Table::Funding)?,
            }
            if scan.symbols.len() > INSTRUMENTS_MAX * 4 {
                return Err(lines.fault(
                    format!("more than {} symbols", INSTRUMENTS_MAX * 4),
                    format!("at most {INSTRUMENTS_MAX} instruments; split the data"),
                ));
            }
            lines.advance();
        }
        scan.bytes = lines.bytes();
        Ok(scan)
    }

    /// The symbol that a snapshot without one belongs to: the one in the file's name, else the only one.
    pub(super) fn own_symbol(&self, file_name: &str) -> Option<TextId> {
        let name = canonical_name(file_name);
        let named = self.symbols.iter().map(|scan| scan.symbol);
        named
            .filter(|symbol| name.contains(symbol.as_str()))
            .max_by_key(|symbol| symbol.as_str().len())
            .or(match self.symbols.as_slice() {
                [only] => Some(only.symbol),
                _ => None,
            })
    }

    fn saw(&mut self, at: Nanos) {
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
    }

    /// The entry of a spelling; `None` when it is no symbol.
    fn symbol(&mut self, spelling: &[u8]) -> Option<&mut SymbolScan> {
        let recent = self.spellings.get(self.recent).filter(|(known, _)| **known == *spelling);
        if let Some((_, at)) = recent {
            return self.symbols.get_mut(*at);
        }
        let place = self.spellings.binary_search_by(|(known, _)| (**known).cmp(spelling));
        self.recent = match place {
            Ok(place) => place,
            Err(place) => {
                let symbol = canonical_symbol(core::str::from_utf8(spelling).ok()?)?;
                let known = self.symbols.iter().position(|scan| scan.symbol == symbol);
                let at = known.unwrap_or_else(|| {
                    self.symbols.push(new_scan(symbol));
                    self.symbols.len() - 1
                });
                self.spellings.insert(place, (spelling.into(), at));
                place
            }
        };
        self.symbols.get_mut(self.spellings[self.recent].1)
    }

    fn row(&mut self, lines: &Lines) -> Result<(), SourceFault> {
        let row = Row::parse(lines.text()).map_err(|bad| fault_of(lines, bad))?;
        self.saw(row.at);
        let Some(scan) = self.symbol(row.symbol) else { return Ok(()) };
        match row.body {
            Ok(RowBody::Event(body)) => scan.body(&body),
            Ok(RowBody::Level(_, level)) => {
                scan.fulls += 1;
                scan.price(level.price.raw());
                scan.qty(level.qty.raw());
            }
            // It names the symbol all the same, and is counted by its own reason when it is read.
            Err(_) => match row.kind {
                RowKind::Quote => scan.quotes += 1,
                RowKind::Trade => scan.trades += 1,
                RowKind::Level { .. } => scan.fulls += 1,
            },
        }
        Ok(())
    }

    fn timed(&mut self, lines: &Lines, table: Table) -> Result<(), SourceFault> {
        let row = table.parse(lines.text()).map_err(|bad: Bad| fault_of(lines, bad))?;
        self.saw(row.at);
        let Some(scan) = self.symbol(row.symbol) else { return Ok(()) };
        match (row.body, table) {
            (Ok(body), _) => scan.body(&body),
            (Err(_), Table::Bars { .. }) => scan.bars += 1,
            (Err(_), Table::Funding) => scan.marks += 1,
        }
        Ok(())
    }

    fn bingx_line(
        &mut self,
        lines: &Lines,
        frames: &mut super::bingx::Frames,
    ) -> Result<(), SourceFault> {
        let (at, json) = split_stamp(lines.text()).map_err(|expected| {
            lines.fault(format!("it begins with {}", lines.excerpt()), expected)
        })?;
        self.saw(at);
        frames.each(lines, at, json, &mut |symbol, message| {
            if let Some(scan) = self.symbol(symbol.as_bytes()) {
                scan.body(&message.body());
            }
        })
    }

    fn raw_line(&mut self, lines: &mut Lines, decoder: &mut Decoder) -> Result<(), SourceFault> {
        let (at, json) = split_stamp(lines.text()).map_err(|expected| {
            lines.fault(format!("it begins with {}", lines.excerpt()), expected)
        })?;
        self.saw(at);
        if let Some((symbol, stream)) = stream_of(&lines.text()[json..])
            && let Some(scan) = self.symbol(symbol)
            && scan.sampled >= SAMPLED_MAX
        {
            match stream {
                b"bookTicker" => scan.quotes += 1,
                b"trade" | b"aggTrade" => scan.trades += 1,
                [b'd', b'e', b'p', b't', b'h', b'0'..=b'9', ..] => scan.fulls += 1,
                [b'd', b'e', b'p', b't', b'h', ..] => scan.diffs += 1,
                [b'm', b'a', b'r', b'k', b'P', ..] => scan.marks += 1,
                _ => {}
            }
            return Ok(());
        }
        let (text, len) = lines.padded(json);
        match decoder.decode(text, len) {
            Ok(frame) => self.frame(&frame, decoder),
            Err(fault) if fault.kind == FaultKind::TooPrecise => {}
            Err(fault) => return Err(lines.fault(fault.found, fault.expected)),
        }
        Ok(())
    }

    fn frame(&mut self, frame: &Frame<'_>, decoder: &Decoder) {
        match frame {
            Frame::BookTicker(ticker) => {
                if let Some(scan) = self.symbol(ticker.symbol.as_bytes()) {
                    scan.quotes += 1;
                    scan.sampled += 1;
                    scan.price(ticker.bid.raw());
                    scan.price(ticker.ask.raw());
                    scan.qty(ticker.bid_qty.raw());
                    scan.qty(ticker.ask_qty.raw());
                }
            }
            Frame::Trade(trade) | Frame::AggTrade(trade) => {
                if let Some(scan) = self.symbol(trade.symbol.as_bytes()) {
                    scan.trades += 1;
                    scan.sampled += 1;
                    scan.price(trade.price.raw());
                    scan.qty(trade.qty.raw());
                }
            }
            Frame::Depth(depth) => {
                let levels = decoder.levels();
                let symbol = depth.symbol.and_then(|symbol| self.symbol(symbol.as_bytes()));
                // A snapshot without a symbol tells nothing about steps that its changes do not.
                if let Some(scan) = symbol {
                    match depth.kind {
                        DepthKind::Diff => scan.diffs += 1,
                        DepthKind::Partial | DepthKind::Snapshot => scan.fulls += 1,
                    }
                    scan.sampled += 1;
                    for level in levels.bids.iter().chain(&levels.asks) {
                        scan.price(level.price.raw());
                        scan.qty(level.qty.raw());
                    }
                }
            }
            Frame::Marks => {
                for mark in decoder.marks() {
                    if let Some(scan) = self.symbol(mark.symbol.as_str().as_bytes()) {
                        scan.marks += 1;
                    }
                }
            }
            Frame::Ignored | Frame::Unknown => {}
        }
    }
}

const fn new_scan(symbol: TextId) -> SymbolScan {
    SymbolScan {
        symbol,
        price_step: None,
        qty_step: None,
        quotes: 0,
        trades: 0,
        diffs: 0,
        fulls: 0,
        bars: 0,
        marks: 0,
        sampled: 0,
    }
}

/// Symbol and stream of `{"stream":"btcusdt@trade",…`; `None` for anything else.
fn stream_of(json: &[u8]) -> Option<(&[u8], &[u8])> {
    let name = json.strip_prefix(b"{\"stream\":\"")?;
    let name = &name[..memchr::memchr(b'"', name)?];
    let at = memchr::memchr(b'@', name)?;
    Some((&name[..at], &name[at + 1..]))
}

/// A file name as a canonical symbol would stand in it.
fn canonical_name(file_name: &str) -> String {
    let kept = file_name.chars().filter(|letter| !matches!(letter, '-' | ' '));
    kept.map(|letter| letter.to_ascii_uppercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_the_finest_power_of_ten_seen() {
        let step = |texts: &[&str]| {
            let mut step = None;
            for text in texts {
                refine(&mut step, pinion_core::units::parse_raw(text.as_bytes()).expect(text));
            }
            step
        };
        assert_eq!(step(&[]), None);
        assert_eq!(step(&["109741", "109750"]), Some(SCALE));
        assert_eq!(step(&["61659.70", "61659.80"]), Some(SCALE / 10));
        assert_eq!(step(&["1", "0.00000001", "5"]), Some(1));
        assert_eq!(step(&["0", "-0.5"]), None);
    }

    #[test]
    fn a_stream_name_says_symbol_and_stream() {
        let json = br#"{"stream":"btcusdt@depth@0ms","data":{}}"#;
        assert_eq!(stream_of(json), Some((b"btcusdt".as_slice(), b"depth@0ms".as_slice())));
        assert_eq!(stream_of(br#"{"stream":"!bookTicker","data":{}}"#), None);
        assert_eq!(stream_of(br#"{"e":"trade"}"#), None);
    }

    #[test]
    fn a_nameless_snapshot_belongs_to_the_symbol_in_the_file_name() {
        let mut scan = FileScan::default();
        for symbol in [b"btcusdt".as_slice(), b"BTCUSD_PERP", b"ethusdt"] {
            assert!(scan.symbol(symbol).is_some());
        }
        let own = |name: &str| scan.own_symbol(name).map(|symbol| symbol.as_str().to_owned());
        assert_eq!(own("usdm_btcusdt.raw.zst").as_deref(), Some("BTCUSDT"));
        assert_eq!(own("coinm_btcusd_perp.raw.zst").as_deref(), Some("BTCUSD_PERP"));
        assert_eq!(own("session.raw"), None);
    }
}
