//! Market data by call.

use pinion_core::id::InstrumentId;
use pinion_core::units::{Nanos, Price, Qty, Rate};
use serde_json::{Value, json};

use crate::venue_sim::board::Row;
use crate::venue_sim::exchange::Exchange;
use crate::venue_sim::refusal::Refusal;
use crate::venue_sim::rows::ms;
use crate::venue_sim::topics;

use super::{Ask, Data};

/// Rows of a list where the call does not say how many.
const ROWS: usize = 500;
const ROWS_MAX: usize = 1_440;

fn text(value: impl ToString) -> Value {
    Value::String(value.to_string())
}

/// The call's `limit`, within what the venue gives.
pub(super) fn limit(ask: &Ask<'_>, default: usize, most: usize) -> Result<usize, Refusal> {
    let asked = ask.params.whole("limit")?;
    Ok(asked.and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0).unwrap_or(default).min(most))
}

/// The instrument of a call.
pub(super) fn symbol(exchange: &Exchange, ask: &Ask<'_>) -> Result<InstrumentId, Refusal> {
    let symbol = ask.params.need("symbol")?;
    exchange.board.find(symbol).ok_or_else(Refusal::no_symbol)
}

/// The instrument of a call that may be about all of them.
pub(super) fn any_symbol(
    exchange: &Exchange,
    ask: &Ask<'_>,
) -> Result<Option<InstrumentId>, Refusal> {
    ask.params.get("symbol").map(|_| symbol(exchange, ask)).transpose()
}

/// One row for the symbol of the call, a list of all without one.
fn one_or_all(
    exchange: &Exchange,
    ask: &Ask<'_>,
    row: impl Fn(&Row) -> Option<Value>,
) -> Result<Data, Refusal> {
    Ok(Data::Enveloped(match any_symbol(exchange, ask)? {
        Some(id) => row(exchange.board.row(id)).unwrap_or_else(|| json!({})),
        None => exchange.board.rows.iter().filter_map(row).collect(),
    }))
}

pub(super) fn server_time(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let told = ms(ask.now) + exchange.faults.clock_off_ms();
    Ok(Data::Enveloped(json!({"serverTime": told})))
}

pub(super) fn contracts(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let wanted = any_symbol(exchange, ask)?;
    let fees = exchange.fees;
    let rows = exchange.table.iter().filter(|(id, _)| wanted.is_none_or(|only| only == *id));
    let rows = rows.map(|(id, row)| topics::contract(&exchange.board, id, row, fees));
    Ok(Data::Enveloped(rows.collect()))
}

pub(super) fn depth(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let id = symbol(exchange, ask)?;
    let ladder = exchange.board.row(id).ladder(limit(ask, 20, 1_000)?);
    let lot = exchange.table.row(id).lot.raw().max(1);
    let in_lots = |levels: &[(Price, Qty)]| -> Value {
        levels.iter().map(|(price, qty)| json!([text(*price), text(qty.raw() / lot)])).collect()
    };
    let asks: Vec<(Price, Qty)> = ladder.asks.into_iter().rev().collect();
    Ok(Data::Enveloped(json!({
        "T": ms(ask.now),
        "bids": in_lots(&ladder.bids),
        "asks": in_lots(&asks),
        "bidsCoin": topics::levels(&ladder.bids),
        "asksCoin": topics::levels(&asks),
    })))
}

pub(super) fn trades(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let id = symbol(exchange, ask)?;
    let newest = exchange.board.row(id).prints.iter().rev().take(limit(ask, ROWS, 1_000)?);
    let rows = newest.map(|print| {
        let worth = print.price.notional(print.qty).unwrap_or_default();
        json!({
            "time": ms(print.at), "isBuyerMaker": print.is_sold, "price": text(print.price),
            "qty": text(print.qty), "quoteQty": text(worth), "fillId": text(print.number),
        })
    });
    Ok(Data::Enveloped(rows.collect()))
}

pub(super) fn premium_index(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let interval_ns = exchange.funding_interval_ns;
    let boundary = Nanos::new((ask.now.get() / interval_ns + 1) * interval_ns);
    let usual = exchange.funding_rate;
    one_or_all(exchange, ask, |row| {
        let mark = row.fair()?;
        Some(json!({
            "symbol": row.symbol,
            "markPrice": text(mark),
            "indexPrice": text(row.index.unwrap_or(mark)),
            "lastFundingRate": text(row.funding_rate.unwrap_or(usual)),
            "nextFundingTime": ms(row.next_funding.filter(|at| *at > ask.now).unwrap_or(boundary)),
            "fundingIntervalHours": interval_ns / 3_600 / Nanos::SECOND,
            "updateTime": ms(ask.now),
        }))
    })
}

pub(super) fn book_ticker(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let row = exchange.board.row(symbol(exchange, ask)?);
    let ticker = row.touch.map_or_else(
        || json!({}),
        |touch| {
            json!({
                "symbol": row.symbol, "bid_price": touch.bid.to_f64(),
                "bid_qty": touch.bid_qty.to_f64(), "ask_price": touch.ask.to_f64(),
                "ask_qty": touch.ask_qty.to_f64(), "lastUpdateId": row.update_id,
                "time": ms(row.touched_at),
            })
        },
    );
    Ok(Data::Enveloped(json!({"book_ticker": ticker})))
}

pub(super) fn ticker(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    one_or_all(exchange, ask, |row| topics::ticker_row(row, ask.now))
}

pub(super) fn last_price(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    one_or_all(exchange, ask, |row| {
        let last = row.prints.back()?;
        Some(json!({"symbol": row.symbol, "price": text(last.price), "time": ms(last.at)}))
    })
}

pub(super) fn klines(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let id = symbol(exchange, ask)?;
    let interval = ask.params.need("interval")?;
    let minutes = topics::minutes(interval).ok_or_else(|| {
        Refusal::param("interval", "expected 1m to 1M, as the documents list them")
    })?;
    let start = ask.params.whole("startTime")?.unwrap_or(0);
    let end = ask.params.whole("endTime")?.unwrap_or(i64::MAX);
    let bars = exchange.board.row(id).bars_of(minutes, usize::MAX);
    let within = bars.iter().rev().filter(|bar| (start..=end).contains(&ms(bar.start)));
    let rows = within.take(limit(ask, ROWS, ROWS_MAX)?).map(|bar| {
        json!({
            "open": text(bar.open), "close": text(bar.close), "high": text(bar.high),
            "low": text(bar.low), "volume": text(bar.volume), "time": ms(bar.start),
        })
    });
    Ok(Data::Enveloped(rows.collect()))
}

/// Other parts of the venue, which clients ask about and which have nothing here.
pub(super) fn no_rows(_: &mut Exchange, _: &Ask<'_>) -> Result<Data, Refusal> {
    Ok(Data::Enveloped(json!([])))
}

pub(super) fn no_symbols(_: &mut Exchange, _: &Ask<'_>) -> Result<Data, Refusal> {
    Ok(Data::Enveloped(json!({"symbols": []})))
}

/// A rate as the venue's JSON number.
pub(super) fn number(rate: Rate) -> Value {
    json!(rate.to_f64())
}
