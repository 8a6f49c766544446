//! Tests of: journal. A toy engine stands for the kernel: any pure function of its inputs will do.

use std::fs;
use std::path::Path;

use pinion_core::id::{ClientId, InstrumentId, TextId, TradeId};
use pinion_core::instrument::{Instrument, InstrumentTable};
use pinion_core::journal::{CodecState, ENCODED_MAX, RING_BYTES, encode, input_ring};
use pinion_core::kernel::stage::{SlotEvent, SlotStage};
use pinion_core::link::link;
use pinion_core::msg::funnel::Tier;
use pinion_core::msg::record::{
    Action, DecisionReason, FeeSource, FunnelDecision, FunnelReason, FunnelStage, OrderStatus,
    ReconcileState,
};
use pinion_core::msg::{
    Input, MarketBody, MarketMsg, Maybe, OrderKind, OrderRole, PositionSide, Record, RecordMsg,
    Side, TimeInForce,
};
use pinion_core::settings::{Layout, Mode};
use pinion_core::units::{Money, Nanos, Price, Qty, Rate};
use pinion_core::universe::{Family, Lane};
use pinion_io::journal::folder::Durability;
use pinion_io::journal::frames::{END, FrameKind, FrameWriter};
use pinion_io::journal::{
    Comparison, Item, Journal, JournalFault, JournalReader, RunDir, RunEnd, RunHeader,
    SettingsVersion, Step, Tail, Wall, compare,
};
use tempfile::TempDir;

fn header() -> RunHeader {
    let row = |symbol| Instrument {
        symbol: TextId::new(symbol).expect("short"),
        tick: Price::from_raw(10_000),
        lot: Qty::ONE,
        min_notional: Money::from_whole(5),
        tradable: true,
        listed_ns: None,
    };
    RunHeader {
        run_id: "test".into(),
        run_tag: "test".into(),
        mode: Mode::Paper,
        layout: Layout::Inline,
        seed: 7,
        epoch: 1_723_075_200,
        started_ns: Nanos::new(1_723_075_200_000_000_000),
        config_version: 1,
        config_hash: "0011223344556677".into(),
        starting_capital: Money::from_whole(25_000),
        instruments: InstrumentTable::new(vec![row("AUSDT"), row("BUSDT")]).expect("a table"),
        settings: vec![("engine.seed".into(), "7".into())],
        data: vec!["test".into()],
    }
}

fn version() -> SettingsVersion {
    SettingsVersion {
        version: 2,
        hash_before: "0011223344556677".into(),
        hash_after: "8899aabbccddeeff".into(),
        changes: Vec::new(),
        settings: vec![("engine.seed".into(), "7".into())],
    }
}

fn input(number: i64) -> (Nanos, Input) {
    let now = Nanos::new(1_723_075_200_000_000_000 + number * 3_000_000);
    let body = MarketBody::Trade {
        price: Price::from_raw(187_800_000 + number % 7 * 10_000),
        qty: Qty::from_whole(1 + number % 5),
        taker: Some(Side::Buy),
        trade_id: 1_000 + number.unsigned_abs(),
        merged: 0,
    };
    let instrument = InstrumentId::new(usize::from(number % 3 == 0));
    match number {
        40 => (now, Input::Settings { version: 2 }),
        _ if number % 11 == 5 => (now, Input::Tick),
        _ => (now, Input::Market(MarketMsg::from_body(instrument, now, None, body))),
    }
}

/// The toy engine: its records depend on every input before them.
#[derive(Default)]
struct Toy {
    applied: u32,
    last: i64,
    capital: i64,
}

