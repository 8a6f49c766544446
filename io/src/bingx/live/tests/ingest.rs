use std::sync::Arc;

use pinion_core::id::TextId;
use pinion_core::instrument::{Instrument, InstrumentTable};
use pinion_core::link::{MarketTx, Rx, link};
use pinion_core::msg::{MarketBody, MarketMsg};
use pinion_core::stage::Stage as _;
use pinion_core::units::{Money, Price, Qty};

use super::venue::{Push, Venue};
use super::*;
use crate::bingx::Symbols;

pub(super) fn table() -> Arc<InstrumentTable> {
    let row = Instrument {
        symbol: TextId::new("BTCUSDT").expect("short"),
        tick: Price::from_raw(10_000_000),
        lot: Qty::from_raw(10_000),
        min_notional: Money::from_whole(2),
        tradable: true,
        listed_ns: None,
    };
    Arc::new(InstrumentTable::new(vec![row]).expect("one row"))
}

pub(super) fn symbols() -> Symbols {
    Symbols::new(&table(), std::iter::once("BTC-USDT"))
}

struct Rig {
    venue: Venue,
    stage: BingxIngest,
    market: Rx<MarketMsg>,
    _tap: Rx<MarketMsg>,
    feed: Rx<MarketMsg>,
    clock: Clock,
}

fn rig() -> Rig {
    let venue = Venue::start();
    let (market_tx, market) = link(64);
    let (tap_tx, tap) = link(64);
    let (feed_tx, feed) = link(64);
    let merging = |tx| MarketTx::new(tx, 1);
    let links = IngestLinks { market: merging(market_tx), tap: merging(tap_tx), feed: feed_tx };
    let stage =
        BingxIngest::new(&venue.plan().public(), table(), &symbols(), links, Notices::default());
    Rig { venue, stage, market, _tap: tap, feed, clock: Clock::new() }
}

impl Rig {
    fn until<T>(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> Option<T>) -> T {
        until(what, || {
            let _work = self.stage.poll(self.clock.now());
            done(self)
        })
    }
}

fn quote(at: u64, bid: &str, ask: &str) -> Push {
    Push::Frame(format!(
        r#"{{"code":0,"dataType":"BTC-USDT@bookTicker","data":{{"e":"bookTicker","u":1,"E":{at},"T":{at},
        "s":"BTC-USDT","b":"{bid}","B":"1","a":"{ask}","A":"2"}}}}"#
    ))
}

#[test]
fn quotes_come_in_and_senseless_ones_do_not() {
    let mut rig = rig();
    rig.until("live", |rig| rig.stage.is_live().then_some(()));
    for push in [
        quote(10, "100.1", "100.2"),
        quote(11, "100.3", "100.2"),
        quote(9, "100.1", "100.2"),
        quote(12, "100.2", "100.4"),
        Push::Frame("Ping".to_owned()),
    ] {
        rig.venue.push_market(&push);
    }
    let mut bids = Vec::new();
    rig.until("two quotes", |rig| {
        while let Some(message) = rig.market.pop() {
            if let MarketBody::Quote { bid, .. } = message.body() {
                bids.push(bid.to_string());
            }
        }
        (bids.len() == 2).then_some(())
    });
    assert_eq!(bids, ["100.1", "100.2"]);
    rig.until("the heartbeat is answered", |rig| {
        rig.venue.lock().said.contains(&"Pong".to_owned()).then_some(())
    });
    let counts = rig.stage.counts();
    assert_eq!((counts.quote, counts.rejected.iter().sum::<u64>()), (2, 2));
    assert_eq!(rig.feed.len(), 2, "the gate sees them too");
    let said = rig.venue.lock().said.join(" ");
    for stream in ["bookTicker", "trade", "markPrice"] {
        assert!(said.contains(&format!("BTC-USDT@{stream}")), "{said}");
    }
}

#[test]
fn a_lost_socket_tells_a_gap_and_comes_back() {
    let mut rig = rig();
    rig.until("live", |rig| rig.stage.is_live().then_some(()));
    rig.venue.push_market(&Push::Cut);
    rig.until("a gap", |rig| {
        let message = rig.market.pop()?;
        matches!(message.body(), MarketBody::Gap).then_some(())
    });
    assert_eq!(rig.stage.losses(), 1);
    rig.until("live again", |rig| rig.stage.is_live().then_some(()));
    rig.venue.push_market(&quote(10, "100.1", "100.2"));
    rig.until("a quote", |rig| {
        let message = rig.market.pop()?;
        matches!(message.body(), MarketBody::Quote { .. }).then_some(())
    });
    rig.stage.stop();
    assert!(rig.stage.finished() && !rig.stage.is_live());
    assert_eq!(rig.stage.losses(), 1, "an end that is wanted is no loss");
}
