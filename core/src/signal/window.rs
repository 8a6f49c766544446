//! One window of the regime: the share of common movement and its change.

use alloc::vec;
use alloc::vec::Vec;

use crate::instrument::INSTRUMENTS_MAX;
use crate::signal::eigen::Eigen;
use crate::signal::history::History;

/// Assets as bits.
type AssetSet = [u64; INSTRUMENTS_MAX / 64];

/// What one window says at one scan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WindowReading {
    /// Length in scans.
    pub length: usize,
    /// Assets with a full window of returns that are not all equal.
    pub active: u16,
    /// Largest eigenvalue of their correlation matrix ÷ their number, in (0, 1]; `None` below
    /// `signal.assets_min`.
    pub lambda: Option<f64>,
    /// Change of `lambda` since the scan before; `None` when either is missing or the assets changed.
    pub velocity: Option<f64>,
}

/// Rolling sums of one window. Owner: the signal. Allocates once, about 8 × assets² bytes.
#[derive(Debug)]
pub(super) struct Window {
    length: usize,
    assets_min: usize,
    /// Sums of returns per asset.
    sums: Sums,
    /// Sums of products per pair, packed rows of the lower triangle.
    products: Sums,
    leaving: Vec<f64>,
    chosen: Vec<usize>,
    scale: Vec<f64>,
    set: AssetSet,
    lambda: Option<f64>,
}

impl Window {
    /// For `assets` assets; an eigenvalue needs `assets_min` active ones.
    pub(super) fn new(length: usize, assets: usize, assets_min: usize) -> Self {
        Self {
            length,
            assets_min,
            sums: Sums::new(assets),
            products: Sums::new(assets * (assets + 1) / 2),
            leaving: vec![0.0; assets],
            chosen: Vec::with_capacity(assets),
            scale: Vec::with_capacity(assets),
            set: [0; INSTRUMENTS_MAX / 64],
            lambda: None,
        }
    }

    /// Notes what leaves; must come before the scan's prices go into the history.
    pub(super) fn before(&mut self, history: &History) {
        history.leaving(self.length, &mut self.leaving);
    }

    /// Takes in the latest returns and reads the window.
    pub(super) fn after(&mut self, history: &History, eigen: &mut Eigen) -> WindowReading {
        self.roll(history.latest());
        let set = self.choose(history);
        let lambda = (self.chosen.len() >= self.assets_min.max(1)).then(|| {
            let n = self.chosen.len();
            self.correlate(eigen.matrix(n));
            (eigen.largest(n) / n as f64).min(1.0)
        });
        let velocity = match (lambda, self.lambda) {
            (Some(now), Some(before)) if set == self.set => Some(now - before),
            (Some(_) | None, Some(_) | None) => None,
        };
        self.lambda = lambda;
        self.set = set;
        // At most INSTRUMENTS_MAX assets, so the count always fits.
        let active = u16::try_from(self.chosen.len()).unwrap_or(u16::MAX);
        WindowReading { length: self.length, active, lambda, velocity }
    }

    fn roll(&mut self, latest: &[f64]) {
        let mut row_start = 0;
        for (asset, (&new, &old)) in latest.iter().zip(&self.leaving).enumerate() {
            let row = row_start..=row_start + asset;
            self.products.roll(row, &latest[..=asset], new, &self.leaving[..=asset], old);
            row_start += asset + 1;
        }
        self.sums.roll(0..=latest.len().saturating_sub(1), latest, 1.0, &self.leaving, 1.0);
    }

    /// Fills `chosen` with the active assets and `scale` with 1 ÷ √(their summed squared deviations).
    fn choose(&mut self, history: &History) -> AssetSet {
        let mut set = [0; INSTRUMENTS_MAX / 64];
        self.chosen.clear();
        self.scale.clear();
        for asset in 0..history.assets() {
            if !history.reaches(asset, self.length) || history.is_constant(asset, self.length) {
                continue;
            }
            let deviation = self.codeviation(asset, asset);
            if deviation > 0.0 {
                self.chosen.push(asset);
                self.scale.push(1.0 / libm::sqrt(deviation));
                set[asset / 64] |= 1 << (asset % 64);
            }
        }
        set
    }

