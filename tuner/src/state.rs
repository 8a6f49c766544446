//! What the tuner remembers between ticks, and its file: written whole to another name and renamed.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use serde_json::{Value, json};

use crate::policy::{Phase, Target};
use crate::rules::Lock;
use crate::stage::hash::Overrides;
use crate::stage::judge::{Rest, Trial};

/// Version of the file; another version is not read.
pub const VERSION: u64 = 1;

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Phase of the last tick.
    pub last_phase: Phase,
    /// Bad ticks in a row.
    pub degrade_streak: u64,
    /// The adaptive target.
    pub target: Target,
    /// Why the target was last moved.
    pub target_reason: String,
    /// The last stable snapshot; empty before the first.
    pub stable_overrides: Overrides,
    /// The churn lock.
    pub lock: Lock,
    /// Healthy ticks in a row.
    pub healthy_ticks: u64,
    /// Changes under judgement.
    pub trials: Vec<Trial>,
    /// Rules at rest.
    pub rests: Vec<Rest>,
    /// Hash of the last overrides that were published.
    pub last_effective_hash: String,
    /// When.
    pub last_effective_at_s: i64,
    /// Time of the last tick; a tick at the same time would judge the same window twice.
    pub last_tick_s: i64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            last_phase: Phase::Expand,
            degrade_streak: 0,
            target: Target::default(),
            target_reason: String::new(),
            stable_overrides: Overrides::new(),
            lock: Lock::default(),
            healthy_ticks: 0,
            trials: Vec::new(),
            rests: Vec::new(),
            last_effective_hash: String::new(),
            last_effective_at_s: 0,
            last_tick_s: 0,
        }
    }
}

impl State {
    /// As a JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "version": VERSION,
            "last_phase": self.last_phase.as_str(),
            "degrade_streak": self.degrade_streak,
            "effective_target_trades_per_hour": self.target.stored,
            "effective_target_stable_ticks": self.target.stable_ticks,
            "effective_target_fail_ticks": self.target.fail_ticks,
            "effective_target_last_reason": self.target_reason,
            "stable_overrides": self.stable_overrides,
            "stable_hash": crate::stage::hash::hash(&self.stable_overrides),
            "churn_lock_symbol": self.lock.symbol,
            "churn_lock_until_s": self.lock.until_s,
            "churn_lock_last_reason": self.lock.last_reason,
            "healthy_ticks": self.healthy_ticks,
            "trials": self.trials,
            "resting_rules": self.rests,
            "last_effective_hash": self.last_effective_hash,
            "last_effective_at_s": self.last_effective_at_s,
            "last_tick_s": self.last_tick_s,
        })
    }

    /// From a JSON object; what is absent is as at the start.
    ///
    /// # Errors
    /// The member that is misshapen, with what was expected.
    pub fn from_json(json: &Value) -> Result<Self, String> {
        let default = Self::default();
        let member = |name: &str| json.get(name).filter(|value| !value.is_null());
        let count = |name: &str| match member(name) {
            None => Ok(0),
            Some(value) => {
                value.as_u64().ok_or_else(|| format!("state.{name} = {value}: expected a count"))
            }
        };
        let text = |name: &str| match member(name) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(value) => Err(format!("state.{name} = {value}: expected a text")),
        };
        let seconds = |name: &str| match member(name) {
            None => Ok(0),
            Some(value) => whole_seconds(value)
                .ok_or_else(|| format!("state.{name} = {value}: expected seconds")),
        };
        let last_phase = match text("last_phase")?.as_str() {
            "" => default.last_phase,
            name => Phase::from_text(name).ok_or_else(|| {
                format!("state.last_phase = {name}: expected one of {}", Phase::TEXTS.join(", "))
            })?,
        };
        let stored = member("effective_target_trades_per_hour");
        let stored = stored
            .map(|value| {
                value.as_f64().filter(|tph| tph.is_finite()).ok_or_else(|| {
                    format!("state.effective_target_trades_per_hour = {value}: expected a number")
                })
            })
            .transpose()?;
        let symbol = text("churn_lock_symbol")?;
        Ok(Self {
            last_phase,
            degrade_streak: count("degrade_streak")?,
            target: Target {
                stored,
                stable_ticks: count("effective_target_stable_ticks")?,
                fail_ticks: count("effective_target_fail_ticks")?,
            },
            target_reason: text("effective_target_last_reason")?,
            stable_overrides: overrides(member("stable_overrides"))?,
            lock: Lock {
                symbol: Some(symbol).filter(|symbol| !symbol.is_empty()),
                until_s: seconds("churn_lock_until_s")?,
                last_reason: text("churn_lock_last_reason")?,
            },
            healthy_ticks: count("healthy_ticks")?,
            trials: list(member("trials"), "trials")?,
            rests: list(member("resting_rules"), "resting_rules")?,
            last_effective_hash: text("last_effective_hash")?,
            last_effective_at_s: seconds("last_effective_at_s")?,
            last_tick_s: seconds("last_tick_s")?,
        })
    }

    /// Reads the file; the state at the start where there is none.
    ///
    /// # Errors
    /// The file cannot be read, is damaged, or is of another version: said with the file's name.
    pub fn load(path: &Path) -> Result<Self, String> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        let json: Value = serde_json::from_str(&text)
            .map_err(|error| format!("{}: {error}; remove it to start anew", path.display()))?;
        match json.get("version").and_then(Value::as_u64) {
            Some(VERSION) => {
                Self::from_json(&json).map_err(|what| format!("{}: {what}", path.display()))
            }
            other => Err(format!(
                "{}: version {other:?}; expected {VERSION}; remove it to start anew",
                path.display()
            )),
        }
    }

    /// Writes the file: whole, or as it was before.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let temporary = path.with_extension("json.tmp");
        let mut file = fs::File::create(&temporary)?;
        writeln!(file, "{:#}", self.to_json())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    }
}

