//! What is not known: look-ups, denials, lost messages, and what resolves them.

use super::rig::*;
use crate::id::ClientId;
use crate::kernel::stage::SlotStage as S;
use crate::kernel::{Code, Intent, Verdict};
use crate::msg::record::BlockReason as B;
use crate::msg::venue::{RejectReason, VenueOrderState as V};
use crate::msg::{PositionSide, VenueEvent};

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
        rig.probe(&[]);
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

/// The look-up told the first fill, the second one was faster than the first, and neither tells a total.
#[test]
fn fills_without_totals_that_overtake_each_other_after_a_look_up_add_up() {
    for (first, second) in [("107", "19"), ("19", "107"), ("50", "50")] {
        let mut rig = Rig::ready();
        let entry = resting(&mut rig, "243");
        rig.ack(entry, "9001");
        status(&mut rig, entry, V::PartiallyFilled, first, Some("0.18"));
        assert_eq!(rig.slot().size(), qty(first));
        for (id, size) in [("B", second), ("A", first), ("B", second), ("A", first)] {
            rig.fill(Fill {
                client: Some(entry),
                id,
                qty: size,
                price: "0.18",
                cum: None,
                ..Fill::default()
            });
        }
        let sum = qty(first) + qty(second);
        assert_eq!(rig.slot().size(), sum, "{first} and {second}");
        assert_eq!(Some(rig.slot().entry_cost()), price("0.18").notional(sum));
    }
}

/// Neither identity nor total, a look-up in between, and the later fill is the faster one.
#[test]
fn fills_without_identity_that_overtake_each_other_after_a_look_up_add_up() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.1878");
    let exit = rig.exit(Some("100"));
    status(&mut rig, exit, V::PartiallyFilled, "10", Some("0.19"));
    for size in ["4", "8", "2"] {
        let fill = Fill {
            client: Some(exit),
            id: "",
            qty: size,
            price: "0.19",
            cum: None,
            ..Fill::default()
        };
        rig.fill(fill);
    }
    assert_eq!(rig.slot().size(), qty("986"));
    assert_eq!(status(&mut rig, exit, V::Canceled, "14", Some("0.19")), Verdict::OK);
    assert!(rig.slot().exit_order().is_none() && !rig.has_error());

    let mut rig = Rig::open(PositionSide::Long, "1000", "0.1878");
    let exit = rig.exit(Some("20"));
    status(&mut rig, exit, V::PartiallyFilled, "14", Some("0.19"));
    for (id, size, at) in [("f", "3", "0.18"), ("", "14", "0.19")] {
        let fill =
            Fill { client: Some(exit), id, qty: size, price: at, cum: None, ..Fill::default() };
        rig.fill(fill);
    }
    status(&mut rig, exit, V::Canceled, "17", Some("0.18823529"));
    assert_eq!((rig.slot().size(), rig.slot().realized()), (qty("983"), money("0.0074")));
    assert!(!rig.has_error());
}

/// The venue contradicts its own fills; it must not lock the exits.
#[test]
fn an_end_told_below_the_fills_is_the_end_when_the_positions_agree() {
    for total in [Some("20"), None] {
        let mut rig = Rig::open(PositionSide::Long, "1000", "0.1878");
        let exit = rig.exit(Some("100"));
        for (id, cum) in [("x", "20"), ("y", "40")] {
            rig.fill(Fill {
                client: Some(exit),
                id,
                qty: "20",
                price: "0.19",
                cum: Some(cum),
                ..Fill::default()
            });
        }
        let end = |rig: &mut Rig| {
            let verdict = rig.canceled(exit, total);
            rig.wait(6 * SECOND).tick();
            verdict
        };
        for round in 0..3 {
            end(&mut rig);
            assert_eq!(rig.slot().exit_order(), Some(exit), "{round}: positions have not spoken");
        }
        assert!(rig.kernel.wants_positions());
        rig.probe(&[(fet(), PositionSide::Long, "970")]);
        end(&mut rig);
        assert_eq!(rig.slot().exit_order(), Some(exit), "they do not agree");
        rig.probe(&[(fet(), PositionSide::Long, "960")]);
        assert_eq!(end(&mut rig), Verdict::OK);
        assert_eq!((rig.slot().exit_order(), rig.slot().size()), (None, qty("960")));
        rig.exit(None);
    }
}

/// Its last fill was told while the stream was down: nobody will tell it again.
#[test]
fn a_resting_order_that_a_whole_list_does_not_have_is_looked_up() {
    let list = |rig: &mut Rig, entry: Option<ClientId>, ok: bool| {
        let revision = rig.kernel.revision();
        if let Some(entry) = entry {
            let row = VenueEvent::OpenOrder {
                venue_id: id("9001"),
                side: crate::msg::Side::Buy,
                qty: qty("1000"),
                cum_qty: qty("0"),
            };
            rig.own(entry, row);
        }
        let rows = u32::from(entry.is_some());
        rig.account(None, VenueEvent::OpenOrdersEnd { ok, rows, revision });
        rig.wait(SECOND).tick();
        rig.queries()
    };
    let mut rig = Rig::ready();
    let entry = resting(&mut rig, "1000");
    rig.ack(entry, "9001");
    assert_eq!(list(&mut rig, Some(entry), true), 0, "it works");
    assert_eq!(list(&mut rig, None, false), 0, "a failed list says nothing");
    assert_eq!(list(&mut rig, None, true), 1);
    assert_eq!(status(&mut rig, entry, V::Filled, "1000", Some("0.18")), Verdict::OK);
    assert_eq!(rig.slot().size(), qty("1000"));
}

#[test]
fn a_late_word_that_an_order_works_does_not_undo_a_refused_cancel() {
    let mut rig = Rig::ready();
    let entry = resting(&mut rig, "1000");
    rig.submit(&Intent::Cancel { slot: 0 });
    rig.own(entry, VenueEvent::CancelRejected { reason: RejectReason::UnknownOrder });
    assert_eq!(rig.queries(), 1);
    rig.ack(entry, "9001");
    rig.wait(5 * SECOND).tick();
    assert_eq!(rig.queries(), 1, "the acknowledgement is older than the refusal");
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
