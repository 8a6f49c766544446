//! What goes wrong on the wire, and what stays true behind it.

use serde_json::json;

use super::super::rest::Delivery;
use super::super::streams::Push;
use super::World;

const ORDER: &str = "v2/trade/order";
const BUY: &str = "symbol=BTC-USDT&side=BUY&positionSide=LONG&type=MARKET&quantity=0.01";

fn accepted(world: &mut World) -> u64 {
    world.books(0)["accepted"].as_u64().expect("a number")
}

#[test]
fn a_lost_call_does_nothing_and_a_lost_answer_does_all() {
    let mut world = World::new();
    let mut count = 0;
    for (fault, status, delivery, done) in [
        ("request_lost", 500, Delivery::Never, false),
        ("http_500", 500, Delivery::Whole, false),
        ("http_429", 429, Delivery::Whole, false),
        ("http_418", 418, Delivery::Whole, false),
        ("clock_error", 200, Delivery::Whole, false),
        ("response_lost", 200, Delivery::Never, true),
        ("truncated_body", 200, Delivery::Half, true),
        ("http_502", 502, Delivery::Whole, true),
        ("busy", 200, Delivery::Whole, true),
    ] {
        world.sim("POST", "faults", &format!("reset=true&{fault}=1000000"));
        let reply = world.reply_to(0, "POST", ORDER, BUY);
        assert_eq!((reply.status, reply.delivery), (status, delivery), "{fault}");
        world.sim("POST", "faults", "reset=true");
        count += u64::from(done);
        assert_eq!(accepted(&mut world), count, "{fault}");
        assert_eq!(world.sim("GET", "faults", "")["happened"][fault], 1, "{fault}");
    }
}

#[test]
fn a_late_answer_leaves_late() {
    let mut world = World::new();
    world.sim("POST", "faults", "answer_late=1000000&answer_late_ms=3000");
    let reply = world.reply_to(0, "POST", ORDER, BUY);
    assert!(reply.due > world.now && reply.due <= world.now.plus(3_000_000_000));
}

#[test]
fn an_old_view_shows_what_was() {
    let mut world = World::new();
    let first = world.place("side=BUY&positionSide=LONG&type=LIMIT&price=80000&quantity=0.01");
    world.seconds(20);
    let id = format!("symbol=BTC-USDT&orderId={}", first["orderId"]);
    world.ok("DELETE", ORDER, &id);
    world.ok("POST", ORDER, BUY);
    let lags = "order_lag=1000000&open_orders_lag=1000000&positions_lag=1000000&fills_lag=1000000";
    world.sim("POST", "faults", &format!("{lags}&lag_ms=9000"));
    let mut saw_old = [false; 4];
    for _ in 0..8 {
        let order = world.ok("GET", ORDER, &id);
        saw_old[0] |= order["order"]["status"] == "NEW";
        let open = world.ok("GET", "v2/trade/openOrders", "");
        saw_old[1] |= open["orders"][0]["orderId"] == first["orderId"];
        saw_old[2] |= world.ok("GET", "v2/user/positions", "") == json!([]);
        let fills = world.ok("GET", "v2/trade/allFillOrders", "tradingUnit=COIN");
        saw_old[3] |= fills["fill_orders"] == json!([]);
    }
    assert_eq!(saw_old, [true; 4]);
    assert_eq!(world.books(0)["positions"][0]["positionAmt"], "0.01", "the truth does not lag");
    world.seconds(10);
    assert_eq!(world.ok("GET", ORDER, &id)["order"]["status"], "CANCELLED", "old enough");
}

