//! Life of a maker entry.

use std::vec::Vec;

use super::rig::*;
use crate::id::InstrumentId;
use crate::kernel::stage::SlotStage;
use crate::kernel::{Code, Verdict};
use crate::msg::record::RouterEvent::{
    Cancel, EntryMiss, FillAfterTtl, ImmediateFill, Requote, RequoteBlocked, Suppress, Working,
};
use crate::msg::venue::RejectReason;
use crate::msg::{
    ClientRef, Control, Maybe, OrderKind, PositionSide, Record, TimeInForce, VenueEvent,
};
use crate::settings::{Exhaust, Miss, Posture, Settings};

const TTL: i64 = 6 * SECOND;

#[test]
fn the_taker_style_adds_nothing_to_the_kernel() {
    let mut rig = Rig::new(Settings::default());
    let entry = rig.enter();
    assert_eq!((entry.kind, entry.tif, entry.price), (OrderKind::Market, TimeInForce::Ioc, None));
    rig.ack(entry);
    rig.ended(entry, 0);
    assert_eq!(rig.lines(), []);
    assert_eq!(rig.placed.len(), 1);
    assert_eq!(rig.router.next_deadline(), None);
}

#[test]
fn a_maker_entry_joins_the_bid_and_is_done_when_it_fills() {
    let mut rig = Rig::new(retrying());
    let entry = rig.enter();
    assert_eq!((entry.kind, entry.tif), (OrderKind::Limit, TimeInForce::PostOnly));
    assert_eq!(entry.price, Some(price("0.2000")));
    assert_eq!(rig.router.next_deadline(), Some(rig.now.plus(TTL)));
    rig.ack(entry);
    rig.fill(entry, 1_000, 1_000);
    assert_eq!(rig.events(), [Working]);
    assert_eq!(rig.kernel.slot(0).stage(), SlotStage::PositionOpen);
    assert!(!rig.router.is_entering(0));
    rig.tick_after(TTL);
    assert_eq!(rig.events(), [Working]);
    assert_eq!(rig.canceled, []);
}

#[test]
fn one_that_may_take_leaves_as_a_plain_limit_order() {
    let settings = Settings { router_post_only: false, ..retrying() };
    assert_eq!(Rig::new(settings).enter().tif, TimeInForce::Gtc);
}

#[test]
fn a_fill_before_the_acknowledgement_is_immediate() {
    let mut rig = Rig::new(retrying());
    let entry = rig.enter();
    rig.fill(entry, 1_000, 1_000);
    assert_eq!(rig.events(), [ImmediateFill]);
    assert!(!rig.router.is_entering(0));
}

#[test]
fn what_filled_of_it_at_the_end_of_its_time_is_the_position() {
    let mut rig = Rig::new(retrying());
    let entry = rig.enter();
    rig.ack(entry);
    rig.fill(entry, 400, 400);
    rig.tick_after(TTL - 1);
    assert_eq!(rig.canceled, []);
    rig.tick_after(1);
    assert_eq!(rig.canceled, [entry.client]);
    rig.ended(entry, 400);
    assert_eq!(rig.events(), [Working, Cancel]);
    let slot = rig.kernel.slot(0);
    assert_eq!((slot.stage(), slot.size()), (SlotStage::PositionOpen, whole(400)));
    assert_eq!(rig.placed.len(), 1, "the rest is not quoted again");
    assert!(!rig.router.is_entering(0));
}

#[test]
fn a_fill_that_races_the_cancel_is_kept_and_nothing_follows() {
    let mut rig = Rig::new(retrying());
    let entry = rig.enter();
    rig.ack(entry);
    rig.tick_after(TTL);
    rig.tick_after(SECOND);
    assert_eq!(rig.canceled, [entry.client], "asked once");
    rig.fill(entry, 1_000, 1_000);
    assert_eq!(rig.events(), [Working, Cancel, FillAfterTtl]);
    assert_eq!(rig.kernel.slot(0).size(), whole(1_000));
    assert_eq!(rig.placed.len(), 1);
}

#[test]
fn nothing_follows_before_the_end_of_the_last_one_is_proved() {
    let mut rig = Rig::new(retrying());
    let entry = rig.enter();
    rig.ack(entry);
    rig.tick_after(TTL);
    // The venue knows nothing to cancel: it may have filled.
    let reason = RejectReason::UnknownOrder;
    rig.venue(ClientRef::Own(entry.client), VenueEvent::CancelRejected { reason });
    rig.tick_after(SECOND);
    assert_eq!(rig.placed.len(), 1);
    rig.fill(entry, 1_000, 1_000);
    assert_eq!(rig.events(), [Working, Cancel, FillAfterTtl]);
    assert_eq!(rig.placed.len(), 1);
}

#[test]
fn a_missed_entry_is_given_up_when_the_settings_say_skip() {
    let mut rig = Rig::new(skipping());
    let entry = rig.enter();
    rig.ack(entry);
    rig.tick_after(TTL);
    rig.ended(entry, 0);
    assert_eq!(rig.events(), [Working, Cancel, EntryMiss]);
    assert!(rig.kernel.slot(0).is_free() && !rig.router.is_entering(0));
    assert_eq!(rig.router.next_deadline(), None);
}

