//! Tests of: layouts. The same stages give the same sums wherever they run.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by it as tests do")]

use std::sync::atomic::{AtomicBool, Ordering};

use pinion_core::settings::{Idle, Layout, Settings};
use pinion_core::stage::{Stage, Work};
use pinion_core::units::Nanos;
use pinion_io::affinity::{CoreSet, Cores, current_mask};
use pinion_io::regime::Regime;
use pinion_io::runner::{
    Ending, GRACE_NS, Pace, Placement, Progress, RunError, RunReport, StageSet, TurnObserver, run,
    run_inline, run_threads,
};
use pinion_tests::toy::{RECORDS_PER_POLL, START, Toy, ToyShape, ToyTotals};

fn go() -> AtomicBool {
    AtomicBool::new(false)
}

/// What must come out, whatever the layout.
fn expected(shape: &ToyShape) -> ToyTotals {
    let sum = |step: u64| (step - 1..shape.events).step_by(step as usize).sum::<u64>();
    ToyTotals {
        market: (shape.events, sum(1)),
        scans: shape.events / 100,
        acks: (shape.events / 50, sum(50)),
        feed: (shape.events, sum(1)),
        journal: (shape.events / 50, 0),
    }
}

/// The totals that do not depend on when what happened.
fn timeless(totals: ToyTotals) -> ToyTotals {
    ToyTotals { journal: (totals.journal.0, 0), ..totals }
}

fn inline(shape: &ToyShape) -> (RunReport, (ToyTotals, u64)) {
    let mut toy = Toy::new(shape);
    let report = run_inline(toy.set(), START, &go(), &mut ()).unwrap();
    (report, toy.totals())
}

/// The layout on this machine: pinned where there are cores enough, else on floating threads.
fn placement(layout: Layout) -> Placement {
    let cores = Cores::of_process().unwrap();
    let settings = Settings { engine_layout: layout, ..Settings::default() };
    let mut placement = Placement::plan(&settings, Pace::Max, &cores).unwrap();
    if placement.layout != layout {
        placement = Placement { layout, cores: Vec::new(), helpers: cores.allowed, ..placement };
    }
    Placement { idle: Idle::Backoff, housekeeping_ns: 1_000_000, ..placement }
}

fn threads(layout: Layout, pace: Pace, shape: &ToyShape) -> (RunReport, (ToyTotals, u64)) {
    let mut toy = Toy::new(shape);
    let progress = Progress::default();
    let report = run_threads(toy.set(), &placement(layout), pace, START, &go(), &progress).unwrap();
    assert_eq!(progress.view().stream, report.last);
    let work = report.stages.iter().map(|stage| stage.work).sum::<u64>();
    assert_eq!(progress.view().work, work);
    (report, toy.totals())
}

fn assert_regimes_sum(report: &RunReport) {
    for thread in &report.threads {
        assert_eq!(thread.regimes.total_ns(), thread.elapsed_ns, "{}", thread.name);
        assert!(thread.elapsed_ns > 0 && thread.elapsed_ns <= report.wall_ns, "{}", thread.name);
        assert!(thread.turns > 0 && thread.turn_ns.len() <= thread.turns, "{}", thread.name);
    }
}

#[test]
fn inline_is_complete_and_the_same_each_time() {
    let shape = ToyShape::default();
    let (report, (totals, digest)) = inline(&shape);
    assert_eq!(timeless(totals), expected(&shape));
    assert_eq!((report.layout, report.ending), (Layout::Inline, Ending::Drained));
    // The last answer comes a latency after the last command.
    let last_command = (shape.events - 1) as i64 / 3 * shape.step_ns;
    assert_eq!(report.last, START.plus(last_command + shape.latency_ns));
    let names: Vec<&str> = report.stages.iter().map(|stage| stage.name).collect();
    assert_eq!(names, ["ingest", "signal", "kernel", "egress"]);
    assert_eq!(report.stages[2].commands, shape.events / 50);
    assert!(!report.tick_to_order_ns.is_empty());
    assert!(report.tick_to_order_ns.len() <= report.stages[2].commands);
    assert_regimes_sum(&report);
    let again = inline(&shape);
    assert_eq!(again.1, (totals, digest));
    assert_eq!(again.0.stages, report.stages, "even the number of polls");
}

