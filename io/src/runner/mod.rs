//! The runner: drives the stages in one of three layouts.
//!
//! The same four stages run *inline* (one thread, virtual time, deterministic), *shared* (all on one pinned
//! core, run to completion) or *dedicated* (ingest, kernel and egress on a core each, signal floating).
//! [`Placement::plan`] chooses by the settings and the cores of this machine; [`run`] runs. The journal has
//! a thread of its own, outside.
//!
//! A turn reads the clock once, polls its stages in the order of the topology, and charges its time to one
//! regime. Nothing here allocates after the start.

mod crew;
mod dedicated;
mod inline;
mod placement;
mod threads;

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use hdrhistogram::Histogram;
use pinion_core::settings::Layout;
use pinion_core::stage::Stage;
use pinion_core::topology::{End, STAGES};
use pinion_core::units::Nanos;

pub use inline::run_inline;
pub use placement::{Placement, choose_layout};
pub use threads::run_threads;

use crate::affinity::AffinityFault;
use crate::regime::Regimes;

/// Stages that the runner drives: all but the journal.
pub const DRIVEN: usize = STAGES.len() - 1;
const _: () = assert!(STAGES[DRIVEN].end as usize == End::Journal as usize);

/// Stream time after the last input in which orders on the way may still come to an end.
pub const GRACE_NS: i64 = 2 * Nanos::SECOND;

/// How long a stage may wait for a full link, or threads for each other at the end, while nothing at all
/// moves. Then whoever reads that link is dead.
const STALL_NS: u64 = 60_000_000_000;

/// The stages of one run. Borrowed: their owner looks at their results afterwards.
#[expect(missing_debug_implementations, reason = "stages are no data")]
pub struct StageSet<'a> {
    /// Market and account bytes in.
    pub ingest: &'a mut dyn Stage,
    /// The regime scan.
    pub signal: &'a mut dyn Stage,
    /// Slots, orders, books, policy.
    pub kernel: &'a mut dyn Stage,
    /// Orders out, or the paper venue.
    pub egress: &'a mut dyn Stage,
}

impl<'a> StageSet<'a> {
    /// In polling order, each with its place in the topology.
    fn in_order(self) -> [(End, &'a mut dyn Stage); DRIVEN] {
        [
            (End::Ingest, self.ingest),
            (End::Signal, self.signal),
            (End::Kernel, self.kernel),
            (End::Egress, self.egress),
        ]
    }
}

/// How fast stream time passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// As fast as the stages can.
    Max,
    /// So many times as fast as real time; a live run is `Times(1.0)` from now.
    Times(f64),
}

impl FromStr for Pace {
    type Err = String;

    /// `max`, or a number from 0.001 to 1,000,000.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        match text.parse::<f64>() {
            Ok(speed) if (1e-3..=1e6).contains(&speed) => Ok(Self::Times(speed)),
            _ => Err(format!(
                "\"{text}\" is no speed; expected \"max\" or a number from 0.001 to 1000000 (1 is real time)"
            )),
        }
    }
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The input ended, and what it caused has come to rest.
    Drained,
    /// The stop flag was set.
    Stopped,
    /// The input has not ended, yet no stage will ever have anything to do: a stage keeps its next
    /// deadline to itself.
    Starved,
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunError {
    /// A thread could not be placed.
    Affinity(AffinityFault),
    /// A stage works and works at one moment.
    Livelock {
        /// The stage that worked last.
        stage: &'static str,
        /// The moment.
        now: Nanos,
        /// Rounds without time moving.
        rounds: u64,
    },
    /// A stage waits for a full link, or does not come to rest at the end, and nothing moves.
    Stalled {
        /// Which.
        stage: &'static str,
        /// The moment.
        now: Nanos,
    },
    /// A stage panicked.
    Panicked {
        /// The thread.
        thread: &'static str,
        /// What it said.
        message: String,
    },
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Affinity(fault) => fault.fmt(f),
            Self::Livelock { stage, now, rounds } => write!(
                f,
                "stage {stage} reports work without end at {} ns ({rounds} rounds); expected it to come \
                 to rest: this is a bug of the stage, please report it with the data of the run",
                now.get()
            ),
            Self::Stalled { stage, now } => write!(
                f,
                "stage {stage} has waited {} s at {} ns for a link with room or for its end, and nothing \
                 moves; the thread that reads its link has died or its disk hangs: see the errors above, \
                 check the disk of the run directory",
                STALL_NS / 1_000_000_000,
                now.get()
            ),
            Self::Panicked { thread, message } => write!(
                f,
                "thread {thread} panicked: {message}; this is a bug, please report it with the data of \
                 the run"
            ),
        }
    }
}

impl std::error::Error for RunError {}

impl From<AffinityFault> for RunError {
    fn from(fault: AffinityFault) -> Self {
        Self::Affinity(fault)
    }
}

