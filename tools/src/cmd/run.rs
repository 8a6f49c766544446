//! `pinion run`: a run against a venue, headless, with the files of a paper run.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use pinion_core::settings::Mode;
use pinion_core::units::Rate;
use pinion_io::bingx::live::{ApiKeys, PublicPlan, Refusal, VenuePlan};
use pinion_io::bingx::words::{MarginType, PositionMode};
use pinion_io::journal::Summary;
use pinion_io::net::{Peer, RecordLayer, Target, Trust, Tuning};
use pinion_io::run::{self, LiveOutcome, LivePaperPlan, LivePlan, RunFault, Watch};
use pinion_io::runner::Pace;
use pinion_io::sandbox::{self, Sandbox};
use zeroize::Zeroizing;

use super::paper::{on_signal, parse_profile, say};
use crate::config::sections::{Control, Venue};
use crate::config::{Loaded, SettingsArgs};
use crate::failure::Exit;
use crate::tuning::{Tuned, TuningArgs, seat};
use crate::{Failure, report, summary, time};

/// What `venue.live_confirmation` must say.
const CONFIRMATION: &str = "real money";
/// Environment variables with the key; both are wiped once read.
const KEY_VARIABLES: [&str; 2] = ["PINION_BINGX_KEY", "PINION_BINGX_SECRET"];
/// Where a service manager puts credentials.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// Name of the key among them.
const CREDENTIAL: &str = "bingx";
/// Its name where the manager was given the folder `keys` as a whole.
const OF_FOLDER: &str = "keys_bingx";

/// REST and WebSocket addresses of the demo account.
const DEMO: [&str; 2] =
    ["https://open-api-vst.bingx.com", "wss://vst-open-api-ws.bingx.com/swap-market"];
/// The same of real accounts.
pub(super) const LIVE: [&str; 2] =
    ["https://open-api.bingx.com", "wss://open-api-swap.bingx.com/swap-market"];

