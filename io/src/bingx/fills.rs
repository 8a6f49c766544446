//! From order events to the engine's venue messages: each fill once, by what is filled in total.
//!
//! The venue's order events name a running total (`z`) and, in newer frames, the last fill (`l`, `L`). Events
//! repeat, come late, and some never come. So what is told on is the growth of the total; a last fill is used
//! where it is there. Growth that no frame explains is reported as missed and left to the engine's look-up,
//! which asks the venue by id: a fill's price is never guessed from the order's price.

use pinion_core::id::{ClientId, InstrumentId, TextId};
use pinion_core::msg::venue::ForcedCause;
use pinion_core::msg::{ClientRef, Maybe, PositionSide, Side, VenueEvent, VenueMsg};
use pinion_core::units::{Money, Nanos, Price, Qty, div_half_even};

use super::reports::fee_in;
use super::user::OrderUpdate;
use super::words::{Execution, OrderState, OrderType, WireSide};

/// Orders that are remembered; the oldest finished one gives way, then the oldest.
pub const ORDERS_MAX: usize = 1024;

/// What is remembered of an order.
#[derive(Clone, Copy, Debug)]
struct Row {
    order_id: TextId,
    /// Our identity, once the place reply or an event told it.
    client: Option<ClientId>,
    cum_qty: Qty,
    /// Average price × total, in raw units squared; `None` when a frame had no average.
    value: Option<i128>,
    updated_ns: Option<Nanos>,
    rank: u8,
}

/// What an order event brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// False for an event that is late or repeats what was told: nothing was sent.
    pub is_news: bool,
    /// Total filled, as known after it.
    pub cum_qty: Qty,
    /// Growth of the total that no frame explained; the engine looks it up.
    pub missed: Qty,
    /// The order should be asked for by id: its state is a word that is not known, or a fill has no price.
    pub ask: bool,
}

/// Totals per order. Owner: the account stage; one for all account sockets, so that a fill told by two of
/// them counts once. Allocated once.
#[derive(Clone, Debug)]
pub struct Fills {
    rows: Vec<Row>,
}

impl Default for Fills {
    fn default() -> Self {
        Self { rows: Vec::with_capacity(ORDERS_MAX) }
    }
}

impl Fills {
    /// Learns the venue's identity of an order of ours, from the answer to its placing.
    pub fn learn(&mut self, order_id: TextId, client: ClientId) {
        if !order_id.is_empty() {
            self.row(order_id).client = Some(client);
        }
    }

    /// Takes over what a restored engine knows of an order, so that the next event counts from there.
    pub fn resume(
        &mut self,
        order_id: TextId,
        client: ClientId,
        cum_qty: Qty,
        avg_price: Option<Price>,
    ) {
        if !order_id.is_empty() {
            let row = self.row(order_id);
            row.client = Some(client);
            row.cum_qty = row.cum_qty.max(cum_qty);
            row.value = value(avg_price, row.cum_qty);
        }
    }

    /// Whose order: by the event's client id, else by what the place reply taught.
    #[must_use]
    pub fn owner(&self, order_id: &TextId, told: ClientRef) -> ClientRef {
        match told {
            ClientRef::Own(_) | ClientRef::Foreign => told,
            ClientRef::Absent => self
                .rows
                .iter()
                .find(|row| row.order_id == *order_id)
                .and_then(|row| row.client)
                .map_or(ClientRef::Absent, ClientRef::Own),
        }
    }

    fn row(&mut self, order_id: TextId) -> &mut Row {
        let found = self.rows.iter().position(|row| row.order_id == order_id);
        let at = found.unwrap_or_else(|| {
            if self.rows.len() == ORDERS_MAX {
                let finished = self.rows.iter().position(|row| row.rank == 2);
                self.rows.remove(finished.unwrap_or(0));
            }
            self.rows.push(Row {
                order_id,
                client: None,
                cum_qty: Qty::ZERO,
                value: Some(0),
                updated_ns: None,
                rank: 0,
            });
            self.rows.len() - 1
        });
        &mut self.rows[at]
    }

