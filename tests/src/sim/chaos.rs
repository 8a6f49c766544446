//! What goes wrong outside of the venue: the process, the machine, the operator, other people.
//!
//! Each opportunity has a number that does not depend on what happened before, so an instance can be left out
//! or repeated alone.

use super::dice::Dice;
use super::options::Options;

pinion_core::text_enum! {
    /// A disturbance.
    pub enum Deed {
        /// The process dies and starts again on what it had written.
        Crash => "crash",
        /// It dies and the disk is lost with it.
        ColdStart => "cold_start",
        /// It finds an older snapshot.
        OldSnapshot => "old_snapshot",
        /// It finds a torn snapshot.
        TornSnapshot => "torn_snapshot",
        /// Its last inputs were not written yet.
        TailCut => "tail_cut",
        /// The kernel stage stands still.
        StallKernel => "stall_kernel",
        /// The egress stage stands still.
        StallEgress => "stall_egress",
        /// The journal stands still.
        StallJournal => "stall_journal",
        /// The operator kills.
        Kill => "kill",
        /// The operator kills while an entry has just left.
        KillAtEntry => "kill_at_entry",
        /// The operator kills while orders are on their way to the gate.
        KillAtGate => "kill_at_gate",
        /// The venue closes a position of ours by force when a fill has just been told.
        ForceAtFill => "force_at_fill",
        /// The venue closes a position of ours by force when an order has just left.
        ForceAtOrder => "force_at_order",
        /// The process dies when an order has just left.
        CrashAtOrder => "crash_at_order",
        /// The operator resumes.
        Resume => "resume",
        /// The operator wants to be flat.
        Flatten => "flatten",
        /// The journal cannot be written any more.
        JournalFails => "journal_fails",
        /// New settings come into force.
        Swap => "settings_swap",
        /// Settings are published that are not newer than those in force.
        SwapStale => "settings_stale",
        /// The stream to the venue is cut.
        Outage => "forced_outage",
        /// Somebody closes our position by hand.
        CloseOutside => "close_outside",
        /// Somebody opens a position on the account.
        OpenOutside => "open_outside",
        /// A deposit or a withdrawal.
        Transfer => "transfer_by_hand",
        /// Many market messages at one moment.
        Burst => "burst",
        /// The process dies when an entry has just left.
        CrashAtEntry => "crash_at_entry",
        /// The process ends and begins again while nothing is on its way, and the stream waits for it.
        Restart => "restart",
    }
}

/// A disturbance that happened: which, and at which market message.
pub type DeedAt = (Deed, u32);

/// Decides what happens when. Owner: the driver.
#[derive(Clone, Debug)]
pub struct Chaos {
    seed: u64,
    /// What may happen at a step, and how often in a million.
    rates: Vec<(Deed, i64)>,
    only: Option<Vec<DeedAt>>,
    happened: Vec<DeedAt>,
    is_off: bool,
}

impl Chaos {
    /// As the options say; `only` restricts it to these, sorted.
    #[must_use]
    pub fn new(seed: u64, options: &Options, only: Option<Vec<DeedAt>>) -> Self {
        let third = (options.stall_ppm + 2) / 3;
        let stall = if options.stall_ppm > 0 { third } else { 0 };
        let rates = [
            (Deed::Crash, options.crash_ppm),
            (Deed::StallKernel, stall),
            (Deed::StallEgress, stall),
            (Deed::StallJournal, stall),
            (Deed::Kill, options.kill_ppm),
            (Deed::Resume, options.resume_ppm),
            (Deed::Flatten, options.flatten_ppm),
            (Deed::JournalFails, options.journal_fails_ppm),
            (Deed::Swap, options.swap_ppm),
            (Deed::SwapStale, options.swap_ppm / 2),
            (Deed::Outage, options.outage_ppm),
            (Deed::CloseOutside, options.close_outside_ppm),
            (Deed::OpenOutside, options.open_outside_ppm),
            (Deed::Transfer, options.transfer_ppm),
            (Deed::Burst, options.burst_ppm),
            (Deed::Restart, options.restart_ppm),
        ];
        let rates = rates.into_iter().filter(|(_, ppm)| *ppm > 0).collect();
        Self { seed, rates, only, happened: Vec::new(), is_off: false }
    }

    /// The numbers of one instance: not those that decided whether it happens, which are low ones.
    #[must_use]
    pub const fn dice(&self, deed: Deed, number: u32) -> Dice {
        Dice::new(self.seed, 200 + deed.code() as u64, number as u64)
    }

    /// Whether it happens at this message, with this probability; remembered when it does.
    pub fn happens(&mut self, deed: Deed, number: u32, ppm: i64) -> bool {
        if self.is_off || ppm <= 0 {
            return false;
        }
        let stream = 100 + u64::from(deed.code());
        if !Dice::new(self.seed, stream, u64::from(number)).chance(ppm) {
            return false;
        }
        if self.only.as_ref().is_some_and(|only| only.binary_search(&(deed, number)).is_err()) {
            return false;
        }
        self.happened.push((deed, number));
        true
    }

    /// What happens at this message.
    pub fn at_step(&mut self, number: u32) -> Vec<Deed> {
        let mut deeds = Vec::new();
        for place in 0..self.rates.len() {
            let (deed, ppm) = self.rates[place];
            if self.happens(deed, number, ppm) {
                deeds.push(deed);
            }
        }
        deeds
    }

    /// Nothing happens any more.
    pub const fn switch_off(&mut self) {
        self.is_off = true;
    }

    /// Everything that happened.
    #[must_use]
    pub fn happened(&self) -> &[DeedAt] {
        &self.happened
    }
}