/// Arguments of `pinion run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Trade with real money; the file must say engine.mode = "live" and confirm it.
    #[arg(long)]
    live: bool,
    /// Trade on paper, on the venue's live public data: no key, no account.
    #[arg(long, conflicts_with = "live")]
    paper: bool,
    /// Run directory to create, or one whose run was interrupted: it goes on. By default
    /// `runs/<utc>-<profile>/`.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The runtime tuner, and how eager it is, on a thread of its own.
    #[arg(long, value_parser = ["off", "conveyor", "fast", "calm", "sniper"], default_value = "off")]
    tuner: String,
    #[command(flatten)]
    tuning: TuningArgs,
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
    sandbox::keep_memory_private();
    // Before any thread: the environment can be changed safely only now.
    let from_environment = keys_of_environment()?;
    let mut settings = args.settings.clone();
    settings.sets.extend(args.paper.then(|| "engine.mode=paper".to_owned()));
    let loaded = settings.load()?;
    let venue = &loaded.venue;
    let mode = loaded.settings.engine_mode;
    if args.paper {
        // A key that lies in the environment is of no use here, and has been wiped.
        drop(from_environment);
        return on_paper(args, loaded);
    }
    check_mode(mode, args.live, venue)?;
    let keys = match (venue.text("key_file"), from_environment) {
        (Some(path), _) => ApiKeys::from_file(Path::new(path)),
        (None, Some(keys)) => Ok(keys),
        (None, None) => match std::env::var_os(CREDENTIALS) {
            Some(folder) => {
                let folder = Path::new(&folder);
                let whole = folder.join(CREDENTIAL);
                let path = if whole.exists() { whole } else { folder.join(OF_FOLDER) };
                ApiKeys::from_file(&path)
            }
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
    let mut settings = loaded.settings.clone();
    venue.apply_to(&mut settings);
    let plan = LivePlan {
        venue: venue_plan(mode, venue, keys, seed)?,
        flatten_at_end: venue.is("flatten_at_end"),
        settings: Arc::new(settings),
        instruments: loaded.instruments,
        config_hash: loaded.config_hash,
        out: out(args),
        profile_id: args.profile_id.clone(),
    };
    if plan.settings.guard_drawdown_max == Rate::ZERO {
        say("guard.drawdown_max is 0: no drawdown halts this run");
    }
    let watch = watched(args, &loaded.control)?;
    let tuned = Tuned {
        what: "a run",
        profile_id: &plan.profile_id,
        instruments: &plan.instruments,
        venue: &loaded.venue,
        config_hash: &plan.config_hash,
        pace: Pace::Times(1.0),
        watch: &watch,
    };
    let tuner = seat(&args.tuner, &args.tuning, tuned)?;
    let outcome = run::live(&plan, &watch, tuner, &mut |text| say(text));
    watch.end();
    let outcome = outcome.map_err(failure)?;
    tell(args, &outcome.summary, &plan.out)?;
    verdict(&outcome, plan.flatten_at_end)
}

/// The same market, and nobody's money.
fn on_paper(args: &Args, loaded: Loaded) -> Result<(), Failure> {
    let watch = watched(args, &loaded.control)?;
    let seed = loaded.settings.engine_seed.unsigned_abs();
    let plan = LivePaperPlan {
        venue: public_plan(&loaded.venue, LIVE, seed)?,
        settings: Arc::new(loaded.settings),
        instruments: loaded.instruments,
        config_hash: loaded.config_hash,
        out: out(args),
        profile_id: args.profile_id.clone(),
    };
    let tuned = Tuned {
        what: "a paper run on live data",
        profile_id: &plan.profile_id,
        instruments: &plan.instruments,
        venue: &loaded.venue,
        config_hash: &plan.config_hash,
        pace: Pace::Times(1.0),
        watch: &watch,
    };
    let tuner = seat(&args.tuner, &args.tuning, tuned)?;
    let outcome = run::live_paper(&plan, &watch, tuner, &mut |text| say(text));
    watch.end();
    tell(args, &outcome.map_err(failure)?.summary, &plan.out)
}

fn out(args: &Args) -> PathBuf {
    args.out.clone().unwrap_or_else(|| {
        PathBuf::from("runs").join(format!("{}-{}", time::utc_stamp(), args.profile_id))
    })
}

/// Ends by signal or by time; answers its operator.
fn watched(args: &Args, control: &Control) -> Result<Arc<Watch>, Failure> {
    let mut watch = Watch::default();
    watch.control = control.text("socket").map(PathBuf::from);
    watch.sandbox = control.text("sandbox").and_then(Sandbox::from_text).unwrap_or_default();
    let watch = Arc::new(watch);
    // The handlers stay until the process ends.
    let _ids = on_signal(&watch)?;
    if let Some(duration_ns) = args.duration {
        end_after(&watch, Duration::from_nanos(duration_ns.unsigned_abs()));
    }
    Ok(watch)
}

fn failure(fault: RunFault) -> Failure {
    match fault {
        RunFault::Placement(_)
        | RunFault::Restart(_)
        | RunFault::Control(_)
        | RunFault::Sandbox(_)
        | RunFault::Venue(Refusal::Refused(_) | Refusal::NotAsConfigured(_)) => {
            Failure::config(fault.to_string())
        }
        other => Failure::error(other.to_string()),
    }
}

/// Report, summary for people, and for programs where that is wanted.
fn tell(args: &Args, figures: &Summary, out: &Path) -> Result<(), Failure> {
    report::write(out)?;
    say(&summary::render(figures, out));
    if args.json {
        let path = out.join("summary.json");
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Failure::error(format!("{}: {error}", path.display())))?;
        super::print_line(text.trim_end())?;
    }
    Ok(())
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
            "engine.mode is paper; expected demo or live: --paper trades on paper on live data, `pinion paper` on \
             recordings, a run on the demo account needs engine.mode = \"demo\"",
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

/// What needs no key; `defaults` are the REST and the WebSocket address where the section names none.
pub(super) fn public_plan(
    venue: &Venue,
    defaults: [&str; 2],
    seed: u64,
) -> Result<PublicPlan, Failure> {
    let symbols = venue.list("symbols").to_vec();
    if symbols.is_empty() {
        return Err(Failure::config(
            "venue.symbols is empty; expected a list of perpetuals: symbols = [\"BTC-USDT\"]",
        ));
    }
    let trust = Trust::new(venue.text("ca_file").map(Path::new));
    let trust = trust.map_err(|text| Failure::config(format!("venue.ca_file: {text}")))?;
    let peer = |field: &str, default: &str| {
        let failed = |text: String| Failure::config(format!("venue.{field}: {text}"));
        let target = Target::parse(venue.text(field).unwrap_or(default)).map_err(failed)?;
        // A name that cannot be looked up is the network's fault, not the configuration's.
        Peer::new(target, trust.clone())
            .map(Arc::new)
            .map_err(|text| Failure::error(format!("venue.{field}: {text}")))
    };
    let whole = |field: &str| venue.int(field).unsigned_abs();
    let narrow = |field: &str| u32::try_from(whole(field)).unwrap_or(u32::MAX);
    Ok(PublicPlan {
        rest: peer("rest_url", defaults[0])?,
        ws: peer("ws_url", defaults[1])?,
        symbols,
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

fn venue_plan(mode: Mode, venue: &Venue, keys: ApiKeys, seed: u64) -> Result<VenuePlan, Failure> {
    let is_real = |text: Option<&str>| {
        let target = text.and_then(|text| Target::parse(text).ok());
        target.filter(|target| LIVE.iter().any(|url| url.contains(&format!("//{}", target.host))))
    };
    for field in ["rest_url", "ws_url"] {
        if let Some(target) = is_real(venue.text(field)).filter(|_| mode == Mode::Demo) {
            return Err(Failure::config(format!(
                "venue.{field}: {} is where real money trades; expected the demo address with engine.mode = \
                 \"demo\"",
                target.host
            )));
        }
    }
    let public = public_plan(venue, if mode == Mode::Live { LIVE } else { DEMO }, seed)?;
    let whole = |field: &str| venue.int(field).unsigned_abs();
    let narrow = |field: &str| u32::try_from(whole(field)).unwrap_or(u32::MAX);
    let one_way = venue.text("position_mode") == Some("one_way");
    let isolated = venue.text("margin_type") == Some("isolated");
    Ok(VenuePlan {
        rest: public.rest,
        ws: public.ws,
        keys,
        symbols: public.symbols,
        position_mode: if one_way { PositionMode::OneWay } else { PositionMode::Hedge },
        margin_type: if isolated { MarginType::Isolated } else { MarginType::Crossed },
        leverage: whole("leverage"),
        recv_window_ms: Some(narrow("recv_window_ms")),
        dead_man_s: narrow("dead_man_s"),
        write_ahead: venue.is("write_ahead"),
        connections: usize::try_from(whole("connections")).unwrap_or(2),
        timeout_ns: public.timeout_ns,
        reconnect_max_ns: public.reconnect_max_ns,
        attempts_per_hour: public.attempts_per_hour,
        tuning: public.tuning,
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
pub(super) fn end_after(watch: &Arc<Watch>, after: Duration) {
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
