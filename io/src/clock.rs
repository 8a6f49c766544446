//! Clocks: a cheap stopwatch for latency, and what a turn's `now` is made of.
//!
//! The stopwatch reads the processor's time-stamp counter where that runs at one rate in all power states
//! (`constant_tsc` and `nonstop_tsc`), else [`Instant`]. It is calibrated once per process, in about 10 ms,
//! to about one part in a million: good for latencies; over a day it may drift from UTC by 0.1 s.
//!
//! Cost of a reading: about 10 ns by the counter, 23 ns by [`Instant`].

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pinion_core::units::Nanos;

/// How long the counter is compared with [`Instant`].
const CALIBRATION: Duration = Duration::from_millis(10);
/// Fraction bits of a rate.
const RATE_BITS: u32 = 32;

/// Monotonic nanoseconds since the stopwatch was calibrated. `Copy`: every thread has its own.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    origin: Instant,
    counter: Option<Counter>,
}

/// A calibrated time-stamp counter.
#[derive(Clone, Copy, Debug)]
struct Counter {
    origin_ticks: u64,
    /// Nanoseconds per tick, with [`RATE_BITS`] fraction bits.
    rate: u64,
}

impl Stopwatch {
    /// The process's stopwatch; the first call calibrates.
    #[must_use]
    pub fn calibrated() -> Self {
        static SHARED: OnceLock<Stopwatch> = OnceLock::new();
        *SHARED.get_or_init(
            || {
                if tsc::is_steady() { Self::by_counter() } else { Self::by_instant() }
            },
        )
    }

    fn by_instant() -> Self {
        Self { origin: Instant::now(), counter: None }
    }

    fn by_counter() -> Self {
        let (origin, origin_ticks) = paired_reading();
        std::thread::sleep(CALIBRATION);
        let (later, later_ticks) = paired_reading();
        let elapsed_ns = later.duration_since(origin).as_nanos();
        let ticks = later_ticks.saturating_sub(origin_ticks);
        let rate = (elapsed_ns << RATE_BITS).checked_div(u128::from(ticks)).unwrap_or(0);
        match u64::try_from(rate) {
            Ok(rate) if rate > 0 => Self { origin, counter: Some(Counter { origin_ticks, rate }) },
            // The counter stood still or jumped: do not trust it.
            _ => Self { origin, counter: None },
        }
    }

    /// Nanoseconds since the calibration.
    #[must_use]
    pub fn read_ns(&self) -> u64 {
        match self.counter {
            Some(counter) => scale(tsc::read().saturating_sub(counter.origin_ticks), counter.rate),
            None => u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX),
        }
    }

    /// Rate of the counter, ticks a second; `None` without one.
    #[must_use]
    pub fn ticks_per_s(&self) -> Option<u64> {
        let rate = u128::from(self.counter?.rate);
        u64::try_from((1_000_000_000_u128 << RATE_BITS) / rate).ok()
    }

    /// What it reads, for reports.
    #[must_use]
    pub const fn source(&self) -> &'static str {
        if self.counter.is_some() { "tsc" } else { "instant" }
    }
}

/// The tightest of a few readings of both clocks: an interrupt between the two would spoil the rate.
fn paired_reading() -> (Instant, u64) {
    let mut best = (Instant::now(), tsc::read());
    let mut best_width = u64::MAX;
    for _ in 0..16 {
        let before = tsc::read();
        let instant = Instant::now();
        let width = tsc::read().saturating_sub(before);
        if width < best_width {
            best_width = width;
            best = (instant, before + width / 2);
        }
    }
    best
}

/// `amount × rate`, the rate having [`RATE_BITS`] fraction bits.
fn scale(amount: u64, rate: u64) -> u64 {
    u64::try_from((u128::from(amount) * u128::from(rate)) >> RATE_BITS).unwrap_or(u64::MAX)
}

/// Moments as a function of the stopwatch: one reading gives a turn both its `now` and its latency stamp.
#[derive(Clone, Copy, Debug)]
pub struct TurnClock {
    origin: Nanos,
    origin_ns: u64,
    /// Nanoseconds that pass per nanosecond of the stopwatch, with [`RATE_BITS`] fraction bits.
    rate: u64,
}

impl TurnClock {
    /// UTC, read from the system once, now.
    #[must_use]
    pub fn utc(stopwatch: &Stopwatch) -> Self {
        let pair = || {
            let before_ns = stopwatch.read_ns();
            let utc = SystemTime::now();
            let after_ns = stopwatch.read_ns();
            (after_ns.saturating_sub(before_ns), before_ns, utc)
        };
        // The tightest of a few: what interrupts one pair would stay in every moment of the run.
        let first = pair();
        let (width_ns, before_ns, utc) = (0..8)
            .map(|_| pair())
            .fold(first, |best, next| if next.0 < best.0 { next } else { best });
        let utc_ns = utc.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let origin = Nanos::new(i64::try_from(utc_ns).unwrap_or(i64::MAX));
        Self { origin, origin_ns: before_ns + width_ns / 2, rate: 1 << RATE_BITS }
    }

