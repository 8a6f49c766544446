//! Each rule alone: its trigger at, just below and just above the threshold, and its steps.

use serde_json::{Value, json};

use super::*;
use crate::decide;
use crate::policy::{Fails, Phase};

/// Twenty selected, two opened, nothing refused: no rule fires.
fn quiet() -> Value {
    json!({
        "mode": "conveyor",
        "metrics": {
            "selected": 20, "opened": 2, "scanned": 300, "lines": 500, "closed_total": 0,
            "winrate_total_pct": 60.0, "realized_total": 0.0, "drops_symbol_concentration": 0,
            "buys_15m": 2, "buy_symbols_15m": {"A": 1, "B": 1},
        },
        "exec_health_15m": {"plan_attempts": 20, "opens": 2},
        "blacklist_15m": {"added": 0, "unique": 0, "top2_share": 0.0},
        "settings": {"MARKET_MODE_STRICT_SCORE": 60, "MARKET_MODE_SOFT_SCORE": 55,
            "MIN_EXPECTED_EDGE_PERCENT": 1.0, "MIN_EXPECTED_EDGE_USD": 0.01,
            "SAFE_MIN_VOLUME_5M_USD": 100.0, "MAX_TOKEN_COOLDOWN_SECONDS": 300,
            "HEAVY_CHECK_DEDUP_TTL_SECONDS": 60, "V2_SOURCE_QOS_MAX_PER_SYMBOL_PER_CYCLE": 5},
    })
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// What a rule alone says and does.
fn alone(rule: Rule, changes: &[Value], phase: Phase) -> (Option<bool>, Vec<String>) {
    let mut json = quiet();
    changes.iter().for_each(|change| merge(&mut json, change));
    let input = decide::input(&json, false).expect("reads");
    let metrics = &input.telemetry.metrics;
    let lock = input.state.lock.look(&input.telemetry.churn_15m, metrics, input.now_s);
    let context = Context {
        telemetry: &input.telemetry,
        fails: Fails::of(&input.telemetry, &input.policy, 4.0),
        phase,
        is_unlocked: false,
        mode: input.mode,
        bounds: input.mode.adaptive_bounds(metrics),
        settings: &input.settings,
        baseline: &input.baseline,
        lock: &lock,
        strict_seed: false,
    };
    let row = TABLE.iter().find(|row| row.rule == rule).expect("in the table");
    let fires = (row.trigger)(&context);
    let mut plan = Plan::new(&input.settings, false);
    plan.begin(rule, row.family, rule.as_str().to_owned());
    (row.steps)(&context, &mut plan);
    let steps = plan.finish().0;
    let told = steps
        .iter()
        .map(|a| format!("{} {} {}", a.key, a.from.to_text(), a.to.to_text()))
        .collect();
    (fires, told)
}

fn fires(rule: Rule, changes: &[Value]) -> Option<bool> {
    alone(rule, changes, Phase::Expand).0
}

fn steps(rule: Rule, changes: &[Value]) -> Vec<String> {
    alone(rule, changes, Phase::Expand).1
}

fn low() -> Value {
    json!({"metrics": {"opened": 0, "buys_15m": 0, "buy_symbols_15m": {"A": 0, "B": 0}},
        "exec_health_15m": {"opens": 0}})
}

fn skips(reason: &str, n: u64) -> Value {
    json!({"metrics": {"skips": {reason: n}}})
}

#[test]
fn a_quiet_window_fires_nothing() {
    for row in TABLE.iter().filter(|row| row.rule != Rule::RouteFloorNormalize) {
        let fired = fires(row.rule, &[]);
        assert_ne!(fired, Some(true), "{:?}", row.rule);
    }
    assert_eq!(fires(Rule::RouteFloorNormalize, &[]), Some(false));
}

/// Rules with one count that decides: reason, the number from which it fires, and what must hold besides.
#[test]
fn counted_refusals_fire_exactly_from_their_threshold() {
    let table: &[(Rule, &str, u64, &[Value])] = &[
        (Rule::PeColdStartGuard, "cold_start", 1, &[]),
        (Rule::RoutePressure, "lane_route_prob", 4, &[]),
        (Rule::RoutePressure, "lane_route_prob", 7, &[json!({"metrics": {"opened": 5}})]),
        (Rule::QualitySourceBudgetChoke, "lane_budget", 24, &[low()]),
        (Rule::ExcludedSymbolRotation, "excluded_symbol", 8, &[low()]),
        (
            Rule::ExcludedSymbolRotation,
            "excluded_symbol",
            10,
            &[low(), json!({"metrics": {"selected": 60}})],
        ),
        (Rule::SourceQosCapRebalance, "lane_cap", 10, &[low()]),
        (Rule::SourceQosCapRebalance, "symbol_cap", 6, &[low()]),
        (Rule::EdgeDeadlockRecovery, "edge_low", 24, &[low()]),
        (
            Rule::EdgeDeadlockRecovery,
            "negative_edge",
            30,
            &[low(), json!({"metrics": {"selected": 90}})],
        ),
        (Rule::RelaxScoreMin, "score_min", 1, &[low()]),
        (Rule::RelaxSafeVolume, "volume_5m_low", 1, &[low()]),
        (Rule::RelaxEvLow, "ev_net_low", 1, &[low()]),
        (Rule::RelaxCooldown, "symbol_cooldown", 1, &[low()]),
        (Rule::RelaxTradeSizeMin, "min_trade_size", 1, &[low()]),
        (Rule::LowThroughputExpandTopn, "signal_age", 1, &[low()]),
        (Rule::DedupPressureRelax, "signal_dedup", 8, &[low(), skips("score_min", 50)]),
        (Rule::DedupPressureRelax, "signal_dedup", 6, &[low(), skips("score_min", 5)]),
        (Rule::DedupPressureRelax, "signal_dedup", 7, &[low(), skips("score_min", 7)]),
        (
            Rule::RecoverTighten,
            "symbol_concentration",
            8,
            &[json!({"metrics": {"selected": 24, "opened": 3}})],
        ),
        (Rule::AntiConcentration, "slot_busy", 6, &[low()]),
        (
            Rule::AntiConcentration,
            "slot_busy",
            10,
            &[json!({"metrics": {"selected": 30, "opened": 1}})],
        ),
    ];
    for (rule, reason, least, besides) in table {
        for (n, expected) in [(least - 1, false), (*least, true), (least + 1, true)] {
            let mut changes = besides.to_vec();
            changes.push(skips(reason, n));
            assert_eq!(fires(*rule, &changes), Some(expected), "{rule:?} {n} {reason}");
        }
    }
}

#[test]
fn rules_that_need_starvation_do_not_fire_with_flow() {
    for (rule, reason) in [
        (Rule::QualitySourceBudgetChoke, "lane_budget"),
        (Rule::ExcludedSymbolRotation, "excluded_symbol"),
        (Rule::SourceQosCapRebalance, "lane_cap"),
        (Rule::EdgeDeadlockRecovery, "edge_low"),
        (Rule::RelaxScoreMin, "score_min"),
        (Rule::RelaxSafeVolume, "volume_5m_low"),
        (Rule::RelaxEvLow, "ev_net_low"),
        (Rule::RelaxCooldown, "symbol_cooldown"),
        (Rule::RelaxTradeSizeMin, "min_trade_size"),
        (Rule::LowThroughputExpandTopn, "signal_age"),
        (Rule::DedupPressureRelax, "signal_dedup"),
    ] {
        assert_eq!(fires(rule, &[skips(reason, 500)]), Some(false), "{rule:?}");
    }
}

/// Rules whose other inputs decide: change and whether it fires.
#[test]
#[expect(clippy::too_many_lines, reason = "a table of rules")]
fn measured_inputs_fire_exactly_from_their_threshold() {
    let m = |value: Value| json!({"metrics": value});
    let knob = |value: Value| json!({"settings": value});
    let few = |raw: u64, buys: u64| json!({"metrics": {"buys_15m": buys, "opened": 1}, "funnel_15m": {"raw": raw, "pre": 1}});
    let stuck = |closed: u64, rate: f64, sum: f64| {
        json!({"metrics": {"closed_total": closed, "winrate_total_pct": rate,
            "realized_total": sum, "skips": {"edge_low": 24}}})
    };
    let bought = |a: u64, b: u64| json!({"metrics": {"buys_15m": a + b, "buy_symbols_15m": {"A": a, "B": b}}});
    let table: Vec<(Rule, Vec<Value>, bool)> = vec![
        (Rule::RouteFloorNormalize, vec![knob(json!({"funnel.watchlist_share_max": 0.02}))], false),
        (Rule::RouteFloorNormalize, vec![knob(json!({"funnel.watchlist_share_max": 0.01}))], true),
        (Rule::RouteFloorNormalize, vec![knob(json!({"funnel.non_watchlist_min": 7}))], true),
        (
            Rule::RouteFloorNormalize,
            vec![low(), knob(json!({"funnel.non_watchlist_min": 3}))],
            true,
        ),
        (Rule::RouteFloorNormalize, vec![knob(json!({"funnel.lane_cap_watchlist": 1}))], true),
        (Rule::FlowFloorGuard, vec![low()], true),
        (Rule::FeedStarvation, vec![low(), few(259, 1)], true),
        (Rule::FeedStarvation, vec![low(), few(260, 1)], false),
        (Rule::FeedStarvation, vec![low(), few(0, 1)], false),
        (Rule::FeedStarvation, vec![low(), few(259, 2)], false),
        // One of 33 opens, one of 34.
        (Rule::FeedStarvation, vec![low(), few(259, 2), m(json!({"selected": 33}))], false),
        (Rule::FeedStarvation, vec![low(), few(259, 2), m(json!({"selected": 34}))], true),
        (Rule::EdgeDeadlockRecovery, vec![low(), stuck(10, 29.9, 0.0)], false),
        (Rule::EdgeDeadlockRecovery, vec![low(), stuck(10, 30.0, -0.10)], true),
        (Rule::EdgeDeadlockRecovery, vec![low(), stuck(10, 30.0, -0.11)], false),
        (Rule::EdgeDeadlockRecovery, vec![low(), stuck(9, 0.0, -9.0)], true),
        (
            Rule::RelaxQualityConcentration,
            vec![m(json!({"opened": 0, "selected": 8, "drops_symbol_concentration": 12}))],
            true,
        ),
        (
            Rule::RelaxQualityConcentration,
            vec![m(json!({"opened": 0, "selected": 8, "drops_symbol_concentration": 11}))],
            false,
        ),
        (
            Rule::RelaxQualityConcentration,
            vec![m(json!({"opened": 0, "selected": 7, "drops_symbol_concentration": 12}))],
            false,
        ),
        (
            Rule::RelaxQualityConcentration,
            vec![m(json!({"opened": 1, "selected": 8, "drops_symbol_concentration": 12}))],
            false,
        ),
        (
            Rule::RecoverTighten,
            vec![m(json!({"selected": 24, "opened": 3, "closed_total": 8,
            "winrate_total_pct": 49.0}))],
            true,
        ),
        (
            Rule::RecoverTighten,
            vec![m(json!({"selected": 24, "opened": 3, "closed_total": 8,
            "winrate_total_pct": 50.0}))],
            false,
        ),
        (
            Rule::RecoverTighten,
            vec![m(json!({"selected": 23, "opened": 3, "closed_total": 8,
            "winrate_total_pct": 49.0}))],
            false,
        ),
        (
            Rule::RecoverTighten,
            vec![m(json!({"selected": 24, "opened": 3, "closed_total": 7,
            "winrate_total_pct": 49.0}))],
            false,
        ),
        (
            Rule::RecoverTighten,
            vec![
                skips("lane_route_prob", 5),
                m(json!({"selected": 24,
            "opened": 3, "closed_total": 8, "winrate_total_pct": 49.0})),
            ],
            false,
        ),
        (Rule::DiversityKpiPenalty, vec![bought(4, 0)], true),
        (Rule::DiversityKpiPenalty, vec![bought(3, 0)], false),
        (Rule::DiversityKpiPenalty, vec![bought(78, 22)], true),
        (Rule::DiversityKpiPenalty, vec![bought(77, 23)], false),
        (Rule::AntiConcentration, vec![bought(65, 35)], true),
        (Rule::AntiConcentration, vec![bought(64, 36)], false),
        (Rule::AntiConcentration, vec![bought(2, 0)], false),
        (Rule::AntiConcentration, vec![m(json!({"drops_symbol_concentration": 10}))], true),
        (Rule::AntiConcentration, vec![m(json!({"drops_symbol_concentration": 9}))], false),
        (Rule::SoftLeqStrictGuard, vec![knob(json!({"funnel.score_soft": 60}))], false),
        (Rule::SoftLeqStrictGuard, vec![knob(json!({"funnel.score_soft": 61}))], true),
        (
            Rule::LowWinrateTighten,
            vec![
                json!({"mode": "calm"}),
                m(json!({"closed_total": 3,
            "winrate_total_pct": 44.9})),
            ],
            true,
        ),
        (
            Rule::LowWinrateTighten,
            vec![
                json!({"mode": "calm"}),
                m(json!({"closed_total": 3,
            "winrate_total_pct": 45.0})),
            ],
            false,
        ),
        (
            Rule::LowWinrateTighten,
            vec![
                json!({"mode": "calm"}),
                m(json!({"closed_total": 2,
            "winrate_total_pct": 0.0})),
            ],
            false,
        ),
        (
            Rule::LowWinrateTighten,
            vec![m(json!({"closed_total": 3,
            "winrate_total_pct": 0.0}))],
            false,
        ),
        (
            Rule::BlacklistContain,
            vec![json!({"blacklist_15m": {"added": 12, "unique": 2,
            "top": [["AUSDT", 12]]}})],
            true,
        ),
        (
            Rule::BlacklistContain,
            vec![json!({"blacklist_15m": {"added": 11, "unique": 2,
            "top": [["AUSDT", 11]]}})],
            false,
        ),
        (
            Rule::BlacklistContain,
            vec![json!({"blacklist_15m": {"added": 12, "unique": 3,
            "top2_share": 0.89, "top": [["AUSDT", 12]]}})],
            false,
        ),
    ];
    for (rule, changes, expected) in table {
        assert_eq!(fires(rule, &changes), Some(expected), "{rule:?} {changes:?}");
    }
}

#[test]
fn the_correction_comes_back_only_where_the_operator_had_it() {
    let well = json!({"metrics": {"selected": 25, "opened": 3, "closed_total": 6,
        "winrate_total_pct": 35.0}});
    let of = |settings: Value, baseline: Value, change: Value| {
        let had = json!({"settings": settings, "baseline": baseline});
        fires(Rule::CalibrationReenable, &[well.clone(), had, change])
    };
    let (off, on) = (json!({"edge.calibration": false}), json!({"edge.calibration": true}));
    assert_eq!(of(off.clone(), on.clone(), json!({})), Some(true));
    assert_eq!(of(off.clone(), off.clone(), json!({})), Some(false));
    assert_eq!(of(on.clone(), on.clone(), json!({})), Some(false));
    for change in [
        json!({"metrics": {"opened": 2}}),
        json!({"metrics": {"selected": 38}}),
        json!({"metrics": {"closed_total": 5}}),
        json!({"metrics": {"winrate_total_pct": 34.9}}),
    ] {
        assert_eq!(of(off.clone(), on.clone(), change.clone()), Some(false), "{change}");
    }
}

#[test]
fn a_missing_input_is_unknown_and_fires_nothing() {
    let none = json!({"metrics": {"selected": null, "opened": null}});
    for rule in [Rule::RelaxScoreMin, Rule::EdgeDeadlockRecovery] {
        assert_eq!(
            fires(rule, &[none.clone(), skips("score_min", 9), skips("edge_low", 99)]),
            None
        );
    }
}

#[test]
fn risk_contains_in_its_phase_only() {
    let losing = json!({
        "exec_health_15m": {"closes": 6, "winrate_closed": 0.1},
        "exit_mix_60m": {"pnl_usd_sum": -1.0},
    });
    let of = |phase, change: &Value| alone(Rule::RiskContain, std::slice::from_ref(change), phase);
    assert_eq!(of(Phase::Tighten, &losing).0, Some(true));
    assert_eq!(of(Phase::Expand, &losing).0, Some(false));
    assert_eq!(of(Phase::Tighten, &json!({})).0, Some(false));
    assert_eq!(
        of(Phase::Tighten, &losing).1,
        [
            "policy.size_fraction 0.2 0.18",
            "memory.cooldown_s 300 320",
            "funnel.score_strict 60 61",
            "funnel.score_soft 55 56"
        ]
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of rules")]
fn every_rule_does_its_steps() {
    let locked = json!({"churn_15m": {"symbol": "AUSDT", "opens": 3, "closes": 2, "share": 0.65,
        "flat_share": 0.6, "churn_share": 0.5}});
    let seed_caps = json!({"settings": {"V2_SOURCE_QOS_SOURCE_CAPS": "watchlist:50"}});
    let table: &[(Rule, &[Value], &[&str])] = &[
        (Rule::RelaxScoreMin, &[low()], &["funnel.score_strict 60 58", "funnel.score_soft 55 53"]),
        (Rule::RelaxSafeVolume, &[low()], &["funnel.volume_5m_usd_min 100 99"]),
        (
            Rule::RelaxEvLow,
            &[low(), skips("ev_net_low", 5)],
            &["edge.percent_min 1 0.95", "edge.usd_min 0.01 0.009"],
        ),
        (
            Rule::RelaxEvLow,
            &[low(), skips("ev_net_low", 6)],
            &[
                "edge.percent_min 1 0.95",
                "edge.usd_min 0.01 0.009",
                "edge.net_usd_min 0.001 0.0006",
                "edge.probe_tolerance_usd 0.003 0.0035",
            ],
        ),
        (Rule::RelaxCooldown, &[low()], &["memory.cooldown_s 300 285"]),
        (
            Rule::RelaxTradeSizeMin,
            &[low()],
            &["funnel.core_trade_usd_min 0.45 0.4", "funnel.trade_usd_min 0.25 0.2"],
        ),
        (Rule::LowThroughputExpandTopn, &[low()], &["funnel.top_n 10 14"]),
        (
            Rule::DedupPressureRelax,
            &[low(), skips("signal_dedup", 23)],
            &["funnel.dedup_ttl_s 60 55", "funnel.symbol_cycle_max 5 6", "funnel.top_n 10 12"],
        ),
        (
            Rule::DedupPressureRelax,
            &[low(), skips("signal_dedup", 24)],
            &["funnel.dedup_ttl_s 60 0", "funnel.symbol_cycle_max 5 6", "funnel.top_n 10 12"],
        ),
        (
            Rule::RelaxQualityConcentration,
            &[],
            &["funnel.quality_share_max 0.1 0.12", "funnel.quality_symbol_cap 2 3"],
        ),
        (
            Rule::RecoverTighten,
            &[],
            &[
                "funnel.score_strict 60 61",
                "funnel.score_soft 55 56",
                "funnel.volume_5m_usd_min 100 101",
                "edge.percent_min 1 1.03",
                "edge.usd_min 0.01 0.0105",
            ],
        ),
        (Rule::LowWinrateTighten, &[], &["funnel.score_strict 60 61", "funnel.score_soft 55 56"]),
        (
            Rule::SoftLeqStrictGuard,
            &[json!({"settings": {"funnel.score_soft": 64}})],
            &["funnel.score_soft 64 60"],
        ),
        (
            Rule::DiversityKpiPenalty,
            &[],
            &[
                "funnel.watchlist_share_max 0.3 0.25",
                "funnel.non_watchlist_min 1 2",
                "funnel.lane_share_max 0.5 0.44",
                "funnel.novelty_share_min 0.3 0.36",
                "funnel.symbol_share_max 0.1 0.05",
                "funnel.symbol_cycle_max 5 4",
            ],
        ),
        (
            Rule::AntiConcentration,
            &[],
            &[
                "funnel.novelty_share_min 0.3 0.34",
                "funnel.symbol_share_max 0.1 0.07",
                "funnel.symbol_cycle_max 5 4",
                "memory.cooldown_s 300 320",
            ],
        ),
        (
            Rule::AntiConcentration,
            &[skips("symbol_cooldown", 1)],
            &[
                "funnel.novelty_share_min 0.3 0.34",
                "funnel.symbol_share_max 0.1 0.07",
                "funnel.symbol_cycle_max 5 4",
            ],
        ),
        (
            Rule::RoutePressure,
            &[seed_caps],
            &[
                "funnel.watchlist_share_max 0.3 0.25",
                "funnel.non_watchlist_min 1 2",
                "funnel.lane_share_max 0.5 0.46",
                "memory.lane_trades_min 8 10",
                "memory.lane_bad_probability 0.55 0.6",
                "memory.lane_severe_probability 0.35 0.42",
                "funnel.lane_cap_watchlist 50 40",
                "funnel.lane_cap_momentum 140 143",
                "funnel.lane_cap_mean_revert 140 143",
                "funnel.lane_cap_carry 120 122",
                "funnel.lane_cap_liquidation 120 122",
            ],
        ),
        (
            Rule::QualitySourceBudgetChoke,
            &[],
            &[
                "funnel.lane_budget true false",
                "funnel.watchlist_share_max 0.3 0.27",
                "funnel.non_watchlist_min 1 2",
            ],
        ),
        (
            Rule::ExcludedSymbolRotation,
            &[],
            &["funnel.watchlist_share_max 0.3 0.26", "funnel.non_watchlist_min 1 2"],
        ),
        (
            Rule::FeedStarvation,
            &[],
            &[
                "universe.signal_age_max_s 3600 4500",
                "universe.seen_ttl_s 21600 20700",
                "universe.watchlist_depth_usd_min 200000 180000",
                "universe.watchlist_adv_usd_min 500000 440000",
                "universe.watchlist_volume_5m_usd_min 500 460",
                "universe.watchlist_score_min 90 88",
            ],
        ),
        (
            Rule::SourceQosCapRebalance,
            &[skips("symbol_cap", 6)],
            &[
                "funnel.lane_cap_watchlist 50 54",
                "funnel.lane_cap_momentum 140 143",
                "funnel.lane_cap_mean_revert 140 143",
                "funnel.lane_cap_carry 120 123",
                "funnel.lane_cap_liquidation 120 123",
                "funnel.cycle_topk 220 256",
                "funnel.symbol_cycle_max 5 6",
                "funnel.non_watchlist_min 1 0",
            ],
        ),
        (
            Rule::EdgeDeadlockRecovery,
            &[low(), json!({"settings": {"edge.calibration": true}}), skips("edge_low", 159)],
            &[
                "edge.rolling_percent_min 0.35 0.3",
                "edge.rolling_usd_min 0.008 0.007",
                "edge.calibration_usd_min 0.01 0.009",
                "edge.calibration_volume_usd_min 20 12",
                "edge.net_usd_min 0.001 0.0005",
                "edge.probe_tolerance_usd 0.003 0.0038",
            ],
        ),
        (
            Rule::PeColdStartGuard,
            &[json!({"settings": {"edge.gate": true}})],
            &["edge.gate true false"],
        ),
        (Rule::CalibrationReenable, &[], &["edge.calibration false true"]),
        (
            Rule::FlowFloorGuard,
            &[
                low(),
                json!({"settings": {"funnel.watchlist_share_max": 0.01,
            "funnel.non_watchlist_min": 9, "funnel.lane_cap_watchlist": 1}}),
            ],
            &[
                "funnel.watchlist_share_max 0.01 0.08",
                "funnel.non_watchlist_min 9 2",
                "funnel.lane_cap_watchlist 1 8",
            ],
        ),
        (
            Rule::BlacklistContain,
            &[json!({"blacklist_15m": {"top": [["AUSDT", 9], ["B", 1],
            ["C", 1]]}})],
            &["universe.excluded  AUSDT,B"],
        ),
        (
            Rule::ChurnLock,
            &[locked],
            &[
                "universe.excluded  AUSDT",
                "funnel.novelty_share_min 0.3 0.34",
                "funnel.symbol_cycle_max 5 2",
                "memory.reentry_s 0 360",
                "funnel.non_watchlist_min 1 2",
                "funnel.lane_share_max 0.5 0.45",
                "memory.symbol_trades_min 4 6",
                "memory.symbol_bad_probability 0.72 0.6",
                "memory.symbol_severe_probability 0.42 0.32",
                "memory.lane_bad_probability 0.55 0.48",
                "memory.lane_severe_probability 0.35 0.28",
            ],
        ),
    ];
    for (rule, changes, expected) in table {
        assert_eq!(steps(*rule, changes), *expected, "{rule:?}");
    }
    let severe = steps(
        Rule::EdgeDeadlockRecovery,
        &[low(), json!({"settings": {"edge.calibration": true}}), skips("edge_low", 160)],
    );
    assert!(severe.contains(&"edge.calibration true false".to_owned()));
}

#[test]
fn every_rule_of_the_table_has_its_steps_tested_here() {
    // A new rule must be added to the tables above.
    assert_eq!(TABLE.len(), 26);
}
