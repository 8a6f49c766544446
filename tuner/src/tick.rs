//! One tick as a pure function: what was measured, what is wanted and what is remembered go in, a decision
//! with its whole explanation comes out. Whoever calls it publishes `staged` when there are actions, no
//! issues and no dry run.

use pinion_core::settings::Settings;

use crate::measure::count;
use crate::number::read;
use crate::policy::{Adjustment, Fails, Mode, Phase, PhaseReason, TargetPolicy, fails, phase};
use crate::rules::{Action, Blocked, Context, Family, Lock, LockState, Plan, Row, Rule, TABLE};
use crate::stage::caps::{Capped, bound, cap, value_of};
use crate::stage::filter::{of_budget, of_phase, of_risk, truncated, with_partners, writable};
use crate::stage::hash::{hash, overrides};
use crate::stage::judge::{judge, remember};
use crate::stage::rollback::{Target, Way, asked, is_saturated, plan as plan_rollback};
use crate::stage::staged;
use crate::state::State;
use crate::telemetry::Telemetry;
use crate::traits::tunable;

/// Younger than this, with little seen, a session is warming up.
const WARMUP_S: u64 = 180;
/// Healthy ticks before the settings drift back to the baseline.
const DECAY_TICKS: u64 = 3;

/// Everything that a tick is decided from.
#[derive(Clone, Debug)]
pub struct Input {
    /// Mode in force.
    pub mode: Mode,
    /// Time, in seconds of any clock that goes on between ticks.
    pub now_s: i64,
    /// Since the session began, in seconds; unknown means long ago.
    pub session_age_s: Option<u64>,
    /// What is wanted.
    pub policy: TargetPolicy,
    /// Phase set by the operator.
    pub forced_phase: Option<Phase>,
    /// The operator wants to go back to this.
    pub rollback_asked: Option<Target>,
    /// Settings in force.
    pub settings: Settings,
    /// What the operator set.
    pub baseline: Settings,
    /// What is remembered.
    pub state: State,
    /// What was measured.
    pub telemetry: Telemetry,
    /// As the original did, with its defects.
    pub strict_seed: bool,
    /// What was given and means nothing, for the trace.
    pub unread: Vec<String>,
}

/// What a tick decided, and why.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Phase.
    pub phase: Phase,
    /// Why that one.
    pub phase_reason: PhaseReason,
    /// What fails.
    pub fails: Fails,
    /// Entries an hour that the phase was decided with.
    pub effective_target: f64,
    /// What was done to that.
    pub adjustment: Adjustment,
    /// Changes.
    pub actions: Vec<Action>,
    /// Changes not let through.
    pub blocked: Vec<Blocked>,
    /// Changes made smaller.
    pub capped: Vec<Capped>,
    /// Where a rollback goes, when it is one.
    pub rollback: Option<Way>,
    /// What is wrong with the staged settings; with any, nothing may be written.
    pub issues: Vec<String>,
    /// What to remember.
    pub state: State,
    /// Rules that fired.
    pub rule_hits: Vec<Rule>,
    /// Rules that could not be asked because an input is missing.
    pub rules_without_input: Vec<Rule>,
    /// The session is too young.
    pub is_warming_up: bool,
    /// Settings with every action.
    pub staged: Settings,
    /// In words, step by step.
    pub trace: Vec<String>,
}

impl Decision {
    /// There is something to publish, and nothing against it.
    #[must_use]
    pub fn is_publishable(&self) -> bool {
        !self.actions.is_empty() && self.issues.is_empty()
    }
}

