//! Several readers as one source in time order.

use pinion_core::id::InstrumentId;
use pinion_core::msg::MarketMsg;
use pinion_core::units::Nanos;

use super::depth::DepthStatus;
use super::reader::{Order, Reader};
use crate::source::{Source, SourceCounts, SourceFault};

/// Recorded market data as a [`Source`]: several files merged by receive time (exchange time where there
/// is none), ties in the order in which they were named.
///
/// Time never steps back: an event further back than the limit is rejected, a nearer one is taken at the
/// latest time of its file. Memory: the unpacker's window and one line per file.
pub struct DataSource {
    feeds: Vec<Feed>,
    backstep_ns_max: i64,
    failed: bool,
}

/// One file.
struct Feed {
    reader: Box<dyn Reader>,
    counts: SourceCounts,
    /// Latest time given out.
    latest: Nanos,
    /// Time of the next event, once asked; `Some(None)` at the end.
    next: Option<Option<Nanos>>,
    /// Gaps that events left out have torn; they go out with the next event.
    torn: Vec<MarketMsg>,
}

impl Feed {
    /// Time of the next event that is not too late.
    fn next_ts(&mut self, backstep_ns_max: i64) -> Result<Option<Nanos>, SourceFault> {
        if let Some(next) = self.next {
            return Ok(next);
        }
        let next = loop {
            let Some(recorded) = self.reader.peek()? else { break None };
            if self.latest.since(recorded) <= backstep_ns_max {
                break Some(recorded.max(self.latest));
            }
            self.reader.take(self.latest, Order::TooLate, &mut self.torn, &mut self.counts)?;
        };
        self.next = Some(next);
        Ok(next)
    }
}

impl DataSource {
    pub(super) fn new(readers: Vec<Box<dyn Reader>>, backstep_ns_max: i64) -> Self {
        let feeds = readers.into_iter().map(|reader| Feed {
            reader,
            counts: SourceCounts::default(),
            latest: Nanos::new(i64::MIN),
            next: None,
            torn: Vec::new(),
        });
        Self { feeds: feeds.collect(), backstep_ns_max, failed: false }
    }

    /// What became of an instrument's depth; `None` when the data has none of it.
    #[must_use]
    pub fn depth(&self, instrument: InstrumentId) -> Option<DepthStatus> {
        self.feeds.iter().find_map(|feed| feed.reader.depth(instrument))
    }
}

impl DataSource {
    /// The feed with the earliest event, and its time. Few files: a plain search beats a heap.
    fn earliest(&mut self) -> Result<Option<(usize, Nanos)>, SourceFault> {
        let mut earliest: Option<(usize, Nanos)> = None;
        for (index, feed) in self.feeds.iter_mut().enumerate() {
            if let Some(at) = feed.next_ts(self.backstep_ns_max)?
                && earliest.is_none_or(|(_, best)| at < best)
            {
                earliest = Some((index, at));
            }
        }
        Ok(earliest)
    }

    /// The source is at its end after a fault.
    fn failing<T>(&mut self, result: Result<T, SourceFault>) -> Result<T, SourceFault> {
        self.failed |= result.is_err();
        result
    }
}

impl Source for DataSource {
    fn next_ts(&mut self) -> Result<Option<Nanos>, SourceFault> {
        if self.failed {
            return Ok(None);
        }
        let earliest = self.earliest();
        Ok(self.failing(earliest)?.map(|(_, at)| at))
    }

    fn next(&mut self, batch: &mut Vec<MarketMsg>) -> Result<(), SourceFault> {
        if self.failed {
            return Ok(());
        }
        let earliest = self.earliest();
        let Some((index, at)) = self.failing(earliest)? else { return Ok(()) };
        let feed = &mut self.feeds[index];
        feed.next = None;
        feed.latest = at;
        batch.append(&mut feed.torn);
        let taken = feed.reader.take(at, Order::Fine, batch, &mut feed.counts);
        self.failing(taken)
    }

    fn counts(&self) -> SourceCounts {
        let mut sum = SourceCounts::default();
        for feed in &self.feeds {
            let one = &feed.counts;
            sum.quote += one.quote;
            sum.trade += one.trade;
            sum.depth += one.depth;
            sum.mark += one.mark;
            sum.bar += one.bar;
            sum.snapshot += one.snapshot;
            sum.gaps += one.gaps;
            sum.ignored += one.ignored;
            for (total, more) in sum.rejected.iter_mut().zip(one.rejected) {
                *total += more;
            }
            sum.bytes += feed.reader.bytes().0;
        }
        sum
    }

    #[expect(clippy::cast_precision_loss, reason = "a progress bar")]
    fn progress(&self) -> f64 {
        let (mut read, mut all) = (0, 0);
        for feed in &self.feeds {
            let (_, packed_read, packed_all) = feed.reader.bytes();
            read += packed_read;
            all += packed_all;
        }
        if all == 0 { 1.0 } else { read as f64 / all as f64 }
    }
}

impl core::fmt::Debug for DataSource {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("DataSource").field("files", &self.feeds.len()).finish_non_exhaustive()
    }
}
