//! One life of the engine: where it began, what it was fed since, and how it begins again.

use std::collections::BTreeMap;
use std::sync::Arc;

use pinion_core::engine::Engine;
use pinion_core::id::TextId;
use pinion_core::instrument::{Instrument, InstrumentTable};
use pinion_core::kernel::Effects;
use pinion_core::msg::Input;
use pinion_core::settings::Settings;
use pinion_core::units::Nanos;
use pinion_oracle::Breach;

use super::rig::World;
use super::workload::Brain;

/// A saved engine and how many inputs of its life it has seen.
#[derive(Clone, Debug, Default)]
struct Saved {
    bytes: Vec<u8>,
    inputs: usize,
    /// Of the settings in force.
    version: u32,
}

/// What is on the disk: the state at the beginning of this life, its journal, the last two snapshots. Owner:
/// the driver.
#[derive(Debug)]
pub struct Tape {
    only_intents: Option<Vec<u32>>,
    epoch: u32,
    /// Settings by version; 0 are those of the world.
    published: BTreeMap<u32, Arc<Settings>>,
    base: Saved,
    snapshots: [Saved; 2],
    inputs: Vec<(Nanos, Input)>,
    hash: u64,
    hashes: Vec<u64>,
    written: u64,
}

impl Tape {
    /// An empty journal and the engine that it belongs to.
    #[must_use]
    pub fn new(world: &World, only_intents: Option<Vec<u32>>) -> (Self, Engine<Brain>) {
        let mut tape = Self {
            only_intents,
            epoch: 0,
            published: [(0, Arc::clone(&world.settings))].into(),
            base: Saved::default(),
            snapshots: <[Saved; 2]>::default(),
            inputs: Vec::new(),
            hash: 0xcbf2_9ce4_8422_2325,
            hashes: Vec::new(),
            written: 0,
        };
        let engine = tape.begin_blank(world);
        (tape, engine)
    }

    /// A new life without a memory of the earlier ones.
    pub fn begin_blank(&mut self, world: &World) -> Engine<Brain> {
        self.epoch += 1;
        let brain = Brain::new(world.seed, &world.options, &world.table, self.only_intents.clone());
        let (settings, table) = (Arc::clone(&world.settings), Arc::clone(&world.table));
        let engine = Engine::with_policy(settings, table, self.epoch, brain);
        self.rebase(&engine);
        engine
    }

    /// A new life that continues this engine, under a new epoch.
    pub fn begin_from(&mut self, engine: &mut Engine<Brain>) {
        self.epoch += 1;
        engine.resume_as(self.epoch);
        self.rebase(engine);
    }

    fn rebase(&mut self, engine: &Engine<Brain>) {
        self.inputs.clear();
        self.base.inputs = 0;
        self.base.version = engine.version();
        engine.save(&mut self.base.bytes);
        self.snapshots = [self.base.clone(), self.base.clone()];
    }

    /// A fill is settled: the engine is saved, as far as it is written.
    pub fn snapshot(&mut self, engine: &Engine<Brain>) {
        self.snapshots.swap(0, 1);
        self.snapshots[0].inputs = self.inputs.len();
        self.snapshots[0].version = engine.version();
        engine.save(&mut self.snapshots[0].bytes);
    }

    /// Settings are given to the engine under this version.
    pub fn publish(&mut self, version: u32, settings: &Arc<Settings>) {
        self.published.insert(version, Arc::clone(settings));
    }

    /// The settings of a version; those of the world where it was never published.
    fn settings(&self, world: &World, version: u32) -> Arc<Settings> {
        Arc::clone(self.published.get(&version).unwrap_or(&world.settings))
    }

    /// The settings in force are whole, and those of the version that the engine says.
    ///
    /// # Errors
    /// `I22_settings`.
    pub fn check_settings(&self, world: &World, live: &Engine<Brain>) -> Result<(), Breach> {
        if Arc::ptr_eq(live.settings(), &self.settings(world, live.version())) {
            return Ok(());
        }
        let what = format!("other settings than those of version {} are in force", live.version());
        Err(Breach { check: "I22_settings", what })
    }

