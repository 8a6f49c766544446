//! Our books, K: capital from our own fills, fees and funding, and nothing else.
//!
//! `capital = starting + realized − fees − funding + transfers + adjustments`, exact at every moment. The
//! venue's wallet is compared with it ([`crate::kernel::reconcile`]) and never written into it: only a
//! re-anchor by the operator books a difference, and that stands in a column of its own.

use crate::units::Money;
use serde::{Deserialize, Serialize};

/// A sum left the range of the units. The books did not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

/// The books. Every change is whole or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    starting: Money,
    capital: Money,
    realized: Money,
    fees: Money,
    funding: Money,
    transfers: Money,
    adjustments: Money,
    peak_equity: Money,
    max_drawdown: Money,
    fills: u64,
    trades_closed: u32,
    wins: u32,
    losses: u32,
}

/// One change of the books; what is not named is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Gross result.
    pub realized: Money,
    /// Fees; positive is a cost.
    pub fees: Money,
    /// Funding; positive was paid.
    pub funding: Money,
    /// Deposits; negative for withdrawals.
    pub transfers: Money,
    /// Differences to the venue's wallet that a re-anchor took over; positive adds.
    pub adjustments: Money,
}

impl Ledger {
    /// Books with this much and no history.
    #[must_use]
    pub const fn new(starting: Money) -> Self {
        Self {
            starting,
            capital: starting,
            realized: Money::ZERO,
            fees: Money::ZERO,
            funding: Money::ZERO,
            transfers: Money::ZERO,
            adjustments: Money::ZERO,
            peak_equity: starting,
            max_drawdown: Money::ZERO,
            fills: 0,
            trades_closed: 0,
            wins: 0,
            losses: 0,
        }
    }

    /// Books a change.
    ///
    /// # Errors
    /// [`Overflow`]; nothing changed.
    pub fn book(&mut self, entry: Entry) -> Result<(), Overflow> {
        let capital = self
            .capital
            .checked_add(entry.realized)
            .and_then(|sum| sum.checked_sub(entry.fees))
            .and_then(|sum| sum.checked_sub(entry.funding))
            .and_then(|sum| sum.checked_add(entry.transfers))
            .and_then(|sum| sum.checked_add(entry.adjustments))
            .ok_or(Overflow)?;
        // A deposit is no gain and a withdrawal no loss, and neither is a correction of the books.
        let peak_equity = self
            .peak_equity
            .checked_add(entry.transfers)
            .and_then(|sum| sum.checked_add(entry.adjustments))
            .ok_or(Overflow)?;
        let next = Self {
            capital,
            realized: self.realized.checked_add(entry.realized).ok_or(Overflow)?,
            fees: self.fees.checked_add(entry.fees).ok_or(Overflow)?,
            funding: self.funding.checked_add(entry.funding).ok_or(Overflow)?,
            transfers: self.transfers.checked_add(entry.transfers).ok_or(Overflow)?,
            adjustments: self.adjustments.checked_add(entry.adjustments).ok_or(Overflow)?,
            peak_equity,
            ..*self
        };
        *self = next;
        Ok(())
    }

    /// Read back: true when the capital is what its parts add up to.
    pub(super) fn adds_up(&self) -> bool {
        let sum = self
            .starting
            .checked_add(self.realized)
            .and_then(|sum| sum.checked_sub(self.fees))
            .and_then(|sum| sum.checked_sub(self.funding))
            .and_then(|sum| sum.checked_add(self.transfers))
            .and_then(|sum| sum.checked_add(self.adjustments));
        sum == Some(self.capital) && self.wins.checked_add(self.losses) <= Some(self.trades_closed)
    }

    /// Counts a fill.
    pub(super) const fn count_fill(&mut self) {
        self.fills += 1;
    }

    /// Counts a round trip by its result after costs.
    pub(super) const fn count_trade(&mut self, net: Money) {
        self.trades_closed += 1;
        if net.is_positive() {
            self.wins += 1;
        } else if !net.is_zero() {
            self.losses += 1;
        }
    }

