//! The venue as a whole, without sockets: market, accounts, calls, streams. Time is an argument.

use std::sync::Arc;

use pinion_core::id::InstrumentId;
use pinion_core::instrument::InstrumentTable;
use pinion_core::msg::MarketMsg;
use pinion_core::units::{Money, Nanos, Rate};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::bingx::Signer;

use super::board::Board;
use super::books::{Cause, Change};
use super::desk::Desk;
use super::faults::{Fault, Span, WireFaults};
use super::feed::Feed;
use super::limits::Limits;
use super::listen_keys::ListenKeys;
use super::rows::{self, ms};
use super::streams::{Kind, Push, StreamId, Streams, answer, packed};
use super::topics::Topic;
use super::{Account, SimFault, SimPlan};

/// Time between two full pushes of an account's configuration.
const CONFIG_NS: i64 = 5 * Nanos::SECOND;
/// Views this old can still be told.
const VIEWS_NS: i64 = 10 * Nanos::SECOND;

/// Whole views of an account, as they were from a moment on.
#[derive(Debug)]
struct View {
    at: Nanos,
    balance: Value,
    positions: Vec<Value>,
}

/// Who gets extra frames.
#[derive(Debug)]
enum Crowd {
    /// The subscribers of a topic.
    Topic(Box<Topic>),
    /// The streams of an account: its balance, again and again.
    Account(usize),
}

/// Extra frames.
#[derive(Debug)]
struct Burst {
    crowd: Crowd,
    per_second: i64,
    from: Nanos,
    until: Nanos,
    sent: i64,
}

/// The venue. Owner: the server's thread, or a test.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) table: Arc<InstrumentTable>,
    pub(super) board: Board,
    feed: Feed,
    pub(super) desks: Vec<Desk>,
    views: Vec<Vec<View>>,
    pub(super) keys: ListenKeys,
    pub(super) limits: Limits,
    pub(super) faults: WireFaults,
    pub(super) streams: Streams,
    topics: Vec<Topic>,
    bursts: Vec<Burst>,
    /// No connection lives before this.
    pub(super) outage_until: Nanos,
    second_due: Nanos,
    config_due: Nanos,
    seed: u64,
    keys_made: u64,
    /// Taker and maker.
    pub(super) fees: (Rate, Rate),
    pub(super) maintenance_rate: Rate,
    pub(super) funding_interval_ns: i64,
    pub(super) funding_rate: Rate,
    told_end: bool,
    /// Lines for the person who runs it.
    pub(super) notices: Vec<String>,
}

impl Exchange {
    /// Opens the market and plays its beginning, so that everything has a price by `now`.
    pub(super) fn new(plan: &SimPlan, now: Nanos) -> Result<Self, SimFault> {
        let mut settings = (*plan.settings).clone();
        // What takes time here is the real way there and back.
        settings.paper_order_latency_ns = 0;
        settings.paper_reply_latency_ns = 0;
        settings.engine_seed = plan.seed.cast_signed() & i64::MAX;
        settings.synth_duration_ns = super::MARKET_NS;
        let mut notices = Vec::new();
        let (source, table) = super::market(plan, &settings, &mut notices)?;
        let table = Arc::new(table);
        let accounts = plan.accounts();
        let desks = accounts.iter().zip(0_u64..).map(|(account, index)| {
            let Account { key, secret } = account;
            let signer = Signer::new(secret.as_bytes()).ok_or(SimFault::NoSecret)?;
            let (table, seed) = (Arc::clone(&table), plan.seed.wrapping_add(index));
            Ok(Desk::new(key.clone(), signer, &settings, table, plan.faults.inside, seed))
        });
        let desks = desks.collect::<Result<Vec<Desk>, SimFault>>()?;
        let warm_ns = if plan.data.is_empty() { super::WARM_UP_NS } else { super::WARM_UP_DATA_NS };
        let played_ns = scaled(warm_ns, plan.speed);
        let mut exchange = Self {
            board: Board::new(&table),
            feed: Feed::new(source, now.plus(-played_ns), plan.speed),
            views: desks.iter().map(|_| Vec::new()).collect(),
            desks,
            keys: ListenKeys::new(plan.listen_key_ns),
            limits: Limits::new(plan.lock_ms),
            faults: plan.faults.clone(),
            streams: Streams::default(),
            topics: Vec::new(),
            bursts: Vec::new(),
            outage_until: Nanos::ZERO,
            second_due: now.plus(Nanos::SECOND),
            config_due: now.plus(CONFIG_NS),
            seed: plan.seed,
            keys_made: 0,
            fees: (settings.account_taker_rate, settings.account_maker_rate),
            maintenance_rate: settings.paper_maintenance_rate,
            funding_interval_ns: settings.paper_funding_interval_ns,
            funding_rate: settings.paper_funding_rate,
            told_end: false,
            notices,
            table,
        };
        exchange.play(now)?;
        Ok(exchange)
    }

