//! Every rule of the gate.

mod random;

use super::*;
use crate::id::{ClientId, InstrumentId, TextId, TradeId};
use crate::msg::venue::VenueOrderState;
use crate::msg::{
    Control, MarketBody, PositionSide, ProbeKind, Side, TimeInForce, VenueEvent, VenueMsg,
};
use RejectReason::{Cap, Killed, NoMarket, OrderRate, Other};

const SECOND: i64 = Nanos::SECOND;

/// A gate of two instruments at a price of 10: at most 100 units on one, 150 together.
struct Rig {
    gate: Gate,
    now: Nanos,
    orders: u32,
    fills: u64,
}

fn id(index: usize) -> InstrumentId {
    InstrumentId::new(index)
}

fn settings() -> Settings {
    Settings {
        cap_position_notional_max: Money::from_whole(1_000),
        cap_total_notional_max: Money::from_whole(1_500),
        ..Settings::default()
    }
}

impl Rig {
    fn new() -> Self {
        Self::with(&settings())
    }

    fn with(settings: &Settings) -> Self {
        let mut rig = Self {
            gate: Gate::new(settings, 2),
            now: Nanos::new(1_000 * SECOND),
            orders: 0,
            fills: 0,
        };
        rig.price(0, "10");
        rig.price(1, "10");
        rig
    }

    fn price(&mut self, instrument: usize, at: &str) {
        let price = at.parse().expect("a price");
        let body = MarketBody::Trade { price, qty: Qty::ONE, taker: None, trade_id: 0, merged: 0 };
        self.gate.saw(&MarketMsg::from_body(id(instrument), self.now, None, body));
    }

    fn wait(&mut self, ns: i64) {
        self.now = self.now.plus(ns);
    }

    fn message(&self, command: Command) -> CommandMsg {
        CommandMsg { ts_decide_ns: self.now, ts_recv_ns: self.now, command }
    }

    fn place(&mut self, instrument: usize, role: OrderRole, units: i64) -> (ClientId, CommandMsg) {
        self.orders += 1;
        let client = ClientId::new(1, self.orders);
        let position_side = PositionSide::Long;
        let command = Command::Place {
            client,
            trade: TradeId::new(1),
            instrument: id(instrument),
            side: match role {
                OrderRole::Entry => Side::Buy,
                OrderRole::Exit => Side::Sell,
            },
            position_side,
            role,
            kind: OrderKind::Market,
            tif: TimeInForce::Ioc,
            reduce_only: role == OrderRole::Exit,
            qty: Qty::from_whole(units),
            price: Maybe::NONE,
        };
        (client, self.message(command))
    }

    fn check(&mut self, message: &CommandMsg) -> Result<(), RejectReason> {
        self.gate.check(self.now, message, false)
    }

    fn enter(&mut self, instrument: usize, units: i64) -> Result<ClientId, RejectReason> {
        let (client, message) = self.place(instrument, OrderRole::Entry, units);
        self.check(&message).map(|()| client)
    }

    fn exit(&mut self, instrument: usize, units: i64) -> Result<ClientId, RejectReason> {
        let (client, message) = self.place(instrument, OrderRole::Exit, units);
        self.check(&message).map(|()| client)
    }

    fn cancel(&mut self) -> Result<(), RejectReason> {
        let client = ClientId::new(1, 1);
        let cancel =
            Command::Cancel { client, venue_id: TextId::EMPTY, instrument: InstrumentId::new(0) };
        let message = self.message(cancel);
        self.check(&message)
    }

    fn hear(&mut self, client: ClientRef, instrument: usize, event: VenueEvent) {
        self.gate.heard(&VenueMsg {
            ts_exch_ns: Maybe::NONE,
            ts_recv_ns: self.now,
            client,
            instrument: Some(id(instrument)),
            event,
        });
    }

    fn fill(&mut self, client: ClientId, units: i64, total: Option<i64>) -> VenueEvent {
        self.fills += 1;
        let event = VenueEvent::Fill {
            venue_id: TextId::EMPTY,
            fill_id: TextId::from_number(self.fills),
            qty: Qty::from_whole(units),
            price: Price::from_whole(10),
            fee: Maybe::NONE,
            cum_qty: total.map(Qty::from_whole).into(),
            side: None,
            is_maker: None,
        };
        self.hear(ClientRef::Own(client), 0, event);
        event
    }

    fn canceled(&mut self, client: ClientId, total: Option<i64>) {
        let cum_qty = total.map(Qty::from_whole).into();
        let event = VenueEvent::Canceled { venue_id: TextId::EMPTY, cum_qty };
        self.hear(ClientRef::Own(client), 0, event);
    }

