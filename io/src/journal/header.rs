//! What a journal says besides inputs: who ran with what, and each settings version before its use.
//!
//! Texts are JSON, read back strictly: a missing or misshapen member is an error with its name.

use std::path::Path;

use pinion_core::id::TextId;
use pinion_core::instrument::{Instrument, InstrumentTable};
use pinion_core::settings::{Layout, Mode, Settings, Value as SettingValue};
use pinion_core::units::{Money, Nanos, Price, Qty};
use serde_json::{Map, Value, json};

use crate::journal::fault::JournalFault;

/// The run of a script's journal.
pub const SCRIPT: &str = "script";

/// What a run started with; the same header starts the same run again.
#[derive(Clone, Debug, PartialEq)]
pub struct RunHeader {
    /// Name of the run, unlike any other.
    pub run_id: String,
    /// Stamp of the funnel rows; the same for equal runs, unlike `run_id`.
    pub run_tag: String,
    /// What the run trades against.
    pub mode: Mode,
    /// How its stages are placed.
    pub layout: Layout,
    /// Seed of everything random.
    pub seed: i64,
    /// Epoch of the client order ids.
    pub epoch: u32,
    /// Time of the `run_start` line: stream time in a replayable run.
    pub started_ns: Nanos,
    /// Version of the settings in force at the start.
    pub config_version: u32,
    /// Their hash.
    pub config_hash: String,
    /// Capital at the start.
    pub starting_capital: Money,
    /// The instruments; ids in the journal are positions in this table.
    pub instruments: InstrumentTable,
    /// Every setting in canonical text, in the order of the key table.
    pub settings: Vec<(String, String)>,
    /// Where the data came from, one text per source.
    pub data: Vec<String>,
}

/// A settings version that comes into force during the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsVersion {
    /// Its number.
    pub version: u32,
    /// Hash of the version before.
    pub hash_before: String,
    /// Its hash.
    pub hash_after: String,
    /// What changed.
    pub changes: Vec<SettingChange>,
    /// Every setting in canonical text, in the order of the key table.
    pub settings: Vec<(String, String)>,
}

/// One changed key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingChange {
    /// Dotted name.
    pub key: String,
    /// Text before.
    pub from: String,
    /// Text after.
    pub to: String,
    /// Why.
    pub reason: String,
    /// Who wrote it.
    pub writer: String,
}

fn pairs(settings: &[(String, String)]) -> Value {
    settings.iter().map(|(key, value)| json!([key, value])).collect()
}

/// A snapshot of settings from canonical texts in `path`.
///
/// # Errors
/// A key or value that this version does not know.
pub fn settings_of(path: &Path, texts: &[(String, String)]) -> Result<Settings, JournalFault> {
    let mut settings = Settings::default();
    for (name, text) in texts {
        let unknown = || {
            let found = format!("setting {name} = {text:?}, unknown to this version");
            JournalFault::new(path, found, "the version of the program that wrote it")
        };
        let key = Settings::key(name).ok_or_else(unknown)?;
        let value = SettingValue::parse(key.domain, text).map_err(|_| unknown())?;
        if !(key.set)(&mut settings, &value) {
            return Err(unknown());
        }
    }
    Ok(settings)
}

impl RunHeader {
    /// The account that the run's orders belong to.
    #[must_use]
    pub fn account(&self) -> String {
        self.mode.as_str().to_owned()
    }

    /// True for the journal of a script: its instruments are lines, those of a run stand in its header.
    #[must_use]
    pub fn is_script(&self) -> bool {
        self.run_id == SCRIPT && self.instruments.is_empty()
    }

    /// As a JSON document.
    #[must_use]
    pub fn to_json(&self) -> String {
        let instruments: Vec<Value> = self
            .instruments
            .iter()
            .map(|(_, row)| {
                json!({
                    "symbol": row.symbol.as_str(),
                    "tick": row.tick.to_string(),
                    "lot": row.lot.to_string(),
                    "min_notional": row.min_notional.to_string(),
                    "tradable": row.tradable,
                    "listed_ns": row.listed_ns.map(Nanos::get),
                })
            })
            .collect();
        json!({
            "run_id": self.run_id,
            "run_tag": self.run_tag,
            "mode": self.mode.as_str(),
            "layout": self.layout.as_str(),
            "seed": self.seed,
            "epoch": self.epoch,
            "started_ns": self.started_ns.get(),
            "config_version": self.config_version,
            "config_hash": self.config_hash,
            "starting_capital": self.starting_capital.to_string(),
            "instruments": instruments,
            "settings": pairs(&self.settings),
            "data": self.data,
        })
        .to_string()
    }

