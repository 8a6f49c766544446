//! What is booked, at which price, with which fee.

use proptest::prelude::*;

use super::rig::*;
use crate::id::{ClientId, TextId};
use crate::kernel::stage::SlotStage as S;
use crate::kernel::{Code, Intent, Verdict};
use crate::msg::record::{FeeSource, ReconcileState};
use crate::msg::{ClientRef, Maybe, PositionSide, Record, VenueEvent};
use crate::units::{Money, Price, Qty, Rate};

/// The incident behind the rules: a round trip of about +242 was booked as −5,990.90 with leverage and
/// the orders' bounds. Here the true fills give the true result, to the last digit.
#[test]
fn the_fet_round_trip_books_its_cash_flow_whatever_the_leverage() {
    for leverage in [1, 3, 125] {
        let mut rig = Rig::ready();
        let mut intent = Rig::enter_intent(PositionSide::Short, "202007");
        if let Intent::Enter { leverage: setting, legs, .. } = &mut intent {
            *setting = Rate::from_whole(leverage);
            legs.push("0.5".parse().expect("rate"));
            legs.push("0.5".parse().expect("rate"));
        }
        assert_eq!(rig.submit(&intent), Verdict::OK);
        let entry = rig.slot().entry_order().expect("entry");
        rig.filled(entry, "E1", "26007", "0.1878");
        rig.filled(entry, "E2", "176000", "0.1878");
        let first = rig.exit(None);
        assert_eq!(rig.placed().map(|(_, qty, _)| qty), Some(qty("101003")));
        rig.filled(first, "X1", "101003", "0.1866");
        let second = rig.exit(None);
        rig.filled(second, "X2", "101004", "0.1866");
        assert_eq!(rig.stage(), S::TradeTerminalWritten);
        assert_eq!(rig.slot().realized(), money("242.4084"));
        assert_eq!(rig.capital(), money("25242.4084"));
        assert_eq!(rig.kernel.totals().wins, 1);
        assert!(!rig.has_error());
    }
}

#[test]
fn the_entry_price_is_the_mean_of_the_fills_and_exits_reduce_it_pro_rata() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "400");
    for (name, size, at) in [("a", "100", "0.10"), ("b", "200", "0.11"), ("c", "100", "0.13")] {
        rig.filled(entry, name, size, at);
    }
    assert_eq!(rig.slot().entry_price(), Some(price("0.1125")));
    let exit = rig.exit(Some("100"));
    rig.filled(exit, "x", "100", "0.12");
    assert_eq!(rig.slot().realized(), money("0.75"));
    assert_eq!(rig.slot().entry_cost(), money("33.75"));
    assert_eq!(rig.slot().entry_price(), Some(price("0.1125")), "an exit moves no basis");
}

#[test]
fn a_mark_values_the_slot_until_the_next_price_and_refreshes_no_guard() {
    let mut rig = Rig::ready();
    let mark = |price: &str| Intent::Mark { slot: 0, price: price.parse().expect("a price") };
    assert_eq!(rig.submit(&mark("0.2")), no(Code::NoOpenPosition));
    let entry = rig.enter(PositionSide::Short, "1000");
    rig.filled(entry, "E", "1000", "0.1878");
    assert_eq!(rig.kernel.unrealized(), Some(money("-0.1")), "at the ask");
    assert_eq!(rig.submit(&mark("0.1866")), Verdict::OK);
    assert_eq!(rig.kernel.unrealized(), Some(money("1.2")));
    assert_eq!(rig.submit(&mark("0")), no(Code::InvalidIntent));
    assert_eq!(rig.kernel.unrealized(), Some(money("1.2")));
    let quoted = rig.kernel.top(fet()).and_then(|top| top.quote_ns.get());
    assert_eq!(quoted, Some(rig.now));
    assert_eq!(rig.wait(SECOND).submit(&mark("0.5")), Verdict::OK);
    assert_eq!(rig.kernel.top(fet()).and_then(|top| top.quote_ns.get()), quoted);
    rig.quote(fet(), "0.1878", "0.1879");
    assert_eq!(rig.kernel.unrealized(), Some(money("-0.1")));
    let nowhere = Intent::Mark { slot: 9, price: price("1") };
    assert_eq!(rig.submit(&nowhere), no(Code::UnresolvedSlot));
}

