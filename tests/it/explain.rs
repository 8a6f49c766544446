//! `pinion explain`: every number of a round trip and of a scan, in words and as rows.

use serde_json::Value;

use crate::runs::{command, paper, text};

fn explain(run: &crate::runs::Run, args: &[&str]) -> std::process::Output {
    let dir = run.dir.to_str().expect("UTF-8");
    command(["explain", dir].iter().chain(args))
}

fn told(run: &crate::runs::Run, args: &[&str]) -> String {
    let output = explain(run, args);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn a_round_trip_is_told_from_its_scan_to_its_close_with_every_number() {
    let run = paper(&["--duration", "6h", "--set", "router.style=maker"]).ok();
    let session = run.rows("session.jsonl");
    let closed = session.iter().find(|row| text(row, "kind") == "trade_closed").expect("a close");
    let trade = text(closed, "trade_id");
    let plans = run.rows("trade_decisions.jsonl");
    let is_plan =
        |row: &&Value| text(row, "decision_stage") == "plan_trade" && row["trade_id"] == trade;
    let plan = plans.iter().find(is_plan).expect("planned");
    let words = told(&run, &["--trade", trade]);
    for key in ["entry_price", "exit_price", "gross_pnl", "fees", "funding", "net_pnl"] {
        assert!(words.contains(text(closed, key)), "{key} in:\n{words}");
    }
    assert!(words.starts_with(&format!("Scan {} at ", plan["scan"])), "{words}");
    assert!(words.contains(text(plan, "position_size_usd")), "{words}");
    let fills =
        session.iter().filter(|row| text(row, "kind") == "fill" && row["trade_id"] == trade);
    for fill in fills {
        let line = format!("Filled {} at {} (", text(fill, "qty"), text(fill, "price"));
        assert!(words.contains(&line), "{line} in:\n{words}");
    }
    for word in ["Decided: enter", "Decided to leave", "policy.vel_div_threshold", "Router: "] {
        assert!(words.contains(word), "{word} in:\n{words}");
    }
    // Its number alone names it as well.
    let number = trade.rsplit('-').next().expect("a number").trim_start_matches('0');
    assert_eq!(told(&run, &["--trade", number]), words);

    let scan = plan["scan"].to_string();
    assert_eq!(told(&run, &["--scan", &scan]), words, "one round trip began at the scan");
    let rows: Value =
        serde_json::from_str(&told(&run, &["--scan", &scan, "--json"])).expect("JSON");
    assert_eq!(rows["scan"], plan["scan"]);
    assert_eq!(rows["trades"][0]["trade_ids"][0], trade);
    let steps = rows["trades"][0]["steps"].as_array().expect("steps");
    assert!(steps.contains(closed), "{steps:?}");
    let candidates = run.rows("candidates.jsonl");
    let of_scan = candidates.iter().filter(|row| row["scan"] == plan["scan"]);
    assert_eq!(rows["candidates"].as_array().expect("candidates").len(), of_scan.count());
}

#[test]
fn a_scan_that_entered_nothing_says_why_and_one_that_never_was_is_told() {
    let run = paper(&["--duration", "1h"]).ok();
    let first = told(&run, &["--scan", "1"]);
    assert!(first.contains("Decided: hold, because the regime signal had no value"), "{first}");
    for args in [&["--scan", "999999"][..], &["--trade", "NO-T-000000000001"], &[]] {
        let output = explain(&run, args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{args:?}");
    }
    // A line that is broken, whatever it said, is told and not passed over.
    let file = run.dir.join("session.jsonl");
    let session = std::fs::read_to_string(&file).expect("readable");
    let broken = session.replacen("\"kind\":\"decision\"", "\"kind\":\"deci", 1);
    std::fs::write(&file, broken).expect("written");
    let line = 1 + session.lines().position(|row| row.contains("\"decision\"")).expect("one");
    let output = explain(&run, &["--scan", "700"]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains(&format!("session.jsonl, line {line}: ")), "{told}");
}
