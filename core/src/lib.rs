//! Pinion's core: the kernel, the policy and the signal, pure.
//!
//! No clock, no I/O, no threads, no logging, no allocation after start. Time and everything else arrive
//! in inputs; effects are returned as values. The same inputs give byte-identical outputs.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

/// True while one of these defects is planted; see [`planted`](crate::planted).
#[cfg(feature = "planted")]
macro_rules! planted {
    ($($defect:ident)|+) => {
        $($crate::planted::is_planted($crate::planted::Defect::$defect))||+
    };
}
/// Without the feature `planted` there are no defects to ask for.
#[cfg(not(feature = "planted"))]
macro_rules! planted {
    ($($defect:ident)|+) => {
        false
    };
}

pub mod book;
pub mod broker;
pub mod engine;
pub mod gate;
pub mod id;
pub mod instrument;
pub mod journal;
pub mod kernel;
pub mod link;
pub mod msg;
#[cfg(feature = "planted")]
pub mod planted;
pub mod policy;
pub mod router;
pub mod settings;
pub mod signal;
pub mod stage;
pub mod topology;
pub mod units;
pub mod universe;

// For the derives that `text_enum!` makes in other crates.
#[doc(hidden)]
pub use serde;
