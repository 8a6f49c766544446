//! The lines for people.

use pinion_core::msg::record::{RouterEvent, SizeCap};
use serde_json::Value;

use super::reasons;
use super::{Chain, Trip};

/// Refused candidates that are told one by one.
const CANDIDATES_SHOWN: usize = 20;

/// The chain in words, one line each; a line that begins with blanks belongs to the one before.
pub(crate) fn tell(chain: &Chain) -> Vec<String> {
    let mut lines = Vec::new();
    match chain.scan {
        Some(scan) => about_scan(chain, scan, &mut lines),
        None => {
            lines.push("No scan began this round trip: the position was taken over.".to_owned())
        }
    }
    for trip in &chain.trips {
        lines.push(String::new());
        about_trip(chain, trip, &mut lines);
    }
    lines
}

fn about_scan(chain: &Chain, scan: u64, lines: &mut Vec<String>) {
    let first = chain.decisions.first().or_else(|| chain.candidates.first());
    let at = first.map_or(String::new(), |row| format!(" at {}", text(row, "ts")));
    let vel_div = first.and_then(|row| row["vel_div"].as_f64());
    lines.push(match vel_div {
        Some(value) => format!(
            "Scan {scan}{at}: the regime signal vel_div was {value:+.5}; an entry needs it below {} to go short, \
             above its negative to go long (policy.sides = {}).",
            setting(chain, "policy.vel_div_threshold"),
            setting(chain, "policy.sides")
        ),
        None => format!("Scan {scan}{at}: the regime signal vel_div had no value."),
    });
    candidates(chain, lines);
    for plan in &chain.plans {
        lines.push(plan_line(chain, plan));
    }
    for decision in &chain.decisions {
        let why = because(chain, text(decision, "reason"));
        let asset = decision["asset"].as_str().map_or(String::new(), |asset| format!(" {asset}"));
        lines.push(match text(decision, "action") {
            "enter" => format!("Decided: enter{asset}, because {why}."),
            action => format!("Decided: {action}{asset}, because {why}."),
        });
        if let Some(sizing) = decision["sizing"].as_object() {
            size(chain, &Value::Object(sizing.clone()), lines);
        }
    }
}

fn candidates(chain: &Chain, lines: &mut Vec<String>) {
    let entered = |stage: &&Value| stage["decision_stage"] != "quality_gate";
    let ranked: Vec<&Value> = chain.candidates.iter().filter(entered).collect();
    if ranked.is_empty() {
        lines.push("No candidate went into the funnel.".to_owned());
        return;
    }
    let passed = ranked.iter().filter(|row| row["decision_stage"] == "post_filters").count();
    lines.push(format!(
        "{} assets were ranked, {passed} went through the funnel's first filters:",
        ranked.len()
    ));
    for row in ranked.iter().take(CANDIDATES_SHOWN) {
        let why = match text(row, "reason") {
            "" => "passed".to_owned(),
            reason => {
                format!("refused ({} filter): {}", text(row, "block"), because(chain, reason))
            }
        };
        lines.push(format!(
            "  {}. {} {}, score {:.1} (ars {:.4}), tier {}, lane {}: {why}",
            row["place"].as_u64().unwrap_or_default() + 1,
            text(row, "symbol"),
            text(row, "side"),
            float(row, "score"),
            float(row, "ars"),
            text(row, "entry_tier"),
            text(row, "lane"),
        ));
    }
    if ranked.len() > CANDIDATES_SHOWN {
        lines.push(format!("  and {} more", ranked.len() - CANDIDATES_SHOWN));
    }
    let gated = chain.candidates.iter().filter(|row| row["decision_stage"] == "quality_gate");
    for row in gated {
        let symbol = text(row, "symbol");
        lines.push(match text(row, "reason") {
            "" => format!("{symbol} passed the quality gate."),
            reason => {
                format!("{symbol} was stopped at the quality gate: {}.", because(chain, reason))
            }
        });
    }
}

fn plan_line(chain: &Chain, plan: &Value) -> String {
    let (symbol, side) = (text(plan, "symbol"), text(plan, "side"));
    let size =
        plan["position_size_usd"].as_str().map_or(String::new(), |size| format!(" for {size}"));
    let edge = plan["expected_edge_percent"].as_f64().map_or(String::new(), |edge| {
        format!("; expected edge {edge:+.4} % after fees, spread and funding")
    });
    match text(plan, "decision") {
        "ok" => {
            format!("Planned: {symbol} {side}{size}{edge}; sent as {}.", text(plan, "trade_id"))
        }
        _ => format!(
            "Given up: {symbol} {side}{size}{edge}: {}.",
            because(chain, text(plan, "reason"))
        ),
    }
}

/// The factors in their order, and what came of them.
fn size(chain: &Chain, sizing: &Value, lines: &mut Vec<String>) {
    lines.push(format!(
        "  Size: signal strength {:.4} gives leverage {:.4}; times {:.3} (record of this strength), {:.3} \
         (losing streak), {:.3} (regime), {:.3} (order book), {:.3} (calendar), {:.3} (the asset's record)",
        float(sizing, "strength"),
        float(sizing, "leverage"),
        float(sizing, "bucket"),
        float(sizing, "streak"),
        float(sizing, "regime"),
        float(sizing, "ob"),
        float(sizing, "esof"),
        float(sizing, "memory"),
    ));
    let cap = match text(sizing, "cap") {
        "none" => "no cap held it".to_owned(),
        cap => match SizeCap::from_text(cap).map(reasons::cap) {
            Some((words, keys)) => format!("held by the cap {cap}: {words}{}", values(chain, keys)),
            None => format!("held by the cap {cap}"),
        },
    };
    lines.push(format!(
        "  = {:.4} of {} of the capital of {}, {cap}: quantity {}.",
        float(sizing, "applied"),
        setting(chain, "policy.size_fraction"),
        text(sizing, "capital"),
        text(sizing, "qty"),
    ));
}

