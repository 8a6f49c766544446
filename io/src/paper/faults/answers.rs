//! Faults of what is asked and answered: lost, late, failed, old, incomplete.

use pinion_core::id::{InstrumentId, TextId};
use pinion_core::msg::venue::RejectReason;
use pinion_core::msg::{ClientRef, Command, CommandMsg, Maybe, VenueEvent, VenueMsg};
use pinion_core::units::{Nanos, Price};

use super::FaultyVenue;
use super::outbox::Way;
use super::plan::{Fault, Span};
use super::views::{NOT_FOUND, Row};

/// Where the venue's identities of orders begin that it acknowledges and then refuses.
const REFUSED_ID: u64 = 3_000_000_000_000_000_000;

impl FaultyVenue {
    /// True when a request gets lost before it arrives. A placement is told as unknown.
    pub(super) fn loses_request(&mut self, now: Nanos, command: &CommandMsg) -> bool {
        let Some(wait_ns) = self.inner.roll_ns(Fault::RequestLost, Span::Timeout) else {
            return false;
        };
        if let Command::Place { client, instrument, .. } = command.command {
            let msg = VenueMsg {
                ts_exch_ns: Maybe::NONE,
                ts_recv_ns: now,
                client: ClientRef::Own(client),
                instrument: Some(instrument),
                event: VenueEvent::Ambiguous,
            };
            self.outbox.put(Way::Answer, now.plus(wait_ns), now, msg);
        }
        true
    }

    /// An answer about one order, or a balance that was asked for.
    pub(super) fn answer(&mut self, due: Nanos, natural: Nanos, mut msg: VenueMsg) {
        self.spoil_end(&mut msg);
        match msg.event {
            VenueEvent::Ack { .. } => self.answer_ack(due, natural, msg),
            VenueEvent::Reject { .. } => {
                if let Some(mut draw) = self.inner.roll(Fault::AckFirst) {
                    let venue_id = TextId::from_number(REFUSED_ID + draw.below(REFUSED_ID));
                    let event = VenueEvent::Ack { venue_id };
                    self.outbox.put(Way::Answer, due, natural, VenueMsg { event, ..msg });
                }
                self.answer_placement(due, natural, msg);
            }
            VenueEvent::OrderStatus { .. } => self.answer_look_up(due, natural, msg),
            VenueEvent::Balance { .. } => self.answer_balance(due, natural, msg),
            _ => {
                if self.inner.roll(Fault::ResponseLost).is_none() {
                    self.outbox.put(Way::Answer, due, natural, msg);
                }
            }
        }
    }

    fn answer_ack(&mut self, due: Nanos, natural: Nanos, msg: VenueMsg) {
        if self.inner.roll(Fault::DuplicateId).is_some() {
            let reason = RejectReason::DuplicateClientId;
            let msg = VenueMsg { event: VenueEvent::Reject { reason }, ..msg };
            self.outbox.put(Way::Answer, due, natural, msg);
        } else if let Some(ns) = self.inner.roll_ns(Fault::AckLate, Span::Reorder) {
            self.outbox.put(Way::Answer, due.plus(ns), natural, msg);
        } else {
            self.answer_placement(due, natural, msg);
        }
    }

    fn answer_placement(&mut self, due: Nanos, natural: Nanos, msg: VenueMsg) {
        let unknown = VenueMsg { ts_exch_ns: Maybe::NONE, event: VenueEvent::Ambiguous, ..msg };
        if let Some(ns) = self.inner.roll_ns(Fault::ResponseLost, Span::Timeout) {
            self.outbox.put(Way::Answer, due.plus(ns), natural, unknown);
        } else if let Some(ns) = self.inner.roll_ns(Fault::AnswerLate, Span::Timeout) {
            self.outbox.put(Way::Answer, due.plus(ns), natural, unknown);
            self.outbox.put(Way::Answer, due.plus(2 * ns), natural, msg);
        } else {
            self.outbox.put(Way::Answer, due, natural, msg);
        }
    }

