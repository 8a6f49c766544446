//! Rows of the decision funnel: candidates and planned trades.

use crate::broker::Broker;
use crate::id::TradeId;
use crate::msg::record::{
    Action, BlockReason, DecisionReason, FunnelDecision, FunnelReason, FunnelStage, Sizing,
};
use crate::msg::{Maybe, Rank, Record, Scan};
use crate::units::{Money, Price};

/// A candidate at one place of the funnel.
pub(super) fn candidate(
    scan: &Scan,
    rank: &Rank,
    stage: FunnelStage,
    decision: FunnelDecision,
    reason: FunnelReason,
) -> Record {
    Record::Candidate {
        scan: scan.number,
        place: rank.place,
        instrument: rank.instrument,
        side: rank.direction,
        stage,
        decision,
        reason,
        score: rank.ars,
        vel_div: scan.vel_div,
    }
}

/// The quality gate let the candidate pass, or not.
pub(super) fn gate(
    scan: &Scan,
    rank: &Rank,
    against: Option<DecisionReason>,
    broker: &mut Broker<'_>,
) {
    let (decision, reason) = match against {
        None => (FunnelDecision::Pass, FunnelReason::None),
        Some(reason) => (FunnelDecision::Skip, FunnelReason::Policy(reason)),
    };
    broker.record(candidate(scan, rank, FunnelStage::QualityGate, decision, reason));
}

/// A guard refused the entry.
pub(super) fn block(scan: &Scan, rank: &Rank, reason: BlockReason, broker: &mut Broker<'_>) {
    broker.record(Record::EntryBlocked { instrument: rank.instrument, reason });
    plan(scan, rank, None, FunnelReason::Guard(reason), broker);
}

/// The entry was given up at the planning stage.
pub(super) fn skip(scan: &Scan, rank: &Rank, reason: FunnelReason, broker: &mut Broker<'_>) {
    plan(scan, rank, None, reason, broker);
}

fn plan(
    scan: &Scan,
    rank: &Rank,
    planned: Option<(Option<TradeId>, Money)>,
    reason: FunnelReason,
    broker: &mut Broker<'_>,
) {
    let decision = if planned.is_some() { FunnelDecision::Ok } else { FunnelDecision::Skip };
    broker.record(Record::TradeDecision {
        scan: scan.number,
        trade: planned.and_then(|(trade, _)| trade),
        instrument: rank.instrument,
        side: rank.direction,
        stage: FunnelStage::PlanTrade,
        decision,
        reason,
        score: rank.ars,
        position_size: planned.map(|(_, size)| size).into(),
        pnl_percent: None,
        pnl: Maybe::NONE,
    });
}

/// The decision to enter, before the order leaves.
pub(super) fn decide(scan: &Scan, rank: &Rank, sizing: Sizing, broker: &mut Broker<'_>) {
    broker.record(Record::Decision {
        scan: scan.number,
        instrument: Some(rank.instrument),
        action: Action::Enter,
        reason: DecisionReason::Signal,
        vel_div: scan.vel_div,
        sizing: Some(sizing),
    });
}

/// The entry was sent.
pub(super) fn entry(
    scan: &Scan,
    rank: &Rank,
    sizing: Sizing,
    trade: Option<TradeId>,
    reference: Price,
    broker: &mut Broker<'_>,
) {
    let size = reference.notional(sizing.qty).unwrap_or_default();
    let reason = FunnelReason::Policy(DecisionReason::Signal);
    plan(scan, rank, Some((trade, size)), reason, broker);
}
