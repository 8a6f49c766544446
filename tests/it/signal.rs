//! Tests of: signal.
