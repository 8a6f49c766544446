//! Each trigger at, below and above its threshold.
