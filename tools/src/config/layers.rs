//! Stacks layers of named values onto the defaults and keeps every problem.
//!
//! A higher layer replaces a lower one key by key. A value that is wrong is a problem even when a
//! higher layer replaces it: the file stays wrong, and the next run would trip over it.

use std::collections::{BTreeMap, BTreeSet};

use pinion_core::id::TextId;
use pinion_core::settings::check::{check, outside};
use pinion_core::settings::{Domain, KEYS, Key, Settings, Value};

use crate::config::instrument::{self, FIELDS, Field, Rows, SECTION};
use crate::config::nearest::nearest;
use crate::config::problem::{Place, Problem, Problems};
use crate::config::secret::redacted;
use crate::config::{Loaded, foreign, hash};

/// Prefix of the environment variables that are settings.
pub const ENV_PREFIX: &str = "PINION__";

/// Why a given value is not one of its domain.
pub(super) struct Mismatch {
    pub(super) expected: String,
    pub(super) hint: Option<String>,
}

impl From<String> for Mismatch {
    fn from(expected: String) -> Self {
        Self { expected, hint: None }
    }
}

/// A value as given, not yet typed: the domain of the key decides how it is read.
pub(super) struct Given<'v> {
    /// The text as it stands in the source, for messages.
    pub(super) found: &'v str,
    pub(super) read: &'v dyn Fn(Domain) -> Result<Value, Mismatch>,
}

