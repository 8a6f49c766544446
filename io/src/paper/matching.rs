//! What the market does to live orders, and what a fill does to the account.

use core::fmt::Write;

use arrayvec::ArrayString;
use pinion_core::id::{InstrumentId, TEXT_ID_MAX, TextId};
use pinion_core::msg::venue::VenueOrderState;
use pinion_core::msg::{MarketBody, MarketMsg, Maybe, PositionSide, Side, VenueEvent};
use pinion_core::units::{Nanos, Price, Qty};

use super::PaperVenue;
use super::account::{AccountFill, plus};
use super::market::worse_by;
use super::orders::{Order, Phase, Resting};
use super::truth::{Owner, Truth};

/// One print, as resting and waiting orders see it.
#[derive(Clone, Copy)]
struct Print {
    price: Price,
    qty: Qty,
    taker: Option<Side>,
    /// Several prints in one: the quantity is not of this price alone.
    merged: bool,
    exch: Option<Nanos>,
}

/// What a message does to a resting order.
enum Outcome {
    Nothing,
    /// Filled whole at its limit.
    Whole,
    /// Filled by so much at its limit.
    Part(Qty),
}

impl PaperVenue {
    /// Matches the live orders of the message's instrument against it; the market has taken it in already.
    pub(super) fn match_market(&mut self, at: Nanos, msg: &MarketMsg) {
        let exch = msg.ts_exch_ns.get();
        match msg.body() {
            MarketBody::Quote { .. } | MarketBody::Level { last: true, .. } => {
                self.on_touch(at, msg.instrument, exch);
            }
            MarketBody::Trade { price, qty, taker, merged, .. } => {
                let print = Print { price, qty, taker, merged: merged > 0, exch };
                self.on_print(at, msg.instrument, print);
            }
            MarketBody::Bar { open, high, low, close, volume } => {
                if self.markets[msg.instrument.index()].is_bars_only() {
                    self.on_bar(at, msg.instrument, [open, high, low, close], volume);
                }
            }
            // Amid an update the book is not consistent; marks, resets and gaps price nothing.
            MarketBody::Level { last: false, .. }
            | MarketBody::Mark { .. }
            | MarketBody::Reset
            | MarketBody::Gap => {}
        }
    }

    fn live_on(&self, index: usize, instrument: InstrumentId) -> Option<Order> {
        let order = self.orders.live.get(index)?;
        (order.instrument == instrument && order.end.is_none()).then_some(*order)
    }

    /// Book or quote changed: crossed orders fill, queues shrink to what is shown.
    fn on_touch(&mut self, at: Nanos, instrument: InstrumentId, exch: Option<Nanos>) {
        for index in 0..self.orders.live.len() {
            let Some(order) = self.live_on(index, instrument) else { continue };
            let Phase::Resting(mut resting) = order.phase else { continue };
            if exch.is_some_and(|exch| exch <= resting.arrival_exch) {
                continue;
            }
            let market = &mut self.markets[instrument.index()];
            let crossing = market.take_crossing(order.side, order.remaining(), resting.limit);
            if crossing.is_positive() {
                self.fill(at, index, resting.limit, crossing, !resting.takes);
            } else if let Some(shown) = market.shown_at(order.side, resting.limit)
                && resting.queue.is_none_or(|queue| shown < queue)
            {
                resting.queue = Some(shown);
                resting.queue_exch = resting.queue_exch.max(exch.unwrap_or(resting.queue_exch));
                self.orders.live[index].phase = Phase::Resting(resting);
            }
        }
    }

    fn on_print(&mut self, at: Nanos, instrument: InstrumentId, print: Print) {
        // Waiting takers share the print; so do resting orders at its price, first come first served.
        let mut for_takers = print.qty;
        let mut for_makers = print.qty;
        for index in 0..self.orders.live.len() {
            let Some(order) = self.live_on(index, instrument) else { continue };
            match order.phase {
                Phase::Resting(mut resting) => {
                    let outcome = rest_through(&order, &mut resting, print, for_makers);
                    self.orders.live[index].phase = Phase::Resting(resting);
                    let qty = match outcome {
                        Outcome::Nothing => continue,
                        Outcome::Whole => order.remaining(),
                        Outcome::Part(available) => {
                            let lot = self.markets[instrument.index()].lot;
                            let qty = available.min(order.remaining()).floor_to(lot);
                            for_makers -= qty;
                            qty
                        }
                    };
                    self.fill(at, index, resting.limit, qty, !resting.takes);
                }
                Phase::AwaitsPrints { base, arrival_exch, .. } => {
                    if print.exch.is_none_or(|exch| exch >= arrival_exch) {
                        self.take_print(at, index, base, print.price, &mut for_takers);
                    }
                }
                Phase::AwaitsBar { .. } => {}
            }
        }
    }

