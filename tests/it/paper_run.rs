//! Tests of: paper_run.
