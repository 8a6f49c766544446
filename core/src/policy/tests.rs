//! The base policy through the engine: what a scan or a tick makes it do, and what holds it back.

mod funnel;
mod sizing;

use std::vec::Vec;

use super::*;
use crate::engine::Engine;
use crate::id::{ClientId, TextId};
use crate::instrument::Instrument;
use crate::kernel::Effects;
use crate::msg::record::BlockReason;
use crate::msg::scan::RankVerdict;
use crate::msg::{
    ClientRef, Command, CommandMsg, Control, ControlMsg, Input, MarketBody, OrderKind,
    PositionSide, ScanMsg, VenueEvent, VenueMsg,
};
use crate::settings::{Settings, Sides};
use crate::units::{Money, Nanos, Qty};

const FET: usize = 0;
const SOL: usize = 1;
/// Scans of these tests are five seconds apart.
const SCAN_NS: i64 = 5 * Nanos::SECOND;

struct Rig {
    engine: Engine,
    now: Nanos,
    scan: u32,
    out: Effects,
    records: Vec<Record>,
    commands: Vec<CommandMsg>,
    orders: u64,
    fills: u64,
}

fn price(text: &str) -> Price {
    text.parse().expect("a price")
}

impl Rig {
    /// A warm engine: fresh quotes, enough ticks to confirm a direction, a balance, a flat position proof.
    fn new(settings: Settings) -> Self {
        let row = |symbol: &str, tick: &str, lot: &str| Instrument {
            symbol: TextId::new(symbol).expect("fits"),
            tick: price(tick),
            lot: lot.parse().expect("a lot"),
            min_notional: Money::from_whole(5),
            tradable: true,
            listed_ns: None,
        };
        let rows = [row("FETUSDT", "0.0001", "1"), row("SOLUSDT", "0.01", "0.1")];
        let table = Arc::new(InstrumentTable::new(rows.into()).expect("a table"));
        let mut rig = Self {
            engine: Engine::new(Arc::new(settings), table, 7),
            now: Nanos::new(1_000 * Nanos::SECOND),
            scan: 0,
            out: Effects::default(),
            records: Vec::new(),
            commands: Vec::new(),
            orders: 0,
            fills: 0,
        };
        for _ in 0..8 {
            rig.quote(FET, "0.2000", "0.2001");
            rig.quote(SOL, "150.00", "150.01");
        }
        rig.probe();
        rig
    }

    fn turn(&mut self, input: &Input) {
        self.engine.turn(self.now, input, &mut self.out);
        assert_eq!(self.out.records_lost, 0);
        self.records.extend(self.out.records.iter().map(|message| message.record));
        // Probes are the engine's own; these tests are about orders.
        let asks = |message: &&CommandMsg| matches!(message.command, Command::Probe { .. });
        self.commands.extend(self.out.commands.iter().filter(|message| !asks(message)).copied());
        let places =
            self.out.commands.iter().filter(|c| matches!(c.command, Command::Place { .. }));
        self.orders += places.count() as u64;
    }

    fn quote(&mut self, instrument: usize, bid: &str, ask: &str) {
        let body = MarketBody::Quote {
            bid: price(bid),
            ask: price(ask),
            bid_qty: Some(Qty::ONE),
            ask_qty: Some(Qty::ONE),
        };
        let id = InstrumentId::new(instrument);
        self.turn(&Input::Market(MarketMsg::from_body(id, self.now, None, body)));
    }

    fn venue(&mut self, client: ClientRef, instrument: Option<InstrumentId>, event: VenueEvent) {
        let message =
            VenueMsg { ts_exch_ns: Maybe::NONE, ts_recv_ns: self.now, client, instrument, event };
        self.turn(&Input::Venue(message));
    }

    /// A balance that agrees with the books, 25,000 of it available, and a flat position snapshot.
    fn probe(&mut self) {
        let money = |whole| Maybe::some(Money::from_whole(whole));
        let event = VenueEvent::Balance {
            wallet: Maybe::some(self.engine.kernel().ledger().capital()),
            available: money(25_000),
            used: money(0),
            maint: money(0),
        };
        self.venue(ClientRef::Absent, None, event);
        let revision = self.orders + self.fills;
        let event = VenueEvent::PositionsEnd { ok: true, rows: 0, revision };
        self.venue(ClientRef::Absent, None, event);
    }

