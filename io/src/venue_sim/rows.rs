//! The venue's JSON: rows of answers and frames of the account stream.

use pinion_core::id::InstrumentId;
use pinion_core::msg::PositionSide;
use pinion_core::msg::venue::VenueOrderState;
use pinion_core::units::{Money, Nanos, Price, Qty};
use serde_json::{Value, json};

use crate::bingx::words::{MarginType, side_text};
use crate::utc::TimeText;

use super::board::Board;
use super::books::{Cause, Fill, Income, Order, Origin, sum};
use super::desk::Desk;

/// Settlement asset of every instrument.
pub(super) const ASSET: &str = "USDT";

/// Milliseconds, as the venue dates things.
pub(super) const fn ms(at: Nanos) -> i64 {
    at.get() / 1_000_000
}

const fn long_or_short(side: PositionSide) -> &'static str {
    match side {
        PositionSide::Long => "LONG",
        PositionSide::Short => "SHORT",
    }
}

/// The word of an order's position side.
pub(super) fn side_word(side: Option<PositionSide>) -> &'static str {
    side.map_or("BOTH", long_or_short)
}

/// `REST`'s word of an order's state.
fn state_word(order: &Order) -> &'static str {
    match order.state {
        VenueOrderState::New if order.is_market => "PENDING",
        VenueOrderState::New => "NEW",
        VenueOrderState::PartiallyFilled => "PARTIALLY_FILLED",
        VenueOrderState::Filled => "FILLED",
        VenueOrderState::Canceled => "CANCELLED",
        VenueOrderState::Expired => "EXPIRED",
        VenueOrderState::Rejected | VenueOrderState::NotFound => "FAILED",
    }
}

fn type_word(order: &Order) -> &'static str {
    match order.origin {
        Origin::Outside { forced: true } => "LIQUIDATION",
        Origin::Client(_) | Origin::Outside { forced: false } => {
            if order.is_market {
                "MARKET"
            } else {
                "LIMIT"
            }
        }
    }
}

fn average(order: &Order) -> Price {
    order.cum_notional.per(order.cum_qty).unwrap_or(Price::ZERO)
}

fn text(value: impl ToString) -> Value {
    Value::String(value.to_string())
}

/// An order as queries tell it.
pub(super) fn order(board: &Board, order: &Order, state: Option<&'static str>) -> Value {
    let attached = |kind: &str| json!({"type": kind, "quantity": 0, "stopPrice": 0, "price": 0, "workingType": ""});
    json!({
        "symbol": board.row(order.instrument).symbol,
        "orderId": order.id,
        "orderID": text(order.id),
        "clientOrderId": order.client_text,
        "clientOrderID": order.client_text,
        "side": side_text(order.side),
        "positionSide": side_word(order.position_side),
        "type": type_word(order),
        "timeInForce": order.tif,
        "origQty": text(order.qty),
        "price": text(order.price.unwrap_or(Price::ZERO)),
        "executedQty": text(order.cum_qty),
        "avgPrice": text(average(order)),
        "cumQuote": text(order.cum_notional.raw() / pinion_core::units::SCALE),
        "stopPrice": "",
        "profit": text(order.profit),
        "commission": text(-order.fee),
        "status": state.unwrap_or_else(|| state_word(order)),
        "time": ms(order.at),
        "updateTime": ms(order.updated),
        "leverage": format!("{}X", order.leverage),
        "takeProfit": attached("TAKE_PROFIT"),
        "stopLoss": attached("STOP"),
        "advanceAttr": 0,
        "positionID": 0,
        "takeProfitEntrustPrice": 0,
        "stopLossEntrustPrice": 0,
        "orderType": "",
        "workingType": "MARK_PRICE",
        "onlyOnePosition": order.position_side.is_none(),
        "reduceOnly": order.reduce_only,
        "stopGuaranteed": "false",
        "triggerOrderId": 0,
    })
}

