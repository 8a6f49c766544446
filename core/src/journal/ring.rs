//! The ring of encoded inputs between the kernel thread and the journal thread.
//!
//! Policy when full: the push is refused and nothing is lost; the kernel stage waits with the input.
//! An entry is one length byte and the encoded input; a length of zero starts a mark instead.

use alloc::vec;
use alloc::vec::Vec;

use crate::journal::FRAME_BYTES_MAX;
use crate::journal::codec::{CodecState, ENCODED_MAX, encode};
use crate::link::Full;
use crate::msg::Input;
use crate::units::Nanos;

/// Bytes of the ring that a run uses: some 700,000 inputs.
pub const RING_BYTES: usize = 8 * 1024 * 1024;

/// Most bytes one push takes: marks, length, input.
pub const PUSH_MAX: usize = 8 + 1 + ENCODED_MAX;

const MARK: u8 = 0;
const MARK_FRAME: u8 = 1;
const MARK_SETTINGS: u8 = 2;
const FRAME_LEN: usize = 2;
const SETTINGS_LEN: usize = 6;
/// Where the length byte stands in the buffer of a push.
const LEN_AT: usize = FRAME_LEN + SETTINGS_LEN;

const _: () = assert!(ENCODED_MAX <= u8::MAX as usize && PUSH_MAX == LEN_AT + 1 + ENCODED_MAX);

/// What the journal thread reads, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// The codec was reset: the inputs that follow belong to a new frame.
    FrameStart,
    /// The next input brings this version into force; its content belongs before it.
    Settings {
        /// Version of the snapshot.
        version: u32,
    },
    /// One encoded input.
    Input(&'a [u8]),
}

/// The producing end. Owner: the kernel stage.
#[derive(Debug)]
pub struct InputTx {
    ring: rtrb::Producer<u8>,
    state: CodecState,
    /// Marks, length and input of one push; marks end where the length stands.
    buffer: [u8; PUSH_MAX],
    /// Encoded bytes of the running frame; above the limit the next input starts a new one.
    frame_bytes: usize,
    /// Bytes known to be free: the consumer's position is read only when this runs out.
    credit: usize,
    pushed: u64,
    refused: u64,
}

/// The consuming end. Owner: the journal thread.
#[derive(Debug)]
pub struct InputRx {
    ring: rtrb::Consumer<u8>,
    /// Popped bytes that are not yet read as entries: `filled` of them from the front.
    scratch: Vec<u8>,
    filled: usize,
}

/// Makes a ring of `bytes` bytes (at least one push). Allocates once.
#[must_use]
pub fn input_ring(bytes: usize) -> (InputTx, InputRx) {
    let (producer, consumer) = rtrb::RingBuffer::new(bytes.max(PUSH_MAX));
    let tx = InputTx {
        ring: producer,
        state: CodecState::default(),
        buffer: [0; PUSH_MAX],
        frame_bytes: FRAME_BYTES_MAX,
        credit: 0,
        pushed: 0,
        refused: 0,
    };
    (tx, InputRx { ring: consumer, scratch: vec![0; FRAME_BYTES_MAX], filled: 0 })
}

impl InputTx {
    /// Appends an input and the time of its turn. About 40 ns.
    ///
    /// # Errors
    /// [`Full`] when [`PUSH_MAX`] bytes do not fit; counted, nothing changed.
    pub fn push(&mut self, now_ns: Nanos, input: &Input) -> Result<(), Full<()>> {
        // Reading the consumer's position costs a cache miss: only when the known room is short.
        if self.credit < PUSH_MAX && self.free() == 0 {
            self.refused += 1;
            return Err(Full(()));
        }
        let settings = match input {
            Input::Settings { version } => Some(*version),
            Input::Market(_)
            | Input::Venue(_)
            | Input::Scan(_)
            | Input::Control(_)
            | Input::Tick => None,
        };
        let new_frame = settings.is_some() || self.frame_bytes + ENCODED_MAX > FRAME_BYTES_MAX;
        let mut start = LEN_AT;
        if let Some(version) = settings {
            start -= SETTINGS_LEN;
            self.buffer[start..start + 2].copy_from_slice(&[MARK, MARK_SETTINGS]);
            self.buffer[start + 2..LEN_AT].copy_from_slice(&version.to_le_bytes());
        }
        if new_frame {
            start -= FRAME_LEN;
            self.buffer[start..start + FRAME_LEN].copy_from_slice(&[MARK, MARK_FRAME]);
            self.state.reset();
            self.frame_bytes = 0;
        }
        let Some(encoded) = self.buffer.last_chunk_mut::<ENCODED_MAX>() else {
            return Err(Full(())); // Cannot be: PUSH_MAX is larger.
        };
        let len = encode(&mut self.state, now_ns, input, encoded);
        #[expect(clippy::cast_possible_truncation, reason = "at most ENCODED_MAX, a byte")]
        {
            self.buffer[LEN_AT] = len as u8;
        }
        // One slice, one commit: the consumer never waits for the rest of an entry. It fits, because
        // there was room for PUSH_MAX bytes.
        let end = LEN_AT + 1 + len;
        if self.ring.push_entire_slice(&self.buffer[start..end]).is_err() {
            return Err(Full(()));
        }
        self.credit -= end - start;
        self.frame_bytes += len;
        self.pushed += 1;
        Ok(())
    }

    /// How many inputs fit now, at least. Reads the consumer's position: ask rarely.
    pub fn free(&mut self) -> usize {
        self.credit = self.ring.slots();
        self.credit / PUSH_MAX
    }

    /// Inputs appended since the start.
    #[must_use]
    pub const fn pushed(&self) -> u64 {
        self.pushed
    }

    /// Pushes that were refused because the ring was full.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }
}

impl InputRx {
    /// Hands out what waits, up to about 64 KiB; returns the bytes taken, 0 when nothing waits.
    pub fn read(&mut self, mut sink: impl FnMut(Entry<'_>)) -> usize {
        let free = &mut self.scratch[self.filled..];
        let (popped, _) = self.ring.pop_partial_slice(free);
        let taken = popped.len();
        self.filled += taken;
        let mut at = 0;
        while let Some((entry, len)) = entry_at(&self.scratch[at..self.filled]) {
            sink(entry);
            at += len;
        }
        self.scratch.copy_within(at..self.filled, 0);
        self.filled -= at;
        taken
    }

    /// True when nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty() && self.filled == 0
    }
}

/// The entry at the front and its length; `None` when it is not all there.
fn entry_at(bytes: &[u8]) -> Option<(Entry<'_>, usize)> {
    match *bytes {
        [MARK, MARK_FRAME, ..] => Some((Entry::FrameStart, FRAME_LEN)),
        [MARK, _, a, b, c, d, ..] => {
            Some((Entry::Settings { version: u32::from_le_bytes([a, b, c, d]) }, SETTINGS_LEN))
        }
        [MARK, ..] | [] => None,
        [len, ref rest @ ..] => {
            let len = usize::from(len);
            rest.get(..len).map(|bytes| (Entry::Input(bytes), len + 1))
        }
    }
}
