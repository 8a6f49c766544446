//! Random venues that deliver late, twice, out of order or not at all, against an oracle that only adds
//! up cash: it knows the fills that the venue really made and nothing of the kernel.

use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::rig::*;
use crate::id::{ClientId, TextId};
use crate::kernel::Intent;
use crate::kernel::stage::SlotStage as S;
use crate::msg::record::ReconcileState;
use crate::msg::venue::VenueOrderState;
use crate::msg::{
    ClientRef, Command, Input, Maybe, OrderKind, OrderRole, PositionSide, Side, VenueEvent,
    VenueMsg,
};
use crate::settings::Settings;
use crate::units::{Money, Nanos, Price, Qty, Rate};

/// An order at the venue.
struct VenueOrder {
    client: ClientId,
    venue_id: TextId,
    side: Side,
    role: OrderRole,
    is_market: bool,
    qty: i64,
    filled: i64,
    is_open: bool,
    /// Every fill, as told again when the order is looked up.
    told: Vec<VenueEvent>,
}

/// Messages on the way: whose, what, and when the venue made them. Its clock steps with everything it
/// says.
#[derive(Default)]
struct Wire {
    messages: Vec<(ClientRef, VenueEvent, Nanos)>,
    clock: i64,
}

impl Wire {
    fn say(&mut self, client: ClientRef, event: VenueEvent) {
        self.clock += 1;
        self.messages.push((client, event, Nanos::new(self.clock)));
    }
}

/// A venue of one instrument, and the messages it has on the way.
struct Venue {
    orders: Vec<VenueOrder>,
    wire: Wire,
    /// Cost of what is held by the mean of its entries, and results of what was closed, raw money units.
    cost: i128,
    realized: i128,
    /// Funding paid so far, raw money units.
    funding: i128,
    /// Signed position in lots.
    position: i64,
    /// Signed cash flow of all fills, raw money units.
    cash: i128,
    /// Fees, raw money units; positive is a cost.
    fees: i128,
    fills: u64,
    fees_told: Vec<VenueEvent>,
}

const LOT: i64 = 100_000_000;

impl Venue {
    fn take(&mut self, command: Command) {
        match command {
            Command::Place { client, side, role, kind, qty, reduce_only, .. } => {
                assert_eq!(reduce_only, role == OrderRole::Exit);
                let venue_id = TextId::from_number(9000 + self.orders.len() as u64);
                self.orders.push(VenueOrder {
                    client,
                    venue_id,
                    side,
                    role,
                    is_market: kind == OrderKind::Market,
                    qty: qty.raw() / LOT,
                    filled: 0,
                    is_open: true,
                    told: Vec::new(),
                });
                self.wire.say(ClientRef::Own(client), VenueEvent::Ack { venue_id });
            }
            Command::Cancel { client, .. } => {
                if let Some(order) = self.open(client) {
                    let event = canceled(order);
                    order.is_open = false;
                    self.wire.say(ClientRef::Absent, event);
                } else {
                    let reason = crate::msg::venue::RejectReason::UnknownOrder;
                    self.wire.say(ClientRef::Own(client), VenueEvent::CancelRejected { reason });
                }
            }
            Command::Probe { .. } => {}
            Command::Query { client, .. } => {
                let Some(order) = self.orders.iter().find(|order| order.client == client) else {
                    return;
                };
                let state = if order.is_open {
                    VenueOrderState::New
                } else if order.filled == order.qty {
                    VenueOrderState::Filled
                } else {
                    VenueOrderState::Canceled
                };
                // No average: the oracle is exact, and an average would be rounded. All fills are told
                // again instead.
                for fill in &order.told {
                    self.wire.say(ClientRef::Absent, *fill);
                }
                let event = VenueEvent::OrderStatus {
                    venue_id: order.venue_id,
                    state,
                    cum_qty: Maybe::some(Qty::from_raw(order.filled * LOT)),
                    avg_price: Maybe::NONE,
                };
                self.wire.say(ClientRef::Own(client), event);
            }
        }
    }

