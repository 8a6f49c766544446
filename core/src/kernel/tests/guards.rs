//! What blocks an entry, and that nothing blocks an exit.

use super::rig::*;
use crate::instrument::InstrumentTable;
use crate::kernel::stage::SlotStage as S;
use crate::kernel::{Code, Intent, Kernel, Verdict};
use crate::msg::record::BlockReason as B;
use crate::msg::{
    Control, MarketBody, Maybe, OrderKind, PositionSide, Record, TimeInForce, TradingState,
    VenueEvent,
};
use crate::settings::Settings;
use crate::units::{Price, Qty, Rate};

fn probe_end(rig: &mut Rig, ok: bool, rows: u32) -> Verdict {
    let revision = rig.kernel.revision();
    rig.account(None, VenueEvent::PositionsEnd { ok, rows, revision })
}

#[test]
fn evidence_is_needed_piece_by_piece() {
    let mut rig = Rig::new();
    assert_eq!(rig.guard(), Err(B::NoPrice));
    rig.quote(fet(), "0.1878", "0.1879");
    assert_eq!(rig.guard(), Err(B::NoBalance));
    rig.wallet("0");
    assert_eq!(rig.guard(), Err(B::ZeroBalance));
    rig.wallet("25000");
    assert_eq!(rig.guard(), Err(B::NoPositionProof));
    assert_eq!(probe_end(&mut rig, false, 0), Verdict::OK);
    assert_eq!(rig.guard(), Err(B::ProbeFailed));
    rig.probe(&[]);
    assert_eq!(rig.guard(), Ok(()));
    rig.probe(&[(fet(), PositionSide::Long, "1")]);
    assert_eq!(rig.guard(), Err(B::VenueNotFlat));
    rig.probe(&[]);
    rig.probe(&[(btc(), PositionSide::Long, "1")]);
    assert_eq!(rig.guard(), Err(B::VenueNotFlat), "a position nobody claims, anywhere");
    rig.probe(&[]);
    assert_eq!(rig.guard(), Ok(()));
}

#[test]
fn evidence_grows_old() {
    let mut rig = Rig::ready();
    rig.wait(2 * SECOND);
    assert_eq!(rig.guard(), Ok(()));
    rig.wait(1);
    assert_eq!(rig.guard(), Err(B::StalePrice));
    rig.wait(28 * SECOND).quote(fet(), "0.1878", "0.1879");
    assert_eq!(rig.guard(), Err(B::StalePositionProof));
    rig.probe(&[]);
    assert_eq!(rig.guard(), Ok(()));
    rig.wait(30 * SECOND).quote(fet(), "0.1878", "0.1879");
    rig.probe(&[]);
    assert_eq!(rig.guard(), Err(B::StaleBalance));
}

#[test]
fn without_quotes_a_trade_is_the_price_and_may_be_older() {
    let mut rig = Rig::new();
    rig.wallet("25000");
    rig.probe(&[]);
    rig.trade(fet(), "0.19");
    rig.wait(29 * SECOND);
    assert_eq!(rig.guard(), Ok(()));
    // Once there are quotes, only they count.
    rig.quote(fet(), "0.1878", "0.1879");
    rig.wait(3 * SECOND).trade(fet(), "0.19");
    rig.probe(&[]);
    assert_eq!(rig.guard(), Err(B::StalePrice));
}

#[test]
fn a_gap_blocks_until_the_next_quote() {
    let mut rig = Rig::ready();
    assert_eq!(rig.market(fet(), MarketBody::Gap), Verdict::OK);
    assert!(rig.records.iter().any(|record| matches!(record, Record::Gap { .. })));
    rig.trade(fet(), "0.19");
    assert_eq!(rig.guard(), Err(B::BookGap));
    rig.quote(fet(), "0.1878", "0.1879");
    assert_eq!(rig.guard(), Ok(()));
}

#[test]
fn no_margin_left_blocks() {
    let mut rig = Rig::ready();
    let frame = VenueEvent::Balance {
        wallet: Maybe::some(money("25000")),
        available: Maybe::some(money("0")),
        used: Maybe::NONE,
        maint: Maybe::NONE,
    };
    rig.account(None, frame);
    assert_eq!(rig.guard(), Err(B::ZeroBalance));
}

