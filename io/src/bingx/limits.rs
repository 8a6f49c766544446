//! How many calls may leave: the venue's own counters, kept on our side, with a reserve for what reduces
//! risk.
//!
//! A counter remembers when its calls left instead of refilling a bucket: with `n` calls allowed in a window,
//! no window of that length ever holds more than `n`, wherever it begins. Windows are a tenth longer than the
//! venue's, because calls do not travel equally fast. Cancels, exits and the dead-man timer may use all of
//! a counter; entries leave a fifth, questions two fifths.

use std::collections::VecDeque;

use pinion_core::units::Nanos;

use super::endpoint::{Endpoint, Group};
use super::errors::{ErrorClass, Judged};

/// An endpoint that was told "too many" without a time is left alone for this long.
pub const LOCK_NS: i64 = 300 * Nanos::SECOND;

pinion_core::text_enum! {
    /// What a call is for.
    pub enum Priority {
        /// Cancels, exits, the dead-man timer: never held back for others.
        Exit => "exit",
        /// Orders that increase risk.
        Entry => "entry",
        /// Questions.
        Query => "query",
    }
}

impl Priority {
    /// Calls of this kind that fit where `most` fit in all: whoever comes later leaves room.
    const fn share(self, most: usize) -> usize {
        let kept = match self {
            Self::Exit => 0,
            Self::Entry => most.div_ceil(5),
            Self::Query => (2 * most).div_ceil(5),
        };
        most.saturating_sub(kept)
    }
}

/// Calls of the last while. Allocated once.
#[derive(Clone, Debug)]
struct Window {
    length_ns: i64,
    most: usize,
    left: VecDeque<Nanos>,
}

impl Window {
    fn new(seconds: i64, most: u32) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let length_ns = seconds * Nanos::SECOND / 10 * 11;
        Self { length_ns, most, left: VecDeque::with_capacity(most) }
    }

    /// When a call fits that may use the first `share` places; `now` when it fits now.
    fn free_at(&mut self, now: Nanos, share: usize) -> Nanos {
        while self.left.front().is_some_and(|left| now.since(*left) >= self.length_ns) {
            self.left.pop_front();
        }
        if self.left.len() < share {
            return now;
        }
        // As many as are too many must first fall out.
        let last = self.left.len() - share;
        self.left.get(last).map_or(now, |left| left.plus(self.length_ns))
    }

    fn note(&mut self, now: Nanos) {
        if self.left.len() == self.most {
            self.left.pop_front();
        }
        self.left.push_back(now);
    }
}

/// What the venue's headers said last.
#[derive(Clone, Copy, Debug)]
struct Told {
    remain: u32,
    until: Nanos,
}

/// One endpoint's counter.
#[derive(Clone, Debug)]
struct Counter {
    second: Window,
    ten_seconds: Window,
    locked_until: Nanos,
    told: Option<Told>,
}

/// All counters of one key. Pure; time comes in. Owner: the stage that sends, shared by all callers, so that
/// nobody spends what another counted on.
#[derive(Clone, Debug)]
pub struct Limits {
    counters: Vec<Counter>,
    market: [Window; 2],
    account: Window,
    /// The address is banned until then.
    banned_until: Nanos,
    refused: u64,
}

impl Default for Limits {
    fn default() -> Self {
        /// Calls in ten seconds that the venue allows one address on one endpoint of the account.
        const ENDPOINT: u32 = 300;
        let counter = |endpoint: &Endpoint| Counter {
            second: Window::new(1, endpoint.per_second()),
            ten_seconds: Window::new(10, ENDPOINT),
            locked_until: Nanos::ZERO,
            told: None,
        };
        Self {
            counters: Endpoint::ALL.iter().map(counter).collect(),
            market: [Window::new(10, 500), Window::new(60, 1000)],
            account: Window::new(10, 2000),
            banned_until: Nanos::ZERO,
            refused: 0,
        }
    }
}

