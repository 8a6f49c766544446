//! What holds whatever goes wrong.

use std::sync::Arc;

use pinion_core::id::{ClientId, TextId};
use pinion_core::msg::{
    Command, CommandMsg, MarketBody, MarketMsg, PositionSide, ProbeKind, Side, TimeInForce,
    VenueEvent, VenueMsg,
};
use pinion_core::settings::Settings;
use pinion_core::units::{Money, Nanos, Price, Qty};

use super::{MS, Order, SECOND, id, prompt, table};
use crate::paper::faults::{Fault, FaultPlan, FaultyVenue, Instance};
use crate::paper::rng::Rng;
use crate::paper::{Owner, PaperVenue, Truth, Venue};

/// Latencies as they are, snapshots every ten seconds.
fn settings() -> Settings {
    Settings {
        paper_order_latency_ns: 5 * MS,
        paper_reply_latency_ns: 5 * MS,
        paper_probe_interval_ns: 10 * SECOND,
        paper_funding_interval_ns: 60 * SECOND,
        ..prompt()
    }
}

/// A workload from a seed: a market that moves, and orders, cancels, look-ups and probes at random.
struct Load {
    rng: Rng,
    at: i64,
    orders: u32,
    told: Vec<(Nanos, VenueMsg)>,
}

impl Load {
    fn new(seed: u64) -> Self {
        Self { rng: Rng::new(seed, 99), at: 10 * SECOND, orders: 0, told: Vec::new() }
    }

    fn below(&mut self, end: u64) -> u64 {
        self.rng.next() % end
    }

    fn run(&mut self, venue: &mut impl Venue, steps: u32) {
        for _ in 0..steps {
            self.at += i64::try_from(self.below(400)).expect("small") * MS;
            let now = Nanos::new(self.at);
            if self.below(2) == 0 {
                venue.handle_market(now, &self.quote());
            }
            if self.below(3) == 0 {
                let command = self.command();
                let msg = CommandMsg { ts_decide_ns: now, ts_recv_ns: now, command };
                venue.handle_command(now, &msg);
            }
            venue.handle_time(now);
            self.drain(venue);
        }
    }

    fn drain(&mut self, venue: &mut impl Venue) {
        let now = Nanos::new(self.at);
        while let Some((_, msg)) = venue.poll_reply(now) {
            self.told.push((now, msg));
        }
    }

    fn tick(&mut self) -> i64 {
        10_000_000 * (1_000 + i64::try_from(self.below(10)).expect("small"))
    }

    fn quote(&mut self) -> MarketMsg {
        let bid = self.tick();
        let instrument = usize::try_from(self.below(2)).expect("small");
        let body = MarketBody::Quote {
            bid: Price::from_raw(bid),
            ask: Price::from_raw(bid + 10_000_000),
            bid_qty: Some(Qty::from_whole(5)),
            ask_qty: Some(Qty::from_whole(5)),
        };
        MarketMsg::from_body(id(instrument), Nanos::new(self.at), None, body)
    }

    fn command(&mut self) -> Command {
        let recent = u32::try_from(self.below(3)).expect("small");
        let client = ClientId::new(1, self.orders.saturating_sub(recent).max(1));
        let (venue_id, instrument) = (TextId::EMPTY, id(0));
        match self.below(8) {
            0 => Command::Cancel { client, venue_id, instrument },
            1 => Command::Query { client, venue_id, instrument },
            2 => {
                let probe = ProbeKind::ALL[usize::try_from(self.below(3)).expect("small")];
                Command::Probe { probe, revision: u64::from(self.orders) }
            }
            _ => self.place(),
        }
    }

