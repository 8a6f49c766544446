//! What only a system call tells: the kernel's own clock state, free space, settings of network cards, and a
//! second look at counters that grow. Read-only, without privileges.

use std::ffi::CString;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use crate::host::ethtool::{self, Card};
use crate::host::files::Files;

/// State of the kernel's clock discipline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelClock {
    /// False while nothing steers the clock.
    pub synchronised: bool,
    /// Largest error that the kernel believes possible, µs.
    pub max_error_us: u64,
}

/// Room on a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Free for this user, bytes.
    pub free_bytes: u64,
    /// Whole size, bytes.
    pub total_bytes: u64,
}

/// Counters that grow, read a second time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Later {
    /// `/proc/stat`.
    pub stat: Option<String>,
    /// `/proc/interrupts`.
    pub interrupts: Option<String>,
}

/// The answers; `None` is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The kernel's clock.
    pub clock: Option<KernelClock>,
    /// Room where runs are written.
    pub space: Option<Space>,
    /// Network cards by name.
    pub cards: Vec<(String, Card)>,
    /// `/proc/stat` at the start of the window.
    pub stat: Option<String>,
    /// `/proc/interrupts` at the start of the window.
    pub interrupts: Option<String>,
    /// Both at its end.
    pub later: Later,
    /// True when this program was built for release.
    pub release_build: Option<bool>,
}

impl Asked {
    /// Asks this machine; waits `window` between the two looks at the counters. `runs` is the folder of the
    /// runs, or where it would be made.
    #[must_use]
    pub fn this_machine(runs: &Path, window: Duration) -> Self {
        let files = Files::of_this_machine();
        let (stat, interrupts) = (files.text("proc/stat"), files.text("proc/interrupts"));
        let mut cards = Vec::new();
        if let Ok(socket) = std::net::UdpSocket::bind("127.0.0.1:0") {
            for name in files.names("sys/class/net").into_iter().filter(|name| name != "lo") {
                if let Some(card) = ethtool::card(socket.as_raw_fd(), &name) {
                    cards.push((name, card));
                }
            }
        }
        let (clock, space) = (kernel_clock(), space(runs));
        std::thread::sleep(window);
        let later =
            Later { stat: files.text("proc/stat"), interrupts: files.text("proc/interrupts") };
        let release_build = Some(!cfg!(debug_assertions));
        Self { clock, space, cards, stat, interrupts, later, release_build }
    }
}

/// The kernel's clock state; reading it needs no privilege.
fn kernel_clock() -> Option<KernelClock> {
    // SAFETY: every field is a number, for which zero is a value.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes the structure given; `modes` is 0, so it changes nothing.
    let outcome = unsafe { libc::adjtimex(&raw mut state) };
    let max_error_us = u64::try_from(state.maxerror).ok()?;
    let steered = state.status & libc::STA_UNSYNC == 0;
    (outcome >= 0).then_some(KernelClock {
        synchronised: steered && outcome != libc::TIME_ERROR,
        max_error_us,
    })
}

/// Room on the file system of a folder, or of the nearest folder above it that exists.
fn space(folder: &Path) -> Option<Space> {
    let full = std::path::absolute(folder).ok()?;
    let there = full.ancestors().find(|path| path.exists())?;
    let name = CString::new(there.as_os_str().as_bytes()).ok()?;
    // SAFETY: every field is a number, for which zero is a value.
    let mut state: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: the name ends with a zero byte and lives past the call; the kernel writes the structure.
    let outcome = unsafe { libc::statvfs(name.as_ptr(), &raw mut state) };
    let block_bytes = state.f_frsize;
    (outcome == 0).then(|| Space {
        free_bytes: state.f_bavail.saturating_mul(block_bytes),
        total_bytes: state.f_blocks.saturating_mul(block_bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_answers_without_privileges() {
        let folder = tempfile::tempdir().unwrap();
        let asked = Asked::this_machine(&folder.path().join("not/made/yet"), Duration::ZERO);
        let space = asked.space.unwrap();
        assert!(space.total_bytes > 0 && space.free_bytes <= space.total_bytes);
        assert!(asked.clock.is_some(), "adjtimex answers everybody");
        assert!(asked.stat.unwrap().starts_with("cpu") && asked.later.stat.is_some());
    }
}