/// Decides a tick.
#[must_use]
pub fn decide(input: &Input) -> Decision {
    let mut telemetry = input.telemetry.clone();
    telemetry.metrics = telemetry.metrics.with_own_reasons();
    if input.strict_seed {
        telemetry = fails::zero_filled(telemetry);
    }
    let mut trace = Vec::new();
    if !input.unread.is_empty() {
        trace.push(format!("not read, because it means nothing here: {}", input.unread.join(", ")));
    }
    let policy = &input.policy;
    let observed = telemetry.metrics.observed_tph();
    let effective_target = input.state.target.effective(policy, observed);
    let mut found = Fails::of(&telemetry, policy, effective_target);
    if input.strict_seed {
        found = found.with_unknown_false();
    }
    let before = phase::Before {
        last: input.state.last_phase,
        degrade_streak: input.state.degrade_streak,
        forced: input.forced_phase,
    };
    let (phase, phase_reason) = phase::decide(&telemetry, policy, &found, &before);
    trace.push(format!(
        "phase {} ({}), target {effective_target:.2} an hour, observed {}",
        phase.as_str(),
        phase_reason.as_str(),
        observed.map_or_else(|| "unknown".to_owned(), |tph| format!("{tph:.1}"))
    ));
    if input.state.target.is_new() && effective_target > 0.0 {
        let fate = if input.strict_seed { "used once and forgotten" } else { "stored" };
        trace.push(format!("no target yet: {effective_target:.2} an hour to begin with, {fate}"));
    }
    if found.unknown() > 0 {
        trace.push(format!("{} of 5 checks unknown: their inputs are missing", found.unknown()));
    }
    let is_warming_up = warms_up(input, &telemetry);
    let lock = input.state.lock.look(&telemetry.churn_15m, &telemetry.metrics, input.now_s);
    let context = Context {
        telemetry: &telemetry,
        fails: found,
        phase,
        is_unlocked: phase_reason == PhaseReason::RecoveryUnlock,
        mode: input.mode,
        bounds: input.mode.adaptive_bounds(&telemetry.metrics),
        settings: &input.settings,
        baseline: &input.baseline,
        lock: &lock,
        strict_seed: input.strict_seed,
    };
    let mut work = Work::new(input, phase_reason, trace);
    work.propose(&context);
    work.filter(&context);
    let mut state = input.state.clone();
    work.judge(&context, &mut state);
    work.decay(&context);
    work.roll_back(&context, is_warming_up);
    if is_warming_up {
        work.drop_all("warmup_guard");
    }
    work.obey();
    let (staged, issues) = staged(&input.settings, &work.actions);
    if !issues.is_empty() {
        work.trace.push(format!("{} issues: nothing is written", issues.len()));
    }
    let adjustment =
        next_state(&mut state, input, &context, effective_target, is_warming_up, &lock);
    let mut decision = Decision {
        phase,
        phase_reason,
        fails: found,
        effective_target,
        adjustment,
        actions: work.actions,
        blocked: work.blocked,
        capped: work.capped,
        rollback: work.rollback,
        issues,
        state,
        rule_hits: work.rule_hits,
        rules_without_input: work.without_input,
        is_warming_up,
        staged,
        trace: work.trace,
    };
    finish_state(&mut decision, input, &telemetry);
    decision
}

/// A session that is too young to be judged.
fn warms_up(input: &Input, telemetry: &Telemetry) -> bool {
    let few = |seen: Option<u64>, least: u64| seen.is_none_or(|n| n < least);
    input.session_age_s.is_some_and(|age| age < WARMUP_S)
        && (few(telemetry.metrics.lines, 120) || few(telemetry.metrics.scanned, 30))
}

/// A tick in the making.
struct Work<'a> {
    input: &'a Input,
    phase_reason: PhaseReason,
    actions: Vec<Action>,
    blocked: Vec<Blocked>,
    capped: Vec<Capped>,
    rollback: Option<Way>,
    rule_hits: Vec<Rule>,
    without_input: Vec<Rule>,
    trace: Vec<String>,
}

impl<'a> Work<'a> {
    const fn new(input: &'a Input, phase_reason: PhaseReason, trace: Vec<String>) -> Self {
        Self {
            input,
            phase_reason,
            actions: Vec::new(),
            blocked: Vec::new(),
            capped: Vec::new(),
            rollback: None,
            rule_hits: Vec::new(),
            without_input: Vec::new(),
            trace,
        }
    }

