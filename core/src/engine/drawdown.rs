//! The drawdown halt: entries end when the equity has fallen too far below its peak.
//!
//! One reading proves nothing: a wrong price makes a wrong equity. So a fall counts only when
//! `guard.drawdown_samples` readings in a row show it, and a new peak needs as many. There is one reading a
//! tick, and only where every open slot has had a new price since the last one: an old wrong price that nothing
//! replaces is one reading, however long it stands. A missing equity is no reading. Deposits, withdrawals and
//! re-anchors move peak and equity alike.

use serde::{Deserialize, Serialize};

use crate::kernel::{Effects, Kernel};
use crate::msg::{Control, Input};
use crate::settings::Settings;
use crate::units::{Money, Nanos, Rate, mul_half_even};

/// Why the engine halts.
pub(super) const REASON: &str = "drawdown";

/// Readings of the equity. Owner: the engine; part of its saved state. Money is less what came from outside.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Drawdown {
    /// Highest equity that enough readings in a row have shown; the first reading begins it.
    peak: Option<Money>,
    /// Readings above the peak in a row, and the lowest of them.
    above: i64,
    above_least: Money,
    /// Readings in a row that are too far below it.
    below: i64,
    last_reading_ns: Option<Nanos>,
    /// It has halted the engine; a resume begins a new peak.
    has_fired: bool,
}

impl Drawdown {
    /// After everything else of a turn.
    pub(super) fn turn(
        &mut self,
        now: Nanos,
        input: &Input,
        kernel: &mut Kernel,
        settings: &Settings,
        out: &mut Effects,
    ) {
        match input {
            Input::Control(message) if message.control == Control::Resume && self.has_fired => {
                *self = Self::default();
            }
            Input::Tick if settings.guard_drawdown_max != Rate::ZERO => {
                if self.read(now, kernel, settings) && !kernel.is_killed() {
                    self.has_fired = true;
                    kernel.kill_for(now, REASON, out);
                }
            }
            Input::Tick
            | Input::Control(_)
            | Input::Market(_)
            | Input::Venue(_)
            | Input::Scan(_)
            | Input::Settings { .. } => {}
        }
    }

    /// Takes one reading where there is one; true when the fall is confirmed.
    fn read(&mut self, now: Nanos, kernel: &Kernel, settings: &Settings) -> bool {
        if !self.has_news(kernel) {
            return false;
        }
        let ledger = kernel.ledger();
        let outside = ledger.transfers().checked_add(ledger.adjustments());
        let own = kernel
            .equity()
            .zip(outside)
            .and_then(|(equity, outside)| Some((equity.checked_sub(outside)?, outside)));
        let Some((equity, outside)) = own else { return false };
        self.last_reading_ns = Some(now);
        let samples = settings.guard_drawdown_samples;
        let peak = *self.peak.get_or_insert(equity);
        if equity > peak {
            self.above_least = if self.above == 0 { equity } else { self.above_least.min(equity) };
            self.above += 1;
            self.below = 0;
            if self.above >= samples {
                self.peak = Some(self.above_least);
                self.above = 0;
            }
            return false;
        }
        self.above = 0;
        let is_low = peak
            .checked_add(outside)
            .and_then(|whole| mul_half_even(whole.raw(), settings.guard_drawdown_max.raw()))
            .zip(peak.checked_sub(equity))
            .is_some_and(|(bound, below)| below.raw() >= bound.max(1));
        self.below = if is_low { self.below + 1 } else { 0 };
        self.below >= samples
    }

    /// True when the price that every open slot is valued at is newer than the last reading.
    fn has_news(&self, kernel: &Kernel) -> bool {
        let Some(last) = self.last_reading_ns else { return true };
        kernel.slots().iter().filter(|slot| slot.is_open()).all(|slot| {
            let top = slot.instrument().and_then(|id| kernel.top(id));
            let priced =
                top.zip(slot.side()).and_then(|(top, side)| top.executable(side.exit_side()));
            priced.is_some_and(|(_, at)| at > last)
        })
    }
}
