//! A whole run: source, stages, links, journal, put together, driven, summed up.
//!
//! [`paper`] is the main job, [`live`] trades against a venue's sockets; [`replay`] feeds a journal to a
//! fresh engine.

mod assembly;
mod close;
mod fault;
mod live;
mod replay;
mod source;
mod watch;

pub use assembly::{Assembly, Stages};
pub use fault::RunFault;
pub use live::{LiveOutcome, LivePlan, live};
pub use replay::replay;
pub use watch::Watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crossbeam_queue::ArrayQueue;
use pinion_core::instrument::InstrumentTable;
use pinion_core::msg::{Control, ControlMsg};
use pinion_core::settings::{InstrumentOverride, KEYS, Settings};
use pinion_core::signal::{OutsideScan, WINDOWS};
use pinion_core::units::Nanos;
use sha2::{Digest as _, Sha256};

use crate::affinity::Cores;
use crate::data::read_scans;
use crate::journal::folder::Durability;
use crate::journal::summary::TICK_TO_ORDER;
use crate::journal::{Journal, JournalHandle, Latency, RunDir, RunEnd, RunHeader, Summary, Wall};
use crate::runner::{self, Ending, Pace, Placement, Progress, RunReport};
use crate::source::Source;

/// Real seconds by which a paced run may lag behind before the person is told.
const LATE_S_MAX: f64 = 0.1;

/// How often the watcher looks at the journal.
const WATCH_EVERY: Duration = Duration::from_millis(5);

/// What to run.
#[derive(Clone, Debug)]
pub struct PaperPlan {
    /// Settings, checked.
    pub settings: Arc<Settings>,
    /// What the operator knows better about instruments.
    pub instruments: Vec<InstrumentOverride>,
    /// Hash of both.
    pub config_hash: String,
    /// Recorded data; empty: the built-in market.
    pub data: Vec<PathBuf>,
    /// Scans of an outside source, for the built-in regime; see [`crate::data::read_scans`].
    pub scans: Option<PathBuf>,
    /// Run directory to create.
    pub out: PathBuf,
    /// Names the run in its files.
    pub profile_id: String,
    /// How fast stream time passes.
    pub pace: Pace,
    /// Ends the run after so much stream time.
    pub duration_ns: Option<i64>,
}

/// What came of it.
#[derive(Debug)]
pub struct PaperOutcome {
    /// Figures, as in `summary.json`.
    pub summary: Summary,
    /// What the threads did.
    pub report: RunReport,
    /// Time of the last market event.
    pub last_event: Nanos,
}

/// Runs `plan` to its end, or until `watch.stop` is set. `notice` gets a line for people now and then.
///
/// # Errors
/// [`RunFault`]; the files written so far are whole and end with their last whole line.
pub fn paper(
    plan: &PaperPlan,
    watch: &Watch,
    notice: &mut dyn FnMut(&str),
) -> Result<PaperOutcome, RunFault> {
    let mut opened = source::open(plan)?;
    opened.notices.iter().for_each(|text| notice(text));
    let table = Arc::new(InstrumentTable::new(std::mem::take(&mut opened.instruments))?);
    if let Some(text) = no_signal(plan, opened.span, table.len()) {
        notice(&text);
    }
    let mut source = opened.into_source(plan, &table)?;
    let outside = plan.scans.as_deref().map(|path| read_scans(path, &table)).transpose()?;
    if let Some(outside) = &outside {
        source.texts.push(outside.text.clone());
        if !outside.unknown.is_empty() {
            notice(&format!("not in the market: {} of the scans", outside.unknown.join(", ")));
        }
    }
    let Some(start) = source.next_ts()? else { return Err(RunFault::NoEvents) };
    if let Some(outside) = &outside {
        outside.check_span(start, source.end)?;
    }
    let placement = Placement::plan(&plan.settings, plan.pace, &Cores::of_process()?)
        .map_err(RunFault::Placement)?;
    placement.notices.iter().for_each(|text| notice(text));
    let dir = RunDir::create(&plan.out)?;
    let header = header(plan, &table, &source.texts, start, &placement);
    watch.span(start, source.end);
    let outside = outside.map(|outside| outside.scans);
    let outcome = drive(plan, watch, &dir, header, table, source, outside, start, &placement)?;
    if let Some(text) = pace_lost(plan.pace, &outcome) {
        notice(&text);
    }
    Ok(outcome)
}

