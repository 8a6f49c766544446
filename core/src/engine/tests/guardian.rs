//! Exits that happen although the policy asks for nothing.

use super::rig::{Rig, SECOND};
use crate::id::TextId;
use crate::msg::record::DecisionReason::{NoPriceFlatten, OperatorFlatten, TakeProfit};
use crate::msg::record::{DecisionReason, OrderStatus};
use crate::msg::venue::RejectReason;
use crate::msg::{ClientRef, Command, Control, Maybe, OrderKind, OrderRole, Record, VenueEvent};
use crate::settings::{Posture, Settings};
use crate::units::Qty;

const NONE: [DecisionReason; 0] = [];

fn thousand() -> Qty {
    Qty::from_whole(1_000)
}

fn reject(rig: &mut Rig, reason: RejectReason) {
    let (client, ..) = rig.placed().expect("an order");
    rig.venue(ClientRef::Own(client), VenueEvent::Reject { reason });
}

#[test]
fn a_slot_whose_price_is_gone_leaves_after_its_time() {
    let mut rig = Rig::long();
    rig.tick_after(60 * SECOND);
    assert_eq!(rig.exits(), NONE);
    rig.tick_after(1);
    assert_eq!(rig.exits(), [NoPriceFlatten]);
    let (_, role, qty) = rig.placed().expect("an order");
    assert_eq!((role, qty), (OrderRole::Exit, thousand()), "everything, whatever the legs say");
    rig.tick_after(SECOND);
    assert_eq!(rig.exits().len(), 1, "one exit at a time");
}

#[test]
fn after_a_restart_the_age_of_a_price_counts_from_there() {
    let mut rig = Rig::long();
    rig.wait(3_600 * SECOND);
    rig.control(Control::Recover);
    rig.tick_after(60 * SECOND);
    assert_eq!(rig.exits(), NONE);
    rig.tick_after(1);
    assert_eq!(rig.exits(), [NoPriceFlatten]);
}

#[test]
fn flatten_and_hibernate_leave_at_the_next_tick() {
    let mut rig = Rig::long();
    rig.control(Control::Flatten);
    rig.tick_after(SECOND);
    assert_eq!(rig.exits(), [OperatorFlatten]);

    let settings = Settings { policy_posture: Posture::Hibernate, ..Settings::default() };
    let mut rig = Rig::ready_with(settings);
    let client = rig.enter();
    rig.fill(client, thousand());
    rig.tick_after(SECOND);
    assert_eq!(rig.exits(), [OperatorFlatten]);
}

#[test]
fn flatten_overtakes_a_resting_exit() {
    let mut rig = Rig::long();
    let resting = rig.exit(OrderKind::Limit, true);
    rig.control(Control::Flatten);
    rig.tick_after(SECOND);
    assert_eq!(rig.exits(), [OperatorFlatten]);
    let canceled = rig.out.commands.iter().find_map(|message| match message.command {
        Command::Cancel { client, .. } => Some(client),
        Command::Place { .. } | Command::Query { .. } | Command::Probe { .. } => None,
    });
    assert_eq!(canceled, Some(resting), "the two never close the same twice");
    assert_eq!(rig.placed(), None);
    let end = VenueEvent::Canceled { venue_id: TextId::EMPTY, cum_qty: Maybe::some(Qty::ZERO) };
    rig.venue(ClientRef::Own(resting), end);
    let (_, role, qty) = rig.placed().expect("an order");
    assert_eq!((role, qty), (OrderRole::Exit, thousand()));
}

