//! The depth of one instrument in one file: may an update be applied, and what does it imply.

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
    implied: Option<Implied>,
    has_ids: bool,
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
        Self { sync: DepthSync::default(), implied, has_ids: true }
    }

    pub(super) fn status(&self) -> DepthStatus {
        DepthStatus {
            last_update_id: self.sync.last().filter(|_| self.has_ids),
            applied: self.sync.applied(),
            dropped_before_snapshot: self.sync.dropped(),
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
        self.levels(stamp, sides, out, counts);
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
        match self.sync.diff(ids) {
            Verdict::Drop => {}
            Verdict::Break => self.gap(stamp, out, counts),
            Verdict::Apply => self.levels(stamp, sides, out, counts),
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

    fn levels(
        &mut self,
        stamp: Stamp,
        sides: Sides<'_>,
        out: &mut Vec<MarketMsg>,
        counts: &mut SourceCounts,
    ) {
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
        if let Some(implied) = &mut self.implied
            && let Some(quote) = implied.quote(counts)
        {
            out.push(stamp.message(quote));
        }
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
