//! The convex sizer: from the strength of a signal to a quantity.
//!
//! `strength = clip((threshold − vel_div) ÷ (threshold − extreme), 0, 1)`,
//! `leverage = min + (max − min) · strength^convexity`, then the track record's factors, then the lot.
//! Floats end here: the quantity is fixed point.

use crate::instrument::Instrument;
use crate::msg::PositionSide;
use crate::msg::record::Sizing;
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

/// Leverage for a strength, under the posture's cap.
#[must_use]
pub fn leverage(strength: f64, settings: &Settings) -> f64 {
    let (low, high) = (settings.policy_leverage_min, settings.policy_leverage_max);
    let convex = low + (high - low) * libm::pow(strength, settings.policy_convexity);
    match settings.policy_posture {
        Posture::Stalker => convex.min(settings.policy_stalker_leverage_max),
        Posture::Apex | Posture::Turtle | Posture::Hibernate => convex,
    }
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

/// The factors and the quantity of an entry: capital × fraction × leverage × factors ÷ price, floored to
/// the lot. `None` when capital or price is not positive or the result does not fit.
#[must_use]
pub fn size(
    capital: Money,
    price: Price,
    instrument: &Instrument,
    factors: Factors,
    settings: &Settings,
) -> Option<Sizing> {
    if !capital.is_positive() || !price.is_positive() {
        return None;
    }
    let scale = settings.policy_size_fraction * factors.leverage * factors.bucket * factors.streak;
    let notional = Money::from_f64(capital.to_f64() * scale)?;
    let raw = i128::from(notional.raw()) * i128::from(SCALE) / i128::from(price.raw());
    let qty = Qty::from_raw(i64::try_from(raw).ok()?).floor_to(instrument.lot);
    Some(Sizing {
        strength: factors.strength,
        leverage: factors.leverage,
        bucket: factors.bucket,
        streak: factors.streak,
        qty,
    })
}

/// What multiplies a size, each logged with the decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factors {
    /// Signal strength, 0 to 1.
    pub strength: f64,
    /// Leverage of the convex sizer.
    pub leverage: f64,
    /// Factor of the strength bucket's record.
    pub bucket: f64,
    /// Factor of the losing streak.
    pub streak: f64,
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

    #[test]
    fn the_stalker_posture_caps_leverage() {
        let settings = Settings { policy_posture: Posture::Stalker, ..Settings::default() };
        assert!(close(leverage(1.0, &settings), 2.0));
    }

    #[test]
    fn quantity_floors_to_the_lot_and_refuses_what_is_no_price() {
        let instrument = Instrument {
            symbol: TextId::EMPTY,
            tick: Price::from_raw(10_000),
            lot: Qty::ONE,
            min_notional: Money::from_whole(5),
            tradable: true,
        };
        let factors = Factors { strength: 1.0, leverage: 3.0, bucket: 0.5, streak: 1.0 };
        let price = Price::from_raw(18_780_000);
        let settings = Settings::default();
        let sizing = size(Money::from_whole(25_000), price, &instrument, factors, &settings)
            .expect("a usable size");
        // 25,000 × 0.2 × 3 × 0.5 ÷ 0.1878 = 39,936.1…
        assert_eq!(sizing.qty, Qty::from_whole(39_936));
        for (capital, price) in [(0, 1), (-5, 1), (1, 0), (1, -1)] {
            let (capital, price) = (Money::from_whole(capital), Price::from_whole(price));
            assert_eq!(size(capital, price, &instrument, factors, &settings), None);
        }
    }
}
