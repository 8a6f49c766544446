//! Rules of lanes and feed: caps, shares and records that keep candidates away.

use crate::measure::{and, or};
use crate::number::{float, raw};
use crate::rules::{Context, Plan};

/// Caps of the lanes beside the watchlist.
const LANE_CAPS: [&str; 4] = [
    "funnel.lane_cap_momentum",
    "funnel.lane_cap_mean_revert",
    "funnel.lane_cap_carry",
    "funnel.lane_cap_liquidation",
];
const WATCHLIST_CAP: &str = "funnel.lane_cap_watchlist";

/// Values from which flow can come back: least watchlist share, most candidates of other lanes, least cap.
const fn survivable(is_low: bool) -> (f64, f64, f64) {
    if is_low { (0.08, 2.0, 8.0) } else { (0.02, 6.0, 2.0) }
}

/// Between these the watchlist share is lowered.
pub(super) fn watchlist_within(context: &Context<'_>) -> (i64, i64) {
    (raw(survivable(context.is_low()).0), raw(0.60))
}

/// Up to this the candidates that other lanes owe are raised.
pub(super) fn others_most(context: &Context<'_>) -> i64 {
    raw(survivable(context.is_low()).1)
}

/// Low throughput.
pub(super) fn is_low(context: &Context<'_>) -> Option<bool> {
    context.metrics().low_throughput()
}

/// A lane knob from which no flow can come back.
pub(super) fn outside_band(context: &Context<'_>) -> Option<bool> {
    let (share, others, cap) = survivable(context.is_low());
    let s = context.settings;
    Some(
        raw(s.funnel_watchlist_share_max) < raw(share)
            || float(s.funnel_non_watchlist_min.saturating_mul(crate::number::ONE)) > others
            || raw(s.funnel_lane_share_max) < raw(0.20)
            || float(s.funnel_lane_cap_watchlist.saturating_mul(crate::number::ONE)) < cap,
    )
}

pub(super) fn band(context: &Context<'_>, plan: &mut Plan<'_>) {
    let (share, others, cap) = survivable(context.is_low());
    plan.at_least("funnel.watchlist_share_max", share);
    plan.at_most("funnel.non_watchlist_min", others);
    plan.at_least("funnel.lane_share_max", 0.20);
    plan.at_least(WATCHLIST_CAP, cap);
}

/// Lanes with a bad record refuse more than opens.
pub(super) fn route_pressure(context: &Context<'_>) -> Option<bool> {
    let opened = context.metrics().opened?;
    Some(context.hits(&["lane_route_prob"]) >= opened.saturating_add(2).max(4))
}

pub(super) fn ease_routes(context: &Context<'_>, plan: &mut Plan<'_>) {
    plan.add_within("funnel.watchlist_share_max", -0.05, watchlist_within(context));
    plan.add_within("funnel.non_watchlist_min", 1.0, (0, others_most(context)));
    plan.add("funnel.lane_share_max", -0.04);
    plan.add_within("memory.lane_trades_min", 2.0, (raw(4.0), raw(20.0)));
    plan.add("memory.lane_bad_probability", 0.05);
    plan.add("memory.lane_severe_probability", 0.07);
    if context.hits(&["symbol_memory_prob"]) >= 3 {
        plan.add_within("memory.symbol_trades_min", 2.0, (raw(4.0), raw(20.0)));
        plan.add("memory.symbol_bad_probability", 0.05);
        plan.add("memory.symbol_severe_probability", 0.07);
    }
    shrink_watchlist_cap(plan, 0.80, 2.0);
}

/// Takes capacity from the watchlist lane and spreads it over the others, the first getting the rest.
pub(super) fn shrink_watchlist_cap(plan: &mut Plan<'_>, factor: f64, least: f64) {
    let Some(now) = plan.number(WATCHLIST_CAP) else { return };
    let next = (float(now) * factor).floor().max(least).min(float(now));
    plan.set(WATCHLIST_CAP, next);
    let freed = float(now) - next;
    let share = (freed / 4.0).floor();
    let mut rest = freed - 4.0 * share;
    for name in LANE_CAPS {
        let extra = rest.min(1.0);
        rest -= extra;
        plan.add(name, share + extra);
    }
}

