//! Market topics: what a client may subscribe to, when each sends, and what.

use pinion_core::id::InstrumentId;
use pinion_core::units::{Money, Nanos, Price, Qty, Rate};
use serde_json::{Value, json};

use super::board::{Board, Ladder, Row, decimals};
use super::rows::ms;

/// Levels of the incremental book.
const BOOK_LEVELS: usize = 100;
const MS: i64 = Nanos::SECOND / 1_000;

/// What a topic carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    BookTicker,
    Depth { levels: usize, interval_ms: i64 },
    IncrDepth,
    Trade,
    Kline { minutes: i64 },
    Ticker,
    LastPrice,
    MarkPrice,
}

impl Kind {
    fn read(text: &str) -> Option<Self> {
        Some(match text {
            "bookTicker" => Self::BookTicker,
            "incrDepth" => Self::IncrDepth,
            "trade" => Self::Trade,
            "ticker" => Self::Ticker,
            "lastPrice" => Self::LastPrice,
            "markPrice" => Self::MarkPrice,
            other => {
                if let Some(length) = other.strip_prefix("kline_") {
                    return minutes(length).map(|minutes| Self::Kline { minutes });
                }
                let mut parts = other.strip_prefix("depth")?.split('@');
                let levels = parts.next()?.parse().ok()?;
                let interval = parts.next().unwrap_or("500ms").strip_suffix("ms")?;
                let known = [5, 10, 20, 50, 100].contains(&levels)
                    && ["100", "200", "500", "1000"].contains(&interval)
                    && parts.next().is_none();
                if !known {
                    return None;
                }
                Self::Depth { levels, interval_ms: interval.parse().ok()? }
            }
        })
    }

    /// Time between two frames; `None` for those that follow the market.
    const fn interval_ns(self, is_major: bool) -> i64 {
        match self {
            Self::BookTicker => 200 * MS,
            Self::Depth { interval_ms, .. } => interval_ms * MS,
            Self::IncrDepth => {
                if is_major {
                    200 * MS
                } else {
                    800 * MS
                }
            }
            Self::Ticker | Self::MarkPrice => 1_000 * MS,
            Self::Kline { .. } => 250 * MS,
            Self::Trade | Self::LastPrice => 50 * MS,
        }
    }
}

/// Minutes of a bar's length as the venue writes it.
pub(super) fn minutes(text: &str) -> Option<i64> {
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: i64 = count.parse().ok().filter(|count| (1..=30).contains(count))?;
    let of_unit = match unit {
        "m" => 1,
        "h" => 60,
        "d" => 1_440,
        "w" => 10_080,
        "M" => 43_200,
        _ => return None,
    };
    Some(count * of_unit)
}

/// A topic with at least one subscriber.
#[derive(Clone, Debug)]
pub(super) struct Topic {
    pub(super) name: String,
    pub(super) instrument: InstrumentId,
    pub(super) kind: Kind,
    due: Nanos,
    /// What was told last: an update id, the number of a trade, a price.
    told: u64,
    /// The incremental book as it was told last.
    book: Ladder,
    book_id: u64,
}

impl Topic {
    /// Reads `BTC-USDT@trade`; `None` for a topic that the venue does not have.
    pub(super) fn read(name: &str, board: &Board, now: Nanos) -> Option<Self> {
        let (symbol, kind) = name.split_once('@')?;
        let (instrument, kind) = (board.find(symbol)?, Kind::read(kind)?);
        let row = board.row(instrument);
        Some(Self {
            name: name.to_owned(),
            instrument,
            kind,
            due: now,
            told: row.prints.back().map_or(0, |print| print.number),
            book: row.ladder(BOOK_LEVELS),
            book_id: 1 + now.get().cast_unsigned() / 1_000_000_000,
        })
    }

    /// When it is worth asking again.
    pub(super) const fn due(&self) -> Nanos {
        self.due
    }

    /// A frame of this topic whether or not there is news: for bursts.
    pub(super) fn again(&mut self, board: &Board, now: Nanos, number: i64) -> Option<Value> {
        self.due = now;
        let row = board.row(self.instrument);
        match self.kind {
            Kind::BookTicker | Kind::Kline { .. } | Kind::LastPrice | Kind::Trade => {
                self.told = match self.kind {
                    Kind::Trade => row.prints.back()?.number - 1,
                    Kind::BookTicker | Kind::Kline { .. } | Kind::LastPrice => u64::MAX,
                    Kind::Depth { .. } | Kind::IncrDepth | Kind::Ticker | Kind::MarkPrice => 0,
                };
            }
            Kind::Depth { .. } | Kind::Ticker | Kind::MarkPrice => {}
            // Its update ids belong to the real one.
            Kind::IncrDepth => return None,
        }
        let mut frame = self.tick(board, now)?;
        if self.kind == Kind::BookTicker {
            frame["data"]["u"] =
                json!(row.update_id.saturating_mul(1_000).saturating_add(number.cast_unsigned()));
        }
        Some(frame)
    }

