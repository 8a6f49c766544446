//! A crew: the stages of one thread, polled in order, with the thread's time and counts.

use std::sync::atomic::{AtomicBool, Ordering};

use hdrhistogram::Histogram;
use pinion_core::settings::Idle;
use pinion_core::stage::{Stage, Work};
use pinion_core::topology::{End, feeds, waits_for};
use pinion_core::units::Nanos;

use super::{DRIVEN, STALL_NS, StageReport, ThreadReport};
use crate::clock::Stopwatch;
use crate::idle::Idler;
use crate::regime::{Regime, RegimeMeter};

/// Set of stages by [`End::code`].
pub(super) type Ends = u8;

/// All stages that the runner drives.
pub(super) const ALL: Ends = (1 << DRIVEN) - 1;

/// Who may have something to do after a stage did: the consumers of its links.
const FED: [Ends; DRIVEN] = {
    let mut fed = [0; DRIVEN];
    let mut producer = 0;
    while producer < DRIVEN {
        let mut consumer = 0;
        while consumer < DRIVEN {
            if feeds(End::ALL[producer], End::ALL[consumer]) {
                fed[producer] |= 1 << consumer;
            }
            consumer += 1;
        }
        producer += 1;
    }
    fed
};

/// Stages that wait for the journal at full speed. They wait for nobody else, so that a blocked one need not
/// let the others run to get on.
const OUTWARD: Ends = {
    let mut outward = 0;
    let mut producer = 0;
    while producer < DRIVEN {
        if waits_for(End::ALL[producer], End::Journal) {
            outward |= 1 << producer;
            let mut consumer = 0;
            while consumer < DRIVEN {
                assert!(!waits_for(End::ALL[producer], End::ALL[consumer]));
                consumer += 1;
            }
        }
        producer += 1;
    }
    outward
};

/// Durations from 1 ns to 10 s with three digits; longer ones count as 10 s. Allocates once, 190 KiB.
#[expect(clippy::expect_used, reason = "fixed bounds")]
pub(super) fn durations() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 10_000_000_000, 3).expect("invariant: valid bounds")
}

/// One stage and its counts.
struct Member<'a> {
    end: End,
    stage: &'a mut dyn Stage,
    report: StageReport,
    poll_ns: Histogram<u64>,
}

/// Each poll that did work is timed: one more reading of the stopwatch for each, about 10 ns. Without the feature
/// nothing of it is compiled.
const STAMPS: bool = cfg!(feature = "stage-latency");

/// What a round did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    /// Messages moved.
    pub(super) work: u64,
    /// Stages that may have something left to do at the same moment.
    pub(super) pending: Ends,
    /// The first stage that a full link stopped.
    pub(super) blocked: Option<End>,
    /// The last stage that worked.
    pub(super) worked: Option<End>,
    /// The round was given up.
    pub(super) halt: Option<Halt>,
}

/// Why waiting for a link was given up.
#[derive(Clone, Copy, Debug)]
pub(super) enum Halt {
    /// The stop flag was set.
    Stopped,
    /// Nothing has moved for [`STALL_NS`].
    Stalled(End),
}

/// Waiting for another thread to empty a link. For virtual time, where nothing else may happen meanwhile.
pub(super) struct Patience<'a> {
    stop: &'a AtomicBool,
    idler: Idler,
    until_ns: u64,
}

impl<'a> Patience<'a> {
    fn new(stop: &'a AtomicBool, now_ns: u64) -> Self {
        let until_ns = now_ns.saturating_add(STALL_NS);
        Self { stop, idler: Idler::new(Idle::Backoff), until_ns }
    }

    /// Gives way once.
    fn wait(&mut self, end: End, now_ns: u64) -> Option<Halt> {
        if self.stop.load(Ordering::Relaxed) {
            return Some(Halt::Stopped);
        }
        if now_ns > self.until_ns {
            return Some(Halt::Stalled(end));
        }
        self.idler.idle();
        None
    }
}

/// What the stages of a crew wait for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    /// The earliest that lies ahead.
    pub(super) ahead: Option<Nanos>,
    /// The first stage that still tells one that has come.
    pub(super) due: Option<End>,
    /// The first stage's own: ingest's, where the crew has it.
    pub(super) first: Option<Nanos>,
}

/// The stages of one thread. Owner: that thread.
pub(super) struct Crew<'a> {
    members: Vec<Member<'a>>,
    stopwatch: Stopwatch,
    meter: RegimeMeter,
    /// What the turn that runs is, as far as is known.
    regime: Regime,
    started_ns: u64,
    turn_started_ns: u64,
    turns: u64,
    work: u64,
    turn_ns: Histogram<u64>,
    tick_to_order_ns: Histogram<u64>,
}

