//! Fills told again by REST: after the account socket was away, when it is silent, and now and then.
//!
//! Each instrument that we traded is asked for in turn, page by page. The questions take in the whole run, or
//! since a restart the whole life of every order that was not over then, so that the totals per order are
//! whole and the engine books nothing twice.

use std::collections::VecDeque;

use pinion_core::id::InstrumentId;
use pinion_core::units::Nanos;

use super::super::account_sockets::Lane;
use super::super::rows::FillPage;
use super::super::session::Happened;

/// A page that failed is asked for again after this.
const RETRY_NS: i64 = Nanos::SECOND;
/// Times that a page is asked for.
const TRIES_MAX: u32 = 5;
/// The venue answers for at most seven days.
const SPAN_MS_MAX: u64 = 6 * 86_400_000;
/// By so much a venue may have told a fill late, or an order be older than its first fill.
const OVERLAP_NS: i64 = 3_600 * Nanos::SECOND;
/// Orders of the run may be a little older than it by the venue's clock.
const MARGIN_MS: u64 = 60_000;

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) instrument: InstrumentId,
    pub(super) start_ms: u64,
    pub(super) end_ms: u64,
    /// From 1.
    pub(super) number: u32,
    /// The question takes in the whole life of every order of this run.
    pub(super) is_whole: bool,
}

impl Page {
    /// Rows of a page.
    pub(super) const SIZE: u32 = 1_000;
}

/// Why fills are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// A socket came up.
    Resync(Lane),
    /// A socket is silent.
    Silence(Lane),
    /// It is time.
    Routine,
}

/// The questions under way. Pure; time comes in.
#[derive(Debug, Default)]
pub(super) struct History {
    why: Option<Why>,
    left: VecDeque<InstrumentId>,
    number: u32,
    is_asked: bool,
    not_before: Nanos,
    tries: u32,
    found_more: bool,
    has_failed: bool,
    /// Venue time at which the run began; what is asked for begins here.
    began_ms: Option<u64>,
}

impl History {
    /// An earlier process knew every fill until `known_to`, by the venue's clock: asked for is what came
    /// since, and for a while before.
    pub(super) fn resume(&mut self, known_to: Nanos) {
        let since_ns = known_to.plus(-OVERLAP_NS).get();
        self.began_ms = u64::try_from(since_ns / 1_000_000).ok();
    }

    /// Begins; one under way gives its place.
    pub(super) fn begin(&mut self, why: Why, instruments: impl Iterator<Item = InstrumentId>) {
        self.why = Some(why);
        self.left.clear();
        self.left.extend(instruments);
        self.number = 1;
        self.is_asked = false;
        self.not_before = Nanos::ZERO;
        self.tries = 0;
        self.found_more = false;
        self.has_failed = false;
    }

    pub(super) const fn is_under_way(&self) -> bool {
        self.why.is_some()
    }

    /// What to ask now.
    pub(super) fn next(&mut self, now: Nanos, venue_ms: Option<u64>) -> Option<Page> {
        let venue_ms = venue_ms?;
        let began_ms = *self.began_ms.get_or_insert_with(|| venue_ms.saturating_sub(MARGIN_MS));
        if self.why.is_none() || self.is_asked || now < self.not_before {
            return None;
        }
        let instrument = *self.left.front()?;
        self.is_asked = true;
        let oldest_ms = venue_ms.saturating_sub(SPAN_MS_MAX);
        Some(Page {
            instrument,
            start_ms: began_ms.max(oldest_ms),
            end_ms: venue_ms + MARGIN_MS,
            number: self.number,
            is_whole: began_ms >= oldest_ms && self.number == 1,
        })
    }

    /// The answer came: `None` when it proves nothing; `found_more` when it told of fills that the socket
    /// had not.
    pub(super) fn on_page(&mut self, now: Nanos, page: Option<FillPage>, found_more: bool) {
        if !std::mem::replace(&mut self.is_asked, false) {
            return;
        }
        self.found_more |= found_more;
        let Some(FillPage { rows, total }) = page else {
            self.tries += 1;
            self.not_before = now.plus(RETRY_NS);
            if self.tries >= TRIES_MAX {
                self.has_failed = true;
                self.left.clear();
            }
            return;
        };
        self.tries = 0;
        let so_far = u64::from(self.number - 1) * u64::from(Page::SIZE) + u64::from(rows);
        if rows == Page::SIZE && total.is_none_or(|total| total > so_far) {
            self.number += 1;
        } else {
            self.left.pop_front();
            self.number = 1;
        }
    }

