//! Rows of REST lists: orders, fills, positions, balances, contracts.

use pinion_core::id::TextId;
use pinion_core::instrument::{Instrument, canonical_symbol};
use pinion_core::msg::Side;
use pinion_core::units::{DECIMALS, Money, Nanos, Price, Qty, Rate};

use super::fault::{Fault, FaultKind};
use super::json::Value;
use super::oddities::{Oddities, Oddity};
use super::rest::Reply;
use super::time::venue_time;
use super::value::required;
use super::words::{self, OrderState, OrderType, WireSide};

/// An order as REST tells it, in the answer to placing, cancelling and asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderRow<'a> {
    /// Symbol; empty in short answers.
    pub symbol: &'a str,
    /// The venue's identity.
    pub order_id: TextId,
    /// Client order id; may be empty.
    pub client_id: &'a str,
    /// Side; `None` when absent or not known.
    pub side: Option<Side>,
    /// Position side; `None` when absent or not known.
    pub position_side: Option<WireSide>,
    /// Type; `None` when absent or not known.
    pub kind: Option<OrderType>,
    /// State; `None` when absent or not known.
    pub state: Option<OrderState>,
    /// The venue's word for the state.
    pub state_text: &'a str,
    /// Ordered quantity.
    pub qty: Option<Qty>,
    /// Filled so far.
    pub cum_qty: Option<Qty>,
    /// Order price.
    pub price: Option<Price>,
    /// Average price of its fills.
    pub avg_price: Option<Price>,
    /// Signed: negative was paid.
    pub commission: Option<Money>,
    /// When it last changed.
    pub updated_ns: Option<Nanos>,
}

/// Where the order of an answer stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `data.order`, until 2025 and in the documentation.
    Nested,
    /// `data` itself, recorded in 2026.
    Flat,
}

/// The one order of an answer: of placing, cancelling, asking.
///
/// # Errors
/// [`Fault`] without an order or with a wrong field.
pub fn order<'a>(
    reply: &Reply<'a>,
    oddities: &mut Oddities,
) -> Result<(Shape, OrderRow<'a>), Fault> {
    let data = reply.data()?;
    match data.get("order") {
        Some(order) => Ok((Shape::Nested, order_row(&order, oddities)?)),
        None => Ok((Shape::Flat, order_row(&data, oddities)?)),
    }
}

/// Calls `take` with each order of a list: open orders, orders of the past, those that a cancel named.
///
/// # Errors
/// [`Fault`] without a list or with a wrong row; rows before it were handed out.
pub fn orders<'a>(
    reply: &Reply<'a>,
    oddities: &mut Oddities,
    mut take: impl FnMut(OrderRow<'a>),
) -> Result<u32, Fault> {
    let mut rows = 0;
    for row in reply.list(&["orders", "success"], "orders")?.items() {
        take(order_row(&row, oddities)?);
        rows += 1;
    }
    Ok(rows)
}

fn order_row<'a>(object: &Value<'a>, oddities: &mut Oddities) -> Result<OrderRow<'a>, Fault> {
    if !object.is_object() {
        return Err(Fault::new(FaultKind::Wrong, "order", "an object", object.place()));
    }
    let mut row = OrderRow {
        symbol: "",
        order_id: TextId::EMPTY,
        client_id: "",
        side: None,
        position_side: None,
        kind: None,
        state: None,
        state_text: "",
        qty: None,
        cum_qty: None,
        price: None,
        avg_price: None,
        commission: None,
        updated_ns: None,
    };
    let mut known = |what, text: &str, found: bool| {
        if !found && !text.is_empty() {
            oddities.note(what, text);
        }
    };
    for (key, value) in object.members() {
        match key {
            "symbol" => row.symbol = value.text("symbol")?,
            // Two spellings, sometimes both at once, sometimes one of them empty.
            "orderId" | "orderID" => {
                let id = value.id("orderId")?;
                if !id.is_empty() {
                    row.order_id = id;
                }
            }
            "clientOrderId" | "clientOrderID" => {
                let text = value.text("clientOrderId")?;
                if !text.is_empty() {
                    row.client_id = text;
                }
            }
            "side" => {
                let text = value.text("side")?;
                row.side = words::side(text);
                known(Oddity::Side, text, row.side.is_some());
            }
            "positionSide" => {
                let text = value.text("positionSide")?;
                row.position_side = WireSide::read(text);
                known(Oddity::Side, text, row.position_side.is_some());
            }
            "type" => {
                let text = value.text("type")?;
                row.kind = OrderType::read(text);
                known(Oddity::OrderType, text, row.kind.is_some());
            }
            "status" => {
                row.state_text = value.text("status")?;
                row.state = OrderState::read(row.state_text);
                known(Oddity::OrderState, row.state_text, row.state.is_some());
            }
            "origQty" | "quantity" => row.qty = value.qty("origQty")?.or(row.qty),
            "executedQty" => row.cum_qty = value.qty("executedQty")?,
            "price" => row.price = value.price("price")?.filter(|price| !price.is_zero()),
            "avgPrice" => {
                row.avg_price = value.mean_price("avgPrice")?.filter(|price| !price.is_zero());
            }
            "commission" => row.commission = value.money("commission")?,
            "updateTime" => row.updated_ns = value.time("updateTime")?,
            other => known(Oddity::OrderField, other, UNUSED.contains(&other)),
        }
    }
    if row.order_id.is_empty() {
        return Err(Fault::missing("orderId"));
    }
    Ok(row)
}