    /// Does everything that is due by `now`.
    pub(super) fn step(&mut self, now: Nanos) -> Result<(), SimFault> {
        self.play(now)?;
        for account in 0..self.desks.len() {
            self.desks[account].on_time(now);
            self.tell_account(now, account);
        }
        if self.second_due <= now {
            self.second_due = now.plus(Nanos::SECOND);
            self.second(now);
        }
        for key in self.keys.expired(now) {
            self.tell_expired(now, &key);
        }
        self.tell_topics(now);
        self.streams.beat(now);
        if self.config_due <= now {
            self.config_due = now.plus(CONFIG_NS);
            for account in 0..self.desks.len() {
                self.tell_whole_config(now, account, None);
            }
        }
        Ok(())
    }

    /// What leaves for the clients by now, in order.
    pub(super) fn take_due(&mut self, now: Nanos) -> Vec<(StreamId, Push)> {
        self.streams.take_due(now)
    }

    fn play(&mut self, now: Nanos) -> Result<(), SimFault> {
        while let Some(due) = self.feed.next_due()?.filter(|due| *due <= now) {
            let Self { feed, board, desks, .. } = self;
            for msg in feed.pop()? {
                board.apply(msg);
                for desk in desks.iter_mut() {
                    desk.on_market(due, msg);
                }
            }
        }
        if self.feed.ended() && !self.told_end {
            self.told_end = true;
            self.notices.push("the market is at its end and stands still from now on".to_owned());
        }
        Ok(())
    }

    /// Puts a message of its own into the market.
    pub(super) fn inject(&mut self, now: Nanos, msg: &MarketMsg) {
        self.board.apply(msg);
        for desk in &mut self.desks {
            desk.on_market(now, msg);
        }
    }

    /// What goes wrong once a second.
    fn second(&mut self, now: Nanos) {
        if self.faults.roll(Fault::Outage) {
            self.outage_until = now.plus(self.faults.span_ns(Span::Outage));
            self.cut_all(now);
        }
        for id in self.streams.ids() {
            if self.faults.roll(Fault::Cut) {
                self.streams.cut(id, now);
            }
        }
        for account in 0..self.desks.len() {
            if self.faults.roll(Fault::HalfOpen) {
                let until = now.plus(self.faults.span_ns(Span::Outage));
                for id in self.streams.of_account(account, None) {
                    self.streams.silence(id, until);
                }
            }
            if self.faults.roll(Fault::KeyExpiry) {
                self.expire_keys(now, account);
            }
        }
    }

    /// Cuts every stream.
    pub(super) fn cut_all(&mut self, now: Nanos) {
        for id in self.streams.ids() {
            self.streams.cut(id, now);
        }
    }

    pub(super) fn expire_keys(&mut self, now: Nanos, account: usize) {
        for key in self.keys.expire_account(account) {
            self.tell_expired(now, &key);
        }
    }

