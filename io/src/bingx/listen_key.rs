//! The listen key: made, kept alive, replaced before it ends.
//!
//! A key lasts an hour from its making or its last extension. It is extended every half hour; a denial, the
//! venue's word that it expired, or its age ask for a new one. However many reasons come at once, one making
//! is under way.

use pinion_core::units::Nanos;

/// Between extensions.
const EXTEND_NS: i64 = 30 * 60 * Nanos::SECOND;
/// A key that could not be extended for this long is over.
const LIFE_NS: i64 = 60 * 60 * Nanos::SECOND;
/// A key is replaced after this, while the old one still works.
const REPLACE_NS: i64 = (24 * 60 - 10) * 60 * Nanos::SECOND;
/// First wait after a failure.
const RETRY_NS: i64 = Nanos::SECOND;
/// Longest wait after failures.
const RETRY_MAX_NS: i64 = 60 * Nanos::SECOND;
/// An answer is waited for this long.
const ANSWER_NS: i64 = 10 * Nanos::SECOND;

/// What must be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyCall {
    /// Make a key.
    Create,
    /// Keep the current one alive.
    Extend,
}

/// The key in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    number: u32,
    made: Nanos,
    extended: Nanos,
}

/// The life of listen keys, by number: the texts are the caller's. Pure; time comes in.
#[derive(Clone, Debug, Default)]
pub struct ListenKey {
    held: Option<Held>,
    made: u32,
    /// A new key is needed, whatever the current one says.
    is_spent: bool,
    sent: Option<(KeyCall, Nanos)>,
    not_before: Nanos,
    failures: u32,
}

impl ListenKey {
    /// What must be sent now.
    pub fn poll(&mut self, now: Nanos) -> Option<KeyCall> {
        if let Some((_, at)) = self.sent {
            if now.since(at) < ANSWER_NS {
                return None;
            }
            self.on_failed(now);
        }
        if now < self.not_before {
            return None;
        }
        let call = match self.held {
            None => KeyCall::Create,
            Some(_) if self.is_spent => KeyCall::Create,
            Some(held) if now.since(held.extended) >= LIFE_NS => KeyCall::Create,
            Some(held) if now.since(held.made) >= REPLACE_NS => KeyCall::Create,
            Some(held) if now.since(held.extended) >= EXTEND_NS => KeyCall::Extend,
            Some(_) => return None,
        };
        self.sent = Some((call, now));
        Some(call)
    }

    /// A key was made; gives its number. It counts from when the call left.
    pub fn on_created(&mut self, now: Nanos) -> u32 {
        let at = self.sent.take().map_or(now, |(_, at)| at);
        self.made += 1;
        self.held = Some(Held { number: self.made, made: at, extended: at });
        self.is_spent = false;
        self.failures = 0;
        self.made
    }

    /// The key was extended.
    pub fn on_extended(&mut self) {
        let Some((KeyCall::Extend, at)) = self.sent else { return };
        self.sent = None;
        self.failures = 0;
        if let Some(held) = &mut self.held {
            held.extended = at;
        }
    }

    /// The call under way failed, or was not answered.
    pub fn on_failed(&mut self, now: Nanos) {
        if self.sent.take().is_none() {
            return;
        }
        let wait_ns = RETRY_NS << self.failures.min(6);
        self.failures = self.failures.saturating_add(1);
        self.not_before = now.plus(wait_ns.min(RETRY_MAX_NS));
    }

    /// The venue does not know the key any more (404), or says that it expired. `number` is that of the key
    /// it is about: news of an older one mean nothing.
    pub fn on_gone(&mut self, number: u32) {
        if self.held.is_none_or(|held| held.number != number) {
            return;
        }
        self.is_spent = true;
        if matches!(self.sent, Some((KeyCall::Extend, _))) {
            self.sent = None;
        }
    }

    /// The number of the newest key; `None` before the first.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        self.held.map(|held| held.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(minutes: i64) -> Nanos {
        Nanos::new((1_000 + minutes) * 60 * Nanos::SECOND)
    }

    #[test]
    fn it_is_extended_every_half_hour_and_replaced_within_a_day() {
        let mut key = ListenKey::default();
        assert_eq!(key.poll(at(0)), Some(KeyCall::Create));
        assert_eq!(key.poll(at(0)), None, "one under way");
        assert_eq!(key.on_created(at(0)), 1);
        let mut extended = 0;
        for minute in 0..(24 * 60 - 10) {
            if let Some(call) = key.poll(at(minute)) {
                assert_eq!((call, minute % 30), (KeyCall::Extend, 0));
                key.on_extended();
                extended += 1;
            }
        }
        assert_eq!(extended, 47);
        assert_eq!(key.poll(at(24 * 60 - 10)), Some(KeyCall::Create));
        assert_eq!(key.number(), Some(1), "the old one is used until there is a new one");
        assert_eq!(key.on_created(at(24 * 60 - 10)), 2);
    }

    #[test]
    fn two_reasons_at_once_make_one_key() {
        let mut key = ListenKey::default();
        assert_eq!(key.poll(at(0)), Some(KeyCall::Create));
        key.on_created(at(0));
        assert_eq!(key.poll(at(30)), Some(KeyCall::Extend));
        key.on_gone(1);
        key.on_gone(1);
        assert_eq!(key.poll(at(30)), Some(KeyCall::Create));
        key.on_gone(1);
        assert_eq!(key.poll(at(30)), None);
        assert_eq!(key.on_created(at(30)), 2);
        key.on_gone(1);
        assert_eq!(key.poll(at(31)), None, "the old key's end is no news");
    }

    #[test]
    fn failures_wait_longer_and_a_key_that_was_not_extended_is_over() {
        let mut key = ListenKey::default();
        assert_eq!(key.poll(at(0)), Some(KeyCall::Create));
        key.on_created(at(0));
        let (mut calls, mut now) = (0, at(30));
        while now < at(60) {
            if key.poll(now) == Some(KeyCall::Extend) {
                calls += 1;
                key.on_failed(now);
            }
            now = now.plus(Nanos::SECOND);
        }
        assert!((25..40).contains(&calls), "{calls}");
        // Whatever wait is left, the next call makes a new key.
        assert_eq!(key.poll(at(62)), Some(KeyCall::Create));
        // Not answered: counts as failed.
        assert_eq!(key.poll(at(62).plus(9 * Nanos::SECOND)), None);
        let later = at(62).plus(120 * Nanos::SECOND);
        let _timed_out = key.poll(later);
        assert_eq!(key.poll(later.plus(61 * Nanos::SECOND)), Some(KeyCall::Create));
    }
}
