//! Scans of an outside source: what `--scans` takes.
//!
//! JSON lines, plain, gzip or zstd, one payload a line (or under the key `scan_payload`). Read whole before
//! the run, so that a line that makes no sense is told before anything trades.

use std::path::Path;

use pinion_core::instrument::InstrumentTable;
use pinion_core::msg::Modifiers;
use pinion_core::settings::Posture;
use pinion_core::signal::OutsideScan;
use pinion_core::units::Nanos;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::lines::Lines;
use crate::source::SourceFault;

const NS_PER_MS: i64 = 1_000_000;

/// Scans of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct OutsideScans {
    /// In order: times do not decrease, numbers increase.
    pub scans: Vec<OutsideScan>,
    /// Assets that no instrument of the run is, each once.
    pub unknown: Vec<String>,
    /// What the file is, for people and for the run's name: the same wherever it lies.
    pub text: String,
}

/// What was found and what was expected of a line.
type Wrong = (String, String);

/// Reads the scans of a file.
///
/// # Errors
/// [`SourceFault`] with file and line: no JSON object, a field of the wrong kind, a number or a time that
/// goes backwards, times in some lines and not in others, as many prices as assets, or no line at all.
pub fn read_scans(path: &Path, table: &InstrumentTable) -> Result<OutsideScans, SourceFault> {
    let mut lines = Lines::open(path)?;
    let (mut scans, mut unknown) = (Vec::<OutsideScan>::new(), Vec::new());
    let mut hash = Sha256::new();
    while lines.peek()? {
        hash.update(lines.text());
        let scan = scan(lines.text(), table, scans.last(), &mut unknown)
            .map_err(|(found, expected)| lines.fault(found, expected))?;
        scans.push(scan);
        lines.advance();
    }
    if scans.is_empty() {
        return Err(lines.fault("no scan", "one JSON object a line"));
    }
    let hex: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let text = format!("{} outside scans, {hex}", scans.len());
    Ok(OutsideScans { scans, unknown, text })
}

fn scan(
    line: &[u8],
    table: &InstrumentTable,
    before: Option<&OutsideScan>,
    unknown: &mut Vec<String>,
) -> Result<OutsideScan, Wrong> {
    let whole: Value = serde_json::from_slice(line)
        .map_err(|error| (format!("no JSON ({error})"), "one JSON object a line".to_owned()))?;
    let Value::Object(outer) = &whole else {
        return Err(("no JSON object".to_owned(), "one JSON object a line".to_owned()));
    };
    let inner = match outer.get("scan_payload") {
        Some(Value::Object(inner)) => inner,
        Some(_) => return Err(wrong(outer, "scan_payload", "an object")),
        None => outer,
    };
    let number = number(inner, before)?;
    let boost = match inner.get("acb_boost") {
        Some(Value::Object(boost)) => float(boost, "boost")?,
        _ => float(inner, "acb_boost")?,
    };
    let esof = match one_of(inner, "esof", "esof_payload") {
        ("esof" | "esof_payload", Some(Value::Object(esof))) => float(esof, "factor")?,
        (name, _) => float(inner, name)?,
    };
    let (ob, mc_scale) = match one_of(inner, "exf", "exf_snapshot") {
        (_, Some(Value::Object(exf))) => (float(exf, "ob")?, float(exf, "mc_scale")?),
        (_, None | Some(Value::Null)) => (None, None),
        (name, Some(_)) => return Err(wrong(inner, name, "an object")),
    };
    Ok(OutsideScan {
        ts_ns: time(outer, inner, before)?,
        number,
        vel_div: float(inner, one_of(inner, "vel_div", "velocity_divergence").0)?,
        velocity_50: float(inner, "w50_velocity")?,
        velocity_750: float(inner, "w750_velocity")?,
        vol_ok: match inner.get("vol_ok") {
            None | Some(Value::Null) => None,
            Some(Value::Bool(ok)) => Some(*ok),
            Some(_) => return Err(wrong(inner, "vol_ok", "true or false")),
        },
        prices: prices(inner, table, unknown)?,
        modifiers: Modifiers { number, posture: posture(inner)?, boost, mc_scale, ob, esof },
    })
}

fn wrong(object: &Map<String, Value>, name: &str, expected: &str) -> Wrong {
    let found = object.get(name).map_or_else(|| "missing".to_owned(), Value::to_string);
    (format!("{name} is {found}"), expected.to_owned())
}