    /// Lets every rule that fires stage its steps.
    fn propose(&mut self, context: &Context<'_>) {
        let strict = context.strict_seed;
        let mut plan = Plan::new(&self.input.settings, strict);
        let is_blank = context.metrics().is_blank();
        if is_blank {
            self.trace.push("no metrics: nothing selected, scanned or logged".to_owned());
        }
        for row in TABLE {
            if (row.is_own && strict) || (is_blank && row.rule != Rule::PeColdStartGuard) {
                continue;
            }
            if let Some(evidence) = self.rests(row.rule) {
                self.trace.push(format!("{} rests: {evidence}", row.rule.as_str()));
                continue;
            }
            match (row.trigger)(context) {
                Some(true) => {
                    let reason = reason(row, context);
                    self.trace.push(format!("{} fires", row.rule.as_str()));
                    self.rule_hits.push(row.rule);
                    plan.begin(row.rule, row.family, reason);
                    (row.steps)(context, &mut plan);
                }
                Some(false) => {}
                None => self.without_input.push(row.rule),
            }
        }
        let (actions, fought) = plan.finish();
        self.actions = actions;
        self.blocked.extend(fought);
    }

    fn rests(&self, rule: Rule) -> Option<&'a str> {
        let rest = self
            .input
            .state
            .rests
            .iter()
            .find(|rest| rest.rule == rule.as_str() && rest.until_s > self.input.now_s);
        // What must be is never at rest.
        rest.filter(|_| rule != Rule::SoftLeqStrictGuard && !self.input.strict_seed)
            .map(|rest| rest.evidence.as_str())
    }

    /// Filters, budget, caps, bounds. The original takes the budget first, and knows no bounds.
    fn filter(&mut self, context: &Context<'_>) {
        let budget = context.mode.actions();
        if context.strict_seed {
            self.pass(|actions| truncated(actions, budget));
            self.pass(writable);
            self.pass(|actions| of_phase(actions, context.phase, true));
        } else {
            let first = self.blocked.len();
            self.pass(writable);
            self.pass(|actions| of_phase(actions, context.phase, false));
            self.of_risk(context);
            // A partner that lost a fight still moves its own way; one that was filtered does not.
            let stopped = self.blocked[first..].to_vec();
            self.pass(|actions| with_partners(actions, &stopped));
        }
        let (mut kept, capped) =
            cap(std::mem::take(&mut self.actions), context.phase, context.strict_seed);
        self.capped = capped;
        if !context.strict_seed {
            let (bounded, blocked) = bound(kept, &self.input.baseline);
            self.blocked.extend(blocked);
            // After the bounds, so that what cannot move any more takes nobody's place.
            let (within, over) = of_budget(bounded, budget);
            self.blocked.extend(over);
            kept = within;
        }
        self.actions = kept;
    }

    fn of_risk(&mut self, context: &Context<'_>) {
        let (is_risky, reason) = (context.fails.is_risky(), self.phase_reason);
        self.pass(|actions| of_risk(actions, is_risky, reason));
    }

    fn pass(&mut self, filter: impl FnOnce(Vec<Action>) -> (Vec<Action>, Vec<Blocked>)) {
        let (kept, blocked) = filter(std::mem::take(&mut self.actions));
        self.actions = kept;
        self.blocked.extend(blocked);
    }

    /// Takes back what made things worse; a key that is taken back is not moved otherwise.
    fn judge(&mut self, context: &Context<'_>, state: &mut State) {
        if context.strict_seed {
            return;
        }
        let now = self.input.now_s;
        state.rests.retain(|rest| rest.until_s > now);
        let verdict = judge(
            &state.trials,
            &self.input.settings,
            context.telemetry,
            &self.input.policy,
            now,
            context.fails.is_risky(),
        );
        state.trials = verdict.pending;
        state.rests.extend(verdict.rests);
        self.trace.extend(verdict.trace);
        for revert in verdict.reverts {
            self.actions.retain(|action| action.key != revert.key);
            self.actions.push(revert);
        }
    }

    /// Healthy for a while and nothing else to do: the key that is furthest away goes a step home.
    fn decay(&mut self, context: &Context<'_>) {
        let is_healthy = context.phase == Phase::Hold
            && context.fails.none()
            && self.input.state.healthy_ticks >= DECAY_TICKS;
        if context.strict_seed || !is_healthy || !self.actions.is_empty() {
            return;
        }
        let furthest = tunable()
            .filter_map(|key| {
                let (min, max) = crate::number::range(key)?;
                let from = read(key, &self.input.settings)?;
                let home = read(key, &self.input.baseline)?;
                let share = count(home.abs_diff(from)) / count(max.abs_diff(min).max(1));
                (from != home).then_some((key, from, home, share))
            })
            .max_by(|a, b| a.3.total_cmp(&b.3));
        if let Some((key, from, home, _)) = furthest {
            let action = Action {
                key: key.name,
                from: value_of(key, from),
                to: value_of(key, home),
                rule: Rule::BaselineDecay,
                family: Family::Neutral,
                reason: format!("{}: healthy", Rule::BaselineDecay.as_str()),
            };
            // By whole steps, so that whole numbers get home too.
            let (kept, _) = cap(vec![action], Phase::Expand, false);
            self.actions = kept;
        }
    }

    /// Bad for too long: the tick's changes give way to those that lead back.
    fn roll_back(&mut self, context: &Context<'_>, is_warming_up: bool) {
        let streak = projected_streak(self.input, context);
        if context.phase != Phase::Tighten
            || streak < self.input.policy.rollback_degrade_streak
            || is_warming_up
        {
            return;
        }
        let State { stable_overrides, .. } = &self.input.state;
        let strict = context.strict_seed;
        let way =
            plan_rollback(&self.input.settings, &self.input.baseline, stable_overrides, strict);
        let Some((actions, way)) = way else { return };
        let (actions, blocked) = if strict {
            writable(actions)
        } else {
            // Going back must not relax what a live risk has tightened.
            let shut: Vec<Action> =
                actions.into_iter().map(|a| Action { family: Family::Tighten, ..a }).collect();
            let (kept, blocked) = of_risk(shut, context.fails.is_risky(), self.phase_reason);
            (kept.into_iter().map(|a| Action { family: Family::Force, ..a }).collect(), blocked)
        };
        let (actions, capped) = cap(actions, context.phase, strict);
        if actions.is_empty() {
            return;
        }
        self.trace.push(format!(
            "rollback to {} {}: {streak} bad ticks in a row",
            way.target.as_str(),
            way.target_hash
        ));
        if strict {
            self.actions = actions;
        } else {
            // What contains the risk beyond the target stays.
            self.actions.retain(|action| {
                action.rule == Rule::RiskContain && actions.iter().all(|a| a.key != action.key)
            });
            self.actions.splice(0..0, actions);
        }
        self.blocked.extend(blocked);
        self.capped = capped;
        self.rollback = Some(way);
    }

    /// The operator's rollback: whole, at once, whatever else the tick had in mind.
    fn obey(&mut self) {
        let Input { settings, baseline, state, rollback_asked, .. } = self.input;
        let Some(target) = *rollback_asked else { return };
        let Some((actions, way)) = asked(settings, baseline, &state.stable_overrides, target)
        else {
            self.trace.push(format!("asked back to {}: nothing differs", target.as_str()));
            return;
        };
        self.trace.push(format!("asked back to {} {}", target.as_str(), way.target_hash));
        self.drop_all("operator_rollback");
        self.actions = actions;
        self.rollback = Some(way);
    }

    fn drop_all(&mut self, blocked_by: &str) {
        for action in std::mem::take(&mut self.actions) {
            self.blocked.push(Blocked {
                key: action.key.to_owned(),
                blocked_by: blocked_by.to_owned(),
                reason: action.reason,
            });
        }
        self.capped.clear();
    }
}

