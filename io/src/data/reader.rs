//! What every format's reader does, and what they share.

use pinion_core::id::InstrumentId;
use pinion_core::instrument::InstrumentTable;
use pinion_core::msg::MarketMsg;
use pinion_core::units::Nanos;

use super::depth::DepthStatus;
use crate::source::{SourceCounts, SourceFault};

/// Whether an event may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Fine,
    /// Further back in time than the limit.
    TooLate,
}

/// One file as events in recorded order.
pub(super) trait Reader: Send {
    /// Recorded time of the next event, `None` at the end. Asking twice gives the same.
    fn peek(&mut self) -> Result<Option<Nanos>, SourceFault>;

    /// Takes the event that [`Reader::peek`] saw: appends its messages, stamped `at`, and counts it. One
    /// that comes too late is counted as out of order and left out; a book that it belongs to is lost.
    fn take(
        &mut self,
        at: Nanos,
        order: Order,
        out: &mut Vec<MarketMsg>,
        counts: &mut SourceCounts,
    ) -> Result<(), SourceFault>;

    /// Unpacked bytes so far; packed bytes so far and in all.
    fn bytes(&self) -> (u64, u64, u64);

    /// What became of an instrument's depth; `None` when this file has none of it.
    fn depth(&self, instrument: InstrumentId) -> Option<DepthStatus>;
}

/// Spellings met in a file and the instruments they mean.
#[derive(Debug)]
pub(super) struct Symbols {
    table: InstrumentTable,
    /// Sorted by spelling; only known instruments, so it cannot outgrow the table by much.
    known: Vec<(Box<[u8]>, InstrumentId)>,
    /// Where in `known` a spelling with this hash was last found; a hint, always checked.
    hints: [u16; HINTS],
}

/// A power of two.
const HINTS: usize = 256;

/// Tells the spellings of one venue apart for the most part: they differ early.
fn hash(spelling: &[u8]) -> usize {
    let letters = spelling.iter().take(4);
    letters.fold(spelling.len(), |hash, letter| hash.wrapping_mul(5) ^ usize::from(*letter)) % HINTS
}

impl Symbols {
    pub(super) const fn new(table: InstrumentTable) -> Self {
        Self { table, known: Vec::new(), hints: [0; HINTS] }
    }

    /// How many instruments the run has.
    pub(super) fn count(&self) -> usize {
        self.table.len()
    }

    pub(super) fn find(&mut self, spelling: &[u8]) -> Option<InstrumentId> {
        let hint = &mut self.hints[hash(spelling)];
        if let Some((known, id)) = self.known.get(usize::from(*hint))
            && **known == *spelling
        {
            return Some(*id);
        }
        let at = match self.known.binary_search_by(|(known, _)| (**known).cmp(spelling)) {
            Ok(at) => at,
            Err(at) => {
                let id = self.table.find(core::str::from_utf8(spelling).ok()?)?;
                self.known.insert(at, (spelling.into(), id));
                at
            }
        };
        // One that does not fit is no hint; it then misses and is searched for.
        *hint = u16::try_from(at).unwrap_or(u16::MAX);
        Some(self.known[at].1)
    }
}
