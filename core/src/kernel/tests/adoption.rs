//! What the venue holds at a start and while running, and the recovery.

use super::rig::*;
use crate::id::{ClientId, InstrumentId};
use crate::kernel::stage::{SlotEvent, SlotStage as S};
use crate::kernel::{Code, Verdict};
use crate::msg::record::{BlockReason as B, PriceSource};
use crate::msg::venue::VenueOrderState as V;
use crate::msg::{ClientRef, Command, Control, Maybe, PositionSide, Record, Side, VenueEvent};
use crate::settings::Settings;

/// Views that were asked for later than this after a recovery began know what was before it.
const VIEW_LAG_NS: i64 = 5_000_000_000;

/// A position row with the venue's entry price.
fn row(rig: &mut Rig, id: Option<InstrumentId>, side: PositionSide, size: &str, at: &str) {
    let entry_price = if at.is_empty() { Maybe::NONE } else { Maybe::some(price(at)) };
    let event = VenueEvent::Position { side, qty: qty(size), entry_price };
    rig.account(id, event);
}

fn end(rig: &mut Rig, rows: u32) -> Verdict {
    let revision = rig.kernel.revision();
    rig.account(None, VenueEvent::PositionsEnd { ok: true, rows, revision })
}

fn list(rig: &mut Rig, strays: &[ClientId]) -> Verdict {
    for client in strays {
        let event = VenueEvent::OpenOrder {
            venue_id: id("777"),
            side: Side::Buy,
            qty: qty("100"),
            cum_qty: qty("0"),
        };
        rig.venue(ClientRef::Own(*client), Some(fet()), event);
    }
    let rows = u32::try_from(strays.len()).expect("few");
    let revision = rig.kernel.revision();
    rig.account(None, VenueEvent::OpenOrdersEnd { ok: true, rows, revision })
}

fn slots(count: i64) -> Rig {
    let mut rig = Rig::with(Settings { kernel_slots_max: count, ..Settings::default() });
    rig.quote(btc(), "60000", "60000.1");
    rig.quote(fet(), "0.1878", "0.1879");
    rig.wallet("25000");
    rig
}

fn halts(rig: &Rig, why: &str) -> (usize, usize) {
    let count = |wanted: &dyn Fn(&Record) -> bool| rig.records.iter().filter(|r| wanted(r)).count();
    (
        count(&|record| matches!(record, Record::Halt { reason } if *reason == why)),
        count(&|record| matches!(record, Record::Resume { reason } if *reason == why)),
    )
}

#[test]
fn a_start_takes_over_the_largest_notional_not_the_largest_quantity() {
    let mut rig = slots(1);
    let before = rig.capital();
    row(&mut rig, Some(fet()), PositionSide::Short, "26007", "0.1878");
    row(&mut rig, Some(btc()), PositionSide::Long, "0.1", "59000");
    assert_eq!(end(&mut rig, 2), Verdict::OK);
    let slot = rig.slot();
    assert_eq!((slot.instrument(), slot.side()), (Some(btc()), Some(PositionSide::Long)));
    assert_eq!((slot.stage(), slot.size()), (S::PositionOpen, qty("0.1")));
    assert_eq!((slot.entry_price(), slot.entry_cost()), (Some(price("59000")), money("5900")));
    assert_eq!((slot.opened_ns(), slot.leverage()), (None, None), "nobody here saw it begin");
    assert_eq!((slot.fees(), slot.realized(), rig.capital()), (money("0"), money("0"), before));
    assert_eq!(slot.unrealized(), Some(money("100")), "marked at the bid");
    assert!(rig.kernel.is_frozen(), "the other one has no slot");
    assert_eq!(halts(&rig, "orphan_position"), (1, 0));
    // An exit of it is an exit like any other, and the round trip tells that its beginning is unknown.
    let exit = rig.exit(None);
    let event = VenueEvent::Fill {
        venue_id: id("9"),
        fill_id: id("X"),
        qty: qty("0.1"),
        price: price("60000"),
        fee: Maybe::some(money("0")),
        cum_qty: Maybe::NONE,
        side: Some(Side::Sell),
        is_maker: None,
    };
    assert_eq!(rig.venue(ClientRef::Own(exit), Some(btc()), event), Verdict::OK);
    assert_eq!(rig.stage(), S::TradeTerminalWritten);
    assert!(rig.records.iter().any(|record| matches!(
        record,
        Record::TradeClosed { held_ns: None, net_pnl, .. } if *net_pnl == money("100")
    )));
}

