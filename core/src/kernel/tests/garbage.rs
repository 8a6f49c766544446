//! Whatever the venue or the policy says, the kernel answers; it never panics and its books add up.

use arrayvec::ArrayVec;
use proptest::prelude::*;
use proptest::sample::select;

use super::rig::*;
use crate::id::{ClientId, InstrumentId, TextId};
use crate::kernel::Intent;
use crate::msg::record::DecisionReason;
use crate::msg::venue::{RejectReason, VenueOrderState};
use crate::msg::{
    ClientRef, Control, MarketBody, Maybe, OrderKind, PositionSide, Side, TimeInForce, VenueEvent,
};
use crate::units::{Money, Nanos, Price, Qty, Rate};

/// Raw units as a broken decoder may give them.
fn raw() -> impl Strategy<Value = i64> {
    const ONE: i64 = 100_000_000;
    select(alloc::vec![
        i64::MIN,
        i64::MIN + 1,
        -ONE,
        -1,
        0,
        1,
        ONE,
        18_780_000,
        100 * ONE,
        1_000 * ONE,
        i64::MAX - 1,
        i64::MAX,
    ])
}

fn maybe<T: crate::msg::Word>(raw: i64) -> Maybe<T> {
    if raw == i64::MIN { Maybe::NONE } else { Maybe::some(T::from_word(raw)) }
}

fn event() -> impl Strategy<Value = VenueEvent> {
    let id = (0u64..4).prop_map(|n| if n == 0 { TextId::EMPTY } else { TextId::from_number(n) });
    (0..15, id.clone(), id, [raw(), raw(), raw(), raw()], any::<[u8; 2]>()).prop_map(
        |(kind, venue_id, fill_id, [a, b, c, d], [x, y])| {
            let reason = RejectReason::ALL[usize::from(x) % RejectReason::ALL.len()];
            let state = VenueOrderState::ALL[usize::from(x) % VenueOrderState::ALL.len()];
            let (ok, rows, revision) = (y % 3 != 0, u32::from(x % 3), u64::from(y % 8));
            match kind {
                0 => VenueEvent::Ack { venue_id },
                1 => VenueEvent::Reject { reason },
                2 => VenueEvent::Ambiguous,
                3 | 4 => VenueEvent::Fill {
                    venue_id,
                    fill_id,
                    qty: Qty::from_raw(a),
                    price: Price::from_raw(b),
                    fee: maybe(c),
                    cum_qty: maybe(d),
                    side: [None, Some(Side::Buy), Some(Side::Sell)][usize::from(x % 3)],
                    is_maker: [None, Some(true), Some(false)][usize::from(y % 3)],
                },
                5 => VenueEvent::FeeSettled { fill_id, fee: Money::from_raw(a) },
                6 => VenueEvent::Canceled { venue_id, cum_qty: maybe(a) },
                7 => VenueEvent::CancelRejected { reason },
                8 => VenueEvent::Expired { venue_id, cum_qty: maybe(a) },
                9 => VenueEvent::OrderStatus {
                    venue_id,
                    state,
                    cum_qty: maybe(a),
                    avg_price: maybe(b),
                },
                10 => VenueEvent::Balance {
                    wallet: maybe(a),
                    available: maybe(b),
                    used: maybe(c),
                    maint: maybe(d),
                },
                11 => VenueEvent::Funding { amount: Money::from_raw(a), rate: Maybe::NONE },
                12 => VenueEvent::Transfer { amount: Money::from_raw(a) },
                13 => VenueEvent::Position {
                    side: PositionSide::Long,
                    qty: Qty::from_raw(a),
                    entry_price: maybe(b),
                },
                _ => VenueEvent::PositionsEnd { ok, rows, revision },
            }
        },
    )
}

