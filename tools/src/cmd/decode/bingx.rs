//! Frames, answers and errors of `BingX`.

use std::path::Path;

use pinion_core::id::TextId;
use pinion_core::units::{Money, Price, Qty};
use pinion_io::bingx::errors::judge;
use pinion_io::bingx::market::{Bar, Body, Levels, Market, levels_of};
use pinion_io::bingx::rest;
use pinion_io::bingx::user::{Account, AccountUpdate, OrderUpdate};
use pinion_io::bingx::{Decoder, Fault, Frame, Oddities, PONG, Tape};
use serde_json::{Value, json};

use super::{bingx_sequence, ms, taker};
use crate::Failure;

pinion_core::text_enum! {
    /// Kinds that can be decoded.
    pub(super) enum Kind {
        /// Best bid and ask.
        BookTicker => "ws_market.book_ticker",
        /// The top of the book.
        Depth => "ws_market.depth",
        /// Changes of the book.
        IncrDepth => "ws_market.incr_depth",
        /// Prints.
        Trade => "ws_market.trade",
        /// Mark price.
        MarkPrice => "ws_market.mark_price",
        /// Price of the last print.
        LastPrice => "ws_market.last_price",
        /// A bar.
        Kline => "ws_market.kline",
        /// An order event.
        OrderTradeUpdate => "ws_user.order_trade_update",
        /// An order event by its other name.
        TradeUpdate => "ws_user.trade_update",
        /// Balances and positions.
        AccountUpdate => "ws_user.account_update",
        /// Leverage and margin mode.
        AccountConfigUpdate => "ws_user.account_config_update",
        /// The end of a listen key.
        ListenKeyExpired => "ws_user.listen_key_expired",
        /// The answer to a subscription.
        Ack => "ws_control.ack",
        /// The heartbeat.
        Heartbeat => "ws_control.heartbeat",
        /// An error of a socket.
        ErrorWs => "error.ws",
        /// An error of a REST call.
        ErrorRest => "error.rest",
        /// The venue's clock.
        ServerTime => "rest.server_time",
        /// Contracts.
        Contracts => "rest.contracts",
        /// Balances.
        Balance => "rest.balance",
        /// Positions.
        Positions => "rest.positions",
        /// Open orders.
        OpenOrders => "rest.open_orders",
        /// Orders of the past.
        AllOrders => "rest.all_orders",
        /// One order.
        GetOrder => "rest.get_order",
        /// One open order.
        GetOpenOrder => "rest.get_open_order",
        /// Answer to placing.
        PlaceOrder => "rest.place_order",
        /// Answer to cancelling.
        CancelOrder => "rest.cancel_order",
        /// Answer to cancelling all.
        CancelAll => "rest.cancel_all",
        /// Answer to the dead-man timer.
        CancelAllAfter => "rest.cancel_all_after",
        /// Fills by order.
        AllFillOrders => "rest.all_fill_orders",
        /// Fills with their identities.
        FillHistory => "rest.fill_history",
        /// Leverage.
        Leverage => "rest.leverage",
        /// Answer to setting it.
        SetLeverage => "rest.set_leverage",
        /// Margin type.
        MarginType => "rest.margin_type",
        /// Answer to setting it.
        SetMarginType => "rest.set_margin_type",
        /// Position mode.
        PositionMode => "rest.position_mode",
        /// Answer to setting it.
        SetPositionMode => "rest.set_position_mode",
        /// Fee rates.
        CommissionRate => "rest.commission_rate",
        /// A listen key.
        ListenKey => "rest.listen_key",
        /// Funding events in turn.
        SeqFunding => "seq.funding",
        /// A book and its changes in turn.
        SeqIncrDepth => "seq.incr_depth",
        /// Order events, one of them late.
        SeqOutOfOrder => "seq.out_of_order",
        /// Order events that end in a cancel.
        SeqPartialThenCancel => "seq.partial_then_cancel",
        /// Order events with a repeat and a hole.
        SeqPartialThenFilled => "seq.partial_then_filled",
    }
}

/// Reads files of one kind.
pub(super) struct Reader {
    kind: Kind,
    decoder: Decoder,
    tape: Tape,
    oddities: Oddities,
}

