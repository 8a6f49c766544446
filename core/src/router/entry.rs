//! Life of a maker entry.
//!
//! ```text
//!   quote ─▶ Working ─┬─ over, something filled ──▶ done: what filled is the position
//!              ▲      ├─ time over, too old ──▶ Ending ─┬─ over, something filled ──▶ done
//!              │      └─ over, nothing filled ──┐       └─ over, nothing filled ─┐
//!              │                                ▼                                │
//!              ├───────────────────────────── missed ◀───────────────────────────┘
//!              └── Waiting (pace) ◀── again ──┘ └─▶ given up
//! ```
//!
//! A refusal by the venue and a cancel of its own end the quote at once, through the same path as a time
//! that is over. Nothing leaves while the fate of the last order is not proved.

use serde::{Deserialize, Serialize};

use crate::broker::EntryPlan;
use crate::id::{ClientId, TradeId};
use crate::kernel::orders::Order;
use crate::kernel::{Code, Intent, Verdict};
use crate::msg::record::{BlockReason, DecisionReason, OrderStatus, RouterEvent};
use crate::msg::venue::RejectReason;
use crate::msg::{Maybe, OrderKind, Side, TimeInForce};
use crate::router::hooks::{Aim, Step, Terms, Wish};
use crate::router::{About, Router, Spoke, Turn, pace, quote};
use crate::settings::{Exhaust, Miss, Posture, Style};
use crate::units::{Nanos, Price, Qty};

const MS_NS: i64 = 1_000_000;
/// Reason of a miss whose quote was not the first to be refused as crossing.
pub const POST_ONLY_AGAIN: &str = "post_only_would_take, again";

/// Why a quote ended, or is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Cause {
    /// Its time is over.
    Ttl,
    /// It no longer stands where it should.
    Age,
    /// The venue refused it rather than have it take.
    PostOnly,
    /// The venue ended it.
    Venue,
    /// The venue, or our own gate, refused it for another reason.
    Refused(RejectReason),
    /// Somebody on our side called it back: the operator, the policy, an exit.
    CalledBack,
}

impl Cause {
    const fn reason(self) -> &'static str {
        match self {
            Self::Ttl => "its time is over",
            Self::Age => "it no longer stands where it should",
            Self::PostOnly => "post_only_would_take",
            Self::Venue => "ended by the venue",
            Self::Refused(reason) => reason.as_str(),
            Self::CalledBack => "called back",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    /// The order is at the venue or on its way.
    Working,
    /// It was called back with so much filled; the venue has yet to prove its end.
    Ending(Cause, Qty),
    /// It is over; the next one leaves when the pace allows.
    Waiting(Next),
}

/// What follows a miss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Next {
    /// Another quote.
    Quote,
    /// By market.
    Market,
}

/// An entry that is being followed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Quote {
    /// As it was asked for.
    pub(super) plan: EntryPlan,
    /// Round trip of the first order.
    base: TradeId,
    /// Round trip of this order.
    trade: TradeId,
    client: ClientId,
    /// Of a limit order.
    price: Option<Price>,
    placed_ns: Nanos,
    /// When its life ends; that of a replacement is what is left.
    expires_ns: Nanos,
    retries: u32,
    phase: Phase,
    refusal: Option<RejectReason>,
    /// How often the venue has refused its quotes as crossing.
    crossed: u32,
    /// The venue was seen to have it.
    told: bool,
    /// Fills that were told to the hooks.
    seen: Qty,
}

impl Quote {
    const fn about(&self) -> About {
        About { trade: Some(self.trade), base: Some(self.base), instrument: self.plan.instrument }
    }

    const fn step(&self, now: Nanos, reason: &'static str) -> Step {
        Step {
            now,
            aim: Aim::Enter,
            slot: self.plan.slot,
            trade: self.trade,
            filled: self.seen,
            reason,
        }
    }

    /// The terms of the next quote: until a quote of the asset is newer than the last order, the price at
    /// which the venue said that it crosses still crosses, so the next one stands a tick behind it.
    fn clear_of_the_touch(
        &self,
        terms: Terms,
        side: Side,
        turn: &Turn<'_>,
    ) -> Result<Terms, &'static str> {
        let id = self.plan.instrument;
        let is_newer = turn.top(id).quote_ns.get().is_some_and(|at| at > self.placed_ns);
        let was_crossing = self.refusal == Some(RejectReason::PostOnlyWouldTake);
        match (terms, self.price) {
            (Terms::Limit { price, post_only, ttl_ns }, Some(refused))
                if was_crossing && !is_newer =>
            {
                let tick = turn.kernel.table().row(id).tick;
                let price = quote::behind(side, price, refused, tick)
                    .ok_or("no price behind the one that was refused")?;
                Ok(Terms::Limit { price, post_only, ttl_ns })
            }
            (Terms::Limit { .. } | Terms::Market, _) => Ok(terms),
        }
    }

    const fn wish(&self, now: Nanos, qty: Qty) -> Wish {
        wish(&self.plan, now, qty, self.retries)
    }
}