    /// Tells the wallet as it is now.
    fn tell_balance(&mut self) {
        let gained = self.realized - self.fees - self.funding;
        let gained = Money::from_raw(i64::try_from(gained).expect("fits"));
        let event = VenueEvent::Balance {
            wallet: Maybe::some(money("25000") + gained),
            available: Maybe::NONE,
            used: Maybe::NONE,
            maint: Maybe::NONE,
        };
        self.wire.say(ClientRef::Absent, event);
    }

    fn open(&mut self, client: ClientId) -> Option<&mut VenueOrder> {
        self.orders.iter_mut().find(|order| order.client == client && order.is_open)
    }

    /// Fills part of an open order.
    fn fill(&mut self, which: usize, lots: i64, at: i64, fee: i64) {
        let open: Vec<usize> =
            (0..self.orders.len()).filter(|index| self.orders[*index].is_open).collect();
        if open.is_empty() {
            return;
        }
        let order = &mut self.orders[open[which % open.len()]];
        let mut lots = lots.clamp(1, order.qty - order.filled);
        if order.role == OrderRole::Exit {
            lots = lots.min(self.position.abs());
        }
        if lots == 0 {
            order.is_open = false;
            let event = canceled(order);
            self.wire.say(ClientRef::Absent, event);
            return;
        }
        let notional = i128::from(at) * i128::from(lots);
        match order.role {
            OrderRole::Entry => self.cost += notional,
            OrderRole::Exit => {
                let basis = self.cost * i128::from(lots) / i128::from(self.position.abs());
                self.cost -= basis;
                self.realized += i128::from(order.side.sign()) * (basis - notional);
            }
        }
        order.filled += lots;
        order.is_open = order.filled < order.qty;
        self.position += order.side.sign() * lots;
        self.cash -= i128::from(order.side.sign()) * notional;
        self.fees -= i128::from(fee);
        self.fills += 1;
        let fill_id = TextId::from_number(self.fills);
        // Some fees are told with the fill, some later.
        let told_fee = (fee % 2 == 0).then(|| Money::from_raw(fee));
        let settled = VenueEvent::FeeSettled { fill_id, fee: Money::from_raw(fee) };
        self.fees_told.push(settled);
        if told_fee.is_none() {
            self.wire.say(ClientRef::Absent, settled);
        }
        let event = VenueEvent::Fill {
            venue_id: order.venue_id,
            fill_id,
            qty: Qty::from_raw(lots * LOT),
            price: Price::from_raw(at),
            fee: Maybe::from(told_fee),
            cum_qty: Maybe::some(Qty::from_raw(order.filled * LOT)),
            side: Some(order.side),
            is_maker: Some(false),
        };
        order.told.push(event);
        self.wire.say(ClientRef::Absent, event);
        if order.is_market && order.is_open && fee % 3 == 0 {
            order.is_open = false;
            let event = canceled(order);
            self.wire.say(ClientRef::Absent, event);
        }
    }
}

fn canceled(order: &VenueOrder) -> VenueEvent {
    VenueEvent::Canceled {
        venue_id: order.venue_id,
        cum_qty: Maybe::some(Qty::from_raw(order.filled * LOT)),
    }
}

#[derive(Clone, Debug)]
enum Step {
    Enter { long: bool, lots: i64, resting: bool, legs: bool },
    Exit { lots: Option<i64>, resting: bool },
    Cancel,
    Fill { which: usize, lots: i64, at: i64, fee: i64 },
    Deliver { which: usize },
    Twice { which: usize },
    Lose { which: usize },
    Ambiguous,
    Funding { paid: i64 },
    Balance,
    Wait { ms: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<bool>(), 100i64..5_000, any::<bool>(), any::<bool>())
            .prop_map(|(long, lots, resting, legs)| Step::Enter { long, lots, resting, legs }),
        3 => (prop::option::of(1i64..5_000), any::<bool>())
            .prop_map(|(lots, resting)| Step::Exit { lots, resting }),
        1 => Just(Step::Cancel),
        5 => (any::<usize>(), 1i64..5_000, 1_000_000i64..100_000_000, -1_000_000i64..1_000_000)
            .prop_map(|(which, lots, at, fee)| Step::Fill { which, lots, at, fee }),
        9 => any::<usize>().prop_map(|which| Step::Deliver { which }),
        2 => any::<usize>().prop_map(|which| Step::Twice { which }),
        1 => any::<usize>().prop_map(|which| Step::Lose { which }),
        1 => Just(Step::Ambiguous),
        1 => (-1_000i64..1_000).prop_map(|paid| Step::Funding { paid }),
        3 => Just(Step::Balance),
        3 => (1i64..3_000).prop_map(|ms| Step::Wait { ms }),
    ]
}

