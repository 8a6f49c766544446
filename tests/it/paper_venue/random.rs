//! Properties under random markets and random orders, against oracles of the test's own.

use std::collections::BTreeMap;

use pinion_core::id::{ClientId, InstrumentId, TextId};
use pinion_core::msg::{
    ClientRef, Command, MarketBody, PositionSide, Side, TimeInForce, VenueEvent,
};
use pinion_core::settings::Settings;
use pinion_core::units::{Money, Nanos, Price, Qty, Rate, SCALE};
use proptest::prelude::{Just, Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::TestCaseError;

use super::harness::{SECOND, Script, Sent, buy, print, prompt, qty, sell};

const TICK: i64 = SCALE / 10;
const LOT: i64 = SCALE / 1_000;

/// One step of a random day; prices in ticks, quantities in lots.
#[derive(Clone, Debug)]
enum Step {
    Quote { bid: i64, spread: i64, bid_qty: Option<i64>, ask_qty: Option<i64> },
    Print { price: i64, qty: i64, taker: Option<Side> },
    Level { side: Side, price: i64, qty: i64 },
    Reset,
    Gap,
    Mark { price: i64, rate: i64 },
    Order { side: Side, position: PositionSide, limit: Option<i64>, tif: TimeInForce, qty: i64 },
    Cancel { back: u32 },
    Wait { ns: i64 },
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Buy), Just(Side::Sell)]
}

fn step() -> impl Strategy<Value = Step> {
    let near = || 980i64..1_020;
    let position = prop_oneof![Just(PositionSide::Long), Just(PositionSide::Short)];
    let tif =
        prop_oneof![Just(TimeInForce::Gtc), Just(TimeInForce::Ioc), Just(TimeInForce::PostOnly)];
    prop_oneof![
        6 => (near(), 0i64..4, prop::option::of(0i64..5_000), prop::option::of(0i64..5_000))
            .prop_map(|(bid, spread, bid_qty, ask_qty)| Step::Quote { bid, spread, bid_qty, ask_qty }),
        6 => (near(), 1i64..5_000, prop::option::of(side()))
            .prop_map(|(price, qty, taker)| Step::Print { price, qty, taker }),
        8 => (side(), 0i64..20, 0i64..5_000).prop_map(|(side, depth, qty)| Step::Level {
            side,
            price: 1_000 - side.sign() * depth,
            qty,
        }),
        1 => Just(Step::Reset),
        1 => Just(Step::Gap),
        1 => (near(), -90_000i64..90_000).prop_map(|(price, rate)| Step::Mark { price, rate }),
        8 => (side(), position, prop::option::of(near()), tif, 1i64..9_000)
            .prop_map(|(side, position, limit, tif, qty)| Step::Order { side, position, limit, tif, qty }),
        1 => (0u32..6).prop_map(|back| Step::Cancel { back }),
        2 => (0i64..20 * SECOND).prop_map(|ns| Step::Wait { ns }),
        1 => Just(Step::Wait { ns: 8 * 3_600 * SECOND }),
    ]
}

const fn ticks(count: i64) -> Price {
    Price::from_raw(count * TICK)
}

const fn lots(count: i64) -> Qty {
    Qty::from_raw(count * LOT)
}

/// What the data shows, kept apart from the venue's own view.
#[derive(Default)]
struct Shown {
    quote: Option<(Price, Price)>,
    book: BTreeMap<(u8, Price), (Qty, Qty)>,
    usable: bool,
}

impl Shown {
    /// The best price on the opposite side, the worse one of quote and book.
    fn touch(&self, taker: Side) -> Option<Price> {
        let offers = self
            .book
            .range((taker.opposite().code(), Price::ZERO)..)
            .take_while(|((side, _), _)| *side == taker.opposite().code())
            .map(|((_, price), _)| *price);
        let (book, quote) = match taker {
            Side::Buy => (offers.min(), self.quote.map(|quote| quote.1)),
            Side::Sell => (offers.max(), self.quote.map(|quote| quote.0)),
        };
        let book = book.filter(|_| self.usable);
        match (book, quote, taker) {
            (Some(a), Some(b), Side::Buy) => Some(a.max(b)),
            (Some(a), Some(b), Side::Sell) => Some(a.min(b)),
            (a, b, _) => a.or(b),
        }
    }
}

