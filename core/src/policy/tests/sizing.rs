//! Factors of an entry, through the engine.

use super::*;
use crate::msg::record::{SizeCap, Sizing};
use crate::units::Rate;

impl Rig {
    /// What an outside source says about the next scan.
    fn modify(&mut self, modifiers: Modifiers) {
        let number = self.scan + 1;
        self.turn(&Input::Scan(ScanMsg::Modifiers(Modifiers { number, ..modifiers })));
    }

    fn last_sizing(&self) -> Sizing {
        let found = self.records.iter().rev().find_map(|record| match record {
            Record::Decision { sizing, .. } => *sizing,
            _ => None,
        });
        found.expect("an entry was decided")
    }
}

#[test]
fn every_factor_stands_in_the_decision_and_scales_the_quantity() {
    let mut rig = Rig::new(Settings::default());
    let modifiers =
        Modifiers { boost: Some(1.2), ob: Some(1.1), esof: Some(0.5), ..Modifiers::default() };
    rig.modify(modifiers);
    rig.scan(Some(-0.03), |_| {});
    let sizing = rig.last_sizing();
    let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
    assert!(close(sizing.leverage, 0.5 + 7.5 / 27.0), "{sizing:?}");
    assert!(close(sizing.bucket * sizing.streak * sizing.memory, 1.0), "{sizing:?}");
    assert!(close(sizing.regime, 1.2) && close(sizing.ob, 1.1) && close(sizing.esof, 0.5));
    assert!(close(sizing.applied, sizing.leverage * 1.2 * 1.1 * 0.5), "{sizing:?}");
    assert_eq!(sizing.cap, SizeCap::None);
    // 25,000 × 0.2 × 0.7777… × 0.66 ÷ 0.2000 = 12,833.3…
    assert_eq!(rig.last_order().1, Qty::from_whole(12_833));
    assert_eq!(sizing.qty, Qty::from_whole(12_833));
}

#[test]
fn modifiers_of_another_scan_say_nothing_and_exits_take_the_slots_size() {
    let mut rig = Rig::new(Settings::default());
    rig.modify(Modifiers { boost: Some(2.0), ..Modifiers::default() });
    rig.scan += 1;
    rig.scan(Some(-0.03), |_| {});
    assert_eq!(rig.last_order().1, Qty::from_whole(19_444), "they were of the scan before");
    rig.fill("0.2000");
    rig.modify(Modifiers { boost: Some(5.0), esof: Some(0.0), ..Modifiers::default() });
    rig.scan(None, |_| {});
    rig.quote(FET, "0.1980", "0.1981");
    assert_eq!(rig.last_order().1, Qty::from_whole(19_444), "an exit is scaled by nothing");
}

#[test]
fn a_calendar_factor_of_zero_is_no_entry() {
    let mut rig = Rig::new(Settings::default());
    rig.modify(Modifiers { esof: Some(0.0), ..Modifiers::default() });
    rig.scan(Some(-0.03), |_| {});
    assert_eq!(rig.last_decision(), hold(DecisionReason::SizeTooSmall));
}

#[test]
fn a_posture_from_outside_forbids_entries_and_hibernate_closes() {
    let mut rig = Rig::new(Settings::default());
    rig.modify(Modifiers { posture: Some(Posture::Turtle), ..Modifiers::default() });
    rig.scan(Some(-0.03), |_| {});
    assert_eq!(rig.last_decision(), hold(DecisionReason::Posture));
    let mut rig = Rig::short();
    rig.modify(Modifiers { posture: Some(Posture::Hibernate), ..Modifiers::default() });
    rig.scan(Some(-0.03), |_| {});
    assert!(rig.last_order().2, "reduce-only");
    assert_eq!(rig.orders, 2);
}

#[test]
fn the_liquidation_guard_caps_what_the_settings_would_allow() {
    let settings = Settings { policy_leverage_max: 20.0, ..Settings::default() };
    let mut rig = Rig::new(settings);
    rig.scan(Some(-0.06), |_| {});
    let sizing = rig.last_sizing();
    assert_eq!(sizing.cap, SizeCap::LiquidationSoft);
    // 25,000 × 0.2 × 8 ÷ 0.2000.
    assert_eq!(rig.last_order().1, Qty::from_whole(200_000));
}

