use pinion_core::msg::venue::ForcedCause;

use super::*;
use crate::bingx::{Decoder, Frame, user::Account};

const CLIENT: ClientId = ClientId::new(1, 7);

/// Feeds order events (the inside of `o`, with the envelope's time) and tells what came of each.
fn feed(fills: &mut Fills, events: &[(i64, &str)]) -> Vec<(Growth, Vec<VenueMsg>)> {
    let mut decoder = Decoder::new();
    let mut all = Vec::new();
    for (at, inside) in events {
        let text = format!(
            r#"{{"e":"ORDER_TRADE_UPDATE","E":{at},"T":{at},"o":{{"s":"A-USDT","i":"9","S":"BUY","ps":"LONG",{inside}}}}}"#
        );
        let Ok(Frame::Account(Account::Order(update))) = decoder.decode(text.as_bytes()) else {
            panic!("an order event: {text}")
        };
        let mut out = Vec::new();
        let growth = fills.apply(&update, None, Nanos::new(1), &mut |msg| out.push(msg));
        all.push((growth, out));
    }
    all
}

fn events(fed: &[(Growth, Vec<VenueMsg>)]) -> Vec<VenueEvent> {
    fed.iter().flat_map(|(_, out)| out.iter().map(|msg| msg.event)).collect()
}

#[track_caller]
fn fill(event: &VenueEvent) -> (i64, i64, Option<Money>) {
    let VenueEvent::Fill { qty, price, fee, .. } = event else { panic!("{event:?}") };
    (qty.raw(), price.raw(), fee.get())
}

const WHOLE: i64 = 100_000_000;

