//! The journal thread: drains both rings, writes the run's files, and never makes the kernel wait for a
//! disk.
//!
//! When a write fails, every file is cut back to its last whole line or frame, [`JournalHandle::failed`]
//! turns true, and the thread goes on draining and counting what it drops: the kernel stops taking new
//! risk, but is never blocked. The thread is not pinned; when idle it sleeps a
//! millisecond at a time.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pinion_core::engine::Engine;
use pinion_core::journal::{Entry, InputRx};
use pinion_core::link::Rx;
use pinion_core::msg::{Record, RecordMsg};
use pinion_core::topology;

use crate::journal::again::Again;
use crate::journal::ahead::{Tickets, WriteAhead};
use crate::journal::fault::JournalFault;
use crate::journal::folder::{Durability, Folder as _};
use crate::journal::frames::{FrameKind, FrameWriter};
use crate::journal::header::{RunHeader, SettingsVersion, settings_of};
use crate::journal::hgrm;
use crate::journal::line_file::LineFile;
use crate::journal::medium::Medium;
use crate::journal::render::{LineFileId, Renderer};
use crate::journal::replica::Replica;
use crate::journal::run_dir::{INPUTS, LATENCY_LOG, RunDir, SNAPSHOT, SUMMARY, write_fault};
use crate::journal::summary::{RunEnd, Summary, Wall};

/// Most time between a record and its line in the file.
const FLUSH_EVERY: Duration = Duration::from_millis(200);
/// Sleep of an idle thread. Nobody waits for a line, and the rings hold many times what comes meanwhile;
/// waking for every few inputs would cost a core that the stages may need.
const SLEEP: Duration = Duration::from_millis(1);
/// Records handled before the inputs have their turn again.
const RECORDS_PER_TURN: usize = 4096;

/// Starts journals.
#[derive(Debug)]
pub struct Journal;

/// The running journal. Owner: whoever drives the run; ends it with [`JournalHandle::finish`].
#[derive(Debug)]
pub struct JournalHandle {
    shared: Arc<Shared>,
    stop: Sender<Ending>,
    desk: SettingsDesk,
    thread: JoinHandle<Result<Summary, JournalFault>>,
}

/// Where settings versions are announced. Clone it for whoever publishes settings.
#[derive(Clone, Debug)]
pub struct SettingsDesk {
    versions: Sender<SettingsVersion>,
}

impl SettingsDesk {
    /// Tells the journal the content of a version, before the version is published to the kernel.
    /// Never blocks; after the journal's end it does nothing.
    pub fn announce(&self, version: SettingsVersion) {
        // The receiver is gone only after the end of the run, when nothing is written any more.
        drop(self.versions.send(version));
    }
}

/// How a run ends.
struct Ending {
    end: RunEnd,
    wall: Wall,
    /// What the kernel's own engine saved.
    state: Option<Vec<u8>>,
}

#[derive(Debug, Default)]
struct Shared {
    failed: AtomicBool,
    fault: Mutex<Option<JournalFault>>,
    dropped: AtomicU64,
    tickets: Arc<Tickets>,
}

impl Journal {
    /// Creates the files, writes the header and the first line, and starts the thread.
    ///
    /// # Errors
    /// A file cannot be created or written, or the thread cannot be started.
    pub fn start(
        dir: &RunDir,
        header: RunHeader,
        records: Rx<RecordMsg>,
        inputs: InputRx,
        durability: Durability,
    ) -> Result<JournalHandle, JournalFault> {
        let open = |name: &str| -> Result<Box<dyn Medium>, JournalFault> {
            Ok(Box::new(dir.create_file(name)?))
        };
        let mut lines = Vec::with_capacity(LineFileId::ALL.len());
        for file in LineFileId::ALL {
            lines.push(LineFile::new(dir.file(file.name()), open(file.name())?));
        }
        let frames = FrameWriter::new(dir.file(INPUTS), open(INPUTS)?)?;
        Self::start_on(dir, header, records, inputs, durability, lines, frames)
    }

    /// The same on files made by the caller, in the order of [`LineFileId::ALL`].
    fn start_on(
        dir: &RunDir,
        header: RunHeader,
        records: Rx<RecordMsg>,
        inputs: InputRx,
        durability: Durability,
        lines: Vec<LineFile>,
        mut frames: FrameWriter,
    ) -> Result<JournalHandle, JournalFault> {
        frames.document(FrameKind::Header, header.to_json().as_bytes())?;
        let replica = match durability {
            Durability::Process => None,
            Durability::Power => {
                // The identity is durable before any order can leave.
                frames.sync()?;
                dir.clone().sync().map_err(|error| write_fault(dir.path(), &error))?;
                Some(Replica::new(&dir.file(INPUTS), &header)?)
            }
        };
        let mut renderer = Renderer::new(header);
        let mut lines = lines;
        lines[LineFileId::Session.index()].push(renderer.run_start())?;
        Self::spawn(dir, durability, replica, renderer, records, inputs, lines, frames)
    }

