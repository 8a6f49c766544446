//! What the account stream does to what it carries.

use pinion_core::msg::{ClientRef, Maybe, TimeInForce, VenueEvent, VenueMsg};
use pinion_core::units::{Money, Nanos, Qty};

use super::{MS, Rig, SECOND, buy, fills, first_fill, lines, plan, sell, wallets};
use crate::paper::faults::plan::MILLION;

fn fee_of(msg: &VenueMsg) -> Option<Money> {
    let VenueEvent::Fill { fee, .. } = msg.event else { return None };
    fee.get()
}

#[test]
fn a_late_fee_is_settled_after_its_fill() {
    let mut rig = Rig::sure(&["fee_late"]);
    let told = rig.send(buy("1"));
    assert_eq!(fee_of(first_fill(&told)), None);
    let booked = rig.venue.venue().account().fees;
    assert_eq!(lines(&rig.wait(10 * SECOND)), [format!("fee {}", -booked)]);
}

#[test]
fn an_early_fee_is_settled_before_its_fill() {
    let mut rig = Rig::sure(&["fee_early"]);
    let told = rig.send(buy("1"));
    let booked = rig.venue.venue().account().fees;
    assert_eq!(lines(&told), ["ack", &format!("fee {}", -booked), "fill 1@100.1"]);
    assert_eq!(fee_of(first_fill(&told)), None);
}

#[test]
fn a_fee_told_twice_more_is_the_same_fee() {
    let mut rig = Rig::new(&plan(&[("fee_twice", MILLION), ("fee_ns_max", SECOND)]));
    let told = rig.send(buy("1"));
    let fee = fee_of(first_fill(&told)).expect("the fill says it as well");
    // After some time up to the longest, and after as much again.
    assert_eq!(lines(&rig.wait(2 * SECOND)), [format!("fee {fee}"), format!("fee {fee}")]);
}

#[test]
fn parts_of_a_fill_are_missing_and_a_look_up_completes_it() {
    for fault in ["no_fill_id", "no_cum", "no_qty", "no_price"] {
        let mut rig = Rig::sure(&[fault]);
        let told = rig.send(buy("1"));
        let VenueEvent::Fill { fill_id, cum_qty, qty: filled, price, .. } = first_fill(&told).event
        else {
            panic!("a fill")
        };
        let missing = [
            ("no_fill_id", fill_id.is_empty()),
            ("no_cum", cum_qty == Maybe::NONE),
            ("no_qty", filled == Qty::ZERO),
            ("no_price", !price.is_positive()),
        ];
        for (part, is_missing) in missing {
            assert_eq!(is_missing, part == fault, "{fault}: {part}");
        }
        assert_eq!(lines(&rig.query()), ["filled 1 @100.1"], "{fault}");
    }
}

#[test]
fn identities_are_not_echoed() {
    let mut rig = Rig::sure(&["no_client_id"]);
    let told = rig.send(buy("60").limit(TimeInForce::Ioc, "100.1"));
    for msg in told.iter().filter(|msg| !matches!(msg.event, VenueEvent::Balance { .. })) {
        match msg.event {
            VenueEvent::Ack { .. } => assert_eq!(msg.client, ClientRef::Own(rig.last())),
            VenueEvent::Fill { venue_id, .. } | VenueEvent::Expired { venue_id, .. } => {
                assert_eq!(msg.client, ClientRef::Absent);
                assert!(!venue_id.is_empty());
            }
            _ => panic!("{msg:?}"),
        }
    }
    assert_eq!(rig.count("no_client_id"), 2, "{:?}", lines(&told));
    let mut rig = Rig::sure(&["no_ids"]);
    let told = rig.send(buy("1"));
    let msg = first_fill(&told);
    let VenueEvent::Fill { venue_id, .. } = msg.event else { panic!("a fill") };
    assert_eq!((msg.client, venue_id.is_empty()), (ClientRef::Absent, true));
}

