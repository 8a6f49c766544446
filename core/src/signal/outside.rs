//! Scans of an outside source, which stand in for the built-in regime.

use alloc::vec::Vec;

use crate::msg::Modifiers;
use crate::settings::Settings;
use crate::units::Nanos;

/// One scan as an outside source tells it. The ranking stays ours, made of its prices.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutsideScan {
    /// When; `None`: its place on the grid of `signal.scan_ns` that begins with the first market message.
    pub ts_ns: Option<Nanos>,
    /// Its number, greater than that of the scan before.
    pub number: u32,
    /// The regime signal; `None` is no signal, and no entry.
    pub vel_div: Option<f64>,
    /// Change of the first-eigenvalue share over 50 scans.
    pub velocity_50: Option<f64>,
    /// The same over 750.
    pub velocity_750: Option<f64>,
    /// Whether the volatility gate is open; `None`: what ours says of the same prices.
    pub vol_ok: Option<bool>,
    /// One price per instrument in table order, each finite and above 0; `None` for an asset that the scan
    /// does not know. Empty: the market's prices at that time.
    pub prices: Vec<Option<f64>>,
    /// Posture and factors of the size.
    pub modifiers: Modifiers,
}

/// The scans of a run in their order, and how far they were made. Owner: the signal stage.
#[derive(Debug)]
pub(super) struct Outside {
    scans: Vec<OutsideScan>,
    next: usize,
    scan_ns: i64,
    start: Option<Nanos>,
}

impl Outside {
    pub(super) fn new(scans: Vec<OutsideScan>, settings: &Settings) -> Self {
        Self { scans, next: 0, scan_ns: settings.signal_scan_ns.max(1), start: None }
    }

    /// A market message was taken in.
    pub(super) const fn saw(&mut self, time: Nanos) {
        if self.start.is_none() {
            self.start = Some(time);
        }
    }

    /// Time of the next scan: messages up to it inclusive belong to it. `None` behind the last.
    pub(super) fn due(&self) -> Option<Nanos> {
        let place = i64::try_from(self.next).unwrap_or(i64::MAX);
        let on_grid = || Some(self.start?.plus(place.saturating_mul(self.scan_ns)));
        self.scans.get(self.next)?.ts_ns.or_else(on_grid)
    }

    /// The next scan and its time, and moves on.
    pub(super) fn take(&mut self) -> Option<(Nanos, &OutsideScan)> {
        let time = self.due()?;
        let scan = self.scans.get(self.next)?;
        self.next += 1;
        Some((time, scan))
    }
}