    /// What came of it, once: nothing for the routine and for what failed (the session loses patience).
    pub(super) fn finished(&mut self) -> Option<(Lane, Happened)> {
        if !self.left.is_empty() || self.is_asked {
            return None;
        }
        match self.why.take()? {
            Why::Resync(lane) if !self.has_failed => Some((lane, Happened::Resynced)),
            Why::Silence(lane) if self.found_more => Some((lane, Happened::Mute)),
            Why::Silence(lane) if !self.has_failed => Some((lane, Happened::Agrees)),
            Why::Resync(_) | Why::Silence(_) | Why::Routine => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: i64) -> Nanos {
        Nanos::new(ms * 1_000_000)
    }

    const fn page(rows: u32, total: u64) -> Option<FillPage> {
        Some(FillPage { rows, total: Some(total) })
    }

    #[test]
    fn every_instrument_is_asked_for_page_by_page() {
        let mut history = History::default();
        let instruments = [InstrumentId::new(3), InstrumentId::new(5)];
        history.begin(Why::Resync(Lane::A), instruments.into_iter());
        assert_eq!(history.next(at(0), None), None, "the venue's time is not known");
        let first = history.next(at(0), Some(1_000_000_000)).expect("asked");
        assert_eq!((first.instrument.index(), first.number, first.is_whole), (3, 1, true));
        assert_eq!(history.next(at(0), Some(1_000_000_000)), None, "one at a time");
        history.on_page(at(1), page(1_000, 1_200), false);
        let second = history.next(at(1), Some(1_000_000_001)).expect("asked");
        assert_eq!((second.instrument.index(), second.number, second.is_whole), (3, 2, false));
        history.on_page(at(2), page(200, 1_200), false);
        assert_eq!(history.finished(), None);
        let third = history.next(at(2), Some(1_000_000_002)).expect("asked");
        assert_eq!((third.instrument.index(), third.number), (5, 1));
        history.on_page(at(3), None, false);
        assert_eq!(history.next(at(4), Some(1_000_000_003)), None, "not at once");
        assert!(history.next(at(1_003), Some(1_000_001_003)).is_some());
        history.on_page(at(1_010), page(0, 0), false);
        assert_eq!(history.finished(), Some((Lane::A, Happened::Resynced)));
        assert_eq!(history.finished(), None, "told once");
    }

    #[test]
    fn after_a_restart_it_asks_from_what_was_known_with_an_overlap() {
        let mut history = History::default();
        history.resume(Nanos::new(10_000 * Nanos::SECOND));
        history.begin(Why::Resync(Lane::A), std::iter::once(InstrumentId::new(0)));
        let page = history.next(at(0), Some(20_000_000)).expect("asked");
        assert_eq!((page.start_ms, page.end_ms, page.is_whole), (6_400_000, 20_060_000, true));
        let late = 6_400_000 + SPAN_MS_MAX + 1;
        history.begin(Why::Resync(Lane::A), std::iter::once(InstrumentId::new(0)));
        let page = history.next(at(0), Some(late)).expect("asked");
        assert_eq!((page.start_ms, page.is_whole), (6_400_001, false), "the venue tells no more");
    }

    #[test]
    fn a_silence_is_judged_by_what_rest_tells() {
        let mut history = History::default();
        history.begin(Why::Silence(Lane::B), std::iter::empty());
        assert_eq!(history.finished(), Some((Lane::B, Happened::Agrees)), "nothing was traded");
        history.begin(Why::Silence(Lane::B), std::iter::once(InstrumentId::new(0)));
        assert!(history.next(at(0), Some(9)).is_some());
        history.on_page(at(1), page(1, 1), true);
        assert_eq!(history.finished(), Some((Lane::B, Happened::Mute)));
        history.begin(Why::Silence(Lane::B), std::iter::once(InstrumentId::new(0)));
        for second in 0..5 {
            assert!(history.next(at(second * 1_000), Some(9)).is_some());
            history.on_page(at(second * 1_000), None, false);
        }
        assert_eq!(history.finished(), None, "nobody knows: the session's patience decides");
    }
}
