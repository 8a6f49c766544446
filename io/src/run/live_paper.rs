//! A paper run on a venue's live public data: its sockets in, the paper venue out, no key.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use pinion_core::instrument::InstrumentTable;
use pinion_core::settings::{InstrumentOverride, KEYS, Settings};
use pinion_core::units::Nanos;

use super::assembly::{Assembly, Stages};
use super::close::close;
use super::fault::RunFault;
use super::live::{look_after, look_names_up};
use super::operator::{Operator, Wires};
use super::source::correct;
use super::watch::Watch;
use super::{PaperOutcome, SeatTuner, epoch, seat_tuner, wall};
use crate::affinity::Cores;
use crate::bingx::live::{BingxIngest, IngestLinks, Listing, Notices, PublicPlan, listing};
use crate::journal::folder::Durability;
use crate::journal::{Journal, RunDir, RunEnd, RunHeader};
use crate::runner::{self, Pace, Placement, Progress};

/// What to run.
#[derive(Clone, Debug)]
pub struct LivePaperPlan {
    /// Settings, checked; `engine.mode` is paper.
    pub settings: Arc<Settings>,
    /// What the operator knows better about instruments.
    pub instruments: Vec<InstrumentOverride>,
    /// Hash of both.
    pub config_hash: String,
    /// Run directory to create.
    pub out: PathBuf,
    /// Names the run in its files.
    pub profile_id: String,
    /// The venue's public side.
    pub venue: PublicPlan,
}

/// Trades on paper until `watch.stop` is set, then ends as a paper run does.
///
/// # Errors
/// [`RunFault`]; the files written so far are whole and end with their last whole line.
pub fn live_paper(
    plan: &LivePaperPlan,
    watch: &Watch,
    tuner: Option<SeatTuner<'_>>,
    notice: &mut (dyn FnMut(&str) + Send),
) -> Result<PaperOutcome, RunFault> {
    let mut listing = listing(&plan.venue).map_err(RunFault::Venue)?;
    notice(&format!(
        "venue: {} instruments, this machine's clock {:.1} ms ahead of the venue's",
        listing.instruments.len(),
        listing.ahead_ns as f64 / 1e6
    ));
    let table = universe(plan, &mut listing)?;
    let symbols = listing.symbols(&table);
    let pace = Pace::Times(1.0);
    let placement = Placement::plan(&plan.settings, pace, &Cores::of_process()?)
        .map_err(RunFault::Placement)?;
    placement.notices.iter().for_each(|text| notice(text));
    let dir = RunDir::create(&plan.out)?;
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let start = Nanos::new(i64::try_from(started.as_nanos()).unwrap_or(i64::MAX));
    let header = header(plan, &table, start, &placement);
    let notices = Notices::default();
    let gauges = Arc::clone(&watch.gauges);
    let assembly = Assembly::wired(
        &plan.settings,
        Arc::clone(&table),
        header.epoch,
        pace,
        gauges,
        None,
        |links| {
            let links = IngestLinks { market: links.market, tap: links.tap, feed: links.feed };
            BingxIngest::new(&plan.venue, table, &symbols, links, notices.clone())
        },
    );
    let Assembly { mut stages, records, inputs, control, kill } = assembly;
    let wires = Wires { kill: &kill, control: &control, layout: placement.layout };
    let peers = [&*plan.venue.rest, &*plan.venue.ws];
    let ports = peers.map(|peer| peer.target().port);
    let (run_id, mode) = (header.run_id.clone(), header.mode);
    let mut operator = Operator::ready(watch, dir.path(), &run_id, mode, wires, &ports, notice)?;
    let journal = Journal::start(&dir, header, records, inputs, Durability::Power)?;
    seat_tuner(&mut stages.kernel, tuner, &journal, run_id, &dir)?;
    let progress = Progress::default();
    watch.span(start, Nanos::MAX);
    let ran = thread::scope(|scope| {
        let names = scope.spawn(|| look_names_up(peers, watch));
        let watcher = scope.spawn(|| {
            look_after(watch, &journal, &control, &mut operator, &progress, &notices, notice)
        });
        let ran = runner::run(stages.set(), &placement, pace, start, &watch.stop, &progress);
        watch.ended.store(true, Ordering::Release);
        names.thread().unpark();
        watcher.thread().unpark();
        ran
    });
    stages.ingest.stop();
    if let Ok(report) = &ran {
        let end = report.last.max(stages.kernel.engine().now());
        close(&mut stages, &control, end);
    }
    let Stages { ingest, kernel, .. } = &stages;
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
    let last_event = engine.now();
    let summary = journal.finish(end, wall(started, ran.as_ref().ok()))?;
    let report = ran?;
    let broken = summary.identities();
    if broken.is_empty() {
        Ok(PaperOutcome { summary, report, last_event })
    } else {
        Err(RunFault::Identity(broken))
    }
}

/// The venue's instruments, with what the operator knows better.
fn universe(plan: &LivePaperPlan, listing: &mut Listing) -> Result<Arc<InstrumentTable>, RunFault> {
    let mut rows = std::mem::take(&mut listing.instruments);
    for row in &plan.instruments {
        if let Some(known) = rows.iter_mut().find(|known| known.symbol == row.symbol) {
            correct(known, row);
        }
    }
    Ok(Arc::new(InstrumentTable::new(rows)?))
}

fn header(
    plan: &LivePaperPlan,
    table: &InstrumentTable,
    start: Nanos,
    placement: &Placement,
) -> RunHeader {
    let settings = &plan.settings;
    let epoch = epoch(start);
    let name = format!("{}-{epoch:08x}", plan.profile_id);
    let (rest, ws) = (plan.venue.rest.host_header(), plan.venue.ws.host_header());
    RunHeader {
        run_id: name.clone(),
        run_tag: name,
        mode: settings.engine_mode,
        layout: placement.layout,
        seed: settings.engine_seed,
        epoch,
        started_ns: start,
        config_version: 1,
        config_hash: plan.config_hash.clone(),
        starting_capital: settings.account_starting_capital,
        instruments: table.clone(),
        settings: KEYS
            .iter()
            .map(|key| (key.name.to_owned(), (key.get)(settings).to_text()))
            .collect(),
        data: vec![format!("bingx {rest}, {ws}, live public data")],
    }
}
