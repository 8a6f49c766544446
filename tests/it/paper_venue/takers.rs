//! What an order that takes gets, by the kind of data there is.

use pinion_core::msg::{MarketBody, Side, TimeInForce};

use super::harness::{SECOND, Script, buy, sell, short};

const NO_LINES: [&str; 0] = [];

#[test]
fn a_market_order_walks_the_book_level_by_level() {
    let mut script = Script::new();
    script.book(
        &[("99.9", "1"), ("99.8", "2"), ("99.5", "5")],
        &[("100", "0.5"), ("100.1", "1"), ("100.4", "3")],
    );
    assert_eq!(script.sent(buy("2")), ["ack", "taker 0.5@100", "taker 1@100.1", "taker 0.5@100.4"]);
    assert_eq!(script.sent(sell("1.5")), ["ack", "taker 1@99.9", "taker 0.5@99.8"]);
}

#[test]
fn what_we_took_stays_taken_until_the_level_is_updated() {
    let mut script = Script::new();
    script.book(&[("99.9", "1")], &[("100", "0.5"), ("100.1", "1")]);
    assert_eq!(script.sent(buy("0.6")), ["ack", "taker 0.5@100", "taker 0.1@100.1"]);
    assert_eq!(script.sent(buy("0.2")), ["ack", "taker 0.2@100.1"]);
    script.level(Side::Sell, "100", "0.4", true);
    assert_eq!(script.sent(buy("0.5")), ["ack", "taker 0.4@100", "taker 0.1@100.1"]);
}

#[test]
fn what_the_book_does_not_hold_expires() {
    let mut script = Script::new();
    script.book(&[("99.9", "1")], &[("100", "0.5")]);
    assert_eq!(script.sent(buy("0.8")), ["ack", "taker 0.5@100", "expired 0.5"]);
    assert_eq!(script.sent(buy("0.8")), ["ack", "expired 0"]);
}

#[test]
fn nothing_fills_beyond_the_price_band() {
    let mut script = Script::new();
    script.book(&[("99.9", "1")], &[("100", "0.5"), ("120", "0.5"), ("120.1", "9")]);
    assert_eq!(script.sent(buy("2")), ["ack", "taker 0.5@100", "taker 0.5@120", "expired 1"]);
}

#[test]
fn a_level_that_the_quote_says_is_gone_is_no_offer() {
    let mut script = Script::new();
    script.book(&[("99.9", "1")], &[("100", "5"), ("100.2", "1"), ("100.3", "1")]);
    script.quote("99.9", "1", "100.2", "1");
    assert_eq!(script.sent(buy("1.5")), ["ack", "taker 1@100.2", "taker 0.5@100.3"]);
    // And the other way round: a quote that the book contradicts.
    script.quote("99.9", "1", "99.95", "7");
    script.level(Side::Sell, "100", "0", false);
    script.level(Side::Sell, "100.2", "2", true);
    assert_eq!(script.sent(buy("0.5")), ["ack", "taker 0.5@100.2"]);
}

#[test]
fn beyond_the_touch_every_displayed_quantity_costs_a_tick() {
    let mut script = Script::new();
    script.quote("99.9", "1", "100", "0.4");
    assert_eq!(
        script.sent(buy("1")),
        ["ack", "taker 0.4@100", "taker 0.4@100.1", "taker 0.2@100.2"]
    );
    // The same quote again heals nothing; a changed one does.
    script.quote("99.9", "2", "100", "0.4");
    assert_eq!(script.sent(buy("0.3")), ["ack", "taker 0.2@100.2", "taker 0.1@100.3"]);
    script.quote("99.9", "2", "100", "0.5");
    assert_eq!(script.sent(buy("0.3")), ["ack", "taker 0.3@100"]);
    assert_eq!(script.sent(sell("2.5")), ["ack", "taker 1.6@99.9", "expired 1.6"]);
}

#[test]
fn a_far_ladder_fills_at_its_worst_step_and_ends_at_the_band() {
    let mut script = Script::new();
    script.quote("99.9", "0.001", "100", "0.001");
    let lines = script.sent(buy("0.1"));
    assert_eq!(lines.len(), 1 + 17);
    assert_eq!(lines[16], "taker 0.001@101.5");
    assert_eq!(lines[17], "taker 0.084@109.9");
    script.quote("99.9", "0.001", "100", "0.002");
    let lines = script.sent(buy("1"));
    assert_eq!(lines[17..], ["taker 0.37@120", "expired 0.402"]);
}

#[test]
fn an_unknown_quantity_costs_a_tick() {
    let mut script = Script::new();
    script.quote("99.9", "", "100", "");
    assert_eq!(script.sent(buy("3")), ["ack", "taker 3@100.1"]);
    assert_eq!(script.sent(sell("3")), ["ack", "taker 3@99.8"]);
    // Less than a lot is shown: as good as unknown.
    script.quote("99.9", "0.0004", "100", "0.0004");
    assert_eq!(script.sent(buy("3")), ["ack", "taker 3@100.1"]);
}

#[test]
fn trades_only_take_from_the_following_prints() {
    let mut script = Script::new();
    script.trade("100", "5", None);
    assert_eq!(script.sent(buy("1")), ["ack"]);
    // Lower print: the last price before arrival counts. Higher print: the print. Always a tick on top.
    script.trade("99", "0.3", None);
    assert_eq!(script.told(), ["taker 0.3@100.1"]);
    script.trade("100.5", "0.3", None);
    assert_eq!(script.told(), ["taker 0.3@100.6"]);
    script.trade("100", "0.3", None);
    script.trade("100", "0.3", None);
    script.trade("100", "0.3", None);
    assert_eq!(script.told(), ["taker 0.3@100.1", "taker 0.1@100.1"]);
    assert_eq!(script.sent(sell("1")), ["ack"]);
    script.trade("101", "9", None);
    assert_eq!(script.told(), ["taker 1@99.9"]);
}

