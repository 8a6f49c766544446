//! Servers that break the rules of WebSocket, HTTP and TLS. A link may end, and must not hand out what is no
//! message, grow without bound, panic, or send anything before the server is known.

use std::io::{Read as _, Write as _};

use rcgen::CertificateParams;

use super::*;

/// A frame of the server: the first byte, then the length in its shortest form, then the payload.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..126 => bytes.push(u8::try_from(len).expect("small")),
        len => {
            bytes.push(126);
            bytes.extend_from_slice(&u16::try_from(len).expect("middling").to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}

/// A head that promises so many bytes.
fn promise(first: u8, len: u64) -> Vec<u8> {
    let mut bytes = vec![first, 127];
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(&[0; 64]);
    bytes
}

/// Opens the socket by the rules, then writes these bytes, then waits for the client to go.
fn then_writes(bytes: Vec<u8>) -> Script {
    Box::new(move |tls| {
        let mut socket = tungstenite::accept(tls).expect("upgraded");
        let tls = socket.get_mut();
        let written = tls.write_all(&bytes).and_then(|()| tls.flush());
        if written.is_ok() {
            let _gone = std::io::copy(tls, &mut std::io::sink());
        }
    })
}

fn local() -> CertificateParams {
    CertificateParams::new(vec!["localhost".to_owned()]).expect("a name")
}

#[test]
fn frames_that_break_the_protocol_end_the_socket_and_tell_nothing() {
    let mut cases: Vec<(String, Vec<u8>)> = Vec::new();
    let mut case = |name: String, bytes: Vec<u8>| cases.push((name, bytes));
    for reserved in [0x10, 0x20, 0x40, 0x30, 0x50, 0x60, 0x70] {
        for opcode in [0x81, 0x82, 0x89] {
            case(format!("reserved {:02x}", opcode | reserved), frame(opcode | reserved, b"x"));
        }
    }
    for opcode in (0x83..=0x87).chain(0x8b..=0x8f) {
        case(format!("opcode {opcode:02x}"), frame(opcode, b"x"));
    }
    for opcode in [0x81, 0x82, 0x88, 0x89, 0x8a] {
        let mut masked = vec![opcode, 0x81, 1, 2, 3, 4];
        masked.push(b'x' ^ 1);
        case(format!("masked {opcode:02x}"), masked);
    }
    for opcode in [0x88, 0x89, 0x8a] {
        case(format!("control of 126 {opcode:02x}"), frame(opcode, &[b'x'; 126]));
        case(format!("control of 300 {opcode:02x}"), frame(opcode, &[b'x'; 300]));
        case(format!("control in parts {opcode:02x}"), frame(opcode & 0x0f, b"x"));
    }
    case("a continuation of nothing".into(), frame(0x80, b"x"));
    case("a message within a message".into(), [frame(0x01, b"a"), frame(0x81, b"b")].concat());
    for text in [&b"\xff"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"ok\xe2\x82"] {
        case(format!("text {text:02x?}"), frame(0x81, text));
    }
    let parts = [frame(0x01, b"\xe2"), frame(0x80, b"\x28\xa1")].concat();
    case("text broken across parts".into(), parts);
    for len in [1 << 63, u64::MAX, u64::from(u32::MAX), 300 * 1024] {
        case(format!("a promise of {len}"), promise(0x82, len));
    }
    let many: Vec<u8> = std::iter::once(frame(0x02, &[0; 60_000]))
        .chain((0..5).map(|_| frame(0x00, &[0; 60_000])))
        .flatten()
        .collect();
    case("parts that add up to too much".into(), many);
    for code in [0u16, 999, 1004, 1005, 1006, 1015, 2_999, 5_000, 65_535] {
        case(format!("closed as {code}"), frame(0x88, &code.to_be_bytes()));
    }
    case("closed with half a code".into(), frame(0x88, &[3]));
    case("closed with a broken reason".into(), frame(0x88, &[3, 232, 0xff]));
    assert!(cases.len() >= 60, "{}", cases.len());

    let scripts = cases.iter().map(|(_, bytes)| then_writes(bytes.clone())).collect();
    let server = serve_as(local(), scripts);
    let peer = peer(&server, "wss");
    for (name, _) in &cases {
        let mut link = WsLink::new(Arc::clone(&peer), WsLimits::ACCOUNT, Tuning::default());
        open(&mut link).expect("opens");
        let mut got = Vec::new();
        let fault = until(|| drain(&mut link, 7, &mut got).err());
        assert!(!link.is_open(), "{name}: {fault}");
        assert!(got.is_empty(), "{name} was handed out: {got:?}");
    }
    server.thread.join().expect("no panic");
}

#[test]
fn what_is_odd_but_allowed_is_understood() {
    let interleaved = [
        frame(0x02, b"one "),
        frame(0x89, b"ping"),
        frame(0x00, b"message "),
        frame(0x8a, b"an answer to nothing"),
        frame(0x80, b"in parts"),
        frame(0x82, b""),
        frame(0x81, "schön".as_bytes()),
    ]
    .concat();
    let byte_by_byte: Script = {
        let bytes = interleaved.clone();
        Box::new(move |tls| {
            let mut socket = tungstenite::accept(tls).expect("upgraded");
            let tls = socket.get_mut();
            for byte in bytes {
                // A record of its own each.
                tls.write_all(&[byte]).and_then(|()| tls.flush()).expect("written");
            }
            let _gone = std::io::copy(tls, &mut std::io::sink());
        })
    };
    let server = serve_as(local(), vec![then_writes(interleaved), byte_by_byte]);
    let peer = peer(&server, "wss");
    for _ in 0..2 {
        let mut link = WsLink::new(Arc::clone(&peer), WsLimits::ACCOUNT, Tuning::default());
        open(&mut link).expect("opens");
        let mut got = Vec::new();
        until(|| {
            drain(&mut link, 7, &mut got).expect("open");
            (got.len() >= 3).then_some(())
        });
        assert_eq!(got, [&b"one message in parts"[..], b"", "schön".as_bytes()]);
    }
    server.thread.join().expect("no panic");
}

#[test]
fn a_flood_of_pings_is_answered_within_bounds() {
    const PINGS: usize = 10_000;
    let flood: Script = Box::new(|tls| {
        let mut socket = tungstenite::accept(tls).expect("upgraded");
        let tls = socket.get_mut();
        let ping = frame(0x89, &[7; 125]);
        for _ in 0..PINGS {
            tls.write_all(&ping).expect("taken: the client reads on");
        }
        tls.write_all(&frame(0x82, b"data")).and_then(|()| tls.flush()).expect("written");
        let _gone = std::io::copy(tls, &mut std::io::sink());
    });
    let server = serve_as(local(), vec![flood]);
    let mut link = WsLink::new(peer(&server, "wss"), WsLimits::ACCOUNT, Tuning::default());
    open(&mut link).expect("opens");
    let mut got = Vec::new();
    until(|| {
        let drained = drain(&mut link, 64, &mut got).expect("open");
        assert!(drained.messages <= 64, "within its budget");
        (!got.is_empty()).then_some(())
    });
    assert_eq!(got, [b"data"]);
    drop(link);
    server.thread.join().expect("no panic");
}

/// Answers one request with these bytes and closes.
fn then_answers(answer: Vec<u8>) -> Script {
    Box::new(move |mut tls| {
        if request(&mut tls).is_some() {
            let _cut = tls.write_all(&answer).and_then(|()| tls.flush());
            tls.conn.send_close_notify();
            let _cut = tls.flush();
        }
    })
}

#[test]
fn answers_that_break_the_protocol_are_lost_and_never_half_an_answer() {
    let ok = "HTTP/1.1 200 OK\r\n";
    let header = |row: &str, body: &str| format!("{ok}{row}\r\n\r\n{body}").into_bytes();
    let lengths = ["-1", "+2", "0x2", "2 2", "2,2", "two", "99999999999999999999", "5242880", ""];
    let mut cases: Vec<Vec<u8>> =
        lengths.iter().map(|length| header(&format!("Content-Length: {length}"), "ok")).collect();
    for row in [
        "Content-Length: 2\r\nContent-Length: 3",
        "Content-Length: 2\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 2",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked, gzip",
        "Content-Length: 9",
        "Content-Length: 1",
        "Content Length: 2",
        "Content-Length : 2",
        "Con\0tent: 2",
    ] {
        cases.push(header(row, "ok"));
    }
    let chunked = "Transfer-Encoding: chunked";
    for body in [
        "g\r\nx\r\n0\r\n\r\n",
        "-1\r\nx\r\n0\r\n\r\n",
        "2\r\nokX0\r\n\r\n",
        "2\r\nok\r\n",
        "2\r\nok\r\n0\r\n",
        "ffffffffffffffff\r\nx",
        "fffffffffffffffff\r\nx",
        "500000\r\nx",
        "2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        cases.push(header(chunked, body));
    }
    cases.push(format!("{ok}X: {}\r\n\r\n", "x".repeat(10 << 20)).into_bytes());
    cases.push(header(&vec!["X: y"; 100].join("\r\n"), ""));
    cases.push(header("Content-Length: 2", &format!("ok{ok}Content-Length: 2\r\n\r\nno")));
    for bytes in [
        "",
        "H",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "<html>",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\u{0}\u{1}\u{2}\u{3}",
    ] {
        cases.push(bytes.as_bytes().to_vec());
    }
    assert!(cases.len() >= 30, "{}", cases.len());
    let scripts = cases.iter().map(|answer| then_answers(answer.clone())).collect();
    let server = serve_as(local(), scripts);
    let peer = peer(&server, "https");
    for answer in &cases {
        let mut pool = HttpPool::new(&peer, 1, 5_000_000_000, Tuning::default());
        let (event, status, body) = exchange(&mut pool, "/order", "");
        let start = String::from_utf8_lossy(&answer[..answer.len().min(90)]);
        assert!(matches!(event, HttpEvent::Lost(_)), "{start:?}: {event:?}");
        assert_eq!((status, body.len()), (0, 0), "{start:?}");
    }
    server.thread.join().expect("no panic");
}

#[test]
fn a_redirect_is_an_answer_and_a_packed_body_is_not_unpacked() {
    let moved =
        b"HTTP/1.1 302 Found\r\nLocation: https://example.com/\r\nContent-Length: 0\r\n\r\n";
    let packed =
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08";
    let scripts = vec![then_answers(moved.to_vec()), then_answers(packed.to_vec())];
    let server = serve_as(local(), scripts);
    let peer = peer(&server, "https");
    let mut pool = HttpPool::new(&peer, 1, 5_000_000_000, Tuning::default());
    assert_eq!(exchange(&mut pool, "/a", "").1, 302, "for the caller to judge; nobody follows it");
    let mut pool = HttpPool::new(&peer, 1, 5_000_000_000, Tuning::default());
    assert_eq!(exchange(&mut pool, "/b", "").2, b"\x1f\x8b\x08");
    server.thread.join().expect("no panic");
}

#[test]
fn certificates_that_are_not_valid_now_are_refused_before_anything_is_said() {
    let mut cases = Vec::new();
    for (from, to) in [(2_000, 2_001), (2_090, 2_091)] {
        let mut params = local();
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(to, 1, 1);
        cases.push(params);
    }
    for params in cases {
        let heard: Script = Box::new(|mut tls| {
            let mut byte = [0];
            assert!(!tls.read(&mut byte).is_ok_and(|count| count > 0), "it said something");
        });
        let server = serve_as(params, vec![heard]);
        let mut pool: HttpPool<u32> =
            HttpPool::new(&peer(&server, "https"), 1, 5_000_000_000, Tuning::default());
        let fault = until(|| {
            let _none = pool.poll(now());
            pool.take_fault()
        });
        assert_eq!((fault.step, pool.ready()), (Step::Encrypt, 0), "{fault}");
        drop(pool);
        server.thread.join().expect("no panic");
    }
}

/// What a server that speaks no TLS, or breaks it, says first, and what the client said after its greeting.
#[test]
fn servers_that_break_tls_hear_nothing_but_the_greeting() {
    let record = |kind: u8, version: [u8; 2], payload: &[u8]| {
        let len = u16::try_from(payload.len()).expect("small").to_be_bytes();
        [&[kind, version[0], version[1], len[0], len[1]][..], payload].concat()
    };
    const TLS12: [u8; 2] = [3, 3];
    // A ServerHello of an old version, without extensions.
    let hello = |version: [u8; 2]| {
        let mut body = vec![2, 0, 0, 38];
        body.extend_from_slice(&version);
        body.extend_from_slice(&[7; 32]);
        body.extend_from_slice(&[0, 0xc0, 0x2f, 0]);
        record(22, version, &body)
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("plain HTTP", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ("nothing", Vec::new()),
        ("half a record", vec![22, 3, 3, 0]),
        ("a record cut short", vec![22, 3, 3, 0, 50, 2, 0, 0]),
        ("TLS 1.0", hello([3, 1])),
        ("TLS 1.1", hello([3, 2])),
        ("SSL 3", hello([3, 0])),
        ("an empty record", record(22, TLS12, b"")),
        ("a record of no kind", record(99, TLS12, b"x")),
        ("data before the handshake", record(23, TLS12, b"secret?")),
        ("close_notify", record(21, TLS12, &[1, 0])),
        ("a fatal alert", record(21, TLS12, &[2, 40])),
        ("half an alert", record(21, TLS12, &[2])),
        ("hello request", record(22, TLS12, &[0, 0, 0, 0])),
        ("change of cipher alone", record(20, TLS12, &[1])),
        ("a record of 20 kB", [&[22, 3, 3, 0x50, 0][..], &[0; 0x5000]].concat()),
        ("a handshake of 16 MB", record(22, TLS12, &[2, 0xff, 0xff, 0xff, 0])),
    ];
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://127.0.0.1:{}/", listener.local_addr().expect("bound").port());
    let answers: Vec<Vec<u8>> = cases.iter().map(|(_, bytes)| bytes.clone()).collect();
    let server = thread::spawn(move || {
        for answer in answers {
            let (mut tcp, _) = listener.accept().expect("a client");
            tcp.set_read_timeout(Some(PATIENCE)).expect("set");
            let mut head = [0; 5];
            tcp.read_exact(&mut head).expect("a record");
            let mut greeting = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
            tcp.read_exact(&mut greeting).expect("a greeting");
            assert_eq!((head[0], greeting[0]), (22, 1), "a ClientHello");
            let _cut = tcp.write_all(&answer);
            let _cut = tcp.shutdown(std::net::Shutdown::Write);
            let mut rest = Vec::new();
            let _cut = tcp.read_to_end(&mut rest);
            // An alert at most.
            assert!(rest.is_empty() || rest[0] == 21, "{rest:?} after {answer:?}");
        }
    });
    let target = Target::parse(&url).expect("whole");
    let peer = Arc::new(Peer::new(target, Trust::new(None).expect("roots")).expect("an address"));
    for (name, _) in &cases {
        let mut link = WsLink::new(Arc::clone(&peer), WsLimits::ACCOUNT, Tuning::default());
        let fault = open(&mut link).expect_err("no TLS");
        assert!(!link.is_open() && fault.step == Step::Encrypt, "{name}: {fault}");
    }
    server.join().expect("no panic");
}
