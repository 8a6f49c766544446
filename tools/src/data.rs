//! Opening `--data` for the verbs that read it without a run.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use pinion_core::instrument::InstrumentTable;
use pinion_core::settings::Settings;
use pinion_io::data::{self, DataOptions, DataSource};

use crate::Failure;

/// Opens recorded data and fixes its universe; what is left out is said on stderr.
///
/// # Errors
/// A path that does not exist (usage), or data that cannot be read.
pub(crate) fn open_data(
    paths: &[PathBuf],
    settings: &Settings,
) -> Result<(InstrumentTable, DataSource), Failure> {
    if let Some(missing) = first_missing(paths) {
        return Err(no_such_data(missing));
    }
    let options = DataOptions {
        backstep_ns_max: settings.data_backstep_ns_max,
        min_notional: settings.data_min_notional,
        overrides: &[],
    };
    let set = data::open(paths, &options).map_err(|fault| Failure::error(fault.to_string()))?;
    for notice in &set.notices {
        // Text for the person; when stderr is gone there is nobody to tell.
        drop(writeln!(std::io::stderr(), "{notice}"));
    }
    let table = InstrumentTable::new(set.instruments.clone())
        .map_err(|fault| Failure::error(fault.to_string()))?;
    let source = set.into_source(&table).map_err(|fault| Failure::error(fault.to_string()))?;
    Ok((table, source))
}

/// The first path that does not exist.
pub(crate) fn first_missing(paths: &[PathBuf]) -> Option<&Path> {
    paths.iter().map(PathBuf::as_path).find(|path| !path.exists())
}

/// The failure for a path that does not exist.
pub(crate) fn no_such_data(path: &Path) -> Failure {
    Failure::usage(format!("--data {}: there is no such file or folder", path.display()))
}
