//! The ingest stage of a live run: market sockets, each driven by its [`Session`].

use std::collections::VecDeque;
use std::sync::Arc;

use pinion_core::id::InstrumentId;
use pinion_core::instrument::InstrumentTable;
use pinion_core::link::{Full, MarketTx, Tx};
use pinion_core::msg::{MarketBody, MarketMsg};
use pinion_core::stage::{Stage, Work};
use pinion_core::units::Nanos;

use super::super::frame::{Decoder, Frame, PONG, pong_of, subscribe};
use super::super::market::{Body, Market};
use super::super::request::Symbols;
use super::super::session::{Act, Happened, Session, SessionPlan};
use super::Notices;
use super::plan::VenuePlan;
use crate::net::{WsLimits, WsLink, WsStep};
use crate::source::SourceCounts;

/// Topics of one socket that the venue allows.
const TOPICS_MAX: usize = 200;
/// What is subscribed to for each instrument.
const STREAMS: [&str; 3] = ["bookTicker", "trade", "markPrice"];
/// Frames of one socket in one poll.
const BUDGET: u32 = 64;
/// Messages that may wait for room on the gate's link; beyond it nothing is read.
const WAITING_MAX: usize = 4096;

/// Link ends of the stage.
#[derive(Debug)]
pub struct IngestLinks {
    /// To the kernel.
    pub market: MarketTx,
    /// To the signal stage.
    pub tap: MarketTx,
    /// To the gate in the egress stage.
    pub feed: Tx<MarketMsg>,
}

