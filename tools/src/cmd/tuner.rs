//! `pinion tuner`: what-if, audit, and the sidecar on a run directory.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use pinion_core::settings::{KEYS, Settings, Writer};
use pinion_core::units::Nanos;
use pinion_io::journal::JournalReader;
use pinion_io::journal::header::settings_of;
use pinion_io::journal::run_dir::INPUTS;
use pinion_tuner::decide;
use pinion_tuner::files::{FREEZE, Files, LOG, Lock, LockFault, ROLLBACK, STATE};
use pinion_tuner::log::{About, ApplyState, Audit, console, row};
use pinion_tuner::policy::Mode;
use pinion_tuner::reader::Reader;
use pinion_tuner::stage::rollback::Target;
use pinion_tuner::state::State;
use pinion_tuner::tick::{self, Input};
use pinion_tuner::traits::EPHEMERAL;
use pinion_tuner::window::Windows;
use serde_json::{Value, json};

use crate::cmd::paper::say;
use crate::tuning::{COMMIT, TuningArgs, held, rfc3339};
use crate::{Exit, Failure};

/// The settings that a sidecar proposes, as a settings file.
const PRESET: &str = "preset.toml";

/// Arguments of `pinion tuner`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// What one tick would decide: a JSON object in, a JSON object out; nothing is read or written besides.
    Decide(DecideArgs),
    /// Audit the rows of a tuner's log, and decide each of them again.
    Replay(ReplayArgs),
    /// One tick on a run directory.
    Once(SideArgs),
    /// Ticks on a run directory while the run goes on.
    Run(SideArgs),
    /// What the tuner remembers.
    Status(FolderArgs),
    /// The last ticks, a line each.
    History(FolderArgs),
    /// Let the tuner watch and change nothing; again with --off to let it act.
    Freeze(FreezeArgs),
    /// Have the tuner go back at its next tick: at once and whole.
    Rollback(RollbackArgs),
}

#[derive(Debug, clap::Args)]
struct DecideArgs {
    /// The input; `-` is stdin.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Decide as the original did, with its defects.
    #[arg(long)]
    strict_seed: bool,
    /// Accepted for symmetry: the output is JSON anyway.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct FolderArgs {
    /// Folder with the tuner's files: a run directory, or logs/PROFILE.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Profile, where no folder is given.
    #[arg(long, value_name = "ID", value_parser = super::paper::parse_profile)]
    profile_id: Option<String>,
    /// Most rows, the newest.
    #[arg(long, value_name = "N", default_value = "240")]
    limit: usize,
    /// Print JSON to stdout.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct ReplayArgs {
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Debug, clap::Args)]
struct FreezeArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// Let it act again.
    #[arg(long)]
    off: bool,
}

#[derive(Debug, clap::Args)]
struct RollbackArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// The last settings that did well, or what the operator set.
    #[arg(long, value_name = "TARGET", value_parser = ["stable", "baseline"], default_value = "stable")]
    to: String,
}

#[derive(Debug, clap::Args)]
struct SideArgs {
    /// The run directory; by default the newest of the profile in runs/.
    #[arg(long, value_name = "RUN_DIR")]
    run: Option<PathBuf>,
    /// Names the tuner's folder, logs/ID.
    #[arg(long, value_name = "ID", value_parser = super::paper::parse_profile)]
    profile_id: String,
    /// Folder of all profiles.
    #[arg(long, value_name = "DIR", default_value = "logs")]
    logs: PathBuf,
    /// How eager.
    #[arg(long, value_parser = ["conveyor", "fast", "calm", "sniper"], default_value = "conveyor")]
    mode: String,
    #[command(flatten)]
    tuning: TuningArgs,
    /// Decide and log; change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Ends `run` after so many minutes.
    #[arg(long, value_name = "N", default_value = "60")]
    duration_minutes: u64,
    /// Print each row to stdout.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
///
/// # Errors
/// What is in the way: exit 2 for what does not exist or is held by another tuner, 4 for a wrong policy or
/// input, 1 for the rest.
pub fn run(args: &Args) -> Result<(), Failure> {
    match &args.verb {
        Verb::Decide(args) => what_if(args),
        Verb::Replay(args) => replay(&args.folder),
        Verb::Once(args) => Sidecar::open(args)?.tick().map(drop),
        Verb::Run(args) => follow(args),
        Verb::Status(args) => status(args),
        Verb::History(args) => history(args),
        Verb::Freeze(args) => freeze(args),
        Verb::Rollback(args) => rollback(args),
    }
}

fn print(text: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{text}")
        .map_err(|error| Failure::error(format!("stdout: {error}")))
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> Failure + '_ {
    move |error| {
        let text = format!("{}: {error}", path.display());
        let is_absent = error.kind() == std::io::ErrorKind::NotFound;
        if is_absent { Failure::usage(text) } else { Failure::error(text) }
    }
}

fn what_if(args: &DecideArgs) -> Result<(), Failure> {
    let text = if args.input.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(at(&args.input))?;
        text
    } else {
        fs::read_to_string(&args.input).map_err(at(&args.input))?
    };
    let wrong = |what: String| Failure::config(format!("{}: {what}", args.input.display()));
    let json: Value = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let input = decide::input(&json, args.strict_seed).map_err(wrong)?;
    let decision = tick::decide(&input);
    print(&decide::output(&decision).to_string())
}

