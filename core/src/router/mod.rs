//! The execution router: how an order leaves, how long it may rest, and what follows.
//!
//! ```text
//!   policy ─▶ Broker ─▶ Router ─▶ kernel ─▶ commands
//!
//!   entry:  wish ─pace─▶ plan ─▶ quote ─▶ working ─┬─ filled, in part or whole: the position is there
//!                                  ▲               ├─ time over: call back, wait for the proof of its end
//!                                  │               └─ refused, or cancelled by the venue
//!                                  │                         │ nothing filled: missed
//!                                  └─ the guards again ◀─────┴─▶ given up, quoted again, or by market
//!   exit:   wish ─▶ plan ─▶ quote ─▶ working ─┬─ filled
//!                                             └─ anything else: by market, whatever the guards say
//! ```
//!
//! Rules that hold everywhere:
//! - An exit is never suppressed for want of a plan, paced or given up: what cannot be quoted leaves by
//!   market. When the router dies with its process, the kernel finishes: a maker exit carries its life.
//! - An entry has one order at a time. The next one leaves only after the venue has proved the end of the one
//!   before, and passes every guard that a first entry passes.
//! - Each step is a `router` line with its reason. In the taker style there is nothing to say, and the
//!   router adds nothing to what the kernel does.
//!
//! State machine and limits are pure; the time is that of the inputs. Owner: the engine; part of its saved
//! state. Cost of a turn without a working quote: one comparison.

mod entry;
mod exit;
pub mod hooks;
mod pace;
pub mod quote;
#[cfg(test)]
mod tests;
mod timers;

use serde::{Deserialize, Serialize};

use crate::engine::Damage;
use crate::id::TradeId;
use crate::kernel::{Effects, Kernel, Top};
use crate::msg::record::RouterEvent;
use crate::msg::{ClientRef, Input, Record, VenueEvent};
use crate::policy::SLOTS_MAX;
use crate::settings::{Settings, Style};
use crate::units::Nanos;

pub use entry::POST_ONLY_AGAIN;

use entry::Quote;
use exit::MakerExit;
use hooks::{Heard, HookFault, Hooks, Step, Terms, Wish};
use pace::Pace;
use timers::{Spoke, Timers};

/// What the router works with in one turn.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) now: Nanos,
    pub(crate) kernel: &'a mut Kernel,
    pub(crate) settings: &'a Settings,
    pub(crate) out: &'a mut Effects,
    pub(crate) hooks: &'a mut dyn Hooks,
}

impl Turn<'_> {
    fn record(&mut self, event: RouterEvent, about: &About, reason: &'static str) {
        self.out.record(Record::Router {
            event,
            trade: about.trade,
            base: about.base.filter(|base| Some(*base) != about.trade),
            instrument: about.instrument,
            reason,
        });
    }

    fn top(&self, instrument: crate::id::InstrumentId) -> Top {
        self.kernel.top(instrument).unwrap_or(Top::EMPTY)
    }
}

/// Whose line it is.
#[derive(Clone, Copy, Debug)]
struct About {
    trade: Option<TradeId>,
    base: Option<TradeId>,
    instrument: crate::id::InstrumentId,
}

/// The router. See the module's documentation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Router {
    entries: [Option<Quote>; SLOTS_MAX],
    exits: [Option<MakerExit>; SLOTS_MAX],
    timers: Timers,
    pace: Pace,
    /// Entries and exits that are being followed.
    followed: u32,
    hook_faults: u64,
}

impl Default for Router {
    fn default() -> Self {
        Self::new()
    }
}

