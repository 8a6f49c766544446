//! Closes that no order of ours made, exits that the kernel owes, dust, and denied orders.

use super::rig::*;
use crate::id::{ClientId, TextId};
use crate::kernel::stage::SlotStage as S;
use crate::kernel::{Code, Intent, Verdict};
use crate::msg::record::{BlockReason as B, DecisionReason, OrderStatus};
use crate::msg::venue::{ForcedCause, RejectReason, VenueOrderState as V};
use crate::msg::{ClientRef, Control, Input, Maybe, OrderKind, PositionSide, Record, Side};
use crate::msg::{VenueEvent, VenueMsg};
use crate::settings::Settings;
use crate::units::Nanos;

pub(super) fn forced(name: &str, size: &str, at: &str, fee: Option<&str>) -> VenueEvent {
    VenueEvent::Forced {
        side: PositionSide::Long,
        fill_id: id(name),
        qty: qty(size),
        price: price(at),
        fee: fee.map_or(Maybe::NONE, |fee| Maybe::some(money(fee))),
        cause: ForcedCause::Liquidation,
    }
}

/// A limit exit of everything that lives a second.
fn timed_exit(rig: &mut Rig, at: &str) -> ClientId {
    let mut intent = Rig::resting_exit(at);
    if let Intent::Exit { ttl_ns, .. } = &mut intent {
        *ttl_ns = Some(SECOND);
    }
    assert_eq!(rig.submit(&intent), Verdict::OK);
    rig.slot().exit_order().expect("an exit order")
}

fn close_reasons(rig: &Rig) -> alloc::vec::Vec<DecisionReason> {
    rig.records
        .iter()
        .filter_map(|record| match record {
            Record::TradeClosed { close_reason, .. } => Some(*close_reason),
            _ => None,
        })
        .collect()
}

/// Every fill line has an order line of its client before it.
fn fills_have_orders(rig: &Rig) -> bool {
    let mut known = alloc::vec::Vec::new();
    rig.records.iter().all(|record| match record {
        Record::Order { client, .. } => {
            known.push(*client);
            true
        }
        Record::Fill { client, .. } => known.contains(client),
        _ => true,
    })
}

#[test]
fn a_liquidation_is_an_exit_that_is_booked_once() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    assert_eq!(rig.account(Some(fet()), forced("L", "1000", "0.1", Some("-2"))), Verdict::OK);
    assert_eq!(rig.stage(), S::TradeTerminalWritten);
    assert_eq!(rig.capital(), money("24898"), "100 of price, 2 of fee");
    assert_eq!(close_reasons(&rig), [DecisionReason::Liquidation]);
    assert!(fills_have_orders(&rig));
    assert_eq!(rig.guard(), Err(B::HotWindow));
    let again = rig.account(Some(fet()), forced("L", "1000", "0.1", Some("-2")));
    assert_eq!((again, rig.capital()), (no(Code::DuplicateEvent), money("24898")));
    let totals = rig.kernel.totals();
    assert_eq!((totals.orders, totals.fills), (1, 2), "the venue's order is none of ours");
    assert!(!rig.has_error());
}

#[test]
fn a_forced_close_in_part_calls_back_what_works() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    rig.submit(&Rig::resting_exit("0.3"));
    let exit = rig.slot().exit_order().expect("an exit order");
    rig.ack(exit, "9001");
    rig.account(Some(fet()), forced("L", "400", "0.1", None));
    assert_eq!((rig.stage(), rig.slot().size(), rig.cancels()), (S::ExitAcked, qty("600"), 1));
    rig.canceled(exit, Some("0"));
    assert_eq!((rig.stage(), rig.slot().leg()), (S::ExitWorking, 0));

    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    rig.account(Some(fet()), forced("L", "400", "0.1", None));
    assert_eq!((rig.stage(), rig.slot().leg()), (S::PositionPartiallyClosed, 0));
}

