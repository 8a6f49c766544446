//! The paper venue: one pure model of a perpetuals exchange.
//!
//! No clock, no I/O: time is an argument, randomness comes from `engine.seed`, so the same inputs give
//! the same fills. It sees the market as the engine does, and is conservative where the data is silent:
//! **no fill is ever better than what the data proves**. [`PaperEgress`] hosts it in paper runs.
//!
//! # Rules
//!
//! | subject | rule | why it is conservative |
//! |---|---|---|
//! | latency | each way lognormal around `paper.order_latency_ns` and `paper.reply_latency_ns`, first in first out; what is sent at one moment travels together | a market move during the flight hits the order; a cancel loses the race it would lose |
//! | taker, book | walks the L2 levels; what we took from a level stays taken until that level is updated | our own footprint does not heal by itself |
//! | taker, book and quote disagree | the worse touch counts, levels better than it are skipped | a stale level is no offer |
//! | taker, quote only | touch quantity at the touch, the same again one tick worse, and so on (past 16 steps the rest at its worst step); quantity unknown: all of it one tick worse | depth beyond the touch is not known |
//! | taker, trades only | from the trades after arrival, up to their quantity, each at the worse of the last price before arrival and the trade, plus `paper.trade_slip_ticks`; `paper.print_wait_ns`, then the rest expires | the other side of the spread is not known |
//! | taker, bars only | the first bar after arrival, at the worse of the last close and its open, plus slip, up to its volume; the rest expires | the same |
//! | band | no fill more than `paper.price_band` beyond the touch; the rest expires | venues bound market orders so |
//! | maker, queue | joins behind all that is shown at its price; not shown (deeper than the data): never filled in the queue | nobody lets us in front |
//! | maker, fills | at its limit: what prints at its price have left after the queue; whole when a print goes through its price; up to what is shown when the other side crosses it; prints of its own side do not count | being first is never assumed |
//! | maker, rest of an order that took | what it took does not fill it again: crossing offers count once, prints of unknown side not at all | the recording still shows what we took |
//! | maker, queue advance | by such prints, and down to what is shown when less is shown; a print that the venue dates no later than what the queue already reflects does not count again | the same print moves the queue once |
//! | merged prints | count as through-prints only | their quantity is of several prices |
//! | maker, bars | the first bar after arrival counts with its close alone, later ones with low and high | the first bar began before the order arrived |
//! | post-only | refused when it reaches the best price of book or quote (trades only: when it betters the last) | |
//! | limit, trades or bars only | when it crosses the last price: immediate ones take from the prints, resting ones fill like makers but pay the taker fee | |
//! | gap | the book is unusable until the next reset; the quote rule holds meanwhile | |
//! | reduce-only | trimmed to the position when it arrives and again at every match; the end of a trimmed order is `Expired` with its `cum_qty`; resting ones expire when the position is gone | |
//! | positions | hedge mode: long and short of an instrument are two positions; an order on its position's closing side reduces and never opens | |
//! | positions, netting | one position an instrument ([`PaperVenue::set_netting`]): a fill of an order that may open closes first what is held the other way, as a fill of its own | |
//! | fees | taker or maker rate on each fill's notional, rounded half to even | |
//! | margin | notional ÷ `paper.leverage` of positions and opening orders, against wallet plus unrealized | |
//! | liquidation | when wallet plus unrealized is not above `paper.maintenance_rate` of the positions' value: every order expires, every position closes whole at the worse of fair price and touch | no partial liquidation, no insurance fund: the wallet may end below zero |
//! | self-trade | an arriving order expires our own orders of the other side that it would meet first: those not behind the touch and not behind a price at which it takes; a post-only order is refused instead | |
//! | funding | at the boundary that mark data announces, else at multiples of `paper.funding_interval_ns`; the rate of the mark data, else `paper.funding_rate`; on the mark price (else last trade, mid, close); positive: longs pay | |
//!
//! Faults are a layer of their own: [`faults`].
//! The market happens at its receive time: the feed's own latency is not charged to an order a second
//! time, so where a recording's feed is slow, raise `paper.order_latency_ns` by that much. A taker that waits
//! for a bar that never comes expires after two bars' time (at least `paper.print_wait_ns`; an hour after
//! a single bar).
//!
//! # Replies
//!
//! What answers a command goes to the acknowledgement link, what happens to the account goes to the
//! account link ([`ReplyLink::of`]). All replies leave in the order in which the venue made them, an
//! acknowledgement before its fills; a reader of two links may still see the fill first.
//!
//! A balance is pushed after every fill and funding. Whole views (balance, positions, open orders) are told
//! only when they are asked for, as they are when the probe arrives; the end of one carries the revision of
//! the probe.
//!
//! # Cost
//!
//! A market message on an instrument without a live order: a few ns for a quote, a binary search more for a
//! level. While a position is open, each priced message works the margin out anew: one pass over positions
//! and live orders. Nothing allocates after warm-up (each side of a book reserves its levels once).

