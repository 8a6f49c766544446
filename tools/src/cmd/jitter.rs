//! `pinion jitter`: how noisy each core is, and how far cores are from each other.

use std::path::PathBuf;
use std::time::Duration;

use pinion_io::affinity::{CoreSet, Cores};
use pinion_io::host::jitter::{
    CoreNoise, Noise, QUIET_NS_MAX, QUIET_PPM_MAX, Quiet, USABLE_PPM_MAX, Wish, measure,
};
use pinion_io::journal::hgrm::percentiles;
use serde_json::Value;

use crate::Failure;
use crate::cmd::host::{cores, print};

/// Arguments of `pinion jitter`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How long each core is watched, all at once; 0.05 to 3600.
    #[arg(long, value_name = "S", default_value = "4", value_parser = seconds)]
    seconds: Duration,
    /// Only these cores; else all that this process may use.
    #[arg(long, alias = "cores", value_name = "LIST", value_parser = cores)]
    cpus: Option<CoreSet>,
    /// From which gap on a thread was interrupted; else by the usual gap, at least 200.
    #[arg(long, value_name = "NS", value_parser = clap::value_parser!(u64).range(1..))]
    threshold_ns: Option<u64>,
    /// Write the interruptions of all cores in HdrHistogram's percentile form.
    #[arg(long, value_name = "FILE")]
    hgrm: Option<PathBuf>,
    /// Print the change against an earlier output of --json.
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    compare: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let expected = || "expected seconds, 0.05 to 3600".to_owned();
    let seconds: f64 = text.parse().map_err(|_| expected())?;
    if !(0.05..=3_600.0).contains(&seconds) {
        return Err(expected());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Measures and prints.
///
/// # Errors
/// Exit 2 for cores that this process may not use and for a file to compare with that does not exist, 1 when
/// a core cannot be measured or a file cannot be written.
pub fn run(args: &Args) -> Result<(), Failure> {
    let earlier = args.compare.as_deref().map(read_earlier).transpose()?;
    let own = Cores::of_process().map_err(|fault| Failure::error(fault.to_string()))?;
    let usable = own.usable();
    let wanted = args.cpus.unwrap_or(usable);
    let missing = wanted.minus(&usable);
    if !missing.is_empty() {
        return Err(Failure::usage(format!(
            "--cpus {wanted}: this process may not use {missing}, only {usable}; start it with them in its mask"
        )));
    }
    let wish = Wish {
        cores: wanted,
        usable,
        window: args.seconds,
        threshold_ns: args.threshold_ns,
        hops: true,
    };
    let noise = measure(&wish).map_err(|fault| Failure::error(fault.to_string()))?;
    if let Some(path) = &args.hgrm {
        write_percentiles(&noise, path)?;
    }
    if args.json {
        return print(&format!("{}\n", noise.to_json()));
    }
    let mut text = render(&noise);
    if let Some(earlier) = &earlier {
        text.push_str(&change(&noise, earlier));
    }
    print(&text)
}

fn read_earlier(path: &std::path::Path) -> Result<Value, Failure> {
    let shown = path.display();
    let text = std::fs::read(path)
        .map_err(|error| Failure::usage(format!("--compare {shown}: {error}")))?;
    let earlier: Value = serde_json::from_slice(&text)
        .map_err(|error| Failure::usage(format!("--compare {shown}: {error}")))?;
    if !earlier["cores"].is_array() {
        let text = format!(
            "--compare {shown}: no list of cores; expected the output of pinion jitter --json"
        );
        return Err(Failure::usage(text));
    }
    Ok(earlier)
}

fn write_percentiles(noise: &Noise, path: &std::path::Path) -> Result<(), Failure> {
    let fault = |why: String| Failure::error(format!("--hgrm {}: {why}", path.display()));
    let mut cores = noise.cores.iter();
    let first = cores.next().ok_or_else(|| fault("no core was measured".to_owned()))?;
    let mut all = first.gaps.histogram.clone();
    for core in cores {
        all.add(&core.gaps.histogram).map_err(|error| fault(error.to_string()))?;
    }
    std::fs::write(path, percentiles(&all)).map_err(|error| fault(error.to_string()))
}

fn render(noise: &Noise) -> String {
    let rate = noise.ticks_per_s.map_or_else(String::new, |ticks| {
        format!(", {}.{:03} GHz", ticks / 1_000_000_000, ticks / 1_000_000 % 1_000)
    });
    let mut text =
        format!("clock {}{rate}; gaps of a spinning thread a second, lengths in µs\n", noise.clock);
    let names = ["> 1 µs", "> 10 µs", "> 100 µs", "lost %", "count", "p50", "p99", "p99.9", "max"];
    text.push_str(&format!("{:>4}", "core"));
    names.iter().for_each(|name| text.push_str(&format!(" {name:>9}")));
    text.push_str("  verdict\n");
    for core in &noise.cores {
        text.push_str(&line(core));
    }
    for hop in &noise.hops {
        let at = |quantile| {
            if hop.times.is_empty() {
                "-".to_owned()
            } else {
                hop.times.value_at_quantile(quantile).to_string()
            }
        };
        text.push_str(&format!(
            "hop {} → {} ({}): p50 {} ns, p99 {} ns, one way, {} rounds\n",
            hop.from,
            hop.to,
            hop.distance.as_str(),
            at(0.5),
            at(0.99),
            hop.times.len()
        ));
    }
    text.push_str(&format!(
        "limits: quiet loses at most {} % and is never away for more than {} µs; noisy loses more than {} %\n",
        percent(QUIET_PPM_MAX),
        QUIET_NS_MAX / 1_000,
        percent(USABLE_PPM_MAX)
    ));
    if let Some(verdict) = noise.verdict() {
        let means = match verdict {
            Quiet::Quiet => "latency figures of this machine can be published",
            Quiet::Usable => "good for trading; publish figures as ratios of one run",
            Quiet::Noisy => "compare figures only within one run; pinion doctor says what to mend",
        };
        text.push_str(&format!("verdict: {} ({means})\n", verdict.as_str()));
    }
    text
}

fn line(core: &CoreNoise) -> String {
    let gaps = &core.gaps;
    let tenths = |count| {
        let per = gaps.per_1000_s(count) / 100;
        format!("{}.{}", per / 10, per % 10)
    };
    let us = |ns: u64| format!("{}.{}", ns / 1_000, ns % 1_000 / 100);
    let histogram = &gaps.histogram;
    let at = |quantile| {
        if histogram.is_empty() {
            "-".to_owned()
        } else {
            us(histogram.value_at_quantile(quantile))
        }
    };
    let max = if histogram.is_empty() { "-".to_owned() } else { us(histogram.max()) };
    let cells = [
        tenths(gaps.over[0]),
        tenths(gaps.over[1]),
        tenths(gaps.over[2]),
        percent(gaps.lost_ppm()),
        histogram.len().to_string(),
        at(0.5),
        at(0.99),
        at(0.999),
        max,
    ];
    let mut text = format!("{:>4}", core.core);
    cells.iter().for_each(|cell| text.push_str(&format!(" {cell:>9}")));
    text.push_str(&format!("  {}\n", core.verdict().as_str()));
    let mut parts = Vec::new();
    if core.switches != (0, 0) {
        parts.push(format!(
            "switched {} times by itself, {} by others",
            core.switches.0, core.switches.1
        ));
    }
    if let Some(ms) = core.steal_ms.filter(|ms| *ms > 0) {
        parts.push(format!("{ms} ms stolen"));
    }
    let interrupts =
        core.interrupts.iter().take(4).map(|(name, count)| format!("{count} × {name}"));
    parts.extend(interrupts);
    if !parts.is_empty() {
        text.push_str(&format!("     {}\n", parts.join("; ")));
    }
    text
}

/// Parts per million as percent.
fn percent(ppm: u64) -> String {
    format!("{}.{:04}", ppm / 10_000, ppm % 10_000)
}

/// The change of each core that both outputs have.
fn change(noise: &Noise, earlier: &Value) -> String {
    let mut text = String::new();
    let rows = earlier["cores"].as_array().map_or(&[][..], Vec::as_slice);
    for core in &noise.cores {
        let Some(row) = rows.iter().find(|row| row["core"].as_u64() == Some(core.core as u64))
        else {
            continue;
        };
        let lost = row["lost_ppm"].as_u64().map_or_else(|| "-".to_owned(), percent);
        let max = row["gap_ns"]["max"]
            .as_u64()
            .map_or_else(|| "-".to_owned(), |ns| (ns / 1_000).to_string());
        let verdict = row["verdict"].as_str().unwrap_or("-");
        text.push_str(&format!(
            "core {} before: lost {lost} %, max {max} µs, {verdict}; now: lost {} %, max {} µs, {}\n",
            core.core,
            percent(core.gaps.lost_ppm()),
            core.gaps.histogram.max() / 1_000,
            core.verdict().as_str()
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_bounds() {
        assert_eq!(seconds("0.05"), Ok(Duration::from_millis(50)));
        for text in ["0", "-1", "3601", "NaN", "inf", "x"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn parts_per_million_are_percent() {
        assert_eq!(percent(100), "0.0100");
        assert_eq!(percent(357_042), "35.7042");
    }
}
