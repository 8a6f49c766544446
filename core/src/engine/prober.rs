//! The prober: asks the venue for whole views of the account, so that the kernel has fresh proof.
//!
//! A round asks for open orders, then positions, then the balance. Positions are asked for only when the
//! open orders have been told: an order that fills between the two readings then shows in at least one.
//! A round begins at the start, at a recovery and every `guard.probe_interval_ns`; sooner when something
//! wants it, but never twice within [`GAP_NS`]. Of each kind at most one probe is under way; one without
//! an answer counts as lost and goes again, each time with more patience.
//!
//! Part of the engine's turn and of its saved state; the kernel does not know of it. Cost of a turn
//! without a venue message: two comparisons.

use serde::{Deserialize, Serialize};

use crate::kernel::facts::Probe;
use crate::kernel::{Effects, Kernel};
use crate::msg::record::BlockReason;
use crate::msg::{Command, Control, Input, ProbeKind, Record, RecordMsg, VenueEvent};
use crate::settings::Settings;
use crate::units::Nanos;

/// Least time between two probes of a kind.
pub(super) const GAP_NS: i64 = Nanos::SECOND;
/// Patience with the first probe of a kind; doubles with every one that is lost.
pub(super) const PATIENCE_FIRST_NS: i64 = 5 * Nanos::SECOND;
/// Longest patience, and longest pause after failures.
pub(super) const PATIENCE_MAX_NS: i64 = 60 * Nanos::SECOND;
/// While entries are frozen, probes come this many times as often: only evidence thaws them.
const FROZEN_PACE: i64 = 5;

/// Probes of one kind.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Line {
    /// When the next is wanted; [`Nanos::MAX`]: not by itself.
    due: Nanos,
    /// When the last one left.
    asked: Option<Nanos>,
    /// Revision of the one under way.
    flight: Option<u64>,
    /// Failed or lost in a row.
    misses: u32,
}

impl Line {
    const NEW: Self = Self { due: Nanos::MAX, asked: None, flight: None, misses: 0 };

    /// Wants one at `at`, or leaves an earlier wish.
    fn want(&mut self, at: Nanos) {
        self.due = self.due.min(at);
    }

    /// Wants one as soon as `gap_ns` have passed since the last.
    fn want_after(&mut self, now: Nanos, gap_ns: i64) {
        self.want(self.asked.map_or(now, |asked| asked.plus(gap_ns)));
    }

    /// Doubles with every miss.
    fn backed_off(&self, first_ns: i64) -> i64 {
        first_ns.saturating_mul(1 << self.misses.min(16)).min(PATIENCE_MAX_NS)
    }

    /// When there is something to do: the probe under way is lost, or the next one may leave.
    fn next(&self) -> Nanos {
        let Some(asked) = self.asked else { return self.due };
        match self.flight {
            Some(_) => asked.plus(self.backed_off(PATIENCE_FIRST_NS)),
            None => self.due.max(asked.plus(GAP_NS)),
        }
    }

    /// The answer came and is good.
    fn answered(&mut self) {
        self.flight = None;
        self.misses = 0;
    }

    /// The answer came and is no good.
    fn failed(&mut self) {
        self.misses = self.misses.saturating_add(1);
        self.flight = None;
        if let Some(asked) = self.asked {
            self.want(asked.plus(self.backed_off(GAP_NS)));
        }
    }
}

/// Which views were asked for and when. Owner: the engine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Prober {
    open_orders: Line,
    positions: Line,
    balance: Line,
    /// Nothing is due before this.
    next: Nanos,
    begun: bool,
    /// Entries were frozen at the end of the last turn that had something to tell.
    frozen: bool,
}

impl Prober {
    pub(super) const fn new() -> Self {
        Self {
            open_orders: Line::NEW,
            positions: Line::NEW,
            balance: Line::NEW,
            next: Nanos::MAX,
            begun: false,
            frozen: false,
        }
    }

    /// Takes in what a turn brought and what came of it, then asks for what is due. The last step of a
    /// turn: the revision that a probe carries counts the orders of its own turn.
    pub(super) fn turn(
        &mut self,
        now: Nanos,
        input: &Input,
        kernel: &Kernel,
        settings: &Settings,
        out: &mut Effects,
    ) {
        match input {
            Input::Venue(message) => {
                self.on_venue(now, &message.event, kernel, settings);
                self.on_wish(now, kernel);
            }
            Input::Control(message) if message.control == Control::Recover => self.begun = false,
            Input::Tick => self.on_tick(now, kernel, settings),
            Input::Market(_) | Input::Scan(_) | Input::Control(_) | Input::Settings { .. } => {}
        }
        if !out.records.is_empty() {
            self.on_records(now, &out.records, kernel.is_frozen());
        }
        if !self.begun {
            self.begin(now, settings);
        }
        if now >= self.next {
            self.ask(now, kernel, out);
        }
    }

    /// A first round. What was under way before a restart is not waited for.
    fn begin(&mut self, now: Nanos, settings: &Settings) {
        *self = Self::new();
        self.begun = true;
        self.open_orders.due = now;
        if planted!(D09PositionsFirst) {
            self.positions.due = now;
        }
        // Positions bring it forward; without them it is asked for all the same.
        self.balance.due = now.plus(settings.guard_probe_interval_ns);
        self.plan();
    }