/// Recorded data in which the regime signal cannot have a value enters nothing: the person must know.
fn no_signal(plan: &PaperPlan, span: Option<(Nanos, Nanos)>, assets: usize) -> Option<String> {
    let (first, last) = span.filter(|_| plan.scans.is_none())?;
    let settings = &plan.settings;
    let span_ns = plan.duration_ns.map_or(i64::MAX, |ns| ns).min(last.since(first));
    let scans = span_ns / settings.signal_scan_ns.max(1) + 1;
    let needed = i64::try_from(WINDOWS[WINDOWS.len() - 1]).unwrap_or(i64::MAX).saturating_add(2);
    let least = settings.signal_assets_min.max(settings.picker_assets_min);
    let few = i64::try_from(assets).is_ok_and(|assets| assets < least);
    let profiles = "the profiles short and very-short are for such data";
    if few {
        Some(format!(
            "the data has {assets} instruments; signal.assets_min and picker.assets_min ask for {least}: \
             nothing will be entered; {profiles}"
        ))
    } else if scans < needed {
        Some(format!(
            "the data holds {scans} scans at signal.scan_ns = {}; the regime signal needs {needed}: \
             nothing will be entered; {profiles}",
            settings.signal_scan_ns
        ))
    } else {
        None
    }
}

/// A paced run whose machine was too slow has decided on old prices: the person must know.
fn pace_lost(pace: Pace, outcome: &PaperOutcome) -> Option<String> {
    let Pace::Times(speed) = pace else { return None };
    let late_ns = outcome.report.last.since(outcome.last_event) - runner::GRACE_NS;
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let late_s = late_ns as f64 / 1e9;
    (late_s / speed > LATE_S_MAX).then(|| {
        format!(
            "speed {speed} is too fast for this machine: at the end the market was {late_s:.1} s of \
             stream time late, so decisions saw old prices; choose a lower speed, or max"
        )
    })
}

#[expect(clippy::too_many_arguments, reason = "the parts of one run, each made by its own step")]
fn drive(
    plan: &PaperPlan,
    watch: &Watch,
    dir: &RunDir,
    header: RunHeader,
    table: Arc<InstrumentTable>,
    source: source::Opened,
    outside: Option<Vec<OutsideScan>>,
    start: Nanos,
    placement: &Placement,
) -> Result<PaperOutcome, RunFault> {
    let gauges = Arc::clone(&watch.gauges);
    let assembly =
        Assembly::new(&plan.settings, table, source, header.epoch, plan.pace, gauges, outside);
    let Assembly { mut stages, records, inputs, control, kill: _ } = assembly;
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Recorded data at full speed can be run again: a snapshot then need not outlive a loss of power.
    let durability = match plan.pace {
        Pace::Max => Durability::Process,
        Pace::Times(_) => Durability::Power,
    };
    let journal = Journal::start(dir, header, records, inputs, durability)?;
    let set = stages.set();
    let progress = Progress::default();
    let ran = thread::scope(|scope| {
        let watcher = scope.spawn(|| watch_journal(watch, &journal, &control));
        let ran = runner::run(set, placement, plan.pace, start, &watch.stop, &progress);
        watch.ended.store(true, Ordering::Release);
        watcher.thread().unpark();
        ran
    });
    if let Ok(report) = &ran {
        let end = report.last.max(stages.kernel.engine().now());
        close::close(&mut stages, &control, end);
    }
    let Stages { ingest, kernel, .. } = &stages;
    let engine = kernel.engine();
    let reason = match (&ran, ingest.fault()) {
        (Err(_), _) => "runner_fault",
        (_, Some(_)) => "source_fault",
        (Ok(report), None) if report.ending == Ending::Stopped => "signal",
        (Ok(_), None) if ingest.source().cut => "duration",
        (Ok(_), None) => "end_of_data",
    };
    let end = RunEnd {
        ts_ns: engine.now(),
        reason: reason.to_owned(),
        events: engine.inputs(),
        scans: engine.scans(),
        source: ingest.counts(),
        conflated: ingest.conflated(),
        dropped: journal.dropped() + kernel.records_lost(),
    };
    let wall = wall(started, ran.as_ref().ok());
    let summary = match durability {
        Durability::Process => {
            let mut state = Vec::new();
            engine.save(&mut state);
            journal.finish_with(end, wall, state)?
        }
        Durability::Power => journal.finish(end, wall)?,
    };
    let report = ran?;
    if let Some(fault) = ingest.fault() {
        return Err(RunFault::Source(fault.clone()));
    }
    let broken = summary.identities();
    if broken.is_empty() {
        Ok(PaperOutcome { summary, report, last_event: ingest.last_ts().unwrap_or(start) })
    } else {
        Err(RunFault::Identity(broken))
    }
}

