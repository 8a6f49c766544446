//! Settings and their table as text, JSON and TOML.

use std::fmt::Write as _;

use pinion_core::settings::{
    Apply, Domain, Importance, KEYS, Key, Sensitivity, Settings, Value, Writer,
};
use pinion_core::units::{DECIMAL_TEXT_MAX, print_raw};
use serde_json::{Map, Value as Json, json};

use crate::config::Loaded;
use crate::config::instrument::{self, SECTION};
use crate::config::problem::Place;
use crate::config::secret::{REDACTED, is_secret};
use crate::config::sections::{ControlSection, Field, Kind, Section as _, VenueSection};

/// The default of a key.
#[must_use]
pub fn default_of(key: &Key) -> Value {
    (key.get)(&Settings::default())
}

/// A value in JSON: numbers, switches and lists as such, decimals and texts as strings.
#[must_use]
pub fn json_value(value: &Value) -> Json {
    match value {
        Value::Int(number) => json!(number),
        Value::Float(number) => json!(number),
        Value::Bool(yes) => json!(yes),
        Value::Decimal(_) | Value::Choice(_) | Value::Symbol(_) => json!(value.to_text()),
        Value::Symbols(symbols) => symbols.iter().map(|symbol| json!(symbol.as_str())).collect(),
        Value::Fractions(parts) => json!(parts),
        Value::Cores(cores) => json!(cores),
    }
}

/// Least and greatest value of a key, and the texts it accepts; absent where they mean nothing.
struct Limits {
    min: Option<Value>,
    max: Option<Value>,
    choices: &'static [&'static str],
}

const fn limits(domain: Domain) -> Limits {
    let (min, max) = match domain {
        Domain::Int { min, max } => (Some(Value::Int(min)), Some(Value::Int(max))),
        Domain::Float { min, max } => (Some(Value::Float(min)), Some(Value::Float(max))),
        Domain::Decimal { min, max } => (Some(Value::Decimal(min)), Some(Value::Decimal(max))),
        Domain::Bool
        | Domain::Choice(_)
        | Domain::Symbol
        | Domain::Symbols { .. }
        | Domain::Fractions
        | Domain::Cores => (None, None),
    };
    let choices: &[&str] = if let Domain::Choice(texts) = domain { texts } else { &[] };
    Limits { min, max, choices }
}

/// The key table in JSON. Every row has every name: `name`, `aliases`, `type`, `unit`, `default`, `min`, `max`,
/// `choices`, `step`, `sensitivity`, `importance`, `apply`, `writer`, `protected`, `doc`; null means none.
#[must_use]
pub fn keys_json() -> Json {
    KEYS.iter()
        .map(|key| {
            let limits = limits(key.domain);
            json!({
                "name": key.name,
                "aliases": key.aliases,
                "type": key.domain.type_name(),
                "unit": (!key.unit.is_empty()).then_some(key.unit),
                "default": json_value(&default_of(key)),
                "min": limits.min.as_ref().map(json_value),
                "max": limits.max.as_ref().map(json_value),
                "choices": (!limits.choices.is_empty()).then_some(limits.choices),
                "step": (key.step > 0.0).then_some(key.step),
                "sensitivity": key.sensitivity.as_str(),
                "importance": key.importance.as_str(),
                "apply": key.apply.as_str(),
                "writer": key.writer.as_str(),
                "protected": key.protected,
                "doc": key.doc,
            })
        })
        .chain(section_fields().map(section_key_json))
        .collect()
}

/// Fields of the sections that are no settings of the kernel.
fn section_fields() -> impl Iterator<Item = &'static Field> {
    VenueSection::FIELDS.iter().chain(ControlSection::FIELDS)
}

/// Such a field as a row of the key table.
fn section_key_json(field: &Field) -> Json {
    let (mut min, mut max, mut choices) = (None, None, None);
    match field.kind {
        Kind::Int { min: least, max: most } => (min, max) = (Some(least), Some(most)),
        Kind::Choice(texts) => choices = Some(texts),
        Kind::Text | Kind::Bool | Kind::List => {}
    }
    json!({
        "name": field.key(),
        "aliases": [],
        "type": field.type_name(),
        "unit": null,
        "default": field.default_json(),
        "min": min,
        "max": max,
        "choices": choices,
        "step": null,
        "sensitivity": Sensitivity::High.as_str(),
        "importance": Importance::Safety.as_str(),
        "apply": Apply::Restart.as_str(),
        "writer": Writer::Operator.as_str(),
        "protected": true,
        "doc": field.doc,
    })
}

