//! Scans of an outside source: what `--scans` takes.
//!
//! JSON lines, plain, gzip or zstd, one payload a line (or under the key `scan_payload`). Read whole before
//! the run, so that a line that makes no sense is told before anything trades.

use std::ops::RangeInclusive;
use std::path::Path;

use pinion_core::instrument::InstrumentTable;
use pinion_core::msg::Modifiers;
use pinion_core::settings::Posture;
use pinion_core::signal::OutsideScan;
use pinion_core::units::Nanos;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::lines::Lines;
use super::strict::Strict;
use crate::source::SourceFault;

const NS_PER_MS: i64 = 1_000_000;

/// What `vel_div` and the velocities may be. Signals are hundredths; anything else is another figure.
const VELOCITY: RangeInclusive<f64> = -10.0..=10.0;
const BOOST: RangeInclusive<f64> = 0.1..=10.0;
const MC_SCALE: RangeInclusive<f64> = 0.0..=10.0;
const OB: RangeInclusive<f64> = 0.85..=1.2;
const ESOF: RangeInclusive<f64> = 0.0..=1.0;

/// Fields of a payload. The objects `acb_boost`, `esof` and `exf` may hold more than is read of them.
const FIELDS: &[&str] = &[
    "ts_ns",
    "ts_ms",
    "scan_number",
    "vel_div",
    "velocity_divergence",
    "w50_velocity",
    "w750_velocity",
    "vol_ok",
    "posture",
    "acb_boost",
    "esof",
    "esof_payload",
    "exf",
    "exf_snapshot",
    "assets",
    "asset_prices",
];
/// Fields of the line that holds one.
const OUTER_FIELDS: &[&str] = &["ts_ns", "ts_ms", "scan_payload"];

/// Scans of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct OutsideScans {
    /// In order: times do not decrease, numbers increase.
    pub scans: Vec<OutsideScan>,
    /// Assets that no instrument of the run is, each once.
    pub unknown: Vec<String>,
    /// What the file is, for people and for the run's name: the same wherever it lies.
    pub text: String,
    /// The file.
    origin: String,
}

impl OutsideScans {
    /// Whether any of the scans can be used in a run from `start` to `end`; scans without a time can.
    ///
    /// # Errors
    /// All of them lie outside of it: the file is of another time, or its times are of another unit.
    pub fn check_span(&self, start: Nanos, end: Nanos) -> Result<(), SourceFault> {
        let mut times = self.scans.iter().filter_map(|scan| scan.ts_ns).peekable();
        let Some(first) = times.peek().copied() else { return Ok(()) };
        // A scan may come a little before the first price, and is in force then.
        if times.any(|at| at <= end && at.plus(BEFORE_NS) >= start) {
            return Ok(());
        }
        let hint = match i128::from(start.get()) / i128::from(first.get().max(1)) {
            500..=2_000 => "; they look like microseconds",
            500_000..=2_000_000 => "; they look like milliseconds, of which ts_ms is the name",
            500_000_000..=2_000_000_000 => "; they look like seconds",
            _ => "",
        };
        Err(SourceFault {
            origin: self.origin.clone(),
            line: None,
            found: format!(
                "every scan lies outside of the data, the first at {} ns{hint}",
                first.get()
            ),
            expected: format!("times in ns from {} to {}", start.get(), end.get()),
        })
    }
}

/// How long before the first price of the data a scan may stand.
const BEFORE_NS: i64 = 3_600 * Nanos::SECOND;

/// What was found and what was expected of a line.
type Wrong = (String, String);

/// Reads the scans of a file.
///
/// # Errors
/// [`SourceFault`] with file and line: no JSON object, a key that is unknown or stands twice, a field of the
/// wrong kind or outside of its range, a number or a time that goes backwards, times in some lines and not
/// in others, not as many prices as assets, a price that is none, or no line at all.
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
        let fault = lines.fault("no scan", "one JSON object a line");
        return Err(SourceFault { line: None, ..fault });
    }
    let hex: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let text = format!("{} outside scans, {hex}", scans.len());
    Ok(OutsideScans { scans, unknown, text, origin: path.display().to_string() })
}

