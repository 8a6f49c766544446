//! The ranking: which asset answers a common move most cleanly.

use alloc::vec::Vec;

use crate::id::InstrumentId;
use crate::instrument::InstrumentTable;
use crate::msg::scan::RankVerdict;
use crate::msg::{PositionSide, Rank};
use crate::settings::{Settings, Sides};
use crate::signal::history::{History, spread};

/// Base assets that follow a currency: `<BASE>USDT` is never ranked as passing.
pub const STABLECOINS: &[&str] =
    &["USDC", "FDUSD", "TUSD", "BUSD", "DAI", "USDP", "USDE", "PYUSD", "USD1", "EUR"];

/// The quote currency that [`STABLECOINS`] are matched against.
const QUOTE: &str = "USDT";

/// The ranking score: `0.5·ln(1 + efficiency) + 0.35·alignment − 0.15·noise·1000`, noise being sigma.
#[must_use]
pub fn ars(efficiency: f64, alignment: f64, noise: f64) -> f64 {
    0.5 * libm::log(1.0 + efficiency) + 0.35 * alignment - 0.15 * noise * 1000.0
}

/// True for a symbol of a stablecoin (or a currency) against USDT.
#[must_use]
pub fn is_stablecoin(symbol: &str) -> bool {
    symbol.strip_suffix(QUOTE).is_some_and(|base| STABLECOINS.contains(&base))
}

/// Filters and directions of the ranking. Owner: the signal. Allocates once.
#[derive(Debug)]
pub(super) struct Ranking {
    window: usize,
    assets_min: usize,
    alignment_min: f64,
    noise_ppm_max: f64,
    latency_max: i64,
    sides: Sides,
    /// Why an asset can never pass, whatever it does.
    barred: Vec<Option<RankVerdict>>,
}

impl Ranking {
    pub(super) fn new(settings: &Settings, table: &InstrumentTable) -> Self {
        let barred = table.iter().map(|(_, row)| {
            if !row.tradable || settings.picker_excluded.contains(&row.symbol) {
                Some(RankVerdict::Excluded)
            } else if is_stablecoin(row.symbol.as_str()) {
                Some(RankVerdict::Stablecoin)
            } else {
                None
            }
        });
        Self {
            window: super::count(settings.picker_window, 1, 750),
            assets_min: super::count(settings.picker_assets_min, 1, usize::MAX),
            alignment_min: settings.picker_alignment_min,
            noise_ppm_max: settings.picker_noise_ppm_max,
            latency_max: settings.picker_latency_max,
            sides: settings.policy_sides,
            barred: barred.collect(),
        }
    }

    /// Ranks every asset with a full window, best first per direction, short before long. True when
    /// there are enough of them for the ranking to count.
    pub(super) fn rank(&self, number: u32, history: &History, out: &mut Vec<Rank>) -> bool {
        out.clear();
        let directions: &[PositionSide] = match self.sides {
            Sides::Short => &[PositionSide::Short],
            Sides::Long => &[PositionSide::Long],
            Sides::Both => &[PositionSide::Short, PositionSide::Long],
        };
        for &direction in directions {
            let start = out.len();
            for asset in 0..history.assets() {
                if let Some(returns) = history.window(asset, self.window) {
                    out.push(self.row(number, asset, direction, returns, history));
                }
            }
            let rows = &mut out[start..];
            // The table is sorted by symbol, so the id breaks ties by name; the order is total.
            rows.sort_unstable_by(|a, b| {
                b.ars.total_cmp(&a.ars).then(a.instrument.cmp(&b.instrument))
            });
            for (place, row) in (0..).zip(rows) {
                row.place = place;
            }
        }
        out.len() / directions.len() >= self.assets_min
    }

