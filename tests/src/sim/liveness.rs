//! The end of every run: no fault any more, the venue truthful, and the engine must come to rest.

use pinion_core::id::InstrumentId;
use pinion_core::msg::{Control, PositionSide};
use pinion_core::units::Nanos;
use pinion_oracle::{Breach, rules_notional};

use super::checks::books;
use super::job::Failure;
use super::run::Run;

/// Time in which the engine must be flat and in agreement with the venue.
const REST_NS: i64 = 60 * Nanos::SECOND;
/// What was sent late before the faults ended is still to come: half a minute each way, and as much again.
const LATE_NS: i64 = 120 * Nanos::SECOND;
/// Time between two acts of the operator.
const OPERATOR_NS: i64 = Nanos::SECOND;
/// Books are compared after this much of quiet.
const AFTER_NS: i64 = 15 * Nanos::SECOND;

impl Run<'_> {
    /// Heals everything, asks to be flat, and waits.
    pub(super) fn liveness(&mut self) -> Result<(), Failure> {
        self.counters.count("liveness", "reached");
        self.trace.note(self.now, || {
            String::from("liveness: no more faults, the operator wants to be flat")
        });
        self.calm = true;
        self.calm_at = self.now;
        self.chaos.switch_off();
        self.stalled = [Nanos::ZERO; 3];
        self.soon.clear();
        self.next_market = self.now;
        if let Some(rig) = &mut self.rig {
            rig.venue_mut().heal(self.now);
        }
        if self.job.seed % 16 == 1 {
            // An orderly end: nothing new, what is open is closed all the same.
            self.say(Control::Stop);
        }
        self.say(Control::Flatten);
        let late = self.is_late;
        let end = self.now.plus(if late { REST_NS + LATE_NS } else { REST_NS });
        let mut operator_at = self.now;
        let mut open = self.unrest();
        while open.is_some()
            || self.now.get().saturating_sub(self.oracle.last_activity()) < AFTER_NS
        {
            if self.now >= end {
                let Some(breach) = open else { break };
                return Err(self.failed(breach));
            }
            if self.now >= operator_at {
                operator_at = self.now.plus(OPERATOR_NS);
                self.operate();
            }
            self.step()?;
            open = self.unrest();
        }
        self.check_end().map_err(|breach| self.failed(breach))
    }

    /// What the simulated operator does about what is his.
    fn operate(&mut self) {
        let Some(rig) = &mut self.rig else { return };
        let kernel = rig.kernel.engine().kernel();
        let capital = kernel.ledger().capital();
        let apart = capital != rig.venue().venue().account().wallet;
        let busy = Self::has_live_order(rig.kernel.engine()) || kernel.open_positions() > 0;
        // What an engine without a memory was not shown at its start, or had no slot for, the operator
        // makes it look at again.
        let holds = |index: usize, side: PositionSide| {
            kernel.slots().iter().any(|slot| {
                slot.is_open()
                    && slot.side() == Some(side)
                    && slot.instrument() == Some(InstrumentId::new(index))
            })
        };
        let mut forgotten = false;
        for index in 0..self.world.table.len() {
            for side in [PositionSide::Short, PositionSide::Long] {
                let ours = self.oracle.own(index, side == PositionSide::Long).qty;
                forgotten |= ours > 0 && !holds(index, side) && !kernel.is_recovering();
            }
        }
        let forgotten = forgotten && self.forgetful && !busy && kernel.is_frozen();
        for index in 0..self.world.table.len() {
            for side in [PositionSide::Short, PositionSide::Long] {
                let is_long = side == PositionSide::Long;
                let ours = self.oracle.own(index, is_long).qty;
                if ours == 0 && self.oracle.foreign(index, is_long) > 0 {
                    rig.venue_mut().close_outside(self.now, InstrumentId::new(index), side);
                }
            }
        }
        if forgotten {
            self.counters.count("liveness", "taken over by the operator");
            self.say(Control::Recover);
        }
        // A difference that somebody else made is the operator's to book; one of the engine's is not.
        if apart && !busy && (self.job.options.exact == 0 || self.oracle.outside() > 0) {
            self.counters.count("liveness", "re-anchored");
            self.say(Control::Reanchor);
        }
    }

    /// What is not yet at rest.
    fn unrest(&self) -> Option<Breach> {
        let rig = self.rig.as_ref()?;
        let kernel = rig.kernel.engine().kernel();
        for index in 0..self.world.table.len() {
            for is_long in [false, true] {
                let own = self.oracle.own(index, is_long);
                let least = self.world.table.row(InstrumentId::new(index)).min_notional;
                let (bid, _) = self.generator.touch(index);
                let dust = rules_notional(bid.raw(), own.qty) < i128::from(least.raw());
                if own.qty > 0 && !dust {
                    let what = format!("instrument {index} long {is_long}: {own:?} still open");
                    return Some(Breach { check: "L_flat", what });
                }
            }
        }
        if let Some(order) = self.oracle.live_orders().first() {
            let what = format!("{order:?} still works at the venue");
            return Some(Breach { check: "L_orders", what });
        }
        if Self::has_live_order(rig.kernel.engine()) {
            let what = String::from("the engine still waits for an order");
            return Some(Breach { check: "L_orders", what });
        }
        if let Some(slot) = kernel.slots().iter().find(|slot| slot.is_open()) {
            return Some(Breach { check: "L_slot", what: format!("{slot:?}") });
        }
        if kernel.is_frozen() {
            let what = format!("frozen, delta {:?}", kernel.facts().delta());
            return Some(Breach { check: "L_frozen", what });
        }
        let (capital, wallet) = (kernel.ledger().capital(), rig.venue().venue().account().wallet);
        if capital != wallet {
            let what = format!("capital {}, wallet {}", capital.raw(), wallet.raw());
            return Some(Breach { check: "L_books", what });
        }
        None
    }

    /// The last word: everything agrees.
    fn check_end(&mut self) -> Result<(), Breach> {
        let Some(rig) = &self.rig else { return Ok(()) };
        let kernel = rig.kernel.engine().kernel();
        let books = books(kernel);
        self.oracle.check_positions(&books, kernel.is_frozen())?;
        if self.job.options.exact == 1 && self.oracle.outside() == 0 {
            self.oracle.check_money(&books)?;
            self.counters.count("check", "books equal");
        }
        let starting = self.world.settings.account_starting_capital.raw();
        let wallet = rig.venue().venue().account().wallet.raw();
        if let Some(expected) = self.oracle.wallet(starting)
            && expected != i128::from(wallet)
        {
            let what = format!("the venue's wallet is {wallet}, by its fills {expected}");
            return Err(Breach { check: "V_wallet", what });
        }
        if self.job.seed.is_multiple_of(8) {
            self.check_replay()?;
        }
        Ok(())
    }
}
