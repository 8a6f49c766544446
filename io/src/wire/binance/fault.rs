//! Why a frame cannot be decoded.

use core::fmt;

/// Whether the frame is broken, or fine but beyond our numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Not what the venue sends: malformed JSON, a missing field, a wrong type, no number.
    Unreadable,
    /// A decimal with more than eight places: readable, but it would have to be rounded.
    TooPrecise,
}

/// Why a frame cannot be decoded. Allocates; made only when something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeFault {
    /// Broken, or beyond our numbers.
    pub kind: FaultKind,
    /// What was found, with the field's name.
    pub found: String,
    /// What was expected.
    pub expected: String,
}

impl DecodeFault {
    pub(super) fn unreadable(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { kind: FaultKind::Unreadable, found: found.into(), expected: expected.into() }
    }
}

impl fmt::Display for DecodeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; expected {}", self.found, self.expected)
    }
}
