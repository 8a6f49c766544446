//! The market of the simulator in real time: a source's events, moved to the present.
//!
//! A time `t` of the source becomes `origin + (t − first) ÷ speed`, everywhere in a message, so that the
//! intervals of a recording and its announced funding times stay what they are at speed 1.

use pinion_core::msg::{MarketBody, MarketMsg};
use pinion_core::units::Nanos;

use crate::source::{Source, SourceFault};

/// Where the market comes from and how fast it runs. Owner: the exchange.
pub(super) struct Feed {
    source: Box<dyn Source>,
    origin: Nanos,
    speed: f64,
    /// Time of the source's first event.
    first: Option<Nanos>,
    batch: Vec<MarketMsg>,
    ended: bool,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").field("origin", &self.origin).field("speed", &self.speed).finish()
    }
}

impl Feed {
    /// Plays `source` so that its first event happens at `origin`; `speed` times as fast as real time.
    pub(super) fn new(source: Box<dyn Source>, origin: Nanos, speed: f64) -> Self {
        Self { source, origin, speed, first: None, batch: Vec::new(), ended: false }
    }

    /// True once there is nothing more: the market stands still.
    pub(super) const fn ended(&self) -> bool {
        self.ended
    }

    /// When the next event happens.
    ///
    /// # Errors
    /// What the source cannot read; it is at its end then.
    pub(super) fn next_due(&mut self) -> Result<Option<Nanos>, SourceFault> {
        if self.ended {
            return Ok(None);
        }
        let next = match self.source.next_ts() {
            Ok(next) => next,
            Err(fault) => {
                self.ended = true;
                return Err(fault);
            }
        };
        let Some(ts) = next else {
            self.ended = true;
            return Ok(None);
        };
        let first = *self.first.get_or_insert(ts);
        Ok(Some(moved(self.origin, self.speed, first, ts)))
    }

    /// The messages of the next event, at their new times.
    ///
    /// # Errors
    /// What the source cannot read.
    pub(super) fn pop(&mut self) -> Result<&[MarketMsg], SourceFault> {
        self.batch.clear();
        self.source.next(&mut self.batch)?;
        let (origin, speed) = (self.origin, self.speed);
        if let Some(first) = self.first {
            for msg in &mut self.batch {
                *msg = present(msg, |ts| moved(origin, speed, first, ts));
            }
        }
        Ok(&self.batch)
    }
}

/// A message with all its times moved.
fn present(msg: &MarketMsg, at: impl Fn(Nanos) -> Nanos) -> MarketMsg {
    let body = match msg.body() {
        MarketBody::Mark { mark, index, funding_rate, next_funding_ns } => MarketBody::Mark {
            mark,
            index,
            funding_rate,
            next_funding_ns: next_funding_ns.map(&at),
        },
        other @ (MarketBody::Quote { .. }
        | MarketBody::Trade { .. }
        | MarketBody::Bar { .. }
        | MarketBody::Level { .. }
        | MarketBody::Reset
        | MarketBody::Gap) => other,
    };
    let exch = msg.ts_exch_ns.get().map(&at);
    let mut moved = MarketMsg::from_body(msg.instrument, at(msg.ts_recv_ns), exch, body);
    moved.seq = msg.seq;
    moved
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "spans of days in nanoseconds; a microsecond more or less does not matter"
)]
fn moved(origin: Nanos, speed: f64, first: Nanos, ts: Nanos) -> Nanos {
    let passed = ts.since(first);
    if (speed - 1.0).abs() < f64::EPSILON {
        return origin.plus(passed);
    }
    origin.plus((passed as f64 / speed) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_of_a_message_moves_by_the_same_rule() {
        let mark = MarketMsg::from_body(
            pinion_core::id::InstrumentId::new(0),
            Nanos::new(1_000),
            Some(Nanos::new(900)),
            MarketBody::Mark {
                mark: None,
                index: None,
                funding_rate: None,
                next_funding_ns: Some(Nanos::new(3_000)),
            },
        );
        let at = |ts| moved(Nanos::new(10_000), 2.0, Nanos::new(1_000), ts);
        let now = present(&mark, at);
        assert_eq!(now.ts_recv_ns, Nanos::new(10_000));
        assert_eq!(now.ts_exch_ns.get(), Some(Nanos::new(9_950)));
        let MarketBody::Mark { next_funding_ns, .. } = now.body() else { panic!("a mark") };
        assert_eq!(next_funding_ns, Some(Nanos::new(11_000)));
    }
}
