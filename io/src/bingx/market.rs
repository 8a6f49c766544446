//! Frames of the market socket.

use pinion_core::book::Level;
use pinion_core::id::InstrumentId;
use pinion_core::msg::{MarketBody, MarketMsg, Side};
use pinion_core::units::{Nanos, Price, Qty};

use super::fault::{Fault, FaultKind};
use super::json::Value;
use super::value::required;

/// Levels, prints and bars of the last frame. Owner: the decoder, which reuses it.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    levels: Levels,
    trades: Vec<Trade>,
    bars: Vec<Bar>,
}

impl Scratch {
    /// The levels, to fill.
    pub(super) const fn levels_mut(&mut self) -> &mut Levels {
        &mut self.levels
    }
}

/// Levels of a depth frame, in the order of the frame: asks come from far to near.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// Bids.
    pub bids: Vec<Level>,
    /// Asks.
    pub asks: Vec<Level>,
}

impl Levels {
    /// The highest bid, wherever it stands.
    #[must_use]
    pub fn best_bid(&self) -> Option<Level> {
        self.bids.iter().copied().max_by_key(|level| level.price)
    }

    /// The lowest ask, wherever it stands.
    #[must_use]
    pub fn best_ask(&self) -> Option<Level> {
        self.asks.iter().copied().min_by_key(|level| level.price)
    }
}

/// A print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// Price.
    pub price: Price,
    /// Quantity, in base units.
    pub qty: Qty,
    /// The aggressor.
    pub taker: Side,
    /// When it happened.
    pub traded_ns: Option<Nanos>,
}

/// A bar that may still be running: it is closed when the next one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// When it began.
    pub open_ns: Option<Nanos>,
    /// First price.
    pub open: Price,
    /// Highest price.
    pub high: Price,
    /// Lowest price.
    pub low: Price,
    /// Last price.
    pub close: Price,
    /// Volume, in base units.
    pub volume: Qty,
}

/// A market frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Market<'a> {
    /// As the venue spells it, from the topic.
    pub symbol: &'a str,
    /// The venue's time, where told.
    pub exchange_ns: Option<Nanos>,
    /// What it says.
    pub body: Body<'a>,
}

/// What a market frame says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Body<'a> {
    /// `bookTicker`.
    BookTicker(BookTicker),
    /// `depth…`: the whole top of the book.
    Depth(&'a Levels),
    /// `incrDepth`.
    IncrDepth {
        /// True for a snapshot, false for changes (zero removes a level).
        all: bool,
        /// Its number; a change must carry the next one.
        last_update_id: u64,
        /// Levels.
        levels: &'a Levels,
    },
    /// `trade`: prints, oldest first.
    Trades(&'a [Trade]),
    /// `markPrice`.
    Mark(Price),
    /// `lastPrice`: price of the last print.
    Last(Price),
    /// `kline…`.
    Bars(&'a [Bar]),
    /// `ticker`: 24 h figures, not used.
    Ticker,
}

/// Best bid and ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookTicker {
    /// Update id, where told.
    pub update_id: Option<u64>,
    /// Best bid.
    pub bid: Level,
    /// Best ask.
    pub ask: Level,
    /// When the venue sent it (`E`).
    pub sent_ns: Option<Nanos>,
}

/// Reads a frame of this topic; `None` for a topic that is not known.
pub(super) fn read<'a>(
    topic: &'a str,
    root: &Value<'a>,
    scratch: &'a mut Scratch,
) -> Result<Option<Market<'a>>, Fault> {
    let Some((symbol, stream)) = topic.split_once('@') else { return Ok(None) };
    let data = root.get("data").ok_or(Fault::missing("data"))?;
    let name = stream.split(['@', '_']).next().unwrap_or_default();
    let depth = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_digit());
    let (exchange_ns, body) = match name {
        "bookTicker" => book_ticker(&data)?,
        "incrDepth" => incr_depth(&data, &mut scratch.levels)?,
        "trade" => {
            trades(&data, symbol, &mut scratch.trades)?;
            (scratch.trades.last().and_then(|trade| trade.traded_ns), Body::Trades(&scratch.trades))
        }
        "markPrice" => price_of(&data, "p", Body::Mark)?,
        "lastPrice" => price_of(&data, "c", Body::Last)?,
        "kline" => {
            bars(&data, &mut scratch.bars)?;
            (None, Body::Bars(&scratch.bars))
        }
        "ticker" => (time(&data, "E")?, Body::Ticker),
        name if name.strip_prefix("depth").is_some_and(depth) => {
            levels(&data, &mut scratch.levels)?;
            (time(root, "ts")?, Body::Depth(&scratch.levels))
        }
        _ => return Ok(None),
    };
    same_symbol(&data, symbol)?;
    Ok(Some(Market { symbol, exchange_ns, body }))
}

/// Where the data names its symbol too, it must be that of the topic.
fn same_symbol(of: &Value<'_>, symbol: &str) -> Result<(), Fault> {
    let Some(named) = of.get("s") else { return Ok(()) };
    if named.text("s")? == symbol {
        Ok(())
    } else {
        Err(Fault::new(FaultKind::Wrong, "s", "the symbol of the topic", named.place()))
    }
}

