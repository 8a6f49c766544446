//! Latency files in `HdrHistogram`'s own formats: the interval log and the percentile distribution.

use std::time::Duration;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::journal::summary::{Latency, Wall};

/// Steps per halving of the distance to 100 %, as in the Java tools.
const TICKS_PER_HALF: u32 = 5;

/// The percentile distribution of a histogram, in the layout that the Java implementation prints and
/// its plotter reads. Values in the histogram's own unit.
#[must_use]
pub fn percentiles(histogram: &Histogram<u64>) -> String {
    let digits = usize::from(histogram.sigfig());
    let mut text = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    let mut total = 0;
    for step in histogram.iter_quantiles(TICKS_PER_HALF) {
        total += step.count_since_last_iteration();
        #[expect(clippy::cast_precision_loss, reason = "the format prints floats")]
        let value = step.value_iterated_to() as f64;
        let quantile = step.quantile_iterated_to();
        text.push_str(&format!("{value:12.digits$} {quantile:2.12} {total:10}"));
        if quantile < 1.0 {
            text.push_str(&format!(" {:14.2}", 1.0 / (1.0 - quantile)));
        }
        text.push('\n');
    }
    #[expect(clippy::cast_precision_loss, reason = "the format prints floats")]
    let max = histogram.max() as f64;
    let sub_buckets = (2 * 10u64.pow(u32::from(histogram.sigfig()))).next_power_of_two();
    text.push_str(&format!(
        "#[Mean    = {:12.digits$}, StdDeviation   = {:12.digits$}]\n\
         #[Max     = {max:12.digits$}, Total count    = {:12}]\n\
         #[Buckets = {:12}, SubBuckets     = {sub_buckets:12}]\n",
        histogram.mean(),
        histogram.stdev(),
        histogram.len(),
        histogram.buckets(),
    ));
    text
}

/// A percentile distribution that was read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// Quantile and value of each row, ascending.
    rows: Vec<(f64, f64)>,
    /// Samples.
    pub count: u64,
    /// Largest value.
    pub max: f64,
}

impl Distribution {
    /// Reads what [`percentiles`] prints, or any other tool that keeps to the layout.
    ///
    /// # Errors
    /// The number of the line that is none of the layout, and what was expected there.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut found = Self { rows: Vec::new(), count: 0, max: 0.0 };
        for (number, line) in text.lines().enumerate().skip(1) {
            let wrong = |expected: &str| format!("line {}: expected {expected}", number + 1);
            let mut words = line.split_whitespace();
            let Some(first) = words.next() else { continue };
            if let Some(rest) = line.strip_prefix("#[Max") {
                let figure = |text: Option<&str>| {
                    let digits = text?.trim_start_matches([' ', '=']).split([',', ']', ' ']).next();
                    digits?.parse::<f64>().ok()
                };
                let (max, count) = rest.split_once("Total count").unwrap_or((rest, ""));
                let expected = "a largest value and a total count";
                found.max = figure(Some(max)).ok_or_else(|| wrong(expected))?;
                let count = figure(Some(count)).ok_or_else(|| wrong(expected))?;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a count of samples; one beyond the range saturates"
                )]
                {
                    found.count = count as u64;
                }
            } else if !first.starts_with("#[") {
                let value = first.parse().map_err(|_| wrong("a value"))?;
                let quantile = words.next().and_then(|word| word.parse().ok());
                found.rows.push((quantile.ok_or_else(|| wrong("a percentile"))?, value));
            }
        }
        Ok(found)
    }

    /// The value of the first row that reaches a quantile from 0 to 1; `None` without a sample.
    #[must_use]
    pub fn value_at(&self, quantile: f64) -> Option<f64> {
        let row = self.rows.iter().find(|(reached, _)| *reached >= quantile);
        row.or_else(|| self.rows.last()).map(|(_, value)| *value).filter(|_| self.count > 0)
    }
}