#[test]
fn a_missing_fee_is_predicted_and_replaced_once() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    let fill = Fill { client: Some(entry), id: "F1", qty: "1000", price: "0.2", ..Fill::default() };
    assert_eq!(rig.fill(fill), Verdict::OK);
    assert_eq!(rig.slot().fees(), money("0.1"), "taker rate of 200");
    assert!(
        rig.records
            .iter()
            .any(|record| matches!(record, Record::Fill { fee_source: FeeSource::Estimated, .. }))
    );
    let settle = |rig: &mut Rig, fee: &str| {
        rig.account(Some(fet()), VenueEvent::FeeSettled { fill_id: id("F1"), fee: money(fee) })
    };
    assert_eq!(settle(&mut rig, "-0.07"), Verdict::OK);
    assert_eq!(rig.slot().fees(), money("0.07"));
    assert_eq!(settle(&mut rig, "-0.09"), no(Code::DuplicateEvent));
    assert_eq!(rig.kernel.ledger().fees(), money("0.07"));
    assert_eq!(rig.capital(), money("24999.93"));
}

#[test]
fn a_zero_fee_and_a_rebate_are_settled_fees() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    let part = Fill { client: Some(entry), qty: "500", price: "0.2", ..Fill::default() };
    rig.fill(Fill { id: "Z", fee: Some("0"), ..part });
    assert_eq!(rig.kernel.ledger().fees(), Money::ZERO);
    rig.fill(Fill { id: "R", fee: Some("0.03"), ..part });
    assert_eq!(rig.kernel.ledger().fees(), money("-0.03"));
    let late = VenueEvent::FeeSettled { fill_id: id("Z"), fee: money("-1") };
    assert_eq!(rig.account(None, late), no(Code::DuplicateEvent), "zero was the fee");
}

#[test]
fn maker_fills_are_predicted_at_the_maker_rate_and_a_crossing_limit_as_taker() {
    for (is_maker, fee) in [(Some(true), "0.04"), (Some(false), "0.1")] {
        let mut rig = Rig::ready();
        let intent = Rig::resting(Rig::enter_intent(PositionSide::Long, "1000"), "0.2");
        assert_eq!(rig.submit(&intent), Verdict::OK);
        let client = rig.slot().entry_order();
        rig.fill(Fill { client, id: "F", qty: "1000", price: "0.2", is_maker, ..Fill::default() });
        assert_eq!(rig.slot().fees(), money(fee));
    }
}

/// Ratios of takers and makers, and how many fees taught them.
fn learned(rig: &Rig) -> [(Rate, u64); 2] {
    [false, true].map(|is_maker| {
        let side = rig.kernel.fee_model().side(is_maker);
        (side.ratio(), side.taught())
    })
}