impl Reader {
    pub(super) fn new(kind: &str) -> Result<Self, Failure> {
        let full = if kind.contains('.') { kind.to_owned() } else { format!("ws_market.{kind}") };
        let kind = Kind::from_text(&full).ok_or_else(|| {
            let known = Kind::TEXTS.join(", ");
            Failure::usage(format!("--kind {kind}: expected one of {known}"))
        })?;
        let (decoder, tape, oddities) = (Decoder::new(), Tape::new(), Oddities::default());
        Ok(Self { kind, decoder, tape, oddities })
    }

    pub(super) fn decode(&mut self, file: &Path) -> Result<Value, Failure> {
        let path = file.display();
        let fail = |fault: Fault| Failure::error(format!("{path}: {fault}"));
        let group = self.kind.as_str().split('.').next().unwrap_or_default();
        match group {
            "seq" => bingx_sequence::decode(self.kind, &super::read(file)?)
                .map_err(|failure| Failure::error(format!("{path}: {failure}"))),
            "rest" | "error" if self.kind != Kind::ErrorWs => {
                let body = super::read(file)?;
                let reply = rest::open(&mut self.tape, &body).map_err(fail)?;
                super::bingx_answers::answer(self.kind, &reply, &mut self.oddities).map_err(fail)
            }
            _ => {
                let frame = super::read_packed(file)?;
                let frame = self.decoder.decode(&frame).map_err(fail)?;
                normal(self.kind, &frame).ok_or_else(|| {
                    let expected = self.kind.as_str();
                    Failure::error(format!("{path}: found another frame; expected {expected}"))
                })
            }
        }
    }
}

pub(super) fn text(value: Option<impl ToString>) -> Value {
    value.map_or(Value::Null, |value| value.to_string().into())
}

pub(super) fn id(id: &TextId) -> Value {
    if id.is_empty() { Value::Null } else { id.as_str().into() }
}

