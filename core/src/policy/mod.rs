//! The base policy: from scans and ticks to intents.
//!
//! Flat, it opens on the best-ranked asset when the regime signal fires and every gate agrees; in a
//! position, it looks only at the slot's own asset. It holds no order state: what is open is read from
//! the kernel every time. Owner: the kernel thread. Cost: a tick of another asset is one store.

pub mod confirm;
mod decide;
pub mod exits;
mod funnel;
pub mod sizer;
#[cfg(test)]
mod tests;
pub mod track;

use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use arrayvec::ArrayVec;

use crate::broker::{Broker, EntryPlan, ExitPlan};
use crate::engine::Damage;
use crate::id::{InstrumentId, TradeId};
use crate::instrument::InstrumentTable;
use crate::kernel::intent::{Code, LEGS_MAX};
use crate::kernel::stage::SlotStage;
use crate::kernel::{Kernel, Slot};
use crate::msg::record::{
    Action, BlockReason, DecisionReason, FunnelDecision, FunnelReason, FunnelStage, RouterEvent,
};
use crate::msg::scan::RankVerdict;
use crate::msg::{Control, MarketMsg, Maybe, PositionSide, Rank, Record, Scan, Side};
use crate::settings::{Posture, Settings, Sides};
use crate::units::{Money, Price, Rate};
pub use decide::Decide;

use confirm::{Confirmation, TickHistory};
use exits::Exit;
use sizer::Factors;
use track::TrackRecord;

/// Most candidates of one scan that get a funnel row; a scan can rank more.
const CANDIDATES_MAX: usize = 64;
/// Most slots.
pub(crate) const SLOTS_MAX: usize = 16;

/// What the policy remembers about the round trip in a slot.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Trip {
    trade: TradeId,
    /// The scan from which its age counts; `None` until the first one comes.
    scan: Option<u32>,
    /// `None` for a position that the policy did not open: it is held and closed by the same rules, but
    /// says nothing about signals.
    signal: Option<Signal>,
    opened: bool,
}

/// What a round trip was opened for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Signal {
    scan: u32,
    score: f64,
    bucket: usize,
}

/// The base policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Policy {
    #[serde(skip)]
    table: Arc<InstrumentTable>,
    ticks: TickHistory,
    track: TrackRecord,
    ranks: Vec<Rank>,
    scan: Option<Scan>,
    trips: [Option<Trip>; SLOTS_MAX],
    flatten: bool,
}

/// Why an entry did not happen, and the asset it was about.
struct Refusal {
    instrument: Option<InstrumentId>,
    reason: DecisionReason,
}

impl Policy {
    /// An empty policy for these instruments. Allocates once.
    #[must_use]
    pub fn new(table: Arc<InstrumentTable>) -> Self {
        let ticks = TickHistory::new(table.len());
        Self {
            ticks,
            track: TrackRecord::default(),
            ranks: Vec::with_capacity(2 * table.len()),
            table,
            scan: None,
            trips: [None; SLOTS_MAX],
            flatten: false,
        }
    }
}

impl Decide for Policy {
    /// Takes a market message: feeds the asset's own history, then checks the exits of the slot that
    /// holds this asset.
    fn on_market(&mut self, message: &MarketMsg, broker: &mut Broker<'_>) {
        self.ticks.observe(message);
        let Some(slot) = broker.open_slot_of(message.instrument) else { return };
        self.exit_on_price(slot, broker);
    }

    /// Takes one row of the ranking of the scan that follows.
    fn on_rank(&mut self, rank: &Rank) {
        if self.ranks.first().is_some_and(|first| first.number != rank.number) {
            self.ranks.clear();
        }
        // The signal ranks every asset at most once per direction; more would have to allocate.
        if self.ranks.len() < 2 * self.table.len() {
            self.ranks.push(*rank);
        }
    }

