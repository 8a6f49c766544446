//! Requests: parameters in order, signed text, query as it is sent.
//!
//! Every call carries its parameters in the query and has an empty body. The text that is signed holds the
//! plain values, sorted by name; the query holds them percent-encoded, with the signature last.

use core::fmt::Write as _;

use pinion_core::id::{ClientId, InstrumentId, TextId};
use pinion_core::instrument::InstrumentTable;
use pinion_core::msg::{Command, OrderKind, OrderRole, PositionSide, ProbeKind, Side, TimeInForce};
use pinion_core::units::{DECIMAL_TEXT_MAX, Price, Qty, print_raw};

use super::endpoint::Endpoint;
use super::sign::Signer;
use super::words::{MarginType, PositionMode, WireSide, position_side_text, side_text};

/// Which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderRef {
    /// By the venue's identity.
    Venue(TextId),
    /// By ours.
    Client(ClientId),
    /// By ours, in the venue's older spelling: for one more try when it denies an order by the newer one.
    ClientOld(ClientId),
}

impl OrderRef {
    /// The venue's identity where it is known, else ours.
    #[must_use]
    pub const fn of(client: ClientId, venue_id: TextId) -> Self {
        if venue_id.is_empty() { Self::Client(client) } else { Self::Venue(venue_id) }
    }
}

/// An order to place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewOrder<'a> {
    /// As the venue spells it.
    pub symbol: &'a str,
    /// Our identity of it.
    pub client: ClientId,
    /// Side.
    pub side: Side,
    /// Direction of the position that it opens or reduces.
    pub position_side: PositionSide,
    /// Type.
    pub kind: OrderKind,
    /// Time in force; not sent for market orders.
    pub tif: TimeInForce,
    /// Must not increase a position. Sent in one-way mode only: in hedge mode side and position side say
    /// it, and the venue refuses the flag.
    pub reduce_only: bool,
    /// Quantity.
    pub qty: Qty,
    /// Price of a limit order.
    pub price: Option<Price>,
}

/// A call with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call<'a> {
    /// The venue's clock.
    ServerTime,
    /// Contracts.
    Contracts,
    /// Balances.
    Balance,
    /// Positions of all symbols.
    Positions,
    /// Open orders, of one symbol or of all.
    OpenOrders {
        /// Symbol.
        symbol: Option<&'a str>,
    },
    /// One order.
    Order {
        /// Symbol.
        symbol: &'a str,
        /// Which.
        order: OrderRef,
    },
    /// Fills of a symbol; both times are needed, at most seven days apart.
    FillHistory {
        /// Symbol.
        symbol: &'a str,
        /// Of one order alone.
        order: Option<TextId>,
        /// From, ms since 1970.
        start_ms: u64,
        /// Until, ms since 1970.
        end_ms: u64,
        /// Page, from 1.
        page: u32,
        /// Rows of a page, at most 1,000.
        size: u32,
    },
    /// Fee rates.
    CommissionRate,
    /// What the key may do.
    KeyPermissions,
    /// Leverage.
    Leverage {
        /// Symbol.
        symbol: &'a str,
    },
    /// Sets leverage.
    SetLeverage {
        /// Symbol.
        symbol: &'a str,
        /// Of which side; `Both` in one-way mode.
        side: WireSide,
        /// Leverage.
        leverage: u32,
    },
    /// Margin type.
    MarginType {
        /// Symbol.
        symbol: &'a str,
    },
    /// Sets the margin type.
    SetMarginType {
        /// Symbol.
        symbol: &'a str,
        /// Type.
        margin: MarginType,
    },
    /// Position mode.
    PositionMode,
    /// Sets the position mode.
    SetPositionMode {
        /// Mode.
        mode: PositionMode,
    },
    /// Places an order.
    Place(NewOrder<'a>),
    /// Cancels an order.
    Cancel {
        /// Symbol.
        symbol: &'a str,
        /// Which.
        order: OrderRef,
    },
    /// Cancels all orders, of one symbol or of the account.
    CancelAll {
        /// Symbol.
        symbol: Option<&'a str>,
    },
    /// Arms the dead-man timer for so many seconds (10 to 120), or turns it off.
    CancelAllAfter {
        /// Seconds; `None` turns it off.
        seconds: Option<u32>,
    },
    /// Makes a listen key.
    CreateListenKey,
    /// Keeps a listen key alive.
    ExtendListenKey {
        /// The key.
        key: &'a str,
    },
    /// Ends a listen key.
    DeleteListenKey {
        /// The key.
        key: &'a str,
    },
}

