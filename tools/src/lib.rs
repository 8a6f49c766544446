//! The `pinion` command as a library: parsing, dispatch, exit codes.
//!
//! Data goes to stdout, everything for people to stderr. Exit codes: 0 ok, 1 error, 2 usage or not found,
//! 3 not running, 4 configuration error, 5 timeout, 6 halted, 7 reconcile failed.

pub mod cmd;
pub mod config;
mod data;
mod explain;
pub mod failure;
mod report;
pub mod script;
mod summary;
mod time;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use failure::{Exit, Failure};

/// Low-latency trading engine for crypto perpetuals. Paper by default.
#[derive(Debug, Parser)]
#[command(name = "pinion", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Canonical benchmarks, each figure beside its floor.
    Bench(cmd::bench::Args),
    /// The L2 book per instrument after applying a recorded depth stream.
    Book(cmd::book::Args),
    /// Print shell completions.
    Completion(cmd::completion::Args),
    /// Check, show, list or describe settings.
    Config(cmd::config::Args),
    /// Normalise recorded frames, one JSON line a file.
    Decode(cmd::decode::Args),
    /// Why a scan or a round trip went as it did, in words, with every number.
    Explain(cmd::explain::Args),
    /// A what-if for the kernel: one JSON event a line in, one JSON line per event out.
    Kernel(cmd::kernel::Args),
    /// A paper run; without data, on the built-in market.
    Paper(cmd::paper::Args),
    /// What a restart in a run directory finds: slots, books, where the journal ends.
    Recover(cmd::recover::Args),
    /// Feed a run's input journal to a fresh kernel and compare every output.
    Replay(cmd::replay::Args),
    /// Tables from a run's directory.
    Report(cmd::report::Args),
    /// A run against a venue's sockets: demo account, or live with --live.
    Run(cmd::run::Args),
    /// Sign recorded vectors, one JSON line a file.
    Sign(cmd::sign::Args),
    /// The regime signal alone, one JSON line per scan.
    Signal(cmd::signal::Args),
    /// A venue on this machine that speaks BingX's protocol, for clients of any make.
    VenueSim(cmd::venue_sim::Args),
}

/// Parses the command line, runs the verb, prints a failure to stderr.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            // Nothing can be done when the terminal is gone.
            drop(error.print());
            return code.into();
        }
    };
    let result = match cli.verb {
        Verb::Bench(args) => cmd::bench::run(&args),
        Verb::Book(args) => cmd::book::run(&args),
        Verb::Completion(args) => cmd::completion::run(&args),
        Verb::Config(args) => cmd::config::run(&args),
        Verb::Decode(args) => cmd::decode::run(&args),
        Verb::Explain(args) => cmd::explain::run(&args),
        Verb::Kernel(args) => cmd::kernel::run(&args),
        Verb::Paper(args) => cmd::paper::run(&args),
        Verb::Recover(args) => cmd::recover::run(&args),
        Verb::Replay(args) => cmd::replay::run(&args),
        Verb::Report(args) => cmd::report::run(&args),
        Verb::Run(args) => cmd::run::run(&args),
        Verb::Sign(args) => cmd::sign::run(&args),
        Verb::Signal(args) => cmd::signal::run(&args),
        Verb::VenueSim(args) => cmd::venue_sim::run(&args),
    };
    match result {
        Ok(()) => Exit::Ok.into(),
        Err(failure) => failure.report(),
    }
}
