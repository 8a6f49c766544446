//! The exchange's facts, E: balances and positions as the venue tells them, and the comparison with our
//! books.
//!
//! Only what a frame carried is taken: a wallet of zero beside other fields is the placeholder of a
//! margin-only frame, and no evidence. What the comparison means is in [`crate::kernel::reconcile`];
//! nothing here ever writes to the books.

use alloc::vec;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::engine::Damage;
use crate::id::InstrumentId;
use crate::kernel::reconcile::{Evidence, Reconcile};
use crate::msg::PositionSide;
use crate::msg::record::{BlockReason, ReanchorRefusal, ReconcileState};
use crate::settings::Settings;
use crate::units::{Money, Nanos, Price, Qty};

/// A position row as the venue showed it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Quantity held long.
    pub long: Qty,
    /// Quantity held short.
    pub short: Qty,
    /// Average entry price of the long position, where told.
    pub long_price: Option<Price>,
    /// The same of the short position.
    pub short_price: Option<Price>,
}

/// The last thing that is known about the venue's positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Probe {
    /// Nothing yet.
    None,
    /// The last probe failed, or lost rows.
    Failed,
    /// A whole snapshot, taken in at this time.
    Seen(Nanos),
}

/// A balance frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BalanceFrame {
    pub(super) wallet: Option<Money>,
    pub(super) available: Option<Money>,
    pub(super) used: Option<Money>,
    pub(super) maint: Option<Money>,
}

/// What the venue told. Owner: the kernel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Facts {
    wallet: Option<Money>,
    wallet_ns: Nanos,
    empty_wallet: bool,
    available: Option<Money>,
    used: Option<Money>,
    maint: Option<Money>,
    /// No fill was booked since the maintenance margin was told.
    is_maint_current: bool,
    /// Our capital when it was told.
    capital_then: Money,
    reconcile: Reconcile,
    /// Nothing was booked since the wallet was told.
    is_wallet_current: bool,
    probe: Probe,
    shown: Vec<Shown>,
    gathered: Vec<Shown>,
    gathered_rows: u32,
    gathered_strange: bool,
    /// The last whole snapshot had no row.
    lists_nothing: bool,
    /// The last whole snapshot had a row that no asset of ours can hold.
    unknown_asset: bool,
    strange: bool,
}

impl Facts {
    /// Allocates the tables.
    pub(super) fn new(instruments: usize) -> Self {
        Self {
            wallet: None,
            wallet_ns: Nanos::ZERO,
            empty_wallet: false,
            available: None,
            used: None,
            maint: None,
            is_maint_current: false,
            capital_then: Money::ZERO,
            reconcile: Reconcile::NEW,
            is_wallet_current: false,
            probe: Probe::None,
            shown: vec![Shown::default(); instruments],
            gathered: vec![Shown::default(); instruments],
            gathered_rows: 0,
            gathered_strange: false,
            lists_nothing: false,
            unknown_asset: false,
            strange: false,
        }
    }

    /// Read back with so many instruments; makes room for `len`.
    pub(super) fn restored(&mut self, instruments: usize, len: usize) -> Result<(), Damage> {
        Damage::unless(
            self.shown.len() == instruments && self.gathered.len() == instruments,
            "venue positions",
            None,
            "one row per instrument",
        )?;
        self.shown.resize(len.max(instruments), Shown::default());
        self.gathered.resize(len.max(instruments), Shown::default());
        Ok(())
    }

    /// Takes in a balance frame; the wallet, when it said what that holds. `capital` is ours now; a frame
    /// that is not `is_current` was made before what we booked last.
    pub(super) fn balance(
        &mut self,
        now: Nanos,
        capital: Money,
        is_current: bool,
        frame: BalanceFrame,
    ) -> Option<Money> {
        let others = frame.available.is_some() || frame.used.is_some() || frame.maint.is_some();
        let zero_wallet = frame.wallet == Some(Money::ZERO) && !planted!(D06PlaceholderWallet);
        // In a placeholder frame the zeros of the other fields are no evidence either.
        let real = |field: Option<Money>| field.filter(|value| !zero_wallet || !value.is_zero());
        if let Some(available) = real(frame.available) {
            self.available = Some(available);
            self.capital_then = capital;
        }
        self.used = real(frame.used).or(self.used);
        if let Some(maint) = real(frame.maint) {
            (self.maint, self.is_maint_current) = (Some(maint), is_current);
        }
        match frame.wallet {
            None => None,
            Some(_) if zero_wallet => {
                self.empty_wallet |= !others;
                None
            }
            Some(wallet) => {
                self.wallet = Some(wallet);
                self.wallet_ns = now;
                self.empty_wallet = false;
                self.is_wallet_current = is_current;
                Some(wallet)
            }
        }
    }

