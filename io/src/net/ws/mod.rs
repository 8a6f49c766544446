//! A WebSocket client, one step at a time: the steps are those of
//! [`Session`](crate::bingx::Session), which decides when each is taken.
//!
//! | file | holds |
//! |---|---|
//! | `shake` | the opening handshake |
//! | `frame` | frames, read and written |

mod frame;
mod shake;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use ring::rand::{SecureRandom as _, SystemRandom};

use self::frame::{CLOSE, CONTROL_MAX, Deframer, Frame, PONG, TEXT, WsFault};
use self::shake::Shake;
use super::conn::{Conn, Pulled, Traffic, Tuning};
use super::fault::{NetFault, Step};
use super::http::HEAD_MAX;
use super::peer::Peer;

/// What a socket may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WsLimits {
    /// Bytes of a message.
    pub message_max: usize,
    /// Bytes of a frame.
    pub frame_max: usize,
    /// Bytes that wait to be written.
    pub write_max: usize,
}

impl WsLimits {
    /// For market data: a whole book fits.
    pub const MARKET: Self =
        Self { message_max: 1 << 20, frame_max: 1 << 20, write_max: 256 * 1024 };
    /// For account events.
    pub const ACCOUNT: Self =
        Self { message_max: 256 * 1024, frame_max: 256 * 1024, write_max: 256 * 1024 };
}

/// A step that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WsStep {
    /// The TCP connection stands.
    Connected,
    /// TLS stands, and the name was checked.
    Encrypted,
    /// The WebSocket is open.
    Upgraded,
}

/// What a read brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Messages handed out.
    pub messages: u32,
    /// The budget ended it: there may be more.
    pub is_more: bool,
}

enum State {
    Closed,
    Connecting(Box<Conn>),
    Connected(Box<Conn>),
    Encrypting(Box<Conn>),
    Encrypted(Box<Conn>),
    Upgrading(Box<Conn>, Shake),
    Open(Box<Conn>),
}

/// Random masks, drawn many at once: one system call for 64 frames.
struct Masks {
    random: SystemRandom,
    drawn: [u8; 256],
    used: usize,
}

impl Masks {
    fn new() -> Self {
        Self { random: SystemRandom::new(), drawn: [0; 256], used: 256 }
    }

    /// The next one; `None` where the system has no random numbers.
    fn next(&mut self) -> Option<[u8; 4]> {
        if self.used >= self.drawn.len() {
            self.random.fill(&mut self.drawn).ok()?;
            self.used = 0;
        }
        let mask = self.drawn.get(self.used..)?.first_chunk::<4>().copied();
        self.used += 4;
        mask
    }
}

/// The ping that waits for its answer: of several the last, as the protocol allows.
struct Pong {
    payload: [u8; CONTROL_MAX],
    len: Option<usize>,
}

/// One WebSocket. Owner: the stage that polls it. Nothing is allocated while messages come and go, once the
/// longest has come.
pub struct WsLink {
    peer: Arc<Peer>,
    limits: WsLimits,
    tuning: Tuning,
    state: State,
    attempts: usize,
    deframer: Deframer,
    masks: Masks,
    pong: Pong,
    /// A frame on its way out, masked.
    out: Vec<u8>,
}

impl std::fmt::Debug for WsLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WsLink").field("host", &self.peer.target().host).finish_non_exhaustive()
    }
}

impl WsLink {
    /// A closed one.
    #[must_use]
    pub fn new(peer: Arc<Peer>, limits: WsLimits, tuning: Tuning) -> Self {
        Self {
            peer,
            limits,
            tuning,
            state: State::Closed,
            attempts: 0,
            deframer: Deframer::new(limits),
            masks: Masks::new(),
            pong: Pong { payload: [0; CONTROL_MAX], len: None },
            out: Vec::with_capacity(1024),
        }
    }

