//! Interleaved rounds: every subject once a round, so that a change of the machine's mood meets all of them.
//!
//! A figure is the median over the rounds of one statistic of a round; a ratio is the median over the rounds of
//! the ratio within a round, never the ratio of two medians.

use hdrhistogram::Histogram;

use super::timer::Timer;

/// Longest time that a histogram tells apart; longer ones count as this.
const NS_MAX: u64 = 60_000_000_000;

/// One way of doing the work that is measured.
pub trait Subject {
    /// Name, unique within its bench.
    fn name(&self) -> &'static str;

    /// What it measures; a sample names its metric by the place in this list.
    fn metrics(&self) -> &'static [&'static str];

    /// Does the work once, with a sample for each piece of it. Must not depend on earlier rounds.
    fn round(&mut self, timer: &Timer, sheet: &mut Sheet);
}

/// Samples of one round of one subject. Owner: [`run`], which lends it.
#[derive(Debug)]
pub struct Sheet {
    samples: Vec<Vec<f64>>,
    ns_per_tick: f64,
    hash: u64,
}

impl Sheet {
    fn new(metrics: usize) -> Self {
        let samples = (0..metrics).map(|_| Vec::with_capacity(1 << 16)).collect();
        Self { samples, ns_per_tick: 1.0, hash: 0 }
    }

    /// One sample of so many ticks for `group` pieces of work in a row; counts as the time of one.
    #[inline]
    pub fn ticks(&mut self, metric: usize, ticks: u64, group: u32) {
        let ns = ticks as f64 * self.ns_per_tick / f64::from(group.max(1));
        self.samples[metric].push(ns);
    }

    /// One sample in whatever unit the metric has.
    pub fn value(&mut self, metric: usize, value: f64) {
        self.samples[metric].push(value);
    }

    /// What the round worked out: rounds that differ were not the same work.
    pub const fn hash(&mut self, hash: u64) {
        self.hash = hash;
    }
}

/// Statistics of one round.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stat {
    /// Median of its samples.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Mean.
    pub mean: f64,
}

impl Stat {
    /// Of samples in any order, which it sorts; zeros without any.
    fn of(samples: &mut [f64]) -> Self {
        if samples.is_empty() {
            return Self::default();
        }
        samples.sort_unstable_by(f64::total_cmp);
        let mean = samples.iter().sum::<f64>() / samples.len() as f64;
        Self { p50: quantile(samples, 0.5), p99: quantile(samples, 0.99), mean }
    }
}

/// The sample at a quantile of a sorted list; 0 of an empty one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a list, from a quantile within 0 to 1"
)]
fn quantile(sorted: &[f64], quantile: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let place = (quantile * last as f64).round() as usize;
    sorted.get(place.min(last)).copied().unwrap_or(0.0)
}

/// Median of values in any order; 0 of none.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    quantile(&sorted, 0.5)
}

/// What came of one metric of one subject.
#[derive(Clone, Debug)]
pub struct Series {
    /// Name of the subject.
    pub subject: &'static str,
    /// Name of the metric.
    pub metric: &'static str,
    /// Statistics of each round, in order.
    pub rounds: Vec<Stat>,
    /// Samples of all rounds, in ns.
    pub histogram: Histogram<u64>,
}

impl Series {
    /// True when something was measured.
    #[must_use]
    pub fn has_samples(&self) -> bool {
        !self.histogram.is_empty()
    }
}

/// What came of all rounds.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Every metric of every subject, in order.
    pub series: Vec<Series>,
    /// Hash of what each subject worked out.
    pub hashes: Vec<(&'static str, u64)>,
    /// Subjects whose rounds did not work out the same.
    pub unsteady: Vec<&'static str>,
}

impl Measured {
    /// One metric of one subject; `None` when it was not measured.
    #[must_use]
    pub fn series(&self, subject: &str, metric: &str) -> Option<&Series> {
        self.series.iter().find(|series| series.subject == subject && series.metric == metric)
    }
}

