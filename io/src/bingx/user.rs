//! Frames of the account socket.

use pinion_core::id::{ClientId, TextId};
use pinion_core::msg::{ClientRef, Side};
use pinion_core::units::{Money, Nanos, Price, Qty};

use super::fault::{Fault, FaultKind};
use super::json::Value;
use super::oddities::{Oddities, Oddity};
use super::value::required;
use super::words::{self, Execution, OrderState, OrderType, Reason, WireSide};

/// A frame of the account socket.
#[derive(Clone, Copy, Debug)]
pub enum Account<'a> {
    /// `ORDER_TRADE_UPDATE`, or `TRADE_UPDATE` with the same content.
    Order(OrderUpdate<'a>),
    /// `ACCOUNT_UPDATE`.
    Update(AccountUpdate<'a>),
    /// `ACCOUNT_CONFIG_UPDATE`, pushed every few seconds.
    Config(ConfigUpdate<'a>),
    /// `listenKeyExpired`: nothing more comes on this socket, even if it stays open.
    KeyExpired {
        /// The key, where told.
        key: &'a str,
    },
    /// An event that is not known; counted.
    Unknown,
}

/// An order event. Absent, empty and meaningless values are `None`; zeros that mean something stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderUpdate<'a> {
    /// Name of the event.
    pub event: &'a str,
    /// When the venue sent it (`E`).
    pub sent_ns: Option<Nanos>,
    /// When the order changed (`T` of the envelope): older ones of the same order are late.
    pub updated_ns: Option<Nanos>,
    /// Symbol, as the venue spells it.
    pub symbol: &'a str,
    /// Client order id; mostly empty even when one was sent.
    pub client_id: &'a str,
    /// The venue's identity.
    pub order_id: TextId,
    /// Side; `None` for a word that is not known.
    pub side: Option<Side>,
    /// Position side; `None` when absent or not known.
    pub position_side: Option<WireSide>,
    /// Type; `None` for a word that is not known.
    pub kind: Option<OrderType>,
    /// Ordered quantity; 0 on some market orders.
    pub qty: Option<Qty>,
    /// Order price; never the price of a fill.
    pub price: Option<Price>,
    /// Average price of all fills so far.
    pub avg_price: Option<Price>,
    /// What happened; `None` for a word that is not known.
    pub execution: Option<Execution>,
    /// State after it; `None` for a word that is not known.
    pub state: Option<OrderState>,
    /// Filled so far, as told: 0 on some filled orders.
    pub cum_qty: Option<Qty>,
    /// Quantity of this fill, where told.
    pub last_qty: Option<Qty>,
    /// Price of this fill, where told.
    pub last_price: Option<Price>,
    /// Signed: negative was paid.
    pub commission: Option<Money>,
    /// Asset of the commission.
    pub commission_asset: &'a str,
    /// Result that this event realised.
    pub realised: Option<Money>,
    /// When it traded.
    pub traded_ns: Option<Nanos>,
    /// The fill's identity; empty when the venue gave none.
    pub trade_id: TextId,
    /// True for maker, where told.
    pub is_maker: Option<bool>,
}

impl OrderUpdate<'_> {
    /// What is really filled: a filled order that tells no total has its whole quantity.
    #[must_use]
    pub fn filled(&self) -> Qty {
        let told = self.cum_qty.unwrap_or(Qty::ZERO);
        if told.is_zero() && self.state == Some(OrderState::Filled) {
            self.qty.unwrap_or(Qty::ZERO)
        } else {
            told
        }
    }

    /// Whose order by its client id alone.
    #[must_use]
    pub fn client(&self) -> ClientRef {
        client_ref(self.client_id)
    }
}

/// Whose order a client id says: ours by form, somebody else's, or nobody's when it is empty.
#[must_use]
pub fn client_ref(text: &str) -> ClientRef {
    match ClientId::parse(text) {
        Some(client) => ClientRef::Own(client),
        None if text.is_empty() => ClientRef::Absent,
        None => ClientRef::Foreign,
    }
}

/// A change of balances and positions.
#[derive(Clone, Copy, Debug)]
pub struct AccountUpdate<'a> {
    /// When the venue sent it.
    pub sent_ns: Option<Nanos>,
    /// Why; `None` for a word that is not known.
    pub reason: Option<Reason>,
    /// The venue's word for why.
    pub reason_text: &'a str,
    balances: Option<Value<'a>>,
    positions: Option<Value<'a>>,
}

/// One balance of an [`AccountUpdate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceChange<'a> {
    /// Asset.
    pub asset: &'a str,
    /// Wallet balance.
    pub wallet: Option<Money>,
    /// Wallet without what isolated positions hold.
    pub cross_wallet: Option<Money>,
    /// What changed other than by trading.
    pub change: Option<Money>,
}

