//! Orders and stages: every order of arrival, every kind of end, doubt and its resolution.

use super::rig::*;
use crate::id::{ClientId, TextId};
use crate::kernel::stage::SlotStage as S;
use crate::kernel::{Code, Intent, Verdict};
use crate::msg::record::{BlockReason as B, OrderStatus};
use crate::msg::venue::{RejectReason, VenueOrderState as V};
use crate::msg::{ClientRef, Command, Control, Maybe, PositionSide, Record, VenueEvent};

fn status(rig: &mut Rig, client: ClientId, state: V, cum: &str, avg: Option<&str>) -> Verdict {
    let cum_qty = if cum.is_empty() { Maybe::NONE } else { Maybe::some(qty(cum)) };
    let avg_price = avg.map_or(Maybe::NONE, |avg| Maybe::some(price(avg)));
    let venue_id = TextId::EMPTY;
    rig.own(client, VenueEvent::OrderStatus { venue_id, state, cum_qty, avg_price })
}

fn resting(rig: &mut Rig, size: &str) -> ClientId {
    let intent = Rig::resting(Rig::enter_intent(PositionSide::Long, size), "0.18");
    assert_eq!(rig.submit(&intent), Verdict::OK);
    rig.slot().entry_order().expect("entry")
}

#[test]
fn a_round_trip_walks_every_stage_in_order() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Short, "1000");
    rig.ack(entry, "9001");
    rig.filled(entry, "E1", "400", "0.1878");
    rig.filled(entry, "E2", "600", "0.1878");
    let exit = rig.exit(Some("500"));
    rig.ack(exit, "9002");
    rig.filled(exit, "X1", "200", "0.18");
    rig.filled(exit, "X2", "300", "0.18");
    let rest = rig.exit(None);
    rig.filled(rest, "X3", "500", "0.18");
    let expected = [
        S::OrderRequested,
        S::EntryWorking,
        S::PartialFill,
        S::PositionOpened,
        S::PositionOpen,
        S::ExitRequested,
        S::ExitSent,
        S::ExitAcked,
        S::ExitWorking,
        S::PositionPartiallyClosed,
        S::ExitRequested,
        S::ExitSent,
        S::PositionClosed,
        S::Closed,
        S::TradeTerminalWritten,
    ];
    assert_eq!(rig.stages(), expected);
    assert_eq!(rig.kernel.totals().trades_closed, 1);
    assert!(!rig.has_error());
    let statuses: alloc::vec::Vec<OrderStatus> = rig
        .records
        .iter()
        .filter_map(|record| match record {
            Record::Order { client, status, .. } if *client == entry => Some(*status),
            _ => None,
        })
        .collect();
    use OrderStatus::{Acked, Filled, PartiallyFilled, Submitted};
    assert_eq!(statuses, [Submitted, Acked, PartiallyFilled, Filled]);
}

#[test]
fn an_order_is_recorded_before_it_leaves_and_every_exit_is_reduce_only() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let client = rig.exit(None);
    assert_eq!(rig.placed(), Some((client, qty("1000"), true)));
    let recorded = rig.out.records.iter().any(|message| {
        matches!(message.record, Record::Order { client: c, status: OrderStatus::Submitted, .. }
            if c == client)
    });
    assert!(recorded);
}

#[test]
fn a_fill_may_come_before_the_ack_and_teach_the_venue_identity() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    rig.fill(Fill {
        client: Some(entry),
        venue: "9001",
        id: "F1",
        qty: "400",
        price: "0.2",
        ..Fill::default()
    });
    rig.fill(Fill { venue: "9001", id: "F2", qty: "600", price: "0.2", ..Fill::default() });
    assert_eq!(rig.stage(), S::PositionOpen);
    assert_eq!(rig.ack(entry, "9001"), no(Code::DuplicateEvent));
    assert_eq!(rig.stage(), S::PositionOpen, "a late ack moves nothing");
}

/// The venue does not echo our identity, and its fill is faster than its acknowledgement.
#[test]
fn a_fill_under_an_unknown_venue_identity_waits_for_the_ack_that_names_it() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    let fill = Fill { venue: "9001", id: "F1", qty: "1000", price: "0.2", ..Fill::default() };
    assert_eq!(rig.fill(fill), no(Code::ForeignFill));
    assert_eq!(rig.slot().size(), qty("0"));
    assert_eq!(rig.ack(entry, "9001"), Verdict::OK);
    assert_eq!((rig.stage(), rig.slot().size()), (S::PositionOpen, qty("1000")));
    assert_eq!(rig.fill(fill), no(Code::DuplicateEvent));
}

