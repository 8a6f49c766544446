//! Rules that contain: fewer, better, smaller, more different entries.

use pinion_core::instrument::canonical_symbol;

use crate::measure::{and, not, or};
use crate::number::raw;
use crate::policy::Phase;
use crate::rules::flow::{others_most, shrink_watchlist_cap, watchlist_within};
use crate::rules::relax::move_scores;
use crate::rules::{Context, Plan};

/// An asset that is held already is refused with this.
const DUPLICATES: &[&str] = &["slot_busy"];

/// There is flow to be choosy with, and a reason to be.
pub(super) fn can_be_choosy(context: &Context<'_>) -> Option<bool> {
    let metrics = context.metrics();
    let refused =
        context.hits(&["symbol_concentration"]) >= 8 || context.hits(&["min_trade_size"]) >= 8;
    let few = metrics.winrate_total_pct.map(|rate| rate.0 < 50.0);
    let weak = or(few, metrics.realized_total.map(|sum| sum < 0.0));
    let signal = or(Some(refused), and(metrics.closed_total.map(|n| n >= 8), weak));
    let flow = and(metrics.selected.map(|n| n >= 24), metrics.opened.map(|n| n >= 3));
    let flow = and(flow, context.batch_rate_at_least(0.08));
    let routes = context.hits_at_least(&["lane_route_prob"], 4, 8);
    let sizes = context.hits_at_least(&["min_trade_size"], 12, 4);
    let dups = context.hits_at_least(DUPLICATES, 6, 5);
    let pressure = or(routes, or(sizes, dups));
    let none = metrics.buys_15m.map(|n| n == 0);
    let two = metrics.unique_symbols().map(|n| n >= 2);
    let spread = metrics.top_share().map(|share| share.0 <= 0.75);
    let diverse = or(none, or(two, spread));
    let free = and(not(metrics.low_throughput()), not(pressure));
    and(and(signal, flow), and(diverse, free))
}

pub(super) fn choose(context: &Context<'_>, plan: &mut Plan<'_>) {
    move_scores(context, plan, 1.0);
    plan.add_within("funnel.volume_5m_usd_min", 1.0, context.bounds.volume);
    plan.add_within("edge.percent_min", 0.03, context.bounds.edge_percent);
    plan.add_within("edge.usd_min", 0.0005, context.bounds.edge_usd);
    plan.switch("funnel.lane_budget", true);
}

/// Enough entries to say so, and one asset has nearly all of them.
pub(super) fn one_asset(context: &Context<'_>) -> Option<bool> {
    let metrics = context.metrics();
    let one = metrics.unique_symbols().map(|n| n <= 1);
    let most = metrics.top_share().map(|share| share.0 >= 0.78);
    and(metrics.buys_15m.map(|n| n >= 4), or(one, most))
}

pub(super) fn diversify(context: &Context<'_>, plan: &mut Plan<'_>) {
    plan.add_within("funnel.watchlist_share_max", -0.05, watchlist_within(context));
    plan.add_within("funnel.non_watchlist_min", 1.0, (0, others_most(context)));
    plan.add("funnel.lane_share_max", -0.06);
    plan.add("funnel.novelty_share_min", 0.06);
    plan.add("funnel.symbol_share_max", -0.05);
    plan.add("funnel.symbol_cycle_max", -1.0);
    plan.switch("funnel.lane_budget", true);
}

/// Assets that are held already are much of what is refused, and hardly anything opens.
fn duplicate_choke(context: &Context<'_>) -> Option<bool> {
    let metrics = context.metrics();
    let hardly = or(metrics.low_throughput(), metrics.opened.map(|n| n <= 1));
    and(context.hits_at_least(DUPLICATES, 6, 3), hardly)
}

