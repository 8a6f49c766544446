//! TLS over the connection's own buffers: no socket is touched here.
//!
//! | file | holds |
//! |---|---|
//! | `rustls_driven` | the handshake; records too, with TLS 1.2 and where settings say so |
//! | `own` | TLS 1.3 after the handshake: key updates, tickets, alerts |
//! | `record` | one record: sealed, opened |

mod own;
mod record;
mod rustls_driven;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::buffers::{Inbox, Outbox};
use own::Own;
use record::Refused;
use rustls_driven::Driven;

pinion_core::text_enum! {
    /// Who seals and opens the records of a TLS 1.3 connection. The handshake is always made by rustls.
    #[derive(Default)]
    pub enum RecordLayer {
        /// Our own code, in place and without allocation, with the primitives of `ring`.
        #[default]
        Own => "own",
        /// rustls.
        Rustls => "rustls",
    }
}

/// What came of opening a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// No whole record is there.
    Nothing,
    /// A record that holds nothing to be read.
    Overhead,
    /// There is something to be read.
    Bytes,
    /// The peer said farewell.
    End,
}

/// Why a TLS connection ends.
#[derive(Debug)]
pub(super) enum TlsFault {
    Rustls(rustls::Error),
    Refused(Refused),
    /// The peer's reason.
    Alert(u8),
    Buffer(io::Error),
    /// The cipher or state is none that is known here.
    Cipher,
    Exhausted,
    Ended,
}

impl From<rustls::Error> for TlsFault {
    fn from(error: rustls::Error) -> Self {
        Self::Rustls(error)
    }
}

impl From<Refused> for TlsFault {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<io::Error> for TlsFault {
    fn from(error: io::Error) -> Self {
        Self::Buffer(error)
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rustls(error) => error.fmt(f),
            Self::Refused(Refused { found, .. }) => f.write_str(found),
            Self::Alert(reason) => write!(f, "the peer ended TLS with alert {reason}"),
            Self::Buffer(error) => error.fmt(f),
            Self::Cipher => f.write_str("a TLS cipher or state that is not known here"),
            Self::Exhausted => f.write_str("TLS cannot seal any more"),
            Self::Ended => f.write_str("TLS has ended"),
        }
    }
}

impl From<TlsFault> for io::Error {
    fn from(fault: TlsFault) -> Self {
        match fault {
            TlsFault::Buffer(error) => error,
            other => Self::new(io::ErrorKind::InvalidData, other.to_string()),
        }
    }
}

/// A TLS client. Owner: the connection, which has the buffers.
pub(super) struct Tls {
    layer: RecordLayer,
    state: State,
}

enum State {
    Shaking(Box<Driven>),
    Driven(Box<Driven>),
    Own(Box<Own>),
    /// Moving from one to the next failed.
    Broken,
}

impl Tls {
    pub(super) fn new(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        layer: RecordLayer,
    ) -> Result<Self, TlsFault> {
        Ok(Self { layer, state: State::Shaking(Box::new(Driven::new(config, name)?)) })
    }

    pub(super) const fn is_handshaking(&self) -> bool {
        matches!(self.state, State::Shaking(_))
    }

    /// Opens the next record, or takes the next step of the handshake; what is to be told to the peer
    /// stands in the outbox then, also after a fault.
    pub(super) fn open(
        &mut self,
        inbox: &mut Inbox,
        outbox: &mut Outbox,
    ) -> Result<Opened, TlsFault> {
        match &mut self.state {
            State::Own(own) => own.open(inbox, outbox),
            State::Driven(driven) => driven.open(inbox, outbox),
            State::Shaking(driven) => {
                let opened = driven.open(inbox, outbox)?;
                if opened == Opened::Overhead && !driven.is_handshaking() {
                    self.establish()?;
                }
                Ok(opened)
            }
            State::Broken => Err(TlsFault::Ended),
        }
    }

    fn establish(&mut self) -> Result<(), TlsFault> {
        if let State::Shaking(driven) = std::mem::replace(&mut self.state, State::Broken) {
            self.state = match self.layer {
                RecordLayer::Rustls => State::Driven(driven),
                RecordLayer::Own => match driven.into_own()? {
                    Ok(own) => State::Own(Box::new(own)),
                    Err(driven) => State::Driven(Box::new(driven)),
                },
            };
        }
        Ok(())
    }

    /// Seals bytes to be written.
    pub(super) fn send(
        &mut self,
        bytes: &[u8],
        inbox: &mut Inbox,
        outbox: &mut Outbox,
    ) -> Result<(), TlsFault> {
        match &mut self.state {
            State::Own(own) => own.send(bytes, outbox),
            State::Driven(driven) => driven.send(bytes, inbox, outbox),
            State::Shaking(_) | State::Broken => Err(TlsFault::Ended),
        }
    }

    /// Says farewell, where there is somebody to say it to.
    pub(super) fn end(&mut self, inbox: &mut Inbox, outbox: &mut Outbox) -> Result<(), TlsFault> {
        match &mut self.state {
            State::Own(own) => own.end(outbox),
            State::Driven(driven) => driven.end(inbox, outbox),
            State::Shaking(_) | State::Broken => Ok(()),
        }
    }
}
