//! One file per verb.

pub mod bench;
pub mod book;
pub mod capture;
pub mod completion;
pub mod config;
pub mod control;
pub mod decode;
pub mod doctor;
pub mod explain;
pub mod host;
pub mod jitter;
pub mod kernel;
pub mod paper;
pub mod recover;
pub mod replay;
pub mod report;
pub mod run;
pub mod sign;
pub mod signal;
pub mod tuner;
pub mod venue_sim;

use std::io::Write as _;

use crate::Failure;

/// A line of data on stdout.
fn print_line(line: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{line}")
        .map_err(|error| Failure::error(format!("stdout: {error}")))
}
