//! Wire formats: a venue's bytes to typed frames and back. One folder a venue.

pub mod binance;
pub(crate) mod digits;
