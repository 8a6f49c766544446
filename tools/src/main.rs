//! The `pinion` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    pinion_tools::main()
}