#[test]
fn saying_drained_saves_polls_and_changes_nothing_else() {
    let says = ToyShape::default();
    let silent = ToyShape { says_drained: false, ..says };
    let (with, with_totals) = inline(&says);
    let (without, without_totals) = inline(&silent);
    assert_eq!(with_totals, without_totals);
    assert_eq!(with.last, without.last);
    let polls = |report: &RunReport| report.stages.iter().map(|stage| stage.polls).sum::<u64>();
    assert!(polls(&with) * 3 < polls(&without) * 2, "{} {}", polls(&with), polls(&without));
}

#[test]
fn a_slow_journal_holds_virtual_time_and_changes_nothing() {
    // Answers arrive at the moment after a command's: the very moment at which the kernel waits.
    let shape = ToyShape { latency_ns: 1_001_000, ..ToyShape::default() };
    let slow = ToyShape { journal_depth: RECORDS_PER_POLL, journal_nap_ns: 50_000, ..shape };
    let (report, totals) = inline(&slow);
    assert_eq!(totals, inline(&shape).1);
    assert!(report.stages[2].backpressured > 0);
    assert!(report.threads[0].regimes.ns(Regime::Backpressured) > 0);
    assert_eq!(report.ending, Ending::Drained);
    assert_regimes_sum(&report);
}

#[test]
fn tight_links_change_nothing_either() {
    let shape = ToyShape { says_drained: false, ..ToyShape::default() };
    let (_, (totals, _)) = inline(&ToyShape { depth: 2, ..shape });
    assert_eq!(timeless(totals), expected(&shape));
}

#[test]
fn answers_within_the_grace_arrive_and_later_ones_do_not() {
    // One command, at the very last quote.
    let shape = ToyShape { events: 50, ..ToyShape::default() };
    let (_, (within, _)) = inline(&ToyShape { latency_ns: GRACE_NS, ..shape });
    assert_eq!(within.acks.0, 1);
    let (report, (beyond, _)) = inline(&ToyShape { latency_ns: GRACE_NS + 1, ..shape });
    assert_eq!((beyond.acks.0, report.ending), (0, Ending::Drained));
}

#[test]
fn shared_at_full_speed_gives_the_outputs_of_inline_on_a_pinned_core() {
    let shape = ToyShape::default();
    let before = current_mask();
    let mut toy = Toy::new(&shape);
    let placement = placement(Layout::Shared);
    let progress = Progress::default();
    let report = run(toy.set(), &placement, Pace::Max, START, &go(), &progress).unwrap();
    assert_eq!(report.layout, Layout::Shared);
    assert_regimes_sum(&report);
    if let [core] = placement.cores[..] {
        assert_eq!(toy.kernel.mask, Some(CoreSet::only(core)));
        assert_eq!(toy.egress.mask, toy.kernel.mask);
        assert_eq!(report.threads[0].core, Some(core));
    } else {
        assert_eq!(placement.notices.len(), 1, "a single core is told");
    }
    assert_eq!(current_mask(), before, "the caller is not pinned");
    assert_eq!(toy.totals(), inline(&shape).1);
}

#[test]
fn dedicated_gives_the_same_sums() {
    let shape = ToyShape { depth: 256, ..ToyShape::default() };
    let (report, (totals, _)) = threads(Layout::Dedicated, Pace::Max, &shape);
    assert_eq!(timeless(totals), expected(&shape));
    assert_eq!(report.ending, Ending::Drained);
    let names: Vec<&str> = report.threads.iter().map(|thread| thread.name).collect();
    assert_eq!(names, ["ingest", "signal", "kernel", "egress"]);
    assert_eq!(report.threads[1].core, None, "signal floats");
    assert!(!report.tick_to_order_ns.is_empty());
    assert_regimes_sum(&report);
}

#[test]
fn paced_runs_give_the_same_sums() {
    // 20 ms of stream time at ten times the speed.
    let shape = ToyShape { events: 6_000, step_ns: 10_000, depth: 256, ..ToyShape::default() };
    for layout in [Layout::Shared, Layout::Dedicated] {
        let (report, (totals, _)) = threads(layout, Pace::Times(10.0), &shape);
        assert_eq!(timeless(totals), expected(&shape), "{layout:?}");
        assert_eq!(report.ending, Ending::Drained, "{layout:?}");
        assert!(report.last > START.plus(19_990_000), "{layout:?}");
        assert_regimes_sum(&report);
    }
}