#[test]
fn a_settled_fee_teaches_the_next_prediction_once_whenever_it_comes() {
    let rate = |text: &str| text.parse::<Rate>().expect("a rate");
    let settle = |rig: &mut Rig, fee: &str| {
        let event = VenueEvent::FeeSettled { fill_id: id("F1"), fee: money(fee) };
        rig.account(Some(fet()), event)
    };
    let fill = |rig: &mut Rig, fee| {
        let client = rig.slot().entry_order();
        rig.fill(Fill { client, id: "F1", qty: "1000", price: "0.2", fee, ..Fill::default() })
    };
    type Story = fn(
        &mut Rig,
        &dyn Fn(&mut Rig, &str) -> Verdict,
        &dyn Fn(&mut Rig, Option<&'static str>) -> Verdict,
    );
    let stories: [Story; 3] = [
        |rig, _, fill| {
            fill(rig, Some("-0.104"));
            assert_eq!(fill(rig, Some("-0.104")), no(Code::DuplicateEvent));
        },
        |rig, settle, fill| {
            fill(rig, None);
            settle(rig, "-0.104");
            assert_eq!(settle(rig, "-0.104"), no(Code::DuplicateEvent));
        },
        |rig, settle, fill| {
            settle(rig, "-0.104");
            fill(rig, None);
            assert_eq!(settle(rig, "-0.104"), no(Code::DuplicateEvent));
        },
    ];
    for (at, story) in stories.into_iter().enumerate() {
        let mut rig = Rig::ready();
        rig.enter(PositionSide::Long, "2000");
        story(&mut rig, &settle, &fill);
        assert_eq!(learned(&rig), [(rate("1.004"), 1), (Rate::ONE, 0)], "story {at}");
        let client = rig.slot().entry_order();
        rig.fill(Fill { client, id: "F2", qty: "1000", price: "0.2", ..Fill::default() });
        assert_eq!(rig.kernel.ledger().fees(), money("0.2044"), "0.1 × 1.004 beside 0.104");
        let line = rig.out.records.iter().rev().find_map(|message| match message.record {
            Record::Account { fee_ratio_taker, fee_ratio_maker, .. } => {
                Some((fee_ratio_taker, fee_ratio_maker))
            }
            _ => None,
        });
        assert_eq!(line, Some((rate("1.004"), Rate::ONE)));
    }
}

#[test]
fn only_a_fill_that_is_ours_and_surely_made_or_took_teaches() {
    let fee = Some("-0.09");
    let after = |intent: &Intent, is_maker| {
        let mut rig = Rig::ready();
        assert_eq!(rig.submit(intent), Verdict::OK);
        let client = rig.slot().entry_order();
        rig.fill(Fill {
            client,
            id: "F",
            qty: "1000",
            price: "0.2",
            fee,
            is_maker,
            ..Fill::default()
        });
        let [taker, maker] = learned(&rig);
        (taker.1, maker.1, rig.kernel.fee_model().side(true).refused())
    };
    let market = Rig::enter_intent(PositionSide::Long, "1000");
    let resting = Rig::resting(market.clone(), "0.2");
    let mut crossing = resting.clone();
    if let Intent::Enter { tif, .. } = &mut crossing {
        *tif = crate::msg::TimeInForce::Gtc;
    }
    assert_eq!(after(&market, None), (1, 0, 0), "an immediate order takes");
    assert_eq!(after(&crossing, None), (0, 0, 0), "a limit order may do either");
    assert_eq!(after(&crossing, Some(false)), (1, 0, 0), "never by the type");
    assert_eq!(
        after(&resting, None),
        (0, 0, 1),
        "a post-only order makes: 0.09 for 0.04 is refused"
    );
    // A foreign fill and a fee for it.
    let mut rig = Rig::ready();
    rig.enter(PositionSide::Long, "1000");
    rig.fill(Fill { venue: "777", id: "G", qty: "1000", price: "0.2", fee, ..Fill::default() });
    let event = VenueEvent::FeeSettled { fill_id: id("G"), fee: money("-0.09") };
    rig.account(Some(fet()), event);
    assert_eq!(learned(&rig), [(Rate::ONE, 0), (Rate::ONE, 0)]);
}

#[test]
fn a_fill_that_is_booked_in_part_teaches_nothing_by_the_fee_of_the_whole() {
    let mut rig = Rig::ready();
    let client = Some(rig.enter(PositionSide::Long, "1000"));
    let part = Fill { client, qty: "960", price: "0.2", fee: Some("-0.096"), ..Fill::default() };
    rig.fill(Fill { cum: Some("960"), ..part });
    assert_eq!(learned(&rig)[0].1, 1);
    rig.fill(Fill { id: "F", qty: "1000", cum: Some("1000"), fee: Some("-0.0041"), ..part });
    assert_eq!(rig.slot().size(), qty("1000"));
    assert_eq!(learned(&rig)[0].1, 1);
    assert_eq!(rig.kernel.fee_model().side(false).refused(), 0);
}

#[test]
fn a_fee_of_a_fill_that_was_looked_up_teaches_when_it_comes() {
    use crate::msg::venue::VenueOrderState;
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    status(&mut rig, entry, VenueOrderState::Filled, "1000", Some("0.2"));
    assert_eq!((rig.slot().size(), learned(&rig)[0].1), (qty("1000"), 0));
    let fee = Some("-0.104");
    rig.fill(Fill {
        client: Some(entry),
        id: "F",
        qty: "1000",
        price: "0.2",
        fee,
        ..Fill::default()
    });
    assert_eq!(learned(&rig)[0].1, 1);
    assert_eq!(rig.kernel.ledger().fees(), money("0.104"));
}

#[test]
fn a_late_fee_goes_to_the_round_trip_of_its_fill() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    rig.fill(Fill { client: Some(entry), id: "F1", qty: "1000", price: "0.2", ..Fill::default() });
    let exit = rig.exit(None);
    rig.filled(exit, "X1", "1000", "0.2");
    rig.wait(6 * SECOND).quote(fet(), "0.1878", "0.1879");
    let again = rig.enter(PositionSide::Long, "1000");
    rig.filled(again, "F2", "1000", "0.2");
    let event = VenueEvent::FeeSettled { fill_id: id("F1"), fee: money("-0.5") };
    assert_eq!(rig.account(Some(fet()), event), Verdict::OK);
    assert_eq!(rig.slot().fees(), Money::ZERO, "the running round trip paid nothing");
    assert_eq!(rig.kernel.ledger().fees(), money("0.5"));
    let first = rig.records.iter().find_map(|record| match record {
        Record::FeeSettled { trade, .. } => Some(trade.seq()),
        _ => None,
    });
    assert_eq!(first, Some(1));
}