const fn wish(plan: &EntryPlan, now: Nanos, qty: Qty, retry: u32) -> Wish {
    Wish {
        now,
        aim: Aim::Enter,
        slot: plan.slot,
        instrument: plan.instrument,
        side: plan.side.entry_side(),
        qty: Some(qty),
        retry,
    }
}

impl Router {
    /// Asks for a position. Refused with a `suppress` line when the same one is under way, or when the pace
    /// does not allow it; with an `entry_blocked` line by the kernel's guards.
    pub(crate) fn enter(&mut self, plan: &EntryPlan, turn: &mut Turn<'_>) -> Verdict {
        // The kernel refuses what does not exist, by name.
        if plan.instrument.index() >= turn.kernel.table().len() {
            return Self::submit(plan, plan.qty, Terms::Market, turn);
        }
        let qty = match self.allowed(plan, turn) {
            Ok(qty) => qty,
            Err((code, reason)) => {
                // A plan that is not sent never becomes a round trip, so it has no number.
                let about = About { trade: None, base: None, instrument: plan.instrument };
                turn.record(RouterEvent::Suppress, &about, reason.as_str());
                return Verdict::refused(code);
            }
        };
        let wish = wish(plan, turn.now, qty, 0);
        let planned = Self::quoted(&wish, turn.settings.router_entry_ttl_ns, turn);
        let terms = self.terms(&wish, turn, planned);
        let verdict = Self::submit(plan, qty, terms, turn);
        if verdict.accepted {
            self.pace.sent(turn.now, false);
            self.follow(plan, terms, turn);
        }
        verdict
    }

    /// What of a wanted entry may leave now by the router's own limits, on an instrument that exists.
    pub(crate) fn allowed(
        &self,
        plan: &EntryPlan,
        turn: &Turn<'_>,
    ) -> Result<Qty, (Code, DecisionReason)> {
        let same = |quote: &Quote| {
            (quote.plan.instrument, quote.plan.side) == (plan.instrument, plan.side)
        };
        if self.entries.iter().flatten().any(same) {
            return Err((Code::DuplicateEvent, DecisionReason::EntryUnderWay));
        }
        if self.is_entering(plan.slot) {
            return Err((Code::SlotBusy, DecisionReason::SlotEntering));
        }
        let limit = usize::try_from(turn.settings.router_concurrency_limit).unwrap_or(usize::MAX);
        if self.entries.iter().flatten().count() >= limit {
            return Err((Code::RateLimited, DecisionReason::ConcurrencyLimit));
        }
        if self.pace.wait(turn.now, turn.settings).is_some() {
            return Err((Code::RateLimited, DecisionReason::MinInterval));
        }
        let qty = Self::capped(plan, turn);
        if !qty.is_positive() && plan.qty.is_positive() {
            return Err((Code::EntryBlocked, DecisionReason::ImpactCap));
        }
        Ok(qty)
    }

    /// The quantity that the visible depth allows.
    fn capped(plan: &EntryPlan, turn: &Turn<'_>) -> Qty {
        if !turn.settings.router_impact_cap_ratio.is_positive() {
            return plan.qty;
        }
        let is_maker = turn.settings.router_style == Style::Maker;
        let top = turn.top(plan.instrument);
        let side = plan.side.entry_side();
        let shown = quote::depth(side, is_maker, &top, turn.now, turn.settings);
        pace::capped(plan.qty, shown, turn.kernel.table().row(plan.instrument).lot, turn.settings)
    }

    fn submit(plan: &EntryPlan, qty: Qty, terms: Terms, turn: &mut Turn<'_>) -> Verdict {
        let (kind, tif, price) = match terms {
            Terms::Market => (OrderKind::Market, TimeInForce::Ioc, Maybe::NONE),
            Terms::Limit { price, post_only, .. } => {
                let tif = if post_only { TimeInForce::PostOnly } else { TimeInForce::Gtc };
                (OrderKind::Limit, tif, Maybe::some(price))
            }
        };
        let intent = Intent::Enter {
            slot: plan.slot,
            trade: None,
            instrument: plan.instrument,
            side: plan.side,
            qty,
            leverage: plan.leverage,
            kind,
            tif,
            price,
            reference_price: plan.reference_price,
            legs: plan.legs.clone(),
        };
        turn.kernel.submit(turn.now, &intent, turn.settings, turn.out)
    }

