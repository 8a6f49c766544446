use super::*;
use crate::journal::reader::{Item, JournalReader, Tail};
use crate::journal::samples;
use pinion_core::journal::{InputTx, RING_BYTES, input_ring};
use pinion_core::link::{Tx, link};
use pinion_core::msg::Input;
use pinion_core::units::Nanos;
use std::io;
use tempfile::TempDir;

struct Run {
    records: Tx<RecordMsg>,
    inputs: InputTx,
    journal: JournalHandle,
    dir: RunDir,
    _parent: TempDir,
}

/// A medium that takes so many bytes, then says the disk is full.
struct Small {
    file: fs::File,
    room: usize,
}

impl Medium for Small {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let take = bytes.len().min(self.room);
        if take == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.room -= take;
        Medium::write_at(&mut self.file, &bytes[..take], offset)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file.truncate(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }
}

/// Starts a journal; `room` bytes fit into the file named, everything into the others.
fn start(room: Option<(&str, usize)>) -> Run {
    let parent = tempfile::tempdir().expect("temporary directory");
    let dir = RunDir::create(&parent.path().join("run")).expect("made");
    let (records, records_rx) = link(1 << 12);
    let (inputs, inputs_rx) = input_ring(RING_BYTES / 64);
    let open = |name: &str| -> Box<dyn Medium> {
        let file = dir.create_file(name).expect("made");
        match room {
            Some((small, room)) if small == name => Box::new(Small { file, room }),
            _ => Box::new(file),
        }
    };
    let lines = LineFileId::ALL
        .map(|file| LineFile::new(dir.file(file.name()), open(file.name())))
        .into_iter()
        .collect();
    let frames = FrameWriter::new(dir.file(INPUTS), open(INPUTS)).expect("room for the magic");
    let header = samples::header();
    let journal =
        Journal::start_on(&dir, header, records_rx, inputs_rx, Durability::Power, lines, frames);
    let journal = journal.expect("room for the start");
    Run { records, inputs, journal, dir, _parent: parent }
}

impl Run {
    /// Pushes rounds of every record and a tick for each; waits where a ring is full.
    fn push(&mut self, rounds: i64) -> u64 {
        let mut pushed = 0;
        for round in 0..rounds {
            let ts_ns = Nanos::new(1_723_075_200_000_000_000 + round * 1_000_000);
            for record in samples::records() {
                if matches!(record, Record::Settings { .. }) {
                    continue;
                }
                while self.inputs.push(ts_ns, &Input::Tick).is_err() {
                    thread::yield_now();
                }
                while self.records.push(RecordMsg { ts_ns, record }).is_err() {
                    thread::yield_now();
                }
                pushed += 1;
            }
        }
        pushed
    }
}

fn whole_lines(dir: &RunDir, file: LineFileId) -> usize {
    let content = fs::read(dir.file(file.name())).expect("read");
    assert!(content.is_empty() || content.ends_with(b"\n"), "{} is cut", file.name());
    let text = String::from_utf8(content).expect("utf-8");
    for (number, line) in text.lines().enumerate() {
        let value: serde_json::Value = serde_json::from_str(line).expect("whole JSON");
        if file == LineFileId::Session {
            assert_eq!(value["seq"], number + 1, "seq has no hole");
        }
    }
    text.lines().count()
}

fn journal_inputs(dir: &RunDir) -> (u64, Option<Tail>) {
    let mut reader = JournalReader::open(&dir.file(INPUTS)).expect("opens");
    for item in reader.by_ref() {
        item.expect("whole");
    }
    (reader.inputs(), reader.tail())
}

/// Lines of the session a round of records makes: one is a candidate, one a trade decision, and settings
/// are announced by hand.
fn session_lines() -> usize {
    samples::records().len() - 3
}

#[test]
fn a_finished_run_has_every_file_and_every_line() {
    let mut run = start(None);
    let pushed = run.push(400);
    assert!(!run.journal.failed());
    let end = RunEnd { events: pushed, reason: "stop".into(), ..RunEnd::default() };
    let summary = run.journal.finish(end, Wall::default()).expect("written");
    assert_eq!(summary.journal_inputs, pushed);
    assert_eq!(summary.identities(), [""; 0]);
    assert_eq!((summary.orders, summary.fills, summary.trades_closed), (400, 400, 400));
    assert_eq!(whole_lines(&run.dir, LineFileId::Session), session_lines() * 400 + 2);
    assert_eq!(whole_lines(&run.dir, LineFileId::Candidates), 400);
    assert_eq!(whole_lines(&run.dir, LineFileId::TradeDecisions), 400);
    assert_eq!(journal_inputs(&run.dir), (pushed, Some(Tail::Complete)));
    for name in [SNAPSHOT, SUMMARY] {
        let content = fs::read(run.dir.file(name)).expect("written");
        let _: serde_json::Value = serde_json::from_slice(&content).expect("parses");
    }
    assert!(run.dir.file(LATENCY_LOG).exists());
}

