//! Tests of: `BingX`'s requests, against recorded ones.

use std::path::Path;

use pinion_core::id::{ClientId, TextId};
use pinion_core::msg::{OrderKind, PositionSide, Side, TimeInForce};
use pinion_io::bingx::words::{MarginType, PositionMode, WireSide};
use pinion_io::bingx::{Call, NewOrder, OrderRef, RequestWriter, Signer};
use pinion_tests::shared;
use serde_json::Value;

/// Printed in the venue's documentation; opens nothing.
const SECRET: &[u8] =
    b"mheO6dR8ovSsxZQCOYEFCtelpuxcWGTfHw7te326y6jOwq5WpvFQ9JNljoTwBXZGv5It07m9RXSPpDQEK2w";

fn read(folder: &Path, file: &str) -> Value {
    let text = std::fs::read_to_string(folder.join(file)).expect(file);
    serde_json::from_str(&text).expect("JSON")
}

fn writer(mode: PositionMode, recv_window_ms: Option<u32>) -> RequestWriter {
    RequestWriter::new(Signer::new(SECRET).expect("a key"), mode, recv_window_ms)
}

fn timestamp(recorded: &Value) -> u64 {
    let text = recorded["string_to_sign"].as_str().expect("a text");
    let stamp = text.split('&').find_map(|pair| pair.strip_prefix("timestamp="));
    stamp.and_then(|stamp| stamp.parse().ok()).expect("a timestamp")
}

#[test]
fn calls_leave_as_they_were_recorded() {
    let Some(folder) = shared("fixtures/bingx/request") else { return };
    let order = |id: &str| OrderRef::Venue(TextId::new(id).expect("fits"));
    let key = "a8ea75681542e66f1a50a1616dd06ed77dab61baa0c296bca03a9b13ee5f2dd7";
    let calls = [
        ("balance/01_ccxt.json", Call::Balance),
        ("positions/01_ccxt.json", Call::Positions),
        ("open_orders/01_ccxt.json", Call::OpenOrders { symbol: Some("LTC-USDT") }),
        (
            "get_order/01_ccxt.json",
            Call::Order { symbol: "LTC-USDT", order: order("1755604122901639168") },
        ),
        (
            "cancel/01_ccxt.json",
            Call::Cancel { symbol: "BTC-USDT", order: order("1720647776204967936") },
        ),
        (
            "cancel/03_ccxt.json",
            Call::Cancel { symbol: "LTC-USDT", order: order("1792480780099366912") },
        ),
        ("cancel_all/01_ccxt.json", Call::CancelAll { symbol: Some("BTC-USDT") }),
        ("cancel_all_after/01_ccxt.json", Call::CancelAllAfter { seconds: Some(100) }),
        (
            "fills/02_built.json",
            Call::FillHistory {
                symbol: "BTC-USDT",
                order: None,
                start_ms: 1_760_000_000_000,
                end_ms: 1_760_003_600_000,
                page: 1,
                size: 1000,
            },
        ),
        (
            "leverage/01_built.json",
            Call::SetLeverage { symbol: "BTC-USDT", side: WireSide::Long, leverage: 5 },
        ),
        (
            "margin_type/01_ccxt.json",
            Call::SetMarginType { symbol: "BTC-USDT", margin: MarginType::Isolated },
        ),
        ("position_mode/01_ccxt.json", Call::SetPositionMode { mode: PositionMode::Hedge }),
        ("listen_key/01_built.json", Call::CreateListenKey),
        ("listen_key/02_built.json", Call::ExtendListenKey { key }),
    ];
    for (file, call) in calls {
        let recorded = read(&folder, file);
        let mut writer = writer(PositionMode::Hedge, None);
        let request = writer.write(&call, timestamp(&recorded));
        assert_eq!(request.endpoint.method().as_str(), recorded["method"], "{file}");
        assert_eq!(request.endpoint.path(), recorded["path"], "{file}");
        assert_eq!(request.signed_text, recorded["string_to_sign"], "{file}");
        let (query, signature) = request.query.rsplit_once("&signature=").expect("signed last");
        assert_eq!(query, recorded["query_without_signature"], "{file}");
        assert_eq!(signature, recorded["doc_secret_signature"], "{file}");
    }
}