    /// A scan in which FET passes and is best and SOL fails on noise.
    fn scan(&mut self, vel_div: Option<f64>, change: impl FnOnce(&mut Scan)) {
        self.scan += 1;
        for (place, verdict) in [RankVerdict::Pass, RankVerdict::Noise].into_iter().enumerate() {
            for direction in [PositionSide::Short, PositionSide::Long] {
                let rank = Rank {
                    number: self.scan,
                    place: u16::try_from(place).expect("small"),
                    instrument: InstrumentId::new(place),
                    direction,
                    verdict,
                    latency: 3,
                    efficiency: 2.0,
                    alignment: 0.6,
                    noise_ppm: 200.0,
                    ars: 1.25,
                };
                self.turn(&Input::Scan(ScanMsg::Rank(rank)));
            }
        }
        let mut scan = Scan {
            ts_ns: self.now,
            number: self.scan,
            active: 2,
            ranked: 4,
            vel_div,
            velocity_50: vel_div,
            velocity_750: Some(0.0),
            vol: Some(0.001),
            vol_ok: true,
            picker_warm: true,
        };
        change(&mut scan);
        self.turn(&Input::Scan(ScanMsg::Scan(scan)));
    }

    fn pass(&mut self, ns: i64) {
        self.now = self.now.plus(ns);
    }

    /// The order that was sent last.
    fn last_order(&self) -> (ClientId, Qty, bool) {
        let found = self.commands.iter().rev().find_map(|message| match message.command {
            Command::Place { client, qty, reduce_only, .. } => Some((client, qty, reduce_only)),
            Command::Cancel { .. } | Command::Query { .. } | Command::Probe { .. } => None,
        });
        found.expect("an order was sent")
    }

    /// Fills the last order whole at a price.
    fn fill(&mut self, at: &str) {
        let (client, qty, _) = self.last_order();
        self.fills += 1;
        let venue_id = TextId::from_number(u64::from(client.seq()));
        let event = VenueEvent::Fill {
            venue_id,
            fill_id: TextId::from_number(self.fills),
            qty,
            price: price(at),
            fee: Maybe::some(Money::ZERO),
            cum_qty: Maybe::some(qty),
            side: None,
            is_maker: Some(false),
        };
        self.venue(ClientRef::Own(client), Some(InstrumentId::new(FET)), event);
    }

    /// A short of FET, entered at 0.2000 on scan 1.
    fn short() -> Self {
        Self::short_with(Settings::default())
    }

    fn short_with(settings: Settings) -> Self {
        let mut rig = Self::new(settings);
        rig.scan(Some(-0.03), |_| {});
        rig.fill("0.2000");
        assert!(rig.engine.kernel().slot(0).is_open());
        rig
    }

    fn last_decision(&self) -> (Action, DecisionReason) {
        let found = self.records.iter().rev().find_map(|record| match record {
            Record::Decision { action, reason, .. } => Some((*action, *reason)),
            _ => None,
        });
        found.expect("a decision was recorded")
    }

    fn funnel(&self) -> Vec<(FunnelStage, FunnelDecision, &'static str)> {
        let row = |record: &Record| match record {
            Record::Candidate { stage, decision, reason, .. }
            | Record::TradeDecision { stage, decision, reason, .. } => {
                Some((*stage, *decision, reason.as_str()))
            }
            _ => None,
        };
        self.records.iter().filter_map(row).collect()
    }
}

fn hold(reason: DecisionReason) -> (Action, DecisionReason) {
    (Action::Hold, reason)
}

