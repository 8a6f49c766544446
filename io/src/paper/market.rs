//! The venue's view of one instrument's market, and what a taker would get from it.

use pinion_core::instrument::Instrument;
use pinion_core::msg::{MarketBody, MarketMsg, Side};
use pinion_core::units::{Nanos, Price, Qty, Rate};

/// Most levels kept per side; beyond it the worst level is forgotten.
const DEPTH_MAX: usize = 1024;
/// Steps of the quote ladder that fill one by one; what lies beyond fills at once, at its worst price.
const LADDER_STEPS: i64 = 16;
/// A mark price older than the newest price by more than this is no mark any more.
const MARK_AGE_NS_MAX: i64 = 60 * Nanos::SECOND;
/// Before every time of a venue.
pub(super) const NEVER: Nanos = Nanos::new(i64::MIN);

/// How much worse `price` is than `than` for one who takes on `taker`; negative when it is better.
pub(super) const fn worse_by(taker: Side, price: Price, than: Price) -> i64 {
    taker.sign() * (price.raw() - than.raw())
}

/// The worse of two prices for one who takes on `taker`.
pub(super) fn worse(taker: Side, a: Price, b: Price) -> Price {
    match taker {
        Side::Buy => a.max(b),
        Side::Sell => a.min(b),
    }
}

/// `price` moved by `ticks` against one who takes on `taker`.
pub(super) const fn slipped(taker: Side, price: Price, tick: Price, ticks: i64) -> Price {
    let moved = tick.raw().saturating_mul(ticks).saturating_mul(taker.sign());
    Price::from_raw(price.raw().saturating_add(moved))
}

/// The worst price for one who takes on `taker` that is within `band` of `touch`.
fn banded(taker: Side, touch: Price, band: Rate) -> Price {
    let width = i128::from(touch.raw()) * i128::from(band.raw()) / i128::from(Rate::ONE.raw());
    // The band is at most the whole price, so the width fits.
    let width = i64::try_from(width).unwrap_or(i64::MAX);
    Price::from_raw(touch.raw().saturating_add(taker.sign() * width))
}

#[derive(Clone, Copy, Debug)]
struct Level {
    price: Price,
    shown: Qty,
    /// What our own orders took since the level was last updated.
    taken: Qty,
}

/// One side of a book, sorted from the worst price to the best.
#[derive(Clone, Debug)]
struct LevelSide {
    /// The side of the orders that take from it.
    taker: Side,
    levels: Vec<Level>,
}

impl LevelSide {
    const fn new(taker: Side) -> Self {
        Self { taker, levels: Vec::new() }
    }

    fn best(&self) -> Option<Price> {
        self.levels.last().map(|level| level.price)
    }

    fn apply(&mut self, price: Price, shown: Qty) {
        let at = self.levels.partition_point(|l| worse_by(self.taker, l.price, price) > 0);
        let known = self.levels.get(at).is_some_and(|level| level.price == price);
        let level = Level { price, shown, taken: Qty::ZERO };
        match (known, shown.is_positive()) {
            (true, true) => self.levels[at] = level,
            (true, false) => {
                self.levels.remove(at);
            }
            (false, true) => self.insert(at, level),
            (false, false) => {}
        }
    }

    fn insert(&mut self, at: usize, level: Level) {
        if self.levels.capacity() == 0 {
            self.levels.reserve_exact(DEPTH_MAX);
        }
        if self.levels.len() < DEPTH_MAX {
            self.levels.insert(at, level);
        } else if at > 0 {
            // Full: everything below `at` moves down by one, over the worst level.
            self.levels.copy_within(1..at, 0);
            self.levels[at - 1] = level;
        }
    }

    /// What is shown at a price: zero where the book proves that nothing is, `None` beyond its last level.
    fn shown_at(&self, price: Price) -> Option<Qty> {
        let at = self.levels.partition_point(|l| worse_by(self.taker, l.price, price) > 0);
        match self.levels.get(at) {
            Some(level) if level.price == price => Some(level.shown),
            // Something worse is known, so a level at this price would be known as well.
            Some(_) | None => (at > 0).then_some(Qty::ZERO),
        }
    }
}

