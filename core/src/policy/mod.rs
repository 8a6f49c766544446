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

use crate::engine::Damage;
use crate::id::{InstrumentId, TradeId};
use crate::instrument::InstrumentTable;
use crate::kernel::intent::{Code, Intent, LEGS_MAX};
use crate::kernel::stage::SlotStage;
use crate::kernel::{Effects, Kernel, Slot};
use crate::msg::record::{
    Action, BlockReason, DecisionReason, FunnelDecision, FunnelReason, FunnelStage,
};
use crate::msg::scan::RankVerdict;
use crate::msg::{
    Control, MarketMsg, Maybe, OrderKind, PositionSide, Rank, Record, Scan, Side, TimeInForce,
};
use crate::settings::{Posture, Settings, Sides};
use crate::units::{Money, Nanos, Price, Rate};
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
    fn on_market(
        &mut self,
        now: Nanos,
        message: &MarketMsg,
        kernel: &mut Kernel,
        settings: &Settings,
        out: &mut Effects,
    ) {
        self.ticks.observe(message);
        let Some(slot) = open_slot_of(kernel, message.instrument) else { return };
        self.exit_on_price(now, slot, kernel, settings, out);
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
    fn on_scan(
        &mut self,
        now: Nanos,
        scan: &Scan,
        kernel: &mut Kernel,
        settings: &Settings,
        out: &mut Effects,
    ) {
        if self.ranks.first().is_some_and(|first| first.number != scan.number) {
            self.ranks.clear();
        }
        self.scan = Some(*scan);
        for slot in 0..kernel.slots().len() {
            if !kernel.slot(slot).is_free() {
                self.exit_on_scan(now, slot, scan, kernel, settings, out);
            }
        }
        match (0..kernel.slots().len()).find(|slot| kernel.slot(*slot).is_free()) {
            Some(slot) => {
                if let Err(refusal) = self.try_enter(now, slot, scan, kernel, settings, out) {
                    out.record(Record::Decision {
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
                let open = kernel.slots().iter().any(Slot::is_open);
                let reason =
                    if open { DecisionReason::InPosition } else { DecisionReason::Working };
                out.record(Record::Decision {
                    scan: scan.number,
                    instrument: kernel.slot(0).instrument(),
                    action: Action::Hold,
                    reason,
                    vel_div: scan.vel_div,
                    sizing: None,
                });
            }
        }
    }

    /// Nothing here depends on time alone: exits that do are the guardian's.
    fn on_tick(
        &mut self,
        _now: Nanos,
        _kernel: &mut Kernel,
        _settings: &Settings,
        _out: &mut Effects,
    ) {
    }

    fn on_control(&mut self, control: Control) {
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
    fn after_turn(&mut self, kernel: &Kernel, first_record: usize, out: &mut Effects) {
        let upto = out.records.len();
        for index in first_record..upto {
            match out.records[index].record {
                // The entry is complete, or an exit has cut it short; or somebody else's position was
                // taken over.
                Record::Slot {
                    slot,
                    trade,
                    instrument,
                    to: SlotStage::PositionOpen | SlotStage::ExitRequested,
                    ..
                } => self.note_open(usize::from(slot), trade, instrument, kernel, out),
                Record::Slot { trade, to: SlotStage::PositionPartiallyClosed, .. } => {
                    self.note_partial(trade, kernel, out);
                }
                Record::TradeClosed { .. } => {
                    let record = out.records[index].record;
                    self.note_close(&record, out);
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
        kernel: &Kernel,
        out: &mut Effects,
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
        let slot = kernel.slot(slot);
        let Some(side) = slot.side() else { return };
        let size = slot.entry_price().and_then(|price| price.notional(slot.size()));
        out.record(Record::TradeDecision {
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

    /// A leg has left; what was earned is that of all legs so far.
    fn note_partial(&mut self, trade: TradeId, kernel: &Kernel, out: &mut Effects) {
        let Some((slot, trip)) = self.trip_mut(trade) else { return };
        let Some(signal) = trip.signal else { return };
        let slot = kernel.slot(slot);
        let (Some(instrument), Some(side)) = (slot.instrument(), slot.side()) else { return };
        // A slot that went on within the turn is closed by now: its close says it all.
        let net = slot.position().net().filter(|_| slot.trade() == Some(trade) && slot.is_open());
        let Some(net) = net else { return };
        let size = slot.entry_price().and_then(|price| price.notional(slot.position().exited()));
        out.record(Record::TradeDecision {
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

    fn note_close(&mut self, closed: &Record, out: &mut Effects) {
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
        out.record(Record::TradeDecision {
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

    fn exit_on_price(
        &mut self,
        now: Nanos,
        slot: usize,
        kernel: &mut Kernel,
        settings: &Settings,
        out: &mut Effects,
    ) {
        let Some(gain) = open_gain_bps(kernel, slot) else { return };
        let (leg, legs) = (usize::from(kernel.slot(slot).leg()), kernel.slot(slot).legs());
        if let Some(exit) = exits::on_price(gain, leg, legs, settings) {
            self.exit(now, slot, exit, kernel, settings, out);
        }
    }

    fn exit_on_scan(
        &mut self,
        now: Nanos,
        slot: usize,
        scan: &Scan,
        kernel: &mut Kernel,
        settings: &Settings,
        out: &mut Effects,
    ) {
        if !kernel.slot(slot).is_open() {
            return;
        }
        let trade = kernel.slot(slot).trade();
        let trip = self.trips[slot].as_mut().filter(|trip| Some(trip.trade) == trade);
        let entered = trip.map_or(scan.number, |trip| *trip.scan.get_or_insert(scan.number));
        let held = scan.number.saturating_sub(entered);
        let gain = open_gain_bps(kernel, slot);
        let Some(side) = kernel.slot(slot).side() else { return };
        if let Some(exit) = exits::on_scan(side, held, scan.vel_div, gain, settings) {
            self.exit(now, slot, exit, kernel, settings, out);
        }
    }

    /// Asks the kernel to close; one decision line per accepted exit, none while one is on its way.
    fn exit(
        &mut self,
        now: Nanos,
        slot: usize,
        exit: Exit,
        kernel: &mut Kernel,
        settings: &Settings,
        out: &mut Effects,
    ) {
        if !may_ask_to_exit(kernel.slot(slot), now) {
            return;
        }
        let instrument = kernel.slot(slot).instrument();
        out.record(Record::Decision {
            scan: self.scan.map_or(0, |scan| scan.number),
            instrument,
            action: Action::Exit,
            reason: exit.reason,
            vel_div: self.scan.and_then(|scan| scan.vel_div),
            sizing: None,
        });
        let intent = Intent::Exit {
            slot,
            qty: Maybe::NONE,
            all: exit.all,
            kind: OrderKind::Market,
            tif: TimeInForce::Ioc,
            price: Maybe::NONE,
            ttl_ns: None,
            reason: exit.reason,
        };
        // A refusal leaves the position as it is; the rule fires again on the next tick.
        let _verdict = kernel.submit(now, &intent, settings, out);
    }

    fn try_enter(
        &mut self,
        now: Nanos,
        slot: usize,
        scan: &Scan,
        kernel: &mut Kernel,
        settings: &Settings,
        out: &mut Effects,
    ) -> Result<(), Refusal> {
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
        self.record_candidates(scan, side, out);
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
        funnel::gate(scan, &best, contradiction, out);
        if let Some(reason) = contradiction {
            return Err(about(reason));
        }
        self.plan(now, slot, scan, &best, vel_div, kernel, settings, out)
    }

    #[expect(clippy::too_many_arguments, reason = "the turn's context, passed through")]
    fn plan(
        &mut self,
        now: Nanos,
        slot: usize,
        scan: &Scan,
        best: &Rank,
        vel_div: f64,
        kernel: &mut Kernel,
        settings: &Settings,
        out: &mut Effects,
    ) -> Result<(), Refusal> {
        let about = |reason| Refusal { instrument: Some(best.instrument), reason };
        let side = best.direction;
        if let Err(block) = kernel.entry_guard(now, best.instrument, settings) {
            funnel::block(scan, best, block, out);
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
        let Some(reference) = executable_price(kernel, best.instrument, side.entry_side()) else {
            funnel::block(scan, best, BlockReason::NoPrice, out);
            return Err(about(DecisionReason::Guard));
        };
        let row = *self.table.row(best.instrument);
        let capital = kernel.available().unwrap_or_else(|| kernel.ledger().capital());
        let sizing = sizer::size(capital, reference, &row, factors, settings)
            .filter(|sizing| sizing.qty.is_positive())
            .filter(|sizing| {
                reference.notional(sizing.qty).is_some_and(|size| size >= row.min_notional)
            });
        let Some(sizing) = sizing else {
            funnel::skip(scan, best, FunnelReason::Policy(DecisionReason::SizeTooSmall), out);
            return Err(about(DecisionReason::SizeTooSmall));
        };
        let intent = Intent::Enter {
            slot,
            trade: None,
            instrument: best.instrument,
            side,
            qty: sizing.qty,
            leverage: sizer::venue_leverage(factors.leverage, settings),
            kind: OrderKind::Market,
            tif: TimeInForce::Ioc,
            price: Maybe::NONE,
            reference_price: reference,
            legs: legs(settings),
        };
        funnel::decide(scan, best, sizing, out);
        let verdict = kernel.submit(now, &intent, settings, out);
        if !verdict.accepted {
            funnel::block(scan, best, block_of(verdict.code), out);
            return Err(about(DecisionReason::Guard));
        }
        if let Some(trade) = kernel.slot(slot).trade() {
            let signal = Signal { scan: scan.number, score: best.ars, bucket };
            self.trips[slot] =
                Some(Trip { trade, scan: Some(scan.number), signal: Some(signal), opened: false });
        }
        funnel::entry(scan, best, sizing, kernel.slot(slot), reference, out);
        Ok(())
    }

    fn record_candidates(&self, scan: &Scan, side: PositionSide, out: &mut Effects) {
        let ranked = self.ranks.iter().filter(|rank| rank.direction == side);
        for rank in ranked.take(CANDIDATES_MAX) {
            let (stage, decision, reason) = if rank.verdict == RankVerdict::Pass {
                (FunnelStage::PostFilters, FunnelDecision::CandidatePass, FunnelReason::None)
            } else {
                let reason = FunnelReason::Filter(rank.verdict);
                (FunnelStage::FilterFail, FunnelDecision::Skip, reason)
            };
            out.record(funnel::candidate(scan, rank, stage, decision, reason));
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

/// The slot that holds a position in this asset.
fn open_slot_of(kernel: &Kernel, instrument: InstrumentId) -> Option<usize> {
    kernel.slots().iter().position(|slot| slot.is_open() && slot.instrument() == Some(instrument))
}

fn executable_price(kernel: &Kernel, instrument: InstrumentId, side: Side) -> Option<Price> {
    kernel.top(instrument)?.executable(side).map(|(price, _)| price)
}

/// True when nothing is on its way that closes the slot already, and a refused exit has had its pause.
fn may_ask_to_exit(slot: &Slot, now: Nanos) -> bool {
    slot.is_open()
        && slot.exit_order().is_none()
        && !slot.is_exit_pending()
        && slot.exit_retry_at_ns().is_none_or(|at| now >= at)
}

fn legs(settings: &Settings) -> ArrayVec<Rate, LEGS_MAX> {
    settings.exit_legs.iter().filter_map(|part| Rate::from_f64(*part)).take(LEGS_MAX).collect()
}

fn block_of(code: Code) -> BlockReason {
    match code {
        Code::SlotBusy => BlockReason::SlotBusy,
        Code::EntryFrozen => BlockReason::EntryFrozen,
        Code::Killed => BlockReason::Killed,
        Code::StaleStateReconciling => BlockReason::UnresolvedOrder,
        Code::RateLimited => BlockReason::Cap,
        Code::Ok
        | Code::DuplicateEvent
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