    /// Compares our capital with a wallet; see [`crate::kernel::reconcile`].
    pub(super) fn measure(&mut self, evidence: &Evidence) {
        self.reconcile.measure(evidence);
    }

    /// The books moved: the wallet we have does not know of it.
    pub(super) fn outlive_wallet(&mut self) {
        self.is_wallet_current = false;
    }

    /// A position of ours changed: the maintenance margin we have does not know of it.
    pub(super) fn outlive_margin(&mut self) {
        self.is_maint_current = false;
    }

    /// The wallet as an anchor for the books.
    ///
    /// # Errors
    /// Why it is none.
    pub(super) fn anchor(&self, now: Nanos, settings: &Settings) -> Result<Money, ReanchorRefusal> {
        if self.empty_wallet {
            return Err(ReanchorRefusal::ZeroWallet);
        }
        let wallet = self.wallet.ok_or(ReanchorRefusal::NoWallet)?;
        if !self.is_wallet_current || now.since(self.wallet_ns) > settings.guard_balance_age_ns_max
        {
            return Err(ReanchorRefusal::StaleWallet);
        }
        if self.is_unconfirmed() {
            return Err(ReanchorRefusal::Unconfirmed);
        }
        Ok(wallet)
    }

    /// Takes in one row of a position snapshot.
    pub(super) fn row(
        &mut self,
        instrument: Option<InstrumentId>,
        side: PositionSide,
        qty: Qty,
        entry_price: Option<Price>,
    ) {
        self.gathered_rows = self.gathered_rows.saturating_add(1);
        if qty.is_zero() {
            return;
        }
        let row = instrument.and_then(|id| self.gathered.get_mut(id.index()));
        let Some(row) = row else {
            self.gathered_strange = true;
            return;
        };
        let (held, price) = match side {
            PositionSide::Long => (&mut row.long, &mut row.long_price),
            PositionSide::Short => (&mut row.short, &mut row.short_price),
        };
        if *held == qty && *price == entry_price {
            // The same row again: venues have one for each side.
            return;
        }
        *price = entry_price;
        match held.checked_add(qty) {
            Some(sum) => *held = sum,
            None => self.gathered_strange = true,
        }
    }

    /// Closes a position snapshot. `own` says what we hold of an instrument; a snapshot asked before our
    /// last activity proves nothing and is dropped. An empty one beside a maintenance margin counts as failed:
    /// venues send empty lists by mistake, and only positions need such a margin.
    pub(super) fn positions_end(
        &mut self,
        now: Nanos,
        ok: bool,
        rows: u32,
        is_current: bool,
        own: impl Fn(InstrumentId) -> [Qty; 2],
    ) {
        let has_margin = self.maint.is_some_and(Money::is_positive) && self.is_maint_current;
        let failed = !ok || rows != self.gathered_rows || (rows == 0 && has_margin);
        if failed && !planted!(D28FailedIsFlat) {
            self.probe = Probe::Failed;
        } else if is_current {
            self.probe = Probe::Seen(now);
            self.unknown_asset = self.gathered_strange;
            self.lists_nothing = rows == 0;
            core::mem::swap(&mut self.shown, &mut self.gathered);
            self.compare(own);
        }
        self.gathered.fill(Shown::default());
        self.gathered_rows = 0;
        self.gathered_strange = false;
    }

    /// Compares the last whole snapshot with what we hold (long, short) of each asset.
    pub(super) fn compare(&mut self, own: impl Fn(InstrumentId) -> [Qty; 2]) {
        self.strange = self.unknown_asset;
        for (index, row) in self.shown.iter().enumerate() {
            if planted!(X47OnlyRowsCompared) && *row == Shown::default() {
                continue;
            }
            let is_same = own(InstrumentId::new(index)) == [row.long, row.short];
            self.strange |= !is_same && !planted!(D25RestIgnored);
        }
    }

    /// A fresh probe showed no position beside ours.
    pub(super) fn shows_nothing_else(&self, now: Nanos, settings: &Settings) -> bool {
        let is_fresh = |at| now.since(at) <= settings.guard_probe_age_ns_max;
        matches!(self.probe, Probe::Seen(at) if is_fresh(at)) && !self.strange
    }

