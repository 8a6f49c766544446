//! The depth of one instrument in one file: may an update be applied, and what does it imply.

use core::mem;

use pinion_core::book::{Book, DepthSync, DiffIds, LEVELS_MAX, Level, Verdict};
use pinion_core::id::InstrumentId;
use pinion_core::msg::{MarketBody, MarketMsg, Side};
use pinion_core::units::Nanos;

use crate::source::SourceCounts;

/// What became of the depth of one instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DepthStatus {
    /// Id of the last update in the book; `None` before a snapshot and where the recording has no ids.
    pub last_update_id: Option<u64>,
    /// Changes applied.
    pub applied: u64,
    /// Changes left out before a snapshot, or already in it.
    pub dropped_before_snapshot: u64,
    /// Times at which updates were missing.
    pub chain_breaks: u64,
}

/// Where an event belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub(super) instrument: InstrumentId,
    /// Receive time, never decreasing within a source.
    pub(super) at: Nanos,
    pub(super) exchange: Option<Nanos>,
}

impl Stamp {
    pub(super) fn message(self, body: MarketBody) -> MarketMsg {
        MarketMsg::from_body(self.instrument, self.at, self.exchange, body)
    }
}

/// Update-id chain of one instrument, and its book where quotes must be derived from it.
#[derive(Debug, Default)]
pub(super) struct DepthState {
    sync: DepthSync,
    early: Early,
    implied: Option<Implied>,
    has_ids: bool,
}

/// Most changes that are kept for a snapshot; half a minute of a busy book.
const EARLY_MAX: usize = 2_048;

/// Changes that arrived while there was no usable book: the next snapshot was taken before some of them.
#[derive(Debug, Default)]
struct Early {
    changes: Vec<EarlyChange>,
    bids: Vec<Level>,
    asks: Vec<Level>,
    /// Changes that found no room.
    lost: u64,
}

/// A kept change; its levels end at these positions and begin where those of the one before end.
#[derive(Clone, Copy, Debug)]
struct EarlyChange {
    ids: DiffIds,
    exchange: Option<Nanos>,
    bids_end: usize,
    asks_end: usize,
}

impl Early {
    fn keep(&mut self, ids: DiffIds, exchange: Option<Nanos>, sides: Sides<'_>) {
        if self.changes.len() == EARLY_MAX {
            // A snapshot that still joins changes this old does not come; start over.
            self.lost += EARLY_MAX as u64;
            self.clear();
        }
        self.bids.extend_from_slice(sides.bids);
        self.asks.extend_from_slice(sides.asks);
        let (bids_end, asks_end) = (self.bids.len(), self.asks.len());
        self.changes.push(EarlyChange { ids, exchange, bids_end, asks_end });
    }

    fn clear(&mut self) {
        self.changes.clear();
        self.bids.clear();
        self.asks.clear();
    }
}

#[derive(Debug)]
struct Implied {
    book: Book,
    top: Option<(Level, Level)>,
}

impl DepthState {
    /// With `derive_quotes` every change of the touch gives a quote.
    pub(super) fn new(derive_quotes: bool) -> Self {
        let implied = derive_quotes.then(|| Implied { book: Book::new(LEVELS_MAX), top: None });
        Self { sync: DepthSync::default(), early: Early::default(), implied, has_ids: true }
    }

    pub(super) fn status(&self) -> DepthStatus {
        DepthStatus {
            last_update_id: self.sync.last().filter(|_| self.has_ids),
            applied: self.sync.applied(),
            dropped_before_snapshot: self.sync.dropped()
                + self.early.lost
                + self.early.changes.len() as u64,
            chain_breaks: self.sync.breaks(),
        }
    }

    /// The next id of a recording that has none: it counts its updates.
    pub(super) fn next_id(&mut self) -> u64 {
        self.has_ids = false;
        self.sync.last().unwrap_or(0) + 1
    }

    /// A full book: empties and fills it.
    pub(super) fn snapshot(
        &mut self,
        stamp: Stamp,
        last: u64,
        sides: Sides<'_>,
        out: &mut Vec<MarketMsg>,
        counts: &mut SourceCounts,
    ) {
        if let Some(reason) = sides.nonsense() {
            self.lose(stamp, reason, out, counts);
            return;
        }
        counts.snapshot += 1;
        self.sync.snapshot(last);
        out.push(stamp.message(MarketBody::Reset));
        if let Some(implied) = &mut self.implied {
            implied.book.clear();
        }
        self.levels(stamp, sides, out);
        self.catch_up(stamp, out, counts);
        self.quote(stamp, out, counts);
    }

