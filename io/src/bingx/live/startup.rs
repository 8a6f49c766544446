//! The checks before the first order. Nothing is changed at the venue: what is not as configured is refused
//! with the remedy.

use std::fmt;
use std::thread;
use std::time::Duration;

use pinion_core::instrument::{Instrument, InstrumentTable};
use pinion_core::units::{Money, Nanos};

use super::super::errors::{ErrorClass, Judged, judge};
use super::super::json::Tape;
use super::super::limits::{LOCK_NS, Limits, Priority};
use super::super::oddities::Oddities;
use super::super::offset::ClockOffset;
use super::super::reports::SETTLE_ASSETS;
use super::super::request::{Call, RequestWriter, Symbols};
use super::super::rest::{self, Commission, Reply};
use super::super::rows;
use super::super::words::{MarginType, PositionMode};
use super::plan::{ApiKeys, PublicPlan, VenuePlan};
use super::socket::printable;
use super::wire::KEY_HEADER;
use crate::clock::{Stopwatch, TurnClock};
use crate::net::{HttpEvent, HttpLink, Outgoing};

/// Between looks at the connection.
const PAUSE: Duration = Duration::from_millis(1);
/// Times that a call without an answer is made.
const TRIES: u32 = 3;
/// Opening the connection may take so long.
const OPEN_NS: i64 = 15 * Nanos::SECOND;
/// How long the checks wait for an endpoint that is closed, or a venue that is busy: somewhat longer than the
/// venue's longest ordinary lock. A process that comes back right after its death meets what the one before
/// had used up, and may have a position to look after.
const CLOSED_NS: i64 = LOCK_NS + 30 * Nanos::SECOND;
/// Between questions to a venue that does not say when it takes them.
const CLOSED_PAUSE_NS: i64 = 2 * Nanos::SECOND;
/// Times that the venue is asked for its time.
const CLOCK_TRIES: u32 = 3;

/// Why a run does not begin: what was found, what was expected, how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The venue cannot be reached or does not answer in its form.
    Unreachable(String),
    /// The venue refuses the key or the call.
    Refused(String),
    /// The account or an instrument is not as configured.
    NotAsConfigured(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(text) | Self::Refused(text) | Self::NotAsConfigured(text) => {
                f.write_str(text)
            }
        }
    }
}

impl std::error::Error for Refusal {}

/// What the checks found.
#[derive(Debug)]
pub struct Ready {
    /// The run's instruments, with the venue's filters.
    pub instruments: Vec<Instrument>,
    /// The venue's spellings of them.
    pub spellings: Vec<String>,
    /// Wallet of the account.
    pub wallet: Money,
    /// What the account pays.
    pub commission: Commission,
    /// Our clock minus the venue's.
    pub ahead_ns: i64,
    /// What the person should know and what stops nothing.
    pub notes: Vec<String>,
}

/// What the venue tells without a key.
#[derive(Debug)]
pub struct Listing {
    /// The wanted instruments, with the venue's filters.
    pub instruments: Vec<Instrument>,
    /// The venue's spellings of them.
    pub spellings: Vec<String>,
    /// Our clock minus the venue's.
    pub ahead_ns: i64,
}

impl Listing {
    /// The venue's spellings by the ids of the run's table.
    #[must_use]
    pub fn symbols(&self, table: &InstrumentTable) -> Symbols {
        Symbols::new(table, self.spellings.iter().map(String::as_str))
    }
}

impl Ready {
    /// The venue's spellings by the ids of the run's table.
    #[must_use]
    pub fn symbols(&self, table: &InstrumentTable) -> Symbols {
        Symbols::new(table, self.spellings.iter().map(String::as_str))
    }
}

/// Asks for clock and instruments alone: no key is needed. Waits: not on a hot thread.
///
/// # Errors
/// [`Refusal`].
pub fn listing(plan: &PublicPlan) -> Result<Listing, Refusal> {
    let mut caller = Caller::new(plan.clone(), None);
    caller.open()?;
    caller.measure_clock()?;
    let (instruments, spellings) = caller.contracts()?;
    Ok(Listing { instruments, spellings, ahead_ns: caller.ahead_ns() })
}

