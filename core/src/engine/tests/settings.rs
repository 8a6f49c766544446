//! Settings that come into force while the engine runs: whole, once, and only newer ones.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::rig::{Rig, SECOND};
use crate::engine::Engine;
use crate::msg::{Input, OrderKind, Record};
use crate::settings::Settings;
use crate::units::Qty;

fn with(exit_tp_bps: f64) -> Arc<Settings> {
    Arc::new(Settings { exit_tp_bps, ..Settings::default() })
}

fn swaps(rig: &Rig) -> usize {
    let swap = |record: &&Record| matches!(record, Record::Settings { .. });
    rig.records.iter().filter(swap).count()
}

fn errors(rig: &Rig) -> Vec<&'static str> {
    let reason = |record: &Record| match record {
        Record::Error { reason } => Some(*reason),
        _ => None,
    };
    rig.records.iter().filter_map(reason).collect()
}

#[test]
fn an_announced_version_comes_into_force_whole_and_is_recorded() {
    let mut rig = Rig::ready();
    let (before, next) = (Arc::clone(rig.engine.settings()), with(20.0));
    rig.engine.announce(3, Arc::clone(&next));
    rig.quote();
    assert!(Arc::ptr_eq(rig.engine.settings(), &before), "not before its input");
    rig.turn(&Input::Settings { version: 3 });
    assert!(Arc::ptr_eq(rig.engine.settings(), &next));
    assert_eq!((rig.engine.version(), swaps(&rig)), (3, 1));
}

#[test]
fn a_version_that_is_not_newer_or_that_nobody_announced_changes_nothing() {
    let mut rig = Rig::ready();
    let next = with(20.0);
    rig.engine.announce(3, Arc::clone(&next));
    rig.turn(&Input::Settings { version: 3 });
    for stale in [3, 2, 0] {
        rig.engine.announce(stale, with(60.0));
        rig.turn(&Input::Settings { version: stale });
    }
    rig.turn(&Input::Settings { version: 9 });
    assert!(Arc::ptr_eq(rig.engine.settings(), &next));
    assert_eq!((rig.engine.version(), swaps(&rig)), (3, 1));
    let (stale, unknown) = ("settings that are not newer", "settings that nobody announced");
    assert_eq!(errors(&rig), [stale, stale, stale, unknown]);
}

#[test]
fn the_version_survives_a_restart() {
    let mut rig = Rig::ready();
    rig.engine.announce(3, with(20.0));
    rig.turn(&Input::Settings { version: 3 });
    let mut bytes = Vec::new();
    rig.engine.save(&mut bytes);
    let table = Arc::new(rig.engine.kernel().table().clone());
    let settings = Arc::clone(rig.engine.settings());
    let again = Engine::<super::rig::Absent>::restore(&bytes, settings, table);
    assert_eq!(again.map(|engine| engine.version()).map_err(|_| ()), Ok(3));
}

#[test]
fn what_other_stages_hold_from_the_start_cannot_change() {
    let mut rig = Rig::ready();
    let before = Arc::clone(rig.engine.settings());
    let next = Settings { exit_tp_bps: 20.0, picker_alignment_min: 0.5, ..Settings::default() };
    rig.engine.announce(3, Arc::new(next));
    rig.turn(&Input::Settings { version: 3 });
    assert!(Arc::ptr_eq(rig.engine.settings(), &before), "whole or not at all");
    assert_eq!(errors(&rig), ["settings that need another start"]);
}

#[test]
fn a_key_that_needs_a_flat_book_waits_for_the_proof_of_one() {
    let legs = || Arc::new(Settings { exit_legs: vec![0.5, 0.5], ..Settings::default() });
    let takes = |rig: &mut Rig, version| {
        let could = rig.engine.can_take(rig.now, &legs());
        rig.engine.announce(version, legs());
        rig.turn(&Input::Settings { version });
        assert_eq!(rig.engine.version() == version, could);
        could
    };
    assert!(takes(&mut Rig::ready(), 1));
    // Never proved, held, just closed, too long ago.
    assert!(!takes(&mut Rig::new(Settings::default()), 1));
    let mut rig = Rig::long();
    assert!(!takes(&mut rig, 1));
    let exit = rig.exit(OrderKind::Market, true);
    rig.fill(exit, Qty::from_whole(1_000));
    assert!(!takes(&mut rig, 2), "the fill may be younger than the venue's view");
    rig.tick_after(10 * SECOND);
    rig.answer_round();
    assert!(takes(&mut rig, 3));
    let mut rig = Rig::ready();
    rig.wait(31 * SECOND);
    assert!(!takes(&mut rig, 1), "the probe is too old");
    let hot = with(20.0);
    assert!(rig.engine.can_take(rig.now, &hot), "other keys do not wait");
}