    /// Goes on with a run that was interrupted, in its directory, with a snapshot after each settled fill.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn go_on(
        dir: &RunDir,
        again: Again,
        records: Rx<RecordMsg>,
        inputs: InputRx,
    ) -> Result<JournalHandle, JournalFault> {
        let Again { replica, frames, renderer, lines, cut: _ } = again;
        let (durability, replica) = (Durability::Power, Some(replica));
        Self::spawn(dir, durability, replica, renderer, records, inputs, lines, frames)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one journal")]
    fn spawn(
        dir: &RunDir,
        durability: Durability,
        replica: Option<Replica>,
        renderer: Renderer,
        records: Rx<RecordMsg>,
        inputs: InputRx,
        lines: Vec<LineFile>,
        frames: FrameWriter,
    ) -> Result<JournalHandle, JournalFault> {
        let (stop, stop_rx) = channel();
        let (versions, versions_rx) = channel();
        let shared = Arc::new(Shared::default());
        let mut worker = Worker {
            dir: dir.clone(),
            durability,
            settings_hash: renderer.header().config_hash.clone(),
            journal_inputs: replica.as_ref().map_or(0, |replica| replica.engine().inputs()),
            replica,
            session: dir.file(LineFileId::Session.name()),
            renderer,
            records,
            inputs,
            lines,
            frames,
            versions: versions_rx,
            announced: BTreeMap::new(),
            shared: Arc::clone(&shared),
        };
        worker.flush()?;
        let thread = thread::Builder::new()
            .name("pinion-journal".into())
            .spawn(move || worker.run(&stop_rx))
            .map_err(|error| {
                let expected = "a thread for the journal: raise the limit on threads";
                JournalFault::new(dir.path(), error.to_string(), expected)
            })?;
        Ok(JournalHandle { shared, stop, desk: SettingsDesk { versions }, thread })
    }
}

impl JournalHandle {
    /// True once something could not be written; cheap enough for every turn.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.shared.failed.load(Ordering::Acquire)
    }

    /// What could not be written.
    #[must_use]
    pub fn fault(&self) -> Option<JournalFault> {
        self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Records and inputs dropped since a write failed.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// For whoever sends orders: they wait until their cause is in the file.
    #[must_use]
    pub fn ahead(&self) -> WriteAhead {
        WriteAhead::new(Arc::clone(&self.shared.tickets), self.thread.thread().clone())
    }

    /// Where settings versions are announced.
    #[must_use]
    pub fn desk(&self) -> SettingsDesk {
        self.desk.clone()
    }

    /// Ends the run: writes what still waits, the last line, the trailer, snapshot, summary and latency
    /// files. Call it after the producers' last push.
    ///
    /// # Errors
    /// What could not be written, now or earlier; the files then end with their last whole line.
    pub fn finish(self, end: RunEnd, wall: Wall) -> Result<Summary, JournalFault> {
        self.end(Ending { end, wall, state: None })
    }

    /// The same with the state of the kernel's engine after its last input, as [`Engine::save`] wrote it:
    /// for a journal that keeps no second engine.
    ///
    /// # Errors
    /// As [`JournalHandle::finish`].
    pub fn finish_with(
        self,
        end: RunEnd,
        wall: Wall,
        state: Vec<u8>,
    ) -> Result<Summary, JournalFault> {
        self.end(Ending { end, wall, state: Some(state) })
    }

    fn end(self, ending: Ending) -> Result<Summary, JournalFault> {
        let Self { shared, stop, desk, thread } = self;
        // A thread that is gone has a result to join all the same.
        drop(stop.send(ending));
        drop(desk);
        thread.join().unwrap_or_else(|_| {
            let fault = shared.fault.lock().unwrap_or_else(PoisonError::into_inner).take();
            Err(fault.unwrap_or_else(|| {
                let path = PathBuf::from("journal thread");
                JournalFault::new(&path, "it panicked", "a bug report with the text above")
            }))
        })
    }
}

