//! Where a tuner sits: on the kernel's thread, or on one of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pinion_core::engine::Advise;
use pinion_core::link::{Rx, Tx, link};
use pinion_core::msg::RecordMsg;
use pinion_core::settings::Settings;
use pinion_core::units::Nanos;

use crate::tuner::Tuner;
use crate::tuner::mailbox::Mailbox;

/// Records on their way to the tuner's thread.
const TAP_DEPTH: usize = 16_384;
/// How long the end of a run waits for the thread to write its state.
const FAREWELL: Duration = Duration::from_secs(5);
/// Sleep of the idle thread: nobody waits for it.
const SLEEP: Duration = Duration::from_millis(5);

/// A tuner that ticks on the kernel's thread at stream time: for recorded data at full speed. One that
/// panics is unseated; the run goes on.
#[derive(Debug)]
pub struct Inline {
    tuner: Option<Tuner>,
    health: Arc<Health>,
}

impl Inline {
    /// Seats it; `health` tells a watchdog of its end.
    #[must_use]
    pub const fn new(tuner: Tuner, health: Arc<Health>) -> Self {
        Self { tuner: Some(tuner), health }
    }

    fn with<T>(&mut self, call: impl FnOnce(&mut Tuner) -> T) -> Option<T> {
        let tuner = self.tuner.as_mut()?;
        // What a panic leaves of it is not looked at again.
        match catch_unwind(AssertUnwindSafe(|| call(tuner))) {
            Ok(done) => Some(done),
            Err(_) => {
                self.health.is_over.store(true, Ordering::Release);
                self.tuner = None;
                None
            }
        }
    }
}

impl Advise for Inline {
    fn record(&mut self, record: &RecordMsg) {
        self.with(|tuner| tuner.take(record));
    }

    fn advise(&mut self, now: Nanos) -> Option<(u32, Arc<Settings>)> {
        self.health.rounds.fetch_add(1, Ordering::Relaxed);
        self.with(|tuner| tuner.poll(now)).flatten()
    }
}

impl Drop for Inline {
    fn drop(&mut self) {
        self.with(Tuner::close);
    }
}

/// Signs of life of a tuner's thread.
#[derive(Debug, Default)]
pub struct Health {
    /// Rounds of its loop.
    pub rounds: AtomicU64,
    /// Records that it was too slow for.
    pub missed: AtomicU64,
    /// Stream time of the newest record sent to it.
    last_ns: AtomicI64,
    /// It ended, in order or not.
    pub is_over: AtomicBool,
    stop: AtomicBool,
}

/// A version and its settings.
type Published = (u32, Arc<Settings>);

/// A tuner on a thread of its own. The kernel pays one push a record and one load a poll; a
/// tuner that hangs or dies costs it nothing but the news.
#[derive(Debug)]
pub struct Threaded {
    tap: Tx<RecordMsg>,
    mailbox: Arc<Mailbox<Published>>,
    health: Arc<Health>,
    thread: Option<JoinHandle<()>>,
    /// [`FAREWELL`], but in tests.
    pub(super) farewell: Duration,
}

impl Threaded {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(mut tuner: Tuner) -> std::io::Result<Self> {
        tuner.saves_each_tick = true;
        let (tap, records) = link(TAP_DEPTH);
        let mailbox = Arc::new(Mailbox::new());
        let health = Arc::new(Health::default());
        let (post, life) = (Arc::clone(&mailbox), Arc::clone(&health));
        let thread = thread::Builder::new()
            .name("pinion-tuner".into())
            .spawn(move || work(tuner, records, &post, &life))?;
        Ok(Self { tap, mailbox, health, thread: Some(thread), farewell: FAREWELL })
    }

    /// Signs of life, for a watchdog.
    #[must_use]
    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }
}

impl Advise for Threaded {
    fn record(&mut self, record: &RecordMsg) {
        if self.tap.push(*record).is_err() {
            self.health.last_ns.store(record.ts_ns.get(), Ordering::Relaxed);
            self.health.missed.fetch_add(1, Ordering::Release);
        }
    }

    fn advise(&mut self, _now: Nanos) -> Option<(u32, Arc<Settings>)> {
        let posted = self.mailbox.take()?;
        // The tuner owns it too, so that nothing is freed here.
        Some((posted.0, Arc::clone(&posted.1)))
    }
}

impl Drop for Threaded {
    fn drop(&mut self) {
        self.health.stop.store(true, Ordering::Release);
        let Some(thread) = self.thread.take() else { return };
        // One that hangs must not hold up the end of the run: it is left behind.
        let deadline = Instant::now() + self.farewell;
        while !self.health.is_over.load(Ordering::Acquire) {
            if Instant::now() >= deadline {
                return;
            }
            thread::sleep(SLEEP);
        }
        // A thread that panicked has said so already.
        drop(thread.join());
    }
}

/// Says that the thread is over, however it ends.
struct Farewell<'a>(&'a Health);

impl Drop for Farewell<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Release);
    }
}

fn work(
    mut tuner: Tuner,
    mut records: Rx<RecordMsg>,
    mailbox: &Mailbox<Published>,
    health: &Health,
) {
    let _farewell = Farewell(health);
    let mut missed = 0;
    // The newest posted: the next one comes when the kernel has told that it has this one.
    let mut _posted = None;
    loop {
        let is_last = health.stop.load(Ordering::Acquire);
        let mut took = false;
        while let Some(record) = records.pop() {
            took = true;
            tuner.take(&record);
            if let Some(published) = tuner.poll(record.ts_ns) {
                let published = Arc::new(published);
                // What nobody took yet is freed here.
                drop(mailbox.post(Arc::clone(&published)));
                _posted = Some(published);
            }
        }
        let all = health.missed.load(Ordering::Acquire);
        if all > missed {
            let at = health.last_ns.load(Ordering::Relaxed);
            tuner.note_missed(Nanos::new(at), all - missed);
            missed = all;
        }
        health.rounds.fetch_add(1, Ordering::Relaxed);
        if is_last {
            tuner.close();
            return;
        }
        if !took {
            thread::sleep(SLEEP);
        }
    }
}