/// The exchange of cash as the fills tell it.
#[derive(Default)]
struct Cash {
    flow: Money,
    signed: BTreeMap<PositionSide, Money>,
    held: BTreeMap<PositionSide, Qty>,
}

fn half_even(a: i64, b: i64) -> i64 {
    let product = i128::from(a) * i128::from(b);
    let (floor, rest) = (product.div_euclid(SCALE.into()), product.rem_euclid(SCALE.into()));
    let up = rest * 2 > SCALE.into() || (rest * 2 == SCALE.into() && floor % 2 != 0);
    i64::try_from(floor + i128::from(up)).expect("fits")
}

struct Run {
    script: Script,
    shown: Shown,
    cash: Cash,
    sent: BTreeMap<ClientId, Sent>,
    log: Vec<String>,
}

impl Run {
    fn new(settings: &Settings) -> Self {
        Self {
            script: Script::with(settings),
            shown: Shown::default(),
            cash: Cash::default(),
            sent: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    fn step(&mut self, step: &Step) {
        self.script.at += 1_000;
        match *step {
            Step::Quote { bid, spread, bid_qty, ask_qty } => {
                let (bid, ask) = (ticks(bid), ticks(bid + spread));
                self.shown.quote = Some((bid, ask));
                let (bid_qty, ask_qty) = (bid_qty.map(lots), ask_qty.map(lots));
                self.script.feed(MarketBody::Quote { bid, ask, bid_qty, ask_qty });
            }
            Step::Print { price, qty, taker } => self.script.feed(MarketBody::Trade {
                price: ticks(price),
                qty: lots(qty),
                taker,
                trade_id: 0,
                merged: 0,
            }),
            Step::Level { side, price, qty } => {
                let (price, qty) = (ticks(price), lots(qty));
                self.shown.book.remove(&(side.code(), price));
                if qty.is_positive() {
                    self.shown.book.insert((side.code(), price), (qty, Qty::ZERO));
                }
                self.script.feed(MarketBody::Level { side, price, qty, last: true });
            }
            Step::Reset | Step::Gap => {
                self.shown.book.clear();
                self.shown.usable = matches!(step, Step::Reset);
                let reset = matches!(step, Step::Reset);
                self.script.feed(if reset { MarketBody::Reset } else { MarketBody::Gap });
            }
            Step::Mark { price, rate } => self.script.feed(MarketBody::Mark {
                mark: Some(ticks(price)),
                index: None,
                funding_rate: Some(Rate::from_raw(rate)),
                next_funding_ns: None,
            }),
            Step::Order { side, position, limit, tif, qty } => {
                let reduce_only = side == position.exit_side();
                let limit = limit.map(ticks);
                let order =
                    Sent { instrument: 0, side, position, limit, tif, reduce_only, qty: lots(qty) };
                let client = self.script.next_client();
                self.sent.insert(client, order);
                self.script.command(order.place(client));
            }
            Step::Cancel { back } => {
                let client = ClientId::new(1, (self.sent.len() as u32).saturating_sub(back));
                let (venue_id, instrument) = (TextId::EMPTY, InstrumentId::new(0));
                self.script.command(Command::Cancel { client, venue_id, instrument });
            }
            Step::Wait { ns } => self.script.wait(ns),
        }
    }

    /// Books what the venue told and checks every fill against what the data shows.
    fn check(&mut self, step: &Step) -> Result<(), TestCaseError> {
        for (_, msg) in self.script.drain() {
            self.log.push(format!("{msg:?}"));
            match msg.event {
                VenueEvent::Fill { qty, price, fee, is_maker, side, .. } => {
                    let ClientRef::Own(client) = msg.client else {
                        return Err(TestCaseError::fail("a fill of nobody"));
                    };
                    let order = self.sent[&client];
                    prop_assert_eq!(side, Some(order.side));
                    self.book_cash(order, qty, price, fee.get().expect("told"));
                    if is_maker == Some(true) {
                        self.check_maker(step, order, price)?;
                    } else if let Some(touch) = self.shown.touch(order.side) {
                        self.check_taker(step, order, qty, price, touch)?;
                    }
                }
                VenueEvent::Funding { amount, .. } => self.cash.flow += amount,
                VenueEvent::Balance { wallet, .. } => {
                    prop_assert!(wallet.get().is_some());
                }
                _ => {}
            }
        }
        for side in [PositionSide::Long, PositionSide::Short] {
            let told = self.cash.held.get(&side).copied().unwrap_or(Qty::ZERO);
            let held = self.script.venue.positions().iter().find(|position| position.side == side);
            prop_assert_eq!(held.map_or(Qty::ZERO, |position| position.qty), told);
        }
        Ok(())
    }

    fn book_cash(&mut self, order: Sent, qty: Qty, price: Price, fee: Money) {
        let notional = Money::from_raw(half_even(price.raw(), qty.raw()));
        let signed = Money::from_raw(-order.side.sign() * notional.raw());
        self.cash.flow += signed + fee;
        *self.cash.signed.entry(order.position).or_default() += signed;
        let opens = order.side == order.position.entry_side();
        *self.cash.held.entry(order.position).or_default() += if opens { qty } else { -qty };
    }

    /// A taker never betters the touch at its arrival, nor its limit, nor takes more than a level shows.
    fn check_taker(
        &mut self,
        step: &Step,
        order: Sent,
        qty: Qty,
        price: Price,
        touch: Price,
    ) -> Result<(), TestCaseError> {
        let better = |a: Price, b: Price| order.side.sign() * (a.raw() - b.raw()) < 0;
        if !matches!(step, Step::Order { .. }) {
            // It waits for prints since before the first quote; its own rule is tested by example.
            return Ok(());
        }
        prop_assert!(!better(price, touch), "{price} betters the touch {touch}");
        prop_assert!(order.limit.is_none_or(|limit| !better(limit, price)));
        let walkable = self.shown.usable
            && self
                .shown
                .book
                .keys()
                .any(|(side, at)| *side == order.side.opposite().code() && !better(*at, touch));
        if walkable {
            let level = self.shown.book.get_mut(&(order.side.opposite().code(), price));
            let Some((shown, taken)) = level else {
                return Err(TestCaseError::fail(format!("no level at {price}")));
            };
            *taken += qty;
            prop_assert!(*taken <= *shown, "took {taken} of {shown} at {price}");
        }
        Ok(())
    }

    /// A maker fills at its limit, and only by a print at or through it or by a touch that crosses it.
    fn check_maker(&self, step: &Step, order: Sent, price: Price) -> Result<(), TestCaseError> {
        prop_assert_eq!(Some(price), order.limit);
        let beyond = |a: Price| order.side.sign() * (a.raw() - price.raw());
        match *step {
            Step::Print { price: print, taker, .. } => {
                prop_assert!(beyond(ticks(print)) <= 0);
                prop_assert!(taker != Some(order.side));
            }
            Step::Quote { .. } | Step::Level { .. } => {
                let touch = self.shown.touch(order.side).expect("something crossed");
                prop_assert!(beyond(touch) < 0, "{touch} does not cross {price}");
            }
            _ => return Err(TestCaseError::fail(format!("{step:?} fills no maker"))),
        }
        Ok(())
    }

    /// Closes everything against a wide open market.
    fn flatten(&mut self) -> Result<(), TestCaseError> {
        let close =
            Step::Quote { bid: 990, spread: 20, bid_qty: Some(900_000), ask_qty: Some(900_000) };
        for step in [Step::Wait { ns: 61 * SECOND }, Step::Gap, close] {
            self.step(&step);
            self.check(&step)?;
        }
        for position in [PositionSide::Long, PositionSide::Short] {
            let step = Step::Order {
                side: position.exit_side(),
                position,
                limit: None,
                tif: TimeInForce::Ioc,
                qty: 800_000,
            };
            self.step(&step);
            self.check(&step)?;
        }
        prop_assert_eq!(self.script.venue.positions(), &[]);
        Ok(())
    }
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(256))]

