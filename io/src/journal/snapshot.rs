//! `snapshot.json`: where the kernel stood after its last booked fill, for a look and for a restart.
//!
//! Folded from the records: slots from their moves and fills, the books from the last account line.

use pinion_core::id::{InstrumentId, TradeId};
use pinion_core::kernel::stage::SlotStage;
use pinion_core::msg::record::OrderStatus;
use pinion_core::msg::{OrderRole, Record, RecordMsg, Side};
use pinion_core::units::{Nanos, Price, Qty};

use crate::journal::header::RunHeader;
use crate::journal::json::Object;
use crate::journal::lines::{TradeText, account_fields};

/// State of one slot.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Slot {
    trade: TradeId,
    instrument: InstrumentId,
    stage: SlotStage,
    bought: Qty,
    sold: Qty,
    /// Side of the entry fills, once there is one.
    entry_side: Option<Side>,
    last_price: Option<Price>,
}

/// The fold. Owner: the journal thread, or a replay.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    ts_ns: Nanos,
    slots: Vec<Option<Slot>>,
    account: Option<Record>,
    orders: u64,
    fills: u64,
    fill_seen: bool,
    due: bool,
}

impl Snapshot {
    /// Adds a record.
    pub fn add(&mut self, message: &RecordMsg) {
        self.ts_ns = message.ts_ns;
        match message.record {
            Record::Slot { slot, trade, instrument, to, .. } => {
                let index = usize::from(slot);
                if self.slots.len() <= index {
                    self.slots.resize(index + 1, None);
                }
                let running = self.slots[index].take().filter(|slot| slot.trade == trade);
                self.slots[index] = Some(match running {
                    Some(slot) => Slot { stage: to, ..slot },
                    None => Slot {
                        trade,
                        instrument,
                        stage: to,
                        bought: Qty::ZERO,
                        sold: Qty::ZERO,
                        entry_side: None,
                        last_price: None,
                    },
                });
            }
            Record::Fill { trade, side, role, qty, price, .. } => {
                self.fills += 1;
                self.fill_seen = true;
                let slot = self.slots.iter_mut().flatten().find(|slot| slot.trade == trade);
                if let Some(slot) = slot {
                    let total = match side {
                        Side::Buy => &mut slot.bought,
                        Side::Sell => &mut slot.sold,
                    };
                    *total = Qty::from_raw(total.raw().saturating_add(qty.raw()));
                    if role == OrderRole::Entry {
                        slot.entry_side = Some(side);
                    }
                    slot.last_price = Some(price);
                }
            }
            Record::Order { status, .. } => {
                self.orders += u64::from(status == OrderStatus::Submitted);
            }
            // The books follow their fill in the same turn: only then is the state whole again.
            Record::Account { .. } => {
                self.account = Some(message.record);
                self.due |= self.fill_seen;
                self.fill_seen = false;
            }
            Record::Decision { .. }
            | Record::Router { .. }
            | Record::TradeClosed { .. }
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

    /// True once after each booked fill.
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
            let symbol = header.instruments.symbol(slot.instrument);
            row.integer("slot_id", index);
            row.display("trade_id", TradeText { symbol, trade: slot.trade });
            row.text("asset", symbol);
            row.text("stage", slot.stage.as_str());
            let net = slot.bought.raw().saturating_sub(slot.sold.raw());
            let side = match slot.entry_side {
                Some(Side::Buy) => "long",
                Some(Side::Sell) => "short",
                None => "",
            };
            row.text_or_null("side", side);
            row.decimal("size", Qty::from_raw(net.saturating_abs()));
            row.decimal("position", Qty::from_raw(net));
            row.maybe("last_fill_price", slot.last_price.into());
        });
        object.end_line().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::samples;

    fn snapshot_of(records: &[Record]) -> (Snapshot, serde_json::Value) {
        let mut snapshot = Snapshot::default();
        for (at, record) in records.iter().enumerate() {
            let ts_ns = Nanos::new(i64::try_from(at).expect("small"));
            snapshot.add(&RecordMsg { ts_ns, record: *record });
        }
        let json = snapshot.to_json(&samples::header());
        (snapshot, serde_json::from_slice(&json).expect("parses"))
    }

    #[test]
    fn fills_move_the_slot_of_their_trade_and_the_books_settle_it() {
        let (mut snapshot, _) = snapshot_of(&[samples::slot(), samples::fill()]);
        assert!(!snapshot.take_due(), "the books are still those before the fill");
        let (mut snapshot, json) =
            snapshot_of(&[samples::slot(), samples::fill(), samples::account()]);
        assert!(snapshot.take_due());
        assert!(!snapshot.take_due(), "once per fill");
        assert_eq!(json["slots"][0]["trade_id"], "FETUSDT-T-000000000007");
        assert_eq!(json["slots"][0]["position"], "-26007");
        assert_eq!(json["slots"][0]["size"], "26007");
        assert_eq!(json["slots"][0]["side"], "short");
        assert_eq!(json["account"]["capital"], "25010.9");
        assert_eq!(json["fills"], 1);
    }

    #[test]
    fn a_new_round_trip_empties_its_slot() {
        let next = match samples::slot() {
            Record::Slot { slot, instrument, from, to, event, .. } => {
                Record::Slot { slot, trade: TradeId::new(8), instrument, from, to, event }
            }
            other => other,
        };
        let (_, json) = snapshot_of(&[samples::slot(), samples::fill(), next]);
        assert_eq!(json["slots"][0]["position"], "0");
        assert_eq!(json["slots"][0]["side"], serde_json::Value::Null);
    }
}