    fn place(&mut self) -> Command {
        self.orders += 1;
        let side = if self.below(2) == 0 { Side::Buy } else { Side::Sell };
        let (limit, tif) = match self.below(4) {
            0 => (Some(self.tick()), TimeInForce::Gtc),
            1 => (Some(self.tick()), TimeInForce::PostOnly),
            2 => (Some(self.tick()), TimeInForce::Ioc),
            _ => (None, TimeInForce::Ioc),
        };
        let lots = 100 + i64::try_from(self.below(5_000)).expect("small");
        let order = Order {
            side,
            position: if self.below(3) > 0 { PositionSide::Long } else { PositionSide::Short },
            limit: limit.map(Price::from_raw),
            tif,
            qty: Qty::from_raw(lots * 100_000),
        };
        order.command(ClientId::new(1, self.orders), id(0))
    }
}

fn faulty(plan: FaultPlan, seed: u64) -> FaultyVenue {
    FaultyVenue::new(&settings(), table(), plan, seed)
}

/// Runs a seed's workload: what was told, and the venue after it.
fn run(plan: FaultPlan, seed: u64, only: Option<&[Instance]>) -> (Load, FaultyVenue) {
    let mut venue = faulty(plan, seed);
    venue.allow(only);
    let mut load = Load::new(seed);
    load.run(&mut venue, 600);
    (load, venue)
}

#[test]
fn with_everything_suppressed_it_is_the_plain_venue_reply_for_reply() {
    for seed in 0..40 {
        let mut plain = PaperVenue::new(&settings(), Arc::clone(&table()));
        let mut load = Load::new(seed);
        load.run(&mut plain, 600);
        let (none, _) = run(FaultPlan::NONE, seed, None);
        assert!(load.told.len() > 100);
        assert!(load.told == none.told, "seed {seed}: a plan without faults");
        let (suppressed, venue) = run(FaultPlan::draw(seed, true), seed, Some(&[]));
        assert!(load.told == suppressed.told, "seed {seed}: every instance suppressed");
        assert_eq!(venue.injected(), []);
        assert_eq!(venue.venue().account().wallet, plain.account().wallet);
    }
}

#[test]
fn the_same_seed_tells_the_same_and_its_own_instances_repeat_it() {
    for seed in 0..20 {
        let plan = FaultPlan::draw(seed, false);
        let (first, venue) = run(plan, seed, None);
        let (second, _) = run(plan, seed, None);
        assert!(first.told == second.told, "seed {seed}");
        let (repeated, again) = run(plan, seed, Some(venue.injected()));
        assert!(first.told == repeated.told, "seed {seed}: by its list");
        assert_eq!(venue.injected(), again.injected(), "seed {seed}");
    }
    let (one, _) = run(FaultPlan::draw(1, false), 1, None);
    let (other, _) = run(FaultPlan::draw(1, false), 2, None);
    assert!(one.told != other.told);
}

#[test]
fn every_fault_happens_within_a_few_hundred_seeds() {
    let mut counts = [0u64; Fault::COUNT];
    for seed in 0..300 {
        let (_, venue) = run(FaultPlan::draw(seed, seed % 4 == 0), seed, None);
        for (sum, (_, count)) in counts.iter_mut().zip(venue.counts()) {
            *sum += count;
        }
    }
    let never: Vec<&str> = Fault::ALL
        .iter()
        .zip(counts)
        .filter(|(_, count)| *count == 0)
        .map(|(fault, _)| fault.as_str())
        .collect();
    assert_eq!(never, [""; 0]);
}

/// Groups of faults that happen on the way, and not at the venue. A request that gets lost changes what
/// happens, and so does the time that anything takes.
fn told_only(plan: &FaultPlan) -> FaultPlan {
    let mut told = FaultPlan::NONE;
    for (name, group, value) in plan.fields() {
        if matches!(group, "stream" | "answer") && name != Fault::RequestLost.as_str() {
            assert!(told.set(name, value));
        }
    }
    told
}

#[test]
fn what_goes_wrong_on_the_way_changes_nothing_at_the_venue() {
    for seed in 0..40 {
        let log = |plan| {
            let (load, mut venue) = run(plan, seed, None);
            let mut log = Vec::new();
            venue.take_truth(&mut |truth| log.push(truth));
            (log, load.told)
        };
        let (happened, told) = log(told_only(&FaultPlan::draw(seed, true)));
        let (plain, plainly) = log(FaultPlan::NONE);
        assert!(happened == plain, "seed {seed}");
        assert!(told != plainly, "seed {seed}: something went wrong all the same");
    }
}

