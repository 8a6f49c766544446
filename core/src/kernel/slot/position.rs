//! Money of one round trip: cost basis, result, costs.
//!
//! A fill's notional is price × quantity, rounded once to eight decimals. The entry basis is the sum of
//! the entry notionals; an exit takes its share of what is left of it, the last exit takes all that is
//! left. So the result of a flat round trip is the signed cash flow of its fills to the last digit.
//! Leverage appears nowhere.

use crate::kernel::ledger::Overflow;
use crate::msg::{OrderRole, PositionSide};
use crate::units::{Money, Nanos, Price, Qty};
use serde::{Deserialize, Serialize};

/// The position of one round trip. All checked: an overflow leaves it as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Direction.
    pub side: PositionSide,
    /// What remains.
    pub size: Qty,
    /// Quantity of all entry fills.
    pub entered: Qty,
    /// Notional of all entry fills.
    pub entry_notional: Money,
    /// The part of it that belongs to what remains.
    pub cost: Money,
    /// Notional of all exit fills.
    pub exit_notional: Money,
    /// Gross result of what was closed.
    pub realized: Money,
    /// Fees; positive is a cost.
    pub fees: Money,
    /// Funding; positive was paid.
    pub funding: Money,
    /// Time of the first entry fill; missing for an adopted position.
    pub opened_ns: Option<Nanos>,
    /// Time of the last exit fill.
    pub last_exit_ns: Option<Nanos>,
}

impl Position {
    /// Nothing yet.
    #[must_use]
    pub const fn new(side: PositionSide) -> Self {
        Self {
            side,
            size: Qty::ZERO,
            entered: Qty::ZERO,
            entry_notional: Money::ZERO,
            cost: Money::ZERO,
            exit_notional: Money::ZERO,
            realized: Money::ZERO,
            fees: Money::ZERO,
            funding: Money::ZERO,
            opened_ns: None,
            last_exit_ns: None,
        }
    }

    /// A position that somebody else opened, at this entry notional. Who opened it and when is not known,
    /// so that `opened_ns` stays missing.
    #[must_use]
    pub const fn adopted(side: PositionSide, qty: Qty, notional: Money) -> Self {
        Self {
            size: qty,
            entered: qty,
            entry_notional: notional,
            cost: notional,
            ..Self::new(side)
        }
    }

    /// Takes in an entry fill.
    ///
    /// # Errors
    /// [`Overflow`]; nothing changed.
    pub fn enter(&mut self, now: Nanos, qty: Qty, notional: Money) -> Result<(), Overflow> {
        let mut next = Self {
            size: self.size.checked_add(qty).ok_or(Overflow)?,
            entered: self.entered.checked_add(qty).ok_or(Overflow)?,
            entry_notional: self.entry_notional.checked_add(notional).ok_or(Overflow)?,
            cost: self.cost.checked_add(notional).ok_or(Overflow)?,
            opened_ns: self.opened_ns.or(Some(now)),
            ..*self
        };
        if planted!(D04BasisLastFill) {
            next.cost = notional.share(next.size, qty).ok_or(Overflow)?;
        }
        *self = next;
        Ok(())
    }

    /// Takes in an exit fill of at most the size, and gives its gross result.
    ///
    /// # Errors
    /// [`Overflow`], also for a quantity above the size; nothing changed.
    pub fn exit(&mut self, now: Nanos, qty: Qty, notional: Money) -> Result<Money, Overflow> {
        // The whole size takes the whole cost: cost × size ÷ size has no rounding.
        let basis = self.cost.share(qty, self.size).ok_or(Overflow)?;
        let size = self.size.checked_sub(qty).filter(|left| *left >= Qty::ZERO).ok_or(Overflow)?;
        let result = match self.side {
            PositionSide::Long => notional.checked_sub(basis),
            PositionSide::Short => basis.checked_sub(notional),
        }
        .ok_or(Overflow)?;
        let next = Self {
            size,
            cost: self.cost.checked_sub(basis).ok_or(Overflow)?,
            exit_notional: self.exit_notional.checked_add(notional).ok_or(Overflow)?,
            realized: self.realized.checked_add(result).ok_or(Overflow)?,
            last_exit_ns: Some(now),
            ..*self
        };
        *self = next;
        Ok(result)
    }

