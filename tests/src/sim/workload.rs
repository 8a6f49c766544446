//! What asks for orders in a simulation: a policy of random intents, or the base policy.
//!
//! What the workload wants on a market message is a function of the seed and of the message's number, so an
//! intent has an identity (that number) and can be left out without shifting the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrayvec::ArrayVec;
use pinion_core::broker::Broker;
use pinion_core::engine::Damage;
use pinion_core::id::{ClientId, InstrumentId, TradeId};
use pinion_core::instrument::InstrumentTable;
use pinion_core::kernel::intent::LEGS_MAX;
use pinion_core::kernel::{Effects, Intent, Kernel};
use pinion_core::msg::record::{DecisionReason, OrderStatus};
use pinion_core::msg::{
    Command, Control, MarketMsg, Maybe, OrderKind, OrderRole, PositionSide, Rank, Record, Scan,
    TimeInForce,
};
use pinion_core::policy::{Decide, Policy};
use pinion_core::settings::Settings;
use pinion_core::units::{Nanos, Price, Qty, Rate, mul_half_even};
use pinion_oracle::Breach;
use serde::{Deserialize, Serialize};

use super::dice::Dice;
use super::options::Options;

/// Cancels of one order within a second that are no storm.
const CANCELS_MAX: u32 = 10;

/// Stream of the workload's choices.
const STREAM: u64 = 10;

/// Random intents. Owner: the engine; its state travels with a snapshot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Workload {
    seed: u64,
    ask_ppm: i64,
    weights: [i64; 4],
    garbage_ppm: i64,
    maker_ppm: i64,
    ttl_ppm: i64,
    legs_max: i64,
    lots_max: i64,
    /// Exactly these market messages make it want something; `None`: as the seed says.
    only: Option<Vec<u32>>,
    flatten: bool,
    accepted: u64,
    sabotage: i64,
    /// By slot: what is to be known of the legs of its round trip.
    legs: Vec<Option<Legs>>,
    #[serde(skip)]
    heard: Heard,
}

/// The legs of a round trip, by its fills.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Legs {
    trade: TradeId,
    /// Parts of all legs but the last.
    before_last: Rate,
    entered: Qty,
    /// By exits of the engine's own.
    exited: Qty,
}

/// What a driver wants to know of the workload; no part of its state.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Numbers of the messages on which an intent did anything: a refusal may have the venue asked for proof.
    pub accepted: Vec<u32>,
    /// An exit of an open slot without a working exit was refused.
    pub exit_refused: Option<String>,
    /// Something else that must never be.
    pub wrong: Option<Breach>,
    /// Something was asked for in this turn.
    asked: bool,
    /// The last cancels of an order that nobody asked for: which, since when, how many within a second.
    cancels: BTreeMap<ClientId, (Nanos, u32)>,
}

impl Workload {
    /// The workload of this seed; `only` restricts it to intents on these market messages, in order.
    #[must_use]
    pub fn new(seed: u64, options: &Options, only: Option<Vec<u32>>) -> Self {
        Self {
            seed,
            ask_ppm: options.ask_ppm,
            weights: [options.enter, options.exit, options.cancel, options.mark],
            garbage_ppm: options.garbage_ppm,
            maker_ppm: options.maker_ppm,
            ttl_ppm: options.ttl_ppm,
            legs_max: options.legs_max,
            lots_max: options.lots_max,
            only,
            flatten: false,
            accepted: 0,
            sabotage: options.sabotage,
            legs: Vec::new(),
            heard: Heard::default(),
        }
    }

    /// What a driver wants to know.
    #[must_use]
    pub const fn heard(&self) -> &Heard {
        &self.heard
    }

    fn wants(&self, number: u32, dice: &mut Dice) -> bool {
        let asks = dice.chance(self.ask_ppm);
        asks && self.only.as_ref().is_none_or(|only| only.binary_search(&number).is_ok())
    }

    fn quantity(&self, dice: &mut Dice, lot: Qty) -> Qty {
        Qty::from_raw(lot.raw().saturating_mul(dice.magnitude(1, self.lots_max)))
    }

