//! A run against a venue's sockets.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crossbeam_queue::ArrayQueue;
use pinion_core::engine::{Engine, Gauges, JournalFull, KernelLinks, KernelStage};
use pinion_core::gate::{Gate, KillSwitch};
use pinion_core::journal::{InputRx, input_ring};
use pinion_core::kernel::Slot;
use pinion_core::link::{MarketTx, Rx, link};
use pinion_core::msg::{Control, ControlMsg, RecordMsg};
use pinion_core::settings::{InstrumentOverride, Settings};
use pinion_core::signal::SignalStage;
use pinion_core::stage::{Stage as _, Work};
use pinion_core::topology;
use pinion_core::units::Nanos;

use super::fault::RunFault;
use super::operator::{Operator, Wires};
use super::restart::{Begin, Interrupted};
use super::watch::Watch;
use super::{SeatTuner, WATCH_EVERY, seat_tuner, wall};
use crate::affinity::Cores;
use crate::bingx::Symbols;
use crate::bingx::live::{
    BingxEgress, BingxIngest, EgressCounts, EgressLinks, IngestLinks, Notices, VenuePlan, startup,
};
use crate::clock::{Stopwatch, TurnClock};
use crate::journal::folder::Durability;
use crate::journal::{Journal, JournalHandle, RunEnd, Summary};
use crate::net::Peer;
use crate::runner::{self, Pace, Placement, Progress, RunReport, StageSet};

/// How long the orderly end may take.
const CLOSE_NS: i64 = 15 * Nanos::SECOND;
/// How long the dead-man timer may take to be turned off after that.
const FAREWELL_NS: i64 = 3 * Nanos::SECOND;
/// How often addresses of names are looked up anew.
const NAMES_EVERY: Duration = Duration::from_secs(60);
/// Between looks at sockets while the run ends.
const PAUSE: Duration = Duration::from_micros(200);

/// What to run.
#[derive(Clone, Debug)]
pub struct LivePlan {
    /// Settings, checked; `engine.mode` says demo or live.
    pub settings: Arc<Settings>,
    /// What the operator knows better about instruments.
    pub instruments: Vec<InstrumentOverride>,
    /// Hash of both.
    pub config_hash: String,
    /// Run directory: one to create, or one whose run was interrupted and goes on.
    pub out: PathBuf,
    /// Names the run in its files.
    pub profile_id: String,
    /// The venue and what the account must be like.
    pub venue: VenuePlan,
    /// At the end, close what is open; otherwise it stays.
    pub flatten_at_end: bool,
}

/// How a run ended.
#[derive(Debug)]
pub struct LiveOutcome {
    /// Figures, as in `summary.json`.
    pub summary: Summary,
    /// What the threads did.
    pub report: RunReport,
    /// What the egress stage counted.
    pub egress: EgressCounts,
    /// Market sockets that were lost.
    pub market_losses: u64,
    /// Slots that still hold a position.
    pub open_slots: usize,
    /// Orders of ours whose outcome is not known, or that still work.
    pub has_unresolved: bool,
    /// Entries were off at the end: the operator's or the venue's kill.
    pub is_halted: bool,
}

/// The driven stages of a live run.
struct LiveStages {
    ingest: BingxIngest,
    signal: SignalStage,
    kernel: KernelStage,
    egress: BingxEgress,
}

impl LiveStages {
    fn set(&mut self) -> StageSet<'_> {
        StageSet {
            ingest: &mut self.ingest,
            signal: &mut self.signal,
            kernel: &mut self.kernel,
            egress: &mut self.egress,
        }
    }

    fn poll(&mut self, now: Nanos) -> Work {
        let first = self.ingest.poll(now).and(self.signal.poll(now));
        first.and(self.kernel.poll(now)).and(self.egress.poll(now))
    }

    fn slots(&self) -> &[Slot] {
        self.kernel.engine().kernel().slots()
    }
}

/// A live run before anything runs.
struct LiveAssembly {
    stages: LiveStages,
    records: Rx<RecordMsg>,
    inputs: InputRx,
    control: Arc<ArrayQueue<ControlMsg>>,
    kill: Arc<KillSwitch>,
}

