//! The streams that clients have open: who is subscribed to what, and the frames on their way.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use pinion_core::units::Nanos;
use serde_json::{Value, json};

use super::rows::ms;

/// Time between two heartbeats.
const PING_NS: i64 = 5 * Nanos::SECOND;
/// A client that leaves a heartbeat unanswered for this long is cut off.
const PONG_NS: i64 = 15 * Nanos::SECOND;
/// Topics of one stream.
pub(super) const TOPICS_MAX: usize = 200;

/// One stream. Never used twice.
pub(super) type StreamId = u64;

/// What a stream carries.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Market { topics: BTreeSet<String> },
    Account { account: usize, key: String },
}

#[derive(Clone, Debug)]
struct Stream {
    kind: Kind,
    ping_due: Nanos,
    /// Since when a heartbeat is unanswered.
    unanswered: Option<Nanos>,
    /// Nothing but heartbeats comes before this.
    silent_until: Nanos,
}

/// Something for a stream.
#[derive(Clone, Debug)]
pub(super) enum Push {
    /// A binary frame.
    Frame(Arc<[u8]>),
    /// The connection is cut.
    Cut,
}

/// All open streams. Owner: the exchange.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: BTreeMap<StreamId, Stream>,
    last: StreamId,
    /// By the time at which each leaves; the number keeps the order of those that leave together.
    outbox: BTreeMap<(Nanos, u64), (StreamId, Push)>,
    pushed: u64,
}

impl Streams {
    pub(super) fn open(&mut self, now: Nanos, kind: Kind) -> StreamId {
        self.last += 1;
        let stream = Stream {
            kind,
            ping_due: now.plus(PING_NS),
            unanswered: None,
            silent_until: Nanos::ZERO,
        };
        self.open.insert(self.last, stream);
        self.last
    }

    pub(super) fn close(&mut self, id: StreamId) {
        self.open.remove(&id);
    }

    pub(super) fn kind(&self, id: StreamId) -> Option<&Kind> {
        self.open.get(&id).map(|stream| &stream.kind)
    }

    /// Subscribes; false when the stream has all the topics that it may have.
    pub(super) fn subscribe(&mut self, id: StreamId, topic: &str) -> bool {
        let Some(Stream { kind: Kind::Market { topics }, .. }) = self.open.get_mut(&id) else {
            return false;
        };
        if topics.len() >= TOPICS_MAX && !topics.contains(topic) {
            return false;
        }
        topics.insert(topic.to_owned());
        true
    }

    pub(super) fn unsubscribe(&mut self, id: StreamId, topic: &str) {
        if let Some(Stream { kind: Kind::Market { topics }, .. }) = self.open.get_mut(&id) {
            topics.remove(topic);
        }
    }

    pub(super) fn subscribers(&self, topic: &str) -> Vec<StreamId> {
        let subscribed = |stream: &Stream| match &stream.kind {
            Kind::Market { topics } => topics.contains(topic),
            Kind::Account { .. } => false,
        };
        self.open.iter().filter(|(_, stream)| subscribed(stream)).map(|(id, _)| *id).collect()
    }

    /// Streams of an account; of one key, or of all.
    pub(super) fn of_account(&self, account: usize, of: Option<&str>) -> Vec<StreamId> {
        let is = |stream: &Stream| match &stream.kind {
            Kind::Account { account: whose, key } => {
                *whose == account && of.is_none_or(|of| of == key)
            }
            Kind::Market { .. } => false,
        };
        self.open.iter().filter(|(_, stream)| is(stream)).map(|(id, _)| *id).collect()
    }

    pub(super) fn ids(&self) -> Vec<StreamId> {
        self.open.keys().copied().collect()
    }

    /// Nothing but heartbeats comes on a stream until then.
    pub(super) fn silence(&mut self, id: StreamId, until: Nanos) {
        if let Some(stream) = self.open.get_mut(&id) {
            stream.silent_until = until;
        }
    }

    /// Puts JSON on its way: it leaves at `due`.
    pub(super) fn send(&mut self, ids: &[StreamId], due: Nanos, frame: &Value) {
        self.send_bytes(ids, due, &packed(frame.to_string().as_bytes()));
    }

    /// Puts bytes on their way; a silent stream does not get them.
    pub(super) fn send_bytes(&mut self, ids: &[StreamId], due: Nanos, bytes: &[u8]) {
        let frame: Arc<[u8]> = bytes.into();
        for id in ids {
            let heard = self.open.get(id).is_some_and(|stream| stream.silent_until <= due);
            if heard {
                self.push(*id, due, Push::Frame(Arc::clone(&frame)));
            }
        }
    }

