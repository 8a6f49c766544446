//! The exchange without sockets, in virtual time.

mod account;
mod adapter;
mod faults;
mod orders;
mod streams;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use flate2::read::GzDecoder;
use pinion_core::settings::Settings;
use pinion_core::units::{Money, Nanos, Qty};
use serde_json::Value;

use crate::bingx::Signer;

use super::exchange::Exchange;
use super::faults::WireFaults;
use super::rest::{Call, Reply};
use super::streams::{Push, StreamId};
use super::{Account, LISTEN_KEY_NS, SimPlan};

/// 2026-01-05 10:00:00 UTC, in the middle between two exchanges of funding.
const START: Nanos = Nanos::new(1_767_607_200 * Nanos::SECOND);
const SYMBOL: &str = "BTC-USDT";

fn plan(seed: u64) -> SimPlan {
    SimPlan {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        tls: false,
        ca_file: PathBuf::new(),
        settings: Arc::new(Settings { synth_instruments: 2, ..Settings::default() }),
        data: Vec::new(),
        instruments: Vec::new(),
        seed,
        speed: 1.0,
        account_count: 2,
        faults: WireFaults::none(seed),
        listen_key_ns: LISTEN_KEY_NS,
        lock_ms: 2_000,
    }
}

/// An exchange, its clock, and what its streams were told.
struct World {
    exchange: Exchange,
    now: Nanos,
    accounts: Vec<Account>,
    /// Every call is half a second after the one before: no limit is met by accident.
    pace_ns: i64,
    /// How finely time passes.
    turn_ns: i64,
    raw: BTreeMap<StreamId, Vec<Push>>,
}

impl World {
    fn new() -> Self {
        Self::of(&plan(7))
    }

    fn of(plan: &SimPlan) -> Self {
        let exchange = Exchange::new(plan, START).expect("the built-in market");
        let accounts = plan.accounts();
        let pace_ns = Nanos::SECOND / 2;
        let turn_ns = 50_000_000;
        Self { exchange, now: START, accounts, pace_ns, turn_ns, raw: BTreeMap::new() }
    }

    /// Lets time pass.
    fn pass(&mut self, ns: i64) {
        let end = self.now.plus(ns);
        while self.now < end {
            self.now = end.min(self.now.plus(self.turn_ns));
            self.exchange.step(self.now).expect("the built-in market");
            for (id, push) in self.exchange.take_due(self.now) {
                // A client that answers every heartbeat.
                self.exchange.streams.answered(id);
                self.raw.entry(id).or_default().push(push);
            }
        }
    }

    fn seconds(&mut self, seconds: i64) {
        self.pass(seconds * Nanos::SECOND);
    }

    fn raw_call(&mut self, method: &str, path: &str, query: &str, key: Option<&str>) -> Reply {
        self.pass(self.pace_ns);
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let call = Call { method, path, query, body: "", key, peer };
        if path.starts_with("/sim/") {
            self.exchange.control(self.now, &call)
        } else {
            self.exchange.call(self.now, &call)
        }
    }

    /// A signed call of an account.
    fn reply_to(&mut self, account: usize, method: &str, path: &str, query: &str) -> Reply {
        let Account { key, secret } = self.accounts[account].clone();
        let at = self.now.plus(self.pace_ns).get() / 1_000_000;
        let and = if query.is_empty() { "" } else { "&" };
        let text = format!("{query}{and}timestamp={at}");
        let signature = Signer::new(secret.as_bytes()).expect("a secret").sign(text.as_bytes());
        let signature = std::str::from_utf8(&signature).expect("hexadecimal");
        let query = format!("{text}&signature={signature}");
        self.raw_call(method, &format!("/openApi/swap/{path}"), &query, Some(&key))
    }

    fn call(&mut self, account: usize, method: &str, path: &str, query: &str) -> Value {
        let reply = self.reply_to(account, method, path, query);
        serde_json::from_str(&reply.body).unwrap_or_else(|_| panic!("no JSON: {reply:?}"))
    }

    /// A signed call of the first account that must work.
    fn ok(&mut self, method: &str, path: &str, query: &str) -> Value {
        let mut body = self.call(0, method, path, query);
        assert_eq!(body["code"], 0, "{method} {path} {query}: {body}");
        body["data"].take()
    }

    /// The code with which a signed call of the first account is refused.
    fn code(&mut self, method: &str, path: &str, query: &str) -> i64 {
        let body = self.call(0, method, path, query);
        body["code"].as_i64().unwrap_or_else(|| panic!("{body}"))
    }

    /// A control call that must work.
    fn sim(&mut self, method: &str, path: &str, query: &str) -> Value {
        let reply = self.raw_call(method, &format!("/sim/{path}"), query, None);
        assert_eq!(reply.status, 200, "{path} {query}: {}", reply.body);
        serde_json::from_str(&reply.body).expect("JSON")
    }

    fn books(&mut self, account: usize) -> Value {
        self.sim("GET", "books", &format!("account={account}"))
    }

    /// Places an order of the first account and answers with the order in the reply.
    fn place(&mut self, order: &str) -> Value {
        self.ok("POST", "v2/trade/order", &format!("symbol={SYMBOL}&{order}"))["order"].take()
    }

    fn touch(&self) -> super::board::Touch {
        let id = self.exchange.board.find(SYMBOL).expect("listed");
        self.exchange.board.row(id).touch.expect("quoted")
    }

    /// Opens the account stream of an account.
    fn listen(&mut self, account: usize) -> (StreamId, String) {
        let key = self.accounts[account].key.clone();
        let reply = self.raw_call("POST", "/openApi/user/auth/userDataStream", "", Some(&key));
        let body: Value = serde_json::from_str(&reply.body).expect("JSON");
        let key = body["listenKey"].as_str().expect("a key").to_owned();
        let id = self.exchange.open_stream(self.now, Some(&key)).expect("a live key");
        (id, key)
    }

    /// What a stream was told since the last look; heartbeats and configuration are left out.
    fn heard(&mut self, id: StreamId) -> Vec<Value> {
        let pushes = self.raw.remove(&id).unwrap_or_default();
        let frames = pushes.iter().filter_map(|push| match push {
            Push::Frame(bytes) => Some(bytes),
            Push::Cut => None,
        });
        let texts = frames.filter_map(|bytes| {
            let mut text = String::new();
            std::io::Read::read_to_string(&mut GzDecoder::new(&bytes[..]), &mut text).ok()?;
            serde_json::from_str::<Value>(&text).ok()
        });
        texts.filter(|frame| frame["e"] != "ACCOUNT_CONFIG_UPDATE").collect()
    }
}

fn money(value: &Value) -> Money {
    Money::parse(value.as_str().expect("text").as_bytes()).expect("a decimal")
}

fn qty(value: &Value) -> Qty {
    Qty::parse(value.as_str().expect("text").as_bytes()).expect("a decimal")
}
