//! Records: what the kernel thread tells the journal, one line of a run's files each.
//!
//! Fields and texts are those of the run directory's promise; text is made by the journal thread.

use crate::id::{ClientId, InstrumentId, TextId, TradeId};
use crate::kernel::stage::{SlotEvent, SlotStage};
use crate::msg::funnel::{FunnelBlock, FunnelRefusal, Tier};
use crate::msg::scan::RankVerdict;
use crate::msg::{Maybe, MaybeFloat, OrderKind, OrderRole, PositionSide, Side, TimeInForce};
use crate::units::{Money, Nanos, Price, Qty, Rate};
use crate::universe::{AdvBucket, Family, Lane};

/// A record with the time it became true. 128 bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub struct RecordMsg {
    /// Time of the turn that made it.
    pub ts_ns: Nanos,
    /// What.
    pub record: Record,
}

crate::text_enum! {
    /// What the policy wants after a scan or a tick.
    pub enum Action {
        /// Open.
        Enter => "enter",
        /// Close.
        Exit => "exit",
        /// Nothing.
        Hold => "hold",
        /// Not to open after all: a planned entry that was not sent.
        Skip => "skip",
    }
}

crate::text_enum! {
    /// Why the policy decided so.
    pub enum DecisionReason {
        /// The regime signal fired.
        Signal => "vel_div",
        /// Take-profit reached.
        TakeProfit => "take_profit",
        /// Stop reached.
        StopLoss => "stop_loss",
        /// Held as long as allowed.
        MaxHold => "max_hold",
        /// The regime turned while in profit.
        RegimeReversal => "regime_reversal",
        /// No usable price for the open slot for too long.
        NoPriceFlatten => "no_price_flatten",
        /// The operator asked to be flat.
        OperatorFlatten => "operator_flatten",
        /// The venue closed the position: the margin was used up.
        Liquidation => "liquidation",
        /// The venue closed the position: auto-deleveraging.
        Adl => "adl",
        /// Somebody else closed the position at the venue.
        ExternalClose => "external_close",
        /// The signal has no value yet or none now.
        NoSignal => "no_signal",
        /// The signal is inside its threshold.
        NoEdge => "no_edge",
        /// Volatility below its gate, or still warming up.
        VolGate => "vol_gate",
        /// Too few assets with a full ranking window.
        PickerCold => "picker_cold",
        /// No asset passed the ranking filters.
        NoCandidate => "no_candidate",
        /// The price moved against the entry within the confirmation window.
        DirectionContradicted => "direction_contradicted",
        /// Too few prices to confirm the direction.
        DirectionWarmup => "direction_warmup",
        /// The posture allows no entry.
        Posture => "posture",
        /// A position is open and no exit condition holds.
        InPosition => "in_position",
        /// An order is working.
        Working => "working",
        /// A guard blocked the entry; an `entry_blocked` line says which.
        Guard => "guard",
        /// The size came out below what the venue accepts.
        SizeTooSmall => "size_too_small",
        /// A filter of the funnel refused the last candidate; its row says which.
        Filtered => "filtered",
        /// The same entry is under way.
        EntryUnderWay => "entry_under_way",
        /// Another entry of the slot is under way.
        SlotEntering => "slot_entering",
        /// As many entries are under way as the router may follow.
        ConcurrencyLimit => "router.concurrency_limit",
        /// The last entry order left too short a time ago.
        MinInterval => "router.min_interval_ms",
        /// Too little is shown in the book for any part of it.
        ImpactCap => "router.impact_cap_ratio",
    }
}

crate::text_enum! {
    /// What became of an order.
    pub enum OrderStatus {
        /// Sent.
        Submitted => "submitted",
        /// The venue has it.
        Acked => "acked",
        /// The venue refused it.
        Rejected => "rejected",
        /// Cancelled.
        Canceled => "canceled",
        /// Expired.
        Expired => "expired",
        /// Filled whole.
        Filled => "filled",
        /// Filled in part, working.
        PartiallyFilled => "partially_filled",
        /// Nobody knows; it is being looked up.
        Unknown => "unknown",
    }
}

crate::text_enum! {
    /// Where a fill's fee comes from.
    pub enum FeeSource {
        /// Predicted from the fee rates.
        Estimated => "estimated",
        /// Said by the venue.
        Settled => "settled",
    }
}

crate::text_enum! {
    /// How far our fees are off the published rate.
    pub enum FeeDeviation {
        /// Below 1 %.
        Ok => "ok",
        /// Below 5 %.
        Warn => "warn",
        /// More, or a single fee was too far off to be believed: the published rate wants a look.
        Error => "error",
    }
}