    /// Takes a scan: exits of open slots first, then one entry into a free slot.
    fn on_scan(&mut self, scan: &Scan, broker: &mut Broker<'_>) {
        if self.ranks.first().is_some_and(|first| first.number != scan.number) {
            self.ranks.clear();
        }
        self.scan = Some(*scan);
        for slot in 0..broker.slots().len() {
            if !broker.slot(slot).is_free() {
                self.exit_on_scan(slot, scan, broker);
            }
        }
        match broker.free_slot() {
            Some(slot) => {
                if let Err(refusal) = self.try_enter(slot, scan, broker) {
                    broker.record(Record::Decision {
                        scan: scan.number,
                        instrument: refusal.instrument,
                        action: Action::Hold,
                        reason: refusal.reason,
                        vel_div: scan.vel_div,
                        sizing: None,
                    });
                }
            }
            None => {
                let open = broker.slots().iter().any(Slot::is_open);
                let reason =
                    if open { DecisionReason::InPosition } else { DecisionReason::Working };
                let instrument = broker.slot(0).instrument();
                broker.record(Record::Decision {
                    scan: scan.number,
                    instrument,
                    action: Action::Hold,
                    reason,
                    vel_div: scan.vel_div,
                    sizing: None,
                });
            }
        }
    }

    fn on_control(&mut self, control: Control, _broker: &mut Broker<'_>) {
        match control {
            Control::Flatten => self.flatten = true,
            Control::Resume => self.flatten = false,
            Control::Kill
            | Control::Stop
            | Control::JournalBehind
            | Control::JournalCaughtUp
            | Control::JournalFailed
            | Control::Reanchor
            | Control::Recover => {}
        }
    }

    fn restored(&mut self, instruments: usize, table: Arc<InstrumentTable>) -> Result<(), Damage> {
        let within = |id: InstrumentId| id.index() < instruments;
        self.ticks.restored(instruments, table.len())?;
        Damage::unless(
            self.ranks.len() <= 2 * instruments
                && self.ranks.iter().all(|rank| within(rank.instrument)),
            "policy ranks",
            None,
            "at most two per instrument, of instruments in the table",
        )?;
        let mut signals = self.trips.iter().flatten().filter_map(|trip| trip.signal);
        let bins_exist = signals.all(|signal| signal.bucket < track::BUCKETS);
        Damage::unless(bins_exist, "policy trips", None, "bins of signal strength that exist")?;
        self.ranks.reserve_exact(2 * table.len() - self.ranks.len());
        self.table = table;
        Ok(())
    }

    /// Looks at what the kernel booked in this turn and keeps the record: opened and closed trips.
    fn after_turn(&mut self, broker: &mut Broker<'_>) {
        for index in 0..broker.records().len() {
            match broker.records()[index].record {
                // The entry is complete, or an exit has cut it short; or somebody else's position was
                // taken over.
                Record::Slot {
                    slot,
                    trade,
                    instrument,
                    to: SlotStage::PositionOpen | SlotStage::ExitRequested,
                    ..
                } => self.note_open(usize::from(slot), trade, instrument, broker),
                Record::Router { event: RouterEvent::Requote, trade, instrument, .. } => {
                    self.note_requote(trade, instrument, broker);
                }
                Record::Slot { trade, to: SlotStage::PositionPartiallyClosed, .. } => {
                    self.note_partial(trade, broker);
                }
                Record::TradeClosed { .. } => {
                    let record = broker.records()[index].record;
                    self.note_close(&record, broker);
                }
                _ => {}
            }
        }
    }
}

impl Policy {
    fn note_open(
        &mut self,
        slot: usize,
        trade: TradeId,
        instrument: InstrumentId,
        broker: &mut Broker<'_>,
    ) {
        let Some((slot, trip)) = self.trip_mut(trade) else {
            let scan = self.scan.map(|scan| scan.number);
            if let Some(free) = self.trips.get_mut(slot) {
                *free = Some(Trip { trade, scan, signal: None, opened: true });
            }
            return;
        };
        let Some(Signal { scan, score, .. }) = trip.signal.filter(|_| !trip.opened) else { return };
        trip.opened = true;
        let slot = broker.slot(slot);
        let Some(side) = slot.side() else { return };
        let size = slot.entry_price().and_then(|price| price.notional(slot.size()));
        broker.record(Record::TradeDecision {
            scan,
            trade: Some(trade),
            instrument,
            side,
            stage: FunnelStage::TradeOpen,
            decision: FunnelDecision::Open,
            reason: FunnelReason::Policy(DecisionReason::Signal),
            score,
            position_size: size.into(),
            pnl_percent: None,
            pnl: Maybe::NONE,
        });
    }

