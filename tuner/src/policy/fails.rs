//! What fails in a window. Each is true, false, or unknown when an input that would decide is missing.

use crate::measure::{Fraction, and, or};
use crate::policy::TargetPolicy;
use crate::telemetry::{Blacklist, ExecHealth, ExitMix, Metrics, Telemetry};

/// The six checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fails {
    /// Too few plans open, or too few entries.
    pub flow: Option<bool>,
    /// Orders fail, or losses are deep, before enough round trips ended.
    pub pre_risk: Option<bool>,
    /// Too few different assets.
    pub diversity: Option<bool>,
    /// Too few winners, too much lost, or the tail.
    pub risk: Option<bool>,
    /// One loss outweighs many winners.
    pub tail_loss: Option<bool>,
    /// Instruments refuse for their state.
    pub blacklist: Option<bool>,
}

impl Fails {
    /// Judges a window against the policy and the target in force (entries an hour).
    #[must_use]
    pub fn of(telemetry: &Telemetry, policy: &TargetPolicy, target: f64) -> Self {
        let Telemetry { metrics, exec_health_15m: exec, exit_mix_60m: exits, .. } = telemetry;
        let tail_loss = tail_loss(exits, policy);
        Self {
            flow: flow(metrics, exec, policy, target),
            pre_risk: pre_risk(exec, policy),
            diversity: diversity(metrics, policy),
            risk: or(results(exec, exits, policy), tail_loss),
            tail_loss,
            blacklist: blacklist(exec, &telemetry.blacklist_15m, policy),
        }
    }

    /// The fails that say "less": risk, early risk, blacklist.
    #[must_use]
    pub fn is_risky(&self) -> bool {
        [self.pre_risk, self.risk, self.blacklist].contains(&Some(true))
    }

    /// The fails that count towards a rollback.
    #[must_use]
    pub fn degrades(&self) -> bool {
        self.is_risky() || self.diversity == Some(true)
    }

    /// Anything fails.
    #[must_use]
    pub fn any(&self) -> bool {
        self.degrades() || self.flow == Some(true)
    }

    /// Nothing fails, and all of it is known.
    #[must_use]
    pub fn none(&self) -> bool {
        [self.flow, self.pre_risk, self.diversity, self.risk, self.blacklist]
            .iter()
            .all(|fail| *fail == Some(false))
    }

    /// Unknown checks.
    #[must_use]
    pub fn unknown(&self) -> usize {
        [self.flow, self.pre_risk, self.diversity, self.risk, self.blacklist]
            .iter()
            .filter(|fail| fail.is_none())
            .count()
    }

    /// The checks as in the log; the unknown as false, which is how the original reads.
    #[must_use]
    pub fn with_unknown_false(self) -> Self {
        let known = |fail: Option<bool>| Some(fail.unwrap_or(false));
        Self {
            flow: known(self.flow),
            pre_risk: known(self.pre_risk),
            diversity: known(self.diversity),
            risk: known(self.risk),
            tail_loss: known(self.tail_loss),
            blacklist: known(self.blacklist),
        }
    }
}

fn flow(metrics: &Metrics, exec: &ExecHealth, policy: &TargetPolicy, target: f64) -> Option<bool> {
    let enough = metrics.selected.map(|n| n >= policy.min_selected_15m);
    let few_open = exec.rate().map(|rate| rate.0 < policy.min_open_rate_15m);
    let slow = metrics.observed_tph().map(|tph| tph < 0.40 * target);
    and(enough, or(few_open, slow))
}

fn pre_risk(exec: &ExecHealth, policy: &TargetPolicy) -> Option<bool> {
    let enough = exec.plan_attempts.map(|n| n >= policy.pre_risk_min_plan_attempts_15m);
    // Nothing refused of nothing asked is no fail.
    let rate = |fails: Option<u64>, done: Option<u64>, limit: f64| {
        let (fails, done) = (fails?, done?);
        let share = Fraction::of(fails, done.saturating_add(fails));
        Some(share.is_some_and(|share| share.0 >= limit))
    };
    let route = exec.route_fails.zip(exec.plan_attempts).map(|(fails, plans)| {
        Fraction::of(fails, plans)
            .is_some_and(|share| share.0 >= policy.pre_risk_route_fail_rate_15m)
    });
    let buy = rate(exec.buy_fails, exec.opens, policy.pre_risk_buy_fail_rate_15m);
    let sell = rate(exec.sell_fails, exec.closes, policy.pre_risk_sell_fail_rate_15m);
    // Without a losing round trip there is no median: that is known to be no fail.
    let no_loss =
        exec.closes.is_some_and(|closes| closes == 0) || exec.winrate_closed == Some(Fraction(1.0));
    let loss = exec
        .roundtrip_loss_median_pct
        .map(|median| median.0 <= policy.pre_risk_roundtrip_loss_median_pct_15m)
        .or_else(|| no_loss.then_some(false));
    and(enough, or(or(route, buy), or(sell, loss)))
}