    /// Applies an event and emits what the engine must know, in order: the fill, then the end.
    pub fn apply(
        &mut self,
        update: &OrderUpdate<'_>,
        instrument: Option<InstrumentId>,
        recv_ns: Nanos,
        emit: &mut impl FnMut(VenueMsg),
    ) -> Growth {
        let row = self.row(update.order_id);
        if let ClientRef::Own(client) = update.client() {
            row.client = Some(client);
        }
        let owner = row.client.map_or_else(|| update.client(), ClientRef::Own);
        let rank = update.state.map_or(row.rank, OrderState::rank);
        let cum_qty = update.filled();
        let grown = cum_qty.checked_sub(row.cum_qty).filter(|grown| grown.is_positive());
        let is_late =
            matches!((update.updated_ns, row.updated_ns), (Some(new), Some(old)) if new < old);
        let is_first = row.updated_ns.is_none() && row.rank == 0 && row.cum_qty.is_zero();
        let moved = rank > row.rank || (is_first && !is_late);
        if grown.is_none() && !moved {
            let ask = update.state.is_none();
            return Growth { is_news: false, cum_qty: row.cum_qty, missed: Qty::ZERO, ask };
        }
        let fill = grown.map(|grown| fill_of(update, row, grown));
        if grown.is_some() {
            row.value = value(update.avg_price, cum_qty);
            row.cum_qty = cum_qty;
        }
        row.updated_ns = update.updated_ns.max(row.updated_ns);
        let was_over = row.rank == 2;
        row.rank = row.rank.max(rank);
        let total = row.cum_qty;
        let mut send = |event| {
            emit(VenueMsg {
                ts_exch_ns: update.traded_ns.or(update.updated_ns).or(update.sent_ns).into(),
                ts_recv_ns: recv_ns,
                client: owner,
                instrument,
                event,
            });
        };
        let mut growth = Growth {
            is_news: true,
            cum_qty: total,
            missed: fill.map_or(Qty::ZERO, |fill| fill.missed),
            ask: update.state.is_none(),
        };
        if let Some(fill) = fill {
            match (fill.price, forced(update)) {
                (Some(price), Some((side, cause))) => send(VenueEvent::Forced {
                    side,
                    fill_id: update.trade_id,
                    qty: fill.qty,
                    price,
                    fee: fill.fee,
                    cause,
                }),
                (Some(price), None) => send(VenueEvent::Fill {
                    venue_id: update.order_id,
                    fill_id: update.trade_id,
                    qty: fill.qty,
                    price,
                    fee: fill.fee,
                    cum_qty: Maybe::some(total),
                    side: update.side,
                    is_maker: update.is_maker,
                }),
                (None, _) => growth.ask = true,
            }
        }
        let cum_qty = Maybe::some(total);
        match update.state {
            _ if was_over || forced(update).is_some() => {}
            Some(
                OrderState::New | OrderState::Pending | OrderState::Working | OrderState::Running,
            ) => send(VenueEvent::Ack { venue_id: update.order_id }),
            Some(OrderState::Canceled | OrderState::Cancelled) => {
                send(VenueEvent::Canceled { venue_id: update.order_id, cum_qty });
            }
            Some(OrderState::Expired) => {
                send(VenueEvent::Expired { venue_id: update.order_id, cum_qty });
            }
            // A refusal that an event tells without a reason; the answer to the placing has it.
            Some(OrderState::Failed) => growth.ask = true,
            Some(OrderState::PartiallyFilled | OrderState::Filled) | None => {}
        }
        growth
    }
}

/// A fill as far as an event explains the growth of the total.
#[derive(Clone, Copy)]
struct Explained {
    qty: Qty,
    price: Option<Price>,
    fee: Maybe<Money>,
    missed: Qty,
}

fn fill_of(update: &OrderUpdate<'_>, row: &Row, grown: Qty) -> Explained {
    // Whether the commission of a later fill is its own or the order's sum is not known: only that of a
    // first and whole fill is certain, the others are settled from the fill history.
    let is_first = row.cum_qty.is_zero();
    let told = update.last_qty.filter(|qty| qty.is_positive()).zip(update.last_price);
    if let Some((last_qty, last_price)) = told.filter(|(_, price)| price.is_positive()) {
        let qty = last_qty.min(grown);
        let missed = grown.checked_sub(qty).unwrap_or(Qty::ZERO);
        let certain = is_first && missed.is_zero();
        let fee = if certain { settled(update) } else { Maybe::NONE };
        return Explained { qty, price: Some(last_price), fee, missed };
    }
    let price = row
        .value
        .zip(value(update.avg_price, update.filled()))
        .and_then(|(before, after)| div_half_even(after - before, i128::from(grown.raw())))
        .filter(|raw| *raw > 0)
        .map(Price::from_raw);
    let fee = if is_first { settled(update) } else { Maybe::NONE };
    Explained { qty: grown, price, fee, missed: Qty::ZERO }
}

/// The commission, where it is an amount of the asset that the account settles in.
fn settled(update: &OrderUpdate<'_>) -> Maybe<Money> {
    fee_in(update.commission, update.commission_asset)
}

fn value(avg_price: Option<Price>, qty: Qty) -> Option<i128> {
    if qty.is_zero() {
        return Some(0);
    }
    avg_price.map(|price| i128::from(price.raw()) * i128::from(qty.raw()))
}

/// The position that the venue itself closed, and why; `None` for an order that somebody sent.
fn forced(update: &OrderUpdate<'_>) -> Option<(PositionSide, ForcedCause)> {
    let cause = match (update.kind, update.execution) {
        (Some(OrderType::Adl), _) => ForcedCause::Adl,
        (Some(OrderType::Liquidation), _) | (_, Some(Execution::Calculated)) => {
            ForcedCause::Liquidation
        }
        (_, _) => return None,
    };
    let side = match (update.position_side, update.side) {
        (Some(WireSide::Long), _) => PositionSide::Long,
        (Some(WireSide::Short), _) => PositionSide::Short,
        // In one-way mode the order's side tells: a sale closes a long.
        (Some(WireSide::Both) | None, Some(Side::Sell)) => PositionSide::Long,
        (Some(WireSide::Both) | None, Some(Side::Buy)) => PositionSide::Short,
        (Some(WireSide::Both) | None, None) => return None,
    };
    Some((side, cause))
}

#[cfg(test)]
mod tests;
