//! kill -9 of the real process, again and again, while it trades with a venue that lives on.
//!
//! The paper venue runs in this process; the child is `pinion kernel --script - --state DIR`. The child is
//! killed before, between and behind line and answer, also while it writes. What had not left in an answer
//! never reached the venue; what the venue says waits until the child is back. At the end: no order
//! identity twice, never more than one entry's quantity at the venue, no fill lost, books equal when flat.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use pinion_core::id::{ClientId, InstrumentId, TextId, TradeId};
use pinion_core::instrument::{Instrument, InstrumentTable};
use pinion_core::msg::{
    ClientRef, Command, CommandMsg, MarketBody, MarketMsg, Maybe, OrderKind, OrderRole,
    PositionSide, Side, TimeInForce, VenueEvent, VenueMsg,
};
use pinion_core::settings::Settings;
use pinion_core::units::{Money, Nanos, Price, Qty};
use pinion_io::paper::PaperVenue;
use pinion_tests::pinion;
use pinion_tests::trace::Dice;
use serde_json::{Value, json};

use crate::crash::{is_full, tell};

const ENTRY_QTY: i64 = 1_000;
const STEP_NS: i64 = 100_000_000;
/// Longer than a recovery waits for late views.
const QUIET_NS: i64 = 6_000_000_000;

/// A running child and its pipes.
struct Process {
    child: Child,
    lines: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Process {
    fn start(state: &Path) -> Self {
        let mut child = pinion()
            .args(["kernel", "--script", "-", "--state"])
            .arg(state)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let lines = child.stdin.take().expect("piped");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, lines, answers }
    }

    fn answer(&mut self) -> Option<Value> {
        let mut text = String::new();
        self.answers.read_line(&mut text).ok()?;
        // What has no newline was cut by the kill.
        text.ends_with('\n').then(|| serde_json::from_str(&text).expect("JSON"))
    }

    /// SIGKILL; whole answers that had left before it can still be read.
    fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("reaped");
    }
}

/// The parent: venue, clock, dice, and what it saw.
struct World {
    state: PathBuf,
    process: Process,
    venue: PaperVenue,
    now: Nanos,
    dice: Dice,
    mid: i64,
    /// Lines that the child has kept.
    kept: u64,
    kills: u32,
    /// Lines until the next kill; `None` once the storm is over.
    until: Option<u64>,
    ids: BTreeSet<String>,
    last: Value,
    trades: u32,
    fills: u32,
    unanswered: u32,
}

fn text<'a>(row: &'a Value, name: &str) -> &'a str {
    row[name].as_str().unwrap_or_default()
}

impl World {
    fn new(seed: u64, state: &Path) -> Self {
        let row = Instrument {
            symbol: TextId::new("FETUSDT").expect("a symbol"),
            tick: Price::from_raw(10_000),
            lot: Qty::ONE,
            min_notional: Money::from_whole(5),
            tradable: true,
            listed_ns: None,
        };
        let table = Arc::new(InstrumentTable::new(vec![row]).expect("a table"));
        let settings =
            Settings { engine_seed: i64::try_from(seed).expect("small"), ..Settings::default() };
        let mut world = Self {
            state: state.to_path_buf(),
            process: Process::start(state),
            venue: PaperVenue::new(&settings, table),
            now: Nanos::new(1_000 * Nanos::SECOND),
            dice: Dice(seed),
            mid: 18_780_000,
            kept: 0,
            kills: 0,
            until: None,
            ids: BTreeSet::new(),
            last: Value::Null,
            trades: 0,
            fills: 0,
            unanswered: 0,
        };
        world.send(json!({"event": "config", "max_slots": 1, "capital": "25000"}));
        world.send(json!({
            "event": "instrument", "asset": "FETUSDT", "tick": "0.0001", "lot": "1",
            "min_notional": "5",
        }));
        world
    }

    /// Gives a line to the child until it has surely kept it once, and does what the answer wants.
    fn send(&mut self, mut line: Value) {
        line["t"] = json!(self.now.get());
        let text = format!("{line}\n");
        loop {
            let doomed = self.until.as_mut().is_some_and(|left| {
                *left = left.saturating_sub(1);
                *left == 0
            });
            if doomed && self.dice.once_in(3) {
                // Nothing of the line has arrived.
                self.revive();
                continue;
            }
            let written = self.process.lines.write_all(text.as_bytes());
            written.and_then(|()| self.process.lines.flush()).expect("the child reads");
            if doomed {
                // Short enough to hit the journal's write, long enough to hit the snapshot's syncs.
                let most = if self.dice.once_in(2) { 300 } else { 5_000 };
                thread::sleep(Duration::from_micros(self.dice.below(most)));
                self.process.kill();
            }
            if let Some(answer) = self.process.answer() {
                self.kept += 1;
                self.take(answer);
                if doomed {
                    self.revive();
                }
                return;
            }
            assert!(doomed, "the child ended by itself");
            let before = self.kept;
            self.revive();
            if self.kept > before {
                // It was kept, but its commands never left.
                self.unanswered += 1;
                return;
            }
        }
    }

