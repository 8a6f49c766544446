//! One signed call on one warm connection, within the venue's limits.

use pinion_core::units::Nanos;
use zeroize::Zeroizing;

use super::super::endpoint::Endpoint;
use super::super::limits::{Limits, Priority};
use super::super::offset::ClockOffset;
use super::super::request::{Call, RequestWriter};
use super::plan::VenuePlan;
use super::waiting::Item;
use crate::net::{HttpPool, Outgoing};

/// The header that names the key.
pub(super) const KEY_HEADER: &str = "X-BX-APIKEY";

/// Why a call cannot leave now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// No connection is free, or the free ones are kept for what is more urgent.
    Connection,
    /// The venue's time is not known.
    Clock,
    /// The venue's limits; the earliest time at which it fits.
    Until(Nanos),
}

/// Connections, signature, limits, clock. Owner: the egress stage.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) pool: HttpPool<Item>,
    pub(super) limits: Limits,
    pub(super) offset: ClockOffset,
    writer: RequestWriter,
    key: Zeroizing<String>,
    connections: usize,
}

impl Wire {
    pub(super) fn new(plan: &VenuePlan) -> Self {
        let signer = plan.keys.signer.clone();
        Self {
            pool: HttpPool::new(&plan.rest, plan.connections, plan.timeout_ns, plan.tuning),
            limits: Limits::default(),
            offset: ClockOffset::default(),
            writer: RequestWriter::new(signer, plan.position_mode, plan.recv_window_ms),
            key: plan.keys.name.clone(),
            connections: plan.connections.max(1),
        }
    }

    /// Takes a place in the limits for a call that leaves at once; gives the timestamp to sign.
    pub(super) fn may(
        &mut self,
        now: Nanos,
        endpoint: Endpoint,
        priority: Priority,
    ) -> Result<u64, Hold> {
        // One connection is always kept for exits and cancels, where there is more than one.
        let kept = match priority {
            Priority::Exit => 0,
            Priority::Entry | Priority::Query => usize::from(self.connections > 1),
        };
        if self.pool.ready() <= kept {
            return Err(Hold::Connection);
        }
        let timestamp_ms = match self.offset.timestamp_ms(now) {
            Some(timestamp_ms) => timestamp_ms,
            None if endpoint.is_public() => 0,
            None => return Err(Hold::Clock),
        };
        self.limits.take(now, endpoint, priority).map_err(Hold::Until)?;
        Ok(timestamp_ms)
    }

    /// Sends, after [`Self::may`] in the same poll; gives the item back when no connection took it.
    pub(super) fn send(
        &mut self,
        now: Nanos,
        call: &Call<'_>,
        timestamp_ms: u64,
        item: Item,
    ) -> Option<Item> {
        let request = self.writer.write(call, timestamp_ms);
        let endpoint = request.endpoint;
        let header = (!endpoint.is_public()).then_some((KEY_HEADER, self.key.as_str()));
        let outgoing = Outgoing {
            method: endpoint.method().as_str(),
            path: endpoint.path(),
            query: request.query,
            header,
        };
        self.pool.send(now, &outgoing, item)
    }
}
