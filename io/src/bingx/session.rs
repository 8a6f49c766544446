//! The life of one socket: connect, encrypt, upgrade, subscribe, confirm, resync, live, stale, again.
//!
//! A pure machine. Time and what happened come in, what must be done goes out; the same machine drives a
//! market socket and an account socket, which differ in their topics and in what silence means. A market
//! socket that falls silent is made anew. An account may be quiet for hours: it is asked about by REST first
//! and made anew only when the answer tells what the socket did not. The venue's heartbeat proves that the
//! socket lives, never that data comes.
//!
//! Attempts wait longer each time, by chance within half the wait, and never exceed a number an hour.

use std::collections::VecDeque;

use pinion_core::units::Nanos;

const SECOND: i64 = Nanos::SECOND;

/// What differs between sockets. Durations in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionPlan {
    /// Topics to subscribe to; none on an account socket, where any message is an error.
    pub topics: u16,
    /// What silence means.
    pub silence: Silence,
    /// Without a data frame for so long the stream is silent.
    pub silent_ns: i64,
    /// Without a heartbeat for so long the socket is dead.
    pub heartbeat_ns: i64,
    /// Each step of connecting may take so long.
    pub step_ns: i64,
    /// First wait between attempts.
    pub wait_ns: i64,
    /// Longest wait between attempts.
    pub wait_max_ns: i64,
    /// Attempts in an hour.
    pub attempts_per_hour: u16,
}

/// What silence means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Something always comes: make the socket anew.
    Reconnect,
    /// There may be nothing to tell: ask by REST.
    Ask,
}

impl SessionPlan {
    /// A market socket with so many topics. The slowest of the topics used comes every 800 ms.
    #[must_use]
    pub const fn market(topics: u16) -> Self {
        Self {
            topics,
            silence: Silence::Reconnect,
            silent_ns: 2 * SECOND,
            heartbeat_ns: 15 * SECOND,
            step_ns: 5 * SECOND,
            wait_ns: SECOND / 4,
            wait_max_ns: 30 * SECOND,
            attempts_per_hour: 120,
        }
    }

    /// An account socket.
    #[must_use]
    pub const fn account() -> Self {
        let mut plan = Self::market(0);
        plan.silence = Silence::Ask;
        plan.silent_ns = 30 * SECOND;
        plan
    }
}

/// Subscriptions that may leave in a second.
const SUBSCRIPTIONS_PER_SECOND: u16 = 10;
/// Live for so long, the next failure waits as if it were the first.
const STEADY_NS: i64 = 60 * SECOND;
const HOUR_NS: i64 = 3_600 * SECOND;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// The TCP connection stands.
    Connected,
    /// TLS stands and the venue's name was checked.
    Encrypted,
    /// The WebSocket handshake is done.
    Upgraded,
    /// A topic was confirmed, by an answer or by its first data.
    Confirmed {
        /// Its place in the list of topics.
        topic: u16,
    },
    /// A topic was refused.
    Refused,
    /// A heartbeat.
    Heartbeat,
    /// A data frame.
    Data,
    /// Books and account agree with the venue again.
    Resynced,
    /// A question about the account was answered, and the socket had told everything.
    Agrees,
    /// REST told what the socket should have told.
    Mute,
    /// The socket broke, or a step failed.
    Broken,
}

/// What must be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Open the TCP connection.
    Connect,
    /// Do the TLS handshake.
    Encrypt,
    /// Do the WebSocket handshake.
    Upgrade,
    /// Subscribe to a topic.
    Subscribe {
        /// Its place in the list of topics.
        topic: u16,
    },
    /// Read the account by REST, or wait for whole books; then say [`Happened::Resynced`].
    Resync,
    /// The stream can be relied on from here.
    Ready,
    /// The stream cannot be relied on: block entries, tell a gap.
    Lost,
    /// Ask by REST whether there is news; then say [`Happened::Agrees`] or [`Happened::Mute`].
    Ask,
    /// Close the socket.
    Close,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not wanted.
    Stopped,
    /// Until the next attempt.
    Waiting {
        until: Nanos,
    },
    Connecting {
        since: Nanos,
    },
    Encrypting {
        since: Nanos,
    },
    Upgrading {
        since: Nanos,
    },
    /// Topics leave at their pace and are confirmed; `since` is when the last one left.
    Subscribing {
        since: Nanos,
        sent: u16,
    },
    Resyncing {
        since: Nanos,
    },
    Live {
        since: Nanos,
    },
    /// Live, and a question about the silence is under way.
    Asking {
        live_since: Nanos,
        since: Nanos,
    },
}

