//! `pinion halt`, `reduce`, `resume`, `flatten`, `cancel-all`, `status`: the operator's words to a running engine.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use pinion_io::control::{AskFault, SOCKET, Verb, ask};
use serde_json::Value;

use super::paper::say;
use crate::{Exit, Failure, time};

/// Where runs lie whose directory nobody named.
const RUNS: &str = "runs";
/// An engine that serves answers within milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks while a word is waited for.
const PAUSE: Duration = Duration::from_millis(20);

/// Arguments of a verb that reads.
#[derive(Debug, clap::Args)]
pub struct Reading {
    /// Run directory of the engine; by default the newest under `runs/` that answers.
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Print the engine's answer as one JSON object to stdout.
    #[arg(long)]
    json: bool,
}

/// Arguments of a verb that acts.
#[derive(Debug, clap::Args)]
pub struct Acting {
    #[command(flatten)]
    target: Reading,
    /// Wait until it is done, at most so long: 10s, 5m. Without it the word is given, and what follows takes its
    /// time.
    #[arg(long, value_name = "D", value_parser = time::parse_duration_ns)]
    wait: Option<i64>,
}

/// How an engine stands.
///
/// # Errors
/// 3 when none runs, 6 when it is halted.
pub fn status(args: &Reading) -> Result<(), Failure> {
    let (_, answer) = first_answer(args, Verb::Status)?;
    show(args, &answer)?;
    if answer["state"] == "halted" {
        return Err(Failure::new(Exit::Halted, "the engine is halted; `pinion resume` undoes it"));
    }
    Ok(())
}

/// Gives a word, and waits for what it brings about where that is wanted.
///
/// # Errors
/// 3 when no engine runs, 5 when it is not done in time, 6 when a resume leaves the engine halted.
pub fn act(verb: Verb, args: &Acting) -> Result<(), Failure> {
    let begun = Instant::now();
    let (path, mut answer) = first_answer(&args.target, verb)?;
    let Some(wait_ns) = args.wait else { return show(&args.target, &answer) };
    let until = begun + Duration::from_nanos(wait_ns.unsigned_abs());
    loop {
        let is_settled = answer["settled"] == true;
        if is_settled && is_done(verb, &answer) {
            return show(&args.target, &answer);
        }
        if is_settled && verb == Verb::Resume {
            show(&args.target, &answer)?;
            let why = "the engine is halted again; expected it to be active: its lines say why";
            return Err(Failure::new(Exit::Halted, why));
        }
        if Instant::now() >= until {
            show(&args.target, &answer)?;
            return Err(Failure::new(
                Exit::Timeout,
                format!(
                    "{}: given, and not done in time; `pinion status` goes on telling",
                    verb.as_str()
                ),
            ));
        }
        thread::sleep(PAUSE);
        answer = ask(&path, Verb::Status, PATIENCE).map_err(|fault| failure(&path, &fault))?;
    }
}

/// What a word brings about, once the kernel has taken it.
fn is_done(verb: Verb, answer: &Value) -> bool {
    let is = |field: &str, state: &str| answer[field] == state;
    let none = |field: &str| answer[field] == 0;
    match verb {
        Verb::Status => true,
        Verb::Halt => is("state", "halted") && none("working_entries"),
        Verb::Reduce => !is("state", "active") && none("working_entries"),
        Verb::Resume => is("state", "active"),
        Verb::Flatten => answer["flat"] == true,
        Verb::CancelAll => none("working_orders"),
    }
}

