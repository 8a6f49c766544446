//! What really happened at a simulated venue, told by the venue, counted independently of the engine.
//!
//! [`Oracle`] is fed with [`Event`]s of the venue's side and holds positions by owner, cash flow, fees,
//! funding, transfers and every order. It shares no code with the engine and has no dependency, so that
//! an error in a common formula cannot hide: results are counted by **cash flow** (what was received for
//! what was sold, less what was paid for what was bought), never by an average price. Everything is an
//! integer with eight decimals; a notional is rounded once, half to even.
//!
//! A [`Breach`] is a fact that must never be: it names the check that found it.

mod compare;
mod orders;
mod rules;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

pub use compare::{Books, Holding};
pub use orders::OrderFact;
pub use rules::{Instrument, Rules, notional as rules_notional};

/// One, in every quantity and every amount.
pub const SCALE: i128 = 100_000_000;

/// Identity of an order of ours: the run that sent it, and its number there.
pub type OrderId = (u32, u32);

/// Whose doing a fill is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// An order of ours.
    Ours(OrderId),
    /// Somebody else who uses the account, or the operator by hand.
    Foreign,
    /// The venue itself: liquidation, auto-deleveraging.
    Venue,
}

/// What the venue did. Times are nanoseconds, all other numbers have eight decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// An order of ours was accepted.
    Accepted {
        /// When.
        at: i64,
        /// When it left our machine.
        sent: i64,
        /// Which.
        order: OrderId,
        /// Index of the instrument in [`Rules::instruments`].
        instrument: usize,
        /// For the long position, else for the short one.
        is_long: bool,
        /// Buys, else sells.
        buys: bool,
        /// May never increase a position.
        reduce_only: bool,
        /// Quantity.
        qty: i64,
        /// Limit price, for a limit order.
        limit: Option<i64>,
    },
    /// An order of ours was refused.
    Refused {
        /// When.
        at: i64,
        /// Which.
        order: OrderId,
    },
    /// A fill.
    Fill {
        /// When.
        at: i64,
        /// The venue's number of it, rising.
        number: u64,
        /// Whose.
        owner: Owner,
        /// Where.
        instrument: usize,
        /// Of the long position, else of the short one.
        is_long: bool,
        /// Reduces it, else adds to it.
        reduces: bool,
        /// Quantity, positive.
        qty: i64,
        /// Price.
        price: i64,
        /// What the venue booked as price × quantity.
        notional: i64,
        /// Positive is a cost.
        fee: i64,
    },
    /// An order of ours ended other than by its last fill, or with it.
    Ended {
        /// When.
        at: i64,
        /// Which.
        order: OrderId,
        /// Filled in total.
        cum_qty: i64,
    },
    /// Funding was exchanged.
    Funding {
        /// When.
        at: i64,
        /// The part on positions of ours; positive was received.
        ours: i64,
        /// All of it.
        amount: i64,
    },
    /// A deposit, or a withdrawal when negative.
    Transfer {
        /// When.
        at: i64,
        /// How much.
        amount: i64,
    },
    /// The engine took over what the account holds, as it does at a start: the whole position is ours from
    /// now on, whoever opened it.
    Adopted {
        /// Where.
        instrument: usize,
        /// The long position, else the short one.
        is_long: bool,
        /// What the engine holds by it.
        qty: i64,
    },
    /// The engine started without (the end of) its memory. What it held or had sent may be nobody's now.
    Forgotten {
        /// The run that starts; what earlier ones sent it may not know.
        run: u32,
    },
    /// The operator pulled the kill switch.
    Killed {
        /// From when on nothing that increases may leave.
        at: i64,
    },
    /// The operator undid it.
    Resumed {
        /// When.
        at: i64,
    },
}

/// Something that must never be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Name of the check.
    pub check: &'static str,
    /// What was found and what was expected.
    pub what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.what)
    }
}

/// A breach, in one line.
pub(crate) fn breach(check: &'static str, what: String) -> Result<(), Breach> {
    Err(Breach { check, what })
}