/// An entry's late fill while the exit works was once booked as an exit.
#[test]
fn a_late_entry_fill_during_an_exit_grows_the_position() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    rig.filled(entry, "E1", "600", "0.2");
    let exit = rig.exit(None);
    assert_eq!(rig.cancels(), 1, "the working entry is called back");
    rig.filled(entry, "E2", "400", "0.3");
    assert_eq!((rig.stage(), rig.slot().size()), (S::ExitSent, qty("1000")));
    assert_eq!(rig.slot().entry_price(), Some(price("0.24")));
    rig.filled(exit, "X1", "600", "0.24");
    assert_eq!((rig.stage(), rig.slot().size()), (S::PositionPartiallyClosed, qty("400")));
    let rest = rig.exit(None);
    rig.filled(rest, "X2", "400", "0.24");
    assert_eq!(rig.slot().realized(), money("0"));
    assert_eq!(rig.stage(), S::TradeTerminalWritten);
}

#[test]
fn a_flat_position_with_an_open_entry_order_is_not_closed() {
    let mut rig = Rig::ready();
    let entry = resting(&mut rig, "1000");
    rig.filled(entry, "E1", "600", "0.18");
    let exit = rig.exit(None);
    rig.filled(exit, "X1", "600", "0.18");
    assert_eq!((rig.stage(), rig.slot().size()), (S::ExitWorking, qty("0")));
    rig.filled(entry, "E2", "100", "0.18");
    assert_eq!(rig.slot().size(), qty("100"));
    assert_eq!(rig.canceled(entry, Some("700")), Verdict::OK);
    assert_eq!(rig.stage(), S::ExitWorking);
    let rest = rig.exit(None);
    rig.filled(rest, "X2", "100", "0.18");
    assert_eq!(rig.stage(), S::TradeTerminalWritten);
}

#[test]
fn fills_are_increments_and_the_total_is_only_a_check() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    let base = Fill { client: Some(entry), price: "0.2", fee: Some("0"), ..Fill::default() };
    // The second fill is faster than the first.
    rig.fill(Fill { id: "B", qty: "600", cum: Some("1000"), ..base });
    assert_eq!(rig.slot().size(), qty("600"));
    let first = Fill { id: "A", qty: "400", cum: Some("400"), ..base };
    assert_eq!(rig.fill(first), Verdict::OK);
    assert_eq!(rig.slot().size(), qty("1000"));
    assert_eq!(rig.fill(first), no(Code::DuplicateEvent));
    assert_eq!(rig.kernel.totals().fills, 2);
}

#[test]
fn without_a_fill_identity_the_total_sorts_out_duplicates() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    let fill =
        Fill { client: Some(entry), qty: "400", price: "0.2", cum: Some("400"), ..Fill::default() };
    assert_eq!(rig.fill(fill), Verdict::OK);
    assert_eq!(rig.fill(fill), no(Code::DuplicateEvent));
    // A venue that puts the total where the increment belongs.
    assert_eq!(rig.fill(Fill { qty: "700", cum: Some("700"), ..fill }), Verdict::OK);
    assert_eq!(rig.slot().size(), qty("700"));
}

#[test]
fn more_than_was_ordered_is_impossible() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    let over = Fill { client: Some(entry), id: "F", qty: "1001", price: "0.2", ..Fill::default() };
    assert_eq!(rig.fill(over), no(Code::Violation));
    assert_eq!(rig.slot().size(), qty("0"));
    assert!(rig.has_error() && rig.kernel.is_frozen());
}