#[test]
fn waiting_takers_share_a_print_and_expire_after_a_minute() {
    let mut script = Script::new();
    script.trade("100", "5", None);
    script.send(buy("1"));
    script.send(short("1"));
    script.trade("100", "1.4", None);
    assert_eq!(script.told(), ["ack", "ack", "taker 1@100.1", "taker 0.4@99.9"]);
    script.wait(60 * SECOND - 1);
    assert_eq!(script.told(), NO_LINES);
    script.wait(1);
    assert_eq!(script.told(), ["expired 0.4"]);
}

#[test]
fn prints_older_than_the_order_do_not_fill_it() {
    let mut script = Script::new();
    script.feed_dated(Some(1_000), super::harness::print("100", "5", None));
    script.send(buy("1"));
    script.feed_dated(Some(999), super::harness::print("100", "5", None));
    assert_eq!(script.told(), ["ack"]);
    script.feed_dated(Some(1_000), super::harness::print("100", "5", None));
    assert_eq!(script.told(), ["taker 1@100.1"]);
}

#[test]
fn an_immediate_limit_does_not_wait_beyond_its_price() {
    let mut script = Script::new();
    script.trade("100", "5", None);
    script.send(buy("1").limit(TimeInForce::Ioc, "100.2"));
    script.trade("100.1", "0.5", None);
    script.trade("100.2", "0.5", None);
    assert_eq!(script.told(), ["ack", "taker 0.5@100.2", "expired 0.5"]);
}

#[test]
fn bars_only_take_from_the_next_bar() {
    let mut script = Script::new();
    script.bar(["99", "101", "98", "100"], "50");
    assert_eq!(script.sent(buy("1")), ["ack"]);
    script.wait(60 * SECOND - 5);
    script.bar(["99", "101", "98", "99.5"], "50");
    assert_eq!(script.told(), ["taker 1@100.1"]);
    assert_eq!(script.sent(sell("1")), ["ack"]);
    script.wait(60 * SECOND);
    script.bar(["99.2", "101", "98", "100"], "0.4");
    assert_eq!(script.told(), ["taker 0.4@99.1", "expired 0.4"]);
    // No further bar: two bars' time, then it expires.
    assert_eq!(script.sent(sell("0.6")), ["ack"]);
    script.wait(2 * 60 * SECOND);
    assert_eq!(script.told(), ["expired 0"]);
}

#[test]
fn a_gap_leaves_the_quote_until_the_book_is_reset() {
    let mut script = Script::new();
    script.book(&[("99.9", "1")], &[("100", "0.5"), ("100.1", "1")]);
    script.quote("99.9", "1", "100", "0.5");
    script.feed(MarketBody::Gap);
    script.level(Side::Sell, "100.1", "9", true);
    assert_eq!(script.sent(buy("0.8")), ["ack", "taker 0.5@100", "taker 0.3@100.1"]);
    // The quote shows anew what our order took from it.
    script.quote("99.9", "1", "100", "0.6");
    script.book(&[("99.9", "1")], &[("100", "0.5"), ("100.7", "1")]);
    assert_eq!(script.sent(buy("0.8")), ["ack", "taker 0.5@100", "taker 0.3@100.7"]);
}

#[test]
fn a_limit_takes_no_worse_than_its_price_and_rests_or_expires() {
    let mut script = Script::new();
    let book: [&[(&str, &str)]; 2] =
        [&[("99.9", "1")], &[("100", "0.5"), ("100.1", "1"), ("100.2", "9")]];
    script.book(book[0], book[1]);
    assert_eq!(
        script.sent(buy("2").limit(TimeInForce::Ioc, "100.1")),
        ["ack", "taker 0.5@100", "taker 1@100.1", "expired 1.5"]
    );
    script.book(book[0], book[1]);
    assert_eq!(script.sent(buy("2").gtc("100.1")), ["ack", "taker 0.5@100", "taker 1@100.1"]);
    assert_eq!(script.queue(), Some(super::harness::qty("0")));
    // The recording still shows what was taken; it fills the rest neither by quote nor by print.
    script.quote("99.9", "3", "100", "0.5");
    script.trade("100", "4", Some(Side::Buy));
    script.trade("100", "4", None);
    assert_eq!(script.told(), NO_LINES);
    // A new offer at 100 does, for what it shows; at our price, as a maker.
    script.level(Side::Sell, "100", "0.2", true);
    assert_eq!(script.told(), ["maker 0.2@100.1"]);
    script.trade("100", "1", Some(Side::Sell));
    assert_eq!(script.told(), ["maker 0.3@100.1"]);
}

#[test]
fn a_limit_at_a_touch_of_unknown_quantity_takes_nothing() {
    let mut script = Script::new();
    script.quote("99.9", "", "100", "");
    assert_eq!(script.sent(buy("2").limit(TimeInForce::Ioc, "100")), ["ack", "expired 0"]);
    assert_eq!(script.sent(buy("2").limit(TimeInForce::Ioc, "100.1")), ["ack", "taker 2@100.1"]);
}

#[test]
fn at_the_touch_the_smaller_of_quote_and_book_counts() {
    let mut script = Script::new();
    script.book(&[("99.9", "9")], &[("100", "5"), ("100.1", "9")]);
    script.quote("99.9", "9", "100", "1");
    assert_eq!(script.sent(buy("2")), ["ack", "taker 1@100", "taker 1@100.1"]);
    // What was taken is taken from both views.
    assert_eq!(script.sent(buy("1")), ["ack", "taker 1@100.1"]);
}
