use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use pinion_core::gate::{Gate, KillSwitch};
use pinion_core::id::{ClientId, InstrumentId, TextId, TradeId};
use pinion_core::kernel::Kernel;
use pinion_core::link::{Rx, Tx, link};
use pinion_core::msg::venue::RejectReason;
use pinion_core::msg::{
    ClientRef, Command, CommandMsg, Control, ControlMsg, MarketBody, MarketMsg, Maybe, OrderKind,
    OrderRole, PositionSide, ProbeKind, TimeInForce, VenueEvent, VenueMsg,
};
use pinion_core::settings::Settings;
use pinion_core::stage::Stage as _;
use pinion_core::units::{Price, Qty};

use super::ingest::{symbols, table};
use super::venue::{Push, Reply, Venue, parameter, venue_ms};
use super::*;
use crate::journal::{Tickets, WriteAhead};

const BTC: usize = 0;

struct Rig {
    venue: Venue,
    stage: BingxEgress,
    feed: Tx<MarketMsg>,
    command: Tx<CommandMsg>,
    ack: Rx<VenueMsg>,
    account: Rx<VenueMsg>,
    control: Arc<ArrayQueue<ControlMsg>>,
    kill: Arc<KillSwitch>,
    notices: Notices,
    said: Vec<String>,
    heard: Vec<VenueMsg>,
    controls: Vec<Control>,
    clock: Clock,
}

fn rig(venue: Venue) -> Rig {
    let (feed, feed_rx) = link(64);
    let (command, command_rx) = link(64);
    let (ack_tx, ack) = link(256);
    let (account_tx, account) = link(256);
    let control = Arc::new(ArrayQueue::new(16));
    let kill = Arc::new(KillSwitch::new(false));
    let notices = Notices::default();
    let links = EgressLinks {
        feed: feed_rx,
        command: command_rx,
        ack: ack_tx,
        account: account_tx,
        control: Arc::clone(&control),
    };
    let stage = BingxEgress::new(
        &venue.plan(),
        table(),
        symbols(),
        Gate::new(&Settings::default(), 1),
        Arc::clone(&kill),
        links,
        notices.clone(),
    );
    Rig {
        venue,
        stage,
        feed,
        command,
        ack,
        account,
        control,
        kill,
        notices,
        said: Vec::new(),
        heard: Vec::new(),
        controls: Vec::new(),
        clock: Clock::new(),
    }
}

/// A stage whose account stream is live, with a price for the gate.
fn live() -> Rig {
    let mut rig = rig(Venue::start());
    rig.until("live", |rig| rig.stage.is_live().then_some(()));
    let quote = MarketBody::Quote {
        bid: Price::from_raw(100 * 100_000_000),
        ask: Price::from_raw(101 * 100_000_000),
        bid_qty: None,
        ask_qty: None,
    };
    let message = MarketMsg::from_body(InstrumentId::new(BTC), rig.clock.now(), None, quote);
    assert!(rig.feed.push(message).is_ok());
    let _work = rig.stage.poll(rig.clock.now());
    rig
}

impl Rig {
    fn until<T>(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> Option<T>) -> T {
        let found = until(what, || {
            let _work = self.stage.poll(self.clock.now());
            while let Some(message) = self.ack.pop().or_else(|| self.account.pop()) {
                self.heard.push(message);
            }
            while let Some(message) = self.control.pop() {
                self.controls.push(message.control);
            }
            while let Some(text) = self.notices.next() {
                self.said.push(text);
            }
            done(self)
        });
        let said = self.said.join("\n");
        assert!(!said.contains("canary"), "a secret was told: {said}");
        found
    }

    fn command(&mut self, command: Command) {
        let now = self.clock.now();
        let message = CommandMsg { ts_decide_ns: now, ts_recv_ns: now, command };
        assert!(self.command.push(message).is_ok());
    }

    /// The next event that `is` fits.
    fn event(&mut self, what: &str, is: impl Fn(&VenueMsg) -> bool) -> VenueMsg {
        self.until(what, |rig| rig.heard.iter().find(|message| is(message)).copied())
    }
}

const fn client(seq: u32) -> ClientId {
    ClientId::new(7, seq)
}