/// The order's own price is a bound 20 % away; a fill without a price is looked up instead.
#[test]
fn a_fill_without_a_price_is_completed_by_a_look_up() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    let bare = Fill { client: Some(entry), id: "F", qty: "1000", price: "0", ..Fill::default() };
    assert_eq!(rig.fill(bare), no(Code::Violation));
    assert_eq!((rig.queries(), rig.slot().size()), (1, qty("0")));
    assert!(!rig.kernel.is_frozen());
    assert_eq!(status(&mut rig, entry, V::Filled, "1000", Some("0.1878")), Verdict::OK);
    assert_eq!(rig.slot().entry_price(), Some(price("0.1878")));
    assert_eq!(rig.stage(), S::PositionOpen);
    // The true fill may still come; its quantity is booked, its fee is not.
    let late = Fill { price: "0.1878", fee: Some("-0.05"), ..bare };
    assert_eq!(rig.fill(late), Verdict::OK);
    assert_eq!(rig.slot().size(), qty("1000"));
    assert_eq!(rig.kernel.ledger().fees(), money("0.05"));
    assert_eq!(rig.fill(late), no(Code::DuplicateEvent));
}

#[test]
fn a_look_up_books_only_what_is_missing_at_the_price_that_makes_the_average_right() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    rig.filled(entry, "F1", "400", "0.2");
    assert_eq!(status(&mut rig, entry, V::Expired, "900", Some("0.25")), Verdict::OK);
    assert_eq!((rig.stage(), rig.slot().size()), (S::PositionOpen, qty("900")));
    assert_eq!(rig.slot().entry_cost(), money("225"));
}

#[test]
fn an_entry_that_ends_unfilled_frees_the_slot_and_a_partial_one_opens_it() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    let expired = VenueEvent::Expired { venue_id: TextId::EMPTY, cum_qty: Maybe::some(qty("0")) };
    assert_eq!(rig.own(entry, expired), Verdict::OK);
    assert_eq!((rig.stage(), rig.slot().trade()), (S::Idle, None));

    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    rig.filled(entry, "F1", "400", "0.2");
    assert_eq!(rig.canceled(entry, Some("400")), Verdict::OK);
    assert_eq!((rig.stage(), rig.slot().size()), (S::PositionOpen, qty("400")));
    assert_eq!(rig.canceled(entry, Some("400")), no(Code::DuplicateEvent));
}

#[test]
fn a_cancel_that_tells_more_than_is_booked_waits_for_the_fills() {
    let mut rig = Rig::ready();
    let entry = resting(&mut rig, "1000");
    rig.ack(entry, "9001");
    let verdict = rig.canceled(entry, Some("300"));
    assert_eq!(verdict, Verdict { accepted: true, code: Code::StaleStateReconciling });
    assert_ne!(rig.stage(), S::Idle);
    assert_eq!(rig.guard(), Err(B::UnresolvedOrder));
    rig.filled(entry, "F", "300", "0.18");
    assert_eq!((rig.stage(), rig.slot().size()), (S::PositionOpen, qty("300")));
    assert!(!rig.has_error());
}

/// Neither a cancel without its total nor a silent list frees the slot: only the order itself does.
#[test]
fn a_cancel_without_a_total_is_asked_for_it() {
    let mut rig = Rig::ready();
    let entry = resting(&mut rig, "1000");
    rig.ack(entry, "9001");
    assert!(rig.canceled(entry, None).accepted);
    assert_eq!((rig.stage(), rig.queries()), (S::StaleStateReconciling, 1));
    let revision = rig.kernel.revision();
    rig.account(None, VenueEvent::OpenOrdersEnd { ok: true, rows: 0, revision });
    rig.probe(&[]);
    assert_eq!(rig.stage(), S::StaleStateReconciling);
    assert_eq!(status(&mut rig, entry, V::Canceled, "0", None), Verdict::OK);
    assert_eq!(rig.stage(), S::Idle);
}

#[test]
fn a_fill_after_the_proved_end_is_booked_and_reported() {
    let mut rig = Rig::ready();
    let entry = resting(&mut rig, "1000");
    assert_eq!(rig.canceled(entry, Some("0")), Verdict::OK);
    assert_eq!(rig.stage(), S::Idle);
    rig.filled(entry, "F", "300", "0.18");
    assert_eq!((rig.stage(), rig.slot().size()), (S::PositionOpen, qty("300")));
    assert!(rig.has_error() && rig.kernel.is_frozen());
    let exit = rig.exit(None);
    rig.filled(exit, "X", "300", "0.18");
    assert_eq!(rig.stage(), S::TradeTerminalWritten);
}

