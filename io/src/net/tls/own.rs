//! TLS 1.3 after the handshake: records opened and sealed in place, key updates, tickets, alerts.
//!
//! rustls makes the handshake, checks the certificate and derives every key. Here is only what happens to
//! records: nothing is allocated and nothing copied that need not be.

use rustls::ExtractedSecrets;
use rustls::client::ClientConnectionData;
use rustls::kernel::KernelConnection;

use super::super::buffers::{Inbox, Outbox};
use super::record::{CONTENT_MAX, Content, Keys, OVERHEAD, Refused};
use super::{Opened, TlsFault};

/// After so many records a key is renewed. AES-GCM may seal 2^24.5 of the longest.
const RENEW_AFTER: u64 = 1 << 23;
/// After so many records of one key of the peer, who was asked to renew it, the connection ends.
const REFUSE_AFTER: u64 = 1 << 24;
/// Records in a row that hold nothing for us; a peer that sends only such keeps a thread busy for nothing.
const EMPTY_MAX: u32 = 64;
/// Most bytes of a handshake message that lies in several records.
const HANDSHAKE_MAX: usize = 64 * 1024;
const CLOSE_NOTIFY: u8 = 0;
const USER_CANCELED: u8 = 90;
const NEW_SESSION_TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;

/// An established connection. Owner: the connection.
pub(super) struct Own {
    kernel: KernelConnection<ClientConnectionData>,
    opening: Keys,
    sealing: Keys,
    /// The beginning of a handshake message whose end has not come.
    handshake: Vec<u8>,
    empty: u32,
    /// The peer was asked to renew the key that it seals with.
    is_renewal_asked: bool,
    renew_after: u64,
}

impl Own {
    /// From what the handshake gave; `None` for a cipher that is not known here.
    pub(super) fn new(
        secrets: ExtractedSecrets,
        kernel: KernelConnection<ClientConnectionData>,
    ) -> Option<Self> {
        let ExtractedSecrets { tx, rx } = secrets;
        Some(Self {
            kernel,
            opening: Keys::new(rx.0, rx.1)?,
            sealing: Keys::new(tx.0, tx.1)?,
            handshake: Vec::new(),
            empty: 0,
            is_renewal_asked: false,
            renew_after: RENEW_AFTER,
        })
    }

    /// Opens the next record.
    pub(super) fn open(
        &mut self,
        inbox: &mut Inbox,
        outbox: &mut Outbox,
    ) -> Result<Opened, TlsFault> {
        let Some(length) = inbox.record(0)? else { return Ok(Opened::Nothing) };
        match self.open_record(length, inbox, outbox) {
            Ok(opened) => Ok(opened),
            Err(fault) => {
                if let TlsFault::Refused(Refused { alert, .. }) = fault {
                    // The peer should hear why; if it does not, it sees the connection end.
                    let _told = self.seal(Content::Alert, &[2, alert], outbox);
                }
                Err(fault)
            }
        }
    }

    fn open_record(
        &mut self,
        length: usize,
        inbox: &mut Inbox,
        outbox: &mut Outbox,
    ) -> Result<Opened, TlsFault> {
        if self.opening.records() >= self.renew_after && !self.is_renewal_asked {
            self.is_renewal_asked = true;
            self.renew(true, outbox)?;
        }
        if self.opening.records() >= REFUSE_AFTER {
            return Err(Refused::unexpected("too many TLS records with one key").into());
        }
        let record = inbox.sealed(length);
        let (content, found) = self.opening.open(record)?;
        if content != Content::Handshake && !self.handshake.is_empty() {
            return Err(Refused::unexpected("a TLS record inside a handshake message").into());
        }
        self.empty += 1;
        let opened = match content {
            Content::Data if found.is_empty() => Opened::Overhead,
            Content::Data => {
                self.empty = 0;
                inbox.opened(length, found);
                return Ok(Opened::Bytes);
            }
            Content::Handshake => {
                self.handshake.extend_from_slice(record.get(found).unwrap_or_default());
                self.handshake_messages(outbox)?;
                Opened::Overhead
            }
            Content::Alert => match record.get(found) {
                // After its farewell a peer says no more: what follows is not read.
                Some([_, CLOSE_NOTIFY]) => Opened::End,
                Some([_, USER_CANCELED]) => Opened::Overhead,
                Some([_, reason]) => return Err(TlsFault::Alert(*reason)),
                _ => return Err(Refused::undecodable("a TLS alert that is none").into()),
            },
        };
        if self.empty > EMPTY_MAX {
            return Err(Refused::unexpected("TLS records without end that hold nothing").into());
        }
        inbox.discard(length);
        Ok(opened)
    }

