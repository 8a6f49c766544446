//! The work that every engine is given: a walk of quotes, an order at every tenth, accepted and filled whole.

use arrayvec::ArrayVec;
use pinion_core::broker::{Broker, EntryPlan, ExitPlan};
use pinion_core::id::{InstrumentId, TextId};
use pinion_core::instrument::{Instrument, InstrumentTable};
use pinion_core::msg::record::DecisionReason;
use pinion_core::msg::{MarketBody, MarketMsg, PositionSide};
use pinion_core::policy::Decide;
use pinion_core::settings::Settings;
use pinion_core::units::{Money, Nanos, Price, Qty, Rate};
use serde::{Deserialize, Serialize};

use super::floor::Quote;

/// An order at every so many quotes.
pub const ORDER_EVERY: u64 = 10;
/// Quantity of every order: 0.1.
pub const QTY: Qty = Qty::from_raw(Qty::ONE.raw() / 10);
/// One price step.
const TICK: i64 = Price::ONE.raw() / 100;
/// Time between two quotes.
const STEP_NS: i64 = 20_000;
/// From the venue to us.
const LAG_NS: i64 = 300_000;
/// Time of the first quote: a moment of 2024.
const START_NS: i64 = 1_718_000_000_000_000_000;

/// A seeded walk of quotes one tick wide, a quote every 20 µs, prices between 2,000 and 10,000.
#[must_use]
pub fn quotes(count: usize, seed: u64) -> Vec<Quote> {
    let (mut state, mut ticks) = (seed | 1, 300_000i64);
    (0..count)
        .map(|place| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            ticks = (ticks + (state >> 33).cast_signed() % 5 - 2).clamp(200_000, 1_000_000);
            let ts_ns = START_NS + STEP_NS * (1 + i64::try_from(place).unwrap_or(0));
            Quote { bid: ticks * TICK, ask: (ticks + 1) * TICK, ts_ns }
        })
        .collect()
}

/// A quote as the engine gets it.
#[must_use]
pub fn message(quote: &Quote) -> MarketMsg {
    let body = MarketBody::Quote {
        bid: Price::from_raw(quote.bid),
        ask: Price::from_raw(quote.ask),
        bid_qty: Some(Qty::from_whole(50)),
        ask_qty: Some(Qty::from_whole(40)),
    };
    let sent = Nanos::new(quote.ts_ns - LAG_NS);
    MarketMsg::from_body(InstrumentId::new(0), Nanos::new(quote.ts_ns), Some(sent), body)
}

/// One instrument: tick 0.01, lot 0.001.
///
/// # Panics
/// Never: the row is valid.
#[must_use]
#[expect(clippy::expect_used, reason = "a fixed row")]
pub fn table() -> InstrumentTable {
    let row = Instrument {
        symbol: TextId::new("BTCUSDT").expect("invariant: a symbol"),
        tick: Price::from_raw(TICK),
        lot: Qty::from_raw(Qty::ONE.raw() / 1_000),
        min_notional: Money::from_whole(5),
        tradable: true,
        listed_ns: None,
    };
    InstrumentTable::new(vec![row]).expect("invariant: a table")
}

/// The engine's defaults but for what would keep it from trading five thousand times a second: the pause after an
/// own fill.
#[must_use]
pub fn settings() -> Settings {
    Settings {
        guard_hot_window_ns: 0,
        account_starting_capital: Money::from_whole(1_000_000),
        ..Settings::default()
    }
}

/// Buys at every tenth quote when flat, sells everything when not.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct EveryTenth {
    quotes: u64,
}

impl Decide for EveryTenth {
    fn on_market(&mut self, message: &MarketMsg, broker: &mut Broker<'_>) {
        self.quotes += 1;
        if !self.quotes.is_multiple_of(ORDER_EVERY) {
            return;
        }
        if let Some(slot) = broker.open_slot_of(message.instrument) {
            let reason = DecisionReason::TakeProfit;
            let _verdict = broker.exit(slot, ExitPlan { reason, all: true, is_urgent: true });
        } else if let (Some(slot), MarketBody::Quote { ask, .. }) =
            (broker.free_slot(), message.body())
        {
            let _verdict = broker.enter(&EntryPlan {
                slot,
                instrument: message.instrument,
                side: PositionSide::Long,
                qty: QTY,
                leverage: Rate::ONE,
                reference_price: ask,
                legs: ArrayVec::new(),
            });
        }
    }
}
