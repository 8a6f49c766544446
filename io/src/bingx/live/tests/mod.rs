//! The stages of a live run against a scripted venue on real sockets.

mod egress;
mod ingest;
mod venue;

use std::time::{Duration, Instant};

use pinion_core::units::Nanos;

use super::*;
use crate::bingx::words::PositionMode;
use crate::clock::{Stopwatch, TurnClock};
use venue::{Reply, Venue};

/// Far beyond anything that this machine takes; only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(30);

/// The venue's time and ours are the same here.
struct Clock {
    stopwatch: Stopwatch,
    clock: TurnClock,
}

impl Clock {
    fn new() -> Self {
        let stopwatch = Stopwatch::calibrated();
        Self { clock: TurnClock::utc(&stopwatch), stopwatch }
    }

    fn now(&self) -> Nanos {
        self.clock.at(self.stopwatch.read_ns())
    }
}

/// Calls `step` until it gives something.
fn until<T>(what: &str, mut step: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = step() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

#[test]
fn an_account_as_configured_is_ready() {
    let venue = Venue::start();
    let ready = startup(&venue.plan()).expect("ready");
    assert_eq!(ready.spellings, ["BTC-USDT"]);
    assert_eq!(ready.instruments[0].symbol.as_str(), "BTCUSDT");
    assert_eq!(ready.wallet.to_string(), "1000.5");
    assert_eq!(ready.commission.taker.to_string(), "0.0005");
    assert!(ready.notes[0].contains("does not say"), "the venue knows no such call");
    let writes = venue.lock().requests.iter().filter(|request| !request.starts_with("GET")).count();
    assert_eq!(writes, 0, "nothing is changed at the venue");
}

#[test]
fn what_is_not_as_configured_is_refused_with_the_remedy() {
    let refusal = |call: &'static str, data: &str| {
        let venue = Venue::start();
        venue.answer(call, Reply::Ok(format!(r#"{{"code":0,"msg":"","data":{data}}}"#)));
        startup(&venue.plan()).expect_err("refused").to_string()
    };
    let text = refusal("GET /positionSide/dual", r#"{"dualSidePosition":"false"}"#);
    assert!(text.contains("venue.position_mode = \"one_way\""), "{text}");
    let text = refusal("GET /trade/marginType", r#"{"marginType":"ISOLATED"}"#);
    assert!(text.contains("venue.margin_type"), "{text}");
    let text = refusal("GET /trade/leverage", r#"{"longLeverage":3,"shortLeverage":20}"#);
    assert!(text.contains("20 for shorts") && text.contains("venue.leverage"), "{text}");
    for rights in [
        r#"{"apiKey":"canary-key","permissions":[2,3,5],"ipAddresses":[]}"#,
        r#"{"enableReading":true,"enableFutures":true,"enableWithdrawals":true}"#,
    ] {
        let text = refusal("GET /account/apiPermissions", rights);
        assert!(text.contains("may withdraw") && !text.contains("canary"), "{text}");
    }
    let text = refusal("GET /quote/contracts", "[]");
    assert!(text.contains("BTC-USDT is not listed"), "{text}");
    let text = refusal("GET /user/balance", r#"[{"asset":"USDT","balance":"0"}]"#);
    assert!(text.contains("wallet"), "{text}");
    let venue = Venue::start();
    let denied = r#"{"code":100413,"msg":"Incorrect apiKey"}"#;
    venue.answer("GET /positionSide/dual", Reply::Ok(denied.to_owned()));
    let text = startup(&venue.plan()).expect_err("refused").to_string();
    assert!(text.contains("check the key") && !text.contains("canary"), "{text}");
}

#[test]
fn a_key_that_may_only_trade_needs_no_note() {
    for rights in [r#"{"permissions":[2,3]}"#, r#"{"enableWithdrawals":false}"#] {
        let venue = Venue::start();
        let told = format!(r#"{{"code":0,"msg":"","data":{rights}}}"#);
        venue.answer("GET /account/apiPermissions", Reply::Ok(told));
        assert_eq!(startup(&venue.plan()).expect("ready").notes, [""; 0]);
    }
}

#[test]
fn the_public_side_needs_no_key() {
    let venue = Venue::start();
    let listing = listing(&venue.plan().public()).expect("listed");
    assert_eq!(listing.spellings, ["BTC-USDT"]);
    let asked = venue.lock().requests.join("\n");
    assert!(!asked.contains("signature") && !asked.contains("canary"), "{asked}");
}

#[test]
fn an_account_in_one_way_mode_is_ready_where_that_is_configured() {
    let venue = Venue::start();
    let mode = r#"{"code":0,"data":{"dualSidePosition":"false"}}"#;
    venue.answer("GET /positionSide/dual", Reply::Ok(mode.to_owned()));
    let mut plan = venue.plan();
    plan.position_mode = PositionMode::OneWay;
    assert!(startup(&plan).is_ok());
}
