//! The account: wallet, positions, margin. Exact fixed point, by cash flow.
//!
//! A position is its quantity and its cost, the sum of the entry fills' notionals. A reducing fill
//! releases the share of the cost that it closes; the fill that closes the position releases what is left.
//! So at flat the wallet has moved by exactly cash in − cash out − fees + funding, whatever was rounded
//! on the way.

use pinion_core::id::InstrumentId;
use pinion_core::msg::PositionSide;
use pinion_core::settings::Settings;
use pinion_core::units::{Money, Nanos, Price, Qty, Rate};

use super::truth::Owner;

/// Sums that saturate: a hostile price must not stop the venue.
pub(super) const fn plus(a: Money, b: Money) -> Money {
    Money::from_raw(a.raw().saturating_add(b.raw()))
}

pub(super) const fn minus(a: Money, b: Money) -> Money {
    Money::from_raw(a.raw().saturating_sub(b.raw()))
}

/// One open position. Long and short of one instrument are two positions (hedge mode).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Which instrument.
    pub instrument: InstrumentId,
    /// Direction.
    pub side: PositionSide,
    /// Quantity, positive.
    pub qty: Qty,
    /// The part of it that our own orders opened. What we or the venue close is ours first, what others
    /// close is theirs first.
    pub own: Qty,
    /// Notional at which it was opened.
    pub cost: Money,
    /// When it next exchanges funding.
    pub funding_due: Nanos,
}

impl Position {
    /// Average entry price, rounded half to even.
    #[must_use]
    pub fn entry_price(&self) -> Option<Price> {
        self.cost.per(self.qty)
    }

    pub(super) fn unrealized(&self, fair: Price) -> Option<Money> {
        let value = fair.notional(self.qty)?;
        Some(match self.side {
            PositionSide::Long => minus(value, self.cost),
            PositionSide::Short => minus(self.cost, value),
        })
    }
}

/// A fill as the account sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct AccountFill {
    pub(super) instrument: InstrumentId,
    pub(super) side: PositionSide,
    pub(super) reduces: bool,
    pub(super) owner: Owner,
    pub(super) qty: Qty,
    pub(super) notional: Money,
    /// Positive is a cost.
    pub(super) fee: Money,
    /// For a position that this fill opens.
    pub(super) funding_due: Nanos,
}

/// The paper account. Owner: the venue.
#[derive(Clone, Debug)]
pub struct Account {
    /// Starting capital plus realized, less fees, plus funding received, plus transfers.
    pub wallet: Money,
    /// Realized so far, before fees and funding.
    pub realized: Money,
    /// Fees so far; positive is a cost.
    pub fees: Money,
    /// Funding so far; positive was received.
    pub funding: Money,
    /// Deposits less withdrawals so far.
    pub transfers: Money,
    /// Initial margin is notional ÷ this, where a position has no leverage of its own.
    leverage: i64,
    /// Leverages that somebody set.
    leverages: Vec<(InstrumentId, PositionSide, i64)>,
    /// Maintenance margin is notional × this.
    maint_rate: Rate,
    pub(super) positions: Vec<Position>,
}

/// Margin at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Margin {
    /// Equity less what is used, at least zero.
    pub available: Money,
    /// Wallet plus unrealized.
    pub equity: Money,
    /// Initial margin of positions and opening orders.
    pub used: Money,
    /// Equity at or below this is liquidated.
    pub maint: Money,
}

/// What working orders that would open take of the margin.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reserved {
    /// Notional under the account's leverage.
    pub(super) notional: Money,
    /// Margin under leverages of their own.
    pub(super) margin: Money,
}

impl Account {
    pub(super) fn new(settings: &Settings, instruments: usize) -> Self {
        let capital = settings.account_starting_capital;
        Self {
            wallet: capital,
            realized: Money::ZERO,
            fees: Money::ZERO,
            funding: Money::ZERO,
            transfers: Money::ZERO,
            leverage: settings.paper_leverage,
            leverages: Vec::new(),
            maint_rate: settings.paper_maintenance_rate,
            positions: Vec::with_capacity(instruments * PositionSide::ALL.len()),
        }
    }

    pub(super) fn find(&self, instrument: InstrumentId, side: PositionSide) -> Option<usize> {
        self.positions.iter().position(|p| p.instrument == instrument && p.side == side)
    }

