//! The codec of market messages: two bytes of flags, then only what changed.
//!
//! The flags say the kind, what did not change and which fields follow. Prices are differences to the
//! instrument's last ones in the instrument's own steps (see [`super::scale`]), times are differences
//! to the last times in the stream's own steps.

use crate::id::InstrumentId;
use crate::instrument::INSTRUMENTS_MAX;
use crate::journal::bytes::{CodecFault, Reader, Writer, zigzag};
use crate::journal::codec::{CodecState, NOW_SAME, late};
use crate::journal::scale::{EXPONENT_MAX, divide, is_multiple, lower, multiply};
use crate::msg::{Input, MarketBody, MarketMsg, Side};
use crate::units::{Nanos, Price, Qty, Rate};

// Kinds, the low four bits of the first byte.
const QUOTE: u8 = 0;
const TRADE: u8 = 1;
const MARK: u8 = 2;
const BAR: u8 = 3;
const LEVEL: u8 = 4;
const RESET: u8 = 5;
const GAP: u8 = 6;

/// Largest kind that is a market message's.
pub(super) const KIND_MAX: u8 = GAP;

// Flags of market messages.
const SEQ_NEXT: u16 = 1 << 5;
const INSTRUMENT_SAME: u16 = 1 << 6;
/// Two bits: the exchange time is missing, the receive time, the last exchange time, or follows.
const EXCH_SHIFT: u16 = 7;
/// Six bits of the kind's own.
const OWN_SHIFT: u16 = 9;
/// Two bytes of exponents follow.
const RESCALED: u16 = 1 << 15;

const EXCH_NONE: u16 = 0;
const EXCH_RECV: u16 = 1;
const EXCH_LAST: u16 = 2;
const EXCH_DIFF: u16 = 3;

// A value in two bits: as before, missing, or it follows.
const AS_BEFORE: u16 = 0;
const MISSING: u16 = 1;
const FOLLOWS: u16 = 2;

/// What one instrument said last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    bid: i64,
    spread: i64,
    bid_qty: Option<i64>,
    ask_qty: Option<i64>,
    trade: i64,
    trade_id: u64,
    mark: i64,
    index: i64,
    funding: i64,
    next_funding: i64,
    price_exponent: u8,
    qty_exponent: u8,
}

pub(super) const UNSEEN: Last = Last {
    bid: 0,
    spread: 0,
    bid_qty: None,
    ask_qty: None,
    trade: 0,
    trade_id: 0,
    mark: 0,
    index: 0,
    funding: 0,
    next_funding: 0,
    price_exponent: EXPONENT_MAX,
    qty_exponent: EXPONENT_MAX,
};

/// The kind's own part of a market message, gathered before the flags can be written.
#[derive(Default)]
struct Parts {
    own: u16,
    prices: [i64; 4],
    price_count: usize,
    qtys: [i64; 2],
    qty_count: usize,
    /// Plain numbers: trade id, merged count, funding.
    plain: [u64; 4],
    plain_count: usize,
}

impl Parts {
    fn price(&mut self, difference: i64) {
        self.prices[self.price_count] = difference;
        self.price_count += 1;
    }

    fn qty(&mut self, value: i64) {
        self.qtys[self.qty_count] = value;
        self.qty_count += 1;
    }

    fn plain(&mut self, value: u64) {
        self.plain[self.plain_count] = value;
        self.plain_count += 1;
    }

    fn signed(&mut self, value: i64) {
        self.plain(zigzag(value));
    }
}

pub(super) fn encode(
    state: &mut CodecState,
    now: i64,
    message: &MarketMsg,
    writer: &mut Writer<'_>,
) {
    if !encode_plain_quote(state, now, message, writer) {
        encode_any(state, now, message, writer);
    }
}

