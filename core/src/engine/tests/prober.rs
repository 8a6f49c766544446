//! When the engine asks for which view of the account, and with which revision.

use std::vec::Vec;

use super::rig::{Rig, SECOND, asset};
use crate::engine::prober::{GAP_NS, PATIENCE_FIRST_NS, PATIENCE_MAX_NS};
use crate::id::ClientId;
use crate::msg::venue::RejectReason;
use crate::msg::{
    ClientRef, Control, Input, Maybe, OrderKind, PositionSide, ProbeKind, VenueEvent,
};
use crate::settings::Settings;
use crate::units::{Money, Qty};

use ProbeKind::{Balance, OpenOrders, Positions};

const ROUND: [ProbeKind; 3] = [OpenOrders, Positions, Balance];
const NOTHING: [ProbeKind; 0] = [];

#[test]
fn the_first_round_asks_one_after_the_other() {
    let mut rig = Rig::new(Settings::default());
    rig.quote();
    assert_eq!(rig.probes(), [(OpenOrders, 0)], "the very first input begins it");
    rig.tick_after(SECOND);
    assert_eq!(rig.asked(), NOTHING, "positions wait for the open orders");
    rig.answer(OpenOrders, 0, true);
    assert_eq!(rig.probes(), [(Positions, 0)]);
    rig.answer(Positions, 0, true);
    assert_eq!(rig.probes(), [(Balance, 0)]);
    rig.answer(Balance, 0, true);
    assert_eq!(rig.asked(), NOTHING);
}

#[test]
fn a_round_comes_at_every_interval_and_not_before() {
    let mut rig = Rig::ready();
    for _ in 0..3 {
        for _ in 0..9 {
            rig.tick_after(SECOND);
            assert_eq!(rig.asked(), NOTHING);
        }
        rig.tick_after(SECOND);
        assert_eq!(rig.answer_round(), ROUND);
        // The round began at the interval; answering took milliseconds.
        rig.now = rig.now.plus(-3_000_000);
    }
}

#[test]
fn a_recovery_begins_anew_whatever_was_under_way() {
    let mut rig = Rig::new(Settings::default());
    rig.quote();
    rig.wait(1);
    rig.control(Control::Recover);
    assert_eq!(rig.answer_round(), ROUND);
}

#[test]
fn the_revision_is_the_kernels_with_the_orders_of_the_turn() {
    let mut rig = Rig::ready();
    let client = rig.enter();
    rig.fill(client, Qty::from_whole(1_000));
    let revision = rig.engine.kernel().revision();
    assert_eq!(revision, 2, "an order and a fill");
    // The flatten's exit and the round fall into one turn: the probe counts the exit.
    rig.control(Control::Flatten);
    rig.tick_after(10 * SECOND);
    assert!(rig.placed().is_some());
    assert_eq!(rig.probes(), [(OpenOrders, revision + 1)]);
}

#[test]
fn an_answer_from_before_our_activity_is_asked_for_again_a_second_later() {
    let mut rig = Rig::ready();
    rig.tick_after(10 * SECOND);
    rig.answer(OpenOrders, 0, true);
    rig.quote();
    let _client = rig.enter();
    rig.answer(Positions, 0, true);
    assert_eq!(rig.asked(), [Balance], "the open orders were asked for in this second");
    rig.wait(GAP_NS);
    rig.quote();
    assert_eq!(rig.probes(), [(OpenOrders, 1)]);
}

#[test]
fn a_lost_probe_goes_again_with_ever_more_patience() {
    let mut rig = Rig::new(Settings::default());
    rig.quote();
    let mut patience = PATIENCE_FIRST_NS;
    for _ in 0..8 {
        rig.tick_after(patience - 1);
        assert!(!rig.asked().contains(&OpenOrders), "one under way at a time");
        rig.tick_after(1);
        assert!(rig.asked().contains(&OpenOrders));
        patience = (patience * 2).min(PATIENCE_MAX_NS);
    }
    rig.answer(OpenOrders, 0, true);
    assert!(rig.asked().contains(&Positions), "the round goes on");
}

