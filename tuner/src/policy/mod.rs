//! What the tuner wants: the knobs of the target, the modes, the target itself, what fails, the phase.

pub mod fails;
pub mod knobs;
pub mod mode;
pub mod phase;
pub mod target;

pub use fails::Fails;
pub use knobs::{KnobFault, TargetPolicy};
pub use mode::{Bounds, Mode};
pub use phase::{Phase, PhaseReason};
pub use target::{Adjustment, Target};