    fn answer_look_up(&mut self, due: Nanos, natural: Nanos, mut msg: VenueMsg) {
        if self.inner.roll(Fault::ResponseLost).is_some()
            || self.inner.roll(Fault::Failed).is_some()
        {
            return;
        }
        let asked = msg.ts_exch_ns.get().unwrap_or(due);
        if let ClientRef::Own(client) = msg.client
            && let Some(age_ns) = self.views.age_ns(client, asked)
        {
            if age_ns < self.span_max(Span::Young) && self.inner.roll(Fault::NotFound).is_some() {
                msg.event = NOT_FOUND;
            } else if let Some(lag_ns) = self.inner.roll_ns(Fault::OrderLag, Span::OrderLag) {
                let old = self.views.order_at(client, asked.plus(-lag_ns));
                msg.event = old.unwrap_or(msg.event);
            }
        }
        if let VenueEvent::OrderStatus { avg_price, .. } = &mut msg.event
            && let Some(price) = avg_price.get()
        {
            if self.inner.roll(Fault::NoAverage).is_some() {
                *avg_price = Maybe::NONE;
            } else if let Some(mut draw) = self.inner.roll(Fault::NominalPrice) {
                let off = price.raw() / 100 * draw.between(20, 25);
                let off = if draw.below(2) == 0 { off } else { -off };
                *avg_price = Maybe::some(Price::from_raw(price.raw().saturating_add(off)));
            }
        }
        self.outbox.put(Way::Answer, due, natural, msg);
    }

    fn answer_balance(&mut self, due: Nanos, natural: Nanos, mut msg: VenueMsg) {
        if self.inner.roll(Fault::ResponseLost).is_some()
            || self.inner.roll(Fault::Failed).is_some()
        {
            return;
        }
        if let Some(lag_ns) = self.inner.roll_ns(Fault::BalanceLag, Span::BalanceLag) {
            let asked = msg.ts_exch_ns.get().unwrap_or(due);
            msg.event = self.views.balance_at(asked.plus(-lag_ns)).unwrap_or(msg.event);
        }
        self.balance(Way::Answer, due, natural, msg);
    }

    /// A whole list that was asked for: `rows`, then `end`.
    pub(super) fn answer_list(
        &mut self,
        due: Nanos,
        natural: Nanos,
        rows: &mut Vec<VenueMsg>,
        mut end: VenueMsg,
    ) {
        if self.inner.roll(Fault::ResponseLost).is_some() {
            return;
        }
        if self.inner.roll(Fault::Failed).is_some() {
            set_end(&mut end.event, Some(false), 0);
            self.outbox.put(Way::Answer, due, natural, end);
            return;
        }
        let is_positions = matches!(end.event, VenueEvent::PositionsEnd { .. });
        let (fault, span) = if is_positions {
            (Fault::PositionsLag, Span::PositionsLag)
        } else {
            (Fault::OpenOrdersLag, Span::OpenOrdersLag)
        };
        if let Some(lag_ns) = self.inner.roll_ns(fault, span) {
            let when = end.ts_exch_ns.get().unwrap_or(due).plus(-lag_ns);
            let old = if is_positions {
                self.views.positions_at(when)
            } else {
                self.views.open_orders_at(when)
            };
            rows.clear();
            rows.extend(old.into_iter().map(|row| row_msg(&end, row)));
            set_end(&mut end.event, None, count(rows));
        }
        if !rows.is_empty() {
            self.spoil_rows(rows, &mut end);
        }
        for row in rows.iter() {
            self.outbox.put(Way::Answer, due, natural, *row);
        }
        self.outbox.put(Way::Answer, due, natural, end);
    }

    fn spoil_rows(&mut self, rows: &mut Vec<VenueMsg>, end: &mut VenueMsg) {
        if self.inner.roll(Fault::EmptyList).is_some() {
            rows.clear();
            set_end(&mut end.event, None, 0);
        } else if let Some(mut draw) = self.inner.roll(Fault::TruncatedList) {
            let kept = draw.below(rows.len() as u64);
            rows.truncate(usize::try_from(kept).unwrap_or(0));
        } else if let Some(mut draw) = self.inner.roll(Fault::DuplicateRow) {
            let twice = usize::try_from(draw.below(rows.len() as u64)).unwrap_or(0);
            rows.insert(twice, rows[twice]);
            set_end(&mut end.event, None, count(rows));
        }
    }
}

fn count(rows: &[VenueMsg]) -> u32 {
    u32::try_from(rows.len()).unwrap_or(u32::MAX)
}

/// A row of the same answer as `end`.
fn row_msg(end: &VenueMsg, (client, instrument, event): Row) -> VenueMsg {
    let client = client.map_or(ClientRef::Absent, ClientRef::Own);
    let instrument: Option<InstrumentId> = Some(instrument);
    VenueMsg { client, instrument, event, ..*end }
}

/// Says in the end of a list whether it is good, and how many rows it has.
const fn set_end(event: &mut VenueEvent, good: Option<bool>, count: u32) {
    if let VenueEvent::PositionsEnd { ok, rows, .. } | VenueEvent::OpenOrdersEnd { ok, rows, .. } =
        event
    {
        if let Some(good) = good {
            *ok = good;
        }
        *rows = count;
    }
}