impl Router {
    /// A router that follows nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: [const { None }; SLOTS_MAX],
            exits: [const { None }; SLOTS_MAX],
            timers: Timers::new(),
            pace: Pace::new(),
            followed: 0,
            hook_faults: 0,
        }
    }

    /// When the router has something to do without a message; `None` while it waits for nothing.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Nanos> {
        self.timers.next()
    }

    /// Failures of hooks so far.
    #[must_use]
    pub const fn hook_faults(&self) -> u64 {
        self.hook_faults
    }

    /// True while an entry of the slot is under way: its quote works, or the next one waits.
    #[must_use]
    pub fn is_entering(&self, slot: usize) -> bool {
        self.entries.get(slot).is_some_and(Option::is_some)
    }

    /// Looks at what the kernel has done with the turn's input, and at the deadlines.
    pub(crate) fn turn(&mut self, input: &Input, turn: &mut Turn<'_>) {
        if self.followed == 0 {
            return;
        }
        if let Input::Venue(message) = input
            && let (ClientRef::Own(client), VenueEvent::Reject { reason }) =
                (message.client, message.event)
        {
            self.refused(client, reason);
        }
        for slot in 0..turn.kernel.slots().len().min(SLOTS_MAX) {
            self.attend_exit(slot, turn);
            self.attend_entry(slot, turn);
        }
    }

    /// How an order leaves: as the style says where a price can be made, else by market.
    fn terms(&mut self, wish: &Wish, turn: &mut Turn<'_>, quote: Option<Terms>) -> Terms {
        let planned = turn.hooks.pre_plan(wish);
        if self.failed(planned, "the hook pre_plan failed: a plain taker order leaves", turn) {
            return Terms::Market;
        }
        let tick = turn.kernel.table().row(wish.instrument).tick;
        let terms = quote.filter(|terms| terms.is_usable(tick)).unwrap_or(Terms::Market);
        let answer = turn
            .hooks
            .pre_submit(wish, terms)
            .and_then(|terms| if terms.is_usable(tick) { Ok(terms) } else { Err(HookFault) });
        let why = "the hook pre_submit failed: a plain taker order leaves";
        if self.failed(answer.map(|_| ()), why, turn) {
            return Terms::Market;
        }
        answer.unwrap_or(Terms::Market)
    }

    /// The quote that the settings ask for; `None` in the taker style, and where no price can be made.
    fn quoted(wish: &Wish, ttl_ns: i64, turn: &Turn<'_>) -> Option<Terms> {
        if turn.settings.router_style == Style::Taker {
            return None;
        }
        let top = turn.top(wish.instrument);
        let reference = top.fresh(wish.side, turn.now, turn.settings);
        let tick = turn.kernel.table().row(wish.instrument).tick;
        let price = quote::price(wish.side, &top, reference, tick, turn.now, turn.settings)?;
        let post_only = turn.settings.router_post_only;
        Some(Terms::Limit { price, post_only, ttl_ns })
    }

    /// Tells a hook; a failure is counted and recorded.
    fn tell(
        &mut self,
        turn: &mut Turn<'_>,
        hook: fn(&mut dyn Hooks, &Step) -> Heard,
        step: &Step,
        fault: &'static str,
    ) {
        let heard = hook(turn.hooks, step);
        self.failed(heard, fault, turn);
    }

    fn failed(&mut self, heard: Heard, fault: &'static str, turn: &mut Turn<'_>) -> bool {
        if heard.is_err() {
            self.hook_faults += 1;
            turn.out.record(Record::Error { reason: fault });
        }
        heard.is_err()
    }

    fn follow_entry(&mut self, slot: usize, quote: Quote) {
        self.followed += u32::from(self.entries[slot].is_none());
        self.entries[slot] = Some(quote);
    }

    fn drop_entry(&mut self, slot: usize) {
        self.timers.clear(Spoke::Entry(slot));
        self.followed -= u32::from(self.entries[slot].take().is_some());
    }

    fn follow_exit(&mut self, slot: usize, exit: MakerExit) {
        self.followed += u32::from(self.exits[slot].is_none());
        self.exits[slot] = Some(exit);
    }

    fn drop_exit(&mut self, slot: usize) {
        self.timers.clear(Spoke::Exit(slot));
        self.followed -= u32::from(self.exits[slot].take().is_some());
    }

    /// It was read back: checks that it can be the router of an engine with so many instruments, and lets
    /// go of what stands in slots that are no more.
    pub(crate) fn restored(&mut self, instruments: usize, slots: usize) -> Result<(), Damage> {
        const PLACE: &str = "router";
        let followed = self.entries.iter().flatten().count() + self.exits.iter().flatten().count();
        Damage::unless(
            usize::try_from(self.followed) == Ok(followed)
                && self.timers.is_sound()
                && self.pace.is_sound(),
            PLACE,
            None,
            "counts and deadlines that add up",
        )?;
        for (slot, quote) in self.entries.iter().enumerate() {
            let Some(quote) = quote else { continue };
            Damage::unless(
                quote.plan.instrument.index() < instruments && quote.plan.slot == slot,
                PLACE,
                slot,
                "an entry of that slot, on an instrument that exists",
            )?;
        }
        for slot in slots..SLOTS_MAX {
            self.drop_entry(slot);
            self.drop_exit(slot);
        }
        Ok(())
    }
}