mod account;
pub mod faults;
mod funding;
mod latency;
mod market;
mod matching;
mod orders;
mod outside;
mod place;
mod rng;
mod stage;
pub mod truth;
mod venue;

use std::collections::VecDeque;
use std::sync::Arc;

use pinion_core::id::{ClientId, InstrumentId};
use pinion_core::instrument::InstrumentTable;
use pinion_core::msg::venue::VenueOrderState;
use pinion_core::msg::{
    ClientRef, Command, CommandMsg, MarketBody, MarketKind, MarketMsg, Maybe, ProbeKind, Side,
    VenueEvent, VenueMsg,
};
use pinion_core::settings::Settings;
use pinion_core::units::{Nanos, Price, Qty, Rate};

use account::Reserved;
pub use account::{Account, Margin, Position};
use faults::dice::Dice;
use latency::DelayLine;
use market::{Market, NEVER};
use orders::{Orders, Phase};
pub use stage::PaperEgress;
pub use truth::{Owner, Truth};
pub use venue::Venue;

/// Places for commands and replies under way; more than this allocates.
const UNDER_WAY: usize = 1024;

/// Which link a reply belongs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyLink {
    /// Answers to commands.
    Ack,
    /// What happens to the account.
    Account,
}

impl ReplyLink {
    /// The link of an event.
    #[must_use]
    pub const fn of(event: &VenueEvent) -> Self {
        match event {
            VenueEvent::Ack { .. }
            | VenueEvent::Reject { .. }
            | VenueEvent::Ambiguous
            | VenueEvent::Canceled { .. }
            | VenueEvent::CancelRejected { .. }
            | VenueEvent::OrderStatus { .. } => Self::Ack,
            VenueEvent::Fill { .. }
            | VenueEvent::FeeSettled { .. }
            | VenueEvent::Forced { .. }
            | VenueEvent::Expired { .. }
            | VenueEvent::Balance { .. }
            | VenueEvent::Funding { .. }
            | VenueEvent::Transfer { .. }
            | VenueEvent::Position { .. }
            | VenueEvent::PositionsEnd { .. }
            | VenueEvent::OpenOrder { .. }
            | VenueEvent::OpenOrdersEnd { .. } => Self::Account,
        }
    }
}

/// What the venue did since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PaperCounts {
    /// Commands that arrived.
    pub commands: u64,
    /// Orders accepted.
    pub accepted: u64,
    /// Orders refused.
    pub rejected: u64,
    /// Cancels refused.
    pub cancel_rejected: u64,
    /// Orders cancelled.
    pub canceled: u64,
    /// Orders expired.
    pub expired: u64,
    /// Fills that took.
    pub taker_fills: u64,
    /// Fills that made.
    pub maker_fills: u64,
    /// Funding exchanges.
    pub fundings: u64,
    /// Position snapshots told.
    pub snapshots: u64,
}

/// A live order, for reports and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOrder {
    /// Our identity of it.
    pub client: ClientId,
    /// Where.
    pub instrument: InstrumentId,
    /// Side.
    pub side: Side,
    /// Limit price; `None` for a market order that waits for data.
    pub limit: Option<Price>,
    /// Quantity.
    pub qty: Qty,
    /// Filled so far.
    pub cum_qty: Qty,
    /// Quantity ahead of it at its price; `None` when not known or not resting.
    pub queue: Option<Qty>,
}

/// What the settings say about the venue.
#[derive(Clone, Copy, Debug)]
struct Rules {
    taker_rate: Rate,
    maker_rate: Rate,
    slip_ticks: i64,
    print_wait_ns: i64,
    funding_interval_ns: i64,
    funding_rate: Rate,
}

/// What is due next inside the venue.
#[derive(Clone, Copy, Debug)]
enum Due {
    Funding(usize),
    Deadline(usize),
    Arrival,
    Nothing,
}

