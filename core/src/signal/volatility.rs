//! The volatility gate: entries only while the anchor moves more than usual.

use alloc::vec::Vec;

use crate::settings::{Settings, VolMode};

/// Returns of the anchor that its volatility looks at.
pub const VOL_WINDOW: usize = 50;

/// What the gate says at one scan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VolReading {
    /// Population standard deviation of the anchor's last [`VOL_WINDOW`] returns; `None` without them.
    pub vol: Option<f64>,
    /// The threshold in force; `None` while there are too few values for a quantile.
    pub threshold: Option<f64>,
    /// `vol` is above the threshold and the warm-up is over.
    pub ok: bool,
}

/// Keeps the recent values sorted. Owner: the signal. Allocates once; a scan costs a search and a
/// move of at most `signal.vol_window` floats (0.3 µs at the default).
#[derive(Debug)]
pub(super) struct VolatilityGate {
    mode: VolMode,
    fixed: f64,
    quantile: f64,
    samples_min: usize,
    warmup_scans: i64,
    window: usize,
    /// The values in the order in which they came, a ring once full.
    recent: Vec<f64>,
    oldest: usize,
    sorted: Vec<f64>,
}

impl VolatilityGate {
    pub(super) fn new(settings: &Settings) -> Self {
        let window = super::count(settings.signal_vol_window, 1, 100_000);
        Self {
            mode: settings.signal_vol_mode,
            fixed: settings.signal_vol_static,
            quantile: settings.signal_vol_quantile,
            samples_min: super::count(settings.signal_vol_samples_min, 1, window),
            warmup_scans: settings.signal_warmup_scans,
            window,
            recent: Vec::with_capacity(window),
            oldest: 0,
            sorted: Vec::with_capacity(window),
        }
    }

    /// Reads the gate at scan `number` (from 1); the present value counts among the recent ones.
    pub(super) fn read(&mut self, number: u32, vol: Option<f64>) -> VolReading {
        if let Some(vol) = vol {
            self.remember(vol);
        }
        let threshold = match self.mode {
            VolMode::Rolling => self.nearest_rank(),
            VolMode::Static => Some(self.fixed),
        };
        let above = vol.zip(threshold).is_some_and(|(vol, threshold)| vol > threshold);
        VolReading { vol, threshold, ok: above && i64::from(number) > self.warmup_scans }
    }

    fn remember(&mut self, vol: f64) {
        if self.recent.len() < self.window {
            self.recent.push(vol);
        } else {
            let gone = core::mem::replace(&mut self.recent[self.oldest], vol);
            self.oldest = (self.oldest + 1) % self.window;
            let at = self.sorted.partition_point(|value| value.total_cmp(&gone).is_lt());
            self.sorted.remove(at);
        }
        let at = self.sorted.partition_point(|value| value.total_cmp(&vol).is_lt());
        self.sorted.insert(at, vol);
    }

    /// The smallest value that at least the quantile's share of values does not exceed.
    fn nearest_rank(&self) -> Option<f64> {
        let count = self.sorted.len();
        if count < self.samples_min {
            return None;
        }
        // A product like 0.55 × 100 lies an ulp above the whole number that is meant.
        let rank = libm::ceil(self.quantile * count as f64 - 1e-9).max(1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to count")]
        self.sorted.get(rank as usize - 1).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(change: impl FnOnce(&mut Settings)) -> VolatilityGate {
        let mut settings = Settings {
            signal_vol_window: 10,
            signal_vol_samples_min: 5,
            signal_warmup_scans: 0,
            ..Settings::default()
        };
        change(&mut settings);
        VolatilityGate::new(&settings)
    }

    #[test]
    fn the_threshold_is_the_nearest_rank_of_the_recent_values() {
        let mut gate = gate(|_| ());
        let mut last = gate.read(1, None);
        for (number, vol) in (2..).zip([5.0, 3.0, 4.0, 1.0]) {
            last = gate.read(number, Some(vol));
            assert_eq!((last.threshold, last.ok), (None, false));
        }
        assert_eq!(last.vol, Some(1.0));
        // Sorted 1 2 3 4 5: rank ⌈0.6 × 5⌉ = 3.
        assert_eq!(gate.read(6, Some(2.0)).threshold, Some(3.0));
        // Sorted 1 2 3 4 5 6: rank ⌈3.6⌉ = 4.
        let reading = gate.read(7, Some(6.0));
        assert_eq!((reading.threshold, reading.ok), (Some(4.0), true));
        // Equal to the threshold is not above it.
        let reading = gate.read(8, Some(4.0));
        assert_eq!((reading.threshold, reading.ok), (Some(4.0), false));
    }

    #[test]
    fn values_leave_in_the_order_they_came() {
        let mut gate = gate(|settings| settings.signal_vol_quantile = 1.0);
        for number in 0..40u32 {
            let vol = f64::from((number * 7) % 11);
            let expected = (number.saturating_sub(9)..=number)
                .map(|n| f64::from((n * 7) % 11))
                .fold(0.0, f64::max);
            let reading = gate.read(number, Some(vol));
            assert_eq!(reading.threshold, (number >= 4).then_some(expected));
        }
    }

    #[test]
    fn warm_up_and_a_missing_value_keep_the_gate_closed() {
        let mut gate = gate(|settings| {
            settings.signal_vol_mode = VolMode::Static;
            settings.signal_vol_static = 0.5;
            settings.signal_warmup_scans = 2;
        });
        let open: Vec<bool> = [Some(1.0), Some(1.0), Some(1.0), None, Some(0.4)]
            .into_iter()
            .zip(1..)
            .map(|(vol, number)| gate.read(number, vol).ok)
            .collect();
        assert_eq!(open, [false, false, true, false, false]);
    }
}
