//! Liquidation, self-trade prevention, and the settings that bound margin, prices and waiting.

use pinion_core::msg::venue::ForcedCause;
use pinion_core::msg::{PositionSide, Side, TimeInForce, VenueEvent};
use pinion_core::settings::Settings;
use pinion_core::units::{Money, Rate};
use pinion_io::paper::{Owner, Truth};

use super::harness::{SECOND, Script, buy, line, money, prompt, sell, short};

/// An account of ten, so that a position of half a unit at 100 can use it up.
fn small() -> Settings {
    Settings { account_starting_capital: Money::from_whole(10), ..prompt() }
}

/// What was told, forced closes included.
fn told(script: &mut Script) -> Vec<String> {
    let tell = |msg: &pinion_core::msg::VenueMsg| match msg.event {
        VenueEvent::Forced { side, qty, price, cause, .. } => {
            assert_eq!(cause, ForcedCause::Liquidation);
            Some(format!("forced {} {qty}@{price}", side.as_str()))
        }
        _ => line(msg),
    };
    script.drain().iter().filter_map(|(_, msg)| tell(msg)).collect()
}

#[test]
fn a_used_up_margin_expires_the_orders_and_closes_the_positions() {
    let mut script = Script::with(&small());
    script.venue.record_truth(true);
    script.quote("100", "50", "100.1", "50");
    script.sent(buy("0.5"));
    script.send(sell("0.5").gtc("101"));
    script.told();
    // 9.75 lost of 10: the maintenance margin of 0.4 % of 40.3 is still there.
    script.quote("80.6", "50", "80.7", "50");
    assert_eq!(told(&mut script), [""; 0]);
    script.quote("80.4", "50", "80.5", "50");
    assert_eq!(told(&mut script), ["expired 0", "forced long 0.5@80.4"]);
    assert_eq!(script.venue.positions(), []);
    let mut forced = Vec::new();
    script.venue.take_truth(&mut |truth| {
        if let Truth::Fill { owner: Owner::Venue, notional, fee, reduces, .. } = truth {
            forced.push((notional, fee, reduces));
        }
    });
    assert_eq!(forced, [(money("40.2"), money("0.0201"), true)]);
}

#[test]
fn a_gap_through_the_margin_leaves_a_debt() {
    let mut script = Script::with(&small());
    script.quote("100", "50", "100.1", "50");
    script.sent(short("0.5"));
    script.quote("150", "50", "150.1", "50");
    assert_eq!(told(&mut script), ["forced short 0.5@150.1"]);
    assert!(script.venue.account().wallet < Money::ZERO);
    assert_eq!(script.sent(buy("0.1")), ["reject margin"]);
}

#[test]
fn an_arriving_order_expires_our_own_that_it_meets_first() {
    let mut script = Script::new();
    script.quote("100", "0.5", "100.3", "50");
    // Inside the spread, hence before anybody else.
    script.send(buy("1").gtc("100.1"));
    script.told();
    assert_eq!(script.sent(short("0.2")), ["ack", "expired 0", "taker 0.2@100"]);
    // Behind the touch and out of reach: both stay.
    script.send(buy("1").gtc("99.8"));
    script.told();
    assert_eq!(script.sent(short("0.2")), ["ack", "taker 0.2@100"]);
    assert_eq!(script.venue.open_orders().count(), 1);
    // One that walks down to it meets it.
    script.quote("100", "0.6", "100.3", "50");
    let walked = ["ack", "taker 0.6@100", "taker 0.6@99.9", "expired 0", "taker 0.3@99.8"];
    assert_eq!(script.sent(short("1.5")), walked);
}

#[test]
fn two_limits_of_ours_inside_the_spread_do_not_trade() {
    let mut script = Script::new();
    script.quote("100", "5", "100.3", "5");
    script.send(buy("1").gtc("100.1"));
    script.told();
    let post_only = short("1").limit(TimeInForce::PostOnly, "100.1");
    assert_eq!(script.sent(post_only), ["reject post_only_would_take"]);
    assert_eq!(script.sent(short("1").gtc("100.2")), ["ack"]);
    assert_eq!(script.sent(short("1").gtc("100.1")), ["ack", "expired 0"]);
    assert_eq!(script.venue.positions(), []);
    // The same side is no meeting.
    assert_eq!(script.sent(short("1").gtc("100.1")), ["ack"]);
    assert_eq!(script.venue.open_orders().count(), 3);
}

#[test]
fn a_reducing_order_shrinks_with_the_position_at_every_match() {
    let mut script = Script::new();
    script.quote("100", "50", "100.3", "50");
    script.sent(buy("2"));
    script.send(sell("2").gtc("100.5"));
    script.told();
    script.sent(sell("1.9"));
    script.trade("100.6", "9", Some(Side::Buy));
    assert_eq!(script.told(), ["maker 0.1@100.5", "expired 0.1"]);
    let long = script.venue.positions().iter().find(|p| p.side == PositionSide::Long);
    assert_eq!(long, None, "it was sold down to nothing and no further");
}

#[test]
fn leverage_band_and_print_wait_come_from_the_settings() {
    let mut script = Script::with(&Settings { paper_leverage: 1, ..small() });
    script.quote("100", "50", "100.1", "50");
    assert_eq!(script.sent(buy("0.11")), ["reject margin"]);

    let band = Rate::from_raw(100_000);
    let mut script = Script::with(&Settings { paper_price_band: band, ..prompt() });
    script.book(&[("100", "1")], &[("100.1", "1"), ("100.2", "1"), ("100.3", "5")]);
    // 0.1 % beyond 100.1 is 100.2.
    assert_eq!(script.sent(buy("3")), ["ack", "taker 1@100.1", "taker 1@100.2", "expired 2"]);

    let wait = Settings { paper_print_wait_ns: 2 * SECOND, ..prompt() };
    let mut script = Script::with(&wait);
    script.trade("100", "1", None);
    assert_eq!(script.sent(buy("1")), ["ack"]);
    script.wait(2 * SECOND - 1);
    assert_eq!(script.told(), [""; 0]);
    script.wait(1);
    assert_eq!(script.told(), ["expired 0"]);

    let rate = Settings { paper_maintenance_rate: Rate::from_raw(50_000_000), ..small() };
    let mut script = Script::with(&rate);
    script.quote("100", "50", "100.1", "50");
    script.sent(buy("0.5"));
    script.quote("99", "50", "99.1", "50");
    assert_eq!(told(&mut script), ["forced long 0.5@99"]);
    assert!(script.venue.account().wallet > Money::from_whole(9));
}
