//! Every link from end to end: what one stage gave is what the other took, once and in order.
//!
//! The market link may merge; what it delivers must still be in order, end with the newest, and add up with
//! what it counted as merged. Only a death loses what is on its way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pinion_core::id::{ClientId, InstrumentId};
use pinion_core::msg::venue::RejectReason;
use pinion_core::msg::{
    ClientRef, Command, CommandMsg, Control, Input, MarketMsg, Maybe, ScanMsg, VenueEvent, VenueMsg,
};
use pinion_core::units::Nanos;
use pinion_io::paper::faults::FaultyVenue;
use pinion_io::paper::{ReplyLink, Venue};
use pinion_oracle::Breach;

/// The venue, with a memory of what passed between it and the links.
#[derive(Debug)]
pub struct Tap {
    /// The venue.
    pub venue: FaultyVenue,
    said: Vec<(ReplyLink, VenueMsg)>,
    fed: Vec<u32>,
    placed: Vec<ClientId>,
    canceled: Vec<ClientId>,
    /// The revision that the last probe carried.
    asked: u64,
    /// The revision of the last probe before our last order, and when that order was decided: a view of
    /// that revision or an older one proves nothing after it.
    pub(super) outlived: Option<(u64, Nanos)>,
}

impl Tap {
    /// Around a venue.
    #[must_use]
    pub const fn new(venue: FaultyVenue) -> Self {
        Self {
            venue,
            said: Vec::new(),
            fed: Vec::new(),
            placed: Vec::new(),
            canceled: Vec::new(),
            asked: 0,
            outlived: None,
        }
    }
}

impl Venue for Tap {
    fn handle_market(&mut self, now: Nanos, msg: &MarketMsg) {
        self.fed.push(msg.seq);
        self.venue.handle_market(now, msg);
    }

    fn handle_command(&mut self, now: Nanos, command: &CommandMsg) {
        match command.command {
            Command::Place { client, .. } => {
                self.placed.push(client);
                self.outlived = Some((self.asked, command.ts_decide_ns));
            }
            Command::Cancel { client, .. } => self.canceled.push(client),
            Command::Probe { revision, .. } => self.asked = revision,
            Command::Query { .. } => {}
        }
        self.venue.handle_command(now, command);
    }

    fn handle_time(&mut self, now: Nanos) -> u32 {
        self.venue.handle_time(now)
    }

    fn poll_reply(&mut self, now: Nanos) -> Option<(ReplyLink, VenueMsg)> {
        let reply = self.venue.poll_reply(now)?;
        self.said.push(reply);
        Some(reply)
    }

    fn next_deadline(&self) -> Option<Nanos> {
        self.venue.next_deadline()
    }
}

/// What is on its way, by what the giving ends said. Owner: the driver; begins anew with each life.
#[derive(Debug, Default)]
pub(super) struct Rings {
    replies: [VecDeque<VenueMsg>; 2],
    scans: VecDeque<ScanMsg>,
    controls: VecDeque<Control>,
    feed: VecDeque<u32>,
    /// Orders that the kernel says it sent.
    sent: VecDeque<ClientId>,
    /// All that it ever said so of, over all lives.
    told: BTreeSet<ClientId>,
    /// Those that did not reach the venue: the gate must have answered them.
    unanswered: BTreeSet<ClientId>,
    /// Those that the gate answered before it was read that they were sent.
    answered: BTreeSet<ClientId>,
    /// Orders whose cancel reached the venue.
    pub(super) canceled: BTreeSet<ClientId>,
    /// Newest market message given and taken, by instrument and kind.
    given: BTreeMap<(InstrumentId, u8), u32>,
    taken: BTreeMap<(InstrumentId, u8), u32>,
    given_count: u64,
    taken_count: u64,
}

fn breach<T>(check: &'static str, what: String) -> Result<T, Breach> {
    Err(Breach { check, what })
}

const fn cell(message: &MarketMsg) -> (InstrumentId, u8) {
    (message.instrument, message.kind().code())
}

impl Rings {
    /// A new life: what was on its way is gone, what had reached the venue is not.
    pub(super) fn begin(&mut self) {
        let (canceled, told) = (std::mem::take(&mut self.canceled), std::mem::take(&mut self.told));
        *self = Self { canceled, told, ..Self::default() };
    }

    /// The driver gave a market message, to kernel and venue.
    pub(super) fn gave_market(&mut self, message: &MarketMsg) {
        self.given.insert(cell(message), message.seq);
        self.given_count += 1;
        self.feed.push_back(message.seq);
    }

    /// The driver gave a scan message.
    pub(super) fn gave_scan(&mut self, message: ScanMsg) {
        self.scans.push_back(message);
    }

    /// The operator's word found room.
    pub(super) fn gave_control(&mut self, control: Control) {
        self.controls.push_back(control);
    }

    /// The kernel says that it sent an order; false when it had said so before.
    pub(super) fn sent(&mut self, client: ClientId) -> bool {
        // A refused cancel tells the state of an order that has no other answer yet once more.
        let is_new = self.told.insert(client);
        if is_new && !self.answered.remove(&client) {
            self.sent.push_back(client);
        }
        is_new
    }