#[test]
fn a_refused_entry_frees_the_slot_and_a_refused_exit_keeps_it() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    let verdict = rig.reject(entry, RejectReason::Margin);
    assert_eq!(verdict, Verdict { accepted: true, code: Code::OrderRejected });
    assert_eq!(rig.stages(), [S::OrderRequested, S::OrderRejected, S::Idle]);
    assert_eq!(rig.reject(entry, RejectReason::Margin), no(Code::DuplicateEvent));

    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let exit = rig.exit(None);
    let verdict = rig.reject(exit, RejectReason::PriceBand);
    assert_eq!(verdict, Verdict { accepted: true, code: Code::ExitOrderRejected });
    assert_eq!((rig.stage(), rig.slot().size()), (S::ExitWorking, qty("1000")));
    assert_eq!(rig.slot().exit_retry_at_ns(), Some(rig.now.plus(250_000_000)));
    let again = rig.exit(None);
    rig.filled(again, "X", "1000", "0.2");
    assert_eq!(rig.stage(), S::TradeTerminalWritten);
}

#[test]
fn a_refusal_after_a_fill_is_impossible() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    rig.filled(entry, "F", "300", "0.2");
    assert_eq!(rig.reject(entry, RejectReason::Margin), no(Code::Violation));
    assert_eq!((rig.slot().size(), rig.queries()), (qty("300"), 1));
    assert!(rig.kernel.is_frozen());
}

#[test]
fn a_second_exit_waits_and_a_market_exit_follows_the_end_of_a_limit_exit() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let resting = Rig::resting_exit("0.21");
    assert_eq!(rig.submit(&resting), Verdict::OK);
    let limit = rig.slot().exit_order().expect("exit");
    assert_eq!(rig.submit(&resting), no(Code::ExitWorking));
    rig.filled(limit, "X1", "300", "0.21");
    // The market exit: cancel first, no second order yet.
    assert_eq!(rig.submit(&Rig::exit_intent(None)), Verdict::OK);
    assert_eq!((rig.cancels(), rig.placed()), (1, None));
    assert_eq!(rig.submit(&Rig::exit_intent(None)), no(Code::ExitWorking));
    // The limit order fills some more on its way out.
    rig.filled(limit, "X2", "100", "0.21");
    assert_eq!(rig.placed(), None);
    assert_eq!(rig.canceled(limit, Some("400")), Verdict::OK);
    let (market, size, reduce_only) = rig.placed().expect("the market exit");
    assert_eq!((size, reduce_only), (qty("600"), true));
    rig.filled(market, "X3", "600", "0.2");
    assert_eq!(rig.stage(), S::TradeTerminalWritten);
    assert_eq!(rig.slot().realized(), money("4"));
    assert_eq!(
        rig.commands.iter().filter(|c| matches!(c.command, Command::Place { .. })).count(),
        3
    );
}

#[test]
fn a_refused_cancel_during_an_escalation_is_asked_and_sent_again() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    rig.submit(&Rig::resting_exit("0.21"));
    let limit = rig.slot().exit_order().expect("exit");
    rig.ack(limit, "9002");
    rig.submit(&Rig::exit_intent(None));
    let refused = VenueEvent::CancelRejected { reason: RejectReason::RateLimited };
    assert_eq!(rig.own(limit, refused), no(Code::CancelRejected));
    assert_eq!((rig.queries(), rig.slot().size()), (1, qty("1000")));
    assert_eq!(status(&mut rig, limit, V::New, "0", None), Verdict::OK);
    assert_eq!(rig.cancels(), 1, "still wanted");
    assert_eq!(status(&mut rig, limit, V::Canceled, "0", None), Verdict::OK);
    assert!(rig.placed().is_some(), "the market exit leaves");
}

#[test]
fn a_cancel_the_venue_does_not_know_may_have_filled() {
    let mut rig = Rig::ready();
    let entry = resting(&mut rig, "1000");
    rig.ack(entry, "9001");
    assert_eq!(rig.submit(&Intent::Cancel { slot: 0 }), Verdict::OK);
    assert_eq!(rig.submit(&Intent::Cancel { slot: 0 }), no(Code::DuplicateEvent));
    let refused = VenueEvent::CancelRejected { reason: RejectReason::UnknownOrder };
    assert_eq!(rig.own(entry, refused), no(Code::CancelRejected));
    assert_eq!(rig.stage(), S::EntryWorking, "the slot does not move");
    assert_eq!(rig.queries(), 1);
    assert_eq!(status(&mut rig, entry, V::Filled, "1000", Some("0.18")), Verdict::OK);
    assert_eq!(rig.stage(), S::PositionOpen);
    assert_eq!(rig.submit(&Intent::Cancel { slot: 0 }), no(Code::NoWorkingOrder));
}