    /// A new process on the same directory.
    fn revive(&mut self) {
        self.kills += 1;
        self.process.kill();
        self.process = Process::start(&self.state);
        let answer = self.process.answer().expect("it tells of the restart");
        let reason = text(&answer, "reason");
        let kept = reason.split_whitespace().rev().nth(1).and_then(|count| count.parse().ok());
        let kept: u64 = kept.unwrap_or_else(|| unreachable!("{reason}"));
        assert!(kept == self.kept || kept == self.kept + 1, "{reason}, but {} were", self.kept);
        self.kept = kept;
        self.until = Some(1 + self.dice.below(60));
        self.take(answer);
    }

    /// What the child wants done goes to the venue.
    fn take(&mut self, answer: Value) {
        for row in answer["commands"].as_array().expect("a list") {
            let instrument = InstrumentId::new(0);
            let id = text(row, "client_order_id");
            let client = ClientId::parse(id);
            let command = match (text(row, "kind"), client) {
                ("place", Some(client)) => {
                    assert!(self.ids.insert(id.to_owned()), "{id} is used twice");
                    let side = Side::from_text(text(row, "side")).expect("a side");
                    let reduce_only = row["reduce_only"] == true;
                    Command::Place {
                        client,
                        trade: TradeId::new(1),
                        instrument,
                        side,
                        position_side: PositionSide::Short,
                        role: if reduce_only { OrderRole::Exit } else { OrderRole::Entry },
                        kind: OrderKind::from_text(text(row, "type")).expect("a type"),
                        tif: TimeInForce::from_text(text(row, "tif")).expect("a time in force"),
                        reduce_only,
                        qty: text(row, "qty").parse().expect("a quantity"),
                        price: Maybe::from(text(row, "price").parse::<Price>().ok()),
                    }
                }
                ("cancel", Some(client)) => {
                    Command::Cancel { client, venue_id: TextId::EMPTY, instrument }
                }
                ("query", Some(client)) => {
                    Command::Query { client, venue_id: TextId::EMPTY, instrument }
                }
                // A probe is answered whenever the venue is quiet.
                _ => continue,
            };
            let message = CommandMsg { ts_decide_ns: self.now, ts_recv_ns: self.now, command };
            self.venue.handle_command(self.now, &message);
        }
        self.last = answer;
    }

    /// A fifth of a second of market, replies and now and then a tick.
    fn step(&mut self) {
        self.now = self.now.plus(STEP_NS);
        let jump = i64::try_from(self.dice.below(5)).expect("small") - 2;
        self.mid += jump * 10_000;
        let (bid, ask) = (Price::from_raw(self.mid), Price::from_raw(self.mid + 10_000));
        let size =
            Some(Qty::from_whole(300 + i64::try_from(self.dice.below(2_000)).expect("small")));
        let body = MarketBody::Quote { bid, ask, bid_qty: size, ask_qty: size };
        let quote = MarketMsg::from_body(InstrumentId::new(0), self.now, None, body);
        self.venue.handle_market(self.now, &quote);
        self.replies();
        self.send(json!({
            "event": "quote", "asset": "FETUSDT", "bid": bid.to_string(), "ask": ask.to_string(),
        }));
        assert!(self.held() <= Qty::from_whole(ENTRY_QTY), "a double entry: {}", self.held());
    }

    fn replies(&mut self) {
        self.venue.handle_time(self.now);
        let mut replies = Vec::new();
        while let Some((_, reply)) = self.venue.poll_reply(self.now) {
            replies.push(reply);
        }
        for reply in replies {
            if let Some(line) = self.line_of(&reply) {
                self.send(line);
            }
        }
    }

