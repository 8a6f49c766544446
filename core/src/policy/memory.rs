//! What the funnel remembers: entries of the last hour, results by lane and by asset, attempts.
//!
//! Lanes are judged by their trades of 120 minutes, assets by all of theirs, old ones fading. Results are
//! fractions of the notional they were earned on, so that they can be compared. Owner: the policy; saved
//! with the engine. Allocates once.

use alloc::vec;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::engine::Damage;
use crate::id::InstrumentId;
use crate::msg::{Maybe, PositionSide};
use crate::settings::Settings;
use crate::units::Nanos;
use crate::universe::Lane;

/// How far back entries count for shares.
const HOUR_NS: i64 = 3_600 * Nanos::SECOND;
/// How far back trades count for a lane's record.
const LANE_WINDOW_NS: i64 = 120 * 60 * Nanos::SECOND;
/// Entries kept; of more in an hour the oldest are forgotten.
const OPENS_MAX: usize = 128;
/// Trades kept for the lanes.
const CLOSES_MAX: usize = 256;
/// An asset's counts are halved when they reach this, so that what is long past fades.
const TRADES_MAX: u32 = 64;
/// Scans of a cycle of attempts.
const CYCLE_SCANS: u32 = 12;
const LANES: usize = Lane::ALL.len();

crate::text_enum! {
    /// A record of trades.
    pub enum Standing {
        /// Nothing against it, or too few trades to say.
        Good => "good",
        /// Bad.
        Bad => "bad",
        /// Very bad.
        Severe => "severe",
    }
}

/// Where a record becomes bad and severe. Means are fractions of notional.
struct Limits {
    bad: (f64, f64),
    severe: (f64, f64),
    /// Whether reaching a limit is enough, or it must be passed.
    inclusive: bool,
}

const SYMBOL: Limits = Limits { bad: (0.000_2, 0.62), severe: (-0.001_8, 0.72), inclusive: false };
const LANE: Limits = Limits { bad: (-0.000_5, 0.62), severe: (-0.001_2, 0.72), inclusive: true };

/// Trades of an asset or a lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Tally {
    trades: u32,
    losses: u32,
    /// Sum of results, fractions of notional.
    results: f64,
}

impl Tally {
    fn add(&mut self, result: f64) {
        self.trades += 1;
        self.losses += u32::from(result < 0.0);
        self.results += result;
    }

    fn fade(&mut self) {
        if self.trades >= TRADES_MAX {
            self.trades /= 2;
            self.losses /= 2;
            self.results /= 2.0;
        }
    }

    fn standing(&self, trades_min: i64, limits: &Limits) -> Standing {
        if self.trades == 0 || i64::from(self.trades) < trades_min {
            return Standing::Good;
        }
        let trades = f64::from(self.trades);
        let (mean, share) = (self.results / trades, f64::from(self.losses) / trades);
        let beyond = |(mean_min, share_max): (f64, f64)| {
            if limits.inclusive {
                mean <= mean_min || share >= share_max
            } else {
                mean < mean_min || share > share_max
            }
        };
        if beyond(limits.severe) {
            Standing::Severe
        } else if beyond(limits.bad) {
            Standing::Bad
        } else {
            Standing::Good
        }
    }
}

/// What is remembered of one asset.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Asset {
    tally: Tally,
    opened_ns: Maybe<Nanos>,
    closed_ns: Maybe<Nanos>,
    lost_ns: Maybe<Nanos>,
    /// When it was planned last, by side.
    planned_ns: [Maybe<Nanos>; 2],
    /// Attempts by scan: bit 0 stands for scan `attempts_upto`, bit 1 for the one before.
    attempts: u16,
    attempts_upto: u32,
    /// Since when it has passed the ranking at every scan, and the last of them.
    passing_since: Maybe<Nanos>,
    passing_scan: u32,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Opened {
    ts_ns: Nanos,
    instrument: InstrumentId,
    lane: Lane,
    is_new: bool,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Closed {
    ts_ns: Nanos,
    lane: Lane,
    result: f64,
}

/// Entries of the last hour as a candidate looks at them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hour {
    /// All.
    pub entries: u32,
    /// In the candidate's asset.
    pub of_symbol: u32,
    /// By the candidate's lane.
    pub of_lane: u32,
    /// In assets that were new then.
    pub of_new: u32,
}

/// See the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Memory {
    assets: Vec<Asset>,
    opens: Vec<Opened>,
    closes: Vec<Closed>,
}

impl Memory {
    /// For so many instruments.
    #[must_use]
    pub fn new(instruments: usize) -> Self {
        Self {
            assets: vec![Asset::default(); instruments],
            opens: Vec::with_capacity(OPENS_MAX),
            closes: Vec::with_capacity(CLOSES_MAX),
        }
    }

