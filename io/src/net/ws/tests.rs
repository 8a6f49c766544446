//! Frames: the protocol's cases one by one, every cut, and the same verdicts as another implementation.

use std::io::{Cursor, Read, Write};

use proptest::prelude::*;
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Message, WebSocket};

use super::frame::{CLOSE, Deframer, Frame, PONG, TEXT, put};
use super::shake::Shake;
use super::{Masks, WsLimits};

const LIMITS: WsLimits = WsLimits { message_max: 70_000, frame_max: 66_000, write_max: 1000 };

/// What a frame told, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
}

/// A frame of a server.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let mut out = vec![first];
    match length {
        0..=125 => out.push(length as u8),
        126..=0xffff => {
            out.push(126);
            out.extend((length as u16).to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend((length as u64).to_be_bytes());
        }
    }
    out.extend(payload);
    out
}

/// Reads a stream that comes in pieces which end at `cuts`; what was told, and whether it was refused.
fn read(stream: &[u8], cuts: &[usize]) -> (Vec<Told>, Option<u16>) {
    let mut deframer = Deframer::new(LIMITS);
    let (mut told, mut from) = (Vec::new(), 0);
    for end in cuts.iter().copied().chain([stream.len()]) {
        loop {
            match deframer.next(&stream[from..end]) {
                Ok(None) => break,
                Ok(Some((frame, used))) => {
                    match frame {
                        Frame::Message { bytes, is_text: true } => {
                            told.push(Told::Text(bytes.to_vec()));
                        }
                        Frame::Message { bytes, is_text: false } => {
                            told.push(Told::Binary(bytes.to_vec()));
                        }
                        Frame::Piece => {}
                        Frame::Ping(bytes) => told.push(Told::Ping(bytes.to_vec())),
                        Frame::Pong => told.push(Told::Pong),
                        Frame::Close(code) => {
                            told.push(Told::Close(code));
                            return (told, None);
                        }
                    }
                    from += used;
                }
                Err(fault) => return (told, Some(fault.code)),
            }
        }
    }
    (told, None)
}

fn refused(stream: &[u8]) -> Option<u16> {
    read(stream, &[]).1
}

#[test]
fn whole_messages_come_out_of_any_length_form() {
    for length in [0, 1, 7, 8, 125, 126, 127, 1000, 0xffff, 0x1_0000] {
        let payload = vec![b'x'; length];
        assert_eq!(read(&frame(0x81, &payload), &[]).0, [Told::Text(payload.clone())], "{length}");
        assert_eq!(read(&frame(0x82, &payload), &[]).0, [Told::Binary(payload)], "{length}");
    }
}

#[test]
fn pieces_are_put_together_and_control_frames_may_stand_between_them() {
    let stream = [
        frame(0x01, "Pin\u{e4}".as_bytes().split_at(4).0),
        frame(0x89, b"beat"),
        frame(0x00, &[]),
        frame(0x8a, b""),
        frame(0x80, "Pin\u{e4}".as_bytes().split_at(4).1),
        frame(0x02, b"a"),
        frame(0x80, b"b"),
        frame(0x88, &[&1000u16.to_be_bytes()[..], b"bye"].concat()),
        frame(0x81, b"nobody hears this"),
    ]
    .concat();
    let whole = vec![
        Told::Ping(b"beat".to_vec()),
        Told::Pong,
        Told::Text("Pin\u{e4}".into()),
        Told::Binary(b"ab".to_vec()),
        Told::Close(Some(1000)),
    ];
    assert_eq!(read(&stream, &[]), (whole.clone(), None));
    for cut in 0..stream.len() {
        assert_eq!(read(&stream, &[cut]), (whole.clone(), None), "cut at {cut}");
    }
    let every: Vec<usize> = (0..stream.len()).collect();
    assert_eq!(read(&stream, &every), (whole, None), "byte by byte");
}