    /// Why the facts forbid an entry; `None` when they do not.
    pub(super) fn blocks(
        &self,
        now: Nanos,
        capital: Money,
        settings: &Settings,
    ) -> Option<BlockReason> {
        let wallet = if planted!(D23NoBalanceNeeded) { Some(capital) } else { self.wallet };
        let Some(wallet) = wallet else {
            return Some(if self.empty_wallet {
                BlockReason::ZeroBalance
            } else {
                BlockReason::NoBalance
            });
        };
        let is_old = now.since(self.wallet_ns) > settings.guard_balance_age_ns_max;
        if is_old && !planted!(D23NoBalanceNeeded | X27BalanceOfAnyAge) {
            return Some(BlockReason::StaleBalance);
        }
        let is_empty = self.empty_wallet
            || !wallet.is_positive()
            || self.available_at(capital).is_some_and(|money| !money.is_positive());
        if is_empty && !planted!(L04ZeroNoObstacle) {
            return Some(BlockReason::ZeroBalance);
        }
        match self.probe {
            Probe::None => Some(BlockReason::NoPositionProof),
            Probe::Failed => Some(BlockReason::ProbeFailed),
            Probe::Seen(at) if now.since(at) > settings.guard_probe_age_ns_max => {
                Some(BlockReason::StalePositionProof)
            }
            Probe::Seen(_) => self.strange.then_some(BlockReason::VenueNotFlat),
        }
    }

    /// Wallet balance, the last that was told.
    #[must_use]
    pub const fn wallet(&self) -> Option<Money> {
        self.wallet
    }

    /// Margin that can be used; the last that was told. [`crate::kernel::Kernel::available`] is what to
    /// size by.
    #[must_use]
    pub const fn available(&self) -> Option<Money> {
        self.available
    }

    /// The same with our capital at `capital` by now.
    pub(super) fn available_at(&self, capital: Money) -> Option<Money> {
        let since = capital.raw().saturating_sub(self.capital_then.raw()).min(0);
        let told = self.available?.raw().saturating_add(since);
        Some(Money::from_raw(told.min(capital.raw())))
    }

    /// Margin in use; the last that was told.
    #[must_use]
    pub const fn used(&self) -> Option<Money> {
        self.used
    }

    /// Maintenance margin; the last that was told.
    #[must_use]
    pub const fn maint(&self) -> Option<Money> {
        self.maint
    }

    /// Our capital less the wallet at the last measurement.
    #[must_use]
    pub const fn delta(&self) -> Option<Money> {
        self.reconcile.delta()
    }

    /// Result of the last measurement; `Ok` before the first.
    #[must_use]
    pub const fn reconcile(&self) -> ReconcileState {
        self.reconcile.state()
    }

    /// True while a difference of class error waits for a second balance: the state is `Warn`, and no
    /// entry leaves.
    #[must_use]
    pub const fn is_unconfirmed(&self) -> bool {
        self.reconcile.is_unconfirmed()
    }

    /// What is known about the venue's positions.
    #[must_use]
    pub const fn probe(&self) -> Probe {
        self.probe
    }

    /// True when the last whole snapshot showed anything but our own positions.
    #[must_use]
    pub const fn shows_strange_position(&self) -> bool {
        self.strange
    }

    /// True when the last whole snapshot had no row at all, as venues send by mistake; one with rows of
    /// zero says so.
    pub(super) const fn lists_nothing(&self) -> bool {
        self.lists_nothing
    }

    /// True when it had a row that no asset of ours can hold.
    pub(super) const fn shows_unknown_asset(&self) -> bool {
        self.unknown_asset
    }

    /// True when a snapshot taken in at `now` showed exactly our own positions.
    pub(super) fn shows_own_positions(&self, now: Nanos) -> bool {
        self.probe == Probe::Seen(now) && !self.strange
    }