#[test]
fn a_signal_opens_a_short_on_the_best_asset_with_the_sizers_quantity() {
    let mut rig = Rig::new(Settings::default());
    rig.scan(Some(-0.03), |_| {});
    assert_eq!(rig.last_decision(), (Action::Enter, DecisionReason::Signal));
    let [message] = rig.commands.as_slice() else { panic!("{:?}", rig.commands) };
    let Command::Place { instrument, side, qty, reduce_only, kind, price, .. } = message.command
    else {
        panic!("{message:?}")
    };
    assert_eq!((instrument.index(), side, reduce_only), (FET, Side::Sell, false));
    assert_eq!((kind, price), (OrderKind::Market, Maybe::NONE));
    // 25,000 × 0.2 × 0.7777… (strength ⅓, max 8) ÷ 0.2000 = 19,444.4…
    assert_eq!(qty, Qty::from_whole(19_444));
    use FunnelDecision::{CandidatePass, Ok, Pass, Skip};
    assert_eq!(
        rig.funnel(),
        [
            (FunnelStage::PostFilters, CandidatePass, ""),
            (FunnelStage::FilterFail, Skip, "noise_high"),
            (FunnelStage::QualityGate, Pass, ""),
            (FunnelStage::PlanTrade, Ok, "vel_div"),
        ]
    );
}

#[test]
fn every_gate_holds_the_entry_back_with_its_own_reason() {
    type Change = fn(&mut Scan);
    let cases: [(Option<f64>, Change, DecisionReason); 6] = [
        (None, |_| {}, DecisionReason::NoSignal),
        (Some(-0.02), |_| {}, DecisionReason::NoEdge),
        (Some(0.05), |_| {}, DecisionReason::NoEdge),
        (Some(-0.03), |scan| scan.vol_ok = false, DecisionReason::VolGate),
        (Some(-0.03), |scan| scan.picker_warm = false, DecisionReason::PickerCold),
        // The rank rows belong to another scan: nothing is known of this one.
        (Some(-0.03), |scan| scan.number += 1, DecisionReason::NoCandidate),
    ];
    for (vel_div, change, reason) in cases {
        let mut rig = Rig::new(Settings::default());
        rig.scan(vel_div, change);
        assert_eq!(rig.last_decision(), hold(reason));
        assert!(rig.commands.is_empty(), "{reason:?}");
    }
}

#[test]
fn a_rise_within_the_last_ticks_contradicts_a_short() {
    let mut rig = Rig::new(Settings::default());
    rig.quote(FET, "0.2001", "0.2002");
    rig.scan(Some(-0.03), |_| {});
    assert_eq!(rig.last_decision(), hold(DecisionReason::DirectionContradicted));
    for _ in 0..7 {
        rig.quote(FET, "0.2001", "0.2002");
    }
    rig.scan(Some(-0.03), |_| {});
    assert_eq!(rig.last_decision(), (Action::Enter, DecisionReason::Signal));
}

#[test]
fn postures_forbid_entries_or_cap_them() {
    for posture in [Posture::Turtle, Posture::Hibernate] {
        let settings = Settings { policy_posture: posture, ..Settings::default() };
        let mut rig = Rig::new(settings);
        rig.scan(Some(-0.03), |_| {});
        assert_eq!(rig.last_decision(), hold(DecisionReason::Posture), "{posture:?}");
    }
    let settings = Settings { policy_posture: Posture::Stalker, ..Settings::default() };
    let mut rig = Rig::new(settings);
    rig.scan(Some(-0.06), |_| {});
    // 25,000 × 0.2 × 2 ÷ 0.2000.
    assert_eq!(rig.last_order().1, Qty::from_whole(50_000));
}

#[test]
fn a_guard_blocks_with_its_name_and_the_next_good_scan_enters() {
    let mut rig = Rig::new(Settings::default());
    rig.pass(2 * Nanos::SECOND + 1);
    rig.scan(Some(-0.03), |_| {});
    assert_eq!(rig.last_decision(), hold(DecisionReason::Guard));
    let blocked = |record: &&Record| matches!(record, Record::EntryBlocked { .. });
    let Some(Record::EntryBlocked { reason, .. }) = rig.records.iter().find(blocked) else {
        panic!("{:?}", rig.records)
    };
    assert_eq!(*reason, BlockReason::StalePrice);
    assert!(rig.commands.is_empty());
    rig.quote(FET, "0.2000", "0.2001");
    rig.scan(Some(-0.03), |_| {});
    assert_eq!(rig.last_decision().0, Action::Enter);
}

#[test]
fn long_entries_mirror_short_ones_and_need_permission() {
    let settings = Settings { policy_sides: Sides::Both, ..Settings::default() };
    let mut rig = Rig::new(settings);
    rig.scan(Some(0.03), |_| {});
    let Some(CommandMsg { command: Command::Place { side, .. }, .. }) = rig.commands.first() else {
        panic!("{:?}", rig.commands)
    };
    assert_eq!(*side, Side::Buy);
}

