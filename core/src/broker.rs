//! What a policy trades through: one turn's view of the engine, and its way to the orders.

use arrayvec::ArrayVec;

use crate::id::InstrumentId;
use crate::instrument::InstrumentTable;
use crate::kernel::intent::LEGS_MAX;
use crate::kernel::{Effects, Intent, Kernel, Slot, Top, Verdict};
use crate::msg::record::{BlockReason, DecisionReason};
use crate::msg::{Maybe, OrderKind, PositionSide, Record, RecordMsg, TimeInForce};
use crate::settings::Settings;
use crate::units::{Nanos, Price, Qty, Rate};

/// A position to open. How its order leaves is not said here.
#[derive(Clone, Debug, PartialEq)]
pub struct EntryPlan {
    /// Which slot; it must be free.
    pub slot: usize,
    /// Asset.
    pub instrument: InstrumentId,
    /// Direction.
    pub side: PositionSide,
    /// Quantity, a positive multiple of the lot.
    pub qty: Qty,
    /// The venue's leverage setting: sets margin, never multiplies quantity or PnL.
    pub leverage: Rate,
    /// The price that the decision was made at.
    pub reference_price: Price,
    /// Parts in which exits close the position; sums to one; empty means one part.
    pub legs: ArrayVec<Rate, LEGS_MAX>,
}

/// A position to close, or a leg of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitPlan {
    /// Why; the round trip's close reason.
    pub reason: DecisionReason,
    /// True: everything that remains; false: the current leg.
    pub all: bool,
}

/// The context of one turn. Owner: the engine, which lends it to the policy for the length of a call.
///
/// Everything read here is the state after the kernel has applied the turn's input. Nothing allocates.
#[derive(Debug)]
pub struct Broker<'a> {
    now: Nanos,
    kernel: &'a mut Kernel,
    settings: &'a Settings,
    effects: &'a mut Effects,
    first_record: usize,
}

impl<'a> Broker<'a> {
    /// The context of a turn whose own records begin at `first_record` of `effects`.
    pub(crate) const fn new(
        now: Nanos,
        kernel: &'a mut Kernel,
        settings: &'a Settings,
        effects: &'a mut Effects,
        first_record: usize,
    ) -> Self {
        Self { now, kernel, settings, effects, first_record }
    }

    /// Time of the turn's input; never decreases.
    #[must_use]
    pub const fn now(&self) -> Nanos {
        self.now
    }

    /// The settings in force.
    #[must_use]
    pub const fn settings(&self) -> &'a Settings {
        self.settings
    }

    /// Books, facts and orders, to read.
    #[must_use]
    pub const fn kernel(&self) -> &Kernel {
        self.kernel
    }

    /// Every slot.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        self.kernel.slots()
    }

    /// One slot.
    ///
    /// # Panics
    /// When `index` is not below `kernel.slots_max`.
    #[must_use]
    pub fn slot(&self, index: usize) -> &Slot {
        self.kernel.slot(index)
    }

    /// The first slot that an entry may use.
    #[must_use]
    pub fn free_slot(&self) -> Option<usize> {
        self.slots().iter().position(Slot::is_free)
    }

    /// The slot that holds a position in this asset.
    #[must_use]
    pub fn open_slot_of(&self, instrument: InstrumentId) -> Option<usize> {
        self.slots().iter().position(|s| s.is_open() && s.instrument() == Some(instrument))
    }

    /// The last market of an instrument; `None` before its first price.
    #[must_use]
    pub fn top(&self, instrument: InstrumentId) -> Option<Top> {
        self.kernel.top(instrument)
    }

    /// The run's instruments.
    #[must_use]
    pub fn instruments(&self) -> &InstrumentTable {
        self.kernel.table()
    }

    /// Whether an entry on this asset could leave now: asked before the work of sizing it, and checked
    /// again by [`Broker::enter`].
    ///
    /// # Errors
    /// The first guard that forbids it.
    pub fn entry_guard(&self, instrument: InstrumentId) -> Result<(), BlockReason> {
        self.kernel.entry_guard(self.now, instrument, self.settings)
    }

    /// Opens a position. A refusal by a guard leaves a record that names it.
    pub fn enter(&mut self, plan: &EntryPlan) -> Verdict {
        let intent = Intent::Enter {
            slot: plan.slot,
            trade: None,
            instrument: plan.instrument,
            side: plan.side,
            qty: plan.qty,
            leverage: plan.leverage,
            kind: OrderKind::Market,
            tif: TimeInForce::Ioc,
            price: Maybe::NONE,
            reference_price: plan.reference_price,
            legs: plan.legs.clone(),
        };
        self.kernel.submit(self.now, &intent, self.settings, self.effects)
    }

    /// Closes a position or a leg of it. Refused when there is none, or when an exit is on its way
    /// already; the position stays as it is then.
    pub fn exit(&mut self, slot: usize, plan: ExitPlan) -> Verdict {
        let intent = Intent::Exit {
            slot,
            qty: Maybe::NONE,
            all: plan.all,
            kind: OrderKind::Market,
            tif: TimeInForce::Ioc,
            price: Maybe::NONE,
            ttl_ns: None,
            reason: plan.reason,
        };
        self.kernel.submit(self.now, &intent, self.settings, self.effects)
    }

    /// True when an exit asked for now would do something: the slot has a position, nothing that closes it
    /// is on its way, and a refused exit has had its pause.
    #[must_use]
    pub fn may_exit(&self, slot: usize) -> bool {
        let slot = self.slot(slot);
        slot.is_open()
            && slot.exit_order().is_none()
            && !slot.is_exit_pending()
            && slot.exit_retry_at_ns().is_none_or(|at| self.now >= at)
    }

    /// Calls the slot's working orders back.
    pub fn cancel(&mut self, slot: usize) -> Verdict {
        self.kernel.submit(self.now, &Intent::Cancel { slot }, self.settings, self.effects)
    }

    /// Adds a line to the run's files.
    pub fn record(&mut self, record: Record) {
        self.effects.record(record);
    }

    /// What was recorded in this turn so far, in order: what the kernel booked, and what was added since.
    #[must_use]
    pub fn records(&self) -> &[RecordMsg] {
        self.effects.records.get(self.first_record..).unwrap_or_default()
    }

    /// What stands behind the methods above: for those who send intents of their own, past the router.
    pub const fn raw(&mut self) -> (&mut Kernel, &'a Settings, &mut Effects) {
        (&mut *self.kernel, self.settings, &mut *self.effects)
    }
}