    pub(super) fn cut(&mut self, id: StreamId, now: Nanos) {
        self.push(id, now, Push::Cut);
    }

    fn push(&mut self, id: StreamId, due: Nanos, what: Push) {
        self.pushed += 1;
        self.outbox.insert((due, self.pushed), (id, what));
    }

    /// Heartbeats that are due, and the end of streams that did not answer them.
    pub(super) fn beat(&mut self, now: Nanos) {
        let mut beats = Vec::new();
        for (id, stream) in &mut self.open {
            if stream.unanswered.is_some_and(|since| now.since(since) >= PONG_NS) {
                beats.push((*id, Push::Cut));
            } else if stream.ping_due <= now {
                stream.ping_due = now.plus(PING_NS);
                stream.unanswered.get_or_insert(now);
                beats.push((*id, Push::Frame(packed(b"Ping").into())));
            }
        }
        for (id, push) in beats {
            self.push(id, now, push);
        }
    }

    /// The client answered a heartbeat.
    pub(super) fn answered(&mut self, id: StreamId) {
        if let Some(stream) = self.open.get_mut(&id) {
            stream.unanswered = None;
        }
    }

    /// Takes out what leaves by now, in order.
    pub(super) fn take_due(&mut self, now: Nanos) -> Vec<(StreamId, Push)> {
        let later = self.outbox.split_off(&(now.plus(1), 0));
        std::mem::replace(&mut self.outbox, later).into_values().collect()
    }
}

/// A gzip member of its own, as every frame of the venue is.
pub(super) fn packed(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 2 + 32), Compression::fast());
    // Writing to memory cannot fail; what could not be packed would be an empty frame.
    drop(encoder.write_all(text));
    encoder.finish().unwrap_or_default()
}

/// The answer to a message of a client.
pub(super) fn answer(now: Nanos, id: &str, code: i64, msg: &str) -> Value {
    if code == 0 {
        return json!({"id": id, "code": 0, "msg": "", "dataType": "", "data": null});
    }
    json!({"id": id, "code": code, "msg": msg, "timestamp": ms(now)})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_leave_at_their_time_and_otherwise_in_order() {
        let mut streams = Streams::default();
        let id = streams.open(Nanos::new(0), Kind::Market { topics: BTreeSet::new() });
        for (due, text) in [(5, b"b"), (2, b"a"), (5, b"c")] {
            streams.send_bytes(&[id], Nanos::new(due), text);
        }
        let taken = |streams: &mut Streams, now| -> Vec<u8> {
            let due = streams.take_due(Nanos::new(now)).into_iter();
            due.filter_map(|(_, push)| match push {
                Push::Frame(bytes) => bytes.first().copied(),
                Push::Cut => None,
            })
            .collect()
        };
        assert_eq!(taken(&mut streams, 4), b"a");
        assert_eq!(taken(&mut streams, 5), b"bc");
        streams.silence(id, Nanos::new(9));
        streams.send_bytes(&[id], Nanos::new(8), b"x");
        streams.send_bytes(&[id], Nanos::new(9), b"y");
        assert_eq!(taken(&mut streams, 9), b"y");
    }

    #[test]
    fn a_client_that_does_not_answer_is_cut_off() {
        let mut streams = Streams::default();
        let id = streams.open(Nanos::ZERO, Kind::Market { topics: BTreeSet::new() });
        let beat = |streams: &mut Streams, second: i64| {
            let now = Nanos::new(second * Nanos::SECOND);
            streams.beat(now);
            streams.take_due(now)
        };
        assert!(beat(&mut streams, 4).is_empty());
        assert!(matches!(beat(&mut streams, 5)[..], [(_, Push::Frame(_))]));
        streams.answered(id);
        assert!(matches!(beat(&mut streams, 10)[..], [(_, Push::Frame(_))]));
        assert!(matches!(beat(&mut streams, 20)[..], [(_, Push::Frame(_))]));
        assert!(matches!(beat(&mut streams, 25)[..], [(_, Push::Cut)]));
    }

    #[test]
    fn a_stream_holds_so_many_topics() {
        let mut streams = Streams::default();
        let id = streams.open(Nanos::ZERO, Kind::Market { topics: BTreeSet::new() });
        for topic in 0..TOPICS_MAX {
            assert!(streams.subscribe(id, &topic.to_string()));
        }
        assert!(!streams.subscribe(id, "more") && streams.subscribe(id, "0"));
        streams.unsubscribe(id, "0");
        assert!(streams.subscribe(id, "more"));
        assert_eq!(streams.subscribers("more"), [id]);
    }
}
