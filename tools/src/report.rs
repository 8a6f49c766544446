//! `report.html`: one self-contained page about a run, made from the run's own files.
//!
//! It reads `summary.json` and the minute, fill, close and settings lines of `session.jsonl`; it holds no
//! script and loads nothing, so it can be mailed or archived beside the run.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use serde_json::Value;

use crate::Failure;

/// Trades listed in full; the rest is counted.
const TRADES_LISTED: usize = 500;
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 260.0;
const MARGIN: f64 = 8.0;

/// What the page needs from the session log.
#[derive(Debug, Default)]
struct Session {
    /// (time ns, capital, equity) a minute.
    minutes: Vec<(i64, f64, f64)>,
    fills: Vec<Fill>,
    closed: Vec<Value>,
    closed_count: usize,
    settings: Vec<Value>,
    start: Value,
}

/// One of our fills.
#[derive(Debug)]
struct Fill {
    ts: i64,
    asset: String,
    role: String,
    side: String,
    price: f64,
    qty: f64,
}

/// Writes `report.html` into the run directory.
///
/// # Errors
/// When a file of the run cannot be read or the page cannot be written.
pub(crate) fn write(run_dir: &Path) -> Result<(), Failure> {
    let summary_path = run_dir.join("summary.json");
    let text = std::fs::read_to_string(&summary_path)
        .map_err(|error| Failure::error(format!("{}: {error}", summary_path.display())))?;
    let summary: Value = serde_json::from_str(&text)
        .map_err(|error| Failure::error(format!("{}: {error}", summary_path.display())))?;
    let session = read_session(&run_dir.join("session.jsonl"))?;
    let path = run_dir.join("report.html");
    std::fs::write(&path, page(&summary, &session))
        .map_err(|error| Failure::error(format!("{}: {error}", path.display())))
}

fn read_session(path: &Path) -> Result<Session, Failure> {
    let fault =
        |error: &dyn std::fmt::Display| Failure::error(format!("{}: {error}", path.display()));
    let mut lines = BufReader::new(File::open(path).map_err(|error| fault(&error))?);
    let mut session = Session::default();
    let mut line = String::new();
    loop {
        line.clear();
        if lines.read_line(&mut line).map_err(|error| fault(&error))? == 0 {
            return Ok(session);
        }
        // Most lines are decisions; parsing them all would take longer than the run.
        let wanted = ["summary", "fill", "trade_closed", "settings", "run_start"]
            .iter()
            .any(|kind| line.contains(&format!("\"kind\":\"{kind}\"")));
        if wanted {
            let value = serde_json::from_str(&line).map_err(|error| fault(&error))?;
            session.take(value);
        }
    }
}

impl Session {
    fn take(&mut self, line: Value) {
        let ts = line["ts_ns"].as_i64().unwrap_or_default();
        match line["kind"].as_str().unwrap_or_default() {
            "run_start" => self.start = line,
            "summary" => {
                let (balance, equity) = (number(&line["balance"]), number(&line["equity"]));
                if let Some(balance) = balance {
                    self.minutes.push((ts, balance, equity.unwrap_or(balance)));
                }
            }
            "fill" => {
                let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
                if let (Some(price), Some(qty)) = (number(&line["price"]), number(&line["qty"])) {
                    let (asset, role, side) = (text("asset"), text("role"), text("side"));
                    self.fills.push(Fill { ts, asset, role, side, price, qty });
                }
            }
            "trade_closed" => {
                self.closed_count += 1;
                if self.closed.len() < TRADES_LISTED {
                    self.closed.push(line);
                }
            }
            "settings" => self.settings.push(line),
            _ => {}
        }
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => escape(text),
        Value::Null => "–".to_owned(),
        other => escape(&other.to_string()),
    }
}

fn page(summary: &Value, session: &Session) -> String {
    let mut out = String::with_capacity(64 * 1024);
    let title = format!("Pinion run {}", shown(&summary["run_id"]));
    let mut put = |text: &str| out.push_str(text);
    put("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<title>");
    put(&title);
    put("</title>\n<style>\n");
    put(
        "body{font:14px/1.5 system-ui,sans-serif;max-width:1000px;margin:2rem auto;padding:0 1rem;",
    );
    put("color:#1a1d21}h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}");
    put("table{border-collapse:collapse;font-variant-numeric:tabular-nums}");
    put("td,th{padding:.15rem .6rem;text-align:right;border-bottom:1px solid #e3e6ea}");
    put("td:first-child,th:first-child{text-align:left}svg{border:1px solid #e3e6ea;width:100%}");
    put(".win{color:#0a7d36}.loss{color:#b3261e}.note{color:#5b636d}\n</style></head><body>\n<h1>");
    put(&title);
    put("</h1>\n");
    put(&facts(summary, session));
    put("<h2>Equity and capital</h2>\n");
    put(&equity_chart(&session.minutes));
    put("<h2>Positions</h2>\n");
    put(&position_chart(&session.fills));
    put("<h2>Fills on price</h2>\n");
    put(&fill_charts(&session.fills));
    put("<h2>Round trips</h2>\n");
    put(&trades(session));
    put("<h2>Latency, tick to order</h2>\n");
    put(&latency(&summary["tick_to_order_ns"]));
    put("<h2>Settings changes</h2>\n");
    put(&settings(&session.settings));
    put("</body></html>\n");
    out
}

