//! One sample of everything, for the tests of this folder.

use pinion_core::id::{ClientId, InstrumentId, TextId, TradeId};
use pinion_core::instrument::{Instrument, InstrumentTable};
use pinion_core::kernel::stage::{SlotEvent, SlotStage};
use pinion_core::msg::funnel::Tier;
use pinion_core::msg::record::{
    Action, BlockReason, DecisionReason, FeeDeviation, FeeSource, FunnelDecision, FunnelReason,
    FunnelStage, OrderStatus, PriceSource, ReanchorRefusal, ReconcileState, RouterEvent, SizeCap,
    Sizing,
};
use pinion_core::msg::scan::RankVerdict;
use pinion_core::msg::{Maybe, OrderKind, OrderRole, PositionSide, Record, Side, TimeInForce};
use pinion_core::settings::{Layout, Mode};
use pinion_core::units::{Money, Nanos, Price, Qty, Rate};
use pinion_core::universe::{AdvBucket, Family, Lane};

use crate::journal::header::{RunHeader, SettingChange, SettingsVersion};

pub(crate) fn money(text: &str) -> Money {
    text.parse().expect("a decimal")
}

fn text(id: &str) -> TextId {
    TextId::new(id).expect("short")
}

pub(crate) fn header() -> RunHeader {
    let row = |symbol| Instrument {
        symbol: text(symbol),
        tick: "0.0001".parse().expect("a decimal"),
        lot: Qty::ONE,
        min_notional: Money::from_whole(5),
        tradable: true,
        listed_ns: None,
    };
    RunHeader {
        run_id: "20240808T000000Z-sample".into(),
        run_tag: "sample".into(),
        mode: Mode::Paper,
        layout: Layout::Inline,
        seed: 1,
        epoch: 0x66b5_594f,
        started_ns: Nanos::new(1_723_075_200_000_000_001),
        config_version: 1,
        config_hash: "3eda2f06741f1d08".into(),
        starting_capital: Money::from_whole(25_000),
        instruments: InstrumentTable::new(vec![row("BTCUSDT"), row("FETUSDT")]).expect("a table"),
        settings: vec![
            ("exit.max_hold_scans".into(), "250".into()),
            ("signal.scan_ns".into(), "5000000000".into()),
        ],
        data: vec!["../data/\"sample\"".into()],
    }
}

pub(crate) fn settings_version() -> SettingsVersion {
    SettingsVersion {
        version: 2,
        hash_before: "3eda2f06741f1d08".into(),
        hash_after: "0f06741f1d083eda".into(),
        changes: vec![SettingChange {
            key: "exit.max_hold_scans".into(),
            from: "250".into(),
            to: "240".into(),
            reason: "max_hold_share".into(),
            writer: "tuner".into(),
        }],
        settings: vec![
            ("exit.max_hold_scans".into(), "240".into()),
            ("signal.scan_ns".into(), "5000000000".into()),
        ],
    }
}

fn fet() -> InstrumentId {
    InstrumentId::new(1)
}

fn client() -> ClientId {
    ClientId::new(0x66b5_594f, 26)
}

pub(crate) fn slot() -> Record {
    Record::Slot {
        slot: 0,
        trade: TradeId::new(7),
        instrument: fet(),
        from: SlotStage::Idle,
        to: SlotStage::OrderRequested,
        event: SlotEvent::Enter,
    }
}

pub(crate) fn fill() -> Record {
    Record::Fill {
        client: client(),
        trade: TradeId::new(7),
        venue_id: text("9001"),
        fill_id: text("F1"),
        instrument: fet(),
        side: Side::Sell,
        role: OrderRole::Entry,
        is_maker: false,
        fee_source: FeeSource::Settled,
        qty: Qty::from_whole(26_007),
        price: "0.1878".parse().expect("a decimal"),
        fee: money("2.44"),
    }
}

pub(crate) fn account() -> Record {
    Record::Account {
        capital: money("25010.9"),
        equity: Maybe::some(money("25011")),
        available: Maybe::NONE,
        realized_pnl: money("13.3"),
        unrealized_pnl: Maybe::some(money("0.1")),
        fees_paid: money("2.44"),
        funding_paid: money("-0.04"),
        transfers: Money::ZERO,
        adjustments: Money::ZERO,
        max_drawdown: money("1.5"),
        delta: Maybe::NONE,
        fee_ratio_taker: "1.01".parse().expect("a decimal"),
        fee_ratio_maker: Rate::ONE,
        open_positions: 1,
        reconcile: ReconcileState::Ok,
        frozen: false,
    }
}

fn fee_settled() -> Record {
    Record::FeeSettled {
        client: client(),
        trade: TradeId::new(7),
        fill_id: text("F1"),
        instrument: fet(),
        estimated: money("2.4420573"),
        fee: money("2.44"),
    }
}

fn fill_priced() -> Record {
    Record::FillPriced {
        client: client(),
        trade: TradeId::new(7),
        fill_id: text("F1"),
        instrument: fet(),
        qty: "26007".parse().expect("a decimal"),
        price: "0.1878".parse().expect("a decimal"),
        estimated: money("4884.1"),
        notional: money("4884.1146"),
    }
}

