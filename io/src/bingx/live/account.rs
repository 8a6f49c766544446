//! The account's sockets and their keys, driven by their machines. What a frame means is the caller's.

use std::collections::VecDeque;
use std::sync::Arc;

use pinion_core::units::Nanos;
use zeroize::Zeroizing;

use super::super::account_sockets::{AccountSockets, Lane};
use super::super::frame::{Decoder, Frame, PONG, pong_of};
use super::super::listen_key::{KeyCall, ListenKey};
use super::super::session::{Act, Happened, SessionPlan};
use super::super::user::Account;
use super::Notices;
use super::plan::VenuePlan;
use super::socket::happened;
use crate::net::{NetFault, Step, WsLimits, WsLink};

/// Frames of one socket in one poll.
const BUDGET: u32 = 64;
/// A key is replaced on suspicion at most this often.
const SUSPECT_NS: i64 = 5 * Nanos::SECOND;

/// What the sockets ask of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// Read the account by REST, then tell [`Happened::Resynced`].
    Resync(Lane),
    /// Ask by REST whether something was missed, then tell what was found.
    Ask(Lane),
    /// The account stream can be relied on.
    Ready,
    /// It cannot.
    Lost,
}

/// One socket.
#[derive(Debug)]
struct Side {
    link: WsLink,
    decoder: Decoder,
    key: Zeroizing<String>,
    pongs: Vec<String>,
}

/// Both sockets. Owner: the egress stage.
#[derive(Debug)]
pub(super) struct AccountStream {
    sockets: AccountSockets,
    sides: [Side; 2],
    listen: ListenKey,
    newest_key: Zeroizing<String>,
    acts: VecDeque<(Lane, Act)>,
    wants: VecDeque<Want>,
    notices: Notices,
    /// When a key was last replaced because its socket did not serve.
    suspected: Option<Nanos>,
    /// Frames that could not be read.
    pub(super) unreadable: u64,
}

const fn index(lane: Lane) -> usize {
    match lane {
        Lane::A => 0,
        Lane::B => 1,
    }
}

impl AccountStream {
    pub(super) fn new(plan: &VenuePlan, notices: Notices) -> Self {
        let side = || Side {
            link: WsLink::new(Arc::clone(&plan.ws), WsLimits::ACCOUNT, plan.tuning),
            decoder: Decoder::new(),
            key: Zeroizing::default(),
            pongs: Vec::new(),
        };
        // Away from the seeds of the market sockets.
        let seed = plan.seed.wrapping_add(1 << 32);
        Self {
            sockets: AccountSockets::new(plan.session(SessionPlan::account()), seed),
            sides: [side(), side()],
            listen: ListenKey::default(),
            newest_key: Zeroizing::default(),
            acts: VecDeque::with_capacity(16),
            wants: VecDeque::with_capacity(16),
            notices,
            suspected: None,
            unreadable: 0,
        }
    }

    pub(super) const fn is_live(&self) -> bool {
        self.sockets.is_live()
    }

    /// The key to extend, and to end at the close.
    pub(super) fn newest_key(&self) -> &str {
        &self.newest_key
    }

    /// What must be sent about keys.
    pub(super) fn key_call(&mut self, now: Nanos) -> Option<KeyCall> {
        self.listen.poll(now)
    }

    /// A key was made: a socket with it comes up beside the one that runs.
    pub(super) fn on_created(&mut self, now: Nanos, key: &str) {
        let number = self.listen.on_created(now);
        self.newest_key = Zeroizing::new(key.to_owned());
        let Self { sockets, acts, .. } = self;
        sockets.on_key(now, number, &mut |lane, act| acts.push_back((lane, act)));
        for lane in [Lane::A, Lane::B] {
            if self.sockets.key(lane) == number {
                self.sides[index(lane)].key = Zeroizing::new(key.to_owned());
            }
        }
        self.act(now);
    }

    pub(super) fn on_extended(&mut self) {
        self.listen.on_extended();
    }

    pub(super) fn on_key_failed(&mut self, now: Nanos) {
        self.listen.on_failed(now);
    }

    /// The venue does not know the newest key any more.
    pub(super) fn on_key_denied(&mut self, now: Nanos) {
        if let Some(number) = self.listen.number() {
            self.key_gone(now, number);
        }
    }

    fn key_gone(&mut self, now: Nanos, number: u32) {
        self.listen.on_gone(number);
        let Self { sockets, acts, .. } = self;
        sockets.on_key_gone(number, &mut |lane, act| acts.push_back((lane, act)));
        self.act(now);
    }

    /// Something that the caller found out for a socket.
    pub(super) fn on(&mut self, now: Nanos, lane: Lane, happened: Happened) {
        if happened == Happened::Mute {
            // A socket with a key that ended stays open and tells nothing.
            self.suspect(now, lane);
        }
        self.tell(now, lane, happened);
        self.act(now);
    }

    /// What the sockets ask for, oldest first.
    pub(super) fn next_want(&mut self) -> Option<Want> {
        self.wants.pop_front()
    }

