//! The trading kernel: slots, orders and books. One writer; a pure function of its ordered inputs.
//!
//! ```text
//!   Input ──▶ apply ─┬─ market ──▶ market.rs   last prices, marks of open slots
//!                    ├─ venue ───▶ venue.rs    answers to orders ┬─▶ book.rs, infer.rs, fees.rs ─▶ ledger (K)
//!                    │             outside.rs  closes not by us  ┘
//!                    │             recover.rs  open orders, strays
//!                    │             account.rs  balances, funding
//!                    │             facts.rs    the venue's facts (E) ─▶ adopt.rs  not ours
//!                    │             reconcile.rs  K − E
//!                    ├─ control ─▶ guard.rs    kill, freeze; recover.rs; reanchor.rs
//!                    └─ any time ▶ lookup.rs   look-ups that are due; owed.rs  exits that are due
//!   Intent ─▶ submit ───────────▶ submit.rs   enter, exit, cancel, mark
//!                                                  all ──▶ Effects: commands and records
//! ```
//!
//! Life of a slot (every pair of stage and event: `slot/grid.txt`):
//!
//! ```text
//!  IDLE ─enter▶ ORDER_REQUESTED ─ack▶ ENTRY_WORKING ─fill▶ PARTIAL_FILL
//!   │ ▲               │ reject              │ reject, end        │ rest, end
//!   │ └───────────────┴─────────────────────┘                   ▼
//!   └─adopt──────────────────────────────▶ (POSITION_OPENED) POSITION_OPEN ◀─proved─┐
//!                                                               │ exit              │
//!            ┌──────────────────────────────────────────────────┤            STALE_STATE_
//!            ▼                                                  │            RECONCILING
//!      EXIT_REQUESTED ▶ EXIT_SENT ─ack▶ EXIT_ACKED ─fill▶ EXIT_WORKING              ▲
//!            ▲                │              │ leg filled       │ reject, end: retry│
//!            ├────────────────┴── POSITION_PARTIALLY_CLOSED ◀───┘    outcome unknown┘
//!            │                               │ flat     ▲ closed outside
//!            │  POSITION_CLOSED ▶ CLOSED ▶ TRADE_TERMINAL_WRITTEN ─enter, adopt▶ …
//!            │                               ▲ flat
//!            └─exit── DUST ──────────────────┘   (too small to be sold: from any open stage at rest)
//! ```
//!
//! Rules that hold everywhere:
//! - An order has its identity before it leaves; a venue message is attributed by the venue's identity of
//!   an order, else by ours, else by nothing.
//! - A fill moves slot and books in one step, once.
//! - An order blocks its slot until the venue has told its end by identity and the total it told is the
//!   total that is booked. Absence from a list proves nothing; only a long denial by identity ends an
//!   order otherwise, and only while positions and lists agree with it.
//! - What the venue holds is taken over at a start and never later; what is not ours freezes entries for as
//!   long as the venue shows it.
//! - What cannot be is reported ([`Record::Error`]) and freezes entries; it never panics. Exits are never
//!   frozen, killed or held back.
//! - Nothing allocates after [`Kernel::new`]. A market event of an instrument without a position costs a
//!   few dozen instructions.

mod account;
mod adopt;
mod book;
pub mod effects;
pub mod facts;
pub mod fee_model;
mod fees;
mod fills;
mod flows;
mod guard;
mod infer;
pub mod intent;
pub mod ledger;
mod lookup;
mod market;
pub mod orders;
mod outside;
mod owed;
#[cfg(feature = "planted")]
mod planted;
mod reanchor;
pub mod reconcile;
mod recover;
mod restored;
pub mod slot;
pub mod stage;
mod submit;
#[cfg(test)]
mod tests;
mod times;
mod venue;

pub use effects::Effects;
pub use facts::Facts;
pub use fee_model::FeeModel;
pub use intent::{Code, Intent, Verdict};
pub use ledger::Ledger;
pub use market::Top;
pub use slot::Slot;

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::id::{ClientId, InstrumentId, TextId, TradeId};
use crate::instrument::InstrumentTable;
use crate::msg::{Input, MarketMsg, Maybe, Record};
use crate::settings::Settings;
use crate::units::{Money, Nanos};