#[test]
fn a_refused_exit_is_asked_for_again_after_its_pause_for_what_it_wanted() {
    let mut rig = Rig::long();
    let _client = rig.exit(OrderKind::Market, false);
    reject(&mut rig, RejectReason::RateLimited);
    rig.quote();
    rig.tick_after(100_000_000);
    assert_eq!(rig.exits(), NONE, "its pause");
    rig.tick_after(250_000_000);
    assert_eq!(rig.exits(), [TakeProfit]);
    assert_eq!(rig.placed().map(|(.., qty)| qty), Some(Qty::from_whole(500)), "the first leg");
    for _ in 0..3 {
        reject(&mut rig, RejectReason::RateLimited);
        rig.tick_after(5 * SECOND);
    }
    assert_eq!(rig.exits().len(), 4, "again and again");
    let (client, ..) = rig.placed().expect("an order");
    rig.fill(client, Qty::from_whole(500));
    rig.quote();
    rig.tick_after(5 * SECOND);
    assert_eq!(rig.exits().len(), 4, "the leg is closed, nothing is owed");
}

#[test]
fn an_exit_that_ended_unfilled_is_owed() {
    let mut rig = Rig::long();
    let client = rig.exit(OrderKind::Market, true);
    let end = VenueEvent::Expired { venue_id: TextId::EMPTY, cum_qty: Maybe::some(Qty::ZERO) };
    rig.venue(ClientRef::Own(client), end);
    rig.tick_after(SECOND);
    assert_eq!(rig.exits(), NONE, "the policy may ask first");
    rig.tick_after(SECOND);
    assert_eq!(rig.exits(), [TakeProfit]);
    assert_eq!(rig.placed().map(|(.., qty)| qty), Some(thousand()));
}

/// What a limit exit with a life leaves over is the kernel's alone: the two never send it twice.
#[test]
fn a_promise_of_the_kernels_is_none_of_the_guardians() {
    let mut rig = Rig::long();
    let _limit = rig.timed_exit(10 * SECOND);
    reject(&mut rig, RejectReason::PostOnlyWouldTake);
    for _ in 0..9 {
        rig.quote();
        rig.tick_after(SECOND);
        assert_eq!((rig.exits(), rig.placed()), (NONE.to_vec(), None), "its time is not over");
    }
    let mut placed = 0;
    for _ in 0..4 {
        rig.quote();
        rig.tick_after(SECOND);
        placed += u32::from(rig.placed().is_some());
    }
    assert_eq!((rig.exits(), placed), (NONE.to_vec(), 1), "the kernel sends it, once");
    assert!(rig.engine.kernel().slot(0).exit_order().is_some());
}

#[test]
fn exits_go_on_while_killed_and_frozen() {
    let mut rig = Rig::long();
    rig.control(Control::Kill);
    rig.control(Control::JournalFailed);
    rig.tick_after(61 * SECOND);
    assert_eq!(rig.exits(), [NoPriceFlatten]);
}

#[test]
fn killed_is_told_flat_only_when_the_last_order_is_gone() {
    let mut rig = Rig::ready();
    let client = rig.enter();
    rig.control(Control::Kill);
    let told = |rig: &Rig| {
        let flat = |record: &&Record| matches!(record, Record::Halt { reason: "killed_flat" });
        rig.records.iter().filter(flat).count()
    };
    for _ in 0..5 {
        rig.tick_after(SECOND);
    }
    assert_eq!(told(&rig), 0, "the entry can still fill");
    let end = VenueEvent::Canceled { venue_id: TextId::EMPTY, cum_qty: Maybe::some(Qty::ZERO) };
    rig.venue(ClientRef::Own(client), end);
    rig.tick_after(SECOND);
    rig.tick_after(SECOND);
    assert_eq!(told(&rig), 1, "once");
}

#[test]
fn an_exit_that_our_own_gate_refused_is_reported() {
    let mut rig = Rig::long();
    let _client = rig.exit(OrderKind::Market, true);
    reject(&mut rig, RejectReason::OrderRate);
    let is_error = |record: &Record| matches!(record, Record::Error { .. });
    assert!(rig.records.iter().any(is_error));
    let refused = |record: &Record| {
        matches!(record, Record::Order { status: OrderStatus::Rejected, reason: "order_rate", .. })
    };
    assert!(rig.records.iter().any(refused));
}
