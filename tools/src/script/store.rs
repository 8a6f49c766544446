//! `--state DIR`: a script that survives the end of its process.
//!
//! Each line is in the directory's journal before its answer is printed, and after each fill the state is
//! in its snapshot: the files, frames and checks are those of a run. Started again with the same
//! directory, the script goes on where it was, with order identities of a new epoch.

use std::path::Path;

use pinion_core::instrument::InstrumentTable;
use pinion_core::msg::{Control, Record};
use pinion_core::settings::Layout;
use pinion_core::units::Nanos;
use pinion_io::journal::folder::{Durability, Folder as _};
use pinion_io::journal::frames::{FrameKind, FrameReader, FrameWriter};
use pinion_io::journal::header::SCRIPT;
use pinion_io::journal::run_dir::{INPUTS, SNAPSHOT, read_fault, write_fault};
use pinion_io::journal::snapshot::{SNAPSHOT_MAX, Snapshot, SnapshotHead};
use pinion_io::journal::tail::damage;
use pinion_io::journal::{JournalFault, RunDir, RunHeader};
use pinion_io::recover::{StateLock, set_aside};
use pinion_io::utc::file_stamp;

use crate::config::config_hash;
use crate::config::sections::Venue;
use crate::script::Stop;
use crate::script::line::Line;
use crate::script::session::{EPOCH, Session};
use crate::script::state::texts;

/// The account of a script's orders: nobody else's snapshot is taken for it.
const ACCOUNT: &str = SCRIPT;

/// A state directory in use. Owner: the script's run.
pub(super) struct Store {
    dir: RunDir,
    frames: FrameWriter,
    /// Lines and restarts in the journal.
    entries: u64,
    _lock: StateLock,
}

/// What a journal holds.
enum Entry {
    Line(Vec<u8>),
    Restart { epoch: u32 },
}

/// A directory as it was found, and the session in the state it left.
pub(super) struct Opened {
    pub(super) store: Store,
    pub(super) session: Session,
    /// What was set aside, for the person.
    pub(super) notices: Vec<String>,
    /// Lines before this start; `None` in a new directory.
    pub(super) lines: Option<u64>,
}

impl Store {
    /// Opens or makes a directory. A session that was there is at its last whole line, under a new epoch
    /// that is durable already.
    ///
    /// # Errors
    /// Another process uses it, a file cannot be read or written, or lines are surely missing: then no
    /// file was touched.
    pub(super) fn open(path: &Path) -> Result<Opened, Stop> {
        std::fs::create_dir_all(path).map_err(|error| write_fault(path, &error))?;
        let lock = StateLock::take(path)?;
        let mut dir = RunDir::at(path);
        if !dir.file(INPUTS).exists() && !dir.file(SNAPSHOT).exists() {
            let frames = Self::begin(&mut dir)?;
            let store = Self { dir, frames, entries: 0, _lock: lock };
            let (session, notices) = (Session::new(), Vec::new());
            return Ok(Opened { store, session, notices, lines: None });
        }
        let (entries, whole, torn) = read_entries(&dir).map_err(Stop::Lost)?;
        let mut notices = Vec::new();
        let session = recover(&mut dir, &entries, &mut notices)?;
        let file = dir.file(INPUTS);
        if torn > 0 {
            let at = format!("{}, byte {whole}", file.display());
            notices.push(format!("{at}: {torn} bytes of a torn last frame dropped"));
        }
        let failed = |error| write_fault(&file, &error);
        let mut medium = dir.open(INPUTS, false).map_err(failed)?;
        medium.truncate(whole).map_err(failed)?;
        let frames = FrameWriter::behind(file.clone(), medium, whole);
        let lines = entries.iter().filter(|entry| matches!(entry, Entry::Line(_))).count() as u64;
        let mut store = Self { dir, frames, entries: entries.len() as u64, _lock: lock };
        let mut session = session;
        let epoch = session.epoch.saturating_add(1);
        store.restarted(epoch)?;
        session.restart(epoch);
        store.save(&session)?;
        Ok(Opened { store, session, notices, lines: Some(lines) })
    }

    /// A journal with its header. It gets its name when it is whole, so that a file without a header never
    /// is one of ours.
    fn begin(dir: &mut RunDir) -> Result<FrameWriter, JournalFault> {
        let (path, temporary) = (dir.file(INPUTS), format!("{INPUTS}.tmp"));
        let failed = |error| write_fault(&path, &error);
        let medium = dir.open(&temporary, true).map_err(failed)?;
        let mut frames = FrameWriter::new(path.clone(), medium)?;
        frames.document(FrameKind::Header, header(EPOCH).to_json().as_bytes())?;
        frames.sync()?;
        dir.rename(&temporary, INPUTS).and_then(|()| dir.sync()).map_err(failed)?;
        Ok(frames)
    }

    fn restarted(&mut self, epoch: u32) -> Result<(), JournalFault> {
        self.frames.document(FrameKind::Header, header(epoch).to_json().as_bytes())?;
        self.frames.sync()?;
        self.entries += 1;
        Ok(())
    }

