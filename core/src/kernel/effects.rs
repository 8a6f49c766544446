//! Effects: what one turn of the kernel wants done, as values.

use arrayvec::ArrayVec;

use crate::msg::{Command, CommandMsg, Record, RecordMsg};
use crate::units::Nanos;

/// Most commands of one turn.
pub const COMMANDS_MAX: usize = 32;
/// Most records of one turn.
pub const RECORDS_MAX: usize = 256;

/// Commands and records of one turn, in order. Owner: the kernel stage; emptied after every turn.
#[derive(Debug)]
pub struct Effects {
    /// Time of the turn.
    pub now_ns: Nanos,
    /// Receive time of the input.
    pub ts_recv_ns: Nanos,
    /// To the venue.
    pub commands: ArrayVec<CommandMsg, COMMANDS_MAX>,
    /// To the journal.
    pub records: ArrayVec<RecordMsg, RECORDS_MAX>,
    /// Records that did not fit; never expected, counted as an error.
    pub records_lost: u64,
}

impl Default for Effects {
    fn default() -> Self {
        Self {
            now_ns: Nanos::ZERO,
            ts_recv_ns: Nanos::ZERO,
            commands: ArrayVec::new(),
            records: ArrayVec::new(),
            records_lost: 0,
        }
    }
}

impl Effects {
    /// Empties it for the next turn.
    pub fn begin(&mut self, now_ns: Nanos, ts_recv_ns: Nanos) {
        self.now_ns = now_ns;
        self.ts_recv_ns = ts_recv_ns;
        self.commands.clear();
        self.records.clear();
    }

    /// Adds a command; false when the turn already holds [`COMMANDS_MAX`].
    #[must_use]
    pub fn command(&mut self, command: Command) -> bool {
        if self.commands.is_full() {
            return false;
        }
        let (ts_decide_ns, ts_recv_ns) = (self.now_ns, self.ts_recv_ns);
        self.commands.push(CommandMsg { ts_decide_ns, ts_recv_ns, command });
        true
    }

    /// Adds a record.
    pub fn record(&mut self, record: Record) {
        // Asked first, so that the message need not be able to come back.
        if self.records.is_full() {
            self.records_lost += 1;
        } else {
            self.records.push(RecordMsg { ts_ns: self.now_ns, record });
        }
    }

    /// Adds a record before the one at `place`, or behind the last: for what is known only when what it
    /// led to has been recorded. Cost: moves those behind it.
    pub fn record_at(&mut self, place: usize, record: Record) {
        let place = place.min(self.records.len());
        let message = RecordMsg { ts_ns: self.now_ns, record };
        if self.records.try_insert(place, message).is_err() {
            self.records_lost += 1;
        }
    }
}