    /// Applies the changes that were kept for this snapshot.
    fn catch_up(&mut self, stamp: Stamp, out: &mut Vec<MarketMsg>, counts: &mut SourceCounts) {
        let mut early = mem::take(&mut self.early);
        let (mut bids_from, mut asks_from) = (0, 0);
        for (at, change) in early.changes.iter().enumerate() {
            let EarlyChange { ids, exchange, bids_end, asks_end } = *change;
            let sides = Sides {
                bids: &early.bids[bids_from..bids_end],
                asks: &early.asks[asks_from..asks_end],
            };
            match self.sync.diff(ids) {
                Verdict::Drop => {}
                Verdict::Apply => self.levels(Stamp { exchange, ..stamp }, sides, out),
                Verdict::Break => {
                    self.gap(stamp, out, counts);
                    // Only a later snapshot helps now, and it will be newer than these.
                    early.lost += (early.changes.len() - at) as u64;
                    break;
                }
            }
            (bids_from, asks_from) = (bids_end, asks_end);
        }
        early.clear();
        self.early = early;
    }

    /// Changes of the book.
    pub(super) fn diff(
        &mut self,
        stamp: Stamp,
        ids: DiffIds,
        sides: Sides<'_>,
        out: &mut Vec<MarketMsg>,
        counts: &mut SourceCounts,
    ) {
        if let Some(reason) = sides.nonsense() {
            self.lose(stamp, reason, out, counts);
            return;
        }
        counts.depth += 1;
        if !self.sync.is_usable() {
            self.early.keep(ids, stamp.exchange, sides);
            return;
        }
        match self.sync.diff(ids) {
            Verdict::Drop => {}
            Verdict::Break => {
                self.gap(stamp, out, counts);
                self.early.keep(ids, stamp.exchange, sides);
            }
            Verdict::Apply => {
                self.levels(stamp, sides, out);
                self.quote(stamp, out, counts);
            }
        }
    }

    /// An update that had to be left out: the book is wrong from here on, so it counts as a gap.
    pub(super) fn lose(
        &mut self,
        stamp: Stamp,
        reason: &'static str,
        out: &mut Vec<MarketMsg>,
        counts: &mut SourceCounts,
    ) {
        counts.reject(reason);
        if self.sync.is_usable() {
            self.sync.lost();
            self.gap(stamp, out, counts);
        }
    }

    fn gap(&mut self, stamp: Stamp, out: &mut Vec<MarketMsg>, counts: &mut SourceCounts) {
        counts.gaps += 1;
        if let Some(implied) = &mut self.implied {
            implied.top = None;
        }
        out.push(stamp.message(MarketBody::Gap));
    }

    fn levels(&mut self, stamp: Stamp, sides: Sides<'_>, out: &mut Vec<MarketMsg>) {
        let count = sides.bids.len() + sides.asks.len();
        let both = sides.bids.iter().map(|level| (Side::Buy, level));
        let both = both.chain(sides.asks.iter().map(|level| (Side::Sell, level)));
        for (at, (side, level)) in both.enumerate() {
            let Level { price, qty } = *level;
            out.push(stamp.message(MarketBody::Level { side, price, qty, last: at + 1 == count }));
            if let Some(implied) = &mut self.implied {
                implied.book.set(side, price, qty);
            }
        }
    }

    /// The quote that the book implies, where nothing else quotes.
    fn quote(&mut self, stamp: Stamp, out: &mut Vec<MarketMsg>, counts: &mut SourceCounts) {
        let quote = self.implied.as_mut().and_then(|implied| implied.quote(counts));
        out.extend(quote.map(|quote| stamp.message(quote)));
    }
}

impl Implied {
    /// The quote that the book implies, when the touch changed.
    fn quote(&mut self, counts: &mut SourceCounts) -> Option<MarketBody> {
        let (bid, ask) = (self.book.best_bid()?, self.book.best_ask()?);
        if self.top == Some((bid, ask)) {
            return None;
        }
        self.top = Some((bid, ask));
        if bid.price > ask.price {
            counts.reject("crossed_book");
            return None;
        }
        Some(MarketBody::Quote {
            bid: bid.price,
            ask: ask.price,
            bid_qty: Some(bid.qty),
            ask_qty: Some(ask.qty),
        })
    }
}

/// Levels of one update.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sides<'a> {
    pub(super) bids: &'a [Level],
    pub(super) asks: &'a [Level],
}

impl Sides<'_> {
    /// The reason for which the whole update makes no sense.
    fn nonsense(self) -> Option<&'static str> {
        self.bids.iter().chain(self.asks).find_map(|level| {
            if !level.price.is_positive() {
                Some("bad_price")
            } else if level.qty.raw() < 0 {
                Some("bad_qty")
            } else {
                None
            }
        })
    }
}
