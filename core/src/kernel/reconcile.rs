//! The comparison of our books with the venue's wallet, K − E, and what it means.
//!
//! The class of a difference: below [`DELTA_OK`] `ok`, below [`DELTA_ERROR`] `warn` (what events on their
//! way explain), else `error`, which freezes entries and never exits. The comparison is made on a balance
//! while no order of ours is open, writes nothing into the books, and is a pure function of the evidence
//! at hand: the next balance that agrees clears it, and nothing else does, least of all no balance.
//!
//! A difference of class `error` counts at once, except where a balance may simply not be of this moment:
//! - by the venue's clock it is older than what we booked last: it is not compared at all;
//! - it agrees with the capital as it stood before one of our bookings of the hot window;
//! - an order of ours was presumed never to have arrived within the hot window;
//! - the last whole position probe showed other positions than ours.
//!
//! In the last three cases the state is `warn` and no entry leaves (`unreconciled`: unknown is not
//! agreed), until a balance of the same class at least `guard.reconcile_confirm_ns` later, with nothing
//! sent or filled between, makes it an error. A freeze that stands is not softened by a doubt.
//!
//! One difference is none: when an entry fill reaches us after an exit fill that the venue made later, we
//! split the same cash otherwise between the result so far and the cost of what is left, until the
//! position is flat. What any order of the same fills could have given is `warn` at most.

use serde::{Deserialize, Serialize};

use crate::kernel::slot::position::Position;
use crate::msg::record::ReconcileState;
use crate::msg::{Maybe, PositionSide};
use crate::units::{Money, Nanos};

/// Below this the books agree.
pub const DELTA_OK: Money = Money::from_raw(1_000_000);
/// From this on the difference is not explained by events in flight.
pub const DELTA_ERROR: Money = Money::from_whole(20);

/// What a balance is compared with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    pub(super) now: Nanos,
    pub(super) capital: Money,
    pub(super) wallet: Money,
    /// What the capital could be by another order of the fills of what is open: lowest and highest.
    pub(super) range: (Money, Money),
    /// Counter of our own activity.
    pub(super) revision: u64,
    /// The balance may be from another moment than the books.
    pub(super) is_doubtful: bool,
    /// How much later a second balance must say the same.
    pub(super) confirm_ns: i64,
}

/// A difference of class error that may be explained by what is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Suspect {
    since: Nanos,
    revision: u64,
}

/// Result of the comparison. Owner: the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reconcile {
    state: ReconcileState,
    delta: Option<Money>,
    suspect: Option<Suspect>,
}

impl Reconcile {
    /// Before the first comparison.
    pub(super) const NEW: Self = Self { state: ReconcileState::Ok, delta: None, suspect: None };

    pub(super) const fn state(&self) -> ReconcileState {
        self.state
    }

    /// Capital less wallet at the last comparison.
    pub(super) const fn delta(&self) -> Option<Money> {
        self.delta
    }

    /// True while a difference of class error waits for a second balance.
    pub(super) const fn is_unconfirmed(&self) -> bool {
        self.suspect.is_some()
    }

    /// Measures. The state is what it was when a doubt stands against it.
    pub(super) fn measure(&mut self, evidence: &Evidence) {
        let delta = evidence.capital.checked_sub(evidence.wallet);
        self.delta = delta;
        let (low, high) = evidence.range;
        let class = match class(delta) {
            ReconcileState::Error if is_near(evidence.wallet, low, high) => ReconcileState::Warn,
            plain => plain,
        };
        if class != ReconcileState::Error {
            (self.state, self.suspect) = (class, None);
            return;
        }
        let before = self.suspect.filter(|suspect| suspect.revision == evidence.revision);
        let is_confirmed =
            before.is_some_and(|first| evidence.now.since(first.since) >= evidence.confirm_ns);
        if self.state == ReconcileState::Error || !evidence.is_doubtful || is_confirmed {
            (self.state, self.suspect) = (ReconcileState::Error, None);
        } else {
            let first = Suspect { since: evidence.now, revision: evidence.revision };
            (self.state, self.suspect) = (ReconcileState::Warn, before.or(Some(first)));
        }
    }
}

fn class(delta: Option<Money>) -> ReconcileState {
    let Some(delta) = delta else { return ReconcileState::Error };
    let size = delta.raw().unsigned_abs();
    if size < DELTA_OK.raw().unsigned_abs() {
        ReconcileState::Ok
    } else if size < DELTA_ERROR.raw().unsigned_abs() {
        ReconcileState::Warn
    } else {
        ReconcileState::Error
    }
}

/// True within the range, or less than an error away from it.
fn is_near(wallet: Money, low: Money, high: Money) -> bool {
    let is_below = |less: Money, more: Money| {
        less.checked_sub(more).is_some_and(|difference| difference < DELTA_ERROR)
    };
    is_below(low, wallet) && is_below(wallet, high)
}

