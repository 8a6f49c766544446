//! Traded notional of one instrument over five minutes and over a day.

use serde::{Deserialize, Serialize};

use crate::units::{Money, Nanos, Price, Qty};

const MINUTE_NS: i64 = 60 * Nanos::SECOND;
const HOUR_NS: i64 = 60 * MINUTE_NS;
/// The running minute and the four before it are the sum; the fifth keeps the price to compare with.
const MINUTES: usize = 6;
/// The running hour and the 23 before it.
const HOURS: usize = 24;

/// Notional by minute and by hour in two rings, the newest place written in turn. Notional in raw units of
/// [`Money`], saturating.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tape {
    /// First trade seen; missing before it. In whole minutes since 1970 plus one, so that 0 is "none".
    started: i64,
    /// The running minute since 1970.
    minute: i64,
    minutes: [i64; MINUTES],
    /// Last price of each minute in raw units; 0 where none traded before it.
    closes: [i64; MINUTES],
    hours: [i64; HOURS],
}

fn place(index: i64, len: usize) -> usize {
    index.rem_euclid(len as i64) as usize
}

impl Tape {
    /// Adds a trade; a bar is one trade of its volume at its close.
    pub fn traded(&mut self, now: Nanos, price: Price, qty: Qty) {
        let Some(notional) = price.notional(qty) else { return };
        let minute = now.get().div_euclid(MINUTE_NS);
        if self.started == 0 {
            self.started = minute + 1;
            self.minute = minute;
        }
        self.roll_to(minute);
        let at = place(self.minute, MINUTES);
        self.minutes[at] = self.minutes[at].saturating_add(notional.raw());
        self.closes[at] = price.raw();
        let hour = place(self.minute.div_euclid(60), HOURS);
        self.hours[hour] = self.hours[hour].saturating_add(notional.raw());
    }

    /// Empties the places of minutes and hours that passed without a trade.
    fn roll_to(&mut self, minute: i64) {
        if minute <= self.minute {
            return;
        }
        let last = self.closes[place(self.minute, MINUTES)];
        let first_new = (self.minute + 1).max(minute - MINUTES as i64 + 1);
        for index in first_new..=minute {
            self.minutes[place(index, MINUTES)] = 0;
            self.closes[place(index, MINUTES)] = last;
        }
        let (from, to) = (self.minute.div_euclid(60), minute.div_euclid(60));
        for index in (from + 1).max(to - HOURS as i64 + 1)..=to {
            self.hours[place(index, HOURS)] = 0;
        }
        self.minute = minute;
    }

    /// Since the first trade, nanoseconds; `None` before it.
    fn watched_ns(&self, now: Nanos) -> Option<i64> {
        (self.started != 0).then(|| now.get() - (self.started - 1).saturating_mul(MINUTE_NS))
    }

    /// Notional of the running minute and the four before it; `None` until so long was watched.
    #[must_use]
    pub fn notional_5m(&self, now: Nanos) -> Option<Money> {
        if self.watched_ns(now)? < 5 * MINUTE_NS {
            return None;
        }
        let running = now.get().div_euclid(MINUTE_NS);
        // Minutes after the last trade hold what was there a round before.
        let held = (running - 4)..=running.min(self.minute);
        let sum = held.map(|minute| self.minutes[place(minute, MINUTES)]);
        Some(Money::from_raw(sum.fold(0, i64::saturating_add)))
    }

    /// Average notional of a day, from what was watched of the last one; `None` until that is an hour.
    #[must_use]
    pub fn daily(&self, now: Nanos) -> Option<Money> {
        let watched = self.watched_ns(now)?;
        if watched < HOUR_NS {
            return None;
        }
        let running = now.get().div_euclid(HOUR_NS);
        let held = (running - (HOURS as i64 - 1))..=running.min(self.minute.div_euclid(60));
        let sum: i128 = held.map(|hour| i128::from(self.hours[place(hour, HOURS)])).sum();
        let span = watched.min((HOURS as i64 - 1) * HOUR_NS + now.get().rem_euclid(HOUR_NS));
        let daily = sum * i128::from(24 * HOUR_NS) / i128::from(span);
        Some(Money::from_raw(i64::try_from(daily).unwrap_or(i64::MAX)))
    }

    /// From the last price five minutes ago to the last price, in percent; `None` until so long was
    /// watched.
    #[must_use]
    pub fn change_5m_percent(&self, now: Nanos) -> Option<f64> {
        if self.watched_ns(now)? < 5 * MINUTE_NS {
            return None;
        }
        let then = (now.get().div_euclid(MINUTE_NS) - 5).min(self.minute);
        let price = |minute: i64| Price::from_raw(self.closes[place(minute, MINUTES)]);
        Some(price(then).bps_to(price(self.minute))? / 100.0)
    }

    /// False for sums that no trades make.
    pub(super) fn is_sound(&self) -> bool {
        self.started >= 0
            && self.minutes.iter().chain(&self.closes).chain(&self.hours).all(|raw| *raw >= 0)
    }
}