    fn enter(
        &self,
        dice: &mut Dice,
        slot: usize,
        kernel: &Kernel,
        about: InstrumentId,
    ) -> Option<Intent> {
        let top = kernel.top(about)?;
        let row = kernel.table().row(about);
        let side = if dice.chance(500_000) { PositionSide::Long } else { PositionSide::Short };
        let reference = [top.bid, top.last, top.mark].into_iter().find_map(Maybe::get)?;
        let is_maker = dice.chance(self.maker_ppm);
        let away = dice.between(-2, 4) * side.sign() * row.tick.raw();
        let price = Price::from_raw(reference.floor_to(row.tick).raw().saturating_sub(away));
        let count = dice.between(1, self.legs_max);
        let mut legs = ArrayVec::<Rate, LEGS_MAX>::new();
        let mut left = Rate::ONE.raw();
        for leg in 1..=count {
            let part = if leg == count { left } else { dice.between(left / 10, left / 2) };
            legs.push(Rate::from_raw(part));
            left -= part;
        }
        if count == 1 && dice.chance(500_000) {
            legs.clear();
        }
        Some(Intent::Enter {
            slot,
            trade: None,
            instrument: about,
            side,
            qty: self.quantity(dice, row.lot),
            leverage: Rate::from_whole(dice.between(1, 8)),
            kind: if is_maker { OrderKind::Limit } else { OrderKind::Market },
            tif: match (is_maker, dice.below(3)) {
                (false, _) => TimeInForce::Ioc,
                (true, 0) => TimeInForce::PostOnly,
                (true, _) => TimeInForce::Gtc,
            },
            price: if is_maker { Maybe::some(price) } else { Maybe::NONE },
            reference_price: reference,
            legs,
        })
    }

    fn exit(&self, dice: &mut Dice, slot: usize, kernel: &Kernel) -> Option<Intent> {
        let held = kernel.slot(slot);
        let instrument = held.instrument()?;
        let row = kernel.table().row(instrument);
        let top = kernel.top(instrument);
        let side = held.side()?;
        let reference = top.and_then(|top| [top.ask, top.last].into_iter().find_map(Maybe::get));
        let limit = reference.filter(|_| dice.chance(self.maker_ppm)).map(|price| {
            let away = dice.between(-2, 6) * side.sign() * row.tick.raw();
            Price::from_raw(price.floor_to(row.tick).raw().saturating_add(away).max(row.tick.raw()))
        });
        let ttl = limit.is_some() && dice.chance(self.ttl_ppm);
        Some(Intent::Exit {
            slot,
            qty: if dice.chance(400_000) {
                Maybe::some(self.quantity(dice, row.lot))
            } else {
                Maybe::NONE
            },
            all: dice.chance(300_000),
            kind: if limit.is_some() { OrderKind::Limit } else { OrderKind::Market },
            tif: match (limit, dice.below(3)) {
                (None, _) => TimeInForce::Ioc,
                (Some(_), 0) => TimeInForce::PostOnly,
                (Some(_), _) => TimeInForce::Gtc,
            },
            price: limit.map_or(Maybe::NONE, Maybe::some),
            ttl_ns: ttl.then(|| dice.magnitude(200_000_000, 60_000_000_000)),
            reason: DecisionReason::Signal,
        })
    }

    /// Numbers that no honest policy would give.
    fn garbage(dice: &mut Dice, kernel: &Kernel, about: InstrumentId) -> Intent {
        let odd = |dice: &mut Dice| {
            let odds = [0, -1, 1, i64::MAX, i64::MIN + 1, 7, 123_456_789_123];
            dice.pick(&odds).unwrap_or(0)
        };
        let slot = usize::try_from(dice.below(4)).unwrap_or(0);
        if dice.chance(500_000) {
            return Intent::Exit {
                slot,
                qty: Maybe::some(Qty::from_raw(odd(dice))),
                all: false,
                kind: if dice.chance(500_000) { OrderKind::Limit } else { OrderKind::Market },
                tif: TimeInForce::Gtc,
                price: Maybe::some(Price::from_raw(odd(dice))),
                ttl_ns: Some(odd(dice)),
                reason: DecisionReason::Signal,
            };
        }
        let row = kernel.table().row(about);
        Intent::Enter {
            slot,
            trade: None,
            instrument: about,
            side: PositionSide::Long,
            qty: Qty::from_raw(odd(dice)),
            leverage: Rate::from_raw(odd(dice)),
            kind: OrderKind::Limit,
            tif: TimeInForce::Gtc,
            price: Maybe::some(Price::from_raw(if dice.chance(500_000) {
                row.tick.raw()
            } else {
                odd(dice)
            })),
            reference_price: Price::from_raw(odd(dice)),
            legs: [Rate::from_raw(odd(dice))].into_iter().collect(),
        }
    }

