//! WebSocket frames (RFC 6455, section 5): a client's reading and writing of them. No socket, no clock.

use super::WsLimits;

/// Most bytes of a ping, pong or close.
pub(super) const CONTROL_MAX: usize = 125;
const CONTINUATION: u8 = 0;
pub(super) const TEXT: u8 = 1;
const BINARY: u8 = 2;
pub(super) const CLOSE: u8 = 8;
const PING: u8 = 9;
pub(super) const PONG: u8 = 10;
/// Close codes: what is said to a peer that does not keep to the protocol.
pub(super) const PROTOCOL: u16 = 1002;
const NOT_UTF8: u16 = 1007;
const TOO_LARGE: u16 = 1009;

/// A frame, or a message that has come whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// A message: text, which is UTF-8 then, or bytes.
    Message {
        bytes: &'a [u8],
        is_text: bool,
    },
    /// A piece of a message whose end has not come.
    Piece,
    /// Wants its payload back.
    Ping(&'a [u8]),
    Pong,
    /// The end, with its code where it has one.
    Close(Option<u16>),
}

/// Why frames cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WsFault {
    /// The close code that says so.
    pub(super) code: u16,
    pub(super) found: &'static str,
}

const fn broken(found: &'static str) -> WsFault {
    WsFault { code: PROTOCOL, found }
}

/// A header that was read.
struct Header {
    opcode: u8,
    is_final: bool,
    /// Bytes of the header.
    len: usize,
    /// Bytes of the payload.
    payload: usize,
}

/// Takes frames from bytes that have come. A message of one frame is lent from there; one of several is put
/// together here. Owner: the link.
pub(super) struct Deframer {
    limits: WsLimits,
    /// Pieces of a message.
    message: Vec<u8>,
    /// What the message is that has begun.
    begun: Option<u8>,
}

impl Deframer {
    pub(super) const fn new(limits: WsLimits) -> Self {
        Self { limits, message: Vec::new(), begun: None }
    }

    /// The first frame and the bytes that it takes; `None` while it is not whole. What is wrong with a header
    /// is told before its payload comes.
    pub(super) fn next<'a>(
        &'a mut self,
        bytes: &'a [u8],
    ) -> Result<Option<(Frame<'a>, usize)>, WsFault> {
        let Some(header) = self.header(bytes)? else { return Ok(None) };
        let Header { opcode, is_final, len, payload } = header;
        let used = len + payload;
        let Some(payload) = bytes.get(len..used) else { return Ok(None) };
        let frame = match opcode {
            PING => Frame::Ping(payload),
            PONG => Frame::Pong,
            CLOSE => Frame::Close(close_code(payload)?),
            TEXT | BINARY if is_final => message(payload, opcode == TEXT)?,
            TEXT | BINARY => {
                self.begun = Some(opcode);
                self.message.clear();
                self.message.extend_from_slice(payload);
                Frame::Piece
            }
            _ => {
                self.message.extend_from_slice(payload);
                match self.begun.take_if(|_| is_final) {
                    Some(begun) => message(&self.message, begun == TEXT)?,
                    None => Frame::Piece,
                }
            }
        };
        Ok(Some((frame, used)))
    }

    /// Reads a header and checks all of it; `None` while it is not whole.
    fn header(&self, bytes: &[u8]) -> Result<Option<Header>, WsFault> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        let (opcode, is_final) = (first & 0x0f, first & 0x80 != 0);
        if first & 0x70 != 0 {
            return Err(broken("a reserved bit of a frame is set"));
        }
        if second & 0x80 != 0 {
            return Err(broken("a frame of a server that is masked"));
        }
        let (len, payload) = match (second & 0x7f, rest) {
            (126, [a, b, ..]) => (4, u64::from(u16::from_be_bytes([*a, *b]))),
            (127, [a, b, c, d, e, f, g, h, ..]) => {
                (10, u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]))
            }
            (126 | 127, _) if opcode >= CLOSE => (2, u64::MAX),
            (126 | 127, _) => return Ok(None),
            (short, _) => (2, u64::from(short)),
        };
        let is_minimal = match len {
            2 => true,
            4 => payload > 125,
            _ => payload > 0xffff && payload >> 63 == 0,
        };
        match (opcode, self.begun) {
            (CLOSE | PING | PONG, _) => {
                if !is_final {
                    return Err(broken("a control frame in pieces"));
                }
                if payload > CONTROL_MAX as u64 {
                    return Err(broken("a control frame of more than 125 bytes"));
                }
            }
            (TEXT | BINARY, None) | (CONTINUATION, Some(_)) => {}
            (TEXT | BINARY, Some(_)) => return Err(broken("a message inside a message")),
            (CONTINUATION, None) => return Err(broken("the rest of no message")),
            (_, _) => return Err(broken("a frame of an unknown kind")),
        }
        if !is_minimal {
            return Err(broken("a frame's length written too long"));
        }
        let waiting = if opcode == CONTINUATION { self.message.len() } else { 0 };
        let WsLimits { message_max, frame_max, .. } = self.limits;
        match usize::try_from(payload) {
            Ok(payload)
                if payload <= frame_max && payload.saturating_add(waiting) <= message_max =>
            {
                Ok(Some(Header { opcode, is_final, len, payload }))
            }
            Ok(_) | Err(_) => {
                Err(WsFault { code: TOO_LARGE, found: "a message that is longer than may come" })
            }
        }
    }
}

fn message(bytes: &[u8], is_text: bool) -> Result<Frame<'_>, WsFault> {
    if is_text && str::from_utf8(bytes).is_err() {
        return Err(WsFault { code: NOT_UTF8, found: "a text that is not UTF-8" });
    }
    Ok(Frame::Message { bytes, is_text })
}

/// The code of a close frame, checked with its reason.
fn close_code(payload: &[u8]) -> Result<Option<u16>, WsFault> {
    let [high, low, reason @ ..] = payload else {
        return if payload.is_empty() {
            Ok(None)
        } else {
            Err(broken("a close frame of one byte"))
        };
    };
    let code = u16::from_be_bytes([*high, *low]);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(broken("a close code that may not be sent"));
    }
    message(reason, true).map(|_| Some(code))
}

/// Puts a whole frame of a client behind what `out` holds, masked.
pub(super) fn put(opcode: u8, payload: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
    out.push(0x80 | opcode);
    match (payload.len(), u16::try_from(payload.len())) {
        #[expect(clippy::cast_possible_truncation, reason = "at most 125")]
        (length @ 0..=125, _) => out.push(0x80 | length as u8),
        (_, Ok(length)) => {
            out.push(0x80 | 126);
            out.extend_from_slice(&length.to_be_bytes());
        }
        (length, Err(_)) => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    apply(mask, out.get_mut(start..).unwrap_or_default());
}

/// Masks in place, eight bytes at a time.
fn apply(mask: [u8; 4], bytes: &mut [u8]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}
