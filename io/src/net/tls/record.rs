//! TLS 1.3 records of one direction, sealed and opened in place (RFC 8446, section 5).

use std::mem::MaybeUninit;
use std::ops::Range;

use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey};
use ring::aead::{Nonce, UnboundKey};
use rustls::ConnectionTrafficSecrets;
use rustls::crypto::cipher::{AeadKey, Iv};
use zeroize::{Zeroize as _, Zeroizing};

use super::super::buffers::RECORD_HEADER;

/// Bytes of the tag behind every record.
const TAG: usize = 16;
/// Most bytes of content in a record.
pub(super) const CONTENT_MAX: usize = 1 << 14;
/// Most bytes behind the header.
const SEALED_MAX: usize = CONTENT_MAX + 256;
/// What a sealed record grows by.
pub(super) const OVERHEAD: usize = RECORD_HEADER + 1 + TAG;
const APPLICATION_DATA: u8 = 23;

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Says that the connection ends, and why.
    Alert,
    /// Tickets and key updates, once the handshake is over.
    Handshake,
    /// What is sent over it.
    Data,
}

impl Content {
    const fn byte(self) -> u8 {
        match self {
            Self::Alert => 21,
            Self::Handshake => 22,
            Self::Data => APPLICATION_DATA,
        }
    }
}

/// Why a record is refused, and the alert that says so to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::net) struct Refused {
    pub(super) alert: u8,
    pub(super) found: &'static str,
}

impl Refused {
    pub(super) const fn unexpected(found: &'static str) -> Self {
        Self { alert: 10, found }
    }

    pub(super) const fn undecodable(found: &'static str) -> Self {
        Self { alert: 50, found }
    }

    const fn too_long() -> Self {
        Self { alert: 22, found: "a TLS record that is too long" }
    }
}

/// A prepared key, wiped when it is dropped. What `ring` left on the stack while preparing it is not.
struct Prepared(Box<MaybeUninit<LessSafeKey>>);

impl Prepared {
    fn new(key: LessSafeKey) -> Self {
        Self(Box::new(MaybeUninit::new(key)))
    }

    const fn key(&self) -> &LessSafeKey {
        // SAFETY: `new` wrote it, and only `drop` takes it away.
        unsafe { self.0.assume_init_ref() }
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // The key is plain data without a destructor of its own: nothing is left undone by not running one.
        const { assert!(!std::mem::needs_drop::<LessSafeKey>()) };
        self.0.zeroize();
    }
}

/// Key, initialization vector and number of the next record of one direction.
pub(super) struct Keys {
    key: Prepared,
    iv: Zeroizing<[u8; 12]>,
    number: u64,
}

impl Keys {
    /// From what the handshake or a key update gave; `None` for a cipher that is not known here.
    pub(super) fn new(number: u64, secrets: ConnectionTrafficSecrets) -> Option<Self> {
        let (algorithm, key, iv): (&'static Algorithm, AeadKey, Iv) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
            // The enum is open: what a later version adds stays with rustls.
            _ => return None,
        };
        let key = LessSafeKey::new(UnboundKey::new(algorithm, key.as_ref()).ok()?);
        let iv = Zeroizing::new(iv.as_ref().try_into().ok()?);
        Some(Self { key: Prepared::new(key), iv, number })
    }

    /// Records sealed or opened with this key.
    pub(super) const fn records(&self) -> u64 {
        self.number
    }

    /// The nonce of the next record. No number is ever used twice: keys are renewed after far fewer records
    /// than there are numbers.
    fn nonce(&mut self) -> Nonce {
        let mut nonce = *self.iv;
        let [_, _, _, _, tail @ ..] = &mut nonce;
        let mixed = u64::from_be_bytes(*tail) ^ self.number;
        *tail = mixed.to_be_bytes();
        self.number += 1;
        Nonce::assume_unique_for_key(nonce)
    }

    /// Opens a whole record, header and all, where it lies; says what it holds, and where.
    pub(super) fn open(&mut self, record: &mut [u8]) -> Result<(Content, Range<usize>), Refused> {
        let Some((header, sealed)) = record.split_first_chunk_mut::<RECORD_HEADER>() else {
            return Err(Refused::undecodable("a TLS record without a header"));
        };
        if header[0] != APPLICATION_DATA {
            return Err(Refused::unexpected("a TLS record that is not encrypted"));
        }
        if sealed.len() > SEALED_MAX {
            return Err(Refused::too_long());
        }
        let nonce = self.nonce();
        let opened = self.key.key().open_in_place(nonce, Aad::from(*header), sealed);
        let Ok(inner) = opened else {
            return Err(Refused { alert: 20, found: "a TLS record that was changed on the way" });
        };
        if inner.len() > CONTENT_MAX + 1 {
            return Err(Refused::too_long());
        }
        // Zeros may stand behind the content's type, which is the last byte that is none.
        let Some(last) = inner.iter().rposition(|byte| *byte != 0) else {
            return Err(Refused::unexpected("a TLS record of zeros"));
        };
        let content = match inner[last] {
            21 => Content::Alert,
            22 => Content::Handshake,
            APPLICATION_DATA => Content::Data,
            _ => return Err(Refused::unexpected("a TLS record of an unknown kind")),
        };
        if last == 0 && content != Content::Data {
            return Err(Refused::unexpected("an empty TLS record of a kind that may not be empty"));
        }
        Ok((content, RECORD_HEADER..RECORD_HEADER + last))
    }

    /// Seals one record behind what `out` holds; the content has at most [`CONTENT_MAX`] bytes.
    pub(super) fn seal(
        &mut self,
        content: Content,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        let failed = Refused { alert: 80, found: "a TLS record that cannot be sealed" };
        let length = bytes.len() + 1 + TAG;
        let Some([high, low]) = u16::try_from(length).ok().map(u16::to_be_bytes) else {
            return Err(failed);
        };
        let header = [APPLICATION_DATA, 3, 3, high, low];
        let start = out.len();
        out.extend_from_slice(&header);
        out.extend_from_slice(bytes);
        out.push(content.byte());
        let nonce = self.nonce();
        let inner = out.get_mut(start + RECORD_HEADER..).unwrap_or_default();
        match self.key.key().seal_in_place_separate_tag(nonce, Aad::from(header), inner) {
            Ok(tag) => {
                out.extend_from_slice(tag.as_ref());
                Ok(())
            }
            Err(_) => {
                // Nothing of it may leave as it is.
                out.truncate(start);
                Err(failed)
            }
        }
    }
}