use book::{HELD_FILLS_MAX, HeldFill};
use fills::Fills;
use flows::Flows;
use guard::Halts;
use market::{Market, Seen};
use orders::{Order, Orders};
use reconcile::Bookings;
use recover::Recovery;
use slot::transition::{Transition, transition};
use stage::SlotEvent;
use times::Times;

/// Sums of a run, for its summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Orders placed.
    pub orders: u32,
    /// Own fills booked.
    pub fills: u64,
    /// Round trips closed.
    pub trades_closed: u32,
    /// Of them with a positive result after costs.
    pub wins: u32,
    /// Of them with a negative result after costs.
    pub losses: u32,
    /// Gross result of everything closed, parts of open positions included.
    pub gross_pnl: Money,
    /// Fees; positive is a cost.
    pub fees: Money,
    /// Funding; positive was paid.
    pub funding: Money,
    /// Gross result less fees and funding: capital less starting capital, transfers and adjustments.
    pub net_pnl: Money,
    /// Deepest fall of the equity below its earlier peak.
    pub max_drawdown: Money,
    /// Slots with a position.
    pub open_positions: u16,
}

/// The kernel. See the module's documentation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kernel {
    #[serde(skip)]
    table: Arc<InstrumentTable>,
    markets: Vec<Market>,
    slots: Vec<Slot>,
    orders: Orders,
    fills: Fills,
    flows: Flows,
    held: Vec<HeldFill>,
    early_forced: outside::EarlyForcedCloses,
    ledger: Ledger,
    facts: Facts,
    halts: Halts,
    recovery: Recovery,
    times: Times,
    fee_model: FeeModel,
    next_trade: u64,
    revision: u64,
    orders_placed: u32,
    deadline: Nanos,
    hot_ns: Maybe<Nanos>,
    was_probed: bool,
    wants_positions: bool,
    bookings: Bookings,
    /// When an order was last presumed never to have arrived.
    presumed_ns: Maybe<Nanos>,
}

impl Kernel {
    /// A kernel without history. Allocates everything it will ever need (about 2 MB).
    ///
    /// `epoch` separates the order identities of this run from those of others. Of `settings` only what
    /// needs a restart is read here: slots and starting capital.
    #[must_use]
    pub fn new(settings: &Settings, table: Arc<InstrumentTable>, epoch: u32) -> Self {
        let slots = Self::slot_count(settings);
        Self {
            markets: vec![Market::EMPTY; table.len()],
            slots: vec![Slot::new(); slots],
            orders: Orders::new(epoch),
            fills: Fills::new(),
            flows: Flows::new(),
            held: Vec::with_capacity(HELD_FILLS_MAX),
            early_forced: outside::EarlyForcedCloses::new(),
            ledger: Ledger::new(settings.account_starting_capital),
            facts: Facts::new(table.len()),
            halts: Halts::default(),
            recovery: Recovery::default(),
            times: Times::of(settings),
            fee_model: FeeModel::new(settings),
            next_trade: 1,
            revision: 0,
            orders_placed: 0,
            deadline: Nanos::MAX,
            hot_ns: Maybe::NONE,
            was_probed: false,
            wants_positions: false,
            bookings: Bookings::NONE,
            presumed_ns: Maybe::NONE,
            table,
        }
    }

    /// Slots that the settings want.
    fn slot_count(settings: &Settings) -> usize {
        usize::try_from(settings.kernel_slots_max).map_or(1, |slots| slots.clamp(1, 16))
    }

    /// Applies one input: market, venue, control or time. Scans and settings change nothing here.
    ///
    /// `now` never decreases. Commands and records are added to `out`, which the caller empties between
    /// turns.
    pub fn apply(
        &mut self,
        now: Nanos,
        input: &Input,
        settings: &Settings,
        out: &mut Effects,
    ) -> Verdict {
        let verdict = match input {
            Input::Market(message) => self.on_market(now, message, out),
            Input::Venue(message) => {
                self.times = Times::of(settings);
                self.fee_model.publish(settings);
                let before = self.ledger.capital();
                let verdict = self.on_venue(now, message, settings, out);
                #[cfg(feature = "planted")]
                self.end_absent(now, message, out);
                self.note_booking(now, message, before, settings);
                verdict
            }
            Input::Control(message) => {
                self.times = Times::of(settings);
                self.on_control(now, message.control, settings, out)
            }
            Input::Settings { .. } => {
                self.times = Times::of(settings);
                Verdict::OK
            }
            Input::Scan(_) | Input::Tick => Verdict::OK,
        };
        if now >= self.deadline {
            self.look_up_due(now, out);
        }
        verdict
    }

