//! The egress stage: budgets, idle polls, full links.

use std::sync::Arc;

use pinion_core::gate::{Gate, KillSwitch};
use pinion_core::id::ClientId;
use pinion_core::link::{Rx, Tx, link};
use pinion_core::msg::venue::RejectReason;
use pinion_core::msg::{
    ClientRef, CommandMsg, Control, MarketBody, MarketMsg, VenueEvent, VenueMsg,
};
use pinion_core::settings::Settings;
use pinion_core::stage::{Stage, Work};
use pinion_core::units::Nanos;
use pinion_io::paper::{PaperEgress, PaperVenue};

use super::harness::{SECOND, buy, message, price, prompt, qty, sell, table};

struct Wired {
    stage: PaperEgress,
    kill: Arc<KillSwitch>,
    feed: Tx<MarketMsg>,
    command: Tx<CommandMsg>,
    ack: Rx<VenueMsg>,
    account: Rx<VenueMsg>,
}

fn wired(settings: &Settings, replies: usize) -> Wired {
    let (feed, feed_rx) = link(1_024);
    let (command, command_rx) = link(256);
    let (ack_tx, ack) = link(replies);
    let (account_tx, account) = link(replies);
    let venue = PaperVenue::new(settings, table());
    let kill = Arc::new(KillSwitch::default());
    Wired {
        stage: PaperEgress::new(
            venue,
            Gate::new(settings, table().len()),
            Arc::clone(&kill),
            feed_rx,
            command_rx,
            ack_tx,
            account_tx,
        ),
        kill,
        feed,
        command,
        ack,
        account,
    }
}

fn quote(at: i64, ask: &str) -> MarketMsg {
    let body = MarketBody::Quote {
        bid: price("99"),
        ask: price(ask),
        bid_qty: Some(qty("50")),
        ask_qty: Some(qty("50")),
    };
    message(0, at, None, body)
}

fn order(at: i64, number: u32) -> CommandMsg {
    CommandMsg {
        ts_decide_ns: Nanos::new(at),
        ts_recv_ns: Nanos::new(at),
        command: buy("0.1").place(ClientId::new(1, number)),
    }
}

fn drain<T>(rx: &mut Rx<T>) -> Vec<T> {
    std::iter::from_fn(|| rx.pop()).collect()
}

#[test]
fn an_idle_poll_does_nothing() {
    let mut wired = wired(&prompt(), 64);
    assert_eq!(wired.stage.name(), "egress");
    assert!(wired.stage.next_deadline().is_some_and(|due| due < Nanos::ZERO));
    for step in 0..100 {
        assert_eq!(wired.stage.poll(Nanos::new(SECOND + step)), Work::NONE);
    }
    assert_eq!(wired.stage.next_deadline(), None, "an account without positions or orders");
}

#[test]
fn an_order_waits_for_the_feed_before_it() {
    let settings = Settings { paper_order_latency_ns: 5, paper_latency_sigma: 0.0, ..prompt() };
    let mut wired = wired(&settings, 64);
    wired.feed.push(quote(SECOND, "100")).expect("room");
    wired.command.push(order(SECOND, 1)).expect("room");
    let work = wired.stage.poll(Nanos::new(SECOND));
    assert_eq!((work.commands, work.backpressured), (1, false));
    // More feed than one poll takes: the order arrives only when the market is up to date.
    for step in 0..400 {
        wired.feed.push(quote(SECOND + 5, &format!("{}", 101 + step % 11))).expect("room");
    }
    assert_eq!(wired.stage.poll(Nanos::new(SECOND + 9)).count, 256);
    assert_eq!(drain(&mut wired.ack).len(), 0);
    assert!(wired.stage.poll(Nanos::new(SECOND + 9)).count > 144);
    assert_eq!(drain(&mut wired.ack).len(), 1);
    let paid: Vec<_> = drain(&mut wired.account)
        .iter()
        .filter_map(|msg| match msg.event {
            VenueEvent::Fill { price, .. } => Some(price),
            _ => None,
        })
        .collect();
    assert_eq!(paid, [price("104")]);
}