    /// Read back with so many instruments; makes room for `len`.
    pub(super) fn restored(&mut self, instruments: usize, len: usize) -> Result<(), Damage> {
        let fits = self.assets.len() == instruments
            && self.opens.len() <= OPENS_MAX
            && self.closes.len() <= CLOSES_MAX;
        Damage::unless(
            fits,
            "funnel memory",
            None,
            "one row per instrument, and as many trades as fit",
        )?;
        let known = self.opens.iter().all(|open| open.instrument.index() < instruments);
        Damage::unless(known, "funnel memory", None, "entries of instruments in the table")?;
        let mut tallies = self.assets.iter().map(|asset| asset.tally);
        let counted = tallies.all(|tally| {
            tally.losses <= tally.trades && tally.trades <= TRADES_MAX && tally.results.is_finite()
        });
        Damage::unless(counted, "funnel memory", None, "at most as many losses as trades")?;
        let finite = self.closes.iter().all(|close| close.result.is_finite());
        Damage::unless(finite, "funnel memory", None, "results that are numbers")?;
        self.assets.resize(len.max(instruments), Asset::default());
        self.opens.reserve_exact(OPENS_MAX - self.opens.len());
        self.closes.reserve_exact(CLOSES_MAX - self.closes.len());
        Ok(())
    }

    fn asset(&self, id: InstrumentId) -> Asset {
        self.assets.get(id.index()).copied().unwrap_or_default()
    }

    /// A position opened.
    pub fn opened(&mut self, id: InstrumentId, lane: Lane, now: Nanos, settings: &Settings) {
        let is_new = self.is_new(id, now, settings);
        let Some(asset) = self.assets.get_mut(id.index()) else { return };
        asset.opened_ns = Maybe::some(now);
        if self.opens.len() == OPENS_MAX {
            self.opens.remove(0);
        }
        self.opens.push(Opened { ts_ns: now, instrument: id, lane, is_new });
    }

    /// A position closed with this result, a fraction of its notional.
    pub fn closed(&mut self, id: InstrumentId, lane: Lane, result: f64, now: Nanos) {
        if !result.is_finite() {
            return;
        }
        let Some(asset) = self.assets.get_mut(id.index()) else { return };
        asset.tally.add(result);
        asset.tally.fade();
        asset.closed_ns = Maybe::some(now);
        if result < 0.0 {
            asset.lost_ns = Maybe::some(now);
        }
        if self.closes.len() == CLOSES_MAX {
            self.closes.remove(0);
        }
        self.closes.push(Closed { ts_ns: now, lane, result });
    }

    /// An entry was tried at this scan.
    pub fn attempted(&mut self, id: InstrumentId, scan: u32) {
        let Some(asset) = self.assets.get_mut(id.index()) else { return };
        asset.attempts = attempts_at(asset, scan) | 1;
        asset.attempts_upto = scan;
    }

    /// Attempts within the last twelve scans, this one counted.
    #[must_use]
    pub fn attempts(&self, id: InstrumentId, scan: u32) -> u32 {
        let cycle = (1u16 << CYCLE_SCANS) - 1;
        (attempts_at(&self.asset(id), scan) & cycle).count_ones()
    }

    /// An entry was planned and went out.
    pub fn planned(&mut self, id: InstrumentId, side: PositionSide, now: Nanos) {
        if let Some(asset) = self.assets.get_mut(id.index()) {
            asset.planned_ns[usize::from(side.code())] = Maybe::some(now);
        }
    }

    /// Since the last plan of this asset and side, nanoseconds.
    #[must_use]
    pub fn since_planned(&self, id: InstrumentId, side: PositionSide, now: Nanos) -> Option<i64> {
        since(self.asset(id).planned_ns[usize::from(side.code())], now)
    }

    /// The asset passed the ranking at this scan; since when it has done so at every scan, nanoseconds.
    pub fn passed(&mut self, id: InstrumentId, scan: u32, now: Nanos) -> i64 {
        let Some(asset) = self.assets.get_mut(id.index()) else { return 0 };
        let goes_on = asset.passing_scan == scan || asset.passing_scan.checked_add(1) == Some(scan);
        if !goes_on || asset.passing_since == Maybe::NONE {
            asset.passing_since = Maybe::some(now);
        }
        asset.passing_scan = scan;
        since(asset.passing_since, now).unwrap_or(0)
    }

    /// Since the last loss in this asset, nanoseconds.
    #[must_use]
    pub fn since_loss(&self, id: InstrumentId, now: Nanos) -> Option<i64> {
        since(self.asset(id).lost_ns, now)
    }

    /// Since the last trade in this asset ended, nanoseconds.
    #[must_use]
    pub fn since_close(&self, id: InstrumentId, now: Nanos) -> Option<i64> {
        since(self.asset(id).closed_ns, now)
    }

