//! One perpetual: its price, its arrivals and its touch put together, and the messages that come of it.

use pinion_core::id::InstrumentId;
use pinion_core::msg::{MarketBody, MarketMsg, Side};
use pinion_core::units::{Nanos, Price, Qty, Rate};

use crate::synth::arrivals::{Arrivals, Burst};
use crate::synth::factor::{Slice, Wave};
use crate::synth::listing::Listing;
use crate::synth::path::Path;
use crate::synth::rng::Rng;
use crate::synth::touch::Touch;
use crate::synth::{MARK_NS, Queue, SLICE_NS};

/// Share of a burst's events that are trades.
const TRADES: f64 = 0.42;
/// Probability that a trade goes the way the price does.
const FOLLOWS: f64 = 0.8;
/// Within a burst most events follow in microseconds, some in milliseconds.
const GAP_SHORT_NS: f64 = 6e4;
const GAP_LONG_NS: f64 = 3e6;
const GAP_LONG_SHARE: f64 = 0.2;
/// A ticker stream repeats itself when nothing happens: after half of this at least, three halves at
/// most.
const REFRESH_NS: f64 = 1.1e9;
/// The venue stamps an event this long before we receive it.
const TRANSIT_NS: i64 = 1_600_000;
const FUNDING_NS: i64 = 8 * 3_600 * Nanos::SECOND;
const FUNDING_MEAN: f64 = 0.000_1;
const FUNDING_DEVIATION: f64 = 0.000_06;
const FUNDING_TAU_S: f64 = 4.0 * 3_600.0;

/// A perpetual in motion.
#[derive(Clone, Debug)]
pub(super) struct Asset {
    id: InstrumentId,
    rng: Rng,
    path: Path,
    arrivals: Arrivals,
    touch: Touch,
    funding: Wave,
    refresh_ns: i64,
    last_ns: i64,
}

impl Asset {
    /// A perpetual that starts trading at `start`.
    pub(super) fn new(
        id: InstrumentId,
        listing: &Listing,
        tick: Price,
        lot: Qty,
        start: Nanos,
        mut rng: Rng,
    ) -> Self {
        Self {
            id,
            path: Path::new(listing.daily_vol, listing.coupling, &mut rng),
            arrivals: Arrivals::new(listing.burst_rate),
            touch: Touch::new(listing, tick, lot),
            funding: Wave::new(FUNDING_DEVIATION, FUNDING_TAU_S, MARK_NS as f64 * 1e-9, &mut rng),
            refresh_ns: start.get(),
            last_ns: start.get(),
            rng,
        }
    }

    /// Moves through the slice that starts at `start_ns` and appends what happened, in time order.
    pub(super) fn step(&mut self, start_ns: i64, slow: bool, slice: &Slice, queue: &mut Queue) {
        let moved = self.path.step(slow, slice, &mut self.rng);
        let moment_ns = start_ns + (slice.moment * SLICE_NS as f64) as i64;
        let activity = moved.vol * moved.vol;
        let rng = &mut self.rng;
        for burst in self.arrivals.draw(start_ns, moment_ns, activity, moved.jolt, rng) {
            self.burst(burst, moment_ns, moved.vol, queue);
        }
        if self.refresh_ns < start_ns + SLICE_NS {
            let refresh = Burst { at_ns: self.refresh_ns, events: 1 };
            self.burst(refresh, moment_ns, moved.vol, queue);
        }
    }

    /// The mark price, the index and the funding rate of now.
    pub(super) fn mark(&mut self, at_ns: i64, queue: &mut Queue) {
        let rate = FUNDING_MEAN + self.funding.step(&mut self.rng);
        let index = self.touch.ticks(self.path.growth(true));
        let mark = self.touch.mid().unwrap_or(index);
        let body = MarketBody::Mark {
            mark: Some(self.touch.nearest(mark)),
            index: Some(self.touch.nearest(index)),
            funding_rate: Rate::from_f64(rate),
            next_funding_ns: Some(Nanos::new((at_ns / FUNDING_NS + 1) * FUNDING_NS)),
        };
        self.emit(at_ns, body, queue);
    }

    /// Trades lead, quotes follow to where the price has gone; the last of several is a quote.
    fn burst(&mut self, burst: Burst, moment_ns: i64, vol: f64, queue: &mut Queue) {
        let mut at_ns = burst.at_ns.max(self.last_ns + 1);
        let target = self.touch.ticks(self.path.growth(at_ns >= moment_ns));
        let from = self.touch.mid();
        for nth in 1..=burst.events {
            let tail = nth == burst.events && (nth > 1 || at_ns >= self.refresh_ns);
            let body = match from {
                Some(from) if !tail && self.rng.chance(TRADES) => {
                    let up = (target >= from) == self.rng.chance(FOLLOWS);
                    self.touch.trade(if up { Side::Buy } else { Side::Sell }, &mut self.rng)
                }
                _ => {
                    let from = from.unwrap_or(target);
                    let way = f64::from(nth) / f64::from(burst.events);
                    let wait = REFRESH_NS * (0.5 + self.rng.unit());
                    self.refresh_ns = at_ns + wait as i64;
                    self.touch.quote(from + (target - from) * way, vol, &mut self.rng)
                }
            };
            self.emit(at_ns, body, queue);
            self.last_ns = at_ns;
            let long = self.rng.chance(GAP_LONG_SHARE);
            let gap = if long { GAP_LONG_NS } else { GAP_SHORT_NS } * self.rng.exponential();
            at_ns += 1 + gap as i64;
        }
    }

    fn emit(&self, at_ns: i64, body: MarketBody, queue: &mut Queue) {
        let stamped = Nanos::new(at_ns - TRANSIT_NS);
        queue.push(MarketMsg::from_body(self.id, Nanos::new(at_ns), Some(stamped), body));
    }
}