    /// Keeps a line that was applied, and the state where it booked something.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(super) fn keep(&mut self, line: &[u8], session: &Session) -> Result<(), JournalFault> {
        self.frames.document(FrameKind::Line, line)?;
        self.entries += 1;
        let booked = session.out.records.iter().any(|message| {
            matches!(message.record, Record::Fill { .. } | Record::FeeSettled { .. })
        });
        if booked { self.save(session) } else { Ok(()) }
    }

    fn save(&mut self, session: &Session) -> Result<(), JournalFault> {
        let head = SnapshotHead {
            run_id: ACCOUNT.to_owned(),
            account: ACCOUNT.to_owned(),
            epoch: session.epoch,
            ts_ns: session.now,
            inputs: self.entries,
            settings_hash: config_hash(&session.settings, &[], &Venue::default()),
        };
        self.frames.sync()?;
        let content = Snapshot::render(&head, &session.kernel, &session.snapshot());
        self.dir.replace(SNAPSHOT, &content, Durability::Power)
    }
}

/// The header of a script's journal. Settings and instruments are lines of the script.
fn header(epoch: u32) -> RunHeader {
    let settings = pinion_core::settings::Settings::default();
    RunHeader {
        run_id: ACCOUNT.to_owned(),
        run_tag: ACCOUNT.to_owned(),
        mode: settings.engine_mode,
        layout: Layout::Inline,
        seed: 0,
        epoch,
        started_ns: Nanos::ZERO,
        config_version: 1,
        config_hash: config_hash(&settings, &[], &Venue::default()),
        starting_capital: settings.account_starting_capital,
        instruments: InstrumentTable::default(),
        settings: texts(&settings),
        data: Vec::new(),
    }
}

/// The whole entries of the journal, where the last one ends, and the bytes of a torn one behind it.
fn read_entries(dir: &RunDir) -> Result<(Vec<Entry>, u64, u64), JournalFault> {
    let path = dir.file(INPUTS);
    let source = dir.source(INPUTS).map_err(|error| read_fault(&path, &error))?;
    let mut frames = FrameReader::new(&path, source.bytes, source.len, &source.last)?;
    let (mut entries, mut whole) = (Vec::new(), None);
    loop {
        let kind = match frames.next_frame() {
            Ok(Some(kind)) => kind,
            Ok(None) => break,
            // A line that was being written when the process ended, or damage? The rest tells.
            Err(_) if whole.is_some() => break,
            Err(fault) => return Err(fault),
        };
        match kind {
            FrameKind::Header if whole.is_none() => {}
            FrameKind::Header => {
                let header = RunHeader::from_json(&path, frames.content())?;
                entries.push(Entry::Restart { epoch: header.epoch });
            }
            FrameKind::Line => entries.push(Entry::Line(frames.content().to_vec())),
            FrameKind::Inputs | FrameKind::Settings | FrameKind::Trailer => {
                let found = format!("a frame of {}", kind.as_str());
                let expected = "the journal of a script: this directory is of another run";
                return Err(JournalFault::at(&path, frames.offset(), found, expected));
            }
        }
        whole = Some(frames.offset());
    }
    let expected = "a header first: this is no state directory of a script";
    let whole = whole.ok_or_else(|| JournalFault::new(&path, "no whole header", expected))?;
    match damage(dir, dir.path(), whole, false)? {
        None => Ok((entries, whole, source.len - whole)),
        Some(fault) => Err(fault),
    }
}

/// The session after the last entry: from the snapshot on where it is believed, else from the start.
fn recover(
    dir: &mut RunDir,
    entries: &[Entry],
    notices: &mut Vec<String>,
) -> Result<Session, Stop> {
    let path = dir.file(SNAPSHOT);
    let believed = match dir.read(SNAPSHOT, SNAPSHOT_MAX) {
        Ok(content) => Some(Snapshot::read(&path, &content, ACCOUNT).and_then(|snapshot| {
            let session = Session::of_snapshot(&snapshot.state)
                .map_err(|why| JournalFault::new(&path, why, "a state to go on from"))?;
            Ok((session, snapshot.head.inputs))
        })),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(read_fault(&path, &error).into()),
    };
    let (session, from) = match believed {
        Some(Ok(found)) => found,
        None => (Session::new(), 0),
        Some(Err(why)) => {
            let name = set_aside(dir, SNAPSHOT, &file_stamp())
                .map_err(|error| write_fault(&path, &error))?;
            notices.push(format!("{why}; set aside as {name}, the journal is replayed"));
            (Session::new(), 0)
        }
    };
    let mut session = session;
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    let tail = entries.get(from..).ok_or_else(|| {
        let found = format!("{} entries, but a snapshot of {from}", entries.len());
        let expected = "a journal as long as the snapshot: lines were lost, reconcile first";
        Stop::Lost(JournalFault::new(&dir.file(INPUTS), found, expected))
    })?;
    for entry in tail {
        match entry {
            Entry::Restart { epoch } => session.restart(*epoch),
            Entry::Line(text) => {
                let again = Line::parse(text).and_then(|mut line| session.apply(&mut line));
                again.map_err(|fault| {
                    let expected = "a line that this version takes as the one before did";
                    JournalFault::new(&dir.file(INPUTS), fault.to_string(), expected)
                })?;
            }
        }
    }
    Ok(session)
}

impl Session {
    /// Goes on after a restart: orders from here on carry the epoch, and the kernel hears of it.
    pub(super) fn restart(&mut self, epoch: u32) {
        self.epoch = epoch;
        self.kernel.resume_as(epoch);
        self.out.begin(self.now, self.now);
        // What it asks the venue about stands in the answer.
        let _verdict = self.control(Control::Recover);
        self.last.follow(&self.kernel, &self.out.commands);
    }
}