    /// True when the asset was not entered within `universe.seen_ttl_s`.
    #[must_use]
    pub fn is_new(&self, id: InstrumentId, now: Nanos, settings: &Settings) -> bool {
        let ttl_ns = settings.universe_seen_ttl_s.saturating_mul(Nanos::SECOND);
        since(self.asset(id).opened_ns, now).is_none_or(|since| since >= ttl_ns)
    }

    /// The record of an asset.
    #[must_use]
    pub fn symbol_standing(&self, id: InstrumentId, settings: &Settings) -> Standing {
        self.asset(id).tally.standing(settings.memory_symbol_trades_min, &SYMBOL)
    }

    /// The record of every lane over the last 120 minutes, by [`Lane::code`].
    #[must_use]
    pub fn lane_standings(&self, now: Nanos, settings: &Settings) -> [Standing; LANES] {
        let mut tallies = [Tally::default(); LANES];
        for close in self.closes.iter().rev() {
            if now.since(close.ts_ns) >= LANE_WINDOW_NS {
                break;
            }
            tallies[usize::from(close.lane.code())].add(close.result);
        }
        tallies.map(|tally| tally.standing(settings.memory_lane_trades_min, &LANE))
    }

    /// Entries of the last hour, as a candidate of this asset and lane looks at them.
    #[must_use]
    pub fn hour(&self, id: InstrumentId, lane: Lane, now: Nanos) -> Hour {
        let mut hour = Hour::default();
        for open in self.opens.iter().rev() {
            if now.since(open.ts_ns) >= HOUR_NS {
                break;
            }
            hour.entries += 1;
            hour.of_symbol += u32::from(open.instrument == id);
            hour.of_lane += u32::from(open.lane == lane);
            hour.of_new += u32::from(open.is_new);
        }
        hour
    }
}

impl Standing {
    /// Size factor of an asset with this record.
    #[must_use]
    pub const fn size_factor(self) -> f64 {
        match self {
            Self::Good => 1.0,
            Self::Bad => 0.78,
            Self::Severe => 0.58,
        }
    }

    /// What the edge floors of an asset with this record are multiplied by.
    #[must_use]
    pub const fn edge_factor(self) -> f64 {
        match self {
            Self::Good => 1.0,
            Self::Bad => 1.12,
            Self::Severe => 1.28,
        }
    }
}

/// The attempts as scan `scan` sees them: bit 0 is that scan. Numbers that went back are another run's.
fn attempts_at(asset: &Asset, scan: u32) -> u16 {
    let shift = scan.checked_sub(asset.attempts_upto);
    shift.and_then(|shift| asset.attempts.checked_shl(shift)).unwrap_or(0)
}

