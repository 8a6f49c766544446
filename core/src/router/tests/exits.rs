//! Maker exits and their way out.

use super::rig::*;
use crate::kernel::{Code, Verdict};
use crate::msg::record::DecisionReason::{StopLoss, TakeProfit};
use crate::msg::record::RouterEvent::{
    Cancel, ExitMarketFallback, ImmediateFill, Suppress, Working,
};
use crate::msg::venue::RejectReason;
use crate::msg::{OrderKind, TimeInForce};
use crate::settings::Settings;

const TTL: i64 = 5 * SECOND;

#[test]
fn a_patient_exit_rests_and_an_urgent_one_takes() {
    let mut rig = Rig::long(skipping());
    let exit = rig.take_profit();
    assert_eq!((exit.kind, exit.tif), (OrderKind::Limit, TimeInForce::PostOnly));
    assert_eq!((exit.price, exit.reduce_only), (Some(price("0.2001")), true));
    assert_eq!(rig.router.next_deadline(), Some(rig.now.plus(TTL)));
    rig.ack(exit);
    rig.fill(exit, 1_000, 1_000);
    assert_eq!(rig.events(), [Working]);
    assert!(!rig.kernel.slot(0).is_open());
    assert_eq!(rig.router.next_deadline(), None);

    for (settings, is_urgent) in [(skipping(), true), (Settings::default(), false)] {
        let mut rig = Rig::long(settings);
        assert_eq!(rig.exit(StopLoss, is_urgent), Verdict::OK);
        assert_eq!(rig.last().kind, OrderKind::Market);
        assert_eq!(rig.lines(), []);
    }
}

#[test]
fn at_the_end_of_its_time_what_is_left_goes_by_market() {
    let mut rig = Rig::long(skipping());
    let exit = rig.take_profit();
    rig.ack(exit);
    rig.fill(exit, 300, 300);
    rig.tick_after(TTL);
    assert_eq!(rig.canceled, [exit.client]);
    assert_eq!(rig.placed.len(), 1, "not before the end of the first is told");
    rig.ended(exit, 300);
    let market = rig.last();
    assert_eq!((market.kind, market.qty), (OrderKind::Market, whole(700)));
    assert_eq!(rig.events(), [Working, ExitMarketFallback]);
    assert_eq!(rig.router.next_deadline(), None);
}

#[test]
fn an_urgent_exit_goes_over_a_resting_one() {
    let mut rig = Rig::long(skipping());
    let exit = rig.take_profit();
    rig.ack(exit);
    rig.fill(exit, 300, 300);
    assert_eq!(rig.exit(StopLoss, true), Verdict::OK);
    assert_eq!(rig.canceled, [exit.client]);
    assert_eq!(rig.placed.len(), 1);
    // A fill on the way counts.
    rig.fill(exit, 200, 500);
    rig.ended(exit, 500);
    let market = rig.last();
    assert_eq!((market.kind, market.qty), (OrderKind::Market, whole(500)));
    assert_eq!(rig.lines(), [(Working, ""), (Cancel, "stop_loss")]);
    rig.fill(market, 500, 500);
    assert!(!rig.kernel.slot(0).is_open());
    assert_eq!(rig.kernel.slot(0).close_reason(), Some(StopLoss));
}

#[test]
fn an_exit_of_the_same_urgency_is_suppressed() {
    let mut rig = Rig::long(skipping());
    rig.take_profit();
    assert_eq!(rig.exit(TakeProfit, false), Verdict::refused(Code::ExitWorking));
    assert_eq!(rig.events(), [Suppress]);
    assert_eq!(rig.exit(StopLoss, true), Verdict::OK);
    assert_eq!(rig.exit(StopLoss, true), Verdict::refused(Code::ExitWorking));
    assert_eq!(rig.canceled.len(), 1);
}

#[test]
fn a_refused_maker_exit_leaves_by_market_at_once() {
    let mut rig = Rig::long(skipping());
    let exit = rig.take_profit();
    rig.reject(exit, RejectReason::PostOnlyWouldTake);
    assert_eq!(rig.lines(), [(ExitMarketFallback, "refused by the venue")]);
    let market = rig.last();
    assert_eq!((market.kind, market.qty), (OrderKind::Market, whole(1_000)));
}

#[test]
fn a_maker_exit_that_the_venue_ends_leaves_by_market_at_once() {
    let mut rig = Rig::long(skipping());
    let exit = rig.take_profit();
    rig.ack(exit);
    rig.fill(exit, 300, 300);
    rig.ended(exit, 300);
    assert_eq!(rig.lines(), [(Working, ""), (ExitMarketFallback, "ended by the venue")]);
    let market = rig.last();
    assert_eq!((market.kind, market.qty), (OrderKind::Market, whole(700)));
}

#[test]
fn one_that_the_policy_calls_back_is_the_policys_business() {
    let mut rig = Rig::long(skipping());
    let exit = rig.take_profit();
    rig.ack(exit);
    rig.cancel();
    rig.ended(exit, 0);
    assert_eq!(rig.placed.len(), 1);
    assert_eq!(rig.kernel.slot(0).size(), whole(1_000));
    // It asks again: no second try at a better price.
    assert_eq!(rig.take_profit().kind, OrderKind::Market);
}

#[test]
fn an_exit_calls_the_rest_of_the_entry_back() {
    let mut rig = Rig::new(retrying());
    let entry = rig.enter();
    rig.ack(entry);
    rig.fill(entry, 400, 400);
    assert_eq!(rig.exit(StopLoss, true), Verdict::OK);
    assert_eq!(rig.canceled, [entry.client]);
    let market = rig.last();
    assert_eq!((market.kind, market.qty), (OrderKind::Market, whole(400)));
    rig.ended(entry, 400);
    rig.fill(market, 400, 400);
    assert_eq!(rig.lines(), [(Working, ""), (Cancel, "stop_loss")]);
    assert!(rig.kernel.slot(0).is_free() && !rig.router.is_entering(0));
}

#[test]
fn an_exit_before_the_first_fill_calls_the_entry_back() {
    let mut rig = Rig::new(retrying());
    let entry = rig.enter();
    rig.ack(entry);
    assert_eq!(rig.exit(StopLoss, true), Verdict::OK);
    assert_eq!(rig.canceled, [entry.client]);
    rig.ended(entry, 0);
    assert_eq!(rig.placed.len(), 1);
    assert_eq!(rig.exit(StopLoss, true), Verdict::refused(Code::NoOpenPosition));
}

#[test]
fn without_a_price_an_exit_leaves_by_market() {
    let mut rig = Rig::long(skipping());
    rig.wait(10 * SECOND);
    assert_eq!(rig.take_profit().kind, OrderKind::Market);
}

#[test]
fn a_fill_before_the_acknowledgement_is_immediate() {
    let mut rig = Rig::long(skipping());
    let exit = rig.take_profit();
    rig.fill(exit, 1_000, 1_000);
    assert_eq!(rig.events(), [ImmediateFill]);
}

#[test]
fn pace_and_kill_hold_no_exit_back() {
    let mut rig = Rig::long(Settings {
        router_min_interval_ms: 300,
        router_concurrency_limit: 1,
        ..skipping()
    });
    rig.control(crate::msg::Control::Kill);
    let exit = rig.take_profit();
    assert_eq!(exit.kind, OrderKind::Limit);
    rig.reject(exit, RejectReason::PostOnlyWouldTake);
    assert_eq!(rig.last().kind, OrderKind::Market);
}
