//! Orders: placing, cancelling, looking up.

use pinion_core::id::InstrumentId;
use pinion_core::msg::{OrderKind, PositionSide, TimeInForce};
use pinion_core::units::{DecimalFault, Nanos, Price, Qty};
use serde_json::{Value, json};

use crate::bingx::words;
use crate::venue_sim::books::Order;
use crate::venue_sim::desk::NewOrder;
use crate::venue_sim::exchange::Exchange;
use crate::venue_sim::faults::Fault;
use crate::venue_sim::params::Params;
use crate::venue_sim::refusal::Refusal;
use crate::venue_sim::rows::{self, ms};

use super::account::position_side;
use super::public::{any_symbol, limit, symbol};
use super::{Ask, Data};

/// Longest client order id.
const CLIENT_ID_MAX: usize = 40;
/// Orders of one batch.
const PLACE_BATCH_MAX: usize = 5;
const CANCEL_BATCH_MAX: usize = 10;

/// The dead-man timer's range in seconds.
const TIMER_S: std::ops::RangeInclusive<i64> = 10..=120;

fn client_id(params: &Params) -> Option<&str> {
    params.either("clientOrderId", "clientOrderID")
}

fn decimal<T>(
    params: &Params,
    name: &str,
    parse: impl Fn(&[u8]) -> Result<T, DecimalFault>,
) -> Result<Option<T>, Refusal> {
    let parsed = params.get(name).map(|text| parse(text.as_bytes())).transpose();
    parsed.map_err(|_| Refusal::param(name, "expected a decimal number of at most 8 places"))
}

/// Reads and checks an order. Checks that need the market and the account are the model's.
fn read(exchange: &Exchange, account: usize, params: &Params) -> Result<NewOrder, Refusal> {
    let instrument = exchange.board.find(params.need("symbol")?).ok_or_else(Refusal::no_symbol)?;
    let row = *exchange.table.row(instrument);
    let side = words::side(params.need("side")?)
        .ok_or_else(|| Refusal::param("side", "expected BUY or SELL"))?;
    let one_way = exchange.desks[account].one_way;
    let position_side = match params.get("positionSide") {
        Some(word) => position_side(word, one_way)?,
        None if one_way => None,
        None => Some(PositionSide::Long),
    };
    let reduce_only = params.flag("reduceOnly")?;
    if reduce_only && !one_way {
        return Err(Refusal::new(
            109_400,
            "In the Hedge mode, the 'ReduceOnly' field can not be filled.",
        ));
    }
    if params.flag("closePosition")? {
        return Err(Refusal::not_simulated("closePosition"));
    }
    for attached in ["stopLoss", "takeProfit"] {
        if params.get(attached).is_some() {
            return Err(Refusal::not_simulated(attached));
        }
    }
    let kind = match params.need("type")? {
        "MARKET" => OrderKind::Market,
        "LIMIT" => OrderKind::Limit,
        other => return Err(Refusal::not_simulated(&format!("order type {other}"))),
    };
    let (tif, tif_text) = match (kind, params.get("timeInForce").unwrap_or("GTC")) {
        (OrderKind::Market, _) | (OrderKind::Limit, "IOC") => (TimeInForce::Ioc, "IOC"),
        (OrderKind::Limit, "GTC") => (TimeInForce::Gtc, "GTC"),
        (OrderKind::Limit, "PostOnly") => (TimeInForce::PostOnly, "PostOnly"),
        (OrderKind::Limit, "FOK") => return Err(Refusal::not_simulated("FOK")),
        (OrderKind::Limit, _) => {
            return Err(Refusal::param("timeInForce", "expected GTC, IOC, FOK or PostOnly"));
        }
    };
    let qty = decimal(params, "quantity", Qty::parse)?
        .ok_or_else(|| Refusal::param("quantity", "this field is required"))?;
    if !qty.is_multiple_of(row.lot) {
        return Err(Refusal::new(110_425, "the precision of the quantity is not supported"));
    }
    if qty < row.lot {
        return Err(Refusal::new(101_400, "The minimum order amount is not reached"));
    }
    let price = match kind {
        OrderKind::Market => None,
        OrderKind::Limit => {
            let price = decimal(params, "price", Price::parse)?
                .filter(|price| price.is_positive())
                .ok_or_else(|| Refusal::param("price", "this field is required"))?;
            if !price.is_multiple_of(row.tick) {
                return Err(Refusal::new(110_425, "the precision of the price is not supported"));
            }
            Some(price)
        }
    };
    let client_text = client_id(params).unwrap_or("").to_ascii_lowercase();
    if client_text.len() > CLIENT_ID_MAX {
        return Err(Refusal::param("clientOrderId", "expected 1 to 40 characters"));
    }
    Ok(NewOrder {
        instrument,
        side,
        position_side,
        kind,
        tif,
        tif_text,
        reduce_only,
        qty,
        price,
        client_text,
    })
}

