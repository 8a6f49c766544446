//! Bytes of one connection on their way in and out. Both reuse their memory: once they have grown to what
//! the connection needs, nothing is allocated.

use std::io::{Error, ErrorKind};
use std::ops::Range;

/// What an inbox begins with; it holds several of the longest TLS records.
const START: usize = 64 * 1024;
/// Room that a read should find.
const ROOM_MIN: usize = 16 * 1024;
/// Bytes of a TLS record's header.
pub(super) const RECORD_HEADER: usize = 5;
/// Most bytes of a TLS record behind its header, the allowance of TLS 1.2 included.
const RECORD_MAX: usize = (1 << 14) + 2048;
/// Bytes that may wait to be written.
const WAITING_MAX: usize = 256 * 1024;

/// Bytes on their way in: first those that can be read (`plain`), behind them those that are still encrypted
/// (`sealed`), which TLS opens where they lie. Owner: the connection.
pub(super) struct Inbox {
    bytes: Vec<u8>,
    plain: Range<usize>,
    sealed: Range<usize>,
    max: usize,
}

impl Inbox {
    /// An empty one that grows to `max` bytes at most.
    pub(super) fn new(max: usize) -> Self {
        Self { bytes: vec![0; START.min(max)], plain: 0..0, sealed: 0..0, max }
    }

    /// What can be read.
    pub(super) fn plain(&self) -> &[u8] {
        self.bytes.get(self.plain.clone()).unwrap_or_default()
    }

    /// Takes bytes from the front of what can be read.
    pub(super) fn consume(&mut self, count: usize) {
        self.plain.start = self.plain.end.min(self.plain.start + count);
        self.rewind();
    }

    /// An empty inbox begins at the front again: the same cache lines serve every message.
    fn rewind(&mut self) {
        if self.plain.is_empty() && self.sealed.is_empty() {
            self.plain = 0..0;
            self.sealed = 0..0;
        }
    }

    /// Where the next read goes; empty when `max` bytes wait already.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.bytes.len() - self.sealed.end < ROOM_MIN {
            let plain = self.plain.len();
            self.bytes.copy_within(self.plain.clone(), 0);
            self.bytes.copy_within(self.sealed.clone(), plain);
            self.plain = 0..plain;
            self.sealed = plain..plain + self.sealed.len();
            if self.bytes.len() - self.sealed.end < ROOM_MIN {
                self.bytes.resize((self.bytes.len() * 2).min(self.max), 0);
            }
        }
        self.bytes.get_mut(self.sealed.end..).unwrap_or_default()
    }

    /// So many bytes were read into the room: encrypted ones, or such as can be read.
    pub(super) fn received(&mut self, count: usize, is_sealed: bool) {
        self.sealed.end = self.bytes.len().min(self.sealed.end + count);
        if !is_sealed {
            self.plain.end = self.sealed.end;
            self.sealed.start = self.sealed.end;
        }
    }

    /// Length of the record that begins `from` bytes behind the front of the encrypted bytes, header and all;
    /// `None` while it is not whole.
    ///
    /// # Errors
    /// `InvalidData` for one that is longer than any may be.
    pub(super) fn record(&self, from: usize) -> Result<Option<usize>, Error> {
        let sealed = self.bytes.get(self.sealed.start + from..self.sealed.end).unwrap_or_default();
        let [_, _, _, high, low, ..] = *sealed else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > RECORD_MAX {
            return Err(Error::new(ErrorKind::InvalidData, "a TLS record that is too long"));
        }
        let whole = RECORD_HEADER + length;
        Ok((sealed.len() >= whole).then_some(whole))
    }

    /// The first encrypted bytes.
    pub(super) fn sealed(&mut self, count: usize) -> &mut [u8] {
        let end = self.sealed.end.min(self.sealed.start + count);
        self.bytes.get_mut(self.sealed.start..end).unwrap_or_default()
    }

    /// Drops the first encrypted bytes.
    pub(super) fn discard(&mut self, count: usize) {
        self.sealed.start = self.sealed.end.min(self.sealed.start + count);
        self.rewind();
    }

    /// The first record, of `length` bytes, was opened where it lies: its `content` can be read now.
    pub(super) fn opened(&mut self, length: usize, content: Range<usize>) {
        let found = self.sealed.start + content.start..self.sealed.start + content.end;
        if self.plain.is_empty() {
            self.plain = found;
        } else {
            // Moved up to what waits before it, so that a message may lie in two records.
            let end = self.plain.end;
            self.plain.end += found.len();
            self.bytes.copy_within(found, end);
        }
        self.discard(length);
    }

    /// Puts bytes behind those that can be read; for a record layer that hands out copies. There is room
    /// where the record was.
    pub(super) fn put_plain(&mut self, bytes: &[u8]) {
        if self.plain.is_empty() {
            let start = self.sealed.start.saturating_sub(bytes.len());
            self.plain = start..start;
        }
        let end = self.plain.end + bytes.len();
        if end > self.sealed.start {
            let shift = end - self.sealed.start;
            if self.sealed.end + shift > self.bytes.len() {
                self.bytes.resize(self.sealed.end + shift, 0);
            }
            self.bytes.copy_within(self.sealed.clone(), end);
            self.sealed = end..self.sealed.end + shift;
        }
        if let Some(room) = self.bytes.get_mut(self.plain.end..end) {
            room.copy_from_slice(bytes);
        }
        self.plain.end = end;
    }
}