#[test]
fn what_an_order_waits_for_is_in_the_file_when_it_may_leave() {
    let mut run = start(None);
    let ahead = run.journal.ahead();
    for round in 1..=20 {
        let pushed = run.push(1) * round;
        let ticket = ahead.ask();
        while !ahead.is_written(ticket) {
            thread::yield_now();
        }
        assert!(journal_inputs(&run.dir).0 >= pushed, "round {round}");
    }
    // A journal that cannot be written holds nobody back for ever.
    let mut run = start(Some((INPUTS, 5_000)));
    let ahead = run.journal.ahead();
    run.push(4_000);
    let ticket = ahead.ask();
    while !ahead.is_written(ticket) {
        thread::yield_now();
    }
    assert!(run.journal.failed());
    assert!(WriteAhead::default().is_written(WriteAhead::default().ask()), "nothing is journaled");
}

#[test]
fn settings_stand_in_the_journal_before_their_first_input_and_in_the_session() {
    let mut run = start(None);
    run.push(1);
    run.journal.desk().announce(samples::settings_version());
    let now = Nanos::new(5);
    run.inputs.push(now, &Input::Settings { version: 2 }).expect("room");
    let record = Record::Settings { version: 2 };
    run.records.push(RecordMsg { ts_ns: now, record }).expect("room");
    run.inputs.push(now, &Input::Tick).expect("room");
    run.journal.finish(RunEnd::default(), Wall::default()).expect("written");
    let items: Vec<Item> = JournalReader::open(&run.dir.file(INPUTS))
        .expect("opens")
        .map(|item| item.expect("whole"))
        .collect();
    let input = |input| Item::Input { now_ns: now, input };
    let tail = &items[items.len() - 4..items.len() - 1];
    assert_eq!(
        tail,
        [
            Item::Settings(samples::settings_version()),
            input(Input::Settings { version: 2 }),
            input(Input::Tick)
        ]
    );
    let session = fs::read_to_string(run.dir.file(LineFileId::Session.name())).expect("read");
    assert!(
        session.contains("\"kind\":\"settings\",\"version\":2,\"hash_before\":\"3eda"),
        "{session}"
    );
}

#[test]
fn settings_nobody_announced_are_a_fault() {
    let mut run = start(None);
    run.inputs.push(Nanos::ZERO, &Input::Settings { version: 3 }).expect("room");
    let fault = run.journal.finish(RunEnd::default(), Wall::default()).expect_err("no content");
    assert!(fault.found.contains("settings version 3"), "{fault}");
}

#[test]
fn a_full_disk_leaves_whole_lines_and_blocks_nobody() {
    let session = LineFileId::Session.name();
    for (name, room) in [(session, 100_000), (LineFileId::Candidates.name(), 777), (INPUTS, 3_000)]
    {
        let mut run = start(Some((name, room)));
        // Far more than the rings hold: without draining this would never return.
        let pushed = run.push(3_000);
        let shared = Arc::clone(&run.journal.shared);
        let end = RunEnd { events: pushed, ..RunEnd::default() };
        let fault = run.journal.finish(end, Wall::default()).expect_err("full");
        assert!(shared.failed.load(Ordering::Acquire));
        // Inputs may all wait in the running frame until the end; lines overflow their buffer before.
        let dropped = shared.dropped.load(Ordering::Relaxed);
        assert!(name == INPUTS || dropped > 0, "{name}");
        assert!(fault.path.ends_with(name), "{fault}");
        assert!(fault.expected.contains("free space"), "{fault}");
        for file in LineFileId::ALL {
            whole_lines(&run.dir, file);
        }
        assert!(fs::metadata(run.dir.file(name)).expect("there").len() <= room as u64);
        assert_eq!(journal_inputs(&run.dir).1, Some(Tail::Open), "{name}");
        assert!(!run.dir.file(SUMMARY).exists(), "a failed run has no summary");
    }
}

#[test]
fn a_removed_directory_is_noticed() {
    let mut run = start(None);
    run.push(1);
    fs::remove_dir_all(run.dir.path()).expect("removed");
    while !run.journal.failed() {
        thread::sleep(Duration::from_millis(5));
    }
    let fault = run.journal.fault().expect("a fault");
    assert!(fault.path.starts_with(run.dir.path()), "{fault}");
    run.push(10);
    assert!(run.journal.finish(RunEnd::default(), Wall::default()).is_err());
}

#[test]
fn a_dropped_run_keeps_what_came() {
    let mut run = start(None);
    let pushed = run.push(3);
    let JournalHandle { stop, desk, thread, .. } = run.journal;
    drop((stop, desk));
    assert!(thread.join().expect("no panic").is_err());
    assert_eq!(whole_lines(&run.dir, LineFileId::Session), session_lines() * 3 + 1);
    assert_eq!(journal_inputs(&run.dir), (pushed, Some(Tail::Open)));
}