    /// What a new subscriber gets at once: the whole incremental book.
    pub(super) fn greeting(&self, now: Nanos) -> Option<Value> {
        if self.kind != Kind::IncrDepth {
            return None;
        }
        Some(self.frame(json!({
            "action": "all",
            "lastUpdateId": self.book_id,
            "time": ms(now),
            "bids": levels(&self.book.bids),
            "asks": levels(&self.book.asks),
        })))
    }

    /// The frame that is due, when there is something to tell.
    pub(super) fn tick(&mut self, board: &Board, now: Nanos) -> Option<Value> {
        if now < self.due {
            return None;
        }
        let row = board.row(self.instrument);
        let is_major = matches!(row.symbol.as_str(), "BTC-USDT" | "ETH-USDT");
        self.due = now.plus(self.kind.interval_ns(is_major));
        match self.kind {
            Kind::BookTicker => {
                let touch = row.touch.filter(|_| self.told != row.update_id)?;
                self.told = row.update_id;
                Some(self.frame(json!({
                    "e": "bookTicker", "u": row.update_id, "E": ms(now), "T": ms(row.touched_at),
                    "s": row.symbol, "b": text(touch.bid), "B": text(touch.bid_qty),
                    "a": text(touch.ask), "A": text(touch.ask_qty),
                })))
            }
            Kind::Depth { levels: depth, .. } => {
                let ladder = row.ladder(depth);
                let mut asks = ladder.asks;
                // The venue lists asks from far to near.
                asks.reverse();
                let data = json!({"bids": levels(&ladder.bids), "asks": levels(&asks)});
                Some(json!({"code": 0, "dataType": self.name, "ts": ms(now), "data": data}))
            }
            Kind::IncrDepth => self.book_update(row, now),
            Kind::Trade => self.trades(row),
            Kind::Kline { minutes } => {
                let bar = *row.bars_of(minutes, 1).last()?;
                let last = row.prints.back()?.number;
                if self.told == last {
                    return None;
                }
                self.told = last;
                let data = json!([{
                    "c": text(bar.close), "o": text(bar.open), "h": text(bar.high),
                    "l": text(bar.low), "v": text(bar.volume), "T": ms(bar.start),
                }]);
                Some(json!({"code": 0, "dataType": self.name, "s": row.symbol, "data": data}))
            }
            Kind::Ticker => Some(self.frame(ticker_event(row, now)?)),
            Kind::LastPrice => {
                let last = row.prints.back()?;
                if self.told == last.number {
                    return None;
                }
                self.told = last.number;
                Some(self.frame(json!({
                    "e": "lastPriceUpdate", "E": ms(now), "s": row.symbol, "c": text(last.price),
                })))
            }
            Kind::MarkPrice => Some(self.frame(json!({
                "e": "markPriceUpdate", "E": ms(now), "s": row.symbol, "p": text(row.fair()?),
            }))),
        }
    }

    fn frame(&self, data: Value) -> Value {
        json!({"code": 0, "dataType": self.name, "data": data})
    }

    fn trades(&mut self, row: &Row) -> Option<Value> {
        let fresh: Vec<Value> = row
            .prints
            .iter()
            .rev()
            .take_while(|print| print.number > self.told)
            .map(|print| {
                json!({
                    "q": text(print.qty), "p": text(print.price), "T": ms(print.at),
                    "m": print.is_sold, "s": row.symbol,
                })
            })
            .collect();
        self.told = row.prints.back()?.number;
        (!fresh.is_empty()).then(|| self.frame(Value::Array(fresh)))
    }

    fn book_update(&mut self, row: &Row, now: Nanos) -> Option<Value> {
        let fresh = row.ladder(BOOK_LEVELS);
        if fresh == self.book {
            return None;
        }
        self.book_id += 1;
        let data = json!({
            "action": "update",
            "lastUpdateId": self.book_id,
            "time": ms(now),
            "bids": levels(&difference(&self.book.bids, &fresh.bids)),
            "asks": levels(&difference(&self.book.asks, &fresh.asks)),
        });
        self.book = fresh;
        Some(self.frame(data))
    }
}

/// Levels that are new or changed, and those that are gone with quantity zero.
fn difference(old: &[(Price, Qty)], new: &[(Price, Qty)]) -> Vec<(Price, Qty)> {
    let gone = old.iter().filter(|(price, _)| !new.iter().any(|(other, _)| other == price));
    let changed = new.iter().filter(|level| !old.contains(level)).copied();
    changed.chain(gone.map(|(price, _)| (*price, Qty::ZERO))).collect()
}

