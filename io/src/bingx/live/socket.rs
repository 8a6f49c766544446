//! A market socket: driven by its [`Session`], it hands what it hears to a [`Sink`].

use std::collections::VecDeque;
use std::sync::Arc;

use pinion_core::id::InstrumentId;
use pinion_core::instrument::InstrumentTable;
use pinion_core::units::Nanos;

use super::super::frame::{Decoder, Frame, PONG, pong_of, subscribe};
use super::super::market::Market;
use super::super::request::Symbols;
use super::super::session::{Act, Happened, Session, SessionPlan};
use super::Notices;
use super::plan::PublicPlan;
use crate::net::{WsLimits, WsLink, WsStep};

/// Topics of one socket that the venue allows.
const TOPICS_MAX: usize = 200;
/// What is subscribed to for each instrument.
pub(in crate::bingx) const STREAMS: [&str; 3] = ["bookTicker", "trade", "markPrice"];
/// Frames of one socket in one poll.
const BUDGET: u32 = 64;

/// What was seen beside market data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bingx) enum Seen {
    /// So many frames, heartbeats among them.
    Moved(u32),
    /// A frame that says nothing to us.
    Ignored,
    /// A frame that cannot be read.
    Broken,
}

/// Where it goes. All sockets of a stage share one.
pub(in crate::bingx) trait Sink {
    /// Bytes came off the wire.
    fn bytes(&mut self, len: usize);
    /// A frame of market data.
    fn market(&mut self, now: Nanos, market: &Market<'_>);
    /// The same frame as text, unpacked.
    fn text(&mut self, now: Nanos, text: &[u8]);
    /// Anything else.
    fn seen(&mut self, what: Seen);
    /// A live socket was lost: what its topics tell has a gap.
    fn lost(&mut self, now: Nanos, topics: &[Topic]);
}

/// A socket and its topics.
#[derive(Debug)]
pub(in crate::bingx) struct Socket {
    session: Session,
    link: WsLink,
    decoder: Decoder,
    topics: Vec<Topic>,
    acts: VecDeque<Act>,
    /// What a read brought for the session, told when the read is over.
    confirmed: Vec<u16>,
    /// Plain heartbeats to answer, and those that want their own words back.
    pings: u32,
    pongs: Vec<String>,
    losses: u64,
}

/// A stream of an instrument.
#[derive(Debug)]
pub(in crate::bingx) struct Topic {
    pub(in crate::bingx) instrument: InstrumentId,
    pub(in crate::bingx) text: String,
}

impl Socket {
    /// Sockets for every instrument of the table, which the venue lists by `symbols`.
    pub(in crate::bingx) fn all(
        plan: &PublicPlan,
        table: &InstrumentTable,
        symbols: &Symbols,
    ) -> Vec<Self> {
        let mut topics: Vec<Topic> = Vec::new();
        for (instrument, _) in table.iter() {
            let Some(symbol) = symbols.of(instrument) else { continue };
            let text = |stream: &&str| Topic { instrument, text: format!("{symbol}@{stream}") };
            topics.extend(STREAMS.iter().map(text));
        }
        let mut sockets = Vec::new();
        while !topics.is_empty() {
            // An instrument's topics stay on one socket: they are lost together.
            let share = topics.len().min(TOPICS_MAX / STREAMS.len() * STREAMS.len());
            let own: Vec<Topic> = topics.drain(..share).collect();
            let count = u16::try_from(own.len()).unwrap_or(u16::MAX);
            let seed = plan.seed.wrapping_add(sockets.len() as u64);
            sockets.push(Self {
                session: Session::new(plan.session(SessionPlan::market(count)), seed),
                link: WsLink::new(Arc::clone(&plan.ws), WsLimits::MARKET, plan.tuning),
                decoder: Decoder::new(),
                confirmed: Vec::with_capacity(own.len()),
                topics: own,
                acts: VecDeque::with_capacity(16),
                pings: 0,
                pongs: Vec::new(),
                losses: 0,
            });
        }
        sockets
    }

    /// Times at which it was lost while live.
    pub(in crate::bingx) const fn losses(&self) -> u64 {
        self.losses
    }

    /// True when it can be relied on.
    pub(in crate::bingx) fn is_live(&self) -> bool {
        self.session.is_live()
    }

    /// Closes it for good. An end that is wanted is no loss.
    pub(in crate::bingx) fn stop(&mut self) {
        self.session.stop(&mut |_| {});
        self.acts.clear();
        self.link.close();
    }

    /// Does what can be done at once; true when there may be more to read.
    pub(in crate::bingx) fn poll(
        &mut self,
        now: Nanos,
        out: &mut impl Sink,
        notices: &Notices,
    ) -> bool {
        self.session.start(now);
        let Self { session, acts, .. } = self;
        session.poll(now, &mut |act| acts.push_back(act));
        self.act(now, out, notices);
        match self.link.poll() {
            Ok(Some(step)) => self.tell(now, happened(step)),
            Ok(None) => {}
            Err(fault) => {
                notices.say(format!("market socket: {fault}"));
                self.tell(now, Happened::Broken);
            }
        }
        self.act(now, out, notices);
        let is_more = self.read(now, out, notices);
        self.act(now, out, notices);
        is_more
    }