    /// Asks; an exit that must be possible and is refused is remembered.
    fn ask(
        &mut self,
        now: Nanos,
        number: u32,
        intent: &Intent,
        kernel: &mut Kernel,
        settings: &Settings,
        out: &mut Effects,
    ) {
        let must = match intent {
            Intent::Exit { slot, .. } => kernel.slots().get(*slot).is_some_and(|held| {
                held.is_open() && held.exit_order().is_none() && !held.is_exit_pending()
            }),
            Intent::Enter { .. } | Intent::Cancel { .. } | Intent::Mark { .. } => false,
        };
        self.heard.asked = true;
        let last_leg = self.last_leg(intent, kernel);
        let before = out.records.len();
        let verdict = kernel.submit(now, intent, settings, out);
        if verdict.accepted || out.records.len() > before {
            self.heard.accepted.push(number);
        }
        if let Some((slot, size)) = last_leg.filter(|_| verdict.accepted) {
            let order = kernel.slot(slot).exit_order().and_then(|client| kernel.order(client));
            if let Some(order) = order.filter(|order| order.qty != size) {
                let what = format!("of {size} the last leg closes {}", order.qty);
                self.heard.wrong.get_or_insert(Breach { check: "I6_last_leg", what });
            }
        }
        if verdict.accepted {
            self.entered(intent, kernel);
            self.accepted += 1;
            self.sabotage(intent, out);
        } else if must && self.heard.exit_refused.is_none() {
            self.heard.exit_refused = Some(format!("{intent:?} was refused: {:?}", verdict.code));
        }
    }

    /// Slot and size when this intent is the last leg of an exit: the engine's own exits have closed all the
    /// legs before it.
    fn last_leg(&self, intent: &Intent, kernel: &Kernel) -> Option<(usize, Qty)> {
        let Intent::Exit { slot, qty, all: false, .. } = *intent else { return None };
        let held = kernel.slots().get(slot).filter(|held| held.is_open() && qty.get().is_none())?;
        let idle = held.exit_order().is_none() && !held.is_exit_pending();
        let legs = self.legs.get(slot)?.filter(|legs| held.trade() == Some(legs.trade))?;
        let before_last = mul_half_even(legs.entered.raw(), legs.before_last.raw())?;
        // Each leg is rounded by itself.
        let is_last = legs.exited.raw() >= before_last.saturating_add(LEGS_MAX as i64);
        (idle && is_last).then_some((slot, held.size()))
    }

    /// Remembers the legs of an entry that was accepted.
    fn entered(&mut self, intent: &Intent, kernel: &Kernel) {
        let Intent::Enter { slot, legs, .. } = intent else { return };
        let Some(trade) = kernel.slots().get(*slot).and_then(|slot| slot.trade()) else { return };
        let before_last = legs.iter().rev().skip(1).fold(0, |sum, leg| sum + leg.raw());
        if self.legs.len() <= *slot {
            self.legs.resize(*slot + 1, None);
        }
        let before_last = Rate::from_raw(before_last);
        let (entered, exited) = (Qty::ZERO, Qty::ZERO);
        self.legs[*slot] = Some(Legs { trade, before_last, entered, exited });
    }

