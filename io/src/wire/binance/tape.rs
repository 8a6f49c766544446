//! One JSON object on a simd-json tape, its fields found in one pass.

use pinion_core::book::Level;
use pinion_core::units::{DecimalFault, Nanos, Price, Qty, parse_raw};
use simd_json::{Node, StaticNode};

use super::fault::{DecodeFault, FaultKind};

const NS_PER_MS: i64 = 1_000_000;
/// Longest piece of a foreign value that a message quotes.
const QUOTED_MAX: usize = 40;

macro_rules! fields {
    ($($field:ident = $key:literal,)*) => {
        /// Where each known key's value starts on the tape; 0 (the root) means absent.
        #[derive(Clone, Copy, Debug, Default)]
        pub(super) struct Fields { $(pub(super) $field: u32,)* }

        impl Fields {
            fn slot(&mut self, key: &str) -> Option<&mut u32> {
                match key { $($key => Some(&mut self.$field),)* _ => None }
            }
        }
    };
}
fields! {
    event = "e", sent = "E", time = "T", symbol = "s", id_last = "u", id_first = "U", id_previous = "pu",
    b = "b", bid_qty = "B", a = "a", ask_qty = "A", p = "p", q = "q", trade_id = "t", maker = "m",
    trade_kind = "X", index = "i", rate = "r", snapshot_id = "lastUpdateId", bids = "bids", asks = "asks",
    symbol_long = "symbol", stream = "stream", data = "data", url = "url", body = "body",
    result = "result", error = "error", id = "id",
}

/// Nodes that a value takes on the tape.
pub(super) const fn span(node: &Node<'_>) -> usize {
    match node {
        Node::Object { count, .. } | Node::Array { count, .. } => *count + 1,
        Node::String(_) | Node::Static(_) => 1,
    }
}

/// An object on the tape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Object<'t, 'a> {
    tape: &'t [Node<'a>],
    pub(super) fields: Fields,
}

