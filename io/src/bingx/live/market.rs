//! The ingest stage of a live run: market sockets, each driven by its session machine.

use std::collections::VecDeque;
use std::sync::Arc;

use pinion_core::instrument::InstrumentTable;
use pinion_core::link::{Full, MarketTx, Tx};
use pinion_core::msg::{MarketBody, MarketMsg};
use pinion_core::stage::{Stage, Work};
use pinion_core::units::Nanos;

use super::super::market::{Body, Market};
use super::super::request::Symbols;
use super::Notices;
use super::plan::PublicPlan;
use super::socket::{Seen, Sink, Socket, Topic};
use crate::source::SourceCounts;

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
        plan: &PublicPlan,
        table: Arc<InstrumentTable>,
        symbols: &Symbols,
        links: IngestLinks,
        notices: Notices,
    ) -> Self {
        let sockets = Socket::all(plan, &table, symbols);
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
        self.sockets.iter().map(Socket::losses).sum()
    }

    /// True when every socket can be relied on.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.sockets.iter().all(Socket::is_live)
    }

    /// Closes the sockets; nothing comes any more.
    pub fn stop(&mut self) {
        self.wanted = false;
        self.sockets.iter_mut().for_each(Socket::stop);
    }
}

impl Sink for Outward {
    fn bytes(&mut self, len: usize) {
        self.counts.bytes += len as u64;
    }

    fn market(&mut self, now: Nanos, market: &Market<'_>) {
        self.take(now, market);
    }

    fn text(&mut self, _now: Nanos, _text: &[u8]) {}

    fn seen(&mut self, what: Seen) {
        match what {
            Seen::Moved(count) => self.moved += count,
            Seen::Ignored => self.counts.ignored += 1,
            Seen::Broken => self.counts.reject("unknown_frame"),
        }
    }

    fn lost(&mut self, now: Nanos, topics: &[Topic]) {
        self.gaps(now, topics);
    }
}

impl Outward {
    fn take(&mut self, now: Nanos, market: &Market<'_>) {
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
