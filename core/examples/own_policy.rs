//! A policy of one's own: it buys what has fallen and sells what has recovered.
//!
//! `cargo run -p pinion-core --example own_policy`

use std::sync::Arc;

use arrayvec::ArrayVec;
use pinion_core::broker::{Broker, EntryPlan, ExitPlan};
use pinion_core::engine::Engine;
use pinion_core::id::{InstrumentId, TextId};
use pinion_core::instrument::{Instrument, InstrumentTable};
use pinion_core::kernel::Effects;
use pinion_core::msg::record::DecisionReason;
use pinion_core::msg::{
    ClientRef, Command, Input, MarketBody, MarketMsg, Maybe, PositionSide, VenueEvent, VenueMsg,
};
use pinion_core::policy::Decide;
use pinion_core::settings::Settings;
use pinion_core::units::{Money, Nanos, Price, Qty, Rate};
use serde::{Deserialize, Serialize};

/// Buys one unit when the ask is 1 % below the highest bid seen; leaves at 1 % above the entry price.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Dip {
    high: Price,
}

impl Decide for Dip {
    fn on_market(&mut self, message: &MarketMsg, broker: &mut Broker<'_>) {
        let Some(top) = broker.top(message.instrument) else { return };
        let (Some(bid), Some(ask)) = (top.bid.get(), top.ask.get()) else { return };
        self.high = self.high.max(bid);
        if let Some(slot) = broker.open_slot_of(message.instrument) {
            let entry = broker.slot(slot).entry_price();
            let gain = entry.and_then(|entry| entry.bps_to(bid)).unwrap_or_default();
            if gain >= 100.0 && broker.may_exit(slot, false) {
                let reason = DecisionReason::TakeProfit;
                let _verdict = broker.exit(slot, ExitPlan { reason, all: true, is_urgent: false });
            }
        } else if let Some(slot) = broker.free_slot()
            && self.high.bps_to(ask).is_some_and(|move_bps| move_bps <= -100.0)
        {
            let _verdict = broker.enter(&EntryPlan {
                slot,
                instrument: message.instrument,
                side: PositionSide::Long,
                qty: Qty::ONE,
                leverage: Rate::ONE,
                reference_price: ask,
                legs: ArrayVec::new(),
            });
        }
    }
}

/// Falls by 2 %, then rises by 3 %; the orders that the policy had placed by then.
fn trade() -> usize {
    let table = InstrumentTable::new(vec![Instrument {
        symbol: TextId::new("FETUSDT").unwrap_or_default(),
        tick: Price::from_raw(Price::ONE.raw() / 100),
        lot: Qty::ONE,
        min_notional: Money::from_whole(5),
        tradable: true,
        listed_ns: None,
    }]);
    let table = Arc::new(table.unwrap_or_default());
    let settings = Arc::new(Settings::default());
    let mut engine = Engine::with_policy(settings, table, 1, Dip::default());
    let mut out = Effects::default();
    let mut orders = 0;
    for (second, bid) in [(0, 100), (1, 100), (2, 98), (3, 99), (4, 101)] {
        let now = Nanos::new((1_000 + second) * Nanos::SECOND);
        let mut waiting = vec![Input::Market(MarketMsg::from_body(
            InstrumentId::new(0),
            now,
            None,
            MarketBody::Quote {
                bid: Price::from_whole(bid),
                ask: Price::from_raw(Price::from_whole(bid).raw() + Price::ONE.raw() / 100),
                bid_qty: None,
                ask_qty: None,
            },
        ))];
        while let Some(input) = waiting.pop() {
            engine.turn(now, &input, &mut out);
            for message in &out.commands {
                orders += usize::from(matches!(message.command, Command::Place { .. }));
                waiting.extend(answer(now, &message.command, engine.kernel().ledger().capital()));
            }
        }
    }
    orders
}

/// A venue that fills everything at once and has nothing else.
fn answer(now: Nanos, command: &Command, wallet: Money) -> Option<Input> {
    use pinion_core::msg::ProbeKind::{Balance, OpenOrders, Positions};
    let (client, event) = match *command {
        Command::Place { client, qty, .. } => {
            let price = Price::from_whole(if client.seq() == 1 { 98 } else { 101 });
            let id = TextId::from_number(u64::from(client.seq()));
            let event = VenueEvent::Fill {
                venue_id: id,
                fill_id: id,
                qty,
                price,
                fee: Maybe::some(Money::ZERO),
                cum_qty: Maybe::some(qty),
                side: None,
                is_maker: Some(false),
            };
            (ClientRef::Own(client), event)
        }
        Command::Probe { probe: OpenOrders, revision } => {
            (ClientRef::Absent, VenueEvent::OpenOrdersEnd { ok: true, rows: 0, revision })
        }
        Command::Probe { probe: Positions, revision } => {
            (ClientRef::Absent, VenueEvent::PositionsEnd { ok: true, rows: 0, revision })
        }
        Command::Probe { probe: Balance, .. } => {
            let (wallet, none) = (Maybe::some(wallet), Maybe::NONE);
            let event = VenueEvent::Balance { wallet, available: wallet, used: none, maint: none };
            (ClientRef::Absent, event)
        }
        Command::Cancel { .. } | Command::Query { .. } => return None,
    };
    let instrument = matches!(client, ClientRef::Own(_)).then(|| InstrumentId::new(0));
    Some(Input::Venue(VenueMsg {
        ts_exch_ns: Maybe::NONE,
        ts_recv_ns: now,
        client,
        instrument,
        event,
    }))
}

#[expect(clippy::print_stdout, reason = "an example shows what it did")]
fn main() {
    println!("{} orders", trade());
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_buys_the_dip_and_sells_the_recovery() {
        assert_eq!(super::trade(), 2);
    }
}
