//! The sizer: from the strength of a signal to a quantity.
//!
//! `strength = clip((threshold − vel_div) ÷ (threshold − extreme), 0, 1)`,
//! `leverage = min + (max − min) · strength^convexity`. That times the factors, in the order of [`Factors`],
//! under the lowest of the caps, is the leverage of the quantity; then the lot. A factor scales the
//! quantity and nothing else, and entries alone: an exit takes its size from the slot. Floats end here.

use crate::instrument::Instrument;
use crate::msg::PositionSide;
use crate::msg::record::{SizeCap, Sizing};
use crate::settings::{Posture, Settings};
use crate::units::{Money, Price, Qty, Rate, SCALE};

/// Strength of a signal in `[0, 1]`; a long signal is the mirror image of a short one.
#[must_use]
pub fn strength(vel_div: f64, side: PositionSide, settings: &Settings) -> f64 {
    let signed = match side {
        PositionSide::Short => vel_div,
        PositionSide::Long => -vel_div,
    };
    let span = settings.policy_vel_div_threshold - settings.policy_vel_div_extreme;
    ((settings.policy_vel_div_threshold - signed) / span).clamp(0.0, 1.0)
}

/// Leverage for a strength, before every factor and cap.
#[must_use]
pub fn leverage(strength: f64, settings: &Settings) -> f64 {
    let (low, high) = (settings.policy_leverage_min, settings.policy_leverage_max);
    low + (high - low) * libm::pow(strength, settings.policy_convexity)
}

/// The lowest cap on the leverage of an entry, and which it is; the first of several equal ones.
///
/// The strategy's own; the stalker posture's; the liquidation guard's: soft, moved by what moves the
/// regime, and hard, moved by nothing. What is measured in money is in [`size`]: the guard's third part,
/// notional over capital, and the available margin.
#[must_use]
pub fn leverage_cap(factors: &Factors, posture: Posture, settings: &Settings) -> (f64, SizeCap) {
    let moved = factors.regime * factors.ob * factors.esof;
    let stalker = match posture {
        Posture::Stalker => settings.policy_stalker_leverage_max,
        Posture::Apex | Posture::Turtle | Posture::Hibernate => f64::INFINITY,
    };
    let caps = [
        (stalker, SizeCap::Stalker),
        (settings.policy_liquidation_soft * moved, SizeCap::LiquidationSoft),
        (settings.policy_liquidation_hard, SizeCap::LiquidationHard),
    ];
    let first = (settings.policy_strategy_leverage_max, SizeCap::Strategy);
    caps.into_iter().fold(first, |low, cap| if cap.0 < low.0 { cap } else { low })
}

/// The venue's whole-number leverage for an internal one: linear from `[leverage_min, leverage_max]` to
/// `[1, policy.venue_leverage_max]`, rounded half to even. It sets margin, never size or PnL.
#[must_use]
pub fn venue_leverage(leverage: f64, settings: &Settings) -> Rate {
    let (low, high) = (settings.policy_leverage_min, settings.policy_leverage_max);
    let span = if high > low { (leverage.clamp(low, high) - low) / (high - low) } else { 0.0 };
    #[expect(clippy::cast_precision_loss, reason = "at most 125")]
    let top = settings.policy_venue_leverage_max as f64;
    let whole = libm::rint(1.0 + (top - 1.0) * span);
    Rate::from_f64(whole).unwrap_or(Rate::ONE)
}

/// The venue's leverage of an entry: that of its signal under the cap on leverage.
#[must_use]
pub fn margin_leverage(factors: &Factors, posture: Posture, settings: &Settings) -> Rate {
    let (most, _) = leverage_cap(factors, posture, settings);
    venue_leverage(factors.leverage.min(most), settings)
}

/// What a size is a share of, what it has to fit into, and the price it is bought at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Basis {
    /// Capital of the books: what the size is a share of, and what the notional is measured against.
    pub capital: Money,
    /// Margin that the venue says can be used: a cap, never the basis; `None` while it never said.
    pub available: Option<Money>,
    /// The price at which the entry would execute.
    pub price: Price,
}

