//! What a tick knows of the last minutes. Everything can be absent, and absent is not zero.
//!
//! The names are those of `pinion tuner decide`; [`crate::window`] fills the same structures. Money is in
//! quote currency as a float: here it is only compared with thresholds, never booked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::{Fraction, Percent, count};

/// Counts by name.
pub type Counts = BTreeMap<String, u64>;

/// All blocks of one tick.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// The funnel and the books.
    pub metrics: Metrics,
    /// Orders of 15 minutes.
    pub exec_health_15m: ExecHealth,
    /// Ends of round trips of 60 minutes.
    pub exit_mix_60m: ExitMix,
    /// Refusals for the state of an instrument, 15 minutes.
    pub blacklist_15m: Blacklist,
    /// The asset opened most, 15 minutes.
    pub churn_15m: Churn,
    /// Candidates by place of the funnel, 15 minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub funnel_15m: Option<Funnel>,
    /// Five ranked lists of reasons, 15 minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_reasons_15m: Option<TopReasons>,
}

/// The funnel and the books.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// Candidates that came as far as a plan.
    pub selected: Option<u64>,
    /// Entries that opened.
    pub opened: Option<u64>,
    /// Candidates that were looked at.
    pub scanned: Option<u64>,
    /// Candidates that passed the filters.
    pub trade_candidates: Option<u64>,
    /// Records seen in the window.
    pub lines: Option<u64>,
    /// Open positions; absent is not flat.
    pub open_positions: Option<u64>,
    /// Round trips since the start.
    pub closed_total: Option<u64>,
    /// Of those that won or lost, the winners.
    pub winrate_total_pct: Option<Percent>,
    /// Net result since the start.
    pub realized_total: Option<f64>,
    /// Refusals before the plan, by reason.
    pub filter_fails: Counts,
    /// Refusals at the plan, by reason.
    pub skips: Counts,
    /// Candidates dropped for the share of their asset.
    pub drops_symbol_concentration: Option<u64>,
    /// Entries of 15 minutes.
    pub buys_15m: Option<u64>,
    /// The same by asset.
    pub buy_symbols_15m: Counts,
}

/// Orders of 15 minutes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExecHealth {
    /// Entries planned.
    pub plan_attempts: Option<u64>,
    /// Of them given up.
    pub plan_skips: Option<u64>,
    /// Positions opened.
    pub opens: Option<u64>,
    /// Positions closed.
    pub closes: Option<u64>,
    /// Opens of plan attempts.
    pub open_rate: Option<Fraction>,
    /// Closes of opens.
    pub close_rate: Option<Fraction>,
    /// Winners of winners and losers.
    pub winrate_closed: Option<Fraction>,
    /// No book, no price, or no way to the venue.
    pub route_fails: Option<u64>,
    /// Entry orders refused.
    pub buy_fails: Option<u64>,
    /// Exit orders refused.
    pub sell_fails: Option<u64>,
    /// Mean result of losing round trips, percent of the position, net of costs.
    pub roundtrip_loss_avg_pct: Option<Percent>,
    /// Median of the same.
    pub roundtrip_loss_median_pct: Option<Percent>,
}

/// Ends of round trips of 60 minutes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExitMix {
    /// Round trips closed.
    pub exits: Option<u64>,
    /// Their net result.
    pub pnl_usd_sum: Option<f64>,
    /// Deepest loss, negative.
    pub largest_loss_usd: Option<f64>,
    /// Median winner.
    pub median_win_usd: Option<f64>,
    /// Deepest loss over median winner; absent without a winner.
    pub tail_loss_ratio: Option<f64>,
    /// By reason.
    pub reasons: Counts,
}

/// Refusals for the state of an instrument.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Blacklist {
    /// Share of plan attempts.
    pub share: Option<Fraction>,
    /// How many.
    pub added: Option<u64>,
    /// Different instruments.
    pub unique: Option<u64>,
    /// Share of the two most refused.
    pub top2_share: Option<Fraction>,
    /// Share without a known cause.
    pub unknown_share: Option<Fraction>,
    /// Share that the exchange's own status explains: halted, delisting, restricted.
    pub honeypot_share: Option<Fraction>,
    /// By class.
    pub classes: Counts,
    /// The most refused.
    pub top: Vec<(String, u64)>,
}

