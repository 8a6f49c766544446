//! The checks of `pinion doctor`, a table per group.

mod cpu;
mod disk;
mod interrupts;
mod kernel;
mod memory;
mod network;
mod time;

#[cfg(test)]
mod rows;
#[cfg(test)]
mod tests;

use crate::affinity::CoreSet;
use crate::host::{Check, Facts, Finding, Grade, Profile, Reading};

pub(in crate::host) use interrupts::grown as grown_interrupts;

/// Every check, in the order in which they are told.
pub fn all() -> impl Iterator<Item = &'static Check> {
    [
        disk::BUILD,
        time::CHECKS,
        cpu::CHECKS,
        interrupts::CHECKS,
        memory::CHECKS,
        kernel::CHECKS,
        network::CHECKS,
        disk::CHECKS,
    ]
    .into_iter()
    .flatten()
}

/// Judges the machine by every check.
#[must_use]
pub fn judge(facts: &Facts, profile: Profile) -> Vec<Finding> {
    all()
        .map(|check| {
            Finding::judge(check.id, check.why, check.weight, profile, (check.read)(facts))
        })
        .collect()
}

/// What one check reads; `None` for an unknown id.
pub(in crate::host) fn grade_of(id: &str, facts: &Facts) -> Option<Grade> {
    all().find(|check| check.id == id).map(|check| (check.read)(facts).grade)
}

/// The cores of the stage threads, or the reading of a check that means nothing without them.
fn hot_cores(facts: &Facts, expected: &str) -> Result<CoreSet, Reading> {
    match facts.usable {
        _ if !facts.hot.is_empty() => Ok(facts.hot),
        None => Err(Reading::unknown("/proc/self/status", expected)),
        Some(_) => {
            Err(Reading::absent("one core: no stage thread has a core of its own", expected))
        }
    }
}

/// The checks on a list of cores that must hold every core of the stage threads.
fn covers_hot(
    facts: &Facts,
    listed: Option<CoreSet>,
    source: &str,
    expected: &str,
    remedy: &str,
) -> Reading {
    let hot = match hot_cores(facts, expected) {
        Ok(hot) => hot,
        Err(reading) => return reading,
    };
    let Some(listed) = listed else {
        return Reading::unknown(source, expected);
    };
    let missing = hot.minus(&listed);
    let found = if missing.is_empty() {
        format!("cores {listed}")
    } else {
        format!("cores {listed}; missing {missing}")
    };
    Reading::short_unless(
        missing.is_empty(),
        found,
        expected,
        &remedy.replace("{hot}", &hot.to_string()),
    )
}

/// The text, or another one where it is empty.
fn text_or<'t>(text: &'t str, instead: &'t str) -> &'t str {
    if text.is_empty() { instead } else { text }
}
