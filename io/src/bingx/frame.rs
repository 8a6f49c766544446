//! From the bytes of a socket to a typed frame.

use pinion_core::units::Nanos;

use super::fault::{Fault, FaultKind};
use super::inflate::Inflater;
use super::json::{Tape, Value};
use super::market::{self, Market, Scratch};
use super::oddities::{Oddities, Oddity};
use super::plain;
use super::user::{self, Account};
use super::value::required;

/// What the client answers to [`Frame::Ping`], as an uncompressed text frame.
pub const PONG: &str = "Pong";

/// A frame of either socket. Borrows from the decoder until its next call.
#[derive(Clone, Copy, Debug)]
pub enum Frame<'a> {
    /// The heartbeat: answer [`PONG`] at once.
    Ping,
    /// The heartbeat of the venue's other sockets: answer with [`pong_of`].
    PingId {
        /// Sent back as it came.
        id: &'a str,
        /// Sent back as it came.
        time: &'a str,
    },
    /// Answer to a subscription, or an error of the socket.
    Answer(Answer<'a>),
    /// Market data.
    Market(Market<'a>),
    /// The account.
    Account(Account<'a>),
    /// JSON that is none of these; counted.
    Unknown,
}

/// Answer to a message of ours. It names no topic: the id is what tells which message it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The id of our message; empty when the venue could not read one.
    pub id: &'a str,
    /// 0 when it worked.
    pub code: i64,
    /// The venue's words, escapes not undone.
    pub msg: &'a str,
    /// When the venue sent it, where told.
    pub sent_ns: Option<Nanos>,
}

/// Decodes frames with reused buffers; nothing is allocated once the largest frame was seen.
///
/// Owner: the stage that reads the socket; one decoder a socket.
#[derive(Debug, Default)]
pub struct Decoder {
    inflater: Inflater,
    tape: Tape,
    scratch: Scratch,
    oddities: Oddities,
}

impl Decoder {
    /// A decoder with room for ordinary frames.
    #[must_use]
    pub fn new() -> Self {
        Self { tape: Tape::new(), ..Self::default() }
    }

    /// Decodes one frame: gzip as the venue sends it, or plain text.
    ///
    /// # Errors
    /// [`Fault`] for a broken member, broken JSON, and a known frame with a missing or wrong field. The
    /// decoder can be used on.
    pub fn decode(&mut self, frame: &[u8]) -> Result<Frame<'_>, Fault> {
        self.unpack(frame)?;
        let Self { inflater, scratch, .. } = self;
        let (text, len) = inflater.last();
        match plain::read(text, len, scratch) {
            Some(plain) => Ok(plain.frame(self.inflater.last().0, &mut self.scratch)),
            None => self.general(),
        }
    }

    /// The same by the general reader alone.
    ///
    /// # Errors
    /// As [`Decoder::decode`].
    #[cfg(test)]
    pub(super) fn decode_any(&mut self, frame: &[u8]) -> Result<Frame<'_>, Fault> {
        self.unpack(frame)?;
        self.general()
    }

    fn unpack(&mut self, frame: &[u8]) -> Result<(), Fault> {
        // A plain text is copied, so that what is returned borrows from the decoder alone.
        let packed = frame.starts_with(&[0x1f, 0x8b]);
        let unpacked =
            if packed { self.inflater.inflate(frame) } else { self.inflater.keep(frame) };
        unpacked.map(|_| ())
    }

    fn general(&mut self) -> Result<Frame<'_>, Fault> {
        let Self { inflater, tape, scratch, oddities } = self;
        let (text, len) = inflater.last();
        let text = text.get(..len).unwrap_or_default();
        if text == b"Ping" {
            return Ok(Frame::Ping);
        }
        let root = tape.read(text)?;
        classify(&root, scratch, oddities)
    }

    /// What was met and is not known.
    pub fn oddities(&mut self) -> &mut Oddities {
        &mut self.oddities
    }
}