/// One asset takes most entries, or shares drop much, or duplicates choke the flow.
pub(super) fn concentrated(context: &Context<'_>) -> Option<bool> {
    let metrics = context.metrics();
    let few = and(
        metrics.buys_15m.map(|n| n >= 3),
        and(
            metrics.unique_symbols().map(|n| n <= 2),
            metrics.top_share().map(|share| share.0 >= 0.65),
        ),
    );
    let drops = and(
        metrics.drops_symbol_concentration.map(|n| n >= 10),
        and(metrics.selected.map(|n| n >= 20), metrics.opened.map(|n| n > 0)),
    );
    or(or(few, drops), duplicate_choke(context))
}

pub(super) fn spread(context: &Context<'_>, plan: &mut Plan<'_>) {
    let chokes = duplicate_choke(context) == Some(true);
    let (novelty, share, cooldown) = if chokes { (0.08, -0.05, 30.0) } else { (0.04, -0.03, 20.0) };
    plan.add("funnel.novelty_share_min", novelty);
    plan.add("funnel.symbol_share_max", share);
    plan.add("funnel.symbol_cycle_max", -1.0);
    if context.hits(&["symbol_cooldown"]) == 0 {
        plan.add_within("memory.cooldown_s", cooldown, context.bounds.cooldown);
    }
    if chokes {
        plan.add("funnel.top_n", 4.0);
        plan.add_within("funnel.watchlist_share_max", -0.06, watchlist_within(context));
        plan.add_within("funnel.non_watchlist_min", 1.0, (0, others_most(context)));
        plan.add("funnel.lane_share_max", -0.05);
        plan.add("memory.lane_trades_min", -2.0);
        plan.add("memory.lane_bad_probability", 0.04);
        plan.add("memory.lane_severe_probability", 0.05);
        shrink_watchlist_cap(plan, 0.60, 5.0);
    }
}

/// The soft score exceeds the strict one.
pub(super) fn soft_above_strict(context: &Context<'_>) -> Option<bool> {
    Some(context.settings.funnel_score_soft > context.settings.funnel_score_strict)
}

pub(super) fn level_scores(_context: &Context<'_>, plan: &mut Plan<'_>) {
    if let Some(strict) = plan.number("funnel.score_strict") {
        plan.at_most("funnel.score_soft", crate::number::float(strict));
    }
}

/// A choosy mode, and few winners.
pub(super) fn few_winners(context: &Context<'_>) -> Option<bool> {
    if context.mode.is_eager() {
        return Some(false);
    }
    let metrics = context.metrics();
    let few = metrics.winrate_total_pct.map(|rate| rate.0 < 45.0);
    and(metrics.closed_total.map(|n| n >= 3), few)
}

pub(super) fn raise_scores(context: &Context<'_>, plan: &mut Plan<'_>) {
    move_scores(context, plan, 1.0);
}

/// A risk fail in the phase that is there for it, however thin the flow.
pub(super) fn risk(context: &Context<'_>) -> Option<bool> {
    Some(context.phase == Phase::Tighten && context.fails.is_risky())
}

/// Size first: it acts whatever filters are on.
pub(super) fn contain(context: &Context<'_>, plan: &mut Plan<'_>) {
    plan.add("policy.size_fraction", -0.02);
    plan.add_within("memory.cooldown_s", 20.0, (0, raw(3600.0)));
    if context.settings.edge_gate {
        plan.add("edge.percent_min", 0.05);
        plan.add("edge.usd_min", 0.0005);
    }
    plan.add("funnel.score_strict", 1.0);
    plan.add("funnel.score_soft", 1.0);
}

/// Many refusals for an instrument's state, of one or two instruments.
pub(super) fn single_refusals(context: &Context<'_>) -> Option<bool> {
    let list = &context.telemetry.blacklist_15m;
    let few = or(list.unique.map(|n| n <= 2), list.top2_share.map(|share| share.0 >= 0.90));
    and(list.added.map(|n| n >= 12), and(few, Some(!list.top.is_empty())))
}

pub(super) fn exclude(context: &Context<'_>, plan: &mut Plan<'_>) {
    for (name, _) in context.telemetry.blacklist_15m.top.iter().take(2) {
        if let Some(symbol) = canonical_symbol(name) {
            plan.exclude(symbol, true);
        }
    }
}
