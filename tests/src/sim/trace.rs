//! What happened in a run, in lines for a person: orders, answers, fills, faults, controls.

use pinion_core::msg::{Input, MarketKind, Record, RecordMsg};
use pinion_core::units::Nanos;
use pinion_io::paper::Truth;

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
        let at = match truth {
            Truth::Accepted { at, .. }
            | Truth::Refused { at, .. }
            | Truth::Fill { at, .. }
            | Truth::Ended { at, .. }
            | Truth::Funding { at, .. }
            | Truth::Transfer { at, .. } => *at,
        };
        self.note(at, || format!("venue  {truth:?}"));
    }

    /// What the kernel was told; market data and ticks are left out.
    pub fn input(&mut self, at: Nanos, input: &Input) {
        if self.lines.is_none() {
            return;
        }
        match input {
            Input::Market(message) if message.kind() == MarketKind::Gap => {
                self.note(at, || format!("told   gap {:?}", message.instrument));
            }
            Input::Market(_) | Input::Scan(_) | Input::Tick | Input::Settings { .. } => {}
            Input::Venue(message) => {
                self.note(at, || format!("told   {:?} {:?}", message.client, message.event));
            }
            Input::Control(message) => {
                self.note(at, || format!("told   {}", message.control.as_str()));
            }
        }
    }

    /// What the kernel did.
    pub fn record(&mut self, message: &RecordMsg) {
        if self.lines.is_none() {
            return;
        }
        match &message.record {
            Record::Order { .. }
            | Record::Fill { .. }
            | Record::Slot { .. }
            | Record::TradeClosed { .. }
            | Record::Halt { .. }
            | Record::Resume { .. }
            | Record::Error { .. } => {
                self.note(message.ts_ns, || format!("kernel {:?}", message.record));
            }
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