/// The first of two names that stands in the object, else the first.
fn one_of<'a>(
    object: &'a Map<String, Value>,
    first: &'static str,
    second: &'static str,
) -> (&'static str, Option<&'a Value>) {
    match (object.get(first), object.get(second)) {
        (None, Some(value)) => (second, Some(value)),
        (value, _) => (first, value),
    }
}

/// A number; `None` where it is missing or null: what is not known is not zero.
fn float(object: &Map<String, Value>, name: &str) -> Result<Option<f64>, Wrong> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_f64().filter(|value| value.is_finite()) {
            Some(value) => Ok(Some(value)),
            None => Err(wrong(object, name, "a number, or null where it is not known")),
        },
    }
}

fn number(object: &Map<String, Value>, before: Option<&OutsideScan>) -> Result<u32, Wrong> {
    let last = before.map_or(0, |scan| scan.number);
    let expected = || format!("a whole number from {} to {}", u64::from(last) + 1, u32::MAX);
    let number = match object.get("scan_number") {
        None | Some(Value::Null) => last.checked_add(1),
        Some(value) => value.as_u64().and_then(|number| u32::try_from(number).ok()),
    };
    number.filter(|number| *number > last).ok_or_else(|| wrong(object, "scan_number", &expected()))
}

/// `ts_ns`, or `ts_ms`, of the payload or of what holds it.
fn time(
    outer: &Map<String, Value>,
    inner: &Map<String, Value>,
    before: Option<&OutsideScan>,
) -> Result<Option<Nanos>, Wrong> {
    let mut found = None;
    for (object, name, unit_ns) in [
        (inner, "ts_ns", 1),
        (outer, "ts_ns", 1),
        (inner, "ts_ms", NS_PER_MS),
        (outer, "ts_ms", NS_PER_MS),
    ] {
        let Some(value) = object.get(name).filter(|value| !value.is_null()) else { continue };
        let time = value.as_i64().and_then(|time| time.checked_mul(unit_ns));
        let time = time.filter(|time| *time >= 0);
        let time = time.ok_or_else(|| wrong(object, name, "a whole time since 1970"))?;
        found = Some((object, name, Nanos::new(time)));
        break;
    }
    match (before.map(|scan| scan.ts_ns), found) {
        (Some(None), Some((object, name, _))) => {
            Err(wrong(object, name, "a time in every line or in none"))
        }
        (Some(Some(_)), None) => Err(("no ts_ns".into(), "a time in every line or in none".into())),
        (Some(Some(last)), Some((object, name, time))) if time < last => {
            let expected = format!("no less than {} ns, that of the line before", last.get());
            Err(wrong(object, name, &expected))
        }
        (_, found) => Ok(found.map(|(_, _, time)| time)),
    }
}

fn posture(object: &Map<String, Value>) -> Result<Option<Posture>, Wrong> {
    let expected = || wrong(object, "posture", &format!("one of {}", Posture::TEXTS.join(", ")));
    match object.get("posture") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => {
            Posture::from_text(&text.to_lowercase()).map(Some).ok_or_else(expected)
        }
        Some(_) => Err(expected()),
    }
}

/// `asset_prices`, each the price of the asset at its place in `assets`. What is no price is a missing one.
fn prices(
    object: &Map<String, Value>,
    table: &InstrumentTable,
    unknown: &mut Vec<String>,
) -> Result<Vec<Option<f64>>, Wrong> {
    let list = |name: &str| match object.get(name) {
        None | Some(Value::Null) => Ok(&[][..]),
        Some(Value::Array(items)) => Ok(items.as_slice()),
        Some(_) => Err(wrong(object, name, "a list")),
    };
    let (assets, given) = (list("assets")?, list("asset_prices")?);
    if assets.len() != given.len() {
        let found = format!("{} assets and {} asset_prices", assets.len(), given.len());
        return Err((found, "a price for every asset; null where it is not known".to_owned()));
    }
    if assets.is_empty() {
        return Ok(Vec::new());
    }
    let mut prices = vec![None; table.len()];
    for (asset, price) in assets.iter().zip(given) {
        let Some(name) = asset.as_str() else {
            return Err((format!("{asset} among the assets"), "texts like BTCUSDT".to_owned()));
        };
        match table.find(name) {
            Some(id) => {
                prices[id.index()] =
                    price.as_f64().filter(|price| price.is_finite() && *price > 0.0);
            }
            None if unknown.iter().any(|known| known == name) => {}
            None => unknown.push(name.to_owned()),
        }
    }
    Ok(prices)
}