struct World {
    rig: Rig,
    venue: Venue,
}

impl World {
    fn new() -> Self {
        let settings = Settings {
            guard_hot_window_ns: 0,
            guard_quote_age_ns_max: i64::MAX,
            guard_balance_age_ns_max: i64::MAX,
            guard_probe_age_ns_max: i64::MAX,
            // The venue's fees are no rate: what is predicted must not count as a difference.
            account_taker_rate: Rate::ZERO,
            account_maker_rate: Rate::ZERO,
            ..Settings::default()
        };
        let venue = Venue {
            orders: Vec::new(),
            wire: Wire::default(),
            cost: 0,
            realized: 0,
            funding: 0,
            position: 0,
            cash: 0,
            fees: 0,
            fills: 0,
            fees_told: Vec::new(),
        };
        Self { rig: Rig::with(settings).made_ready(), venue }
    }

    /// Hands the kernel's commands of the last turn to the venue.
    fn carry(&mut self) {
        for command in self.rig.out.commands.clone() {
            self.venue.take(command.command);
        }
    }

    fn submit(&mut self, intent: &Intent) {
        let _verdict = self.rig.submit(intent);
        self.carry();
    }

    fn deliver(&mut self, which: usize, keep: bool) {
        if self.venue.wire.messages.is_empty() {
            return;
        }
        let at = which % self.venue.wire.messages.len();
        let (client, event, made_ns) = self.venue.wire.messages[at];
        if !keep {
            self.venue.wire.messages.remove(at);
        }
        self.rig.input(Input::Venue(VenueMsg {
            ts_exch_ns: Maybe::some(made_ns),
            ts_recv_ns: self.rig.now,
            client,
            instrument: Some(fet()),
            event,
        }));
        self.carry();
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Enter { long, lots, resting, legs } => {
                let side = if *long { PositionSide::Long } else { PositionSide::Short };
                let mut intent = Rig::enter_intent(side, "1");
                if let Intent::Enter { qty, .. } = &mut intent {
                    *qty = Qty::from_whole(*lots);
                }
                if *resting {
                    intent = Rig::resting(intent, "0.1878");
                }
                if *legs {
                    intent = Rig::with_legs(intent, &["0.3", "0.3", "0.4"]);
                }
                self.submit(&intent);
            }
            Step::Exit { lots, resting } => {
                let mut intent =
                    if *resting { Rig::resting_exit("0.19") } else { Rig::exit_intent(None) };
                if let Intent::Exit { qty, all, .. } = &mut intent {
                    *qty = lots.map(Qty::from_whole).into();
                    *all &= lots.is_none();
                }
                self.submit(&intent);
            }
            Step::Cancel => self.submit(&Intent::Cancel { slot: 0 }),
            Step::Fill { which, lots, at, fee } => {
                self.venue.fill(*which, *lots, *at, *fee);
            }
            Step::Deliver { which } => self.deliver(*which, false),
            Step::Twice { which } => self.deliver(*which, true),
            Step::Lose { which } => {
                if !self.venue.wire.messages.is_empty() {
                    let at = which % self.venue.wire.messages.len();
                    self.venue.wire.messages.remove(at);
                }
            }
            Step::Funding { paid } => {
                self.venue.funding += i128::from(*paid);
                let amount = Money::from_raw(-paid);
                self.rig.account(Some(fet()), VenueEvent::Funding { amount, rate: Maybe::NONE });
            }
            Step::Balance => self.venue.tell_balance(),
            Step::Ambiguous => {
                if let Some(client) = self.rig.slot().entry_order() {
                    self.rig.own(client, VenueEvent::Ambiguous);
                    self.carry();
                }
            }
            Step::Wait { ms } => {
                self.rig.wait(ms * 1_000_000).tick();
                self.carry();
            }
        }
        self.check();
    }

    /// True after every step, whatever is still on the way.
    fn check(&self) {
        let slot = self.rig.slot();
        assert!(!slot.size().raw().is_negative());
        let ledger = self.rig.kernel.ledger();
        assert_eq!(
            ledger.capital(),
            ledger.starting() + ledger.realized() - ledger.fees() - ledger.funding()
        );
        let resting = matches!(
            slot.stage(),
            S::Idle
                | S::OrderRequested
                | S::EntryWorking
                | S::PartialFill
                | S::PositionOpen
                | S::ExitSent
                | S::ExitAcked
                | S::ExitWorking
                | S::PositionPartiallyClosed
                | S::TradeTerminalWritten
                | S::StaleStateReconciling
        );
        assert!(resting, "{:?} is only passed through", slot.stage());
        if slot.is_free() {
            assert!(!slot.is_open() && slot.entry_order().is_none() && slot.exit_order().is_none());
        }
        assert!(!self.rig.has_error(), "{:?}", self.rig.out.records);
        // Whatever balance came when: the books are right, so none of them may say otherwise.
        assert!(!self.rig.kernel.is_frozen(), "{:?}", self.rig.out.records);
    }

    /// Everything on the way arrives, and the position is closed.
    fn settle(&mut self) {
        for turn in 0..2_000 {
            if !self.venue.wire.messages.is_empty() {
                self.deliver(0, false);
                self.check();
                continue;
            }
            let slot = self.rig.slot();
            if slot.is_free() {
                break;
            }
            let has_order = self.venue.orders.iter().any(|order| order.is_open);
            if has_order {
                let open = self.venue.orders.iter().rposition(|order| order.is_open);
                let order = &mut self.venue.orders[open.expect("one is open")];
                if order.is_market {
                    self.venue.fill(0, i64::MAX, 20_000_000, 0);
                } else {
                    order.is_open = false;
                    let event = canceled(order);
                    self.venue.wire.say(ClientRef::Absent, event);
                }
            } else if slot.is_open() && slot.exit_order().is_none() {
                self.submit(&Rig::exit_intent(Some("1000000")));
            } else if turn % 20 == 0 {
                // A resting order may rest for ever: the policy's time to live ends it.
                self.submit(&Intent::Cancel { slot: 0 });
            } else {
                self.rig.wait(SECOND).tick();
                self.carry();
            }
            self.check();
        }
        for fee in self.venue.fees_told.clone() {
            self.rig.account(Some(fet()), fee);
        }
        self.venue.tell_balance();
        self.deliver(0, false);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        // More by PROPTEST_CASES.
        cases: ProptestConfig::default().cases * 4,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_interleaving_ends_flat_with_the_cash_flow_of_its_fills(
        steps in prop::collection::vec(step(), 1..240),
    ) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        world.settle();
        let kernel = &world.rig.kernel;
        prop_assert!(world.rig.slot().is_free(), "{:?}", world.rig.stage());
        prop_assert_eq!(world.venue.position, 0);
        prop_assert_eq!(kernel.totals().fills, world.venue.fills);
        prop_assert_eq!(i128::from(kernel.ledger().realized().raw()), world.venue.cash);
        prop_assert_eq!(i128::from(kernel.ledger().fees().raw()), world.venue.fees);
        prop_assert_eq!(i128::from(kernel.ledger().funding().raw()), world.venue.funding);
        prop_assert!(!kernel.has_unresolved_order());
        prop_assert!(!kernel.is_frozen());
        prop_assert_eq!(world.rig.reconcile(), ReconcileState::Ok);
        let delta = kernel.facts().delta().expect("compared");
        // Shares of the cost are rounded on either side.
        prop_assert!(delta.raw().abs() < 100, "{}", delta);
    }

    #[test]
    fn the_same_inputs_give_the_same_outputs(steps in prop::collection::vec(step(), 1..80)) {
        let run = || {
            let mut world = World::new();
            for step in &steps {
                world.step(step);
            }
            (world.rig.records, world.rig.commands)
        };
        prop_assert_eq!(run(), run());
    }
}
