//! The egress stage of a live run: orders out by REST, the account in by socket and REST.
//!
//! A command is looked at by the gate, the kill switch and the venue's limits in the poll in which it
//! leaves. Entries need an account stream that can be relied on, and those that may rest an armed dead-man
//! timer; exits need neither. What cannot leave in time is refused, never sent late.

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use pinion_core::gate::{Gate, KillSwitch};
use pinion_core::id::InstrumentId;
use pinion_core::instrument::InstrumentTable;
use pinion_core::kernel::Kernel;
use pinion_core::link::{Full, Rx, Tx};
use pinion_core::msg::venue::RejectReason;
use pinion_core::msg::{
    ClientRef, Command, CommandMsg, Control, ControlMsg, MarketMsg, OrderKind, TimeInForce,
    VenueMsg,
};
use pinion_core::stage::{Stage, Work};
use pinion_core::units::Nanos;

use super::super::account_sockets::Lane;
use super::super::dead_man::DeadMan;
use super::super::fills::Fills;
use super::super::reports::{Reports, account_update};
use super::super::request::Symbols;
use super::super::user::Account;
use super::Notices;
use super::account::{AccountStream, Want};
use super::history::{History, Why};
use super::modes::Modes;
use super::plan::VenuePlan;
use super::resting::Resting;
use super::waiting::{Item, Job, Waiting};
use super::wire::{Hold, Wire};
use crate::journal::WriteAhead;
use crate::paper::ReplyLink;

/// Feed messages of one poll.
const FEED_BUDGET: u32 = 256;
/// Commands of one poll.
const COMMAND_BUDGET: u32 = 64;
/// Replies of one poll.
const REPLY_BUDGET: u32 = 256;
/// Replies that may wait for room; beyond it the account sockets are not read.
const REPLIES_MAX: usize = 4096;
/// Commands that may wait; beyond it none is taken.
const WAITING_MAX: usize = 256;
/// Fills are asked for this often, for their fees and for what nobody told.
const ROUTINE_NS: i64 = 60 * Nanos::SECOND;

/// Link ends of the stage.
#[derive(Debug)]
pub struct EgressLinks {
    /// Prices, for the gate.
    pub feed: Rx<MarketMsg>,
    /// What to do.
    pub command: Rx<CommandMsg>,
    /// Answers.
    pub ack: Tx<VenueMsg>,
    /// The account.
    pub account: Tx<VenueMsg>,
    /// To the kernel, when the account must be read anew or trading must stop.
    pub control: Arc<ArrayQueue<ControlMsg>>,
}

/// What the stage counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EgressCounts {
    /// Calls that left.
    pub calls: u64,
    /// Orders that left.
    pub orders: u64,
    /// Answers that came.
    pub answers: u64,
    /// Calls whose answer did not come whole.
    pub lost: u64,
    /// Times at which the account stream was lost.
    pub account_losses: u64,
    /// Frames of the account sockets.
    pub frames: u64,
    /// Commands that could not leave in time.
    pub late: u64,
}

/// The way to the kernel, with those who listen on it.
#[derive(Debug)]
pub(super) struct Outward {
    pub(super) gate: Gate,
    pub(super) resting: Resting,
    replies: VecDeque<VenueMsg>,
    /// Instruments that we traded or hold.
    pub(super) touched: Vec<bool>,
}

impl Outward {
    pub(super) fn tell(&mut self, message: VenueMsg) {
        self.resting.heard(&message);
        let ours = matches!(message.client, ClientRef::Own(_));
        if let Some(instrument) = message.instrument.filter(|_| ours)
            && let Some(touched) = self.touched.get_mut(instrument.index())
        {
            *touched = true;
        }
        self.replies.push_back(message);
    }
}

/// See the module's documentation. Owner: the runner.
#[derive(Debug)]
pub struct BingxEgress {
    pub(super) wire: Wire,
    pub(super) waiting: Waiting,
    pub(super) account: AccountStream,
    pub(super) history: History,
    pub(super) dead_man: DeadMan,
    pub(super) fills: Fills,
    pub(super) reports: Reports,
    pub(super) symbols: Symbols,
    pub(super) table: Arc<InstrumentTable>,
    pub(super) out: Outward,
    pub(super) notices: Notices,
    pub(super) counts: EgressCounts,
    pub(super) scratch: Vec<VenueMsg>,
    pub(super) is_wallet_asked: bool,
    /// Controls that wait for room, oldest first.
    pub(super) controls: VecDeque<Control>,
    pub(super) kill: Arc<KillSwitch>,
    resumes: u32,
    modes: Modes,
    links: EgressLinks,
    ahead: WriteAhead,
    routine_due: Nanos,
    wants_timer: bool,
    /// No new questions and no sockets any more: the run ends.
    is_closing: bool,
}

