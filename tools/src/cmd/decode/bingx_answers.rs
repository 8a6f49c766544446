//! Answers of REST calls of `BingX` in normalised form.

use pinion_io::bingx::errors::judge;
use pinion_io::bingx::rest::{self, Reply};
use pinion_io::bingx::rows::{self, FillRow, OrderRow, Shape};
use pinion_io::bingx::{Fault, Oddities};
use serde_json::{Map, Value, json};

use super::bingx::{Kind, id, paid, text, word};
use super::{ms, taker};

/// Normalises an answer.
///
/// # Errors
/// [`Fault`] when it is no answer of its kind.
pub(super) fn answer(
    kind: Kind,
    reply: &Reply<'_>,
    oddities: &mut Oddities,
) -> Result<Value, Fault> {
    match kind {
        Kind::ErrorRest => Ok(error(reply)),
        Kind::GetOrder | Kind::GetOpenOrder | Kind::PlaceOrder | Kind::CancelOrder => {
            let (shape, row) = rows::order(reply, oddities)?;
            let mut out = order_row(&row);
            out["shape"] = match shape {
                Shape::Nested => "data.order".into(),
                Shape::Flat => "data".into(),
            };
            Ok(out)
        }
        Kind::Contracts
        | Kind::Balance
        | Kind::Positions
        | Kind::OpenOrders
        | Kind::AllOrders
        | Kind::CancelAll
        | Kind::AllFillOrders
        | Kind::FillHistory => list(kind, reply, oddities),
        _ => setting(kind, reply),
    }
}

fn error(reply: &Reply<'_>) -> Value {
    let judged = judge(200, Some(reply.code), &reply.msg);
    let mut out = Map::from_iter([("class".to_owned(), judged.class.as_str().into())]);
    if let Some(at) = judged.retry_at_ms {
        out.insert("retry_after_ms".to_owned(), at.into());
    }
    out.into()
}

fn list(kind: Kind, reply: &Reply<'_>, oddities: &mut Oddities) -> Result<Value, Fault> {
    let mut list = Vec::new();
    Ok(match kind {
        Kind::Contracts => {
            rows::contracts(reply, oddities, |row| {
                list.push(json!({
                    "symbol": row.symbol,
                    "tick": text(row.instrument.map(|instrument| instrument.tick)),
                    "lot": text(row.instrument.map(|instrument| instrument.lot)),
                    "min_qty": text(row.min_qty),
                    "min_notional": text(row.instrument.map(|instrument| instrument.min_notional)),
                    "maker_rate": text(row.maker_rate),
                    "taker_rate": text(row.taker_rate),
                    "tradable": row.instrument.is_some_and(|instrument| instrument.tradable),
                }));
            })?;
            json!({ "contracts": list })
        }
        Kind::Balance => {
            rows::balances(reply, |row| {
                list.push(json!({
                    "asset": row.asset,
                    "balance": text(row.balance),
                    "equity": text(row.equity),
                    "available_margin": text(row.available),
                    "used_margin": text(row.used),
                }));
            })?;
            json!({ "assets": list })
        }
        Kind::Positions => {
            rows::positions(reply, |row| {
                list.push(json!({
                    "symbol": row.symbol,
                    "position_side": row.side.map(|side| side.as_str()),
                    "qty": row.qty.to_string(),
                    "avg_price": text(row.avg_price),
                    "isolated": row.is_isolated,
                    "leverage": row.leverage,
                    "one_way": row.is_one_way,
                }));
            })?;
            json!({ "positions": list })
        }
        Kind::AllFillOrders | Kind::FillHistory => {
            rows::fills(reply, oddities, |row| list.push(fill_row(kind, &row)))?;
            json!({ "fills": list })
        }
        _ => {
            rows::orders(reply, oddities, |row| list.push(order_row(&row)))?;
            json!({ "orders": list })
        }
    })
}

/// Settings of the account, and what else is no list.
fn setting(kind: Kind, reply: &Reply<'_>) -> Result<Value, Fault> {
    Ok(match kind {
        Kind::ServerTime => json!({ "server_time_ms": ms(Some(rest::server_time(reply)?)) }),
        Kind::CancelAllAfter => {
            let timer = rest::cancel_all_after(reply)?;
            json!({ "trigger_time_ms": ms(timer.trigger_ns), "armed": timer.is_armed })
        }
        Kind::Leverage => {
            let leverage = rest::leverage(reply)?;
            json!({
                "long": leverage.long, "short": leverage.short,
                "long_max": leverage.long_max, "short_max": leverage.short_max,
            })
        }
        Kind::SetLeverage => json!({ "leverage": rest::leverage_set(reply)? }),
        Kind::MarginType => {
            json!({ "margin_type": rest::margin_type(reply)?.map(|kind| kind.as_str()) })
        }
        Kind::SetMarginType => json!({ "ok": reply.code == 0 }),
        Kind::PositionMode | Kind::SetPositionMode => {
            json!({ "mode": rest::position_mode(reply)?.as_str() })
        }
        Kind::CommissionRate => {
            let rates = rest::commission(reply)?;
            json!({ "taker": rates.taker.to_string(), "maker": rates.maker.to_string() })
        }
        Kind::ListenKey => json!({ "listen_key": rest::listen_key(reply)? }),
        _ => json!({ "code": reply.code }),
    })
}

fn order_row(row: &OrderRow<'_>) -> Value {
    json!({
        "order_id": id(&row.order_id),
        "symbol": word(row.symbol),
        "client_id": word(row.client_id),
        "side": row.side.map(taker),
        "position_side": row.position_side.map(|side| side.as_str()),
        "type": row.kind.map(|kind| kind.as_str()),
        "price": text(row.price),
        "avg_price": text(row.avg_price),
        "qty": text(row.qty),
        "cum_qty": text(row.cum_qty),
        "fee_paid": paid(row.commission),
        "status": word(row.state_text),
    })
}

/// The list by order has no identities and sides, and names its quantity's unit.
fn fill_row(kind: Kind, row: &FillRow<'_>) -> Value {
    let mut out = json!({
        "order_id": id(&row.order_id),
        "price": row.price.to_string(),
        "fee_paid": paid(row.commission),
        "time_ms": ms(row.traded_ns),
    });
    if kind == Kind::AllFillOrders {
        out["qty_coin"] = row.qty.to_string().into();
        return out;
    }
    out["trade_id"] = id(&row.trade_id);
    out["side"] = row.side.map(taker).into();
    out["position_side"] = row.position_side.map(|side| side.as_str()).into();
    out["qty"] = row.qty.to_string().into();
    out["maker"] = row.is_maker.into();
    out
}
