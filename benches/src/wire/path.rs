//! The engine between two sockets: market frame in, kernel, signed order out. Everything but the stages' shells
//! is what a live run uses.

use std::collections::VecDeque;
use std::sync::Arc;

use pinion_core::gate::Gate;
use pinion_core::id::InstrumentId;
use pinion_core::instrument::InstrumentTable;
use pinion_core::msg::CommandMsg;
use pinion_core::settings::Settings;
use pinion_core::units::{Money, Nanos, Price};
use pinion_io::bingx::words::PositionMode;
use pinion_io::bingx::{Call, Decoder, Frame, RequestWriter, Signer, Symbols, call_of};
use pinion_io::net::{
    HttpEvent, HttpPool, Outgoing, Peer, RecordLayer, Target, Traffic, Trust, Tuning, WsLimits,
    WsLink, WsStep,
};

use super::venue::Venue;
use crate::harness::timer::ticks;
use crate::kernel::desk::{Placed, StageDesk};
use crate::kernel::workload;

/// Time of the first quote, as the venue tells it.
const START_NS: i64 = 1_718_000_000_000_000_000;
/// Frames of one poll, as in the ingest stage.
const BUDGET: u32 = 64;
/// A request without an answer is given up after this.
const TIMEOUT_NS: i64 = 60_000_000_000;

/// Stages of an order's way, as they are timed from outside.
pub const STAGES: &[&str] =
    &["read, decrypt, deframe, decode", "link and kernel", "gate, build, sign", "encrypt, write"];

/// The path. Owner: its bench or test. Nothing is allocated by [`Self::poll`] after some rounds.
#[derive(Debug)]
pub struct Path {
    ws: WsLink,
    pool: HttpPool<Placed>,
    decoder: Decoder,
    desk: StageDesk,
    gate: Gate,
    writer: RequestWriter,
    table: Arc<InstrumentTable>,
    symbols: Symbols,
    /// Orders that have not left, with the quote that each answers.
    waiting: VecDeque<(CommandMsg, Placed, usize)>,
    price: Price,
    begun: u64,
    ns_per_tick: f64,
    /// Quotes taken in.
    pub quotes: usize,
    /// Orders that left.
    pub orders: u64,
    /// Orders that were answered.
    pub answered: u64,
    /// Ticks of each stage, for every poll in which an order left; no more than there is room for.
    pub stages: Vec<[u64; 4]>,
    /// Which quote each order answers; no more than there is room for.
    pub answers: Vec<usize>,
}

impl Path {
    /// Connects to a venue; waits until everything stands, then tells it to begin.
    ///
    /// # Errors
    /// A text for people.
    pub fn open(venue: &Venue, lines: usize, record_layer: RecordLayer) -> Result<Self, String> {
        let tls = !venue.ca_pem.is_empty();
        let trust = if tls {
            let dir = std::env::temp_dir();
            let file = dir.join(format!(
                "pinion-bench-{}-{}.pem",
                std::process::id(),
                venue.address.port()
            ));
            let found = std::fs::write(&file, &venue.ca_pem).map_err(|error| error.to_string());
            let trust = found.and_then(|()| Trust::new(Some(&file)));
            let _gone = std::fs::remove_file(&file);
            trust?
        } else {
            Trust::new(None)?
        };
        let peer = |scheme: &str, path: &str| {
            let s = if tls { "s" } else { "" };
            let target = Target::parse(&format!("{scheme}{s}://{}{path}", venue.address))?;
            Peer::new(target, trust.clone()).map(Arc::new)
        };
        let tuning = Tuning { busy_poll_us: None, record_layer };
        let settings = Settings {
            cap_orders_per_second_max: i64::from(u32::MAX),
            cap_orders_per_minute_max: i64::from(u32::MAX),
            cap_orders_per_day_max: i64::from(u32::MAX),
            cap_exits_per_second_max: i64::from(u32::MAX),
            cap_position_notional_max: Money::from_whole(1_000_000),
            cap_total_notional_max: Money::from_whole(1_000_000),
            ..workload::settings()
        };
        let table = Arc::new(workload::table());
        let first = workload::message(&workload::quotes(1, 1)[0]);
        let signer =
            Signer::new(b"a secret of sixty-four characters, as the venue gives them out..")
                .ok_or("no key")?;
        let mut path = Self {
            ws: WsLink::new(peer("ws", "/swap-market")?, WsLimits::MARKET, tuning),
            pool: HttpPool::new(&peer("http", "")?, lines, TIMEOUT_NS, tuning),
            decoder: Decoder::new(),
            desk: StageDesk::new(&first),
            gate: Gate::new(&settings, table.len()),
            writer: RequestWriter::new(signer, PositionMode::Hedge, Some(2_000)),
            symbols: Symbols::new(&table, std::iter::once("BTC-USDT")),
            table,
            waiting: VecDeque::with_capacity(1024),
            price: Price::ZERO,
            begun: ticks(),
            ns_per_tick: crate::harness::Timer::calibrated().ns(1.0),
            quotes: 0,
            orders: 0,
            answered: 0,
            stages: Vec::new(),
            answers: Vec::new(),
        };
        path.connect().map_err(|fault| fault.to_string())?;
        while path.pool.ready() < lines {
            let now = path.now();
            if let Some(event) = path.pool.poll(now) {
                return Err(format!("{:?}", event.event));
            }
            if let Some(fault) = path.pool.take_fault() {
                return Err(fault.to_string());
            }
        }
        // An empty text: six bytes, by which the venue knows that everything stands.
        path.ws.send("").map_err(|fault| fault.to_string())?;
        Ok(path)
    }