crate::text_enum! {
    /// Result of comparing our books with the exchange's facts.
    pub enum ReconcileState {
        /// Within a cent.
        Ok => "ok",
        /// Normal for events in flight.
        Warn => "warn",
        /// Unexplained: entries freeze.
        Error => "error",
    }
}

crate::text_enum! {
    /// Why the books were not re-anchored.
    pub enum ReanchorRefusal {
        /// The venue told no wallet yet.
        NoWallet => "no_wallet",
        /// The last balance said zero: that is no anchor.
        ZeroWallet => "zero_wallet",
        /// The wallet is older than `guard.balance_age_ns_max` or than what was booked last.
        StaleWallet => "stale_wallet",
        /// An order is not proved to be over: its fills may be in the wallet and not in the books.
        OrderLive => "order_live",
        /// The difference may be of events on their way; the next balances tell.
        Unconfirmed => "unconfirmed",
        /// A sum left its range.
        OutOfRange => "out_of_range",
    }
}

crate::text_enum! {
    /// Why an entry did not pass.
    pub enum BlockReason {
        /// The slot is not idle.
        SlotBusy => "slot_busy",
        /// No market data for the asset.
        NoPrice => "no_price",
        /// The asset's price is too old.
        StalePrice => "stale_price",
        /// The asset's book has a gap.
        BookGap => "book_gap",
        /// No balance from the venue yet.
        NoBalance => "no_balance",
        /// The balance is too old.
        StaleBalance => "stale_balance",
        /// The balance is zero or negative.
        ZeroBalance => "zero_balance",
        /// No successful position probe yet.
        NoPositionProof => "no_position_proof",
        /// The last position probe is too old.
        StalePositionProof => "stale_position_proof",
        /// The last position probe failed.
        ProbeFailed => "probe_failed",
        /// The venue shows a position.
        VenueNotFlat => "venue_not_flat",
        /// A fill of ours, or one nobody claims, is too recent on this symbol.
        HotWindow => "hot_window",
        /// After a start on what an earlier process left: open orders and positions are not proved yet.
        Recovering => "recovering",
        /// An order's outcome is unknown.
        UnresolvedOrder => "unresolved_order",
        /// The books seem not to agree with the exchange; a second balance has yet to say so.
        Unreconciled => "unreconciled",
        /// The books do not agree with the exchange.
        EntryFrozen => "entry_frozen",
        /// The kill switch is on.
        Killed => "killed",
        /// The journal cannot keep up or cannot be written.
        Journal => "journal",
        /// Size, price or leverage is not usable.
        InvalidIntent => "invalid_intent",
        /// Below the least notional.
        MinNotional => "min_notional",
        /// Not tradable.
        NotTradable => "not_tradable",
        /// A cap on position or order rate.
        Cap => "cap",
    }
}

crate::text_enum! {
    /// What the execution router did.
    pub enum RouterEvent {
        /// Dropped a duplicate.
        Suppress => "suppress",
        /// An order works.
        Working => "working",
        /// Filled at once.
        ImmediateFill => "immediate_fill",
        /// Cancelled.
        Cancel => "cancel",
        /// Filled although its time had run out.
        FillAfterTtl => "fill_after_ttl",
        /// A maker entry was missed.
        EntryMiss => "entry_miss",
        /// Quoted again.
        Requote => "requote",
        /// A new quote was not allowed.
        RequoteBlocked => "requote_blocked",
        /// A maker exit was missed; it leaves by market.
        ExitMarketFallback => "exit_market_fallback",
    }
}

crate::text_enum! {
    /// Place in the decision funnel.
    pub enum FunnelStage {
        /// A filter refused the candidate.
        FilterFail => "filter_fail",
        /// All filters passed.
        PostFilters => "post_filters",
        /// The quality gate.
        QualityGate => "quality_gate",
        /// An entry was planned.
        PlanTrade => "plan_trade",
        /// A position opened.
        TradeOpen => "trade_open",
        /// Part of a position closed.
        TradePartial => "trade_partial",
        /// A position closed.
        TradeClose => "trade_close",
    }
}

crate::text_enum! {
    /// What a funnel stage decided.
    pub enum FunnelDecision {
        /// The candidate goes on.
        CandidatePass => "candidate_pass",
        /// Passed.
        Pass => "pass",
        /// Done.
        Ok => "ok",
        /// Left out.
        Skip => "skip",
        /// Opened.
        Open => "open",
        /// Closed.
        Close => "close",
        /// Failed.
        Fail => "fail",
    }
}