    fn on_bar(&mut self, at: Nanos, instrument: InstrumentId, ohlc: [Price; 4], volume: Qty) {
        let [open, high, low, close] = ohlc;
        let mut left = volume;
        for index in 0..self.orders.live.len() {
            let Some(order) = self.live_on(index, instrument) else { continue };
            match order.phase {
                Phase::Resting(mut resting) => {
                    let reached = match (resting.saw_bar, order.side) {
                        (false, _) => close,
                        (true, Side::Buy) => low,
                        (true, Side::Sell) => high,
                    };
                    resting.saw_bar = true;
                    self.orders.live[index].phase = Phase::Resting(resting);
                    if worse_by(order.side, reached, resting.limit) < 0 {
                        self.fill(at, index, resting.limit, order.remaining(), !resting.takes);
                    }
                }
                Phase::AwaitsBar { base, .. } => {
                    self.take_print(at, index, base, open, &mut left);
                    if self.orders.live[index].end.is_none() {
                        self.finish(at, index, VenueOrderState::Expired);
                    }
                }
                Phase::AwaitsPrints { .. } => {}
            }
        }
    }

    /// A waiting taker takes from a print, no better than `base`, at most what is `left` of it.
    fn take_print(&mut self, at: Nanos, index: usize, base: Price, print: Price, left: &mut Qty) {
        let order = self.orders.live[index];
        let market = &self.markets[order.instrument.index()];
        let qty = left.floor_to(market.lot).min(order.remaining());
        let within = |price: &Price| {
            order.limit.is_none_or(|limit| worse_by(order.side, *price, limit) <= 0)
        };
        let price = self.print_price(order.side, market.tick, base, print).filter(within);
        match price {
            Some(price) if qty.is_positive() => {
                *left -= qty;
                self.fill(at, index, price, qty, false);
            }
            Some(_) => {}
            // Out of reach of its limit, or of any positive price: an immediate order does not wait for it.
            None => self.finish(at, index, VenueOrderState::Expired),
        }
    }

    /// Fills a live order, whole unless a fault cuts or splits the match. True when something was cut off.
    pub(super) fn fill(
        &mut self,
        at: Nanos,
        index: usize,
        price: Price,
        qty: Qty,
        maker: bool,
    ) -> bool {
        if !qty.is_positive() {
            return false;
        }
        let order = self.orders.live[index];
        let position = self.account.position_qty(order.instrument, order.position_side);
        let qty = if order.reduces { qty.min(position) } else { qty };
        if self.dice.is_none() {
            self.settle(at, index, price, qty, maker);
            return false;
        }
        let pieces = self.pieces(order.instrument, qty);
        self.settle(at, index, price, pieces.first, maker);
        if pieces.second.is_positive() {
            self.settle(at, index, price, pieces.second, maker);
        }
        pieces.cut
    }

    /// Books a fill on the order's position; where positions are netted, first on what is held the other way.
    fn settle(&mut self, at: Nanos, index: usize, price: Price, qty: Qty, maker: bool) {
        let order = self.orders.live[index];
        let (own, reduces) = (order.position_side, order.reduces);
        if !self.netting || reduces {
            self.book_fill(at, index, price, qty, maker, (own, reduces));
            return;
        }
        let other = match own {
            PositionSide::Long => PositionSide::Short,
            PositionSide::Short => PositionSide::Long,
        };
        let closing = qty.min(self.account.position_qty(order.instrument, other));
        if closing.is_positive() {
            self.book_fill(at, index, price, closing, maker, (other, true));
        }
        if qty > closing {
            self.book_fill(at, index, price, qty - closing, maker, (own, false));
        }
    }

