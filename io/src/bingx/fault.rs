//! Why bytes of the venue cannot be read. Made without allocating, so that a flood of bad frames costs
//! no more than good ones.

use core::fmt;

pinion_core::text_enum! {
    /// What is wrong with the bytes.
    pub enum FaultKind {
        /// No gzip member, or a broken one.
        Gzip => "gzip",
        /// Larger than the caps allow.
        TooLarge => "too_large",
        /// No JSON.
        Json => "json",
        /// A field is missing.
        Missing => "missing",
        /// A field has another type or form than was agreed.
        Wrong => "wrong",
        /// A number does not fit the engine's fixed point.
        OutOfRange => "out_of_range",
    }
}

/// Why bytes cannot be read: the kind, the field or part, what was expected there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// The field's key, or the part of the frame.
    pub field: &'static str,
    /// What was expected.
    pub expected: &'static str,
    /// Byte where it was noticed; 0 when there is no single place.
    pub at: u32,
}

impl Fault {
    pub(super) const fn new(
        kind: FaultKind,
        field: &'static str,
        expected: &'static str,
        at: u32,
    ) -> Self {
        Self { kind, field, expected, at }
    }

    /// A field that must be there is not.
    pub(super) const fn missing(field: &'static str) -> Self {
        Self::new(FaultKind::Missing, field, "it to be there", 0)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, field, expected, at } = *self;
        let kind = kind.as_str();
        if at == 0 {
            write!(f, "{field}: {kind}; expected {expected}")
        } else {
            write!(f, "{field} at byte {at}: {kind}; expected {expected}")
        }
    }
}
