//! Rows of the decision funnel: candidates and planned trades.

use crate::broker::Broker;
use crate::id::TradeId;
use crate::msg::record::{
    Action, BlockReason, DecisionReason, FunnelDecision, FunnelReason, FunnelStage, Sizing,
};
use crate::msg::{Maybe, Record, Scan};
use crate::policy::funnel::Candidate;
use crate::units::Money;
use crate::universe::AdvBucket;

/// A candidate at one place of the funnel.
pub(super) fn candidate(
    scan: &Scan,
    candidate: &Candidate,
    stage: FunnelStage,
    decision: FunnelDecision,
    reason: FunnelReason,
) -> Record {
    let Candidate { rank, score, tier, lane, listing, depth, .. } = *candidate;
    Record::Candidate {
        scan: scan.number,
        place: rank.place,
        instrument: rank.instrument,
        side: rank.direction,
        stage,
        decision,
        reason,
        score,
        ars: rank.ars,
        vel_div: scan.vel_div,
        lane,
        tier,
        family: listing.family,
        adv: listing.adv.map(AdvBucket::of),
        notional_5m: listing.notional_5m.into(),
        depth: depth.into(),
    }
}

/// The quality gate let the candidate pass (`FunnelReason::None`), or not.
pub(in crate::policy) fn gate(
    scan: &Scan,
    of: &Candidate,
    against: FunnelReason,
    broker: &mut Broker<'_>,
) {
    let decision =
        if against == FunnelReason::None { FunnelDecision::Pass } else { FunnelDecision::Skip };
    broker.record(candidate(scan, of, FunnelStage::QualityGate, decision, against));
}

/// What a planned entry came to, as far as the plan got.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::policy) struct Planned {
    /// The round trip, once the kernel has taken it.
    pub trade: Option<TradeId>,
    /// Notional.
    pub size: Option<Money>,
    /// Expected edge in percent of it.
    pub edge_percent: Option<f64>,
}

/// A guard refused the entry.
pub(in crate::policy) fn block(
    scan: &Scan,
    of: &Candidate,
    planned: Planned,
    reason: BlockReason,
    broker: &mut Broker<'_>,
) {
    broker.record(Record::EntryBlocked { instrument: of.rank.instrument, reason });
    skip(scan, of, planned, FunnelReason::Guard(reason), broker);
}

/// The entry was given up at the planning stage.
pub(in crate::policy) fn skip(
    scan: &Scan,
    of: &Candidate,
    planned: Planned,
    reason: FunnelReason,
    broker: &mut Broker<'_>,
) {
    plan(scan, of, planned, FunnelDecision::Skip, reason, broker);
}

/// The entry was sent.
pub(in crate::policy) fn entry(
    scan: &Scan,
    of: &Candidate,
    planned: Planned,
    broker: &mut Broker<'_>,
) {
    let reason = FunnelReason::Policy(DecisionReason::Signal);
    plan(scan, of, planned, FunnelDecision::Ok, reason, broker);
}

fn plan(
    scan: &Scan,
    of: &Candidate,
    planned: Planned,
    decision: FunnelDecision,
    reason: FunnelReason,
    broker: &mut Broker<'_>,
) {
    broker.record(Record::TradeDecision {
        scan: scan.number,
        trade: planned.trade,
        instrument: of.rank.instrument,
        side: of.rank.direction,
        stage: FunnelStage::PlanTrade,
        decision,
        reason,
        score: of.score,
        lane: of.lane,
        tier: of.tier,
        edge_percent: planned.edge_percent,
        position_size: planned.size.into(),
        pnl_percent: None,
        pnl: Maybe::NONE,
    });
}

/// The decision to enter, or not to after all, in its place before what came of it.
pub(in crate::policy) fn decide(
    scan: &Scan,
    of: &Candidate,
    sizing: Sizing,
    (action, reason): (Action, DecisionReason),
    place: usize,
    broker: &mut Broker<'_>,
) {
    let decision = Record::Decision {
        scan: scan.number,
        instrument: Some(of.rank.instrument),
        action,
        reason,
        vel_div: scan.vel_div.into(),
        sizing: Some(sizing),
    };
    broker.record_at(place, decision);
}