#[test]
fn an_ambiguous_entry_is_looked_up_never_sent_again() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    let verdict = rig.own(entry, VenueEvent::Ambiguous);
    assert_eq!(verdict, Verdict { accepted: true, code: Code::StaleStateReconciling });
    assert_eq!((rig.stage(), rig.queries()), (S::StaleStateReconciling, 1));
    assert_eq!(rig.guard(), Err(B::UnresolvedOrder));
    assert_eq!(rig.submit(&Rig::enter_intent(PositionSide::Long, "1000")), no(Code::SlotBusy));
    // The look-up is repeated, more and more slowly.
    let mut asked = alloc::vec::Vec::new();
    let start = rig.now;
    for _ in 0..30 {
        rig.wait(SECOND).tick();
        if rig.queries() == 1 {
            asked.push(rig.now.since(start) / SECOND);
        }
    }
    assert_eq!(asked, [1, 3, 7, 15, 23]);
    // A working order resolves it.
    assert_eq!(status(&mut rig, entry, V::New, "0", None), Verdict::OK);
    assert_eq!(rig.stage(), S::EntryWorking);
}

#[test]
fn a_denied_entry_never_arrived_only_after_long_denial() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    rig.own(entry, VenueEvent::Ambiguous);
    for _ in 0..4 {
        status(&mut rig, entry, V::NotFound, "", None);
        assert_eq!(rig.stage(), S::StaleStateReconciling);
        rig.wait(3 * SECOND);
    }
    rig.wait(3 * SECOND);
    assert_eq!(status(&mut rig, entry, V::NotFound, "", None), Verdict::OK);
    assert_eq!(rig.stage(), S::Idle);
    rig.quote(fet(), "0.1878", "0.1879");
    rig.probe(&[]);
    rig.wallet("25000");
    assert_eq!(rig.guard(), Err(B::HotWindow), "it may still come");
    // It does: booked, and no contradiction.
    rig.filled(entry, "F", "1000", "0.2");
    assert_eq!((rig.stage(), rig.slot().size()), (S::PositionOpen, qty("1000")));
    assert!(!rig.has_error());
}

#[test]
fn an_order_the_venue_has_confirmed_is_never_denied_away() {
    let mut rig = Rig::ready();
    let entry = resting(&mut rig, "1000");
    rig.ack(entry, "9001");
    for _ in 0..20 {
        rig.wait(10 * SECOND);
        status(&mut rig, entry, V::NotFound, "", None);
    }
    assert_eq!(rig.stage(), S::EntryWorking);
    assert_eq!(rig.slot().entry_order(), Some(entry));
}

/// An exit is reduce-only: one denial is enough to try again, and both filling harms nothing.
#[test]
fn an_ambiguous_exit_is_retried_after_one_denial_and_its_late_fill_counts() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let first = rig.exit(None);
    rig.own(first, VenueEvent::Ambiguous);
    assert_eq!(rig.stage(), S::StaleStateReconciling);
    assert_eq!(rig.submit(&Rig::exit_intent(None)), no(Code::StaleStateReconciling));
    assert_eq!(status(&mut rig, first, V::NotFound, "", None), Verdict::OK);
    assert_eq!((rig.stage(), rig.slot().exit_rejects()), (S::ExitWorking, 1));
    let second = rig.exit(None);
    rig.filled(first, "X1", "1000", "0.2");
    assert_eq!((rig.stage(), rig.slot().size()), (S::ExitWorking, qty("0")));
    assert_eq!(rig.cancels(), 1, "the second is called back");
    assert_eq!(rig.reject(second, RejectReason::ReduceOnly).code, Code::ExitOrderRejected);
    assert_eq!(rig.stage(), S::TradeTerminalWritten);
    assert!(!rig.has_error());
}

