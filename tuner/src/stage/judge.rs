//! Judgement: after a while every change is held against what it was made for, and taken back when it did
//! the opposite. The rule that made it rests then, with the evidence kept.

use pinion_core::settings::{Settings, Value};
use serde::{Deserialize, Serialize};

use crate::measure::count;
use crate::policy::TargetPolicy;
use crate::rules::{Action, Family, Rule};
use crate::telemetry::Telemetry;

/// The window that shows what a change did must have begun after it.
pub const SETTLING_S: i64 = 900;
/// How long a rule rests whose change made things worse.
pub const REST_S: i64 = 3_600;
/// Changes under judgement at a time, at most: one of every rule.
const TRIALS_MAX: usize = Rule::ALL.len();

pinion_core::text_enum! {
    /// What a rule is meant to move.
    pub enum Metric {
        /// Entries an hour: more is better.
        TradesPerHour => "trades_per_hour",
        /// Result of an hour: more is better.
        PnlPerHour => "pnl_per_hour_usd",
        /// Share of the asset entered most: less is better.
        TopShare => "top_symbol_share",
    }
}

impl Metric {
    /// What a rule is meant to move.
    #[must_use]
    pub const fn of(rule: Rule, family: Family) -> Self {
        match (rule, family) {
            (Rule::DiversityKpiPenalty | Rule::AntiConcentration | Rule::ChurnLock, _) => {
                Self::TopShare
            }
            (_, Family::Tighten | Family::Force) => Self::PnlPerHour,
            (_, Family::Expand | Family::Neutral) => Self::TradesPerHour,
        }
    }

    /// Its value now; unknown when it was not measured.
    #[must_use]
    pub fn read(self, telemetry: &Telemetry) -> Option<f64> {
        match self {
            Self::TradesPerHour => telemetry.metrics.observed_tph(),
            Self::PnlPerHour => telemetry.exit_mix_60m.pnl_usd_sum,
            Self::TopShare => telemetry.metrics.top_share().map(|share| share.0),
        }
    }

    /// Clearly worse than before: by a quarter, and by more than noise.
    #[must_use]
    pub fn is_worse(self, before: f64, after: f64, policy: &TargetPolicy) -> bool {
        let quarter = before.abs() / 4.0;
        match self {
            Self::TradesPerHour => after < before - quarter.max(count(4)),
            Self::PnlPerHour => after < before - quarter.max(policy.target_pnl_per_hour_usd.abs()),
            Self::TopShare => after > before + 0.1,
        }
    }
}

/// A change under judgement. Keys and values are texts, as in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The rule that made it.
    pub rule: String,
    /// What it is meant to move.
    pub metric: String,
    /// That, before.
    pub before: Option<f64>,
    /// Result of an hour, before: no change may cost that.
    pub pnl_before: Option<f64>,
    /// When the first of its changes was made.
    pub since_s: i64,
    /// Its changes: key, value before, value after.
    pub changes: Vec<(String, String, String)>,
}

/// A rule at rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    /// Which.
    pub rule: String,
    /// Until when.
    pub until_s: i64,
    /// What its last change did.
    pub evidence: String,
}

/// What came of the trials that were due.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Changes taken back.
    pub reverts: Vec<Action>,
    /// Rules that rest now.
    pub rests: Vec<Rest>,
    /// Trials that go on.
    pub pending: Vec<Trial>,
    /// In words.
    pub trace: Vec<String>,
}

/// Judges the trials whose time has come. While `is_risky`, nothing is taken back that would relax; such a
/// trial goes on.
#[must_use]
pub fn judge(
    trials: &[Trial],
    settings: &Settings,
    telemetry: &Telemetry,
    policy: &TargetPolicy,
    now_s: i64,
    is_risky: bool,
) -> Verdict {
    let mut verdict = Verdict::default();
    for trial in trials {
        if now_s.saturating_sub(trial.since_s) < SETTLING_S {
            verdict.pending.push(trial.clone());
            continue;
        }
        let Some(evidence) = worse(trial, telemetry, policy) else {
            verdict.trace.push(format!("judged {}: not worse", trial.rule));
            continue;
        };
        let reverts = reverts(trial, settings, &evidence);
        let relaxes =
            reverts.iter().any(|action| action.direction() == crate::traits::Direction::Relax);
        if is_risky && relaxes {
            verdict.pending.push(trial.clone());
            continue;
        }
        verdict.trace.push(format!("judged {}: worse, {evidence}", trial.rule));
        verdict.reverts.extend(reverts);
        let until_s = now_s.saturating_add(REST_S);
        verdict.rests.push(Rest { rule: trial.rule.clone(), until_s, evidence });
    }
    verdict
}

/// What got worse, in words.
fn worse(trial: &Trial, telemetry: &Telemetry, policy: &TargetPolicy) -> Option<String> {
    let metric = Metric::from_text(&trial.metric)?;
    let of = |metric: Metric, before: Option<f64>| {
        let (before, after) = (before?, metric.read(telemetry)?);
        metric
            .is_worse(before, after, policy)
            .then(|| format!("{} from {before} to {after}", metric.as_str()))
    };
    of(metric, trial.before).or_else(|| of(Metric::PnlPerHour, trial.pnl_before))
}