/// Our orders always carry an identity of ours, and a limit order its time in force.
fn without<'a>(text: &'a str, names: &[&str]) -> Vec<&'a str> {
    text.split('&')
        .filter(|pair| pair.split_once('=').is_none_or(|(name, _)| !names.contains(&name)))
        .collect()
}

#[test]
fn orders_leave_as_they_were_recorded() {
    let Some(folder) = shared("fixtures/bingx/request") else { return };
    let market = NewOrder {
        symbol: "LTC-USDT",
        client: ClientId::new(1, 1),
        side: Side::Buy,
        position_side: PositionSide::Long,
        kind: OrderKind::Market,
        tif: TimeInForce::Ioc,
        reduce_only: false,
        qty: "0.1".parse().expect("a quantity"),
        price: None,
    };
    let limit = NewOrder {
        symbol: "BTC-USDT",
        kind: OrderKind::Limit,
        tif: TimeInForce::Gtc,
        qty: "0.0001".parse().expect("a quantity"),
        price: Some("25000".parse().expect("a price")),
        ..market
    };
    let post_only = NewOrder {
        tif: TimeInForce::PostOnly,
        qty: "0.0012".parse().expect("a quantity"),
        price: Some("121500.10".parse().expect("a price")),
        ..limit
    };
    let close = NewOrder {
        symbol: "SOL-USDT",
        side: Side::Sell,
        reduce_only: true,
        qty: "2".parse().expect("a quantity"),
        ..market
    };
    let (hedge, one_way) = (PositionMode::Hedge, PositionMode::OneWay);
    let client = &["clientOrderId"][..];
    for (file, order, mode, window, not_compared) in [
        ("place_market/01_ccxt.json", market, one_way, None, client),
        ("place_limit/01_ccxt.json", limit, one_way, None, &["clientOrderId", "timeInForce"]),
        ("place_limit/03_built.json", post_only, hedge, Some(5_000), client),
        ("place_market/03_built.json", close, hedge, None, client),
    ] {
        let recorded = read(&folder, file);
        let mut writer = writer(mode, window);
        let request = writer.write(&Call::Place(order), timestamp(&recorded));
        assert_eq!(request.endpoint.method().as_str(), recorded["method"], "{file}");
        assert_eq!(request.endpoint.path(), recorded["path"], "{file}");
        let text = recorded["string_to_sign"].as_str().expect("a text");
        assert_eq!(
            without(request.signed_text, not_compared),
            without(text, not_compared),
            "{file}"
        );
    }
}

#[test]
fn an_order_names_only_parameters_that_are_documented() {
    let Some(folder) = shared("fixtures/bingx/request_params/place_order") else { return };
    let mut known: Vec<String> =
        ["clientOrderId", "reduceOnly", "recvWindow", "timestamp"].map(str::to_owned).to_vec();
    for file in std::fs::read_dir(&folder).expect("a folder") {
        let name = file.expect("an entry").file_name();
        let recorded = read(&folder, name.to_str().expect("a text"));
        known.extend(recorded.as_object().expect("an object").keys().cloned());
    }
    for (kind, mode) in
        [(OrderKind::Market, PositionMode::Hedge), (OrderKind::Limit, PositionMode::OneWay)]
    {
        let order = NewOrder {
            symbol: "BTC-USDT",
            client: ClientId::new(1, 1),
            side: Side::Buy,
            position_side: PositionSide::Long,
            kind,
            tif: TimeInForce::Ioc,
            reduce_only: true,
            qty: "5".parse().expect("a quantity"),
            price: Some("31968".parse().expect("a price")),
        };
        let mut writer = writer(mode, Some(5_000));
        let text = writer.write(&Call::Place(order), 1).signed_text.to_owned();
        for pair in text.split('&') {
            let (name, value) = pair.split_once('=').expect("a pair");
            assert!(known.iter().any(|known| known == name), "{name}");
            assert!(!value.is_empty(), "{name}");
        }
    }
}
