//! What happened in a run, in lines for a person: orders, answers, fills, faults, controls.

use pinion_core::msg::record::OrderStatus;
use pinion_core::msg::{
    ClientRef, Input, MarketKind, Maybe, Record, RecordMsg, VenueEvent, VenueMsg,
};
use pinion_core::units::Nanos;
use pinion_io::paper::{Owner, Truth};

use super::market::START;

/// The lines of one run; costs nothing while it is off. Owner: the driver.
#[derive(Clone, Debug)]
pub struct Trace {
    lines: Option<Vec<String>>,
}

impl Trace {
    /// On or off.
    #[must_use]
    pub fn new(on: bool) -> Self {
        Self { lines: on.then(Vec::new) }
    }

    /// A line of the driver.
    pub fn note(&mut self, at: Nanos, text: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>14.6} {}", seconds(at), text()));
        }
    }

    /// What happened at the venue.
    pub fn truth(&mut self, truth: &Truth) {
        if self.lines.is_none() {
            return;
        }
        match *truth {
            Truth::Accepted { at, client, .. } => {
                self.note(at, || format!("venue    #{} accepted", client.seq()));
            }
            Truth::Refused { at, client, reason, .. } => {
                self.note(at, || {
                    format!("venue    #{} refused, {}", client.seq(), reason.as_str())
                });
            }
            Truth::Fill {
                at, owner, position_side, reduces, qty, price, instrument, fee, ..
            } => {
                let who = match owner {
                    Owner::Ours(client) => format!("#{}", client.seq()),
                    Owner::Foreign => String::from("somebody"),
                    Owner::Venue => String::from("the venue"),
                };
                let what = if reduces { "closes" } else { "opens" };
                let (side, index) = (position_side.as_str(), instrument.index());
                self.note(at, || {
                    format!("venue    {who} {what} {qty} {side} of {index} at {price}, fee {fee}")
                });
            }
            Truth::Ended { at, client, state, cum_qty } => {
                let state = state.as_str();
                self.note(at, || format!("venue    #{} {state} at {cum_qty}", client.seq()));
            }
            Truth::Funding { at, amount, ours, .. } => {
                self.note(at, || format!("venue    funding {amount}, ours {ours}"));
            }
            Truth::Transfer { at, amount } => {
                self.note(at, || format!("venue    transfer {amount}"))
            }
        }
    }

    /// What the kernel was told; market data and ticks are left out.
    pub fn input(&mut self, at: Nanos, input: &Input) {
        if self.lines.is_none() {
            return;
        }
        match input {
            Input::Market(message) if message.kind() == MarketKind::Gap => {
                self.note(at, || format!("told     gap of {}", message.instrument.index()));
            }
            Input::Market(_) | Input::Scan(_) | Input::Tick | Input::Settings { .. } => {}
            Input::Venue(message) => self.note(at, || format!("told     {}", told(message))),
            Input::Control(message) => {
                self.note(at, || format!("told     {}", message.control.as_str()));
            }
        }
    }

    /// What the kernel did of its own accord; what it only passes on was told before.
    pub fn record(&mut self, message: &RecordMsg) {
        if self.lines.is_none() {
            return;
        }
        let at = message.ts_ns;
        match message.record {
            Record::Order {
                client,
                side,
                kind,
                tif,
                reduce_only,
                qty,
                price,
                status,
                instrument,
                ..
            } if matches!(status, OrderStatus::Submitted | OrderStatus::Unknown) => {
                let what = match (status, reduce_only) {
                    (OrderStatus::Unknown, _) => "does not know",
                    (_, true) => "exits",
                    (_, false) => "enters",
                };
                let (side, kind, tif) = (side.as_str(), kind.as_str(), tif.as_str());
                let limit = price.get().map_or(String::new(), |price| format!(" at {price}"));
                self.note(at, || {
                    let (order, index) = (client.seq(), instrument.index());
                    format!("engine   #{order} {what}: {side} {qty} of {index} {kind} {tif}{limit}")
                });
            }
            Record::Fill { client, fill_id, qty, price, fee_source, .. } if fill_id.is_empty() => {
                let fee = fee_source.as_str();
                self.note(at, || {
                    format!("engine   #{} infers {qty} at {price}, fee {fee}", client.seq())
                });
            }
            Record::TradeClosed { trade, gross_pnl, fees, .. } => {
                self.note(at, || {
                    format!("engine   trip {} closed, gross {gross_pnl}, fees {fees}", trade.seq())
                });
            }
            Record::Halt { reason } => self.note(at, || format!("engine   halts: {reason}")),
            Record::Resume { reason } => self.note(at, || format!("engine   resumes: {reason}")),
            Record::Error { reason } => self.note(at, || format!("engine   error: {reason}")),
            _ => {}
        }
    }

    /// The lines.
    #[must_use]
    pub fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}

#[expect(clippy::cast_precision_loss, reason = "for the eye")]
fn seconds(at: Nanos) -> f64 {
    at.since(START) as f64 / 1e9
}

/// A venue message in few words.
fn told(message: &VenueMsg) -> String {
    let who = match message.client {
        ClientRef::Own(client) => format!("#{}", client.seq()),
        ClientRef::Foreign => String::from("foreign"),
        ClientRef::Absent => String::from("-"),
    };
    fn total<T: pinion_core::msg::Word + std::fmt::Display>(value: Maybe<T>) -> String {
        value.get().map_or_else(|| String::from("?"), |value| value.to_string())
    }
    match message.event {
        VenueEvent::Ack { venue_id } => format!("{who} ack {venue_id}"),
        VenueEvent::Reject { reason } => format!("{who} reject {}", reason.as_str()),
        VenueEvent::Ambiguous => format!("{who} ambiguous"),
        VenueEvent::Fill { venue_id, fill_id, qty, price, cum_qty, fee, .. } => {
            let (cum, fee) = (total(cum_qty), total(fee));
            format!("{who} {venue_id} fill {fill_id}: {qty} at {price}, total {cum}, fee {fee}")
        }
        VenueEvent::Canceled { cum_qty, .. } => format!("{who} canceled at {}", total(cum_qty)),
        VenueEvent::Expired { cum_qty, .. } => format!("{who} expired at {}", total(cum_qty)),
        VenueEvent::CancelRejected { reason } => {
            format!("{who} cancel refused {}", reason.as_str())
        }
        VenueEvent::OrderStatus { state, cum_qty, avg_price, .. } => {
            let (state, cum, average) = (state.as_str(), total(cum_qty), total(avg_price));
            format!("{who} is {state}, total {cum}, average {average}")
        }
        event => format!("{who} {event:?}"),
    }
}
