//! How a live run begins: anew, or on what an interrupted one left in the same directory.
//!
//! ```text
//! no directory ─▶ create, lock ───────────────────────────────▶ a fresh engine
//! interrupted ──▶ lock, same account and settings? ─▶ recover ─▶ new header (greater epoch, durable)
//!                                                             ─▶ lines told again ─▶ the engine as it was
//! ended, other settings, other account ──▶ refused with the remedy
//! ```
//!
//! The engine that goes on hears `recover` before anything else: it asks the venue for every order that may
//! live, and enters nothing before orders, positions and wallet have been told anew.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use pinion_core::engine::Engine;
use pinion_core::instrument::{Instrument, InstrumentTable};
use pinion_core::settings::{InstrumentOverride, KEYS, Layout, Settings};
use pinion_core::units::Nanos;

use super::epoch;
use super::fault::RunFault;
use super::live::LivePlan;
use super::source::correct;
use crate::bingx::live::Ready;
use crate::journal::line_file_names;
use crate::journal::replica::engine_as;
use crate::journal::run_dir::{INPUTS, write_fault};
use crate::journal::{Again, JournalFault, RunDir, RunHeader, Tail, tell_again};
use crate::recover::{LOCK, Recovery, StateLock, next_epoch, recover};

type Notice<'a> = &'a mut (dyn FnMut(&str) + Send);

/// A directory whose run was interrupted, locked and read.
#[derive(Debug)]
pub(super) struct Interrupted {
    dir: RunDir,
    lock: StateLock,
    recovery: Recovery,
}

impl Interrupted {
    /// What `out` holds; `None` where nothing is there, or only what a run left that ended before it began.
    ///
    /// # Errors
    /// It holds something else, a run that ended, or one that another process works on.
    pub(super) fn find(out: &Path) -> Result<Option<Self>, RunFault> {
        if !out.exists() {
            return Ok(None);
        }
        let is_ours = out.join(INPUTS).exists() || out.join(LOCK).exists() || is_unborn(out);
        if !is_ours {
            // Says why it cannot be used.
            RunDir::create(out)?;
        }
        let lock = StateLock::take(out)?;
        if is_unborn(out) {
            fs::remove_dir_all(out).map_err(|error| write_fault(out, &error))?;
            return Ok(None);
        }
        let dir = RunDir::open(out)?;
        let recovery = recover(&dir)?;
        if recovery.tail == Tail::Complete {
            let found = "the run in it has ended";
            let expected = "a run that was interrupted, or a new name: give another --out";
            return Err(RunFault::Restart(JournalFault::new(out, found, expected)));
        }
        Ok(Some(Self { dir, lock, recovery }))
    }

    /// Refuses to go on for another account, or under other settings than it runs with.
    pub(super) fn is_of(&self, plan: &LivePlan) -> Result<(), RunFault> {
        let header = &self.recovery.header;
        let refused = |what: &str, found: &str, given: &str| {
            let found = format!("the interrupted run in it has {what} {found}, this one {given}");
            let expected =
                "the same account and configuration, which go on with it, or another --out";
            Err(RunFault::Restart(JournalFault::new(self.dir.path(), found, expected)))
        };
        let (mode, was) = (plan.settings.engine_mode, header.mode);
        if mode != was {
            return refused("mode", was.as_str(), mode.as_str());
        }
        let (place, was) = (place(plan), header.data.join(", "));
        if place != was {
            return refused("the venue and key", &was, &place);
        }
        if plan.config_hash != header.config_hash {
            return refused("the configuration", &header.config_hash, &plan.config_hash);
        }
        Ok(())
    }
}

/// True for a directory of a process that died before its run began: no line was written, so that no stage
/// has run, and there is nothing in it that is not ours.
fn is_unborn(out: &Path) -> bool {
    let Ok(entries) = fs::read_dir(out) else { return false };
    let is_ours = |entry: std::io::Result<fs::DirEntry>| {
        let Ok(entry) = entry else { return false };
        let (name, len) = (entry.file_name(), entry.metadata().map_or(1, |found| found.len()));
        let name = name.to_string_lossy();
        name == INPUTS || ((name == LOCK || line_file_names().any(|line| line == name)) && len == 0)
    };
    entries.into_iter().all(is_ours)
}

/// How a run begins.
#[derive(Debug)]
pub(super) struct Begin {
    pub(super) dir: RunDir,
    pub(super) lock: StateLock,
    pub(super) header: RunHeader,
    pub(super) engine: Engine,
    /// What goes on; `None` for a run that is new.
    pub(super) again: Option<GoesOn>,
}

/// What goes on.
#[derive(Debug)]
pub(super) struct GoesOn {
    pub(super) journal: Again,
    /// Fills are known until then, by the venue's clock.
    pub(super) known_to: Nanos,
}

