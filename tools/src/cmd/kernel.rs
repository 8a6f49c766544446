//! `pinion kernel`: a what-if for the kernel, one JSON event a line in, one JSON line per event out.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write as _};
use std::path::PathBuf;

use crate::script::{self, Stop};
use crate::{Exit, Failure};

/// Arguments of `pinion kernel`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = script::HELP)]
pub struct Args {
    /// One JSON event a line; `-` reads stdin.
    #[arg(long, value_name = "FILE")]
    script: PathBuf,
    /// Keeps every line and the state in this directory, and goes on where an earlier run with it ended.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Accepted like everywhere; the output is JSON in any case.
    #[arg(long)]
    json: bool,
}

/// Runs the verb. Lines before a malformed one keep their output.
///
/// # Errors
/// Usage for a file that does not exist and for a malformed line; error for what cannot be read or
/// written; reconcile failed (7) for a state directory whose lines are lost.
pub fn run(args: &Args) -> Result<(), Failure> {
    let path = &args.script;
    let input: Box<dyn BufRead> = if path.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else if !path.exists() {
        let text = format!("--script {}: there is no such file", path.display());
        return Err(Failure::usage(text));
    } else {
        let file = File::open(path)
            .map_err(|error| Failure::error(format!("{}: {error}", path.display())))?;
        Box::new(BufReader::new(file))
    };
    let name = path.display().to_string();
    let mut out = BufWriter::new(io::stdout().lock());
    let result = script::run(&name, args.state.as_deref(), input, &mut out);
    let flushed = out.flush().map_err(Stop::Output);
    match result.and(flushed) {
        Ok(()) => Ok(()),
        Err(Stop::Line(message)) => Err(Failure::usage(message)),
        Err(Stop::State(fault)) => Err(Failure::error(fault.to_string())),
        Err(Stop::Lost(fault)) => Err(Failure::new(Exit::Reconcile, fault.to_string())),
        Err(Stop::Input(error)) => Err(Failure::error(format!("{name}: {error}"))),
        // The reader of the pipe has seen enough.
        Err(Stop::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(Stop::Output(error)) => Err(Failure::error(format!("stdout: {error}"))),
    }
}
