//! What `pinion replay` asserts: a fresh engine, fed the journal, writes the same bytes.
//!
//! Streams: one frame of the journal and one line of each file are in memory at a time.

use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use pinion_core::msg::{Input, RecordMsg};
use pinion_core::units::Nanos;

use crate::journal::fault::JournalFault;
use crate::journal::header::{RunHeader, SettingsVersion};
use crate::journal::reader::{Item, JournalReader, Tail};
use crate::journal::render::{LineFileId, Renderer};
use crate::journal::replica::Replica;
use crate::journal::run_dir::{INPUTS, RunDir, SNAPSHOT, SUMMARY, read_fault};
use crate::journal::summary::{RunEnd, Summary};

/// What the engine is fed.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// Content of the version that the next input brings into force.
    Settings(&'a SettingsVersion),
    /// The run goes on under this header: the engine is saved, restored and given its epoch.
    Continued(&'a RunHeader),
    /// One input, at the time of its turn.
    Input {
        /// The kernel's time.
        now_ns: Nanos,
        /// The input.
        input: &'a Input,
    },
}

/// A fresh engine as the comparison drives it: one step in, its records out through the callback.
pub type Engine<'a> = dyn FnMut(Step<'_>, &mut dyn FnMut(RecordMsg)) + 'a;

/// Result of a replay.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Inputs replayed.
    pub inputs: u64,
    /// Lines that were the same, over all files.
    pub lines: u64,
    /// How the journal ends. Without a trailer the files are compared as far as they go, and neither
    /// summary nor end line exists to compare.
    pub tail: Tail,
    /// The first difference; `None` when every byte is the same.
    pub difference: Option<Difference>,
    /// The figures of the replay, where the journal says how the run ended.
    pub summary: Option<Summary>,
}

/// Where the replay and the files part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The file.
    pub file: &'static str,
    /// Line in it, from 1.
    pub line: u64,
    /// What the file says; `None` when it has ended.
    pub recorded: Option<String>,
    /// What the replay says; `None` when it has no such line.
    pub replayed: Option<String>,
    /// Number of the input that was being applied, from 1; the last one for a difference at the end.
    pub input: u64,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |text: &Option<String>| text.clone().unwrap_or_else(|| "(no such line)".into());
        write!(
            f,
            "{}, line {}, at input {}:\n  recorded: {}\n  replayed: {}",
            self.file,
            self.line,
            self.input,
            side(&self.recorded),
            side(&self.replayed)
        )
    }
}

/// A line file of the run, read in step with the replay.
struct Recorded {
    file: LineFileId,
    source: BufReader<File>,
    line: u64,
    buffer: Vec<u8>,
}

impl Recorded {
    fn open(dir: &RunDir, file: LineFileId) -> Result<Self, JournalFault> {
        let path = dir.file(file.name());
        let source = File::open(&path).map_err(|error| read_fault(&path, &error))?;
        let source = BufReader::with_capacity(256 * 1024, source);
        Ok(Self { file, source, line: 0, buffer: Vec::new() })
    }

    /// The next line without its newline; `None` at the end.
    fn next(&mut self, dir: &RunDir) -> Result<Option<&[u8]>, JournalFault> {
        self.buffer.clear();
        let read = self.source.read_until(b'\n', &mut self.buffer);
        let read = read.map_err(|error| read_fault(&dir.file(self.file.name()), &error))?;
        self.line += 1;
        Ok((read > 0).then_some(&self.buffer[..]))
    }
}

/// State of a comparison: it stops looking at the first difference.
struct Comparer<'a> {
    dir: &'a RunDir,
    files: Vec<Recorded>,
    /// The run did not end in order: a file may stop anywhere.
    may_stop: bool,
    stopped: [bool; LineFileId::ALL.len()],
    lines: u64,
    input: u64,
    difference: Option<Difference>,
    fault: Option<JournalFault>,
}