    /// From its JSON document in `path`.
    ///
    /// # Errors
    /// The member that is missing or misshapen.
    pub fn from_json(path: &Path, json: &[u8]) -> Result<Self, JournalFault> {
        let members = Members::parse(path, json)?;
        let rows = members.list("instruments")?.into_iter().map(|row| {
            let row = Members::of(path, &row)?;
            Ok(Instrument {
                symbol: row.parsed("symbol", TextId::new)?,
                tick: row.parsed("tick", |text| text.parse::<Price>().ok())?,
                lot: row.parsed("lot", |text| text.parse::<Qty>().ok())?,
                min_notional: row.parsed("min_notional", |text| text.parse::<Money>().ok())?,
                tradable: row.flag("tradable")?,
                listed_ns: row.maybe_integer("listed_ns")?.map(Nanos::new),
            })
        });
        let rows = rows.collect::<Result<Vec<Instrument>, JournalFault>>()?;
        let instruments = InstrumentTable::in_order(rows)
            .map_err(|fault| JournalFault::new(path, fault.to_string(), "a run's instruments"))?;
        Ok(Self {
            run_id: members.text("run_id")?.to_owned(),
            run_tag: members.text("run_tag")?.to_owned(),
            mode: members.parsed("mode", Mode::from_text)?,
            layout: members.parsed("layout", Layout::from_text)?,
            seed: members.integer("seed")?,
            epoch: members.narrow("epoch")?,
            started_ns: Nanos::new(members.integer("started_ns")?),
            config_version: members.narrow("config_version")?,
            config_hash: members.text("config_hash")?.to_owned(),
            starting_capital: members.parsed("starting_capital", |text| text.parse().ok())?,
            instruments,
            settings: members.pairs("settings")?,
            data: members.texts("data")?,
        })
    }
}

impl SettingsVersion {
    /// As a JSON document.
    #[must_use]
    pub fn to_json(&self) -> String {
        let changes: Vec<Value> = self
            .changes
            .iter()
            .map(|change| {
                json!({
                    "key": change.key,
                    "from": change.from,
                    "to": change.to,
                    "reason": change.reason,
                    "writer": change.writer,
                })
            })
            .collect();
        json!({
            "version": self.version,
            "hash_before": self.hash_before,
            "hash_after": self.hash_after,
            "changes": changes,
            "settings": pairs(&self.settings),
        })
        .to_string()
    }

    /// From its JSON document in `path`.
    ///
    /// # Errors
    /// The member that is missing or misshapen.
    pub fn from_json(path: &Path, json: &[u8]) -> Result<Self, JournalFault> {
        let members = Members::parse(path, json)?;
        let changes = members.list("changes")?.into_iter().map(|change| {
            let change = Members::of(path, &change)?;
            Ok(SettingChange {
                key: change.text("key")?.to_owned(),
                from: change.text("from")?.to_owned(),
                to: change.text("to")?.to_owned(),
                reason: change.text("reason")?.to_owned(),
                writer: change.text("writer")?.to_owned(),
            })
        });
        Ok(Self {
            version: members.narrow("version")?,
            hash_before: members.text("hash_before")?.to_owned(),
            hash_after: members.text("hash_after")?.to_owned(),
            changes: changes.collect::<Result<Vec<SettingChange>, JournalFault>>()?,
            settings: members.pairs("settings")?,
        })
    }
}

/// The members of a JSON object, with errors that name them.
pub(super) struct Members<'a> {
    path: &'a Path,
    map: Map<String, Value>,
}

impl<'a> Members<'a> {
    pub(super) fn parse(path: &'a Path, json: &[u8]) -> Result<Self, JournalFault> {
        match serde_json::from_slice(json) {
            Ok(Value::Object(map)) => Ok(Self { path, map }),
            Ok(_) => Err(JournalFault::new(path, "a frame that is no object", "a JSON object")),
            Err(error) => Err(JournalFault::new(path, error.to_string(), "a JSON object")),
        }
    }

