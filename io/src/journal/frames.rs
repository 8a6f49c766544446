//! The file format of `inputs.journal`: frames of bytes with a length and a checksum.
//!
//! ```text
//! file    = MAGIC header (inputs | settings)* [trailer END]
//! frame   = length: u32  crc32: u32  payload           (little endian)
//! payload = kind: u8  content                          (length counts both; the crc covers the length too)
//! ```
//!
//! A header, settings and trailer frame hold JSON; an inputs frame holds encoded inputs and decodes
//! alone. Where frames end depends on the inputs only, never on the clock: a flush writes the running
//! frame as far as it goes, and the next flush extends it in place (first the new bytes, then length
//! and checksum), so equal runs give equal files.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use pinion_core::journal::FRAME_BYTES_MAX;

use crate::journal::fault::JournalFault;
use crate::journal::medium::{Medium, write_all_at};
use crate::journal::run_dir::{read_fault, write_fault};

/// First bytes of the file; the last one is the version of the format.
pub const MAGIC: [u8; 8] = *b"PINIONJ\x01";
/// Last bytes of a file whose run ended in order.
pub const END: [u8; 8] = *b"PINION.\n";
/// Largest payload of a frame that is not of inputs: a bound for memory, far above what is written.
pub const DOCUMENT_MAX: usize = 4 * 1024 * 1024;

/// Bytes of length and checksum, before the payload of a frame.
pub const HEAD: usize = 8;

pinion_core::text_enum! {
    /// What a frame holds.
    pub enum FrameKind {
        /// Who ran, with what.
        Header => "header",
        /// Encoded inputs.
        Inputs => "inputs",
        /// A settings version, before its first use.
        Settings => "settings",
        /// What the totals of the run need and the inputs do not say.
        Trailer => "trailer",
        /// A line of a script with `--state`.
        Line => "line",
    }
}

/// Most bytes behind the last whole frame when the writing broke off: one running frame.
pub const LONGEST_TAIL: u64 = (HEAD + 1 + FRAME_BYTES_MAX) as u64;

/// Writes frames. Owner: the journal thread.
pub struct FrameWriter {
    path: PathBuf,
    medium: Box<dyn Medium>,
    /// Where the running frame starts; everything before is whole.
    start: u64,
    /// The running frame from its length on; empty when none runs.
    frame: Vec<u8>,
    /// Bytes of the running frame that are in the file.
    written: usize,
}

impl std::fmt::Debug for FrameWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameWriter").field("path", &self.path).field("start", &self.start).finish()
    }
}

