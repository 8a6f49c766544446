//! A buffered file of whole lines.

use std::io;
use std::path::PathBuf;

use crate::journal::fault::JournalFault;
use crate::journal::medium::{Medium, write_all_at};
use crate::journal::run_dir::write_fault;

/// Bytes that gather before a write.
const BUFFER: usize = 256 * 1024;

/// A file that only ever holds whole lines. Owner: the journal thread.
pub(super) struct LineFile {
    path: PathBuf,
    medium: Box<dyn Medium>,
    /// Bytes in the file, all of them whole lines.
    len: u64,
    buffer: Vec<u8>,
}

impl std::fmt::Debug for LineFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LineFile").field("path", &self.path).field("len", &self.len).finish()
    }
}

impl LineFile {
    pub(super) fn new(path: PathBuf, medium: Box<dyn Medium>) -> Self {
        Self { path, medium, len: 0, buffer: Vec::with_capacity(BUFFER + 4096) }
    }

    /// Goes on behind `len` bytes of whole lines; the caller has cut what stood there.
    pub(super) fn behind(path: PathBuf, medium: Box<dyn Medium>, len: u64) -> Self {
        Self { len, ..Self::new(path, medium) }
    }

    /// Appends a line that ends with its newline.
    pub(super) fn push(&mut self, line: &[u8]) -> Result<(), JournalFault> {
        self.buffer.extend_from_slice(line);
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    /// Writes what has gathered. After an error the file ends with its last whole line and what did
    /// not fit is dropped.
    pub(super) fn flush(&mut self) -> Result<(), JournalFault> {
        let result = write_all_at(self.medium.as_mut(), &self.buffer, self.len);
        let result = match result {
            Ok(()) => {
                self.len += self.buffer.len() as u64;
                Ok(())
            }
            Err((written, error)) => {
                self.keep_whole_lines(written);
                Err(write_fault(&self.path, &error))
            }
        };
        self.buffer.clear();
        result
    }

    fn keep_whole_lines(&mut self, written: usize) {
        let whole = memchr::memrchr(b'\n', &self.buffer[..written]).map_or(0, |at| at + 1);
        self.len += whole as u64;
        // The write has already failed and is reported; a second error here adds nothing.
        drop::<io::Result<()>>(self.medium.truncate(self.len));
    }
}