impl Comparer<'_> {
    /// Holds a replayed line, with its newline, against the next recorded one.
    fn line(&mut self, file: LineFileId, replayed: &[u8]) {
        self.line_by(file, replayed, |line| line);
    }

    /// The same on the part of both lines that `part` picks.
    fn line_by(&mut self, file: LineFileId, replayed: &[u8], part: fn(&[u8]) -> &[u8]) {
        if self.difference.is_some() || self.fault.is_some() || self.stopped[file.index()] {
            return;
        }
        let recorded_file = &mut self.files[file.index()];
        match recorded_file.next(self.dir) {
            Err(fault) => self.fault = Some(fault),
            Ok(Some(recorded)) if part(recorded) == part(replayed) => self.lines += 1,
            Ok(recorded) => {
                let cut = recorded.is_none_or(|line| !line.ends_with(b"\n"));
                if self.may_stop && cut {
                    self.stopped[file.index()] = true;
                    return;
                }
                let recorded = recorded.map(text);
                let line = recorded_file.line;
                self.differ(file.name(), line, recorded, Some(text(replayed)));
            }
        }
    }

    /// After the last replayed line the files must be at their end.
    fn at_end(&mut self) -> Result<(), JournalFault> {
        for file in LineFileId::ALL {
            if self.difference.is_some() {
                return Ok(());
            }
            let recorded_file = &mut self.files[file.index()];
            let more = recorded_file.next(self.dir)?.map(text);
            let line = recorded_file.line;
            if more.is_some() && !self.may_stop {
                self.differ(file.name(), line, more, None);
            }
        }
        Ok(())
    }

    /// Compares the part of a small file that `part` picks with what the replay would write.
    fn whole(
        &mut self,
        name: &'static str,
        expected: &[u8],
        part: fn(&[u8]) -> &[u8],
    ) -> Result<(), JournalFault> {
        if self.difference.is_some() {
            return Ok(());
        }
        let path = self.dir.file(name);
        let mut recorded = Vec::new();
        // A snapshot or summary is a few kilobytes; the bound keeps a wrong file out of memory.
        let limit = expected.len() as u64 + 64 * 1024;
        File::open(&path)
            .and_then(|file| file.take(limit).read_to_end(&mut recorded))
            .map_err(|error| read_fault(&path, &error))?;
        let recorded = part(&recorded);
        if recorded == expected {
            return Ok(());
        }
        let mut recorded = recorded.split(|byte| *byte == b'\n');
        let mut expected = expected.split(|byte| *byte == b'\n');
        let mut line = 1;
        let (recorded, expected) = loop {
            let pair = (recorded.next(), expected.next());
            if pair.0 != pair.1 || pair.0.is_none() {
                break pair;
            }
            line += 1;
        };
        self.differ(name, line, recorded.map(text), expected.map(text));
        Ok(())
    }

    fn differ(
        &mut self,
        file: &'static str,
        line: u64,
        recorded: Option<String>,
        replayed: Option<String>,
    ) {
        self.difference = Some(Difference { file, line, recorded, replayed, input: self.input });
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end().to_owned()
}

/// The end line without what the wall clock says.
fn before_wall(line: &[u8]) -> &[u8] {
    let wall = b",\"wall\":{";
    memchr::memmem::rfind(line, wall).map_or(line, |at| &line[..at])
}

/// The summary without what the wall clock says.
fn before_wall_members(content: &[u8]) -> &[u8] {
    let wall = b",\n  \"wall_s\":";
    memchr::memmem::rfind(content, wall).map_or(content, |at| &content[..at])
}

/// Feeds the inputs of a run to `engine` and compares every output, byte by byte. The engine calls back
/// with each record it makes, in order; it must be built from [`JournalReader::header`]. Stops at the
/// first difference.
///
/// # Errors
/// The journal or a file of the run cannot be read. A difference is a result, not an error.
pub fn compare(run_dir: &Path, engine: &mut Engine<'_>) -> Result<Comparison, JournalFault> {
    let dir = RunDir::open(run_dir)?;
    let mut journal = JournalReader::open(&dir.file(INPUTS))?;
    let mut renderer = Renderer::new(journal.header().clone());
    let mut replica = Replica::new(&dir.file(INPUTS), journal.header())?;
    let files = LineFileId::ALL.into_iter().map(|file| Recorded::open(&dir, file));
    let mut comparer = Comparer {
        dir: &dir,
        files: files.collect::<Result<Vec<Recorded>, JournalFault>>()?,
        // Only a run that ended in order has a summary; of any other the tails may be lost.
        may_stop: fs::metadata(dir.file(SUMMARY)).is_err(),
        stopped: [false; 3],
        lines: 0,
        input: 0,
        difference: None,
        fault: None,
    };
    comparer.line(LineFileId::Session, renderer.run_start());

    let mut end = None;
    for item in journal.by_ref() {
        match item? {
            Item::Settings(version) => {
                replica.announce(&version)?;
                renderer.announce(version.clone());
                engine(Step::Settings(&version), &mut |_| {});
            }
            Item::Input { now_ns, input } => {
                comparer.input += 1;
                replica.apply(now_ns, &input);
                engine(Step::Input { now_ns, input: &input }, &mut |record| {
                    let (file, line) = renderer.record(&record);
                    comparer.line(file, line);
                });
            }
            Item::Continued(header) => {
                replica.go_on_as(&header)?;
                engine(Step::Continued(&header), &mut |_| {});
                comparer.line(LineFileId::Session, renderer.run_continued(*header));
            }
            Item::End(run_end) => end = Some(run_end),
        }
        if comparer.difference.is_some() || comparer.fault.is_some() {
            break;
        }
    }
    if let Some(fault) = comparer.fault.take() {
        return Err(fault);
    }
    let inputs = journal.inputs();
    let summary = match (end, comparer.difference.is_some()) {
        (Some(end), false) => {
            Some(compare_end(&mut comparer, &mut renderer, &replica.snapshot(), end, inputs)?)
        }
        _ => None,
    };
    comparer.at_end()?;
    Ok(Comparison {
        inputs,
        lines: comparer.lines,
        tail: journal.tail().unwrap_or(Tail::Open),
        difference: comparer.difference,
        summary,
    })
}

fn compare_end(
    comparer: &mut Comparer<'_>,
    renderer: &mut Renderer,
    snapshot: &[u8],
    end: RunEnd,
    inputs: u64,
) -> Result<Summary, JournalFault> {
    let summary = renderer.summary(end, inputs);
    comparer.line_by(LineFileId::Session, renderer.run_end(&summary), before_wall);
    comparer.whole(SNAPSHOT, snapshot, |content| content)?;
    comparer.whole(SUMMARY, summary.reproducible_json().as_bytes(), before_wall_members)?;
    Ok(summary)
}
