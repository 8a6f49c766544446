//! Telemetry of the last 15 and 60 minutes, kept up as records come: constant memory, and a reading whose
//! cost does not depend on how much came before.
//!
//! Counts lie in a ring of 15-second buckets, ends of round trips in a ring of [`CLOSES_MAX`]. The same
//! code is fed by the engine ([`Event::of`]) and by a run's files ([`crate::reader`]).

mod event;
mod reasons;
mod report;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod tests_support;

use std::collections::VecDeque;

use pinion_core::msg::record::{DecisionReason, FunnelDecision, FunnelReason, FunnelStage};
use pinion_core::units::{Money, Nanos};

pub use event::Event;
pub use reasons::{REASONS, reason_of};

use crate::telemetry::Telemetry;

/// Width of a bucket.
const BUCKET_NS: i64 = 15 * Nanos::SECOND;
/// Buckets of 15 minutes.
pub(crate) const BUCKETS: usize = 60;
/// Round trips kept of an hour: more than that many slots can close. What is beyond goes, oldest first.
pub const CLOSES_MAX: usize = 4_096;
/// Assets counted one by one; further ones count in the sums only.
pub const ASSETS_MAX: usize = 1_024;
const MINUTE_NS: i64 = 60 * Nanos::SECOND;
const HOUR_NS: i64 = 60 * MINUTE_NS;
/// What the books said longer ago is not known any more.
const BOOKS_AGE_NS: i64 = 5 * MINUTE_NS;

/// Counts of 15 seconds.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    /// Which 15 seconds since the epoch; negative: empty.
    id: i64,
    lines: u64,
    passed: u64,
    gate_passed: u64,
    planned: u64,
    opened: u64,
    entry_rejects: u64,
    exit_rejects: u64,
    /// Refusals by reason: filters, quality gate, plan.
    filter: Vec<u32>,
    gate: Vec<u32>,
    plan: Vec<u32>,
    /// By asset: opens, and refusals for its state.
    opens: Vec<u32>,
    barred: Vec<u32>,
}

impl Bucket {
    fn new() -> Self {
        Self {
            id: -1,
            lines: 0,
            passed: 0,
            gate_passed: 0,
            planned: 0,
            opened: 0,
            entry_rejects: 0,
            exit_rejects: 0,
            filter: vec![0; REASONS],
            gate: vec![0; REASONS],
            plan: vec![0; REASONS],
            opens: Vec::new(),
            barred: Vec::new(),
        }
    }

    fn begin(&mut self, id: i64) {
        for counts in
            [&mut self.filter, &mut self.gate, &mut self.plan, &mut self.opens, &mut self.barred]
        {
            counts.fill(0);
        }
        self.id = id;
        self.lines = 0;
        self.passed = 0;
        self.gate_passed = 0;
        self.planned = 0;
        self.opened = 0;
        self.entry_rejects = 0;
        self.exit_rejects = 0;
    }
}

fn bump(counts: &mut Vec<u32>, place: usize) {
    if place >= ASSETS_MAX {
        return;
    }
    if counts.len() <= place {
        counts.resize(place + 1, 0);
    }
    counts[place] = counts[place].saturating_add(1);
}

/// A round trip that ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Close {
    ts_ns: i64,
    instrument: usize,
    reason: Option<DecisionReason>,
    pnl: Option<Money>,
    percent: Option<f64>,
}

/// What the books said last.
#[derive(Clone, Copy, Debug)]
struct Books {
    ts_ns: i64,
    closed: u64,
    wins: u64,
    losses: u64,
    realized: Money,
}

/// See the module. Owner: the tuner.
#[derive(Clone, Debug)]
pub struct Windows {
    buckets: Vec<Bucket>,
    closes: VecDeque<Close>,
    books: Option<Books>,
    open: Option<(i64, u64)>,
    first_ns: Option<i64>,
    last_ns: i64,
    missed_at_ns: Option<i64>,
    missed: u64,
}

impl Default for Windows {
    fn default() -> Self {
        Self::new()
    }
}

