//! The trading kernel: slots, orders and books. One writer; a pure function of its ordered inputs.

pub mod effects;
pub mod intent;
pub mod stage;

pub use effects::Effects;
pub use intent::{Code, Intent, Verdict};
