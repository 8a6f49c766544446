//! The venue's own words, as closed sets. Read without regard to case, because both cases occur.

use pinion_core::msg::venue::VenueOrderState;
use pinion_core::msg::{PositionSide, Side};

pinion_core::text_enum! {
    /// State of an order, in both of the venue's spellings of "cancelled".
    pub enum OrderState {
        /// Accepted.
        New => "NEW",
        /// Open; what REST answers for a resting order.
        Pending => "PENDING",
        /// Open, conditional.
        Working => "WORKING",
        /// Open, algorithmic.
        Running => "RUNNING",
        /// Open, partly filled.
        PartiallyFilled => "PARTIALLY_FILLED",
        /// Over, all filled.
        Filled => "FILLED",
        /// Over, cancelled.
        Cancelled => "CANCELLED",
        /// Over, cancelled.
        Canceled => "CANCELED",
        /// Over, refused.
        Failed => "FAILED",
        /// Over, expired.
        Expired => "EXPIRED",
    }
}

impl OrderState {
    /// The engine's word; `filled` tells whether anything of an open order is filled.
    #[must_use]
    pub const fn engine(self, filled: bool) -> VenueOrderState {
        match self {
            Self::New | Self::Pending | Self::Working | Self::Running => {
                if filled {
                    VenueOrderState::PartiallyFilled
                } else {
                    VenueOrderState::New
                }
            }
            Self::PartiallyFilled => VenueOrderState::PartiallyFilled,
            Self::Filled => VenueOrderState::Filled,
            Self::Cancelled | Self::Canceled => VenueOrderState::Canceled,
            Self::Failed => VenueOrderState::Rejected,
            Self::Expired => VenueOrderState::Expired,
        }
    }

    /// How far in its life: an order never goes back.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::New | Self::Pending | Self::Working | Self::Running => 0,
            Self::PartiallyFilled => 1,
            Self::Filled | Self::Cancelled | Self::Canceled | Self::Failed | Self::Expired => 2,
        }
    }
}

pinion_core::text_enum! {
    /// What an order event of the account stream tells.
    pub enum Execution {
        /// Accepted.
        New => "NEW",
        /// Traded; also seen on a trigger order that only went off.
        Trade => "TRADE",
        /// Cancelled.
        Canceled => "CANCELED",
        /// Liquidation or auto-deleveraging.
        Calculated => "CALCULATED",
        /// Expired.
        Expired => "EXPIRED",
    }
}

pinion_core::text_enum! {
    /// Order types that a bot meets on its account, its own or not.
    pub enum OrderType {
        /// At whatever the book gives.
        Market => "MARKET",
        /// At the price or better.
        Limit => "LIMIT",
        /// Limit order behind a trigger.
        Stop => "STOP",
        /// Market order behind a trigger.
        StopMarket => "STOP_MARKET",
        /// Limit order behind a trigger.
        TakeProfit => "TAKE_PROFIT",
        /// Market order behind a trigger.
        TakeProfitMarket => "TAKE_PROFIT_MARKET",
        /// Limit order behind a trigger.
        TriggerLimit => "TRIGGER_LIMIT",
        /// Market order behind a trigger.
        TriggerMarket => "TRIGGER_MARKET",
        /// Trails the price.
        TrailingStopMarket => "TRAILING_STOP_MARKET",
        /// Trails the price.
        TrailingTpSl => "TRAILING_TP_SL",
        /// The venue's own, against a position that lost its margin.
        Liquidation => "LIQUIDATION",
        /// The venue's own, against a position on the other side of a liquidation.
        Adl => "ADL",
    }
}

pinion_core::text_enum! {
    /// Position side of a message.
    pub enum WireSide {
        /// Long.
        Long => "LONG",
        /// Short.
        Short => "SHORT",
        /// One-way mode: the side of the order tells.
        Both => "BOTH",
    }
}

pinion_core::text_enum! {
    /// Whether an account holds long and short of one symbol apart.
    pub enum PositionMode {
        /// Both directions at once, orders name the one they are of.
        Hedge => "hedge",
        /// One net position.
        OneWay => "one_way",
    }
}

pinion_core::text_enum! {
    /// How margin is kept.
    pub enum MarginType {
        /// Apart for each position.
        Isolated => "ISOLATED",
        /// Shared by all.
        Crossed => "CROSSED",
        /// Apart for each order's position.
        SeparateIsolated => "SEPARATE_ISOLATED",
    }
}

pinion_core::text_enum! {
    /// Why the account changed.
    pub enum Reason {
        /// An order traded.
        Order => "ORDER",
        /// Funding was exchanged.
        FundingFee => "FUNDING_FEE",
        /// Money came in.
        Deposit => "DEPOSIT",
        /// Money went out.
        Withdraw => "WITHDRAW",
        /// Money moved between wallets.
        AssetTransfer => "ASSET_TRANSFER",
    }
}

/// Finds a word of a closed set without regard to case.
pub(super) fn word<T: Copy>(all: &[T], text: impl Fn(T) -> &'static str, found: &str) -> Option<T> {
    all.iter().copied().find(|known| text(*known).eq_ignore_ascii_case(found))
}

macro_rules! read {
    ($($name:ident),*) => {$(
        impl $name {
            /// Reads the venue's word without regard to case; `None` for one that is not known.
            #[must_use]
            pub fn read(text: &str) -> Option<Self> {
                word(Self::ALL, Self::as_str, text)
            }
        }
    )*};
}
read!(OrderState, Execution, OrderType, WireSide, MarginType, Reason);

/// Reads the side of an order: `BUY`/`SELL`, and `Bid`/`Ask` as one endpoint answers.
#[must_use]
pub fn side(text: &str) -> Option<Side> {
    const WORDS: [(&str, Side); 4] =
        [("BUY", Side::Buy), ("SELL", Side::Sell), ("BID", Side::Buy), ("ASK", Side::Sell)];
    WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|(_, side)| *side)
}

/// The venue's word for a side.
#[must_use]
pub const fn side_text(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

/// The venue's word for the position side of an order.
#[must_use]
pub const fn position_side_text(side: PositionSide, mode: PositionMode) -> &'static str {
    match (mode, side) {
        (PositionMode::OneWay, _) => "BOTH",
        (PositionMode::Hedge, PositionSide::Long) => "LONG",
        (PositionMode::Hedge, PositionSide::Short) => "SHORT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_cases_and_both_spellings_are_read() {
        for text in ["CANCELED", "CANCELLED", "Cancelled", "canceled"] {
            let state = OrderState::read(text).expect(text);
            assert_eq!(state.engine(true), VenueOrderState::Canceled);
            assert_eq!(state.rank(), 2);
        }
        assert_eq!(
            OrderState::read("Pending").map(|state| state.engine(false)),
            Some(VenueOrderState::New)
        );
        assert_eq!(OrderState::read("HIBERNATING"), None);
        assert_eq!((side("Ask"), side("buy"), side("")), (Some(Side::Sell), Some(Side::Buy), None));
    }
}