/// Checks clock, rights of the key, instruments, position mode, margin type, leverage, fees and wallet. Waits:
/// not on a hot thread. Half a second for each instrument, as the venue allows two questions about margin a
/// second.
///
/// # Errors
/// [`Refusal`].
pub fn startup(plan: &VenuePlan) -> Result<Ready, Refusal> {
    let signer = plan.keys.signer.clone();
    let writer = RequestWriter::new(signer, plan.position_mode, plan.recv_window_ms);
    let mut caller = Caller::new(plan.public(), Some((&plan.keys, writer)));
    caller.open()?;
    caller.measure_clock()?;
    let notes = caller.rights()?;
    let (instruments, spellings) = caller.contracts()?;
    caller.position_mode(plan.position_mode)?;
    for symbol in &spellings {
        caller.margin_type(symbol, plan.margin_type)?;
        caller.leverage(symbol, plan.leverage)?;
    }
    let commission = caller.call(&Call::CommissionRate, |reply| rest::commission(reply).ok())?;
    let wallet = caller.wallet()?;
    let ahead_ns = caller.ahead_ns();
    Ok(Ready { instruments, spellings, wallet, commission, ahead_ns, notes })
}

/// One connection, one call at a time.
struct Caller<'p> {
    plan: PublicPlan,
    /// Name of the key, and what signs with it.
    keys: Option<(&'p ApiKeys, RequestWriter)>,
    link: HttpLink,
    offset: ClockOffset,
    limits: Limits,
    stopwatch: Stopwatch,
    clock: TurnClock,
}

