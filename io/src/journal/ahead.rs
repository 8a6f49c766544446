//! Write-ahead: an order leaves after its cause is in the file.
//!
//! A process can die at any moment. What it had sent by then the next one must know, with its identity: so
//! whoever sends an order asks here first, and sends once the journal thread has written everything that
//! came before. The wait is for the page cache, which survives the process; not for the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Thread;

/// Tickets asked for, and up to which the journal has written.
#[derive(Debug, Default)]
pub(crate) struct Tickets {
    asked: AtomicU64,
    written: AtomicU64,
}

impl Tickets {
    /// The newest ticket that waits; `None` where none does.
    pub(crate) fn waiting(&self) -> Option<u64> {
        let asked = self.asked.load(Ordering::Acquire);
        (asked > self.written.load(Ordering::Relaxed)).then_some(asked)
    }

    /// Everything pushed before this ticket is in the file.
    pub(crate) fn written(&self, ticket: u64) {
        self.written.fetch_max(ticket, Ordering::Release);
    }

    /// Nothing is written any more: nobody waits for it.
    pub(crate) fn give_up(&self) {
        self.written(u64::MAX);
    }
}

/// The sender's side. Owner: the egress stage; one sender only. Clones share the tickets.
#[derive(Clone, Debug, Default)]
pub struct WriteAhead {
    tickets: Arc<Tickets>,
    /// The journal thread; `None` where nothing is journaled, and nothing waits.
    thread: Option<Thread>,
}

impl WriteAhead {
    pub(crate) const fn new(tickets: Arc<Tickets>, thread: Thread) -> Self {
        Self { tickets, thread: Some(thread) }
    }

    /// A ticket for what the kernel was fed before the command in hand. Wakes the journal thread: one
    /// system call, so only for orders.
    #[must_use]
    pub fn ask(&self) -> u64 {
        let Some(thread) = &self.thread else { return 0 };
        let ticket = self.tickets.asked.fetch_add(1, Ordering::AcqRel) + 1;
        thread.unpark();
        ticket
    }

    /// True once all of it is in the file, and when nothing is written any more.
    #[must_use]
    pub fn is_written(&self, ticket: u64) -> bool {
        self.tickets.written.load(Ordering::Acquire) >= ticket
    }
}