#[test]
fn a_forced_close_while_the_entry_works_waits_for_the_entrys_end() {
    let mut rig = Rig::ready();
    let entry = resting(&mut rig, "1000");
    rig.filled(entry, "E", "400", "0.18");
    rig.account(Some(fet()), forced("L", "400", "0.1", Some("0")));
    assert_eq!((rig.stage(), rig.cancels()), (S::ExitWorking, 1));
    rig.canceled(entry, Some("400"));
    assert_eq!(rig.stage(), S::TradeTerminalWritten);
    assert!(!rig.has_error());
}

/// Others hold the same side: what the venue closed was theirs, for our own exit had filled before.
#[test]
fn a_forced_close_is_taken_back_as_far_as_our_own_exits_prove_it_wrong() {
    for (filled, ours) in [("1000", "0"), ("600", "400")] {
        let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
        let before = rig.capital();
        let exit = rig.exit(Some(filled));
        rig.account(Some(fet()), forced("L", "1000", "0.1", Some("-2")));
        assert_eq!(
            (rig.stage(), rig.slot().size()),
            (S::ExitWorking, qty("0")),
            "the exit may fill"
        );
        // The exit's own fill was lost on the way; its total was not.
        status(&mut rig, exit, V::Filled, filled, Some("0.3"));
        assert_eq!(rig.stage(), S::TradeTerminalWritten, "nothing waits for ever");
        let (filled, ours) = (qty(filled), qty(ours));
        let flow = price("0.3").notional(filled).expect("fits")
            + price("0.1").notional(ours).expect("fits")
            - money("200");
        let position = rig.slot().position();
        assert_eq!((position.realized, position.exited()), (flow, qty("1000")));
        let forced_fee = money("2").share(ours, qty("1000")).expect("fits");
        let exit_fee = position.fees - forced_fee;
        assert!(exit_fee.is_positive(), "the exit's own, predicted");
        assert_eq!(rig.capital(), before + flow - position.fees);
        assert_eq!(errors(&rig), ["a close by somebody else was not of our position"]);
        assert!(rig.kernel.is_frozen(), "until evidence agrees");
        // Its fee is settled: what it was of is not ours alone.
        let fee = VenueEvent::FeeSettled { fill_id: id("L"), fee: money("-9") };
        let capital = rig.capital();
        rig.account(Some(fet()), fee);
        assert_eq!(rig.capital(), capital);
    }
}

#[test]
fn a_forced_close_of_what_we_do_not_hold_is_foreign() {
    let mut rig = Rig::open(PositionSide::Short, "1000", "0.2");
    let verdict = rig.account(Some(fet()), forced("L", "400", "0.1", None));
    assert_eq!((verdict, rig.slot().size()), (no(Code::ForeignFill), qty("1000")));
    assert_eq!(rig.account(Some(btc()), forced("M", "4", "1", None)), no(Code::ForeignFill));
    assert_eq!(rig.account(None, forced("N", "4", "1", None)), no(Code::ForeignFill));
}

/// Three snapshots in a row over ten seconds.
#[test]
fn a_close_by_somebody_else_is_booked_when_it_is_proved() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    for _ in 0..2 {
        rig.wait(6 * SECOND);
        rig.probe(&[(fet(), PositionSide::Long, "400")]);
        assert_eq!(rig.slot().size(), qty("1000"));
    }
    // These prove nothing.
    let revision = rig.kernel.revision();
    rig.account(None, VenueEvent::PositionsEnd { ok: false, rows: 0, revision });
    rig.account(None, VenueEvent::PositionsEnd { ok: true, rows: 0, revision: revision - 1 });
    rig.account(None, VenueEvent::PositionsEnd { ok: true, rows: 3, revision });
    assert_eq!(rig.slot().size(), qty("1000"));
    rig.wait(6 * SECOND);
    rig.probe(&[(fet(), PositionSide::Long, "400")]);
    assert_eq!((rig.stage(), rig.slot().size()), (S::PositionPartiallyClosed, qty("400")));
    assert_eq!(rig.slot().realized(), money("-7.32"), "600 at the bid of 0.1878");
    assert_eq!(rig.slot().close_reason(), Some(DecisionReason::ExternalClose));
    assert!(rig.kernel.is_frozen() && fills_have_orders(&rig));
    assert_eq!(errors(&rig), ["a position was closed outside"]);
    let capital = rig.capital();
    rig.probe(&[(fet(), PositionSide::Long, "400")]);
    let books = alloc::format!("{capital}");
    rig.wallet(&books);
    assert!(!rig.kernel.is_frozen(), "both have agreed since");
}

