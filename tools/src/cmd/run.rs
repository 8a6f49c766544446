//! `pinion run`: a run against a venue, headless, with the files of a paper run.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use pinion_core::settings::Mode;
use pinion_io::bingx::live::{ApiKeys, Refusal, VenuePlan};
use pinion_io::bingx::words::{MarginType, PositionMode};
use pinion_io::net::{Peer, RecordLayer, Target, Trust, Tuning};
use pinion_io::run::{self, LiveOutcome, LivePlan, RunFault, Watch};
use zeroize::Zeroizing;

use super::paper::{on_signal, parse_profile, say};
use crate::config::SettingsArgs;
use crate::config::venue::Venue;
use crate::failure::Exit;
use crate::{Failure, report, summary, time};

/// What `venue.live_confirmation` must say.
const CONFIRMATION: &str = "real money";
/// Environment variables with the key; both are wiped once read.
const KEY_VARIABLES: [&str; 2] = ["PINION_BINGX_KEY", "PINION_BINGX_SECRET"];
/// Where a service manager puts credentials.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// Name of the key among them.
const CREDENTIAL: &str = "bingx";

/// REST and WebSocket addresses of the demo account.
const DEMO: [&str; 2] =
    ["https://open-api-vst.bingx.com", "wss://vst-open-api-ws.bingx.com/swap-market"];
/// The same of real accounts.
const LIVE: [&str; 2] = ["https://open-api.bingx.com", "wss://open-api-swap.bingx.com/swap-market"];

/// Arguments of `pinion run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Trade with real money; the file must say engine.mode = "live" and confirm it.
    #[arg(long)]
    live: bool,
    /// Run directory to create; by default `runs/<utc>-<profile>/`.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Names the run.
    #[arg(long, value_name = "ID", default_value = "run", value_parser = parse_profile)]
    profile_id: String,
    /// Ends the run after so long, as SIGTERM does: 90s, 15m, 6h, 2d.
    #[arg(long, value_name = "D", value_parser = time::parse_duration_ns)]
    duration: Option<i64>,
    /// Print summary.json to stdout.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`]: 4 for a configuration or an account that does not fit, 6 when the run ended halted, 7 when
/// something of ours is left whose state is not known, 5 when positions could not be closed in time.
pub fn run(args: &Args) -> Result<(), Failure> {
    if args.settings.config.is_none() {
        return Err(Failure::usage("--config FILE is missing; expected the settings of the run"));
    }
    // Before any thread: the environment can be changed safely only now.
    let from_environment = keys_of_environment()?;
    let loaded = args.settings.load()?;
    let venue = &loaded.venue;
    let mode = loaded.settings.engine_mode;
    check_mode(mode, args.live, venue)?;
    let keys = match (venue.text("key_file"), from_environment) {
        (Some(path), _) => ApiKeys::from_file(Path::new(path)),
        (None, Some(keys)) => Ok(keys),
        (None, None) => match std::env::var_os(CREDENTIALS) {
            Some(folder) => ApiKeys::from_file(&Path::new(&folder).join(CREDENTIAL)),
            None => {
                let [key, secret] = KEY_VARIABLES;
                return Err(Failure::config(format!(
                    "no key; expected venue.key_file (a file of mode 600 with `key = …` and \
                     `secret = …`), a service credential named {CREDENTIAL}, or {key} and {secret} in the \
                     environment"
                )));
            }
        },
    };
    let keys = keys.map_err(|fault| Failure::config(fault.to_string()))?;
    let seed = loaded.settings.engine_seed.unsigned_abs();
    let plan = LivePlan {
        venue: venue_plan(mode, venue, keys, seed)?,
        flatten_at_end: venue.is("flatten_at_end"),
        settings: Arc::new(loaded.settings),
        instruments: loaded.instruments,
        config_hash: loaded.config_hash,
        out: args.out.clone().unwrap_or_else(|| {
            PathBuf::from("runs").join(format!("{}-{}", time::utc_stamp(), args.profile_id))
        }),
        profile_id: args.profile_id.clone(),
    };
    let watch = Arc::new(Watch::default());
    let stop = on_signal(&watch)?;
    if let Some(duration_ns) = args.duration {
        end_after(&watch, Duration::from_nanos(duration_ns.unsigned_abs()));
    }
    let outcome = run::live(&plan, &watch, &mut |text| say(text));
    watch.end();
    drop(stop);
    let outcome = outcome.map_err(|fault| match fault {
        RunFault::Placement(_)
        | RunFault::Venue(Refusal::Refused(_) | Refusal::NotAsConfigured(_)) => {
            Failure::config(fault.to_string())
        }
        other => Failure::error(other.to_string()),
    })?;
    report::write(&plan.out)?;
    say(&summary::render(&outcome.summary, &plan.out));
    if args.json {
        let path = plan.out.join("summary.json");
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Failure::error(format!("{}: {error}", path.display())))?;
        writeln!(std::io::stdout(), "{}", text.trim_end())
            .map_err(|error| Failure::error(format!("stdout: {error}")))?;
    }
    verdict(&outcome, plan.flatten_at_end)
}

