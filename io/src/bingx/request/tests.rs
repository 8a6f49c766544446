use pinion_core::id::TradeId;
use pinion_core::instrument::Instrument;
use pinion_core::msg::Maybe;
use pinion_core::units::Money;

use super::*;

const SECRET: &[u8] =
    b"mheO6dR8ovSsxZQCOYEFCtelpuxcWGTfHw7te326y6jOwq5WpvFQ9JNljoTwBXZGv5It07m9RXSPpDQEK2w";

fn writer(mode: PositionMode) -> RequestWriter {
    RequestWriter::new(Signer::new(SECRET).expect("a key"), mode, None)
}

#[track_caller]
fn signed_text(mode: PositionMode, call: Call<'_>, timestamp_ms: u64) -> String {
    let mut writer = writer(mode);
    let request = writer.write(&call, timestamp_ms);
    let names: Vec<&str> =
        request.signed_text.split('&').filter_map(|pair| Some(pair.split_once('=')?.0)).collect();
    assert!(names.is_sorted(), "{names:?}");
    let (plain, signature) = request.query.rsplit_once("&signature=").expect("signed");
    let hex = Signer::new(SECRET).expect("a key").sign(request.signed_text.as_bytes());
    assert_eq!(signature.as_bytes(), hex);
    assert_eq!(plain, request.signed_text, "nothing here needs encoding");
    request.signed_text.to_owned()
}

const ORDER: NewOrder<'_> = NewOrder {
    symbol: "BTC-USDT",
    client: ClientId::new(0x7f3a_0000, 1),
    side: Side::Sell,
    position_side: PositionSide::Long,
    kind: OrderKind::Market,
    tif: TimeInForce::Ioc,
    reduce_only: true,
    qty: Qty::from_raw(120_000),
    price: None,
};

#[test]
fn orders_name_what_each_mode_wants() {
    assert_eq!(
        signed_text(PositionMode::Hedge, Call::Place(ORDER), 7),
        "clientOrderId=p-7f3a0000-1&positionSide=LONG&quantity=0.0012&side=SELL&symbol=BTC-USDT\
         &timestamp=7&type=MARKET",
        "the flag is refused in hedge mode"
    );
    assert_eq!(
        signed_text(PositionMode::OneWay, Call::Place(ORDER), 7),
        "clientOrderId=p-7f3a0000-1&positionSide=BOTH&quantity=0.0012&reduceOnly=true&side=SELL\
         &symbol=BTC-USDT&timestamp=7&type=MARKET"
    );
    let entry = NewOrder {
        side: Side::Buy,
        kind: OrderKind::Limit,
        tif: TimeInForce::PostOnly,
        reduce_only: false,
        price: Some(Price::from_raw(12_150_010_000_000)),
        ..ORDER
    };
    assert_eq!(
        signed_text(PositionMode::OneWay, Call::Place(entry), 7),
        "clientOrderId=p-7f3a0000-1&positionSide=BOTH&price=121500.1&quantity=0.0012&side=BUY\
         &symbol=BTC-USDT&timeInForce=PostOnly&timestamp=7&type=LIMIT"
    );
}

