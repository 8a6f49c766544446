//! The ring of inputs between the kernel thread and the journal thread.
//!
//! Policy when full: the push is refused and nothing is lost; the kernel stage waits with the input.
//!
//! The kernel thread copies, the journal thread encodes: an encoded input is a tenth of the size, but making it
//! takes longer than the rest of a turn. Market messages, which most inputs are, travel as nine words; whatever
//! else comes lies in a ring of its own, and a line of the first one says that it is next there.

use alloc::boxed::Box;

use crate::journal::FRAME_BYTES_MAX;
use crate::journal::codec::{CodecState, ENCODED_MAX, encode};
use crate::link::Full;
use crate::msg::{Input, MarketMsg};
use crate::units::Nanos;

/// Bytes of the ring that a run uses: some 116,000 inputs.
pub const RING_BYTES: usize = 8 * 1024 * 1024;

/// Bytes of the ring that one input takes.
pub const PUSH_MAX: usize = size_of::<Line>();

/// The turn's time and a market message.
type Line = [i64; 1 + MarketMsg::WORDS];

/// Last word of a line that stands for an input of the other ring; no message has it.
const ELSEWHERE: i64 = -1;
/// Inputs that are no market messages: at least so many fit, or all of a smaller ring.
const OTHERS_MIN: usize = 1_024;
/// Lines handed out by one read.
const READ_LINES: usize = 1_024;

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
    lines: rtrb::Producer<Line>,
    others: rtrb::Producer<Input>,
    /// Inputs known to fit: the consumer's positions are read only when this runs out.
    credit: usize,
    pushed: u64,
    refused: u64,
}

/// The consuming end. Owner: the journal thread.
#[derive(Debug)]
pub struct InputRx {
    lines: rtrb::Consumer<Line>,
    others: rtrb::Consumer<Input>,
    encoder: Encoder,
}

/// Makes a ring of `bytes` bytes (at least one input), and beside it room for what is no market message: an
/// eighth of its inputs. Allocates once, and writes every place once: no page of it is missing later.
#[must_use]
pub fn input_ring(bytes: usize) -> (InputTx, InputRx) {
    let (inputs, others) = shares(bytes);
    let (mut lines_tx, mut lines_rx) = rtrb::RingBuffer::new(inputs);
    let (mut others_tx, mut others_rx) = rtrb::RingBuffer::new(others);
    while lines_tx.push([0; 1 + MarketMsg::WORDS]).is_ok() {}
    while lines_rx.pop().is_ok() {}
    while others_tx.push(Input::Tick).is_ok() {}
    while others_rx.pop().is_ok() {}
    let tx = InputTx { lines: lines_tx, others: others_tx, credit: 0, pushed: 0, refused: 0 };
    (tx, InputRx { lines: lines_rx, others: others_rx, encoder: Encoder::new() })
}

/// Inputs that fit into a ring of so many bytes: of any kind, and of those that are no market messages.
pub(crate) const fn shares(bytes: usize) -> (usize, usize) {
    let inputs = if bytes < PUSH_MAX { 1 } else { bytes / PUSH_MAX };
    let eighth = inputs / 8;
    let others = if inputs < OTHERS_MIN {
        inputs
    } else if eighth < OTHERS_MIN {
        OTHERS_MIN
    } else {
        eighth
    };
    (inputs, others)
}

impl InputTx {
    /// Appends an input and the time of its turn. About 5 ns for a market message, 20 ns for any other.
    ///
    /// # Errors
    /// [`Full`] when there is no room for an input of any kind; counted, nothing changed.
    #[inline]
    pub fn push(&mut self, now_ns: Nanos, input: &Input) -> Result<(), Full<()>> {
        // Reading the consumer's position costs a cache miss: only when the known room is short.
        if self.credit == 0 && self.free() == 0 {
            self.refused += 1;
            return Err(Full(()));
        }
        let mut line = [ELSEWHERE; 1 + MarketMsg::WORDS];
        line[0] = now_ns.get();
        if let Input::Market(message) = input {
            line[1..].copy_from_slice(&message.words());
        } else if self.others.push(*input).is_err() {
            return Err(Full(())); // Cannot be: there was room.
        }
        if self.lines.push(line).is_err() {
            return Err(Full(())); // Cannot be: there was room.
        }
        self.credit -= 1;
        self.pushed += 1;
        Ok(())
    }

    /// How many inputs fit now, at least. Reads the consumer's position: ask rarely.
    pub fn free(&mut self) -> usize {
        self.credit = self.lines.slots().min(self.others.slots());
        self.credit
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
    /// Hands out what waits, about a thousand inputs at most, encoded; returns the bytes taken from the ring, 0
    /// when nothing waits.
    pub fn read(&mut self, mut sink: impl FnMut(Entry<'_>)) -> usize {
        let mut lines = 0;
        while lines < READ_LINES
            && let Ok([now_ns, words @ ..]) = self.lines.pop()
        {
            lines += 1;
            let input = match MarketMsg::from_words(words) {
                Some(message) => Input::Market(message),
                None => match self.others.pop() {
                    Ok(input) => input,
                    Err(_) => continue, // Cannot be: it was put there before the line.
                },
            };
            self.encoder.encode(Nanos::new(now_ns), &input, &mut sink);
        }
        lines * PUSH_MAX
    }

    /// True when nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

/// Makes entries of inputs: frames that each stand alone.
#[derive(Debug)]
struct Encoder {
    state: CodecState,
    buffer: Box<[u8; ENCODED_MAX]>,
    /// Encoded bytes of the running frame; above the limit the next input starts a new one.
    frame_bytes: usize,
}

impl Encoder {
    fn new() -> Self {
        Self {
            state: CodecState::default(),
            buffer: Box::new([0; ENCODED_MAX]),
            frame_bytes: FRAME_BYTES_MAX,
        }
    }

    fn encode(&mut self, now_ns: Nanos, input: &Input, sink: &mut impl FnMut(Entry<'_>)) {
        let settings = match input {
            Input::Settings { version } => Some(*version),
            Input::Market(_)
            | Input::Venue(_)
            | Input::Scan(_)
            | Input::Control(_)
            | Input::Tick => None,
        };
        if settings.is_some() || self.frame_bytes + ENCODED_MAX > FRAME_BYTES_MAX {
            sink(Entry::FrameStart);
            self.state.reset();
            self.frame_bytes = 0;
        }
        if let Some(version) = settings {
            sink(Entry::Settings { version });
        }
        let len = encode(&mut self.state, now_ns, input, &mut self.buffer);
        self.frame_bytes += len;
        sink(Entry::Input(self.buffer.get(..len).unwrap_or_default()));
    }
}
