//! Bytes in and out: recorded data, wire formats, the paper venue, the journal, clocks and threads.

pub mod affinity;
pub mod bingx;
pub mod capture;
pub mod clock;
pub mod control;
pub mod data;
pub mod host;
pub mod idle;
pub mod ingest;
pub mod journal;
pub mod net;
pub mod paper;
pub mod recover;
pub mod regime;
pub mod run;
pub mod runner;
pub mod sandbox;
pub mod source;
pub mod synth;
pub mod utc;
pub mod venue_sim;
pub mod wire;
