//! What is allowed, and the one formula that a venue's fill needs.

use crate::SCALE;

/// An instrument as the venue trades it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instrument {
    /// Price step.
    pub tick: i64,
    /// Quantity step.
    pub lot: i64,
    /// Least notional of an order that opens; a position below it is dust.
    pub min_notional: i64,
}

/// What the run is allowed to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Round trips at a time.
    pub slots: usize,
    /// By index.
    pub instruments: Vec<Instrument>,
}

/// Price × quantity with eight decimals, rounded half to even.
#[must_use]
pub const fn notional(price: i64, qty: i64) -> i128 {
    let product = price as i128 * qty as i128;
    let (whole, rest) = (product.div_euclid(SCALE), product.rem_euclid(SCALE));
    let twice = rest * 2;
    if twice > SCALE || (twice == SCALE && whole.rem_euclid(2) == 1) { whole + 1 } else { whole }
}