/// Low throughput, and the lane budget refuses much of what comes.
pub(super) fn budget_choke(context: &Context<'_>) -> Option<bool> {
    let hits = context.hits(&["lane_budget"]);
    let metrics = context.metrics();
    // Of the quality gate where that is told apart, else of everything.
    let gate = context.telemetry.top_reasons_15m.as_ref().map(|top| &top.quality_skip);
    let all: u64 = match gate.filter(|rows| !rows.is_empty()) {
        Some(rows) => rows.iter().map(|row| row.1).sum(),
        None => metrics.filter_fails.values().chain(metrics.skips.values()).sum(),
    };
    let share = crate::measure::Fraction::of(hits, all).is_some_and(|share| share.0 >= 0.22);
    let many = context.hits_at_least(&["lane_budget"], 24, 5);
    and(metrics.low_throughput(), and(many, Some(share)))
}

pub(super) fn budget_off(context: &Context<'_>, plan: &mut Plan<'_>) {
    plan.switch("funnel.lane_budget", false);
    plan.add_within("funnel.watchlist_share_max", -0.03, watchlist_within(context));
    plan.add_within("funnel.non_watchlist_min", 1.0, (0, others_most(context)));
}

/// Low throughput, and excluded assets fill the ranking.
pub(super) fn excluded_pressure(context: &Context<'_>) -> Option<bool> {
    let many = context.hits_at_least(&["excluded_symbol"], 8, 6);
    and(context.metrics().low_throughput(), many)
}

/// The list of instruments is fixed for a run here, so that refreshing it has no counterpart.
pub(super) fn rotate(context: &Context<'_>, plan: &mut Plan<'_>) {
    plan.add_within("funnel.watchlist_share_max", -0.04, watchlist_within(context));
    plan.add_within("funnel.non_watchlist_min", 1.0, (0, others_most(context)));
}

/// Low throughput, because few candidates come in at all.
pub(super) fn starved_feed(context: &Context<'_>) -> Option<bool> {
    let funnel = context.telemetry.funnel_15m.as_ref();
    let few = funnel.map(|funnel| funnel.raw > 0 && funnel.raw < 260 && funnel.pre > 0);
    let buys = context.metrics().buys_15m.map(|n| n <= 1);
    let rate = context.metrics().batch_rate().map(|rate| rate.0 < 0.03);
    and(and(context.metrics().low_throughput(), few), or(buys, rate))
}

pub(super) fn widen_feed(_context: &Context<'_>, plan: &mut Plan<'_>) {
    plan.add("universe.signal_age_max_s", 900.0);
    plan.add("universe.seen_ttl_s", -900.0);
    plan.add("universe.watchlist_depth_usd_min", -20_000.0);
    plan.add("universe.watchlist_adv_usd_min", -60_000.0);
    plan.add("universe.watchlist_volume_5m_usd_min", -40.0);
    plan.add("universe.watchlist_score_min", -2.0);
}

fn symbol_caps_refuse(context: &Context<'_>) -> Option<bool> {
    context.hits_at_least(&["symbol_cap"], 6, 10)
}

/// Low throughput, and caps of the scan refuse.
pub(super) fn cap_pressure(context: &Context<'_>) -> Option<bool> {
    let lanes = context.hits_at_least(&["lane_cap"], 10, 8);
    and(context.metrics().low_throughput(), or(lanes, symbol_caps_refuse(context)))
}

pub(super) fn raise_caps(context: &Context<'_>, plan: &mut Plan<'_>) {
    plan.add(WATCHLIST_CAP, 4.0);
    for name in LANE_CAPS {
        plan.add(name, 3.0);
    }
    plan.add("funnel.cycle_topk", 36.0);
    if symbol_caps_refuse(context) == Some(true) {
        plan.add("funnel.symbol_cycle_max", 1.0);
    }
    let (floor, ..) = survivable(context.is_low());
    let below = raw((floor + 0.04).max(0.14));
    if plan.number("funnel.watchlist_share_max").is_some_and(|now| now < below) {
        plan.add("funnel.watchlist_share_max", 0.05);
    }
    plan.add("funnel.non_watchlist_min", -1.0);
}