#[test]
fn an_agreeing_snapshot_a_live_order_or_too_little_time_stop_the_proof() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    for _ in 0..9 {
        rig.wait(SECOND);
        rig.probe(&[]);
    }
    assert_eq!(rig.slot().size(), qty("1000"), "not for ten seconds");
    rig.probe(&[(fet(), PositionSide::Long, "1000")]);
    rig.wait(10 * SECOND);
    rig.probe(&[]);
    rig.probe(&[]);
    assert_eq!(rig.slot().size(), qty("1000"), "from the beginning again");
    rig.submit(&Rig::resting_exit("0.3"));
    for _ in 0..9 {
        rig.wait(10 * SECOND);
        rig.probe(&[]);
    }
    assert_eq!(rig.slot().size(), qty("1000"), "the exit may have filled");
}

#[test]
fn the_fills_that_nobody_claimed_are_the_price_of_a_close_by_somebody_else() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    // The one without a price is none.
    let fills = [("A", "300", "0.25", "-1"), ("C", "300", "0", "-1"), ("B", "700", "0.35", "-2")];
    for (name, size, at, fee) in fills {
        let event = VenueEvent::Fill {
            venue_id: id("555"),
            fill_id: id(name),
            qty: qty(size),
            price: price(at),
            fee: Maybe::some(money(fee)),
            cum_qty: Maybe::NONE,
            side: Some(Side::Sell),
            is_maker: None,
        };
        for _ in 0..2 {
            assert_eq!(rig.venue(ClientRef::Foreign, Some(fet()), event), no(Code::ForeignFill));
        }
    }
    for _ in 0..3 {
        rig.wait(5 * SECOND);
        rig.probe(&[]);
    }
    assert_eq!(rig.stage(), S::TradeTerminalWritten);
    assert_eq!(rig.capital(), money("25117"), "120 of price, 3 of fees");
    assert_eq!(close_reasons(&rig), [DecisionReason::ExternalClose]);
}

#[test]
fn without_any_price_a_close_by_somebody_else_waits() {
    let settings = Settings { kernel_slots_max: 1, ..Settings::default() };
    let mut rig = Rig::with(settings);
    rig.wallet("25000");
    let told = Maybe::some(price("0.2"));
    let event =
        VenueEvent::Position { side: PositionSide::Long, qty: qty("100"), entry_price: told };
    rig.account(Some(fet()), event);
    let revision = rig.kernel.revision();
    rig.account(None, VenueEvent::PositionsEnd { ok: true, rows: 1, revision });
    assert_eq!(rig.stage(), S::PositionOpen);
    for _ in 0..4 {
        rig.wait(5 * SECOND);
        rig.probe(&[]);
    }
    assert_eq!(rig.slot().size(), qty("100"));
    rig.quote(fet(), "0.2", "0.2001");
    rig.probe(&[]);
    assert_eq!(rig.stage(), S::TradeTerminalWritten);
}

#[test]
fn an_exit_with_a_life_leaves_by_market_when_its_time_is_over() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let exit = timed_exit(&mut rig, "0.3");
    rig.ack(exit, "9001");
    assert_eq!(rig.kernel.next_deadline(), Some(rig.now.plus(SECOND)));
    rig.filled(exit, "X1", "300", "0.3");
    rig.wait(SECOND - 1).tick();
    assert_eq!(rig.cancels(), 0);
    rig.wait(1).tick();
    assert_eq!((rig.cancels(), rig.placed()), (1, None), "the limit order first");
    rig.canceled(exit, Some("300"));
    let (market, left, reduce_only) = rig.placed().expect("what is left");
    assert_eq!((left, reduce_only), (qty("700"), true));
    assert_eq!(rig.kernel.order(market).map(|order| order.kind), Some(OrderKind::Market));
    rig.filled(market, "X2", "700", "0.19");
    assert_eq!(rig.stage(), S::TradeTerminalWritten);
    assert_eq!(rig.slot().exit_due_ns(), None);
}

