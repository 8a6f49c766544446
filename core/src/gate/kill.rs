//! The kill switch: one flag between whoever may stop the engine and the last stage before the venue.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::msg::Control;

/// While it is on, nothing that increases risk leaves, however far it has come already.
///
/// The operator's side sets it in the same breath in which it sends the control message ([`Self::obey`],
/// then the message); the egress stage reads it at the moment of sending. The kernel's own kill state is
/// the one that is saved: after a restart the switch is made from it ([`Self::new`]).
/// Cost of a look: one load.
#[derive(Debug, Default)]
pub struct KillSwitch {
    on: AtomicBool,
    resumes: AtomicU32,
}

impl KillSwitch {
    /// A switch that stands as the kernel's saved state says ([`crate::kernel::Kernel::is_killed`], or
    /// [`crate::kernel::Kernel::is_flattening`]).
    #[must_use]
    pub const fn new(on: bool) -> Self {
        Self { on: AtomicBool::new(on), resumes: AtomicU32::new(0) }
    }

    /// Does what a control message means for it: kill and flatten switch it on, resume switches it off and
    /// releases the gate's latch; the rest is none of its business.
    pub fn obey(&self, control: Control) {
        match control {
            Control::Kill | Control::Flatten => self.on.store(true, Ordering::Release),
            Control::Resume => {
                self.on.store(false, Ordering::Release);
                self.resumes.fetch_add(1, Ordering::Release);
            }
            Control::Stop
            | Control::JournalBehind
            | Control::JournalCaughtUp
            | Control::JournalFailed
            | Control::Reanchor
            | Control::Recover
            | Control::Reduce
            | Control::CancelAll => {}
        }
    }

    /// True while nothing that increases risk may leave.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.on.load(Ordering::Acquire)
    }

    /// How often the operator has resumed; a change releases the gate's latch.
    #[must_use]
    pub fn resumes(&self) -> u32 {
        self.resumes.load(Ordering::Acquire)
    }
}