#[test]
fn every_slot_takes_one_and_each_has_its_own_round_trip() {
    let mut rig = slots(3);
    row(&mut rig, Some(fet()), PositionSide::Short, "26007", "");
    row(&mut rig, Some(btc()), PositionSide::Long, "0.1", "59000");
    row(&mut rig, Some(btc()), PositionSide::Short, "0.05", "61000");
    end(&mut rig, 3);
    let took: alloc::vec::Vec<_> = rig
        .records
        .iter()
        .filter_map(|record| match record {
            Record::Adopted { slot, trade, instrument, side, source, .. } => {
                Some((*slot, trade.seq(), *instrument, *side, *source))
            }
            _ => None,
        })
        .collect();
    let venue = PriceSource::Venue;
    assert_eq!(
        took,
        [
            (0, 1, btc(), PositionSide::Long, venue),
            (1, 2, fet(), PositionSide::Short, PriceSource::Market),
            (2, 3, btc(), PositionSide::Short, venue),
        ]
    );
    assert_eq!(rig.kernel.slot(1).entry_price(), Some(price("0.18785")), "the middle of the quote");
    assert!(!rig.kernel.is_frozen());
    assert!(!rig.kernel.facts().shows_strange_position());
    assert!(rig.records.iter().any(|record| matches!(
        record,
        Record::Slot { event: SlotEvent::Adopt, to: S::PositionOpen, .. }
    )));
}

#[test]
fn what_has_no_price_or_no_asset_freezes_while_the_venue_shows_it() {
    let mut rig = Rig::new();
    rig.wallet("25000");
    row(&mut rig, Some(fet()), PositionSide::Short, "26007", "");
    end(&mut rig, 1);
    assert_eq!((rig.stage(), rig.kernel.is_frozen()), (S::Idle, true), "no price of any kind");
    assert_eq!(rig.control(Control::Resume), no(Code::DuplicateEvent), "evidence alone clears it");
    assert!(rig.kernel.is_frozen());
    rig.probe(&[]);
    assert!(rig.kernel.is_frozen(), "one empty list may be a mistake");
    rig.probe(&[]);
    assert!(!rig.kernel.is_frozen());
    assert_eq!(halts(&rig, "orphan_position"), (1, 1));

    let mut rig = slots(1);
    row(&mut rig, None, PositionSide::Long, "10", "1");
    end(&mut rig, 1);
    assert!(rig.kernel.is_frozen(), "an asset that is not traded here");
}

#[test]
fn a_strange_position_while_running_is_never_taken_over() {
    let mut rig = Rig::ready();
    rig.probe(&[(btc(), PositionSide::Long, "1")]);
    assert_eq!((rig.guard(), rig.kernel.is_frozen()), (Err(B::VenueNotFlat), false));
    // A failed or lost snapshot is no second one.
    let revision = rig.kernel.revision();
    rig.account(None, VenueEvent::PositionsEnd { ok: false, rows: 0, revision });
    assert!(!rig.kernel.is_frozen());
    rig.probe(&[(btc(), PositionSide::Long, "1")]);
    assert_eq!((rig.stage(), rig.kernel.is_frozen()), (S::Idle, true));
    rig.probe(&[]);
    assert!(rig.kernel.is_frozen(), "one empty list may be a mistake");
    rig.probe(&[]);
    assert!(!rig.kernel.is_frozen());
}

#[test]
fn what_an_order_of_ours_may_just_be_filling_is_no_alarm() {
    let mut rig = Rig::ready();
    rig.enter(PositionSide::Long, "1000");
    for _ in 0..3 {
        rig.probe(&[(fet(), PositionSide::Long, "1000")]);
    }
    assert!(!rig.kernel.is_frozen());
}

#[test]
fn a_kernel_that_has_placed_an_order_takes_nothing_over_without_a_recovery() {
    let mut rig = Rig::new();
    rig.quote(fet(), "0.1878", "0.1879");
    rig.wallet("25000");
    rig.probe(&[]);
    rig.probe(&[(fet(), PositionSide::Long, "1000")]);
    assert_eq!(rig.stage(), S::Idle, "only the first whole snapshot is a start");
}

