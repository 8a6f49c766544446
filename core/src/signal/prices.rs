//! From market messages to scans: the price of every asset, and when the next scan is due.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use crate::instrument::InstrumentTable;
use crate::msg::{MarketBody, MarketMsg};
use crate::settings::Settings;
use crate::signal::{OutsideScan, Regime, Signal, WINDOWS, WindowSet};
use crate::units::{Nanos, Price, SCALE};

/// Bars for which a close stays usable after its own.
const BAR_STALE_BARS: i64 = 5;

/// A price and the last moment at which it may be used.
#[derive(Clone, Copy, Debug)]
struct Stamp {
    price: f64,
    until: Nanos,
}

impl Stamp {
    fn at(self, time: Nanos) -> Option<f64> {
        (time <= self.until).then_some(self.price)
    }
}

/// What is known about one asset's price.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    mid: Option<Stamp>,
    last: Option<Stamp>,
}

impl Cell {
    fn at(self, time: Nanos) -> Option<f64> {
        let usable = |stamp: Option<Stamp>| stamp.and_then(|stamp| stamp.at(time));
        usable(self.mid).or_else(|| usable(self.last))
    }
}

/// What decides when scans are made.
#[derive(Clone, Copy, Debug)]
enum Pace {
    /// Nothing usable has come yet.
    Unknown,
    /// A grid of `signal.scan_ns` that started at the first price.
    Grid {
        /// Time of the next scan.
        due: Nanos,
    },
    /// One scan per bar time.
    Bars {
        /// End and open of the bars that are coming in; `None` once they were scanned.
        due: Option<(Nanos, Nanos)>,
        /// End of the last bars scanned.
        done: Option<Nanos>,
    },
}

/// Scans in the longest window.
const LONGEST: usize = WINDOWS[WINDOWS.len() - 1];

/// Keeps prices and makes scans when they are due. Owner: the signal stage or a command.
///
/// The first price decides: a bar means one scan per bar, made of closes alone; a quote or a trade means
/// a grid (a bar's close then counts like a trade). A scan of time T takes in every message up to T
/// inclusive, so it can be made from T + 1 ns on; whoever drives asks [`Scanner::due`] before each message:
/// a message later than that must wait until the scan is made.
#[derive(Debug)]
pub struct Scanner {
    scan_ns: i64,
    stale_ns: i64,
    pace: Pace,
    cells: Vec<Cell>,
    prices: Vec<Option<f64>>,
    /// Scans in a row without any price.
    empty: usize,
    signal: Signal,
}

impl Scanner {
    /// For the instruments of a table. Allocates once.
    #[must_use]
    pub fn new(settings: &Settings, table: Arc<InstrumentTable>, set: WindowSet) -> Self {
        Self {
            scan_ns: settings.signal_scan_ns.max(1),
            stale_ns: settings.signal_stale_ns,
            pace: Pace::Unknown,
            cells: vec![Cell::default(); table.len()],
            prices: vec![None; table.len()],
            empty: 0,
            signal: Signal::new(settings, table, set),
        }
    }

    /// Time of the next scan, once there was a price: messages up to it inclusive belong to it.
    #[must_use]
    pub fn due(&self) -> Option<Nanos> {
        match self.pace {
            Pace::Unknown => None,
            // Every window is empty by now: further empty scans would say nothing new.
            Pace::Grid { .. } if self.empty > LONGEST => None,
            Pace::Grid { due } => Some(due),
            Pace::Bars { due, .. } => due.map(|(end, _)| end),
        }
    }

