//! The rows of `runtime_tuner.jsonl`: one a tick, with everything it was decided from, so that it can be
//! audited and decided again.

use std::collections::BTreeMap;

use pinion_core::settings::{KEYS, Settings, Writer};
use serde_json::{Value, json};

use crate::decide::{input, input_json, output, setting};
use crate::measure::count;
use crate::stage::hash::{hash, overrides};
use crate::tick::{Decision, Input, decide};

pinion_core::text_enum! {
    /// What became of a tick's changes.
    pub enum ApplyState {
        /// There were none.
        Noop => "noop",
        /// Nothing was meant to be written.
        DryRun => "dry_run",
        /// The staged settings break the contract; nothing was written.
        ValidationFailed => "validation_failed",
        /// Written for the next run.
        Written => "written",
        /// Published to the running engine.
        WrittenHotApplied => "written_hot_applied",
        /// Not written: the file could not be.
        WriteFailed => "write_failed",
        /// Waits until nothing is open.
        RestartPendingDeferred => "restart_pending_deferred",
        /// The operator stopped the tuner; it only watches.
        Frozen => "frozen",
    }
}

/// What a row tells beside the tick itself.
#[derive(Clone, Debug)]
pub struct About<'a> {
    /// Names the tuner's run.
    pub profile_id: &'a str,
    /// Names the run that is tuned.
    pub run_tag: &'a str,
    /// Names the build, where it was told its commit.
    pub commit_hash: Option<&'a str>,
    /// Stream time, nanoseconds UTC.
    pub ts_ns: i64,
    /// The same as text, RFC 3339.
    pub ts: String,
    /// Minutes of the session's counts.
    pub window_minutes: i64,
    /// What became of it.
    pub apply_state: ApplyState,
    /// Keys published and not yet in force by the kernel's word.
    pub pending: &'a [String],
    /// Version of the settings in force by that word; none beside a run.
    pub version: Option<u32>,
    /// Records that the tuner could not keep up with.
    pub records_missed: u64,
}