fn place(seq: u32, role: OrderRole, tif: TimeInForce) -> Command {
    let limit = !matches!(tif, TimeInForce::Ioc);
    let position_side = PositionSide::Long;
    Command::Place {
        client: client(seq),
        trade: TradeId::new(1),
        instrument: InstrumentId::new(BTC),
        side: match role {
            OrderRole::Entry => position_side.entry_side(),
            OrderRole::Exit => position_side.exit_side(),
        },
        position_side,
        role,
        kind: if limit { OrderKind::Limit } else { OrderKind::Market },
        tif,
        reduce_only: role == OrderRole::Exit,
        qty: Qty::from_raw(100_000),
        price: if limit { Maybe::some(Price::from_raw(100 * 100_000_000)) } else { Maybe::NONE },
    }
}

fn of(seq: u32, message: &VenueMsg) -> bool {
    message.client == ClientRef::Own(client(seq))
}

fn update(order: u64, state: &str, cum: &str, trade: u64) -> Push {
    let at = venue_ms();
    Push::Frame(format!(
        r#"{{"e":"ORDER_TRADE_UPDATE","E":{at},"T":{at},"o":{{"s":"BTC-USDT","c":"","i":{order},"S":"BUY",
        "o":"MARKET","q":"0.001","p":"0","ap":"100.5","x":"TRADE","X":"{state}","N":"USDT","n":"-0.00005",
        "T":{at},"ps":"LONG","z":"{cum}","td":{trade}}}}}"#
    ))
}

const FIRST: u64 = 1_970_000_000_000_000_001;

#[test]
fn the_account_stream_comes_up_and_the_kernel_reads_the_account() {
    let mut rig = live();
    assert_eq!(rig.venue.lock().opened, ["listenKey=listen-canary-1"]);
    assert_eq!(rig.controls, [Control::Recover]);
    rig.command(Command::Probe { probe: ProbeKind::OpenOrders, revision: 41 });
    rig.command(Command::Probe { probe: ProbeKind::Positions, revision: 42 });
    rig.command(Command::Probe { probe: ProbeKind::Balance, revision: 43 });
    let is = |revision: u64| {
        move |message: &VenueMsg| match message.event {
            VenueEvent::OpenOrdersEnd { ok, revision: told, .. }
            | VenueEvent::PositionsEnd { ok, revision: told, .. } => ok && told == revision,
            _ => false,
        }
    };
    rig.event("open orders under their revision", is(41));
    rig.event("positions under their revision", is(42));
    rig.event("the wallet", |message| matches!(message.event, VenueEvent::Balance { .. }));
}

#[test]
fn an_order_is_acknowledged_and_its_fill_told_once_by_whoever_tells_it() {
    let mut rig = live();
    rig.command(place(1, OrderRole::Entry, TimeInForce::Ioc));
    let ack = rig.event("acknowledged", |message| of(1, message));
    assert!(
        matches!(ack.event, VenueEvent::Ack { venue_id } if venue_id.as_str() == FIRST.to_string())
    );
    let fills = |rig: &Rig| -> Vec<VenueMsg> {
        let is_fill = |message: &&VenueMsg| matches!(message.event, VenueEvent::Fill { .. });
        rig.heard.iter().filter(is_fill).copied().collect()
    };
    for _ in 0..3 {
        rig.venue.push_account(&update(FIRST, "FILLED", "0.001", 5));
    }
    rig.venue.push_account(&update(FIRST + 9, "FILLED", "0.001", 6));
    rig.until("both orders", |rig| (fills(rig).len() >= 2).then_some(()));
    let told = fills(&rig);
    assert_eq!(told.len(), 2);
    assert_eq!(told[0].client, ClientRef::Own(client(1)), "by the identity that the answer taught");
    assert_eq!(told[1].client, ClientRef::Absent, "somebody else's");
    assert_eq!(rig.venue.asked("POST /openApi/swap/v2/trade/order?").len(), 1);
}

#[test]
fn an_entry_needs_the_account_stream_an_exit_does_not() {
    let venue = Venue::start();
    for _ in 0..100 {
        venue.answer("POST /userDataStream", Reply::Status(500, "busy"));
    }
    let mut rig = rig(venue);
    rig.command(place(2, OrderRole::Exit, TimeInForce::Ioc));
    let told = rig.event("the exit", |message| of(2, message));
    // The connections come up while it waits; if that takes longer than an exit waits, it goes again.
    if matches!(told.event, VenueEvent::Reject { .. }) {
        rig.heard.clear();
        rig.command(place(2, OrderRole::Exit, TimeInForce::Ioc));
    }
    rig.event("the exit left", |message| {
        of(2, message) && matches!(message.event, VenueEvent::Ack { .. })
    });
    rig.command(place(1, OrderRole::Entry, TimeInForce::Ioc));
    let told = rig.event("the entry", |message| of(1, message));
    let reason = RejectReason::NotTrading;
    assert_eq!(told.event, VenueEvent::Reject { reason });
    assert!(!rig.stage.is_live());
}