/// The reason of a funnel row: one of the enums that own their texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunnelReason {
    /// None to give.
    None,
    /// A ranking filter.
    Filter(RankVerdict),
    /// A filter of the funnel.
    Funnel(FunnelRefusal),
    /// An entry guard.
    Guard(BlockReason),
    /// The policy.
    Policy(DecisionReason),
}

impl FunnelReason {
    /// The text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Filter(verdict) => verdict.as_str(),
            Self::Funnel(refusal) => refusal.as_str(),
            Self::Guard(reason) => reason.as_str(),
            Self::Policy(reason) => reason.as_str(),
        }
    }

    /// The filter of the funnel that it belongs to.
    #[must_use]
    pub const fn block(self) -> Option<FunnelBlock> {
        match self {
            Self::None => None,
            Self::Filter(_) => Some(FunnelBlock::Raw),
            Self::Funnel(refusal) => Some(refusal.block()),
            Self::Guard(_) | Self::Policy(_) => Some(FunnelBlock::Exec),
        }
    }
}

crate::text_enum! {
    /// Where the entry price of an adopted position comes from.
    pub enum PriceSource {
        /// The venue told it.
        Venue => "venue",
        /// The market at the moment of the adoption.
        Market => "market",
    }
}

crate::text_enum! {
    /// What held the leverage of an entry below the product of its factors.
    pub enum SizeCap {
        /// Nothing.
        None => "none",
        /// `policy.strategy_leverage_max`.
        Strategy => "strategy",
        /// `policy.stalker_leverage_max`.
        Stalker => "stalker",
        /// `policy.liquidation_soft`, moved by regime, order book and calendar.
        LiquidationSoft => "liquidation_soft",
        /// `policy.liquidation_hard`.
        LiquidationHard => "liquidation_hard",
        /// `policy.liquidation_reference` and its buffer: notional over capital.
        SystemLeverage => "system_leverage",
        /// The margin that the venue says can be used, times its leverage for the entry.
        AvailableMargin => "available_margin",
    }
}