#[test]
fn a_fee_that_comes_before_its_fill_is_kept_for_it() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    let event = VenueEvent::FeeSettled { fill_id: id("F1"), fee: money("-0.5") };
    assert_eq!(rig.account(Some(fet()), event), no(Code::ForeignFill));
    rig.fill(Fill { client: Some(entry), id: "F1", qty: "1000", price: "0.2", ..Fill::default() });
    assert_eq!(rig.kernel.ledger().fees(), money("0.5"));
}

#[test]
fn funding_goes_to_books_and_round_trip_and_a_transfer_to_the_books_alone() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let funding = VenueEvent::Funding { amount: money("-1.5"), rate: Maybe::NONE };
    assert_eq!(rig.account(None, funding), Verdict::OK);
    let transfer = VenueEvent::Transfer { amount: money("100") };
    assert_eq!(rig.account(None, transfer), Verdict::OK);
    assert_eq!(rig.slot().funding(), money("1.5"));
    assert_eq!(rig.kernel.ledger().funding(), money("1.5"));
    assert_eq!(rig.capital(), money("25098.5"));
    let exit = rig.exit(None);
    rig.filled(exit, "X", "1000", "0.2");
    let net = rig.records.iter().find_map(|record| match record {
        Record::TradeClosed { net_pnl, funding, .. } => Some((*net_pnl, *funding)),
        _ => None,
    });
    assert_eq!(net, Some((money("-1.5"), money("1.5"))));
    assert_eq!(rig.kernel.totals().losses, 1);
}

/// A wallet of zero in a margin-only frame once zeroed the account and froze it for good.
#[test]
fn a_margin_only_frame_neither_zeroes_nor_freezes() {
    let mut rig = Rig::ready();
    let frame = VenueEvent::Balance {
        wallet: Maybe::some(Money::ZERO),
        available: Maybe::some(Money::ZERO),
        used: Maybe::some(money("10")),
        maint: Maybe::NONE,
    };
    assert_eq!(rig.account(None, frame), Verdict::OK);
    assert_eq!(rig.kernel.facts().wallet(), Some(money("25000")));
    assert_eq!(rig.guard(), Ok(()));
}

/// The seed wrote the wallet into its books before it compared them, so that nothing ever differed.
#[test]
fn a_wrong_wallet_freezes_entries_until_it_agrees_and_the_books_stay() {
    let mut rig = Rig::ready();
    rig.wallet("24000");
    assert_eq!(rig.reconcile(), ReconcileState::Error);
    assert_eq!(rig.kernel.facts().delta(), Some(money("1000")));
    assert_eq!(rig.capital(), money("25000"));
    let refused = rig.submit(&Rig::enter_intent(PositionSide::Long, "1000"));
    assert_eq!(refused, no(Code::EntryFrozen));
    rig.wallet("24999");
    assert_eq!(rig.reconcile(), ReconcileState::Warn);
    assert_eq!(rig.guard(), Ok(()));
}

#[test]
fn a_balance_is_not_compared_while_an_order_is_open() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    rig.wallet("24000");
    assert_eq!(rig.reconcile(), ReconcileState::Ok);
    rig.filled(entry, "E", "1000", "0.2");
    rig.wallet("24000");
    assert_eq!(rig.reconcile(), ReconcileState::Error);
}

#[test]
fn a_short_is_marked_at_the_ask_then_at_the_last_price_then_at_the_mark() {
    let mut rig = Rig::open(PositionSide::Short, "1000", "0.2");
    rig.quote(fet(), "0.1900", "0.1910");
    assert_eq!(rig.kernel.unrealized(), Some(money("9")));
    assert_eq!(rig.kernel.equity(), Some(money("25009")));
    rig.quote(fet(), "0.2190", "0.2200");
    assert_eq!(rig.kernel.unrealized(), Some(money("-20")));
    assert_eq!(rig.kernel.totals().max_drawdown, money("32.1"), "from the first mark, 25012.1");

    let mut bars = Rig::new();
    bars.wallet("25000");
    bars.probe(&[]);
    bars.trade(fet(), "0.2");
    let entry = bars.enter(PositionSide::Short, "1000");
    bars.filled(entry, "E", "1000", "0.2");
    bars.trade(fet(), "0.19");
    assert_eq!(bars.kernel.unrealized(), Some(money("10")));
}

