//! What must be true of the engine's own journal: an entry leaves only with positive proof, a close by the
//! venue is booked, a round trip has its number once, and what latched stays latched.
//!
//! Only inputs and records are looked at, none of the kernel's own conclusions: so a guard that is gone, or
//! that looks at the wrong thing, shows at once and not only when it costs money.

use std::collections::{BTreeMap, BTreeSet};

use pinion_core::id::{ClientId, InstrumentId, TextId};
use pinion_core::kernel::Kernel;
use pinion_core::kernel::facts::Probe;
use pinion_core::kernel::stage::SlotEvent;
use pinion_core::msg::record::OrderStatus;
use pinion_core::msg::venue::RejectReason;
use pinion_core::msg::{Control, Input, PositionSide, Record, RecordMsg, VenueEvent};
use pinion_core::settings::Settings;
use pinion_core::units::{Money, Nanos};
use pinion_oracle::Breach;

/// Nothing older than this is proof of anything.
const MEMORY_NS: i64 = 120 * Nanos::SECOND;

/// A balance as far as it says anything.
#[derive(Clone, Copy, Debug)]
struct Told {
    at: Nanos,
    available: Option<Money>,
}

/// A close by the venue that was told.
#[derive(Clone, Copy, Debug)]
struct Forced {
    at: Nanos,
    instrument: InstrumentId,
    side: PositionSide,
    fill_id: TextId,
}

/// The fees of a round trip that began in this process, by what was recorded of it.
#[derive(Clone, Copy, Debug, Default)]
struct TripFees {
    sum: Money,
    /// Somebody else closed a part of it; such a booking may be taken back.
    is_mixed: bool,
}

/// What the journal has said. Owner: the driver.
#[derive(Debug)]
pub(super) struct Proof {
    hot_window_ns: i64,
    /// What was, or may have been, a fill; of every instrument where it is not told of which.
    heats: Vec<(Nanos, Option<InstrumentId>)>,
    balances: Vec<Told>,
    entered: BTreeSet<u64>,
    adopted: BTreeSet<u64>,
    forced: Vec<Forced>,
    forced_told: BTreeSet<TextId>,
    trips: BTreeMap<u64, TripFees>,
    submitted: BTreeSet<ClientId>,
    booked: BTreeSet<TextId>,
    /// Since when too many orders hold entries back.
    latched: Option<Nanos>,
    /// What latched before then is forgotten: a restart, or the operator.
    released: Nanos,
    /// Fills that somebody else made.
    foreign: BTreeSet<TextId>,
    /// When the last recovery began.
    recovers: Option<Nanos>,
    /// When the last whole position snapshot was taken in, and which revision it carried.
    snapshot: Option<(Nanos, u64)>,
    orders_per_minute: usize,
    /// No bound but those that latch can refuse: that of a second is no lower than that of a minute.
    latches: bool,
    sent: Vec<i64>,
}