impl Limits {
    /// Takes a place for a call that leaves at once.
    ///
    /// # Errors
    /// The earliest time at which it is worth asking again; nothing was taken.
    pub fn take(
        &mut self,
        now: Nanos,
        endpoint: Endpoint,
        priority: Priority,
    ) -> Result<(), Nanos> {
        let Self { counters, market, account, banned_until, refused } = self;
        let Some(counter) = counters.get_mut(usize::from(endpoint.code())) else {
            return Err(Nanos::MAX);
        };
        let mut free_at = now.max(*banned_until).max(counter.locked_until);
        if counter.told.is_some_and(|told| now >= told.until) {
            counter.told = None;
        }
        if let Some(told) = counter.told {
            let remain = usize::try_from(told.remain).unwrap_or(usize::MAX);
            // What must stay of the venue's own count for those that come before.
            let kept = counter.second.most - priority.share(counter.second.most);
            if remain <= kept {
                free_at = free_at.max(told.until);
            }
        }
        let groups: &mut [Window] = match endpoint.group() {
            Group::Market => market,
            Group::Account => core::slice::from_mut(account),
        };
        // Only placing is shared by exits and entries; on the others the whole second is theirs.
        let own = if endpoint == Endpoint::Place {
            priority.share(counter.second.most)
        } else {
            counter.second.most
        };
        free_at = free_at.max(counter.second.free_at(now, own));
        let share = priority.share(counter.ten_seconds.most);
        free_at = free_at.max(counter.ten_seconds.free_at(now, share));
        for window in groups.iter_mut() {
            let share = priority.share(window.most);
            free_at = free_at.max(window.free_at(now, share));
        }
        if free_at > now {
            *refused += 1;
            return Err(free_at);
        }
        counter.second.note(now);
        counter.ten_seconds.note(now);
        groups.iter_mut().for_each(|window| window.note(now));
        if let Some(told) = &mut counter.told {
            told.remain = told.remain.saturating_sub(1);
        }
        Ok(())
    }

    /// The venue's headers on an answer: calls that remain, and when their window ends (our time).
    pub fn told(&mut self, endpoint: Endpoint, remain: u32, until: Nanos) {
        if let Some(counter) = self.counters.get_mut(usize::from(endpoint.code())) {
            counter.told = Some(Told { remain, until });
        }
    }

    /// An answer was judged. `retry_at` is the time in its text, moved to our clock.
    pub fn judged(
        &mut self,
        now: Nanos,
        endpoint: Endpoint,
        http_status: u16,
        judged: Judged,
        retry_at: Option<Nanos>,
    ) {
        if judged.class != ErrorClass::RateLimit {
            return;
        }
        let until = retry_at.filter(|at| *at > now).unwrap_or_else(|| now.plus(LOCK_NS));
        // 418 bans the address, 403 is the firewall in front of everything.
        if matches!(http_status, 418 | 403) {
            self.banned_until = self.banned_until.max(until);
        } else if let Some(counter) = self.counters.get_mut(usize::from(endpoint.code())) {
            counter.locked_until = counter.locked_until.max(until);
        }
    }

    /// Until when an endpoint is closed by the venue; `None` when it is open.
    #[must_use]
    pub fn closed_until(&self, now: Nanos, endpoint: Endpoint) -> Option<Nanos> {
        let counter = self.counters.get(usize::from(endpoint.code()))?;
        Some(self.banned_until.max(counter.locked_until)).filter(|until| *until > now)
    }

    /// Calls that were held back.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bingx::errors::judge;
    use proptest::prelude::*;

    const fn at(ms: i64) -> Nanos {
        Nanos::new(1_000_000_000_000 + ms * 1_000_000)
    }

    #[test]
    fn entries_leave_room_for_exits() {
        let mut limits = Limits::default();
        let mut entries = 0;
        while limits.take(at(0), Endpoint::Place, Priority::Entry).is_ok() {
            entries += 1;
        }
        assert_eq!(entries, 8);
        for _ in 0..2 {
            assert_eq!(limits.take(at(0), Endpoint::Place, Priority::Exit), Ok(()));
        }
        let full = limits.take(at(0), Endpoint::Place, Priority::Exit);
        assert_eq!(full, Err(at(1_100)), "the venue's own bound");
        assert_eq!(limits.take(at(0), Endpoint::Cancel, Priority::Exit), Ok(()), "each its own");
        assert_eq!(limits.take(at(1_100), Endpoint::Place, Priority::Entry), Ok(()));
        assert_eq!(limits.refused(), 2);
    }