#[test]
fn a_recovery_waits_for_orders_positions_and_a_balance_in_this_order() {
    let mut rig = Rig::ready();
    assert_eq!(rig.guard(), Ok(()));
    assert_eq!(rig.control(Control::Recover), Verdict::OK);
    rig.wait(VIEW_LAG_NS).tick();
    assert_eq!(rig.guard(), Err(B::Recovering));
    let old = rig.kernel.revision();
    rig.probe(&[]);
    rig.wallet("25000");
    assert!(rig.kernel.is_recovering(), "open orders come first");
    assert_eq!(list(&mut rig, &[]), Verdict::OK);
    // Positions that were asked for before the list may miss what filled in between.
    rig.account(None, VenueEvent::PositionsEnd { ok: true, rows: 0, revision: old });
    rig.wallet("25000");
    assert!(rig.kernel.is_recovering());
    rig.probe(&[]);
    rig.probe(&[]);
    assert!(rig.kernel.is_recovering(), "the balance is older");
    rig.wallet("25000");
    assert!(!rig.kernel.is_recovering());
    assert_eq!(halts(&rig, "recover"), (1, 1));
    rig.quote(fet(), "0.1878", "0.1879");
    assert_eq!(rig.guard(), Ok(()));
}

#[test]
fn a_failed_or_older_list_recovers_nothing() {
    let mut rig = Rig::ready();
    rig.control(Control::Recover);
    let before = rig.kernel.revision();
    rig.wait(VIEW_LAG_NS).tick();
    let early = VenueEvent::OpenOrdersEnd { ok: true, rows: 0, revision: before };
    assert_eq!(rig.account(None, early), no(Code::StaleStateReconciling), "asked for too early");
    let revision = rig.kernel.revision();
    rig.account(None, VenueEvent::OpenOrdersEnd { ok: false, rows: 0, revision });
    rig.account(None, VenueEvent::OpenOrdersEnd { ok: true, rows: 1, revision });
    let older = VenueEvent::OpenOrdersEnd { ok: true, rows: 0, revision: revision - 1 };
    assert_eq!(rig.account(None, older), no(Code::StaleStateReconciling));
    rig.probe(&[]);
    rig.wallet("25000");
    assert!(rig.kernel.is_recovering());
}

#[test]
fn a_recovery_asks_for_every_live_order_and_ends_when_all_have_answered() {
    let mut rig = Rig::ready();
    let entry = resting(&mut rig, "1000");
    rig.ack(entry, "9001");
    rig.control(Control::Recover);
    rig.wait(VIEW_LAG_NS).tick();
    assert_eq!(rig.queries(), 1);
    list(&mut rig, &[]);
    rig.probe(&[]);
    rig.wallet("25000");
    assert!(rig.kernel.is_recovering(), "the order has not answered");
    status(&mut rig, entry, V::New, "0", None);
    rig.wallet("25000");
    assert!(!rig.kernel.is_recovering());
    assert_eq!(rig.stage(), S::EntryWorking, "a working entry stays one");
}

#[test]
fn exits_wait_for_no_recovery() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    rig.control(Control::Recover);
    rig.wait(VIEW_LAG_NS).tick();
    rig.exit(None);
    assert_eq!(rig.stage(), S::ExitSent);
}

#[test]
fn orders_of_ours_that_nobody_remembers_are_called_back_until_they_are_gone() {
    let mut rig = Rig::ready();
    rig.control(Control::Recover);
    rig.wait(VIEW_LAG_NS).tick();
    let stray = ClientId::new(3, 44);
    let cancels = |rig: &Rig| {
        rig.commands
            .iter()
            .filter(|message| {
                matches!(message.command, Command::Cancel { client, .. } if client == stray)
            })
            .count()
    };
    for round in 1..=8 {
        list(&mut rig, &[stray]);
        assert_eq!(cancels(&rig), round.min(5), "bounded");
        assert_eq!(errors(&rig).len(), 1, "one alarm");
    }
    rig.probe(&[]);
    rig.wallet("25000");
    assert!(rig.kernel.is_recovering(), "it works as far as the last list says");
    list(&mut rig, &[]);
    rig.probe(&[]);
    rig.probe(&[]);
    rig.wallet("25000");
    assert!(!rig.kernel.is_recovering());
}

/// Views from before the lag may miss what was done before the restart: the next are asked for at once.
#[test]
fn lists_that_come_too_early_end_no_recovery_and_are_asked_for_again() {
    let mut rig = Rig::ready();
    rig.control(Control::Recover);
    for _ in 0..2 {
        list(&mut rig, &[]);
        assert!(rig.kernel.wants_positions());
        rig.probe(&[]);
        assert!(rig.kernel.wants_positions(), "positions of the same moment are no answer");
        rig.wallet("25000");
        assert!(rig.kernel.is_recovering());
        rig.wait(VIEW_LAG_NS / 2 - 1);
    }
    rig.wait(2).tick();
    list(&mut rig, &[]);
    rig.probe(&[]);
    rig.wallet("25000");
    assert!(rig.kernel.is_recovering(), "the empty ones from before the lag count for nothing");
    rig.probe(&[]);
    assert!(!rig.kernel.wants_positions());
    rig.wallet("25000");
    assert!(!rig.kernel.is_recovering());
}