/// The asset opened most.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Churn {
    /// Which.
    pub symbol: Option<String>,
    /// Its opens.
    pub opens: Option<u64>,
    /// Its closes.
    pub closes: Option<u64>,
    /// Its share of all opens.
    pub share: Option<Fraction>,
    /// Share of its closes with a result of about nothing.
    pub flat_share: Option<Fraction>,
    /// Share of its closes for want of movement.
    pub churn_share: Option<Fraction>,
}

/// Candidates by place of the funnel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Funnel {
    /// Ranked.
    pub raw: u64,
    /// Left after the lanes.
    pub source: u64,
    /// Left after the prechecks.
    pub pre: u64,
    /// Left after the thresholds.
    pub thr: u64,
    /// Left after the quarantine.
    pub quarantine: u64,
    /// Left after planning.
    pub exec: u64,
    /// Opened.
    pub buy: u64,
}

/// Reasons, most frequent first, with count and share of their list.
pub type Ranked = Vec<(String, u64, Fraction)>;

/// Five ranked lists of reasons.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TopReasons {
    /// Filters before the plan.
    pub filter_fail: Ranked,
    /// Quality gate.
    pub quality_skip: Ranked,
    /// Planning.
    pub plan_skip: Ranked,
    /// Orders refused.
    pub execute_fail: Ranked,
    /// Ends of round trips.
    pub exit: Ranked,
}

impl Metrics {
    /// How often any of these reasons refused a candidate, at the filters or at the plan.
    #[must_use]
    pub fn hits(&self, reasons: &[&str]) -> u64 {
        let of = |counts: &Counts| -> u64 {
            counts.iter().filter(|row| reasons.contains(&row.0.as_str())).map(|row| row.1).sum()
        };
        of(&self.filter_fails).saturating_add(of(&self.skips))
    }

    /// True when there is nothing to see: no selection, no scan, no line.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        [self.selected, self.scanned, self.lines].iter().all(|n| n.unwrap_or(0) == 0)
    }

    /// Entries an hour, as far as the last 15 minutes tell.
    #[must_use]
    pub fn observed_tph(&self) -> Option<f64> {
        self.buys_15m.map(|buys| 4.0 * count(buys))
    }

    /// Different assets that were entered.
    #[must_use]
    pub fn unique_symbols(&self) -> Option<u64> {
        self.knows_symbols().then_some(())?;
        let entered = self.buy_symbols_15m.values().filter(|n| **n > 0).count();
        u64::try_from(entered).ok()
    }

    /// Entries whose assets nobody named say nothing about variety.
    fn knows_symbols(&self) -> bool {
        self.buys_15m.is_some_and(|buys| buys == 0 || !self.buy_symbols_15m.is_empty())
    }

    /// Share of the asset entered most.
    #[must_use]
    pub fn top_share(&self) -> Option<Fraction> {
        self.knows_symbols().then_some(())?;
        Fraction::of(self.buy_symbols_15m.values().copied().max().unwrap_or(0), self.buys_15m?)
    }

    /// Opened of selected: the rate of the batches, not that of the plans.
    #[must_use]
    pub fn batch_rate(&self) -> Option<Fraction> {
        Fraction::of(self.opened?, self.selected?)
    }

    /// Selected candidates suffice for nothing, by any of four measures.
    #[must_use]
    pub fn low_throughput(&self) -> Option<bool> {
        let (selected, opened) = (self.selected?, self.opened?);
        let rate = self.batch_rate().map_or(0.0, |rate| rate.0);
        Some(
            selected == 0
                || (selected >= 20 && rate < 0.06)
                || (selected >= 8 && opened <= 2 && rate < 0.10)
                || (selected >= 4 && opened == 0),
        )
    }

    /// A losing account: ten round trips, and few winners or a loss in sum.
    #[must_use]
    pub fn risk_stress(&self) -> Option<bool> {
        if self.closed_total? < 10 {
            return Some(false);
        }
        let few = self.winrate_total_pct.map(|rate| rate.0 < 35.0);
        crate::measure::or(few, self.realized_total.map(|sum| sum < 0.0))
    }

    /// Renames reasons of the system this one descends from, and adds up what becomes the same.
    #[must_use]
    pub fn with_own_reasons(mut self) -> Self {
        for counts in [&mut self.filter_fails, &mut self.skips] {
            let mut own = Counts::new();
            for (name, n) in std::mem::take(counts) {
                *own.entry(own_reason(&name).to_owned()).or_default() += n;
            }
            *counts = own;
        }
        self
    }
}

