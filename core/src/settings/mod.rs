//! Settings: one table of keys, an immutable snapshot, validation of the whole.
//!
//! [`keys`] is the only place where a key is declared; the parser, the guard, the documents and the
//! schema are made from it. A [`Settings`] value is never changed while a run reads it: a new version
//! is built, checked whole by [`check::check`], and swapped in.

pub mod check;
pub mod keys;
pub mod value;

pub use keys::{KEYS, Settings};
pub use value::{Apply, Domain, Importance, Key, Sensitivity, Value, Writer};

use crate::id::TextId;
use crate::units::{Money, Nanos, Price, Qty};

crate::text_enum! {
    /// What the run trades against.
    pub enum Mode {
        /// The paper venue.
        Paper => "paper",
        /// The venue's demo account.
        Demo => "demo",
        /// Real money.
        Live => "live",
    }
}

crate::text_enum! {
    /// How stages are placed on threads.
    pub enum Layout {
        /// One thread, virtual time.
        Inline => "inline",
        /// All stages on one pinned core, run to completion.
        Shared => "shared",
        /// Ingest, kernel and egress on a core each.
        Dedicated => "dedicated",
    }
}

crate::text_enum! {
    /// What a stage thread does when there is nothing to do.
    pub enum Idle {
        /// Polls again at once.
        Spin => "spin",
        /// Polls again after one spin-loop hint.
        SpinPause => "spin_pause",
        /// Gives the core to others between polls.
        Yield => "yield",
        /// Spins, then yields, then sleeps up to a millisecond.
        Backoff => "backoff",
    }
}

crate::text_enum! {
    /// Directions that may be entered.
    pub enum Sides {
        /// Short only.
        Short => "short",
        /// Long only.
        Long => "long",
        /// Both.
        Both => "both",
    }
}

crate::text_enum! {
    /// How much the operator lets the policy do.
    pub enum Posture {
        /// Everything.
        Apex => "apex",
        /// Entries with leverage capped at `policy.stalker_leverage_max`.
        Stalker => "stalker",
        /// No entries; exits go on.
        Turtle => "turtle",
        /// No entries, and what is open is closed.
        Hibernate => "hibernate",
    }
}

crate::text_enum! {
    /// Which score an entry needs.
    pub enum MarketMode {
        /// Any.
        Open => "open",
        /// `funnel.score_soft`.
        Soft => "soft",
        /// `funnel.score_strict`.
        Strict => "strict",
        /// Soft in the apex posture, strict in the stalker posture.
        Auto => "auto",
    }
}

crate::text_enum! {
    /// Threshold of the volatility gate.
    pub enum VolMode {
        /// A quantile of the recent past.
        Rolling => "rolling",
        /// A configured number.
        Static => "static",
    }
}

crate::text_enum! {
    /// How orders leave.
    pub enum Style {
        /// At once, by market.
        Taker => "taker",
        /// Resting at a price of their own first.
        Maker => "maker",
    }
}

crate::text_enum! {
    /// What follows a maker entry that ended with nothing filled.
    pub enum Miss {
        /// The entry is given up: always safe.
        Skip => "skip",
        /// It is quoted again, a bounded number of times.
        Retry => "retry",
        /// It enters by market.
        Market => "market",
    }
}

crate::text_enum! {
    /// What follows when the retries of a maker entry are used up.
    pub enum Exhaust {
        /// The entry is given up.
        Skip => "skip",
        /// It enters by market.
        Market => "market",
    }
}

/// What the operator knows better than the data about one instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InstrumentOverride {
    /// Canonical symbol.
    pub symbol: TextId,
    /// Tick, where given.
    pub tick: Option<Price>,
    /// Lot, where given.
    pub lot: Option<Qty>,
    /// Least notional, where given.
    pub min_notional: Option<Money>,
    /// Tradable, where given.
    pub tradable: Option<bool>,
    /// Time of the listing, UTC, where given.
    pub listed_ns: Option<Nanos>,
}