#[test]
fn an_outcome_that_nobody_knows_is_told_so_and_never_sent_again() {
    let mut rig = live();
    rig.venue.answer("POST /trade/order", Reply::Cut);
    rig.venue.answer("POST /trade/order", Reply::Status(504, "<html>"));
    for seq in [1, 2] {
        rig.command(place(seq, OrderRole::Exit, TimeInForce::Ioc));
        let told = rig.event("ambiguous", |message| of(seq, message));
        assert_eq!(told.event, VenueEvent::Ambiguous);
    }
    assert_eq!(rig.venue.asked("POST /openApi/swap/v2/trade/order?").len(), 2);
    assert_eq!(rig.stage.counts().lost, 1);
}

#[test]
fn an_entry_leaves_when_its_cause_is_written_and_an_exit_waits_a_moment_at_most() {
    let mut rig = live();
    let tickets = Arc::new(Tickets::default());
    rig.stage.write_ahead(WriteAhead::new(Arc::clone(&tickets), std::thread::current()));
    rig.command(place(1, OrderRole::Entry, TimeInForce::Ioc));
    let told = rig.event("refused", |message| of(1, message));
    assert!(matches!(told.event, VenueEvent::Reject { .. }), "never sent late: {told:?}");
    rig.command(place(2, OrderRole::Exit, TimeInForce::Ioc));
    let told = rig.event("the exit left", |message| of(2, message));
    assert!(matches!(told.event, VenueEvent::Ack { .. }), "{told:?}");
    rig.command(place(3, OrderRole::Entry, TimeInForce::Ioc));
    let _taken = rig.until("asked", |_| tickets.waiting().filter(|ticket| *ticket == 3));
    tickets.written(3);
    let told = rig.event("the entry left", |message| of(3, message));
    assert!(matches!(told.event, VenueEvent::Ack { .. }), "{told:?}");
    let sent = rig.venue.asked("POST /openApi/swap/v2/trade/order?");
    let ids: Vec<_> = sent.iter().map(|path| parameter(path, "clientOrderId")).collect();
    assert_eq!(ids, [Some("p-00000007-2"), Some("p-00000007-3")]);
}