/// The short way of what comes most: a quote in the steps that its stream has shown before. Writes what
/// [`encode_any`] would, or nothing, in a third of the time.
pub(super) fn encode_plain_quote(
    state: &mut CodecState,
    now: i64,
    message: &MarketMsg,
    writer: &mut Writer<'_>,
) -> bool {
    let MarketBody::Quote { bid, ask, bid_qty, ask_qty } = message.body() else { return false };
    let index = message.instrument.index();
    let recv = message.ts_recv_ns.get();
    let exch = message.ts_exch_ns.get().map(Nanos::get);
    let last = &mut state.last[index];
    let (bid, spread) = (bid.raw(), ask.raw().wrapping_sub(bid.raw()));
    let (bid_diff, spread_diff) = (bid.wrapping_sub(last.bid), spread.wrapping_sub(last.spread));
    let recv_diff = recv.wrapping_sub(state.recv);
    let (exch_flag, exch_diff) = exch_parts(exch, recv, state.exch);
    let qtys = [(bid_qty.map(Qty::raw), last.bid_qty), (ask_qty.map(Qty::raw), last.ask_qty)];
    let in_steps = is_multiple(bid_diff, last.price_exponent)
        && is_multiple(spread_diff, last.price_exponent)
        && is_multiple(recv_diff, state.recv_exponent)
        && is_multiple(exch_diff, state.exch_exponent)
        && qtys.iter().all(|(qty, before)| {
            qty == before || qty.is_some_and(|raw| is_multiple(raw, last.qty_exponent))
        });
    if !in_steps {
        return false;
    }
    let seq_next = message.seq == state.seq.wrapping_add(1);
    let same_instrument = index == usize::from(state.instrument);
    let flag = |holds: bool, flag: u16| if holds { flag } else { 0 };
    let flags = u16::from(QUOTE)
        | exch_flag << EXCH_SHIFT
        | flag(now == recv, NOW_SAME)
        | flag(seq_next, SEQ_NEXT)
        | flag(same_instrument, INSTRUMENT_SAME)
        | flag(bid_diff != 0, 1 << OWN_SHIFT)
        | flag(spread_diff != 0, 2 << OWN_SHIFT)
        | flag(qtys[0].0 != qtys[0].1, FOLLOWS << (OWN_SHIFT + 2))
        | flag(qtys[1].0 != qtys[1].1, FOLLOWS << (OWN_SHIFT + 4));
    writer.slice(&flags.to_le_bytes());
    if !same_instrument {
        writer.unsigned(index as u64);
    }
    writer.signed(divide(recv_diff, state.recv_exponent));
    if exch_flag == EXCH_DIFF {
        writer.signed(divide(exch_diff, state.exch_exponent));
    }
    if now != recv {
        writer.signed(now.wrapping_sub(recv));
    }
    if !seq_next {
        writer.unsigned(u64::from(message.seq));
    }
    for difference in [bid_diff, spread_diff] {
        if difference != 0 {
            writer.signed(divide(difference, last.price_exponent));
        }
    }
    for (qty, before) in qtys {
        if let Some(raw) = qty.filter(|_| qty != before) {
            writer.signed(divide(raw, last.qty_exponent));
        }
    }
    (last.bid, last.spread) = (bid, spread);
    (last.bid_qty, last.ask_qty) = (qtys[0].0, qtys[1].0);
    remember(state, message.seq, message.instrument, recv, exch);
    true
}

/// How an exchange time is written, and its difference where that is.
fn exch_parts(exch: Option<i64>, recv: i64, before: i64) -> (u16, i64) {
    match exch {
        None => (EXCH_NONE, 0),
        Some(ts) if ts == recv => (EXCH_RECV, 0),
        Some(ts) if ts == before => (EXCH_LAST, 0),
        Some(ts) => (EXCH_DIFF, ts.wrapping_sub(before)),
    }
}