impl Begin {
    /// A new run: its books begin with the venue's wallet.
    pub(super) fn fresh(
        plan: &LivePlan,
        ready: &Ready,
        layout: Layout,
        clock: Nanos,
        notice: Notice<'_>,
    ) -> Result<Self, RunFault> {
        let mut settings = adjusted(&plan.settings, ready, notice);
        settings.account_starting_capital = ready.wallet;
        let rows = corrected(&plan.instruments, ready.instruments.clone());
        let table = InstrumentTable::new(rows)?;
        let epoch = epoch(clock);
        let name = format!("{}-{epoch:08x}", plan.profile_id);
        let header = RunHeader {
            run_id: name.clone(),
            run_tag: name,
            mode: settings.engine_mode,
            layout,
            seed: settings.engine_seed,
            epoch,
            started_ns: clock,
            config_version: 1,
            config_hash: plan.config_hash.clone(),
            starting_capital: settings.account_starting_capital,
            instruments: table.clone(),
            settings: texts(&settings),
            data: vec![place(plan)],
        };
        let dir = RunDir::create(&plan.out)?;
        let lock = StateLock::take(dir.path())?;
        let engine = Engine::new(Arc::new(settings), Arc::new(table), epoch);
        Ok(Self { dir, lock, header, engine, again: None })
    }

    /// The run goes on: its books, its instruments in their order, its name.
    pub(super) fn again(
        plan: &LivePlan,
        ready: &Ready,
        layout: Layout,
        clock: Nanos,
        found: Interrupted,
        notice: Notice<'_>,
    ) -> Result<Self, RunFault> {
        let Interrupted { mut dir, lock, recovery } = found;
        let before = recovery.header.clone();
        let mut settings = adjusted(&plan.settings, ready, notice);
        settings.account_starting_capital = before.starting_capital;
        let rows = corrected(&plan.instruments, ready.instruments.clone());
        let instruments = before.instruments.continued(rows)?;
        let kernel = recovery.replica.engine().kernel();
        let known_to = kernel.fills_known_to().unwrap_or(recovery.began_ns);
        // Time never goes back, also where the clock on the wall did.
        let started_ns = clock.max(recovery.replica.engine().now().plus(1));
        let epoch = next_epoch(recovery.replica.epoch(), epoch(clock));
        let header = RunHeader {
            layout,
            epoch,
            started_ns,
            config_version: recovery.replica.engine().version().max(1),
            config_hash: plan.config_hash.clone(),
            instruments,
            settings: texts(&settings),
            ..before
        };
        if let Some(aside) = &recovery.quarantined {
            notice(&format!("{}; it is {} now, and was not believed", aside.why, aside.name));
        }
        let inputs = recovery.replica.engine().inputs();
        let path = dir.path().to_path_buf();
        let continued = recovery.go_on(&mut dir, &path, &header)?;
        let engine = engine_as(&dir.file(INPUTS), continued.replica.engine(), &header)?;
        let journal = tell_again(&dir, continued.replica, continued.frames)?;
        let kernel = engine.kernel();
        let used = kernel.slots().iter().filter(|slot| !slot.is_free()).count();
        let halted = if kernel.is_killed() { "; entries are killed" } else { "" };
        notice(&format!(
            "the run goes on behind {inputs} inputs, epoch {epoch}, {used} slots in use{halted}; entries \
             wait until the venue has told everything anew"
        ));
        if journal.cut > 0 {
            notice(&format!("{} bytes of unfinished lines were written anew", journal.cut));
        }
        Ok(Self { dir, lock, header, engine, again: Some(GoesOn { journal, known_to }) })
    }
}

/// Where the run trades and with which key, as its files name it.
fn place(plan: &LivePlan) -> String {
    let (rest, ws) = (plan.venue.rest.host_header(), plan.venue.ws.host_header());
    format!("bingx {rest}, {ws}, key {}", plan.venue.keys.fingerprint())
}

fn texts(settings: &Settings) -> Vec<(String, String)> {
    KEYS.iter().map(|key| (key.name.to_owned(), (key.get)(settings).to_text())).collect()
}

/// Fees are predicted by the account's own rates.
fn adjusted(settings: &Settings, ready: &Ready, notice: Notice<'_>) -> Settings {
    let mut settings = settings.clone();
    let (taker, maker) = (ready.commission.taker, ready.commission.maker);
    if (taker, maker) != (settings.account_taker_rate, settings.account_maker_rate) {
        notice(&format!(
            "fees: the account pays {taker} as taker and {maker} as maker, which is used instead of the \
             settings"
        ));
        settings.account_taker_rate = taker;
        settings.account_maker_rate = maker;
    }
    notice(&format!(
        "account: wallet {}, this machine's clock {:.1} ms ahead of the venue's",
        ready.wallet,
        ready.ahead_ns as f64 / 1e6
    ));
    settings
}

fn corrected(
    overrides: &[InstrumentOverride],
    mut instruments: Vec<Instrument>,
) -> Vec<Instrument> {
    for row in overrides {
        if let Some(known) = instruments.iter_mut().find(|known| known.symbol == row.symbol) {
            correct(known, row);
        }
    }
    instruments
}