fn scan(
    line: &[u8],
    table: &InstrumentTable,
    before: Option<&OutsideScan>,
    unknown: &mut Vec<String>,
) -> Result<OutsideScan, Wrong> {
    let Strict(whole) = serde_json::from_slice(line)
        .map_err(|error| (format!("no JSON ({error})"), "one JSON object a line".to_owned()))?;
    let Value::Object(outer) = &whole else {
        return Err(("no JSON object".to_owned(), "one JSON object a line".to_owned()));
    };
    let inner = match outer.get("scan_payload") {
        Some(Value::Object(inner)) => inner,
        Some(_) => return Err(wrong(outer, "scan_payload", "an object")),
        None => outer,
    };
    if outer.contains_key("scan_payload") {
        known(outer, OUTER_FIELDS)?;
    }
    known(inner, FIELDS)?;
    let number = number(inner, before)?;
    let boost = match inner.get("acb_boost") {
        Some(Value::Object(boost)) => float(boost, "boost", BOOST)?,
        _ => float(inner, "acb_boost", BOOST)?,
    };
    let esof = match one_of(inner, "esof", "esof_payload") {
        ("esof" | "esof_payload", Some(Value::Object(esof))) => float(esof, "factor", ESOF)?,
        (name, _) => float(inner, name, ESOF)?,
    };
    let (ob, mc_scale) = match one_of(inner, "exf", "exf_snapshot") {
        (_, Some(Value::Object(exf))) => (float(exf, "ob", OB)?, float(exf, "mc_scale", MC_SCALE)?),
        (_, None | Some(Value::Null)) => (None, None),
        (name, Some(_)) => return Err(wrong(inner, name, "an object")),
    };
    Ok(OutsideScan {
        ts_ns: time(outer, inner, before)?,
        number,
        vel_div: float(inner, one_of(inner, "vel_div", "velocity_divergence").0, VELOCITY)?,
        velocity_50: float(inner, "w50_velocity", VELOCITY)?,
        velocity_750: float(inner, "w750_velocity", VELOCITY)?,
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

/// A number in its range; `None` where it is missing or null: what is not known is not zero.
fn float(
    object: &Map<String, Value>,
    name: &str,
    range: RangeInclusive<f64>,
) -> Result<Option<f64>, Wrong> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_f64().filter(|value| range.contains(value)) {
            Some(value) => Ok(Some(value)),
            None => {
                let (low, high) = range.into_inner();
                let expected =
                    format!("a number from {low} to {high}, or null where it is not known");
                Err(wrong(object, name, &expected))
            }
        },
    }
}

/// Refuses a field that nobody reads: it is most likely misspelt.
fn known(object: &Map<String, Value>, fields: &[&str]) -> Result<(), Wrong> {
    match object.keys().find(|key| !fields.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err((format!("unknown field {key}"), format!("any of {}", fields.join(", ")))),
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

/// `asset_prices`, each the price of the asset at its place in `assets`; null where it is not known.
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
        let price = match price {
            Value::Null => None,
            given => match given.as_f64().filter(|price| price.is_finite() && *price > 0.0) {
                Some(price) => Some(price),
                None => {
                    let found = format!("asset_prices has {given} for {name}");
                    let expected = "a number above 0, or null where it is not known";
                    return Err((found, expected.to_owned()));
                }
            },
        };
        match table.find(name) {
            Some(id) => prices[id.index()] = price,
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
    fn scans_of_another_time_are_told_with_the_unit_they_look_like() {
        let start = 1_756_944_000_000_000_000;
        let span = (Nanos::new(start), Nanos::new(start + 60 * Nanos::SECOND));
        let check = |at: i64| {
            let scans = read(&format!("{{\"ts_ns\":{at}}}\n")).expect("sound");
            scans.check_span(span.0, span.1).map_err(|fault| fault.to_string())
        };
        for at in [start, start - Nanos::SECOND, start + 60 * Nanos::SECOND] {
            assert_eq!(check(at), Ok(()), "{at}");
        }
        for (at, told) in [
            (start + 61 * Nanos::SECOND, "1756944061000000000 ns;"),
            (start / 1_000, "they look like microseconds"),
            (start / 1_000_000, "they look like milliseconds, of which ts_ms"),
            (start / 1_000_000_000, "they look like seconds"),
        ] {
            let fault = check(at).expect_err("outside");
            assert!(fault.contains("every scan lies outside of the data"), "{fault}");
            assert!(fault.contains(told), "{fault}");
        }
        let timeless = read("{}\n").expect("sound");
        assert_eq!(timeless.check_span(span.0, span.1), Ok(()));
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
            ("", "/scans.jsonl: no scan; expected one JSON object a line"),
            (
                "{\"vel_dif\":-0.03}",
                "/scans.jsonl, line 1: unknown field vel_dif; expected any of ts_ns, ts_ms, scan_number, \
                 vel_div, velocity_divergence, w50_velocity, w750_velocity, vol_ok, posture, acb_boost, \
                 esof, esof_payload, exf, exf_snapshot, assets, asset_prices",
            ),
            (
                "{\"scan_payload\":{},\"vel_div\":-0.03}",
                "/scans.jsonl, line 1: unknown field vel_div; expected any of ts_ns, ts_ms, scan_payload",
            ),
            (
                "{\"vel_div\":0,\"vel_div\":-0.03}",
                "/scans.jsonl, line 1: no JSON (the key vel_div stands twice at line 1 column 29); expected \
                 one JSON object a line",
            ),
            (
                "{\"vel_div\":-300}",
                "/scans.jsonl, line 1: vel_div is -300; expected a number from -10 to 10, or null where it \
                 is not known",
            ),
            (
                "{\"acb_boost\":0.05}",
                "/scans.jsonl, line 1: acb_boost is 0.05; expected a number from 0.1 to 10, or null where it \
                 is not known",
            ),
            (
                "{\"exf\":{\"mc_scale\":-1}}",
                "/scans.jsonl, line 1: mc_scale is -1; expected a number from 0 to 10, or null where it is \
                 not known",
            ),
            (
                "{\"exf\":{\"ob\":1.3}}",
                "/scans.jsonl, line 1: ob is 1.3; expected a number from 0.85 to 1.2, or null where it is not \
                 known",
            ),
            (
                "{\"esof\":{\"factor\":1.01}}",
                "/scans.jsonl, line 1: factor is 1.01; expected a number from 0 to 1, or null where it is not \
                 known",
            ),
            (
                "{\"assets\":[\"FETUSDT\"],\"asset_prices\":[0]}",
                "/scans.jsonl, line 1: asset_prices has 0 for FETUSDT; expected a number above 0, or null \
                 where it is not known",
            ),
            ("[]", "/scans.jsonl, line 1: no JSON object; expected one JSON object a line"),
            (
                "{\"scan_number\":3}\n{\"scan_number\":3}",
                "/scans.jsonl, line 2: scan_number is 3; expected a whole number from 4 to 4294967295",
            ),
            (
                "{\"vel_div\":\"x\"}",
                "/scans.jsonl, line 1: vel_div is \"x\"; expected a number from -10 to 10, or null where \
                 it is not known",
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
