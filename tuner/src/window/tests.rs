use super::*;
use crate::measure::{Fraction, Percent};
use pinion_core::msg::funnel::FunnelRefusal;
use pinion_core::msg::record::BlockReason;

const S: i64 = Nanos::SECOND;

fn name(asset: usize) -> String {
    ["AUSDT", "BUSDT", "CUSDT"].get(asset).copied().unwrap_or("?").to_owned()
}

fn trade(instrument: usize, stage: FunnelStage, reason: FunnelReason, pnl: &str) -> Event {
    let decision = match stage {
        FunnelStage::TradeOpen => FunnelDecision::Open,
        FunnelStage::TradeClose => FunnelDecision::Close,
        _ if reason == FunnelReason::None => FunnelDecision::Ok,
        _ => FunnelDecision::Skip,
    };
    let pnl = Money::parse(pnl.as_bytes()).ok();
    let percent = pnl.map(|pnl| pnl.to_f64() / 10.0);
    Event::Trade { instrument, stage, decision, reason, pnl, percent }
}

fn candidate(stage: FunnelStage, reason: FunnelReason) -> Event {
    let decision = match stage {
        FunnelStage::FilterFail => FunnelDecision::Skip,
        FunnelStage::QualityGate if reason != FunnelReason::None => FunnelDecision::Skip,
        FunnelStage::QualityGate => FunnelDecision::Pass,
        _ => FunnelDecision::CandidatePass,
    };
    Event::Candidate { instrument: 0, stage, decision, reason }
}

fn at(windows: &mut Windows, second: i64, event: Event) {
    windows.take(Nanos::new(second * S), &event);
}

fn read(windows: &Windows, second: i64) -> Telemetry {
    windows.telemetry(Nanos::new(second * S), 15, &name)
}

#[test]
fn nothing_is_known_before_the_first_record_or_where_some_were_lost() {
    let mut windows = Windows::new();
    assert_eq!(read(&windows, 100), Telemetry::default());
    at(&mut windows, 100, Event::Other);
    let known = read(&windows, 100);
    assert_eq!((known.metrics.lines, known.metrics.selected), (Some(1), Some(0)));
    assert_eq!(known.metrics.open_positions, None, "not flat: unknown");
    assert_eq!(known.metrics.closed_total, None);
    assert_eq!(known.exec_health_15m.open_rate, None);
    windows.note_missed(Nanos::new(200 * S), 3);
    assert_eq!(read(&windows, 200 + 3_599), Telemetry::default());
    at(&mut windows, 3_800, Event::Other);
    assert_eq!(read(&windows, 3_800).metrics.lines, Some(1));
}

#[test]
fn the_funnel_and_the_orders_are_counted() {
    let mut windows = Windows::new();
    let low = FunnelReason::Funnel(FunnelRefusal::ScoreMin);
    let lane = FunnelReason::Funnel(FunnelRefusal::LaneCap);
    let share = FunnelReason::Funnel(FunnelRefusal::SymbolConcentration);
    let stale = FunnelReason::Guard(BlockReason::StalePrice);
    let barred = FunnelReason::Guard(BlockReason::NotTradable);
    for event in [
        candidate(FunnelStage::FilterFail, low),
        candidate(FunnelStage::FilterFail, lane),
        candidate(FunnelStage::PostFilters, FunnelReason::None),
        candidate(FunnelStage::PostFilters, FunnelReason::None),
        candidate(FunnelStage::PostFilters, FunnelReason::None),
        candidate(FunnelStage::PostFilters, FunnelReason::None),
        candidate(FunnelStage::QualityGate, share),
        candidate(FunnelStage::QualityGate, FunnelReason::None),
        candidate(FunnelStage::QualityGate, FunnelReason::None),
        candidate(FunnelStage::QualityGate, FunnelReason::None),
        trade(0, FunnelStage::PlanTrade, FunnelReason::None, ""),
        trade(0, FunnelStage::PlanTrade, stale, ""),
        trade(1, FunnelStage::PlanTrade, barred, ""),
        trade(0, FunnelStage::TradeOpen, FunnelReason::None, ""),
        Event::Rejected { is_exit: false },
        Event::Rejected { is_exit: true },
        Event::Summary { closed: 4, wins: 1, losses: 3, realized: Money::ONE, open: 1 },
    ] {
        at(&mut windows, 1_000, event);
    }
    let known = read(&windows, 1_000);
    let funnel = known.funnel_15m.clone().expect("known");
    assert_eq!(
        (funnel.raw, funnel.source, funnel.pre, funnel.thr, funnel.quarantine),
        (6, 5, 5, 4, 3)
    );
    assert_eq!((funnel.exec, funnel.buy), (1, 1));
    let metrics = &known.metrics;
    assert_eq!((metrics.selected, metrics.opened), (Some(3), Some(1)));
    assert_eq!(metrics.drops_symbol_concentration, Some(1));
    assert_eq!(metrics.hits(&["score_min", "lane_cap"]), 2);
    assert_eq!(metrics.winrate_total_pct, Some(Percent(25.0)));
    assert_eq!(metrics.open_positions, Some(1));
    assert_eq!(metrics.buy_symbols_15m.get("AUSDT"), Some(&1));
    let exec = &known.exec_health_15m;
    assert_eq!((exec.plan_attempts, exec.route_fails), (Some(3), Some(1)));
    assert_eq!((exec.buy_fails, exec.sell_fails), (Some(1), Some(1)));
    assert_eq!(known.blacklist_15m.added, Some(1));
    assert_eq!(known.blacklist_15m.top, [("BUSDT".to_owned(), 1)]);
    // Five minutes later the books are old.
    let old = read(&windows, 1_301);
    assert_eq!((old.metrics.open_positions, old.metrics.closed_total), (None, None));
}

