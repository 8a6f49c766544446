//! What is remembered of fills, and what a fill must agree with.

use super::rig::{Rig, btc, fet, qty};
use crate::id::TextId;
use crate::kernel::Code;
use crate::kernel::Verdict;
use crate::kernel::fills::FILLS_MAX;
use crate::msg::{ClientRef, Input, Maybe, PositionSide, VenueEvent, VenueMsg};
use crate::units::{Money, Nanos, Qty};

fn fill(number: u64, cum: Option<u64>) -> VenueEvent {
    VenueEvent::Fill {
        venue_id: TextId::EMPTY,
        fill_id: TextId::from_number(number),
        qty: Qty::ONE,
        price: crate::units::Price::ONE,
        fee: Maybe::some(Money::ZERO),
        cum_qty: cum
            .map(|cum| Qty::from_raw(Qty::ONE.raw() * i64::try_from(cum).unwrap_or(0)))
            .into(),
        side: None,
        is_maker: Some(false),
    }
}

#[test]
fn a_fill_that_the_memory_has_lost_is_not_booked_again() {
    let mut rig = Rig::ready();
    let client = rig.enter(PositionSide::Long, "10000");
    let own = ClientRef::Own(client);
    let many = FILLS_MAX as u64 + 100;
    for number in 1..=many {
        let verdict = rig.venue(own, Some(fet()), fill(number, Some(number)));
        assert!(verdict.accepted, "{number}: {verdict:?}");
    }
    let size = rig.slot().size();
    for cum in [Some(1), None] {
        let verdict = rig.venue(own, Some(fet()), fill(1, cum));
        assert!(!verdict.accepted, "{cum:?}: {verdict:?}");
        assert_eq!(rig.slot().size(), size, "{cum:?}");
    }
    assert!(!rig.kernel.is_frozen(), "an old fill told again is no contradiction");
    let verdict = rig.venue(own, Some(fet()), fill(many + 1, Some(many + 1)));
    assert!(verdict.accepted, "what the total says is new is new");
}

#[test]
fn a_fill_in_another_asset_than_its_order_is_not_booked() {
    let mut rig = Rig::ready();
    let client = rig.enter(PositionSide::Short, "1000");
    let refused = rig.venue(ClientRef::Own(client), Some(btc()), fill(1, None));
    assert_eq!(refused.code, Code::Violation);
    assert_eq!(rig.slot().size(), Qty::ZERO);
    assert!(rig.kernel.is_frozen());
}

#[test]
fn a_total_that_adds_nothing_is_told_again_not_incomplete() {
    let mut rig = Rig::ready();
    let client = rig.enter(PositionSide::Short, "1000");
    let own = ClientRef::Own(client);
    assert!(rig.venue(own, Some(fet()), fill(1, Some(1))).accepted);
    let VenueEvent::Fill { venue_id, price, fee, side, is_maker, .. } = fill(2, Some(1)) else {
        return;
    };
    let bare = VenueEvent::Fill {
        venue_id,
        fill_id: TextId::EMPTY,
        qty: Qty::ZERO,
        price,
        fee,
        cum_qty: Maybe::some(Qty::ONE),
        side,
        is_maker,
    };
    assert_eq!(rig.venue(own, Some(fet()), bare).code, Code::DuplicateEvent);
    assert!(rig.out.commands.is_empty(), "nothing to ask");
}

#[test]
fn fills_are_known_to_the_last_one_and_no_further_than_the_first_of_an_order_under_way() {
    let mut rig = Rig::ready();
    assert_eq!(rig.kernel.fills_known_to(), None);
    let told = |rig: &mut Rig, client, number, at, (size, total)| {
        let event = VenueEvent::Fill {
            venue_id: TextId::EMPTY,
            fill_id: TextId::from_number(number),
            qty: qty(size),
            price: crate::units::Price::ONE,
            fee: Maybe::some(Money::ZERO),
            cum_qty: Maybe::some(qty(total)),
            side: None,
            is_maker: Some(false),
        };
        let message = VenueMsg {
            ts_exch_ns: Maybe::some(Nanos::new(at)),
            ts_recv_ns: rig.now,
            client: ClientRef::Own(client),
            instrument: Some(fet()),
            event,
        };
        assert_eq!(rig.input(Input::Venue(message)), Verdict::OK);
    };
    let first = rig.enter(PositionSide::Long, "1000");
    told(&mut rig, first, 1, 500, ("400", "400"));
    assert_eq!(rig.kernel.fills_known_to(), Some(Nanos::new(500)));
    told(&mut rig, first, 2, 900, ("600", "1000"));
    assert_eq!(rig.kernel.fills_known_to(), Some(Nanos::new(900)), "it is over");
    let exit = rig.exit(None);
    told(&mut rig, exit, 3, 1_500, ("300", "300"));
    told(&mut rig, exit, 4, 1_900, ("300", "600"));
    assert_eq!(rig.kernel.fills_known_to(), Some(Nanos::new(1_500)), "its first fill");
}
