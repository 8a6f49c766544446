//! The fields of every record, as the run directory promises them.
//!
//! Key order is fixed. Money, prices and quantities are exact decimal strings; signal values are JSON
//! numbers in their shortest exact form; what is missing is null. In a `fill`, `trade_closed` and
//! `account` a positive `fee`, `fees`, `fees_paid`, `funding` or `funding_paid` is a cost.

use std::fmt;

use pinion_core::id::{InstrumentId, TradeId};
use pinion_core::instrument::InstrumentTable;
use pinion_core::msg::Record;
use pinion_core::msg::funnel::FunnelBlock;
use pinion_core::msg::record::{FunnelReason, Sizing};
use pinion_core::policy::edge;
use pinion_core::universe::AdvBucket;

use crate::journal::header::SettingsVersion;
use crate::journal::json::Object;

/// The text of a round trip's identity: `<ASSET>-T-<12 digits>`.
#[derive(Clone, Copy, Debug)]
pub struct TradeText<'a> {
    /// Symbol of its asset.
    pub symbol: &'a str,
    /// Its number.
    pub trade: TradeId,
}

impl fmt::Display for TradeText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-T-{:012}", self.symbol, self.trade.seq())
    }
}

/// What a line needs beside its record.
pub(super) struct Context<'a> {
    pub(super) instruments: &'a InstrumentTable,
    /// Content of the version that a settings record names; `None` when nobody announced it.
    pub(super) settings: Option<&'a SettingsVersion>,
    /// Longest time that a position is held, in seconds, by the settings in force.
    pub(super) max_hold_seconds: Option<f64>,
}

impl<'a> Context<'a> {
    fn symbol(&self, id: InstrumentId) -> &'a str {
        if id.index() < self.instruments.len() { self.instruments.symbol(id) } else { "" }
    }

    fn asset(&self, object: &mut Object, id: InstrumentId) {
        object.text("asset", self.symbol(id));
    }

    fn trade(&self, object: &mut Object, id: InstrumentId, trade: TradeId) {
        self.round_trip(object, "trade_id", id, trade);
    }

    fn round_trip(
        &self,
        object: &mut Object,
        name: &'static str,
        id: InstrumentId,
        trade: TradeId,
    ) {
        // A symbol is printable ASCII, but may hold what JSON escapes.
        let symbol = self.symbol(id);
        if symbol.contains(['"', '\\']) {
            object.text(name, &TradeText { symbol, trade }.to_string());
        } else {
            object.display(name, TradeText { symbol, trade });
        }
    }
}

/// Where a record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A line of the session log, of this kind.
    Session(&'static str),
    /// A row of the candidates.
    Candidates,
    /// A row of the trade decisions.
    TradeDecisions,
}

/// Where a record is written.
pub(super) const fn place(record: &Record) -> Place {
    Place::Session(match record {
        Record::Decision { .. } => "decision",
        Record::Order { .. } => "order",
        Record::Fill { .. } => "fill",
        Record::Slot { .. } => "slot",
        Record::Adopted { .. } => "adopted",
        Record::Router { .. } => "router",
        Record::TradeClosed { .. } => "trade_closed",
        Record::Account { .. } => "account",
        Record::EntryBlocked { .. } => "entry_blocked",
        Record::Summary { .. } => "summary",
        Record::Gap { .. } => "gap",
        Record::Halt { .. } => "halt",
        Record::Resume { .. } => "resume",
        Record::Error { .. } => "error",
        Record::Settings { .. } => "settings",
        Record::FeeSettled { .. } => "fee_settled",
        Record::FillPriced { .. } => "fill_priced",
        Record::FeeRatio { .. } => "fee_ratio",
        Record::Reanchored { .. } => "reanchor",
        Record::ReanchorRefused { .. } => "reanchor_refused",
        Record::Candidate { .. } => return Place::Candidates,
        Record::TradeDecision { .. } => return Place::TradeDecisions,
    })
}

