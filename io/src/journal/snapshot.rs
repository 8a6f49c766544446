//! `snapshot.json`: where the kernel stood after its last booked fill, for a look and for a restart.
//!
//! Folded from the records: a slot's stage from its moves, its contents from the last slot state, the
//! books from the last account line.

use pinion_core::id::{InstrumentId, TradeId};
use pinion_core::instrument::InstrumentTable;
use pinion_core::kernel::stage::SlotStage;
use pinion_core::msg::record::{OrderStatus, SlotState};
use pinion_core::msg::{Record, RecordMsg};
use pinion_core::units::Nanos;

use crate::journal::header::RunHeader;
use crate::journal::json::Object;
use crate::journal::lines::{TradeText, account_fields};

/// One slot: who is in it, where it stands, and what it holds once something was booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    trade: TradeId,
    instrument: InstrumentId,
    stage: SlotStage,
    state: Option<SlotState>,
}

/// The fold. Owner: the journal thread, or a replay.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    ts_ns: Nanos,
    slots: Vec<Option<Slot>>,
    account: Option<Record>,
    orders: u64,
    fills: u64,
    /// Turn of the last booking.
    booked_ns: Option<Nanos>,
    due: bool,
}

impl Snapshot {
    /// Adds a record.
    pub fn add(&mut self, message: &RecordMsg) {
        self.ts_ns = message.ts_ns;
        match message.record {
            Record::Slot { slot, trade, instrument, to, .. } => {
                let place = self.slot(slot);
                let state = place.filter(|slot| slot.trade == trade).and_then(|slot| slot.state);
                *place = Some(Slot { trade, instrument, stage: to, state });
            }
            Record::SlotState(state) => {
                let SlotState { slot, trade, instrument, stage, .. } = state;
                *self.slot(slot) = Some(Slot { trade, instrument, stage, state: Some(state) });
                self.changed();
            }
            Record::Account { .. } => {
                self.account = Some(message.record);
                self.changed();
            }
            Record::Fill { .. } => {
                self.fills += 1;
                self.booked_ns = Some(message.ts_ns);
            }
            Record::FeeSettled { .. } => self.booked_ns = Some(message.ts_ns),
            Record::Order { status, .. } => {
                self.orders += u64::from(status == OrderStatus::Submitted);
            }
            Record::Decision { .. }
            | Record::Adopted { .. }
            | Record::Router { .. }
            | Record::TradeClosed { .. }
            | Record::FeeRatio { .. }
            | Record::Reanchored { .. }
            | Record::ReanchorRefused { .. }
            | Record::EntryBlocked { .. }
            | Record::Summary { .. }
            | Record::Gap { .. }
            | Record::Halt { .. }
            | Record::Resume { .. }
            | Record::Error { .. }
            | Record::Settings { .. }
            | Record::Candidate { .. }
            | Record::TradeDecision { .. } => {}
        }
    }

    fn slot(&mut self, number: u8) -> &mut Option<Slot> {
        let index = usize::from(number);
        if self.slots.len() <= index {
            self.slots.resize(index + 1, None);
        }
        &mut self.slots[index]
    }

    /// Slot states and books follow what was booked, in the same turn.
    fn changed(&mut self) {
        self.due |= self.booked_ns == Some(self.ts_ns);
    }

    /// True once after each turn that booked a fill (twice when its records come in two parts).
    pub fn take_due(&mut self) -> bool {
        std::mem::take(&mut self.due)
    }

    /// The file's content: JSON, one object.
    #[must_use]
    pub fn to_json(&self, header: &RunHeader) -> Vec<u8> {
        let mut object = Object::default();
        object.begin();
        object.text("schema_version", "pinion.snapshot.v1");
        object.text("run_id", &header.run_id);
        object.integer("epoch", header.epoch);
        object.integer("ts_ns", self.ts_ns.get());
        object.integer("orders", self.orders);
        object.integer("fills", self.fills);
        match &self.account {
            Some(account) => object.object("account", |inner| account_fields(inner, account)),
            None => object.null("account"),
        }
        let slots = self.slots.iter().enumerate();
        let used = slots.filter_map(|(index, slot)| Some((index, slot.as_ref()?)));
        object.list("slots", used, |row, (index, slot)| {
            slot_fields(row, &header.instruments, index, slot);
        });
        object.end_line().to_vec()
    }
}

