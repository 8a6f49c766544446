//! What the outside holds of a run: the stop flag and the gauges, and how the operator gets in.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use pinion_core::engine::Gauges;
use pinion_core::units::Nanos;

use crate::sandbox::Sandbox;

/// Shared between a run, its signal handler and its progress bar.
#[derive(Debug, Default)]
pub struct Watch {
    /// Set it to end the run cleanly.
    pub stop: Arc<AtomicBool>,
    /// Figures of the running engine.
    pub gauges: Arc<Gauges>,
    /// Where the control socket is to lie; by default in the run directory.
    pub control: Option<PathBuf>,
    /// Whether a live run locks itself in.
    pub sandbox: Sandbox,
    pub(super) ended: AtomicBool,
    start_ns: AtomicI64,
    end_ns: AtomicI64,
}

impl Watch {
    pub(super) fn span(&self, start: Nanos, end: Nanos) {
        self.start_ns.store(start.get(), Ordering::Relaxed);
        self.end_ns.store(end.get(), Ordering::Relaxed);
    }

    /// Share of the stream time that has passed, in parts per million; 0 before the start.
    #[must_use]
    pub fn progress_ppm(&self) -> u64 {
        let start = self.start_ns.load(Ordering::Relaxed);
        let span = i128::from(self.end_ns.load(Ordering::Relaxed)) - i128::from(start);
        let gone = i128::from(self.gauges.now().get()) - i128::from(start);
        if span <= 0 {
            return 0;
        }
        u64::try_from((gone * 1_000_000 / span).clamp(0, 1_000_000)).unwrap_or(0)
    }

    /// True once the run has come to its end.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Says that the run is over: for a run that ended before it began.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }
}
