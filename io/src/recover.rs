//! What a restart finds in a state directory, and how it goes on there.
//!
//! ```text
//! lock ─▶ snapshot.json ──whole, ours──▶ its engine at input n ─┐
//!              │ torn, changed, other form, other account       ├─▶ + journal from n on ─▶ the engine
//!              ▼                                                │
//!         set aside, never trusted, never overwritten           │
//!              └──────────▶ a fresh engine at input 0 ──────────┘
//! ```
//!
//! The engine is the one that ran at the last whole input; what was being written when the process ended
//! is cut and told. Where a whole frame stands behind a broken one, or inputs are surely missing, the
//! outcome is *unknown*: the state is the last that
//! can be proved, and nothing may be entered before it is reconciled with the venue. Files that cannot be
//! read are an error: a directory that says nothing is not a flat account.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Arc;

use pinion_core::engine::Engine;
use pinion_core::msg::Input;
use pinion_core::units::Nanos;

use crate::journal::folder::{Durability, Folder, replace};
use crate::journal::frames::{FrameKind, FrameWriter, LONGEST_TAIL};
use crate::journal::header::settings_of;
use crate::journal::replica::Replica;
use crate::journal::run_dir::{INPUTS, SNAPSHOT, read_fault, write_fault};
use crate::journal::snapshot::{SNAPSHOT_MAX, Snapshot};
use crate::journal::tail::damage;
use crate::journal::{Item, JournalFault, JournalReader, RunDir, RunHeader, SettingsVersion, Tail};
use crate::utc::file_stamp;

/// Name of the lock file.
pub const LOCK: &str = "lock";

/// The right to use a state directory; given back when dropped, and by the system when the process dies.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

impl StateLock {
    /// Takes the lock of a directory.
    ///
    /// # Errors
    /// Another process holds it, or the directory cannot be written.
    pub fn take(dir: &Path) -> Result<Self, JournalFault> {
        let path = dir.join(LOCK);
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|error| write_fault(&path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(JournalFault::new(
                &path,
                "another process uses this state directory",
                "one process per directory: end the other one first",
            )),
            Err(TryLockError::Error(error)) => Err(write_fault(&path, &error)),
        }
    }
}

/// A file that was not believed and stands under another name now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Its new name.
    pub name: String,
    /// What was wrong with it.
    pub why: JournalFault,
}

/// What a state directory holds. Owner: whoever goes on with the run, or shows it.
#[derive(Debug)]
pub struct Recovery {
    /// What the run started with last.
    pub header: RunHeader,
    /// When it first started.
    pub began_ns: Nanos,
    /// The engine after its last whole input.
    pub replica: Replica,
    /// Inputs that the snapshot spared; `None` when the journal was replayed from its start.
    pub from_snapshot: Option<u64>,
    /// How the journal ends.
    pub tail: Tail,
    /// Where the next frame goes: everything before it is whole.
    pub whole: u64,
    /// The snapshot, where it was not believed.
    pub quarantined: Option<Quarantined>,
    /// Why inputs are surely missing; the state must be reconciled before anything is entered.
    pub unknown: Option<String>,
}

/// Reads what `dir` holds. The caller holds its [`StateLock`]; a snapshot that is not believed is renamed.
///
/// # Errors
/// The journal or the snapshot cannot be read, or neither says anything.
pub fn recover(dir: &RunDir) -> Result<Recovery, JournalFault> {
    recover_in(&mut dir.clone(), dir.path(), &file_stamp())
}

/// The same in any folder; `path` names it in faults, `stamp` in names of files set aside.
///
/// # Errors
/// As [`recover`].
pub fn recover_in(
    folder: &mut dyn Folder,
    path: &Path,
    stamp: &str,
) -> Result<Recovery, JournalFault> {
    let file = path.join(SNAPSHOT);
    let header = open(folder, path)?.header().clone();
    if header.is_script() {
        let expected =
            "a run directory: go on with a script by `pinion kernel --script FILE --state DIR`";
        return Err(JournalFault::new(path, "the state of a script", expected));
    }
    let content = match folder.read(SNAPSHOT, SNAPSHOT_MAX) {
        Ok(content) => Some(content),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(read_fault(&file, &error)),
    };
    let snapshot = content.map(|content| Snapshot::read(&file, &content, &header.account()));
    let why = match snapshot {
        None => return proved(folder, path, None),
        Some(Ok(snapshot)) => match proved(folder, path, Some(&snapshot)) {
            Ok(recovery) => return Ok(recovery),
            // The journal was fine a moment ago: the state is what does not fit.
            Err(fault) => fault,
        },
        Some(Err(why)) => why,
    };
    let name = set_aside(folder, SNAPSHOT, stamp).map_err(|error| write_fault(&file, &error))?;
    let mut recovery = proved(folder, path, None)?;
    recovery.quarantined = Some(Quarantined { name, why });
    Ok(recovery)
}

