//! What must have happened by when, in simulated time, while nothing stands in the way.
//!
//! | check | what | by when |
//! |---|---|---|
//! | `T_exit` | an exit that is owed, or that the operator wants, has an order | 2 s after its trigger or the end of its pause |
//! | `T_escalation` | what a limit exit with a life left over leaves by market | 2 s after the life's end |
//! | `T_kill_cancel` | the cancel of every entry known at a kill has left | 5 s after the kill |
//! | `T_blind` | no entry leaves without a market, a balance and positions of late | 1 s after the guard's age |
//!
//! While a stage stands still or a link is full there is no path, and the clocks begin anew afterwards.

use std::collections::BTreeMap;

use pinion_core::id::InstrumentId;
use pinion_core::kernel::stage::SlotStage;
use pinion_core::kernel::{Kernel, Slot};
use pinion_core::msg::{Control, Input, MarketKind, OrderKind, VenueEvent};
use pinion_core::settings::Settings;
use pinion_core::stage::Stage as _;
use pinion_core::units::{Money, Nanos};
use pinion_oracle::Breach;

use super::run::Run;

/// Time from the trigger of an exit to its order.
const EXIT_NS: i64 = 2 * Nanos::SECOND;
/// Time from a kill to the cancels of all entries.
const CANCEL_NS: i64 = 5 * Nanos::SECOND;
/// Time from being blind to the end of entries.
const BLIND_NS: i64 = Nanos::SECOND;

/// Since when something has been due, by slot. Owner: the driver.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    exits: BTreeMap<usize, Nanos>,
    cancels: BTreeMap<usize, Nanos>,
}

/// Why a slot must have an exit order at `now`, and has none.
fn lacks_exit(kernel: &Kernel, slot: &Slot, now: Nanos) -> Option<&'static str> {
    let due = slot.exit_due_ns().is_some_and(|due| now >= due);
    let by_market = kernel.is_flattening() || due;
    if !slot.is_open()
        || slot.stage() == SlotStage::Dust
        || slot.is_exit_pending()
        || !(by_market || slot.is_exit_owed())
    {
        return None;
    }
    let order = slot.exit_order().and_then(|client| kernel.order(client));
    let served = order.is_some_and(|order| !by_market || order.kind == OrderKind::Market);
    // A refused exit has its pause, whatever else the policy sends meanwhile.
    let pauses = slot.exit_retry_at_ns().is_some_and(|at| now < at);
    (!served && !pauses).then_some(if due { "T_escalation" } else { "T_exit" })
}

impl Run<'_> {
    /// Looks at every slot after a round.
    pub(super) fn check_deadlines(&mut self) -> Result<(), Breach> {
        let Some(rig) = &self.rig else { return Ok(()) };
        let stands = self.stalled.iter().any(|at| *at > self.now);
        if stands || !rig.kernel.drained() || !rig.is_quiet() {
            self.deadlines = Deadlines::default();
            return Ok(());
        }
        let (now, kernel) = (self.now, rig.kernel.engine().kernel());
        let Deadlines { exits, cancels } = &mut self.deadlines;
        for (index, slot) in kernel.slots().iter().enumerate() {
            match lacks_exit(kernel, slot, now) {
                Some(check) if now.since(*exits.entry(index).or_insert(now)) > EXIT_NS => {
                    let what = format!("slot {index} waits for an exit order: {slot:?}");
                    return Err(Breach { check, what });
                }
                Some(_) => {}
                None => {
                    exits.remove(&index);
                }
            }
            let entry = slot.entry_order().and_then(|client| kernel.order(client));
            let halted = kernel.is_killed() || kernel.is_flattening();
            match entry.filter(|order| halted && !order.over && order.ended.is_none()) {
                Some(order) if !self.rings.canceled.contains(&order.client) => {
                    if now.since(*cancels.entry(index).or_insert(now)) > CANCEL_NS {
                        let what = format!("{} is not called back: {order:?}", order.client);
                        return Err(Breach { check: "T_kill_cancel", what });
                    }
                }
                Some(_) | None => {
                    cancels.remove(&index);
                }
            }
        }
        Ok(())
    }
}