/// Fills of the account link, by their identities.
fn fills(told: &[VenueMsg]) -> Vec<String> {
    told.iter()
        .filter_map(|msg| match msg.event {
            VenueEvent::Fill { fill_id, .. } => Some(fill_id.to_string()),
            _ => None,
        })
        .collect()
}

#[test]
fn a_full_reply_link_loses_nothing_and_does_not_stop_commands() {
    let mut wired = wired(&prompt(), 2);
    let now = Nanos::new(SECOND);
    wired.feed.push(quote(SECOND, "100")).expect("room");
    let mut long = order(SECOND, 1);
    long.command = buy("5.1").place(ClientId::new(1, 1));
    wired.command.push(long).expect("room");
    let exit = |number: u32| CommandMsg {
        command: sell("0.1").place(ClientId::new(1, number)),
        ..order(SECOND, number)
    };
    for number in 2..=50 {
        wired.command.push(exit(number)).expect("room");
    }
    assert!(wired.stage.poll(now).backpressured);
    wired.command.push(exit(51)).expect("room");
    let work = wired.stage.poll(now);
    assert_eq!((work.commands, work.backpressured), (1, true));
    let (mut acks, mut told) = (0, Vec::new());
    for _ in 0..1_000 {
        // One message of each link at a time, as slow a reader as there is.
        acks += usize::from(wired.ack.pop().is_some());
        told.extend(wired.account.pop());
        let _work: Work = wired.stage.poll(now);
    }
    assert_eq!(acks, 51);
    assert_eq!(fills(&told), (1..=51).map(|number| format!("f{number}")).collect::<Vec<_>>());
    assert_eq!(wired.stage.poll(now), Work::NONE);
    assert_eq!(wired.stage.venue().counts().accepted, 51);
}

#[test]
fn what_the_gate_refuses_is_answered_and_never_reaches_the_venue() {
    let mut wired = wired(&prompt(), 64);
    let now = Nanos::new(SECOND);
    wired.feed.push(quote(SECOND, "100")).expect("room");
    let refused = |wired: &mut Wired, number: u32| {
        wired.command.push(order(SECOND, number)).expect("room");
        let _work: Work = wired.stage.poll(now);
        let told = drain(&mut wired.ack);
        told.iter().find_map(|msg| match msg.event {
            VenueEvent::Reject { reason } => Some((reason, msg.client, msg.ts_recv_ns)),
            _ => None,
        })
    };
    // It is already in the link when the switch goes on: what counts is the moment of sending.
    wired.command.push(order(SECOND, 1)).expect("room");
    wired.kill.obey(Control::Kill);
    let _work: Work = wired.stage.poll(now);
    assert_eq!(wired.stage.venue().counts().commands, 0);
    let own = |number| ClientRef::Own(ClientId::new(1, number));
    assert_eq!(drain(&mut wired.ack).len(), 1);
    assert_eq!(refused(&mut wired, 2), Some((RejectReason::Killed, own(2), now)));
    wired.kill.obey(Control::Resume);
    assert_eq!(refused(&mut wired, 3), None);
    assert_eq!(wired.stage.venue().counts().accepted, 1);
    assert_eq!(wired.stage.gate().refused(), 2);
    assert!(!drain(&mut wired.account).is_empty());
}

#[test]
fn the_operators_resume_releases_the_latch() {
    let settings = Settings { cap_orders_per_minute_max: 10, ..prompt() };
    let mut wired = wired(&settings, 64);
    wired.feed.push(quote(SECOND, "100")).expect("room");
    for number in 1..=11 {
        let at = SECOND + i64::from(number) * SECOND;
        wired.command.push(order(at, number)).expect("room");
        let _work: Work = wired.stage.poll(Nanos::new(at));
    }
    assert!(wired.stage.gate().is_latched());
    wired.kill.obey(Control::Resume);
    wired.command.push(order(20 * SECOND, 12)).expect("room");
    // The bound still holds: what is released is the latch.
    let _work: Work = wired.stage.poll(Nanos::new(200 * SECOND));
    assert!(!wired.stage.gate().is_latched());
    assert_eq!(wired.stage.venue().counts().accepted, 11);
}
