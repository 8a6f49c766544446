//! The regime signal against a reference that is written straight from the definitions: no shared code,
//! no rolling sums, every eigenvalue from nalgebra's solver, on recorded bars.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a broken input must fail the test")]

use std::io::Read as _;
use std::sync::Arc;

use nalgebra::DMatrix;
use pinion_core::id::{InstrumentId, TextId};
use pinion_core::instrument::{Instrument, InstrumentTable};
use pinion_core::msg::scan::RankVerdict;
use pinion_core::msg::{MarketBody, MarketMsg, PositionSide};
use pinion_core::settings::{Settings, Sides};
use pinion_core::signal::{Regime, Scanner, WindowSet};
use pinion_core::units::{Money, Nanos, Price, Qty};
use pinion_tests::shared;

const AGREE: f64 = 1e-9;
const MINUTE_MS: i64 = 60_000;
/// First bar of ADAUSDT in the recording of perpetuals.
const ADA_LISTED_MS: i64 = 1_746_814_680_000;

/// Closes by scan and asset.
struct Closes {
    symbols: Vec<String>,
    times_ms: Vec<i64>,
    raw: Vec<Vec<Option<Price>>>,
}

impl Closes {
    /// Bars that open from `from_ms` to `to_ms`, exclusive.
    fn read(folder: &str, from_ms: i64, to_ms: i64) -> Option<Self> {
        let path = shared(&format!("data/{folder}/bars1m.csv.zst"))?;
        let mut text = String::new();
        let file = std::fs::File::open(path).unwrap();
        zstd::Decoder::new(file).unwrap().read_to_string(&mut text).unwrap();
        let rows: Vec<(i64, &str, Price)> = text
            .lines()
            .skip(1)
            .map(|line| {
                let cells: Vec<&str> = line.split(',').collect();
                (cells[0].parse().unwrap(), cells[1], Price::parse(cells[5].as_bytes()).unwrap())
            })
            .filter(|(time, _, _)| (from_ms..to_ms).contains(time))
            .collect();
        let mut symbols: Vec<String> = rows.iter().map(|row| row.1.to_owned()).collect();
        symbols.sort();
        symbols.dedup();
        let (mut times_ms, mut raw) = (Vec::new(), Vec::<Vec<Option<Price>>>::new());
        for (time, symbol, close) in rows {
            if times_ms.last() != Some(&time) {
                times_ms.push(time);
                raw.push(vec![None; symbols.len()]);
            }
            let asset = symbols.iter().position(|known| known == symbol).unwrap();
            raw.last_mut().unwrap()[asset] = Some(close);
        }
        Some(Self { symbols, times_ms, raw })
    }

    fn table(&self) -> Arc<InstrumentTable> {
        let row = |symbol: &String| Instrument {
            symbol: TextId::new(symbol).unwrap(),
            tick: Price::from_raw(1),
            lot: Qty::from_raw(1),
            min_notional: Money::ZERO,
            tradable: true,
            listed_ns: None,
        };
        Arc::new(InstrumentTable::new(self.symbols.iter().map(row).collect()).unwrap())
    }

    /// Runs every bar through a scanner.
    fn scan(&self, settings: &Settings, mut each: impl FnMut(usize, &Regime)) {
        let mut scanner = Scanner::new(settings, self.table(), WindowSet::All);
        for (scan, (&time_ms, closes)) in self.times_ms.iter().zip(&self.raw).enumerate() {
            for (asset, close) in closes.iter().enumerate() {
                let Some(close) = *close else { continue };
                let open = Nanos::new(time_ms * 1_000_000);
                let end = open.plus(MINUTE_MS * 1_000_000);
                let volume = Qty::ONE;
                let body = MarketBody::Bar { open: close, high: close, low: close, close, volume };
                let id = InstrumentId::new(asset);
                scanner.absorb(&MarketMsg::from_body(id, end, Some(open), body));
            }
            assert_eq!(scanner.due().map(Nanos::get), Some((time_ms + MINUTE_MS) * 1_000_000));
            let regime = scanner.scan();
            assert_eq!(regime.label_ns.get(), time_ms * 1_000_000);
            each(scan, regime);
        }
    }
}

/// The definitions, naively.
struct Reference {
    prices: Vec<Vec<Option<f64>>>,
    anchor: usize,
    vols: Vec<Option<f64>>,
}

struct Ranked {
    asset: usize,
    efficiency: f64,
    alignment: f64,
    noise_ppm: f64,
    latency: usize,
    ars: f64,
    pass: bool,
}

fn deviation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

impl Reference {
    fn new(closes: &Closes) -> Self {
        let price = |scan: usize, asset: usize| {
            (0..=scan).rev().find_map(|before| {
                let age_ms = closes.times_ms[scan] - closes.times_ms[before];
                let close = closes.raw[before][asset]?.to_f64();
                Some((age_ms <= 5 * MINUTE_MS).then_some(close))
            })?
        };
        let assets = closes.symbols.len();
        let prices = (0..closes.times_ms.len())
            .map(|scan| (0..assets).map(|asset| price(scan, asset)).collect())
            .collect();
        let anchor = closes.symbols.iter().position(|symbol| symbol == "BTCUSDT").unwrap();
        let mut reference = Self { prices, anchor, vols: Vec::new() };
        reference.vols = (0..closes.times_ms.len())
            .map(|scan| reference.returns(scan, reference.anchor, 50).map(|r| deviation(&r)))
            .collect();
        reference
    }