    fn correlate(&self, matrix: &mut [f64]) {
        let n = self.chosen.len();
        for (row, &asset) in self.chosen.iter().enumerate() {
            matrix[row * n + row] = 1.0;
            for (column, &other) in self.chosen[..row].iter().enumerate() {
                let value = self.codeviation(asset, other) * self.scale[row] * self.scale[column];
                let value = value.clamp(-1.0, 1.0);
                matrix[row * n + column] = value;
                matrix[column * n + row] = value;
            }
        }
    }

    /// Sum over the window of the product of deviations from the means; `other` ≤ `asset`.
    fn codeviation(&self, asset: usize, other: usize) -> f64 {
        let product = self.products.get(asset * (asset + 1) / 2 + other);
        product - self.sums.get(asset) * self.sums.get(other) / self.length as f64
    }
}

/// Rolling sums that do not drift: each is a pair of floats, the second holding what rounding took from
/// the first, so what comes in leaves without a trace. An addition errs by about 1e-32 of the sum, so
/// 1e9 scans err by less than 1e-21 of the largest sum there ever was; no re-summing is needed.
#[derive(Debug)]
struct Sums {
    high: Vec<f64>,
    low: Vec<f64>,
}

impl Sums {
    fn new(count: usize) -> Self {
        Self { high: vec![0.0; count], low: vec![0.0; count] }
    }

    fn get(&self, index: usize) -> f64 {
        self.high[index]
    }

    /// Adds `new × by` and takes `old × by_old` away, element by element of a range.
    fn roll(
        &mut self,
        range: core::ops::RangeInclusive<usize>,
        new: &[f64],
        by: f64,
        old: &[f64],
        by_old: f64,
    ) {
        let (Some(high), Some(low)) = (self.high.get_mut(range.clone()), self.low.get_mut(range))
        else {
            return;
        };
        for (((high, low), new), old) in high.iter_mut().zip(low).zip(new).zip(old) {
            let (sum, lost) = add_exactly(*high, new * by);
            let (rest, lost_again) = add_exactly(sum, -(old * by_old));
            (*high, *low) = add_exactly(rest, *low + lost + lost_again);
        }
    }
}

/// The rounded sum and the exact rounding error (Knuth's two-sum).
fn add_exactly(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let of_b = sum - a;
    (sum, (a - (sum - of_b)) + (b - of_b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::history::spread;

    fn noise(state: &mut u64) -> f64 {
        *state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    }

    #[test]
    fn sums_do_not_drift_over_long_runs_with_huge_outliers() {
        let (assets, length) = (4, 50);
        let mut history = History::new(assets, 750, 50);
        let mut window = Window::new(length, assets, 2);
        let mut eigen = Eigen::new(assets);
        let mut state = 1;
        let mut logs = [0.0; 4];
        for scan in 0..60_000 {
            let common = noise(&mut state);
            for (asset, log) in logs.iter_mut().enumerate() {
                // Quiet like a stablecoin, but now and then a price that is off by a factor of a thousand.
                let jump = if scan % 997 == 3 * asset { 7.0 } else { 0.0 };
                *log = 1e-6 * (common + noise(&mut state)) + jump;
            }
            window.before(&history);
            history.push(&logs.map(|log| Some(libm::exp(log))));
            window.after(&history, &mut eigen);
            if scan > 1_000 && scan % 97 == 0 {
                for i in 0..assets {
                    for j in 0..=i {
                        let (a, b) = (history.window(i, length), history.window(j, length));
                        let (a, b) = (a.unwrap(), b.unwrap());
                        let ((mean_a, sd_a), (mean_b, sd_b)) = (spread(a), spread(b));
                        let direct: f64 =
                            a.iter().zip(b).map(|(x, y)| (x - mean_a) * (y - mean_b)).sum();
                        let scale = sd_a * sd_b * length as f64;
                        let error = (window.codeviation(i, j) - direct) / scale;
                        assert!(error.abs() < 1e-11, "scan {scan}, {i} and {j}: {error:e}");
                    }
                }
            }
        }
    }
}
