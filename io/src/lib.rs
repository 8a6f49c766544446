//! Bytes in and out: recorded data, wire formats, the paper venue, the journal, clocks and threads.

pub mod data;
pub mod ingest;
pub mod source;
pub mod wire;