#[cfg(test)]
mod tests {
    use pinion_core::instrument::Instrument;
    use pinion_core::units::{Money, Price, Qty};
    use tempfile::TempDir;

    use super::*;

    fn table() -> InstrumentTable {
        let symbol = pinion_core::instrument::canonical_symbol("FETUSDT").expect("fits");
        let row = Instrument {
            symbol,
            tick: Price::from_raw(10_000),
            lot: Qty::from_whole(1),
            min_notional: Money::from_whole(5),
            tradable: true,
            listed_ns: None,
        };
        InstrumentTable::new(vec![row]).expect("sound")
    }

    fn read(text: &str) -> Result<OutsideScans, String> {
        let dir = TempDir::new().expect("a folder");
        let path = dir.path().join("scans.jsonl");
        std::fs::write(&path, text).expect("written");
        read_scans(&path, &table())
            .map_err(|fault| fault.to_string().replace(&dir.path().display().to_string(), ""))
    }

    #[test]
    fn a_payload_is_read_whole() {
        let line = format!(
            "{{\"ts_ns\":5,\"scan_payload\":{{\"scan_number\":7,\"vel_div\":-0.03,\"w50_velocity\":-0.02,\
             \"w750_velocity\":0.01,\"vol_ok\":true,\"posture\":\"STALKER\",\"acb_boost\":{{\"boost\":1.2}},\
             \"esof\":0.5,\"exf\":{{\"ob\":1.1,\"funding\":0.1}},\"assets\":[\"{}\",\"NOPE\"],\
             \"asset_prices\":[2.5,3]}}}}\n",
            "fet-usdt"
        );
        let read = read(&line).expect("sound");
        let scan = &read.scans[0];
        assert_eq!((scan.ts_ns, scan.number), (Some(Nanos::new(5)), 7));
        assert_eq!((scan.vel_div, scan.velocity_50), (Some(-0.03), Some(-0.02)));
        assert_eq!((scan.velocity_750, scan.vol_ok), (Some(0.01), Some(true)));
        assert_eq!(scan.prices[0], Some(2.5));
        assert_eq!(read.unknown, ["NOPE"]);
        let modifiers = Modifiers {
            number: 7,
            posture: Some(Posture::Stalker),
            boost: Some(1.2),
            mc_scale: None,
            ob: Some(1.1),
            esof: Some(0.5),
        };
        assert_eq!(scan.modifiers, modifiers);
    }

    #[test]
    fn what_is_left_out_is_not_known() {
        let read = read("{}\n\n{\"acb_boost\":2,\"vel_div\":null}\n").expect("sound");
        let first = OutsideScan {
            number: 1,
            modifiers: Modifiers { number: 1, ..Modifiers::default() },
            ..OutsideScan::default()
        };
        assert_eq!(read.scans[0], first);
        assert_eq!((read.scans[1].number, read.scans[1].modifiers.boost), (2, Some(2.0)));
    }

    #[test]
    fn what_makes_no_sense_is_told_with_its_line() {
        for (text, told) in [
            ("", "/scans.jsonl, line 0: no scan; expected one JSON object a line"),
            ("[]", "/scans.jsonl, line 1: no JSON object; expected one JSON object a line"),
            (
                "{\"scan_number\":3}\n{\"scan_number\":3}",
                "/scans.jsonl, line 2: scan_number is 3; expected a whole number from 4 to 4294967295",
            ),
            (
                "{\"vel_div\":\"x\"}",
                "/scans.jsonl, line 1: vel_div is \"x\"; expected a number, or null where it is not known",
            ),
            (
                "{\"assets\":[\"A\"],\"asset_prices\":[]}",
                "/scans.jsonl, line 1: 1 assets and 0 asset_prices; expected a price for every asset; null \
                 where it is not known",
            ),
            (
                "{\"ts_ns\":9}\n{\"ts_ns\":8}",
                "/scans.jsonl, line 2: ts_ns is 8; expected no less than 9 ns, that of the line before",
            ),
            (
                "{\"ts_ms\":9}\n{}",
                "/scans.jsonl, line 2: no ts_ns; expected a time in every line or in none",
            ),
            (
                "{\"posture\":\"BEAR\"}",
                "/scans.jsonl, line 1: posture is \"BEAR\"; expected one of apex, stalker, turtle, hibernate",
            ),
        ] {
            assert_eq!(read(text), Err(told.to_owned()));
        }
    }
}
