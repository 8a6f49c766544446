//! Why a run failed, whose fault it was.

use std::fmt;

use pinion_core::instrument::InstrumentFault;

use crate::affinity::AffinityFault;
use crate::bingx::live::Refusal;
use crate::journal::JournalFault;
use crate::runner::RunError;
use crate::source::SourceFault;

/// Why a run or a replay failed.
#[derive(Clone, Debug)]
pub enum RunFault {
    /// The data.
    Source(SourceFault),
    /// The data holds no event.
    NoEvents,
    /// The instruments of the data or the configuration.
    Instruments(InstrumentFault),
    /// The layout does not fit this machine.
    Placement(String),
    /// Cores cannot be read or pinned.
    Affinity(AffinityFault),
    /// The run directory or a file in it.
    Journal(JournalFault),
    /// The directory holds a run that cannot go on as asked.
    Restart(JournalFault),
    /// The venue, or the account there.
    Venue(Refusal),
    /// The stages.
    Runner(RunError),
    /// The control socket.
    Control(String),
    /// The process cannot be locked in as wanted.
    Sandbox(String),
    /// The books do not add up.
    Identity(Vec<String>),
    /// The tuner could not be seated.
    Tuner(String),
}

impl fmt::Display for RunFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(fault) => fault.fmt(f),
            Self::NoEvents => f.write_str(
                "the data holds no market event; expected at least one quote, trade or bar: check \
                 the path and the `rejected` counts",
            ),
            Self::Instruments(fault) => fault.fmt(f),
            Self::Placement(text)
            | Self::Control(text)
            | Self::Sandbox(text)
            | Self::Tuner(text) => f.write_str(text),
            Self::Affinity(fault) => fault.fmt(f),
            Self::Journal(fault) | Self::Restart(fault) => fault.fmt(f),
            Self::Venue(refusal) => refusal.fmt(f),
            Self::Runner(fault) => fault.fmt(f),
            Self::Identity(broken) => write!(
                f,
                "the books do not add up: {}; this is a bug, please report it with the run directory",
                broken.join("; ")
            ),
        }
    }
}

impl std::error::Error for RunFault {}

macro_rules! from_fault {
    ($($variant:ident($fault:ty);)*) => {$(
        impl From<$fault> for RunFault {
            fn from(fault: $fault) -> Self {
                Self::$variant(fault)
            }
        }
    )*};
}
from_fault! {
    Source(SourceFault);
    Instruments(InstrumentFault);
    Affinity(AffinityFault);
    Journal(JournalFault);
    Runner(RunError);
}
