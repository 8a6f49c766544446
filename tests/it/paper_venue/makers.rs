//! When an order that rests is filled, and when not.

use pinion_core::msg::{MarketBody, Side, TimeInForce};

use super::harness::{Script, buy, price, print, qty, sell, short};

const NO_LINES: [&str; 0] = [];
const SELLER: Option<Side> = Some(Side::Sell);
const BUYER: Option<Side> = Some(Side::Buy);

fn quoted() -> Script {
    let mut script = Script::new();
    script.quote("100", "5", "100.3", "5");
    script
}

#[test]
fn a_resting_order_fills_after_the_queue_in_parts() {
    let mut script = quoted();
    assert_eq!(script.sent(buy("2").gtc("100")), ["ack"]);
    assert_eq!(script.queue(), Some(qty("5")));
    script.trade("100", "4", SELLER);
    assert_eq!(script.told(), NO_LINES);
    script.trade("100", "1.5", SELLER);
    assert_eq!(script.told(), ["maker 0.5@100"]);
    script.trade("100", "1", None);
    assert_eq!(script.told(), ["maker 1@100"]);
    script.trade("100", "9", SELLER);
    assert_eq!(script.told(), ["maker 0.5@100"]);
    assert_eq!(script.venue.open_orders().count(), 0);
}

#[test]
fn prints_of_its_own_side_or_at_other_prices_do_not_count() {
    let mut script = quoted();
    script.send(buy("2").gtc("100"));
    script.told();
    script.trade("100", "50", BUYER);
    script.trade("100.1", "50", SELLER);
    script.trade("99.9", "50", BUYER);
    assert_eq!((script.told(), script.queue()), (vec![], Some(qty("5"))));
}

#[test]
fn a_print_through_the_price_fills_all_at_the_limit() {
    let mut script = quoted();
    script.send(buy("2").gtc("100"));
    script.trade("99.9", "0.001", SELLER);
    assert_eq!(script.told(), ["ack", "maker 2@100"]);
    script.send(sell("2").gtc("100.3"));
    script.trade("100.4", "0.001", None);
    assert_eq!(script.told(), ["ack", "maker 2@100.3"]);
}

#[test]
fn a_touch_that_crosses_fills_at_the_limit_a_locked_one_does_not() {
    let mut script = quoted();
    script.send(buy("2").gtc("100"));
    script.quote("99.8", "1", "100", "5");
    assert_eq!(script.told(), ["ack"]);
    script.quote("99.8", "1", "99.9", "1.5");
    assert_eq!(script.told(), ["maker 1.5@100"]);
    // The same offer again is not a second one.
    script.quote("99.7", "1", "99.9", "1.5");
    assert_eq!(script.told(), NO_LINES);
    script.quote("99.7", "1", "99.8", "1.5");
    assert_eq!(script.told(), ["maker 0.5@100"]);
}

#[test]
fn book_and_quote_must_both_cross() {
    let mut script = quoted();
    script.book(&[("100", "5")], &[("100.3", "5")]);
    script.send(buy("2").gtc("100.2"));
    script.level(Side::Sell, "100.1", "5", true);
    assert_eq!(script.told(), ["ack"]);
    script.quote("100", "5", "100.1", "5");
    assert_eq!(script.told(), ["maker 2@100.2"]);
}

#[test]
fn inside_the_spread_nobody_is_ahead() {
    let mut script = quoted();
    script.send(buy("2").gtc("100.1"));
    assert_eq!(script.queue(), Some(qty("0")));
    script.trade("100.1", "0.5", SELLER);
    assert_eq!(script.told(), ["ack", "maker 0.5@100.1"]);
}

#[test]
fn deeper_than_the_quote_the_queue_is_unknown_until_it_shows() {
    let mut script = quoted();
    script.send(buy("2").gtc("99.9"));
    assert_eq!(script.queue(), None);
    script.trade("99.9", "50", SELLER);
    assert_eq!(script.told(), ["ack"]);
    script.quote("99.9", "3", "100.3", "5");
    assert_eq!(script.queue(), Some(qty("3")));
    script.trade("99.9", "3.5", SELLER);
    assert_eq!(script.told(), ["maker 0.5@99.9"]);
}

