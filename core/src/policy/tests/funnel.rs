//! The funnel through the engine: who is tried, who is refused where, and what is remembered.

use super::*;

impl Rig {
    /// A scan in which FET and SOL pass, FET first.
    fn scan_both(&mut self) {
        self.scan += 1;
        for place in 0..2u8 {
            let rank = Rank {
                number: self.scan,
                place: u16::from(place),
                instrument: InstrumentId::new(usize::from(place)),
                direction: PositionSide::Short,
                verdict: RankVerdict::Pass,
                latency: 3,
                efficiency: 2.0,
                alignment: 0.6,
                noise_ppm: 200.0,
                ars: 1.25 - f64::from(place),
            };
            self.turn(&Input::Scan(ScanMsg::Rank(rank)));
        }
        let scan = Scan {
            ts_ns: self.now,
            number: self.scan,
            active: 2,
            ranked: 2,
            vel_div: Some(-0.03),
            velocity_50: Some(-0.03),
            velocity_750: Some(0.0),
            vol: Some(0.001),
            vol_ok: true,
            picker_warm: true,
        };
        self.turn(&Input::Scan(ScanMsg::Scan(scan)));
    }

    fn ordered(&self) -> Option<usize> {
        self.commands.iter().rev().find_map(|message| match message.command {
            Command::Place { instrument, .. } => Some(instrument.index()),
            _ => None,
        })
    }

    /// Everything fresh again, long enough after the last fill.
    fn settle(&mut self) {
        self.pass(6 * Nanos::SECOND);
        for _ in 0..8 {
            self.quote(FET, "0.2000", "0.2001");
            self.quote(SOL, "150.00", "150.01");
        }
        self.probe();
    }

    /// A round trip in FET that loses 2 %.
    fn lose(&mut self) {
        self.scan_both();
        assert_eq!(self.ordered(), Some(FET), "{:?}", self.last_decision());
        self.fill("0.2000");
        self.quote(FET, "0.2039", "0.2040");
        self.fill("0.2040");
        assert!(self.engine.kernel().slot(0).is_free());
    }

    /// Why candidates that were looked at were refused.
    fn refusals(&self) -> Vec<&'static str> {
        let skipped = |row: &(FunnelStage, FunnelDecision, &'static str)| {
            let looked_at = !["slot_taken", "not_tried"].contains(&row.2);
            (row.1 == FunnelDecision::Skip && looked_at).then_some(row.2)
        };
        self.funnel().iter().filter_map(skipped).collect()
    }
}

#[test]
fn by_default_the_best_is_tried_and_no_other() {
    let mut rig = Rig::new(Settings::default());
    rig.quote(FET, "0.2001", "0.2002");
    rig.scan_both();
    assert_eq!(rig.last_decision(), hold(DecisionReason::DirectionContradicted));
    assert_eq!(rig.ordered(), None);
}

#[test]
fn a_second_attempt_takes_the_next_best() {
    let mut rig = Rig::new(Settings { funnel_attempts_max: 2, ..Settings::default() });
    rig.quote(FET, "0.2001", "0.2002");
    rig.scan_both();
    assert_eq!(rig.ordered(), Some(SOL));
    assert_eq!(rig.refusals(), ["direction_contradicted"]);
}

#[test]
fn an_excluded_asset_makes_room_for_the_next_until_its_time_is_over() {
    let excluded = [TextId::new("FETUSDT").expect("fits")];
    let settings = Settings {
        universe_excluded: excluded.into(),
        universe_excluded_ttl_s: 10,
        ..Settings::default()
    };
    let mut rig = Rig::new(settings.clone());
    rig.scan_both();
    assert_eq!(rig.ordered(), Some(SOL));
    assert_eq!(rig.refusals(), ["excluded_symbol"]);
    let mut rig = Rig::new(settings);
    rig.scan(None, |_| {});
    rig.pass(10 * Nanos::SECOND);
    rig.settle();
    rig.scan_both();
    assert_eq!(rig.ordered(), Some(FET));
}

#[test]
fn a_score_below_the_market_mode_is_refused_and_told() {
    use crate::settings::MarketMode;
    let settings = Settings { funnel_market_mode: MarketMode::Soft, ..Settings::default() };
    let mut rig = Rig::new(settings);
    rig.scan_both();
    // 1.25 scores 86.7, 0.25 scores 34.9.
    assert_eq!(rig.ordered(), Some(FET));
    assert_eq!(rig.refusals(), ["score_min"]);
    let strict = Settings {
        funnel_market_mode: MarketMode::Strict,
        funnel_score_strict: 90,
        ..Settings::default()
    };
    let mut rig = Rig::new(strict);
    rig.scan_both();
    assert_eq!(rig.last_decision(), hold(DecisionReason::Filtered));
    assert_eq!(rig.refusals(), ["score_min", "score_min"]);
}

#[test]
fn a_cap_of_the_scan_keeps_the_deeper_asset() {
    // SOL shows 150 at its touch, FET 0.2.
    let mut rig = Rig::new(Settings { funnel_lane_cap_momentum: 1, ..Settings::default() });
    rig.scan_both();
    assert_eq!(rig.ordered(), Some(SOL));
    assert_eq!(rig.refusals(), ["lane_cap"]);
}

#[test]
fn a_plan_is_not_repeated_within_its_time() {
    let mut rig = Rig::new(Settings { funnel_dedup_ttl_s: 30, ..Settings::default() });
    rig.lose();
    rig.settle();
    rig.scan_both();
    assert_eq!(rig.ordered(), Some(SOL));
    assert_eq!(rig.refusals(), ["signal_dedup"]);
}

