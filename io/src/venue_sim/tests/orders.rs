//! Orders: how they are taken, refused, filled, cancelled and looked up.

use pinion_core::units::Money;
use serde_json::json;

use super::{World, money, qty};

const ORDER: &str = "v2/trade/order";

#[test]
fn a_market_order_fills_and_closing_it_leaves_the_wallet_by_cash_flow() {
    let mut world = World::new();
    let opened = world.place("side=BUY&positionSide=LONG&type=MARKET&quantity=0.02");
    assert_eq!((&opened["status"], &opened["executedQty"]), (&json!("FILLED"), &json!("0.02")));
    let rows = world.ok("GET", "v2/user/positions", "symbol=BTC-USDT");
    assert_eq!(
        (&rows[0]["positionAmt"], &rows[0]["positionSide"]),
        (&json!("0.02"), &json!("LONG"))
    );
    assert_eq!(rows[0]["avgPrice"], opened["avgPrice"]);
    world.seconds(60);
    for part in ["0.005", "0.015"] {
        world.place(&format!("side=SELL&positionSide=LONG&type=MARKET&quantity={part}"));
    }
    assert_eq!(world.ok("GET", "v2/user/positions", ""), json!([]));

    let fills = world.ok("GET", "v2/trade/fillHistory", &span(&world));
    let fills = fills["fill_history_orders"].as_array().expect("rows");
    assert!(fills.len() >= 3, "{fills:?}");
    let mut flow = Money::from_whole(25_000);
    for fill in fills {
        let value = money(&fill["quoteQty"]);
        flow += if fill["side"] == "buy" { -value } else { value };
        flow += money(&fill["commission"]);
    }
    let books = world.books(0);
    assert_eq!(money(&books["wallet"]), flow);
    let balance = world.ok("GET", "v3/user/balance", "");
    assert_eq!(money(&balance[0]["balance"]), flow);
    // The ledger tells the same money.
    let rows = world.ok("GET", "v2/user/income", "limit=1000");
    let income = rows.as_array().expect("rows").iter().map(|row| money(&row["income"]));
    assert_eq!(income.fold(Money::from_whole(25_000), |sum, amount| sum + amount), flow);
    assert_eq!(world.books(1)["wallet"], "25000", "the other account has nothing to do with it");
}

fn span(world: &World) -> String {
    let now = world.now.get() / 1_000_000;
    format!("symbol=BTC-USDT&startTs={}&endTs={}", now - 86_400_000, now + 86_400_000)
}

#[test]
fn a_resting_order_waits_fills_by_a_print_and_cannot_be_cancelled_then() {
    let mut world = World::new();
    let order =
        "side=SELL&positionSide=SHORT&type=LIMIT&timeInForce=PostOnly&price=99999&quantity=0.01";
    let placed = world.place(&format!("{order}&clientOrderID=Mine-1"));
    assert_eq!((&placed["status"], &placed["clientOrderId"]), (&json!("NEW"), &json!("mine-1")));
    let open = world.ok("GET", "v2/trade/openOrders", "symbol=BTC-USDT");
    assert_eq!(open["orders"][0]["orderId"], placed["orderId"]);
    world.sim("POST", "print", "symbol=BTC-USDT&price=100000&quantity=1&side=BUY");
    let found = world.ok("GET", ORDER, "symbol=BTC-USDT&clientOrderId=MINE-1");
    let found = &found["order"];
    assert_eq!((&found["status"], &found["avgPrice"]), (&json!("FILLED"), &json!("99999")));
    assert_eq!(found["commission"], "-0.199998", "the maker rate");
    let id = format!("symbol=BTC-USDT&orderId={}", placed["orderId"]);
    assert_eq!(world.code("DELETE", ORDER, &id), 109_422);
    assert_eq!(world.code("GET", "v2/trade/openOrder", &id), 109_421);
    assert_eq!(
        world.code("POST", ORDER, &format!("symbol=BTC-USDT&{order}&clientOrderId=mine-1")),
        101_481
    );
    assert_eq!(world.code("DELETE", ORDER, "symbol=ETH-USDT&orderId=7"), 109_421);
}

