//! The comparison with the wallet in the midst of trading, and the re-anchor.

use super::rig::*;
use crate::kernel::{Code, Verdict};
use crate::msg::record::{BlockReason as B, ReanchorRefusal, ReconcileState as R};
use crate::msg::{
    ClientRef, Control, Input, Maybe, PositionSide, Record, RecordMsg, VenueEvent, VenueMsg,
};
use crate::settings::Settings;
use crate::units::{Money, Nanos};

/// What an account line says of the comparison.
fn told(rig: &Rig) -> (R, bool) {
    (rig.reconcile(), rig.kernel.is_frozen())
}

/// A flat account of 25,200 after a round trip that won 200, closed at this moment.
fn after_a_win() -> Rig {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let exit = rig.exit(None);
    rig.filled(exit, "X", "1000", "0.4");
    assert_eq!(rig.capital(), money("25200"));
    rig
}

/// A wallet with the venue's time of it.
fn wallet_of(rig: &mut Rig, wallet: &str, venue_ns: Nanos) {
    let event = VenueEvent::Balance {
        wallet: Maybe::some(money(wallet)),
        available: Maybe::NONE,
        used: Maybe::NONE,
        maint: Maybe::NONE,
    };
    let message = VenueMsg {
        ts_exch_ns: Maybe::some(venue_ns),
        ts_recv_ns: rig.now,
        client: ClientRef::Absent,
        instrument: None,
        event,
    };
    assert_eq!(rig.input(Input::Venue(message)), Verdict::OK);
}

#[test]
fn a_balance_from_before_our_last_bookings_blocks_but_does_not_freeze() {
    let mut rig = after_a_win();
    rig.wait(SECOND).wallet("25000");
    assert_eq!(told(&rig), (R::Warn, false));
    assert_eq!(rig.kernel.facts().delta(), Some(money("200")));
    rig.wait(SECOND).quote(fet(), "0.1878", "0.1879");
    assert_eq!(rig.guard(), Err(B::Unreconciled));
    assert_eq!(rig.kernel.entry_guard(rig.now, btc(), &rig.settings), Err(B::Unreconciled));
    rig.wallet("25200");
    assert_eq!(told(&rig), (R::Ok, false));
    assert_eq!(rig.guard(), Err(B::HotWindow), "and nothing else");
    assert!(!rig.records.iter().any(|record| matches!(record, Record::Halt { .. })));
}

#[test]
fn the_same_difference_on_a_second_balance_freezes() {
    let mut rig = after_a_win();
    rig.wait(SECOND).wallet("25000");
    rig.wait(2 * SECOND - 1).wallet("25000");
    assert_eq!(told(&rig), (R::Warn, false));
    rig.wait(1).wallet("25000");
    assert_eq!(told(&rig), (R::Error, true));
    // It thaws by one good balance, and by nothing that says less.
    rig.wallet("0");
    assert_eq!(rig.control(Control::Resume), no(Code::DuplicateEvent));
    let frame = VenueEvent::Balance {
        wallet: Maybe::NONE,
        available: Maybe::some(money("25000")),
        used: Maybe::NONE,
        maint: Maybe::NONE,
    };
    assert_eq!(rig.account(None, frame), Verdict::OK);
    rig.wait(3600 * SECOND).tick();
    assert_eq!(told(&rig), (R::Error, true));
    rig.wallet("25200");
    assert_eq!(told(&rig), (R::Ok, false));
}

#[test]
fn what_no_booking_of_ours_explains_freezes_at_once() {
    for wallet in ["24200", "24979.99", "25220", "26200"] {
        let mut rig = after_a_win();
        rig.wallet(wallet);
        assert_eq!(told(&rig), (R::Error, true), "{wallet}");
    }
    // The same wallet that may be a late one within the window is none after it.
    let mut rig = after_a_win();
    rig.wait(5 * SECOND).wallet("25000");
    assert_eq!(told(&rig), (R::Error, true));
}

#[test]
fn without_anything_in_flight_the_first_balance_decides() {
    for (wallet, state) in
        [("24995", R::Warn), ("25005", R::Warn), ("24975", R::Error), ("26000", R::Error)]
    {
        let mut rig = Rig::ready();
        rig.wallet(wallet);
        assert_eq!(told(&rig), (state, state == R::Error), "{wallet}");
    }
}

