//! Recorded market data: what `--data` takes.
//!
//! A file or a folder, plain, gzip or zstd, recognised by content. [`open`] passes over everything once,
//! because the universe must be known before trading starts; [`DataSet::into_source`] then reads it again
//! as a stream. Files are never unpacked as a whole.

mod bars;
mod cells;
mod depth;
mod folder;
mod format;
mod lines;
mod merge;
mod outside;
mod raw;
mod reader;
mod rows;
mod scan;
mod strict;

pub use depth::DepthStatus;
pub use merge::DataSource;
pub use outside::{OutsideScans, read_scans};

use std::path::PathBuf;

use pinion_core::id::{InstrumentId, TextId};
use pinion_core::instrument::{INSTRUMENTS_MAX, Instrument, InstrumentTable};
use pinion_core::msg::MarketKind;
use pinion_core::settings::InstrumentOverride;
use pinion_core::units::{Money, Nanos, Price, Qty};

use crate::source::SourceFault;
use crate::wire::binance::is_inverse;
use bars::{Table, TableReader};
use folder::Chosen;
use format::Format;
use lines::Lines;
use raw::{RawDepth, RawReader};
use reader::{Reader, Symbols};
use rows::RowReader;
use scan::{FileScan, SymbolScan};

/// How recorded data is taken.
#[derive(Clone, Copy, Debug)]
pub struct DataOptions<'a> {
    /// An event further back in time than this is rejected; a nearer one is taken at the present.
    pub backstep_ns_max: i64,
    /// Least order notional of instruments, which no recording says.
    pub min_notional: Money,
    /// What the configuration knows better.
    pub overrides: &'a [InstrumentOverride],
}

/// Opened data: what is in it, before it is read.
#[derive(Debug)]
pub struct DataSet {
    /// Its instruments, sorted by symbol. Tick and lot are the finest decimals seen; a lot of one
    /// hundred-millionth where no quantity was.
    pub instruments: Vec<Instrument>,
    /// Kinds of messages to expect, in the order of [`MarketKind::ALL`]; depth is [`MarketKind::Level`].
    pub kinds: Vec<MarketKind>,
    /// Earliest and latest time of an event.
    pub span: Option<(Nanos, Nanos)>,
    /// One line a file for people: what it is, how many instruments.
    pub sources: Vec<String>,
    /// One line for people about each thing that is not read.
    pub notices: Vec<String>,
    files: Vec<Scanned>,
    backstep_ns_max: i64,
}

#[derive(Debug)]
struct Scanned {
    file: Chosen,
    scan: FileScan,
}

/// Finds, recognises and passes over the files of `paths`.
///
/// Cost: unpacking everything once; 51 MB of raw frames in about 0.1 s.
///
/// # Errors
/// [`SourceFault`] for what does not exist, is not recognised or cannot be read, for one symbol's depth
/// in two files, and for no or too many instruments.
pub fn open(paths: &[PathBuf], options: &DataOptions<'_>) -> Result<DataSet, SourceFault> {
    let mut notices = Vec::new();
    let mut files = Vec::new();
    for path in paths {
        for file in folder::choose(path, &mut notices)? {
            let mut lines = Lines::open(&file.path)?;
            Format::detect(&mut lines)?;
            let scan = FileScan::run(lines, file.format)?;
            files.push(Scanned { file, scan });
        }
    }
    refuse_two_chains(&files)?;
    let instruments = instruments(&files, options);
    if instruments.is_empty() || instruments.len() > INSTRUMENTS_MAX {
        return Err(SourceFault {
            origin: paths
                .iter()
                .map(|path| path.display().to_string())
                .collect::<Vec<_>>()
                .join(", "),
            line: None,
            found: format!("{} instruments with quotes, trades, depth or bars", instruments.len()),
            expected: format!("1 to {INSTRUMENTS_MAX}"),
        });
    }
    for unknown in
        options.overrides.iter().filter(|row| !instruments.iter().any(|i| i.symbol == row.symbol))
    {
        notices.push(format!("{}: configured, but not in the data", unknown.symbol));
    }
    let span = span(&files);
    for file in files.iter().filter(|file| file.file.format == Format::Funding) {
        let outside = |at: Option<Nanos>| {
            span.zip(at).is_some_and(|((first, last), at)| at < first || at > last)
        };
        if outside(file.scan.first) || outside(file.scan.last) {
            notices.push(format!(
                "{}: funding outside the time of the prices is not read",
                file.file.path.display()
            ));
        }
    }
    Ok(DataSet {
        kinds: kinds(&files),
        span,
        sources: files.iter().map(Scanned::describe).collect(),
        instruments,
        notices,
        files,
        backstep_ns_max: options.backstep_ns_max,
    })
}