    /// Counts what is filled of the legs, and cancels.
    fn count(&mut self, broker: &mut Broker<'_>) {
        for message in broker.records() {
            let Record::Fill { client, trade, role, qty, .. } = message.record else { continue };
            let order = broker.kernel().order(client);
            let is_own = order.is_some_and(|order| !order.is_outside);
            for legs in self.legs.iter_mut().flatten().filter(|legs| legs.trade == trade) {
                match role {
                    OrderRole::Entry => legs.entered += qty,
                    OrderRole::Exit if is_own => legs.exited += qty,
                    OrderRole::Exit => {}
                }
            }
        }
        let asked = std::mem::take(&mut self.heard.asked);
        let (_, _, out) = broker.raw();
        for message in out.commands.iter().filter(|_| !asked) {
            let Command::Cancel { client, .. } = message.command else { continue };
            let (since, count) = self.heard.cancels.entry(client).or_insert((out.now_ns, 0));
            if out.now_ns.since(*since) >= Nanos::SECOND {
                (*since, *count) = (out.now_ns, 0);
            }
            *count += 1;
            if *count > CANCELS_MAX {
                let what = format!("{count} cancels of {client:?} within a second");
                self.heard.wrong.get_or_insert(Breach { check: "I4_cancel_storm", what });
            }
        }
    }

    /// What a kernel would do that enters again beside an exit, and tells so: the oracle must see it. (A second
    /// entry while the first is under way never reaches the venue: the gate refuses it.)
    fn sabotage(&self, intent: &Intent, out: &mut Effects) {
        let every = self.sabotage.max(0).cast_unsigned();
        if every == 0
            || !self.accepted.is_multiple_of(every)
            || !matches!(intent, Intent::Exit { .. })
        {
            return;
        }
        let Some(mut again) = out.commands.last().map(|last| last.command) else { return };
        let Command::Place { client, role, side, kind, tif, reduce_only, price, .. } = &mut again
        else {
            return;
        };
        *client = ClientId::new(client.epoch(), client.seq() + 1_000_000);
        *side = side.opposite();
        (*role, *reduce_only) = (OrderRole::Entry, false);
        (*kind, *tif, *price) = (OrderKind::Market, TimeInForce::Ioc, Maybe::NONE);
        let (client, side, kind, tif) = (*client, *side, *kind, *tif);
        let told = out.records.iter().rev().find_map(|message| match message.record {
            Record::Order { status: OrderStatus::Submitted, .. } => Some(message.record),
            _ => None,
        });
        let Some(mut told) = told else { return };
        if let Record::Order { client: of, side: at, kind: a, tif: b, reduce_only, price, .. } =
            &mut told
        {
            (*of, *at, *a, *b) = (client, side, kind, tif);
            (*reduce_only, *price) = (false, Maybe::NONE);
        }
        if out.command(again) {
            out.record(told);
        }
    }

    /// The operator wants to be flat: everything leaves by market.
    fn flatten(&mut self, now: Nanos, kernel: &mut Kernel, settings: &Settings, out: &mut Effects) {
        for slot in 0..kernel.slots().len() {
            let held = kernel.slot(slot);
            let working = held.exit_order().and_then(|client| kernel.order(client));
            let rests = working.is_some_and(|order| order.kind == OrderKind::Limit);
            let may = held.exit_retry_at_ns().is_none_or(|at| now >= at);
            if !held.is_open() || !may || held.is_exit_pending() || (working.is_some() && !rests) {
                continue;
            }
            let intent = Intent::Exit {
                slot,
                qty: Maybe::NONE,
                all: true,
                kind: OrderKind::Market,
                tif: TimeInForce::Ioc,
                price: Maybe::NONE,
                ttl_ns: None,
                reason: DecisionReason::OperatorFlatten,
            };
            self.ask(now, 0, &intent, kernel, settings, out);
        }
    }
}

impl Decide for Workload {
    fn on_market(&mut self, message: &MarketMsg, broker: &mut Broker<'_>) {
        let now = broker.now();
        let (kernel, settings, out) = broker.raw();
        if self.flatten {
            self.flatten(now, kernel, settings, out);
            return;
        }
        let number = message.seq;
        let mut dice = Dice::new(self.seed, STREAM, u64::from(number));
        if !self.wants(number, &mut dice) {
            return;
        }
        let slots = kernel.slots().len();
        let slot = usize::try_from(dice.below(slots as u64)).unwrap_or(0);
        let about = message.instrument;
        let intent = if dice.chance(self.garbage_ppm) {
            Some(Self::garbage(&mut dice, kernel, about))
        } else {
            match dice.weighted(&self.weights) {
                0 => self.enter(&mut dice, slot, kernel, about),
                1 => self.exit(&mut dice, slot, kernel),
                2 => Some(Intent::Cancel { slot }),
                _ => kernel
                    .top(about)
                    .and_then(|top| top.bid.get())
                    .map(|price| Intent::Mark { slot, price }),
            }
        };
        if let Some(intent) = intent {
            self.ask(now, number, &intent, kernel, settings, out);
        }
    }