/// A command on its way.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    due: Nanos,
    /// When we handed it over.
    sent_ns: Nanos,
    command: Command,
}

/// What a reply is, for those who let some of them go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// The answer to a command or a probe.
    Answer,
    /// Something that happened, told on the account stream.
    Stream,
}

/// A reply on its way.
#[derive(Clone, Copy, Debug)]
struct Reply {
    due: Nanos,
    origin: Origin,
    /// When the command was handed over that arrived last; of an answer, the one that it answers.
    sent_ns: Nanos,
    msg: VenueMsg,
}

/// True for a message after which the account may be worth another amount. Amid an update of a book
/// nothing is worth anything.
fn is_priced(msg: &MarketMsg) -> bool {
    match msg.kind() {
        MarketKind::Quote | MarketKind::Trade | MarketKind::Mark | MarketKind::Bar => true,
        MarketKind::Level => matches!(msg.body(), MarketBody::Level { last: true, .. }),
        MarketKind::Reset | MarketKind::Gap => false,
    }
}

/// The model. Owner: [`PaperEgress`], a simulation, or a test.
#[derive(Clone, Debug)]
pub struct PaperVenue {
    table: Arc<InstrumentTable>,
    rules: Rules,
    markets: Vec<Market>,
    orders: Orders,
    account: Account,
    arrivals: VecDeque<Arrival>,
    replies: VecDeque<Reply>,
    order_line: DelayLine,
    reply_line: DelayLine,
    clock: Nanos,
    /// Nothing inside the venue is due before this.
    wake: Nanos,
    /// What the replies being made are.
    origin: Origin,
    /// When the command was handed over that arrived last.
    sent_ns: Nanos,
    venue_ids: u64,
    /// Fills on the account, whoever made them.
    fill_numbers: u64,
    /// One position an instrument: a fill first closes what is held the other way.
    netting: bool,
    /// Nothing trades before this.
    halted_until: Nanos,
    /// Nothing arrives before this.
    stalled_until: Nanos,
    counts: PaperCounts,
    /// What happened and was not taken yet; `None`: not recorded.
    truth: Option<Vec<Truth>>,
    /// What goes wrong inside the venue; `None`: nothing.
    dice: Option<Box<Dice>>,
}

impl PaperVenue {
    /// A venue with a flat account. Allocates everything here and at the first level of each book side.
    #[must_use]
    pub fn new(settings: &Settings, table: Arc<InstrumentTable>) -> Self {
        let seed = settings.engine_seed.cast_unsigned();
        let line = |median_ns, stream| {
            DelayLine::new(median_ns, settings.paper_latency_sigma, seed, stream)
        };
        Self {
            rules: Rules {
                taker_rate: settings.account_taker_rate,
                maker_rate: settings.account_maker_rate,
                slip_ticks: settings.paper_trade_slip_ticks,
                print_wait_ns: settings.paper_print_wait_ns,
                funding_interval_ns: settings.paper_funding_interval_ns,
                funding_rate: settings.paper_funding_rate,
            },
            markets: table
                .iter()
                .map(|(_, row)| Market::new(row, settings.paper_price_band))
                .collect(),
            orders: Orders::new(),
            account: Account::new(settings, table.len()),
            arrivals: VecDeque::with_capacity(UNDER_WAY),
            replies: VecDeque::with_capacity(UNDER_WAY),
            order_line: line(settings.paper_order_latency_ns, 1),
            reply_line: line(settings.paper_reply_latency_ns, 2),
            clock: NEVER,
            wake: NEVER,
            origin: Origin::Stream,
            sent_ns: NEVER,
            venue_ids: 0,
            fill_numbers: 0,
            netting: false,
            halted_until: NEVER,
            stalled_until: NEVER,
            counts: PaperCounts::default(),
            truth: None,
            dice: None,
            table,
        }
    }

    /// Takes in a market message of feed time `now`, after everything that was due before it. Books must
    /// come unconflated and in feed order.
    pub fn handle_market(&mut self, now: Nanos, msg: &MarketMsg) {
        self.clock = self.clock.max(now);
        if self.wake < self.clock {
            self.run(self.clock, false);
        }
        if msg.kind() == MarketKind::Mark && !self.account.positions.is_empty() {
            self.on_announcement(msg);
        }
        let Some(market) = self.markets.get_mut(msg.instrument.index()) else { return };
        market.apply(msg);
        if !self.account.positions.is_empty() && is_priced(msg) {
            self.liquidate_if_used_up(self.clock);
        }
        let market = &self.markets[msg.instrument.index()];
        if market.live > 0 && self.clock >= self.halted_until {
            self.match_market(self.clock, msg);
            self.retire_done();
            self.wake = self.earliest().0;
        }
    }

