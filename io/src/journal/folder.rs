//! A folder of state: what a run needs of a file system, so that a test can pull the plug at any byte.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};

use crate::journal::fault::JournalFault;
use crate::journal::medium::{Medium, write_all_at};
use crate::journal::run_dir::{RunDir, write_fault};

/// A file to read: its bytes, how many there are, and the last eight.
pub struct FileSource {
    /// From the start.
    pub bytes: Box<dyn Read>,
    /// How many.
    pub len: u64,
    /// The last ones; zeros in a shorter file.
    pub last: [u8; 8],
}

impl std::fmt::Debug for FileSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileSource").field("len", &self.len).finish_non_exhaustive()
    }
}

/// Named files in one place.
pub trait Folder: Send {
    /// Opens a file to write, empty when it must be new.
    ///
    /// # Errors
    /// As the system says.
    fn open(&mut self, name: &str, truncate: bool) -> io::Result<Box<dyn Medium>>;

    /// The whole content of a file of at most `max` bytes.
    ///
    /// # Errors
    /// As the system says; [`io::ErrorKind::FileTooLarge`] for a longer one.
    fn read(&self, name: &str, max: u64) -> io::Result<Vec<u8>>;

    /// A file to read from its start.
    ///
    /// # Errors
    /// As the system says.
    fn source(&self, name: &str) -> io::Result<FileSource>;

    /// Gives a file a name, replacing what had it.
    ///
    /// # Errors
    /// As the system says.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Makes names durable: what was created and renamed survives a loss of power.
    ///
    /// # Errors
    /// As the system says.
    fn sync(&mut self) -> io::Result<()>;
}

impl Folder for RunDir {
    fn open(&mut self, name: &str, truncate: bool) -> io::Result<Box<dyn Medium>> {
        let path = self.file(name);
        let file = OpenOptions::new().write(true).create(true).truncate(truncate).open(path)?;
        Ok(Box::new(file))
    }

    fn read(&self, name: &str, max: u64) -> io::Result<Vec<u8>> {
        let file = File::open(self.file(name))?;
        if file.metadata()?.len() > max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut content = Vec::new();
        file.take(max).read_to_end(&mut content)?;
        Ok(content)
    }

    fn source(&self, name: &str) -> io::Result<FileSource> {
        let mut file = File::open(self.file(name))?;
        let len = file.metadata()?.len();
        let mut last = [0; 8];
        if len >= 8 {
            file.seek(SeekFrom::End(-8))?;
            file.read_exact(&mut last)?;
            file.rewind()?;
        }
        let bytes = Box::new(BufReader::with_capacity(256 * 1024, file));
        Ok(FileSource { bytes, len, last })
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.file(from), self.file(to))
    }

    fn sync(&mut self) -> io::Result<()> {
        File::open(self.path())?.sync_all()
    }
}

impl RunDir {
    /// Replaces a file as a whole, see [`replace`].
    ///
    /// # Errors
    /// What the system says.
    pub fn replace(
        &self,
        name: &str,
        content: &[u8],
        durability: Durability,
    ) -> Result<(), JournalFault> {
        replace(&mut self.clone(), name, content, durability)
            .map_err(|error| write_fault(&self.file(name), &error))
    }
}

/// How much a write may cost, and what it survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process at any moment. Nothing is synced: for recorded data, which can be run again.
    Process,
    /// A loss of power too: a snapshot and the inputs before it are synced, about a millisecond on a disk.
    Power,
}

/// Replaces a file as a whole: a reader, and a restart after a crash at any byte, sees the old content or
/// the new, never a part. The content is written beside it, made durable, then renamed.
///
/// # Errors
/// What the system says; the file is then the old one, or already the new one whose name is not durable.
pub fn replace(
    folder: &mut dyn Folder,
    name: &str,
    content: &[u8],
    durability: Durability,
) -> io::Result<()> {
    let temporary = format!("{name}.tmp");
    let mut medium = folder.open(&temporary, true)?;
    write_all_at(medium.as_mut(), content, 0).map_err(|(_, error)| error)?;
    if durability == Durability::Power {
        medium.sync()?;
    }
    drop(medium);
    folder.rename(&temporary, name)?;
    if durability == Durability::Power { folder.sync() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::run_dir::SNAPSHOT;

    #[test]
    fn replacing_leaves_no_temporary_file() {
        let parent = tempfile::tempdir().expect("temporary directory");
        let dir = RunDir::create(&parent.path().join("run")).expect("made");
        dir.replace(SNAPSHOT, b"a longer one", Durability::Process).expect("written");
        dir.replace(SNAPSHOT, b"two", Durability::Power).expect("written");
        assert_eq!(dir.read(SNAPSHOT, 100).expect("read"), b"two");
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1);
        let error = dir.read(SNAPSHOT, 2).expect_err("too large");
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}
