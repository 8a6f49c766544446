//! A venue with a script's vocabulary: prices and quantities as text, replies as short lines.

use std::sync::Arc;

use pinion_core::id::{ClientId, InstrumentId, TextId, TradeId};
use pinion_core::instrument::{Instrument, InstrumentTable};
use pinion_core::msg::{
    ClientRef, Command, CommandMsg, MarketBody, MarketMsg, Maybe, OrderKind, OrderRole,
    PositionSide, ProbeKind, Side, TimeInForce, VenueEvent, VenueMsg,
};
use pinion_core::settings::Settings;
use pinion_core::units::{Money, Nanos, Price, Qty};
use pinion_io::paper::{PaperVenue, ReplyLink};

pub(super) const SECOND: i64 = Nanos::SECOND;

pub(super) fn price(text: &str) -> Price {
    Price::parse(text.as_bytes()).expect("a price")
}

pub(super) fn qty(text: &str) -> Qty {
    Qty::parse(text.as_bytes()).expect("a quantity")
}

pub(super) fn money(text: &str) -> Money {
    Money::parse(text.as_bytes()).expect("an amount")
}

/// Three instruments: `AAA` (0, tick 0.1, lot 0.001, least notional 5), `BBB` (1, the same) and `CCC`
/// (2, not tradable).
pub(super) fn table() -> Arc<InstrumentTable> {
    let row = |symbol, tradable| Instrument {
        symbol: TextId::new(symbol).expect("a symbol"),
        tick: price("0.1"),
        lot: qty("0.001"),
        min_notional: Money::from_whole(5),
        tradable,
        listed_ns: None,
    };
    let rows = vec![row("AAA", true), row("BBB", true), row("CCC", false)];
    Arc::new(InstrumentTable::new(rows).expect("a table"))
}

/// Settings without latency, so that a script's order arrives at the moment it is sent.
pub(super) fn prompt() -> Settings {
    Settings { paper_order_latency_ns: 0, paper_reply_latency_ns: 0, ..Settings::default() }
}

pub(super) fn message(
    instrument: usize,
    at: i64,
    exch: Option<i64>,
    body: MarketBody,
) -> MarketMsg {
    MarketMsg::from_body(InstrumentId::new(instrument), Nanos::new(at), exch.map(Nanos::new), body)
}

/// An order of `AAA` that opens a long (buy) or closes one (sell).
#[derive(Clone, Copy)]
pub(super) struct Sent {
    pub(super) instrument: usize,
    pub(super) side: Side,
    pub(super) position: PositionSide,
    pub(super) limit: Option<Price>,
    pub(super) tif: TimeInForce,
    pub(super) reduce_only: bool,
    pub(super) qty: Qty,
}

pub(super) fn market(side: Side, position: PositionSide, amount: &str) -> Sent {
    Sent {
        instrument: 0,
        side,
        position,
        limit: None,
        tif: TimeInForce::Ioc,
        reduce_only: side == position.exit_side(),
        qty: qty(amount),
    }
}

pub(super) fn buy(amount: &str) -> Sent {
    market(Side::Buy, PositionSide::Long, amount)
}

pub(super) fn sell(amount: &str) -> Sent {
    market(Side::Sell, PositionSide::Long, amount)
}

pub(super) fn short(amount: &str) -> Sent {
    market(Side::Sell, PositionSide::Short, amount)
}

impl Sent {
    pub(super) fn limit(self, tif: TimeInForce, limit: &str) -> Self {
        Self { limit: Some(price(limit)), tif, ..self }
    }

    pub(super) fn gtc(self, limit: &str) -> Self {
        self.limit(TimeInForce::Gtc, limit)
    }

    pub(super) fn place(self, client: ClientId) -> Command {
        Command::Place {
            client,
            trade: TradeId::new(1),
            instrument: InstrumentId::new(self.instrument),
            side: self.side,
            position_side: self.position,
            role: if self.reduce_only { OrderRole::Exit } else { OrderRole::Entry },
            kind: if self.limit.is_some() { OrderKind::Limit } else { OrderKind::Market },
            tif: self.tif,
            reduce_only: self.reduce_only,
            qty: self.qty,
            price: self.limit.into(),
        }
    }
}

/// A venue and the script's clock.
pub(super) struct Script {
    pub(super) venue: PaperVenue,
    pub(super) at: i64,
    orders: u32,
}

impl Script {
    pub(super) fn new() -> Self {
        Self::with(&prompt())
    }

    pub(super) fn with(settings: &Settings) -> Self {
        let mut script = Self { venue: PaperVenue::new(settings, table()), at: SECOND, orders: 0 };
        script.venue.handle_time(Nanos::new(script.at));
        script.drain();
        script
    }

    pub(super) fn wait(&mut self, ns: i64) {
        self.at += ns;
        self.venue.handle_time(Nanos::new(self.at));
    }

    pub(super) fn feed_dated(&mut self, exch: Option<i64>, body: MarketBody) {
        self.venue.handle_market(Nanos::new(self.at), &message(0, self.at, exch, body));
    }

    pub(super) fn feed(&mut self, body: MarketBody) {
        self.feed_dated(None, body);
    }

