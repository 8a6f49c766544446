//! The tuner of a running engine: it hears the records, ticks at stream time, publishes, and knows what the
//! kernel has confirmed.
//!
//! [`Inline`] ticks on the kernel's own thread, for recorded data at full speed, where the same inputs must
//! give the same decisions. [`Threaded`] has a thread of its own that the kernel never waits for.

mod mailbox;
mod seats;
mod watchdog;

use std::collections::VecDeque;
use std::sync::Arc;

use pinion_core::engine::{Change, Publication};
use pinion_core::msg::RecordMsg;
use pinion_core::settings::Settings;
use pinion_core::units::Nanos;

use crate::files::Files;
use crate::log::{About, ApplyState, console, row};
use crate::policy::{Mode, Phase, TargetPolicy};
use crate::state::State;
use crate::tick::{Decision, Input, decide};
use crate::window::{Event, Windows};

pub use mailbox::Mailbox;
pub use seats::{Health, Inline, Threaded};
pub use watchdog::{Alarm, Watchdog};

/// Snapshots kept alive until the kernel has confirmed their successor.
const KEPT_MAX: usize = 64;

/// Tells the journal what a version holds, before it is published.
pub type Announce = Box<dyn Fn(&Publication) + Send>;

/// What a tuner is to do.
#[derive(Clone, Debug)]
pub struct Orders {
    /// Names it in its files.
    pub profile_id: String,
    /// Names the run.
    pub run_tag: String,
    /// Names the build, where it was told its commit.
    pub commit_hash: Option<&'static str>,
    /// A moment as RFC 3339.
    pub ts_text: fn(Nanos) -> String,
    /// Mode.
    pub mode: Mode,
    /// What is wanted.
    pub policy: TargetPolicy,
    /// Phase set by the operator.
    pub forced_phase: Option<Phase>,
    /// Stream time between ticks, in seconds; at least 1.
    pub interval_s: i64,
    /// Minutes of the session's counts, 1 to 15.
    pub window_minutes: i64,
    /// Decide and log, publish nothing.
    pub is_dry: bool,
}

/// See the module. Owner: its seat.
pub struct Tuner {
    orders: Orders,
    windows: Windows,
    state: State,
    baseline: Arc<Settings>,
    /// The newest published, or what the run began with.
    current: (u32, Arc<Settings>),
    /// Published and not yet replaced by the kernel's word, oldest first: freed here, never there.
    kept: VecDeque<(u32, Arc<Settings>)>,
    confirmed: u32,
    pending: Vec<String>,
    symbols: Vec<String>,
    next_tick: Option<Nanos>,
    files: Files,
    announce: Announce,
    /// The state goes to disk with every tick, not only at the end.
    saves_each_tick: bool,
    faults: u64,
}

impl std::fmt::Debug for Tuner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tuner")
            .field("orders", &self.orders)
            .field("version", &self.current.0)
            .field("confirmed", &self.confirmed)
            .finish_non_exhaustive()
    }
}

impl Tuner {
    /// For a run that begins with `settings` as `version`; `symbols` names the assets by number.
    #[must_use]
    pub fn new(
        orders: Orders,
        state: State,
        settings: Arc<Settings>,
        version: u32,
        symbols: Vec<String>,
        files: Files,
        announce: Announce,
    ) -> Self {
        Self {
            orders,
            windows: Windows::new(),
            state,
            baseline: Arc::clone(&settings),
            current: (version, settings),
            kept: VecDeque::with_capacity(KEPT_MAX),
            confirmed: version,
            pending: Vec::new(),
            symbols,
            next_tick: None,
            files,
            announce,
            saves_each_tick: false,
            faults: 0,
        }
    }

    /// Hears a record.
    pub fn take(&mut self, message: &RecordMsg) {
        let event = Event::of(message);
        if let Event::Settings { version } = event {
            self.confirm(version);
        }
        self.windows.take(message.ts_ns, &event);
    }

    /// Records were lost on their way here.
    pub const fn note_missed(&mut self, ts: Nanos, records: u64) {
        self.windows.note_missed(ts, records);
    }

    /// The kernel has a version in force: what came before it can go.
    fn confirm(&mut self, version: u32) {
        self.confirmed = self.confirmed.max(version);
        while self.kept.front().is_some_and(|kept| kept.0 < self.confirmed) {
            self.kept.pop_front();
        }
        if self.confirmed >= self.current.0 {
            self.pending.clear();
        }
    }

