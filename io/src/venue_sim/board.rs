//! What the public sees of the market: quotes, book, trades, bars and the day's figures.

use std::collections::{BTreeMap, VecDeque};

use pinion_core::id::InstrumentId;
use pinion_core::instrument::InstrumentTable;
use pinion_core::msg::{MarketBody, MarketMsg, Side};
use pinion_core::units::{Money, Nanos, Price, Qty, Rate};

/// Trades and bars kept of each instrument.
const KEPT: usize = 1_000;
/// Levels of a side that are made from a quote where the data has no book: those that the venue's model
/// fills from.
const LADDER: i64 = 16;
const MINUTE_NS: i64 = 60 * Nanos::SECOND;

/// Best bid and ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Touch {
    pub(super) bid: Price,
    pub(super) ask: Price,
    pub(super) bid_qty: Qty,
    pub(super) ask_qty: Qty,
}

/// A trade in the market.
#[derive(Clone, Copy, Debug)]
pub(super) struct Print {
    /// Counts from 1.
    pub(super) number: u64,
    pub(super) at: Nanos,
    pub(super) price: Price,
    pub(super) qty: Qty,
    /// The one who took sold.
    pub(super) is_sold: bool,
}

/// One minute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bar {
    pub(super) start: Nanos,
    pub(super) open: Price,
    pub(super) high: Price,
    pub(super) low: Price,
    pub(super) close: Price,
    pub(super) volume: Qty,
}

/// A book side by side: best level first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ladder {
    pub(super) bids: Vec<(Price, Qty)>,
    pub(super) asks: Vec<(Price, Qty)>,
}

/// What is known of one instrument.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) symbol: String,
    pub(super) tick: Price,
    pub(super) touch: Option<Touch>,
    /// Counts changes of the touch.
    pub(super) update_id: u64,
    pub(super) touched_at: Nanos,
    bids: BTreeMap<Price, Qty>,
    asks: BTreeMap<Price, Qty>,
    pub(super) prints: VecDeque<Print>,
    printed: u64,
    pub(super) last: Option<(Price, Qty)>,
    pub(super) mark: Option<Price>,
    pub(super) index: Option<Price>,
    pub(super) funding_rate: Option<Rate>,
    pub(super) next_funding: Option<Nanos>,
    /// Price of the first trade, and when: the day's figures count from there.
    pub(super) open: Option<(Price, Nanos)>,
    pub(super) high: Option<Price>,
    pub(super) low: Option<Price>,
    pub(super) volume: Qty,
    pub(super) turnover: Money,
    pub(super) bars: VecDeque<Bar>,
}

impl Row {
    const fn new(symbol: String, tick: Price) -> Self {
        Self {
            symbol,
            tick,
            touch: None,
            update_id: 0,
            touched_at: Nanos::ZERO,
            bids: BTreeMap::new(),
            asks: BTreeMap::new(),
            prints: VecDeque::new(),
            printed: 0,
            last: None,
            mark: None,
            index: None,
            funding_rate: None,
            next_funding: None,
            open: None,
            high: None,
            low: None,
            volume: Qty::ZERO,
            turnover: Money::ZERO,
            bars: VecDeque::new(),
        }
    }

    fn apply(&mut self, msg: &MarketMsg) {
        match msg.body() {
            MarketBody::Quote { bid, ask, bid_qty, ask_qty } => {
                let unknown = Qty::ZERO;
                let touch = Touch {
                    bid,
                    ask,
                    bid_qty: bid_qty.unwrap_or(unknown),
                    ask_qty: ask_qty.unwrap_or(unknown),
                };
                if self.touch != Some(touch) {
                    self.touch = Some(touch);
                    self.update_id += 1;
                    self.touched_at = msg.ts_recv_ns;
                }
            }
            MarketBody::Trade { price, qty, taker, .. } => {
                self.print(msg.ts_recv_ns, price, qty, taker == Some(Side::Sell));
            }
            MarketBody::Mark { mark, index, funding_rate, next_funding_ns } => {
                self.mark = mark.or(self.mark);
                self.index = index.or(self.index);
                self.funding_rate = funding_rate.or(self.funding_rate);
                self.next_funding = next_funding_ns.or(self.next_funding);
            }
            MarketBody::Level { side, price, qty, .. } => {
                let levels = match side {
                    Side::Buy => &mut self.bids,
                    Side::Sell => &mut self.asks,
                };
                if qty.is_positive() {
                    levels.insert(price, qty);
                } else {
                    levels.remove(&price);
                }
            }
            MarketBody::Reset | MarketBody::Gap => {
                self.bids.clear();
                self.asks.clear();
            }
            // A bar of recorded data has no trades: its close is the last price.
            MarketBody::Bar { close, volume, .. } => {
                self.print(msg.ts_recv_ns, close, volume, false);
            }
        }
    }

