//! The oracle attacked: every check must fail on a history that is doctored for it, and on no other.

use super::*;

const ONE: i64 = SCALE as i64;
const A: OrderId = (1, 1);
const B: OrderId = (1, 2);

fn oracle(slots: usize) -> Oracle {
    let row = Instrument { tick: ONE / 100, lot: ONE / 1_000, min_notional: 5 * ONE };
    Oracle::new(Rules { slots, instruments: vec![row; 2] })
}

/// An order at `at`, for the long position of `instrument`.
fn accepted(at: i64, order: OrderId, instrument: usize, buys: bool, qty: i64) -> Event {
    Event::Accepted {
        at,
        sent: at,
        order,
        instrument,
        is_long: true,
        buys,
        reduce_only: !buys,
        qty,
        limit: None,
    }
}

fn fill(number: u64, owner: Owner, reduces: bool, qty: i64, price: i64) -> Event {
    let notional = i64::try_from(rules_notional(price, qty)).expect("small");
    Event::Fill {
        at: 1,
        number,
        owner,
        instrument: 0,
        is_long: true,
        reduces,
        qty,
        price,
        notional,
        fee: 7,
    }
}

fn tell(oracle: &mut Oracle, events: &[Event]) {
    for event in events {
        assert_eq!(oracle.tell(event), Ok(()), "{event:?}");
    }
}

#[track_caller]
fn fails(found: Result<(), Breach>, check: &str) {
    assert_eq!(found.map_err(|breach| breach.check), Err(check));
}

/// Enters 10 at 100, leaves 4 at 110.
fn open_trip() -> Oracle {
    let mut oracle = oracle(1);
    let events = [
        accepted(1, A, 0, true, 10 * ONE),
        fill(1, Owner::Ours(A), false, 10 * ONE, 100 * ONE),
        Event::Ended { at: 1, order: A, cum_qty: 10 * ONE },
        accepted(2, B, 0, false, 4 * ONE),
        fill(2, Owner::Ours(B), true, 4 * ONE, 110 * ONE),
    ];
    tell(&mut oracle, &events);
    oracle
}

fn closed_trip() -> Oracle {
    let mut oracle = open_trip();
    let c = (1, 3);
    let events = [
        accepted(3, c, 0, false, 6 * ONE),
        fill(3, Owner::Ours(c), true, 6 * ONE, 90 * ONE),
        Event::Funding { at: 4, ours: -3, amount: -3 },
        Event::Transfer { at: 5, amount: 50 },
    ];
    tell(&mut oracle, &events);
    oracle
}

fn true_books() -> Books {
    // 4 × 10 − 6 × 10.
    Books { realized: -20 * ONE, fees: 21, funding: 3, transfers: 50, holdings: Vec::new() }
}

#[test]
fn a_true_history_and_true_books_pass() {
    let mut oracle = closed_trip();
    assert_eq!(oracle.check_positions(&true_books(), false), Ok(()));
    assert_eq!(oracle.check_money(&true_books()), Ok(()));
    assert_eq!(oracle.wallet(1_000 * ONE), Some(i128::from(980 * ONE - 21 - 3 + 50)));
    let held = Holding {
        instrument: 0,
        is_long: true,
        qty: 6 * ONE,
        entered: 10 * ONE,
        entry_notional: 1_000 * ONE,
        exit_notional: 440 * ONE,
        fees: 14,
    };
    let books = Books { holdings: vec![held], ..Books::default() };
    assert_eq!(open_trip().check_positions(&books, false), Ok(()));
    assert_eq!(open_trip().check_basis(&books), Ok(()));
}

#[test]
fn wrong_books_fail_to_the_last_digit() {
    let oracle = closed_trip();
    let with = |change: &dyn Fn(&mut Books)| {
        let mut books = true_books();
        change(&mut books);
        oracle.check_money(&books)
    };
    fails(with(&|books| books.realized += 1), "I10_cash_flow");
    fails(with(&|books| books.realized *= 3), "I10_cash_flow");
    fails(with(&|books| books.fees += 1), "I13_fees");
    fails(with(&|books| books.funding = -books.funding), "I13_funding");
    fails(with(&|books| books.transfers = 0), "I13_transfers");
}

#[test]
fn a_position_that_only_one_side_has_fails() {
    fails(open_trip().check_positions(&true_books(), false), "I2_position");
    let held = Holding {
        instrument: 0,
        is_long: true,
        qty: 6 * ONE,
        entered: 10 * ONE,
        entry_notional: 1_000 * ONE + 1,
        exit_notional: 440 * ONE,
        fees: 14,
    };
    let books = Books { holdings: vec![held], ..true_books() };
    fails(closed_trip().check_positions(&books, false), "I2_position");
    fails(open_trip().check_basis(&books), "I12_basis");
    let held = Holding { entry_notional: 1_000 * ONE, fees: 13, ..held };
    let books = Books { holdings: vec![held], ..true_books() };
    fails(open_trip().check_basis(&books), "I15_trip_fees");
}

