//! HTTP/1.1 as far as the simulator needs it: requests in, answers out, the upgrade to WebSocket.

use tungstenite::handshake::derive_accept_key;

use super::rest::{Delivery, Reply};

/// Head and body of a request may be this long.
const HEAD_MAX: usize = 32 * 1_024;
const BODY_MAX: usize = 256 * 1_024;
const HEADERS_MAX: usize = 64;

/// A whole request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) body: String,
    /// Of the header `X-BX-APIKEY`.
    pub(super) key: Option<String>,
    /// Of the header `Sec-WebSocket-Key`, when an upgrade is asked for.
    pub(super) upgrade: Option<String>,
    /// The client does not want another answer on this connection.
    pub(super) closes: bool,
}

/// What the first bytes of a connection hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A request, and how many bytes it took.
    Whole(Box<Request>, usize),
    /// Not all of one yet.
    Part,
    /// No HTTP, or more of it than is taken.
    Nonsense,
}

/// Reads the first request of `bytes`.
pub(super) fn read(bytes: &[u8]) -> Found {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut headers);
    let head = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => {
            return if bytes.len() > HEAD_MAX { Found::Nonsense } else { Found::Part };
        }
        Err(_) => return Found::Nonsense,
    };
    let header = |name: &str| {
        let found = parsed.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let length = match header("content-length").map(|text| text.trim().parse::<usize>()) {
        None => 0,
        Some(Ok(length)) if length <= BODY_MAX => length,
        Some(_) => return Found::Nonsense,
    };
    if header("transfer-encoding").is_some() {
        return Found::Nonsense;
    }
    let Some(body) = bytes.get(head..head + length) else { return Found::Part };
    let target = parsed.path.unwrap_or("/");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let is_upgrade = header("upgrade").is_some_and(|to| to.eq_ignore_ascii_case("websocket"));
    let request = Request {
        method: parsed.method.unwrap_or("").to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        body: String::from_utf8_lossy(body).into_owned(),
        key: header("x-bx-apikey").map(str::to_owned),
        upgrade: header("sec-websocket-key").filter(|_| is_upgrade).map(str::to_owned),
        closes: header("connection").is_some_and(|how| how.eq_ignore_ascii_case("close")),
    };
    Found::Whole(Box::new(request), head + length)
}

/// The bytes of an answer, as many of them as are delivered.
pub(super) fn write(reply: &Reply, out: &mut Vec<u8>) {
    if reply.delivery == Delivery::Never {
        return;
    }
    let mut head = format!("HTTP/1.1 {} {}\r\n", reply.status, reason(reply.status));
    head.push_str(&format!("Content-Type: {}\r\n", reply.content_type));
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", reply.body.len()));
    let body = reply.body.as_bytes();
    let told = match reply.delivery {
        Delivery::Whole => body,
        Delivery::Half | Delivery::Never => &body[..body.len() / 2],
    };
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(told);
}

/// The answer that turns a connection into a WebSocket.
pub(super) fn upgraded(key: &str) -> Vec<u8> {
    let accept = derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    .into_bytes()
}

const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        418 => "I'm a teapot",
        429 => "Too Many Requests",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_whole_when_its_body_is() {
        let text = b"POST /a/b?c=1 HTTP/1.1\r\nHost: x\r\nX-BX-APIKEY: k\r\ncontent-length: 3\r\n\r\nd=2GET";
        for cut in 0..text.len() - 3 {
            assert_eq!(read(&text[..cut]), Found::Part, "{cut} bytes");
        }
        let Found::Whole(request, taken) = read(text) else { panic!("a request") };
        assert_eq!(taken, text.len() - 3);
        assert_eq!((&*request.path, &*request.query, &*request.body), ("/a/b", "c=1", "d=2"));
        assert_eq!(
            (request.key.as_deref(), request.upgrade, request.closes),
            (Some("k"), None, false)
        );
    }

    #[test]
    fn nonsense_and_too_much_are_told_from_too_little() {
        assert_eq!(read(b"\x16\x03\x01hello"), Found::Nonsense);
        let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(HEAD_MAX));
        assert_eq!(read(long.as_bytes()), Found::Nonsense);
        let body = b"POST / HTTP/1.1\r\ncontent-length: 999999999\r\n\r\n";
        assert_eq!(read(body), Found::Nonsense);
    }

    #[test]
    fn half_an_answer_promises_the_whole() {
        let reply = Reply {
            status: 200,
            headers: vec![("X-A", "1".to_owned())],
            content_type: "text/plain",
            body: "abcd".to_owned(),
            due: pinion_core::units::Nanos::ZERO,
            delivery: Delivery::Half,
        };
        let mut out = Vec::new();
        write(&reply, &mut out);
        let text = String::from_utf8(out).expect("text");
        assert!(text.ends_with("X-A: 1\r\nContent-Length: 4\r\n\r\nab"), "{text}");
    }
}