fn since(then: Maybe<Nanos>, now: Nanos) -> Option<i64> {
    then.get().map(|then| now.since(then))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fet() -> InstrumentId {
        InstrumentId::new(0)
    }

    fn sol() -> InstrumentId {
        InstrumentId::new(1)
    }

    fn s(seconds: i64) -> Nanos {
        Nanos::new(1_000_000 * Nanos::SECOND + seconds * Nanos::SECOND)
    }

    fn standing(results: &[f64]) -> Standing {
        let mut memory = Memory::new(2);
        for result in results {
            memory.closed(fet(), Lane::Momentum, *result, s(0));
        }
        assert_eq!(memory.symbol_standing(sol(), &Settings::default()), Standing::Good);
        memory.symbol_standing(fet(), &Settings::default())
    }

    #[test]
    fn an_asset_is_judged_by_mean_and_losses_once_it_has_trades_enough() {
        assert_eq!(standing(&[-0.1; 3]), Standing::Good, "three trades are too few");
        assert_eq!(standing(&[0.001; 4]), Standing::Good);
        assert_eq!(standing(&[0.000_1; 4]), Standing::Bad, "the mean is below 2 bps");
        assert_eq!(standing(&[-0.001; 4]), Standing::Severe, "all are losses");
        // Half losses, mean −0.2 %.
        assert_eq!(standing(&[-0.005, -0.005, 0.001, 0.001]), Standing::Severe);
        // Two thirds losses, a good mean.
        assert_eq!(standing(&[-0.001, -0.001, 0.05, -0.001, -0.001, 0.05]), Standing::Bad);
        assert_eq!(standing(&[-0.001, -0.001, -0.001, 0.1]), Standing::Severe, "three in four");
    }

    #[test]
    fn what_is_long_past_fades() {
        let mut memory = Memory::new(1);
        for _ in 0..64 {
            memory.closed(fet(), Lane::Momentum, -0.01, s(0));
        }
        assert_eq!(memory.asset(fet()).tally.trades, 32);
        for _ in 0..200 {
            memory.closed(fet(), Lane::Momentum, 0.01, s(0));
        }
        assert_eq!(memory.symbol_standing(fet(), &Settings::default()), Standing::Good);
    }

    #[test]
    fn lanes_are_judged_by_two_hours_and_apart() {
        let settings = Settings::default();
        let mut memory = Memory::new(1);
        let of = |memory: &Memory, now, lane: Lane| {
            memory.lane_standings(now, &settings)[usize::from(lane.code())]
        };
        for _ in 0..7 {
            memory.closed(fet(), Lane::Carry, -0.000_5, s(0));
        }
        assert_eq!(of(&memory, s(1), Lane::Carry), Standing::Good, "seven are too few");
        memory.closed(fet(), Lane::Carry, 0.003_5, s(0));
        assert_eq!(of(&memory, s(1), Lane::Carry), Standing::Severe, "seven of eight lost");
        assert_eq!(of(&memory, s(1), Lane::Momentum), Standing::Good);
        assert_eq!(of(&memory, s(7_199), Lane::Carry), Standing::Severe);
        assert_eq!(of(&memory, s(7_200), Lane::Carry), Standing::Good, "two hours are over");
        for result in [0.002, 0.002, 0.002, -0.003, -0.003, -0.004, 0.002, -0.002] {
            memory.closed(fet(), Lane::Momentum, result, s(10));
        }
        assert_eq!(
            of(&memory, s(11), Lane::Momentum),
            Standing::Bad,
            "a mean of −5 bps is reached"
        );
    }

    #[test]
    fn the_hour_counts_by_asset_lane_and_novelty_and_ends() {
        let settings = Settings::default();
        let mut memory = Memory::new(2);
        memory.opened(fet(), Lane::Momentum, s(0), &settings);
        memory.opened(fet(), Lane::Carry, s(10), &settings);
        memory.opened(sol(), Lane::Momentum, s(20), &settings);
        let hour = Hour { entries: 3, of_symbol: 2, of_lane: 2, of_new: 2 };
        assert_eq!(memory.hour(fet(), Lane::Momentum, s(3_599)), hour);
        assert_eq!(memory.hour(fet(), Lane::Momentum, s(3_600)).entries, 2);
        assert!(!memory.is_new(fet(), s(10 + 21_599), &settings));
        assert!(memory.is_new(fet(), s(10 + 21_600), &settings));
    }

    #[test]
    fn attempts_count_within_twelve_scans() {
        let mut memory = Memory::new(1);
        for scan in [1, 2, 2, 5] {
            memory.attempted(fet(), scan);
        }
        assert_eq!(memory.attempts(fet(), 5), 3, "an attempt per scan");
        assert_eq!(memory.attempts(fet(), 12), 3);
        assert_eq!(memory.attempts(fet(), 13), 2, "scan 1 has left");
        assert_eq!(memory.attempts(fet(), 17), 0);
        assert_eq!(memory.attempts(fet(), 4_000), 0);
        assert_eq!(memory.attempts(fet(), 4), 0, "another run's numbers");
    }

    #[test]
    fn a_signal_ages_while_it_passes_without_a_break() {
        let mut memory = Memory::new(1);
        assert_eq!(memory.passed(fet(), 7, s(0)), 0);
        assert_eq!(memory.passed(fet(), 8, s(5)), 5 * Nanos::SECOND);
        assert_eq!(memory.passed(fet(), 10, s(15)), 0, "scan 9 was missed");
    }

    #[test]
    fn losses_trades_and_plans_have_their_times() {
        let mut memory = Memory::new(1);
        assert_eq!(memory.since_loss(fet(), s(0)), None);
        memory.closed(fet(), Lane::Momentum, -0.01, s(0));
        memory.closed(fet(), Lane::Momentum, 0.01, s(10));
        assert_eq!(memory.since_loss(fet(), s(11)), Some(11 * Nanos::SECOND));
        assert_eq!(memory.since_close(fet(), s(11)), Some(Nanos::SECOND));
        memory.planned(fet(), PositionSide::Short, s(0));
        assert_eq!(memory.since_planned(fet(), PositionSide::Short, s(1)), Some(Nanos::SECOND));
        assert_eq!(memory.since_planned(fet(), PositionSide::Long, s(1)), None);
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let mut memory = Memory::new(1);
        for second in 0..1_000 {
            memory.opened(fet(), Lane::Momentum, s(second), &Settings::default());
            memory.closed(fet(), Lane::Momentum, 0.01, s(second));
        }
        assert_eq!((memory.opens.capacity(), memory.closes.capacity()), (OPENS_MAX, CLOSES_MAX));
        assert_eq!(memory.hour(fet(), Lane::Momentum, s(1_000)).entries, OPENS_MAX as u32);
    }
}
