//! The short way: the two hottest frames exactly as the venue writes them, read in one pass without a tape.
//!
//! The whole top of the book and order events; keys of an order event in any order, no blanks, no escapes, ASCII.
//! On any surprise the answer is `None` and the general reader decides; whatever this one reads, that one reads
//! the same (tested on the fixtures and on mutations of them).

use core::ops::Range;

use pinion_core::book::Level;
use pinion_core::id::TextId;
use pinion_core::units::{Money, Nanos, Price, Qty};

use super::frame::Frame;
use super::market::{Body, Levels, Market, Scratch};
use super::user::{Account, EMPTY, OrderUpdate};
use super::words::{self, Execution, OrderType, WireSide};
use crate::bingx::words::OrderState;
use crate::wire::digits::{quoted_decimal, whole_number};

const NS_PER_MS: i64 = 1_000_000;
/// What the general reader allows in one list.
const LEVELS_MAX: usize = 10_000;
/// What the general reader allows in one text.
const TEXT_BYTES_MAX: usize = 4 * 1024;
/// Bytes of any content that must follow a text in its buffer.
pub(super) const PADDING: usize = 32;

/// A frame whose texts still lie where it was read from: nothing may borrow that before it is decided which
/// reader answers.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "taken apart at once; a box would allocate per event"
)]
pub(super) enum Plain {
    /// The whole top of the book; its levels are in the scratch.
    Depth { symbol: Range<usize>, exchange_ns: Option<Nanos> },
    /// An order event without its texts.
    Order { update: OrderUpdate<'static>, texts: Texts },
}

/// Where the texts of an order event lie.
#[derive(Debug, Default)]
pub(super) struct Texts {
    symbol: Range<usize>,
    client_id: Range<usize>,
    commission_asset: Range<usize>,
}

impl Plain {
    /// The frame, borrowing from the text it was read from.
    pub(super) fn frame<'a>(self, text: &'a [u8], scratch: &'a mut Scratch) -> Frame<'a> {
        match self {
            Self::Depth { symbol, exchange_ns } => {
                let body = Body::Depth(scratch.levels_mut());
                Frame::Market(Market { symbol: ascii(text, symbol), exchange_ns, body })
            }
            Self::Order { update, texts } => Frame::Account(Account::Order(OrderUpdate {
                symbol: ascii(text, texts.symbol),
                client_id: ascii(text, texts.client_id),
                commission_asset: ascii(text, texts.commission_asset),
                ..update
            })),
        }
    }
}

/// A piece of the text; ASCII was checked on the way.
fn ascii(text: &[u8], place: Range<usize>) -> &str {
    text.get(place).and_then(|bytes| core::str::from_utf8(bytes).ok()).unwrap_or_default()
}

/// Reads `text[..len]`; what follows it is padding.
pub(super) fn read(text: &[u8], len: usize, scratch: &mut Scratch) -> Option<Plain> {
    let frame = text.get(..len)?;
    if frame.starts_with(b"{\"code\":0,\"dataType\":\"") {
        depth(text, len, scratch)
    } else if frame.starts_with(b"{\"e\":\"ORDER_TRADE_UPDATE\",") {
        order(text, len)
    } else {
        None
    }
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

    /// The place of a text after its opening quotation mark: ASCII without escapes or control characters.
    #[inline]
    fn rest_of_text(&mut self) -> Option<Range<usize>> {
        let from = self.at;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' | 0..0x20 | 0x80.. => return None,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        (self.at - from <= TEXT_BYTES_MAX).then_some(from..self.at - 1)
    }

    fn place(&mut self) -> Option<Range<usize>> {
        self.skip(b"\"")?;
        self.rest_of_text()
    }

    fn text(&mut self) -> Option<&'a str> {
        Some(ascii(self.text, self.place()?))
    }

    /// A whole JSON number; nothing may follow its digits but the end of the value.
    fn number(&mut self) -> Option<u64> {
        let (number, length) = whole_number(self.text.get(self.at..)?)?;
        self.at += length;
        matches!(self.peek()?, b',' | b'}').then_some(number)
    }

    /// A time in ms; the inner `None` is zero, which the venue means nothing by.
    fn time(&mut self) -> Option<Option<Nanos>> {
        let ms = self.number()?;
        let ns = i64::try_from(ms).ok()?.checked_mul(NS_PER_MS)?;
        Some((ns != 0).then(|| Nanos::new(ns)))
    }

    /// A decimal after its opening quotation mark.
    #[inline]
    fn rest_of_decimal(&mut self) -> Option<i64> {
        let (raw, length) = quoted_decimal(self.text.get(self.at..)?)?;
        self.at += length + 1;
        Some(raw)
    }

    /// A decimal in quotation marks, negative or not; the inner `None` is an empty text.
    fn decimal(&mut self) -> Option<Option<i64>> {
        self.skip(b"\"")?;
        if self.skip(b"\"").is_some() {
            return Some(None);
        }
        let negative = self.skip(b"-").is_some();
        let raw = self.rest_of_decimal()?;
        Some(Some(if negative { -raw } else { raw }))
    }

