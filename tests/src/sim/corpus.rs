//! Runs that once failed, kept as files: each must pass for ever.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use pinion_io::paper::faults::{Fault, Instance};
use toml::{Table, Value};

use super::chaos::Deed;
use super::job::Job;

/// A kept run.
#[derive(Clone, Debug)]
pub struct Case {
    /// The file's name without its ending.
    pub name: String,
    /// What it once broke, in a sentence.
    pub broke: String,
    /// The check that found it.
    pub check: String,
    /// What to run.
    pub job: Job,
}

/// The text of a kept run.
#[must_use]
pub fn to_text(job: &Job, check: &str, broke: &str) -> String {
    let mut text = String::new();
    // Everything that is not 0, so that a case stays what it is when draws change.
    let blank = Job::blank(job.seed, job.events, job.hell);
    let changed = job.fields().zip(blank.fields()).filter(|(now, then)| now.2 != then.2);
    let _infallible = write!(
        text,
        "broke = {broke:?}\ncheck = {check:?}\nseed = {}\nevents = {}\nmode = \"{}\"\n",
        job.seed,
        job.events,
        if job.hell { "hell" } else { "safe" }
    );
    if let Some(intents) = &job.only_intents {
        let _infallible = writeln!(text, "intents = {intents:?}");
    }
    if let Some(deeds) = &job.only_deeds {
        let list: Vec<String> =
            deeds.iter().map(|(deed, at)| format!("{}@{at}", deed.as_str())).collect();
        let _infallible = writeln!(text, "deeds = {list:?}");
    }
    if let Some(faults) = &job.only_faults {
        let list: Vec<String> =
            faults.iter().map(|at| format!("{}@{}", at.fault.as_str(), at.opportunity)).collect();
        let _infallible = writeln!(text, "faults = {list:?}");
    }
    text.push_str("\n[set]\n");
    for ((name, _, value), _) in changed {
        let _infallible = writeln!(text, "{name} = {value}");
    }
    text
}

/// Reads a kept run.
///
/// # Errors
/// What is wrong with the text, and where.
pub fn parse(name: &str, text: &str) -> Result<Case, String> {
    let table: Table = text.parse().map_err(|error| format!("{name}: {error}"))?;
    let field = |key: &str| table.get(key).ok_or_else(|| format!("{name}: {key} is missing"));
    let number = |key: &str| {
        let value = field(key)?.as_integer().and_then(|value| u64::try_from(value).ok());
        value.ok_or_else(|| format!("{name}: {key} must be a whole number, not below 0"))
    };
    let words = |key: &str| {
        let value = field(key)?.as_str().map(str::to_owned);
        value.ok_or_else(|| format!("{name}: {key} must be a text"))
    };
    let hell = match words("mode")?.as_str() {
        "safe" => false,
        "hell" => true,
        other => return Err(format!("{name}: mode is {other:?}, expected safe or hell")),
    };
    let mut job = Job::blank(number("seed")?, number("events")?, hell);
    for (key, value) in table.get("set").and_then(Value::as_table).into_iter().flatten() {
        let value = value.as_integer().ok_or_else(|| format!("{name}: {key} must be a number"))?;
        if !job.set(key, value) {
            return Err(format!("{name}: there is no option {key:?}"));
        }
    }
    let list = |key: &str| table.get(key).and_then(Value::as_array);
    if let Some(intents) = list("intents") {
        let numbers = intents.iter().filter_map(Value::as_integer);
        job.only_intents = Some(numbers.filter_map(|at| u32::try_from(at).ok()).collect());
    }
    let placed = |value: &Value| -> Result<(String, u64), String> {
        let text = value.as_str().unwrap_or_default();
        let parts = text.split_once('@').and_then(|(what, at)| Some((what, at.parse().ok()?)));
        let (what, at) = parts.ok_or_else(|| format!("{name}: {value}: expected NAME@NUMBER"))?;
        Ok((what.to_owned(), at))
    };
    if let Some(deeds) = list("deeds") {
        let mut only = Vec::new();
        for value in deeds {
            let (what, at) = placed(value)?;
            let deed = Deed::from_text(&what).ok_or_else(|| format!("{name}: no deed {what:?}"))?;
            only.push((deed, u32::try_from(at).unwrap_or(u32::MAX)));
        }
        only.sort_unstable();
        job.only_deeds = Some(only);
    }
    if let Some(faults) = list("faults") {
        let mut only = Vec::new();
        for value in faults {
            let (what, opportunity) = placed(value)?;
            let fault =
                Fault::from_text(&what).ok_or_else(|| format!("{name}: no fault {what:?}"))?;
            only.push(Instance { fault, opportunity });
        }
        job.only_faults = Some(only);
    }
    Ok(Case { name: name.to_owned(), broke: words("broke")?, check: words("check")?, job })
}

/// Every kept run of a folder, by name; an empty list when there is no such folder.
///
/// # Errors
/// A file that cannot be read, by name.
pub fn load(folder: &Path) -> Result<Vec<Case>, String> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut files: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
    files.sort();
    let read = |path: &std::path::PathBuf| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
        parse(&name, &text)
    };
    files.iter().map(read).collect()
}
