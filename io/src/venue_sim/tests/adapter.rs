//! What the simulator says, as the engine's own adapter reads it.

use pinion_core::msg::venue::RejectReason;

use crate::bingx::errors::{judge, reject_reason};
use crate::bingx::rest::{self, open};
use crate::bingx::words::{MarginType, OrderState, PositionMode};
use crate::bingx::{Endpoint, Oddities, Tape, rows};

use super::super::refusal::Refusal;
use super::{Value, World};

fn path(endpoint: Endpoint) -> (&'static str, &'static str) {
    let path = endpoint.path().strip_prefix("/openApi/swap/").expect("a call of the swaps");
    (endpoint.method().as_str(), path)
}

impl World {
    fn body(&mut self, endpoint: Endpoint, query: &str) -> String {
        let (method, path) = path(endpoint);
        self.reply_to(0, method, path, query).body
    }
}

#[test]
fn settings_of_the_account_are_read() {
    let mut world = World::new();
    let mut tape = Tape::new();
    let symbol = "symbol=BTC-USDT";
    let body = world.body(Endpoint::ServerTime, "");
    let told = rest::server_time(&open(&mut tape, body.as_bytes()).expect("opens")).expect("read");
    assert_eq!(told, world.now);
    let body = world.body(Endpoint::SetLeverage, "symbol=BTC-USDT&side=LONG&leverage=7");
    let told = rest::leverage_set(&open(&mut tape, body.as_bytes()).expect("opens"));
    assert_eq!(told, Ok(7));
    let body = world.body(Endpoint::Leverage, symbol);
    let told = rest::leverage(&open(&mut tape, body.as_bytes()).expect("opens")).expect("read");
    assert_eq!((told.long, told.short, told.long_max), (7, 20, Some(125)));
    let body = world.body(Endpoint::MarginType, symbol);
    let told = rest::margin_type(&open(&mut tape, body.as_bytes()).expect("opens"));
    assert_eq!(told, Ok(Some(MarginType::Crossed)));
    for (dual, mode) in [("false", PositionMode::OneWay), ("true", PositionMode::Hedge)] {
        world.body(Endpoint::SetPositionMode, &format!("dualSidePosition={dual}"));
        let body = world.body(Endpoint::PositionMode, "");
        let told = rest::position_mode(&open(&mut tape, body.as_bytes()).expect("opens"));
        assert_eq!(told, Ok(mode));
    }
    let body = world.body(Endpoint::CommissionRate, "");
    let told = rest::commission(&open(&mut tape, body.as_bytes()).expect("opens")).expect("read");
    assert_eq!((told.taker, told.maker), world.exchange.fees);
    let body = world.body(Endpoint::CancelAllAfter, "type=ACTIVATE&timeOut=30");
    let told = rest::cancel_all_after(&open(&mut tape, body.as_bytes()).expect("opens"));
    assert!(told.expect("read").is_armed);
    world.seconds(1);
    let body = world.body(Endpoint::CancelAllAfter, "type=CLOSE");
    let told = rest::cancel_all_after(&open(&mut tape, body.as_bytes()).expect("opens"));
    assert_eq!(told.map(|told| (told.is_armed, told.trigger_ns)), Ok((false, None)));
}

#[test]
fn instruments_are_those_of_the_table() {
    let mut world = World::new();
    let (mut tape, mut oddities) = (Tape::new(), Oddities::default());
    let body = world.body(Endpoint::Contracts, "");
    let reply = open(&mut tape, body.as_bytes()).expect("opens");
    let mut read = Vec::new();
    rows::contracts(&reply, &mut oddities, |row| read.extend(row.instrument)).expect("read");
    let table: Vec<_> = world.exchange.table.iter().map(|(_, row)| *row).collect();
    assert_eq!(read, table);
}