#[test]
fn a_probe_from_before_our_own_activity_is_dropped() {
    let mut rig = Rig::ready();
    let asked = rig.kernel.revision();
    let entry = rig.enter(PositionSide::Long, "1000");
    rig.filled(entry, "E", "1000", "0.2");
    let exit = rig.exit(None);
    rig.filled(exit, "X", "1000", "0.2");
    rig.wait(31 * SECOND).quote(fet(), "0.1878", "0.1879");
    let old = VenueEvent::PositionsEnd { ok: true, rows: 0, revision: asked };
    assert_eq!(rig.account(None, old), no(Code::StaleStateReconciling));
    assert_eq!(rig.guard(), Err(B::StalePositionProof));
    rig.probe(&[]);
    assert_eq!(rig.guard(), Ok(()));
}

#[test]
fn our_own_position_is_no_stranger() {
    let settings = Settings { kernel_slots_max: 2, ..Settings::default() };
    let mut rig = Rig::with(settings).made_ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    rig.filled(entry, "E", "1000", "0.2");
    rig.probe(&[(fet(), PositionSide::Long, "1000")]);
    assert_eq!(rig.kernel.entry_guard(rig.now, btc(), &rig.settings), Ok(()));
    assert_eq!(rig.guard(), Err(B::SlotBusy), "one position per asset");
    rig.probe(&[(fet(), PositionSide::Long, "999")]);
    assert_eq!(rig.kernel.entry_guard(rig.now, btc(), &rig.settings), Err(B::VenueNotFlat));
}

#[test]
fn an_own_fill_re_arms_the_hot_window() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let exit = rig.exit(None);
    rig.filled(exit, "X", "1000", "0.2");
    rig.wait(5 * SECOND - 1).quote(fet(), "0.1878", "0.1879");
    assert_eq!(rig.guard(), Err(B::HotWindow));
    rig.wait(1);
    assert_eq!(rig.guard(), Ok(()));
}

#[test]
fn an_entry_that_makes_no_sense_is_refused_by_name() {
    type Change = fn(&mut Intent);
    let changes: [(Change, Code, B); 12] = [
        (|i| set(i, |f| *f.qty = Qty::ZERO), Code::InvalidIntent, B::InvalidIntent),
        (|i| set(i, |f| *f.qty = qty("-5")), Code::InvalidIntent, B::InvalidIntent),
        (|i| set(i, |f| *f.qty = qty("100.5")), Code::InvalidIntent, B::InvalidIntent),
        (|i| set(i, |f| *f.qty = Qty::MAX), Code::InvalidIntent, B::InvalidIntent),
        (|i| set(i, |f| *f.leverage = Rate::ZERO), Code::InvalidIntent, B::InvalidIntent),
        (|i| set(i, |f| *f.reference = Price::ZERO), Code::InvalidIntent, B::InvalidIntent),
        (|i| set(i, |f| *f.kind = OrderKind::Limit), Code::InvalidIntent, B::InvalidIntent),
        (|i| limit(i, "0.00005"), Code::InvalidIntent, B::InvalidIntent),
        (|i| limit(i, "-0.1"), Code::InvalidIntent, B::InvalidIntent),
        (
            |i| *i = Rig::with_legs(i.clone(), &["0.5", "0.4"]),
            Code::InvalidIntent,
            B::InvalidIntent,
        ),
        (
            |i| *i = Rig::with_legs(i.clone(), &["1.5", "-0.5"]),
            Code::InvalidIntent,
            B::InvalidIntent,
        ),
        (|i| set(i, |f| *f.qty = qty("26")), Code::EntryBlocked, B::MinNotional),
    ];
    for (at, (change, code, reason)) in changes.into_iter().enumerate() {
        let mut rig = Rig::ready();
        let mut intent = Rig::enter_intent(PositionSide::Long, "1000");
        change(&mut intent);
        assert_eq!(rig.submit(&intent), no(code), "change {at}");
        assert_eq!(rig.out.records[0].record, Record::EntryBlocked { instrument: fet(), reason });
        assert!(rig.out.commands.is_empty());
        assert_eq!(rig.stage(), S::Idle);
    }
}

struct Fields<'a> {
    qty: &'a mut Qty,
    leverage: &'a mut Rate,
    reference: &'a mut Price,
    kind: &'a mut OrderKind,
}

