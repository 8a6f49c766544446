//! No stream of answers makes the gate let too much out.

use std::vec::Vec;

use proptest::prelude::*;

use super::{Rig, SECOND};
use crate::id::{ClientId, TextId};
use crate::msg::venue::VenueOrderState;
use crate::msg::{ClientRef, Maybe, OrderRole, PositionSide, VenueEvent};
use crate::units::{Price, Qty};

/// An order at a venue that is honest but badly heard.
#[derive(Clone, Copy)]
struct AtVenue {
    client: ClientId,
    instrument: usize,
    role: OrderRole,
    qty: i64,
    filled: i64,
    over: bool,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Enter { instrument: usize, units: i64 },
    Exit { instrument: usize, units: i64 },
    Fill { order: usize, units: i64, tells_total: bool },
    End { order: usize, tells_total: bool },
    Ask { order: usize },
    Snapshot,
    Deliver { message: usize, again: bool },
    Lose { message: usize },
    Wait { ns: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    let (at, units) = (0..2usize, 1..120i64);
    let order = 0..64usize;
    prop_oneof![
        4 => (at.clone(), units.clone())
            .prop_map(|(instrument, units)| Step::Enter { instrument, units }),
        2 => (at, units.clone()).prop_map(|(instrument, units)| Step::Exit { instrument, units }),
        5 => (order.clone(), units, any::<bool>())
            .prop_map(|(order, units, tells_total)| Step::Fill { order, units, tells_total }),
        2 => (order.clone(), any::<bool>())
            .prop_map(|(order, tells_total)| Step::End { order, tells_total }),
        2 => order.clone().prop_map(|order| Step::Ask { order }),
        1 => Just(Step::Snapshot),
        8 => (order.clone(), any::<bool>())
            .prop_map(|(message, again)| Step::Deliver { message, again }),
        1 => order.prop_map(|message| Step::Lose { message }),
        2 => (0..40 * SECOND).prop_map(|ns| Step::Wait { ns }),
    ]
}

/// The venue of the property: it holds the truth, the gate hears pieces of it.
struct Model {
    rig: Rig,
    orders: Vec<AtVenue>,
    under_way: Vec<(AtVenue, VenueEvent)>,
}

impl Model {
    fn position(&self, instrument: usize) -> i64 {
        let here = self.orders.iter().filter(|order| order.instrument == instrument);
        here.map(|order| match order.role {
            OrderRole::Entry => order.filled,
            OrderRole::Exit => -order.filled,
        })
        .sum()
    }

    fn pick(&mut self, order: usize) -> Option<&mut AtVenue> {
        let count = self.orders.len();
        (count > 0).then(|| &mut self.orders[order % count])
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Enter { instrument, units } => {
                if let Ok(client) = self.rig.enter(instrument, units) {
                    self.accept(client, instrument, OrderRole::Entry, units);
                }
            }
            Step::Exit { instrument, units } => {
                if let Ok(client) = self.rig.exit(instrument, units) {
                    self.accept(client, instrument, OrderRole::Exit, units);
                }
            }
            Step::Fill { order, units, tells_total } => self.fill(order, units, tells_total),
            Step::End { order, tells_total } => {
                let Some(order) = self.pick(order) else { return };
                if core::mem::replace(&mut order.over, true) {
                    return;
                }
                let order = *order;
                let total = Maybe::some(Qty::from_whole(order.filled));
                let cum_qty = if tells_total { total } else { Maybe::NONE };
                let event = VenueEvent::Canceled { venue_id: TextId::EMPTY, cum_qty };
                self.under_way.push((order, event));
            }
            Step::Ask { order } => {
                let Some(order) = self.pick(order).map(|order| *order) else { return };
                let state = match (order.over, order.filled == order.qty) {
                    (true, true) => VenueOrderState::Filled,
                    (true, false) => VenueOrderState::Canceled,
                    (false, _) => VenueOrderState::PartiallyFilled,
                };
                let event = VenueEvent::OrderStatus {
                    venue_id: TextId::EMPTY,
                    state,
                    cum_qty: Maybe::some(Qty::from_whole(order.filled)),
                    avg_price: Maybe::NONE,
                };
                self.under_way.push((order, event));
            }
            Step::Snapshot => {
                let shown = [self.position(0), self.position(1)];
                for (instrument, units) in shown.into_iter().enumerate() {
                    let qty = Qty::from_whole(units);
                    let side = PositionSide::Long;
                    let row = VenueEvent::Position { side, qty, entry_price: Maybe::NONE };
                    self.rig.hear(ClientRef::Absent, instrument, row);
                }
                let end = VenueEvent::PositionsEnd { ok: true, rows: 2, revision: 0 };
                self.rig.hear(ClientRef::Absent, 0, end);
            }
            Step::Deliver { message, again } => {
                let count = self.under_way.len();
                if count == 0 {
                    return;
                }
                let (order, event) = self.under_way[message % count];
                self.rig.hear(ClientRef::Own(order.client), order.instrument, event);
                if !again {
                    self.under_way.swap_remove(message % count);
                }
            }
            Step::Lose { message } => {
                let count = self.under_way.len();
                if count > 0 {
                    self.under_way.swap_remove(message % count);
                }
            }
            Step::Wait { ns } => self.rig.wait(ns),
        }
    }

