//! Harness of the whole-engine tests.

pub mod alloc;
pub mod sim;
pub mod toy;
pub mod trace;

pub use pinion_benches::{desk, pipeline};

use std::path::{Path, PathBuf};
use std::process::Command;

/// A file or folder of the shared test inputs beside the checkout (`../shared/<path>`), or `None` with a
/// message on stderr when this machine does not have it: the test then skips.
#[must_use]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub fn shared(path: &str) -> Option<PathBuf> {
    let full = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(path);
    if full.exists() {
        return full.canonicalize().ok();
    }
    eprintln!("skipped: ../shared/{path} is not on this machine");
    None
}

/// The `pinion` command, ready for arguments; `assert_cmd::Command::from_std` takes it.
///
/// It is this package's `pinion-under-test`, which cargo builds beside every test binary: never
/// stale, no nested cargo. Settings from the caller's environment (`PINION__…`) are removed, colour
/// is off; the working directory is the caller's.
///
/// # Panics
/// When called from outside a test binary of this package.
#[must_use]
pub fn pinion() -> Command {
    let test = std::env::current_exe().expect("a test knows its own path");
    // target/<profile>/deps/it-<hash> → target/<profile>/pinion-under-test
    let profile = test.parent().and_then(Path::parent).expect("test binaries lie in deps/");
    let binary = profile.join(format!("pinion-under-test{}", std::env::consts::EXE_SUFFIX));
    assert!(binary.exists(), "{} is missing: run through cargo test", binary.display());
    let mut command = Command::new(binary);
    #[cfg(unix)]
    {
        // Help and usage lines then read as the installed command's do.
        use std::os::unix::process::CommandExt as _;
        command.arg0("pinion");
    }
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PINION__") {
            command.env_remove(name);
        }
    }
    command.env("NO_COLOR", "1");
    command
}
