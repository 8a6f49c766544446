//! Where bytes go: a file, or in tests something that fills up.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes at offsets, as much as the journal needs of a file.
pub trait Medium: Send {
    /// Writes some of `bytes` at `offset`; returns how many.
    ///
    /// # Errors
    /// As the system says.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Cuts everything from `len` on.
    ///
    /// # Errors
    /// As the system says.
    fn truncate(&mut self, len: u64) -> io::Result<()>;

    /// Makes what was written durable.
    ///
    /// # Errors
    /// As the system says.
    fn sync(&mut self) -> io::Result<()>;
}

impl Medium for File {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Writes all of `bytes` at `offset`.
///
/// # Errors
/// How many bytes were written before the error, and the error.
pub(super) fn write_all_at(
    medium: &mut dyn Medium,
    bytes: &[u8],
    offset: u64,
) -> Result<(), (usize, io::Error)> {
    let mut done = 0;
    while done < bytes.len() {
        match medium.write_at(&bytes[done..], offset + done as u64) {
            Ok(0) => return Err((done, io::ErrorKind::WriteZero.into())),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((done, error)),
        }
    }
    Ok(())
}