/// What one stage did in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageReport {
    /// Its name.
    pub name: &'static str,
    /// Polls.
    pub polls: u64,
    /// Sum of its work counts.
    pub work: u64,
    /// Commands it reported.
    pub commands: u64,
    /// Polls that a full link stopped.
    pub backpressured: u64,
}

/// What one thread did in a run.
#[derive(Clone, Debug)]
pub struct ThreadReport {
    /// `inline`, `shared`, or the name of its one stage.
    pub name: &'static str,
    /// The core it was pinned to; `None`: it floated.
    pub core: Option<usize>,
    /// Times it polled its stages.
    pub turns: u64,
    /// From its start to its end; the regimes sum to exactly this.
    pub elapsed_ns: u64,
    /// Where the time went.
    pub regimes: Regimes,
    /// Durations of the turns that did work.
    pub turn_ns: Histogram<u64>,
    /// Of each of its stages, how long the polls took that did work: from the end of the stage before that
    /// did, or the beginning of the turn. Empty without the feature `stage-latency`.
    pub poll_ns: Vec<(&'static str, Histogram<u64>)>,
}

/// What a run did.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// How the stages were placed.
    pub layout: Layout,
    /// Why it ended.
    pub ending: Ending,
    /// Stream time of the last turn.
    pub last: Nanos,
    /// Real time of the whole run.
    pub wall_ns: u64,
    /// Per stage, in polling order.
    pub stages: Vec<StageReport>,
    /// Per thread, in polling order.
    pub threads: Vec<ThreadReport>,
    /// From the start of a turn to the end of the kernel's poll in it, where the kernel sent a command.
    /// Inline and shared, the turn began by taking the market event in; dedicated, the kernel has its
    /// turns to itself, and ingest and link are not in this figure.
    pub tick_to_order_ns: Histogram<u64>,
}

/// Hears of every turn of an inline run. Costs a call a turn: keep it short.
pub trait TurnObserver {
    /// All is at rest at `now`; `work` messages moved since the last call.
    fn turn(&mut self, now: Nanos, work: u64);
}

/// Hears nothing.
impl TurnObserver for () {
    fn turn(&mut self, _now: Nanos, _work: u64) {}
}

impl TurnObserver for &Progress {
    fn turn(&mut self, now: Nanos, work: u64) {
        self.stream_ns.store(now.get(), Ordering::Relaxed);
        let row = &self.rows[0];
        // One writer: a load and a store are enough, and cheaper than an atomic addition.
        row.turns.store(row.turns.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        row.work.store(row.work.load(Ordering::Relaxed) + work, Ordering::Relaxed);
    }
}

/// How far a run is: written by the stage threads, read by a progress bar on any other thread.
#[derive(Debug, Default)]
pub struct Progress {
    stream_ns: AtomicI64,
    rows: [ProgressRow; DRIVEN],
}

/// One writer each, so each on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct ProgressRow {
    turns: AtomicU64,
    work: AtomicU64,
}

/// A reading of [`Progress`]; the parts may be of slightly different moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgressView {
    /// Stream time; [`Nanos::ZERO`] before the first turn.
    pub stream: Nanos,
    /// Turns of all threads.
    pub turns: u64,
    /// Messages moved by all stages.
    pub work: u64,
}

impl Progress {
    /// Reads it.
    #[must_use]
    pub fn view(&self) -> ProgressView {
        let sum = |of: fn(&ProgressRow) -> &AtomicU64| {
            self.rows.iter().map(|row| of(row).load(Ordering::Relaxed)).sum()
        };
        ProgressView {
            stream: Nanos::new(self.stream_ns.load(Ordering::Relaxed)),
            turns: sum(|row| &row.turns),
            work: sum(|row| &row.work),
        }
    }

    /// Totals of one thread, at its housekeeping.
    fn publish(&self, row: usize, turns: u64, work: u64) {
        self.rows[row].turns.store(turns, Ordering::Relaxed);
        self.rows[row].work.store(work, Ordering::Relaxed);
    }

    fn publish_stream(&self, now: Nanos) {
        self.stream_ns.store(now.get(), Ordering::Relaxed);
    }
}

/// Runs the stages as placed, from stream time `start`, until the input has ended and drained or `stop`
/// is set. Inline runs ignore the pace: theirs is virtual time.
///
/// # Errors
/// [`RunError`].
pub fn run(
    set: StageSet<'_>,
    placement: &Placement,
    pace: Pace,
    start: Nanos,
    stop: &AtomicBool,
    progress: &Progress,
) -> Result<RunReport, RunError> {
    match placement.layout {
        Layout::Inline => run_inline(set, start, stop, &mut &*progress),
        Layout::Shared | Layout::Dedicated => {
            run_threads(set, placement, pace, start, stop, progress)
        }
    }
}