/// The rule with its evidence.
fn reason(row: &Row, context: &Context<'_>) -> String {
    let metrics = context.metrics();
    let known = |n: Option<u64>| n.map_or_else(|| "?".to_owned(), |n| n.to_string());
    let mut text = format!(
        "{}: selected {}, opened {}",
        row.rule.as_str(),
        known(metrics.selected),
        known(metrics.opened)
    );
    for reason in row.hits {
        let hits = context.hits(&[reason]);
        if hits > 0 {
            text.push_str(&format!(", {reason} {hits}"));
        }
    }
    text
}

fn projected_streak(input: &Input, context: &Context<'_>) -> u64 {
    if context.fails.degrades() { input.state.degrade_streak.saturating_add(1) } else { 0 }
}

/// Phase, streak, target and lock of the next tick.
fn next_state(
    state: &mut State,
    input: &Input,
    context: &Context<'_>,
    effective_target: f64,
    is_warming_up: bool,
    lock: &LockState,
) -> Adjustment {
    let (fails, policy) = (&context.fails, &input.policy);
    state.last_phase = context.phase;
    state.last_tick_s = input.now_s;
    // A session that is too young to act is too young to be blamed. (The original blames it.)
    if input.strict_seed || !is_warming_up {
        state.degrade_streak = projected_streak(input, context);
    }
    let is_healthy = context.phase == Phase::Hold && fails.none();
    state.healthy_ticks = if is_healthy { state.healthy_ticks.saturating_add(1) } else { 0 };
    let rate = context.telemetry.exec_health_15m.rate();
    let opened = context.metrics().opened.is_some_and(|n| n >= 1);
    let is_stable = fails.none() && opened && rate.is_some_and(|r| r.0 >= policy.min_open_rate_15m);
    let (target, adjustment) = input.state.target.after(
        policy,
        context.metrics().observed_tph(),
        effective_target,
        is_stable,
        fails.any(),
        input.strict_seed,
    );
    state.target = target;
    state.target_reason = adjustment.as_str().to_owned();
    state.lock = lock.lock.clone();
    adjustment
}

