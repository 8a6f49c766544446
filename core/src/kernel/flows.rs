//! Memory of funding and transfers: each is booked once.
//!
//! Venues tell them without an identity. Two are the same when kind, instrument, the venue's time and amount
//! are; real ones that are alike in all four do not happen, and a stream that repeats itself does. One without
//! a time is always taken for new. [`FLOWS_MAX`] are remembered, far more than happen while a venue may
//! repeat itself. One that is never told is missing in the books: the comparison with the wallet shows it
//! ([`crate::kernel::reconcile`]), and the operator re-anchors.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::engine::Damage;
use crate::id::InstrumentId;
use crate::msg::{Maybe, VenueMsg};
use crate::units::{Money, Nanos};

/// Fundings and transfers that are remembered.
pub(super) const FLOWS_MAX: usize = 256;

/// What moved money without a fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    Funding,
    Transfer,
}

/// One funding or transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Flow {
    kind: Kind,
    instrument: Option<InstrumentId>,
    ts_exch_ns: Maybe<Nanos>,
    amount: Money,
}

impl Flow {
    /// Funding as the venue told it; positive was received.
    pub(super) const fn funding(message: &VenueMsg, amount: Money) -> Self {
        Self::new(Kind::Funding, message, amount)
    }

    /// A deposit as the venue told it; a withdrawal is negative.
    pub(super) const fn transfer(message: &VenueMsg, amount: Money) -> Self {
        Self::new(Kind::Transfer, message, amount)
    }

    const fn new(kind: Kind, message: &VenueMsg, amount: Money) -> Self {
        let (instrument, ts_exch_ns) = (message.instrument, message.ts_exch_ns);
        Self { kind, instrument, ts_exch_ns, amount }
    }

    /// As the venue signs it.
    pub(super) const fn amount(&self) -> Money {
        self.amount
    }
}

/// The memory: a ring, allocated once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Flows {
    ring: Vec<Flow>,
    /// Place of the oldest once the ring is full.
    oldest: usize,
}

impl Flows {
    pub(super) fn new() -> Self {
        Self { ring: Vec::with_capacity(FLOWS_MAX), oldest: 0 }
    }

    /// Read back: checks that it can be such a memory, and allocates the rest of it.
    pub(super) fn restored(&mut self, instruments: usize) -> Result<(), Damage> {
        const PLACE: &str = "fundings and transfers";
        let known = |flow: &Flow| flow.instrument.is_none_or(|id| id.index() < instruments);
        Damage::unless(self.ring.iter().all(known), PLACE, None, "instruments that exist")?;
        Damage::unless(
            self.ring.len() <= FLOWS_MAX && self.oldest < FLOWS_MAX,
            PLACE,
            None,
            "no more than are remembered",
        )?;
        self.ring.reserve_exact(FLOWS_MAX - self.ring.len());
        Ok(())
    }

    /// True for one that was booked before.
    pub(super) fn knows(&self, flow: &Flow) -> bool {
        flow.ts_exch_ns != Maybe::NONE && self.ring.contains(flow)
    }

    /// Remembers one that is booked; the oldest gives way.
    pub(super) fn keep(&mut self, flow: Flow) {
        if flow.ts_exch_ns == Maybe::NONE {
            return;
        }
        if self.ring.len() < FLOWS_MAX {
            self.ring.push(flow);
        } else {
            self.ring[self.oldest] = flow;
            self.oldest = (self.oldest + 1) % FLOWS_MAX;
        }
    }
}