/// What the journal proves; unknown where it is damaged, not torn.
fn proved(
    folder: &dyn Folder,
    path: &Path,
    snapshot: Option<&Snapshot>,
) -> Result<Recovery, JournalFault> {
    let mut recovery = walk(open(folder, path)?, path, snapshot)?;
    match damage(folder, path, recovery.whole, true) {
        Ok(None) => {}
        // What cannot be read again is no reason to doubt the snapshot.
        Ok(Some(fault)) | Err(fault) => {
            recovery.unknown.get_or_insert_with(|| format!("inputs are missing: {fault}"));
        }
    }
    Ok(recovery)
}

/// Renames a file to a name that no file has.
///
/// # Errors
/// As the system says.
pub fn set_aside(folder: &mut dyn Folder, name: &str, stamp: &str) -> io::Result<String> {
    let mut number = 1;
    loop {
        let aside = match number {
            1 => format!("{name}.bad-{stamp}"),
            _ => format!("{name}.bad-{stamp}-{number}"),
        };
        match folder.source(&aside) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                folder.rename(name, &aside)?;
                return Ok(aside);
            }
            Err(error) => return Err(error),
            Ok(_) => number += 1,
        }
    }
}

type Reader = JournalReader<Box<dyn io::Read>>;

fn open(folder: &dyn Folder, path: &Path) -> Result<Reader, JournalFault> {
    let file = path.join(INPUTS);
    let source = folder.source(INPUTS).map_err(|error| read_fault(&file, &error))?;
    JournalReader::of(&file, source.bytes, source.len, &source.last)
}

/// The settings in force while inputs are skipped.
struct Skipped {
    header: RunHeader,
    /// The same as it was at the last start.
    started: RunHeader,
    announced: Option<SettingsVersion>,
}

impl Skipped {
    fn pass(&mut self, item: &Item) {
        match item {
            Item::Settings(version) => self.announced = Some(version.clone()),
            Item::Input { input: Input::Settings { version }, .. } => {
                if let Some(next) = self.announced.take_if(|next| next.version == *version) {
                    self.header.config_hash = next.hash_after;
                    self.header.settings = next.settings;
                }
            }
            Item::Continued(header) => self.start(header),
            Item::Input { .. } | Item::End(_) => {}
        }
    }

    fn start(&mut self, header: &RunHeader) {
        self.header = header.clone();
        self.started = header.clone();
    }

    /// The snapshot's engine, where the journal has come to its place: as many inputs, under its epoch.
    fn reached(
        &self,
        path: &Path,
        snapshot: &Snapshot,
        inputs: u64,
    ) -> Result<Option<Replica>, JournalFault> {
        let head = &snapshot.head;
        if inputs != head.inputs || self.header.epoch != head.epoch {
            return Ok(None);
        }
        self.restore(path, snapshot).map(Some)
    }

    fn restore(&self, path: &Path, snapshot: &Snapshot) -> Result<Replica, JournalFault> {
        let (file, head) = (path.join(SNAPSHOT), &snapshot.head);
        let header = &self.header;
        if head.settings_hash != header.config_hash || head.epoch != header.epoch {
            let found = format!("settings {} of epoch {}", head.settings_hash, head.epoch);
            let expected = format!(
                "settings {} of epoch {}, as the journal has them there",
                header.config_hash, header.epoch
            );
            return Err(JournalFault::new(&file, found, expected));
        }
        let settings = Arc::new(settings_of(&path.join(INPUTS), &header.settings)?);
        let table = Arc::new(header.instruments.clone());
        let engine = Engine::restore(&snapshot.state, settings, table).map_err(|damage| {
            JournalFault::new(&file, damage.to_string(), "a state to go on from")
        })?;
        if engine.inputs() != head.inputs {
            let found =
                format!("a state after {} inputs under a head of {}", engine.inputs(), head.inputs);
            return Err(JournalFault::new(&file, found, "one number of inputs"));
        }
        Ok(Replica::of(&path.join(INPUTS), header, engine))
    }
}