/// Known fields of orders that are not used.
const UNUSED: &[&str] = &[
    "stopPrice",
    "cumQuote",
    "profit",
    "leverage",
    "time",
    "takeProfit",
    "stopLoss",
    "advanceAttr",
    "positionID",
    "positionId",
    "takeProfitEntrustPrice",
    "stopLossEntrustPrice",
    "orderType",
    "workingType",
    "stopGuaranteed",
    "triggerOrderId",
    "trailingStopRate",
    "trailingStopDistance",
    "postOnly",
    "reduceOnly",
    "onlyOnePosition",
    "closePosition",
    "priceRate",
    "activationPrice",
    "timeInForce",
    "quoteOrderQty",
    "isTwap",
    "mainOrderId",
    "cancelClientOrderId",
    "cancelOrderId",
];

/// A fill as REST tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FillRow<'a> {
    /// Symbol; empty when the answer does not say.
    pub symbol: &'a str,
    /// The order's identity at the venue.
    pub order_id: TextId,
    /// The fill's identity; empty in the list by order.
    pub trade_id: TextId,
    /// Side, where told.
    pub side: Option<Side>,
    /// Position side, where told.
    pub position_side: Option<WireSide>,
    /// Quantity, in base units.
    pub qty: Qty,
    /// Price.
    pub price: Price,
    /// Signed: negative was paid.
    pub commission: Option<Money>,
    /// Asset of the commission; empty when the answer does not say.
    pub commission_asset: &'a str,
    /// True for maker, where told.
    pub is_maker: Option<bool>,
    /// When it traded.
    pub traded_ns: Option<Nanos>,
}

/// A page of fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FillPage {
    /// Rows on this page.
    pub rows: u32,
    /// Rows on all pages, where told: more than were read means that another page must be asked for.
    pub total: Option<u64>,
}

/// Calls `take` with each fill of `fillHistory` or `allFillOrders`.
///
/// # Errors
/// [`Fault`] without a list or with a wrong row; rows before it were handed out.
pub fn fills<'a>(
    reply: &Reply<'a>,
    oddities: &mut Oddities,
    mut take: impl FnMut(FillRow<'a>),
) -> Result<FillPage, Fault> {
    let mut rows = 0;
    for row in reply.list(&["fill_history_orders", "fill_orders"], "fill_orders")?.items() {
        take(fill_row(&row, oddities)?);
        rows += 1;
    }
    let total = reply.data()?.get("total").map_or(Ok(None), |total| total.whole("total"))?;
    Ok(FillPage { rows, total })
}

fn fill_row<'a>(row: &Value<'a>, oddities: &mut Oddities) -> Result<FillRow<'a>, Fault> {
    let text = |field: &'static str| row.get(field).map_or(Ok(""), |value| value.text(field));
    let qty_of = |field: &'static str| row.get(field).map_or(Ok(None), |value| value.qty(field));
    let price = required(required(row.get("price"), "price")?.price("price")?, "price")?;
    let value = row.get("quoteQty").map_or(Ok(None), |value| value.money("quoteQty"))?;
    let qty = believed(qty_of("qty")?, qty_of("volume")?, price, value);
    let (side_text, position_text) = (text("side")?, text("positionSide")?);
    let (side, position_side) = (words::side(side_text), WireSide::read(position_text));
    for (word, found) in [(side_text, side.is_some()), (position_text, position_side.is_some())] {
        if !found && !word.is_empty() {
            oddities.note(Oddity::Side, word);
        }
    }
    let role = text("role")?;
    let is_maker = match role {
        "maker" => Some(true),
        "taker" => Some(false),
        other => {
            if !other.is_empty() {
                oddities.note(Oddity::OrderField, other);
            }
            None
        }
    };
    let named = text("commissionAsset")?;
    let time = text("filledTime")?;
    let traded_ns = if time.is_empty() { None } else { Some(venue_time(time)?) };
    let id = |field: &'static str| row.get(field).map_or(Ok(TextId::EMPTY), |id| id.id(field));
    Ok(FillRow {
        symbol: text("symbol")?,
        order_id: id("orderId")?,
        trade_id: id("tradeId")?,
        side,
        position_side,
        qty: required(qty, "qty")?,
        price,
        commission: row.get("commission").map_or(Ok(None), |fee| fee.money("commission"))?,
        commission_asset: if named.is_empty() { text("currency")? } else { named },
        is_maker,
        traded_ns,
    })
}

