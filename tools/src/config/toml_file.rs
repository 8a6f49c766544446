//! The file layer: TOML, nested tables and dotted keys alike.
//!
//! Numbers are read from their source text, digit by digit: a decimal key takes `0.0005` as written,
//! never through a float.

use pinion_core::settings::check::describe;
use pinion_core::settings::{Domain, KEYS, Settings, Value};
use toml::de::{DeTable, DeValue};

use crate::config::foreign;
use crate::config::instrument::SECTION;
use crate::config::layers::{Given, Mismatch, Stack, unknown};
use crate::config::problem::{FileText, Place, Problem};

/// What the parser says of a key that stands twice.
const DUPLICATE: &str = "duplicate key";

/// Puts every value of the file.
///
/// With a fault of syntax only the syntax is reported: what the parser recovers after one is guesswork.
pub(super) fn read(stack: &mut Stack, file: &FileText) {
    let start = stack.problem_count();
    let (table, errors) = DeTable::parse_recoverable(&file.text);
    let readable = errors.iter().all(|error| error.message() == DUPLICATE);
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        let message = error.message();
        let otherwise = if message == DUPLICATE { "it once" } else { "TOML" };
        let (found, expected) =
            message.split_once(", expected ").map_or((message, otherwise), |halves| halves);
        let key = file.text.get(span.clone()).filter(|_| message == DUPLICATE);
        stack.refuse(Problem {
            place: file.place(span),
            key: key.unwrap_or_default().to_owned(),
            found: found.to_owned(),
            expected: expected.to_owned(),
            hint: None,
        });
    }
    if readable {
        Walk { stack, file }.table("", table.get_ref());
    }
    stack.sort_problems(start);
}

struct Walk<'w> {
    stack: &'w mut Stack,
    file: &'w FileText,
}

impl Walk<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let name = if prefix.is_empty() {
                key.get_ref().to_string()
            } else {
                format!("{prefix}.{}", key.get_ref())
            };
            let name_place = self.file.place(key.span());
            match value.get_ref() {
                DeValue::Table(inner) if !is_key(&name) => {
                    if inner.is_empty() && !is_section(&name) {
                        self.stack.refuse(unknown(&name, name_place));
                    }
                    self.table(&name, inner);
                }
                _ if is_section(&name) => self.not_a_section(name, name_place),
                inner => {
                    let source = self.file.text.get(value.span()).unwrap_or_default();
                    let found = if inner.is_table() { "a table" } else { source };
                    let read = |domain| typed(domain, inner);
                    let given = Given { found, read: &read };
                    self.stack.put(&name, &given, name_place, self.file.place(value.span()));
                }
            }
        }
    }

    fn not_a_section(&mut self, name: String, place: Place) {
        self.stack.refuse(Problem {
            place,
            found: String::from("a value"),
            expected: format!("a section: [{name}]"),
            hint: None,
            key: name,
        });
    }
}

fn is_key(name: &str) -> bool {
    Settings::key(name).is_some() || foreign::why(name).is_some()
}

fn is_section(name: &str) -> bool {
    name == SECTION
        || name
            .strip_prefix(SECTION)
            .and_then(|rest| rest.strip_prefix('.'))
            .is_some_and(|symbol| !symbol.contains('.') && !symbol.is_empty())
        || KEYS.iter().any(|key| key.name.split_once('.').is_some_and(|(first, _)| first == name))
}

/// Reads a TOML value as one of the domain.
fn typed(domain: Domain, value: &DeValue<'_>) -> Result<Value, Mismatch> {
    let hinted = |hint: &str| Mismatch { expected: describe(domain), hint: Some(hint.to_owned()) };
    match (domain, value) {
        (Domain::Int { .. }, DeValue::Integer(_)) => {
            Ok(Value::parse(domain, &number(value).ok_or_else(|| describe(domain))?)?)
        }
        (Domain::Int { .. } | Domain::Float { .. } | Domain::Bool, DeValue::String(_)) => {
            Err(hinted("write it without quotes"))
        }
        (Domain::Int { .. }, DeValue::Float(_)) => Err(hinted("write it without a point")),
        (
            Domain::Float { .. } | Domain::Decimal { .. },
            DeValue::Integer(_) | DeValue::Float(_),
        ) => Ok(Value::parse(domain, &number(value).ok_or_else(|| describe(domain))?)?),
        (Domain::Bool, DeValue::Boolean(yes)) => Ok(Value::Bool(*yes)),
        (Domain::Decimal { .. } | Domain::Choice(_) | Domain::Symbol, DeValue::String(text)) => {
            Ok(Value::parse(domain, text)?)
        }
        (Domain::Symbols { .. }, DeValue::Array(items)) => {
            let texts = items.iter().map(|item| item.get_ref().as_str().map(str::to_owned));
            list(domain, texts)
        }
        (Domain::Fractions | Domain::Cores, DeValue::Array(items)) => {
            list(domain, items.iter().map(|item| number(item.get_ref())))
        }
        (Domain::Symbols { .. } | Domain::Fractions | Domain::Cores, _) => {
            Err(hinted("write a list in brackets: [a, b]"))
        }
        (Domain::Choice(_) | Domain::Symbol, _) => Err(hinted("write a text in quotes")),
        (Domain::Int { .. } | Domain::Float { .. } | Domain::Bool | Domain::Decimal { .. }, _) => {
            Err(describe(domain).into())
        }
    }
}

/// The digits of a number as written, in base ten; `None` for what is no number or is too large.
fn number(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::Integer(whole) if whole.radix() == 10 => Some(unsigned_plus(whole.as_str())),
        DeValue::Integer(whole) => {
            i64::from_str_radix(whole.as_str(), whole.radix()).ok().map(|value| value.to_string())
        }
        DeValue::Float(float) => Some(unsigned_plus(float.as_str())),
        _ => None,
    }
}

/// TOML allows `+1`; our decimals do not.
fn unsigned_plus(text: &str) -> String {
    text.strip_prefix('+').unwrap_or(text).to_owned()
}

/// A list from the texts of its items; `None` among them is an item of another type.
fn list(domain: Domain, items: impl Iterator<Item = Option<String>>) -> Result<Value, Mismatch> {
    let mut texts = Vec::new();
    // A comma would be read as two items.
    for item in items {
        match item.filter(|text| !text.contains(',') && !text.trim().is_empty()) {
            Some(text) => texts.push(text),
            None => return Err(describe(domain).into()),
        }
    }
    Ok(Value::parse(domain, &texts.join(","))?)
}
