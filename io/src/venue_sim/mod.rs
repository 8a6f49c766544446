//! The venue simulator: `BingX`'s perpetual swaps over real sockets, without internet.
//!
//! HTTP and WebSocket on one port, with TLS when asked for. The protocol is the venue's: paths, signatures,
//! envelopes, error codes, rate limits, gzip frames, heartbeats, listen keys. Orders meet the market in the
//! same model as in paper runs ([`crate::paper`]), one for each account; what happens there is the truth that
//! answers and streams tell, and that `GET /sim/books` tells without any fault.
//!
//! | concern | files |
//! |---|---|
//! | the market | `feed` (a source moved to the present), `board` (what the public sees), `topics` |
//! | an account | `desk` (model and settings), `books` (orders, fills, ledger), `rows` (the venue's JSON) |
//! | calls | `rest` (routes and handlers), `params` (reading, signatures), `limits`, `refusal` |
//! | streams | `streams` (who hears what, when), `listen_keys` |
//! | what goes wrong | `faults`, `control` (`/sim/…`) |
//! | the whole | `exchange`: pure, time comes in |
//! | sockets | `server`, `connection`, `http`, `tls` |
//!
//! # Where it differs from the venue
//!
//! * Margin is one pool: `ISOLATED` is remembered and told, and changes nothing.
//! * No trigger, trailing or attached orders, no `FOK`, no `amend`: refused with words that say so.
//! * A price or quantity finer than the instrument's step is refused, where the venue may cut it off.
//! * A breach of a rate limit locks for [`SimPlan::lock_ms`], not for five minutes.
//! * The day's figures count from the start of the simulator.

mod board;
mod books;
mod connection;
mod control;
mod desk;
mod exchange;
mod faults;
mod feed;
mod http;
mod limits;
mod listen_keys;
mod params;
mod refusal;
mod rest;
mod rows;
mod server;
mod streams;
#[cfg(test)]
mod tests;
mod tls;
mod topics;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use pinion_core::instrument::{InstrumentFault, InstrumentTable};
use pinion_core::settings::{InstrumentOverride, Settings};
use pinion_core::units::Nanos;

use crate::data::{self, DataOptions};
use crate::source::{Source, SourceFault};
use crate::synth::{self, SynthMarket};

pub use faults::WireFaults;
pub use server::VenueSim;

/// Length of the built-in market.
const MARKET_NS: i64 = 365 * 86_400 * Nanos::SECOND;
/// So much of the market is played before the first client: every instrument has a price then.
const WARM_UP_NS: i64 = 1_800 * Nanos::SECOND;
/// The same of recorded data, which may be short.
const WARM_UP_DATA_NS: i64 = 10 * Nanos::SECOND;

/// Everything that decides what a simulator is.
#[derive(Clone, Debug)]
pub struct SimPlan {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Speak TLS, under an authority made at the start.
    pub tls: bool,
    /// Where the authority's certificate is written.
    pub ca_file: PathBuf,
    /// Fees, funding, margin, starting capital and the built-in market. Latencies are not used: what takes
    /// time is the real way there and back.
    pub settings: Arc<Settings>,
    /// Recorded data to play; empty: the built-in market.
    pub data: Vec<PathBuf>,
    /// What the configuration knows better about instruments.
    pub instruments: Vec<InstrumentOverride>,
    /// Decides market, keys and faults.
    pub seed: u64,
    /// How many times as fast as real time the market runs; above 0.
    pub speed: f64,
    /// How many accounts there are.
    pub account_count: usize,
    /// What goes wrong from the start.
    pub faults: WireFaults,
    /// Life of a listen key that nobody extends.
    pub listen_key_ns: i64,
    /// For how long a breach of a rate limit locks.
    pub lock_ms: i64,
}

/// Life of a listen key at the venue.
pub const LISTEN_KEY_NS: i64 = listen_keys::LIFE_NS;

/// Key and secret of a simulated account. They open nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Goes into the header `X-BX-APIKEY`.
    pub key: String,
    /// Signs.
    pub secret: String,
}

impl SimPlan {
    /// The accounts that there will be: the same for the same seed.
    #[must_use]
    pub fn accounts(&self) -> Vec<Account> {
        let made = |what: &str, index| exchange::hex(format!("{what} {} {index}", self.seed));
        let account = |index| Account { key: made("key", index), secret: made("secret", index) };
        (0..self.account_count).map(account).collect()
    }
}

/// Why a simulator cannot start or go on.
#[derive(Debug)]
pub enum SimFault {
    /// The market cannot be read.
    Source(SourceFault),
    /// The instruments make no table.
    Instruments(InstrumentFault),
    /// There is nothing to trade.
    NoInstruments,
    /// An account without a secret.
    NoSecret,
    /// A socket or a file: what was tried, and what the system said.
    Io(String, std::io::Error),
    /// The certificate cannot be made.
    Tls(String),
}

impl fmt::Display for SimFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(fault) => write!(f, "{fault}"),
            Self::Instruments(fault) => write!(f, "{fault}"),
            Self::NoInstruments => {
                f.write_str("the market has no instruments; expected at least one")
            }
            Self::NoSecret => f.write_str("an account has an empty secret"),
            Self::Io(what, error) => write!(f, "{what}: {error}"),
            Self::Tls(words) => write!(f, "TLS: {words}"),
        }
    }
}

impl std::error::Error for SimFault {}

impl From<SourceFault> for SimFault {
    fn from(fault: SourceFault) -> Self {
        Self::Source(fault)
    }
}

/// The plan's market and its instruments.
fn market(
    plan: &SimPlan,
    settings: &Settings,
    notices: &mut Vec<String>,
) -> Result<(Box<dyn Source>, InstrumentTable), SimFault> {
    if plan.data.is_empty() {
        let table = table_of(synth::instruments(settings))?;
        let source = SynthMarket::new(settings, &table);
        return Ok((Box::new(source), table));
    }
    let options = DataOptions {
        backstep_ns_max: settings.data_backstep_ns_max,
        min_notional: settings.data_min_notional,
        overrides: &plan.instruments,
    };
    let mut set = data::open(&plan.data, &options)?;
    notices.append(&mut set.notices);
    let table = table_of(std::mem::take(&mut set.instruments))?;
    let source = set.into_source(&table)?;
    Ok((Box::new(source), table))
}

fn table_of(rows: Vec<pinion_core::instrument::Instrument>) -> Result<InstrumentTable, SimFault> {
    let table = InstrumentTable::new(rows).map_err(SimFault::Instruments)?;
    if table.is_empty() { Err(SimFault::NoInstruments) } else { Ok(table) }
}
