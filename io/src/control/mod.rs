//! The operator's words to a running engine, over a Unix socket.
//!
//! # Protocol
//!
//! A line with one verb ([`Verb`]) of at most [`LINE_MAX`] bytes; the answer is one JSON object on one line:
//! `ok`, and either `error` or the state and figures of [`Desk::answer`]. A connection may ask again and again.
//!
//! # Who may speak
//!
//! The socket has mode 600, and the process at the other end must belong to this process's user or to root
//! (`SO_PEERCRED`): a mode can be wrong for a moment, a credential cannot.
//!
//! # What it costs the engine
//!
//! The server is turned by the run's watch thread, never by a hot one, and never waits: a client that does not
//! read or write is put aside, and the one that was silent for longest goes when too many come. A word
//! reaches the kernel as a journaled input; a halt is, before that, one atomic store that the last stage
//! before the venue reads at the moment of sending.

mod client;
mod desk;
mod path;
mod server;
#[cfg(test)]
mod tests;

pub use client::{AskFault, ask};
pub use desk::{Desk, Engagement};
pub use server::{ControlServer, ControlSocket};

use pinion_core::msg::Control;

/// Name of the socket in a run directory; a symbolic link where the settings name another place.
pub const SOCKET: &str = "control.sock";
/// Longest line of a client.
pub const LINE_MAX: usize = 256;

pinion_core::text_enum! {
    /// What can be asked.
    pub enum Verb {
        /// How things stand; changes nothing.
        Status => "status",
        /// No entry leaves any more, however far it has come; working ones are called back.
        Halt => "halt",
        /// No entry is decided any more; working ones are called back.
        Reduce => "reduce",
        /// Undoes halt, reduce and flatten.
        Resume => "resume",
        /// Halts, and closes what is open.
        Flatten => "flatten",
        /// Calls every working order back; entries go on.
        CancelAll => "cancel-all",
    }
}

impl Verb {
    /// The kernel's input; `None` for a question.
    #[must_use]
    pub const fn control(self) -> Option<Control> {
        match self {
            Self::Status => None,
            Self::Halt => Some(Control::Kill),
            Self::Reduce => Some(Control::Reduce),
            Self::Resume => Some(Control::Resume),
            Self::Flatten => Some(Control::Flatten),
            Self::CancelAll => Some(Control::CancelAll),
        }
    }
}