impl BingxEgress {
    /// A stage that connects with its first poll.
    #[must_use]
    pub fn new(
        plan: &VenuePlan,
        table: Arc<InstrumentTable>,
        symbols: Symbols,
        gate: Gate,
        kill: Arc<KillSwitch>,
        links: EgressLinks,
        notices: Notices,
    ) -> Self {
        Self {
            wire: Wire::new(plan),
            waiting: Waiting::new(),
            account: AccountStream::new(plan, notices.clone()),
            history: History::default(),
            dead_man: DeadMan::new(plan.dead_man_s),
            fills: Fills::on_ticks_of(&table),
            reports: Reports::default(),
            symbols,
            out: Outward {
                gate,
                resting: Resting::default(),
                replies: VecDeque::with_capacity(REPLIES_MAX),
                touched: vec![false; table.len()],
            },
            modes: Modes::new(plan, table.len()),
            table,
            notices,
            counts: EgressCounts::default(),
            scratch: Vec::with_capacity(64),
            is_wallet_asked: false,
            controls: VecDeque::new(),
            resumes: kill.resumes(),
            kill,
            links,
            ahead: WriteAhead::default(),
            routine_due: Nanos::ZERO,
            wants_timer: false,
            is_closing: false,
        }
    }

    /// From now on orders wait for the journal.
    pub fn write_ahead(&mut self, ahead: WriteAhead) {
        self.ahead = ahead;
    }

    /// Takes over what an earlier process left at the venue, as far as its restored `kernel` knows: orders
    /// with what was filled of them, and a dead-man timer that may still run. Fills are asked for from
    /// `known_to` on, by the venue's clock, and for a while before it.
    pub fn resume(&mut self, kernel: &Kernel, now: Nanos, known_to: Nanos) {
        for order in kernel.orders() {
            if let Some(touched) = self.out.touched.get_mut(order.instrument.index()) {
                *touched = true;
            }
            // The price of what was filled is not exact here; the next event brings its own.
            self.fills.resume(order.venue_id, order.client, order.filled, None);
            if !order.over && may_rest(order.kind, order.tif) {
                self.out.resting.sent(now, order.client, order.qty);
            }
        }
        self.dead_man.may_run(now);
        self.history.resume(known_to);
    }

    /// What was counted.
    #[must_use]
    pub const fn counts(&self) -> EgressCounts {
        self.counts
    }

    /// The gate, for reports.
    #[must_use]
    pub const fn gate(&self) -> &Gate {
        &self.out.gate
    }

