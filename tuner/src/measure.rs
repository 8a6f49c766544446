//! Shares of one and of a hundred, kept apart by type: a win rate of 35 is not a win rate of 0.35.

use serde::{Deserialize, Serialize};

/// A share of one: 0.35 is 35 percent.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fraction(pub f64);

/// A share of a hundred: 35 is 35 percent.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Percent(pub f64);

impl Fraction {
    /// `part` of `whole`; nothing where the whole is zero.
    #[must_use]
    pub fn of(part: u64, whole: u64) -> Option<Self> {
        (whole > 0).then(|| Self(count(part) / count(whole)))
    }
}

impl Percent {
    /// The same share of one.
    #[must_use]
    pub fn fraction(self) -> Fraction {
        Fraction(self.0 / 100.0)
    }
}

/// A count as a float: counts of an hour are far below the 2^53 up to which that is exact.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of a window, far below 2^53")]
pub fn count(n: u64) -> f64 {
    n as f64
}

/// And of three values: false as soon as one is, unknown when the rest does not decide.
#[must_use]
pub const fn and(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        (None, _) | (_, None) => None,
    }
}

/// Or of three values: true as soon as one is, unknown when the rest does not decide.
#[must_use]
pub const fn or(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        (None, _) | (_, None) => None,
    }
}

/// Not, where it is known.
#[must_use]
pub fn not(a: Option<bool>) -> Option<bool> {
    a.map(|known| !known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_nothing_is_unknown() {
        assert_eq!(Fraction::of(0, 0), None);
        assert_eq!(Fraction::of(3, 20), Some(Fraction(0.15)));
        assert_eq!(Percent(35.0).fraction(), Fraction(0.35));
    }

    #[test]
    fn the_unknown_decides_nothing_and_hides_nothing() {
        let (t, f, u) = (Some(true), Some(false), None);
        for (a, b, both, either) in
            [(t, t, t, t), (t, f, f, t), (f, f, f, f), (t, u, u, t), (f, u, f, u), (u, u, u, u)]
        {
            assert_eq!((and(a, b), or(a, b)), (both, either), "{a:?} {b:?}");
            assert_eq!((and(b, a), or(b, a)), (both, either), "{b:?} {a:?}");
        }
    }
}
