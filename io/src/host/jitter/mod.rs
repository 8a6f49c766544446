//! `pinion jitter`: how much of its time a spinning thread loses on each core, and to what.
//!
//! A measurement is worth as much as the machine was quiet: [`glance`] before and after one says so.

mod hop;
mod meter;

use std::sync::Barrier;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::affinity::{AffinityFault, CoreSet, pin};
use crate::clock::Stopwatch;
use crate::host::checks::grown_interrupts;
use crate::host::files::Files;

pub use hop::{Distance, Hop};
pub use meter::{Gaps, Meter, OVER_NS, THRESHOLD_NS_MIN, Usual};

/// How long a look takes that is made before and after a measurement.
pub const GLANCE: Duration = Duration::from_millis(200);
/// How long one pair of cores may take.
const HOP: Duration = Duration::from_millis(100);
/// Readings from which the usual gap is taken.
const SAMPLE: usize = 20_000;

/// A quiet core loses no more than this, in parts per million.
pub const QUIET_PPM_MAX: u64 = 100;
/// A quiet core is never away longer than this, ns.
pub const QUIET_NS_MAX: u64 = 100_000;
/// A core that loses more than this is noisy, in parts per million.
pub const USABLE_PPM_MAX: u64 = 1_000;

pinion_core::text_enum! {
    /// What a core is good for.
    pub enum Quiet {
        /// Latency figures from it can be published.
        Quiet => "quiet",
        /// Good for trading; figures from it travel as ratios of one run.
        Usable => "usable",
        /// Figures from it compare only with others of the same minute.
        Noisy => "noisy",
    }
}

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Cores; each gets a spinning thread, all at once.
    pub cores: CoreSet,
    /// All cores that this process may use.
    pub usable: CoreSet,
    /// How long.
    pub window: Duration,
    /// From which gap on it counts, ns; `None`: by the usual gap of each core.
    pub threshold_ns: Option<u64>,
    /// Whether hops between cores are measured too.
    pub hops: bool,
}

/// What was seen on one core.
#[derive(Clone, Debug, PartialEq)]
pub struct CoreNoise {
    /// Which.
    pub core: usize,
    /// The gaps of an undisturbed thread.
    pub usual: Usual,
    /// Interruptions.
    pub gaps: Gaps,
    /// Times the meter gave the core up, and times it was taken away.
    pub switches: (u64, u64),
    /// Time taken by the hypervisor, ms in steps of 10; `None`: not told.
    pub steal_ms: Option<u64>,
    /// Interrupts in the window by name, most first; none where they are not told.
    pub interrupts: Vec<(String, u64)>,
}

impl CoreNoise {
    /// What the core is good for.
    #[must_use]
    pub fn verdict(&self) -> Quiet {
        let (ppm, max_ns) = (self.gaps.lost_ppm(), self.gaps.histogram.max());
        if ppm > USABLE_PPM_MAX {
            Quiet::Noisy
        } else if ppm <= QUIET_PPM_MAX && max_ns <= QUIET_NS_MAX {
            Quiet::Quiet
        } else {
            Quiet::Usable
        }
    }

    fn to_json(&self) -> Value {
        let gaps = &self.gaps;
        let rate = |count| thousandths(gaps.per_1000_s(count));
        let interrupts: Vec<Value> = self
            .interrupts
            .iter()
            .map(|(name, count)| json!({ "name": name, "count": count }))
            .collect();
        json!({
            "core": self.core,
            "verdict": self.verdict().as_str(),
            "window_ns": gaps.window_ns,
            "threshold_ns": gaps.threshold_ns,
            "min_ns": self.usual.min_ns,
            "mode_ns": self.usual.mode_ns,
            "over_1us_per_s": rate(gaps.over[0]),
            "over_10us_per_s": rate(gaps.over[1]),
            "over_100us_per_s": rate(gaps.over[2]),
            "interruptions_per_s": rate(gaps.histogram.len()),
            "lost_ns": gaps.lost_ns,
            "lost_ppm": gaps.lost_ppm(),
            "gap_ns": quantiles(&gaps.histogram),
            "switches_voluntary": self.switches.0,
            "switches_involuntary": self.switches.1,
            "steal_ms": self.steal_ms,
            "interrupts": interrupts,
        })
    }
}

/// `count` and, where there is any, `p50`, `p99`, `p999`, `max`; null for what nothing was seen of.
fn quantiles(histogram: &Histogram<u64>) -> Value {
    let at = |quantile| (!histogram.is_empty()).then(|| histogram.value_at_quantile(quantile));
    let max = (!histogram.is_empty()).then(|| histogram.max());
    json!({
        "count": histogram.len(),
        "p50": at(0.5),
        "p99": at(0.99),
        "p999": at(0.999),
        "max": max,
    })
}

/// A number in thousandths as JSON, exact.
#[expect(clippy::cast_precision_loss, reason = "rates for people; far below 2^53")]
fn thousandths(amount: u64) -> f64 {
    amount as f64 / 1_000.0
}

