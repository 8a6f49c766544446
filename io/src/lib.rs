//! Bytes in and out: recorded data, wire formats, the paper venue, the journal, clocks and threads.

pub mod affinity;
pub mod bingx;
pub mod clock;
pub mod data;
pub mod idle;
pub mod ingest;
pub mod journal;
pub mod paper;
pub mod recover;
pub mod regime;
pub mod run;
pub mod runner;
pub mod source;
pub mod synth;
pub mod utc;
pub mod wire;
