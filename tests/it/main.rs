//! Whole-engine tests: one binary, one module per subject.

mod allocations;
mod bad_input;
mod book;
mod contracts;
mod data;
mod decode;
mod documents;
mod journal;
mod kernel_script;
mod layouts;
mod paper_run;
mod paper_venue;
mod settings;
mod signal;
mod synth;
mod tidy;
mod units;