    fn print(&mut self, at: Nanos, price: Price, qty: Qty, is_sold: bool) {
        self.printed += 1;
        if self.prints.len() == KEPT {
            self.prints.pop_front();
        }
        self.prints.push_back(Print { number: self.printed, at, price, qty, is_sold });
        self.last = Some((price, qty));
        self.open.get_or_insert((price, at));
        self.high = Some(self.high.map_or(price, |high| high.max(price)));
        self.low = Some(self.low.map_or(price, |low| low.min(price)));
        self.volume = self.volume.checked_add(qty).unwrap_or(self.volume);
        let worth = price.notional(qty).unwrap_or(Money::ZERO);
        self.turnover = self.turnover.checked_add(worth).unwrap_or(self.turnover);
        let start = Nanos::new(at.get() - at.get().rem_euclid(MINUTE_NS));
        match self.bars.back_mut().filter(|bar| bar.start >= start) {
            Some(bar) => {
                bar.high = bar.high.max(price);
                bar.low = bar.low.min(price);
                bar.close = price;
                bar.volume = bar.volume.checked_add(qty).unwrap_or(bar.volume);
            }
            None => {
                if self.bars.len() == KEPT {
                    self.bars.pop_front();
                }
                let (open, high, low, close) = (price, price, price, price);
                self.bars.push_back(Bar { start, open, high, low, close, volume: qty });
            }
        }
    }

    /// Up to `depth` levels a side. Where the data has no book, the quote's: its quantity at the touch and
    /// again one tick worse each, as the venue's model fills from it.
    pub(super) fn ladder(&self, depth: usize) -> Ladder {
        let Some(touch) = self.touch else {
            return Ladder {
                bids: self.bids.iter().rev().take(depth).map(pair).collect(),
                asks: self.asks.iter().take(depth).map(pair).collect(),
            };
        };
        if !self.bids.is_empty() && !self.asks.is_empty() {
            // A level better than the touch is one that the quote says is gone.
            let bids = self.bids.range(..=touch.bid).rev().take(depth);
            let asks = self.asks.range(touch.ask..).take(depth);
            return Ladder { bids: bids.map(pair).collect(), asks: asks.map(pair).collect() };
        }
        let step = |index: i64| Price::from_raw(self.tick.raw().saturating_mul(index));
        let depth = i64::try_from(depth).unwrap_or(LADDER).min(LADDER);
        let bids = (0..depth).map(|index| (touch.bid - step(index), touch.bid_qty));
        let asks = (0..depth).map(|index| (touch.ask + step(index), touch.ask_qty));
        let known = |level: &(Price, Qty)| level.0.is_positive() && level.1.is_positive();
        Ladder { bids: bids.filter(known).collect(), asks: asks.filter(known).collect() }
    }

    /// The mark price, or what stands for it.
    pub(super) fn fair(&self) -> Option<Price> {
        let mid = || {
            let touch = self.touch?;
            Some(Price::from_raw(touch.bid.raw().midpoint(touch.ask.raw())).floor_to(self.tick))
        };
        self.mark.or_else(|| self.last.map(|(price, _)| price)).or_else(mid)
    }

    /// Bars of `minutes`, oldest first, at most `most`.
    pub(super) fn bars_of(&self, minutes: i64, most: usize) -> Vec<Bar> {
        let length = minutes.saturating_mul(MINUTE_NS);
        let mut out: Vec<Bar> = Vec::new();
        for bar in &self.bars {
            let start = Nanos::new(bar.start.get() - bar.start.get().rem_euclid(length));
            match out.last_mut().filter(|last| last.start == start) {
                Some(last) => {
                    last.high = last.high.max(bar.high);
                    last.low = last.low.min(bar.low);
                    last.close = bar.close;
                    last.volume = last.volume.checked_add(bar.volume).unwrap_or(last.volume);
                }
                None => out.push(Bar { start, ..*bar }),
            }
        }
        out.split_off(out.len().saturating_sub(most))
    }
}