#[test]
fn a_second_entry_fails_whether_the_first_is_filled_or_works() {
    let mut working = oracle(2);
    tell(&mut working, &[accepted(1, A, 0, true, ONE)]);
    fails(working.clone().tell(&accepted(2, B, 0, true, ONE)), "I1_double_entry");
    assert_eq!(working.tell(&accepted(2, B, 1, true, ONE)), Ok(()), "another slot");
    let mut held = open_trip();
    fails(held.clone().tell(&accepted(3, (1, 9), 0, true, ONE)), "I1_double_entry");
    fails(held.tell(&accepted(3, (1, 9), 1, true, ONE)), "I1_slots");
}

#[test]
fn dust_does_not_count_as_a_position() {
    let mut oracle = open_trip();
    let c = (1, 3);
    let most = 6 * ONE - ONE / 100;
    tell(
        &mut oracle,
        &[accepted(3, c, 0, false, most), fill(3, Owner::Ours(c), true, most, 100 * ONE)],
    );
    assert_eq!(oracle.tell(&accepted(4, (1, 4), 1, true, ONE)), Ok(()));
}

#[test]
fn an_entry_after_a_kill_fails_by_its_sending() {
    let mut oracle = oracle(1);
    tell(&mut oracle, &[Event::Killed { at: 10 }]);
    let late = |sent| Event::Accepted {
        at: 20,
        sent,
        order: A,
        instrument: 0,
        is_long: true,
        buys: true,
        reduce_only: false,
        qty: ONE,
        limit: None,
    };
    fails(oracle.clone().tell(&late(10)), "I21_kill");
    assert_eq!(oracle.clone().tell(&late(9)), Ok(()), "it was under way");
    tell(&mut oracle, &[Event::Resumed { at: 15 }]);
    fails(oracle.clone().tell(&late(14)), "I21_kill");
    assert_eq!(oracle.clone().tell(&late(15)), Ok(()));
    tell(&mut oracle, &[Event::Killed { at: 17 }, Event::Killed { at: 18 }]);
    fails(oracle.tell(&late(17)), "I21_kill");
}

#[test]
fn what_the_engine_took_over_is_ours_to_close_and_no_more() {
    let adopted = |qty| Event::Adopted { instrument: 0, is_long: true, qty };
    let theirs = fill(1, Owner::Foreign, false, 10 * ONE, 100 * ONE);
    let mut oracle = oracle(1);
    tell(&mut oracle, &[theirs]);
    fails(oracle.clone().tell(&accepted(2, A, 0, false, 10 * ONE)), "I6_exit_quantity");
    tell(&mut oracle, &[adopted(10 * ONE)]);
    assert_eq!((oracle.own(0, true).qty, oracle.foreign(0, true)), (10 * ONE, 0));
    fails(oracle.clone().tell(&accepted(2, A, 0, false, 11 * ONE)), "I6_exit_quantity");
    let exit =
        [accepted(2, A, 0, false, 10 * ONE), fill(2, Owner::Ours(A), true, 10 * ONE, 100 * ONE)];
    tell(&mut oracle, &exit);
    assert!(oracle.is_flat());
}

#[test]
fn a_forgotten_position_needs_a_holder_or_a_freeze() {
    let mut oracle = open_trip();
    tell(&mut oracle, &[Event::Forgotten { run: 2 }]);
    let none = Books::default();
    fails(oracle.check_positions(&none, false), "I2_position");
    assert_eq!(oracle.check_positions(&none, true), Ok(()));
    tell(&mut oracle, &[Event::Adopted { instrument: 0, is_long: true, qty: 6 * ONE }]);
    fails(oracle.check_positions(&none, true), "I2_position");
}

#[test]
fn taking_over_what_is_ours_already_changes_nothing() {
    let mut oracle = open_trip();
    tell(&mut oracle, &[fill(9, Owner::Foreign, false, 5 * ONE, 100 * ONE)]);
    tell(&mut oracle, &[Event::Adopted { instrument: 0, is_long: true, qty: 6 * ONE }]);
    assert_eq!((oracle.own(0, true).qty, oracle.foreign(0, true)), (6 * ONE, 5 * ONE));
    tell(&mut oracle, &[Event::Adopted { instrument: 0, is_long: true, qty: 11 * ONE }]);
    assert_eq!((oracle.own(0, true).qty, oracle.foreign(0, true)), (11 * ONE, 0));
}

