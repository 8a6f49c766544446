//! The regime signal: how much the universe moves as one, how that changes, and who moves most cleanly.
//!
//! A scan takes one price per asset and yields, for each window in [`WINDOWS`], the first eigenvalue's
//! share of the correlation of returns (`lambda`) and its change (`velocity`); their difference between
//! the shortest and the longest window (`vel_div`); the volatility gate; and the ranking of assets.
//!
//! [`Signal`] is the computation alone. [`Scanner`] feeds it from market messages and knows when a scan
//! is due. [`SignalStage`] is the scanner between two links.

mod eigen;
mod history;
mod outside;
mod prices;
mod ranking;
mod stage;
mod volatility;
mod window;

use alloc::sync::Arc;
use alloc::vec::Vec;

pub use outside::OutsideScan;
pub use prices::Scanner;
pub use ranking::{STABLECOINS, ars, is_stablecoin};
pub use stage::SignalStage;
pub use volatility::{VOL_WINDOW, VolReading};
pub use window::WindowReading;

use crate::instrument::InstrumentTable;
use crate::msg::{Modifiers, PositionSide, Rank, Scan, ScanMsg};
use crate::settings::Settings;
use crate::units::Nanos;
use eigen::Eigen;
use history::{History, spread};
use ranking::Ranking;
use volatility::VolatilityGate;
use window::Window;

/// Window lengths in scans; the first minus the last velocity is `vel_div`.
pub const WINDOWS: [usize; 4] = [50, 150, 300, 750];

/// A whole number of the settings, brought into a range that memory allows.
fn count(value: i64, least: usize, most: usize) -> usize {
    usize::try_from(value).unwrap_or(0).clamp(least, most)
}

/// Everything one scan says.
#[derive(Clone, Debug, PartialEq)]
pub struct Regime {
    /// Number of the scan, from 1; 0 before the first.
    pub number: u32,
    /// Time of the scan: prices up to and including it count.
    pub ts_ns: Nanos,
    /// What the scan is labelled with: the bar's open on bar data, else `ts_ns`.
    pub label_ns: Nanos,
    /// Assets with a price.
    pub priced: u16,
    /// One reading per window, in the order of [`WINDOWS`].
    pub windows: [WindowReading; WINDOWS.len()],
    /// Shortest minus longest window's velocity; `None` when either is missing.
    pub vel_div: Option<f64>,
    /// The volatility gate.
    pub volatility: VolReading,
    /// Enough assets have a full ranking window.
    pub picker_warm: bool,
    /// All ranked assets, best first per direction, short before long.
    pub ranking: Vec<Rank>,
    /// What an outside source says of the size; `None` for a scan of our own.
    pub modifiers: Option<Modifiers>,
}

impl Regime {
    /// Nothing scanned yet; room for every asset in both directions.
    fn empty(assets: usize) -> Self {
        let reading = |length| WindowReading { length, active: 0, lambda: None, velocity: None };
        Self {
            number: 0,
            ts_ns: Nanos::ZERO,
            label_ns: Nanos::ZERO,
            priced: 0,
            windows: WINDOWS.map(reading),
            vel_div: None,
            volatility: VolReading { vol: None, threshold: None, ok: false },
            picker_warm: false,
            ranking: Vec::with_capacity(2 * assets),
            modifiers: None,
        }
    }

    /// The ranking for one direction, best first.
    pub fn ranked(&self, direction: PositionSide) -> impl Iterator<Item = &Rank> {
        self.ranking.iter().filter(move |row| row.direction == direction)
    }

    /// How many messages the scan is on the scan link: its rows, what an outside source says of the size, and
    /// the closing one.
    #[must_use]
    pub const fn messages(&self) -> usize {
        self.ranking.len() + self.modifiers.is_some() as usize + 1
    }

    /// Message `index` of the scan; every index from [`Self::messages`] − 1 is the closing one.
    #[must_use]
    pub fn message(&self, index: usize) -> ScanMsg {
        match (self.ranking.get(index), self.modifiers) {
            (Some(row), _) => ScanMsg::Rank(*row),
            (None, Some(modifiers)) if index == self.ranking.len() => ScanMsg::Modifiers(modifiers),
            (None, _) => ScanMsg::Scan(self.closing()),
        }
    }

    fn closing(&self) -> Scan {
        let [shortest, .., longest] = &self.windows;
        Scan {
            ts_ns: self.ts_ns,
            number: self.number,
            active: self.priced,
            // At most two rows an instrument, so the count always fits.
            ranked: u16::try_from(self.ranking.len()).unwrap_or(u16::MAX),
            vel_div: self.vel_div,
            velocity_50: shortest.velocity,
            velocity_750: longest.velocity,
            vol: self.volatility.vol,
            vol_ok: self.volatility.ok,
            picker_warm: self.picker_warm,
        }
    }
}

