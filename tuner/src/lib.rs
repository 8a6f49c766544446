//! Learns from what happened and tunes the settings, off the hot path.
#![forbid(unsafe_code)]
