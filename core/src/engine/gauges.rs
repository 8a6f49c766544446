//! Figures of a running engine, for whoever watches it.

use core::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};

use crate::engine::Engine;
use crate::msg::TradingState;
use crate::units::{Money, Nanos};

/// No equity: an open slot has no price.
const UNKNOWN: i64 = i64::MIN;
/// Bits of the flags.
const KILLED: u8 = 1;
const FLATTENING: u8 = 2;
const REDUCING: u8 = 4;
const FROZEN: u8 = 8;
const JOURNAL_SHORT: u8 = 16;
const FLAT: u8 = 32;

/// Figures of a running engine. Owner: the kernel thread, once per tick and after each control message;
/// anybody reads. Cost of publishing: a dozen plain stores.
#[derive(Debug, Default)]
pub struct Gauges {
    published: AtomicU64,
    now_ns: AtomicI64,
    inputs: AtomicU64,
    trades_closed: AtomicU64,
    net_pnl: AtomicI64,
    capital: AtomicI64,
    equity: AtomicI64,
    open_positions: AtomicU32,
    working_orders: AtomicU32,
    working_entries: AtomicU32,
    flags: AtomicU8,
}

/// What the operator is told. Each figure is of the moment of publication or of a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// How often figures were published; 0: nothing of this is known yet.
    pub published: u64,
    /// Engine time.
    pub now: Nanos,
    /// Inputs applied.
    pub inputs: u64,
    /// Round trips closed.
    pub trades_closed: u64,
    /// Net PnL since the start.
    pub net_pnl: Money,
    /// Capital of the books.
    pub capital: Money,
    /// Capital plus unrealized; `None` while an open slot has no price.
    pub equity: Option<Money>,
    /// Slots with a position.
    pub open_positions: u32,
    /// Orders of ours that are not proved to be over.
    pub working_orders: u32,
    /// Those of them that open or add.
    pub working_entries: u32,
    /// What the operator, or the engine itself, lets through.
    pub state: TradingState,
    /// Everything open is being closed.
    pub is_flattening: bool,
    /// Entries are frozen: books and venue do not agree, or something impossible happened.
    pub is_frozen: bool,
    /// Entries wait for the journal, or it cannot be written any more.
    pub is_journal_short: bool,
    /// No position, and no order of ours that could still fill.
    pub is_flat: bool,
}

impl Gauges {
    /// Engine time.
    #[must_use]
    pub fn now(&self) -> Nanos {
        Nanos::new(self.now_ns.load(Ordering::Relaxed))
    }

    /// Inputs applied.
    #[must_use]
    pub fn inputs(&self) -> u64 {
        self.inputs.load(Ordering::Relaxed)
    }

    /// Round trips closed.
    #[must_use]
    pub fn trades_closed(&self) -> u64 {
        self.trades_closed.load(Ordering::Relaxed)
    }

    /// Net PnL since the start.
    #[must_use]
    pub fn net_pnl(&self) -> Money {
        Money::from_raw(self.net_pnl.load(Ordering::Relaxed))
    }

    /// How often figures were published. What the kernel thread took from a link before this number rose is
    /// in them.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.published.load(Ordering::Acquire)
    }

    /// Everything.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let published = self.published();
        let flags = self.flags.load(Ordering::Relaxed);
        let is = |bit: u8| flags & bit != 0;
        Figures {
            published,
            now: self.now(),
            inputs: self.inputs(),
            trades_closed: self.trades_closed(),
            net_pnl: self.net_pnl(),
            capital: Money::from_raw(self.capital.load(Ordering::Relaxed)),
            equity: Some(self.equity.load(Ordering::Relaxed))
                .filter(|raw| *raw != UNKNOWN)
                .map(Money::from_raw),
            open_positions: self.open_positions.load(Ordering::Relaxed),
            working_orders: self.working_orders.load(Ordering::Relaxed),
            working_entries: self.working_entries.load(Ordering::Relaxed),
            state: if is(KILLED) || is(FLATTENING) {
                TradingState::Halted
            } else if is(REDUCING) {
                TradingState::Reducing
            } else {
                TradingState::Active
            },
            is_flattening: is(FLATTENING),
            is_frozen: is(FROZEN),
            is_journal_short: is(JOURNAL_SHORT),
            is_flat: is(FLAT),
        }
    }

    pub(super) fn publish<P, H>(&self, engine: &Engine<P, H>) {
        let kernel = &engine.kernel;
        let totals = kernel.totals();
        let state = kernel.trading_state();
        let mut flags = 0;
        for (bit, is_on) in [
            (KILLED, kernel.is_killed()),
            (FLATTENING, kernel.is_flattening()),
            (REDUCING, state == TradingState::Reducing),
            (FROZEN, kernel.is_frozen()),
            (JOURNAL_SHORT, kernel.is_journal_short()),
            (FLAT, kernel.is_flat()),
        ] {
            flags |= if is_on { bit } else { 0 };
        }
        let count = |orders: usize| u32::try_from(orders).unwrap_or(u32::MAX);
        let (working, entries) = (count(kernel.working_orders()), count(kernel.working_entries()));
        let equity = kernel.equity().map_or(UNKNOWN, Money::raw);
        self.now_ns.store(engine.now.get(), Ordering::Relaxed);
        self.inputs.store(engine.inputs, Ordering::Relaxed);
        self.trades_closed.store(totals.trades_closed.into(), Ordering::Relaxed);
        self.net_pnl.store(totals.net_pnl.raw(), Ordering::Relaxed);
        self.capital.store(kernel.ledger().capital().raw(), Ordering::Relaxed);
        self.equity.store(equity, Ordering::Relaxed);
        self.open_positions.store(totals.open_positions.into(), Ordering::Relaxed);
        self.working_orders.store(working, Ordering::Relaxed);
        self.working_entries.store(entries, Ordering::Relaxed);
        self.flags.store(flags, Ordering::Relaxed);
        self.published.fetch_add(1, Ordering::Release);
    }
}
