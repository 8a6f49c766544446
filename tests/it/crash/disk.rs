//! A disk that fails at any byte of any write, and what recovery makes of what is left.

use std::collections::BTreeMap;
use std::io::{self, Cursor};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pinion_core::journal::{CodecState, ENCODED_MAX, encode};
use pinion_core::settings::{KEYS, Layout, Mode};
use pinion_core::units::Nanos;
use pinion_io::journal::folder::{Durability, FileSource, Folder, replace};
use pinion_io::journal::frames::{FrameKind, FrameWriter};
use pinion_io::journal::medium::Medium;
use pinion_io::journal::replica::Replica;
use pinion_io::journal::run_dir::{INPUTS, SNAPSHOT};
use pinion_io::journal::{JournalFault, RunHeader};
use pinion_io::recover::recover_in;
use pinion_tests::trace::{Dice, Trace};

use crate::crash::{is_full, tell};

/// A file: what a reader sees, and what would survive a loss of power.
#[derive(Clone, Default)]
struct Node {
    seen: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Clone, Default)]
struct State {
    nodes: Vec<Node>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Operations that succeeded: bytes of a write count one each, everything else one.
    spent: u64,
    /// After so many the plug is out, or the error comes.
    budget: u64,
    error: Option<io::ErrorKind>,
    dead: bool,
    /// Operations that were not writes of bytes.
    steps: u64,
}

/// Fails when its budget is spent: as a process that dies there, or with an error each time from there on.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<State>>);

