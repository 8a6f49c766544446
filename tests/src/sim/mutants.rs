//! The gate of the planted defects: each is switched on alone, and a named check must fail.
//!
//! A defect counts as caught by the first seed in order that passes without it and breaks a check with it. A
//! panic is no catch: a check that names what is wrong is the claim.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Instant;

use pinion_core::planted::{Defect, plant};

use super::batch::run_seeds;
use super::job::{Class, Job};

/// How a defect was caught.
#[derive(Clone, Debug)]
pub struct Catch {
    /// Which check failed.
    pub check: &'static str,
    /// In which seed.
    pub seed: u64,
    /// After how many inputs.
    pub event: u64,
}

/// What came of one defect.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// Which.
    pub defect: Defect,
    /// The first catch; `None` when no seed caught it.
    pub catch: Option<Catch>,
    /// Seeds that ended in a panic before that.
    pub panics: u64,
    /// Time it took.
    pub seconds: f64,
}

impl Hunt {
    /// Its line of the table.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { defect, catch, panics, seconds } = self;
        let name = defect.as_str();
        let panics = if *panics > 0 { format!("  ({panics} panics)") } else { String::new() };
        match catch {
            Some(Catch { check, seed, event }) => {
                format!("{name:<28} {check:<22} {seed:>5} {event:>7} {seconds:>7.2}{panics}")
            }
            None => format!("{name:<28} NOBODY {seconds:>37.2}{panics}"),
        }
    }
}

/// Head of the table.
pub const HEAD: &str = "defect                       caught by               seed  events seconds";

/// The seeds that fail with nothing planted, and how: they prove nothing about a defect.
#[must_use]
pub fn unclean(
    seeds: Range<u64>,
    threads: usize,
    make: &(dyn Fn(u64) -> Job + Sync),
) -> Vec<(u64, &'static str)> {
    plant(None);
    let mut found = Vec::new();
    run_seeds(seeds, threads, make, &mut |job, outcome| {
        found.extend(outcome.failure.map(|failure| (job.seed, failure.breach.check)));
        true
    });
    found
}

/// Runs seeds with a defect until one catches it.
#[must_use]
pub fn hunt(
    defect: Defect,
    seeds: Range<u64>,
    but: &BTreeSet<u64>,
    threads: usize,
    make: &(dyn Fn(u64) -> Job + Sync),
) -> Hunt {
    let start = Instant::now();
    plant(Some(defect));
    let (mut catch, mut panics) = (None, 0);
    run_seeds(seeds, threads, make, &mut |job, outcome| {
        if let Some(failure) = outcome.failure.filter(|_| !but.contains(&job.seed)) {
            if failure.class == Class::Crash {
                panics += 1;
                return true;
            }
            let check = failure.breach.check;
            catch = Some(Catch { check, seed: job.seed, event: failure.event });
        }
        catch.is_none()
    });
    plant(None);
    Hunt { defect, catch, panics, seconds: start.elapsed().as_secs_f64() }
}