#[test]
fn what_is_owed_goes_again_without_anybody_asking_until_it_is_closed() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let exit = timed_exit(&mut rig, "0.3");
    rig.ack(exit, "9001");
    rig.wait(SECOND).tick();
    rig.canceled(exit, Some("0"));
    let (refused, ..) = rig.placed().expect("by market");
    rig.reject(refused, RejectReason::Other);
    assert_eq!(rig.placed(), None, "a pause first");
    let at = rig.slot().exit_retry_at_ns().expect("a pause");
    assert!(rig.kernel.next_deadline().is_some_and(|deadline| deadline <= at));
    rig.now = at;
    rig.tick();
    let (unfilled, ..) = rig.placed().expect("again");
    // Nor does one that ends unfilled end the promise.
    rig.own(unfilled, VenueEvent::Expired { venue_id: id("5"), cum_qty: Maybe::some(qty("0")) });
    rig.wait(10 * SECOND).tick();
    let (partly, ..) = rig.placed().expect("again");
    rig.filled(partly, "X1", "600", "0.2");
    rig.own(partly, VenueEvent::Expired { venue_id: id("6"), cum_qty: Maybe::some(qty("600")) });
    let (rest, left, _) = rig.placed().expect("at once: it moves");
    assert_eq!(left, qty("400"));
    rig.filled(rest, "X2", "400", "0.2");
    assert_eq!(rig.stage(), S::TradeTerminalWritten);
    assert!(!rig.has_error());
}

#[test]
fn an_exit_with_a_life_that_the_venue_ends_early_is_still_owed() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let exit = timed_exit(&mut rig, "0.3");
    rig.reject(exit, RejectReason::PostOnlyWouldTake);
    assert_eq!(rig.placed(), None);
    rig.wait(SECOND).tick();
    assert!(rig.placed().is_some());
}

/// A cancel that is refused has no part of its effect either.
#[test]
fn a_cancel_of_what_has_ended_takes_no_promise_back() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let exit = timed_exit(&mut rig, "0.3");
    rig.canceled(exit, None);
    let due = rig.slot().exit_due_ns();
    assert!(due.is_some());
    assert_eq!(rig.submit(&Intent::Cancel { slot: 0 }), no(Code::DuplicateEvent));
    assert_eq!(rig.slot().exit_due_ns(), due);
}

#[test]
fn who_calls_back_an_exit_before_its_time_answers_for_it() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let exit = timed_exit(&mut rig, "0.3");
    rig.ack(exit, "9001");
    rig.submit(&Intent::Cancel { slot: 0 });
    rig.canceled(exit, Some("0"));
    rig.wait(10 * SECOND).tick();
    assert_eq!((rig.placed(), rig.stage()), (None, S::ExitWorking));
}

#[test]
fn a_promise_for_a_part_ends_with_that_part() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let mut intent = Rig::resting_exit("0.3");
    if let Intent::Exit { ttl_ns, all, qty: size, .. } = &mut intent {
        *ttl_ns = Some(SECOND);
        *all = false;
        *size = Maybe::some(qty("300"));
    }
    rig.submit(&intent);
    let exit = rig.slot().exit_order().expect("an exit order");
    rig.filled(exit, "X", "300", "0.3");
    assert_eq!((rig.slot().exit_due_ns(), rig.slot().size()), (None, qty("700")));
    rig.wait(10 * SECOND).tick();
    assert_eq!(rig.placed(), None);
}

/// The promise is part of the state: a copy of the kernel keeps it.
#[test]
fn what_is_owed_survives_a_snapshot_and_a_recovery() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let exit = timed_exit(&mut rig, "0.3");
    rig.ack(exit, "9001");
    rig.kernel.resume_as(8);
    rig.control(Control::Recover);
    rig.wait(SECOND).tick();
    assert_eq!(rig.cancels(), 1);
    rig.canceled(exit, Some("0"));
    assert!(rig.placed().is_some());
}

