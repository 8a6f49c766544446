//! The journal: a run's directory, the thread that writes it, and the comparison a replay makes.
//!
//! The kernel thread pushes encoded inputs and records into two rings and never waits for a disk. The
//! journal thread ([`thread`]) turns records into lines ([`lines`]), frames the inputs ([`frames`]),
//! folds the totals ([`summary`]), and against a live market feeds a second engine ([`replica`]) whose
//! state it saves ([`snapshot`]). Everything but the thread is a pure function of the header, the inputs,
//! the records and the end of the run, so that [`compare()`] can render a replay with the same code and
//! hold it against the files byte by byte.
//!
//! Wall-clock values stand in three places only, so that equal inputs give equal files: the `wall`
//! member of the `run_end` line, the last lines of `summary.json`, and the latency files.
//!
//! The files survive the end of the process at any moment (what was flushed, at most 200 ms old, and against a
//! venue all that came before the last order that left, see [`ahead`]); a loss of power may cost what the
//! system had not yet written, but nothing that a snapshot of a paced run covers ([`folder::Durability`]).

pub mod again;
pub mod ahead;
pub mod compare;
pub mod execution;
mod fault;
pub mod folder;
pub mod frames;
pub mod header;
pub mod hgrm;
mod json;
mod line_file;
pub mod lines;
pub mod medium;
pub mod reader;
pub mod render;
pub mod replica;
pub mod run_dir;
#[cfg(test)]
mod samples;
pub mod snapshot;
pub mod summary;
pub mod tail;
pub mod thread;

pub use again::{Again, tell_again};
#[cfg(test)]
pub(crate) use ahead::Tickets;
pub use ahead::WriteAhead;
pub use compare::{Comparison, Difference, Engine, Step, compare};
pub use fault::JournalFault;
pub use header::{RunHeader, SettingChange, SettingsVersion};
pub use reader::{Item, JournalReader, Tail};
pub use run_dir::{RunDir, write_fault};
pub use summary::{Latency, RunEnd, Summary, Wall};
pub use thread::{Journal, JournalHandle, SettingsDesk};

/// Names of the line files.
pub fn line_file_names() -> impl Iterator<Item = &'static str> {
    render::LineFileId::ALL.into_iter().map(render::LineFileId::name)
}