#[test]
fn a_silent_order_is_looked_up_and_a_lost_cancel_sent_again() {
    let mut rig = Rig::ready();
    let entry = resting(&mut rig, "1000");
    assert_eq!(rig.kernel.next_deadline(), Some(rig.now.plus(5 * SECOND)));
    rig.wait(5 * SECOND).tick();
    assert_eq!(rig.queries(), 1);
    assert_eq!(status(&mut rig, entry, V::New, "0", None), Verdict::OK);
    assert_eq!(rig.stage(), S::EntryWorking);
    rig.wait(60 * SECOND).tick();
    assert_eq!(rig.queries(), 0, "a resting order may rest");
    rig.submit(&Intent::Cancel { slot: 0 });
    rig.wait(5 * SECOND).tick();
    assert_eq!(rig.queries(), 1);
    status(&mut rig, entry, V::New, "0", None);
    assert_eq!(rig.cancels(), 1);
}

#[test]
fn a_position_in_doubt_can_still_be_closed() {
    let mut rig = Rig::ready();
    let entry = resting(&mut rig, "1000");
    rig.filled(entry, "E", "400", "0.18");
    assert!(rig.canceled(entry, None).accepted);
    assert_eq!(rig.stage(), S::StaleStateReconciling);
    let exit = rig.exit(None);
    rig.filled(exit, "X", "400", "0.18");
    assert_eq!(rig.stage(), S::ExitWorking, "the entry's total is still owed");
    assert_eq!(status(&mut rig, entry, V::Canceled, "400", None), Verdict::OK);
    assert_eq!(rig.stage(), S::TradeTerminalWritten);
}

#[test]
fn two_identities_of_one_order_are_impossible() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    rig.ack(entry, "9001");
    assert_eq!(rig.ack(entry, "9002"), no(Code::Violation));
    assert!(rig.kernel.is_frozen());
    let stranger = rig.venue(
        ClientRef::Own(ClientId::new(6, 1)),
        Some(fet()),
        VenueEvent::Ack { venue_id: id("9003") },
    );
    assert_eq!(stranger, no(Code::UnresolvedSlot), "an order of an earlier run");
}

#[test]
fn legs_advance_with_the_kernels_own_index() {
    let mut rig = Rig::ready();
    let intent =
        Rig::with_legs(Rig::enter_intent(PositionSide::Short, "1001"), &["0.3", "0.3", "0.4"]);
    assert_eq!(rig.submit(&intent), Verdict::OK);
    let entry = rig.slot().entry_order().expect("entry");
    rig.filled(entry, "E", "1001", "0.2");
    for (leg, size) in ["300", "300", "401"].into_iter().enumerate() {
        assert_eq!(usize::from(rig.slot().leg()), leg);
        let exit = rig.exit(None);
        assert_eq!(rig.placed().map(|(_, qty, _)| qty), Some(qty(size)));
        rig.filled(exit, size, size, "0.19");
        // A fill identity is unique per order, so the same one on another order is another fill.
    }
    assert_eq!(rig.stage(), S::TradeTerminalWritten);
}

#[test]
fn a_leg_that_ended_early_goes_on_with_its_rest() {
    let mut rig = Rig::ready();
    let intent = Rig::with_legs(Rig::enter_intent(PositionSide::Short, "1000"), &["0.5", "0.5"]);
    rig.submit(&intent);
    let entry = rig.slot().entry_order().expect("entry");
    rig.filled(entry, "E", "1000", "0.2");
    let exit = rig.exit(None);
    rig.filled(exit, "X1", "200", "0.19");
    assert_eq!(rig.canceled(exit, Some("200")), Verdict::OK);
    assert_eq!((rig.stage(), rig.slot().leg()), (S::ExitWorking, 0));
    let rest = rig.exit(None);
    assert_eq!(rig.placed().map(|(_, qty, _)| qty), Some(qty("300")));
    rig.filled(rest, "X2", "300", "0.19");
    assert_eq!(rig.slot().leg(), 1);
}

#[test]
fn an_exit_needs_a_position_and_a_limit_exit_a_price_or_it_leaves_by_market() {
    let mut rig = Rig::ready();
    assert_eq!(rig.submit(&Rig::exit_intent(None)), no(Code::NoOpenPosition));
    let entry = rig.enter(PositionSide::Long, "1000");
    assert_eq!(rig.submit(&Rig::exit_intent(None)), no(Code::NoOpenPosition));
    rig.filled(entry, "E", "1000", "0.2");
    assert_eq!(rig.submit(&Rig::resting_exit("0")), Verdict::OK);
    let place = rig.out.commands[0].command;
    assert!(matches!(
        place,
        Command::Place { kind: crate::msg::OrderKind::Market, reduce_only: true, .. }
    ));
}