fn set(intent: &mut Intent, change: fn(&mut Fields<'_>)) {
    if let Intent::Enter { qty, leverage, reference_price: reference, kind, .. } = intent {
        change(&mut Fields { qty, leverage, reference, kind });
    }
}

fn limit(intent: &mut Intent, at: &str) {
    if let Intent::Enter { kind, price: limit, tif, .. } = intent {
        *kind = OrderKind::Limit;
        *tif = TimeInForce::Gtc;
        *limit = Maybe::some(price(at));
    }
}

#[test]
fn what_does_not_trade_is_not_entered() {
    let mut rig = Rig::ready();
    let mut rows: alloc::vec::Vec<_> = rig.kernel.table().iter().map(|(_, row)| *row).collect();
    rows[fet().index()].tradable = false;
    let table = alloc::sync::Arc::new(InstrumentTable::new(rows).expect("a table"));
    rig.kernel = Kernel::new(&rig.settings, table, 7);
    assert_eq!(rig.guard(), Err(B::NotTradable));
}

#[test]
fn a_busy_slot_takes_no_second_entry_and_a_used_name_no_second_trade() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let named = |seq| {
        let mut intent = Rig::enter_intent(PositionSide::Long, "1000");
        if let Intent::Enter { trade, .. } = &mut intent {
            *trade = Some(crate::id::TradeId::new(seq));
        }
        intent
    };
    assert_eq!(rig.submit(&named(9)), no(Code::SlotBusy));
    assert_eq!(rig.submit(&named(1)), no(Code::DuplicateEvent));
    let other = Intent::Cancel { slot: 5 };
    assert_eq!(rig.submit(&other), no(Code::UnresolvedSlot));
    let exit = rig.exit(None);
    rig.filled(exit, "X", "1000", "0.2");
    rig.wait(6 * SECOND).quote(fet(), "0.1878", "0.1879");
    assert_eq!(rig.submit(&named(1)), no(Code::DuplicateEvent));
    assert_eq!(rig.submit(&named(2)), Verdict::OK);
    assert_eq!(rig.kernel.next_trade().seq(), 3);
}

/// Kill, freeze, a lost journal, no price, a stale balance: each stops the entry, none the exit.
#[test]
fn nothing_stops_an_exit() {
    type Stop = fn(&mut Rig);
    let stops: [(Stop, B, Code); 7] = [
        (|rig| assert!(rig.control(Control::Kill).accepted), B::Killed, Code::Killed),
        (|rig| assert!(rig.control(Control::Flatten).accepted), B::Killed, Code::Killed),
        (|rig| assert!(rig.control(Control::Reduce).accepted), B::Reducing, Code::EntryBlocked),
        (
            |rig| assert!(rig.control(Control::JournalFailed).accepted),
            B::Journal,
            Code::EntryBlocked,
        ),
        (|rig| rig.wallet("1"), B::EntryFrozen, Code::EntryFrozen),
        (|rig| rig.kernel.fault("test", &mut rig.out), B::EntryFrozen, Code::EntryFrozen),
        (
            |rig| {
                rig.wait(3600 * SECOND);
            },
            B::StalePrice,
            Code::EntryBlocked,
        ),
    ];
    for (stop, reason, code) in stops {
        let settings = Settings { kernel_slots_max: 2, ..Settings::default() };
        let mut rig = Rig::with(settings).made_ready();
        let entry = rig.enter(PositionSide::Long, "1000");
        rig.filled(entry, "E", "1000", "0.2");
        stop(&mut rig);
        let mut second = Rig::enter_intent(PositionSide::Long, "1");
        if let Intent::Enter { slot, instrument, .. } = &mut second {
            (*slot, *instrument) = (1, btc());
        }
        assert_eq!(rig.submit(&second), no(code));
        let blocked = Record::EntryBlocked { instrument: btc(), reason };
        assert!(rig.out.records.iter().any(|message| message.record == blocked));
        let exit = rig.exit(None);
        let (_, size, reduce_only) = rig.placed().expect("an exit order");
        assert_eq!((size, reduce_only), (qty("1000"), true));
        rig.filled(exit, "X", "1000", "0.2");
        assert_eq!(rig.stage(), S::TradeTerminalWritten);
    }
}

