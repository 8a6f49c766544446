//! rustls over our buffers: the handshake always, and the records after it where they are not ours.

use std::sync::Arc;

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, WriteTraffic,
};
use rustls::{ClientConfig, Error, ProtocolVersion};

use super::super::buffers::{Inbox, Outbox};
use super::own::Own;
use super::{Opened, TlsFault};

/// A connection of rustls. Owner: the connection.
///
/// It is shown one record after the other, and a record more only when it asks for more: when the handshake
/// ends, everything behind it is still in the inbox.
pub(super) struct Driven {
    tls: UnbufferedClientConnection,
    /// Bytes of the inbox that it was shown and has not taken yet.
    shown: usize,
    scratch: Vec<u8>,
}

type Traffic<'c> = WriteTraffic<'c, ClientConnectionData>;

enum Turn {
    /// It has something more to do.
    Again,
    /// It needs another record.
    Blocked,
    /// As before, and it could send.
    Ready,
    End,
}

impl Driven {
    pub(super) fn new(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, Error> {
        let tls = UnbufferedClientConnection::new(config, name)?;
        Ok(Self { tls, shown: 0, scratch: Vec::new() })
    }

    /// Opens the next record, or takes the next step of the handshake.
    pub(super) fn open(
        &mut self,
        inbox: &mut Inbox,
        outbox: &mut Outbox,
    ) -> Result<Opened, TlsFault> {
        let was_handshaking = self.tls.is_handshaking();
        loop {
            match self.turn(inbox, outbox, &mut |_, _| Ok(())) {
                Ok(Turn::End) => return Ok(Opened::End),
                Ok(_) if !self.scratch.is_empty() => {
                    inbox.put_plain(&self.scratch);
                    self.scratch.clear();
                    return Ok(Opened::Bytes);
                }
                Ok(Turn::Again) => {}
                Ok(Turn::Ready) if was_handshaking && self.is_done() => {
                    return Ok(Opened::Overhead);
                }
                Ok(Turn::Blocked | Turn::Ready) => match inbox.record(self.shown)? {
                    Some(length) => self.shown += length,
                    None => return Ok(Opened::Nothing),
                },
                Err(fault) => {
                    self.explain(inbox, outbox);
                    return Err(fault);
                }
            }
        }
    }

    /// True when the handshake is over and no byte behind it has been looked at.
    fn is_done(&self) -> bool {
        self.shown == 0 && !self.tls.is_handshaking()
    }

    /// Whatever rustls wants to do next; what it hands out to be encoded is handed out once.
    fn turn(
        &mut self,
        inbox: &mut Inbox,
        outbox: &mut Outbox,
        when_ready: &mut dyn FnMut(&mut Traffic<'_>, &mut Outbox) -> Result<(), TlsFault>,
    ) -> Result<Turn, TlsFault> {
        let status = self.tls.process_tls_records(inbox.sealed(self.shown));
        let mut discard = status.discard;
        let turn = match status.state {
            Ok(ConnectionState::EncodeTlsData(data)) => encode(data, outbox).map(|()| Turn::Again),
            Ok(ConnectionState::TransmitTlsData(data)) => {
                data.done();
                Ok(Turn::Again)
            }
            Ok(ConnectionState::ReadTraffic(mut data)) => {
                while let Some(record) = data.next_record() {
                    let record = record?;
                    discard += record.discard;
                    self.scratch.extend_from_slice(record.payload);
                }
                Ok(Turn::Again)
            }
            Ok(ConnectionState::BlockedHandshake) => Ok(Turn::Blocked),
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                when_ready(&mut traffic, outbox).map(|()| Turn::Ready)
            }
            Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Ok(Turn::End),
            // Early data is for servers; the enum is open.
            Ok(_) => Err(TlsFault::Cipher),
            Err(error) => Err(error.into()),
        };
        inbox.discard(discard);
        self.shown = self.shown.saturating_sub(discard);
        turn
    }

    /// After a failure rustls may have an alert for the peer. It is shown what it has not taken: it remembers how
    /// far it looked.
    fn explain(&mut self, inbox: &mut Inbox, outbox: &mut Outbox) {
        let state = self.tls.process_tls_records(inbox.sealed(self.shown)).state;
        if let Ok(ConnectionState::EncodeTlsData(data)) = state {
            let _told = encode(data, outbox);
        }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        !self.is_done()
    }

    /// Takes the keys of a TLS 1.3 connection, once the handshake is over; another one stays as it is.
    pub(super) fn into_own(self) -> Result<Result<Own, Self>, TlsFault> {
        if self.tls.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
            return Ok(Err(self));
        }
        let (secrets, kernel) = self.tls.dangerous_into_kernel_connection()?;
        Own::new(secrets, kernel).map(Ok).ok_or(TlsFault::Cipher)
    }

    /// Seals bytes to be written.
    pub(super) fn send(
        &mut self,
        bytes: &[u8],
        inbox: &mut Inbox,
        outbox: &mut Outbox,
    ) -> Result<(), TlsFault> {
        self.write(inbox, outbox, |traffic, room| traffic.encrypt(bytes, room))
    }

    /// Says farewell.
    pub(super) fn end(&mut self, inbox: &mut Inbox, outbox: &mut Outbox) -> Result<(), TlsFault> {
        self.write(inbox, outbox, |traffic, room| traffic.queue_close_notify(room))
    }

    fn write(
        &mut self,
        inbox: &mut Inbox,
        outbox: &mut Outbox,
        seal: impl Fn(&mut Traffic<'_>, &mut [u8]) -> Result<usize, EncryptError>,
    ) -> Result<(), TlsFault> {
        let mut when_ready = |traffic: &mut Traffic<'_>, outbox: &mut Outbox| {
            put(outbox, |room| match seal(traffic, room) {
                Ok(length) => Ok(length),
                Err(EncryptError::InsufficientSize(size)) => Err(Some(size)),
                Err(EncryptError::EncryptExhausted) => Err(None),
            })
        };
        loop {
            match self.turn(inbox, outbox, &mut when_ready)? {
                // Something was to be told or read first, the answer to a key update for one.
                Turn::Again => {}
                Turn::Ready => return Ok(()),
                Turn::Blocked | Turn::End => return Err(TlsFault::Ended),
            }
        }
    }
}

fn encode(
    mut data: EncodeTlsData<'_, ClientConnectionData>,
    outbox: &mut Outbox,
) -> Result<(), TlsFault> {
    put(outbox, |room| match data.encode(room) {
        Ok(length) => Ok(length),
        Err(EncodeError::InsufficientSize(size)) => Err(Some(size)),
        Err(EncodeError::AlreadyEncoded) => Err(None),
    })
}

/// Puts what rustls writes behind what waits: asked once without room, it says how much it needs.
fn put(
    outbox: &mut Outbox,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<InsufficientSizeError>>,
) -> Result<(), TlsFault> {
    let needed = match write(&mut []) {
        Ok(_) => return Ok(()),
        Err(Some(InsufficientSizeError { required_size, .. })) => required_size,
        Err(None) => return Err(TlsFault::Exhausted),
    };
    let out = outbox.room(needed)?;
    let start = out.len();
    out.resize(start + needed, 0);
    let written =
        write(out.get_mut(start..).unwrap_or_default()).map_err(|_| TlsFault::Exhausted)?;
    out.truncate(start + written);
    Ok(())
}
