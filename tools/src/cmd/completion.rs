//! `pinion completion SHELL`.

use clap::CommandFactory as _;

use crate::{Cli, Failure};

/// Arguments of `pinion completion`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which shell.
    shell: clap_complete::Shell,
}

/// Prints the completion script to stdout.
///
/// # Errors
/// None today.
pub fn run(args: &Args) -> Result<(), Failure> {
    clap_complete::generate(args.shell, &mut Cli::command(), "pinion", &mut std::io::stdout());
    Ok(())
}