/// The machine of one socket. Nothing is allocated after construction.
#[derive(Clone, Debug)]
pub struct Session {
    plan: SessionPlan,
    state: State,
    confirmed: Vec<bool>,
    last_data: Nanos,
    last_heartbeat: Nanos,
    /// Starts of the subscriptions of the last second, oldest first.
    paced: VecDeque<Nanos>,
    /// Attempts of the last hour, oldest first.
    attempts: VecDeque<Nanos>,
    failures: u32,
    dice: u64,
}

impl Session {
    /// A stopped socket. `seed` decides the waits: the same seed, the same waits.
    #[must_use]
    pub fn new(plan: SessionPlan, seed: u64) -> Self {
        Self {
            plan,
            state: State::Stopped,
            confirmed: vec![false; usize::from(plan.topics)],
            last_data: Nanos::ZERO,
            last_heartbeat: Nanos::ZERO,
            paced: VecDeque::with_capacity(usize::from(SUBSCRIPTIONS_PER_SECOND)),
            attempts: VecDeque::with_capacity(usize::from(plan.attempts_per_hour) + 1),
            failures: 0,
            dice: seed,
        }
    }

    /// The socket is wanted from now on.
    pub const fn start(&mut self, now: Nanos) {
        if matches!(self.state, State::Stopped) {
            self.state = State::Waiting { until: now };
        }
    }

    /// The socket is not wanted any more.
    pub fn stop(&mut self, act: &mut (impl FnMut(Act) + ?Sized)) {
        if self.is_live() {
            act(Act::Lost);
        }
        if self.is_open() {
            act(Act::Close);
        }
        self.state = State::Stopped;
    }