/// True for a row that records an exchange of funding: the next one is the moment of the row itself. An
/// announcement names a later moment, or repeats an old one a little after it.
pub(super) fn is_recorded_exchange(msg: &MarketMsg) -> bool {
    let MarketBody::Mark { next_funding_ns: Some(next), .. } = msg.body() else { return false };
    msg.ts_exch_ns.get() == Some(next)
}

#[derive(Clone, Copy, Debug)]
struct Touch {
    price: Price,
    /// Missing or below one lot: not known.
    shown: Option<Qty>,
    /// What our own orders took since price or quantity last changed.
    taken: Qty,
}

impl Touch {
    /// What our own orders left of it, in whole lots; `None` when nobody says how much there was.
    fn left(&self, lot: Qty) -> Option<Qty> {
        self.shown.map(|shown| (shown - self.taken.min(shown)).floor_to(lot))
    }

    fn update(slot: &mut Option<Self>, price: Price, shown: Option<Qty>) {
        if slot.is_none_or(|old| old.price != price || old.shown != shown) {
            *slot = Some(Self { price, shown, taken: Qty::ZERO });
        }
    }
}

/// Which rule prices a taker, by the best data that there is for its side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pricing {
    /// Book or quote, at once; the touch that the taker meets.
    Walk(Price),
    /// No quote was ever seen: the trades after arrival, no better than the last one before it.
    Prints(Price),
    /// Only bars were seen: the bar after arrival, no better than the last close before it.
    Bars(Price),
}

/// One instrument's market. An update without a live order touches this struct and nothing else.
#[derive(Clone, Debug)]
pub(super) struct Market {
    pub(super) tick: Price,
    pub(super) lot: Qty,
    /// A taker gets nothing further beyond the touch than this fraction of it.
    band: Rate,
    bid: Option<Touch>,
    ask: Option<Touch>,
    bids: LevelSide,
    asks: LevelSide,
    book_usable: bool,
    quote_ns: Nanos,
    last_trade: Option<Price>,
    trade_ns: Nanos,
    last_close: Option<Price>,
    close_ns: Nanos,
    bar_end: Option<Nanos>,
    /// Time between the two latest bars.
    pub(super) bar_spacing_ns: Option<i64>,
    mark: Option<Price>,
    mark_ns: Nanos,
    pub(super) funding_rate: Option<Rate>,
    /// The next exchange of funding, as last announced.
    pub(super) next_funding: Option<Nanos>,
    /// The data holds the exchanges themselves, each at its time: nothing else is exchanged.
    pub(super) funding_recorded: bool,
    /// Latest exchange time seen on quotes, trades and levels.
    pub(super) exch_high: Nanos,
    /// Live orders on it.
    pub(super) live: u32,
}

impl Market {
    pub(super) const fn new(row: &Instrument, band: Rate) -> Self {
        Self {
            tick: row.tick,
            lot: row.lot,
            band,
            bid: None,
            ask: None,
            bids: LevelSide::new(Side::Sell),
            asks: LevelSide::new(Side::Buy),
            book_usable: false,
            quote_ns: NEVER,
            last_trade: None,
            trade_ns: NEVER,
            last_close: None,
            close_ns: NEVER,
            bar_end: None,
            bar_spacing_ns: None,
            mark: None,
            mark_ns: NEVER,
            funding_rate: None,
            next_funding: None,
            funding_recorded: false,
            exch_high: NEVER,
            live: 0,
        }
    }

