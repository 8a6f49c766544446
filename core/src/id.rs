//! Identities: instruments, trades, orders, and the texts a venue gives its own.

use core::fmt;
use serde::{Deserialize, Serialize};

/// Index of an instrument in the run's [`crate::instrument::InstrumentTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(transparent)]
pub struct InstrumentId(u16);

impl InstrumentId {
    /// From a table index.
    ///
    /// # Panics
    /// When the index is not below [`crate::instrument::INSTRUMENTS_MAX`].
    #[must_use]
    pub fn new(index: usize) -> Self {
        assert!(
            index < crate::instrument::INSTRUMENTS_MAX,
            "instrument index {index} out of range"
        );
        #[expect(clippy::cast_possible_truncation, reason = "checked against INSTRUMENTS_MAX")]
        Self(index as u16)
    }

    /// The table index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One round trip of a slot, from entry to flat. The text form is `<ASSET>-T-<12 digits>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(transparent)]
pub struct TradeId(u64);

impl TradeId {
    /// From the trade sequence, which starts at 1 and never repeats.
    #[must_use]
    pub const fn new(seq: u64) -> Self {
        Self(seq)
    }

    /// The trade sequence.
    #[must_use]
    pub const fn seq(self) -> u64 {
        self.0
    }
}

/// Identity of an order of ours, known before the order leaves.
///
/// `epoch` separates runs (seconds of the run's first moment), `seq` counts orders from 1. The text
/// form is `p-<epoch, 8 hex>-<seq, hex>`: lower case, at most 19 characters, within `BingX`'s 1–40.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(C)]
pub struct ClientId {
    epoch: u32,
    seq: u32,
}

impl ClientId {
    /// From the run's epoch and the order sequence.
    #[must_use]
    pub const fn new(epoch: u32, seq: u32) -> Self {
        Self { epoch, seq }
    }

    /// The run.
    #[must_use]
    pub const fn epoch(self) -> u32 {
        self.epoch
    }

    /// The order within the run.
    #[must_use]
    pub const fn seq(self) -> u32 {
        self.seq
    }

    /// Reads the text form; `None` for anything that is not exactly ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (epoch, seq) = text.strip_prefix("p-")?.split_once('-')?;
        let canonical =
            |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')).then_some(());
        canonical(epoch)?;
        canonical(seq)?;
        let id = Self {
            epoch: u32::from_str_radix(epoch, 16).ok()?,
            seq: u32::from_str_radix(seq, 16).ok()?,
        };
        (epoch.len() == 8 && !seq.starts_with('0')).then_some(id)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p-{:08x}-{:x}", self.epoch, self.seq)
    }
}

/// Longest text of a [`TextId`].
pub const TEXT_ID_MAX: usize = 23;

/// A venue's identity for an order or a fill, kept as the text it came as (they exceed `u64`).
///
/// At most [`TEXT_ID_MAX`] bytes of printable ASCII. Empty means the venue gave none.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct TextId {
    len: u8,
    bytes: [u8; TEXT_ID_MAX],
}

impl TextId {
    /// Its 24 bytes as words: a cheap key, equal exactly for equal identities.
    pub(crate) fn words(&self) -> [u64; 3] {
        let mut bytes = [self.len; 24];
        bytes[1..].copy_from_slice(&self.bytes);
        let (words, _) = bytes.as_chunks::<8>();
        [0, 1, 2].map(|at| words.get(at).map_or(0, |word| u64::from_le_bytes(*word)))
    }

    /// No identity.
    pub const EMPTY: Self = Self { len: 0, bytes: [0; TEXT_ID_MAX] };

    /// From text; `None` when it is too long or holds anything but printable ASCII.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let source = text.as_bytes();
        if source.len() > TEXT_ID_MAX || !source.iter().all(|b| (0x21..=0x7e).contains(b)) {
            return None;
        }
        let mut bytes = [0; TEXT_ID_MAX];
        bytes[..source.len()].copy_from_slice(source);
        #[expect(clippy::cast_possible_truncation, reason = "at most TEXT_ID_MAX")]
        Some(Self { len: source.len() as u8, bytes })
    }

    /// A decimal number as text.
    #[must_use]
    pub fn from_number(mut number: u64) -> Self {
        let mut digits = [0u8; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        let used = &digits[at..];
        let mut bytes = [0; TEXT_ID_MAX];
        bytes[..used.len()].copy_from_slice(used);
        #[expect(clippy::cast_possible_truncation, reason = "at most 20")]
        Self { len: used.len() as u8, bytes }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or("")
    }

    /// True when the venue gave none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Serialize for TextId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for TextId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(deserializer)?;
        Self::new(text)
            .ok_or_else(|| serde::de::Error::custom("expected at most 23 printable characters"))
    }
}

impl fmt::Debug for TextId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl fmt::Display for TextId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::string::ToString;

    #[test]
    fn client_ids_round_trip_and_refuse_look_alikes() {
        let id = ClientId::new(0x66b5_594f, 26);
        assert_eq!(id.to_string(), "p-66b5594f-1a");
        assert_eq!(ClientId::parse("p-66b5594f-1a"), Some(id));
        for foreign in ["", "p-", "p-66b5594f-", "p-66B5594F-1a", "p-66b5594f-01", "x-66b5594f-1a"]
        {
            assert_eq!(ClientId::parse(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn text_ids_keep_what_u64_cannot() {
        let id = TextId::new("99999999999999999999999").expect("23 digits fit");
        assert_eq!(id.as_str(), "99999999999999999999999");
        assert_eq!(TextId::new("999999999999999999999999"), None);
        assert_eq!(TextId::new("a b"), None);
        assert_eq!(TextId::from_number(u64::MAX).as_str(), "18446744073709551615");
    }
}
