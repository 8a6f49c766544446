//! `pinion signal`: the regime signal alone, one JSON line per scan.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;
use pinion_core::instrument::InstrumentTable;
use pinion_core::msg::scan::RankVerdict;
use pinion_core::msg::{PositionSide, Rank};
use pinion_core::settings::{Settings, Sides};
use pinion_core::signal::{Regime, Scanner, WINDOWS, WindowReading, WindowSet};
use pinion_core::units::{Nanos, parse_raw};
use pinion_io::source::{Source, SourceFault};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use crate::Failure;
use crate::data::open_data;

/// Arguments of `pinion signal`.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("input").required(true).multiple(true).args(["bars", "data"])))]
pub struct Args {
    /// Minute bars (`ts_ms,symbol,open,high,low,close,volume`; plain, gzip or zstd).
    #[arg(long, value_name = "FILE")]
    bars: Vec<PathBuf>,
    /// Any data that a paper run takes; several are merged by time.
    #[arg(long, value_name = "PATH")]
    data: Vec<PathBuf>,
    /// Seconds of stream time between scans, up to a day [default: 5]; bars always make one scan each.
    /// A price lives at least this long.
    #[arg(long, value_name = "N", value_parser = seconds)]
    scan_seconds: Option<i64>,
    /// Direction of the ranking.
    #[arg(long, value_name = "SIDE", default_value = "short")]
    side: Side,
    /// Accepted like everywhere; the output is JSON in any case.
    #[arg(long)]
    json: bool,
}

/// Direction of the ranking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Side {
    /// Who falls most cleanly.
    Short,
    /// Who rises most cleanly.
    Long,
}

impl Side {
    const fn sides(self) -> Sides {
        match self {
            Self::Short => Sides::Short,
            Self::Long => Sides::Long,
        }
    }

    const fn direction(self) -> PositionSide {
        match self {
            Self::Short => PositionSide::Short,
            Self::Long => PositionSide::Long,
        }
    }
}

