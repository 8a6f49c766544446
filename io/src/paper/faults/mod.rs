//! Faults over the paper venue: what real venues and the way to them do wrong, drawn from a seed.
//!
//! [`FaultPlan`] says how often each [`Fault`] happens and how long it may last; [`FaultyVenue`] lets it
//! happen. Whether one happens is a pure function of the seed, the fault, and the number of its
//! opportunity ([`Instance`]), so a run can be repeated with some of them left out.
//!
//! # What stays true
//!
//! * What the venue really did is in the [`Truth`] log, and in [`FaultyVenue::venue`]. Faults of the stream
//!   and of answers change only what we are told.
//! * What is lost on the stream can still be asked for: a look-up and a probe answer from the venue's own
//!   state, at most five seconds old. Nothing false is told but zero balances, empty lists, and "not found"
//!   for a young order; [`FaultPlan::draw`] adds false prices in hell only.
//! * A pushed position snapshot carries no usable revision once anything went wrong.
//! * With every instance left out, replies are those of the plain [`PaperVenue`], one for one.
//!
//! Allocates as it goes: a simulation's venue, not one of paper runs.

mod answers;
pub(super) mod dice;
pub(super) mod inside;
mod outbox;
mod plan;
mod seconds;
mod stream;
#[cfg(test)]
mod tests;
mod views;

use std::sync::Arc;

use pinion_core::id::{InstrumentId, TextId};
use pinion_core::instrument::InstrumentTable;
use pinion_core::msg::venue::ForcedCause;
use pinion_core::msg::{CommandMsg, MarketMsg, Maybe, PositionSide, VenueEvent, VenueMsg};
use pinion_core::settings::Settings;
use pinion_core::units::{Money, Nanos, Qty};

use super::market::NEVER;
use super::outside::Outside;
use super::truth::Truth;
use super::{Origin, PaperVenue, Reply, ReplyLink, Venue};
use dice::Dice;
pub use dice::Instance;
use outbox::{Outbox, Silence, Way};
pub use plan::{Fault, FaultPlan, Span};
use views::Views;

/// Further behind than this, the seconds that went by unseen are skipped.
const CATCH_UP_NS: i64 = 3_600 * Nanos::SECOND;

