//! The `pinion` command as the tests start it.
//!
//! Cargo builds the binaries of a package before that package's integration tests, and only those: a
//! binary here is always as fresh as the tests, where one of another package could be stale or absent.

use std::process::ExitCode;

fn main() -> ExitCode {
    pinion_tools::main()
}
