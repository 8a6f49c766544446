//! Scenarios of the whole kernel, and random interleavings against a cash-flow oracle.

#![expect(unused_must_use, reason = "a scenario asserts the verdicts that it is about")]

mod adoption;
mod doubt;
mod exits;
mod garbage;
mod guards;
mod interleavings;
mod memory;
mod money;
mod once;
mod orders;
mod outside;
mod reconcile;
mod rig;
