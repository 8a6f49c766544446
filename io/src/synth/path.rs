//! Where the price of one perpetual would be if nothing were rounded: it moves once a slice by its
//! share of the common factor and by its own noise and shocks.

use crate::synth::factor::{Shock, Slice, Wave};
use crate::synth::rng::Rng;
use crate::synth::{SLICE_S, SLOW_S};

/// Time constant of the pull towards the start price: none to speak of in a day, and over a year it
/// keeps prices where tick and lot still fit.
const PULL_S: f64 = 40.0 * 86_400.0;
/// Shocks and what they leave behind make this much more than calm slices alone: the deviation of a
/// day is the listing's because a calm slice gets less of it.
const CALM_SHARE: f64 = 0.62;

/// The unrounded price of one perpetual.
#[derive(Clone, Debug)]
pub(super) struct Path {
    /// Deviation of a calm slice's log return.
    calm: f64,
    /// How much of the market's coupling applies to it.
    coupling: f64,
    own_vol: Wave,
    shock: Shock,
    vol: f64,
    /// Price over start price before the slice's moment, and after.
    before: f64,
    after: f64,
}

/// What a slice did to one perpetual.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moved {
    /// Size of the shock that hit it, in deviations of a calm slice; 0 mostly.
    pub(super) jolt: f64,
    /// Volatility relative to its long-run level, market's times own.
    pub(super) vol: f64,
}

impl Path {
    /// `daily_vol` is the deviation of a day's log return.
    pub(super) fn new(daily_vol: f64, coupling: f64, rng: &mut Rng) -> Self {
        Self {
            calm: CALM_SHARE * daily_vol * libm::sqrt(SLICE_S / 86_400.0),
            coupling,
            own_vol: Wave::new(0.25, 1_500.0, SLOW_S, rng),
            shock: Shock::new(420.0, 60.0),
            vol: 1.0,
            before: 1.0,
            after: 1.0,
        }
    }

    /// Moves through one slice; `slow` when the slow parts are due.
    pub(super) fn step(&mut self, slow: bool, slice: &Slice, rng: &mut Rng) -> Moved {
        if slow {
            self.shock.cool();
            self.vol = libm::exp(self.own_vol.step(rng)) * self.shock.vol();
        }
        let shock = self.shock.draw(rng);
        let share = slice.coupling * self.coupling;
        let (with, without) = (libm::sqrt(share), libm::sqrt(1.0 - share));
        let own = rng.bell() + shock;
        let vol = slice.vol * self.vol;
        self.before = self.after;
        let step = self.calm * vol * (with * slice.common + without * own);
        // The exponential of a step of a few basis points to all digits that show, and above 0 for
        // any step.
        self.after *= 1.0 + step + 0.5 * step * step;
        self.after += (1.0 - self.after) * (SLICE_S / PULL_S);
        Moved { jolt: (with * slice.shock + without * shock).abs(), vol }
    }

    /// Price over start price, before or after the slice's moment.
    pub(super) const fn growth(&self, after: bool) -> f64 {
        if after { self.after } else { self.before }
    }
}
