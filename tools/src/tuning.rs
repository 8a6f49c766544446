//! Seats the runtime tuner in a run, and watches over the thread that it may have.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use pinion_core::engine::{Advisor, Publication};
use pinion_core::settings::{InstrumentOverride, KEYS, Settings};
use pinion_core::units::Nanos;
use pinion_io::journal::{SettingChange, SettingsDesk, SettingsVersion};
use pinion_io::run::{SeatTuner, TunerHost, Watch};
use pinion_io::runner::Pace;
use pinion_io::utc::TimeText;
use pinion_tuner::files::{Files, Lock, LockFault};
use pinion_tuner::policy::{Mode, Phase, TargetPolicy};
use pinion_tuner::state::State;
use pinion_tuner::tuner::{Alarm, Health, Inline, Orders, Threaded, Tuner, Watchdog};

use crate::Failure;
use crate::cmd::paper::say;
use crate::config::config_hash;
use crate::config::sections::Venue;

/// The commit that the program was built from, where the build set it in the environment.
pub(crate) const COMMIT: Option<&str> = option_env!("PINION_COMMIT");

/// A moment as in every file of a run.
pub(crate) fn rfc3339(moment: Nanos) -> String {
    TimeText::default().of(moment).to_owned()
}

/// How often the watchdog looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What the tuner is to want. Options of every verb that tunes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct TuningArgs {
    /// Phase of the tuner's policy; anything but auto is for diagnostics.
    #[arg(long, value_parser = ["auto", "expand", "hold", "tighten"], default_value = "auto")]
    pub policy_phase: String,
    /// Minutes of the session's counts.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=15), default_value = "12")]
    pub window_minutes: i64,
    /// Stream time between ticks.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(30..=3600), default_value = "120")]
    pub interval_seconds: i64,
    /// Target policy, a JSON object of knobs; it beats --target.
    #[arg(long, value_name = "FILE")]
    pub target_policy_file: Option<PathBuf>,
    /// One knob of the target policy.
    #[arg(long = "target", value_name = "KNOB=VALUE")]
    pub targets: Vec<String>,
}

impl TuningArgs {
    /// The target policy.
    ///
    /// # Errors
    /// Exit 2 for a file that does not exist, 4 for a knob that is unknown or out of its range.
    pub(crate) fn policy(&self) -> Result<TargetPolicy, Failure> {
        let file = self.target_policy_file.as_deref().map(read_object).transpose()?;
        TargetPolicy::stack(&self.targets, file.as_ref())
            .map_err(|fault| Failure::config(fault.to_string()))
    }

    /// The phase that was forced.
    #[must_use]
    pub(crate) fn phase(&self) -> Option<Phase> {
        Phase::from_text(&self.policy_phase)
    }
}

fn read_object(path: &Path) -> Result<serde_json::Map<String, serde_json::Value>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::config(format!("{}: {error}; expected a JSON object of knobs", path.display()))
    })
}

/// The run that a tuner is seated in.
#[derive(Debug)]
pub(crate) struct Tuned<'a> {
    /// In words, for whoever finds the lock.
    pub(crate) what: &'static str,
    pub(crate) profile_id: &'a str,
    pub(crate) instruments: &'a [InstrumentOverride],
    pub(crate) venue: &'a Venue,
    pub(crate) config_hash: &'a str,
    pub(crate) pace: Pace,
    pub(crate) watch: &'a Arc<Watch>,
}

/// What seats the tuner of `mode` in a run; nothing for `off`. Its files go to the run directory.
///
/// # Errors
/// As [`TuningArgs::policy`].
pub(crate) fn seat<'a>(
    mode: &str,
    tuning: &TuningArgs,
    run: Tuned<'a>,
) -> Result<Option<SeatTuner<'a>>, Failure> {
    let Some(mode) = Mode::from_text(mode) else { return Ok(None) };
    let orders = Orders {
        profile_id: run.profile_id.to_owned(),
        run_tag: String::new(),
        commit_hash: COMMIT,
        ts_text: rfc3339,
        mode,
        policy: tuning.policy()?,
        forced_phase: tuning.phase(),
        interval_s: tuning.interval_seconds,
        window_minutes: tuning.window_minutes,
        is_dry: false,
    };
    Ok(Some(Box::new(move |host| sit(orders, &run, host))))
}

