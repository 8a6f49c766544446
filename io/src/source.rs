//! Sources: where market events come from in time order.
//!
//! Recorded data and the built-in market look the same from here on: a source yields one event at a time,
//! already decoded, checked and normalised, as the messages that the stages need.

use core::fmt;

use pinion_core::msg::MarketMsg;
use pinion_core::units::Nanos;

/// Why a source cannot go on. What makes no sense in itself (a crossed book, a negative price) is not a
/// fault: it is counted in [`SourceCounts::rejected`] and skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFault {
    /// File, folder or other origin.
    pub origin: String,
    /// Line in it, from 1; `None` when the fault is not of one line.
    pub line: Option<u64>,
    /// What was found.
    pub found: String,
    /// What was expected, and how to mend it.
    pub expected: String,
}

impl fmt::Display for SourceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.origin)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        write!(f, ": {}; expected {}", self.found, self.expected)
    }
}

/// Reasons for which an event that could be read is left out.
pub const REJECT_REASONS: &[&str] = &[
    "crossed_book",
    "bad_price",
    "bad_qty",
    "too_precise",
    "out_of_order",
    "unknown_symbol",
    "not_market_trade",
    "unknown_frame",
];

/// What a source has seen. Counts of events, not of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceCounts {
    /// Best-bid-and-ask events.
    pub quote: u64,
    /// Trades.
    pub trade: u64,
    /// Depth updates.
    pub depth: u64,
    /// Mark price events.
    pub mark: u64,
    /// Bars.
    pub bar: u64,
    /// Book snapshots.
    pub snapshot: u64,
    /// Breaks of an update-id chain.
    pub gaps: u64,
    /// Frames that are known and not used: klines, tickers, liquidations, acknowledgements.
    pub ignored: u64,
    /// Left out, by the position of the reason in [`REJECT_REASONS`].
    pub rejected: [u64; REJECT_REASONS.len()],
    /// Bytes read after unpacking.
    pub bytes: u64,
}

impl SourceCounts {
    /// All market events.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.quote + self.trade + self.depth + self.mark + self.bar + self.snapshot
    }

    /// Counts one rejected event; an unknown reason is a programming error.
    ///
    /// # Panics
    /// When `reason` is not one of [`REJECT_REASONS`].
    pub fn reject(&mut self, reason: &str) {
        let index = REJECT_REASONS.iter().position(|known| *known == reason);
        self.rejected[index.expect("invariant: a reason of the table")] += 1;
    }
}

/// Market events in time order.
pub trait Source: Send {
    /// Receive time of the next event, or `None` at the end.
    ///
    /// # Errors
    /// [`SourceFault`]; after one the source is at its end.
    fn next_ts(&mut self) -> Result<Option<Nanos>, SourceFault>;

    /// Appends the messages of exactly one event to `batch` (none when it was rejected). A depth update
    /// is its levels, the last one marked; a snapshot is a reset and its levels; a quote that the book
    /// implies follows its levels.
    ///
    /// # Errors
    /// [`SourceFault`].
    fn next(&mut self, batch: &mut Vec<MarketMsg>) -> Result<(), SourceFault>;

    /// What was seen so far.
    fn counts(&self) -> SourceCounts;

    /// Share of the whole that was read, 0 to 1, for a progress bar.
    fn progress(&self) -> f64;
}

/// A source whose kind is chosen at run time.
impl Source for Box<dyn Source> {
    fn next_ts(&mut self) -> Result<Option<Nanos>, SourceFault> {
        (**self).next_ts()
    }

    fn next(&mut self, batch: &mut Vec<MarketMsg>) -> Result<(), SourceFault> {
        (**self).next(batch)
    }

    fn counts(&self) -> SourceCounts {
        (**self).counts()
    }

    fn progress(&self) -> f64 {
        (**self).progress()
    }
}
