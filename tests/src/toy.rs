//! A toy pipeline: four small stages over real links, for tests of whatever drives stages.
//!
//! Ingest makes numbered quotes, signal sends a scan per hundred, the kernel sends a command per fifty and a
//! digest to a toy journal, egress answers each command after a latency. Nothing is ever dropped, so the
//! totals are the same however the stages are placed; in virtual time the kernel's digest is as well.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use pinion_core::id::{ClientId, InstrumentId, TextId};
use pinion_core::link::{Full, Rx, Tx, link};
use pinion_core::msg::{
    ClientRef, Command, CommandMsg, MarketBody, MarketMsg, Maybe, Scan, ScanMsg, VenueEvent,
    VenueMsg,
};
use pinion_core::stage::{Stage, Work};
use pinion_core::units::{Nanos, Price};
use pinion_io::affinity::{CoreSet, current_mask};
use pinion_io::runner::StageSet;

/// Messages per link and poll.
pub const BUDGET: u32 = 64;

/// Most digests of one poll of the kernel: one per fifty quotes.
pub const RECORDS_PER_POLL: usize = BUDGET as usize / 50 + 1;

/// What a toy pipeline is made of.
#[derive(Clone, Copy, Debug)]
pub struct ToyShape {
    /// Quotes.
    pub events: u64,
    /// Stream time between moments; three quotes share a moment.
    pub step_ns: i64,
    /// From a command to its answer.
    pub latency_ns: i64,
    /// Depth of the links between stages.
    pub depth: usize,
    /// Depth of the link to the toy journal.
    pub journal_depth: usize,
    /// How long the toy journal sleeps after each digest; 0 for not at all.
    pub journal_nap_ns: u64,
    /// The stages say when they are drained.
    pub says_drained: bool,
}

impl Default for ToyShape {
    fn default() -> Self {
        Self {
            events: 30_000,
            step_ns: 1_000,
            latency_ns: 1_000_000,
            depth: 1024,
            journal_depth: 1024,
            journal_nap_ns: 0,
            says_drained: true,
        }
    }
}

/// What went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToyTotals {
    /// Quotes that the kernel saw, and the sum of their numbers.
    pub market: (u64, u64),
    /// Scans that the kernel saw.
    pub scans: u64,
    /// Answers that the kernel saw, and the sum of their numbers.
    pub acks: (u64, u64),
    /// Quotes that egress saw, and the sum of their numbers.
    pub feed: (u64, u64),
    /// Digests that the journal saw, and their sum.
    pub journal: (u64, u64),
}

/// The first moment.
pub const START: Nanos = Nanos::new(1_700_000_000_000_000_000);

/// Four stages and a journal thread.
#[derive(Debug)]
pub struct Toy {
    /// Takes in.
    pub ingest: ToyIngest,
    /// Scans.
    pub signal: ToySignal,
    /// Decides.
    pub kernel: ToyKernel,
    /// Answers.
    pub egress: ToyEgress,
    stop: StopAtDrop,
    journal: JoinHandle<(u64, u64)>,
}

/// Ends the journal thread of a toy that nobody adds up: it would spin beside every later test.
#[derive(Debug)]
struct StopAtDrop(Arc<AtomicBool>);

impl Drop for StopAtDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Toy {
    /// Makes the stages and starts the journal thread.
    #[must_use]
    pub fn new(shape: &ToyShape) -> Self {
        let (market_tx, market_rx) = link(shape.depth);
        let (tap_tx, tap_rx) = link(shape.depth);
        let (feed_tx, feed_rx) = link(shape.depth);
        let (scan_tx, scan_rx) = link(shape.depth);
        let (command_tx, command_rx) = link(shape.depth);
        let (ack_tx, ack_rx) = link(shape.depth);
        let (record_tx, record_rx) = link(shape.journal_depth);
        let stop = Arc::new(AtomicBool::new(false));
        let journal = {
            let stop = Arc::clone(&stop);
            let nap = Duration::from_nanos(shape.journal_nap_ns);
            std::thread::spawn(move || journal(record_rx, nap, &stop))
        };
        Self {
            ingest: ToyIngest::new(shape, [market_tx, tap_tx, feed_tx]),
            signal: ToySignal::new(shape, tap_rx, scan_tx),
            kernel: ToyKernel::new(shape, (market_rx, scan_rx, ack_rx), command_tx, record_tx),
            egress: ToyEgress::new(shape, feed_rx, command_rx, ack_tx),
            stop: StopAtDrop(stop),
            journal,
        }
    }