/// Bytes that wait to be written. Owner: the connection.
pub(super) struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self { bytes: Vec::with_capacity(4096), sent: 0 }
    }

    /// What waits.
    pub(super) fn waiting(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    /// So many of them have left.
    pub(super) fn sent(&mut self, count: usize) {
        self.sent += count;
        if self.sent >= self.bytes.len() {
            self.bytes.clear();
            self.sent = 0;
        }
    }

    /// Where more is put, behind what waits.
    ///
    /// # Errors
    /// `OutOfMemory` where so many more bytes may not wait: the peer does not read.
    pub(super) fn room(&mut self, more: usize) -> Result<&mut Vec<u8>, Error> {
        if self.bytes.len() - self.sent + more > WAITING_MAX {
            let found = "more than 256 KiB wait to be written: the peer does not read";
            return Err(Error::new(ErrorKind::OutOfMemory, found));
        }
        if self.sent > 0 && self.bytes.len() + more > self.bytes.capacity() {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        Ok(&mut self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(inbox: &mut Inbox, bytes: &[u8], is_sealed: bool) {
        let room = inbox.room();
        room[..bytes.len()].copy_from_slice(bytes);
        inbox.received(bytes.len(), is_sealed);
    }

    #[test]
    fn bytes_come_out_as_they_went_in_however_they_are_taken() {
        let mut inbox = Inbox::new(1 << 20);
        let (mut next_in, mut next_out) = (0u8, 0u8);
        for round in 0..4000usize {
            let count = round * 7919 % 9000;
            let bytes: Vec<u8> = (0..count).map(|at| next_in.wrapping_add(at as u8)).collect();
            receive(&mut inbox, &bytes, false);
            next_in = next_in.wrapping_add(count as u8);
            let take = inbox.plain().len() * (round % 4) / 3;
            for byte in &inbox.plain()[..take.min(inbox.plain().len())] {
                assert_eq!(*byte, next_out);
                next_out = next_out.wrapping_add(1);
            }
            inbox.consume(take);
        }
        assert!(inbox.bytes.len() <= 2 * START, "what was taken leaves its room");
    }

    #[test]
    fn an_inbox_is_full_at_its_limit() {
        let mut inbox = Inbox::new(100_000);
        while !inbox.room().is_empty() {
            let count = inbox.room().len();
            inbox.received(count, false);
        }
        assert_eq!(inbox.plain().len(), 100_000);
    }

    #[test]
    fn records_are_opened_in_place_and_lie_side_by_side() {
        let mut inbox = Inbox::new(1 << 20);
        let record = |text: &[u8]| [&[23, 3, 3, 0, text.len() as u8], text].concat();
        receive(&mut inbox, &[record(b"-one-"), record(b"-two-"), vec![23, 3]].concat(), true);
        assert_eq!(inbox.record(0).expect("sound"), Some(10));
        inbox.opened(10, 6..9);
        assert_eq!(inbox.plain(), b"one");
        inbox.opened(10, 6..9);
        assert_eq!(inbox.plain(), b"onetwo");
        assert_eq!(inbox.record(0).expect("so far"), None);
        inbox.put_plain(b"three and more than the room before the rest");
        assert_eq!(inbox.plain(), b"onetwothree and more than the room before the rest");
        assert_eq!(inbox.sealed(9), [23, 3]);
        receive(&mut inbox, &[3, 0x48, 1], true);
        assert!(inbox.record(0).is_err(), "longer than a record may be");
    }

    #[test]
    fn what_waits_is_bounded_and_leaves_in_order() {
        let mut outbox = Outbox::new();
        outbox.room(6).expect("room").extend_from_slice(b"abcdef");
        outbox.sent(4);
        outbox.room(5000).expect("room").extend_from_slice(&[b'x'; 5000]);
        assert_eq!(&outbox.waiting()[..3], b"efx");
        assert!(outbox.room(WAITING_MAX).is_err());
        outbox.sent(5002);
        assert!(outbox.waiting().is_empty());
    }
}
