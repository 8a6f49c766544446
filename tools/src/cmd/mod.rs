//! One file per verb.

pub mod book;
pub mod completion;
pub mod config;
pub mod decode;
pub mod doctor;
pub mod explain;
pub mod host;
pub mod jitter;
pub mod kernel;
pub mod paper;
pub mod recover;
pub mod replay;
pub mod run;
pub mod sign;
pub mod signal;
pub mod venue_sim;