impl Disk {
    fn new(budget: u64, error: Option<io::ErrorKind>) -> Self {
        Self(Arc::new(Mutex::new(State { budget, error, ..State::default() })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is left after the end of the process, or of the power.
    fn after(&self, durability: Durability) -> Self {
        let state = self.lock();
        let kept = match durability {
            Durability::Process => {
                State { budget: u64::MAX, error: None, dead: false, ..state.clone() }
            }
            Durability::Power => State {
                nodes: state
                    .nodes
                    .iter()
                    .map(|node| Node { seen: node.durable.clone(), durable: node.durable.clone() })
                    .collect(),
                names: state.durable_names.clone(),
                durable_names: state.durable_names.clone(),
                budget: u64::MAX,
                ..State::default()
            },
        };
        Self(Arc::new(Mutex::new(kept)))
    }
}

impl State {
    /// Takes up to `wanted` units; fewer, down to none, at the end of the budget.
    fn take(&mut self, wanted: u64) -> io::Result<u64> {
        if self.dead {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let left = self.budget.saturating_sub(self.spent);
        let taken = wanted.min(left);
        self.spent += taken;
        if taken == 0 {
            self.dead = self.error.is_none();
            return Err(self.error.unwrap_or(io::ErrorKind::BrokenPipe).into());
        }
        Ok(taken)
    }

    fn step(&mut self) -> io::Result<()> {
        self.steps += 1;
        self.take(1).map(drop)
    }
}

struct Open {
    disk: Disk,
    node: usize,
}

impl Medium for Open {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.lock();
        let count = usize::try_from(state.take(bytes.len() as u64)?).expect("a length");
        let (from, seen) =
            (usize::try_from(offset).expect("small"), &mut state.nodes[self.node].seen);
        seen.resize(seen.len().max(from + count), 0);
        seen[from..from + count].copy_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        if state.dead {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        state.nodes[self.node].seen.truncate(usize::try_from(len).expect("small"));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.step()?;
        let node = &mut state.nodes[self.node];
        node.durable = node.seen.clone();
        Ok(())
    }
}

impl Folder for Disk {
    fn open(&mut self, name: &str, truncate: bool) -> io::Result<Box<dyn Medium>> {
        let mut state = self.lock();
        state.step()?;
        let node = match state.names.get(name) {
            Some(node) => *node,
            None => {
                state.nodes.push(Node::default());
                let node = state.nodes.len() - 1;
                state.names.insert(name.to_owned(), node);
                node
            }
        };
        if truncate {
            state.nodes[node].seen.clear();
        }
        drop(state);
        Ok(Box::new(Open { disk: self.clone(), node }))
    }

    fn read(&self, name: &str, _max: u64) -> io::Result<Vec<u8>> {
        let state = self.lock();
        let node = state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(state.nodes[*node].seen.clone())
    }

    fn source(&self, name: &str) -> io::Result<FileSource> {
        let bytes = self.read(name, u64::MAX)?;
        let last = bytes.last_chunk().copied().unwrap_or_default();
        Ok(FileSource { len: bytes.len() as u64, last, bytes: Box::new(Cursor::new(bytes)) })
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.step()?;
        let node = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), node);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.lock();
        state.step()?;
        state.durable_names = state.names.clone();
        Ok(())
    }
}

fn header(trace: &Trace) -> RunHeader {
    let settings = &trace.settings;
    RunHeader {
        run_id: "crash".into(),
        run_tag: "crash".into(),
        mode: Mode::Paper,
        layout: Layout::Inline,
        seed: settings.engine_seed,
        epoch: trace.epoch,
        started_ns: Nanos::ZERO,
        config_version: 1,
        config_hash: "0011223344556677".into(),
        starting_capital: settings.account_starting_capital,
        instruments: (*trace.table).clone(),
        settings: KEYS
            .iter()
            .map(|key| (key.name.to_owned(), (key.get)(settings).to_text()))
            .collect(),
        data: Vec::new(),
    }
}

/// Writes a trace as the journal thread does. Gives the inputs handed over before something failed.
fn write(disk: &Disk, trace: &Trace, durability: Durability) -> (usize, Result<(), JournalFault>) {
    let mut done = 0;
    let result = (|| {
        let mut folder = disk.clone();
        let failed = |error: io::Error| JournalFault::new(Path::new(INPUTS), error.to_string(), "");
        let header = header(trace);
        let mut frames =
            FrameWriter::new(INPUTS.into(), folder.open(INPUTS, true).map_err(failed)?)?;
        frames.document(FrameKind::Header, header.to_json().as_bytes())?;
        frames.sync()?;
        Folder::sync(&mut folder).map_err(failed)?;
        let mut replica = Replica::new(Path::new(INPUTS), &header)?;
        let mut codec = CodecState::default();
        let mut buffer = [0; ENCODED_MAX];
        for (now, input) in &trace.inputs {
            done += 1;
            if done % 50 == 0 {
                codec.reset();
                replica.frame();
                frames.close()?;
            }
            let len = encode(&mut codec, *now, input, &mut buffer);
            frames.input(&buffer[..len])?;
            replica.encoded(&buffer[..len])?;
            if done % 7 == 0 {
                frames.flush()?;
            }
            if replica.take_due() {
                match durability {
                    Durability::Process => frames.flush()?,
                    Durability::Power => frames.sync()?,
                }
                replace(&mut folder, SNAPSHOT, &replica.snapshot(), durability).map_err(failed)?;
            }
        }
        frames.flush()
    })();
    (done, result)
}

/// The state after each input, as bytes.
fn states(trace: &Trace) -> Vec<Vec<u8>> {
    let mut engine = trace.engine();
    let mut out = pinion_core::kernel::Effects::default();
    let mut bytes = Vec::new();
    engine.save(&mut bytes);
    let mut states = vec![bytes.clone()];
    for (now, input) in &trace.inputs {
        engine.turn(*now, input, &mut out);
        engine.save(&mut bytes);
        states.push(bytes.clone());
    }
    states
}

/// Recovers and checks that the state is one that the live engine had, of an input that was handed over.
/// Gives its input and whether it is declared unknown; `None` where nothing had been begun.
fn check(disk: &Disk, states: &[Vec<u8>], done: usize, what: &str) -> Option<(usize, bool)> {
    let mut folder = disk.clone();
    let recovery = match recover_in(&mut folder, Path::new("state"), "now") {
        Ok(recovery) => recovery,
        Err(fault) => {
            assert_eq!(done, 0, "{what}: {fault}");
            return None;
        }
    };
    assert!(recovery.quarantined.is_none(), "{what}: {:?}", recovery.quarantined);
    let engine = recovery.replica.engine();
    let inputs = usize::try_from(engine.inputs()).expect("few");
    assert!(inputs <= done, "{what}: {inputs} inputs of {done}");
    let mut bytes = Vec::new();
    engine.save(&mut bytes);
    assert!(bytes == states[inputs], "{what}: a state that never was, at input {inputs}");
    Some((inputs, recovery.unknown.is_some()))
}

/// A trace that trades, short enough that every byte of its files can be the last.
fn short() -> Trace {
    (0..).map(|seed| Trace::random(seed, 130)).find(|trace| trace.fills >= 2).expect("one trades")
}

#[test]
fn a_crash_at_any_byte_of_any_write_leaves_a_state_that_was() {
    let trace = short();
    let states = states(&trace);
    for durability in [Durability::Process, Durability::Power] {
        let whole = Disk::new(u64::MAX, None);
        write(&whole, &trace, durability).1.expect("a whole disk");
        let total = whole.lock().spent;
        let (mut cuts, mut unknown, mut least) = (0, 0, 0);
        let mut budget = 0;
        let mut dice = Dice(5);
        while budget <= total {
            let disk = Disk::new(budget, None);
            let (done, _) = write(&disk, &trace, durability);
            let what = format!("{durability:?}, {budget} of {total}");
            let left = disk.after(durability);
            if let Some((inputs, is_unknown)) = check(&left, &states, done, &what) {
                unknown += u32::from(is_unknown);
                least = least.max(done - inputs);
            }
            cuts += 1;
            budget += if is_full() { 1 } else { 1 + dice.below(160) };
        }
        assert!(least < 60, "at most a frame is lost: {least}");
        tell(&format!(
            "{durability:?}: {cuts} cuts in {total} bytes, all states were; {unknown} declared unknown, \
             at most {least} inputs lost"
        ));
    }
}

#[test]
fn an_error_at_any_write_corrupts_nothing() {
    let trace = short();
    let states = states(&trace);
    let kinds = [
        io::ErrorKind::StorageFull,
        io::ErrorKind::ReadOnlyFilesystem,
        io::ErrorKind::Other,
        io::ErrorKind::QuotaExceeded,
    ];
    let whole = Disk::new(u64::MAX, None);
    write(&whole, &trace, Durability::Power).1.expect("a whole disk");
    let total = whole.lock().spent;
    let mut dice = Dice(9);
    let mut budget = 0;
    let mut failures = 0;
    while budget < total {
        let kind = kinds[failures % kinds.len()];
        let disk = Disk::new(budget, Some(kind));
        let (done, result) = write(&disk, &trace, Durability::Power);
        assert!(result.is_err(), "{budget} of {total}: the error is told");
        let what = format!("{kind:?} after {budget} of {total}");
        for durability in [Durability::Process, Durability::Power] {
            check(&disk.after(durability), &states, done, &what);
        }
        failures += 1;
        budget += if is_full() { 1 } else { 1 + dice.below(400) };
    }
    tell(&format!("{failures} errors, all told, all states were"));
}

/// A whole directory, its snapshot changed by `damage`, recovered.
fn recovered(damage: impl FnOnce(&mut Vec<u8>)) -> (Disk, pinion_io::recover::Recovery) {
    let trace = short();
    let disk = Disk::new(u64::MAX, None);
    write(&disk, &trace, Durability::Power).1.expect("a whole disk");
    {
        let mut state = disk.lock();
        let node = state.names[SNAPSHOT];
        damage(&mut state.nodes[node].seen);
    }
    let recovery =
        recover_in(&mut disk.clone(), Path::new("state"), "now").expect("the journal is whole");
    (disk, recovery)
}

#[test]
fn a_damaged_snapshot_is_set_aside_and_the_journal_alone_gives_the_same_state() {
    let (_, good) = recovered(|_| {});
    assert!(good.from_snapshot.is_some() && good.quarantined.is_none());
    let mut expected = Vec::new();
    good.replica.engine().save(&mut expected);
    let account = |bytes: &mut Vec<u8>| {
        let text = String::from_utf8(bytes.clone()).expect("text");
        *bytes =
            text.replacen("\"account_id\":\"paper\"", "\"account_id\":\"other\"", 1).into_bytes();
    };
    let damages: [(&str, fn(&mut Vec<u8>)); 5] = [
        ("cut", |bytes| bytes.truncate(bytes.len() / 2)),
        ("empty", Vec::clear),
        ("zeros", |bytes| bytes.fill(0)),
        ("a flipped bit", |bytes| bytes[1_000] ^= 4),
        ("swapped account", account),
    ];
    for (name, damage) in damages {
        let (disk, recovery) = recovered(damage);
        let aside =
            recovery.quarantined.as_ref().unwrap_or_else(|| unreachable!("{name} is taken"));
        assert_eq!(aside.name, "snapshot.json.bad-now", "{name}");
        assert!(disk.read(SNAPSHOT, 0).is_err(), "{name}: it has another name now");
        assert!(recovery.unknown.is_none() && recovery.from_snapshot.is_none(), "{name}");
        let mut bytes = Vec::new();
        recovery.replica.engine().save(&mut bytes);
        assert!(bytes == expected, "{name}: another state");
    }
}

#[test]
fn a_run_goes_on_in_its_directory_and_is_recovered_again() {
    let trace = short();
    let (disk, recovery) = recovered(|_| {});
    let inputs = recovery.replica.engine().inputs();
    let mut folder = disk.clone();
    let path = Path::new("state");
    let same = header(&trace);
    let again = recover_in(&mut folder, path, "now").expect("readable");
    assert!(again.go_on(&mut folder, path, &same).is_err(), "the same epoch twice");
    let next = RunHeader { epoch: trace.epoch + 1, ..header(&trace) };
    let mut run = recovery.go_on(&mut folder, path, &next).expect("goes on");
    let (now, input) = trace.inputs[3];
    let mut buffer = [0; ENCODED_MAX];
    let len = encode(&mut CodecState::default(), now, &input, &mut buffer);
    run.frames.input(&buffer[..len]).expect("room");
    run.frames.flush().expect("written");
    run.replica.encoded(&buffer[..len]).expect("an input");
    let found = recover_in(&mut folder, path, "now").expect("readable");
    assert_eq!(found.header.epoch, trace.epoch + 1);
    assert_eq!(found.replica.engine().inputs(), inputs + 1);
    let (mut expected, mut bytes) = (Vec::new(), Vec::new());
    run.replica.engine().save(&mut expected);
    found.replica.engine().save(&mut bytes);
    assert!(bytes == expected);
}