#[test]
fn an_instrument_whose_leverage_somebody_changed_takes_no_entries_until_it_is_back() {
    let mut rig = live();
    let plan = rig.venue.plan();
    let config = |leverage: u64, margin: &str| {
        let ac = format!(r#"{{"s":"BTC-USDT","l":{leverage},"S":{leverage},"mt":"{margin}"}}"#);
        let at = venue_ms();
        Push::Frame(format!(r#"{{"e":"ACCOUNT_CONFIG_UPDATE","E":{at},"ac":{ac}}}"#))
    };
    let (fit, other) = ("cross", "isolated");
    for (seq, leverage, margin) in [(1, plan.leverage + 1, fit), (3, plan.leverage, other)] {
        rig.said.clear();
        rig.venue.push_account(&config(leverage, margin));
        let told = |rig: &mut Rig| rig.said.iter().any(|line| line.contains("no entries on it"));
        rig.until("told", |rig| told(rig).then_some(()));
        rig.command(place(seq, OrderRole::Entry, TimeInForce::Ioc));
        let refusal = rig.event("refused", |message| of(seq, message));
        assert_eq!(refusal.event, VenueEvent::Reject { reason: RejectReason::NotTrading });
        rig.command(place(seq + 1, OrderRole::Exit, TimeInForce::Ioc));
        let exit = rig.event("the exit left", |message| of(seq + 1, message));
        assert!(matches!(exit.event, VenueEvent::Ack { .. }), "{exit:?}");
        rig.venue.push_account(&config(plan.leverage, fit));
        let back = |rig: &mut Rig| rig.said.iter().any(|line| line.contains("as configured again"));
        rig.until("told", |rig| back(rig).then_some(()));
    }
    rig.command(place(5, OrderRole::Entry, TimeInForce::Ioc));
    let entry = rig.event("the entry left", |message| of(5, message));
    assert!(matches!(entry.event, VenueEvent::Ack { .. }), "{entry:?}");
}

#[test]
fn what_an_earlier_process_left_is_looked_after() {
    let mut rig = rig(Venue::start());
    let kernel = Kernel::new(&Settings::default(), table(), 6);
    let now = rig.clock.now();
    rig.stage.resume(&kernel, now, now);
    rig.until("its timer is turned off, because nothing rests", |rig| {
        (!rig.venue.asked("type=CLOSE").is_empty()).then_some(())
    });
}

#[test]
fn an_exit_refused_for_its_time_goes_again_under_its_identity() {
    let mut rig = live();
    let denied = r#"{"code":100421,"msg":"timestamp is invalid"}"#;
    rig.venue.answer("POST /trade/order", Reply::Ok(denied.to_owned()));
    let asked = rig.venue.asked("server/time").len();
    rig.command(place(1, OrderRole::Exit, TimeInForce::Ioc));
    let told = rig.event("acknowledged", |message| of(1, message));
    assert!(matches!(told.event, VenueEvent::Ack { .. }), "{told:?}");
    let sent = rig.venue.asked("POST /openApi/swap/v2/trade/order?");
    let ids: Vec<_> = sent.iter().map(|path| parameter(path, "clientOrderId")).collect();
    assert_eq!(ids, [Some("p-00000007-1"); 2]);
    assert!(rig.venue.asked("server/time").len() > asked, "the clock was measured between");
    // An entry is not: the market has moved on.
    rig.venue.answer("POST /trade/order", Reply::Ok(denied.to_owned()));
    rig.command(place(2, OrderRole::Entry, TimeInForce::Ioc));
    let told = rig.event("refused", |message| of(2, message));
    assert!(matches!(told.event, VenueEvent::Reject { .. }), "{told:?}");
}

#[test]
fn an_entry_that_may_rest_waits_for_the_dead_man_timer_which_ends_with_the_last_order() {
    let mut rig = live();
    rig.command(place(1, OrderRole::Entry, TimeInForce::PostOnly));
    rig.event("acknowledged", |message| of(1, message));
    let writes: Vec<String> = rig.venue.asked("POST /openApi/swap/v2/trade/");
    let armed = writes.iter().position(|path| path.contains("type=ACTIVATE")).expect("armed");
    let placed = writes.iter().position(|path| path.contains("type=LIMIT")).expect("placed");
    assert!(armed < placed, "{writes:?}");
    assert!(rig.stage.has_resting());
    rig.venue.push_account(&update(FIRST, "CANCELED", "0", 0));
    rig.until("turned off", |rig| (!rig.venue.asked("type=CLOSE").is_empty()).then_some(()));
    assert!(!rig.stage.has_resting());
}

#[test]
fn the_switch_stops_entries_at_the_moment_of_sending() {
    let mut rig = live();
    rig.command(place(1, OrderRole::Entry, TimeInForce::Ioc));
    rig.kill.obey(Control::Kill);
    let told = rig.event("refused", |message| of(1, message));
    assert_eq!(told.event, VenueEvent::Reject { reason: RejectReason::Killed });
    rig.command(place(2, OrderRole::Exit, TimeInForce::Ioc));
    rig.event("the exit left", |message| {
        of(2, message) && matches!(message.event, VenueEvent::Ack { .. })
    });
}

#[test]
fn a_closed_endpoint_refuses_at_once_what_could_only_leave_too_late() {
    let mut rig = live();
    let denied = r#"{"code":100410,"msg":"rate limitation"}"#;
    rig.venue.answer("POST /trade/order", Reply::Ok(denied.to_owned()));
    for seq in [1, 2] {
        rig.command(place(seq, OrderRole::Exit, TimeInForce::Ioc));
        let told = rig.event("refused", |message| of(seq, message));
        let reason = RejectReason::RateLimited;
        assert_eq!(told.event, VenueEvent::Reject { reason });
    }
    assert_eq!(rig.venue.asked("POST /openApi/swap/v2/trade/order?").len(), 1);
    let cancel = Command::Cancel {
        client: client(1),
        venue_id: TextId::EMPTY,
        instrument: InstrumentId::new(BTC),
    };
    rig.command(cancel);
    rig.until("cancels are not closed with it", |rig| {
        (!rig.venue.asked("DELETE ").is_empty()).then_some(())
    });
}

#[test]
fn an_order_that_is_denied_is_named_once_more_in_the_older_spelling() {
    let mut rig = live();
    let denied = r#"{"code":109421,"msg":"order not exist"}"#;
    rig.venue.answer("GET /trade/order", Reply::Ok(denied.to_owned()));
    let found = r#"{"code":0,"data":{"order":{"orderId":77,"symbol":"BTC-USDT","status":"FILLED",
        "executedQty":"0.001","avgPrice":"100"}}}"#;
    rig.venue.answer("GET /trade/order", Reply::Ok(found.to_owned()));
    rig.command(Command::Query {
        client: client(1),
        venue_id: TextId::EMPTY,
        instrument: InstrumentId::new(BTC),
    });
    let told = rig.event("found", |message| of(1, message));
    assert!(matches!(told.event, VenueEvent::OrderStatus { .. }), "{told:?}");
    let sent = rig.venue.asked("GET /openApi/swap/v2/trade/order?");
    assert!(sent[0].contains("clientOrderId=") && sent[1].contains("clientOrderID="), "{sent:?}");
}