    fn row(
        &self,
        number: u32,
        asset: usize,
        direction: PositionSide,
        returns: &[f64],
        history: &History,
    ) -> Rank {
        // Equal returns have no spread; computed, it would be rounding noise.
        let sigma = if history.is_constant(asset, returns.len()) { 0.0 } else { spread(returns).1 };
        let sign = match direction {
            PositionSide::Long => 1.0,
            PositionSide::Short => -1.0,
        };
        let moves = |wanted: f64| returns.iter().filter(|r| **r * wanted > 0.0).count();
        let (with, against) = (moves(sign), moves(-sign));
        // Without any move no share of moves exists; such an asset is flat and cannot pass.
        let alignment = with as f64 / (with + against).max(1) as f64;
        let (efficiency, latency) = if sigma > 0.0 {
            (history.move_over_span(asset).abs() / sigma, latency(returns, sign, sigma))
        } else {
            (0.0, returns.len())
        };
        Rank {
            number,
            place: 0,
            instrument: InstrumentId::new(asset),
            direction,
            verdict: self.verdict(asset, sigma, alignment, latency),
            // The window has at most 750 returns, so the latency always fits.
            latency: u16::try_from(latency).unwrap_or(u16::MAX),
            efficiency,
            alignment,
            noise_ppm: sigma * 1e6,
            ars: ars(efficiency, alignment, sigma),
        }
    }

    fn verdict(&self, asset: usize, sigma: f64, alignment: f64, latency: usize) -> RankVerdict {
        if let Some(barred) = self.barred[asset] {
            barred
        } else if sigma <= 0.0 {
            RankVerdict::Flat
        } else if alignment < self.alignment_min {
            RankVerdict::Alignment
        } else if sigma * 1e6 > self.noise_ppm_max {
            RankVerdict::Noise
        } else if i64::try_from(latency).is_ok_and(|latency| latency <= self.latency_max) {
            RankVerdict::Pass
        } else {
            RankVerdict::Latency
        }
    }
}