    pub(super) fn of(path: &'a Path, value: &Value) -> Result<Self, JournalFault> {
        let map = value.as_object().cloned();
        let map = map.ok_or_else(|| JournalFault::new(path, "another value", "a JSON object"))?;
        Ok(Self { path, map })
    }

    fn get<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<T, JournalFault> {
        self.map.get(key).and_then(read).ok_or_else(|| {
            let found = self.map.get(key).map_or_else(|| "nothing".to_owned(), Value::to_string);
            let found = format!("{found} as \"{key}\"");
            JournalFault::new(self.path, found, format!("{expected} under \"{key}\""))
        })
    }

    pub(super) fn object(&self, key: &str) -> Result<Self, JournalFault> {
        let map = self.get(key, "an object", |value| value.as_object().cloned())?;
        Ok(Self { path: self.path, map })
    }

    pub(super) fn text(&self, key: &str) -> Result<&str, JournalFault> {
        match self.map.get(key) {
            Some(Value::String(text)) => Ok(text),
            _ => self.get(key, "a text", |_| None),
        }
    }

    pub(super) fn parsed<T>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, JournalFault> {
        self.get(key, "a text of this program", |value| value.as_str().and_then(parse))
    }

    fn flag(&self, key: &str) -> Result<bool, JournalFault> {
        self.get(key, "true or false", Value::as_bool)
    }

    fn integer(&self, key: &str) -> Result<i64, JournalFault> {
        self.get(key, "a whole number", Value::as_i64)
    }

    /// `None` for null, and where an older file lacks it.
    fn maybe_integer(&self, key: &str) -> Result<Option<i64>, JournalFault> {
        match self.map.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(_) => self.integer(key).map(Some),
        }
    }

    pub(super) fn narrow(&self, key: &str) -> Result<u32, JournalFault> {
        self.get(key, "a small whole number", |value| u32::try_from(value.as_u64()?).ok())
    }

    pub(super) fn count(&self, key: &str) -> Result<u64, JournalFault> {
        self.get(key, "a count", Value::as_u64)
    }

    pub(super) fn nanos(&self, key: &str) -> Result<Nanos, JournalFault> {
        self.integer(key).map(Nanos::new)
    }

    fn list(&self, key: &str) -> Result<Vec<Value>, JournalFault> {
        self.get(key, "a list", |value| value.as_array().cloned())
    }

    fn texts(&self, key: &str) -> Result<Vec<String>, JournalFault> {
        let text = |row: &Value| row.as_str().map(str::to_owned);
        self.get(key, "a list of texts", |value| value.as_array()?.iter().map(text).collect())
    }

    fn pairs(&self, key: &str) -> Result<Vec<(String, String)>, JournalFault> {
        let pair = |row: &Value| {
            let [name, value] = row.as_array()?.as_slice() else { return None };
            Some((name.as_str()?.to_owned(), value.as_str()?.to_owned()))
        };
        self.get(key, "pairs of texts", |value| value.as_array()?.iter().map(pair).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::samples;

    #[test]
    fn header_and_settings_survive_their_json() {
        let path = Path::new("inputs.journal");
        let header = samples::header();
        let back = RunHeader::from_json(path, header.to_json().as_bytes());
        assert_eq!(back, Ok(header));
        let version = samples::settings_version();
        let back = SettingsVersion::from_json(path, version.to_json().as_bytes());
        assert_eq!(back, Ok(version));
    }

    #[test]
    fn a_misshapen_member_is_named_with_its_value() {
        let json = samples::header().to_json();
        for (from, to, key) in [
            ("\"mode\":\"paper\"", "\"mode\":\"papier\"", "mode"),
            ("\"tick\":\"0.0001\"", "\"tick\":\"1e-4\"", "tick"),
            ("\"epoch\":1723160911", "\"epoch\":-1", "epoch"),
            ("\"run_tag\":\"sample\",", "", "run_tag"),
        ] {
            let broken = json.replacen(from, to, 1);
            assert_ne!(broken, json, "{from} is not in {json}");
            let fault = RunHeader::from_json(Path::new("x"), broken.as_bytes()).expect_err(key);
            assert!(fault.expected.contains(&format!("\"{key}\"")), "{fault}");
        }
    }
}
