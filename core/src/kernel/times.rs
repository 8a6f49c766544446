//! How long the kernel waits for what: the time keys of the settings, as of the last input that could
//! use them.

use serde::{Deserialize, Serialize};

use crate::settings::Settings;

/// Waits and proofs, in nanoseconds. A copy, so that no path needs the settings for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Times {
    pub(super) silence_ns: i64,
    pub(super) lookup_first_ns: i64,
    pub(super) lookup_max_ns: i64,
    pub(super) view_lag_ns: i64,
    pub(super) not_found_ns: i64,
    pub(super) outside_close_ns: i64,
    pub(super) exit_retry_first_ns: i64,
    pub(super) exit_retry_max_ns: i64,
}

impl Times {
    pub(super) const fn of(settings: &Settings) -> Self {
        Self {
            silence_ns: settings.guard_order_silence_ns,
            lookup_first_ns: settings.guard_lookup_first_ns,
            lookup_max_ns: settings.guard_lookup_max_ns,
            view_lag_ns: settings.guard_view_lag_ns,
            not_found_ns: settings.guard_not_found_ns,
            outside_close_ns: settings.guard_outside_close_ns,
            exit_retry_first_ns: settings.exit_retry_first_ns,
            exit_retry_max_ns: settings.exit_retry_max_ns,
        }
    }
}
