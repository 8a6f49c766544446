//! The codec of venue messages: few, so plain numbers without prediction.

use crate::id::{ClientId, InstrumentId};
use crate::journal::bytes::{CodecFault, Reader, Writer};
use crate::journal::codec::{CodecState, instrument};
use crate::msg::venue::{ForcedCause, RejectReason, VenueOrderState};
use crate::msg::{ClientRef, Maybe, PositionSide, Side, VenueEvent, VenueMsg, Word};
use crate::units::{Nanos, Price, Qty};

const ACK: u8 = 0;
const REJECT: u8 = 1;
const AMBIGUOUS: u8 = 2;
const FILL: u8 = 3;
const FEE_SETTLED: u8 = 4;
const CANCELED: u8 = 5;
const CANCEL_REJECTED: u8 = 6;
const EXPIRED: u8 = 7;
const ORDER_STATUS: u8 = 8;
const BALANCE: u8 = 9;
const FUNDING: u8 = 10;
const TRANSFER: u8 = 11;
const POSITION: u8 = 12;
/// Of either snapshot.
const END: u8 = 13;
const OPEN_ORDER: u8 = 14;
const FORCED: u8 = 15;

// The rest of the first byte.
const CLIENT_OWN: u8 = 1 << 4;
const CLIENT_FOREIGN: u8 = 1 << 5;
const HAS_INSTRUMENT: u8 = 1 << 6;
const HAS_EXCH: u8 = 1 << 7;

pub(super) fn encode(state: &mut CodecState, message: &VenueMsg, writer: &mut Writer<'_>) {
    let recv = message.ts_recv_ns.get();
    let exch = message.ts_exch_ns.get().map(Nanos::get);
    let mut flags = code_of(&message.event);
    flags |= match message.client {
        ClientRef::Absent => 0,
        ClientRef::Own(_) => CLIENT_OWN,
        ClientRef::Foreign => CLIENT_FOREIGN,
    };
    if message.instrument.is_some() {
        flags |= HAS_INSTRUMENT;
    }
    if exch.is_some() {
        flags |= HAS_EXCH;
    }
    writer.byte(flags);
    writer.signed(recv.wrapping_sub(state.recv));
    if let Some(ts) = exch {
        writer.signed(recv.wrapping_sub(ts));
    }
    if let ClientRef::Own(id) = message.client {
        writer.signed(i64::from(id.epoch()) - i64::from(state.client.0));
        writer.signed(i64::from(id.seq()) - i64::from(state.client.1));
        state.client = (id.epoch(), id.seq());
    }
    if let Some(id) = message.instrument {
        writer.unsigned(id.index() as u64);
    }
    encode_event(&message.event, writer);
    state.recv = recv;
}

pub(super) fn decode(
    state: &mut CodecState,
    reader: &mut Reader<'_>,
) -> Result<VenueMsg, CodecFault> {
    let flags = reader.byte()?;
    let recv = state.recv.wrapping_add(reader.signed()?);
    let exch = if flags & HAS_EXCH == 0 { None } else { Some(recv.wrapping_sub(reader.signed()?)) };
    let client = match (flags & CLIENT_OWN != 0, flags & CLIENT_FOREIGN != 0) {
        (false, false) => ClientRef::Absent,
        (true, false) => {
            let epoch = part(state.client.0, reader)?;
            let seq = part(state.client.1, reader)?;
            state.client = (epoch, seq);
            ClientRef::Own(ClientId::new(epoch, seq))
        }
        (false, true) => ClientRef::Foreign,
        (true, true) => {
            return Err(CodecFault::Code { field: "client reference", code: flags.into() });
        }
    };
    let instrument: Option<InstrumentId> =
        if flags & HAS_INSTRUMENT == 0 { None } else { Some(instrument(reader)?) };
    let event = decode_event(flags & 0x0f, reader)?;
    state.recv = recv;
    Ok(VenueMsg {
        ts_exch_ns: exch.map(Nanos::new).into(),
        ts_recv_ns: Nanos::new(recv),
        client,
        instrument,
        event,
    })
}

fn part(last: u32, reader: &mut Reader<'_>) -> Result<u32, CodecFault> {
    let value = i64::from(last).wrapping_add(reader.signed()?);
    u32::try_from(value).map_err(|_| CodecFault::Overlong)
}

