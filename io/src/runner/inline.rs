//! The inline layout: one thread, virtual time, the same outputs for the same inputs.
//!
//! A turn polls the stages at one moment until all are at rest; then time jumps to the earliest deadline.
//! Real time has no influence: when the kernel waits for the journal's thread, everything waits.
//!
//! Cost beside the stages: about 60 ns a moment where the stages say that they are drained, 13 of them the
//! stopwatch; 105 where they do not, since then all are polled once more (Xeon, no link-time optimisation).

use std::sync::atomic::{AtomicBool, Ordering};

use pinion_core::settings::Layout;
use pinion_core::topology::End;
use pinion_core::units::Nanos;

use super::crew::{ALL, Crew, Deadlines, Halt};
use super::{Ending, GRACE_NS, RunError, RunReport, StageSet, TurnObserver};
use crate::clock::Stopwatch;

/// Rounds that a moment may take. Far beyond any real burst: a round moves whole budgets.
const ROUNDS_MAX: u64 = 1_000_000;

/// Runs the stages on the calling thread from stream time `start`, in virtual time, until the input has
/// ended and nothing is due within [`GRACE_NS`] of it, or `stop` is set.
///
/// # Errors
/// [`RunError::Livelock`], [`RunError::Stalled`].
pub fn run_inline(
    set: StageSet<'_>,
    start: Nanos,
    stop: &AtomicBool,
    observer: &mut dyn TurnObserver,
) -> Result<RunReport, RunError> {
    let stopwatch = Stopwatch::calibrated();
    let started_ns = stopwatch.read_ns();
    let mut run = Virtual {
        crew: Crew::new(set.in_order(), stopwatch),
        stop,
        now: start,
        rounds: 0,
        drain_until: None,
    };
    let ending = loop {
        let Some(work) = run.settle()? else { break Ending::Stopped };
        observer.turn(run.now, work);
        match run.next(work)? {
            Next::At(moment) => {
                run.now = moment;
                run.rounds = 0;
            }
            Next::Again => {}
            Next::Never(ending) => break ending,
        }
    };
    let last = run.now;
    let report = run.crew.finish("inline", None);
    Ok(RunReport {
        layout: Layout::Inline,
        ending,
        last,
        wall_ns: stopwatch.read_ns().saturating_sub(started_ns),
        stages: report.stages,
        threads: vec![report.thread],
        tick_to_order_ns: report.tick_to_order_ns,
    })
}

/// What follows a moment at which all is at rest.
enum Next {
    /// Time jumps.
    At(Nanos),
    /// Something is due at this very moment still.
    Again,
    /// The run is over.
    Never(Ending),
}

struct Virtual<'a, 'stage> {
    crew: Crew<'stage>,
    stop: &'a AtomicBool,
    now: Nanos,
    /// Rounds at this moment.
    rounds: u64,
    /// Known once the input has ended.
    drain_until: Option<Nanos>,
}

impl Virtual<'_, '_> {
    /// Polls until all stages are at rest; returns the work done, or `None` when the stop flag is set.
    fn settle(&mut self) -> Result<Option<u64>, RunError> {
        if self.stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let mut total = 0;
        let mut pending = ALL;
        while pending != 0 {
            self.crew.begin();
            let mut round = self.crew.round(self.now, pending, Some(self.stop));
            if let (0, Some(end), None) = (round.work, round.blocked, round.halt) {
                round = self.crew.wait_for_room(self.now, end, self.stop);
            }
            match round.halt {
                None => {}
                Some(Halt::Stopped) => return Ok(None),
                Some(Halt::Stalled(end)) => {
                    let stage = self.crew.name(end);
                    return Err(RunError::Stalled { stage, now: self.now });
                }
            }
            total += round.work;
            pending = round.pending;
            self.count_round(round.worked)?;
        }
        Ok(Some(total))
    }

    fn next(&mut self, work: u64) -> Result<Next, RunError> {
        let Deadlines { ahead, due, first } = self.crew.deadlines(self.now);
        if let Some(end) = due {
            // After work there may be more of it at this moment (an input stopped by its budget). A stage
            // that tells a passed deadline and does nothing holds nobody up, except ingest when nothing
            // else would ever call it again.
            let only_ingest = end == End::Ingest && ahead.is_none();
            if work > 0 || only_ingest {
                self.count_round(Some(end))?;
                return Ok(Next::Again);
            }
        }
        if self.drain_until.is_none() && first.is_none() {
            self.drain_until = self.crew.first_is_finished().then(|| self.now.plus(GRACE_NS));
        }
        Ok(match (ahead, self.drain_until) {
            (Some(moment), None) => Next::At(moment),
            (Some(moment), Some(until)) if moment <= until => Next::At(moment),
            (_, Some(_)) => Next::Never(Ending::Drained),
            (None, None) => Next::Never(Ending::Starved),
        })
    }

    fn count_round(&mut self, worked: Option<End>) -> Result<(), RunError> {
        self.rounds += 1;
        match worked {
            Some(end) if self.rounds > ROUNDS_MAX => Err(RunError::Livelock {
                stage: self.crew.name(end),
                now: self.now,
                rounds: self.rounds,
            }),
            _ => Ok(()),
        }
    }
}
