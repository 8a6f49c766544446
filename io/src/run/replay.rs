//! Replay: a run's journal into a fresh engine, every output compared.

use std::path::Path;
use std::sync::Arc;

use pinion_core::engine::Engine;
use pinion_core::kernel::Effects;

use crate::journal::compare::{Comparison, Step, compare};
use crate::journal::header::settings_of;
use crate::journal::replica::engine_as;
use crate::journal::run_dir::INPUTS;
use crate::journal::{JournalReader, RunDir};
use crate::run::RunFault;

/// Feeds the input journal of `run_dir` to a fresh engine and compares what it says with the files.
///
/// # Errors
/// [`RunFault`] when the journal cannot be read; a difference is no error but part of the result.
pub fn replay(run_dir: &Path) -> Result<Comparison, RunFault> {
    let dir = RunDir::open(run_dir)?;
    let reader = JournalReader::open(&dir.file(INPUTS))?;
    let header = reader.header();
    let path = dir.file(INPUTS);
    let settings = settings_of(&path, &header.settings)?;
    let table = Arc::new(header.instruments.clone());
    let mut engine = Engine::new(Arc::new(settings), table, header.epoch);
    let mut effects = Effects::default();
    let mut unknown = None;
    let comparison = compare(dir.path(), &mut |step, emit| match step {
        Step::Settings(version) => match settings_of(&path, &version.settings) {
            Ok(settings) => engine.announce(version.version, Arc::new(settings)),
            Err(fault) => unknown = Some(fault),
        },
        Step::Continued(header) => match engine_as(&path, &engine, header) {
            Ok(next) => engine = next,
            Err(fault) => unknown = Some(fault),
        },
        Step::Input { now_ns, input } => {
            engine.turn(now_ns, input, &mut effects);
            effects.records.iter().copied().for_each(&mut *emit);
        }
    })?;
    match unknown {
        Some(fault) => Err(fault.into()),
        None => Ok(comparison),
    }
}
