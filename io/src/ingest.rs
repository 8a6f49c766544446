//! The ingest stage: takes events from a source when their time has come and puts them on the links.

use pinion_core::link::{MarketTx, Tx};
use pinion_core::msg::{MarketKind, MarketMsg};
use pinion_core::stage::{Stage, Work};
use pinion_core::units::Nanos;

use crate::source::{Source, SourceCounts, SourceFault};

/// Messages that one poll puts on a link at most. A book snapshot is longer and takes several polls.
pub const BUDGET: usize = 256;

/// What to do when the kernel's or the signal's link is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Wait: a recording loses and merges nothing.
    Wait,
    /// Merge to the latest value and count it, as a live market must; on the signal's link likewise. The
    /// paper venue's link still waits.
    Conflate,
}

/// Moves one event a poll, at its time, from a source to the kernel (`market`), the signal (`tap`) and,
/// where there is one, the paper venue (`feed`).
///
/// Quotes, trades, marks, bars and gaps go to all three; book levels and resets to the feed alone. Nothing
/// is allocated once the longest event was seen.
#[derive(Debug)]
pub struct IngestStage<S> {
    source: S,
    market: MarketTx,
    tap: MarketTx,
    feed: Option<Tx<MarketMsg>>,
    when_full: WhenFull,
    /// The event on its way; `sent` messages of it have left.
    batch: Vec<MarketMsg>,
    sent: usize,
    seq: u32,
    last_ts: Option<Nanos>,
    /// Time of the last poll; `None` before the first.
    polled: Option<Nanos>,
    /// Time of the source's next event; `None` at its end.
    next: Option<Nanos>,
    fault: Option<SourceFault>,
}

impl<S: Source> IngestStage<S> {
    /// A stage at the beginning of its source; the first event is looked up here.
    #[must_use]
    pub fn new(
        mut source: S,
        market: MarketTx,
        tap: MarketTx,
        feed: Option<Tx<MarketMsg>>,
        when_full: WhenFull,
    ) -> Self {
        let (next, fault) = match source.next_ts() {
            Ok(next) => (next, None),
            Err(fault) => (None, Some(fault)),
        };
        Self {
            source,
            market,
            tap,
            feed,
            when_full,
            batch: Vec::with_capacity(2 * BUDGET),
            sent: 0,
            seq: 0,
            last_ts: None,
            polled: None,
            next,
            fault,
        }
    }

    /// Why the source ended early.
    #[must_use]
    pub const fn fault(&self) -> Option<&SourceFault> {
        self.fault.as_ref()
    }

    /// What the source has seen.
    #[must_use]
    pub fn counts(&self) -> SourceCounts {
        self.source.counts()
    }

    /// Messages merged on the kernel's link.
    #[must_use]
    pub const fn conflated(&self) -> u64 {
        self.market.conflated()
    }

    /// Share of the source that was read, 0 to 1.
    #[must_use]
    pub fn progress(&self) -> f64 {
        self.source.progress()
    }

    /// Time of the last event taken.
    #[must_use]
    pub const fn last_ts(&self) -> Option<Nanos> {
        self.last_ts
    }

    /// The source, for what only it knows.
    #[must_use]
    pub const fn source(&self) -> &S {
        &self.source
    }

    /// Takes the next event when its time has come; true when it did.
    fn take(&mut self, now: Nanos) -> bool {
        let Some(at) = self.next.filter(|at| *at <= now) else { return false };
        self.batch.clear();
        self.sent = 0;
        let taken = self.source.next(&mut self.batch);
        self.last_ts = Some(at);
        match taken.and_then(|()| self.source.next_ts()) {
            Ok(next) => self.next = next,
            Err(fault) => {
                self.next = None;
                self.fault = Some(fault);
            }
        }
        true
    }

    /// Puts what waits on the links; returns how many messages left, and whether a full link stopped it.
    fn send(&mut self) -> (u32, bool) {
        let mut moved = 0;
        while let Some(message) = self.batch.get(self.sent) {
            if moved == BUDGET {
                return (count(moved), false);
            }
            if !self.has_room(message.kind()) {
                return (count(moved), true);
            }
            let mut message = *message;
            message.seq = self.seq;
            self.seq = self.seq.wrapping_add(1);
            self.push(message);
            self.sent += 1;
            moved += 1;
        }
        (count(moved), false)
    }

    /// Messages wait in merging cells.
    const fn is_merging(&self) -> bool {
        self.market.is_waiting() || self.tap.is_waiting()
    }

    fn has_room(&self, kind: MarketKind) -> bool {
        let feed = self.feed.as_ref().is_none_or(|feed| feed.free() > 0);
        if is_book_detail(kind) {
            return feed;
        }
        let merges = self.when_full == WhenFull::Conflate;
        feed && (merges || (self.market.free() > 0 && self.tap.free() > 0))
    }

    fn push(&mut self, message: MarketMsg) {
        // Room was checked, and this end is the only producer: a push cannot be refused.
        let fed = self.feed.as_mut().is_none_or(|feed| feed.push(message).is_ok());
        debug_assert!(fed, "room in the feed was checked");
        if !is_book_detail(message.kind()) {
            self.market.push(message);
            self.tap.push(message);
        }
    }
}

const fn is_book_detail(kind: MarketKind) -> bool {
    match kind {
        MarketKind::Level | MarketKind::Reset => true,
        MarketKind::Quote
        | MarketKind::Trade
        | MarketKind::Mark
        | MarketKind::Bar
        | MarketKind::Gap => false,
    }
}

/// At most [`BUDGET`] and a few.
fn count(messages: usize) -> u32 {
    u32::try_from(messages).unwrap_or(u32::MAX)
}

impl<S: Source> Stage for IngestStage<S> {
    fn name(&self) -> &'static str {
        "ingest"
    }

    fn poll(&mut self, now: Nanos) -> Work {
        self.polled = Some(now);
        let flushed = Work::done(count(self.market.flush() + self.tap.flush()));
        let idle = self.sent == self.batch.len();
        let taken = Work::done(u32::from(idle && self.take(now)));
        let (sent, backpressured) = self.send();
        flushed.and(taken).and(Work { count: sent, commands: 0, backpressured })
    }

    fn next_deadline(&self) -> Option<Nanos> {
        if self.sent < self.batch.len() || self.is_merging() {
            return self.last_ts;
        }
        self.next
    }

    fn drained(&self) -> bool {
        let ahead = self.polled.is_some_and(|now| self.next.is_none_or(|next| next > now));
        ahead && self.sent == self.batch.len() && !self.is_merging()
    }

    fn finished(&self) -> bool {
        self.next.is_none() && self.sent == self.batch.len() && !self.is_merging()
    }
}

#[cfg(test)]
mod tests;
