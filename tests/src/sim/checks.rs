//! What must hold after every round, whenever nothing is under way, and every so many inputs.

use std::fmt::Write as _;

use pinion_core::engine::Engine;
use pinion_core::id::TradeId;
use pinion_core::kernel::facts::Probe;
use pinion_core::kernel::{Kernel, Slot};
use pinion_core::msg::PositionSide;
use pinion_core::settings::Settings;
use pinion_core::stage::Stage as _;
use pinion_core::units::Nanos;
use pinion_oracle::{Books, Breach, Event, Holding, Oracle};

use super::life::{Tape, bytes_of};
use super::run::Run;
use super::workload::Brain;

/// Quiet time after which nothing can be under way any more, without faults of the venue's clock.
const JUMP_NS: i64 = 30 * Nanos::SECOND;
/// See [`Run::quiet_ns`].
const QUIET_NS: i64 = 12 * Nanos::SECOND;
/// The same where messages may be half a minute late, each way.
const QUIET_LATE_NS: i64 = 100 * Nanos::SECOND;

/// The kernel's books in the oracle's words.
pub(super) fn books(kernel: &Kernel) -> Books {
    let ledger = kernel.ledger();
    let open = kernel.slots().iter().filter(|slot| slot.is_open());
    let holdings = open.filter_map(|slot| {
        let position = slot.position();
        Some(Holding {
            instrument: slot.instrument()?.index(),
            is_long: slot.side()? == PositionSide::Long,
            qty: position.size.raw(),
            entered: position.entered.raw(),
            entry_notional: position.entry_notional.raw(),
            exit_notional: position.exit_notional.raw(),
            fees: position.fees.raw(),
        })
    });
    Books {
        realized: ledger.realized().raw(),
        fees: ledger.fees().raw(),
        funding: ledger.funding().raw(),
        transfers: ledger.transfers().raw(),
        holdings: holdings.collect(),
    }
}

/// Age that the venue's views have at most.
const VIEW_LAG_NS: i64 = 6 * Nanos::SECOND;

/// Whole position snapshots that the engine took in since anything last happened, at the venue or in its own
/// books, later than any view lags. Only such a row of them proves a close by somebody else, so before it
/// nobody could know.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shown {
    /// The moment they count from, and the engine's revision of it.
    since: i64,
    revision: u64,
    count: u32,
    first: Nanos,
    last: Nanos,
}

impl Shown {
    /// Takes in what the engine knows now; `activity` is when anything last happened at the venue. While an
    /// order of ours may still be the reason for what is shown, nothing is proved.
    fn look(&mut self, engine: &Engine<Brain>, activity: i64) {
        let kernel = engine.kernel();
        let is_news = activity != self.since || kernel.revision() != self.revision;
        if is_news || Run::has_live_order(engine) {
            *self = Self { since: activity, revision: kernel.revision(), ..Self::default() };
        }
        if let Probe::Seen(at) = kernel.facts().probe()
            && at > self.last
            && at.get().saturating_sub(self.since) > VIEW_LAG_NS
        {
            self.first = if self.count == 0 { at } else { self.first };
            (self.last, self.count) = (at, self.count + 1);
        }
    }

    /// True when they prove what the account holds: three in a row over the time that the settings want, and one
    /// more that was perhaps asked for before they began.
    fn is_proof(&self, settings: &Settings) -> bool {
        self.count >= 4 && self.last.since(self.first) >= settings.guard_outside_close_ns
    }
}

/// Tells the oracle of the positions that the engine has taken over since the last look: a slot with a
/// position that it did not see being opened.
pub(super) fn adoptions(
    told: &mut Vec<Option<TradeId>>,
    kernel: &Kernel,
    oracle: &mut Oracle,
) -> Result<bool, Breach> {
    told.resize(kernel.slots().len(), None);
    let mut any = false;
    for (slot, told) in kernel.slots().iter().zip(told) {
        let (Some(instrument), Some(side)) = (slot.instrument(), slot.side()) else { continue };
        if is_adopted(slot) && *told != slot.trade() {
            *told = slot.trade();
            any = true;
            oracle.tell(&Event::Adopted {
                instrument: instrument.index(),
                is_long: side == PositionSide::Long,
                qty: slot.size().raw(),
            })?;
        }
    }
    Ok(any)
}

/// What a restored engine remembers to have taken over; the oracle was told when it did.
pub(super) fn adopted_before(kernel: &Kernel) -> Vec<Option<TradeId>> {
    kernel.slots().iter().map(|slot| slot.trade().filter(|_| is_adopted(slot))).collect()
}

fn is_adopted(slot: &Slot) -> bool {
    slot.is_open() && slot.opened_ns().is_none()
}

