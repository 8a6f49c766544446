use super::*;
use crate::journal::samples;
use serde_json::{Value, json};

/// Kind and the fields that must be there, in the order of [`samples::records`].
const PROMISED: &[(&str, &str)] = &[
    ("decision", "scan asset action reason vel_div sizing"),
    (
        "",
        "schema_version ts timestamp ts_ns run_tag decision_stage decision reason block symbol \
         candidate_id score entry_tier entry_channel lane side vel_div ars family adv_bucket \
         volume_5m_usd depth_usd",
    ),
    (
        "order",
        "trade_id client_order_id venue_order_id asset side position_side type tif qty price \
         reduce_only status reason",
    ),
    ("slot", "slot_id trade_id from to event"),
    (
        "fill",
        "trade_id client_order_id venue_order_id fill_id asset side qty price fee fee_source is_maker \
         role",
    ),
    (
        "account",
        "capital equity available realized_pnl unrealized_pnl fees_paid funding_paid transfers adjustments \
         open_positions reconcile delta frozen fee_ratio_taker fee_ratio_maker",
    ),
    ("router", "event trade_id reason"),
    (
        "trade_closed",
        "trade_id asset side qty entry_price exit_price gross_pnl fees funding net_pnl close_reason \
         held_ns",
    ),
    (
        "",
        "schema_version ts ts_ns run_tag decision_stage decision reason block symbol candidate_id score \
         entry_tier entry_channel lane side position_size_usd expected_edge_percent expected_edge_usd \
         max_hold_seconds pnl_percent pnl_usd",
    ),
    ("entry_blocked", "asset reason"),
    (
        "summary",
        "window_s closed_delta wins_delta losses_delta realized_delta total_closed winrate_total \
         realized_total balance equity open",
    ),
    ("gap", "stream"),
    ("halt", "reason"),
    ("resume", "reason"),
    ("error", "reason"),
    ("settings", "version hash_before hash_after changes"),
    ("fee_settled", "trade_id client_order_id fill_id asset estimated fee"),
    ("fill_priced", "trade_id client_order_id fill_id asset qty price estimated notional"),
    ("adopted", "slot_id trade_id asset side qty entry_price entry_price_source"),
    ("fee_ratio", "liquidity state ratio observed taught refused"),
    ("reanchor", "capital_before wallet delta reason"),
    ("reanchor_refused", "reason"),
];

fn rendered() -> Vec<(LineFileId, Value, String)> {
    let mut renderer = Renderer::new(samples::header());
    renderer.announce(samples::settings_version());
    let ts_ns = Nanos::new(1_723_075_261_000_000_002);
    samples::records()
        .into_iter()
        .map(|record| {
            let (file, line) = renderer.record(&RecordMsg { ts_ns, record });
            let text = String::from_utf8(line.to_vec()).expect("utf-8");
            assert!(text.ends_with("}\n"), "{text}");
            (file, serde_json::from_str(&text).expect("one JSON object a line"), text)
        })
        .collect()
}

#[test]
fn every_record_has_its_promised_fields() {
    let lines = rendered();
    assert_eq!(lines.len(), PROMISED.len());
    let mut seq = 0;
    for ((file, value, text), (kind, fields)) in lines.iter().zip(PROMISED) {
        for field in fields.split_whitespace() {
            assert!(value.get(field).is_some(), "{field} is missing in {text}");
        }
        if kind.is_empty() {
            assert_ne!(*file, LineFileId::Session);
            continue;
        }
        seq += 1;
        assert_eq!(*file, LineFileId::Session);
        assert_eq!(value["kind"], *kind);
        assert_eq!(value["seq"], seq);
        assert_eq!(value["ts"], "2024-08-08T00:01:01.000000002Z");
        assert_eq!(value["ts_ns"], 1_723_075_261_000_000_002i64);
    }
}

#[test]
fn values_are_exact_and_missing_is_null() {
    let lines = rendered();
    let value = |index: usize| &lines[index].1;
    assert_eq!(value(2)["venue_order_id"], Value::Null);
    assert_eq!(value(2)["price"], Value::Null);
    assert_eq!(value(2)["client_order_id"], "p-66b5594f-1a");
    assert_eq!(value(2)["type"], "market");
    assert_eq!(value(4)["trade_id"], "FETUSDT-T-000000000007");
    assert_eq!(value(4)["fee"], "2.44", "positive is a cost");
    assert_eq!(value(4)["qty"], "26007");
    assert_eq!(value(5)["funding_paid"], "-0.04");
    assert_eq!(value(5)["available"], Value::Null);
    assert_eq!(value(10)["winrate_total"], json!(100.0 / 3.0));
    assert_eq!(value(11)["stream"], "FETUSDT");
    assert_eq!(value(15)["changes"][0]["writer"], "tuner");
    assert_eq!(value(15)["hash_after"], "0f06741f1d083eda");
}

