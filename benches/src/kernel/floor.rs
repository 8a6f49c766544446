//! The floor: the least code that still does a kernel's work for one instrument and one order at a time.
//!
//! It checks what an engine has to check (fresh and sane quote, halt by drawdown, price collar, notional and
//! position caps, order rate, stage, a free row for the order), books fills once, by volume-weighted entry and
//! with fees, and marks the position with every quote. It has no journal, no records, no stamps, no settings, no
//! venue that lags or lies: nobody could trade with it. It only says what the processor needs.

use pinion_core::units::Price;

/// Raw units of one.
const ONE: i64 = Price::ONE.raw();
/// Rows of orders and remembered fills, a power of two.
const ROWS: usize = 64;
/// Orders that may leave at once, and one more every [`TOKEN_NS`].
const TOKENS_MAX: i64 = 1_000;
const TOKEN_NS: i64 = 100_000;
const COLLAR_BPS: i64 = 50;
const POSITION_MAX: i64 = 100 * ONE;
const NOTIONAL_MAX: i64 = 5_000_000 * ONE;
const CAPITAL: i64 = 1_000_000 * ONE;

/// A top of book in raw units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Best bid.
    pub bid: i64,
    /// Best ask.
    pub ask: i64,
    /// Time of it.
    pub ts_ns: i64,
}

/// An order on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// Our identity of it.
    pub id: u64,
    /// Limit price.
    pub price: i64,
    /// Positive buys, negative sells.
    pub signed_qty: i64,
    /// Time of the quote that caused it.
    pub ts_ns: i64,
}

/// A fill as the venue tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Our identity of the order.
    pub order: u64,
    /// The venue's identity of the fill.
    pub trade: u64,
    /// Price.
    pub price: i64,
    /// Quantity.
    pub qty: i64,
    /// Fee; positive is a cost.
    pub fee: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Flat,
    Entering,
    Held,
    Leaving,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Over,
    Sent,
    Working,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    id: u64,
    venue_id: u64,
    signed_qty: i64,
    filled: i64,
    state: State,
}

/// The floor kernel. Owner: its bench.
#[derive(Debug)]
pub struct FloorKernel {
    stage: Stage,
    position: i64,
    entry: i64,
    mid: i64,
    last_ns: i64,
    capital: i64,
    fees: i64,
    unrealized: i64,
    peak: i64,
    halted: bool,
    quotes: u64,
    order_every: u64,
    orders: u64,
    refused: u64,
    tokens: i64,
    token_ns: i64,
    rows: [Row; ROWS],
    trades: [u64; ROWS],
    booked: usize,
}

impl FloorKernel {
    /// Flat; wants an order at every `order_every`-th quote.
    #[must_use]
    pub const fn new(order_every: u64) -> Self {
        let over = Row { id: 0, venue_id: 0, signed_qty: 0, filled: 0, state: State::Over };
        Self {
            stage: Stage::Flat,
            position: 0,
            entry: 0,
            mid: 0,
            last_ns: 0,
            capital: CAPITAL,
            fees: 0,
            unrealized: 0,
            peak: CAPITAL,
            halted: false,
            quotes: 0,
            order_every,
            orders: 0,
            refused: 0,
            tokens: TOKENS_MAX,
            token_ns: 0,
            rows: [over; ROWS],
            trades: [0; ROWS],
            booked: 0,
        }
    }

    /// A quote; the order that it causes.
    #[inline(never)]
    pub fn on_quote(&mut self, quote: &Quote, qty: i64) -> Option<Command> {
        if quote.bid <= 0 || quote.ask < quote.bid || quote.ts_ns < self.last_ns {
            self.refused += 1;
            return None;
        }
        self.last_ns = quote.ts_ns;
        self.mid = quote.bid + (quote.ask - quote.bid) / 2;
        self.quotes += 1;
        self.unrealized = product(self.position, self.mid - self.entry);
        let equity = self.capital - self.fees + self.unrealized;
        self.peak = self.peak.max(equity);
        self.halted |= self.peak - equity > self.peak / 2;
        if !self.quotes.is_multiple_of(self.order_every) {
            return None;
        }
        self.order(quote, qty)
    }