/// Goes through the journal: up to the snapshot without applying, from there on applying.
fn walk(
    mut reader: Reader,
    path: &Path,
    snapshot: Option<&Snapshot>,
) -> Result<Recovery, JournalFault> {
    let header = reader.header().clone();
    let began_ns = header.started_ns;
    let mut skipped = Skipped { started: header.clone(), header, announced: None };
    let mut replica = match snapshot {
        None => Some(Replica::new(&path.join(INPUTS), reader.header())?),
        Some(snapshot) => skipped.reached(path, snapshot, 0)?,
    };
    let mut broken = None;
    while let Some(item) = reader.next() {
        let item = match item {
            Ok(item) => item,
            Err(fault) => {
                broken = Some(fault);
                break;
            }
        };
        match &mut replica {
            Some(replica) => {
                match &item {
                    Item::Input { now_ns, input } => replica.apply(*now_ns, input),
                    Item::Settings(version) => replica.announce(version)?,
                    Item::Continued(header) => replica.go_on_as(header)?,
                    Item::End(_) => {}
                }
                if let Item::Continued(header) = item {
                    skipped.start(&header);
                }
            }
            None => {
                skipped.pass(&item);
                if let Some(snapshot) = snapshot {
                    replica = skipped.reached(path, snapshot, reader.inputs())?;
                }
            }
        }
    }
    let (whole, len) = (reader.whole(), reader.len());
    let mut unknown = None;
    let replica = match (replica, snapshot) {
        (Some(replica), _) => replica,
        (None, Some(snapshot)) if reader.inputs() < snapshot.head.inputs => {
            unknown = Some(format!(
                "the journal ends after {} inputs, the snapshot covers {}: inputs were lost",
                reader.inputs(),
                snapshot.head.inputs
            ));
            skipped.restore(path, snapshot)?
        }
        (None, Some(snapshot)) => skipped.restore(path, snapshot)?,
        (None, None) => Replica::new(&path.join(INPUTS), reader.header())?,
    };
    let tail = match broken {
        None => reader.tail().unwrap_or(Tail::Open),
        Some(fault) => {
            // What was being written is at most one frame; more than that was written whole once.
            if len - whole > LONGEST_TAIL {
                unknown = Some(format!("inputs are missing: damage, no torn write: {fault}"));
            }
            Tail::Torn { offset: whole, bytes: len - whole }
        }
    };
    Ok(Recovery {
        header: skipped.started,
        began_ns,
        replica,
        from_snapshot: snapshot.map(|snapshot| snapshot.head.inputs),
        tail,
        whole,
        quarantined: None,
        unknown,
    })
}

/// A run that goes on: its journal is open again, its identity durable.
#[derive(Debug)]
pub struct Continued {
    /// The engine; its first input is [`pinion_core::msg::Control::Recover`].
    pub replica: Replica,
    /// The journal behind what was whole.
    pub frames: FrameWriter,
}

/// The epoch of a restart: greater than the one before, the clock's where that is later.
#[must_use]
pub fn next_epoch(before: u32, clock_s: u32) -> u32 {
    before.saturating_add(1).max(clock_s)
}

impl Recovery {
    /// Goes on in the same directory under a new header, whose table continues the old one and whose
    /// epoch is greater ([`next_epoch`]). Header and state are durable before this returns, so that no
    /// order can leave under an identity that a second restart would use again.
    ///
    /// # Errors
    /// Inputs are missing between journal and snapshot (start in a new directory once reconciled); the
    /// header does not continue the run; a file cannot be written.
    pub fn go_on(
        mut self,
        folder: &mut dyn Folder,
        path: &Path,
        header: &RunHeader,
    ) -> Result<Continued, JournalFault> {
        let file = path.join(INPUTS);
        if let Some(unknown) = self.unknown {
            let expected =
                "a whole journal: reconcile with the venue, then start in a new directory";
            return Err(JournalFault::new(&file, unknown, expected));
        }
        let failed = |error| write_fault(&file, &error);
        let mut medium = folder.open(INPUTS, false).map_err(failed)?;
        medium.truncate(self.whole).map_err(failed)?;
        self.replica.go_on_as(header)?;
        let mut frames = FrameWriter::behind(file, medium, self.whole);
        frames.document(FrameKind::Header, header.to_json().as_bytes())?;
        frames.sync()?;
        replace(folder, SNAPSHOT, &self.replica.snapshot(), Durability::Power)
            .map_err(|error| write_fault(&path.join(SNAPSHOT), &error))?;
        Ok(Continued { replica: self.replica, frames })
    }
}
