//! What decides: the contract between the engine and a policy.

use alloc::sync::Arc;
use core::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::Damage;
use crate::instrument::InstrumentTable;
use crate::kernel::{Effects, Kernel};
use crate::msg::{Control, MarketMsg, Rank, Scan};
use crate::settings::Settings;
use crate::units::Nanos;

/// A policy: sees what the engine sees, after the kernel has applied it, and asks the kernel for orders.
///
/// It must be a pure function of what it was shown (no clock, no randomness but its own seeded state), and
/// its state must survive a snapshot: a restored engine decides like the one that was saved.
pub trait Decide: fmt::Debug + Send + Serialize + DeserializeOwned {
    /// A market message came.
    fn on_market(
        &mut self,
        now: Nanos,
        message: &MarketMsg,
        kernel: &mut Kernel,
        settings: &Settings,
        out: &mut Effects,
    );

    /// One row of the ranking of the scan that follows.
    fn on_rank(&mut self, rank: &Rank);

    /// A scan came.
    fn on_scan(
        &mut self,
        now: Nanos,
        scan: &Scan,
        kernel: &mut Kernel,
        settings: &Settings,
        out: &mut Effects,
    );

    /// Time passed.
    fn on_tick(&mut self, now: Nanos, kernel: &mut Kernel, settings: &Settings, out: &mut Effects);

    /// The operator or the process said something.
    fn on_control(&mut self, control: Control);

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

    /// The turn is over; what the kernel recorded in it stands in `out` from `first_record` on.
    fn after_turn(&mut self, kernel: &Kernel, first_record: usize, out: &mut Effects);
}
