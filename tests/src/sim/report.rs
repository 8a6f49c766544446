//! What a person gets to see: the options of a seed, the line of a failure, its folder.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::corpus;
use super::job::{Failure, Job, Outcome};
use super::run::run;

/// Most lines of a minimal trace that are shown.
const TRACE_LINES: usize = 200;

/// Lines that are shown of what follows the last fault.
const WAITING_LINES: usize = 16;

/// The commit of the tree that this was built from, or `unknown` outside of a checkout.
#[must_use]
pub fn commit() -> String {
    let asked = Command::new("git")
        .args(["rev-parse", "--short=12", "HEAD"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    let text = asked.ok().filter(|done| done.status.success());
    let text = text.and_then(|done| String::from_utf8(done.stdout).ok());
    text.map_or_else(|| String::from("unknown"), |text| text.trim().to_owned())
}

/// A first seed that belongs to a commit: its first eight bytes as a number.
#[must_use]
pub fn base_seed(commit: &str) -> u64 {
    commit.bytes().take(12).fold(0, |sum, byte| {
        let digit = char::from(byte).to_digit(16).unwrap_or(0);
        sum << 4 | u64::from(digit)
    })
}

/// Every option that differs from nothing, by group.
#[must_use]
pub fn options(job: &Job) -> String {
    let mut text = format!("seed {} events {}\n", job.seed, job.events);
    let mut group = "";
    for (name, of, value) in job.fields().filter(|field| field.2 != 0) {
        if of != group {
            group = of;
            let _infallible = write!(text, "\n  {group:<9}");
        }
        let _infallible = write!(text, " {name}={value}");
    }
    text.push('\n');
    text
}

/// The one line of a failure.
#[must_use]
pub fn line(job: &Job, failure: &Failure, commit: &str) -> String {
    let mode = if job.hell { "hell" } else { "safe" };
    format!(
        "FAIL check={} seed={} commit={commit} events={} replay=\"sim replay --seed {} --events {} --mode {mode}\" {}",
        failure.breach.check, job.seed, failure.event, job.seed, job.events, failure.breach.what
    )
}

/// Lines of a trace that tell the story: what was sent, told, filled, and what went wrong. Of several fills of
/// one order at one moment, and of lines that repeat, the first and the last stand for all.
#[must_use]
pub fn story(outcome: &Outcome) -> Vec<String> {
    let tells = |line: &&String| {
        // What the operator says is told to the engine in the next line.
        let quiet = ["Balance {", "Position {", "PositionsEnd", "OpenOrdersEnd", " operator:"];
        !quiet.iter().any(|word| line.contains(word))
    };
    let mut story: Vec<String> = Vec::new();
    let mut run: Option<(String, usize, &String)> = None;
    let end = |run: &mut Option<(String, usize, &String)>, story: &mut Vec<String>| {
        if let Some((_, more, last)) = run.take() {
            if more > 1 {
                story.push(format!("{:>14} ... {} more", "", more - 1));
            }
            if more > 0 {
                story.push(last.clone());
            }
        }
    };
    for line in outcome.trace.iter().filter(tells) {
        let words: Vec<&str> = line.split_whitespace().take(5).collect();
        let is_fill =
            matches!(words.get(3), Some(&"opens" | &"closes")) || words.get(4) == Some(&"fill");
        let said = line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ");
        let key = if is_fill { words[..3].join(" ") } else { said };
        match &mut run {
            Some((of, more, last)) if *of == key => {
                *more += 1;
                *last = line;
            }
            _ => {
                end(&mut run, &mut story);
                story.push(line.clone());
                run = Some((key, 0, line));
            }
        }
    }
    end(&mut run, &mut story);
    // What does not come to rest repeats itself until the time is up.
    let healed = story.iter().position(|line| line.contains("liveness:"));
    if let Some(keep) = healed.map(|at| at + WAITING_LINES)
        && story.len() > keep
    {
        let more = story.len() - keep;
        story.truncate(keep);
        story.push(format!("{:>14} ... {more} more", ""));
    }
    story
}

/// Writes a failure's folder: options, the last events, the state of engine and oracle, and the text for
/// the corpus.
///
/// # Errors
/// What the file system says.
pub fn write(into: &Path, job: &Job, title: &str) -> io::Result<PathBuf> {
    let folder = into.join(format!("sim-fail-{}", job.seed));
    fs::create_dir_all(&folder)?;
    let mut traced = job.clone();
    traced.trace = true;
    let outcome = run(&traced);
    let last = outcome.trace.len().saturating_sub(TRACE_LINES);
    let story = story(&outcome);
    let check = outcome.failure.as_ref().map_or("", |failure| failure.breach.check);
    fs::write(folder.join("failure.txt"), format!("{title}\n"))?;
    fs::write(folder.join("options.txt"), options(job))?;
    fs::write(folder.join("last-events.txt"), outcome.trace[last..].join("\n"))?;
    fs::write(folder.join("trace.txt"), story.join("\n"))?;
    fs::write(folder.join("state.txt"), &outcome.state)?;
    fs::write(folder.join("case.toml"), corpus::to_text(job, check, title))?;
    Ok(folder)
}
