//! The stages of a run on the links of the topology.

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use pinion_core::engine::{Engine, Gauges, JournalFull, KernelLinks, KernelStage};
use pinion_core::gate::{Gate, KillSwitch};
use pinion_core::instrument::InstrumentTable;
use pinion_core::journal::{InputRx, input_ring};
use pinion_core::link::{MarketTx, Rx, link, touched_link};
use pinion_core::msg::{ControlMsg, Record, RecordMsg};
use pinion_core::settings::Settings;
use pinion_core::signal::{OutsideScan, SignalStage};
use pinion_core::topology;
use pinion_core::units::Nanos;

use crate::ingest::{IngestStage, WhenFull};
use crate::paper::{PaperEgress, PaperVenue};
use crate::runner::{Pace, StageSet};
use crate::source::Source;

/// The four driven stages. Owner: whoever drives the run; read again when it is over.
#[derive(Debug)]
pub struct Stages<S> {
    /// Market bytes in.
    pub ingest: IngestStage<S>,
    /// The regime scan.
    pub signal: SignalStage,
    /// Slots, orders, books, policy.
    pub kernel: KernelStage,
    /// The paper venue.
    pub egress: PaperEgress,
}

impl<S: Source> Stages<S> {
    /// For a runner.
    pub fn set(&mut self) -> StageSet<'_> {
        StageSet {
            ingest: &mut self.ingest,
            signal: &mut self.signal,
            kernel: &mut self.kernel,
            egress: &mut self.egress,
        }
    }
}

/// A paper run before anything runs.
#[derive(Debug)]
pub struct Assembly<S> {
    /// The stages, wired.
    pub stages: Stages<S>,
    /// What the kernel records.
    pub records: Rx<RecordMsg>,
    /// What the kernel was fed.
    pub inputs: InputRx,
    /// To the kernel, from any thread.
    pub control: Arc<ArrayQueue<ControlMsg>>,
    /// Whoever sends a control message tells it first ([`KillSwitch::obey`]).
    pub kill: Arc<KillSwitch>,
}

impl<S: Source> Assembly<S> {
    /// Makes links and stages. At full speed a recording waits where a link is full; at a set pace it
    /// conflates, and a slow journal blocks new risk, as against a live market. With `outside` the regime is
    /// that of these scans, in order of time and number.
    #[must_use]
    pub fn new(
        settings: &Arc<Settings>,
        table: Arc<InstrumentTable>,
        source: S,
        epoch: u32,
        pace: Pace,
        gauges: Arc<Gauges>,
        outside: Option<Vec<OutsideScan>>,
    ) -> Self {
        let depth = |name: &str| topology::spec(name).depth;
        let (market_tx, market) = link(depth("market"));
        let (tap_tx, tap) = link(depth("tap"));
        let (feed_tx, feed) = link(depth("feed"));
        let (scan_tx, scan) = link(depth("scan"));
        let (ack_tx, ack) = link(depth("ack"));
        let (account_tx, account) = link(depth("account"));
        let (command, command_rx) = link(depth("command"));
        let nothing = RecordMsg { ts_ns: Nanos::ZERO, record: Record::Settings { version: 0 } };
        let (record, records) = touched_link(depth("record"), nothing);
        let (input, inputs) = input_ring(depth("input"));
        let control = Arc::new(ArrayQueue::new(depth("control")));
        let (when_full, on_full) = match pace {
            Pace::Max => (WhenFull::Wait, JournalFull::Wait),
            Pace::Times(_) => (WhenFull::Conflate, JournalFull::BlockNewRisk),
        };
        let merging = |tx| MarketTx::new(tx, table.len());
        let (market_tx, tap_tx) = (merging(market_tx), merging(tap_tx));
        let engine = Engine::new(Arc::clone(settings), Arc::clone(&table), epoch);
        let links = KernelLinks {
            market,
            scan,
            ack,
            account,
            command,
            record,
            input,
            control: Arc::clone(&control),
            gauges,
        };
        let venue = PaperVenue::new(settings, Arc::clone(&table));
        let halted = engine.kernel().is_killed() || engine.kernel().is_flattening();
        let kill = Arc::new(KillSwitch::new(halted));
        let gate = Gate::new(settings, table.len());
        let egress =
            PaperEgress::new(venue, gate, Arc::clone(&kill), feed, command_rx, ack_tx, account_tx);
        let stages = Stages {
            ingest: IngestStage::new(source, market_tx, tap_tx, Some(feed_tx), when_full),
            signal: match outside {
                Some(said) => SignalStage::outside(settings, table, said, tap, scan_tx),
                None => SignalStage::new(settings, table, tap, scan_tx),
            },
            kernel: KernelStage::new(engine, links, on_full),
            egress,
        };
        Self { stages, records, inputs, control, kill }
    }
}