#[test]
fn a_retry_is_a_round_trip_of_its_own_at_the_latest_price() {
    let mut rig = Rig::new(retrying());
    let entry = rig.enter();
    rig.ack(entry);
    rig.wait(TTL);
    rig.quote("0.2010", "0.2011");
    rig.ended(entry, 0);
    let again = rig.last();
    assert_ne!(again.trade, entry.trade);
    assert_eq!((again.price, again.qty), (Some(price("0.2010")), whole(1_000)));
    assert_eq!(rig.events(), [Working, Cancel, EntryMiss, Requote]);
    let line = rig.records.iter().rev().find_map(|record| match record {
        Record::Router { event: Requote, trade, base, .. } => Some((*trade, *base)),
        _ => None,
    });
    assert_eq!(line, Some((Some(again.trade), Some(entry.trade))));
    assert_eq!(rig.router.next_deadline(), Some(rig.now.plus(TTL)), "with a life of its own");
}

#[test]
fn used_up_retries_end_as_the_settings_say() {
    for (exhaust, market) in [(Exhaust::Skip, false), (Exhaust::Market, true)] {
        let mut rig = Rig::new(maker(Miss::Retry, exhaust));
        for _ in 0..2 {
            let entry = rig.last_after_enter();
            rig.ack(entry);
            rig.wait(TTL);
            rig.quote("0.2000", "0.2001");
            rig.ended(entry, 0);
        }
        assert_eq!(rig.placed.len(), if market { 3 } else { 2 }, "one retry");
        let last = rig.last();
        assert_eq!(last.kind == OrderKind::Market, market);
        if market {
            rig.fill(last, 1_000, 1_000);
            assert_eq!(rig.events().last(), Some(&ImmediateFill));
            assert!(rig.kernel.slot(0).is_open());
        }
        assert!(!rig.router.is_entering(0));
    }
}

impl Rig {
    /// Enters, or goes on with the quote that works.
    fn last_after_enter(&mut self) -> Placed {
        if self.router.is_entering(0) { self.last() } else { self.enter() }
    }
}

#[test]
fn a_market_order_that_finds_nothing_ends_the_entry() {
    let mut rig = Rig::new(maker(Miss::Market, Exhaust::Skip));
    let entry = rig.enter();
    rig.ack(entry);
    rig.wait(TTL);
    rig.quote("0.2000", "0.2001");
    rig.ended(entry, 0);
    let market = rig.last();
    assert_eq!(market.kind, OrderKind::Market);
    assert_eq!(rig.router.next_deadline(), None, "it has no time of its own");
    rig.ended(market, 0);
    assert_eq!(rig.events(), [Working, Cancel, EntryMiss, Requote, EntryMiss]);
    assert!(!rig.router.is_entering(0));
    assert_eq!(rig.placed.len(), 2);
}

#[test]
fn a_post_only_refusal_takes_the_one_miss_path_at_once() {
    let mut rig = Rig::new(retrying());
    let entry = rig.enter();
    rig.reject(entry, RejectReason::PostOnlyWouldTake);
    assert_eq!(rig.events(), [EntryMiss, Requote]);
    let again = rig.last();
    rig.reject(again, RejectReason::PostOnlyWouldTake);
    assert_eq!(rig.events(), [EntryMiss, Requote, EntryMiss]);
    assert_eq!(rig.reason(), "post_only_would_take, again");
    assert_eq!(rig.placed.len(), 2);
}

#[test]
fn another_refusal_would_come_again_and_is_not_asked_for() {
    for reason in [RejectReason::Margin, RejectReason::Killed, RejectReason::Cap] {
        let mut rig = Rig::new(maker(Miss::Market, Exhaust::Market));
        let entry = rig.enter();
        rig.reject(entry, reason);
        assert_eq!(rig.lines(), [(EntryMiss, reason.as_str())]);
        assert_eq!(rig.placed.len(), 1);
    }
}

#[test]
fn a_cancel_by_the_venue_ends_it_now() {
    let mut rig = Rig::new(retrying());
    let entry = rig.enter();
    rig.ack(entry);
    rig.ended(entry, 0);
    assert_eq!(rig.events(), [Working, EntryMiss, Requote]);
    // In part: what filled stays.
    let again = rig.last();
    rig.ack(again);
    rig.fill(again, 400, 400);
    rig.ended(again, 400);
    assert_eq!(rig.kernel.slot(0).size(), whole(400));
    assert_eq!(rig.placed.len(), 2);
}