/// Venues send empty lists by mistake, and a lost disk leaves nothing to hold one against.
#[test]
fn a_kernel_without_a_memory_believes_an_empty_list_the_second_time() {
    let mut rig = Rig::new();
    rig.quote(fet(), "0.1878", "0.1879");
    rig.control(Control::Recover);
    rig.wait(VIEW_LAG_NS).tick();
    list(&mut rig, &[]);
    rig.probe(&[]);
    rig.wallet("25000");
    assert!(rig.kernel.is_recovering() && rig.kernel.wants_positions());
    rig.probe(&[(fet(), PositionSide::Long, "1000")]);
    assert_eq!((rig.stage(), rig.slot().size()), (S::PositionOpen, qty("1000")), "it was there");
    assert!(!rig.kernel.wants_positions());
    rig.wallet("25000");
    assert!(!rig.kernel.is_recovering());

    // One that has placed orders has its own books beside it.
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let exit = rig.exit(None);
    rig.filled(exit, "X", "1000", "0.2");
    rig.control(Control::Recover);
    rig.wait(VIEW_LAG_NS).tick();
    list(&mut rig, &[]);
    rig.probe(&[]);
    rig.wallet("25000");
    assert!(!rig.kernel.is_recovering());
}

#[test]
fn a_stray_blocks_entries_at_any_time() {
    let mut rig = Rig::ready();
    list(&mut rig, &[ClientId::new(7, 999)]);
    assert_eq!(rig.guard(), Err(B::UnresolvedOrder));
    list(&mut rig, &[]);
    assert_eq!(rig.guard(), Err(B::HotWindow));
}

/// The tail of the journal was lost: the refusal of the entry that is remembered, and the entry that filled.
#[test]
fn a_denied_entry_does_not_hold_the_slot_for_ever_that_a_forgotten_position_needs() {
    let mut rig = Rig::ready();
    rig.quote(fet(), "0.1878", "0.1879");
    let entry = rig.enter(PositionSide::Short, "1000");
    rig.control(Control::Recover);
    rig.wait(VIEW_LAG_NS).tick();
    for round in 0..9 {
        status(&mut rig, entry, V::NotFound, "", None);
        list(&mut rig, &[]);
        rig.probe(&[(fet(), PositionSide::Long, "7")]);
        rig.wallet("25000");
        if round < 4 {
            assert_eq!(
                rig.slot().entry_order(),
                Some(entry),
                "{round}: the position may be its work"
            );
        }
        rig.wait(5_000_000_000).tick();
    }
    assert_eq!((rig.stage(), rig.slot().side()), (S::PositionOpen, Some(PositionSide::Long)));
    assert_eq!(rig.slot().size(), qty("7"));
    assert!(!rig.kernel.is_recovering() && !rig.kernel.is_frozen());
}

#[test]
fn a_recovery_takes_over_what_the_lost_tail_opened() {
    let mut rig = Rig::open(PositionSide::Long, "1000", "0.2");
    let exit = rig.exit(None);
    rig.filled(exit, "X", "1000", "0.2");
    rig.control(Control::Recover);
    rig.wait(VIEW_LAG_NS).tick();
    list(&mut rig, &[]);
    rig.probe(&[(fet(), PositionSide::Long, "500")]);
    assert_eq!((rig.stage(), rig.slot().size()), (S::PositionOpen, qty("500")));
    assert_eq!(rig.slot().trade().map(crate::id::TradeId::seq), Some(2), "our own sequence");
}

#[test]
fn a_new_epoch_keeps_the_orders_of_the_old_one() {
    let mut rig = Rig::ready();
    let old = resting(&mut rig, "1000");
    rig.kernel.resume_as(8);
    rig.control(Control::Recover);
    rig.wait(VIEW_LAG_NS).tick();
    assert_eq!(rig.ack(old, "9001"), Verdict::OK);
    rig.filled(old, "F", "1000", "0.18");
    assert_eq!((rig.stage(), rig.slot().size()), (S::PositionOpen, qty("1000")));
    let new = rig.exit(None);
    assert_eq!((new.epoch(), new.seq()), (8, old.seq() + 1));
    let lost = Fill { client: Some(ClientId::new(7, 77)), id: "L", ..Fill::default() };
    assert_eq!(rig.fill(lost), no(Code::ForeignFill), "of an epoch before, without a row");
}