#[test]
fn by_the_venues_clock_an_older_balance_is_not_compared_however_late() {
    let mut rig = Rig::ready();
    let transfer = |ns| VenueMsg {
        ts_exch_ns: Maybe::some(Nanos::new(ns)),
        ts_recv_ns: Nanos::new(100 * SECOND),
        client: ClientRef::Absent,
        instrument: None,
        event: VenueEvent::Transfer { amount: money("100") },
    };
    assert_eq!(rig.input(Input::Venue(transfer(90 * SECOND))), Verdict::OK);
    rig.wait(20 * SECOND);
    wallet_of(&mut rig, "25000", Nanos::new(90 * SECOND - 1));
    assert_eq!(told(&rig), (R::Ok, false));
    wallet_of(&mut rig, "25000", Nanos::new(90 * SECOND));
    assert_eq!(told(&rig), (R::Error, true));
    wallet_of(&mut rig, "25100", Nanos::new(91 * SECOND));
    assert_eq!(told(&rig), (R::Ok, false));
    // A stamp from the future shuts nothing out for longer than our own clock says.
    assert_eq!(rig.input(Input::Venue(transfer(i64::MAX))), Verdict::OK);
    wallet_of(&mut rig, "24000", Nanos::new(100 * SECOND));
    assert_eq!(told(&rig), (R::Error, true));
}

#[test]
fn a_position_we_do_not_have_or_an_order_presumed_lost_asks_for_a_second_balance() {
    let mut rig = Rig::ready();
    rig.probe(&[(fet(), PositionSide::Long, "1000")]);
    rig.wallet("24000");
    assert_eq!(told(&rig), (R::Warn, false));
    rig.probe(&[]);
    rig.wallet("24000");
    assert_eq!(told(&rig), (R::Error, true), "the doubt is over");

    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let exit = rig.exit(None);
    deny_exit(&mut rig, exit, "1000");
    rig.wallet("24000");
    assert_eq!(told(&rig), (R::Warn, false));
    rig.wait(5 * SECOND).wallet("24000");
    assert_eq!(told(&rig), (R::Error, true));
}

#[test]
fn a_doubtful_balance_is_no_evidence_against_a_fault() {
    let mut rig = after_a_win();
    rig.kernel.fault("test", &mut rig.out);
    rig.wallet("25000");
    rig.probe(&[]);
    assert!(rig.kernel.is_frozen());
    rig.wallet("25200");
    assert!(!rig.kernel.is_frozen());
}

fn reanchor(rig: &mut Rig) -> Verdict {
    rig.control(Control::Reanchor)
}