    /// Takes the whole handshake messages that have come.
    fn handshake_messages(&mut self, outbox: &mut Outbox) -> Result<(), TlsFault> {
        let mut taken = 0;
        while let Some(&[kind, a, b, c, ref rest @ ..]) = self.handshake.get(taken..) {
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            if length > HANDSHAKE_MAX {
                return Err(Refused::undecodable("a TLS handshake message that is too long").into());
            }
            let Some((message, behind)) = rest.split_at_checked(length) else { break };
            taken += 4 + length;
            match (kind, message) {
                (NEW_SESSION_TICKET, ticket) => self.kernel.handle_new_session_ticket(ticket)?,
                (KEY_UPDATE, &[asked @ (0 | 1)]) => {
                    // Records behind it have another key: it is the last of its record.
                    if !behind.is_empty() {
                        return Err(Refused::unexpected("bytes behind a TLS key update").into());
                    }
                    let (number, secrets) = self.kernel.update_rx_secret()?;
                    self.opening = Keys::new(number, secrets).ok_or(TlsFault::Cipher)?;
                    self.is_renewal_asked = false;
                    if asked == 1 {
                        self.renew(false, outbox)?;
                    }
                }
                (KEY_UPDATE, _) => {
                    return Err(Refused::undecodable("a TLS key update that is none").into());
                }
                (_, _) => {
                    return Err(Refused::unexpected("a TLS handshake message at this time").into());
                }
            }
        }
        self.handshake.drain(..taken);
        Ok(())
    }

    /// Renews our key; the last record of the old one says so, and may ask the peer to do the same.
    fn renew(&mut self, ask: bool, outbox: &mut Outbox) -> Result<(), TlsFault> {
        self.seal(Content::Handshake, &[KEY_UPDATE, 0, 0, 1, u8::from(ask)], outbox)?;
        let (number, secrets) = self.kernel.update_tx_secret()?;
        self.sealing = Keys::new(number, secrets).ok_or(TlsFault::Cipher)?;
        Ok(())
    }

    fn seal(
        &mut self,
        content: Content,
        bytes: &[u8],
        outbox: &mut Outbox,
    ) -> Result<(), TlsFault> {
        let out = outbox.room(bytes.len() + OVERHEAD)?;
        Ok(self.sealing.seal(content, bytes, out)?)
    }

    /// Seals bytes to be written, in as many records as they need.
    pub(super) fn send(&mut self, bytes: &[u8], outbox: &mut Outbox) -> Result<(), TlsFault> {
        for piece in bytes.chunks(CONTENT_MAX) {
            if self.sealing.records() >= self.renew_after {
                self.renew(false, outbox)?;
            }
            self.seal(Content::Data, piece, outbox)?;
        }
        Ok(())
    }

    /// Says farewell.
    pub(super) fn end(&mut self, outbox: &mut Outbox) -> Result<(), TlsFault> {
        self.seal(Content::Alert, &[1, CLOSE_NOTIFY], outbox)
    }
}

/// What only tests need.
#[cfg(test)]
impl Own {
    /// Renews keys after so few records.
    pub(super) const fn renew_after(&mut self, records: u64) {
        self.renew_after = records;
    }

    /// Records of the keys that are in use: opened, sealed.
    pub(super) const fn records(&self) -> (u64, u64) {
        (self.opening.records(), self.sealing.records())
    }

    /// From now on it opens what [`Self::seal_for_test`] seals, in the peer's place.
    pub(super) fn mirror(&mut self) {
        let secrets = || rustls::ConnectionTrafficSecrets::Chacha20Poly1305 {
            key: rustls::crypto::cipher::AeadKey::from([1; 32]),
            iv: [2; 12].into(),
        };
        if let (Some(opening), Some(sealing)) = (Keys::new(0, secrets()), Keys::new(0, secrets())) {
            (self.opening, self.sealing, self.empty) = (opening, sealing, 0);
        }
    }

    pub(super) fn seal_for_test(&mut self, content: Content, bytes: &[u8], out: &mut Vec<u8>) {
        assert!(self.sealing.seal(content, bytes, out).is_ok());
    }
}