#[test]
fn a_reduce_only_refusal_asks_for_the_positions() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let exit = rig.exit(None);
    assert!(!rig.kernel.wants_positions());
    rig.reject(exit, RejectReason::ReduceOnly);
    assert!(rig.kernel.wants_positions());
    let revision = rig.kernel.revision();
    rig.account(None, VenueEvent::PositionsEnd { ok: true, rows: 0, revision: revision - 1 });
    assert!(rig.kernel.wants_positions(), "that one is older");
    rig.probe(&[]);
    assert!(!rig.kernel.wants_positions());
}

#[test]
fn what_the_venue_refuses_as_too_small_is_dust_told_once() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let first = rig.exit(Some("990"));
    rig.filled(first, "X1", "990", "0.2");
    let rest = rig.exit(None);
    rig.reject(rest, RejectReason::MinNotional);
    assert_eq!((rig.stage(), rig.slot().size()), (S::Dust, qty("10")));
    assert!(!rig.slot().is_free() && !rig.kernel.is_frozen());
    // The next exit tries all of it again, whatever it asks for.
    let again = rig.exit(Some("1"));
    assert_eq!(rig.placed().map(|(_, size, _)| size), Some(qty("10")));
    rig.reject(again, RejectReason::LotSize);
    assert_eq!((rig.stage(), errors(&rig).len()), (S::Dust, 1));
    let last = rig.exit(None);
    rig.filled(last, "X2", "10", "0.2");
    assert_eq!(rig.stage(), S::TradeTerminalWritten);
}

#[test]
fn a_part_that_is_too_small_is_no_dust() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let part = rig.exit(Some("10"));
    rig.reject(part, RejectReason::MinNotional);
    assert_eq!(rig.stage(), S::ExitWorking);
}

#[test]
fn what_is_below_the_lot_is_dust_and_its_promise_ends() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let exit = timed_exit(&mut rig, "0.3");
    rig.filled(exit, "X1", "999.5", "0.3");
    rig.canceled(exit, Some("999.5"));
    assert_eq!((rig.stage(), rig.slot().size()), (S::Dust, qty("0.5")));
    assert_eq!(rig.slot().exit_due_ns(), None);
    rig.wait(10 * SECOND).tick();
    assert_eq!(rig.placed(), None);
}

/// An entry in doubt, denied three times over the proof's time.
fn denied(rig: &mut Rig) -> ClientId {
    let entry = rig.enter(PositionSide::Long, "1000");
    rig.own(entry, VenueEvent::Ambiguous);
    for _ in 0..4 {
        status(rig, entry, V::NotFound, "", None);
        rig.wait(5 * SECOND);
    }
    entry
}

#[test]
fn a_denied_entry_needs_positions_that_agree() {
    let mut rig = Rig::ready();
    let entry = denied(&mut rig);
    status(&mut rig, entry, V::NotFound, "", None);
    assert_eq!(rig.stage(), S::StaleStateReconciling, "nobody looked at the positions");
    rig.probe(&[(fet(), PositionSide::Long, "1000")]);
    status(&mut rig, entry, V::NotFound, "", None);
    assert_eq!(rig.stage(), S::StaleStateReconciling, "they say that it filled");
    rig.probe(&[]);
    status(&mut rig, entry, V::NotFound, "", None);
    assert_eq!(rig.stage(), S::Idle);
}

#[test]
fn views_that_were_asked_for_before_the_denial_are_no_evidence() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    rig.own(entry, VenueEvent::Ambiguous);
    let revision = rig.kernel.revision();
    for _ in 0..4 {
        status(&mut rig, entry, V::NotFound, "", None);
        rig.wait(5 * SECOND);
        rig.account(None, VenueEvent::PositionsEnd { ok: true, rows: 0, revision });
    }
    status(&mut rig, entry, V::NotFound, "", None);
    assert_eq!(rig.stage(), S::StaleStateReconciling);
}