fn refusal(rig: &mut Rig) -> ReanchorRefusal {
    let before = *rig.kernel.ledger();
    assert_eq!(reanchor(rig), no(Code::StaleStateReconciling));
    assert_eq!(*rig.kernel.ledger(), before, "the books are as they were");
    match rig.out.records.as_slice() {
        [RecordMsg { record: Record::ReanchorRefused { reason }, .. }] => *reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_reanchor_measures_writes_books_and_thaws() {
    let mut rig = after_a_win();
    rig.wait(6 * SECOND).wallet("24200");
    assert_eq!(told(&rig), (R::Error, true));
    let drawdown = rig.kernel.totals().max_drawdown;
    assert_eq!(reanchor(&mut rig), Verdict::OK);
    let records: alloc::vec::Vec<_> = rig.out.records.iter().map(|m| m.record).collect();
    let written = Record::Reanchored {
        capital_before: money("25200"),
        wallet: money("24200"),
        delta: money("1000"),
        reason: "operator",
    };
    assert_eq!(records.first(), Some(&written), "written before anything follows from it");
    assert!(records.contains(&Record::Resume { reason: "reconcile" }));
    assert!(matches!(
        records.last(),
        Some(Record::Account { frozen: false, reconcile: R::Ok, .. })
    ));
    let ledger = *rig.kernel.ledger();
    assert_eq!((ledger.capital(), ledger.adjustments()), (money("24200"), money("-1000")));
    assert_eq!((ledger.realized(), ledger.transfers()), (money("200"), Money::ZERO));
    assert_eq!(ledger.peak_equity(), money("24200"), "a correction is no drawdown");
    assert_eq!(ledger.max_drawdown(), drawdown);
    assert_eq!(rig.kernel.totals().net_pnl, money("200"));
    assert_eq!(rig.kernel.facts().delta(), Some(Money::ZERO));
    // A second one finds nothing to take over, and says so.
    assert_eq!(reanchor(&mut rig), Verdict::OK);
    assert_eq!(rig.kernel.ledger().adjustments(), money("-1000"));
    rig.wallet("24200");
    assert_eq!(told(&rig), (R::Ok, false));
}

#[test]
fn a_reanchor_needs_an_anchor() {
    use ReanchorRefusal::{NoWallet, OrderLive, StaleWallet, Unconfirmed, ZeroWallet};
    let mut rig = Rig::new();
    assert_eq!(refusal(&mut rig), NoWallet);
    rig.wallet("0");
    assert_eq!(refusal(&mut rig), ZeroWallet);
    rig.wallet("24000");
    rig.wallet("0");
    assert_eq!(refusal(&mut rig), ZeroWallet, "an emptied account is no anchor either");
    rig.wallet("24000");
    rig.wait(60 * SECOND + 1);
    assert_eq!(refusal(&mut rig), StaleWallet);
    assert_eq!(rig.kernel.facts().reconcile(), R::Error, "and the freeze stands");
    rig.wallet("24000");
    assert_eq!(reanchor(&mut rig), Verdict::OK);

    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    rig.wallet("24000");
    assert_eq!(refusal(&mut rig), OrderLive);
    rig.fill(Fill { client: Some(entry), id: "E", qty: "1000", price: "0.2", ..Fill::default() });
    assert_eq!(refusal(&mut rig), StaleWallet, "told before the fill was booked");

    let mut rig = after_a_win();
    rig.wallet("25000");
    assert_eq!(refusal(&mut rig), Unconfirmed);
}

#[test]
fn a_fee_told_after_a_reanchor_is_in_the_wallet_already() {
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    rig.fill(Fill { client: Some(entry), id: "E", qty: "1000", price: "0.2", ..Fill::default() });
    assert_eq!(rig.capital(), money("24999.9"), "the fee as predicted");
    rig.wallet("24999.92");
    assert_eq!(reanchor(&mut rig), Verdict::OK);
    assert_eq!(rig.capital(), money("24999.92"));
    let fee = VenueEvent::FeeSettled { fill_id: id("E"), fee: money("-0.08") };
    assert_eq!(rig.account(Some(fet()), fee), no(Code::DuplicateEvent));
    assert_eq!(rig.capital(), money("24999.92"));
}

#[test]
fn an_entry_is_sized_by_what_is_left_when_the_balance_lags() {
    let mut rig = Rig::ready();
    assert_eq!(rig.kernel.available(), None);
    let frame = VenueEvent::Balance {
        wallet: Maybe::some(money("25000")),
        available: Maybe::some(money("25000")),
        used: Maybe::NONE,
        maint: Maybe::NONE,
    };
    rig.account(None, frame);
    let entry = rig.enter(PositionSide::Long, "100000");
    rig.filled(entry, "E", "100000", "0.3");
    let exit = rig.exit(None);
    rig.filled(exit, "X", "100000", "0.1");
    assert_eq!(rig.kernel.available(), Some(money("5000")));
    let line = rig.out.records.iter().rev().find_map(|message| match message.record {
        Record::Account { available, .. } => available.get(),
        _ => None,
    });
    assert_eq!(line, Some(money("5000")));
    let again = rig.enter_after(PositionSide::Long);
    rig.filled(again, "E2", "100000", "0.3");
    let exit = rig.exit(None);
    rig.filled(exit, "X2", "100000", "0.2");
    rig.wait(6 * SECOND).quote(fet(), "0.1878", "0.1879");
    assert_eq!(rig.guard(), Err(B::ZeroBalance), "all that could be used is lost");
}

impl Rig {
    /// Another entry of 100,000, once the hot window is over.
    fn enter_after(&mut self, side: PositionSide) -> crate::id::ClientId {
        self.wait(6 * SECOND).quote(fet(), "0.1878", "0.1879");
        self.enter(side, "100000")
    }
}

#[test]
fn a_deposit_in_a_trade_changes_no_result_and_no_drawdown() {
    let run = |deposit: Option<&str>| {
        let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
        rig.quote(fet(), "0.1878", "0.1879");
        if let Some(amount) = deposit {
            rig.account(None, VenueEvent::Transfer { amount: money(amount) });
        }
        rig.quote(fet(), "0.1600", "0.1601");
        let exit = rig.exit(None);
        rig.filled(exit, "X", "1000", "0.15");
        let net = rig.records.iter().find_map(|record| match record {
            Record::TradeClosed { net_pnl, .. } => Some(*net_pnl),
            _ => None,
        });
        (net, rig.kernel.totals())
    };
    let without = run(None);
    assert_eq!(without.1.max_drawdown, money("50"));
    for deposit in ["1000", "-1000"] {
        assert_eq!(run(Some(deposit)), without, "{deposit}");
    }
}

#[test]
fn no_confirmation_time_still_means_two_balances() {
    let settings = Settings { guard_reconcile_confirm_ns: 0, ..Settings::default() };
    let mut rig = Rig::with(settings).made_ready();
    rig.probe(&[(fet(), PositionSide::Long, "1000")]);
    rig.wallet("24000");
    assert_eq!(told(&rig), (R::Warn, false));
    rig.wallet("24000");
    assert_eq!(told(&rig), (R::Error, true));
}