pub(super) fn encode_any(
    state: &mut CodecState,
    now: i64,
    message: &MarketMsg,
    writer: &mut Writer<'_>,
) {
    let index = message.instrument.index();
    let recv = message.ts_recv_ns.get();
    let exch = message.ts_exch_ns.get().map(Nanos::get);
    let last = &mut state.last[index];
    let (kind, parts) = parts_of(last, message.body());

    let mut flags = u16::from(kind) | parts.own << OWN_SHIFT;
    let mut rescaled = false;
    let mut learn = |exponent: &mut u8, value: i64| {
        let lowered = lower(*exponent, value);
        rescaled |= lowered != *exponent;
        *exponent = lowered;
    };
    for difference in &parts.prices[..parts.price_count] {
        learn(&mut last.price_exponent, *difference);
    }
    for qty in &parts.qtys[..parts.qty_count] {
        learn(&mut last.qty_exponent, *qty);
    }
    let recv_diff = recv.wrapping_sub(state.recv);
    learn(&mut state.recv_exponent, recv_diff);
    let (exch_flag, exch_diff) = exch_parts(exch, recv, state.exch);
    // Zero, where there is no difference, is a multiple of everything.
    learn(&mut state.exch_exponent, exch_diff);
    flags |= exch_flag << EXCH_SHIFT;
    let seq_next = message.seq == state.seq.wrapping_add(1);
    for (holds, flag) in [
        (now == recv, NOW_SAME),
        (seq_next, SEQ_NEXT),
        (index == usize::from(state.instrument), INSTRUMENT_SAME),
        (rescaled, RESCALED),
    ] {
        if holds {
            flags |= flag;
        }
    }

    writer.slice(&flags.to_le_bytes());
    if rescaled {
        writer.byte(last.price_exponent << 4 | last.qty_exponent);
        writer.byte(state.recv_exponent << 4 | state.exch_exponent);
    }
    if flags & INSTRUMENT_SAME == 0 {
        writer.unsigned(index as u64);
    }
    writer.signed(divide(recv_diff, state.recv_exponent));
    if exch_flag == EXCH_DIFF {
        writer.signed(divide(exch_diff, state.exch_exponent));
    }
    if now != recv {
        writer.signed(now.wrapping_sub(recv));
    }
    if !seq_next {
        writer.unsigned(u64::from(message.seq));
    }
    for difference in &parts.prices[..parts.price_count] {
        writer.signed(divide(*difference, last.price_exponent));
    }
    for qty in &parts.qtys[..parts.qty_count] {
        writer.signed(divide(*qty, last.qty_exponent));
    }
    for value in &parts.plain[..parts.plain_count] {
        writer.unsigned(*value);
    }
    remember(state, message.seq, message.instrument, recv, exch);
}

#[expect(clippy::cast_possible_truncation, reason = "an instrument id is below INSTRUMENTS_MAX")]
fn remember(
    state: &mut CodecState,
    seq: u32,
    instrument: InstrumentId,
    recv: i64,
    exch: Option<i64>,
) {
    state.recv = recv;
    state.exch = exch.unwrap_or(state.exch);
    state.seq = seq;
    state.instrument = instrument.index() as u16;
}

/// What of a body differs from what the instrument said before; updates the memory.
fn parts_of(last: &mut Last, body: MarketBody) -> (u8, Parts) {
    let mut parts = Parts::default();
    let kind = match body {
        MarketBody::Quote { bid, ask, bid_qty, ask_qty } => {
            quote_parts(last, &mut parts, bid.raw(), ask.raw(), [bid_qty, ask_qty]);
            QUOTE
        }
        MarketBody::Trade { price, qty, taker, trade_id, merged } => {
            parts.own = match taker {
                None => 0,
                Some(Side::Buy) => 1,
                Some(Side::Sell) => 2,
            };
            if price.raw() != last.trade {
                parts.own |= 1 << 2;
                parts.price(price.raw().wrapping_sub(last.trade));
            }
            parts.qty(qty.raw());
            // The next id, the same (a source without ids says 0), or the difference.
            if trade_id == last.trade_id {
                parts.own |= 1 << 3;
            } else if trade_id != last.trade_id.wrapping_add(1) {
                parts.own |= 2 << 3;
                parts.signed(trade_id.wrapping_sub(last.trade_id).cast_signed());
            }
            if merged != 0 {
                parts.own |= 1 << 5;
                parts.plain(u64::from(merged));
            }
            (last.trade, last.trade_id) = (price.raw(), trade_id);
            TRADE
        }
        MarketBody::Mark { mark, index, funding_rate, next_funding_ns } => {
            if let Some(mark) = mark.map(Price::raw) {
                parts.own |= 8;
                parts.price(mark.wrapping_sub(last.mark));
                last.mark = mark;
            }
            if let Some(index) = index.map(Price::raw) {
                parts.own |= 1;
                parts.price(index.wrapping_sub(last.index));
                last.index = index;
            }
            if let Some(rate) = funding_rate.map(Rate::raw) {
                parts.own |= 2;
                parts.signed(rate.wrapping_sub(last.funding));
                last.funding = rate;
            }
            if let Some(next) = next_funding_ns.map(Nanos::get) {
                parts.own |= 4;
                parts.signed(next.wrapping_sub(last.next_funding));
                last.next_funding = next;
            }
            MARK
        }
        MarketBody::Bar { open, high, low, close, volume } => {
            parts.price(open.raw().wrapping_sub(last.trade));
            for price in [high, low, close] {
                parts.price(price.raw().wrapping_sub(open.raw()));
            }
            parts.qty(volume.raw());
            last.trade = close.raw();
            BAR
        }
        MarketBody::Level { side, price, qty, last: end } => {
            parts.own = u16::from(side == Side::Sell) | u16::from(end) << 1;
            parts.price(price.raw().wrapping_sub(last.trade));
            parts.qty(qty.raw());
            last.trade = price.raw();
            LEVEL
        }
        MarketBody::Reset => RESET,
        MarketBody::Gap => GAP,
    };
    (kind, parts)
}