#[test]
fn a_failed_probe_goes_again_after_a_pause_that_doubles() {
    let mut rig = Rig::new(Settings::default());
    rig.quote();
    rig.answer(OpenOrders, 0, true);
    for pause in [2, 4, 8] {
        rig.answer(Positions, 0, false);
        rig.wait(pause * SECOND - 1);
        rig.quote();
        assert!(!rig.asked().contains(&Positions));
        rig.wait(1);
        rig.quote();
        assert!(rig.asked().contains(&Positions), "after {pause} s");
    }
}

#[test]
fn a_snapshot_that_lost_rows_is_a_failed_one() {
    let mut rig = Rig::new(Settings::default());
    rig.quote();
    rig.answer(OpenOrders, 0, true);
    let side = PositionSide::Long;
    let row = VenueEvent::Position { side, qty: Qty::ONE, entry_price: Maybe::NONE };
    rig.venue(ClientRef::Absent, row);
    rig.answer(Positions, 0, true);
    assert_eq!(rig.asked(), NOTHING, "no balance follows");
    rig.tick_after(2 * SECOND);
    assert_eq!(rig.asked(), [Positions]);
}

#[test]
fn an_answer_to_an_older_probe_is_not_taken_for_the_newer_ones() {
    let mut rig = Rig::ready();
    let client = rig.enter();
    rig.tick_after(10 * SECOND);
    assert_eq!(rig.probes(), [(OpenOrders, 1)]);
    rig.answer(OpenOrders, 0, true);
    assert_eq!(rig.asked(), NOTHING);
    rig.fill(client, Qty::from_whole(1_000));
    rig.answer(OpenOrders, 1, true);
    assert_eq!(rig.probes(), [(Positions, 2)]);
}

#[test]
fn without_positions_the_balance_is_asked_for_all_the_same() {
    let mut rig = Rig::new(Settings::default());
    rig.quote();
    let mut asked = Vec::new();
    for _ in 0..10 {
        rig.tick_after(SECOND);
        asked.extend(rig.asked());
    }
    assert!(asked.contains(&Balance), "{asked:?}");
}

#[test]
fn an_entry_that_lacks_proof_asks_for_it_at_once_but_not_twice_a_second() {
    // So seldom by itself that every proof is too old.
    let settings = Settings { guard_probe_interval_ns: 3_600 * SECOND, ..Settings::default() };
    let mut rig = Rig::ready_with(settings);
    rig.wait(31 * SECOND);
    rig.quote();
    assert_eq!(rig.asked(), NOTHING);
    rig.block();
    assert_eq!(rig.asked(), [OpenOrders], "the positions are too old");
    rig.wait(GAP_NS / 2);
    rig.block();
    assert_eq!(rig.asked(), NOTHING, "it is under way");
    rig.answer(OpenOrders, 0, true);
    rig.answer(Positions, 0, true);
    assert_eq!(rig.answer_round(), [Balance]);
    rig.wait(30 * SECOND + 1);
    rig.quote();
    rig.block();
    assert_eq!(rig.asked(), [OpenOrders]);
    rig.answer(OpenOrders, 0, false);
    rig.block();
    assert_eq!(rig.asked(), NOTHING, "not within a second");
}

#[test]
fn a_reduce_only_refusal_asks_what_is_left() {
    let mut rig = Rig::long();
    rig.wait(2 * SECOND);
    let exit = rig.exit(OrderKind::Market, true);
    let reject = VenueEvent::Reject { reason: RejectReason::ReduceOnly };
    rig.venue(ClientRef::Own(exit), reject);
    let [(OpenOrders, revision)] = rig.probes()[..] else { panic!("{:?}", rig.probes()) };
    rig.answer(OpenOrders, revision, true);
    // A view from before our last activity is no answer to the question: it is asked again.
    let [(Positions, revision)] = rig.probes()[..] else { panic!("{:?}", rig.probes()) };
    rig.answer(Positions, revision - 1, true);
    rig.answer(Positions, revision, false);
    rig.tick_after(2 * SECOND);
    assert_eq!(rig.asked(), [OpenOrders, Positions], "the list first, and what failed");
    assert!(rig.engine.kernel().wants_positions());
}

