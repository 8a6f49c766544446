//! Each thing that moves money is booked once, at its own value, and only when it can be.

use super::outside::forced;
use super::rig::*;
use crate::kernel::stage::SlotStage as S;
use crate::kernel::{Code, Verdict};
use crate::msg::record::BlockReason as B;
use crate::msg::venue::VenueOrderState as V;
use crate::msg::{ClientRef, Control, Input, Maybe, PositionSide, Record, VenueEvent, VenueMsg};
use crate::units::{Money, Nanos};

/// An account message with a time of the venue's.
fn dated(rig: &mut Rig, at: i64, event: VenueEvent) -> Verdict {
    rig.input(Input::Venue(VenueMsg {
        ts_exch_ns: Maybe::some(Nanos::new(at)),
        ts_recv_ns: rig.now,
        client: ClientRef::Absent,
        instrument: Some(fet()),
        event,
    }))
}

fn funding(amount: &str) -> VenueEvent {
    VenueEvent::Funding { amount: money(amount), rate: Maybe::NONE }
}

fn transfer(amount: &str) -> VenueEvent {
    VenueEvent::Transfer { amount: money(amount) }
}

#[test]
fn funding_and_transfers_told_twice_are_booked_once() {
    let mut rig = Rig::ready();
    for event in [funding("-1"), transfer("100")] {
        assert_eq!(dated(&mut rig, 7, event), Verdict::OK);
        let booked = rig.capital();
        assert_eq!(dated(&mut rig, 7, event), no(Code::DuplicateEvent));
        assert_eq!(rig.capital(), booked);
        assert_eq!(dated(&mut rig, 8, event), Verdict::OK, "another time is another one");
    }
    assert_eq!(dated(&mut rig, 7, funding("-2")), Verdict::OK, "another amount is another one");
    assert_eq!(dated(&mut rig, 7, transfer("-1")), Verdict::OK, "another kind is another one");
    assert_eq!((rig.kernel.ledger().funding(), rig.capital()), (money("4"), money("25195")));
    // Nothing says which one a message without a time is.
    for total in ["25295", "25395"] {
        assert_eq!(rig.account(Some(fet()), transfer("100")), Verdict::OK);
        assert_eq!(rig.capital(), money(total));
    }
}

#[test]
fn as_many_fundings_as_can_be_repeated_are_remembered() {
    let mut rig = Rig::ready();
    for at in 0..300 {
        assert_eq!(dated(&mut rig, at, funding("-1")), Verdict::OK);
    }
    for at in 44..300 {
        assert_eq!(dated(&mut rig, at, funding("-1")), no(Code::DuplicateEvent), "{at}");
    }
    assert_eq!(rig.kernel.ledger().funding(), money("300"));
}

/// A fee of the settings: 0.05 % of 200.
#[test]
fn a_fee_above_the_value_of_its_fill_is_not_booked_and_freezes() {
    let told = |fee| Fill { id: "E", qty: "1000", price: "0.2", fee, ..Fill::default() };
    for absurd in ["-200.00000001", "500"] {
        let mut rig = Rig::ready();
        let entry = rig.enter(PositionSide::Long, "1000");
        let fill = Fill { client: Some(entry), ..told(Some(absurd)) };
        assert_eq!(rig.fill(fill), Verdict::OK, "the position is there all the same");
        assert_eq!(rig.kernel.ledger().fees(), money("0.1"), "as predicted");
        assert_eq!(errors(&rig), ["a fee above the value of its fill"]);
        assert!(rig.kernel.is_frozen());

        let mut rig = Rig::ready();
        let entry = rig.enter(PositionSide::Long, "1000");
        rig.fill(Fill { client: Some(entry), ..told(None) });
        let settled = |fee| VenueEvent::FeeSettled { fill_id: id("E"), fee: money(fee) };
        assert_eq!(rig.own(entry, settled(absurd)), no(Code::Violation));
        assert_eq!(rig.kernel.ledger().fees(), money("0.1"));
        assert!(rig.kernel.is_frozen());
        assert_eq!(rig.own(entry, settled("-200")), Verdict::OK, "the edge is believed");
        assert_eq!(rig.kernel.ledger().fees(), money("200"));
    }
}

/// Of 3 bought at 10.0001, 10.0001 and 10.0002 the average has more than eight decimals.
#[test]
fn a_fill_that_an_average_told_first_is_booked_at_its_own_value_when_it_comes() {
    for side in [PositionSide::Long, PositionSide::Short] {
        let mut rig = Rig::ready();
        let entry = rig.enter(side, "300");
        assert_eq!(status(&mut rig, entry, V::Filled, "300", Some("0.20003333")), Verdict::OK);
        assert_eq!(rig.slot().entry_cost(), money("60.009999"));
        // A third of it leaves before the fills come.
        let exit = rig.exit(Some("100"));
        rig.filled(exit, "X1", "100", "0.21");
        for (name, at) in [("F1", "0.2"), ("F2", "0.2"), ("F3", "0.2001")] {
            let fill = Fill { client: Some(entry), id: name, qty: "100", price: at, ..bare() };
            assert_eq!(rig.fill(fill), Verdict::OK);
            assert_eq!(rig.fill(fill), no(Code::DuplicateEvent));
        }
        assert_eq!(rig.slot().position().entry_notional, money("60.01"));
        assert_eq!(rig.slot().size(), qty("200"));
        let exit = rig.exit(None);
        rig.filled(exit, "X2", "200", "0.21");
        let gain = if side == PositionSide::Long { "2.99" } else { "-2.99" };
        assert_eq!(rig.kernel.ledger().realized(), money(gain), "{side:?}");
        assert_eq!(rig.stage(), S::TradeTerminalWritten);
    }
}

