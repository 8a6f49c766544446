//! `pinion capture`: records a venue's public streams for `--data`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pinion_io::bingx::live::Refusal;
use pinion_io::run::{self, CapturePlan, RunFault, Watch};
use serde_json::json;

use super::paper::{on_signal, say};
use super::run::{LIVE, end_after, public_plan};
use crate::config::SettingsArgs;
use crate::summary::grouped;
use crate::{Failure, time};

/// Arguments of `pinion capture`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The venue.
    #[arg(long, value_parser = ["bingx"])]
    venue: String,
    /// Perpetuals to record: BTC-USDT,ETH-USDT; by default those of venue.symbols.
    #[arg(long, value_name = "LIST")]
    symbols: Option<String>,
    /// Folder to create; `pinion paper --data` takes it.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Ends after so long, as SIGTERM does: 90s, 15m, 6h, 2d.
    #[arg(long, value_name = "D", value_parser = time::parse_duration_ns)]
    duration: Option<i64>,
    /// Time that one file holds.
    #[arg(long, value_name = "D", default_value = "1h", value_parser = time::parse_duration_ns)]
    rotate: i64,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Print what was recorded as one JSON object to stdout.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`]: 4 for symbols or addresses that do not fit, 1 when the venue cannot be reached or the disk is
/// full.
pub fn run(args: &Args) -> Result<(), Failure> {
    let mut settings = args.settings.clone();
    settings.sets.push(format!("venue.name={}", args.venue));
    settings.sets.extend(args.symbols.iter().map(|symbols| format!("venue.symbols={symbols}")));
    let loaded = settings.load()?;
    let seed = loaded.settings.engine_seed.unsigned_abs();
    let plan = CapturePlan {
        venue: public_plan(&loaded.venue, LIVE, seed)?,
        out: args.out.clone(),
        rotate_ns: args.rotate,
    };
    let watch = Arc::new(Watch::default());
    let _ids = on_signal(&watch)?;
    if let Some(duration_ns) = args.duration {
        end_after(&watch, Duration::from_nanos(duration_ns.unsigned_abs()));
    }
    let captured =
        run::capture(&plan, &watch, &mut |text| say(text)).map_err(|fault| match fault {
            RunFault::Venue(Refusal::NotAsConfigured(_)) => Failure::config(fault.to_string()),
            other => Failure::error(other.to_string()),
        })?;
    let out = args.out.display();
    say(&format!(
        "{} frames in {out}, {} gaps; `pinion paper --data {out}` runs on it",
        grouped(captured.frames),
        captured.losses
    ));
    if args.json {
        let result = json!({ "out": args.out, "frames": captured.frames, "gaps": captured.losses });
        super::print_line(&result.to_string())?;
    }
    Ok(())
}