    /// Tells the death of a key; its streams stay open and silent.
    fn tell_expired(&mut self, now: Nanos, key: &str) {
        let frame = json!({"e": "listenKeyExpired", "E": ms(now), "listenKey": key});
        let twice = self.faults.roll(Fault::DoubleExpiry);
        for account in 0..self.desks.len() {
            let ids = self.streams.of_account(account, Some(key));
            self.streams.send(&ids, now, &frame);
            if twice {
                self.streams.send(&ids, now, &frame);
            }
            for id in ids {
                self.streams.silence(id, Nanos::MAX);
            }
        }
    }

    fn tell_topics(&mut self, now: Nanos) {
        let Self { topics, board, streams, faults, bursts, desks, .. } = self;
        topics.retain_mut(|topic| {
            if topic.due() > now {
                return true;
            }
            let ids = streams.subscribers(&topic.name);
            if ids.is_empty() {
                return false;
            }
            if let Some(frame) = topic.tick(board, now) {
                if topic.kind == super::topics::Kind::IncrDepth && faults.roll(Fault::BookGap) {
                    // Nobody gets this one.
                    return true;
                }
                send_frame(streams, faults, &ids, now, &frame);
            }
            true
        });
        bursts.retain_mut(|burst| {
            let ids = match &burst.crowd {
                Crowd::Topic(topic) => streams.subscribers(&topic.name),
                Crowd::Account(account) => streams.of_account(*account, None),
            };
            let passed_ns = now.get().min(burst.until.get()) - burst.from.get();
            let wanted =
                i128::from(passed_ns) * i128::from(burst.per_second) / i128::from(Nanos::SECOND);
            while i128::from(burst.sent) < wanted {
                burst.sent += 1;
                let frame = match &mut burst.crowd {
                    Crowd::Topic(topic) => topic.again(board, now, burst.sent),
                    Crowd::Account(account) => desks.get(*account).map(|desk| {
                        let wallet = desk.venue.venue().account().wallet;
                        rows::account_event(board, desk, now, Cause::Order, None, wallet)
                    }),
                };
                if let Some(frame) = frame {
                    streams.send(&ids, now, &frame);
                }
            }
            now < burst.until
        });
    }

    /// Sends `per_second` extra frames of a topic to its subscribers. False for an unknown topic.
    pub(super) fn burst(&mut self, now: Nanos, name: &str, per_second: i64, seconds: i64) -> bool {
        let Some(topic) = Topic::read(name, &self.board, now) else { return false };
        self.crowd(now, Crowd::Topic(Box::new(topic)), per_second, seconds);
        true
    }

    /// The same to the streams of an account: its balance, which has not changed.
    pub(super) fn account_burst(
        &mut self,
        now: Nanos,
        account: usize,
        per_second: i64,
        seconds: i64,
    ) {
        self.crowd(now, Crowd::Account(account), per_second, seconds);
    }

    fn crowd(&mut self, now: Nanos, crowd: Crowd, per_second: i64, seconds: i64) {
        let until = now.plus(seconds.saturating_mul(Nanos::SECOND));
        self.bursts.push(Burst { crowd, per_second, from: now, until, sent: 0 });
    }

    /// Tells the account stream what happened, and keeps the views that a lagging answer shows.
    fn tell_account(&mut self, now: Nanos, account: usize) {
        let desk = &mut self.desks[account];
        if desk.changes.is_empty() {
            return;
        }
        let changes = std::mem::take(&mut desk.changes);
        self.keep_view(now, account);
        let desk = &self.desks[account];
        // The wallet after each change: the last is the one of now.
        let amount = |change: &Change| match change {
            Change::Account { amount, .. } => *amount,
            Change::Order { .. } => Money::ZERO,
        };
        let later = changes.iter().map(amount).fold(Money::ZERO, super::books::sum);
        let mut wallet = super::books::sum(desk.venue.venue().account().wallet, -later);
        let ids = self.streams.of_account(account, None);
        for change in &changes {
            wallet = super::books::sum(wallet, amount(change));
            let desk = &self.desks[account];
            let frame = match change {
                Change::Order { order, fill } => {
                    let how = rows::OrderEvent {
                        renamed: self.faults.roll(Fault::Renamed),
                        no_client_id: self.faults.roll(Fault::NoClientId),
                        last_fill: self.faults.roll(Fault::LastFill),
                    };
                    rows::order_event(&self.board, order, fill.as_ref(), how)
                }
                Change::Account { cause, position, .. } => {
                    rows::account_event(&self.board, desk, now, *cause, *position, wallet)
                }
            };
            send_account(&mut self.streams, &mut self.faults, &ids, now, &frame);
        }
    }

