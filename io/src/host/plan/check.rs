//! How far a machine follows a plan.

use std::fs;
use std::path::Path;

use crate::host::plan::texts::words;
use crate::host::plan::{PLAN, Plan, SCHEMA};
use crate::host::{Facts, Finding, Profile, Reading, Weight};

/// Reads the plan in a folder.
///
/// # Errors
/// A text for people: no plan, or not one of this version.
pub fn load(folder: &Path) -> Result<Plan, String> {
    let path = folder.join(PLAN);
    let shown = path.display();
    let mend = "expected a folder that `pinion host plan --out DIR` wrote";
    let text = fs::read_to_string(&path).map_err(|error| format!("{shown}: {error}; {mend}"))?;
    let plan: Plan =
        serde_json::from_str(&text).map_err(|error| format!("{shown}: {error}; {mend}"))?;
    if plan.schema != SCHEMA {
        return Err(format!("{shown}: schema {}; expected {SCHEMA}: draw it again", plan.schema));
    }
    Ok(plan)
}

/// A finding for each kernel argument, value and file: ok, fail, or unknown where it cannot be read.
#[must_use]
pub fn check(plan: &Plan, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |id: String, reading: Reading| {
        let why = "the plan says so";
        findings.push(Finding::judge(&id, why, Weight::Vital, Profile::Colo, reading));
    };
    for argument in &plan.arguments {
        let (name, wanted) = argument.split_once('=').unwrap_or((argument, ""));
        let remedy = "update-grub, then restart the machine";
        let reading = match (facts.files.exists("proc/cmdline"), facts.argument(name)) {
            (false, _) => Reading::unknown("/proc/cmdline", wanted),
            (true, Some(value)) => held(value, wanted, remedy),
            (true, None) => Reading::bad("not given", wanted, remedy),
        };
        add(format!("argument.{name}"), reading);
    }
    for setting in &plan.settings {
        let (kind, text, remedy) = if setting.name.starts_with('/') {
            let remedy = format!("echo {} > {}", setting.wanted, setting.name);
            ("value", facts.files.text(&setting.name), remedy)
        } else {
            let remedy = format!("sysctl -w {}='{}'", setting.name, setting.wanted);
            ("sysctl", facts.files.sysctl(&setting.name), remedy)
        };
        let reading = match text {
            None => Reading::unknown(&setting.name, &setting.wanted),
            Some(text) => {
                let chosen = text.split(['[', ']']).nth(1).unwrap_or(&text);
                held(words(chosen), &setting.wanted, &remedy)
            }
        };
        add(format!("{kind}.{}", setting.name), reading);
    }
    for file in &plan.files {
        let expected = "as in the plan";
        let remedy = format!("cp files{} {}, then {}", file.target, file.target, file.apply);
        let reading = match facts.files.bytes(&file.target) {
            Some(bytes) if bytes == file.text.as_bytes() => Reading::good(expected, expected),
            Some(_) => Reading::bad("another content", expected, &remedy),
            None => Reading::bad("not installed", expected, &remedy),
        };
        add(format!("file.{}", file.target), reading);
    }
    findings
}

fn held(found: String, wanted: &str, remedy: &str) -> Reading {
    // Masks are told in full groups: 0000000f is f.
    let same = found == wanted
        || found.trim_start_matches(['0', ',']) == wanted.trim_start_matches(['0', ','])
            && !wanted.trim_start_matches(['0', ',']).is_empty();
    if same { Reading::good(found, wanted) } else { Reading::bad(found, wanted, remedy) }
}