/// The fields of a record after the head of its line.
pub(super) fn fields(object: &mut Object, context: &Context<'_>, record: &Record) {
    match *record {
        Record::Decision { scan, instrument, action, reason, vel_div, sizing } => {
            object.integer("scan", scan);
            match instrument {
                Some(id) => context.asset(object, id),
                None => object.null("asset"),
            }
            object.text("action", action.as_str());
            object.text("reason", reason.as_str());
            object.maybe_float("vel_div", vel_div.get());
            if let Some(sizing) = sizing {
                object.object("sizing", |inner| sizing_fields(inner, &sizing));
            }
        }
        Record::Order { .. } => order_fields(object, context, record),
        Record::Fill { .. } => fill_fields(object, context, record),
        Record::FeeSettled { client, trade, fill_id, instrument, estimated, fee } => {
            context.trade(object, instrument, trade);
            object.display("client_order_id", client);
            object.text_or_null("fill_id", fill_id.as_str());
            context.asset(object, instrument);
            object.decimal("estimated", estimated);
            object.decimal("fee", fee);
        }
        Record::FillPriced { .. } => repriced_fields(object, context, record),
        Record::FeeRatio { is_maker, state, ratio, observed, taught, refused } => {
            object.text("liquidity", if is_maker { "maker" } else { "taker" });
            object.text("state", state.as_str());
            object.decimal("ratio", ratio);
            object.maybe("observed", observed);
            object.integer("taught", taught);
            object.integer("refused", refused);
        }
        Record::Reanchored { capital_before, wallet, delta, reason } => {
            object.decimal("capital_before", capital_before);
            object.decimal("wallet", wallet);
            object.decimal("delta", delta);
            object.text("reason", reason);
        }
        Record::ReanchorRefused { reason } => object.text("reason", reason.as_str()),
        Record::Slot { slot, trade, instrument, from, to, event } => {
            object.integer("slot_id", slot);
            context.trade(object, instrument, trade);
            context.asset(object, instrument);
            object.text("from", from.as_str());
            object.text("to", to.as_str());
            object.text("event", event.as_str());
        }
        Record::Adopted { slot, trade, instrument, side, qty, entry_price, source } => {
            object.integer("slot_id", slot);
            context.trade(object, instrument, trade);
            context.asset(object, instrument);
            object.text("side", side.as_str());
            object.decimal("qty", qty);
            object.decimal("entry_price", entry_price);
            object.text("entry_price_source", source.as_str());
        }
        Record::Router { event, trade, base, instrument, reason } => {
            object.text("event", event.as_str());
            match trade {
                Some(trade) => context.trade(object, instrument, trade),
                None => object.null("trade_id"),
            }
            if let Some(base) = base {
                context.round_trip(object, "base_trade_id", instrument, base);
            }
            context.asset(object, instrument);
            object.text_or_null("reason", reason);
        }
        Record::TradeClosed { .. } => closed_fields(object, context, record),
        Record::Account { .. } => account_fields(object, record),
        Record::EntryBlocked { instrument, reason } => {
            context.asset(object, instrument);
            object.text("reason", reason.as_str());
        }
        Record::Summary { .. } => summary_fields(object, record),
        Record::Gap { instrument } => {
            object.text("stream", context.symbol(instrument));
            context.asset(object, instrument);
        }
        Record::Halt { reason } | Record::Resume { reason } | Record::Error { reason } => {
            object.text("reason", reason);
        }
        Record::Settings { version } => settings_fields(object, context, version),
        Record::Candidate { .. } => candidate_fields(object, context, record),
        Record::TradeDecision { .. } => trade_decision_fields(object, context, record),
    }
}

fn repriced_fields(object: &mut Object, context: &Context<'_>, record: &Record) {
    let Record::FillPriced { client, trade, fill_id, instrument, qty, price, estimated, notional } =
        *record
    else {
        return;
    };
    context.trade(object, instrument, trade);
    object.display("client_order_id", client);
    object.text_or_null("fill_id", fill_id.as_str());
    context.asset(object, instrument);
    object.decimal("qty", qty);
    object.decimal("price", price);
    object.decimal("estimated", estimated);
    object.decimal("notional", notional);
}

fn sizing_fields(object: &mut Object, sizing: &Sizing) {
    object.float("strength", sizing.strength);
    object.float("leverage", sizing.leverage);
    object.float("bucket", sizing.bucket);
    object.float("streak", sizing.streak);
    object.float("regime", sizing.regime);
    object.float("ob", sizing.ob);
    object.float("esof", sizing.esof);
    object.float("memory", sizing.memory);
    object.float("applied", sizing.applied);
    object.text("cap", sizing.cap.as_str());
    object.decimal("capital", sizing.capital);
    object.decimal("qty", sizing.qty);
}

