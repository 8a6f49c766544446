//! Bytes in and out: recorded data, wire formats, the paper venue, the journal, clocks and threads.

pub mod paper;
pub mod source;
pub mod synth;