/// The key table for people: one line a key, its sentence below it.
#[must_use]
pub fn keys_text() -> String {
    let header =
        ["KEY", "TYPE", "UNIT", "DEFAULT", "ACCEPTS", "STEP", "MATTERS", "APPLIES", "WRITER"];
    let mut rows = vec![header.map(str::to_owned)];
    rows.extend(KEYS.iter().map(|key| {
        let writer = key.writer.as_str();
        [
            key.name.to_owned(),
            key.domain.type_name().to_owned(),
            or_dash(key.unit),
            or_dash(&default_of(key).to_text()),
            accepts(key.domain),
            if key.step > 0.0 { key.step.to_string() } else { String::from("-") },
            key.sensitivity.as_str().to_owned(),
            key.apply.as_str().to_owned(),
            if key.protected { format!("{writer}, protected") } else { writer.to_owned() },
        ]
    }));
    rows.extend(section_fields().map(|field| {
        let (apply, writer) = (Apply::Restart.as_str(), Writer::Operator.as_str());
        [
            field.key(),
            field.type_name().to_owned(),
            or_dash(""),
            or_dash(field.default),
            field.accepts(),
            or_dash(""),
            Sensitivity::High.as_str().to_owned(),
            apply.to_owned(),
            format!("{writer}, protected"),
        ]
    }));
    let lines = aligned(&rows);
    let docs = std::iter::once(("", [].as_slice()))
        .chain(KEYS.iter().map(|key| (key.doc, key.aliases)))
        .chain(section_fields().map(|field| (field.doc, [].as_slice())));
    let mut out = String::new();
    for (line, (doc, aliases)) in lines.iter().zip(docs) {
        out.push_str(line);
        out.push('\n');
        if !doc.is_empty() {
            out.push_str("    ");
            out.push_str(doc);
            if !aliases.is_empty() {
                out.push_str(&format!(" Also: {}.", aliases.join(", ")));
            }
            out.push('\n');
        }
    }
    out
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { String::from("-") } else { text.to_owned() }
}

/// What a domain accepts, short.
fn accepts(domain: Domain) -> String {
    let mut low = [0; DECIMAL_TEXT_MAX];
    let mut high = [0; DECIMAL_TEXT_MAX];
    match domain {
        Domain::Int { min, max } => format!("{min}..{max}"),
        Domain::Float { min, max } => format!("{min}..{max}"),
        Domain::Decimal { min, max } => {
            format!("{}..{}", print_raw(min, &mut low), print_raw(max, &mut high))
        }
        Domain::Bool => String::from("true|false"),
        Domain::Choice(texts) => texts.join("|"),
        Domain::Symbol => String::from("a symbol"),
        Domain::Symbols { max } => format!("up to {max} symbols"),
        Domain::Fractions => String::from("parts of 1"),
        Domain::Cores => String::from("core numbers"),
    }
}

