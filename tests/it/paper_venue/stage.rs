//! The egress stage: budgets, idle polls, full links.

use pinion_core::id::ClientId;
use pinion_core::link::{Rx, Tx, link};
use pinion_core::msg::{CommandMsg, MarketBody, MarketMsg, VenueEvent, VenueMsg};
use pinion_core::settings::Settings;
use pinion_core::stage::{Stage, Work};
use pinion_core::units::Nanos;
use pinion_io::paper::{PaperEgress, PaperVenue};

use super::harness::{SECOND, buy, message, price, prompt, qty, table};

struct Wired {
    stage: PaperEgress,
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
    Wired {
        stage: PaperEgress::new(venue, feed_rx, command_rx, ack_tx, account_tx),
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

#[test]
fn a_full_reply_link_loses_nothing_and_stops_commands() {
    let mut wired = wired(&prompt(), 2);
    wired.feed.push(quote(SECOND, "100")).expect("room");
    for number in 1..=50 {
        wired.command.push(order(SECOND, number)).expect("room");
    }
    let now = Nanos::new(SECOND);
    assert!(wired.stage.poll(now).backpressured);
    wired.command.push(order(SECOND, 51)).expect("room");
    let work = wired.stage.poll(now);
    assert_eq!(work, Work { count: 0, commands: 0, backpressured: true });
    let (mut acks, mut fills) = (0, Vec::new());
    for _ in 0..1_000 {
        // One message of each link at a time, as slow a reader as there is.
        acks += usize::from(wired.ack.pop().is_some());
        if let Some(VenueEvent::Fill { fill_id, .. }) = wired.account.pop().map(|msg| msg.event) {
            fills.push(fill_id.to_string());
        }
        let _work: Work = wired.stage.poll(now);
    }
    assert_eq!(acks, 51);
    assert_eq!(fills, (1..=51).map(|number| format!("f{number}")).collect::<Vec<_>>());
    assert_eq!(wired.stage.poll(now), Work::NONE);
    assert_eq!(wired.stage.venue().counts().accepted, 51);
}
