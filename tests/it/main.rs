//! Whole-engine tests: one binary, one module per subject.

mod allocations;
mod bad_input;
mod book;
mod contracts;
mod data;
mod decode;
mod documents;
mod journal;
mod layouts;
mod paper_run;
mod paper_venue;
mod runs;
mod settings;
mod signal;
mod synth;
mod tidy;
mod units;

/// Counts what the tests of `allocations` look at.
#[global_allocator]
static ALLOCATOR: pinion_tests::alloc::CountingAllocator = pinion_tests::alloc::CountingAllocator;