    /// A missed entry goes on under another round trip.
    fn note_requote(&mut self, trade: TradeId, instrument: InstrumentId, broker: &Broker<'_>) {
        let is_it =
            |slot: &Slot| slot.trade() == Some(trade) && slot.instrument() == Some(instrument);
        if let Some(slot) = broker.slots().iter().position(is_it)
            && let Some(trip) = &mut self.trips[slot]
        {
            trip.trade = trade;
        }
    }

    /// A leg has left; what was earned is that of all legs so far.
    fn note_partial(&mut self, trade: TradeId, broker: &mut Broker<'_>) {
        let Some((slot, trip)) = self.trip_mut(trade) else { return };
        let Some(signal) = trip.signal else { return };
        let slot = broker.slot(slot);
        let (Some(instrument), Some(side)) = (slot.instrument(), slot.side()) else { return };
        // A slot that went on within the turn is closed by now: its close says it all.
        let net = slot.position().net().filter(|_| slot.trade() == Some(trade) && slot.is_open());
        let Some(net) = net else { return };
        let size = slot.entry_price().and_then(|price| price.notional(slot.position().exited()));
        broker.record(Record::TradeDecision {
            scan: signal.scan,
            trade: Some(trade),
            instrument,
            side,
            stage: FunnelStage::TradePartial,
            decision: FunnelDecision::Close,
            reason: slot.close_reason().map_or(FunnelReason::None, FunnelReason::Policy),
            score: signal.score,
            position_size: size.into(),
            pnl_percent: percent_of(net, size),
            pnl: Maybe::some(net),
        });
    }

    fn note_close(&mut self, closed: &Record, broker: &mut Broker<'_>) {
        let Record::TradeClosed {
            trade,
            instrument,
            side,
            qty,
            entry_price,
            net_pnl,
            close_reason,
            ..
        } = *closed
        else {
            return;
        };
        let Some((slot, trip)) = self.trip_mut(trade) else { return };
        let signal = trip.signal;
        self.trips[slot] = None;
        let Some(Signal { scan, score, bucket }) = signal else { return };
        self.track.closed(bucket, net_pnl);
        let size = entry_price.notional(qty);
        broker.record(Record::TradeDecision {
            scan,
            trade: Some(trade),
            instrument,
            side,
            stage: FunnelStage::TradeClose,
            decision: FunnelDecision::Close,
            reason: FunnelReason::Policy(close_reason),
            score,
            position_size: size.into(),
            pnl_percent: percent_of(net_pnl, size),
            pnl: Maybe::some(net_pnl),
        });
    }

    fn trip_mut(&mut self, trade: TradeId) -> Option<(usize, &mut Trip)> {
        self.trips
            .iter_mut()
            .enumerate()
            .find_map(|(slot, trip)| trip.as_mut().filter(|t| t.trade == trade).map(|t| (slot, t)))
    }

    fn exit_on_price(&mut self, slot: usize, broker: &mut Broker<'_>) {
        let Some(gain) = open_gain_bps(broker.kernel(), slot) else { return };
        let (leg, legs) = (usize::from(broker.slot(slot).leg()), broker.slot(slot).legs());
        if let Some(exit) = exits::on_price(gain, leg, legs, broker.settings()) {
            self.exit(slot, exit, broker);
        }
    }

    fn exit_on_scan(&mut self, slot: usize, scan: &Scan, broker: &mut Broker<'_>) {
        if !broker.slot(slot).is_open() {
            return;
        }
        let trade = broker.slot(slot).trade();
        let trip = self.trips[slot].as_mut().filter(|trip| Some(trip.trade) == trade);
        let entered = trip.map_or(scan.number, |trip| *trip.scan.get_or_insert(scan.number));
        let held = scan.number.saturating_sub(entered);
        let gain = open_gain_bps(broker.kernel(), slot);
        let Some(side) = broker.slot(slot).side() else { return };
        if let Some(exit) = exits::on_scan(side, held, scan.vel_div, gain, broker.settings()) {
            self.exit(slot, exit, broker);
        }
    }

