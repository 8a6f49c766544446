//! How well orders were done: fill rate, slippage, age, cancels, retries.

use std::collections::BTreeMap;

use pinion_core::id::ClientId;
use pinion_core::msg::record::{OrderStatus, RouterEvent};
use pinion_core::msg::venue::RejectReason;
use pinion_core::msg::{OrderKind, Record, RecordMsg, Side};
use pinion_core::router::POST_ONLY_AGAIN;
use pinion_core::units::{Nanos, Price, Qty};

use crate::journal::json::Object;

/// Orders that are remembered: far more than work at a time, so that a late fill still finds its own.
const ORDERS_MAX: usize = 1_024;
/// Basis points of one.
const BPS: f64 = 10_000.0;

/// Figures of entries, or of exits. What is left when a run ends counts among `orders` and nowhere else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderFigures {
    /// Orders sent.
    pub orders: u64,
    /// Of them limit orders.
    pub resting: u64,
    /// Orders that filled, in whole or in part.
    pub filled: u64,
    /// Orders that ended cancelled, in part filled ones among them.
    pub canceled: u64,
    /// Orders whose rest the venue let expire: mostly what a market order did not find.
    pub expired: u64,
    /// Orders that were refused.
    pub rejected: u64,
    /// Orders that are over.
    pub ended: u64,
    /// Sum of the times from sending to the end, nanoseconds.
    pub age_ns_sum: u128,
    /// Longest of them.
    pub age_ns_max: u64,
    /// Notional of the fills whose mid price is known, at that price, in 1e-8.
    mid_notional: i128,
    /// What the same fills cost more than that.
    cost: i128,
}

impl OrderFigures {
    /// Share of the orders that filled, in whole or in part; `None` without any.
    #[must_use]
    pub fn fill_rate(&self) -> Option<f64> {
        ratio(self.filled, self.orders)
    }

    /// Share of the orders that ended cancelled.
    #[must_use]
    pub fn cancel_ratio(&self) -> Option<f64> {
        ratio(self.canceled, self.orders)
    }

    /// What fills cost against the mid price at the moment of sending, in basis points of it, by notional;
    /// negative when they were better. `None` without a fill whose mid price is known.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub fn slippage_bps(&self) -> Option<f64> {
        (self.mid_notional > 0).then(|| self.cost as f64 / self.mid_notional as f64 * BPS)
    }

    /// Mean time from sending to the end, nanoseconds.
    #[must_use]
    pub fn age_ns_mean(&self) -> Option<u64> {
        let mean = self.age_ns_sum.checked_div(u128::from(self.ended))?;
        u64::try_from(mean).ok()
    }

    fn fill(&mut self, side: Side, mid: Price, qty: Qty, price: Price) {
        let (Some(at_mid), Some(paid)) = (mid.notional(qty), price.notional(qty)) else { return };
        let more = i128::from(paid.raw()) - i128::from(at_mid.raw());
        self.mid_notional += i128::from(at_mid.raw());
        self.cost += match side {
            Side::Buy => more,
            Side::Sell => -more,
        };
    }

    fn write(&self, object: &mut Object) {
        for (key, count) in [
            ("orders", self.orders),
            ("resting", self.resting),
            ("filled", self.filled),
            ("canceled", self.canceled),
            ("expired", self.expired),
            ("rejected", self.rejected),
        ] {
            object.integer(key, count);
        }
        object.maybe_float("fill_rate", self.fill_rate());
        object.maybe_float("cancel_ratio", self.cancel_ratio());
        object.maybe_float("slippage_bps", self.slippage_bps());
        match self.age_ns_mean() {
            Some(mean) => object.integer("age_ns_mean", mean),
            None => object.null("age_ns_mean"),
        }
        object.integer("age_ns_max", self.age_ns_max);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// What is remembered of an order.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sent {
    at: Nanos,
    is_exit: bool,
    side: Side,
    mid: Option<Price>,
    has_filled: bool,
    is_over: bool,
}

