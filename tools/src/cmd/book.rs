//! `pinion book`: the L2 book per instrument after a recorded depth stream.

use std::io::Write as _;
use std::path::PathBuf;

use pinion_core::book::{Book, LEVELS_MAX};
use pinion_core::id::InstrumentId;
use pinion_core::instrument::InstrumentTable;
use pinion_core::msg::{MarketBody, MarketMsg, Side};
use pinion_core::settings::Settings;
use pinion_core::units::Nanos;
use pinion_io::data::{DataOptions, DataSource, DepthStatus, open};
use pinion_io::source::{Source as _, SourceFault};
use serde_json::{Value, json};

use crate::Failure;

/// Levels that are printed of each side.
const LEVELS_SHOWN: usize = 5;

/// Arguments of `pinion book`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Recorded depth: a file or a folder; may be given several times.
    #[arg(long, value_name = "PATH", required = true)]
    data: Vec<PathBuf>,
    /// The book at this time (ns, us or ms since 1970), or at the end.
    #[arg(long, value_name = "END|TS", default_value = "END", value_parser = parse_at)]
    at: Nanos,
    /// For symmetry with other verbs: the output is JSON in any case.
    #[arg(long)]
    json: bool,
}

fn parse_at(text: &str) -> Result<Nanos, String> {
    if text.eq_ignore_ascii_case("end") {
        return Ok(Nanos::MAX);
    }
    let unit_ns = match text.len() {
        13 => 1_000_000,
        16 => 1_000,
        _ => 1,
    };
    let number = text.parse::<i64>().ok().and_then(|number| number.checked_mul(unit_ns));
    number.map(Nanos::new).ok_or_else(|| "expected END or a time in ns, us or ms since 1970".into())
}

/// Prints one JSON line per instrument that has depth.
///
/// # Errors
/// As [`books`], and when stdout is closed.
pub fn run(args: &Args) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    for line in books(args)? {
        writeln!(out, "{line}").map_err(|error| Failure::error(format!("stdout: {error}")))?;
    }
    Ok(())
}

/// The book of every instrument that has depth, in the order of the symbols.
///
/// # Errors
/// [`Failure`]: usage for a path that does not exist or data without depth, error for data that cannot be
/// read.
pub fn books(args: &Args) -> Result<Vec<Value>, Failure> {
    let failure = |fault: SourceFault| Failure::error(fault.to_string());
    if let Some(missing) = args.data.iter().find(|path| !path.exists()) {
        let path = missing.display();
        return Err(Failure::usage(format!("--data {path}: there is no such file or folder")));
    }
    let defaults = Settings::default();
    let options = DataOptions {
        backstep_ns_max: defaults.data_backstep_ns_max,
        min_notional: defaults.data_min_notional,
        overrides: &[],
    };
    let set = open(&args.data, &options).map_err(failure)?;
    let table = InstrumentTable::new(set.instruments.clone())
        .map_err(|fault| Failure::error(fault.to_string()))?;
    let mut source = set.into_source(&table).map_err(failure)?;
    let books = replay(&mut source, &table, args.at).map_err(failure)?;
    let lines: Vec<Value> = table
        .iter()
        .zip(&books)
        .filter_map(|((id, row), book)| {
            source.depth(id).map(|status| describe(row.symbol.as_str(), book, status))
        })
        .collect();
    if lines.is_empty() {
        return Err(Failure::usage("--data has no depth; raw frames or 20-level books have"));
    }
    Ok(lines)
}

/// Applies every event up to and including time `at`.
fn replay(
    source: &mut DataSource,
    table: &InstrumentTable,
    at: Nanos,
) -> Result<Vec<Book>, SourceFault> {
    let has_depth = |id: InstrumentId| source.depth(id).is_some();
    let room = |index| if has_depth(InstrumentId::new(index)) { LEVELS_MAX } else { 1 };
    let mut books: Vec<Book> = (0..table.len()).map(|index| Book::new(room(index))).collect();
    let mut batch: Vec<MarketMsg> = Vec::new();
    while source.next_ts()?.is_some_and(|ts| ts <= at) {
        batch.clear();
        source.next(&mut batch)?;
        for message in &batch {
            let book = &mut books[message.instrument.index()];
            match message.body() {
                MarketBody::Level { side, price, qty, .. } => book.set(side, price, qty),
                // After a gap nothing can be said until the next snapshot.
                MarketBody::Reset | MarketBody::Gap => book.clear(),
                MarketBody::Quote { .. }
                | MarketBody::Trade { .. }
                | MarketBody::Mark { .. }
                | MarketBody::Bar { .. } => {}
            }
        }
    }
    Ok(books)
}

fn describe(symbol: &str, book: &Book, status: DepthStatus) -> Value {
    let side = |side| {
        let levels = book.levels(side).take(LEVELS_SHOWN);
        levels.map(|l| json!([l.price.to_string(), l.qty.to_string()])).collect::<Vec<_>>()
    };
    json!({
        "symbol": symbol,
        "last_u": status.last_update_id,
        "bids": side(Side::Buy),
        "asks": side(Side::Sell),
        "levels": { "bids": book.len(Side::Buy), "asks": book.len(Side::Sell) },
        "applied": status.applied,
        "dropped_before_snapshot": status.dropped_before_snapshot,
        "chain_breaks": status.chain_breaks,
    })
}
