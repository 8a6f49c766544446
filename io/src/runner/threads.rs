//! The layouts with threads of their own: shared and dedicated.
//!
//! Every thread pins itself before its first turn, and its stages never leave it. Time is real time scaled
//! (each thread derives it from the stopwatch); at full speed it is virtual time in the shared layout, and
//! in the dedicated layout the stream time that the ingest thread publishes.

use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use pinion_core::settings::Layout;
use pinion_core::units::Nanos;

use super::crew::{ALL, Crew, Deadlines};
use super::dedicated::dedicated;
use super::{
    Ending, GRACE_NS, Pace, Placement, Progress, RunError, RunReport, StageSet, run_inline,
};
use crate::affinity::{self, AffinityFault};
use crate::clock::{Stopwatch, TurnClock};
use crate::idle::Idler;

/// Runs the stages in the shared or dedicated layout from stream time `start` until the input has ended and
/// drained, or `stop` is set (looked at in housekeeping: within 1.5 times its mean interval).
///
/// At full speed, shared gives the outputs of [`run_inline`]. Dedicated does not: threads run free of each
/// other, and what a stage calls now may be ahead of the messages that still wait in its links.
///
/// # Errors
/// [`RunError`].
pub fn run_threads(
    set: StageSet<'_>,
    placement: &Placement,
    pace: Pace,
    start: Nanos,
    stop: &AtomicBool,
    progress: &Progress,
) -> Result<RunReport, RunError> {
    let stopwatch = Stopwatch::calibrated();
    let started_ns = stopwatch.read_ns();
    let mut report = match placement.layout {
        Layout::Inline | Layout::Shared => shared(set, placement, pace, start, stop, progress)?,
        Layout::Dedicated => dedicated(set, placement, pace, start, stop, progress)?,
    };
    progress.publish_stream(report.last);
    report.wall_ns = stopwatch.read_ns().saturating_sub(started_ns);
    Ok(report)
}

/// When housekeeping is due: at the mean interval, each jittered by half of it, so that the threads of a
/// run do not keep house in step with each other or with anything periodic.
pub(super) struct Chores {
    interval_ns: u64,
    random: u64,
    due_ns: u64,
}

impl Chores {
    pub(super) const fn new(interval_ns: u64, seed: u64, now_ns: u64) -> Self {
        let mut chores = Self { interval_ns, random: seed, due_ns: now_ns };
        chores.postpone(now_ns);
        chores
    }

    pub(super) const fn are_due(&self, now_ns: u64) -> bool {
        now_ns >= self.due_ns
    }

    /// The next one is half to one and a half intervals from now.
    pub(super) const fn postpone(&mut self, now_ns: u64) {
        // SplitMix64.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.random;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
        let jitter_ns = word % if self.interval_ns == 0 { 1 } else { self.interval_ns };
        self.due_ns = now_ns.saturating_add(self.interval_ns / 2).saturating_add(jitter_ns);
    }
}

/// Starts a stage thread that pins itself first.
pub(super) fn start<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &'static str,
    place: impl FnOnce() -> Result<(), AffinityFault> + Send + 'scope,
    body: impl FnOnce() -> Result<T, RunError> + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, Result<T, RunError>>, RunError> {
    let placed = move || {
        place()?;
        body()
    };
    Builder::new()
        .name(format!("pinion-{name}"))
        .spawn_scoped(scope, placed)
        .map_err(|error| AffinityFault::NotStarted(format!("{name}: {error}")).into())
}

/// What the thread returned; a panic is an error like others.
pub(super) fn join<T>(
    thread: &'static str,
    handle: ScopedJoinHandle<'_, Result<T, RunError>>,
) -> Result<T, RunError> {
    handle.join().unwrap_or_else(|panic: Box<dyn Any + Send>| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(RunError::Panicked { thread, message: text.unwrap_or_default() })
    })
}

