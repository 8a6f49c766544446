//! What decides: the contract between the engine and a policy.

use alloc::sync::Arc;
use core::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::broker::Broker;
use crate::engine::Damage;
use crate::instrument::InstrumentTable;
use crate::msg::{Control, MarketMsg, Modifiers, Rank, Scan};

/// A policy: sees what the engine sees, after the kernel has applied it, and trades through its broker.
///
/// It implements what it cares for; the rest does nothing. It must be a pure function of what it was shown
/// (no clock, no randomness but its own seeded state), and its state must survive a snapshot: a restored
/// engine decides like the one that was saved. Exits that must happen whatever it does (flatten, hibernate,
/// no price, an exit that is owed) are not its business.
pub trait Decide: fmt::Debug + Send + Serialize + DeserializeOwned {
    /// A market message came.
    fn on_market(&mut self, message: &MarketMsg, broker: &mut Broker<'_>) {
        let _none = (message, broker);
    }

    /// One row of the ranking of the scan that follows.
    fn on_rank(&mut self, rank: &Rank) {
        let _none = rank;
    }

    /// What an outside source says about the scan that follows; a policy without use for it ignores it.
    fn on_modifiers(&mut self, modifiers: &Modifiers) {
        let _none = modifiers;
    }

    /// A scan came.
    fn on_scan(&mut self, scan: &Scan, broker: &mut Broker<'_>) {
        let _none = (scan, broker);
    }

    /// Time passed.
    fn on_tick(&mut self, broker: &mut Broker<'_>) {
        let _none = broker;
    }

    /// The operator or the process said something.
    fn on_control(&mut self, control: Control, broker: &mut Broker<'_>) {
        let _none = (control, broker);
    }

    /// The turn is over, whatever its input was; [`Broker::records`] holds what was booked in it.
    fn after_turn(&mut self, broker: &mut Broker<'_>) {
        let _none = broker;
    }

    /// It was read back from a snapshot with so many `instruments`: takes the table again, sizes what is
    /// per instrument, and checks that the rest can be its state. A policy that keeps nothing per
    /// instrument has nothing to do.
    ///
    /// # Errors
    /// [`Damage`].
    fn restored(&mut self, instruments: usize, table: Arc<InstrumentTable>) -> Result<(), Damage> {
        let _none = (instruments, table);
        Ok(())
    }
}
