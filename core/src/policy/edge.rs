//! The edge model: what an entry is expected to earn, in percent of its notional and in money.
//!
//! `p = clip((score − 50) ÷ 50, 0.1, 0.9) − risk penalty` is the chance of the take-profit;
//! `gross = p · TP − (1 − p) · SL`; less the fees of both ways, the spread, and what the funding is expected
//! to cost over the hold. A figure that is missing (spread, funding) costs nothing: the floors are there to
//! refuse what is known to be bad. Statistics of expectation, no money: floats.

use serde::{Deserialize, Serialize};

use crate::msg::PositionSide;
use crate::settings::Settings;
use crate::units::{Money, Nanos, Rate};
use crate::universe::{Lane, received};

/// Ranking figure at which the score is 50.
const SCORE_CENTRE: f64 = 0.5;
/// Ranking figure from the centre to a score of 73.
const SCORE_SCALE: f64 = 0.4;
/// Furthest that a lane's correction goes, in percent of notional.
const BIAS_MAX: f64 = 2.0;
/// Trades of a lane before its correction counts.
const TRADES_MIN: u32 = 8;
const LANES: usize = Lane::ALL.len();

/// Score of a ranking figure, 0 to 100: `100 ÷ (1 + e^((0.5 − ars) ÷ 0.4))`, so it never falls as `ars`
/// grows. A typical random walk ranks near 1.0 (score 78), a clean trend near 1.6 (94), noise below 0.2 (32).
#[must_use]
pub fn score(ars: f64) -> f64 {
    100.0 / (1.0 + libm::exp((SCORE_CENTRE - ars) / SCORE_SCALE))
}

/// What an expectation is made from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prospect {
    /// Score, 0 to 100.
    pub score: f64,
    /// Direction.
    pub side: PositionSide,
    /// Ask less bid in basis points of the price; `None` without a quote.
    pub spread_bps: Option<f64>,
    /// Funding rate of an interval; positive: longs pay.
    pub funding_rate: Option<Rate>,
    /// Fee of the entry.
    pub entry_fee: Rate,
    /// Fee of the exit.
    pub exit_fee: Rate,
}

/// The expectation of an entry; everything but the chance in percent of its notional.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Edge {
    /// Chance of the take-profit.
    pub probability: f64,
    /// Before costs.
    pub gross: f64,
    /// Fees of both ways.
    pub fees: f64,
    /// Spread.
    pub spread: f64,
    /// Funding paid; negative when it is received.
    pub funding: f64,
    /// After costs.
    pub net: f64,
}

/// Expectation of an entry under the exits of the settings; the hold is taken to be as long as allowed.
#[must_use]
pub fn expected(prospect: &Prospect, settings: &Settings) -> Edge {
    let chance = ((prospect.score - 50.0) / 50.0).clamp(0.1, 0.9) - settings.edge_risk_penalty;
    let probability = chance.max(0.0);
    let (profit, loss) = (settings.exit_tp_bps / 100.0, settings.exit_sl_bps / 100.0);
    let gross = probability * profit - (1.0 - probability) * loss;
    let fees = (prospect.entry_fee.to_f64() + prospect.exit_fee.to_f64()) * 100.0;
    let spread = prospect.spread_bps.map_or(0.0, |bps| bps / 100.0);
    let funding = prospect
        .funding_rate
        .map_or(0.0, |rate| -received(rate, prospect.side) * 100.0 * intervals(settings));
    Edge { probability, gross, fees, spread, funding, net: gross - fees - spread - funding }
}

/// Funding intervals in the longest hold.
#[expect(clippy::cast_precision_loss, reason = "settings far below 2^53")]
fn intervals(settings: &Settings) -> f64 {
    let hold_ns = settings.exit_max_hold_scans as f64 * settings.signal_scan_ns as f64;
    hold_ns / (settings.paper_funding_interval_ns.max(Nanos::SECOND) as f64)
}

/// A percentage of a notional in money.
#[must_use]
pub fn in_money(percent: f64, notional: Money) -> f64 {
    percent / 100.0 * notional.to_f64()
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Lesson {
    trades: u32,
    /// Moving average of earned less expected, percent of notional.
    bias: f64,
}

/// What trades earned against what was expected of them, per lane: a moving average that is held to ±2 %
/// after every trade. Owner: the policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    lanes: [Lesson; LANES],
}

impl Calibration {
    /// Learns from a closed trade; both in percent of its notional. What is not finite teaches nothing.
    pub fn learn(&mut self, lane: Lane, expected: f64, earned: f64, settings: &Settings) {
        let miss = earned - expected;
        if !miss.is_finite() {
            return;
        }
        let lesson = &mut self.lanes[usize::from(lane.code())];
        let step = settings.edge_calibration_weight * (miss - lesson.bias);
        lesson.bias = (lesson.bias + step).clamp(-BIAS_MAX, BIAS_MAX);
        lesson.trades = lesson.trades.saturating_add(1);
    }

    /// Trades that taught about a lane, and the correction learned, percent of notional.
    #[must_use]
    pub fn lesson(&self, lane: Lane) -> (u32, f64) {
        let lesson = self.lanes[usize::from(lane.code())];
        (lesson.trades, lesson.bias)
    }

