//! The engine's own parts under a policy that never asks for anything.

mod drawdown;
mod guardian;
mod prober;
mod rig;
mod settings;
mod stage;
