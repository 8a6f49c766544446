//! What waits to be sent: exits before entries before questions, and nothing for long. An order that could
//! not leave in time is refused: an old decision is never sent late.

use std::collections::VecDeque;

use pinion_core::id::{ClientId, InstrumentId, TextId};
use pinion_core::msg::{Command, CommandMsg, OrderRole};
use pinion_core::units::Nanos;

use super::super::dead_man::TimerCall;
use super::super::limits::Priority;
use super::super::listen_key::KeyCall;
use super::super::request::{Call, OrderRef, Symbols, Unsendable, call_of};
use super::history::Page;

/// An entry may wait so long.
const ENTRY_NS: i64 = Nanos::SECOND / 4;
/// An exit or a cancel may wait so long; then the kernel decides anew.
const EXIT_NS: i64 = Nanos::SECOND;
/// An exit waits so long for the journal; a disk that hangs holds none back.
const EXIT_UNWRITTEN_NS: i64 = Nanos::SECOND / 10;
/// A question may wait so long.
const QUERY_NS: i64 = 3 * Nanos::SECOND;
/// An entry that may rest waits longer, for the dead-man timer.
const ARMING_NS: i64 = 2 * Nanos::SECOND;

/// What is to be done by one call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Job {
    /// The kernel's.
    Command(CommandMsg),
    /// An order is asked for because an event of it cannot be understood.
    Look { client: ClientId, venue_id: TextId, instrument: InstrumentId },
    /// The wallet is asked for because a frame about it proves nothing.
    Wallet,
    /// The venue's clock.
    Clock,
    /// Listen key.
    Key(KeyCall),
    /// Dead-man timer.
    Timer(TimerCall),
    /// A page of fills.
    History(Page),
}

/// A job, since when it waits, and how often it was tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) job: Job,
    pub(super) since: Nanos,
    pub(super) tries: u8,
    /// It leaves once the journal has written what came before this; see [`crate::journal::WriteAhead`].
    pub(super) ticket: u64,
    /// Names the order by the venue's older spelling.
    pub(super) is_old_spelling: bool,
}

impl Item {
    pub(super) const fn new(job: Job, since: Nanos) -> Self {
        Self { job, since, tries: 0, ticket: 0, is_old_spelling: false }
    }

    pub(super) const fn is_entry(&self) -> bool {
        matches!(
            self.job,
            Job::Command(CommandMsg { command: Command::Place { role: OrderRole::Entry, .. }, .. })
        )
    }

    /// The instrument of an order.
    pub(super) const fn instrument(&self) -> Option<InstrumentId> {
        match self.job {
            Job::Command(CommandMsg { command: Command::Place { instrument, .. }, .. }) => {
                Some(instrument)
            }
            Job::Command(_)
            | Job::Look { .. }
            | Job::Wallet
            | Job::Clock
            | Job::Key(_)
            | Job::Timer(_)
            | Job::History(_) => None,
        }
    }

    pub(super) const fn priority(&self) -> Priority {
        match self.job {
            Job::Command(CommandMsg { command, .. }) => match command {
                Command::Place { role: OrderRole::Entry, .. } => Priority::Entry,
                Command::Place { role: OrderRole::Exit, .. } | Command::Cancel { .. } => {
                    Priority::Exit
                }
                Command::Query { .. } | Command::Probe { .. } => Priority::Query,
            },
            Job::Timer(_) => Priority::Exit,
            Job::Look { .. } | Job::Wallet | Job::Clock | Job::Key(_) | Job::History(_) => {
                Priority::Query
            }
        }
    }

    /// How long it may wait; longer for an entry that may rest, since the dead-man timer comes first.
    pub(super) const fn patience_ns(&self, may_rest: bool) -> i64 {
        match self.priority() {
            Priority::Exit => EXIT_NS,
            Priority::Entry if may_rest => ARMING_NS,
            Priority::Entry => ENTRY_NS,
            Priority::Query => QUERY_NS,
        }
    }

    /// True while it must not leave because its cause is not in the file, as `is_written` says.
    pub(super) const fn waits_for_journal(&self, now: Nanos, is_written: bool) -> bool {
        let is_patient = self.is_entry() || now.since(self.since) < EXIT_UNWRITTEN_NS;
        !is_written && is_patient
    }

    /// The order that it names by our identity alone.
    pub(super) const fn names_by_client(&self) -> bool {
        match self.job {
            Job::Command(CommandMsg {
                command: Command::Cancel { venue_id, .. } | Command::Query { venue_id, .. },
                ..
            })
            | Job::Look { venue_id, .. } => venue_id.is_empty(),
            Job::Command(_)
            | Job::Wallet
            | Job::Clock
            | Job::Key(_)
            | Job::Timer(_)
            | Job::History(_) => false,
        }
    }

    /// The call that does it. `listen_key` is the newest one.
    pub(super) fn call<'a>(
        &self,
        symbols: &'a Symbols,
        listen_key: &'a str,
    ) -> Result<Call<'a>, Unsendable> {
        let mut call = match self.job {
            Job::Command(message) => call_of(&message.command, symbols)?,
            Job::Look { client, venue_id, instrument } => {
                call_of(&Command::Query { client, venue_id, instrument }, symbols)?
            }
            Job::Wallet => Call::Balance,
            Job::Clock => Call::ServerTime,
            Job::Key(KeyCall::Create) => Call::CreateListenKey,
            Job::Key(KeyCall::Extend) => Call::ExtendListenKey { key: listen_key },
            Job::Timer(TimerCall::Arm { seconds }) => {
                Call::CancelAllAfter { seconds: Some(seconds) }
            }
            Job::Timer(TimerCall::Close) => Call::CancelAllAfter { seconds: None },
            Job::History(page) => Call::FillHistory {
                symbol: symbols.of(page.instrument).ok_or(Unsendable::NotListed)?,
                order: None,
                start_ms: page.start_ms,
                end_ms: page.end_ms,
                page: page.number,
                size: Page::SIZE,
            },
        };
        if self.is_old_spelling
            && let Call::Order { order, .. } | Call::Cancel { order, .. } = &mut call
            && let OrderRef::Client(client) = *order
        {
            *order = OrderRef::ClientOld(client);
        }
        Ok(call)
    }
}

/// What waits, by priority. Owner: the egress stage.
#[derive(Debug)]
pub(super) struct Waiting {
    queues: [VecDeque<Item>; Priority::ALL.len()],
}

impl Waiting {
    pub(super) fn new() -> Self {
        Self { queues: std::array::from_fn(|_| VecDeque::with_capacity(64)) }
    }

    pub(super) fn put(&mut self, item: Item) {
        self.queues[usize::from(item.priority().code())].push_back(item);
    }

    /// Before all others of its priority: it has waited before.
    pub(super) fn put_first(&mut self, item: Item) {
        self.queues[usize::from(item.priority().code())].push_front(item);
    }

    pub(super) fn len(&self) -> usize {
        self.queues.iter().map(VecDeque::len).sum()
    }

    /// Hands each waiting item out, exits first; what is given back goes on waiting in its place.
    pub(super) fn each(&mut self, mut take: impl FnMut(Item) -> Option<Item>) {
        for queue in &mut self.queues {
            for _ in 0..queue.len() {
                // Round once: those given back stand in their order again.
                let Some(item) = queue.pop_front() else { break };
                if let Some(item) = take(item) {
                    queue.push_back(item);
                }
            }
        }
    }
}