/// An order as the answer to its placement tells it.
pub(super) fn placed(board: &Board, order: &Order) -> Value {
    json!({
        "orderId": order.id,
        "orderID": text(order.id),
        "symbol": board.row(order.instrument).symbol,
        "side": side_text(order.side),
        "positionSide": side_word(order.position_side),
        "type": type_word(order),
        "clientOrderId": order.client_text,
        "clientOrderID": order.client_text,
        "quantity": text(order.qty),
        "price": text(order.price.unwrap_or(Price::ZERO)),
        "avgPrice": text(average(order)),
        "executedQty": text(order.cum_qty),
        "status": state_word(order),
        "timeInForce": order.tif,
        "reduceOnly": order.reduce_only,
        "stopPrice": "",
        "stopLoss": "",
        "takeProfit": "",
        "workingType": "MARK_PRICE",
        "stopGuaranteed": "",
        "closePosition": "",
        "priceRate": 0,
        "activationPrice": 0,
    })
}

/// The venue's two spellings of a fill's time. The second ends in `Z` and is local time all the same.
fn fill_times(at: Nanos) -> (String, String) {
    let local = at.plus(8 * 3_600 * Nanos::SECOND);
    let mut clock = TimeText::default();
    let told = clock.of(local);
    (format!("{}+0800", &told[..23]), format!("{}Z", &told[..19]))
}

/// A fill with its trade id.
pub(super) fn fill_history(board: &Board, fill: &Fill) -> Value {
    let (time, tm) = fill_times(fill.at);
    json!({
        "filledTime": time,
        "filledTm": tm,
        "volume": text(fill.qty),
        "price": text(fill.price),
        "qty": text(fill.qty),
        "quoteQty": text(fill.notional),
        "commission": text(-fill.fee),
        "commissionAsset": ASSET,
        "orderId": text(fill.order),
        "tradeId": text(fill.number),
        "symbol": board.row(fill.instrument).symbol,
        "role": if fill.is_maker { "maker" } else { "taker" },
        "side": side_text(fill.side).to_ascii_lowercase(),
        "positionSide": long_or_short(fill.position_side).to_ascii_lowercase(),
        "realisedPNL": text(fill.profit),
    })
}

/// A fill without one.
pub(super) fn fill_order(board: &Board, fill: &Fill, client_text: &str) -> Value {
    let (time, tm) = fill_times(fill.at);
    json!({
        "filledTime": time,
        "filledTm": tm,
        "volume": text(fill.qty),
        "price": text(fill.price),
        "amount": text(fill.notional),
        "commission": text(-fill.fee),
        "currency": ASSET,
        "orderId": text(fill.order),
        "liquidatedPrice": "",
        "liquidatedMarginRatio": "",
        "clientOrderId": client_text,
        "symbol": board.row(fill.instrument).symbol,
    })
}

/// A row of the ledger.
pub(super) fn income(board: &Board, row: &Income, number: usize) -> Value {
    json!({
        "symbol": row.instrument.map_or("", |id| &board.row(id).symbol),
        "incomeType": row.kind,
        "income": text(row.amount),
        "asset": ASSET,
        "info": row.kind,
        "time": ms(row.at),
        "tranId": text(number),
        "tradeId": text(number),
    })
}

/// The id of a position, the same for as long as there is one.
pub(super) fn position_id(instrument: InstrumentId, side: PositionSide) -> u64 {
    10_000 + 2 * instrument.index() as u64 + u64::from(side.code())
}