/// The figures of a run. Owner: the writer of its files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Execution {
    /// Orders that open.
    pub entries: OrderFigures,
    /// Orders that close.
    pub exits: OrderFigures,
    /// Fills that made.
    pub maker_fills: u64,
    /// Fills that took.
    pub taker_fills: u64,
    /// Maker entries that ended with nothing filled.
    pub misses: u64,
    /// Of them quotes that the venue refused as crossing.
    pub post_only_refused: u64,
    /// Of those the ones that were not the first of their entry: many mean that our market data is behind.
    pub post_only_refused_again: u64,
    /// Entries that were sent again for a missed one.
    pub retries: u64,
    /// Retries that a guard or a limit forbade.
    pub retries_blocked: u64,
    /// Maker exits whose rest left by market.
    pub market_fallbacks: u64,
    sent: BTreeMap<ClientId, Sent>,
}

impl Execution {
    /// Adds a record.
    pub fn add(&mut self, message: &RecordMsg) {
        match message.record {
            Record::Order { .. } => self.order(message),
            Record::Fill { client, qty, price, is_maker, .. } => {
                *(if is_maker { &mut self.maker_fills } else { &mut self.taker_fills }) += 1;
                let Some(sent) = self.sent.get_mut(&client) else { return };
                let figures = if sent.is_exit { &mut self.exits } else { &mut self.entries };
                figures.filled += u64::from(!sent.has_filled);
                sent.has_filled = true;
                if let Some(mid) = sent.mid {
                    figures.fill(sent.side, mid, qty, price);
                }
            }
            Record::Router { event, reason, .. } => match event {
                RouterEvent::EntryMiss => {
                    self.misses += 1;
                    let again = reason == POST_ONLY_AGAIN;
                    let refused = again || reason == RejectReason::PostOnlyWouldTake.as_str();
                    self.post_only_refused += u64::from(refused);
                    self.post_only_refused_again += u64::from(again);
                }
                RouterEvent::Requote => self.retries += 1,
                RouterEvent::RequoteBlocked => self.retries_blocked += 1,
                RouterEvent::ExitMarketFallback => self.market_fallbacks += 1,
                RouterEvent::Suppress
                | RouterEvent::Working
                | RouterEvent::ImmediateFill
                | RouterEvent::Cancel
                | RouterEvent::FillAfterTtl => {}
            },
            _ => {}
        }
    }

    fn order(&mut self, message: &RecordMsg) {
        let Record::Order { client, side, kind, reduce_only, mid, status, .. } = message.record
        else {
            return;
        };
        let figures = if reduce_only { &mut self.exits } else { &mut self.entries };
        match status {
            OrderStatus::Submitted => {
                figures.orders += 1;
                figures.resting += u64::from(kind == OrderKind::Limit);
                if self.sent.len() == ORDERS_MAX {
                    self.sent.pop_first();
                }
                let sent = Sent {
                    at: message.ts_ns,
                    is_exit: reduce_only,
                    side,
                    mid: mid.get(),
                    has_filled: false,
                    is_over: false,
                };
                self.sent.insert(client, sent);
            }
            OrderStatus::Rejected
            | OrderStatus::Canceled
            | OrderStatus::Expired
            | OrderStatus::Filled => {
                // Told more than once it ends once.
                let Some(sent) = self.sent.get_mut(&client).filter(|sent| !sent.is_over) else {
                    return;
                };
                sent.is_over = true;
                let age = u64::try_from(message.ts_ns.since(sent.at)).unwrap_or(0);
                figures.ended += 1;
                figures.age_ns_sum += u128::from(age);
                figures.age_ns_max = figures.age_ns_max.max(age);
                figures.rejected += u64::from(status == OrderStatus::Rejected);
                figures.canceled += u64::from(status == OrderStatus::Canceled);
                figures.expired += u64::from(status == OrderStatus::Expired);
            }
            OrderStatus::Acked | OrderStatus::PartiallyFilled | OrderStatus::Unknown => {}
        }
    }

