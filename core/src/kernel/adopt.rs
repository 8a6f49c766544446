//! Positions of the venue's that are not ours: taken over at a start, an alarm while running.
//!
//! At a start (the first whole snapshot of a kernel that never placed an order, or the one that a recovery
//! waits for) the venue is right: what it holds becomes round trips of ours, the largest first. What no
//! slot can take, and what appears later, freezes entries for as long as the venue shows it; that is a
//! function of its last snapshots and of nothing else.

use crate::id::{ClientId, InstrumentId, TradeId};
use crate::kernel::slot::position::Position;
use crate::kernel::stage::{SlotEvent, SlotStage};
use crate::kernel::{Effects, Kernel, Slot};
use crate::msg::record::PriceSource;
use crate::msg::{OrderRole, PositionSide, Record};
use crate::units::{Money, Nanos, Price, Qty};

/// Reason of the freeze, and of its end.
const ORPHAN: &str = "orphan_position";

/// What the venue shows of an asset beyond what we hold.
#[derive(Clone, Copy, Debug)]
struct Stranger {
    instrument: InstrumentId,
    side: PositionSide,
    qty: Qty,
    /// The venue's entry price, which is that of the whole position.
    entry_price: Option<Price>,
}

/// A stranger with everything that a round trip needs.
#[derive(Clone, Copy, Debug)]
struct Adoptable {
    stranger: Stranger,
    price: Price,
    source: PriceSource,
    notional: Money,
}

impl Kernel {
    /// True when a whole view of the venue's positions should be asked for soon: the venue refused an exit
    /// because it sees nothing to reduce. Until a current one has come.
    #[must_use]
    pub const fn wants_positions(&self) -> bool {
        self.wants_positions
    }

    /// What we hold of an asset: long, short.
    pub(super) fn held(&self, instrument: InstrumentId) -> [Qty; 2] {
        held_by(&self.slots, instrument)
    }

    /// A whole current position snapshot came.
    pub(super) fn on_positions(&mut self, now: Nanos, out: &mut Effects) {
        self.wants_positions = false;
        self.positions_against_denied();
        let is_first = !self.was_probed && self.orders_placed == 0 && !self.recovery.is_on();
        self.was_probed = true;
        let takes_over = is_first || self.recovery.awaits_positions();
        if takes_over {
            self.adopt_all(now, out);
        }
        self.watch_orphans(now, takes_over, out);
        // An order of ours may just be filling what looks strange, or hold the slot for it: the recovery waits
        // for its answer.
        let in_flight = self.strangers().next().is_some() && self.has_unresolved_order()
            || self.strangers().any(|stranger| self.has_live_order(now, stranger.instrument));
        let believed = self.recovery.believes(self.facts.lists_nothing(), self.orders_placed > 0);
        self.wants_positions = !believed || self.recovery.awaits_list();
        if !in_flight && believed {
            self.recovery.positions_seen();
        }
        if self.close_outside(now, out) {
            return;
        }
        let slots = &self.slots;
        self.facts.compare(|instrument| held_by(slots, instrument));
        if self.facts.shows_own_positions(now) {
            self.positions_agree(out);
        }
    }

    fn strangers(&self) -> impl Iterator<Item = Stranger> {
        (0..self.table.len()).flat_map(|index| {
            let instrument = InstrumentId::new(index);
            let [long, short] = self.held(instrument);
            let shown = self.facts.shown(instrument).copied().unwrap_or_default();
            let beyond = |side, shown: Qty, held: Qty, entry_price| {
                let qty = shown.checked_sub(held).filter(|qty| qty.is_positive())?;
                Some(Stranger { instrument, side, qty, entry_price })
            };
            [
                beyond(PositionSide::Long, shown.long, long, shown.long_price),
                beyond(PositionSide::Short, shown.short, short, shown.short_price),
            ]
            .into_iter()
            .flatten()
        })
    }

    /// An order of ours may explain what the venue shows of an asset. One that the venue has denied for long
    /// does not: what it may have done is as good as somebody else's.
    fn has_live_order(&self, now: Nanos, instrument: InstrumentId) -> bool {
        self.live_orders().any(|order| order.instrument == instrument && !self.is_gone(now, order))
    }

    /// Takes over what can be, the largest notional first; of two equal ones the first of the table.
    fn adopt_all(&mut self, now: Nanos, out: &mut Effects) {
        while let Some(free) = self.slots.iter().position(Slot::is_free) {
            let mut largest: Option<Adoptable> = None;
            for stranger in self.strangers() {
                if let Some(next) = self.adoptable(now, stranger)
                    && largest.is_none_or(|largest| next.notional > largest.notional)
                {
                    largest = Some(next);
                }
            }
            let Some(adoptable) = largest else { return };
            self.adopt(now, free, &adoptable, out);
        }
    }