    /// Asks the kernel to close; one decision line per accepted exit, none while one is on its way.
    fn exit(&mut self, slot: usize, exit: Exit, broker: &mut Broker<'_>) {
        let is_urgent = exit.reason == DecisionReason::StopLoss;
        if !broker.may_exit(slot, is_urgent) {
            return;
        }
        let instrument = broker.slot(slot).instrument();
        broker.record(Record::Decision {
            scan: self.scan.map_or(0, |scan| scan.number),
            instrument,
            action: Action::Exit,
            reason: exit.reason,
            vel_div: self.scan.and_then(|scan| scan.vel_div),
            sizing: None,
        });
        // A refusal leaves the position as it is; the rule fires again on the next tick.
        let _verdict =
            broker.exit(slot, ExitPlan { reason: exit.reason, all: exit.all, is_urgent });
    }

    fn try_enter(
        &mut self,
        slot: usize,
        scan: &Scan,
        broker: &mut Broker<'_>,
    ) -> Result<(), Refusal> {
        let settings = broker.settings();
        let because = |reason| Refusal { instrument: None, reason };
        if self.flatten || matches!(settings.policy_posture, Posture::Turtle | Posture::Hibernate) {
            return Err(because(DecisionReason::Posture));
        }
        let vel_div = scan.vel_div.ok_or_else(|| because(DecisionReason::NoSignal))?;
        let side =
            signalled_side(vel_div, settings).ok_or_else(|| because(DecisionReason::NoEdge))?;
        if !scan.vol_ok {
            return Err(because(DecisionReason::VolGate));
        }
        if !scan.picker_warm {
            return Err(because(DecisionReason::PickerCold));
        }
        self.record_candidates(scan, side, broker);
        let best = self
            .ranks
            .iter()
            .find(|rank| rank.direction == side && rank.verdict == RankVerdict::Pass)
            .copied()
            .ok_or_else(|| because(DecisionReason::NoCandidate))?;
        let about = |reason| Refusal { instrument: Some(best.instrument), reason };
        let confirmation = self.ticks.confirm(best.instrument, side, settings);
        let contradiction = match confirmation {
            Confirmation::Confirmed => None,
            Confirmation::Contradicted => Some(DecisionReason::DirectionContradicted),
            Confirmation::Warmup => Some(DecisionReason::DirectionWarmup),
        };
        funnel::gate(scan, &best, contradiction, broker);
        if let Some(reason) = contradiction {
            return Err(about(reason));
        }
        self.plan(slot, scan, &best, vel_div, broker)
    }

    fn plan(
        &mut self,
        slot: usize,
        scan: &Scan,
        best: &Rank,
        vel_div: f64,
        broker: &mut Broker<'_>,
    ) -> Result<(), Refusal> {
        let settings = broker.settings();
        let about = |reason| Refusal { instrument: Some(best.instrument), reason };
        let side = best.direction;
        if let Err(block) = broker.entry_guard(best.instrument) {
            funnel::block(scan, best, block, broker);
            return Err(about(DecisionReason::Guard));
        }
        let strength = sizer::strength(vel_div, side, settings);
        let bucket = track::bucket_of(strength);
        let factors = Factors {
            strength,
            leverage: sizer::leverage(strength, settings),
            bucket: self.track.bucket_factor(bucket, settings),
            streak: self.track.streak_factor(settings),
        };
        let Some(reference) = executable_price(broker.kernel(), best.instrument, side.entry_side())
        else {
            funnel::block(scan, best, BlockReason::NoPrice, broker);
            return Err(about(DecisionReason::Guard));
        };
        let row = *self.table.row(best.instrument);
        let books = broker.kernel();
        let capital = books.available().unwrap_or_else(|| books.ledger().capital());
        let sizing = sizer::size(capital, reference, &row, factors, settings)
            .filter(|sizing| sizing.qty.is_positive())
            .filter(|sizing| {
                reference.notional(sizing.qty).is_some_and(|size| size >= row.min_notional)
            });
        let Some(sizing) = sizing else {
            funnel::skip(scan, best, FunnelReason::Policy(DecisionReason::SizeTooSmall), broker);
            return Err(about(DecisionReason::SizeTooSmall));
        };
        let plan = EntryPlan {
            slot,
            instrument: best.instrument,
            side,
            qty: sizing.qty,
            leverage: sizer::venue_leverage(factors.leverage, settings),
            reference_price: reference,
            legs: legs(settings),
        };
        funnel::decide(scan, best, sizing, broker);
        let verdict = broker.enter(&plan);
        if !verdict.accepted {
            funnel::block(scan, best, block_of(verdict.code), broker);
            return Err(about(DecisionReason::Guard));
        }
        if let Some(trade) = broker.slot(slot).trade() {
            let signal = Signal { scan: scan.number, score: best.ars, bucket };
            self.trips[slot] =
                Some(Trip { trade, scan: Some(scan.number), signal: Some(signal), opened: false });
        }
        let trade = broker.slot(slot).trade();
        funnel::entry(scan, best, sizing, trade, reference, broker);
        Ok(())
    }