fn place_one(
    exchange: &mut Exchange,
    account: usize,
    now: Nanos,
    params: &Params,
) -> Result<Value, Refusal> {
    let asked = read(exchange, account, params)?;
    let order = exchange.desks[account].place(now, asked)?;
    Ok(rows::placed(&exchange.board, order))
}

pub(super) fn place(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let order = place_one(exchange, ask.account, ask.now, ask.params)?;
    Ok(Data::Enveloped(json!({"order": order})))
}

/// Checks only: no order is made.
pub(super) fn test(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let asked = read(exchange, ask.account, ask.params)?;
    Ok(Data::Enveloped(json!({
        "order": {
            "symbol": exchange.board.row(asked.instrument).symbol,
            "orderId": 0,
            "side": words::side_text(asked.side),
            "positionSide": rows::side_word(asked.position_side),
            "type": ask.params.get("type"),
            "clientOrderId": asked.client_text,
            "workingType": "MARK_PRICE",
        },
    })))
}

/// A list given as JSON text.
fn list(ask: &Ask<'_>, name: &str, most: usize) -> Result<Vec<Value>, Refusal> {
    let rows: Vec<Value> = serde_json::from_str(ask.params.need(name)?)
        .map_err(|_| Refusal::param(name, "expected a JSON array"))?;
    if rows.is_empty() || rows.len() > most {
        return Err(Refusal::param(name, "too few or too many rows"));
    }
    Ok(rows)
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(super) fn place_batch(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let mut orders = Vec::new();
    for row in list(ask, "batchOrders", PLACE_BATCH_MAX)? {
        let params = Params::read("", &row.to_string())?;
        orders.push(match place_one(exchange, ask.account, ask.now, &params) {
            Ok(order) => order,
            Err(refusal) => json!({
                "symbol": row["symbol"], "orderId": 0, "status": "FAILED",
                "clientOrderId": params.either("clientOrderId", "clientOrderID").unwrap_or(""),
                "errorCode": refusal.code, "errorMsg": refusal.msg,
            }),
        });
    }
    Ok(Data::Enveloped(json!({"orders": orders})))
}

/// The order that a call names, which must be of the call's symbol.
fn named(exchange: &Exchange, ask: &Ask<'_>, of: InstrumentId) -> Result<u64, Refusal> {
    let desk = &exchange.desks[ask.account];
    let (id, client) = (ask.params.get("orderId"), client_id(ask.params));
    if id.is_none() && client.is_none() {
        return Err(Refusal::param("orderId", "orderId or clientOrderId is required"));
    }
    let id = desk.find(id, client).ok_or_else(Refusal::unknown_order)?;
    let order = desk.books.orders.get(&id).filter(|order| order.instrument == of);
    order.map(|order| order.id).ok_or_else(Refusal::unknown_order)
}

pub(super) fn cancel(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let instrument = symbol(exchange, ask)?;
    let id = named(exchange, ask, instrument)?;
    let order = exchange.desks[ask.account].cancel(ask.now, id)?;
    Ok(Data::Enveloped(json!({"order": rows::order(&exchange.board, order, None)})))
}

pub(super) fn cancel_batch(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let instrument = symbol(exchange, ask)?;
    let by_id = ask.params.get("orderIdList").is_some();
    let name = match (by_id, ask.params.get("clientOrderIdList")) {
        (true, _) => "orderIdList",
        (false, Some(_)) => "clientOrderIdList",
        (false, None) => "clientOrderIDList",
    };
    let (mut success, mut failed) = (Vec::new(), Vec::new());
    for wanted in list(ask, name, CANCEL_BATCH_MAX)? {
        let wanted = text_of(&wanted);
        let desk = &mut exchange.desks[ask.account];
        let id =
            if by_id { desk.find(Some(&wanted), None) } else { desk.find(None, Some(&wanted)) };
        let of_symbol = |id: &u64| {
            desk.books.orders.get(id).is_some_and(|order| order.instrument == instrument)
        };
        let cancelled = match id.filter(of_symbol) {
            Some(id) => desk.cancel(ask.now, id),
            None => Err(Refusal::unknown_order()),
        };
        match cancelled {
            Ok(order) => success.push(rows::order(&exchange.board, order, None)),
            Err(refusal) => {
                let key = if by_id { "orderId" } else { "clientOrderId" };
                failed.push(json!({
                    key: wanted, "errorCode": refusal.code, "errorMessage": refusal.msg,
                }));
            }
        }
    }
    Ok(Data::Enveloped(json!({"success": success, "failed": failed})))
}

pub(super) fn cancel_all(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let wanted = any_symbol(exchange, ask)?;
    let desk = &mut exchange.desks[ask.account];
    let ids = desk.cancel_all(ask.now, wanted);
    let done = ids.iter().filter_map(|id| desk.books.orders.get(id));
    let success: Vec<Value> = done.map(|order| rows::order(&exchange.board, order, None)).collect();
    Ok(Data::Enveloped(json!({"success": success, "failed": null})))
}

pub(super) fn cancel_all_after(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let desk = &mut exchange.desks[ask.account];
    match ask.params.need("type")? {
        "CLOSE" => {
            desk.cancel_all_at = None;
            Ok(Data::Enveloped(json!({"triggerTime": 0, "status": "CLOSED", "note": ""})))
        }
        "ACTIVATE" => {
            let seconds = ask
                .params
                .whole("timeOut")?
                .filter(|seconds| TIMER_S.contains(seconds))
                .ok_or_else(|| Refusal::param("timeOut", "expected 10 to 120"))?;
            let at = ask.now.plus(seconds * Nanos::SECOND);
            desk.cancel_all_at = Some(at);
            Ok(Data::Enveloped(json!({
                "triggerTime": at.get() / Nanos::SECOND,
                "status": "ACTIVATED",
                "note": "All your perpetual pending orders will be closed automatically then",
            })))
        }
        _ => Err(Refusal::param("type", "expected ACTIVATE or CLOSE")),
    }
}

/// Cancels one order, then places another; the halves succeed or fail apart.
pub(super) fn cancel_replace(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let stops = match ask.params.need("cancelReplaceMode")? {
        "STOP_ON_FAILURE" => true,
        "ALLOW_FAILURE" => false,
        _ => {
            return Err(Refusal::param(
                "cancelReplaceMode",
                "expected STOP_ON_FAILURE or ALLOW_FAILURE",
            ));
        }
    };
    let desk = &mut exchange.desks[ask.account];
    let (id, client) = (ask.params.get("cancelOrderId"), ask.params.get("cancelClientOrderId"));
    let before = desk.find(id, client).and_then(|id| desk.books.orders.get(&id)).cloned();
    let cancelled = match &before {
        Some(order) => desk.cancel(ask.now, order.id).map(|_| ()),
        None => Err(Refusal::unknown_order()),
    };
    // What is told of the cancelled order is its state before.
    let shown = before.as_ref().map(|order| rows::order(&exchange.board, order, None));
    let placed = if cancelled.is_err() && stops {
        Err(Refusal::new(109_400, "the cancel failed"))
    } else {
        place_one(exchange, ask.account, ask.now, ask.params)
    };
    let words = |failed: Option<&Refusal>| failed.map_or(String::new(), |no| no.msg.clone());
    Ok(Data::Enveloped(json!({
        "cancelResult": cancelled.is_ok().to_string(),
        "cancelMsg": words(cancelled.as_ref().err()),
        "cancelResponse": shown,
        "replaceResult": placed.is_ok().to_string(),
        "replaceMsg": words(placed.as_ref().err()),
        "newOrderResponse": placed.ok(),
    })))
}

/// An order as the venue's view shows it, old when it lags.
fn looked_up(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Order, Refusal> {
    let instrument = symbol(exchange, ask)?;
    let id = named(exchange, ask, instrument)?;
    let seen = exchange.seen_at(ask.now, Fault::OrderLag);
    let order = exchange.desks[ask.account].books.orders.get(&id);
    order.and_then(|order| order.as_of(seen)).ok_or_else(Refusal::unknown_order)
}

pub(super) fn order(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let order = looked_up(exchange, ask)?;
    Ok(Data::Enveloped(json!({"order": rows::order(&exchange.board, &order, None)})))
}

pub(super) fn open_order(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let order = looked_up(exchange, ask)?;
    if !order.is_open() {
        return Err(Refusal::unknown_order());
    }
    Ok(Data::Enveloped(json!({"order": rows::order(&exchange.board, &order, None)})))
}

pub(super) fn open_orders(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let wanted = any_symbol(exchange, ask)?;
    let seen = exchange.seen_at(ask.now, Fault::OpenOrdersLag);
    let empty = exchange.faults.roll(Fault::EmptyList);
    let orders = exchange.desks[ask.account].books.orders.values();
    let orders = orders
        .filter(|order| !empty && wanted.is_none_or(|id| id == order.instrument))
        .filter_map(|order| order.as_of(seen))
        .filter(Order::is_open);
    let mut rows: Vec<Value> =
        orders.map(|order| rows::order(&exchange.board, &order, None)).collect();
    exchange.faults.disorder(&mut rows);
    Ok(Data::Enveloped(json!({"orders": rows})))
}

fn orders_where(
    exchange: &Exchange,
    ask: &Ask<'_>,
    fits: impl Fn(&Order) -> bool,
) -> Result<Data, Refusal> {
    let wanted = any_symbol(exchange, ask)?;
    let from_id = ask.params.get("orderId").and_then(|id| id.parse().ok()).unwrap_or(0);
    let start = ask.params.whole("startTime")?.unwrap_or(0);
    let end = ask.params.whole("endTime")?.unwrap_or(i64::MAX);
    let most = limit(ask, 500, 1_000)?;
    let orders = exchange.desks[ask.account].books.orders.range(from_id..);
    let orders = orders.map(|(_, order)| order).filter(|order| {
        wanted.is_none_or(|id| id == order.instrument)
            && (start..=end).contains(&ms(order.at))
            && fits(order)
    });
    let rows: Vec<Value> =
        orders.take(most).map(|order| rows::order(&exchange.board, order, None)).collect();
    Ok(Data::Enveloped(json!({"orders": rows})))
}

pub(super) fn all_orders(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    orders_where(exchange, ask, |order| !order.is_open())
}

pub(super) fn full_orders(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    orders_where(exchange, ask, |_| true)
}

pub(super) fn close_all(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let wanted = any_symbol(exchange, ask)?;
    let desk = &mut exchange.desks[ask.account];
    let positions: Vec<(InstrumentId, PositionSide)> = desk
        .venue
        .venue()
        .positions()
        .iter()
        .filter(|position| wanted.is_none_or(|id| id == position.instrument))
        .map(|position| (position.instrument, position.side))
        .collect();
    let (mut success, mut failed) = (Vec::new(), Vec::new());
    for (instrument, side) in positions {
        match desk.close(ask.now, instrument, side) {
            Ok(id) => success.push(id),
            Err(refusal) => failed.push(refusal.msg),
        }
    }
    Ok(Data::Enveloped(json!({"success": success, "failed": failed})))
}

pub(super) fn close_position(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let wanted = ask.params.need("positionId")?;
    let desk = &mut exchange.desks[ask.account];
    let found = desk.venue.venue().positions().iter().find(|position| {
        rows::position_id(position.instrument, position.side).to_string() == wanted
    });
    let (instrument, side) = found
        .map(|position| (position.instrument, position.side))
        .ok_or_else(|| Refusal::new(101_205, "No position to close"))?;
    let id = desk.close(ask.now, instrument, side)?;
    let word = match side {
        PositionSide::Long => "Ask",
        PositionSide::Short => "Bid",
    };
    Ok(Data::Enveloped(json!({
        "orderId": id,
        "positionId": wanted,
        "symbol": exchange.board.row(instrument).symbol,
        "side": word,
        "type": "MARKET",
        "positionSide": rows::side_word(Some(side)),
    })))
}
