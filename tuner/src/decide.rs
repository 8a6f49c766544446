//! `pinion tuner decide`: one JSON object in, one out. Also the form in which the log keeps a tick, so that
//! a row can be decided again.

use pinion_core::settings::{Key, Settings, Value as Setting};
use serde_json::{Map, Value, json};

use crate::policy::{Fails, Mode, Phase, TargetPolicy};
use crate::rules::{Action, Blocked};
use crate::stage::caps::Capped;
use crate::stage::rollback::Target;
use crate::state::State;
use crate::telemetry::{Funnel, Telemetry, TopReasons};
use crate::tick::{Decision, Input};

/// Blocks of the input that make up the telemetry.
const BLOCKS: [&str; 7] = [
    "metrics",
    "exec_health_15m",
    "exit_mix_60m",
    "blacklist_15m",
    "churn_15m",
    "funnel_15m",
    "top_reasons_15m",
];
const MEMBERS: [&str; 9] = [
    "mode",
    "now_s",
    "session_age_s",
    "policy",
    "forced_phase",
    "settings",
    "baseline",
    "state",
    "rollback_asked",
];

/// Reads the input of a what-if.
///
/// # Errors
/// The member that is unknown or misshapen, with what was expected.
pub fn input(json: &Value, strict_seed: bool) -> Result<Input, String> {
    let Value::Object(map) = json else { return Err("expected one JSON object".to_owned()) };
    if let Some(name) = map
        .keys()
        .find(|name| !BLOCKS.contains(&name.as_str()) && !MEMBERS.contains(&name.as_str()))
    {
        let known = [MEMBERS.as_slice(), BLOCKS.as_slice()].concat().join(", ");
        return Err(format!("{name}: unknown; expected {known}"));
    }
    let member = |name: &str| map.get(name).filter(|value| !value.is_null());
    let mode = choice(member("mode"), "mode", Mode::from_text, Mode::TEXTS)?;
    let forced_phase =
        choice(member("forced_phase"), "forced_phase", Phase::from_text, Phase::TEXTS)?;
    let rollback_asked =
        choice(member("rollback_asked"), "rollback_asked", Target::from_text, Target::TEXTS)?;
    let now_s = member("now_s").map_or(Ok(0), |value| {
        value
            .as_f64()
            .filter(|s| s.is_finite())
            .map(seconds)
            .ok_or_else(|| format!("now_s = {value}: expected seconds"))
    })?;
    let session_age_s = member("session_age_s").and_then(Value::as_u64);
    let policy = match member("policy") {
        None => TargetPolicy::default(),
        Some(Value::Object(knobs)) => {
            TargetPolicy::default().with(knobs).map_err(|fault| fault.to_string())?
        }
        Some(other) => return Err(format!("policy = {other}: expected an object of knobs")),
    };
    let settings = settings(member("settings"), "settings", &Settings::default())?;
    // What is not given is what the settings say: the operator is taken to want what is there.
    let baseline = self::settings(member("baseline"), "baseline", &settings)?;
    let state = member("state").map_or_else(|| Ok(State::default()), State::from_json)?;
    let mut blocks = Map::new();
    let mut unread = Vec::new();
    for name in BLOCKS {
        if let Some(block) = member(name) {
            blocks.insert(name.to_owned(), plain(name, block, &mut unread));
        }
    }
    let telemetry: Telemetry =
        serde_json::from_value(Value::Object(blocks)).map_err(|error| error.to_string())?;
    finite(&telemetry)?;
    Ok(Input {
        mode: mode.unwrap_or(Mode::Conveyor),
        now_s,
        session_age_s,
        policy,
        forced_phase,
        rollback_asked,
        settings,
        baseline,
        state,
        telemetry,
        strict_seed,
        unread,
    })
}

/// Members of a block by other names.
const OTHER_NAMES: [(&str, &str, &str); 17] = [
    ("exit_mix_60m", "total", "exits"),
    ("blacklist_15m", "exchange_status_share", "honeypot_share"),
    ("churn_15m", "top_symbol", "symbol"),
    ("churn_15m", "dominant_symbol", "symbol"),
    ("churn_15m", "open_count", "opens"),
    ("churn_15m", "symbol_opens", "opens"),
    ("churn_15m", "close_count", "closes"),
    ("churn_15m", "symbol_closes", "closes"),
    ("churn_15m", "open_share", "share"),
    ("churn_15m", "opens_share", "share"),
    ("churn_15m", "symbol_share", "share"),
    ("churn_15m", "flat_close_share", "flat_share"),
    ("churn_15m", "flat_closes_share", "flat_share"),
    ("churn_15m", "churn_close_share", "churn_share"),
    ("churn_15m", "churn_reason_share", "churn_share"),
    ("churn_15m", "churn_reason_close_share", "churn_share"),
    ("metrics", "opened_from_batch", "opened"),
];