    /// What a round trip needs: a slot of ours that is not in it already, and a price.
    fn adoptable(&self, now: Nanos, stranger: Stranger) -> Option<Adoptable> {
        let Stranger { instrument, side, qty, entry_price } = stranger;
        let has = |slot: &Slot| {
            !slot.is_free() && slot.instrument == instrument && slot.position.side == side
        };
        if self.slots.iter().any(has) || self.has_live_order(now, instrument) {
            return None;
        }
        let told = entry_price.filter(|price| price.is_positive());
        let (price, source) = match told {
            Some(price) => (price, PriceSource::Venue),
            None => (self.markets.get(instrument.index())?.top.fair()?, PriceSource::Market),
        };
        let notional = price.notional(qty)?;
        Some(Adoptable { stranger, price, source, notional })
    }

    /// A round trip of our own sequence: nobody knows since when it is open, and nothing is booked for it.
    fn adopt(&mut self, now: Nanos, index: usize, adoptable: &Adoptable, out: &mut Effects) {
        let Adoptable { stranger, price, source, notional } = *adoptable;
        let Stranger { instrument, side, qty, .. } = stranger;
        let mut trade = self.next_trade();
        if planted!(L13AdoptedIdCollides) {
            trade = TradeId::new(instrument.index() as u64 + 1);
        }
        self.next_trade = self.next_trade.saturating_add(1);
        let slot = &mut self.slots[index];
        slot.begin(trade, instrument, side);
        slot.position = Position::adopted(side, qty, notional);
        slot.adopted_ns = Some(now);
        slot.requested = qty;
        self.revision += 1;
        #[expect(clippy::cast_possible_truncation, reason = "at most 16 slots")]
        let slot = index as u8;
        out.record(Record::Adopted {
            slot,
            trade,
            instrument,
            side,
            qty,
            entry_price: price,
            source,
        });
        self.fire(index, SlotEvent::Adopt, out);
        self.mark(instrument);
        out.record(self.account_record());
        self.dust_below_lot(now, index, out);
    }

    /// Freezes while the venue shows what is not ours and no order of ours explains it. While running it
    /// takes two snapshots in a row: one may lag behind our own fills. An end of it that shows nothing at all
    /// takes two as well: venues send empty lists by mistake.
    fn watch_orphans(&mut self, now: Nanos, at_once: bool, out: &mut Effects) {
        let mut is_strange = self.facts.shows_unknown_asset()
            || self.strangers().any(|stranger| !self.has_live_order(now, stranger.instrument));
        is_strange &= !planted!(D25RestIgnored);
        let was = self.halts.orphan;
        let doubts_end = was && self.halts.was_strange && self.facts.lists_nothing();
        self.halts.orphan = match is_strange {
            true => at_once || was || self.halts.was_strange,
            false => doubts_end,
        };
        self.halts.was_strange = is_strange;
        match (was, self.halts.orphan) {
            (false, true) => out.record(Record::Halt { reason: ORPHAN }),
            (true, false) => out.record(Record::Resume { reason: ORPHAN }),
            (false, false) | (true, true) => {}
        }
    }

    /// A fill comes of an entry that was taken for never arrived, and its slot has gone on: a free slot takes
    /// it back, for the position is there. Under its own round trip, unless that is written already.
    pub(super) fn take_back(&mut self, client: ClientId, out: &mut Effects) {
        let Some(order) = self.orders.get(client).copied() else { return };
        let slot = &self.slots[usize::from(order.slot)];
        let has_gone_on =
            slot.trade != order.trade || slot.stage == SlotStage::TradeTerminalWritten;
        if !order.presumed || order.role == OrderRole::Exit || !has_gone_on {
            return;
        }
        let Some(free) = self.slots.iter().position(Slot::is_free) else { return };
        let trade = if order.filled.is_zero() { order.trade } else { self.next_trade() };
        self.next_trade = self.next_trade.max(trade.seq().saturating_add(1));
        let slot = &mut self.slots[free];
        slot.begin(trade, order.instrument, order.position_side);
        slot.requested = order.qty;
        self.fire(free, SlotEvent::Enter, out);
        if let Some(order) = self.orders.get_mut(client) {
            #[expect(clippy::cast_possible_truncation, reason = "at most 16 slots")]
            let slot = free as u8;
            order.slot = slot;
            order.trade = trade;
        }
    }
}

/// What these slots hold of an asset: long, short.
pub(super) fn held_by(slots: &[Slot], instrument: InstrumentId) -> [Qty; 2] {
    let mut held = [Qty::ZERO; 2];
    for slot in slots.iter().filter(|slot| slot.is_open() && slot.instrument == instrument) {
        let sum = match slot.position.side {
            PositionSide::Long => &mut held[0],
            PositionSide::Short => &mut held[1],
        };
        *sum = sum.checked_add(slot.position.size).unwrap_or(Qty::MAX);
    }
    held
}
