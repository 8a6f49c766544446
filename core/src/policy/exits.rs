//! Exit rules: when an open position is closed, and how much of it.
//!
//! Take-profit and stop are measured on the executable side (a short buys at the ask), before costs, on
//! every quote or trade of the slot's own asset and of no other. Hold limit and regime reversal are
//! checked on scans.

use crate::msg::PositionSide;
use crate::msg::record::DecisionReason;
use crate::settings::Settings;
use crate::units::Price;

/// An exit that a rule asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Why.
    pub reason: DecisionReason,
    /// True: everything that remains; false: the current leg.
    pub all: bool,
}

/// Move in favour of the position in basis points of its entry price; `None` without a positive entry.
#[must_use]
pub fn gain_bps(side: PositionSide, entry: Price, executable: Price) -> Option<f64> {
    let moved = entry.bps_to(executable)?;
    Some(match side {
        PositionSide::Long => moved,
        PositionSide::Short => -moved,
    })
}

/// Rules that look at the price: stop first, then take-profit.
///
/// Leg `k` of `n` takes its profit at `exit.tp_bps · (k + 1) ÷ n`, so the last leg leaves at the full
/// distance; a stop closes everything.
#[must_use]
pub fn on_price(gain_bps: f64, leg: usize, legs: usize, settings: &Settings) -> Option<Exit> {
    if gain_bps <= -settings.exit_sl_bps {
        return Some(Exit { reason: DecisionReason::StopLoss, all: true });
    }
    #[expect(clippy::cast_precision_loss, reason = "at most eight legs")]
    let share = (leg + 1) as f64 / legs.max(1) as f64;
    if gain_bps >= settings.exit_tp_bps * share.min(1.0) {
        return Some(Exit { reason: DecisionReason::TakeProfit, all: leg + 1 >= legs });
    }
    None
}

/// Rules that look at the scan: hold limit, then regime reversal while in profit.
#[must_use]
pub fn on_scan(
    side: PositionSide,
    held_scans: u32,
    vel_div: Option<f64>,
    gain_bps: Option<f64>,
    settings: &Settings,
) -> Option<Exit> {
    if i64::from(held_scans) >= settings.exit_max_hold_scans {
        return Some(Exit { reason: DecisionReason::MaxHold, all: true });
    }
    let turned = vel_div.is_some_and(|vel_div| match side {
        PositionSide::Short => vel_div > settings.exit_reversal_vel_div,
        PositionSide::Long => vel_div < -settings.exit_reversal_vel_div,
    });
    if turned && gain_bps.is_some_and(|gain| gain > 0.0) {
        return Some(Exit { reason: DecisionReason::RegimeReversal, all: true });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(raw: i64) -> Price {
        Price::from_raw(raw)
    }

    #[test]
    fn gains_have_the_positions_sign() {
        let gain = |side, to| gain_bps(side, price(10_000), price(to)).map(libm::round);
        assert_eq!(gain(PositionSide::Short, 9_900), Some(100.0));
        assert_eq!(gain(PositionSide::Long, 9_900), Some(-100.0));
        assert_eq!(gain_bps(PositionSide::Long, Price::ZERO, price(1)), None);
    }

    #[test]
    fn take_profit_and_stop_fire_at_their_distance() {
        let settings = Settings::default();
        assert_eq!(on_price(94.99, 0, 1, &settings), None);
        let exit = |gain, leg, legs| on_price(gain, leg, legs, &settings);
        assert_eq!(exit(95.0, 0, 1), Some(Exit { reason: DecisionReason::TakeProfit, all: true }));
        assert_eq!(exit(-149.9, 0, 1), None);
        assert_eq!(exit(-150.0, 0, 1), Some(Exit { reason: DecisionReason::StopLoss, all: true }));
    }

    #[test]
    fn legs_leave_one_after_the_other_and_a_stop_takes_all() {
        let settings = Settings::default();
        let profit = |all| Some(Exit { reason: DecisionReason::TakeProfit, all });
        assert_eq!(on_price(47.4, 0, 2, &settings), None);
        assert_eq!(on_price(47.5, 0, 2, &settings), profit(false));
        assert_eq!(on_price(47.5, 1, 2, &settings), None);
        assert_eq!(on_price(95.0, 1, 2, &settings), profit(true));
        assert!(on_price(-150.0, 0, 2, &settings).is_some_and(|exit| exit.all));
    }

    #[test]
    fn the_hold_limit_and_the_reversal_close_on_scans() {
        let settings = Settings::default();
        let short = PositionSide::Short;
        let reason = |held, vel_div, gain| {
            on_scan(short, held, vel_div, gain, &settings).map(|exit| exit.reason)
        };
        assert_eq!(reason(249, None, None), None);
        assert_eq!(reason(250, None, None), Some(DecisionReason::MaxHold));
        assert_eq!(reason(1, Some(0.021), Some(0.1)), Some(DecisionReason::RegimeReversal));
        assert_eq!(reason(1, Some(0.02), Some(0.1)), None);
        assert_eq!(reason(1, Some(0.021), Some(0.0)), None);
        assert_eq!(reason(1, Some(0.021), None), None);
        let long = on_scan(PositionSide::Long, 1, Some(-0.021), Some(1.0), &settings);
        assert_eq!(long.map(|exit| exit.reason), Some(DecisionReason::RegimeReversal));
    }
}