#[test]
fn drained_runs_at_a_set_speed_wait_for_the_answers_on_the_way() {
    let shape = ToyShape { events: 50, latency_ns: 1_000_000_000, ..ToyShape::default() };
    for layout in [Layout::Shared, Layout::Dedicated] {
        let (report, (totals, _)) = threads(layout, Pace::Times(100.0), &shape);
        assert_eq!(totals.acks.0, 1, "{layout:?}");
        assert!(report.last >= START.plus(shape.latency_ns), "{layout:?}");
    }
}

/// A stage with something due each 100 ms of stream time, as ticks and scans are.
struct Restless<'a> {
    inner: &'a mut dyn Stage,
    due: Nanos,
}

impl Stage for Restless<'_> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn poll(&mut self, now: Nanos) -> Work {
        let work = self.inner.poll(now);
        if now < self.due {
            return work;
        }
        self.due = now.plus(100_000_000);
        work.and(Work::done(1))
    }

    fn next_deadline(&self) -> Option<Nanos> {
        Some(self.inner.next_deadline().map_or(self.due, |inner| inner.min(self.due)))
    }
}

/// At this speed every turn finds something due: time must stop at the end of the grace.
#[test]
fn a_run_comes_to_rest_at_any_speed() {
    let shape = ToyShape { events: 50, latency_ns: 1_000_000_000, ..ToyShape::default() };
    for layout in [Layout::Shared, Layout::Dedicated] {
        let mut toy = Toy::new(&shape);
        let set = toy.set();
        let mut restless = Restless { inner: set.signal, due: START };
        let set = StageSet { signal: &mut restless, ..set };
        let (stop, progress, pace) = (go(), Progress::default(), Pace::Times(1e7));
        let report = run_threads(set, &placement(layout), pace, START, &stop, &progress).unwrap();
        assert_eq!(report.ending, Ending::Drained, "{layout:?}");
        // No further than the grace after the turn that saw the input end.
        assert!(report.last >= START.plus(GRACE_NS), "{layout:?}");
        assert_eq!(toy.totals().0.acks.0, 1, "{layout:?}");
    }
}

#[test]
fn the_stop_flag_ends_every_layout() {
    // Without end: 100 years of stream time.
    let endless = ToyShape { events: u64::MAX, ..ToyShape::default() };
    for (layout, pace) in [
        (Layout::Inline, Pace::Max),
        (Layout::Shared, Pace::Max),
        (Layout::Shared, Pace::Times(1.0)),
        (Layout::Dedicated, Pace::Max),
        (Layout::Dedicated, Pace::Times(1.0)),
    ] {
        let mut toy = Toy::new(&endless);
        let polls = std::sync::Arc::clone(&toy.ingest.polls);
        let stop = go();
        let progress = Progress::default();
        let report = std::thread::scope(|scope| {
            scope.spawn(|| {
                while polls.load(Ordering::Relaxed) < 100 {
                    std::thread::yield_now();
                }
                stop.store(true, Ordering::Relaxed);
            });
            run(toy.set(), &placement(layout), pace, START, &stop, &progress).unwrap()
        });
        assert_eq!(report.ending, Ending::Stopped, "{layout:?} {pace:?}");
        assert!(report.stages[0].work > 0, "{layout:?} {pace:?}");
    }
}

/// A stage that does one thing only.
struct Odd {
    poll: fn() -> Work,
    deadline: Option<Nanos>,
}

impl Odd {
    const STILL: Self = Self { poll: || Work::NONE, deadline: None };
}

impl Stage for Odd {
    fn name(&self) -> &'static str {
        "odd"
    }
    fn poll(&mut self, _now: Nanos) -> Work {
        (self.poll)()
    }
    fn next_deadline(&self) -> Option<Nanos> {
        self.deadline
    }
}

#[test]
fn a_stage_that_never_rests_is_named() {
    let mut toy = Toy::new(&ToyShape { events: 3, ..ToyShape::default() });
    let mut restless = Odd { poll: || Work::done(1), ..Odd::STILL };
    let set = StageSet { egress: &mut restless, ..toy.set() };
    let error = run_inline(set, START, &go(), &mut ()).unwrap_err();
    assert!(matches!(error, RunError::Livelock { stage: "odd", now: START, .. }), "{error}");
    assert!(error.to_string().contains("stage odd reports work without end"), "{error}");
}

