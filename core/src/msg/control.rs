//! Control messages: the operator and the process speak to the kernel.

use crate::units::Nanos;

crate::text_enum! {
    /// What is asked or reported.
    pub enum Control {
        /// Nothing that increases risk may leave any more; exits go on.
        Kill => "kill",
        /// Undo a kill.
        Resume => "resume",
        /// Close what is open, then stay flat.
        Flatten => "flatten",
        /// The run ends in good order: entries stop, and working entry orders are called back or, by
        /// `engine.stop_cancels`, left to the next start. Exits stay.
        Stop => "stop",
        /// The journal falls behind: room in its links runs short.
        JournalBehind => "journal_behind",
        /// The journal has caught up.
        JournalCaughtUp => "journal_caught_up",
        /// The journal cannot be written any more.
        JournalFailed => "journal_failed",
        /// Take the venue's wallet as the truth: the difference goes to the books, with a line that says so.
        Reanchor => "reanchor",
        /// The process has just started on what an earlier one left: nothing is believed until the venue
        /// has told open orders and positions.
        Recover => "recover",
        /// Entries stop and working ones are called back; exits go on. Weaker than a kill: what has left the
        /// kernel already is not stopped on its way out, only called back behind it.
        Reduce => "reduce",
        /// Every working order of ours is called back, entries and exits alike. It changes no state: what a
        /// called-back exit has not closed leaves by market, and entries go on where they may.
        CancelAll => "cancel_all",
    }
}

crate::text_enum! {
    /// What the operator lets through; the strictest word given since the last resume. Saved with the kernel,
    /// so a restart does not change it.
    pub enum TradingState {
        /// Everything.
        Active => "active",
        /// Exits, cancels and look-ups; no entry is decided.
        Reducing => "reducing",
        /// The same, and an entry that is under way already is stopped at the moment of sending.
        Halted => "halted",
    }
}

/// A control message. 64 bytes; many producers, one consumer (the kernel).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct ControlMsg {
    /// When it was given.
    pub ts_recv_ns: Nanos,
    /// What.
    pub control: Control,
}