    /// True when messages can come and go.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// System calls of the open socket; zeros for one that is not open.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        match &self.state {
            State::Open(conn) => conn.traffic(),
            State::Closed
            | State::Connecting(_)
            | State::Connected(_)
            | State::Encrypting(_)
            | State::Encrypted(_)
            | State::Upgrading(..) => Traffic::default(),
        }
    }

    /// Begins to connect, to the next of the peer's addresses.
    ///
    /// # Errors
    /// [`NetFault`]; the link is closed.
    pub fn connect(&mut self) -> Result<(), NetFault> {
        self.close();
        self.deframer = Deframer::new(self.limits);
        self.pong.len = None;
        let attempt = self.attempts;
        self.attempts = attempt.wrapping_add(1);
        // A message that is not whole, the head of the next frame, and a record or two behind it.
        let inbox_max = self.limits.frame_max.max(HEAD_MAX) + 64 * 1024;
        let conn = Conn::open(&self.peer, attempt, self.tuning, inbox_max)?;
        self.state = State::Connecting(conn);
        Ok(())
    }

    /// Begins the TLS handshake.
    ///
    /// # Errors
    /// [`NetFault`]; the link is closed.
    pub fn encrypt(&mut self) -> Result<(), NetFault> {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Connected(mut conn) => {
                conn.encrypt(&self.peer)?;
                self.state = State::Encrypting(conn);
                Ok(())
            }
            other => {
                self.state = other;
                Ok(())
            }
        }
    }

    /// Begins the WebSocket handshake; `query` stands behind the peer's path, without its question mark.
    ///
    /// # Errors
    /// [`NetFault`]; the link is closed.
    pub fn upgrade(&mut self, query: &str) -> Result<Option<WsStep>, NetFault> {
        let mut conn = match std::mem::replace(&mut self.state, State::Closed) {
            State::Encrypted(conn) => conn,
            other => {
                self.state = other;
                return Ok(None);
            }
        };
        // The text is not told on: a query may hold a key.
        if !query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(NetFault::new(Step::Upgrade, "no valid address"));
        }
        let mark = if query.is_empty() { "" } else { "?" };
        let path = format!("{}{mark}{query}", self.peer.target().path);
        let (shake, request) = Shake::new(&self.peer.host_header(), &path);
        conn.send(request.as_bytes()).map_err(|error| NetFault::io(Step::Upgrade, &error))?;
        self.shake(conn, shake)
    }

    fn shake(&mut self, mut conn: Box<Conn>, shake: Shake) -> Result<Option<WsStep>, NetFault> {
        let failed = |error: io::Error| NetFault::io(Step::Upgrade, &error);
        conn.flush().map_err(failed)?;
        let mut may_read = true;
        loop {
            if let Some(len) = shake.answered(conn.bytes())? {
                conn.consume(len);
                self.state = State::Open(conn);
                return Ok(Some(WsStep::Upgraded));
            }
            match conn.pull(&mut may_read).map_err(failed)? {
                Pulled::Bytes => {}
                Pulled::Nothing => {
                    self.state = State::Upgrading(conn, shake);
                    return Ok(None);
                }
                Pulled::End => {
                    let found = "the peer closed the connection";
                    return Err(NetFault::new(Step::Upgrade, found));
                }
            }
        }
    }

    /// Looks whether the step that was begun is done.
    ///
    /// # Errors
    /// [`NetFault`]; the link is closed.
    pub fn poll(&mut self) -> Result<Option<WsStep>, NetFault> {
        if matches!(self.state, State::Open(_) | State::Closed) {
            return Ok(None);
        }
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Connecting(conn) => {
                if conn.is_connected()? {
                    self.state = State::Connected(conn);
                    return Ok(Some(WsStep::Connected));
                }
                self.state = State::Connecting(conn);
            }
            State::Encrypting(mut conn) => {
                if conn.is_encrypted()? {
                    self.state = State::Encrypted(conn);
                    return Ok(Some(WsStep::Encrypted));
                }
                self.state = State::Encrypting(conn);
            }
            State::Upgrading(conn, shake) => return self.shake(conn, shake),
            same @ (State::Closed | State::Connected(_) | State::Encrypted(_) | State::Open(_)) => {
                self.state = same;
            }
        }
        Ok(None)
    }

    /// Reads once and hands out the messages that have come, `budget` of them at most; answers pings
    /// meanwhile. The one place that reads.
    ///
    /// # Errors
    /// [`NetFault`]: closed by the peer, cut, too large, not the protocol. The link is closed; messages
    /// before it were handed out.
    pub fn drain(&mut self, budget: u32, take: &mut dyn FnMut(&[u8])) -> Result<Drained, NetFault> {
        let State::Open(conn) = &mut self.state else { return Ok(Drained::default()) };
        let Self { deframer, pong, .. } = self;
        let mut drained = Drained::default();
        let outcome = frames(conn, deframer, pong, budget, &mut drained, take);
        let outcome = outcome.and_then(|()| self.answer());
        outcome.map(|()| drained).map_err(|end| self.ended(end))
    }

    /// Sends what waits, the answer to a ping among it.
    fn answer(&mut self) -> Result<(), End> {
        if let Some(len) = self.pong.len.take() {
            let payload = self.pong.payload;
            self.put(PONG, payload.get(..len).unwrap_or_default())?;
        }
        if let State::Open(conn) = &mut self.state {
            conn.flush().map_err(|error| End::Io(Step::Write, error))?;
        }
        Ok(())
    }

    fn put(&mut self, opcode: u8, payload: &[u8]) -> Result<(), End> {
        let failed = |error| End::Io(Step::Write, error);
        let State::Open(conn) = &mut self.state else {
            return Err(failed(io::Error::other("the socket is not open")));
        };
        if payload.len() > self.limits.write_max {
            return Err(failed(io::Error::other("a message that is longer than may be sent")));
        }
        let mask =
            self.masks.next().ok_or_else(|| failed(io::Error::other("no random numbers")))?;
        self.out.clear();
        frame::put(opcode, payload, mask, &mut self.out);
        conn.send(&self.out).map_err(failed)
    }

    /// Sends a text at once; what the socket does not take leaves with later calls.
    ///
    /// # Errors
    /// [`NetFault`]: not open, too much waits, cut. The link is closed.
    pub fn send(&mut self, text: &str) -> Result<(), NetFault> {
        self.put(TEXT, text.as_bytes()).map_err(|end| self.ended(end))
    }

    /// Ends what cannot go on, and tells the peer why where there is a way to.
    fn ended(&mut self, end: End) -> NetFault {
        let fault = match end {
            End::Closed(code) => {
                let code = code.map(u16::to_be_bytes);
                let _told = self.put(CLOSE, code.as_ref().map_or(&[][..], |code| code));
                let found = match code.map(u16::from_be_bytes) {
                    Some(code) => format!("the peer closed the socket with code {code}"),
                    None => "the peer closed the socket".to_owned(),
                };
                NetFault::new(Step::Read, found)
            }
            End::Broken(WsFault { code, found }) => {
                let _told = self.put(CLOSE, &code.to_be_bytes());
                NetFault::new(Step::Read, found)
            }
            End::Cut => NetFault::new(Step::Read, "the connection ended without a close frame"),
            End::Io(step, error) => NetFault::io(step, &error),
        };
        self.hang_up();
        fault
    }

    /// Closes it at once, whatever it is doing.
    pub fn close(&mut self) {
        if self.is_open() {
            // A farewell that cannot leave now is not waited for.
            let _told = self.put(CLOSE, &1000u16.to_be_bytes());
        }
        self.hang_up();
    }

    fn hang_up(&mut self) {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Closed => {}
            State::Connecting(conn)
            | State::Connected(conn)
            | State::Encrypting(conn)
            | State::Encrypted(conn)
            | State::Upgrading(conn, _)
            | State::Open(conn) => conn.close(),
        }
    }
}

