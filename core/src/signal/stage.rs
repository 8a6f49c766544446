//! The signal stage: the scanner between the tap link and the scan link.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::instrument::InstrumentTable;
use crate::link::{Rx, Tx};
use crate::msg::{MarketMsg, ScanMsg};
use crate::settings::Settings;
use crate::signal::outside::Outside;
use crate::signal::{OutsideScan, Regime, Scanner, WindowSet};
use crate::stage::{Stage, Work};
use crate::units::Nanos;

/// Market messages that one poll takes in at most.
const MESSAGES_PER_POLL: usize = 256;

/// Turns the tap of market messages into scans.
///
/// At most one scan a poll. While a scan has not left whole, no further one is made: the stage reads on
/// up to the next scan's time, then waits with the rest still in the tap. So no scan is ever lost, and
/// each is made of exactly the messages up to its time.
#[derive(Debug)]
pub struct SignalStage {
    scanner: Scanner,
    /// `None`: the scans are our own.
    outside: Option<Outside>,
    tap: Rx<MarketMsg>,
    scans: Tx<ScanMsg>,
    /// Messages of the latest scan that have left.
    sent: usize,
    held: u64,
    counted_held: bool,
    /// Time of the last poll.
    polled: Nanos,
    /// Number of the last scan of the process before this one; 0 for none.
    before: u32,
}

impl SignalStage {
    /// Between two links.
    #[must_use]
    pub fn new(
        settings: &Settings,
        table: Arc<InstrumentTable>,
        tap: Rx<MarketMsg>,
        scans: Tx<ScanMsg>,
    ) -> Self {
        Self::with(settings, table, WindowSet::Outer, None, tap, scans)
    }

    /// The same, with the regime of an outside source: one scan for each of these, in order of time and
    /// number. Those later than the market are not made.
    #[must_use]
    pub fn outside(
        settings: &Settings,
        table: Arc<InstrumentTable>,
        said: Vec<OutsideScan>,
        tap: Rx<MarketMsg>,
        scans: Tx<ScanMsg>,
    ) -> Self {
        let outside = Some(Outside::new(said, settings));
        Self::with(settings, table, WindowSet::Outside, outside, tap, scans)
    }

    fn with(
        settings: &Settings,
        table: Arc<InstrumentTable>,
        set: WindowSet,
        outside: Option<Outside>,
        tap: Rx<MarketMsg>,
        scans: Tx<ScanMsg>,
    ) -> Self {
        let scanner = Scanner::new(settings, table, set);
        // Nothing was scanned, so nothing waits.
        let sent = scanner.regime().messages();
        let (held, polled) = (0, Nanos::ZERO);
        Self { scanner, outside, tap, scans, sent, held, counted_held: false, polled, before: 0 }
    }

    /// Numbers go on behind `before`, the last scan of the process that this one goes on from: how long a
    /// position is held counts in scans. What the scanner knows of the market begins anew.
    #[must_use]
    pub const fn behind(mut self, before: u32) -> Self {
        self.before = before;
        self
    }

    fn due(&self) -> Option<Nanos> {
        self.outside.as_ref().map_or_else(|| self.scanner.due(), Outside::due)
    }

    fn absorb(&mut self, message: &MarketMsg) {
        if let Some(outside) = &mut self.outside {
            outside.saw(message.ts_recv_ns);
        }
        self.scanner.absorb(message);
    }

    fn scan(&mut self) {
        match &mut self.outside {
            None => {
                self.scanner.scan();
            }
            Some(outside) => {
                if let Some((time, said)) = outside.take() {
                    self.scanner.scan_as(time, said);
                }
            }
        }
    }

    /// The latest scan.
    #[must_use]
    pub const fn regime(&self) -> &Regime {
        self.scanner.regime()
    }

    /// Scans that found the link too full to leave at once.
    #[must_use]
    pub const fn held(&self) -> u64 {
        self.held
    }

    /// True while a scan has not left whole.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        self.sent < self.regime().messages()
    }

    /// Sends what fits of the latest scan.
    fn send(&mut self, work: &mut Work) {
        while self.is_waiting() {
            if self.scans.free() == 0
                || self
                    .scans
                    .push(self.scanner.regime().message(self.sent).behind(self.before))
                    .is_err()
            {
                self.held += u64::from(!self.counted_held);
                self.counted_held = true;
                work.backpressured = true;
                return;
            }
            self.sent += 1;
            work.count += 1;
        }
    }

    /// Takes in messages up to the next scan's time; true when that scan can be made.
    fn take_in(&mut self, now: Nanos, work: &mut Work) -> bool {
        for _ in 0..MESSAGES_PER_POLL {
            let due = self.due();
            let Some(message) = self.tap.peek() else {
                return due.is_some_and(|due| now > due);
            };
            if due.is_some_and(|due| message.ts_recv_ns > due) {
                return true;
            }
            if let Some(message) = self.tap.pop() {
                self.absorb(&message);
                work.count += 1;
            }
        }
        false
    }
}

impl Stage for SignalStage {
    fn name(&self) -> &'static str {
        "signal"
    }

    fn poll(&mut self, now: Nanos) -> Work {
        self.polled = now;
        let mut work = Work::NONE;
        self.send(&mut work);
        let ready = self.take_in(now, &mut work);
        if ready && !self.is_waiting() {
            self.scan();
            self.sent = 0;
            self.counted_held = false;
            self.send(&mut work);
        }
        work
    }

    fn next_deadline(&self) -> Option<Nanos> {
        // A scan that waits for room needs the reader of the link, not time.
        if self.is_waiting() { None } else { self.due().map(|due| due.plus(1)) }
    }

    fn drained(&self) -> bool {
        let ahead = self.due().is_none_or(|due| due >= self.polled);
        ahead && !self.is_waiting() && self.tap.is_empty()
    }
}
