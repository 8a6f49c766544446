//! Fees, wallet, funding, snapshots.

use pinion_core::msg::{MarketBody, Maybe, PositionSide, ProbeKind, Side, VenueEvent, VenueMsg};
use pinion_core::settings::Settings;
use pinion_core::units::{Nanos, Rate};

use super::harness::{SECOND, Script, buy, money, price, prompt, qty, sell, short};

const HOURS_8: i64 = 8 * 3_600 * SECOND;
const NO_LINES: [&str; 0] = [];

fn events(script: &mut Script) -> Vec<VenueEvent> {
    script.drain().iter().map(|(_, msg): &(_, VenueMsg)| msg.event).collect()
}

#[test]
fn fees_are_a_share_of_each_fill_signed_as_venues_sign_them() {
    let settings = Settings { account_maker_rate: Rate::from_raw(-10_000), ..prompt() };
    let mut script = Script::with(&settings);
    script.quote("100", "5", "100.2", "5");
    script.send(buy("1.005"));
    script.send(sell("1.005").gtc("100.3"));
    script.trade("100.4", "1", None);
    let fees: Vec<_> = events(&mut script)
        .iter()
        .filter_map(|event| match event {
            VenueEvent::Fill { fee, .. } => fee.get(),
            _ => None,
        })
        .collect();
    // 1.005 × 100.2 × 0.0005 and a rebate of 1.005 × 100.3 × 0.0001.
    assert_eq!(fees, [money("-0.0503505"), money("0.01008015")]);
    // Sold 0.1 higher: 0.1005 gained.
    let wallet = money("25000") + money("0.1005") - money("0.0503505") + money("0.01008015");
    assert_eq!(script.venue.account().wallet, wallet);
    assert_eq!(script.venue.account().realized, money("0.1005"));
}

#[test]
fn a_balance_follows_every_fill() {
    let mut script = Script::new();
    script.quote("100", "50", "100", "50");
    script.send(short("20"));
    let told = events(&mut script);
    let balances: Vec<_> = told
        .iter()
        .filter_map(|event| match *event {
            VenueEvent::Balance { wallet, available, used, maint } => {
                Some([wallet, available, used, maint].map(|value| value.get().expect("told")))
            }
            _ => None,
        })
        .collect();
    let wallet = money("24999");
    assert_eq!(balances, [[wallet, wallet - money("100"), money("100"), money("8")]]);
}

#[test]
fn funding_without_mark_data_comes_at_multiples_of_the_interval() {
    let mut script = Script::new();
    script.at = HOURS_8 - SECOND;
    script.quote("100", "50", "100.2", "50");
    script.send(buy("2"));
    script.send(short("1"));
    script.told();
    // Two seconds after the boundary: a recorded exchange would come first.
    script.wait(3 * SECOND - 1);
    assert_eq!(script.told(), NO_LINES);
    // Mid 100.1 × 0.0001: the long pays on 2, the short receives on 1.
    script.wait(1);
    assert_eq!(script.told(), ["funding -0.02002", "funding 0.01001"]);
    // Asked late, every boundary that passed is exchanged, at its own time.
    script.wait(2 * HOURS_8);
    assert_eq!(script.told().len(), 4);
    assert_eq!(script.venue.account().funding, money("-0.03003"));
    script.send(sell("2"));
    script.told();
    script.wait(HOURS_8);
    assert_eq!(script.told(), ["funding 0.01001"]);
}

#[test]
fn a_position_that_the_market_opened_is_funded_on_time() {
    let mut script = Script::new();
    script.quote("100", "50", "100.2", "50");
    script.send(buy("1").gtc("100.1"));
    script.trade("100", "1", None);
    script.told();
    script.at = HOURS_8 + 2 * SECOND;
    script.wait(0);
    assert_eq!(script.told(), ["funding -0.01"]);
}

