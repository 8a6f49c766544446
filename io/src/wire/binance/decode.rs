//! From bytes to a [`Frame`].

use core::mem;

use pinion_core::book::DiffIds;
use pinion_core::id::TextId;
use pinion_core::msg::Side;
use pinion_core::units::{Nanos, Price, Qty, Rate};
use simd_json::{Buffers, Node, Tape};

use super::fault::DecodeFault;
use super::frame::{BookTicker, Depth, DepthKind, Frame, Levels, Mark, Trade};
use super::plain;
use super::tape::{Fields, Object, span};

/// Bytes that must follow a frame in its buffer, so that it can be read in wide steps without a copy.
pub const PADDING: usize = simd_json::INPUT_PADDING;

/// Events that are known and not used.
const IGNORED: &[&str] = &[
    "kline",
    "24hrTicker",
    "24hrMiniTicker",
    "forceOrder",
    "continuous_kline",
    "compositeIndex",
    "contractInfo",
    "assetIndexUpdate",
    "indexPriceUpdate",
    "indexPrice_kline",
    "markPrice_kline",
    "tradingSession",
    "avgPrice",
];

/// Decodes frames with reused buffers: nothing is allocated per frame once the largest was seen.
///
/// Frames written the way the venue writes them take a short way through (about 0.1 µs for a
/// `bookTicker`); everything else goes through simd-json, with the same result.
pub struct Decoder {
    buffers: Buffers,
    /// Empty between frames.
    tape: Tape<'static>,
    levels: Levels,
    marks: Vec<Mark>,
}

impl core::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Decoder").field("levels", &self.levels).finish_non_exhaustive()
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder with room for ordinary frames.
    #[must_use]
    pub fn new() -> Self {
        Self {
            buffers: Buffers::new(64 * 1024),
            tape: Tape(Vec::with_capacity(1024)),
            levels: Levels::default(),
            marks: Vec::new(),
        }
    }

    /// Decodes the frame `text[..len]`; at least [`PADDING`] bytes of any content must follow it.
    /// Texts with escapes are unescaped in place.
    ///
    /// # Errors
    /// [`DecodeFault`] for malformed JSON and for a known frame with a missing or wrong field.
    pub fn decode<'a>(&mut self, text: &'a mut [u8], len: usize) -> Result<Frame<'a>, DecodeFault> {
        if let Some(plain) = plain::read(text, len, &mut self.levels) {
            return Ok(plain.frame(text));
        }
        self.decode_any(text, len)
    }

    /// The general reader: any JSON.
    pub(super) fn decode_any<'a>(
        &mut self,
        text: &'a mut [u8],
        len: usize,
    ) -> Result<Frame<'a>, DecodeFault> {
        let mut tape = mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        let frame = match simd_json::fill_tape_padded(text, len, &mut self.buffers, &mut tape) {
            Ok(()) => self.root(&tape.0),
            Err(error) => Err(DecodeFault::unreadable(
                format!("malformed JSON ({error})"),
                "one whole JSON frame",
            )),
        };
        self.tape = tape.reset();
        frame
    }

    /// Levels of the last depth frame.
    #[must_use]
    pub const fn levels(&self) -> &Levels {
        &self.levels
    }

    /// Marks of the last mark price frame.
    #[must_use]
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    fn root<'a>(&mut self, tape: &[Node<'a>]) -> Result<Frame<'a>, DecodeFault> {
        let Some(object) = Object::at(tape, 0) else { return self.list(tape, 0) };
        let fields = &object.fields;
        if fields.data != 0 {
            let stream = object.text(fields.stream);
            return match object.object(fields.data) {
                Some(data) => self.frame(&data, stream),
                None => self.list(tape, fields.data as usize),
            };
        }
        if let Some(body) = object.object(fields.body) {
            return self.snapshot(&body, object.text(fields.url).and_then(symbol_of_url));
        }
        let acknowledged = fields.id != 0 && (fields.result != 0 || fields.error != 0);
        if acknowledged { Ok(Frame::Ignored) } else { self.frame(&object, None) }
    }

    /// An array of frames: mark prices of every symbol, or tickers.
    fn list<'a>(&mut self, tape: &[Node<'a>], at: usize) -> Result<Frame<'a>, DecodeFault> {
        let Some(Node::Array { len, .. }) = tape.get(at) else { return Ok(Frame::Unknown) };
        self.marks.clear();
        let mut cursor = at + 1;
        for _ in 0..*len {
            let Some(object) = Object::at(tape, cursor) else { return Ok(Frame::Unknown) };
            match object.text(object.fields.event) {
                Some("markPriceUpdate") => self.marks.push(mark(&object)?),
                Some(event) if IGNORED.contains(&event) => {}
                Some(_) | None => return Ok(Frame::Unknown),
            }
            cursor += tape.get(cursor).map_or(1, span);
        }
        Ok(if self.marks.is_empty() { Frame::Ignored } else { Frame::Marks })
    }

    fn frame<'a>(
        &mut self,
        object: &Object<'_, 'a>,
        stream: Option<&'a str>,
    ) -> Result<Frame<'a>, DecodeFault> {
        match object.text(object.fields.event) {
            Some("bookTicker") => book_ticker(object),
            Some("depthUpdate") => self.depth(object, stream),
            Some("trade") => trade(object, object.fields.trade_id, "t").map(Frame::Trade),
            Some("aggTrade") => trade(object, object.fields.a, "a").map(Frame::AggTrade),
            Some("markPriceUpdate") => {
                self.marks.clear();
                self.marks.push(mark(object)?);
                Ok(Frame::Marks)
            }
            Some(event) if IGNORED.contains(&event) => Ok(Frame::Ignored),
            Some(_) => Ok(Frame::Unknown),
            // Spot and old recordings leave the event name out.
            None if object.fields.snapshot_id != 0 => self
                .snapshot(object, stream.and_then(|stream| stream.split('@').next()))
                .map(|frame| match (frame, stream) {
                    (Frame::Depth(depth), Some(_)) => {
                        Frame::Depth(Depth { kind: DepthKind::Partial, ..depth })
                    }
                    (frame, _) => frame,
                }),
            None if is_book_ticker(object) => book_ticker(object),
            None => Ok(Frame::Unknown),
        }
    }

    fn depth<'a>(
        &mut self,
        object: &Object<'_, 'a>,
        stream: Option<&str>,
    ) -> Result<Frame<'a>, DecodeFault> {
        let fields = &object.fields;
        object.levels(fields.b, "b", &mut self.levels.bids)?;
        object.levels(fields.a, "a", &mut self.levels.asks)?;
        Ok(Frame::Depth(Depth {
            kind: if stream.map(str::as_bytes).is_some_and(is_partial) {
                DepthKind::Partial
            } else {
                DepthKind::Diff
            },
            symbol: Some(object.required_text(fields.symbol, "s")?),
            ids: DiffIds {
                first: object.number(fields.id_first, "U")?,
                last: object.number(fields.id_last, "u")?,
                previous: object.optional_number(fields.id_previous, "pu")?,
            },
            exchange_ns: exchange_ns(object)?,
        }))
    }

    fn snapshot<'a>(
        &mut self,
        object: &Object<'_, 'a>,
        symbol: Option<&'a str>,
    ) -> Result<Frame<'a>, DecodeFault> {
        let fields = &object.fields;
        let last = object.number(fields.snapshot_id, "lastUpdateId")?;
        object.levels(fields.bids, "bids", &mut self.levels.bids)?;
        object.levels(fields.asks, "asks", &mut self.levels.asks)?;
        Ok(Frame::Depth(Depth {
            kind: DepthKind::Snapshot,
            symbol: object.text(fields.symbol_long).or(symbol),
            ids: DiffIds { first: last, last, previous: None },
            exchange_ns: exchange_ns(object)?,
        }))
    }
}

