//! Factors that come from outside, or from the settings where nobody says them.

use crate::msg::Modifiers;
use crate::settings::{Posture, Settings};

/// Least regime boost.
const BOOST_MIN: f64 = 0.1;
/// Most of what an outside source may ask of boost or scale.
const OUTSIDE_MAX: f64 = 10.0;
/// Range of the order-book factor.
const OB: (f64, f64) = (0.85, 1.2);

/// The modifiers of one scan, each in its range. Neutral with the default settings: every factor 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Multipliers {
    /// The more careful of the operator's posture and the outside source's.
    pub posture: Posture,
    /// Order-book factor.
    pub ob: f64,
    /// Calendar factor.
    pub esof: f64,
    boost: f64,
    mc_scale: f64,
    beta: f64,
}

impl Multipliers {
    /// What holds for the scan with this number: what the outside source said about it, else the settings.
    /// A value that is no finite number counts as not said.
    #[must_use]
    pub fn of(outside: Option<&Modifiers>, scan: u32, settings: &Settings) -> Self {
        let said = outside.filter(|modifiers| modifiers.number == scan).copied();
        let said = said.unwrap_or_default();
        let pick = |value: Option<f64>, setting: f64| {
            value.filter(|value| value.is_finite()).unwrap_or(setting)
        };
        Self {
            posture: said.posture.map_or(settings.policy_posture, |posture| {
                // In the order of declaration a later posture allows less.
                posture.max(settings.policy_posture)
            }),
            ob: pick(said.ob, settings.modifiers_ob).clamp(OB.0, OB.1),
            esof: pick(said.esof, settings.modifiers_esof).clamp(0.0, 1.0),
            boost: pick(said.boost, settings.modifiers_boost).clamp(BOOST_MIN, OUTSIDE_MAX),
            mc_scale: pick(said.mc_scale, settings.modifiers_mc_scale).clamp(0.0, OUTSIDE_MAX),
            beta: settings.modifiers_boost_beta,
        }
    }

    /// Factor of the regime: `boost · (1 + beta · strength³) · scale`, at least 0.1.
    #[must_use]
    pub fn regime(&self, strength: f64) -> f64 {
        let cubed = strength * strength * strength;
        (self.boost * (1.0 + self.beta * cubed) * self.mc_scale).max(BOOST_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn nothing_said_and_default_settings_are_neutral() {
        let neutral = Multipliers::of(None, 7, &Settings::default());
        assert!(close(neutral.regime(1.0) * neutral.ob * neutral.esof, 1.0));
        assert_eq!(neutral.posture, Posture::Apex);
    }

    #[test]
    fn what_was_said_holds_for_its_own_scan_alone() {
        let said = Modifiers { number: 7, ob: Some(1.1), ..Modifiers::default() };
        let settings = Settings { modifiers_ob: 0.9, ..Settings::default() };
        assert!(close(Multipliers::of(Some(&said), 7, &settings).ob, 1.1));
        assert!(close(Multipliers::of(Some(&said), 8, &settings).ob, 0.9));
    }

    #[test]
    fn values_are_held_to_their_ranges_and_nonsense_counts_as_not_said() {
        let settings = Settings::default();
        let of = |ob, esof, boost| {
            let number = 1;
            let said = Modifiers {
                number,
                ob: Some(ob),
                esof: Some(esof),
                boost: Some(boost),
                ..Modifiers::default()
            };
            Multipliers::of(Some(&said), 1, &settings)
        };
        let low = of(0.0, -1.0, -3.0);
        assert!(close(low.ob, 0.85) && close(low.esof, 0.0) && close(low.regime(0.0), 0.1));
        let high = of(9.0, 9.0, 99.0);
        assert!(close(high.ob, 1.2) && close(high.esof, 1.0) && close(high.regime(0.0), 10.0));
        let none = of(f64::NAN, f64::INFINITY, f64::NAN);
        assert!(close(none.ob, 1.0) && close(none.esof, 1.0) && close(none.regime(1.0), 1.0));
    }

    #[test]
    fn the_regime_grows_with_the_signal_and_keeps_its_least() {
        let settings = Settings { modifiers_boost_beta: 0.5, ..Settings::default() };
        let said =
            Modifiers { number: 1, boost: Some(1.2), mc_scale: Some(0.9), ..Modifiers::default() };
        let regime = Multipliers::of(Some(&said), 1, &settings);
        assert!(close(regime.regime(0.0), 1.08));
        assert!(close(regime.regime(0.5), 1.08 * 1.062_5));
        let nothing = Modifiers { number: 1, mc_scale: Some(0.0), ..Modifiers::default() };
        assert!(close(Multipliers::of(Some(&nothing), 1, &settings).regime(1.0), 0.1));
    }

    #[test]
    fn the_more_careful_posture_counts() {
        let with = |outside, operator| {
            let said = Modifiers { number: 1, posture: outside, ..Modifiers::default() };
            let settings = Settings { policy_posture: operator, ..Settings::default() };
            Multipliers::of(Some(&said), 1, &settings).posture
        };
        assert_eq!(with(Some(Posture::Turtle), Posture::Apex), Posture::Turtle);
        assert_eq!(with(Some(Posture::Apex), Posture::Stalker), Posture::Stalker);
        assert_eq!(with(None, Posture::Hibernate), Posture::Hibernate);
    }
}