/// A [`PaperVenue`] with faults. Owner: a simulation, or the venue simulator.
#[derive(Clone, Debug)]
pub struct FaultyVenue {
    inner: PaperVenue,
    table: Arc<InstrumentTable>,
    views: Views,
    outbox: Outbox,
    /// What happened and was not taken yet.
    truth: Vec<Truth>,
    /// Rows of a list whose end was not made yet.
    rows: Vec<VenueMsg>,
    /// No message comes before this.
    floor: Nanos,
    /// End of the second that goes by; `None` before the first moment.
    next_second: Option<Nanos>,
    /// Nobody waits for the answer to anything that was sent by then.
    hung_up: Option<Nanos>,
    /// The stream has begun anew after its last silence.
    greeted: bool,
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
        let mut inner = PaperVenue::new(settings, Arc::clone(&table));
        inner.record_truth(true);
        inner.dice = Some(Box::new(Dice::new(plan, seed)));
        Self {
            views: Views::new(settings, table.len()),
            inner,
            table,
            outbox: Outbox::default(),
            truth: Vec::new(),
            rows: Vec::new(),
            floor: NEVER,
            next_second: None,
            hung_up: None,
            greeted: true,
        }
    }

    /// The process that asked is gone: no answer to anything that was sent by now reaches anybody. What it
    /// sent still arrives. The stream is another matter: [`Self::outage`].
    pub fn hang_up(&mut self, now: Nanos) {
        self.step_to(now, true);
        self.hung_up = Some(now);
        self.outbox.drop_answers();
    }

    /// From now on nothing goes wrong any more: the stream is up, nothing halts or stalls, views are of
    /// the moment, what was held back comes now or at its natural time. What was lost stays lost and can
    /// be asked for; a balance is told at once when anything went wrong before.
    pub fn heal(&mut self, now: Nanos) {
        self.step_to(now, true);
        if let Some(dice) = &mut self.inner.dice {
            dice.heal();
        }
        self.floor = NEVER;
        self.greeted = true;
        self.inner.resume(now);
        self.outbox.heal(now);
        if !self.injected().is_empty() {
            self.inner.push_balance(now);
        }
        self.pass_on();
    }

    /// The stream is down for `ns` from now: what it would have carried never comes.
    pub fn outage(&mut self, now: Nanos, ns: i64) {
        self.step_to(now, true);
        self.outbox.fall_silent(Silence { from: now, until: now.plus(ns), is_seen: true });
        self.greeted = false;
    }

    /// True unless the account stream is seen to be down at `now`; one that is half open looks up.
    #[must_use]
    pub fn is_stream_up(&self, now: Nanos) -> bool {
        self.is_carrying(now) || self.outbox.silence.is_none_or(|silence| !silence.is_seen)
    }

    fn is_carrying(&self, now: Nanos) -> bool {
        self.outbox.silence.is_none_or(|s| now < s.from || s.until <= now)
    }

    /// Somebody closes the whole position by hand. False when there is none, or no price.
    pub fn close_outside(
        &mut self,
        now: Nanos,
        instrument: InstrumentId,
        side: PositionSide,
    ) -> bool {
        let qty = self.inner.account.position_qty(instrument, side);
        self.trade_outside(now, Outside { instrument, side, reduces: true, qty })
    }

    /// The venue closes a position for want of margin, whole or the half of its lots. False when there is
    /// none, or no price.
    pub fn close_by_force(
        &mut self,
        now: Nanos,
        instrument: InstrumentId,
        side: PositionSide,
        whole: bool,
    ) -> bool {
        self.step_to(now, true);
        let all = self.inner.account.position_qty(instrument, side);
        let lot = self.table.row(instrument).lot.raw();
        let half = Qty::from_raw(all.raw() / 2 / lot * lot);
        let qty = if whole || half.is_zero() { all } else { half };
        let trade = Outside { instrument, side, reduces: true, qty };
        let cause = if whole { ForcedCause::Liquidation } else { ForcedCause::Adl };
        let done = self.inner.close_by_force(now, trade, cause);
        self.pass_on();
        done
    }

    /// Somebody opens a position by hand, or adds to one. False when the instrument has no price.
    pub fn open_outside(
        &mut self,
        now: Nanos,
        instrument: InstrumentId,
        side: PositionSide,
        qty: Qty,
    ) -> bool {
        self.trade_outside(now, Outside { instrument, side, reduces: false, qty })
    }

    /// See [`PaperVenue::set_netting`].
    pub fn set_netting(&mut self, on: bool) {
        self.inner.set_netting(on);
    }

    /// Sets the leverage of a position, at least 1: what it and orders that open it need as margin.
    pub fn set_leverage(&mut self, instrument: InstrumentId, side: PositionSide, leverage: i64) {
        self.inner.account.set_leverage(instrument, side, leverage);
    }

    /// Faults happen by this plan from now on; those that go on stay.
    pub fn set_plan(&mut self, plan: FaultPlan) {
        if let Some(dice) = &mut self.inner.dice {
            dice.set_plan(plan);
        }
    }

    fn trade_outside(&mut self, now: Nanos, trade: Outside) -> bool {
        self.step_to(now, true);
        let done = self.inner.trade_foreign(now, trade, true);
        self.pass_on();
        done
    }

    /// Money comes in (positive) or goes out.
    pub fn transfer(&mut self, now: Nanos, amount: Money) {
        self.step_to(now, true);
        self.inner.move_money(now, amount);
        self.pass_on();
    }

    /// The venue behind the faults: its account and orders are the truth.
    #[must_use]
    pub const fn venue(&self) -> &PaperVenue {
        &self.inner
    }

    /// Hands over what happened since the last call, oldest first.
    pub fn take_truth(&mut self, sink: &mut dyn FnMut(Truth)) {
        self.truth.drain(..).for_each(sink);
    }

    /// Every fault that really happened, in order.
    #[must_use]
    pub fn injected(&self) -> &[Instance] {
        self.inner.dice.as_ref().map_or(&[], |dice| dice.injected())
    }

    /// Exactly these faults happen from now on and no others; `None`: as the plan says. Call it before
    /// the first event. Durations and quantities stay those of the seed.
    pub fn allow(&mut self, only: Option<&[Instance]>) {
        if let Some(dice) = &mut self.inner.dice {
            dice.allow(only);
        }
    }

    /// How often each fault happened, by name.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let count = |fault: Fault| self.inner.dice.as_ref().map_or(0, |dice| dice.count(fault));
        Fault::ALL.iter().map(move |fault| (fault.as_str(), count(*fault)))
    }

    fn span_max(&self, span: Span) -> i64 {
        self.inner.dice.as_ref().map_or(0, |dice| dice.span_max(span))
    }

    /// Lets the seconds go by that end before `limit` (`inclusive`: by it). Returns how many things happened.
    fn step_to(&mut self, limit: Nanos, inclusive: bool) -> u32 {
        let mut happened = 0;
        let mut next = self.next_second.unwrap_or_else(|| limit.plus(Nanos::SECOND));
        if limit.since(next) > CATCH_UP_NS {
            next = limit;
        }
        while next < limit || (inclusive && next == limit) {
            happened += self.inner.handle_time(next);
            self.pass_on();
            self.second(next);
            self.pass_on();
            self.views.forget(next);
            next = next.plus(Nanos::SECOND);
        }
        self.next_second = Some(next);
        happened
    }

    /// Dates a message by a clock that is off.
    fn misdate(&mut self, msg: &mut VenueMsg) {
        if let Some(at) = msg.ts_exch_ns.get()
            && let Some(off_ns) = self.inner.roll_ns(Fault::ClockOff, Span::ClockOff)
        {
            let ahead = off_ns % 2 == 0;
            msg.ts_exch_ns = Maybe::some(at.plus(if ahead { off_ns } else { -off_ns }));
        }
    }

    /// Takes what the venue made, lets it go wrong, and sends it on its way.
    fn pass_on(&mut self) {
        let first = self.truth.len();
        let truth = &mut self.truth;
        self.inner.take_truth(&mut |what| truth.push(what));
        for what in &self.truth[first..] {
            let orders = &self.inner.orders;
            self.views.follow(what, |client| orders.find(client, TextId::EMPTY));
        }
        while let Some(reply) = self.inner.replies.pop_front() {
            let Reply { due: natural, origin, sent_ns, msg } = reply;
            if origin == Origin::Answer && self.hung_up.is_some_and(|at| sent_ns <= at) {
                continue;
            }
            if let Some(ns) = self.inner.roll_ns(Fault::ReplyJump, Span::Jump) {
                self.floor = self.floor.max(natural.plus(ns));
            }
            let due = natural.max(self.floor);
            if let (VenueEvent::Balance { .. }, Some(at)) = (msg.event, msg.ts_exch_ns.get()) {
                self.views.follow_balance(at, msg.event);
            }
            match (msg.event, origin) {
                (VenueEvent::Position { .. } | VenueEvent::OpenOrder { .. }, _) => {
                    self.rows.push(msg);
                }
                (
                    VenueEvent::PositionsEnd { .. } | VenueEvent::OpenOrdersEnd { .. },
                    Origin::Answer,
                ) => {
                    let mut rows = core::mem::take(&mut self.rows);
                    self.answer_list(due, natural, &mut rows, msg);
                    rows.clear();
                    self.rows = rows;
                }
                (VenueEvent::PositionsEnd { .. } | VenueEvent::OpenOrdersEnd { .. }, _) => {
                    let mut rows = core::mem::take(&mut self.rows);
                    self.push_list(due, natural, &rows, msg);
                    rows.clear();
                    self.rows = rows;
                }
                (_, Origin::Answer) => self.answer(due, natural, msg),
                (_, Origin::Stream) => self.stream(due, natural, msg),
            }
        }
    }
}