impl<'t, 'a> Object<'t, 'a> {
    /// Reads the object that starts at `at`; `None` when something else stands there.
    pub(super) fn at(tape: &'t [Node<'a>], at: usize) -> Option<Self> {
        let Some(Node::Object { len, .. }) = tape.get(at) else { return None };
        let mut fields = Fields::default();
        let mut cursor = at + 1;
        for _ in 0..*len {
            let Some(Node::String(key)) = tape.get(cursor) else { return None };
            let value = tape.get(cursor + 1)?;
            if let Some(slot) = fields.slot(key) {
                *slot = u32::try_from(cursor + 1).ok()?;
            }
            cursor += 1 + span(value);
        }
        Some(Self { tape, fields })
    }

    /// The object that a field holds.
    pub(super) fn object(&self, field: u32) -> Option<Self> {
        if field == 0 { None } else { Self::at(self.tape, field as usize) }
    }

    pub(super) fn node(&self, field: u32) -> Option<&'t Node<'a>> {
        if field == 0 { None } else { self.tape.get(field as usize) }
    }

    pub(super) fn text(&self, field: u32) -> Option<&'a str> {
        match self.node(field) {
            Some(Node::String(text)) => Some(text),
            Some(Node::Object { .. } | Node::Array { .. } | Node::Static(_)) | None => None,
        }
    }

    /// A text that must be there.
    pub(super) fn required_text(&self, field: u32, name: &str) -> Result<&'a str, DecodeFault> {
        self.text(field).ok_or_else(|| self.wrong(field, name, "a text"))
    }

    /// A whole number that must be there.
    pub(super) fn number(&self, field: u32, name: &str) -> Result<u64, DecodeFault> {
        match self.node(field) {
            Some(Node::Static(StaticNode::U64(number))) => Some(*number),
            Some(Node::Static(StaticNode::I64(number))) => u64::try_from(*number).ok(),
            Some(Node::Static(_) | Node::String(_) | Node::Object { .. } | Node::Array { .. })
            | None => None,
        }
        .ok_or_else(|| self.wrong(field, name, "a whole number"))
    }

    /// A whole number that may be absent.
    pub(super) fn optional_number(
        &self,
        field: u32,
        name: &str,
    ) -> Result<Option<u64>, DecodeFault> {
        if field == 0 { Ok(None) } else { self.number(field, name).map(Some) }
    }

    /// A time in ms that may be absent.
    pub(super) fn time(&self, field: u32, name: &str) -> Result<Option<Nanos>, DecodeFault> {
        let Some(ms) = self.optional_number(field, name)? else { return Ok(None) };
        i64::try_from(ms)
            .ok()
            .and_then(|ms| ms.checked_mul(NS_PER_MS))
            .map(|ns| Some(Nanos::new(ns)))
            .ok_or_else(|| self.wrong(field, name, "a time in ms since 1970"))
    }

    pub(super) fn flag(&self, field: u32, name: &str) -> Result<bool, DecodeFault> {
        match self.node(field) {
            Some(Node::Static(StaticNode::Bool(flag))) => Ok(*flag),
            Some(Node::Static(_) | Node::String(_) | Node::Object { .. } | Node::Array { .. })
            | None => Err(self.wrong(field, name, "true or false")),
        }
    }

    /// A decimal text that must be there, as raw units.
    pub(super) fn decimal(&self, field: u32, name: &str) -> Result<i64, DecodeFault> {
        match self.text(field) {
            Some(text) => decimal(text, name),
            None => Err(self.wrong(field, name, "a decimal as text")),
        }
    }

    /// A decimal text that may be absent or empty.
    pub(super) fn optional_decimal(
        &self,
        field: u32,
        name: &str,
    ) -> Result<Option<i64>, DecodeFault> {
        if field == 0 || self.text(field) == Some("") {
            return Ok(None);
        }
        self.decimal(field, name).map(Some)
    }

    /// A list of `["price","qty"]` that must be there.
    pub(super) fn levels(
        &self,
        field: u32,
        name: &str,
        out: &mut Vec<Level>,
    ) -> Result<(), DecodeFault> {
        out.clear();
        let Some(Node::Array { len, .. }) = self.node(field) else {
            return Err(self.wrong(field, name, "a list of [price, quantity]"));
        };
        let mut at = field as usize + 1;
        for _ in 0..*len {
            let [Node::Array { len: 2, .. }, Node::String(price), Node::String(qty)] =
                self.tape.get(at..at + 3).unwrap_or_default()
            else {
                return Err(DecodeFault::unreadable(
                    format!("{name:?} holds {}", self.quote(at)),
                    "levels like [\"61659.70\",\"1.486\"]",
                ));
            };
            out.push(Level {
                price: Price::from_raw(decimal(price, name)?),
                qty: Qty::from_raw(decimal(qty, name)?),
            });
            at += 3;
        }
        Ok(())
    }

    #[cold]
    fn wrong(&self, field: u32, name: &str, expected: &str) -> DecodeFault {
        let found = if field == 0 {
            format!("no field {name:?}")
        } else {
            format!("field {name:?} is {}", self.quote(field as usize))
        };
        DecodeFault::unreadable(found, expected)
    }

    fn quote(&self, at: usize) -> String {
        match self.tape.get(at) {
            Some(Node::String(text)) => quoted(text),
            Some(Node::Static(value)) => value.to_string(),
            Some(Node::Object { .. }) => "an object".into(),
            Some(Node::Array { len, .. }) => format!("a list of {len}"),
            None => "nothing".into(),
        }
    }
}

fn decimal(text: &str, name: &str) -> Result<i64, DecodeFault> {
    parse_raw(text.as_bytes()).map_err(|fault| {
        let kind = match fault {
            DecimalFault::TooPrecise => FaultKind::TooPrecise,
            DecimalFault::Empty | DecimalFault::Malformed | DecimalFault::TooLarge => {
                FaultKind::Unreadable
            }
        };
        let found = format!("field {name:?} is {}", quoted(text));
        DecodeFault { kind, found, expected: fault.expected().into() }
    })
}

fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED_MAX) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
