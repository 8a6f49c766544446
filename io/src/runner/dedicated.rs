//! The dedicated layout: a thread per stage.
//!
//! The ingest thread leads. At full speed it publishes the stream time before it takes the events of that
//! time in. When its input has ended it waits until the others are quiet, moves time to the next deadline
//! that lies within the grace, and again, until there is none.
//!
//! Quiet is proved, not guessed. The leader opens an epoch; a follower confirms it by a whole turn that
//! began after it had seen the epoch and did nothing. Two epochs in a row, confirmed by all, with the same
//! sum of work: nothing was on the way when the second one opened, since its reader's turn would have
//! found it, and nobody has put anything on the way since.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use pinion_core::settings::{Idle, Layout};
use pinion_core::topology::End;
use pinion_core::units::Nanos;

use super::crew::{ALL, Crew, CrewReport, Deadlines, Round, durations};
use super::threads::{Chores, join, start};
use super::{
    DRIVEN, Ending, GRACE_NS, Pace, Placement, Progress, RunError, RunReport, STALL_NS, StageSet,
};
use crate::affinity;
use crate::clock::{Stopwatch, TurnClock};
use crate::idle::Idler;

/// The epoch that ends all threads.
const END: u64 = u64::MAX;

/// What a thread leaves; the leader also says why and when the run ended.
type Left = (CrewReport, Option<(Ending, Nanos)>);

/// What the threads of a run share.
struct Hub<'a> {
    time: StreamTime,
    /// 0 while the input lasts; moved by the leader while it drains; [`END`] by whoever leaves.
    epoch: Padded<AtomicU64>,
    /// Time stops here; the leader moves it while it drains. At a speed at which every turn finds a scan
    /// or a tick due, the stages would otherwise never come to rest.
    until: Padded<AtomicI64>,
    rows: [Padded<Row>; DRIVEN],
    stop: &'a AtomicBool,
    progress: &'a Progress,
}

/// A cache line and its neighbour, which the processor fetches with it.
#[derive(Default)]
#[repr(align(128))]
struct Padded<T>(T);

/// What a follower tells the leader. One writer: the follower.
#[derive(Default)]
struct Row {
    /// Messages it moved.
    work: AtomicU64,
    /// The last epoch that it confirmed; stored after the others, releasing them.
    quiet: AtomicU64,
    /// Its next deadline then; `i64::MAX` for none.
    deadline: AtomicI64,
    /// Its time then: at a high speed well after the leader's.
    now: AtomicI64,
}

enum StreamTime {
    /// Real time, scaled: each thread derives it from its stopwatch.
    Real(TurnClock),
    /// As fast as the stages can: the leader moves it.
    Published(Padded<AtomicI64>),
}

impl StreamTime {
    fn at(&self, reading_ns: u64) -> Nanos {
        match self {
            Self::Real(clock) => clock.at(reading_ns),
            Self::Published(clock) => Nanos::new(clock.0.load(Ordering::Acquire)),
        }
    }
}

impl<'a> Hub<'a> {
    fn new(time: StreamTime, stop: &'a AtomicBool, progress: &'a Progress) -> Self {
        let until = Padded(AtomicI64::new(i64::MAX));
        Self { time, epoch: Padded::default(), until, rows: Default::default(), stop, progress }
    }

    /// Stream time at a reading of the stopwatch.
    fn now(&self, reading_ns: u64) -> Nanos {
        self.time.at(reading_ns).min(Nanos::new(self.until.0.load(Ordering::Relaxed)))
    }

    fn end(&self) {
        self.epoch.0.store(END, Ordering::Release);
    }

    /// Opens the next epoch; `None` when the run has ended.
    fn open_epoch(&self) -> Option<u64> {
        let epoch = self.epoch.0.load(Ordering::Relaxed);
        let next = epoch.checked_add(1)?;
        let swap = self.epoch.0.compare_exchange(epoch, next, Ordering::AcqRel, Ordering::Relaxed);
        swap.ok().map(|_| next)
    }

    fn followers(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().skip(1).map(|row| &row.0)
    }

    /// The first stage that has not confirmed the epoch.
    fn restless(&self, epoch: u64) -> Option<End> {
        let at = self.followers().position(|row| row.quiet.load(Ordering::Acquire) != epoch)?;
        End::ALL.get(at + 1).copied()
    }

    fn work(&self) -> u64 {
        self.followers().map(|row| row.work.load(Ordering::Relaxed)).sum()
    }

    /// No thread's time passes this.
    fn stop_time_at(&self, moment: Nanos) {
        self.until.0.store(moment.get(), Ordering::Release);
    }

