//! Loading settings: defaults < profile < file < environment < `--set`.
//!
//! The layers are stacked onto the defaults, checked whole, and handed over with their hash, or not at
//! all: every problem is collected and told with file, line, column, key, what was found and what was
//! expected.
//!
//! * profile: a settings file that ships with the program, by name ([`PROFILES`])
//! * file: TOML, `[signal] scan_ns = 5_000_000_000` or `signal.scan_ns = …`; instruments as
//!   `[instrument.BTCUSDT] tick = "0.1"`
//! * environment: `PINION__SIGNAL__SCAN_NS=5000000000`
//! * command line: `--set signal.scan_ns=5000000000`

mod foreign;
pub mod hash;
pub mod instrument;
mod layers;
mod nearest;
pub mod problem;
pub mod schema;
pub mod secret;
mod toml_file;
pub mod view;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use pinion_core::settings::{InstrumentOverride, KEYS, Settings};

use crate::Failure;
use crate::config::layers::Stack;
use crate::config::problem::{FileText, Place, Problem, Problems};

pub use hash::config_hash;
pub use layers::{ENV_PREFIX, env_name};

/// A configuration that passed every check.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The snapshot.
    pub settings: Settings,
    /// Corrections of the data's instruments, sorted by symbol.
    pub instruments: Vec<InstrumentOverride>,
    /// 16 hex digits over every key and override, see [`config_hash`].
    pub config_hash: String,
    /// Where each key's value comes from, in the order of [`KEYS`].
    pub origins: Vec<Place>,
    /// What was given and means nothing here, for people.
    pub notices: Vec<String>,
}

impl Loaded {
    /// Prints to stderr what was given and means nothing here.
    pub fn tell_notices(&self) {
        for notice in &self.notices {
            drop(writeln!(std::io::stderr(), "{notice}"));
        }
    }

    /// Where a key's value comes from; the default for a name that is no key.
    #[must_use]
    pub fn origin(&self, name: &str) -> &Place {
        KEYS.iter()
            .position(|key| key.name == name)
            .and_then(|index| self.origins.get(index))
            .unwrap_or(&Place::Default)
    }
}

/// Settings files that ship with the program: name and text.
pub const PROFILES: &[(&str, &str)] = &[
    ("short", include_str!("../../profiles/short.toml")),
    ("very-short", include_str!("../../profiles/very-short.toml")),
];

/// The options of every verb that takes settings.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct SettingsArgs {
    /// Settings that ship with the program, under those of the file: `short` for recordings of ten minutes
    /// and more, `very-short` for those of two.
    #[arg(long, value_name = "NAME", value_parser = PROFILES.iter().map(|row| row.0).collect::<Vec<_>>())]
    pub profile: Option<String>,
    /// Settings file (TOML); without it, the defaults.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One setting, over file and environment; lists are comma separated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

impl SettingsArgs {
    /// Loads with the environment of this process.
    ///
    /// # Errors
    /// As [`load`].
    pub fn load(&self) -> Result<Loaded, Failure> {
        let loaded = load(self.profile(), self.config.as_deref(), environment(), &self.sets)?;
        loaded.tell_notices();
        Ok(loaded)
    }

    /// As [`SettingsArgs::load`], with the problems as data.
    ///
    /// # Errors
    /// The outer one when the file cannot be read, the inner one when the configuration is wrong.
    pub fn check(&self) -> Result<Result<Loaded, Problems>, Failure> {
        let file = self.config.as_deref().map(read_file).transpose()?;
        Ok(stack(self.profile(), file.as_ref(), environment(), &self.sets))
    }

    fn profile(&self) -> Option<&str> {
        self.profile.as_deref()
    }
}

/// Loads profile, file, environment and command line over the defaults.
///
/// # Errors
/// Exit 2 for a file that does not exist, 1 for one that cannot be read, 4 with every problem of the
/// configuration.
pub fn load(
    profile: Option<&str>,
    file: Option<&Path>,
    env: impl IntoIterator<Item = (String, String)>,
    sets: &[String],
) -> Result<Loaded, Failure> {
    let file = file.map(read_file).transpose()?;
    stack(profile, file.as_ref(), env, sets).map_err(Failure::from)
}

/// Stacks the layers, pure.
///
/// # Errors
/// Every problem, in the order of the layers; nothing is applied then.
pub fn stack(
    profile: Option<&str>,
    file: Option<&FileText>,
    env: impl IntoIterator<Item = (String, String)>,
    sets: &[String],
) -> Result<Loaded, Problems> {
    let mut stack = Stack::new();
    if let Some(row) = PROFILES.iter().find(|row| Some(row.0) == profile) {
        let (file, text) = (format!("profile {}", row.0), row.1.to_owned());
        toml_file::read(&mut stack, &FileText { file, text });
    }
    stack.next_layer();
    if let Some(file) = file {
        toml_file::read(&mut stack, file);
    }
    stack.next_layer();
    let mut variables: Vec<(String, String)> = env.into_iter().collect();
    variables.sort();
    for (variable, text) in variables {
        if let Some(name) = layers::key_of_env(&variable) {
            stack.put_text(&name, &text, &Place::Env { name: variable });
        }
    }
    stack.next_layer();
    for set in sets {
        match set.split_once('=') {
            Some((name, text)) => stack.put_text(name.trim(), text.trim(), &Place::Set),
            None => stack.refuse(Problem {
                place: Place::Set,
                key: String::new(),
                found: format!("`{set}`"),
                expected: String::from("KEY=VALUE"),
                hint: None,
            }),
        }
    }
    stack.finish()
}

/// Settings in the environment of this process. Bytes that are no text read as U+FFFD, which no
/// setting accepts.
#[must_use]
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .map(|(name, text)| {
            (name.to_string_lossy().into_owned(), text.to_string_lossy().into_owned())
        })
        .filter(|(name, _)| name.starts_with(ENV_PREFIX))
        .collect()
}

fn read_file(path: &Path) -> Result<FileText, Failure> {
    let file = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| {
        let message = format!("cannot read the settings file {file}: {error}");
        match error.kind() {
            std::io::ErrorKind::NotFound => Failure::usage(message),
            _ => Failure::error(message),
        }
    })?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(FileText { file, text }),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
            Err(Failure::config(format!("{file}:{line}: not UTF-8 text; save the file as UTF-8")))
        }
    }
}

#[cfg(test)]
mod tests;