    /// True while the account stream can be relied on.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.account.is_live()
    }

    /// The run ends: no sockets, no keys, no routine; the timer is turned off once nothing rests.
    pub fn close(&mut self) {
        self.is_closing = true;
        self.account.stop();
    }

    /// True when nothing is under way and nothing waits.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.wire.pool.waiting() == 0 && self.waiting.len() == 0 && self.out.replies.is_empty()
    }

    /// True when nothing is left to be told or turned off.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_quiet() && (self.has_resting() || self.dead_man.is_off())
    }

    /// True while an order of ours may rest at the venue.
    #[must_use]
    pub const fn has_resting(&self) -> bool {
        self.out.resting.any()
    }

    fn take_feed(&mut self) -> u32 {
        let mut count = 0;
        while count < FEED_BUDGET
            && let Some(message) = self.links.feed.pop()
        {
            self.out.gate.saw(&message);
            count += 1;
        }
        count
    }

    fn take_commands(&mut self, now: Nanos) -> u32 {
        let resumes = self.kill.resumes();
        if resumes != self.resumes {
            self.resumes = resumes;
            self.out.gate.resume();
        }
        let mut count = 0;
        while count < COMMAND_BUDGET
            && self.waiting.len() < WAITING_MAX
            && let Some(message) = self.links.command.pop()
        {
            let mut item = Item::new(Job::Command(message), now);
            if matches!(message.command, Command::Place { .. }) {
                item.ticket = self.ahead.ask();
            }
            self.waiting.put(item);
            count += 1;
        }
        count
    }

    /// Reads the account sockets and sees to what they ask for.
    fn hear_account(&mut self, now: Nanos) -> u32 {
        let Self { account, fills, out, table, waiting, is_wallet_asked, modes, notices, .. } =
            self;
        let frames = account.poll(now, &mut |frame| match frame {
            Account::Order(update) => {
                let instrument = table.find(update.symbol);
                let growth = fills.apply(update, instrument, now, &mut |message| out.tell(message));
                let owner = fills.owner(&update.order_id, update.client());
                if let (true, ClientRef::Own(client), Some(instrument)) =
                    (growth.ask, owner, instrument)
                {
                    let venue_id = update.order_id;
                    waiting.put(Item::new(Job::Look { client, venue_id, instrument }, now));
                }
            }
            Account::Update(update) => {
                let check = account_update(update, now, &mut |message| out.tell(message));
                if check && !std::mem::replace(is_wallet_asked, true) {
                    waiting.put(Item::new(Job::Wallet, now));
                }
            }
            Account::Config(update) => {
                if let Some(text) = modes.heard(update, table.find(update.symbol)) {
                    notices.say(text);
                }
            }
            Account::KeyExpired { .. } | Account::Unknown => {}
        });
        self.counts.frames += u64::from(frames);
        while let Some(want) = self.account.next_want() {
            match want {
                Want::Resync(lane) => {
                    self.begin_history(Why::Resync(lane));
                    // The kernel asks for open orders, then positions, then the wallet, and believes only
                    // what it asked for from now on; entries wait for the end.
                    self.controls.push_back(Control::Recover);
                }
                Want::Ask(lane) => self.begin_history(Why::Silence(lane)),
                Want::Ready => {}
                Want::Lost => self.counts.account_losses += 1,
            }
        }
        frames
    }

    fn begin_history(&mut self, why: Why) {
        let touched = &self.out.touched;
        let ids = touched.iter().enumerate().filter(|(_, touched)| **touched);
        self.history.begin(why, ids.map(|(index, _)| InstrumentId::new(index)));
    }

    /// What must be asked or told at its time.
    fn chores(&mut self, now: Nanos) {
        let is_resting = self.out.resting.any() || self.wants_timer;
        if let Some(call) = self.dead_man.poll(now, is_resting) {
            self.waiting.put(Item::new(Job::Timer(call), now));
        }
        // Asked only when it can leave at once: the time until then would count as the way there.
        if self.wire.pool.ready() > 1 && self.wire.offset.wants_question(now) {
            self.waiting.put(Item::new(Job::Clock, now));
        }
        if let Some(fault) = self.wire.pool.take_fault() {
            self.notices.say(format!("REST connection: {fault}"));
        }
        if self.is_closing || self.wire.offset.offset_ns().is_none() {
            return;
        }
        if let Some(call) = self.account.key_call(now) {
            self.waiting.put(Item::new(Job::Key(call), now));
        }
        if now >= self.routine_due && !self.history.is_under_way() {
            if self.routine_due > Nanos::ZERO && self.out.touched.contains(&true) {
                self.begin_history(Why::Routine);
            }
            self.routine_due = now.plus(ROUTINE_NS);
        }
        let venue_ms = self.wire.offset.timestamp_ms(now);
        if let Some(page) = self.history.next(now, venue_ms) {
            self.waiting.put(Item::new(Job::History(page), now));
        }
        self.tell_history(now);
    }

    pub(super) fn tell_history(&mut self, now: Nanos) {
        if let Some((lane, happened)) = self.history.finished() {
            let lane: Lane = lane;
            self.account.on(now, lane, happened);
        }
    }

    /// Sends what may leave now; (calls, orders).
    fn dispatch(&mut self, now: Nanos) -> (u32, u32) {
        let (mut calls, mut orders) = (0, 0);
        self.wants_timer = false;
        let Self {
            wire,
            waiting,
            account,
            dead_man,
            symbols,
            out,
            kill,
            wants_timer,
            ahead,
            modes,
            ..
        } = self;
        let (is_live, killed) = (account.is_live(), kill.is_on());
        let mut refused: Vec<(Item, Option<RejectReason>)> = Vec::new();
        waiting.each(|item| {
            let rests = rests(&item);
            let is_arming = rests && item.is_entry() && !dead_man.protects(now);
            if now.since(item.since) >= item.patience_ns(rests) {
                refused.push((item, None));
                return None;
            }
            if item.is_entry() {
                let is_fit = is_live && item.instrument().is_none_or(|id| modes.fit(id));
                let forbidden = match (killed, is_fit) {
                    (true, _) => Some(RejectReason::Killed),
                    (false, false) => Some(RejectReason::NotTrading),
                    (false, true) => None,
                };
                if forbidden.is_some() {
                    refused.push((item, forbidden));
                    return None;
                }
                if is_arming {
                    *wants_timer = true;
                    return Some(item);
                }
            }
            if item.waits_for_journal(now, ahead.is_written(item.ticket)) {
                return Some(item);
            }
            let Ok(call) = item.call(symbols, account.newest_key()) else {
                refused.push((item, Some(RejectReason::Other)));
                return None;
            };
            let timestamp_ms = match wire.may(now, call.endpoint(), item.priority()) {
                Ok(timestamp_ms) => timestamp_ms,
                Err(Hold::Until(at)) if at.since(item.since) >= item.patience_ns(rests) => {
                    refused.push((item, Some(RejectReason::RateLimited)));
                    return None;
                }
                Err(Hold::Connection | Hold::Clock | Hold::Until(_)) => return Some(item),
            };
            if let Job::Command(message) = &item.job {
                // The last look, and the last word of the switch.
                if let Err(reason) = out.gate.check(now, message, kill.is_on()) {
                    refused.push((item, Some(reason)));
                    return None;
                }
                if let Command::Place { client, instrument, qty, .. } = message.command {
                    orders += 1;
                    if let Some(touched) = out.touched.get_mut(instrument.index()) {
                        *touched = true;
                    }
                    if rests {
                        out.resting.sent(now, client, qty);
                    }
                }
            }
            match wire.send(now, &call, timestamp_ms, item) {
                None => {
                    calls += 1;
                    None
                }
                Some(item) => Some(item),
            }
        });
        for (item, reason) in refused {
            self.refuse(now, &item, reason);
        }
        self.counts.calls += u64::from(calls);
        self.counts.orders += u64::from(orders);
        (calls, orders)
    }

    fn put_replies(&mut self) -> (u32, bool) {
        let mut count = 0;
        while count < REPLY_BUDGET
            && let Some(message) = self.out.replies.pop_front()
        {
            let tx = match ReplyLink::of(&message.event) {
                ReplyLink::Ack => &mut self.links.ack,
                ReplyLink::Account => &mut self.links.account,
            };
            if let Err(Full(message)) = tx.push(message) {
                self.out.replies.push_front(message);
                return (count, true);
            }
            // Heard in the order in which it is passed on.
            self.out.gate.heard(&message);
            count += 1;
        }
        (count, false)
    }

    fn put_controls(&mut self, now: Nanos) -> u32 {
        let mut count = 0;
        while let Some(control) = self.controls.pop_front() {
            if self.links.control.push(ControlMsg { ts_recv_ns: now, control }).is_err() {
                self.controls.push_front(control);
                break;
            }
            count += 1;
        }
        count
    }

    /// Tells the kernel that a command did not leave.
    fn refuse(&mut self, now: Nanos, item: &Item, reason: Option<RejectReason>) {
        self.counts.late += u64::from(reason.is_none());
        match item.job {
            Job::Command(message) => {
                let reason = reason.unwrap_or(RejectReason::RateLimited);
                match Gate::refusal(now, &message, reason) {
                    Some(refusal) => self.out.tell(refusal),
                    // A question: its answer is that there is none.
                    None => self.unanswered(now, item),
                }
            }
            Job::Look { .. }
            | Job::Wallet
            | Job::Clock
            | Job::Key(_)
            | Job::Timer(_)
            | Job::History(_) => self.unanswered(now, item),
        }
    }
}