/// What a script must know of the end.
fn verdict(outcome: &LiveOutcome, flatten: bool) -> Result<(), Failure> {
    if outcome.has_unresolved {
        return Err(Failure::new(
            Exit::Reconcile,
            "an order of this run may still work at the venue; expected none: look at the venue's open \
             orders, which its dead-man timer cancels if they rest",
        ));
    }
    if flatten && outcome.open_slots > 0 {
        return Err(Failure::new(
            Exit::Timeout,
            format!(
                "{} positions could not be closed in time; expected none: close them at the venue",
                outcome.open_slots
            ),
        ));
    }
    if outcome.is_halted {
        return Err(Failure::new(
            Exit::Halted,
            "the run ended halted; expected it not to be: the lines above and session.jsonl say why",
        ));
    }
    Ok(())
}

/// Demo is the default; real money needs the file, the word and the option.
fn check_mode(mode: Mode, live: bool, venue: &Venue) -> Result<(), Failure> {
    let refused = |text: &str| Err(Failure::config(text));
    match (mode, live) {
        (Mode::Demo, false) => Ok(()),
        (Mode::Live, true) if venue.text("live_confirmation") == Some(CONFIRMATION) => Ok(()),
        (Mode::Paper, _) => refused(
            "engine.mode is paper; expected demo or live: `pinion paper` makes paper runs, a run on the \
             demo account needs engine.mode = \"demo\"",
        ),
        (Mode::Demo, true) => refused(
            "--live is given and engine.mode is demo; expected both or neither: take --live away",
        ),
        (Mode::Live, false) => refused(
            "engine.mode is live and --live is not given; expected both: real money needs the option",
        ),
        (Mode::Live, true) => refused(
            "venue.live_confirmation does not confirm; expected venue.live_confirmation = \"real money\"",
        ),
    }
}