    #[test]
    fn a_closed_endpoint_stays_closed_until_the_time_in_the_text() {
        let mut limits = Limits::default();
        let judged = judge(200, Some(100_410), "");
        limits.judged(at(0), Endpoint::Order, 200, judged, Some(at(7_000)));
        assert_eq!(limits.take(at(10), Endpoint::Order, Priority::Exit), Err(at(7_000)));
        assert_eq!(limits.take(at(10), Endpoint::Cancel, Priority::Exit), Ok(()));
        assert_eq!(limits.closed_until(at(10), Endpoint::Order), Some(at(7_000)));
        assert_eq!(limits.take(at(7_000), Endpoint::Order, Priority::Query), Ok(()));
        limits.judged(at(8_000), Endpoint::Order, 429, judge(429, None, ""), None);
        assert_eq!(limits.closed_until(at(8_000), Endpoint::Order), Some(at(308_000)));
        limits.judged(at(8_000), Endpoint::Order, 418, judge(418, None, ""), None);
        assert_eq!(limits.take(at(8_001), Endpoint::Cancel, Priority::Exit), Err(at(308_000)));
        let other = judge(200, Some(101_204), "");
        limits.judged(at(8_000), Endpoint::Leverage, 200, other, Some(at(9_000_000)));
        assert_eq!(limits.closed_until(at(308_000), Endpoint::Leverage), None);
    }

    #[test]
    fn what_the_headers_leave_goes_to_exits_first() {
        let mut limits = Limits::default();
        limits.told(Endpoint::Place, 3, at(5_000));
        assert_eq!(limits.take(at(0), Endpoint::Place, Priority::Entry), Ok(()));
        assert_eq!(limits.take(at(0), Endpoint::Place, Priority::Entry), Err(at(5_000)));
        assert_eq!(limits.take(at(0), Endpoint::Place, Priority::Exit), Ok(()));
        assert_eq!(limits.take(at(0), Endpoint::Place, Priority::Exit), Ok(()));
        assert_eq!(limits.take(at(0), Endpoint::Place, Priority::Exit), Err(at(5_000)));
        assert_eq!(limits.take(at(5_000), Endpoint::Place, Priority::Entry), Ok(()));
    }

    fn any_call() -> impl Strategy<Value = (i64, usize, usize)> {
        (0i64..400, 0..Endpoint::ALL.len(), 0..Priority::ALL.len())
    }

    proptest! {
        /// Whatever is asked for, no second holds more calls of an endpoint than the venue allows, and a
        /// call that was told a time fits then if nobody else came.
        #[test]
        fn no_window_ever_holds_more_than_the_venue_allows(
            calls in proptest::collection::vec(any_call(), 1..400),
        ) {
            let mut limits = Limits::default();
            let mut now = 0;
            let mut sent: Vec<(i64, Endpoint)> = Vec::new();
            for (wait, endpoint, priority) in calls {
                now += wait / 10;
                let (endpoint, priority) = (Endpoint::ALL[endpoint], Priority::ALL[priority]);
                match limits.clone().take(at(now), endpoint, priority) {
                    Ok(()) => {
                        let _taken = limits.take(at(now), endpoint, priority);
                        sent.push((now, endpoint));
                    }
                    Err(free_at) => {
                        prop_assert!(free_at > at(now));
                        prop_assert_eq!(limits.clone().take(free_at, endpoint, priority), Ok(()));
                    }
                }
            }
            for (from, endpoint) in &sent {
                let inside = |(time, other): &&(i64, Endpoint)| {
                    other == endpoint && (*from..from + 1_000).contains(time)
                };
                let count = sent.iter().filter(inside).count();
                prop_assert!(count <= endpoint.per_second() as usize, "{:?}: {}", endpoint, count);
            }
        }
    }
}
