//! The exchange's facts, E: balances and positions as the venue tells them, and the comparison with our
//! books.
//!
//! Only what a frame carried is taken: a wallet of zero beside other fields is the placeholder of a
//! margin-only frame, and no evidence. The comparison is measured on a balance while no order of ours is
//! open, and nothing here ever writes to the books.

use alloc::vec;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::engine::Damage;
use crate::id::InstrumentId;
use crate::msg::PositionSide;
use crate::msg::record::{BlockReason, ReconcileState};
use crate::settings::Settings;
use crate::units::{Money, Nanos, Price, Qty};

/// Below this the books agree.
pub const DELTA_OK: Money = Money::from_raw(1_000_000);
/// From this on the difference is not explained by events in flight.
pub const DELTA_ERROR: Money = Money::from_whole(20);

/// A position row as the venue showed it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Quantity held long.
    pub long: Qty,
    /// Quantity held short.
    pub short: Qty,
    /// Its average entry price, where told.
    pub entry_price: Option<Price>,
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
    delta: Option<Money>,
    state: ReconcileState,
    probe: Probe,
    shown: Vec<Shown>,
    gathered: Vec<Shown>,
    gathered_rows: u32,
    gathered_strange: bool,
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
            delta: None,
            state: ReconcileState::Ok,
            probe: Probe::None,
            shown: vec![Shown::default(); instruments],
            gathered: vec![Shown::default(); instruments],
            gathered_rows: 0,
            gathered_strange: false,
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

    /// Takes in a balance frame; true when it said what the wallet holds.
    pub(super) fn balance(&mut self, now: Nanos, frame: BalanceFrame) -> bool {
        let others = frame.available.is_some() || frame.used.is_some() || frame.maint.is_some();
        let zero_wallet = frame.wallet == Some(Money::ZERO);
        // In a placeholder frame the zeros of the other fields are no evidence either.
        let real = |field: Option<Money>| field.filter(|value| !zero_wallet || !value.is_zero());
        self.available = real(frame.available).or(self.available);
        self.used = real(frame.used).or(self.used);
        self.maint = real(frame.maint).or(self.maint);
        match frame.wallet {
            None => false,
            Some(_) if zero_wallet => {
                self.empty_wallet |= !others;
                false
            }
            Some(wallet) => {
                self.wallet = Some(wallet);
                self.wallet_ns = now;
                self.empty_wallet = false;
                true
            }
        }
    }

    /// Measures our capital against the wallet; the state before and after.
    pub(super) fn measure(&mut self, capital: Money) -> (ReconcileState, ReconcileState) {
        let before = self.state;
        if let Some(wallet) = self.wallet {
            let delta = capital.checked_sub(wallet);
            self.delta = delta;
            self.state = delta.map_or(ReconcileState::Error, |delta| {
                let size = delta.raw().unsigned_abs();
                if size < DELTA_OK.raw().unsigned_abs() {
                    ReconcileState::Ok
                } else if size < DELTA_ERROR.raw().unsigned_abs() {
                    ReconcileState::Warn
                } else {
                    ReconcileState::Error
                }
            });
        }
        (before, self.state)
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
        let held = match side {
            PositionSide::Long => &mut row.long,
            PositionSide::Short => &mut row.short,
        };
        match held.checked_add(qty) {
            Some(sum) => *held = sum,
            None => self.gathered_strange = true,
        }
        row.entry_price = entry_price;
    }

    /// Closes a position snapshot. `own` says what we hold of an instrument; a snapshot asked before our
    /// last activity proves nothing and is dropped.
    pub(super) fn positions_end(
        &mut self,
        now: Nanos,
        ok: bool,
        rows: u32,
        is_current: bool,
        own: impl Fn(InstrumentId) -> (Qty, Qty),
    ) {
        if !ok || rows != self.gathered_rows {
            self.probe = Probe::Failed;
        } else if is_current {
            self.probe = Probe::Seen(now);
            self.strange = self.gathered_strange;
            for (index, row) in self.gathered.iter().enumerate() {
                let (long, short) = own(InstrumentId::new(index));
                self.strange |= row.long != long || row.short != short;
            }
            core::mem::swap(&mut self.shown, &mut self.gathered);
        }
        self.gathered.fill(Shown::default());
        self.gathered_rows = 0;
        self.gathered_strange = false;
    }

    /// Why the facts forbid an entry; `None` when they do not.
    pub(super) fn blocks(&self, now: Nanos, settings: &Settings) -> Option<BlockReason> {
        let Some(wallet) = self.wallet else {
            return Some(if self.empty_wallet {
                BlockReason::ZeroBalance
            } else {
                BlockReason::NoBalance
            });
        };
        if now.since(self.wallet_ns) > settings.guard_balance_age_ns_max {
            return Some(BlockReason::StaleBalance);
        }
        if self.empty_wallet
            || !wallet.is_positive()
            || self.available.is_some_and(|money| !money.is_positive())
        {
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

    /// Margin that can be used; the last that was told.
    #[must_use]
    pub const fn available(&self) -> Option<Money> {
        self.available
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
        self.delta
    }

    /// Result of the last measurement; `Ok` before the first.
    #[must_use]
    pub const fn reconcile(&self) -> ReconcileState {
        self.state
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
        assert!(facts.balance(Nanos::ZERO, frame(Some(100), Some(90))));
        assert!(!facts.balance(Nanos::ZERO, frame(Some(0), Some(0))));
        assert!(!facts.balance(Nanos::ZERO, frame(None, Some(80))));
        assert_eq!(facts.wallet(), Some(Money::from_whole(100)));
        assert_eq!(facts.available(), Some(Money::from_whole(80)));
    }

    #[test]
    fn the_difference_is_measured_in_three_steps() {
        let mut facts = Facts::new(0);
        let mut measured = |capital: &str| {
            facts.balance(Nanos::ZERO, frame(Some(100), None));
            facts.measure(Money::parse(capital.as_bytes()).expect("money")).1
        };
        assert_eq!(measured("100.00999999"), ReconcileState::Ok);
        assert_eq!(measured("99.99"), ReconcileState::Warn);
        assert_eq!(measured("119.99999999"), ReconcileState::Warn);
        assert_eq!(measured("80"), ReconcileState::Error);
        assert_eq!(measured("100"), ReconcileState::Ok);
    }

    #[test]
    fn a_snapshot_with_lost_rows_or_from_before_our_activity_proves_nothing() {
        let id = InstrumentId::new(0);
        let flat = |_| (Qty::ZERO, Qty::ZERO);
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
        facts.positions_end(Nanos::new(4), true, 1, true, |_| (Qty::ZERO, Qty::ONE));
        assert!(facts.shows_strange_position(), "the other side is not ours");
        facts.row(None, PositionSide::Long, Qty::ONE, None);
        facts.positions_end(Nanos::new(5), true, 1, true, flat);
        assert!(facts.shows_strange_position(), "an asset we do not know");
    }
}