#[test]
fn a_lost_account_socket_is_made_anew_and_what_it_missed_is_told() {
    let mut rig = live();
    rig.command(place(1, OrderRole::Entry, TimeInForce::Ioc));
    rig.event("acknowledged", |message| of(1, message));
    let at = r#""filledTime":"2026-01-01T00:00:00.000+0800""#;
    let row = format!(
        r#"{{"tradeId":"5","orderId":"{FIRST}","symbol":"BTC-USDT","price":"100.5","qty":"0.001",
        "commission":"-0.00005","commissionAsset":"USDT","role":"taker","side":"buy",
        "positionSide":"long",{at}}}"#
    );
    let page = format!(r#"{{"code":0,"data":{{"fill_history_orders":[{row}],"total":1}}}}"#);
    rig.venue.answer("GET /trade/fillHistory", Reply::Ok(page));
    rig.controls.clear();
    rig.venue.push_account(&Push::Cut);
    rig.until("lost", |rig| (!rig.stage.is_live()).then_some(()));
    let fill = rig.event("the fill", |message| matches!(message.event, VenueEvent::Fill { .. }));
    assert_eq!(fill.client, ClientRef::Own(client(1)));
    rig.until("live again", |rig| rig.stage.is_live().then_some(()));
    assert_eq!(rig.controls, [Control::Recover]);
    assert_eq!(rig.stage.counts().account_losses, 1);
}

#[test]
fn a_key_that_expired_is_replaced() {
    let mut rig = live();
    let expired = r#"{"e":"listenKeyExpired","E":1,"listenKey":"listen-canary-1"}"#;
    rig.venue.push_account(&Push::Frame(expired.to_owned()));
    rig.until("the second key's socket", |rig| {
        let second = "listenKey=listen-canary-2".to_owned();
        (rig.venue.lock().opened.contains(&second) && rig.stage.is_live()).then_some(())
    });
}

#[test]
fn a_key_that_ended_while_nobody_listened_is_replaced() {
    let mut rig = live();
    rig.venue.lock().dead.push("listenKey=listen-canary-1".to_owned());
    rig.venue.push_account(&Push::Cut);
    rig.until("lost", |rig| (!rig.stage.is_live()).then_some(()));
    rig.until("live with the second key", |rig| rig.stage.is_live().then_some(()));
    let opened = rig.venue.lock().opened.clone();
    assert_eq!(opened.last().map(String::as_str), Some("listenKey=listen-canary-2"));
}

#[test]
fn a_page_of_a_gateway_halts_nothing() {
    let mut rig = live();
    for status in [401, 404] {
        rig.venue.answer("POST /trade/order", Reply::Status(status, "<html>"));
    }
    for seq in [1, 2] {
        rig.command(place(seq, OrderRole::Exit, TimeInForce::Ioc));
        rig.event("answered", |message| of(seq, message));
    }
    rig.command(place(3, OrderRole::Exit, TimeInForce::Ioc));
    rig.event("acknowledged", |message| {
        of(3, message) && matches!(message.event, VenueEvent::Ack { .. })
    });
    assert!(!rig.kill.is_on() && !rig.controls.contains(&Control::Kill));
}

#[test]
fn a_key_that_is_refused_halts_entries() {
    let mut rig = live();
    let denied = r#"{"code":100413,"msg":"Incorrect apiKey"}"#;
    rig.venue.answer("POST /trade/order", Reply::Ok(denied.to_owned()));
    rig.command(place(1, OrderRole::Entry, TimeInForce::Ioc));
    let told = rig.event("refused", |message| of(1, message));
    assert!(matches!(told.event, VenueEvent::Reject { .. }));
    rig.until("halted", |rig| rig.controls.contains(&Control::Kill).then_some(()));
    assert!(rig.kill.is_on());
}