fn fee_ratio() -> Record {
    Record::FeeRatio {
        is_maker: false,
        state: FeeDeviation::Warn,
        ratio: "1.012".parse().expect("a decimal"),
        observed: Maybe::some("1.12".parse().expect("a decimal")),
        taught: 1,
        refused: 0,
    }
}

pub(crate) fn order() -> Record {
    Record::Order {
        client: client(),
        trade: TradeId::new(7),
        venue_id: TextId::EMPTY,
        instrument: fet(),
        side: Side::Sell,
        position_side: PositionSide::Short,
        kind: OrderKind::Market,
        tif: TimeInForce::Ioc,
        reduce_only: false,
        qty: Qty::from_whole(26_007),
        price: Maybe::NONE,
        mid: Maybe::some("0.188".parse().expect("a decimal")),
        leverage: Maybe::some(Rate::from_whole(3)),
        status: OrderStatus::Submitted,
        reason: "",
    }
}

fn closed() -> Record {
    Record::TradeClosed {
        trade: TradeId::new(7),
        instrument: fet(),
        side: PositionSide::Short,
        qty: Qty::from_whole(26_007),
        entry_price: "0.1878".parse().expect("a decimal"),
        exit_price: Price::from_raw(18_730_000),
        gross_pnl: money("13.3"),
        fees: money("2.44"),
        funding: money("-0.04"),
        net_pnl: money("10.9"),
        close_reason: DecisionReason::TakeProfit,
        held_ns: Some(61_000_000_000),
    }
}

fn adopted() -> Record {
    Record::Adopted {
        slot: 1,
        trade: TradeId::new(8),
        instrument: fet(),
        side: PositionSide::Short,
        qty: Qty::from_whole(26_007),
        entry_price: Price::from_raw(18_780_000),
        source: PriceSource::Venue,
    }
}

fn minute() -> Record {
    Record::Summary {
        window_s: 60,
        closed_delta: 1,
        wins_delta: 1,
        losses_delta: 0,
        total_closed: 3,
        total_wins: 1,
        total_losses: 2,
        open: 0,
        realized_delta: money("10.9"),
        realized_total: money("-1"),
        balance: money("24999"),
        equity: Maybe::NONE,
        max_drawdown: money("2"),
    }
}

fn candidate() -> Record {
    Record::Candidate {
        scan: 311,
        place: 2,
        instrument: fet(),
        side: PositionSide::Short,
        stage: FunnelStage::FilterFail,
        decision: FunnelDecision::Skip,
        reason: FunnelReason::Filter(RankVerdict::Noise),
        score: 86.5,
        ars: 1.25,
        vel_div: Some(-0.031),
        lane: Lane::Momentum,
        tier: Tier::A,
        family: Family::Linear,
        adv: Some(AdvBucket::Mid),
        notional_5m: Maybe::some(money("181000.5")),
        depth: Maybe::NONE,
    }
}

fn trade_decision() -> Record {
    Record::TradeDecision {
        scan: 311,
        trade: Some(TradeId::new(7)),
        instrument: fet(),
        side: PositionSide::Short,
        stage: FunnelStage::TradeClose,
        decision: FunnelDecision::Close,
        reason: FunnelReason::Policy(DecisionReason::TakeProfit),
        score: 86.5,
        lane: Lane::Momentum,
        tier: Tier::A,
        edge_percent: Some(0.31),
        position_size: Maybe::some(money("4884.1146")),
        pnl_percent: Some(0.22),
        pnl: Maybe::some(money("10.9")),
    }
}

/// One of every kind of record that makes a line.
pub(crate) fn records() -> Vec<Record> {
    vec![
        Record::Decision {
            scan: 311,
            instrument: Some(fet()),
            action: Action::Enter,
            reason: DecisionReason::Signal,
            vel_div: Some(-0.031).into(),
            sizing: Some(Sizing {
                strength: 0.5,
                leverage: 3.25,
                bucket: 1.0,
                streak: 0.9,
                regime: 1.25,
                ob: 1.1,
                esof: 0.5,
                memory: 0.78,
                applied: 1.5,
                capital: money("25000"),
                qty: Qty::from_whole(26_007),
                cap: SizeCap::None,
            }),
        },
        candidate(),
        order(),
        slot(),
        fill(),
        account(),
        Record::Router {
            event: RouterEvent::Working,
            trade: Some(TradeId::new(7)),
            base: None,
            instrument: fet(),
            reason: "",
        },
        closed(),
        trade_decision(),
        Record::EntryBlocked { instrument: fet(), reason: BlockReason::HotWindow },
        minute(),
        Record::Gap { instrument: fet() },
        Record::Halt { reason: "kill" },
        Record::Resume { reason: "operator" },
        Record::Error { reason: "records_lost" },
        Record::Settings { version: 2 },
        fee_settled(),
        fill_priced(),
        adopted(),
        fee_ratio(),
        Record::Reanchored {
            capital_before: money("25010.9"),
            wallet: money("25000"),
            delta: money("10.9"),
            reason: "operator",
        },
        Record::ReanchorRefused { reason: ReanchorRefusal::OrderLive },
    ]
}
