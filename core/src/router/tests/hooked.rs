//! Hooks: what they hear, what they may change, and that their failure hurts nothing.

use std::vec;

use super::rig::*;
use crate::kernel::Verdict;
use crate::msg::OrderKind;
use crate::msg::record::DecisionReason::StopLoss;
use crate::router::hooks::Terms;
use crate::settings::{Exhaust, Miss};

const TTL: i64 = 6 * SECOND;

/// A maker entry that is missed, taken by market, then left by a maker exit that ends by market.
fn whole_life(rig: &mut Rig) {
    let entry = rig.enter();
    rig.ack(entry);
    rig.wait(TTL);
    rig.quote("0.2000", "0.2001");
    rig.ended(entry, 0);
    let market = rig.last();
    rig.fill(market, 1_000, 1_000);
    assert!(rig.kernel.slot(0).is_open());
    let exit = rig.take_profit();
    rig.ack(exit);
    assert_eq!(rig.exit(StopLoss, true), Verdict::OK);
    rig.ended(exit, 0);
    let market = rig.last();
    rig.fill(market, 1_000, 1_000);
    assert!(!rig.kernel.slot(0).is_open());
}

#[test]
fn every_step_is_heard_in_order() {
    let mut rig = Rig::new(maker(Miss::Market, Exhaust::Skip));
    whole_life(&mut rig);
    let entry = ["pre_plan", "pre_submit", "on_working", "on_cancel", "on_miss"];
    let market = ["pre_plan", "pre_submit", "on_escalate", "on_fill"];
    let exit = ["pre_plan", "pre_submit", "on_working"];
    let urgent = ["pre_plan", "pre_submit", "on_cancel", "on_escalate"];
    assert_eq!(rig.hooks.heard, [&entry[..], &market, &exit, &urgent].concat());
    assert_eq!(rig.router.hook_faults(), 0);
}

#[test]
fn hooks_that_only_look_may_fail() {
    let mut rig = Rig::new(maker(Miss::Market, Exhaust::Skip));
    rig.hooks.failing = vec!["on_working", "on_fill", "on_miss", "on_escalate", "on_cancel"];
    whole_life(&mut rig);
    let failed = rig.hooks.heard.iter().filter(|name| rig.hooks.failing.contains(name)).count();
    assert_eq!(rig.router.hook_faults(), failed as u64);
    assert_eq!(rig.errors().len(), failed);
    assert!(rig.errors().contains(&"the hook on_miss failed"));
}

#[test]
fn an_order_whose_hook_failed_leaves_as_a_plain_taker() {
    for failing in ["pre_plan", "pre_submit"] {
        let mut rig = Rig::new(skipping());
        rig.hooks.failing = vec![failing];
        let entry = rig.enter();
        assert_eq!(entry.kind, OrderKind::Market, "{failing}");
        rig.fill(entry, 1_000, 1_000);
        rig.wait(SECOND);
        rig.quote("0.2000", "0.2001");
        assert_eq!(rig.take_profit().kind, OrderKind::Market, "{failing}");
        assert_eq!(rig.router.hook_faults(), 2);
        assert!(rig.errors().iter().all(|reason| reason.contains(failing)));
    }
}

#[test]
fn a_replaced_plan_is_used_when_it_makes_sense() {
    let limit = |text, ttl_ns| Terms::Limit { price: price(text), post_only: true, ttl_ns };
    let mut rig = Rig::new(skipping());
    rig.hooks.terms = Some(limit("0.1990", SECOND));
    assert_eq!(rig.enter().price, Some(price("0.1990")));
    assert_eq!(rig.router.next_deadline(), Some(rig.now.plus(SECOND)));
    for senseless in [
        limit("0.19905", SECOND),
        limit("0", SECOND),
        limit("-0.1990", SECOND),
        limit("0.1990", 0),
        limit("0.1990", -1),
        limit("0.1990", i64::MAX),
    ] {
        let mut rig = Rig::new(skipping());
        rig.hooks.terms = Some(senseless);
        assert_eq!(rig.enter().kind, OrderKind::Market, "{senseless:?}");
        assert_eq!(rig.router.hook_faults(), 1);
    }
}

#[test]
fn no_hook_makes_an_urgent_exit_wait() {
    let mut rig = Rig::long(skipping());
    let resting = Terms::Limit { price: price("0.3000"), post_only: true, ttl_ns: SECOND };
    rig.hooks.terms = Some(resting);
    assert_eq!(rig.exit(StopLoss, true), Verdict::OK);
    assert_eq!(rig.last().kind, OrderKind::Market);
}
