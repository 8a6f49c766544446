//! What happens to the account without an order of ours: others trade on it, the venue closes by force.

use pinion_core::id::{InstrumentId, TextId};
use pinion_core::msg::venue::{ForcedCause, VenueOrderState};
use pinion_core::msg::{ClientRef, Maybe, PositionSide, VenueEvent};
use pinion_core::units::{Money, Nanos, Price, Qty};

use super::PaperVenue;
use super::account::AccountFill;
use super::market::worse;
use super::matching::fill_id;
use super::truth::{Owner, Truth};

/// Numbers of other people's order ids start above this.
const FOREIGN_ID_BASE: u64 = 2_000_000_000_000_000_000;

/// A trade that no order of ours made, at the price of the moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outside {
    pub(super) instrument: InstrumentId,
    pub(super) side: PositionSide,
    pub(super) reduces: bool,
    /// At most the position when it reduces.
    pub(super) qty: Qty,
}

impl PaperVenue {
    /// Somebody else trades on the account. By hand there is no client id, a program has one that is not
    /// ours. False, and nothing happened, without a price or when there is nothing to reduce.
    pub(super) fn trade_foreign(&mut self, at: Nanos, trade: Outside, by_hand: bool) -> bool {
        let Some((fill, number)) = self.book_outside(at, trade, Owner::Foreign) else {
            return false;
        };
        let event = VenueEvent::Fill {
            venue_id: TextId::from_number(FOREIGN_ID_BASE + number),
            fill_id: fill_id(number),
            qty: fill.qty,
            price: fill.price,
            fee: Maybe::some(-fill.fee),
            cum_qty: Maybe::some(fill.qty),
            side: Some(if trade.reduces {
                trade.side.exit_side()
            } else {
                trade.side.entry_side()
            }),
            is_maker: Some(false),
        };
        let client = if by_hand { ClientRef::Absent } else { ClientRef::Foreign };
        self.tell(at, client, Some(trade.instrument), event);
        self.after_outside(at, trade);
        true
    }

    /// The venue closes (a part of) a position by an order of its own. False as for
    /// [`Self::trade_foreign`].
    pub(super) fn close_by_force(&mut self, at: Nanos, trade: Outside, cause: ForcedCause) -> bool {
        let Some((fill, number)) = self.book_outside(at, trade, Owner::Venue) else {
            return false;
        };
        let event = VenueEvent::Forced {
            side: trade.side,
            fill_id: fill_id(number),
            qty: fill.qty,
            price: fill.price,
            fee: Maybe::some(-fill.fee),
            cause,
        };
        self.tell(at, ClientRef::Absent, Some(trade.instrument), event);
        self.after_outside(at, trade);
        true
    }

    /// Money comes in, or goes out.
    pub(super) fn move_money(&mut self, at: Nanos, amount: Money) {
        self.account.transfer(amount);
        self.note(|| Truth::Transfer { at, amount });
        self.tell(at, ClientRef::Absent, None, VenueEvent::Transfer { amount });
        self.push_balance(at);
    }

    /// Liquidates when equity is at or below the maintenance margin: every order expires, every position is
    /// closed whole at the worse of fair price and touch, for the taker fee. What is missing then is the
    /// account's debt: the wallet may end below zero.
    pub(super) fn liquidate_if_used_up(&mut self, at: Nanos) {
        let margin = self.margin();
        if margin.equity > margin.maint {
            return;
        }
        for index in 0..self.orders.live.len() {
            if self.orders.live[index].end.is_none() {
                self.finish(at, index, VenueOrderState::Expired);
            }
        }
        self.retire_done();
        let mut index = 0;
        while let Some(position) = self.account.positions.get(index).copied() {
            let whole = Outside {
                instrument: position.instrument,
                side: position.side,
                reduces: true,
                qty: position.qty,
            };
            // Without a price it stays until there is one.
            if !self.close_by_force(at, whole, ForcedCause::Liquidation) {
                index += 1;
            }
        }
        self.wake = self.earliest().0;
    }

    fn book_outside(
        &mut self,
        at: Nanos,
        trade: Outside,
        owner: Owner,
    ) -> Option<(OutsideFill, u64)> {
        let Outside { instrument, side, reduces, qty } = trade;
        let market = self.markets.get(instrument.index())?;
        let taker = if reduces { side.exit_side() } else { side.entry_side() };
        let fair = market.fair()?;
        let price = market.touch(taker).map_or(fair, |touch| worse(taker, touch, fair));
        let held = self.account.position_qty(instrument, side);
        let qty = if reduces { qty.min(held) } else { qty };
        let notional = price.notional(qty).filter(|_| qty.is_positive() && price.is_positive())?;
        let fee = notional.times(self.rules.taker_rate)?;
        let funding_due = self.funding_after(at, instrument);
        let fill =
            AccountFill { instrument, side, reduces, owner, qty, notional, fee, funding_due };
        self.account.apply(&fill);
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
            is_maker: false,
        });
        Some((OutsideFill { qty, price, fee }, number))
    }

    fn after_outside(&mut self, at: Nanos, trade: Outside) {
        if trade.reduces {
            self.expire_idle_reducers(at, trade.instrument, trade.side);
            self.retire_done();
        }
        self.push_balance(at);
        self.wake = self.earliest().0;
    }
}

/// What an outside trade came to.
#[derive(Clone, Copy)]
struct OutsideFill {
    qty: Qty,
    price: Price,
    /// Positive is a cost.
    fee: Money,
}
