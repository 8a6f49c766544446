//! One life of the engine: where it began, what it was fed since, and how it begins again.

use std::sync::Arc;

use pinion_core::engine::Engine;
use pinion_core::kernel::Effects;
use pinion_core::msg::Input;
use pinion_core::units::Nanos;
use pinion_oracle::Breach;

use super::rig::World;
use super::workload::Brain;

/// Epoch of the first life.
const EPOCH: u32 = 1;

/// What the journal holds. Owner: the driver.
#[derive(Debug)]
pub struct Tape {
    only_intents: Option<Vec<u32>>,
    inputs: Vec<(Nanos, Input)>,
    hash: u64,
    hashes: Vec<u64>,
    written: u64,
}

impl Tape {
    /// An empty journal and the engine that it belongs to.
    #[must_use]
    pub fn new(world: &World, only_intents: Option<Vec<u32>>) -> (Self, Engine<Brain>) {
        let tape = Self {
            only_intents,
            inputs: Vec::new(),
            hash: 0xcbf2_9ce4_8422_2325,
            hashes: Vec::new(),
            written: 0,
        };
        let engine = tape.fresh(world);
        (tape, engine)
    }

    fn fresh(&self, world: &World) -> Engine<Brain> {
        let brain = Brain::new(world.seed, &world.options, &world.table, self.only_intents.clone());
        let (settings, table) = (Arc::clone(&world.settings), Arc::clone(&world.table));
        Engine::with_policy(settings, table, EPOCH, brain)
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

    /// The engine that the journal makes.
    #[must_use]
    pub fn replay(&self, world: &World) -> Engine<Brain> {
        let mut engine = self.fresh(world);
        let mut out = Effects::default();
        for (now, input) in &self.inputs {
            engine.turn(*now, input, &mut out);
        }
        engine
    }

    /// The journal replayed is the engine as it is, byte for byte.
    ///
    /// # Errors
    /// `I17_replay`.
    pub fn check_replay(&self, world: &World, live: &Engine<Brain>) -> Result<(), Breach> {
        let replayed = bytes_of(&self.replay(world))?;
        let live = bytes_of(live)?;
        if replayed == live {
            return Ok(());
        }
        let at = replayed.iter().zip(&live).position(|(a, b)| a != b);
        let what = format!(
            "after {} inputs: {} bytes replayed, {} live, first difference at {at:?}",
            self.inputs.len(),
            replayed.len(),
            live.len()
        );
        Err(Breach { check: "I17_replay", what })
    }
}

/// The state of an engine as bytes.
///
/// # Errors
/// `I17_save`.
pub fn bytes_of(engine: &Engine<Brain>) -> Result<Vec<u8>, Breach> {
    postcard::to_allocvec(engine)
        .map_err(|error| Breach { check: "I17_save", what: error.to_string() })
}