#[test]
fn where_lists_come_a_denied_entry_needs_one_without_it() {
    let mut rig = Rig::ready();
    let empty = |rig: &Rig| VenueEvent::OpenOrdersEnd {
        ok: true,
        rows: 0,
        revision: rig.kernel.revision(),
    };
    let event = empty(&rig);
    rig.account(None, event);
    let entry = denied(&mut rig);
    rig.probe(&[]);
    status(&mut rig, entry, V::NotFound, "", None);
    assert_eq!(rig.stage(), S::StaleStateReconciling, "the list is from before the denial");
    let event = empty(&rig);
    rig.account(None, event);
    status(&mut rig, entry, V::NotFound, "", None);
    assert_eq!(rig.stage(), S::Idle);
}

#[test]
fn the_time_of_the_proof_is_a_setting() {
    let settings = Settings { guard_not_found_ns: 100 * SECOND, ..Settings::default() };
    let mut rig = Rig::with(settings).made_ready();
    let entry = denied(&mut rig);
    rig.probe(&[]);
    status(&mut rig, entry, V::NotFound, "", None);
    assert_eq!(rig.stage(), S::StaleStateReconciling);
    rig.wait(80 * SECOND);
    status(&mut rig, entry, V::NotFound, "", None);
    assert_eq!(rig.stage(), S::Idle);
}

/// A rig whose first entry was taken for never arrived, with another round trip in its slot.
fn gone_on(slots: i64) -> (Rig, ClientId) {
    let settings =
        Settings { kernel_slots_max: slots, guard_hot_window_ns: 0, ..Settings::default() };
    let mut rig = Rig::with(settings).made_ready();
    let entry = denied(&mut rig);
    rig.probe(&[]);
    status(&mut rig, entry, V::NotFound, "", None);
    rig.quote(fet(), "0.1878", "0.1879");
    rig.wallet("25000");
    let second = rig.enter(PositionSide::Short, "500");
    rig.filled(second, "S", "500", "0.2");
    (rig, entry)
}

#[test]
fn a_late_fill_of_a_denied_entry_comes_back_into_a_free_slot() {
    let (mut rig, entry) = gone_on(2);
    rig.filled(entry, "F", "1000", "0.2");
    assert_eq!((rig.slot().size(), rig.stage()), (qty("500"), S::PositionOpen));
    let back = rig.kernel.slot(1);
    assert_eq!((back.stage(), back.size()), (S::PositionOpen, qty("1000")));
    assert_eq!(back.trade().map(crate::id::TradeId::seq), Some(1), "its own round trip");
    assert!(!rig.has_error());
}

#[test]
fn a_late_fill_without_a_free_slot_is_reported_and_freezes() {
    let (mut rig, entry) = gone_on(1);
    let late = Fill { client: Some(entry), id: "F", qty: "1000", price: "0.2", ..Fill::default() };
    assert_eq!(rig.fill(late), no(Code::Violation));
    assert!(rig.kernel.is_frozen());
    assert_eq!(errors(&rig), ["a fill of a round trip that is over"]);
}

#[test]
fn a_denied_entry_that_works_after_all_is_called_back() {
    let (mut rig, entry) = gone_on(1);
    rig.ack(entry, "9001");
    assert_eq!(rig.cancels(), 1);
    assert_eq!(rig.guard(), Err(B::UnresolvedOrder));
}

#[test]
fn an_order_the_venue_knew_and_denies_ends_at_what_is_booked() {
    let mut rig = Rig::ready();
    let entry = resting(&mut rig, "1000");
    rig.ack(entry, "9001");
    rig.filled(entry, "E", "400", "0.18");
    for _ in 0..4 {
        status(&mut rig, entry, V::NotFound, "", None);
        rig.wait(5 * SECOND);
        rig.probe(&[(fet(), PositionSide::Long, "500")]);
    }
    status(&mut rig, entry, V::NotFound, "", None);
    assert_eq!(rig.slot().entry_order(), Some(entry), "the positions do not agree");
    rig.probe(&[(fet(), PositionSide::Long, "400")]);
    status(&mut rig, entry, V::NotFound, "", None);
    assert_eq!((rig.stage(), rig.slot().entry_order()), (S::PositionOpen, None));
    assert!(rig.records.iter().any(|record| matches!(
        record,
        Record::Order { status: OrderStatus::Expired, reason: "denied", .. }
    )));
}