    /// Takes in a message. What gives no sane price (crossed or empty quotes, prices not above 0, depth,
    /// marks) changes nothing.
    pub fn absorb(&mut self, message: &MarketMsg) {
        let time = message.ts_recv_ns;
        let is_bar_run = matches!(self.pace, Pace::Bars { .. });
        let Some(cell) = self.cells.get_mut(message.instrument.index()) else { return };
        match message.body() {
            MarketBody::Quote { bid, ask, .. } => {
                if bid.is_positive() && bid <= ask && !is_bar_run {
                    cell.mid =
                        Some(Stamp { price: mid(bid, ask), until: time.plus(self.stale_ns) });
                    self.start_grid(time);
                }
            }
            MarketBody::Trade { price, .. } => {
                if price.is_positive() && !is_bar_run {
                    let until = time.plus(self.stale_ns);
                    cell.last = Some(Stamp { price: price.to_f64(), until });
                    self.start_grid(time);
                }
            }
            MarketBody::Bar { close, .. } => {
                if close.is_positive() {
                    let open = message.ts_exch_ns.get();
                    let life_ns = match (self.pace, open) {
                        (Pace::Unknown | Pace::Bars { .. }, Some(open)) => {
                            time.since(open).max(0).saturating_mul(BAR_STALE_BARS)
                        }
                        (Pace::Unknown | Pace::Bars { .. }, None) | (Pace::Grid { .. }, _) => {
                            self.stale_ns
                        }
                    };
                    cell.last = Some(Stamp { price: close.to_f64(), until: time.plus(life_ns) });
                    self.start_bars(time, open.unwrap_or(time));
                }
            }
            MarketBody::Mark { .. }
            | MarketBody::Level { .. }
            | MarketBody::Reset
            | MarketBody::Gap => {}
        }
    }

    /// The first price starts the grid; the first one after a silence longer than every window wakes it at
    /// its next point, the scans in between counted but not made.
    fn start_grid(&mut self, time: Nanos) {
        match &mut self.pace {
            Pace::Unknown => self.pace = Pace::Grid { due: time },
            Pace::Grid { due } if self.empty > LONGEST => {
                let behind = time.since(*due).max(0);
                let missed = behind.div_euclid(self.scan_ns)
                    + i64::from(behind.rem_euclid(self.scan_ns) > 0);
                *due = due.plus(missed.saturating_mul(self.scan_ns));
                self.signal.skip(missed.unsigned_abs());
                self.empty = 0;
            }
            Pace::Grid { .. } | Pace::Bars { .. } => {}
        }
    }

    fn start_bars(&mut self, end: Nanos, open: Nanos) {
        match &mut self.pace {
            Pace::Unknown => self.pace = Pace::Bars { due: Some((end, open)), done: None },
            Pace::Bars { due, done } => {
                // A bar that comes after its scan corrects the price; it does not make a second scan.
                if due.is_none() && done.is_none_or(|done| end > done) {
                    *due = Some((end, open));
                }
            }
            Pace::Grid { .. } => {}
        }
    }

    /// Makes the scan that is due and moves on to the next; without one, the last scan stands.
    pub fn scan(&mut self) -> &Regime {
        let (time, label) = match &mut self.pace {
            Pace::Unknown | Pace::Bars { due: None, .. } => return self.signal.regime(),
            Pace::Grid { due } => {
                let time = *due;
                *due = time.plus(self.scan_ns);
                (time, time)
            }
            Pace::Bars { due: due @ Some(_), done } => {
                let Some((end, open)) = due.take() else { return self.signal.regime() };
                *done = Some(end);
                (end, open)
            }
        };
        for (price, cell) in self.prices.iter_mut().zip(&self.cells) {
            *price = cell.at(time);
        }
        let is_empty = self.prices.iter().all(Option::is_none);
        self.empty = if is_empty { self.empty + 1 } else { 0 };
        self.signal.scan(time, label, &self.prices)
    }

    /// Makes a scan of an outside source at this time. Assets are ranked by its prices, or by the market's
    /// where it gives none.
    pub(super) fn scan_as(&mut self, time: Nanos, said: &OutsideScan) -> &Regime {
        for (index, (price, cell)) in self.prices.iter_mut().zip(&self.cells).enumerate() {
            *price = match said.prices.get(index) {
                Some(given) => *given,
                None => cell.at(time),
            };
        }
        let ahead = said.number.saturating_sub(self.signal.regime().number).saturating_sub(1);
        self.signal.skip(u64::from(ahead));
        self.signal.scan(time, time, &self.prices);
        self.signal.overrule(said);
        self.signal.regime()
    }

    /// The latest scan.
    #[must_use]
    pub const fn regime(&self) -> &Regime {
        self.signal.regime()
    }

    /// The prices that the latest scan was made of, one per instrument in table order.
    #[must_use]
    pub fn prices(&self) -> &[Option<f64>] {
        &self.prices
    }

    /// The instruments.
    #[must_use]
    pub fn table(&self) -> &InstrumentTable {
        self.signal.table()
    }
}

/// Middle of a quote: summed exactly, then brought to floats once.
fn mid(bid: Price, ask: Price) -> f64 {
    let twice = i128::from(bid.raw()) + i128::from(ask.raw());
    twice as f64 / (2 * SCALE) as f64
}
