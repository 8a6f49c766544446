//! A run told in words: from a scan to the close, with every number.
//!
//! Everything is read from the run directory, nothing is computed again: what stands there is what was
//! decided. [`Chain`] is what was found, [`tell`] turns it into lines for people.

mod reasons;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use pinion_io::journal::run_dir::{CANDIDATES, INPUTS, SESSION, TRADE_DECISIONS};
use pinion_io::journal::{JournalReader, RunDir};
use serde_json::Value;

use crate::Failure;

pub(crate) use words::tell;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A round trip, by its whole identity or its number alone.
    Trade(String),
    /// A scan, by its number.
    Scan(u32),
}

/// One round trip, or what was a round trip's before it was quoted again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trip {
    /// Identities, first to last: more than one when a missed entry was sent again.
    pub(crate) trades: Vec<String>,
    /// Lines of the session log that name them, in order.
    pub(crate) steps: Vec<Value>,
}

/// What the files say about a scan and what came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chain {
    /// Its number; `None` for a round trip that no scan began.
    pub(crate) scan: Option<u64>,
    /// Its candidates, best first, each in the order in which it went through the funnel.
    pub(crate) candidates: Vec<Value>,
    /// What came of the planned entries at the scan.
    pub(crate) plans: Vec<Value>,
    /// Decisions and blocked entries of the scan, from the session log.
    pub(crate) decisions: Vec<Value>,
    /// Round trips that it began.
    pub(crate) trips: Vec<Trip>,
    /// The settings of the start, by key.
    pub(crate) settings: BTreeMap<String, String>,
}

/// Reads what a run directory says.
///
/// # Errors
/// Exit 2 for a folder that is no run, or a round trip or scan that is not in it; 1 for what cannot be read.
pub(crate) fn read(run_dir: &Path, asked: &Asked) -> Result<Chain, Failure> {
    let failed = |fault: pinion_io::journal::JournalFault| Failure::error(fault.to_string());
    let dir = RunDir::open(run_dir).map_err(|fault| Failure::usage(fault.to_string()))?;
    let reader = JournalReader::open(&dir.file(INPUTS)).map_err(failed)?;
    let mut chain =
        Chain { settings: reader.header().settings.iter().cloned().collect(), ..Chain::default() };
    let decisions = rows(&dir.file(TRADE_DECISIONS), |_| true)?;
    let requotes = rows(&dir.file(SESSION), |line| line.contains("\"base_trade_id\""))?;
    let base: BTreeMap<&str, &str> = requotes
        .iter()
        .filter_map(|row| Some((row["trade_id"].as_str()?, row["base_trade_id"].as_str()?)))
        .collect();
    let base_of =
        |trade: &str| base.get(trade).map_or_else(|| trade.to_owned(), |b| (*b).to_owned());
    let begun = |row: &&Value| row["decision_stage"] == "plan_trade" && row["trade_id"].is_string();
    let mut wanted = BTreeSet::new();
    match asked {
        Asked::Scan(number) => {
            chain.scan = Some(u64::from(*number));
            let of_scan = decisions.iter().filter(begun).filter(|row| row["scan"] == *number);
            wanted.extend(of_scan.filter_map(|row| row["trade_id"].as_str()).map(base_of));
        }
        Asked::Trade(text) => {
            let whole = whole_id(&dir, text)?;
            let first = base_of(&whole);
            let plan = decisions.iter().filter(begun).find(|row| row["trade_id"] == first.as_str());
            chain.scan = plan.and_then(|row| row["scan"].as_u64());
            wanted.insert(first);
        }
    }
    let of_scan = |row: &Value| row["scan"].as_u64().is_some_and(|scan| Some(scan) == chain.scan);
    let scan = chain.scan.map_or_else(String::new, |scan| format!("\"scan\":{scan}"));
    chain.candidates =
        rows(&dir.file(CANDIDATES), |line| chain.scan.is_some() && line.contains(&scan))?;
    chain.candidates.retain(of_scan);
    chain.plans = decisions
        .iter()
        .filter(|row| of_scan(row) && row["decision_stage"] == "plan_trade")
        .cloned()
        .collect();
    let mut trips: Vec<Trip> = wanted
        .iter()
        .map(|first| {
            let again = base.iter().filter(|(_, base)| **base == first.as_str());
            let mut trades = vec![first.clone()];
            trades.extend(again.map(|(trade, _)| (*trade).to_owned()));
            Trip { trades, steps: Vec::new() }
        })
        .collect();
    let names: BTreeSet<String> = trips.iter().flat_map(|trip| trip.trades.clone()).collect();
    let session = rows(&dir.file(SESSION), |line| {
        (chain.scan.is_some() && line.contains(&scan))
            || names.iter().any(|name| line.contains(name.as_str()))
            || line.contains("\"action\":\"exit\"")
    })?;
    // An exit's decision names no round trip: it is of the one that moves next, at the same moment.
    let mut leaving: Option<Value> = None;
    for row in session {
        if row["kind"] == "decision" {
            if row["action"] == "exit" {
                leaving = Some(row);
            } else if of_scan(&row) {
                chain.decisions.push(row);
            }
        } else if let Some(trade) = row["trade_id"].as_str() {
            let is_of = |trip: &&mut Trip| trip.trades.iter().any(|known| known == trade);
            let Some(trip) = trips.iter_mut().find(is_of) else { continue };
            let same = |of: &mut Value| of["ts_ns"] == row["ts_ns"] && of["asset"] == row["asset"];
            trip.steps.extend(leaving.take_if(same));
            trip.steps.push(row);
        }
    }
    chain.trips = trips;
    if chain.candidates.is_empty() && chain.decisions.is_empty() && chain.trips.is_empty() {
        let scan = chain.scan.unwrap_or_default();
        return Err(Failure::usage(format!(
            "there is no scan {scan} in {}; expected the number of one of its decisions",
            run_dir.display()
        )));
    }
    Ok(chain)
}