/// What depends on whether the decision can be published: trials, the lock, the stable snapshot.
fn finish_state(decision: &mut Decision, input: &Input, telemetry: &Telemetry) {
    let is_published = decision.is_publishable();
    let state = &mut decision.state;
    if is_published && !input.strict_seed {
        if decision.rollback.is_some() {
            state.trials.clear();
        }
        remember(&mut state.trials, &decision.actions, telemetry, input.now_s);
    }
    // A lock that could not be put in force is none. (The original remembers it all the same.)
    let asset =
        |lock: &Lock| lock.symbol.as_deref().and_then(pinion_core::instrument::canonical_symbol);
    if !input.strict_seed
        && let Some(symbol) = asset(&state.lock)
        && !(if is_published { &decision.staged } else { &input.settings })
            .universe_excluded
            .contains(&symbol)
    {
        state.lock = Lock::default();
    }
    let selected = telemetry.metrics.selected.unwrap_or(0);
    let settings = if is_published { &decision.staged } else { &input.settings };
    let is_stable = decision.phase == Phase::Hold
        && !decision.fails.degrades()
        && selected >= input.policy.min_selected_15m
        && telemetry.metrics.opened.is_some_and(|n| n >= 1);
    if is_stable && (input.strict_seed || !is_saturated(settings, &input.baseline)) {
        state.stable_overrides = overrides(settings);
    }
    if is_published {
        state.last_effective_hash = hash(&overrides(&decision.staged));
        state.last_effective_at_s = input.now_s;
    }
}

#[cfg(test)]
mod tests;