#[test]
fn a_short_takes_profit_at_the_ask_and_not_at_the_bid() {
    let mut rig = Rig::short();
    // 95 bps below 0.2000 is 0.1981.
    rig.quote(FET, "0.1980", "0.1982");
    assert_eq!(rig.orders, 1, "the ask has not come far enough");
    rig.quote(FET, "0.1980", "0.1981");
    assert_eq!(rig.last_decision(), (Action::Exit, DecisionReason::TakeProfit));
    assert_eq!(rig.last_order().1, Qty::from_whole(19_444));
    assert!(rig.last_order().2, "reduce-only");
    rig.quote(FET, "0.1980", "0.1981");
    assert_eq!(rig.orders, 2, "one exit at a time");
}

#[test]
fn a_short_stops_at_its_own_assets_price_and_no_other() {
    let mut rig = Rig::short();
    rig.quote(SOL, "300.00", "300.01");
    assert_eq!(rig.orders, 1, "another asset's jump is none of its business");
    // 150 bps above 0.2000 is 0.2030.
    rig.quote(FET, "0.2028", "0.2029");
    assert_eq!(rig.orders, 1);
    rig.quote(FET, "0.2028", "0.2030");
    assert_eq!(rig.last_decision(), (Action::Exit, DecisionReason::StopLoss));
}

#[test]
fn the_hold_limit_counts_scans_since_the_entry() {
    let settings = Settings { exit_max_hold_scans: 3, ..Settings::default() };
    let mut rig = Rig::short_with(settings);
    for _ in 0..2 {
        rig.pass(SCAN_NS);
        rig.scan(None, |_| {});
        assert_eq!(rig.last_decision(), hold(DecisionReason::InPosition));
    }
    rig.pass(SCAN_NS);
    rig.scan(None, |_| {});
    assert!(rig.records.iter().any(|record| matches!(
        record,
        Record::Decision { action: Action::Exit, reason: DecisionReason::MaxHold, .. }
    )));
    assert_eq!(rig.orders, 2);
}

#[test]
fn the_hold_limit_of_an_adopted_position_counts_from_the_adoption() {
    let mut rig = Rig::new(Settings { exit_max_hold_scans: 3, ..Settings::default() });
    rig.scan(None, |_| {});
    rig.turn(&Input::Control(ControlMsg { ts_recv_ns: rig.now, control: Control::Recover }));
    rig.pass(rig.engine.settings().guard_view_lag_ns);
    rig.turn(&Input::Tick);
    let revision = rig.engine.kernel().revision();
    let event = VenueEvent::OpenOrdersEnd { ok: true, rows: 0, revision };
    rig.venue(ClientRef::Absent, None, event);
    let event = VenueEvent::Position {
        side: PositionSide::Long,
        qty: Qty::from_whole(100),
        entry_price: Maybe::some(price("0.2000")),
    };
    rig.venue(ClientRef::Absent, Some(InstrumentId::new(FET)), event);
    let revision = rig.engine.kernel().revision();
    let event = VenueEvent::PositionsEnd { ok: true, rows: 1, revision };
    rig.venue(ClientRef::Absent, None, event);
    assert!(rig.engine.kernel().slot(0).is_open(), "taken over");
    for _ in 0..2 {
        rig.pass(SCAN_NS);
        rig.scan(None, |_| {});
        assert_eq!(rig.orders, 0);
    }
    rig.pass(SCAN_NS);
    rig.scan(None, |_| {});
    assert_eq!(rig.orders, 1, "three scans after the adoption");
    rig.fill("0.1999");
    assert!(rig.engine.kernel().slot(0).is_free());
    let told = |row: &(FunnelStage, _, _)| {
        matches!(row.0, FunnelStage::TradeOpen | FunnelStage::TradeClose)
    };
    assert!(!rig.funnel().iter().any(told), "no signal opened it, so it says nothing of signals");
}