#[test]
fn a_loss_cools_the_asset_down() {
    for (settings, reason) in [
        (Settings { memory_cooldown_s: 60, ..Settings::default() }, "symbol_cooldown"),
        (Settings { memory_reentry_s: 60, ..Settings::default() }, "symbol_reentry"),
    ] {
        let mut rig = Rig::new(settings);
        rig.lose();
        rig.settle();
        rig.scan_both();
        assert_eq!((rig.ordered(), rig.refusals()), (Some(SOL), [reason].to_vec()));
    }
}

#[test]
fn attempts_on_an_asset_are_counted_whatever_became_of_them() {
    let mut rig = Rig::new(Settings { funnel_symbol_cycle_max: 2, ..Settings::default() });
    rig.pass(3 * Nanos::SECOND);
    for _ in 0..3 {
        rig.scan_both();
    }
    assert_eq!(rig.refusals(), ["stale_price", "stale_price", "symbol_cap", "stale_price"]);
}

#[test]
fn a_bad_record_shrinks_the_entry_and_can_keep_it_away() {
    let severe = Settings {
        memory_enabled: true,
        memory_symbol_trades_min: 2,
        policy_streak_multiplier: 1.0,
        ..Settings::default()
    };
    let mut rig = Rig::new(severe);
    let mut whole = Qty::ZERO;
    for _ in 0..2 {
        rig.lose();
        whole = rig.last_order().1;
        rig.settle();
    }
    // 25,000 × 0.2 × 0.7777… less the losses, at 0.2000.
    let (mut shrunk, mut drawn_against) = (0, 0);
    for _ in 0..40 {
        rig.pass(60 * Nanos::SECOND);
        rig.settle();
        let before = rig.commands.len();
        rig.scan_both();
        if rig.refusals().last() == Some(&"symbol_memory_prob") && rig.ordered() == Some(SOL) {
            drawn_against += 1;
        }
        if rig.commands.len() > before && rig.ordered() == Some(FET) {
            let ratio = rig.last_order().1.to_f64() / whole.to_f64();
            assert!((0.56..0.6).contains(&ratio), "{ratio}");
            shrunk += 1;
        }
        if rig.commands.len() > before {
            break;
        }
    }
    assert_eq!(shrunk + drawn_against, 1, "one of the two happens at once");
}

#[test]
fn an_edge_below_its_floor_is_refused_with_its_figures() {
    let mut rig = Rig::new(Settings { edge_gate: true, ..Settings::default() });
    rig.scan_both();
    assert_eq!(rig.last_decision(), hold(DecisionReason::Filtered));
    let found = rig.records.iter().find_map(|record| match record {
        Record::TradeDecision { reason, edge_percent, position_size, .. } => {
            Some((reason.as_str(), (*edge_percent)?, position_size.get()?))
        }
        _ => None,
    });
    let (reason, percent, size) = found.expect("a row");
    assert_eq!(reason, "edge_low");
    // Score 86.7: p = 0.734, gross 0.298, fees 0.1, spread 0.05.
    assert!((0.14..0.16).contains(&percent), "{percent}");
    assert!(size > Money::from_whole(3_800) && size < Money::from_whole(3_900), "{size}");
    let open = Settings {
        edge_gate: true,
        edge_percent_min: 0.1,
        edge_rolling_percent_min: 0.1,
        ..Settings::default()
    };
    let mut rig = Rig::new(open);
    rig.scan_both();
    assert_eq!(rig.ordered(), Some(FET));
}

#[test]
fn a_closed_trade_teaches_its_lane() {
    let mut rig = Rig::new(Settings::default());
    rig.lose();
    let (trades, bias) = rig.engine.policy().funnel.calibration.lesson(Lane::Momentum);
    assert_eq!(trades, 1);
    assert!((-0.22..-0.2).contains(&bias), "a tenth of −2 % less 0.15 %: {bias}");
}

#[test]
fn the_funnel_goes_on_after_a_restore_as_if_nothing_had_been() {
    let settings = Settings { memory_cooldown_s: 60, ..Settings::default() };
    let mut rig = Rig::new(settings.clone());
    rig.lose();
    let mut bytes = Vec::new();
    rig.engine.save(&mut bytes);
    let table = Arc::clone(&rig.engine.policy().table);
    rig.engine = Engine::restore(&bytes, Arc::new(settings), table).expect("its own state");
    let mut again = Vec::new();
    rig.engine.save(&mut again);
    assert_eq!(bytes, again);
    rig.settle();
    rig.scan_both();
    assert_eq!(rig.refusals(), ["symbol_cooldown"]);
}

#[test]
fn a_candidate_that_nobody_looks_at_has_a_row_that_says_why() {
    // The best one gets the slot.
    let mut rig = Rig::new(Settings::default());
    rig.scan_both();
    assert_eq!(rig.ordered(), Some(FET));
    let gated = |rig: &Rig| -> Vec<&'static str> {
        let rows = rig.funnel().into_iter();
        rows.filter(|row| row.0 == FunnelStage::QualityGate).map(|row| row.2).collect()
    };
    assert_eq!(gated(&rig), ["", "slot_taken"]);
    // One attempt is all there is, and it fails.
    let mut rig = Rig::new(Settings::default());
    rig.quote(FET, "0.2001", "0.2002");
    rig.scan_both();
    assert_eq!(rig.ordered(), None);
    assert_eq!(gated(&rig), ["direction_contradicted", "not_tried"]);
}
