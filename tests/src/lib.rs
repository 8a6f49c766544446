//! Harness of the whole-engine tests.

pub mod toy;

use std::path::{Path, PathBuf};

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