/// Values of the keys that the tuner may write, as JSON.
#[must_use]
pub fn tuner_settings(settings: &Settings) -> Value {
    KEYS.iter()
        .filter(|key| key.writer == Writer::Tuner || is_related(key.name))
        .map(|key| (key.name.to_owned(), setting(&(key.get)(settings))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Keys of the operator that the relations of the contract look at beside the tuner's.
fn is_related(name: &str) -> bool {
    matches!(
        name,
        "policy.vel_div_extreme"
            | "router.style"
            | "cap.orders_per_minute_max"
            | "cap.orders_per_second_max"
    )
}

/// Blocks of the telemetry: the input's name, the row's name.
const BLOCKS: [(&str, &str); 6] = [
    ("funnel_15m", "funnel_15m"),
    ("top_reasons_15m", "top_reasons_15m"),
    ("exec_health_15m", "exec_health_15m"),
    ("exit_mix_60m", "exit_mix_60m"),
    ("blacklist_15m", "blacklist_forensics_15m"),
    ("churn_15m", "symbol_churn_15m"),
];

/// The row of a tick. What was measured stands once, in `metrics` and `telemetry_v2`; the rest of what the
/// tick was decided from in `input`; everything that was decided in `decision`.
#[must_use]
pub fn row(input: &Input, decision: &Decision, about: &About<'_>) -> Value {
    let mut rest = input_json(input);
    let mut take = |name: &str| rest.as_object_mut().and_then(|map| map.remove(name));
    let metrics = take("metrics");
    let blocks: Vec<(&str, Option<Value>)> =
        BLOCKS.iter().map(|(given, told)| (*told, take(given))).collect();
    let seen = &input.telemetry.metrics;
    let decided = output(decision);
    let mut row = json!({
        "ts": about.ts,
        "ts_ns": about.ts_ns,
        "profile_id": about.profile_id,
        "run_tag": about.run_tag,
        "mode": input.mode.as_str(),
        "policy_phase": decision.phase.as_str(),
        "session": {"run_tag": about.run_tag, "age_s": input.session_age_s},
        "window_minutes": about.window_minutes,
        "metrics": metrics,
        "autobuy_total": seen.buys_15m,
        "unique_buy_symbols": seen.unique_symbols(),
        "top_buy_symbol_share": seen.top_share(),
        "actions": decision.actions.iter().map(|action| json!({
            "key": action.key, "old": setting(&action.from), "new": setting(&action.to),
            "reason": action.reason,
        })).collect::<Value>(),
        "blocked_actions": decided["blocked_actions"],
        "delta_capped_actions": decision.capped.iter().map(|capped| json!({
            "key": capped.key, "old": setting(&capped.from),
            "requested": setting(&capped.requested), "applied": setting(&capped.applied),
        })).collect::<Value>(),
        "rollback_triggered": decision.rollback.is_some(),
        "apply_state": about.apply_state.as_str(),
        "issues": decision.issues,
        // Settings come into force in the running engine: nothing is ever restarted.
        "restarted": false,
        "restart_tail": "",
        "decision_trace": decision.trace,
        "decision_meta": meta(input, decision, about),
        "telemetry_v2": telemetry(input, decision, about),
        "records_missed": about.records_missed,
        "input": rest,
        "decision": decided,
    });
    for (name, block) in blocks {
        row["telemetry_v2"][name] = block.unwrap_or_default();
    }
    row
}

fn meta(input: &Input, decision: &Decision, about: &About<'_>) -> Value {
    let mut hits: BTreeMap<&str, u64> = BTreeMap::new();
    for rule in &decision.rule_hits {
        *hits.entry(rule.as_str()).or_default() += 1;
    }
    let over = decision.blocked.iter().filter(|row| row.blocked_by.starts_with("action_budget"));
    let lock = &decision.state.lock;
    json!({
        "rule_hits": hits,
        "policy": {
            "phase": decision.phase.as_str(),
            "reason": decision.phase_reason.as_str(),
            "degrade_streak_before": input.state.degrade_streak,
            "degrade_streak_after": decision.state.degrade_streak,
        },
        "runtime_apply": {"version_in_force": about.version, "pending": about.pending},
        "churn_lock": {
            "active": lock.symbol.is_some(),
            "symbol": lock.symbol,
            "remaining_s": lock.symbol.as_ref().map(|_| lock.until_s.saturating_sub(input.now_s)),
        },
        "warmup_guard": decision.is_warming_up,
        "rollback_target_hash": decision.rollback.as_ref().map(|way| way.target_hash.as_str()),
        "trimmed_actions": over.count(),
    })
}

/// All of `telemetry_v2` but its measured blocks.
fn telemetry(input: &Input, decision: &Decision, about: &About<'_>) -> Value {
    let (before, after) = (overrides(&input.settings), overrides(&decision.staged));
    let is_published = about.apply_state == ApplyState::WrittenHotApplied
        || about.apply_state == ApplyState::Written;
    let diff: BTreeMap<&String, [Option<&String>; 2]> = before
        .keys()
        .filter(|key| before.get(*key) != after.get(*key))
        .map(|key| (key, [before.get(key), after.get(key)]))
        .collect();
    json!({
        "run_tag": about.run_tag,
        "commit_hash": about.commit_hash,
        "config_hash_before": hash(&before),
        "config_hash_after": hash(if is_published { &after } else { &before }),
        "config_diff": diff,
        // A lock excludes without being part of what is hashed.
        "tuner_effective": is_published && decision.staged != input.settings,
        "pending_hot_apply_diff_keys": about.pending,
        "pending_restart_diff_keys": [],
        "pending_runtime_diff_keys": about.pending,
        "policy_phase": decision.phase.as_str(),
        "policy_snapshot": {
            "adaptive_target_pre": {
                "stored": input.state.target.stored,
                "used": decision.effective_target,
            },
            "adaptive_target_post": {
                "stored": decision.state.target.stored,
                "adjustment": decision.adjustment.as_str(),
                "stable_ticks": decision.state.target.stable_ticks,
                "fail_ticks": decision.state.target.fail_ticks,
            },
            "target": input.policy.to_json(),
        },
    })
}

/// What a recorded tick was decided from, as one object again; null for a row that is none.
#[must_use]
pub fn recorded_input(row: &Value) -> Value {
    let mut json = row["input"].clone();
    if let Value::Object(map) = &mut json {
        map.insert("metrics".to_owned(), row["metrics"].clone());
        for (given, told) in BLOCKS {
            map.insert(given.to_owned(), row["telemetry_v2"][told].clone());
        }
    }
    json
}

/// What deciding a recorded row again came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Again {
    /// The same.
    Same,
    /// Something else: the member, then and now.
    Differs(String),
    /// The row cannot be read.
    Unreadable(String),
}

/// Decides a row again and compares phase, actions, blocked actions, issues and state.
#[must_use]
pub fn decide_again(row: &Value) -> Again {
    if row.get("input").is_none() {
        return Again::Unreadable("it holds no input".to_owned());
    }
    let input = match input(&recorded_input(row), false) {
        Ok(input) => input,
        Err(fault) => return Again::Unreadable(fault),
    };
    // Through the text, as the row went: the last digit of a float is told by it.
    let now: Value = serde_json::from_str(&output(&decide(&input)).to_string()).unwrap_or_default();
    let then = &row["decision"];
    for member in
        ["phase", "phase_reason", "fails", "actions", "blocked_actions", "issues", "state"]
    {
        if then[member] != now[member] {
            return Again::Differs(format!("{member}: {} then, {} now", then[member], now[member]));
        }
    }
    Again::Same
}

/// One line for people.
#[must_use]
pub fn console(input: &Input, decision: &Decision, apply_state: ApplyState) -> String {
    let metrics = &input.telemetry.metrics;
    let known = |n: Option<u64>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
    let mut line = format!(
        "tick {} phase={} ({}) scanned={} candidates={} selected={} opened={} {}",
        input.now_s,
        decision.phase.as_str(),
        decision.phase_reason.as_str(),
        known(metrics.scanned),
        known(metrics.trade_candidates),
        known(metrics.selected),
        known(metrics.opened),
        apply_state.as_str()
    );
    for action in &decision.actions {
        line.push_str(&format!(
            " | {} {} -> {} [{}]",
            action.key,
            action.from.to_text(),
            action.to.to_text(),
            action.rule.as_str()
        ));
    }
    line
}

/// Counts over recorded rows: the audit that `replay` prints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Rows.
    pub ticks: u64,
    /// Rows with changes.
    pub action_ticks: u64,
    /// Rows with a rollback.
    pub rollback_ticks: u64,
    /// Rows that changed the settings.
    pub effective_ticks: u64,
    /// Rows with a blacklist share of 0.40 and more.
    pub blacklist_pressure_ticks: u64,
    /// Rows that were decided differently now, with the first words on each.
    pub differing: Vec<String>,
    /// Candidates and entries of the rows that know them: rows, raw, buy.
    pub funnel: (u64, u64, u64),
    /// Counts by name.
    pub counts: BTreeMap<&'static str, BTreeMap<String, u64>>,
}

impl Audit {
    /// Adds a row; `number` is its line.
    pub fn add(&mut self, number: usize, row: &Value) {
        self.ticks += 1;
        let decision = &row["decision"];
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let actions = list(&decision["actions"]);
        self.action_ticks += u64::from(!actions.is_empty());
        self.rollback_ticks += u64::from(decision["rollback"] == true);
        self.effective_ticks += u64::from(row["telemetry_v2"]["tuner_effective"] == true);
        let share = row["telemetry_v2"]["blacklist_forensics_15m"]["share"].as_f64();
        self.blacklist_pressure_ticks += u64::from(share.is_some_and(|share| share >= 0.40));
        self.count("apply_states", &row["apply_state"]);
        self.count("policy_phases", &decision["phase"]);
        for action in &actions {
            self.count("top_action_keys", &action["key"]);
            self.count("top_action_rules", &action["rule"]);
        }
        for blocked in list(&decision["blocked_actions"]) {
            self.count("blocked_action_keys", &blocked["key"]);
            self.count("blocked_by", &blocked["blocked_by"]);
        }
        for rule in list(&decision["rule_hits"]) {
            self.count("rule_hits", &rule);
        }
        for skip in list(&row["telemetry_v2"]["top_reasons_15m"]["plan_skip"]).iter().take(3) {
            let name = skip[0].as_str().unwrap_or("?").to_owned();
            *self.counts.entry("top_plan_skip_reasons").or_default().entry(name).or_default() +=
                skip[1].as_u64().unwrap_or(0);
        }
        let funnel = &row["telemetry_v2"]["funnel_15m"];
        if let (Some(raw), Some(buy)) = (funnel["raw"].as_u64(), funnel["buy"].as_u64()) {
            let (rows, raw_sum, buy_sum) = self.funnel;
            self.funnel = (rows + 1, raw_sum.saturating_add(raw), buy_sum.saturating_add(buy));
        }
        match decide_again(row) {
            Again::Same => {}
            Again::Differs(what) => self.differing.push(format!("row {number}: {what}")),
            Again::Unreadable(what) => self.differing.push(format!("row {number}: {what}")),
        }
    }

    fn count(&mut self, of: &'static str, value: &Value) {
        let name = value.as_str().unwrap_or("?").to_owned();
        *self.counts.entry(of).or_default().entry(name).or_default() += 1;
    }

    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "ticks": self.ticks,
            "action_ticks": self.action_ticks,
            "rollback_ticks": self.rollback_ticks,
            "effective_ticks": self.effective_ticks,
            "blacklist_pressure_ticks": self.blacklist_pressure_ticks,
            "funnel_raw_mean": mean(self.funnel.1, self.funnel.0),
            "funnel_buy_mean": mean(self.funnel.2, self.funnel.0),
            "differing": self.differing,
            "counts": self.counts,
        })
    }
}

