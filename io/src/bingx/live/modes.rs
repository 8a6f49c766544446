//! Leverage and margin type of an instrument, when somebody changes them while the run goes on: no entry on it
//! until they are as configured again. Exits need neither.

use pinion_core::id::InstrumentId;

use super::super::user::ConfigUpdate;
use super::super::words::MarginType;
use super::plan::VenuePlan;
use super::socket::printable;

/// What is configured, and which instruments are otherwise.
#[derive(Debug)]
pub(super) struct Modes {
    leverage: u64,
    margin_type: MarginType,
    is_other: Vec<bool>,
}

impl Modes {
    pub(super) fn new(plan: &VenuePlan, instruments: usize) -> Self {
        Self {
            leverage: plan.leverage,
            margin_type: plan.margin_type,
            is_other: vec![false; instruments],
        }
    }

    /// True while the instrument is as configured, as far as the venue has said.
    pub(super) fn fit(&self, instrument: InstrumentId) -> bool {
        !self.is_other.get(instrument.index()).copied().unwrap_or(false)
    }

    /// The venue told them, as it does every few seconds; a line for people when something changed.
    pub(super) fn heard(
        &mut self,
        update: &ConfigUpdate<'_>,
        instrument: Option<InstrumentId>,
    ) -> Option<String> {
        let other = |leverage: Option<u64>| leverage.is_some_and(|told| told != self.leverage);
        let other_margin = match update.margin_mode {
            "cross" => self.margin_type != MarginType::Crossed,
            "isolated" => self.margin_type != MarginType::Isolated,
            // Nothing, or a word that is not known and was counted.
            _ => false,
        };
        let is_other = other(update.long_leverage) || other(update.short_leverage) || other_margin;
        let slot = self.is_other.get_mut(instrument?.index())?;
        let was_other = std::mem::replace(slot, is_other);
        let symbol = printable(update.symbol);
        let (leverage, margin_type) = (self.leverage, self.margin_type.as_str());
        match (was_other, is_other) {
            (false, true) => Some(format!(
                "{symbol}: leverage or margin type was changed at the venue; expected {leverage} and \
                 {margin_type}: no entries on it until it is so again"
            )),
            (true, false) => {
                Some(format!("{symbol}: leverage and margin type are as configured again"))
            }
            (true, true) | (false, false) => None,
        }
    }
}