fn pair((price, qty): (&Price, &Qty)) -> (Price, Qty) {
    (*price, *qty)
}

/// All instruments. Owner: the exchange.
#[derive(Clone, Debug)]
pub(super) struct Board {
    pub(super) rows: Vec<Row>,
}

impl Board {
    pub(super) fn new(table: &InstrumentTable) -> Self {
        let rows = table.iter().map(|(_, row)| Row::new(hyphenated(row.symbol.as_str()), row.tick));
        Self { rows: rows.collect() }
    }

    pub(super) fn row(&self, id: InstrumentId) -> &Row {
        &self.rows[id.index()]
    }

    pub(super) fn apply(&mut self, msg: &MarketMsg) {
        if let Some(row) = self.rows.get_mut(msg.instrument.index()) {
            row.apply(msg);
        }
    }

    /// The instrument that the venue spells so; case counts, as it does there.
    pub(super) fn find(&self, symbol: &str) -> Option<InstrumentId> {
        self.rows.iter().position(|row| row.symbol == symbol).map(InstrumentId::new)
    }
}

/// The venue's spelling: `BTCUSDT` is `BTC-USDT` there.
fn hyphenated(symbol: &str) -> String {
    for quote in ["USDT", "USDC", "USD"] {
        if let Some(base) = symbol.strip_suffix(quote)
            && !base.is_empty()
        {
            return format!("{base}-{quote}");
        }
    }
    symbol.to_owned()
}

/// Decimals of a step: 1 for 0.1, 0 for 1 and for 10.
pub(super) fn decimals(raw: i64) -> usize {
    let mut left = raw.rem_euclid(pinion_core::units::SCALE);
    let mut count = 0;
    while left != 0 {
        left = left * 10 % pinion_core::units::SCALE;
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row::new("BTC-USDT".to_owned(), Price::from_raw(10_000_000))
    }

    fn msg(at: i64, body: MarketBody) -> MarketMsg {
        MarketMsg::from_body(InstrumentId::new(0), Nanos::new(at), None, body)
    }

    #[test]
    fn without_a_book_the_ladder_is_what_the_model_fills_from() {
        let mut row = row();
        row.apply(&msg(
            1,
            MarketBody::Quote {
                bid: Price::from_whole(100),
                ask: Price::from_whole(101),
                bid_qty: Some(Qty::from_whole(2)),
                ask_qty: Some(Qty::from_whole(3)),
            },
        ));
        let ladder = row.ladder(2);
        assert_eq!(ladder.asks[1].0.to_string(), "101.1");
        assert_eq!(ladder.bids[1], (Price::from_raw(9_990_000_000), Qty::from_whole(2)));
    }

    #[test]
    fn minutes_become_bars_and_bars_become_longer_bars() {
        let mut row = row();
        for (minute, price) in [(0, 100), (0, 103), (1, 99), (4, 101), (5, 98)] {
            let at = minute * MINUTE_NS + 1;
            let body = MarketBody::Trade {
                price: Price::from_whole(price),
                qty: Qty::ONE,
                taker: Some(Side::Buy),
                trade_id: 0,
                merged: 0,
            };
            row.apply(&msg(at, body));
        }
        assert_eq!(row.bars.len(), 4);
        let five = row.bars_of(5, 10);
        assert_eq!(five.len(), 2);
        assert_eq!((five[0].open, five[0].close), (Price::from_whole(100), Price::from_whole(101)));
        assert_eq!((five[0].high, five[0].low), (Price::from_whole(103), Price::from_whole(99)));
        assert_eq!(five[0].volume, Qty::from_whole(4));
        assert_eq!(row.bars_of(5, 1).len(), 1);
    }

    #[test]
    fn symbols_and_steps_are_the_venues() {
        assert_eq!(hyphenated("BTCUSDT"), "BTC-USDT");
        assert_eq!(hyphenated("USDT"), "USDT");
        assert_eq!((decimals(10_000_000), decimals(100_000_000), decimals(1)), (1, 0, 8));
    }
}