fn facts(summary: &Value, session: &Session) -> String {
    let mut out = String::from("<table>\n");
    let start = |key: &str| shown(&session.start[key]);
    let mut row = |name: &str, value: String| {
        // Writing to a String cannot fail.
        let _written = writeln!(out, "<tr><td>{name}</td><td>{value}</td></tr>");
    };
    row("mode", start("mode"));
    let sources = session.start["data"].as_array().map(Vec::as_slice).unwrap_or_default();
    row("data", sources.iter().map(shown).collect::<Vec<_>>().join("<br>"));
    row("configuration", start("config_hash"));
    row("seed", start("seed"));
    for key in [
        "market_events",
        "scans",
        "decisions",
        "orders",
        "fills",
        "trades_closed",
        "wins",
        "losses",
        "gross_pnl",
        "fees",
        "funding",
        "net_pnl",
        "starting_capital",
        "ending_capital",
        "max_drawdown",
        "open_positions",
        "unrealized_pnl",
        "gaps",
        "conflated",
        "dropped",
    ] {
        row(&key.replace('_', " "), shown(&summary[key]));
    }
    out.push_str("</table>\n");
    out
}

/// Maps a value in `[low, high]` to `[from, to]`; the middle for an empty range.
fn scale(value: f64, low: f64, high: f64, from: f64, to: f64) -> f64 {
    if high > low { from + (value - low) / (high - low) * (to - from) } else { (from + to) / 2.0 }
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
}

#[expect(clippy::cast_precision_loss, reason = "positions on a picture")]
fn equity_chart(minutes: &[(i64, f64, f64)]) -> String {
    let (Some(first), Some(last)) = (minutes.first(), minutes.last()) else {
        return "<p class=\"note\">No minute was completed.</p>\n".to_owned();
    };
    let (low, high) = bounds(minutes.iter().flat_map(|(_, capital, equity)| [*capital, *equity]));
    let line = |pick: fn(&(i64, f64, f64)) -> f64| {
        let mut points = String::new();
        for minute in minutes {
            let x = scale(
                (minute.0 - first.0) as f64,
                0.0,
                (last.0 - first.0) as f64,
                MARGIN,
                WIDTH - MARGIN,
            );
            let y = scale(pick(minute), low, high, HEIGHT - MARGIN, MARGIN);
            let _written = write!(points, "{x:.1},{y:.1} ");
        }
        points
    };
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"equity and capital\">\
         <polyline fill=\"none\" stroke=\"#9aa4b0\" points=\"{}\"/>\
         <polyline fill=\"none\" stroke=\"#1f6feb\" stroke-width=\"1.5\" points=\"{}\"/></svg>\n\
         <p class=\"note\">equity (blue) and capital (grey), from {low:.2} to {high:.2}; one point a \
         minute</p>\n",
        line(|minute| minute.1),
        line(|minute| minute.2),
    )
}

/// The signed value of everything held, each asset at its latest fill price, as steps.
#[expect(clippy::cast_precision_loss, reason = "positions on a picture")]
fn position_chart(fills: &[Fill]) -> String {
    let (Some(first), Some(last)) = (fills.first(), fills.last()) else {
        return "<p class=\"note\">No position was taken.</p>\n".to_owned();
    };
    let mut held: std::collections::BTreeMap<&str, (f64, f64)> = std::collections::BTreeMap::new();
    let mut steps = vec![(first.ts, 0.0)];
    for fill in fills {
        let sign = if fill.side == "buy" { 1.0 } else { -1.0 };
        let (qty, price) = held.entry(&fill.asset).or_insert((0.0, 0.0));
        *qty += sign * fill.qty;
        *price = fill.price;
        let value = held.values().map(|(qty, price)| qty * price).sum::<f64>();
        let before = steps[steps.len() - 1].1;
        steps.extend([(fill.ts, before), (fill.ts, value)]);
    }
    let (low, high) = bounds(steps.iter().map(|step| step.1));
    let mut points = String::new();
    for (ts, value) in &steps {
        let x = scale(*ts as f64, first.ts as f64, last.ts as f64, MARGIN, WIDTH - MARGIN);
        let y = scale(*value, low, high, HEIGHT / 2.0 - MARGIN, MARGIN);
        let _written = write!(points, "{x:.1},{y:.1} ");
    }
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"positions\">\
         <polyline fill=\"none\" stroke=\"#8250df\" points=\"{points}\"/></svg>\n\
         <p class=\"note\">signed value of all positions at fill prices, from {low:.2} to {high:.2}</p>\n",
        HEIGHT / 2.0
    )
}