#[derive(Clone, Debug)]
enum Step {
    Venue { client: u32, instrument: usize, event: VenueEvent },
    Enter { raw: [i64; 5], kind: u8, slot: usize, instrument: usize },
    Exit { qty: i64, price: i64, kind: u8, all: bool },
    Quote { bid: i64, ask: i64 },
    Control(u8),
    Good,
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0u32..6, 0usize..4, event())
            .prop_map(|(client, instrument, event)| Step::Venue { client, instrument, event }),
        2 => ([raw(), raw(), raw(), raw(), raw()], any::<u8>(), 0usize..3, 0usize..4)
            .prop_map(|(raw, kind, slot, instrument)| Step::Enter { raw, kind, slot, instrument }),
        2 => (raw(), raw(), any::<u8>(), any::<bool>())
            .prop_map(|(qty, price, kind, all)| Step::Exit { qty, price, kind, all }),
        1 => (raw(), raw()).prop_map(|(bid, ask)| Step::Quote { bid, ask }),
        1 => any::<u8>().prop_map(Step::Control),
        4 => Just(Step::Good),
        1 => select(alloc::vec![0, 1, SECOND, 3_600 * SECOND, i64::MAX]).prop_map(Step::Wait),
    ]
}

fn apply(rig: &mut Rig, step: &Step) {
    let instrument = |index: usize| (index < 3).then(|| InstrumentId::new(index));
    let kind_of =
        |code: u8| if code.is_multiple_of(2) { OrderKind::Market } else { OrderKind::Limit };
    match step {
        Step::Venue { client, instrument: index, event } => {
            let client = match client {
                0 => ClientRef::Absent,
                5 => ClientRef::Foreign,
                seq => ClientRef::Own(ClientId::new(7, *seq)),
            };
            rig.venue(client, instrument(*index), *event);
        }
        Step::Enter { raw: [size, leverage, limit, reference, leg], kind, slot, instrument } => {
            let legs: ArrayVec<Rate, 8> = [Rate::from_raw(*leg)].into_iter().collect();
            rig.submit(&Intent::Enter {
                slot: *slot,
                trade: None,
                instrument: InstrumentId::new(*instrument),
                side: PositionSide::ALL[usize::from(kind % 2)],
                qty: Qty::from_raw(*size),
                leverage: Rate::from_raw(*leverage),
                kind: kind_of(*kind / 2),
                tif: TimeInForce::Gtc,
                price: maybe(*limit),
                reference_price: Price::from_raw(*reference),
                legs: if *leg == i64::MIN { ArrayVec::new() } else { legs },
            });
        }
        Step::Exit { qty, price, kind, all } => {
            rig.submit(&Intent::Exit {
                slot: 0,
                qty: maybe(*qty),
                all: *all,
                kind: kind_of(*kind),
                tif: TimeInForce::Gtc,
                price: maybe(*price),
                ttl_ns: None,
                reason: DecisionReason::StopLoss,
            });
        }
        Step::Quote { bid, ask } => {
            rig.market(
                fet(),
                MarketBody::Quote {
                    bid: Price::from_raw(*bid),
                    ask: Price::from_raw(*ask),
                    bid_qty: None,
                    ask_qty: None,
                },
            );
        }
        Step::Control(code) => {
            rig.control(Control::ALL[usize::from(*code) % Control::ALL.len()]);
        }
        // Between the garbage something that works, so that it meets every stage.
        Step::Good => {
            if let Some(client) = rig.slot().exit_order().or_else(|| rig.slot().entry_order()) {
                rig.fill(Fill { client: Some(client), qty: "50", price: "0.2", ..Fill::default() });
            } else if rig.slot().is_open() {
                rig.submit(&Rig::exit_intent(None));
            } else {
                rig.submit(&Rig::enter_intent(PositionSide::Short, "100"));
            }
        }
        Step::Wait(ns) => {
            rig.now = Nanos::new(rig.now.get().saturating_add(*ns));
            rig.tick();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases * 4,
        ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_panics_and_the_books_add_up(steps in prop::collection::vec(step(), 1..120)) {
        let mut rig = Rig::ready();
        for step in &steps {
            apply(&mut rig, step);
            let ledger = rig.kernel.ledger();
            let wide = |money: Money| i128::from(money.raw());
            let sum = wide(ledger.starting()) + wide(ledger.realized()) + wide(ledger.transfers())
                + wide(ledger.adjustments())
                - wide(ledger.fees())
                - wide(ledger.funding());
            prop_assert_eq!(wide(ledger.capital()), sum);
            prop_assert!(rig.slot().size() >= Qty::ZERO);
            prop_assert!(rig.slot().size() <= rig.slot().initial_size());
        }
    }
}