fn about_trip(chain: &Chain, trip: &Trip, lines: &mut Vec<String>) {
    let name = trip.trades.first().map_or("", String::as_str);
    lines.push(format!("Round trip {name}:"));
    let start = trip.steps.first().and_then(|step| step["ts_ns"].as_i64()).unwrap_or_default();
    for step in &trip.steps {
        let Some(told) = step_line(chain, step) else { continue };
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let after = (step["ts_ns"].as_i64().unwrap_or(start) - start) as f64 / 1e9;
        lines.push(format!("  +{after:.3} s  {told}"));
    }
    let has = |kind: &str| trip.steps.iter().any(|step| step["kind"] == kind);
    if !has("trade_closed") {
        let end = if has("fill") || has("adopted") {
            "It was open at the end of these files."
        } else {
            "Nothing of it filled."
        };
        lines.push(format!("  {end}"));
    }
}

/// A step in words; `None` for one that the others say already.
pub(crate) fn step_line(chain: &Chain, step: &Value) -> Option<String> {
    match text(step, "kind") {
        "decision" => Some(format!("Decided to leave{}", why(chain, step))),
        "order" => order_line(chain, step),
        "fill" => Some(format!(
            "Filled {} at {} ({}), fee {}",
            text(step, "qty"),
            text(step, "price"),
            if step["is_maker"] == true { "made" } else { "took" },
            text(step, "fee"),
        )),
        "router" => {
            let (words, keys) = RouterEvent::from_text(text(step, "event")).map(reasons::router)?;
            Some(format!("Router: {words}{}{}", values(chain, keys), why(chain, step)))
        }
        "adopted" => Some(format!(
            "Taken over from the venue: {} {} at {}",
            text(step, "side"),
            text(step, "qty"),
            text(step, "entry_price")
        )),
        "trade_closed" => Some(closed_line(chain, step)),
        // Slots move with the orders and fills beside them.
        _ => None,
    }
}

fn order_line(chain: &Chain, step: &Value) -> Option<String> {
    let what = if step["reduce_only"] == true { "exit" } else { "entry" };
    let (side, qty) = (text(step, "side"), text(step, "qty"));
    let why = why(chain, step);
    match text(step, "status") {
        "submitted" => {
            let price = match (step["price"].as_str(), text(step, "tif")) {
                (Some(price), "post_only") => format!("resting at {price}, never taking"),
                (Some(price), _) => format!("limit {price}"),
                (None, _) => "by market".to_owned(),
            };
            let mid =
                step["mid"].as_str().map_or(String::new(), |mid| format!(", the middle at {mid}"));
            Some(format!("Sent the {what}: {side} {qty} {price}{mid}{why}"))
        }
        "acked" => Some(format!("The venue has the {what}")),
        "filled" => Some(format!("The {what} is filled")),
        "rejected" => Some(format!("The {what} was refused{why}")),
        "canceled" => Some(format!("The {what} ended, cancelled{why}")),
        "expired" => Some(format!("The {what} ended, expired{why}")),
        "unknown" => Some(format!("What became of the {what} was not known; it was looked up")),
        _ => None,
    }
}

fn closed_line(chain: &Chain, step: &Value) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let held = step["held_ns"].as_i64().map(|held| held as f64 / 1e9);
    let held = held.map_or(String::new(), |held| format!(" after {held:.3} s"));
    format!(
        "Closed{held}, because {}: in at {}, out at {}; gross {} - fees {} - funding {} = net {}",
        because(chain, text(step, "close_reason")),
        text(step, "entry_price"),
        text(step, "exit_price"),
        text(step, "gross_pnl"),
        text(step, "fees"),
        text(step, "funding"),
        text(step, "net_pnl"),
    )
}

/// What a line says of its reason, as the end of a sentence; nothing when it gives none.
fn why(chain: &Chain, step: &Value) -> String {
    match text(step, "reason") {
        "" => String::new(),
        reason if reasons::reason(reason).is_some() => {
            format!(", because {}", because(chain, reason))
        }
        reason => format!(": {reason}"),
    }
}

/// A reason in words with the settings behind it; the text itself when it is of no enum.
fn because(chain: &Chain, reason: &str) -> String {
    match reasons::reason(reason) {
        Some((words, keys)) => format!("{words}{}", values(chain, keys)),
        None => reason.to_owned(),
    }
}

/// The values of settings as they were at the start.
fn values(chain: &Chain, keys: &[&str]) -> String {
    if keys.is_empty() {
        return String::new();
    }
    let values: Vec<String> =
        keys.iter().map(|key| format!("{key} = {}", setting(chain, key))).collect();
    format!(" ({})", values.join(", "))
}

fn setting<'a>(chain: &'a Chain, key: &str) -> &'a str {
    chain.settings.get(key).map_or("not said", String::as_str)
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_default()
}

fn float(row: &Value, key: &str) -> f64 {
    row[key].as_f64().unwrap_or(f64::NAN)
}