/// A fill that tells no total is faster than an older one, and is taken for a part of what was inferred.
#[test]
fn a_fill_taken_for_another_one_is_booked_when_that_one_comes() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1220");
    rig.fill(Fill {
        client: Some(entry),
        id: "F1",
        qty: "790",
        cum: Some("790"),
        ..cheap("-0.079")
    });
    assert_eq!(status(&mut rig, entry, V::PartiallyFilled, "1200", Some("0.2")), Verdict::OK);
    let last = Fill { client: Some(entry), id: "F3", qty: "20", ..cheap("-0.002") };
    assert_eq!(rig.fill(last), Verdict::OK);
    assert_eq!(rig.slot().size(), qty("1200"));
    let late = Fill { id: "F2", qty: "410", cum: Some("1200"), ..last };
    assert_eq!(rig.fill(Fill { fee: Some("-0.041"), ..late }), Verdict::OK);
    assert_eq!(rig.slot().size(), qty("1220"));
    assert_eq!((rig.stage(), rig.slot().entry_cost()), (S::PositionOpen, money("244")));
    assert_eq!(rig.kernel.ledger().fees(), money("0.122"));
    for again in [last, late] {
        assert_eq!(rig.fill(again), no(Code::DuplicateEvent));
    }
}

fn cheap(fee: &'static str) -> Fill<'static> {
    Fill { price: "0.2", fee: Some(fee), ..Fill::default() }
}

fn bare() -> Fill<'static> {
    Fill { fee: Some("0"), ..Fill::default() }
}

#[test]
fn the_same_holds_for_an_exit_and_after_the_round_trip_is_over() {
    for (side, gain) in [(PositionSide::Long, "0.3301"), (PositionSide::Short, "-0.3301")] {
        let mut rig = Rig::ready();
        let entry = rig.enter(side, "33");
        rig.filled(entry, "E", "33", "0.2");
        let exit = rig.exit(None);
        assert_eq!(status(&mut rig, exit, V::Filled, "33", Some("0.21000303")), Verdict::OK);
        assert_eq!(rig.stage(), S::TradeTerminalWritten);
        for (name, size, at) in [("X1", "32", "0.21"), ("X2", "1", "0.2101")] {
            let fill = Fill { client: Some(exit), id: name, qty: size, price: at, ..bare() };
            assert_eq!(rig.fill(fill), Verdict::OK);
        }
        assert_eq!(rig.kernel.ledger().realized(), money(gain), "{side:?}");
        let priced = |record: &&Record| matches!(record, Record::FillPriced { .. });
        assert_eq!(rig.records.iter().filter(priced).count(), 2, "each difference has its line");
        let summed = rig.records.iter().filter_map(|record| match record {
            Record::FillPriced { estimated, notional, .. } => Some(*notional - *estimated),
            _ => None,
        });
        let summed = summed.fold(Money::ZERO, |sum, difference| sum + difference);
        assert_eq!(summed, money("0.00000001"), "0.00000001 was lost by the average");
    }
}

#[test]
fn a_forced_close_of_more_than_we_hold_closes_ours_and_is_an_alarm() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    assert_eq!(rig.account(Some(fet()), forced("L", "1500", "0.1", Some("-3"))), Verdict::OK);
    assert_eq!(rig.stage(), S::TradeTerminalWritten);
    assert_eq!(rig.capital(), money("24898"), "100 of price, 2 of 3 of the fee");
    assert_eq!(errors(&rig), ["a forced close of more than we hold"]);
    assert_eq!(rig.guard(), Err(B::EntryFrozen));
    assert!(rig.kernel.wants_positions());
}

/// Told with more than ours, and without an identity: the same one again is not booked on the next trip.
#[test]
fn a_forced_close_without_an_identity_is_known_by_what_it_told() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let at = rig.now;
    let bare = |rig: &mut Rig| {
        rig.input(Input::Venue(VenueMsg {
            ts_exch_ns: Maybe::some(at),
            ts_recv_ns: rig.now,
            client: ClientRef::Absent,
            instrument: Some(fet()),
            event: forced("", "1500", "0.1", Some("-3")),
        }))
    };
    assert_eq!(bare(&mut rig), Verdict::OK);
    rig.control(Control::Resume);
    rig.wait(5 * SECOND).wallet("24898");
    rig.quote(fet(), "0.1878", "0.1879");
    rig.probe(&[]);
    let entry = rig.enter(PositionSide::Long, "1000");
    rig.filled(entry, "E2", "1000", "0.2");
    assert_eq!(bare(&mut rig), no(Code::DuplicateEvent));
    assert_eq!(rig.slot().size(), qty("1000"));
}
