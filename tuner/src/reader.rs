//! The windows of a run from its files: the sidecar's way. Only what was added since the last look is read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use pinion_core::msg::funnel::FunnelRefusal;
use pinion_core::msg::record::{
    BlockReason, DecisionReason, FunnelDecision, FunnelReason, FunnelStage,
};
use pinion_core::msg::scan::RankVerdict;
use pinion_core::units::{Money, Nanos};
use serde_json::Value;

use crate::window::{Event, Windows};

/// The files of a run, in the order in which they are read.
const FILES: [&str; 3] = ["session.jsonl", "candidates.jsonl", "trade_decisions.jsonl"];

/// Feeds windows from a run directory.
#[derive(Debug)]
pub struct Reader {
    files: Vec<(PathBuf, u64)>,
    names: BTreeMap<String, usize>,
    symbols: Vec<String>,
    /// Lines that could not be read.
    unreadable: u64,
    run_id: Option<String>,
}

impl Reader {
    /// For the files of a run directory, from their beginning.
    #[must_use]
    pub fn new(run_dir: &Path) -> Self {
        Self {
            files: FILES.iter().map(|name| (run_dir.join(name), 0)).collect(),
            names: BTreeMap::new(),
            symbols: Vec::new(),
            unreadable: 0,
            run_id: None,
        }
    }

    /// Reads what was added; a torn last line waits for its rest. Returns the lines taken.
    ///
    /// # Errors
    /// A file cannot be read. One that does not exist yet is empty.
    pub fn feed(&mut self, windows: &mut Windows) -> io::Result<u64> {
        let mut taken = 0;
        for place in 0..self.files.len() {
            let (path, offset) = self.files[place].clone();
            let mut file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    return Err(io::Error::new(
                        error.kind(),
                        format!("{}: {error}", path.display()),
                    ));
                }
            };
            file.seek(SeekFrom::Start(offset))?;
            let mut lines = BufReader::new(file);
            let (mut line, mut at) = (Vec::new(), offset);
            loop {
                line.clear();
                let read = lines.read_until(b'\n', &mut line)?;
                if read == 0 || line.last() != Some(&b'\n') {
                    break;
                }
                at += u64::try_from(read).unwrap_or(0);
                taken += 1;
                match serde_json::from_slice::<Value>(&line).ok().and_then(|row| self.event(&row)) {
                    Some((ts, event)) => windows.take(ts, &event),
                    None => self.unreadable += 1,
                }
            }
            self.files[place].1 = at;
        }
        Ok(taken)
    }

    /// The symbol of an asset's number.
    #[must_use]
    pub fn symbol(&self, asset: usize) -> String {
        self.symbols.get(asset).cloned().unwrap_or_default()
    }

    /// Lines that could not be read so far.
    #[must_use]
    pub const fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// The run's name, once its first line was read.
    #[must_use]
    pub fn run_id(&self) -> Option<&str> {
        self.run_id.as_deref()
    }

    /// The event of a line, with its time; `None` for what is not a line of a run.
    fn event(&mut self, row: &Value) -> Option<(Nanos, Event)> {
        let ts = Nanos::new(row.get("ts_ns")?.as_i64()?);
        let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or("");
        if let Some(stage) = FunnelStage::from_text(text("decision_stage")) {
            let decision = FunnelDecision::from_text(text("decision"))?;
            let instrument = self.asset(text("symbol"));
            let reason = reason(text("reason"), text("block"))?;
            let event = match stage {
                FunnelStage::FilterFail | FunnelStage::PostFilters | FunnelStage::QualityGate => {
                    Event::Candidate { instrument, stage, decision, reason }
                }
                FunnelStage::PlanTrade
                | FunnelStage::TradeOpen
                | FunnelStage::TradePartial
                | FunnelStage::TradeClose => Event::Trade {
                    instrument,
                    stage,
                    decision,
                    reason,
                    pnl: Money::parse(text("pnl_usd").as_bytes()).ok(),
                    percent: row.get("pnl_percent").and_then(Value::as_f64),
                },
            };
            return Some((ts, event));
        }
        let number = |name: &str| row.get(name).and_then(Value::as_u64);
        let event = match text("kind") {
            "" => return None,
            "run_start" => {
                self.run_id = Some(text("run_id").to_owned());
                Event::Other
            }
            "order" if text("status") == "rejected" => {
                Event::Rejected { is_exit: row.get("reduce_only").and_then(Value::as_bool)? }
            }
            "summary" => Event::Summary {
                closed: number("total_closed")?,
                wins: number("total_wins")?,
                losses: number("total_losses")?,
                realized: Money::parse(text("realized_total").as_bytes()).ok()?,
                open: number("open")?,
            },
            "account" => Event::Open { positions: number("open_positions")? },
            "settings" => Event::Settings { version: u32::try_from(number("version")?).ok()? },
            _ => Event::Other,
        };
        Some((ts, event))
    }

    fn asset(&mut self, symbol: &str) -> usize {
        if let Some(known) = self.names.get(symbol) {
            return *known;
        }
        let place = self.symbols.len();
        self.symbols.push(symbol.to_owned());
        self.names.insert(symbol.to_owned(), place);
        place
    }
}

/// The reason of a row: its place in the funnel says whose word it is.
fn reason(text: &str, block: &str) -> Option<FunnelReason> {
    if text.is_empty() {
        return Some(FunnelReason::None);
    }
    let funnel = || FunnelRefusal::from_text(text).map(FunnelReason::Funnel);
    match block {
        "raw" => RankVerdict::from_text(text).map(FunnelReason::Filter),
        "exec" => funnel()
            .or_else(|| BlockReason::from_text(text).map(FunnelReason::Guard))
            .or_else(|| DecisionReason::from_text(text).map(FunnelReason::Policy)),
        _ => funnel(),
    }
}

#[cfg(test)]
mod tests {
    use super::reason as named;
    use super::*;

    #[test]
    fn every_reason_reads_back_by_its_text_and_block() {
        let all = RankVerdict::ALL.iter().map(|v| FunnelReason::Filter(*v));
        let all = all.chain(FunnelRefusal::ALL.iter().map(|r| FunnelReason::Funnel(*r)));
        let all = all.chain(BlockReason::ALL.iter().map(|b| FunnelReason::Guard(*b)));
        let all = all.chain(DecisionReason::ALL.iter().map(|d| FunnelReason::Policy(*d)));
        for reason in all {
            let block = reason.block().map_or("", |block| block.as_str());
            assert_eq!(named(reason.as_str(), block), Some(reason));
        }
        assert_eq!(named("", ""), Some(FunnelReason::None));
    }

    #[test]
    fn a_torn_line_waits_and_garbage_is_counted() {
        let dir = std::env::temp_dir().join(format!("pinion-tuner-reader-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a folder");
        let path = dir.join("session.jsonl");
        let line = r#"{"seq":1,"ts_ns":5,"kind":"account","open_positions":2}"#;
        std::fs::write(&path, format!("{line}\nnot json\n{}", &line[..20])).expect("writable");
        let (mut reader, mut windows) = (Reader::new(&dir), Windows::new());
        assert_eq!(reader.feed(&mut windows).expect("reads"), 2);
        assert_eq!(reader.unreadable(), 1);
        std::fs::write(&path, format!("{line}\nnot json\n{line}\n")).expect("writable");
        assert_eq!(reader.feed(&mut windows).expect("reads"), 1);
        let known = windows.telemetry(Nanos::new(5), 15, &|asset| reader.symbol(asset));
        assert_eq!(known.metrics.open_positions, Some(2));
        std::fs::remove_dir_all(&dir).expect("removable");
    }
}
