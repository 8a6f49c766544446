//! Tests of: settings.