    fn returns(&self, scan: usize, asset: usize, length: usize) -> Option<Vec<f64>> {
        let first = (scan + 1).checked_sub(length).filter(|first| *first > 0)?;
        (first..=scan)
            .map(|t| Some((self.prices[t][asset]? / self.prices[t - 1][asset]?).ln()))
            .collect()
    }

    fn lambda(&self, scan: usize, length: usize) -> (Vec<usize>, Option<f64>) {
        let columns: Vec<(usize, Vec<f64>)> = (0..self.prices[scan].len())
            .filter_map(|asset| Some((asset, self.returns(scan, asset, length)?)))
            .filter(|(_, returns)| deviation(returns) > 0.0)
            .collect();
        let active: Vec<usize> = columns.iter().map(|column| column.0).collect();
        if active.len() < 3 {
            return (active, None);
        }
        let standard: Vec<Vec<f64>> = columns
            .iter()
            .map(|(_, returns)| {
                let mean = returns.iter().sum::<f64>() / length as f64;
                let sd = deviation(returns);
                returns.iter().map(|x| (x - mean) / sd).collect()
            })
            .collect();
        let matrix = DMatrix::from_fn(active.len(), active.len(), |i, j| {
            standard[i].iter().zip(&standard[j]).map(|(x, y)| x * y).sum::<f64>() / length as f64
        });
        let largest = matrix.symmetric_eigenvalues().max();
        (active.clone(), Some(largest / active.len() as f64))
    }

    fn velocity(&self, scan: usize, length: usize) -> Option<f64> {
        let (before, now) = (self.lambda(scan.checked_sub(1)?, length), self.lambda(scan, length));
        (before.0 == now.0).then_some(now.1? - before.1?)
    }

    fn vol_ok(&self, scan: usize) -> bool {
        let mut recent: Vec<f64> =
            self.vols[..=scan].iter().rev().flatten().take(2_000).copied().collect();
        if recent.len() < 100 || scan < 100 {
            return false;
        }
        recent.sort_by(f64::total_cmp);
        let threshold = recent[(recent.len() * 6).div_ceil(10) - 1];
        self.vols[scan].is_some_and(|vol| vol > threshold)
    }

    fn ranking(&self, scan: usize, direction: f64, closes: &Closes) -> Vec<Ranked> {
        let mut rows: Vec<Ranked> = (0..closes.symbols.len())
            .filter_map(|asset| {
                let returns = self.returns(scan, asset, 50)?;
                let sigma = deviation(&returns);
                let net = (self.prices[scan][asset]? / self.prices[scan - 50][asset]?).ln();
                let moves: Vec<f64> = returns.iter().copied().filter(|x| x.abs() > 0.0).collect();
                let with = moves.iter().filter(|x| **x * direction > 0.0).count();
                let (efficiency, alignment) = (net.abs() / sigma, with as f64 / moves.len() as f64);
                let reached = (1..=50)
                    .find(|k| returns[..*k].iter().sum::<f64>() * direction >= sigma)
                    .unwrap_or(50);
                let noise_ppm = sigma * 1e6;
                let stable = ["USDCUSDT", "BUSDUSDT", "TUSDUSDT", "EURUSDT"]
                    .contains(&closes.symbols[asset].as_str());
                let ars = 0.5 * (1.0 + efficiency).ln() + 0.35 * alignment - 0.15 * sigma * 1000.0;
                let pass = alignment >= 0.2 && noise_ppm <= 500.0 && reached <= 20 && !stable;
                Some(Ranked {
                    asset,
                    efficiency,
                    alignment,
                    noise_ppm,
                    latency: reached,
                    ars,
                    pass,
                })
            })
            .collect();
        rows.sort_by(|a, b| b.ars.total_cmp(&a.ars).then(a.asset.cmp(&b.asset)));
        rows
    }

