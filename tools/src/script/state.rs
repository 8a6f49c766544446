//! The state of a script as bytes: what `save` keeps and what a snapshot of `--state` holds.
//!
//! The kernel as the engine saves it, behind what only a script has: its settings, the names it gave to
//! round trips, its last orders, its time.

use std::sync::Arc;

use pinion_core::engine::save::saved_table;
use pinion_core::kernel::Kernel;
use pinion_core::settings::{KEYS, Settings, Value};
use pinion_core::units::Nanos;
use serde::{Deserialize, Serialize};

use crate::script::names::{LastOrders, Trades};
use crate::script::session::Session;

/// What a script has beside the kernel.
#[derive(Serialize, Deserialize)]
struct Around {
    settings: Vec<(String, String)>,
    trades: Trades,
    last: LastOrders,
    now_ns: i64,
    epoch: u32,
    is_started: bool,
}

/// The settings that are not the default, in canonical text.
pub(super) fn texts(settings: &Settings) -> Vec<(String, String)> {
    let default = Settings::default();
    KEYS.iter()
        .map(|key| (key, (key.get)(settings).to_text()))
        .filter(|(key, text)| *text != (key.get)(&default).to_text())
        .map(|(key, text)| (key.name.to_owned(), text))
        .collect()
}

fn settings_of(texts: &[(String, String)]) -> Option<Settings> {
    let mut settings = Settings::default();
    for (name, text) in texts {
        let key = Settings::key(name)?;
        let value = Value::parse(key.domain, text).ok()?;
        (key.set)(&mut settings, &value).then_some(())?;
    }
    Some(settings)
}

/// A part behind its length, and the rest.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let (length, rest) = bytes.split_first_chunk().ok_or("a state without its length")?;
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    rest.split_at_checked(length).ok_or_else(|| String::from("a state that is cut"))
}

impl Session {
    /// All that the next line depends on.
    pub(super) fn save(&self) -> Vec<u8> {
        let around = Around {
            settings: texts(&self.settings),
            trades: self.trades.clone(),
            last: self.last.clone(),
            now_ns: self.now.get(),
            epoch: self.epoch,
            is_started: self.is_started,
        };
        // Texts and numbers: nothing that could fail to be written.
        let around = serde_json::to_vec(&around).unwrap_or_default();
        let mut kernel = Vec::new();
        self.kernel.save(&mut kernel);
        let length = u32::try_from(around.len()).unwrap_or(0).to_le_bytes();
        [&length[..], &around, &kernel].concat()
    }

    /// The same with what the script's own `save` kept: the state of a snapshot.
    pub(super) fn snapshot(&self) -> Vec<u8> {
        let own = self.save();
        let length = u32::try_from(own.len()).unwrap_or(0).to_le_bytes();
        let kept = self.saved.as_deref().unwrap_or_default();
        [&length[..], &own, kept].concat()
    }

    /// The session of a snapshot.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub(super) fn of_snapshot(bytes: &[u8]) -> Result<Self, String> {
        let (own, kept) = split(bytes)?;
        let mut session = Self::new();
        session.restore(own)?;
        session.saved = (!kept.is_empty()).then(|| kept.to_vec());
        Ok(session)
    }

    /// Back to what was saved; the time of the script goes on, where it is later.
    ///
    /// # Errors
    /// What is wrong with the bytes; nothing changed.
    pub(super) fn restore(&mut self, bytes: &[u8]) -> Result<(), String> {
        let (around, kernel) = split(bytes)?;
        let around: Around = serde_json::from_slice(around)
            .map_err(|error| format!("the script's names: {error}"))?;
        let settings = settings_of(&around.settings).ok_or("settings of another version")?;
        let table = saved_table(kernel).map_err(|damage| damage.to_string())?;
        let instruments = table.iter().map(|(_, row)| *row).collect();
        let kernel = Kernel::restore(kernel, &settings, Arc::new(table))
            .map_err(|damage| damage.to_string())?;
        self.kernel = kernel;
        self.instruments = instruments;
        self.settings = settings;
        self.trades = around.trades;
        self.last = around.last;
        self.now = self.now.max(Nanos::new(around.now_ns));
        // A restart since then stays one: its epoch is never given back.
        self.epoch = self.epoch.max(around.epoch);
        self.kernel.resume_as(self.epoch);
        self.is_started = around.is_started;
        Ok(())
    }
}
