//! Sections that are no settings of the kernel: `[venue]` (which venue, which key, what the account must be like)
//! and `[control]` (who reaches the process, and what it reaches). What differs from the defaults of `[venue]` is
//! part of the configuration's hash, but for where things lie on this machine; the journal has the hash and the
//! venue's address.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use pinion_core::settings::Settings;
use serde_json::{Map, Value as Json, json};

use crate::config::problem::{Place, Problem};

/// What stands in a field.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A text.
    Text,
    /// A whole number.
    Int {
        /// Least.
        min: i64,
        /// Most.
        max: i64,
    },
    /// Yes or no.
    Bool,
    /// One of these.
    Choice(&'static [&'static str]),
    /// Texts.
    List,
}

/// A field of the section.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Section that it stands in.
    pub section: &'static str,
    /// Name in files.
    pub name: &'static str,
    /// Accepted values.
    pub kind: Kind,
    /// Used where none is given; empty: there is none.
    pub default: &'static str,
    /// What it does, in a sentence.
    pub doc: &'static str,
}

/// A section: its name and its fields.
pub trait Section {
    /// Name in files.
    const NAME: &'static str;
    /// What it is for, in a sentence.
    const DOC: &'static str;
    /// Every field.
    const FIELDS: &'static [Field];
}

macro_rules! section {
    ($section:ident, $of:literal, $about:literal,
     $($name:literal, $kind:expr, $default:literal, $doc:literal;)*) => {
        #[doc = $about]
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $section;

        impl Section for $section {
            const NAME: &'static str = $of;
            const DOC: &'static str = $about;
            const FIELDS: &'static [Field] =
                &[$(Field {
                section: $of,
                name: $name,
                kind: $kind,
                default: $default,
                doc: $doc,
            }),*];
        }
    };
}

/// Fields of the venue that say where something lies on this machine, and nothing about the run.
const PLACES: [&str; 2] = ["key_file", "ca_file"];

section! {
    VenueSection, "venue", "The venue of `pinion run`.",
    "name", Kind::Choice(&["bingx"]), "bingx", "The venue.";
    "symbols", Kind::List, "", "Perpetuals to watch and trade.";
    "key_file", Kind::Text, "",
        "File with `key = …` and `secret = …`, mode 600; without it PINION_BINGX_KEY and PINION_BINGX_SECRET.";
    "live_confirmation", Kind::Text, "", "Needed for engine.mode = \"live\": the words \"real money\".";
    "rest_url", Kind::Text, "", "REST address; by engine.mode where none is given.";
    "ws_url", Kind::Text, "", "WebSocket address; by engine.mode where none is given.";
    "ca_file", Kind::Text, "", "PEM file with a further authority to trust: that of a simulator.";
    "position_mode", Kind::Choice(&["hedge", "one_way"]), "hedge", "What the account's mode must be.";
    "margin_type", Kind::Choice(&["crossed", "isolated"]), "crossed", "What each symbol's margin type must be.";
    "leverage", Kind::Int { min: 1, max: 125 }, "3", "What each symbol's leverage must be.";
    "recv_window_ms", Kind::Int { min: 100, max: 5_000 }, "2000", "How late an order may arrive at the venue.";
    "dead_man_s", Kind::Int { min: 10, max: 120 }, "30",
        "Seconds without us after which the venue cancels every order of the account.";
    "write_ahead", Kind::Bool, "true",
        "An order leaves once its cause is in the journal's file, some 0.1 ms later; off for the shortest way out.";
    "connections", Kind::Int { min: 2, max: 16 }, "4", "Warm REST connections.";
    "timeout_ms", Kind::Int { min: 200, max: 30_000 }, "5000", "A REST call without an answer is given up after this.";
    "reconnect_max_ms", Kind::Int { min: 50, max: 300_000 }, "30000",
        "Longest wait between attempts of a socket; waits double up to it.";
    "attempts_per_hour", Kind::Int { min: 10, max: 60_000 }, "120",
        "Attempts of a socket in an hour; the venue bans addresses that come too often.";
    "busy_poll_us", Kind::Int { min: 0, max: 1_000 }, "0",
        "Microseconds that a read may poll the network card; 0 leaves the system's way.";
    "record_layer", Kind::Choice(&["own", "rustls"]), "own",
        "Who opens and seals TLS 1.3 records; certificates and keys are always rustls's.";
    "inflight_check_interval_ms", Kind::Int { min: 10, max: 600_000 }, "",
        "An order without an answer for so long is looked up; in place of guard.order_silence_ns.";
    "open_check_interval_secs", Kind::Int { min: 1, max: 86_400 }, "",
        "Time between checks of open orders, positions and balance; in place of guard.probe_interval_ns.";
    "flatten_at_end", Kind::Bool, "false", "At the end of the run, close what is open; otherwise it stays.";
}