#[test]
fn events_are_lost_repeated_and_renamed_and_the_books_stay() {
    let mut world = World::new();
    let (stream, _) = world.listen(0);
    world.sim("POST", "faults", "lose=1000000");
    world.place("side=BUY&positionSide=LONG&type=MARKET&quantity=0.01");
    world.seconds(1);
    assert!(world.heard(stream).is_empty());
    let odd = "duplicate=1000000&duplicate_ms=100&trade_update=1000000&no_client_id=1000000";
    world.sim(
        "POST",
        "faults",
        &format!("reset=true&last_fill=1000000&zero_balance=1000000&{odd}"),
    );
    world.place("side=BUY&positionSide=LONG&type=MARKET&quantity=0.01&clientOrderId=a-2");
    world.seconds(1);
    let heard = world.heard(stream);
    let fills: Vec<_> = heard.iter().filter(|frame| frame["o"]["X"] == "FILLED").collect();
    assert_eq!(fills.len(), 2, "{heard:?}");
    assert_eq!((&fills[0]["e"], &fills[0]["o"]["c"]), (&json!("TRADE_UPDATE"), &json!("")));
    assert_eq!(fills[0]["o"]["l"], "0.01");
    assert!(heard.iter().any(|frame| frame["a"]["B"][0]["wb"] == "0"));
    assert_eq!(world.books(0)["positions"][0]["positionAmt"], "0.02");
}

#[test]
fn a_hole_in_the_book_is_a_hole_in_its_ids() {
    let mut world = World::new();
    let id = world.exchange.open_stream(world.now, None).expect("open");
    let text = r#"{"id":"1","reqType":"sub","dataType":"BTC-USDT@incrDepth"}"#;
    world.exchange.on_text(world.now, id, text);
    world.sim("POST", "faults", "book_gap=300000");
    world.seconds(120);
    let frames = world.heard(id);
    let ids: Vec<u64> =
        frames.iter().filter_map(|frame| frame["data"]["lastUpdateId"].as_u64()).collect();
    assert!(ids.windows(2).any(|pair| pair[1] > pair[0] + 1), "{ids:?}");
}

#[test]
fn an_outage_cuts_streams_and_answers_nobody() {
    let mut world = World::new();
    let (stream, key) = world.listen(0);
    world.sim("POST", "outage", "seconds=5");
    world.seconds(1);
    let last = world.raw.remove(&stream).and_then(|pushes| pushes.last().cloned());
    assert!(matches!(last, Some(Push::Cut)));
    assert_eq!(world.reply_to(0, "GET", "v3/user/balance", "").delivery, Delivery::Never);
    assert!(world.exchange.open_stream(world.now, Some(&key)).is_err());
    world.seconds(5);
    assert!(world.exchange.open_stream(world.now, Some(&key)).is_ok());
}

#[test]
fn faults_of_the_model_happen_inside() {
    let mut world = World::new();
    world.sim("POST", "faults", "reject_margin=1000000");
    assert_eq!(world.code("POST", ORDER, BUY), 101_204);
    world.sim("POST", "faults", "reset=true&partial=1000000");
    let placed = world.place("side=BUY&positionSide=LONG&type=MARKET&quantity=0.5");
    assert_eq!(placed["status"], "EXPIRED", "{placed}");
    assert_eq!(placed["executedQty"], world.books(0)["positions"][0]["positionAmt"]);
}

#[test]
fn a_clock_that_is_off_refuses_those_who_do_not_ask_it() {
    let mut world = World::new();
    world.sim("POST", "faults", "behind_ms=6000");
    assert_eq!(world.code("POST", ORDER, BUY), 100_421);
    let reply = world.raw_call("GET", "/openApi/swap/v2/server/time", "", None);
    let body: serde_json::Value = serde_json::from_str(&reply.body).expect("JSON");
    assert_eq!(body["data"]["serverTime"], world.now.get() / 1_000_000 - 6_000);
    world.sim("POST", "faults", "reset=true");
    assert_eq!(world.code("POST", ORDER, BUY), 0);
}

#[test]
fn rows_come_twice_and_backwards() {
    let mut world = World::new();
    for _ in 0..2 {
        world.place("side=BUY&positionSide=LONG&type=LIMIT&price=80000&quantity=0.01");
    }
    let ids = |world: &mut World| -> Vec<u64> {
        let open = world.ok("GET", "v2/trade/openOrders", "");
        let rows = open["orders"].as_array().expect("rows").clone();
        rows.iter().filter_map(|row| row["orderId"].as_u64()).collect()
    };
    let usual = ids(&mut world);
    world.sim("POST", "faults", "duplicate_row=1000000");
    assert_eq!(ids(&mut world), [usual[0], usual[1], usual[0]]);
    world.sim("POST", "faults", "reset=true&row_order=1000000");
    assert_eq!(ids(&mut world), [usual[1], usual[0]]);
}
