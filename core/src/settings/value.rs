//! What a key is and what its value can be.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use crate::id::TextId;
use crate::instrument::canonical_symbol;
use crate::settings::check::describe;
use crate::settings::{
    Exhaust, Idle, Layout, MarketMode, Miss, Mode, Posture, Settings, Sides, Style, VolMode,
};
use crate::units::{DECIMAL_TEXT_MAX, Money, Rate, parse_raw, print_raw};

/// A value of a key, typed.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// A float: for signals and sizing.
    Float(f64),
    /// A switch.
    Bool(bool),
    /// A fixed-point decimal, in raw units of 1e-8.
    Decimal(i64),
    /// One of the texts of a [`Domain::Choice`].
    Choice(&'static str),
    /// A symbol, canonical.
    Symbol(TextId),
    /// Symbols, canonical.
    Symbols(Vec<TextId>),
    /// Positive fractions that sum to one.
    Fractions(Vec<f64>),
    /// Core numbers; empty means the program chooses.
    Cores(Vec<i64>),
}

/// What values a key accepts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Domain {
    /// Whole numbers in a range, both ends included.
    Int {
        /// Least.
        min: i64,
        /// Greatest.
        max: i64,
    },
    /// Finite floats in a range, both ends included.
    Float {
        /// Least.
        min: f64,
        /// Greatest.
        max: f64,
    },
    /// true or false.
    Bool,
    /// Decimals in a range of raw units of 1e-8, both ends included.
    Decimal {
        /// Least.
        min: i64,
        /// Greatest.
        max: i64,
    },
    /// One of a few texts.
    Choice(&'static [&'static str]),
    /// One symbol.
    Symbol,
    /// A list of at most `max` different symbols.
    Symbols {
        /// Longest list.
        max: usize,
    },
    /// One to eight fractions in (0, 1] that sum to 1.
    Fractions,
    /// A list of different core numbers.
    Cores,
}

crate::text_enum! {
    /// When a new value can take effect.
    pub enum Apply {
        /// At the next turn.
        Hot => "hot",
        /// When nothing is open.
        NeedsFlat => "needs_flat",
        /// At the next start.
        Restart => "restart",
    }
}

crate::text_enum! {
    /// Who may write a key. One writer per key.
    pub enum Writer {
        /// The operator, by file or command line.
        Operator => "operator",
        /// The tuner, within range and step; the operator sets its baseline.
        Tuner => "tuner",
    }
}

crate::text_enum! {
    /// How much a small change of the key changes the run.
    pub enum Sensitivity {
        /// Little.
        Low => "low",
        /// Some.
        Medium => "medium",
        /// Much.
        High => "high",
    }
}

crate::text_enum! {
    /// What a key matters for.
    pub enum Importance {
        /// How many candidates become entries.
        Flow => "flow",
        /// By which lane, and by which order, an entry goes.
        Routing => "routing",
        /// How much can be lost.
        Risk => "risk",
        /// Which candidates are good enough.
        EntryQuality => "entry_quality",
        /// How a position ends.
        Exit => "exit",
        /// How many different assets are entered.
        Diversification => "diversification",
        /// What counts as data, and which lanes are trusted.
        SourceQuality => "source_quality",
        /// What keeps the account from harm.
        Safety => "safety",
        /// How the program runs; no decision depends on it.
        Operation => "operation",
    }
}

/// One row of the key table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Dotted name, as in files.
    pub name: &'static str,
    /// Other names it may be given by, whatever their case: those of the systems that the setting comes from.
    pub aliases: &'static [&'static str],
    /// Unit; empty for counts, switches and texts.
    pub unit: &'static str,
    /// Accepted values.
    pub domain: Domain,
    /// Largest change per tuner tick; 0 where the tuner does not write.
    pub step: f64,
    /// How much a small change matters.
    pub sensitivity: Sensitivity,
    /// What it matters for.
    pub importance: Importance,
    /// When a new value takes effect.
    pub apply: Apply,
    /// Who writes it.
    pub writer: Writer,
    /// Never touched by anything but the operator's own file and command line.
    pub protected: bool,
    /// What it does, in a sentence.
    pub doc: &'static str,
    /// Reads it.
    pub get: fn(&Settings) -> Value,
    /// Writes it; false when the value's type is wrong.
    pub set: fn(&mut Settings, &Value) -> bool,
}

