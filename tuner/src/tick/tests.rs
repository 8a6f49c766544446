use super::*;
use crate::decide;
use pinion_core::settings::Value;
use serde_json::json;

/// Starved: twenty selected, none opened, scores refuse.
fn starved() -> serde_json::Value {
    json!({
        "mode": "conveyor", "now_s": 10_000,
        "state": {"last_phase": "expand", "effective_target_trades_per_hour": 4.0},
        "metrics": {
            "selected": 20, "opened": 0, "scanned": 300, "lines": 500, "open_positions": 0,
            "closed_total": 0, "realized_total": 0.0, "buys_15m": 0,
            "filter_fails": {"score_min": 30},
        },
        "exec_health_15m": {
            "plan_attempts": 20, "opens": 0, "closes": 0, "open_rate": 0.0,
            "route_fails": 0, "buy_fails": 0, "sell_fails": 0,
        },
        "exit_mix_60m": {"exits": 0, "pnl_usd_sum": 0.0},
        "blacklist_15m": {
            "share": 0.0, "added": 0, "unique": 0,
            "top2_share": 0.0, "unknown_share": 0.0, "honeypot_share": 0.0,
        },
    })
}

fn with(mut base: serde_json::Value, change: &serde_json::Value) -> serde_json::Value {
    fn merge(into: &mut serde_json::Value, from: &serde_json::Value) {
        match (into, from) {
            (serde_json::Value::Object(into), serde_json::Value::Object(from)) => {
                for (name, value) in from {
                    merge(into.entry(name.clone()).or_insert(serde_json::Value::Null), value);
                }
            }
            (into, from) => *into = from.clone(),
        }
    }
    merge(&mut base, change);
    base
}

fn tick(json: &serde_json::Value, strict: bool) -> Decision {
    decide(&decide::input(json, strict).expect("reads"))
}

/// Losing with flow, for a tightening.
fn losing() -> serde_json::Value {
    with(
        starved(),
        &json!({
            "metrics": {"opened": 4, "buys_15m": 4, "open_positions": 1, "closed_total": 12,
                "winrate_total_pct": 20.0, "realized_total": -5.0,
                "buy_symbols_15m": {"A": 2, "B": 2}},
            "exec_health_15m": {"opens": 4, "closes": 8, "open_rate": 0.2, "winrate_closed": 0.2},
            "exit_mix_60m": {"exits": 8, "pnl_usd_sum": -5.0, "tail_loss_ratio": 2.0},
        }),
    )
}

#[test]
fn a_starved_flow_is_relaxed_within_the_caps() {
    for strict in [false, true] {
        let decision = tick(&starved(), strict);
        assert_eq!(decision.phase, Phase::Expand);
        let to = |key: &str| decision.actions.iter().find(|a| a.key == key).map(|a| a.to.clone());
        assert_eq!(to("funnel.score_soft"), Some(Value::Int(68)), "{strict}");
        assert!(decision.issues.is_empty());
        assert_eq!(decision.staged.funnel_score_soft, 68);
    }
    // Conveyor: 78 is clamped to 75, then capped to a step of 2.
    let own = tick(&starved(), false);
    assert_eq!(own.capped[0].requested, Value::Int(75));
    assert_eq!(own.staged.funnel_score_strict, 76);
}

#[test]
fn nothing_is_done_without_metrics() {
    let blank = json!({"metrics": {"selected": 0, "scanned": 0, "lines": 0}});
    for json in [blank, json!({})] {
        let decision = tick(&json, false);
        assert!(decision.actions.is_empty(), "{:?}", decision.actions);
        assert!(decision.trace.iter().any(|line| line.contains("no metrics")));
        assert!(!decision.is_publishable());
    }
}

