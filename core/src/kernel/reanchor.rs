//! The re-anchor: the operator has the books take over the venue's wallet.
//!
//! It is the only way in which a difference between K and E ends in the books, and it never happens by
//! itself. The difference is measured first and written down ([`Record::Reanchored`]); then it is booked
//! in a column of its own ([`crate::kernel::Ledger::adjustments`]), so that results, fees and funding stay
//! what our own fills say, and peak equity moves along, so that it is neither gain nor drawdown. A freeze
//! by the reconcile then clears by the comparison itself; a freeze by a fault needs its own evidence.
//!
//! The wallet must be an anchor: fresh, told after what was booked last, with no order of ours that could
//! still fill, and no doubt about the moment it is of. Fees that are only predicted are taken as settled:
//! the wallet has paid them already, and a fee told later must not be booked beside it.

use crate::kernel::ledger::Entry;
use crate::kernel::reconcile::Evidence;
use crate::kernel::{Code, Effects, Kernel, Verdict};
use crate::msg::Record;
use crate::msg::record::ReanchorRefusal;
use crate::settings::Settings;
use crate::units::{Money, Nanos};

/// Who wanted a re-anchor: so far only a person can.
const OPERATOR: &str = "operator";

impl Kernel {
    /// Takes the venue's wallet as our capital, or refuses with a record that says why.
    pub(super) fn reanchor(
        &mut self,
        now: Nanos,
        settings: &Settings,
        out: &mut Effects,
    ) -> Verdict {
        match self.try_reanchor(now, settings, out) {
            Ok(()) => Verdict::OK,
            Err(reason) => {
                out.record(Record::ReanchorRefused { reason });
                Verdict::refused(Code::StaleStateReconciling)
            }
        }
    }

    fn try_reanchor(
        &mut self,
        now: Nanos,
        settings: &Settings,
        out: &mut Effects,
    ) -> Result<(), ReanchorRefusal> {
        let wallet = self.facts.anchor(now, settings)?;
        if self.live_orders().next().is_some() {
            return Err(ReanchorRefusal::OrderLive);
        }
        let capital_before = self.ledger.capital();
        let delta = capital_before.checked_sub(wallet).ok_or(ReanchorRefusal::OutOfRange)?;
        let adjustments = Money::ZERO.checked_sub(delta).ok_or(ReanchorRefusal::OutOfRange)?;
        self.ledger
            .book(Entry { adjustments, ..Entry::default() })
            .map_err(|_| ReanchorRefusal::OutOfRange)?;
        self.fills.settle_all();
        out.record(Record::Reanchored { capital_before, wallet, delta, reason: OPERATOR });
        self.compare(
            &Evidence {
                now,
                capital: self.ledger.capital(),
                wallet,
                range: (wallet, wallet),
                revision: self.revision,
                is_doubtful: false,
                confirm_ns: settings.guard_reconcile_confirm_ns,
            },
            out,
        );
        out.record(self.account_record());
        Ok(())
    }
}