#[test]
fn a_passed_deadline_that_nothing_comes_of_holds_nobody_up() {
    let shape = ToyShape { events: 300, ..ToyShape::default() };
    let mut toy = Toy::new(&shape);
    let mut late = Odd { deadline: Some(START), ..Odd::STILL };
    let set = StageSet { signal: &mut late, ..toy.set() };
    let report = run_inline(set, START, &go(), &mut ());
    // The toy's signal does not run, so its link fills at most to the number of quotes.
    assert_eq!(report.map(|report| report.ending), Ok(Ending::Drained));
    assert_eq!(toy.totals().0.market.0, shape.events);
}

#[test]
fn an_input_without_deadline_starves_a_run_in_virtual_time() {
    for layout in [Layout::Inline, Layout::Dedicated] {
        let mut toy = Toy::new(&ToyShape::default());
        let set = StageSet { ingest: &mut Odd { ..Odd::STILL }, ..toy.set() };
        let progress = Progress::default();
        let report = run(set, &placement(layout), Pace::Max, START, &go(), &progress).unwrap();
        assert_eq!(report.ending, Ending::Starved, "{layout:?}");
    }
}

#[test]
fn a_panic_of_a_stage_ends_the_run_with_its_text() {
    for (layout, thread) in [(Layout::Shared, "shared"), (Layout::Dedicated, "kernel")] {
        let mut toy = Toy::new(&ToyShape::default());
        let mut broken = Odd { poll: || panic!("the toy is broken"), ..Odd::STILL };
        let set = StageSet { kernel: &mut broken, ..toy.set() };
        let progress = Progress::default();
        let placement = placement(layout);
        let error = run_threads(set, &placement, Pace::Max, START, &go(), &progress).unwrap_err();
        let message = "the toy is broken".to_owned();
        assert_eq!(error, RunError::Panicked { thread, message });
    }
}

#[test]
fn a_core_that_cannot_be_had_ends_the_run_before_it_begins() {
    for layout in [Layout::Shared, Layout::Dedicated] {
        let mut toy = Toy::new(&ToyShape::default());
        let placement = Placement { cores: vec![1023; 3], ..placement(layout) };
        let progress = Progress::default();
        let error =
            run_threads(toy.set(), &placement, Pace::Max, START, &go(), &progress).unwrap_err();
        assert!(error.to_string().contains("core 1023"), "{error}");
    }
}

#[test]
fn dedicated_is_taken_or_refused_by_the_cores_of_this_machine() {
    let cores = Cores::of_process().unwrap();
    let settings = Settings { engine_layout: Layout::Dedicated, ..Settings::default() };
    let placement = Placement::plan(&settings, Pace::Max, &cores).unwrap();
    if cores.usable().len() >= 4 {
        assert_eq!((placement.layout, placement.cores.len()), (Layout::Dedicated, 3));
    } else {
        assert_eq!(placement.layout, Layout::Shared);
        assert!(placement.notices[0].contains("needs 4 cores"), "{:?}", placement.notices);
        let strict = Settings { engine_layout_fallback: false, ..settings };
        assert!(Placement::plan(&strict, Pace::Max, &cores).is_err());
    }
}

#[test]
fn the_observer_hears_every_moment_once_and_all_the_work() {
    #[derive(Default)]
    struct Heard {
        moments: Vec<Nanos>,
        work: u64,
    }
    impl TurnObserver for Heard {
        fn turn(&mut self, now: Nanos, work: u64) {
            self.moments.push(now);
            self.work += work;
        }
    }
    let shape = ToyShape { events: 300, says_drained: false, ..ToyShape::default() };
    let mut toy = Toy::new(&shape);
    let mut heard = Heard::default();
    let report = run_inline(toy.set(), START, &go(), &mut heard).unwrap();
    assert!(heard.moments.is_sorted());
    heard.moments.dedup();
    // One moment per three quotes and one per answer.
    assert_eq!(heard.moments.len(), 100 + 6);
    assert_eq!(heard.work, report.stages.iter().map(|stage| stage.work).sum::<u64>());
}