/// Open positions.
pub(super) fn positions(board: &Board, desk: &Desk, of: Option<InstrumentId>) -> Vec<Value> {
    let wanted = desk.venue.venue().positions().iter();
    let wanted = wanted.filter(|p| of.is_none_or(|id| id == p.instrument));
    let mut rows = Vec::new();
    for position in wanted {
        let entry = position.entry_price().unwrap_or(Price::ZERO);
        let mark = desk.venue.venue().fair(position.instrument).unwrap_or(entry);
        let value = mark.notional(position.qty).unwrap_or(Money::ZERO);
        let gain = match position.side {
            PositionSide::Long => sum(value, -position.cost),
            PositionSide::Short => sum(position.cost, -value),
        };
        let leverage = desk.leverage(position.instrument, position.side);
        let margin = Money::from_raw(position.cost.raw() / leverage.max(1));
        let key = (position.instrument, position.side);
        let realized = desk.books.realized.get(&key).copied().unwrap_or(Money::ZERO);
        rows.push(json!({
            "positionId": text(position_id(position.instrument, position.side)),
            "symbol": board.row(position.instrument).symbol,
            "currency": ASSET,
            "positionAmt": text(position.qty),
            "availableAmt": text(position.qty),
            "positionSide": long_or_short(position.side),
            "isolated": desk.margin_type(position.instrument) != MarginType::Crossed,
            "onlyOnePosition": desk.one_way,
            "avgPrice": text(entry),
            "initialMargin": text(margin),
            "margin": text(sum(margin, gain)),
            "leverage": leverage,
            "unrealizedProfit": text(gain),
            "realisedProfit": text(realized),
            "liquidationPrice": 0,
            "markPrice": text(mark),
            "positionValue": text(value),
            "riskRate": "0",
            "pnlRatio": "0",
            "maxMarginReduction": "0",
            "updateTime": 0,
        }));
    }
    rows
}

/// The balance row.
pub(super) fn balance(desk: &Desk) -> Value {
    let venue = desk.venue.venue();
    let (account, margin) = (venue.account(), venue.margin());
    json!({
        "userId": "1000",
        "shortUid": "1000",
        "asset": ASSET,
        "balance": text(account.wallet),
        "equity": text(margin.equity),
        "unrealizedProfit": text(sum(margin.equity, -account.wallet)),
        "realisedProfit": text(account.realized),
        "availableMargin": text(margin.available),
        "usedMargin": text(margin.used),
        "freezedMargin": "0",
    })
}

/// What an order event may carry or leave out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OrderEvent {
    /// Under the newer name.
    pub(super) renamed: bool,
    /// The client's id is left out.
    pub(super) no_client_id: bool,
    /// Quantity and price of the fill itself.
    pub(super) last_fill: bool,
}

/// An order event of the account stream.
pub(super) fn order_event(
    board: &Board,
    order: &Order,
    fill: Option<&Fill>,
    how: OrderEvent,
) -> Value {
    let (execution, state) = match (fill.is_some(), order.state) {
        (true, VenueOrderState::Filled) => ("TRADE", "FILLED"),
        (true, _) => ("TRADE", "PARTIALLY_FILLED"),
        (false, VenueOrderState::New) => ("NEW", "NEW"),
        (false, VenueOrderState::PartiallyFilled) => ("NEW", "PARTIALLY_FILLED"),
        (false, VenueOrderState::Filled) => ("TRADE", "FILLED"),
        (false, VenueOrderState::Canceled) => ("CANCELED", "CANCELED"),
        (
            false,
            VenueOrderState::Expired | VenueOrderState::Rejected | VenueOrderState::NotFound,
        ) => ("EXPIRED", "EXPIRED"),
    };
    let forced = order.origin == Origin::Outside { forced: true };
    let client = if how.no_client_id { "" } else { &order.client_text };
    let mut object = json!({
        "s": board.row(order.instrument).symbol,
        "c": client,
        "i": order.id,
        "S": side_text(order.side),
        "o": type_word(order),
        "q": text(order.qty),
        "p": text(order.price.unwrap_or(Price::ZERO)),
        "sp": "0",
        "ap": text(average(order)),
        "x": if forced && fill.is_some() { "CALCULATED" } else { execution },
        "X": state,
        "N": ASSET,
        "n": text(fill.map_or(Money::ZERO, |fill| -fill.fee)),
        "T": fill.map_or(0, |fill| ms(fill.at)),
        "wt": "",
        "ps": side_word(order.position_side),
        "rp": text(fill.map_or(Money::ZERO, |fill| fill.profit)),
        "z": text(order.cum_qty),
        "sg": "false",
        "ti": 0,
        "ro": order.reduce_only,
        "tv": text(fill.map_or(Money::ZERO, |fill| fill.notional)),
    });
    if let (Some(fill), Some(members)) = (fill, object.as_object_mut()) {
        members.insert("td".to_owned(), json!(fill.number));
        if how.last_fill {
            members.insert("l".to_owned(), text(fill.qty));
            members.insert("L".to_owned(), text(fill.price));
            members.insert("m".to_owned(), json!(fill.is_maker));
        }
    }
    let event = if how.renamed { "TRADE_UPDATE" } else { "ORDER_TRADE_UPDATE" };
    json!({"e": event, "E": ms(order.updated), "T": ms(order.updated), "o": object})
}

