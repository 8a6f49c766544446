//! Maker orders against the paper venue: whole runs, judged from their files.

use std::collections::{BTreeMap, BTreeSet};

use pinion_tests::shared;
use serde_json::Value;

use crate::paper_run::books;
use crate::runs::{Run, count, paper, text};

/// Maker, with everything that can follow a miss.
const MAKER: [&str; 12] = [
    "--set",
    "router.style=maker",
    "--set",
    "router.entry_miss=retry",
    "--set",
    "router.retry_exhaust=market",
    "--set",
    // Names of the systems that a setting comes from work as well.
    "tail_age_ms=700",
    "--set",
    "min_interval_ms=60",
    "--set",
    "replace_rate_per_min=90",
];

/// The lines of the router by what they say.
fn events(run: &Run) -> BTreeMap<String, usize> {
    let mut events = BTreeMap::new();
    for row in run.rows("session.jsonl") {
        if text(&row, "kind") == "router" {
            *events.entry(text(&row, "event").to_owned()).or_default() += 1;
        }
    }
    events
}

/// What must hold of every order of a maker run; the fills that made, and all.
fn check_orders(run: &Run) -> (usize, usize) {
    let rows = run.rows("session.jsonl");
    let quotes: BTreeSet<&str> = rows
        .iter()
        .filter(|row| text(row, "kind") == "order" && text(row, "status") == "submitted")
        .filter(|row| text(row, "type") == "limit")
        .inspect(|row| assert_eq!(text(row, "tif"), "post_only", "{row}"))
        .map(|row| text(row, "client_order_id"))
        .collect();
    let fills: Vec<&Value> = rows.iter().filter(|row| text(row, "kind") == "fill").collect();
    let made = fills.iter().filter(|row| row["is_maker"] == true).count();
    for fill in &fills {
        let is_quote = quotes.contains(text(fill, "client_order_id"));
        assert_eq!(fill["is_maker"] == true, is_quote, "a post-only order makes: {fill}");
    }
    (made, fills.len())
}

#[test]
fn a_maker_run_keeps_its_books_and_replays() {
    let day = ["--duration", "12h", "--set", "signal.scan_ns=1000000000"];
    let run = paper(&[&day[..], &MAKER].concat()).ok();
    assert!(books::check(&run) > 0, "no round trip");
    let (made, fills) = check_orders(&run);
    assert!(0 < made && made <= fills, "{made} of {fills}");
    let events = events(&run);
    for event in ["working", "cancel", "entry_miss", "requote"] {
        assert!(events.contains_key(event), "{event}: {events:?}");
    }
    run.replays();
}

#[test]
fn the_taker_style_says_nothing() {
    let run = paper(&["--duration", "6h"]).ok();
    assert_eq!(events(&run), BTreeMap::new());
}

/// Recordings of minutes, scanned often enough for the longest window to fill.
#[test]
fn short_recordings_are_traded_in_both_styles() {
    for (set, profile) in [
        ("data/hyperliquid-4perps-20250904", "short"),
        ("data/hyperliquid-4perps-20250904", "very-short"),
        ("data/binance-raw-20240808/usdm", "very-short"),
    ] {
        let Some(path) = shared(set) else { continue };
        let path = path.to_str().expect("UTF-8");
        let short = ["--data", path, "--profile", profile];
        for style in [&[][..], &MAKER] {
            let run = paper(&[&short[..], style].concat()).ok();
            assert!(books::check(&run) > 0, "{set}: no round trip");
            let (made, _) = check_orders(&run);
            assert_eq!(made > 0, !style.is_empty(), "{set}");
            check_figures(&run);
            run.replays();
        }
    }
}

/// The figures of the orders are those of the lines.
fn check_figures(run: &Run) {
    let (summary, rows) = (run.summary(), run.rows("session.jsonl"));
    let figures = &summary["execution"];
    let orders = |status: &str, is_exit: bool| {
        let of = |row: &&Value| text(row, "kind") == "order" && text(row, "status") == status;
        rows.iter().filter(of).filter(|row| row["reduce_only"] == is_exit).count() as u64
    };
    for (name, is_exit) in [("entries", false), ("exits", true)] {
        let side = &figures[name];
        assert_eq!(count(side, "orders"), orders("submitted", is_exit), "{name}");
        assert_eq!(count(side, "rejected"), orders("rejected", is_exit), "{name}");
        for end in ["canceled", "expired"] {
            assert_eq!(count(side, end), orders(end, is_exit), "{name}: {end}");
        }
        let rate = side["fill_rate"].as_f64().expect("orders left");
        assert!((0.0..=1.0).contains(&rate), "{name}: {rate}");
        assert!(side["slippage_bps"].as_f64().is_some_and(f64::is_finite), "{side}");
    }
    let fills = count(figures, "maker_fills") + count(figures, "taker_fills");
    assert_eq!(fills, count(&summary, "fills"));
}

/// Following the market faster than the entry cap of a minute lets it would end in a stop of all entries.
#[test]
fn a_pace_that_the_cap_cannot_hold_is_refused() {
    let run = paper(&["--set", "router.style=maker", "--set", "router.tail_age_ms=400"]);
    assert_eq!(run.output.status.code(), Some(4));
    let told = run.stderr();
    for part in ["router.replace_rate_per_min is 300", "cap.orders_per_minute_max", "it is 100"] {
        assert!(told.contains(part), "{part} in {told}");
    }
}
