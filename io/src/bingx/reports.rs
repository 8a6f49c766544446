//! Answers of the venue as the engine's messages.
//!
//! An answer that cannot be read is never a refusal and never an empty view: after a write the outcome is
//! ambiguous, a view ends with `ok: false`.

use pinion_core::id::{ClientId, TextId};
use pinion_core::instrument::InstrumentTable;
use pinion_core::msg::venue::VenueOrderState;
use pinion_core::msg::{ClientRef, Command, Maybe, PositionSide, ProbeKind, VenueEvent, VenueMsg};
use pinion_core::units::{Money, Nanos, Qty};

use super::errors::{ErrorClass, Judged, Outcome, judge, reject_reason};
use super::fills::Fills;
use super::json::Tape;
use super::oddities::Oddities;
use super::rest::{self, Reply};
use super::rows::{self, FillPage, OrderRow};
use super::user::{AccountUpdate, client_ref};
use super::words::{OrderState, Reason, WireSide};

/// The asset that the account settles in; the demo account names it by another word in some answers.
pub const SETTLE_ASSETS: [&str; 2] = ["USDT", "VST"];

/// What came back over HTTP.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// Status; 0 when the connection broke or the time ran out.
    pub http_status: u16,
    /// Body.
    pub body: &'a [u8],
    /// When it was received.
    pub recv_ns: Nanos,
}

/// Makes the engine's messages from answers, with reused buffers. Owner: the stage that sends.
#[derive(Debug, Default)]
pub struct Reports {
    tape: Tape,
    oddities: Oddities,
}

/// Where messages go, and what they all carry.
struct Out<'a, F> {
    recv_ns: Nanos,
    instruments: &'a InstrumentTable,
    emit: &'a mut F,
}

impl<F: FnMut(VenueMsg)> Out<'_, F> {
    fn send(&mut self, client: ClientRef, symbol: &str, at: Option<Nanos>, event: VenueEvent) {
        (self.emit)(VenueMsg {
            ts_exch_ns: at.into(),
            ts_recv_ns: self.recv_ns,
            client,
            instrument: self.instruments.find(symbol),
            event,
        });
    }
}

impl Reports {
    /// What was met and is not known.
    pub const fn oddities(&mut self) -> &mut Oddities {
        &mut self.oddities
    }