impl FrameWriter {
    /// Starts the file with its magic.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn new(path: PathBuf, medium: Box<dyn Medium>) -> Result<Self, JournalFault> {
        let frame = Vec::with_capacity(HEAD + 1 + FRAME_BYTES_MAX);
        let mut this = Self { path, medium, start: 0, frame, written: 0 };
        this.put_raw(&MAGIC)?;
        Ok(this)
    }

    /// Goes on behind `at` bytes of whole frames; the caller has cut what stood there.
    #[must_use]
    pub fn behind(path: PathBuf, medium: Box<dyn Medium>, at: u64) -> Self {
        let frame = Vec::with_capacity(HEAD + 1 + FRAME_BYTES_MAX);
        Self { path, medium, start: at, frame, written: 0 }
    }

    /// Appends one encoded input to the running frame.
    ///
    /// # Errors
    /// The frame would become too long: its start was not announced by [`Self::close`].
    pub fn input(&mut self, encoded: &[u8]) -> Result<(), JournalFault> {
        if self.frame.is_empty() {
            self.frame.extend_from_slice(&[0; HEAD]);
            self.frame.push(FrameKind::Inputs.code());
        }
        if self.frame.len() + encoded.len() > HEAD + 1 + FRAME_BYTES_MAX {
            let found = "a frame that grows past its limit";
            return Err(JournalFault::at(&self.path, self.start, found, "inputs in whole frames"));
        }
        self.frame.extend_from_slice(encoded);
        Ok(())
    }

    /// Ends the running frame; the next input starts another.
    ///
    /// # Errors
    /// The file cannot be written; it then ends with its last whole frame.
    pub fn close(&mut self) -> Result<(), JournalFault> {
        self.flush()?;
        self.start += self.frame.len() as u64;
        self.frame.clear();
        self.written = 0;
        Ok(())
    }

    /// Ends the running frame and writes one with a document.
    ///
    /// # Errors
    /// As [`Self::close`].
    pub fn document(&mut self, kind: FrameKind, content: &[u8]) -> Result<(), JournalFault> {
        self.close()?;
        self.frame.extend_from_slice(&[0; HEAD]);
        self.frame.push(kind.code());
        self.frame.extend_from_slice(content);
        self.close()
    }

    /// Ends the file in order: the trailer, then the end mark.
    ///
    /// # Errors
    /// As [`Self::close`].
    pub fn finish(&mut self, trailer: &[u8]) -> Result<(), JournalFault> {
        self.document(FrameKind::Trailer, trailer)?;
        self.put_raw(&END)
    }

    /// Writes the running frame as far as it goes; a reader then sees it whole.
    ///
    /// # Errors
    /// As [`Self::close`].
    pub fn flush(&mut self) -> Result<(), JournalFault> {
        if self.written == self.frame.len() {
            return Ok(());
        }
        let length = u32::try_from(self.frame.len() - HEAD).unwrap_or(u32::MAX).to_le_bytes();
        let crc = checksum(length, &self.frame[HEAD..]).to_le_bytes();
        self.frame[..4].copy_from_slice(&length);
        self.frame[4..HEAD].copy_from_slice(&crc);
        let new = self.written;
        write_all_at(self.medium.as_mut(), &self.frame[new..], self.start + new as u64)
            .map_err(|(_, error)| self.cut(self.start + new as u64, &error))?;
        if new > 0 {
            write_all_at(self.medium.as_mut(), &self.frame[..HEAD], self.start)
                .map_err(|(_, error)| self.cut(self.start, &error))?;
        }
        self.written = self.frame.len();
        Ok(())
    }

    /// Writes the running frame and makes all of the file durable.
    ///
    /// # Errors
    /// As [`Self::close`]; after a failed sync nobody knows what is on the disk, and nothing more is
    /// written.
    pub fn sync(&mut self) -> Result<(), JournalFault> {
        self.flush()?;
        self.medium.sync().map_err(|error| write_fault(&self.path, &error))
    }

    fn put_raw(&mut self, bytes: &[u8]) -> Result<(), JournalFault> {
        write_all_at(self.medium.as_mut(), bytes, self.start)
            .map_err(|(_, error)| self.cut(self.start, &error))?;
        self.start += bytes.len() as u64;
        Ok(())
    }

    /// After a failed write: the file ends where its last whole frame does.
    fn cut(&mut self, len: u64, error: &io::Error) -> JournalFault {
        // The write has already failed and is reported; a second error here adds nothing.
        drop::<io::Result<()>>(self.medium.truncate(len));
        self.frame.clear();
        self.written = 0;
        self.start = len;
        write_fault(&self.path, error)
    }
}

fn checksum(length: [u8; 4], payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&length);
    crc.update(payload);
    crc.finalize()
}

/// The kind of the frame that starts with `bytes`, where it is whole.
#[must_use]
pub fn frame_at(bytes: &[u8]) -> Option<FrameKind> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let kind = FrameKind::from_code(*rest.first()?)?;
    let payload = rest.get(..u32::from_le_bytes(*length) as usize)?;
    let whole = !payload.is_empty() && checksum(*length, payload) == u32::from_le_bytes(*crc);
    whole.then_some(kind)
}

/// How a journal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// With its trailer: the run ended in order.
    Complete,
    /// After a whole frame, but without a trailer: the process ended in between.
    Open,
    /// Inside a frame: what was being written when the process ended is lost.
    Torn {
        /// Where the last whole frame ends.
        offset: u64,
        /// Bytes after it, of no use.
        bytes: u64,
    },
}

/// Reads frames in order, one in memory at a time.
#[derive(Debug)]
pub struct FrameReader<R> {
    path: PathBuf,
    source: R,
    offset: u64,
    len: u64,
    /// The last bytes of the file are the end mark: nothing before them may be torn.
    has_end: bool,
    payload: Vec<u8>,
    tail: Option<Tail>,
}

impl<R: Read> FrameReader<R> {
    /// Checks the magic. `len` is the file's length, `last` its last bytes.
    ///
    /// # Errors
    /// Not a journal, of another version, or unreadable.
    pub fn new(path: &Path, mut source: R, len: u64, last: &[u8]) -> Result<Self, JournalFault> {
        let mut magic = [0; MAGIC.len()];
        if len < MAGIC.len() as u64 {
            let found = format!("only {len} bytes");
            return Err(JournalFault::at(path, 0, found, "an input journal of this program"));
        }
        source.read_exact(&mut magic).map_err(|error| read_fault(path, &error))?;
        if magic[..7] != MAGIC[..7] {
            let found = "another kind of file";
            return Err(JournalFault::at(path, 0, found, "an input journal of this program"));
        }
        if magic[7] != MAGIC[7] {
            let found = format!("format version {}", magic[7]);
            let expected = format!("version {}: read it with the program that wrote it", MAGIC[7]);
            return Err(JournalFault::at(path, 7, found, expected));
        }
        Ok(Self {
            path: path.to_path_buf(),
            source,
            offset: MAGIC.len() as u64,
            len,
            has_end: last == END,
            payload: Vec::new(),
            tail: None,
        })
    }