impl Call<'_> {
    /// Its endpoint.
    #[must_use]
    pub const fn endpoint(&self) -> Endpoint {
        match self {
            Self::ServerTime => Endpoint::ServerTime,
            Self::Contracts => Endpoint::Contracts,
            Self::Balance => Endpoint::Balance,
            Self::Positions => Endpoint::Positions,
            Self::OpenOrders { .. } => Endpoint::OpenOrders,
            Self::Order { .. } => Endpoint::Order,
            Self::FillHistory { .. } => Endpoint::FillHistory,
            Self::CommissionRate => Endpoint::CommissionRate,
            Self::KeyPermissions => Endpoint::KeyPermissions,
            Self::Leverage { .. } => Endpoint::Leverage,
            Self::SetLeverage { .. } => Endpoint::SetLeverage,
            Self::MarginType { .. } => Endpoint::MarginType,
            Self::SetMarginType { .. } => Endpoint::SetMarginType,
            Self::PositionMode => Endpoint::PositionMode,
            Self::SetPositionMode { .. } => Endpoint::SetPositionMode,
            Self::Place(_) => Endpoint::Place,
            Self::Cancel { .. } => Endpoint::Cancel,
            Self::CancelAll { .. } => Endpoint::CancelAll,
            Self::CancelAllAfter { .. } => Endpoint::CancelAllAfter,
            Self::CreateListenKey => Endpoint::CreateListenKey,
            Self::ExtendListenKey { .. } => Endpoint::ExtendListenKey,
            Self::DeleteListenKey { .. } => Endpoint::DeleteListenKey,
        }
    }
}

/// A request, ready to be sent with an empty body. Borrows from the writer until its next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Method, path, limits.
    pub endpoint: Endpoint,
    /// What stands behind the path's question mark; empty for none.
    pub query: &'a str,
    /// The text that was signed.
    pub signed_text: &'a str,
}

/// Writes requests into reused buffers: nothing is allocated once the longest was written.
///
/// Owner: the stage that sends.
#[derive(Clone, Debug)]
pub struct RequestWriter {
    signer: Signer,
    mode: PositionMode,
    /// How late an order may arrive, in ms; sent with orders. The venue's own default is 5,000.
    recv_window_ms: Option<u32>,
    /// The text to sign. Where nothing in it needs encoding, as in every order, it becomes the query.
    text: String,
    query: String,
    pass: Pass,
    is_plain: bool,
}

/// What parameters are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    /// The text to sign.
    Text,
    /// The query, where it differs from that text.
    Query,
}

impl RequestWriter {
    /// With a key, the account's position mode, and how late an order may arrive (at most 5,000 ms; `None`
    /// leaves it to the venue).
    #[must_use]
    pub fn new(signer: Signer, mode: PositionMode, recv_window_ms: Option<u32>) -> Self {
        let room = || String::with_capacity(1024);
        let (text, query) = (room(), room());
        Self { signer, mode, recv_window_ms, text, query, pass: Pass::Text, is_plain: true }
    }

