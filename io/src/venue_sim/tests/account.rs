//! Who may call, how often; modes, leverage; others on the same account.

use pinion_core::units::Nanos;
use serde_json::{Value, json};

use super::{World, money};

#[test]
fn keys_signatures_and_rates_are_checked() {
    let mut world = World::new();
    let path = "/openApi/swap/v3/user/balance";
    let code = |reply: &super::Reply| {
        serde_json::from_str::<Value>(&reply.body).expect("JSON")["code"].clone()
    };
    let key = world.accounts[0].key.clone();
    assert_eq!(code(&world.raw_call("GET", path, "timestamp=1&signature=0", None)), 100_413);
    assert_eq!(code(&world.raw_call("GET", path, "timestamp=1&signature=0", Some("x"))), 100_413);
    assert_eq!(code(&world.raw_call("GET", path, "timestamp=1", Some(&key))), 100_412);
    assert_eq!(code(&world.raw_call("GET", path, "timestamp=1&signature=0", Some(&key))), 100_001);

    world.pace_ns = 1_000_000;
    let remain = |reply: &super::Reply| reply.headers[0].1.clone();
    for left in ["4", "3", "2", "1", "0"] {
        let reply = world.reply_to(0, "GET", "v3/user/balance", "");
        assert_eq!((reply.status, remain(&reply)), (200, left.to_owned()));
    }
    let reply = world.reply_to(0, "GET", "v3/user/balance", "");
    assert_eq!((reply.status, code(&reply)), (429, json!(100_410)));
    assert!(reply.body.contains("unblocked after 17676"), "{}", reply.body);
    assert_eq!(world.reply_to(0, "GET", "v2/user/positions", "").status, 200);
    assert_eq!(world.reply_to(1, "GET", "v3/user/balance", "").status, 200);
    world.seconds(2);
    assert_eq!(world.reply_to(0, "GET", "v3/user/balance", "").status, 200);
}

#[test]
fn leverage_counts_in_the_margin_of_its_own_side() {
    let mut world = World::new();
    world.ok("POST", "v2/trade/leverage", "symbol=BTC-USDT&side=LONG&leverage=5");
    let told = world.ok("GET", "v2/trade/leverage", "symbol=BTC-USDT");
    assert_eq!((&told["longLeverage"], &told["shortLeverage"]), (&json!(5), &json!(20)));
    let opened = world.place("side=BUY&positionSide=LONG&type=MARKET&quantity=0.01");
    let cost = money(&opened["avgPrice"]).raw() / 100;
    let used =
        |world: &mut World| money(&world.ok("GET", "v3/user/balance", "")[0]["usedMargin"]).raw();
    assert_eq!(used(&mut world), cost / 5);
    world.place("side=SELL&positionSide=SHORT&type=MARKET&quantity=0.01");
    assert!(used(&mut world) < cost / 5 + cost / 19);
    assert_eq!(
        world.code("POST", "v2/trade/leverage", "symbol=BTC-USDT&side=BOTH&leverage=5"),
        109_400
    );
    assert_eq!(
        world.code("POST", "v2/trade/leverage", "symbol=BTC-USDT&side=LONG&leverage=126"),
        109_400
    );
    let isolate = "symbol=BTC-USDT&marginType=ISOLATED";
    assert_eq!(world.code("POST", "v2/trade/marginType", isolate), 109_400, "there are positions");
    world.ok("POST", "v2/trade/closeAllPositions", "");
    world.ok("POST", "v2/trade/marginType", isolate);
    assert_eq!(world.ok("GET", "v2/trade/marginType", "symbol=BTC-USDT")["marginType"], "ISOLATED");
}

#[test]
fn somebody_else_trades_on_the_account_and_the_stream_tells_it() {
    let mut world = World::new();
    let (stream, _) = world.listen(0);
    world.sim("POST", "trade", "account=0&symbol=BTC-USDT&positionSide=SHORT&quantity=0.5");
    world.sim("POST", "transfer", "account=0&amount=-100");
    world.seconds(1);
    let heard = world.heard(stream);
    let order = &heard[0]["o"];
    assert_eq!(
        (&order["c"], &order["X"], &order["ps"]),
        (&json!(""), &json!("FILLED"), &json!("SHORT"))
    );
    let account = &heard[1]["a"];
    assert_eq!((&account["m"], &account["P"][0]["pa"]), (&json!("ORDER"), &json!("0.5")));
    let moved = &heard[2]["a"];
    assert_eq!((&moved["m"], &moved["B"][0]["bc"]), (&json!("WITHDRAW"), &json!("-100")));
    assert_eq!(moved["B"][0]["wb"], world.books(0)["wallet"]);
    let fill = &world.books(0)["fills"][0];
    assert_eq!((&fill["ours"], &fill["positionSide"]), (&json!(false), &json!("short")));
    assert_eq!(world.books(1)["fills"], json!([]));

    world.sim("POST", "force", "account=0&symbol=BTC-USDT&positionSide=SHORT");
    world.seconds(1);
    let heard = world.heard(stream);
    let order = &heard[0]["o"];
    assert_eq!((&order["o"], &order["x"]), (&json!("LIQUIDATION"), &json!("CALCULATED")));
    assert_eq!(world.books(0)["positions"], json!([]));
}

#[test]
fn funding_is_exchanged_and_told() {
    let mut plan = super::plan(7);
    plan.listen_key_ns = 86_400 * Nanos::SECOND;
    let mut world = World::of(&plan);
    let (stream, _) = world.listen(0);
    world.place("side=BUY&positionSide=LONG&type=MARKET&quantity=0.1");
    world.heard(stream);
    world.turn_ns = Nanos::SECOND;
    let next =
        world.ok("GET", "v2/quote/premiumIndex", "symbol=BTC-USDT")["nextFundingTime"].as_i64();
    let wait_ms = next.expect("a time") - world.now.get() / 1_000_000;
    assert!(wait_ms > 0);
    world.seconds(wait_ms / 1_000 + 2);
    let heard = world.heard(stream);
    let told: Vec<_> = heard.iter().filter(|frame| frame["a"]["m"] == "FUNDING_FEE").collect();
    assert_eq!(told.len(), 1, "{heard:?}");
    let books = world.books(0);
    assert_ne!(books["funding"], "0");
    assert_eq!(told[0]["a"]["B"][0]["wb"], books["wallet"]);
    let rows = world.ok("GET", "v2/user/income", "incomeType=FUNDING_FEE");
    assert_eq!(rows[0]["income"], books["funding"]);
}

#[test]
fn the_control_endpoint_answers_this_machine_only() {
    let mut world = World::new();
    let peer = std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 7));
    let call = super::Call {
        method: "GET",
        path: "/sim/books",
        query: "account=0",
        body: "",
        key: None,
        peer,
    };
    assert_eq!(world.exchange.control(world.now, &call).status, 403);
    for (method, path, query) in [
        ("GET", "/sim/books", "account=2"),
        ("POST", "/sim/faults", "loose=1"),
        ("POST", "/sim/trade", "symbol=BTC-USDT&positionSide=BOTH"),
        ("GET", "/sim/nothing", ""),
    ] {
        assert_eq!(world.raw_call(method, path, query, None).status, 400, "{path}");
    }
}