impl Run<'_> {
    /// Everything that can be checked after a round of polling.
    pub(super) fn check_round(&mut self) -> Result<(), Breach> {
        let Some(rig) = &self.rig else { return Ok(()) };
        let engine = rig.kernel.engine();
        let kernel = engine.kernel();
        if rig.kernel.records_lost() > 0 {
            let what = format!("{} records did not fit", rig.kernel.records_lost());
            return Err(Breach { check: "I24_records", what });
        }
        if let Some(wrong) = engine.policy().heard().and_then(|heard| heard.wrong.clone()) {
            return Err(wrong);
        }
        if let Some(heard) = engine.policy().heard()
            && let Some(refused) = &heard.exit_refused
        {
            return Err(Breach { check: "I5_exit_possible", what: refused.clone() });
        }
        self.tape.check_settings(&self.world, engine)?;
        for (index, slot) in kernel.slots().iter().enumerate() {
            if slot.size().raw() < 0 {
                let what = format!("slot {index} holds {}", slot.size().raw());
                return Err(Breach { check: "S_negative_slot", what });
            }
            if slot.is_free() && slot.is_open() {
                let what = format!("slot {index} is free and holds {}", slot.size().raw());
                return Err(Breach { check: "S_free_with_position", what });
            }
        }
        self.shown.look(engine, self.oracle.last_activity());
        self.watch_round()?;
        self.check_rest()?;
        if self.tape.written() >= self.next_state_check {
            self.check_state()?;
        }
        Ok(())
    }

    /// True while an order of ours is not proved to be over, as the kernel sees it.
    pub(super) fn has_live_order(engine: &Engine<Brain>) -> bool {
        let slots = engine.kernel().slots();
        slots.iter().any(|slot| slot.entry_order().is_some() || slot.exit_order().is_some())
    }

    /// Time without activity after which everything must have been told.
    pub(super) fn quiet_ns(&self) -> i64 {
        // What was late before is still on its way for a while.
        let is_over = self.calm && self.now.since(self.calm_at) >= JUMP_NS;
        if self.is_late && !is_over { QUIET_LATE_NS } else { QUIET_NS }
    }

    /// Once in every pause: nothing is under way, so engine and venue agree.
    fn check_rest(&mut self) -> Result<(), Breach> {
        let last = self.oracle.last_activity();
        if last == self.rested_at || self.now.get().saturating_sub(last) < self.quiet_ns() {
            return Ok(());
        }
        let Some(rig) = &self.rig else { return Ok(()) };
        let engine = rig.kernel.engine();
        let stands = self.stalled.iter().any(|at| *at > self.now);
        if stands
            || self.now < self.blind_until
            || Self::has_live_order(engine)
            || !rig.kernel.drained()
            || !rig.is_quiet()
            // What somebody else did to our position shows in position snapshots only.
            || (self.oracle.outside() > 0 && !self.shown.is_proof(&self.world.settings))
        {
            return Ok(());
        }
        self.rested_at = last;
        if rig.egress.drained() {
            self.rings.empty(rig.merged())?;
            self.counters.count("check", "links empty");
        }
        let books = books(engine.kernel());
        self.oracle.check_positions(&books, engine.kernel().is_frozen())?;
        if self.job.options.exact == 1 && self.oracle.outside() == 0 {
            self.oracle.check_basis(&books)?;
            self.oracle.check_money(&books)?;
            self.counters.count("check", "books equal");
        }
        Ok(())
    }

    /// The state survives being saved, and what cannot be read is not taken.
    fn check_state(&mut self) -> Result<(), Breach> {
        let every = self.job.options.state_every.max(1).cast_unsigned();
        self.next_state_check = self.tape.written() + every;
        let Some(rig) = &self.rig else { return Ok(()) };
        Tape::check_saved(&self.world, rig.kernel.engine())?;
        self.counters.count("check", "saved and restored");
        Ok(())
    }

    /// The journal from its beginning makes the same engine.
    pub(super) fn check_replay(&mut self) -> Result<(), Breach> {
        let Some(rig) = &self.rig else { return Ok(()) };
        self.tape.check_replay(&self.world, rig.kernel.engine())?;
        self.counters.count("check", "replayed");
        Ok(())
    }

    /// Engine, venue and oracle side by side, for a report.
    pub(super) fn state(&self) -> String {
        let mut text = String::new();
        if let Some(rig) = &self.rig {
            let kernel = rig.kernel.engine().kernel();
            let account = rig.venue().venue().account();
            let size = bytes_of(rig.kernel.engine()).len();
            let _infallible = writeln!(
                text,
                "engine books: {:#?}\ncapital {} wallet told {:?} delta {:?}\nfrozen {} killed {} saved {size} bytes",
                books(kernel),
                kernel.ledger().capital().raw(),
                kernel.facts().wallet(),
                kernel.facts().delta(),
                kernel.is_frozen(),
                kernel.is_killed()
            );
            for slot in kernel.slots() {
                let _infallible = writeln!(text, "slot: {slot:?}");
            }
            let _infallible = writeln!(text, "venue account: {account:#?}");
            for order in rig.venue().venue().open_orders() {
                let _infallible = writeln!(text, "venue order: {order:?}");
            }
        }
        let _infallible = writeln!(
            text,
            "oracle: cash {} fees {} funding {:?} transfers {} fills {} live {:?}",
            self.oracle.cash(),
            self.oracle.fees(),
            self.oracle.funding(),
            self.oracle.transfers(),
            self.oracle.fills(),
            self.oracle.live_orders()
        );
        for index in 0..self.world.table.len() {
            for is_long in [false, true] {
                let own = self.oracle.own(index, is_long);
                let foreign = self.oracle.foreign(index, is_long);
                let _infallible = writeln!(
                    text,
                    "oracle: {index} long {is_long}: ours {own:?}, theirs {foreign}"
                );
            }
        }
        text
    }
}