    /// Goes on with both sockets and hands out the frames; how many there were.
    pub(super) fn poll(&mut self, now: Nanos, take: &mut dyn FnMut(&Account<'_>)) -> u32 {
        let Self { sockets, acts, .. } = self;
        sockets.poll(now, &mut |lane, act| acts.push_back((lane, act)));
        self.act(now);
        let mut frames = 0;
        for lane in [Lane::A, Lane::B] {
            match self.sides[index(lane)].link.poll() {
                Ok(Some(step)) => self.tell(now, lane, happened(step)),
                Ok(None) => {}
                Err(fault) => self.broken(now, lane, &fault),
            }
            self.act(now);
            frames += self.read(now, lane, take);
            self.act(now);
        }
        frames
    }

    fn tell(&mut self, now: Nanos, lane: Lane, happened: Happened) {
        let Self { sockets, acts, .. } = self;
        sockets.on(now, lane, happened, &mut |lane, act| acts.push_back((lane, act)));
    }

    fn broken(&mut self, now: Nanos, lane: Lane, fault: &NetFault) {
        self.notices.say(format!("account socket: {fault}"));
        if fault.step == Step::Upgrade {
            // A key that ended while nobody listened is refused here, and nowhere else.
            self.suspect(now, lane);
        }
        self.tell(now, lane, Happened::Broken);
    }

    /// Has the key of a socket replaced, unless that was done just before.
    fn suspect(&mut self, now: Nanos, lane: Lane) {
        let was_just_done = self.suspected.is_some_and(|at| now.since(at) < SUSPECT_NS);
        if !was_just_done {
            self.suspected = Some(now);
            self.listen.on_gone(self.sockets.key(lane));
        }
    }

    fn act(&mut self, now: Nanos) {
        while let Some((lane, act)) = self.acts.pop_front() {
            let side = &mut self.sides[index(lane)];
            let done = match act {
                Act::Connect => side.link.connect().map(|()| None),
                Act::Encrypt => side.link.encrypt().map(|()| None),
                Act::Upgrade => {
                    let query = Zeroizing::new(format!("listenKey={}", side.key.as_str()));
                    side.link.upgrade(&query).map(|step| step.map(happened))
                }
                Act::Close => {
                    side.link.close();
                    Ok(None)
                }
                Act::Resync => {
                    self.wants.push_back(Want::Resync(lane));
                    Ok(None)
                }
                Act::Ask => {
                    self.wants.push_back(Want::Ask(lane));
                    Ok(None)
                }
                Act::Ready => {
                    self.notices.say("account socket: live".to_owned());
                    self.wants.push_back(Want::Ready);
                    Ok(None)
                }
                Act::Lost => {
                    self.notices
                        .say("account socket: lost; no entries until it is back".to_owned());
                    self.wants.push_back(Want::Lost);
                    Ok(None)
                }
                // An account socket has no topics.
                Act::Subscribe { .. } => Ok(None),
            };
            match done {
                Ok(Some(happened)) => self.tell(now, lane, happened),
                Ok(None) => {}
                Err(fault) => self.broken(now, lane, &fault),
            }
        }
    }

    fn read(&mut self, now: Nanos, lane: Lane, take: &mut dyn FnMut(&Account<'_>)) -> u32 {
        let Side { link, decoder, pongs, .. } = &mut self.sides[index(lane)];
        let (mut data, mut beats, mut expired, mut unreadable) = (0u32, 0u32, false, 0);
        let drained = link.drain(BUDGET, &mut |bytes| match decoder.decode(bytes) {
            Ok(Frame::Ping) => {
                beats += 1;
                pongs.push(PONG.to_owned());
            }
            Ok(Frame::PingId { id, time }) => {
                beats += 1;
                pongs.push(pong_of(id, time));
            }
            Ok(Frame::Account(account)) => {
                match account {
                    Account::KeyExpired { .. } => expired = true,
                    // Pushed every few seconds whatever happens: they prove that the socket lives, not
                    // that it tells.
                    Account::Config(_) | Account::Unknown => beats += 1,
                    Account::Order(_) | Account::Update(_) => data += 1,
                }
                take(&account);
            }
            Ok(Frame::Answer(_) | Frame::Market(_) | Frame::Unknown) => {}
            Err(_) => unreadable += 1,
        });
        self.unreadable += unreadable;
        let side = &mut self.sides[index(lane)];
        let mut pongs = std::mem::take(&mut side.pongs);
        let answered = pongs.drain(..).try_for_each(|pong| side.link.send(&pong));
        side.pongs = pongs;
        if beats > 0 {
            self.tell(now, lane, Happened::Heartbeat);
        }
        if data > 0 {
            self.tell(now, lane, Happened::Data);
        }
        if unreadable > 0 {
            // A frame that cannot be read may have told a fill: only REST knows now.
            self.notices
                .say("account socket: a frame cannot be read; the account is read anew".into());
            self.tell(now, lane, Happened::Broken);
        } else if expired {
            let number = self.sockets.key(lane);
            self.key_gone(now, number);
        }
        match drained.and_then(|drained| answered.map(|()| drained)) {
            Ok(drained) => drained.messages,
            Err(fault) => {
                self.broken(now, lane, &fault);
                data + beats
            }
        }
    }

    /// Closes both sockets: an end that is wanted is no loss.
    pub(super) fn stop(&mut self) {
        for lane in [Lane::A, Lane::B] {
            let number = self.sockets.key(lane);
            self.sockets.on_key_gone(number, &mut |_, _| {});
            self.sides[index(lane)].link.close();
        }
        self.acts.clear();
    }
}
