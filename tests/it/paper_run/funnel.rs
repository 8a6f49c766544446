//! The decision funnel: its rows refer to scans, candidates and round trips that exist.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::quarter_day;
use crate::runs::{Run, count, decimal, text};

fn of_kind<'a>(rows: &'a [Value], kind: &str) -> impl Iterator<Item = &'a Value> {
    rows.iter().filter(move |row| text(row, "kind") == kind)
}

fn check_common(row: &Value, scans: &BTreeMap<u64, f64>, schema: &str) {
    assert_eq!(text(row, "schema_version"), schema, "{row}");
    assert!(scans.contains_key(&count(row, "scan")), "no such scan: {row}");
    assert!(row["score"].is_number(), "{row}");
    assert_eq!(row["ts"], row["timestamp"], "{row}");
    let (scan, symbol, side) = (count(row, "scan"), text(row, "symbol"), text(row, "side"));
    assert_eq!(text(row, "candidate_id"), format!("{scan}:{symbol}:{side}"), "{row}");
}

/// Scan numbers and the signal that the policy saw then; without a signal nothing is ranked.
fn scans(session: &[Value], summary: &Value) -> BTreeMap<u64, f64> {
    let numbers: BTreeSet<u64> =
        of_kind(session, "decision").map(|row| count(row, "scan")).collect();
    assert!(numbers.iter().copied().eq(1..=count(summary, "scans")), "a decision for every scan");
    of_kind(session, "decision")
        .filter_map(|row| Some((count(row, "scan"), row["vel_div"].as_f64()?)))
        .collect()
}

fn check(run: &Run) {
    let (session, summary) = (run.rows("session.jsonl"), run.summary());
    let scans = scans(&session, &summary);
    let mut passed = BTreeSet::new();
    let (mut sifted, mut looked_at) = (Vec::new(), Vec::new());
    for row in run.rows("candidates.jsonl") {
        check_common(&row, &scans, "pinion.candidate_decision.v1");
        assert_eq!(row["vel_div"].as_f64(), scans.get(&count(&row, "scan")).copied(), "{row}");
        let (stage, decision) = (text(&row, "decision_stage"), text(&row, "decision"));
        let known = [
            ("filter_fail", "skip"),
            ("post_filters", "candidate_pass"),
            ("quality_gate", "pass"),
            ("quality_gate", "skip"),
        ];
        assert!(known.contains(&(stage, decision)), "{row}");
        assert_eq!(row["reason"].is_string(), decision == "skip", "{row}");
        match stage {
            "post_filters" => sifted.push(text(&row, "candidate_id").to_owned()),
            "quality_gate" => looked_at.push(text(&row, "candidate_id").to_owned()),
            _ => {}
        }
        if (stage, decision) == ("quality_gate", "pass") {
            passed.insert(text(&row, "candidate_id").to_owned());
        }
    }
    sifted.sort_unstable();
    looked_at.sort_unstable();
    assert_eq!(sifted, looked_at, "what passes the filters has one row that says how it went on");
    let orders: BTreeSet<&str> =
        of_kind(&session, "order").map(|row| text(row, "trade_id")).collect();
    let mut stages: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for row in run.rows("trade_decisions.jsonl") {
        check_common(&row, &scans, "pinion.trade_decision.v1");
        assert!(passed.contains(text(&row, "candidate_id")), "it passed the gate: {row}");
        assert!(orders.contains(text(&row, "trade_id")), "no such trade: {row}");
        stages.entry(text(&row, "trade_id").to_owned()).or_default().push(row);
    }
    assert_eq!(stages.keys().map(String::as_str).collect::<BTreeSet<_>>(), orders);
    let closed: BTreeMap<&str, &Value> =
        of_kind(&session, "trade_closed").map(|row| (text(row, "trade_id"), row)).collect();
    assert!(!closed.is_empty());
    for (trade, closed) in closed {
        let rows = &stages[trade];
        let names: Vec<&str> = rows.iter().map(|row| text(row, "decision_stage")).collect();
        assert_eq!(names, ["plan_trade", "trade_open", "trade_close"], "{trade}");
        let close = &rows[2];
        assert_eq!(close["pnl_usd"], closed["net_pnl"], "{close}");
        assert_eq!(close["reason"], closed["close_reason"], "{close}");
        assert!(decimal(text(close, "position_size_usd")).is_some_and(|size| size > 0), "{close}");
        assert!(close["pnl_percent"].is_number(), "{close}");
        let entered = of_kind(&session, "decision")
            .find(|row| row["action"] == "enter" && row["scan"] == close["scan"]);
        assert_eq!(entered.expect("its decision")["asset"], close["symbol"], "{close}");
    }
}

#[test]
fn rows_of_the_funnel_refer_to_what_exists() {
    check(&quarter_day("1"));
    check(&quarter_day("3"));
}
