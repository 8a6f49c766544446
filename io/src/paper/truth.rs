//! What really happened at the venue, for an oracle that shares no code with the kernel.
//!
//! Nothing that happens on the way to us (loss, lag, a wrong answer) touches it. Recorded only while
//! [`super::PaperVenue::record_truth`] is on; a paper run pays one untaken branch for it.
//!
//! Positions are the account's, not anybody's. Which part is ours is a convention
//! ([`super::Position::own`]): what we or the venue close is ours first, what others close is theirs first.

use pinion_core::id::{ClientId, InstrumentId};
use pinion_core::msg::venue::{RejectReason, VenueOrderState};
use pinion_core::msg::{PositionSide, Side};
use pinion_core::units::{Money, Nanos, Price, Qty};

/// Whose order a fill belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Ours, by the identity that we gave it.
    Ours(ClientId),
    /// Somebody else on the same account: another program, or a person.
    Foreign,
    /// The venue itself: liquidation or auto-deleveraging.
    Venue,
}

/// One thing that happened, in the order in which it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// An order of ours works from now on.
    Accepted {
        /// When it arrived.
        at: Nanos,
        /// When it was handed to the venue's order line.
        sent_ns: Nanos,
        /// Our identity of it.
        client: ClientId,
        /// Where.
        instrument: InstrumentId,
        /// Side.
        side: Side,
        /// Direction of the position that it opens or reduces.
        position_side: PositionSide,
        /// As it was sent.
        reduce_only: bool,
        /// As it was sent, before any trim.
        qty: Qty,
        /// Limit price; `None` for a market order.
        limit: Option<Price>,
    },
    /// An order of ours was refused; it never worked. With a repeated client id it is the repeat that was
    /// refused, and the first order of that id is what it was.
    Refused {
        /// When it arrived.
        at: Nanos,
        /// When it was handed to the venue's order line.
        sent_ns: Nanos,
        /// Our identity of it.
        client: ClientId,
        /// Why.
        reason: RejectReason,
    },
    /// A fill on the account.
    Fill {
        /// When.
        at: Nanos,
        /// Number of the fill at the venue, from 1; its identity on the stream is `f<number>`.
        number: u64,
        /// Whose order.
        owner: Owner,
        /// Where.
        instrument: InstrumentId,
        /// Direction of the position that it opened or reduced.
        position_side: PositionSide,
        /// True when it reduced the position.
        reduces: bool,
        /// Quantity, positive.
        qty: Qty,
        /// Price.
        price: Price,
        /// Price × quantity, as the venue rounded it.
        notional: Money,
        /// Positive is a cost, negative a rebate.
        fee: Money,
        /// True when it made.
        is_maker: bool,
    },
    /// An order of ours is done.
    Ended {
        /// When.
        at: Nanos,
        /// Our identity of it.
        client: ClientId,
        /// How it ended.
        state: VenueOrderState,
        /// Filled in total.
        cum_qty: Qty,
    },
    /// Funding was exchanged on one position.
    Funding {
        /// When.
        at: Nanos,
        /// Where.
        instrument: InstrumentId,
        /// Positive was received.
        amount: Money,
        /// The part of `amount` that our own share of the position exchanged.
        ours: Money,
    },
    /// Money came in (positive) or went out.
    Transfer {
        /// When.
        at: Nanos,
        /// Signed amount.
        amount: Money,
    },
}
