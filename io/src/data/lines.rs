//! A file as a stream of lines: plain, gzip or zstd, never unpacked as a whole.

use std::fs::File;
use std::io::{BufReader, Read, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::source::SourceFault;
use crate::wire::binance::PADDING;

/// Longest line that is read.
pub(super) const LINE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Room for unpacked bytes at the start; grows to the longest line.
const BUFFER_BYTES: usize = 256 * 1024;

/// Lines of one file, blank ones skipped, line ends cut off.
pub(super) struct Lines {
    origin: String,
    packing: &'static str,
    input: Box<dyn Read + Send>,
    packed_read: Arc<AtomicU64>,
    packed_bytes: u64,
    /// Unpacked bytes at `next..end`, then always [`PADDING`] more of anything.
    buffer: Vec<u8>,
    /// The current line.
    start: usize,
    stop: usize,
    next: usize,
    end: usize,
    input_ended: bool,
    has_line: bool,
    line: u64,
    bytes: u64,
}

impl Lines {
    pub(super) fn open(path: &Path) -> Result<Self, SourceFault> {
        let origin = path.display().to_string();
        let fail = |error: std::io::Error| SourceFault {
            origin: origin.clone(),
            line: None,
            found: format!("cannot be opened ({error})"),
            expected: "a readable file".into(),
        };
        let mut file = File::open(path).map_err(fail)?;
        let packed_bytes = file.metadata().map_err(fail)?.len();
        let mut magic = Vec::with_capacity(4);
        file.by_ref().take(4).read_to_end(&mut magic).map_err(fail)?;
        file.seek(SeekFrom::Start(0)).map_err(fail)?;
        let packed_read = Arc::new(AtomicU64::new(0));
        let counted = Counted { file, read: Arc::clone(&packed_read) };
        let (packing, input): (_, Box<dyn Read + Send>) = match magic.as_slice() {
            [0x1f, 0x8b, ..] => {
                ("gzip", Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::new(counted))))
            }
            [0x28, 0xb5, 0x2f, 0xfd] => {
                ("zstd", Box::new(zstd::stream::read::Decoder::new(counted).map_err(fail)?))
            }
            _ => ("plain", Box::new(counted)),
        };
        Ok(Self {
            origin,
            packing,
            input,
            packed_read,
            packed_bytes,
            buffer: vec![0; BUFFER_BYTES],
            start: 0,
            stop: 0,
            next: 0,
            end: 0,
            input_ended: false,
            has_line: false,
            line: 0,
            bytes: 0,
        })
    }

    /// Makes the next line current unless there is one already; false at the end.
    pub(super) fn peek(&mut self) -> Result<bool, SourceFault> {
        while !self.has_line {
            if !self.find_line()? {
                return Ok(false);
            }
            // A blank line says nothing.
            self.has_line = self.stop > self.start;
        }
        Ok(true)
    }

    /// Leaves the current line.
    pub(super) const fn advance(&mut self) {
        self.has_line = false;
    }

    /// The current line.
    pub(super) fn text(&self) -> &[u8] {
        &self.buffer[self.start..self.stop]
    }

    /// The current line from byte `from` on, to be decoded in place, and its length; [`PADDING`] bytes
    /// follow it.
    pub(super) fn padded(&mut self, from: usize) -> (&mut [u8], usize) {
        let len = self.stop - self.start - from;
        (&mut self.buffer[self.start + from..self.stop + PADDING], len)
    }

    fn find_line(&mut self) -> Result<bool, SourceFault> {
        let mut searched = 0;
        loop {
            let waiting = &self.buffer[self.next + searched..self.end];
            let line_end = memchr::memchr(b'\n', waiting).map(|at| searched + at);
            searched = self.end - self.next;
            if line_end.unwrap_or(searched) > LINE_BYTES_MAX {
                self.line += 1;
                return Err(self.fault(
                    format!("a line longer than {LINE_BYTES_MAX} bytes"),
                    format!("lines of at most {LINE_BYTES_MAX} bytes (8 MiB)"),
                ));
            }
            if let Some(length) = line_end {
                self.cut(self.next + length, 1);
                return Ok(true);
            }
            if self.input_ended {
                let rest = searched > 0;
                if rest {
                    self.cut(self.end, 0);
                }
                return Ok(rest);
            }
            self.fill()?;
        }
    }

    fn cut(&mut self, stop: usize, line_end: usize) {
        self.start = self.next;
        self.stop = stop;
        self.next = stop + line_end;
        self.line += 1;
        self.bytes += (self.next - self.start) as u64;
        if self.text().last() == Some(&b'\r') {
            self.stop -= 1;
        }
    }

    fn fill(&mut self) -> Result<(), SourceFault> {
        if self.next > 0 {
            self.buffer.copy_within(self.next..self.end, 0);
            self.end -= self.next;
            self.next = 0;
        }
        if self.end + PADDING == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let room = self.buffer.len() - PADDING;
        match self.input.read(&mut self.buffer[self.end..room]) {
            Ok(0) => self.input_ended = true,
            Ok(read) => self.end += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                self.line += 1;
                return Err(self.fault(
                    format!("the {} data breaks off or is damaged ({error})", self.packing),
                    format!("a whole {} file; record or copy it again", self.packing),
                ));
            }
        }
        Ok(())
    }

    /// A fault of the current line.
    pub(super) fn fault(
        &self,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> SourceFault {
        SourceFault {
            origin: self.origin.clone(),
            line: Some(self.line),
            found: found.into(),
            expected: expected.into(),
        }
    }

    /// The beginning of the current line, for a message.
    pub(super) fn excerpt(&self) -> String {
        const SHOWN: usize = 60;
        let text = self.text();
        let shown = String::from_utf8_lossy(&text[..text.len().min(SHOWN)]);
        if text.len() > SHOWN { format!("`{shown}…`") } else { format!("`{shown}`") }
    }

    /// The file.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// Unpacked bytes of the lines so far.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Packed bytes read so far, and in all.
    pub(super) fn packed(&self) -> (u64, u64) {
        (self.packed_read.load(Ordering::Relaxed), self.packed_bytes)
    }
}

