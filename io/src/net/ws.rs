//! A WebSocket client, one step at a time: the steps are those of
//! [`Session`](crate::bingx::Session), which decides when each is taken.

use std::io::ErrorKind;
use std::sync::Arc;

use tungstenite::handshake::MidHandshake;
use tungstenite::handshake::client::ClientHandshake;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{ClientRequestBuilder, Error, HandshakeError, Message, WebSocket};

use super::conn::{Conn, Tuning};
use super::fault::{NetFault, Step};
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
    Connecting(Conn),
    Connected(Conn),
    Encrypting(Conn),
    Encrypted(Conn),
    Upgrading(Box<MidHandshake<ClientHandshake<Conn>>>),
    Open(Box<WebSocket<Conn>>),
}

/// One WebSocket. Owner: the stage that polls it.
pub struct WsLink {
    peer: Arc<Peer>,
    limits: WsLimits,
    tuning: Tuning,
    state: State,
    attempts: usize,
    /// Something we sent has not left the machine yet.
    has_unsent: bool,
}

impl std::fmt::Debug for WsLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WsLink").field("host", &self.peer.target().host).finish_non_exhaustive()
    }
}

impl WsLink {
    /// A closed one.
    #[must_use]
    pub const fn new(peer: Arc<Peer>, limits: WsLimits, tuning: Tuning) -> Self {
        Self { peer, limits, tuning, state: State::Closed, attempts: 0, has_unsent: false }
    }

    /// True when messages can come and go.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Begins to connect, to the next of the peer's addresses.
    ///
    /// # Errors
    /// [`NetFault`]; the link is closed.
    pub fn connect(&mut self) -> Result<(), NetFault> {
        self.close();
        self.has_unsent = false;
        let attempt = self.attempts;
        self.attempts = attempt.wrapping_add(1);
        self.state = State::Connecting(Conn::open(&self.peer, attempt, self.tuning)?);
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
        let conn = match std::mem::replace(&mut self.state, State::Closed) {
            State::Encrypted(conn) => conn,
            other => {
                self.state = other;
                return Ok(None);
            }
        };
        let target = self.peer.target();
        let scheme = if target.tls { "wss" } else { "ws" };
        let mark = if query.is_empty() { "" } else { "?" };
        let uri = format!("{scheme}://{}{}{mark}{query}", self.peer.host_header(), target.path);
        // The text is not told on: its query may hold a key.
        let uri = uri.parse().map_err(|_| NetFault::new(Step::Upgrade, "no valid address"))?;
        let WsLimits { message_max, frame_max, write_max } = self.limits;
        let config = WebSocketConfig::default()
            .max_message_size(Some(message_max))
            .max_frame_size(Some(frame_max))
            .write_buffer_size(0)
            .max_write_buffer_size(write_max);
        let request = ClientRequestBuilder::new(uri);
        let started = tungstenite::client::client_with_config(request, conn, Some(config));
        self.shaken(started)
    }

    fn shaken(
        &mut self,
        shaken: Result<
            (WebSocket<Conn>, tungstenite::handshake::client::Response),
            HandshakeError<ClientHandshake<Conn>>,
        >,
    ) -> Result<Option<WsStep>, NetFault> {
        match shaken {
            Ok((socket, _)) => {
                self.state = State::Open(Box::new(socket));
                Ok(Some(WsStep::Upgraded))
            }
            Err(HandshakeError::Interrupted(mid)) => {
                self.state = State::Upgrading(Box::new(mid));
                Ok(None)
            }
            Err(HandshakeError::Failure(error)) => Err(fault(Step::Upgrade, &error)),
        }
    }

    /// Looks whether the step that was begun is done.
    ///
    /// # Errors
    /// [`NetFault`]; the link is closed.
    pub fn poll(&mut self) -> Result<Option<WsStep>, NetFault> {
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
            State::Upgrading(mid) => return self.shaken(mid.handshake()),
            same @ (State::Closed | State::Connected(_) | State::Encrypted(_) | State::Open(_)) => {
                self.state = same
            }
        }
        Ok(None)
    }

    /// Hands out messages until the socket has none, or `budget` of them; answers pings meanwhile. The one
    /// place that reads.
    ///
    /// # Errors
    /// [`NetFault`]: closed by the peer, cut, too large, not the protocol. The link is closed; messages
    /// before it were handed out.
    pub fn drain(&mut self, budget: u32, take: &mut dyn FnMut(&[u8])) -> Result<Drained, NetFault> {
        let mut drained = Drained::default();
        let State::Open(socket) = &mut self.state else { return Ok(drained) };
        if self.has_unsent {
            match socket.flush() {
                Ok(()) => self.has_unsent = false,
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => {
                    self.state = State::Closed;
                    return Err(fault(Step::Write, &error));
                }
            }
        }
        while drained.messages < budget {
            match socket.read() {
                Ok(Message::Binary(bytes)) => {
                    take(&bytes);
                    drained.messages += 1;
                }
                Ok(Message::Text(text)) => {
                    take(text.as_bytes());
                    drained.messages += 1;
                }
                // Answered by the library; they count against the budget, so that a flood of them ends.
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {
                    drained.messages += 1;
                }
                Ok(Message::Close(_)) => {
                    self.state = State::Closed;
                    return Err(NetFault::new(Step::Read, "the peer closed the socket"));
                }
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(drained);
                }
                Err(Error::Io(error)) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.state = State::Closed;
                    return Err(fault(Step::Read, &error));
                }
            }
        }
        drained.is_more = true;
        Ok(drained)
    }

    /// Sends a text; what the socket does not take at once leaves with later calls.
    ///
    /// # Errors
    /// [`NetFault`]: not open, too much waits, cut. The link is closed.
    pub fn send(&mut self, text: &str) -> Result<(), NetFault> {
        let State::Open(socket) = &mut self.state else {
            return Err(NetFault::new(Step::Write, "the socket is not open"));
        };
        match socket.send(Message::text(text)) {
            Ok(()) => Ok(()),
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                self.has_unsent = true;
                Ok(())
            }
            Err(error) => {
                self.state = State::Closed;
                Err(fault(Step::Write, &error))
            }
        }
    }

    /// Closes it at once, whatever it is doing.
    pub fn close(&mut self) {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Closed => {}
            State::Connecting(conn)
            | State::Connected(conn)
            | State::Encrypting(conn)
            | State::Encrypted(conn) => conn.close(),
            State::Upgrading(mid) => drop(mid),
            State::Open(mut socket) => {
                // A farewell that cannot leave now is not waited for.
                let _told = socket.close(None);
            }
        }
    }
}

/// Says what went wrong without what was received: a handshake's answer is not quoted.
fn fault(step: Step, error: &Error) -> NetFault {
    match error {
        Error::Http(answer) => {
            NetFault::new(step, format!("HTTP status {} instead of an upgrade", answer.status()))
        }
        other => NetFault::new(step, other.to_string()),
    }
}