impl Toy {
    fn apply(&mut self, now_ns: Nanos, input: &Input, out: &mut dyn FnMut(RecordMsg)) {
        self.applied += 1;
        let mut emit = |record| out(RecordMsg { ts_ns: now_ns, record });
        let instrument = InstrumentId::new(0);
        let side = PositionSide::Long;
        match input {
            Input::Settings { version } => emit(Record::Settings { version: *version }),
            Input::Market(message) => {
                let MarketBody::Trade { price, .. } = message.body() else { return };
                let step = price.raw() - self.last;
                self.last = price.raw();
                self.capital += step;
                #[expect(clippy::cast_precision_loss, reason = "a signal")]
                let vel_div = Some(step as f64 / 7.0);
                emit(Record::Decision {
                    scan: self.applied,
                    instrument: Some(message.instrument),
                    action: Action::Hold,
                    reason: DecisionReason::NoEdge,
                    vel_div: vel_div.into(),
                    sizing: None,
                });
                if self.applied.is_multiple_of(4) {
                    let (scan, stage) = (self.applied, FunnelStage::PostFilters);
                    let (decision, reason) = (FunnelDecision::Pass, FunnelReason::None);
                    let (place, score) = (0, 1.5);
                    emit(Record::Candidate {
                        scan,
                        place,
                        instrument,
                        side,
                        stage,
                        decision,
                        reason,
                        score,
                        ars: score,
                        vel_div,
                        lane: Lane::Momentum,
                        tier: Tier::C,
                        family: Family::Linear,
                        adv: None,
                        notional_5m: Maybe::NONE,
                        depth: Maybe::NONE,
                    });
                }
                if self.applied.is_multiple_of(10) {
                    self.trade(price, &mut emit);
                }
            }
            _ => {}
        }
    }

    fn trade(&self, price: Price, emit: &mut dyn FnMut(Record)) {
        let trade = TradeId::new(u64::from(self.applied / 10));
        let client = ClientId::new(1_723_075_200, self.applied);
        let instrument = InstrumentId::new(0);
        let (side, qty) = (Side::Buy, Qty::from_whole(3));
        let venue_id = TextId::from_number(u64::from(self.applied));
        emit(Record::Slot {
            slot: 0,
            trade,
            instrument,
            from: SlotStage::Idle,
            to: SlotStage::OrderRequested,
            event: SlotEvent::Enter,
        });
        emit(Record::Order {
            client,
            trade,
            venue_id: TextId::EMPTY,
            instrument,
            side,
            position_side: PositionSide::Long,
            kind: OrderKind::Market,
            tif: TimeInForce::Ioc,
            reduce_only: false,
            qty,
            price: Maybe::NONE,
            mid: Maybe::NONE,
            leverage: Maybe::NONE,
            status: OrderStatus::Submitted,
            reason: "",
        });
        emit(Record::Fill {
            client,
            trade,
            venue_id,
            fill_id: venue_id,
            instrument,
            side,
            role: OrderRole::Entry,
            is_maker: false,
            fee_source: FeeSource::Settled,
            qty,
            price,
            fee: Money::from_raw(1),
        });
        let start = Money::from_whole(25_000);
        emit(Record::Account {
            capital: start + Money::from_raw(self.capital),
            equity: Maybe::some(start + Money::from_raw(self.capital)),
            available: Maybe::NONE,
            realized_pnl: Money::from_raw(self.capital),
            unrealized_pnl: Maybe::some(Money::ZERO),
            fees_paid: Money::ZERO,
            funding_paid: Money::ZERO,
            transfers: Money::ZERO,
            adjustments: Money::ZERO,
            max_drawdown: Money::ZERO,
            delta: Maybe::NONE,
            fee_ratio_taker: Rate::ONE,
            fee_ratio_maker: Rate::ONE,
            open_positions: 1,
            reconcile: ReconcileState::Ok,
            frozen: false,
        });
        emit(Record::TradeDecision {
            scan: self.applied,
            trade: Some(trade),
            instrument,
            side: PositionSide::Long,
            stage: FunnelStage::TradeOpen,
            decision: FunnelDecision::Open,
            reason: FunnelReason::None,
            score: 1.5,
            lane: Lane::Momentum,
            tier: Tier::C,
            edge_percent: None,
            position_size: Maybe::some(Money::ONE),
            pnl_percent: None,
            pnl: Maybe::NONE,
        });
    }
}

