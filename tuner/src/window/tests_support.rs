//! Records for tests.

use pinion_core::id::InstrumentId;
use pinion_core::msg::funnel::{FunnelRefusal, Tier};
use pinion_core::msg::record::{FunnelDecision, FunnelReason, FunnelStage};
use pinion_core::msg::{Maybe, PositionSide, Record, RecordMsg};
use pinion_core::units::{Money, Nanos};
use pinion_core::universe::{Family, Lane};

fn at(second: i64, record: Record) -> RecordMsg {
    RecordMsg { ts_ns: Nanos::new(second * Nanos::SECOND), record }
}

/// A candidate that was refused for its score.
pub(crate) fn candidate_record(second: i64) -> RecordMsg {
    let record = Record::Candidate {
        scan: 1,
        place: 0,
        instrument: InstrumentId::new(0),
        side: PositionSide::Short,
        stage: FunnelStage::FilterFail,
        decision: FunnelDecision::Skip,
        reason: FunnelReason::Funnel(FunnelRefusal::ScoreMin),
        score: 1.0,
        ars: 0.1,
        vel_div: None,
        lane: Lane::Momentum,
        tier: Tier::C,
        family: Family::Linear,
        adv: None,
        notional_5m: Maybe::NONE,
        depth: Maybe::NONE,
    };
    at(second, record)
}

/// A minute's summary of a run without trades.
pub(crate) fn summary_record(second: i64) -> RecordMsg {
    let record = Record::Summary {
        window_s: 60,
        closed_delta: 0,
        wins_delta: 0,
        losses_delta: 0,
        total_closed: 0,
        total_wins: 0,
        total_losses: 0,
        open: 0,
        realized_delta: Money::ZERO,
        realized_total: Money::ZERO,
        balance: Money::ONE,
        equity: Maybe::NONE,
        max_drawdown: Money::ZERO,
    };
    at(second, record)
}

/// The kernel's word that a version is in force.
pub(crate) fn settings_record(second: i64, version: u32) -> RecordMsg {
    at(second, Record::Settings { version })
}
