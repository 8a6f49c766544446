//! What arrives at the venue: orders, cancels, queries.

use pinion_core::id::{ClientId, InstrumentId, TextId};
use pinion_core::msg::venue::{RejectReason, VenueOrderState};
use pinion_core::msg::{Command, Maybe, OrderKind, PositionSide, Side, TimeInForce, VenueEvent};
use pinion_core::units::{Money, Nanos, Price, Qty};

use super::market::{Pricing, slipped, worse, worse_by};
use super::orders::{LIVE_MAX, Order, Phase, Resting, Status, VENUE_ID_BASE};
use super::truth::Truth;
use super::{Origin, PaperVenue};

/// A taker that waits for a bar waits two bars; this long when only one bar was ever seen.
const BAR_WAIT_NS: i64 = 3_600 * Nanos::SECOND;

/// An order as it arrives, before it is checked.
#[derive(Clone, Copy)]
pub(super) struct Request {
    pub(super) client: ClientId,
    pub(super) instrument: InstrumentId,
    side: Side,
    position_side: PositionSide,
    /// `None` for a market order.
    pub(super) limit: Option<Price>,
    pub(super) tif: TimeInForce,
    pub(super) reduces: bool,
    reduce_only: bool,
    qty: Qty,
}

impl PaperVenue {
    pub(super) fn arrive(&mut self, at: Nanos, command: &Command) {
        self.counts.commands += 1;
        match *command {
            Command::Place {
                client,
                trade: _,
                instrument,
                side,
                position_side,
                role: _,
                kind,
                tif,
                reduce_only,
                qty,
                price,
            } => {
                let (limit, tif) = match kind {
                    OrderKind::Market => (None, TimeInForce::Ioc),
                    OrderKind::Limit => (price.get(), tif),
                };
                let request = Request {
                    client,
                    instrument,
                    side,
                    position_side,
                    limit,
                    tif,
                    reduces: side == position_side.exit_side(),
                    reduce_only,
                    qty,
                };
                let priced = kind == OrderKind::Market || limit.is_some();
                self.place(at, request, priced);
            }
            Command::Cancel { client, venue_id, instrument } => {
                self.cancel(at, client, venue_id, instrument);
            }
            Command::Probe { probe, revision } => self.answer_probe(at, probe, revision),
            Command::Query { client, venue_id, instrument } => {
                self.query(at, client, venue_id, instrument);
            }
        }
    }

    fn place(&mut self, at: Nanos, request: Request, priced: bool) {
        let Request { client, instrument, .. } = request;
        // A repeated id is refused before anything else and leaves the first order's record alone.
        let repeated = self.orders.is_repeated(client);
        let checked = if repeated {
            Err(RejectReason::DuplicateClientId)
        } else if !priced {
            Err(RejectReason::Other)
        } else {
            self.check(at, &request).and_then(|checked| self.doctored(&request, checked))
        };
        match checked {
            Ok((pricing, qty)) => self.accept(at, request, pricing, qty),
            Err(reason) => {
                if !repeated {
                    self.orders.remember_refused(client, instrument);
                }
                self.counts.rejected += 1;
                let sent_ns = self.sent_ns;
                self.note(|| Truth::Refused { at, sent_ns, client, reason });
                self.answer(at, client, instrument, VenueEvent::Reject { reason });
            }
        }
    }

    /// The rule that prices the order and the quantity that will work, or why it is refused.
    fn check(&self, at: Nanos, request: &Request) -> Result<(Pricing, Qty), RejectReason> {
        let Request { instrument, side, limit, qty, .. } = *request;
        let Some(market) = self.markets.get(instrument.index()) else {
            return Err(RejectReason::NotTrading);
        };
        let row = self.table.row(instrument);
        if !row.tradable || at < self.halted_until {
            return Err(RejectReason::NotTrading);
        }
        if self.orders.live.len() == LIVE_MAX {
            return Err(RejectReason::Other);
        }
        if !qty.is_positive() || !qty.is_multiple_of(row.lot) {
            return Err(RejectReason::LotSize);
        }
        if limit.is_some_and(|price| !price.is_positive() || !price.is_multiple_of(row.tick)) {
            return Err(RejectReason::TickSize);
        }
        let qty = self.allowed(request)?;
        let pricing = market.pricing(side).ok_or(RejectReason::NoMarket)?;
        let (Pricing::Walk(last) | Pricing::Prints(last) | Pricing::Bars(last)) = pricing;
        let notional = limit.unwrap_or(last).notional(qty).ok_or(RejectReason::Other)?;
        if !request.reduces {
            if notional < row.min_notional {
                return Err(RejectReason::MinNotional);
            }
            if self.account.initial_margin(notional, instrument, request.position_side)
                > self.margin().available
            {
                return Err(RejectReason::Margin);
            }
        }
        if let Some(limit) = limit
            && request.tif == TimeInForce::PostOnly
        {
            let meets = self.meets_own(instrument, side, limit);
            let takes = match pricing {
                Pricing::Walk(_) => {
                    market.keenest(side).is_some_and(|best| worse_by(side, best, limit) <= 0)
                }
                Pricing::Prints(last) | Pricing::Bars(last) => worse_by(side, last, limit) < 0,
            };
            if takes || meets {
                return Err(RejectReason::PostOnlyWouldTake);
            }
        }
        Ok((pricing, qty))
    }