#[test]
fn an_open_slot_without_a_price_has_no_unrealized_result() {
    let mut rig = Rig::open(PositionSide::Short, "1000", "0.2");
    let index = fet().index();
    rig.kernel.markets[index].top = crate::kernel::Top::EMPTY;
    rig.kernel.mark(fet());
    assert_eq!(rig.kernel.unrealized(), None);
    assert_eq!(rig.kernel.equity(), None);
}

#[test]
fn money_out_of_range_is_an_error_and_a_freeze_not_a_panic() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000000");
    let fill = Fill {
        client: Some(entry),
        id: "F",
        qty: "1000000",
        price: "92233720368",
        ..Fill::default()
    };
    assert_eq!(rig.fill(fill), no(Code::Violation));
    assert!(rig.has_error());
    assert!(rig.kernel.is_frozen());
    assert_eq!(rig.capital(), money("25000"));
    assert_eq!(rig.slot().size(), qty("0"));
    let huge = VenueEvent::Transfer { amount: Money::MAX };
    assert_eq!(rig.account(None, huge), no(Code::Violation));
}

#[test]
fn a_fill_of_somebody_else_is_not_booked_and_re_arms_the_hot_window() {
    let mut rig = Rig::ready();
    let event = VenueEvent::Fill {
        venue_id: id("777"),
        fill_id: id("F"),
        qty: qty("1000"),
        price: price("0.2"),
        fee: Maybe::NONE,
        cum_qty: Maybe::NONE,
        side: None,
        is_maker: None,
    };
    let verdict = rig.venue(ClientRef::Foreign, Some(fet()), event);
    assert_eq!(verdict, no(Code::ForeignFill));
    assert_eq!(rig.kernel.totals().fills, 0);
    assert_eq!(rig.guard(), Err(crate::msg::record::BlockReason::HotWindow));
    rig.wait(5 * SECOND).quote(fet(), "0.1878", "0.1879");
    assert_eq!(rig.guard(), Ok(()));
    // Without an asset it may have been any.
    let nameless = VenueEvent::Fill {
        venue_id: TextId::EMPTY,
        fill_id: TextId::EMPTY,
        qty: qty("1"),
        price: price("0.2"),
        fee: Maybe::NONE,
        cum_qty: Maybe::NONE,
        side: None,
        is_maker: None,
    };
    assert_eq!(rig.venue(ClientRef::Absent, None, nameless), no(Code::ForeignFill));
    assert_eq!(rig.guard(), Err(crate::msg::record::BlockReason::HotWindow));
}

#[test]
fn everything_booked_leaves_the_account_as_a_line() {
    let has_account = |rig: &Rig| {
        let is_account = |record: &Record| matches!(record, Record::Account { .. });
        rig.out.records.iter().any(|message| is_account(&message.record))
    };
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    assert!(!has_account(&rig), "nothing was booked yet");
    rig.fill(Fill { client: Some(entry), id: "F1", qty: "400", price: "0.2", ..Fill::default() });
    assert!(has_account(&rig));
    let fee = VenueEvent::FeeSettled { fill_id: id("F1"), fee: money("-0.01") };
    let funding = VenueEvent::Funding { amount: money("1"), rate: Maybe::NONE };
    let transfer = VenueEvent::Transfer { amount: money("1") };
    for event in [fee, funding, transfer] {
        rig.account(Some(fet()), event);
        assert!(has_account(&rig), "{event:?}");
    }
}

#[test]
fn two_slots_are_marked_and_closed_apart() {
    let settings = crate::settings::Settings { kernel_slots_max: 2, ..Default::default() };
    let mut rig = Rig::with(settings).made_ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    rig.filled(entry, "A", "1000", "0.1878");
    rig.probe(&[(fet(), PositionSide::Long, "1000")]);
    let mut second = Rig::enter_intent(PositionSide::Short, "1");
    if let Intent::Enter { slot, instrument, reference_price, .. } = &mut second {
        (*slot, *instrument, *reference_price) = (1, btc(), price("60000"));
    }
    assert_eq!(rig.submit(&second), Verdict::OK);
    let other = rig.kernel.slot(1).entry_order().expect("entry");
    rig.filled(other, "B", "1", "60000");
    rig.quote(btc(), "59989.9", "59990");
    rig.quote(fet(), "0.1888", "0.1889");
    assert_eq!(rig.kernel.unrealized(), Some(money("11")));
    assert_eq!(rig.kernel.open_positions(), 2);
    let exit = rig.exit(None);
    rig.filled(exit, "C", "1000", "0.1888");
    assert_eq!((rig.capital(), rig.kernel.unrealized()), (money("25001"), Some(money("10"))));
    assert_eq!(rig.kernel.slot(1).stage(), S::PositionOpen);
}

