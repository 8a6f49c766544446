//! Orders and stages: every order of arrival, every kind of end.

use super::rig::*;
use crate::id::{ClientId, TextId};
use crate::kernel::stage::SlotStage as S;
use crate::kernel::{Code, Verdict};
use crate::msg::record::{BlockReason as B, OrderStatus};
use crate::msg::venue::RejectReason;
use crate::msg::{ClientRef, Control, Maybe, PositionSide, Record, VenueEvent};
use crate::settings::Settings;

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
fn an_identity_that_comes_late_or_a_total_told_as_increment_books_nothing_twice() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    let base = Fill { client: Some(entry), price: "0.2", fee: Some("0"), ..Fill::default() };
    assert_eq!(rig.fill(Fill { qty: "400", cum: Some("400"), ..base }), Verdict::OK);
    // The same fill again, now with its identity.
    let named = Fill { id: "A", qty: "400", cum: Some("400"), ..base };
    assert_eq!(rig.fill(named), no(Code::DuplicateEvent));
    assert_eq!(rig.slot().size(), qty("400"));
    assert_eq!(rig.fill(Fill { id: "B", qty: "700", cum: Some("700"), ..base }), Verdict::OK);
    assert_eq!(rig.slot().size(), qty("700"), "the total grew by 300");
    assert!(!rig.has_error());
}

#[test]
fn a_total_bounds_no_fill_that_came_before_it_without_one() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    let base = Fill { client: Some(entry), price: "0.2", fee: Some("0"), ..Fill::default() };
    // The later fill comes first, from a list without totals.
    assert_eq!(rig.fill(Fill { id: "B", qty: "400", ..base }), Verdict::OK);
    assert_eq!(rig.fill(Fill { id: "A", qty: "600", cum: Some("600"), ..base }), Verdict::OK);
    assert_eq!((rig.slot().size(), rig.stage()), (qty("1000"), S::PositionOpen));
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
fn a_stopped_run_takes_no_entry() {
    let mut rig = Rig::ready();
    assert_eq!(rig.guard(), Ok(()));
    assert_eq!(rig.control(Control::Stop), Verdict::OK);
    assert_eq!(rig.guard(), Err(B::Killed));
}

#[test]
fn a_stop_calls_working_entries_back_or_leaves_them_by_configuration() {
    for (stop_cancels, cancels) in [(true, 1), (false, 0)] {
        let settings = Settings { engine_stop_cancels: stop_cancels, ..Settings::default() };
        let mut rig = Rig::with(settings).made_ready();
        let entry = resting(&mut rig, "1000");
        assert_eq!(rig.control(Control::Stop), Verdict::OK);
        assert_eq!(rig.out.commands.len(), cancels);
        assert!(rig.records.iter().any(|r| matches!(r, Record::Halt { reason: "stop" })));
        assert_eq!(rig.slot().entry_order(), Some(entry), "until the venue has told its end");
        // A kill calls it back whatever the setting says.
        assert_eq!(rig.control(Control::Kill), Verdict::OK);
        assert_eq!(rig.out.commands.len(), 1 - cancels);
    }
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
