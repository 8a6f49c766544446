//! Rendering a run: records in, lines out, totals and state folded on the way.
//!
//! The journal thread and a replay use the same renderer, so a difference between their bytes is a difference
//! between their records. `output_hash` covers every line of the three line files except `run_start`,
//! `run_continued` and `run_end` (they name the run and the wall clock): SHA-256 of each file's lines, then
//! SHA-256 of the three digests in the order session, candidates, trade decisions; its first 16 hex digits.

use std::collections::BTreeMap;

use pinion_core::msg::{Record, RecordMsg};
use pinion_core::units::Nanos;
use sha2::{Digest as _, Sha256};

use crate::journal::header::{RunHeader, SettingsVersion};
use crate::journal::json::Object;
use crate::journal::lines::{Context, Place, fields, place};
use crate::journal::run_dir::{CANDIDATES, SESSION, TRADE_DECISIONS};
use crate::journal::summary::{RunEnd, Summary, Totals};
use crate::utc::TimeText;

/// The three files of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFileId {
    /// `session.jsonl`.
    Session,
    /// `candidates.jsonl`.
    Candidates,
    /// `trade_decisions.jsonl`.
    TradeDecisions,
}

impl LineFileId {
    /// All of them; the position is [`Self::index`].
    pub const ALL: [Self; 3] = [Self::Session, Self::Candidates, Self::TradeDecisions];

    /// File name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Session => SESSION,
            Self::Candidates => CANDIDATES,
            Self::TradeDecisions => TRADE_DECISIONS,
        }
    }

    /// Position in [`Self::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Turns records into lines. Owner: the journal thread, or a replay.
#[derive(Debug)]
pub struct Renderer {
    header: RunHeader,
    object: Object,
    time: TimeText,
    seq: u64,
    totals: Totals,
    hashes: [Sha256; 3],
    /// Announced versions that still wait for their record.
    versions: BTreeMap<u32, SettingsVersion>,
    max_hold_seconds: Option<f64>,
}

impl Renderer {
    /// Before the first line.
    #[must_use]
    pub fn new(header: RunHeader) -> Self {
        Self {
            object: Object::default(),
            time: TimeText::default(),
            seq: 0,
            totals: Totals::new(header.starting_capital),
            hashes: [Sha256::new(), Sha256::new(), Sha256::new()],
            versions: BTreeMap::new(),
            max_hold_seconds: max_hold_seconds(&header.settings),
            header,
        }
    }

    /// What the run started with.
    #[must_use]
    pub const fn header(&self) -> &RunHeader {
        &self.header
    }

    /// Keeps the content of a settings version until its record comes.
    pub fn announce(&mut self, version: SettingsVersion) {
        self.versions.insert(version.version, version);
    }

    /// The first line of the session log.
    pub fn run_start(&mut self) -> &[u8] {
        self.head("run_start", self.header.started_ns);
        let (object, header) = (&mut self.object, &self.header);
        object.text("run_id", &header.run_id);
        object.text("run_tag", &header.run_tag);
        object.text("mode", header.mode.as_str());
        object.text("config_hash", &header.config_hash);
        object.integer("config_version", header.config_version);
        object.integer("seed", header.seed);
        object.text("layout", header.layout.as_str());
        object.integer("epoch", header.epoch);
        object.decimal("starting_capital", header.starting_capital);
        object.texts("instruments", header.instruments.iter().map(|(_, row)| row.symbol.as_str()));
        object.texts("data", header.data.iter().map(String::as_str));
        object.end_line()
    }

    /// The run goes on under another header in the same directory: its line in the session log. Numbers,
    /// figures and hashes go on.
    pub fn run_continued(&mut self, header: RunHeader) -> &[u8] {
        self.max_hold_seconds = max_hold_seconds(&header.settings);
        self.header = header;
        self.head("run_continued", self.header.started_ns);
        let (object, header) = (&mut self.object, &self.header);
        object.text("run_id", &header.run_id);
        object.text("config_hash", &header.config_hash);
        object.integer("config_version", header.config_version);
        object.integer("epoch", header.epoch);
        object.texts("instruments", header.instruments.iter().map(|(_, row)| row.symbol.as_str()));
        object.texts("data", header.data.iter().map(String::as_str));
        object.end_line()
    }

    /// The line of a record and the file it belongs to.
    pub fn record(&mut self, message: &RecordMsg) -> (LineFileId, &[u8]) {
        self.totals.add(message);
        let settings = match message.record {
            Record::Settings { version } => self.versions.remove(&version),
            _ => None,
        };
        if let Some(content) = &settings {
            self.max_hold_seconds = max_hold_seconds(&content.settings);
        }
        let file = match place(&message.record) {
            Place::Session(kind) => {
                self.head(kind, message.ts_ns);
                LineFileId::Session
            }
            Place::Candidates => {
                self.funnel_head("pinion.candidate_decision.v1", message.ts_ns);
                LineFileId::Candidates
            }
            Place::TradeDecisions => {
                self.funnel_head("pinion.trade_decision.v1", message.ts_ns);
                LineFileId::TradeDecisions
            }
        };
        let context = Context {
            instruments: &self.header.instruments,
            settings: settings.as_ref(),
            max_hold_seconds: self.max_hold_seconds,
        };
        fields(&mut self.object, &context, &message.record);
        let line = self.object.end_line();
        self.hashes[file.index()].update(line);
        (file, line)
    }

    /// The figures of the run so far.
    #[must_use]
    pub fn summary(&self, end: RunEnd, journal_inputs: u64) -> Summary {
        let mut whole = Sha256::new();
        for hash in &self.hashes {
            whole.update(hash.clone().finalize());
        }
        let first =
            whole.finalize().iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let hash = format!("{first:016x}");
        Summary::new(&self.header, &self.totals, end, journal_inputs, self.seq, hash)
    }

    /// The last line of the session log; what the wall clock says stands last, under `wall`.
    pub fn run_end(&mut self, summary: &Summary) -> &[u8] {
        self.head("run_end", summary.end.ts_ns);
        self.object.text("reason", &summary.end.reason);
        summary.fill(&mut self.object);
        self.object.object("wall", |wall| summary.fill_wall(wall));
        self.object.end_line()
    }

    fn head(&mut self, kind: &str, ts_ns: Nanos) {
        self.seq += 1;
        self.object.begin();
        self.object.integer("seq", self.seq);
        self.object.text("ts", self.time.of(ts_ns));
        self.object.integer("ts_ns", ts_ns.get());
        self.object.text("kind", kind);
    }

    fn funnel_head(&mut self, schema: &str, ts_ns: Nanos) {
        self.object.begin();
        self.object.text("schema_version", schema);
        let time = self.time.of(ts_ns);
        self.object.text("ts", time);
        self.object.text("timestamp", time);
        self.object.integer("ts_ns", ts_ns.get());
        self.object.text("run_tag", &self.header.run_tag);
    }
}

/// Scans a position is held, times the time between scans; `None` when the settings do not say.
fn max_hold_seconds(settings: &[(String, String)]) -> Option<f64> {
    let number = |name: &str| {
        settings.iter().find(|(key, _)| key == name).and_then(|(_, text)| text.parse::<f64>().ok())
    };
    Some(number("exit.max_hold_scans")? * number("signal.scan_ns")? / 1e9)
}

#[cfg(test)]
mod tests;