    /// Asks for an entry, an exit, a cancel or a mark. The verdict says what was done; a refused entry by a guard
    /// also leaves a record that names the guard.
    pub fn submit(
        &mut self,
        now: Nanos,
        intent: &Intent,
        settings: &Settings,
        out: &mut Effects,
    ) -> Verdict {
        self.times = Times::of(settings);
        match intent {
            Intent::Enter {
                slot,
                trade,
                instrument,
                side,
                qty,
                leverage,
                kind,
                tif,
                price,
                reference_price,
                legs,
            } => {
                let wish = submit::Entry {
                    slot: *slot,
                    trade: *trade,
                    instrument: *instrument,
                    side: *side,
                    qty: *qty,
                    leverage: *leverage,
                    kind: *kind,
                    tif: *tif,
                    price: price.get(),
                    reference_price: *reference_price,
                    legs,
                };
                self.enter(now, &wish, settings, out)
            }
            Intent::Exit { slot, qty, all, kind, tif, price, ttl_ns, reason } => {
                let wish = submit::Exit {
                    qty: qty.get(),
                    all: *all,
                    kind: *kind,
                    tif: *tif,
                    price: price.get(),
                    ttl_ns: *ttl_ns,
                    reason: *reason,
                };
                self.exit(now, *slot, &wish, out)
            }
            Intent::Cancel { slot } => self.cancel(now, *slot, out),
            Intent::Mark { slot, price } => self.mark_slot(*slot, *price),
        }
    }