/// What was seen on all cores.
#[derive(Clone, Debug, PartialEq)]
pub struct Noise {
    /// Clock that was read: `tsc` or `instant`.
    pub clock: &'static str,
    /// Rate of its counter, ticks a second.
    pub ticks_per_s: Option<u64>,
    /// Each core.
    pub cores: Vec<CoreNoise>,
    /// Hops between pairs; empty when they were not asked for, or there is one core.
    pub hops: Vec<Hop>,
}

impl Noise {
    /// That of the noisiest core; `None` when none was measured.
    #[must_use]
    pub fn verdict(&self) -> Option<Quiet> {
        self.cores.iter().map(CoreNoise::verdict).max()
    }

    /// One JSON object: `verdict`, `limits`, `clock`, `ticks_per_s`, `cores`, `hops`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let hops = self.hops.iter().map(|hop| {
            json!({
                "from": hop.from,
                "to": hop.to,
                "distance": hop.distance.as_str(),
                "hop_ns": quantiles(&hop.times),
            })
        });
        json!({
            "verdict": self.verdict().map(Quiet::as_str),
            "limits": {
                "quiet_lost_ppm_max": QUIET_PPM_MAX,
                "quiet_gap_ns_max": QUIET_NS_MAX,
                "usable_lost_ppm_max": USABLE_PPM_MAX,
            },
            "clock": self.clock,
            "ticks_per_s": self.ticks_per_s,
            "cores": self.cores.iter().map(CoreNoise::to_json).collect::<Vec<_>>(),
            "hops": hops.collect::<Vec<_>>(),
        })
    }
}

/// An empty histogram of times up to a minute, with three digits; all its memory is taken here.
fn histogram() -> Result<Histogram<u64>, AffinityFault> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3)
        .map_err(|error| AffinityFault::NotStarted(format!("a meter: {error}")))
}

/// Measures the cores, all at once, then hops between them one pair after the other.
///
/// # Errors
/// A core cannot be used, or a thread cannot be started.
pub fn measure(wish: &Wish) -> Result<Noise, AffinityFault> {
    let stopwatch = Stopwatch::calibrated();
    let files = Files::of_this_machine();
    let before = (files.text("proc/interrupts"), files.text("proc/stat"));
    let numbers: Vec<usize> = wish.cores.iter().collect();
    let together = Barrier::new(numbers.len());
    let results: Vec<Result<CoreNoise, AffinityFault>> = std::thread::scope(|scope| {
        let threads: Vec<_> = numbers
            .iter()
            .map(|core| scope.spawn(|| watch(*core, wish, stopwatch, &together)))
            .collect();
        let ended = |_| Err(AffinityFault::NotStarted("a meter thread ended early".to_owned()));
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(ended)).collect()
    });
    let after = (files.text("proc/interrupts"), files.text("proc/stat"));
    let mut cores = results.into_iter().collect::<Result<Vec<_>, _>>()?;
    for noise in &mut cores {
        let only = CoreSet::only(noise.core);
        if let Some((first, last)) = before.0.as_deref().zip(after.0.as_deref()) {
            noise.interrupts = grown_interrupts(first, last, &only);
        }
        let steal = |text: &Option<String>| steal_ms(text.as_deref()?, noise.core);
        noise.steal_ms =
            steal(&before.1).zip(steal(&after.1)).map(|(first, last)| last.saturating_sub(first));
    }
    let pairs = if wish.hops { hop::pairs(&files, &wish.cores) } else { Vec::new() };
    let hops: Result<Vec<Hop>, AffinityFault> =
        pairs.into_iter().map(|pair| hop::measure(pair, &wish.usable, HOP)).collect();
    Ok(Noise {
        clock: stopwatch.source(),
        ticks_per_s: stopwatch.ticks_per_s(),
        cores,
        hops: hops?,
    })
}

/// A look of [`GLANCE`] at some cores, for the noise verdict beside a measurement.
///
/// # Errors
/// As [`measure`].
pub fn glance(cores: &CoreSet, usable: &CoreSet) -> Result<Noise, AffinityFault> {
    let wish =
        Wish { cores: *cores, usable: *usable, window: GLANCE, threshold_ns: None, hops: false };
    measure(&wish)
}

/// The meter thread of one core.
fn watch(
    core: usize,
    wish: &Wish,
    stopwatch: Stopwatch,
    together: &Barrier,
) -> Result<CoreNoise, AffinityFault> {
    let pinned = pin(core, &wish.usable);
    // Before anything can end this thread: the others wait for all.
    together.wait();
    pinned?;
    let usual = usual(stopwatch);
    let threshold_ns = wish.threshold_ns.unwrap_or_else(|| usual.threshold_ns());
    let window_ns = u64::try_from(wish.window.as_nanos()).unwrap_or(u64::MAX);
    let (switched, empty) = (switches(), histogram()?);
    let start_ns = stopwatch.read_ns();
    let mut meter = Meter::new(threshold_ns, start_ns, empty);
    let end_ns = start_ns.saturating_add(window_ns);
    loop {
        let now_ns = stopwatch.read_ns();
        meter.read(now_ns);
        if now_ns >= end_ns {
            break;
        }
    }
    let now = switches();
    Ok(CoreNoise {
        core,
        usual,
        gaps: meter.finish(),
        switches: (now.0.saturating_sub(switched.0), now.1.saturating_sub(switched.1)),
        steal_ms: None,
        interrupts: Vec::new(),
    })
}