    /// Stream time: `start` at the stopwatch reading `origin_ns`, then `speed` times as fast as real time.
    /// `speed` is used within 0.000001 to 1,000,000.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 1e-6 to 1e6 before; a NaN becomes 0, and time stands still"
    )]
    pub fn scaled(start: Nanos, origin_ns: u64, speed: f64) -> Self {
        let rate = (speed.clamp(1e-6, 1e6) * (1u64 << RATE_BITS) as f64) as u64;
        Self { origin: start, origin_ns, rate }
    }

    /// The moment at a stopwatch reading; never before the origin.
    #[must_use]
    pub fn at(&self, reading_ns: u64) -> Nanos {
        let passed_ns = scale(reading_ns.saturating_sub(self.origin_ns), self.rate);
        self.origin.plus(i64::try_from(passed_ns).unwrap_or(i64::MAX))
    }
}

#[cfg(target_arch = "x86_64")]
mod tsc {
    /// True when the kernel says that the counter runs at one rate, always.
    pub(super) fn is_steady() -> bool {
        std::fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| says_steady(&text))
    }

    pub(super) fn says_steady(cpuinfo: &str) -> bool {
        let flags = cpuinfo.lines().find(|line| line.starts_with("flags")).unwrap_or("");
        let has = |flag| flags.split_ascii_whitespace().any(|word| word == flag);
        has("constant_tsc") && has("nonstop_tsc")
    }

    /// Not serialising: neighbouring instructions may be counted in or out, a few nanoseconds.
    pub(super) fn read() -> u64 {
        // SAFETY: the instruction touches no memory and exists on every x86_64; where a process is
        // forbidden to use it (`PR_SET_TSC`) nobody has forbidden it to ours.
        unsafe { core::arch::x86_64::_rdtsc() }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod tsc {
    pub(super) const fn is_steady() -> bool {
        false
    }

    pub(super) const fn read() -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_counter_is_trusted_only_with_both_flags() {
        let info = |flags: &str| format!("processor\t: 0\nflags\t\t: fpu {flags} sse\nbugs\t\t:\n");
        assert!(tsc::says_steady(&info("constant_tsc nonstop_tsc")));
        assert!(!tsc::says_steady(&info("constant_tsc")));
        assert!(!tsc::says_steady(&info("nonstop_tsc constant_tscx")));
        assert!(!tsc::says_steady(""));
    }

    #[test]
    fn both_sources_go_forward_and_agree() {
        for stopwatch in [Stopwatch::by_instant(), Stopwatch::by_counter()] {
            let mut last_ns = stopwatch.read_ns();
            for _ in 0..10_000 {
                let now_ns = stopwatch.read_ns();
                assert!(now_ns >= last_ns, "{} < {last_ns} by {}", now_ns, stopwatch.source());
                last_ns = now_ns;
            }
        }
        let stopwatch = Stopwatch::calibrated();
        if stopwatch.source() == "tsc" {
            // Bracketed by the other clock, so a pause of this thread cannot make it fail; 1 % is far
            // more than the calibration is off.
            let outer = Instant::now();
            let start_ns = stopwatch.read_ns();
            let inner = Instant::now();
            std::thread::sleep(Duration::from_millis(5));
            let inner_ns = inner.elapsed().as_nanos() as f64;
            let passed_ns = (stopwatch.read_ns() - start_ns) as f64;
            let outer_ns = outer.elapsed().as_nanos() as f64;
            assert!(passed_ns > inner_ns * 0.99 && passed_ns < outer_ns * 1.01);
        }
    }

    #[test]
    fn stream_time_is_scaled_real_time() {
        let start = Nanos::new(1_700_000_000_000_000_000);
        let tenfold = TurnClock::scaled(start, 500, 10.0);
        assert_eq!(tenfold.at(500), start);
        assert_eq!(tenfold.at(1_500), start.plus(10_000));
        assert_eq!(tenfold.at(0), start, "before the origin time stands");
        let half = TurnClock::scaled(start, 0, 0.5);
        assert_eq!(half.at(86_400_000_000_000), start.plus(43_200_000_000_000));
    }

    #[test]
    fn utc_is_the_systems_time() {
        let stopwatch = Stopwatch::calibrated();
        let system = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64;
        let before_ns = system();
        let clock = TurnClock::utc(&stopwatch);
        let ns = clock.at(stopwatch.read_ns()).get();
        let after_ns = system();
        let slack_ns = 1_000_000;
        assert!((before_ns - slack_ns..=after_ns + slack_ns).contains(&ns));
    }
}
