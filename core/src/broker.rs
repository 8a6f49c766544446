//! What a policy trades through: one turn's view of the engine, and its way to the orders.

use arrayvec::ArrayVec;
use serde::{Deserialize, Serialize};

use crate::id::InstrumentId;
use crate::instrument::InstrumentTable;
use crate::kernel::intent::LEGS_MAX;
use crate::kernel::{Effects, Intent, Kernel, Slot, Top, Verdict};
use crate::msg::record::{BlockReason, DecisionReason};
use crate::msg::{OrderKind, PositionSide, Record, RecordMsg};
use crate::router::{Router, Turn};
use crate::settings::Settings;
use crate::units::{Nanos, Price, Qty, Rate};

/// A position to open. How its order leaves is not said here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitPlan {
    /// Why; the round trip's close reason.
    pub reason: DecisionReason,
    /// True: everything that remains; false: the current leg.
    pub all: bool,
    /// True: by market at once, over an exit that rests; false: it may rest first.
    pub is_urgent: bool,
}

/// The context of one turn. Owner: the engine, which lends it to the policy for the length of a call.
///
/// Everything read here is the state after the kernel has applied the turn's input. Nothing allocates.
#[derive(Debug)]
pub struct Broker<'a> {
    router: &'a mut Router,
    turn: Turn<'a>,
    first_record: usize,
}

impl<'a> Broker<'a> {
    /// The context of a turn whose own records begin at `first_record`.
    pub(crate) const fn new(router: &'a mut Router, turn: Turn<'a>, first_record: usize) -> Self {
        Self { router, turn, first_record }
    }

    /// The router looks after its orders, before the policy sees the turn.
    pub(crate) fn attend(&mut self, input: &crate::msg::Input) {
        self.router.turn(input, &mut self.turn);
    }

    /// Time of the turn's input; never decreases.
    #[must_use]
    pub const fn now(&self) -> Nanos {
        self.turn.now
    }

    /// The settings in force.
    #[must_use]
    pub const fn settings(&self) -> &'a Settings {
        self.turn.settings
    }

    /// Books, facts and orders, to read.
    #[must_use]
    pub const fn kernel(&self) -> &Kernel {
        self.turn.kernel
    }

    /// Every slot.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        self.turn.kernel.slots()
    }

    /// One slot.
    ///
    /// # Panics
    /// When `index` is not below `kernel.slots_max`.
    #[must_use]
    pub fn slot(&self, index: usize) -> &Slot {
        self.turn.kernel.slot(index)
    }

    /// The first slot that an entry may use: free, and no entry of it is under way.
    #[must_use]
    pub fn free_slot(&self) -> Option<usize> {
        (0..self.slots().len())
            .find(|index| self.slot(*index).is_free() && !self.router.is_entering(*index))
    }

    /// The slot that holds a position in this asset.
    #[must_use]
    pub fn open_slot_of(&self, instrument: InstrumentId) -> Option<usize> {
        self.slots().iter().position(|s| s.is_open() && s.instrument() == Some(instrument))
    }

    /// The last market of an instrument; `None` before its first price.
    #[must_use]
    pub fn top(&self, instrument: InstrumentId) -> Option<Top> {
        self.turn.kernel.top(instrument)
    }

    /// The run's instruments.
    #[must_use]
    pub fn instruments(&self) -> &InstrumentTable {
        self.turn.kernel.table()
    }

    /// Whether an entry on this asset could leave now: asked before the work of sizing it, and checked
    /// again by [`Broker::enter`].
    ///
    /// # Errors
    /// The first guard that forbids it.
    pub fn entry_guard(&self, instrument: InstrumentId) -> Result<(), BlockReason> {
        self.turn.kernel.entry_guard(self.turn.now, instrument, self.turn.settings)
    }

    /// What of this entry may leave now by the router's own limits.
    ///
    /// # Errors
    /// The limit that holds it back whole; [`Broker::enter`] would leave a `suppress` line with it.
    pub fn entry_allowed(&self, plan: &EntryPlan) -> Result<Qty, DecisionReason> {
        self.router.allowed(plan, &self.turn).map_err(|(_, reason)| reason)
    }

    /// Opens a position: at once or with a resting quote, as `router.style` says. A refusal by a guard leaves
    /// a record that names it, one by the router's own limits a `suppress` line.
    ///
    /// Accepted means that an order left, not that it fills. What follows a quote that is missed is the
    /// router's business; the slot is [taken](Broker::free_slot) until that is over.
    pub fn enter(&mut self, plan: &EntryPlan) -> Verdict {
        self.router.enter(plan, &mut self.turn)
    }

    /// Closes a position or a leg of it: by market when it is urgent, else as `router.style` says. Refused
    /// when there is none, or when an exit of no less urgency is on its way; the position stays as it is
    /// then. An entry that has not filled is called back instead.
    pub fn exit(&mut self, slot: usize, plan: ExitPlan) -> Verdict {
        self.router.exit(slot, plan, &mut self.turn)
    }

    /// True when an exit asked for now would do something: the slot has a position, nothing that closes it
    /// is on its way (or it rests, and this one is urgent), and a refused exit has had its pause.
    #[must_use]
    pub fn may_exit(&self, slot: usize, is_urgent: bool) -> bool {
        let slot = self.slot(slot);
        let rests = |client| {
            self.kernel().order(client).is_some_and(|order| order.kind == OrderKind::Limit)
        };
        slot.is_open()
            && slot.exit_order().is_none_or(|client| is_urgent && rests(client))
            && !slot.is_exit_pending()
            && slot.exit_retry_at_ns().is_none_or(|at| self.now() >= at)
    }

    /// Calls the slot's working orders back; a missed entry is not followed by another.
    pub fn cancel(&mut self, slot: usize) -> Verdict {
        let called = self.router.call_back_entry(slot, "called back", &mut self.turn);
        let Turn { now, settings, .. } = self.turn;
        let intent = Intent::Cancel { slot };
        let verdict = self.turn.kernel.submit(now, &intent, settings, self.turn.out);
        if called { Verdict::OK } else { verdict }
    }

    /// Calls back an entry that is under way, for good: what has filled of it stays. Exits go on. True when
    /// there was one.
    pub fn call_back_entry(&mut self, slot: usize, reason: &'static str) -> bool {
        self.router.call_back_entry(slot, reason, &mut self.turn)
    }

    /// Adds a line to the run's files.
    pub fn record(&mut self, record: Record) {
        self.turn.out.record(record);
    }

    /// Adds a line before the one at `place` of [`Broker::records`]: a decision is told with what came of
    /// it, and stands before that.
    pub fn record_at(&mut self, place: usize, record: Record) {
        self.turn.out.record_at(self.first_record.saturating_add(place), record);
    }

    /// What was recorded in this turn so far, in order: what the kernel booked, and what was added since.
    #[must_use]
    pub fn records(&self) -> &[RecordMsg] {
        self.turn.out.records.get(self.first_record..).unwrap_or_default()
    }

    /// What stands behind the methods above: for those who send intents of their own, past the router.
    pub const fn raw(&mut self) -> (&mut Kernel, &'a Settings, &mut Effects) {
        (&mut *self.turn.kernel, self.turn.settings, &mut *self.turn.out)
    }
}