    /// Quantity of a position; zero when there is none.
    pub(super) fn position_qty(&self, instrument: InstrumentId, side: PositionSide) -> Qty {
        self.find(instrument, side).map_or(Qty::ZERO, |index| self.positions[index].qty)
    }

    /// Books a fill. A reducing fill is at most the position; the caller has seen to it.
    pub(super) fn apply(&mut self, fill: &AccountFill) {
        let found = self.find(fill.instrument, fill.side);
        let ours = matches!(fill.owner, Owner::Ours(_));
        if fill.reduces {
            if let Some(index) = found {
                self.reduce(index, fill);
            }
        } else if let Some(index) = found {
            let position = &mut self.positions[index];
            position.qty += fill.qty;
            position.own += if ours { fill.qty } else { Qty::ZERO };
            position.cost = plus(position.cost, fill.notional);
        } else {
            self.positions.push(Position {
                instrument: fill.instrument,
                side: fill.side,
                qty: fill.qty,
                own: if ours { fill.qty } else { Qty::ZERO },
                cost: fill.notional,
                funding_due: fill.funding_due,
            });
        }
        self.fees = plus(self.fees, fill.fee);
        self.wallet = minus(self.wallet, fill.fee);
    }

    fn reduce(&mut self, index: usize, fill: &AccountFill) {
        let position = &mut self.positions[index];
        let released = position.cost.share(fill.qty, position.qty).unwrap_or(position.cost);
        position.qty -= fill.qty;
        if !matches!(fill.owner, Owner::Foreign) {
            position.own = (position.own - fill.qty).max(Qty::ZERO);
        }
        position.own = position.own.min(position.qty);
        position.cost = minus(position.cost, released);
        let realized = match position.side {
            PositionSide::Long => minus(fill.notional, released),
            PositionSide::Short => minus(released, fill.notional),
        };
        if position.qty.is_zero() {
            self.positions.remove(index);
        }
        self.realized = plus(self.realized, realized);
        self.wallet = plus(self.wallet, realized);
    }

    /// Books a funding amount; negative was paid.
    pub(super) fn fund(&mut self, amount: Money) {
        self.funding = plus(self.funding, amount);
        self.wallet = plus(self.wallet, amount);
    }

    /// Books a deposit, or a withdrawal below zero.
    pub(super) fn transfer(&mut self, amount: Money) {
        self.transfers = plus(self.transfers, amount);
        self.wallet = plus(self.wallet, amount);
    }

    /// Margin with every position valued by `fair`; a position without a price counts at its cost.
    /// `reserved` is what working orders take that would open.
    pub(super) fn margin(
        &self,
        reserved: Reserved,
        fair: impl Fn(InstrumentId) -> Option<Price>,
    ) -> Margin {
        let mut unrealized = Money::ZERO;
        let mut opened = reserved.notional;
        let mut apart = reserved.margin;
        let mut value = Money::ZERO;
        for position in &self.positions {
            let gain = fair(position.instrument).and_then(|price| position.unrealized(price));
            let gain = gain.unwrap_or(Money::ZERO);
            unrealized = plus(unrealized, gain);
            match self.leverage_apart(position.instrument, position.side) {
                None => opened = plus(opened, position.cost),
                Some(leverage) => apart = plus(apart, divided(position.cost, leverage)),
            }
            value = plus(value, position.cost);
            value = match position.side {
                PositionSide::Long => plus(value, gain),
                PositionSide::Short => minus(value, gain),
            };
        }
        let used = plus(divided(opened, self.leverage), apart);
        let equity = plus(self.wallet, unrealized);
        Margin {
            available: minus(equity, used).max(Money::ZERO),
            equity,
            used,
            maint: value.times(self.maint_rate).unwrap_or(Money::MAX),
        }
    }

    /// Margin that a notional needs on a position.
    pub(super) fn initial_margin(
        &self,
        notional: Money,
        instrument: InstrumentId,
        side: PositionSide,
    ) -> Money {
        divided(notional, self.leverage(instrument, side))
    }

    /// Leverage of a position.
    #[must_use]
    pub fn leverage(&self, instrument: InstrumentId, side: PositionSide) -> i64 {
        self.leverage_apart(instrument, side).unwrap_or(self.leverage)
    }

    /// Leverage of a position where it is not the account's.
    pub(super) fn leverage_apart(
        &self,
        instrument: InstrumentId,
        side: PositionSide,
    ) -> Option<i64> {
        let mut set = self.leverages.iter();
        set.find(|row| (row.0, row.1) == (instrument, side)).map(|row| row.2)
    }