    /// The latest time that a follower told when it was quiet.
    fn latest(&self) -> Nanos {
        Nanos::new(self.followers().map(|row| row.now.load(Ordering::Relaxed)).max().unwrap_or(0))
    }

    /// The earliest deadline after `now` that a follower told when it was quiet.
    fn ahead(&self, now: Nanos) -> Option<Nanos> {
        let told = self.followers().map(|row| row.deadline.load(Ordering::Relaxed));
        told.filter(|at| *at > now.get() && *at != i64::MAX).min().map(Nanos::new)
    }
}

/// Ends the run of all threads when one leaves.
struct LeaveGuard<'a, 'run>(&'a Hub<'run>);

impl Drop for LeaveGuard<'_, '_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// One thread's stage at work.
struct Worker<'a, 'stage> {
    crew: Crew<'stage>,
    end: End,
    hub: &'a Hub<'a>,
    chores: Chores,
    idler: Idler,
    now: Nanos,
}

impl Worker<'_, '_> {
    fn turn(&mut self) -> Round {
        let mut turn_ns = self.crew.begin();
        if self.chores.are_due(turn_ns) {
            self.crew.keeps_house();
            let (turns, work) = self.crew.totals();
            self.hub.progress.publish(usize::from(self.end.code()), turns, work);
            if self.end == End::Ingest {
                self.hub.progress.publish_stream(self.now);
            }
            if self.hub.stop.load(Ordering::Relaxed) {
                self.hub.end();
            }
            self.chores.postpone(turn_ns);
            turn_ns = self.crew.begin();
        }
        self.now = self.now.max(self.hub.now(turn_ns));
        let round = self.crew.round(self.now, ALL, None);
        if round.work > 0 {
            self.idler.reset();
            let (_, work) = self.crew.totals();
            self.hub.rows[usize::from(self.end.code())].0.work.store(work, Ordering::Relaxed);
        }
        round
    }

    fn has_ended(&self) -> bool {
        self.hub.epoch.0.load(Ordering::Acquire) == END
    }

    /// Every stage but ingest: works until the run ends, and confirms epochs.
    fn follow(&mut self) {
        loop {
            // Read before the turn: the turn that confirms an epoch must have begun after it.
            let epoch = self.hub.epoch.0.load(Ordering::Acquire);
            if epoch == END {
                return;
            }
            let round = self.turn();
            if round.work > 0 {
                continue;
            }
            if epoch > 0 && round.blocked.is_none() {
                let row = &self.hub.rows[usize::from(self.end.code())].0;
                let deadline = self.crew.deadlines(self.now).ahead.unwrap_or(Nanos::MAX);
                row.deadline.store(deadline.get(), Ordering::Relaxed);
                row.now.store(self.now.get(), Ordering::Relaxed);
                row.quiet.store(epoch, Ordering::Release);
            }
            self.idler.idle();
        }
    }

    /// Ingest: takes the input in, then drains.
    fn lead(&mut self) -> Result<Ending, RunError> {
        if let Some(ending) = self.take_input() {
            return Ok(ending);
        }
        self.hub.stop_time_at(self.now);
        let mut until = None;
        while self.wait_until_quiet()? {
            let latest = self.now.max(self.hub.latest());
            let until = *until.get_or_insert_with(|| latest.plus(GRACE_NS));
            let Some(moment) = self.hub.ahead(self.now).filter(|moment| *moment <= until) else {
                return Ok(Ending::Drained);
            };
            self.hub.stop_time_at(moment);
            if let StreamTime::Published(clock) = &self.hub.time {
                clock.0.store(moment.get(), Ordering::Release);
            }
            while self.now < moment && !self.has_ended() {
                self.turn();
                self.idler.idle();
            }
        }
        Ok(Ending::Stopped)
    }

    /// Works until the input has ended (`None`) or the run is over before that.
    fn take_input(&mut self) -> Option<Ending> {
        loop {
            if self.has_ended() {
                return Some(Ending::Stopped);
            }
            let mut starved = false;
            if let StreamTime::Published(clock) = &self.hub.time {
                let Deadlines { first, .. } = self.crew.deadlines(self.now);
                starved = first.is_none();
                // Before the events of that time: who sees them and then looks at the time finds it.
                if let Some(moment) = first.filter(|moment| *moment > self.now) {
                    clock.0.store(moment.get(), Ordering::Release);
                }
            }
            let round = self.turn();
            if round.work > 0 {
                continue;
            }
            if round.blocked.is_none() {
                if self.crew.first_is_finished() {
                    return None;
                }
                if starved {
                    return Some(Ending::Starved);
                }
            }
            self.idler.idle();
        }
    }

