//! Tests of: allocations.