    pub(super) fn set_leverage(
        &mut self,
        instrument: InstrumentId,
        side: PositionSide,
        leverage: i64,
    ) {
        self.leverages.retain(|row| (row.0, row.1) != (instrument, side));
        self.leverages.push((instrument, side, leverage.max(1)));
    }
}

const fn divided(notional: Money, leverage: i64) -> Money {
    Money::from_raw(notional.raw() / leverage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pinion_core::id::ClientId;

    fn account(capital: Money) -> Account {
        let settings = Settings { account_starting_capital: capital, ..Settings::default() };
        Account::new(&settings, 1)
    }

    fn fill(reduces: bool, qty: i64, notional: i64) -> AccountFill {
        AccountFill {
            instrument: InstrumentId::new(0),
            side: PositionSide::Short,
            reduces,
            owner: Owner::Ours(ClientId::new(1, 1)),
            qty: Qty::from_raw(qty),
            notional: Money::from_raw(notional),
            fee: Money::from_raw(3),
            funding_due: Nanos::ZERO,
        }
    }

    #[test]
    fn closing_in_parts_releases_the_whole_cost() {
        let mut account = account(Money::from_raw(1_000));
        account.apply(&fill(false, 3, 100));
        account.apply(&fill(true, 1, 30));
        assert_eq!(account.positions[0].cost, Money::from_raw(67));
        assert_eq!(account.realized, Money::from_raw(3));
        account.apply(&fill(true, 1, 30));
        account.apply(&fill(true, 1, 30));
        assert_eq!(account.positions, []);
        assert_eq!(account.realized, Money::from_raw(10));
        assert_eq!(account.wallet, Money::from_raw(1_000 + 10 - 4 * 3));
    }

    #[test]
    fn we_and_the_venue_close_ours_first_others_close_theirs_first() {
        let mut account = account(Money::from_raw(1_000));
        let mut book = |owner, reduces, qty| {
            account.apply(&AccountFill { owner, ..fill(reduces, qty, 10 * qty) });
            account.positions.first().map(|position| position.own.raw())
        };
        let ours = Owner::Ours(ClientId::new(1, 1));
        assert_eq!(book(ours, false, 6), Some(6));
        assert_eq!(book(Owner::Foreign, false, 4), Some(6));
        assert_eq!(book(Owner::Foreign, true, 3), Some(6));
        assert_eq!(book(ours, true, 2), Some(4));
        assert_eq!(book(Owner::Venue, true, 1), Some(3));
        assert_eq!(book(Owner::Foreign, true, 2), Some(2));
        assert_eq!(book(Owner::Foreign, true, 2), None);
    }

    fn notional(whole: i64) -> Reserved {
        Reserved { notional: Money::from_whole(whole), margin: Money::ZERO }
    }

    #[test]
    fn a_leverage_of_its_own_changes_the_margin_of_that_position_alone() {
        let mut account = account(Money::from_whole(1_000));
        let mut entry = fill(false, Qty::ONE.raw(), Money::from_whole(200).raw());
        entry.fee = Money::ZERO;
        account.apply(&entry);
        let fair = |_: InstrumentId| -> Option<Price> { Some(Price::from_whole(200)) };
        account.set_leverage(InstrumentId::new(0), PositionSide::Long, 2);
        assert_eq!(account.margin(notional(0), fair).used, Money::from_whole(10));
        account.set_leverage(InstrumentId::new(0), PositionSide::Short, 2);
        assert_eq!(account.margin(notional(100), fair).used, Money::from_whole(105));
    }

    #[test]
    fn margin_counts_positions_orders_and_unrealized() {
        let mut account = account(Money::from_whole(1_000));
        let mut entry = fill(false, Qty::ONE.raw(), Money::from_whole(200).raw());
        entry.fee = Money::ZERO;
        account.apply(&entry);
        let at = |price| move |_: InstrumentId| -> Option<Price> { Some(Price::from_whole(price)) };
        let margin = account.margin(notional(100), at(150));
        assert_eq!(margin.used, Money::from_whole(15));
        assert_eq!(margin.available, Money::from_whole(1_000 + 50 - 15));
        assert_eq!(margin.maint, Money::parse(b"0.6").expect("decimal"));
        assert_eq!(account.margin(notional(0), at(5_000)).available, Money::ZERO);
    }
}