    /// Tells the engine what an answer to a command means. The error's judgement comes back, so that the
    /// caller closes an endpoint, measures the clock again or halts.
    ///
    /// `fills` learns the venue's identity of a placed order, which the account stream then names alone.
    pub fn answer(
        &mut self,
        command: &Command,
        response: &Response<'_>,
        instruments: &InstrumentTable,
        fills: &mut Fills,
        emit: &mut impl FnMut(VenueMsg),
    ) -> Option<Judged> {
        let Self { tape, oddities } = self;
        let mut out = Out { recv_ns: response.recv_ns, instruments, emit };
        let reply = rest::open(tape, response.body).ok();
        let good_status = (200..300).contains(&response.http_status);
        let judged = match &reply {
            Some(reply) if reply.code == 0 && good_status => None,
            Some(reply) => {
                let code = Some(reply.code).filter(|code| *code != 0);
                Some(judge(response.http_status, code, &reply.msg))
            }
            None => Some(judge(response.http_status, None, "")),
        };
        match *command {
            Command::Place { client, .. } => {
                let placed = reply.as_ref().filter(|_| judged.is_none());
                let row = placed.and_then(|reply| rows::order(reply, oddities).ok());
                match (judged, row) {
                    (None, Some((_, row))) => placed_as(client, &row, fills, &mut out),
                    (Some(judged), _) if is_refused(judged) => {
                        let reason = reject_reason(judged.class);
                        let event = VenueEvent::Reject { reason };
                        out.send(ClientRef::Own(client), "", None, event);
                    }
                    (Some(_) | None, _) => {
                        out.send(ClientRef::Own(client), "", None, VenueEvent::Ambiguous);
                    }
                }
            }
            Command::Cancel { client, .. } => {
                let row = reply.as_ref().filter(|_| judged.is_none());
                let row = row.and_then(|reply| rows::order(reply, oddities).ok());
                match (judged, row) {
                    // What the order was before the cancel says nothing; its end comes by the stream or
                    // is asked for.
                    (None, Some((_, row))) => cancelled_as(client, &row, &mut out),
                    (None, None) => {}
                    (Some(judged), _) => {
                        let reason = reject_reason(judged.class);
                        let event = VenueEvent::CancelRejected { reason };
                        out.send(ClientRef::Own(client), "", None, event);
                    }
                }
            }
            Command::Query { client, .. } => {
                let row = reply.as_ref().filter(|_| judged.is_none());
                let row = row.and_then(|reply| rows::order(reply, oddities).ok());
                let unknown = judged.is_some_and(|judged| judged.class == ErrorClass::UnknownOrder);
                match row {
                    Some((_, row)) => status(ClientRef::Own(client), &row, &mut out),
                    None if unknown => {
                        let event = VenueEvent::OrderStatus {
                            venue_id: TextId::EMPTY,
                            state: VenueOrderState::NotFound,
                            cum_qty: Maybe::NONE,
                            avg_price: Maybe::NONE,
                        };
                        out.send(ClientRef::Own(client), "", None, event);
                    }
                    // Not answered: the engine asks again in its own time.
                    None => {}
                }
            }
            Command::Probe { probe, revision } => {
                let reply = reply.as_ref().filter(|_| judged.is_none());
                view(probe, revision, reply, oddities, fills, &mut out);
            }
        }
        judged
    }
}

impl Reports {
    /// Tells the engine the fills of a page of the fill history, oldest first; `None` when the answer proves
    /// nothing.
    ///
    /// `is_whole` says that the question took in the whole life of each order on the page. If the page is
    /// the only one too, each fill carries its order's running total, by which the engine knows what it
    /// booked before under another name.
    pub fn fill_history(
        &mut self,
        response: &Response<'_>,
        is_whole: bool,
        instruments: &InstrumentTable,
        fills: &Fills,
        emit: &mut impl FnMut(VenueMsg),
    ) -> Option<FillPage> {
        let Self { tape, oddities } = self;
        let mut out = Out { recv_ns: response.recv_ns, instruments, emit };
        let reply = rest::open(tape, response.body).ok()?;
        if reply.code != 0 || !(200..300).contains(&response.http_status) {
            return None;
        }
        let mut found = Vec::new();
        let page = rows::fills(&reply, oddities, |row| found.push(row)).ok()?;
        found.sort_by_key(|row| (row.traded_ns, row.trade_id));
        let is_whole = is_whole && page.total.is_none_or(|total| total == u64::from(page.rows));
        let mut totals: Vec<(TextId, Qty)> = Vec::new();
        for row in found {
            let at = totals.iter().position(|(order, _)| *order == row.order_id);
            let at = at.unwrap_or_else(|| {
                totals.push((row.order_id, Qty::ZERO));
                totals.len() - 1
            });
            let total = totals[at].1.checked_add(row.qty);
            totals[at].1 = total.unwrap_or(Qty::MAX);
            let event = VenueEvent::Fill {
                venue_id: row.order_id,
                fill_id: row.trade_id,
                qty: row.qty,
                price: row.price,
                fee: fee_in(row.commission, row.commission_asset),
                cum_qty: total.filter(|_| is_whole).into(),
                side: row.side,
                is_maker: row.is_maker,
            };
            let owner = fills.owner(&row.order_id, ClientRef::Absent);
            out.send(owner, row.symbol, row.traded_ns, event);
        }
        Some(page)
    }
}