impl FolderArgs {
    fn path(&self) -> Result<PathBuf, Failure> {
        match (&self.dir, &self.profile_id) {
            (Some(dir), _) => Ok(dir.clone()),
            (None, Some(profile)) => Ok(Path::new("logs").join(profile)),
            (None, None) => Err(Failure::usage("expected --dir DIR or --profile-id ID")),
        }
    }

    /// The newest rows of the log, with their line numbers.
    fn rows(&self) -> Result<Vec<(usize, Value)>, Failure> {
        let path = self.path()?.join(LOG);
        let file = fs::File::open(&path).map_err(at(&path))?;
        let mut rows = std::collections::VecDeque::new();
        for (index, line) in BufReader::new(file).lines().enumerate() {
            let line = line.map_err(at(&path))?;
            let row = serde_json::from_str(&line).map_err(|error| {
                Failure::error(format!("{}, line {}: {error}", path.display(), index + 1))
            })?;
            rows.push_back((index + 1, row));
            if rows.len() > self.limit {
                rows.pop_front();
            }
        }
        if rows.is_empty() {
            return Err(Failure::error(format!("{}: no rows", path.display())));
        }
        Ok(rows.into())
    }
}

fn replay(args: &FolderArgs) -> Result<(), Failure> {
    let mut audit = Audit::default();
    for (number, row) in args.rows()? {
        audit.add(number, &row);
    }
    if args.json {
        print(&audit.to_json().to_string())?;
    } else {
        say(&format!(
            "{} ticks, {} with changes, {} in force, {} rollbacks, {} decided differently now",
            audit.ticks,
            audit.action_ticks,
            audit.effective_ticks,
            audit.rollback_ticks,
            audit.differing.len()
        ));
        for (of, counts) in &audit.counts {
            let mut rows: Vec<_> = counts.iter().collect();
            rows.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
            let list: Vec<String> =
                rows.iter().take(8).map(|(name, n)| format!("{name} {n}")).collect();
            say(&format!("{of}: {}", list.join(", ")));
        }
    }
    match audit.differing.first() {
        None => Ok(()),
        Some(first) => Err(Failure::error(format!(
            "{} of {} rows are decided differently by this version; the first: {first}",
            audit.differing.len(),
            audit.ticks
        ))),
    }
}

fn status(args: &FolderArgs) -> Result<(), Failure> {
    let dir = args.path()?;
    let path = dir.join(STATE);
    if !path.is_file() {
        return Err(Failure::usage(format!("{}: no tuner has been here", path.display())));
    }
    let state = State::load(&path).map_err(Failure::error)?;
    let frozen = dir.join(FREEZE).exists();
    if args.json {
        let mut json = state.to_json();
        json["frozen"] = frozen.into();
        return print(&json.to_string());
    }
    let target = state.target.stored.map_or_else(|| "none".to_owned(), |tph| format!("{tph:.2}"));
    say(&format!(
        "phase {}, degrade streak {}, target {target} an hour, locked {}, {} changes under judgement, \
         {} rules at rest{}",
        state.last_phase.as_str(),
        state.degrade_streak,
        state.lock.symbol.as_deref().unwrap_or("nothing"),
        state.trials.len(),
        state.rests.len(),
        if frozen { ", frozen" } else { "" }
    ));
    Ok(())
}

fn history(args: &FolderArgs) -> Result<(), Failure> {
    for (_, row) in args.rows()? {
        let decision = &row["decision"];
        if args.json {
            let short = json!({
                "ts_ns": row["ts_ns"], "phase": decision["phase"], "apply_state": row["apply_state"],
                "actions": decision["actions"], "rollback": decision["rollback"],
            });
            print(&short.to_string())?;
            continue;
        }
        let mut line = format!(
            "{} {} {}",
            crate::time::utc_text(Nanos::new(row["ts_ns"].as_i64().unwrap_or(0))),
            decision["phase"].as_str().unwrap_or("?"),
            row["apply_state"].as_str().unwrap_or("?")
        );
        for action in decision["actions"].as_array().into_iter().flatten() {
            line.push_str(&format!(
                " | {} {} -> {}",
                action["key"].as_str().unwrap_or("?"),
                action["from"],
                action["to"]
            ));
        }
        print(&line)?;
    }
    Ok(())
}

