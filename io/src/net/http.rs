//! An HTTP/1.1 connection that stays open: one request at a time, never a second before the answer.
//!
//! A request whose answer does not come whole may have been carried out: that is for the caller to find out,
//! nothing is sent twice here.

use std::io::{ErrorKind, Read as _, Write as _};
use std::sync::Arc;

use pinion_core::units::Nanos;

use super::conn::{Conn, Tuning};
use super::fault::{NetFault, Step};
use super::peer::Peer;

/// Most bytes of an answer's head.
pub const HEAD_MAX: usize = 64 * 1024;
/// Most bytes of an answer's body.
pub const BODY_MAX: usize = 4 * 1024 * 1024;
/// Most lines of a head, and of the trailer behind a chunked body.
const HEADERS_MAX: usize = 64;
/// Bytes of one read.
const CHUNK: usize = 16 * 1024;
/// Reads of one poll at most.
const READS_MAX: u32 = 64;
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
    Connecting { conn: Conn, since: Nanos },
    Encrypting { conn: Conn, since: Nanos },
    Idle { conn: Conn, looked: Nanos },
    Waiting { conn: Conn, until: Nanos },
}

/// What a head says of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    None,
    Exactly(usize),
    Chunked,
    UntilClosed,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    status: u16,
    len: usize,
    length: Length,
    closes: bool,
    remain: Option<u32>,
    expires_ms: Option<u64>,
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
    written: usize,
    received: Vec<u8>,
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
            written: 0,
            received: Vec::with_capacity(CHUNK),
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
        matches!(self.state, State::Waiting { .. })
    }

    /// Why the connection was lost last, told once.
    pub const fn take_fault(&mut self) -> Option<NetFault> {
        self.fault.take()
    }

    /// Sends a request; false when the connection is not ready, and nothing was sent.
    pub fn send(&mut self, now: Nanos, request: &Outgoing<'_>) -> bool {
        let conn = match std::mem::replace(&mut self.state, State::Closed) {
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
        self.written = 0;
        self.received.clear();
        self.head = None;
        self.state = State::Waiting { conn, until: now.plus(self.timeout_ns) };
        true
    }

    /// Goes on: connects, keeps warm, writes, reads. At most one event a poll.
    pub fn poll(&mut self, now: Nanos) -> Option<HttpEvent> {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Closed => {
                if now >= self.not_before {
                    let attempt = self.attempts;
                    self.attempts = attempt.wrapping_add(1);
                    match Conn::open(&self.peer, attempt, self.tuning) {
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
                    match conn.read(&mut [0; 64]) {
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {
                            self.state = State::Idle { conn, looked: now };
                        }
                        // Closed as idle ones are, or bytes that nobody asked for: a new one at once.
                        Ok(_) | Err(_) => conn.close(),
                    }
                }
            }
            State::Waiting { conn, until } => return self.exchange(now, conn, until),
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
    fn exchange(&mut self, now: Nanos, mut conn: Conn, until: Nanos) -> Option<HttpEvent> {
        let lost = |step, error: std::io::Error| NetFault::io(step, &error);
        let mut outcome = self.write(&mut conn).map_err(|error| lost(Step::Write, error));
        let mut is_over = false;
        if outcome.is_ok() {
            outcome = self.read(&mut conn).map(|over| is_over = over);
        }
        match outcome {
            Ok(()) if is_over => {
                let head = self.head?;
                if head.closes {
                    conn.close();
                } else {
                    self.state = State::Idle { conn, looked: now };
                }
                Some(HttpEvent::Answered)
            }
            Ok(()) if now < until => {
                self.state = State::Waiting { conn, until };
                None
            }
            Ok(()) => {
                conn.close();
                self.head = None;
                Some(HttpEvent::Lost(NetFault::new(Step::Wait, "no answer in time")))
            }
            Err(fault) => {
                conn.close();
                self.head = None;
                Some(HttpEvent::Lost(fault))
            }
        }
    }

    fn write(&mut self, conn: &mut Conn) -> std::io::Result<()> {
        while let Some(rest) = self.out.get(self.written..).filter(|rest| !rest.is_empty()) {
            match conn.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(taken) => self.written += taken,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        match conn.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Reads; true when the answer is whole.
    fn read(&mut self, conn: &mut Conn) -> Result<bool, NetFault> {
        for _ in 0..READS_MAX {
            let start = self.received.len();
            self.received.resize(start + CHUNK, 0);
            let room = self.received.get_mut(start..).unwrap_or_default();
            let read = conn.read(room);
            let count = *read.as_ref().unwrap_or(&0);
            self.received.truncate(start + count);
            match read {
                Ok(0) => return self.closed(),
                Ok(_) => {
                    if self.is_whole()? {
                        return Ok(true);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Without a farewell, where the length does not tell, the answer may have been cut.
                Err(error) => return Err(NetFault::io(Step::Read, &error)),
            }
        }
        Ok(false)
    }

    fn closed(&mut self) -> Result<bool, NetFault> {
        match self.head {
            Some(Head { len, length: Length::UntilClosed, .. }) => {
                self.body.clear();
                self.body.extend_from_slice(self.received.get(len..).unwrap_or_default());
                Ok(true)
            }
            Some(_) | None => {
                Err(NetFault::new(Step::Read, "the peer closed the connection before the answer"))
            }
        }
    }

    fn is_whole(&mut self) -> Result<bool, NetFault> {
        let head = match self.head {
            Some(head) => head,
            None => match parse_head(&self.received)? {
                // What comes before the answer itself is not it.
                Some(head) if (100..200).contains(&head.status) => {
                    self.received.drain(..head.len);
                    return if self.received.is_empty() { Ok(false) } else { self.is_whole() };
                }
                Some(head) => *self.head.insert(head),
                None => return Ok(false),
            },
        };
        let rest = self.received.get(head.len..).unwrap_or_default();
        let too_large = || NetFault::new(Step::Read, "an answer of more than 4 MiB");
        let (is_whole, used) = match head.length {
            Length::None => {
                self.body.clear();
                (true, 0)
            }
            Length::Exactly(length) if length > BODY_MAX => return Err(too_large()),
            Length::Exactly(length) => match rest.get(..length) {
                Some(body) => {
                    self.body.clear();
                    self.body.extend_from_slice(body);
                    (true, length)
                }
                None => (false, 0),
            },
            Length::Chunked => match unchunk(rest, &mut self.body)? {
                Some(used) => (true, used),
                None => (false, 0),
            },
            Length::UntilClosed => (false, 0),
        };
        // Chunk sizes come on top of the body; an answer of one-byte chunks may not grow without end.
        if rest.len() > 2 * BODY_MAX {
            return Err(too_large());
        }
        if is_whole && rest.len() > used {
            return Err(NetFault::new(Step::Read, "more bytes than one answer"));
        }
        Ok(is_whole)
    }
}

fn not_http(error: httparse::Error) -> NetFault {
    NetFault::new(Step::Read, format!("no HTTP answer: {error}"))
}

fn parse_head(bytes: &[u8]) -> Result<Option<Head>, NetFault> {
    let mut rows = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Response::new(&mut rows);
    let len = match parsed.parse(bytes).map_err(not_http)? {
        httparse::Status::Complete(len) => len,
        httparse::Status::Partial if bytes.len() > HEAD_MAX => {
            return Err(NetFault::new(Step::Read, "a head of more than 64 KiB"));
        }
        httparse::Status::Partial => return Ok(None),
    };
    let status = parsed.code.unwrap_or_default();
    let mut head = Head {
        status,
        len,
        length: Length::UntilClosed,
        closes: parsed.version == Some(0),
        remain: None,
        expires_ms: None,
    };
    let (mut chunked, mut exactly) = (false, None);
    for row in parsed.headers.iter() {
        // A value that is no text is none of those that are looked at.
        let value = str::from_utf8(row.value).unwrap_or("?").trim();
        let is = |name: &str| row.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            let is_plain = value.bytes().all(|byte| byte.is_ascii_digit());
            let length: Option<usize> = value.parse().ok().filter(|_| is_plain);
            // Two lengths, or one that is none: where the answer ends is anybody's guess.
            if length.is_none() || exactly.is_some_and(|first| Some(first) != length) {
                return Err(NetFault::new(
                    Step::Read,
                    "a length that is no number, or two of them",
                ));
            }
            exactly = length;
        } else if is("transfer-encoding") {
            chunked = value.eq_ignore_ascii_case("chunked");
            if !chunked {
                return Err(NetFault::new(Step::Read, "a transfer coding that was not asked for"));
            }
        } else if is("connection") {
            head.closes |= value.split(',').any(|word| word.trim().eq_ignore_ascii_case("close"));
        } else if is("x-ratelimit-requests-remain") {
            head.remain = value.parse().ok();
        } else if is("x-ratelimit-requests-expire") {
            head.expires_ms = value.parse().ok();
        }
    }
    if chunked && exactly.is_some() {
        return Err(NetFault::new(
            Step::Read,
            "a length and chunks: which of them ends the answer?",
        ));
    }
    head.length = match (status, chunked, exactly) {
        (204 | 304 | 100..=199, _, _) => Length::None,
        (_, true, _) => Length::Chunked,
        (_, false, Some(length)) => Length::Exactly(length),
        (_, false, None) => {
            head.closes = true;
            Length::UntilClosed
        }
    };
    Ok(Some(head))
}

/// Puts the pieces of a chunked body together; the bytes it took, `None` while it is not whole.
fn unchunk(bytes: &[u8], body: &mut Vec<u8>) -> Result<Option<usize>, NetFault> {
    let wrong = || NetFault::new(Step::Read, "a broken chunk");
    body.clear();
    let mut at = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let (line, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(wrong()),
        };
        let size = usize::try_from(size).map_err(|_| wrong())?;
        if body.len().saturating_add(size) > BODY_MAX {
            return Err(NetFault::new(Step::Read, "an answer of more than 4 MiB"));
        }
        at += line;
        if size == 0 {
            // Trailers, then an empty line.
            let mut rows = [httparse::EMPTY_HEADER; HEADERS_MAX];
            let rest = bytes.get(at..).unwrap_or_default();
            return match httparse::parse_headers(rest, &mut rows).map_err(not_http)? {
                httparse::Status::Complete((len, _)) => Ok(Some(at + len)),
                httparse::Status::Partial => Ok(None),
            };
        }
        let Some(piece) = bytes.get(at..at + size) else { return Ok(None) };
        match bytes.get(at + size..at + size + 2) {
            Some(b"\r\n") => {}
            Some(_) => return Err(wrong()),
            None => return Ok(None),
        }
        body.extend_from_slice(piece);
        at += size + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Result<Option<Head>, NetFault> {
        parse_head(text.as_bytes())
    }

    #[test]
    fn a_head_says_where_the_answer_ends() {
        let length = |rows: &str| {
            let found = head(&format!("HTTP/1.1 200 OK\r\n{rows}\r\n"))
                .map(|head| head.map(|head| head.length));
            found.unwrap_or(None)
        };
        assert_eq!(length("Content-Length: 7\r\n"), Some(Length::Exactly(7)));
        assert_eq!(length("transfer-encoding: Chunked\r\n"), Some(Length::Chunked));
        assert_eq!(length("X: y\r\n"), Some(Length::UntilClosed));
        assert_eq!(length("Content-Length: 7\r\nContent-Length: 8\r\n"), None, "a smuggled second");
        assert_eq!(length("Content-Length: -1\r\n"), None);
        assert_eq!(length("Transfer-Encoding: gzip\r\n"), None);
        assert!(head("HTTP/1.1 200").expect("so far").is_none());
        assert!(head("<html>").is_err());
        let long = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(HEAD_MAX));
        assert!(head(&long).is_err(), "a head without end");
    }

    #[test]
    fn limits_of_the_venue_are_read() {
        let rows =
            "X-RateLimit-Requests-Remain: 3\r\nX-RateLimit-Requests-Expire: 1727193814249\r\n";
        let head = head(&format!("HTTP/1.1 429 Too\r\n{rows}Connection: close\r\n\r\n"))
            .expect("a head")
            .expect("whole");
        assert_eq!((head.status, head.closes), (429, true));
        assert_eq!((head.remain, head.expires_ms), (Some(3), Some(1_727_193_814_249)));
    }

    #[test]
    fn chunks_are_put_together_wherever_they_are_cut() {
        let whole = b"4\r\nPini\r\n2;x=y\r\non\r\n0\r\nTrailer: 1\r\n\r\n";
        let mut body = Vec::new();
        for cut in 0..whole.len() {
            let found = unchunk(&whole[..cut], &mut body).expect("so far");
            assert_eq!(found, None, "{cut}");
        }
        assert_eq!(unchunk(whole, &mut body).expect("whole"), Some(whole.len()));
        assert_eq!(body, b"Pinion");
        for bad in [&b"zz\r\n"[..], b"2\r\nabX\n", b"ffffffffffffffffff\r\n", b"7fffffff\r\n"] {
            assert!(unchunk(bad, &mut body).is_err(), "{bad:?}");
        }
    }
}
