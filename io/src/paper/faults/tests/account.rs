//! What others do to the account, and the venue's own time.

use pinion_core::msg::{ClientRef, PositionSide, TimeInForce, VenueEvent};
use pinion_core::units::{Money, Nanos};

use super::{
    MS, Rig, SECOND, Truth, buy, fills, first_fill, id, is_foreign, lines, plan, qty, wallets,
};
use crate::paper::Owner;
use crate::paper::faults::plan::MILLION;
use crate::paper::faults::{Fault, Instance};

#[test]
fn others_trade_where_we_are() {
    let mut rig = Rig::sure(&["foreign_same"]);
    rig.send(buy("1"));
    for _ in 0..30 {
        let told = rig.wait(SECOND);
        let msg = first_fill(&told);
        assert!(is_foreign(msg) && msg.instrument == Some(id(0)), "{msg:?}");
        let ours = rig.venue.venue().positions()[0];
        assert_eq!((ours.side, ours.own), (PositionSide::Long, qty("1")), "ours stays ours");
    }
    let truth = rig.truth();
    let foreign = |reducing: bool| {
        truth.iter().any(|truth| {
            matches!(truth, Truth::Fill { owner: Owner::Foreign, reduces, .. } if *reduces == reducing)
        })
    };
    assert!(foreign(true) && foreign(false));
    let same_size = truth.iter().any(|truth| match truth {
        Truth::Fill { owner: Owner::Foreign, qty: size, .. } => *size == qty("1"),
        _ => false,
    });
    assert!(same_size, "as large as ours");
}

#[test]
fn others_trade_elsewhere() {
    let mut rig = Rig::sure(&["foreign_other"]);
    rig.send(buy("1"));
    let told = rig.wait(SECOND);
    let msg = first_fill(&told);
    assert!(is_foreign(msg) && msg.instrument == Some(id(1)), "{msg:?}");
    assert_eq!(rig.held(), qty("1"));
}

#[test]
fn money_comes_and_goes() {
    let mut rig = Rig::sure(&["transfer"]);
    let before = rig.venue.venue().account().wallet;
    let told = rig.wait(SECOND);
    let VenueEvent::Transfer { amount } = told[0].event else { panic!("{:?}", lines(&told)) };
    assert_eq!(rig.venue.venue().account().wallet, before + amount);
    assert_eq!(wallets(&told), [Some(before + amount)]);
    assert_eq!(rig.truth(), [Truth::Transfer { at: Nanos::new(2 * SECOND), amount }]);
}

#[test]
fn a_hand_closes_and_a_hand_opens() {
    let mut rig = Rig::sure(&["hand_close"]);
    rig.send(buy("1"));
    let told = rig.wait(SECOND);
    assert_eq!((first_fill(&told).client, rig.held()), (ClientRef::Absent, qty("0")));
    assert_eq!(fills(&told)[0].0, qty("1"));

    let mut rig = Rig::sure(&["hand_open"]);
    let told = rig.wait(SECOND);
    assert_eq!(first_fill(&told).client, ClientRef::Absent);
    let position = rig.venue.venue().positions()[0];
    assert!(position.own.is_zero() && position.qty.is_positive());
}

#[test]
fn the_driver_s_hand_does_what_it_is_told() {
    let mut rig = Rig::new(&plan(&[]));
    let now = rig.now();
    assert!(!rig.venue.close_outside(now, id(0), PositionSide::Long), "nothing to close");
    assert!(rig.venue.open_outside(now, id(0), PositionSide::Short, qty("2")));
    assert_eq!(lines(&rig.wait(0)), ["fill 2@100"]);
    assert!(rig.venue.close_outside(now, id(0), PositionSide::Short));
    assert_eq!(lines(&rig.wait(0)), ["fill 2@100.1"]);
    rig.venue.transfer(now, Money::from_whole(-3));
    assert_eq!(lines(&rig.wait(0)), ["transfer"]);
    let kinds: Vec<bool> =
        rig.truth().iter().map(|truth| matches!(truth, Truth::Transfer { .. })).collect();
    assert_eq!(kinds, [false, false, true]);
}