    /// The whole quantity, or what is left of the position to close.
    fn allowed(&self, request: &Request) -> Result<Qty, RejectReason> {
        if !request.reduces {
            return if request.reduce_only {
                Err(RejectReason::ReduceOnly)
            } else {
                Ok(request.qty)
            };
        }
        let position = self.account.position_qty(request.instrument, request.position_side);
        let qty = request.qty.min(position);
        if qty.is_positive() { Ok(qty) } else { Err(RejectReason::ReduceOnly) }
    }

    fn accept(&mut self, at: Nanos, request: Request, pricing: Pricing, qty: Qty) {
        let Request { client, instrument, side, limit, tif, .. } = request;
        let sent_ns = self.sent_ns;
        self.note(|| Truth::Accepted {
            at,
            sent_ns,
            client,
            instrument,
            side,
            position_side: request.position_side,
            reduce_only: request.reduce_only,
            qty: request.qty,
            limit,
        });
        self.counts.accepted += 1;
        self.venue_ids += 1;
        let crosses = |last: Price| limit.is_none_or(|limit| worse_by(side, last, limit) <= 0);
        let phase = match pricing {
            Pricing::Walk(_) => None,
            Pricing::Prints(base) if tif == TimeInForce::Ioc => Some(Phase::AwaitsPrints {
                base,
                arrival_exch: self.markets[instrument.index()].exch_high,
                until: at.plus(self.rules.print_wait_ns),
            }),
            Pricing::Bars(base) if tif == TimeInForce::Ioc => {
                let spacing = self.markets[instrument.index()].bar_spacing_ns;
                let wait = spacing.map_or(BAR_WAIT_NS, |ns| ns.saturating_mul(2));
                Some(Phase::AwaitsBar { base, until: at.plus(wait.max(self.rules.print_wait_ns)) })
            }
            Pricing::Prints(_) | Pricing::Bars(_) => None,
        };
        let takes = match pricing {
            Pricing::Walk(_) => false,
            Pricing::Prints(last) | Pricing::Bars(last) => crosses(last),
        };
        let resting = self.resting(instrument, side, limit.unwrap_or(Price::ZERO), takes);
        let order = Order {
            client,
            venue_id: VENUE_ID_BASE + self.venue_ids,
            instrument,
            side,
            position_side: request.position_side,
            reduces: request.reduces,
            trimmed: qty < request.qty,
            limit,
            qty,
            cum_qty: Qty::ZERO,
            cum_notional: Money::ZERO,
            phase: phase.unwrap_or(Phase::Resting(resting)),
            end: None,
        };
        let event = VenueEvent::Ack { venue_id: order.text_id() };
        self.answer(at, client, instrument, event);
        let index = self.orders.live.len();
        self.orders.live.push(order);
        self.markets[instrument.index()].live += 1;
        if self.dice.is_some() && self.meets_itself() {
            self.finish(at, index, VenueOrderState::Expired);
            return;
        }
        if phase.is_none() {
            if let Some(first) = self.first_in_line(instrument, side, limit) {
                self.expire_met(at, index, first);
            }
            self.take(at, index);
            let is_ioc = tif == TimeInForce::Ioc;
            let short = is_ioc && self.dice.is_some() && self.ends_short(index);
            let order = &mut self.orders.live[index];
            if order.end.is_none() {
                if is_ioc {
                    let state =
                        if short { VenueOrderState::Filled } else { VenueOrderState::Expired };
                    self.finish(at, index, state);
                } else if let Phase::Resting(resting) = &mut order.phase {
                    resting.took = order.cum_qty.is_positive();
                }
            }
        }
    }