fn mean(sum: u64, rows: u64) -> Option<f64> {
    (rows > 0).then(|| count(sum) / count(rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about() -> About<'static> {
        About {
            profile_id: "p",
            run_tag: "r",
            commit_hash: None,
            ts_ns: 1,
            ts: "1970-01-01T00:00:00.000000001Z".to_owned(),
            window_minutes: 12,
            version: Some(1),
            apply_state: ApplyState::DryRun,
            pending: &[],
            records_missed: 0,
        }
    }

    #[test]
    fn a_row_decides_to_itself_and_a_changed_one_does_not() {
        let json = json!({"now_s": 7, "metrics": {
            "selected": 20, "opened": 0, "buys_15m": 0, "filter_fails": {"score_min": 3}}});
        let input = input(&json, false).expect("reads");
        let decision = decide(&input);
        assert!(!decision.actions.is_empty());
        let row = row(&input, &decision, &about());
        let read: Value = serde_json::from_str(&row.to_string()).expect("one line");
        assert_eq!(decide_again(&read), Again::Same);
        let mut changed = read.clone();
        changed["metrics"]["selected"] = 3.into();
        assert!(matches!(decide_again(&changed), Again::Differs(_)));
        changed["input"]["mode"] = "slow".into();
        assert!(matches!(decide_again(&changed), Again::Unreadable(_)));
        let mut audit = Audit::default();
        audit.add(1, &read);
        audit.add(2, &changed);
        assert_eq!((audit.ticks, audit.action_ticks, audit.differing.len()), (2, 2, 1));
    }
}