fn time(of: &Value<'_>, field: &'static str) -> Result<Option<Nanos>, Fault> {
    of.get(field).map_or(Ok(None), |value| value.time(field))
}

fn price(of: &Value<'_>, field: &'static str) -> Result<Price, Fault> {
    required(required(of.get(field), field)?.price(field)?, field)
}

fn qty(of: &Value<'_>, field: &'static str) -> Result<Qty, Fault> {
    required(required(of.get(field), field)?.qty(field)?, field)
}

fn book_ticker<'a>(data: &Value<'_>) -> Result<(Option<Nanos>, Body<'a>), Fault> {
    let sent_ns = time(data, "E")?;
    let ticker = BookTicker {
        update_id: data.get("u").map_or(Ok(None), |id| id.whole("u"))?,
        bid: Level { price: price(data, "b")?, qty: qty(data, "B")? },
        ask: Level { price: price(data, "a")?, qty: qty(data, "A")? },
        sent_ns,
    };
    Ok((time(data, "T")?.or(sent_ns), Body::BookTicker(ticker)))
}

fn price_of<'a>(
    data: &Value<'_>,
    field: &'static str,
    body: fn(Price) -> Body<'a>,
) -> Result<(Option<Nanos>, Body<'a>), Fault> {
    Ok((time(data, "E")?, body(price(data, field)?)))
}

fn incr_depth<'a>(
    data: &Value<'_>,
    scratch: &'a mut Levels,
) -> Result<(Option<Nanos>, Body<'a>), Fault> {
    let action = required(data.get("action"), "action")?;
    let all = match action.text("action")? {
        "all" => true,
        "update" => false,
        _ => {
            let expected = "all or update";
            return Err(Fault::new(FaultKind::Wrong, "action", expected, action.place()));
        }
    };
    let id = required(data.get("lastUpdateId"), "lastUpdateId")?.whole("lastUpdateId")?;
    levels(data, scratch)?;
    let body =
        Body::IncrDepth { all, last_update_id: required(id, "lastUpdateId")?, levels: scratch };
    Ok((time(data, "time")?, body))
}

fn levels(data: &Value<'_>, out: &mut Levels) -> Result<(), Fault> {
    side_of(data, "bids", &mut out.bids)?;
    side_of(data, "asks", &mut out.asks)
}

/// Levels of one side; an absent list and null are empty.
pub(super) fn side_of(
    data: &Value<'_>,
    field: &'static str,
    out: &mut Vec<Level>,
) -> Result<(), Fault> {
    out.clear();
    let Some(list) = data.get(field).filter(|list| !list.is_null()) else { return Ok(()) };
    let wrong = |at| Fault::new(FaultKind::Wrong, field, "a list of [price, quantity]", at);
    if !list.is_list() {
        return Err(wrong(list.place()));
    }
    for row in list.items() {
        let mut cells = row.items();
        let (Some(price), Some(qty), None) = (cells.next(), cells.next(), cells.next()) else {
            return Err(wrong(row.place()));
        };
        out.push(Level {
            price: required(price.price(field)?, field)?,
            qty: required(qty.qty(field)?, field)?,
        });
    }
    Ok(())
}

fn trades(data: &Value<'_>, symbol: &str, out: &mut Vec<Trade>) -> Result<(), Fault> {
    out.clear();
    for row in rows(data)? {
        same_symbol(&row, symbol)?;
        let buyer_is_maker = required(required(row.get("m"), "m")?.flag("m")?, "m")?;
        out.push(Trade {
            price: price(&row, "p")?,
            qty: qty(&row, "q")?,
            taker: if buyer_is_maker { Side::Sell } else { Side::Buy },
            traded_ns: time(&row, "T")?,
        });
    }
    // The venue lists the newest first; sorting a long list would allocate.
    out.reverse();
    if !out.is_sorted_by_key(|trade| trade.traded_ns) {
        out.sort_by_key(|trade| trade.traded_ns);
    }
    Ok(())
}

fn bars(data: &Value<'_>, out: &mut Vec<Bar>) -> Result<(), Fault> {
    out.clear();
    for row in rows(data)? {
        out.push(Bar {
            open_ns: time(&row, "T")?,
            open: price(&row, "o")?,
            high: price(&row, "h")?,
            low: price(&row, "l")?,
            close: price(&row, "c")?,
            volume: qty(&row, "v")?,
        });
    }
    Ok(())
}

fn rows<'a>(data: &Value<'a>) -> Result<impl Iterator<Item = Value<'a>> + use<'a>, Fault> {
    if data.is_list() {
        Ok(data.items())
    } else {
        Err(Fault::new(FaultKind::Wrong, "data", "a list", data.place()))
    }
}