    fn tell(&mut self, now: Nanos, happened: Happened) {
        let Self { session, acts, .. } = self;
        session.on(now, happened, &mut |act| acts.push_back(act));
    }

    /// Does what the session wants, and what follows from that.
    fn act(&mut self, now: Nanos, out: &mut impl Sink, notices: &Notices) {
        while let Some(act) = self.acts.pop_front() {
            let done = match act {
                Act::Connect => self.link.connect().map(|()| None),
                Act::Encrypt => self.link.encrypt().map(|()| None),
                Act::Upgrade => self.link.upgrade("").map(|step| step.map(happened)),
                Act::Subscribe { topic } => match self.topics.get(usize::from(topic)) {
                    Some(row) => {
                        self.link.send(&subscribe(&topic.to_string(), &row.text)).map(|()| None)
                    }
                    None => Ok(None),
                },
                // Quotes and prints need no book: the stream is whole from here.
                Act::Resync => Ok(Some(Happened::Resynced)),
                Act::Ready => {
                    notices.say(format!("market socket: live, {} topics", self.topics.len()));
                    Ok(None)
                }
                Act::Lost => {
                    self.losses += 1;
                    notices.say("market socket: lost".to_owned());
                    out.lost(now, &self.topics);
                    Ok(None)
                }
                // A silent market socket is made anew.
                Act::Ask => Ok(Some(Happened::Mute)),
                Act::Close => {
                    self.link.close();
                    Ok(None)
                }
            };
            match done {
                Ok(Some(happened)) => self.tell(now, happened),
                Ok(None) => {}
                Err(fault) => {
                    notices.say(format!("market socket: {fault}"));
                    self.tell(now, Happened::Broken);
                }
            }
        }
    }

    /// Reads what there is; true when there may be more.
    fn read(&mut self, now: Nanos, out: &mut impl Sink, notices: &Notices) -> bool {
        let Self { link, decoder, confirmed, pings, pongs, topics, .. } = self;
        let (mut data, mut beats, mut refused) = (0u32, 0u32, false);
        let drained = link.drain(BUDGET, &mut |bytes| {
            out.bytes(bytes.len());
            match decoder.decode(bytes) {
                Ok(Frame::Ping) => {
                    beats += 1;
                    *pings += 1;
                }
                Ok(Frame::PingId { id, time }) => {
                    beats += 1;
                    pongs.push(pong_of(id, time));
                }
                Ok(Frame::Market(market)) => {
                    data += 1;
                    out.market(now, &market);
                    out.text(now, decoder.text());
                }
                Ok(Frame::Answer(answer)) => match answer.id.parse() {
                    Ok(topic) if answer.code == 0 && usize::from(topic) < topics.len() => {
                        confirmed.push(topic);
                    }
                    Ok(_) | Err(_) if answer.code != 0 => {
                        refused = true;
                        notices.say(format!(
                            "market socket: refused with code {}: {}",
                            answer.code,
                            printable(answer.msg)
                        ));
                    }
                    Ok(_) | Err(_) => {}
                },
                Ok(Frame::Account(_) | Frame::Unknown) => out.seen(Seen::Ignored),
                Err(_) => out.seen(Seen::Broken),
            }
        });
        out.seen(Seen::Moved(data + beats));
        // A ping is answered by the socket that it came on, before anything else leaves.
        let plain = (0..std::mem::take(&mut self.pings)).try_for_each(|_| self.link.send(PONG));
        let answered =
            plain.and_then(|()| self.pongs.drain(..).try_for_each(|pong| self.link.send(&pong)));
        if beats > 0 {
            self.tell(now, Happened::Heartbeat);
        }
        if data > 0 {
            self.tell(now, Happened::Data);
        }
        for at in 0..self.confirmed.len() {
            let topic = self.confirmed[at];
            self.tell(now, Happened::Confirmed { topic });
        }
        self.confirmed.clear();
        if refused {
            self.tell(now, Happened::Refused);
        }
        match drained.and_then(|drained| answered.map(|()| drained)) {
            Ok(drained) => drained.is_more,
            Err(fault) => {
                notices.say(format!("market socket: {fault}"));
                self.tell(now, Happened::Broken);
                false
            }
        }
    }
}

pub(super) const fn happened(step: WsStep) -> Happened {
    match step {
        WsStep::Connected => Happened::Connected,
        WsStep::Encrypted => Happened::Encrypted,
        WsStep::Upgraded => Happened::Upgraded,
    }
}

/// The venue's words, short and without control characters.
pub(super) fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    text.chars().take(200).map(shown).collect()
}