fn freeze(args: &FreezeArgs) -> Result<(), Failure> {
    let dir = args.folder.path()?;
    let path = dir.join(FREEZE);
    if args.off {
        return match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(at(&path)(error)),
            Ok(()) | Err(_) => Ok(()),
        };
    }
    fs::write(&path, "frozen by the operator\n").map_err(at(&path))
}

fn rollback(args: &RollbackArgs) -> Result<(), Failure> {
    let dir = args.folder.path()?;
    let state = State::load(&dir.join(STATE)).map_err(Failure::error)?;
    if args.to == Target::Stable.as_str() && state.stable_overrides.is_empty() {
        let text = "no tick was good enough yet to be gone back to; choose --to baseline";
        return Err(Failure::usage(format!("{}: {text}", dir.join(STATE).display())));
    }
    let path = dir.join(ROLLBACK);
    fs::write(&path, format!("{}\n", args.to)).map_err(at(&path))?;
    if args.folder.json {
        return print(&json!({"asked": args.to, "dir": dir}).to_string());
    }
    say(&format!("asked to go back to {}; the tuner does so at its next tick", args.to));
    Ok(())
}

/// A tuner beside a run: it reads the run's files and writes a settings file for the next one.
struct Sidecar<'a> {
    args: &'a SideArgs,
    dir: PathBuf,
    reader: Reader,
    windows: Windows,
    state: State,
    baseline: Settings,
    current: Settings,
    files: Option<Files>,
    _lock: Option<Lock>,
}

impl<'a> Sidecar<'a> {
    fn open(args: &'a SideArgs) -> Result<Self, Failure> {
        let run = match &args.run {
            Some(run) => run.clone(),
            None => newest_run(Path::new("runs"), &args.profile_id)?,
        };
        let journal = run.join(INPUTS);
        let reader = JournalReader::open(&journal).map_err(|fault| {
            let exit = if journal.is_file() { Exit::Error } else { Exit::Usage };
            Failure::new(exit, fault.to_string())
        })?;
        let baseline = settings_of(&journal, &reader.header().settings)
            .map_err(|fault| Failure::error(fault.to_string()))?;
        let dir = args.logs.join(&args.profile_id);
        let state = State::load(&dir.join(STATE)).map_err(Failure::error)?;
        // A dry run leaves no trace but its row on stdout.
        let (lock, files) = if args.dry_run {
            (None, None)
        } else {
            let lock = Lock::take(&dir, "a tuner beside a run");
            let lock = lock.map_err(|fault| match fault {
                LockFault::Held(_) => Failure::usage(held(&fault)),
                LockFault::Io(_) => Failure::error(held(&fault)),
            })?;
            (Some(lock), Some(Files::open(&dir).map_err(at(&dir))?))
        };
        let current =
            match crate::config::load(None, existing(&dir.join(PRESET)).as_deref(), [], &[]) {
                Ok(preset) => over(&baseline, &preset.settings, dir.join(PRESET).is_file()),
                Err(fault) => return Err(fault),
            };
        Ok(Self {
            args,
            dir,
            reader: Reader::new(&run),
            windows: Windows::new(),
            state,
            baseline,
            current,
            files,
            _lock: lock,
        })
    }

    /// One tick at the time of the newest record.
    fn tick(&mut self) -> Result<ApplyState, Failure> {
        self.reader.feed(&mut self.windows).map_err(|error| Failure::error(error.to_string()))?;
        let now = self.windows.last();
        if now.get().div_euclid(Nanos::SECOND) <= self.state.last_tick_s {
            // The same window once more would push the same way once more.
            say("nothing new since the last tick: nothing is decided");
            return Ok(ApplyState::Noop);
        }
        let symbol = |asset: usize| self.reader.symbol(asset);
        let input = Input {
            mode: Mode::from_text(&self.args.mode).unwrap_or(Mode::Conveyor),
            now_s: now.get().div_euclid(Nanos::SECOND),
            session_age_s: self.windows.age_s(now),
            policy: self.args.tuning.policy()?,
            forced_phase: self.args.tuning.phase(),
            rollback_asked: self.files.as_ref().and_then(Files::rollback_asked),
            settings: self.current.clone(),
            baseline: self.baseline.clone(),
            state: self.state.clone(),
            telemetry: self.windows.telemetry(now, self.args.tuning.window_minutes, &symbol),
            strict_seed: false,
            unread: Vec::new(),
        };
        let decision = tick::decide(&input);
        let frozen = self.files.as_ref().is_some_and(Files::is_frozen);
        let apply_state = if frozen {
            ApplyState::Frozen
        } else if decision.actions.is_empty() {
            ApplyState::Noop
        } else if !decision.issues.is_empty() {
            ApplyState::ValidationFailed
        } else if self.args.dry_run {
            ApplyState::DryRun
        } else {
            match self.write_preset(&decision.staged) {
                Ok(()) => ApplyState::Written,
                Err(_) => ApplyState::WriteFailed,
            }
        };
        let about = About {
            profile_id: &self.args.profile_id,
            run_tag: self.reader.run_id().unwrap_or(""),
            commit_hash: COMMIT,
            ts_ns: now.get(),
            ts: rfc3339(now),
            window_minutes: self.args.tuning.window_minutes,
            apply_state,
            pending: &[],
            version: None,
            records_missed: self.reader.unreadable(),
        };
        let row = row(&input, &decision, &about);
        let line = console(&input, &decision, apply_state);
        if let Some(files) = &mut self.files {
            files.tick(&row, &line).map_err(at(&self.dir))?;
            if apply_state != ApplyState::Frozen && apply_state != ApplyState::WriteFailed {
                files.save(&decision.state).map_err(at(&self.dir))?;
                self.state = decision.state;
            }
        }
        let is_done = matches!(apply_state, ApplyState::Written | ApplyState::Noop);
        if let (Some(_), true, Some(files)) = (input.rollback_asked, is_done, &self.files) {
            files.rolled_back().map_err(at(&self.dir))?;
        }
        if apply_state == ApplyState::Written {
            self.current = decision.staged;
        }
        say(&line);
        if self.args.json { print(&row.to_string()).map(|()| apply_state) } else { Ok(apply_state) }
    }