enum Target {
    Key(usize, &'static Key),
    Override(TextId, &'static Field),
}

/// Settings under construction.
pub(super) struct Stack {
    settings: Settings,
    places: Vec<Place>,
    instruments: Rows,
    /// Canonical names given in the layer at hand, and where.
    given: BTreeMap<String, Place>,
    /// Keys with a wrong value: relations with them are not judged.
    failed: BTreeSet<&'static str>,
    problems: Vec<Problem>,
    notices: Vec<String>,
}

impl Stack {
    /// The defaults.
    pub(super) fn new() -> Self {
        Self {
            settings: Settings::default(),
            places: vec![Place::Default; KEYS.len()],
            instruments: Rows::default(),
            given: BTreeMap::new(),
            failed: BTreeSet::new(),
            problems: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// The next layer begins: it may give again what a lower one gave.
    pub(super) fn next_layer(&mut self) {
        self.given.clear();
    }

    /// Adds a problem found by the reader of a source.
    pub(super) fn refuse(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Reports the problems added since `start` in the order of their places.
    pub(super) fn sort_problems(&mut self, start: usize) {
        self.problems[start..].sort_by_key(|problem| match &problem.place {
            Place::File { line, column, .. } => (*line, *column),
            Place::Env { .. } | Place::Set | Place::Default => (0, 0),
        });
    }

    pub(super) fn problem_count(&self) -> usize {
        self.problems.len()
    }

    /// Gives a key or an override's field its value.
    ///
    /// `name_place` is where the name stands, `value_place` where the value does.
    pub(super) fn put(
        &mut self,
        name: &str,
        given: &Given<'_>,
        name_place: Place,
        value_place: Place,
    ) {
        if let Some(why) = foreign::why(name) {
            let notice = format!("{name_place}: {name} has no meaning for perpetuals: {why}");
            self.notices.push(notice);
            return;
        }
        let Some(target) = resolve(name) else {
            self.refuse(unknown(name, name_place));
            return;
        };
        let canonical = match &target {
            Target::Key(_, key) => key.name.to_owned(),
            Target::Override(symbol, field) => format!("{SECTION}.{symbol}.{}", field.name),
        };
        if let Some(first) = self.given.get(&canonical) {
            self.refuse(Problem {
                key: canonical,
                found: String::from("given twice"),
                expected: format!("it once (first at {first})"),
                hint: None,
                place: name_place,
            });
            return;
        }
        self.given.insert(canonical, name_place);
        let domain = match target {
            Target::Key(_, key) => key.domain,
            Target::Override(_, field) => field.domain,
        };
        let checked = (given.read)(domain).and_then(|value| match outside(domain, &value) {
            None => Ok(value),
            Some(expected) => Err(expected.into()),
        });
        match (checked, target) {
            (Ok(value), Target::Key(index, key)) => {
                let typed = (key.set)(&mut self.settings, &value);
                debug_assert!(typed, "a value inside its domain has the field's type");
                self.places[index] = value_place;
            }
            (Ok(value), Target::Override(symbol, field)) => {
                self.instruments.put(symbol, field, &value);
            }
            (Err(mismatch), target) => {
                if let Target::Key(_, key) = target {
                    self.failed.insert(key.name);
                }
                self.refuse(Problem {
                    place: value_place,
                    key: name.to_owned(),
                    found: shown(redacted(name, given.found)),
                    expected: mismatch.expected,
                    hint: mismatch.hint,
                });
            }
        }
    }

    /// Puts a value given as text: by `--set` or in the environment.
    pub(super) fn put_text(&mut self, name: &str, text: &str, place: &Place) {
        let read = |domain| Value::parse(domain, text).map_err(Mismatch::from);
        let given = Given { found: text, read: &read };
        self.put(name, &given, place.clone(), place.clone());
    }

    /// Judges the relations between keys and hands the result over, or every problem.
    pub(super) fn finish(mut self) -> Result<Loaded, Problems> {
        let place_of = |name: &str| {
            let index = Settings::place(name)?;
            Some(self.places[index].clone()).filter(|place| *place != Place::Default)
        };
        for issue in check(&self.settings) {
            let keys = [Some(issue.key), issue.other];
            if keys.iter().flatten().any(|key| self.failed.contains(key)) {
                continue;
            }
            // Defaults fit together, so that one of the two was given.
            let place = keys.into_iter().flatten().find_map(place_of);
            self.problems.push(Problem {
                place: place.unwrap_or(Place::Default),
                key: issue.key.to_owned(),
                found: issue.found,
                expected: issue.expected,
                hint: None,
            });
        }
        if !self.problems.is_empty() {
            return Err(Problems(self.problems));
        }
        let instruments = self.instruments.into_sorted();
        Ok(Loaded {
            config_hash: hash::config_hash(&self.settings, &instruments),
            origins: self.places,
            notices: self.notices,
            settings: self.settings,
            instruments,
        })
    }
}

fn resolve(name: &str) -> Option<Target> {
    if let Some(index) = Settings::place(name) {
        return Some(Target::Key(index, &KEYS[index]));
    }
    instrument::resolve(name).map(|(symbol, field)| Target::Override(symbol, field))
}

/// The problem of a name that is no setting, with the nearest one that is.
pub(super) fn unknown(name: &str, place: Place) -> Problem {
    let hint = match name.strip_prefix(SECTION).and_then(|rest| rest.strip_prefix('.')) {
        Some(_) => {
            let fields = FIELDS.map(|field| field.name).join(", ");
            format!("write [{SECTION}.SYMBOL] with any of {fields}")
        }
        None => nearest(name, KEYS.iter().map(|key| key.name)).map_or_else(
            || String::from("`pinion config keys` lists them all"),
            |near| match &place {
                Place::Env { .. } => format!("did you mean `{}`?", env_name(near)),
                Place::File { .. } | Place::Set | Place::Default => {
                    format!("did you mean `{near}`?")
                }
            },
        ),
    };
    Problem {
        place,
        key: name.to_owned(),
        found: String::from("unknown"),
        expected: String::from("a known key"),
        hint: Some(hint),
    }
}

/// `signal.scan_ns` → `PINION__SIGNAL__SCAN_NS`.
#[must_use]
pub fn env_name(key: &str) -> String {
    format!("{ENV_PREFIX}{}", key.replace('.', "__").to_uppercase())
}

/// `PINION__SIGNAL__SCAN_NS` → `signal.scan_ns`; `None` for a variable that is no setting.
pub(super) fn key_of_env(variable: &str) -> Option<String> {
    variable.strip_prefix(ENV_PREFIX).map(|rest| rest.replace("__", ".").to_lowercase())
}

/// A given text as a message shows it: one line, not too long, visible when empty.
fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() {
        return String::from("empty");
    }
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_names_go_there_and_back() {
        for key in KEYS {
            assert_eq!(key_of_env(&env_name(key.name)).as_deref(), Some(key.name));
        }
        assert_eq!(env_name("signal.scan_ns"), "PINION__SIGNAL__SCAN_NS");
        assert_eq!(key_of_env("PINION_LOG"), None);
    }

    #[test]
    fn shown_text_is_one_short_line() {
        assert_eq!(shown(" a\n\tb "), "a b");
        assert_eq!(shown(""), "empty");
        assert_eq!(shown(&"ä".repeat(100)), format!("{}…", "ä".repeat(60)));
    }
}
