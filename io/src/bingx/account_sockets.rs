//! The account's sockets: one at a time, two while a listen key is replaced.
//!
//! Two sockets with one key each get a part of the events, so each socket has a key of its own, and the older
//! one is closed when the newer can be relied on. Until then both are read; a fill that both tell counts once,
//! because [`Fills`](super::Fills) is shared.

use pinion_core::units::Nanos;

use super::session::{Act, Happened, Session, SessionPlan};

/// One of the two sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// The first.
    A,
    /// The second.
    B,
}

impl Lane {
    const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::A => 0,
            Self::B => 1,
        }
    }
}

/// A socket and the number of its key; 0 before the first.
#[derive(Clone, Debug)]
struct Socket {
    session: Session,
    key: u32,
}

/// Both sockets. Pure; time comes in.
///
/// [`Act::Ready`] and [`Act::Lost`] tell of the account as a whole: ready when the first socket is, lost when
/// the last one is.
#[derive(Clone, Debug)]
pub struct AccountSockets {
    sockets: [Socket; 2],
    newest: Lane,
    is_live: bool,
}

impl AccountSockets {
    /// Two stopped sockets.
    #[must_use]
    pub fn new(plan: SessionPlan, seed: u64) -> Self {
        let socket = |seed| Socket { session: Session::new(plan, seed), key: 0 };
        Self {
            sockets: [socket(seed), socket(seed.wrapping_add(1))],
            newest: Lane::B,
            is_live: false,
        }
    }

    /// Number of the key that a socket connects with.
    #[must_use]
    pub const fn key(&self, lane: Lane) -> u32 {
        self.sockets[lane.index()].key
    }

    /// True while the account stream can be relied on.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.is_live
    }

    /// A key was made: a socket with it is started beside the one that runs.
    pub fn on_key(&mut self, now: Nanos, number: u32, act: &mut impl FnMut(Lane, Act)) {
        let lane = self.newest.other();
        self.newest = lane;
        // One that never came up gives its place.
        self.with(lane, act, |socket, act| {
            socket.session.stop(act);
            socket.key = number;
            socket.session.start(now);
        });
    }

    /// A key is over: its socket is deaf, even if it stays open.
    pub fn on_key_gone(&mut self, number: u32, act: &mut impl FnMut(Lane, Act)) {
        for lane in [Lane::A, Lane::B] {
            if self.key(lane) == number {
                self.with(lane, act, |socket, act| socket.session.stop(act));
            }
        }
    }

    /// Time passed.
    pub fn poll(&mut self, now: Nanos, act: &mut impl FnMut(Lane, Act)) {
        for lane in [Lane::A, Lane::B] {
            self.with(lane, act, |socket, act| socket.session.poll(now, act));
        }
    }

    /// Something happened on a socket.
    pub fn on(
        &mut self,
        now: Nanos,
        lane: Lane,
        happened: Happened,
        act: &mut impl FnMut(Lane, Act),
    ) {
        self.with(lane, act, |socket, act| socket.session.on(now, happened, act));
        let is_newest = lane == self.newest;
        if is_newest && self.sockets[lane.index()].session.is_live() {
            self.with(lane.other(), act, |socket, act| socket.session.stop(act));
        }
    }

    /// Lets one socket act, and tells of the account as a whole.
    fn with(
        &mut self,
        lane: Lane,
        act: &mut impl FnMut(Lane, Act),
        what: impl FnOnce(&mut Socket, &mut dyn FnMut(Act)),
    ) {
        what(&mut self.sockets[lane.index()], &mut |of| match of {
            Act::Ready | Act::Lost => {}
            Act::Connect
            | Act::Encrypt
            | Act::Upgrade
            | Act::Subscribe { .. }
            | Act::Resync
            | Act::Ask
            | Act::Close => act(lane, of),
        });
        let is_live = self.sockets.iter().any(|socket| socket.session.is_live());
        match (self.is_live, is_live) {
            (false, true) => act(lane, Act::Ready),
            (true, false) => act(lane, Act::Lost),
            (false, false) | (true, true) => {}
        }
        self.is_live = is_live;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Nanos = Nanos::new(1_000_000_000_000);

    /// Does what is asked for until nothing is, as a venue that always answers would.
    fn settle(sockets: &mut AccountSockets, first: Vec<(Lane, Act)>) -> Vec<(Lane, Act)> {
        let mut told = Vec::new();
        let mut open = first;
        sockets.poll(NOW, &mut |lane, act| open.push((lane, act)));
        while !open.is_empty() {
            let mut next = Vec::new();
            for (lane, act) in open.drain(..) {
                let happened = match act {
                    Act::Connect => Happened::Connected,
                    Act::Encrypt => Happened::Encrypted,
                    Act::Upgrade => Happened::Upgraded,
                    Act::Resync => Happened::Resynced,
                    Act::Subscribe { .. } => panic!("an account socket sends nothing"),
                    Act::Ready | Act::Lost | Act::Ask | Act::Close => {
                        told.push((lane, act));
                        continue;
                    }
                };
                sockets.on(NOW, lane, happened, &mut |lane, act| next.push((lane, act)));
            }
            sockets.poll(NOW, &mut |lane, act| next.push((lane, act)));
            open = next;
        }
        told
    }

    fn with_key(sockets: &mut AccountSockets, number: u32) -> Vec<(Lane, Act)> {
        let mut acts = Vec::new();
        sockets.on_key(NOW, number, &mut |lane, act| acts.push((lane, act)));
        settle(sockets, acts)
    }

    #[test]
    fn a_key_is_replaced_without_a_deaf_moment() {
        let mut sockets = AccountSockets::new(SessionPlan::account(), 7);
        assert_eq!(with_key(&mut sockets, 1), [(Lane::A, Act::Ready)]);
        assert_eq!(with_key(&mut sockets, 2), [(Lane::A, Act::Close)]);
        assert!(sockets.is_live());
        assert_eq!((sockets.key(Lane::A), sockets.key(Lane::B)), (1, 2));
        assert_eq!(with_key(&mut sockets, 3), [(Lane::B, Act::Close)]);
    }

    #[test]
    fn a_key_that_is_over_makes_its_socket_deaf_at_once() {
        let mut sockets = AccountSockets::new(SessionPlan::account(), 7);
        let _told = with_key(&mut sockets, 1);
        let mut acts = Vec::new();
        sockets.on_key_gone(1, &mut |lane, act| acts.push((lane, act)));
        assert_eq!(acts, [(Lane::A, Act::Close), (Lane::A, Act::Lost)]);
        let mut again = Vec::new();
        sockets.on_key_gone(1, &mut |lane, act| again.push((lane, act)));
        sockets.poll(NOW, &mut |lane, act| again.push((lane, act)));
        assert_eq!(again, [], "told twice, and nothing to connect with");
        assert_eq!(with_key(&mut sockets, 2), [(Lane::B, Act::Ready)]);
    }

    #[test]
    fn the_old_socket_serves_until_the_new_one_can() {
        let mut sockets = AccountSockets::new(SessionPlan::account(), 7);
        let _told = with_key(&mut sockets, 1);
        let mut acts = Vec::new();
        sockets.on_key(NOW, 2, &mut |lane, act| acts.push((lane, act)));
        sockets.poll(NOW, &mut |lane, act| acts.push((lane, act)));
        assert_eq!(acts, [(Lane::B, Act::Connect)]);
        sockets.on(NOW, Lane::B, Happened::Broken, &mut |lane, act| acts.push((lane, act)));
        assert_eq!(acts, [(Lane::B, Act::Connect), (Lane::B, Act::Close)]);
        assert!(sockets.is_live());
    }
}
