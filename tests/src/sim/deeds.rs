//! How each disturbance is done.

use pinion_core::id::InstrumentId;
use pinion_core::msg::{Control, PositionSide};
use pinion_core::units::{Money, Nanos, Qty};
use pinion_oracle::Event;

use super::chaos::Deed;
use super::job::Failure;
use super::rig::Rig;
use super::run::Run;

/// Longest time that a restart takes.
const RESTART_NS: i64 = 5 * Nanos::SECOND;

impl Run<'_> {
    /// Does a disturbance now.
    pub(super) fn do_deed(&mut self, deed: Deed, number: u32) -> Result<(), Failure> {
        let mut dice = self.chaos.dice(deed, number);
        self.trace.note(self.now, || format!("deed     {}", deed.as_str()));
        let stall = |longest: i64| dice.clone().magnitude(1_000_000, longest.max(1_000_000));
        match deed {
            Deed::Crash => return self.crash(number),
            Deed::StallKernel | Deed::StallEgress | Deed::StallJournal => {
                let stage = usize::from(deed.code() - Deed::StallKernel.code());
                self.stalled[stage] = self.now.plus(stall(self.job.options.stall_max_ns));
            }
            Deed::Kill => self.kill(),
            Deed::Resume => self.resume()?,
            Deed::Flatten => self.say(Control::Flatten),
            Deed::JournalFails => self.say(Control::JournalFailed),
            Deed::Outage => {
                let ns = dice.magnitude(100_000_000, 60 * Nanos::SECOND);
                if let Some(rig) = &mut self.rig {
                    rig.egress.venue_mut().outage(self.now, ns);
                }
            }
            Deed::CloseOutside => self.by_hand(true, number),
            Deed::OpenOutside => self.by_hand(false, number),
            Deed::Transfer => {
                let amount = Money::from_whole(dice.between(-200, 500));
                if let Some(rig) = &mut self.rig {
                    rig.egress.venue_mut().transfer(self.now, amount);
                }
            }
            Deed::Burst => {
                for _ in 0..dice.between(1, self.job.options.burst_max) {
                    let message = self.generator.next(self.now);
                    if let Some(rig) = &mut self.rig {
                        rig.market(message);
                    }
                }
            }
            // Parts of others.
            Deed::ColdStart
            | Deed::OldSnapshot
            | Deed::TornSnapshot
            | Deed::TailCut
            | Deed::KillAtEntry => {}
        }
        self.hear_truth()
    }

    /// The operator lets the engine trade again.
    pub(super) fn resume(&mut self) -> Result<(), Failure> {
        let told = self.oracle.tell(&Event::Resumed { at: self.now.get() });
        told.map_err(|breach| self.failed(breach))?;
        self.is_killed = false;
        self.kill_pending = false;
        self.say(Control::Resume);
        Ok(())
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
        let venue = rig.egress.venue_mut();
        if closes {
            venue.close_outside(self.now, instrument, side);
        } else {
            let qty = Qty::from_raw(lot.raw().saturating_mul(lots));
            venue.open_outside(self.now, instrument, side, qty);
        }
    }

    /// The process dies; what was on its links is gone. A new one begins on what was written.
    fn crash(&mut self, number: u32) -> Result<(), Failure> {
        self.hear_truth()?;
        self.hear_journal()?;
        self.hear();
        let mut dice = self.chaos.dice(Deed::Crash, number);
        let Some(rig) = self.rig.take() else { return Ok(()) };
        let engine = self.tape.replay(&self.world);
        let mut venue = rig.into_venue();
        let down_ns = dice.magnitude(10_000_000, RESTART_NS);
        venue.outage(self.now, down_ns);
        self.rig = Some(Rig::new(&self.world, engine, venue));
        self.heard = 0;
        self.stalled = [self.now.plus(down_ns), Nanos::ZERO, Nanos::ZERO];
        self.counters.count("recovery", "warm restart");
        if self.is_killed {
            self.kill();
        }
        self.blind_until = self.now.plus(down_ns + RESTART_NS);
        Ok(())
    }
}