#[test]
fn a_touch_of_unknown_quantity_is_an_unknown_queue() {
    let mut script = Script::new();
    script.quote("100", "", "100.3", "");
    script.send(buy("2").gtc("100"));
    assert_eq!(script.queue(), None);
    script.trade("100", "50", SELLER);
    assert_eq!(script.told(), ["ack"]);
    script.trade("99.9", "0.1", SELLER);
    assert_eq!(script.told(), ["maker 2@100"]);
}

#[test]
fn the_book_gives_the_queue_at_every_level_it_shows() {
    let mut script = Script::new();
    script.book(&[("100", "5"), ("99.8", "7")], &[("100.3", "5")]);
    for (limit, queue) in [
        ("99.8", Some(qty("7"))),
        ("99.9", Some(qty("0"))),
        ("99.7", None),
        ("100", Some(qty("5"))),
    ] {
        let client = script.send(buy("2").gtc(limit));
        assert_eq!(script.queue(), queue, "{limit}");
        script.cancel(client);
    }
    // Where book and quote disagree, the longer queue counts.
    for (shown, queue) in [("9", "9"), ("3", "5")] {
        script.quote("100", shown, "100.3", "5");
        let client = script.send(buy("2").gtc("100"));
        assert_eq!(script.queue(), Some(qty(queue)));
        script.cancel(client);
    }
}

#[test]
fn the_queue_shrinks_with_the_level_but_not_when_it_leaves_the_window() {
    let mut script = Script::new();
    script.book(&[("100", "5"), ("99.8", "7"), ("99.6", "1")], &[("100.3", "5")]);
    script.send(buy("2").gtc("99.8"));
    script.level(Side::Buy, "99.8", "4", true);
    assert_eq!(script.queue(), Some(qty("4")));
    script.level(Side::Buy, "99.8", "40", true);
    assert_eq!(script.queue(), Some(qty("4")));
    // Both deep levels leave the window in one update: nothing is proved about ours.
    script.level(Side::Buy, "99.8", "0", false);
    script.level(Side::Buy, "99.6", "0", true);
    assert_eq!(script.queue(), Some(qty("4")));
    // With a worse level known, a missing one is an empty one.
    script.level(Side::Buy, "99.7", "1", true);
    assert_eq!(script.queue(), Some(qty("0")));
}

#[test]
fn amid_an_update_the_book_matches_nothing() {
    let mut script = Script::new();
    script.book(&[("100", "5")], &[("100.3", "5")]);
    script.send(buy("2").gtc("100.2"));
    script.level(Side::Sell, "100.1", "5", false);
    assert_eq!(script.told(), ["ack"]);
    script.level(Side::Sell, "100.1", "0", true);
    assert_eq!(script.told(), NO_LINES);
}

#[test]
fn one_print_moves_the_queue_once_in_either_order_of_arrival() {
    let quote = |bid_qty| MarketBody::Quote {
        bid: price("100"),
        ask: price("100.3"),
        bid_qty: Some(qty(bid_qty)),
        ask_qty: Some(qty("5")),
    };
    for quote_first in [true, false] {
        let mut script = Script::new();
        script.feed_dated(Some(10), quote("5"));
        script.send(buy("2").gtc("100"));
        if quote_first {
            script.feed_dated(Some(20), quote("2"));
            script.feed_dated(Some(20), print("100", "3", SELLER));
        } else {
            script.feed_dated(Some(20), print("100", "3", SELLER));
            script.feed_dated(Some(20), quote("2"));
        }
        assert_eq!(script.queue(), Some(qty("2")), "quote first: {quote_first}");
        assert_eq!(script.told(), ["ack"]);
    }
}

