//! Tests of: recorded data as `--data` takes it. The recordings' oracles, formats, folders, order in time,
//! what is left out and what is refused.

mod recordings;
mod refusals;
mod rules;

use std::collections::BTreeMap;
use std::path::PathBuf;

use pinion_core::instrument::InstrumentTable;
use pinion_core::msg::{MarketKind, MarketMsg};
use pinion_core::units::{Money, Nanos};
use pinion_io::data::{DataOptions, DataSet, open};
use pinion_io::source::{REJECT_REASONS, Source as _, SourceCounts, SourceFault};

const OPTIONS: DataOptions<'_> = DataOptions {
    backstep_ns_max: 5_000_000_000,
    min_notional: Money::from_whole(5),
    overrides: &[],
};

/// Everything that a data set gives.
struct Read {
    table: InstrumentTable,
    notices: Vec<String>,
    kinds: Vec<MarketKind>,
    events: Vec<(Nanos, Vec<MarketMsg>)>,
    counts: SourceCounts,
}

impl Read {
    fn messages(&self) -> impl Iterator<Item = &MarketMsg> {
        self.events.iter().flat_map(|(_, batch)| batch)
    }

    fn of(&self, symbol: &str, kind: MarketKind) -> Vec<MarketMsg> {
        let id = self.table.find(symbol).expect(symbol);
        self.messages().filter(|m| m.instrument == id && m.kind() == kind).copied().collect()
    }

    fn rejected(&self) -> BTreeMap<&'static str, u64> {
        let pairs = REJECT_REASONS.iter().copied().zip(self.counts.rejected);
        pairs.filter(|(_, count)| *count > 0).collect()
    }
}

fn read_all(paths: &[PathBuf], options: &DataOptions<'_>) -> Result<Read, SourceFault> {
    let set: DataSet = open(paths, options)?;
    let table = InstrumentTable::new(set.instruments.clone()).expect("valid instruments");
    let (notices, kinds) = (set.notices.clone(), set.kinds.clone());
    let mut source = set.into_source(&table)?;
    let mut events: Vec<(Nanos, Vec<MarketMsg>)> = Vec::new();
    while let Some(ts) = source.next_ts()? {
        let mut batch = Vec::new();
        source.next(&mut batch)?;
        assert!(batch.iter().all(|message| message.ts_recv_ns == ts));
        assert!(events.last().is_none_or(|(before, _)| *before <= ts), "time steps back");
        events.push((ts, batch));
    }
    assert!((source.progress() - 1.0).abs() < 1e-9, "all was read");
    Ok(Read { table, notices, kinds, events, counts: source.counts() })
}

/// Files of one test in a folder of its own.
struct Folder(tempfile::TempDir);

impl Folder {
    fn of(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("inside")).expect("made");
            std::fs::write(path, text).expect("written");
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self) -> Result<Read, SourceFault> {
        read_all(&[self.0.path().to_path_buf()], &OPTIONS)
    }
}

fn read_one(text: &str) -> Result<Read, SourceFault> {
    Folder::of(&[("x_abusdt.raw", text)]).read()
}