    /// Takes in one message. Cost: a few ns, a level a binary search more.
    pub(super) fn apply(&mut self, msg: &MarketMsg) {
        match msg.body() {
            MarketBody::Quote { bid, ask, bid_qty, ask_qty } => {
                Touch::update(&mut self.bid, bid, bid_qty);
                Touch::update(&mut self.ask, ask, ask_qty);
                self.quote_ns = msg.ts_recv_ns;
                self.see(msg);
            }
            MarketBody::Trade { price, .. } => {
                self.last_trade = Some(price);
                self.trade_ns = msg.ts_recv_ns;
                self.see(msg);
            }
            MarketBody::Level { side, price, qty, .. } => {
                match side {
                    Side::Buy => self.bids.apply(price, qty),
                    Side::Sell => self.asks.apply(price, qty),
                }
                self.see(msg);
            }
            MarketBody::Mark { mark, funding_rate, next_funding_ns, .. } => {
                if mark.is_some() {
                    (self.mark, self.mark_ns) = (mark, msg.ts_recv_ns);
                }
                self.funding_rate = funding_rate.or(self.funding_rate);
                self.next_funding = next_funding_ns.or(self.next_funding);
                self.funding_recorded |= is_recorded_exchange(msg);
            }
            MarketBody::Bar { close, .. } => {
                self.last_close = Some(close);
                self.close_ns = msg.ts_recv_ns;
                let end = msg.ts_exch_ns.get().unwrap_or(msg.ts_recv_ns);
                self.bar_spacing_ns =
                    self.bar_end.map(|before| end.since(before)).filter(|ns| *ns > 0);
                self.bar_end = Some(end);
            }
            MarketBody::Reset => {
                self.clear_book();
                self.book_usable = true;
            }
            MarketBody::Gap => {
                self.clear_book();
                self.book_usable = false;
            }
        }
    }

    fn see(&mut self, msg: &MarketMsg) {
        if let Some(exch) = msg.ts_exch_ns.get() {
            self.exch_high = self.exch_high.max(exch);
        }
    }

    fn clear_book(&mut self) {
        self.bids.levels.clear();
        self.asks.levels.clear();
    }

    const fn book(&self, taker: Side) -> &LevelSide {
        match taker {
            Side::Buy => &self.asks,
            Side::Sell => &self.bids,
        }
    }

    const fn quoted(&self, taker: Side) -> Option<Touch> {
        match taker {
            Side::Buy => self.ask,
            Side::Sell => self.bid,
        }
    }

    fn both_touches(&self, taker: Side) -> (Option<Price>, Option<Price>) {
        let book = if self.book_usable { self.book(taker).best() } else { None };
        (self.quoted(taker).map(|touch| touch.price), book)
    }

    /// The best price that a taker may expect: the worse one where quote and book disagree.
    pub(super) fn touch(&self, taker: Side) -> Option<Price> {
        match self.both_touches(taker) {
            (Some(quote), Some(book)) => Some(worse(taker, quote, book)),
            (quote, book) => quote.or(book),
        }
    }

    /// The best price that anything shows; a post-only order must not reach even this one.
    pub(super) fn keenest(&self, taker: Side) -> Option<Price> {
        match self.both_touches(taker) {
            (Some(quote), Some(book)) => Some(worse(taker.opposite(), quote, book)),
            (quote, book) => quote.or(book),
        }
    }

    /// Which rule prices an order that takes on `taker`; `None` without any market.
    pub(super) fn pricing(&self, taker: Side) -> Option<Pricing> {
        self.touch(taker)
            .map(Pricing::Walk)
            .or_else(|| self.last_trade.map(Pricing::Prints))
            .or_else(|| self.last_close.map(Pricing::Bars))
    }

    /// True when bars are all there is.
    pub(super) const fn is_bars_only(&self) -> bool {
        self.bid.is_none() && self.last_trade.is_none() && !self.book_usable
    }

    /// The price at which positions are valued and funded: the mark price, unless something newer by
    /// more than [`MARK_AGE_NS_MAX`] is known; then the newest of last trade, mid and last close.
    pub(super) fn fair(&self) -> Option<Price> {
        let mid = || {
            let (bid, ask) = (self.touch(Side::Sell)?, self.touch(Side::Buy)?);
            Some(Price::from_raw(bid.raw().midpoint(ask.raw())))
        };
        let newest = self.quote_ns.max(self.trade_ns).max(self.close_ns);
        if let Some(mark) = self.mark.filter(|_| newest.since(self.mark_ns) <= MARK_AGE_NS_MAX) {
            return Some(mark);
        }
        let known = [
            (self.close_ns, self.last_close),
            (self.quote_ns, mid()),
            (self.trade_ns, self.last_trade),
        ];
        let priced = known.into_iter().filter_map(|(at, price)| Some((at, price?)));
        priced.max_by_key(|(at, _)| *at).map(|(_, price)| price).or(self.mark)
    }