/// Everything that must forbid a first entry forbids the next quote, by the same name.
#[test]
fn a_requote_passes_the_guards_of_a_first_entry() {
    type Happens = fn(&mut Rig);
    let cases: [(&str, Happens); 6] = [
        ("probe_failed", |rig| rig.positions(false)),
        ("venue_not_flat", |rig| {
            rig.account(VenueEvent::Position {
                side: PositionSide::Long,
                qty: whole(5),
                entry_price: Maybe::NONE,
            });
            let revision = rig.kernel.revision();
            rig.account(VenueEvent::PositionsEnd { ok: true, rows: 1, revision });
        }),
        ("hot_window", |rig| rig.fill_by(ClientRef::Foreign, 1, 1)),
        ("journal", |rig| rig.control(Control::JournalFailed)),
        ("posture", |rig| rig.settings.policy_posture = Posture::Turtle),
        ("stale_price", |rig| rig.wait(10 * SECOND)),
    ];
    for miss in [Miss::Retry, Miss::Market] {
        for (reason, happens) in cases {
            let mut rig = Rig::new(maker(miss, Exhaust::Market));
            let entry = rig.enter();
            rig.ack(entry);
            rig.wait(TTL);
            rig.quote("0.2000", "0.2001");
            happens(&mut rig);
            rig.ended(entry, 0);
            let last = rig.lines().last().copied();
            assert_eq!(last, Some((RequoteBlocked, reason)), "{miss:?} {:?}", rig.lines());
            assert_eq!(rig.placed.len(), 1, "{reason}");
            assert!(!rig.router.is_entering(0));
        }
    }
}

#[test]
fn a_kill_while_a_quote_works_ends_it_for_good() {
    let mut rig = Rig::new(maker(Miss::Retry, Exhaust::Market));
    let entry = rig.enter();
    rig.ack(entry);
    rig.control(Control::Kill);
    assert_eq!(rig.canceled, [entry.client]);
    rig.tick_after(TTL);
    assert_eq!(rig.canceled, [entry.client], "one cancel");
    rig.ended(entry, 0);
    assert_eq!(rig.lines(), [(Working, ""), (EntryMiss, "called back")]);
    assert_eq!(rig.placed.len(), 1);
}

#[test]
fn what_the_policy_calls_back_is_not_quoted_again() {
    let mut rig = Rig::new(maker(Miss::Retry, Exhaust::Market));
    let entry = rig.enter();
    rig.ack(entry);
    rig.cancel();
    assert_eq!(rig.canceled, [entry.client]);
    rig.ended(entry, 0);
    assert_eq!(rig.events(), [Working, Cancel, EntryMiss]);
    assert_eq!(rig.placed.len(), 1);
}

#[test]
fn the_same_entry_is_not_sent_twice() {
    let mut rig = Rig::new(retrying());
    rig.enter();
    assert_eq!(rig.enter_into(0, 0), Verdict::refused(Code::DuplicateEvent));
    assert_eq!(rig.enter_into(1, 0), Verdict::refused(Code::DuplicateEvent));
    assert_eq!(rig.enter_into(0, 1), Verdict::refused(Code::SlotBusy));
    assert_eq!(rig.events(), [Suppress; 3]);
    assert_eq!(rig.enter_into(1, 1), Verdict::OK, "another asset has its own");
    assert_eq!(rig.enter_into(2, 1), Verdict::refused(Code::DuplicateEvent));
    assert_eq!(rig.enter_into(0, 9), Verdict::refused(Code::EntryBlocked), "no such asset");
    assert_eq!(rig.placed.len(), 2);
}

#[test]
fn one_slow_answer_delays_no_other_deadline() {
    let mut rig = Rig::new(retrying());
    let first = rig.enter();
    rig.ack(first);
    rig.wait(SECOND);
    assert_eq!(rig.enter_into(1, 1), Verdict::OK);
    let second = rig.last();
    rig.ack(second);
    rig.tick_after(TTL - SECOND);
    assert_eq!(rig.canceled, [first.client]);
    // The first cancel has no answer yet.
    rig.tick_after(SECOND);
    assert_eq!(rig.canceled, [first.client, second.client]);
}

#[test]
fn a_quote_refused_as_crossing_is_not_repeated_at_its_price_until_a_newer_quote_has_come() {
    let mut rig = Rig::new(Settings { router_entry_retries: 3, ..retrying() });
    let first = rig.enter();
    let refused = first.price.expect("a limit order");
    rig.reject(first, RejectReason::PostOnlyWouldTake);
    let second = rig.last();
    let tick = rig.kernel.table().row(InstrumentId::new(0)).tick;
    let behind = refused.checked_sub(tick).expect("a price");
    assert_eq!(second.price, Some(behind), "one tick behind the price that crossed");
    rig.reject(second, RejectReason::PostOnlyWouldTake);
    assert_eq!(rig.last().price, behind.checked_sub(tick));
    let misses = rig.lines().into_iter().filter(|line| line.0 == EntryMiss);
    let reasons: Vec<_> = misses.map(|line| line.1).collect();
    assert_eq!(reasons, ["post_only_would_take", "post_only_would_take, again"]);
    // What is newer than the refused order says where the market is.
    let third = rig.last();
    rig.wait(MS);
    rig.quote("0.2000", "0.2001");
    rig.reject(third, RejectReason::PostOnlyWouldTake);
    assert_eq!(rig.last().price, Some(refused));
}