impl Proof {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            hot_window_ns: settings.guard_hot_window_ns,
            heats: Vec::new(),
            balances: Vec::new(),
            entered: BTreeSet::new(),
            adopted: BTreeSet::new(),
            forced: Vec::new(),
            forced_told: BTreeSet::new(),
            trips: BTreeMap::new(),
            submitted: BTreeSet::new(),
            booked: BTreeSet::new(),
            latched: None,
            foreign: BTreeSet::new(),
            recovers: None,
            snapshot: None,
            released: Nanos::ZERO,
            orders_per_minute: usize::try_from(settings.cap_orders_per_minute_max).unwrap_or(0),
            latches: settings.cap_orders_per_second_max >= settings.cap_orders_per_minute_max,
            sent: Vec::new(),
        }
    }

    /// Somebody else made a fill.
    pub(super) fn foreign(&mut self, number: u64) {
        self.foreign.extend(TextId::new(&format!("f{number}")));
    }

    /// The operator resumed, or the process began anew.
    pub(super) fn release(&mut self, now: Nanos) {
        self.latched = None;
        self.released = now;
    }

    /// The process died. One that lost inputs may give the same numbers again.
    pub(super) fn restart(&mut self, now: Nanos, remembers: bool) {
        self.release(now);
        self.sent.clear();
        self.snapshot = None;
        self.forced.clear();
        self.trips.clear();
        if !remembers {
            self.entered.clear();
            self.adopted.clear();
        }
    }

    /// An input was applied.
    pub(super) fn input(&mut self, at: Nanos, input: &Input) {
        if let Input::Control(message) = input
            && message.control == Control::Recover
        {
            self.recovers = Some(at);
        }
        let Input::Venue(message) = input else { return };
        match message.event {
            VenueEvent::Fill { .. } => self.heats.push((at, message.instrument)),
            VenueEvent::Forced { side, fill_id, qty, price, .. } => {
                self.heats.push((at, message.instrument));
                let is_whole = !fill_id.is_empty() && qty.is_positive() && price.is_positive();
                // What is told again is judged by the first time, also where the process has died since.
                let is_new = self.forced_told.insert(fill_id);
                if let Some(instrument) = message.instrument.filter(|_| is_whole && is_new) {
                    self.forced.push(Forced { at, instrument, side, fill_id });
                }
            }
            VenueEvent::Balance { wallet, available, .. } => {
                let is_zero = wallet.get() == Some(Money::ZERO);
                let real = |amount: &Money| !is_zero || !amount.is_zero();
                let available = available.get().filter(real);
                self.balances.push(Told { at, available });
            }
            VenueEvent::PositionsEnd { ok: true, revision, .. } => {
                let same = self.snapshot.filter(|last| last.0 == at).map_or(0, |last| last.1);
                self.snapshot = Some((at, revision.max(same)));
            }
            VenueEvent::Reject { reason: RejectReason::OrderRate }
                if self.latches && at > self.released =>
            {
                self.latched = self.latched.or(Some(at));
            }
            _ => return,
        }
        let is_fresh = |seen: Nanos| at.since(seen) <= MEMORY_NS;
        self.heats.retain(|heat| is_fresh(heat.0));
        self.balances.retain(|told| is_fresh(told.at));
    }

    /// A record was written. Inputs of the same turn and of earlier ones are known by then.
    ///
    /// # Errors
    /// `I2_foreign`, `I8_hot_window`, `I8_margin`, `I8_recovered`, `I15_trip_fees`, `I19_trade_once`.
    pub(super) fn record(&mut self, message: &RecordMsg) -> Result<(), Breach> {
        let at = message.ts_ns;
        self.fees(&message.record)?;
        match message.record {
            // One that tells of a refused cancel has a reason.
            Record::Order {
                status: OrderStatus::Submitted,
                reduce_only: false,
                instrument,
                reason: "",
                ..
            } => self.entry(at, instrument),
            Record::Order { status, reason, instrument, .. } => {
                // A cancel was refused: the order may have filled.
                if status != OrderStatus::Rejected && RejectReason::from_text(reason).is_some() {
                    self.heats.push((at, Some(instrument)));
                }
                Ok(())
            }
            Record::Resume { reason } if reason == Control::Recover.as_str() => {
                let seen = self.snapshot.map(|snapshot| snapshot.0);
                if seen >= self.recovers {
                    return Ok(());
                }
                let what = format!("no positions since {:?}, the last {seen:?}", self.recovers);
                Err(Breach { check: "I8_recovered", what })
            }
            Record::Fill { fill_id, .. } if self.foreign.contains(&fill_id) => {
                let what = format!("{fill_id} is booked, and somebody else's");
                Err(Breach { check: "I2_foreign", what })
            }
            Record::Fill { fill_id, .. } => {
                if !fill_id.is_empty() {
                    self.booked.insert(fill_id);
                }
                Ok(())
            }
            Record::Slot { event: SlotEvent::Enter, trade, .. } => {
                self.entered.insert(trade.seq());
                once(!self.adopted.contains(&trade.seq()), trade.seq())
            }
            Record::Adopted { trade, .. } => {
                let is_new = !self.entered.contains(&trade.seq());
                once(self.adopted.insert(trade.seq()) && is_new, trade.seq())
            }
            _ => Ok(()),
        }
    }

    /// The fees of a round trip are those of its fills, whenever they became known.
    fn fees(&mut self, record: &Record) -> Result<(), Breach> {
        match *record {
            Record::Order { client, status: OrderStatus::Submitted, .. } => {
                self.submitted.insert(client);
            }
            Record::Slot { event: SlotEvent::Enter, trade, .. } => {
                self.trips.insert(trade.seq(), TripFees::default());
            }
            Record::Fill { client, trade, fee, .. } => {
                if let Some(trip) = self.trips.get_mut(&trade.seq()) {
                    trip.sum += fee;
                    trip.is_mixed |= !self.submitted.contains(&client);
                }
            }
            Record::FeeSettled { trade, estimated, fee, .. } => {
                if let Some(trip) = self.trips.get_mut(&trade.seq()) {
                    trip.sum += fee - estimated;
                }
            }
            Record::TradeClosed { trade, fees, .. } => {
                let trip = self.trips.remove(&trade.seq()).filter(|trip| !trip.is_mixed);
                if let Some(trip) = trip.filter(|trip| trip.sum != fees) {
                    let what =
                        format!("round trip {}: fees {fees}, its fills {}", trade.seq(), trip.sum);
                    return Err(Breach { check: "I15_trip_fees", what });
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// An entry left: was there proof for it?
    fn entry(&self, at: Nanos, instrument: InstrumentId) -> Result<(), Breach> {
        let is_hot = |heat: &&(Nanos, Option<InstrumentId>)| {
            let here = heat.1.is_none_or(|of| of == instrument);
            here && heat.0 < at && at.since(heat.0) < self.hot_window_ns
        };
        if let Some(heat) = self.heats.iter().find(is_hot) {
            let what = format!("an entry {} ns after a possible fill", at.since(heat.0));
            return Err(Breach { check: "I8_hot_window", what });
        }
        let known = |told: &&Told| told.at <= at;
        let margin = self.balances.iter().rev().filter(known).find(|told| told.available.is_some());
        if let Some(told) = margin.filter(|told| told.at < at)
            && told.available.is_some_and(|amount| !amount.is_positive())
        {
            let what = format!("an entry without margin: {told:?}");
            return Err(Breach { check: "I8_margin", what });
        }
        Ok(())
    }

    /// Everything of a turn is known: a close by the venue of what is held must be booked.
    ///
    /// # Errors
    /// `I2_forced`.
    pub(super) fn forced(&mut self, kernel: &Kernel) -> Result<(), Breach> {
        for forced in std::mem::take(&mut self.forced) {
            let was_held = kernel.slots().iter().any(|slot| {
                slot.is_open()
                    && slot.instrument() == Some(forced.instrument)
                    && slot.side() == Some(forced.side)
                    && slot.opened_ns().is_some_and(|opened| opened < forced.at)
            });
            if was_held && !self.booked.contains(&forced.fill_id) {
                return Err(Breach {
                    check: "I2_forced",
                    what: format!("{forced:?} is not booked"),
                });
            }
        }
        Ok(())
    }

    /// A snapshot from before our last order must not count as proof; `outlived` is the revision of the last
    /// probe before that order, and the order's time.
    ///
    /// # Errors
    /// `I8_stale_proof`.
    pub(super) fn stale(
        &self,
        kernel: &Kernel,
        outlived: Option<(u64, Nanos)>,
    ) -> Result<(), Breach> {
        let (Some((at, revision)), Some((asked, ordered))) = (self.snapshot, outlived) else {
            return Ok(());
        };
        if kernel.facts().probe() == Probe::Seen(at) && revision <= asked && at > ordered {
            let what = format!("positions of revision {revision}, an order left since");
            return Err(Breach { check: "I8_stale_proof", what });
        }
        Ok(())
    }

    /// The venue accepted an entry that left at `sent`.
    ///
    /// # Errors
    /// `I4_latch`, `I4_order_rate`.
    pub(super) fn accepted(&mut self, sent: Nanos) -> Result<(), Breach> {
        // One that left an earlier process is not of this gate's count.
        if sent <= self.released {
            return Ok(());
        }
        if let Some(latched) = self.latched.filter(|latched| sent > *latched) {
            let what = format!("an entry {} ns after too many", sent.since(latched));
            return Err(Breach { check: "I4_latch", what });
        }
        self.sent.retain(|before| sent.get() - before < 60 * Nanos::SECOND);
        self.sent.push(sent.get());
        if self.sent.len() > self.orders_per_minute {
            let what = format!("{} entries in a minute", self.sent.len());
            return Err(Breach { check: "I4_order_rate", what });
        }
        Ok(())
    }
}

fn once(is_new: bool, trade: u64) -> Result<(), Breach> {
    if is_new {
        return Ok(());
    }
    Err(Breach { check: "I19_trade_once", what: format!("round trip {trade} began twice") })
}
