//! Reading an input journal back, one frame in memory at a time.

use std::fs::File;
use std::io::{BufReader, Read, Seek as _, SeekFrom};
use std::path::Path;

use pinion_core::journal::{CodecState, decode};
use pinion_core::msg::Input;
use pinion_core::units::Nanos;

use crate::journal::fault::JournalFault;
use crate::journal::frames::{END, FrameKind, FrameReader};
use crate::journal::header::{RunHeader, SettingsVersion};
use crate::journal::run_dir::read_fault;
use crate::journal::summary::RunEnd;

pub use crate::journal::frames::Tail;

/// What a journal holds after its header, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// One kernel input and the time of its turn.
    Input {
        /// The kernel's time when it was applied.
        now_ns: Nanos,
        /// The input.
        input: Input,
    },
    /// Content of the version that the next input brings into force.
    Settings(SettingsVersion),
    /// The run was started again in the same directory: another epoch, perhaps more instruments.
    Continued(Box<RunHeader>),
    /// The run ended in order.
    End(RunEnd),
}

/// An open journal: an iterator over its items; after an error it is at its end.
#[derive(Debug)]
pub struct JournalReader<R = BufReader<File>> {
    frames: FrameReader<R>,
    header: RunHeader,
    state: CodecState,
    /// Read position in the running inputs frame; its length when no frame runs.
    at: usize,
    in_inputs: bool,
    inputs: u64,
    /// Where the last whole frame ends that the run could go on behind.
    whole: u64,
    failed: bool,
}

impl JournalReader {
    /// Opens the file and reads its header.
    ///
    /// # Errors
    /// Not a journal, of another version, without a whole header, or unreadable.
    pub fn open(path: &Path) -> Result<Self, JournalFault> {
        let unreadable = |error| read_fault(path, &error);
        let mut file = File::open(path).map_err(unreadable)?;
        let len = file.metadata().map_err(unreadable)?.len();
        let mut last = [0; END.len()];
        if len >= END.len() as u64 {
            file.seek(SeekFrom::End(-8)).map_err(unreadable)?;
            file.read_exact(&mut last).map_err(unreadable)?;
            file.rewind().map_err(unreadable)?;
        }
        Self::of(path, BufReader::with_capacity(256 * 1024, file), len, &last)
    }
}

impl<R: Read> JournalReader<R> {
    /// Reads the header from any source; `len` is its length, `last` its last eight bytes.
    ///
    /// # Errors
    /// As [`JournalReader::open`].
    pub fn of(path: &Path, source: R, len: u64, last: &[u8]) -> Result<Self, JournalFault> {
        let mut frames = FrameReader::new(path, source, len, last)?;
        if frames.next_frame()? != Some(FrameKind::Header) {
            let found = "no whole header";
            let expected = "a header first: the run ended before it could write anything";
            return Err(JournalFault::at(path, frames.offset(), found, expected));
        }
        let header = RunHeader::from_json(path, frames.content())?;
        Ok(Self {
            whole: frames.offset(),
            frames,
            header,
            state: CodecState::default(),
            at: 0,
            in_inputs: false,
            inputs: 0,
            failed: false,
        })
    }

    /// What the run started with.
    #[must_use]
    pub const fn header(&self) -> &RunHeader {
        &self.header
    }

    /// Inputs read so far; at the end: how many are whole.
    #[must_use]
    pub const fn inputs(&self) -> u64 {
        self.inputs
    }

    /// Where the last whole frame read so far ends, the trailer left out: a run that goes on does so there.
    #[must_use]
    pub const fn whole(&self) -> u64 {
        self.whole
    }

    /// Length of the source.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.frames.len()
    }

    /// True when the source holds nothing; never, as it has a header.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.frames.len() == 0
    }

    /// How the file ends, once the end is reached.
    #[must_use]
    pub const fn tail(&self) -> Option<Tail> {
        self.frames.tail()
    }

    fn next_item(&mut self) -> Result<Option<Item>, JournalFault> {
        loop {
            if self.in_inputs {
                if self.at < self.frames.content().len() {
                    return self.next_input().map(Some);
                }
                self.whole = self.frames.offset();
            }
            self.in_inputs = false;
            let Some(kind) = self.frames.next_frame()? else { return Ok(None) };
            let path = self.frames.path();
            match kind {
                FrameKind::Inputs => {
                    self.state.reset();
                    self.at = 0;
                    self.in_inputs = true;
                }
                FrameKind::Settings => {
                    let version = SettingsVersion::from_json(path, self.frames.content())?;
                    self.whole = self.frames.offset();
                    return Ok(Some(Item::Settings(version)));
                }
                FrameKind::Trailer => {
                    return RunEnd::from_json(path, self.frames.content()).map(Item::End).map(Some);
                }
                FrameKind::Header => {
                    let header = RunHeader::from_json(path, self.frames.content())?;
                    self.whole = self.frames.offset();
                    return Ok(Some(Item::Continued(Box::new(header))));
                }
                FrameKind::Line => {
                    let expected =
                        "inputs: this is the journal of a script, read by `pinion kernel --state`";
                    let offset = self.frames.offset();
                    return Err(JournalFault::at(path, offset, "a script's line", expected));
                }
            }
        }
    }

    fn next_input(&mut self) -> Result<Item, JournalFault> {
        let content = self.frames.content();
        match decode(&mut self.state, &content[self.at..]) {
            Ok((now_ns, input, used)) => {
                self.at += used;
                self.inputs += 1;
                Ok(Item::Input { now_ns, input })
            }
            Err(fault) => {
                let offset = self.frames.offset() - (content.len() - self.at) as u64;
                let expected = "an encoded input of this version of the program";
                Err(JournalFault::at(self.frames.path(), offset, fault.to_string(), expected))
            }
        }
    }
}

impl<R: Read> Iterator for JournalReader<R> {
    type Item = Result<Item, JournalFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let item = self.next_item().transpose();
        self.failed = matches!(item, Some(Err(_)));
        item
    }
}