/// Why an open socket ends.
enum End {
    /// The peer's close frame.
    Closed(Option<u16>),
    Broken(WsFault),
    /// The stream ended without one.
    Cut,
    Io(Step, io::Error),
}

/// Hands out messages. Control frames and pieces count against the budget, so that a flood of them ends.
fn frames(
    conn: &mut Conn,
    deframer: &mut Deframer,
    pong: &mut Pong,
    budget: u32,
    drained: &mut Drained,
    take: &mut dyn FnMut(&[u8]),
) -> Result<(), End> {
    let mut may_read = true;
    while drained.messages < budget {
        let Some((frame, used)) = deframer.next(conn.bytes()).map_err(End::Broken)? else {
            match conn.pull(&mut may_read).map_err(|error| End::Io(Step::Read, error))? {
                Pulled::Bytes => continue,
                Pulled::Nothing => {
                    drained.is_more = conn.is_more() && !may_read;
                    return Ok(());
                }
                Pulled::End => return Err(End::Cut),
            }
        };
        match frame {
            Frame::Message { bytes, .. } => take(bytes),
            Frame::Piece | Frame::Pong => {}
            Frame::Ping(payload) => {
                if let Some(room) = pong.payload.get_mut(..payload.len()) {
                    room.copy_from_slice(payload);
                    pong.len = Some(payload.len());
                }
            }
            Frame::Close(code) => return Err(End::Closed(code)),
        }
        conn.consume(used);
        drained.messages += 1;
    }
    drained.is_more = true;
    Ok(())
}