impl<'a> Crew<'a> {
    /// Time runs from here.
    pub(super) fn new(
        stages: impl IntoIterator<Item = (End, &'a mut dyn Stage)>,
        stopwatch: Stopwatch,
    ) -> Self {
        let members = stages.into_iter().map(|(end, stage)| {
            let name = stage.name();
            let report = StageReport { name, polls: 0, work: 0, commands: 0, backpressured: 0 };
            Member { end, stage, report, poll_ns: durations() }
        });
        let members = members.collect();
        let (turn_ns, tick_to_order_ns) = (durations(), durations());
        let now_ns = stopwatch.read_ns();
        Self {
            members,
            stopwatch,
            meter: RegimeMeter::new(now_ns),
            regime: Regime::Idle,
            started_ns: now_ns,
            turn_started_ns: now_ns,
            turns: 0,
            work: 0,
            turn_ns,
            tick_to_order_ns,
        }
    }

    /// Ends what ran until now and charges it, begins a turn, and returns the reading.
    #[inline]
    pub(super) fn begin(&mut self) -> u64 {
        let now_ns = self.stopwatch.read_ns();
        self.meter.charge(self.regime, now_ns);
        if self.regime == Regime::Working {
            self.turn_ns.saturating_record(now_ns.saturating_sub(self.turn_started_ns));
        }
        self.turn_started_ns = now_ns;
        now_ns
    }

    /// The turn that runs is housekeeping.
    pub(super) const fn keeps_house(&mut self) {
        self.regime = Regime::Housekeeping;
    }

    /// Polls each stage of `pending` once, in order; a stage that an earlier one just fed as well. In virtual
    /// time (`holds`) a stage that waits for the journal is waited for, unless the flag is set.
    #[inline]
    pub(super) fn round(
        &mut self,
        now: Nanos,
        mut pending: Ends,
        holds: Option<&AtomicBool>,
    ) -> Round {
        let mut round = Round { work: 0, pending: 0, blocked: None, worked: None, halt: None };
        let mut stamp_ns = self.turn_started_ns;
        for place in 0..self.members.len() {
            let member = &mut self.members[place];
            let end = member.end;
            let bit = 1 << end.code();
            if pending & bit == 0 {
                continue;
            }
            pending &= !bit;
            let mut work = member.stage.poll(now);
            member.report.polls += 1;
            if work.backpressured
                && OUTWARD & bit != 0
                && let Some(stop) = holds
            {
                match self.hold(place, now, work, stop) {
                    Ok(moved) => work = moved,
                    Err(halt) => round.halt = Some(halt),
                }
            }
            let member = &mut self.members[place];
            if work.count > 0 {
                member.report.work += u64::from(work.count);
                round.work += u64::from(work.count);
                round.worked = Some(end);
                pending |= FED[end as usize] | bit;
                member.report.commands += u64::from(work.commands);
                let is_order = work.commands > 0 && end == End::Kernel;
                if STAMPS || is_order {
                    let now_ns = self.stopwatch.read_ns();
                    if STAMPS {
                        member.poll_ns.saturating_record(now_ns.saturating_sub(stamp_ns));
                        stamp_ns = now_ns;
                    }
                    if is_order {
                        let passed_ns = now_ns.saturating_sub(self.turn_started_ns);
                        self.tick_to_order_ns.saturating_record(passed_ns);
                    }
                }
            }
            if work.backpressured {
                member.report.backpressured += 1;
                pending |= bit;
                round.blocked = round.blocked.or(Some(end));
            }
        }
        // Those who worked, or were fed by a stage after them.
        for member in &self.members {
            let bit = 1 << member.end.code();
            if pending & bit != 0 && round.blocked.is_none() && member.stage.drained() {
                pending &= !bit;
            }
        }
        self.turns += 1;
        self.work += round.work;
        self.regime = match (round.work, round.blocked) {
            (0, None) => Regime::Idle,
            (0, Some(_)) => Regime::Backpressured,
            _ => Regime::Working,
        };
        round.pending = pending;
        round
    }

    /// Polls one stage until no full link stops it any more; returns all that it did.
    #[cold]
    fn hold(
        &mut self,
        place: usize,
        now: Nanos,
        mut work: Work,
        stop: &AtomicBool,
    ) -> Result<Work, Halt> {
        let mut now_ns = self.stopwatch.read_ns();
        self.meter.charge(Regime::Working, now_ns);
        let mut patience = Patience::new(stop, now_ns);
        while work.backpressured {
            let member = &mut self.members[place];
            if let Some(halt) = patience.wait(member.end, now_ns) {
                return Err(halt);
            }
            let more = member.stage.poll(now);
            member.report.polls += 1;
            member.report.backpressured += 1;
            work = Work { backpressured: more.backpressured, ..work.and(more) };
            now_ns = self.stopwatch.read_ns();
            self.meter.charge(Regime::Backpressured, now_ns);
            if more.count > 0 {
                patience = Patience::new(stop, now_ns);
            }
        }
        Ok(work)
    }

    /// Gives way to other threads and polls all, until anything moves; returns that round.
    #[cold]
    pub(super) fn wait_for_room(&mut self, now: Nanos, end: End, stop: &AtomicBool) -> Round {
        let mut now_ns = self.begin();
        let mut patience = Patience::new(stop, now_ns);
        loop {
            let halt = patience.wait(end, now_ns);
            now_ns = self.begin();
            let mut round = self.round(now, ALL, Some(stop));
            round.halt = round.halt.or(halt);
            if round.work > 0 || round.blocked.is_none() || round.halt.is_some() {
                return round;
            }
        }
    }

    /// What the stages wait for, at `now`.
    pub(super) fn deadlines(&self, now: Nanos) -> Deadlines {
        let mut all = Deadlines { ahead: None, due: None, first: None };
        for (place, member) in self.members.iter().enumerate() {
            let deadline = member.stage.next_deadline();
            if place == 0 {
                all.first = deadline;
            }
            match deadline {
                Some(at) if at > now => {
                    all.ahead = Some(all.ahead.map_or(at, |earliest| earliest.min(at)));
                }
                Some(_) => all.due = all.due.or(Some(member.end)),
                None => {}
            }
        }
        all
    }

    /// True when the first stage (ingest, where the crew has it) will never work again.
    pub(super) fn first_is_finished(&self) -> bool {
        self.members.first().is_none_or(|member| member.stage.finished())
    }

    /// Name of a stage of the crew.
    pub(super) fn name(&self, end: End) -> &'static str {
        let member = self.members.iter().find(|member| member.end == end);
        member.map_or(end.as_str(), |member| member.report.name)
    }

