//! Limits on how fast and how much is quoted.

use super::rig::*;
use crate::kernel::{Code, Verdict};
use crate::msg::Control;
use crate::msg::record::RouterEvent::{
    Cancel, EntryMiss, Requote, RequoteBlocked, Suppress, Working,
};
use crate::msg::venue::RejectReason;
use crate::settings::{Exhaust, Miss, Settings};
use crate::units::Rate;

fn ratio(percent: i64) -> Rate {
    Rate::from_raw(percent * 1_000_000)
}

#[test]
fn entries_keep_their_interval() {
    let mut rig = Rig::new(Settings { router_min_interval_ms: 60, ..retrying() });
    let entry = rig.enter();
    assert_eq!(rig.enter_into(1, 1), Verdict::refused(Code::RateLimited));
    assert_eq!(rig.lines(), [(Suppress, "router.min_interval_ms")]);
    // A retry waits for its turn; nothing else gets the slot meanwhile.
    rig.reject(entry, RejectReason::PostOnlyWouldTake);
    assert_eq!(rig.placed.len(), 1);
    assert!(rig.kernel.slot(0).is_free() && rig.router.is_entering(0));
    assert_eq!(rig.router.next_deadline(), Some(rig.now.plus(60 * MS)));
    rig.tick_after(60 * MS - 1);
    assert_eq!(rig.placed.len(), 1);
    rig.tick_after(1);
    assert_eq!(rig.events(), [Suppress, EntryMiss, Requote]);
    assert_eq!(rig.placed.len(), 2);
}

#[test]
fn what_waits_passes_the_guards_when_it_leaves() {
    let mut rig = Rig::new(Settings { router_min_interval_ms: 60, ..retrying() });
    let entry = rig.enter();
    rig.reject(entry, RejectReason::PostOnlyWouldTake);
    rig.control(Control::Kill);
    rig.tick_after(60 * MS);
    assert_eq!(rig.lines().last(), Some(&(RequoteBlocked, "killed")));
    assert!(!rig.router.is_entering(0));
    assert_eq!(rig.placed.len(), 1);
    assert_eq!(rig.router.next_deadline(), None);
}

#[test]
fn what_waits_can_be_called_back() {
    let mut rig = Rig::new(Settings { router_min_interval_ms: 60, ..retrying() });
    let entry = rig.enter();
    rig.reject(entry, RejectReason::PostOnlyWouldTake);
    rig.cancel();
    assert_eq!(rig.lines().last(), Some(&(RequoteBlocked, "called back")));
    rig.tick_after(SECOND);
    assert_eq!(rig.placed.len(), 1);
}

#[test]
fn replacements_have_a_rate_and_first_entries_do_not() {
    let settings = Settings {
        router_replace_rate_per_min: 1,
        router_entry_retries: 9,
        ..maker(Miss::Retry, Exhaust::Market)
    };
    let mut rig = Rig::new(settings);
    let entry = rig.enter();
    rig.reject(entry, RejectReason::PostOnlyWouldTake);
    let again = rig.last();
    rig.reject(again, RejectReason::PostOnlyWouldTake);
    assert_eq!(rig.lines().last(), Some(&(RequoteBlocked, "router.replace_rate_per_min")));
    assert_eq!(rig.placed.len(), 2);
    rig.enter();
    assert_eq!(rig.placed.len(), 3);
}

#[test]
fn an_old_quote_follows_the_market_within_its_life() {
    let mut rig = Rig::new(Settings { router_tail_age_ms: 700, ..skipping() });
    let begun = rig.now;
    let entry = rig.enter();
    rig.ack(entry);
    assert_eq!(rig.router.next_deadline(), Some(begun.plus(700 * MS)));
    // It still stands where it should, and keeps its place in the queue.
    rig.tick_after(700 * MS);
    assert_eq!(rig.canceled, []);
    assert_eq!(rig.router.next_deadline(), Some(begun.plus(1_400 * MS)));
    rig.wait(700 * MS);
    rig.quote("0.2002", "0.2003");
    assert_eq!(rig.canceled, [entry.client]);
    rig.ended(entry, 0);
    // No miss: also the skip policy goes on.
    assert_eq!(rig.events(), [Working, Cancel, Requote]);
    let again = rig.last();
    assert_eq!(again.price, Some(price("0.2002")));
    rig.ack(again);
    rig.wait(4_600 * MS);
    rig.quote("0.2002", "0.2003");
    assert_eq!(rig.router.next_deadline(), None, "its life is that of the first");
    rig.ended(again, 0);
    assert_eq!(rig.events()[3..], [Working, Cancel, EntryMiss]);
    assert_eq!(rig.placed.len(), 2);
}

#[test]
fn what_has_filled_in_part_is_not_moved() {
    let mut rig = Rig::new(Settings { router_tail_age_ms: 700, ..skipping() });
    let entry = rig.enter();
    rig.ack(entry);
    rig.fill(entry, 1, 1);
    rig.wait(700 * MS);
    rig.quote("0.2002", "0.2003");
    assert_eq!(rig.canceled, []);
}

#[test]
fn a_replacement_does_not_run_after_the_market() {
    let settings = Settings { router_max_delta_ratio: ratio(10), ..retrying() };
    let mut rig = Rig::new(settings);
    let entry = rig.enter();
    rig.wait(MS);
    rig.quote("0.2201", "0.2202");
    rig.reject(entry, RejectReason::PostOnlyWouldTake);
    assert_eq!(rig.lines().last(), Some(&(RequoteBlocked, "router.max_delta_ratio")));
    let mut rig = Rig::new(Settings { router_max_delta_ratio: ratio(10), ..retrying() });
    let entry = rig.enter();
    rig.wait(MS);
    rig.quote("0.2200", "0.2201");
    rig.reject(entry, RejectReason::PostOnlyWouldTake);
    assert_eq!(rig.last().price, Some(price("0.2200")));
}

#[test]
fn so_many_quotes_at_a_time() {
    let mut rig = Rig::new(Settings { router_concurrency_limit: 1, ..retrying() });
    rig.enter();
    assert_eq!(rig.enter_into(1, 1), Verdict::refused(Code::RateLimited));
    assert_eq!(rig.lines(), [(Suppress, "router.concurrency_limit")]);
}

#[test]
fn an_entry_asks_for_a_share_of_what_is_shown() {
    // 500 at the bid, which a maker joins; 300 at the ask, which a taker meets.
    let capped = |settings| Rig::new(settings).enter().qty;
    let tenth = ratio(10);
    assert_eq!(capped(Settings { router_impact_cap_ratio: tenth, ..retrying() }), whole(50));
    let taker = Settings { router_impact_cap_ratio: tenth, ..Settings::default() };
    assert_eq!(capped(taker), whole(30));
    let mut rig = Rig::new(Settings { router_impact_cap_ratio: Rate::from_raw(1), ..retrying() });
    assert_eq!(rig.enter_into(0, 0), Verdict::refused(Code::EntryBlocked));
    assert_eq!(rig.lines(), [(Suppress, "router.impact_cap_ratio")]);
}
