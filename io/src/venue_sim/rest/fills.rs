//! Fills and the ledger.

use serde_json::{Value, json};

use crate::venue_sim::books::Fill;
use crate::venue_sim::exchange::Exchange;
use crate::venue_sim::faults::Fault;
use crate::venue_sim::refusal::Refusal;
use crate::venue_sim::rows::{self, ms};

use super::public::{any_symbol, limit};
use super::{Ask, Data};

/// Longest span of one question.
const SPAN_MS: i64 = 7 * 86_400_000;

/// Fills of the call's symbol, order and span of time, in the order in which they happened.
fn wanted(exchange: &mut Exchange, ask: &Ask<'_>, span: (i64, i64)) -> Result<Vec<Fill>, Refusal> {
    let symbol = any_symbol(exchange, ask)?;
    let order = ask.params.get("orderId").map(str::to_owned);
    if exchange.faults.roll(Fault::EmptyList) {
        return Ok(Vec::new());
    }
    let seen = exchange.seen_at(ask.now, Fault::FillsLag);
    let fits = |fill: &&Fill| {
        symbol.is_none_or(|id| id == fill.instrument)
            && order.as_ref().is_none_or(|id| *id == fill.order.to_string())
            && (span.0..=span.1).contains(&ms(fill.at))
            && fill.at <= seen
    };
    let all = exchange.desks[ask.account].books.fills.iter();
    let mut rows: Vec<Fill> = all.filter(fits).copied().collect();
    exchange.faults.disorder(&mut rows);
    Ok(rows)
}

/// By order, without trade ids. A longer span than seven days is answered all the same: old clients ask
/// for thirty.
pub(super) fn all_fill_orders(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let unit = ask.params.need("tradingUnit")?.to_owned();
    let span = (ask.params.whole("startTs")?, ask.params.whole("endTs")?);
    let span = (span.0.unwrap_or(0), span.1.unwrap_or(i64::MAX));
    let fills = wanted(exchange, ask, span)?;
    let desk = &exchange.desks[ask.account];
    let rows = fills.iter().map(|fill| {
        let order = desk.books.orders.get(&fill.order);
        let client = order.map_or("", |order| &order.client_text);
        let mut row = rows::fill_order(&exchange.board, fill, client);
        if unit == "CONT" {
            let lot = exchange.table.row(fill.instrument).lot.raw().max(1);
            row["volume"] = Value::String((fill.qty.raw() / lot).to_string());
        }
        row
    });
    Ok(Data::Enveloped(json!({"fill_orders": rows.collect::<Vec<_>>()})))
}

/// With trade ids, in pages. A span longer than seven days is refused; without an end there is nothing.
pub(super) fn fill_history(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    ask.params.need("symbol")?;
    let start = ask.params.whole("startTs")?;
    let end = ask.params.whole("endTs")?;
    let rows = match (start, end) {
        (Some(start), Some(end)) => {
            if end - start > SPAN_MS {
                return Err(Refusal::param("endTs", "at most 7 days after startTs"));
            }
            wanted(exchange, ask, (start, end))?
        }
        (None, _) | (_, None) => Vec::new(),
    };
    let after = ask.params.get("lastFillId").and_then(|id| id.parse::<u64>().ok()).unwrap_or(0);
    let rows: Vec<&Fill> = rows.iter().filter(|fill| fill.number > after).collect();
    let positive = |name, default: usize| -> Result<usize, Refusal> {
        let asked = ask.params.whole(name)?;
        Ok(asked.and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0).unwrap_or(default))
    };
    let size = positive("pageSize", 50)?.min(1_000);
    let page = positive("pageIndex", 1)?;
    let of_page = rows.iter().skip((page - 1).saturating_mul(size)).take(size);
    let of_page = of_page.map(|fill| rows::fill_history(&exchange.board, fill));
    Ok(Data::Enveloped(json!({
        "fill_history_orders": of_page.collect::<Vec<_>>(),
        "total": rows.len(),
    })))
}

pub(super) fn income(exchange: &mut Exchange, ask: &Ask<'_>) -> Result<Data, Refusal> {
    let symbol = any_symbol(exchange, ask)?;
    let kind = ask.params.get("incomeType");
    let start = ask.params.whole("startTime")?.unwrap_or_else(|| ms(ask.now) - SPAN_MS);
    let end = ask.params.whole("endTime")?.unwrap_or(i64::MAX);
    let most = limit(ask, 100, 1_000)?;
    let rows = exchange.desks[ask.account].books.incomes.iter().enumerate();
    let rows = rows.filter(|(_, row)| {
        (symbol.is_none() || row.instrument == symbol)
            && kind.is_none_or(|kind| kind == row.kind)
            && (start..=end).contains(&ms(row.at))
    });
    let rows = rows.take(most).map(|(index, row)| rows::income(&exchange.board, row, index + 1));
    Ok(Data::Enveloped(rows.collect()))
}
