//! An HTTP/1.1 connection that stays open: one request at a time, never a second before the answer.
//!
//! A request whose answer does not come whole may have been carried out: that is for the caller to find out,
//! nothing is sent twice here.

mod head;

use std::sync::Arc;

use pinion_core::units::Nanos;

use self::head::{Head, Length, parse_head, unchunk};
use super::conn::{Conn, Pulled, Traffic, Tuning};
use super::fault::{NetFault, Step};
use super::peer::Peer;

/// Most bytes of an answer's head.
pub const HEAD_MAX: usize = 64 * 1024;
/// Most bytes of an answer's body.
pub const BODY_MAX: usize = 4 * 1024 * 1024;
/// Bytes of an answer that may wait: chunk sizes come on top of the body, and an answer of one-byte chunks
/// may not grow without end.
const INBOX_MAX: usize = HEAD_MAX + 2 * BODY_MAX;
/// Connecting and encrypting may take so long.
const OPEN_NS: i64 = 5 * Nanos::SECOND;
/// After a failure the next attempt waits this long.
const RETRY_NS: i64 = Nanos::SECOND / 2;
/// An idle connection is looked at this often: the peer may have closed it.
const LOOK_NS: i64 = Nanos::SECOND / 10;

/// What is sent. The path and the query are as they stand on the wire.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Method, upper case.
    pub method: &'a str,
    /// Path.
    pub path: &'a str,
    /// Query, without its question mark; empty for none.
    pub query: &'a str,
    /// A header and its value; never printed.
    pub header: Option<(&'a str, &'a str)>,
}

/// An answer. The body is lent until the link's next request.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Status.
    pub status: u16,
    /// Calls that remain in the venue's window, where it says so.
    pub remain: Option<u32>,
    /// When that window ends, in ms since 1970, where it says so.
    pub expires_ms: Option<u64>,
    /// Body.
    pub body: &'a [u8],
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpEvent {
    /// It was answered: see [`HttpLink::answer`].
    Answered,
    /// Its answer did not come whole: nobody knows whether it was carried out.
    Lost(NetFault),
}

enum State {
    Closed,
    Connecting {
        conn: Box<Conn>,
        since: Nanos,
    },
    Encrypting {
        conn: Box<Conn>,
        since: Nanos,
    },
    Idle {
        conn: Box<Conn>,
        looked: Nanos,
    },
    Waiting {
        conn: Box<Conn>,
        until: Nanos,
    },
    /// A request could not be written whole.
    Broken(NetFault),
}

/// One connection. Owner: the stage that polls it. Buffers grow to the longest answer and stay.
pub struct HttpLink {
    peer: Arc<Peer>,
    host: String,
    tuning: Tuning,
    timeout_ns: i64,
    state: State,
    attempts: usize,
    not_before: Nanos,
    out: Vec<u8>,
    head: Option<Head>,
    body: Vec<u8>,
    fault: Option<NetFault>,
}

impl std::fmt::Debug for HttpLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpLink").field("host", &self.host).finish_non_exhaustive()
    }
}

impl HttpLink {
    /// A closed one, which opens with its first poll. A request without an answer is given up after
    /// `timeout_ns`.
    #[must_use]
    pub fn new(peer: Arc<Peer>, timeout_ns: i64, tuning: Tuning) -> Self {
        Self {
            host: peer.host_header(),
            peer,
            tuning,
            timeout_ns,
            state: State::Closed,
            attempts: 0,
            not_before: Nanos::ZERO,
            out: Vec::with_capacity(4096),
            head: None,
            body: Vec::new(),
            fault: None,
        }
    }

