//! Several warm HTTP connections to one peer, so that a cancel does not wait behind a question.

use std::sync::Arc;

use pinion_core::units::Nanos;

use super::conn::{Traffic, Tuning};
use super::fault::NetFault;
use super::http::{Answer, HttpEvent, HttpLink, Outgoing};
use super::peer::Peer;

/// What came of a request.
#[derive(Debug)]
pub struct PoolEvent<T> {
    /// What was given with the request.
    pub tag: T,
    /// Which connection has the answer: for [`HttpPool::answer`].
    pub line: usize,
    /// What happened.
    pub event: HttpEvent,
}

#[derive(Debug)]
struct Line<T> {
    link: HttpLink,
    tag: Option<T>,
}

/// Warm connections. Owner: the stage that polls them. Allocated once, but for the buffers of each.
#[derive(Debug)]
pub struct HttpPool<T> {
    lines: Vec<Line<T>>,
    next: usize,
    last_fault: Option<NetFault>,
}

impl<T> HttpPool<T> {
    /// So many connections (at least one), opened by the first polls.
    #[must_use]
    pub fn new(peer: &Arc<Peer>, connections: usize, timeout_ns: i64, tuning: Tuning) -> Self {
        let line = || Line { link: HttpLink::new(Arc::clone(peer), timeout_ns, tuning), tag: None };
        Self {
            lines: std::iter::repeat_with(line).take(connections.max(1)).collect(),
            next: 0,
            last_fault: None,
        }
    }

    /// Connections that could take a request now.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.lines.iter().filter(|line| line.link.is_ready()).count()
    }

    /// Requests that wait for their answer.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lines.iter().filter(|line| line.link.is_waiting()).count()
    }

    /// System calls of the connections that stand, together.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.lines.iter().map(|line| line.link.traffic()).sum()
    }

    /// Why a connection was lost last, told once.
    pub const fn take_fault(&mut self) -> Option<NetFault> {
        self.last_fault.take()
    }

    /// Sends on a connection that is ready, at once; gives the tag back when none is: nothing was sent.
    #[must_use]
    pub fn send(&mut self, now: Nanos, request: &Outgoing<'_>, tag: T) -> Option<T> {
        let Some(line) = self.lines.iter_mut().find(|line| line.link.is_ready()) else {
            return Some(tag);
        };
        if !line.link.send(now, request) {
            return Some(tag);
        }
        line.tag = Some(tag);
        None
    }

    /// Goes on with every connection until one has an event; call it until it has none.
    pub fn poll(&mut self, now: Nanos) -> Option<PoolEvent<T>> {
        while let Some(line) = self.lines.get_mut(self.next) {
            let at = self.next;
            self.next += 1;
            let event = line.link.poll(now);
            if let Some(fault) = line.link.take_fault() {
                self.last_fault = Some(fault);
            }
            if let Some((event, tag)) = event.zip(line.tag.take_if(|_| !line.link.is_waiting())) {
                return Some(PoolEvent { tag, line: at, event });
            }
        }
        self.next = 0;
        None
    }

    /// The last answer of a connection, lent until its next request.
    #[must_use]
    pub fn answer(&self, line: usize) -> Option<Answer<'_>> {
        self.lines.get(line)?.link.answer()
    }
}
