//! `pinion completion SHELL`.

use std::io::Write as _;

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
/// When stdout cannot be written.
pub fn run(args: &Args) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "pinion", &mut script);
    match std::io::stdout().write_all(&script) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::error(format!("stdout: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