impl DataSet {
    /// Opens the files again, to be read as one source. `table` is the run's universe: rows of symbols
    /// that are not in it are rejected as unknown.
    ///
    /// # Errors
    /// [`SourceFault`] when a file went away meanwhile.
    pub fn into_source(self, table: &InstrumentTable) -> Result<DataSource, SourceFault> {
        let mut readers: Vec<Box<dyn Reader>> = Vec::with_capacity(self.files.len());
        for Scanned { file, scan } in &self.files {
            let mut lines = Lines::open(&file.path)?;
            Format::detect(&mut lines)?;
            let symbols = Symbols::new(table.clone());
            let found = |id: InstrumentId| {
                let symbol = table.row(id).symbol;
                let of_it = |scan: &&SymbolScan| scan.symbol == symbol && scan.has_depth();
                scan.symbols.iter().find(of_it).map(|scan| RawDepth {
                    has_diffs: scan.diffs > 0,
                    derive_quotes: !self.is_quoted(symbol),
                })
            };
            readers.push(match file.format {
                Format::Raw => {
                    let name = file.path.file_name().unwrap_or_default().to_string_lossy();
                    let own = scan.own_symbol(&name);
                    Box::new(RawReader::new(
                        lines,
                        symbols,
                        own.as_ref().map(TextId::as_str),
                        found,
                    ))
                }
                Format::Rows => Box::new(RowReader::new(lines, symbols, |id| {
                    found(id).map(|depth| depth.derive_quotes)
                })),
                Format::Bars { columns } => {
                    Box::new(TableReader::new(lines, symbols, Table::Bars { columns }, None))
                }
                Format::Funding => {
                    Box::new(TableReader::new(lines, symbols, Table::Funding, self.span))
                }
            });
        }
        Ok(DataSource::new(readers, self.backstep_ns_max))
    }

    fn is_quoted(&self, symbol: TextId) -> bool {
        let mut scans = self.files.iter().flat_map(|file| &file.scan.symbols);
        scans.any(|scan| scan.symbol == symbol && scan.quotes > 0)
    }
}

impl Scanned {
    fn describe(&self) -> String {
        // The name alone: where a file lies is no part of what a run is made of.
        let path = self.file.path.file_name().unwrap_or_default().to_string_lossy();
        let symbols = self.scan.symbols.len();
        let seconds = match (self.scan.first, self.scan.last) {
            (Some(first), Some(last)) => last.since(first) / Nanos::SECOND,
            (None, _) | (_, None) => 0,
        };
        let name = self.file.format.name();
        let bytes = self.scan.bytes;
        format!("{path}: {name}, {symbols} symbols, {seconds} s, {bytes} bytes unpacked")
    }
}

/// Two chains of updates for one book cannot both be right (a spot and a perpetual of the same name).
fn refuse_two_chains(files: &[Scanned]) -> Result<(), SourceFault> {
    for (index, file) in files.iter().enumerate() {
        for scan in file.scan.symbols.iter().filter(|scan| scan.has_depth()) {
            let other = files[..index].iter().find(|other| {
                other.scan.symbols.iter().any(|seen| seen.symbol == scan.symbol && seen.has_depth())
            });
            if let Some(other) = other {
                return Err(SourceFault {
                    origin: file.file.path.display().to_string(),
                    line: None,
                    found: format!(
                        "depth of {}, which {} has too",
                        scan.symbol,
                        other.file.path.display()
                    ),
                    expected: "one file with the depth of a symbol; leave out one of the two"
                        .into(),
                });
            }
        }
    }
    Ok(())
}

fn instruments(files: &[Scanned], options: &DataOptions<'_>) -> Vec<Instrument> {
    let scans = files.iter().flat_map(|file| &file.scan.symbols);
    let mut sorted: Vec<&SymbolScan> = scans.filter(|scan| scan.has_market()).collect();
    sorted.sort_by(|a, b| a.symbol.as_str().cmp(b.symbol.as_str()));
    sorted
        .chunk_by(|a, b| a.symbol == b.symbol)
        .map(|of_one| {
            let symbol = of_one[0].symbol;
            let finest = |steps: &dyn Fn(&SymbolScan) -> Option<i64>| {
                of_one.iter().filter_map(|scan| steps(scan)).min().unwrap_or(1)
            };
            let known = options.overrides.iter().find(|row| row.symbol == symbol).copied();
            let known = known.unwrap_or_default();
            Instrument {
                symbol,
                tick: known
                    .tick
                    .unwrap_or_else(|| Price::from_raw(finest(&|scan| scan.price_step))),
                lot: known.lot.unwrap_or_else(|| Qty::from_raw(finest(&|scan| scan.qty_step))),
                min_notional: known.min_notional.unwrap_or(options.min_notional),
                tradable: known.tradable.unwrap_or_else(|| !is_inverse(symbol.as_str())),
                listed_ns: known.listed_ns,
            }
        })
        .collect()
}

fn kinds(files: &[Scanned]) -> Vec<MarketKind> {
    let scans = || files.iter().flat_map(|file| &file.scan.symbols);
    let has = |kind: MarketKind| {
        scans().any(|scan| match kind {
            // Where nothing quotes, the book does.
            MarketKind::Quote => scan.quotes > 0 || scan.has_depth(),
            MarketKind::Trade => scan.trades > 0,
            MarketKind::Mark => scan.marks > 0,
            MarketKind::Bar => scan.bars > 0,
            MarketKind::Level | MarketKind::Reset => scan.has_depth(),
            MarketKind::Gap => false,
        })
    };
    MarketKind::ALL.iter().copied().filter(|kind| has(*kind)).collect()
}

/// From the first to the last event that has a price: funding goes on for months without one.
fn span(files: &[Scanned]) -> Option<(Nanos, Nanos)> {
    let priced = || files.iter().filter(|file| file.file.format != Format::Funding);
    let first = priced().filter_map(|file| file.scan.first).min()?;
    let last = priced().filter_map(|file| file.scan.last).max()?;
    Some((first, last))
}
