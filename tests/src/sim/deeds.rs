//! How each disturbance is done.

use std::sync::Arc;

use pinion_core::engine::Engine;
use pinion_core::id::InstrumentId;
use pinion_core::msg::{Control, PositionSide};
use pinion_core::settings::Settings;
use pinion_core::units::{Money, Nanos, Qty};
use pinion_oracle::{Breach, Event};

use super::chaos::Deed;
use super::checks::{Shown, adopted_before};
use super::deadlines::Deadlines;
use super::dice::Dice;
use super::job::Failure;
use super::rig::Rig;
use super::run::Run;
use super::workload::Brain;

/// Time in which an engine that lost its memory finds its orders and positions at the venue.
const BLIND_NS: i64 = 120 * Nanos::SECOND;
/// Longest time that a restart takes.
const RESTART_NS: i64 = 5 * Nanos::SECOND;

impl Run<'_> {
    /// Does a disturbance now.
    pub(super) fn do_deed(&mut self, deed: Deed, number: u32) -> Result<(), Failure> {
        let mut dice = self.chaos.dice(deed, number);
        self.trace.note(self.now, || format!("deed     {}", deed.as_str()));
        let stall = |longest: i64| dice.clone().magnitude(1_000_000, longest.max(1_000_000));
        match deed {
            Deed::Crash | Deed::CrashAtEntry | Deed::CrashAtOrder => return self.crash(number),
            Deed::Restart => self.restart_wanted = true,
            Deed::StallKernel | Deed::StallEgress | Deed::StallJournal => {
                let stage = usize::from(deed.code() - Deed::StallKernel.code());
                let ns = stall(self.job.options.stall_max_ns);
                self.stalled[stage] = self.now.plus(ns);
                if deed == Deed::StallEgress && self.job.options.kill_entry_ppm > 0 {
                    // So that entries are on their way to the gate when he kills.
                    self.soon.push((self.now.plus(ns / 2), Deed::Kill, number));
                }
            }
            Deed::Kill | Deed::KillAtEntry | Deed::KillAtGate => self.say(Control::Kill),
            Deed::ForceAtOrder | Deed::ForceAtFill => self.force(&mut dice),
            Deed::Resume => self.say(Control::Resume),
            Deed::Flatten => self.say(Control::Flatten),
            Deed::JournalFails => self.say(Control::JournalFailed),
            Deed::Swap | Deed::SwapStale => self.swap(deed == Deed::SwapStale, &mut dice),
            Deed::Outage => {
                let ns = dice.magnitude(100_000_000, 60 * Nanos::SECOND);
                if let Some(rig) = &mut self.rig {
                    rig.venue_mut().outage(self.now, ns);
                }
            }
            Deed::CloseOutside => self.by_hand(true, number),
            Deed::OpenOutside => self.by_hand(false, number),
            Deed::Transfer => {
                let amount = Money::from_whole(dice.between(-200, 500));
                if let Some(rig) = &mut self.rig {
                    rig.venue_mut().transfer(self.now, amount);
                }
            }
            Deed::Burst => {
                for _ in 0..dice.between(1, self.job.options.burst_max) {
                    let message = self.generator.next(self.now);
                    self.give(message);
                }
            }
            // Parts of others.
            Deed::ColdStart | Deed::OldSnapshot | Deed::TornSnapshot | Deed::TailCut => {}
        }
        self.hear_truth()
    }

    /// The venue closes one of our positions, whole or in part.
    fn force(&mut self, dice: &mut Dice) {
        let Some(rig) = &mut self.rig else { return };
        for index in 0..self.world.table.len() {
            for side in [PositionSide::Short, PositionSide::Long] {
                if self.oracle.own(index, side == PositionSide::Long).qty > 0 {
                    let (id, whole) = (InstrumentId::new(index), dice.chance(700_000));
                    rig.venue_mut().close_by_force(self.now, id, side, whole);
                    return;
                }
            }
        }
    }

    /// Somebody publishes settings: newer ones, or some that are not.
    fn swap(&mut self, stale: bool, dice: &mut Dice) {
        let Some(rig) = &mut self.rig else { return };
        let settings = Settings {
            exit_tp_bps: [20.0, 60.0, 95.0][usize::try_from(dice.below(3)).unwrap_or(0)],
            exit_max_hold_scans: dice.between(3, 250),
            exit_retry_first_ns: dice.between(100_000_000, 1_000_000_000),
            guard_quote_age_ns_max: dice.between(500_000_000, 4_000_000_000),
            guard_lookup_first_ns: dice.between(500_000_000, 2_000_000_000),
            guard_probe_interval_ns: dice.between(1_000_000_000, 10_000_000_000),
            ..Settings::clone(&self.world.settings)
        };
        let settings = Arc::new(settings);
        if stale {
            let at_most = i64::from(rig.kernel.engine().version());
            let version = u32::try_from(dice.between(0, at_most)).unwrap_or(0);
            rig.kernel.publish(version, settings);
        } else {
            self.version += 1;
            self.tape.publish(self.version, &settings);
            rig.kernel.publish(self.version, settings);
        }
    }

    /// Somebody trades on the account: closes a position of ours, or opens one.
    fn by_hand(&mut self, closes: bool, number: u32) {
        let deed = if closes { Deed::CloseOutside } else { Deed::OpenOutside };
        let mut dice = self.chaos.dice(deed, number);
        let index = usize::try_from(dice.below(self.world.table.len() as u64)).unwrap_or(0);
        let instrument = InstrumentId::new(index);
        let side = if dice.chance(500_000) { PositionSide::Long } else { PositionSide::Short };
        let lots = dice.magnitude(1, self.job.options.lots_max);
        let lot = self.world.table.row(instrument).lot;
        let Some(rig) = &mut self.rig else { return };
        let venue = rig.venue_mut();
        if closes {
            venue.close_outside(self.now, instrument, side);
        } else {
            let qty = Qty::from_raw(lot.raw().saturating_mul(lots));
            venue.open_outside(self.now, instrument, side, qty);
        }
    }

    /// The process dies; what was on its links is gone. A new one begins on what the disk holds.
    fn crash(&mut self, number: u32) -> Result<(), Failure> {
        self.hear_truth()?;
        self.hear_journal()?;
        self.hear();
        let mut dice = self.chaos.dice(Deed::Crash, number);
        let options = &self.job.options;
        let (cold_ppm, old_ppm, torn_ppm) = (options.cold_ppm, options.old_ppm, options.torn_ppm);
        let cut_max = usize::try_from(options.tail_cut_max).unwrap_or(0);
        let cold = self.chaos.happens(Deed::ColdStart, number, cold_ppm);
        let old = self.chaos.happens(Deed::OldSnapshot, number, old_ppm);
        let torn = self.chaos.happens(Deed::TornSnapshot, number, torn_ppm);
        let cut = cut_max > 0 && self.chaos.happens(Deed::TailCut, number, 500_000);
        let Some(rig) = self.rig.take() else { return Ok(()) };
        let down_ns = dice.magnitude(10_000_000, RESTART_NS);
        let mut blind_ns = down_ns + RESTART_NS;
        let engine = if cold {
            self.counters.count("recovery", "cold start");
            self.tape.begin_blank(&self.world)
        } else {
            let begun = self.begin_again(&rig, old, torn, cut.then_some(cut_max), &mut dice);
            begun.map_err(|breach| self.failed(breach))?
        };
        if cold || cut || self.now < self.blind_until {
            blind_ns += BLIND_NS;
        }
        if !cold && !cut {
            self.watch.remember(rig.kernel.engine());
        }
        self.proof.restart(self.now, !cold && !cut);
        let mut venue = rig.into_venue();
        venue.hang_up(self.now);
        venue.outage(self.now, down_ns);
        self.rig = Some(Rig::new(&self.world, engine, venue));
        self.heard = 0;
        self.rings.begin();
        self.deadlines = Deadlines::default();
        self.sight.begin();
        self.forgetful |= cold || cut;
        self.stalled = [self.now.plus(down_ns), Nanos::ZERO, Nanos::ZERO];
        self.blind_until = self.now.plus(blind_ns);
        let engine = self.rig.as_ref().map(|rig| rig.kernel.engine());
        self.adopted = engine.map_or_else(Vec::new, |engine| adopted_before(engine.kernel()));
        if cold || cut {
            let told = self.oracle.tell(&Event::Forgotten { run: self.tape.epoch() });
            told.map_err(|breach| self.failed(breach))?;
        }
        self.shown = Shown::default();
        self.say(Control::Recover);
        // What he said to the process that died he says again, unless the new one knows.
        let known = self.rig.as_ref().map(|rig| rig.kernel.engine().kernel());
        let (killed, flattening) =
            known.map_or((false, false), |kernel| (kernel.is_killed(), kernel.is_flattening()));
        if self.is_killed && !killed {
            self.say(Control::Kill);
        }
        if self.is_flattening && !flattening {
            self.say(Control::Flatten);
        }
        Ok(())
    }

    /// The process ends in order and begins again at once: nothing is lost, and the venue has not noticed.
    pub(super) fn restart(&mut self) -> Result<(), Failure> {
        self.hear_truth()?;
        self.hear_journal()?;
        self.hear();
        let mut dice = self.chaos.dice(Deed::Restart, 0);
        let Some(rig) = self.rig.take() else { return Ok(()) };
        let begun = self.begin_again(&rig, false, false, None, &mut dice);
        let engine = begun.map_err(|breach| self.failed(breach))?;
        if self.now < self.blind_until {
            self.blind_until = self.now.plus(BLIND_NS);
        }
        self.watch.remember(rig.kernel.engine());
        self.proof.restart(self.now, true);
        self.rig = Some(Rig::new(&self.world, engine, rig.into_venue()));
        self.heard = 0;
        self.rings.begin();
        self.deadlines = Deadlines::default();
        self.sight.begin();
        self.shown = Shown::default();
        self.say(Control::Recover);
        Ok(())
    }

    /// A warm restart: snapshot, journal, perhaps without its end.
    fn begin_again(
        &mut self,
        rig: &Rig,
        old: bool,
        torn: bool,
        cut_max: Option<usize>,
        dice: &mut Dice,
    ) -> Result<Engine<Brain>, Breach> {
        self.counters.count("recovery", "warm restart");
        if torn {
            let at = usize::try_from(dice.bits() >> 1).unwrap_or(0);
            self.tape.check_torn(&self.world, at)?;
            self.counters.count("recovery", "torn snapshot rejected");
        }
        if let Some(most) = cut_max {
            let most = usize::try_from(dice.below(most as u64 + 1)).unwrap_or(0);
            if self.tape.lose_tail(most) > 0 {
                self.counters.count("recovery", "tail lost");
            }
        } else {
            self.tape.check_replay(&self.world, rig.kernel.engine())?;
        }
        // A torn snapshot is as good as none: the one before it serves.
        let mut engine = self.tape.restore(&self.world, old || torn)?;
        if old {
            self.counters.count("recovery", "old snapshot");
        }
        self.tape.begin_from(&mut engine);
        Ok(engine)
    }
}