    /// An identity: a text, or the digits of a number; the number or text 0 is none.
    fn id(&mut self) -> Option<TextId> {
        let digits = if self.peek()? == b'"' {
            self.text()?
        } else {
            let from = self.at;
            self.number()?;
            core::str::from_utf8(self.text.get(from..self.at)?).ok()?
        };
        if matches!(digits, "" | "0") { Some(TextId::EMPTY) } else { TextId::new(digits) }
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
                    return (out.len() <= LEVELS_MAX).then_some(());
                }
                _ => return None,
            }
        }
    }
}

/// `{"code":0,"dataType":"S@depth20@100ms","ts":…,"data":{"bids":…,"asks":…}}`.
fn depth(text: &[u8], len: usize, scratch: &mut Scratch) -> Option<Plain> {
    let mut cursor = Cursor { text, at: 0 };
    cursor.skip(b"{\"code\":0,\"dataType\":")?;
    let topic = cursor.place()?;
    let (symbol, stream) = ascii(text, topic.clone()).split_once('@')?;
    let symbol = topic.start..topic.start + symbol.len();
    let digits = stream.split(['@', '_']).next()?.strip_prefix("depth")?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let exchange_ns = if cursor.skip(b",\"ts\":").is_some() { cursor.time()? } else { None };
    cursor.skip(b",\"data\":{\"bids\":")?;
    let levels: &mut Levels = scratch.levels_mut();
    cursor.levels(&mut levels.bids)?;
    cursor.skip(b",\"asks\":")?;
    cursor.levels(&mut levels.asks)?;
    cursor.skip(b"}}")?;
    (cursor.at == len).then_some(Plain::Depth { symbol, exchange_ns })
}

/// Every key once: a second one is for the general reader to refuse.
#[derive(Default)]
struct Once(u128);

impl Once {
    /// Remembers a key of one or two letters.
    fn see(&mut self, key: &str) -> Option<()> {
        // ASCII letters lie within 64 to 127; the factor keeps the known keys of two letters apart.
        let bit = match *key.as_bytes() {
            [letter] => u32::from(letter & 0x3f),
            [first, second] => 64 + (u32::from(first) * 5 + u32::from(second)) % 64,
            _ => return None,
        };
        let seen = self.0 >> bit & 1 == 1;
        self.0 |= 1 << bit;
        (!seen).then_some(())
    }
}

fn order(text: &[u8], len: usize) -> Option<Plain> {
    let mut cursor = Cursor { text, at: 0 };
    cursor.skip(b"{\"e\":\"ORDER_TRADE_UPDATE\"")?;
    let mut update = OrderUpdate { event: "ORDER_TRADE_UPDATE", ..EMPTY };
    let mut texts = Texts::default();
    if cursor.skip(b",\"E\":").is_some() {
        update.sent_ns = cursor.time()?;
    }
    if cursor.skip(b",\"T\":").is_some() {
        update.updated_ns = cursor.time()?;
    }
    cursor.skip(b",\"o\":{")?;
    let mut once = Once::default();
    loop {
        let key = cursor.text()?;
        once.see(key)?;
        cursor.skip(b":")?;
        match key {
            "s" => texts.symbol = cursor.place()?,
            "c" => texts.client_id = cursor.place()?,
            "N" => texts.commission_asset = cursor.place()?,
            key => field(&mut update, key, &mut cursor)?,
        }
        match cursor.peek()? {
            b',' => cursor.at += 1,
            b'}' => break,
            _ => return None,
        }
    }
    cursor.skip(b"}}")?;
    let whole = cursor.at == len && !texts.symbol.is_empty() && !update.order_id.is_empty();
    whole.then_some(Plain::Order { update, texts })
}

