//! The whole engine in one thread on its real links, without files: every stage that a paper run has, the
//! journal's ends in the caller's hand.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pinion_core::engine::Gauges;
use pinion_core::instrument::InstrumentTable;
use pinion_core::journal::{Entry, InputRx};
use pinion_core::link::Rx;
use pinion_core::msg::RecordMsg;
use pinion_core::settings::Settings;
use pinion_core::units::Nanos;
use pinion_io::run::{Assembly, Stages};
use pinion_io::runner::{Pace, RunError, RunReport, TurnObserver, run_inline};
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
    /// The stages.
    pub stages: Stages<S>,
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
        let start = source.next_ts().expect("readable").expect("an event");
        let gauges = Arc::new(Gauges::default());
        let Assembly { stages, records, inputs, .. } =
            Assembly::new(settings, table, source, 1, Pace::Max, gauges, None);
        Self { stages, records, inputs, start }
    }

    /// Runs the source to its end in virtual time on this thread; `hear` stands where the journal does.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn run(&mut self, hear: &mut dyn FnMut(Heard<'_>)) -> Result<RunReport, RunError> {
        let mut journal = Journal { records: &mut self.records, inputs: &mut self.inputs, hear };
        run_inline(self.stages.set(), self.start, &AtomicBool::new(false), &mut journal)
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