/// One position of an [`AccountUpdate`]. The quantity is positive for a short too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionChange<'a> {
    /// Symbol.
    pub symbol: &'a str,
    /// Direction; `None` for a word that is not known.
    pub side: Option<WireSide>,
    /// Quantity.
    pub qty: Option<Qty>,
    /// Average entry price.
    pub entry_price: Option<Price>,
    /// Result that is not realised.
    pub unrealised: Option<Money>,
    /// `cross` or `isolated`.
    pub margin_mode: &'a str,
    /// Margin of the position.
    pub isolated_wallet: Option<Money>,
    /// Result realised so far, with fees.
    pub realised: Option<Money>,
}

impl<'a> AccountUpdate<'a> {
    /// Balances; the fields were checked when the frame was read.
    pub fn balances(&self) -> impl Iterator<Item = BalanceChange<'a>> + use<'a> {
        self.balances.into_iter().flat_map(|list| list.items()).flat_map(|row| balance(&row))
    }

    /// Positions; the fields were checked when the frame was read.
    pub fn positions(&self) -> impl Iterator<Item = PositionChange<'a>> + use<'a> {
        self.positions.into_iter().flat_map(|list| list.items()).flat_map(|row| position(&row))
    }
}

/// Leverage and margin mode of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigUpdate<'a> {
    /// Symbol.
    pub symbol: &'a str,
    /// Leverage of longs.
    pub long_leverage: Option<u64>,
    /// Leverage of shorts.
    pub short_leverage: Option<u64>,
    /// `cross` or `isolated`.
    pub margin_mode: &'a str,
}

/// Reads a frame with this event name.
pub(super) fn read<'a>(
    event: &'a str,
    root: &Value<'a>,
    oddities: &mut Oddities,
) -> Result<Account<'a>, Fault> {
    let sent_ns = root.get("E").map_or(Ok(None), |time| time.time("E"))?;
    match event {
        "ORDER_TRADE_UPDATE" | "TRADE_UPDATE" => {
            let updated_ns = root.get("T").map_or(Ok(None), |time| time.time("T"))?;
            let object = object(root, "o")?;
            order(event, sent_ns, updated_ns, &object, oddities).map(Account::Order)
        }
        "ACCOUNT_UPDATE" => account(sent_ns, &object(root, "a")?, oddities).map(Account::Update),
        "ACCOUNT_CONFIG_UPDATE" => config(&object(root, "ac")?, oddities).map(Account::Config),
        "listenKeyExpired" => {
            let key = root.get("listenKey").map_or(Ok(""), |key| key.text("listenKey"))?;
            Ok(Account::KeyExpired { key })
        }
        other => {
            oddities.note(Oddity::Event, other);
            Ok(Account::Unknown)
        }
    }
}

fn object<'a>(root: &Value<'a>, field: &'static str) -> Result<Value<'a>, Fault> {
    let object = required(root.get(field), field)?;
    if object.is_object() {
        Ok(object)
    } else {
        Err(Fault::new(FaultKind::Wrong, field, "an object", object.place()))
    }
}

fn order<'a>(
    event: &'a str,
    sent_ns: Option<Nanos>,
    updated_ns: Option<Nanos>,
    object: &Value<'a>,
    oddities: &mut Oddities,
) -> Result<OrderUpdate<'a>, Fault> {
    let mut update = OrderUpdate { event, sent_ns, updated_ns, ..EMPTY };
    let mut known = |what, text: &str, found: bool| {
        if !found && !text.is_empty() {
            oddities.note(what, text);
        }
    };
    for (key, value) in object.members() {
        match key {
            "s" => update.symbol = value.text("s")?,
            "c" => update.client_id = value.text("c")?,
            "i" => update.order_id = value.id("i")?,
            "S" => {
                let text = value.text("S")?;
                update.side = words::side(text);
                known(Oddity::Side, text, update.side.is_some());
            }
            "o" => {
                let text = value.text("o")?;
                update.kind = OrderType::read(text);
                known(Oddity::OrderType, text, update.kind.is_some());
            }
            "q" => update.qty = value.qty("q")?,
            "p" => update.price = value.price("p")?.filter(|price| !price.is_zero()),
            "ap" => update.avg_price = value.mean_price("ap")?.filter(|price| !price.is_zero()),
            "x" => {
                let text = value.text("x")?;
                update.execution = Execution::read(text);
                known(Oddity::Execution, text, update.execution.is_some());
            }
            "X" => {
                let text = value.text("X")?;
                update.state = OrderState::read(text);
                known(Oddity::OrderState, text, update.state.is_some());
            }
            "z" => update.cum_qty = value.qty("z")?,
            "l" => update.last_qty = value.qty("l")?,
            "L" => update.last_price = value.price("L")?,
            "n" => update.commission = value.money("n")?,
            "N" => update.commission_asset = value.text("N")?,
            "rp" => update.realised = value.money("rp")?,
            "T" => update.traded_ns = value.time("T")?,
            "ps" => {
                let text = value.text("ps")?;
                update.position_side = WireSide::read(text);
                known(Oddity::Side, text, update.position_side.is_some());
            }
            // Two names of one thing; the recorded one is `td`.
            "t" | "td" => {
                let id = value.id("td")?;
                if !id.is_empty() {
                    update.trade_id = id;
                }
            }
            "m" => update.is_maker = value.flag("m")?,
            // Trigger price and its kind, guaranteed stop, triggering order, reduce-only, value.
            "sp" | "wt" | "sg" | "ti" | "ro" | "tv" => {}
            other => known(Oddity::OrderField, other, false),
        }
    }
    if update.symbol.is_empty() {
        return Err(Fault::missing("s"));
    }
    if update.order_id.is_empty() {
        return Err(Fault::missing("i"));
    }
    Ok(update)
}