    fn resting(&self, instrument: InstrumentId, side: Side, limit: Price, takes: bool) -> Resting {
        let market = &self.markets[instrument.index()];
        Resting {
            limit,
            queue: market.shown_at(side, limit),
            arrival_exch: market.exch_high,
            queue_exch: market.exch_high,
            takes,
            took: false,
            saw_bar: false,
        }
    }

    /// Takes what book or quote give an order that has just arrived.
    fn take(&mut self, at: Nanos, index: usize) {
        while let Some(order) = self.orders.live.get(index).copied()
            && order.end.is_none()
            && let Some((price, qty)) = self.markets[order.instrument.index()].take_next(
                order.side,
                order.remaining(),
                order.limit,
            )
        {
            self.expire_met(at, index, price);
            if self.fill(at, index, price, qty, false) {
                return;
            }
        }
    }

    /// The price up to which an arriving order meets our own resting orders before anybody else's: its
    /// limit, but not beyond the touch. `None` when neither bounds it.
    fn first_in_line(
        &self,
        instrument: InstrumentId,
        side: Side,
        limit: Option<Price>,
    ) -> Option<Price> {
        let touch = self.markets[instrument.index()].touch(side);
        match (limit, touch) {
            (Some(limit), Some(touch)) => Some(worse(side.opposite(), limit, touch)),
            (limit, touch) => limit.or(touch),
        }
    }

    fn meets(order: &Order, instrument: InstrumentId, side: Side, bound: Price) -> bool {
        let Phase::Resting(resting) = order.phase else { return false };
        order.end.is_none()
            && order.instrument == instrument
            && order.side == side.opposite()
            && worse_by(side, resting.limit, bound) <= 0
    }

    /// True when an order of ours rests where one of `side` up to `bound` would meet it.
    fn meets_own(&self, instrument: InstrumentId, side: Side, bound: Price) -> bool {
        self.orders.live.iter().any(|order| Self::meets(order, instrument, side, bound))
    }

    /// Self-trade prevention: our resting orders that a taker at `bound` would have met expire.
    fn expire_met(&mut self, at: Nanos, taker: usize, bound: Price) {
        let Order { instrument, side, .. } = self.orders.live[taker];
        for index in 0..taker {
            if Self::meets(&self.orders.live[index], instrument, side, bound) {
                self.finish(at, index, VenueOrderState::Expired);
            }
        }
    }

    /// Tells an answer to a command about an order.
    fn answer(&mut self, at: Nanos, client: ClientId, instrument: InstrumentId, event: VenueEvent) {
        self.origin = Origin::Answer;
        self.emit(at, Some(client), Some(instrument), event);
        self.origin = Origin::Stream;
    }

    fn cancel(&mut self, at: Nanos, client: ClientId, venue_id: TextId, instrument: InstrumentId) {
        let mut reason = RejectReason::UnknownOrder;
        if let Some(index) = self.orders.find_live(client, venue_id) {
            let raced = if self.dice.is_some() { self.race(at, index) } else { None };
            match raced {
                Some(refusal) => reason = refusal,
                None => {
                    self.origin = Origin::Answer;
                    self.finish(at, index, VenueOrderState::Canceled);
                    self.origin = Origin::Stream;
                    return;
                }
            }
        }
        self.counts.cancel_rejected += 1;
        self.answer(at, client, instrument, VenueEvent::CancelRejected { reason });
    }

    fn query(&mut self, at: Nanos, client: ClientId, venue_id: TextId, instrument: InstrumentId) {
        let (owner, place, event) = self.orders.find(client, venue_id).map_or_else(
            || (client, instrument, NOT_FOUND),
            |status: Status| (status.client, status.instrument, status.event()),
        );
        self.answer(at, owner, place, event);
    }

    /// The price of a fill from a print: the worse of two, plus slip.
    pub(super) fn print_price(
        &self,
        side: Side,
        tick: Price,
        base: Price,
        print: Price,
    ) -> Option<Price> {
        let price = slipped(side, worse(side, base, print), tick, self.rules.slip_ticks);
        price.is_positive().then_some(price)
    }
}

const NOT_FOUND: VenueEvent = VenueEvent::OrderStatus {
    venue_id: TextId::EMPTY,
    state: VenueOrderState::NotFound,
    cum_qty: Maybe::NONE,
    avg_price: Maybe::NONE,
};
