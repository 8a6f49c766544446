//! Variable-length integers over a fixed buffer, and why reading them can fail.

use core::fmt;

use crate::id::{TEXT_ID_MAX, TextId};
use crate::journal::codec::ENCODED_MAX;

/// Why bytes are not an encoded input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodecFault {
    /// The bytes end inside an input.
    Truncated,
    /// A number longer than its type.
    Overlong,
    /// A code that no field of this name has.
    Code {
        /// The field.
        field: &'static str,
        /// What was found.
        code: u64,
    },
}

impl fmt::Display for CodecFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the bytes end inside an input"),
            Self::Overlong => f.write_str("a number is longer than its type allows"),
            Self::Code { field, code } => write!(f, "{code} is no {field}"),
        }
    }
}

/// Bytes of a number by its significant bits, up to 56.
const LENGTH_OF_BITS: [u8; 57] = {
    let mut table = [1; 57];
    let mut bits = 0;
    while bits < table.len() {
        // Seven bits a byte; a single byte even for nothing.
        let mut len = 1;
        while len * 7 < bits {
            len += 1;
        }
        table[bits] = len as u8;
        bits += 1;
    }
    table
};

/// Puts the sign into the lowest bit, so that small magnitudes stay small.
pub(super) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// Undoes [`zigzag`].
pub(super) const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

/// Writes into a buffer that every input fits; what would not fit is dropped, which the tests of
/// [`ENCODED_MAX`] rule out.
pub(super) struct Writer<'a> {
    bytes: &'a mut [u8; ENCODED_MAX],
    at: usize,
}

impl<'a> Writer<'a> {
    pub(super) const fn new(bytes: &'a mut [u8; ENCODED_MAX]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.at
    }

    pub(super) fn byte(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.at) {
            *slot = byte;
            self.at += 1;
        }
    }

    pub(super) fn slice(&mut self, source: &[u8]) {
        if let Some(target) = self.bytes.get_mut(self.at..self.at + source.len()) {
            target.copy_from_slice(source);
            self.at += source.len();
        }
    }

    /// Seven bits a byte: the zeros below the lowest set bit of the first byte say how many bytes
    /// follow. Written as one word, whatever the length: a loop per byte would take most of the time of
    /// an input.
    pub(super) fn unsigned(&mut self, value: u64) {
        let bits = 64 - (value | 1).leading_zeros();
        if bits > 56 {
            self.byte(0);
            self.slice(&value.to_le_bytes());
            return;
        }
        let len = LENGTH_OF_BITS[bits as usize];
        let word = (value << 1 | 1) << (len - 1);
        if let Some(target) = self.bytes.get_mut(self.at..self.at + 8) {
            target.copy_from_slice(&word.to_le_bytes());
            self.at += usize::from(len);
        }
    }

    pub(super) fn signed(&mut self, value: i64) {
        self.unsigned(zigzag(value));
    }

    /// A word that may be missing: 0, or one more than its zigzag form.
    pub(super) fn optional(&mut self, value: Option<i64>) {
        // `Some(i64::MIN)` cannot be: it is how the messages spell "missing".
        self.unsigned(value.map_or(0, |word| zigzag(word).wrapping_add(1)));
    }

    pub(super) fn float(&mut self, value: f64) {
        self.slice(&value.to_bits().to_le_bytes());
    }

    pub(super) fn text(&mut self, id: &TextId) {
        let text = id.as_str().as_bytes();
        self.unsigned(text.len() as u64);
        self.slice(text);
    }
}

/// Reads what [`Writer`] wrote.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) const fn used(&self) -> usize {
        self.at
    }

    pub(super) fn byte(&mut self) -> Result<u8, CodecFault> {
        let byte = *self.bytes.get(self.at).ok_or(CodecFault::Truncated)?;
        self.at += 1;
        Ok(byte)
    }

    pub(super) fn slice(&mut self, len: usize) -> Result<&'a [u8], CodecFault> {
        let end = self.at.checked_add(len).ok_or(CodecFault::Truncated)?;
        let slice = self.bytes.get(self.at..end).ok_or(CodecFault::Truncated)?;
        self.at = end;
        Ok(slice)
    }

    pub(super) fn unsigned(&mut self) -> Result<u64, CodecFault> {
        let more = self.bytes.get(self.at).ok_or(CodecFault::Truncated)?.trailing_zeros() as usize;
        if more >= 8 {
            self.at += 1;
            let bytes: [u8; 8] = self.slice(8)?.try_into().map_err(|_| CodecFault::Truncated)?;
            return Ok(u64::from_le_bytes(bytes));
        }
        let mut word = [0; 8];
        word[..=more].copy_from_slice(self.slice(more + 1)?);
        Ok(u64::from_le_bytes(word) >> (more + 1))
    }

    pub(super) fn signed(&mut self) -> Result<i64, CodecFault> {
        self.unsigned().map(unzigzag)
    }

    pub(super) fn optional(&mut self) -> Result<Option<i64>, CodecFault> {
        Ok(self.unsigned()?.checked_sub(1).map(unzigzag))
    }

    /// A number of a narrower type.
    pub(super) fn narrow<T: TryFrom<u64>>(&mut self) -> Result<T, CodecFault> {
        T::try_from(self.unsigned()?).map_err(|_| CodecFault::Overlong)
    }

    pub(super) fn float(&mut self) -> Result<f64, CodecFault> {
        let bytes: [u8; 8] = self.slice(8)?.try_into().map_err(|_| CodecFault::Truncated)?;
        Ok(f64::from_bits(u64::from_le_bytes(bytes)))
    }

    pub(super) fn text(&mut self) -> Result<TextId, CodecFault> {
        let len: usize = self.narrow()?;
        if len > TEXT_ID_MAX {
            return Err(CodecFault::Code { field: "text length", code: len as u64 });
        }
        let text = core::str::from_utf8(self.slice(len)?).ok();
        let fault = CodecFault::Code { field: "text id", code: len as u64 };
        text.and_then(TextId::new).ok_or(fault)
    }

    /// A code of a closed set.
    pub(super) fn code<T>(
        &mut self,
        field: &'static str,
        from: fn(u8) -> Option<T>,
    ) -> Result<T, CodecFault> {
        let code = self.byte()?;
        from(code).ok_or_else(|| CodecFault::Code { field, code: u64::from(code) })
    }
}