#[test]
fn a_posture_without_entries_calls_a_working_quote_back() {
    let settings = Settings { router_style: crate::settings::Style::Maker, ..Settings::default() };
    let mut rig = Rig::new(settings);
    rig.scan(Some(-0.03), |_| {});
    let cancels = |rig: &Rig| {
        let is_cancel = |m: &&CommandMsg| matches!(m.command, Command::Cancel { .. });
        rig.commands.iter().filter(is_cancel).count()
    };
    assert_eq!((rig.orders, cancels(&rig)), (1, 0));
    rig.pass(SCAN_NS);
    rig.modify(Modifiers { posture: Some(Posture::Turtle), ..Modifiers::default() });
    rig.scan(Some(-0.03), |_| {});
    assert_eq!((rig.orders, cancels(&rig)), (1, 1));
}

#[test]
fn a_plan_that_the_router_holds_back_is_no_entry_and_has_no_number() {
    let settings = Settings { router_impact_cap_ratio: Rate::from_raw(1), ..Settings::default() };
    let mut rig = Rig::new(settings);
    rig.scan(Some(-0.03), |_| {});
    assert_eq!(rig.orders, 0);
    let decisions = rig.records.iter().filter_map(|record| match record {
        Record::Decision { action, reason, sizing, .. } => {
            Some((*action, *reason, sizing.is_some()))
        }
        _ => None,
    });
    let reason = DecisionReason::ImpactCap;
    let expected = [(Action::Skip, reason, true), (Action::Hold, reason, false)];
    assert_eq!(decisions.collect::<Vec<_>>(), expected);
    let row = (FunnelStage::PlanTrade, FunnelDecision::Skip, "router.impact_cap_ratio");
    assert_eq!(rig.funnel().last(), Some(&row));
    let is_suppressed = |record: &Record| {
        let event = RouterEvent::Suppress;
        matches!(record, Record::Router { event: is, trade: None, .. } if *is == event)
    };
    assert_eq!(rig.records.iter().filter(|record| is_suppressed(record)).count(), 1);
}

#[test]
fn a_decision_stands_before_the_order_that_it_led_to() {
    let mut rig = Rig::new(Settings::default());
    rig.scan(Some(-0.03), |_| {});
    let at = |is: fn(&Record) -> bool| rig.records.iter().position(is).expect("a record");
    let decided = at(|record| matches!(record, Record::Decision { action: Action::Enter, .. }));
    let sent = at(|record| matches!(record, Record::Order { .. }));
    assert!(decided < sent, "{decided} {sent}");
    let leverage = rig.records.iter().find_map(|record| match record {
        Record::Order { leverage, .. } => leverage.get(),
        _ => None,
    });
    assert_eq!(leverage, Some(Rate::ONE), "an entry's order says the venue's leverage");
}

#[test]
fn a_size_is_a_share_of_the_capital_not_of_what_is_available() {
    let mut rig = Rig::new(Settings::default());
    let money = |whole| Maybe::some(Money::from_whole(whole));
    let wallet = Maybe::some(rig.engine.kernel().ledger().capital());
    let balance = |available| VenueEvent::Balance {
        wallet,
        available: money(available),
        used: money(0),
        maint: money(0),
    };
    rig.venue(ClientRef::Absent, None, balance(20_000));
    rig.scan(Some(-0.03), |_| {});
    let sizing = rig.last_sizing();
    assert_eq!((sizing.qty, sizing.cap), (Qty::from_whole(19_444), SizeCap::None));
    assert_eq!(sizing.capital, Money::from_whole(25_000));
    let mut rig = Rig::new(Settings::default());
    rig.venue(ClientRef::Absent, None, balance(1_000));
    rig.scan(Some(-0.03), |_| {});
    // 1,000 × the venue's 1 × 0.95 ÷ 0.2000.
    let sizing = rig.last_sizing();
    assert_eq!((sizing.qty, sizing.cap), (Qty::from_whole(4_750), SizeCap::AvailableMargin));
}
