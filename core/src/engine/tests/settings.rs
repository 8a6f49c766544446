//! Settings that come into force while the engine runs: whole, once, and only newer ones.

use alloc::sync::Arc;

use super::rig::Rig;
use crate::engine::Engine;
use crate::msg::{Input, Record};
use crate::settings::Settings;

fn with(exit_tp_bps: f64) -> Arc<Settings> {
    Arc::new(Settings { exit_tp_bps, ..Settings::default() })
}

fn swaps(rig: &Rig) -> usize {
    let swap = |record: &&Record| matches!(record, Record::Settings { .. });
    rig.records.iter().filter(swap).count()
}

fn errors(rig: &Rig) -> alloc::vec::Vec<&'static str> {
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
    let mut bytes = alloc::vec::Vec::new();
    rig.engine.save(&mut bytes);
    let table = Arc::new(rig.engine.kernel().table().clone());
    let settings = Arc::clone(rig.engine.settings());
    let again = Engine::<super::rig::Absent>::restore(&bytes, settings, table);
    assert_eq!(again.map(|engine| engine.version()).map_err(|_| ()), Ok(3));
}