#[test]
fn funding_comes_out_of_its_schedule_and_says_what_is_ours() {
    let mut rig = Rig::sure(&["funding"]);
    let now = rig.now();
    rig.send(buy("1"));
    assert!(rig.venue.open_outside(now, id(0), PositionSide::Long, qty("3")));
    let due = rig.venue.venue().positions()[0].funding_due;
    rig.truth();
    assert!(lines(&rig.wait(SECOND)).contains(&String::from("funding")));
    let truth = rig.truth();
    let [Truth::Funding { amount, ours, .. }] = truth[..] else { panic!("{truth:?}") };
    assert!(amount < Money::ZERO, "longs pay");
    assert_eq!(ours, amount.share(qty("1"), qty("4")).expect("a share"));
    assert_eq!(rig.venue.venue().positions()[0].funding_due, due, "the schedule stays");
}

#[test]
fn a_request_or_a_message_takes_longer_and_the_next_ones_wait() {
    let mut rig = Rig::new(&plan(&[("order_jump", MILLION), ("jump_ns_max", MS)]));
    assert_eq!(lines(&rig.send(buy("1"))), [""; 0]);
    assert_eq!(lines(&rig.wait(MS)), ["ack", "fill 1@100.1"]);
    let mut rig = Rig::new(&plan(&[("reply_jump", MILLION), ("jump_ns_max", MS)]));
    rig.wait(10 * MS);
    assert_eq!(lines(&rig.send(buy("1"))), [""; 0]);
    assert_eq!(rig.held(), qty("1"), "done, not yet told");
    assert_eq!(lines(&rig.wait(MS - 1)), [""; 0]);
    assert_eq!(lines(&rig.wait(1)), ["ack", "fill 1@100.1"]);
    // The jump of the first is over, and nothing goes wrong any more: the second comes with it all the same.
    let jump = Instance { fault: Fault::ReplyJump, opportunity: rig.count("reply_jump") };
    rig.venue.allow(Some(&[jump]));
    assert_eq!(lines(&rig.send(buy("1"))), [""; 0]);
    assert_eq!(lines(&rig.wait(MS)), ["ack", "fill 1@100.1"]);
}

#[test]
fn the_venue_s_clock_is_off_to_either_side() {
    let mut rig = Rig::sure(&["clock_off"]);
    let (mut ahead, mut behind) = (0, 0);
    for _ in 0..20 {
        for msg in rig.send(buy("0.1")) {
            let off = msg.ts_exch_ns.get().expect("a time").since(rig.now());
            assert!((MS..=2 * SECOND).contains(&off.abs()), "{off}");
            ahead += u32::from(off > 0);
            behind += u32::from(off < 0);
        }
    }
    assert!(ahead > 10 && behind > 10, "{ahead} ahead, {behind} behind");
}

#[test]
fn a_stalled_venue_catches_up() {
    let mut rig = Rig::new(&plan(&[("stall", MILLION), ("stall_ns_max", 500 * MS)]));
    let mut late = 0;
    for _ in 0..10 {
        rig.wait(SECOND - rig.at % SECOND);
        late += u32::from(lines(&rig.send(buy("0.1"))).is_empty());
        assert_eq!(lines(&rig.wait(501 * MS)).len() % 2, 0);
    }
    assert_eq!(late, 10);
    assert_eq!(rig.held(), qty("1"), "and everything was done");
}

#[test]
fn a_halt_refuses_orders_and_matches_nothing() {
    let mut rig = Rig::new(&plan(&[("halt", MILLION), ("halt_ns_max", SECOND)]));
    rig.send(buy("1").limit(TimeInForce::Gtc, "99"));
    rig.wait(SECOND);
    assert_eq!(lines(&rig.send(buy("1"))), ["reject not_trading"]);
    rig.quote(0, "97", "98");
    assert_eq!(lines(&rig.wait(0)), [""; 0]);
    rig.venue.heal(rig.now());
    rig.quote(0, "97", "97.9");
    assert_eq!(fills(&rig.wait(0)).len(), 1, "trading again");
}
