//! The plan of a tick: a staged copy of the settings, and every move that led to it.
//!
//! Two rules never pull a key both ways in one tick: the way that tightens wins, whichever came first, and
//! the other is told. (The original let the last writer win.)

use pinion_core::id::TextId;
use pinion_core::settings::{Key, Settings, Value};

use crate::number::{ONE, range, raw, read, write};
use crate::rules::{Family, Rule, family};
use crate::traits::{Direction, direction};

/// Reasons that one action tells at most.
const REASONS_MAX: usize = 4;

/// One change of a tick, all rules of its key together.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// Dotted name.
    pub key: &'static str,
    /// Before the tick.
    pub from: Value,
    /// What is asked for.
    pub to: Value,
    /// The first rule that asked.
    pub rule: Rule,
    /// Its family; `Force` when any of them is.
    pub family: Family,
    /// In words.
    pub reason: String,
}

impl Action {
    /// Which way it goes.
    #[must_use]
    pub fn direction(&self) -> Direction {
        match (crate::number::of_value(&self.from), crate::number::of_value(&self.to)) {
            (Some(from), Some(to)) => direction(self.key, from, to),
            _ => Direction::Neutral,
        }
    }
}

/// A change that was not let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// Dotted name.
    pub key: String,
    /// What stopped it.
    pub blocked_by: String,
    /// What it was for.
    pub reason: String,
}

#[derive(Clone, Debug)]
struct Move {
    key: &'static Key,
    rule: Rule,
    family: Family,
    reason: String,
    direction: Direction,
}

/// See the module.
#[derive(Debug)]
pub struct Plan<'a> {
    base: &'a Settings,
    staged: Settings,
    moves: Vec<Move>,
    blocked: Vec<Blocked>,
    strict_seed: bool,
    rule: Rule,
    family: Family,
    reason: String,
}

impl<'a> Plan<'a> {
    /// Nothing planned yet.
    #[must_use]
    pub fn new(base: &'a Settings, strict_seed: bool) -> Self {
        Self {
            base,
            staged: base.clone(),
            moves: Vec::new(),
            blocked: Vec::new(),
            strict_seed,
            rule: Rule::BaselineDecay,
            family: Family::Neutral,
            reason: String::new(),
        }
    }

    /// What follows is done by this rule, for this reason.
    pub fn begin(&mut self, rule: Rule, family: Family, reason: String) {
        (self.rule, self.family, self.reason) = (rule, family, reason);
    }

