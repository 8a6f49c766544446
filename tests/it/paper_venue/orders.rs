//! Refusals, cancels, queries, reduce-only, identities, latency.

use pinion_core::id::{ClientId, TextId};
use pinion_core::msg::{PositionSide, Side, TimeInForce, VenueEvent};
use pinion_core::settings::Settings;
use pinion_core::units::Nanos;
use pinion_io::paper::ReplyLink;

use super::harness::{Script, Sent, buy, line, market, prompt, qty, sell, short};

#[test]
fn orders_that_no_venue_would_take_are_refused() {
    let mut script = Script::new();
    assert_eq!(script.sent(buy("1")), ["reject no_market"]);
    script.quote("100", "5", "100.3", "5");
    let refused: [(Sent, &str); 9] = [
        (Sent { instrument: 2, ..buy("1") }, "not_trading"),
        (Sent { instrument: 9, ..buy("1") }, "not_trading"),
        (buy("0.0015"), "lot_size"),
        (buy("0"), "lot_size"),
        (buy("1").gtc("100.05"), "tick_size"),
        (buy("1").gtc("0"), "tick_size"),
        (buy("0.049"), "min_notional"),
        (sell("1"), "reduce_only"),
        (Sent { reduce_only: true, ..buy("1") }, "reduce_only"),
    ];
    for (order, reason) in refused {
        assert_eq!(script.sent(order), [format!("reject {reason}")]);
    }
    assert_eq!(script.sent(buy("0.05")), ["ack", "taker 0.05@100.3"]);
    assert_eq!(script.venue.counts().rejected, 10);
    // What closes needs no least notional.
    assert_eq!(script.sent(sell("0.001")), ["ack", "taker 0.001@100"]);
}

#[test]
fn margin_is_a_twentieth_of_what_is_open_and_working() {
    let settings = Settings { account_starting_capital: super::harness::money("100"), ..prompt() };
    let mut script = Script::with(&settings);
    script.quote("100", "50", "100.1", "50");
    assert_eq!(script.sent(buy("20").gtc("100.1")), ["reject margin"]);
    assert_eq!(script.sent(buy("10").gtc("100")), ["ack"]);
    assert_eq!(script.sent(short("10.001").gtc("100.1")), ["reject margin"]);
    assert_eq!(script.sent(short("9").gtc("100.1")), ["ack"]);
    // Losses count as well: the short is filled, and the market goes against it.
    script.trade("100.2", "1", Some(Side::Buy));
    script.trade("102", "1", Some(Side::Buy));
    script.told();
    assert_eq!(script.sent(buy("0.5").gtc("99")), ["reject margin"]);
}

#[test]
fn a_client_id_is_good_for_one_order() {
    let mut script = Script::new();
    script.quote("100", "5", "100.3", "5");
    let client = script.send(buy("1").gtc("99"));
    script.command(buy("2").place(client));
    assert_eq!(script.told(), ["ack", "reject duplicate_client_id"]);
    script.cancel(client);
    script.command(buy("2").place(client));
    assert_eq!(script.told(), ["canceled 0", "reject duplicate_client_id"]);
    script.query(client);
    assert_eq!(script.told(), ["canceled 0"]);
    // A lower id that was never used is not a repeat.
    script.next_client();
    script.send(buy("1").gtc("99"));
    script.command(buy("1").gtc("99").place(ClientId::new(1, 2)));
    assert_eq!(script.told(), ["ack", "ack"]);
}

#[test]
fn cancels_and_queries_answer_by_the_order_s_state() {
    let mut script = Script::new();
    script.quote("100", "5", "100.3", "5");
    let client = script.send(buy("2").gtc("100.1"));
    script.query(client);
    script.trade("100.1", "0.5", None);
    script.query(client);
    assert_eq!(script.told(), ["ack", "new 0", "maker 0.5@100.1", "partially_filled 0.5 @100.1"]);
    script.cancel(client);
    script.cancel(client);
    script.query(client);
    assert_eq!(
        script.told(),
        ["canceled 0.5", "cancel rejected unknown_order", "canceled 0.5 @100.1"]
    );
    let filled = script.send(buy("1"));
    let refused = script.send(buy("0.0001"));
    script.told();
    for (client, answer) in
        [(filled, "filled 1 @100.3"), (refused, "rejected 0"), (ClientId::new(9, 9), "not_found")]
    {
        script.query(client);
        assert_eq!(script.told(), [answer]);
    }
}

#[test]
fn ids_look_like_a_venue_s_and_totals_add_up() {
    let mut script = Script::new();
    script.book(&[("99.9", "1")], &[("100", "0.5"), ("100.1", "1")]);
    let client = script.send(buy("1"));
    let mut fills = Vec::new();
    for (link, msg) in script.drain() {
        assert_eq!(link, ReplyLink::of(&msg.event));
        match msg.event {
            VenueEvent::Ack { venue_id } => {
                assert_eq!(venue_id.as_str(), "1000000000000000001");
                assert_eq!(link, ReplyLink::Ack);
            }
            VenueEvent::Fill { venue_id, fill_id, cum_qty, side, .. } => {
                assert_eq!(venue_id.as_str(), "1000000000000000001");
                assert_eq!((side, link), (Some(Side::Buy), ReplyLink::Account));
                fills.push((fill_id, cum_qty.get()));
            }
            _ => {}
        }
    }
    let id = |text| TextId::new(text).expect("short");
    assert_eq!(fills, [(id("f1"), Some(qty("0.5"))), (id("f2"), Some(qty("1")))]);
    // The venue's id alone finds the order too.
    script.command(pinion_core::msg::Command::Query {
        client: ClientId::new(7, 7),
        venue_id: id("1000000000000000001"),
        instrument: pinion_core::id::InstrumentId::new(0),
    });
    let told = script.drain();
    assert_eq!(told[0].1.client, pinion_core::msg::ClientRef::Own(client));
    assert_eq!(line(&told[0].1).as_deref(), Some("filled 1 @100.05"));
}