    /// Writes what differs from the baseline, whole or not at all.
    fn write_preset(&self, settings: &Settings) -> std::io::Result<()> {
        let mut text = String::from("# Written by the tuner; use it with --config.\n");
        for key in KEYS.iter().filter(|key| key.writer == Writer::Tuner && key.name != EPHEMERAL) {
            let value = (key.get)(settings);
            if value != (key.get)(&self.baseline) {
                text.push_str(&format!(
                    "{} = {}\n",
                    key.name,
                    toml_value(&decide::setting(&value))
                ));
            }
        }
        let path = self.dir.join(PRESET);
        let temporary = self.dir.join("preset.toml.tmp");
        let mut file = fs::File::create(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, &path)
    }
}

/// The newest run of a profile; their names begin with their time.
fn newest_run(runs: &Path, profile: &str) -> Result<PathBuf, Failure> {
    let is_of_profile = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        let stamp = name.and_then(|name| name.strip_suffix(profile)?.strip_suffix('-'));
        stamp.is_some_and(|stamp| !stamp.is_empty() && !stamp.contains('-'))
    };
    let found = fs::read_dir(runs).map_err(at(runs))?.flatten().map(|entry| entry.path());
    found.filter(is_of_profile).max().ok_or_else(|| {
        Failure::usage(format!("{}: no run of {profile}; name one with --run", runs.display()))
    })
}

/// A file that is there.
fn existing(path: &Path) -> Option<PathBuf> {
    path.is_file().then(|| path.to_path_buf())
}

/// The tuner's keys of a preset over a run's own settings.
fn over(baseline: &Settings, preset: &Settings, is_there: bool) -> Settings {
    let mut settings = baseline.clone();
    let default = Settings::default();
    for key in KEYS.iter().filter(|key| is_there && key.writer == Writer::Tuner) {
        let value = (key.get)(preset);
        if value != (key.get)(&default) {
            (key.set)(&mut settings, &value);
        }
    }
    settings
}

/// JSON's numbers, switches and texts are TOML's; a list of symbols is a text in both.
fn toml_value(value: &Value) -> String {
    value.to_string()
}

fn follow(args: &SideArgs) -> Result<(), Failure> {
    let mut sidecar = Sidecar::open(args)?;
    let until =
        Instant::now() + Duration::from_secs(args.duration_minutes.saturating_mul(60).max(60));
    let interval = u64::try_from(args.tuning.interval_seconds).unwrap_or(120);
    loop {
        sidecar.tick()?;
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(Duration::from_secs(interval)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_run_of_a_profile_is_found_and_no_other() {
        let dir = std::env::temp_dir().join(format!("pinion-newest-{}", std::process::id()));
        for name in ["20261120T100000Z-a", "20261121T100000Z-a", "20261122T100000Z-b-a", "x"] {
            fs::create_dir_all(dir.join(name)).expect("a folder");
        }
        let newest =
            |profile| newest_run(&dir, profile).map(|path| path.file_name().map(Into::into));
        assert_eq!(
            newest("a").ok().flatten(),
            Some(std::ffi::OsString::from("20261121T100000Z-a"))
        );
        assert!(newest("c").is_err() && newest_run(&dir.join("none"), "a").is_err());
        fs::remove_dir_all(&dir).expect("removable");
    }
}