/// A type that can be a field of [`Settings`].
pub(crate) trait Field: Sized {
    fn to_value(&self) -> Value;
    fn from_value(value: &Value) -> Option<Self>;
}

macro_rules! plain_field {
    ($($type:ty: $variant:ident;)*) => {$(
        impl Field for $type {
            fn to_value(&self) -> Value {
                Value::$variant(self.clone())
            }
            fn from_value(value: &Value) -> Option<Self> {
                if let Value::$variant(inner) = value { Some(inner.clone()) } else { None }
            }
        }
    )*};
}
plain_field! {
    i64: Int;
    f64: Float;
    bool: Bool;
    TextId: Symbol;
    Vec<TextId>: Symbols;
    Vec<f64>: Fractions;
    Vec<i64>: Cores;
}

macro_rules! decimal_field {
    ($($type:ty;)*) => {$(
        impl Field for $type {
            fn to_value(&self) -> Value {
                Value::Decimal(self.raw())
            }
            fn from_value(value: &Value) -> Option<Self> {
                if let Value::Decimal(raw) = value { Some(Self::from_raw(*raw)) } else { None }
            }
        }
    )*};
}
decimal_field! {
    Money;
    Rate;
}

macro_rules! choice_field {
    ($($type:ty;)*) => {$(
        impl Field for $type {
            fn to_value(&self) -> Value {
                Value::Choice(self.as_str())
            }
            fn from_value(value: &Value) -> Option<Self> {
                if let Value::Choice(text) = value { Self::from_text(text) } else { None }
            }
        }
    )*};
}
choice_field! {
    Mode;
    Layout;
    Idle;
    Sides;
    Posture;
    VolMode;
    MarketMode;
    Style;
    Miss;
    Exhaust;
}

impl Domain {
    /// Name of the type, as in the key table: `int`, `float`, `bool`, `decimal`, `choice`, `symbol`,
    /// `symbols`, `fractions`, `cores`.
    #[must_use]
    pub const fn type_name(self) -> &'static str {
        match self {
            Self::Int { .. } => "int",
            Self::Float { .. } => "float",
            Self::Bool => "bool",
            Self::Decimal { .. } => "decimal",
            Self::Choice(_) => "choice",
            Self::Symbol => "symbol",
            Self::Symbols { .. } => "symbols",
            Self::Fractions => "fractions",
            Self::Cores => "cores",
        }
    }
}

impl Value {
    /// Reads the text form of [`Value::to_text`]: lists are comma separated, blanks around items are
    /// dropped, an empty text is an empty list. Ranges are not checked here.
    ///
    /// # Errors
    /// What was expected, for a person.
    pub fn parse(domain: Domain, text: &str) -> Result<Self, String> {
        let items = || text.split(',').map(str::trim).filter(|_| !text.trim().is_empty());
        let value = match domain {
            Domain::Int { .. } => text.parse().ok().map(Self::Int),
            Domain::Float { .. } => parse_float(text).map(Self::Float),
            Domain::Bool => text.parse().ok().map(Self::Bool),
            Domain::Decimal { .. } => match parse_raw(text.as_bytes()) {
                Ok(raw) => Some(Self::Decimal(raw)),
                Err(fault) => return Err(String::from(fault.expected())),
            },
            Domain::Choice(texts) => {
                texts.iter().find(|known| **known == text).map(|known| Self::Choice(known))
            }
            Domain::Symbol => canonical_symbol(text).map(Self::Symbol),
            Domain::Symbols { .. } => {
                items().map(canonical_symbol).collect::<Option<_>>().map(Self::Symbols)
            }
            Domain::Fractions => {
                items().map(parse_float).collect::<Option<_>>().map(Self::Fractions)
            }
            Domain::Cores => {
                items().map(|item| item.parse().ok()).collect::<Option<_>>().map(Self::Cores)
            }
        };
        value.ok_or_else(|| describe(domain))
    }