/// Runs every subject `rounds` times, interleaved; the order turns by one each round, so that no subject
/// always follows the same other one.
pub fn run(subjects: &mut [Box<dyn Subject>], rounds: u32, timer: &Timer) -> Measured {
    let mut measured = Measured::default();
    let mut places = Vec::new();
    for subject in subjects.iter() {
        places.push(measured.series.len());
        for metric in subject.metrics() {
            measured.series.push(Series {
                subject: subject.name(),
                metric,
                rounds: Vec::new(),
                histogram: empty(),
            });
        }
    }
    let mut sheets: Vec<Sheet> =
        subjects.iter().map(|subject| Sheet::new(subject.metrics().len())).collect();
    let count = subjects.len();
    for round in 0..rounds as usize {
        for step in 0..count {
            let place = (round + step) % count;
            let (subject, sheet) = (&mut subjects[place], &mut sheets[place]);
            let timer = timer.recalibrated();
            sheet.ns_per_tick = timer.ns(1.0);
            subject.round(&timer, sheet);
            note_hash(&mut measured, subject.name(), sheet.hash);
            let series = &mut measured.series[places[place]..];
            for (samples, series) in sheet.samples.iter_mut().zip(series) {
                series.rounds.push(Stat::of(samples));
                samples.drain(..).for_each(|ns| record(&mut series.histogram, ns));
            }
        }
    }
    measured
}

fn note_hash(measured: &mut Measured, subject: &'static str, hash: u64) {
    match measured.hashes.iter().find(|(name, _)| *name == subject) {
        None => measured.hashes.push((subject, hash)),
        Some((_, first)) if *first != hash && !measured.unsteady.contains(&subject) => {
            measured.unsteady.push(subject);
        }
        Some(_) => {}
    }
}

#[expect(clippy::expect_used, reason = "fixed bounds")]
fn empty() -> Histogram<u64> {
    Histogram::new_with_bounds(1, NS_MAX, 3).expect("invariant: valid bounds")
}

/// Whole nanoseconds, at least one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounded and held within the histogram's range"
)]
fn record(histogram: &mut Histogram<u64>, ns: f64) {
    histogram.saturating_record(ns.round().clamp(1.0, NS_MAX as f64) as u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fake {
        name: &'static str,
        rounds: u64,
        drifts: bool,
    }

    impl Subject for Fake {
        fn name(&self) -> &'static str {
            self.name
        }

        fn metrics(&self) -> &'static [&'static str] {
            &["a", "b"]
        }

        fn round(&mut self, _timer: &Timer, sheet: &mut Sheet) {
            self.rounds += 1;
            for sample in 1..=101 {
                sheet.value(0, f64::from(sample) + 1_000.0 * self.rounds as f64);
            }
            sheet.value(1, 7.0);
            sheet.hash(if self.drifts { self.rounds } else { 5 });
        }
    }

    #[test]
    fn rounds_are_kept_apart_and_drifting_work_is_seen() {
        let fake = |name, drifts| Box::new(Fake { name, rounds: 0, drifts }) as Box<dyn Subject>;
        let mut subjects = [fake("x", false), fake("y", true)];
        let measured = run(&mut subjects, 3, &Timer::calibrated());
        let series = measured.series("y", "a").expect("measured");
        let p50: Vec<f64> = series.rounds.iter().map(|stat| stat.p50).collect();
        assert_eq!(p50, [1_051.0, 2_051.0, 3_051.0]);
        let first = Stat { p50: 1_051.0, p99: 1_100.0, mean: 1_051.0 };
        assert_eq!(series.rounds[0], first);
        assert_eq!(series.histogram.len(), 303);
        assert_eq!(measured.series("x", "b").expect("measured").rounds.len(), 3);
        assert_eq!(measured.hashes, [("x", 5), ("y", 1)]);
        assert_eq!(measured.unsteady, ["y"]);
    }

    #[test]
    fn a_median_is_the_middle_and_of_nothing_zero() {
        let middles = [(median(&[3.0, 1.0, 2.0]), 2.0), (median(&[]), 0.0)];
        assert!(middles.iter().all(|(found, expected)| (found - expected).abs() < 1e-9));
    }
}