fn order_fields(object: &mut Object, context: &Context<'_>, record: &Record) {
    let Record::Order {
        client,
        trade,
        venue_id,
        instrument,
        side,
        position_side,
        kind,
        tif,
        reduce_only,
        qty,
        price,
        mid,
        leverage,
        status,
        reason,
    } = *record
    else {
        return;
    };
    context.trade(object, instrument, trade);
    object.display("client_order_id", client);
    object.text_or_null("venue_order_id", venue_id.as_str());
    context.asset(object, instrument);
    object.text("side", side.as_str());
    object.text("position_side", position_side.as_str());
    object.text("type", kind.as_str());
    object.text("tif", tif.as_str());
    object.decimal("qty", qty);
    object.maybe("price", price);
    object.maybe("mid", mid);
    object.flag("reduce_only", reduce_only);
    if let Some(leverage) = leverage.get() {
        object.decimal("leverage", leverage);
    }
    object.text("status", status.as_str());
    object.text_or_null("reason", reason);
}

fn fill_fields(object: &mut Object, context: &Context<'_>, record: &Record) {
    let Record::Fill {
        client,
        trade,
        venue_id,
        fill_id,
        instrument,
        side,
        role,
        is_maker,
        fee_source,
        qty,
        price,
        fee,
    } = *record
    else {
        return;
    };
    context.trade(object, instrument, trade);
    object.display("client_order_id", client);
    object.text_or_null("venue_order_id", venue_id.as_str());
    object.text_or_null("fill_id", fill_id.as_str());
    context.asset(object, instrument);
    object.text("side", side.as_str());
    object.decimal("qty", qty);
    object.decimal("price", price);
    object.decimal("fee", fee);
    object.text("fee_source", fee_source.as_str());
    object.flag("is_maker", is_maker);
    object.text("role", role.as_str());
}

fn closed_fields(object: &mut Object, context: &Context<'_>, record: &Record) {
    let Record::TradeClosed {
        trade,
        instrument,
        side,
        qty,
        entry_price,
        exit_price,
        gross_pnl,
        fees,
        funding,
        net_pnl,
        close_reason,
        held_ns,
    } = *record
    else {
        return;
    };
    context.trade(object, instrument, trade);
    context.asset(object, instrument);
    object.text("side", side.as_str());
    object.decimal("qty", qty);
    object.decimal("entry_price", entry_price);
    object.decimal("exit_price", exit_price);
    object.decimal("gross_pnl", gross_pnl);
    object.decimal("fees", fees);
    object.decimal("funding", funding);
    object.decimal("net_pnl", net_pnl);
    object.text("close_reason", close_reason.as_str());
    match held_ns {
        Some(held) => object.integer("held_ns", held),
        None => object.null("held_ns"),
    }
}

/// The books; also a member of the snapshot.
pub(super) fn account_fields(object: &mut Object, record: &Record) {
    let Record::Account {
        capital,
        equity,
        available,
        realized_pnl,
        unrealized_pnl,
        fees_paid,
        funding_paid,
        transfers,
        adjustments,
        max_drawdown,
        delta,
        fee_ratio_taker,
        fee_ratio_maker,
        open_positions,
        reconcile,
        frozen,
    } = *record
    else {
        return;
    };
    object.decimal("capital", capital);
    object.maybe("equity", equity);
    object.maybe("available", available);
    object.decimal("realized_pnl", realized_pnl);
    object.maybe("unrealized_pnl", unrealized_pnl);
    object.decimal("fees_paid", fees_paid);
    object.decimal("funding_paid", funding_paid);
    object.decimal("transfers", transfers);
    object.decimal("adjustments", adjustments);
    object.decimal("max_drawdown", max_drawdown);
    object.integer("open_positions", open_positions);
    object.text("reconcile", reconcile.as_str());
    object.maybe("delta", delta);
    object.flag("frozen", frozen);
    object.decimal("fee_ratio_taker", fee_ratio_taker);
    object.decimal("fee_ratio_maker", fee_ratio_maker);
}

