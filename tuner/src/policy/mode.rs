//! The four modes: how many changes a tick may make, and between which bounds the rules move.

use crate::number::raw;
use crate::telemetry::Metrics;

pinion_core::text_enum! {
    /// How eager the tuner is.
    pub enum Mode {
        /// Throughput first.
        Fast => "fast",
        /// A steady flow.
        Conveyor => "conveyor",
        /// Rather less.
        Calm => "calm",
        /// Few, good entries.
        Sniper => "sniper",
    }
}

/// Bounds of the rules' steps, in raw units of the keys, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// `funnel.score_strict`.
    pub strict: (i64, i64),
    /// `funnel.score_soft`.
    pub soft: (i64, i64),
    /// `funnel.volume_5m_usd_min`.
    pub volume: (i64, i64),
    /// `edge.percent_min`.
    pub edge_percent: (i64, i64),
    /// `edge.usd_min`.
    pub edge_usd: (i64, i64),
    /// `memory.cooldown_s`.
    pub cooldown: (i64, i64),
}

impl Mode {
    /// Changes that one tick may make.
    #[must_use]
    pub const fn actions(self) -> usize {
        match self {
            Self::Fast => 7,
            Self::Conveyor => 6,
            Self::Calm | Self::Sniper => 2,
        }
    }

    /// Throughput counts more than selectivity.
    #[must_use]
    pub const fn is_eager(self) -> bool {
        matches!(self, Self::Fast | Self::Conveyor)
    }

    /// The bounds of the mode.
    #[must_use]
    pub fn bounds(self) -> Bounds {
        let of = |strict: [f64; 2],
                  soft: [f64; 2],
                  volume: [f64; 2],
                  percent: [f64; 2],
                  usd: [f64; 2],
                  cooldown: [f64; 2]| {
            let pair = |ends: [f64; 2]| (raw(ends[0]), raw(ends[1]));
            Bounds {
                strict: pair(strict),
                soft: pair(soft),
                volume: pair(volume),
                edge_percent: pair(percent),
                edge_usd: pair(usd),
                cooldown: pair(cooldown),
            }
        };
        match self {
            Self::Fast => of(
                [45.0, 70.0],
                [40.0, 65.0],
                [8.0, 160.0],
                [0.05, 1.2],
                [0.0005, 0.02],
                [10.0, 600.0],
            ),
            Self::Conveyor => of(
                [45.0, 75.0],
                [40.0, 70.0],
                [8.0, 200.0],
                [0.2, 1.4],
                [0.002, 0.03],
                [10.0, 900.0],
            ),
            Self::Calm => of(
                [50.0, 88.0],
                [45.0, 82.0],
                [10.0, 300.0],
                [0.25, 2.0],
                [0.003, 0.04],
                [20.0, 1200.0],
            ),
            Self::Sniper => of(
                [58.0, 95.0],
                [52.0, 90.0],
                [16.0, 600.0],
                [0.35, 3.0],
                [0.004, 0.05],
                [30.0, 1800.0],
            ),
        }
    }

    /// The bounds for what is measured: lower floors while starved, higher edge floors while losing.
    #[must_use]
    pub fn adaptive_bounds(self, metrics: &Metrics) -> Bounds {
        let mut bounds = self.bounds();
        let low = metrics.low_throughput();
        if low == Some(true) {
            let lower = |ends: &mut (i64, i64), step: f64, least: f64| {
                ends.0 = (ends.0 - raw(step)).max(raw(least));
            };
            lower(&mut bounds.strict, 10.0, 15.0);
            lower(&mut bounds.soft, 10.0, 10.0);
            lower(&mut bounds.volume, 3.0, 5.0);
            lower(&mut bounds.edge_percent, 0.15, 0.05);
            lower(&mut bounds.edge_usd, 0.0015, 0.0005);
            lower(&mut bounds.cooldown, 10.0, 0.0);
        } else if low == Some(false) && metrics.risk_stress() == Some(true) {
            bounds.edge_percent.0 += raw(0.05);
            bounds.edge_usd.0 += raw(0.0005);
        }
        bounds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Percent;

    fn metrics(selected: u64, opened: u64, realized: f64) -> Metrics {
        Metrics {
            selected: Some(selected),
            opened: Some(opened),
            closed_total: Some(10),
            winrate_total_pct: Some(Percent(50.0)),
            realized_total: Some(realized),
            ..Metrics::default()
        }
    }

    #[test]
    fn floors_fall_while_starved_even_when_losing() {
        let bounds = Mode::Conveyor.adaptive_bounds(&metrics(20, 0, -1.0));
        assert_eq!(bounds.strict, (raw(35.0), raw(75.0)));
        assert_eq!(bounds.soft.0, raw(30.0));
        assert_eq!(bounds.volume.0, raw(5.0));
        assert_eq!(bounds.edge_percent.0, raw(0.05));
        assert_eq!(bounds.edge_usd.0, raw(0.0005));
        assert_eq!(bounds.cooldown.0, 0);
        let fast = Mode::Fast.adaptive_bounds(&metrics(20, 0, 1.0));
        assert_eq!((fast.edge_percent.0, fast.edge_usd.0), (raw(0.05), raw(0.0005)));
    }

    #[test]
    fn edge_floors_rise_while_losing_with_flow() {
        let bounds = Mode::Conveyor.adaptive_bounds(&metrics(20, 4, -0.01));
        assert_eq!(bounds.edge_percent.0, raw(0.25));
        assert_eq!(bounds.edge_usd.0, raw(0.0025));
        assert_eq!(Mode::Conveyor.adaptive_bounds(&metrics(20, 4, 0.0)), Mode::Conveyor.bounds());
        assert_eq!(Mode::Calm.adaptive_bounds(&Metrics::default()), Mode::Calm.bounds());
    }
}
