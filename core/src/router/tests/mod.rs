//! The router on a kernel: every way an order can go.

mod entries;
mod exits;
mod hooked;
mod paced;
mod restart;
mod rig;