/// Nanoseconds from decimal seconds, 1 ms to a day.
fn seconds(text: &str) -> Result<i64, String> {
    // A raw unit is 1e-8 s, which is 10 ns.
    let raw = parse_raw(text.as_bytes()).map_err(|fault| format!("expected {fault}"))?;
    let ns = raw.saturating_mul(10);
    if (1_000_000..=86_400 * Nanos::SECOND).contains(&ns) {
        Ok(ns)
    } else {
        Err(String::from("expected seconds from 0.001 to 86400"))
    }
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`]: data that is not there or cannot be read, or stdout that cannot be written.
pub fn run(args: &Args) -> Result<(), Failure> {
    let paths: Vec<PathBuf> = args.bars.iter().chain(&args.data).cloned().collect();
    let settings = settings(args);
    let (table, mut source) = open_data(&paths, &settings)?;
    let mut scanner = Scanner::new(&settings, Arc::new(table), WindowSet::All);
    let mut out = BufWriter::new(io::stdout().lock());
    match print_all(&mut source, &mut scanner, args.side, &mut out) {
        Ok(()) => Ok(()),
        Err(Stop::Data(fault)) => Err(Failure::error(fault.to_string())),
        // The reader of the pipe has seen enough.
        Err(Stop::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(Stop::Output(error)) => Err(Failure::error(format!("stdout: {error}"))),
    }
}

/// Prints one line per scan.
fn print_all(
    source: &mut dyn Source,
    scanner: &mut Scanner,
    side: Side,
    out: &mut dyn Write,
) -> Result<(), Stop> {
    scan_all(source, scanner, |regime, table| {
        let row = |rank: &Rank| Row::new(rank, table.symbol(rank.instrument));
        let ranking = regime.ranked(side.direction()).map(row).collect();
        serde_json::to_writer(&mut *out, &Line::new(regime, ranking))?;
        out.write_all(b"\n")
    })?;
    Ok(out.flush()?)
}

fn settings(args: &Args) -> Settings {
    let mut settings = Settings { policy_sides: args.side.sides(), ..Settings::default() };
    if let Some(scan_ns) = args.scan_seconds {
        settings.signal_scan_ns = scan_ns;
        settings.signal_stale_ns = settings.signal_stale_ns.max(scan_ns);
    }
    settings
}

/// Why scanning ended early.
#[derive(Debug)]
pub enum Stop {
    /// The source cannot go on.
    Data(SourceFault),
    /// The result cannot be handed on.
    Output(io::Error),
}

impl From<SourceFault> for Stop {
    fn from(fault: SourceFault) -> Self {
        Self::Data(fault)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Feeds a whole source to a scanner and hands every scan on, up to the time of the last event.
///
/// # Errors
/// [`Stop`]: the source's fault or the one that `each` returns.
pub fn scan_all(
    source: &mut dyn Source,
    scanner: &mut Scanner,
    mut each: impl FnMut(&Regime, &InstrumentTable) -> io::Result<()>,
) -> Result<(), Stop> {
    let mut batch = Vec::new();
    let mut last = None;
    loop {
        let next = source.next_ts()?;
        while let Some(due) = scanner.due() {
            let is_complete = match next {
                Some(next) => next > due,
                None => last.is_some_and(|last| due <= last),
            };
            if !is_complete {
                break;
            }
            scanner.scan();
            each(scanner.regime(), scanner.table())?;
        }
        if next.is_none() {
            return Ok(());
        }
        last = next;
        batch.clear();
        source.next(&mut batch)?;
        batch.iter().for_each(|message| scanner.absorb(message));
    }
}

/// A scan as it is printed.
#[derive(serde::Serialize)]
struct Line<'a> {
    ts_ns: i64,
    n_active: u16,
    lambda: ByWindow<'a>,
    velocity: ByWindow<'a>,
    vel_div: Option<f64>,
    vol: Option<f64>,
    vol_ok: bool,
    ranking: Vec<Row<'a>>,
}

impl<'a> Line<'a> {
    fn new(regime: &'a Regime, ranking: Vec<Row<'a>>) -> Self {
        let by = |value| ByWindow { readings: &regime.windows, value };
        Self {
            ts_ns: regime.label_ns.get(),
            n_active: regime.priced,
            lambda: by(|reading| reading.lambda),
            velocity: by(|reading| reading.velocity),
            vel_div: regime.vel_div,
            vol: regime.volatility.vol,
            vol_ok: regime.volatility.ok,
            ranking,
        }
    }
}

/// One value per window, keyed by its length.
struct ByWindow<'a> {
    readings: &'a [WindowReading; WINDOWS.len()],
    value: fn(&WindowReading) -> Option<f64>,
}

impl Serialize for ByWindow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.readings.len()))?;
        for reading in self.readings {
            map.serialize_entry(&reading.length, &(self.value)(reading))?;
        }
        map.end()
    }
}

/// An asset's place in the ranking as it is printed.
#[derive(serde::Serialize)]
struct Row<'a> {
    asset: &'a str,
    efficiency: f64,
    alignment: f64,
    noise_ppm: f64,
    latency: u16,
    ars: f64,
    pass: bool,
}

impl<'a> Row<'a> {
    fn new(rank: &Rank, asset: &'a str) -> Self {
        Self {
            asset,
            efficiency: rank.efficiency,
            alignment: rank.alignment,
            noise_ppm: rank.noise_ppm,
            latency: rank.latency,
            ars: rank.ars,
            pass: rank.verdict == RankVerdict::Pass,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pinion_core::id::{InstrumentId, TextId};
    use pinion_core::instrument::Instrument;
    use pinion_core::msg::{MarketBody, MarketMsg};
    use pinion_core::units::{Money, Price, Qty};
    use pinion_io::source::SourceCounts;

    /// Trades of one asset at given times.
    struct Trades(Vec<(i64, i64)>);

    impl Source for Trades {
        fn next_ts(&mut self) -> Result<Option<Nanos>, SourceFault> {
            Ok(self.0.first().map(|(time, _)| Nanos::new(*time)))
        }

        fn next(&mut self, batch: &mut Vec<MarketMsg>) -> Result<(), SourceFault> {
            let (time, price) = self.0.remove(0);
            let (price, qty) = (Price::from_whole(price), Qty::ONE);
            let body = MarketBody::Trade { price, qty, taker: None, trade_id: 0, merged: 0 };
            batch.push(MarketMsg::from_body(InstrumentId::new(0), Nanos::new(time), None, body));
            Ok(())
        }

        fn counts(&self) -> SourceCounts {
            SourceCounts::default()
        }

        fn progress(&self) -> f64 {
            0.0
        }
    }

    fn lines(settings: &Settings, trades: Vec<(i64, i64)>) -> Vec<String> {
        let row = Instrument {
            symbol: TextId::new("FETUSDT").unwrap(),
            tick: Price::from_raw(1),
            lot: Qty::from_raw(1),
            min_notional: Money::ZERO,
            tradable: true,
            listed_ns: None,
        };
        let table = Arc::new(InstrumentTable::new(vec![row]).unwrap());
        let mut scanner = Scanner::new(settings, table, WindowSet::All);
        let mut out = Vec::new();
        print_all(&mut Trades(trades), &mut scanner, Side::Short, &mut out).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn every_scan_up_to_the_last_event_is_a_line_with_the_promised_keys() {
        let second = Nanos::SECOND;
        let lines = lines(&Settings::default(), vec![(3, 1), (second, 2), (10 * second + 3, 3)]);
        let keys = r#""lambda":{"50":null,"150":null,"300":null,"750":null},"velocity":{"50":null,"150":null,"300":null,"750":null},"vel_div":null,"vol":null,"vol_ok":false,"ranking":[]"#;
        let expected: Vec<String> = [3, 5 * second + 3, 10 * second + 3]
            .iter()
            .map(|ts_ns| format!(r#"{{"ts_ns":{ts_ns},"n_active":1,{keys}}}"#))
            .collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn ranked_assets_are_printed_with_shortest_floats() {
        let settings = Settings { picker_window: 5, ..Settings::default() };
        let step = settings.signal_scan_ns;
        let trades = (0..6).map(|scan| (scan * step, 1 << (scan % 2))).collect();
        let lines = lines(&settings, trades);
        let ranking = lines.last().unwrap().split_once(r#""ranking":"#).unwrap().1;
        // Three doublings and two halvings: ln 2 and sigma 0.98 ln 2.
        let row: serde_json::Value =
            serde_json::from_str(ranking.strip_suffix('}').unwrap()).unwrap();
        assert_eq!(row[0]["asset"], "FETUSDT");
        assert_eq!((&row[0]["alignment"], &row[0]["latency"]), (&0.4.into(), &5.into()));
        assert_eq!(row[0]["pass"], false);
        assert!((row[0]["efficiency"].as_f64().unwrap() - 1.0 / 0.96_f64.sqrt()).abs() < 1e-12);
        assert!(ranking.starts_with(r#"[{"asset":"FETUSDT","efficiency":1.02"#), "{ranking}");
    }

    #[test]
    fn scan_seconds_take_decimals_within_a_day() {
        assert_eq!(seconds("5"), Ok(5_000_000_000));
        assert_eq!(seconds("0.25"), Ok(250_000_000));
        for text in ["0", "-1", "86401", "1e3", ""] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
