//! `pinion book`.

use crate::Failure;

/// Arguments of `pinion book`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the verb.
///
/// # Errors
/// [`Failure`].
pub fn run(_args: &Args) -> Result<(), Failure> {
    Err(Failure::error("not built yet"))
}