#[test]
fn every_single_missing_input_is_survived_and_never_relaxes_a_risk() {
    for base in [starved(), losing()] {
        for block in ["metrics", "exec_health_15m", "exit_mix_60m", "blacklist_15m"] {
            let names: Vec<String> =
                base[block].as_object().expect("a block").keys().cloned().collect();
            for name in names {
                let mut json = base.clone();
                json[block].as_object_mut().expect("a block").remove(&name);
                let decision = tick(&json, false);
                assert!(decision.issues.is_empty(), "{block}.{name}");
                if decision.fails.is_risky() && decision.phase_reason != PhaseReason::RecoveryUnlock
                {
                    let relaxing = |a: &Action| a.direction() == crate::traits::Direction::Relax;
                    assert!(!decision.actions.iter().any(relaxing), "{block}.{name}");
                }
            }
        }
    }
}

#[test]
fn losing_tightens_for_real_even_with_thin_flow() {
    let decision = tick(&losing(), false);
    assert_eq!(decision.phase, Phase::Tighten);
    assert!(decision.rule_hits.contains(&Rule::RiskContain));
    assert!(decision.staged.policy_size_fraction < 0.2);
    let seed = tick(&losing(), true);
    assert!(seed.actions.iter().all(|a| a.direction() != crate::traits::Direction::Tighten));
}

#[test]
fn rollback_comes_at_the_streak_and_not_before() {
    let of = |streak: u64, strict| {
        let json = with(
            losing(),
            &json!({
                "settings": {"funnel.top_n": 40},
                "baseline": {"funnel.top_n": 10},
                "state": {"degrade_streak": streak, "stable_overrides": {"AUTO_TRADE_TOP_N": "12"}},
            }),
        );
        tick(&json, strict)
    };
    for strict in [false, true] {
        assert!(of(1, strict).rollback.is_none());
        for streak in [2, 3] {
            let decision = of(streak, strict);
            assert_eq!(decision.rollback.as_ref().map(|way| way.target), Some(Target::Stable));
            assert_eq!(decision.staged.funnel_top_n, 34, "a step at a time");
        }
    }
}

#[test]
fn warming_up_changes_nothing_and_is_not_blamed() {
    let json = with(
        losing(),
        &json!({"session_age_s": 179, "metrics": {"lines": 119}, "state": {"degrade_streak": 1}}),
    );
    let decision = tick(&json, false);
    assert!(decision.is_warming_up && decision.actions.is_empty());
    assert_eq!(decision.state.degrade_streak, 1);
    assert_eq!(tick(&json, true).state.degrade_streak, 2);
    for (age, lines, scanned) in [(180, 0, 0), (179, 120, 30)] {
        let change = json!({
            "session_age_s": age, "metrics": {"lines": lines, "scanned": scanned},
        });
        assert!(!tick(&with(json.clone(), &change), false).is_warming_up);
    }
}

#[test]
fn five_hundred_starved_ticks_stay_near_the_baseline_and_health_leads_home() {
    let mut json = starved();
    json["baseline"] = json!({});
    let mut input = decide::input(&json, false).expect("reads");
    input.baseline = Settings::default();
    for _ in 0..500 {
        let decision = decide(&input);
        assert!(decision.issues.is_empty(), "{:?}", decision.issues);
        input.settings = decision.staged;
        input.state = decision.state;
        input.now_s += 120;
    }
    let drifted = tunable().filter(|key| {
        let value = |s: &Settings| read(key, s).expect("a number");
        let far = value(&input.settings).abs_diff(value(&input.baseline));
        let most = crate::stage::caps::drift_bound(key).map_or(u64::MAX, i64::unsigned_abs);
        assert!(far <= most, "{}", key.name);
        far > 0
    });
    assert!(drifted.count() > 0);
    let healthy = with(
        losing(),
        &json!({
            "metrics": {"closed_total": 12, "winrate_total_pct": 60.0, "realized_total": 5.0},
            "exec_health_15m": {"winrate_closed": 0.6, "roundtrip_loss_median_pct": -0.1},
            "exit_mix_60m": {"pnl_usd_sum": 5.0},
        }),
    );
    input.telemetry = decide::input(&healthy, false).expect("reads").telemetry;
    input.telemetry.metrics.filter_fails.clear();
    for _ in 0..500 {
        let decision = decide(&input);
        input.settings = decision.staged;
        input.state = decision.state;
        input.now_s += 120;
    }
    assert_eq!(overrides(&input.settings), overrides(&input.baseline));
}

