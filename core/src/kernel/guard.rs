//! What forbids an entry: switches of the operator, faults, missing evidence.
//!
//! All of it is checked at the moment of sending, and only for what increases risk. Unknown is not flat:
//! a missing price, balance or probe blocks.

use crate::id::InstrumentId;
use crate::kernel::orders::Order;
use crate::kernel::{Code, Effects, Kernel, Slot, Verdict};
use crate::msg::record::{BlockReason, ReconcileState};
use crate::msg::{Control, Maybe, OrderRole, Record, TradingState};
use crate::settings::Settings;
use crate::units::Nanos;
use serde::{Deserialize, Serialize};

/// Evidence since a fault that nothing is wrong (any more).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct FaultEvidence {
    /// A balance agreed with the books.
    balance: bool,
    /// A position snapshot showed exactly what we hold.
    positions: bool,
}

/// The switches. All but a fault are the operator's.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Halts {
    killed: bool,
    flatten: bool,
    reducing: bool,
    stopped: bool,
    journal_failed: bool,
    journal_behind: bool,
    fault: Option<FaultEvidence>,
    /// The venue shows a position that is not ours.
    pub(super) orphan: bool,
    /// The last whole position snapshot did.
    pub(super) was_strange: bool,
}

impl Halts {
    /// Another process goes on: the end that the one before had begun, and the journal that it could not
    /// write, were its own. What the operator and the evidence say stays.
    pub(super) const fn begin_anew(&mut self) {
        self.stopped = false;
        self.journal_failed = false;
        self.journal_behind = false;
    }
}

impl Kernel {
    /// Whether an entry on this asset could leave now, and why not.
    ///
    /// Size and price of an order are checked by [`Kernel::submit`], not here.
    ///
    /// # Errors
    /// The first guard that forbids it.
    pub fn entry_guard(
        &self,
        now: Nanos,
        instrument: InstrumentId,
        settings: &Settings,
    ) -> Result<(), BlockReason> {
        if self.halts.killed || self.halts.flatten || self.halts.stopped {
            return Err(BlockReason::Killed);
        }
        if self.halts.reducing {
            return Err(BlockReason::Reducing);
        }
        if self.halts.journal_failed || self.halts.journal_behind {
            return Err(BlockReason::Journal);
        }
        if self.is_recovering() {
            return Err(BlockReason::Recovering);
        }
        if self.is_frozen() {
            return Err(BlockReason::EntryFrozen);
        }
        if self.facts.is_unconfirmed() {
            return Err(BlockReason::Unreconciled);
        }
        if self.has_unresolved_order() || self.recovery.has_strays() {
            return Err(BlockReason::UnresolvedOrder);
        }
        let Some(market) = self.markets.get(instrument.index()) else {
            return Err(BlockReason::NotTradable);
        };
        if !self.table.row(instrument).tradable {
            return Err(BlockReason::NotTradable);
        }
        let holds = |slot: &Slot| !slot.is_free() && slot.instrument == instrument;
        if self.slots.iter().any(holds) {
            return Err(BlockReason::SlotBusy);
        }
        let top = &market.top;
        if top.gap {
            return Err(BlockReason::BookGap);
        }
        let (at, age_max) = match (top.quote_ns.get(), top.last_ns.get()) {
            (Some(at), _) => (at, settings.guard_quote_age_ns_max),
            (None, Some(at)) => (at, settings.guard_trade_age_ns_max),
            (None, None) => return Err(BlockReason::NoPrice),
        };
        if now.since(at) > age_max {
            return Err(BlockReason::StalePrice);
        }
        if let Some(reason) = self.facts.blocks(now, self.ledger.capital(), settings) {
            return Err(reason);
        }
        let hot = |at: Maybe<Nanos>| {
            at.get().is_some_and(|at| now.since(at) < settings.guard_hot_window_ns)
        };
        if hot(market.hot_ns) || hot(self.hot_ns) {
            return Err(BlockReason::HotWindow);
        }
        Ok(())
    }

    /// True while entries are frozen: the books do not agree with the venue, the venue shows a position
    /// that is not ours, or something impossible happened and no evidence has cleared it. Exits do not care.
    #[must_use]
    pub const fn is_frozen(&self) -> bool {
        self.halts.fault.is_some()
            || self.halts.orphan
            || matches!(self.facts.reconcile(), ReconcileState::Error)
    }

