//! What a venue model is to whoever hosts it.

use core::fmt;

use pinion_core::msg::{CommandMsg, MarketMsg, VenueMsg};
use pinion_core::units::Nanos;

use super::{PaperVenue, ReplyLink};

/// A venue in virtual time: sees the market, takes commands, answers later. Pure: no clock, no I/O.
pub trait Venue: fmt::Debug + Send {
    /// Takes in a market message of feed time `now`, after everything that was due before it.
    fn handle_market(&mut self, now: Nanos, msg: &MarketMsg);

    /// Takes a command from us at `now`.
    fn handle_command(&mut self, now: Nanos, command: &CommandMsg);

    /// Does everything that is due by `now`; returns how many such things it did.
    fn handle_time(&mut self, now: Nanos) -> u32;

    /// The next reply that has reached us by `now`.
    fn poll_reply(&mut self, now: Nanos) -> Option<(ReplyLink, VenueMsg)>;

    /// The earliest time at which something is due; a time of the past before the first call.
    fn next_deadline(&self) -> Option<Nanos>;
}

impl Venue for PaperVenue {
    fn handle_market(&mut self, now: Nanos, msg: &MarketMsg) {
        Self::handle_market(self, now, msg);
    }

    fn handle_command(&mut self, now: Nanos, command: &CommandMsg) {
        Self::handle_command(self, now, command);
    }

    fn handle_time(&mut self, now: Nanos) -> u32 {
        Self::handle_time(self, now)
    }

    fn poll_reply(&mut self, now: Nanos) -> Option<(ReplyLink, VenueMsg)> {
        Self::poll_reply(self, now)
    }

    fn next_deadline(&self) -> Option<Nanos> {
        Self::next_deadline(self)
    }
}