    fn on_venue(&mut self, now: Nanos, event: &VenueEvent, kernel: &Kernel, settings: &Settings) {
        let interval_ns = settings.guard_probe_interval_ns;
        match *event {
            VenueEvent::OpenOrdersEnd { ok, revision, .. }
                if self.open_orders.flight == Some(revision) =>
            {
                if ok {
                    let asked = self.open_orders.asked.unwrap_or(now);
                    self.open_orders.answered();
                    self.open_orders.want(asked.plus(interval_ns));
                    self.positions.want(now);
                } else {
                    self.open_orders.failed();
                }
            }
            VenueEvent::PositionsEnd { ok, revision, .. }
                if self.positions.flight == Some(revision) =>
            {
                // Rows that got lost on the way make a failure of it.
                if ok && kernel.facts().probe() != Probe::Failed {
                    self.positions.answered();
                    self.balance.want(now);
                    if revision != kernel.revision() {
                        // From before our last activity: it proves nothing.
                        self.open_orders.want(now);
                    }
                } else {
                    self.positions.failed();
                }
            }
            // No balance says what it answers: any that tells the wallet is news.
            VenueEvent::Balance { wallet, .. } if wallet.get().is_some() => {
                self.balance.answered();
                // The next comes with the positions of the next round, or by itself if they do not.
                self.balance.want(now.plus(interval_ns.saturating_mul(2)));
            }
            VenueEvent::Ack { .. }
            | VenueEvent::Reject { .. }
            | VenueEvent::Ambiguous
            | VenueEvent::Fill { .. }
            | VenueEvent::Forced { .. }
            | VenueEvent::FeeSettled { .. }
            | VenueEvent::Canceled { .. }
            | VenueEvent::CancelRejected { .. }
            | VenueEvent::Expired { .. }
            | VenueEvent::OrderStatus { .. }
            | VenueEvent::Balance { .. }
            | VenueEvent::Funding { .. }
            | VenueEvent::Transfer { .. }
            | VenueEvent::Position { .. }
            | VenueEvent::PositionsEnd { .. }
            | VenueEvent::OpenOrder { .. }
            | VenueEvent::OpenOrdersEnd { .. } => return,
        }
        self.plan();
    }

    /// The kernel's own wish for positions, until a current snapshot has come; what is under way may be it.
    fn on_wish(&mut self, now: Nanos, kernel: &Kernel) {
        if kernel.wants_positions() && !self.is_on_its_way() {
            self.open_orders.want(now);
            self.plan();
        }
    }

    /// A proof of positions is under way.
    fn is_on_its_way(&self) -> bool {
        self.open_orders.flight.or(self.positions.flight).is_some()
    }

    /// Wishes that last.
    fn on_tick(&mut self, now: Nanos, kernel: &Kernel, settings: &Settings) {
        self.on_wish(now, kernel);
        if kernel.is_frozen() {
            let gap_ns = (settings.guard_probe_interval_ns / FROZEN_PACE).max(GAP_NS);
            self.open_orders.want_after(now, gap_ns);
            self.balance.want_after(now, gap_ns);
            self.plan();
        }
    }

    /// Wishes of this turn: an entry that lacked nothing but fresh proof, a freeze that begins.
    fn on_records(&mut self, now: Nanos, records: &[RecordMsg], frozen: bool) {
        let freezes = frozen && !core::mem::replace(&mut self.frozen, frozen);
        if freezes {
            self.open_orders.want(now);
            self.balance.want(now);
        }
        // What is under way brings the proof already.
        let on_its_way = self.is_on_its_way();
        for message in records {
            let Record::EntryBlocked { reason, .. } = message.record else { continue };
            let (positions, balance) = wanted_by(reason);
            if positions && !on_its_way {
                self.open_orders.want(now);
            }
            if balance && self.balance.flight.is_none() {
                self.balance.want(now);
            }
        }
        self.plan();
    }

    fn ask(&mut self, now: Nanos, kernel: &Kernel, out: &mut Effects) {
        let revision = kernel.revision();
        for (line, probe) in [
            (&mut self.open_orders, ProbeKind::OpenOrders),
            (&mut self.positions, ProbeKind::Positions),
            (&mut self.balance, ProbeKind::Balance),
        ] {
            if now < line.next() {
                continue;
            }
            let misses = line.misses + u32::from(line.flight.is_some());
            // A turn that is full of orders goes first; the next turn asks.
            if out.command(Command::Probe { probe, revision }) {
                *line = Line { due: Nanos::MAX, asked: Some(now), flight: Some(revision), misses };
            }
        }
        self.plan();
    }

    fn plan(&mut self) {
        self.next = self.open_orders.next().min(self.positions.next()).min(self.balance.next());
    }
}

/// What a blocked entry lacked: (a proof of positions, a balance).
const fn wanted_by(reason: BlockReason) -> (bool, bool) {
    match reason {
        BlockReason::NoBalance | BlockReason::StaleBalance | BlockReason::ZeroBalance => {
            (false, true)
        }
        BlockReason::NoPositionProof
        | BlockReason::StalePositionProof
        | BlockReason::ProbeFailed
        | BlockReason::VenueNotFlat => (true, false),
        BlockReason::EntryFrozen | BlockReason::Recovering | BlockReason::Unreconciled => {
            (true, true)
        }
        BlockReason::SlotBusy
        | BlockReason::NoPrice
        | BlockReason::StalePrice
        | BlockReason::BookGap
        | BlockReason::HotWindow
        | BlockReason::UnresolvedOrder
        | BlockReason::Killed
        | BlockReason::Reducing
        | BlockReason::Journal
        | BlockReason::InvalidIntent
        | BlockReason::MinNotional
        | BlockReason::NotTradable
        | BlockReason::Cap => (false, false),
    }
}