impl Market<'_> {
    /// The engine's messages of this frame, oldest first. `incrDepth` gives none here: whether its levels
    /// may be used is for [`DepthGuard`](super::DepthGuard) to say, and [`levels_of`] makes them.
    pub fn messages(
        &self,
        instrument: InstrumentId,
        recv_ns: Nanos,
        emit: &mut impl FnMut(MarketMsg),
    ) {
        let mut send = |at: Option<Nanos>, body| {
            emit(MarketMsg::from_body(instrument, recv_ns, at, body));
        };
        match self.body {
            Body::BookTicker(BookTicker { bid, ask, .. }) => send(
                self.exchange_ns,
                MarketBody::Quote {
                    bid: bid.price,
                    ask: ask.price,
                    bid_qty: Some(bid.qty),
                    ask_qty: Some(ask.qty),
                },
            ),
            Body::Depth(levels) => {
                send(self.exchange_ns, MarketBody::Reset);
                levels_of(levels, |body| send(self.exchange_ns, body));
            }
            Body::Trades(trades) => {
                for trade in trades {
                    send(
                        trade.traded_ns,
                        MarketBody::Trade {
                            price: trade.price,
                            qty: trade.qty,
                            taker: Some(trade.taker),
                            trade_id: 0,
                            merged: 0,
                        },
                    );
                }
            }
            Body::Mark(mark) => send(
                self.exchange_ns,
                MarketBody::Mark {
                    mark: Some(mark),
                    index: None,
                    funding_rate: None,
                    next_funding_ns: None,
                },
            ),
            // A last price has no quantity, a bar may still be running, a ticker is not used.
            Body::IncrDepth { .. } | Body::Last(_) | Body::Bars(_) | Body::Ticker => {}
        }
    }
}

/// One message for each level; the last one says that the book is consistent after it.
pub fn levels_of(levels: &Levels, mut send: impl FnMut(MarketBody)) {
    let count = levels.bids.len() + levels.asks.len();
    let sides = [(Side::Buy, &levels.bids), (Side::Sell, &levels.asks)];
    let rows = sides.iter().flat_map(|(side, rows)| rows.iter().map(move |row| (*side, row)));
    for (index, (side, Level { price, qty })) in rows.enumerate() {
        send(MarketBody::Level { side, price: *price, qty: *qty, last: index + 1 == count });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bingx::frame::{Decoder, Frame};

    fn messages(text: &str) -> Vec<MarketBody> {
        let mut decoder = Decoder::new();
        let frame = decoder.decode(text.as_bytes()).expect("decodes");
        let Frame::Market(market) = frame else { panic!("{frame:?}") };
        let mut out = Vec::new();
        market.messages(InstrumentId::new(0), Nanos::new(9), &mut |msg| out.push(msg.body()));
        out
    }

    #[test]
    fn a_quote_keeps_every_digit() {
        let text = r#"{"code":0,"dataType":"PEPE-USDT@bookTicker","data":{"e":"bookTicker","u":"7","E":1,"T":2,
            "s":"PEPE-USDT","b":9.854e-6,"B":"483909000","a":"0.00000986","A":""}}"#;
        let mut decoder = Decoder::new();
        let fault = decoder.decode(text.as_bytes()).expect_err("nine decimals, no quantity");
        assert_eq!((fault.kind, fault.field), (FaultKind::OutOfRange, "b"));
        let text = text.replace("9.854e-6", "9.85e-6").replace("\"A\":\"\"", "\"A\":\"1\"");
        let [MarketBody::Quote { bid, ask, bid_qty, .. }] = messages(&text)[..] else {
            panic!("one quote")
        };
        assert_eq!((bid.raw(), ask.raw()), (985, 986));
        assert_eq!(bid_qty, Some(Qty::from_whole(483_909_000)));
    }

    #[test]
    fn prints_come_oldest_first_and_levels_end_with_the_last() {
        let text = r#"{"code":0,"dataType":"A-USDT@trade","data":[
            {"q":"1","p":"3","T":30,"m":true,"s":"A-USDT"},{"q":"2","p":"2","T":20,"m":false,"s":"A-USDT"},
            {"q":"3","p":"1","T":20,"m":false,"s":"A-USDT"}]}"#;
        let prices: Vec<i64> = messages(text)
            .iter()
            .map(|body| match body {
                MarketBody::Trade { price, .. } => price.raw() / 100_000_000,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(prices, [1, 2, 3]);
        let text = r#"{"code":0,"dataType":"A-USDT@depth5@500ms","ts":7,
            "data":{"bids":[["1","1"]],"asks":[["3","1"],["2","1"]]}}"#;
        let out = messages(text);
        assert_eq!(out[0], MarketBody::Reset);
        let last: Vec<bool> = out[1..]
            .iter()
            .map(|body| matches!(body, MarketBody::Level { last: true, .. }))
            .collect();
        assert_eq!(last, [false, false, true]);
    }

    #[test]
    fn a_symbol_other_than_the_topics_is_refused() {
        let text = r#"{"code":0,"dataType":"A-USDT@markPrice","data":{"e":"x","E":1,"s":"B-USDT","p":"1"}}"#;
        // The frame has an event inside its data, not beside it: it is market data.
        let fault = Decoder::new().decode(text.as_bytes()).map(|_| ()).expect_err("another symbol");
        assert_eq!(fault.field, "s");
    }
}
