use pinion_core::id::{InstrumentId, TradeId};
use pinion_core::instrument::Instrument;
use pinion_core::msg::venue::RejectReason;
use pinion_core::msg::{OrderKind, OrderRole, Side, TimeInForce};
use pinion_core::units::{Money, Price};

use super::*;
use crate::bingx::{Decoder, Frame, user::Account};

const CLIENT: ClientId = ClientId::new(1, 7);

fn table() -> InstrumentTable {
    let row = Instrument {
        symbol: TextId::new("BTCUSDT").expect("a symbol"),
        tick: Price::ONE,
        lot: Qty::ONE,
        min_notional: Money::ZERO,
        tradable: true,
        listed_ns: None,
    };
    InstrumentTable::new(vec![row]).expect("a table")
}

fn place() -> Command {
    Command::Place {
        client: CLIENT,
        trade: TradeId::new(1),
        instrument: InstrumentId::new(0),
        side: Side::Buy,
        position_side: PositionSide::Long,
        role: OrderRole::Entry,
        kind: OrderKind::Market,
        tif: TimeInForce::Ioc,
        reduce_only: false,
        qty: Qty::ONE,
        price: Maybe::NONE,
    }
}

fn cancel() -> Command {
    Command::Cancel { client: CLIENT, venue_id: TextId::EMPTY, instrument: InstrumentId::new(0) }
}

fn query() -> Command {
    Command::Query { client: CLIENT, venue_id: TextId::EMPTY, instrument: InstrumentId::new(0) }
}

fn answer(command: &Command, http_status: u16, body: &str) -> Vec<VenueEvent> {
    let mut events = Vec::new();
    let response = Response { http_status, body: body.as_bytes(), recv_ns: Nanos::new(1) };
    let _judged = Reports::default().answer(
        command,
        &response,
        &table(),
        &mut Fills::default(),
        &mut |msg| events.push(msg.event),
    );
    events
}