    /// Takes in what passed the venue since the last time.
    ///
    /// # Errors
    /// `I24_feed`.
    pub(super) fn tap(&mut self, tap: &mut Tap) -> Result<(), Breach> {
        for (link, message) in tap.said.drain(..) {
            self.replies[link as usize].push_back(message);
        }
        self.canceled.extend(tap.canceled.drain(..));
        for seq in tap.fed.drain(..) {
            let due = self.feed.pop_front();
            if due != Some(seq) {
                return breach("I24_feed", format!("message {seq} came, {due:?} was due"));
            }
        }
        Ok(())
    }

    /// The orders that reached the venue are those that were sent, in that order, but for refused ones.
    ///
    /// # Errors
    /// `I24_command`.
    pub(super) fn placed(&mut self, tap: &mut Tap) -> Result<(), Breach> {
        for client in tap.placed.drain(..) {
            loop {
                match self.sent.pop_front() {
                    Some(next) if next == client => break,
                    Some(skipped) => self.unanswered.insert(skipped),
                    None => {
                        let what = format!("{client} arrived out of order, twice, or unsent");
                        return breach("I24_command", what);
                    }
                };
            }
        }
        Ok(())
    }

    /// The kernel took an input.
    ///
    /// # Errors
    /// `I24_…`: it is not the next one of its link.
    pub(super) fn took(&mut self, input: &Input) -> Result<(), Breach> {
        match input {
            Input::Market(message) => self.took_market(message),
            Input::Scan(message) => {
                let due = self.scans.pop_front();
                if due == Some(*message) {
                    return Ok(());
                }
                breach("I24_scan", format!("{message:?} came, {due:?} was due"))
            }
            Input::Venue(message) => self.took_reply(message),
            Input::Control(message) => {
                if matches!(message.control, Control::JournalBehind | Control::JournalCaughtUp) {
                    return Ok(());
                }
                let due = self.controls.pop_front();
                if due == Some(message.control) {
                    return Ok(());
                }
                breach("I24_control", format!("{:?} came, {due:?} was due", message.control))
            }
            Input::Settings { .. } | Input::Tick => Ok(()),
        }
    }

    fn took_market(&mut self, message: &MarketMsg) -> Result<(), Breach> {
        let at = cell(message);
        let newest = self.given.get(&at).copied();
        let before = self.taken.insert(at, message.seq);
        self.taken_count += 1;
        if before.is_some_and(|before| before >= message.seq) || newest < Some(message.seq) {
            let what = format!("{} after {before:?}, newest given {newest:?}", message.seq);
            return breach("I24_market", what);
        }
        Ok(())
    }

    fn took_reply(&mut self, message: &VenueMsg) -> Result<(), Breach> {
        let queue = &mut self.replies[ReplyLink::of(&message.event) as usize];
        if queue.front() == Some(message) {
            queue.pop_front();
            return Ok(());
        }
        // The gate answers on the same link, and no venue said it.
        let reason = match message.event {
            VenueEvent::Reject { reason } | VenueEvent::CancelRejected { reason } => Some(reason),
            _ => None,
        };
        let is_gate = matches!(
            reason,
            Some(
                RejectReason::Killed
                    | RejectReason::Cap
                    | RejectReason::OrderRate
                    | RejectReason::NoMarket
                    | RejectReason::Other
            )
        );
        if is_gate
            && message.ts_exch_ns == Maybe::NONE
            && let ClientRef::Own(client) = message.client
        {
            let is_order = matches!(message.event, VenueEvent::Reject { .. });
            let before = self.sent.len();
            // It may be known before a later order shows that this one did not arrive.
            self.sent.retain(|sent| *sent != client);
            if is_order && !self.unanswered.remove(&client) && self.sent.len() == before {
                self.answered.insert(client);
            }
            return Ok(());
        }
        breach("I24_reply", format!("{message:?} came, {:?} was due", queue.front()))
    }

    /// Nothing is on any link any more: nothing may be left over.
    ///
    /// # Errors
    /// `I24_…`: something was given and never taken.
    pub(super) fn empty(&self, merged: u64) -> Result<(), Breach> {
        if self.given != self.taken || self.given_count != self.taken_count + merged {
            let what = format!(
                "{} market messages given, {} taken, {merged} merged; newest {:?}, taken {:?}",
                self.given_count, self.taken_count, self.given, self.taken
            );
            return breach("I24_market", what);
        }
        let left = [
            ("I24_reply", self.replies[0].len() + self.replies[1].len()),
            ("I24_scan", self.scans.len()),
            ("I24_control", self.controls.len()),
            ("I24_feed", self.feed.len()),
            ("I24_command", self.sent.len() + self.unanswered.len() + self.answered.len()),
        ];
        match left.iter().find(|(_, count)| *count > 0) {
            Some((check, count)) => breach(check, format!("{count} never arrived")),
            None => Ok(()),
        }
    }
}