    /// Follows the equity for peak and drawdown.
    pub(super) fn follow(&mut self, equity: Money) {
        if equity > self.peak_equity {
            self.peak_equity = equity;
        } else if let Some(below) = self.peak_equity.checked_sub(equity) {
            self.max_drawdown = self.max_drawdown.max(below);
        }
    }

    /// Capital at the start.
    #[must_use]
    pub const fn starting(&self) -> Money {
        self.starting
    }

    /// Capital now: starting + realized − fees − funding + transfers + adjustments.
    #[must_use]
    pub const fn capital(&self) -> Money {
        self.capital
    }

    /// Gross results so far.
    #[must_use]
    pub const fn realized(&self) -> Money {
        self.realized
    }

    /// Fees so far; positive is a cost.
    #[must_use]
    pub const fn fees(&self) -> Money {
        self.fees
    }

    /// Funding so far; positive was paid.
    #[must_use]
    pub const fn funding(&self) -> Money {
        self.funding
    }

    /// Deposits less withdrawals.
    #[must_use]
    pub const fn transfers(&self) -> Money {
        self.transfers
    }

    /// What re-anchors took over from the venue's wallet; positive added.
    #[must_use]
    pub const fn adjustments(&self) -> Money {
        self.adjustments
    }

    /// Highest equity (capital plus unrealized) so far.
    #[must_use]
    pub const fn peak_equity(&self) -> Money {
        self.peak_equity
    }

    /// Deepest fall of the equity below its peak before, in money.
    #[must_use]
    pub const fn max_drawdown(&self) -> Money {
        self.max_drawdown
    }

    /// Own fills booked.
    #[must_use]
    pub const fn fills(&self) -> u64 {
        self.fills
    }

    /// Round trips closed.
    #[must_use]
    pub const fn trades_closed(&self) -> u32 {
        self.trades_closed
    }

    /// Round trips with a positive result after costs.
    #[must_use]
    pub const fn wins(&self) -> u32 {
        self.wins
    }

    /// Round trips with a negative result after costs.
    #[must_use]
    pub const fn losses(&self) -> u32 {
        self.losses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capital_is_the_sum_of_its_parts() {
        let mut ledger = Ledger::new(Money::from_whole(100));
        let entry = Entry {
            realized: Money::from_whole(7),
            fees: Money::from_raw(3),
            funding: Money::from_whole(-2),
            transfers: Money::from_whole(50),
            adjustments: Money::from_whole(-9),
        };
        ledger.book(entry).expect("fits");
        assert_eq!(ledger.capital(), Money::from_raw(150 * 100_000_000 - 3));
        assert_eq!(ledger.adjustments(), Money::from_whole(-9));
    }

    #[test]
    fn an_overflow_changes_nothing() {
        let mut ledger = Ledger::new(Money::MAX);
        let before = ledger;
        let entry = Entry { realized: Money::ONE, ..Entry::default() };
        assert_eq!(ledger.book(entry), Err(Overflow));
        assert_eq!(ledger, before);
    }

    #[test]
    fn a_withdrawal_or_correction_is_no_drawdown_and_a_loss_is() {
        let mut ledger = Ledger::new(Money::from_whole(100));
        let out = Entry { transfers: Money::from_whole(-30), ..Entry::default() };
        ledger.book(out).expect("fits");
        let corrected = Entry { adjustments: Money::from_whole(-10), ..Entry::default() };
        ledger.book(corrected).expect("fits");
        ledger.follow(ledger.capital());
        assert_eq!(ledger.max_drawdown(), Money::ZERO);
        ledger.follow(Money::from_whole(75));
        ledger.follow(Money::from_whole(70));
        ledger.follow(Money::from_whole(90));
        assert_eq!(ledger.max_drawdown(), Money::from_whole(5));
        assert_eq!(ledger.peak_equity(), Money::from_whole(90));
    }
}