/// What the truth log adds up to.
#[derive(Debug, Default, PartialEq)]
struct Sums {
    fees: Money,
    funding: Money,
    transfers: Money,
    /// Cash in less cash out, over all fills.
    cash: Money,
    /// Quantity and our own share, by instrument and side.
    held: [[(Qty, Qty); 2]; 2],
}

impl Sums {
    fn add(&mut self, truth: &Truth) {
        match *truth {
            Truth::Fill {
                owner, instrument, position_side, reduces, qty, notional, fee, ..
            } => {
                self.fees += fee;
                let (held, own) =
                    &mut self.held[instrument.index()][usize::from(position_side.code())];
                let ours = matches!(owner, Owner::Ours(_));
                if reduces {
                    *held -= qty;
                    if owner != Owner::Foreign {
                        *own = (*own - qty).max(Qty::ZERO);
                    }
                    *own = (*own).min(*held);
                } else {
                    *held += qty;
                    *own += if ours { qty } else { Qty::ZERO };
                }
                let buys = reduces == (position_side == PositionSide::Short);
                self.cash += if buys { -notional } else { notional };
            }
            Truth::Funding { amount, .. } => self.funding += amount,
            Truth::Transfer { amount, .. } => self.transfers += amount,
            Truth::Accepted { .. } | Truth::Refused { .. } | Truth::Ended { .. } => {}
        }
    }
}

#[test]
fn the_truth_adds_up_to_the_account() {
    for seed in 0..60 {
        let (_, mut venue) = run(FaultPlan::draw(seed, seed % 2 == 0), seed, None);
        let mut sums = Sums::default();
        let mut numbers = Vec::new();
        let mut open = 0;
        venue.take_truth(&mut |truth| {
            sums.add(&truth);
            match truth {
                Truth::Fill { number, .. } => numbers.push(number),
                Truth::Accepted { .. } => open += 1,
                Truth::Ended { .. } => open -= 1,
                Truth::Refused { .. } | Truth::Funding { .. } | Truth::Transfer { .. } => {}
            }
        });
        let (paper, account) = (venue.venue(), venue.venue().account());
        assert_eq!(
            (sums.fees, sums.funding, sums.transfers),
            (account.fees, account.funding, account.transfers),
            "seed {seed}"
        );
        let mut held = <[[(Qty, Qty); 2]; 2]>::default();
        let mut cost = Money::ZERO;
        for p in paper.positions() {
            held[p.instrument.index()][usize::from(p.side.code())] = (p.qty, p.own);
            cost += if p.side == PositionSide::Long { p.cost } else { -p.cost };
        }
        assert_eq!(sums.held, held, "seed {seed}");
        // What is still in positions has been paid for and not come back.
        let capital = settings().account_starting_capital;
        let wallet = capital + sums.cash + cost - sums.fees + sums.funding + sums.transfers;
        assert_eq!(wallet, account.wallet, "seed {seed}");
        let fills = u64::try_from(numbers.len()).expect("few");
        assert!(numbers.iter().copied().eq(1..=fills), "seed {seed}: every fill once, in order");
        assert_eq!(open, paper.open_orders().count(), "seed {seed}");
    }
}

