//! What the venue does to orders, fills and positions.

use pinion_core::msg::venue::RejectReason;
use pinion_core::msg::{Maybe, TimeInForce, VenueEvent};
use pinion_core::units::Money;

use crate::paper::faults::{Fault, Instance};

use super::{Order, Rig, SECOND, Truth, buy, fills, first_fill, lines, qty, sell};

#[test]
fn a_partial_match_leaves_the_rest_of_an_immediate_order_to_expire() {
    let mut rig = Rig::sure(&["partial"]);
    let told = rig.send(buy("1"));
    let [(filled, at)] = fills(&told)[..] else { panic!("{:?}", lines(&told)) };
    assert!(filled.is_positive() && filled < qty("1"));
    assert_eq!(lines(&told), ["ack", &format!("fill {filled}@{at}"), &format!("expired {filled}")]);
    assert_eq!(rig.held(), filled);
}

#[test]
fn one_lot_cannot_be_cut() {
    let mut rig = Rig::sure(&["partial", "split"]);
    rig.quote(0, "10000", "10000.1");
    assert_eq!(lines(&rig.send(buy("0.001"))), ["ack", "fill 0.001@10000.1"]);
    assert_eq!((rig.count("partial"), rig.count("split")), (0, 0));
}

#[test]
fn a_split_match_is_two_fills_of_one_price() {
    let mut rig = Rig::sure(&["split"]);
    let told = rig.send(buy("1"));
    let [(first, at), (second, also_at)] = fills(&told)[..] else { panic!("{:?}", lines(&told)) };
    assert_eq!((first + second, at), (qty("1"), also_at));
    assert!(first.is_positive() && second.is_positive());
    assert_eq!(lines(&told).len(), 3, "a whole fill speaks for itself");
}

#[test]
fn an_order_filled_short_says_nothing_and_a_look_up_says_filled() {
    let mut rig = Rig::sure(&["partial", "filled_short"]);
    let told = rig.send(buy("1"));
    let [(filled, at)] = fills(&told)[..] else { panic!("{:?}", lines(&told)) };
    assert_eq!(lines(&told), ["ack", &format!("fill {filled}@{at}")]);
    assert!(filled < qty("1"));
    assert_eq!(lines(&rig.query()), [format!("filled {filled} @{at}")]);
}

#[test]
fn a_cancel_loses_the_race_whole_or_in_part() {
    let mut rig = Rig::sure(&["cancel_race"]);
    let (mut whole, mut part) = (false, false);
    for _ in 0..20 {
        rig.send(buy("0.2").limit(TimeInForce::Gtc, "99"));
        let told = lines(&rig.cancel());
        let filled = rig.held();
        whole |= told[..] == ["fill 0.2@99", "cancel rejected unknown_order"];
        part |= told.len() == 2 && told[1].starts_with("canceled 0.") && told[1] != "canceled 0.2";
        assert!(filled.is_positive());
        assert_eq!(told.len(), 2, "{told:?}");
    }
    assert!(whole || part);
    assert!(part, "the quantity is drawn");
}

#[test]
fn fine_orders_are_refused_for_the_reason_that_the_fault_names() {
    let entry = buy("1");
    let resting = buy("1").limit(TimeInForce::PostOnly, "99");
    let cases: [(&str, Order, RejectReason); 6] = [
        ("reject_rate", entry, RejectReason::RateLimited),
        ("reject_min_notional", entry, RejectReason::MinNotional),
        ("reject_margin", entry, RejectReason::Margin),
        ("reject_price_band", resting, RejectReason::PriceBand),
        ("reject_post_only", resting, RejectReason::PostOnlyWouldTake),
        ("reject_reduce_only", sell("1"), RejectReason::ReduceOnly),
    ];
    for (fault, order, expected) in cases {
        let mut rig = Rig::sure(&[fault]);
        if order.side == sell("1").side {
            rig.send(buy("1"));
        }
        rig.truth();
        assert_eq!(lines(&rig.send(order)), [format!("reject {}", expected.as_str())]);
        let truth = rig.truth();
        assert!(
            matches!(truth[..], [Truth::Refused { reason, .. }] if reason == expected),
            "{fault}: {truth:?}"
        );
        assert_eq!(rig.count(fault), 1);
        assert_eq!(lines(&rig.query()), ["rejected 0"], "{fault}");
    }
}

#[test]
fn a_cancel_can_be_one_request_too_many() {
    let mut rig = Rig::sure(&["reject_rate"]);
    // The order itself is the first opportunity and passes, its cancel is the second.
    rig.venue.allow(Some(&[Instance { fault: Fault::RejectRate, opportunity: 1 }]));
    assert_eq!(lines(&rig.send(buy("1").limit(TimeInForce::Gtc, "99"))), ["ack"]);
    assert_eq!(lines(&rig.cancel()), ["cancel rejected rate_limited"]);
    assert_eq!(rig.venue.venue().open_orders().count(), 1);
    assert_eq!(lines(&rig.cancel()), ["canceled 0"]);
}

#[test]
fn a_reduce_only_order_is_trimmed_below_the_position() {
    let mut rig = Rig::sure(&["reduce_trim"]);
    rig.send(buy("1"));
    let told = rig.send(sell("1"));
    let [(filled, at)] = fills(&told)[..] else { panic!("{:?}", lines(&told)) };
    assert_eq!(lines(&told), ["ack", &format!("fill {filled}@{at}"), &format!("expired {filled}")]);
    assert_eq!(rig.held(), qty("1") - filled);
    assert!(rig.held().is_positive());
}

#[test]
fn an_order_taken_for_a_self_trade_expires_untouched() {
    let mut rig = Rig::sure(&["self_trade"]);
    assert_eq!(lines(&rig.send(buy("1"))), ["ack", "expired 0"]);
    assert!(rig.held().is_zero());
}

#[test]
fn a_fee_can_be_nothing_or_a_rebate() {
    let told_fee = |fault: &str| {
        let mut rig = Rig::sure(&[fault]);
        let told = rig.send(buy("1"));
        let VenueEvent::Fill { fee, .. } = first_fill(&told).event else { panic!("a fill") };
        (fee, rig.venue.venue().account().fees)
    };
    assert_eq!(told_fee("fee_zero"), (Maybe::some(Money::ZERO), Money::ZERO));
    let (told, booked) = told_fee("fee_negative");
    let told = told.get().expect("a fee");
    assert!(told.is_positive(), "a rebate is told above zero");
    assert_eq!(booked, -told);
}

#[test]
fn the_venue_closes_by_force_what_it_says() {
    for (fault, cause) in [("liquidation", "liquidation"), ("adl", "adl")] {
        let mut rig = Rig::sure(&[fault]);
        rig.send(buy("1"));
        let told = lines(&rig.wait(SECOND));
        assert_eq!(told.len(), 1, "{told:?}");
        let closed = qty("1") - rig.held();
        assert_eq!(told, [format!("forced {closed} {cause}")]);
        assert!(closed.is_positive());
        // Without a position there is nothing to close, and no opportunity.
        for _ in 0..20 {
            rig.wait(SECOND);
        }
        let count = rig.count(fault);
        assert!(rig.held().is_zero());
        rig.wait(10 * SECOND);
        assert_eq!(rig.count(fault), count);
    }
}