/// A whole run of the toy engine in a directory.
fn run(parent: &TempDir, name: &str, inputs: i64, elapsed_ns: u64) -> RunDir {
    let dir = RunDir::create(&parent.path().join(name)).expect("made");
    let (mut records, records_rx) = link(1 << 16);
    let (mut tx, rx) = input_ring(RING_BYTES / 8);
    let journal =
        Journal::start(&dir, header(), records_rx, rx, Durability::Power).expect("starts");
    journal.desk().announce(version());
    let mut toy = Toy::default();
    for number in 0..inputs {
        let (now, input) = input(number);
        while tx.push(now, &input).is_err() {
            std::thread::yield_now();
        }
        toy.apply(now, &input, &mut |record| {
            let mut waiting = record;
            while let Err(full) = records.push(waiting) {
                waiting = full.0;
                std::thread::yield_now();
            }
        });
    }
    let events = inputs.unsigned_abs();
    let end = RunEnd {
        ts_ns: input(inputs).0,
        reason: "end_of_data".into(),
        events,
        ..RunEnd::default()
    };
    let wall = Wall { started_ns: 0, elapsed_ns, latency: Vec::new() };
    let summary = journal.finish(end, wall).expect("written");
    assert_eq!(summary.identities(), [""; 0]);
    dir
}

fn replay(dir: &Path) -> Result<Comparison, JournalFault> {
    let mut toy = Toy::default();
    compare(dir, &mut |step, out| {
        if let Step::Input { now_ns, input } = step {
            toy.apply(now_ns, input, out);
        }
    })
}

fn edit(path: &Path, change: impl FnOnce(String) -> String) {
    let content = fs::read_to_string(path).expect("read");
    let changed = change(content.clone());
    assert_ne!(changed, content, "the edit must change something");
    fs::write(path, changed).expect("written");
}

#[test]
fn a_replay_of_an_untouched_run_is_equal_and_runs_differ_in_wall_clock_only() {
    let parent = tempfile::tempdir().expect("temporary directory");
    let (first, second) = (run(&parent, "a", 5_000, 1_000), run(&parent, "b", 5_000, 999_999));
    let comparison = replay(first.path()).expect("readable");
    assert_eq!(comparison.difference, None);
    assert_eq!((comparison.inputs, comparison.tail), (5_000, Tail::Complete));
    assert!(comparison.lines > 7_500, "{} lines", comparison.lines);
    assert_eq!(comparison.summary.expect("it ended").journal_inputs, 5_000);
    for name in ["inputs.journal", "candidates.jsonl", "trade_decisions.jsonl", "snapshot.json"] {
        let read = |dir: &RunDir| fs::read(dir.file(name)).expect("read");
        assert!(read(&first) == read(&second), "{name} differs between equal runs");
    }
    assert_ne!(
        fs::read(first.file("summary.json")).expect("read"),
        fs::read(second.file("summary.json")).expect("read"),
    );
}

#[test]
fn seq_counts_every_session_line() {
    let parent = tempfile::tempdir().expect("temporary directory");
    let dir = run(&parent, "a", 500, 1);
    let session = fs::read_to_string(dir.file("session.jsonl")).expect("read");
    let kinds: Vec<String> = session
        .lines()
        .enumerate()
        .map(|(number, line)| {
            let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
            assert_eq!(value["seq"], number + 1);
            value["kind"].as_str().expect("a kind").to_owned()
        })
        .collect();
    assert_eq!(kinds.first().map(String::as_str), Some("run_start"));
    assert_eq!(kinds.last().map(String::as_str), Some("run_end"));
    assert!(kinds.iter().any(|kind| kind == "settings"));
}