    /// True once all followers are quiet; false when the run ended before.
    fn wait_until_quiet(&mut self) -> Result<bool, RunError> {
        let mut confirmed = None;
        let (mut moved, mut moved_at_ns) = (self.hub.work(), self.crew.begin());
        loop {
            let Some(epoch) = self.hub.open_epoch() else { return Ok(false) };
            while let Some(restless) = self.hub.restless(epoch) {
                if self.has_ended() {
                    return Ok(false);
                }
                self.turn();
                std::thread::yield_now();
                let (work, now_ns) = (self.hub.work(), self.crew.begin());
                if work != moved {
                    (moved, moved_at_ns) = (work, now_ns);
                } else if now_ns.saturating_sub(moved_at_ns) > STALL_NS {
                    return Err(RunError::Stalled { stage: restless.as_str(), now: self.now });
                }
            }
            let work = self.hub.work();
            if confirmed == Some(work) {
                return Ok(true);
            }
            confirmed = Some(work);
        }
    }

    /// The body of the thread.
    fn run(mut self, core: Option<usize>) -> Result<Left, RunError> {
        // Whoever leaves, by its end or by a panic, ends the run of all.
        let _leave = LeaveGuard(self.hub);
        let ended = if self.end == End::Ingest {
            Some((self.lead()?, self.now))
        } else {
            self.follow();
            None
        };
        let (turns, work) = self.crew.totals();
        self.hub.progress.publish(usize::from(self.end.code()), turns, work);
        Ok((self.crew.finish(self.end.as_str(), core), ended))
    }
}

/// Runs each stage on a thread of its own.
pub(super) fn dedicated(
    set: StageSet<'_>,
    placement: &Placement,
    pace: Pace,
    start_at: Nanos,
    stop: &AtomicBool,
    progress: &Progress,
) -> Result<RunReport, RunError> {
    let stopwatch = Stopwatch::calibrated();
    let time = match pace {
        Pace::Max => StreamTime::Published(Padded(AtomicI64::new(start_at.get()))),
        Pace::Times(speed) => {
            StreamTime::Real(TurnClock::scaled(start_at, stopwatch.read_ns(), speed))
        }
    };
    let hub = Hub::new(time, stop, progress);
    let hub = &hub;
    // A vector per outcome: all threads are joined before the first error is looked at.
    let outcomes: Vec<Result<Left, RunError>> = std::thread::scope(|scope| {
        let mut handles = Vec::new();
        let mut pinned = placement.cores.iter().copied();
        for (end, stage) in set.in_order() {
            // The signal stage floats: it is far too slow to spin, and must not sit on a pinned core.
            let floats = end == End::Signal;
            let core = if floats { None } else { pinned.next() };
            let idle = if floats { Idle::Backoff } else { placement.idle };
            let place = move || match core {
                Some(core) => affinity::pin(core, &placement.usable),
                None => affinity::set_mask(&placement.helpers),
            };
            let guarded = move || place().inspect_err(|_| hub.end());
            let seed = placement.seed.wrapping_add(u64::from(end.code()));
            let worker = Worker {
                crew: Crew::new([(end, stage)], stopwatch),
                end,
                hub,
                chores: Chores::new(placement.housekeeping_ns, seed, stopwatch.read_ns()),
                idler: Idler::new(idle),
                now: start_at,
            };
            let handle = start(scope, end.as_str(), guarded, move || worker.run(core));
            handles.push((end.as_str(), handle.inspect_err(|_| hub.end())));
        }
        handles.into_iter().map(|(name, handle)| join(name, handle?)).collect()
    });
    gather(outcomes, start_at)
}

/// Puts the reports of the threads together; the first error wins.
fn gather(outcomes: Vec<Result<Left, RunError>>, start_at: Nanos) -> Result<RunReport, RunError> {
    let mut report = RunReport {
        layout: Layout::Dedicated,
        ending: Ending::Stopped,
        last: start_at,
        wall_ns: 0,
        stages: Vec::new(),
        threads: Vec::new(),
        tick_to_order_ns: durations(),
    };
    for outcome in outcomes {
        let (crew, ended) = outcome?;
        if let Some((ending, last)) = ended {
            (report.ending, report.last) = (ending, last);
        }
        report.stages.extend(crew.stages);
        if crew.thread.name == End::Kernel.as_str() {
            report.tick_to_order_ns = crew.tick_to_order_ns;
        }
        report.threads.push(crew.thread);
    }
    Ok(report)
}