/// The changes of a trial that still stand, back to what was before.
fn reverts(trial: &Trial, settings: &Settings, evidence: &str) -> Vec<Action> {
    let standing = trial.changes.iter().filter_map(|(name, before, after)| {
        let key = Settings::key(name)?;
        let from = (key.get)(settings);
        let to = Value::parse(key.domain, before).ok()?;
        (from.to_text() == *after && from != to).then(|| Action {
            key: key.name,
            from,
            to,
            rule: Rule::JudgedWorse,
            family: Family::Force,
            reason: format!("{}: {} {evidence}", Rule::JudgedWorse.as_str(), trial.rule),
        })
    });
    standing.collect()
}

/// Puts the changes of a tick under judgement: a rule's further changes join those it made before.
pub fn remember(trials: &mut Vec<Trial>, actions: &[Action], telemetry: &Telemetry, now_s: i64) {
    for action in actions {
        if matches!(
            action.rule,
            Rule::JudgedWorse
                | Rule::AutoRollback
                | Rule::OperatorRollback
                | Rule::BaselineDecay
                | Rule::SoftLeqStrictGuard
        ) {
            continue;
        }
        let rule = action.rule.as_str();
        let change = (action.key.to_owned(), action.from.to_text(), action.to.to_text());
        if let Some(trial) = trials.iter_mut().find(|trial| trial.rule == rule) {
            match trial.changes.iter_mut().find(|known| known.0 == change.0) {
                Some(known) => known.2 = change.2,
                None => trial.changes.push(change),
            }
        } else if trials.len() < TRIALS_MAX {
            let metric = Metric::of(action.rule, action.family);
            trials.push(Trial {
                rule: rule.to_owned(),
                metric: metric.as_str().to_owned(),
                before: metric.read(telemetry),
                pnl_before: Metric::PnlPerHour.read(telemetry),
                since_s: now_s,
                changes: vec![change],
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn telemetry(buys: u64, pnl: f64) -> Telemetry {
        let mut telemetry = Telemetry::default();
        telemetry.metrics.buys_15m = Some(buys);
        telemetry.exit_mix_60m.pnl_usd_sum = Some(pnl);
        telemetry
    }

    fn trial() -> (Trial, Settings) {
        let action = Action {
            key: "funnel.top_n",
            from: Value::Int(10),
            to: Value::Int(14),
            rule: Rule::LowThroughputExpandTopn,
            family: Family::Expand,
            reason: String::new(),
        };
        let mut trials = Vec::new();
        remember(&mut trials, &[action], &telemetry(4, 1.0), 1_000);
        (trials.remove(0), Settings { funnel_top_n: 14, ..Settings::default() })
    }

    #[test]
    fn a_change_is_judged_after_its_settling_time_only() {
        let (trial, settings) = trial();
        let policy = TargetPolicy::default();
        for (now, buys, pnl, taken_back, pending) in [
            (1_899, 0, 1.0, 0, 1),
            (1_900, 0, 1.0, 1, 0),
            (1_900, 3, 1.0, 0, 0),
            (1_900, 4, 1.0, 0, 0),
            (1_900, 4, 0.75, 0, 0),
            (1_900, 4, 0.74, 1, 0),
        ] {
            let trials = std::slice::from_ref(&trial);
            let verdict = judge(trials, &settings, &telemetry(buys, pnl), &policy, now, false);
            assert_eq!(verdict.reverts.len(), taken_back, "{now} {buys} {pnl}");
            assert_eq!(verdict.pending.len(), pending);
            assert_eq!(verdict.rests.len(), taken_back);
        }
    }

    #[test]
    fn what_is_unknown_or_changed_since_is_not_taken_back() {
        let (trial, settings) = trial();
        let policy = TargetPolicy::default();
        let trials = [trial];
        let unknown = judge(&trials, &settings, &Telemetry::default(), &policy, 9_000, false);
        assert!(unknown.reverts.is_empty() && unknown.rests.is_empty());
        let other = Settings { funnel_top_n: 20, ..Settings::default() };
        let verdict = judge(&trials, &other, &telemetry(0, 1.0), &policy, 9_000, false);
        assert!(verdict.reverts.is_empty());
        assert_eq!(verdict.rests.len(), 1);
        assert!(verdict.rests[0].evidence.contains("from 16 to 0"), "{verdict:?}");
    }

    #[test]
    fn a_tightening_is_not_taken_back_while_a_risk_is_live() {
        let (mut trial, _) = trial();
        trial.changes = vec![("funnel.top_n".into(), "14".into(), "10".into())];
        let settings = Settings::default();
        let now = telemetry(0, 1.0);
        let policy = TargetPolicy::default();
        let of =
            |risky| judge(std::slice::from_ref(&trial), &settings, &now, &policy, 9_000, risky);
        assert_eq!((of(true).pending.len(), of(true).reverts.len()), (1, 0));
        assert_eq!(of(false).reverts.len(), 1);
    }
}
