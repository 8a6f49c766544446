//! Streams: topics, events, listen keys.

use std::collections::BTreeMap;

use pinion_core::units::{Nanos, Price};
use serde_json::{Value, json};

use crate::bingx::{Decoder, Frame};

use super::super::streams::Push;
use super::{World, money};

fn market(world: &mut World, topics: &[&str]) -> u64 {
    let id = world.exchange.open_stream(world.now, None).expect("open");
    for (number, topic) in topics.iter().enumerate() {
        let text = format!(r#"{{"id":"{number}","reqType":"sub","dataType":"{topic}"}}"#);
        world.exchange.on_text(world.now, id, &text);
    }
    id
}

#[test]
fn events_of_an_order_tell_its_life_and_the_wallet_after_each_change() {
    let mut world = World::new();
    let (stream, _) = world.listen(0);
    world.place("side=BUY&positionSide=LONG&type=MARKET&quantity=0.01&clientOrderId=a-1");
    let resting = world.place("side=BUY&positionSide=LONG&type=LIMIT&price=80000&quantity=0.01");
    world.ok(
        "DELETE",
        "v2/trade/order",
        &format!("symbol=BTC-USDT&orderId={}", resting["orderId"]),
    );
    world.seconds(1);
    let heard = world.heard(stream);
    let told: Vec<String> = heard
        .iter()
        .map(|frame| match frame["o"]["X"].as_str() {
            Some(state) => format!("{state} {}", frame["o"]["c"].as_str().unwrap_or("?")),
            None => frame["a"]["m"].to_string(),
        })
        .collect();
    let expected = ["NEW a-1", "FILLED a-1", "\"ORDER\"", "NEW ", "CANCELED "];
    assert_eq!(told, expected);
    let fill = &heard[1]["o"];
    let fee = money(&fill["n"]);
    assert!(fee.raw() < 0 && fill.get("l").is_none());
    assert_eq!(heard[2]["a"]["B"][0]["wb"], (money(&json!("25000")) + fee).to_string());
    assert_eq!(heard[2]["a"]["P"][0]["ep"], fill["ap"]);
}

#[test]
fn the_incremental_book_can_be_followed_without_a_gap() {
    let mut world = World::new();
    let id = market(&mut world, &["BTC-USDT@incrDepth", "BTC-USDT@bookTicker"]);
    world.seconds(120);
    let frames = world.heard(id);
    let updates: Vec<&Value> =
        frames.iter().filter(|frame| frame["dataType"] == "BTC-USDT@incrDepth").collect();
    assert!(updates.len() > 5 && updates[0]["data"]["action"] == "all", "{}", updates.len());
    let mut asks: BTreeMap<Price, String> = BTreeMap::new();
    let first = updates[0]["data"]["lastUpdateId"].as_u64().expect("a number");
    for (expected, update) in (first..).zip(updates) {
        let data = &update["data"];
        assert_eq!(data["lastUpdateId"].as_u64(), Some(expected));
        for level in data["asks"].as_array().expect("levels") {
            let price = Price::parse(level[0].as_str().expect("text").as_bytes()).expect("a price");
            if level[1] == "0" {
                assert!(asks.remove(&price).is_some(), "{price} was not there");
            } else {
                asks.insert(price, level[1].as_str().expect("text").to_owned());
            }
        }
    }
    let touch = world.touch();
    assert_eq!(asks.first_key_value(), Some((&touch.ask, &touch.ask_qty.to_string())));
    let ticker = frames.iter().rev().find(|frame| frame["data"]["e"] == "bookTicker");
    assert_eq!(ticker.expect("told")["data"]["a"], touch.ask.to_string());
}

#[test]
fn every_topic_is_told_in_the_form_that_the_adapter_reads() {
    let mut world = World::new();
    let topics = [
        "BTC-USDT@bookTicker",
        "BTC-USDT@depth5@500ms",
        "BTC-USDT@incrDepth",
        "BTC-USDT@trade",
        "BTC-USDT@markPrice",
        "BTC-USDT@ticker",
        "BTC-USDT@lastPrice",
        "BTC-USDT@kline_1m",
    ];
    let id = market(&mut world, &topics);
    world.seconds(120);
    let (account, _) = world.listen(0);
    world.place("side=BUY&positionSide=LONG&type=MARKET&quantity=0.01");
    world.seconds(6);
    let mut decoder = Decoder::new();
    let mut seen = BTreeMap::new();
    let pushes = world.raw.remove(&id).expect("frames").into_iter();
    for push in pushes.chain(world.raw.remove(&account).expect("frames")) {
        let Push::Frame(bytes) = push else { continue };
        let frame = decoder.decode(&bytes).unwrap_or_else(|fault| panic!("{fault:?}"));
        let kind = match frame {
            Frame::Ping => "ping",
            Frame::Answer(answer) => {
                assert_eq!(answer.code, 0);
                "answer"
            }
            Frame::Market(_) => "market",
            Frame::Account(_) => "account",
            Frame::PingId { .. } | Frame::Unknown => panic!("{frame:?}"),
        };
        *seen.entry(kind).or_insert(0) += 1;
    }
    assert_eq!(seen["answer"], topics.len());
    assert!(seen["ping"] > 20 && seen["market"] > 500 && seen["account"] > 4, "{seen:?}");
    let refused = market(&mut world, &["BTC-USDT@moon", "MOON-USDT@trade"]);
    world.exchange.on_text(world.now, account, r#"{"id":"9","reqType":"sub","dataType":"x"}"#);
    world.seconds(1);
    let codes = |frames: Vec<Value>| -> Vec<i64> {
        frames.iter().filter_map(|frame| frame["code"].as_i64()).collect()
    };
    assert_eq!(codes(world.heard(refused)), [80_015, 80_015]);
    assert_eq!(codes(world.heard(account)), [80_014]);
}

#[test]
fn unsubscribing_ends_a_topic() {
    let mut world = World::new();
    let id = market(&mut world, &["BTC-USDT@depth5@500ms"]);
    world.seconds(2);
    assert!(world.heard(id).len() >= 4);
    let text = r#"{"id":"2","reqType":"unsub","dataType":"BTC-USDT@depth5@500ms"}"#;
    world.exchange.on_text(world.now, id, text);
    world.seconds(2);
    assert_eq!(world.heard(id).len(), 1, "the acknowledgement");
}

#[test]
fn a_dead_key_is_told_once_and_its_stream_is_silent_then() {
    let mut world = World::new();
    let (stream, key) = world.listen(0);
    let (other, _) = world.listen(1);
    let own = world.accounts[0].key.clone();
    let path = "/openApi/user/auth/userDataStream";
    let mut put = |query: &str| world.raw_call("PUT", path, query, Some(&own)).status;
    assert_eq!((put(&format!("listenKey={key}")), put(""), put("listenKey=x")), (200, 204, 404));
    world.sim("POST", "expire", "account=0");
    world.place("side=BUY&positionSide=LONG&type=MARKET&quantity=0.01");
    world.seconds(1);
    let heard = world.heard(stream);
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!((&heard[0]["e"], &heard[0]["listenKey"]), (&json!("listenKeyExpired"), &json!(key)));
    assert!(world.heard(other).is_empty());
    let query = format!("listenKey={key}");
    assert_eq!(world.raw_call("PUT", path, &query, Some(&own)).status, 404);
    assert!(world.exchange.open_stream(world.now, Some(&key)).is_err());
}

#[test]
fn a_key_that_nobody_extends_dies_by_itself() {
    let mut plan = super::plan(7);
    plan.listen_key_ns = 10 * Nanos::SECOND;
    let mut world = World::of(&plan);
    let (stream, _) = world.listen(0);
    world.seconds(9);
    assert!(world.heard(stream).is_empty());
    world.seconds(1);
    assert_eq!(world.heard(stream).len(), 1);
}

#[test]
fn a_burst_is_as_fast_as_asked_for() {
    let mut world = World::new();
    let id = market(&mut world, &["BTC-USDT@bookTicker"]);
    world.pass(50_000_000);
    world.heard(id);
    let done = world.sim("POST", "burst", "topic=BTC-USDT@bookTicker&perSecond=1000&seconds=2");
    assert_eq!(done["done"], true);
    world.seconds(3);
    let frames = world.heard(id);
    let ids: Vec<u64> = frames.iter().filter_map(|frame| frame["data"]["u"].as_u64()).collect();
    assert!((2_000..2_030).contains(&ids.len()), "{}", ids.len());
}