struct Worker {
    dir: RunDir,
    durability: Durability,
    /// The engine that snapshots are made of; none where the data can be run again.
    replica: Option<Replica>,
    /// Hash of the settings in force.
    settings_hash: String,
    session: PathBuf,
    renderer: Renderer,
    records: Rx<RecordMsg>,
    inputs: InputRx,
    lines: Vec<LineFile>,
    frames: FrameWriter,
    versions: Receiver<SettingsVersion>,
    /// Announced versions that still wait for their first input.
    announced: BTreeMap<u32, SettingsVersion>,
    journal_inputs: u64,
    shared: Arc<Shared>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        // However the thread ended: nobody waits for it any more.
        self.shared.tickets.give_up();
    }
}

impl Worker {
    fn run(mut self, stop: &Receiver<Ending>) -> Result<Summary, JournalFault> {
        let mut flushed = Instant::now();
        loop {
            let work = self.turn();
            if flushed.elapsed() >= FLUSH_EVERY {
                self.keep(Self::flush_checked);
                flushed = Instant::now();
            }
            if work > 0 {
                continue;
            }
            match stop.try_recv() {
                Ok(ending) => {
                    while self.turn() > 0 {}
                    return self.close(ending);
                }
                // The handle is gone without an end: keep what came, without a trailer.
                Err(TryRecvError::Disconnected) => {
                    while self.turn() > 0 {}
                    self.keep(Self::flush);
                    let expected = "a run that is ended in order";
                    let found = "the run was dropped before its end";
                    return Err(JournalFault::new(self.dir.path(), found, expected));
                }
                Err(TryRecvError::Empty) => {
                    thread::park_timeout(SLEEP);
                }
            }
        }
    }

    /// One round over both rings; returns what was taken.
    fn turn(&mut self) -> usize {
        if self.shared.failed.load(Ordering::Relaxed) {
            return self.discard();
        }
        let mut taken = 0;
        // Read before the inputs are taken: what it stands for is in the ring by then.
        let ticket = self.shared.tickets.waiting();
        self.keep(|this| {
            taken += this.take_inputs()?;
            if let Some(ticket) = ticket {
                taken += this.write_ahead(ticket)?;
            }
            taken += this.take_records()?;
            if this.replica.as_mut().is_some_and(Replica::take_due) { this.save() } else { Ok(()) }
        });
        taken
    }

    /// Brings all that waits into the file, then lets the order leave whose ticket it is.
    fn write_ahead(&mut self, ticket: u64) -> Result<usize, JournalFault> {
        let mut taken = 0;
        // No longer than the ring is: what the kernel adds meanwhile is nobody's cause.
        while taken < topology::spec("input").depth {
            let more = self.take_inputs()?;
            taken += more;
            if more == 0 {
                break;
            }
        }
        self.frames.flush()?;
        self.shared.tickets.written(ticket);
        Ok(taken)
    }

    /// Writes the snapshot. The inputs that it covers are in the file before it.
    fn save(&mut self) -> Result<(), JournalFault> {
        let Some(replica) = &mut self.replica else { return Ok(()) };
        match self.durability {
            Durability::Process => self.frames.flush()?,
            Durability::Power => self.frames.sync()?,
        }
        self.dir.replace(SNAPSHOT, &replica.snapshot(), self.durability)
    }

    /// A replica in a state that was saved elsewhere.
    fn replica_of(&self, state: &[u8]) -> Result<Replica, JournalFault> {
        let header = self.renderer.header();
        let path = self.dir.file(INPUTS);
        let settings = Arc::new(settings_of(&path, &header.settings)?);
        let table = Arc::new(header.instruments.clone());
        let engine = Engine::restore(state, settings, table)
            .map_err(|damage| JournalFault::new(&path, damage.to_string(), "a whole state"))?;
        let header = RunHeader { config_hash: self.settings_hash.clone(), ..header.clone() };
        Ok(Replica::of(&path, &header, engine))
    }

    fn take_inputs(&mut self) -> Result<usize, JournalFault> {
        let Self {
            inputs,
            frames,
            versions,
            announced,
            renderer,
            replica,
            settings_hash,
            journal_inputs,
            ..
        } = self;
        let (mut result, mut dropped) = (Ok(()), 0);
        let taken = inputs.read(|entry| {
            let mut apply = || match entry {
                Entry::FrameStart => {
                    if let Some(replica) = replica {
                        replica.frame();
                    }
                    frames.close()
                }
                Entry::Settings { version } => {
                    receive(versions, announced, renderer);
                    let Some(content) = announced.remove(&version) else {
                        let found = format!("settings version {version} without its content");
                        let expected = "a version announced before it is published";
                        return Err(JournalFault::new(&self.session, found, expected));
                    };
                    if let Some(replica) = replica {
                        replica.announce(&content)?;
                    }
                    settings_hash.clone_from(&content.hash_after);
                    frames.document(FrameKind::Settings, content.to_json().as_bytes())
                }
                Entry::Input(encoded) => {
                    *journal_inputs += 1;
                    frames.input(encoded)?;
                    replica.as_mut().map_or(Ok(()), |replica| replica.encoded(encoded))
                }
            };
            if result.is_ok() {
                result = apply();
            } else {
                dropped += u64::from(matches!(entry, Entry::Input(_)));
            }
        });
        self.shared.dropped.fetch_add(dropped, Ordering::Relaxed);
        result.map(|()| taken)
    }