#[test]
fn what_the_venue_refuses_has_its_code() {
    let mut world = World::new();
    let bid = world.touch().bid;
    for (order, code) in [
        ("side=BUY&positionSide=BOTH&type=MARKET&quantity=1", 109_400),
        ("side=BUY&positionSide=LONG&type=MARKET&quantity=0.00001", 110_425),
        ("side=BUY&positionSide=LONG&type=MARKET&quantity=0", 101_400),
        ("side=BUY&positionSide=LONG&type=MARKET&quantity=-1", 101_400),
        ("side=BUY&positionSide=LONG&type=MARKET", 109_400),
        ("side=BUY&positionSide=LONG&type=LIMIT&quantity=1", 109_400),
        ("side=BUY&positionSide=LONG&type=LIMIT&quantity=1&price=90000.05", 110_425),
        ("side=BUY&positionSide=LONG&type=LIMIT&quantity=1&price=90000&timeInForce=FOK", 109_400),
        ("side=BUY&positionSide=LONG&type=STOP_MARKET&quantity=1&stopPrice=1", 109_400),
        ("side=BUY&positionSide=LONG&type=MARKET&quantity=1&reduceOnly=true", 109_400),
        ("side=HOLD&positionSide=LONG&type=MARKET&quantity=1", 109_400),
        ("side=SELL&positionSide=LONG&type=MARKET&quantity=0.01", 101_205),
        ("side=BUY&positionSide=LONG&type=LIMIT&quantity=0.001&price=9", 101_400),
        ("side=BUY&positionSide=LONG&type=LIMIT&quantity=100&price=80000", 101_204),
    ] {
        assert_eq!(world.code("POST", ORDER, &format!("symbol=BTC-USDT&{order}")), code, "{order}");
    }
    let crossing = format!(
        "side=SELL&positionSide=SHORT&type=LIMIT&timeInForce=PostOnly&price={bid}&quantity=0.01"
    );
    assert_eq!(world.code("POST", ORDER, &format!("symbol=BTC-USDT&{crossing}")), 101_215);
    assert_eq!(world.code("POST", ORDER, "symbol=BTCUSDT&side=BUY"), 109_425);
    assert_eq!(world.code("DELETE", ORDER, "symbol=BTC-USDT"), 109_400);
    assert_eq!(world.code("GET", "v9/nothing", ""), 100_400);
    let books = world.books(0);
    assert_eq!((&books["accepted"], &books["doneOrders"]), (&json!(0), &json!([])));
}

#[test]
fn in_one_way_mode_a_sell_turns_a_long_position_round() {
    let mut world = World::new();
    world.ok("POST", "v1/positionSide/dual", "dualSidePosition=false");
    world.place("side=BUY&positionSide=BOTH&type=MARKET&quantity=0.01");
    let turned = world.place("side=SELL&type=MARKET&quantity=0.03");
    assert_eq!((&turned["status"], &turned["positionSide"]), (&json!("FILLED"), &json!("BOTH")));
    let rows = world.ok("GET", "v2/user/positions", "");
    assert_eq!(rows.as_array().map(Vec::len), Some(1), "{rows}");
    assert_eq!(
        (&rows[0]["positionAmt"], &rows[0]["positionSide"]),
        (&json!("0.02"), &json!("SHORT"))
    );
    // A resting order that may open closes first what is held the other way.
    world.place("side=BUY&positionSide=BOTH&type=LIMIT&price=80000&quantity=0.05");
    world.sim("POST", "print", "symbol=BTC-USDT&price=79999&quantity=9&side=SELL");
    let rows = world.ok("GET", "v2/user/positions", "");
    assert_eq!(
        (&rows[0]["positionAmt"], &rows[0]["positionSide"]),
        (&json!("0.03"), &json!("LONG"))
    );
    let none = "symbol=BTC-USDT&side=BUY&type=MARKET&quantity=1&reduceOnly=true";
    assert_eq!(world.code("POST", ORDER, none), 101_205);
    assert_eq!(world.code("POST", "v1/positionSide/dual", "dualSidePosition=true"), 104_103);
    world.ok("POST", "v2/trade/closeAllPositions", "");
    world.ok("POST", "v1/positionSide/dual", "dualSidePosition=true");
    let books = world.books(0);
    let fills = books["fills"].as_array().expect("rows");
    let net: i64 = fills
        .iter()
        .map(|fill| {
            let signed = if fill["side"] == "buy" { 1 } else { -1 };
            signed * qty(&fill["qty"]).raw()
        })
        .sum();
    assert_eq!(net, 0);
}

#[test]
fn batches_succeed_and_fail_row_by_row() {
    let mut world = World::new();
    let good = json!({"symbol": "BTC-USDT", "side": "BUY", "positionSide": "LONG", "type": "LIMIT",
        "price": 80000, "quantity": 0.01});
    let bad = json!({"symbol": "BTC-USDT", "side": "BUY", "positionSide": "BOTH", "type": "MARKET",
        "quantity": 0.01});
    let placed =
        world.ok("POST", "v2/trade/batchOrders", &format!("batchOrders={}", json!([good, bad])));
    let orders = placed["orders"].as_array().expect("rows");
    assert_eq!((&orders[0]["status"], &orders[1]["errorCode"]), (&json!("NEW"), &json!(109_400)));
    let ids = format!("symbol=BTC-USDT&orderIdList=[{},7]", orders[0]["orderId"]);
    let cancelled = world.ok("DELETE", "v2/trade/batchOrders", &ids);
    assert_eq!(cancelled["success"][0]["status"], "CANCELLED");
    assert_eq!(cancelled["failed"][0]["errorCode"], 109_421);
}