/// The first engine that answers, and what.
fn first_answer(args: &Reading, verb: Verb) -> Result<(PathBuf, Value), Failure> {
    let candidates = match &args.run {
        Some(dir) if !dir.is_dir() => {
            return Err(Failure::usage(format!(
                "{}: no such run directory; expected that of a running engine",
                dir.display()
            )));
        }
        Some(dir) => vec![dir.join(SOCKET)],
        None => newest_first(Path::new(RUNS)),
    };
    for path in &candidates {
        match ask(path, verb, PATIENCE) {
            Ok(answer) => return Ok((path.clone(), answer)),
            Err(AskFault::NotRunning) => {}
            Err(fault) => return Err(failure(path, &fault)),
        }
    }
    let place = args.run.as_deref().unwrap_or_else(|| Path::new(RUNS));
    Err(failure(place, &AskFault::NotRunning))
}

fn failure(path: &Path, fault: &AskFault) -> Failure {
    let exit = match fault {
        AskFault::NotRunning => Exit::NotRunning,
        AskFault::Timeout => Exit::Timeout,
        AskFault::Refused(_) => Exit::Error,
    };
    Failure::new(exit, format!("{}: {fault}", path.display()))
}

/// Sockets of the runs below a folder, the newest first.
fn newest_first(runs: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(runs) else { return Vec::new() };
    let mut found: Vec<(SystemTime, PathBuf)> = entries
        .flatten()
        .map(|entry| entry.path().join(SOCKET))
        .filter_map(|path| Some((fs::symlink_metadata(&path).ok()?.modified().ok()?, path)))
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, path)| path).collect()
}

fn show(args: &Reading, answer: &Value) -> Result<(), Failure> {
    if args.json {
        return super::print_line(&answer.to_string());
    }
    say(&words(answer));
    Ok(())
}

/// An answer for people.
fn words(answer: &Value) -> String {
    let text = |field: &str| match &answer[field] {
        Value::String(text) => text.clone(),
        Value::Null => "unknown".to_owned(),
        other => other.to_string(),
    };
    let mut line = format!(
        "{} ({}, process {}): {}{}; {} positions, {} orders at work; capital {}, equity {}, {} round trips",
        text("run_id"),
        text("mode"),
        text("pid"),
        text("state"),
        if answer["settled"] == true { "" } else { ", the word is on its way" },
        text("open_positions"),
        text("working_orders"),
        text("capital"),
        text("equity"),
        text("trades_closed"),
    );
    for (field, what) in [
        ("flattening", "everything open is being closed"),
        (
            "frozen",
            "entries are frozen: books and venue do not agree, or something impossible happened",
        ),
        ("journal_short", "entries wait for the journal"),
        ("stopping", "the run is ending"),
    ] {
        if answer[field] == true {
            let _infallible = write!(line, "; {what}");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_word_is_done_when_what_it_stands_for_is() {
        let answer = |state: &str, entries: u32, orders: u32, flat: bool| json!({ "state": state, "working_entries": entries, "working_orders": orders, "flat": flat });
        for (verb, answer, expected) in [
            (Verb::Halt, answer("halted", 0, 1, false), true),
            (Verb::Halt, answer("halted", 1, 1, false), false),
            (Verb::Reduce, answer("reducing", 0, 1, false), true),
            (Verb::Reduce, answer("halted", 0, 1, false), true),
            (Verb::Reduce, answer("active", 0, 0, true), false),
            (Verb::Resume, answer("reducing", 0, 0, true), false),
            (Verb::Resume, answer("active", 0, 0, true), true),
            (Verb::Flatten, answer("halted", 0, 0, false), false),
            (Verb::Flatten, answer("halted", 0, 0, true), true),
            (Verb::CancelAll, answer("active", 0, 1, false), false),
            (Verb::CancelAll, answer("active", 0, 0, false), true),
        ] {
            assert_eq!(is_done(verb, &answer), expected, "{} {answer}", verb.as_str());
        }
    }

    #[test]
    fn what_is_missing_is_told_as_unknown() {
        let text =
            words(&json!({ "run_id": "r", "settled": true, "equity": null, "frozen": true }));
        assert!(text.contains("equity unknown") && text.contains("frozen"), "{text}");
        assert!(!text.contains("on its way"), "{text}");
    }
}