    /// The stages, for a runner.
    pub fn set(&mut self) -> StageSet<'_> {
        StageSet {
            ingest: &mut self.ingest,
            signal: &mut self.signal,
            kernel: &mut self.kernel,
            egress: &mut self.egress,
        }
    }

    /// Ends the journal thread and adds up; the second part is the kernel's digest.
    ///
    /// # Panics
    /// When the journal thread panicked.
    #[must_use]
    pub fn totals(self) -> (ToyTotals, u64) {
        self.stop.0.store(true, Ordering::Release);
        let totals = ToyTotals {
            market: self.kernel.totals,
            scans: self.kernel.scans,
            acks: self.kernel.acks,
            feed: self.egress.totals,
            journal: self.journal.join().expect("the toy journal does not panic"),
        };
        (totals, self.kernel.digest)
    }
}

fn journal(mut records: Rx<u64>, nap: Duration, stop: &AtomicBool) -> (u64, u64) {
    let mut totals = (0, 0u64);
    loop {
        let stopped = stop.load(Ordering::Acquire);
        while let Some(digest) = records.pop() {
            totals = (totals.0 + 1, totals.1.wrapping_add(digest));
            if !nap.is_zero() {
                std::thread::sleep(nap);
            }
        }
        if stopped {
            return totals;
        }
        std::thread::yield_now();
    }
}

/// A link end that keeps the message the ring had no room for.
#[derive(Debug)]
struct Sender<T> {
    tx: Tx<T>,
    kept: Option<T>,
}

impl<T> Sender<T> {
    fn new(tx: Tx<T>) -> Self {
        Self { tx, kept: None }
    }

    /// True when the next message can be sent.
    fn is_free(&mut self) -> bool {
        if let Some(message) = self.kept.take() {
            self.send(message);
        }
        self.kept.is_none()
    }

    /// Sends or keeps.
    fn send(&mut self, message: T) {
        if let Err(Full(message)) = self.tx.push(message) {
            self.kept = Some(message);
        }
    }
}

/// Makes quotes.
#[derive(Debug)]
pub struct ToyIngest {
    links: [Tx<MarketMsg>; 3],
    events: u64,
    step_ns: i64,
    next: u64,
    now: Nanos,
    drains: bool,
    /// Polls so far, for whoever watches from outside.
    pub polls: Arc<AtomicU64>,
}

impl ToyIngest {
    /// Writes every quote to all links, in order.
    #[must_use]
    pub fn new(shape: &ToyShape, links: [Tx<MarketMsg>; 3]) -> Self {
        Self {
            links,
            events: shape.events,
            step_ns: shape.step_ns,
            next: 0,
            now: Nanos::ZERO,
            drains: shape.says_drained,
            polls: Arc::default(),
        }
    }

    fn moment(&self) -> Nanos {
        START.plus(i64::try_from(self.next / 3).unwrap_or(i64::MAX).saturating_mul(self.step_ns))
    }
}

impl Stage for ToyIngest {
    fn name(&self) -> &'static str {
        "ingest"
    }

    fn poll(&mut self, now: Nanos) -> Work {
        self.polls.fetch_add(1, Ordering::Relaxed);
        self.now = now;
        let mut work = Work::NONE;
        while self.next < self.events && self.moment() <= now && work.count < BUDGET {
            if self.links.iter().any(|link| link.free() == 0) {
                work.backpressured = true;
                break;
            }
            let mark = Price::from_raw(i64::try_from(self.next).unwrap_or(i64::MAX));
            let body = MarketBody::Quote { bid: mark, ask: mark, bid_qty: None, ask_qty: None };
            let mut message = MarketMsg::from_body(InstrumentId::new(0), self.moment(), None, body);
            message.seq = u32::try_from(self.next).unwrap_or(u32::MAX);
            for link in &mut self.links {
                link.push(message).expect("room was checked");
            }
            self.next += 1;
            work.count += 1;
        }
        work
    }

    fn next_deadline(&self) -> Option<Nanos> {
        (self.next < self.events).then(|| self.moment())
    }

    fn drained(&self) -> bool {
        self.drains && self.next_deadline().is_none_or(|deadline| deadline > self.now)
    }

    fn finished(&self) -> bool {
        self.next == self.events
    }
}