    /// The staged value of a key, as a number; `None` for lists and unknown names.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        read(Settings::key(name)?, &self.staged)
    }

    /// The settings as planned so far.
    #[must_use]
    pub const fn staged(&self) -> &Settings {
        &self.staged
    }

    /// Adds to a key, within its range.
    pub fn add(&mut self, name: &'static str, delta: f64) {
        let Some((min, max)) = Settings::key(name).and_then(range) else { return };
        self.add_within(name, delta, (min, max));
    }

    /// Adds to a key, within bounds in raw units. A step never goes the other way, even where the value was
    /// outside the bounds before (in the original it does).
    pub fn add_within(&mut self, name: &'static str, delta: f64, (min, max): (i64, i64)) {
        let Some(key) = Settings::key(name) else { return };
        let Some((least, most)) = range(key) else { return };
        if let Some(now) = self.number(name)
            && self.loses(key, direction(name, now, now.saturating_add(raw(delta))))
        {
            return;
        }
        let Some(now) = self.number(name) else { return };
        let mut next =
            now.saturating_add(raw(delta)).clamp(min.max(least), max.min(most).max(least));
        if !self.strict_seed {
            next = if delta > 0.0 { next.max(now) } else { next.min(now) };
        }
        self.set_raw(key, next);
    }

    /// Raises a key to at least this.
    pub fn at_least(&mut self, name: &'static str, least: f64) {
        if self.number(name).is_some_and(|now| now < raw(least)) {
            self.set(name, least);
        }
    }

    /// Lowers a key to at most this.
    pub fn at_most(&mut self, name: &'static str, most: f64) {
        if self.number(name).is_some_and(|now| now > raw(most)) {
            self.set(name, most);
        }
    }

    /// Sets a key, within its range.
    pub fn set(&mut self, name: &'static str, value: f64) {
        let Some(key) = Settings::key(name) else { return };
        let Some((min, max)) = range(key) else { return };
        self.set_raw(key, raw(value).clamp(min, max));
    }

    /// Sets a key to a number that stands elsewhere.
    pub fn set_exactly(&mut self, key: &'static Key, value: i64) {
        self.set_raw(key, value);
    }

    /// Switches a key.
    pub fn switch(&mut self, name: &'static str, on: bool) {
        let Some(key) = Settings::key(name) else { return };
        self.set_raw(key, if on { ONE } else { 0 });
    }

    /// Puts an asset on the exclusion list, or takes it off.
    pub fn exclude(&mut self, symbol: TextId, is_excluded: bool) {
        const LIST_MAX: usize = 40;
        let Some(key) = Settings::key(crate::traits::EPHEMERAL) else { return };
        let mut list = self.staged.universe_excluded.clone();
        match (is_excluded, list.iter().position(|listed| *listed == symbol)) {
            (true, None) if list.len() < LIST_MAX => list.push(symbol),
            (false, Some(place)) => drop(list.remove(place)),
            _ => return,
        }
        if (key.set)(&mut self.staged, &Value::Symbols(list)) {
            self.note(key, Direction::Neutral);
        }
    }

    fn note(&mut self, key: &'static Key, direction: Direction) {
        let family = family(self.family, self.rule, key.name, self.strict_seed);
        let (rule, reason) = (self.rule, self.reason.clone());
        self.moves.push(Move { key, rule, family, reason, direction });
    }

    fn set_raw(&mut self, key: &'static Key, value: i64) {
        let Some(now) = read(key, &self.staged) else { return };
        let wanted = direction(key.name, now, value);
        if now == value {
            return;
        }
        if self.loses(key, wanted) {
            return;
        }
        if write(key, &mut self.staged, value) {
            self.note(key, wanted);
        }
    }

    /// Settles a fight with an earlier move of the tick; true when the new move is the one to drop.
    fn loses(&mut self, key: &'static Key, wanted: Direction) -> bool {
        if self.strict_seed {
            return false;
        }
        let against = |this: &Move| {
            this.key.name == key.name
                && this.direction != wanted
                && this.direction != Direction::Neutral
        };
        if wanted == Direction::Neutral || !self.moves.iter().any(against) {
            return false;
        }
        let dropped = |reason: String| Blocked {
            key: key.name.to_owned(),
            blocked_by: "conflict".to_owned(),
            reason,
        };
        if wanted == Direction::Relax {
            self.blocked.push(dropped(self.reason.clone()));
            return true;
        }
        let earlier: Vec<String> = self
            .moves
            .iter()
            .filter(|this| against(this))
            .map(|this| this.reason.clone())
            .collect();
        self.blocked.extend(earlier.into_iter().map(dropped));
        self.moves.retain(|this| !against(this));
        (key.set)(&mut self.staged, &(key.get)(self.base));
        false
    }

    /// One action for each key that changed, in the order of the first move of each, and what fought.
    #[must_use]
    pub fn finish(self) -> (Vec<Action>, Vec<Blocked>) {
        let mut actions: Vec<Action> = Vec::new();
        for (index, first) in self.moves.iter().enumerate() {
            let name = first.key.name;
            if self.moves[..index].iter().any(|earlier| earlier.key.name == name) {
                continue;
            }
            let (from, to) = ((first.key.get)(self.base), (first.key.get)(&self.staged));
            if from == to {
                continue;
            }
            let mut reasons: Vec<&str> = Vec::new();
            let mut family = first.family;
            for this in self.moves.iter().filter(|this| this.key.name == name) {
                if !reasons.contains(&this.reason.as_str()) && reasons.len() < REASONS_MAX {
                    reasons.push(&this.reason);
                }
                if this.family == Family::Force {
                    family = Family::Force;
                }
            }
            let reason = reasons.join(" | ");
            actions.push(Action { key: name, from, to, rule: first.rule, family, reason });
        }
        (actions, self.blocked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(base: &Settings, strict: bool) -> Plan<'_> {
        let mut plan = Plan::new(base, strict);
        plan.begin(Rule::RelaxScoreMin, Family::Expand, "one".to_owned());
        plan
    }

    #[test]
    fn moves_of_a_key_become_one_action() {
        let base = Settings::default();
        let mut plan = plan(&base, false);
        plan.add("funnel.score_strict", -2.0);
        plan.begin(Rule::SoftLeqStrictGuard, Family::Force, "two".to_owned());
        plan.add("funnel.score_strict", -1.0);
        plan.add("funnel.top_n", 4.0);
        plan.add("funnel.top_n", -4.0);
        let (actions, _) = plan.finish();
        let action = actions.iter().find(|a| a.key == "funnel.score_strict").expect("there");
        assert_eq!((&action.from, &action.to), (&Value::Int(78), &Value::Int(75)));
        assert_eq!((action.family, action.reason.as_str()), (Family::Force, "one | two"));
        assert_eq!(action.rule, Rule::RelaxScoreMin);
    }

    #[test]
    fn the_tightening_rule_wins_whichever_comes_first() {
        let base = Settings { funnel_symbol_cycle_max: 5, ..Settings::default() };
        for tighten_first in [false, true] {
            let mut plan = plan(&base, false);
            let deltas = if tighten_first { [-1.0, 1.0] } else { [1.0, -1.0] };
            for delta in deltas {
                plan.add("funnel.symbol_cycle_max", delta);
            }
            let (actions, blocked) = plan.finish();
            assert_eq!(actions[0].to, Value::Int(4));
            assert_eq!(blocked.len(), 1);
            assert_eq!(blocked[0].blocked_by, "conflict");
        }
        let mut plan = plan(&base, true);
        plan.add("funnel.symbol_cycle_max", 1.0);
        plan.add("funnel.symbol_cycle_max", -2.0);
        assert_eq!(plan.finish().0[0].to, Value::Int(4), "the last writer, as in the original");
    }

    #[test]
    fn a_step_never_goes_the_other_way() {
        let base = Settings::default();
        let bounds = (raw(8.0), raw(160.0));
        let mut own = plan(&base, false);
        own.add_within("funnel.volume_5m_usd_min", 1.0, bounds);
        assert!(own.finish().0.is_empty());
        let mut seed = plan(&base, true);
        seed.add_within("funnel.volume_5m_usd_min", 1.0, bounds);
        assert_eq!(seed.finish().0[0].to, Value::Float(160.0));
    }

    #[test]
    fn symbols_come_and_go_once() {
        let base = Settings::default();
        let btc = TextId::new("BTCUSDT").expect("fits");
        let mut both = plan(&base, false);
        both.exclude(btc, true);
        both.exclude(btc, true);
        assert_eq!(both.staged().universe_excluded, [btc]);
        both.exclude(btc, false);
        assert!(both.finish().0.is_empty());
    }
}