    /// Compares everything a scan says; gives how many assets were ranked.
    fn check(&self, scan: usize, regime: &Regime, closes: &Closes) -> usize {
        let agree = |what: &str, found: Option<f64>, expected: Option<f64>| match (found, expected)
        {
            (Some(a), Some(b)) => assert!((a - b).abs() <= AGREE, "scan {scan} {what}: {a} {b}"),
            (a, b) => assert_eq!(a, b, "scan {scan} {what}"),
        };
        for window in &regime.windows {
            let (active, lambda) = self.lambda(scan, window.length);
            assert_eq!(usize::from(window.active), active.len(), "scan {scan}");
            agree("lambda", window.lambda, lambda);
            agree("velocity", window.velocity, self.velocity(scan, window.length));
        }
        let (short, long) = (regime.windows[0].velocity, regime.windows[3].velocity);
        agree("vel_div", regime.vel_div, short.zip(long).map(|(short, long)| short - long));
        agree("vol", regime.volatility.vol, self.vols[scan]);
        assert_eq!(regime.volatility.ok, self.vol_ok(scan), "scan {scan}");
        let mut ranked = 0;
        for (side, direction) in [(PositionSide::Short, -1.0), (PositionSide::Long, 1.0)] {
            let expected = self.ranking(scan, direction, closes);
            assert_eq!(regime.ranked(side).count(), expected.len());
            assert_eq!(regime.picker_warm, expected.len() >= 3);
            ranked = expected.len();
            for (found, expected) in regime.ranked(side).zip(&expected) {
                assert_eq!(found.instrument.index(), expected.asset, "scan {scan} {side:?}");
                assert_eq!(usize::from(found.latency), expected.latency);
                assert_eq!(found.verdict == RankVerdict::Pass, expected.pass);
                agree("efficiency", Some(found.efficiency), Some(expected.efficiency));
                agree("alignment", Some(found.alignment), Some(expected.alignment));
                agree("noise_ppm", Some(found.noise_ppm), Some(expected.noise_ppm));
                agree("ars", Some(found.ars), Some(expected.ars));
            }
        }
        ranked
    }
}

fn both_sides() -> Settings {
    Settings { policy_sides: Sides::Both, ..Settings::default() }
}

#[test]
fn every_figure_agrees_with_the_definition_on_perpetuals() {
    let Some(closes) = Closes::read("bars1m-perp16-202505", 0, i64::MAX) else { return };
    let reference = Reference::new(&closes);
    let listed = closes.times_ms.iter().position(|time| *time == ADA_LISTED_MS).unwrap();
    let near = |scan: usize| {
        [0, 50, 150, 300, 750].iter().any(|window| scan.abs_diff(listed + window) <= 1)
    };
    let (mut checked, mut with_vel_div, mut rows) = (0, 0, 0);
    closes.scan(&both_sides(), |scan, regime| {
        if scan < 1_000 || scan % 251 == 0 || near(scan) {
            rows += reference.check(scan, regime, &closes);
            checked += 1;
            with_vel_div += usize::from(regime.vel_div.is_some());
        }
        if scan == listed - 1 || scan == listed {
            assert_eq!(usize::from(regime.priced), 15 + usize::from(scan == listed));
        }
    });
    assert!(
        checked > 1_100 && with_vel_div > 350 && rows > 15_000,
        "{checked} {with_vel_div} {rows}"
    );
}

#[test]
fn every_figure_agrees_across_an_exchange_outage() {
    // All 48 pairs stop on 2021-04-20 from 02:00 to 04:29 UTC.
    let (from_ms, outage_ms) = (1_618_833_600_000, 1_618_884_000_000);
    let to_ms = outage_ms + 6 * 3_600_000;
    let Some(closes) = Closes::read("bars1m-spot48-202104", from_ms, to_ms) else { return };
    assert_eq!(closes.symbols.len(), 48);
    let reference = Reference::new(&closes);
    let after = closes.times_ms.iter().position(|time| *time >= outage_ms).unwrap();
    assert!(closes.times_ms[after] - closes.times_ms[after - 1] > 100 * MINUTE_MS);
    let mut checked = 0;
    closes.scan(&both_sides(), |scan, regime| {
        if scan.abs_diff(after) <= 2 || scan.abs_diff(after + 50) <= 2 || scan % 97 == 0 {
            reference.check(scan, regime, &closes);
            checked += 1;
        }
    });
    assert!(checked > 15, "{checked}");
}

#[test]
fn vel_div_has_the_percentiles_that_its_constants_were_chosen_for() {
    // The figures are of the first 6,000 minutes in which all 16 perpetuals trade.
    let to_ms = ADA_LISTED_MS + 6_000 * MINUTE_MS;
    let Some(closes) = Closes::read("bars1m-perp16-202505", ADA_LISTED_MS, to_ms) else { return };
    let mut values = Vec::new();
    closes.scan(&Settings::default(), |_, regime| values.extend(regime.vel_div));
    assert_eq!(values.len(), 5_249);
    values.sort_by(f64::total_cmp);
    let percentile = |share: f64| {
        let place = share * (values.len() - 1) as f64;
        let (low, part) = (place as usize, place.fract());
        values[low] + part * (values[low + 1] - values[low])
    };
    for (share, expected) in [
        (0.001, -0.0673),
        (0.01, -0.0285),
        (0.05, -0.0131),
        (0.5, 0.0001),
        (0.95, 0.0119),
        (0.99, 0.0273),
    ] {
        let found = percentile(share);
        assert!((found - expected).abs() < 0.000_06, "{share}: {found}");
    }
    let below = |limit: f64| values.iter().filter(|value| **value < limit).count();
    assert_eq!((below(-0.02), below(-0.05)), (119, 12));
}