fn list<T: serde::de::DeserializeOwned>(
    value: Option<&Value>,
    name: &str,
) -> Result<Vec<T>, String> {
    value.map_or_else(
        || Ok(Vec::new()),
        |value| serde_json::from_value(value.clone()).map_err(|e| format!("state.{name}: {e}")),
    )
}

/// Seconds, also where they come with a fraction.
#[expect(clippy::cast_possible_truncation, reason = "`as` saturates; a clock is far from its ends")]
fn whole_seconds(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().filter(|s| s.is_finite()).map(|s| s.floor() as i64))
}

/// Overrides by either name, with values of any plain type.
fn overrides(value: Option<&Value>) -> Result<Overrides, String> {
    let Some(value) = value else { return Ok(Overrides::new()) };
    let Value::Object(map) = value else {
        return Err(format!("state.stable_overrides = {value}: expected an object"));
    };
    let mut out = Overrides::new();
    for (name, value) in map {
        crate::decide::each_key(name, value, &mut |key, text| {
            out.insert(key.name.to_owned(), text.to_owned());
        });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_reads_back_and_another_version_is_refused() {
        let mut state = State { last_phase: Phase::Tighten, degrade_streak: 2, ..State::default() };
        state.target.stored = Some(5.5);
        state.stable_overrides.insert("funnel.top_n".into(), "12".into());
        state.lock.symbol = Some("AUSDT".into());
        state.lock.until_s = 77;
        assert_eq!(State::from_json(&state.to_json()), Ok(state.clone()));
        let dir = std::env::temp_dir().join(format!("pinion-tuner-state-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a folder");
        let path = dir.join("runtime_tuner_state.json");
        assert_eq!(State::load(&path), Ok(State::default()));
        state.save(&path).expect("writable");
        assert_eq!(State::load(&path), Ok(state));
        fs::write(&path, "{\"version\":2}").expect("writable");
        assert!(State::load(&path).expect_err("other").contains("expected 1"));
        fs::write(&path, "{\"vers").expect("writable");
        assert!(State::load(&path).is_err());
        fs::remove_dir_all(&dir).expect("removable");
    }

    #[test]
    fn misshapen_members_are_named() {
        for (json, part) in [
            (json!({"last_phase": "up"}), "expand, hold, tighten"),
            (json!({"degrade_streak": -1}), "state.degrade_streak = -1"),
            (json!({"stable_overrides": []}), "expected an object"),
            (json!({"effective_target_trades_per_hour": "4"}), "expected a number"),
        ] {
            assert!(State::from_json(&json).expect_err(part).contains(part));
        }
    }
}
