//! Figures of a running engine, for whoever watches it.

use core::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::engine::Engine;
use crate::units::{Money, Nanos};

/// Figures of a running engine for a progress bar. Owner: the kernel thread, once per tick; anybody reads.
#[derive(Debug, Default)]
pub struct Gauges {
    now_ns: AtomicI64,
    inputs: AtomicU64,
    trades_closed: AtomicU64,
    net_pnl: AtomicI64,
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

    pub(super) fn publish<P, H>(&self, engine: &Engine<P, H>) {
        let totals = engine.kernel.totals();
        self.now_ns.store(engine.now.get(), Ordering::Relaxed);
        self.inputs.store(engine.inputs, Ordering::Relaxed);
        self.trades_closed.store(totals.trades_closed.into(), Ordering::Relaxed);
        self.net_pnl.store(totals.net_pnl.raw(), Ordering::Relaxed);
    }
}