    /// The earliest time at which [`Kernel::apply`] has something to do without a message: a look-up of
    /// an order that nobody answered for, or an exit whose time is over. May be early, never late.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Nanos> {
        (self.deadline != Nanos::MAX).then_some(self.deadline)
    }

    /// Counter of our own activity: orders sent, fills booked, and everything else after which an older view
    /// of the venue proves nothing (a recovery's steps, an adoption, a first denial). Probes carry it, so that
    /// an answer from before our last activity is known as such.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// Every slot.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// One slot.
    ///
    /// # Panics
    /// When `index` is not below `kernel.slots_max`.
    #[must_use]
    pub fn slot(&self, index: usize) -> &Slot {
        &self.slots[index]
    }

    /// An order that is still remembered.
    #[must_use]
    pub fn order(&self, client: ClientId) -> Option<&Order> {
        self.orders.get(client)
    }

    /// Orders that are still remembered, in no order.
    pub fn orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.iter()
    }

    /// Venue time up to which every fill of ours is known: the last booked one, or the first booked one of
    /// an order that is not over, whichever is earlier. `None` before the first fill whose time was told.
    /// Whoever asks for fills after a restart begins before it, by as much as the venue may have been late.
    #[must_use]
    pub fn fills_known_to(&self) -> Option<Nanos> {
        let times = self.fills.newest().filter_map(|fill| Some((fill, fill.ts_exch_ns.get()?)));
        times
            .fold(None, |known: Option<(Nanos, bool)>, (fill, at)| {
                let is_under_way = self.orders.get(fill.order).is_some_and(|order| !order.over);
                match known {
                    None => Some((at, is_under_way)),
                    Some((before, _)) if is_under_way => Some((before.min(at), true)),
                    Some((before, false)) if !is_under_way => Some((before.max(at), false)),
                    Some(known) => Some(known),
                }
            })
            .map(|(at, _)| at)
    }

    /// Our identity of the order that the venue calls so.
    #[must_use]
    pub fn order_by_venue_id(&self, venue_id: &TextId) -> Option<ClientId> {
        self.orders.find_venue(venue_id)
    }

    /// The books.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What fees are predicted by.
    #[must_use]
    pub const fn fee_model(&self) -> &FeeModel {
        &self.fee_model
    }

    /// The venue's facts.
    #[must_use]
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The run's instruments.
    #[must_use]
    pub fn table(&self) -> &InstrumentTable {
        &self.table
    }

    /// The round trip that the next entry gets when it names none.
    #[must_use]
    pub const fn next_trade(&self) -> TradeId {
        TradeId::new(self.next_trade)
    }

    /// The last market of an instrument; `None` before its first price.
    #[must_use]
    pub fn top(&self, instrument: InstrumentId) -> Option<Top> {
        let top = self.markets.get(instrument.index())?.top;
        let seen = [top.quote_ns, top.last_ns, top.mark_ns].iter().any(|at| *at != Maybe::NONE);
        seen.then_some(top)
    }

    /// Slots with a position.
    #[must_use]
    pub fn open_positions(&self) -> u16 {
        self.slots.iter().map(|slot| u16::from(slot.is_open())).sum()
    }

    /// Margin that can be used, as far as it is known between two balances: what the venue told last, less
    /// what our capital has lost since; gains and freed margin count when the venue says so, and it is
    /// never more than the capital. Margin of positions opened since is not in it: only the venue knows
    /// it. `None` when the venue never said.
    #[must_use]
    pub fn available(&self) -> Option<Money> {
        self.facts.available_at(self.ledger.capital())
    }

    /// Unrealized result of all slots at executable prices; `None` when an open one has no price.
    #[must_use]
    pub fn unrealized(&self) -> Option<Money> {
        self.slots.iter().try_fold(Money::ZERO, |sum, slot| sum.checked_add(slot.unrealized()?))
    }

    /// Capital plus unrealized.
    #[must_use]
    pub fn equity(&self) -> Option<Money> {
        self.ledger.capital().checked_add(self.unrealized()?)
    }

    /// Sums since the start.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let ledger = &self.ledger;
        let net = ledger
            .realized()
            .checked_sub(ledger.fees())
            .and_then(|net| net.checked_sub(ledger.funding()));
        Totals {
            orders: self.orders_placed,
            fills: ledger.fills(),
            trades_closed: ledger.trades_closed(),
            wins: ledger.wins(),
            losses: ledger.losses(),
            gross_pnl: ledger.realized(),
            fees: ledger.fees(),
            funding: ledger.funding(),
            // Cannot miss: the ledger books nothing whose capital does not fit.
            net_pnl: net.unwrap_or(Money::ZERO),
            max_drawdown: ledger.max_drawdown(),
            open_positions: self.open_positions(),
        }
    }

    fn on_market(&mut self, now: Nanos, message: &MarketMsg, out: &mut Effects) -> Verdict {
        let Some(market) = self.markets.get_mut(message.instrument.index()) else {
            return Verdict::refused(Code::Violation);
        };
        match market.see(now, message) {
            Seen::Price => {
                if market.is_held {
                    self.mark(message.instrument);
                }
                Verdict::OK
            }
            Seen::Gap => {
                out.record(Record::Gap { instrument: message.instrument });
                Verdict::OK
            }
            Seen::Nothing => Verdict::OK,
            Seen::Refused => Verdict::refused(Code::Violation),
        }
    }

    /// Marks what is held of an asset at its executable price, and follows the equity.
    fn mark(&mut self, instrument: InstrumentId) {
        let market = &mut self.markets[instrument.index()];
        market.is_held = false;
        for slot in &mut self.slots {
            if slot.instrument == instrument && slot.is_open() {
                market.is_held = true;
                slot.unrealized = market
                    .top
                    .executable(slot.position.side.exit_side())
                    .and_then(|(price, _)| slot.position.unrealized_at(price));
            }
        }
        self.follow();
    }

    /// Moves a slot through its table and records the move; true when the event was legal.
    fn fire(&mut self, index: usize, event: SlotEvent, out: &mut Effects) -> bool {
        let slot = &mut self.slots[index];
        let from = slot.stage;
        match transition(from, event) {
            Transition::Next(to) => {
                slot.stage = to;
                if from != to {
                    #[expect(clippy::cast_possible_truncation, reason = "at most 16 slots")]
                    out.record(Record::Slot {
                        slot: index as u8,
                        trade: slot.trade,
                        instrument: slot.instrument,
                        from,
                        to,
                        event,
                    });
                }
                true
            }
            Transition::Ignored(_) => true,
            Transition::Violation(why) => {
                self.fault(why, out);
                false
            }
        }
    }
}
