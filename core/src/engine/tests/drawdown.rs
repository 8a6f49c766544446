//! Tests of: the drawdown halt.

use alloc::sync::Arc;
use std::vec::Vec;

use super::rig::{Absent, Rig, SECOND, table};
use crate::engine::Engine;
use crate::engine::drawdown::REASON;
use crate::msg::{Control, Record, TradingState};
use crate::settings::Settings;
use crate::units::{Money, Rate};

/// Halts at five of a hundred; a position of a thousand of a capital of 1,000 loses 60 at a bid of 0.14.
fn settings() -> Settings {
    Settings {
        account_starting_capital: Money::from_whole(1_000),
        guard_drawdown_max: Rate::from_raw(5_000_000),
        guard_drawdown_samples: 3,
        exit_no_price_ns_max: 3_600 * SECOND,
        ..Settings::default()
    }
}

/// A position whose equity has been read once.
fn rig() -> Rig {
    let mut rig = Rig::long_with(settings());
    sample(&mut rig, "0.1999");
    rig
}

fn sample(rig: &mut Rig, bid: &str) {
    rig.wait(SECOND / 2);
    rig.quote_at(bid, "0.9000");
    rig.tick_after(SECOND / 2);
}

fn state(rig: &Rig) -> TradingState {
    rig.engine.kernel().trading_state()
}

fn halts(rig: &Rig) -> usize {
    rig.records
        .iter()
        .filter(|record| matches!(record, Record::Halt { reason } if *reason == REASON))
        .count()
}

#[test]
fn it_takes_three_bad_readings_in_a_row() {
    let mut rig = rig();
    sample(&mut rig, "0.1400");
    sample(&mut rig, "0.1400");
    assert_eq!(state(&rig), TradingState::Active);
    sample(&mut rig, "0.1999");
    sample(&mut rig, "0.1400");
    sample(&mut rig, "0.1400");
    assert_eq!(state(&rig), TradingState::Active, "not in a row");
    sample(&mut rig, "0.1400");
    assert_eq!((state(&rig), halts(&rig)), (TradingState::Halted, 1));
    sample(&mut rig, "0.1400");
    assert_eq!(halts(&rig), 1, "once");
}

#[test]
fn one_bad_price_is_one_reading_however_long_it_stands() {
    let mut rig = rig();
    sample(&mut rig, "0.0001");
    for _ in 0..20 {
        rig.tick_after(SECOND);
    }
    assert_eq!(state(&rig), TradingState::Active);
}

#[test]
fn one_bad_price_upwards_makes_no_peak() {
    let mut rig = rig();
    sample(&mut rig, "0.3000");
    for _ in 0..5 {
        sample(&mut rig, "0.1999");
    }
    assert_eq!(state(&rig), TradingState::Active, "a fall from 0.3 would be 100");
    for _ in 0..3 {
        sample(&mut rig, "0.3000");
    }
    for _ in 0..3 {
        sample(&mut rig, "0.1999");
    }
    assert_eq!(state(&rig), TradingState::Halted, "three readings make one");
}

#[test]
fn a_resume_begins_a_new_peak_and_a_zero_turns_it_off() {
    let mut rig = rig();
    for _ in 0..3 {
        sample(&mut rig, "0.1400");
    }
    assert_eq!(state(&rig), TradingState::Halted);
    rig.control(Control::Resume);
    for _ in 0..5 {
        sample(&mut rig, "0.1400");
    }
    assert_eq!(state(&rig), TradingState::Active, "measured from where the operator resumed");
    let mut off = Rig::long_with(Settings { guard_drawdown_max: Rate::ZERO, ..settings() });
    for _ in 0..5 {
        sample(&mut off, "0.0100");
    }
    assert_eq!(state(&off), TradingState::Active);
}

#[test]
fn readings_and_states_survive_a_restart() {
    for (readings, word, expected) in [
        (2, None, TradingState::Active),
        (3, None, TradingState::Halted),
        (0, Some(Control::Reduce), TradingState::Reducing),
        (0, Some(Control::Kill), TradingState::Halted),
        (0, Some(Control::Flatten), TradingState::Halted),
    ] {
        let mut rig = rig();
        for _ in 0..readings {
            sample(&mut rig, "0.1400");
        }
        if let Some(word) = word {
            rig.control(word);
        }
        let mut bytes = Vec::new();
        rig.engine.save(&mut bytes);
        rig.engine =
            Engine::<Absent>::restore(&bytes, Arc::new(settings()), table()).expect("saved");
        rig.engine.resume_as(8);
        rig.control(Control::Recover);
        assert_eq!(state(&rig), expected);
        if readings == 2 {
            sample(&mut rig, "0.1400");
            assert_eq!(state(&rig), TradingState::Halted, "the third reading");
        }
    }
}
