//! A second engine on the cold side: fed what the journal writes, it has the state to save.
//!
//! The kernel thread pays nothing for a snapshot: the journal thread applies the same encoded inputs to
//! its own engine and saves that. What it saves is therefore also a proof that the journal suffices.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pinion_core::engine::Engine;
use pinion_core::journal::{CodecState, decode};
use pinion_core::kernel::Effects;
use pinion_core::msg::{Input, Record, RecordMsg};
use pinion_core::units::Nanos;

use crate::journal::fault::JournalFault;
use crate::journal::header::{RunHeader, SettingsVersion, settings_of};
use crate::journal::snapshot::{Snapshot, SnapshotHead};

/// The engine of the journal thread, of a replay or of a recovery, with the head of its snapshots.
#[derive(Debug)]
pub struct Replica {
    path: PathBuf,
    engine: Engine,
    effects: Effects,
    codec: CodecState,
    head: SnapshotHead,
    /// Hashes of announced versions, until their input comes.
    announced: Option<(u32, String)>,
    /// A fill was settled since the last snapshot.
    due: bool,
    state: Vec<u8>,
}

impl Replica {
    /// A fresh engine as the header says; `path` is the journal, for faults.
    ///
    /// # Errors
    /// A setting in the header that this version does not know.
    pub fn new(path: &Path, header: &RunHeader) -> Result<Self, JournalFault> {
        let settings = Arc::new(settings_of(path, &header.settings)?);
        let engine = Engine::new(settings, Arc::new(header.instruments.clone()), header.epoch);
        Ok(Self::of(path, header, engine))
    }

    /// An engine that was restored elsewhere.
    pub(crate) fn of(path: &Path, header: &RunHeader, engine: Engine) -> Self {
        Self {
            path: path.to_path_buf(),
            effects: Effects::default(),
            codec: CodecState::default(),
            head: SnapshotHead {
                run_id: header.run_id.clone(),
                account: header.account(),
                epoch: header.epoch,
                ts_ns: Nanos::ZERO,
                inputs: engine.inputs(),
                settings_hash: header.config_hash.clone(),
            },
            announced: None,
            due: false,
            state: Vec::new(),
            engine,
        }
    }

    /// The run goes on under another header: its settings, its instruments, its epoch.
    ///
    /// # Errors
    /// Instruments that do not continue the ones before, an epoch that is not greater, an unknown setting.
    pub(crate) fn go_on_as(&mut self, header: &RunHeader) -> Result<(), JournalFault> {
        if header.epoch <= self.head.epoch {
            let found = format!("epoch {} after {}", header.epoch, self.head.epoch);
            return Err(JournalFault::new(&self.path, found, "a greater epoch at each start"));
        }
        let engine = engine_as(&self.path, &self.engine, header)?;
        *self = Self::of(&self.path.clone(), header, engine);
        Ok(())
    }

    /// The content of a version whose input comes next.
    ///
    /// # Errors
    /// A setting that this version of the program does not know.
    pub fn announce(&mut self, version: &SettingsVersion) -> Result<(), JournalFault> {
        let settings = settings_of(&self.path, &version.settings)?;
        self.announced = Some((version.version, version.hash_after.clone()));
        self.engine.announce(version.version, Arc::new(settings));
        Ok(())
    }

    /// The encoded inputs that follow belong to a new frame.
    pub fn frame(&mut self) {
        self.codec.reset();
    }

    /// Applies one encoded input.
    ///
    /// # Errors
    /// Bytes that are no input: a bug, as the encoder runs in the same process.
    pub fn encoded(&mut self, bytes: &[u8]) -> Result<(), JournalFault> {
        let (now, input, _) = decode(&mut self.codec, bytes).map_err(|fault| {
            JournalFault::new(&self.path, fault.to_string(), "an input as it was encoded")
        })?;
        self.apply(now, &input);
        Ok(())
    }

    /// Applies one input.
    pub fn apply(&mut self, now: Nanos, input: &Input) {
        self.engine.turn(now, input, &mut self.effects);
        if let Input::Settings { version } = input
            && let Some((_, hash)) = self.announced.take_if(|next| next.0 == *version)
        {
            self.head.settings_hash = hash;
        }
        self.due |= self.effects.records.iter().any(|message| {
            matches!(
                message.record,
                Record::Fill { .. } | Record::FillPriced { .. } | Record::FeeSettled { .. }
            )
        });
    }

    /// What the last input made.
    #[must_use]
    pub fn records(&self) -> &[RecordMsg] {
        &self.effects.records
    }

    /// True once after fills were booked or their fees settled: a snapshot is worth writing.
    pub const fn take_due(&mut self) -> bool {
        core::mem::replace(&mut self.due, false)
    }

    /// The engine.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Epoch of its client order ids.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.head.epoch
    }

    /// Hash of the settings in force.
    #[must_use]
    pub fn settings_hash(&self) -> &str {
        &self.head.settings_hash
    }

    /// Content of `snapshot.json` now.
    pub fn snapshot(&mut self) -> Vec<u8> {
        self.engine.save(&mut self.state);
        self.head.inputs = self.engine.inputs();
        self.head.ts_ns = self.engine.now();
        Snapshot::render(&self.head, self.engine.kernel(), &self.state)
    }
}

/// The same engine under a header by which its run goes on: its settings, its instruments, its epoch. `path`
/// is the journal, for faults.
///
/// # Errors
/// Instruments that do not continue the engine's, or an unknown setting.
pub(crate) fn engine_as(
    path: &Path,
    engine: &Engine,
    header: &RunHeader,
) -> Result<Engine, JournalFault> {
    let mut state = Vec::new();
    engine.save(&mut state);
    let settings = Arc::new(settings_of(path, &header.settings)?);
    let table = Arc::new(header.instruments.clone());
    let mut engine = Engine::restore(&state, settings, table).map_err(|damage| {
        JournalFault::new(path, damage.to_string(), "a header that continues the run")
    })?;
    engine.resume_as(header.epoch);
    Ok(engine)
}