/// Reads one value; words that are not known are for the general reader, which counts them.
fn field(update: &mut OrderUpdate<'_>, key: &str, cursor: &mut Cursor<'_>) -> Option<()> {
    let word = |text: &str, found: bool| (found || text.is_empty()).then_some(());
    let price = |raw: Option<i64>| raw.map(Price::from_raw);
    match key {
        "i" => update.order_id = cursor.id()?,
        "S" => {
            let text = cursor.text()?;
            update.side = words::side(text);
            word(text, update.side.is_some())?;
        }
        "o" => {
            let text = cursor.text()?;
            update.kind = OrderType::read(text);
            word(text, update.kind.is_some())?;
        }
        "q" => update.qty = cursor.decimal()?.map(Qty::from_raw),
        "p" => update.price = price(cursor.decimal()?).filter(|price| !price.is_zero()),
        "ap" => update.avg_price = price(cursor.decimal()?).filter(|price| !price.is_zero()),
        "x" => {
            let text = cursor.text()?;
            update.execution = Execution::read(text);
            word(text, update.execution.is_some())?;
        }
        "X" => {
            let text = cursor.text()?;
            update.state = OrderState::read(text);
            word(text, update.state.is_some())?;
        }
        "z" => update.cum_qty = cursor.decimal()?.map(Qty::from_raw),
        "l" => update.last_qty = cursor.decimal()?.map(Qty::from_raw),
        "L" => update.last_price = price(cursor.decimal()?),
        "n" => update.commission = cursor.decimal()?.map(Money::from_raw),
        "rp" => update.realised = cursor.decimal()?.map(Money::from_raw),
        "T" => update.traded_ns = cursor.time()?,
        "ps" => {
            let text = cursor.text()?;
            update.position_side = WireSide::read(text);
            word(text, update.position_side.is_some())?;
        }
        "t" | "td" => {
            let id = cursor.id()?;
            if !id.is_empty() {
                update.trade_id = id;
            }
        }
        "m" => update.is_maker = Some(cursor.flag()?),
        "sp" | "wt" | "sg" | "ti" | "ro" | "tv" => match cursor.peek()? {
            b'"' => drop(cursor.text()?),
            b't' | b'f' => drop(cursor.flag()?),
            _ => drop(cursor.number()?),
        },
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bingx::frame::Decoder;
    use proptest::prelude::*;

    const FILL: &str = concat!(
        r#"{"e":"ORDER_TRADE_UPDATE","E":1723161256299,"T":1723161256298,"o":{"s":"BTC-USDT","#,
        r#""c":"p-66b5594f-1a","i":1627970445070303232,"S":"BUY","o":"LIMIT","q":"0.00300000","#,
        r#""p":"61659.70","sp":"","ap":"61659.70","x":"TRADE","X":"FILLED","N":"USDT","#,
        r#""n":"-0.01369708","T":1723161256290,"wt":"MARK_PRICE","ps":"LONG","rp":"0.00000000","#,
        r#""z":"0.00300000","sg":"false","ti":0,"ro":false,"td":88100000,"tv":"1234.50","#,
        r#""l":"0.00300000","L":"61659.70","m":false}}"#,
    );
    const BOOK: &str = concat!(
        r#"{"code":0,"dataType":"BTC-USDT@depth20@100ms","ts":1714650397486,"data":{"#,
        r#""bids":[["121825.7","7.7622"],["121825.6","0.0060"]],"#,
        r#""asks":[["121827.3","0.0025"],["121827.1","10"]]}}"#,
    );

    /// Both readers on one text: what the short one reads, and what the general one says.
    fn both(text: &[u8]) -> (Option<String>, Result<String, String>) {
        let mut padded = text.to_vec();
        padded.resize(text.len() + PADDING, b'7');
        let mut scratch = Scratch::default();
        let short = read(&padded, text.len(), &mut scratch)
            .map(|plain| format!("{:?}", plain.frame(&padded, &mut scratch)));
        let mut decoder = Decoder::new();
        let general = decoder
            .decode_any(text)
            .map(|frame| format!("{frame:?}"))
            .map_err(|fault| fault.to_string());
        (short, general)
    }

    #[test]
    fn both_frames_take_the_short_way_and_are_read_alike() {
        for text in [FILL, BOOK] {
            let (short, general) = both(text.as_bytes());
            assert_eq!(short.map(Ok), Some(general), "{text}");
        }
    }

    #[test]
    fn what_is_odd_is_left_to_the_general_reader() {
        for (from, to) in [
            ("\"S\":\"BUY\"", "\"S\":\"BOUGHT\""),
            ("\"i\":1627970445070303232,", ""),
            ("\"m\":false", "\"m\":false,\"m\":true"),
            ("\"c\":\"p-66b5594f-1a\"", "\"c\":\"\\u0070\""),
            ("\"ti\":0", "\"ti\":-1"),
            ("\"q\":\"0.00300000\"", "\"q\":1e-7"),
            ("\"n\":\"-0.01369708\"", "\"n\":\"-0.013697081\""),
            ("\"m\":false", "\"new\":false"),
        ] {
            let text = FILL.replace(from, to);
            assert_ne!(text, FILL);
            assert_eq!(both(text.as_bytes()).0, None, "{text}");
        }
    }

    #[test]
    fn no_two_keys_of_an_order_look_alike() {
        let mut once = Once::default();
        let keys = [
            "s", "c", "i", "S", "o", "q", "p", "ap", "x", "X", "z", "l", "L", "n", "N", "rp", "T",
            "ps", "t", "td", "m", "sp", "wt", "sg", "ti", "ro", "tv",
        ];
        assert!(keys.iter().all(|key| once.see(key).is_some()));
        assert!(keys.iter().all(|key| once.see(key).is_none()));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

        /// Whatever the short reader makes of a damaged frame, the general one makes of it.
        #[test]
        fn damaged_frames_are_read_alike_or_left(
            of_book: bool,
            damage in prop::collection::vec((any::<prop::sample::Index>(), 0u8..4, any::<u8>()), 0..4),
        ) {
            let mut text = if of_book { BOOK } else { FILL }.as_bytes().to_vec();
            for (at, how, byte) in damage {
                let at = at.index(text.len());
                let common = b"0123456789.,:\"{}[]-eE tfn\\"[usize::from(byte) % 26];
                match how {
                    0 => text[at] = common,
                    1 => text[at] = byte,
                    2 => drop(text.remove(at)),
                    _ => text.insert(at, common),
                }
            }
            let (short, general) = both(&text);
            if let Some(short) = short {
                prop_assert_eq!(Ok(short), general);
            }
        }
    }
}
