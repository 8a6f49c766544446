//! What requests and answers meet on their way.

use pinion_core::msg::{ProbeKind, TimeInForce, VenueEvent};
use pinion_core::units::Price;

use super::{MS, Rig, SECOND, Truth, buy, lines, plan, price, qty, wallets};
use crate::paper::faults::plan::MILLION;

#[test]
fn a_lost_placement_is_unknown_and_never_was() {
    let mut rig = Rig::sure(&["request_lost"]);
    assert_eq!(lines(&rig.send(buy("1"))), [""; 0]);
    assert_eq!(lines(&rig.wait(5 * SECOND)), ["ambiguous"]);
    assert_eq!(rig.truth(), []);
    assert_eq!(rig.query(), []);
    assert_eq!(rig.cancel(), []);
    assert_eq!(rig.probe(ProbeKind::Positions), []);
    assert_eq!(rig.wait(60 * SECOND), []);
    assert_eq!(rig.count("request_lost"), 4);
}

#[test]
fn a_lost_response_is_unknown_and_the_order_works() {
    let mut rig = Rig::sure(&["response_lost"]);
    assert_eq!(lines(&rig.send(buy("1"))), ["fill 1@100.1"]);
    assert_eq!(lines(&rig.wait(5 * SECOND)), ["ambiguous"]);
    assert!(matches!(rig.truth()[0], Truth::Accepted { .. }));
    assert_eq!(rig.query(), []);
    for probe in ProbeKind::ALL {
        assert_eq!(rig.probe(*probe), [], "{probe:?}");
    }
    rig.send(buy("1").limit(TimeInForce::Gtc, "99"));
    assert_eq!(rig.cancel(), []);
    assert_eq!(rig.venue.venue().open_orders().count(), 0, "cancelled all the same");
}

#[test]
fn a_late_answer_comes_after_unknown() {
    let mut rig = Rig::sure(&["answer_late"]);
    assert_eq!(lines(&rig.send(buy("1"))), ["fill 1@100.1"]);
    assert_eq!(lines(&rig.wait(10 * SECOND)), ["ambiguous", "ack"]);
}

#[test]
fn a_request_sent_twice_on_the_way_is_a_duplicate_that_works() {
    let mut rig = Rig::sure(&["duplicate_id"]);
    assert_eq!(lines(&rig.send(buy("1"))), ["reject duplicate_client_id", "fill 1@100.1"]);
    assert_eq!(lines(&rig.query()), ["filled 1 @100.1"]);
}

#[test]
fn a_late_acknowledgement_comes_after_the_fill() {
    let mut rig = Rig::sure(&["ack_late"]);
    assert_eq!(lines(&rig.send(buy("1"))), ["fill 1@100.1"]);
    assert_eq!(lines(&rig.wait(800 * MS)), ["ack"]);
}

#[test]
fn nobody_hears_the_answers_to_a_process_that_is_gone() {
    let mut rig = Rig::new(&plan(&[("answer_late", MILLION), ("order_jump", MILLION)]));
    rig.send(buy("1"));
    rig.at += MS;
    rig.venue.hang_up(rig.now());
    let told = rig.wait(60 * SECOND);
    assert_eq!(lines(&told), ["fill 1@100.1"], "it arrived, and the stream tells");
    rig.query();
    assert_eq!(lines(&rig.wait(60 * SECOND)), ["filled 1 @100.1"], "the next one is answered");

    let mut rig = Rig::sure(&["answer_late"]);
    rig.send(buy("1"));
    rig.venue.hang_up(rig.now());
    assert_eq!(lines(&rig.wait(60 * SECOND)), [""; 0], "nor what was under way already");
}

#[test]
fn a_failed_view_proves_nothing() {
    let mut rig = Rig::sure(&["failed"]);
    rig.send(buy("1"));
    assert_eq!(lines(&rig.probe(ProbeKind::Positions)), ["positions failed 0 r77"]);
    assert_eq!(lines(&rig.probe(ProbeKind::OpenOrders)), ["open orders failed 0 r77"]);
    assert_eq!(rig.probe(ProbeKind::Balance), []);
    assert_eq!(rig.query(), []);
}