    fn connect(&mut self) -> Result<(), pinion_io::net::NetFault> {
        self.ws.connect()?;
        loop {
            match self.ws.poll()? {
                Some(WsStep::Connected) => self.ws.encrypt()?,
                Some(WsStep::Encrypted) => {
                    if self.ws.upgrade("")?.is_some() {
                        return Ok(());
                    }
                }
                Some(WsStep::Upgraded) => return Ok(()),
                None => std::thread::yield_now(),
            }
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "nanoseconds of this run")]
    fn now(&self) -> Nanos {
        let passed = ticks().saturating_sub(self.begun) as f64 * self.ns_per_tick;
        Nanos::new(START_NS + 1_000_000 + passed as i64)
    }

    /// One turn of everything: what has come is read, decided on and answered by orders that leave at once.
    ///
    /// # Errors
    /// A text for people: a socket ended, an order was lost or refused.
    pub fn poll(&mut self) -> Result<(), String> {
        let now = self.now();
        let begun = ticks();
        let Self { ws, decoder, desk, gate, table, price, quotes, .. } = self;
        let mut unknown = 0;
        ws.drain(BUDGET, &mut |bytes| match decoder.decode(bytes) {
            Ok(Frame::Market(market)) => {
                let id = table.find(market.symbol).unwrap_or_else(|| InstrumentId::new(0));
                market.messages(id, now, &mut |message| {
                    if let pinion_core::msg::MarketBody::Quote { ask, .. } = message.body() {
                        *price = ask;
                    }
                    gate.saw(&message);
                    desk.offer(message);
                });
                *quotes += 1;
            }
            Ok(_) | Err(_) => unknown += 1,
        })
        .map_err(|fault| fault.to_string())?;
        if unknown > 0 {
            return Err("a frame that could not be read".to_owned());
        }
        let decoded = ticks();
        while self.desk.poll(now).count > 0 {}
        let waiting = &mut self.waiting;
        // The last tenth quote.
        let quote = (self.quotes - self.quotes % workload::ORDER_EVERY as usize).saturating_sub(1);
        self.desk.attend_with(now, &mut |message, placed| {
            waiting.push_back((*message, placed, quote));
        });
        let decided = ticks();
        while self.pool.ready() > 0
            && let Some((message, placed, quote)) = self.waiting.pop_front()
        {
            let (built, sent) = self.send(now, &message, placed)?;
            self.orders += 1;
            if self.stages.len() < self.stages.capacity() {
                let stages = [decoded - begun, decided - decoded, built - decided, sent - built];
                self.stages.push(stages);
            }
            if self.answers.len() < self.answers.capacity() {
                self.answers.push(quote);
            }
        }
        self.answers(now)
    }

    fn send(
        &mut self,
        now: Nanos,
        message: &CommandMsg,
        placed: Placed,
    ) -> Result<(u64, u64), String> {
        self.gate.check(now, message, false).map_err(|reason| reason.as_str().to_owned())?;
        let call: Call<'_> =
            call_of(&message.command, &self.symbols).map_err(|fault| fault.as_str().to_owned())?;
        let request = self.writer.write(&call, now.get().unsigned_abs() / 1_000_000);
        let endpoint = request.endpoint;
        let outgoing = Outgoing {
            method: endpoint.method().as_str(),
            path: endpoint.path(),
            query: request.query,
            header: Some(("X-BX-APIKEY", "a-key-of-the-length-that-the-venue-gives-out")),
        };
        let built = ticks();
        match self.pool.send(now, &outgoing, placed) {
            None => Ok((built, ticks())),
            Some(_) => Err("no connection took the order".to_owned()),
        }
    }

    /// Hears the answers: each stands for acknowledgement and fill, as the account stream would tell them.
    fn answers(&mut self, now: Nanos) -> Result<(), String> {
        while let Some(event) = self.pool.poll(now) {
            if let HttpEvent::Lost(fault) = event.event {
                return Err(fault.to_string());
            }
            self.answered += 1;
            let acked = self.desk.offer_ack(now, event.tag);
            let filled = self.desk.offer_fill(now, event.tag, self.price);
            self.gate.heard(&acked);
            self.gate.heard(&filled);
            while self.desk.poll(now).count > 0 {}
            // The policy decides on quotes alone: what leaves here are questions, which the desk answers.
            self.desk.attend_with(now, &mut |_, _| {});
            self.desk.housekeep();
        }
        Ok(())
    }

    /// True when nothing is under way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.orders == self.answered && self.waiting.is_empty()
    }

    /// System calls: of the market socket, of the order connections together.
    #[must_use]
    pub fn traffic(&self) -> (Traffic, Traffic) {
        (self.ws.traffic(), self.pool.traffic())
    }
}