    /// What is shown at a price on the side of an order that rests there; `None` when not known.
    pub(super) fn shown_at(&self, side: Side, price: Price) -> Option<Qty> {
        let taker = side.opposite();
        let book = if self.book_usable { self.book(taker).shown_at(price) } else { None };
        let quote = self.quoted(taker).and_then(|touch| {
            // Better than the touch: inside the spread, where nobody else is.
            match worse_by(taker, price, touch.price).signum() {
                0 => touch.shown,
                -1 => Some(Qty::ZERO),
                _ => None,
            }
        });
        book.max(quote)
    }

    /// Takes the next piece for an order: at most `want`, at a price no worse than `limit`. What is taken
    /// stays taken until the data shows that level anew.
    pub(super) fn take_next(
        &mut self,
        taker: Side,
        want: Qty,
        limit: Option<Price>,
    ) -> Option<(Price, Qty)> {
        let touch = self.touch(taker)?;
        let band = banded(taker, touch, self.band);
        let bound = limit.map_or(band, |limit| worse(taker.opposite(), limit, band));
        if !want.is_positive() || worse_by(taker, touch, bound) > 0 {
            return None;
        }
        let lot = self.lot;
        // Quote and book are two views of the same offers: at the touch the smaller one counts.
        let quoted = self.quoted(taker).and_then(|touch| Some((touch.price, touch.left(lot)?)));
        let walkable = self.book_usable
            && self.book(taker).levels.iter().any(|l| worse_by(taker, l.price, touch) >= 0);
        if !walkable {
            return self.take_from_quote(taker, want, bound);
        }
        let book = match taker {
            Side::Buy => &mut self.asks,
            Side::Sell => &mut self.bids,
        };
        // A level better than the touch is one that the quote says is gone.
        let left = |l: &Level| {
            let level = (l.shown - l.taken).floor_to(lot);
            quoted.filter(|(price, _)| *price == l.price).map_or(level, |(_, left)| level.min(left))
        };
        let level = book
            .levels
            .iter_mut()
            .rev()
            .skip_while(|l| worse_by(taker, l.price, touch) < 0)
            .take_while(|l| worse_by(taker, l.price, bound) <= 0)
            .find(|l| left(l).is_positive())?;
        let qty = want.min(left(level));
        level.taken += qty;
        let price = level.price;
        let touch = match taker {
            Side::Buy => &mut self.ask,
            Side::Sell => &mut self.bid,
        };
        if let Some(touch) = touch.as_mut().filter(|touch| touch.price == price) {
            touch.taken += qty;
        }
        Some((price, qty))
    }

    /// Takes what crosses an order that rests at `limit`: offers strictly better than it, at most `want`.
    pub(super) fn take_crossing(&mut self, taker: Side, want: Qty, limit: Price) -> Qty {
        let inner = slipped(taker.opposite(), limit, self.tick, 1);
        let mut got = Qty::ZERO;
        while let Some((_, qty)) = self.take_next(taker, want - got, Some(inner)) {
            got += qty;
        }
        got
    }

    /// The quote ladder: the touch quantity at the touch, the same again one tick worse, and so on.
    fn take_from_quote(&mut self, taker: Side, want: Qty, bound: Price) -> Option<(Price, Qty)> {
        let (tick, lot) = (self.tick, self.lot);
        let touch = match taker {
            Side::Buy => self.ask.as_mut()?,
            Side::Sell => self.bid.as_mut()?,
        };
        let step = touch.shown.map_or(Qty::ZERO, |shown| shown.floor_to(lot));
        if !step.is_positive() {
            let price = slipped(taker, touch.price, tick, 1);
            return (worse_by(taker, price, bound) <= 0).then_some((price, want));
        }
        let last = worse_by(taker, bound, touch.price) / tick.raw();
        let now = touch.taken.raw() / step.raw();
        if now > last {
            return None;
        }
        let (at, available) = if now < LADDER_STEPS {
            (now, step.raw() - touch.taken.raw() % step.raw())
        } else {
            let needed = (i128::from(touch.taken.raw()) + i128::from(want.raw()) - 1)
                / i128::from(step.raw());
            let at = i64::try_from(needed).unwrap_or(last).min(last);
            (at, (at + 1).saturating_mul(step.raw()) - touch.taken.raw())
        };
        let qty = want.min(Qty::from_raw(available));
        touch.taken += qty;
        Some((slipped(taker, touch.price, tick, at), qty))
    }
}
