//! Memory over many events: nothing may grow once everything has been used.
//!
//! The kernel path of the bench of that name, with orders and fills, over and over in one engine. What is not
//! counted here is counted in the tests: heap allocations of the hot thread, by an allocator that counts.

use std::fs;

use pinion_core::units::{Nanos, Price};

use crate::harness::{BenchReport, Figure, Scale, Target, Timer};
use crate::kernel::desk::StageDesk;
use crate::kernel::workload::{self, ORDER_EVERY};

/// Events of the full soak.
const FULL: usize = 100_000_000;
/// Events without being asked for more.
const USUAL: usize = 2_000_000;
/// Quotes of one lap; the next one repeats their prices later.
const LAP: usize = 100_000;
/// Laps until everything has been used once: rings around, tables full.
const WARM_UP: usize = 4;

/// Runs the soak.
#[must_use]
pub fn bench(scale: Scale, _timer: &Timer) -> BenchReport {
    let mut report = BenchReport::new("soak");
    let lap = scale.of(LAP, 2_000);
    let events = if scale.full { FULL } else { scale.of(USUAL, 10_000) };
    let quotes = workload::quotes(lap, 1);
    let first = workload::message(&quotes[0]);
    let mut desk = StageDesk::new(&first);
    let span_ns = quotes.last().map_or(0, |last| last.ts_ns - quotes[0].ts_ns) + 20_000;
    let mut laps = 0i64;
    let mut play = |desk: &mut StageDesk| {
        for (place, quote) in quotes.iter().enumerate() {
            let mut quote = *quote;
            quote.ts_ns += laps * span_ns;
            let now = Nanos::new(quote.ts_ns);
            desk.offer(workload::message(&quote));
            let _work = desk.poll(now);
            if let Some(placed) = desk.attend(now) {
                desk.offer_ack(now, placed);
                let _work = desk.poll(now);
                desk.offer_fill(now, placed, Price::from_raw(quote.ask));
                let _work = desk.poll(now);
            }
            if place % 5_000 == 0 {
                desk.housekeep();
            }
        }
        laps += 1;
    };
    for _ in 0..WARM_UP {
        play(&mut desk);
    }
    let (before, faults_before) = (resident_bytes(), minor_faults());
    let mut played = 0;
    while played < events {
        play(&mut desk);
        played += lap;
    }
    let (after, faults_after) = (resident_bytes(), minor_faults());
    let per_hundred_million = FULL as f64 / played as f64;
    if let (Some(before), Some(after)) = (before, after) {
        let grown = after as f64 - before as f64;
        let slope = (grown * per_hundred_million / 1e6).max(0.0);
        let figure = Figure::of_values("resident memory a 1e8 events", "MB", &[slope], None);
        report.figures.push(figure.to_reach(Target::ValueAtMost(1.0)));
        report.figures.push(Figure::of_values("resident", "MB", &[after as f64 / 1e6], None));
    } else {
        report.notes.push("this system does not say how much memory is resident".into());
    }
    if let (Some(before), Some(after)) = (faults_before, faults_after) {
        let faults = after.saturating_sub(before) as f64;
        report.figures.push(Figure::of_values("page faults meanwhile", "", &[faults], None));
    }
    report.figures.push(Figure::of_values("events", "", &[played as f64], None));
    let (orders, hash) = desk.outcome();
    report.hashes.push(("kernel path", format!("{:016x}", hash ^ orders)));
    if orders < (played / 2 / ORDER_EVERY as usize) as u64 {
        report.notes.push(format!("only {orders} orders left: the engine was not at work"));
    }
    report
}

/// Resident memory of this process.
fn resident_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1_024)
}

/// Pages that this process was given without a disk.
fn minor_faults() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    // The name in parentheses may hold blanks; the tenth field is the eighth after it.
    let (_, rest) = text.rsplit_once(')')?;
    rest.split_whitespace().nth(7)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_soak_works_all_the_time_and_says_what_it_saw() {
        let report = bench(Scale::SMALL, &Timer::calibrated());
        assert!(report.notes.is_empty(), "{:?}", report.notes);
        let events = report.figures.iter().find(|figure| figure.name == "events");
        assert!(events.is_some_and(|figure| figure.value >= 10_000.0), "{:?}", report.figures);
        let again = bench(Scale::SMALL, &Timer::calibrated());
        assert_eq!(report.hashes, again.hashes, "the same work");
    }
}
