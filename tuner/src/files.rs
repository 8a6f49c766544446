//! The tuner's files: the log, its mirror for people, the state, the freeze, and the lock that makes it one
//! tuner per folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::stage::rollback::Target;
use crate::state::State;

/// One JSON object a tick.
pub const LOG: &str = "runtime_tuner.jsonl";
/// One line a tick, for people.
pub const CONSOLE: &str = "runtime_tuner_console.log";
/// What is remembered.
pub const STATE: &str = "runtime_tuner_state.json";
/// While it is there, the tuner only watches.
pub const FREEZE: &str = "runtime_tuner_freeze";
/// While it is there, the operator wants to go back: to `stable` or to `baseline`, as its text says.
pub const ROLLBACK: &str = "runtime_tuner_rollback";
/// Who tunes.
pub const LOCK: &str = "runtime_tuner.lock";
/// Without a sign of life for this long a lock may be taken over.
const TAKEOVER: Duration = Duration::from_secs(900);

/// Why there is no lock.
#[derive(Debug)]
pub enum LockFault {
    /// Another tuner holds it; its text says which.
    Held(String),
    /// It cannot be made.
    Io(io::Error),
}

/// The lock of a folder. Gone when dropped.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    /// What stands in it: after a takeover it is another's.
    who: String,
}

impl Lock {
    /// Takes the lock of a folder: a new one, or one whose log and itself are both older than 15 minutes.
    ///
    /// # Errors
    /// It is held, or cannot be made.
    pub fn take(dir: &Path, who: &str) -> Result<Self, LockFault> {
        fs::create_dir_all(dir).map_err(LockFault::Io)?;
        let path = dir.join(LOCK);
        let who = format!("{who}, process {}", std::process::id());
        if is_old(&path) && is_old(&dir.join(LOG)) {
            Self::clear(&path)?;
        }
        let made = OpenOptions::new().write(true).create_new(true).open(&path);
        match made.and_then(|mut file| writeln!(file, "{who}")) {
            Ok(()) => Ok(Self { path, who }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(LockFault::Held(
                fs::read_to_string(&path).unwrap_or_default().trim().to_owned(),
            )),
            Err(error) => Err(LockFault::Io(error)),
        }
    }

    /// Clears away an old lock. Of two that try, one moves a file aside that is no longer old: that one is
    /// put back.
    fn clear(path: &Path) -> Result<(), LockFault> {
        let aside = path.with_extension(format!("old-{}", std::process::id()));
        match fs::rename(path, &aside) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            moved => moved.map_err(LockFault::Io)?,
        }
        if is_old(&aside) {
            return fs::remove_file(&aside).map_err(LockFault::Io);
        }
        let who = fs::read_to_string(&aside).unwrap_or_default().trim().to_owned();
        fs::rename(&aside, path).map_err(LockFault::Io)?;
        Err(LockFault::Held(who))
    }
}

/// Not there, or without a change for too long.
fn is_old(path: &Path) -> bool {
    let modified = fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let age = modified.and_then(|at| SystemTime::now().duration_since(at).ok());
    match (modified, age) {
        (None, _) => true,
        (Some(_), age) => age.is_some_and(|age| age >= TAKEOVER),
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let holder = fs::read_to_string(&self.path).unwrap_or_default();
        if holder.trim() == self.who {
            // Left behind it is taken over later.
            drop(fs::remove_file(&self.path));
        }
    }
}

/// Open files of a tuner.
#[derive(Debug)]
pub struct Files {
    dir: PathBuf,
    log: File,
    console: File,
}

impl Files {
    /// Opens the files of a folder, which is made where it is missing; rows are added to what is there.
    ///
    /// # Errors
    /// One cannot be made.
    pub fn open(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let open = |name: &str| OpenOptions::new().append(true).create(true).open(dir.join(name));
        Ok(Self { dir: dir.to_path_buf(), log: open(LOG)?, console: open(CONSOLE)? })
    }

    /// Writes the row and the line of a tick; a row is whole or not there.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn tick(&mut self, row: &Value, line: &str) -> io::Result<()> {
        let mut text = row.to_string();
        text.push('\n');
        self.log.write_all(text.as_bytes())?;
        writeln!(self.console, "{line}")
    }

    /// Writes the state.
    ///
    /// # Errors
    /// The disk refuses; the file is as it was before.
    pub fn save(&self, state: &State) -> io::Result<()> {
        state.save(&self.dir.join(STATE))
    }

    /// The operator stopped the tuner.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.dir.join(FREEZE).exists()
    }

    /// What the operator wants to go back to.
    #[must_use]
    pub fn rollback_asked(&self) -> Option<Target> {
        let text = fs::read_to_string(self.dir.join(ROLLBACK)).ok()?;
        Target::from_text(text.trim())
    }

    /// It is done; the wish is gone.
    ///
    /// # Errors
    /// The file cannot be removed: the wish would come true again.
    pub fn rolled_back(&self) -> io::Result<()> {
        fs::remove_file(self.dir.join(ROLLBACK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tuner_a_folder() {
        let dir = std::env::temp_dir().join(format!("pinion-tuner-lock-{}", std::process::id()));
        let first = Lock::take(&dir, "first").expect("free");
        match Lock::take(&dir, "second") {
            Err(LockFault::Held(who)) => assert!(who.starts_with("first, process"), "{who}"),
            other => panic!("{other:?}"),
        }
        drop(first);
        let again = Lock::take(&dir, "third").expect("free again");
        // Old, but the log is alive.
        let old = SystemTime::now() - TAKEOVER;
        let file = File::options().write(true).open(dir.join(LOCK)).expect("there");
        file.set_modified(old).expect("settable");
        fs::write(dir.join(LOG), "").expect("writable");
        assert!(Lock::take(&dir, "fourth").is_err());
        let log = File::options().write(true).open(dir.join(LOG)).expect("there");
        log.set_modified(old).expect("settable");
        let fifth = Lock::take(&dir, "fifth").expect("taken over");
        drop(again);
        assert!(dir.join(LOCK).exists(), "it was no longer its lock");
        drop(fifth);
        assert!(!dir.join(LOCK).exists());
        fs::remove_dir_all(&dir).expect("removable");
    }
}