    fn keep_view(&mut self, now: Nanos, account: usize) {
        let desk = &self.desks[account];
        let view = View {
            at: now,
            balance: rows::balance(desk),
            positions: rows::positions(&self.board, desk, None),
        };
        let views = &mut self.views[account];
        // One that was replaced long ago is never told again.
        let replaced = views.partition_point(|view| now.since(view.at) > VIEWS_NS);
        views.drain(..replaced.saturating_sub(1));
        views.push(view);
    }

    /// The moment that a view shows which may lag.
    pub(super) fn seen_at(&mut self, now: Nanos, fault: Fault) -> Nanos {
        if self.faults.roll(fault) { now.plus(-self.faults.span_ns(Span::Lag)) } else { now }
    }

    fn old_view(&mut self, now: Nanos, account: usize, fault: Fault) -> Option<Option<&View>> {
        let seen = self.seen_at(now, fault);
        if seen == now {
            return None;
        }
        let views = &self.views[account];
        Some(views.iter().rev().find(|view| view.at <= seen))
    }

    /// The balance row, old when it lags.
    pub(super) fn balance_view(&mut self, now: Nanos, account: usize) -> Value {
        let old = self.old_view(now, account, Fault::BalanceLag);
        let old = old.flatten().map(|view| view.balance.clone());
        old.unwrap_or_else(|| rows::balance(&self.desks[account]))
    }

    /// The position rows, old when they lag.
    pub(super) fn positions_view(&mut self, now: Nanos, account: usize) -> Vec<Value> {
        match self.old_view(now, account, Fault::PositionsLag) {
            Some(Some(view)) => view.positions.clone(),
            // Older than everything that happened.
            Some(None) => Vec::new(),
            None => rows::positions(&self.board, &self.desks[account], None),
        }
    }

    /// Tells leverage and margin type of an instrument.
    pub(super) fn tell_config(&mut self, now: Nanos, account: usize, of: InstrumentId) {
        let frame = rows::config_event(&self.board, &self.desks[account], now, of);
        let ids = self.streams.of_account(account, None);
        self.streams.send(&ids, now, &frame);
    }

    fn tell_whole_config(&mut self, now: Nanos, account: usize, to: Option<StreamId>) {
        let ids = to.map_or_else(|| self.streams.of_account(account, None), |id| vec![id]);
        if ids.is_empty() {
            return;
        }
        for (instrument, _) in self.table.iter() {
            let frame = rows::config_event(&self.board, &self.desks[account], now, instrument);
            self.streams.send(&ids, now, &frame);
        }
    }

    pub(super) fn account_of_key(&self, key: &str) -> Option<usize> {
        self.desks.iter().position(|desk| desk.key == key)
    }

    pub(super) fn new_listen_key(&mut self, now: Nanos, account: usize) -> String {
        self.keys_made += 1;
        let key = hex(format!("listen key {} {} {account}", self.seed, self.keys_made));
        self.keys.create(key.clone(), account, now);
        key
    }

    /// Opens a stream: the market's, or an account's when a listen key is given.
    ///
    /// # Errors
    /// HTTP status and words of the refusal.
    pub(super) fn open_stream(
        &mut self,
        now: Nanos,
        listen_key: Option<&str>,
    ) -> Result<StreamId, (u16, &'static str)> {
        if now < self.outage_until {
            return Err((503, "the venue is down"));
        }
        let Some(key) = listen_key else {
            let kind = Kind::Market { topics: std::collections::BTreeSet::new() };
            return Ok(self.streams.open(now, kind));
        };
        let account = self.keys.account_of(key).ok_or((400, "this listenKey does not exist"))?;
        let id = self.streams.open(now, Kind::Account { account, key: key.to_owned() });
        self.tell_whole_config(now, account, Some(id));
        Ok(id)
    }