fn diversity(metrics: &Metrics, policy: &TargetPolicy) -> Option<bool> {
    let enough = metrics.buys_15m.map(|n| n >= policy.diversity_min_buys_15m);
    let few = metrics.unique_symbols().map(|n| n < policy.diversity_min_unique_symbols_15m);
    let one = metrics.top_share().map(|share| share.0 > policy.diversity_max_top1_open_share_15m);
    and(enough, or(few, one))
}

fn results(exec: &ExecHealth, exits: &ExitMix, policy: &TargetPolicy) -> Option<bool> {
    let enough = exec.closes.map(|n| n >= policy.min_closed_for_risk_checks);
    let few = exec.winrate_closed.map(|rate| rate.0 < policy.min_winrate_closed_15m);
    let lost = exits.pnl_usd_sum.map(|sum| sum < -policy.target_pnl_per_hour_usd);
    and(enough, or(few, lost))
}

fn tail_loss(exits: &ExitMix, policy: &TargetPolicy) -> Option<bool> {
    let enough = exits.exits.map(|n| n >= policy.tail_loss_min_closes_60m);
    // With no winner there is no ratio, and the result says what is wrong.
    let known_none = exits.exits.map(|_| false);
    let deep =
        exits.tail_loss_ratio.map(|ratio| ratio >= policy.tail_loss_ratio_max).or(known_none);
    and(enough, deep)
}

fn blacklist(exec: &ExecHealth, list: &Blacklist, policy: &TargetPolicy) -> Option<bool> {
    let many = list.added.map(|n| n >= policy.max_blacklist_added_15m);
    let plans_min = policy.pre_risk_min_plan_attempts_15m.max(8);
    let enough = exec.plan_attempts.map(|n| n >= plans_min);
    let large = list.share.map(|share| share.0 >= policy.max_blacklist_share_15m);
    let raw = or(many, and(enough, large));
    // An excuse that is not known excuses nothing.
    let is_excused = or(concentrated(list), unknown_dominated(list)) == Some(true);
    and(raw, Some(!is_excused))
}

/// One or two instruments make it up: exclude those, not the flow.
fn concentrated(list: &Blacklist) -> Option<bool> {
    let one = list.unique.map(|n| n <= 1);
    let two = and(list.unique.map(|n| n <= 2), list.top2_share.map(|share| share.0 >= 0.90));
    let share = list.share.map(|share| share.0 >= 0.30);
    and(and(or(one, two), share), list.added.map(|n| n >= 12))
}

/// Most have no known cause, and hardly one is the exchange's own status.
fn unknown_dominated(list: &Blacklist) -> Option<bool> {
    let many = list.added.map(|n| n >= 12);
    let unknown = list.unknown_share.map(|share| share.0 >= 0.75);
    let status = list.honeypot_share.map(|share| share.0 <= 0.10);
    and(and(many, unknown), status)
}