/// A socket and its topics.
#[derive(Debug)]
struct Socket {
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

#[derive(Debug)]
struct Topic {
    instrument: InstrumentId,
    text: String,
}

/// What is on its way to the links, and what was counted. Apart from the sockets, which lend frames.
#[derive(Debug)]
struct Outward {
    links: IngestLinks,
    table: Arc<InstrumentTable>,
    /// Venue time of the last quote of each instrument: an older one is late.
    quoted: Vec<Nanos>,
    waiting: VecDeque<MarketMsg>,
    counts: SourceCounts,
    seq: u32,
    moved: u32,
}

/// Reads market sockets and puts what they tell on the links. A late, crossed or empty quote is counted and
/// left out; a socket that is lost tells a gap of each of its instruments.
#[derive(Debug)]
pub struct BingxIngest {
    sockets: Vec<Socket>,
    out: Outward,
    notices: Notices,
    wanted: bool,
}

impl BingxIngest {
    /// Sockets for every instrument of the table, which the venue lists by `symbols`.
    #[must_use]
    pub fn new(
        plan: &VenuePlan,
        table: Arc<InstrumentTable>,
        symbols: &Symbols,
        links: IngestLinks,
        notices: Notices,
    ) -> Self {
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
            sockets.push(Socket {
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
        let out = Outward {
            quoted: vec![Nanos::ZERO; table.len()],
            table,
            links,
            waiting: VecDeque::with_capacity(WAITING_MAX),
            counts: SourceCounts::default(),
            seq: 0,
            moved: 0,
        };
        Self { sockets, out, notices, wanted: true }
    }

    /// What was seen.
    #[must_use]
    pub const fn counts(&self) -> SourceCounts {
        self.out.counts
    }

    /// Messages merged on the kernel's link.
    #[must_use]
    pub const fn conflated(&self) -> u64 {
        self.out.links.market.conflated()
    }

    /// Times at which a live socket was lost.
    #[must_use]
    pub fn losses(&self) -> u64 {
        self.sockets.iter().map(|socket| socket.losses).sum()
    }

    /// True when every socket can be relied on.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.sockets.iter().all(|socket| socket.session.is_live())
    }

    /// Closes the sockets; nothing comes any more.
    pub fn stop(&mut self) {
        self.wanted = false;
        for socket in &mut self.sockets {
            // An end that is wanted is no loss.
            socket.session.stop(&mut |_| {});
            socket.acts.clear();
            socket.link.close();
        }
    }
}

impl Socket {
    fn poll(&mut self, now: Nanos, out: &mut Outward, notices: &Notices) -> bool {
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
    fn act(&mut self, now: Nanos, out: &mut Outward, notices: &Notices) {
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
                    out.gaps(now, &self.topics);
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
    fn read(&mut self, now: Nanos, out: &mut Outward, notices: &Notices) -> bool {
        let Self { link, decoder, confirmed, pings, pongs, topics, .. } = self;
        let (mut data, mut beats, mut refused) = (0u32, 0u32, false);
        let drained = link.drain(BUDGET, &mut |bytes| {
            out.counts.bytes += bytes.len() as u64;
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
                Ok(Frame::Account(_) | Frame::Unknown) => out.counts.ignored += 1,
                Err(_) => out.counts.reject("unknown_frame"),
            }
        });
        out.moved += data + beats;
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

impl Outward {
    fn market(&mut self, now: Nanos, market: &Market<'_>) {
        let Some(instrument) = self.table.find(market.symbol) else {
            return self.counts.reject("unknown_symbol");
        };
        match market.body {
            Body::BookTicker(ticker) => {
                let sound = ticker.bid.price.is_positive() && ticker.ask.price.is_positive();
                let last = &mut self.quoted[instrument.index()];
                let at = market.exchange_ns.unwrap_or(*last);
                if !sound {
                    return self.counts.reject("bad_price");
                }
                if ticker.bid.price >= ticker.ask.price {
                    return self.counts.reject("crossed_book");
                }
                if at < *last {
                    return self.counts.reject("out_of_order");
                }
                *last = at;
                self.counts.quote += 1;
            }
            Body::Trades(trades) => {
                let sound = |trade: &super::super::market::Trade| {
                    trade.price.is_positive() && trade.qty.is_positive()
                };
                if !trades.iter().all(sound) {
                    return self.counts.reject("bad_price");
                }
                self.counts.trade += trades.len() as u64;
            }
            Body::Mark(mark) if mark.is_positive() => self.counts.mark += 1,
            Body::Mark(_) => return self.counts.reject("bad_price"),
            Body::Depth(_)
            | Body::IncrDepth { .. }
            | Body::Last(_)
            | Body::Bars(_)
            | Body::Ticker => return self.counts.ignored += 1,
        }
        market.messages(instrument, now, &mut |message| self.push(message));
    }

    fn gaps(&mut self, now: Nanos, topics: &[Topic]) {
        let mut told = None;
        for topic in topics {
            if told != Some(topic.instrument) {
                told = Some(topic.instrument);
                self.counts.gaps += 1;
                self.push(MarketMsg::from_body(topic.instrument, now, None, MarketBody::Gap));
            }
        }
    }

    fn push(&mut self, mut message: MarketMsg) {
        message.seq = self.seq;
        self.seq = self.seq.wrapping_add(1);
        self.links.market.push(message);
        self.links.tap.push(message);
        self.waiting.push_back(message);
        self.moved += 1;
    }

    /// Moves what waits; true when a full link stopped it.
    fn flush(&mut self) -> bool {
        let moved = self.links.market.flush() + self.links.tap.flush();
        self.moved += u32::try_from(moved).unwrap_or(u32::MAX);
        while let Some(message) = self.waiting.pop_front() {
            if let Err(Full(message)) = self.links.feed.push(message) {
                self.waiting.push_front(message);
                return true;
            }
        }
        false
    }
}

impl Stage for BingxIngest {
    fn name(&self) -> &'static str {
        "ingest"
    }

    fn poll(&mut self, now: Nanos) -> Work {
        let Self { sockets, out, notices, wanted, .. } = self;
        out.moved = 0;
        let mut backpressured = out.flush();
        if *wanted {
            for socket in sockets {
                if out.waiting.len() > WAITING_MAX / 2 {
                    backpressured = true;
                    break;
                }
                let is_more = socket.poll(now, out, notices);
                // What is left is taken by the next poll, which comes at once after one that did work.
                out.moved += u32::from(is_more);
            }
        }
        backpressured |= out.flush();
        Work { count: out.moved, commands: 0, backpressured }
    }

    fn finished(&self) -> bool {
        !self.wanted && self.out.waiting.is_empty()
    }
}
