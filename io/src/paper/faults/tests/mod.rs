//! Every fault, made certain, does what its name says; and what holds whatever goes wrong.

mod account;
mod answers;
mod matching;
mod stream;
mod whole;

use std::sync::Arc;

use pinion_core::id::{ClientId, InstrumentId, TextId, TradeId};
use pinion_core::instrument::{Instrument, InstrumentTable};
use pinion_core::msg::{
    ClientRef, Command, CommandMsg, MarketBody, MarketMsg, OrderKind, OrderRole, PositionSide,
    ProbeKind, Side, TimeInForce, VenueEvent, VenueMsg,
};
use pinion_core::settings::Settings;
use pinion_core::units::{Money, Nanos, Price, Qty};

use super::plan::MILLION;
use super::{FaultPlan, FaultyVenue};
use crate::paper::{Truth, Venue};

const SECOND: i64 = Nanos::SECOND;
const MS: i64 = SECOND / 1_000;

fn price(text: &str) -> Price {
    Price::parse(text.as_bytes()).expect("a price")
}

fn qty(text: &str) -> Qty {
    Qty::parse(text.as_bytes()).expect("a quantity")
}

fn id(index: usize) -> InstrumentId {
    InstrumentId::new(index)
}

/// `AAA` and `BBB`: tick 0.1, lot 0.001, least notional 5.
fn table() -> Arc<InstrumentTable> {
    let row = |symbol| Instrument {
        symbol: TextId::new(symbol).expect("a symbol"),
        tick: price("0.1"),
        lot: qty("0.001"),
        min_notional: Money::from_whole(5),
        tradable: true,
        listed_ns: None,
    };
    Arc::new(InstrumentTable::new(vec![row("AAA"), row("BBB")]).expect("a table"))
}

/// No latency.
fn prompt() -> Settings {
    Settings {
        account_starting_capital: Money::from_whole(10_000),
        paper_order_latency_ns: 0,
        paper_reply_latency_ns: 0,
        ..Settings::default()
    }
}

/// A plan in which the named numbers are set and nothing else goes wrong.
fn plan(fields: &[(&str, i64)]) -> FaultPlan {
    let mut plan = FaultPlan::NONE;
    for (name, value) in fields {
        assert!(plan.set(name, *value), "{name} = {value}");
    }
    plan
}

/// An order of `AAA`.
#[derive(Clone, Copy)]
struct Order {
    side: Side,
    position: PositionSide,
    limit: Option<Price>,
    tif: TimeInForce,
    qty: Qty,
}

fn buy(amount: &str) -> Order {
    Order {
        side: Side::Buy,
        position: PositionSide::Long,
        limit: None,
        tif: TimeInForce::Ioc,
        qty: qty(amount),
    }
}

fn sell(amount: &str) -> Order {
    Order { side: Side::Sell, ..buy(amount) }
}

impl Order {
    fn limit(self, tif: TimeInForce, limit: &str) -> Self {
        Self { limit: Some(price(limit)), tif, ..self }
    }

    fn command(self, client: ClientId, instrument: InstrumentId) -> Command {
        let closes = self.side == self.position.exit_side();
        Command::Place {
            client,
            trade: TradeId::new(1),
            instrument,
            side: self.side,
            position_side: self.position,
            role: if closes { OrderRole::Exit } else { OrderRole::Entry },
            kind: if self.limit.is_some() { OrderKind::Limit } else { OrderKind::Market },
            tif: self.tif,
            reduce_only: closes,
            qty: self.qty,
            price: self.limit.into(),
        }
    }
}

/// A faulty venue and the script's clock, which starts at one second.
struct Rig {
    venue: FaultyVenue,
    at: i64,
    orders: u32,
}

impl Rig {
    /// The named faults always happen and no others; both instruments quote 100 / 100.1, 50 each.
    fn sure(faults: &[&str]) -> Self {
        let fields: Vec<(&str, i64)> = faults.iter().map(|name| (*name, MILLION)).collect();
        Self::new(&plan(&fields))
    }

    fn new(plan: &FaultPlan) -> Self {
        let venue = FaultyVenue::new(&prompt(), table(), *plan, 5);
        let mut rig = Self { venue, at: SECOND, orders: 0 };
        rig.wait(0);
        rig.quote(0, "100", "100.1");
        rig.quote(1, "100", "100.1");
        rig
    }

    fn quote(&mut self, instrument: usize, bid: &str, ask: &str) {
        let body = MarketBody::Quote {
            bid: price(bid),
            ask: price(ask),
            bid_qty: Some(qty("50")),
            ask_qty: Some(qty("50")),
        };
        let msg = MarketMsg::from_body(id(instrument), Nanos::new(self.at), None, body);
        self.venue.handle_market(Nanos::new(self.at), &msg);
    }

    fn now(&self) -> Nanos {
        Nanos::new(self.at)
    }

    /// Lets time go by and returns what was told.
    fn wait(&mut self, ns: i64) -> Vec<VenueMsg> {
        self.at += ns;
        self.venue.handle_time(self.now());
        std::iter::from_fn(|| self.venue.poll_reply(Nanos::new(self.at)))
            .map(|(_, msg)| msg)
            .collect()
    }