#[test]
fn an_edited_line_is_named_with_its_file_line_and_input() {
    let parent = tempfile::tempdir().expect("temporary directory");
    for (number, (file, from, to)) in [
        ("session.jsonl", "\"action\":\"hold\"", "\"action\":\"exit\""),
        ("candidates.jsonl", "\"score\":1.5", "\"score\":1.50"),
        ("trade_decisions.jsonl", "position_size_usd\":\"1\"", "position_size_usd\":\"2\""),
        ("snapshot.json", "\"fills\":", "\"fills\":1"),
        ("summary.json", "\"fills\": ", "\"fills\": 1"),
        ("session.jsonl", "\"reason\":\"end_of_data\"", "\"reason\":\"stop\""),
    ]
    .into_iter()
    .enumerate()
    {
        let dir = run(&parent, &number.to_string(), 300, 1);
        edit(&dir.file(file), |content| content.replacen(from, to, 1));
        let difference = replay(dir.path()).expect("readable").difference.expect("different");
        assert_eq!(difference.file, file);
        assert!(difference.recorded.as_ref().expect("a line").contains(to), "{difference}");
        assert!(difference.replayed.as_ref().expect("a line").contains(from), "{difference}");
        assert!(difference.input >= 1 && difference.line >= 1, "{difference}");
    }
}

#[test]
fn a_missing_and_an_added_line_are_named() {
    let parent = tempfile::tempdir().expect("temporary directory");
    let dir = run(&parent, "missing", 300, 1);
    edit(&dir.file("session.jsonl"), |content| {
        let mut lines: Vec<&str> = content.lines().collect();
        lines.remove(41);
        lines.join("\n") + "\n"
    });
    let difference = replay(dir.path()).expect("readable").difference.expect("different");
    assert_eq!((difference.file, difference.line), ("session.jsonl", 42));

    let dir = run(&parent, "cut", 300, 1);
    edit(&dir.file("candidates.jsonl"), |content| {
        let end = content.trim_end().rfind('\n').expect("many lines");
        content[..=end].to_owned()
    });
    let difference = replay(dir.path()).expect("readable").difference.expect("different");
    assert_eq!((difference.file, difference.recorded), ("candidates.jsonl", None));

    let dir = run(&parent, "added", 300, 1);
    edit(&dir.file("trade_decisions.jsonl"), |content| content + "{}\n");
    let difference = replay(dir.path()).expect("readable").difference.expect("different");
    assert_eq!(difference.file, "trade_decisions.jsonl");
    assert_eq!((difference.recorded.as_deref(), difference.replayed), (Some("{}"), None));
}

/// Writes the journal again with one input changed: every checksum is right, only the content is not.
fn change_input(path: &Path, which: u64) {
    let mut items = JournalReader::open(path).expect("opens");
    let changed = path.with_extension("changed");
    let file = fs::File::create(&changed).expect("made");
    let mut writer = FrameWriter::new(changed.clone(), Box::new(file)).expect("written");
    let header = items.header().to_json();
    writer.document(FrameKind::Header, header.as_bytes()).expect("written");
    let mut state = CodecState::default();
    while let Some(item) = items.next() {
        match item.expect("whole") {
            Item::Input { now_ns, input } => {
                let input = if items.inputs() == which { Input::Tick } else { input };
                let mut buffer = [0; ENCODED_MAX];
                let len = encode(&mut state, now_ns, &input, &mut buffer);
                writer.input(&buffer[..len]).expect("room");
            }
            Item::Settings(version) => {
                state.reset();
                let content = version.to_json();
                writer.document(FrameKind::Settings, content.as_bytes()).expect("written");
            }
            Item::Continued(_) => unreachable!("one run"),
            Item::End(end) => writer.finish(end.to_json().as_bytes()).expect("written"),
        }
    }
    fs::rename(changed, path).expect("replaced");
}

#[test]
fn a_changed_input_shows_where_its_records_differ() {
    let parent = tempfile::tempdir().expect("temporary directory");
    let dir = run(&parent, "a", 300, 1);
    change_input(&dir.file("inputs.journal"), 101);
    let comparison = replay(dir.path()).expect("readable");
    let difference = comparison.difference.expect("different");
    // A tick in place of trade 101 makes no record: the first one that differs is that of trade 102.
    assert_eq!((difference.file, difference.input), ("session.jsonl", 102));
}

