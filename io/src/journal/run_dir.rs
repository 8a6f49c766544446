//! The run directory: its files by name, and the ways in which they come to be.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::journal::fault::JournalFault;

/// Everything a person or a tool needs, one JSON object a line.
pub const SESSION: &str = "session.jsonl";
/// Rows of the decision funnel before a trade.
pub const CANDIDATES: &str = "candidates.jsonl";
/// Rows of the decision funnel from the plan of a trade on.
pub const TRADE_DECISIONS: &str = "trade_decisions.jsonl";
/// Every kernel input in applied order, framed.
pub const INPUTS: &str = "inputs.journal";
/// State after the last settled fill, and at the end.
pub const SNAPSHOT: &str = "snapshot.json";
/// The figures of the run.
pub const SUMMARY: &str = "summary.json";
/// All latency histograms in `HdrHistogram`'s interval log format.
pub const LATENCY_LOG: &str = "latency.hlog";

/// A run directory. Whoever holds its lock owns it; one whose run has ended is never used again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Makes the directory, and its parents where they are missing.
    ///
    /// # Errors
    /// It exists already (a run is never overwritten), or cannot be made.
    pub fn create(path: &Path) -> Result<Self, JournalFault> {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(|error| {
                let hint = "a folder that can be written: give another one with --out";
                let file = parent.ancestors().find(|above| above.is_file());
                match file {
                    Some(file) => JournalFault::new(file, "it is a file", hint),
                    None => JournalFault::new(parent, error.to_string(), hint),
                }
            })?;
        }
        match fs::create_dir(path) {
            Ok(()) => Ok(Self { path: path.to_path_buf() }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(JournalFault::new(
                path,
                "it exists already",
                "a new name: a run is never overwritten; give another --out, or move this one away",
            )),
            Err(error) => Err(JournalFault::new(
                path,
                error.to_string(),
                "a folder that can be written: give another one with --out",
            )),
        }
    }

    /// An existing run, to read it.
    ///
    /// # Errors
    /// It has no input journal.
    pub fn open(path: &Path) -> Result<Self, JournalFault> {
        if !path.join(INPUTS).is_file() {
            let found = if path.is_dir() { "no inputs.journal in it" } else { "no such directory" };
            return Err(JournalFault::new(path, found, "the directory of an earlier run"));
        }
        Ok(Self { path: path.to_path_buf() })
    }

    /// A directory that exists, whatever is in it.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_path_buf() }
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Creates a file that must not exist yet.
    pub(super) fn create_file(&self, name: &str) -> Result<File, JournalFault> {
        let path = self.file(name);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|error| write_fault(&path, &error))
    }
}

/// A file that cannot be written, with the way to mend it.
#[must_use]
pub fn write_fault(path: &Path, error: &io::Error) -> JournalFault {
    let mend = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free space: delete old runs, or give --out on another disk"
        }
        io::ErrorKind::NotFound => "the run directory to stay where it is while the run goes on",
        _ => "a file that can be written",
    };
    JournalFault::new(path, format!("cannot write: {error}"), mend)
}

/// A file that cannot be read.
#[must_use]
pub fn read_fault(path: &Path, error: &io::Error) -> JournalFault {
    JournalFault::new(path, format!("cannot read: {error}"), "a file of a run directory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_existing_directory_is_refused_and_left_alone() {
        let parent = tempfile::tempdir().expect("temporary directory");
        let path = parent.path().join("runs/a");
        let dir = RunDir::create(&path).expect("parents are made");
        fs::write(dir.file("keep"), "x").expect("written");
        let fault = RunDir::create(&path).expect_err("exists");
        assert!(fault.to_string().contains("never overwritten"), "{fault}");
        assert!(fault.to_string().contains("--out"), "{fault}");
        assert_eq!(fs::read_to_string(dir.file("keep")).expect("still there"), "x");
    }

    #[test]
    fn an_unusable_parent_is_named() {
        let parent = tempfile::tempdir().expect("temporary directory");
        let file = parent.path().join("file");
        fs::write(&file, "x").expect("written");
        let fault = RunDir::create(&file.join("run")).expect_err("parent is a file");
        assert_eq!(fault.path, file);
        assert!(fault.expected.contains("--out"), "{fault}");
    }
}