section! {
    ControlSection, "control", "Who reaches a running process, and what it reaches.",
    "socket", Kind::Text, "", "Where the control socket lies; by default control.sock in the run directory.";
    "sandbox", Kind::Choice(&["off", "try", "require"]), "try",
        "Whether `pinion run` gives up files, ports and programs that it does not need; require refuses to run where the kernel cannot.";
}

/// What was given for `[venue]`.
pub type Venue = Values<VenueSection>;
/// What was given for `[control]`.
pub type Control = Values<ControlSection>;

/// What was given, by field. Checked: a number is one and within its range.
#[derive(Clone, Debug, Default)]
pub struct Values<S>(BTreeMap<&'static str, Vec<String>>, PhantomData<S>);

impl<S: Section> Values<S> {
    /// Takes a value over that of a lower layer. `found` is as it stands in the source: quoted in a file,
    /// plain elsewhere.
    pub(crate) fn put(
        &mut self,
        name: &str,
        found: &str,
        place: &Place,
    ) -> Result<(), Box<Problem>> {
        let problem = |expected: String| {
            Box::new(Problem {
                place: place.clone(),
                key: format!("{}.{name}", S::NAME),
                found: found.split_whitespace().collect::<Vec<_>>().join(" "),
                expected,
                hint: None,
            })
        };
        let Some(field) = S::FIELDS.iter().find(|field| field.name == name) else {
            let names: Vec<&str> = S::FIELDS.iter().map(|field| field.name).collect();
            return Err(problem(format!("one of {}", names.join(", "))));
        };
        let in_file = matches!(place, Place::File { .. });
        let values = read(field.kind, found.trim(), in_file)
            .ok_or_else(|| problem(expected(field.kind).to_owned()))?;
        let fits = |value: &String| match field.kind {
            Kind::Int { min, max } => {
                value.parse::<i64>().is_ok_and(|value| (min..=max).contains(&value))
            }
            Kind::Choice(texts) => texts.contains(&value.as_str()),
            Kind::Bool => matches!(value.as_str(), "true" | "false"),
            Kind::Text | Kind::List => !value.is_empty(),
        };
        if !values.iter().all(fits) {
            return Err(problem(match field.kind {
                Kind::Int { min, max } => format!("a whole number from {min} to {max}"),
                Kind::Choice(texts) => format!("one of {}", texts.join(", ")),
                Kind::Text | Kind::List | Kind::Bool => expected(field.kind).to_owned(),
            }));
        }
        self.0.insert(field.name, values);
        Ok(())
    }

    /// A text, number or choice as text: the given one, or the default; `None` where neither is.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        let given = self.0.get(name).and_then(|values| values.first()).map(String::as_str);
        let default = || {
            let field = S::FIELDS.iter().find(|field| field.name == name)?;
            Some(field.default).filter(|text| !text.is_empty())
        };
        given.or_else(default)
    }

    /// A whole number; 0 for a field that is none.
    #[must_use]
    pub fn int(&self, name: &str) -> i64 {
        self.text(name).and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// Yes or no; no for a field that is neither.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    /// Fields that are not at their defaults, with their values as one text.
    pub fn given(&self) -> impl Iterator<Item = (&'static Field, String)> {
        let given =
            |field: &'static Field| self.0.get(field.name).map(|texts| (field, texts.join(", ")));
        S::FIELDS.iter().filter_map(given).filter(|(field, text)| text != field.default)
    }

    /// A list; empty where none is given.
    #[must_use]
    pub fn list(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }
}

impl Values<VenueSection> {
    /// What was given and is not the default, without those that only say where something lies on this machine:
    /// what a run depends on.
    pub fn hashed(&self) -> impl Iterator<Item = (&'static Field, String)> {
        self.given().filter(|(field, _)| !PLACES.contains(&field.name))
    }

    /// Puts the intervals that other engines name so in the place of the settings that mean the same.
    pub fn apply_to(&self, settings: &mut Settings) {
        if self.text("inflight_check_interval_ms").is_some() {
            settings.guard_order_silence_ns = self.int("inflight_check_interval_ms") * 1_000_000;
        }
        if self.text("open_check_interval_secs").is_some() {
            settings.guard_probe_interval_ns = self.int("open_check_interval_secs") * 1_000_000_000;
        }
    }
}

const fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::Choice(_) => "a text in quotes",
        Kind::Int { .. } => "a whole number without quotes",
        Kind::Bool => "true or false",
        Kind::List => "a list of texts in brackets",
    }
}