#[test]
fn an_exit_the_venue_knew_and_denies_does_not_hold_up_the_next() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    rig.submit(&Rig::resting_exit("0.3"));
    let exit = rig.slot().exit_order().expect("an exit order");
    rig.ack(exit, "9001");
    for _ in 0..5 {
        status(&mut rig, exit, V::NotFound, "", None);
        rig.wait(5 * SECOND);
        rig.probe(&[(fet(), PositionSide::Long, "1000")]);
    }
    status(&mut rig, exit, V::NotFound, "", None);
    assert_eq!((rig.slot().exit_order(), rig.stage()), (None, S::ExitWorking));
    rig.exit(None);
}

/// The entry filled, its fills are lost and the venue has forgotten it: nobody here may guess.
#[test]
fn a_denied_entry_and_a_larger_position_are_an_alarm() {
    let mut rig = Rig::ready();
    let entry = resting(&mut rig, "1000");
    rig.ack(entry, "9001");
    for round in 0..6 {
        status(&mut rig, entry, V::NotFound, "", None);
        rig.wait(5 * SECOND);
        rig.probe(&[(fet(), PositionSide::Long, "1000")]);
        assert_eq!(rig.kernel.is_frozen(), round > 2, "{round}");
    }
    assert_eq!(rig.slot().entry_order(), Some(entry));
}

/// Venues number the fills of different orders alike.
#[test]
fn a_forced_close_with_the_identity_of_another_fill_is_booked() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    assert_eq!(rig.account(Some(fet()), forced("E1", "400", "0.1", None)), Verdict::OK);
    assert_eq!(rig.slot().size(), qty("600"));
}

/// It closed somebody else's position; by the time it is told again we hold the asset.
#[test]
fn a_forced_close_of_nobody_here_is_not_of_a_later_position() {
    let mut rig = Rig::ready();
    let event = forced("F", "400", "0.1", None);
    assert!(!rig.account(Some(fet()), event).accepted);
    rig.wait(10 * SECOND);
    rig.quote(fet(), "0.1878", "0.1879");
    rig.wallet("25000");
    rig.probe(&[]);
    let entry = rig.enter(PositionSide::Long, "1000");
    rig.filled(entry, "E", "1000", "0.2");
    assert_eq!(rig.account(Some(fet()), event), Verdict::refused(Code::DuplicateEvent));
    assert_eq!(rig.slot().size(), qty("1000"));
    assert_eq!(rig.account(Some(fet()), forced("G", "400", "0.1", None)), Verdict::OK);
    assert_eq!(rig.slot().size(), qty("600"));
}

/// The venue closed a part before it told the entry's fill.
#[test]
fn a_forced_close_that_is_faster_than_the_entrys_fill_is_booked_with_it() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    for _ in 0..2 {
        assert!(!rig.account(Some(fet()), forced("F", "400", "0.1", None)).accepted);
    }
    rig.filled(entry, "E1", "300", "0.2");
    assert_eq!(rig.slot().size(), qty("300"), "more than there is yet");
    rig.filled(entry, "E2", "700", "0.2");
    assert_eq!((rig.slot().size(), rig.slot().realized()), (qty("600"), money("-40")));
    rig.account(Some(fet()), forced("F", "400", "0.1", None));
    assert_eq!(rig.slot().size(), qty("600"), "once");
}

