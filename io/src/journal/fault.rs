//! What can go wrong with a run's files.

use std::fmt;
use std::path::{Path, PathBuf};

/// A file of the run that cannot be written, read or believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalFault {
    /// The file or directory.
    pub path: PathBuf,
    /// Byte in it, where one is to blame.
    pub offset: Option<u64>,
    /// What was found.
    pub found: String,
    /// What was expected, and how to mend it.
    pub expected: String,
}

impl JournalFault {
    /// A fault of a whole file or directory.
    pub fn new(path: &Path, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            path: path.to_path_buf(),
            offset: None,
            found: found.into(),
            expected: expected.into(),
        }
    }

    /// A fault at a byte.
    pub fn at(
        path: &Path,
        offset: u64,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self { offset: Some(offset), ..Self::new(path, found, expected) }
    }
}

impl fmt::Display for JournalFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(offset) = self.offset {
            write!(f, ", byte {offset}")?;
        }
        write!(f, ": {}; expected {}", self.found, self.expected)
    }
}

impl std::error::Error for JournalFault {}