    /// A quote as `bid qty / ask qty`; an empty quantity is not known.
    pub(super) fn quote(&mut self, bid: &str, bid_qty: &str, ask: &str, ask_qty: &str) {
        let shown = |text: &str| (!text.is_empty()).then(|| qty(text));
        self.feed(MarketBody::Quote {
            bid: price(bid),
            ask: price(ask),
            bid_qty: shown(bid_qty),
            ask_qty: shown(ask_qty),
        });
    }

    pub(super) fn trade(&mut self, at_price: &str, amount: &str, taker: Option<Side>) {
        self.feed(print(at_price, amount, taker));
    }

    pub(super) fn level(&mut self, side: Side, at_price: &str, amount: &str, last: bool) {
        self.feed(MarketBody::Level { side, price: price(at_price), qty: qty(amount), last });
    }

    /// A snapshot: bids and asks as (price, quantity).
    pub(super) fn book(&mut self, bids: &[(&str, &str)], asks: &[(&str, &str)]) {
        self.feed(MarketBody::Reset);
        for (at_price, amount) in bids {
            self.level(Side::Buy, at_price, amount, false);
        }
        for (index, (at_price, amount)) in asks.iter().enumerate() {
            self.level(Side::Sell, at_price, amount, index + 1 == asks.len());
        }
    }

    pub(super) fn bar(&mut self, ohlc: [&str; 4], volume: &str) {
        let [open, high, low, close] = ohlc.map(price);
        self.feed(MarketBody::Bar { open, high, low, close, volume: qty(volume) });
    }

    pub(super) fn command(&mut self, command: Command) {
        let message = CommandMsg {
            ts_decide_ns: Nanos::new(self.at),
            ts_recv_ns: Nanos::new(self.at),
            command,
        };
        self.venue.handle_command(Nanos::new(self.at), &message);
        self.venue.handle_time(Nanos::new(self.at));
    }

    pub(super) fn next_client(&mut self) -> ClientId {
        self.orders += 1;
        ClientId::new(1, self.orders)
    }

    pub(super) fn send(&mut self, order: Sent) -> ClientId {
        let client = self.next_client();
        self.command(order.place(client));
        client
    }

    pub(super) fn cancel(&mut self, client: ClientId) {
        let instrument = InstrumentId::new(0);
        self.command(Command::Cancel { client, venue_id: TextId::EMPTY, instrument });
    }

    pub(super) fn query(&mut self, client: ClientId) {
        let instrument = InstrumentId::new(0);
        self.command(Command::Query { client, venue_id: TextId::EMPTY, instrument });
    }

    pub(super) fn probe(&mut self, probe: ProbeKind, revision: u64) {
        self.command(Command::Probe { probe, revision });
    }

    pub(super) fn drain(&mut self) -> Vec<(ReplyLink, VenueMsg)> {
        std::iter::from_fn(|| self.venue.poll_reply(Nanos::new(self.at))).collect()
    }

    /// What the venue told since the last look, balances and snapshots left out.
    pub(super) fn told(&mut self) -> Vec<String> {
        self.drain().iter().filter_map(|(_, msg)| line(msg)).collect()
    }

    /// Sends an order and returns what the venue told.
    pub(super) fn sent(&mut self, order: Sent) -> Vec<String> {
        self.send(order);
        self.told()
    }

    /// Queue position of the only live order.
    pub(super) fn queue(&self) -> Option<Qty> {
        self.venue.open_orders().next().expect("a live order").queue
    }
}

pub(super) fn print(at_price: &str, amount: &str, taker: Option<Side>) -> MarketBody {
    MarketBody::Trade { price: price(at_price), qty: qty(amount), taker, trade_id: 0, merged: 0 }
}

pub(super) fn line(msg: &VenueMsg) -> Option<String> {
    assert!(matches!(msg.client, ClientRef::Own(_) | ClientRef::Absent));
    let total = |cum_qty: Maybe<Qty>| cum_qty.get().expect("the venue says it");
    Some(match msg.event {
        VenueEvent::Ack { .. } => String::from("ack"),
        VenueEvent::Reject { reason } => format!("reject {}", reason.as_str()),
        VenueEvent::Fill { qty, price, is_maker, .. } => {
            let role = if is_maker == Some(true) { "maker" } else { "taker" };
            format!("{role} {qty}@{price}")
        }
        VenueEvent::Canceled { cum_qty, .. } => format!("canceled {}", total(cum_qty)),
        VenueEvent::Expired { cum_qty, .. } => format!("expired {}", total(cum_qty)),
        VenueEvent::CancelRejected { reason } => format!("cancel rejected {}", reason.as_str()),
        VenueEvent::OrderStatus { state, cum_qty, avg_price, .. } => {
            let avg = avg_price.get().map_or_else(String::new, |avg| format!(" @{avg}"));
            let cum = cum_qty.get().map_or_else(String::new, |cum| format!(" {cum}"));
            format!("{}{cum}{avg}", state.as_str())
        }
        VenueEvent::Funding { amount, .. } => format!("funding {amount}"),
        _ => return None,
    })
}