const fn code_of(event: &VenueEvent) -> u8 {
    match event {
        VenueEvent::Ack { .. } => ACK,
        VenueEvent::Reject { .. } => REJECT,
        VenueEvent::Ambiguous => AMBIGUOUS,
        VenueEvent::Fill { .. } => FILL,
        VenueEvent::FeeSettled { .. } => FEE_SETTLED,
        VenueEvent::Canceled { .. } => CANCELED,
        VenueEvent::CancelRejected { .. } => CANCEL_REJECTED,
        VenueEvent::Expired { .. } => EXPIRED,
        VenueEvent::OrderStatus { .. } => ORDER_STATUS,
        VenueEvent::Balance { .. } => BALANCE,
        VenueEvent::Funding { .. } => FUNDING,
        VenueEvent::Transfer { .. } => TRANSFER,
        VenueEvent::Position { .. } => POSITION,
        VenueEvent::PositionsEnd { .. } | VenueEvent::OpenOrdersEnd { .. } => END,
        VenueEvent::OpenOrder { .. } => OPEN_ORDER,
        VenueEvent::Forced { .. } => FORCED,
    }
}

fn put<T: Word>(writer: &mut Writer<'_>, value: Maybe<T>) {
    writer.optional(value.get().map(Word::to_word));
}

fn get<T: Word>(reader: &mut Reader<'_>) -> Result<Maybe<T>, CodecFault> {
    Ok(reader.optional()?.map(T::from_word).into())
}

fn word<T: Word>(reader: &mut Reader<'_>) -> Result<T, CodecFault> {
    reader.signed().map(T::from_word)
}

fn encode_event(event: &VenueEvent, writer: &mut Writer<'_>) {
    match event {
        VenueEvent::Ack { venue_id } => writer.text(venue_id),
        VenueEvent::Reject { reason } | VenueEvent::CancelRejected { reason } => {
            writer.byte(reason.code());
        }
        VenueEvent::Ambiguous => {}
        VenueEvent::Fill { venue_id, fill_id, qty, price, fee, cum_qty, side, is_maker } => {
            writer.text(venue_id);
            writer.text(fill_id);
            writer.signed(qty.raw());
            writer.signed(price.raw());
            put(writer, *fee);
            put(writer, *cum_qty);
            let side = side.map_or(0, |side| 1 + side.code());
            let maker = is_maker.map_or(0, |maker| 1 + u8::from(maker));
            writer.byte(side << 2 | maker);
        }
        VenueEvent::FeeSettled { fill_id, fee } => {
            writer.text(fill_id);
            writer.signed(fee.raw());
        }
        VenueEvent::Canceled { venue_id, cum_qty } | VenueEvent::Expired { venue_id, cum_qty } => {
            writer.text(venue_id);
            put(writer, *cum_qty);
        }
        VenueEvent::OrderStatus { venue_id, state, cum_qty, avg_price } => {
            writer.text(venue_id);
            writer.byte(state.code());
            put(writer, *cum_qty);
            put(writer, *avg_price);
        }
        VenueEvent::Balance { wallet, available, used, maint } => {
            for amount in [wallet, available, used, maint] {
                put(writer, *amount);
            }
        }
        VenueEvent::Funding { amount, rate } => {
            writer.signed(amount.raw());
            put(writer, *rate);
        }
        VenueEvent::Transfer { amount } => writer.signed(amount.raw()),
        VenueEvent::Position { side, qty, entry_price } => {
            writer.byte(side.code());
            writer.signed(qty.raw());
            put(writer, *entry_price);
        }
        VenueEvent::PositionsEnd { ok, rows, revision } => {
            encode_end(0, *ok, *rows, *revision, writer);
        }
        VenueEvent::OpenOrdersEnd { ok, rows, revision } => {
            encode_end(END_OF_ORDERS, *ok, *rows, *revision, writer);
        }
        VenueEvent::Forced { side, fill_id, qty, price, fee, cause } => {
            writer.byte(side.code() << 4 | cause.code());
            writer.text(fill_id);
            writer.signed(qty.raw());
            writer.signed(price.raw());
            put(writer, *fee);
        }
        VenueEvent::OpenOrder { venue_id, side, qty, cum_qty } => {
            writer.text(venue_id);
            writer.byte(side.code());
            writer.signed(qty.raw());
            writer.signed(cum_qty.raw());
        }
    }
}

