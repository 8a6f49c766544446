//! The egress stage of paper runs: the paper venue behind the engine's links.

use std::collections::VecDeque;
use std::sync::Arc;

use pinion_core::gate::{Gate, KillSwitch};
use pinion_core::link::{Full, Rx, Tx};
use pinion_core::msg::{CommandMsg, MarketMsg, VenueMsg};
use pinion_core::stage::{Stage, Work};
use pinion_core::units::Nanos;

use super::{PaperVenue, ReplyLink, Venue};

/// Feed messages of one poll.
const FEED_BUDGET: u32 = 256;
/// Commands of one poll.
const COMMAND_BUDGET: u32 = 64;
/// Replies of one poll.
const REPLY_BUDGET: u32 = 64;

/// Refusals of the gate that may wait for room; more than the kernel's slots can have under way.
const REFUSALS_MAX: usize = 256;

/// Hosts a [`PaperVenue`] where a live run has its order socket, with the gate before it.
///
/// A feed message happens at its receive time; the venue's clock reaches `now` only once the feed is
/// drained, so that nothing matches against half an update or an old market. When a reply link is full the
/// reply waits and the ones behind it wait too. Commands are taken all the same: a kernel that waits for room
/// for its commands could not make room for replies.
///
/// Every command passes the [`Gate`] at the moment at which it is sent; what it refuses is answered on the
/// acknowledgement link and never reaches the venue.
#[derive(Debug)]
pub struct PaperEgress<V = PaperVenue> {
    venue: V,
    gate: Gate,
    kill: Arc<KillSwitch>,
    /// Resumes that the gate has heard of.
    resumes: u32,
    feed: Rx<MarketMsg>,
    command: Rx<CommandMsg>,
    ack: Tx<VenueMsg>,
    account: Tx<VenueMsg>,
    held: Option<(ReplyLink, VenueMsg)>,
    refusals: VecDeque<VenueMsg>,
    /// Time of the last poll; `None` before the first.
    polled: Option<Nanos>,
}

impl<V: Venue> PaperEgress<V> {
    /// Takes the venue, what stands before it, and its link ends. The feed must not conflate: a book made
    /// of merged levels is none.
    #[must_use]
    pub fn new(
        venue: V,
        gate: Gate,
        kill: Arc<KillSwitch>,
        feed: Rx<MarketMsg>,
        command: Rx<CommandMsg>,
        ack: Tx<VenueMsg>,
        account: Tx<VenueMsg>,
    ) -> Self {
        Self {
            venue,
            gate,
            resumes: kill.resumes(),
            kill,
            feed,
            command,
            ack,
            account,
            held: None,
            refusals: VecDeque::with_capacity(REFUSALS_MAX),
            polled: None,
        }
    }

    /// The venue, for reports.
    #[must_use]
    pub const fn venue(&self) -> &V {
        &self.venue
    }

    /// The gate, for reports.
    #[must_use]
    pub const fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The venue, for a simulation that does to it what no command can.
    pub const fn venue_mut(&mut self) -> &mut V {
        &mut self.venue
    }

    /// Gives the venue back: the process that talked to it is gone, the venue is not.
    #[must_use]
    pub fn into_venue(self) -> V {
        self.venue
    }

    /// The link that is full: the reply that waits for it holds up all others.
    #[must_use]
    pub fn full_link(&self) -> Option<ReplyLink> {
        self.held.as_ref().map(|(link, _)| *link)
    }

    fn take_feed(&mut self, now: Nanos) -> u32 {
        let mut count = 0;
        while count < FEED_BUDGET
            && let Some(msg) = self.feed.pop()
        {
            self.gate.saw(&msg);
            self.venue.handle_market(msg.ts_recv_ns.min(now), &msg);
            count += 1;
        }
        count
    }

    fn take_commands(&mut self, now: Nanos) -> u32 {
        let mut count = 0;
        let resumes = self.kill.resumes();
        if resumes != self.resumes {
            self.resumes = resumes;
            self.gate.resume();
        }
        while count < COMMAND_BUDGET
            && self.refusals.len() < REFUSALS_MAX
            && let Some(command) = self.command.pop()
        {
            match self.gate.check(now, &command, self.kill.is_on()) {
                Ok(()) => self.venue.handle_command(now, &command),
                Err(reason) => self.refusals.extend(Gate::refusal(now, &command, reason)),
            }
            count += 1;
        }
        count
    }

    fn put_replies(&mut self, now: Nanos) -> u32 {
        let mut count = 0;
        while count < REPLY_BUDGET {
            let Some((link, msg)) = self.held.take().or_else(|| self.next_reply(now)) else {
                break;
            };
            let tx = match link {
                ReplyLink::Ack => &mut self.ack,
                ReplyLink::Account => &mut self.account,
            };
            if let Err(Full(msg)) = tx.push(msg) {
                self.held = Some((link, msg));
                break;
            }
            count += 1;
        }
        count
    }
}

impl<V: Venue> PaperEgress<V> {
    /// The gate's refusals, then what the venue says.
    fn next_reply(&mut self, now: Nanos) -> Option<(ReplyLink, VenueMsg)> {
        if let Some(refusal) = self.refusals.pop_front() {
            return Some((ReplyLink::Ack, refusal));
        }
        let reply = self.venue.poll_reply(now);
        if let Some((_, msg)) = &reply {
            self.gate.heard(msg);
        }
        reply
    }
}

impl<V: Venue> Stage for PaperEgress<V> {
    fn name(&self) -> &'static str {
        "egress"
    }

    fn poll(&mut self, now: Nanos) -> Work {
        self.polled = Some(now);
        let fed = self.take_feed(now);
        let commands = self.take_commands(now);
        let happened = if self.feed.is_empty() { self.venue.handle_time(now) } else { 0 };
        let replied = self.put_replies(now);
        Work {
            count: fed + commands + happened + replied,
            commands,
            backpressured: self.held.is_some(),
        }
    }

    fn next_deadline(&self) -> Option<Nanos> {
        self.venue.next_deadline()
    }

    fn drained(&self) -> bool {
        let deadline = self.venue.next_deadline();
        let ahead = self.polled.is_some_and(|now| deadline.is_none_or(|due| due > now));
        let told = self.held.is_none() && self.refusals.is_empty();
        ahead && told && self.feed.is_empty() && self.command.is_empty()
    }
}