    /// An input was written.
    pub fn write(&mut self, bytes: &[u8], now: Nanos, input: Input) {
        self.inputs.push((now, input));
        let mut words = bytes.chunks_exact(8);
        let mut mix = |word: u64| {
            self.hash = (self.hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        };
        for word in words.by_ref() {
            mix(word.try_into().map_or(0, u64::from_le_bytes));
        }
        let rest = words.remainder();
        let tail = rest.iter().fold(rest.len() as u64, |tail, byte| tail << 8 | u64::from(*byte));
        mix(tail);
        self.written += 1;
        if self.written.is_multiple_of(1_000) {
            self.hashes.push(self.hash);
        }
    }

    /// The last inputs were never written, at most `most` of them; what the operator said was, because he
    /// was told so. Returns how many are lost.
    pub fn lose_tail(&mut self, most: usize) -> usize {
        let said = self.inputs.iter().rposition(|(_, input)| matches!(input, Input::Control(_)));
        let kept = said.map_or(0, |at| at + 1).max(self.inputs.len().saturating_sub(most));
        let lost = self.inputs.len() - kept;
        self.inputs.truncate(kept);
        lost
    }

    /// The run that is on, from 1.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Inputs written since the beginning, over all lives.
    #[must_use]
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Hash of everything written, and after each thousand inputs.
    #[must_use]
    pub fn hashes(&self) -> (u64, &[u64]) {
        (self.hash, &self.hashes)
    }

    /// The engine that the disk makes: the newest snapshot that is not ahead of the journal, or with `old` the
    /// one before, and the journal from there.
    ///
    /// # Errors
    /// `I17_restore`: a snapshot cannot be read back.
    pub fn restore(&self, world: &World, old: bool) -> Result<Engine<Brain>, Breach> {
        let skip = usize::from(old);
        let within = |saved: &&Saved| saved.inputs <= self.inputs.len();
        let saved = self.snapshots.iter().skip(skip).find(within).unwrap_or(&self.base);
        self.go_on(world, saved)
    }

    fn go_on(&self, world: &World, saved: &Saved) -> Result<Engine<Brain>, Breach> {
        let (settings, table) = (self.settings(world, saved.version), Arc::clone(&world.table));
        let mut engine = Engine::restore(&saved.bytes, settings, table)
            .map_err(|damage| Breach { check: "I17_restore", what: damage.to_string() })?;
        let mut out = Effects::default();
        for (now, input) in self.inputs.get(saved.inputs..).unwrap_or_default() {
            if let Input::Settings { version } = *input {
                engine.announce(version, self.settings(world, version));
            }
            engine.turn(*now, input, &mut out);
        }
        Ok(engine)
    }

    /// The newest snapshot, cut after so many bytes, must not be taken, nor with something behind it, nor
    /// under another table.
    ///
    /// # Errors
    /// `I18_torn`, `I18_behind`, `I18_foreign`.
    pub fn check_torn(&self, world: &World, cut: usize) -> Result<(), Breach> {
        let bytes = &self.snapshots[0].bytes;
        let torn = bytes.get(..cut % bytes.len().max(1)).unwrap_or_default();
        let takes = |bytes: &[u8], table: &Arc<InstrumentTable>| {
            let (settings, table) = (Arc::clone(&world.settings), Arc::clone(table));
            Engine::<Brain>::restore(bytes, settings, table).is_ok()
        };
        if takes(torn, &world.table) {
            let what =
                format!("{} of {} bytes were taken for a whole state", torn.len(), bytes.len());
            return Err(Breach { check: "I18_torn", what });
        }
        let behind = [bytes, torn].concat();
        if !torn.is_empty() && takes(&behind, &world.table) {
            let what = format!("{} bytes of garbage behind a state were taken", torn.len());
            return Err(Breach { check: "I18_behind", what });
        }
        // The same number of instruments, others.
        let others = world.table.iter().map(|(_, row)| {
            let symbol = TextId::new("OTHERUSDT").unwrap_or(row.symbol);
            Instrument { symbol, ..*row }
        });
        let other = InstrumentTable::in_order(others.take(1).collect());
        if world.table.len() == 1 && other.is_ok_and(|table| takes(bytes, &Arc::new(table))) {
            let what = String::from("a state of other instruments was taken");
            return Err(Breach { check: "I18_foreign", what });
        }
        Ok(())
    }

    /// The state saved and read back is the same state.
    ///
    /// # Errors
    /// `I17_restore`.
    pub fn check_saved(world: &World, live: &Engine<Brain>) -> Result<(), Breach> {
        let (settings, table) = (Arc::clone(live.settings()), Arc::clone(&world.table));
        let bytes = bytes_of(live);
        let engine = Engine::<Brain>::restore(&bytes, settings, table)
            .map_err(|damage| Breach { check: "I17_restore", what: damage.to_string() })?;
        same("I17_restore", &bytes_of(&engine), &bytes)
    }

    /// The journal from the last snapshot, from the one before, and from the beginning of this life makes the
    /// engine as it is, byte for byte.
    ///
    /// # Errors
    /// `I17_replay`.
    pub fn check_replay(&self, world: &World, live: &Engine<Brain>) -> Result<(), Breach> {
        let live = bytes_of(live);
        for saved in self.snapshots.iter().chain([&self.base]) {
            let replayed = self.go_on(world, saved)?;
            same("I17_replay", &bytes_of(&replayed), &live)?;
        }
        Ok(())
    }
}

/// The state of an engine as bytes.
#[must_use]
pub fn bytes_of(engine: &Engine<Brain>) -> Vec<u8> {
    let mut bytes = Vec::new();
    engine.save(&mut bytes);
    bytes
}

/// Equal, or a breach that says where not.
fn same(check: &'static str, found: &[u8], expected: &[u8]) -> Result<(), Breach> {
    if found == expected {
        return Ok(());
    }
    let at = found.iter().zip(expected).position(|(a, b)| a != b);
    let (length, other) = (found.len(), expected.len());
    Err(Breach { check, what: format!("{length} bytes, live {other}, first difference at {at:?}") })
}
