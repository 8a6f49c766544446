//! Planted defects that need more than a line.

use crate::id::ClientId;
use crate::kernel::book::FillIn;
use crate::kernel::orders::Order;
use crate::kernel::slot::position::Position;
use crate::kernel::{Effects, Kernel};
use crate::msg::record::OrderStatus;
use crate::msg::{ClientRef, OrderRole, PositionSide, VenueEvent, VenueMsg};
use crate::units::{Nanos, Qty};

impl Kernel {
    /// The order of ours that a fill nobody claims is booked on.
    pub(super) fn mistaken_owner(&self, message: &VenueMsg, fill: &FillIn) -> Option<ClientId> {
        let nameless = message.client == ClientRef::Absent && fill.venue_id.is_empty();
        let taken = planted!(D07FillBySymbol) || (planted!(L08FillWithoutIdentity) && nameless);
        let mut orders = self.live_orders().filter(|_| taken);
        orders.find(|order| Some(order.instrument) == message.instrument).map(|order| order.client)
    }

    /// An order in doubt leaves again under a new identity, and the first one is forgotten.
    pub(super) fn send_again(&mut self, client: ClientId, out: &mut Effects) {
        let Some(mut again) = self.orders.get(client).copied() else { return };
        let Some(identity) = self.orders.allocate() else { return };
        self.retire(client);
        again.client = identity;
        again.status = OrderStatus::Submitted;
        self.orders.insert(again);
        let slot = &mut self.slots[usize::from(again.slot)];
        match again.role {
            OrderRole::Entry => slot.entry_order = Some(identity),
            OrderRole::Exit => slot.exit_order = Some(identity),
        }
        let _left = out.command(again.place());
    }

    /// The orders that a list without rows does not have are over at what is booked of them.
    pub(super) fn end_absent(&mut self, now: Nanos, message: &VenueMsg, out: &mut Effects) {
        let is_empty = matches!(message.event, VenueEvent::OpenOrdersEnd { ok: true, rows: 0, .. });
        if !is_empty || !planted!(D10AbsentIsCancelled) {
            return;
        }
        for index in 0..self.slots.len() {
            for client in self.slots[index].live() {
                let works = self.orders.get(client).is_some_and(|order| !order.venue_id.is_empty());
                if works {
                    self.end_denied(now, client, out);
                }
            }
        }
    }

    /// The order as a fill of `qty` is booked on it; `None` when the fill is dropped.
    pub(super) fn mistaken_order(&mut self, mut order: Order, qty: Qty) -> Option<Order> {
        let index = usize::from(order.slot);
        let slot = &self.slots[index];
        if planted!(D03RoleFromStage) && slot.exit_order.is_some() {
            order.role = OrderRole::Exit;
        }
        let is_exit = order.role == OrderRole::Exit;
        let is_adopted = slot.is_open() && slot.leverage.is_none();
        let dropped = (planted!(X17AdoptedExitDropped) && is_exit && is_adopted)
            || (planted!(X43LateFillDropped) && order.ended.is_some());
        if planted!(X18ExitFlips) && is_exit && qty > slot.position.size {
            self.flip(index, qty);
        }
        (!dropped).then_some(order)
    }

    /// The order lives again.
    pub(super) fn revive(&mut self, client: ClientId) {
        let Some(order) = self.orders.get_mut(client) else { return };
        (order.over, order.ended, order.ended_at) = (false, None, None);
        order.status = OrderStatus::Submitted;
        let slot = &mut self.slots[usize::from(order.slot)];
        match order.role {
            OrderRole::Entry => slot.entry_order = Some(client),
            OrderRole::Exit => slot.exit_order = Some(client),
        }
    }

    /// An exit of more than there is turns the position around.
    fn flip(&mut self, index: usize, qty: Qty) {
        let position = &mut self.slots[index].position;
        let side = match position.side {
            PositionSide::Long => PositionSide::Short,
            PositionSide::Short => PositionSide::Long,
        };
        let size = qty - position.size;
        *position = Position { side, size, entered: size, ..*position };
    }
}
