//! The order table: what our orders were allowed to be, and what became of them.

use crate::{Breach, Event, Oracle, OrderId, breach, place, rules};

/// Time after which an exit's fills are taken as known to us, however lossy the way.
const TOLD_NS: i64 = 60_000_000_000;

/// An order of ours as the venue has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderFact {
    /// When it left our machine.
    pub sent: i64,
    /// Where.
    pub instrument: usize,
    /// For the long position, else for the short one.
    pub is_long: bool,
    /// Opens or adds.
    pub is_entry: bool,
    /// Quantity.
    pub qty: i64,
    /// Filled so far.
    pub filled: i64,
    /// Nothing more will come of it.
    pub is_over: bool,
}

impl Oracle {
    pub(crate) fn accepted(&mut self, event: &Event) -> Result<(), Breach> {
        let Event::Accepted { at, sent, order, instrument, is_long, buys, reduce_only, qty, limit } =
            *event
        else {
            return Ok(());
        };
        self.last_activity = self.last_activity.max(at);
        let is_entry = buys == is_long;
        let verdict = self.may_work(event, is_entry);
        let fact =
            OrderFact { sent, instrument, is_long, is_entry, qty, filled: 0, is_over: false };
        if self.orders.insert(order, fact).is_some() {
            return breach("I4_order_once", format!("{order:?} was accepted a second time"));
        }
        self.live.push(order);
        verdict?;
        let row = &self.rules.instruments[instrument];
        let off_tick = limit.is_some_and(|limit| limit <= 0 || limit % row.tick != 0);
        if qty <= 0 || off_tick || (is_entry && qty % row.lot != 0) {
            return breach("I4_steps", format!("{order:?}: quantity {qty}, limit {limit:?}"));
        }
        if is_entry == reduce_only {
            let what = format!("{order:?}: entry {is_entry}, reduce-only {reduce_only}");
            return breach("I6_reduce_only", what);
        }
        Ok(())
    }

    /// What an order may be, given what is there already.
    fn may_work(&self, event: &Event, is_entry: bool) -> Result<(), Breach> {
        let Event::Accepted { at, sent, order, instrument, is_long, qty, .. } = *event else {
            return Ok(());
        };
        if !is_entry {
            let trip = self.own(instrument, is_long);
            // A position that somebody else cut may be smaller than we could know, and so may one whose
            // last exit nobody has told us of yet.
            let untold = if at - trip.last_exit < TOLD_NS { trip.last_exits } else { 0 };
            if qty > trip.qty + untold && !trip.is_disturbed && !trip.is_uncertain {
                let what = format!("{order:?} closes {qty}, the position is {}", trip.qty);
                return breach("I6_exit_quantity", what);
            }
            return Ok(());
        }
        let is_within =
            |kill: &&(i64, Option<i64>)| kill.0 <= sent && kill.1.is_none_or(|until| sent < until);
        if let Some((from, _)) = self.kills.iter().find(is_within) {
            let what = format!("{order:?} left {} ns after the kill", sent - from);
            return breach("I21_kill", what);
        }
        let mut occupied = 0;
        for other in 0..self.rules.instruments.len() {
            let held = [false, true].iter().any(|long| {
                let trip = self.own(other, *long);
                trip.qty > 0 && !self.is_dust(other, trip.qty)
            });
            let entering = self.live.iter().any(|live| {
                self.orders.get(live).is_some_and(|fact| fact.is_entry && fact.instrument == other)
            });
            if (held || entering) && other == instrument {
                let what = format!("{order:?} enters {other}: held {held}, entering {entering}");
                return breach("I1_double_entry", what);
            }
            occupied += usize::from(held || entering);
        }
        if occupied >= self.rules.slots {
            let what =
                format!("{order:?} enters, {occupied} of {} slots are in use", self.rules.slots);
            return breach("I1_slots", what);
        }
        Ok(())
    }

    fn is_dust(&self, instrument: usize, qty: i64) -> bool {
        let least = self.rules.instruments[instrument].min_notional;
        rules::notional(self.last_price[instrument], qty) < i128::from(least)
    }

    pub(crate) fn refused(&mut self, at: i64, order: OrderId) -> Result<(), Breach> {
        self.last_activity = self.last_activity.max(at);
        match self.orders.get(&order) {
            // The same identity sent twice: the first one is what counts.
            Some(_) | None => Ok(()),
        }
    }

    pub(crate) fn ended(&mut self, at: i64, order: OrderId, cum_qty: i64) -> Result<(), Breach> {
        self.last_activity = self.last_activity.max(at);
        let Some(fact) = self.orders.get_mut(&order) else {
            return breach("V_order_known", format!("{order:?} ended, but was never accepted"));
        };
        let (was_over, filled) = (fact.is_over, fact.filled);
        fact.is_over = true;
        self.live.retain(|live| *live != order);
        if filled != cum_qty || (was_over && filled != fact.qty) {
            let what = format!("{order:?} ended at {cum_qty}, its fills are {filled}");
            return breach("V_order_total", what);
        }
        Ok(())
    }

    /// A fill of an order of ours: role, quantity and position must agree.
    pub(crate) fn own_fill(&mut self, order: OrderId, event: &Event) -> Result<(), Breach> {
        let Event::Fill { at: when, instrument, is_long, reduces, qty, notional, fee, .. } = *event
        else {
            return Ok(());
        };
        let Some(fact) = self.orders.get_mut(&order) else {
            return breach(
                "V_order_known",
                format!("a fill of {order:?}, which was never accepted"),
            );
        };
        fact.filled += qty;
        let fact = *fact;
        if fact.filled >= fact.qty {
            self.live.retain(|live| *live != order);
        }
        if fact.filled > fact.qty || fact.is_entry == reduces || fact.instrument != instrument {
            let what =
                format!("{order:?} filled {} of {}, reduces {reduces}", fact.filled, fact.qty);
            return breach("V_fill_of_order", what);
        }
        let at = place(instrument, is_long);
        let trip = &mut self.ours[at];
        if !reduces {
            if trip.qty == 0 {
                let is_old = fact.sent <= trip.disturbed;
                *trip = crate::Trip {
                    is_disturbed: trip.is_disturbed && is_old,
                    disturbed: trip.disturbed,
                    is_uncertain: trip.is_uncertain && order.0 < self.forgotten_before,
                    ..crate::Trip::default()
                };
            }
            trip.is_forgotten |= order.0 < self.forgotten_before;
            trip.qty += qty;
            trip.entered += qty;
            trip.entry_notional += i128::from(notional);
            trip.fees += i128::from(fee);
            return Ok(());
        }
        trip.exit_notional += i128::from(notional);
        trip.fees += i128::from(fee);
        let told = when - trip.last_exit >= TOLD_NS;
        trip.last_exits = if told { qty } else { trip.last_exits + qty };
        trip.last_exit = when;
        let disturbed = trip.is_disturbed || trip.is_uncertain;
        let excess = qty - qty.min(trip.qty);
        trip.qty -= qty - excess;
        self.theirs[at] -= excess;
        if excess > 0 && !disturbed {
            return breach("I6_overshoot", format!("{order:?} closed {excess} more than was ours"));
        }
        Ok(())
    }
}
