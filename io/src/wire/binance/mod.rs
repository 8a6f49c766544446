//! Binance: frames of the market streams (USD-M, COIN-M, spot) and the REST depth snapshot.

mod decode;
mod fault;
mod frame;
mod plain;
mod tape;

pub use decode::{Decoder, PADDING};
pub use fault::{DecodeFault, FaultKind};
pub use frame::{BookTicker, Depth, DepthKind, Frame, Levels, Mark, Trade, is_inverse};

#[cfg(test)]
mod tests;