fn quote_parts(last: &mut Last, parts: &mut Parts, bid: i64, ask: i64, qtys: [Option<Qty>; 2]) {
    let spread = ask.wrapping_sub(bid);
    if bid != last.bid {
        parts.own |= 1;
        parts.price(bid.wrapping_sub(last.bid));
    }
    if spread != last.spread {
        parts.own |= 2;
        parts.price(spread.wrapping_sub(last.spread));
    }
    for (shift, qty, before) in [(2, qtys[0], &mut last.bid_qty), (4, qtys[1], &mut last.ask_qty)] {
        let raw = qty.map(Qty::raw);
        parts.own |= match raw {
            _ if raw == *before => AS_BEFORE,
            None => MISSING,
            Some(value) => {
                parts.qty(value);
                FOLLOWS
            }
        } << shift;
        *before = raw;
    }
    (last.bid, last.spread) = (bid, spread);
}

pub(super) fn decode(
    state: &mut CodecState,
    kind: u8,
    first: u8,
    reader: &mut Reader<'_>,
) -> Result<(i64, Input), CodecFault> {
    let flags = u16::from_le_bytes([first, reader.byte()?]);
    let scales = if flags & RESCALED == 0 {
        None
    } else {
        Some((exponents(reader.byte()?)?, exponents(reader.byte()?)?))
    };
    let index =
        if flags & INSTRUMENT_SAME == 0 { reader.unsigned()? } else { u64::from(state.instrument) };
    let slot = usize::try_from(index).ok().filter(|index| *index < INSTRUMENTS_MAX);
    let Some(slot) = slot else {
        return Err(CodecFault::Code { field: "instrument", code: index });
    };
    let last = &mut state.last[slot];
    if let Some((of_instrument, of_time)) = scales {
        (last.price_exponent, last.qty_exponent) = of_instrument;
        (state.recv_exponent, state.exch_exponent) = of_time;
    }
    let recv = state.recv.wrapping_add(multiply(reader.signed()?, state.recv_exponent));
    let exch = match flags >> EXCH_SHIFT & 3 {
        EXCH_NONE => None,
        EXCH_RECV => Some(recv),
        EXCH_LAST => Some(state.exch),
        _ => Some(state.exch.wrapping_add(multiply(reader.signed()?, state.exch_exponent))),
    };
    let now = recv.wrapping_add(late(flags & NOW_SAME != 0, reader)?);
    let seq = if flags & SEQ_NEXT == 0 { reader.narrow()? } else { state.seq.wrapping_add(1) };
    let body = body_of(last, kind, flags >> OWN_SHIFT & 0x3f, reader)?;
    let instrument = InstrumentId::new(slot);
    let mut message =
        MarketMsg::from_body(instrument, Nanos::new(recv), exch.map(Nanos::new), body);
    message.seq = seq;
    remember(state, seq, instrument, recv, exch);
    Ok((now, Input::Market(message)))
}

fn exponents(byte: u8) -> Result<(u8, u8), CodecFault> {
    let pair = (byte >> 4, byte & 0x0f);
    if pair.0 > EXPONENT_MAX || pair.1 > EXPONENT_MAX {
        return Err(CodecFault::Code { field: "exponent", code: u64::from(byte) });
    }
    Ok(pair)
}

