//! Decisions: each a pure function of the seed, the fault, and the number of the opportunity.
//!
//! So one instance can be suppressed and the draws of all others stay what they were.

use std::collections::BTreeSet;

use super::plan::{Fault, FaultPlan, MILLION, Span};
use crate::paper::rng::Rng;

/// A fault that really happened: which, and the number of its opportunity, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance {
    /// Which fault.
    pub fault: Fault,
    /// Its opportunity.
    pub opportunity: u64,
}

/// The random numbers of one decision.
#[derive(Clone, Debug)]
pub(in crate::paper) struct Draw {
    rng: Rng,
}

impl Draw {
    fn of(seed: u64, instance: Instance) -> Self {
        let stream = u64::from(instance.fault.code()) << 48 | instance.opportunity;
        Self { rng: Rng::new(seed, stream) }
    }

    /// The numbers of one field of a plan.
    pub(super) fn of_plan(seed: u64, field: u64) -> Self {
        Self { rng: Rng::new(seed, u64::MAX - field) }
    }

    /// Uniform below `end`, which is positive. The bias of the remainder is below 1e-9 here.
    pub(in crate::paper) fn below(&mut self, end: u64) -> u64 {
        self.rng.next() % end
    }

    /// Uniform from `first` to `last`, both included; `first` when `last` is below it.
    pub(in crate::paper) fn between(&mut self, first: i64, last: i64) -> i64 {
        let width = u64::try_from(last.saturating_sub(first)).unwrap_or(0);
        first.saturating_add_unsigned(self.below(width.saturating_add(1)))
    }
}

/// Decides whether a fault happens, and remembers what did. Owner: the faulty venue.
#[derive(Clone, Debug)]
pub(in crate::paper) struct Dice {
    seed: u64,
    plan: FaultPlan,
    opportunities: [u64; Fault::COUNT],
    counts: [u64; Fault::COUNT],
    injected: Vec<Instance>,
    /// Exactly these happen; `None`: as the plan says.
    only: Option<BTreeSet<Instance>>,
    healed: bool,
}

impl Dice {
    pub(super) const fn new(plan: FaultPlan, seed: u64) -> Self {
        Self {
            seed,
            plan,
            opportunities: [0; Fault::COUNT],
            counts: [0; Fault::COUNT],
            injected: Vec::new(),
            only: None,
            healed: false,
        }
    }

    /// One opportunity: the numbers of the fault when it happens. Call it only where the fault can be
    /// carried out, for it counts as having happened.
    pub(in crate::paper) fn roll(&mut self, fault: Fault) -> Option<Draw> {
        let index = usize::from(fault.code());
        let instance = Instance { fault, opportunity: self.opportunities[index] };
        self.opportunities[index] += 1;
        if self.healed {
            return None;
        }
        let rate = self.plan.rate(fault);
        if rate == 0 && self.only.is_none() {
            return None;
        }
        let mut draw = Draw::of(self.seed, instance);
        let by_plan = draw.between(0, MILLION - 1) < rate;
        let happens = self.only.as_ref().map_or(by_plan, |only| only.contains(&instance));
        if !happens {
            return None;
        }
        self.counts[index] += 1;
        self.injected.push(instance);
        Some(draw)
    }

    /// A duration within a range of the plan.
    pub(in crate::paper) fn span_ns(&self, draw: &mut Draw, span: Span) -> i64 {
        draw.between(span.ends().0, self.plan.span_max(span))
    }

    /// Upper end of a range of the plan, in nanoseconds.
    pub(super) const fn span_max(&self, span: Span) -> i64 {
        self.plan.span_max(span)
    }

    /// True when a second can go by and nothing can happen.
    pub(super) fn is_quiet(&self) -> bool {
        let drawn = |fault: &Fault| fault.is_per_second() && self.plan.rate(*fault) > 0;
        self.healed || (self.only.is_none() && !Fault::ALL.iter().any(drawn))
    }

    pub(super) const fn heal(&mut self) {
        self.healed = true;
    }

    pub(super) const fn set_plan(&mut self, plan: FaultPlan) {
        self.plan = plan;
        self.healed = false;
    }

    pub(super) fn allow(&mut self, only: Option<&[Instance]>) {
        self.only = only.map(|list| list.iter().copied().collect());
    }

    pub(super) fn injected(&self) -> &[Instance] {
        &self.injected
    }

    pub(super) const fn count(&self, fault: Fault) -> u64 {
        self.counts[fault.code() as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dice(rate: i64) -> Dice {
        let mut plan = FaultPlan::NONE;
        assert!(plan.set("partial", rate) && plan.set("lose", rate));
        Dice::new(plan, 7)
    }

    #[test]
    fn a_suppressed_instance_leaves_every_other_draw_alone() {
        let mut free = dice(300_000);
        let drawn: Vec<Option<i64>> =
            (0..200).map(|_| free.roll(Fault::Partial).map(|mut d| d.between(0, 999))).collect();
        let all = free.injected().to_vec();
        assert!((40..80).contains(&all.len()), "{}", all.len());

        let mut rest = all;
        let gone = rest.remove(10);
        let mut held = dice(300_000);
        held.allow(Some(&rest));
        for (opportunity, drawn) in drawn.iter().enumerate() {
            // Another fault in between must not matter either.
            assert!(held.roll(Fault::Lose).is_none());
            let again = held.roll(Fault::Partial).map(|mut d| d.between(0, 999));
            let expected = drawn.filter(|_| opportunity as u64 != gone.opportunity);
            assert_eq!(again, expected, "opportunity {opportunity}");
        }
        assert_eq!(held.injected(), rest);
    }

    #[test]
    fn certainty_always_happens_zero_never_and_nothing_after_healing() {
        let mut sure = dice(MILLION);
        assert!((0..50).all(|_| sure.roll(Fault::Partial).is_some()));
        assert_eq!(sure.count(Fault::Partial), 50);
        assert!((0..50).all(|_| dice(0).roll(Fault::Partial).is_none()));
        sure.heal();
        assert!(sure.roll(Fault::Partial).is_none());
    }
}
