//! Intents: what the policy or the operator asks of the kernel, and the kernel's verdict.

use arrayvec::ArrayVec;

use crate::id::{InstrumentId, TradeId};
use crate::msg::record::DecisionReason;
use crate::msg::{Maybe, OrderKind, PositionSide, TimeInForce};
use crate::units::{Price, Qty, Rate};

/// Most parts of an exit.
pub const LEGS_MAX: usize = 8;

/// A request to the kernel.
#[derive(Clone, Debug, PartialEq)]
pub enum Intent {
    /// Open a position.
    Enter {
        /// Which slot.
        slot: usize,
        /// The round trip's identity; `None`: the kernel takes the next of its sequence.
        trade: Option<TradeId>,
        /// Asset.
        instrument: InstrumentId,
        /// Direction.
        side: PositionSide,
        /// Quantity, a multiple of the lot.
        qty: Qty,
        /// The venue's leverage setting; never multiplies PnL.
        leverage: Rate,
        /// Type.
        kind: OrderKind,
        /// Time in force.
        tif: TimeInForce,
        /// Limit price, for a limit order.
        price: Maybe<Price>,
        /// The price the decision was made at.
        reference_price: Price,
        /// Parts in which exits close the position; sums to one; empty means one part.
        legs: ArrayVec<Rate, LEGS_MAX>,
    },
    /// Close a position or a leg of it; always possible while a position exists, always reduce-only.
    ///
    /// An exit without a quantity closes what is left of the current leg. A leg is used up by what our exits
    /// have filled, whatever quantity they were asked with, and by nothing else: one that is refused or ends
    /// early leaves the rest of it, a small one uses up a small part. Legs are parts of what was entered, and
    /// never more than what remains.
    Exit {
        /// Which slot.
        slot: usize,
        /// Quantity; missing means: the current leg (the last leg is what remains).
        qty: Maybe<Qty>,
        /// True: everything that remains, whatever the legs say.
        all: bool,
        /// Type.
        kind: OrderKind,
        /// Time in force.
        tif: TimeInForce,
        /// Limit price, for a limit order.
        price: Maybe<Price>,
        /// A limit exit that is not filled this long after it left is called back, and what remains of
        /// it leaves by market; `None`: it rests. Nanoseconds.
        ttl_ns: Option<i64>,
        /// Why.
        reason: DecisionReason,
    },
    /// Cancel the slot's working orders.
    Cancel {
        /// Which slot.
        slot: usize,
    },
    /// Value the slot's position at a price until the next one of its asset. No guard looks at it.
    Mark {
        /// Which slot.
        slot: usize,
        /// At what.
        price: Price,
    },
}

crate::text_enum! {
    /// The kernel's diagnostic of an input or intent.
    pub enum Code {
        /// Applied.
        Ok => "ok",
        /// Seen before; nothing changed.
        DuplicateEvent => "duplicate_event",
        /// Not finite, not positive, not a multiple of its step, or otherwise unusable.
        InvalidIntent => "invalid_intent",
        /// Nothing to exit.
        NoOpenPosition => "no_open_position",
        /// The slot is in use.
        SlotBusy => "slot_busy",
        /// The venue refused the entry.
        OrderRejected => "order_rejected",
        /// The venue refused the exit.
        ExitOrderRejected => "exit_order_rejected",
        /// The venue refused the cancel.
        CancelRejected => "cancel_rejected",
        /// A fill that belongs to no order of ours.
        ForeignFill => "foreign_fill",
        /// Too many orders.
        RateLimited => "rate_limited",
        /// The slot is being proved at the venue.
        StaleStateReconciling => "stale_state_reconciling",
        /// No slot matches.
        UnresolvedSlot => "unresolved_slot",
        /// Entries are frozen by the reconcile.
        EntryFrozen => "entry_frozen",
        /// The kill switch is on.
        Killed => "killed",
        /// An entry guard said no; the record names it.
        EntryBlocked => "entry_blocked",
        /// An event that the order's state does not allow.
        Violation => "violation",
        /// An exit order is already working.
        ExitWorking => "exit_working",
        /// No order of the slot can be cancelled.
        NoWorkingOrder => "no_working_order",
    }
}

/// The kernel's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Verdict {
    /// Something was done.
    pub accepted: bool,
    /// Why, or why not.
    pub code: Code,
}

impl Verdict {
    /// Done.
    pub const OK: Self = Self { accepted: true, code: Code::Ok };

    /// Not done.
    pub const fn refused(code: Code) -> Self {
        Self { accepted: false, code }
    }
}