impl core::fmt::Debug for Lines {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Lines").field("origin", &self.origin).field("line", &self.line).finish()
    }
}

/// A file that counts the bytes read from it, for the progress bar.
struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn lines(bytes: &[u8]) -> (tempfile::TempDir, Lines) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x");
        std::fs::write(&path, bytes).expect("written");
        (folder, Lines::open(&path).expect("opens"))
    }

    fn all(bytes: &[u8]) -> Vec<(u64, String)> {
        let (_folder, mut lines) = lines(bytes);
        let mut seen = Vec::new();
        while lines.peek().expect("reads") {
            seen.push((lines.line, String::from_utf8_lossy(lines.text()).into_owned()));
            lines.advance();
        }
        assert_eq!(lines.bytes(), {
            let mut plain = Vec::new();
            Lines::open(_folder.path().join("x").as_path())
                .expect("opens")
                .input
                .read_to_end(&mut plain)
                .expect("reads");
            plain.len() as u64
        });
        seen
    }

    #[test]
    fn lines_of_every_packing_and_line_end() {
        let text = b"one\r\n\n  two\nlast";
        let expected = [(1, "one".to_string()), (3, "  two".into()), (4, "last".into())];
        assert_eq!(all(text), expected);
        assert_eq!(all(&zstd::encode_all(text.as_slice(), 1).expect("packs")), expected);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text).expect("packs");
        assert_eq!(all(&gzip.finish().expect("packs")), expected);
        assert_eq!(all(b""), []);
    }

    #[test]
    fn a_line_longer_than_the_buffer_is_whole_and_one_beyond_the_limit_is_refused() {
        let long = vec![b'x'; 3 * BUFFER_BYTES];
        let text = [b"a\n".as_slice(), &long, b"\nb\n"].concat();
        let seen = all(&text);
        assert_eq!(seen.iter().map(|line| line.1.len()).collect::<Vec<_>>(), [1, long.len(), 1]);
        let (_folder, mut lines) = lines(&[b"a\n".as_slice(), &vec![b'y'; 10_000_000]].concat());
        assert_eq!(lines.peek(), Ok(true));
        lines.advance();
        let fault = lines.peek().expect_err("too long").to_string();
        assert!(
            fault.contains("line 2: a line longer than 8388608 bytes; expected lines of"),
            "{fault}"
        );
    }

    #[test]
    fn packed_data_that_breaks_off_is_a_fault_with_its_line() {
        let text = (0..50_000u64).map(|n| format!("{}\n", n * n)).collect::<String>();
        let zstd = zstd::encode_all(text.as_bytes(), 1).expect("packs");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text.as_bytes()).expect("packs");
        for (packing, packed) in [("zstd", zstd), ("gzip", gzip.finish().expect("packs"))] {
            let (_folder, mut lines) = lines(&packed[..packed.len() / 2]);
            let fault = loop {
                match lines.peek() {
                    Ok(true) => lines.advance(),
                    Ok(false) => panic!("{packing}: reads to the end"),
                    Err(fault) => break fault,
                }
            };
            assert!(fault.line.is_some_and(|line| line > 1), "{fault}");
            assert!(fault.to_string().contains(&format!("a whole {packing} file")), "{fault}");
        }
    }
}