#[expect(clippy::cast_precision_loss, reason = "positions on a picture")]
fn fill_charts(fills: &[Fill]) -> String {
    let mut assets: Vec<&str> = fills.iter().map(|fill| fill.asset.as_str()).collect();
    assets.sort_unstable();
    assets.dedup();
    if assets.is_empty() {
        return "<p class=\"note\">No fills.</p>\n".to_owned();
    }
    let mut out = String::new();
    for asset in assets {
        let own: Vec<_> = fills.iter().filter(|fill| fill.asset == asset).collect();
        let (low, high) = bounds(own.iter().map(|fill| fill.price));
        let (first, last) = bounds(own.iter().map(|fill| fill.ts as f64));
        let _written = write!(
            out,
            "<h3>{}</h3>\n<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"fills\">",
            escape(asset),
            HEIGHT / 2.0
        );
        for Fill { ts, role, side, price, .. } in own {
            let x = scale(*ts as f64, first, last, MARGIN, WIDTH - MARGIN);
            let y = scale(*price, low, high, HEIGHT / 2.0 - MARGIN, MARGIN);
            let colour = if side == "buy" { "#0a7d36" } else { "#b3261e" };
            let fill = if role == "entry" { colour } else { "white" };
            let _written = write!(
                out,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" stroke=\"{colour}\" fill=\"{fill}\">\
                 <title>{role} {side} {price}</title></circle>"
            );
        }
        let _written = writeln!(out, "</svg>\n<p class=\"note\">{low} to {high}</p>");
    }
    out.push_str(
        "<p class=\"note\">green buys, red sells; full circles enter, open circles exit</p>\n",
    );
    out
}

fn trades(session: &Session) -> String {
    const COLUMNS: [&str; 10] = [
        "trade_id",
        "side",
        "qty",
        "entry_price",
        "exit_price",
        "gross_pnl",
        "fees",
        "funding",
        "net_pnl",
        "close_reason",
    ];
    if session.closed.is_empty() {
        return "<p class=\"note\">None was closed.</p>\n".to_owned();
    }
    let mut out = String::from("<table><tr>");
    for column in COLUMNS {
        let _written = write!(out, "<th>{}</th>", column.replace('_', " "));
    }
    out.push_str("</tr>\n");
    for trade in &session.closed {
        let won = number(&trade["net_pnl"]).is_some_and(|net| net > 0.0);
        let _written = write!(out, "<tr class=\"{}\">", if won { "win" } else { "loss" });
        for column in COLUMNS {
            let _written = write!(out, "<td>{}</td>", shown(&trade[column]));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table>\n");
    if session.closed_count > session.closed.len() {
        let more = session.closed_count - session.closed.len();
        let _written = writeln!(out, "<p class=\"note\">and {more} more in session.jsonl</p>");
    }
    out
}

fn latency(percentiles: &Value) -> String {
    let mut out = String::from("<table><tr><th></th><th>ns</th></tr>\n");
    for key in ["p50", "p90", "p99", "p999", "max", "count"] {
        let _written =
            writeln!(out, "<tr><td>{key}</td><td>{}</td></tr>", shown(&percentiles[key]));
    }
    out.push_str("</table>\n");
    out
}

fn settings(changes: &[Value]) -> String {
    if changes.is_empty() {
        return "<p class=\"note\">None: the settings of the start were in force all along.</p>\n"
            .to_owned();
    }
    let mut out = String::from("<table><tr><th>time</th><th>version</th><th>changes</th></tr>\n");
    for change in changes {
        let _written = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            shown(&change["ts"]),
            shown(&change["version"]),
            shown(&change["changes"])
        );
    }
    out.push_str("</table>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_shows_the_runs_figures_and_escapes_texts() {
        let summary = serde_json::json!({
            "run_id": "<run>", "net_pnl": "-1.5", "trades_closed": 1,
            "tick_to_order_ns": {"p50": 900, "count": 2},
        });
        let mut session = Session::default();
        session.take(serde_json::json!({
            "kind": "summary", "ts_ns": 60, "balance": "25000", "equity": "25001.5",
        }));
        session.take(serde_json::json!({
            "kind": "fill", "ts_ns": 5, "asset": "FETUSDT", "role": "entry", "side": "sell",
            "price": "0.1878", "qty": "100",
        }));
        session.take(serde_json::json!({
            "kind": "trade_closed", "trade_id": "FETUSDT-T-000000000001", "net_pnl": "-1.5",
        }));
        let page = page(&summary, &session);
        assert!(page.contains("Pinion run &lt;run&gt;"));
        assert!(page.contains("FETUSDT-T-000000000001"));
        assert!(page.contains("<tr class=\"loss\">"));
        assert!(page.contains("<td>900</td>"));
        assert!(page.contains("from -18.78 to 0.00"), "the position's value");
        assert!(!page.contains("<script") && !page.contains("http"));
    }

    #[test]
    fn an_empty_run_still_makes_a_page() {
        let page = page(&Value::Null, &Session::default());
        assert!(page.contains("No minute was completed") && page.contains("No fills"));
    }
}