#[test]
fn a_regime_reversal_closes_only_in_profit() {
    let mut rig = Rig::short();
    rig.scan(Some(0.03), |_| {});
    assert_eq!(rig.orders, 1, "the ask is above the entry: no profit");
    rig.quote(FET, "0.1990", "0.1991");
    rig.scan(Some(0.03), |_| {});
    assert_eq!(rig.orders, 2);
}

#[test]
fn a_slot_whose_price_is_gone_is_flattened_after_its_time() {
    let mut rig = Rig::short();
    rig.pass(60 * Nanos::SECOND);
    rig.turn(&Input::Tick);
    assert_eq!(rig.orders, 1);
    rig.pass(1);
    rig.turn(&Input::Tick);
    assert_eq!(rig.last_decision(), (Action::Exit, DecisionReason::NoPriceFlatten));
    assert_eq!(rig.orders, 2);
}

#[test]
fn flatten_closes_what_is_open_and_forbids_entries_until_resume() {
    let mut rig = Rig::short();
    let control = |control| Input::Control(ControlMsg { ts_recv_ns: Nanos::ZERO, control });
    rig.turn(&control(Control::Flatten));
    rig.turn(&Input::Tick);
    assert_eq!(rig.last_decision(), (Action::Exit, DecisionReason::OperatorFlatten));
    rig.fill("0.2001");
    rig.scan(Some(-0.03), |_| {});
    assert_eq!(rig.last_decision(), hold(DecisionReason::Posture));
    rig.turn(&control(Control::Resume));
    rig.pass(6 * Nanos::SECOND);
    rig.quote(FET, "0.2000", "0.2001");
    rig.probe();
    rig.scan(Some(-0.03), |_| {});
    assert_eq!(rig.last_decision().0, Action::Enter);
}

#[test]
fn a_kill_lets_the_exit_through() {
    let mut rig = Rig::short();
    rig.turn(&Input::Control(ControlMsg { ts_recv_ns: rig.now, control: Control::Kill }));
    rig.quote(FET, "0.2039", "0.2040");
    assert_eq!(rig.orders, 2);
    assert!(rig.last_order().2, "reduce-only");
}

#[test]
fn legs_take_profit_one_after_the_other() {
    let settings = Settings { exit_legs: std::vec![0.5, 0.5], ..Settings::default() };
    let mut rig = Rig::short_with(settings);
    rig.quote(FET, "0.1989", "0.1990");
    assert_eq!(rig.last_order().1, Qty::from_whole(9_722), "half at half the distance");
    rig.fill("0.1990");
    rig.quote(FET, "0.1989", "0.1990");
    assert_eq!(rig.orders, 2, "the second leg waits for the whole distance");
    rig.quote(FET, "0.1980", "0.1981");
    assert_eq!(rig.last_order().1, Qty::from_whole(9_722));
    rig.fill("0.1981");
    assert!(rig.engine.kernel().slot(0).is_free());
}

#[test]
fn a_closed_trip_is_told_once_and_feeds_the_track_record() {
    // More than the 25,000 that the venue says can be used: the size is a share of the capital all the same.
    let account_starting_capital = Money::from_whole(100_000);
    let mut rig = Rig::new(Settings { account_starting_capital, ..Settings::default() });
    let mut quantities = Vec::new();
    for _ in 0..4 {
        rig.quote(FET, "0.2000", "0.2001");
        rig.probe();
        for _ in 0..8 {
            rig.quote(FET, "0.2000", "0.2001");
        }
        rig.scan(Some(-0.03), |_| {});
        quantities.push(rig.last_order().1);
        rig.fill("0.2000");
        rig.quote(FET, "0.2039", "0.2040");
        rig.fill("0.2040");
        rig.pass(6 * Nanos::SECOND);
    }
    // 100,000 × 0.2 × 0.7777… ÷ 0.2000, each less what the one before lost of the capital; three losses in
    // a row halve the fourth.
    assert_eq!(quantities, [77_777, 77_535, 77_294, 38_527].map(Qty::from_whole));
    let closes = rig
        .funnel()
        .into_iter()
        .filter(|row| *row == (FunnelStage::TradeClose, FunnelDecision::Close, "stop_loss"))
        .count();
    let opens = |row: &(FunnelStage, _, _)| row.0 == FunnelStage::TradeOpen;
    assert_eq!((rig.funnel().into_iter().filter(opens).count(), closes), (4, 4));
}