/// One position as the owner of it has it, since it was last flat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trip {
    /// What remains.
    pub qty: i64,
    /// Sum of the entry fills.
    pub entered: i64,
    /// Their notional.
    pub entry_notional: i128,
    /// Notional of the exit fills.
    pub exit_notional: i128,
    /// Fees of its fills; positive is a cost.
    pub fees: i128,
    /// Time of the last exit fill, and what exits closed shortly before it, itself included.
    pub last_exit: i64,
    /// See `last_exit`.
    pub last_exits: i64,
    /// Something other than our orders reduced it, or the engine took over more than there was.
    pub is_disturbed: bool,
    /// When that was last; an entry order sent before it belongs to the same trip.
    pub disturbed: i64,
    /// The engine lost the memory of it and has not taken it over again.
    pub is_forgotten: bool,
    /// The engine lost the memory of what became of it, and may believe in more than is there until it has
    /// been seen to know better.
    pub is_uncertain: bool,
}

/// The account's history. Owner: a simulation.
#[derive(Clone, Debug)]
pub struct Oracle {
    rules: Rules,
    orders: BTreeMap<OrderId, OrderFact>,
    live: Vec<OrderId>,
    /// Ours and theirs, by instrument and side: index × 2 + long.
    ours: Vec<Trip>,
    theirs: Vec<i64>,
    /// Price of the last fill by instrument.
    last_price: Vec<i64>,
    cash: i128,
    fees: i128,
    funding: i128,
    funding_all: i128,
    transfers: i128,
    foreign_fees: i128,
    foreign_cash: i128,
    fills: u64,
    last_number: u64,
    last_activity: i64,
    /// From when, and until when, nothing that increases may leave.
    kills: Vec<(i64, Option<i64>)>,
    /// Orders of earlier runs may be unknown to the engine.
    forgotten_before: u32,
    outside: u64,
}

