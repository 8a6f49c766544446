//! Whole-engine tests: one binary, one module per subject.

mod allocations;
mod bad_input;
mod bench;
mod bingx;
mod bingx_requests;
mod book;
mod contracts;
mod control;
mod crash;
mod data;
mod decode;
mod documents;
mod explain;
mod host;
mod hostile;
mod journal;
mod kernel_script;
mod layouts;
mod live;
mod live_verbs;
#[expect(clippy::panic, reason = "a helper of tests fails with what it saw")]
mod paper_run;
mod paper_venue;
mod router;
#[expect(clippy::panic, reason = "a helper of tests fails with what it saw")]
mod runs;
mod saved;
mod settings;
mod signal;
mod sim;
mod synth;
mod tidy;
mod tuner;
mod units;
#[expect(clippy::panic, reason = "a helper of tests fails with what it saw")]
mod venue_sim;
mod wire;

/// Counts what the tests of `allocations` look at.
#[global_allocator]
static ALLOCATOR: pinion_tests::alloc::CountingAllocator = pinion_tests::alloc::CountingAllocator;
