//! The whole engine in one thread on its real links, without files: every stage that a paper run has, the
//! journal's ends in the caller's hand.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crossbeam_queue::ArrayQueue;
use pinion_core::engine::{Engine, Gauges, JournalFull, KernelLinks, KernelStage};
use pinion_core::instrument::InstrumentTable;
use pinion_core::journal::{Entry, InputRx, input_ring};
use pinion_core::link::{MarketTx, Rx, link};
use pinion_core::msg::RecordMsg;
use pinion_core::settings::Settings;
use pinion_core::signal::SignalStage;
use pinion_core::topology::spec;
use pinion_core::units::Nanos;
use pinion_io::ingest::{IngestStage, WhenFull};
use pinion_io::paper::{PaperEgress, PaperVenue};
use pinion_io::runner::{RunError, RunReport, StageSet, TurnObserver, run_inline};
use pinion_io::source::Source;

/// What a run tells while it goes on. Nothing of it is kept.
#[derive(Clone, Copy, Debug)]
pub enum Heard<'a> {
    /// The kernel has written an input for the journal.
    Input,
    /// The kernel has written a record for the journal.
    Record(&'a RecordMsg),
    /// All stages are at rest at this moment.
    Turn(Nanos),
}

/// The four stages on links of the topology. Owner: a test or a benchmark.
#[derive(Debug)]
pub struct Pipeline<S> {
    /// In.
    pub ingest: IngestStage<S>,
    /// Scans.
    pub signal: SignalStage,
    /// Decisions.
    pub kernel: KernelStage,
    /// The paper venue.
    pub egress: PaperEgress,
    records: Rx<RecordMsg>,
    inputs: InputRx,
    start: Nanos,
}

impl<S: Source> Pipeline<S> {
    /// Everything that a paper run at full speed has, but the journal's thread.
    ///
    /// # Panics
    /// When the source has no event.
    #[must_use]
    pub fn new(settings: &Arc<Settings>, table: Arc<InstrumentTable>, mut source: S) -> Self {
        let depth = |name| spec(name).depth;
        let (market_tx, market) = link(depth("market"));
        let (tap_tx, tap) = link(depth("tap"));
        let (feed_tx, feed) = link(depth("feed"));
        let (scan_tx, scan) = link(depth("scan"));
        let (ack_tx, ack) = link(depth("ack"));
        let (account_tx, account) = link(depth("account"));
        let (command, command_rx) = link(depth("command"));
        let (record, records) = link(depth("record"));
        let (input, inputs) = input_ring(depth("input"));
        let start = source.next_ts().expect("readable").expect("an event");
        let market_tx = MarketTx::new(market_tx, table.len());
        let links = KernelLinks {
            market,
            scan,
            ack,
            account,
            command,
            record,
            input,
            control: Arc::new(ArrayQueue::new(depth("control"))),
            gauges: Arc::new(Gauges::default()),
        };
        let engine = Engine::new(Arc::clone(settings), Arc::clone(&table), 1);
        let venue = PaperVenue::new(settings, Arc::clone(&table));
        Self {
            ingest: IngestStage::new(source, market_tx, tap_tx, Some(feed_tx), WhenFull::Wait),
            signal: SignalStage::new(settings, table, tap, scan_tx),
            kernel: KernelStage::new(engine, links, JournalFull::Wait),
            egress: PaperEgress::new(venue, feed, command_rx, ack_tx, account_tx),
            records,
            inputs,
            start,
        }
    }

    /// Runs the source to its end in virtual time on this thread; `hear` stands where the journal does.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn run(&mut self, hear: &mut dyn FnMut(Heard<'_>)) -> Result<RunReport, RunError> {
        let set = StageSet {
            ingest: &mut self.ingest,
            signal: &mut self.signal,
            kernel: &mut self.kernel,
            egress: &mut self.egress,
        };
        let mut journal = Journal { records: &mut self.records, inputs: &mut self.inputs, hear };
        run_inline(set, self.start, &AtomicBool::new(false), &mut journal)
    }
}

/// Empties what the kernel writes for the journal, at every moment.
struct Journal<'a> {
    records: &'a mut Rx<RecordMsg>,
    inputs: &'a mut InputRx,
    hear: &'a mut dyn FnMut(Heard<'_>),
}

impl TurnObserver for Journal<'_> {
    fn turn(&mut self, now: Nanos, _work: u64) {
        let Self { records, inputs, hear } = self;
        let mut each = |entry: Entry<'_>| {
            if let Entry::Input(_) = entry {
                hear(Heard::Input);
            }
        };
        while inputs.read(&mut each) > 0 {}
        while let Some(record) = records.pop() {
            hear(Heard::Record(&record));
        }
        hear(Heard::Turn(now));
    }
}