    fn take_records(&mut self) -> Result<usize, JournalFault> {
        let mut taken = 0;
        while taken < RECORDS_PER_TURN {
            let Some(message) = self.records.pop() else { break };
            taken += 1;
            if matches!(message.record, Record::Settings { .. }) {
                receive(&self.versions, &mut self.announced, &mut self.renderer);
            }
            let (file, line) = self.renderer.record(&message);
            self.lines[file.index()].push(line)?;
        }
        Ok(taken)
    }

    /// Takes and counts what can no longer be written.
    fn discard(&mut self) -> usize {
        self.shared.tickets.give_up();
        let mut dropped = 0;
        let bytes =
            self.inputs.read(|entry| dropped += u64::from(matches!(entry, Entry::Input(_))));
        while self.records.pop().is_some() {
            dropped += 1;
        }
        self.shared.dropped.fetch_add(dropped, Ordering::Relaxed);
        bytes + usize::try_from(dropped).unwrap_or(usize::MAX)
    }

    fn flush(&mut self) -> Result<(), JournalFault> {
        // Inputs first: a line in the files then has its cause in the journal.
        let mut result = self.frames.flush();
        for file in &mut self.lines {
            let flushed = file.flush();
            result = result.and(flushed);
        }
        result
    }

    /// Flushes, and notices when the directory went away: writes to removed files succeed in silence.
    fn flush_checked(&mut self) -> Result<(), JournalFault> {
        self.flush()?;
        match fs::metadata(&self.session) {
            Ok(_) => Ok(()),
            Err(error) => Err(JournalFault::new(
                &self.session,
                format!("it was removed while the run goes on ({error})"),
                "the run directory to stay where it is",
            )),
        }
    }

    /// Does something that can fail; the first failure stops the writing for good.
    fn keep(&mut self, act: impl FnOnce(&mut Self) -> Result<(), JournalFault>) {
        if self.shared.failed.load(Ordering::Relaxed) {
            return;
        }
        if let Err(fault) = act(self) {
            *self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
            // What can still be written is; the failed file has been cut back already.
            drop(self.flush());
            self.shared.failed.store(true, Ordering::Release);
        }
    }

    fn close(mut self, ending: Ending) -> Result<Summary, JournalFault> {
        let Ending { end, wall, state } = ending;
        let mut summary = self.renderer.summary(end, self.journal_inputs);
        summary.wall = wall;
        self.keep(|this| {
            let line = this.renderer.run_end(&summary);
            this.lines[LineFileId::Session.index()].push(line)?;
            this.flush()?;
            this.frames.finish(summary.end.to_json().as_bytes())?;
            if let Some(state) = &state {
                this.replica = Some(this.replica_of(state)?);
            }
            this.save()?;
            write_latency(&this.dir, &summary.wall)?;
            let content = summary.to_json();
            this.dir.replace(SUMMARY, content.as_bytes(), this.durability)
        });
        let fault = self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner).clone();
        fault.map_or(Ok(summary), Err)
    }
}

/// Takes the announced versions from the desk.
fn receive(
    versions: &Receiver<SettingsVersion>,
    announced: &mut BTreeMap<u32, SettingsVersion>,
    renderer: &mut Renderer,
) {
    while let Ok(version) = versions.try_recv() {
        renderer.announce(version.clone());
        announced.insert(version.version, version);
    }
}

fn write_latency(dir: &RunDir, wall: &Wall) -> Result<(), JournalFault> {
    let log = hgrm::interval_log(wall).map_err(|error| {
        JournalFault::new(&dir.file(LATENCY_LOG), error, "a histogram that can be serialized")
    })?;
    dir.replace(LATENCY_LOG, &log, Durability::Process)?;
    for latency in &wall.latency {
        let name = format!("latency-{}.hgrm", latency.name);
        let content = hgrm::percentiles(&latency.histogram);
        dir.replace(&name, content.as_bytes(), Durability::Process)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