    fn on_tick(&mut self, broker: &mut Broker<'_>) {
        let now = broker.now();
        let (kernel, settings, out) = broker.raw();
        if self.flatten {
            self.flatten(now, kernel, settings, out);
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
            | Control::Recover
            | Control::Reduce
            | Control::CancelAll => {}
        }
    }

    fn after_turn(&mut self, broker: &mut Broker<'_>) {
        self.count(broker);
    }
}

/// What decides in a simulated engine.
#[derive(Debug, Serialize, Deserialize)]
pub enum Brain {
    /// Random intents.
    Random(Box<Workload>),
    /// The policy that is shipped.
    Base(Box<Policy>),
}

impl Brain {
    /// As the options say.
    #[must_use]
    pub fn new(
        seed: u64,
        options: &Options,
        table: &Arc<InstrumentTable>,
        only: Option<Vec<u32>>,
    ) -> Self {
        if options.policy == 1 {
            Self::Base(Box::new(Policy::new(Arc::clone(table))))
        } else {
            Self::Random(Box::new(Workload::new(seed, options, only)))
        }
    }

    /// What a driver wants to know; the base policy tells nothing.
    #[must_use]
    pub fn heard(&self) -> Option<&Heard> {
        match self {
            Self::Random(workload) => Some(workload.heard()),
            Self::Base(_) => None,
        }
    }

    fn decide(&mut self) -> &mut dyn Words {
        match self {
            Self::Random(workload) => workload.as_mut(),
            Self::Base(policy) => policy.as_mut(),
        }
    }
}

/// [`Decide`] without what needs a size, so that one call serves both.
trait Words {
    fn market(&mut self, message: &MarketMsg, broker: &mut Broker<'_>);
    fn rank(&mut self, rank: &Rank);
    fn scan(&mut self, scan: &Scan, broker: &mut Broker<'_>);
    fn tick(&mut self, broker: &mut Broker<'_>);
    fn control(&mut self, control: Control, broker: &mut Broker<'_>);
    fn back(&mut self, instruments: usize, table: Arc<InstrumentTable>) -> Result<(), Damage>;
    fn after(&mut self, broker: &mut Broker<'_>);
}

impl<P: Decide> Words for P {
    fn market(&mut self, message: &MarketMsg, broker: &mut Broker<'_>) {
        self.on_market(message, broker);
    }
    fn rank(&mut self, rank: &Rank) {
        self.on_rank(rank);
    }
    fn scan(&mut self, scan: &Scan, broker: &mut Broker<'_>) {
        self.on_scan(scan, broker);
    }
    fn tick(&mut self, broker: &mut Broker<'_>) {
        self.on_tick(broker);
    }
    fn control(&mut self, control: Control, broker: &mut Broker<'_>) {
        self.on_control(control, broker);
    }
    fn back(&mut self, instruments: usize, table: Arc<InstrumentTable>) -> Result<(), Damage> {
        self.restored(instruments, table)
    }
    fn after(&mut self, broker: &mut Broker<'_>) {
        self.after_turn(broker);
    }
}

impl Decide for Brain {
    fn on_market(&mut self, message: &MarketMsg, broker: &mut Broker<'_>) {
        self.decide().market(message, broker);
    }

    fn on_rank(&mut self, rank: &Rank) {
        self.decide().rank(rank);
    }

    fn on_scan(&mut self, scan: &Scan, broker: &mut Broker<'_>) {
        self.decide().scan(scan, broker);
    }

    fn on_tick(&mut self, broker: &mut Broker<'_>) {
        self.decide().tick(broker);
    }

    fn on_control(&mut self, control: Control, broker: &mut Broker<'_>) {
        self.decide().control(control, broker);
    }

    fn restored(&mut self, instruments: usize, table: Arc<InstrumentTable>) -> Result<(), Damage> {
        self.decide().back(instruments, table)
    }

    fn after_turn(&mut self, broker: &mut Broker<'_>) {
        self.decide().after(broker);
    }
}
