//! `pinion replay`: a run's input journal into a fresh kernel, every output compared.

use std::io::Write as _;
use std::path::PathBuf;

use pinion_io::journal::Tail;
use pinion_io::run;
use serde_json::json;

use crate::Failure;
use crate::summary::grouped;

/// Arguments of `pinion replay`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run directory.
    #[arg(value_name = "RUN_DIR")]
    run_dir: PathBuf,
    /// Print the result as one JSON object to stdout.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
///
/// # Errors
/// The first difference, or what cannot be read.
pub fn run(args: &Args) -> Result<(), Failure> {
    if !args.run_dir.is_dir() {
        return Err(Failure::usage(format!(
            "{}: no such run directory; expected the folder that `pinion paper` made",
            args.run_dir.display()
        )));
    }
    let result = run::replay(&args.run_dir).map_err(|fault| Failure::error(fault.to_string()))?;
    let whole = result.tail == Tail::Complete;
    let cut_off = match result.tail {
        Tail::Complete => String::new(),
        Tail::Open => "; the journal has no end: the run was cut off".to_owned(),
        Tail::Torn { offset, bytes } => format!(
            "; the journal breaks off at byte {offset}, the {bytes} bytes after it are of no use: the run \
             was cut off"
        ),
    };
    if args.json {
        let value = json!({
            "equal": result.difference.is_none(),
            "inputs": result.inputs,
            "lines": result.lines,
            "complete": whole,
            "difference": result.difference.as_ref().map(|difference| json!({
                "file": difference.file,
                "line": difference.line,
                "input": difference.input,
                "recorded": difference.recorded,
                "replayed": difference.replayed,
            })),
        });
        writeln!(std::io::stdout(), "{value}")
            .map_err(|error| Failure::error(format!("stdout: {error}")))?;
    }
    if let Some(difference) = result.difference {
        return Err(Failure::error(format!("{difference}{cut_off}")));
    }
    // Text for the person; when stderr is gone there is nobody to tell.
    drop(writeln!(
        std::io::stderr(),
        "equal: {} inputs, {} lines{cut_off}",
        grouped(result.inputs),
        grouped(result.lines)
    ));
    Ok(())
}
