//! A kernel that was read back from a snapshot: what was not saved is given back, what was is checked.

use alloc::sync::Arc;

use crate::engine::Damage;
use crate::id::ClientId;
use crate::instrument::InstrumentTable;
use crate::kernel::book::HELD_FILLS_MAX;
use crate::kernel::market::Market;
use crate::kernel::{Kernel, Slot};
use crate::policy::SLOTS_MAX;
use crate::settings::Settings;
use crate::units::{Money, Qty};

impl Kernel {
    /// Takes the table again, which begins with the `instruments` saved ones, sizes what is per
    /// instrument and per slot, and checks that the rest can be the state of a kernel.
    pub(crate) fn restored(
        &mut self,
        instruments: usize,
        settings: &Settings,
        table: Arc<InstrumentTable>,
    ) -> Result<(), Damage> {
        let slots = self.slots.len();
        Damage::unless((1..=SLOTS_MAX).contains(&slots), "slots", None, "between 1 and 16")?;
        Damage::unless(
            self.markets.len() == instruments,
            "markets",
            None,
            "one row per instrument",
        )?;
        self.fills.restored(slots, instruments)?;
        self.flows.restored(instruments)?;
        self.orders.restored(slots, instruments, &self.fills)?;
        for (index, slot) in self.slots.iter().enumerate() {
            self.check_slot(index, slot, instruments)?;
        }
        let mut held = self.held.iter().filter_map(super::book::HeldFill::instrument);
        Damage::unless(
            self.held.len() <= HELD_FILLS_MAX && held.all(|id| id.index() < instruments),
            "fills without an order",
            None,
            "instruments that exist, and no more than may wait",
        )?;
        self.held.reserve_exact(HELD_FILLS_MAX - self.held.len());
        Damage::unless(self.ledger.adds_up(), "books", None, "a capital that adds up")?;
        Damage::unless(self.next_trade > 0, "round trips", None, "numbers from 1")?;
        self.facts.restored(instruments, table.len())?;
        self.markets.resize(table.len().max(instruments), Market::EMPTY);
        self.table = table;
        self.fit_slots(settings);
        Ok(())
    }

    fn check_slot(&self, index: usize, slot: &Slot, instruments: usize) -> Result<(), Damage> {
        const PLACE: &str = "slot";
        // A slot that was never used names the first instrument, even of an empty table.
        let used = slot.trade().is_some();
        Damage::unless(
            !used || slot.instrument.index() < instruments,
            PLACE,
            index,
            "an instrument that exists",
        )?;
        let position = &slot.position;
        Damage::unless(
            (Qty::ZERO..=position.entered).contains(&position.size)
                && position.entry_notional >= Money::ZERO,
            PLACE,
            index,
            "a size within what was entered",
        )?;
        Damage::unless(
            used || (!slot.is_open() && slot.pending_exit.is_none()),
            PLACE,
            index,
            "nothing held in a slot that was never used",
        )?;
        // The memory of orders is finite: one that is over may be gone, but never one of the future.
        let ours = |client: ClientId| {
            self.orders.has_given(client)
                && self.orders.get(client).is_none_or(|order| usize::from(order.slot) == index)
        };
        let mut orders = [slot.entry_order, slot.exit_order].into_iter().flatten();
        Damage::unless(orders.all(ours), PLACE, index, "orders of its own")
    }

    /// As many slots as the settings want; one that is in use never goes.
    fn fit_slots(&mut self, settings: &Settings) {
        let wanted = Self::slot_count(settings);
        while self.slots.len() > wanted && self.slots.last().is_some_and(Slot::is_free) {
            self.slots.pop();
        }
        while self.slots.len() < wanted {
            self.slots.push(Slot::new());
        }
    }
}