    fn status(&mut self, client: ClientId, state: VenueOrderState, total: Option<i64>) {
        let event = VenueEvent::OrderStatus {
            venue_id: TextId::EMPTY,
            state,
            cum_qty: total.map(Qty::from_whole).into(),
            avg_price: Maybe::NONE,
        };
        self.hear(ClientRef::Own(client), 0, event);
    }

    /// A whole snapshot that shows so many units of instrument 0.
    fn snapshot(&mut self, units: i64) {
        let side = PositionSide::Long;
        let qty = Qty::from_whole(units);
        let row = VenueEvent::Position { side, qty, entry_price: Maybe::NONE };
        self.hear(ClientRef::Absent, 0, row);
        let end = VenueEvent::PositionsEnd { ok: true, rows: 1, revision: 0 };
        self.hear(ClientRef::Absent, 0, end);
    }

    /// Opens so many units of instrument 0.
    fn hold(&mut self, units: i64) {
        let client = self.enter(0, units).expect("within the cap");
        self.fill(client, units, Some(units));
    }

    /// How many more units of instrument 0 would be let out.
    fn room(&self) -> i64 {
        let fits = |units: &i64| {
            let (qty, limit) = (Qty::from_whole(*units), None);
            self.gate.cap(&Wanted { instrument: id(0), qty, limit }).is_ok()
        };
        (1..=200).take_while(fits).last().unwrap_or(0)
    }
}

#[test]
fn a_kill_stops_entries_at_the_moment_of_sending_and_nothing_else() {
    let mut rig = Rig::new();
    rig.hold(10);
    let switch = KillSwitch::default();
    switch.obey(Control::Kill);
    let (_, entry) = rig.place(0, OrderRole::Entry, 1);
    let (_, exit) = rig.place(0, OrderRole::Exit, 10);
    assert_eq!(rig.gate.check(rig.now, &entry, switch.is_on()), Err(Killed));
    assert_eq!(rig.gate.check(rig.now, &exit, switch.is_on()), Ok(()));
    switch.obey(Control::Stop);
    assert!(switch.is_on());
    switch.obey(Control::Resume);
    assert_eq!((switch.is_on(), switch.resumes()), (false, 1));
    assert_eq!(rig.gate.check(rig.now, &entry, switch.is_on()), Ok(()));
    assert!(KillSwitch::new(true).is_on(), "as it was saved");
}

#[test]
fn what_makes_no_sense_is_refused_in_both_directions() {
    let mut rig = Rig::new();
    rig.hold(10);
    let nonsense: [fn(&mut Command); 7] = [
        |c| set(c, |p| *p.qty = Qty::ZERO),
        |c| set(c, |p| *p.qty = Qty::from_whole(-1)),
        |c| set(c, |p| *p.reduce_only = !*p.reduce_only),
        |c| set(c, |p| *p.side = p.side.opposite()),
        |c| set(c, |p| *p.kind = OrderKind::Limit),
        |c| set(c, |p| (*p.kind, *p.price) = (OrderKind::Limit, Maybe::some(Price::ZERO))),
        |c| set(c, |p| *p.instrument = InstrumentId::new(2)),
    ];
    for role in [OrderRole::Entry, OrderRole::Exit] {
        for (number, break_it) in nonsense.iter().enumerate() {
            let (_, mut message) = rig.place(0, role, 1);
            break_it(&mut message.command);
            assert_eq!(rig.check(&message), Err(Other), "{role:?} {number}");
        }
        let (_, message) = rig.place(0, role, 1);
        assert_eq!(rig.check(&message), Ok(()));
    }
    assert_eq!(rig.gate.refused(), 14);
}

struct Parts<'a> {
    instrument: &'a mut InstrumentId,
    side: &'a mut Side,
    kind: &'a mut OrderKind,
    reduce_only: &'a mut bool,
    qty: &'a mut Qty,
    price: &'a mut Maybe<Price>,
}

