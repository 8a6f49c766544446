//! The opening handshake of a WebSocket (RFC 6455, section 4): the request, and whether its answer will do.

use tungstenite::handshake::client::generate_key;
use tungstenite::handshake::derive_accept_key;

use super::super::fault::{NetFault, Step};
use super::super::http::HEAD_MAX;

/// Most lines of an answer's head.
const HEADERS_MAX: usize = 64;

/// A handshake under way. Owner: the link.
pub(super) struct Shake {
    /// What proves that the peer read our request.
    accept: String,
}

impl Shake {
    /// The request for a path with its query, and what its answer must say.
    pub(super) fn new(host: &str, path_and_query: &str) -> (Self, String) {
        let key = generate_key();
        let request = format!(
            "GET {path_and_query} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        );
        (Self { accept: derive_accept_key(key.as_bytes()) }, request)
    }

    /// Bytes of the answer's head; `None` while it is not whole. What stands behind it are frames.
    ///
    /// # Errors
    /// [`NetFault`] of step upgrade: no HTTP, another status, another protocol, an extension or a key that is
    /// not ours. The answer is not quoted.
    pub(super) fn answered(&self, bytes: &[u8]) -> Result<Option<usize>, NetFault> {
        let failed = |found: String| Err(NetFault::new(Step::Upgrade, found));
        let mut rows = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut parsed = httparse::Response::new(&mut rows);
        let len = match parsed.parse(bytes) {
            Ok(httparse::Status::Complete(len)) => len,
            Ok(httparse::Status::Partial) if bytes.len() > HEAD_MAX => {
                return failed("a head of more than 64 KiB".to_owned());
            }
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(error) => return failed(format!("no HTTP answer: {error}")),
        };
        let status = parsed.code.unwrap_or_default();
        if status != 101 {
            return failed(format!("HTTP status {status} instead of an upgrade"));
        }
        let (mut upgrades, mut is_websocket, mut is_accepted) = (false, false, false);
        for row in parsed.headers.iter() {
            let is = |name: &str| row.name.eq_ignore_ascii_case(name);
            let value = row.value.trim_ascii();
            if is("connection") {
                upgrades |= value
                    .split(|byte| *byte == b',')
                    .any(|word| word.trim_ascii().eq_ignore_ascii_case(b"upgrade"));
            } else if is("upgrade") {
                is_websocket |= value.eq_ignore_ascii_case(b"websocket");
            } else if is("sec-websocket-accept") {
                is_accepted |= value == self.accept.as_bytes();
            } else if is("sec-websocket-extensions") || is("sec-websocket-protocol") {
                return failed("an extension or protocol that was not asked for".to_owned());
            }
        }
        if !(upgrades && is_websocket) {
            return failed("status 101 without an upgrade to websocket".to_owned());
        }
        if !is_accepted {
            return failed("an answer to another request: its accept key is wrong".to_owned());
        }
        Ok(Some(len))
    }
}
