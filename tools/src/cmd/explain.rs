//! `pinion explain`: why a scan or a round trip went as it did.

use std::io::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::Failure;
use crate::explain::{Asked, Chain, read, tell};

/// Arguments of `pinion explain`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["trade", "scan"]))]
pub struct Args {
    /// The run directory.
    #[arg(value_name = "RUN_DIR")]
    run_dir: PathBuf,
    /// A round trip: its identity, or its number.
    #[arg(long, value_name = "ID")]
    trade: Option<String>,
    /// A scan: its number.
    #[arg(long, value_name = "N")]
    scan: Option<u32>,
    /// Print the rows behind it as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
///
/// # Errors
/// Exit 2 for what is not there, 1 for what cannot be read.
pub fn run(args: &Args) -> Result<(), Failure> {
    let asked = match (&args.trade, args.scan) {
        (Some(trade), _) => Asked::Trade(trade.clone()),
        (None, Some(scan)) => Asked::Scan(scan),
        (None, None) => return Err(Failure::usage("expected --trade ID or --scan N")),
    };
    let chain = read(&args.run_dir, &asked)?;
    let text = if args.json { as_json(&chain).to_string() } else { tell(&chain).join("\n") };
    writeln!(std::io::stdout(), "{text}")
        .map_err(|error| Failure::error(format!("stdout: {error}")))
}

fn as_json(chain: &Chain) -> Value {
    let trips: Vec<Value> = chain
        .trips
        .iter()
        .map(|trip| json!({ "trade_ids": trip.trades, "steps": trip.steps }))
        .collect();
    json!({
        "scan": chain.scan,
        "candidates": chain.candidates,
        "plans": chain.plans,
        "decisions": chain.decisions,
        "trades": trips,
        "settings": chain.settings,
        "text": tell(chain),
    })
}