#[test]
fn what_the_kernel_wants_to_see_is_asked_for_until_it_has_come() {
    let settings = Settings::default();
    let lag_ns = settings.guard_view_lag_ns;
    let mut rig = Rig::new(settings);
    rig.quote();
    rig.control(Control::Recover);
    let begun = rig.now;
    assert_eq!(rig.answer_round(), ROUND);
    while rig.now.since(begun) < lag_ns - GAP_NS {
        assert!(rig.engine.kernel().wants_positions(), "views may lag behind the restart");
        rig.tick_after(GAP_NS);
        assert_eq!(rig.answer_round(), ROUND);
    }
    rig.tick_after(GAP_NS);
    assert_eq!(rig.answer_round(), ROUND);
    assert!(rig.now.since(begun) >= lag_ns && rig.engine.kernel().is_recovering());
    assert!(rig.engine.kernel().wants_positions(), "an empty list is believed the second time");
    rig.tick_after(GAP_NS);
    assert_eq!(rig.asked(), [OpenOrders]);
    rig.answer_round();
    assert!(!rig.engine.kernel().wants_positions() && !rig.engine.kernel().is_recovering());
}

#[test]
fn a_freeze_asks_at_once_and_more_often_until_it_thaws() {
    let mut rig = Rig::ready();
    rig.wait(2 * SECOND);
    let wallet = Maybe::some(Money::from_whole(1));
    let event =
        VenueEvent::Balance { wallet, available: wallet, used: Maybe::NONE, maint: Maybe::NONE };
    rig.venue(ClientRef::Absent, event);
    assert!(rig.engine.kernel().is_frozen());
    assert_eq!(rig.asked(), [OpenOrders, Balance]);
    rig.answer(OpenOrders, 0, true);
    rig.answer(Positions, 0, true);
    rig.venue(ClientRef::Absent, event);
    let mut rounds = 0;
    for _ in 0..10 {
        rig.tick_after(SECOND);
        rounds += usize::from(rig.asked().contains(&OpenOrders));
        if rig.asked().contains(&OpenOrders) {
            rig.answer(OpenOrders, 0, true);
            rig.answer(Positions, 0, true);
        }
        rig.venue(ClientRef::Absent, event);
    }
    assert_eq!(rounds, 5, "every two seconds instead of every ten");
}

#[test]
fn a_saved_prober_goes_on_where_it_was() {
    let mut rig = Rig::new(Settings::default());
    rig.quote();
    let saved = postcard::to_allocvec(&rig.engine.prober).expect("saved");
    rig.engine.prober = postcard::from_bytes(&saved).expect("read");
    rig.tick_after(SECOND);
    assert_eq!(rig.asked(), NOTHING, "the probe under way is known");
    rig.answer(OpenOrders, 0, true);
    assert_eq!(rig.asked(), [Positions]);
}

#[test]
fn a_turn_full_of_commands_asks_in_the_next() {
    let mut rig = Rig::new(Settings::default());
    rig.out.begin(rig.now, rig.now);
    let cancel = crate::msg::Command::Cancel {
        client: ClientId::new(7, 1),
        venue_id: crate::id::TextId::EMPTY,
        instrument: asset(),
    };
    while rig.out.command(cancel) {}
    let Rig { engine, out, now, .. } = &mut rig;
    engine.prober.turn(*now, &Input::Tick, &engine.kernel, &engine.settings, out);
    assert_eq!(rig.asked(), NOTHING);
    rig.tick_after(1);
    assert_eq!(rig.asked(), [OpenOrders]);
}