    /// The next frame's kind; its content is [`Self::content`]. `None` at the end.
    ///
    /// # Errors
    /// A frame whose checksum does not match, or whose form is wrong: file and byte are named.
    pub fn next_frame(&mut self) -> Result<Option<FrameKind>, JournalFault> {
        if self.tail.is_some() {
            return Ok(None);
        }
        let left = self.len - self.offset;
        if left == 0 {
            return self.end(Tail::Open);
        }
        if left < HEAD as u64 {
            return self.torn(left);
        }
        let mut head = [0; HEAD];
        self.fill(&mut head)?;
        let [a, b, c, d, rest @ ..] = head;
        let length = u32::from_le_bytes([a, b, c, d]);
        if length == 0 || length as usize > DOCUMENT_MAX {
            return Err(self.fault(format!("a frame of {length} bytes")));
        }
        if u64::from(length) > left - HEAD as u64 {
            return self.torn(left);
        }
        let mut payload = std::mem::take(&mut self.payload);
        payload.resize(length as usize, 0);
        let read = self.fill(&mut payload);
        self.payload = payload;
        read?;
        if checksum([a, b, c, d], &self.payload) != u32::from_le_bytes(rest) {
            return Err(self.fault("a frame whose checksum does not match"));
        }
        let code = self.payload.first().copied().unwrap_or(u8::MAX);
        let Some(kind) = FrameKind::from_code(code) else {
            return Err(self.fault(format!("a frame of unknown kind {code}")));
        };
        self.offset += HEAD as u64 + u64::from(length);
        if kind == FrameKind::Trailer {
            self.check_end()?;
        }
        Ok(Some(kind))
    }