#[test]
fn funnel_rows_name_their_schema_and_candidate() {
    let lines = rendered();
    let (candidate, trade) = (&lines[1].1, &lines[8].1);
    assert_eq!(lines[1].0, LineFileId::Candidates);
    assert_eq!(candidate["schema_version"], "pinion.candidate_decision.v1");
    assert_eq!(candidate["candidate_id"], "311:FETUSDT:short");
    assert_eq!(candidate["reason"], "noise_high");
    assert_eq!(candidate["entry_channel"], "regime");
    assert_eq!(candidate["run_tag"], "sample");
    assert_eq!(lines[8].0, LineFileId::TradeDecisions);
    assert_eq!(trade["schema_version"], "pinion.trade_decision.v1");
    assert_eq!(trade["candidate_id"], "311:FETUSDT:short");
    assert_eq!(trade["max_hold_seconds"], 1250.0);
    assert_eq!(trade["position_size_usd"], "4884.1146");
    assert_eq!(trade["expected_edge_percent"], 0.31);
    let edge_usd = trade["expected_edge_usd"].as_f64().expect("a number");
    assert!((edge_usd - 15.140_755_26).abs() < 1e-9, "{edge_usd}");
    assert_eq!((&candidate["block"], &trade["block"]), (&json!("raw"), &json!("exec")));
    assert_eq!((&candidate["lane"], &trade["entry_tier"]), (&json!("momentum"), &json!("A")));
    assert_eq!((&candidate["adv_bucket"], &candidate["depth_usd"]), (&json!("mid"), &Value::Null));
}

#[test]
fn new_settings_reach_the_rows_after_them() {
    let mut renderer = Renderer::new(samples::header());
    renderer.announce(samples::settings_version());
    let ts_ns = Nanos::ZERO;
    let rows = samples::records();
    renderer.record(&RecordMsg { ts_ns, record: rows[15] });
    let (_, line) = renderer.record(&RecordMsg { ts_ns, record: rows[8] });
    let value: Value = serde_json::from_slice(line).expect("parses");
    assert_eq!(value["max_hold_seconds"], 1200.0);
}

#[test]
fn a_version_nobody_announced_is_null_and_not_guessed() {
    let mut renderer = Renderer::new(samples::header());
    let record = Record::Settings { version: 9 };
    let (_, line) = renderer.record(&RecordMsg { ts_ns: Nanos::ZERO, record });
    let value: Value = serde_json::from_slice(line).expect("parses");
    assert_eq!((&value["hash_after"], &value["changes"]), (&Value::Null, &json!([])));
}

#[test]
fn start_and_end_frame_the_session_and_stay_out_of_the_hash() {
    let run = |run_id: &str, elapsed_ns| {
        let mut renderer = Renderer::new(RunHeader { run_id: run_id.into(), ..samples::header() });
        let start: Value = serde_json::from_slice(renderer.run_start()).expect("parses");
        for record in samples::records() {
            renderer.record(&RecordMsg { ts_ns: Nanos::ZERO, record });
        }
        let mut summary = renderer.summary(RunEnd::default(), 3);
        summary.wall.elapsed_ns = elapsed_ns;
        let end: Value = serde_json::from_slice(renderer.run_end(&summary)).expect("parses");
        (start, end, summary.output_hash)
    };
    let (start, end, hash) = run("a", 1_000_000);
    for key in "run_id mode config_hash config_version seed layout instruments data".split(' ') {
        assert!(start.get(key).is_some(), "{key} is missing in {start}");
    }
    assert_eq!((&start["kind"], &start["seq"]), (&json!("run_start"), &json!(1)));
    assert_eq!(start["instruments"], json!(["BTCUSDT", "FETUSDT"]));
    // Two of the records are rows of other files; start and end are lines of their own.
    let lines = samples::records().len();
    assert_eq!((&end["kind"], &end["seq"]), (&json!("run_end"), &json!(lines)));
    for key in "reason events orders fills net_pnl ending_capital output_hash".split(' ') {
        assert!(end.get(key).is_some(), "{key} is missing in {end}");
    }
    assert_eq!(end["wall"]["wall_s"], 0.001);
    assert_eq!(hash.len(), 16);
    assert_eq!(run("b", 5).2, hash);
}

#[test]
fn the_hash_sees_every_record() {
    let hash = |records: &[Record]| {
        let mut renderer = Renderer::new(samples::header());
        for record in records {
            renderer.record(&RecordMsg { ts_ns: Nanos::ZERO, record: *record });
        }
        renderer.summary(RunEnd::default(), 0).output_hash
    };
    let all = samples::records();
    for left_out in 0..all.len() {
        let mut fewer = all.clone();
        fewer.remove(left_out);
        assert_ne!(hash(&fewer), hash(&all), "record {left_out}");
    }
}
