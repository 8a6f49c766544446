//! The input journal's pure half: how one kernel input becomes bytes, and the ring that carries them.
//!
//! The kernel thread copies each input in the order in which it applies them ([`InputTx::push`]), the journal
//! thread encodes them ([`InputRx::read`]), frames the bytes and writes them. Encoding makes an input a tenth of
//! its size and costs tens of nanoseconds, more than the rest of a turn: it is the cold thread's work.
//!
//! An input travels with the time of its turn: [`crate::msg::Input::Tick`] carries none of its own, and
//! for every other input the turn may be later than the message.

mod bytes;
mod codec;
mod market;
mod ring;
mod scale;
mod venue;

pub use bytes::CodecFault;
pub use codec::{CodecState, ENCODED_MAX, decode, encode};
pub(crate) use ring::shares;
pub use ring::{Entry, InputRx, InputTx, PUSH_MAX, RING_BYTES, input_ring};

/// Most encoded bytes between two resets of the codec: what one frame of the file holds.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests;
