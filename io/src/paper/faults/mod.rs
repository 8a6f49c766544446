//! Faults over the paper venue: what real venues and the way to them do wrong, drawn from a seed.

pub(super) mod dice;
mod plan;

use std::sync::Arc;

use pinion_core::id::InstrumentId;
use pinion_core::instrument::InstrumentTable;
use pinion_core::msg::{CommandMsg, MarketMsg, PositionSide, VenueMsg};
use pinion_core::settings::Settings;
use pinion_core::units::{Money, Nanos, Qty};

use super::truth::Truth;
use super::{PaperVenue, ReplyLink, Venue};
use dice::Dice;
pub use dice::Instance;
pub use plan::{Fault, FaultPlan, Span};

/// A [`PaperVenue`] with faults. Owner: a simulation, or the venue simulator.
#[derive(Clone, Debug)]
pub struct FaultyVenue {
    inner: PaperVenue,
    dice: Dice,
}

impl FaultyVenue {
    /// A venue with a flat account, whose faults follow `plan` and `seed`. Truth is recorded.
    #[must_use]
    pub fn new(
        settings: &Settings,
        table: Arc<InstrumentTable>,
        plan: FaultPlan,
        seed: u64,
    ) -> Self {
        let mut inner = PaperVenue::new(settings, table);
        inner.record_truth(true);
        Self { inner, dice: Dice::new(plan, seed) }
    }

    /// From now on nothing goes wrong any more: the stream is up, views are of this moment, what was
    /// held back is delivered as it is due. What was lost stays lost, and can be asked for.
    pub fn heal(&mut self, _now: Nanos) {
        self.dice.heal();
    }

    /// The stream is down for `ns` from now: what it would have carried never comes.
    pub const fn outage(&mut self, _now: Nanos, _ns: i64) {}

    /// True while the account stream is connected and carries data.
    #[must_use]
    pub const fn is_stream_up(&self) -> bool {
        true
    }

    /// Somebody closes the position by hand.
    pub const fn close_outside(
        &mut self,
        _now: Nanos,
        _instrument: InstrumentId,
        _side: PositionSide,
    ) {
    }

    /// Somebody opens a position by hand, or adds to one.
    pub const fn open_outside(
        &mut self,
        _now: Nanos,
        _instrument: InstrumentId,
        _side: PositionSide,
        _qty: Qty,
    ) {
    }

    /// Money comes in (positive) or goes out.
    pub const fn transfer(&mut self, _now: Nanos, _amount: Money) {}

    /// The venue behind the faults: its account and orders are the truth.
    #[must_use]
    pub const fn venue(&self) -> &PaperVenue {
        &self.inner
    }

    /// Hands over what happened since the last call, oldest first.
    pub fn take_truth(&mut self, sink: &mut dyn FnMut(Truth)) {
        self.inner.take_truth(sink);
    }

    /// Every fault that really happened, in order.
    #[must_use]
    pub fn injected(&self) -> &[Instance] {
        self.dice.injected()
    }

    /// Exactly these faults happen from now on and no others; `None`: as the plan says. Call it before
    /// the first event. Durations and quantities stay those of the seed.
    pub fn allow(&mut self, only: Option<&[Instance]>) {
        self.dice.allow(only);
    }

    /// How often each fault happened, by name.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Fault::ALL.iter().map(|fault| (fault.as_str(), self.dice.count(*fault)))
    }
}

impl Venue for FaultyVenue {
    fn handle_market(&mut self, now: Nanos, msg: &MarketMsg) {
        self.inner.handle_market(now, msg);
    }

    fn handle_command(&mut self, now: Nanos, command: &CommandMsg) {
        self.inner.handle_command(now, command);
    }

    fn handle_time(&mut self, now: Nanos) -> u32 {
        self.inner.handle_time(now)
    }

    fn poll_reply(&mut self, now: Nanos) -> Option<(ReplyLink, VenueMsg)> {
        self.inner.poll_reply(now)
    }

    fn next_deadline(&self) -> Option<Nanos> {
        self.inner.next_deadline()
    }
}