/// Where times are told, they say whether the entry can have been what was closed.
#[test]
fn a_forced_close_of_somebody_else_is_not_of_an_entry_that_fills_later() {
    for (forced_at, filled_at, size) in [(100, 99, "600"), (100, 101, "1000")] {
        let mut rig = Rig::ready();
        let entry = rig.enter(PositionSide::Long, "1000");
        let tell = |rig: &mut Rig, client, at, event| {
            let ts_recv_ns = rig.now;
            let ts_exch_ns = Maybe::some(Nanos::new(at));
            let instrument = Some(fet());
            rig.input(Input::Venue(VenueMsg { ts_exch_ns, ts_recv_ns, client, instrument, event }));
        };
        tell(&mut rig, ClientRef::Absent, forced_at, forced("F", "400", "0.1", None));
        let event = VenueEvent::Fill {
            venue_id: TextId::EMPTY,
            fill_id: id("E"),
            qty: qty("1000"),
            price: price("0.2"),
            fee: Maybe::NONE,
            cum_qty: Maybe::NONE,
            side: None,
            is_maker: None,
        };
        tell(&mut rig, ClientRef::Own(entry), filled_at, event);
        assert_eq!(rig.slot().size(), qty(size), "filled at {filled_at}");
    }
}

/// A start on lost files takes over what remained; the close from before is told again.
#[test]
fn a_forced_close_from_before_a_position_was_taken_over_is_old() {
    let mut rig = Rig::new();
    rig.quote(fet(), "0.1878", "0.1879");
    rig.wallet("25000");
    rig.probe(&[(fet(), PositionSide::Long, "1000")]);
    assert_eq!(rig.stage(), S::PositionOpen);
    for (before, size) in [(11 * SECOND, "1000"), (-SECOND, "600")] {
        let ts_exch_ns = Maybe::some(rig.now.plus(-before));
        let event = forced("F", "400", "0.1", None);
        let (ts_recv_ns, client, instrument) = (rig.now, ClientRef::Absent, Some(fet()));
        rig.input(Input::Venue(VenueMsg { ts_exch_ns, ts_recv_ns, client, instrument, event }));
        assert_eq!(rig.slot().size(), qty(size), "{before} before");
    }
}

/// The exit filled, its fills are lost and the venue has forgotten it: the position says what happened.
#[test]
fn a_denied_exit_and_a_smaller_position_are_a_close_outside() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    rig.submit(&Rig::resting_exit("0.3"));
    let exit = rig.slot().exit_order().expect("an exit order");
    rig.ack(exit, "9001");
    for _ in 0..9 {
        status(&mut rig, exit, V::NotFound, "", None);
        rig.wait(5 * SECOND);
        rig.probe(&[]);
    }
    assert_eq!(rig.slot().size(), qty("0"));
    rig.probe(&[]);
    status(&mut rig, exit, V::NotFound, "", None);
    assert_eq!(rig.stage(), S::TradeTerminalWritten);
}

fn bare_fill(rig: &mut Rig, client: ClientId, at_ns: Option<i64>) -> Verdict {
    let event = VenueEvent::Fill {
        venue_id: TextId::EMPTY,
        fill_id: TextId::EMPTY,
        qty: qty("400"),
        price: price("0.2"),
        fee: Maybe::NONE,
        cum_qty: Maybe::NONE,
        side: None,
        is_maker: None,
    };
    rig.input(Input::Venue(VenueMsg {
        ts_exch_ns: at_ns.map(Nanos::new).into(),
        ts_recv_ns: rig.now,
        client: ClientRef::Own(client),
        instrument: Some(fet()),
        event,
    }))
}

#[test]
fn a_fill_without_identity_and_total_is_known_by_quantity_price_and_time() {
    let mut rig = Rig::ready();
    let entry = resting(&mut rig, "1000");
    assert_eq!(bare_fill(&mut rig, entry, Some(5)), Verdict::OK);
    assert_eq!(bare_fill(&mut rig, entry, Some(5)), no(Code::DuplicateEvent));
    assert_eq!(bare_fill(&mut rig, entry, Some(6)), Verdict::OK);
    assert_eq!(rig.slot().size(), qty("800"));
    let mut rig = Rig::ready();
    let entry = resting(&mut rig, "1000");
    bare_fill(&mut rig, entry, None);
    assert_eq!(bare_fill(&mut rig, entry, None), Verdict::OK, "nothing to tell them apart");
    assert_eq!(rig.slot().size(), qty("800"));
}
