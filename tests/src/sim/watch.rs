//! What must be true of the running engine after every round: promises kept, orders called back, facts that
//! are facts. Each of these is a layer whose loss another layer would hide for a while.

use pinion_core::engine::Engine;
use pinion_core::id::{ClientId, TradeId};
use pinion_core::kernel::Slot;
use pinion_core::msg::PositionSide;
use pinion_core::units::{Money, Nanos, Qty, Rate};
use pinion_io::paper::faults::Fault;
use pinion_io::paper::{Owner, Truth};
use pinion_oracle::Breach;

use super::run::Run;
use super::workload::Brain;

/// Furthest that a learned fee may be from the published one.
const RATIO_MAX: Rate = Rate::from_raw(115_000_000);
/// See [`RATIO_MAX`].
const RATIO_MIN: Rate = Rate::from_raw(85_000_000);
/// A position of somebody else's that is older than this shows in every proof that counts: proof of thirty
/// seconds, a view five seconds old, half a minute on the way in, out, and at rest on either side.
const FOREIGN_NS: i64 = 180 * Nanos::SECOND;

/// An exit that a slot owed when its process died.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promise {
    trade: TradeId,
    size: Qty,
    due: Nanos,
    /// The exit that worked then; the next one makes a promise of its own.
    exit: Option<ClientId>,
}

/// What the driver remembers for these checks.
#[derive(Debug, Default)]
pub(super) struct Watch {
    promises: Vec<Promise>,
    pub(super) reanchored: bool,
    foreign_since: Vec<Option<Nanos>>,
}

impl Watch {
    /// The process dies and keeps what it has promised.
    pub(super) fn remember(&mut self, engine: &Engine<Brain>) {
        let promise = |slot: &Slot| {
            let (trade, due) = (slot.trade()?, slot.exit_due_ns()?);
            let exit = slot.exit_order();
            slot.is_open().then_some(Promise { trade, size: slot.size(), due, exit })
        };
        self.promises = engine.kernel().slots().iter().filter_map(promise).collect();
    }
}

impl Run<'_> {
    /// Everything about the running engine.
    pub(super) fn watch_round(&mut self) -> Result<(), Breach> {
        let Some(rig) = &self.rig else { return Ok(()) };
        let kernel = rig.kernel.engine().kernel();
        let wallet = rig.venue().venue().account().wallet;
        if kernel.facts().wallet() == Some(Money::ZERO) && !wallet.is_zero() {
            let what = format!("the engine took a wallet of zero, it is {}", wallet.raw());
            return Err(Breach { check: "I14_placeholder", what });
        }
        if !kernel.ledger().adjustments().is_zero() && !self.watch.reanchored {
            let what = format!("{} were booked by nobody", kernel.ledger().adjustments().raw());
            return Err(Breach { check: "I13_adjustments", what });
        }
        let is_odd = self.job.plan.rate(Fault::FeeOdd) > 0;
        for is_maker in [false, true] {
            let side = kernel.fee_model().side(is_maker);
            if !(RATIO_MIN..=RATIO_MAX).contains(&side.ratio()) {
                return Err(Breach { check: "I15_fee_ratio", what: format!("{side:?}") });
            }
            if side.refused() > 0 && !is_odd {
                return Err(Breach { check: "I15_fee_refused", what: format!("{side:?}") });
            }
        }
        if kernel.is_recovering() {
            for promise in std::mem::take(&mut self.watch.promises) {
                let same = |slot: &&Slot| {
                    slot.trade() == Some(promise.trade)
                        && slot.size() == promise.size
                        && slot.exit_order() == promise.exit
                };
                // Who calls back the exit meanwhile, or asks for another, answers for it.
                let called_back = |slot: &Slot| {
                    let order = slot.exit_order().and_then(|client| kernel.order(client));
                    order.is_some_and(|order| order.cancel_wanted || order.cancel_sent_ns.is_some())
                };
                if let Some(slot) = kernel.slots().iter().find(same)
                    && slot.exit_due_ns() != Some(promise.due)
                    && !called_back(slot)
                    && !slot.is_exit_pending()
                {
                    let what = format!("{promise:?}, now {:?}", slot.exit_due_ns());
                    return Err(Breach { check: "I5_promise", what });
                }
            }
        }
        Ok(())
    }

    /// What the venue did, beside what the oracle says of it.
    pub(super) fn watch_truth(&mut self, what: &Truth) -> Result<(), Breach> {
        if let Truth::Fill { number, owner: Owner::Foreign, .. } = *what {
            self.proof.foreign(number);
        }
        let Truth::Accepted { sent_ns, client, instrument, position_side, side, .. } = *what else {
            return Ok(());
        };
        if side == position_side.entry_side() {
            return self.proof.accepted(sent_ns);
        }
        let Some(rig) = &self.rig else { return Ok(()) };
        let kernel = rig.kernel.engine().kernel();
        for live in self.oracle.live_orders() {
            let Some(other) = self.oracle.order(*live).filter(|fact| !fact.is_entry) else {
                continue;
            };
            let here = other.instrument == instrument.index()
                && other.is_long == (position_side == PositionSide::Long);
            let id = ClientId::new(live.0, live.1);
            // One that the venue has denied may work all the same.
            let is_known = kernel.order(id).is_some_and(|order| !order.over);
            if here && id != client && is_known {
                let what = format!("{client:?} leaves while {id:?} works: {other:?}");
                return Err(Breach { check: "I1_double_exit", what });
            }
        }
        Ok(())
    }

    /// Since when somebody else holds something, as far as it matters to an entry now.
    pub(super) fn watch_foreign(&mut self) {
        let places = self.world.table.len() * 2;
        self.watch.foreign_since.resize(places, None);
        for place in 0..places {
            let held = self.oracle.foreign(place / 2, place % 2 == 1) > 0;
            let since = &mut self.watch.foreign_since[place];
            *since = if held { since.or(Some(self.now)) } else { None };
        }
    }

    /// An entry left although the account has held somebody else's position for long.
    pub(super) fn watch_entry(&self, at: Nanos) -> Result<(), Breach> {
        let lists_lie = self.job.plan.rate(Fault::EmptyList) > 0;
        let long = |since: &Nanos| at.since(*since) > FOREIGN_NS;
        let oldest = self.watch.foreign_since.iter().flatten().min().copied();
        match oldest.filter(long).filter(|_| !lists_lie) {
            Some(since) => {
                let what = format!("an entry, somebody else's position is there since {since:?}");
                Err(Breach { check: "I8_venue_not_flat", what })
            }
            None => Ok(()),
        }
    }
}