#[test]
fn what_happened_before_the_order_arrived_does_not_touch_it() {
    let mut script = Script::new();
    let crossing = MarketBody::Quote {
        bid: price("98"),
        ask: price("99"),
        bid_qty: Some(qty("5")),
        ask_qty: Some(qty("5")),
    };
    script.feed_dated(Some(1_000), print("100", "1", SELLER));
    script.send(buy("2").gtc("99.9"));
    script.feed_dated(Some(1_000), print("99", "1", SELLER));
    script.feed_dated(Some(900), print("99", "1", SELLER));
    script.feed_dated(Some(1_000), crossing);
    assert_eq!(script.told(), ["ack"]);
    script.feed_dated(Some(1_001), print("99", "1", SELLER));
    assert_eq!(script.told(), ["maker 2@99.9"]);
}

#[test]
fn merged_prints_count_only_when_they_go_through() {
    let mut script = quoted();
    script.send(buy("2").gtc("100"));
    let merged = |at_price| MarketBody::Trade {
        price: price(at_price),
        qty: qty("50"),
        taker: SELLER,
        trade_id: 0,
        merged: 3,
    };
    script.feed(merged("100"));
    assert_eq!(script.told(), ["ack"]);
    script.feed(merged("99.9"));
    assert_eq!(script.told(), ["maker 2@100"]);
}

#[test]
fn own_orders_at_one_price_share_a_print_in_order_of_arrival() {
    let mut script = quoted();
    script.send(short("1").gtc("100.3"));
    script.send(short("1").gtc("100.3"));
    script.trade("100.3", "6.4", BUYER);
    assert_eq!(script.told(), ["ack", "ack", "maker 1@100.3", "maker 0.4@100.3"]);
}

#[test]
fn a_cancel_leaves_the_order_of_arrival() {
    let mut script = quoted();
    let first = script.send(buy("1").gtc("100.1"));
    for amount in ["2", "3", "4"] {
        script.send(buy(amount).gtc("100.1"));
    }
    script.cancel(first);
    script.told();
    script.trade("100.1", "5.5", SELLER);
    assert_eq!(script.told(), ["maker 2@100.1", "maker 3@100.1", "maker 0.5@100.1"]);
}

#[test]
fn where_quotes_are_seen_bars_fill_nothing() {
    let mut script = quoted();
    script.send(buy("2").gtc("100"));
    for _ in 0..2 {
        script.bar(["100", "101", "90", "95"], "50");
    }
    assert_eq!(script.told(), ["ack"]);
}

#[test]
fn post_only_is_refused_when_it_would_take() {
    let mut script = quoted();
    let post = |limit| buy("2").limit(TimeInForce::PostOnly, limit);
    assert_eq!(script.sent(post("100.3")), ["reject post_only_would_take"]);
    assert_eq!(script.sent(post("100.2")), ["ack"]);
    // The better of book and quote counts.
    script.book(&[("100", "5")], &[("100.2", "5")]);
    assert_eq!(script.sent(post("100.2")), ["reject post_only_would_take"]);
    let mut script = Script::new();
    script.trade("100", "1", None);
    assert_eq!(script.sent(post("100.1")), ["reject post_only_would_take"]);
    assert_eq!(script.sent(post("100")), ["ack"]);
}

#[test]
fn trades_only_a_crossing_limit_fills_through_and_pays_as_a_taker() {
    let mut script = Script::new();
    script.trade("100", "1", None);
    script.send(buy("2").gtc("100.5"));
    script.trade("100.5", "9", None);
    assert_eq!(script.told(), ["ack"]);
    script.trade("100.4", "9", None);
    assert_eq!(script.told(), ["taker 2@100.5"]);
    script.send(sell("2").gtc("101"));
    script.trade("101.1", "9", None);
    assert_eq!(script.told(), ["ack", "maker 2@101"]);
}

#[test]
fn bars_fill_a_resting_order_by_the_close_then_by_the_range() {
    let mut script = Script::new();
    script.bar(["100", "100", "100", "100"], "1");
    script.send(buy("2").gtc("99"));
    script.bar(["100", "101", "98", "99.5"], "1");
    assert_eq!(script.told(), ["ack"]);
    script.bar(["99.5", "101", "99", "100"], "1");
    assert_eq!(script.told(), NO_LINES);
    script.bar(["99.5", "101", "98.9", "100"], "1");
    assert_eq!(script.told(), ["maker 2@99"]);
}
