//! What the venue says about the account, and the line that shows the books.

use crate::id::InstrumentId;
use crate::kernel::adopt::held_by;
use crate::kernel::facts::{BalanceFrame, Probe};
use crate::kernel::flows::Flow;
use crate::kernel::ledger::Entry;
use crate::kernel::reconcile::{self, Evidence};
use crate::kernel::{Code, Effects, Kernel, Verdict};
use crate::msg::record::ReconcileState;
use crate::msg::{Maybe, Record, VenueEvent, VenueMsg};
use crate::settings::Settings;
use crate::units::{Money, Nanos};

impl Kernel {
    pub(super) fn on_account(
        &mut self,
        now: Nanos,
        message: &VenueMsg,
        settings: &Settings,
        out: &mut Effects,
    ) -> Verdict {
        match message.event {
            VenueEvent::Balance { wallet, available, used, maint } => {
                let frame = BalanceFrame {
                    wallet: wallet.get(),
                    available: available.get(),
                    used: used.get(),
                    maint: maint.get(),
                };
                self.on_balance(now, venue_time(message), frame, settings, out)
            }
            VenueEvent::Funding { amount, .. } => {
                let flow = Flow::funding(message, amount);
                if self.flows.knows(&flow) {
                    return Verdict::refused(Code::DuplicateEvent);
                }
                self.on_funding(message.instrument, flow, out)
            }
            VenueEvent::Transfer { amount } => {
                let flow = Flow::transfer(message, amount);
                if self.flows.knows(&flow) {
                    return Verdict::refused(Code::DuplicateEvent);
                }
                let mut ledger = self.ledger;
                let entry = Entry { transfers: amount, ..Entry::default() };
                if ledger.book(entry).is_err() {
                    return self.overflow(out);
                }
                self.ledger = ledger;
                self.flows.keep(flow);
                out.record(self.account_record());
                Verdict::OK
            }
            VenueEvent::Position { side, qty, entry_price } => {
                self.facts.row(message.instrument, side, qty, entry_price.get());
                Verdict::OK
            }
            VenueEvent::PositionsEnd { ok, rows, revision } => {
                self.on_positions_end(now, ok, rows, revision, out)
            }
            VenueEvent::Ack { .. }
            | VenueEvent::Reject { .. }
            | VenueEvent::Ambiguous
            | VenueEvent::Fill { .. }
            | VenueEvent::FeeSettled { .. }
            | VenueEvent::Forced { .. }
            | VenueEvent::Canceled { .. }
            | VenueEvent::CancelRejected { .. }
            | VenueEvent::Expired { .. }
            | VenueEvent::OrderStatus { .. }
            | VenueEvent::OpenOrder { .. }
            | VenueEvent::OpenOrdersEnd { .. } => Verdict::refused(Code::Violation),
        }
    }

    fn overflow(&mut self, out: &mut Effects) -> Verdict {
        self.fault("a sum of money left its range", out);
        Verdict::refused(Code::Violation)
    }

    /// Takes in the balance; then, with no order open and nothing booked that the venue did later,
    /// measures K − E, writes it down, and freezes or thaws by it. The books stay as they are.
    fn on_balance(
        &mut self,
        now: Nanos,
        venue_ns: Option<Nanos>,
        frame: BalanceFrame,
        settings: &Settings,
        out: &mut Effects,
    ) -> Verdict {
        let is_current = !self.bookings.are_after(venue_ns);
        let capital = self.ledger.capital();
        let told = self.facts.balance(now, capital, is_current, frame);
        if told.is_some() {
            self.balance_recovers(out);
        }
        let Some(wallet) = told.filter(|_| is_current && self.live_orders().next().is_none())
        else {
            return Verdict::OK;
        };
        if planted!(L02BooksReseeded) {
            let adjustments = wallet.checked_sub(capital).unwrap_or_default();
            let _booked = self.ledger.book(Entry { adjustments, ..Entry::default() });
        }
        let capital = self.ledger.capital();
        let window_ns = settings.guard_hot_window_ns;
        let was_presumed = self.presumed_ns.get().is_some_and(|at| now.since(at) < window_ns);
        let evidence = Evidence {
            now,
            capital,
            wallet,
            range: self.capital_range(),
            revision: self.revision,
            is_doubtful: was_presumed
                || self.facts.shows_strange_position()
                || self.bookings.explain(now, wallet, window_ns),
            confirm_ns: settings.guard_reconcile_confirm_ns,
        };
        self.compare(&evidence, out);
        if self.facts.reconcile() != ReconcileState::Error && !self.facts.is_unconfirmed() {
            self.balance_agrees(out);
        }
        Verdict::OK
    }

