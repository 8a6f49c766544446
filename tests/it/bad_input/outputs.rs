//! Run directories that cannot be made or filled.

use std::ffi::CString;
use std::path::Path;

use super::{refused, whole_lines, write};
use crate::runs::{LINE_FILES, command, paper};

#[test]
fn an_earlier_run_is_never_touched() {
    let run = paper(&["--duration", "1m"]).ok();
    let before: Vec<Vec<u8>> = LINE_FILES.map(|name| run.text(name).into_bytes()).into();
    let dir = run.dir.to_str().expect("UTF-8");
    let output = command(["paper", "--duration", "1m", "--seed", "9", "--out", dir]);
    let told = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{told}");
    for word in [dir, "it exists already", "never overwritten", "--out"] {
        assert!(told.contains(word), "{told}");
    }
    assert_eq!(before, LINE_FILES.map(|name| run.text(name).into_bytes()));
    run.replays();
}

#[test]
fn a_directory_under_a_file_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = write(&folder, "file", "kept");
    for below in ["run", "deep/run"] {
        let output = command(["paper", "--duration", "1m", "--out", &format!("{file}/{below}")]);
        let told = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(
            told.contains(&format!("{file}: it is a file")) && told.contains("--out"),
            "{told}"
        );
    }
    assert_eq!(std::fs::read_to_string(&file).expect("readable"), "kept");
}

#[test]
fn faults_of_the_data_come_before_the_directory() {
    let folder = tempfile::tempdir().expect("a folder");
    let data =
        write(&folder, "btc.csv", "type,symbol,exchange_ts_ns,local_ts_ns,f1,f2,f3,f4\nQ,BTC");
    refused(&paper(&["--data", &data]), 1, &["btc.csv, line 2"]);
}

/// A small disk of its own; `None` with a message where this process may not mount one.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn small_disk(at: &Path) -> Option<Mounted> {
    let text = |text: &str| CString::new(text).expect("no zero byte");
    let (kind, target) = (text("tmpfs"), text(at.to_str().expect("UTF-8")));
    let options = text("size=1m");
    // SAFETY: all are texts with an end that outlive the call; the kernel copies them.
    let outcome = unsafe {
        libc::mount(kind.as_ptr(), target.as_ptr(), kind.as_ptr(), 0, options.as_ptr().cast())
    };
    if outcome == 0 {
        return Some(Mounted(target));
    }
    eprintln!("skipped: no disk can be mounted here ({})", std::io::Error::last_os_error());
    None
}

/// A mounted disk, given back at the end.
struct Mounted(CString);

impl Drop for Mounted {
    fn drop(&mut self) {
        // SAFETY: a text with an end that outlives the call.
        let outcome = unsafe { libc::umount(self.0.as_ptr()) };
        assert_eq!(outcome, 0, "the disk is given back");
    }
}

#[test]
fn a_full_disk_ends_the_run_and_leaves_whole_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(_disk) = small_disk(folder.path()) else { return };
    let dir = folder.path().join("run");
    let out = dir.to_str().expect("UTF-8");
    let output = command(["paper", "--duration", "6h", "--out", out]);
    let told = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{told}");
    for word in [out, "cannot write: No space left on device", "free space", "--out"] {
        assert!(told.contains(word), "{told}");
    }
    for name in LINE_FILES {
        whole_lines(&dir.join(name));
    }
    assert!(!dir.join("summary.json").exists(), "the run has no end");
    let output = command(["replay", out]);
    let told = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("the run was cut off"), "{told}");
}