/// A block by its own names, without what is absent in any of the usual spellings; a member that means
/// nothing goes to `unread`.
fn plain(name: &str, block: &Value, unread: &mut Vec<String>) -> Value {
    let Value::Object(map) = block else { return block.clone() };
    let known = serde_json::to_value(Telemetry {
        funnel_15m: Some(Funnel::default()),
        top_reasons_15m: Some(TopReasons::default()),
        ..Telemetry::default()
    })
    .unwrap_or_default();
    let mut own = Map::new();
    for (given, value) in map {
        let other = OTHER_NAMES.iter().find(|row| row.0 == name && row.1 == given);
        let own_name = other.map_or(given.as_str(), |row| row.2);
        if known[name].get(own_name).is_none() {
            unread.push(format!("{name}.{given}"));
        } else if !(value.is_null() || value == "N/A") {
            own.insert(own_name.to_owned(), whole(value));
        }
    }
    Value::Object(own)
}

/// 3.0 is 3: a count may come with a point.
fn whole(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            let text = number.to_string();
            let count = text.strip_suffix(".0").and_then(|digits| digits.parse::<u64>().ok());
            count.map_or_else(|| value.clone(), Value::from)
        }
        Value::Object(map) => {
            let known = map.iter().filter(|row| !row.1.is_null());
            known.map(|(name, value)| (name.clone(), whole(value))).collect()
        }
        _ => value.clone(),
    }
}

/// The same input as JSON: what the log keeps.
#[must_use]
pub fn input_json(input: &Input) -> Value {
    let mut out = json!({
        "mode": input.mode.as_str(),
        "now_s": input.now_s,
        "session_age_s": input.session_age_s,
        "policy": input.policy.to_json(),
        "settings": crate::log::tuner_settings(&input.settings),
        "baseline": crate::log::tuner_settings(&input.baseline),
        "state": input.state.to_json(),
    });
    if let Some(phase) = input.forced_phase {
        out["forced_phase"] = phase.as_str().into();
    }
    if let Some(target) = input.rollback_asked {
        out["rollback_asked"] = target.as_str().into();
    }
    // Plain data always serialises.
    if let Ok(Value::Object(blocks)) = serde_json::to_value(&input.telemetry)
        && let Value::Object(map) = &mut out
    {
        map.extend(blocks);
    }
    out
}

/// The decision as JSON.
#[must_use]
pub fn output(decision: &Decision) -> Value {
    json!({
        "phase": decision.phase.as_str(),
        "phase_reason": decision.phase_reason.as_str(),
        "fails": fails(&decision.fails),
        "effective_target_used": decision.effective_target,
        "target_adjustment": decision.adjustment.as_str(),
        "actions": decision.actions.iter().map(action).collect::<Value>(),
        "blocked_actions": decision.blocked.iter().map(blocked).collect::<Value>(),
        "capped_actions": decision.capped.iter().map(capped).collect::<Value>(),
        "rollback": decision.rollback.is_some(),
        "rollback_target": decision.rollback.as_ref().map(|way| way.target.as_str()),
        "rollback_target_hash": decision.rollback.as_ref().map(|way| way.target_hash.as_str()),
        "warmup_guard": decision.is_warming_up,
        "issues": decision.issues,
        "rule_hits": decision.rule_hits.iter().map(|rule| rule.as_str()).collect::<Value>(),
        "rules_without_input":
            decision.rules_without_input.iter().map(|rule| rule.as_str()).collect::<Value>(),
        "state": decision.state.to_json(),
        "trace": decision.trace,
    })
}

fn fails(fails: &Fails) -> Value {
    json!({
        "flow": fails.flow,
        "pre_risk": fails.pre_risk,
        "diversity": fails.diversity,
        "risk": fails.risk,
        "tail_loss": fails.tail_loss,
        "blacklist": fails.blacklist,
    })
}

/// The name of a key in the system that it comes from; null for a key of our own.
fn alias(name: &str) -> Value {
    Settings::key(name).and_then(|key| key.aliases.first()).map_or(Value::Null, |&name| name.into())
}