fn venue_plan(mode: Mode, venue: &Venue, keys: ApiKeys, seed: u64) -> Result<VenuePlan, Failure> {
    let symbols = venue.list("symbols").to_vec();
    if symbols.is_empty() {
        return Err(Failure::config(
            "venue.symbols is empty; expected a list of perpetuals: symbols = [\"BTC-USDT\"]",
        ));
    }
    let defaults = if mode == Mode::Live { LIVE } else { DEMO };
    let trust = Trust::new(venue.text("ca_file").map(Path::new));
    let trust = trust.map_err(|text| Failure::config(format!("venue.ca_file: {text}")))?;
    let peer = |field: &str, default: &str| {
        let failed = |text: String| Failure::config(format!("venue.{field}: {text}"));
        let target = Target::parse(venue.text(field).unwrap_or(default)).map_err(failed)?;
        if mode == Mode::Demo && LIVE.iter().any(|url| url.contains(&format!("//{}", target.host)))
        {
            return Err(failed(format!(
                "{} is where real money trades; expected the demo address with engine.mode = \"demo\"",
                target.host
            )));
        }
        // A name that cannot be looked up is the network's fault, not the configuration's.
        Peer::new(target, trust.clone())
            .map(Arc::new)
            .map_err(|text| Failure::error(format!("venue.{field}: {text}")))
    };
    let whole = |field: &str| venue.int(field).unsigned_abs();
    let narrow = |field: &str| u32::try_from(whole(field)).unwrap_or(u32::MAX);
    let one_way = venue.text("position_mode") == Some("one_way");
    let isolated = venue.text("margin_type") == Some("isolated");
    Ok(VenuePlan {
        rest: peer("rest_url", defaults[0])?,
        ws: peer("ws_url", defaults[1])?,
        keys,
        symbols,
        position_mode: if one_way { PositionMode::OneWay } else { PositionMode::Hedge },
        margin_type: if isolated { MarginType::Isolated } else { MarginType::Crossed },
        leverage: whole("leverage"),
        recv_window_ms: Some(narrow("recv_window_ms")),
        dead_man_s: narrow("dead_man_s"),
        connections: usize::try_from(whole("connections")).unwrap_or(2),
        timeout_ns: venue.int("timeout_ms") * 1_000_000,
        reconnect_max_ns: venue.int("reconnect_max_ms") * 1_000_000,
        attempts_per_hour: u16::try_from(whole("attempts_per_hour")).unwrap_or(u16::MAX),
        tuning: Tuning {
            busy_poll_us: Some(narrow("busy_poll_us")).filter(|us| *us > 0),
            record_layer: venue
                .text("record_layer")
                .and_then(RecordLayer::from_text)
                .unwrap_or_default(),
        },
        seed,
    })
}

/// The key of the environment, which does not keep it.
fn keys_of_environment() -> Result<Option<ApiKeys>, Failure> {
    let mut found = Vec::new();
    for variable in KEY_VARIABLES {
        let Some(value) = std::env::var_os(variable) else { continue };
        // SAFETY: the program has started no thread yet, so that nobody reads the environment meanwhile.
        unsafe { std::env::remove_var(variable) };
        let text = value.into_string().map_err(|_| {
            Failure::config(format!("{variable}: no text; expected the key as the venue shows it"))
        })?;
        found.push(Zeroizing::new(text));
    }
    let [key, secret] = KEY_VARIABLES;
    match (found.pop(), found.pop()) {
        (None, _) => Ok(None),
        (Some(secret), Some(name)) => ApiKeys::new(name, &secret)
            .map(Some)
            .map_err(|fault| Failure::config(fault.to_string())),
        (Some(_), None) => Err(Failure::config(format!(
            "one of {key} and {secret} is missing in the environment; expected both"
        ))),
    }
}

/// Sets the stop flag when the time is over; the thread ends with the process.
fn end_after(watch: &Arc<Watch>, after: Duration) {
    let watch = Arc::clone(watch);
    drop(thread::spawn(move || {
        thread::sleep(after);
        watch.stop.store(true, Ordering::Release);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::problem::Place;

    #[test]
    fn real_money_needs_three_words() {
        let mut venue = Venue::default();
        assert!(check_mode(Mode::Demo, false, &venue).is_ok());
        assert!(check_mode(Mode::Paper, false, &venue).is_err());
        assert!(check_mode(Mode::Live, true, &venue).is_err(), "not confirmed");
        venue.put("live_confirmation", CONFIRMATION, &Place::Set).expect("a text");
        assert!(check_mode(Mode::Live, true, &venue).is_ok());
        assert!(check_mode(Mode::Live, false, &venue).is_err());
        assert!(check_mode(Mode::Demo, true, &venue).is_err());
    }

    #[test]
    fn a_demo_run_does_not_reach_real_accounts() {
        let mut venue = Venue::default();
        venue.put("symbols", "BTC-USDT", &Place::Set).expect("a list");
        venue.put("rest_url", LIVE[0], &Place::Set).expect("a text");
        let keys =
            ApiKeys::new(Zeroizing::new("name".to_owned()), &Zeroizing::new("secret".to_owned()));
        let fault = venue_plan(Mode::Demo, &venue, keys.expect("a key"), 1).expect_err("refused");
        assert!(fault.message.contains("real money"), "{}", fault.message);
    }
}