/// The factors and the quantity of an entry: capital × fraction × capped product ÷ price, floored to the
/// lot. The notional stays below capital × `policy.liquidation_reference` and below available margin × the
/// venue's leverage, of each the part `policy.liquidation_buffer`. `None` when capital or price is
/// not positive or the result does not fit.
#[must_use]
pub fn size(
    basis: Basis,
    instrument: &Instrument,
    factors: &Factors,
    posture: Posture,
    settings: &Settings,
) -> Option<Sizing> {
    let Basis { capital, available, price } = basis;
    if !capital.is_positive() || !price.is_positive() {
        return None;
    }
    let product = factors.product();
    let (most, cap) = leverage_cap(factors, posture, settings);
    let (mut applied, mut held) =
        if product > most { (most, cap) } else { (product, SizeCap::None) };
    let one = capital.to_f64() * settings.policy_size_fraction;
    let part = settings.policy_liquidation_buffer;
    let system = settings.policy_liquidation_reference * part * capital.to_f64();
    let margin = available.map_or(f64::INFINITY, |available| {
        let leverage = margin_leverage(factors, posture, settings).to_f64();
        available.to_f64().max(0.0) * leverage * part
    });
    for (most, cap) in [(system, SizeCap::SystemLeverage), (margin, SizeCap::AvailableMargin)] {
        if one * applied > most {
            (applied, held) = (most / one, cap);
        }
    }
    let notional = Money::from_f64(capital.to_f64() * (settings.policy_size_fraction * applied))?;
    let raw = i128::from(notional.raw()) * i128::from(SCALE) / i128::from(price.raw());
    let qty = Qty::from_raw(i64::try_from(raw).ok()?).floor_to(instrument.lot);
    let Factors { strength, leverage, bucket, streak, regime, ob, esof, memory } = *factors;
    Some(Sizing {
        strength,
        leverage,
        bucket,
        streak,
        regime,
        ob,
        esof,
        memory,
        applied,
        capital,
        qty,
        cap: held,
    })
}

/// What multiplies a size, in this order; each is logged with the decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factors {
    /// Signal strength, 0 to 1; not a factor itself.
    pub strength: f64,
    /// Leverage of the convex sizer.
    pub leverage: f64,
    /// Factor of the strength bucket's record.
    pub bucket: f64,
    /// Factor of the losing streak.
    pub streak: f64,
    /// Factor of the regime, at least 0.1.
    pub regime: f64,
    /// Factor of the order book, 0.85 to 1.20.
    pub ob: f64,
    /// Factor of the calendar, 0 to 1.
    pub esof: f64,
    /// Factor of the asset's record, at most 1.
    pub memory: f64,
}

impl Factors {
    /// All of them from the leverage on.
    #[must_use]
    pub fn product(&self) -> f64 {
        let track = self.leverage * self.bucket * self.streak;
        track * self.regime * self.ob * self.esof * self.memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TextId;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 5e-5
    }

    #[test]
    fn leverage_meets_the_recorded_vectors() {
        let at = |vel_div: f64, max: f64| {
            let settings = Settings { policy_leverage_max: max, ..Settings::default() };
            leverage(strength(vel_div, PositionSide::Short, &settings), &settings)
        };
        for (vel_div, with_9, with_8) in [
            (-0.02, 0.5, 0.5),
            (-0.025, 0.5394, 0.5347),
            (-0.03, 0.8148, 0.7778),
            (-0.04, 3.0185, 2.7222),
            (-0.05, 9.0, 8.0),
            (-0.5, 9.0, 8.0),
        ] {
            assert!(close(at(vel_div, 9.0), with_9), "{vel_div}: {}", at(vel_div, 9.0));
            assert!(close(at(vel_div, 8.0), with_8), "{vel_div}: {}", at(vel_div, 8.0));
        }
    }

    #[test]
    fn a_long_signal_mirrors_a_short_one() {
        let settings = Settings::default();
        let short = strength(-0.031, PositionSide::Short, &settings);
        assert!(close(strength(0.031, PositionSide::Long, &settings), short));
        assert!(close(strength(0.031, PositionSide::Short, &settings), 0.0));
    }