    /// What the last whole snapshot showed of an instrument.
    #[must_use]
    pub fn shown(&self, instrument: InstrumentId) -> Option<&Shown> {
        self.shown.get(instrument.index())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(wallet: Option<i64>, available: Option<i64>) -> BalanceFrame {
        BalanceFrame {
            wallet: wallet.map(Money::from_whole),
            available: available.map(Money::from_whole),
            used: None,
            maint: None,
        }
    }

    #[test]
    fn a_margin_only_frame_says_nothing_about_the_wallet() {
        let mut facts = Facts::new(0);
        let mut told = |wallet, available| {
            facts.balance(Nanos::ZERO, Money::ONE, true, frame(wallet, available))
        };
        assert_eq!(told(Some(100), Some(90)), Some(Money::from_whole(100)));
        assert_eq!(told(Some(0), Some(0)), None);
        assert_eq!(told(None, Some(80)), None);
        assert_eq!(facts.wallet(), Some(Money::from_whole(100)));
        assert_eq!(facts.available(), Some(Money::from_whole(80)));
    }

    #[test]
    fn available_margin_loses_with_our_capital_and_gains_only_when_the_venue_says_so() {
        let mut facts = Facts::new(0);
        let whole = Money::from_whole;
        assert_eq!(facts.available_at(whole(100)), None);
        facts.balance(Nanos::ZERO, whole(100), true, frame(Some(100), Some(60)));
        for (capital, available) in [(100, 60), (90, 50), (130, 60), (30, -10)] {
            assert_eq!(facts.available_at(whole(capital)), Some(whole(available)), "{capital}");
        }
        facts.balance(Nanos::ZERO, whole(100), true, frame(None, Some(150)));
        assert_eq!(facts.available_at(whole(100)), Some(whole(100)), "never above the capital");
        assert_eq!(facts.available(), Some(whole(150)), "what was told stays told");
    }

    #[test]
    fn an_empty_snapshot_beside_a_maintenance_margin_proves_nothing() {
        let flat = |_| [Qty::ZERO; 2];
        let mut facts = Facts::new(1);
        let margin = BalanceFrame { maint: Some(Money::ONE), ..frame(Some(100), Some(90)) };
        facts.balance(Nanos::ZERO, Money::ONE, true, margin);
        facts.positions_end(Nanos::new(1), true, 0, true, flat);
        assert_eq!(facts.probe(), Probe::Failed);
        facts.outlive_wallet();
        facts.positions_end(Nanos::new(2), true, 0, true, flat);
        assert_eq!(facts.probe(), Probe::Failed, "funding changes no position");
        facts.outlive_margin();
        facts.positions_end(Nanos::new(2), true, 0, true, flat);
        assert_eq!(facts.probe(), Probe::Seen(Nanos::new(2)), "a margin of before our last fill");
        facts.balance(Nanos::ZERO, Money::ONE, true, margin);
        let none = BalanceFrame { maint: Some(Money::ZERO), ..margin };
        facts.balance(Nanos::ZERO, Money::ONE, true, none);
        facts.positions_end(Nanos::new(3), true, 0, true, flat);
        assert_eq!(facts.probe(), Probe::Seen(Nanos::new(3)));
    }

    #[test]
    fn a_row_that_comes_twice_is_one_position() {
        let id = InstrumentId::new(0);
        let mut facts = Facts::new(1);
        for _ in 0..2 {
            facts.row(Some(id), PositionSide::Long, Qty::ONE, Some(Price::ONE));
        }
        facts.positions_end(Nanos::new(1), true, 2, true, |_| [Qty::ONE, Qty::ZERO]);
        assert!(facts.shows_own_positions(Nanos::new(1)));
        // Two that differ are two.
        facts.row(Some(id), PositionSide::Long, Qty::ONE, Some(Price::ONE));
        facts.row(Some(id), PositionSide::Long, Qty::from_whole(2), Some(Price::ONE));
        facts.positions_end(Nanos::new(2), true, 2, true, |_| [Qty::from_whole(3), Qty::ZERO]);
        assert!(facts.shows_own_positions(Nanos::new(2)));
    }

    #[test]
    fn a_snapshot_with_lost_rows_or_from_before_our_activity_proves_nothing() {
        let id = InstrumentId::new(0);
        let flat = |_| [Qty::ZERO; 2];
        let mut facts = Facts::new(1);
        facts.positions_end(Nanos::new(1), true, 0, true, flat);
        assert_eq!(facts.probe(), Probe::Seen(Nanos::new(1)));
        facts.positions_end(Nanos::new(2), true, 0, false, flat);
        assert_eq!(facts.probe(), Probe::Seen(Nanos::new(1)), "older than our activity: dropped");
        facts.row(Some(id), PositionSide::Long, Qty::ONE, None);
        facts.positions_end(Nanos::new(3), true, 2, true, flat);
        assert_eq!(facts.probe(), Probe::Failed);
        assert!(!facts.shows_strange_position());
        facts.row(Some(id), PositionSide::Long, Qty::ONE, None);
        facts.positions_end(Nanos::new(4), true, 1, true, |_| [Qty::ZERO, Qty::ONE]);
        assert!(facts.shows_strange_position(), "the other side is not ours");
        facts.row(None, PositionSide::Long, Qty::ONE, None);
        facts.positions_end(Nanos::new(5), true, 1, true, flat);
        assert!(facts.shows_strange_position(), "an asset we do not know");
    }
}