fn decode_event(code: u8, reader: &mut Reader<'_>) -> Result<VenueEvent, CodecFault> {
    Ok(match code {
        ACK => VenueEvent::Ack { venue_id: reader.text()? },
        REJECT => VenueEvent::Reject { reason: reason(reader)? },
        AMBIGUOUS => VenueEvent::Ambiguous,
        FILL => decode_fill(reader)?,
        FEE_SETTLED => VenueEvent::FeeSettled { fill_id: reader.text()?, fee: word(reader)? },
        CANCELED => VenueEvent::Canceled { venue_id: reader.text()?, cum_qty: get(reader)? },
        CANCEL_REJECTED => VenueEvent::CancelRejected { reason: reason(reader)? },
        EXPIRED => VenueEvent::Expired { venue_id: reader.text()?, cum_qty: get(reader)? },
        ORDER_STATUS => VenueEvent::OrderStatus {
            venue_id: reader.text()?,
            state: reader.code("order state", VenueOrderState::from_code)?,
            cum_qty: get(reader)?,
            avg_price: get(reader)?,
        },
        BALANCE => VenueEvent::Balance {
            wallet: get(reader)?,
            available: get(reader)?,
            used: get(reader)?,
            maint: get(reader)?,
        },
        FUNDING => VenueEvent::Funding { amount: word(reader)?, rate: get(reader)? },
        TRANSFER => VenueEvent::Transfer { amount: word(reader)? },
        POSITION => VenueEvent::Position {
            side: reader.code("position side", PositionSide::from_code)?,
            qty: word(reader)?,
            entry_price: get(reader)?,
        },
        END => decode_end(reader)?,
        OPEN_ORDER => VenueEvent::OpenOrder {
            venue_id: reader.text()?,
            side: reader.code("side", Side::from_code)?,
            qty: word(reader)?,
            cum_qty: word(reader)?,
        },
        _ => {
            let code = reader.byte()?;
            let fault = CodecFault::Code { field: "forced close", code: code.into() };
            VenueEvent::Forced {
                side: PositionSide::from_code(code >> 4).ok_or(fault)?,
                cause: ForcedCause::from_code(code & 0x0f).ok_or(fault)?,
                fill_id: reader.text()?,
                qty: word(reader)?,
                price: word(reader)?,
                fee: get(reader)?,
            }
        }
    })
}

fn decode_fill(reader: &mut Reader<'_>) -> Result<VenueEvent, CodecFault> {
    let (venue_id, fill_id) = (reader.text()?, reader.text()?);
    let (qty, price): (Qty, Price) = (word(reader)?, word(reader)?);
    let (fee, cum_qty) = (get(reader)?, get(reader)?);
    let flags = reader.byte()?;
    let fault = CodecFault::Code { field: "fill flags", code: flags.into() };
    let side = match flags >> 2 {
        0 => None,
        code => Some(Side::from_code(code - 1).ok_or(fault)?),
    };
    let is_maker = match flags & 3 {
        0 => None,
        1 => Some(false),
        2 => Some(true),
        _ => return Err(fault),
    };
    Ok(VenueEvent::Fill { venue_id, fill_id, qty, price, fee, cum_qty, side, is_maker })
}

fn reason(reader: &mut Reader<'_>) -> Result<RejectReason, CodecFault> {
    reader.code("reject reason", RejectReason::from_code)
}

/// Flag of an end: of the open orders, not of the positions.
const END_OF_ORDERS: u8 = 1 << 1;

fn encode_end(flags: u8, ok: bool, rows: u32, revision: u64, writer: &mut Writer<'_>) {
    writer.byte(flags | u8::from(ok));
    writer.unsigned(u64::from(rows));
    writer.unsigned(revision);
}

fn decode_end(reader: &mut Reader<'_>) -> Result<VenueEvent, CodecFault> {
    let flags = reader.byte()?;
    let (rows, revision) = (reader.narrow()?, reader.unsigned()?);
    match flags {
        0 | 1 => Ok(VenueEvent::PositionsEnd { ok: flags == 1, rows, revision }),
        2 | 3 => Ok(VenueEvent::OpenOrdersEnd { ok: flags == 3, rows, revision }),
        code => Err(CodecFault::Code { field: "end of a snapshot", code: code.into() }),
    }
}