    #[test]
    fn venue_leverage_rounds_half_to_even() {
        let settings = Settings {
            policy_leverage_max: 9.0,
            policy_venue_leverage_max: 3,
            ..Settings::default()
        };
        for (conviction, whole) in [
            (0.5, 1),
            (1.0, 1),
            (2.0, 1),
            (2.625, 2),
            (3.0, 2),
            (6.0, 2),
            (6.875, 2),
            (7.0, 3),
            (9.0, 3),
        ] {
            assert_eq!(
                venue_leverage(conviction, &settings),
                Rate::from_whole(whole),
                "{conviction}"
            );
        }
    }

    #[test]
    fn venue_leverage_is_whole_bounded_and_never_falls_with_conviction() {
        for (max, venue_max) in [(9.0, 3), (8.0, 20), (0.5, 5), (125.0, 125), (9.0, 1)] {
            let settings = Settings {
                policy_leverage_max: max,
                policy_venue_leverage_max: venue_max,
                ..Settings::default()
            };
            let mut before = Rate::ONE;
            for step in 0..=2_000 {
                let whole = venue_leverage(f64::from(step) * 0.1 - 1.0, &settings);
                assert!(whole.is_multiple_of(Rate::ONE) && whole >= before, "{step}: {whole}");
                assert!(whole <= Rate::from_whole(venue_max), "{step}: {whole}");
                before = whole;
            }
            let top = if max > 0.5 { venue_max } else { 1 };
            assert_eq!(before, Rate::from_whole(top), "the cap is the setting, not a number here");
        }
    }

    const PLAIN: Factors = Factors {
        strength: 1.0,
        leverage: 8.0,
        bucket: 1.0,
        streak: 1.0,
        regime: 1.0,
        ob: 1.0,
        esof: 1.0,
        memory: 1.0,
    };

    fn instrument() -> Instrument {
        Instrument {
            symbol: TextId::EMPTY,
            tick: Price::from_raw(10_000),
            lot: Qty::ONE,
            min_notional: Money::from_whole(5),
            tradable: true,
            listed_ns: None,
        }
    }

    /// Of 25,000 at 1: the quantity is the notional.
    fn sized(factors: Factors, posture: Posture, settings: &Settings) -> Sizing {
        let capital = Money::from_whole(25_000);
        let basis = Basis { capital, available: None, price: Price::ONE };
        size(basis, &instrument(), &factors, posture, settings).expect("a usable size")
    }

    #[test]
    fn every_factor_scales_the_quantity_and_is_kept() {
        let settings = Settings::default();
        let whole = sized(Factors { leverage: 4.0, ..PLAIN }, Posture::Apex, &settings);
        assert_eq!((whole.qty, whole.cap), (Qty::from_whole(20_000), SizeCap::None));
        let four = Factors { leverage: 4.0, ..PLAIN };
        for (factors, qty) in [
            (Factors { bucket: 0.5, ..four }, 10_000),
            (Factors { streak: 0.5, ..four }, 10_000),
            (Factors { regime: 1.5, ..four }, 30_000),
            (Factors { ob: 0.85, ..four }, 17_000),
            (Factors { esof: 0.25, ..four }, 5_000),
            (Factors { memory: 0.78, ..four }, 15_600),
            (Factors { bucket: 0.5, regime: 2.0, ob: 1.2, ..four }, 24_000),
            (Factors { esof: 0.0, ..four }, 0),
        ] {
            let sizing = sized(factors, Posture::Apex, &settings);
            assert_eq!(sizing.qty, Qty::from_whole(qty), "{factors:?}");
            assert!(close(sizing.applied, factors.product()), "{factors:?}");
            assert!(close(sizing.regime * sizing.ob, factors.regime * factors.ob));
        }
    }

