//! Funding: when it is exchanged, at which rate, and what it comes to.

use pinion_core::id::InstrumentId;
use pinion_core::msg::{MarketBody, MarketMsg, Maybe, PositionSide, VenueEvent};
use pinion_core::units::{Nanos, Rate};

use super::PaperVenue;
use super::market::is_recorded_exchange;
use super::truth::Truth;

/// A new funding time announced this close to the current one means that the current one has come.
const FUNDING_SLACK_NS: i64 = 5 * Nanos::SECOND;
/// Time after a boundary of the default interval at which it is exchanged.
const FUNDING_WAIT_NS: i64 = 2 * Nanos::SECOND;

impl PaperVenue {
    /// The first exchange of funding after `at` on an instrument.
    pub(super) fn funding_after(&self, at: Nanos, instrument: InstrumentId) -> Nanos {
        let announced = self.markets.get(instrument.index()).and_then(|market| market.next_funding);
        let recorded =
            self.markets.get(instrument.index()).is_some_and(|market| market.funding_recorded);
        if recorded {
            return Nanos::MAX;
        }
        announced.filter(|due| *due > at).unwrap_or_else(|| {
            // A little after the boundary, so that a recorded exchange of that time comes first.
            let interval = self.rules.funding_interval_ns;
            at.plus(interval - at.get().rem_euclid(interval)).plus(FUNDING_WAIT_NS)
        })
    }

    /// A mark message may move the next funding; one that skips past a boundary says that it has come.
    pub(super) fn on_announcement(&mut self, msg: &MarketMsg) {
        let MarketBody::Mark { next_funding_ns: Some(next), funding_rate, .. } = msg.body() else {
            return;
        };
        let at = self.clock;
        if is_recorded_exchange(msg) {
            self.on_recorded_exchange(at, msg.instrument, funding_rate);
            return;
        }
        let mut index = 0;
        while let Some(position) = self.account.positions.get(index).copied() {
            if position.instrument == msg.instrument && next > at {
                let passed = next > position.funding_due
                    && at.plus(FUNDING_SLACK_NS) >= position.funding_due;
                if passed {
                    self.exchange_funding(at, index, None);
                }
                self.account.positions[index].funding_due = next;
            }
            index += 1;
        }
        self.wake = self.earliest().0;
    }

    /// Funding was exchanged at this very time, as the recording says.
    fn on_recorded_exchange(&mut self, at: Nanos, instrument: InstrumentId, rate: Option<Rate>) {
        for index in 0..self.account.positions.len() {
            if self.account.positions[index].instrument == instrument {
                self.exchange_funding(at, index, rate);
                self.account.positions[index].funding_due = Nanos::MAX;
            }
        }
        self.wake = self.earliest().0;
    }

    /// Exchanges funding on a position: at `rate`, else as last announced, else as configured.
    pub(super) fn exchange_funding(&mut self, at: Nanos, index: usize, rate: Option<Rate>) {
        let Some(position) = self.account.positions.get(index).copied() else { return };
        let instrument = position.instrument;
        let due = self.funding_after(at.max(position.funding_due), instrument);
        self.account.positions[index].funding_due = due;
        let announced = self.markets.get(instrument.index()).and_then(|market| market.funding_rate);
        let rate = rate.or(announced).unwrap_or(self.rules.funding_rate);
        let value = self.fair(instrument).and_then(|price| price.notional(position.qty));
        let Some(flow) = value.and_then(|value| value.times(rate)) else { return };
        let amount = match position.side {
            PositionSide::Long => -flow,
            PositionSide::Short => flow,
        };
        self.account.fund(amount);
        let ours = amount.share(position.own, position.qty).unwrap_or(amount);
        self.note(|| Truth::Funding { at, instrument, amount, ours });
        self.counts.fundings += 1;
        let event = VenueEvent::Funding { amount, rate: Maybe::some(rate) };
        self.emit(at, None, Some(instrument), event);
        self.push_balance(at);
    }
}
