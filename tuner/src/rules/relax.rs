//! Rules that let more through where one reason refuses too much.

use crate::measure::and;
use crate::number::raw;
use crate::rules::{Context, Plan};

fn starved_by(context: &Context<'_>, reasons: &[&str]) -> Option<bool> {
    and(context.is_starved(), Some(context.hits(reasons) > 0))
}

/// Starved, and scores refuse.
pub(super) fn score(context: &Context<'_>) -> Option<bool> {
    starved_by(context, &["score_min"])
}

pub(super) fn lower_scores(context: &Context<'_>, plan: &mut Plan<'_>) {
    move_scores(context, plan, -2.0);
}

/// Both scores, the soft one never above the strict one.
pub(super) fn move_scores(context: &Context<'_>, plan: &mut Plan<'_>, delta: f64) {
    plan.add_within("funnel.score_strict", delta, context.bounds.strict);
    plan.add_within("funnel.score_soft", delta, context.bounds.soft);
    if let Some(strict) = plan.number("funnel.score_strict") {
        plan.at_most("funnel.score_soft", crate::number::float(strict));
    }
}

/// Starved, and traded notional refuses.
pub(super) fn volume(context: &Context<'_>) -> Option<bool> {
    starved_by(context, &["volume_5m_low"])
}

pub(super) fn lower_volume(context: &Context<'_>, plan: &mut Plan<'_>) {
    plan.add_within("funnel.volume_5m_usd_min", -1.0, context.bounds.volume);
}

/// Starved, and the net expectation refuses.
pub(super) fn ev(context: &Context<'_>) -> Option<bool> {
    starved_by(context, &["ev_net_low"])
}

pub(super) fn lower_edges(context: &Context<'_>, plan: &mut Plan<'_>) {
    plan.add_within("edge.percent_min", -0.05, context.bounds.edge_percent);
    plan.add_within("edge.usd_min", -0.001, context.bounds.edge_usd);
    let few = context.metrics().selected.is_some_and(|n| n <= 8);
    if context.hits(&["ev_net_low"]) >= 6 || few {
        plan.add("edge.net_usd_min", -0.0004);
        plan.add("edge.probe_tolerance_usd", 0.0005);
    }
}

/// Starved, and cooldowns refuse.
pub(super) fn cooldown(context: &Context<'_>) -> Option<bool> {
    starved_by(context, &["symbol_cooldown"])
}

pub(super) fn shorten_cooldown(context: &Context<'_>, plan: &mut Plan<'_>) {
    let seconds = plan.number("memory.cooldown_s");
    // Already below the mode's floor: lowering it would raise it.
    if seconds.is_some_and(|now| now > context.bounds.cooldown.0) {
        plan.add_within("memory.cooldown_s", -15.0, context.bounds.cooldown);
    }
}

/// Starved, and least sizes refuse.
pub(super) fn size(context: &Context<'_>) -> Option<bool> {
    starved_by(context, &["min_trade_size"])
}

pub(super) fn lower_sizes(_context: &Context<'_>, plan: &mut Plan<'_>) {
    for name in ["funnel.core_trade_usd_min", "funnel.trade_usd_min"] {
        plan.add_within(name, -0.05, (raw(0.1), raw(2.5)));
    }
}

/// Low throughput, and age, volume or size refuse.
pub(super) fn few(context: &Context<'_>) -> Option<bool> {
    let refused =
        context.hits(&["listing_age", "signal_age", "volume_5m_low", "min_trade_size"]) > 0;
    and(context.metrics().low_throughput(), Some(refused))
}

pub(super) fn look_further(_context: &Context<'_>, plan: &mut Plan<'_>) {
    plan.add("funnel.top_n", 4.0);
}

/// Starved, and de-duplication refuses much, or more than age, volume and score together.
pub(super) fn dedup(context: &Context<'_>) -> Option<bool> {
    let hits = context.hits(&["signal_dedup"]);
    let others = context.hits(&["listing_age", "signal_age", "volume_5m_low", "score_min"]);
    let is_dominant = hits >= others.max(6);
    let many = context.hits_at_least(&["signal_dedup"], 8, 3);
    and(crate::measure::or(many, Some(is_dominant)), context.is_starved())
}

pub(super) fn shorten_dedup(context: &Context<'_>, plan: &mut Plan<'_>) {
    if context.hits_at_least(&["signal_dedup"], 24, 2) == Some(true) {
        plan.set("funnel.dedup_ttl_s", 0.0);
    } else {
        plan.add("funnel.dedup_ttl_s", -5.0);
    }
    plan.add("funnel.symbol_cycle_max", 1.0);
    plan.add("funnel.top_n", 2.0);
}

/// Nothing opens, and the share of assets drops what is selected.
pub(super) fn quality(context: &Context<'_>) -> Option<bool> {
    let metrics = context.metrics();
    let none = metrics.opened.map(|n| n == 0);
    let drops = metrics.drops_symbol_concentration.map(|n| n >= 12);
    and(and(none, drops), metrics.selected.map(|n| n >= 8))
}

pub(super) fn widen_quality(context: &Context<'_>, plan: &mut Plan<'_>) {
    let most = if context.mode.is_eager() { 0.24 } else { 0.20 };
    plan.add_within("funnel.quality_share_max", 0.02, (raw(0.05), raw(most)));
    plan.add_within("funnel.quality_symbol_cap", 1.0, (raw(2.0), raw(6.0)));
    if plan.number("memory.reentry_s").is_some_and(|now| now > 0) {
        plan.add_within("memory.reentry_s", -30.0, (raw(60.0), raw(3600.0)));
    }
}
