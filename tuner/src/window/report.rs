//! From the counts to the telemetry blocks.

use std::collections::BTreeMap;

use pinion_core::msg::funnel::FunnelBlock;
use pinion_core::msg::funnel::FunnelRefusal;
use pinion_core::msg::record::{DecisionReason, FunnelReason};

use crate::measure::{Fraction, Percent, count};
use crate::telemetry::{
    Blacklist, Churn, Counts, ExecHealth, ExitMix, Funnel, Metrics, Ranked, Telemetry, TopReasons,
};
use crate::window::reasons::{REASONS, is_route, reason_at, reason_of, text};
use crate::window::{BOOKS_AGE_NS, Close, HOUR_NS, MINUTE_NS, Windows};

/// A round trip whose result is within this, in percent of the position, went nowhere: about its costs.
const FLAT_PERCENT: f64 = 0.15;
/// A winner below this is none to hold a loss against.
const WIN_MIN: f64 = 1e-9;
const QUARTER_NS: i64 = 15 * MINUTE_NS;
/// Entries of a ranked list.
const TOP: usize = 8;

/// Sums over the buckets of some minutes.
struct Sums {
    lines: u64,
    passed: u64,
    gate_passed: u64,
    planned: u64,
    opened: u64,
    entry_rejects: u64,
    exit_rejects: u64,
    filter: [u64; REASONS],
    gate: [u64; REASONS],
    plan: [u64; REASONS],
    opens: BTreeMap<usize, u64>,
    barred: BTreeMap<usize, u64>,
}

impl Sums {
    fn of(windows: &Windows, now_ns: i64, minutes: i64) -> Self {
        let mut sums = Self {
            lines: 0,
            passed: 0,
            gate_passed: 0,
            planned: 0,
            opened: 0,
            entry_rejects: 0,
            exit_rejects: 0,
            filter: [0; REASONS],
            gate: [0; REASONS],
            plan: [0; REASONS],
            opens: BTreeMap::new(),
            barred: BTreeMap::new(),
        };
        for bucket in windows.recent(now_ns, minutes) {
            sums.lines += bucket.lines;
            sums.passed += bucket.passed;
            sums.gate_passed += bucket.gate_passed;
            sums.planned += bucket.planned;
            sums.opened += bucket.opened;
            sums.entry_rejects += bucket.entry_rejects;
            sums.exit_rejects += bucket.exit_rejects;
            for (sum, counts) in [
                (&mut sums.filter, &bucket.filter),
                (&mut sums.gate, &bucket.gate),
                (&mut sums.plan, &bucket.plan),
            ] {
                sum.iter_mut().zip(counts).for_each(|(sum, n)| *sum += u64::from(*n));
            }
            for (sum, counts) in
                [(&mut sums.opens, &bucket.opens), (&mut sums.barred, &bucket.barred)]
            {
                for (asset, n) in counts.iter().enumerate().filter(|row| *row.1 > 0) {
                    *sum.entry(asset).or_default() += u64::from(*n);
                }
            }
        }
        sums
    }

    fn plan_skips(&self) -> u64 {
        self.plan.iter().sum()
    }

    fn plan_attempts(&self) -> u64 {
        self.planned + self.plan_skips()
    }

    fn scanned(&self) -> u64 {
        self.passed + self.filter.iter().sum::<u64>()
    }

    fn filtered_by(&self, block: FunnelBlock) -> u64 {
        let by = |counts: &[u64; REASONS]| -> u64 {
            let of = |place: usize| reason_at(place).block() == Some(block);
            counts.iter().enumerate().filter(|row| of(row.0)).map(|row| row.1).sum()
        };
        by(&self.filter) + if block == FunnelBlock::Quarantine { by(&self.gate) } else { 0 }
    }
}

/// Everything that is known at a moment.
pub(super) fn telemetry(
    windows: &Windows,
    now_ns: i64,
    minutes: i64,
    symbol: &dyn Fn(usize) -> String,
) -> Telemetry {
    let quarter = Sums::of(windows, now_ns, 15);
    let session = Sums::of(windows, now_ns, minutes);
    let recent: Vec<&Close> = windows.closes_since(now_ns - QUARTER_NS, now_ns).collect();
    let hour: Vec<&Close> = windows.closes_since(now_ns - HOUR_NS, now_ns).collect();
    Telemetry {
        metrics: metrics(windows, now_ns, &session, &quarter, symbol),
        exec_health_15m: exec_health(&quarter, &recent),
        exit_mix_60m: exit_mix(&hour),
        blacklist_15m: blacklist(&quarter, symbol),
        churn_15m: churn(&quarter, &recent, symbol),
        funnel_15m: Some(funnel(&quarter)),
        top_reasons_15m: Some(top_reasons(&quarter, &recent)),
    }
}

