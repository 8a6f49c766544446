//! The simulation's command line.
#![expect(clippy::print_stdout, reason = "a command")]

fn main() {
    pinion_tests::sim::hush_panics();
    let mut args = std::env::args().skip(1);
    let from: u64 = args.next().and_then(|a| a.parse().ok()).unwrap_or(0);
    let to: u64 = args.next().and_then(|a| a.parse().ok()).unwrap_or(1);
    let events: u64 = args.next().and_then(|a| a.parse().ok()).unwrap_or(10_000);
    let trace = args.next().is_some();
    let mut sum = pinion_tests::sim::counters::Counters::default();
    let (mut total, mut bad) = (0, 0);
    let start = std::time::Instant::now();
    for seed in from..to {
        let mut job = pinion_tests::sim::Job::draw(seed, events, false);
        job.trace = trace;
        let outcome = pinion_tests::sim::run(&job);
        total += outcome.events;
        sum.merge(&outcome.counters);
        if trace {
            for line in &outcome.trace[outcome.trace.len().saturating_sub(80)..] {
                println!("{line}");
            }
            println!("{}", outcome.state);
            println!("{:?}", job.fields().map(|f| format!("{}={}", f.0, f.2)).collect::<Vec<_>>());
        }
        if let Some(failure) = outcome.failure {
            bad += 1;
            println!("seed {seed} event {} {:?} {}", failure.event, failure.class, failure.breach);
        }
    }
    println!("{}", sum.table().0);
    println!("{total} events, {bad} failures, {:?}", start.elapsed());
}