    /// Measures K − E, and writes down what changed by it.
    pub(super) fn compare(&mut self, evidence: &Evidence, out: &mut Effects) {
        let before = (self.facts.delta(), self.facts.reconcile());
        self.facts.measure(evidence);
        let after = (self.facts.delta(), self.facts.reconcile());
        if after != before {
            out.record(self.account_record());
        }
        match (before.1, after.1) {
            (ReconcileState::Ok | ReconcileState::Warn, ReconcileState::Error) => {
                out.record(Record::Halt { reason: "reconcile" });
            }
            (ReconcileState::Error, ReconcileState::Ok | ReconcileState::Warn) => {
                out.record(Record::Resume { reason: "reconcile" });
            }
            (
                ReconcileState::Ok | ReconcileState::Warn,
                ReconcileState::Ok | ReconcileState::Warn,
            )
            | (ReconcileState::Error, ReconcileState::Error) => {}
        }
    }

    /// Our capital as any order of the fills of what is open could have made it: lowest and highest.
    fn capital_range(&self) -> (Money, Money) {
        let capital = self.ledger.capital();
        let open = self.slots.iter().filter(|slot| slot.is_open());
        let range = open.map(|slot| reconcile::slack(&slot.position)).try_fold(
            (capital, capital),
            |(low, high), slack| {
                let (less, more) = slack?;
                Some((low.checked_add(less)?, high.checked_add(more)?))
            },
        );
        range.unwrap_or((capital, capital))
    }

    /// Notes what a message of the venue did to our capital, now or later: a fill may wait for the
    /// acknowledgement that names it, a fee for its fill.
    pub(super) fn note_booking(
        &mut self,
        now: Nanos,
        message: &VenueMsg,
        before: Money,
        settings: &Settings,
    ) {
        if matches!(message.event, VenueEvent::Fill { .. } | VenueEvent::FeeSettled { .. }) {
            self.bookings.hear(venue_time(message));
        }
        let capital = (before, self.ledger.capital());
        if capital.0 != capital.1 {
            self.bookings.hear(venue_time(message));
            self.bookings.note(now, capital, settings.guard_hot_window_ns);
            self.facts.outlive_wallet();
        }
    }

    /// Books funding, also to the round trip that holds the asset (the only one open, where the venue
    /// does not say the asset).
    fn on_funding(
        &mut self,
        instrument: Option<InstrumentId>,
        flow: Flow,
        out: &mut Effects,
    ) -> Verdict {
        let holder = {
            let mut open = self.slots.iter().enumerate().filter(|(_, slot)| {
                slot.is_open() && instrument.is_none_or(|id| id == slot.instrument)
            });
            match (open.next(), open.next()) {
                (Some((index, _)), None) => Some(index),
                (None | Some(_), _) => None,
            }
        };
        let mut ledger = self.ledger;
        let booked = Money::ZERO.checked_sub(flow.amount()).and_then(|paid| {
            ledger.book(Entry { funding: paid, ..Entry::default() }).ok()?;
            match holder {
                Some(index) => self.slots[index].position.funding.checked_add(paid).map(Some),
                None => Some(None),
            }
        });
        let Some(trade_funding) = booked else { return self.overflow(out) };
        self.ledger = ledger;
        self.flows.keep(flow);
        self.follow();
        if let (Some(index), Some(funding)) = (holder, trade_funding) {
            self.slots[index].position.funding = funding;
        }
        out.record(self.account_record());
        Verdict::OK
    }

    fn on_positions_end(
        &mut self,
        now: Nanos,
        ok: bool,
        rows: u32,
        revision: u64,
        out: &mut Effects,
    ) -> Verdict {
        let is_current = revision == self.revision || planted!(X14StaleBelieved);
        if planted!(L01FailedIsRecovered) && !ok {
            self.recovery.positions_seen();
        }
        let slots = &self.slots;
        self.facts.positions_end(now, ok, rows, is_current, |asset| held_by(slots, asset));
        if is_current && self.facts.probe() == Probe::Seen(now) {
            self.on_positions(now, out);
        }
        if ok && !is_current {
            return Verdict::refused(Code::StaleStateReconciling);
        }
        Verdict::OK
    }

    /// Follows the equity after the books changed without a price.
    pub(super) fn follow(&mut self) {
        if let Some(equity) = self.equity() {
            self.ledger.follow(equity);
        }
    }

    /// The books as a line.
    #[must_use]
    pub fn account_record(&self) -> Record {
        Record::Account {
            capital: self.ledger.capital(),
            equity: self.equity().into(),
            available: self.available().into(),
            realized_pnl: self.ledger.realized(),
            unrealized_pnl: Maybe::from(self.unrealized()),
            fees_paid: self.ledger.fees(),
            funding_paid: self.ledger.funding(),
            transfers: self.ledger.transfers(),
            adjustments: self.ledger.adjustments(),
            max_drawdown: self.ledger.max_drawdown(),
            delta: self.facts.delta().into(),
            fee_ratio_taker: self.fee_model.side(false).ratio(),
            fee_ratio_maker: self.fee_model.side(true).ratio(),
            open_positions: self.open_positions(),
            reconcile: self.facts.reconcile(),
            frozen: self.is_frozen(),
        }
    }
}

/// When the venue made a message, by its clock; never later than we had it.
fn venue_time(message: &VenueMsg) -> Option<Nanos> {
    message.ts_exch_ns.get().map(|at| at.min(message.ts_recv_ns))
}