/// Sends a scan per hundred quotes.
#[derive(Debug)]
pub struct ToySignal {
    tap: Rx<MarketMsg>,
    scan: Sender<ScanMsg>,
    seen: u32,
    drains: bool,
}

impl ToySignal {
    /// Scans what comes on the tap.
    #[must_use]
    pub fn new(shape: &ToyShape, tap: Rx<MarketMsg>, scan: Tx<ScanMsg>) -> Self {
        Self { tap, scan: Sender::new(scan), seen: 0, drains: shape.says_drained }
    }
}

impl Stage for ToySignal {
    fn name(&self) -> &'static str {
        "signal"
    }

    fn poll(&mut self, now: Nanos) -> Work {
        let mut work = Work::NONE;
        while work.count < BUDGET {
            if !self.scan.is_free() {
                work.backpressured = true;
                break;
            }
            if self.tap.pop().is_none() {
                break;
            }
            work.count += 1;
            self.seen += 1;
            if self.seen.is_multiple_of(100) {
                self.scan.send(ScanMsg::Scan(Scan {
                    ts_ns: now,
                    number: self.seen / 100,
                    active: 0,
                    ranked: 0,
                    vel_div: None,
                    velocity_50: None,
                    velocity_750: None,
                    vol: None,
                    vol_ok: false,
                    picker_warm: false,
                }));
            }
        }
        work
    }

    fn drained(&self) -> bool {
        self.drains && self.tap.is_empty() && self.scan.kept.is_none()
    }
}

/// Sends a command and a digest per fifty quotes.
#[derive(Debug)]
pub struct ToyKernel {
    market: Rx<MarketMsg>,
    scan: Rx<ScanMsg>,
    ack: Rx<VenueMsg>,
    command: Tx<CommandMsg>,
    backlog: VecDeque<CommandMsg>,
    record: Tx<u64>,
    totals: (u64, u64),
    scans: u64,
    acks: (u64, u64),
    digest: u64,
    /// The mask of the thread of the first poll.
    pub mask: Option<CoreSet>,
    drains: bool,
}

impl ToyKernel {
    /// Reads market, scans and answers; writes commands and digests.
    #[must_use]
    pub fn new(
        shape: &ToyShape,
        (market, scan, ack): (Rx<MarketMsg>, Rx<ScanMsg>, Rx<VenueMsg>),
        command: Tx<CommandMsg>,
        record: Tx<u64>,
    ) -> Self {
        Self {
            market,
            scan,
            ack,
            command,
            backlog: VecDeque::new(),
            record,
            totals: (0, 0),
            scans: 0,
            acks: (0, 0),
            digest: 0,
            mask: None,
            drains: shape.says_drained,
        }
    }

    fn is_empty(&self) -> bool {
        self.ack.is_empty() && self.scan.is_empty() && self.market.is_empty()
    }

    fn digest(&mut self, kind: u64, number: u64, now: Nanos) {
        for word in [kind, number, now.get().unsigned_abs()] {
            self.digest = (self.digest ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(17);
        }
    }
}

impl Stage for ToyKernel {
    fn name(&self) -> &'static str {
        "kernel"
    }

