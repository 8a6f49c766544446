//! `pinion bench`: the canonical benchmarks, each figure beside its floor.

use std::io::{self, Write as _};
use std::path::PathBuf;

use pinion_benches::harness::Scale;
use pinion_benches::{BENCHES, Plan, run as run_benches};

use crate::Failure;

/// Arguments of `pinion bench`.
#[derive(Debug, clap::Args)]
#[command(after_help = names_help())]
pub struct Args {
    /// Which benches; all without a name.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// One JSON object instead of the table.
    #[arg(long)]
    json: bool,
    /// Also writes bench.json, latency.hlog, latency-*.hgrm and latency-*.svg into this folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Recorded data for `replay`; without it the built-in market.
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// `soak` over 100 million events instead of 2.
    #[arg(long)]
    full: bool,
    /// Interleaved rounds.
    #[arg(long, value_name = "N", default_value_t = Scale::CANONICAL.rounds,
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// Only shows that everything runs: a thousandth of the work, figures of no use.
    #[arg(long, conflicts_with = "full")]
    smoke: bool,
}

fn names_help() -> String {
    let rows = BENCHES.iter().map(|bench| format!("  {:<10} {}\n", bench.name, bench.about));
    format!("Benches:\n{}", rows.collect::<String>())
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`]: a name that no bench has, a folder that cannot be written, stdout that cannot be written.
pub fn run(args: &Args) -> Result<(), Failure> {
    let known = |name: &&String| BENCHES.iter().any(|bench| bench.name == **name);
    if let Some(name) = args.names.iter().find(|name| !known(name)) {
        let names: Vec<&str> = BENCHES.iter().map(|bench| bench.name).collect();
        let expected = names.join(", ");
        return Err(Failure::usage(format!("there is no bench \"{name}\"; expected {expected}")));
    }
    let usual = if args.smoke { Scale::SMALL } else { Scale::CANONICAL };
    let rounds = if args.smoke { usual.rounds } else { args.rounds };
    let scale = Scale { rounds, full: args.full, ..usual };
    let plan = Plan { names: args.names.clone(), scale, data: args.data.clone() };
    let report = run_benches(&plan, &mut |name| {
        // Nobody need be listening.
        drop(writeln!(io::stderr(), "{name} …"));
    });
    if let Some(folder) = &args.out {
        report.write(folder).map_err(|error| {
            let place = folder.display();
            Failure::error(format!("{place}: {error}; expected a folder that can be written"))
        })?;
    }
    let text = if args.json {
        let json = report.json().map_err(|error| Failure::error(error.to_string()))?;
        json + "\n"
    } else {
        report.table()
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::error(format!("stdout: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