    /// A reply as a line; what this parent asks for itself is left out.
    fn line_of(&mut self, reply: &VenueMsg) -> Option<Value> {
        let maybe = |qty: Maybe<Qty>| qty.get().map(|qty| qty.to_string());
        let mut line = match &reply.event {
            VenueEvent::Ack { venue_id } => {
                json!({"event": "ack", "venue_order_id": venue_id.as_str()})
            }
            VenueEvent::Reject { reason } => json!({"event": "reject", "reason": reason.as_str()}),
            VenueEvent::Canceled { venue_id, cum_qty } => json!({
                "event": "cancel_ack", "venue_order_id": venue_id.as_str(), "cum_qty": maybe(*cum_qty),
            }),
            VenueEvent::CancelRejected { reason } => {
                json!({"event": "cancel_reject", "reason": reason.as_str()})
            }
            VenueEvent::Expired { venue_id, cum_qty } => json!({
                "event": "expire", "venue_order_id": venue_id.as_str(), "cum_qty": maybe(*cum_qty),
            }),
            VenueEvent::OrderStatus { venue_id, state, cum_qty, avg_price } => json!({
                "event": "order_status", "venue_order_id": venue_id.as_str(),
                "state": state.as_str(), "cum_qty": maybe(*cum_qty),
                "avg_price": avg_price.get().map(|price| price.to_string()),
            }),
            VenueEvent::Fill { venue_id, fill_id, qty, price, fee, cum_qty, is_maker, .. } => {
                self.fills += 1;
                json!({
                    "event": "fill", "venue_order_id": venue_id.as_str(),
                    "fill_id": fill_id.as_str(), "qty": qty.to_string(),
                    "price": price.to_string(), "fee": fee.get().map(|fee| fee.to_string()),
                    "cum_qty": maybe(*cum_qty), "is_maker": is_maker,
                })
            }
            _ => return None,
        };
        if let ClientRef::Own(client) = reply.client {
            line["client_order_id"] = json!(client.to_string());
        }
        Some(line)
    }

    /// What the venue holds for us.
    fn held(&self) -> Qty {
        self.venue.positions().iter().map(|row| row.qty).fold(Qty::ZERO, |sum, qty| sum + qty)
    }

    /// Lets everything under way arrive, and longer than views lag behind a restart go by, then tells open
    /// orders, positions and balance as they are: what a recovery waits for, and in its order. Positions
    /// twice, for a child without a memory does not believe one empty list.
    fn settle(&mut self) {
        for _ in 0..40 {
            self.step();
        }
        self.now = self.now.plus(QUIET_NS);
        self.step();
        let rows: Vec<Value> = self
            .venue
            .open_orders()
            .map(|row| {
                json!({
                    "client_order_id": row.client.to_string(), "asset": "FETUSDT",
                    "side": row.side.as_str(), "qty": row.qty.to_string(),
                    "cum_qty": row.cum_qty.to_string(),
                })
            })
            .collect();
        self.send(json!({"event": "open_orders", "orders": rows}));
        let rows: Vec<Value> = self
            .venue
            .positions()
            .iter()
            .map(|row| {
                json!({
                    "asset": "FETUSDT", "side": row.side.as_str(), "qty": row.qty.to_string(),
                    "entry_price": row.entry_price().map(|price| price.to_string()),
                })
            })
            .collect();
        for _ in 0..2 {
            self.send(json!({"event": "positions", "positions": rows}));
        }
        let wallet = self.venue.account().wallet.to_string();
        self.send(
            json!({"event": "account", "wallet_balance": wallet, "available_margin": wallet}),
        );
        self.send(json!({"event": "tick"}));
    }

    fn size(&self) -> Qty {
        text(&self.last["slots"][0], "size").parse().expect("a quantity")
    }

    /// A round trip: in, a while, out; the child may die at any line of it.
    fn trip(&mut self) {
        self.settle();
        self.trades += 1;
        self.send(json!({
            "event": "intent", "action": "enter", "trade_id": format!("T{}", self.trades), "slot": 0,
            "asset": "FETUSDT", "side": "short", "qty": ENTRY_QTY.to_string(), "type": "market",
            "reference_price": Price::from_raw(self.mid).to_string(),
        }));
        for _ in 0..self.dice.below(30) {
            self.step();
        }
        for _ in 0..30 {
            self.send(json!({"event": "intent", "action": "exit", "slot": 0}));
            self.settle();
            if self.size() == Qty::ZERO && self.held() == Qty::ZERO {
                break;
            }
        }
        self.at_rest();
    }

    /// Nothing is under way: kernel and venue agree.
    fn at_rest(&self) {
        assert_eq!(self.size(), self.held(), "a fill is lost: {}", self.last);
        assert_eq!(self.held(), Qty::ZERO, "the position is stranded: {}", self.last);
        let wallet = self.venue.account().wallet.to_string();
        assert_eq!(self.last["account"]["capital"], wallet, "the books differ: {}", self.last);
    }
}

#[test]
fn a_process_killed_at_any_moment_loses_no_fill_and_enters_once() {
    let wanted = if is_full() { 500 } else { 20 };
    let parent = tempfile::tempdir().expect("temporary directory");
    let mut world = World::new(11, parent.path());
    world.until = Some(40);
    while world.kills < wanted {
        world.trip();
    }
    world.until = None;
    world.trip();
    assert!(world.fills > world.trades, "it trades: {} fills", world.fills);
    tell(&format!(
        "{} kills, {} round trips, {} fills, {} lines, {} of them kept without an answer",
        world.kills, world.trades, world.fills, world.kept, world.unanswered
    ));
    world.process.kill();
}
