//! The rows of `runtime_tuner.jsonl`: one a tick, with everything it was decided from, so that it can be
//! audited and decided again.

use std::collections::BTreeMap;

use pinion_core::settings::{KEYS, Settings, Writer};
use serde_json::{Value, json};

use crate::decide::{input, input_json, output, setting};
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
    /// Stream time, nanoseconds UTC.
    pub ts_ns: i64,
    /// What became of it.
    pub apply_state: ApplyState,
    /// Keys published and not yet in force by the kernel's word.
    pub pending: &'a [String],
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

/// The row of a tick.
#[must_use]
pub fn row(input: &Input, decision: &Decision, about: &About<'_>) -> Value {
    let (before, after) = (overrides(&input.settings), overrides(&decision.staged));
    let is_published = about.apply_state == ApplyState::WrittenHotApplied
        || about.apply_state == ApplyState::Written;
    let diff: BTreeMap<&String, [Option<&String>; 2]> = before
        .keys()
        .filter(|key| before.get(*key) != after.get(*key))
        .map(|key| (key, [before.get(key), after.get(key)]))
        .collect();
    let mut row = json!({
        "ts_ns": about.ts_ns,
        "profile_id": about.profile_id,
        "mode": input.mode.as_str(),
        "policy_phase": decision.phase.as_str(),
        "apply_state": about.apply_state.as_str(),
        "restarted": false,
        "tuner_effective": is_published && !diff.is_empty(),
        "records_missed": about.records_missed,
        "autobuy_total": input.telemetry.metrics.buys_15m,
        "unique_buy_symbols": input.telemetry.metrics.unique_symbols(),
        "top_buy_symbol_share": input.telemetry.metrics.top_share(),
        "run_tag": about.run_tag,
        "config_hash_before": hash(&before),
        "config_hash_after": hash(if is_published { &after } else { &before }),
        "config_diff": diff,
        "pending_hot_apply_diff_keys": about.pending,
        "pending_restart_diff_keys": [],
        "pending_runtime_diff_keys": about.pending,
        "decision": output(decision),
        "input": input_json(input),
    });
    row["decision_trace"] = row["decision"]["trace"].clone();
    row["rollback_triggered"] = decision.rollback.is_some().into();
    row
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
    let input = match row.get("input").map(|json| input(json, false)) {
        Some(Ok(input)) => input,
        Some(Err(fault)) => return Again::Unreadable(fault),
        None => return Again::Unreadable("it holds no input".to_owned()),
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
        self.effective_ticks += u64::from(row["tuner_effective"] == true);
        let share = row["input"]["blacklist_15m"]["share"].as_f64();
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
            "differing": self.differing,
            "counts": self.counts,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about() -> About<'static> {
        About {
            profile_id: "p",
            run_tag: "r",
            ts_ns: 1,
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
        changed["input"]["metrics"]["selected"] = 3.into();
        assert!(matches!(decide_again(&changed), Again::Differs(_)));
        changed["input"]["mode"] = "slow".into();
        assert!(matches!(decide_again(&changed), Again::Unreadable(_)));
        let mut audit = Audit::default();
        audit.add(1, &read);
        audit.add(2, &changed);
        assert_eq!((audit.ticks, audit.action_ticks, audit.differing.len()), (2, 2, 1));
    }
}