#[test]
fn orders_fills_positions_and_balances_are_read() {
    let mut world = World::new();
    let (mut tape, mut oddities) = (Tape::new(), Oddities::default());
    let query = "symbol=BTC-USDT&side=SELL&positionSide=SHORT&type=MARKET&quantity=0.02&clientOrderId=p-1-1";
    let body = world.body(Endpoint::Place, query);
    let reply = open(&mut tape, body.as_bytes()).expect("opens");
    let (_, placed) = rows::order(&reply, &mut oddities).expect("read");
    assert_eq!((placed.client_id, placed.state), ("p-1-1", Some(OrderState::Filled)));
    let (id, average) = (placed.order_id, placed.avg_price);
    let resting = "symbol=BTC-USDT&side=BUY&positionSide=LONG&type=LIMIT&price=80000&quantity=0.01";
    world.body(Endpoint::Place, resting);

    let body = world.body(Endpoint::Order, "symbol=BTC-USDT&clientOrderId=p-1-1");
    let reply = open(&mut tape, body.as_bytes()).expect("opens");
    let (_, found) = rows::order(&reply, &mut oddities).expect("read");
    assert_eq!((found.order_id, found.cum_qty, found.avg_price), (id, found.qty, average));
    let fee = found.commission;
    let body = world.body(Endpoint::OpenOrders, "");
    let reply = open(&mut tape, body.as_bytes()).expect("opens");
    let mut states = Vec::new();
    rows::orders(&reply, &mut oddities, |row| states.push(row.state)).expect("read");
    assert_eq!(states, [Some(OrderState::New)]);
    let body = world.body(Endpoint::CancelAll, "");
    let reply = open(&mut tape, body.as_bytes()).expect("opens");
    rows::orders(&reply, &mut oddities, |row| states.push(row.state)).expect("read");
    assert_eq!(states[1], Some(OrderState::Cancelled));

    let now = world.now.get() / 1_000_000;
    let span = format!("symbol=BTC-USDT&startTs={}&endTs={}", now - 60_000, now + 60_000);
    let body = world.body(Endpoint::FillHistory, &span);
    let reply = open(&mut tape, body.as_bytes()).expect("opens");
    let mut fill = None;
    let page = rows::fills(&reply, &mut oddities, |row| fill = Some(row)).expect("read");
    let fill = fill.expect("a fill");
    assert_eq!((page.rows, page.total), (1, Some(1)));
    assert_eq!((fill.order_id, Some(fill.price), fill.commission), (id, average, fee));
    assert_eq!((fill.trade_id.as_str(), fill.is_maker), ("1", Some(false)));
    let age_ns = world.now.since(fill.traded_ns.expect("a time"));
    assert!((0..10_000_000_000).contains(&age_ns), "{age_ns}");

    let qty = fill.qty;

    let body = world.body(Endpoint::Positions, "");
    let reply = open(&mut tape, body.as_bytes()).expect("opens");
    let mut sides = Vec::new();
    let take = |row: rows::PositionRow<'_>| sides.push((row.side, row.qty, row.avg_price));
    rows::positions(&reply, take).expect("read");
    assert_eq!(sides, [(Some(crate::bingx::words::WireSide::Short), qty, average)]);
    let body = world.body(Endpoint::Balance, "");
    let reply = open(&mut tape, body.as_bytes()).expect("opens");
    let mut wallets = Vec::new();
    rows::balances(&reply, |row| wallets.push(row.balance)).expect("read");
    assert_eq!(wallets, [Some(world.exchange.desks[0].venue.venue().account().wallet)]);
}

#[test]
fn a_refusal_of_the_model_comes_back_as_what_it_was() {
    for reason in [
        RejectReason::PostOnlyWouldTake,
        RejectReason::MinNotional,
        RejectReason::TickSize,
        RejectReason::Margin,
        RejectReason::ReduceOnly,
        RejectReason::PriceBand,
        RejectReason::RateLimited,
        RejectReason::NotTrading,
        RejectReason::DuplicateClientId,
        RejectReason::UnknownOrder,
    ] {
        let refusal = Refusal::of_model(reason, 1_700_000_000_000);
        let judged = judge(refusal.status, Some(refusal.code), &refusal.msg);
        assert_eq!(reject_reason(judged.class), reason, "{refusal:?}");
    }
}

#[test]
fn a_listen_key_is_read() {
    let mut world = World::new();
    let key = world.accounts[0].key.clone();
    let endpoint = Endpoint::CreateListenKey;
    let reply = world.raw_call(endpoint.method().as_str(), endpoint.path(), "", Some(&key));
    let bare: Value = serde_json::from_str(&reply.body).expect("JSON");
    let mut tape = Tape::new();
    let opened = open(&mut tape, reply.body.as_bytes()).expect("opens");
    assert_eq!(rest::listen_key(&opened).ok(), bare["listenKey"].as_str());
}