/// The identity that was asked for: as it stands, or the one with this number.
fn whole_id(dir: &RunDir, text: &str) -> Result<String, Failure> {
    let number = text.parse::<u64>().ok().map(|number| format!("-T-{number:012}"));
    let part = number.clone().unwrap_or_else(|| format!("\"{text}\""));
    let found = rows(&dir.file(SESSION), |line| line.contains(&part))?;
    let ids: BTreeSet<&str> = found.iter().filter_map(|row| row["trade_id"].as_str()).collect();
    let ends = |id: &&&str| number.as_ref().map_or(**id == text, |end| id.ends_with(end.as_str()));
    ids.iter().find(ends).map(|id| (*id).to_owned()).ok_or_else(|| {
        Failure::usage(format!(
            "there is no round trip {text} in {}; expected an identity like BTCUSDT-T-000000000001, or its \
             number",
            dir.path().display()
        ))
    })
}

/// The lines of a file that may be wanted, parsed.
fn rows(path: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<Value>, Failure> {
    let fault =
        |error: &dyn std::fmt::Display| Failure::error(format!("{}: {error}", path.display()));
    let mut lines = BufReader::new(File::open(path).map_err(|error| fault(&error))?);
    let (mut rows, mut line) = (Vec::new(), String::new());
    for number in 1_u64.. {
        line.clear();
        if lines.read_line(&mut line).map_err(|error| fault(&error))? == 0 {
            break;
        }
        // A run that was cut off may end in half a line.
        if !line.ends_with('\n') {
            break;
        }
        let broken = |error: serde_json::Error| {
            Failure::error(format!(
                "{}, line {number}: {error}; expected one JSON object a line: the file was changed after \
                 the run, and nothing of it is told",
                path.display()
            ))
        };
        if wanted(&line) {
            rows.push(serde_json::from_str(&line).map_err(broken)?);
        } else {
            // A broken line may be what was asked for.
            serde_json::from_str::<serde::de::IgnoredAny>(&line).map_err(broken)?;
        }
    }
    Ok(rows)
}
