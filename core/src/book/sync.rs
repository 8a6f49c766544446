//! When may a change of the book be applied: the update-id chain.
//!
//! The rules are Binance's (futures: each `pu` is the `u` before it; spot: each `U` is the `u` before it
//! plus one), in terms of numbers only. Nothing is kept here: a snapshot is asked for while changes already
//! arrive, so the caller keeps those and hands them over after it.

/// Ids of one depth change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiffIds {
    /// First update in it (`U`).
    pub first: u64,
    /// Last update in it (`u`).
    pub last: u64,
    /// Last update of the change before it (`pu`); futures only, and what tells them from spot.
    pub previous: Option<u64>,
}

/// What to do with a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Apply it.
    Apply,
    /// Leave it out: there is no snapshot yet, or the snapshot already holds it.
    Drop,
    /// Updates are missing before it: the book is unusable until the next snapshot, which this change
    /// may continue.
    Break,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No usable book.
    AwaitingSnapshot,
    /// A snapshot, and no change applied to it yet.
    AwaitingFirst,
    /// In step.
    Live,
}

/// The update-id chain of one book. Counts since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepthSync {
    state: State,
    last: u64,
    applied: u64,
    dropped: u64,
    breaks: u64,
}

impl Default for DepthSync {
    fn default() -> Self {
        Self { state: State::AwaitingSnapshot, last: 0, applied: 0, dropped: 0, breaks: 0 }
    }
}

impl DepthSync {
    /// A snapshot arrived: the book is exactly what it says, up to update `last`.
    pub const fn snapshot(&mut self, last: u64) {
        self.state = State::AwaitingFirst;
        self.last = last;
    }

    /// Judges one change and moves on.
    pub const fn diff(&mut self, ids: DiffIds) -> Verdict {
        let verdict = match self.state {
            State::AwaitingSnapshot => Verdict::Drop,
            State::AwaitingFirst => self.first(ids),
            State::Live => {
                let follows = match ids.previous {
                    Some(previous) => previous == self.last,
                    None => ids.first == self.last.saturating_add(1),
                };
                if follows { Verdict::Apply } else { Verdict::Break }
            }
        };
        match verdict {
            Verdict::Apply => {
                self.state = State::Live;
                self.last = ids.last;
                self.applied += 1;
            }
            Verdict::Drop => self.dropped += 1,
            Verdict::Break => self.lost(),
        }
        verdict
    }

    /// The first change after a snapshot: it must reach across the snapshot's id or continue it exactly.
    const fn first(&self, ids: DiffIds) -> Verdict {
        let (old, joins) = match ids.previous {
            Some(previous) => {
                (ids.last < self.last, ids.first <= self.last || previous == self.last)
            }
            None => (ids.last <= self.last, ids.first <= self.last.saturating_add(1)),
        };
        match (old, joins) {
            (true, _) => Verdict::Drop,
            (false, true) => Verdict::Apply,
            (false, false) => Verdict::Break,
        }
    }

    /// An update of this book was lost or made no sense: unusable until the next snapshot. Counts as a
    /// break when the book was usable.
    pub const fn lost(&mut self) {
        if self.is_usable() {
            self.state = State::AwaitingSnapshot;
            self.breaks += 1;
        }
    }

    /// True from a snapshot until something is lost.
    #[must_use]
    pub const fn is_usable(&self) -> bool {
        !matches!(self.state, State::AwaitingSnapshot)
    }

    /// Id of the last update in the book; `None` before the first snapshot.
    #[must_use]
    pub const fn last(&self) -> Option<u64> {
        if self.last == 0 { None } else { Some(self.last) }
    }

    /// Changes applied.
    #[must_use]
    pub const fn applied(&self) -> u64 {
        self.applied
    }

    /// Changes left out: before a snapshot, or already in it.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Times at which updates were missing.
    #[must_use]
    pub const fn breaks(&self) -> u64 {
        self.breaks
    }
}