    /// The expectation as the lane's trades correct it: as it is while the correction is off or has
    /// learned from fewer than eight trades.
    #[must_use]
    pub fn corrected(&self, lane: Lane, expected: f64, settings: &Settings) -> f64 {
        let (trades, bias) = self.lesson(lane);
        if !settings.edge_calibration || trades < TRADES_MIN {
            return expected;
        }
        let no_tighten = settings.edge_calibration_no_tighten;
        expected + if no_tighten { bias.max(0.0) } else { bias }
    }

    /// False for what no trades teach.
    pub(super) fn is_sound(&self) -> bool {
        self.lanes.iter().all(|lesson| lesson.bias.abs() <= BIAS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    fn prospect(score: f64) -> Prospect {
        Prospect {
            score,
            side: PositionSide::Short,
            spread_bps: None,
            funding_rate: None,
            entry_fee: Rate::ZERO,
            exit_fee: Rate::ZERO,
        }
    }

    #[test]
    fn the_score_is_monotone_and_stays_within_0_and_100() {
        let mut before = 0.0;
        for step in -400..=400 {
            let now = score(f64::from(step) / 100.0);
            assert!(now > before && now < 100.0, "{step}: {now}");
            before = now;
        }
        assert!(close(score(0.5), 50.0));
        assert!((score(0.873_147) - 71.766_6).abs() < 1e-3, "{}", score(0.873_147));
        assert!((0.0..=100.0).contains(&score(-1e9)) && (0.0..=100.0).contains(&score(1e9)));
    }

    #[test]
    fn the_chance_is_clipped_and_gross_weighs_profit_and_loss() {
        let settings = Settings::default();
        for (score, chance) in [(0.0, 0.1), (55.0, 0.1), (75.0, 0.5), (95.0, 0.9), (100.0, 0.9)] {
            let edge = expected(&prospect(score), &settings);
            assert!(close(edge.probability, chance), "{score}: {edge:?}");
            // Take-profit 0.95 %, stop 1.50 %.
            assert!(close(edge.gross, chance * 0.95 - (1.0 - chance) * 1.5), "{edge:?}");
            assert!(close(edge.net, edge.gross), "no costs");
        }
        let careful = Settings { edge_risk_penalty: 0.2, ..Settings::default() };
        assert!(close(expected(&prospect(75.0), &careful).probability, 0.3));
        assert!(close(expected(&prospect(0.0), &careful).probability, 0.0), "never below zero");
    }

    #[test]
    fn fees_spread_and_funding_are_taken_off() {
        let settings = Settings {
            exit_max_hold_scans: 100,
            signal_scan_ns: 60 * Nanos::SECOND,
            paper_funding_interval_ns: 3_000 * Nanos::SECOND,
            ..Settings::default()
        };
        let short = Prospect {
            spread_bps: Some(3.0),
            funding_rate: Some(Rate::from_raw(10_000)),
            entry_fee: Rate::from_raw(20_000),
            exit_fee: Rate::from_raw(50_000),
            ..prospect(95.0)
        };
        let edge = expected(&short, &settings);
        assert!(close(edge.fees, 0.07), "0.02 % and 0.05 %");
        assert!(close(edge.spread, 0.03));
        assert!(close(edge.funding, -0.02), "a short receives 0.01 % twice");
        assert!(close(edge.net, edge.gross - 0.07 - 0.03 + 0.02));
        let long = Prospect { side: PositionSide::Long, ..short };
        assert!(close(expected(&long, &settings).funding, 0.02), "a long pays it");
        assert!(close(in_money(0.5, Money::from_whole(4_000)), 20.0));
    }

    #[test]
    fn a_lane_learns_what_it_earned_and_no_other_lane_does() {
        let settings = Settings {
            edge_calibration: true,
            edge_calibration_no_tighten: false,
            edge_calibration_weight: 0.5,
            ..Settings::default()
        };
        let mut calibration = Calibration::default();
        for _ in 0..7 {
            calibration.learn(Lane::Carry, 0.4, 0.1, &settings);
        }
        assert!(
            close(calibration.corrected(Lane::Carry, 0.4, &settings), 0.4),
            "seven are too few"
        );
        calibration.learn(Lane::Carry, 0.4, 0.1, &settings);
        let bias = -0.3 * (1.0 - 0.5f64.powi(8));
        assert_eq!(calibration.lesson(Lane::Carry).0, 8);
        assert!(close(calibration.corrected(Lane::Carry, 0.4, &settings), 0.4 + bias));
        assert!(close(calibration.corrected(Lane::Momentum, 0.4, &settings), 0.4));
        let gentle = Settings { edge_calibration_no_tighten: true, ..settings.clone() };
        assert!(close(calibration.corrected(Lane::Carry, 0.4, &gentle), 0.4));
        let off = Settings { edge_calibration: false, ..settings };
        assert!(close(calibration.corrected(Lane::Carry, 0.4, &off), 0.4));
    }

    #[test]
    fn the_correction_is_bounded_and_ignores_nonsense() {
        let settings = Settings { edge_calibration_weight: 1.0, ..Settings::default() };
        let mut calibration = Calibration::default();
        calibration.learn(Lane::Momentum, 0.0, -50.0, &settings);
        assert!(close(calibration.lesson(Lane::Momentum).1, -BIAS_MAX));
        calibration.learn(Lane::Momentum, 0.0, f64::NAN, &settings);
        assert_eq!(calibration.lesson(Lane::Momentum).0, 1);
        assert!(calibration.is_sound());
    }
}