impl Venue for FaultyVenue {
    fn handle_market(&mut self, now: Nanos, msg: &MarketMsg) {
        self.step_to(now, false);
        self.inner.handle_market(now, msg);
        self.pass_on();
    }

    fn handle_command(&mut self, now: Nanos, command: &CommandMsg) {
        if !self.loses_request(now, command) {
            self.inner.handle_command(now, command);
        }
    }

    fn handle_time(&mut self, now: Nanos) -> u32 {
        let happened = self.step_to(now, true) + self.inner.handle_time(now);
        self.pass_on();
        happened
    }

    fn poll_reply(&mut self, now: Nanos) -> Option<(ReplyLink, VenueMsg)> {
        let (way, mut msg) = self.outbox.take(now)?;
        // On the stream it is part of the message, which may come twice: see `stream`.
        if way == Way::Answer {
            self.misdate(&mut msg);
        }
        Some((ReplyLink::of(&msg.event), msg))
    }

    fn next_deadline(&self) -> Option<Nanos> {
        let is_quiet = self.greeted && self.inner.dice.as_ref().is_none_or(|dice| dice.is_quiet());
        let second = self.next_second.filter(|_| !is_quiet);
        [self.inner.next_deadline(), self.outbox.next_due(), second].into_iter().flatten().min()
    }
}
