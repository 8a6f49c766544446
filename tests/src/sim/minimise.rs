//! Makes a failure small: the same check must still fail, with as little as possible around it.

use super::chaos::DeedAt;
use super::job::{Job, Outcome};
use super::options::FAULT_GROUPS;
use super::run::run;

/// Simulated inputs that one minimisation may cost: one or two minutes.
const BUDGET: u64 = 40_000_000;

/// Groups of the venue's plan.
const VENUE_GROUPS: [&str; 5] = ["matching", "stream", "answer", "account", "time"];

/// Plain values for what a run consists of, tried one by one.
const PLAIN: [(&str, i64); 22] = [
    ("instruments", 1),
    ("slots", 1),
    ("policy", 0),
    ("shuffle", 0),
    ("ring_market", 64),
    ("ring_feed", 64),
    ("ring_ack", 64),
    ("ring_account", 64),
    ("ring_scan", 64),
    ("ring_command", 64),
    ("journal_waits", 1),
    ("near_tick", 0),
    ("near_max", 0),
    ("jump", 0),
    ("mark_ppm", 0),
    ("gap_ppm", 0),
    ("garbage_ppm", 0),
    ("mark", 0),
    ("cancel", 0),
    ("maker_ppm", 0),
    ("legs_max", 1),
    ("lots_max", 10),
];

/// The way to a smaller failure. Owner: whoever asks for it.
#[derive(Debug)]
struct Search {
    job: Job,
    best: Outcome,
    check: &'static str,
    spent: u64,
}

impl Search {
    /// Takes the job when it fails by the same check.
    fn try_job(&mut self, job: Job) -> bool {
        if self.spent > BUDGET {
            return false;
        }
        let outcome = run(&job);
        self.spent += outcome.events.max(100);
        let same = outcome.failure.as_ref().is_some_and(|found| found.breach.check == self.check);
        if same {
            self.job = job;
            self.best = outcome;
        }
        same
    }

    fn try_with(&mut self, change: impl FnOnce(&mut Job)) -> bool {
        let mut job = self.job.clone();
        change(&mut job);
        self.try_job(job)
    }

    /// As few inputs before the failure, or before the liveness phase, as still do it.
    fn shorten(&mut self) {
        let mut low = 0;
        let mut high = self.job.events.min(self.best.events);
        while low < high && self.spent <= BUDGET {
            let middle = low + (high - low) / 2;
            if self.try_with(|job| job.events = middle) { high = middle } else { low = middle + 1 }
        }
    }

    fn switch_off_groups(&mut self) {
        for group in FAULT_GROUPS {
            self.try_with(|job| job.options.switch_off(group));
        }
        for group in VENUE_GROUPS {
            self.try_with(|job| {
                let fields: Vec<_> = job.plan.fields().collect();
                for (name, _, _) in fields.iter().filter(|field| field.1 == group) {
                    if !name.ends_with("_max") {
                        let known = job.plan.set(name, 0);
                        debug_assert!(known, "{name} is a field of the plan");
                    }
                }
            });
        }
    }

    fn switch_off_each(&mut self) {
        let rates: Vec<&'static str> = self
            .job
            .fields()
            .filter(|(name, group, value)| {
                *value != 0
                    && !matches!(*group, "shape" | "market" | "workload")
                    && !name.ends_with("_max")
            })
            .map(|field| field.0)
            .collect();
        for name in rates {
            self.try_with(|job| {
                job.set(name, 0);
            });
        }
    }

    fn make_plain(&mut self) {
        for (name, value) in PLAIN {
            self.try_with(|job| {
                job.set(name, value);
            });
        }
    }

    /// Happenings of the best job.
    fn size(&self) -> usize {
        self.best.intents.len() + self.best.deeds.len() + self.best.faults.len()
    }

    fn thin_out(&mut self) {
        let intents = sorted(self.best.intents.clone());
        self.reduce(intents, |job, kept| job.only_intents = Some(kept.to_vec()));
        let deeds: Vec<DeedAt> = sorted(self.best.deeds.clone());
        self.reduce(deeds, |job, kept| job.only_deeds = Some(kept.to_vec()));
        let faults = sorted(self.best.faults.clone());
        self.reduce(faults, |job, kept| job.only_faults = Some(kept.to_vec()));
    }

    /// Leaves out ever smaller parts of a list for as long as the failure stays.
    fn reduce<T: Clone>(&mut self, mut kept: Vec<T>, put: impl Fn(&mut Job, &[T])) {
        if !self.try_with(|job| put(job, &kept)) {
            return;
        }
        let mut part = kept.len().div_ceil(2);
        while part > 0 && !kept.is_empty() && self.spent <= BUDGET {
            let mut at = 0;
            while at < kept.len() {
                let end = (at + part).min(kept.len());
                let less: Vec<T> = kept[..at].iter().chain(&kept[end..]).cloned().collect();
                if self.try_with(|job| put(job, &less)) { kept = less } else { at = end }
            }
            part = if part == 1 { 0 } else { part.div_ceil(2) };
        }
    }
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort();
    list.dedup();
    list
}

/// The smallest job that was found to fail by the same check, with its outcome and trace; `None` when the
/// job does not fail.
#[must_use]
pub fn minimise(job: &Job) -> Option<(Job, Outcome)> {
    let best = run(job);
    let check = best.failure.as_ref()?.breach.check;
    let mut search = Search { job: job.clone(), best, check, spent: 0 };
    search.switch_off_groups();
    search.shorten();
    search.thin_out();
    search.switch_off_each();
    search.make_plain();
    // What is left out makes way for more.
    loop {
        let before = search.size();
        search.thin_out();
        search.shorten();
        if search.size() >= before {
            break;
        }
    }
    let mut smallest = search.job;
    smallest.trace = true;
    let outcome = run(&smallest);
    outcome.failure.is_some().then_some((smallest, outcome))
}
