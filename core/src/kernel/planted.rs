//! Planted defects that need more than a line.

use crate::id::ClientId;
use crate::kernel::book::FillIn;
use crate::kernel::slot::position::Position;
use crate::kernel::{Effects, Kernel};
use crate::msg::record::OrderStatus;
use crate::msg::{ClientRef, OrderRole, PositionSide, VenueMsg};
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
    pub(super) fn end_absent(&mut self, now: Nanos, out: &mut Effects) {
        for index in 0..self.slots.len() {
            for client in self.slots[index].live() {
                let works = self.orders.get(client).is_some_and(|order| !order.venue_id.is_empty());
                if works {
                    self.end_denied(now, client, out);
                }
            }
        }
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
    pub(super) fn flip(&mut self, index: usize, qty: Qty) {
        let position = &mut self.slots[index].position;
        let side = match position.side {
            PositionSide::Long => PositionSide::Short,
            PositionSide::Short => PositionSide::Long,
        };
        let size = qty - position.size;
        *position = Position { side, size, entered: size, ..*position };
    }
}