/// A commission in the asset that the account settles in; one in another asset is not known as money.
pub(super) fn fee_in(commission: Option<Money>, asset: &str) -> Maybe<Money> {
    let settles = asset.is_empty() || SETTLE_ASSETS.contains(&asset);
    commission.filter(|_| settles).into()
}

/// True when an order was refused for certain. A request that may be sent again was refused too: the engine
/// decides anew instead of somebody sending an old order late.
const fn is_refused(judged: Judged) -> bool {
    match judged.outcome {
        Outcome::Definitive | Outcome::Retry | Outcome::Halt => true,
        Outcome::Ambiguous => matches!(judged.class, ErrorClass::DuplicateClientId),
    }
}

fn placed_as<F: FnMut(VenueMsg)>(
    client: ClientId,
    row: &OrderRow<'_>,
    fills: &mut Fills,
    out: &mut Out<'_, F>,
) {
    fills.learn(row.order_id, client);
    let whose = ClientRef::Own(client);
    match row.state {
        Some(OrderState::Failed) => {
            // Refused without a code: ask for the order, which tells more.
            out.send(whose, row.symbol, row.updated_ns, VenueEvent::Ambiguous);
        }
        // Even of an order that is over, only the stream and the look-up tell fills.
        Some(
            OrderState::New
            | OrderState::Pending
            | OrderState::Working
            | OrderState::Running
            | OrderState::PartiallyFilled
            | OrderState::Filled
            | OrderState::Cancelled
            | OrderState::Canceled
            | OrderState::Expired,
        )
        | None => {
            let event = VenueEvent::Ack { venue_id: row.order_id };
            out.send(whose, row.symbol, row.updated_ns, event);
        }
    }
}

fn cancelled_as<F: FnMut(VenueMsg)>(client: ClientId, row: &OrderRow<'_>, out: &mut Out<'_, F>) {
    match row.state {
        Some(OrderState::Cancelled | OrderState::Canceled) => {
            let event =
                VenueEvent::Canceled { venue_id: row.order_id, cum_qty: row.cum_qty.into() };
            out.send(ClientRef::Own(client), row.symbol, row.updated_ns, event);
        }
        Some(
            OrderState::New
            | OrderState::Pending
            | OrderState::Working
            | OrderState::Running
            | OrderState::PartiallyFilled,
        )
        | None => {}
        Some(OrderState::Filled | OrderState::Failed | OrderState::Expired) => {
            status(ClientRef::Own(client), row, out);
        }
    }
}

fn status<F: FnMut(VenueMsg)>(client: ClientRef, row: &OrderRow<'_>, out: &mut Out<'_, F>) {
    // A state that is not known proves nothing; it was counted.
    let Some(state) = row.state else { return };
    let filled = row.cum_qty.is_some_and(Qty::is_positive);
    let event = VenueEvent::OrderStatus {
        venue_id: row.order_id,
        state: state.engine(filled),
        cum_qty: row.cum_qty.into(),
        avg_price: row.avg_price.into(),
    };
    out.send(client, row.symbol, row.updated_ns, event);
}