/// How much the result so far could be lower (not positive) and higher (not negative), had the same fills
/// come in another order. Zero while every entry fill was booked before every exit fill: then only the
/// sums count. `None` when it does not fit.
pub(super) fn slack(position: &Position) -> Option<(Money, Money)> {
    let (entered, left) = (position.entry_notional, position.exit_notional);
    if !position.exited().is_positive() {
        return Some((Money::ZERO, Money::ZERO));
    }
    let basis = entered.share(position.exited(), position.entered)?;
    let cost_if_first = entered.checked_sub(basis)?;
    let off = cost_if_first.checked_sub(position.cost)?;
    if off.raw().unsigned_abs() < DELTA_OK.raw().unsigned_abs() {
        return Some((Money::ZERO, Money::ZERO));
    }
    // What left may have cost nothing of what entered, or all of it.
    let (low, high) = match position.side {
        PositionSide::Long => (left.checked_sub(entered)?, left),
        PositionSide::Short => (Money::ZERO.checked_sub(left)?, entered.checked_sub(left)?),
    };
    Some((low.checked_sub(position.realized)?, high.checked_sub(position.realized)?))
}

/// Our last bookings: what a balance that is not of this moment may still show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bookings {
    last_ns: Maybe<Nanos>,
    /// Time at the venue of what was booked last.
    venue_ns: Maybe<Nanos>,
    /// Range of the capital since the first booking of an unbroken row, the capital before it included.
    low: Money,
    high: Money,
}

impl Bookings {
    pub(super) const NONE: Self =
        Self { last_ns: Maybe::NONE, venue_ns: Maybe::NONE, low: Money::ZERO, high: Money::ZERO };

    /// Notes that the capital moved. Rows of bookings less than `window_ns` apart are kept together.
    pub(super) fn note(&mut self, now: Nanos, capital: (Money, Money), window_ns: i64) {
        let (before, after) = capital;
        if !self.is_hot(now, window_ns) {
            (self.low, self.high) = (before, before);
        }
        self.low = self.low.min(after);
        self.high = self.high.max(after);
        self.last_ns = Maybe::some(now);
    }

    /// Notes the venue's time of something that is booked, or will be: already bounded by our own clock,
    /// for a stamp from the future must not shut out every balance until then.
    pub(super) fn hear(&mut self, venue_ns: Option<Nanos>) {
        self.venue_ns = self.venue_ns.get().max(venue_ns).into();
    }

    fn is_hot(&self, now: Nanos, window_ns: i64) -> bool {
        self.last_ns.get().is_some_and(|at| now.since(at) < window_ns)
    }

    /// True for a balance that the venue made before what we booked last.
    pub(super) fn are_after(&self, venue_ns: Option<Nanos>) -> bool {
        match (self.venue_ns.get(), venue_ns) {
            (Some(booked), Some(told)) => told < booked,
            (None, _) | (_, None) => false,
        }
    }