    fn record_candidates(&self, scan: &Scan, side: PositionSide, broker: &mut Broker<'_>) {
        let ranked = self.ranks.iter().filter(|rank| rank.direction == side);
        for rank in ranked.take(CANDIDATES_MAX) {
            let (stage, decision, reason) = if rank.verdict == RankVerdict::Pass {
                (FunnelStage::PostFilters, FunnelDecision::CandidatePass, FunnelReason::None)
            } else {
                let reason = FunnelReason::Filter(rank.verdict);
                (FunnelStage::FilterFail, FunnelDecision::Skip, reason)
            };
            broker.record(funnel::candidate(scan, rank, stage, decision, reason));
        }
    }
}

/// The direction that the signal asks for and the operator allows.
fn signalled_side(vel_div: f64, settings: &Settings) -> Option<PositionSide> {
    let short = matches!(settings.policy_sides, Sides::Short | Sides::Both);
    let long = matches!(settings.policy_sides, Sides::Long | Sides::Both);
    if short && vel_div < settings.policy_vel_div_threshold {
        Some(PositionSide::Short)
    } else if long && vel_div > -settings.policy_vel_div_threshold {
        Some(PositionSide::Long)
    } else {
        None
    }
}

/// A result in percent of the notional it was earned on.
fn percent_of(net: Money, size: Option<Money>) -> Option<f64> {
    size.filter(|size| size.is_positive()).map(|size| net.to_f64() / size.to_f64() * 100.0)
}

fn open_gain_bps(kernel: &Kernel, slot: usize) -> Option<f64> {
    let slot = kernel.slot(slot);
    if !slot.is_open() {
        return None;
    }
    let side = slot.side()?;
    let executable = executable_price(kernel, slot.instrument()?, side.exit_side())?;
    exits::gain_bps(side, slot.entry_price()?, executable)
}

fn executable_price(kernel: &Kernel, instrument: InstrumentId, side: Side) -> Option<Price> {
    kernel.top(instrument)?.executable(side).map(|(price, _)| price)
}

fn legs(settings: &Settings) -> ArrayVec<Rate, LEGS_MAX> {
    settings.exit_legs.iter().filter_map(|part| Rate::from_f64(*part)).take(LEGS_MAX).collect()
}

fn block_of(code: Code) -> BlockReason {
    match code {
        Code::SlotBusy | Code::DuplicateEvent => BlockReason::SlotBusy,
        Code::EntryFrozen => BlockReason::EntryFrozen,
        Code::Killed => BlockReason::Killed,
        Code::StaleStateReconciling => BlockReason::UnresolvedOrder,
        Code::RateLimited => BlockReason::Cap,
        Code::Ok
        | Code::InvalidIntent
        | Code::NoOpenPosition
        | Code::OrderRejected
        | Code::ExitOrderRejected
        | Code::CancelRejected
        | Code::ForeignFill
        | Code::UnresolvedSlot
        | Code::EntryBlocked
        | Code::Violation
        | Code::ExitWorking
        | Code::NoWorkingOrder => BlockReason::InvalidIntent,
    }
}