/// Tells a whole view. What cannot be read, or a direction that is not known, makes the view worthless,
/// because what it leaves out could be a position of ours.
fn view<F: FnMut(VenueMsg)>(
    probe: ProbeKind,
    revision: u64,
    reply: Option<&Reply<'_>>,
    oddities: &mut Oddities,
    fills: &Fills,
    out: &mut Out<'_, F>,
) {
    match probe {
        ProbeKind::Balance => {
            if let Some(reply) = reply {
                balance(reply, out);
            }
        }
        ProbeKind::Positions => {
            let (mut told, mut whole) = (0, true);
            let read = reply.is_some_and(|reply| {
                rows::positions(reply, |row| {
                    let Some((side, qty)) = direction(row.side, row.qty) else {
                        whole = false;
                        return;
                    };
                    if qty.is_zero() {
                        return;
                    }
                    told += 1;
                    let entry_price = row.avg_price.into();
                    let event = VenueEvent::Position { side, qty, entry_price };
                    out.send(ClientRef::Absent, row.symbol, None, event);
                })
                .is_ok()
            });
            let event = VenueEvent::PositionsEnd { ok: read && whole, rows: told, revision };
            out.send(ClientRef::Absent, "", None, event);
        }
        ProbeKind::OpenOrders => {
            let (mut told, mut whole) = (0, true);
            let read = reply.is_some_and(|reply| {
                rows::orders(reply, oddities, |row| {
                    let (Some(side), Some(qty)) = (row.side, row.qty) else {
                        whole = false;
                        return;
                    };
                    told += 1;
                    let owner = fills.owner(&row.order_id, client_ref(row.client_id));
                    let event = VenueEvent::OpenOrder {
                        venue_id: row.order_id,
                        side,
                        qty,
                        cum_qty: row.cum_qty.unwrap_or(Qty::ZERO),
                    };
                    out.send(owner, row.symbol, row.updated_ns, event);
                })
                .is_ok()
            });
            let event = VenueEvent::OpenOrdersEnd { ok: read && whole, rows: told, revision };
            out.send(ClientRef::Absent, "", None, event);
        }
    }
}

/// Direction and positive quantity; `None` when it cannot be told.
fn direction(side: Option<WireSide>, qty: Qty) -> Option<(PositionSide, Qty)> {
    let side = match side? {
        WireSide::Long => PositionSide::Long,
        WireSide::Short => PositionSide::Short,
        WireSide::Both if qty.raw() < 0 => PositionSide::Short,
        WireSide::Both => PositionSide::Long,
    };
    // The least number has no magnitude.
    qty.raw().checked_abs().map(|raw| (side, Qty::from_raw(raw)))
}

fn balance<F: FnMut(VenueMsg)>(reply: &Reply<'_>, out: &mut Out<'_, F>) {
    let mut found = None;
    let read = rows::balances(reply, |row| {
        if SETTLE_ASSETS.contains(&row.asset) && found.is_none() {
            found = Some(VenueEvent::Balance {
                wallet: row.balance.into(),
                available: row.available.into(),
                used: row.used.into(),
                maint: Maybe::NONE,
            });
        }
    });
    if let (Ok(_), Some(event)) = (read, found) {
        out.send(ClientRef::Absent, "", None, event);
    }
}

/// Tells the engine what an account update means; true when the wallet it names must be checked by REST,
/// because a frame about margin alone names a wallet of zero.
///
/// Positions of the stream are not told on: fills move the books, and only a whole view proves flatness.
pub fn account_update(
    update: &AccountUpdate<'_>,
    recv_ns: Nanos,
    emit: &mut impl FnMut(VenueMsg),
) -> bool {
    let mut check = false;
    let mut send = |event| {
        emit(VenueMsg {
            ts_exch_ns: update.sent_ns.into(),
            ts_recv_ns: recv_ns,
            client: ClientRef::Absent,
            instrument: None,
            event,
        });
    };
    for row in update.balances().filter(|row| SETTLE_ASSETS.contains(&row.asset)) {
        match (update.reason, row.change) {
            (Some(Reason::FundingFee), Some(amount)) => {
                send(VenueEvent::Funding { amount, rate: Maybe::NONE });
            }
            (Some(Reason::Deposit | Reason::Withdraw | Reason::AssetTransfer), Some(amount)) => {
                send(VenueEvent::Transfer { amount });
            }
            // A reason that is not known and money that moved: only the wallet tells.
            (None, Some(amount)) => check |= !amount.is_zero(),
            (Some(_), _) | (None, None) => {}
        }
        match row.wallet {
            Some(wallet) if wallet.is_positive() => send(VenueEvent::Balance {
                wallet: Maybe::some(wallet),
                available: Maybe::NONE,
                used: Maybe::NONE,
                maint: Maybe::NONE,
            }),
            Some(_) | None => check = true,
        }
    }
    check
}

#[cfg(test)]
mod tests;