#[test]
fn kill_calls_working_entries_back_and_resume_undoes_it() {
    let mut rig = Rig::ready();
    let intent = Rig::resting(Rig::enter_intent(PositionSide::Long, "1000"), "0.18");
    assert_eq!(rig.submit(&intent), Verdict::OK);
    assert_eq!(rig.control(Control::Kill), Verdict::OK);
    assert_eq!(rig.cancels(), 1);
    assert_eq!(rig.control(Control::Kill), no(Code::DuplicateEvent));
    let entry = rig.slot().entry_order().expect("entry");
    assert_eq!(rig.canceled(entry, Some("0")), Verdict::OK);
    assert_eq!(rig.stage(), S::Idle);
    assert_eq!(rig.guard(), Err(B::Killed));
    assert_eq!(rig.control(Control::Resume), Verdict::OK);
    assert_eq!(rig.guard(), Ok(()));
}

#[test]
fn reduce_calls_working_entries_back_and_the_stricter_word_counts() {
    let mut rig = Rig::ready();
    let intent = Rig::resting(Rig::enter_intent(PositionSide::Long, "1000"), "0.18");
    assert_eq!(rig.submit(&intent), Verdict::OK);
    assert_eq!(rig.control(Control::Reduce), Verdict::OK);
    assert_eq!((rig.cancels(), rig.kernel.trading_state()), (1, TradingState::Reducing));
    assert_eq!(rig.control(Control::Reduce), no(Code::DuplicateEvent));
    assert_eq!(rig.control(Control::Kill), Verdict::OK);
    assert_eq!(rig.control(Control::Reduce), no(Code::DuplicateEvent));
    assert_eq!(rig.kernel.trading_state(), TradingState::Halted);
    assert_eq!(rig.control(Control::Resume), Verdict::OK);
    assert_eq!(rig.kernel.trading_state(), TradingState::Active);
    assert_eq!(rig.control(Control::Resume), no(Code::DuplicateEvent));
}

#[test]
fn cancel_all_calls_entries_and_exits_back_and_changes_no_state() {
    let mut rig = Rig::ready();
    let intent = Rig::resting(Rig::enter_intent(PositionSide::Long, "1000"), "0.18");
    assert_eq!(rig.submit(&intent), Verdict::OK);
    assert_eq!(rig.control(Control::CancelAll), Verdict::OK);
    assert_eq!((rig.cancels(), rig.kernel.trading_state()), (1, TradingState::Active));
    let mut rig = Rig::ready();
    let entry = rig.enter(PositionSide::Long, "1000");
    rig.filled(entry, "E", "1000", "0.2");
    let _exit = rig.exit(None);
    assert_eq!(rig.kernel.working_orders(), 1);
    assert_eq!(rig.control(Control::CancelAll), Verdict::OK);
    assert_eq!(rig.cancels(), 1);
}

#[test]
fn a_failed_journal_cannot_be_resumed() {
    let mut rig = Rig::ready();
    assert_eq!(rig.control(Control::JournalFailed), Verdict::OK);
    assert_eq!(rig.control(Control::Resume), no(Code::DuplicateEvent));
    assert_eq!(rig.guard(), Err(B::Journal));
}

#[test]
fn a_fault_clears_by_evidence_from_after_it_and_by_nothing_less() {
    let mut rig = Rig::ready();
    rig.kernel.fault("test", &mut rig.out);
    assert_eq!(rig.guard(), Err(B::EntryFrozen));
    rig.wallet("25000");
    assert_eq!(rig.guard(), Err(B::EntryFrozen), "positions are still owed");
    rig.probe(&[(fet(), PositionSide::Long, "1")]);
    assert_eq!(rig.guard(), Err(B::EntryFrozen));
    rig.probe(&[]);
    assert_eq!(rig.guard(), Ok(()));
}

#[test]
fn a_new_process_ends_what_was_the_old_ones_and_nothing_else() {
    for (control, stays) in [
        (Control::Stop, false),
        (Control::JournalFailed, false),
        (Control::JournalBehind, false),
        (Control::Kill, true),
        (Control::Flatten, true),
    ] {
        let mut rig = Rig::ready();
        assert_eq!(rig.control(control), Verdict::OK);
        assert!(rig.guard().is_err(), "{}", control.as_str());
        rig.kernel.resume_as(9);
        assert_eq!(rig.guard().is_err(), stays, "{}", control.as_str());
    }
}
