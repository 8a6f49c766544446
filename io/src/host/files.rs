//! The machine as files: `/proc`, `/sys`, `/etc` below a root folder, so that a test can show a machine that
//! never was, and a person one that is elsewhere.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// More than this is not read of any file: files of `/proc` tell no size.
const BYTES_MAX: u64 = 1 << 20;

/// A root folder and what can be read below it. Every answer is `None` for what is not there or not readable:
/// an absence is never a value.
#[derive(Clone, Debug)]
pub struct Files {
    root: PathBuf,
}

impl Files {
    /// This machine.
    #[must_use]
    pub fn of_this_machine() -> Self {
        Self::below(Path::new("/"))
    }

    /// A copy, or a made-up machine, below a folder.
    #[must_use]
    pub fn below(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }

    /// Where a path of the machine lies; `path` with or without its leading slash.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The text of a file without blanks around it, its first MiB at most.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<String> {
        let bytes = self.bytes(path)?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// The bytes of a file, its first MiB at most.
    #[must_use]
    pub fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.path(path)).ok()?.take(BYTES_MAX).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// The text read as a number or another one-word value.
    #[must_use]
    pub fn value<T: FromStr>(&self, path: &str) -> Option<T> {
        self.text(path)?.parse().ok()
    }

    /// A kernel setting by its dotted name, `vm.swappiness`.
    #[must_use]
    pub fn sysctl(&self, name: &str) -> Option<String> {
        self.text(&format!("proc/sys/{}", name.replace('.', "/")))
    }

    /// The names in a folder, sorted; empty for none.
    #[must_use]
    pub fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(path)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// True when there is a file or a folder of this name.
    #[must_use]
    pub fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// The permission bits of a file, `0o600`.
    #[must_use]
    pub fn mode(&self, path: &str) -> Option<u32> {
        Some(fs::metadata(self.path(path)).ok()?.mode() & 0o7777)
    }

    /// The number by which a file system knows a file.
    #[must_use]
    pub fn inode(&self, path: &str) -> Option<u64> {
        Some(fs::metadata(self.path(path)).ok()?.ino())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_is_nothing_and_what_is_there_is_trimmed() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("proc/sys/vm")).unwrap();
        fs::write(root.path().join("proc/sys/vm/swappiness"), "60\n").unwrap();
        fs::write(root.path().join("proc/sys/vm/odd"), "x\n").unwrap();
        let files = Files::below(root.path());
        assert_eq!(files.sysctl("vm.swappiness"), Some("60".to_owned()));
        assert_eq!(files.value::<u32>("/proc/sys/vm/swappiness"), Some(60));
        assert_eq!(files.value::<u32>("proc/sys/vm/odd"), None);
        assert_eq!(files.text("proc/sys/vm/none"), None);
        assert_eq!(files.text("proc/sys/vm"), None, "a folder has no text");
        assert_eq!(files.names("proc/sys/vm"), ["odd", "swappiness"]);
        assert!(files.names("proc/nothing").is_empty());
        assert!(files.mode("proc/sys/vm/odd").is_some() && files.mode("proc/none").is_none());
    }
}