    /// True while the stream can be relied on.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        matches!(self.state, State::Live { .. } | State::Asking { .. })
    }

    const fn is_open(&self) -> bool {
        !matches!(self.state, State::Stopped | State::Waiting { .. })
    }

    /// When the next attempt is made; `None` while none is waited for.
    #[must_use]
    pub const fn next_attempt(&self) -> Option<Nanos> {
        match self.state {
            State::Waiting { until } => Some(until),
            State::Stopped
            | State::Connecting { .. }
            | State::Encrypting { .. }
            | State::Upgrading { .. }
            | State::Subscribing { .. }
            | State::Resyncing { .. }
            | State::Live { .. }
            | State::Asking { .. } => None,
        }
    }

    /// Time passed.
    pub fn poll(&mut self, now: Nanos, act: &mut (impl FnMut(Act) + ?Sized)) {
        match self.state {
            State::Stopped => {}
            State::Waiting { until } if now >= until => {
                self.attempts.push_back(now);
                self.last_data = now;
                self.last_heartbeat = now;
                self.confirmed.fill(false);
                self.paced.clear();
                self.state = State::Connecting { since: now };
                act(Act::Connect);
            }
            State::Waiting { .. } => {}
            State::Connecting { since }
            | State::Encrypting { since }
            | State::Upgrading { since }
                if now.since(since) >= self.plan.step_ns =>
            {
                self.fail(now, act);
            }
            State::Connecting { .. } | State::Encrypting { .. } | State::Upgrading { .. } => {}
            State::Subscribing { since, sent } => self.subscribe(now, since, sent, act),
            State::Resyncing { since } => {
                // A whole view takes several calls.
                let is_late = now.since(since) >= 6 * self.plan.step_ns;
                if is_late || self.is_dead(now) {
                    self.fail(now, act);
                }
            }
            State::Live { since } => {
                if now.since(since) >= STEADY_NS {
                    self.failures = 0;
                }
                if self.is_dead(now) {
                    self.fail(now, act);
                } else if now.since(self.last_data) >= self.plan.silent_ns {
                    match self.plan.silence {
                        Silence::Reconnect => self.fail(now, act),
                        Silence::Ask => {
                            self.state = State::Asking { live_since: since, since: now };
                            act(Act::Ask);
                        }
                    }
                }
            }
            State::Asking { since, .. } => {
                let is_late = now.since(since) >= 6 * self.plan.step_ns;
                if is_late || self.is_dead(now) {
                    self.fail(now, act);
                }
            }
        }
    }

    const fn is_dead(&self, now: Nanos) -> bool {
        now.since(self.last_heartbeat) >= self.plan.heartbeat_ns
    }

    fn subscribe(
        &mut self,
        now: Nanos,
        since: Nanos,
        mut sent: u16,
        act: &mut (impl FnMut(Act) + ?Sized),
    ) {
        if self.confirmed.iter().all(|confirmed| *confirmed) {
            self.state = State::Resyncing { since: now };
            act(Act::Resync);
            return;
        }
        let mut last = since;
        while self.paced.front().is_some_and(|left| now.since(*left) >= SECOND) {
            self.paced.pop_front();
        }
        while sent < self.plan.topics && self.paced.len() < usize::from(SUBSCRIPTIONS_PER_SECOND) {
            act(Act::Subscribe { topic: sent });
            self.paced.push_back(now);
            sent += 1;
            last = now;
        }
        self.state = State::Subscribing { since: last, sent };
        let all_left = sent == self.plan.topics;
        if (all_left && now.since(last) >= self.plan.step_ns) || self.is_dead(now) {
            // A socket that took the words and says nothing looks healthy and is not.
            self.fail(now, act);
        }
    }

    /// Something happened. What does not fit the state is late news of an earlier socket and is left out.
    pub fn on(&mut self, now: Nanos, happened: Happened, act: &mut (impl FnMut(Act) + ?Sized)) {
        match happened {
            Happened::Connected => {
                if let State::Connecting { .. } = self.state {
                    self.state = State::Encrypting { since: now };
                    act(Act::Encrypt);
                }
            }
            Happened::Encrypted => {
                if let State::Encrypting { .. } = self.state {
                    self.state = State::Upgrading { since: now };
                    act(Act::Upgrade);
                }
            }
            Happened::Upgraded => {
                if let State::Upgrading { .. } = self.state {
                    self.last_data = now;
                    self.last_heartbeat = now;
                    self.subscribe(now, now, 0, act);
                }
            }
            Happened::Confirmed { topic } => {
                if let State::Subscribing { since, sent } = self.state {
                    if let Some(confirmed) = self.confirmed.get_mut(usize::from(topic)) {
                        *confirmed = true;
                    }
                    self.subscribe(now, since, sent, act);
                }
            }
            Happened::Heartbeat => self.last_heartbeat = now,
            // A data frame shows a living socket too.
            Happened::Data => {
                self.last_data = now;
                self.last_heartbeat = now;
                if let State::Asking { live_since, .. } = self.state {
                    self.state = State::Live { since: live_since };
                }
            }
            Happened::Resynced => {
                if let State::Resyncing { .. } = self.state {
                    self.last_data = now;
                    self.state = State::Live { since: now };
                    act(Act::Ready);
                }
            }
            Happened::Agrees => {
                if let State::Asking { live_since, .. } = self.state {
                    // Quiet, not silent: asked again after as long.
                    self.last_data = now;
                    self.state = State::Live { since: live_since };
                }
            }
            Happened::Mute => {
                if self.is_live() {
                    self.fail(now, act);
                }
            }
            Happened::Refused | Happened::Broken => {
                if self.is_open() {
                    self.fail(now, act);
                }
            }
        }
    }

    /// Closes the socket and waits for the next attempt.
    fn fail(&mut self, now: Nanos, act: &mut (impl FnMut(Act) + ?Sized)) {
        if self.is_live() {
            act(Act::Lost);
        }
        act(Act::Close);
        let doubled = self.plan.wait_ns.saturating_mul(1 << self.failures.min(20));
        let wait_ns = doubled.min(self.plan.wait_max_ns);
        self.failures = self.failures.saturating_add(1);
        // Half for certain, half by chance, so that many clients do not come at once.
        let half = wait_ns / 2;
        let chance = i64::try_from(self.roll() % half.unsigned_abs().max(1)).unwrap_or(0);
        let mut until = now.plus(half + chance);
        while self.attempts.front().is_some_and(|attempt| now.since(*attempt) >= HOUR_NS) {
            self.attempts.pop_front();
        }
        let most = usize::from(self.plan.attempts_per_hour);
        if let Some(over) = self.attempts.len().checked_sub(most) {
            let frees = self.attempts.get(over).map_or(until, |attempt| attempt.plus(HOUR_NS));
            until = until.max(frees);
        }
        self.state = State::Waiting { until };
    }

    /// `SplitMix64`.
    const fn roll(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.dice;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests;