/// Rows as lines with their columns under each other, without blanks at the end.
fn aligned<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    rows.iter()
        .map(|row| {
            let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
}

/// Keys to show: name, text of the value, and where it comes from.
fn shown(loaded: &Loaded, changed_only: bool) -> impl Iterator<Item = (&'static Key, &Place)> {
    KEYS.iter()
        .zip(&loaded.origins)
        .filter(move |(key, _)| !changed_only || (key.get)(&loaded.settings) != default_of(key))
}

/// The settings in force for people.
#[must_use]
pub fn show_text(loaded: &Loaded, changed_only: bool) -> String {
    let mut rows: Vec<[String; 4]> = shown(loaded, changed_only)
        .map(|(key, place)| {
            let text = (key.get)(&loaded.settings).to_text();
            let text = if is_secret(key.name) { REDACTED } else { &text };
            [key.name.to_owned(), or_dash(text), key.unit.to_owned(), place.to_string()]
        })
        .collect();
    for row in &loaded.instruments {
        rows.extend(instrument::fields(row).map(|(field, text)| {
            [format!("{SECTION}.{}.{field}", row.symbol), text, String::new(), String::new()]
        }));
    }
    rows.extend(
        given(loaded).map(|(field, text)| [field.key(), text, String::new(), String::new()]),
    );
    let mut out = aligned(&rows).join("\n");
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

/// The settings in force in JSON: `config_hash`, `settings` by name with `value`, `origin` and
/// `changed`, `instruments` by symbol, `venue` and `control` with what is not at its default.
#[must_use]
pub fn show_json(loaded: &Loaded, changed_only: bool) -> Json {
    let settings: Map<String, Json> = shown(loaded, changed_only)
        .map(|(key, place)| {
            let value = (key.get)(&loaded.settings);
            let changed = value != default_of(key);
            let value = if is_secret(key.name) { json!(REDACTED) } else { json_value(&value) };
            let row = json!({ "value": value, "origin": place.to_string(), "changed": changed });
            (key.name.to_owned(), row)
        })
        .collect();
    let instruments: Map<String, Json> = loaded
        .instruments
        .iter()
        .map(|row| {
            let fields = json!({
                "tick": row.tick.map(|tick| tick.to_string()),
                "lot": row.lot.map(|lot| lot.to_string()),
                "min_notional": row.min_notional.map(|least| least.to_string()),
                "tradable": row.tradable,
            });
            (row.symbol.to_string(), fields)
        })
        .collect();
    let section = |name: &str| -> Map<String, Json> {
        let of = given(loaded).filter(|(field, _)| field.section == name);
        of.map(|(field, text)| (field.name.to_owned(), json!(text))).collect()
    };
    json!({
        "config_hash": loaded.config_hash,
        "settings": settings,
        "instruments": instruments,
        "venue": section(VenueSection::NAME),
        "control": section(ControlSection::NAME),
    })
}

/// The settings in force as a file that loads to the same: each key under its sentence.
#[must_use]
pub fn show_toml(loaded: &Loaded, changed_only: bool) -> String {
    let mut out = String::new();
    let mut open = "";
    for (key, _) in shown(loaded, changed_only).filter(|(key, _)| !is_secret(key.name)) {
        let (section, name) = key.name.split_once('.').unwrap_or(("", key.name));
        let gap = if out.is_empty() { "" } else { "\n" };
        if section != open {
            open = section;
            put(&mut out, format_args!("{gap}[{section}]\n"));
        }
        let value = toml_value(&(key.get)(&loaded.settings));
        put(&mut out, format_args!("# {} ({})\n{name} = {value}\n", key.doc, accepts(key.domain)));
    }
    for row in &loaded.instruments {
        let gap = if out.is_empty() { "" } else { "\n" };
        put(&mut out, format_args!("{gap}[{SECTION}.\"{}\"]\n", row.symbol));
        for (name, text) in instrument::fields(row) {
            let quote = if name == "tradable" { "" } else { "\"" };
            put(&mut out, format_args!("{name} = {quote}{text}{quote}\n"));
        }
    }
    let mut section = "";
    for (field, text) in given(loaded) {
        let gap = if out.is_empty() { "" } else { "\n" };
        if std::mem::replace(&mut section, field.section) != field.section {
            put(&mut out, format_args!("{gap}[{}]\n", field.section));
        }
        put(&mut out, format_args!("# {}\n{} = {}\n", field.doc, field.name, field.in_file(&text)));
    }
    out
}

/// What was given for the sections and is not the default.
fn given(loaded: &Loaded) -> impl Iterator<Item = (&'static Field, String)> {
    loaded.venue.given().chain(loaded.control.given())
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let written = out.write_fmt(text);
    debug_assert!(written.is_ok(), "writing to a String cannot fail");
}

fn toml_value(value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        // `{:?}` keeps the point that makes it a TOML float.
        Value::Float(number) => format!("{number:?}"),
        Value::Bool(yes) => yes.to_string(),
        Value::Decimal(_) | Value::Choice(_) | Value::Symbol(_) => {
            toml::Value::from(value.to_text()).to_string()
        }
        Value::Symbols(symbols) => {
            let texts: Vec<&str> = symbols.iter().map(|symbol| symbol.as_str()).collect();
            toml::Value::from(texts).to_string()
        }
        Value::Fractions(parts) => format!("{parts:?}"),
        Value::Cores(cores) => format!("{cores:?}"),
    }
}
