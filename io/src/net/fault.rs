//! Why a socket is of no use any more.

use std::fmt;
use std::io;

pinion_core::text_enum! {
    /// What was being done.
    pub enum Step {
        /// Opening the TCP connection.
        Connect => "connect",
        /// The TLS handshake: certificate, name, versions.
        Encrypt => "encrypt",
        /// The WebSocket handshake.
        Upgrade => "upgrade",
        /// Reading.
        Read => "read",
        /// Writing.
        Write => "write",
        /// Waiting for an answer.
        Wait => "wait",
    }
}

/// Why a socket is of no use any more. Never holds what was sent or received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetFault {
    /// What was being done.
    pub step: Step,
    /// What went wrong.
    pub found: String,
}

impl NetFault {
    pub(super) fn new(step: Step, found: impl Into<String>) -> Self {
        Self { step, found: found.into() }
    }

    pub(super) fn io(step: Step, error: &io::Error) -> Self {
        Self::new(step, error.to_string())
    }
}

impl fmt::Display for NetFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step.as_str(), self.found)
    }
}

impl std::error::Error for NetFault {}
