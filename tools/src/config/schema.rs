//! A JSON Schema of the settings file, made from the key table, for editors.

use pinion_core::settings::{Domain, KEYS, Key};
use pinion_core::units::{DECIMAL_TEXT_MAX, print_raw};
use serde_json::{Map, Value as Json, json};

use crate::config::instrument::{FIELDS, SECTION};
use crate::config::sections::{self, ControlSection, Section as _, VenueSection};
use crate::config::view;

/// The schema (draft 2020-12) of the whole file.
#[must_use]
pub fn schema() -> Json {
    let mut properties: Map<String, Json> = Map::new();
    for key in KEYS {
        let (section, name) = key.name.split_once('.').unwrap_or((key.name, ""));
        let entry = properties.entry(section).or_insert_with(|| object(Map::new()));
        entry["properties"][name] = property(key);
    }
    let fields = FIELDS
        .iter()
        .map(|field| (field.name.to_owned(), described(of_domain(field.domain), field.doc)));
    properties.insert(
        SECTION.to_owned(),
        json!({
            "type": "object",
            "description": "What the operator knows better than the data, by symbol.",
            "additionalProperties": object(fields.collect()),
        }),
    );
    properties.insert(VenueSection::NAME.to_owned(), sections::schema::<VenueSection>());
    properties.insert(ControlSection::NAME.to_owned(), sections::schema::<ControlSection>());
    let mut root = object(properties);
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("Pinion settings");
    root
}

fn object(properties: Map<String, Json>) -> Json {
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

fn described(mut schema: Json, doc: &str) -> Json {
    schema["description"] = json!(doc);
    schema
}

fn property(key: &Key) -> Json {
    let unit = if key.unit.is_empty() { String::new() } else { format!(" Unit: {}.", key.unit) };
    let mut schema = described(of_domain(key.domain), &format!("{}{unit}", key.doc));
    schema["default"] = view::json_value(&view::default_of(key));
    schema
}

fn of_domain(domain: Domain) -> Json {
    let symbol = json!({ "type": "string", "minLength": 1 });
    match domain {
        Domain::Int { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Domain::Float { min, max } => json!({ "type": "number", "minimum": min, "maximum": max }),
        Domain::Bool => json!({ "type": "boolean" }),
        Domain::Decimal { min, max } => json!({
            "type": ["string", "number"],
            "pattern": r"^-?[0-9]+(\.[0-9]{1,8}0*)?$",
            "minimum": bound(min),
            "maximum": bound(max),
        }),
        Domain::Choice(texts) => json!({ "enum": texts }),
        Domain::Symbol => symbol,
        Domain::Symbols { max } => {
            json!({ "type": "array", "items": symbol, "maxItems": max, "uniqueItems": true })
        }
        Domain::Fractions => json!({
            "type": "array",
            "items": { "type": "number", "exclusiveMinimum": 0, "maximum": 1 },
            "minItems": 1,
            "maxItems": 8,
        }),
        Domain::Cores => json!({
            "type": "array",
            "items": { "type": "integer", "minimum": 0, "maximum": 1023 },
            "uniqueItems": true,
        }),
    }
}

/// A decimal bound as a JSON number; the exact text stands in the key table.
fn bound(raw: i64) -> Json {
    let mut buffer = [0; DECIMAL_TEXT_MAX];
    serde_json::from_str(print_raw(raw, &mut buffer)).unwrap_or(Json::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_in_the_schema_and_nothing_else_is_allowed() {
        let schema = schema();
        assert_eq!(schema["additionalProperties"], false);
        for key in KEYS {
            let (section, name) = key.name.split_once('.').expect("a section and a name");
            let section = &schema["properties"][section];
            assert_eq!(section["additionalProperties"], false);
            let property = &section["properties"][name];
            let text = property["description"].as_str().expect("described");
            assert!(text.starts_with(key.doc), "{}", key.name);
            assert!(!property["default"].is_null(), "{}", key.name);
        }
    }

    #[test]
    fn ranges_and_choices_are_those_of_the_table() {
        let schema = schema();
        let signal = &schema["properties"]["signal"]["properties"];
        assert_eq!(signal["scan_ns"]["minimum"], 1_000_000);
        assert_eq!(signal["vol_mode"]["enum"], json!(["rolling", "static"]));
        let account = &schema["properties"]["account"]["properties"];
        assert_eq!(account["maker_rate"]["minimum"], json!(-0.001));
        assert_eq!(account["maker_rate"]["default"], json!("0.0002"));
        let override_row = &schema["properties"]["instrument"]["additionalProperties"];
        assert_eq!(override_row["properties"]["tradable"]["type"], "boolean");
        assert_eq!(override_row["additionalProperties"], false);
    }
}
