//! The fields that are promised of every kind of line, with the shape of their values.

use std::collections::BTreeSet;

use serde_json::Value;

use super::quarter_day;
use crate::runs::{Run, decimal, paper, text};

/// Kind, then its fields as `name:shape`. Shapes: `s` text, `d` exact decimal text, `i` whole number, `f`
/// number, `b` flag, `l` list, `o` object, `a|b|c` one of these texts; `?` after it: or null.
const LINES: &[(&str, &str)] = &[
    (
        "run_start",
        "run_id:s mode:paper|demo|live config_hash:s config_version:i seed:i \
         layout:inline|shared|dedicated instruments:l data:l",
    ),
    ("decision", "scan:i asset:s? action:enter|exit|hold|skip reason:s vel_div:f?"),
    (
        "order",
        "trade_id:s client_order_id:s venue_order_id:s? asset:s side:buy|sell \
         position_side:long|short type:market|limit tif:gtc|ioc|post_only qty:d price:d? \
         reduce_only:b \
         status:submitted|acked|rejected|canceled|expired|filled|partially_filled|unknown reason:s?",
    ),
    (
        "fill",
        "trade_id:s client_order_id:s venue_order_id:s fill_id:s asset:s side:buy|sell qty:d price:d \
         fee:d fee_source:estimated|settled is_maker:b role:entry|exit",
    ),
    ("slot", "slot_id:i trade_id:s from:s to:s event:s"),
    (
        "router",
        "event:suppress|working|immediate_fill|cancel|fill_after_ttl|entry_miss|requote|\
         requote_blocked|exit_market_fallback trade_id:s? reason:s?",
    ),
    (
        "trade_closed",
        "trade_id:s asset:s side:long|short qty:d entry_price:d exit_price:d gross_pnl:d fees:d \
         funding:d net_pnl:d close_reason:s held_ns:i",
    ),
    (
        "account",
        "capital:d equity:d? available:d? realized_pnl:d unrealized_pnl:d? fees_paid:d \
         funding_paid:d transfers:d adjustments:d open_positions:i reconcile:ok|warn|error delta:d? \
         frozen:b fee_ratio_taker:d fee_ratio_maker:d",
    ),
    ("entry_blocked", "asset:s reason:s"),
    ("settings", "version:i hash_before:s hash_after:s changes:l"),
    (
        "summary",
        "window_s:i closed_delta:i wins_delta:i losses_delta:i realized_delta:d total_closed:i \
         winrate_total:f? realized_total:d balance:d equity:d? open:i",
    ),
    ("gap", "stream:s"),
    ("halt", "reason:s"),
    ("resume", "reason:s"),
    ("error", "reason:s"),
    ("fee_settled", "trade_id:s client_order_id:s fill_id:s? asset:s estimated:d fee:d"),
    (
        "fee_ratio",
        "liquidity:maker|taker state:ok|warn|error ratio:d observed:d? taught:i refused:i",
    ),
    ("reanchor", "capital_before:d wallet:d delta:d reason:s"),
    ("reanchor_refused", "reason:s"),
    ("run_end", "reason:s run_id:s events:i wall:o"),
];

const SUMMARY: &str = "run_id:s events:i market_events:i market_events_by_kind:o rejected:o scans:i \
    decisions:i orders:i fills:i trades_closed:i wins:i losses:i gross_pnl:d fees:d funding:d \
    net_pnl:d starting_capital:d transfers:d adjustments:d ending_capital:d max_drawdown:d \
    fee_ratio_taker:d fee_ratio_maker:d conflated:i dropped:i gaps:i \
    journal_inputs:i output_hash:s wall_s:f events_per_s:i tick_to_order_ns:o";

fn has_shape(value: &Value, shape: &str) -> bool {
    let (shape, may_lack) = shape.strip_suffix('?').map_or((shape, false), |shape| (shape, true));
    if value.is_null() {
        return may_lack;
    }
    match shape {
        "s" => value.as_str().is_some_and(|text| !text.is_empty()),
        "d" => value.as_str().is_some_and(|text| decimal(text).is_some()),
        "i" => value.is_i64() || value.is_u64(),
        "f" => value.is_number(),
        "b" => value.is_boolean(),
        "l" => value.is_array(),
        "o" => value.is_object(),
        texts => value.as_str().is_some_and(|text| texts.split('|').any(|one| one == text)),
    }
}

#[track_caller]
fn check_fields(row: &Value, fields: &str) {
    for field in fields.split_whitespace() {
        let (name, shape) = field.split_once(':').expect("name:shape");
        let value = row.get(name).unwrap_or_else(|| panic!("{name} is missing in {row}"));
        assert!(has_shape(value, shape), "{name} is {value}, not {shape}, in {row}");
    }
}

/// Checks every line of the session; returns the kinds met.
#[track_caller]
fn check_run(run: &Run) -> BTreeSet<String> {
    let mut met = BTreeSet::new();
    for row in run.rows("session.jsonl") {
        let kind = text(&row, "kind");
        let (_, fields) =
            LINES.iter().find(|(known, _)| *known == kind).unwrap_or_else(|| panic!("{row}"));
        check_fields(&row, fields);
        met.insert(kind.to_owned());
    }
    check_fields(&run.summary(), SUMMARY);
    check_fields(&run.summary()["tick_to_order_ns"], "p50:i? p90:i? p99:i? p999:i? max:i? count:i");
    check_fields(
        &run.summary()["market_events_by_kind"],
        "quote:i trade:i depth:i mark:i bar:i snapshot:i",
    );
    met
}

#[test]
fn every_line_has_the_promised_fields() {
    let met = check_run(&quarter_day("1"));
    for kind in ["run_start", "decision", "order", "fill", "slot", "trade_closed", "account"] {
        assert!(met.contains(kind), "no {kind} in {met:?}");
    }
    assert!(met.contains("summary") && met.contains("run_end"), "{met:?}");
}

/// Guards that hold entries back: their lines and the rows of the funnel for them.
#[test]
fn a_refused_entry_is_told_with_its_reason() {
    let run = paper(&["--duration", "6h", "--set", "guard.quote_age_ns_max=0"]).ok();
    assert!(check_run(&run).contains("entry_blocked"));
    assert_eq!(run.summary()["orders"], 0);
    let rows = run.rows("session.jsonl");
    let blocked = rows.iter().filter(|row| text(row, "kind") == "entry_blocked");
    assert!(blocked.clone().all(|row| text(row, "reason") == "stale_price"));
    let planned = run.rows("trade_decisions.jsonl");
    assert_eq!(planned.len(), blocked.count());
    for row in planned {
        assert_eq!((text(&row, "decision"), text(&row, "reason")), ("skip", "stale_price"));
        assert_eq!(row["trade_id"], Value::Null);
    }
    run.replays();
}
