//! Venue messages: what the venue says about our orders and our account.

use crate::id::{ClientId, InstrumentId, TextId};
use crate::msg::{Maybe, PositionSide, Side};
use crate::units::{Money, Nanos, Price, Qty, Rate};

/// Who a venue message says it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientRef {
    /// The venue did not echo a client id.
    Absent,
    /// One of ours by form.
    Own(ClientId),
    /// A client id that is not ours.
    Foreign,
}

/// A message from the venue. 128 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct VenueMsg {
    /// The venue's time, where it gave one.
    pub ts_exch_ns: Maybe<Nanos>,
    /// When our machine received it.
    pub ts_recv_ns: Nanos,
    /// Whose order.
    pub client: ClientRef,
    /// Which instrument, where the message has one.
    pub instrument: Option<InstrumentId>,
    /// What happened.
    pub event: VenueEvent,
}

crate::text_enum! {
    /// Why the venue refused an order.
    pub enum RejectReason {
        /// A post-only order would have taken.
        PostOnlyWouldTake => "post_only_would_take",
        /// Below the least notional.
        MinNotional => "min_notional",
        /// Quantity is not a multiple of the lot.
        LotSize => "lot_size",
        /// Price is not a multiple of the tick.
        TickSize => "tick_size",
        /// Not enough available margin.
        Margin => "margin",
        /// A reduce-only order with nothing to reduce.
        ReduceOnly => "reduce_only",
        /// Price too far from the market.
        PriceBand => "price_band",
        /// Too many requests.
        RateLimited => "rate_limited",
        /// The instrument does not trade.
        NotTrading => "not_trading",
        /// The client id was used before.
        DuplicateClientId => "duplicate_client_id",
        /// Cancel or query of an order the venue does not know.
        UnknownOrder => "unknown_order",
        /// No market to price the order against.
        NoMarket => "no_market",
        /// Anything else.
        Other => "other",
        /// Our own gate: the kill switch is on.
        Killed => "killed",
        /// Our own gate: beyond the cap on positions and entries under way.
        Cap => "cap",
        /// Our own gate: too many orders in a second, a minute or a day.
        OrderRate => "order_rate",
    }
}

crate::text_enum! {
    /// State of an order as the venue tells it.
    pub enum VenueOrderState {
        /// Working, nothing filled.
        New => "new",
        /// Working, partly filled.
        PartiallyFilled => "partially_filled",
        /// Done, all filled.
        Filled => "filled",
        /// Done, cancelled.
        Canceled => "canceled",
        /// Done, expired.
        Expired => "expired",
        /// Done, refused.
        Rejected => "rejected",
        /// The venue has no such order.
        NotFound => "not_found",
    }
}

crate::text_enum! {
    /// Why the venue itself closed a position.
    pub enum ForcedCause {
        /// The margin was used up.
        Liquidation => "liquidation",
        /// Auto-deleveraging: the other side was liquidated and no book could take it.
        Adl => "adl",
    }
}

/// What happened. Quantities of fills are increments, never totals; `cum_qty` is the total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VenueEvent {
    /// The order works.
    Ack {
        /// The venue's identity of it.
        venue_id: TextId,
    },
    /// The order was refused; definitive.
    Reject {
        /// Why.
        reason: RejectReason,
    },
    /// The submission's outcome is not known (time-out, connection lost).
    Ambiguous,
    /// A fill.
    Fill {
        /// The order's venue identity; empty when absent.
        venue_id: TextId,
        /// The fill's identity; empty when absent.
        fill_id: TextId,
        /// Quantity of this fill.
        qty: Qty,
        /// Price of this fill.
        price: Price,
        /// Signed as venues sign it: negative is a cost, positive a rebate; missing: not yet known.
        fee: Maybe<Money>,
        /// Total filled of the order after this fill, where the venue says it.
        cum_qty: Maybe<Qty>,
        /// Side, where the venue says it.
        side: Option<Side>,
        /// True for maker, where the venue says it.
        is_maker: Option<bool>,
    },
    /// The venue closed (part of) a position by an order of its own. No order of ours is behind it.
    Forced {
        /// Direction of the position that it closed.
        side: PositionSide,
        /// The fill's identity; empty when absent.
        fill_id: TextId,
        /// Quantity closed.
        qty: Qty,
        /// Price.
        price: Price,
        /// Signed as venues sign it: negative is a cost; missing: not yet known.
        fee: Maybe<Money>,
        /// Why.
        cause: ForcedCause,
    },
    /// The fee of an earlier fill became known.
    FeeSettled {
        /// Which fill.
        fill_id: TextId,
        /// Signed: negative is a cost.
        fee: Money,
    },
    /// The order was cancelled, by us or by the venue.
    Canceled {
        /// The venue's identity of it.
        venue_id: TextId,
        /// Total filled, where the venue says it.
        cum_qty: Maybe<Qty>,
    },
    /// A cancel was refused; the order may have filled.
    CancelRejected {
        /// Why.
        reason: RejectReason,
    },
    /// The order expired (the unfilled part of an immediate order, liquidation, self-trade).
    Expired {
        /// The venue's identity of it.
        venue_id: TextId,
        /// Total filled, where the venue says it.
        cum_qty: Maybe<Qty>,
    },
    /// Answer to a query by id.
    OrderStatus {
        /// The venue's identity of it.
        venue_id: TextId,
        /// Its state.
        state: VenueOrderState,
        /// Total filled.
        cum_qty: Maybe<Qty>,
        /// Average fill price.
        avg_price: Maybe<Price>,
    },
    /// The account's balances; only what the frame really carried.
    Balance {
        /// Wallet balance.
        wallet: Maybe<Money>,
        /// Margin that can be used.
        available: Maybe<Money>,
        /// Margin in use.
        used: Maybe<Money>,
        /// Maintenance margin.
        maint: Maybe<Money>,
    },
    /// Funding was exchanged.
    Funding {
        /// Signed: negative was paid.
        amount: Money,
        /// The rate, where known.
        rate: Maybe<Rate>,
    },
    /// Deposit (positive) or withdrawal.
    Transfer {
        /// Signed amount.
        amount: Money,
    },
    /// One position of a snapshot; a [`VenueEvent::PositionsEnd`] closes the snapshot.
    Position {
        /// Direction.
        side: PositionSide,
        /// Quantity, positive.
        qty: Qty,
        /// Average entry price.
        entry_price: Maybe<Price>,
    },
    /// A position snapshot is complete.
    PositionsEnd {
        /// False when the probe failed: the snapshot proves nothing.
        ok: bool,
        /// Rows that belonged to it.
        rows: u32,
        /// The kernel's activity revision at which it was asked.
        revision: u64,
    },
    /// One open order of a snapshot; an [`VenueEvent::OpenOrdersEnd`] closes the snapshot.
    OpenOrder {
        /// The venue's identity of it.
        venue_id: TextId,
        /// Side.
        side: Side,
        /// Original quantity.
        qty: Qty,
        /// Filled so far.
        cum_qty: Qty,
    },
    /// An open-orders snapshot is complete.
    OpenOrdersEnd {
        /// False when the probe failed.
        ok: bool,
        /// Rows that belonged to it.
        rows: u32,
        /// The kernel's activity revision at which it was asked.
        revision: u64,
    },
}
