//! A figure: a value beside its floor, with its repeats, its noise, its target and a verdict.

use serde::{Serialize, Serializer};

use super::noise::Quiet;
use super::rounds::{Series, Stat, median};

/// How often it was measured, and between which values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Repeats {
    /// Rounds.
    pub n: usize,
    /// Lowest value of a round.
    pub low: f64,
    /// Highest value of a round.
    pub high: f64,
}

/// What a figure is to reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The ratio to the floor, at most.
    RatioAtMost(f64),
    /// The ratio to the floor, at least: for rates, and for times that rivals take.
    RatioAtLeast(f64),
    /// The value, at most.
    ValueAtMost(f64),
}

pinion_core::text_enum! {
    /// Whether it was reached.
    pub enum Verdict {
        /// It has no target.
        None => "none",
        /// Reached.
        Met => "met",
        /// Not reached.
        Missed => "missed",
        /// There is nothing to compare with.
        Unknown => "unknown",
    }
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// Name: bench, subject, metric and statistic.
    pub name: String,
    /// Median over the rounds.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// What it is compared with, in the same unit.
    pub floor: Option<f64>,
    /// What that is.
    pub floor_name: Option<String>,
    /// Value by floor, the median over the rounds of the ratio within a round.
    pub ratio: Option<f64>,
    /// How often it was measured.
    pub repeats: Repeats,
    /// How quiet the machine was meanwhile.
    #[serde(serialize_with = "noise_text")]
    pub noise: Quiet,
    /// What it is to reach.
    pub target: Option<Target>,
    /// Whether it did.
    #[serde(serialize_with = "verdict_text")]
    pub verdict: Verdict,
}

fn noise_text<S: Serializer>(noise: &Quiet, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(noise.as_str())
}

fn verdict_text<S: Serializer>(verdict: &Verdict, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(verdict.as_str())
}

/// Which statistic of a round a figure is made of.
pub type Pick = fn(&Stat) -> f64;

/// Median of a round.
#[must_use]
pub const fn p50(stat: &Stat) -> f64 {
    stat.p50
}

/// 99th percentile of a round.
#[must_use]
pub const fn p99(stat: &Stat) -> f64 {
    stat.p99
}

/// Mean of a round.
#[must_use]
pub const fn mean(stat: &Stat) -> f64 {
    stat.mean
}

impl Figure {
    /// A figure of a series, beside the same statistic of another.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        unit: &'static str,
        of: &Series,
        floor: Option<&Series>,
        pick: Pick,
    ) -> Self {
        let values: Vec<f64> = of.rounds.iter().map(pick).collect();
        let beside: Option<Vec<f64>> = floor.map(|floor| floor.rounds.iter().map(pick).collect());
        let mut figure = Self::of_values(name, unit, &values, beside.as_deref());
        figure.floor_name = floor.map(|floor| format!("{}, {}", floor.subject, floor.metric));
        figure
    }

    /// A figure of one value a round.
    #[must_use]
    pub fn of_values(
        name: impl Into<String>,
        unit: &'static str,
        values: &[f64],
        floor: Option<&[f64]>,
    ) -> Self {
        let bound = |better: fn(f64, f64) -> f64| values.iter().copied().reduce(better);
        let ratios = floor.map(|floor| {
            let pairs = values.iter().zip(floor).filter(|(_, floor)| **floor > 0.0);
            pairs.map(|(value, floor)| value / floor).collect::<Vec<f64>>()
        });
        Self {
            name: name.into(),
            value: median(values),
            unit,
            floor: floor.map(median),
            floor_name: None,
            ratio: ratios.filter(|ratios| !ratios.is_empty()).map(|ratios| median(&ratios)),
            repeats: Repeats {
                n: values.len(),
                low: bound(f64::min).unwrap_or(0.0),
                high: bound(f64::max).unwrap_or(0.0),
            },
            noise: Quiet::Quiet,
            target: None,
            verdict: Verdict::None,
        }
    }

    /// The same, with what it is to reach.
    #[must_use]
    pub fn to_reach(mut self, target: Target) -> Self {
        let holds = match target {
            Target::RatioAtMost(most) => self.ratio.map(|ratio| ratio <= most),
            Target::RatioAtLeast(least) => self.ratio.map(|ratio| ratio >= least),
            Target::ValueAtMost(most) => Some(self.value <= most),
        };
        self.target = Some(target);
        self.verdict = match holds {
            None => Verdict::Unknown,
            Some(true) => Verdict::Met,
            Some(false) => Verdict::Missed,
        };
        self
    }

    /// The same, with a name for what it stands beside.
    #[must_use]
    pub fn beside(mut self, floor_name: impl Into<String>) -> Self {
        self.floor_name = Some(floor_name.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_ratios() {
        // The machine was twice as slow in the last round, for both.
        let figure = Figure::of_values("x", "ns", &[30.0, 33.0, 60.0], Some(&[10.0, 10.0, 20.0]));
        assert_eq!((figure.value, figure.floor, figure.ratio), (33.0, Some(10.0), Some(3.0)));
        assert_eq!(figure.repeats, Repeats { n: 3, low: 30.0, high: 60.0 });
        assert_eq!(figure.clone().to_reach(Target::RatioAtMost(3.0)).verdict, Verdict::Met);
        assert_eq!(figure.clone().to_reach(Target::RatioAtMost(2.9)).verdict, Verdict::Missed);
        assert_eq!(figure.clone().to_reach(Target::RatioAtLeast(3.1)).verdict, Verdict::Missed);
        assert_eq!(figure.to_reach(Target::ValueAtMost(32.0)).verdict, Verdict::Missed);
    }

    #[test]
    fn without_a_floor_a_ratio_target_is_open() {
        let figure = Figure::of_values("x", "ns", &[1.0], None);
        assert_eq!(figure.clone().to_reach(Target::RatioAtMost(1.0)).verdict, Verdict::Unknown);
        assert_eq!(figure.verdict, Verdict::None);
        let nothing = Figure::of_values("x", "ns", &[1.0], Some(&[0.0]));
        assert_eq!(nothing.ratio, None, "nothing is no floor");
    }
}