#[test]
fn the_original_never_comes_home() {
    let mut input = decide::input(&starved(), true).expect("reads");
    input.baseline = Settings::default();
    for _ in 0..100 {
        let decision = decide(&input);
        input.settings = decision.staged;
        input.state = decision.state;
    }
    assert_eq!((input.settings.funnel_score_strict, input.settings.funnel_score_soft), (35, 30));
}

#[test]
fn a_rule_at_rest_does_not_fire() {
    let rest = json!({"rule": "relax_score_min", "until_s": 10_001, "evidence": "worse"});
    let json = with(starved(), &json!({"state": {"resting_rules": [rest]}}));
    assert!(!tick(&json, false).rule_hits.contains(&Rule::RelaxScoreMin));
    let later = with(json, &json!({"now_s": 10_001}));
    assert!(tick(&later, false).rule_hits.contains(&Rule::RelaxScoreMin));
}

#[test]
fn a_lock_excludes_and_is_no_part_of_the_snapshot() {
    let json = with(
        starved(),
        &json!({
            "forced_phase": "hold",
            "metrics": {"opened": 2, "selected": 20},
            "churn_15m": {"symbol": "FETUSDT", "opens": 4, "closes": 4, "share": 0.8,
                "flat_share": 0.8, "churn_share": 0.6},
        }),
    );
    let decision = tick(&json, false);
    assert_eq!(decision.state.lock.symbol.as_deref(), Some("FETUSDT"));
    assert_eq!(decision.state.lock.until_s, 11_800);
    assert_eq!(decision.staged.universe_excluded.len(), 1);
    assert!(!decision.state.stable_overrides.contains_key("universe.excluded"));
}

#[test]
fn the_same_input_gives_the_same_words() {
    let all = |strict| decide::output(&tick(&losing(), strict)).to_string();
    assert_eq!(all(false), all(false));
    assert_ne!(all(false), all(true));
}

#[test]
fn the_operators_rollback_is_whole_and_at_once() {
    let of = |target: &str, change: &serde_json::Value| {
        let json = json!({
            "rollback_asked": target,
            "settings": {"funnel.top_n": 40, "funnel.cycle_topk": 500},
            "baseline": {"funnel.top_n": 10, "funnel.cycle_topk": 220},
            "state": {"stable_overrides": {"AUTO_TRADE_TOP_N": "12"}},
        });
        tick(&with(with(starved(), &json), change), false)
    };
    let decision = of("baseline", &json!({}));
    assert_eq!((decision.staged.funnel_top_n, decision.staged.funnel_cycle_topk), (10, 220));
    assert!(decision.actions.iter().all(|a| a.rule == Rule::OperatorRollback));
    assert_eq!(decision.rollback.map(|way| way.target), Some(Target::Baseline));
    let decision = of("stable", &json!({"session_age_s": 10, "metrics": {"lines": 1}}));
    assert_eq!(decision.staged.funnel_top_n, 12, "in a young session too");
    let decision = of("stable", &json!({"state": {"stable_overrides": null}}));
    assert!(decision.rollback.is_none() && !decision.actions.is_empty(), "never taken: goes on");
}

#[test]
fn the_first_target_is_told_and_kept() {
    let json = with(
        starved(),
        &json!({"state": {"effective_target_trades_per_hour": null},
        "metrics": {"buys_15m": 2, "buy_symbols_15m": {"A": 1, "B": 1}}}),
    );
    for (strict, fate, stored) in [(false, "stored", 9.5), (true, "forgotten", 4.0)] {
        let decision = tick(&json, strict);
        let told = decision.trace.iter().any(|line| line.contains("9.50") && line.contains(fate));
        assert!(told, "{:?}", decision.trace);
        assert_eq!(decision.state.target.stored, Some(stored));
    }
}