/// All histograms as one interval each, tagged with the stage's name.
///
/// # Errors
/// What the serializer says; not expected.
pub fn interval_log(wall: &Wall) -> Result<Vec<u8>, String> {
    let mut log = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let start = Duration::from_nanos(wall.started_ns);
    let mut writer = IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .with_start_time(std::time::UNIX_EPOCH + start)
        .with_max_value_divisor(1.0)
        .begin_log_with(&mut log, &mut serializer)
        .map_err(|error| error.to_string())?;
    let elapsed = Duration::from_nanos(wall.elapsed_ns);
    for Latency { name, histogram } in &wall.latency {
        writer
            .write_histogram(histogram, start, elapsed, Tag::new(name))
            .map_err(|error| format!("{error:?}"))?;
    }
    Ok(log)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    fn histogram() -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000_000, 3).expect("bounds");
        for value in [100, 200, 200, 300, 400, 500, 600, 700, 800, 5000] {
            histogram.record(value).expect("fits");
        }
        histogram
    }

    #[test]
    fn the_percentile_layout_is_that_of_the_java_tools() {
        let expected = "       Value     Percentile TotalCount 1/(1-Percentile)

     100.000 0.000000000000          1           1.00
     100.000 0.100000000000          1           1.11
     200.000 0.200000000000          3           1.25
     300.000 0.300000000000          4           1.43
     300.000 0.400000000000          4           1.67
     400.000 0.500000000000          5           2.00
     500.000 0.550000000000          6           2.22
     600.000 0.600000000000          7           2.50
     600.000 0.650000000000          7           2.86
     700.000 0.700000000000          8           3.33
     700.000 0.750000000000          8           4.00
     700.000 0.775000000000          8           4.44
     800.000 0.800000000000          9           5.00
     800.000 0.825000000000          9           5.71
     800.000 0.850000000000          9           6.67
     800.000 0.875000000000          9           8.00
     800.000 0.887500000000          9           8.89
    5003.000 0.900000000000         10          10.00
    5003.000 1.000000000000         10
#[Mean    =      880.200, StdDeviation   =     1391.132]
#[Max     =     5003.000, Total count    =           10]
#[Buckets =           32, SubBuckets     =         2048]
";
        assert_eq!(percentiles(&histogram()), expected);
    }

    #[test]
    fn what_is_printed_reads_back() {
        let read = Distribution::read(&percentiles(&histogram())).expect("reads");
        let value = |quantile| read.value_at(quantile).map(|value| format!("{value}"));
        assert_eq!((read.count, format!("{}", read.max)), (10, "5003".into()));
        let found =
            [0.0, 0.5, 0.85, 0.9, 0.99, 1.0].map(|quantile| value(quantile).expect("a value"));
        assert_eq!(found, ["100", "400", "800", "5003", "5003", "5003"]);
        let empty = percentiles(&Histogram::new(3).expect("digits"));
        assert_eq!(Distribution::read(&empty).expect("reads").value_at(0.5), None);
        assert!(Distribution::read("Value\n\nx 0.5 1\n").expect_err("no value").contains("line 3"));
        assert!(Distribution::read("Value\n\n1.0 y 1\n").expect_err("no share").contains("line 3"));
    }

    #[test]
    fn an_empty_histogram_still_has_its_three_last_lines() {
        let text = percentiles(&Histogram::new(3).expect("digits"));
        assert_eq!(text.lines().filter(|line| line.starts_with("#[")).count(), 3, "{text}");
        assert!(text.contains("Total count    =            0]"), "{text}");
    }

    #[test]
    fn the_interval_log_reads_back_by_tag() {
        let latency = |name: &str| Latency { name: name.into(), histogram: histogram() };
        let wall = Wall {
            started_ns: 1_723_075_200_000_000_000,
            elapsed_ns: 2_000_000_000,
            latency: vec![latency("tick_to_order"), latency("kernel_turn")],
        };
        let log = interval_log(&wall).expect("serializes");
        let tags: Vec<String> = IntervalLogIterator::new(&log)
            .filter_map(|entry| match entry.expect("parses") {
                LogEntry::Interval(interval) => interval.tag().map(|tag| tag.as_str().to_owned()),
                _ => None,
            })
            .collect();
        assert_eq!(tags, ["tick_to_order", "kernel_turn"]);
    }
}