    /// Books one fill of a live order on a position, which it opens or `reduces`, and tells it.
    fn book_fill(
        &mut self,
        at: Nanos,
        index: usize,
        price: Price,
        qty: Qty,
        maker: bool,
        (side, reduces): (PositionSide, bool),
    ) {
        let order = self.orders.live[index];
        let instrument = order.instrument;
        let rate = if maker { self.rules.maker_rate } else { self.rules.taker_rate };
        let notional = price.notional(qty).filter(|_| qty.is_positive());
        let (Some(notional), Some(fee)) = (notional, notional.and_then(|value| value.times(rate)))
        else {
            // Nothing left to reduce, or beyond what money can hold.
            self.finish(at, index, VenueOrderState::Expired);
            return;
        };
        let fee = if self.dice.is_some() { self.faulty_fee(fee) } else { fee };
        let owner = Owner::Ours(order.client);
        self.account.apply(&AccountFill {
            instrument,
            side,
            reduces,
            owner,
            qty,
            notional,
            fee,
            funding_due: self.funding_after(at, instrument),
        });
        if maker {
            self.counts.maker_fills += 1;
        } else {
            self.counts.taker_fills += 1;
        }
        self.fill_numbers += 1;
        let number = self.fill_numbers;
        self.note(|| Truth::Fill {
            at,
            number,
            owner,
            instrument,
            position_side: side,
            reduces,
            qty,
            price,
            notional,
            fee,
            is_maker: maker,
        });
        let order = &mut self.orders.live[index];
        order.cum_qty += qty;
        order.cum_notional = plus(order.cum_notional, notional);
        let order = *order;
        let event = VenueEvent::Fill {
            venue_id: order.text_id(),
            fill_id: fill_id(number),
            qty,
            price,
            fee: Maybe::some(-fee),
            cum_qty: Maybe::some(order.cum_qty),
            side: Some(order.side),
            is_maker: Some(maker),
        };
        self.emit(at, Some(order.client), Some(instrument), event);
        if order.remaining().is_zero() {
            let state =
                if order.trimmed { VenueOrderState::Expired } else { VenueOrderState::Filled };
            self.finish(at, index, state);
        }
        if reduces {
            self.expire_idle_reducers(at, instrument, side);
        }
        self.push_balance(at);
    }

    /// Orders that would reduce a position that is gone expire.
    pub(super) fn expire_idle_reducers(
        &mut self,
        at: Nanos,
        instrument: InstrumentId,
        side: PositionSide,
    ) {
        if self.account.position_qty(instrument, side).is_positive() {
            return;
        }
        for index in 0..self.orders.live.len() {
            if let Some(order) = self.live_on(index, instrument)
                && order.reduces
                && order.position_side == side
            {
                self.finish(at, index, VenueOrderState::Expired);
            }
        }
    }

    /// Ends a live order; a cancel or an expiry is told, a whole fill speaks for itself.
    pub(super) fn finish(&mut self, at: Nanos, index: usize, state: VenueOrderState) {
        let order = &mut self.orders.live[index];
        order.end = Some(state);
        let order = *order;
        let (client, cum) = (order.client, order.cum_qty);
        self.note(|| Truth::Ended { at, client, state, cum_qty: cum });
        let (venue_id, cum_qty) = (order.text_id(), Maybe::some(order.cum_qty));
        let event = match state {
            VenueOrderState::Canceled => {
                self.counts.canceled += 1;
                VenueEvent::Canceled { venue_id, cum_qty }
            }
            VenueOrderState::Expired => {
                self.counts.expired += 1;
                VenueEvent::Expired { venue_id, cum_qty }
            }
            VenueOrderState::New
            | VenueOrderState::PartiallyFilled
            | VenueOrderState::Filled
            | VenueOrderState::Rejected
            | VenueOrderState::NotFound => return,
        };
        self.emit(at, Some(order.client), Some(order.instrument), event);
    }

    /// Moves done orders out of the live list.
    pub(super) fn retire_done(&mut self) {
        let mut index = 0;
        while let Some(order) = self.orders.live.get(index) {
            if order.end.is_some() {
                let order = self.orders.retire(index);
                self.markets[order.instrument.index()].live -= 1;
            } else {
                index += 1;
            }
        }
    }
}

/// A print against a resting order: what it fills, and how far it moves the queue. `left` is what resting
/// orders before this one left of the print.
fn rest_through(order: &Order, resting: &mut Resting, print: Print, left: Qty) -> Outcome {
    let dated_by = |time: Nanos| print.exch.is_some_and(|exch| exch <= time);
    if dated_by(resting.arrival_exch) {
        return Outcome::Nothing;
    }
    let beyond = worse_by(order.side, print.price, resting.limit);
    // A print of our own side took from the other side, not from us: had it been ours to meet, the touch
    // would have crossed us. One of unknown side says too little when we ourselves took from that side.
    let met_us = match print.taker {
        Some(taker) => taker != order.side,
        None => !resting.took,
    };
    if beyond > 0 || !met_us {
        return Outcome::Nothing;
    }
    if beyond < 0 {
        return Outcome::Whole;
    }
    let Some(queue) = resting.queue else { return Outcome::Nothing };
    if print.merged || dated_by(resting.queue_exch) {
        return Outcome::Nothing;
    }
    resting.queue = Some((queue - left).max(Qty::ZERO));
    let available = left - queue;
    if available.is_positive() { Outcome::Part(available) } else { Outcome::Nothing }
}

/// `f1`, `f2`, …
pub(super) fn fill_id(number: u64) -> TextId {
    let mut text = ArrayString::<TEXT_ID_MAX>::new();
    if write!(text, "f{number}").is_err() {
        return TextId::EMPTY;
    }
    TextId::new(&text).unwrap_or(TextId::EMPTY)
}
