//! Far more frames than a venue sends: 5,000 a second on a market stream and on the account's, over TLS.

use std::thread;
use std::time::Duration;

use super::{Sim, agree, run_live, until};
use crate::crash::{is_full, tell};

const PER_SECOND: u64 = 5_000;

/// Times that the machine may stall for two seconds, which costs a market socket.
const STALLS_MAX: u32 = 3;

#[test]
fn a_burst_loses_nothing_and_every_account_event_comes() {
    let seconds = if is_full() { 10 } else { 1 };
    for stall in 0..=STALLS_MAX {
        if is_unbroken(seconds, stall == STALLS_MAX) {
            return;
        }
    }
}

/// One burst; false when a socket was lost in it, which `must_hold` forbids.
fn is_unbroken(seconds: u64, must_hold: bool) -> bool {
    let sim = Sim::start();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let (outcome, told) = run_live(&sim, &out, || {
        until("it trades", || sim.accepted() >= 1);
        for whom in ["topic=BTC-USDT@bookTicker", "account=0"] {
            let query = format!("{whom}&perSecond={PER_SECOND}&seconds={seconds}");
            let _begun = sim.control("POST", "burst", &query);
        }
        let before = sim.accepted();
        // The simulator needs the time too.
        thread::sleep(Duration::from_secs(seconds));
        until("trading goes on", || sim.accepted() > before + 1);
    });
    let outcome = outcome.unwrap();
    agree(&sim, &out, &outcome, &told);
    let (market, end) = (outcome.summary.end.source, &outcome.summary.end);
    let rejected: u64 = market.rejected.iter().sum();
    let came = market.total() + rejected + market.ignored;
    tell(&format!(
        "{PER_SECOND} frames/s for {seconds} s on both streams: {came} market events came, {} were merged, \
         {} account frames, {} + {} sockets lost",
        end.conflated, outcome.egress.frames, outcome.market_losses, outcome.egress.account_losses
    ));
    assert_eq!(end.dropped, 0);
    if (outcome.market_losses, outcome.egress.account_losses) != (0, 0) {
        assert!(!must_hold, "a socket is lost each time: {told:?}");
        return false;
    }
    assert!(came >= PER_SECOND * seconds, "market frames were lost: {came}");
    assert!(outcome.egress.frames >= PER_SECOND * seconds, "account frames were lost: {outcome:?}");
    true
}