fn classify<'a>(
    root: &Value<'a>,
    scratch: &'a mut Scratch,
    oddities: &mut Oddities,
) -> Result<Frame<'a>, Fault> {
    if !root.is_object() {
        return Err(Fault::new(FaultKind::Wrong, "frame", "an object", 0));
    }
    if let Some(event) = root.get("e") {
        return user::read(event.text("e")?, root, oddities).map(Frame::Account);
    }
    if let Some(ping) = root.get("ping") {
        let time = root.get("time").map_or(Ok(""), |time| time.text("time"))?;
        return Ok(Frame::PingId { id: ping.text("ping")?, time });
    }
    let topic = root.get("dataType").map_or(Ok(""), |topic| topic.text("dataType"))?;
    if !topic.is_empty() {
        let code = code(root)?;
        if code != 0 {
            return answer(root).map(Frame::Answer);
        }
        return match market::read(topic, root, scratch)? {
            Some(market) => Ok(Frame::Market(market)),
            None => {
                oddities.note(Oddity::Topic, topic);
                Ok(Frame::Unknown)
            }
        };
    }
    if root.get("code").is_some() {
        return answer(root).map(Frame::Answer);
    }
    oddities.note(Oddity::Event, root.members().next().map_or("", |(key, _)| key));
    Ok(Frame::Unknown)
}

fn code(root: &Value<'_>) -> Result<i64, Fault> {
    let code = root.get("code").map_or(Ok(Some(0)), |code| code.signed("code"))?;
    required(code, "code")
}

fn answer<'a>(root: &Value<'a>) -> Result<Answer<'a>, Fault> {
    Ok(Answer {
        id: root.get("id").map_or(Ok(""), |id| id.text("id"))?,
        code: code(root)?,
        msg: root.get("msg").map_or("", |msg| match msg.scalar() {
            Some(super::json::Scalar::Text(text)) => text,
            Some(_) | None => "",
        }),
        sent_ns: root.get("timestamp").map_or(Ok(None), |time| time.time("timestamp"))?,
    })
}

/// What answers a [`Frame::PingId`].
#[must_use]
pub fn pong_of(id: &str, time: &str) -> String {
    format!(r#"{{"pong":"{id}","time":"{time}"}}"#)
}

/// The message that subscribes to a topic (`BTC-USDT@bookTicker`); `id` comes back in the answer.
#[must_use]
pub fn subscribe(id: &str, topic: &str) -> String {
    format!(r#"{{"id":"{id}","reqType":"sub","dataType":"{topic}"}}"#)
}

/// The message that ends a subscription.
#[must_use]
pub fn unsubscribe(id: &str, topic: &str) -> String {
    format!(r#"{{"id":"{id}","reqType":"unsub","dataType":"{topic}"}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heartbeats_are_told_from_json() {
        let mut decoder = Decoder::new();
        assert!(matches!(decoder.decode(b"Ping"), Ok(Frame::Ping)));
        let frame = decoder.decode(br#"{"ping":"2177c68e","time":"2022-06-07T16:27:36.323+0800"}"#);
        let Ok(Frame::PingId { id, time }) = frame else { panic!("{frame:?}") };
        let pong = r#"{"pong":"2177c68e","time":"2022-06-07T16:27:36.323+0800"}"#;
        assert_eq!(pong_of(id, time), pong);
    }

    #[test]
    fn answers_carry_id_and_code() {
        let mut decoder = Decoder::new();
        let text = br#"{"id":"7","code":80015,"msg":"no \"such\" topic"}"#;
        let Ok(Frame::Answer(answer)) = decoder.decode(text) else { panic!("an answer") };
        assert_eq!((answer.id, answer.code), ("7", 80015));
        let text = br#"{"id":"7","code":0,"msg":"","dataType":"","data":null}"#;
        let Ok(Frame::Answer(answer)) = decoder.decode(text) else { panic!("an answer") };
        assert_eq!((answer.id, answer.code, answer.msg), ("7", 0, ""));
    }

    #[test]
    fn what_nobody_agreed_is_counted_and_told() {
        let mut decoder = Decoder::new();
        for text in [
            r#"{"code":0,"dataType":"BTC-USDT@moonPhase","data":{}}"#,
            r#"{"e":"SNAPSHOT","E":1}"#,
            r#"{"hello":1}"#,
        ] {
            let frame = decoder.decode(text.as_bytes());
            assert!(
                matches!(frame, Ok(Frame::Unknown | Frame::Account(Account::Unknown))),
                "{text}"
            );
        }
        assert_eq!(decoder.oddities().count(Oddity::Topic), 1);
        assert_eq!(decoder.oddities().count(Oddity::Event), 2);
        let (_, word) = decoder.oddities().next_untold().expect("one");
        assert_eq!(word.as_str(), "BTC-USDT@moonPhase");
        assert!(decoder.decode(b"[]").is_err() && decoder.decode(b"pong").is_err());
    }
}