/// An account event: the wallet as it is now, and the position that changed.
pub(super) fn account_event(
    board: &Board,
    desk: &Desk,
    now: Nanos,
    cause: Cause,
    position: Option<(InstrumentId, PositionSide)>,
    wallet: Money,
) -> Value {
    let (reason, change) = match cause {
        Cause::Order => ("ORDER", Money::ZERO),
        Cause::Funding => ("FUNDING_FEE", Money::ZERO),
        Cause::Transfer(amount) if amount.raw() < 0 => ("WITHDRAW", amount),
        Cause::Transfer(amount) => ("DEPOSIT", amount),
    };
    let used = desk.venue.venue().margin().used;
    let balances = json!([{"a": ASSET, "wb": text(wallet), "cw": text(sum(wallet, -used)), "bc": text(change)}]);
    let rows = position.map(|(instrument, side)| position_change(board, desk, instrument, side));
    let rows: Vec<Value> = rows.into_iter().collect();
    json!({"e": "ACCOUNT_UPDATE", "E": ms(now), "a": {"m": reason, "B": balances, "P": rows}})
}

fn position_change(
    board: &Board,
    desk: &Desk,
    instrument: InstrumentId,
    side: PositionSide,
) -> Value {
    let isolated = desk.margin_type(instrument) != MarginType::Crossed;
    let mut found = desk.venue.venue().positions().iter();
    let found = found.find(|p| (p.instrument, p.side) == (instrument, side));
    let (qty, entry, cost) = found.map_or((Qty::ZERO, Price::ZERO, Money::ZERO), |position| {
        (position.qty, position.entry_price().unwrap_or(Price::ZERO), position.cost)
    });
    let mark = desk.venue.venue().fair(instrument).unwrap_or(entry);
    let value = mark.notional(qty).unwrap_or(Money::ZERO);
    let gain = match side {
        PositionSide::Long => sum(value, -cost),
        PositionSide::Short => sum(cost, -value),
    };
    let leverage = desk.leverage(instrument, side).max(1);
    let realized = desk.books.realized.get(&(instrument, side)).copied();
    json!({
        "s": board.row(instrument).symbol,
        "pa": text(qty),
        "ep": text(entry),
        "up": text(gain),
        "mt": if isolated { "isolated" } else { "cross" },
        "iw": text(Money::from_raw(cost.raw() / leverage)),
        "ps": long_or_short(side),
        "cr": text(realized.unwrap_or(Money::ZERO)),
    })
}

/// Leverage and margin type of an instrument.
pub(super) fn config_event(
    board: &Board,
    desk: &Desk,
    now: Nanos,
    instrument: InstrumentId,
) -> Value {
    let isolated = desk.margin_type(instrument) != MarginType::Crossed;
    json!({
        "e": "ACCOUNT_CONFIG_UPDATE",
        "E": ms(now),
        "ac": {
            "s": board.row(instrument).symbol,
            "l": desk.leverage(instrument, PositionSide::Long),
            "S": desk.leverage(instrument, PositionSide::Short),
            "mt": if isolated { "isolated" } else { "cross" },
        },
    })
}
