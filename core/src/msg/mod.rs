//! Messages: what travels over the links, and the kernel's whole input alphabet.
//!
//! Every message is `Copy`, 64 or 128 bytes (asserted below), carries its own timestamps, and holds
//! no float where money is meant. A value that may be missing is a [`Maybe`] or an `Option`, never
//! zero.

pub mod command;
pub mod control;
pub mod funnel;
pub mod market;
pub mod record;
pub mod scan;
pub mod venue;

pub use command::{
    Command, CommandMsg, OrderKind, OrderRole, PositionSide, ProbeKind, Side, TimeInForce,
};
pub use control::{Control, ControlMsg};
pub use market::{MarketBody, MarketKind, MarketMsg};
pub use record::{Record, RecordMsg};
pub use scan::{Modifiers, Rank, Scan, ScanMsg};
pub use venue::{ClientRef, VenueEvent, VenueMsg};

use core::fmt;
use core::marker::PhantomData;

use crate::units::{Money, Nanos, Price, Qty, Rate};

/// A value that fits eight bytes and may be missing; `i64::MIN` is reserved for "missing".
pub struct Maybe<T> {
    raw: i64,
    of: PhantomData<T>,
}

/// A type of [`Maybe`]: eight bytes that never hold `i64::MIN`.
pub trait Word: Copy {
    /// To the word.
    fn to_word(self) -> i64;
    /// From the word.
    fn from_word(word: i64) -> Self;
}

macro_rules! word {
    ($($name:ident: $to:ident, $from:ident;)*) => {$(
        impl Word for $name {
            fn to_word(self) -> i64 {
                self.$to()
            }
            fn from_word(word: i64) -> Self {
                Self::$from(word)
            }
        }
    )*};
}
word! {
    Price: raw, from_raw;
    Qty: raw, from_raw;
    Money: raw, from_raw;
    Rate: raw, from_raw;
    Nanos: get, new;
}

/// A finite figure that may be missing, in eight bytes: what is not a number is missing.
#[derive(Clone, Copy, Debug)]
pub struct MaybeFloat(f64);

impl MaybeFloat {
    /// As an `Option`.
    #[must_use]
    pub fn get(self) -> Option<f64> {
        Some(self.0).filter(|value| !value.is_nan())
    }
}

impl From<Option<f64>> for MaybeFloat {
    fn from(value: Option<f64>) -> Self {
        Self(value.unwrap_or(f64::NAN))
    }
}

impl PartialEq for MaybeFloat {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Word> Maybe<T> {
    /// Missing.
    pub const NONE: Self = Self { raw: i64::MIN, of: PhantomData };

    /// Present.
    #[must_use]
    pub fn some(value: T) -> Self {
        Self { raw: value.to_word(), of: PhantomData }
    }

    /// As an `Option`.
    #[must_use]
    pub fn get(self) -> Option<T> {
        (self.raw != i64::MIN).then(|| T::from_word(self.raw))
    }
}

impl<T> serde::Serialize for Maybe<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.raw)
    }
}
impl<'de, T> serde::Deserialize<'de> for Maybe<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <i64 as serde::Deserialize>::deserialize(deserializer)?;
        Ok(Self { raw, of: PhantomData })
    }
}

impl<T: Word> From<Option<T>> for Maybe<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::NONE, Self::some)
    }
}

impl<T> Clone for Maybe<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Maybe<T> {}
impl<T> PartialEq for Maybe<T> {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}
impl<T> Eq for Maybe<T> {}
impl<T: Word> Default for Maybe<T> {
    fn default() -> Self {
        Self::NONE
    }
}
impl<T: Word + fmt::Debug> fmt::Debug for Maybe<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// A closed set of names: the enum, its texts for people and files, and the way back.
#[macro_export]
macro_rules! text_enum {
    ($(#[$meta:meta])* $vis:vis enum $name:ident {
        $($(#[$vmeta:meta])* $variant:ident => $text:literal,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        $vis enum $name { $($(#[$vmeta])* $variant,)* }

        impl $name {
            /// Every variant, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
            /// Every text, in declaration order.
            pub const TEXTS: &'static [&'static str] = &[$($text,)*];

            /// The text used in files and on the wire of the project's own formats.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Reads the text.
            #[must_use]
            pub fn from_text(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }

            /// Position in [`Self::ALL`].
            #[must_use]
            pub const fn code(self) -> u8 {
                self as u8
            }

            /// From a position in [`Self::ALL`].
            #[must_use]
            pub fn from_code(code: u8) -> Option<Self> {
                Self::ALL.get(usize::from(code)).copied()
            }
        }

        impl $crate::serde::Serialize for $name {
            fn serialize<S: $crate::serde::Serializer>(
                &self,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                serializer.serialize_u8(self.code())
            }
        }

        impl<'de> $crate::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Self, D::Error> {
                let code = <u8 as $crate::serde::Deserialize>::deserialize(deserializer)?;
                Self::from_code(code).ok_or_else(|| {
                    <D::Error as $crate::serde::de::Error>::custom(concat!(
                        "expected a code of ",
                        stringify!($name)
                    ))
                })
            }
        }
    };
}

/// One kernel input: everything that can change its state, in the order in which it is applied.
///
/// The input journal is a sequence of these; replaying it reproduces every output to the byte.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Input {
    /// A market event of one instrument.
    Market(MarketMsg),
    /// Something the venue said about our orders or account.
    Venue(VenueMsg),
    /// A result of the signal stage.
    Scan(ScanMsg),
    /// Something the operator or the process said.
    Control(ControlMsg),
    /// From here on the settings snapshot with this version is in force.
    Settings {
        /// Version of the snapshot; its content stands in the journal once per version.
        version: u32,
    },
    /// Time passed.
    Tick,
}

const _: () = {
    assert!(size_of::<MarketMsg>() == 64 && align_of::<MarketMsg>() == 64);
    assert!(size_of::<ControlMsg>() == 64 && align_of::<ControlMsg>() == 64);
    assert!(size_of::<VenueMsg>() == 128 && align_of::<VenueMsg>() == 64);
    assert!(size_of::<CommandMsg>() == 64 && align_of::<CommandMsg>() == 64);
    assert!(size_of::<ScanMsg>() == 128 && align_of::<ScanMsg>() == 64);
    assert!(size_of::<RecordMsg>() == 128 && align_of::<RecordMsg>() == 64);
};