/// What the clock on the wall says of a run; a run that failed has no figures.
fn wall(started: Duration, report: Option<&RunReport>) -> Wall {
    Wall {
        started_ns: u64::try_from(started.as_nanos()).unwrap_or(u64::MAX),
        elapsed_ns: report.map_or(0, |report| report.wall_ns),
        latency: report.map_or_else(Vec::new, latencies),
    }
}

/// Tick to order, how long the turns of each stage thread took that did work, and the polls of each stage.
fn latencies(report: &RunReport) -> Vec<Latency> {
    let whole =
        Latency { name: TICK_TO_ORDER.to_owned(), histogram: report.tick_to_order_ns.clone() };
    let turns = report.threads.iter().map(|thread| Latency {
        name: format!("turn_{}", thread.name),
        histogram: thread.turn_ns.clone(),
    });
    let polls = report.threads.iter().flat_map(|thread| &thread.poll_ns);
    let polls = polls.map(|(stage, histogram)| Latency {
        name: format!("stage_{stage}"),
        histogram: histogram.clone(),
    });
    core::iter::once(whole).chain(turns).chain(polls).collect()
}

/// Stops the run when the journal cannot be written any more; the kernel hears of it as an input.
fn watch_journal(watch: &Watch, journal: &JournalHandle, control: &ArrayQueue<ControlMsg>) {
    while !watch.ended.load(Ordering::Acquire) {
        if journal.failed() {
            let failed =
                ControlMsg { ts_recv_ns: watch.gauges.now(), control: Control::JournalFailed };
            // A full queue already holds something to stop for.
            let _pushed = control.push(failed);
            watch.stop.store(true, Ordering::Release);
            return;
        }
        thread::park_timeout(WATCH_EVERY);
    }
}

fn header(
    plan: &PaperPlan,
    table: &InstrumentTable,
    data: &[String],
    start: Nanos,
    placement: &Placement,
) -> RunHeader {
    let settings = &plan.settings;
    let name = run_name(plan, data);
    RunHeader {
        run_id: name.clone(),
        run_tag: name,
        mode: settings.engine_mode,
        layout: placement.layout,
        seed: settings.engine_seed,
        epoch: epoch(start),
        started_ns: start,
        config_version: 1,
        config_hash: plan.config_hash.clone(),
        starting_capital: settings.account_starting_capital,
        instruments: table.clone(),
        settings: KEYS
            .iter()
            .map(|key| (key.name.to_owned(), (key.get)(settings).to_text()))
            .collect(),
        data: data.to_vec(),
    }
}

/// The same for runs with the same profile, settings, seed, pace and data, wherever the data lies:
/// byte-identical files need it.
fn run_name(plan: &PaperPlan, data: &[String]) -> String {
    let mut hash = Sha256::new();
    let pace = format!("{:?} {:?}", plan.pace, plan.duration_ns);
    for part in
        [plan.config_hash.as_str(), &pace].into_iter().chain(data.iter().map(String::as_str))
    {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let hex: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{hex}", plan.profile_id)
}

/// Seconds of the first event: client order ids of runs on other data differ.
fn epoch(start: Nanos) -> u32 {
    u32::try_from(start.get() / Nanos::SECOND).unwrap_or(0)
}
