//! The base policy: from scans and ticks to intents.
//!
//! Flat, it opens on the best-ranked asset when the regime signal fires and every gate agrees; in a
//! position, it looks only at the slot's own asset. It holds no order state: what is open is read from
//! the kernel every time. Owner: the kernel thread. Cost: a tick of another asset is one store.

pub mod confirm;
mod decide;
pub mod draw;
pub mod edge;
mod entry;
pub mod exits;
mod funnel;
pub mod memory;
pub mod modifiers;
pub mod sizer;
#[cfg(test)]
mod tests;
pub mod track;

use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::broker::{Broker, ExitPlan};
use crate::engine::Damage;
use crate::id::{InstrumentId, TradeId};
use crate::instrument::InstrumentTable;
use crate::kernel::stage::SlotStage;
use crate::kernel::{Kernel, Slot};
use crate::msg::funnel::Tier;
use crate::msg::record::{
    Action, DecisionReason, FunnelDecision, FunnelReason, FunnelStage, RouterEvent,
};
use crate::msg::{Control, MarketMsg, Maybe, Modifiers, Rank, Record, Scan, Side};
use crate::settings::Posture;
use crate::units::{Money, Price};
use crate::universe::{Lane, Universe};
pub use decide::Decide;

use confirm::TickHistory;
use exits::Exit;
use funnel::Funnel;
use modifiers::Multipliers;
use track::TrackRecord;

/// Most slots.
pub(crate) const SLOTS_MAX: usize = 16;

/// What the policy remembers about the round trip in a slot.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Trip {
    trade: TradeId,
    /// The scan from which its age counts; `None` until the first one comes.
    scan: Option<u32>,
    opened: bool,
    /// What was decided; `None` for a position that the policy did not open: it is held and closed by the
    /// same rules, but says nothing about signals.
    entry: Option<EntryFacts>,
}

/// What was decided about an entry.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct EntryFacts {
    /// The scan of its signal.
    scan: u32,
    score: f64,
    bucket: usize,
    lane: Lane,
    tier: Tier,
    /// Expected edge, percent of notional.
    edge_percent: f64,
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
    modifiers: Option<Modifiers>,
    trips: [Option<Trip>; SLOTS_MAX],
    universe: Universe,
    funnel: Funnel,
    flatten: bool,
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
            universe: Universe::new(&table),
            funnel: Funnel::new(table.len()),
            table,
            scan: None,
            modifiers: None,
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
        self.universe.observe(broker.now(), message);
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

    /// Takes what an outside source says about the scan that follows.
    fn on_modifiers(&mut self, modifiers: &Modifiers) {
        self.modifiers = Some(*modifiers);
    }

    /// Takes a scan: exits of open slots first, then one entry into a free slot.
    fn on_scan(&mut self, scan: &Scan, broker: &mut Broker<'_>) {
        if self.ranks.first().is_some_and(|first| first.number != scan.number) {
            self.ranks.clear();
        }
        self.scan = Some(*scan);
        self.universe.refresh(broker.now(), &self.table, broker.settings());
        let said = Multipliers::of(self.modifiers.as_ref(), scan.number, broker.settings());
        if matches!(said.posture, Posture::Turtle | Posture::Hibernate) {
            for slot in 0..broker.slots().len() {
                broker.call_back_entry(slot, DecisionReason::Posture.as_str());
            }
        }
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
                        vel_div: scan.vel_div.into(),
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
                    vel_div: scan.vel_div.into(),
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
        let mut entries = self.trips.iter().flatten().filter_map(|trip| trip.entry);
        let bins_exist = entries.all(|entry| entry.bucket < track::BUCKETS);
        Damage::unless(bins_exist, "policy trips", None, "bins of signal strength that exist")?;
        self.universe.restored(instruments, &table)?;
        self.funnel.restored(instruments, &table)?;
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
                Record::Router {
                    event: RouterEvent::Requote,
                    trade: Some(trade),
                    instrument,
                    ..
                } => {
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
                *free = Some(Trip { trade, scan, opened: true, entry: None });
            }
            return;
        };
        let Some(entry) = trip.entry.filter(|_| !trip.opened) else { return };
        trip.opened = true;
        self.funnel.memory.opened(instrument, entry.lane, broker.now(), broker.settings());
        let slot = broker.slot(slot);
        let Some(side) = slot.side() else { return };
        let size = slot.entry_price().and_then(|price| price.notional(slot.size()));
        broker.record(Record::TradeDecision {
            scan: entry.scan,
            trade: Some(trade),
            instrument,
            side,
            stage: FunnelStage::TradeOpen,
            decision: FunnelDecision::Open,
            reason: FunnelReason::Policy(DecisionReason::Signal),
            score: entry.score,
            lane: entry.lane,
            tier: entry.tier,
            edge_percent: Some(entry.edge_percent),
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
        let Some(entry) = trip.entry else { return };
        let slot = broker.slot(slot);
        let (Some(instrument), Some(side)) = (slot.instrument(), slot.side()) else { return };
        // A slot that went on within the turn is closed by now: its close says it all.
        let net = slot.position().net().filter(|_| slot.trade() == Some(trade) && slot.is_open());
        let Some(net) = net else { return };
        let size = slot.entry_price().and_then(|price| price.notional(slot.position().exited()));
        broker.record(Record::TradeDecision {
            scan: entry.scan,
            trade: Some(trade),
            instrument,
            side,
            stage: FunnelStage::TradePartial,
            decision: FunnelDecision::Close,
            reason: slot.close_reason().map_or(FunnelReason::None, FunnelReason::Policy),
            score: entry.score,
            lane: entry.lane,
            tier: entry.tier,
            edge_percent: Some(entry.edge_percent),
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
        let entry = trip.entry;
        self.trips[slot] = None;
        // A position that was taken over says nothing about what is decided here.
        let Some(entry) = entry else { return };
        self.track.closed(entry.bucket, net_pnl);
        let size = entry_price.notional(qty);
        let pnl_percent = percent_of(net_pnl, size);
        if let Some(earned) = pnl_percent {
            let EntryFacts { lane, edge_percent, .. } = entry;
            self.funnel.memory.closed(instrument, lane, earned / 100.0, broker.now());
            self.funnel.calibration.learn(lane, edge_percent, earned, broker.settings());
        }
        broker.record(Record::TradeDecision {
            scan: entry.scan,
            trade: Some(trade),
            instrument,
            side,
            stage: FunnelStage::TradeClose,
            decision: FunnelDecision::Close,
            reason: FunnelReason::Policy(close_reason),
            score: entry.score,
            lane: entry.lane,
            tier: entry.tier,
            edge_percent: Some(entry.edge_percent),
            position_size: size.into(),
            pnl_percent,
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
        let outside = self.modifiers.filter(|modifiers| modifiers.number == scan.number);
        if outside.and_then(|modifiers| modifiers.posture) == Some(Posture::Hibernate) {
            self.exit(slot, Exit { reason: DecisionReason::Posture, all: true }, broker);
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
            vel_div: self.scan.and_then(|scan| scan.vel_div).into(),
            sizing: None,
        });
        // A refusal leaves the position as it is; the rule fires again on the next tick.
        let _verdict =
            broker.exit(slot, ExitPlan { reason: exit.reason, all: exit.all, is_urgent });
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
