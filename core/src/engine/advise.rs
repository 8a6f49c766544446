//! The seat of a tuner beside the kernel: it hears every record and may hand over settings.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Debug;

use crate::msg::RecordMsg;
use crate::settings::Settings;
use crate::units::Nanos;

/// One changed key of a publication, for the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Dotted name.
    pub key: &'static str,
    /// Text before.
    pub from: String,
    /// Text after.
    pub to: String,
    /// Why.
    pub reason: String,
}

/// A settings version to come into force.
#[derive(Clone, Debug)]
pub struct Publication {
    /// Its number, above that of the version in force.
    pub version: u32,
    /// Its content, checked whole.
    pub settings: Arc<Settings>,
    /// What changed.
    pub changes: Vec<Change>,
}

/// Whoever tunes the engine. Called on the kernel's thread: both calls must be short and must not block.
///
/// The version's content is told to the journal before [`Advise::advise`] returns it. The snapshot that it
/// replaces is dropped on the kernel's thread, so keep another owner until its successor is recorded.
pub trait Advise: Debug + Send {
    /// Something happened.
    fn record(&mut self, record: &RecordMsg);

    /// Settings for this poll, if there are new ones.
    fn advise(&mut self, now: Nanos) -> Option<(u32, Arc<Settings>)>;
}

/// An advisor on the heap.
pub type Advisor = Box<dyn Advise>;