    /// True while the kill switch is on.
    #[must_use]
    pub const fn is_killed(&self) -> bool {
        self.halts.killed
    }

    /// True while the operator wants everything closed.
    #[must_use]
    pub const fn is_flattening(&self) -> bool {
        self.halts.flatten
    }

    /// What the operator lets through.
    #[must_use]
    pub const fn trading_state(&self) -> TradingState {
        if self.halts.killed || self.halts.flatten {
            TradingState::Halted
        } else if self.halts.reducing {
            TradingState::Reducing
        } else {
            TradingState::Active
        }
    }

    /// True while the journal forbids entries: it falls behind, or cannot be written any more.
    #[must_use]
    pub const fn is_journal_short(&self) -> bool {
        self.halts.journal_failed || self.halts.journal_behind
    }

    /// Orders of ours that are not proved to be over.
    #[must_use]
    pub fn working_orders(&self) -> usize {
        self.live_orders().count()
    }

    /// Those of them that open or add: what a kill or a reduce waits for.
    #[must_use]
    pub fn working_entries(&self) -> usize {
        self.live_orders().filter(|order| order.role == OrderRole::Entry).count()
    }

    /// True when nothing is held and no order of ours can still fill: what a kill or a flatten waits for.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.open_positions() == 0 && self.live_orders().next().is_none()
    }

    /// True when nothing is open by our books, a fresh probe shows nothing at the venue either, and no fill
    /// is so recent that the probe may have missed it. Unknown is not flat.
    #[must_use]
    pub fn is_proved_flat(&self, now: Nanos, settings: &Settings) -> bool {
        let is_hot = |at: Maybe<Nanos>| {
            at.get().is_some_and(|at| now.since(at) < settings.guard_hot_window_ns)
        };
        self.is_flat()
            && !self.is_recovering()
            && !self.recovery.has_strays()
            && self.facts.shows_nothing_else(now, settings)
            && !is_hot(self.hot_ns)
            && !self.markets.iter().any(|market| is_hot(market.hot_ns))
    }

    /// True while an order's outcome is unknown, or its told total is not booked.
    #[must_use]
    pub fn has_unresolved_order(&self) -> bool {
        self.live_orders().any(Order::is_unresolved)
    }

    /// Orders that are not proved to be over.
    pub(super) fn live_orders(&self) -> impl Iterator<Item = &Order> {
        self.slots
            .iter()
            .flat_map(|slot| [slot.entry_order, slot.exit_order])
            .flatten()
            .filter_map(|client| self.orders.get(client))
    }

    /// Reports what cannot be, and freezes entries until the operator resumes or a balance and a position
    /// snapshot from after it both agree with the books.
    pub(super) fn fault(&mut self, reason: &'static str, out: &mut Effects) {
        out.record(Record::Error { reason });
        if self.halts.fault.is_none() {
            out.record(Record::Halt { reason: "fault" });
        }
        self.halts.fault = Some(FaultEvidence::default());
    }

    /// A balance was measured and is no error: half of what clears a fault.
    pub(super) fn balance_agrees(&mut self, out: &mut Effects) {
        if let Some(evidence) = &mut self.halts.fault {
            evidence.balance = true;
        }
        self.clear_fault(out);
    }

    /// A position snapshot showed exactly ours: the other half.
    pub(super) fn positions_agree(&mut self, out: &mut Effects) {
        if let Some(evidence) = &mut self.halts.fault {
            evidence.positions = true;
        }
        self.clear_fault(out);
    }

    fn clear_fault(&mut self, out: &mut Effects) {
        if self.halts.fault == Some(FaultEvidence { balance: true, positions: true }) {
            self.halts.fault = None;
            out.record(Record::Resume { reason: "evidence" });
        }
    }

    /// Re-arms the hot window of one asset, or of all where the venue did not say which.
    pub(super) fn heat(&mut self, now: Nanos, instrument: Option<InstrumentId>) {
        match instrument {
            Some(id) => {
                if let Some(market) = self.markets.get_mut(id.index()) {
                    market.hot_ns = Maybe::some(now);
                }
            }
            None => self.hot_ns = Maybe::some(now),
        }
    }

    pub(super) fn on_control(
        &mut self,
        now: Nanos,
        control: Control,
        settings: &Settings,
        out: &mut Effects,
    ) -> Verdict {
        let switch = match control {
            Control::Kill => &mut self.halts.killed,
            Control::Flatten => &mut self.halts.flatten,
            Control::Reduce => &mut self.halts.reducing,
            Control::Stop => &mut self.halts.stopped,
            Control::JournalFailed => &mut self.halts.journal_failed,
            Control::JournalBehind => &mut self.halts.journal_behind,
            Control::JournalCaughtUp => return self.journal_caught_up(out),
            Control::Resume => return self.resume(out),
            Control::Recover => return self.recover(now, out),
            Control::Reanchor => return self.reanchor(now, settings, out),
            Control::CancelAll => return self.cancel_all(now, out),
        };
        if core::mem::replace(switch, true) {
            return Verdict::refused(Code::DuplicateEvent);
        }
        out.record(Record::Halt { reason: control.as_str() });
        if control == Control::Stop && !settings.engine_stop_cancels {
            return Verdict::OK;
        }
        if planted!(X22KillLeavesEntries) && control == Control::Kill {
            return Verdict::OK;
        }
        self.call_entries_back(now, out);
        Verdict::OK
    }

    /// The engine itself kills, as the operator would; nothing happens when it is killed already.
    pub(crate) fn kill_for(&mut self, now: Nanos, reason: &'static str, out: &mut Effects) {
        if core::mem::replace(&mut self.halts.killed, true) {
            return;
        }
        out.record(Record::Halt { reason });
        self.call_entries_back(now, out);
    }

    /// What works toward more risk is called back; exits stay.
    fn call_entries_back(&mut self, now: Nanos, out: &mut Effects) {
        for index in 0..self.slots.len() {
            if let Some(client) = self.slots[index].entry_order {
                let _sent = self.send_cancel(now, client, out);
            }
        }
    }

    /// Calls back whatever works. What is left of an exit is owed, and leaves by market.
    fn cancel_all(&mut self, now: Nanos, out: &mut Effects) -> Verdict {
        self.call_entries_back(now, out);
        for index in 0..self.slots.len() {
            if let Some(client) = self.slots[index].exit_order {
                let _sent = self.send_cancel(now, client, out);
            }
        }
        Verdict::OK
    }

    fn journal_caught_up(&mut self, out: &mut Effects) -> Verdict {
        if !core::mem::replace(&mut self.halts.journal_behind, false) {
            return Verdict::refused(Code::DuplicateEvent);
        }
        out.record(Record::Resume { reason: Control::JournalCaughtUp.as_str() });
        Verdict::OK
    }

    /// The operator undoes kill, flatten and reduce and answers for a fault. A failed journal stays failed, a
    /// freeze by the reconcile clears only by a balance, and one by a position that is not ours only by a
    /// snapshot without it.
    fn resume(&mut self, out: &mut Effects) -> Verdict {
        let was = self.halts;
        self.halts.killed = false;
        self.halts.flatten = false;
        self.halts.reducing = false;
        self.halts.fault = None;
        if !was.killed && !was.flatten && !was.reducing && was.fault.is_none() {
            return Verdict::refused(Code::DuplicateEvent);
        }
        out.record(Record::Resume { reason: Control::Resume.as_str() });
        Verdict::OK
    }
}

/// The diagnostic of a guard.
pub(super) const fn code_of(reason: BlockReason) -> Code {
    match reason {
        BlockReason::Killed => Code::Killed,
        BlockReason::EntryFrozen => Code::EntryFrozen,
        BlockReason::UnresolvedOrder => Code::StaleStateReconciling,
        BlockReason::SlotBusy => Code::SlotBusy,
        BlockReason::InvalidIntent => Code::InvalidIntent,
        BlockReason::NoPrice
        | BlockReason::StalePrice
        | BlockReason::BookGap
        | BlockReason::NoBalance
        | BlockReason::StaleBalance
        | BlockReason::ZeroBalance
        | BlockReason::NoPositionProof
        | BlockReason::StalePositionProof
        | BlockReason::ProbeFailed
        | BlockReason::VenueNotFlat
        | BlockReason::HotWindow
        | BlockReason::Recovering
        | BlockReason::Unreconciled
        | BlockReason::Journal
        | BlockReason::Reducing
        | BlockReason::MinNotional
        | BlockReason::NotTradable
        | BlockReason::Cap => Code::EntryBlocked,
    }
}