pub(super) fn levels(levels: &[(Price, Qty)]) -> Value {
    levels.iter().map(|(price, qty)| json!([text(*price), text(*qty)])).collect()
}

fn text(value: impl ToString) -> Value {
    Value::String(value.to_string())
}

/// The day's figures as the stream tells them.
fn ticker_event(row: &Row, now: Nanos) -> Option<Value> {
    let day = Day::of(row)?;
    let touch = row.touch?;
    Some(json!({
        "e": "24hTicker", "E": ms(now), "s": row.symbol, "p": text(day.change),
        "P": text(day.percent), "c": text(day.last), "L": text(day.last_qty),
        "h": text(day.high), "l": text(day.low), "v": text(row.volume), "q": text(row.turnover),
        "o": text(day.open), "O": ms(day.since), "C": ms(now),
        "A": text(touch.ask), "a": text(touch.ask_qty),
        "B": text(touch.bid), "b": text(touch.bid_qty),
    }))
}

/// The day's figures as a call tells them.
pub(super) fn ticker_row(row: &Row, now: Nanos) -> Option<Value> {
    let day = Day::of(row)?;
    let touch = row.touch?;
    Some(json!({
        "symbol": row.symbol, "priceChange": text(day.change),
        "priceChangePercent": text(day.percent), "lastPrice": text(day.last),
        "lastQty": text(day.last_qty), "highPrice": text(day.high), "lowPrice": text(day.low),
        "volume": text(row.volume), "quoteVolume": text(row.turnover),
        "openPrice": text(day.open), "openTime": ms(day.since), "closeTime": ms(now),
        "askPrice": text(touch.ask), "askQty": text(touch.ask_qty),
        "bidPrice": text(touch.bid), "bidQty": text(touch.bid_qty),
    }))
}

struct Day {
    open: Price,
    since: Nanos,
    high: Price,
    low: Price,
    last: Price,
    last_qty: Qty,
    change: Price,
    /// In percent.
    percent: Rate,
}

impl Day {
    fn of(row: &Row) -> Option<Self> {
        let (open, since) = row.open?;
        let (last, last_qty) = row.last?;
        let change = last - open;
        let percent = Money::from_raw(change.raw().saturating_mul(100))
            .per(Qty::from_raw(open.raw()))
            .map_or(Rate::ZERO, |percent| Rate::from_raw(percent.raw() / 10_000 * 10_000));
        Some(Self { open, since, high: row.high?, low: row.low?, last, last_qty, change, percent })
    }
}

/// A contract's row.
pub(super) fn contract(
    board: &Board,
    id: InstrumentId,
    row: &pinion_core::instrument::Instrument,
    fees: (Rate, Rate),
) -> Value {
    let symbol = &board.row(id).symbol;
    let asset = symbol.split('-').next().unwrap_or(symbol);
    let open = if row.tradable { "true" } else { "false" };
    json!({
        "contractId": text(100 + id.index()),
        "symbol": symbol,
        "displayName": symbol,
        "size": text(row.lot),
        "quantityPrecision": decimals(row.lot.raw()),
        "pricePrecision": decimals(row.tick.raw()),
        "feeRate": text(fees.0),
        "takerFeeRate": text(fees.0),
        "makerFeeRate": text(fees.1),
        "tradeMinLimit": 0,
        "tradeMinQuantity": text(row.lot),
        "tradeMinUSDT": text(row.min_notional),
        "maxLongLeverage": super::desk::LEVERAGE_MAX,
        "maxShortLeverage": super::desk::LEVERAGE_MAX,
        "currency": super::rows::ASSET,
        "asset": asset,
        "status": if row.tradable { 1 } else { 0 },
        "apiStateOpen": open,
        "apiStateClose": open,
        "brokerState": "true",
        "ensureTrigger": true,
        "triggerFeeRate": "0",
        "launchTime": 0,
        "maintainTime": 0,
        "offTime": 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_venues_topics_are_read_and_others_are_not() {
        assert_eq!(Kind::read("depth20@200ms"), Some(Kind::Depth { levels: 20, interval_ms: 200 }));
        assert_eq!(Kind::read("depth5"), Some(Kind::Depth { levels: 5, interval_ms: 500 }));
        assert_eq!(Kind::read("kline_1h"), Some(Kind::Kline { minutes: 60 }));
        for wrong in ["depth7@200ms", "depth5@1ms", "kline_1x", "kline_", "moon", ""] {
            assert_eq!(Kind::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_difference_applied_to_the_old_book_gives_the_new_one() {
        let level = |price, qty| (Price::from_whole(price), Qty::from_whole(qty));
        let old = [level(5, 1), level(4, 2), level(3, 3)];
        let new = [level(6, 1), level(4, 7), level(3, 3)];
        let found = difference(&old, &new);
        assert_eq!(found, [level(6, 1), level(4, 7), level(5, 0)]);
    }
}
