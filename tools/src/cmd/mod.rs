//! One file per verb.

pub mod bench;
pub mod book;
pub mod completion;
pub mod config;
pub mod decode;
pub mod explain;
pub mod kernel;
pub mod paper;
pub mod recover;
pub mod replay;
pub mod report;
pub mod run;
pub mod sign;
pub mod signal;
pub mod venue_sim;