#[test]
fn a_stopped_run_takes_no_entry_and_end_of_data_is_nothing_to_it() {
    let mut rig = Rig::ready();
    assert_eq!(rig.control(Control::EndOfData), Verdict::OK);
    assert_eq!(rig.guard(), Ok(()));
    assert_eq!(rig.control(Control::Stop), Verdict::OK);
    assert_eq!(rig.guard(), Err(B::Killed));
}

fn errors(rig: &Rig) -> alloc::vec::Vec<&'static str> {
    rig.records
        .iter()
        .filter_map(|record| match record {
            Record::Error { reason } => Some(*reason),
            _ => None,
        })
        .collect()
}

/// An exit whose submission was lost from sight, and a second one.
fn two_exits(rig: &mut Rig) -> (ClientId, ClientId) {
    let first = rig.exit(None);
    rig.own(first, VenueEvent::Ambiguous);
    status(rig, first, V::NotFound, "", None);
    (first, rig.exit(None))
}

#[test]
fn no_order_of_the_slot_may_be_open_when_the_round_trip_closes() {
    let mut rig = Rig::ready();
    let entry = resting(&mut rig, "1000");
    rig.filled(entry, "E", "600", "0.18");
    let (first, second) = two_exits(&mut rig);
    rig.filled(first, "X", "600", "0.18");
    assert_eq!((rig.stage(), rig.slot().size()), (S::ExitWorking, qty("0")));
    rig.canceled(second, Some("0"));
    assert_eq!(rig.stage(), S::ExitWorking, "the entry is still open");
    rig.canceled(entry, Some("600"));
    assert_eq!(rig.stage(), S::TradeTerminalWritten);
    assert!(!rig.has_error());
}

#[test]
fn an_exit_fill_beyond_the_position_is_impossible() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let (first, second) = two_exits(&mut rig);
    rig.filled(second, "X2", "500", "0.2");
    let late = Fill { client: Some(first), id: "X1", qty: "1000", price: "0.2", ..Fill::default() };
    assert_eq!(rig.fill(late), no(Code::Violation));
    assert_eq!(errors(&rig), ["an exit fill beyond the position"]);
    assert_eq!(rig.slot().size(), qty("500"));
}

#[test]
fn a_fill_of_a_written_round_trip_is_reported_and_not_booked() {
    let mut rig = Rig::ready();
    let entry = resting(&mut rig, "1000");
    rig.filled(entry, "E", "600", "0.18");
    rig.canceled(entry, Some("600"));
    let exit = rig.exit(None);
    rig.filled(exit, "X", "600", "0.18");
    let late = Fill { client: Some(entry), id: "L", qty: "100", price: "0.18", ..Fill::default() };
    assert_eq!(rig.fill(late), no(Code::Violation));
    assert_eq!(errors(&rig), ["a fill of a round trip that is over"]);
    assert_eq!((rig.stage(), rig.slot().size()), (S::TradeTerminalWritten, qty("0")));
    assert_eq!(rig.kernel.totals().fills, 2);
}

#[test]
fn a_pending_exit_shrinks_with_the_fills_of_the_order_it_waits_for() {
    let mut rig = Rig::ready();
    rig.submit(&Rig::with_legs(Rig::enter_intent(PositionSide::Short, "1000"), &["0.5", "0.5"]));
    let entry = rig.slot().entry_order().expect("entry");
    rig.filled(entry, "E", "1000", "0.2");
    let mut leg = Rig::resting_exit("0.19");
    if let Intent::Exit { all, .. } = &mut leg {
        *all = false;
    }
    assert_eq!(rig.submit(&leg), Verdict::OK);
    let limit = rig.slot().exit_order().expect("exit");
    rig.filled(limit, "X1", "100", "0.19");
    rig.submit(&Rig::exit_intent(None));
    rig.filled(limit, "X2", "100", "0.19");
    rig.canceled(limit, Some("200"));
    assert_eq!(rig.placed().map(|(_, qty, _)| qty), Some(qty("300")), "the rest of the leg");
}

