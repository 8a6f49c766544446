//! One client's connection: bytes to requests and messages, answers and frames to bytes.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown};

use mio::net::TcpStream;
use pinion_core::units::Nanos;
use rustls::{ServerConnection, StreamOwned};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Bytes, Message, WebSocket};

use super::exchange::Exchange;
use super::http::{self, Found, Request};
use super::params::Params;
use super::rest::{Call, Delivery, Reply};
use super::streams::{Push, StreamId};

/// Where streams are opened, the market's and the accounts'.
const STREAM_PATH: &str = "/swap-market";
/// Bytes of one read.
const CHUNK: usize = 16 * 1_024;
/// Longest message of a client.
const MESSAGE_MAX: usize = 64 * 1_024;
/// A client that leaves so much unread is cut off.
const BACKLOG_MAX: usize = 32 * 1_024 * 1_024;

/// A socket, with or without TLS.
pub(super) enum Socket {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Socket {
    const fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => &tls.sock,
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(buffer),
            Self::Tls(tls) => match tls.write(buffer)? {
                // The TLS buffer is full: the client does not read.
                0 if !buffer.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
                written => Ok(written),
            },
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}

/// A request on its way in, or its answer on its way out.
enum Pending {
    Nothing,
    Arrives(Nanos, Box<Request>),
    Answered(Reply, bool),
}

enum Mode {
    Http { socket: Socket, input: Vec<u8>, output: Vec<u8>, pending: Pending },
    Stream { socket: Box<WebSocket<Socket>>, id: StreamId },
    Gone,
}

/// A connection. Owner: the server.
pub(super) struct Connection {
    peer: IpAddr,
    mode: Mode,
    /// Once everything is written it ends.
    ends: bool,
}

fn would_block(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

impl Connection {
    pub(super) const fn new(peer: IpAddr, socket: Socket) -> Self {
        let mode =
            Mode::Http { socket, input: Vec::new(), output: Vec::new(), pending: Pending::Nothing };
        Self { peer, mode, ends: false }
    }

    /// True when it can be forgotten.
    pub(super) const fn is_gone(&self) -> bool {
        matches!(self.mode, Mode::Gone)
    }

    /// The stream that it carries.
    pub(super) const fn stream(&self) -> Option<StreamId> {
        match &self.mode {
            Mode::Stream { id, .. } => Some(*id),
            Mode::Http { .. } | Mode::Gone => None,
        }
    }

    /// Reads what is there and does what it asks for.
    pub(super) fn on_readable(&mut self, now: Nanos, exchange: &mut Exchange) {
        match &mut self.mode {
            Mode::Http { socket, input, .. } => {
                let open = read_all(socket, input);
                self.on_requests(now, exchange);
                // What was asked before the end is answered.
                self.ends |= !open;
            }
            Mode::Stream { socket, id } => {
                let id = *id;
                loop {
                    match socket.read() {
                        Ok(Message::Text(text)) => exchange.on_text(now, id, text.as_str()),
                        // Pings are answered by the library; binary messages mean nothing here.
                        Ok(
                            Message::Binary(_)
                            | Message::Ping(_)
                            | Message::Pong(_)
                            | Message::Frame(_),
                        ) => {}
                        Ok(Message::Close(_)) => {}
                        Err(tungstenite::Error::Io(error)) if would_block(&error) => return,
                        Err(_) => {
                            self.cut(exchange);
                            return;
                        }
                    }
                }
            }
            Mode::Gone => {}
        }
    }

    /// Goes through the requests that are there, one answered before the next is looked at.
    pub(super) fn on_requests(&mut self, now: Nanos, exchange: &mut Exchange) {
        loop {
            let Mode::Http { input, output, pending, .. } = &mut self.mode else { return };
            match std::mem::replace(pending, Pending::Nothing) {
                Pending::Nothing => match http::read(input) {
                    Found::Whole(request, taken) => {
                        input.drain(..taken);
                        if let Some(key) = &request.upgrade {
                            let key = key.clone();
                            self.upgrade(now, &request, &key, exchange);
                            continue;
                        }
                        let due = now.plus(exchange.request_delay_ns());
                        *pending = Pending::Arrives(due, request);
                    }
                    Found::Part => return,
                    Found::Nonsense => {
                        self.cut(exchange);
                        return;
                    }
                },
                Pending::Arrives(due, request) if due <= now => {
                    let reply = answer(now, self.peer, &request, exchange);
                    *pending = Pending::Answered(reply, request.closes);
                }
                Pending::Answered(reply, closes) if reply.due <= now => {
                    http::write(&reply, output);
                    if reply.delivery != Delivery::Whole || closes {
                        input.clear();
                        self.ends = true;
                        return;
                    }
                }
                later @ (Pending::Arrives(..) | Pending::Answered(..)) => {
                    *pending = later;
                    return;
                }
            }
        }
    }

    fn upgrade(&mut self, now: Nanos, request: &Request, key: &str, exchange: &mut Exchange) {
        let params = Params::read(&request.query, "").unwrap_or_default();
        let opened = if request.path == STREAM_PATH {
            exchange.open_stream(now, params.get("listenKey"))
        } else {
            Err((404, "expected the path /swap-market"))
        };
        let Mode::Http { socket, input, output, .. } =
            std::mem::replace(&mut self.mode, Mode::Gone)
        else {
            return;
        };
        let mut socket = socket;
        match opened {
            Ok(id) => {
                // So few bytes fit into the buffer of a socket that has carried nothing yet.
                let written = socket.write_all(&http::upgraded(key)).and_then(|()| socket.flush());
                if written.is_err_and(|error| !would_block(&error)) {
                    exchange.streams.close(id);
                    return;
                }
                let config = WebSocketConfig::default()
                    .max_message_size(Some(MESSAGE_MAX))
                    .max_frame_size(Some(MESSAGE_MAX))
                    .max_write_buffer_size(BACKLOG_MAX);
                let socket =
                    WebSocket::from_partially_read(socket, input, Role::Server, Some(config));
                self.mode = Mode::Stream { socket: Box::new(socket), id };
                self.on_readable(now, exchange);
            }
            Err((status, words)) => {
                let mut output = output;
                let body = serde_json::json!({"code": 100_400, "msg": words});
                http::write(&Reply::json(now, status, &body), &mut output);
                self.ends = true;
                self.mode = Mode::Http { socket, input, output, pending: Pending::Nothing };
            }
        }
    }

    /// Sends a frame of its stream, or cuts it.
    pub(super) fn push(&mut self, push: &Push, exchange: &mut Exchange) {
        let Mode::Stream { socket, .. } = &mut self.mode else { return };
        let sent = match push {
            Push::Frame(bytes) => socket.write(Message::Binary(Bytes::copy_from_slice(bytes))),
            Push::Cut => {
                self.cut(exchange);
                return;
            }
        };
        match sent {
            Ok(()) => {}
            Err(tungstenite::Error::Io(error)) if would_block(&error) => {}
            Err(_) => self.cut(exchange),
        }
    }

    /// Writes what waits to be written.
    pub(super) fn flush(&mut self, exchange: &mut Exchange) {
        let ended = match &mut self.mode {
            Mode::Http { socket, output, pending, .. } => {
                let done = write_some(socket, output);
                let owes = !output.is_empty() || !matches!(pending, Pending::Nothing);
                done.is_err() || (!owes && self.ends)
            }
            Mode::Stream { socket, .. } => match socket.flush() {
                Ok(()) => false,
                Err(tungstenite::Error::Io(error)) => !would_block(&error),
                Err(_) => true,
            },
            Mode::Gone => false,
        };
        if ended {
            self.cut(exchange);
        }
    }

    /// Ends it at once.
    pub(super) fn cut(&mut self, exchange: &mut Exchange) {
        if let Some(id) = self.stream() {
            exchange.streams.close(id);
        }
        let socket = match &self.mode {
            Mode::Http { socket, .. } => socket.tcp(),
            Mode::Stream { socket, .. } => socket.get_ref().tcp(),
            Mode::Gone => return,
        };
        // It may be gone already, which is what is wanted.
        drop(socket.shutdown(Shutdown::Both));
        self.mode = Mode::Gone;
    }
}

/// Answers a request: of the control endpoint, or of the venue.
fn answer(now: Nanos, peer: IpAddr, request: &Request, exchange: &mut Exchange) -> Reply {
    let call = Call {
        method: &request.method,
        path: &request.path,
        query: &request.query,
        body: &request.body,
        key: request.key.as_deref(),
        peer,
    };
    if request.path.starts_with("/sim/") {
        exchange.control(now, &call)
    } else {
        exchange.call(now, &call)
    }
}

/// Reads until nothing more is there; false once the client is gone.
fn read_all(socket: &mut Socket, input: &mut Vec<u8>) -> bool {
    let mut chunk = [0; CHUNK];
    loop {
        match socket.read(&mut chunk) {
            Ok(0) => return false,
            Ok(count) => input.extend_from_slice(&chunk[..count]),
            Err(error) if would_block(&error) => return true,
            Err(_) => return false,
        }
    }
}

fn write_some(socket: &mut Socket, output: &mut Vec<u8>) -> io::Result<()> {
    while !output.is_empty() {
        match socket.write(output) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => drop(output.drain(..count)),
            Err(error) if would_block(&error) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    match socket.flush() {
        Err(error) if !would_block(&error) => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