    /// True when this wallet agrees with our capital as it stood within the hot window.
    pub(super) fn explain(&self, now: Nanos, wallet: Money, window_ns: i64) -> bool {
        self.is_hot(now, window_ns) && is_near(wallet, self.low, self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ReconcileState::{Error, Ok, Warn};

    const SECOND: i64 = Nanos::SECOND;

    fn evidence(second: i64, capital: &str, is_doubtful: bool) -> Evidence {
        Evidence {
            now: Nanos::new(second * SECOND),
            capital: capital.parse().expect("an amount"),
            wallet: Money::from_whole(100),
            range: (capital.parse().expect("an amount"), capital.parse().expect("an amount")),
            revision: 3,
            is_doubtful,
            confirm_ns: 2 * SECOND,
        }
    }

    fn measured(reconcile: &mut Reconcile, evidence: &Evidence) -> (ReconcileState, bool) {
        reconcile.measure(evidence);
        (reconcile.state(), reconcile.is_unconfirmed())
    }

    #[test]
    fn the_difference_is_measured_in_three_steps() {
        for (capital, state) in [
            ("100.00999999", Ok),
            ("99.99", Warn),
            ("119.99999999", Warn),
            ("80.00000001", Warn),
            ("80", Error),
            ("120", Error),
            ("92233720368.54775807", Error),
            ("100", Ok),
        ] {
            let mut reconcile = Reconcile::NEW;
            let result = measured(&mut reconcile, &evidence(0, capital, false));
            assert_eq!(result, (state, false), "{capital}");
        }
    }

    #[test]
    fn a_doubtful_error_needs_a_second_balance_later() {
        let mut reconcile = Reconcile::NEW;
        assert_eq!(measured(&mut reconcile, &evidence(0, "1100", true)), (Warn, true));
        assert_eq!(reconcile.delta(), Some(Money::from_whole(1000)), "told from the first on");
        assert_eq!(measured(&mut reconcile, &evidence(1, "1100", true)), (Warn, true));
        assert_eq!(measured(&mut reconcile, &evidence(2, "1100", true)), (Error, false));
        assert_eq!(measured(&mut reconcile, &evidence(3, "1100", true)), (Error, false));
    }

    #[test]
    fn a_balance_that_agrees_or_activity_of_ours_starts_the_wait_anew() {
        let mut reconcile = Reconcile::NEW;
        assert_eq!(measured(&mut reconcile, &evidence(0, "1100", true)), (Warn, true));
        assert_eq!(measured(&mut reconcile, &evidence(1, "105", true)), (Warn, false));
        assert_eq!(measured(&mut reconcile, &evidence(2, "1100", true)), (Warn, true));
        let later = |second, revision| Evidence { revision, ..evidence(second, "1100", true) };
        assert_eq!(measured(&mut reconcile, &later(4, 4)), (Warn, true));
        assert_eq!(measured(&mut reconcile, &later(5, 4)), (Warn, true));
        assert_eq!(measured(&mut reconcile, &later(6, 4)), (Error, false));
    }

    #[test]
    fn without_a_doubt_the_first_balance_decides_and_no_doubt_softens_a_freeze() {
        let mut reconcile = Reconcile::NEW;
        assert_eq!(measured(&mut reconcile, &evidence(0, "1100", true)), (Warn, true));
        assert_eq!(measured(&mut reconcile, &evidence(1, "1100", false)), (Error, false));
        assert_eq!(measured(&mut reconcile, &evidence(2, "1100", true)), (Error, false));
        assert_eq!(measured(&mut reconcile, &evidence(2, "100", true)), (Ok, false));
    }

    #[test]
    fn what_another_order_of_the_fills_could_give_is_no_error() {
        let whole = Money::from_whole;
        let between = |capital: &str| Evidence {
            range: (whole(90), whole(1_000)),
            ..evidence(0, capital, false)
        };
        let mut reconcile = Reconcile::NEW;
        assert_eq!(measured(&mut reconcile, &between("500")), (Warn, false));
        assert_eq!(measured(&mut reconcile, &between("100")), (Ok, false));
        let beyond = Evidence { range: (whole(120), whole(1_000)), ..between("500") };
        assert_eq!(measured(&mut reconcile, &beyond), (Error, false));
    }

    #[test]
    fn the_result_so_far_is_certain_unless_an_entry_came_after_an_exit() {
        use crate::units::Qty;
        let (one, whole) = (Qty::from_whole(1), Money::from_whole);
        for side in [PositionSide::Long, PositionSide::Short] {
            let mut position = Position::new(side);
            position.enter(Nanos::ZERO, one, whole(10)).expect("fits");
            position.enter(Nanos::ZERO, one, whole(40)).expect("fits");
            position.exit(Nanos::ZERO, one, whole(33)).expect("fits");
            assert_eq!(slack(&position), Some((Money::ZERO, Money::ZERO)), "the usual order");
            // The same fills, the second entry last.
            let mut late = Position::new(side);
            late.enter(Nanos::ZERO, one, whole(10)).expect("fits");
            late.exit(Nanos::ZERO, one, whole(33)).expect("fits");
            late.enter(Nanos::ZERO, one, whole(40)).expect("fits");
            assert_ne!(late.realized, position.realized);
            let (low, high) = slack(&late).expect("fits");
            let truth = position.realized - late.realized;
            assert!(low <= truth && truth <= high, "{side:?}: {low} {truth} {high}");
        }
    }

    #[test]
    fn bookings_explain_a_wallet_that_we_had_within_the_window() {
        let whole = Money::from_whole;
        let at = |second: i64| Nanos::new(second * SECOND);
        let mut bookings = Bookings::NONE;
        assert!(!bookings.explain(at(0), whole(100), 5 * SECOND));
        bookings.note(at(0), (whole(1_000), whole(1_200)), 5 * SECOND);
        bookings.note(at(4), (whole(1_200), whole(900)), 5 * SECOND);
        for (wallet, explained) in
            [(880, false), (881, true), (1_000, true), (1_219, true), (1_220, false)]
        {
            assert_eq!(bookings.explain(at(8), whole(wallet), 5 * SECOND), explained, "{wallet}");
        }
        assert!(!bookings.explain(at(9), whole(1_000), 5 * SECOND), "the window is over");
        bookings.note(at(9), (whole(900), whole(950)), 5 * SECOND);
        assert!(!bookings.explain(at(9), whole(1_000), 5 * SECOND), "a new row");
        assert!(!bookings.explain(at(9), Money::MAX, 5 * SECOND));
    }

    #[test]
    fn by_the_venues_clock_a_balance_is_before_or_after_our_last_booking() {
        let at = |ns| Some(Nanos::new(ns));
        let mut bookings = Bookings::NONE;
        assert!(!bookings.are_after(at(0)));
        bookings.hear(at(7));
        bookings.hear(None);
        bookings.hear(at(6));
        assert!(bookings.are_after(at(6)) && !bookings.are_after(at(7)));
        assert!(!bookings.are_after(None));
    }
}