fn set(command: &mut Command, change: fn(Parts<'_>)) {
    if let Command::Place { instrument, side, kind, reduce_only, qty, price, .. } = command {
        change(Parts { instrument, side, kind, reduce_only, qty, price });
    }
}

#[test]
fn an_entry_counts_whole_until_its_end_is_told_with_a_total() {
    let mut rig = Rig::new();
    let client = rig.enter(0, 60).expect("within the cap");
    assert_eq!(rig.enter(0, 1), Err(Cap), "one at a time on an instrument");
    rig.hear(ClientRef::Own(client), 0, VenueEvent::Ambiguous);
    rig.fill(client, 20, Some(20));
    rig.canceled(client, None);
    assert_eq!(rig.room(), 0, "an end without a total ends nothing");
    rig.canceled(client, Some(25));
    assert_eq!(rig.room(), 75, "what was filled stays, also what no fill has told");
    rig.canceled(client, Some(25));
    rig.fill(client, 5, Some(25));
    assert_eq!(rig.room(), 75, "what comes late is known already");
}

#[test]
fn caps_hold_on_an_instrument_and_in_sum() {
    let mut rig = Rig::new();
    assert_eq!(rig.enter(0, 101), Err(Cap));
    rig.hold(100);
    assert_eq!(rig.enter(0, 1), Err(Cap));
    assert_eq!(rig.enter(1, 51), Err(Cap), "150 in sum");
    assert!(rig.enter(1, 50).is_ok());
}

#[test]
fn a_limit_above_the_market_counts_at_its_limit() {
    let mut rig = Rig::new();
    let (_, mut message) = rig.place(0, OrderRole::Entry, 100);
    set(&mut message.command, |parts| {
        (*parts.kind, *parts.price) = (OrderKind::Limit, Maybe::some(Price::from_whole(11)));
    });
    assert_eq!(rig.check(&message), Err(Cap));
}

#[test]
fn a_price_that_breaks_down_makes_no_room() {
    let mut rig = Rig::new();
    rig.wait(299 * SECOND);
    rig.price(0, "0.00000001");
    assert_eq!(rig.room(), 100);
    // Two windows later it is the price.
    for _ in 0..2 {
        rig.wait(300 * SECOND);
        rig.price(0, "5");
    }
    rig.wait(300 * SECOND);
    rig.price(0, "5");
    assert_eq!(rig.room(), 200);
}

#[test]
fn without_a_price_nothing_is_small() {
    let mut rig = Rig::new();
    rig.gate = Gate::new(&settings(), 2);
    assert_eq!(rig.enter(0, 1), Err(NoMarket));
    rig.price(0, "10");
    assert!(rig.enter(0, 1).is_ok());
    // A position without a price on the other instrument.
    let mut rig = Rig::new();
    rig.gate = Gate::new(&settings(), 2);
    rig.snapshot(1);
    rig.price(1, "10");
    assert_eq!(rig.enter(1, 1), Err(NoMarket));
}

#[test]
fn exits_make_room_once_however_often_they_are_told() {
    let mut rig = Rig::new();
    rig.hold(100);
    let client = rig.exit(0, 60).expect("exits leave");
    let fill = rig.fill(client, 20, None);
    rig.hear(ClientRef::Own(client), 0, fill);
    assert_eq!(rig.room(), 20);
    rig.fill(client, 10, Some(30));
    rig.status(client, VenueOrderState::PartiallyFilled, Some(30));
    assert_eq!(rig.room(), 30);
    rig.canceled(client, Some(40));
    rig.canceled(client, Some(40));
    assert_eq!(rig.room(), 40);
}

#[test]
fn an_exit_of_what_is_still_coming_in_is_not_lost() {
    let mut rig = Rig::new();
    let entry = rig.enter(0, 100).expect("within the cap");
    rig.fill(entry, 30, Some(30));
    let exit = rig.exit(0, 30).expect("exits leave");
    rig.fill(exit, 30, Some(30));
    assert_eq!(rig.room(), 0, "the entry works on");
    rig.canceled(entry, Some(30));
    assert_eq!(rig.room(), 100);
}

#[test]
fn a_position_that_the_venue_closed_is_gone() {
    let mut rig = Rig::new();
    rig.hold(100);
    let forced = VenueEvent::Forced {
        side: PositionSide::Long,
        fill_id: TextId::from_number(77),
        qty: Qty::from_whole(40),
        price: Price::from_whole(10),
        fee: Maybe::NONE,
        cause: crate::msg::venue::ForcedCause::Adl,
    };
    rig.hear(ClientRef::Absent, 0, forced);
    rig.hear(ClientRef::Absent, 0, forced);
    assert_eq!(rig.room(), 40);
}

#[test]
fn refused_orders_are_over_except_a_repeated_identity() {
    let mut rig = Rig::new();
    let client = rig.enter(0, 60).expect("within the cap");
    let reject = |reason| VenueEvent::Reject { reason };
    rig.hear(ClientRef::Own(client), 0, reject(RejectReason::DuplicateClientId));
    assert_eq!(rig.room(), 0, "the first of that identity lives");
    rig.hear(ClientRef::Own(client), 0, reject(RejectReason::Margin));
    assert_eq!(rig.room(), 100);
}

#[test]
fn an_entry_that_the_venue_denies_for_long_is_given_up() {
    let mut rig = Rig::new();
    let client = rig.enter(0, 60).expect("within the cap");
    for _ in 0..3 {
        rig.status(client, VenueOrderState::NotFound, None);
        rig.wait(4 * SECOND);
    }
    assert_eq!(rig.enter(0, 1), Err(Cap), "12 s");
    rig.wait(3 * SECOND);
    assert!(rig.enter(0, 1).is_ok(), "15 s");
    // One that somebody has seen is never given up.
    let mut rig = Rig::new();
    let client = rig.enter(0, 60).expect("within the cap");
    let venue_id = TextId::from_number(5);
    rig.hear(ClientRef::Own(client), 0, VenueEvent::Ack { venue_id });
    for _ in 0..5 {
        rig.status(client, VenueOrderState::NotFound, None);
        rig.wait(60 * SECOND);
    }
    assert_eq!(rig.enter(0, 1), Err(Cap));
    // The venue's identity is enough to know it by.
    let end = VenueEvent::Canceled { venue_id, cum_qty: Maybe::some(Qty::ZERO) };
    rig.hear(ClientRef::Absent, 0, end);
    assert!(rig.enter(0, 1).is_ok());
}

#[test]
fn a_snapshot_is_believed_when_all_is_quiet() {
    let mut rig = Rig::new();
    rig.snapshot(30);
    assert_eq!(rig.room(), 70, "after a restart at once");
    rig.hold(20);
    rig.snapshot(0);
    assert_eq!(rig.room(), 50, "a view may lag");
    rig.wait(30 * SECOND);
    let end = VenueEvent::PositionsEnd { ok: false, rows: 0, revision: 0 };
    rig.hear(ClientRef::Absent, 0, end);
    let end = VenueEvent::PositionsEnd { ok: true, rows: 1, revision: 0 };
    rig.hear(ClientRef::Absent, 0, end);
    assert_eq!(rig.room(), 50, "failed, and with a row lost");
    rig.snapshot(40);
    assert_eq!(rig.room(), 60);
}

#[test]
fn entries_per_second_wait_and_exits_do_not() {
    let caps = Settings { cap_orders_per_second_max: 2, ..settings() };
    let mut rig = Rig::with(&caps);
    for _ in 0..2 {
        let client = rig.enter(0, 1).expect("within the rate");
        rig.canceled(client, Some(0));
    }
    assert_eq!(rig.enter(0, 1), Err(OrderRate));
    assert!(rig.exit(0, 1).is_ok() && rig.cancel().is_ok());
    assert!(!rig.gate.is_latched());
    rig.wait(SECOND + SECOND / 10);
    assert!(rig.enter(0, 1).is_ok());
}

#[test]
fn the_bounds_of_a_minute_and_a_day_latch_until_the_operator_resumes() {
    let minute = Settings { cap_orders_per_minute_max: 3, ..settings() };
    let day = Settings { cap_orders_per_day_max: 3, ..settings() };
    for caps in [minute, day] {
        let mut rig = Rig::with(&caps);
        for _ in 0..3 {
            let client = rig.enter(0, 1).expect("within the rate");
            rig.canceled(client, Some(0));
            rig.wait(2 * SECOND);
        }
        assert_eq!(rig.enter(0, 1), Err(OrderRate));
        assert!(rig.gate.is_latched());
        rig.wait(2 * DAY_NS);
        assert_eq!(rig.enter(0, 1), Err(OrderRate), "time alone does not release it");
        assert!(rig.exit(0, 1).is_ok());
        rig.gate.resume();
        assert!(rig.enter(0, 1).is_ok());
    }
}

#[test]
fn a_flood_of_exits_stops_for_the_second_and_latches_entries() {
    let caps = Settings { cap_exits_per_second_max: 50, ..settings() };
    let mut rig = Rig::with(&caps);
    for _ in 0..25 {
        assert!(rig.exit(0, 1).is_ok() && rig.cancel().is_ok());
    }
    assert_eq!((rig.exit(0, 1).err(), rig.cancel()), (Some(OrderRate), Err(OrderRate)));
    assert_eq!(rig.enter(1, 1), Err(OrderRate), "something is broken");
    rig.wait(SECOND + SECOND / 10);
    assert!(rig.exit(0, 1).is_ok(), "exits are never latched");
}

#[test]
fn refusals_are_answers_and_questions_always_pass() {
    let rig = &mut Rig::new();
    let (client, entry) = rig.place(0, OrderRole::Entry, 1);
    let answer = Gate::refusal(rig.now, &entry, Cap).expect("an answer");
    assert_eq!(answer.client, ClientRef::Own(client));
    assert_eq!(answer.event, VenueEvent::Reject { reason: Cap });
    let (venue_id, instrument) = (TextId::EMPTY, id(0));
    let cancel = rig.message(Command::Cancel { client, venue_id, instrument });
    let answer = Gate::refusal(rig.now, &cancel, OrderRate).expect("an answer");
    assert_eq!(answer.event, VenueEvent::CancelRejected { reason: OrderRate });
    let query = rig.message(Command::Query { client, venue_id, instrument });
    let probe = rig.message(Command::Probe { probe: ProbeKind::Balance, revision: 0 });
    for _ in 0..1_000 {
        assert_eq!((rig.check(&query), rig.check(&probe)), (Ok(()), Ok(())));
    }
    assert_eq!(Gate::refusal(rig.now, &probe, Cap), None);
}