    #[test]
    fn no_fill_betters_the_data_and_the_wallet_is_the_cash_flow(
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let settings = prompt();
        let mut run = Run::new(&settings);
        for step in &steps {
            run.step(step);
            run.check(step)?;
        }
        run.flatten()?;
        let account = run.script.venue.account();
        prop_assert_eq!(account.wallet, settings.account_starting_capital + run.cash.flow);
        let gross: Money = run.cash.signed.values().copied().sum();
        prop_assert_eq!(account.realized, gross);
        prop_assert_eq!(
            account.wallet,
            settings.account_starting_capital + account.realized - account.fees + account.funding
        );
    }

    #[test]
    fn the_same_seed_tells_the_same_and_another_seed_another_story(
        steps in prop::collection::vec(step(), 100..101),
    ) {
        let story = |seed| {
            let mut run = Run::new(&Settings { engine_seed: seed, ..Settings::default() });
            for step in &steps {
                run.step(step);
                run.log.extend(run.script.drain().iter().map(|(_, msg)| format!("{msg:?}")));
            }
            run.script.wait(SECOND);
            run.log.extend(run.script.drain().iter().map(|(_, msg)| format!("{msg:?}")));
            run.log
        };
        let first = story(1);
        prop_assert_eq!(&first, &story(1));
        if first.len() > 10 {
            prop_assert!(first != story(2));
        }
    }