fn usual(stopwatch: Stopwatch) -> Usual {
    let mut gaps_ns = vec![0; SAMPLE];
    let mut last_ns = stopwatch.read_ns();
    for gap_ns in &mut gaps_ns {
        let now_ns = stopwatch.read_ns();
        *gap_ns = now_ns.saturating_sub(last_ns);
        last_ns = now_ns;
    }
    Usual::of(&gaps_ns)
}

/// Voluntary and involuntary context switches of this thread so far.
fn switches() -> (u64, u64) {
    // SAFETY: every field is a number, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes the structure given. Where it refuses, zeros stay.
    unsafe { libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage) };
    (usage.ru_nvcsw.unsigned_abs(), usage.ru_nivcsw.unsigned_abs())
}

/// Stolen time of a core in `/proc/stat`, ms; the file counts hundredths of a second.
fn steal_ms(stat: &str, core: usize) -> Option<u64> {
    let name = format!("cpu{core}");
    let line = stat.lines().find(|line| line.split(' ').next() == Some(name.as_str()))?;
    let ticks: u64 = line.split_ascii_whitespace().nth(8)?.parse().ok()?;
    Some(ticks * 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::affinity::Cores;

    fn noise(window_ns: u64, gap_ns: &[u64]) -> CoreNoise {
        let mut histogram = histogram().unwrap();
        gap_ns.iter().for_each(|gap| histogram.saturating_record(*gap));
        let lost_ns = gap_ns.iter().sum();
        let gaps = Gaps { window_ns, threshold_ns: 200, over: [0; 3], lost_ns, histogram };
        let usual = Usual { min_ns: 10, mode_ns: 20 };
        CoreNoise { core: 3, usual, gaps, switches: (0, 1), steal_ms: None, interrupts: Vec::new() }
    }

    #[test]
    fn the_verdict_has_three_outcomes_by_its_limits() {
        let second_ns = 1_000_000_000;
        for (gap_ns, verdict) in [
            (&[][..], Quiet::Quiet),
            (&[50_000, 50_000], Quiet::Quiet),
            (&[50_000, 51_000], Quiet::Usable),
            (&[101_000], Quiet::Usable),
            (&[1_000_000], Quiet::Usable),
            (&[1_002_000], Quiet::Noisy),
        ] {
            assert_eq!(noise(second_ns, gap_ns).verdict(), verdict, "{gap_ns:?}");
        }
        let cores = vec![noise(second_ns, &[]), noise(second_ns, &[5_000_000])];
        let both = Noise { clock: "tsc", ticks_per_s: None, cores, hops: Vec::new() };
        assert_eq!(both.verdict(), Some(Quiet::Noisy), "the noisiest core counts");
        assert_eq!(Noise { cores: Vec::new(), ..both }.verdict(), None);
    }

    #[test]
    fn nothing_seen_has_no_quantiles() {
        let json = noise(1_000, &[]).to_json();
        assert_eq!(json["gap_ns"]["count"], 0);
        assert!(json["gap_ns"]["p50"].is_null() && json["gap_ns"]["max"].is_null());
        assert!(json["steal_ms"].is_null());
    }

    #[test]
    fn stolen_time_is_that_of_the_core() {
        let stat = "cpu  1 1 1 1 1 1 1 9 0 0\ncpu1 1 1 1 1 1 1 1 4 0 0\ncpu10 1 1 1 1 1 1 1 7 0 0";
        assert_eq!(steal_ms(stat, 1), Some(40));
        assert_eq!(steal_ms(stat, 10), Some(70));
        assert_eq!(steal_ms(stat, 2), None);
    }

    #[test]
    fn every_core_of_this_machine_is_measured() {
        let usable = Cores::of_process().unwrap().usable();
        let window = Duration::from_millis(20);
        let wish = Wish { cores: usable, usable, window, threshold_ns: Some(300), hops: false };
        let noise = measure(&wish).unwrap();
        let measured: CoreSet = noise.cores.iter().map(|noise| noise.core).collect();
        assert_eq!(measured, usable);
        for core in &noise.cores {
            assert!(core.gaps.window_ns >= 20_000_000);
            assert!(core.gaps.lost_ns <= core.gaps.window_ns);
            assert_eq!(core.gaps.threshold_ns, 300);
            assert!(
                core.gaps.over[0] >= core.gaps.over[1] && core.gaps.over[1] >= core.gaps.over[2]
            );
            assert!(core.gaps.histogram.len() >= core.gaps.over[0]);
        }
        assert!(noise.verdict().is_some());
    }

    #[test]
    fn a_core_that_is_not_there_is_an_error_and_not_a_hang() {
        let usable = Cores::of_process().unwrap().usable();
        let cores = usable.union(&CoreSet::only(1_000));
        let fault = glance(&cores, &usable).unwrap_err();
        assert!(matches!(fault, AffinityFault::NotUsable { core: 1_000, .. }), "{fault}");
    }
}