    /// The canonical text: what the configuration hash and the logs use. Floats print shortest exact.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        let joined = |out: &mut String, items: &mut dyn Iterator<Item = String>| {
            for (index, item) in items.enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&item);
            }
        };
        let written = match self {
            Self::Int(value) => write!(out, "{value}"),
            Self::Float(value) => write!(out, "{value}"),
            Self::Bool(value) => write!(out, "{value}"),
            Self::Decimal(raw) => {
                out.push_str(print_raw(*raw, &mut [0; DECIMAL_TEXT_MAX]));
                Ok(())
            }
            Self::Choice(text) => {
                out.push_str(text);
                Ok(())
            }
            Self::Symbol(symbol) => write!(out, "{symbol}"),
            Self::Symbols(symbols) => {
                joined(&mut out, &mut symbols.iter().map(|symbol| alloc::format!("{symbol}")));
                Ok(())
            }
            Self::Fractions(items) => {
                joined(&mut out, &mut items.iter().map(|item| alloc::format!("{item}")));
                Ok(())
            }
            Self::Cores(items) => {
                joined(&mut out, &mut items.iter().map(|item| alloc::format!("{item}")));
                Ok(())
            }
        };
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
        out
    }
}

/// A finite float; `-0` reads as `0`, so that equal settings have one text and one hash.
fn parse_float(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|value| value.is_finite()).map(|value| value + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::KEYS;

    #[test]
    fn every_default_reads_back_from_its_own_text() {
        for key in KEYS {
            let value = (key.get)(&Settings::default());
            assert_eq!(Value::parse(key.domain, &value.to_text()), Ok(value), "{}", key.name);
        }
    }

    #[test]
    fn lists_are_comma_separated_and_may_be_empty() {
        let parse = |domain, text| Value::parse(domain, text).map(|value| value.to_text());
        let symbols = Domain::Symbols { max: 4 };
        assert_eq!(parse(symbols, "btc-usdt, ETH/USDT").as_deref(), Ok("BTCUSDT,ETHUSDT"));
        assert_eq!(parse(symbols, " ").as_deref(), Ok(""));
        assert_eq!(parse(Domain::Cores, "2,0,1").as_deref(), Ok("2,0,1"));
        assert_eq!(parse(Domain::Fractions, "0.25,0.75").as_deref(), Ok("0.25,0.75"));
        assert!(parse(Domain::Cores, "1,,2").is_err());
        assert!(parse(symbols, "BTCUSDT,").is_err());
    }

    #[test]
    fn texts_of_another_type_are_refused_with_what_was_expected() {
        let int = Domain::Int { min: 1, max: 9 };
        let float = Domain::Float { min: 0.0, max: 1.0 };
        let decimal = Domain::Decimal { min: 0, max: 9 };
        for (domain, text, expected) in [
            (int, "5.0", "a whole number from 1 to 9"),
            (int, "99999999999999999999", "a whole number from 1 to 9"),
            (float, "NaN", "a number from 0 to 1"),
            (float, "inf", "a number from 0 to 1"),
            (float, "1e400", "a number from 0 to 1"),
            (Domain::Bool, "yes", "true or false"),
            (decimal, "1e-3", "a plain decimal like -12.5 (no exponent, no NaN or inf, no spaces)"),
            (decimal, "0.000000001", "at most 8 decimals"),
            (Domain::Choice(&["a", "b"]), "A", "one of a, b"),
            (Domain::Symbol, "-", "a symbol like BTCUSDT"),
        ] {
            assert_eq!(Value::parse(domain, text), Err(String::from(expected)), "{text}");
        }
    }

    #[test]
    fn minus_zero_is_zero() {
        let domain = Domain::Float { min: -1.0, max: 1.0 };
        assert_eq!(Value::parse(domain, "-0.0").map(|value| value.to_text()).as_deref(), Ok("0"));
    }
}