/// An event that says nothing yet.
pub(super) const EMPTY: OrderUpdate<'static> = OrderUpdate {
    event: "",
    sent_ns: None,
    updated_ns: None,
    symbol: "",
    client_id: "",
    order_id: TextId::EMPTY,
    side: None,
    position_side: None,
    kind: None,
    qty: None,
    price: None,
    avg_price: None,
    execution: None,
    state: None,
    cum_qty: None,
    last_qty: None,
    last_price: None,
    commission: None,
    commission_asset: "",
    realised: None,
    traded_ns: None,
    trade_id: TextId::EMPTY,
    is_maker: None,
};

fn account<'a>(
    sent_ns: Option<Nanos>,
    object: &Value<'a>,
    oddities: &mut Oddities,
) -> Result<AccountUpdate<'a>, Fault> {
    let reason_text = object.get("m").map_or(Ok(""), |reason| reason.text("m"))?;
    let reason = Reason::read(reason_text);
    if reason.is_none() {
        oddities.note(Oddity::Reason, reason_text);
    }
    let balances = list(object, "B")?;
    let positions = list(object, "P")?;
    for row in balances.into_iter().flat_map(|list| list.items()) {
        balance(&row)?;
    }
    for row in positions.into_iter().flat_map(|list| list.items()) {
        let position = position(&row)?;
        if position.side.is_none() {
            oddities.note(Oddity::Side, position.symbol);
        }
    }
    Ok(AccountUpdate { sent_ns, reason, reason_text, balances, positions })
}

/// A list that may be missing, null or empty.
fn list<'a>(object: &Value<'a>, field: &'static str) -> Result<Option<Value<'a>>, Fault> {
    match object.get(field).filter(|list| !list.is_null()) {
        Some(list) if list.is_list() => Ok(Some(list)),
        Some(other) => Err(Fault::new(FaultKind::Wrong, field, "a list", other.place())),
        None => Ok(None),
    }
}

fn balance<'a>(row: &Value<'a>) -> Result<BalanceChange<'a>, Fault> {
    let money = |field: &'static str| row.get(field).map_or(Ok(None), |value| value.money(field));
    Ok(BalanceChange {
        asset: required(row.get("a"), "a")?.text("a")?,
        wallet: money("wb")?,
        cross_wallet: money("cw")?,
        change: money("bc")?,
    })
}

fn position<'a>(row: &Value<'a>) -> Result<PositionChange<'a>, Fault> {
    let money = |field: &'static str| row.get(field).map_or(Ok(None), |value| value.money(field));
    let text = |field: &'static str| row.get(field).map_or(Ok(""), |value| value.text(field));
    Ok(PositionChange {
        symbol: required(row.get("s"), "s")?.text("s")?,
        side: WireSide::read(text("ps")?),
        qty: row.get("pa").map_or(Ok(None), |value| value.qty("pa"))?,
        entry_price: row.get("ep").map_or(Ok(None), |value| value.mean_price("ep"))?,
        unrealised: money("up")?,
        margin_mode: text("mt")?,
        isolated_wallet: money("iw")?,
        realised: money("cr")?,
    })
}

fn config<'a>(object: &Value<'a>, oddities: &mut Oddities) -> Result<ConfigUpdate<'a>, Fault> {
    let whole =
        |field: &'static str| object.get(field).map_or(Ok(None), |value| value.whole(field));
    let margin_mode = object.get("mt").map_or(Ok(""), |mode| mode.text("mt"))?;
    if !["cross", "isolated", ""].contains(&margin_mode) {
        oddities.note(Oddity::MarginMode, margin_mode);
    }
    Ok(ConfigUpdate {
        symbol: required(object.get("s"), "s")?.text("s")?,
        long_leverage: whole("l")?,
        short_leverage: whole("S")?,
        margin_mode,
    })
}