/// `btcusdt@depth20@100ms` is the full top of the book, `btcusdt@depth@100ms` its changes.
pub(super) fn is_partial(stream: &[u8]) -> bool {
    let depth = stream.splitn(2, |byte| *byte == b'@').nth(1);
    depth
        .and_then(|name| name.strip_prefix(b"depth"))
        .and_then(|rest| rest.first())
        .is_some_and(u8::is_ascii_digit)
}

/// `…/depth?symbol=BATUSDT&limit=1000`.
fn symbol_of_url(url: &str) -> Option<&str> {
    let (_, query) = url.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix("symbol="))
}

/// Told by its keys alone: a wrong value is then a fault, not an unknown frame.
fn is_book_ticker(object: &Object<'_, '_>) -> bool {
    let Fields { symbol, id_last, b, bid_qty, a, ask_qty, .. } = object.fields;
    [symbol, id_last, b, bid_qty, a, ask_qty].iter().all(|field| *field != 0)
}

fn book_ticker<'a>(object: &Object<'_, 'a>) -> Result<Frame<'a>, DecodeFault> {
    let fields = &object.fields;
    Ok(Frame::BookTicker(BookTicker {
        symbol: object.required_text(fields.symbol, "s")?,
        update_id: object.number(fields.id_last, "u")?,
        bid: Price::from_raw(object.decimal(fields.b, "b")?),
        bid_qty: Qty::from_raw(object.decimal(fields.bid_qty, "B")?),
        ask: Price::from_raw(object.decimal(fields.a, "a")?),
        ask_qty: Qty::from_raw(object.decimal(fields.ask_qty, "A")?),
        sent_ns: object.time(fields.sent, "E")?,
        changed_ns: object.time(fields.time, "T")?,
    }))
}

fn trade<'a>(object: &Object<'_, 'a>, id: u32, id_name: &str) -> Result<Trade<'a>, DecodeFault> {
    let fields = &object.fields;
    let buyer_is_maker = object.flag(fields.maker, "m")?;
    Ok(Trade {
        symbol: object.required_text(fields.symbol, "s")?,
        id: object.number(id, id_name)?,
        price: Price::from_raw(object.decimal(fields.p, "p")?),
        qty: Qty::from_raw(object.decimal(fields.q, "q")?),
        taker: if buyer_is_maker { Side::Sell } else { Side::Buy },
        normal: object.text(fields.trade_kind).is_none_or(|kind| kind == "MARKET"),
        traded_ns: object.time(fields.time, "T")?,
    })
}

fn mark(object: &Object<'_, '_>) -> Result<Mark, DecodeFault> {
    let fields = &object.fields;
    // A contract without funding (a delivery future) says 0 for its time.
    let next_funding_ns = object.time(fields.time, "T")?.filter(|time| time.get() > 0);
    Ok(Mark {
        symbol: TextId::new(object.required_text(fields.symbol, "s")?).unwrap_or(TextId::EMPTY),
        mark: Price::from_raw(object.decimal(fields.p, "p")?),
        index: object.optional_decimal(fields.index, "i")?.map(Price::from_raw),
        funding_rate: object.optional_decimal(fields.rate, "r")?.map(Rate::from_raw),
        next_funding_ns,
        sent_ns: object.time(fields.sent, "E")?,
    })
}

/// The venue's time of a depth frame: of the change, else of the sending.
fn exchange_ns(object: &Object<'_, '_>) -> Result<Option<Nanos>, DecodeFault> {
    let changed = object.time(object.fields.time, "T")?;
    Ok(changed.or(object.time(object.fields.sent, "E")?))
}