    /// The entry fills, or the exit fills, were worth `difference` more than was booked. Gives what that does to
    /// the result so far: of another entry value the share that belongs to what was closed, of another exit
    /// value all of it. `None`, and nothing changed, when it does not fit.
    pub(in crate::kernel) fn reprice(
        &mut self,
        role: OrderRole,
        difference: Money,
    ) -> Option<Money> {
        let mut next = *self;
        let paid = match role {
            OrderRole::Entry => {
                let kept = difference.share(self.size, self.entered)?;
                next.entry_notional = self.entry_notional.checked_add(difference)?;
                next.cost = self.cost.checked_add(kept)?;
                difference.checked_sub(kept)?
            }
            OrderRole::Exit => {
                next.exit_notional = self.exit_notional.checked_add(difference)?;
                Money::ZERO.checked_sub(difference)?
            }
        };
        let result = match self.side {
            PositionSide::Long => Money::ZERO.checked_sub(paid)?,
            PositionSide::Short => paid,
        };
        next.realized = self.realized.checked_add(result)?;
        *self = next;
        Some(result)
    }

    /// Gives back what was booked as closed and was not, at most what was closed; the change of the gross
    /// result. What comes back has its even share of the entry notional of everything that was closed, so
    /// that the result stays the cash flow less the cost of what remains, to the last digit.
    ///
    /// # Errors
    /// [`Overflow`], also for a quantity above what was closed; nothing changed.
    pub fn give_back(&mut self, qty: Qty, notional: Money) -> Result<Money, Overflow> {
        let spent = self.entry_notional.checked_sub(self.cost).ok_or(Overflow)?;
        let exited = Some(self.exited()).filter(|exited| *exited >= qty).ok_or(Overflow)?;
        let basis = spent.share(qty, exited).ok_or(Overflow)?;
        let result = match self.side {
            PositionSide::Long => basis.checked_sub(notional),
            PositionSide::Short => notional.checked_sub(basis),
        }
        .ok_or(Overflow)?;
        let next = Self {
            size: self.size.checked_add(qty).ok_or(Overflow)?,
            cost: self.cost.checked_add(basis).ok_or(Overflow)?,
            exit_notional: self.exit_notional.checked_sub(notional).ok_or(Overflow)?,
            realized: self.realized.checked_add(result).ok_or(Overflow)?,
            ..*self
        };
        *self = next;
        Ok(result)
    }

    /// Result of closing what remains at `price`; `None` when it does not fit.
    #[must_use]
    pub fn unrealized_at(&self, price: Price) -> Option<Money> {
        let value = price.notional(self.size)?;
        match self.side {
            PositionSide::Long => value.checked_sub(self.cost),
            PositionSide::Short => self.cost.checked_sub(value),
        }
    }

    /// Quantity that was closed.
    #[must_use]
    pub fn exited(&self) -> Qty {
        self.entered - self.size
    }

    /// VWAP of the entry fills; `None` before the first.
    #[must_use]
    pub fn entry_price(&self) -> Option<Price> {
        self.entry_notional.per(self.entered)
    }

    /// VWAP of the exit fills; `None` before the first.
    #[must_use]
    pub fn exit_price(&self) -> Option<Price> {
        self.exit_notional.per(self.exited())
    }