#[test]
fn ends_of_round_trips_give_rates_medians_and_the_tail() {
    let mut windows = Windows::new();
    let hold = FunnelReason::Policy(DecisionReason::MaxHold);
    for pnl in ["1", "3", "-24", "-2", "0"] {
        at(&mut windows, 5_000, trade(0, FunnelStage::TradeClose, hold, pnl));
    }
    let known = read(&windows, 5_000);
    let exits = &known.exit_mix_60m;
    assert_eq!((exits.exits, exits.pnl_usd_sum), (Some(5), Some(-22.0)));
    assert_eq!((exits.largest_loss_usd, exits.median_win_usd), (Some(-24.0), Some(2.0)));
    assert_eq!(exits.tail_loss_ratio, Some(12.0));
    assert_eq!(exits.reasons.get("max_hold"), Some(&5));
    let exec = &known.exec_health_15m;
    assert_eq!(exec.winrate_closed, Some(Fraction(0.5)), "nothing won and lost counts in neither");
    assert_eq!(exec.roundtrip_loss_median_pct, Some(Percent(-1.3)));
    // Of the hour, not of the quarter.
    let later = read(&windows, 5_901);
    assert_eq!((later.exit_mix_60m.exits, later.exec_health_15m.closes), (Some(5), Some(0)));
    assert_eq!(read(&windows, 8_601).exit_mix_60m.exits, Some(0));
}

#[test]
fn no_winner_is_no_ratio() {
    let mut windows = Windows::new();
    let stop = FunnelReason::Policy(DecisionReason::StopLoss);
    at(&mut windows, 10, trade(0, FunnelStage::TradeClose, stop, "-5"));
    let exits = read(&windows, 10).exit_mix_60m;
    assert_eq!((exits.tail_loss_ratio, exits.median_win_usd), (None, None));
}

#[test]
fn an_asset_that_goes_in_and_out_churns() {
    let mut windows = Windows::new();
    let hold = FunnelReason::Policy(DecisionReason::MaxHold);
    for _ in 0..3 {
        at(&mut windows, 100, trade(1, FunnelStage::TradeOpen, FunnelReason::None, ""));
        at(&mut windows, 130, trade(1, FunnelStage::TradeClose, hold, "0.01"));
    }
    at(&mut windows, 140, trade(0, FunnelStage::TradeOpen, FunnelReason::None, ""));
    let churn = read(&windows, 150).churn_15m;
    assert_eq!(churn.symbol.as_deref(), Some("BUSDT"));
    assert_eq!((churn.opens, churn.closes), (Some(3), Some(3)));
    assert_eq!(churn.share, Some(Fraction(0.75)));
    assert_eq!((churn.flat_share, churn.churn_share), (Some(Fraction(1.0)), Some(Fraction(1.0))));
}

#[test]
fn memory_and_counts_do_not_grow_with_the_run() {
    let mut windows = Windows::new();
    let stop = FunnelReason::Policy(DecisionReason::StopLoss);
    for second in 0..200_000 {
        at(&mut windows, second, trade(0, FunnelStage::TradeClose, stop, "-1"));
    }
    assert_eq!(windows.closes.len(), CLOSES_MAX);
    assert_eq!(windows.closes.capacity(), CLOSES_MAX);
    let known = read(&windows, 199_999);
    assert_eq!(known.exit_mix_60m.exits, Some(3_600));
    assert!(known.metrics.lines.is_some_and(|n| (886..=900).contains(&n)));
    for second in 200_000..201_000 {
        for asset in 0..2 * ASSETS_MAX {
            let opened = trade(asset, FunnelStage::TradeOpen, FunnelReason::None, "");
            at(&mut windows, second, opened);
        }
    }
    assert!(windows.bytes() < 2_000_000, "{}", windows.bytes());
}

#[test]
fn files_can_be_fed_one_after_another() {
    let events: Vec<(i64, Event)> = (0..2_000)
        .map(|second| match second % 3 {
            0 => (second, candidate(FunnelStage::PostFilters, FunnelReason::None)),
            1 => (second, trade(0, FunnelStage::TradeOpen, FunnelReason::None, "")),
            _ => (second, Event::Open { positions: 1 }),
        })
        .collect();
    let (mut mixed, mut apart) = (Windows::new(), Windows::new());
    events.iter().for_each(|(second, event)| at(&mut mixed, *second, *event));
    for kind in 0..3 {
        let part = events.iter().filter(|row| row.0 % 3 == kind);
        part.for_each(|(second, event)| at(&mut apart, *second, *event));
    }
    assert_eq!(read(&mixed, 2_000), read(&apart, 2_000));
}