/// Checks the account, then trades until `watch.stop` is set; then stops entries, calls working entries
/// back, closes what is open where that is wanted, and sums up. A directory that holds an interrupted run of
/// the same configuration is gone on with (`restart.rs` beside this file). `tuner` makes the tuner that sits
/// beside the kernel, if there is one.
///
/// # Errors
/// [`RunFault`]; the files written so far are whole and end with their last whole line.
pub fn live(
    plan: &LivePlan,
    watch: &Watch,
    tuner: Option<SeatTuner<'_>>,
    notice: &mut (dyn FnMut(&str) + Send),
) -> Result<LiveOutcome, RunFault> {
    let found = Interrupted::find(&plan.out)?;
    if let Some(found) = &found {
        found.is_of(plan)?;
    }
    let ready = startup(&plan.venue).map_err(RunFault::Venue)?;
    ready.notes.iter().for_each(|text| notice(text));
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let clock = Nanos::new(i64::try_from(started.as_nanos()).unwrap_or(i64::MAX));
    let pace = Pace::Times(1.0);
    let placement = Placement::plan(&plan.settings, pace, &Cores::of_process()?)
        .map_err(RunFault::Placement)?;
    placement.notices.iter().for_each(|text| notice(text));
    let layout = placement.layout;
    let begin = match found {
        None => Begin::fresh(plan, &ready, layout, clock, notice)?,
        Some(found) => Begin::again(plan, &ready, layout, clock, found, notice)?,
    };
    let Begin { dir, lock: _lock, header, engine, again } = begin;
    let (start, notices) = (header.started_ns, Notices::default());
    let run_id = header.run_id.clone();
    let symbols = ready.symbols(&header.instruments);
    let known_to = again.as_ref().map(|again| again.known_to);
    let assembly = assemble(plan, symbols, engine, known_to, start, &watch.gauges, &notices);
    let LiveAssembly { mut stages, records, inputs, control, kill } = assembly;
    let ports = [plan.venue.rest.target().port, plan.venue.ws.target().port];
    let wires = Wires { kill: &kill, control: &control, layout };
    let mode = plan.settings.engine_mode;
    let mut operator = Operator::ready(watch, dir.path(), &run_id, mode, wires, &ports, notice)?;
    let journal = match again {
        None => Journal::start(&dir, header, records, inputs, Durability::Power)?,
        Some(again) => Journal::go_on(&dir, again.journal, records, inputs)?,
    };
    if plan.venue.write_ahead {
        stages.egress.write_ahead(journal.ahead());
    }
    seat_tuner(&mut stages.kernel, tuner, &journal, run_id, &dir)?;
    let progress = Progress::default();
    watch.span(start, Nanos::MAX);
    let ran = thread::scope(|scope| {
        let names = scope.spawn(|| look_names_up([&plan.venue.rest, &plan.venue.ws], watch));
        let watcher = scope.spawn(|| {
            look_after(watch, &journal, &control, &mut operator, &progress, &notices, notice)
        });
        let ran = runner::run(stages.set(), &placement, pace, start, &watch.stop, &progress);
        let ran = ran.inspect(|report| {
            let end = report.last.max(stages.kernel.engine().now());
            close(&mut stages, &control, &kill, end, plan.flatten_at_end);
        });
        watch.ended.store(true, Ordering::Release);
        names.thread().unpark();
        watcher.thread().unpark();
        ran
    });
    let LiveStages { ingest, kernel, egress, .. } = &stages;
    let engine = kernel.engine();
    let end = RunEnd {
        ts_ns: engine.now(),
        reason: if ran.is_ok() { "signal" } else { "runner_fault" }.to_owned(),
        events: engine.inputs(),
        scans: engine.scans(),
        source: ingest.counts(),
        conflated: ingest.conflated(),
        dropped: journal.dropped() + kernel.records_lost(),
    };
    let summary = journal.finish(end, wall(started, ran.as_ref().ok()))?;
    let report = ran?;
    let broken = summary.identities();
    if !broken.is_empty() {
        return Err(RunFault::Identity(broken));
    }
    Ok(LiveOutcome {
        summary,
        report,
        egress: egress.counts(),
        market_losses: ingest.losses(),
        open_slots: stages.slots().iter().filter(|slot| slot.is_open()).count(),
        has_unresolved: engine.kernel().has_unresolved_order() || egress.has_resting(),
        is_halted: engine.kernel().is_killed(),
    })
}