/// The quantity of a fill. In recordings `qty` once held a value instead: where both are there, the one
/// that gives the value is believed, and `qty` when neither tells.
fn believed(
    qty: Option<Qty>,
    volume: Option<Qty>,
    price: Price,
    value: Option<Money>,
) -> Option<Qty> {
    let (Some(first), Some(second), Some(value)) = (qty, volume, value) else {
        return qty.or(volume);
    };
    let gives = price.notional(first).is_some_and(|found| {
        let apart = found.checked_sub(value).map_or(i64::MAX, |apart| apart.raw().saturating_abs());
        apart <= value.raw().saturating_abs() / 100
    });
    Some(if gives { first } else { second })
}

/// A position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionRow<'a> {
    /// Symbol.
    pub symbol: &'a str,
    /// Direction; `Both` only in answers that name it by the sign of the quantity.
    pub side: Option<WireSide>,
    /// Quantity; positive for a short too, negative only with side `Both`.
    pub qty: Qty,
    /// Average entry price.
    pub avg_price: Option<Price>,
    /// Margin apart.
    pub is_isolated: Option<bool>,
    /// Leverage.
    pub leverage: Option<u64>,
    /// True in one-way mode, where told.
    pub is_one_way: Option<bool>,
}

/// Calls `take` with each position.
///
/// # Errors
/// [`Fault`] without a list or with a wrong row: the answer then proves nothing.
pub fn positions<'a>(
    reply: &Reply<'a>,
    mut take: impl FnMut(PositionRow<'a>),
) -> Result<u32, Fault> {
    let mut rows = 0;
    for row in reply.list(&["positions"], "positions")?.items() {
        let side = row.get("positionSide").map_or(Ok(""), |side| side.text("positionSide"))?;
        let flag = |field: &'static str| row.get(field).map_or(Ok(None), |flag| flag.flag(field));
        take(PositionRow {
            symbol: required(row.get("symbol"), "symbol")?.text("symbol")?,
            side: WireSide::read(side),
            qty: required(
                required(row.get("positionAmt"), "positionAmt")?.qty("positionAmt")?,
                "positionAmt",
            )?,
            avg_price: row
                .get("avgPrice")
                .map_or(Ok(None), |price| price.mean_price("avgPrice"))?,
            is_isolated: flag("isolated")?,
            leverage: row.get("leverage").map_or(Ok(None), |value| value.whole("leverage"))?,
            is_one_way: flag("onlyOnePosition")?,
        });
        rows += 1;
    }
    Ok(rows)
}

/// Balance of an asset; `None` where the venue wrote an empty text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceRow<'a> {
    /// Asset.
    pub asset: &'a str,
    /// Wallet.
    pub balance: Option<Money>,
    /// Wallet and what is not realised.
    pub equity: Option<Money>,
    /// Margin that can be used.
    pub available: Option<Money>,
    /// Margin in use.
    pub used: Option<Money>,
}

/// Calls `take` with each balance; reads the newer list and the older single object.
///
/// # Errors
/// [`Fault`] without balances or with a wrong row.
pub fn balances<'a>(reply: &Reply<'a>, mut take: impl FnMut(BalanceRow<'a>)) -> Result<u32, Fault> {
    let data = reply.data()?;
    let one = data.get("balance").filter(|balance| balance.is_object());
    if let Some(balance) = one {
        take(balance_row(&balance)?);
        return Ok(1);
    }
    let mut rows = 0;
    for row in reply.list(&[], "data")?.items() {
        take(balance_row(&row)?);
        rows += 1;
    }
    Ok(rows)
}

