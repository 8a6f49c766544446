//! One turn: the kernel applies an input, the router looks after the orders it has under way, the policy
//! answers it, the guardian sees to exits that must
//! happen, the prober asks the venue for proof, the effects go out.
//!
//! [`Engine`] is a pure function of its ordered inputs and their times; [`KernelStage`] wires it to the
//! links. The journal holds both, so it is all that a replay needs.

mod gauges;
mod guardian;
mod prober;
pub mod save;
mod stage;
#[cfg(test)]
mod tests;

pub use gauges::Gauges;
pub use save::Damage;
pub use stage::{JournalFull, KernelLinks, KernelStage};

use alloc::sync::Arc;

use guardian::Guardian;
use prober::Prober;
use serde::{Deserialize, Serialize};

use crate::broker::Broker;
use crate::instrument::InstrumentTable;
use crate::kernel::{Effects, Kernel, Totals};
use crate::msg::{Input, Record, ScanMsg};
use crate::policy::{Decide, Policy};
use crate::router::hooks::{NoHooks, SavedHooks};
use crate::router::{Router, Turn};
use crate::settings::Settings;
use crate::units::{Money, Nanos};

/// Nanoseconds of a minute: the summary's window.
const MINUTE_NS: i64 = 60_000_000_000;

/// Kernel and policy, turned by one input at a time.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "P: Decide, H: SavedHooks")]
pub struct Engine<P = Policy, H = NoHooks> {
    #[serde(skip)]
    settings: Arc<Settings>,
    kernel: Kernel,
    policy: P,
    hooks: H,
    router: Router,
    guardian: Guardian,
    prober: Prober,
    now: Nanos,
    inputs: u64,
    scans: u64,
    /// Version of the settings in force; 0 for those of the start.
    version: u32,
    #[serde(skip)]
    announced: Option<(u32, Arc<Settings>)>,
    next_summary: Option<Nanos>,
    summarised: Totals,
    /// Net PnL of closed round trips, now and at the last summary.
    closed_net: Money,
    closed_net_before: Money,
}

impl Engine {
    /// A fresh engine with the base policy. Allocates here and nowhere else. `epoch` makes client order
    /// ids unique across runs.
    #[must_use]
    pub fn new(settings: Arc<Settings>, table: Arc<InstrumentTable>, epoch: u32) -> Self {
        let policy = Policy::new(Arc::clone(&table));
        Self::with_policy(settings, table, epoch, policy)
    }
}

impl<P: Decide> Engine<P> {
    /// The same with a policy of the caller's.
    #[must_use]
    pub fn with_policy(
        settings: Arc<Settings>,
        table: Arc<InstrumentTable>,
        epoch: u32,
        policy: P,
    ) -> Self {
        Self::with_hooks(settings, table, epoch, policy, NoHooks)
    }
}

impl<P: Decide, H: SavedHooks> Engine<P, H> {
    /// The same with hooks of the caller's in the router.
    #[must_use]
    pub fn with_hooks(
        settings: Arc<Settings>,
        table: Arc<InstrumentTable>,
        epoch: u32,
        policy: P,
        hooks: H,
    ) -> Self {
        let kernel = Kernel::new(&settings, table, epoch);
        Self {
            summarised: kernel.totals(),
            kernel,
            policy,
            hooks,
            router: Router::new(),
            guardian: Guardian::new(),
            prober: Prober::new(),
            settings,
            now: Nanos::ZERO,
            inputs: 0,
            scans: 0,
            closed_net: Money::ZERO,
            closed_net_before: Money::ZERO,
            version: 0,
            announced: None,
            next_summary: None,
        }
    }

    /// Applies one input at `now`, which is taken as the present when it lies before it; what the input
    /// wants done is in `out` afterwards.
    pub fn turn(&mut self, now: Nanos, input: &Input, out: &mut Effects) {
        self.inputs += 1;
        self.now = self.now.max(now);
        let now = self.now;
        out.begin(now, received(input).unwrap_or(now));
        self.minute(out);
        let before = out.records.len();
        if let Input::Settings { version } = *input {
            self.swap(version, out);
        }
        let Self { settings, kernel, policy, hooks, router, guardian, prober, .. } = self;
        // The verdict is for scripts; everything that matters to a run is in the records.
        let _verdict = kernel.apply(now, input, settings, out);
        let turn = Turn { now, kernel, settings, out, hooks };
        let mut broker = Broker::new(router, turn, before);
        broker.attend(input);
        match input {
            Input::Market(message) => policy.on_market(message, &mut broker),
            Input::Scan(ScanMsg::Rank(rank)) => policy.on_rank(rank),
            Input::Scan(ScanMsg::Modifiers(modifiers)) => policy.on_modifiers(modifiers),
            Input::Scan(ScanMsg::Scan(scan)) => {
                self.scans += 1;
                policy.on_scan(scan, &mut broker);
            }
            Input::Tick => policy.on_tick(&mut broker),
            Input::Control(message) => policy.on_control(message.control, &mut broker),
            Input::Venue(_) | Input::Settings { .. } => {}
        }
        guardian.turn(now, input, kernel, settings, out);
        let turn = Turn { now, kernel, settings, out, hooks };
        policy.after_turn(&mut Broker::new(router, turn, before));
        prober.turn(now, input, kernel, settings, out);
        for message in &out.records[before..] {
            if let Record::TradeClosed { net_pnl, .. } = message.record {
                self.closed_net += net_pnl;
            }
        }
    }