    /// Its members of `summary.json`.
    pub(super) fn write(&self, object: &mut Object) {
        object.object("entries", |inner| self.entries.write(inner));
        object.object("exits", |inner| self.exits.write(inner));
        for (key, count) in [
            ("maker_fills", self.maker_fills),
            ("taker_fills", self.taker_fills),
            ("entry_misses", self.misses),
            ("retries", self.retries),
            ("retries_blocked", self.retries_blocked),
            ("post_only_refused", self.post_only_refused),
            ("post_only_refused_again", self.post_only_refused_again),
            ("market_fallbacks", self.market_fallbacks),
        ] {
            object.integer(key, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::samples;

    fn told(execution: &mut Execution, at: i64, record: Record) {
        execution.add(&RecordMsg { ts_ns: Nanos::new(at), record });
    }

    fn order_is(execution: &mut Execution, at: i64, to: OrderStatus) {
        let Record::Order { .. } = samples::order() else { panic!("an order") };
        let mut record = samples::order();
        if let Record::Order { status, .. } = &mut record {
            *status = to;
        }
        told(execution, at, record);
    }

    #[test]
    fn an_order_is_counted_from_its_sending_to_its_end() {
        let mut execution = Execution::default();
        order_is(&mut execution, 100, OrderStatus::Submitted);
        order_is(&mut execution, 150, OrderStatus::Acked);
        assert_eq!(execution.entries.fill_rate(), Some(0.0));
        assert_eq!(
            (execution.entries.slippage_bps(), execution.entries.age_ns_mean()),
            (None, None)
        );
        told(&mut execution, 160, samples::fill());
        told(&mut execution, 170, samples::fill());
        order_is(&mut execution, 400, OrderStatus::Canceled);
        order_is(&mut execution, 900, OrderStatus::Expired);
        assert_eq!(execution.entries.expired, 0, "told more than once it ends once");
        let entries = &execution.entries;
        assert_eq!((entries.orders, entries.filled, entries.canceled, entries.ended), (1, 1, 1, 1));
        assert_eq!((entries.age_ns_mean(), entries.age_ns_max), (Some(300), 300));
        assert_eq!((entries.fill_rate(), entries.cancel_ratio()), (Some(1.0), Some(1.0)));
        // Sold at 0.1878 with the mid at 0.188.
        let slippage = entries.slippage_bps().expect("a fill");
        assert!((slippage - 2.0 / 1_880.0 * 1e4).abs() < 1e-6, "{slippage}");
        assert_eq!(execution.exits, OrderFigures::default());
        assert_eq!(execution.maker_fills + execution.taker_fills, 2);
    }

    #[test]
    fn what_expires_is_not_cancelled() {
        let mut execution = Execution::default();
        told(&mut execution, 100, samples::order());
        order_is(&mut execution, 400, OrderStatus::Expired);
        let entries = &execution.entries;
        assert_eq!((entries.canceled, entries.expired, entries.ended), (0, 1, 1));
        assert_eq!(entries.cancel_ratio(), Some(0.0));
    }

    #[test]
    fn quotes_refused_as_crossing_are_counted() {
        let mut execution = Execution::default();
        for reason in ["its time is over", "post_only_would_take", POST_ONLY_AGAIN, POST_ONLY_AGAIN]
        {
            let instrument = pinion_core::id::InstrumentId::new(0);
            let event = RouterEvent::EntryMiss;
            let record = Record::Router { event, trade: None, base: None, instrument, reason };
            told(&mut execution, 1, record);
        }
        let found = (execution.post_only_refused, execution.post_only_refused_again);
        assert_eq!((execution.misses, found), (4, (3, 2)));
    }

    #[test]
    fn what_the_router_does_is_counted() {
        let mut execution = Execution::default();
        for event in [
            RouterEvent::EntryMiss,
            RouterEvent::Requote,
            RouterEvent::Requote,
            RouterEvent::RequoteBlocked,
            RouterEvent::ExitMarketFallback,
            RouterEvent::Working,
        ] {
            let trade = Some(pinion_core::id::TradeId::new(1));
            let instrument = pinion_core::id::InstrumentId::new(0);
            let record = Record::Router { event, trade, base: None, instrument, reason: "" };
            told(&mut execution, 1, record);
        }
        assert_eq!((execution.misses, execution.retries), (1, 2));
        assert_eq!((execution.retries_blocked, execution.market_fallbacks), (1, 1));
    }
}