    fn fill(&mut self, order: usize, units: i64, tells_total: bool) {
        let Some(order) = self.pick(order).map(|order| *order) else { return };
        let held = self.position(order.instrument);
        let most = match order.role {
            OrderRole::Entry => order.qty - order.filled,
            OrderRole::Exit => (order.qty - order.filled).min(held),
        };
        let units = units.min(most);
        if order.over || units < 1 {
            return;
        }
        self.rig.fills += 1;
        let fill_id = TextId::from_number(self.rig.fills);
        let Some(own) = self.orders.iter_mut().find(|own| own.client == order.client) else {
            return;
        };
        own.filled += units;
        own.over = own.filled == own.qty;
        let total = Maybe::some(Qty::from_whole(own.filled));
        let event = VenueEvent::Fill {
            venue_id: TextId::EMPTY,
            fill_id,
            qty: Qty::from_whole(units),
            price: Price::from_whole(10),
            fee: Maybe::NONE,
            cum_qty: if tells_total { total } else { Maybe::NONE },
            side: None,
            is_maker: None,
        };
        self.under_way.push((order, event));
    }

    fn accept(&mut self, client: ClientId, instrument: usize, role: OrderRole, qty: i64) {
        self.orders.push(AtVenue { client, instrument, role, qty, filled: 0, over: false });
    }

    /// What could be held at worst: positions, and all that works toward more.
    fn worst(&self, instrument: usize) -> i64 {
        let works = |order: &&AtVenue| {
            order.instrument == instrument && order.role == OrderRole::Entry && !order.over
        };
        let more: i64 =
            self.orders.iter().filter(works).map(|order| order.qty - order.filled).sum();
        self.position(instrument) + more
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever is lost, doubled or out of order: what the venue holds and could still fill stays within
    /// the caps, and no instrument has two entries at work.
    #[test]
    fn the_caps_hold_whatever_is_heard(steps in prop::collection::vec(step(), 1..300)) {
        let mut model = Model { rig: Rig::new(), orders: Vec::new(), under_way: Vec::new() };
        for step in steps {
            model.take(step);
            let worst = [model.worst(0), model.worst(1)];
            prop_assert!(worst.iter().all(|units| *units <= 100), "{worst:?} after {step:?}");
            prop_assert!(worst.iter().sum::<i64>() <= 150, "{worst:?} after {step:?}");
            for instrument in 0..2 {
                let works = model.orders.iter().filter(|order| {
                    order.instrument == instrument
                        && order.role == OrderRole::Entry
                        && !order.over
                });
                prop_assert!(works.count() <= 1);
            }
        }
    }
}
