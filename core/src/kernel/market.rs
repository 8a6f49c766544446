//! The last market of each instrument: what positions are marked at and entries are checked against.

use crate::msg::{MarketBody, MarketMsg, Maybe, Side};
use crate::settings::Settings;
use crate::units::{Nanos, Price, Qty};
use serde::{Deserialize, Serialize};

/// The last of everything that was seen of one instrument, with its times. A copy; the kernel owns the
/// original.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Top {
    /// Best bid.
    pub bid: Maybe<Price>,
    /// Best ask.
    pub ask: Maybe<Price>,
    /// Quantity at the bid.
    pub bid_qty: Maybe<Qty>,
    /// Quantity at the ask.
    pub ask_qty: Maybe<Qty>,
    /// Receive time of the quote; missing while there was none.
    pub quote_ns: Maybe<Nanos>,
    /// Last trade or bar price.
    pub last: Maybe<Price>,
    /// Its receive time.
    pub last_ns: Maybe<Nanos>,
    /// Mark price.
    pub mark: Maybe<Price>,
    /// Its receive time.
    pub mark_ns: Maybe<Nanos>,
    /// Messages were lost, and nothing whole came since.
    pub gap: bool,
}

impl Top {
    pub(crate) const EMPTY: Self = Self {
        bid: Maybe::NONE,
        ask: Maybe::NONE,
        bid_qty: Maybe::NONE,
        ask_qty: Maybe::NONE,
        quote_ns: Maybe::NONE,
        last: Maybe::NONE,
        last_ns: Maybe::NONE,
        mark: Maybe::NONE,
        mark_ns: Maybe::NONE,
        gap: false,
    };

    /// The price at which an order of `side` would execute, with the time it was seen: the quote's far
    /// side, else the last price, else the mark; of any age.
    #[must_use]
    pub fn executable(&self, side: Side) -> Option<(Price, Nanos)> {
        let far = match side {
            Side::Buy => self.ask,
            Side::Sell => self.bid,
        };
        let pair = |price: Maybe<Price>, at: Maybe<Nanos>| Some((price.get()?, at.get()?));
        pair(far, self.quote_ns)
            .or_else(|| pair(self.last, self.last_ns))
            .or_else(|| pair(self.mark, self.mark_ns))
    }

    /// The middle of the quote, without one the last price; of any age.
    pub(super) fn middle(&self) -> Option<Price> {
        self.between().or_else(|| self.last.get())
    }

    fn between(&self) -> Option<Price> {
        let (bid, ask) = (self.bid.get()?, self.ask.get()?);
        Some(Price::from_raw(bid.raw() + (ask.raw() - bid.raw()) / 2))
    }

    /// What a position is worth without a side: the mark, else the last price, else the middle of the
    /// quote; of any age.
    pub(super) fn fair(&self) -> Option<Price> {
        self.mark.get().or_else(|| self.last.get()).or_else(|| self.between())
    }

    /// The same, but only what is not older than the guards' ages at `now`: a quote by
    /// `guard.quote_age_ns_max`, the others by `guard.trade_age_ns_max`.
    #[must_use]
    pub fn fresh(&self, side: Side, now: Nanos, settings: &Settings) -> Option<Price> {
        let far = match side {
            Side::Buy => self.ask,
            Side::Sell => self.bid,
        };
        let pick = |price: Maybe<Price>, at: Maybe<Nanos>, age_max: i64| {
            price.get().filter(|_| at.get().is_some_and(|at| now.since(at) <= age_max))
        };
        pick(far, self.quote_ns, settings.guard_quote_age_ns_max)
            .or_else(|| pick(self.last, self.last_ns, settings.guard_trade_age_ns_max))
            .or_else(|| pick(self.mark, self.mark_ns, settings.guard_trade_age_ns_max))
    }
}

/// What a market message did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// A price may have moved.
    Price,
    /// Messages were lost.
    Gap,
    /// Not the kernel's business.
    Nothing,
    /// Makes no sense; nothing changed.
    Refused,
}

/// What the kernel keeps of one instrument on the market path.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Market {
    pub(super) top: Top,
    /// Last own fill, unclaimed fill, or possible fill.
    pub(super) hot_ns: Maybe<Nanos>,
    /// A slot has a position in it.
    pub(super) is_held: bool,
}

impl Market {
    pub(super) const EMPTY: Self = Self { top: Top::EMPTY, hot_ns: Maybe::NONE, is_held: false };

    /// Takes in a message. Constant time, a few dozen instructions.
    pub(super) fn see(&mut self, now: Nanos, message: &MarketMsg) -> Seen {
        let at = Maybe::some(message.ts_recv_ns.min(now));
        let top = &mut self.top;
        match message.body() {
            MarketBody::Quote { bid, ask, bid_qty, ask_qty } => {
                if !bid.is_positive() || ask < bid {
                    return Seen::Refused;
                }
                top.bid = Maybe::some(bid);
                top.ask = Maybe::some(ask);
                top.bid_qty = bid_qty.into();
                top.ask_qty = ask_qty.into();
                top.quote_ns = at;
                top.gap = false;
                Seen::Price
            }
            MarketBody::Trade { price, .. } | MarketBody::Bar { close: price, .. } => {
                if !price.is_positive() {
                    return Seen::Refused;
                }
                top.last = Maybe::some(price);
                top.last_ns = at;
                // Where the data has quotes, only a quote says that the book is whole again.
                top.gap &= top.quote_ns != Maybe::NONE;
                Seen::Price
            }
            // Funding alone says nothing of the price.
            MarketBody::Mark { mark: None, .. } => Seen::Nothing,
            MarketBody::Mark { mark: Some(mark), .. } => {
                if !mark.is_positive() {
                    return Seen::Refused;
                }
                top.mark = Maybe::some(mark);
                top.mark_ns = at;
                Seen::Price
            }
            MarketBody::Gap => {
                top.gap = true;
                Seen::Gap
            }
            MarketBody::Level { .. } | MarketBody::Reset => Seen::Nothing,
        }
    }
}