fn action(action: &Action) -> Value {
    json!({
        "key": action.key,
        "alias": alias(action.key),
        "from": setting(&action.from),
        "to": setting(&action.to),
        "rule": action.rule.as_str(),
        "family": action.family.as_str(),
        "reason": action.reason,
    })
}

fn blocked(blocked: &Blocked) -> Value {
    json!({"key": blocked.key, "blocked_by": blocked.blocked_by, "reason": blocked.reason})
}

fn capped(capped: &Capped) -> Value {
    json!({
        "key": capped.key,
        "alias": alias(capped.key),
        "from": setting(&capped.from),
        "requested": setting(&capped.requested),
        "applied": setting(&capped.applied),
    })
}

/// A value as JSON: numbers and switches as such, the rest as text.
#[must_use]
pub fn setting(value: &Setting) -> Value {
    match value {
        Setting::Int(whole) => (*whole).into(),
        Setting::Float(value) => (*value).into(),
        Setting::Bool(on) => (*on).into(),
        Setting::Decimal(_)
        | Setting::Choice(_)
        | Setting::Symbol(_)
        | Setting::Symbols(_)
        | Setting::Fractions(_)
        | Setting::Cores(_) => value.to_text().into(),
    }
}

fn choice<T>(
    value: Option<&Value>,
    name: &str,
    read: fn(&str) -> Option<T>,
    texts: &[&str],
) -> Result<Option<T>, String> {
    let Some(value) = value else { return Ok(None) };
    match value.as_str() {
        Some("auto") if name == "forced_phase" => Ok(None),
        text => text
            .and_then(read)
            .map(Some)
            .ok_or_else(|| format!("{name} = {value}: expected one of {}", texts.join(", "))),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "`as` saturates; a clock is far from its ends")]
fn seconds(value: f64) -> i64 {
    value.floor() as i64
}

/// Names of the lanes as caps list them: ours, and those of the system this one descends from.
const LANES: [(&str, &[&str]); 5] = [
    ("funnel.lane_cap_momentum", &["momentum", "onchain"]),
    ("funnel.lane_cap_mean_revert", &["mean_revert", "onchain+market"]),
    ("funnel.lane_cap_carry", &["carry", "dexscreener"]),
    ("funnel.lane_cap_liquidation", &["liquidation", "geckoterminal"]),
    ("funnel.lane_cap_watchlist", &["watchlist"]),
];

/// Hands each key that a name stands for to `take`, with its value as text; false for a name without a
/// meaning here. A list of lane caps is several keys.
pub fn each_key(name: &str, value: &Value, take: &mut dyn FnMut(&'static Key, &str)) -> bool {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if name.eq_ignore_ascii_case("V2_SOURCE_QOS_SOURCE_CAPS") {
        for pair in text.split(',') {
            let Some((lane, cap)) = pair.split_once(':') else { continue };
            let named = LANES.iter().find(|row| row.1.contains(&lane.trim()));
            if let Some(key) = named.and_then(|row| Settings::key(row.0)) {
                take(key, cap.trim());
            }
        }
        return true;
    }
    match Settings::key(name) {
        Some(key) => {
            take(key, &text);
            true
        }
        None => false,
    }
}

/// Keys of the system this one descends from that have no counterpart: read over.
const WITHOUT_MEANING: [&str; 6] = [
    "V2_UNIVERSE_SOURCE_CAPS",
    "WATCHLIST_REFRESH_SECONDS",
    "WATCHLIST_MAX_TOKENS",
    "PAPER_TRADE_SIZE_MAX_USD",
    "PAPER_TRADE_SIZE_MIN_USD",
    "PAPER_WATCHLIST_MIN_LIQUIDITY_USD",
];

/// Settings of a JSON object over those that are there. Ranges are not checked here: what is out of range
/// is an issue of the tick.
fn settings(value: Option<&Value>, what: &str, base: &Settings) -> Result<Settings, String> {
    let mut settings = base.clone();
    let Some(value) = value else { return Ok(settings) };
    let Value::Object(map) = value else {
        return Err(format!("{what} = {value}: expected an object of keys"));
    };
    for (name, value) in map {
        let mut fault = None;
        let known = each_key(name, value, &mut |key, text| match read_setting(key, text) {
            Ok(value) => drop((key.set)(&mut settings, &value)),
            Err(expected) => fault = Some(format!("{what}.{name} = {value}: expected {expected}")),
        });
        if let Some(fault) = fault {
            return Err(fault);
        }
        if !known && !WITHOUT_MEANING.contains(&name.as_str()) {
            return Err(format!("{what}.{name}: unknown; `pinion config keys` lists the keys"));
        }
    }
    Ok(settings)
}