    fn poll(&mut self, now: Nanos) -> Work {
        if self.mask.is_none() {
            self.mask = current_mask().ok();
        }
        let mut work = Work::NONE;
        // Never waits for egress: what does not fit goes later.
        while self.command.free() > 0
            && let Some(command) = self.backlog.pop_front()
        {
            self.command.push(command).expect("room was checked");
            work.count += 1;
        }
        // Waits for the journal before it begins, with room for a whole budget, or not at all.
        if self.record.free() < RECORDS_PER_POLL && !self.is_empty() {
            work.backpressured = true;
            return work;
        }
        while work.count < BUDGET {
            if let Some(ack) = self.ack.pop() {
                let ClientRef::Own(client) = ack.client else { continue };
                let number = u64::from(client.seq());
                self.acks = (self.acks.0 + 1, self.acks.1 + number);
                self.digest(1, number, now);
            } else if let Some(ScanMsg::Scan(scan)) = self.scan.pop() {
                self.scans += 1;
                self.digest(2, u64::from(scan.number), now);
            } else if let Some(quote) = self.market.pop() {
                let number = u64::from(quote.seq);
                self.totals = (self.totals.0 + 1, self.totals.1 + number);
                self.digest(3, number, now);
                if self.totals.0.is_multiple_of(50) {
                    let command = Command::Query {
                        client: ClientId::new(1, quote.seq),
                        venue_id: TextId::EMPTY,
                        instrument: quote.instrument,
                    };
                    let ts_recv_ns = quote.ts_recv_ns;
                    let message = CommandMsg { ts_decide_ns: now, ts_recv_ns, command };
                    if let Err(Full(message)) = self.command.push(message) {
                        self.backlog.push_back(message);
                    }
                    self.record.push(self.digest).expect("room was made sure of");
                    work.commands += 1;
                }
            } else {
                break;
            }
            work.count += 1;
        }
        work
    }

    fn drained(&self) -> bool {
        self.drains && self.is_empty() && self.backlog.is_empty()
    }
}

/// Answers commands after a latency.
#[derive(Debug)]
pub struct ToyEgress {
    feed: Rx<MarketMsg>,
    command: Rx<CommandMsg>,
    ack: Sender<VenueMsg>,
    waiting: VecDeque<(Nanos, ClientId)>,
    latency_ns: i64,
    now: Nanos,
    totals: (u64, u64),
    /// The mask of the thread of the first poll.
    pub mask: Option<CoreSet>,
    drains: bool,
}

impl ToyEgress {
    /// Answers the commands of one link on another, and swallows a feed.
    #[must_use]
    pub fn new(
        shape: &ToyShape,
        feed: Rx<MarketMsg>,
        command: Rx<CommandMsg>,
        ack: Tx<VenueMsg>,
    ) -> Self {
        Self {
            feed,
            command,
            ack: Sender::new(ack),
            waiting: VecDeque::new(),
            latency_ns: shape.latency_ns,
            now: Nanos::ZERO,
            totals: (0, 0),
            mask: None,
            drains: shape.says_drained,
        }
    }
}

impl Stage for ToyEgress {
    fn name(&self) -> &'static str {
        "egress"
    }

    fn poll(&mut self, now: Nanos) -> Work {
        if self.mask.is_none() {
            self.mask = current_mask().ok();
        }
        self.now = now;
        let mut work = Work::NONE;
        for _ in 0..BUDGET {
            let Some(quote) = self.feed.pop() else { break };
            self.totals = (self.totals.0 + 1, self.totals.1 + u64::from(quote.seq));
            work.count += 1;
        }
        for _ in 0..BUDGET {
            let Some(message) = self.command.pop() else { break };
            if let Command::Query { client, .. } = message.command {
                self.waiting.push_back((now.plus(self.latency_ns), client));
            }
            work.count += 1;
        }
        for _ in 0..BUDGET {
            let Some((due, client)) = self.waiting.front().copied() else { break };
            if due > now {
                break;
            }
            if !self.ack.is_free() {
                work.backpressured = true;
                break;
            }
            self.waiting.pop_front();
            self.ack.send(VenueMsg {
                ts_exch_ns: Maybe::NONE,
                ts_recv_ns: now,
                client: ClientRef::Own(client),
                instrument: None,
                event: VenueEvent::Ambiguous,
            });
            work.count += 1;
        }
        work
    }

    fn next_deadline(&self) -> Option<Nanos> {
        self.waiting.front().map(|(due, _)| *due)
    }

    fn drained(&self) -> bool {
        let is_due = self.waiting.front().is_some_and(|(due, _)| *due <= self.now);
        self.drains && self.feed.is_empty() && self.command.is_empty() && !is_due
    }
}