impl ExecHealth {
    /// The open rate, from the counts where it is not given.
    #[must_use]
    pub fn rate(&self) -> Option<Fraction> {
        self.open_rate.or_else(|| Fraction::of(self.opens?, self.plan_attempts?))
    }
}

/// The name of a reason in this engine.
#[must_use]
pub fn own_reason(name: &str) -> &str {
    match name {
        "source_route_prob" => "lane_route_prob",
        "token_ev_memory_prob" => "symbol_memory_prob",
        "blacklist" => "not_tradable",
        "heavy_dedup_ttl" => "signal_dedup",
        "address_or_duplicate" | "duplicate_address" => "slot_busy",
        "safe_volume" => "volume_5m_low",
        "safe_age" => "listing_age",
        "safe_liquidity" => "depth_low",
        "safe_change_5m" => "change_5m",
        "source_qos_cap" => "lane_cap",
        "source_qos_symbol_cap" => "symbol_cap",
        "source_qos_topk" => "topk",
        "source_qos_cooldown" => "lane_cooldown",
        "source_budget" => "lane_budget",
        "excluded_base_token" => "excluded_symbol",
        "cooldown" => "symbol_cooldown",
        other if other.starts_with("cooldown_left") => "symbol_cooldown",
        other if other.starts_with("symbol_cooldown_left") => "symbol_cooldown",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_throughput_is_the_golden_table() {
        for (selected, opened, low) in [
            (0, 0, true),
            (3, 0, false),
            (4, 0, true),
            (4, 1, false),
            (8, 1, false),
            (8, 2, false),
            (20, 1, true),
            (20, 2, false),
            (16, 1, true),
            (10, 1, false),
        ] {
            let metrics =
                Metrics { selected: Some(selected), opened: Some(opened), ..Metrics::default() };
            assert_eq!(metrics.low_throughput(), Some(low), "({selected}, {opened})");
        }
        assert_eq!(Metrics { selected: Some(0), ..Metrics::default() }.low_throughput(), None);
    }

    #[test]
    fn stress_needs_ten_round_trips_and_a_reason() {
        let of = |closed, rate: Option<f64>, sum: Option<f64>| {
            let metrics = Metrics {
                closed_total: closed,
                winrate_total_pct: rate.map(Percent),
                realized_total: sum,
                ..Metrics::default()
            };
            metrics.risk_stress()
        };
        assert_eq!(of(Some(9), Some(0.0), Some(-9.0)), Some(false));
        assert_eq!(of(Some(10), Some(34.9), None), Some(true));
        assert_eq!(of(Some(10), Some(35.0), Some(0.0)), Some(false));
        assert_eq!(of(Some(10), Some(35.0), Some(-0.01)), Some(true));
        assert_eq!(of(Some(10), Some(50.0), None), None);
        assert_eq!(of(None, Some(0.0), Some(-9.0)), None);
    }

    #[test]
    fn reasons_of_both_systems_add_up() {
        let counts = |pairs: &[(&str, u64)]| {
            pairs.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect::<Counts>()
        };
        let metrics = Metrics {
            filter_fails: counts(&[("heavy_dedup_ttl", 2), ("signal_dedup", 1)]),
            skips: counts(&[
                ("symbol_cooldown_left_30", 4),
                ("cooldown_left_5", 1),
                ("cooldown", 2),
                ("address_or_duplicate", 6),
            ]),
            ..Metrics::default()
        }
        .with_own_reasons();
        assert_eq!(metrics.hits(&["signal_dedup"]), 3);
        assert_eq!(metrics.hits(&["symbol_cooldown"]), 7);
        assert_eq!(metrics.hits(&["slot_busy"]), 6);
    }

    #[test]
    fn shares_of_entries_need_the_number_of_entries() {
        let mut metrics = Metrics::default();
        metrics.buy_symbols_15m.insert("A".into(), 3);
        metrics.buy_symbols_15m.insert("B".into(), 1);
        assert_eq!((metrics.unique_symbols(), metrics.top_share()), (None, None));
        metrics.buys_15m = Some(4);
        let unnamed = Metrics { buys_15m: Some(4), ..Metrics::default() };
        assert_eq!((unnamed.unique_symbols(), unnamed.top_share()), (None, None));
        assert_eq!(
            (metrics.unique_symbols(), metrics.top_share()),
            (Some(2), Some(Fraction(0.75)))
        );
    }
}