/// The values in a source text; `None` for another form.
fn read(kind: Kind, found: &str, in_file: bool) -> Option<Vec<String>> {
    let unquoted = |text: &str| {
        let text = text.trim();
        let inner =
            ['"', '\''].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote));
        inner.filter(|inner| !inner.contains(['"', '\'', '\\'])).map(str::to_owned)
    };
    match (kind, in_file) {
        (Kind::Text | Kind::Choice(_), true) => Some(vec![unquoted(found)?]),
        (Kind::Int { .. }, true) => Some(vec![found.replace('_', "")]),
        (Kind::Text | Kind::Choice(_) | Kind::Int { .. }, false) | (Kind::Bool, _) => {
            Some(vec![found.to_owned()])
        }
        (Kind::List, true) => {
            let inner = found.strip_prefix('[')?.strip_suffix(']')?.trim();
            let inner = inner.strip_suffix(',').unwrap_or(inner);
            if inner.is_empty() {
                return Some(Vec::new());
            }
            inner.split(',').map(unquoted).collect()
        }
        (Kind::List, false) => Some(found.split(',').map(|text| text.trim().to_owned()).collect()),
    }
}

impl Field {
    /// Its full name.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// Name of its type.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Text => "text",
            Kind::Int { .. } => "int",
            Kind::Bool => "bool",
            Kind::Choice(_) => "choice",
            Kind::List => "texts",
        }
    }

    /// What it accepts, short.
    #[must_use]
    pub fn accepts(&self) -> String {
        match self.kind {
            Kind::Text => "a text".to_owned(),
            Kind::Int { min, max } => format!("{min}..{max}"),
            Kind::Bool => "true|false".to_owned(),
            Kind::Choice(texts) => texts.join("|"),
            Kind::List => "texts".to_owned(),
        }
    }

    /// A value of it as it stands in a file.
    #[must_use]
    pub fn in_file(&self, text: &str) -> String {
        match self.kind {
            Kind::Int { .. } | Kind::Bool => text.to_owned(),
            Kind::Text | Kind::Choice(_) => format!("\"{text}\""),
            Kind::List => {
                let quoted: Vec<String> =
                    text.split(", ").map(|text| format!("\"{text}\"")).collect();
                format!("[{}]", quoted.join(", "))
            }
        }
    }

    /// Its default in JSON; null where there is none.
    #[must_use]
    pub fn default_json(&self) -> Json {
        match (self.default, self.kind) {
            ("", _) => Json::Null,
            (text, Kind::Int { .. }) => json!(text.parse::<i64>().unwrap_or(0)),
            (text, Kind::Bool) => json!(text == "true"),
            (text, Kind::Text | Kind::Choice(_) | Kind::List) => json!(text),
        }
    }
}