/// Stages on links. An engine that goes on first hears that it must ask the venue for everything.
fn assemble(
    plan: &LivePlan,
    symbols: Symbols,
    engine: Engine,
    known_to: Option<Nanos>,
    start: Nanos,
    gauges: &Arc<Gauges>,
    notices: &Notices,
) -> LiveAssembly {
    let settings = Arc::clone(engine.settings());
    let table = Arc::new(engine.kernel().table().clone());
    let depth = |name: &str| topology::spec(name).depth;
    let (market_tx, market) = link(depth("market"));
    let (tap_tx, tap) = link(depth("tap"));
    let (feed_tx, feed) = link(depth("feed"));
    let (scan_tx, scan) = link(depth("scan"));
    let (ack_tx, ack) = link(depth("ack"));
    let (account_tx, account) = link(depth("account"));
    let (command_tx, command) = link(depth("command"));
    let (record, records) = link(depth("record"));
    let (input, inputs) = input_ring(depth("input"));
    let control = Arc::new(ArrayQueue::new(depth("control")));
    let kill =
        Arc::new(KillSwitch::new(engine.kernel().is_killed() || engine.kernel().is_flattening()));
    let kernel_links = KernelLinks {
        market,
        scan,
        ack,
        account,
        command: command_tx,
        record,
        input,
        control: Arc::clone(&control),
        gauges: Arc::clone(gauges),
    };
    let ingest_links = IngestLinks {
        market: MarketTx::new(market_tx, table.len()),
        tap: MarketTx::new(tap_tx, table.len()),
        feed: feed_tx,
    };
    let ingest = BingxIngest::new(
        &plan.venue.public(),
        Arc::clone(&table),
        &symbols,
        ingest_links,
        notices.clone(),
    );
    let egress_links = EgressLinks {
        feed,
        command,
        ack: ack_tx,
        account: account_tx,
        control: Arc::clone(&control),
    };
    let mut egress = BingxEgress::new(
        &plan.venue,
        Arc::clone(&table),
        symbols,
        Gate::new(&settings, table.len()),
        Arc::clone(&kill),
        egress_links,
        notices.clone(),
    );
    let mut signal = SignalStage::new(&settings, table, tap, scan_tx);
    if let Some(known_to) = known_to {
        signal = signal.behind(engine.policy().last_scan());
        egress.resume(engine.kernel(), start, known_to);
        let recover = ControlMsg { ts_recv_ns: start, control: Control::Recover };
        // The queue is empty, and the first thing that the kernel looks at.
        let _pushed = control.push(recover);
    }
    let stages = LiveStages {
        ingest,
        signal,
        kernel: KernelStage::new(engine, kernel_links, JournalFull::BlockNewRisk),
        egress,
    };
    LiveAssembly { stages, records, inputs, control, kill }
}

/// Follows the venue when it moves to other addresses. A look-up may wait for long, so it has a thread.
pub(super) fn look_names_up(peers: [&Peer; 2], watch: &Watch) {
    while !watch.ended.load(Ordering::Acquire) {
        thread::park_timeout(NAMES_EVERY);
        for peer in peers {
            if !watch.ended.load(Ordering::Acquire) {
                // What was known stays.
                let _unknown = peer.look_up();
            }
        }
    }
}

/// Shows what the stages tell, and stops the run when the journal cannot be written any more.
pub(super) fn look_after(
    watch: &Watch,
    journal: &JournalHandle,
    control: &ArrayQueue<ControlMsg>,
    operator: &mut Operator,
    progress: &Progress,
    notices: &Notices,
    notice: &mut (dyn FnMut(&str) + Send),
) {
    let mut told = false;
    loop {
        operator.poll(progress);
        let is_over = watch.ended.load(Ordering::Acquire);
        while let Some(text) = notices.next() {
            notice(&text);
        }
        if is_over {
            return;
        }
        if journal.failed() && !told {
            told = true;
            let failed =
                ControlMsg { ts_recv_ns: watch.gauges.now(), control: Control::JournalFailed };
            // A full queue already holds something to stop for.
            let _pushed = control.push(failed);
            watch.stop.store(true, Ordering::Release);
        }
        thread::park_timeout(WATCH_EVERY);
    }
}

/// The orderly end, in real time on this thread.
fn close(
    stages: &mut LiveStages,
    control: &ArrayQueue<ControlMsg>,
    kill: &KillSwitch,
    end: Nanos,
    flatten: bool,
) {
    let stopwatch = Stopwatch::calibrated();
    let clock = TurnClock::scaled(end, stopwatch.read_ns(), 1.0);
    let mut wishes = vec![Control::Stop];
    if flatten {
        kill.obey(Control::Flatten);
        wishes.push(Control::Flatten);
    }
    let until = end.plus(CLOSE_NS);
    loop {
        let now = clock.at(stopwatch.read_ns());
        // A full queue is emptied by the poll.
        wishes.retain(|wish| control.push(ControlMsg { ts_recv_ns: now, control: *wish }).is_err());
        let work = stages.poll(now);
        let works = |slot: &Slot| slot.entry_order().is_some() || (flatten && !slot.is_free());
        // What became of an order is still asked, and what may rest is still looked for.
        let is_open = stages.kernel.engine().kernel().has_unresolved_order()
            || (flatten && stages.egress.has_resting());
        let is_done = wishes.is_empty() && !is_open && !stages.slots().iter().any(works);
        if (is_done && work.count == 0 && stages.egress.is_quiet()) || now >= until {
            break;
        }
        if work.count == 0 {
            thread::sleep(PAUSE);
        }
    }
    stages.ingest.stop();
    stages.egress.close();
    let until = clock.at(stopwatch.read_ns()).plus(FAREWELL_NS);
    loop {
        let now = clock.at(stopwatch.read_ns());
        let work = stages.poll(now);
        if (work.count == 0 && stages.egress.is_over()) || now >= until {
            return;
        }
        thread::sleep(PAUSE);
    }
}