#[test]
fn reduce_only_is_trimmed_and_ends_with_an_expiry() {
    let mut script = Script::new();
    script.quote("100", "50", "100.3", "50");
    script.sent(buy("2"));
    // Long and short are two positions: closing the short has nothing to reduce.
    let cover = market(Side::Buy, PositionSide::Short, "1");
    assert_eq!(script.sent(cover), ["reject reduce_only"]);
    assert_eq!(script.sent(sell("5")), ["ack", "taker 2@100", "expired 2"]);
    assert_eq!(script.venue.positions(), []);
}

#[test]
fn resting_exits_expire_when_their_position_is_gone() {
    let mut script = Script::new();
    script.quote("100", "50", "100.3", "50");
    script.sent(buy("2"));
    let first = script.send(sell("1.5").gtc("100.4"));
    script.send(sell("2").gtc("100.5"));
    script.told();
    // The position shrinks below what rests; fills stop at the position.
    assert_eq!(script.sent(sell("1")), ["ack", "taker 1@100"]);
    script.trade("100.6", "9", Some(Side::Buy));
    assert_eq!(script.told(), ["maker 1@100.4", "expired 1", "expired 0"]);
    script.query(first);
    assert_eq!(script.told(), ["expired 1 @100.4"]);
    assert_eq!(script.venue.open_orders().count(), 0);
}

#[test]
fn too_many_live_orders_are_refused_and_places_are_reused() {
    let mut script = Script::new();
    script.quote("100", "5", "100.3", "5");
    let first = script.send(buy("0.1").gtc("99"));
    for _ in 1..512 {
        script.send(buy("0.1").gtc("99"));
    }
    assert_eq!(script.told().len(), 512);
    assert_eq!(script.sent(buy("0.1").gtc("99")), ["reject other"]);
    script.cancel(first);
    script.told();
    assert_eq!(script.sent(buy("0.1").gtc("99")), ["ack"]);
}

#[test]
fn arrival_time_decides_the_race_of_cancel_and_fill() {
    let settings = Settings {
        paper_order_latency_ns: 100,
        paper_reply_latency_ns: 50,
        paper_latency_sigma: 0.0,
        ..prompt()
    };
    let mut script = Script::with(&settings);
    script.quote("100", "5", "100.3", "5");
    let client = script.send(buy("2").gtc("100.1"));
    script.wait(149);
    assert_eq!(script.told(), Vec::<String>::new());
    script.wait(1);
    assert_eq!(script.told(), ["ack"]);
    script.cancel(client);
    script.wait(99);
    script.trade("100.1", "1", None);
    script.wait(51);
    assert_eq!(script.told(), ["maker 1@100.1", "canceled 1"]);
}

#[test]
fn what_is_due_before_a_market_message_happens_before_it() {
    let settings = Settings { paper_order_latency_ns: 100, paper_latency_sigma: 0.0, ..prompt() };
    let mut script = Script::with(&settings);
    script.quote("100", "5", "100.3", "5");
    script.send(buy("1"));
    // Nobody asked the venue in between: the message itself brings the time.
    script.at += 500;
    script.quote("101", "5", "101.3", "5");
    assert_eq!(script.told(), ["ack", "taker 1@100.3"]);
    // An order that arrives at the very time of a message meets the new market.
    script.send(buy("1"));
    script.at += 1;
    script.send(buy("1"));
    script.at += 100;
    script.quote("102", "5", "102.3", "5");
    script.wait(0);
    assert_eq!(script.told(), ["ack", "taker 1@101.3", "ack", "taker 1@102.3"]);
}

#[test]
fn commands_and_replies_never_overtake() {
    let settings = Settings {
        paper_order_latency_ns: 1_000,
        paper_reply_latency_ns: 1_000,
        paper_latency_sigma: 2.0,
        ..prompt()
    };
    let mut script = Script::with(&settings);
    script.quote("100", "5", "100.3", "5");
    let mut clients = Vec::new();
    for step in 0..200 {
        clients.push(script.send(buy("0.1").limit(TimeInForce::PostOnly, "99")));
        script.at += i64::from(step % 7) * 50;
    }
    let mut acked = Vec::new();
    while let Some(next) = script.venue.next_deadline().filter(|_| acked.len() < 200) {
        script.at = next.get();
        script.venue.handle_time(next);
        for (_, msg) in script.drain() {
            assert_eq!(msg.ts_recv_ns, Nanos::new(script.at));
            assert!(msg.ts_exch_ns.get().expect("the venue's time") <= msg.ts_recv_ns);
            if let (pinion_core::msg::ClientRef::Own(client), VenueEvent::Ack { .. }) =
                (msg.client, msg.event)
            {
                acked.push(client);
            }
        }
    }
    assert_eq!(acked, clients);
}