/// A value in any usual spelling: 60.0 is a whole number.
fn read_setting(key: &Key, text: &str) -> Result<Setting, String> {
    let spelled = text.strip_suffix(".0").unwrap_or(text);
    let spelled = match text {
        "True" | "TRUE" => "true",
        "False" | "FALSE" => "false",
        _ => spelled,
    };
    Setting::parse(key.domain, spelled)
}

/// Refuses numbers that no measurement gives.
fn finite(telemetry: &Telemetry) -> Result<(), String> {
    let rates = [
        telemetry.exec_health_15m.open_rate,
        telemetry.exec_health_15m.winrate_closed,
        telemetry.blacklist_15m.share,
        telemetry.blacklist_15m.top2_share,
        telemetry.blacklist_15m.unknown_share,
        telemetry.blacklist_15m.honeypot_share,
        telemetry.churn_15m.share,
        telemetry.churn_15m.flat_share,
        telemetry.churn_15m.churn_share,
    ];
    let is_share = |rate: &crate::measure::Fraction| rate.0.is_finite() && rate.0 >= 0.0;
    if rates.iter().flatten().all(is_share) {
        Ok(())
    } else {
        Err("a share is negative or not a number: expected 0 or more, 1 is all".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_names_of_a_key_and_lists_of_caps_are_read() {
        let json = json!({"settings": {
            "MARKET_MODE_STRICT_SCORE": 60,
            "funnel.score_soft": "55",
            "V2_SOURCE_QOS_SOURCE_CAPS": "onchain:130,watchlist:40",
            "WATCHLIST_MAX_TOKENS": 30,
            "V2_CALIBRATION_ENABLED": "True",
        }});
        let input = input(&json, false).expect("reads");
        assert_eq!(input.settings.funnel_score_strict, 60);
        assert_eq!(input.settings.funnel_score_soft, 55);
        assert_eq!(input.settings.funnel_lane_cap_momentum, 130);
        assert_eq!(input.settings.funnel_lane_cap_watchlist, 40);
        assert!(input.settings.edge_calibration);
        assert_eq!(input.baseline, input.settings);
    }

    #[test]
    fn telemetry_is_read_in_its_usual_spellings_and_what_means_nothing_is_told() {
        let json = json!({
            "metrics": {"selected": 20.0, "opened": null, "buy_symbols_15m": null, "note": 1},
            "exit_mix_60m": {"total": 6, "tail_loss_ratio": "N/A"},
            "churn_15m": {"open_count": 3, "flat_close_share": 0.6},
        });
        let input = input(&json, false).expect("reads");
        let Telemetry { metrics, exit_mix_60m: exits, churn_15m: churn, .. } = &input.telemetry;
        assert_eq!((metrics.selected, metrics.opened), (Some(20), None));
        assert_eq!((exits.exits, exits.tail_loss_ratio), (Some(6), None));
        assert_eq!((churn.opens, churn.flat_share.map(|share| share.0)), (Some(3), Some(0.6)));
        assert_eq!(input.unread, ["metrics.note"]);
        let trace = crate::tick::decide(&input).trace;
        assert!(trace.iter().any(|line| line.contains("metrics.note")), "{trace:?}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, part) in [
            (json!([]), "one JSON object"),
            (json!({"modes": 1}), "modes: unknown"),
            (json!({"mode": "slow"}), "fast, conveyor, calm, sniper"),
            (json!({"settings": {"no.such": 1}}), "settings.no.such: unknown"),
            (json!({"settings": {"funnel.top_n": "x"}}), "a whole number from 8 to 80"),
            (json!({"policy": {"min_open_rate_15m": 2}}), "from 0 to 1"),
            (json!({"exec_health_15m": {"open_rate": -1}}), "negative"),
        ] {
            let fault = input(&json, false).expect_err(part);
            assert!(fault.contains(part), "{fault}");
        }
    }

    #[test]
    fn an_input_reads_back() {
        let json = json!({
            "mode": "calm", "now_s": 5, "forced_phase": "hold",
            "metrics": {"selected": 3, "skips": {"edge_low": 2}},
        });
        let first = input(&json, false).expect("reads");
        let again = input(&input_json(&first), false).expect("reads");
        assert_eq!(output(&crate::tick::decide(&first)), output(&crate::tick::decide(&again)));
        assert_eq!(again.telemetry, first.telemetry);
    }
}
