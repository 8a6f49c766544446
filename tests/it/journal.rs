//! Tests of: journal.