fn named(counts: &[&[u64; REASONS]]) -> Counts {
    let mut out = Counts::new();
    for counts in counts {
        for (place, n) in counts.iter().enumerate().filter(|row| *row.1 > 0) {
            *out.entry(text(place).to_owned()).or_default() += n;
        }
    }
    out
}

fn metrics(
    windows: &Windows,
    now_ns: i64,
    session: &Sums,
    quarter: &Sums,
    symbol: &dyn Fn(usize) -> String,
) -> Metrics {
    let fresh = |at: i64| now_ns.saturating_sub(at) <= BOOKS_AGE_NS;
    let books = windows.books.filter(|books| fresh(books.ts_ns));
    let share = reason_of(FunnelReason::Funnel(FunnelRefusal::SymbolConcentration));
    Metrics {
        selected: Some(session.gate_passed),
        opened: Some(session.opened),
        scanned: Some(session.scanned()),
        trade_candidates: Some(session.passed),
        lines: Some(session.lines),
        open_positions: windows.open.filter(|open| fresh(open.0)).map(|open| open.1),
        closed_total: books.map(|books| books.closed),
        winrate_total_pct: books.and_then(|books| {
            let share = Fraction::of(books.wins, books.wins + books.losses)?;
            Some(Percent(100.0 * share.0))
        }),
        realized_total: books.map(|books| books.realized.to_f64()),
        filter_fails: named(&[&session.filter, &session.gate]),
        skips: named(&[&session.plan]),
        drops_symbol_concentration: Some(session.gate[share]),
        buys_15m: Some(quarter.opened),
        buy_symbols_15m: quarter.opens.iter().map(|(asset, n)| (symbol(*asset), *n)).collect(),
    }
}

fn exec_health(sums: &Sums, closes: &[&Close]) -> ExecHealth {
    let (attempts, closed) = (sums.plan_attempts(), count_of(closes));
    let results = || closes.iter().filter_map(|close| close.pnl);
    let (mut wins, mut losses) = (0, 0);
    for pnl in results() {
        wins += u64::from(pnl.is_positive());
        losses += u64::from(!pnl.is_positive() && !pnl.is_zero());
    }
    let mut lost: Vec<f64> = closes
        .iter()
        .filter(|close| close.pnl.is_some_and(|pnl| !pnl.is_positive() && !pnl.is_zero()))
        .filter_map(|close| close.percent)
        .collect();
    let mean = (!lost.is_empty())
        .then(|| Percent(lost.iter().sum::<f64>() / count(u64::try_from(lost.len()).unwrap_or(1))));
    let routes =
        sums.plan.iter().enumerate().filter(|row| is_route(reason_at(row.0))).map(|row| row.1);
    ExecHealth {
        plan_attempts: Some(attempts),
        plan_skips: Some(sums.plan_skips()),
        opens: Some(sums.opened),
        closes: Some(closed),
        open_rate: Fraction::of(sums.opened, attempts),
        close_rate: Fraction::of(closed, sums.opened),
        winrate_closed: Fraction::of(wins, wins + losses),
        route_fails: Some(routes.sum()),
        buy_fails: Some(sums.entry_rejects),
        sell_fails: Some(sums.exit_rejects),
        roundtrip_loss_avg_pct: mean,
        roundtrip_loss_median_pct: median(&mut lost).map(Percent),
    }
}

fn count_of<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

/// The middle value; between two, their mean.
pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    values.get(middle.checked_sub(1)?).map(|lower| f64::midpoint(*lower, upper))
}