fn slot_fields(row: &mut Object, instruments: &InstrumentTable, index: usize, slot: &Slot) {
    let id = slot.instrument;
    let symbol = if id.index() < instruments.len() { instruments.symbol(id) } else { "" };
    row.integer("slot_id", index);
    row.text("trade_id", &TradeText { symbol, trade: slot.trade }.to_string());
    row.text("asset", symbol);
    row.text("stage", slot.stage.as_str());
    let Some(state) = &slot.state else { return };
    row.text("side", state.side.as_str());
    row.decimal("size", state.size);
    row.decimal("entered", state.entered);
    row.maybe("entry_price", state.entry_notional.per(state.entered).into());
    row.decimal("entry_notional", state.entry_notional);
    row.decimal("exit_notional", state.exit_notional);
    row.decimal("realized", state.realized);
    row.decimal("fees", state.fees);
    row.decimal("funding", state.funding);
    row.integer("leg", state.leg);
    for (key, order) in [("entry_order", state.entry_order), ("exit_order", state.exit_order)] {
        match order {
            Some(order) => row.display(key, order),
            None => row.null(key),
        }
    }
    match state.opened_ns.get() {
        Some(opened) => row.integer("opened_ns", opened.get()),
        None => row.null("opened_ns"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::samples;
    use serde_json::Value;

    fn snapshot_of(records: &[Record]) -> (Snapshot, Value) {
        let mut snapshot = Snapshot::default();
        for record in records {
            snapshot.add(&RecordMsg { ts_ns: Nanos::new(5), record: *record });
        }
        let json = snapshot.to_json(&samples::header());
        (snapshot, serde_json::from_slice(&json).expect("parses"))
    }

    #[test]
    fn a_booked_fill_makes_a_snapshot_due_with_its_books_and_slot() {
        let (mut snapshot, _) = snapshot_of(&[samples::slot(), samples::fill()]);
        assert!(!snapshot.take_due(), "the books are still those before the fill");
        let records = [samples::slot(), samples::fill(), samples::slot_state(), samples::account()];
        let (mut snapshot, json) = snapshot_of(&records);
        assert!(snapshot.take_due());
        assert!(!snapshot.take_due(), "once");
        assert_eq!(json["slots"][0]["trade_id"], "FETUSDT-T-000000000007");
        assert_eq!(json["slots"][0]["size"], "26007");
        assert_eq!(json["slots"][0]["side"], "short");
        assert_eq!(json["slots"][0]["entry_price"], "0.1878");
        assert_eq!(json["slots"][0]["entry_order"], Value::Null);
        assert_eq!(json["slots"][0]["exit_order"], "p-66b5594f-1a");
        assert_eq!(json["account"]["capital"], "25010.9");
        assert_eq!(json["fills"], 1);
    }

    #[test]
    fn books_of_another_turn_are_no_reason_to_write() {
        let (mut snapshot, _) = snapshot_of(&[samples::fill(), samples::account()]);
        assert!(snapshot.take_due());
        snapshot.add(&RecordMsg { ts_ns: Nanos::new(6), record: samples::account() });
        assert!(!snapshot.take_due());
    }

    #[test]
    fn a_new_round_trip_empties_its_slot() {
        let next = match samples::slot() {
            Record::Slot { slot, instrument, from, to, event, .. } => {
                Record::Slot { slot, trade: TradeId::new(8), instrument, from, to, event }
            }
            other => other,
        };
        let (_, json) = snapshot_of(&[samples::slot(), samples::slot_state(), next]);
        assert_eq!(json["slots"][0]["trade_id"], "FETUSDT-T-000000000008");
        assert_eq!(json["slots"][0].get("size"), None);
    }
}
