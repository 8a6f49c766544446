//! From the venue's truth to the oracle's words: names and numbers only, no arithmetic.

use pinion_core::id::ClientId;
use pinion_core::instrument::InstrumentTable;
use pinion_core::msg::{PositionSide, Side};
use pinion_io::paper::{Owner, Truth};
use pinion_oracle::{Event, Instrument, OrderId, Rules};

/// The oracle's rules of a table.
#[must_use]
pub(super) fn rules(table: &InstrumentTable, slots: i64) -> Rules {
    let instruments = table.iter().map(|(_, row)| Instrument {
        tick: row.tick.raw(),
        lot: row.lot.raw(),
        min_notional: row.min_notional.raw(),
    });
    Rules { slots: usize::try_from(slots).unwrap_or(1), instruments: instruments.collect() }
}

const fn order_id(client: ClientId) -> OrderId {
    (client.epoch(), client.seq())
}

/// The same thing in the oracle's words.
#[must_use]
pub(super) const fn event(truth: &Truth) -> Event {
    match *truth {
        Truth::Accepted {
            at,
            sent_ns,
            client,
            instrument,
            side,
            position_side,
            reduce_only,
            qty,
            limit,
        } => Event::Accepted {
            at: at.get(),
            sent: sent_ns.get(),
            order: order_id(client),
            instrument: instrument.index(),
            is_long: matches!(position_side, PositionSide::Long),
            buys: matches!(side, Side::Buy),
            reduce_only,
            qty: qty.raw(),
            limit: match limit {
                Some(price) => Some(price.raw()),
                None => None,
            },
        },
        Truth::Refused { at, client, .. } => {
            Event::Refused { at: at.get(), order: order_id(client) }
        }
        Truth::Fill {
            at,
            number,
            owner,
            instrument,
            position_side,
            reduces,
            qty,
            price,
            notional,
            fee,
            ..
        } => Event::Fill {
            at: at.get(),
            number,
            owner: match owner {
                Owner::Ours(client) => pinion_oracle::Owner::Ours(order_id(client)),
                Owner::Foreign => pinion_oracle::Owner::Foreign,
                Owner::Venue => pinion_oracle::Owner::Venue,
            },
            instrument: instrument.index(),
            is_long: matches!(position_side, PositionSide::Long),
            reduces,
            qty: qty.raw(),
            price: price.raw(),
            notional: notional.raw(),
            fee: fee.raw(),
        },
        Truth::Ended { at, client, cum_qty, .. } => {
            Event::Ended { at: at.get(), order: order_id(client), cum_qty: cum_qty.raw() }
        }
        Truth::Funding { at, amount, ours, .. } => {
            Event::Funding { at: at.get(), ours: ours.raw(), amount: amount.raw() }
        }
        Truth::Transfer { at, amount } => Event::Transfer { at: at.get(), amount: amount.raw() },
    }
}