/// The section's JSON Schema.
#[must_use]
pub fn schema<S: Section>() -> Json {
    let property = |field: &Field| {
        let mut schema = match field.kind {
            Kind::Text => json!({ "type": "string", "minLength": 1 }),
            Kind::Int { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::Choice(texts) => json!({ "enum": texts }),
            Kind::List => json!({ "type": "array", "items": { "type": "string", "minLength": 1 } }),
        };
        schema["description"] = json!(field.doc);
        (field.name.to_owned(), schema)
    };
    let properties: Map<String, Json> = S::FIELDS.iter().map(property).collect();
    json!({
        "type": "object",
        "description": S::DOC,
        "additionalProperties": false,
        "properties": properties,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Place {
        Place::File { file: "x.toml".into(), line: 1, column: 1, excerpt: String::new() }
    }

    #[test]
    fn fields_are_read_from_files_and_from_plain_texts() {
        let mut venue = Venue::default();
        assert_eq!((venue.text("position_mode"), venue.int("leverage")), (Some("hedge"), 3));
        assert_eq!(venue.text("rest_url"), None);
        for (name, found) in [
            ("symbols", "[\"BTC-USDT\", 'ETH-USDT',]"),
            ("leverage", "1_0"),
            ("flatten_at_end", "true"),
            ("rest_url", "\"https://localhost:1\""),
        ] {
            venue.put(name, found, &file()).expect("fits");
        }
        venue.put("symbols", "BTC-USDT, SOL-USDT", &Place::Set).expect("fits");
        assert_eq!(venue.list("symbols"), ["BTC-USDT", "SOL-USDT"]);
        assert_eq!((venue.int("leverage"), venue.is("flatten_at_end")), (10, true));
        assert_eq!(venue.text("rest_url"), Some("https://localhost:1"));
    }

    #[test]
    fn what_a_run_depends_on_is_hashed_and_where_things_lie_is_not() {
        let mut venue = Venue::default();
        for (name, found) in [
            ("leverage", "3"),
            ("dead_man_s", "20"),
            ("key_file", "/somewhere/key"),
            ("symbols", "BTC-USDT, ETH-USDT"),
        ] {
            venue.put(name, found, &Place::Set).expect("fits");
        }
        let hashed: Vec<_> =
            venue.hashed().map(|(field, text)| format!("{} {text}", field.key())).collect();
        assert_eq!(hashed, ["venue.symbols BTC-USDT, ETH-USDT", "venue.dead_man_s 20"]);
        let given: Vec<_> = venue.given().map(|(field, text)| field.in_file(&text)).collect();
        assert_eq!(given, ["[\"BTC-USDT\", \"ETH-USDT\"]", "\"/somewhere/key\"", "20"]);
    }

    #[test]
    fn intervals_go_where_the_settings_are() {
        let (mut venue, mut settings) = (Venue::default(), Settings::default());
        venue.apply_to(&mut settings);
        assert_eq!(settings, Settings::default());
        venue.put("inflight_check_interval_ms", "2000", &Place::Set).expect("fits");
        venue.put("open_check_interval_secs", "5", &Place::Set).expect("fits");
        venue.apply_to(&mut settings);
        let found = (settings.guard_order_silence_ns, settings.guard_probe_interval_ns);
        assert_eq!(found, (2_000_000_000, 5_000_000_000));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let mut venue = Venue::default();
        for (name, found) in [
            ("leverage", "126"),
            ("leverage", "\"3\""),
            ("position_mode", "\"both\""),
            ("position_mode", "hedge"),
            ("symbols", "\"BTC-USDT\""),
            ("rest_url", "\"\""),
            ("flatten_at_end", "1"),
            ("endpoint", "\"x\""),
        ] {
            let problem = venue.put(name, found, &file()).expect_err("does not fit");
            assert_eq!(problem.key, format!("venue.{name}"));
        }
        for field in VenueSection::FIELDS.iter().filter(|field| !field.default.is_empty()) {
            assert!(venue.put(field.name, field.default, &Place::Set).is_ok(), "{}", field.name);
        }
    }
}