    fn order(&mut self, quote: &Quote, qty: i64) -> Option<Command> {
        let (signed_qty, price, next) = match self.stage {
            Stage::Flat => (qty, quote.ask, Stage::Entering),
            Stage::Held => (-self.position, quote.bid, Stage::Leaving),
            Stage::Entering | Stage::Leaving => return self.refuse(),
        };
        let passed = quote.ts_ns - self.token_ns;
        if passed >= TOKEN_NS {
            self.tokens = (self.tokens + passed / TOKEN_NS).min(TOKENS_MAX);
            self.token_ns = quote.ts_ns;
        }
        let id = self.orders + 1;
        let place = id as usize % ROWS;
        let allowed = !self.halted
            && (price - self.mid).abs() * 10_000 <= self.mid.saturating_mul(COLLAR_BPS)
            && (self.position + signed_qty).abs() <= POSITION_MAX
            && product(price, signed_qty).abs() <= NOTIONAL_MAX
            && self.tokens > 0
            && self.rows[place].state == State::Over;
        if !allowed {
            return self.refuse();
        }
        self.tokens -= 1;
        self.orders = id;
        self.rows[place] = Row { id, venue_id: 0, signed_qty, filled: 0, state: State::Sent };
        self.stage = next;
        Some(Command { id, price, signed_qty, ts_ns: quote.ts_ns })
    }

    const fn refuse(&mut self) -> Option<Command> {
        self.refused += 1;
        None
    }

    /// The venue has the order.
    #[inline(never)]
    pub fn on_ack(&mut self, order: u64, venue_id: u64) {
        let row = &mut self.rows[order as usize % ROWS];
        if row.id == order && row.state == State::Sent {
            row.state = State::Working;
            row.venue_id = venue_id;
        } else {
            self.refused += 1;
        }
    }

    /// The venue has filled the order, or some of it.
    #[inline(never)]
    pub fn on_fill(&mut self, fill: &Fill) {
        if self.trades.contains(&fill.trade) {
            return;
        }
        self.trades[self.booked % ROWS] = fill.trade;
        self.booked += 1;
        let row = &mut self.rows[fill.order as usize % ROWS];
        let known = row.id == fill.order && row.state != State::Over;
        if !known || row.filled + fill.qty > row.signed_qty.abs() {
            self.refused += 1;
            return;
        }
        row.filled += fill.qty;
        let is_over = row.filled == row.signed_qty.abs();
        if is_over {
            row.state = State::Over;
        }
        self.fees += fill.fee;
        let moved = fill.qty * row.signed_qty.signum();
        if self.position == 0 || (self.position > 0) == (moved > 0) {
            let position = self.position + moved;
            let cost = i128::from(self.entry) * i128::from(self.position.abs())
                + i128::from(fill.price) * i128::from(fill.qty);
            self.entry = narrowed(cost / i128::from(position.abs()));
            self.position = position;
        } else {
            let closed = fill.qty.min(self.position.abs()) * self.position.signum();
            self.capital += product(closed, fill.price - self.entry);
            self.position += moved;
        }
        if is_over {
            self.stage = if self.position == 0 { Stage::Flat } else { Stage::Held };
        }
    }

    /// Orders, and what was refused.
    #[must_use]
    pub const fn counts(&self) -> (u64, u64) {
        (self.orders, self.refused)
    }

    /// Capital less fees.
    #[must_use]
    pub const fn net(&self) -> i64 {
        self.capital - self.fees
    }
}

/// The product of two raw values, as one.
fn product(a: i64, b: i64) -> i64 {
    narrowed(i128::from(a) * i128::from(b) / i128::from(ONE))
}

/// Within the range for every value of this workload.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the workload's values are far below the range"
)]
const fn narrowed(value: i128) -> i64 {
    value as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const QTY: i64 = ONE / 10;

    #[test]
    fn a_round_trip_books_its_result_and_its_fees_once() {
        let mut kernel = FloorKernel::new(1);
        let quote = |bid: i64, ts_ns| Quote { bid: bid * ONE, ask: (bid + 1) * ONE, ts_ns };
        let entry = kernel.on_quote(&quote(100, 1), QTY).expect("an order");
        assert_eq!((entry.price, entry.signed_qty), (101 * ONE, QTY));
        assert_eq!(kernel.on_quote(&quote(100, 2), QTY), None, "one at a time");
        kernel.on_ack(entry.id, 9);
        let fill = Fill { order: entry.id, trade: 1, price: entry.price, qty: QTY, fee: 5 };
        kernel.on_fill(&fill);
        kernel.on_fill(&fill);
        let exit = kernel.on_quote(&quote(110, 3), QTY).expect("an order");
        assert_eq!((exit.price, exit.signed_qty), (110 * ONE, -QTY));
        kernel.on_ack(exit.id, 10);
        kernel.on_fill(&Fill { order: exit.id, trade: 2, price: exit.price, qty: QTY, fee: 5 });
        assert_eq!(kernel.net(), CAPITAL + 9 * QTY - 10);
        assert_eq!(kernel.counts(), (2, 1));
        assert_eq!(kernel.on_quote(&quote(100, 2), QTY), None, "older than the last");
    }
}