    /// With a level that never shrinks, a maker's fills are exactly what printed after its queue.
    #[test]
    fn makers_get_what_prints_after_the_queue(
        queue in 0i64..3_000,
        want in 1i64..3_000,
        prints in prop::collection::vec((1i64..800, prop::option::of(side())), 0..20),
    ) {
        let mut script = Script::new();
        script.quote("100", "9", "100.3", "9");
        script.feed(MarketBody::Quote {
            bid: ticks(1_000),
            ask: ticks(1_003),
            bid_qty: Some(lots(queue)),
            ask_qty: Some(lots(9)),
        });
        let mut order = buy("1").gtc("100");
        order.qty = lots(want + 50);
        script.send(order);
        let mut printed = 0;
        for (amount, taker) in prints {
            printed += if taker == Some(Side::Buy) { 0 } else { amount };
            script.feed(MarketBody::Trade {
                price: ticks(1_000),
                qty: lots(amount),
                taker,
                trade_id: 0,
                merged: 0,
            });
        }
        let filled: Qty = script.venue.positions().iter().map(|position| position.qty).sum();
        prop_assert_eq!(filled, lots((printed - queue).clamp(0, want + 50)));
    }
}

#[test]
fn a_hostile_price_stops_nothing() {
    let mut script = Script::new();
    script.feed(print("92233720368", "92233720368", None));
    script.send(buy("90000000000"));
    script.feed(print("92233720368.5", "92233720368", None));
    assert_eq!(script.told(), ["reject other"]);
    script.feed(print("0.1", "1", None));
    script.send(buy("50"));
    script.feed(print("92233720368", "92233720368", None));
    assert_eq!(script.told(), ["ack", "expired 0"]);
    script.send(sell("50"));
    assert_eq!(script.told(), ["reject reduce_only"]);
    assert_eq!(script.venue.account().wallet, Settings::default().account_starting_capital);
    assert!(script.venue.next_deadline().is_none_or(|due| due > Nanos::ZERO));
    assert_eq!(qty("50"), lots(50_000));
}