#[test]
fn what_the_protocol_forbids_is_refused_with_its_code() {
    let close = |code: u16| frame(0x88, &code.to_be_bytes());
    let mut cases: Vec<(String, Vec<u8>, u16)> = Vec::new();
    for bit in [0x40, 0x20, 0x10] {
        cases.push((format!("reserved bit {bit:x}"), frame(0x81 | bit, b"x"), 1002));
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        cases.push((format!("opcode {opcode}"), frame(0x80 | opcode, b""), 1002));
    }
    for first in [0x81, 0x82, 0x89, 0x8a, 0x88] {
        cases.push((format!("masked {first:x}"), vec![first, 0x80, 1, 2, 3, 4], 1002));
    }
    for first in [0x88, 0x89, 0x8a] {
        cases.push((format!("long control {first:x}"), frame(first, &[0; 126]), 1002));
        cases.push((format!("control {first:x} of 64 bits"), vec![first, 127], 1002));
        cases.push((format!("control in pieces {first:x}"), frame(first & 0x0f, b""), 1002));
    }
    cases.push(("the rest of nothing".to_owned(), frame(0x80, b"x"), 1002));
    cases.push(("a piece of nothing".to_owned(), frame(0x00, b"x"), 1002));
    for first in [0x81, 0x01, 0x82, 0x02] {
        let stream = [frame(0x01, b"a"), frame(first, b"b")].concat();
        cases.push((format!("{first:x} inside a message"), stream, 1002));
    }
    cases.push(("one byte of close".to_owned(), frame(0x88, &[3]), 1002));
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        cases.push((format!("close code {code}"), close(code), 1002));
    }
    let broken =
        [&b"\xff"[..], b"\xc0\x80", b"\xe2\x82", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"a\x80"];
    for text in broken {
        cases.push((format!("text {text:?}"), frame(0x81, text), 1007));
        let pieces = [frame(0x01, b"a"), frame(0x80, text)].concat();
        cases.push((format!("text in pieces {text:?}"), pieces, 1007));
        let reason = [&1000u16.to_be_bytes()[..], text].concat();
        cases.push((format!("reason {text:?}"), frame(0x88, &reason), 1007));
    }
    for length in [0u16, 1, 125] {
        let [high, low] = length.to_be_bytes();
        cases.push((format!("{length} in 16 bits"), vec![0x82, 126, high, low], 1002));
    }
    for length in [0u64, 125, 126, 0xffff, 1 << 63, u64::MAX] {
        let stream = [&[0x82, 127][..], &length.to_be_bytes()].concat();
        cases.push((format!("{length} in 64 bits"), stream, 1002));
    }
    for length in [66_001u64, 1 << 32, (1 << 63) - 1] {
        let stream = [&[0x82, 127][..], &length.to_be_bytes()].concat();
        cases.push((format!("a frame of {length}"), stream, 1009));
    }
    let heap = [frame(0x02, &[0; 60_000]), frame(0x00, &[0; 9_000]), frame(0x80, &[0; 1_001])];
    cases.push(("a message in pieces that is too long".to_owned(), heap.concat(), 1009));
    assert!(cases.len() >= 60, "{}", cases.len());
    for (name, stream, code) in cases {
        assert_eq!(refused(&stream), Some(code), "{name}");
        let every: Vec<usize> = (0..stream.len().min(20)).collect();
        assert_eq!(read(&stream, &every).1, Some(code), "{name}, byte by byte");
    }
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1011, 1014, 3000, 4999] {
        assert_eq!(read(&close(code), &[]), (vec![Told::Close(Some(code))], None));
    }
    assert_eq!(read(&frame(0x88, &[]), &[]), (vec![Told::Close(None)], None));
}

#[test]
fn sent_frames_are_read_by_another_implementation() {
    let mut masks = Masks::new();
    let mut seen = std::collections::BTreeSet::new();
    for length in (0..300).chain([65_535, 65_536, 100_000]) {
        let text: String = (0..length).map(|at| char::from(b'a' + (at % 26) as u8)).collect();
        let mask = masks.next().expect("random numbers");
        seen.insert(mask);
        let mut out = Vec::new();
        put(TEXT, text.as_bytes(), mask, &mut out);
        let mut server = WebSocket::from_raw_socket(Stream(Cursor::new(out)), Role::Server, None);
        assert_eq!(server.read().expect("sound"), Message::text(text));
    }
    assert!(seen.len() > 300, "masks differ");
    let mut out = Vec::new();
    put(PONG, b"x", [1, 2, 3, 4], &mut out);
    assert_eq!(out, [0x8a, 0x81, 1, 2, 3, 4, b'x' ^ 1]);
    assert_eq!(CLOSE, 8);
}

/// Bytes to be read; what is written is dropped.
struct Stream(Cursor<Vec<u8>>);

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// How another implementation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Fine,
    NotUtf8,
    Refused,
}

/// What tungstenite says of the same stream.
fn theirs(stream: &[u8]) -> (Vec<Told>, Verdict) {
    let config = WebSocketConfig::default()
        .max_message_size(Some(LIMITS.message_max))
        .max_frame_size(Some(LIMITS.frame_max));
    let stream = Stream(Cursor::new(stream.to_vec()));
    let mut socket = WebSocket::from_raw_socket(stream, Role::Client, Some(config));
    let mut told = Vec::new();
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => told.push(Told::Text(text.as_bytes().to_vec())),
            Ok(Message::Binary(bytes)) => told.push(Told::Binary(bytes.to_vec())),
            Ok(Message::Ping(bytes)) => told.push(Told::Ping(bytes.to_vec())),
            Ok(Message::Pong(_)) => told.push(Told::Pong),
            Ok(Message::Close(_)) => {
                // They replace a code that they do not know by another one.
                told.push(Told::Close(None));
                return (told, Verdict::Fine);
            }
            Ok(Message::Frame(_)) => {}
            // The end of the stream in the middle of a frame is no refusal.
            Err(
                tungstenite::Error::Io(_)
                | tungstenite::Error::ConnectionClosed
                | tungstenite::Error::Protocol(
                    tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
                ),
            ) => return (told, Verdict::Fine),
            Err(tungstenite::Error::Utf8(_)) => return (told, Verdict::NotUtf8),
            Err(_) => return (told, Verdict::Refused),
        }
    }
}

