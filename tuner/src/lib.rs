//! Learns from what happened and tunes the settings, off the hot path.
//!
//! A tick reads what was measured ([`telemetry`]), decides a phase ([`policy`]), lets the rules propose
//! ([`rules`]), stages what passes every filter, cap and bound ([`stage`]), and remembers what it did
//! ([`state`]). [`tick::decide`] is all of that as one pure function: the same inputs give the same
//! decision, in a run, beside a run, and in a replay of the log. [`window`] measures, [`reader`] feeds the
//! same windows from a run's files, [`tuner::Tuner`] puts both into a running engine.
#![deny(unsafe_code)]

pub mod decide;
pub mod files;
pub mod log;
pub mod measure;
pub mod number;
pub mod policy;
pub mod reader;
pub mod rules;
pub mod stage;
pub mod state;
pub mod telemetry;
pub mod tick;
pub mod traits;
pub mod tuner;
pub mod window;