    /// Follows a first quote from here on; a market order needs nobody.
    fn follow(&mut self, plan: &EntryPlan, terms: Terms, turn: &Turn<'_>) {
        let Terms::Limit { price, ttl_ns, .. } = terms else { return };
        let slot = turn.kernel.slot(plan.slot);
        let (Some(client), Some(trade)) = (slot.entry_order(), slot.trade()) else { return };
        let quote = Quote {
            plan: plan.clone(),
            base: trade,
            trade,
            client,
            price: Some(price),
            placed_ns: turn.now,
            expires_ns: turn.now.plus(ttl_ns),
            retries: 0,
            phase: Phase::Working,
            refusal: None,
            crossed: 0,
            told: false,
            seen: Qty::ZERO,
        };
        self.timers.set(Spoke::Entry(plan.slot), deadline(&quote, turn));
        self.follow_entry(plan.slot, quote);
    }

    /// The venue, or our own gate, said why it does not take an order.
    pub(super) fn refused(&mut self, client: ClientId, reason: RejectReason) {
        if let Some(quote) = self.entries.iter_mut().flatten().find(|q| q.client == client) {
            quote.refusal = Some(reason);
        }
    }

    /// An exit of the slot, or the policy, has called the entry back.
    pub(crate) fn call_back_entry(
        &mut self,
        slot: usize,
        reason: &'static str,
        turn: &mut Turn<'_>,
    ) -> bool {
        if !self.is_entering(slot) {
            return false;
        }
        self.end_quote(slot, Cause::CalledBack, reason, turn);
        true
    }

    /// Sends the cancel and waits for the proof of the end; a quote that is not at the venue is given up.
    fn end_quote(&mut self, slot: usize, cause: Cause, reason: &'static str, turn: &mut Turn<'_>) {
        let Some(quote) = &mut self.entries[slot] else { return };
        let about = quote.about();
        match quote.phase {
            Phase::Working => {
                let filled = turn.kernel.order(quote.client).map_or(Qty::ZERO, |o| o.filled);
                quote.phase = Phase::Ending(cause, filled);
                let step = quote.step(turn.now, reason);
                self.timers.clear(Spoke::Entry(slot));
                // Not sent when a cancel is on its way already: its answer serves this one too.
                let _sent = turn.kernel.cancel_entry(turn.now, slot, turn.out);
                turn.record(RouterEvent::Cancel, &about, reason);
                self.tell(turn, |h, s| h.on_cancel(s), &step, "the hook on_cancel failed");
            }
            Phase::Ending(_, filled) => quote.phase = Phase::Ending(cause, filled),
            Phase::Waiting(_) => {
                turn.record(RouterEvent::RequoteBlocked, &about, reason);
                self.drop_entry(slot);
            }
        }
    }

    /// What became of the entry of a slot since the last turn, and whether something is due.
    pub(super) fn attend_entry(&mut self, slot: usize, turn: &mut Turn<'_>) {
        let Some(quote) = &mut self.entries[slot] else { return };
        if let Phase::Waiting(next) = quote.phase {
            if self.timers.is_due(Spoke::Entry(slot), turn.now) {
                self.again(slot, next, turn);
            }
            return;
        }
        let Some(order) = turn.kernel.order(quote.client).copied() else {
            // Forgotten only long after its end.
            self.drop_entry(slot);
            return;
        };
        if order.filled > quote.seen {
            quote.seen = order.filled;
            let step = quote.step(turn.now, "");
            self.tell(turn, |h, s| h.on_fill(s), &step, "the hook on_fill failed");
        }
        if order.over {
            self.settle(slot, &order, turn);
            return;
        }
        self.note_working(slot, &order, turn);
        let Some(quote) = &mut self.entries[slot] else { return };
        if quote.phase != Phase::Working {
            return;
        }
        if order.cancel_wanted {
            // The operator, or an exit that did not come through here.
            quote.phase = Phase::Ending(Cause::CalledBack, order.filled);
            self.timers.clear(Spoke::Entry(slot));
        } else if self.timers.is_due(Spoke::Entry(slot), turn.now) {
            self.time_over(slot, &order, turn);
        }
    }