/// The bound of an order is no price of a fill, on either side.
#[test]
fn the_bound_of_an_order_prices_nothing() {
    let mut rig = Rig::ready();
    let mut intent = Rig::enter_intent(PositionSide::Long, "1000");
    if let Intent::Enter { kind, price: bound, .. } = &mut intent {
        *kind = crate::msg::OrderKind::Limit;
        *bound = Maybe::some(price("0.25"));
    }
    assert_eq!(rig.submit(&intent), Verdict::OK);
    let entry = rig.slot().entry_order();
    let none = Fill { client: entry, id: "N", qty: "1000", price: "0", ..Fill::default() };
    assert_eq!(rig.fill(none), no(Code::Violation), "asked for, not booked at the bound");
    assert_eq!((rig.slot().size(), rig.queries()), (qty("0"), 1));
    rig.fill(Fill { client: entry, id: "N", qty: "1000", price: "0.2", ..Fill::default() });
    assert_eq!(rig.slot().entry_price(), Some(price("0.2")));
}

proptest! {
    /// Signed cash flow, added up in plain integers, is the oracle; leverage is told and changes nothing.
    #[test]
    fn leverage_leaves_every_result_as_it_is(
        leverage in 1i64..=125,
        is_long in any::<bool>(),
        fills in prop::collection::vec((1i64..400, 1i64..1_000_000), 1..8),
        exits in prop::collection::vec(1i64..1_000_000, 1..6),
    ) {
        let side = if is_long { PositionSide::Long } else { PositionSide::Short };
        let lots: i64 = fills.iter().map(|(lots, _)| lots).sum();
        prop_assume!(lots >= 100);
        let run = |leverage: i64| {
            let mut rig = Rig::ready();
            let mut intent = Rig::enter_intent(side, "1");
            if let Intent::Enter { leverage: setting, qty, .. } = &mut intent {
                (*setting, *qty) = (Rate::from_whole(leverage), Qty::from_whole(lots));
            }
            assert_eq!(rig.submit(&intent), Verdict::OK);
            let sign = i128::from(side.sign());
            let mut cash = 0;
            let mut number = 0;
            let mut fill = |rig: &mut Rig, client: Option<ClientId>, lots: i64, at: i64| {
                number += 1;
                let event = VenueEvent::Fill {
                    venue_id: TextId::EMPTY,
                    fill_id: TextId::from_number(number),
                    qty: Qty::from_whole(lots),
                    price: Price::from_raw(at),
                    fee: Maybe::some(Money::ZERO),
                    cum_qty: Maybe::NONE,
                    side: None,
                    is_maker: None,
                };
                let client = ClientRef::Own(client.expect("an order"));
                assert_eq!(rig.venue(client, Some(fet()), event), Verdict::OK);
            };
            let entry = rig.slot().entry_order();
            for (lots, at) in &fills {
                fill(&mut rig, entry, *lots, *at);
                cash -= sign * i128::from(*lots) * i128::from(*at);
            }
            for (index, at) in exits.iter().enumerate() {
                let left = rig.slot().size().raw() / Qty::ONE.raw();
                let lots = if index + 1 == exits.len() { left } else { (left / 3).max(1) };
                if left == 0 {
                    break;
                }
                let mut intent = Rig::exit_intent(None);
                if let Intent::Exit { qty, .. } = &mut intent {
                    *qty = Maybe::some(Qty::from_whole(lots));
                }
                assert_eq!(rig.submit(&intent), Verdict::OK);
                let exit = rig.slot().exit_order();
                fill(&mut rig, exit, lots, *at);
                cash += sign * i128::from(lots) * i128::from(*at);
            }
            assert!(rig.slot().is_free() && !rig.has_error());
            let gained = rig.capital().raw() - money("25000").raw();
            assert_eq!(i128::from(gained), cash);
            (rig.kernel.totals(), rig.slot().realized())
        };
        prop_assert_eq!(run(leverage), run(1));
    }
}
