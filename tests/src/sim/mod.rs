//! The deterministic simulation: the real engine on its real links, a venue that fails in every known way, a
//! market of its own, an oracle that shares no code with the engine. Everything follows from a seed.
//!
//! ```text
//!   market ──▶ links ──▶ kernel stage (workload) ──▶ links ──▶ paper venue with faults
//!      │                      │ journal                            │ truth
//!      └ bursts, gaps         ▼                                    ▼
//!                       tape: replay, restart  ◀── checks ──▶   oracle
//! ```
//!
//! A run has two parts. First everything goes wrong that the seed wants, for a given number of inputs;
//! then nothing goes wrong any more, and the engine must come to rest: flat, nothing working, books equal to
//! the venue's, not frozen. Checks have names; `sometimes` counters say what the runs reached.

pub mod batch;
pub mod chaos;
mod checks;
pub mod cli;
pub mod corpus;
pub mod counters;
mod deadlines;
mod deeds;
pub mod dice;
pub mod job;
pub mod life;
mod liveness;
pub mod market;
pub mod minimise;
#[cfg(feature = "planted")]
pub mod mutants;
pub mod options;
mod proof;
pub mod report;
pub mod rig;
pub mod rings;
mod run;
pub mod trace;
mod truth;
mod watch;
pub mod workload;

pub use job::{Class, Failure, Job, Outcome};
pub use run::{hush_panics, run};