fn balance_row<'a>(row: &Value<'a>) -> Result<BalanceRow<'a>, Fault> {
    let money = |field: &'static str| row.get(field).map_or(Ok(None), |value| value.money(field));
    Ok(BalanceRow {
        asset: required(row.get("asset"), "asset")?.text("asset")?,
        balance: money("balance")?,
        equity: money("equity")?,
        available: money("availableMargin")?,
        used: money("usedMargin")?,
    })
}

/// A contract: what the engine calls an instrument, with the venue's spelling and fees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contract<'a> {
    /// As the venue spells it.
    pub symbol: &'a str,
    /// Tick, lot, least notional; `None` for a symbol that the engine cannot name.
    pub instrument: Option<Instrument>,
    /// Least quantity of an order.
    pub min_qty: Option<Qty>,
    /// Rate of a maker, where told.
    pub maker_rate: Option<Rate>,
    /// Rate of a taker, where told.
    pub taker_rate: Option<Rate>,
}

/// Calls `take` with each contract.
///
/// # Errors
/// [`Fault`] without a list or with a wrong row.
pub fn contracts<'a>(
    reply: &Reply<'a>,
    oddities: &mut Oddities,
    mut take: impl FnMut(Contract<'a>),
) -> Result<u32, Fault> {
    let mut rows = 0;
    for row in reply.list(&["contracts"], "data")?.items() {
        take(contract(&row, oddities)?);
        rows += 1;
    }
    Ok(rows)
}

fn contract<'a>(row: &Value<'a>, oddities: &mut Oddities) -> Result<Contract<'a>, Fault> {
    /// Trades normally.
    const ONLINE: u64 = 1;
    /// Statuses that are known: offline, online, not yet open, no new positions.
    const KNOWN: [u64; 4] = [0, ONLINE, 5, 25];
    // Names outside ASCII exist; such a contract is listed and not traded.
    let symbol = required(row.get("symbol"), "symbol")?.text("symbol")?;
    let whole = |field: &'static str| row.get(field).map_or(Ok(None), |value| value.whole(field));
    let rate = |field: &'static str| row.get(field).map_or(Ok(None), |value| value.rate(field));
    let flag = |field: &'static str| row.get(field).map_or(Ok(None), |value| value.flag(field));
    let status = whole("status")?;
    if let Some(status) = status.filter(|status| !KNOWN.contains(status)) {
        oddities.note(Oddity::ContractStatus, TextId::from_number(status).as_str());
    }
    let tick = step(whole("pricePrecision")?, "pricePrecision")?;
    let lot = step(whole("quantityPrecision")?, "quantityPrecision")?;
    let min_notional =
        row.get("tradeMinUSDT").map_or(Ok(None), |least| least.money("tradeMinUSDT"))?;
    let listed_ns = whole("launchTime")?
        .filter(|ms| *ms > 0)
        .and_then(|ms| i64::try_from(ms).ok()?.checked_mul(1_000_000).map(Nanos::new));
    let open = flag("apiStateOpen")?.unwrap_or(true) && flag("apiStateClose")?.unwrap_or(true);
    let instrument =
        canonical_symbol(symbol).zip(tick).zip(lot).map(|((symbol, tick), lot)| Instrument {
            symbol,
            tick: Price::from_raw(tick),
            lot: Qty::from_raw(lot),
            min_notional: min_notional.unwrap_or(Money::ZERO),
            tradable: status == Some(ONLINE) && open && min_notional.is_some(),
            listed_ns,
        });
    Ok(Contract {
        symbol,
        instrument,
        min_qty: row.get("tradeMinQuantity").map_or(Ok(None), |qty| qty.qty("tradeMinQuantity"))?,
        maker_rate: rate("makerFeeRate")?,
        taker_rate: rate("takerFeeRate")?,
    })
}

