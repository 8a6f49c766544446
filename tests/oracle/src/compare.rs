//! The engine's books beside the venue's truth.

use crate::{Breach, Oracle, breach, place};

/// A position as the engine has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Where.
    pub instrument: usize,
    /// Long, else short.
    pub is_long: bool,
    /// What remains.
    pub qty: i64,
    /// Sum of the entry fills.
    pub entered: i64,
    /// Their notional.
    pub entry_notional: i64,
    /// Notional of the exit fills.
    pub exit_notional: i64,
    /// Fees of its fills; positive is a cost.
    pub fees: i64,
}

/// The engine's books at one moment; eight decimals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Gross result so far.
    pub realized: i64,
    /// Fees so far; positive is a cost.
    pub fees: i64,
    /// Funding so far; positive was paid.
    pub funding: i64,
    /// Deposits less withdrawals.
    pub transfers: i64,
    /// Open positions.
    pub holdings: Vec<Holding>,
}

impl Oracle {
    /// Every position of ours is held by exactly one holding of the same size, and the other way round. One
    /// of which the engine lost the memory may be held by nobody, for it may be one too many for its slots;
    /// then the engine must know that something is there that is not its own: entries are frozen. And where
    /// somebody else has closed a part while others hold the same side, whose part it was is our convention:
    /// all that can be known is that the account holds what the engine believes in, and that entries are
    /// frozen while it holds more.
    ///
    /// # Errors
    /// `I2_position`.
    pub fn check_positions(&mut self, books: &Books, is_frozen: bool) -> Result<(), Breach> {
        for instrument in 0..self.rules.instruments.len() {
            for is_long in [false, true] {
                let mut held = books
                    .holdings
                    .iter()
                    .filter(|h| h.instrument == instrument && h.is_long == is_long);
                let booked: i64 = held.by_ref().map(|h| h.qty).sum();
                let trip = &mut self.ours[place(instrument, is_long)];
                trip.is_uncertain &= booked != trip.qty;
                let total = trip.qty + self.theirs[place(instrument, is_long)];
                let shared = trip.is_disturbed && booked <= total && (booked == total || is_frozen);
                if booked != trip.qty && !shared && !(trip.is_forgotten && is_frozen) {
                    let side = if is_long { "long" } else { "short" };
                    let what = format!(
                        "instrument {instrument} {side}: the engine holds {booked}, the venue {}",
                        trip.qty
                    );
                    return breach("I2_position", what);
                }
            }
        }
        Ok(())
    }

    /// Every open trip has the quantities and notionals of its fills, exactly.
    ///
    /// # Errors
    /// `I12_basis`, and `I15_trip_fees`: its fees are exactly those of its fills.
    pub fn check_basis(&self, books: &Books) -> Result<(), Breach> {
        for held in &books.holdings {
            let trip = self.own(held.instrument, held.is_long);
            let same = held.entered == trip.entered
                && i128::from(held.entry_notional) == trip.entry_notional
                && i128::from(held.exit_notional) == trip.exit_notional;
            if !same && !trip.is_disturbed {
                return breach("I12_basis", format!("the engine has {held:?}, the venue {trip:?}"));
            }
            if i128::from(held.fees) != trip.fees && !trip.is_disturbed {
                let what = format!("the engine has {held:?}, the venue {trip:?}");
                return breach("I15_trip_fees", what);
            }
        }
        Ok(())
    }

    /// At flat the gross result is the cash flow; fees, funding and transfers are those of the venue. All to
    /// the last digit.
    ///
    /// # Errors
    /// `I10_cash_flow`, `I13_fees`, `I13_funding`, `I13_transfers`.
    pub fn check_money(&self, books: &Books) -> Result<(), Breach> {
        if self.is_flat() && i128::from(books.realized) != self.cash {
            let what = format!("realized {}, by cash flow {}", books.realized, self.cash);
            return breach("I10_cash_flow", what);
        }
        if i128::from(books.fees) != self.fees {
            return breach("I13_fees", format!("fees {}, at the venue {}", books.fees, self.fees));
        }
        if i128::from(-books.funding) != self.funding_all {
            let what = format!("funding {}, at the venue {}", -books.funding, self.funding_all);
            return breach("I13_funding", what);
        }
        if i128::from(books.transfers) != self.transfers {
            let what = format!("transfers {}, at the venue {}", books.transfers, self.transfers);
            return breach("I13_transfers", what);
        }
        Ok(())
    }
}
