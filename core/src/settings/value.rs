//! What a key is and what its value can be.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use crate::id::TextId;
use crate::settings::{Idle, Layout, Mode, Posture, Settings, Sides, VolMode};
use crate::units::{DECIMAL_TEXT_MAX, Money, Rate, print_raw};

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

/// One row of the key table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Dotted name, as in files.
    pub name: &'static str,
    /// Unit; empty for counts, switches and texts.
    pub unit: &'static str,
    /// Accepted values.
    pub domain: Domain,
    /// Largest change per tuner tick; 0 where the tuner does not write.
    pub step: f64,
    /// How much a small change matters.
    pub sensitivity: Sensitivity,
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
}

impl Value {
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