#[test]
fn every_call_is_sorted_and_signed_and_public_ones_are_bare() {
    let id = TextId::from_number(9);
    let client = ClientId::new(1, 2);
    let symbol = "BTC-USDT";
    let calls = [
        (Call::Balance, "timestamp=7"),
        (Call::Positions, "timestamp=7"),
        (Call::OpenOrders { symbol: None }, "timestamp=7"),
        (Call::OpenOrders { symbol: Some(symbol) }, "symbol=BTC-USDT&timestamp=7"),
        (
            Call::Order { symbol, order: OrderRef::Venue(id) },
            "orderId=9&symbol=BTC-USDT&timestamp=7",
        ),
        (
            Call::Order { symbol, order: OrderRef::Client(client) },
            "clientOrderId=p-00000001-2&symbol=BTC-USDT&timestamp=7",
        ),
        (
            Call::Cancel { symbol, order: OrderRef::ClientOld(client) },
            "clientOrderID=p-00000001-2&symbol=BTC-USDT&timestamp=7",
        ),
        (
            Call::FillHistory {
                symbol,
                order: Some(id),
                start_ms: 1,
                end_ms: 2,
                page: 1,
                size: 1000,
            },
            "endTs=2&orderId=9&pageIndex=1&pageSize=1000&startTs=1&symbol=BTC-USDT&timestamp=7",
        ),
        (Call::CommissionRate, "timestamp=7"),
        (Call::Leverage { symbol }, "symbol=BTC-USDT&timestamp=7"),
        (
            Call::SetLeverage { symbol, side: WireSide::Long, leverage: 5 },
            "leverage=5&side=LONG&symbol=BTC-USDT&timestamp=7",
        ),
        (Call::MarginType { symbol }, "symbol=BTC-USDT&timestamp=7"),
        (
            Call::SetMarginType { symbol, margin: MarginType::Isolated },
            "marginType=ISOLATED&symbol=BTC-USDT&timestamp=7",
        ),
        (Call::PositionMode, "timestamp=7"),
        (Call::SetPositionMode { mode: PositionMode::Hedge }, "dualSidePosition=true&timestamp=7"),
        (Call::CancelAll { symbol: None }, "timestamp=7"),
        (Call::CancelAllAfter { seconds: Some(30) }, "timeOut=30&timestamp=7&type=ACTIVATE"),
        (Call::CancelAllAfter { seconds: None }, "timestamp=7&type=CLOSE"),
        (Call::CreateListenKey, "timestamp=7"),
        (Call::ExtendListenKey { key: "a8ea" }, "listenKey=a8ea&timestamp=7"),
        (Call::DeleteListenKey { key: "a8ea" }, "listenKey=a8ea&timestamp=7"),
    ];
    for (call, expected) in calls {
        assert_eq!(signed_text(PositionMode::Hedge, call, 7), expected);
    }
    for call in [Call::ServerTime, Call::Contracts] {
        assert_eq!(writer(PositionMode::Hedge).write(&call, 7).query, "");
    }
}

#[test]
fn values_are_signed_plain_and_sent_encoded() {
    let mut writer = writer(PositionMode::Hedge);
    let request = writer.write(&Call::Leverage { symbol: "\u{5e01}-USDT[ ]" }, 7);
    assert_eq!(request.signed_text, "symbol=\u{5e01}-USDT[ ]&timestamp=7");
    assert!(request.query.starts_with("symbol=%E5%B8%81-USDT%5B%20%5D&timestamp=7&signature="));
}

fn table() -> InstrumentTable {
    let row = |symbol| Instrument {
        symbol: TextId::new(symbol).expect("a symbol"),
        tick: Price::ONE,
        lot: Qty::ONE,
        min_notional: Money::ZERO,
        tradable: true,
        listed_ns: None,
    };
    InstrumentTable::new(vec![row("BTCUSDT"), row("ETHUSDT")]).expect("a table")
}

#[test]
fn commands_become_calls_and_nonsense_stays_here() {
    let symbols = Symbols::new(&table(), ["SOL-USDT", "BTC-USDT"].into_iter());
    let (btc, eth) = (InstrumentId::new(0), InstrumentId::new(1));
    assert_eq!(symbols.missing(), Some(eth));
    let place = |instrument, kind, qty, price| Command::Place {
        client: ClientId::new(1, 1),
        trade: TradeId::new(1),
        instrument,
        side: Side::Buy,
        position_side: PositionSide::Short,
        role: OrderRole::Exit,
        kind,
        tif: TimeInForce::Ioc,
        reduce_only: false,
        qty,
        price,
    };
    let call = call_of(&place(btc, OrderKind::Market, Qty::ONE, Maybe::NONE), &symbols);
    let Ok(Call::Place(order)) = call else { panic!("{call:?}") };
    assert!(order.reduce_only, "an exit never increases a position");
    for (command, why) in [
        (place(eth, OrderKind::Market, Qty::ONE, Maybe::NONE), Unsendable::NotListed),
        (place(btc, OrderKind::Limit, Qty::ONE, Maybe::NONE), Unsendable::NoPrice),
        (place(btc, OrderKind::Limit, Qty::ONE, Maybe::some(Price::ZERO)), Unsendable::NoPrice),
        (place(btc, OrderKind::Market, Qty::ZERO, Maybe::NONE), Unsendable::NoQuantity),
    ] {
        assert_eq!(call_of(&command, &symbols), Err(why));
    }
    let (client, venue_id) = (ClientId::new(1, 1), TextId::from_number(9));
    let cancel = Command::Cancel { client, venue_id, instrument: btc };
    let order = OrderRef::Venue(venue_id);
    assert_eq!(call_of(&cancel, &symbols), Ok(Call::Cancel { symbol: "BTC-USDT", order }));
    let query = Command::Query { client, venue_id: TextId::EMPTY, instrument: btc };
    let order = OrderRef::Client(client);
    assert_eq!(call_of(&query, &symbols), Ok(Call::Order { symbol: "BTC-USDT", order }));
}
