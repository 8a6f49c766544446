//! Recorded markets: each runs and replays, or is refused with the reason.

use pinion_tests::shared;

use super::books;
use crate::runs::{Run, count, paper};

/// Runs on a recorded set; `None` where this machine lacks it.
#[track_caller]
fn run_on(set: &str, more: &[&str]) -> Option<Run> {
    let path = shared(&format!("data/{set}"))?;
    let data = ["--data", path.to_str().expect("UTF-8")];
    Some(paper(&[&data[..], more].concat()))
}

#[test]
fn every_recorded_set_runs_and_replays() {
    for set in [
        "aster-3perps-20250924",
        "barter-spot3-20250325",
        "hyperliquid-4perps-20250904",
        "nexousdt-raw-20240723",
        "standx-btcusd-20260106",
        "binance-raw-20240808/coinm",
        "binance-raw-20240808/spot",
        "binance-raw-20240808/usdm",
        "multivenue-raw/binance_usdm_5sym_20210405.raw.zst",
    ] {
        let Some(run) = run_on(set, &[]) else { continue };
        let run = run.ok();
        books::check(&run);
        assert!(count(&run.summary(), "market_events") > 1_000, "{set}");
        run.replays();
    }
}

#[test]
fn trades_alone_are_traded_on() {
    let Some(run) = run_on("usdm-aggtrades-20260410", &["--duration", "12h"]) else { return };
    let run = run.ok();
    assert!(books::check(&run) > 0, "no round trip");
    run.replays();
}

#[test]
fn bars_are_traded_on_and_funding_is_booked() {
    let Some(run) = run_on("bars1m-perp16-202505", &["--duration", "7d"]) else { return };
    let run = run.ok();
    assert!(books::check(&run) > 0, "no round trip");
    assert!(count(&run.summary()["market_events_by_kind"], "mark") > 0);
    run.replays();
    let Some(run) = run_on("bars1m-spot48-202104", &["--duration", "1d"]) else { return };
    let run = run.ok();
    books::check(&run);
    run.replays();
}

#[test]
fn what_is_no_market_is_refused_with_the_reason() {
    for (set, reason) in [
        ("binance-raw-20240808", "expected one of them: coinm, spot, usdm"),
        ("multivenue-raw/BYBIT.jsonl.zst", "BYBIT.jsonl.zst, line 1: it begins with"),
        ("userdata-frames", "line 1: it begins with"),
    ] {
        let Some(run) = run_on(set, &[]) else { continue };
        assert_eq!(run.output.status.code(), Some(1), "{set}");
        assert!(run.stderr().contains(reason), "{}", run.stderr());
        assert!(!run.dir.exists(), "nothing was begun");
    }
}
