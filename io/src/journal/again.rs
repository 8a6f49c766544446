//! The line files of a run that goes on: told again from its journal, to the byte.
//!
//! The journal is written before the lines, so a process that died may owe lines, and never the other way
//! round. The whole journal is applied to a fresh engine, as a replay does; a line that is in its file is
//! left alone, and from the first one that is not the file is written anew. Afterwards a replay of the
//! directory finds every byte. Cost: one replay, about a second for a million inputs.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;

use crate::journal::fault::JournalFault;
use crate::journal::frames::FrameWriter;
use crate::journal::line_file::LineFile;
use crate::journal::reader::{Item, JournalReader};
use crate::journal::render::{LineFileId, Renderer};
use crate::journal::replica::Replica;
use crate::journal::run_dir::{INPUTS, RunDir, read_fault, write_fault};

/// What a journal goes on with. Owner: [`super::Journal::go_on`].
#[derive(Debug)]
pub struct Again {
    pub(super) replica: Replica,
    pub(super) frames: FrameWriter,
    pub(super) renderer: Renderer,
    pub(super) lines: Vec<LineFile>,
    /// Bytes of the line files that the journal does not tell, and that were cut: the rest of a line that
    /// was being written; more only when the files are damaged.
    pub cut: u64,
}

/// A line file that is compared as far as it goes, and written from there on.
struct Retold {
    path: PathBuf,
    /// What is still to be compared.
    source: Option<BufReader<File>>,
    /// Bytes that were found as they should be.
    same: u64,
    len: u64,
    file: Option<LineFile>,
    buffer: Vec<u8>,
}

impl Retold {
    fn open(dir: &RunDir, file: LineFileId) -> Result<Self, JournalFault> {
        let path = dir.file(file.name());
        let unwritable = |error| write_fault(&path, &error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(unwritable)?;
        let len = file.metadata().map_err(unwritable)?.len();
        let source = Some(BufReader::with_capacity(256 * 1024, file));
        Ok(Self { path, source, same: 0, len, file: None, buffer: Vec::new() })
    }

    fn line(&mut self, line: &[u8]) -> Result<(), JournalFault> {
        if let Some(source) = &mut self.source {
            self.buffer.clear();
            let read = source.read_until(b'\n', &mut self.buffer);
            read.map_err(|error| read_fault(&self.path, &error))?;
            if self.buffer == line {
                self.same += line.len() as u64;
                return Ok(());
            }
        }
        self.writing()?.push(line)
    }

    /// The file, cut behind what was found.
    fn writing(&mut self) -> Result<&mut LineFile, JournalFault> {
        if let Some(source) = self.source.take() {
            let file = source.into_inner();
            file.set_len(self.same).map_err(|error| write_fault(&self.path, &error))?;
            self.file = Some(LineFile::behind(self.path.clone(), Box::new(file), self.same));
        }
        let path = &self.path;
        self.file.as_mut().ok_or_else(|| {
            JournalFault::new(path, "no file to write", "a bug report with the text above")
        })
    }

    /// The file at its end, and how many bytes were cut.
    fn finish(mut self) -> Result<(LineFile, u64), JournalFault> {
        self.writing()?.flush()?;
        let cut = self.len - self.same;
        let expected = "a bug report with the text above";
        let file = self.file.ok_or_else(|| JournalFault::new(&self.path, "no file", expected))?;
        Ok((file, cut))
    }
}

/// Brings the line files of `dir` to where its journal stands, whose last frame is the new header; `replica`
/// and `frames` are what the recovery went on with.
///
/// # Errors
/// A file cannot be read or written, or the journal cannot be replayed.
pub fn tell_again(
    dir: &RunDir,
    replica: Replica,
    frames: FrameWriter,
) -> Result<Again, JournalFault> {
    let path = dir.file(INPUTS);
    let mut reader = JournalReader::open(&path)?;
    let mut renderer = Renderer::new(reader.header().clone());
    let mut engine = Replica::new(&path, reader.header())?;
    let files = LineFileId::ALL.into_iter().map(|file| Retold::open(dir, file));
    let mut files = files.collect::<Result<Vec<Retold>, JournalFault>>()?;
    files[LineFileId::Session.index()].line(renderer.run_start())?;
    for item in reader.by_ref() {
        match item? {
            Item::Settings(version) => {
                engine.announce(&version)?;
                renderer.announce(version);
            }
            Item::Input { now_ns, input } => {
                engine.apply(now_ns, &input);
                for record in engine.records() {
                    let (file, line) = renderer.record(record);
                    files[file.index()].line(line)?;
                }
            }
            Item::Continued(header) => {
                engine.go_on_as(&header)?;
                files[LineFileId::Session.index()].line(renderer.run_continued(*header))?;
            }
            // The recovery goes on before a trailer, where there is one.
            Item::End(_) => {}
        }
    }
    let (mut lines, mut cut) = (Vec::with_capacity(LineFileId::ALL.len()), 0);
    for file in files {
        let (file, less) = file.finish()?;
        lines.push(file);
        cut += less;
    }
    Ok(Again { replica, frames, renderer, lines, cut })
}