#[test]
fn a_duplicate_is_the_same_message_later() {
    let mut rig = Rig::new(&plan(&[("duplicate", MILLION), ("duplicate_ns_max", 10 * MS)]));
    rig.wait(SECOND);
    let told = rig.send(buy("1"));
    let first = *first_fill(&told);
    assert_eq!(fills(&told).len(), 1);
    let again = rig.wait(10 * MS);
    let second = *first_fill(&again);
    assert_eq!(VenueMsg { ts_recv_ns: first.ts_recv_ns, ..second }, first);
    assert!(fills(&rig.wait(SECOND)).is_empty());
}

#[test]
fn a_message_held_back_is_overtaken() {
    let mut rig = Rig::sure(&["reorder"]);
    rig.wait(SECOND);
    assert_eq!(lines(&rig.send(buy("1"))), ["ack"]);
    assert_eq!(lines(&rig.wait(49 * MS)), [""; 0]);
    assert_eq!(lines(&rig.wait(751 * MS)), ["fill 1@100.1"]);
    // Among many, some change places.
    let mut came: Vec<Nanos> = Vec::new();
    for _ in 0..20 {
        rig.send(buy("0.1"));
        came.extend(rig.wait(10 * MS).iter().filter_map(|msg| msg.ts_exch_ns.get()));
    }
    came.extend(rig.wait(SECOND).iter().filter_map(|msg| msg.ts_exch_ns.get()));
    assert!(came.len() >= 20 && !came.is_sorted(), "{came:?}");
}

#[test]
fn what_is_lost_never_comes_and_can_be_asked_for() {
    let mut rig = Rig::sure(&["lose"]);
    assert_eq!(lines(&rig.send(buy("1"))), ["ack"]);
    assert_eq!(lines(&rig.wait(3_000 * SECOND)), [""; 0]);
    assert_eq!(lines(&rig.query()), ["filled 1 @100.1"]);
}

#[test]
fn a_silent_stream_loses_what_it_would_have_carried() {
    for (fault, seen) in [("outage", true), ("half_open", false)] {
        let mut rig = Rig::sure(&[fault]);
        rig.wait(SECOND);
        assert_eq!(rig.venue.is_stream_up(rig.now()), !seen, "{fault}");
        assert_eq!(lines(&rig.send(buy("1"))), ["ack"], "{fault}");
        assert_eq!(lines(&rig.query()), ["filled 1 @100.1"], "answers do not come by the stream");
    }
}

#[test]
fn after_an_outage_the_stream_begins_with_a_balance() {
    let mut rig = Rig::new(&plan(&[]));
    rig.venue.outage(rig.now(), 5 * SECOND);
    assert_eq!(lines(&rig.send(buy("1"))), ["ack"]);
    assert!(!rig.venue.is_stream_up(rig.now()));
    assert_eq!(rig.wait(5 * SECOND - 1), []);
    let told = rig.wait(2 * SECOND);
    assert!(rig.venue.is_stream_up(rig.now()));
    assert_eq!(lines(&told), [""; 0], "the fill never comes");
    assert_eq!(wallets(&told), [Some(rig.venue.venue().account().wallet)]);
    assert_eq!(fills(&rig.send(sell("1"))).len(), 1, "and it carries again");
}

#[test]
fn a_balance_comes_with_frames_that_mean_nothing() {
    let wallet = |rig: &Rig| Some(rig.venue.venue().account().wallet);
    let mut rig = Rig::sure(&["zero_balance"]);
    let told = rig.send(buy("1"));
    assert_eq!(wallets(&told), [Some(Money::ZERO), wallet(&rig)]);
    let mut rig = Rig::sure(&["placeholder"]);
    let told = rig.send(buy("1"));
    assert_eq!(wallets(&told), [None, wallet(&rig)]);
    let mut rig = Rig::sure(&["missing_fields"]);
    for _ in 0..10 {
        for msg in rig.send(buy("0.1")) {
            if let VenueEvent::Balance { wallet, available, used, maint } = msg.event {
                assert!([wallet, available, used, maint].contains(&Maybe::NONE));
            }
        }
    }
    assert_eq!(rig.count("missing_fields"), 10);
}