    /// True when a request can be sent now.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        matches!(self.state, State::Idle { .. })
    }

    /// True while a request waits for its answer.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting { .. } | State::Broken(_))
    }

    /// System calls of the connection; zeros while there is none.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        match &self.state {
            State::Idle { conn, .. } | State::Waiting { conn, .. } => conn.traffic(),
            State::Closed
            | State::Connecting { .. }
            | State::Encrypting { .. }
            | State::Broken(_) => Traffic::default(),
        }
    }

    /// Why the connection was lost last, told once.
    pub const fn take_fault(&mut self) -> Option<NetFault> {
        self.fault.take()
    }

    /// Sends a request at once, by one write; false when the connection is not ready, and nothing was sent.
    /// A failure to write is told by the next poll: some of it may have left.
    pub fn send(&mut self, now: Nanos, request: &Outgoing<'_>) -> bool {
        let mut conn = match std::mem::replace(&mut self.state, State::Closed) {
            State::Idle { conn, .. } => conn,
            other => {
                self.state = other;
                return false;
            }
        };
        let Outgoing { method, path, query, header } = *request;
        let mark = if query.is_empty() { "" } else { "?" };
        self.out.clear();
        for part in [method, " ", path, mark, query, " HTTP/1.1\r\nHost: ", &self.host] {
            self.out.extend_from_slice(part.as_bytes());
        }
        self.out
            .extend_from_slice(b"\r\nAccept: application/json\r\nAccept-Encoding: identity\r\n");
        if let Some((name, value)) = header {
            for part in [name, ": ", value, "\r\n"] {
                self.out.extend_from_slice(part.as_bytes());
            }
        }
        if method != "GET" {
            self.out.extend_from_slice(b"Content-Length: 0\r\n");
        }
        self.out.extend_from_slice(b"\r\n");
        self.head = None;
        self.state = match conn.send(&self.out) {
            Ok(()) => State::Waiting { conn, until: now.plus(self.timeout_ns) },
            Err(error) => {
                conn.close();
                State::Broken(NetFault::io(Step::Write, &error))
            }
        };
        true
    }

    /// Goes on: connects, keeps warm, writes, reads. At most one event a poll.
    pub fn poll(&mut self, now: Nanos) -> Option<HttpEvent> {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Closed => {
                if now >= self.not_before {
                    let attempt = self.attempts;
                    self.attempts = attempt.wrapping_add(1);
                    match Conn::open(&self.peer, attempt, self.tuning, INBOX_MAX) {
                        Ok(conn) => self.state = State::Connecting { conn, since: now },
                        Err(fault) => self.lost(now, fault),
                    }
                }
            }
            State::Connecting { mut conn, since } => {
                let connected = conn.is_connected().and_then(|yes| {
                    if yes { conn.encrypt(&self.peer).map(|()| true) } else { Ok(false) }
                });
                match connected {
                    Ok(true) => self.state = State::Encrypting { conn, since },
                    Ok(false) if now.since(since) < OPEN_NS => {
                        self.state = State::Connecting { conn, since };
                    }
                    Ok(false) => self.lost(now, NetFault::new(Step::Connect, "no answer")),
                    Err(fault) => self.lost(now, fault),
                }
            }
            State::Encrypting { mut conn, since } => match conn.is_encrypted() {
                Ok(true) => self.state = State::Idle { conn, looked: now },
                Ok(false) if now.since(since) < OPEN_NS => {
                    self.state = State::Encrypting { conn, since };
                }
                Ok(false) => self.lost(now, NetFault::new(Step::Encrypt, "no answer")),
                Err(fault) => self.lost(now, fault),
            },
            State::Idle { mut conn, looked } => {
                if now.since(looked) < LOOK_NS {
                    self.state = State::Idle { conn, looked };
                } else {
                    match conn.pull(&mut true) {
                        Ok(Pulled::Nothing) => self.state = State::Idle { conn, looked: now },
                        // Closed as idle ones are, or bytes that nobody asked for: a new one at once.
                        Ok(Pulled::Bytes | Pulled::End) | Err(_) => conn.close(),
                    }
                }
            }
            State::Waiting { conn, until } => return self.exchange(now, conn, until),
            State::Broken(fault) => return Some(HttpEvent::Lost(fault)),
        }
        None
    }

    /// The last answer; `None` before the first, and after one that was lost.
    #[must_use]
    pub fn answer(&self) -> Option<Answer<'_>> {
        let Head { status, remain, expires_ms, .. } = self.head?;
        Some(Answer { status, remain, expires_ms, body: &self.body })
    }

    fn lost(&mut self, now: Nanos, fault: NetFault) {
        self.not_before = now.plus(RETRY_NS);
        self.fault = Some(fault);
    }

    /// Writes what is left of the request, reads what there is of the answer.
    fn exchange(&mut self, now: Nanos, mut conn: Box<Conn>, until: Nanos) -> Option<HttpEvent> {
        let written = conn.flush().map_err(|error| NetFault::io(Step::Write, &error));
        let fault = match written.and_then(|_| self.read(&mut conn)) {
            Ok(true) => {
                match self.head {
                    Some(head) if !head.closes => self.state = State::Idle { conn, looked: now },
                    Some(_) | None => conn.close(),
                }
                return Some(HttpEvent::Answered);
            }
            Ok(false) if now < until => {
                self.state = State::Waiting { conn, until };
                return None;
            }
            Ok(false) => NetFault::new(Step::Wait, "no answer in time"),
            Err(fault) => fault,
        };
        conn.close();
        self.head = None;
        Some(HttpEvent::Lost(fault))
    }

    /// Reads once; true when the answer is whole.
    fn read(&mut self, conn: &mut Conn) -> Result<bool, NetFault> {
        let mut may_read = true;
        loop {
            // Without a farewell, where the length does not tell, the answer may have been cut: an error.
            match conn.pull(&mut may_read).map_err(|error| NetFault::io(Step::Read, &error))? {
                Pulled::Nothing => return Ok(false),
                Pulled::End => return self.closed(conn),
                Pulled::Bytes => {
                    if self.is_whole(conn)? {
                        return Ok(true);
                    }
                }
            }
        }
    }

    fn closed(&mut self, conn: &mut Conn) -> Result<bool, NetFault> {
        match self.head {
            Some(Head { len, length: Length::UntilClosed, .. }) => {
                self.body.clear();
                self.body.extend_from_slice(conn.bytes().get(len..).unwrap_or_default());
                Ok(true)
            }
            Some(_) | None => {
                Err(NetFault::new(Step::Read, "the peer closed the connection before the answer"))
            }
        }
    }

    fn is_whole(&mut self, conn: &mut Conn) -> Result<bool, NetFault> {
        let head = loop {
            match self.head {
                Some(head) => break head,
                None => match parse_head(conn.bytes())? {
                    // What comes before the answer itself is not it.
                    Some(head) if (100..200).contains(&head.status) => conn.consume(head.len),
                    Some(head) => break *self.head.insert(head),
                    None => return Ok(false),
                },
            }
        };
        let rest = conn.bytes().get(head.len..).unwrap_or_default();
        let too_large = || NetFault::new(Step::Read, "an answer of more than 4 MiB");
        let used = match head.length {
            Length::None => {
                self.body.clear();
                Some(0)
            }
            Length::Exactly(length) if length > BODY_MAX => return Err(too_large()),
            Length::Exactly(length) => rest.get(..length).map(|body| {
                self.body.clear();
                self.body.extend_from_slice(body);
                length
            }),
            Length::Chunked => unchunk(rest, &mut self.body)?,
            Length::UntilClosed if rest.len() > BODY_MAX => return Err(too_large()),
            Length::UntilClosed => None,
        };
        let Some(used) = used else { return Ok(false) };
        if rest.len() > used {
            return Err(NetFault::new(Step::Read, "more bytes than one answer"));
        }
        conn.consume(head.len + used);
        Ok(true)
    }
}