    fn note_working(&mut self, slot: usize, order: &Order, turn: &mut Turn<'_>) {
        let Some(quote) = &mut self.entries[slot] else { return };
        let works = matches!(order.status, OrderStatus::Acked | OrderStatus::PartiallyFilled);
        if quote.told || !works || quote.phase != Phase::Working {
            return;
        }
        quote.told = true;
        let (about, step) = (quote.about(), quote.step(turn.now, ""));
        turn.record(RouterEvent::Working, &about, "");
        self.tell(turn, |h, s| h.on_working(s), &step, "the hook on_working failed");
    }

    /// The quote's time, or the time in which it may stand where it does, is over.
    fn time_over(&mut self, slot: usize, order: &Order, turn: &mut Turn<'_>) {
        let Some(quote) = &mut self.entries[slot] else { return };
        if turn.now >= quote.expires_ns {
            self.end_quote(slot, Cause::Ttl, Cause::Ttl.reason(), turn);
            return;
        }
        let wish = quote.wish(turn.now, order.qty);
        let now_at = match Self::quoted(&wish, 1, turn) {
            Some(Terms::Limit { price, .. }) => Some(price),
            Some(Terms::Market) | None => None,
        };
        // Where it stands as it should it keeps its place in the queue; what has filled in part is a
        // position already, and its rest runs out its time.
        if now_at == quote.price || now_at.is_none() || order.filled.is_positive() {
            quote.placed_ns = turn.now;
            let at = deadline(quote, turn);
            self.timers.set(Spoke::Entry(slot), at);
        } else {
            self.end_quote(slot, Cause::Age, Cause::Age.reason(), turn);
        }
    }

    /// The order is over: what filled is the position, and without any the quote was missed.
    fn settle(&mut self, slot: usize, order: &Order, turn: &mut Turn<'_>) {
        let Some(quote) = &self.entries[slot] else { return };
        let about = quote.about();
        if order.filled.is_positive() {
            match quote.phase {
                Phase::Ending(cause, before) if order.filled > before => {
                    turn.record(RouterEvent::FillAfterTtl, &about, cause.reason());
                }
                Phase::Working if !quote.told || quote.price.is_none() => {
                    turn.record(RouterEvent::ImmediateFill, &about, "");
                }
                Phase::Working | Phase::Ending(..) | Phase::Waiting(_) => {}
            }
            self.drop_entry(slot);
            return;
        }
        let cause = match (quote.phase, quote.refusal, order.status) {
            (_, Some(RejectReason::PostOnlyWouldTake), _) => Cause::PostOnly,
            (_, Some(reason), _) => Cause::Refused(reason),
            (_, None, OrderStatus::Rejected) => Cause::Refused(RejectReason::Other),
            (Phase::Ending(cause, _), None, _) => cause,
            (Phase::Working | Phase::Waiting(_), None, _) if order.presumed => {
                Cause::Refused(RejectReason::UnknownOrder)
            }
            (Phase::Working | Phase::Waiting(_), None, _) => Cause::Venue,
        };
        self.missed(slot, cause, turn);
    }

    /// The one path of everything that ended with nothing filled.
    fn missed(&mut self, slot: usize, cause: Cause, turn: &mut Turn<'_>) {
        let Some(quote) = &mut self.entries[slot] else { return };
        let is_late = cause == Cause::Age && turn.now >= quote.expires_ns;
        let cause = if is_late { Cause::Ttl } else { cause };
        let (about, step) = (quote.about(), quote.step(turn.now, cause.reason()));
        let is_quote = quote.price.is_some();
        let next = match cause {
            // Within its life a quote follows the market; that is no miss.
            Cause::Age => Some(Next::Quote),
            // To ask again would get the same answer; who called back does not want it.
            Cause::Refused(_) | Cause::CalledBack => None,
            // What was to take has found nothing.
            Cause::Ttl | Cause::PostOnly | Cause::Venue if !is_quote => None,
            Cause::Ttl | Cause::PostOnly | Cause::Venue => match turn.settings.router_entry_miss {
                Miss::Skip => None,
                Miss::Market => Some(Next::Market),
                Miss::Retry if i64::from(quote.retries) < turn.settings.router_entry_retries => {
                    quote.retries = quote.retries.saturating_add(1);
                    Some(Next::Quote)
                }
                Miss::Retry => match turn.settings.router_retry_exhaust {
                    Exhaust::Skip => None,
                    Exhaust::Market => Some(Next::Market),
                },
            },
        };
        let told = if cause == Cause::PostOnly {
            quote.crossed = quote.crossed.saturating_add(1);
            // Refused again: what we see of the market is behind.
            if quote.crossed > 1 { POST_ONLY_AGAIN } else { cause.reason() }
        } else {
            cause.reason()
        };
        if cause != Cause::Age {
            quote.expires_ns = Nanos::MAX;
            turn.record(RouterEvent::EntryMiss, &about, told);
            self.tell(turn, |h, s| h.on_miss(s), &step, "the hook on_miss failed");
        }
        match next {
            Some(next) => self.again(slot, next, turn),
            None => self.drop_entry(slot),
        }
    }