fn shared(
    set: StageSet<'_>,
    placement: &Placement,
    pace: Pace,
    start_at: Nanos,
    stop: &AtomicBool,
    progress: &Progress,
) -> Result<RunReport, RunError> {
    let core = placement.cores.first().copied();
    let mut report = std::thread::scope(|scope| {
        let place = || core.map_or(Ok(()), |core| affinity::pin(core, &placement.usable));
        let body = || match pace {
            Pace::Max => run_inline(set, start_at, stop, &mut &*progress),
            Pace::Times(speed) => shared_paced(set, placement, speed, start_at, stop, progress),
        };
        join("shared", start(scope, "shared", place, body)?)
    })?;
    report.layout = Layout::Shared;
    for thread in &mut report.threads {
        (thread.name, thread.core) = ("shared", core);
    }
    Ok(report)
}

/// All stages on this thread, in scaled real time.
fn shared_paced(
    set: StageSet<'_>,
    placement: &Placement,
    speed: f64,
    start: Nanos,
    stop: &AtomicBool,
    progress: &Progress,
) -> Result<RunReport, RunError> {
    let stopwatch = Stopwatch::calibrated();
    let mut crew = Crew::new(set.in_order(), stopwatch);
    let mut idler = Idler::new(placement.idle);
    let first_ns = crew.begin();
    let clock = TurnClock::scaled(start, first_ns, speed);
    let mut chores = Chores::new(placement.housekeeping_ns, placement.seed, first_ns);
    let mut now = start;
    let mut drain_until: Option<Nanos> = None;
    let ending = loop {
        let mut turn_ns = crew.begin();
        if chores.are_due(turn_ns) {
            crew.keeps_house();
            let (turns, work) = crew.totals();
            progress.publish(0, turns, work);
            progress.publish_stream(now);
            if stop.load(Ordering::Relaxed) {
                break Ending::Stopped;
            }
            chores.postpone(turn_ns);
            turn_ns = crew.begin();
        }
        // Time stops at the end of the grace: at a speed at which every turn finds a scan or a tick due,
        // the stages would never come to rest.
        now = now.max(clock.at(turn_ns).min(drain_until.unwrap_or(Nanos::MAX)));
        let round = crew.round(now, ALL, None);
        if drain_until.is_none() && crew.first_is_finished() {
            drain_until = Some(now.plus(GRACE_NS));
        }
        if round.work > 0 {
            idler.reset();
            continue;
        }
        if round.blocked.is_none() {
            let Deadlines { ahead, .. } = crew.deadlines(now);
            if let Some(until) = drain_until
                && ahead.is_none_or(|moment| moment > until)
            {
                break Ending::Drained;
            }
        }
        idler.idle();
    };
    let (turns, work) = crew.totals();
    progress.publish(0, turns, work);
    let report = crew.finish("shared", None);
    Ok(RunReport {
        layout: Layout::Shared,
        ending,
        last: now,
        wall_ns: 0,
        stages: report.stages,
        threads: vec![report.thread],
        tick_to_order_ns: report.tick_to_order_ns,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn housekeeping_is_jittered_by_half_its_interval_and_by_its_seed() {
        let intervals = |seed| {
            let mut now_ns = 0;
            let mut chores = Chores::new(1_000, seed, now_ns);
            let mut intervals = Vec::new();
            for _ in 0..2_000 {
                let since_ns = now_ns;
                while !chores.are_due(now_ns) {
                    now_ns += 1;
                }
                chores.postpone(now_ns);
                intervals.push(now_ns - since_ns);
            }
            intervals
        };
        let one = intervals(1);
        assert!(one.iter().all(|ns| (500..1_500).contains(ns)));
        let mean_ns = one.iter().sum::<u64>() / one.len() as u64;
        assert!((950..1_050).contains(&mean_ns), "{mean_ns}");
        assert_eq!(one, intervals(1));
        assert_ne!(one, intervals(2));
    }
}
