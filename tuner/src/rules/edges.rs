//! Rules of the edge floors: a cold edge model, a deadlock, the correction that comes back.

use crate::measure::{and, not, or};
use crate::rules::{Context, Plan};

/// What the edge floors refuse with.
const EDGE: &[&str] = &["edge_low", "edge_usd_low", "negative_edge", "ev_net_low"];

/// The edge model has nothing to go by yet, and the mode wants flow.
pub(super) fn cold_start(context: &Context<'_>) -> Option<bool> {
    Some(context.mode.is_eager() && context.hits(&["cold_start"]) > 0)
}

pub(super) fn gate_off(_context: &Context<'_>, plan: &mut Plan<'_>) {
    plan.switch("edge.gate", false);
}

/// Flow is there, and the edge floors stop all of it; unless the account is losing, when they are right.
pub(super) fn deadlock(context: &Context<'_>) -> Option<bool> {
    let metrics = context.metrics();
    let stuck = and(metrics.low_throughput(), metrics.opened.map(|n| n == 0));
    let fires = and(stuck, context.hits_at_least(EDGE, 24, 3));
    let enough = metrics.closed_total.map(|n| n >= 10);
    let few = metrics.winrate_total_pct.map(|rate| rate.0 < 30.0);
    let few = if context.strict_seed { few.or(Some(false)) } else { few };
    let losing = and(enough, or(few, metrics.realized_total.map(|sum| sum < -0.10)));
    and(fires, not(losing))
}

pub(super) fn unlock(context: &Context<'_>, plan: &mut Plan<'_>) {
    plan.add("edge.rolling_percent_min", -0.05);
    plan.add("edge.rolling_usd_min", -0.001);
    plan.add("edge.calibration_usd_min", -0.001);
    plan.add("edge.calibration_volume_usd_min", -8.0);
    plan.add("edge.net_usd_min", -0.0005);
    plan.add("edge.probe_tolerance_usd", 0.0008);
    plan.switch("edge.calibration_no_tighten", true);
    let severe = context.metrics().selected.map_or(160, |n| n.saturating_mul(2).max(160));
    if context.hits(EDGE) >= severe {
        plan.switch("edge.calibration", false);
    }
}

/// The correction is off, and things go well enough to have it back. It comes back only where the operator
/// had it on (the original switched it on for everybody).
pub(super) fn can_calibrate(context: &Context<'_>) -> Option<bool> {
    let wanted = context.strict_seed || context.baseline.edge_calibration;
    if context.settings.edge_calibration || !wanted {
        return Some(false);
    }
    let metrics = context.metrics();
    let flow = and(metrics.opened.map(|n| n >= 3), context.batch_rate_at_least(0.08));
    let wins = metrics.winrate_total_pct.is_none_or(|rate| rate.0 >= 35.0);
    and(and(flow, metrics.closed_total.map(|n| n >= 6)), Some(wins))
}

pub(super) fn calibrate(_context: &Context<'_>, plan: &mut Plan<'_>) {
    plan.switch("edge.calibration", true);
}