#[test]
fn a_lost_or_unreadable_answer_is_never_a_refusal() {
    for (status, body) in [
        (0, ""),
        (504, "<html>gateway</html>"),
        (200, ""),
        (200, r#"{"code":100500,"msg":"busy"}"#),
        (200, r#"{"code":987654,"msg":"new in this version"}"#),
        (200, r#"{"code":0,"msg":"","data":{}}"#),
        (500, r#"{"code":0,"msg":"","data":{"order":{"orderId":9}}}"#),
    ] {
        assert_eq!(answer(&place(), status, body), [VenueEvent::Ambiguous], "{status} {body}");
        let refused = answer(&cancel(), status, body);
        let waits = refused.is_empty();
        let asked = refused == [VenueEvent::CancelRejected { reason: RejectReason::Other }];
        assert!(waits || asked, "{status} {body}: {refused:?}");
        assert_eq!(answer(&query(), status, body), [], "{status} {body}: proves nothing");
    }
}

#[test]
fn refusals_carry_their_reason() {
    for (code, reason) in [
        (101_204, RejectReason::Margin),
        (101_215, RejectReason::PostOnlyWouldTake),
        (101_481, RejectReason::DuplicateClientId),
        (100_410, RejectReason::RateLimited),
        (100_001, RejectReason::Other),
    ] {
        let body = format!(r#"{{"code":{code},"msg":"no"}}"#);
        assert_eq!(answer(&place(), 200, &body), [VenueEvent::Reject { reason }], "{code}");
    }
}

#[test]
fn a_placed_order_is_known_by_the_venues_identity_from_then_on() {
    let body = r#"{"code":"0","data":{"orderId":"2075327764731486208","status":"PENDING","symbol":"BTC-USDT"}}"#;
    let mut fills = Fills::default();
    let mut events = Vec::new();
    let response = Response { http_status: 200, body: body.as_bytes(), recv_ns: Nanos::new(1) };
    let judged = Reports::default().answer(&place(), &response, &table(), &mut fills, &mut |msg| {
        events.push((msg.client, msg.instrument, msg.event));
    });
    let venue_id = TextId::new("2075327764731486208").expect("fits");
    let instrument = Some(InstrumentId::new(0));
    assert_eq!(judged, None);
    assert_eq!(events, [(ClientRef::Own(CLIENT), instrument, VenueEvent::Ack { venue_id })]);
    assert_eq!(fills.owner(&venue_id, ClientRef::Absent), ClientRef::Own(CLIENT));
}

#[test]
fn queries_tell_the_state_and_a_denied_order() {
    let body = r#"{"code":0,"data":{"order":{"orderId":9,"status":"FILLED","executedQty":"0.5","avgPrice":"7"}}}"#;
    let expected = VenueEvent::OrderStatus {
        venue_id: TextId::from_number(9),
        state: VenueOrderState::Filled,
        cum_qty: Maybe::some(Qty::from_raw(50_000_000)),
        avg_price: Maybe::some(Price::from_whole(7)),
    };
    assert_eq!(answer(&query(), 200, body), [expected]);
    let [VenueEvent::OrderStatus { state: VenueOrderState::NotFound, .. }] =
        answer(&query(), 200, r#"{"code":109421,"msg":"order not exist"}"#)[..]
    else {
        panic!("a denial")
    };
    let body = r#"{"code":0,"data":{"order":{"orderId":9,"status":"HIBERNATING"}}}"#;
    assert_eq!(answer(&query(), 200, body), [], "an unknown state proves nothing");
    let body =
        r#"{"code":0,"data":{"order":{"orderId":9,"status":"CANCELLED","executedQty":"0"}}}"#;
    let canceled =
        VenueEvent::Canceled { venue_id: TextId::from_number(9), cum_qty: Maybe::some(Qty::ZERO) };
    assert_eq!(answer(&cancel(), 200, body), [canceled]);
    assert_eq!(answer(&cancel(), 200, &body.replace("CANCELLED", "PENDING")), []);
}

#[test]
fn a_failed_or_partial_view_proves_nothing() {
    let probe = |probe| Command::Probe { probe, revision: 42 };
    let whole = r#"{"code":0,"data":[{"symbol":"BTC-USDT","positionSide":"SHORT","positionAmt":"2","avgPrice":"3"}]}"#;
    assert_eq!(
        answer(&probe(ProbeKind::Positions), 200, whole),
        [
            VenueEvent::Position {
                side: PositionSide::Short,
                qty: Qty::from_whole(2),
                entry_price: Maybe::some(Price::from_whole(3)),
            },
            VenueEvent::PositionsEnd { ok: true, rows: 1, revision: 42 },
        ]
    );
    let empty = r#"{"code":0,"data":[]}"#;
    let flat = VenueEvent::PositionsEnd { ok: true, rows: 0, revision: 42 };
    assert_eq!(answer(&probe(ProbeKind::Positions), 200, empty), [flat]);
    for (status, body) in [
        (500, empty),
        (0, ""),
        (200, r#"{"code":0}"#),
        (200, r#"{"code":109429,"msg":""}"#),
        (200, r#"{"code":0,"data":[{"symbol":"BTC-USDT","positionSide":"UP","positionAmt":"2"}]}"#),
        (200, r#"{"code":0,"data":[{"symbol":"BTC-USDT","positionSide":"LONG"}]}"#),
    ] {
        let events = answer(&probe(ProbeKind::Positions), status, body);
        assert_eq!(
            events,
            [VenueEvent::PositionsEnd { ok: false, rows: 0, revision: 42 }],
            "{body}"
        );
    }
    let body = r#"{"code":0,"data":{"orders":[{"orderId":1,"side":"BUY","origQty":"1","executedQty":"",
        "symbol":"BTC-USDT"},{"orderId":2,"side":"SIDEWAYS","origQty":"1"}]}}"#;
    let events = answer(&probe(ProbeKind::OpenOrders), 200, body);
    assert_eq!(events.len(), 2);
    assert_eq!(events[1], VenueEvent::OpenOrdersEnd { ok: false, rows: 1, revision: 42 });
    let body = r#"{"code":0,"data":[{"asset":"USDC","balance":""},{"asset":"VST","balance":"5","availableMargin":""}]}"#;
    let balance = VenueEvent::Balance {
        wallet: Maybe::some(Money::from_whole(5)),
        available: Maybe::NONE,
        used: Maybe::NONE,
        maint: Maybe::NONE,
    };
    assert_eq!(answer(&probe(ProbeKind::Balance), 200, body), [balance]);
}

fn update(reason: &str, wallet: &str, change: &str) -> (bool, Vec<VenueEvent>) {
    let text = format!(
        r#"{{"e":"ACCOUNT_UPDATE","E":1,"a":{{"m":"{reason}","B":[{{"a":"USDT","wb":"{wallet}","bc":"{change}"}},
        {{"a":"USDC","wb":"","bc":"9"}}]}}}}"#
    );
    let mut decoder = Decoder::new();
    let Ok(Frame::Account(Account::Update(update))) = decoder.decode(text.as_bytes()) else {
        panic!("an account update")
    };
    let mut events = Vec::new();
    let check = account_update(&update, Nanos::new(1), &mut |msg| events.push(msg.event));
    (check, events)
}

#[test]
fn the_stream_moves_money_by_its_reason_and_a_zero_wallet_is_checked() {
    let wallet = |whole| VenueEvent::Balance {
        wallet: Maybe::some(Money::from_whole(whole)),
        available: Maybe::NONE,
        used: Maybe::NONE,
        maint: Maybe::NONE,
    };
    let amount = Money::from_whole(-1);
    let funding = VenueEvent::Funding { amount, rate: Maybe::NONE };
    assert_eq!(update("FUNDING_FEE", "5", "-1"), (false, vec![funding, wallet(5)]));
    let transfer = VenueEvent::Transfer { amount };
    assert_eq!(update("WITHDRAW", "5", "-1"), (false, vec![transfer, wallet(5)]));
    assert_eq!(update("ORDER", "5", "0"), (false, vec![wallet(5)]));
    assert_eq!(update("ORDER", "0", "0"), (true, vec![]), "a frame about margin alone");
    assert_eq!(update("RAFFLE", "5", "-1"), (true, vec![wallet(5)]));
}

#[test]
fn a_fill_history_comes_oldest_first_with_totals_where_it_is_whole() {
    let row = |trade: u32, second: u32, asset: &str| {
        format!(
            r#"{{"tradeId":{trade},"orderId":9,"symbol":"BTC-USDT","qty":"1","price":"7","commission":"-0.5",
            "commissionAsset":"{asset}","role":"taker","side":"buy","filledTime":"2025-09-23T14:33:{second}.000+0800"}}"#
        )
    };
    let body = |total: u32| {
        let rows = [row(3, 30, "BNB"), row(2, 20, "USDT")].join(",");
        format!(r#"{{"code":0,"data":{{"fill_history_orders":[{rows}],"total":{total}}}}}"#)
    };
    let mut fills = Fills::default();
    fills.learn(TextId::from_number(9), CLIENT);
    let read = |body: &str, is_whole| {
        let response = Response { http_status: 200, body: body.as_bytes(), recv_ns: Nanos::new(1) };
        let mut told = Vec::new();
        let page =
            Reports::default().fill_history(&response, is_whole, &table(), &fills, &mut |msg| {
                let VenueEvent::Fill { fill_id, fee, cum_qty, .. } = msg.event else {
                    panic!("{msg:?}")
                };
                assert_eq!(msg.client, ClientRef::Own(CLIENT));
                told.push((fill_id.as_str().to_owned(), fee.get(), cum_qty.get()));
            });
        (page.map(|page| page.rows), told)
    };
    let fee = Some(Money::from_raw(-50_000_000));
    let (two, three) = ("2".to_owned(), "3".to_owned());
    let (one, both) = (Some(Qty::ONE), Some(Qty::from_whole(2)));
    let expected = vec![(two.clone(), fee, one), (three.clone(), None, both)];
    assert_eq!(read(&body(2), true), (Some(2), expected));
    let without = vec![(two, fee, None), (three, None, None)];
    assert_eq!(read(&body(2), false), (Some(2), without.clone()));
    assert_eq!(read(&body(50), true), (Some(2), without), "one page of many");
    assert_eq!(read(r#"{"code":100410}"#, true), (None, vec![]));
    assert_eq!(read("", true), (None, vec![]));
}