    /// Rounds and messages so far.
    pub(super) const fn totals(&self) -> (u64, u64) {
        (self.turns, self.work)
    }

    /// Charges what ran until now and gives the reports.
    pub(super) fn finish(mut self, name: &'static str, core: Option<usize>) -> CrewReport {
        let now_ns = self.begin();
        let stages = self.members.iter().map(|member| member.report).collect();
        let polls = self.members.into_iter().map(|member| (member.report.name, member.poll_ns));
        let polls = polls.filter(|(_, histogram)| !histogram.is_empty()).collect();
        CrewReport {
            stages,
            thread: ThreadReport {
                name,
                core,
                turns: self.turns,
                elapsed_ns: now_ns.saturating_sub(self.started_ns),
                regimes: self.meter.regimes(),
                turn_ns: self.turn_ns,
                poll_ns: polls,
            },
            tick_to_order_ns: self.tick_to_order_ns,
        }
    }
}

/// What a crew leaves.
pub(super) struct CrewReport {
    pub(super) stages: Vec<StageReport>,
    pub(super) thread: ThreadReport,
    pub(super) tick_to_order_ns: Histogram<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_by_the_flag_or_when_nothing_has_moved_for_long() {
        let stop = AtomicBool::new(false);
        let mut patience = Patience::new(&stop, 5);
        assert!(patience.wait(End::Kernel, 5 + STALL_NS).is_none());
        let stalled = patience.wait(End::Kernel, 6 + STALL_NS);
        assert!(matches!(stalled, Some(Halt::Stalled(End::Kernel))));
        stop.store(true, Ordering::Relaxed);
        assert!(matches!(patience.wait(End::Kernel, 5), Some(Halt::Stopped)));
    }

    #[test]
    fn the_tables_of_who_is_polled_after_whom_follow_the_topology() {
        let bits = |ends: &[End]| ends.iter().map(|end| 1 << end.code()).sum::<Ends>();
        assert_eq!(FED[End::Ingest as usize], bits(&[End::Signal, End::Kernel, End::Egress]));
        assert_eq!(FED[End::Signal as usize], bits(&[End::Kernel]));
        assert_eq!(FED[End::Kernel as usize], bits(&[End::Egress]));
        assert_eq!(FED[End::Egress as usize], bits(&[End::Kernel]));
        assert_eq!(OUTWARD, bits(&[End::Kernel]));
    }
}