    /// Writes and signs a call. `timestamp_ms` is the venue's time, as near as it is known.
    pub fn write(&mut self, call: &Call<'_>, timestamp_ms: u64) -> Request<'_> {
        self.text.clear();
        let endpoint = call.endpoint();
        if endpoint.is_public() {
            return Request { endpoint, query: "", signed_text: "" };
        }
        (self.pass, self.is_plain) = (Pass::Text, true);
        self.parameters(call, timestamp_ms);
        let signed = self.text.len();
        let signature = self.signer.sign(self.text.as_bytes());
        if !self.is_plain {
            self.query.clear();
            self.pass = Pass::Query;
            self.parameters(call, timestamp_ms);
        }
        let query = if self.is_plain { &mut self.text } else { &mut self.query };
        query.push_str("&signature=");
        query.push_str(core::str::from_utf8(&signature).unwrap_or_default());
        let query = if self.is_plain { &self.text } else { &self.query };
        Request { endpoint, query, signed_text: self.text.get(..signed).unwrap_or_default() }
    }

    /// The parameters, sorted by name as the venue sorts them: upper case before lower.
    fn parameters(&mut self, call: &Call<'_>, timestamp_ms: u64) {
        match *call {
            Call::Balance
            | Call::Positions
            | Call::CommissionRate
            | Call::KeyPermissions
            | Call::PositionMode
            | Call::CreateListenKey
            | Call::ServerTime
            | Call::Contracts => {}
            Call::OpenOrders { symbol } | Call::CancelAll { symbol } => {
                self.put_some("symbol", symbol);
            }
            Call::Order { symbol, order } | Call::Cancel { symbol, order } => {
                match order {
                    OrderRef::Venue(id) => self.put("orderId", id),
                    OrderRef::Client(client) => self.put("clientOrderId", client),
                    OrderRef::ClientOld(client) => self.put("clientOrderID", client),
                }
                self.put("symbol", symbol);
            }
            Call::FillHistory { symbol, order, start_ms, end_ms, page, size } => {
                self.put("endTs", end_ms);
                self.put_some("orderId", order);
                self.put("pageIndex", page);
                self.put("pageSize", size);
                self.put("startTs", start_ms);
                self.put("symbol", symbol);
            }
            Call::Leverage { symbol } | Call::MarginType { symbol } => self.put("symbol", symbol),
            Call::SetLeverage { symbol, side, leverage } => {
                self.put("leverage", leverage);
                self.put("side", side.as_str());
                self.put("symbol", symbol);
            }
            Call::SetMarginType { symbol, margin } => {
                self.put("marginType", margin.as_str());
                self.put("symbol", symbol);
            }
            Call::SetPositionMode { mode } => {
                self.put("dualSidePosition", mode == PositionMode::Hedge);
            }
            Call::Place(order) => return self.order(&order, timestamp_ms),
            Call::CancelAllAfter { seconds } => {
                self.put_some("timeOut", seconds);
                self.put("timestamp", timestamp_ms);
                return self.put("type", if seconds.is_some() { "ACTIVATE" } else { "CLOSE" });
            }
            Call::ExtendListenKey { key } | Call::DeleteListenKey { key } => {
                self.put("listenKey", key);
            }
        }
        self.put("timestamp", timestamp_ms);
    }

    fn order(&mut self, order: &NewOrder<'_>, timestamp_ms: u64) {
        self.put("clientOrderId", order.client);
        self.put("positionSide", position_side_text(order.position_side, self.mode));
        if order.kind == OrderKind::Limit {
            self.put_some("price", order.price);
        }
        self.put("quantity", order.qty);
        self.put_some("recvWindow", self.recv_window_ms);
        if order.reduce_only && self.mode == PositionMode::OneWay {
            self.put("reduceOnly", true);
        }
        self.put("side", side_text(order.side));
        self.put("symbol", order.symbol);
        if order.kind == OrderKind::Limit {
            let tif = match order.tif {
                TimeInForce::Gtc => "GTC",
                TimeInForce::Ioc => "IOC",
                TimeInForce::PostOnly => "PostOnly",
            };
            self.put("timeInForce", tif);
        }
        self.put("timestamp", timestamp_ms);
        self.put("type", if order.kind == OrderKind::Limit { "LIMIT" } else { "MARKET" });
    }

    fn put_some(&mut self, name: &str, value: Option<impl Parameter>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    fn put(&mut self, name: &str, value: impl Parameter) {
        let out = match self.pass {
            Pass::Text => &mut self.text,
            Pass::Query => &mut self.query,
        };
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(name);
        out.push('=');
        let from = self.text.len();
        value.put(&mut self.text);
        match self.pass {
            Pass::Text => self.is_plain &= self.text.bytes().skip(from).all(is_unreserved),
            Pass::Query => {
                encode(self.text.get(from..).unwrap_or_default(), &mut self.query);
                self.text.truncate(from);
            }
        }
    }
}

/// A value of a parameter, written digit by digit.
trait Parameter {
    fn put(self, out: &mut String);
}

impl Parameter for &str {
    fn put(self, out: &mut String) {
        out.push_str(self);
    }
}

impl Parameter for bool {
    fn put(self, out: &mut String) {
        out.push_str(if self { "true" } else { "false" });
    }
}

impl Parameter for u64 {
    fn put(self, out: &mut String) {
        out.push_str(itoa::Buffer::new().format(self));
    }
}

impl Parameter for u32 {
    fn put(self, out: &mut String) {
        u64::from(self).put(out);
    }
}

impl Parameter for Price {
    fn put(self, out: &mut String) {
        out.push_str(print_raw(self.raw(), &mut [0; DECIMAL_TEXT_MAX]));
    }
}

impl Parameter for Qty {
    fn put(self, out: &mut String) {
        out.push_str(print_raw(self.raw(), &mut [0; DECIMAL_TEXT_MAX]));
    }
}

impl Parameter for TextId {
    fn put(self, out: &mut String) {
        out.push_str(self.as_str());
    }
}

impl Parameter for ClientId {
    fn put(self, out: &mut String) {
        // Writing to a text cannot fail.
        let _written = write!(out, "{self}");
    }
}

/// True for a letter, a digit and each of `-_.~`: what stands in a query as it is.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~')
}

/// Percent-encodes what may not stand in a query as it is.
fn encode(value: &str, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        if is_unreserved(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

/// The venue's spelling of each instrument. Built once at start from the contract list.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    rows: Vec<Option<Box<str>>>,
}

impl Symbols {
    /// Joins the run's instruments with the venue's spellings; others of the venue are left out.
    pub fn new<'a>(table: &InstrumentTable, spellings: impl Iterator<Item = &'a str>) -> Self {
        let mut rows = vec![None; table.len()];
        for spelling in spellings {
            let row = table.find(spelling).and_then(|id| rows.get_mut(id.index()));
            if let Some(row) = row {
                *row = Some(spelling.into());
            }
        }
        Self { rows }
    }

    /// The venue's spelling; `None` for an instrument that the venue does not list.
    #[must_use]
    pub fn of(&self, id: InstrumentId) -> Option<&str> {
        self.rows.get(id.index())?.as_deref()
    }

    /// The first instrument of the run that the venue does not list.
    #[must_use]
    pub fn missing(&self) -> Option<InstrumentId> {
        self.rows.iter().position(Option::is_none).map(InstrumentId::new)
    }
}

pinion_core::text_enum! {
    /// Why a command cannot be sent. Nothing has left: the refusal is definitive.
    pub enum Unsendable {
        /// The venue does not list the instrument.
        NotListed => "not_listed",
        /// A limit order without a price above zero.
        NoPrice => "no_price",
        /// A quantity that is not above zero.
        NoQuantity => "no_quantity",
    }
}

/// The call that carries out a command.
///
/// # Errors
/// [`Unsendable`].
pub fn call_of<'a>(command: &Command, symbols: &'a Symbols) -> Result<Call<'a>, Unsendable> {
    let spelling = |id: InstrumentId| symbols.of(id).ok_or(Unsendable::NotListed);
    match *command {
        Command::Place {
            client,
            trade: _,
            instrument,
            side,
            position_side,
            role,
            kind,
            tif,
            reduce_only,
            qty,
            price,
        } => {
            let price = price.get();
            if !qty.is_positive() {
                return Err(Unsendable::NoQuantity);
            }
            if kind == OrderKind::Limit && !price.is_some_and(Price::is_positive) {
                return Err(Unsendable::NoPrice);
            }
            Ok(Call::Place(NewOrder {
                symbol: spelling(instrument)?,
                client,
                side,
                position_side,
                kind,
                tif,
                reduce_only: reduce_only || role == OrderRole::Exit,
                qty,
                price,
            }))
        }
        Command::Cancel { client, venue_id, instrument } => Ok(Call::Cancel {
            symbol: spelling(instrument)?,
            order: OrderRef::of(client, venue_id),
        }),
        Command::Query { client, venue_id, instrument } => {
            Ok(Call::Order { symbol: spelling(instrument)?, order: OrderRef::of(client, venue_id) })
        }
        Command::Probe { probe, revision: _ } => Ok(match probe {
            ProbeKind::Balance => Call::Balance,
            ProbeKind::Positions => Call::Positions,
            ProbeKind::OpenOrders => Call::OpenOrders { symbol: None },
        }),
    }
}

#[cfg(test)]
mod tests;
