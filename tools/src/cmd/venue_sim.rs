//! `pinion venue-sim`: the venue simulator.
//!
//! One JSON line on stdout says where it listens and which accounts there are, as soon as clients can
//! connect; everything else is told on stderr.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pinion_io::venue_sim::{LISTEN_KEY_NS, SimPlan, VenueSim, WireFaults};
use serde_json::json;

use crate::config::SettingsArgs;
use crate::data::{first_missing, no_such_data};
use crate::{Failure, time};

/// Arguments of `pinion venue-sim`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address and port; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Speak TLS, with a certificate under an authority made at the start.
    #[arg(long)]
    tls: bool,
    /// Where the authority's certificate is written, for clients to trust; by default a file of the
    /// system's temporary folder.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Recorded data to play: a file or a folder. Without it, the built-in market.
    #[arg(long, value_name = "PATH")]
    data: Vec<PathBuf>,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Decides market, keys and faults.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many times as fast as real time the market runs.
    #[arg(long, value_name = "N", default_value = "1", value_parser = parse_speed)]
    speed: f64,
    /// How many accounts there are.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    accounts: u16,
    /// What goes wrong: TOML, one `name = number` a line; rates are per million, `…_ms` is a longest time.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Life of a listen key that nobody extends.
    #[arg(long, value_name = "D", value_parser = time::parse_duration_ns)]
    listen_key_life: Option<i64>,
    /// For how long a breach of a rate limit locks.
    #[arg(long, value_name = "D", default_value = "5s", value_parser = time::parse_duration_ns)]
    rate_lock: i64,
}

fn parse_speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed: &f64| (0.001..=10_000.0).contains(speed));
    speed.ok_or_else(|| "expected a number from 0.001 to 10000".to_owned())
}

/// Runs the verb until SIGINT or SIGTERM.
///
/// # Errors
/// [`Failure`] with the message for the person.
pub fn run(args: &Args) -> Result<(), Failure> {
    let loaded = args.settings.load()?;
    if let Some(missing) = first_missing(&args.data) {
        return Err(no_such_data(missing));
    }
    let faults = match &args.faults {
        Some(file) => read_faults(file, args.seed)?,
        None => WireFaults::none(args.seed),
    };
    let ca_file = args.ca_file.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("pinion-venue-sim-{}.pem", std::process::id()))
    });
    let plan = SimPlan {
        listen: args.listen,
        tls: args.tls,
        ca_file,
        settings: Arc::new(loaded.settings),
        data: args.data.clone(),
        instruments: loaded.instruments,
        seed: args.seed,
        speed: args.speed,
        account_count: usize::from(args.accounts),
        faults,
        listen_key_ns: args.listen_key_life.unwrap_or(LISTEN_KEY_NS),
        lock_ms: args.rate_lock / 1_000_000,
    };
    let stop = on_signal()?;
    let mut sim = VenueSim::bind(&plan).map_err(|fault| Failure::error(fault.to_string()))?;
    announce(&sim)?;
    sim.run(&stop, &mut |notice| say(notice)).map_err(|fault| Failure::error(fault.to_string()))
}

/// Says where it is and how to get in.
fn announce(sim: &VenueSim) -> Result<(), Failure> {
    let address = sim.address();
    let s = if sim.ca_file().is_some() { "s" } else { "" };
    let rest = format!("http{s}://{address}");
    let ws = format!("ws{s}://{address}/swap-market");
    let accounts: Vec<_> = sim
        .accounts()
        .iter()
        .map(|account| json!({"key": account.key, "secret": account.secret}))
        .collect();
    let line = json!({
        "listen": address.to_string(), "rest": rest, "ws": ws, "control": format!("{rest}/sim/"),
        "ca_file": sim.ca_file(), "accounts": accounts,
    });
    say(&format!("venue simulator at {rest}, {} accounts; ^C ends it", accounts.len()));
    if let Some(file) = sim.ca_file() {
        say(&format!("clients must trust {}", file.display()));
    }
    writeln!(std::io::stdout(), "{line}")
        .map_err(|error| Failure::error(format!("stdout: {error}")))
}

/// Reads a faults file.
fn read_faults(file: &Path, seed: u64) -> Result<WireFaults, Failure> {
    let wrong = |what: String| Failure::config(format!("{}: {what}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let table: toml::Table = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let mut faults = WireFaults::none(seed);
    for (name, value) in &table {
        let number = value
            .as_integer()
            .ok_or_else(|| wrong(format!("{name} = {value}: expected a whole number")))?;
        faults.set(name, number).map_err(wrong)?;
    }
    Ok(faults)
}

/// Text for the person, on stderr; when that is gone there is nobody to tell.
fn say(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}"));
}

fn on_signal() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .map_err(|error| Failure::error(format!("signal handler: {error}")))?;
    }
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_faults_file_is_read_and_a_wrong_line_is_named() {
        let folder = std::env::temp_dir().join(format!("pinion-faults-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("faults.toml");
        std::fs::write(&file, "lose = 1000\npartial = 500000\nreorder_ms = 300\n")
            .expect("written");
        read_faults(&file, 1).expect("three faults");
        for (text, words) in [("lose = 1.5", "whole number"), ("loose = 1", "loose")] {
            std::fs::write(&file, text).expect("written");
            let failure = read_faults(&file, 1).expect_err("wrong");
            assert!(failure.message.contains(words), "{}", failure.message);
        }
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