/// The computation: prices in, regime out. Owner: the scanner.
///
/// Allocates in [`Signal::new`] only. A scan with full windows costs about 6 µs with 10 assets, 10 µs
/// with 16 and 55 µs with 48 on a server core; with 48 assets it holds 0.7 MiB.
#[derive(Debug)]
pub struct Signal {
    table: Arc<InstrumentTable>,
    anchor: usize,
    history: History,
    /// `None` where a window is not asked for.
    windows: [Option<Window>; WINDOWS.len()],
    eigen: Eigen,
    gate: VolatilityGate,
    ranking: Ranking,
    regime: Regime,
}

/// Which of [`WINDOWS`] a scan evaluates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowSet {
    /// All, for people and studies.
    All,
    /// The shortest and the longest: what `vel_div` is made of, at half the cost.
    Outer,
    /// None: somebody else says what the regime is.
    Outside,
}

impl Signal {
    /// For the instruments of a table.
    #[must_use]
    pub fn new(settings: &Settings, table: Arc<InstrumentTable>, set: WindowSet) -> Self {
        let assets = table.len();
        let assets_min = count(settings.signal_assets_min, 1, usize::MAX);
        let span = count(settings.picker_window, 1, 750);
        let longest = WINDOWS.iter().fold(span.max(VOL_WINDOW), |most, length| most.max(*length));
        Self {
            anchor: table.find(settings.signal_anchor.as_str()).map_or(0, |id| id.index()),
            history: History::new(assets, longest, span),
            windows: WINDOWS.map(|length| {
                let outer = length == WINDOWS[0] || length == WINDOWS[WINDOWS.len() - 1];
                let is_asked = match set {
                    WindowSet::All => true,
                    WindowSet::Outer => outer,
                    WindowSet::Outside => false,
                };
                is_asked.then(|| Window::new(length, assets, assets_min))
            }),
            eigen: Eigen::new(assets),
            gate: VolatilityGate::new(settings),
            ranking: Ranking::new(settings, &table),
            regime: Regime::empty(assets),
            table,
        }
    }

    /// Makes a scan of the prices at `ts_ns`, one per instrument in table order, above 0 and finite, `None`
    /// for an asset that has none now. `label_ns` is kept beside the time.
    ///
    /// # Panics
    /// When there is not exactly one entry per instrument.
    pub fn scan(&mut self, ts_ns: Nanos, label_ns: Nanos, prices: &[Option<f64>]) -> &Regime {
        assert_eq!(prices.len(), self.table.len(), "one price an instrument");
        self.windows.iter_mut().flatten().for_each(|window| window.before(&self.history));
        self.history.push(prices);
        let regime = &mut self.regime;
        regime.number = regime.number.saturating_add(1);
        (regime.ts_ns, regime.label_ns) = (ts_ns, label_ns);
        let priced = prices.iter().filter(|price| price.is_some()).count();
        // At most INSTRUMENTS_MAX, so the count always fits.
        regime.priced = u16::try_from(priced).unwrap_or(u16::MAX);
        for (window, reading) in self.windows.iter_mut().zip(&mut regime.windows) {
            if let Some(window) = window {
                *reading = window.after(&self.history, &mut self.eigen);
            }
        }
        let [shortest, .., longest] = &regime.windows;
        regime.vel_div = shortest.velocity.zip(longest.velocity).map(|(a, b)| a - b);
        let vol =
            if prices.is_empty() { None } else { self.history.window(self.anchor, VOL_WINDOW) };
        let vol = vol.map(|returns| {
            let still = self.history.is_constant(self.anchor, VOL_WINDOW);
            if still { 0.0 } else { spread(returns).1 }
        });
        regime.volatility = self.gate.read(regime.number, vol);
        regime.picker_warm = self.ranking.rank(regime.number, &self.history, &mut regime.ranking);
        regime
    }

    /// Counts scans that were not made, because no asset had a price for longer than every window.
    pub fn skip(&mut self, scans: u64) {
        let scans = u32::try_from(scans).unwrap_or(u32::MAX);
        self.regime.number = self.regime.number.saturating_add(scans);
    }

    /// Puts what an outside source says in place of what the latest scan found.
    fn overrule(&mut self, said: &OutsideScan) {
        let regime = &mut self.regime;
        let [shortest, .., longest] = &mut regime.windows;
        (shortest.velocity, longest.velocity) = (said.velocity_50, said.velocity_750);
        regime.vel_div = said.vel_div;
        regime.volatility.ok = said.vol_ok.unwrap_or(regime.volatility.ok);
        regime.modifiers = Some(said.modifiers);
    }

    /// The latest scan.
    #[must_use]
    pub const fn regime(&self) -> &Regime {
        &self.regime
    }

    /// The instruments.
    #[must_use]
    pub fn table(&self) -> &InstrumentTable {
        &self.table
    }
}

#[cfg(test)]
mod tests;