/// Returns until the cumulative return in the direction reaches one sigma; all of them when it never does.
fn latency(returns: &[f64], sign: f64, sigma: f64) -> usize {
    let mut total = 0.0;
    let reached = returns.iter().position(|value| {
        total += value;
        total * sign >= sigma
    });
    reached.map_or(returns.len(), |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TextId;
    use crate::instrument::Instrument;
    use crate::units::{Money, Price, Qty};
    use alloc::vec;

    fn table(symbols: &[&str]) -> InstrumentTable {
        let row = |symbol: &&str| Instrument {
            symbol: TextId::new(symbol).unwrap(),
            tick: Price::from_raw(1),
            lot: Qty::from_raw(1),
            min_notional: Money::ZERO,
            tradable: !symbol.starts_with("HALT"),
            listed_ns: None,
        };
        InstrumentTable::new(symbols.iter().map(row).collect()).unwrap()
    }

    fn settings() -> Settings {
        Settings {
            picker_window: 6,
            picker_assets_min: 2,
            picker_noise_ppm_max: 30_000.0,
            picker_latency_max: 3,
            ..Settings::default()
        }
    }

    /// Ranks assets by their returns, given oldest first.
    fn rank(
        settings: &Settings,
        assets: &[(&str, [f64; 6])],
    ) -> (Vec<Rank>, bool, InstrumentTable) {
        let names: Vec<&str> = assets.iter().map(|(name, _)| *name).collect();
        let table = table(&names);
        let ranking = Ranking::new(settings, &table);
        let mut history = History::new(assets.len(), 750, 6);
        let mut logs = vec![0.0; assets.len()];
        let price = |logs: &[f64]| logs.iter().map(|log| Some(libm::exp(*log))).collect::<Vec<_>>();
        history.push(&price(&logs));
        for step in 0..6 {
            for (name, returns) in assets {
                logs[table.find(name).unwrap().index()] += returns[step];
            }
            history.push(&price(&logs));
        }
        let mut rows = Vec::new();
        let warm = ranking.rank(7, &history, &mut rows);
        (rows, warm, table)
    }

    #[test]
    fn the_score_matches_the_known_vectors() {
        assert!((ars(3.0, 0.6, 0.0002) - 0.873_147).abs() < 1e-6);
        assert!((ars(0.5, 0.2, 0.001) - 0.122_733).abs() < 1e-6);
    }

    #[test]
    fn terms_follow_their_definitions() {
        let returns = [-0.0001, 0.0002, 0.0, -0.0003, -0.0001, 0.0];
        let both = Settings { policy_sides: Sides::Both, ..settings() };
        let (rows, _, _) = rank(&both, &[("AUSDT", returns), ("BUSDT", [0.0; 6])]);
        let (_, sigma) = spread(&returns);
        assert_eq!(rows.len(), 4);
        let short = rows[0];
        assert_eq!(short.direction, PositionSide::Short);
        assert!((short.efficiency - 0.0003 / sigma).abs() < 1e-9);
        assert!((short.alignment - 0.6 * 1.25).abs() < 1e-12, "three of four moves are down");
        assert!((short.noise_ppm - sigma * 1e6).abs() < 1e-6);
        // Cumulative downward moves in 1e-4: 1, −1, −1, 2, …; sigma is 1.6e-4.
        assert_eq!(short.latency, 4);
        let long = rows[2];
        assert_eq!((long.direction, long.latency), (PositionSide::Long, 6));
        assert!((long.alignment - 0.25).abs() < 1e-12);
    }

    #[test]
    fn the_first_filter_that_fails_is_named() {
        let down = [-0.01, -0.012, -0.01, -0.012, -0.01, -0.012];
        let late = [0.001, 0.001, 0.001, 0.001, -0.02, -0.02];
        let up = [0.01, 0.012, 0.01, 0.012, 0.01, 0.012];
        let wild = [-0.09, 0.08, -0.09, 0.08, -0.09, 0.08];
        let mut settings = settings();
        settings.picker_excluded = vec![TextId::new("OUTUSDT").unwrap()];
        let (rows, warm, table) = rank(
            &settings,
            &[
                ("GOODUSDT", down),
                ("HALTUSDT", down),
                ("OUTUSDT", down),
                ("USDCUSDT", down),
                ("FLATUSDT", [0.0; 6]),
                ("STEADYUSDT", [0.01; 6]),
                ("UPUSDT", up),
                ("WILDUSDT", wild),
                ("LATEUSDT", late),
            ],
        );
        assert!(warm);
        let verdict = |name: &str| {
            let id = table.find(name).unwrap();
            rows.iter().find(|row| row.instrument == id).unwrap().verdict
        };
        assert_eq!(verdict("GOODUSDT"), RankVerdict::Pass);
        assert_eq!(verdict("HALTUSDT"), RankVerdict::Excluded);
        assert_eq!(verdict("OUTUSDT"), RankVerdict::Excluded);
        assert_eq!(verdict("USDCUSDT"), RankVerdict::Stablecoin);
        assert_eq!(verdict("FLATUSDT"), RankVerdict::Flat);
        assert_eq!(verdict("UPUSDT"), RankVerdict::Alignment);
        assert_eq!(verdict("WILDUSDT"), RankVerdict::Noise);
        assert_eq!(verdict("LATEUSDT"), RankVerdict::Latency);
        assert!(rows.iter().all(|row| row.efficiency.is_finite() && row.ars.is_finite()));
    }

    #[test]
    fn equal_scores_go_by_name_and_places_count_up() {
        let down = [-0.01, -0.012, -0.01, -0.012, -0.01, -0.012];
        let weak = [-0.01, 0.012, -0.01, 0.012, -0.01, 0.0];
        let (rows, _, table) = rank(
            &settings(),
            &[("CUSDT", down), ("AUSDT", weak), ("DUSDT", down), ("BUSDT", down)],
        );
        let names: Vec<&str> = rows.iter().map(|row| table.symbol(row.instrument)).collect();
        assert_eq!(names, ["BUSDT", "CUSDT", "DUSDT", "AUSDT"]);
        assert!(rows.iter().zip(0..).all(|(row, place)| row.place == place));
    }

    #[test]
    fn a_few_assets_do_not_make_it_warm() {
        let (rows, warm, _) = rank(&settings(), &[("AUSDT", [-0.01; 6])]);
        assert_eq!((rows.len(), warm), (1, false));
    }

    #[test]
    fn stablecoins_are_matched_as_the_base() {
        assert!(is_stablecoin("FDUSDUSDT") && is_stablecoin("EURUSDT"));
        assert!(!is_stablecoin("USDT") && !is_stablecoin("BTCUSDC") && !is_stablecoin("XUSDCUSDT"));
    }
}
