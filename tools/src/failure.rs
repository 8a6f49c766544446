//! How a command fails: one exit code, one message that says what, where and how to mend it.

use std::io::Write as _;
use std::process::ExitCode;

/// Exit codes, as promised to scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// Something failed.
    Error = 1,
    /// The command line is wrong, or what it names does not exist.
    Usage = 2,
    /// No engine runs.
    NotRunning = 3,
    /// The configuration is wrong.
    Config = 4,
    /// Took too long.
    Timeout = 5,
    /// The engine is halted.
    Halted = 6,
    /// The books and the exchange do not agree.
    Reconcile = 7,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A failed command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Exit code.
    pub exit: Exit,
    /// What, where, what was expected, how to mend it.
    pub message: String,
}

impl Failure {
    /// A failure with its code.
    #[must_use]
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// Something failed.
    #[must_use]
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Exit::Error, message)
    }

    /// The command line is wrong, or what it names does not exist.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The configuration is wrong.
    #[must_use]
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(Exit::Config, message)
    }

    /// Prints `Error: … (code N)` to stderr and gives the code.
    #[must_use]
    pub fn report(&self) -> ExitCode {
        let line = format!("Error: {} (code {})", self.message, self.exit as u8);
        // Nothing can be done when stderr is gone.
        drop(writeln!(std::io::stderr(), "{line}"));
        self.exit.into()
    }
}