    fn command(&mut self, command: Command) -> Vec<VenueMsg> {
        let msg = CommandMsg { ts_decide_ns: self.now(), ts_recv_ns: self.now(), command };
        self.venue.handle_command(self.now(), &msg);
        self.wait(0)
    }

    /// Sends an order; what was told at once.
    fn send(&mut self, order: Order) -> Vec<VenueMsg> {
        self.orders += 1;
        self.command(order.command(self.last(), id(0)))
    }

    /// The last order sent.
    fn last(&self) -> ClientId {
        ClientId::new(1, self.orders)
    }

    fn cancel(&mut self) -> Vec<VenueMsg> {
        let (client, venue_id) = (self.last(), TextId::EMPTY);
        self.command(Command::Cancel { client, venue_id, instrument: id(0) })
    }

    fn query(&mut self) -> Vec<VenueMsg> {
        let (client, venue_id) = (self.last(), TextId::EMPTY);
        self.command(Command::Query { client, venue_id, instrument: id(0) })
    }

    fn probe(&mut self, probe: ProbeKind) -> Vec<VenueMsg> {
        self.command(Command::Probe { probe, revision: 77 })
    }

    fn truth(&mut self) -> Vec<Truth> {
        let mut all = Vec::new();
        self.venue.take_truth(&mut |truth| all.push(truth));
        all
    }

    fn count(&self, name: &str) -> u64 {
        let mut counts = self.venue.counts();
        counts.find(|(fault, _)| *fault == name).expect("a fault").1
    }

    fn held(&self) -> Qty {
        let positions = self.venue.venue().positions();
        positions.iter().filter(|p| p.instrument == id(0)).map(|p| p.qty).sum()
    }
}

/// What was told, a line each, balances left out.
fn lines(told: &[VenueMsg]) -> Vec<String> {
    told.iter().filter_map(line).collect()
}

fn line(msg: &VenueMsg) -> Option<String> {
    let cum = |cum_qty: pinion_core::msg::Maybe<Qty>| {
        cum_qty.get().map_or_else(String::new, |cum| format!(" {cum}"))
    };
    Some(match msg.event {
        VenueEvent::Ack { .. } => String::from("ack"),
        VenueEvent::Reject { reason } => format!("reject {}", reason.as_str()),
        VenueEvent::Ambiguous => String::from("ambiguous"),
        VenueEvent::Fill { qty, price, .. } => format!("fill {qty}@{price}"),
        VenueEvent::Forced { qty, cause, .. } => format!("forced {qty} {}", cause.as_str()),
        VenueEvent::FeeSettled { fee, .. } => format!("fee {fee}"),
        VenueEvent::Canceled { cum_qty, .. } => format!("canceled{}", cum(cum_qty)),
        VenueEvent::CancelRejected { reason } => format!("cancel rejected {}", reason.as_str()),
        VenueEvent::Expired { cum_qty, .. } => format!("expired{}", cum(cum_qty)),
        VenueEvent::OrderStatus { state, cum_qty, avg_price, .. } => {
            let avg = avg_price.get().map_or_else(String::new, |avg| format!(" @{avg}"));
            format!("{}{}{avg}", state.as_str(), cum(cum_qty))
        }
        VenueEvent::Balance { .. } => return None,
        VenueEvent::Funding { .. } => String::from("funding"),
        VenueEvent::Transfer { .. } => String::from("transfer"),
        VenueEvent::Position { side, qty, .. } => format!("{} {qty}", side.as_str()),
        VenueEvent::PositionsEnd { ok, rows, revision } => {
            format!("positions {} {rows} r{revision}", if ok { "ok" } else { "failed" })
        }
        VenueEvent::OpenOrder { qty, cum_qty, .. } => format!("open {cum_qty}/{qty}"),
        VenueEvent::OpenOrdersEnd { ok, rows, revision } => {
            format!("open orders {} {rows} r{revision}", if ok { "ok" } else { "failed" })
        }
    })
}

/// The fills among what was told.
fn fills(told: &[VenueMsg]) -> Vec<(Qty, Price)> {
    let fill = |msg: &VenueMsg| match msg.event {
        VenueEvent::Fill { qty, price, .. } => Some((qty, price)),
        _ => None,
    };
    told.iter().filter_map(fill).collect()
}

/// Wallets of the balances among what was told; `None` where a balance does not say.
fn wallets(told: &[VenueMsg]) -> Vec<Option<Money>> {
    let wallet = |msg: &VenueMsg| match msg.event {
        VenueEvent::Balance { wallet, .. } => Some(wallet.get()),
        _ => None,
    };
    told.iter().filter_map(wallet).collect()
}

fn first_fill(told: &[VenueMsg]) -> &VenueMsg {
    told.iter().find(|msg| matches!(msg.event, VenueEvent::Fill { .. })).expect("a fill")
}

fn is_foreign(msg: &VenueMsg) -> bool {
    msg.client == ClientRef::Foreign
}