#[test]
fn a_young_order_may_not_be_found_and_an_old_one_is() {
    let mut rig = Rig::new(&plan(&[("not_found", MILLION), ("young_ns_max", SECOND)]));
    rig.send(buy("1"));
    assert_eq!(lines(&rig.query()), ["not_found"]);
    rig.wait(SECOND);
    assert_eq!(lines(&rig.query()), ["filled 1 @100.1"]);
}

#[test]
fn an_average_can_be_missing_or_the_nominal_price() {
    let mut rig = Rig::sure(&["no_average"]);
    rig.send(buy("1"));
    assert_eq!(lines(&rig.query()), ["filled 1"]);
    let mut rig = Rig::sure(&["nominal_price"]);
    rig.send(buy("1"));
    for _ in 0..20 {
        let told = rig.query();
        let VenueEvent::OrderStatus { avg_price, .. } = told[0].event else { panic!("a status") };
        let off: Price = avg_price.get().expect("a price") - price("100.1");
        assert!((20_020_000..=25_025_000).contains(&(off.raw().abs() / 100)), "off by {off}");
    }
}

/// Every view is one millisecond old.
fn lagging(fault: &str) -> Rig {
    let span = format!("{fault}_ns_max");
    Rig::new(&plan(&[(fault, MILLION), (&span, MS)]))
}

#[test]
fn an_old_view_of_an_order_shows_what_was() {
    let mut rig = lagging("order_lag");
    rig.send(buy("60").limit(TimeInForce::Gtc, "100.1"));
    assert_eq!(lines(&rig.query()), ["not_found"]);
    rig.wait(MS);
    assert_eq!(lines(&rig.query()), ["partially_filled 50 @100.1"]);
    assert_eq!(lines(&rig.cancel()), ["canceled 50"]);
    assert_eq!(lines(&rig.query()), ["partially_filled 50 @100.1"]);
    rig.wait(MS);
    assert_eq!(lines(&rig.query()), ["canceled 50 @100.1"]);
}

#[test]
fn old_lists_and_balances_show_what_was() {
    let mut rig = lagging("positions_lag");
    rig.send(buy("1"));
    assert_eq!(lines(&rig.probe(ProbeKind::Positions)), ["positions ok 0 r77"]);
    rig.wait(MS);
    assert_eq!(lines(&rig.probe(ProbeKind::Positions)), ["long 1", "positions ok 1 r77"]);

    let mut rig = lagging("open_orders_lag");
    rig.send(buy("60").limit(TimeInForce::Gtc, "100.1"));
    assert_eq!(lines(&rig.probe(ProbeKind::OpenOrders)), ["open orders ok 0 r77"]);
    rig.wait(MS);
    assert_eq!(lines(&rig.probe(ProbeKind::OpenOrders)), ["open 50/60", "open orders ok 1 r77"]);

    let mut rig = lagging("balance_lag");
    rig.wait(SECOND);
    let before = rig.venue.venue().account().wallet;
    rig.send(buy("1"));
    let after = rig.venue.venue().account().wallet;
    assert_eq!(wallets(&rig.probe(ProbeKind::Balance)), [Some(before)]);
    rig.wait(MS);
    assert_eq!(wallets(&rig.probe(ProbeKind::Balance)), [Some(after)]);
    assert_ne!(before, after);
}

#[test]
fn lists_come_empty_cut_or_with_a_row_twice() {
    let listed = |fault: &str| {
        let mut rig = Rig::sure(&[fault]);
        rig.send(buy("1"));
        assert_eq!(rig.held(), qty("1"));
        lines(&rig.probe(ProbeKind::Positions))
    };
    assert_eq!(listed("empty_list"), ["positions ok 0 r77"]);
    assert_eq!(listed("truncated_list"), ["positions ok 1 r77"]);
    assert_eq!(listed("duplicate_row"), ["long 1", "long 1", "positions ok 2 r77"]);
}