/// When the engine last saw what. Owner: the driver; of every kind the times since the journal was read
/// the last time, and the one before.
#[derive(Debug, Default)]
pub(super) struct Sight {
    quotes: BTreeMap<InstrumentId, Vec<Nanos>>,
    trades: BTreeMap<InstrumentId, Vec<Nanos>>,
    gaps: BTreeMap<InstrumentId, Vec<Nanos>>,
    balances: Vec<Nanos>,
    positions: Vec<Nanos>,
    rows: u32,
    journal_failed: Option<Nanos>,
}

/// The last of these by `at`.
fn last(times: Option<&Vec<Nanos>>, at: Nanos) -> Option<Nanos> {
    times?.iter().rev().find(|seen| **seen <= at).copied()
}

impl Sight {
    /// The engine took an input at `now`.
    pub(super) fn saw(&mut self, now: Nanos, input: &Input) {
        match input {
            Input::Market(message) => {
                let times = match message.kind() {
                    MarketKind::Quote => &mut self.quotes,
                    MarketKind::Trade | MarketKind::Bar => &mut self.trades,
                    MarketKind::Gap => &mut self.gaps,
                    MarketKind::Mark | MarketKind::Level | MarketKind::Reset => return,
                };
                let at = if message.kind() == MarketKind::Gap {
                    now
                } else {
                    message.ts_recv_ns.min(now)
                };
                times.entry(message.instrument).or_default().push(at);
            }
            Input::Venue(message) => match message.event {
                VenueEvent::Balance { wallet, .. }
                    if wallet.get().is_some_and(|wallet| wallet != Money::ZERO) =>
                {
                    self.balances.push(now);
                }
                VenueEvent::Position { .. } => self.rows += 1,
                VenueEvent::PositionsEnd { ok, rows, .. } => {
                    if ok && rows == self.rows {
                        self.positions.push(now);
                    }
                    self.rows = 0;
                }
                _ => {}
            },
            Input::Control(message) => {
                if message.control == Control::JournalFailed {
                    self.journal_failed.get_or_insert(now);
                }
            }
            Input::Scan(_) | Input::Settings { .. } | Input::Tick => {}
        }
    }

    /// A new process: a failed journal is the old one's, and so are rows without their end.
    pub(super) const fn begin(&mut self) {
        self.journal_failed = None;
        self.rows = 0;
    }

    /// Forgets all but the last of each.
    pub(super) fn forget(&mut self) {
        let all = [&mut self.quotes, &mut self.trades, &mut self.gaps];
        let lists = all.into_iter().flat_map(BTreeMap::values_mut);
        for times in lists.chain([&mut self.balances, &mut self.positions]) {
            times.drain(..times.len().saturating_sub(1));
        }
    }

    /// An entry left at `at`.
    ///
    /// # Errors
    /// `T_blind`: something that it needs was too old by then.
    pub(super) fn entered(
        &self,
        at: Nanos,
        instrument: InstrumentId,
        settings: &Settings,
    ) -> Result<(), Breach> {
        let quote = last(self.quotes.get(&instrument), at);
        let trade = last(self.trades.get(&instrument), at);
        let (market, age_ns) = match quote {
            Some(_) => (quote, settings.guard_quote_age_ns_max),
            None => (trade, settings.guard_trade_age_ns_max),
        };
        let needs = [
            ("a price", market, age_ns),
            ("a balance", last(Some(&self.balances), at), settings.guard_balance_age_ns_max),
            ("positions", last(Some(&self.positions), at), settings.guard_probe_age_ns_max),
        ];
        for (what, seen, age_ns) in needs {
            if seen.is_none_or(|seen| at.since(seen) > age_ns + BLIND_NS) {
                let what =
                    format!("an entry of {} at {at:?}: {what} of {seen:?}", instrument.index());
                return Err(Breach { check: "T_blind", what });
            }
        }
        let gap = last(self.gaps.get(&instrument), at);
        if gap > market.map(|seen| seen.plus(BLIND_NS)) {
            let what = format!("an entry of {} over a gap at {gap:?}", instrument.index());
            return Err(Breach { check: "T_blind", what });
        }
        if self.journal_failed.is_some_and(|failed| failed < at) {
            let what = String::from("an entry that no journal keeps");
            return Err(Breach { check: "T_blind", what });
        }
        Ok(())
    }
}