impl<'p> Caller<'p> {
    fn new(plan: PublicPlan, keys: Option<(&'p ApiKeys, RequestWriter)>) -> Self {
        let stopwatch = Stopwatch::calibrated();
        let peer = std::sync::Arc::clone(&plan.rest);
        Self {
            link: HttpLink::new(peer, plan.timeout_ns, plan.tuning),
            plan,
            keys,
            offset: ClockOffset::default(),
            limits: Limits::default(),
            clock: TurnClock::utc(&stopwatch),
            stopwatch,
        }
    }

    fn now(&self) -> Nanos {
        self.clock.at(self.stopwatch.read_ns())
    }

    fn ahead_ns(&self) -> i64 {
        self.offset.offset_ns().map_or(0, |offset_ns| -offset_ns)
    }

    fn host(&self) -> String {
        self.plan.rest.host_header()
    }

    fn open(&mut self) -> Result<(), Refusal> {
        let until = self.now().plus(OPEN_NS);
        let mut last = None;
        while !self.link.is_ready() {
            let now = self.now();
            let _none = self.link.poll(now);
            last = self.link.take_fault().or(last);
            if now >= until {
                let why = last.map_or_else(|| "no answer".to_owned(), |fault| fault.to_string());
                let host = self.host();
                return Err(Refusal::Unreachable(format!(
                    "{host}: {why}; expected a venue that answers: check the network, venue.rest_url and, \
                     for a simulator, venue.ca_file"
                )));
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// One call, tried again while nothing comes back. All calls here read.
    fn exchange(&mut self, call: &Call<'_>) -> Result<(u16, Vec<u8>), Refusal> {
        let mut why = String::new();
        for _ in 0..TRIES {
            self.open()?;
            while self.limits.take(self.now(), call.endpoint(), Priority::Query).is_err() {
                thread::sleep(PAUSE);
            }
            let now = self.now();
            let timestamp_ms = self.offset.timestamp_ms(now).unwrap_or(0);
            let endpoint = call.endpoint();
            let mut outgoing = Outgoing {
                method: endpoint.method().as_str(),
                path: endpoint.path(),
                query: "",
                header: None,
            };
            if let Some((keys, writer)) = self.keys.as_mut().filter(|_| !endpoint.is_public()) {
                outgoing.query = writer.write(call, timestamp_ms).query;
                outgoing.header = Some((KEY_HEADER, keys.name.as_str()));
            }
            if !self.link.send(now, &outgoing) {
                continue;
            }
            loop {
                let now = self.now();
                match self.link.poll(now) {
                    Some(HttpEvent::Answered) => {
                        let answer = self.link.answer();
                        let found = answer.map(|answer| (answer.status, answer.body.to_vec()));
                        return Ok(found.unwrap_or_default());
                    }
                    Some(HttpEvent::Lost(fault)) => {
                        why = fault.to_string();
                        break;
                    }
                    None => thread::sleep(PAUSE),
                }
            }
        }
        let (host, name) = (self.host(), call.endpoint().as_str());
        Err(Refusal::Unreachable(format!("{host}, {name}: {why}; expected an answer")))
    }

    /// One call, made again while the venue says that it will be taken later.
    fn exchange_when_open(&mut self, call: &Call<'_>) -> Result<(u16, Vec<u8>), Refusal> {
        let until = self.now().plus(CLOSED_NS);
        loop {
            let (status, body) = self.exchange(call)?;
            let mut tape = Tape::new();
            let reply = rest::open(&mut tape, &body).ok();
            let code = reply.as_ref().map(|reply| reply.code).filter(|code| *code != 0);
            if code.is_none() && (200..300).contains(&status) {
                return Ok((status, body));
            }
            let judged = judge(status, code, reply.as_ref().map_or("", |reply| reply.msg.as_ref()));
            let Some(again) = self.again_at(judged).filter(|again| *again < until) else {
                return Ok((status, body));
            };
            while self.now() < again {
                let _none = self.link.poll(self.now());
                thread::sleep(PAUSE);
            }
        }
    }

    /// When a call that was refused so is worth another try.
    fn again_at(&mut self, judged: Judged) -> Option<Nanos> {
        let now = self.now();
        match judged.class {
            ErrorClass::RateLimit => {
                let told = judged.retry_at_ms.and_then(|ms| self.offset.to_ours(ms));
                let later = || now.plus(CLOSED_PAUSE_NS);
                Some(told.map_or_else(later, |at| at.plus(Nanos::SECOND / 10)))
            }
            ErrorClass::Busy | ErrorClass::Settlement => Some(now.plus(CLOSED_PAUSE_NS)),
            ErrorClass::Timestamp => self.measure_clock().ok().map(|()| now),
            ErrorClass::RiskControl
            | ErrorClass::Auth
            | ErrorClass::Route
            | ErrorClass::Params
            | ErrorClass::PositionModeMismatch
            | ErrorClass::InsufficientMargin
            | ErrorClass::MinNotional
            | ErrorClass::Precision
            | ErrorClass::PositionLimit
            | ErrorClass::PriceBand
            | ErrorClass::PostOnlyWouldCross
            | ErrorClass::ReduceOnly
            | ErrorClass::NoPosition
            | ErrorClass::UnknownOrder
            | ErrorClass::OrderFinal
            | ErrorClass::InProgress
            | ErrorClass::SameOrderTooFast
            | ErrorClass::DuplicateClientId
            | ErrorClass::OrderCount
            | ErrorClass::Symbol
            | ErrorClass::ModeSwitch
            | ErrorClass::StopOrder
            | ErrorClass::Topic
            | ErrorClass::Unknown => None,
        }
    }

    /// One call and what `read` makes of its answer.
    fn call<T>(
        &mut self,
        call: &Call<'_>,
        read: impl FnOnce(&Reply<'_>) -> Option<T>,
    ) -> Result<T, Refusal> {
        let (status, body) = self.exchange_when_open(call)?;
        let (host, name) = (self.host(), call.endpoint().as_str());
        let mut tape = Tape::new();
        let Ok(reply) = rest::open(&mut tape, &body) else {
            return Err(Refusal::Unreachable(format!(
                "{host}, {name}: status {status} without an answer in the venue's form; expected JSON: \
                 check venue.rest_url"
            )));
        };
        if reply.code != 0 || !(200..300).contains(&status) {
            let code = Some(reply.code).filter(|code| *code != 0);
            let class = judge(status, code, &reply.msg).class.as_str();
            return Err(Refusal::Refused(format!(
                "{host}, {name}: code {}, {class}: {}; expected to be allowed: check the key, its \
                 permissions, its address list, and that it belongs to this account (demo keys and live \
                 keys differ)",
                reply.code,
                printable(&reply.msg)
            )));
        }
        read(&reply).ok_or_else(|| {
            Refusal::Unreachable(format!("{host}, {name}: an answer without the expected fields"))
        })
    }

    fn measure_clock(&mut self) -> Result<(), Refusal> {
        for _ in 0..CLOCK_TRIES {
            let mut offset = ClockOffset::default();
            let _first = offset.wants_question(self.now());
            let (_, body) = self.exchange(&Call::ServerTime)?;
            let received = self.now();
            let mut tape = Tape::new();
            let told = rest::open(&mut tape, &body).ok();
            if let Some(venue) = told.and_then(|reply| rest::server_time(&reply).ok()) {
                offset.on_answer(received, venue);
            }
            if offset.offset_ns().is_some() {
                self.offset = offset;
                return Ok(());
            }
        }
        let host = self.host();
        Err(Refusal::Unreachable(format!(
            "{host}: the venue's time could not be measured; expected an answer within two seconds"
        )))
    }

    /// A key that could take money away is refused: whoever steals it from this machine could too. What the venue
    /// does not tell is told to the person.
    fn rights(&mut self) -> Result<Vec<String>, Refusal> {
        let (status, body) = self.exchange(&Call::KeyPermissions)?;
        let mut tape = Tape::new();
        let told = rest::open(&mut tape, &body)
            .ok()
            .filter(|reply| reply.code == 0 && (200..300).contains(&status))
            .and_then(|reply| rest::can_withdraw(&reply).ok().flatten());
        match told {
            Some(false) => Ok(Vec::new()),
            Some(true) => Err(Refusal::Refused(
                "the key may withdraw; expected one that may read and trade perpetuals alone: make such a key at \
                 the venue, with this machine's address in its list, and delete this one"
                    .to_owned(),
            )),
            None => Ok(vec![
                "key: the venue does not say whether it may withdraw; make sure that it may not".to_owned(),
            ]),
        }
    }

    fn contracts(&mut self) -> Result<(Vec<Instrument>, Vec<String>), Refusal> {
        let mut oddities = Oddities::default();
        let wanted: Vec<_> = self
            .plan
            .symbols
            .clone()
            .into_iter()
            .map(|symbol| {
                let canonical = pinion_core::instrument::canonical_symbol(&symbol);
                (symbol, canonical)
            })
            .collect();
        let mut listed = Vec::new();
        self.call(&Call::Contracts, |reply| {
            let take = |row: rows::Contract<'_>| {
                if let Some(instrument) = row.instrument {
                    listed.push((instrument, row.symbol.to_owned()));
                }
            };
            rows::contracts(reply, &mut oddities, take).ok()
        })?;
        let (mut instruments, mut spellings) = (Vec::new(), Vec::new());
        for (symbol, canonical) in wanted {
            let found = listed.iter().find(|(row, _)| Some(row.symbol) == canonical);
            let Some((instrument, spelling)) = found else {
                return Err(Refusal::NotAsConfigured(format!(
                    "venue.symbols: {symbol} is not listed by the venue; expected a perpetual of it, for \
                     example BTC-USDT: take {symbol} out"
                )));
            };
            if !instrument.tradable {
                return Err(Refusal::NotAsConfigured(format!(
                    "venue.symbols: {symbol} does not trade now; expected one that does: take {symbol} out"
                )));
            }
            instruments.push(*instrument);
            spellings.push(spelling.clone());
        }
        Ok((instruments, spellings))
    }

    fn position_mode(&mut self, expected: PositionMode) -> Result<(), Refusal> {
        let found = self.call(&Call::PositionMode, |reply| rest::position_mode(reply).ok())?;
        if found == expected {
            return Ok(());
        }
        let (found, expected) = (found.as_str(), expected.as_str());
        Err(Refusal::NotAsConfigured(format!(
            "the account's position mode is {found}; expected {expected} (venue.position_mode): set \
             venue.position_mode = \"{found}\", or switch the account with no order and no position open"
        )))
    }

    fn margin_type(&mut self, symbol: &str, expected: MarginType) -> Result<(), Refusal> {
        let found =
            self.call(&Call::MarginType { symbol }, |reply| rest::margin_type(reply).ok())?;
        if found == Some(expected) {
            return Ok(());
        }
        let found = found.map_or("unknown", MarginType::as_str);
        let expected = expected.as_str();
        Err(Refusal::NotAsConfigured(format!(
            "{symbol}: the margin type is {found}; expected {expected} (venue.margin_type): change the \
             setting, or the symbol's margin type with no order and no position open"
        )))
    }

    fn leverage(&mut self, symbol: &str, expected: u64) -> Result<(), Refusal> {
        let found = self.call(&Call::Leverage { symbol }, |reply| rest::leverage(reply).ok())?;
        if found.long == expected && found.short == expected {
            return Ok(());
        }
        let most = found.long_max.into_iter().chain(found.short_max).min();
        let most = most.map_or_else(String::new, |most| format!(", at most {most}"));
        Err(Refusal::NotAsConfigured(format!(
            "{symbol}: the leverage is {} for longs and {} for shorts; expected {expected} for both \
             (venue.leverage): change the setting, or the symbol's leverage at the venue{most}",
            found.long, found.short
        )))
    }

    fn wallet(&mut self) -> Result<Money, Refusal> {
        let mut wallet = None;
        self.call(&Call::Balance, |reply| {
            rows::balances(reply, |row| {
                if SETTLE_ASSETS.contains(&row.asset) && wallet.is_none() {
                    wallet = row.balance;
                }
            })
            .ok()
        })?;
        let wallet: Option<Money> = wallet;
        wallet.filter(|wallet| wallet.is_positive()).ok_or_else(|| {
            Refusal::NotAsConfigured(
                "the account's wallet holds no USDT; expected some: transfer some to the perpetual \
                 account, or ask for demo money"
                    .to_owned(),
            )
        })
    }
}
