//! Tests of: paper_venue.