fn sit(orders: Orders, run: &Tuned<'_>, host: TunerHost) -> Result<Advisor, String> {
    let fault = |error: std::io::Error| format!("tuner: {}: {error}", host.dir.display());
    let files = Files::open(&host.dir).map_err(fault)?;
    let symbols = host.instruments.iter().map(|row| row.1.symbol.to_string()).collect();
    let settings = host.settings;
    let announce = announcer(host.desk, run);
    let orders = Orders { run_tag: host.run_id, ..orders };
    let state = State::default();
    let tuner =
        Tuner::new(orders, state, settings, host.version, symbols, files, Box::new(announce));
    match run.pace {
        Pace::Max => {
            let health = Arc::new(Health::default());
            guard(Arc::clone(&health), Arc::clone(run.watch), None);
            Ok(Box::new(Inline::new(tuner, health)))
        }
        Pace::Times(_) => {
            let lock = Lock::take(&host.dir, run.what).map_err(|fault| held(&fault))?;
            let seat = Threaded::start(tuner).map_err(fault)?;
            guard(seat.health(), Arc::clone(run.watch), Some(lock));
            Ok(Box::new(seat))
        }
    }
}

/// Who holds the lock, in words.
pub(crate) fn held(fault: &LockFault) -> String {
    match fault {
        LockFault::Held(who) => format!(
            "another tuner is at work here ({who}); stop it, or wait 15 minutes after its last sign of life"
        ),
        LockFault::Io(error) => format!("tuner lock: {error}"),
    }
}

/// Tells the journal what a version holds.
fn announcer(desk: SettingsDesk, run: &Tuned<'_>) -> impl Fn(&Publication) + Send + use<> {
    let (instruments, venue) = (run.instruments.to_vec(), run.venue.clone());
    let before = std::sync::Mutex::new(run.config_hash.to_owned());
    move |publication| {
        let hash_after = config_hash(&publication.settings, &instruments, &venue);
        let mut before = before.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let changes = publication.changes.iter().map(|change| SettingChange {
            key: change.key.to_owned(),
            from: change.from.clone(),
            to: change.to.clone(),
            reason: change.reason.clone(),
            writer: "tuner".to_owned(),
        });
        desk.announce(SettingsVersion {
            version: publication.version,
            hash_before: std::mem::replace(&mut *before, hash_after.clone()),
            hash_after,
            changes: changes.collect(),
            settings: texts(&publication.settings),
        });
    }
}

/// Every setting in canonical text.
fn texts(settings: &Settings) -> Vec<(String, String)> {
    KEYS.iter().map(|key| (key.name.to_owned(), (key.get)(settings).to_text())).collect()
}

/// Says so when the tuner ends before the run, or gives no sign of life. Holds the lock meanwhile.
fn guard(health: Arc<Health>, watch: Arc<Watch>, lock: Option<Lock>) {
    thread::spawn(move || {
        let _lock = lock;
        let mut dog = Watchdog::default();
        while !watch.is_ended() {
            thread::sleep(LOOK_EVERY);
            // At its end a run lets go of the tuner first.
            let alarm = dog.look(&health, LOOK_EVERY).filter(|_| !watch.is_ended());
            if let Some(alarm) = alarm {
                say(&format!(
                    "tuner: {}; trading goes on with the settings in force",
                    match alarm {
                        Alarm::Ended => "it ended before the run",
                        Alarm::Silent => "no sign of life for ten seconds",
                    }
                ));
            }
        }
    });
}
