//! The `[instrument.SYMBOL]` sections: what the operator knows better than the data.

use std::collections::BTreeMap;

use pinion_core::id::TextId;
use pinion_core::instrument::canonical_symbol;
use pinion_core::settings::{Domain, InstrumentOverride, Value};
use pinion_core::units::{Money, Nanos, Price, Qty};

/// Name of the section.
pub const SECTION: &str = "instrument";

/// One field of an override.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Name in files.
    pub name: &'static str,
    /// Accepted values.
    pub domain: Domain,
    /// What it does, in a sentence.
    pub doc: &'static str,
    set: fn(&mut InstrumentOverride, &Value),
    get: fn(&InstrumentOverride) -> Option<Value>,
}

const STEP: Domain = Domain::Decimal { min: 1, max: i64::MAX };

/// Every field of an override.
pub const FIELDS: [Field; 5] = [
    Field {
        name: "tick",
        domain: STEP,
        doc: "Smallest price step.",
        set: |row, value| row.tick = decimal(value).map(Price::from_raw),
        get: |row| row.tick.map(|tick| Value::Decimal(tick.raw())),
    },
    Field {
        name: "lot",
        domain: STEP,
        doc: "Smallest quantity step.",
        set: |row, value| row.lot = decimal(value).map(Qty::from_raw),
        get: |row| row.lot.map(|lot| Value::Decimal(lot.raw())),
    },
    Field {
        name: "min_notional",
        domain: Domain::Decimal { min: 0, max: i64::MAX },
        doc: "Least notional of an order that is not reduce-only.",
        set: |row, value| row.min_notional = decimal(value).map(Money::from_raw),
        get: |row| row.min_notional.map(|least| Value::Decimal(least.raw())),
    },
    Field {
        name: "tradable",
        domain: Domain::Bool,
        doc: "False: may be read but not traded.",
        set: |row, value| {
            row.tradable = if let Value::Bool(yes) = value { Some(*yes) } else { None };
        },
        get: |row| row.tradable.map(Value::Bool),
    },
    Field {
        name: "listed_ns",
        domain: Domain::Int { min: 0, max: i64::MAX },
        doc: "When the venue listed it, ns since 1970 UTC.",
        set: |row, value| {
            row.listed_ns = if let Value::Int(ns) = value { Some(Nanos::new(*ns)) } else { None };
        },
        get: |row| row.listed_ns.map(|listed| Value::Int(listed.get())),
    },
];

fn decimal(value: &Value) -> Option<i64> {
    if let Value::Decimal(raw) = value { Some(*raw) } else { None }
}

/// The given fields of an override: names and canonical texts.
pub fn fields(row: &InstrumentOverride) -> impl Iterator<Item = (&'static str, String)> + '_ {
    FIELDS.iter().filter_map(|field| (field.get)(row).map(|value| (field.name, value.to_text())))
}

/// Splits `instrument.BTC-USDT.tick` into the canonical symbol and the field, when it is one.
pub(super) fn resolve(name: &str) -> Option<(TextId, &'static Field)> {
    let (symbol, field) = name.strip_prefix(SECTION)?.strip_prefix('.')?.rsplit_once('.')?;
    let field = FIELDS.iter().find(|known| known.name == field)?;
    Some((canonical_symbol(symbol)?, field))
}

/// Overrides under construction, by symbol.
#[derive(Debug, Default)]
pub(super) struct Rows(BTreeMap<TextId, InstrumentOverride>);

impl Rows {
    pub(super) fn put(&mut self, symbol: TextId, field: &Field, value: &Value) {
        let row = self.0.entry(symbol).or_insert(InstrumentOverride {
            symbol,
            tick: None,
            lot: None,
            min_notional: None,
            tradable: None,
            listed_ns: None,
        });
        (field.set)(row, value);
    }

    /// Sorted by symbol.
    pub(super) fn into_sorted(self) -> Vec<InstrumentOverride> {
        let mut rows: Vec<InstrumentOverride> = self.0.into_values().collect();
        rows.sort_by(|a, b| a.symbol.as_str().cmp(b.symbol.as_str()));
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_reads_back_what_it_wrote() {
        let symbol = canonical_symbol("btc-usdt").expect("fits");
        for field in &FIELDS {
            let value = match field.domain {
                Domain::Bool => Value::Bool(false),
                Domain::Int { .. } => Value::Int(7),
                _ => Value::Decimal(7),
            };
            let mut rows = Rows::default();
            rows.put(symbol, field, &value);
            let row = rows.into_sorted()[0];
            assert_eq!(fields(&row).collect::<Vec<_>>(), [(field.name, value.to_text())]);
        }
    }

    #[test]
    fn names_resolve_in_any_spelling_of_the_symbol() {
        for name in ["instrument.BTCUSDT.tick", "instrument.btc-usdt.tick"] {
            let (symbol, field) = resolve(name).expect("a field");
            assert_eq!((symbol.as_str(), field.name), ("BTCUSDT", "tick"));
        }
        for name in ["instrument.tick", "instrument.BTCUSDT.tack", "instrument.-.tick", "tick"] {
            assert!(resolve(name).is_none(), "{name}");
        }
    }
}