fn their_frame() -> impl Strategy<Value = Vec<u8>> {
    let opcode = prop_oneof![4 => Just(1u8), 4 => Just(2), 4 => Just(0), 3 => 8..11u8];
    let payload = prop_oneof![
        6 => "[a-z\u{e4}\u{20ac}]{0,40}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..300),
        1 => (1000u16..1020).prop_map(|code| code.to_be_bytes().to_vec()),
    ];
    (opcode, prop::bool::weighted(0.7), payload).prop_map(|(opcode, is_final, payload)| {
        frame(if is_final { 0x80 | opcode } else { opcode }, &payload)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// The same messages in the same order, then the same verdict; where ours is stricter it says why.
    #[test]
    fn streams_are_read_as_another_implementation_reads_them(
        frames in proptest::collection::vec(their_frame(), 0..8),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let mut stream = frames.concat();
        for (index, byte) in flips {
            if !stream.is_empty() {
                let at = index.index(stream.len());
                stream[at] = byte;
            }
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.sort_unstable();
        let (ours, code) = read(&stream, &cuts);
        prop_assert_eq!(&(ours.clone(), code), &read(&stream, &[]), "cuts change nothing");
        let ours: Vec<Told> = ours
            .into_iter()
            .map(|told| if matches!(told, Told::Close(_)) { Told::Close(None) } else { told })
            .collect();
        let (theirs, verdict) = theirs(&stream);
        match (code, verdict) {
            (None, Verdict::Fine) => prop_assert_eq!(&ours, &theirs),
            // They look at each piece of a text, we at the whole: its end has not come here.
            (None, Verdict::NotUtf8) => prop_assert!(ours.starts_with(&theirs)),
            (None, Verdict::Refused) => prop_assert!(false, "{:?} {:?}", ours, stream),
            // Stricter: a length in a form that is too long, a close code that may not be sent, and what is
            // known of a frame before all of it is there.
            (Some(_), Verdict::Fine) => prop_assert!(theirs.starts_with(&ours)),
            (Some(_), Verdict::NotUtf8 | Verdict::Refused) => {
                prop_assert!(ours.starts_with(&theirs) || theirs.starts_with(&ours));
            }
        }
    }
}

#[test]
fn an_answer_is_accepted_only_when_all_of_it_fits() {
    let (shake, request) = Shake::new("venue:443", "/swap-market?listenKey=k");
    assert!(request.starts_with("GET /swap-market?listenKey=k HTTP/1.1\r\nHost: venue:443\r\n"));
    let key = request.split("Sec-WebSocket-Key: ").nth(1).and_then(|rest| rest.split('\r').next());
    let accept = tungstenite::handshake::derive_accept_key(key.expect("a key").as_bytes());
    let answer = |status: u16, rows: &str| format!("HTTP/1.1 {status} X\r\n{rows}\r\n");
    let rows = format!(
        "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Accept: {accept}\r\n"
    );
    let whole = answer(101, &rows);
    for cut in 0..whole.len() {
        assert_eq!(shake.answered(&whole.as_bytes()[..cut]).expect("so far"), None, "{cut}");
    }
    let behind = format!("{whole}\u{1}frames");
    assert_eq!(shake.answered(behind.as_bytes()).expect("whole"), Some(whole.len()));
    let (_, other) = Shake::new("venue", "/");
    assert_ne!(request, other, "every request has a key of its own");
    for bad in [
        answer(200, &rows),
        answer(302, &rows),
        answer(101, ""),
        answer(101, &rows.replace("WebSocket\r", "h2c\r")),
        answer(101, &rows.replace("Upgrade\r", "close\r")),
        answer(101, &rows.replace(&accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")),
        answer(101, &format!("{rows}Sec-WebSocket-Extensions: permessage-deflate\r\n")),
        answer(101, &format!("{rows}Sec-WebSocket-Protocol: chat\r\n")),
        "<html>".to_owned(),
        format!("HTTP/1.1 101 X\r\nX: {}", "y".repeat(70_000)),
    ] {
        let fault = shake.answered(bad.as_bytes()).expect_err("refused").to_string();
        assert!(fault.starts_with("upgrade: ") && !fault.contains("listenKey"), "{fault}");
    }
}