#[test]
fn cancel_replace_tells_both_halves() {
    let mut world = World::new();
    let new = "side=BUY&positionSide=LONG&type=LIMIT&price=80000&quantity=0.01";
    let first = world.place(new);
    let replace = |id: &str, mode: &str| {
        format!("symbol=BTC-USDT&{new}&cancelReplaceMode={mode}&cancelOrderId={id}")
    };
    let path = "v1/trade/cancelReplace";
    let done = world.ok("POST", path, &replace(&first["orderId"].to_string(), "STOP_ON_FAILURE"));
    assert_eq!((&done["cancelResult"], &done["replaceResult"]), (&json!("true"), &json!("true")));
    assert_eq!(done["cancelResponse"]["status"], "NEW", "the state before");
    let stopped = world.ok("POST", path, &replace("1", "STOP_ON_FAILURE"));
    assert_eq!(stopped["replaceResult"], "false");
    let both = world.ok("POST", path, &replace("1", "ALLOW_FAILURE"));
    assert_eq!((&both["cancelResult"], &both["replaceResult"]), (&json!("false"), &json!("true")));
    assert_eq!(world.books(0)["openOrders"].as_array().map(Vec::len), Some(2));
}

#[test]
fn the_dead_man_timer_cancels_everything_unless_it_is_armed_anew() {
    let mut world = World::new();
    let path = "v2/trade/cancelAllAfter";
    world.place("side=BUY&positionSide=LONG&type=LIMIT&price=80000&quantity=0.01");
    assert_eq!(world.code("POST", path, "type=ACTIVATE&timeOut=9"), 109_400);
    world.seconds(1);
    let armed = world.ok("POST", path, "type=ACTIVATE&timeOut=10");
    assert_eq!(armed["triggerTime"], world.now.get() / 1_000_000_000 + 10);
    world.seconds(8);
    world.ok("POST", path, "type=ACTIVATE&timeOut=10");
    world.seconds(9);
    assert_eq!(world.books(0)["openOrders"].as_array().map(Vec::len), Some(1));
    world.seconds(1);
    let books = world.books(0);
    assert_eq!((&books["openOrders"], &books["canceled"]), (&json!([]), &json!(1)));
    world.place("side=BUY&positionSide=LONG&type=LIMIT&price=80000&quantity=0.01");
    world.ok("POST", path, "type=ACTIVATE&timeOut=10");
    world.seconds(1);
    world.ok("POST", path, "type=CLOSE");
    world.seconds(20);
    assert_eq!(world.books(0)["openOrders"].as_array().map(Vec::len), Some(1));
    let cancelled = world.ok("DELETE", "v2/trade/allOpenOrders", "");
    assert_eq!(cancelled["success"].as_array().map(Vec::len), Some(1));
}

#[test]
fn order_ids_grow_and_tell_their_time() {
    let mut world = World::new();
    let order = "side=BUY&positionSide=LONG&type=LIMIT&price=80000&quantity=0.01";
    let ids: Vec<u64> =
        (0..3).map(|_| world.place(order)["orderId"].as_u64().expect("a number")).collect();
    assert!(ids.is_sorted() && ids[0] < ids[2]);
    let told_ms = (ids[2] >> 22) + 1_288_834_974_657;
    assert_eq!(told_ms, world.now.get().cast_unsigned() / 1_000_000);
}

#[test]
fn fills_come_in_pages() {
    let mut world = World::new();
    for _ in 0..5 {
        world.place("side=BUY&positionSide=LONG&type=MARKET&quantity=0.01");
    }
    let span = span(&world);
    let mut page = |extra: &str| {
        let data = world.ok("GET", "v2/trade/fillHistory", &format!("{span}&{extra}"));
        let rows = data["fill_history_orders"].as_array().expect("rows").clone();
        let ids: Vec<u64> =
            rows.iter().filter_map(|row| row["tradeId"].as_str()?.parse().ok()).collect();
        (ids, data["total"].as_u64())
    };
    assert_eq!(page("pageSize=2&pageIndex=1"), (vec![1, 2], Some(5)));
    assert_eq!(page("pageSize=2&pageIndex=3"), (vec![5], Some(5)));
    assert_eq!(page("pageSize=2&pageIndex=4"), (vec![], Some(5)));
    assert_eq!(page("lastFillId=3"), (vec![4, 5], Some(2)));
    let only_start = format!("symbol=BTC-USDT&startTs={}", 0);
    assert_eq!(world.ok("GET", "v2/trade/fillHistory", &only_start)["total"], 0);
    assert_eq!(
        world.code("GET", "v2/trade/fillHistory", "symbol=BTC-USDT&startTs=0&endTs=999999999999"),
        109_400
    );
}