    /// Result after fees and funding; `None` when it does not fit.
    #[must_use]
    pub fn net(&self) -> Option<Money> {
        self.realized.checked_sub(self.fees)?.checked_sub(self.funding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fill(price: &str, qty: &str) -> (Qty, Money) {
        let price: Price = price.parse().expect("price");
        let qty: Qty = qty.parse().expect("qty");
        (qty, price.notional(qty).expect("fits"))
    }

    proptest! {
        /// Whatever was closed and given back: the result is the cash flow less the cost of what is left, and
        /// at the end the cash flow.
        #[test]
        fn what_is_given_back_leaves_the_result_the_cash_flow(
            entries in prop::collection::vec((1i64..2_000_000, 1i64..900_000_000), 1..5),
            steps in prop::collection::vec((1i64..2_000_000, 1i64..900_000_000, any::<bool>()), 1..9),
            is_long in any::<bool>(),
        ) {
            let side = if is_long { PositionSide::Long } else { PositionSide::Short };
            let mut position = Position::new(side);
            for (price, qty) in entries {
                let (price, qty) = (Price::from_raw(price), Qty::from_raw(qty));
                position.enter(Nanos::ZERO, qty, price.notional(qty).expect("fits")).expect("fits");
            }
            let holds = |position: &Position| {
                let spent = position.entry_notional - position.cost;
                let flow = position.exit_notional - spent;
                position.realized == if is_long { flow } else { Money::ZERO - flow }
            };
            let mut closed: std::vec::Vec<(Qty, Money)> = std::vec::Vec::new();
            for (price, qty, back) in steps {
                if back && let Some((qty, notional)) = closed.pop() {
                    let before = position.realized;
                    let change = position.give_back(qty, notional).expect("it was closed");
                    prop_assert_eq!(position.realized - before, change);
                } else {
                    let qty = Qty::from_raw(qty).min(position.size);
                    let notional = Price::from_raw(price).notional(qty).expect("fits");
                    if qty.is_positive() {
                        position.exit(Nanos::ZERO, qty, notional).expect("fits");
                        closed.push((qty, notional));
                    }
                }
                prop_assert!(holds(&position), "{:?}", position);
            }
            let exited = position.exited();
            let more = exited.checked_add(Qty::from_raw(1)).expect("fits");
            prop_assert_eq!(position.give_back(more, Money::ZERO), Err(Overflow));
            if position.size.is_positive() {
                position.exit(Nanos::ZERO, position.size, Money::ZERO).expect("fits");
            }
            prop_assert!(position.cost.is_zero() && holds(&position));
        }
    }

    #[test]
    fn the_basis_is_the_mean_of_all_entry_fills_not_the_last() {
        let mut position = Position::new(PositionSide::Long);
        for (price, qty) in [("10", "1"), ("11", "2"), ("13", "1")] {
            let (qty, notional) = fill(price, qty);
            position.enter(Nanos::ZERO, qty, notional).expect("fits");
        }
        assert_eq!(position.entry_price(), Some(Price::parse(b"11.25").expect("price")));
        let (qty, notional) = fill("12", "1");
        assert_eq!(
            position.exit(Nanos::ZERO, qty, notional),
            Money::parse(b"0.75").map_err(|_| Overflow)
        );
        assert_eq!(position.cost, Money::parse(b"33.75").expect("money"));
    }

    #[test]
    fn more_than_the_size_cannot_leave() {
        let mut position = Position::new(PositionSide::Short);
        let (qty, notional) = fill("10", "1");
        position.enter(Nanos::ZERO, qty, notional).expect("fits");
        let before = position;
        let (qty, notional) = fill("10", "1.00000001");
        assert_eq!(position.exit(Nanos::ZERO, qty, notional), Err(Overflow));
        assert_eq!(position, before);
    }

    proptest! {
        /// Cash flow in raw units, added up by plain integers, is the oracle.
        #[test]
        fn a_flat_round_trip_is_its_cash_flow(
            long in any::<bool>(),
            entries in prop::collection::vec((1i64..10_000_000_000_000, 1i64..1_000_000_000_000), 1..8),
            cuts in prop::collection::vec((1i64..10_000_000_000_000, 1i64..100), 0..8),
            last_price in 1i64..10_000_000_000_000,
        ) {
            let side = if long { PositionSide::Long } else { PositionSide::Short };
            let mut position = Position::new(side);
            let mut cash: i128 = 0;
            let sign = i128::from(side.sign());
            for (price, qty) in entries {
                let (price, qty) = (Price::from_raw(price), Qty::from_raw(qty));
                let notional = price.notional(qty).expect("fits");
                position.enter(Nanos::ZERO, qty, notional).expect("fits");
                cash -= sign * i128::from(notional.raw());
            }
            let mut realized: i128 = 0;
            for (price, percent) in cuts {
                let qty = Qty::from_raw(position.size.raw() / 100 * percent);
                if !qty.is_positive() || qty == position.size {
                    continue;
                }
                let notional = Price::from_raw(price).notional(qty).expect("fits");
                cash += sign * i128::from(notional.raw());
                realized += i128::from(position.exit(Nanos::ZERO, qty, notional).expect("fits").raw());
            }
            let notional = Price::from_raw(last_price).notional(position.size).expect("fits");
            cash += sign * i128::from(notional.raw());
            realized += i128::from(
                position.exit(Nanos::ZERO, position.size, notional).expect("fits").raw(),
            );
            prop_assert_eq!(realized, cash);
            prop_assert_eq!(i128::from(position.realized.raw()), cash);
            prop_assert_eq!(position.cost, Money::ZERO);
        }
    }
}