    /// Goes on after a restart: orders from here on carry this epoch. The caller makes it durable first,
    /// and gives [`crate::msg::Control::Recover`] as the next input.
    pub fn resume_as(&mut self, epoch: u32) {
        self.kernel.resume_as(epoch);
    }

    /// The hooks of the router.
    #[must_use]
    pub const fn hooks(&self) -> &H {
        &self.hooks
    }

    /// The router.
    #[must_use]
    pub const fn router(&self) -> &Router {
        &self.router
    }

    /// When a turn without a message has something to do that should not wait for the next tick.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Nanos> {
        self.router.next_deadline()
    }

    /// The policy.
    #[must_use]
    pub const fn policy(&self) -> &P {
        &self.policy
    }

    /// The books and slots.
    #[must_use]
    pub const fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// The time of the last input.
    #[must_use]
    pub const fn now(&self) -> Nanos {
        self.now
    }

    /// Inputs applied so far.
    #[must_use]
    pub const fn inputs(&self) -> u64 {
        self.inputs
    }

    /// Scans seen so far.
    #[must_use]
    pub const fn scans(&self) -> u64 {
        self.scans
    }

    /// Version of the settings in force; 0 until the first swap.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// The settings in force.
    #[must_use]
    pub const fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// Brings an announced version into force, whole. One that is not newer, or whose content nobody gave,
    /// changes nothing and is reported.
    fn swap(&mut self, version: u32, out: &mut Effects) {
        match self.announced.take_if(|next| next.0 == version) {
            Some((_, settings)) if version > self.version => {
                self.version = version;
                self.settings = settings;
                out.record(Record::Settings { version });
            }
            Some(_) => out.record(Record::Error { reason: "settings that are not newer" }),
            None => out.record(Record::Error { reason: "settings that nobody announced" }),
        }
    }

    /// Gives the content of a settings version before the [`Input::Settings`] that brings it into force.
    /// The snapshot it replaces is dropped here or in that turn: give it a second owner on a cold thread.
    pub fn announce(&mut self, version: u32, settings: Arc<Settings>) {
        self.announced = Some((version, settings));
    }

    fn minute(&mut self, out: &mut Effects) {
        let Some(due) = self.next_summary else {
            self.next_summary = Some(minute_after(self.now));
            return;
        };
        if self.now < due {
            return;
        }
        let totals = self.kernel.totals();
        let last = &self.summarised;
        let started = due.plus(-MINUTE_NS);
        let window_s = self.now.since(started) / Nanos::SECOND;
        out.record(Record::Summary {
            window_s: u32::try_from(window_s).unwrap_or(u32::MAX),
            closed_delta: totals.trades_closed - last.trades_closed,
            wins_delta: totals.wins - last.wins,
            losses_delta: totals.losses - last.losses,
            total_closed: totals.trades_closed,
            total_wins: totals.wins,
            total_losses: totals.losses,
            open: totals.open_positions,
            realized_delta: self.closed_net - self.closed_net_before,
            realized_total: self.closed_net,
            balance: self.kernel.ledger().capital(),
            equity: self.kernel.equity().into(),
            max_drawdown: totals.max_drawdown,
        });
        self.summarised = totals;
        self.closed_net_before = self.closed_net;
        self.next_summary = Some(minute_after(self.now));
    }
}

fn minute_after(now: Nanos) -> Nanos {
    now.plus(MINUTE_NS - now.get().rem_euclid(MINUTE_NS))
}

/// Receive time of a message; `None` for what no message brought.
const fn received(input: &Input) -> Option<Nanos> {
    match input {
        Input::Market(message) => Some(message.ts_recv_ns),
        Input::Venue(message) => Some(message.ts_recv_ns),
        Input::Control(message) => Some(message.ts_recv_ns),
        Input::Scan(_) | Input::Settings { .. } | Input::Tick => None,
    }
}
