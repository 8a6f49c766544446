//! A report: what was measured, for people as a table, for tools as JSON, for plotters as files.

use std::fs;
use std::io;
use std::path::Path;

use pinion_io::journal::hgrm;
use pinion_io::journal::{Latency, Wall};
use serde::Serialize;

use super::figure::{Figure, Target, Verdict};
use super::host::Host;
use super::noise::{Hiccups, Quiet};
use super::plot;
use super::rounds::Series;

/// What one bench found.
#[derive(Clone, Debug, Serialize)]
pub struct BenchReport {
    /// Name of the bench.
    pub name: &'static str,
    /// Gaps of the core before and after; the worse of the two.
    pub hiccups: Option<Hiccups>,
    /// The figures.
    pub figures: Vec<Figure>,
    /// What each subject worked out, in hexadecimal: equal on every machine and in every run.
    pub hashes: Vec<(&'static str, String)>,
    /// What should be known of these figures.
    pub notes: Vec<String>,
    /// Samples, for the files.
    #[serde(skip)]
    pub series: Vec<Series>,
}

impl BenchReport {
    /// A report without figures.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            hiccups: None,
            figures: Vec::new(),
            hashes: Vec::new(),
            notes: Vec::new(),
            series: Vec::new(),
        }
    }

    /// Takes over hashes, samples and unsteadiness of what was measured.
    pub fn take(&mut self, measured: super::rounds::Measured) {
        self.hashes.extend(
            measured
                .hashes
                .iter()
                .filter(|(_, hash)| *hash != 0)
                .map(|(name, hash)| (*name, format!("{hash:016x}"))),
        );
        for subject in measured.unsteady {
            self.notes.push(format!(
                "{subject}: its rounds did not work out the same, so its figures are of no use"
            ));
        }
        self.series.extend(measured.series);
    }

    /// Says of every figure how quiet the machine was.
    pub fn heard(&mut self, hiccups: Hiccups) {
        self.hiccups = Some(hiccups);
        for figure in &mut self.figures {
            figure.noise = hiccups.verdict;
        }
    }
}

/// What a run of benches found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The machine and the build.
    pub host: Host,
    /// When it was measured, ns since 1970.
    pub started_ns: u64,
    /// Every bench that ran, in order.
    pub benches: Vec<BenchReport>,
}

impl Report {
    /// A table for people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = String::new();
        let mut line = |text: std::fmt::Arguments<'_>| {
            out.push_str(&text.to_string());
            out.push('\n');
        };
        let Host { cpu, cores, kernel, clocksource, load, version, .. } = &self.host;
        line(format_args!(
            "pinion {version} on {cpu}, {cores} cores, Linux {kernel}, clock {clocksource}, load {load}"
        ));
        if !self.host.optimised {
            line(format_args!("built without optimisation: these figures mean nothing"));
        }
        for bench in &self.benches {
            let noise = bench.hiccups.map_or(Quiet::Quiet, |hiccups| hiccups.verdict);
            line(format_args!("\n{} ({})", bench.name, noise.as_str()));
            line(format_args!(
                "  {:<50} {:>11} {:>23} {:>11} {:>8}  {}",
                "", "value", "[lowest..highest]", "beside", "ratio", "target"
            ));
            for figure in &bench.figures {
                let range =
                    format!("[{}..{}]", short(figure.repeats.low), short(figure.repeats.high));
                let value = format!("{} {}", short(figure.value), figure.unit);
                line(format_args!(
                    "  {:<50} {value:>11} {range:>23} {:>11} {:>8}  {}",
                    figure.name,
                    figure.floor.map(short).unwrap_or_default(),
                    figure.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
                    aim(figure)
                ));
            }
            for note in &bench.notes {
                line(format_args!("  {note}"));
            }
        }
        out
    }

    /// One JSON object.
    ///
    /// # Errors
    /// What the serializer says; not expected.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Writes `bench.json`, `latency.hlog`, one `latency-*.hgrm` a series and one `latency-*.svg` a bench into a
    /// folder, which it makes.
    ///
    /// # Errors
    /// The file system's, or a histogram that cannot be serialized.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let json = self.json().map_err(io::Error::other)?;
        fs::write(folder.join("bench.json"), json + "\n")?;
        let mut latency = Vec::new();
        for bench in &self.benches {
            let mut lines = Vec::new();
            for series in bench.series.iter().filter(|series| !series.histogram.is_empty()) {
                let name = file_name(&[bench.name, series.subject, series.metric]);
                let content = hgrm::percentiles(&series.histogram);
                fs::write(folder.join(format!("latency-{name}.hgrm")), content)?;
                latency.push(Latency { name, histogram: series.histogram.clone() });
                lines.push((format!("{}: {}", series.subject, series.metric), &series.histogram));
            }
            if !lines.is_empty() {
                let svg = plot::percentiles(&format!("{}, ns by percentile", bench.name), &lines);
                fs::write(folder.join(format!("latency-{}.svg", file_name(&[bench.name]))), svg)?;
            }
        }
        let wall = Wall { started_ns: self.started_ns, elapsed_ns: 1, latency };
        let log = hgrm::interval_log(&wall).map_err(io::Error::other)?;
        fs::write(folder.join("latency.hlog"), log)
    }
}

/// What a figure was to reach, and whether it did.
fn aim(figure: &Figure) -> String {
    let Some(target) = figure.target else { return String::new() };
    let target = match target {
        Target::RatioAtMost(most) => format!("ratio ≤ {most}"),
        Target::RatioAtLeast(least) => format!("ratio ≥ {least}"),
        Target::ValueAtMost(most) => format!("≤ {most} {}", figure.unit),
    };
    match figure.verdict {
        Verdict::Met => format!("{target}: met"),
        Verdict::Missed => format!("{target}: MISSED"),
        Verdict::None | Verdict::Unknown => format!("{target}: nothing to compare with"),
    }
}

/// A number as short as its size allows.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1e6 => format!("{:.2} M", value / 1e6),
        size if size >= 1e4 => format!("{value:.0}"),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Lower case, with hyphens for everything that is no letter or digit.
fn file_name(parts: &[&str]) -> String {
    let mut name = String::new();
    for letter in parts.join("-").chars() {
        if letter.is_ascii_alphanumeric() {
            name.push(letter.to_ascii_lowercase());
        } else if !name.ends_with('-') {
            name.push('-');
        }
    }
    name.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_hold_letters_digits_and_hyphens() {
        assert_eq!(
            file_name(&["kernel", "floor kernel", "quote → order"]),
            "kernel-floor-kernel-quote-order"
        );
    }

    #[test]
    fn numbers_are_as_short_as_their_size_allows() {
        let texts: Vec<String> = [0.1234, 12.34, 123.4, 12_345.0, 1_234_567.0].map(short).into();
        assert_eq!(texts, ["0.12", "12.3", "123", "12345", "1.23 M"]);
    }

    #[test]
    fn a_table_says_what_was_missed() {
        let mut bench = BenchReport::new("kernel");
        let figure = Figure::of_values("quote to order", "ns", &[50.0], Some(&[10.0]));
        bench.figures.push(figure.to_reach(Target::RatioAtMost(4.0)));
        let report = Report { host: Host::read(), started_ns: 0, benches: vec![bench] };
        let table = report.table();
        assert!(table.contains("ratio ≤ 4: MISSED"), "{table}");
    }
}
