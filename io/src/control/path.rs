//! Socket addresses hold 107 bytes; run directories may have longer names.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

/// Longest path that surely fits.
const PATH_MAX: usize = 100;

/// A name for `path` that fits a socket address. It holds as long as the value lives.
#[derive(Debug)]
pub(super) struct ShortPath {
    pub(super) path: PathBuf,
    /// The folder, where the name goes through it.
    _folder: Option<File>,
}

impl ShortPath {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let parts = path.parent().zip(path.file_name());
        let Some((folder, name)) = parts.filter(|_| path.as_os_str().len() > PATH_MAX) else {
            return Ok(Self { path: path.to_path_buf(), _folder: None });
        };
        let folder = File::open(folder)?;
        let through = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string());
        Ok(Self { path: through.join(name), _folder: Some(folder) })
    }
}
