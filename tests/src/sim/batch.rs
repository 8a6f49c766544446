//! Many seeds on a few threads: results in the order of the seeds, sums over all of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use super::counters::Counters;
use super::job::{Class, Failure, Job, Outcome};
use super::run::run;

/// Every so many seeds one is run twice and compared.
const TWICE_EVERY: u64 = 50;

/// Sums of a batch.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    /// Runs.
    pub seeds: u64,
    /// Inputs applied.
    pub events: u64,
    /// Faults of the venue and disturbances that happened.
    pub faults: u64,
    /// Simulated time in nanoseconds.
    pub lasted_ns: i128,
    /// Seeds that were run twice.
    pub twice: u64,
    /// What was reached.
    pub counters: Counters,
    /// Runs that failed, with what they were.
    pub failures: Vec<(Job, Failure)>,
}

impl Sums {
    /// Adds a run.
    pub fn add(&mut self, job: &Job, outcome: Outcome) {
        self.seeds += 1;
        self.events += outcome.events;
        self.faults += (outcome.faults.len() + outcome.deeds.len()) as u64;
        self.lasted_ns += i128::from(outcome.lasted_ns);
        self.twice += u64::from(job.seed.is_multiple_of(TWICE_EVERY));
        self.counters.merge(&outcome.counters);
        if let Some(failure) = outcome.failure {
            self.failures.push((job.clone(), failure));
        }
    }
}

/// Runs a job; every fiftieth seed twice, and both runs must be the same.
#[must_use]
pub fn run_checked(job: &Job) -> Outcome {
    let mut outcome = run(job);
    if job.seed.is_multiple_of(TWICE_EVERY) {
        let again = run(job);
        let same = again.hashes == outcome.hashes && again.hash == outcome.hash;
        if !same {
            let at = outcome.hashes.iter().zip(&again.hashes).position(|(a, b)| a != b);
            let what = format!("two runs differ, first in thousand {at:?}");
            let breach = pinion_oracle::Breach { check: "N_same_twice", what };
            let event = outcome.events;
            outcome.failure = Some(Failure { class: Class::Nondeterminism, breach, event });
        }
    }
    outcome
}

/// Runs the jobs that `make` gives for the seeds, on `threads` threads; `each` hears of them in order and
/// ends the batch by returning false.
pub fn run_seeds(
    seeds: std::ops::Range<u64>,
    threads: usize,
    make: &(dyn Fn(u64) -> Job + Sync),
    each: &mut dyn FnMut(&Job, Outcome) -> bool,
) {
    let next = AtomicU64::new(seeds.start);
    let (tell, told) = mpsc::sync_channel::<(Job, Outcome)>(256);
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            let (next, tell, end) = (&next, tell.clone(), seeds.end);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let job = make(seed);
                    let outcome = run_checked(&job);
                    if tell.send((job, outcome)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(tell);
        let mut waiting = std::collections::BTreeMap::new();
        let mut due = seeds.start;
        let stop = |next: &AtomicU64| next.store(seeds.end, Ordering::Relaxed);
        'told: while let Ok((job, outcome)) = told.recv() {
            waiting.insert(job.seed, (job, outcome));
            while let Some((job, outcome)) = waiting.remove(&due) {
                due += 1;
                if !each(&job, outcome) {
                    stop(&next);
                    break 'told;
                }
            }
        }
        drop(told);
    });
}