#[test]
fn recorded_exchanges_are_the_only_ones_and_use_their_own_rate() {
    let mut script = Script::new();
    script.at = HOURS_8 - SECOND;
    script.quote("100", "50", "100.2", "50");
    script.send(buy("2"));
    script.told();
    // The row of the exchange, six milliseconds after the hour; its mark is missing.
    let exchange = |script: &mut Script, rate: i64| {
        script.at += SECOND + 6_000_000;
        let body = MarketBody::Mark {
            mark: None,
            index: None,
            funding_rate: Some(Rate::from_raw(rate)),
            next_funding_ns: Some(Nanos::new(script.at)),
        };
        script.feed_dated(Some(script.at), body);
    };
    exchange(&mut script, 30_000);
    // Mid 100.1 × 2 × 0.0003.
    assert_eq!(script.told(), ["funding -0.06006"]);
    script.wait(HOURS_8);
    assert_eq!(script.told(), NO_LINES, "no row, no exchange");
    exchange(&mut script, 0);
    assert_eq!(script.told(), ["funding 0"]);
}

fn mark(at: &str, rate: i64, next: i64) -> MarketBody {
    MarketBody::Mark {
        mark: Some(price(at)),
        index: None,
        funding_rate: Some(Rate::from_raw(rate)),
        next_funding_ns: Some(Nanos::new(next)),
    }
}

#[test]
fn funding_follows_the_mark_data() {
    let mut script = Script::new();
    script.quote("100", "50", "100.2", "50");
    script.feed(mark("101", -20_000, 100 * SECOND));
    script.send(buy("2"));
    script.told();
    script.wait(50 * SECOND);
    // Announced earlier, and the price moved: the latest word counts.
    script.feed(mark("110", -20_000, 90 * SECOND));
    script.at = 90 * SECOND - 1;
    script.wait(0);
    assert_eq!(script.told(), NO_LINES);
    script.wait(1);
    assert_eq!(script.told(), ["funding 0.044"]);
    // The old announcement repeated, then the next one.
    script.feed(mark("110", -20_000, 90 * SECOND));
    script.wait(SECOND);
    script.feed(mark("110", 20_000, 190 * SECOND));
    assert_eq!(script.told(), NO_LINES);
    script.wait(99 * SECOND);
    assert_eq!(script.told(), ["funding -0.044"]);
}

#[test]
fn an_announcement_past_the_boundary_says_that_it_has_come() {
    let mut script = Script::new();
    script.quote("100", "50", "100.2", "50");
    script.feed(mark("100", 10_000, 100 * SECOND));
    script.send(buy("1"));
    script.told();
    // Our clock is a second behind the venue's: the boundary is exchanged once, by the old rate.
    script.at = 99 * SECOND;
    script.feed(mark("100", 70_000, 200 * SECOND));
    script.wait(0);
    assert_eq!(script.told(), ["funding -0.01"]);
    script.wait(2 * SECOND);
    assert_eq!(script.told(), NO_LINES);
    // A change of plan long before the boundary is none.
    script.feed(mark("100", 70_000, 300 * SECOND));
    script.wait(150 * SECOND);
    assert_eq!(script.told(), NO_LINES);
}

#[test]
fn nothing_is_told_unasked_and_a_view_is_that_of_the_moment_the_probe_arrives() {
    let mut script = Script::new();
    script.wait(1_000 * SECOND);
    assert_eq!(events(&mut script), [], "nobody asked");
    script.quote("100", "50", "100.2", "50");
    script.send(buy("2"));
    script.send(buy("1"));
    script.send(short("1.5"));
    script.send(buy("1").gtc("99"));
    script.drain();
    script.probe(ProbeKind::Positions, 41);
    let row = |side, amount, entry| VenueEvent::Position {
        side,
        qty: qty(amount),
        entry_price: Maybe::some(price(entry)),
    };
    assert_eq!(
        events(&mut script),
        [
            row(PositionSide::Long, "3", "100.2"),
            row(PositionSide::Short, "1.5", "100"),
            VenueEvent::PositionsEnd { ok: true, rows: 2, revision: 41 },
        ]
    );
    assert_eq!(script.venue.counts().snapshots, 1);
    script.probe(ProbeKind::OpenOrders, 42);
    let told = events(&mut script);
    assert!(matches!(told[0], VenueEvent::OpenOrder { side: Side::Buy, .. }), "{told:?}");
    assert_eq!(told[1..], [VenueEvent::OpenOrdersEnd { ok: true, rows: 1, revision: 42 }]);
    script.probe(ProbeKind::Balance, 43);
    let told = events(&mut script);
    let [VenueEvent::Balance { wallet, .. }] = told[..] else { panic!("{told:?}") };
    assert_eq!(wallet.get(), Some(script.venue.account().wallet));
}