#[test]
fn a_flipped_bit_is_a_fault_with_file_and_byte() {
    let parent = tempfile::tempdir().expect("temporary directory");
    let dir = run(&parent, "a", 300, 1);
    let path = dir.file("inputs.journal");
    let whole = fs::read(&path).expect("read");
    for byte in (0..whole.len()).step_by(37) {
        let mut bytes = whole.clone();
        bytes[byte] ^= 0x10;
        fs::write(&path, bytes).expect("written");
        let fault = replay(dir.path()).expect_err("a flipped bit");
        assert_eq!(fault.path, path);
        assert!(fault.offset.expect("a byte") <= byte as u64, "{fault}");
    }
}

#[test]
fn every_torn_tail_keeps_the_inputs_before_it() {
    let parent = tempfile::tempdir().expect("temporary directory");
    let dir = run(&parent, "a", 60, 1);
    let path = dir.file("inputs.journal");
    let whole = fs::read(&path).expect("read");
    let expected: Vec<(Nanos, Input)> = (0..60).map(input).collect();
    let torn = parent.path().join("torn");
    let mut counts = Vec::new();
    for cut in 0..whole.len() {
        fs::write(&torn, &whole[..cut]).expect("written");
        let Ok(mut reader) = JournalReader::open(&torn) else {
            assert!(counts.is_empty(), "cut at {cut}: only a cut header cannot be opened");
            continue;
        };
        let mut read = Vec::new();
        for item in reader.by_ref() {
            match item.expect("a cut is no fault") {
                Item::Input { now_ns, input } => read.push((now_ns, input)),
                Item::Settings(content) => assert_eq!(content, version()),
                Item::Continued(_) => unreachable!("one run"),
                Item::End(_) => assert!(cut > whole.len() - END.len() - 1),
            }
        }
        assert_eq!(read, expected[..read.len()], "cut at {cut}");
        assert_eq!(reader.inputs(), read.len() as u64);
        assert_ne!(reader.tail(), Some(Tail::Complete));
        counts.push(read.len());
    }
    counts.dedup();
    // The settings input starts a frame of its own, so two frames of inputs stand in the file.
    assert_eq!(counts, [0, 40, 60]);
}

#[test]
fn a_run_that_was_killed_replays_as_far_as_it_goes() {
    let parent = tempfile::tempdir().expect("temporary directory");
    let dir = run(&parent, "a", 300, 1);
    fs::remove_file(dir.file("summary.json")).expect("removed");
    let cut = |name: &str, keep: usize| {
        let content = fs::read(dir.file(name)).expect("read");
        fs::write(dir.file(name), &content[..content.len() * keep / 100]).expect("written");
    };
    cut("inputs.journal", 95);
    for (session, candidates) in [(90, 99), (60, 20), (5, 0)] {
        cut("session.jsonl", session);
        cut("candidates.jsonl", candidates);
        let comparison = replay(dir.path()).expect("readable");
        assert_eq!(comparison.difference, None);
        assert!(matches!(comparison.tail, Tail::Torn { .. }));
        assert!(comparison.summary.is_none());
    }
    edit(&dir.file("session.jsonl"), |content| content.replacen("\"seq\":2", "\"seq\":3", 1));
    assert!(replay(dir.path()).expect("readable").difference.is_some());
}

#[test]
fn what_is_no_run_directory_is_named() {
    let parent = tempfile::tempdir().expect("temporary directory");
    let fault = replay(parent.path()).expect_err("empty");
    assert!(fault.to_string().contains("no inputs.journal"), "{fault}");
    let fault = replay(&parent.path().join("nowhere")).expect_err("missing");
    assert!(fault.to_string().contains("no such directory"), "{fault}");
    fs::write(parent.path().join("inputs.journal"), "{\"a\":1}\n{}\n").expect("written");
    let fault = replay(parent.path()).expect_err("another file");
    assert!(fault.to_string().contains("another kind of file"), "{fault}");
}

#[test]
fn an_unwritable_parent_is_named() {
    // Root may write everywhere; a folder under a file is refused to everyone.
    let fault = RunDir::create(Path::new("/dev/null/run")).expect_err("not a folder");
    assert!(fault.to_string().starts_with("/dev/null"), "{fault}");
    assert!(fault.expected.contains("--out"), "{fault}");
}
