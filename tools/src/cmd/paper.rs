//! `pinion paper`: a paper run, on recorded data or on the built-in market.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use pinion_core::settings::Mode;
use pinion_core::units::Nanos;
use pinion_io::run::{self, PaperPlan, RunFault, Watch};
use pinion_io::runner::Pace;

use crate::config::SettingsArgs;
use crate::data::{first_missing, no_such_data};
use crate::tuning::{Tuned, TuningArgs, seat};
use crate::{Failure, report, summary, time};

/// Arguments of `pinion paper`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Recorded data: a file or a folder; several are merged by receive time. Without it, the run uses
    /// the built-in market.
    #[arg(long, value_name = "PATH")]
    data: Vec<PathBuf>,
    /// Scans of an outside source (JSON lines) for the built-in regime signal.
    #[arg(long, value_name = "FILE")]
    scans: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Run directory to create; by default `runs/<utc>-<profile>/`.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Seed of everything random; short for --set engine.seed=N.
    #[arg(long, value_name = "N", value_parser = parse_seed, allow_negative_numbers = true)]
    seed: Option<i64>,
    /// `max`, or a multiple of real time.
    #[arg(long, value_name = "max|N", default_value = "max")]
    speed: Pace,
    /// How stages are placed on threads; short for --set engine.layout=….
    #[arg(long, value_parser = ["inline", "shared", "dedicated"])]
    layout: Option<String>,
    /// The runtime tuner, and how eager it is. At full speed it ticks at stream time on the engine's own
    /// thread, so that a run can be repeated; at a set pace it has a thread of its own.
    #[arg(long, value_parser = ["off", "conveyor", "fast", "calm", "sniper"], default_value = "off")]
    tuner: String,
    #[command(flatten)]
    tuning: TuningArgs,
    /// Names the run.
    #[arg(long, value_name = "ID", default_value = "paper", value_parser = parse_profile)]
    profile_id: String,
    /// Ends the run after so much stream time: 90s, 15m, 6h, 2d.
    #[arg(long, value_name = "D", value_parser = time::parse_duration_ns)]
    duration: Option<i64>,
    /// Print summary.json to stdout.
    #[arg(long)]
    json: bool,
}

/// The profile id names a folder: letters, digits, dot, dash and underscore, not beginning with a dot.
pub(crate) fn parse_profile(text: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if (1..=64).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('.') {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 64 letters, digits, dots, dashes or underscores, not starting with a dot"
            .to_owned())
    }
}

/// The setting's own range, told in the way of the other options.
fn parse_seed(text: &str) -> Result<i64, String> {
    let seed = text.parse().ok().filter(|seed: &i64| *seed >= 0);
    seed.ok_or_else(|| format!("expected a whole number from 0 to {}", i64::MAX))
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] with the message for the person; files written so far stay valid.
pub fn run(args: &Args) -> Result<(), Failure> {
    let mut settings = args.settings.clone();
    settings.sets.extend(args.seed.map(|seed| format!("engine.seed={seed}")));
    settings.sets.extend(args.layout.iter().map(|layout| format!("engine.layout={layout}")));
    let loaded = settings.load()?;
    if loaded.settings.engine_mode != Mode::Paper {
        return Err(Failure::config(format!(
            "engine.mode is {}; expected paper: `pinion paper` never trades elsewhere",
            loaded.settings.engine_mode.as_str()
        )));
    }
    if let Some(missing) = first_missing(args.scans.as_slice()) {
        let text = format!("--scans {}: there is no such file", missing.display());
        return Err(Failure::usage(text));
    }
    if let Some(missing) = first_missing(&args.data) {
        return Err(no_such_data(missing));
    }
    let out = args.out.clone().unwrap_or_else(|| {
        PathBuf::from("runs").join(format!("{}-{}", time::utc_stamp(), args.profile_id))
    });
    let mut watch = Watch::default();
    watch.control = loaded.control.text("socket").map(PathBuf::from);
    let watch = Arc::new(watch);
    let stop = on_signal(&watch)?;
    let plan = PaperPlan {
        settings: Arc::new(loaded.settings),
        instruments: loaded.instruments,
        config_hash: loaded.config_hash,
        data: args.data.clone(),
        scans: args.scans.clone(),
        out: out.clone(),
        profile_id: args.profile_id.clone(),
        pace: args.speed,
        duration_ns: args.duration,
    };
    let tuned = Tuned {
        what: "a paper run",
        profile_id: &plan.profile_id,
        instruments: &plan.instruments,
        venue: &loaded.venue,
        config_hash: &plan.config_hash,
        pace: plan.pace,
        watch: &watch,
    };
    let seat = seat(&args.tuner, &args.tuning, tuned)?;
    let bar = progress(&watch);
    let outcome = run::tuned_paper(&plan, &watch, seat, &mut |notice| say(notice));
    watch.end();
    // The bar's thread only draws; it cannot fail in a way that matters.
    drop(bar.join());
    drop(stop);
    let outcome = outcome.map_err(|fault| match fault {
        RunFault::Placement(_) | RunFault::Control(_) => Failure::config(fault.to_string()),
        other => Failure::error(other.to_string()),
    })?;
    report::write(&out)?;
    say(&summary::render(&outcome.summary, &out));
    if args.json {
        let path = out.join("summary.json");
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Failure::error(format!("{}: {error}", path.display())))?;
        writeln!(std::io::stdout(), "{}", text.trim_end())
            .map_err(|error| Failure::error(format!("stdout: {error}")))?;
    }
    Ok(())
}

/// Text for the person, on stderr; when that is gone there is nobody to tell.
pub(crate) fn say(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// Ctrl-C and SIGTERM end the run cleanly, however often they come: a shell sends them to the whole group,
/// and a half-written end would cost the summary.
pub(super) fn on_signal(watch: &Arc<Watch>) -> Result<Vec<signal_hook::SigId>, Failure> {
    let fault = |error: std::io::Error| Failure::error(format!("signal handler: {error}"));
    let mut ids = Vec::new();
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        let stop: Arc<AtomicBool> = Arc::clone(&watch.stop);
        ids.push(signal_hook::flag::register(signal, stop).map_err(fault)?);
    }
    Ok(ids)
}

/// Draws the bar ten times a second from the gauges, on a thread of its own.
fn progress(watch: &Arc<Watch>) -> thread::JoinHandle<()> {
    let watch = Arc::clone(watch);
    thread::spawn(move || {
        if !std::io::stderr().is_terminal() || std::env::var_os("NO_COLOR").is_some() {
            return;
        }
        let bar = ProgressBar::new(1_000_000);
        let style = ProgressStyle::with_template("{bar:30.cyan/blue} {percent:>3}% {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        while !watch.is_ended() {
            bar.set_position(watch.progress_ppm());
            bar.set_message(format!(
                "{} events · {} · {} trades · {} PnL",
                summary::grouped(watch.gauges.inputs()),
                stream_time(watch.gauges.now()),
                watch.gauges.trades_closed(),
                summary::cents(watch.gauges.net_pnl()),
            ));
            thread::sleep(Duration::from_millis(100));
        }
        bar.finish_and_clear();
    })
}

fn stream_time(now: Nanos) -> String {
    if now == Nanos::ZERO { "starting".to_owned() } else { time::utc_text(now) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_id_cannot_leave_its_folder() {
        assert!(parse_profile("paper-1_a.b").is_ok());
        for bad in ["", "..", "a/b", "a\0b", "ünï", &"x".repeat(65)] {
            assert!(parse_profile(bad).is_err(), "{bad:?}");
        }
    }
}
