//! Starting on what an earlier process left, and orders of ours that nobody here remembers.
//!
//! ```text
//!  recover ─▶ ORDERS ─list without strays─▶ POSITIONS ─snapshot─▶ BALANCE ─balance, nothing unresolved─▶ over
//!               ▲ │ strays: called back        ▲ │ empty, and nothing is remembered: once more
//!               └─┘                            └─┘
//! ```
//!
//! The order of the steps matters: an order that fills between the two views is in neither when the
//! positions were seen first. So each step moves the revision on, and only a view that was asked for after it
//! counts. Entries wait for the end; exits for nothing.

use arrayvec::ArrayVec;
use serde::{Deserialize, Serialize};

use crate::id::{ClientId, InstrumentId, TextId};
use crate::kernel::fills::Fills;
use crate::kernel::ledger::Entry;
use crate::kernel::lookup::Answer;
use crate::kernel::orders::Route;
use crate::kernel::{Code, Effects, Kernel, Verdict};
use crate::msg::venue::VenueOrderState;
use crate::msg::{ClientRef, Command, Control, Record, VenueMsg};
use crate::units::{Nanos, Qty};

/// Strays that are remembered from one list to the next; further ones wait for their turn.
const STRAYS_MAX: usize = 32;
/// Cancels of one stray. More would not help, and count against the venue's limits.
const STRAY_CANCELS_MAX: u8 = 5;

/// What entries wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    #[default]
    Over,
    Orders,
    Positions,
    Balance,
}

/// An order that works at the venue under an identity of ours, and that no row knows (any more).
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Stray {
    client: ClientId,
    cancels: u8,
    /// In the list under way.
    is_listed: bool,
}

/// Where the recovery stands, and the strays.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Recovery {
    phase: Phase,
    strays: ArrayVec<Stray, STRAYS_MAX>,
    /// More strays than are remembered, in the list under way and in the last whole one.
    more_listed: bool,
    more: bool,
    /// Rows of the list under way.
    rows: u32,
    lists_come: bool,
    /// The last position snapshot of this recovery had no row.
    listed_nothing: bool,
    /// When it began, or a fill of ours was booked in it.
    since: Nanos,
    /// Even a view that lags knows by now what was before; the revision moved on then.
    is_ripe: bool,
}

impl Recovery {
    /// True until the venue has told everything again.
    pub(super) fn is_on(&self) -> bool {
        self.phase != Phase::Over
    }

    /// Notes a position snapshot, and says whether it can be the one that the recovery waits for: venues
    /// send an empty list by mistake, and an engine without a memory has nothing else to hold it against. It
    /// believes the second one in a row; those from before it waited for one count for nothing.
    pub(super) fn believes(&mut self, lists_nothing: bool, has_memory: bool) -> bool {
        if !self.awaits_positions() {
            return true;
        }
        let before = core::mem::replace(&mut self.listed_nothing, lists_nothing);
        !lists_nothing || has_memory || before
    }

    /// True while the recovery waits for a list that is late enough: a position snapshot before it is no
    /// answer. A stray is waited for without hurry, for its cancels are counted.
    pub(super) fn awaits_list(&self) -> bool {
        self.phase == Phase::Orders && !self.has_strays()
    }

    /// A fill of ours was booked: views that lag may not know of it, so positions are asked for later.
    pub(super) fn outlived(&mut self, now: Nanos) {
        self.since = now;
        self.is_ripe = false;
        if self.phase == Phase::Positions {
            self.phase = Phase::Orders;
        }
    }

    /// True while the next position snapshot is the one that the recovery waits for.
    pub(super) fn awaits_positions(&self) -> bool {
        self.phase == Phase::Positions
    }

    /// The snapshot came, and what it shows is understood.
    pub(super) fn positions_seen(&mut self) {
        if self.phase == Phase::Positions {
            self.phase = Phase::Balance;
        }
    }

    /// True when the venue has ever sent a whole list of its open orders.
    pub(super) const fn lists_come(&self) -> bool {
        self.lists_come
    }

    /// True while an order that nobody remembers works at the venue, as far as its last list says.
    pub(super) fn has_strays(&self) -> bool {
        self.more || !self.strays.is_empty()
    }

    fn list_again(&mut self) {
        self.rows = 0;
        self.more_listed = false;
        for stray in &mut self.strays {
            stray.is_listed = false;
        }
    }
}

impl Kernel {
    /// Gives orders from now on the identities of this epoch: the kernel was restored into a new process.
    /// What it remembers of earlier epochs stays routable; a kill and a freeze stay, the end that the process
    /// before had begun does not. [`Control::Recover`] must follow as an input.
    pub fn resume_as(&mut self, epoch: u32) {
        self.orders.resume_as(epoch);
        self.halts.begin_anew();
    }

    /// True between [`Control::Recover`] and the end of the recovery: entries wait.
    #[must_use]
    pub fn is_recovering(&self) -> bool {
        self.recovery.is_on()
    }

