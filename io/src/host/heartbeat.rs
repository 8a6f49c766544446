//! Heartbeats: a watchdog is fed only while every thread that must run does.
//!
//! Each hot thread counts in its housekeeping, with one relaxed store on a cache line of its own; the supervisor
//! compares. A thread that hangs, or has ended, stops counting, and the manager restarts the service.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The beat of one thread. Owner: that thread; others read.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Heartbeat {
    beats: AtomicU64,
}

impl Heartbeat {
    /// Still here. One thread alone may call it: a load and a store, no locked instruction.
    pub fn beat(&self) {
        let beats = self.beats.load(Ordering::Relaxed);
        self.beats.store(beats.wrapping_add(1), Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }
}

/// What a look at the heartbeats says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Feed {
    /// The period is not over.
    NotYet,
    /// Every heart beat since the last look: feed the watchdog.
    Feed,
    /// These did not: let the watchdog starve.
    Starve(Vec<&'static str>),
}

#[derive(Debug)]
struct Patient {
    name: &'static str,
    heart: Arc<Heartbeat>,
    seen: u64,
}

/// Decides whether the watchdog is fed. Owner: the supervising thread, which hands the time in.
#[derive(Debug)]
pub struct Watchdog {
    patients: Vec<Patient>,
    period_ns: u64,
    next_ns: u64,
}

impl Watchdog {
    /// Looks every `period_ns`, first after one period from `now_ns`.
    #[must_use]
    pub const fn new(period_ns: u64, now_ns: u64) -> Self {
        Self { patients: Vec::new(), period_ns, next_ns: now_ns.saturating_add(period_ns) }
    }

    /// A thread that must run: hand the heart to it.
    pub fn watch(&mut self, name: &'static str) -> Arc<Heartbeat> {
        let heart = Arc::new(Heartbeat::default());
        self.patients.push(Patient { name, heart: Arc::clone(&heart), seen: heart.read() });
        heart
    }

    /// Looks, when it is time. Without any thread to watch there is nothing to vouch for: starved.
    pub fn poll(&mut self, now_ns: u64) -> Feed {
        if now_ns < self.next_ns {
            return Feed::NotYet;
        }
        self.next_ns = now_ns.saturating_add(self.period_ns);
        let mut silent = Vec::new();
        for patient in &mut self.patients {
            let beats = patient.heart.read();
            if beats == patient.seen {
                silent.push(patient.name);
            }
            patient.seen = beats;
        }
        if silent.is_empty() && !self.patients.is_empty() {
            Feed::Feed
        } else {
            Feed::Starve(silent)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_fed_only_when_every_heart_beat_since_the_last_look() {
        let mut watchdog = Watchdog::new(100, 0);
        let (kernel, egress) = (watchdog.watch("kernel"), watchdog.watch("egress"));
        kernel.beat();
        egress.beat();
        assert_eq!(watchdog.poll(99), Feed::NotYet);
        assert_eq!(watchdog.poll(100), Feed::Feed);
        kernel.beat();
        assert_eq!(watchdog.poll(199), Feed::NotYet, "a period counts from the last look");
        assert_eq!(watchdog.poll(200), Feed::Starve(vec!["egress"]));
        assert_eq!(watchdog.poll(300), Feed::Starve(vec!["kernel", "egress"]));
        kernel.beat();
        egress.beat();
        assert_eq!(watchdog.poll(400), Feed::Feed, "a thread that came back is believed");
    }

    #[test]
    fn a_thread_that_never_ran_starves_it_and_so_does_nobody() {
        let mut watchdog = Watchdog::new(100, 0);
        assert_eq!(watchdog.poll(100), Feed::Starve(vec![]));
        let heart = watchdog.watch("ingest");
        assert_eq!(watchdog.poll(200), Feed::Starve(vec!["ingest"]));
        drop(heart);
        assert_eq!(watchdog.poll(300), Feed::Starve(vec!["ingest"]), "a thread that ended");
    }

    #[test]
    fn beats_of_another_thread_are_seen() {
        let mut watchdog = Watchdog::new(1, 0);
        let heart = watchdog.watch("kernel");
        std::thread::spawn(move || heart.beat()).join().unwrap();
        assert_eq!(watchdog.poll(1), Feed::Feed);
    }
}