/// Everything that is missing and that the original reads as zero, as zero.
#[must_use]
pub fn zero_filled(mut telemetry: Telemetry) -> Telemetry {
    let zero = Some(Fraction(0.0));
    let metrics = &mut telemetry.metrics;
    for n in [
        &mut metrics.selected,
        &mut metrics.opened,
        &mut metrics.scanned,
        &mut metrics.lines,
        &mut metrics.open_positions,
        &mut metrics.closed_total,
        &mut metrics.drops_symbol_concentration,
        &mut metrics.buys_15m,
    ] {
        *n = Some(n.unwrap_or(0));
    }
    metrics.realized_total = metrics.realized_total.or(Some(0.0));
    let exec = &mut telemetry.exec_health_15m;
    exec.open_rate = exec.rate().or(zero);
    for n in [
        &mut exec.plan_attempts,
        &mut exec.opens,
        &mut exec.closes,
        &mut exec.route_fails,
        &mut exec.buy_fails,
        &mut exec.sell_fails,
    ] {
        *n = Some(n.unwrap_or(0));
    }
    exec.winrate_closed = exec.winrate_closed.or(zero);
    let exits = &mut telemetry.exit_mix_60m;
    exits.exits = exits.exits.or(Some(0));
    exits.pnl_usd_sum = exits.pnl_usd_sum.or(Some(0.0));
    let list = &mut telemetry.blacklist_15m;
    for share in
        [&mut list.share, &mut list.top2_share, &mut list.unknown_share, &mut list.honeypot_share]
    {
        *share = share.or(zero);
    }
    list.added = list.added.or(Some(0));
    list.unique = list.unique.or(Some(0));
    telemetry
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::measure::Percent;

    /// A window in which nothing fails: 20 plans, 3 opens, 20 selected, 2 opened, 3 entries.
    pub(crate) fn healthy() -> Telemetry {
        let mut telemetry = zero_filled(Telemetry::default());
        telemetry.metrics.selected = Some(20);
        telemetry.metrics.opened = Some(2);
        telemetry.metrics.scanned = Some(200);
        telemetry.metrics.lines = Some(500);
        telemetry.exec_health_15m.plan_attempts = Some(20);
        telemetry.exec_health_15m.opens = Some(3);
        telemetry.exec_health_15m.open_rate = None;
        telemetry.exec_health_15m.winrate_closed = None;
        buys(&mut telemetry, &[("A", 1), ("B", 1), ("C", 1)]);
        telemetry
    }

    pub(crate) fn buys(telemetry: &mut Telemetry, by: &[(&str, u64)]) {
        let metrics = &mut telemetry.metrics;
        metrics.buy_symbols_15m = by.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        metrics.buys_15m = Some(by.iter().map(|row| row.1).sum());
    }

    fn fails(change: impl Fn(&mut Telemetry)) -> Fails {
        let mut telemetry = healthy();
        change(&mut telemetry);
        Fails::of(&telemetry, &TargetPolicy::default(), 12.0)
    }

    #[test]
    fn a_healthy_window_fails_nothing() {
        assert!(fails(|_| {}).none(), "{:?}", fails(|_| {}));
    }

    #[test]
    fn flow_needs_selection_and_lacks_opens_or_entries() {
        let rate =
            |value| move |t: &mut Telemetry| t.exec_health_15m.open_rate = Some(Fraction(value));
        assert_eq!(fails(rate(0.039)).flow, Some(true));
        assert_eq!(fails(rate(0.04)).flow, Some(false));
        assert_eq!(fails(rate(0.041)).flow, Some(false));
        assert_eq!(fails(|t| buys(t, &[("A", 1)])).flow, Some(true));
        assert_eq!(fails(|t| buys(t, &[("A", 2)])).flow, Some(false));
        for (selected, fail) in [(15, false), (16, true), (17, true)] {
            let got = fails(|t| {
                t.metrics.selected = Some(selected);
                rate(0.0)(t);
            });
            assert_eq!(got.flow, Some(fail), "{selected}");
        }
    }

    #[test]
    fn early_risk_by_each_of_four_rates() {
        let exec = |change: fn(&mut ExecHealth)| {
            fails(|t| {
                t.exec_health_15m.roundtrip_loss_median_pct = Some(Percent(-0.1));
                change(&mut t.exec_health_15m);
            })
            .pre_risk
        };
        assert_eq!(exec(|e| e.route_fails = Some(7)), Some(true));
        assert_eq!(exec(|e| e.route_fails = Some(6)), Some(false));
        assert_eq!(exec(|e| e.buy_fails = Some(2)), Some(true));
        assert_eq!(exec(|e| e.buy_fails = Some(1)), Some(false));
        assert_eq!(exec(|e| (e.closes, e.sell_fails) = (Some(7), Some(3))), Some(true));
        assert_eq!(exec(|e| (e.closes, e.sell_fails) = (Some(8), Some(3))), Some(false));
        assert_eq!(exec(|e| e.roundtrip_loss_median_pct = Some(Percent(-1.2))), Some(true));
        assert_eq!(exec(|e| e.roundtrip_loss_median_pct = Some(Percent(-1.19))), Some(false));
        for (plans, fail) in [(7, false), (8, true), (9, true)] {
            let got = fails(|t| {
                t.exec_health_15m.plan_attempts = Some(plans);
                t.exec_health_15m.route_fails = Some(plans);
            });
            assert_eq!(got.pre_risk, Some(fail), "{plans}");
        }
    }

    #[test]
    fn diversity_by_number_and_share() {
        assert_eq!(fails(|t| buys(t, &[("A", 4)])).diversity, Some(true));
        assert_eq!(fails(|t| buys(t, &[("A", 3)])).diversity, Some(false));
        assert_eq!(fails(|t| buys(t, &[("A", 3), ("B", 1)])).diversity, Some(true));
        assert_eq!(fails(|t| buys(t, &[("A", 72), ("B", 28)])).diversity, Some(false));
        assert_eq!(fails(|t| buys(t, &[("A", 73), ("B", 27)])).diversity, Some(true));
    }

    #[test]
    fn risk_needs_six_round_trips() {
        let of = |closes, rate: f64, sum: f64| {
            fails(|t| {
                t.exec_health_15m.closes = Some(closes);
                t.exec_health_15m.winrate_closed = Some(Fraction(rate));
                t.exit_mix_60m.pnl_usd_sum = Some(sum);
            })
            .risk
        };
        assert_eq!(of(6, 0.35, -0.05), Some(false));
        assert_eq!(of(6, 0.34, -0.05), Some(true));
        assert_eq!(of(6, 0.35, -0.051), Some(true));
        assert_eq!(of(5, 0.0, -5.0), Some(false));
    }

    #[test]
    fn one_loss_that_outweighs_eight_winners_is_a_tail() {
        let of = |exits, ratio: Option<f64>| {
            fails(|t| {
                t.exit_mix_60m.exits = Some(exits);
                t.exit_mix_60m.tail_loss_ratio = ratio;
            })
        };
        assert_eq!(of(6, Some(8.0)).tail_loss, Some(true));
        assert_eq!(of(6, Some(8.0)).risk, Some(true));
        assert_eq!(of(6, Some(7.99)).tail_loss, Some(false));
        assert_eq!(of(5, Some(9.0)).tail_loss, Some(false));
        assert_eq!(of(6, None).tail_loss, Some(false));
    }

    #[test]
    fn a_blacklist_of_one_instrument_or_of_unknown_causes_is_no_fail() {
        let of = |added, unique, share: f64, top2: f64, unknown: f64| {
            fails(|t| {
                t.blacklist_15m = Blacklist {
                    added: Some(added),
                    unique: Some(unique),
                    share: Some(Fraction(share)),
                    top2_share: Some(Fraction(top2)),
                    unknown_share: Some(Fraction(unknown)),
                    honeypot_share: Some(Fraction(0.1)),
                    ..Blacklist::default()
                };
            })
            .blacklist
        };
        assert_eq!(of(80, 40, 0.2, 0.24, 0.0), Some(true));
        assert_eq!(of(79, 40, 0.2, 0.24, 0.0), Some(false));
        assert_eq!(of(30, 10, 0.45, 0.5, 0.0), Some(true));
        assert_eq!(of(30, 10, 0.44, 0.5, 0.0), Some(false));
        assert_eq!(of(30, 1, 0.45, 1.0, 0.0), Some(false));
        assert_eq!(of(30, 2, 0.45, 0.9, 0.0), Some(false));
        assert_eq!(of(30, 2, 0.45, 0.89, 0.0), Some(true));
        assert_eq!(of(11, 1, 0.45, 1.0, 0.0), Some(true));
        assert_eq!(of(80, 40, 0.2, 0.24, 0.75), Some(false));
        assert_eq!(of(80, 40, 0.2, 0.24, 0.74), Some(true));
    }

    #[test]
    fn what_is_missing_fails_nothing_and_passes_nothing() {
        let none = Fails::of(&Telemetry::default(), &TargetPolicy::default(), 12.0);
        assert_eq!(none, Fails::default());
        assert!(!none.any() && !none.none());
        assert_eq!(none.unknown(), 5);
        // Too many refusals, and nothing known that would excuse them.
        let mut many = Telemetry::default();
        many.blacklist_15m.added = Some(80);
        assert_eq!(Fails::of(&many, &TargetPolicy::default(), 12.0).blacklist, Some(true));
        // An input that decides alone is enough.
        let mut one = Telemetry::default();
        one.metrics.selected = Some(0);
        assert_eq!(Fails::of(&one, &TargetPolicy::default(), 12.0).flow, Some(false));
    }
}