pub(super) fn word(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

/// A fee as a cost: positive when paid.
pub(super) fn paid(commission: Option<Money>) -> Value {
    text(commission.map(|commission| -commission))
}

fn level(price: Price, qty: Qty) -> Value {
    json!([price.to_string(), qty.to_string()])
}

pub(super) fn pairs(rows: impl Iterator<Item = pinion_core::book::Level>) -> Value {
    rows.map(|row| level(row.price, row.qty)).collect()
}

fn normal(kind: Kind, frame: &Frame<'_>) -> Option<Value> {
    match (kind, frame) {
        (Kind::Heartbeat, Frame::Ping) => Some(json!({ "reply": PONG })),
        (Kind::Ack | Kind::ErrorWs, Frame::Answer(answer)) => Some(json!({
            "id": word(answer.id),
            "code": answer.code,
            "msg": word(answer.msg),
            "class": if answer.code == 0 { Value::Null } else {
                judge(200, Some(answer.code), answer.msg).class.as_str().into()
            },
        })),
        (_, Frame::Market(frame)) => market(kind, frame),
        (_, Frame::Account(frame)) => account(kind, frame),
        (_, Frame::Ping | Frame::PingId { .. } | Frame::Answer(_) | Frame::Unknown) => None,
    }
}

fn market(kind: Kind, frame: &Market<'_>) -> Option<Value> {
    let symbol = frame.symbol;
    let event_time_ms = ms(frame.exchange_ns);
    Some(match (kind, &frame.body) {
        (Kind::BookTicker, Body::BookTicker(ticker)) => json!({
            "symbol": symbol,
            "bid": level(ticker.bid.price, ticker.bid.qty),
            "ask": level(ticker.ask.price, ticker.ask.qty),
            "seq": ticker.update_id,
            "event_time_ms": ms(ticker.sent_ns),
        }),
        (Kind::Depth, Body::Depth(levels)) => json!({
            "best_bid": levels.best_bid().map(|best| level(best.price, best.qty)),
            "best_ask": levels.best_ask().map(|best| level(best.price, best.qty)),
            "levels": [levels.bids.len(), levels.asks.len()],
        }),
        (Kind::IncrDepth, Body::IncrDepth { all, last_update_id, levels }) => json!({
            "symbol": symbol,
            "action": if *all { "all" } else { "update" },
            "seq": last_update_id,
            "event_time_ms": event_time_ms,
            "bids": pairs(levels.bids.iter().copied()),
            "asks": pairs(levels.asks.iter().copied()),
            "messages": message_count(levels),
        }),
        // The newest print stands first on the wire.
        (Kind::Trade, Body::Trades(trades)) => json!({
            "count": trades.len(),
            "first": trades.last().map(|trade| json!({
                "price": trade.price.to_string(),
                "qty": trade.qty.to_string(),
                "taker_side": taker(trade.taker),
                "time_ms": ms(trade.traded_ns),
            })),
        }),
        (Kind::MarkPrice, Body::Mark(price)) => json!({
            "symbol": symbol, "mark": price.to_string(), "event_time_ms": event_time_ms,
        }),
        (Kind::LastPrice, Body::Last(price)) => json!({
            "symbol": symbol, "last": price.to_string(), "event_time_ms": event_time_ms,
        }),
        (Kind::Kline, Body::Bars(bars)) => bar(bars.last()?),
        (_, _) => return None,
    })
}

fn message_count(levels: &Levels) -> usize {
    let mut count = 0;
    levels_of(levels, |_| count += 1);
    count
}

fn bar(bar: &Bar) -> Value {
    json!({
        "open_time_ms": ms(bar.open_ns),
        "o": bar.open.to_string(),
        "h": bar.high.to_string(),
        "l": bar.low.to_string(),
        "c": bar.close.to_string(),
        "v": bar.volume.to_string(),
    })
}

fn account(kind: Kind, frame: &Account<'_>) -> Option<Value> {
    Some(match (kind, frame) {
        (Kind::OrderTradeUpdate | Kind::TradeUpdate, Account::Order(update)) => order_event(update),
        (Kind::AccountUpdate, Account::Update(update)) => account_update(update),
        (Kind::AccountConfigUpdate, Account::Config(config)) => json!({
            "symbol": config.symbol,
            "long_leverage": config.long_leverage,
            "short_leverage": config.short_leverage,
            "margin_mode": word(config.margin_mode),
        }),
        (Kind::ListenKeyExpired, Account::KeyExpired { key }) => json!({ "listen_key": word(key) }),
        (_, _) => return None,
    })
}

fn order_event(update: &OrderUpdate<'_>) -> Value {
    json!({
        "event": update.event,
        "event_time_ms": ms(update.sent_ns),
        "symbol": update.symbol,
        "venue_order_id": id(&update.order_id),
        "client_id": word(update.client_id),
        "side": update.side.map(taker),
        "position_side": update.position_side.map(|side| side.as_str()),
        "type": update.kind.map(|kind| kind.as_str()),
        "qty": text(update.qty),
        "price": text(update.price),
        "avg_price": text(update.avg_price),
        "exec_type": update.execution.map(|execution| execution.as_str()),
        "status": update.state.map(|state| state.as_str()),
        "cum_qty": text(update.cum_qty),
        "last_qty": text(update.last_qty),
        "last_price": text(update.last_price),
        "fee_paid": paid(update.commission),
        "fee_asset": word(update.commission_asset),
        "realised_pnl": text(update.realised),
        "exec_time_ms": ms(update.traded_ns),
        "trade_id": id(&update.trade_id),
        "effective_filled_qty": update.filled().to_string(),
    })
}

fn account_update(update: &AccountUpdate<'_>) -> Value {
    let balances = update.balances().map(|row| {
        json!({
            "asset": row.asset,
            "wallet": text(row.wallet),
            "cross_wallet": text(row.cross_wallet),
            "change": text(row.change),
        })
    });
    let positions = update.positions().map(|row| {
        json!({
            "symbol": row.symbol,
            "position_side": row.side.map(|side| side.as_str()),
            "qty": text(row.qty),
            "entry_price": text(row.entry_price),
            "unrealised": text(row.unrealised),
            "margin_mode": word(row.margin_mode),
            "isolated_wallet": text(row.isolated_wallet),
            "realised": text(row.realised),
        })
    });
    json!({
        "event": "ACCOUNT_UPDATE",
        "event_time_ms": ms(update.sent_ns),
        "reason": update.reason_text,
        "balances": balances.collect::<Value>(),
        "positions": positions.collect::<Value>(),
    })
}