#[test]
fn fills_that_were_told_and_do_not_come_are_asked_for() {
    let mut rig = Rig::ready();
    let entry = resting(&mut rig, "1000");
    rig.ack(entry, "9001");
    let fill = Fill {
        client: Some(entry),
        id: "B",
        qty: "100",
        price: "0.18",
        cum: Some("400"),
        ..Fill::default()
    };
    rig.fill(fill);
    assert_eq!(rig.queries(), 0, "it may only be late");
    rig.wait(SECOND).tick();
    assert_eq!(rig.queries(), 1);
    status(&mut rig, entry, V::PartiallyFilled, "400", Some("0.18"));
    assert_eq!(rig.slot().size(), qty("400"));

    let mut rig = Rig::ready();
    let entry = resting(&mut rig, "1000");
    rig.ack(entry, "9001");
    rig.canceled(entry, Some("300"));
    rig.wait(SECOND).tick();
    assert_eq!(rig.queries(), 1);
}

#[test]
fn an_immediate_order_that_works_in_silence_is_looked_up() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    rig.ack(entry, "9001");
    rig.wait(5 * SECOND).tick();
    assert_eq!(rig.queries(), 1);
}

/// A possible fill is as good a reason to wait as a fill.
#[test]
fn whatever_may_have_filled_re_arms_the_hot_window() {
    type Doubt = fn(&mut Rig, ClientId);
    let doubts: [Doubt; 3] = [
        |rig, entry| {
            rig.own(entry, VenueEvent::Ambiguous);
        },
        |rig, entry| {
            let reason = RejectReason::UnknownOrder;
            rig.own(entry, VenueEvent::CancelRejected { reason });
        },
        |rig, entry| {
            rig.canceled(entry, None);
        },
    ];
    for doubt in doubts {
        let mut rig = Rig::ready();
        let entry = resting(&mut rig, "1000");
        doubt(&mut rig, entry);
        assert_eq!(status(&mut rig, entry, V::Canceled, "0", None), Verdict::OK);
        assert_eq!((rig.stage(), rig.guard()), (S::Idle, Err(B::HotWindow)));
    }
}

#[test]
fn a_row_of_the_open_orders_proves_that_an_order_is_alive() {
    let mut rig = Rig::ready();
    let entry = resting(&mut rig, "1000");
    rig.own(entry, VenueEvent::Ambiguous);
    let row = VenueEvent::OpenOrder {
        venue_id: id("9001"),
        side: crate::msg::Side::Buy,
        qty: qty("1000"),
        cum_qty: qty("0"),
    };
    assert_eq!(rig.own(entry, row), Verdict::OK);
    assert_eq!(rig.stage(), S::EntryWorking);
    assert_eq!(rig.kernel.order_by_venue_id(&id("9001")), Some(entry));
}

/// The venue has an order of this identity: the first submission arrived after all.
#[test]
fn a_duplicate_client_identity_is_no_refusal() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    rig.reject(entry, RejectReason::DuplicateClientId);
    assert_eq!((rig.stage(), rig.queries()), (S::StaleStateReconciling, 1));
    assert_eq!(rig.slot().entry_order(), Some(entry));
}

#[test]
fn a_filled_exit_forgets_the_refusals_before_it() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let exit = rig.exit(None);
    rig.reject(exit, RejectReason::PriceBand);
    let exit = rig.exit(None);
    rig.filled(exit, "X", "100", "0.2");
    assert_eq!((rig.slot().exit_rejects(), rig.slot().exit_retry_at_ns()), (0, None));
}

#[test]
fn a_fill_on_the_other_side_of_its_order_is_impossible() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    let fill = VenueEvent::Fill {
        venue_id: TextId::EMPTY,
        fill_id: id("F"),
        qty: qty("1000"),
        price: price("0.2"),
        fee: Maybe::NONE,
        cum_qty: Maybe::NONE,
        side: Some(crate::msg::Side::Sell),
        is_maker: None,
    };
    assert_eq!(rig.own(entry, fill), no(Code::Violation));
    assert_eq!(rig.slot().size(), qty("0"));
    assert!(rig.kernel.is_frozen());
}

/// The same contradiction told again and again makes no storm of look-ups.
#[test]
fn an_impossible_answer_is_asked_about_slowly() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let exit = rig.exit(None);
    let mut asked = 0;
    for _ in 0..60 {
        rig.wait(SECOND).tick();
        asked += rig.queries();
        if rig.queries() > 0 {
            status(&mut rig, exit, V::Filled, "1001", Some("0.2"));
            asked += rig.queries();
        }
    }
    assert!((2..=12).contains(&asked), "{asked} look-ups in a minute");
}