    /// Content of the last frame.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        self.payload.get(1..).unwrap_or(&[])
    }

    /// Where the next frame starts.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Length of the source.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// True when the source holds nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How the file ends, once the end is reached.
    #[must_use]
    pub const fn tail(&self) -> Option<Tail> {
        self.tail
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), JournalFault> {
        self.source.read_exact(bytes).map_err(|error| read_fault(&self.path, &error))
    }

    fn fault(&self, found: impl Into<String>) -> JournalFault {
        let expected = "bytes as they were written: the file was changed or its disk is failing";
        JournalFault::at(&self.path, self.offset, found, expected)
    }

    fn end(&mut self, tail: Tail) -> Result<Option<FrameKind>, JournalFault> {
        self.tail = Some(tail);
        Ok(None)
    }

    fn torn(&mut self, left: u64) -> Result<Option<FrameKind>, JournalFault> {
        if self.has_end {
            return Err(self.fault("a broken frame in a file that ends in order"));
        }
        self.end(Tail::Torn { offset: self.offset, bytes: left })
    }

    /// After the trailer stands the end mark and nothing else.
    fn check_end(&mut self) -> Result<(), JournalFault> {
        let left = self.len - self.offset;
        let mut mark = [0; END.len()];
        if left < END.len() as u64 {
            self.tail = Some(Tail::Torn { offset: self.offset, bytes: left });
            return Ok(());
        }
        self.fill(&mut mark)?;
        if mark != END || left > END.len() as u64 {
            return Err(self.fault("something else than the end mark"));
        }
        self.offset += left;
        self.tail = Some(Tail::Complete);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// A medium in memory that can be read while it is written.
    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Memory {
        fn content(&self) -> Vec<u8> {
            self.0.lock().expect("not poisoned").clone()
        }
    }

    impl Medium for Memory {
        fn sync(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
            let mut content = self.0.lock().expect("not poisoned");
            let offset = usize::try_from(offset).expect("small");
            let len = content.len().max(offset + bytes.len());
            content.resize(len, 0);
            content[offset..offset + bytes.len()].copy_from_slice(bytes);
            Ok(bytes.len())
        }

        fn truncate(&mut self, len: u64) -> io::Result<()> {
            self.0.lock().expect("not poisoned").truncate(usize::try_from(len).expect("small"));
            Ok(())
        }
    }

    type Frames = Vec<(FrameKind, Vec<u8>)>;

    fn read(bytes: &[u8]) -> Result<(Frames, Option<Tail>), JournalFault> {
        let last = &bytes[bytes.len().saturating_sub(END.len())..];
        let mut reader = FrameReader::new(Path::new("x"), bytes, bytes.len() as u64, last)?;
        let mut frames = Vec::new();
        while let Some(kind) = reader.next_frame()? {
            frames.push((kind, reader.content().to_vec()));
        }
        Ok((frames, reader.tail()))
    }

    fn sample(flush_after: &[usize], finish: bool) -> Vec<u8> {
        let memory = Memory::default();
        let mut writer = FrameWriter::new("x".into(), Box::new(memory.clone())).expect("written");
        writer.document(FrameKind::Header, b"{}").expect("written");
        for number in 0..10u8 {
            if number == 6 {
                writer.close().expect("written");
            }
            writer.input(&[number; 5]).expect("written");
            if flush_after.contains(&usize::from(number)) {
                writer.flush().expect("written");
            }
        }
        writer.flush().expect("written");
        if finish {
            writer.finish(b"{\"end\":1}").expect("written");
        }
        memory.content()
    }

    #[test]
    fn flushes_leave_no_trace_in_the_file() {
        let quiet = sample(&[], true);
        assert_eq!(sample(&[0, 1, 5, 6, 8], true), quiet);
        let (frames, tail) = read(&quiet).expect("reads");
        assert_eq!(tail, Some(Tail::Complete));
        let kinds: Vec<FrameKind> = frames.iter().map(|(kind, _)| *kind).collect();
        use FrameKind::{Header, Inputs, Trailer};
        assert_eq!(kinds, [Header, Inputs, Inputs, Trailer]);
        assert_eq!((frames[1].1.len(), frames[2].1.len()), (30, 20));
    }

    #[test]
    fn a_running_file_reads_up_to_its_last_flush() {
        let (frames, tail) = read(&sample(&[], false)).expect("reads");
        assert_eq!((frames.len(), tail), (3, Some(Tail::Open)));
    }

    #[test]
    fn every_cut_keeps_the_whole_frames_before_it() {
        let whole = sample(&[], true);
        let mut ends = vec![];
        for cut in MAGIC.len()..whole.len() {
            let (frames, tail) = read(&whole[..cut]).expect("a cut is no fault");
            if tail == Some(Tail::Open) {
                ends.push(cut);
                continue;
            }
            let Some(Tail::Torn { offset, bytes }) = tail else { panic!("cut at {cut}: {tail:?}") };
            assert_eq!(offset + bytes, cut as u64);
            assert_eq!(
                frames.len(),
                ends.len() - 1 + usize::from(cut > whole.len() - END.len() - 1)
            );
        }
        assert_eq!(ends.len(), 4, "magic, header, inputs, inputs");
    }

    #[test]
    fn every_flipped_bit_of_a_finished_file_is_found() {
        let whole = sample(&[], true);
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let fault = read(&bytes).expect_err("a flipped bit");
            let offset = fault.offset.expect("at a byte");
            assert!(offset <= (bit / 8) as u64, "bit {bit}: {fault}");
        }
    }

    #[test]
    fn a_full_medium_leaves_whole_frames() {
        /// Takes so many bytes, then none.
        struct Full(Memory, usize);
        impl Medium for Full {
            fn sync(&mut self) -> io::Result<()> {
                Ok(())
            }

            fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
                let take = bytes.len().min(self.1);
                if take == 0 {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                self.1 -= take;
                self.0.write_at(&bytes[..take], offset)
            }
            fn truncate(&mut self, len: u64) -> io::Result<()> {
                self.0.truncate(len)
            }
        }
        for room in 0..150 {
            let memory = Memory::default();
            let medium = Box::new(Full(memory.clone(), room));
            let attempt = || -> Result<(), JournalFault> {
                let mut writer = FrameWriter::new("x".into(), medium)?;
                writer.document(FrameKind::Header, b"{}")?;
                for number in 0..10u8 {
                    writer.input(&[number; 5])?;
                    writer.flush()?;
                }
                Ok(())
            };
            let fault = attempt().expect_err("full");
            assert!(fault.expected.contains("free space"), "{fault}");
            let content = memory.content();
            if !content.is_empty() {
                let (_, tail) = read(&content).expect("whole frames only");
                assert_eq!(tail, Some(Tail::Open), "room {room}");
            }
        }
    }
}
