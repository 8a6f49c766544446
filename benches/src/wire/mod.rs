//! Quote in, order out, over sockets of this machine.

pub mod path;
pub mod venue;

pub use path::Path;
pub use venue::{Load, Venue};
