//! A reconnect storm: streams are cut at random moments while the engine trades.

use std::thread;
use std::time::Duration;

use pinion_tests::trace::Dice;

use super::kills::{Process, config};
use super::{Sim, audit};
use crate::crash::{is_full, tell};

#[test]
fn streams_that_are_cut_again_and_again_cost_no_fill_and_no_digit() {
    let cuts = if is_full() { 1_000 } else { 12 };
    let sim = Sim::process(&["--seed", "11", "--speed", "100"]);
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let config = config(&sim, dir.path());
    let mut process = Process::start(&sim, &config, &out);
    let mut dice = Dice(11);
    process.trades(&sim, 1);
    for _ in 0..cuts {
        // With an order under way, or whatever happens to be, also one upon the other.
        if dice.once_in(2) {
            process.trades(&sim, sim.accepted());
            thread::sleep(Duration::from_millis(dice.below(150)));
        } else {
            thread::sleep(Duration::from_millis(dice.below(500)));
        }
        let whom = if dice.once_in(4) { "" } else { "account=0" };
        let _done = sim.control("POST", "cut", whom);
        if dice.once_in(50) {
            let _done = sim.control("POST", "expire", "account=0");
        }
        assert!(!process.is_over(), "it ended by itself: {}", process.told());
    }
    let before = sim.accepted();
    process.trades(&sim, before + 1);
    assert_eq!(process.end(), 0, "{}", process.told());
    let found = audit::agree(&out, &sim.books());
    let lost = process.told().matches("socket: lost").count();
    tell(&format!("{cuts} cuts, {lost} sockets lost: {found:?}"));
    assert!(lost > 0);
}
