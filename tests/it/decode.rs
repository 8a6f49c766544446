//! Tests of: decode.
