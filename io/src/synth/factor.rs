//! What all perpetuals share: how strongly they move together, how much, and the shocks that hit all.
//!
//! Returns follow one factor, `r_i = vol_i × (sqrt(c) × common + sqrt(1 − c) × own)`. The coupling `c`
//! is a slow level plus a regime that switches several times an hour and takes hold within half a
//! minute; volatility has a slow part, a fast part, and the heat that shocks leave behind.

use crate::synth::rng::Rng;
use crate::synth::{SLICE_S, SLOW_S};

/// Mean-reverting Gaussian state with a deviation and a time constant (Ornstein-Uhlenbeck), stepped
/// exactly.
#[derive(Clone, Debug)]
pub(super) struct Wave {
    value: f64,
    keep: f64,
    kick: f64,
}

impl Wave {
    /// Starts in its stationary state; `step_s` is the time between two calls of [`Wave::step`].
    pub(super) fn new(deviation: f64, tau_s: f64, step_s: f64, rng: &mut Rng) -> Self {
        let keep = libm::exp(-step_s / tau_s);
        let kick = deviation * libm::sqrt(1.0 - keep * keep);
        Self { value: deviation * rng.bell(), keep, kick }
    }

    /// Moves on by one step.
    pub(super) fn step(&mut self, rng: &mut Rng) -> f64 {
        self.value = self.value * self.keep + self.kick * rng.bell();
        self.value
    }
}

/// Sudden moves, and the heat they leave behind: volatility that cools down again.
#[derive(Clone, Debug)]
pub(super) struct Shock {
    chance: f64,
    cool: f64,
    heat: f64,
}

impl Shock {
    /// Least size and mean excess, in deviations of a calm slice; those of five seconds are 4.5.
    const LEAST: f64 = 8.0;
    const EXCESS: f64 = 8.0;
    const HEAT_PER_SIZE: f64 = 0.05;
    const HEAT_MOST: f64 = 8.0;

    /// Mean time between two, and how long the heat lasts.
    pub(super) fn new(mean_s: f64, cool_s: f64) -> Self {
        Self { chance: SLICE_S / mean_s, cool: libm::exp(-SLOW_S / cool_s), heat: 0.0 }
    }

    /// The shock of a slice in deviations of a calm slice, signed; 0 mostly.
    pub(super) fn draw(&mut self, rng: &mut Rng) -> f64 {
        if !rng.chance(self.chance) {
            return 0.0;
        }
        let size = Self::LEAST + Self::EXCESS * rng.exponential();
        self.heat = (self.heat + Self::HEAT_PER_SIZE * size).min(Self::HEAT_MOST);
        size * rng.sign()
    }

    /// Cools down by one slow step.
    pub(super) fn cool(&mut self) {
        self.heat *= self.cool;
    }

    /// Factor on volatility, at least 1.
    pub(super) fn vol(&self) -> f64 {
        libm::sqrt(1.0 + self.heat)
    }
}

/// What a slice of time brings to every perpetual.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slice {
    /// Common part of the returns, in deviations of a calm slice.
    pub(super) common: f64,
    /// The part of `common` that is a shock; 0 mostly.
    pub(super) shock: f64,
    /// Share of the variance that is common, 0 to 1.
    pub(super) coupling: f64,
    /// The market's volatility relative to its long-run level.
    pub(super) vol: f64,
    /// When in the slice prices moved, 0 to 1.
    pub(super) moment: f64,
}

/// The market as a whole.
#[derive(Clone, Debug)]
pub(super) struct Factor {
    rng: Rng,
    level: Wave,
    slow_vol: Wave,
    fast_vol: Wave,
    shock: Shock,
    regime: f64,
    regime_target: f64,
    regime_left_s: f64,
    now: Slice,
}

const REGIME_DEVIATION: f64 = 1.5;
const REGIME_MEAN_S: f64 = 720.0;
const REGIME_TAKES_S: f64 = 30.0;
/// Mean of the coupling's logit.
const STRENGTH_MEAN: f64 = 0.9;
const COUPLING_LEAST: f64 = 0.04;
const COUPLING_MOST: f64 = 0.86;

impl Factor {
    /// From the market's own random stream.
    pub(super) fn new(mut rng: Rng) -> Self {
        Self {
            level: Wave::new(0.9, 5_400.0, SLOW_S, &mut rng),
            slow_vol: Wave::new(0.25, 7_200.0, SLOW_S, &mut rng),
            fast_vol: Wave::new(0.22, 240.0, SLOW_S, &mut rng),
            shock: Shock::new(420.0, 60.0),
            regime: 0.0,
            regime_target: 0.0,
            regime_left_s: 0.0,
            now: Slice::default(),
            rng,
        }
    }

    /// The next slice; `slow` when the slow parts are due, as they must be in the first.
    pub(super) fn step(&mut self, slow: bool) -> Slice {
        if slow {
            self.drift();
        }
        self.now.shock = self.shock.draw(&mut self.rng);
        self.now.common = self.rng.bell() + self.now.shock;
        self.now.moment = self.rng.unit();
        self.now
    }

    fn drift(&mut self) {
        let rng = &mut self.rng;
        self.regime_left_s -= SLOW_S;
        if self.regime_left_s <= 0.0 {
            self.regime_left_s = REGIME_MEAN_S * rng.exponential();
            self.regime_target = REGIME_DEVIATION * rng.bell();
        }
        self.regime += (self.regime_target - self.regime) * (SLOW_S / REGIME_TAKES_S);
        let strength = STRENGTH_MEAN + self.level.step(rng) + self.regime;
        let share = 1.0 / (1.0 + libm::exp(-strength));
        self.now.coupling = COUPLING_LEAST + (COUPLING_MOST - COUPLING_LEAST) * share;

        self.shock.cool();
        let log_vol = self.slow_vol.step(rng) + self.fast_vol.step(rng);
        self.now.vol = libm::exp(log_vol) * self.shock.vol();
    }
}