impl Windows {
    /// Nothing seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            buckets: vec![Bucket::new(); BUCKETS],
            closes: VecDeque::with_capacity(CLOSES_MAX),
            books: None,
            open: None,
            first_ns: None,
            last_ns: 0,
            missed_at_ns: None,
            missed: 0,
        }
    }

    /// Memory that it holds, in bytes: bounded, whatever the length of the run.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let counts = self.buckets.iter().flat_map(|bucket| {
            [&bucket.filter, &bucket.gate, &bucket.plan, &bucket.opens, &bucket.barred]
        });
        let counted: usize = counts.map(|counts| counts.capacity() * size_of::<u32>()).sum();
        size_of::<Self>()
            + counted
            + self.buckets.capacity() * size_of::<Bucket>()
            + self.closes.capacity() * size_of::<Close>()
    }

    /// Takes one event. What is older than the window is dropped; so files can be fed one after another.
    pub fn take(&mut self, ts: Nanos, event: &Event) {
        let ts_ns = ts.get();
        self.first_ns = Some(self.first_ns.map_or(ts_ns, |first| first.min(ts_ns)));
        self.last_ns = self.last_ns.max(ts_ns);
        if let Event::Trade { stage: FunnelStage::TradeClose, .. } = event {
            self.note_close(ts_ns, event);
        }
        match *event {
            Event::Summary { closed, wins, losses, realized, open } => {
                if self.books.is_none_or(|books| books.ts_ns <= ts_ns) {
                    self.books = Some(Books { ts_ns, closed, wins, losses, realized });
                }
                self.note_open(ts_ns, open);
            }
            Event::Open { positions } => self.note_open(ts_ns, positions),
            Event::Candidate { .. }
            | Event::Trade { .. }
            | Event::Rejected { .. }
            | Event::Settings { .. }
            | Event::Other => {}
        }
        let id = ts_ns.div_euclid(BUCKET_NS);
        let place = usize::try_from(id.rem_euclid(BUCKETS as i64)).unwrap_or(0);
        let bucket = &mut self.buckets[place];
        if id < bucket.id {
            return;
        }
        if id > bucket.id {
            bucket.begin(id);
        }
        bucket.lines += 1;
        count(bucket, event);
    }

    fn note_open(&mut self, ts_ns: i64, positions: u64) {
        if self.open.is_none_or(|(at, _)| at <= ts_ns) {
            self.open = Some((ts_ns, positions));
        }
    }

    fn note_close(&mut self, ts_ns: i64, event: &Event) {
        let Event::Trade { instrument, reason, pnl, percent, .. } = *event else { return };
        let reason = match reason {
            FunnelReason::Policy(reason) => Some(reason),
            FunnelReason::None
            | FunnelReason::Filter(_)
            | FunnelReason::Funnel(_)
            | FunnelReason::Guard(_) => None,
        };
        if self.closes.len() == CLOSES_MAX {
            self.closes.pop_front();
        }
        self.closes.push_back(Close { ts_ns, instrument, reason, pnl, percent });
    }

    /// Records were lost before they came here: what is measured is not the whole.
    pub const fn note_missed(&mut self, ts: Nanos, records: u64) {
        self.missed = self.missed.saturating_add(records);
        self.missed_at_ns = Some(ts.get());
    }

    /// Records lost so far.
    #[must_use]
    pub const fn missed(&self) -> u64 {
        self.missed
    }

    /// Time of the newest event.
    #[must_use]
    pub const fn last(&self) -> Nanos {
        Nanos::new(self.last_ns)
    }

    /// Since the first event, in seconds.
    #[must_use]
    pub fn age_s(&self, now: Nanos) -> Option<u64> {
        let first = self.first_ns?;
        u64::try_from(now.get().saturating_sub(first) / Nanos::SECOND).ok()
    }

    /// What is known at `now`, the counts over `minutes` (1 to 15); `symbol` names an asset. Nothing is
    /// known before the first event, and nothing within the hour in which records were lost.
    #[must_use]
    pub fn telemetry(
        &self,
        now: Nanos,
        minutes: i64,
        symbol: &dyn Fn(usize) -> String,
    ) -> Telemetry {
        let lost = self.missed_at_ns.is_some_and(|at| now.get().saturating_sub(at) < HOUR_NS);
        if self.first_ns.is_none() || lost {
            return Telemetry::default();
        }
        report::telemetry(self, now.get(), minutes.clamp(1, 15), symbol)
    }

    /// Buckets that ended within so many minutes before `now`, the one that `now` is in included.
    fn recent(&self, now_ns: i64, minutes: i64) -> impl Iterator<Item = &Bucket> {
        let last = now_ns.div_euclid(BUCKET_NS);
        let first = last - minutes * (MINUTE_NS / BUCKET_NS) + 1;
        self.buckets.iter().filter(move |bucket| bucket.id >= first && bucket.id <= last)
    }

    fn closes_since(&self, since_ns: i64, now_ns: i64) -> impl Iterator<Item = &Close> {
        self.closes.iter().filter(move |c| c.ts_ns > since_ns && c.ts_ns <= now_ns)
    }
}

fn count(bucket: &mut Bucket, event: &Event) {
    match *event {
        Event::Candidate { stage, decision, reason, .. } => match (stage, decision) {
            (FunnelStage::PostFilters, _) => bucket.passed += 1,
            (FunnelStage::QualityGate, FunnelDecision::Pass) => bucket.gate_passed += 1,
            (FunnelStage::FilterFail, _) => bump(&mut bucket.filter, reason_of(reason)),
            (FunnelStage::QualityGate, _) => bump(&mut bucket.gate, reason_of(reason)),
            (
                FunnelStage::PlanTrade
                | FunnelStage::TradeOpen
                | FunnelStage::TradePartial
                | FunnelStage::TradeClose,
                _,
            ) => {}
        },
        Event::Trade { instrument, stage, decision, reason, .. } => match (stage, decision) {
            (FunnelStage::PlanTrade, FunnelDecision::Ok) => bucket.planned += 1,
            (FunnelStage::PlanTrade, _) => {
                bump(&mut bucket.plan, reason_of(reason));
                if reasons::is_barred(reason) {
                    bump(&mut bucket.barred, instrument);
                }
            }
            (FunnelStage::TradeOpen, _) => {
                bucket.opened += 1;
                bump(&mut bucket.opens, instrument);
            }
            (
                FunnelStage::FilterFail
                | FunnelStage::PostFilters
                | FunnelStage::QualityGate
                | FunnelStage::TradePartial
                | FunnelStage::TradeClose,
                _,
            ) => {}
        },
        Event::Rejected { is_exit: false } => bucket.entry_rejects += 1,
        Event::Rejected { is_exit: true } => bucket.exit_rejects += 1,
        Event::Summary { .. } | Event::Open { .. } | Event::Settings { .. } | Event::Other => {}
    }
}
