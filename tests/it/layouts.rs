//! Tests of: layouts.