    /// Time of the newest record.
    #[must_use]
    pub const fn last(&self) -> Nanos {
        self.windows.last()
    }

    /// Files that could not be written so far.
    #[must_use]
    pub const fn faults(&self) -> u64 {
        self.faults
    }

    /// Ticks when it is time; gives what is to be published. The first tick comes one interval after the
    /// first look.
    pub fn poll(&mut self, now: Nanos) -> Option<(u32, Arc<Settings>)> {
        let interval = self.orders.interval_s.max(1).saturating_mul(Nanos::SECOND);
        let due = *self.next_tick.get_or_insert_with(|| now.plus(interval));
        if now < due {
            return None;
        }
        self.next_tick = Some(now.plus(interval));
        self.tick(now)
    }

    /// What a tick at `now` is decided from.
    #[must_use]
    pub fn input(&self, now: Nanos) -> Input {
        let symbol = |asset: usize| self.symbols.get(asset).cloned().unwrap_or_default();
        Input {
            mode: self.orders.mode,
            now_s: now.get().div_euclid(Nanos::SECOND),
            session_age_s: self.windows.age_s(now),
            policy: self.orders.policy,
            forced_phase: self.orders.forced_phase,
            rollback_asked: self.files.rollback_asked(),
            settings: (*self.current.1).clone(),
            baseline: (*self.baseline).clone(),
            state: self.state.clone(),
            telemetry: self.windows.telemetry(now, self.orders.window_minutes, &symbol),
            strict_seed: false,
            unread: Vec::new(),
        }
    }

    fn tick(&mut self, now: Nanos) -> Option<(u32, Arc<Settings>)> {
        let input = self.input(now);
        let decision = decide(&input);
        // A version that the kernel has not taken yet is not built upon.
        let waits = self.confirmed < self.current.0;
        let apply_state = if self.files.is_frozen() {
            ApplyState::Frozen
        } else if decision.actions.is_empty() {
            ApplyState::Noop
        } else if !decision.issues.is_empty() {
            ApplyState::ValidationFailed
        } else if self.orders.is_dry {
            ApplyState::DryRun
        } else if waits {
            ApplyState::RestartPendingDeferred
        } else {
            ApplyState::WrittenHotApplied
        };
        let publishes = apply_state == ApplyState::WrittenHotApplied;
        if publishes {
            self.pending = decision.actions.iter().map(|action| action.key.to_owned()).collect();
        }
        let about = About {
            profile_id: &self.orders.profile_id,
            run_tag: &self.orders.run_tag,
            commit_hash: self.orders.commit_hash,
            ts_ns: now.get(),
            ts: (self.orders.ts_text)(now),
            window_minutes: self.orders.window_minutes,
            apply_state,
            pending: &self.pending,
            version: Some(self.confirmed),
            records_missed: self.windows.missed(),
        };
        let line = console(&input, &decision, apply_state);
        // What cannot be told is not done.
        if self.files.tick(&row(&input, &decision, &about), &line).is_err() {
            self.faults += 1;
            return None;
        }
        if apply_state != ApplyState::Frozen && apply_state != ApplyState::DryRun && !waits {
            self.state = decision.state.clone();
        }
        if self.saves_each_tick && !self.orders.is_dry && self.files.save(&self.state).is_err() {
            self.faults += 1;
        }
        let is_done = publishes || apply_state == ApplyState::Noop;
        if input.rollback_asked.is_some() && is_done && self.files.rolled_back().is_err() {
            self.faults += 1;
        }
        publishes.then(|| self.publish(decision))
    }

    fn publish(&mut self, decision: Decision) -> (u32, Arc<Settings>) {
        let changes = decision
            .actions
            .into_iter()
            .map(|action| Change {
                key: action.key,
                from: action.from.to_text(),
                to: action.to.to_text(),
                reason: action.reason,
            })
            .collect();
        let version = self.current.0.saturating_add(1);
        let settings = Arc::new(decision.staged);
        let publication = Publication { version, settings: Arc::clone(&settings), changes };
        (self.announce)(&publication);
        let before = std::mem::replace(&mut self.current, (version, Arc::clone(&settings)));
        self.kept.push_back(before);
        (version, settings)
    }

    /// Writes the state: for the end of a run.
    pub fn close(&mut self) {
        if !self.orders.is_dry && self.files.save(&self.state).is_err() {
            self.faults += 1;
        }
    }
}

#[cfg(test)]
mod tests;
