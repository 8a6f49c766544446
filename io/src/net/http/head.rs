//! Where an HTTP answer ends, and what its head says. Pure.

use super::super::fault::{NetFault, Step};
use super::{BODY_MAX, HEAD_MAX};

/// Most lines of a head, and of the trailer behind a chunked body.
const HEADERS_MAX: usize = 64;

/// What a head says of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    None,
    Exactly(usize),
    Chunked,
    UntilClosed,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) len: usize,
    pub(super) length: Length,
    pub(super) closes: bool,
    pub(super) remain: Option<u32>,
    pub(super) expires_ms: Option<u64>,
}

fn not_http(error: httparse::Error) -> NetFault {
    NetFault::new(Step::Read, format!("no HTTP answer: {error}"))
}

pub(super) fn parse_head(bytes: &[u8]) -> Result<Option<Head>, NetFault> {
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
pub(super) fn unchunk(bytes: &[u8], body: &mut Vec<u8>) -> Result<Option<usize>, NetFault> {
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