/// The step of so many decimals in raw units; `None` for one that is finer than the engine's numbers.
fn step(decimals: Option<u64>, field: &'static str) -> Result<Option<i64>, Fault> {
    let decimals = required(decimals, field)?;
    let places = usize::try_from(decimals).ok().and_then(|places| DECIMALS.checked_sub(places));
    Ok(places.and_then(|places| 10i64.checked_pow(u32::try_from(places).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bingx::json::Tape;
    use crate::bingx::rest::open;

    #[track_caller]
    fn with<T>(body: &str, check: impl Fn(&Reply<'_>) -> T) -> T {
        let mut tape = Tape::new();
        check(&open(&mut tape, body.as_bytes()).expect("opens"))
    }

    #[test]
    fn ids_beyond_u64_and_both_spellings_are_read() {
        let body = r#"{"code":0,"data":{"orders":[
            {"orderId":172264854643022330000,"clientOrderID":"p-00000001-1","status":"Cancelled"},
            {"orderID":"7","orderId":"","clientOrderId":"","status":"HIBERNATING","novelty":1}]}}"#;
        let mut oddities = Oddities::default();
        let mut tape = Tape::new();
        let reply = open(&mut tape, body.as_bytes()).expect("opens");
        let mut rows = Vec::new();
        assert_eq!(orders(&reply, &mut oddities, |row| rows.push(row)), Ok(2));
        assert_eq!(rows[0].order_id.as_str(), "172264854643022330000");
        assert_eq!(
            (rows[0].client_id, rows[0].state),
            ("p-00000001-1", Some(OrderState::Cancelled))
        );
        assert_eq!((rows[1].order_id.as_str(), rows[1].state), ("7", None));
        assert_eq!(oddities.count(Oddity::OrderState), 1);
        assert_eq!(oddities.count(Oddity::OrderField), 1);
    }

    #[test]
    fn half_a_list_is_an_error() {
        let body = r#"{"code":0,"data":[{"symbol":"A-USDT","positionAmt":"1","positionSide":"LONG"},
            {"symbol":"B-USDT","positionSide":"LONG"}]}"#;
        assert!(with(body, |reply| positions(reply, |_| {}).is_err()));
        for body in [r#"{"code":0}"#, r#"{"code":0,"data":{}}"#, r#"{"code":0,"data":null}"#] {
            assert!(with(body, |reply| positions(reply, |_| {}).is_err()), "{body}: not flat");
        }
        assert_eq!(with(r#"{"code":0,"data":[]}"#, |reply| positions(reply, |_| {})), Ok(0));
    }

    #[test]
    fn empty_balances_are_not_zero() {
        let body =
            r#"{"code":0,"data":[{"asset":"USDC","balance":"","equity":"","availableMargin":""}]}"#;
        let row = with(body, |reply| {
            let mut found = None;
            balances(reply, |row| found = Some((row.balance, row.available))).map(|_| found)
        });
        assert_eq!(row, Ok(Some((None, None))));
        let body = r#"{"code":0,"data":{"balance":{"asset":"USDT","balance":"1.5"}}}"#;
        assert_eq!(with(body, |reply| balances(reply, |_| {})), Ok(1));
    }

    #[test]
    fn precision_becomes_steps() {
        let body = r#"{"code":0,"data":[{"symbol":"BTC-USDT","quantityPrecision":4,"pricePrecision":1,
            "tradeMinUSDT":2,"tradeMinQuantity":1e-4,"status":1,"apiStateOpen":"true"},
            {"symbol":"DEAD-USDT","quantityPrecision":0,"pricePrecision":9,"status":77}]}"#;
        let mut oddities = Oddities::default();
        let mut tape = Tape::new();
        let reply = open(&mut tape, body.as_bytes()).expect("opens");
        let mut found = Vec::new();
        contracts(&reply, &mut oddities, |contract| found.push(contract)).expect("reads");
        let btc = found[0].instrument.expect("an instrument");
        assert_eq!((btc.tick.to_string(), btc.lot.to_string()), ("0.1".into(), "0.0001".into()));
        assert_eq!(btc.symbol.as_str(), "BTCUSDT");
        assert!(btc.tradable);
        assert_eq!(found[0].min_qty, Some(Qty::from_raw(10_000)));
        assert_eq!(found[1].instrument, None, "finer than our numbers");
        assert_eq!(oddities.count(Oddity::ContractStatus), 1);
    }

    #[test]
    fn the_quantity_that_gives_the_value_is_believed() {
        let row = |qty: &str, volume: &str, value: &str| {
            let body = format!(
                r#"{{"code":0,"data":{{"fill_orders":[{{"price":"2","qty":"{qty}","volume":"{volume}",
                "quoteQty":"{value}","filledTime":"2023-12-16T20:58:36.000+0800"}}]}}}}"#
            );
            with(&body, |reply| {
                let mut found = None;
                fills(reply, &mut Oddities::default(), |row| found = Some(row.qty)).map(|_| found)
            })
        };
        assert_eq!(row("3", "6", "6.01"), Ok(Some(Qty::from_whole(3))));
        assert_eq!(row("12.74", "4", "211.40"), Ok(Some(Qty::from_whole(4))));
        assert_eq!(row("3", "", ""), Ok(Some(Qty::from_whole(3))));
        assert_eq!(row("", "4", "1"), Ok(Some(Qty::from_whole(4))));
    }
}