#[test]
fn after_healing_views_are_true_and_nothing_goes_wrong() {
    for seed in 0..60 {
        let (mut load, mut venue) = run(FaultPlan::draw(seed, true), seed, None);
        venue.heal(Nanos::new(load.at));
        let injected = venue.injected().len();
        assert!(venue.is_stream_up(Nanos::new(load.at)));
        load.drain(&mut venue);
        // What was on its way naturally arrives within a second.
        load.at += SECOND;
        venue.handle_time(Nanos::new(load.at));
        load.drain(&mut venue);
        load.told.clear();

        let now = Nanos::new(load.at);
        let ask = |venue: &mut FaultyVenue, command| {
            venue.handle_command(now, &CommandMsg { ts_decide_ns: now, ts_recv_ns: now, command });
        };
        for probe in ProbeKind::ALL {
            ask(&mut venue, Command::Probe { probe: *probe, revision: 5 });
        }
        for order in 1..=load.orders {
            let client = ClientId::new(1, order);
            ask(&mut venue, Command::Query { client, venue_id: TextId::EMPTY, instrument: id(0) });
        }
        load.at += SECOND;
        venue.handle_time(Nanos::new(load.at));
        load.drain(&mut venue);
        assert_eq!(venue.injected().len(), injected, "seed {seed}");
        check_views(&load, &venue, seed);
    }
}

fn check_views(load: &Load, venue: &FaultyVenue, seed: u64) {
    let told = || load.told.iter().map(|(_, msg)| msg);
    let positions: Vec<(usize, PositionSide, Qty)> = told()
        .filter_map(|msg| match msg.event {
            VenueEvent::Position { side, qty, .. } => Some((msg.instrument?.index(), side, qty)),
            _ => None,
        })
        .collect();
    let paper = venue.venue();
    let truth: Vec<(usize, PositionSide, Qty)> =
        paper.positions().iter().map(|p| (p.instrument.index(), p.side, p.qty)).collect();
    // A pushed snapshot may have come as well.
    let snapshots = told().filter(|m| matches!(m.event, VenueEvent::PositionsEnd { .. })).count();
    assert!(snapshots >= 1);
    assert_eq!(positions, truth.repeat(snapshots), "seed {seed}");
    let open = told().filter(|m| matches!(m.event, VenueEvent::OpenOrder { .. })).count();
    assert_eq!(open, paper.open_orders().count(), "seed {seed}");
    let wallet = told().find_map(|msg| match msg.event {
        VenueEvent::Balance { wallet, .. } => Some(wallet.get()),
        _ => None,
    });
    assert_eq!(wallet, Some(Some(paper.account().wallet)), "seed {seed}");
    let mut answered = 0;
    for msg in told() {
        if let VenueEvent::OrderStatus { cum_qty, state, avg_price, .. } = msg.event {
            answered += 1;
            let pinion_core::msg::ClientRef::Own(client) = msg.client else { panic!("{msg:?}") };
            let truth = paper.orders.find(client, TextId::EMPTY);
            let truth = truth.map(|status| status.event());
            let is_there = state != pinion_core::msg::venue::VenueOrderState::NotFound;
            assert_eq!(truth.is_some(), is_there, "seed {seed}");
            assert!(truth.is_none_or(|truth| truth == msg.event), "{cum_qty:?} {avg_price:?}");
        }
    }
    assert_eq!(answered, load.orders, "seed {seed}: every look-up is answered");
}

#[test]
fn a_driver_that_follows_the_deadlines_sees_what_one_that_polls_often_sees() {
    for seed in 0..20 {
        let plan = FaultPlan::draw(seed, false);
        let mut venue = faulty(plan, seed);
        let mut load = Load::new(seed);
        load.run(&mut venue, 200);
        let end = load.at + 30 * SECOND;
        let mut by_deadline = venue.clone();
        let mut late = Vec::new();
        let mut at = load.at;
        while let Some(due) = by_deadline.next_deadline().filter(|due| due.get() <= end) {
            at = at.max(due.get());
            by_deadline.handle_time(Nanos::new(at));
            while let Some((_, msg)) = by_deadline.poll_reply(Nanos::new(at)) {
                late.push(msg.event);
            }
        }
        let mut often = Vec::new();
        let mut at = load.at;
        while at < end {
            at = (at + MS).min(end);
            venue.handle_time(Nanos::new(at));
            while let Some((_, msg)) = venue.poll_reply(Nanos::new(at)) {
                often.push(msg.event);
            }
        }
        assert!(late == often, "seed {seed}: {} and {}", late.len(), often.len());
    }
}