    /// Takes a client's text.
    pub(super) fn on_text(&mut self, now: Nanos, id: StreamId, text: &str) {
        if text == "Pong" {
            self.streams.answered(id);
            return;
        }
        let message: Value = serde_json::from_str(text).unwrap_or(Value::Null);
        if message.get("pong").is_some() {
            self.streams.answered(id);
            return;
        }
        let word = |name: &str| message.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
        let (of, request, topic) = (word("id"), word("reqType"), word("dataType"));
        let on_market = matches!(self.streams.kind(id), Some(Kind::Market { .. }));
        let (code, msg) = if !on_market || !matches!(request.as_str(), "sub" | "unsub") {
            (80_014, "invalid parameters")
        } else if request == "unsub" {
            self.streams.unsubscribe(id, &topic);
            (0, "")
        } else {
            match Topic::read(&topic, &self.board, now) {
                None => (80_015, "this topic is not supported"),
                Some(_) if !self.streams.subscribe(id, &topic) => (80_403, "too many topics"),
                Some(fresh) => {
                    if !self.topics.iter().any(|known| known.name == topic) {
                        self.topics.push(fresh);
                    }
                    (0, "")
                }
            }
        };
        if !(code == 0 && self.faults.roll(Fault::AckLost)) {
            self.streams.send(&[id], now, &answer(now, &of, code, msg));
        }
        if code == 0
            && request == "sub"
            && let Some(known) = self.topics.iter().find(|known| known.name == topic)
            && let Some(greeting) = known.greeting(now)
        {
            self.streams.send(&[id], now, &greeting);
        }
    }
}

/// Sends a frame; broken bytes may come before it.
fn send_frame(
    streams: &mut Streams,
    faults: &mut WireFaults,
    ids: &[StreamId],
    due: Nanos,
    frame: &Value,
) {
    if ids.is_empty() {
        return;
    }
    if faults.roll(Fault::Garbage) {
        let noise: Vec<u8> = (0..32).map(|_| faults.draw(256) as u8).collect();
        streams.send_bytes(ids, due, &[&[0x1f, 0x8b], &noise[..]].concat());
    }
    if faults.roll(Fault::TruncatedFrame) {
        let whole = packed(frame.to_string().as_bytes());
        streams.send_bytes(ids, due, &whole[..whole.len() / 2]);
        return;
    }
    streams.send(ids, due, frame);
}

/// Sends an event of an account, with what goes wrong on the way.
fn send_account(
    streams: &mut Streams,
    faults: &mut WireFaults,
    ids: &[StreamId],
    now: Nanos,
    frame: &Value,
) {
    if faults.roll(Fault::UnknownEvent) {
        streams.send(ids, now, &json!({"e": "SNAPSHOT", "E": ms(now), "a": {}}));
    }
    if faults.roll(Fault::ZeroBalance) {
        let empty = json!([{"a": rows::ASSET, "wb": "0", "cw": "0", "bc": "0"}]);
        let event =
            json!({"e": "ACCOUNT_UPDATE", "E": ms(now), "a": {"m": "ORDER", "B": empty, "P": []}});
        streams.send(ids, now, &event);
    }
    if faults.roll(Fault::Lose) {
        return;
    }
    let late_ns = if faults.roll(Fault::Reorder) { faults.span_ns(Span::Reorder) } else { 0 };
    let due = now.plus(late_ns);
    send_frame(streams, faults, ids, due, frame);
    if faults.roll(Fault::Duplicate) {
        let again = due.plus(faults.span_ns(Span::Duplicate));
        streams.send(ids, again, frame);
    }
}

/// The hexadecimal SHA-256 of a text.
pub(super) fn hex(text: impl AsRef<[u8]>) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A span of the market's time as it passes here.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "minutes in nanoseconds"
)]
fn scaled(ns: i64, speed: f64) -> i64 {
    (ns as f64 / speed) as i64
}