    /// Takes a command from us at `now`; it arrives after the order latency, never before an earlier one.
    pub fn handle_command(&mut self, now: Nanos, command: &CommandMsg) {
        let mut due = self.order_line.due(now);
        if self.dice.is_some() {
            due = self.held_back(due);
        }
        self.arrivals.push_back(Arrival { due, sent_ns: now, command: command.command });
        self.wake = self.wake.min(due);
    }

    /// Does everything that is due by `now`: arrivals, expiries, funding. Returns how many
    /// such things it did. `now` before an earlier one is taken as that earlier one.
    pub fn handle_time(&mut self, now: Nanos) -> u32 {
        self.clock = self.clock.max(now);
        if self.wake > self.clock { 0 } else { self.run(self.clock, true) }
    }

    /// The next reply that has reached us by `now`.
    pub fn poll_reply(&mut self, now: Nanos) -> Option<(ReplyLink, VenueMsg)> {
        self.replies.pop_front_if(|reply| reply.due <= now).map(|Reply { mut msg, .. }| {
            msg.ts_recv_ns = now;
            (ReplyLink::of(&msg.event), msg)
        })
    }

    /// The earliest time at which [`Self::handle_time`] or [`Self::poll_reply`] has something to do; a time
    /// of the past before the first call.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Nanos> {
        let reply = self.replies.front().map_or(Nanos::MAX, |reply| reply.due);
        Some(self.wake.min(reply)).filter(|due| *due < Nanos::MAX)
    }

    /// The account.
    #[must_use]
    pub const fn account(&self) -> &Account {
        &self.account
    }

    /// Open positions, oldest first.
    #[must_use]
    pub fn positions(&self) -> &[Position] {
        &self.account.positions
    }

    /// Live orders in the order of their arrival.
    pub fn open_orders(&self) -> impl Iterator<Item = OpenOrder> {
        self.orders.live.iter().map(|order| OpenOrder {
            client: order.client,
            instrument: order.instrument,
            side: order.side,
            limit: order.limit,
            qty: order.qty,
            cum_qty: order.cum_qty,
            queue: match order.phase {
                Phase::Resting(resting) => resting.queue,
                Phase::AwaitsPrints { .. } | Phase::AwaitsBar { .. } => None,
            },
        })
    }

    /// Switches the record of what really happens on or off; off, what was not taken is forgotten.
    pub fn record_truth(&mut self, on: bool) {
        self.truth = on.then(Vec::new);
    }

    /// Hands over what happened since the last call, oldest first.
    pub fn take_truth(&mut self, sink: &mut dyn FnMut(Truth)) {
        if let Some(truth) = &mut self.truth {
            truth.drain(..).for_each(sink);
        }
    }

    /// Switches between one position an instrument (`true`) and a long and a short one beside each other,
    /// as at the start. For an account without positions and live orders; elsewhere it does nothing.
    pub fn set_netting(&mut self, on: bool) {
        if self.account.positions.is_empty() && self.orders.live.is_empty() {
            self.netting = on;
        }
    }

    /// Counts since the start.
    #[must_use]
    pub const fn counts(&self) -> &PaperCounts {
        &self.counts
    }

    /// Does what is due before `limit` (`inclusive`: by it), each at its own time.
    fn run(&mut self, limit: Nanos, inclusive: bool) -> u32 {
        let mut done = 0;
        loop {
            let (due, what) = self.earliest();
            self.wake = due;
            if due > limit || (due == limit && !inclusive) {
                return done;
            }
            match what {
                Due::Funding(index) => self.exchange_funding(due, index, None),
                Due::Deadline(index) => {
                    self.finish(due, index, VenueOrderState::Expired);
                    self.retire_done();
                }
                Due::Arrival => {
                    if let Some(arrival) = self.arrivals.pop_front() {
                        self.sent_ns = arrival.sent_ns;
                        self.arrive(due, &arrival.command);
                        self.retire_done();
                    }
                }
                Due::Nothing => return done,
            }
            done += 1;
        }
    }

    fn earliest(&self) -> (Nanos, Due) {
        let mut first = (Nanos::MAX, Due::Nothing);
        if let Some(arrival) = self.arrivals.front()
            && arrival.due <= first.0
        {
            first = (arrival.due, Due::Arrival);
        }
        for (index, order) in self.orders.live.iter().enumerate() {
            if let Phase::AwaitsPrints { until, .. } | Phase::AwaitsBar { until, .. } = order.phase
                && until < first.0
            {
                first = (until, Due::Deadline(index));
            }
        }
        for (index, position) in self.account.positions.iter().enumerate().rev() {
            if position.funding_due <= first.0 {
                first = (position.funding_due, Due::Funding(index));
            }
        }
        first
    }

    fn emit(
        &mut self,
        at: Nanos,
        client: Option<ClientId>,
        instrument: Option<InstrumentId>,
        event: VenueEvent,
    ) {
        self.tell(at, client.map_or(ClientRef::Absent, ClientRef::Own), instrument, event);
    }

    fn tell(
        &mut self,
        at: Nanos,
        client: ClientRef,
        instrument: Option<InstrumentId>,
        event: VenueEvent,
    ) {
        let due = self.reply_line.due(at);
        let msg =
            VenueMsg { ts_exch_ns: Maybe::some(at), ts_recv_ns: due, client, instrument, event };
        self.replies.push_back(Reply { due, origin: self.origin, sent_ns: self.sent_ns, msg });
    }

    /// Records what happened, where anybody wants to know.
    fn note(&mut self, truth: impl FnOnce() -> Truth) {
        if let Some(log) = &mut self.truth {
            log.push(truth());
        }
    }

    fn push_balance(&mut self, at: Nanos) {
        let margin = self.margin();
        let event = VenueEvent::Balance {
            wallet: Maybe::some(self.account.wallet),
            available: Maybe::some(margin.available),
            used: Maybe::some(margin.used),
            maint: Maybe::some(margin.maint),
        };
        self.emit(at, None, None, event);
    }

    /// Answers with a whole view under the revision at which it was asked.
    fn answer_probe(&mut self, at: Nanos, probe: ProbeKind, revision: u64) {
        self.origin = Origin::Answer;
        match probe {
            ProbeKind::Balance => self.push_balance(at),
            ProbeKind::Positions => self.push_positions(at, revision),
            ProbeKind::OpenOrders => self.push_open_orders(at, revision),
        }
        self.origin = Origin::Stream;
    }

    fn push_open_orders(&mut self, at: Nanos, revision: u64) {
        let mut rows = 0;
        while let Some(order) = self.orders.live.get(rows as usize).copied() {
            let event = VenueEvent::OpenOrder {
                venue_id: order.text_id(),
                side: order.side,
                qty: order.qty,
                cum_qty: order.cum_qty,
            };
            self.emit(at, Some(order.client), Some(order.instrument), event);
            rows += 1;
        }
        self.emit(at, None, None, VenueEvent::OpenOrdersEnd { ok: true, rows, revision });
    }

    fn push_positions(&mut self, at: Nanos, revision: u64) {
        let mut rows = 0;
        while let Some(position) = self.account.positions.get(rows as usize).copied() {
            let event = VenueEvent::Position {
                side: position.side,
                qty: position.qty,
                entry_price: position.entry_price().into(),
            };
            self.emit(at, None, Some(position.instrument), event);
            rows += 1;
        }
        self.counts.snapshots += 1;
        self.emit(at, None, None, VenueEvent::PositionsEnd { ok: true, rows, revision });
    }

    /// Margin at the prices of the moment.
    #[must_use]
    pub fn margin(&self) -> Margin {
        let mut reserved = Reserved::default();
        for order in self.orders.live.iter().filter(|order| !order.reduces) {
            let Some(notional) = order.limit.and_then(|limit| limit.notional(order.remaining()))
            else {
                continue;
            };
            let (instrument, side) = (order.instrument, order.position_side);
            if self.account.leverage_apart(instrument, side).is_some() {
                let margin = self.account.initial_margin(notional, instrument, side);
                reserved.margin = account::plus(reserved.margin, margin);
            } else {
                reserved.notional = account::plus(reserved.notional, notional);
            }
        }
        self.account.margin(reserved, |instrument| self.fair(instrument))
    }

    /// The price at which positions are valued now; `None` without any market.
    #[must_use]
    pub fn fair(&self, instrument: InstrumentId) -> Option<Price> {
        self.markets.get(instrument.index()).and_then(Market::fair)
    }
}
