//! Stages of a slot and the events that move it.

crate::text_enum! {
    /// Where a slot stands in its round trip.
    pub enum SlotStage {
        /// Free.
        Idle => "IDLE",
        /// An entry was accepted; its order is on the way out.
        OrderRequested => "ORDER_REQUESTED",
        /// The venue has the entry order.
        EntryWorking => "ENTRY_WORKING",
        /// The entry filled in part and works on.
        PartialFill => "PARTIAL_FILL",
        /// The entry is complete, this very moment.
        PositionOpened => "POSITION_OPENED",
        /// A position, no order working.
        PositionOpen => "POSITION_OPEN",
        /// An exit was accepted.
        ExitRequested => "EXIT_REQUESTED",
        /// The exit order is on the way out.
        ExitSent => "EXIT_SENT",
        /// The venue has the exit order.
        ExitAcked => "EXIT_ACKED",
        /// The exit order filled in part and works on, or must be placed again.
        ExitWorking => "EXIT_WORKING",
        /// A leg is closed, the rest is open.
        PositionPartiallyClosed => "POSITION_PARTIALLY_CLOSED",
        /// Nothing remains.
        PositionClosed => "POSITION_CLOSED",
        /// The round trip is booked.
        Closed => "CLOSED",
        /// The round trip is written; the slot can be used again.
        TradeTerminalWritten => "TRADE_TERMINAL_WRITTEN",
        /// The venue refused the entry.
        OrderRejected => "ORDER_REJECTED",
        /// The venue refused the exit; the position is still there.
        ExitRejected => "EXIT_REJECTED",
        /// What remains is too small to be sold: below the lot, or the venue refuses every exit of it.
        Dust => "DUST",
        /// What the slot holds is being proved at the venue.
        StaleStateReconciling => "STALE_STATE_RECONCILING",
    }
}

crate::text_enum! {
    /// What moves a slot.
    pub enum SlotEvent {
        /// The policy opens.
        Enter => "enter",
        /// The venue has the entry order.
        EntryAck => "entry_ack",
        /// The venue refused the entry order.
        EntryReject => "entry_reject",
        /// Part of the entry order filled.
        EntryPartialFill => "entry_partial_fill",
        /// The rest of the entry order filled.
        EntryFill => "entry_fill",
        /// The entry order ended with part or nothing filled.
        EntryDone => "entry_done",
        /// The policy closes, whole or one leg.
        Exit => "exit",
        /// The exit order left.
        ExitSent => "exit_sent",
        /// The venue has the exit order.
        ExitAck => "exit_ack",
        /// The venue refused the exit order.
        ExitReject => "exit_reject",
        /// Part of the exit order filled.
        ExitPartialFill => "exit_partial_fill",
        /// The exit order is filled, something of the position remains.
        ExitLegFill => "exit_leg_fill",
        /// Nothing of the position remains.
        ExitFlat => "exit_flat",
        /// Nothing of the position remains, but an order of the slot is not proved to be over.
        ExitPending => "exit_pending",
        /// The exit order ended before it was filled.
        ExitDone => "exit_done",
        /// The books took what happened.
        Booked => "booked",
        /// What happened was written; the slot goes on from there.
        Written => "written",
        /// An order's outcome is not known.
        OutcomeUnknown => "outcome_unknown",
        /// A position of the venue's that nobody here opened was taken over.
        Adopt => "adopt",
        /// Part of the position was closed by the venue or by somebody else.
        ClosedOutside => "closed_outside",
        /// What remains cannot be sold.
        TooSmall => "too_small",
        /// The venue proved what the slot holds: nothing.
        ProvedFlat => "proved_flat",
        /// The venue proved what the slot holds: a position.
        ProvedOpen => "proved_open",
    }
}