fn summary_fields(object: &mut Object, record: &Record) {
    let Record::Summary {
        window_s,
        closed_delta,
        wins_delta,
        losses_delta,
        total_closed,
        total_wins,
        total_losses,
        open,
        realized_delta,
        realized_total,
        balance,
        equity,
        max_drawdown,
    } = *record
    else {
        return;
    };
    object.integer("window_s", window_s);
    object.integer("closed_delta", closed_delta);
    object.integer("wins_delta", wins_delta);
    object.integer("losses_delta", losses_delta);
    object.decimal("realized_delta", realized_delta);
    object.integer("total_closed", total_closed);
    // Percent of the round trips that won or lost; null before the first.
    let decided = total_wins.saturating_add(total_losses);
    let winrate = (decided > 0).then(|| 100.0 * f64::from(total_wins) / f64::from(decided));
    object.maybe_float("winrate_total", winrate);
    object.decimal("realized_total", realized_total);
    object.decimal("balance", balance);
    object.maybe("equity", equity);
    object.decimal("max_drawdown", max_drawdown);
    object.integer("open", open);
    object.integer("total_wins", total_wins);
    object.integer("total_losses", total_losses);
}

fn settings_fields(object: &mut Object, context: &Context<'_>, version: u32) {
    object.integer("version", version);
    let content = context.settings;
    object.text_or_null("hash_before", content.map_or("", |content| &content.hash_before));
    object.text_or_null("hash_after", content.map_or("", |content| &content.hash_after));
    let changes = content.map_or(&[][..], |content| &content.changes);
    object.list("changes", changes, |row, change| {
        row.text("key", &change.key);
        row.text("from", &change.from);
        row.text("to", &change.to);
        row.text("reason", &change.reason);
        row.text("writer", &change.writer);
    });
}

/// The channel of every candidate: there is one signal.
const CHANNEL: &str = "regime";

fn candidate_fields(object: &mut Object, context: &Context<'_>, record: &Record) {
    let Record::Candidate {
        scan,
        place,
        instrument,
        side,
        stage,
        decision,
        reason,
        score,
        ars,
        vel_div,
        lane,
        tier,
        family,
        adv,
        notional_5m,
        depth,
    } = *record
    else {
        return;
    };
    object.text("decision_stage", stage.as_str());
    object.text("decision", decision.as_str());
    funnel_reason(object, reason);
    let symbol = context.symbol(instrument);
    object.text("symbol", symbol);
    object.text("candidate_id", &format!("{scan}:{symbol}:{}", side.as_str()));
    object.float("score", score);
    object.text("entry_tier", tier.as_str());
    object.text("entry_channel", CHANNEL);
    object.text("lane", lane.as_str());
    object.text("side", side.as_str());
    object.maybe_float("vel_div", vel_div);
    object.integer("scan", scan);
    object.integer("place", place);
    object.float("ars", ars);
    object.text("family", family.as_str());
    object.text_or_null("adv_bucket", adv.map_or("", AdvBucket::as_str));
    object.maybe("volume_5m_usd", notional_5m);
    object.maybe("depth_usd", depth);
}

fn trade_decision_fields(object: &mut Object, context: &Context<'_>, record: &Record) {
    let Record::TradeDecision {
        scan,
        trade,
        instrument,
        side,
        stage,
        decision,
        reason,
        score,
        lane,
        tier,
        edge_percent,
        position_size,
        pnl_percent,
        pnl,
    } = *record
    else {
        return;
    };
    object.text("decision_stage", stage.as_str());
    object.text("decision", decision.as_str());
    funnel_reason(object, reason);
    let symbol = context.symbol(instrument);
    object.text("symbol", symbol);
    object.text("candidate_id", &format!("{scan}:{symbol}:{}", side.as_str()));
    match trade {
        Some(trade) => context.trade(object, instrument, trade),
        None => object.null("trade_id"),
    }
    object.float("score", score);
    object.text("entry_tier", tier.as_str());
    object.text("entry_channel", CHANNEL);
    object.text("lane", lane.as_str());
    object.text("side", side.as_str());
    object.maybe("position_size_usd", position_size);
    object.maybe_float("expected_edge_percent", edge_percent);
    let edge_usd = edge_percent.zip(position_size.get());
    let edge_usd = edge_usd.map(|(percent, size)| edge::in_money(percent, size));
    object.maybe_float("expected_edge_usd", edge_usd);
    object.maybe_float("max_hold_seconds", context.max_hold_seconds);
    object.maybe_float("pnl_percent", pnl_percent);
    object.maybe("pnl_usd", pnl);
    object.integer("scan", scan);
}

fn funnel_reason(object: &mut Object, reason: FunnelReason) {
    object.text_or_null("reason", reason.as_str());
    object.text_or_null("block", reason.block().map_or("", FunnelBlock::as_str));
}
