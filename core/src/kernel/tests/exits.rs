//! Exits: legs, escalation, two exits in flight, and the end of a round trip.

use super::rig::*;
use crate::id::ClientId;
use crate::kernel::stage::SlotStage as S;
use crate::kernel::{Code, Intent, Verdict};
use crate::msg::venue::{RejectReason, VenueOrderState as V};
use crate::msg::{Command, PositionSide, VenueEvent};

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

/// Reduce-only protects nobody else who holds the same side, so a lagging view must not be enough.
#[test]
fn an_ambiguous_exit_is_retried_when_denials_and_positions_agree_and_its_late_fill_counts() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let first = rig.exit(None);
    rig.own(first, VenueEvent::Ambiguous);
    assert_eq!(rig.stage(), S::StaleStateReconciling);
    assert_eq!(rig.submit(&Rig::exit_intent(None)), no(Code::StaleStateReconciling));
    deny_exit(&mut rig, first, "1000");
    assert_eq!((rig.stage(), rig.slot().exit_rejects()), (S::ExitWorking, 1));
    let second = rig.exit(None);
    rig.filled(first, "X1", "1000", "0.2");
    assert_eq!((rig.stage(), rig.slot().size()), (S::ExitWorking, qty("0")));
    assert_eq!(rig.cancels(), 1, "the second is called back");
    assert_eq!(rig.reject(second, RejectReason::ReduceOnly).code, Code::ExitOrderRejected);
    assert_eq!(rig.stage(), S::TradeTerminalWritten);
    assert!(!rig.has_error());
}

/// A stale view of orders denied the exit, a stale one of positions would show it still open.
#[test]
fn positions_asked_for_before_the_denials_outlast_the_lag_are_no_evidence() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let exit = rig.exit(None);
    status(&mut rig, exit, V::NotFound, "", None);
    rig.probe(&[(fet(), PositionSide::Long, "1000")]);
    rig.wait(4 * SECOND);
    status(&mut rig, exit, V::NotFound, "", None);
    assert!(!rig.kernel.wants_positions());
    rig.wait(SECOND);
    status(&mut rig, exit, V::NotFound, "", None);
    status(&mut rig, exit, V::NotFound, "", None);
    assert_eq!(rig.slot().exit_order(), Some(exit));
    assert!(rig.kernel.wants_positions());
    rig.probe(&[]);
    status(&mut rig, exit, V::NotFound, "", None);
    assert_eq!(rig.slot().exit_order(), Some(exit), "positions that disagree prove it was there");
}

#[test]
fn a_denied_exit_is_looked_up_each_second_and_not_held_back_for_ever() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let exit = rig.exit(None);
    rig.own(exit, VenueEvent::Ambiguous);
    for second in 1..21 {
        status(&mut rig, exit, V::NotFound, "", None);
        rig.wait(SECOND);
        rig.tick();
        assert_eq!((rig.queries(), rig.slot().exit_order()), (1, Some(exit)), "{second}");
    }
    assert_eq!(status(&mut rig, exit, V::NotFound, "", None), Verdict::OK);
    assert_eq!(rig.slot().exit_order(), None, "no positions came: the denials decide");
}

#[test]
fn an_exit_that_the_venue_once_knew_is_never_presumed_by_denials_alone() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let exit = rig.exit(None);
    rig.reject(exit, RejectReason::DuplicateClientId);
    for _ in 0..100 {
        status(&mut rig, exit, V::NotFound, "", None);
        rig.wait(SECOND);
    }
    assert_eq!(rig.slot().exit_order(), Some(exit));
    rig.probe(&[(fet(), PositionSide::Long, "1000")]);
    assert_eq!(status(&mut rig, exit, V::NotFound, "", None), Verdict::OK);
    assert_eq!(rig.slot().exit_order(), None);
}

/// Half and half of 1000, entered.
fn two_legs() -> Rig {
    let mut rig = Rig::ready();
    rig.submit(&Rig::with_legs(Rig::enter_intent(PositionSide::Short, "1000"), &["0.5", "0.5"]));
    let entry = rig.slot().entry_order().expect("entry");
    rig.filled(entry, "E", "1000", "0.2");
    rig
}

fn placed_qty(rig: &Rig) -> Option<crate::units::Qty> {
    rig.placed().map(|(_, qty, _)| qty)
}

#[test]
fn a_refused_exit_of_another_size_leaves_the_leg_as_it_is() {
    let mut all = Rig::exit_intent(None);
    if let Intent::Exit { all, .. } = &mut all {
        *all = true;
    }
    for (other, size) in [(all, "1000"), (Rig::exit_intent(Some("10")), "10")] {
        let mut rig = two_legs();
        assert_eq!(rig.submit(&other), Verdict::OK);
        assert_eq!(placed_qty(&rig), Some(qty(size)));
        let exit = rig.slot().exit_order().expect("an exit order");
        rig.reject(exit, RejectReason::PriceBand);
        assert_eq!(rig.slot().exit_left(), qty(size), "what is owed is that exit");
        rig.exit(None);
        assert_eq!((placed_qty(&rig), rig.slot().leg()), (Some(qty("500")), 0), "{size}");
    }
}

#[test]
fn a_leg_is_used_up_by_what_is_filled_however_it_was_asked_for() {
    let mut rig = two_legs();
    let small = rig.exit(Some("10"));
    rig.filled(small, "X1", "10", "0.19");
    assert_eq!((rig.slot().size(), rig.slot().leg()), (qty("990"), 0));
    let leg = rig.exit(None);
    assert_eq!(placed_qty(&rig), Some(qty("490")), "the rest of the leg");
    rig.filled(leg, "X2", "200", "0.19");
    rig.canceled(leg, Some("200"));
    let large = rig.exit(Some("300"));
    rig.filled(large, "X3", "300", "0.19");
    assert_eq!(rig.slot().leg(), 1);
    rig.exit(None);
    assert_eq!(placed_qty(&rig), Some(qty("490")), "the last leg is what remains");
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

/// An exit whose submission was lost from sight, and a second one.
fn two_exits(rig: &mut Rig) -> (ClientId, ClientId) {
    let first = rig.exit(None);
    rig.own(first, VenueEvent::Ambiguous);
    let held = alloc::format!("{}", rig.slot().size());
    deny_exit(rig, first, &held);
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
fn a_filled_exit_forgets_the_refusals_before_it() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let exit = rig.exit(None);
    rig.reject(exit, RejectReason::PriceBand);
    let exit = rig.exit(None);
    rig.filled(exit, "X", "100", "0.2");
    assert_eq!((rig.slot().exit_rejects(), rig.slot().exit_retry_at_ns()), (0, None));
}