/// The other way round of [`parts_of`]: prices, then quantities, then plain numbers.
fn body_of(
    last: &mut Last,
    kind: u8,
    own: u16,
    reader: &mut Reader<'_>,
) -> Result<MarketBody, CodecFault> {
    let (price_exponent, qty_exponent) = (last.price_exponent, last.qty_exponent);
    let price = |reader: &mut Reader<'_>, from: i64| {
        Ok(from.wrapping_add(multiply(reader.signed()?, price_exponent)))
    };
    let qty = |reader: &mut Reader<'_>| Ok(multiply(reader.signed()?, qty_exponent));
    Ok(match kind {
        QUOTE => {
            if own & 1 != 0 {
                last.bid = price(reader, last.bid)?;
            }
            if own & 2 != 0 {
                last.spread = price(reader, last.spread)?;
            }
            for (shift, before) in [(2, &mut last.bid_qty), (4, &mut last.ask_qty)] {
                match own >> shift & 3 {
                    AS_BEFORE => {}
                    MISSING => *before = None,
                    FOLLOWS => *before = Some(qty(reader)?),
                    code => {
                        return Err(CodecFault::Code { field: "quantity flag", code: code.into() });
                    }
                }
            }
            MarketBody::Quote {
                bid: Price::from_raw(last.bid),
                ask: Price::from_raw(last.bid.wrapping_add(last.spread)),
                bid_qty: last.bid_qty.map(Qty::from_raw),
                ask_qty: last.ask_qty.map(Qty::from_raw),
            }
        }
        TRADE => decode_trade(last, own, reader)?,
        MARK => decode_mark(last, own, reader)?,
        BAR => {
            let open = price(reader, last.trade)?;
            let [high, low, close] =
                [price(reader, open)?, price(reader, open)?, price(reader, open)?];
            last.trade = close;
            MarketBody::Bar {
                open: Price::from_raw(open),
                high: Price::from_raw(high),
                low: Price::from_raw(low),
                close: Price::from_raw(close),
                volume: Qty::from_raw(qty(reader)?),
            }
        }
        LEVEL => {
            last.trade = price(reader, last.trade)?;
            MarketBody::Level {
                side: if own & 1 == 0 { Side::Buy } else { Side::Sell },
                price: Price::from_raw(last.trade),
                qty: Qty::from_raw(qty(reader)?),
                last: own & 2 != 0,
            }
        }
        RESET => MarketBody::Reset,
        _ => MarketBody::Gap,
    })
}

fn decode_trade(
    last: &mut Last,
    own: u16,
    reader: &mut Reader<'_>,
) -> Result<MarketBody, CodecFault> {
    let taker = match own & 3 {
        0 => None,
        1 => Some(Side::Buy),
        2 => Some(Side::Sell),
        code => return Err(CodecFault::Code { field: "taker", code: code.into() }),
    };
    if own & 1 << 2 != 0 {
        last.trade = last.trade.wrapping_add(multiply(reader.signed()?, last.price_exponent));
    }
    let qty = multiply(reader.signed()?, last.qty_exponent);
    last.trade_id = match own >> 3 & 3 {
        0 => last.trade_id.wrapping_add(1),
        1 => last.trade_id,
        2 => last.trade_id.wrapping_add(reader.signed()?.cast_unsigned()),
        code => return Err(CodecFault::Code { field: "trade id flag", code: code.into() }),
    };
    let merged = if own & 1 << 5 == 0 { 0 } else { reader.narrow()? };
    Ok(MarketBody::Trade {
        price: Price::from_raw(last.trade),
        qty: Qty::from_raw(qty),
        taker,
        trade_id: last.trade_id,
        merged,
    })
}

fn decode_mark(
    last: &mut Last,
    own: u16,
    reader: &mut Reader<'_>,
) -> Result<MarketBody, CodecFault> {
    let exponent = last.price_exponent;
    let mark = if own & 8 == 0 {
        None
    } else {
        last.mark = last.mark.wrapping_add(multiply(reader.signed()?, exponent));
        Some(Price::from_raw(last.mark))
    };
    let index = if own & 1 == 0 {
        None
    } else {
        last.index = last.index.wrapping_add(multiply(reader.signed()?, exponent));
        Some(Price::from_raw(last.index))
    };
    let funding_rate = if own & 2 == 0 {
        None
    } else {
        last.funding = last.funding.wrapping_add(reader.signed()?);
        Some(Rate::from_raw(last.funding))
    };
    let next_funding_ns = if own & 4 == 0 {
        None
    } else {
        last.next_funding = last.next_funding.wrapping_add(reader.signed()?);
        Some(Nanos::new(last.next_funding))
    };
    Ok(MarketBody::Mark { mark, index, funding_rate, next_funding_ns })
}