    /// Believes nothing until the venue has told it: asks for every order that may live, and takes any
    /// instrument for one that may have filled.
    pub(super) fn recover(&mut self, now: Nanos, out: &mut Effects) -> Verdict {
        self.recovery.phase = Phase::Orders;
        if planted!(D09PositionsFirst) {
            self.recovery.phase = Phase::Positions;
        }
        if planted!(D05CarriedResultTwice) {
            let carried = Entry { realized: self.ledger.realized(), ..Entry::default() };
            let _booked = self.ledger.book(carried);
        }
        self.recovery.listed_nothing = false;
        self.recovery.since = now;
        self.recovery.is_ripe = false;
        self.recovery.list_again();
        self.revision += 1;
        self.heat(now, None);
        if planted!(X10FillsForgotten) {
            self.fills = Fills::new();
        }
        out.record(Record::Halt { reason: Control::Recover.as_str() });
        for index in 0..self.slots.len() {
            let slot = &mut self.slots[index];
            if planted!(L10PromiseLost) {
                slot.owed_exit = None;
            }
            if planted!(X07WorkingIsPosition) && slot.entry_order.is_some() {
                slot.position.size = slot.requested;
            }
            for client in self.slots[index].live() {
                if let Some(order) = self.orders.get_mut(client) {
                    order.unconfirmed = true;
                    // Nobody knows whether it left.
                    order.cancel_sent_ns = None;
                    order.query_wait_ns = self.times.lookup_first_ns;
                }
                self.look_up_now(now, client, out);
            }
        }
        // Every deadline is worked out again from what the slots and orders say.
        self.wake_by(now);
        Verdict::OK
    }

    /// A view that lags may miss an order that left just before the restart, and show what was closed: only
    /// one that was asked for when that is over counts.
    pub(super) fn recovery_due(&mut self, now: Nanos) {
        if self.recovery.phase != Phase::Orders || self.recovery.is_ripe {
            return;
        }
        let due = self.recovery.since.plus(self.times.view_lag_ns);
        if now < due {
            self.wake_by(due);
        } else {
            self.recovery.is_ripe = true;
            self.revision += 1;
            self.wants_positions = true;
        }
    }

    /// A balance came; the last step, once nothing about our orders is open any more.
    pub(super) fn balance_recovers(&mut self, out: &mut Effects) {
        if self.recovery.phase == Phase::Balance && !self.has_unresolved_order() {
            self.recovery.phase = Phase::Over;
            out.record(Record::Resume { reason: Control::Recover.as_str() });
        }
    }

    /// A row of a list: an order that lives. Ours is good for one thing, and one under an identity of ours
    /// that nobody remembers is called back.
    pub(super) fn on_open_order(
        &mut self,
        now: Nanos,
        message: &VenueMsg,
        venue_id: TextId,
        cum: Qty,
        out: &mut Effects,
    ) -> Verdict {
        self.recovery.rows = self.recovery.rows.saturating_add(1);
        match (self.orders.route(message.client, &venue_id), message.client) {
            (Route::Own(client), _) => {
                if let Some(order) = self.orders.get_mut(client) {
                    order.is_listed = true;
                }
                let state = if cum.is_zero() {
                    VenueOrderState::New
                } else {
                    VenueOrderState::PartiallyFilled
                };
                let answer = Answer { venue_id, state, cum: Some(cum), avg_price: None };
                self.on_status(now, client, &answer, out)
            }
            (Route::Nobody | Route::Forgotten, ClientRef::Own(client)) => {
                self.stray(now, client, venue_id, message.instrument, out);
                Verdict::OK
            }
            (Route::Nobody | Route::Forgotten | Route::Conflict, _) => Verdict::OK,
        }
    }

    /// A list is complete. Only a whole one that was asked for after our last activity says who is not in it.
    pub(super) fn on_open_orders_end(
        &mut self,
        now: Nanos,
        ok: bool,
        rows: u32,
        revision: u64,
    ) -> Verdict {
        let is_whole = ok && rows == self.recovery.rows;
        let is_current = revision == self.revision;
        self.list_against_live(now, is_whole && is_current);
        if is_whole && is_current {
            self.recovery.strays.retain(|stray| stray.is_listed);
            self.recovery.more = self.recovery.more_listed;
            if self.recovery.phase == Phase::Orders && !self.recovery.is_ripe {
                self.wants_positions = true;
            } else if self.recovery.phase == Phase::Orders && !self.recovery.has_strays() {
                self.recovery.phase = Phase::Positions;
                // Positions that were asked for before may miss what filled in between.
                self.revision += 1;
            }
        }
        self.recovery.lists_come |= is_whole;
        self.recovery.list_again();
        if is_whole && !is_current {
            return Verdict::refused(Code::StaleStateReconciling);
        }
        Verdict::OK
    }

    /// An order that was taken for over because the venue denied it works after all: it must not.
    pub(super) fn call_back(&mut self, now: Nanos, client: ClientId, out: &mut Effects) {
        if let Some((venue_id, instrument)) =
            self.orders.get(client).map(|order| (order.venue_id, order.instrument))
        {
            self.stray(now, client, venue_id, Some(instrument), out);
        }
    }

    /// Calls back an order of ours that no slot has. Again only when it is told again, and not for ever.
    fn stray(
        &mut self,
        now: Nanos,
        client: ClientId,
        venue_id: TextId,
        instrument: Option<InstrumentId>,
        out: &mut Effects,
    ) {
        self.heat(now, instrument);
        let strays = &mut self.recovery.strays;
        let known = strays.iter().position(|stray| stray.client == client);
        let at = match known {
            Some(at) => at,
            None if strays.is_full() => {
                self.recovery.more_listed = true;
                self.recovery.more = true;
                return;
            }
            None => {
                strays.push(Stray { client, cancels: 0, is_listed: true });
                out.record(Record::Error { reason: "an order of ours that no slot has works" });
                strays.len() - 1
            }
        };
        let stray = &mut strays[at];
        stray.is_listed = true;
        let Some(instrument) = instrument.filter(|_| stray.cancels < STRAY_CANCELS_MAX) else {
            return;
        };
        if out.command(Command::Cancel { client, venue_id, instrument }) {
            stray.cancels += 1;
        }
    }
}