/// True for an order of this kind that may rest in the book.
const fn may_rest(kind: OrderKind, tif: TimeInForce) -> bool {
    matches!(kind, OrderKind::Limit) && matches!(tif, TimeInForce::Gtc | TimeInForce::PostOnly)
}

/// True for an order that may rest in the book.
const fn rests(item: &Item) -> bool {
    match item.job {
        Job::Command(CommandMsg { command: Command::Place { kind, tif, .. }, .. }) => {
            may_rest(kind, tif)
        }
        Job::Command(_)
        | Job::Look { .. }
        | Job::Wallet
        | Job::Clock
        | Job::Key(_)
        | Job::Timer(_)
        | Job::History(_) => false,
    }
}

impl Stage for BingxEgress {
    fn name(&self) -> &'static str {
        "egress"
    }

    fn poll(&mut self, now: Nanos) -> Work {
        let mut count = self.take_feed() + self.take_commands(now);
        count += self.hear_answers(now);
        if self.out.replies.len() < REPLIES_MAX / 2 {
            count += self.hear_account(now);
        }
        self.chores(now);
        let (calls, orders) = self.dispatch(now);
        let (replied, backpressured) = self.put_replies();
        count += calls + replied + self.put_controls(now);
        Work { count, commands: orders, backpressured }
    }
}