impl Oracle {
    /// A flat account.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        let places = rules.instruments.len() * 2;
        Self {
            orders: BTreeMap::new(),
            live: Vec::new(),
            ours: vec![Trip::default(); places],
            theirs: vec![0; places],
            last_price: vec![0; rules.instruments.len()],
            rules,
            cash: 0,
            fees: 0,
            funding: 0,
            funding_all: 0,
            transfers: 0,
            foreign_fees: 0,
            foreign_cash: 0,
            fills: 0,
            last_number: 0,
            last_activity: i64::MIN,
            kills: Vec::new(),
            forgotten_before: 0,
            outside: 0,
        }
    }

    /// Takes in what the venue did.
    ///
    /// # Errors
    /// A [`Breach`]; the event is counted all the same.
    pub fn tell(&mut self, event: &Event) -> Result<(), Breach> {
        match *event {
            Event::Accepted { .. } => self.accepted(event),
            Event::Refused { at, order } => self.refused(at, order),
            Event::Fill { .. } => self.fill(event),
            Event::Ended { at, order, cum_qty } => self.ended(at, order, cum_qty),
            Event::Funding { at, ours, amount } => {
                self.last_activity = self.last_activity.max(at);
                self.funding += i128::from(ours);
                self.funding_all += i128::from(amount);
                Ok(())
            }
            Event::Transfer { at, amount } => {
                self.last_activity = self.last_activity.max(at);
                self.transfers += i128::from(amount);
                Ok(())
            }
            Event::Adopted { instrument, is_long, qty } => {
                self.adopted(place(instrument, is_long), qty);
                Ok(())
            }
            Event::Forgotten { run } => {
                self.forgotten_before = run;
                for trip in &mut self.ours {
                    trip.is_forgotten |= trip.qty > 0;
                    trip.is_uncertain = true;
                }
                Ok(())
            }
            Event::Killed { at } => {
                if self.kills.last().is_none_or(|(_, until)| until.is_some()) {
                    self.kills.push((at, None));
                }
                Ok(())
            }
            Event::Resumed { at } => {
                if let Some((_, until @ None)) = self.kills.last_mut() {
                    *until = Some(at);
                }
                Ok(())
            }
        }
    }

    /// Our position of an instrument and side.
    #[must_use]
    pub fn own(&self, instrument: usize, is_long: bool) -> &Trip {
        &self.ours[place(instrument, is_long)]
    }

    /// Somebody else's quantity of the same.
    #[must_use]
    pub fn foreign(&self, instrument: usize, is_long: bool) -> i64 {
        self.theirs[place(instrument, is_long)]
    }

    /// True when no position of ours is open.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.ours.iter().all(|trip| trip.qty == 0)
    }

    /// Orders of ours that the venue works.
    #[must_use]
    pub fn live_orders(&self) -> &[OrderId] {
        &self.live
    }

    /// An order of ours.
    #[must_use]
    pub fn order(&self, order: OrderId) -> Option<&OrderFact> {
        self.orders.get(&order)
    }

    /// Received less paid by our fills; at flat, our gross result.
    #[must_use]
    pub const fn cash(&self) -> i128 {
        self.cash
    }

    /// Our fees; positive is a cost.
    #[must_use]
    pub const fn fees(&self) -> i128 {
        self.fees
    }

    /// Funding of the account and of our positions; positive was received.
    #[must_use]
    pub const fn funding(&self) -> (i128, i128) {
        (self.funding_all, self.funding)
    }

    /// Deposits less withdrawals.
    #[must_use]
    pub const fn transfers(&self) -> i128 {
        self.transfers
    }

    /// Our fills.
    #[must_use]
    pub const fn fills(&self) -> u64 {
        self.fills
    }

    /// Time of the last thing that changed our position, an order or the wallet.
    #[must_use]
    pub const fn last_activity(&self) -> i64 {
        self.last_activity
    }

    /// How often somebody else touched the account: fills that were not by orders of ours.
    #[must_use]
    pub const fn outside(&self) -> u64 {
        self.outside
    }

    /// What the wallet must hold while the account is wholly flat; `None` while any position is open.
    #[must_use]
    pub fn wallet(&self, starting: i64) -> Option<i128> {
        let is_flat = self.is_flat() && self.theirs.iter().all(|qty| *qty == 0);
        let costs = self.fees + self.foreign_fees - self.funding_all - self.transfers;
        is_flat.then(|| i128::from(starting) + self.cash + self.foreign_cash - costs)
    }

    fn fill(&mut self, event: &Event) -> Result<(), Breach> {
        let Event::Fill {
            at,
            number,
            owner,
            instrument,
            is_long,
            reduces,
            qty,
            price,
            notional,
            fee,
        } = *event
        else {
            return Ok(());
        };
        self.last_activity = self.last_activity.max(at);
        self.last_price[instrument] = price;
        let own_notional = rules::notional(price, qty);
        if number <= self.last_number {
            return breach("V_fill_number", format!("fill {number} after {}", self.last_number));
        }
        self.last_number = number;
        // A short position sells to enter, a long one to leave.
        let received =
            if is_long == reduces { i128::from(notional) } else { -i128::from(notional) };
        match owner {
            Owner::Ours(order) => {
                self.cash += received;
                self.fees += i128::from(fee);
                self.fills += 1;
                self.own_fill(order, event)?;
            }
            Owner::Venue | Owner::Foreign => {
                self.outside += 1;
                self.foreign_fees += i128::from(fee);
                self.foreign_cash += received;
                self.outside_fill(
                    at,
                    owner,
                    place(instrument, is_long),
                    if reduces { -qty } else { qty },
                );
            }
        }
        if own_notional != i128::from(notional) {
            let what = format!("fill {number}: {price} × {qty} is {own_notional}, not {notional}");
            return breach("V_notional", what);
        }
        Ok(())
    }

    /// What the engine believes to hold is ours as far as the account holds it. It may believe in more than is
    /// there, by a view that was old already: then nobody could know better for a while.
    fn adopted(&mut self, at: usize, qty: i64) {
        let trip = &mut self.ours[at];
        let taken = (qty - trip.qty).clamp(0, self.theirs[at].max(0));
        if trip.qty == 0 {
            *trip = Trip::default();
        }
        trip.qty += taken;
        trip.entered += taken;
        trip.is_disturbed |= qty > trip.qty;
        trip.is_forgotten &= qty < trip.qty;
        self.theirs[at] -= taken;
    }

    /// What somebody else added or took: theirs first, then ours; the venue takes ours first.
    fn outside_fill(&mut self, when: i64, owner: Owner, at: usize, delta: i64) {
        if delta >= 0 {
            self.theirs[at] += delta;
            return;
        }
        let wanted = -delta;
        let mine = match owner {
            Owner::Venue => wanted.min(self.ours[at].qty),
            Owner::Foreign | Owner::Ours(_) => wanted - wanted.min(self.theirs[at]),
        };
        self.theirs[at] -= wanted - mine;
        if mine > 0 {
            let trip = &mut self.ours[at];
            trip.qty -= mine;
            trip.is_disturbed = true;
            trip.disturbed = when;
        }
    }
}

/// Index of an instrument's long or short position.
pub(crate) const fn place(instrument: usize, is_long: bool) -> usize {
    instrument * 2 + is_long as usize
}