#[test]
fn totals_become_fills_whose_price_is_what_the_average_moved_by() {
    let mut fills = Fills::default();
    let fed = feed(
        &mut fills,
        &[
            (1, r#""x":"NEW","X":"NEW","q":"4","z":"0","ap":"0""#),
            (2, r#""x":"TRADE","X":"PARTIALLY_FILLED","q":"4","z":"1","ap":"90","n":"-0.1""#),
            (2, r#""x":"TRADE","X":"PARTIALLY_FILLED","q":"4","z":"1","ap":"90","n":"-0.1""#),
            (3, r#""x":"TRADE","X":"FILLED","q":"4","z":"4","ap":"96","n":"-0.4""#),
            (2, r#""x":"NEW","X":"NEW","q":"4","z":"0""#),
        ],
    );
    let told = events(&fed);
    assert!(matches!(told[0], VenueEvent::Ack { .. }));
    assert_eq!(fill(&told[1]), (WHOLE, 90 * WHOLE, Some(Money::from_raw(-10_000_000))));
    assert_eq!(fill(&told[2]), (3 * WHOLE, 98 * WHOLE, None), "a later commission may be a sum");
    assert_eq!(told.len(), 3, "repeats and late events say nothing");
    assert!(!fed[2].0.is_news && !fed[4].0.is_news);
}

#[test]
fn growth_that_no_frame_explains_is_told_as_missed() {
    let fed = feed(
        &mut Fills::default(),
        &[(
            1,
            r#""x":"TRADE","X":"FILLED","q":"5","z":"5","ap":"98","l":"2","L":"105","t":"3","n":"-1""#,
        )],
    );
    let (growth, out) = &fed[0];
    assert_eq!((growth.cum_qty, growth.missed), (Qty::from_whole(5), Qty::from_whole(3)));
    assert_eq!(fill(&out[0].event), (2 * WHOLE, 105 * WHOLE, None));
    let VenueEvent::Fill { cum_qty, .. } = out[0].event else { panic!("a fill") };
    assert_eq!(cum_qty.get(), Some(Qty::from_whole(5)), "the engine sees that three are owed");
}

#[test]
fn a_cancel_that_tells_more_filled_books_it_before_the_end() {
    let told = events(&feed(
        &mut Fills::default(),
        &[(1, r#""x":"CANCELED","X":"CANCELED","q":"3","z":"1","ap":"7""#)],
    ));
    assert_eq!(fill(&told[0]), (WHOLE, 7 * WHOLE, None));
    let VenueEvent::Canceled { cum_qty, .. } = told[1] else { panic!("{told:?}") };
    assert_eq!(cum_qty.get(), Some(Qty::ONE));
}

#[test]
fn a_traded_trigger_order_fills_nothing_and_a_fill_without_price_is_asked_for() {
    let mut fills = Fills::default();
    let fed = feed(
        &mut fills,
        &[
            (1, r#""x":"TRADE","X":"NEW","q":"3","z":"0","p":"5""#),
            (2, r#""x":"TRADE","X":"PARTIALLY_FILLED","q":"3","z":"1","p":"5""#),
            (3, r#""x":"TRADE","X":"HALF_DONE","q":"3","z":"1","p":"5""#),
        ],
    );
    assert!(matches!(events(&fed)[..], [VenueEvent::Ack { .. }]), "never at the order's own price");
    assert!(!fed[0].0.ask && fed[1].0.ask);
    assert!(fed[2].0.ask, "an unknown state is asked for");
}

#[test]
fn identity_comes_from_the_event_or_the_place_reply() {
    let mut fills = Fills::default();
    fills.learn(TextId::from_number(9), CLIENT);
    let fed = feed(&mut fills, &[(1, r#""c":"","x":"NEW","X":"NEW","q":"1""#)]);
    assert_eq!(fed[0].1[0].client, ClientRef::Own(CLIENT));
    let fed = feed(&mut Fills::default(), &[(1, r#""c":"somebody","x":"NEW","X":"NEW","q":"1""#)]);
    assert_eq!(fed[0].1[0].client, ClientRef::Foreign);
    let fed = feed(
        &mut Fills::default(),
        &[
            (1, r#""c":"p-00000001-7","x":"NEW","X":"NEW","q":"1""#),
            (2, r#""c":"","x":"CANCELED","X":"CANCELED","q":"1""#),
        ],
    );
    assert_eq!(fed[1].1[0].client, ClientRef::Own(CLIENT));
}

#[test]
fn what_the_venue_closes_itself_is_no_fill_of_ours() {
    let told = events(&feed(
        &mut Fills::default(),
        &[(
            1,
            r#""o":"LIQUIDATION","x":"CALCULATED","X":"FILLED","q":"2","z":"2","ap":"7","n":"-1""#,
        )],
    ));
    let [VenueEvent::Forced { side, qty, cause, .. }] = told[..] else { panic!("{told:?}") };
    assert_eq!(
        (side, qty, cause),
        (PositionSide::Long, Qty::from_whole(2), ForcedCause::Liquidation)
    );
}

#[test]
fn memory_is_bounded_and_gives_up_finished_orders_first() {
    let mut fills = Fills::default();
    for number in 1..=ORDERS_MAX as u64 {
        fills.learn(TextId::from_number(number), CLIENT);
    }
    let row = fills.rows.iter_mut().find(|row| row.order_id == TextId::from_number(500));
    row.expect("there").rank = 2;
    fills.learn(TextId::from_number(5_000), CLIENT);
    let owner = |number| fills.owner(&TextId::from_number(number), ClientRef::Absent);
    assert_eq!((owner(500), owner(1)), (ClientRef::Absent, ClientRef::Own(CLIENT)));
    assert_eq!(fills.rows.len(), ORDERS_MAX);
}

#[test]
fn a_restored_order_counts_from_what_was_booked_and_foreign_fees_are_no_money() {
    let mut fills = Fills::default();
    fills.resume(TextId::from_number(9), CLIENT, Qty::ONE, Some(Price::from_whole(90)));
    let fed = feed(
        &mut fills,
        &[(1, r#""x":"TRADE","X":"FILLED","q":"4","z":"4","ap":"96","n":"-0.4""#)],
    );
    assert_eq!(fed[0].1[0].client, ClientRef::Own(CLIENT));
    assert_eq!(fill(&fed[0].1[0].event), (3 * WHOLE, 98 * WHOLE, None));
    let told = events(&feed(
        &mut Fills::default(),
        &[(1, r#""x":"TRADE","X":"FILLED","q":"1","z":"1","ap":"9","n":"-1","N":"BNB""#)],
    ));
    assert_eq!(fill(&told[0]), (WHOLE, 9 * WHOLE, None));
}