/// The factors of a size, in the order in which they were multiplied, and what came of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizing {
    /// Signal strength, 0 to 1.
    pub strength: f64,
    /// Leverage from the convex sizer.
    pub leverage: f64,
    /// Factor of the strength bucket's record.
    pub bucket: f64,
    /// Factor of the losing streak.
    pub streak: f64,
    /// Factor of the regime.
    pub regime: f64,
    /// Factor of the order book.
    pub ob: f64,
    /// Factor of the calendar.
    pub esof: f64,
    /// Factor of the asset's record.
    pub memory: f64,
    /// The product of all of them from `leverage` on, under the caps: the leverage of the quantity.
    pub applied: f64,
    /// Capital of the books, which `applied` and `policy.size_fraction` make the notional of.
    pub capital: Money,
    /// Resulting quantity.
    pub qty: Qty,
    /// The cap that held it, the lowest where several did.
    pub cap: SizeCap,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Record {
    /// The policy decided.
    Decision {
        /// Number of the scan in force.
        scan: u32,
        /// The asset, where one was meant.
        instrument: Option<InstrumentId>,
        /// What.
        action: Action,
        /// Why.
        reason: DecisionReason,
        /// The regime signal.
        vel_div: MaybeFloat,
        /// The size's factors, for an entry.
        sizing: Option<Sizing>,
    },
    /// An order changed.
    Order {
        /// Our identity.
        client: ClientId,
        /// Its round trip.
        trade: TradeId,
        /// The venue's identity; empty until learned.
        venue_id: TextId,
        /// Asset.
        instrument: InstrumentId,
        /// Side.
        side: Side,
        /// Direction of the position.
        position_side: PositionSide,
        /// Type.
        kind: OrderKind,
        /// Time in force.
        tif: TimeInForce,
        /// Reduce-only.
        reduce_only: bool,
        /// Quantity.
        qty: Qty,
        /// Limit price.
        price: Maybe<Price>,
        /// Middle of the market when it left, without a quote the last trade.
        mid: Maybe<Price>,
        /// The venue's leverage that an entry asks for; an exit asks for none.
        leverage: Maybe<Rate>,
        /// State.
        status: OrderStatus,
        /// Reason text of the state; empty when there is none.
        reason: &'static str,
    },
    /// A fill was booked.
    Fill {
        /// Our identity of the order.
        client: ClientId,
        /// Its round trip.
        trade: TradeId,
        /// The venue's identity of the order.
        venue_id: TextId,
        /// The venue's identity of the fill.
        fill_id: TextId,
        /// Asset.
        instrument: InstrumentId,
        /// Side.
        side: Side,
        /// Entry or exit.
        role: OrderRole,
        /// Maker.
        is_maker: bool,
        /// Where the fee comes from.
        fee_source: FeeSource,
        /// Quantity.
        qty: Qty,
        /// Price.
        price: Price,
        /// Fee; positive is a cost.
        fee: Money,
    },
    /// The fee of a fill booked earlier became known; the difference is booked with it.
    FeeSettled {
        /// Our identity of the order.
        client: ClientId,
        /// The round trip of the fill, which may be over.
        trade: TradeId,
        /// The venue's identity of the fill.
        fill_id: TextId,
        /// Asset.
        instrument: InstrumentId,
        /// Fee as it was predicted; positive is a cost.
        estimated: Money,
        /// Fee as the venue says it; positive is a cost.
        fee: Money,
    },
    /// A fill that had been booked at an order's average, because a look-up told it first, came itself at
    /// another value. The difference is booked.
    FillPriced {
        /// Our identity of the order.
        client: ClientId,
        /// The round trip of the fill, which may be over.
        trade: TradeId,
        /// The venue's identity of the fill.
        fill_id: TextId,
        /// Asset.
        instrument: InstrumentId,
        /// Quantity.
        qty: Qty,
        /// Price.
        price: Price,
        /// Value that was booked by the average.
        estimated: Money,
        /// Its own value: price × quantity.
        notional: Money,
    },
    /// Our fees are off the published rate by another class than before. An alert; nothing is blocked.
    FeeRatio {
        /// Fees of fills that made, or of those that took.
        is_maker: bool,
        /// How far.
        state: FeeDeviation,
        /// What predictions are multiplied by.
        ratio: Rate,
        /// The fee that changed the class, over what the published rate says.
        observed: Maybe<Rate>,
        /// Fees that moved the ratio so far.
        taught: u64,
        /// Fees that were too far off to be believed so far.
        refused: u64,
    },
    /// A slot moved.
    Slot {
        /// Which.
        slot: u8,
        /// Its round trip.
        trade: TradeId,
        /// Asset.
        instrument: InstrumentId,
        /// From.
        from: SlotStage,
        /// To.
        to: SlotStage,
        /// Why.
        event: SlotEvent,
    },
    /// A position of the venue's was taken over into a slot. It books nothing: the cost basis is the
    /// entry price told here, and the capital stays.
    Adopted {
        /// Which.
        slot: u8,
        /// The round trip it became.
        trade: TradeId,
        /// Asset.
        instrument: InstrumentId,
        /// Direction.
        side: PositionSide,
        /// Quantity.
        qty: Qty,
        /// Entry price of the cost basis.
        entry_price: Price,
        /// Where that comes from.
        source: PriceSource,
    },
    /// The router acted.
    Router {
        /// What.
        event: RouterEvent,
        /// Round trip; none for a plan that never became one.
        trade: Option<TradeId>,
        /// The round trip of the first quote, for a quote that replaces it.
        base: Option<TradeId>,
        /// Asset.
        instrument: InstrumentId,
        /// Why; empty when there is nothing to add.
        reason: &'static str,
    },
    /// A round trip ended.
    TradeClosed {
        /// Round trip.
        trade: TradeId,
        /// Asset.
        instrument: InstrumentId,
        /// Direction.
        side: PositionSide,
        /// Quantity that went in and out.
        qty: Qty,
        /// VWAP of the entry fills.
        entry_price: Price,
        /// VWAP of the exit fills.
        exit_price: Price,
        /// Before costs.
        gross_pnl: Money,
        /// Fees; positive is a cost.
        fees: Money,
        /// Funding; positive was paid.
        funding: Money,
        /// After costs.
        net_pnl: Money,
        /// Why it closed.
        close_reason: DecisionReason,
        /// From the first entry fill to the last exit fill, nanoseconds; `None` for an adopted position,
        /// whose beginning nobody here saw.
        held_ns: Option<i64>,
    },
    /// The books after a change.
    Account {
        /// Starting capital plus realized, less fees and funding, plus transfers and adjustments.
        capital: Money,
        /// Capital plus unrealized.
        equity: Maybe<Money>,
        /// Margin that can be used, as the venue says.
        available: Maybe<Money>,
        /// Realized so far, before costs.
        realized_pnl: Money,
        /// Unrealized; missing when an open position has no price.
        unrealized_pnl: Maybe<Money>,
        /// Fees so far.
        fees_paid: Money,
        /// Funding so far; positive was paid.
        funding_paid: Money,
        /// Deposits less withdrawals so far.
        transfers: Money,
        /// What re-anchors took over from the venue's wallet so far.
        adjustments: Money,
        /// Deepest fall of the equity below its earlier peak so far.
        max_drawdown: Money,
        /// Our capital less the venue's wallet; missing before the first balance.
        delta: Maybe<Money>,
        /// What predicted fees of fills that take are multiplied by.
        fee_ratio_taker: Rate,
        /// The same of fills that make.
        fee_ratio_maker: Rate,
        /// Open positions.
        open_positions: u16,
        /// Comparison with the venue.
        reconcile: ReconcileState,
        /// Entries are frozen.
        frozen: bool,
    },
    /// The operator had the books take over the venue's wallet: what stood where before, and what was
    /// booked.
    Reanchored {
        /// Our capital before.
        capital_before: Money,
        /// The venue's wallet, which is our capital now.
        wallet: Money,
        /// Capital before less wallet, as it was measured; its negative was booked as an adjustment.
        delta: Money,
        /// Who wanted it.
        reason: &'static str,
    },
    /// A re-anchor was asked for and not done; the books are as they were.
    ReanchorRefused {
        /// Why.
        reason: ReanchorRefusal,
    },
    /// An entry did not pass.
    EntryBlocked {
        /// Asset.
        instrument: InstrumentId,
        /// Why.
        reason: BlockReason,
    },
    /// The minute's summary.
    Summary {
        /// Seconds that the deltas cover.
        window_s: u32,
        /// Round trips closed in the window.
        closed_delta: u32,
        /// Of them with a positive net PnL.
        wins_delta: u32,
        /// Of them with a negative net PnL.
        losses_delta: u32,
        /// Round trips closed since the start.
        total_closed: u32,
        /// Wins since the start.
        total_wins: u32,
        /// Losses since the start.
        total_losses: u32,
        /// Open positions.
        open: u16,
        /// Net PnL of the round trips closed in the window.
        realized_delta: Money,
        /// The same since the start.
        realized_total: Money,
        /// Capital.
        balance: Money,
        /// Equity.
        equity: Maybe<Money>,
        /// Deepest fall of the equity below its earlier peak so far.
        max_drawdown: Money,
    },
    /// A market stream lost messages.
    Gap {
        /// Asset.
        instrument: InstrumentId,
    },
    /// Entries stopped.
    Halt {
        /// Why.
        reason: &'static str,
    },
    /// Entries allowed again.
    Resume {
        /// Why.
        reason: &'static str,
    },
    /// Something that must not happen did.
    Error {
        /// Which invariant or input.
        reason: &'static str,
    },
    /// A settings snapshot came into force; the journal knows its content by the version.
    Settings {
        /// Version of the snapshot.
        version: u32,
    },
    /// A candidate passed or failed a funnel stage (`candidates.jsonl`).
    Candidate {
        /// Number of the scan.
        scan: u32,
        /// Place in the ranking, from 0.
        place: u16,
        /// Asset.
        instrument: InstrumentId,
        /// Direction.
        side: PositionSide,
        /// Where in the funnel.
        stage: FunnelStage,
        /// What.
        decision: FunnelDecision,
        /// Why.
        reason: FunnelReason,
        /// Score, 0 to 100.
        score: f64,
        /// The ranking's own figure, which the score is made from.
        ars: f64,
        /// The regime signal.
        vel_div: Option<f64>,
        /// Lane.
        lane: Lane,
        /// Tier.
        tier: Tier,
        /// Kind of contract.
        family: Family,
        /// Daily notional, in classes; `None` until known.
        adv: Option<AdvBucket>,
        /// Notional of five minutes.
        notional_5m: Maybe<Money>,
        /// Notional at the touch that the entry would take from.
        depth: Maybe<Money>,
    },
    /// A trade was planned, opened or closed (`trade_decisions.jsonl`).
    TradeDecision {
        /// Number of the scan of its signal.
        scan: u32,
        /// Round trip, once there is one.
        trade: Option<TradeId>,
        /// Asset.
        instrument: InstrumentId,
        /// Direction.
        side: PositionSide,
        /// Where in the funnel.
        stage: FunnelStage,
        /// What.
        decision: FunnelDecision,
        /// Why.
        reason: FunnelReason,
        /// Score at the entry, 0 to 100.
        score: f64,
        /// Lane.
        lane: Lane,
        /// Tier.
        tier: Tier,
        /// Expected edge at the entry, in percent of the position size.
        edge_percent: Option<f64>,
        /// Position size.
        position_size: Maybe<Money>,
        /// Result in percent of the position size, for a close.
        pnl_percent: Option<f64>,
        /// Result, for a close.
        pnl: Maybe<Money>,
    },
}
