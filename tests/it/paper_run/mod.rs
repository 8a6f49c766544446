//! Whole runs of `pinion paper` and `pinion replay`, checked from their files alone.

pub(crate) mod books;
mod fields;
mod funnel;
mod layouts;
mod output;
mod outside;
mod recorded;
mod repeat;
mod signals;

use crate::runs::{Run, paper};

/// Six hours of the built-in market: a few round trips.
fn quarter_day(seed: &str) -> Run {
    paper(&["--duration", "6h", "--seed", seed]).ok()
}
