//! Bytes in and out: recorded data, wire formats, the paper venue, the journal, clocks and threads.

pub mod journal;
pub mod source;