    #[test]
    fn the_lowest_cap_holds_the_product_and_is_named() {
        let settings = Settings::default();
        let cap = |factors: Factors, posture, settings: &Settings| {
            let sizing = sized(factors, posture, settings);
            (sizing.applied, sizing.cap)
        };
        let is = |found: (f64, SizeCap), applied: f64, cap: SizeCap| {
            assert!(close(found.0, applied) && found.1 == cap, "{found:?}");
        };
        is(cap(PLAIN, Posture::Apex, &settings), 8.0, SizeCap::None);
        let nine = Factors { leverage: 9.0, ..PLAIN };
        // min(8 × regime × OB × EsoF, 9).
        is(cap(nine, Posture::Apex, &settings), 8.0, SizeCap::LiquidationSoft);
        let boosted = Factors { regime: 1.1, ..nine };
        is(cap(boosted, Posture::Apex, &settings), 8.8, SizeCap::LiquidationSoft);
        let more = Factors { regime: 1.5, ob: 1.2, ..nine };
        is(cap(more, Posture::Apex, &settings), 9.0, SizeCap::Strategy);
        let high = Settings { policy_strategy_leverage_max: 20.0, ..Settings::default() };
        is(cap(more, Posture::Apex, &high), 9.0, SizeCap::LiquidationHard);
        let low = Settings { policy_strategy_leverage_max: 6.0, ..Settings::default() };
        is(cap(PLAIN, Posture::Apex, &low), 6.0, SizeCap::Strategy);
        is(cap(more, Posture::Stalker, &settings), 2.0, SizeCap::Stalker);
        let whole = Settings { policy_size_fraction: 1.0, ..Settings::default() };
        // 5 × 0.95 of the capital.
        is(cap(PLAIN, Posture::Apex, &whole), 4.75, SizeCap::SystemLeverage);
        let sizing = sized(PLAIN, Posture::Apex, &whole);
        assert_eq!(sizing.qty, Qty::from_whole(118_750));
    }

    #[test]
    fn the_cap_counts_after_every_factor() {
        // A bad bucket halves what was asked, not what the cap left.
        let settings = Settings::default();
        let factors = Factors { bucket: 0.5, ..PLAIN };
        let sizing = sized(factors, Posture::Stalker, &settings);
        assert!(close(sizing.applied, 2.0), "{sizing:?}");
    }

    #[test]
    fn the_size_is_a_share_of_the_capital_and_available_margin_is_a_cap() {
        let settings = Settings::default();
        let sized = |available: Option<i64>, factors| {
            let available = available.map(Money::from_whole);
            let basis = Basis { capital: Money::from_whole(25_000), available, price: Price::ONE };
            let found = size(basis, &instrument(), &factors, Posture::Apex, &settings);
            found.expect("a usable size")
        };
        let free = sized(None, PLAIN);
        assert_eq!((free.qty, free.capital), (Qty::from_whole(40_000), Money::from_whole(25_000)));
        // 40,000 at the venue's 3 needs 13,333.33; 0.95 of 14,036 is more.
        assert_eq!(sized(Some(14_036), PLAIN), free, "as long as it fits, it changes nothing");
        for (available, factors, qty) in [
            (14_000, PLAIN, 39_900),
            (10_000, PLAIN, 28_500),
            // At the venue's leverage 1.
            (1_000, Factors { leverage: 2.0, ..PLAIN }, 950),
            (0, PLAIN, 0),
            (-500, PLAIN, 0),
        ] {
            let sizing = sized(Some(available), factors);
            let found = (sizing.qty, sizing.cap, sizing.capital);
            let expected = (Qty::from_whole(qty), SizeCap::AvailableMargin, free.capital);
            assert_eq!(found, expected, "{available}");
            let notional = 25_000.0 * 0.2 * sizing.applied;
            assert!((notional - sizing.qty.to_f64()).abs() < 1e-6, "applied tells the notional");
        }
    }

    #[test]
    fn quantity_floors_to_the_lot_and_refuses_what_is_no_price() {
        let factors = Factors { leverage: 3.0, bucket: 0.5, ..PLAIN };
        let price = Price::from_raw(18_780_000);
        let settings = Settings::default();
        let size = |capital, price| {
            let basis = Basis { capital, available: None, price };
            size(basis, &instrument(), &factors, Posture::Apex, &settings)
        };
        let sizing = size(Money::from_whole(25_000), price).expect("a usable size");
        // 25,000 × 0.2 × 3 × 0.5 ÷ 0.1878 = 39,936.1…
        assert_eq!(sizing.qty, Qty::from_whole(39_936));
        for (capital, price) in [(0, 1), (-5, 1), (1, 0), (1, -1)] {
            assert_eq!(size(Money::from_whole(capital), Price::from_whole(price)), None);
        }
    }
}