    /// Another order for a missed entry, when everything allows it that must allow a first one.
    fn again(&mut self, slot: usize, next: Next, turn: &mut Turn<'_>) {
        if let Some(at) = self.pace.wait(turn.now, turn.settings)
            && let Some(quote) = &mut self.entries[slot]
        {
            quote.phase = Phase::Waiting(next);
            self.timers.set(Spoke::Entry(slot), at);
            return;
        }
        let Some(quote) = self.entries[slot].take() else { return };
        // Counted again when it goes on.
        self.followed -= 1;
        self.timers.clear(Spoke::Entry(slot));
        if let Err(reason) = self.send_again(&quote, next, turn) {
            turn.record(RouterEvent::RequoteBlocked, &quote.about(), reason);
        }
    }

    fn send_again(
        &mut self,
        quote: &Quote,
        next: Next,
        turn: &mut Turn<'_>,
    ) -> Result<(), &'static str> {
        let plan = &quote.plan;
        if matches!(turn.settings.policy_posture, Posture::Turtle | Posture::Hibernate) {
            return Err("posture");
        }
        turn.kernel
            .entry_guard(turn.now, plan.instrument, turn.settings)
            .map_err(BlockReason::as_str)?;
        if turn.now >= quote.expires_ns {
            return Err(Cause::Ttl.reason());
        }
        if !self.pace.may_replace(turn.now, turn.settings) {
            return Err("router.replace_rate_per_min");
        }
        let qty = Self::capped(plan, turn);
        if !qty.is_positive() {
            return Err("router.impact_cap_ratio");
        }
        let left_ns = match quote.expires_ns {
            Nanos::MAX => turn.settings.router_entry_ttl_ns,
            at => at.since(turn.now),
        };
        let wish = quote.wish(turn.now, qty);
        let planned = match next {
            Next::Quote => Self::quoted(&wish, left_ns, turn)
                .map(|terms| quote.clear_of_the_touch(terms, wish.side, turn))
                .transpose()?,
            Next::Market => None,
        };
        if let (Some(Terms::Limit { price, .. }), Some(last)) = (planned, quote.price)
            && !pace::may_move(last, price, turn.settings)
        {
            return Err("router.max_delta_ratio");
        }
        let terms = self.terms(&wish, turn, planned);
        if terms == Terms::Market {
            let step = quote.step(turn.now, "a missed entry enters by market");
            self.tell(turn, |h, s| h.on_escalate(s), &step, "the hook on_escalate failed");
        }
        let verdict = Self::submit(plan, qty, terms, turn);
        if !verdict.accepted {
            return Err(verdict.code.as_str());
        }
        self.pace.sent(turn.now, true);
        let slot = turn.kernel.slot(plan.slot);
        let (Some(client), Some(trade)) = (slot.entry_order(), slot.trade()) else {
            return Err(Code::UnresolvedSlot.as_str());
        };
        let (price, ttl_ns, reason) = match terms {
            Terms::Market => (None, i64::MAX, "by market"),
            Terms::Limit { price, ttl_ns, .. } => (Some(price), ttl_ns, "at the latest price"),
        };
        let quote = Quote {
            trade,
            client,
            price,
            placed_ns: turn.now,
            expires_ns: turn.now.plus(ttl_ns),
            phase: Phase::Working,
            refusal: None,
            told: false,
            seen: Qty::ZERO,
            ..quote.clone()
        };
        turn.record(RouterEvent::Requote, &quote.about(), reason);
        self.timers.set(Spoke::Entry(plan.slot), deadline(&quote, turn));
        self.follow_entry(plan.slot, quote);
        Ok(())
    }
}

/// When a working quote wants attention: at its end, or when it is to be looked at for its age.
fn deadline(quote: &Quote, turn: &Turn<'_>) -> Nanos {
    let age_ns = turn.settings.router_tail_age_ms.saturating_mul(MS_NS);
    if age_ns > 0 && quote.price.is_some() {
        quote.expires_ns.min(quote.placed_ns.plus(age_ns))
    } else {
        quote.expires_ns
    }
}