fn exit_mix(closes: &[&Close]) -> ExitMix {
    let results: Vec<f64> =
        closes.iter().filter_map(|close| close.pnl).map(|pnl| pnl.to_f64()).collect();
    // Summed as money, so that no cent gets lost.
    let sum = closes
        .iter()
        .filter_map(|close| close.pnl)
        .try_fold(pinion_core::units::Money::ZERO, pinion_core::units::Money::checked_add);
    let largest = results.iter().copied().filter(|pnl| *pnl < 0.0).min_by(f64::total_cmp);
    let mut wins: Vec<f64> = results.iter().copied().filter(|pnl| *pnl > 0.0).collect();
    let median_win = median(&mut wins);
    let mut reasons = Counts::new();
    for close in closes {
        let name = close.reason.map_or("none", DecisionReason::as_str);
        *reasons.entry(name.to_owned()).or_default() += 1;
    }
    ExitMix {
        exits: Some(count_of(closes)),
        pnl_usd_sum: sum.map(pinion_core::units::Money::to_f64),
        largest_loss_usd: largest,
        median_win_usd: median_win,
        tail_loss_ratio: median_win
            .filter(|win| *win > WIN_MIN)
            .map(|win| largest.unwrap_or(0.0).abs() / win),
        reasons,
    }
}

fn blacklist(sums: &Sums, symbol: &dyn Fn(usize) -> String) -> Blacklist {
    let added: u64 = sums.barred.values().sum();
    let mut ranked: Vec<(usize, u64)> = sums.barred.iter().map(|(a, n)| (*a, *n)).collect();
    ranked.sort_by_key(|row| (std::cmp::Reverse(row.1), row.0));
    let top2: u64 = ranked.iter().take(2).map(|row| row.1).sum();
    // The engine refuses for the exchange's own status alone: no other class has members yet.
    let classes = [("exchange_status", added)];
    Blacklist {
        share: Fraction::of(added, sums.plan_attempts()),
        added: Some(added),
        unique: Some(count_of(&ranked)),
        top2_share: Fraction::of(top2, added).or(Some(Fraction(0.0))),
        unknown_share: Some(Fraction(0.0)),
        honeypot_share: Fraction::of(added, added).or(Some(Fraction(0.0))),
        classes: classes.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect(),
        top: ranked.iter().take(TOP).map(|(asset, n)| (symbol(*asset), *n)).collect(),
    }
}

fn churn(sums: &Sums, closes: &[&Close], symbol: &dyn Fn(usize) -> String) -> Churn {
    // Of two alike the first of the table.
    let most = sums.opens.iter().max_by_key(|row| (*row.1, std::cmp::Reverse(*row.0)));
    let Some((asset, opens)) = most else { return Churn::default() };
    let own: Vec<&&Close> = closes.iter().filter(|close| close.instrument == *asset).collect();
    let total = count_of(&own);
    let of = |is: &dyn Fn(&Close) -> bool| {
        Fraction::of(own.iter().filter(|close| is(close)).fold(0, |n, _| n + 1), total)
    };
    Churn {
        symbol: Some(symbol(*asset)),
        opens: Some(*opens),
        closes: Some(total),
        share: Fraction::of(*opens, sums.opened),
        flat_share: of(&|close| close.percent.is_some_and(|pct| pct.abs() <= FLAT_PERCENT)),
        churn_share: of(&|close| {
            matches!(close.reason, Some(DecisionReason::MaxHold | DecisionReason::RegimeReversal))
        }),
    }
}

fn funnel(sums: &Sums) -> Funnel {
    let raw = sums.scanned();
    let source = raw
        .saturating_sub(sums.filtered_by(FunnelBlock::Raw))
        .saturating_sub(sums.filtered_by(FunnelBlock::Source));
    let pre = source.saturating_sub(sums.filtered_by(FunnelBlock::Pre));
    let thr = sums.passed;
    let quarantine = thr.saturating_sub(sums.filtered_by(FunnelBlock::Quarantine));
    Funnel { raw, source, pre, thr, quarantine, exec: sums.planned, buy: sums.opened }
}

fn top_reasons(sums: &Sums, closes: &[&Close]) -> TopReasons {
    let exits = exit_mix(closes).reasons;
    let failed = [("entry_rejected", sums.entry_rejects), ("exit_rejected", sums.exit_rejects)];
    let failed: Counts =
        failed.iter().filter(|row| row.1 > 0).map(|(name, n)| ((*name).to_owned(), *n)).collect();
    TopReasons {
        filter_fail: ranked(&named(&[&sums.filter])),
        quality_skip: ranked(&named(&[&sums.gate])),
        plan_skip: ranked(&named(&[&sums.plan])),
        execute_fail: ranked(&failed),
        exit: ranked(&exits),
    }
}

fn ranked(counts: &Counts) -> Ranked {
    let total: u64 = counts.values().sum();
    let mut rows: Ranked = counts
        .iter()
        .filter_map(|(name, n)| Some((name.clone(), *n, Fraction::of(*n, total)?)))
        .collect();
    rows.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    rows.truncate(TOP);
    rows
}