#[test]
fn an_order_must_be_what_its_role_allows() {
    let order = |order, buys, reduce_only, qty, limit| Event::Accepted {
        at: 1,
        sent: 1,
        order,
        instrument: 0,
        is_long: true,
        buys,
        reduce_only,
        qty,
        limit,
    };
    fails(oracle(1).tell(&order(A, true, true, ONE, None)), "I6_reduce_only");
    fails(open_trip().tell(&order((1, 9), false, false, ONE, None)), "I6_reduce_only");
    let late = |qty| {
        let mut late = order((1, 9), false, true, qty, None);
        if let Event::Accepted { at, .. } = &mut late {
            *at = 100_000 * ONE;
        }
        late
    };
    fails(open_trip().tell(&late(7 * ONE)), "I6_exit_quantity");
    assert_eq!(open_trip().tell(&late(6 * ONE)), Ok(()));
    assert_eq!(
        open_trip().tell(&order((1, 9), false, true, 10 * ONE, None)),
        Ok(()),
        "not told yet"
    );
    fails(open_trip().tell(&order((1, 9), false, true, 11 * ONE, None)), "I6_exit_quantity");
    fails(oracle(1).tell(&order(A, true, false, 1, None)), "I4_steps");
    fails(oracle(1).tell(&order(A, true, false, -ONE, None)), "I4_steps");
    fails(oracle(1).tell(&order(A, true, false, ONE, Some(1))), "I4_steps");
    fails(open_trip().tell(&order(A, false, true, ONE, None)), "I4_order_once");
}

#[test]
fn a_venue_that_contradicts_itself_is_found() {
    let mut wrong = fill(3, Owner::Ours(B), true, ONE, 100 * ONE);
    fails(open_trip().tell(&wrong), "V_fill_of_order");
    fails(open_trip().tell(&fill(2, Owner::Foreign, false, ONE, ONE)), "V_fill_number");
    fails(open_trip().tell(&fill(3, Owner::Ours((1, 77)), true, ONE, ONE)), "V_order_known");
    fails(open_trip().tell(&Event::Ended { at: 1, order: (1, 77), cum_qty: 0 }), "V_order_known");
    fails(open_trip().tell(&Event::Ended { at: 1, order: B, cum_qty: 0 }), "V_order_total");
    wrong = fill(3, Owner::Foreign, false, ONE, 100 * ONE);
    if let Event::Fill { notional, .. } = &mut wrong {
        *notional += 1;
    }
    fails(open_trip().tell(&wrong), "V_notional");
}

#[test]
fn somebody_elses_fills_are_theirs_until_they_cut_into_ours() {
    let mut oracle = open_trip();
    tell(&mut oracle, &[fill(3, Owner::Foreign, false, 2 * ONE, 100 * ONE)]);
    assert_eq!((oracle.own(0, true).qty, oracle.foreign(0, true)), (6 * ONE, 2 * ONE));
    tell(&mut oracle, &[fill(4, Owner::Foreign, true, 5 * ONE, 100 * ONE)]);
    assert_eq!((oracle.own(0, true).qty, oracle.foreign(0, true)), (3 * ONE, 0));
    assert!(oracle.own(0, true).is_disturbed);
    // What could not be known is no fault of ours.
    assert_eq!(oracle.tell(&accepted(5, (1, 9), 0, false, 6 * ONE)), Ok(()));
    tell(&mut oracle, &[fill(5, Owner::Venue, true, 3 * ONE, 100 * ONE)]);
    assert!(oracle.is_flat());
}

#[test]
fn an_exit_that_eats_into_a_foreign_position_is_found() {
    let mut oracle = oracle(1);
    let events = [
        accepted(1, A, 0, true, 2 * ONE),
        fill(1, Owner::Ours(A), false, ONE, 100 * ONE),
        fill(2, Owner::Foreign, false, 5 * ONE, 100 * ONE),
        accepted(2, B, 0, false, ONE),
        accepted(3, (1, 3), 0, false, ONE),
        fill(3, Owner::Ours(B), true, ONE, 100 * ONE),
    ];
    tell(&mut oracle, &events);
    fails(oracle.tell(&fill(4, Owner::Ours((1, 3)), true, ONE, 100 * ONE)), "I6_overshoot");
}

#[test]
fn a_notional_is_rounded_half_to_even() {
    let half = SCALE as i64 / 2;
    assert_eq!([1, 2, 3, 5].map(|price| rules_notional(price, half)), [0, 1, 2, 2]);
    assert_eq!(rules_notional(-3, half), -2);
}
