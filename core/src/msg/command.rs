//! Commands: what leaves the kernel toward the venue.

use crate::id::{ClientId, InstrumentId, TextId, TradeId};
use crate::msg::Maybe;
use crate::units::{Nanos, Price, Qty};

crate::text_enum! {
    /// Side of an order or a fill.
    pub enum Side {
        /// Buys.
        Buy => "buy",
        /// Sells.
        Sell => "sell",
    }
}

impl Side {
    /// +1 for a buy, −1 for a sell.
    #[must_use]
    pub const fn sign(self) -> i64 {
        match self {
            Self::Buy => 1,
            Self::Sell => -1,
        }
    }

    /// The other side.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }
}

crate::text_enum! {
    /// Direction of a position.
    pub enum PositionSide {
        /// Gains when the price rises.
        Long => "long",
        /// Gains when the price falls.
        Short => "short",
    }
}

impl PositionSide {
    /// +1 for long, −1 for short.
    #[must_use]
    pub const fn sign(self) -> i64 {
        match self {
            Self::Long => 1,
            Self::Short => -1,
        }
    }

    /// The order side that opens it.
    #[must_use]
    pub const fn entry_side(self) -> Side {
        match self {
            Self::Long => Side::Buy,
            Self::Short => Side::Sell,
        }
    }

    /// The order side that closes it.
    #[must_use]
    pub const fn exit_side(self) -> Side {
        self.entry_side().opposite()
    }
}

crate::text_enum! {
    /// Order type.
    pub enum OrderKind {
        /// At whatever the book gives.
        Market => "market",
        /// At the price or better.
        Limit => "limit",
    }
}

crate::text_enum! {
    /// Time in force.
    pub enum TimeInForce {
        /// Until cancelled.
        Gtc => "gtc",
        /// What does not fill at once is cancelled.
        Ioc => "ioc",
        /// Refused when it would take.
        PostOnly => "post_only",
    }
}

crate::text_enum! {
    /// What an order is for; a property of the order, never read off the slot's stage.
    pub enum OrderRole {
        /// Opens or adds.
        Entry => "entry",
        /// Reduces or closes.
        Exit => "exit",
    }
}

crate::text_enum! {
    /// A view of the account that can be asked for.
    pub enum ProbeKind {
        /// Balances.
        Balance => "balance",
        /// Positions.
        Positions => "positions",
        /// Open orders.
        OpenOrders => "open_orders",
    }
}

/// A command with its times. 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct CommandMsg {
    /// When the kernel decided (its turn's time).
    pub ts_decide_ns: Nanos,
    /// Receive time of the input that caused it.
    pub ts_recv_ns: Nanos,
    /// What to do.
    pub command: Command,
}

/// What to do at the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Place an order.
    Place {
        /// Our identity of it, journaled before it leaves.
        client: ClientId,
        /// The round trip it belongs to.
        trade: TradeId,
        /// Where.
        instrument: InstrumentId,
        /// Side.
        side: Side,
        /// Direction of the position it opens or reduces.
        position_side: PositionSide,
        /// Entry or exit.
        role: OrderRole,
        /// Type.
        kind: OrderKind,
        /// Time in force (`Ioc` for market orders).
        tif: TimeInForce,
        /// Never increases a position; always true for exits.
        reduce_only: bool,
        /// Quantity, a multiple of the lot.
        qty: Qty,
        /// Limit price, a multiple of the tick; missing for market orders.
        price: Maybe<Price>,
    },
    /// Cancel an order; idempotent.
    Cancel {
        /// Our identity of it.
        client: ClientId,
        /// The venue's, once learned.
        venue_id: TextId,
        /// Where.
        instrument: InstrumentId,
    },
    /// Ask the venue for a whole view; the answer carries the revision.
    Probe {
        /// Which view.
        probe: ProbeKind,
        /// The kernel's activity revision at this moment.
        revision: u64,
    },
    /// Ask the venue for one order by id.
    Query {
        /// Our identity of it.
        client: ClientId,
        /// The venue's, once learned.
        venue_id: TextId,
        /// Where.
        instrument: InstrumentId,
    },
}
