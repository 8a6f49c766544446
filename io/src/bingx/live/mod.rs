//! `BingX` over sockets: the stages of a live run, and what is checked before it.
//!
//! | file | holds |
//! |---|---|
//! | `plan` | where the venue is, with which key, what the account must be like |
//! | `startup` | the checks before the first order: clock, instruments, modes, leverage, wallet |
//! | `socket` | one market socket |
//! | `market` | the ingest stage: market sockets |
//! | `account` | account sockets and their listen keys |
//! | `wire` | one signed call on one warm connection, within the limits |
//! | `waiting` | what waits to be sent, and how long it may |
//! | `egress` | the egress stage: orders out, the account in |
//! | `answers` | what an answer means to the egress stage |
//! | `history` | fills told again after a silence |
//! | `modes` | leverage and margin type, when somebody changes them |
//! | `resting` | orders that the dead-man timer must cover |
//!
//! Market bytes come in by the ingest stage. Everything about the account, socket or REST, comes in by the
//! egress stage: one place knows which fills were told, so a fill counts once whoever tells it first.

mod account;
mod answers;
mod egress;
mod history;
mod market;
mod modes;
mod plan;
mod resting;
pub(super) mod socket;
mod startup;
mod waiting;
mod wire;

pub use egress::{BingxEgress, EgressCounts, EgressLinks};
pub use market::{BingxIngest, IngestLinks};
pub use plan::{ApiKeys, KeyFault, PublicPlan, VenuePlan};
pub use startup::{Listing, Ready, Refusal, listing, startup};

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

/// Lines for people from the stages to whoever shows them. A full queue drops the newest: they tell of a
/// repeated trouble, and the stages do not wait.
#[derive(Clone, Debug)]
pub struct Notices(Arc<ArrayQueue<String>>);

impl Default for Notices {
    fn default() -> Self {
        Self(Arc::new(ArrayQueue::new(256)))
    }
}

impl Notices {
    /// Leaves a line.
    pub fn say(&self, text: String) {
        let _full = self.0.push(text);
    }

    /// Takes the oldest line.
    #[must_use]
    pub fn next(&self) -> Option<String> {
        self.0.pop()
    }
}

#[cfg(test)]
mod tests;
