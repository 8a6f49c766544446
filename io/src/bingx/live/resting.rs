//! Our orders that may rest at the venue: while there is one, the dead-man timer must be armed.

use pinion_core::id::ClientId;
use pinion_core::msg::venue::VenueOrderState;
use pinion_core::msg::{ClientRef, VenueEvent, VenueMsg};
use pinion_core::units::{Nanos, Qty};

/// A view may not show yet an order that left this recently.
const LAG_NS: i64 = 10 * Nanos::SECOND;

#[derive(Clone, Copy, Debug)]
struct Row {
    client: ClientId,
    /// Ordered; `None` for one that only a view told.
    qty: Option<Qty>,
    since: Nanos,
    is_listed: bool,
}

/// Orders of ours that may rest, those of an earlier process among them. Errs on the side of remembering.
#[derive(Debug, Default)]
pub(super) struct Resting {
    rows: Vec<Row>,
}

impl Resting {
    pub(super) const fn any(&self) -> bool {
        !self.rows.is_empty()
    }

    /// An order that may rest is about to leave.
    pub(super) fn sent(&mut self, now: Nanos, client: ClientId, qty: Qty) {
        self.rows.push(Row { client, qty: Some(qty), since: now, is_listed: false });
    }

    /// The venue said something.
    pub(super) fn heard(&mut self, message: &VenueMsg) {
        if let VenueEvent::OpenOrdersEnd { ok, .. } = message.event {
            let now = message.ts_recv_ns;
            if ok {
                self.rows.retain(|row| row.is_listed || now.since(row.since) < LAG_NS);
            }
            self.rows.iter_mut().for_each(|row| row.is_listed = false);
            return;
        }
        let ClientRef::Own(client) = message.client else { return };
        let is_over = match message.event {
            VenueEvent::Reject { .. }
            | VenueEvent::Canceled { .. }
            | VenueEvent::Expired { .. } => true,
            VenueEvent::Fill { cum_qty, .. } => {
                let row = self.rows.iter().find(|row| row.client == client);
                row.and_then(|row| row.qty).zip(cum_qty.get()).is_some_and(|(qty, cum)| cum >= qty)
            }
            VenueEvent::OrderStatus { state, .. } => match state {
                VenueOrderState::New
                | VenueOrderState::PartiallyFilled
                | VenueOrderState::NotFound => false,
                VenueOrderState::Filled
                | VenueOrderState::Canceled
                | VenueOrderState::Expired
                | VenueOrderState::Rejected => true,
            },
            VenueEvent::OpenOrder { .. } => {
                match self.rows.iter_mut().find(|row| row.client == client) {
                    Some(row) => row.is_listed = true,
                    None => self.rows.push(Row {
                        client,
                        qty: None,
                        since: message.ts_recv_ns,
                        is_listed: true,
                    }),
                }
                false
            }
            VenueEvent::Ack { .. }
            | VenueEvent::Ambiguous
            | VenueEvent::CancelRejected { .. }
            | VenueEvent::Forced { .. }
            | VenueEvent::FeeSettled { .. }
            | VenueEvent::Balance { .. }
            | VenueEvent::Funding { .. }
            | VenueEvent::Transfer { .. }
            | VenueEvent::Position { .. }
            | VenueEvent::PositionsEnd { .. }
            | VenueEvent::OpenOrdersEnd { .. } => false,
        };
        if is_over {
            self.rows.retain(|row| row.client != client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pinion_core::id::TextId;
    use pinion_core::msg::{Maybe, Side};

    const fn at(s: i64) -> Nanos {
        Nanos::new(s * Nanos::SECOND)
    }

    fn told(s: i64, client: ClientRef, event: VenueEvent) -> VenueMsg {
        VenueMsg { ts_exch_ns: Maybe::NONE, ts_recv_ns: at(s), client, instrument: None, event }
    }

    fn listed(resting: &mut Resting, s: i64, clients: &[ClientId]) {
        for client in clients {
            let event = VenueEvent::OpenOrder {
                venue_id: TextId::EMPTY,
                side: Side::Buy,
                qty: Qty::from_raw(5),
                cum_qty: Qty::ZERO,
            };
            resting.heard(&told(s, ClientRef::Own(*client), event));
        }
        let rows = u32::try_from(clients.len()).expect("few");
        let end = VenueEvent::OpenOrdersEnd { ok: true, rows, revision: 1 };
        resting.heard(&told(s, ClientRef::Absent, end));
    }

    #[test]
    fn an_order_is_remembered_until_it_is_certainly_over() {
        let client = ClientId::new(1, 1);
        let mut resting = Resting::default();
        resting.sent(at(0), client, Qty::from_raw(5));
        let fill = |cum| VenueEvent::Fill {
            venue_id: TextId::EMPTY,
            fill_id: TextId::EMPTY,
            qty: Qty::from_raw(1),
            price: pinion_core::units::Price::from_raw(1),
            fee: Maybe::NONE,
            cum_qty: Maybe::some(Qty::from_raw(cum)),
            side: None,
            is_maker: None,
        };
        resting.heard(&told(1, ClientRef::Own(client), fill(4)));
        resting.heard(&told(1, ClientRef::Own(client), VenueEvent::Ambiguous));
        assert!(resting.any());
        resting.heard(&told(1, ClientRef::Own(client), fill(5)));
        assert!(!resting.any());
    }

    #[test]
    fn views_forget_what_they_lack_only_when_they_cannot_lag_and_add_what_another_process_left() {
        let (ours, before) = (ClientId::new(2, 1), ClientId::new(1, 9));
        let mut resting = Resting::default();
        resting.sent(at(0), ours, Qty::from_raw(5));
        listed(&mut resting, 5, &[]);
        assert!(resting.any(), "the view may lag");
        listed(&mut resting, 11, &[before]);
        assert!(resting.any());
        listed(&mut resting, 12, &[before]);
        listed(&mut resting, 30, &[]);
        assert!(!resting.any());
    }
}
